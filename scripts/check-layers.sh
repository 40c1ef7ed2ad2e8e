#!/bin/sh
# SPDX-License-Identifier: MIT
# check-layers.sh - an #include may only point to the same folder or a lower one.
# The order of the floors is the whole architecture; change it here, nowhere else.
set -eu
LC_ALL=C; export LC_ALL
order="base kernel policy cage config wire super ctl import app"
cd "$(dirname "$0")/../src"

rank() { n=0; for d in $order; do [ "$d" = "$1" ] && { echo $n; return; }; n=$((n+1)); done; echo -1; }

# Programs of their own, beside the staircase: what each may include besides its own folder.
may_include() {
	case $1 in
	init)    echo "base/*" ;;
	scope)   echo "base/*" ;;
	lib)     echo "mpsup.h" ;;
	builtin) echo "mpsup.h" ;;
	*)       return 1 ;;
	esac
}

bad=0
say() { echo "$1" >&2; bad=1; }

check_program() {
	file=$1 from=$2 inc=$3
	for allowed in "$from/*" $(may_include "$from"); do
		# shellcheck disable=SC2254 # a pattern on purpose
		case $inc in $allowed) return ;; esac
	done
	say "src/$file: $from is a program of its own and may not include \"$inc\""
}

check_floor() {
	file=$1 from=$2 inc=$3
	to=${inc%%/*}; rf=$(rank "$from"); rt=$(rank "$to")
	if [ "$to" = "$inc" ] || [ "$rt" -lt 0 ]; then
		say "src/$file: include \"$inc\" must be written \"folder/file.h\" and name a floor"
	elif [ "$rt" -gt "$rf" ]; then
		say "src/$file: $from may not look up at $to (\"$inc\")"
	fi
}

set -f	# patterns stay patterns
for f in $(find . -name '*.[ch]' | sed 's|^\./||' | sort); do
	from=${f%%/*}
	check=check_floor
	if may_include "$from" >/dev/null; then
		check=check_program
	elif [ "$(rank "$from")" -lt 0 ]; then
		say "src/$f: folder '$from' has no floor"
		continue
	fi
	for inc in $(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$f"); do
		"$check" "$f" "$from" "$inc"
	done
	# Our own header in angle brackets would slip past the rule above.
	if grep -qE '^[[:space:]]*#[[:space:]]*include[[:space:]]*<mpsup\.h>' "$f"; then
		case $from in lib|builtin) ;; *) say "src/$f: <mpsup.h> is the worker's side" ;; esac
	fi
done
exit $bad

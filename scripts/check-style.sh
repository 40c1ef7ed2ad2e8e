#!/bin/sh
# SPDX-License-Identifier: MIT
# check-style.sh - the rules of the house that a program can check.
set -eu
LC_ALL=C; export LC_ALL
cd "$(dirname "$0")/.."

max_file=600	# lines
max_function=80

bad=0
# complain RULE PLACES: every line of PLACES breaks the rule.
complain() {
	[ -n "$2" ] || return 0
	printf '%s\n' "$2" | sed "s|^|$1: |" >&2
	bad=1
}

ours=$(find src include tests scripts policy deploy .ci -type f \( -name '*.[ch]' -o -name '*.py' \
	-o -name '*.sh' -o -name '*.yaml' -o -path .ci/run \) 2>/dev/null | sort)
c_src=$(find src -name '*.[ch]' | sort)

# shellcheck disable=SC2086 # lists of paths without blanks
search() {
	pattern=$1; shift
	grep -nE "$pattern" "$@" /dev/null || true
}

long_files() {
	for f in $c_src; do
		lines=$(wc -l <"$f")
		[ "$lines" -le "$max_file" ] || echo "$f ($lines lines)"
	done
}

without_licence() {
	for f in $ours; do
		# Other people's texts are kept as they are.
		case $f in tests/host/fixtures/*) continue ;; esac
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: MIT' || echo "$f"
	done
}

long_functions() {
	find src -name '*.c' -print0 | xargs -0 ctags --fields=+ne -f - --kinds-C=f |
		awk -F'\t' -v max="$max_function" '{
			first = last = 0
			for (i = 4; i <= NF; i++) {
				if ($i ~ /^line:/) first = substr($i, 6)
				if ($i ~ /^end:/) last = substr($i, 5)
			}
			if (last - first + 1 > max)
				print $2 ": " $1 " (" last - first + 1 " lines)"
		}'
}

calls='strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|gets|alloca|system|popen|tmpnam|mktemp'
complain 'banned function' "$(search "\\b($calls)[[:space:]]*\\(" $c_src)"
complain 'nothing sleeps' \
	"$(search '\b(sleep|usleep|nanosleep|clock_nanosleep)[[:space:]]*\(' $c_src)"
complain 'a state is written in fsm.c alone' "$(search '(->|\.)state = ' \
	$(find src/super -name '*.c' ! -name fsm.c 2>/dev/null))"
complain 'unfinished' "$(search '\b(TODO|FIXME)\b' \
	$(echo "$ours" | grep -v '^scripts/check-style.sh$'))"
complain "file over $max_file lines" "$(long_files)"
complain 'no SPDX line at the top' "$(without_licence)"
if command -v ctags >/dev/null 2>&1; then
	complain "function over $max_function lines" "$(long_functions)"
else
	complain 'no ctags here' 'the length of functions cannot be checked'
fi
exit $bad

#!/bin/sh
# SPDX-License-Identifier: MIT
# run-tests.sh BUILD KIND... - run tests and print their sum.
#
# KIND is layers, unit, host, node or vm. The last line of the output is always
# "N passed, N failed, N skipped". Exit 1 when one failed, or when one was
# skipped and MPSUP_TEST_MUST_RUN=1.
set -eu
LC_ALL=C; export LC_ALL
build=$1; shift
cd "$(dirname "$0")/.."
case $build in /*) ;; *) build=$PWD/$build ;; esac
MPSUP_BUILD=$build; export MPSUP_BUILD

passed=0 failed=0 skipped=0
out=$(mktemp "${TMPDIR:-/tmp}/mpsup-tests.XXXXXX")
trap 'rm -f "$out"' EXIT
trap 'exit 1' HUP INT TERM

add() {
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# Reads TAP as cmocka 1.1 writes it ("not ok 3 # SKIP name" is a skip). What
# the plan announced and never came, because the program died, has failed.
sum_tap() {
	awk -v status="$1" '
		/^1\.\.[0-9]+/ { plan = substr($0, 4) + 0 }
		/^(not )?ok .*# SKIP/ { skip++; next }
		/^ok / { pass++ }
		/^not ok / { fail++ }
		END {
			lost = plan - pass - fail - skip
			if (lost > 0)
				fail += lost
			if (status != 0 && fail == 0)
				fail = 1
			print pass + 0, fail + 0, skip + 0
		}' "$out"
}

run_unit() {
	for program in "$build"/unit/test_*; do
		case $program in *.d|*.o|*\*) continue ;; esac
		name=${program##*/} status=0
		CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 180 "$program" >"$out" 2>&1 || status=$?
		counts=$(sum_tap "$status")
		echo "$counts" | { read -r p f s; echo "unit/$name: $p passed, $f failed, $s skipped"; }
		set -- $counts
		if [ "$2" -gt 0 ] || [ "$3" -gt 0 ]; then
			# Without the good lines: what is left says why.
			sed -n '/^ok /d; /^1\.\./d; s/^/    /p' "$out"
			[ "$status" -le 128 ] || echo "    ended with status $status"
			[ "$status" -ne 124 ] || echo "    ended after 180 s"
		fi
		add "$@"
	done
}

# run_python KIND PROGRAM [ARG...]: a test program that writes its counts.
run_python() {
	status=0
	what=$1; shift
	python3 "$@" --counts "$out" || status=$?
	if [ -s "$out" ]; then
		set -- $(cat "$out")
		add "$@"
	fi
	if [ "$status" -ne 0 ] && [ ! -s "$out" ]; then
		echo "$what: the test program itself ended with status $status"
		add 0 1 0
	fi
}

run_host() { run_python host tests/host/run.py; }
run_node() { run_python node tests/host/run.py --dir tests/node; }
run_vm() { run_python vm tests/vm/run.py; }

run_layers() {
	if scripts/check-layers.sh; then
		echo "layers: 1 passed, 0 failed, 0 skipped"
		add 1 0 0
	else
		add 0 1 0
	fi
}

for kind; do
	case $kind in
	layers|unit|host|node|vm) : >"$out"; "run_$kind" ;;
	*) echo "$0: unknown kind '$kind'" >&2; exit 2 ;;
	esac
done

if [ "${MPSUP_TEST_MUST_RUN:-0}" = 1 ] && [ "$skipped" -gt 0 ]; then
	echo "MPSUP_TEST_MUST_RUN=1: a skipped test counts as a failure of the run"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] || exit 1
[ "${MPSUP_TEST_MUST_RUN:-0}" != 1 ] || [ "$skipped" -eq 0 ] || exit 1

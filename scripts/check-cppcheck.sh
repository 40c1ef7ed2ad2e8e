#!/bin/sh
# SPDX-License-Identifier: MIT
# check-cppcheck.sh - static analysis, with the checks that speak rarely and are then right.
set -eu
cd "$(dirname "$0")/.."
exec cppcheck -D__x86_64__=1 --quiet --std=c11 --language=c --enable=warning,performance,portability \
	--inline-suppr --suppress=unknownMacro --error-exitcode=1 -j 2 \
	-Isrc -Iinclude -DMPSUP_VERSION='""' -DMPSUP_DATADIR='""' -DMPSUP_LIBEXECDIR='""' src

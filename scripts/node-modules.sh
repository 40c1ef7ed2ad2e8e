#!/bin/sh
# SPDX-License-Identifier: MIT
# node-modules.sh SET|clean - install, unless it is cached, a set of npm packages for tests.
#
# SET is a folder of tests/node/packages: its package-lock.json holds exact versions and
# checksums. Prints the folder that holds node_modules. The packages' own scripts do not run.
#
# Cached outside of the tree, in $MPSUP_NODE_CACHE, else ~/.cache/mpsup/node, under a name
# made of the lock file's text; another version of the set goes when it has not been used for
# two weeks. `clean` removes all of them. Exit 69 when npm or its network cannot have it.
set -eu
LC_ALL=C; export LC_ALL
set_name=${1:?usage: node-modules.sh SET|clean}
cache=${MPSUP_NODE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/mpsup/node}
from=$(cd "$(dirname "$0")/.." && pwd)/tests/node/packages/$set_name

if [ "$set_name" = clean ]; then
	rm -rf "$cache"
	exit 0
fi
if ! [ -r "$from/package-lock.json" ]; then
	echo "node-modules: no set '$set_name'; there are: $(ls "${from%/*}" | tr '\n' ' ')" >&2
	exit 2
fi
made=$cache/$set_name-$(cat "$from/package.json" "$from/package-lock.json" | sha256sum | cut -c1-16)
mkdir -p "$cache"
# Two runs that start together install it once.
exec 9>"$cache/lock"
flock 9
if [ -e "$made/node_modules" ]; then
	touch "$made"
	echo "$made"
	exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
	echo "node-modules: npm is missing (scripts/install-deps.sh check)" >&2
	exit 69
fi
work=$(mktemp -d "$cache/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$work"
cp "$from/package.json" "$from/package-lock.json" "$work"
# The lock of next names the binaries of Linux alone, and `npm ci` insists on those of every
# system; install takes what is locked as well.
verb=ci
[ "$set_name" != next ] || verb="install --no-save"
echo "node-modules: npm installs $set_name into $made" >&2
# Binaries are optional dependencies, each for one kind of machine: npm is content without.
has_binaries() {
	case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
	for name in $(grep -o "node-[0-9]*-$arch\"" "$from/package.json" | tr -d '"'); do
		[ -x "$work/node_modules/$name/bin/node" ] || return 1
	done
	[ "$set_name" != next ] || [ -n "$(find "$work/node_modules/@next" -name '*.node')" ]
}

# shellcheck disable=SC2086 # words
if ! (cd "$work" && npm $verb --ignore-scripts --no-audit --no-fund) >"$work/log" 2>&1 9>&- ||
	! has_binaries; then
	tail -n 20 "$work/log" >&2
	echo "node-modules: npm could not install $set_name: has this host a network?" >&2
	exit 69
fi
rm -f "$work/log"
# A worker of another uid reads them.
chmod -R a+rX "$work/node_modules"
mv "$work" "$made"
find "$cache" -mindepth 1 -maxdepth 1 \( -name "$set_name-????????????????" -o -name 'new.*' \) \
	-mtime +14 -exec rm -rf {} +
echo "$made"

#!/bin/sh
# SPDX-License-Identifier: MIT
# install-deps.sh [run|check|vm|dev|bench|name] - see that what a task needs is installed.
#
# As root it installs what is missing with apt; "name" only names what a build
# needs. Exit 1 when something is missing and could not be had.
# Looks for the tools and libraries themselves, not for package records, so a
# node or a gcc from elsewhere will do. With nothing missing it calls no package
# manager and needs no network.
set -eu
LC_ALL=C; export LC_ALL
task=${1:-run}

has() { command -v "$1" >/dev/null 2>&1; }
has_tool() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1; }
has_lib() { has pkg-config && pkg-config --exists "$1" 2>/dev/null; }
has_header() { has cc && echo "#include <$1>" | cc -E -x c - >/dev/null 2>&1; }
has_python() { has python3 && python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; }
has_module() { has python3 && python3 -c "import $1" 2>/dev/null; }

missing=
# need PACKAGE PROBE...: PACKAGE is missing unless the probe succeeds.
need() {
	package=$1; shift
	"$@" || missing="$missing $package"
}

needs_of_run() {
	need gcc has gcc
	need make has make
	need pkg-config has pkg-config
	need libc6-dev has_header stdio.h
	need libcap-dev has_lib libcap
	need libseccomp-dev has_lib libseccomp
	need libnl-3-dev has_lib libnl-3.0
	need libjansson-dev has_lib jansson
	need libyaml-dev has_lib yaml-0.1
	need libsystemd-dev has_lib libsystemd
	need libmicrohttpd-dev has_lib libmicrohttpd
}

needs_of_check() {
	needs_of_run
	need libcmocka-dev has_lib cmocka
	need python3 has_python
	need nodejs has node
	# Real servers, run as they are.
	need npm has npm
	need nginx-light has_tool nginx
	need golang-go has go
	need php-cli has php
	need default-jdk-headless has javac
	need redis-server has redis-server
	need gunicorn has gunicorn
	need uvicorn has uvicorn
	need systemd has systemd-notify
	# The manual, the completion and the schema are tried, too.
	need man-db has man
	need zsh has zsh
	need python3-yaml has_module yaml
	need python3-jsonschema has_module jsonschema
}

needs_of_vm() {
	needs_of_check
	need qemu-system-x86 has qemu-system-x86_64
	need mmdebstrap has mmdebstrap
	need debian-archive-keyring test -r /usr/share/keyrings/debian-archive-keyring.gpg
	need cpio has cpio
	need kmod has_tool depmod
	need e2fsprogs has_tool mke2fs
}

needs_of_dev() {
	needs_of_vm
	need clang-format-14 has clang-format-14
	need universal-ctags has ctags
	need cppcheck has cppcheck
	need shellcheck has shellcheck
}

needs_of_bench() {
	needs_of_check
	need nginx-light has nginx
	need bubblewrap has bwrap
	need wrk has wrk
}

case $task in
run|check|vm|dev|bench) "needs_of_$task" ;;
name) needs_of_run ;;
*) echo "usage: $0 [run|check|vm|dev|bench|name]" >&2; exit 2 ;;
esac

missing=${missing# }
[ -n "$missing" ] || exit 0

if ! has apt-get; then
	echo "mpsup: these packages are missing (Debian's names), and there is no apt here:"
	echo "    $missing"
	echo "mpsup: install them and try again"
	exit 1
fi >&2
if [ "$(id -u)" -ne 0 ] || [ "$task" = name ]; then
	echo "mpsup: these packages are missing: $missing"
	echo "mpsup: install them with"
	echo "    sudo apt-get install -y --no-install-recommends $missing"
	exit 1
fi >&2

echo "mpsup: installing with apt: $missing"
DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND
# A list that is out of date is good enough as long as the packages are found.
apt-get update -qq || echo "mpsup: apt-get update failed, going on with the lists that are here" >&2
# shellcheck disable=SC2086 # a list of words
if ! apt-get install -y -qq --no-install-recommends $missing >&2; then
	echo "mpsup: apt could not install: $missing" >&2
	exit 1
fi

# What apt installed must now be found, or the build would fail with worse words.
asked=$missing
missing=
"needs_of_$task"
if [ -n "$missing" ]; then
	echo "mpsup: installed $asked, but still not found:$missing" >&2
	exit 1
fi

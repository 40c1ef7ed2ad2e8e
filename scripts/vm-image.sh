#!/bin/sh
# SPDX-License-Identifier: MIT
# vm-image.sh - make, unless it is cached, the machine that tests/vm/run.py boots: Debian's
# cloud kernel and a root with systemd, from Debian's packages. Prints the folder that holds
# `kernel` and `root.cpio`. As root.
#
# Cached outside of the tree, in $MPSUP_VM_CACHE, else ~/.cache/mpsup-vm, under a name made
# of this file: another list of packages is another image. `vm-image.sh clean` removes all.
set -eu
LC_ALL=C; export LC_ALL
cache=${MPSUP_VM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/mpsup-vm}
suite=bookworm
# What runs there: systemd, the host tests' programs, the libraries that mpsup links.
packages=systemd,systemd-sysv,dbus,udev,kmod,procps,iproute2,util-linux,python3,nodejs,libcap2,libseccomp2,libnl-3-200,libjansson4,libyaml-0-2,libsystemd0
# inet_diag and tcp_diag are modules in Debian's kernel (traps 8); virtio_blk for io limits.
modules="overlay autofs4 inet_diag tcp_diag unix_diag virtio_pci virtio_blk"

if [ "${1:-}" = clean ]; then
	rm -rf "$cache"
	exit 0
fi
image=$cache/$(sha256sum "$0" | cut -c1-16)
if [ -e "$image/root.cpio" ]; then
	echo "$image"
	exit 0
fi
mkdir -p "$cache"
work=$(mktemp -d "$cache/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# step NAME COMMAND...: its words only when it fails.
step() {
	echo "vm-image: $1" >&2
	shift
	if ! "$@" >"$work/log" 2>&1; then
		tail -n 20 "$work/log" >&2
		echo "vm-image: that failed: $*" >&2
		exit 1
	fi
}

get_kernel() {
	package=$(apt-cache depends linux-image-cloud-amd64 |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*-cloud-amd64\)$/\1/p')
	[ -n "$package" ] || { echo "no linux-image-cloud-amd64 in apt's lists: apt-get update"; return 1; }
	mkdir "$work/deb" && chmod 777 "$work/deb"
	(cd "$work/deb" && apt-get download -q "$package") || return 1
	dpkg -x "$work"/deb/*.deb "$work/kernel.d"
}

make_root() {
	mmdebstrap --variant=minbase --include="$packages" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$work/root" ||
		return 1
	rm -rf "$work"/root/var/lib/apt/lists/* "$work"/root/var/cache/apt/*
}

# Everything a module of the list needs, by depmod's word.
copy_modules() {
	version=$(basename "$work"/kernel.d/lib/modules/*)
	from=$work/kernel.d/lib/modules/$version
	to=$work/root/usr/lib/modules/$version
	depmod -b "$work/kernel.d" "$version" || return 1
	for name in $modules; do
		grep "/$name\.ko" "$from/modules.dep" | tr -d : | tr ' ' '\n'
	done | sort -u >"$work/files"
	while read -r file; do
		install -D -m 0644 "$from/$file" "$to/$file" || return 1
	done <"$work/files"
	cp "$from"/modules.builtin* "$from"/modules.order "$to" || return 1
	depmod -b "$work/root" "$version"
}

# The kernel unpacks the root into rootfs, which pivot_root(2) refuses: /init puts the same
# tree on top of it as a mount. Then systemd is process 1 as on any machine.
configure() {
	root=$work/root
	cat >"$root/init" <<'INIT'
#!/bin/sh
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for name in MODULES; do
	modprobe "$name" || echo "init: no module $name"
done
umount /proc
mount --bind / /mnt
mount --move /dev /mnt/dev
cd /mnt
mount --move . /
exec chroot . /sbin/init
INIT
	sed -i "s/MODULES/$modules/" "$root/init"
	chmod 755 "$root/init"
	echo mpsup-vm >"$root/etc/hostname"
	: >"$root/etc/machine-id"
	echo 'root::0:0:root:/root:/bin/bash' >"$root/etc/passwd.new"
	sed 1d "$root/etc/passwd" >>"$root/etc/passwd.new"
	mv "$root/etc/passwd.new" "$root/etc/passwd"
	# What costs start-up time and is no part of any test.
	for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		fstrim.timer systemd-timesyncd.service systemd-networkd.service getty@tty1.service \
		systemd-binfmt.service proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount; do
		ln -sf /dev/null "$root/etc/systemd/system/$unit"
	done
	# A shell without a login, on the console that tests/vm/run.py asks for.
	mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
	cat >"$root/etc/systemd/system/mpsup-guest.service" <<'UNIT'
[Unit]
Description=what tests/vm/run.py wants done
After=dbus.service systemd-logind.service
ConditionPathExists=/mpsup-vm/job
[Service]
Type=exec
ExecStart=/mpsup-vm/job
StandardInput=tty
TTYPath=/dev/ttyS1
TTYReset=yes
StandardOutput=tty
StandardError=tty
Delegate=yes
KillMode=mixed
[Install]
WantedBy=multi-user.target
UNIT
	ln -s ../mpsup-guest.service "$root/etc/systemd/system/multi-user.target.wants/"
	ln -sf /dev/null "$root/etc/systemd/system/serial-getty@ttyS0.service"
}

pack() {
	(cd "$work/root" && find . -print0 | cpio --null --quiet -o -H newc) >"$work/root.cpio"
}

step "fetching Debian's cloud kernel" get_kernel
step "installing a Debian $suite root" make_root
step "adding kernel modules" copy_modules
step "configuring it" configure
step "packing it" pack
mkdir "$work/image"
mv "$work"/kernel.d/boot/vmlinuz-* "$work/image/kernel"
mv "$work/root.cpio" "$work/image/root.cpio"
rm -rf "$image"
mv "$work/image" "$image"
# Images of earlier versions of this file.
find "$cache" -mindepth 1 -maxdepth 1 -type d ! -path "$image" ! -path "$work" -exec rm -rf {} +
echo "$image"

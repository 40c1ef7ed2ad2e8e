#!/bin/sh
# SPDX-License-Identifier: MIT
# vm-image.sh [clean] - make, unless it is cached, the machine that tests/vm/run.py boots.
#
# Debian's cloud kernel, a small initrd that finds the disk, and a disk with systemd and
# what the tests need, all from Debian's packages. As root. Prints the folder that holds
# `kernel`, `initrd` and `root.ext4`.
#
# Cached outside of the tree, in $MPSUP_VM_CACHE, else ~/.cache/mpsup/vm, under a name made
# of this file: another list of packages is another image. `clean` removes all of them.
# MPSUP_VM_MIRROR, MPSUP_VM_SECURITY: where the packages come from. Exit 69 when this host or
# its network cannot have it.
set -eu
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin
suite=bookworm
mirror=${MPSUP_VM_MIRROR:-http://deb.debian.org/debian}
security=${MPSUP_VM_SECURITY:-http://deb.debian.org/debian-security}
cache=${MPSUP_VM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/mpsup/vm}
disk_mib=2048	# sparse; what is not used costs nothing

# What runs there: systemd, the servers of the tests, the libraries that mpsup links.
packages=systemd,systemd-sysv,dbus,udev,kmod,procps,iproute2,util-linux,strace,less
packages=$packages,python3,nodejs,nginx-light,redis-server
packages=$packages,libcap2,libseccomp2,libnl-3-200,libjansson4,libyaml-0-2,libmicrohttpd12
# To find the disk, in the initrd; then those that are loaded at start (the diag ones are
# modules in Debian's kernel).
early="virtio_pci virtio_blk virtio_console"
late="overlay autofs4 inet_diag tcp_diag unix_diag virtio_console"

if [ "${1:-}" = clean ]; then
	rm -rf "$cache"
	exit 0
fi
image=$cache/$(sha256sum "$0" | cut -c1-16)
mkdir -p "$cache"
# Two runs that start together make one image.
exec 9>"$cache/lock"
flock 9
if [ -e "$image/root.ext4" ]; then
	touch "$image"
	echo "$image"
	exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "vm-image: making the image needs root" >&2
	exit 69
fi
work=$(mktemp -d "$cache/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$work"	# apt reads there as a user of its own
root=$work/root
deb=$work/deb		# what the kernel's and busybox's packages hold

# step STATUS NAME COMMAND...: its words, and the exit with STATUS, only when it fails.
step() {
	status=$1
	echo "vm-image: $2" >&2
	shift 2
	if ! "$@" >"$work/log" 2>&1 9>&-; then
		tail -n 20 "$work/log" >&2
		echo "vm-image: that failed: $*" >&2
		exit "$status"
	fi
}

# In a mount namespace of its own: whatever happens, no mount is left. Where / is no mount
# point (a plain chroot) there is none to be had, and mmdebstrap takes its mounts away itself.
make_root() {
	apart="unshare --mount --propagation private"
	$apart true || apart=
	cat >"$work/fetch" <<-FETCH
		#!/bin/sh
		set -eu
		version=\$(APT_CONFIG=\$MMDEBSTRAP_APT_CONFIG apt-cache depends linux-image-cloud-amd64 |
			sed -n 's/^ *Depends: \\(linux-image-[^ ]*\\)\$/\\1/p')
		cd "$work"
		APT_CONFIG=\$MMDEBSTRAP_APT_CONFIG apt-get download "\$version" busybox-static
		mkdir "$deb"
		for file in *.deb; do dpkg-deb -x "\$file" "$deb"; done
	FETCH
	chmod 755 "$work/fetch"
	proxy=$(apt-config dump --format '%f "%v";%n' 2>/dev/null | grep -i '^Acquire::https\?::Proxy ') || true
	$apart mmdebstrap --mode=root --variant=minbase \
		--include="$packages" --aptopt="${proxy:-APT::Install-Recommends \"false\";}" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --customize-hook="$work/fetch" \
		"$suite" "$root" \
		"deb $mirror $suite main" "deb $mirror $suite-updates main" \
		"deb $security $suite-security main"
}

# copy_modules FOLDER NAME...: the modules, and what they need by depmod's word.
copy_modules() {
	to=$1/usr/lib/modules/$version
	shift
	for name; do
		grep "/$name\.ko" "$from/modules.dep" | tr -d : | tr ' ' '\n'
	done | sort -u >"$work/files"
	while read -r file; do
		install -D -m 0644 "$from/$file" "$to/$file" || return 1
	done <"$work/files"
	cp "$from"/modules.builtin* "$from"/modules.order "$to" || return 1
	depmod -b "${to%/usr/lib/modules/*}/usr" "$version"
}

make_initrd() {
	small=$work/small
	version=$(basename "$deb"/lib/modules/*)
	from=$deb/lib/modules/$version
	depmod -b "$deb" "$version" || return 1
	mkdir -p "$small/bin" "$small/dev" "$small/proc" "$small/sys" "$small/new" "$small/usr/lib"
	ln -s usr/lib "$small/lib"
	cp "$deb/bin/busybox" "$small/bin/busybox"
	copy_modules "$small" $early || return 1
	copy_modules "$root" $early $late || return 1
	cat >"$small/init" <<-INIT
		#!/bin/busybox sh
		export PATH=/bin
		busybox mount -t proc proc /proc
		busybox mount -t devtmpfs dev /dev
		for module in $early; do busybox modprobe \$module || echo "initrd: no module \$module"; done
		n=0
		until [ -b /dev/vda ] || [ \$n -eq 100 ]; do n=\$((n + 1)); busybox sleep 0.1; done
		busybox mount -t ext4 -o noatime /dev/vda /new || echo "initrd: the disk does not mount"
		busybox mount --move /dev /new/dev
		busybox umount /proc
		exec busybox switch_root /new /sbin/init
	INIT
	chmod 755 "$small/init"
	(cd "$small" && find . -print0 | cpio --null --quiet -o -H newc -R 0:0 | gzip -1) >"$work/initrd"
}

configure() {
	rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*
	echo mpsup-vm >"$root/etc/hostname"
	printf '127.0.0.1 localhost mpsup-vm\n::1 localhost\n' >"$root/etc/hosts"
	: >"$root/etc/resolv.conf"
	echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
	printf '%s\n' $late >"$root/etc/modules-load.d/mpsup-vm.conf"
	units=$root/etc/systemd/system
	# What costs start-up time and is no part of any test; servers that tests start themselves.
	for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		e2scrub_reap.service fstrim.timer systemd-timesyncd.service logrotate.timer \
		getty@tty1.service serial-getty@ttyS0.service nginx.service redis-server.service \
		systemd-random-seed.service systemd-update-utmp.service systemd-binfmt.service \
		systemd-journal-flush.service systemd-udev-trigger.service \
		systemd-network-generator.service systemd-fsck-root.service; do
		ln -sf /dev/null "$units/$unit"
	done
	mkdir -p "$units/multi-user.target.wants" "$root/mpsup"
	# tests/vm/run.py gives the second disk: a tar with the tree and with /mpsup/.vm/job.
	cat >"$units/mpsup-guest.service" <<-'UNIT'
		[Unit]
		Description=what tests/vm/run.py wants done
		After=basic.target dbus.service
		[Service]
		Type=exec
		ExecStartPre=/usr/bin/tar -xf /dev/vdb -C /mpsup
		ExecStart=/mpsup/.vm/job
		ExecStopPost=/usr/bin/systemctl poweroff --force --force
		Delegate=yes
		KillMode=mixed
		TasksMax=infinity
		LimitNOFILE=65536
		[Install]
		WantedBy=multi-user.target
	UNIT
	ln -s ../mpsup-guest.service "$units/multi-user.target.wants/"
}

# Written from a folder, without a mount; a shadow of it is what each machine writes to.
make_disk() {
	truncate -s "${disk_mib}M" "$work/root.ext4" || return 1
	mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1,root_owner=0:0 -m 0 -L mpsup-vm \
		-d "$root" "$work/root.ext4"
}

step 69 "installing a Debian $suite root and fetching its cloud kernel" make_root
step 1 "making an initrd, adding kernel modules" make_initrd
step 1 "configuring the root" configure
step 1 "writing the disk" make_disk
mkdir "$work/image"
mv "$deb"/boot/vmlinuz-* "$work/image/kernel"
mv "$work/initrd" "$work/root.ext4" "$work/image"
rm -rf "$image"
mv "$work/image" "$image"
# Images of other versions of this file that nobody has used for two weeks.
find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +14 ! -path "$work" -exec rm -rf {} +
echo "$image"

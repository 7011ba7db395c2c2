# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking check: hugetlbfs, stores, and who may use them.

# libvirt's daemon was started 50 s after the boot
libvirtd() {
	local dir
	mkdir -p host/run/libvirt/qemu
	# It makes a directory in each hugetlbfs that it finds
	# shellcheck disable=SC2013 # no blanks in these
	for dir in $(awk '$3 == "hugetlbfs" { print $2 }' host/proc/mounts); do
		mkdir -p "host$dir/libvirt/qemu"
	done
	qemu driver
	echo "${holders[-1]} (virtqemud) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5000 0 0" \
		>"host/proc/${holders[-1]}/stat"
	echo virtqemud >"host/proc/${holders[-1]}/comm"
	echo "btime 1000000000" >host/proc/stat
	# It has called the daemon hook
	mkdir -p host/run/libvirt-membacking
	echo "${holders[-1]} 5000" >host/run/libvirt-membacking/called
}

# daemon_conf DIRECTORY: what libvirtd's memory_backing_dir was when it started
daemon_conf() {
	printf '%s 5000\n%s\n' "${holders[-1]}" "$1" >host/run/libvirt-membacking/daemon-conf
}

case_check_hugetlbfs() {
	no_qemu
	checked_host one-node
	guest_xml web 64
	define web <web.xml
	no_hugetlbfs
	golden check-hugetlbfs-libvirt-stopped --root host check --all
	libvirtd
	golden check-hugetlbfs-none --root host check --all
	config <<<$'[hugepages]\nmanage = no'
	golden check-hugetlbfs-none-by-hand --root host check --all
	rm host/etc/libvirt/membacking.conf
	hugetlbfs_at /dev/hugepages1G pagesize=1024M
	golden check-hugetlbfs-other-size --root host check --all
	hugetlbfs_at /dev/hugepages pagesize=2M
	golden check-hugetlbfs-too-late --root host check --all
	mkdir -p host/dev/hugepages/libvirt/qemu
	golden check-hugetlbfs --root host check --all
	qemu_conf <<<'hugetlbfs_mount = ""'
	daemon_conf ""
	golden check-hugetlbfs-off --root host check --all
	qemu_conf <<<'hugetlbfs_mount = [ ]'
	golden check-hugetlbfs-empty-list --root host check --all
	is "plan has the reason" \
		"$("$program" --root host plan web 2>&1 | grep -c 'hugetlbfs_mount in /etc/libvirt/qemu.conf names no')" 1
	lines='hugetlbfs_mount = ["/srv/a", # one
  "/srv/b"
]
hugetlbfs_mount = ["/srv/c"]
user = "qemu"'
	qemu_conf <<<"$lines"
	remedy=$("$program" --root host check | sed -n "s/^ *-> \(sed -i .*'\) .*/\1/p" | head -1)
	eval "$remedy host/etc/libvirt/qemu.conf"
	is "a list of several lines is taken out as a whole" \
		"$(grep -v '^#' host/etc/libvirt/qemu.conf)" 'user = "qemu"'
	rm host/etc/libvirt/qemu.conf
	sed 's,2. unit=.MiB,64'"' unit='KiB"',' web.xml | define web
	golden check-hugetlbfs-no-such-size --root host check --all
	no_qemu
}

apparmor() {
	mkdir -p host/sys/module/apparmor/parameters host/sys/kernel/security/apparmor
	mkdir -p host/etc/apparmor.d/local
	echo Y >host/sys/module/apparmor/parameters/enabled
	printf '%s\n' "libvirt-11111111-1111-4111-8111-111111111111 (enforce)" "$@" \
		>host/sys/kernel/security/apparmor/profiles
}

case_check_apparmor() {
	checked_host one-node
	apparmor "virt-aa-helper (enforce)"
	golden check-apparmor-no-profile --root host check --all
	apparmor "libvirtd (enforce)" "libvirtd//qemu_bridge_helper (enforce)"
	printf 'profile libvirtd /usr/sbin/libvirtd {\n  /usr/sbin/* PUx,\n  /etc/libvirt/hooks/** rmix,\n}\n' \
		>host/etc/apparmor.d/usr.sbin.libvirtd
	golden check-apparmor --root host check --all
	sed -i '/PUx/d' host/etc/apparmor.d/usr.sbin.libvirtd
	golden check-apparmor-narrowed --root host check --all
	cp "$tests/../packaging/apparmor/libvirtd" host/etc/apparmor.d/local/usr.sbin.libvirtd
	golden check-apparmor-with-ours --root host check --all
	rm host/etc/apparmor.d/local/usr.sbin.libvirtd
	apparmor "libvirtd (complain)"
	golden check-apparmor-complains --root host check --all
	qemu_conf <<<'memory_backing_dir = "/usr/share/guests"'
	golden check-apparmor-helper --root host check --all
}

selinux() {
	mkdir -p host/sys/fs/selinux/booleans
	echo -n "$1" >host/sys/fs/selinux/enforce
	echo -n "$2" >host/sys/fs/selinux/booleans/virt_hooks_unconfined
}

case_check_selinux() {
	checked_host one-node
	selinux 0 "0 0"
	golden check-selinux-permissive --root host check --all
	selinux 1 "0 0"
	golden check-selinux-confined --root host check --all
	mkdir -p host/usr/share/selinux/packages
	touch host/usr/share/selinux/packages/libvirt_membacking.pp
	golden check-selinux-module --root host check --all
	selinux 1 "1 1"
	golden check-selinux --root host check --all
	# A store on NFS
	store_host
	selinux 1 "1 1"
	echo -n "0 0" >host/sys/fs/selinux/booleans/virt_use_nfs
	config <<<$'[store]\npath = /srv/guests\nfstype = nfs4\nsource = far:/guests'
	echo "40 27 0:99 / /srv/guests rw,relatime - nfs4 far:/guests rw" >>host/proc/self/mountinfo
	is "NFS is closed to guests" "$(as_json --root host check --json |
		jq -r '.findings[] | select(.check == "security" and .level == "fail").remedy')" \
		"setsebool -P virt_use_nfs on"
	echo -n "1 1" >host/sys/fs/selinux/booleans/virt_use_nfs
	is "and open" "$(as_json --root host check --json |
		jq -r '.findings[] | select(.check == "security").level')" pass
}

# As a container sees it where the store was not mounted on the host
case_check_store_of_a_larger_file_system() {
	local fs
	store_host
	store_fs || return
	for fs in 'ext4 /srv/guests' 'ext4 /' 'btrfs /@guests'; do
		sed -i '/ \/srv\/guests /d' host/proc/self/mountinfo
		echo "40 27 0:99 ${fs#* } /srv/guests rw,relatime - ${fs% *} /dev/sda1 rw" \
			>>host/proc/self/mountinfo
		config <<<"[store]"$'\n'"path = /srv/guests"$'\n'"mount = never"$'\n'"fstype = ${fs% *}"
		is "$fs" "$(as_json --root host check --all --json |
			jq -r '.findings[] | select(.check == "store" and .id != "store.impassable").id')" \
			"$([ "$fs" = 'ext4 /srv/guests' ] && echo store.part || echo store.ready)"
	done
}

case_check_stores() {
	store_host
	golden check-store-waits --root host check --all
	rmdir host/srv/guests
	golden check-store-no-directory --root host check --all
	mkdir host/srv/guests
	config <<<$'[store]\npath = /srv/guests\nsource = /dev/none'
	golden check-store-no-device --root host check --all
	config <<<$'[store]\npath = /srv/guests\nmount = never'
	golden check-store-never --root host check --all
	config <<<$'[store]\npath = /srv/guests\n[store]\nname = spare\npath = /srv/spare'
	golden check-store-spare --root host check --all
	qemu_conf <<<$'# ours\nmemory_backing_dir = "/elsewhere"'
	golden check-store-mismatch --root host check --all
	qemu_conf <<<'memory_backing_dir = 7'
	golden check-store-unreadable-conf --root host check --all
	store_host
	rm -r host/srv
	ln -s srv host/srv
	golden check-store-unreadable --root host check --all
	store_host
	libvirtd
	file_xml old 16 >old.xml
	echo "btime $(($(date +%s) + 1000))" >host/proc/stat
	golden check-qemu-conf-older --root host check --all
	echo "btime 1000000000" >host/proc/stat
	golden check-qemu-conf-newer --root host check --all
	golden plan-qemu-conf-newer --root host plan --xml old.xml
	daemon_conf /srv/guests
	golden check-qemu-conf-touched --root host check --all
	daemon_conf /srv/before
	golden check-qemu-conf-not-read --root host check --all
	golden plan-qemu-conf-not-read --root host plan --xml old.xml
	daemon_conf ""
	golden plan-qemu-conf-set --root host plan --xml old.xml
	no_qemu
}

# A guest was started before libvirt's daemon read where memory has to be by now
case_files_elsewhere() {
	local ram=host/var/lib/libvirt/qemu/ram
	no_qemu
	store_host
	store_fs || return
	ledger web running "$(in_store web 16)"
	sed -i 's,"below": "[a-z/]*",&\, "lies_in": "/var/lib/libvirt/qemu/ram",' \
		"host/run/libvirt-membacking/guests/${uuid[web]}"
	ledger build running "$(in_store build 8)"
	mkdir -p $ram/1-web
	head -c 1M /dev/zero >$ram/1-web/pc.ram
	qemu web
	qemu build
	libvirtd
	daemon_conf ""
	golden status-files-elsewhere --root host status
	golden check-files-elsewhere --root host check --all
	is "it is in no store that could run full" "$(as_json --root host status --json |
		jq -c '.stores[] | [.name, .promised_kib, .guests[].name]')" '["guests",8192,"build"]'
	is "the step says where it is" "$(as_json --root host status --json |
		jq -c '[.guests[] | [.name, .steps[].lies_in]]')" \
		'[["web","/var/lib/libvirt/qemu/ram"],["build",null]]'
	is "so do the metrics" "$("$program" --root host metrics |
		sed -n 's/^.*store_promised_bytes{.*} //p')" 8388608
	# The daemon was restarted since
	daemon_conf /srv/guests
	golden status-files-elsewhere-restarted --root host status
	golden check-files-elsewhere-restarted --root host check --all
	# Where it is, is a store of ours
	no_store
	config <<<$'[store]\npath = /srv/guests\nfstype = tmpfs\n[store]\nname = old\npath = /var/lib/libvirt/qemu/ram'
	mount -t tmpfs -o size=64M guests $ram || return
	echo "41 27 0:98 / /var/lib/libvirt/qemu/ram rw,relatime - tmpfs tmpfs rw" \
		>>host/proc/self/mountinfo
	sed -i '/ \/srv\/guests /d' host/proc/self/mountinfo
	mkdir $ram/1-web
	head -c 1M /dev/zero >$ram/1-web/pc.ram
	is "it counts there" "$(as_json --root host status --json |
		jq -c '.stores[] | [.name, .promised_kib, .guests[].name]')" \
		'["guests",8192,"build"]
["old",16384,"web"]'
	umount $ram
	no_qemu
	rm host/etc/libvirt/membacking.conf host/etc/libvirt/qemu.conf
	# What the ledger says is not what libvirt makes
	sed -i 's,"lies_in": "[a-z/]*","lies_in": "/etc",' \
		"host/run/libvirt-membacking/guests/${uuid[web]}"
	rm "host/run/libvirt-membacking/guests/${uuid[build]}"
	golden status-files-elsewhere-damaged --root host status
}

case_check_mounted_stores() {
	store_host
	store_fs || return
	golden check-store --root host check --all
	mkdir -p "$store/libvirt/qemu"
	chmod 700 "$store/libvirt"
	golden check-store-impassable --root host check --all
	chmod 755 "$store/libvirt"
	chmod 700 "$store/libvirt/qemu"
	golden check-store-impassable-below --root host check --all
	chmod 755 "$store/libvirt/qemu"
	file_xml web 40 | define web
	file_xml old 30 | define old
	golden check-autostart-none --root host check --all
	autostart web
	golden check-autostart-one --root host check --all
	autostart old
	golden check-autostart --root host check --all
	sed -i 's/ - tmpfs tmpfs rw$/ - tmpfs tmpfs ro/' host/proc/self/mountinfo
	golden check-store-readonly --root host check --all
	chmod 750 "$store"
	sed -i 's/ - tmpfs tmpfs ro$/ - tmpfs tmpfs rw/' host/proc/self/mountinfo
	golden check-store-closed --root host check --all
}

# Its size is configured, and too small for the guest whatever lies in it
case_store_too_small() {
	store_host
	file_xml old 96 >old.xml
	is "plan says so before anything is mounted" "$("$program" --root host plan --xml old.xml |
		tr -s ' \n' ' ' | grep -o 'note: the start .* for guests')" \
		"note: the start would be refused: the guest needs 96 MiB in files, and store 'guests' holds 60.8 MiB at most for guests"
	is "status has the size" "$("$program" --root host status | grep '^guests ' | tr -s ' ')" \
		"guests /srv/guests not mounted 64 MiB 0 KiB"
}

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking conf: profiles, and the other programs' files they change.

case_conf() {
	host one-node
	golden conf-list --root host conf list
	golden conf-list-json --root host conf list --json
	golden conf-list-applied --root host conf list --applied
	golden conf-show-with-applied conf show ksm --applied
	golden conf-no-action conf
	golden conf-near-action conf shwo
	golden conf-no-profile conf show
	golden conf-near-profile conf show nova-file-baked
	golden conf-far-profile conf show banana
	golden conf-too-many conf list nova-file-backed
	golden conf-too-many-profiles conf show nova-file-backed ksm
	host one-node
	mkdir -p host/var/lib/libvirt/qemu/ram
	golden conf-no-store --root host conf show nova-file-backed
	store_host
	golden conf-not-mounted --root host conf show nova-file-backed
	golden conf-not-mounted-json --root host conf show nova-file-backed --json
	config <<<$'[store]\npath = /srv/guests\nsource = tmpfs\nmount = daemon'
	golden conf-not-mounted-daemon --root host conf show nova-file-backed
	store_host
	qemu_conf <<<'memory_backing_dir = "/elsewhere"'
	golden conf-mismatch --root host conf show nova-file-backed
	qemu_conf <<<'memory_backing_dir = "/srv/guests"'
	store_fs || return
	golden conf-show --root host conf show nova-file-backed
	golden conf-show-json --root host conf show nova-file-backed --json
	# What running guests hold is theirs already; what others left is not to be had
	ledger web running "$(in_store web 16)"
	qemu web
	in_files web 4
	in_files old 2
	golden conf-show-guests --root host conf show nova-file-backed
	no_qemu
}

# /etc as it was given, with the names of all files
etc() {
	(cd host/etc && find . -type f -exec md5sum {} + | sort -k 2)
}

conf() {
	"$program" --root host conf "$@"
}

# conf_host: one node with pages of 2 MiB and 1 GiB, and a qemu.conf
conf_host() {
	host one-node
	pool 0 2048 64 64 0
	pool 0 1048576 2 2 0
	qemu_conf <<-'CONF'
		# Ours since years
		user = "guests"

		# Where file-backed memory lies.
		#memory_backing_dir = "/var/lib/libvirt/qemu/ram"

		max_files   =  4096
	CONF
	chmod 600 host/etc/libvirt/qemu.conf
	config </dev/null
	# systemd runs, with one of the two units that set KSM
	mkdir -p host/run/systemd/system host/usr/lib/systemd/system host/usr/bin
	touch host/usr/lib/systemd/system/ksmtuned.service host/usr/bin/systemd-tmpfiles
}

case_conf_apply() {
	local before profile
	conf_host
	before=$(etc)
	for profile in file-backed hugepages hugepages-1g static-hugepages thp ksm; do
		golden "conf-show-$profile" --root host conf show "$profile"
		golden "conf-diff-$profile" --root host conf diff "$profile"
		is "$profile: diff changes nothing" "$(etc)" "$before"
		golden "conf-apply-$profile" --root host conf apply "$profile"
		is "$profile: diff is what apply has said" \
			"$(sed '1d; /^$/,$d; /^exit/d' "$golden/conf-diff-$profile")" \
			"$(sed '1d; /^$/,$d; /^exit/d' "$golden/conf-apply-$profile")"
		is "$profile: the second time changes nothing" \
			"$(conf apply "$profile" | head -n 1)" "Nothing to change."
		is "$profile: the configuration is understood" \
			"$(as_json --root host check --json | jq -c '.findings[] | select(.check == "config" and .level == "fail")')" ""
		golden "conf-remove-$profile" --root host conf remove "$profile"
		is "$profile: all is as it was" "$(etc)" "$before"
		is "$profile: removed twice" "$(conf remove "$profile") $?" "Nothing to change. 0"
	done
	is "no record is left" "$(find host/var/lib/libvirt-membacking -type f)" ""
	# What guests brought in goes with them, and is nothing for the next boot
	busy_host
	golden conf-static-guests --root host conf show static-hugepages
	no_qemu
	host one-node
	echo "CmaTotal: 8388608 kB" >>host/proc/meminfo
	is "an area for pages of 1 GiB where the kernel has CMA" \
		"$(conf show hugepages-1g | grep '^huge')" "hugetlb_cma=16G"
	rm -r host/sys/kernel/mm/transparent_hugepage
	is "no huge pages for tmpfs where the kernel has none" \
		"$(conf show file-backed | grep ^options)" "options ="
}

# libvirt_daemon NAME: libvirt's daemon of that name runs
libvirt_daemon() {
	local proc
	mkdir -p host/run/libvirt/qemu
	qemu driver
	proc=host/proc/${holders[-1]}
	echo "${holders[-1]} ($1) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5000 0 0" >"$proc/stat"
	echo "$1" >"$proc/comm"
	echo "btime 1000000000" >host/proc/stat
}

commands() {
	as_json --root host conf "$@" --json | jq -r '(.commands[].text), (.by_hand[] | "by hand: " + .)'
}

# Commands are this host's
case_conf_commands() {
	conf_host
	is "a daemon that does not run needs no restart" "$(commands show file-backed)" \
		"systemd-tmpfiles --create /etc/tmpfiles.d/membacking-file-backed.conf"
	libvirt_daemon virtqemud
	is "the daemon that runs" "$(commands apply hugepages-1g)" "systemctl daemon-reload
systemctl start dev-hugepages1G.mount
systemctl restart virtqemud.service"
	golden conf-apply-again --root host conf apply hugepages-1g
	is "units that are there" "$(commands apply ksm)" "systemctl daemon-reload
systemctl stop ksmtuned.service"
	rm host/usr/lib/systemd/system/ksmtuned.service
	is "and no others" "$(commands apply ksm)" "systemctl daemon-reload"
	is "what was removed needs less" "$(commands remove hugepages-1g)" "systemctl daemon-reload
systemctl stop dev-hugepages1G.mount"
	is "Nova's unit, as Red Hat calls it" "$(store_host && store_fs &&
		mkdir -p host/run/systemd/system host/usr/lib/systemd/system &&
		touch host/usr/lib/systemd/system/openstack-nova-compute.service &&
		commands apply nova-file-backed)" "systemctl restart openstack-nova-compute.service"
	is "and as Debian does" "$(cd host/usr/lib/systemd/system &&
		mv openstack-nova-compute.service nova-compute.service && cd - >/dev/null &&
		commands apply nova-file-backed)" "systemctl restart nova-compute.service"
	is "one in a container is restarted by hand" \
		"$(rm host/usr/lib/systemd/system/nova-compute.service &&
			commands apply nova-file-backed)" "by hand: restart nova-compute"
	no_qemu
}

# Without systemd: no units, and no systemctl
case_conf_without_systemd() {
	local profile
	conf_host
	rm -r host/run/systemd host/usr
	libvirt_daemon libvirtd
	for profile in file-backed hugepages hugepages-1g static-hugepages thp ksm; do
		conf apply $profile >out
		is "$profile: no systemctl" "$? $(grep -c systemctl out)" "0 0"
		is "$profile: no unit" "$(find host/etc/systemd -type f 2>/dev/null)" ""
	done
	is "the store's directory is made" "$(commands apply file-backed)" \
		"mkdir -p /var/lib/libvirt/memory
by hand: restart libvirt's daemon: guests go on running"
	mkdir -p host/sbin host/etc/init.d
	touch host/sbin/rc-service
	is "a service that has no script can't be restarted" "$(commands apply hugepages-1g)" \
		"by hand: restart libvirt's daemon: guests go on running"
	touch host/etc/init.d/libvirtd
	is "OpenRC restarts the daemon" "$(commands apply hugepages-1g)" "rc-service libvirtd restart"
	is "static pools are for the boot" "$(commands apply static-hugepages | cut -c 1-61)" \
		"by hand: have the host run \"virt-membacking reserve-static\" e"
	no_qemu
}

# Lines for AppArmor and SELinux only where these are in force
case_conf_security() {
	conf_host
	is "neither" "$(conf show file-backed | grep -c 'by hand')" 0
	mkdir -p host/sys/module/apparmor/parameters host/sys/fs/selinux
	echo N >host/sys/module/apparmor/parameters/enabled
	is "AppArmor that is off" "$(conf show file-backed | grep -c 'by hand')" 0
	echo Y >host/sys/module/apparmor/parameters/enabled
	is "AppArmor" "$(conf show file-backed | grep 'by hand')" \
		"## /etc/apparmor.d/local/abstractions/libvirt-qemu, to be set by hand"
	echo 0 >host/sys/fs/selinux/enforce
	is "and SELinux" "$(conf show file-backed | grep -c 'by hand')" 2
	golden conf-apply-file-backed-security --root host conf apply file-backed
}

case_conf_now() {
	host one-node
	golden conf-now-captured --root host conf apply thp --now
	golden conf-now-with-show conf show thp --now
}

case_conf_together() {
	local before profile
	conf_host
	before=$(etc)
	for profile in file-backed hugepages hugepages-1g static-hugepages thp ksm; do
		conf apply "$profile" >/dev/null || not_ok "$profile" "is not applied"
	done
	golden conf-list-some --root host conf list
	is "those that are applied, for scripts" "$(conf list --applied | cut -d ' ' -f 1 | tr '\n' ' ')" \
		"file-backed hugepages hugepages-1g static-hugepages thp ksm "
	is "as JSON" "$(conf list --applied --json | jq '.profiles | length')" 6
	is "qemu.conf keeps its mode" "$(stat -c %a host/etc/libvirt/qemu.conf)" 600
	for profile in hugepages ksm file-backed static-hugepages thp hugepages-1g; do
		conf remove "$profile" >/dev/null || not_ok "$profile" "is not taken back"
	done
	is "in another order all is as it was" "$(etc)" "$before"
}

case_conf_edited() {
	conf_host
	conf apply file-backed >/dev/null
	sed -i 's,^memory_backing_dir.*,memory_backing_dir = "/mine",' host/etc/libvirt/qemu.conf
	golden conf-edited-apply --root host conf apply file-backed
	golden conf-edited-apply-json --root host conf apply file-backed --json
	golden conf-edited-remove --root host conf remove file-backed
	is "the user's value stays" "$(grep ^mem host/etc/libvirt/qemu.conf)" 'memory_backing_dir = "/mine"'
	conf_host
	conf apply file-backed >/dev/null
	sed -i '1i # A line of mine' host/etc/libvirt/qemu.conf
	golden conf-edited-beside --root host conf remove file-backed --json
	is "only our line is gone" "$(grep -c '^mem\|^# A line of mine' host/etc/libvirt/qemu.conf)" 1
}

case_conf_refused() {
	local before
	conf_host
	echo 'of_tomorrow = 1' >>host/etc/libvirt/qemu.conf
	before=$(etc)
	golden conf-lens --root host conf apply file-backed
	golden conf-lens-json --root host conf diff file-backed --json
	is "nothing is changed" "$(etc)" "$before"
	conf_host
	mkdir -p host/etc/libvirt/membacking.conf.d
	echo '[ksm]' >host/etc/libvirt/membacking.conf.d/20-ksm.conf
	before=$(etc)
	golden conf-file-of-others --root host conf apply ksm
	is "nothing is changed then either" "$(etc)" "$before"
	host one-node
	rm -r host/sys/kernel/mm/{hugepages,ksm,transparent_hugepage} host/sys/devices/system/node/node0/hugepages
	golden conf-no-hugepages --root host conf apply hugepages
	golden conf-no-1g --root host conf apply hugepages-1g
	golden conf-no-static --root host conf apply static-hugepages
	golden conf-no-thp --root host conf apply thp
	golden conf-no-ksm --root host conf apply ksm
	is "nor here" "$(ls host)" "$(printf 'proc\nrun\nsys')"
}

case_conf_store() {
	store_host
	golden conf-file-backed-there --root host conf apply file-backed
	is "it is not ours" "$(conf list --applied)" ""
	qemu_conf <<<'memory_backing_dir = "/elsewhere"'
	golden conf-file-backed-store --root host conf apply file-backed
	conf remove file-backed >/dev/null
	is "the former value is back" "$(cat host/etc/libvirt/qemu.conf)" 'memory_backing_dir = "/elsewhere"'
	qemu_conf <<<'memory_backing_dir = "/srv/guests"'
	store_fs || return
	golden conf-apply-nova --root host conf apply nova-file-backed
	golden check-nova-applied --root host check --all
	is "what the host has at the moment is no change" \
		"$(in_files web 2 && conf apply nova-file-backed | head -n 1)" "Nothing to change."
	conf remove nova-file-backed >/dev/null
	is "Nova's directory is as it was" "$(ls host/etc/nova 2>/dev/null)" ""
}

# stopped WHAT CALL TIME HOW: "conf WHAT" whose system call fails, or is its last one
stopped() {
	strace -f -o /dev/null -e trace="$2" -e inject="$2:$4:when=$3" \
		"$program" --root host conf "$1" file-backed >/dev/null 2>&1
}

# One that was stopped anywhere is ended by the next one, and can be taken back
case_conf_stopped() {
	local before after call time how
	has strace || return
	conf_host
	before=$(etc)
	conf apply file-backed >/dev/null
	after=$(etc)
	for call in renameat unlinkat fsync; do
		for how in signal=KILL error=ENOSPC; do
			for time in 1 2 3 4 5 6 7 8; do
				conf_host
				stopped apply "$call" "$time" "$how" 2>/dev/null
				conf apply file-backed >/dev/null
				[ "$(etc)" = "$after" ] || not_ok "apply, $call $time $how" "not applied"
				stopped remove "$call" "$time" "$how" 2>/dev/null
				conf remove file-backed >/dev/null
				[ "$(etc)" = "$before" ] || not_ok "remove, $call $time $how" "not taken back"
				[ -z "$(conf list --applied)" ] || not_ok "$call $time $how" "the record stays"
			done
		done
		ok "stopped at $call"
	done
}

# The folders where people read them: each file is one that the profile has, and explained
case_conf_folders() {
	local dir file
	for dir in "$tests"/../conf-snippets/*/; do
		dir=$(basename "$dir")
		is "$dir is a profile" "$("$program" conf list | grep -c "^$dir ")" 1
		for file in "$tests/../conf-snippets/$dir"/*; do
			file=$(basename "$file")
			[ "$file" != README ] || continue
			is "$dir/$file is part of it" \
				"$(grep -l "\"conf-snippets/$dir/$file\"" "$tests"/../helpers/profiles/*.c | wc -l)" 1
			is "$dir/README speaks of $file" \
				"$(grep -cw "${file//./\\.}" "$tests/../conf-snippets/$dir/README" | sed 's/^[1-9].*/some/')" some
		done
	done
	is "each profile has a folder" "$("$program" conf list --json | jq '.profiles | length')" \
		"$(find "$tests"/../conf-snippets/* -name README | wc -l)"
}

# What the profiles put there, by the programs that read it
case_conf_readers() {
	local profile units
	conf_host
	for profile in file-backed hugepages hugepages-1g thp ksm; do
		conf apply "$profile" >/dev/null
	done
	if has systemd-analyze; then
		units=host/etc/systemd/system
		printf '[Service]\nExecStart=/bin/true\n' | tee $units/ksm.service >$units/ksmtuned.service
		SYSTEMD_UNIT_PATH=$PWD/$units: systemd-analyze verify --man=no sysinit.target \
			dev-hugepages1G.mount ksm.service ksmtuned.service >verified 2>&1
		is "systemd verifies the units" "$? $(grep -F "$PWD" verified)" "0 "
	fi
	if has systemd-tmpfiles; then
		systemd-tmpfiles --root="$PWD/host" --create \
			"$PWD/host/etc/tmpfiles.d/membacking-file-backed.conf" >made 2>&1
		is "systemd-tmpfiles takes its lines" "$? $(cat made)" "0 "
		is "and makes the directory" "$(stat -c %a host/var/lib/libvirt/memory)" 755
	fi
	# It has no dry run, but can be told to set nothing that there is
	if has /lib/systemd/systemd-sysctl; then
		for profile in hugepages thp; do
			is "systemd-sysctl takes what $profile has" "$(/lib/systemd/systemd-sysctl \
				--prefix=/none "$PWD/host/etc/sysctl.d/60-membacking-$profile.conf" 2>&1) $?" " 0"
		done
	fi
	if has sysctl && ! sysctl --help | grep -q -e --dry-run; then
		skip "this sysctl has no --dry-run: what it makes of the profiles is not tried"
	elif has sysctl; then
		for profile in hugepages thp; do
			is "sysctl takes what $profile has" "$(sysctl --dry-run -p \
				host/etc/sysctl.d/60-membacking-$profile.conf 2>&1)" \
				"vm.compaction_proactiveness = 40"
		done
	fi
	mkdir -p host/sys/module/apparmor/parameters host/sys/fs/selinux
	echo Y >host/sys/module/apparmor/parameters/enabled
	echo 0 >host/sys/fs/selinux/enforce
	if has apparmor_parser; then
		{
			echo "profile membacking_test {"
			conf show file-backed --json | jq -r '.files[] | select(.path | test("apparmor")).text'
			echo "}"
		} | apparmor_parser --skip-kernel-load --skip-cache >parsed 2>&1
		is "apparmor_parser takes the rule" $? 0
	fi
	conf show file-backed --json | jq -r '.files[] | select(.path == "SELinux").text' >labels
	is "a shell takes the commands for SELinux" "$(bash -n labels 2>&1 && grep -c '^[^#]' labels)" 2
}

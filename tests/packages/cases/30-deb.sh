# shellcheck shell=bash
# shellcheck disable=SC2154 # work is tests/packages/run's
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A Debian on which guests run gets the .deb, a later one, the earlier one again, and none.
# No systemd runs in there.

installed_first() {
	local daemon early output
	check "no systemd runs" in_ns test ! -e /run/systemd/system
	daemon=$(vm_daemon_pid)
	output=$(guest early 128) || not_ok "a guest starts before" "$output"
	output=$(sharing_guest sharing) || not_ok "another one does" "$output"
	early=$(guest_pid early)
	in_ns mkdir -p /etc/libvirt/membacking.conf.d
	printf '[ksm]\nmanage = yes\n' >"$(ns_path /etc/libvirt/membacking.conf.d/50-local.conf)"
	output=$(apt install --no-install-recommends /run/test/first.deb)
	check_equal "apt installs it" "$(package db:Status-Status)" installed
	check_equal "libvirt is not restarted" "$(vm_daemon_pid)" "$daemon"
	same_guest early "$early"
	check_equal "the hooks are linked" "$(links)" "$both_links"
	check_match "a guest that ran already has a ledger" "$(ledger early)" '"phase": "running"'
	check_match "and one that holds nothing has nothing in it" "$(ledger early)" '"steps": \[\]'
	check_match "membacking.conf is a conffile" \
		"$(package Conffiles)" '/etc/libvirt/membacking.conf '
	hooks_seen
	check "libvirt was reloaded" in_ns test -e /run/libvirt-membacking/called
	output=$(huge_guest huge) || not_ok "a guest starts through the installed hook" "$output"
	check_match "it was prepared" "$(ledger huge)" '"kind": "hugepages"'
	check_equal "its pages are there" "$(pool 2048 total)" 32
	check_equal "and its phase" "$(phase huge)" running
	units_in_place
}

# As Debian's infrastructure runs it
own_test() {
	cp "$top/packaging/debian/tests/installed" "$vm_state/share/"
	check "the package's own test passes" system_run AUTOPKGTEST_TMP=/tmp sh /run/test/installed
}

# It has been running for long: KSM is switched on when its ledger is written
adopted_with_ksm() {
	if [ ! -e /sys/kernel/mm/ksm/run ]; then
		in_ns rm /etc/libvirt/membacking.conf.d/50-local.conf
		skip "this kernel has no KSM: no guest gains from it"
		return
	fi
	check_match "a guest that gains from KSM holds it from then on" \
		"$(ledger sharing)" '"kind": "ksm"'
	check_equal "and KSM runs" "$(ksm_run)" 1
	virsh destroy sharing >/dev/null
	check_equal "until it is gone" "$(ksm_run)" 0
	in_ns rm /etc/libvirt/membacking.conf.d/50-local.conf
}

runs_in_ledger() {
	[[ $(ledger "$1") == *'"phase": "running"'* ]]
}

# What reconnect does when libvirt starts is what adopt does when it runs.  libvirt answers before it
# has called the hook
adopted_by_reconnect() {
	vm_stop_daemon
	in_ns rm "/run/libvirt-membacking/guests/$(guest_uuid early)"
	check_match "without libvirt nobody can be asked" "$(in_ns virt-membacking adopt 2>&1)" \
		"libvirt cannot be asked which.*when it starts"
	vm_start_daemon
	check "and libvirt's start does it" wait_for runs_in_ledger early
}

units_in_place() {
	check_equal "the timer is enabled" "$(in_ns systemctl is-enabled libvirt-membacking-reconcile.timer)" enabled
	check_equal "systemd-analyze is content with the installed units" \
		"$(in_ns systemd-analyze verify /lib/systemd/system/libvirt-membacking-static.service \
			/lib/systemd/system/libvirt-membacking-reconcile.timer 2>&1 | grep membacking | grep -v "man virt-membacking")" ""
}

# What a later "apt autoremove" takes along
libraries_away() {
	in_ns sh -c 'mkdir /run/away && mv /usr/lib/*/libinih.so.* /usr/lib/*/libjansson.so.* /run/away/'
}

libraries_back() {
	in_ns sh -c 'mv /run/away/* /usr/lib/x86_64-linux-gnu/ 2>/dev/null ||
		mv /run/away/* /usr/lib/aarch64-linux-gnu/; rmdir /run/away'
}

# A guest that holds something is no reason to stay either, but the hooks do
hooks_stay() {
	local huge output
	huge=$(guest_pid huge)
	guest_xml held 16 "backing=$(page_backing 2048)" >"$vm_state/share/held.xml"
	output=$(virsh define /run/test/held.xml 2>&1) || not_ok "a guest is defined" "$output"
	output=$(in_ns virt-membacking reserve held 2>&1) || not_ok "its pages are reserved" "$output"
	check_equal "which are there" "$(pool 2048 total)" 40
	output=$(apt remove libvirt-membacking)
	check_match "removal names the guest that holds something" "$output" \
		"hooks stay until the last of them has ended, and then remove themselves: huge"
	check_equal "and succeeds" "$(package db:Status-Status)" config-files
	same_guest huge "$huge"
	check_equal "what is reserved for a start is given back" "$(pool 2048 total)" 32
	virsh undefine held >/dev/null
	check_left huge
	check_match "no user can lock what stays" "$(in_ns stat -c %a "$left_programs")" '^700$'
	libraries_away
	output=$(guest plain 64) || not_ok "another guest starts without a library of ours" "$output"
	virsh destroy plain >/dev/null
	check_equal "its end changes nothing" "$(links) $(pool 2048 total)" "$left_links 32"
	virsh destroy huge >/dev/null
	check_left_gone
	check_match "the log says that" "$(vm_syslog_text)" "the hooks that were kept for it are removed"
	libraries_back
}

# Installed again while the guest runs
taken_back() {
	local huge output
	output=$(apt install --no-install-recommends /run/test/first.deb)
	output=$(huge_guest huge) || not_ok "a guest starts" "$output"
	huge=$(guest_pid huge)
	output=$(apt remove libvirt-membacking)
	check_left huge
	output=$(apt install --no-install-recommends /run/test/first.deb)
	check_equal "installed again, libvirt's links are as before" "$(links)" "$both_links"
	check_equal "and nothing else stays" \
		"$(in_ns find /usr/sbin /usr/libexec -name '*membacking-leaving*')" ""
	same_guest huge "$huge"
	check_equal "the guest's record is the package's" "$(phase huge) $(pool 2048 total)" "running 32"
}

# Killed half-way, or the host has lost its power: there are links, and nothing behind them
rest_is_removed() {
	dpkg-deb --fsys-tarfile "$vm_state/share/first.deb" |
		tar -xO ./usr/libexec/libvirt-membacking/leaving \
			>"$(ns_path /usr/sbin/libvirt-membacking-leaving)"
	in_ns chmod 755 /usr/sbin/libvirt-membacking-leaving
	in_ns mkdir -p /etc/libvirt/hooks/qemu.d /etc/libvirt/hooks/daemon.d
	in_ns ln -s /usr/sbin/libvirt-membacking-leaving /etc/libvirt/hooks/qemu.d/50-membacking
	in_ns ln -s /usr/sbin/libvirt-membacking-leaving /etc/libvirt/hooks/daemon.d/50-membacking
	check "a hook of which only the link is left does not fail" \
		in_ns /etc/libvirt/hooks/qemu.d/50-membacking guest prepare begin -
	check_equal "and stays until libvirt starts" "$(links)" "$left_links"
	in_ns /etc/libvirt/hooks/daemon.d/50-membacking - start -
	check_left_gone
}

upgraded() {
	local huge output
	huge=$(guest_pid huge)
	# What the administrator did is kept
	echo '# mine' >>"$(ns_path /etc/libvirt/membacking.conf)"
	in_ns rm /etc/libvirt/hooks/daemon.d/50-membacking
	user_hook /etc/libvirt/hooks/qemu.d/10-user
	output=$(apt install --no-install-recommends /run/test/next.deb)
	check_match "apt upgrades it" "$(package Version)" '^99-1'
	same_guest huge "$huge"
	check_match "the edited membacking.conf stays" "$(in_ns cat /etc/libvirt/membacking.conf)" '# mine'
	check_equal "a link that was taken out is not made again" "$(links)" "${both_links#*$'\n'}"
	in_ns ln -s /usr/sbin/libvirt-membacking-daemon-hook /etc/libvirt/hooks/daemon.d/50-membacking
	check_equal "the ledger is of the older format" "$(ledger_version huge)" 1
	check_equal "and understood" "$(phase huge)" running
	virsh destroy huge >/dev/null
	check_equal "what it says is given back" "$(pool 2048 total) $(ledger huge)" "0 "
	output=$(huge_guest newer) || not_ok "a guest starts through the new hook" "$output"
	check_equal "its ledger is of the newer format" "$(ledger_version newer)" 2
	check_match "the user's own hook runs too" "$(in_ns cat /run/user-hook)" "10-user newer prepare"
}

downgraded() {
	local output newer
	newer=$(guest_pid newer)
	output=$(apt install --no-install-recommends --allow-downgrades /run/test/first.deb)
	check_match "apt goes back to the first" "$(package Version)" '^0'
	same_guest newer "$newer"
	check_equal "the newer ledger is not touched" "$(ledger_version newer)" 2
	check_match "who asks is told" "$(in_ns virt-membacking release newer 2>&1)" \
		"written by another version of libvirt-membacking: install that version again"
	output=$(huge_guest older) || not_ok "a guest starts beside it" "$output"
	virsh destroy older >/dev/null
	check_equal "other guests come and go beside it" "$(pool 2048 total) $(ledger older)" "32 "
	virsh destroy newer >/dev/null
	check_match "and the log says it" "$(vm_syslog_text)" "newer.*another version"
	check_equal "nothing is lost" "$(pool 2048 total) $(ledger_version newer)" "32 2"
	output=$(apt install --no-install-recommends /run/test/next.deb)
	in_ns virt-membacking reconcile >/dev/null
	check_equal "with that version all is given back" "$(pool 2048 total) $(ledger newer)" "0 "
}

restart_command() {
	in_ns virt-membacking conf "$@" file-backed --json |
		jq -r '.commands[].text | select(contains("libvirtd"))'
}

# The commands of a host without systemd, run by "conf apply" itself
applied_now() {
	local output daemon early
	early=$(guest_pid early)
	daemon=$(vm_daemon_pid)
	output=$(in_ns virt-membacking conf apply file-backed --now 2>&1) ||
		not_ok "file-backed is applied, with what it needs" "$output"
	check "its directory is made" in_ns test -d /var/lib/libvirt/memory
	check_match "where no script restarts libvirt it is left to the administrator" "$output" \
		"By hand: restart libvirt's daemon"
	check_equal "and is not restarted" "$(vm_daemon_pid)" "$daemon"
	cat >"$(ns_path /etc/init.d/libvirtd)" <<-'SCRIPT'
		#!/bin/sh
		[ "$1" = restart ] || exit 3
		start-stop-daemon --stop --quiet --retry 30 --pidfile /run/libvirtd.pid
		exec /usr/sbin/libvirtd --daemon --pid-file /run/libvirtd.pid
	SCRIPT
	in_ns chmod 755 /etc/init.d/libvirtd
	check_equal "with one, show and diff name it" "$(restart_command show) $(restart_command diff)" \
		"service libvirtd restart service libvirtd restart"
	check_equal "and a second apply, as libvirt has not read its file yet" \
		"$(restart_command apply)" "service libvirtd restart"
	output=$(in_ns virt-membacking conf apply file-backed --now 2>&1) ||
		not_ok "applied again, the commands are run" "$output"
	check "libvirt is restarted" test "$(vm_daemon_pid)" != "$daemon"
	same_guest early "$early"
	check "and answers" wait_for virsh -q list
	check_equal "then it needs no restart" "$(restart_command apply)" ""
	check_match "the rest is still listed" "$(in_ns virt-membacking conf apply file-backed)" \
		"unless that was done since:.*systemd-tmpfiles --create"
	output=$(guest filed 64 "backing=<source type='file'/><access mode='shared'/>") ||
		not_ok "a guest in files starts" "$output"
	check_match "its memory is in the store" "$(in_ns virt-membacking status --json |
		jq -c '.stores[] | [.path, .promised_kib]')" '"/var/lib/libvirt/memory",65536'
	virsh destroy filed >/dev/null
	daemon=$(vm_daemon_pid)
	output=$(in_ns virt-membacking conf remove file-backed --now 2>&1) ||
		not_ok "file-backed is taken back" "$output"
	check "libvirt is restarted again" test "$(vm_daemon_pid)" != "$daemon"
	check "and answers again" wait_for virsh -q list
	in_ns rm -r /etc/init.d/libvirtd /var/lib/libvirt/memory
}

# One that edits libvirt's own file, and one of new files
profiles_applied() {
	local output profile
	in_ns md5sum /etc/libvirt/qemu.conf >"$vm_state/share/qemu.conf.md5"
	in_ns touch /run/before-profiles
	for profile in file-backed hugepages; do
		output=$(in_ns virt-membacking conf apply "$profile" 2>&1) ||
			not_ok "the profile $profile is applied" "$output"
	done
	check_match "profiles are applied" "$(in_ns virt-membacking conf list --applied)" \
		'file-backed.*hugepages'
}

profiles_gone() {
	check "qemu.conf is what it was before the profile" \
		in_ns md5sum --quiet --check /run/test/qemu.conf.md5
	check_equal "and nothing of the profiles is left" "$(in_ns find /etc /var/lib/libvirt-membacking \
		-type f -newer /run/before-profiles -path '*membacking*' 2>/dev/null)" ""
}

# A guest that holds nothing is no reason to stay
removed() {
	local output early
	early=$(guest_pid early)
	profiles_applied
	output=$(apt remove libvirt-membacking)
	check_equal "apt removes it while a guest runs that holds nothing" "$(package db:Status-Status)" config-files
	same_guest early "$early"
	check_equal "no link is left" "$(links)" ""
	check "the user's hook is" in_ns test -x /etc/libvirt/hooks/qemu.d/10-user
	profiles_gone
	output=$(guest after 64) || not_ok "a guest starts without the hooks" "$output"
	virsh destroy after >/dev/null
}

user_reloads() {
	in_ns grep -c '^daemon - reload$' /run/user-hook
}

# libvirt has noted one more
user_reloaded() {
	[ "$(user_reloads)" = "$1" ]
}

# From here on the user's hooks have libvirt's first name for them
installed_again() {
	local output
	in_ns rm /etc/libvirt/hooks/qemu.d/10-user /run/user-hook
	user_hook /etc/libvirt/hooks/qemu
	user_hook /etc/libvirt/hooks/daemon
	in_ns kill -HUP "$(vm_daemon_pid)"
	check "libvirt knows the user's hooks" wait_for user_reloaded 1
	output=$(apt install --no-install-recommends /run/test/first.deb)
	check_equal "installed again, the hooks are linked" "$(links)" "$both_links"
	output=$(huge_guest again) || not_ok "a guest starts through them" "$output"
	check_match "the user's own hook runs too" "$(in_ns cat /run/user-hook)" "qemu again prepare"
	check_equal "beside ours" "$(pool 2048 total)" 32
	in_ns kill -HUP "$(vm_daemon_pid)"
	check "libvirt, which had hooks, is not reloaded but by us" wait_for user_reloaded 2
}

purged() {
	local output
	virsh destroy again >/dev/null
	virsh destroy early >/dev/null
	profiles_applied
	echo '# mine' >>"$(ns_path /etc/libvirt/qemu.conf)"
	echo '[hook]' >"$(ns_path /etc/libvirt/membacking.conf.d/50-local.conf)"
	output=$(apt purge libvirt-membacking)
	in_ns rm /etc/libvirt/hooks/qemu /etc/libvirt/hooks/daemon
	check_equal "apt purges it" "$(package db:Status-Status)" ""
	check_equal "what was edited beside a profile's key stays" \
		"$(in_ns tail -n 1 /etc/libvirt/qemu.conf)" '# mine'
	in_ns sed -i '/^# mine$/d' /etc/libvirt/qemu.conf
	system_same
}

if ! fits; then
	:
elif [ ! -e "$work/deb" ]; then
	skip "there is no .deb (group \"build\")"
elif system_open && vm_start_daemon; then
	cp "$work"/deb/libvirt-membacking_*.deb "$vm_state/share/first.deb"
	cp "$work"/next/deb/libvirt-membacking_*.deb "$vm_state/share/next.deb"
	system_tree >"$work/tree.before"
	installed_first
	adopted_with_ksm
	own_test
	adopted_by_reconnect
	applied_now
	hooks_stay
	taken_back
	upgraded
	downgraded
	removed
	rest_is_removed
	installed_again
	purged
else
	not_ok "a system to install into" "see above"
fi

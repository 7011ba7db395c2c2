# shellcheck shell=bash
# shellcheck disable=SC2154 # work is tests/packages/run's
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A Debian on which guests run gets the .deb, a later one, the earlier one again, and none.

apt() {
	# Nothing is fetched: the network of the namespace leads nowhere
	system_run apt-get -qq -y -o APT::Sandbox::User=root "$@" 2>&1
}

# package FIELD, as dpkg-query names it
package() {
	in_ns dpkg-query -W -f "\${$1}" libvirt-membacking 2>/dev/null
}

installed_first() {
	local daemon early output
	daemon=$(vm_daemon_pid)
	output=$(guest early 128) || not_ok "a guest starts before" "$output"
	early=$(guest_pid early)
	output=$(apt install --no-install-recommends /run/test/first.deb)
	check_equal "apt installs it" "$(package db:Status-Status)" installed
	check_equal "libvirt is not restarted" "$(vm_daemon_pid)" "$daemon"
	same_guest early "$early"
	check_equal "the hooks are linked" "$(links)" "$both_links"
	check_match "a guest that ran already has a ledger" "$(ledger early)" '"phase": "running"'
	check_match "membacking.conf is a conffile" \
		"$(package Conffiles)" '/etc/libvirt/membacking.conf '
	# libvirt is told in a thread of its own
	sleep 1
	output=$(huge_guest huge) || not_ok "a guest starts through the installed hook" "$output"
	check_match "it was prepared" "$(ledger huge)" '"kind": "hugepages"'
	check_equal "its pages are there" "$(pool 2048 total)" 32
	check_equal "and its phase" "$(phase huge)" running
	units_in_place
}

# What reconnect does when libvirt starts is what adopt does when it runs
adopted_by_reconnect() {
	vm_stop_daemon
	in_ns rm "/run/libvirt-membacking/guests/$(guest_uuid early)"
	check_match "without libvirt nobody can be asked" "$(in_ns virt-membacking adopt 2>&1)" \
		"libvirt cannot be asked which.*when it starts"
	vm_start_daemon
	check_match "and libvirt's start does it" "$(ledger early)" '"phase": "running"'
}

units_in_place() {
	check_equal "the timer is enabled" "$(in_ns systemctl is-enabled libvirt-membacking-reconcile.timer)" enabled
	check_equal "systemd-analyze is content with the installed units" \
		"$(in_ns systemd-analyze verify /lib/systemd/system/libvirt-membacking-static.service \
			/lib/systemd/system/libvirt-membacking-reconcile.timer 2>&1 | grep membacking | grep -v "man virt-membacking")" ""
}

removal_refused() {
	local output
	output=$(apt remove libvirt-membacking)
	check_match "removal is refused, with the guest's name" "$output" "not removed.*huge"
	check_equal "the package stays" "$(package db:Status-Status)" installed
	check_equal "and its links" "$(links)" "$both_links"
	check_match "and what the guest holds" "$(ledger huge)" '"phase": "running"'
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
	check_match "the user's own hook runs too" "$(in_ns cat /run/user-hook)" "newer prepare"
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
	check_match "removal is refused" "$(apt remove libvirt-membacking)" "not removed.*newer"
	virsh destroy newer >/dev/null
	check_match "and the log says it" "$(vm_syslog_text)" "newer.*another version"
	check_equal "nothing is lost" "$(pool 2048 total) $(ledger_version newer)" "32 2"
	output=$(apt install --no-install-recommends /run/test/next.deb)
	in_ns virt-membacking reconcile >/dev/null
	check_equal "with that version all is given back" "$(pool 2048 total) $(ledger newer)" "0 "
}

# A guest that holds nothing is no reason to stay
removed() {
	local output early
	early=$(guest_pid early)
	output=$(apt remove libvirt-membacking)
	check_equal "apt removes it while a guest runs that holds nothing" "$(package db:Status-Status)" config-files
	same_guest early "$early"
	check_equal "no link is left" "$(links)" ""
	check "the user's hook is" in_ns test -x /etc/libvirt/hooks/qemu.d/10-user
	output=$(guest after 64) || not_ok "a guest starts without the hooks" "$output"
	virsh destroy after >/dev/null
	# From here on the user's hook has libvirt's first name for it
	in_ns rm /etc/libvirt/hooks/qemu.d/10-user /run/user-hook
	user_hook /etc/libvirt/hooks/qemu
	output=$(apt install --no-install-recommends /run/test/first.deb)
	check_equal "installed again, the hooks are linked" "$(links)" "$both_links"
	# libvirt is told in a thread of its own
	sleep 1
	output=$(huge_guest again) || not_ok "a guest starts through them" "$output"
	check_match "the user's own hook runs too" "$(in_ns cat /run/user-hook)" "again prepare"
	check_equal "beside ours" "$(pool 2048 total)" 32
}

# Who knows better than we do: the guest keeps its pages, and so does the pool
forced() {
	local output again
	again=$(guest_pid again)
	in_ns touch /run/libvirt-membacking/remove-anyway
	output=$(apt remove libvirt-membacking)
	check_equal "removal can be forced" "$(package db:Status-Status)" config-files
	same_guest again "$again"
	check_match "what it holds stays written down" "$(ledger again)" '"kind": "hugepages"'
	output=$(apt install --no-install-recommends /run/test/first.deb)
	in_ns rm -f /run/libvirt-membacking/remove-anyway
	sleep 1
	virsh destroy again >/dev/null
	check_equal "and is given back by who comes after" "$(pool 2048 total)" 0
}

purged() {
	local output
	virsh destroy early >/dev/null
	echo '[hook]' >"$(ns_path /etc/libvirt/membacking.conf.d/50-local.conf)"
	output=$(apt purge libvirt-membacking)
	in_ns rm /etc/libvirt/hooks/qemu
	check_equal "apt purges it" "$(package db:Status-Status)" ""
	system_tree >"$work/tree.after"
	output=$(diff "$work/tree.before" "$work/tree.after")
	check_equal "the system is as before" "$output" ""
}

if ! fits; then
	:
elif [ -e "$work/deb" ] && system_open && system_share "$work"/deb/libvirt-membacking_*.deb &&
	system_share "$work"/next/deb/libvirt-membacking_*.deb && vm_start_daemon; then
	mv "$vm_state"/share/libvirt-membacking_99-*.deb "$vm_state/share/next.deb"
	mv "$vm_state"/share/libvirt-membacking_*.deb "$vm_state/share/first.deb"
	system_tree >"$work/tree.before"
	installed_first
	adopted_by_reconnect
	removal_refused
	upgraded
	downgraded
	removed
	forced
	purged
elif [ ! -e "$work/deb" ]; then
	skip "there is no .deb (group \"build\")"
else
	not_ok "a system to install into" "see above"
fi

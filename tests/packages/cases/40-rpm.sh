# shellcheck shell=bash
# shellcheck disable=SC2154 # work is tests/packages/run's
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The .rpm and its scriptlets, by rpm in a root of its own.  That is a Debian, whose
# packages rpm knows nothing of: hence --nodeps, and no SELinux.

rpm_in() {
	system_run rpm --dbpath /var/lib/rpm --force-debian "$@" 2>&1
}

rpm_life() {
	local early output daemon
	daemon=$(vm_daemon_pid)
	guest early 128 >/dev/null
	early=$(guest_pid early)
	output=$(rpm_in -i --nodeps /run/test/membacking.rpm)
	check_match "rpm installs it" "$(rpm_in -q libvirt-membacking)" '^libvirt-membacking-[0-9]'
	check_equal "silently" "$output" ""
	check_equal "libvirt is not restarted" "$(vm_daemon_pid)" "$daemon"
	same_guest early "$early"
	check_equal "the hooks are linked" "$(links)" "$both_links"
	check_match "a guest that ran already has a ledger" "$(ledger early)" '"phase": "running"'
	# libvirt is told in a thread of its own
	sleep 1
	output=$(huge_guest huge) || not_ok "a guest starts through the installed hook" "$output"
	check_equal "its pages are there" "$(pool 2048 total)" 32
	echo '# mine' >>"$(ns_path /etc/libvirt/membacking.conf)"
	rpm_in -U --nodeps --replacepkgs /run/test/membacking.rpm >/dev/null
	check_match "the edited membacking.conf stays" "$(in_ns cat /etc/libvirt/membacking.conf)" '# mine'
	check_match "erasing is refused, with the guest's name" "$(rpm_in -e libvirt-membacking)" "not removed.*huge"
	check_match "the package stays" "$(rpm_in -q libvirt-membacking)" '^libvirt-membacking-[0-9]'
	virsh destroy huge >/dev/null
	check_equal "the pages are given back" "$(pool 2048 total)" 0
	rpm_in -e libvirt-membacking >/dev/null
	check_match "then it is erased" "$(rpm_in -q libvirt-membacking)" 'not installed'
	same_guest early "$early"
	in_ns rm -f /etc/libvirt/membacking.conf.rpmsave
	system_tree >"$work/tree.after"
	output=$(diff "$work/tree.before" "$work/tree.after")
	check_equal "the system is as before" "$output" ""
}

if ! fits; then
	:
elif [ ! -e "$work/rpm" ]; then
	skip "there is no .rpm (group \"build\")"
elif system_open && vm_start_daemon; then
	system_share "$work"/rpm/RPMS/*/libvirt-membacking-[0-9]*.rpm
	mv "$vm_state"/share/libvirt-membacking-*.rpm "$vm_state/share/membacking.rpm"
	system_tree >"$work/tree.before"
	rpm_life
else
	not_ok "a system to install into" "see above"
fi

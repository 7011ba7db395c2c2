# shellcheck shell=bash
# shellcheck disable=SC2154 # work is tests/packages/run's
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The .rpm and its scriptlets, by rpm in a root of its own.  That is a Debian, whose
# packages rpm knows nothing of: hence --nodeps.

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
	hooks_seen
	output=$(huge_guest huge) || not_ok "a guest starts through the installed hook" "$output"
	check_equal "its pages are there" "$(pool 2048 total)" 32
	echo '# mine' >>"$(ns_path /etc/libvirt/membacking.conf)"
	in_ns rm /etc/libvirt/hooks/daemon.d/50-membacking
	output=$(rpm_in -U --nodeps /run/test/next.rpm)
	check_equal "rpm upgrades it" "$(rpm_in -q --qf '%{version} ' libvirt-membacking) $output" "99  "
	check_match "the edited membacking.conf stays" "$(in_ns cat /etc/libvirt/membacking.conf)" '# mine'
	check_equal "a link that was taken out is not made again" "$(links)" "${both_links#*$'\n'}"
	check_equal "the ledger of the older format is understood" \
		"$(ledger_version huge) $(phase huge)" "1 running"
	check "a profile is applied" in_ns virt-membacking conf apply file-backed
	check_match "erased, the hooks stay, with the guest's name" \
		"$(rpm_in -e libvirt-membacking)" "hooks stay.*: huge"
	check_match "the package is gone" "$(rpm_in -q libvirt-membacking)" 'not installed'
	check_left huge
	virsh destroy huge >/dev/null
	check_left_gone
	same_guest early "$early"
	in_ns rm -f /etc/libvirt/membacking.conf.rpmsave
	system_same
}

# Where SELinux is on, it would load the policy
selinux_life() {
	check_equal "the SELinux package is installed without a word" \
		"$(rpm_in -i --nodeps /run/test/selinux.rpm)" ""
	check_match "and is there" "$(rpm_in -q libvirt-membacking-selinux)" '^libvirt-membacking-selinux-[0-9]'
	check_equal "and erased again" "$(rpm_in -e libvirt-membacking-selinux)" ""
	skip "no SELinux in there: its policy is installed, and not loaded"
}

if ! fits; then
	:
elif [ ! -e "$work/rpm" ]; then
	skip "there is no .rpm (group \"build\")"
elif system_open && vm_start_daemon; then
	cp "$work"/rpm/RPMS/*/libvirt-membacking-[0-9]*.rpm "$vm_state/share/membacking.rpm"
	cp "$work"/next/rpm/RPMS/*/libvirt-membacking-[0-9]*.rpm "$vm_state/share/next.rpm"
	system_tree >"$work/tree.before"
	if cp "$work"/rpm/RPMS/noarch/libvirt-membacking-selinux-*.rpm "$vm_state/share/selinux.rpm"; then
		selinux_life
	fi
	rpm_life
	skip "this rpm has no macros of systemd: the units are installed, and not enabled"
else
	not_ok "a system to install into" "see above"
fi

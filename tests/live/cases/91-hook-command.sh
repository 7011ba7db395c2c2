# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The command "hook", and what the running libvirt makes of it.

# seen: what "hook status" says of the libvirt that runs
seen() {
	membacking hook status --json | jq -r '"\(.libvirt.seen) \(.libvirt.why)"'
}

hooks_linked() {
	in_ns sh -c 'cd /etc/libvirt/hooks && find . -type l | sort | tr "\n" " "'
}

seen_is_true() {
	[ "$(seen | cut -d ' ' -f 1)" = true ]
}

both_linked="./daemon.d/50-membacking ./qemu.d/50-membacking "

case_the_hooks_are_seen() {
	check_equal "both are linked" "$(hooks_linked)" "$both_linked"
	check_match "libvirt knows them" "$(seen)" '^true '
	check "that is fine" membacking hook status
	guest_up seen 64 "backing=$(page_backing 2048)" || return
	check_equal "it has called them" "$(seen)" "true it has called them"
	guest_down seen
	check_empty
}

case_disabled_and_enabled_again() {
	check "disable" membacking hook disable
	check_equal "no link is left" "$(hooks_linked)" ""
	check_equal "status says so" "$(membacking hook status >/dev/null; echo $?)" 1
	guest_define without 64 "backing=$(page_backing 2048)"
	guest_start without && not_ok "without hook and pages it does not start" "it did"
	check "enable --reload" membacking hook enable --reload
	check_equal "both are linked" "$(hooks_linked)" "$both_linked"
	check "libvirt has looked since" wait_for "the reload" seen_is_true
	guest_start without || not_ok "with the hook it starts" "$start_error"
	guest_down without
	check_empty
}

case_libvirt_started_without_any_hook() {
	vm_stop_daemon
	check "disable" membacking hook disable
	check "libvirtd comes back" vm_start_daemon
	# Times of links and processes are told apart by seconds
	sleep 3
	check "enable" membacking hook enable
	check_match "libvirt may not know" "$(seen)" '^null '
	guest_define unseen 64 "backing=$(page_backing 2048)"
	guest_start unseen && not_ok "it does not know, indeed" "the guest started"
	check "enable --reload" membacking hook enable --reload
	check "libvirt has looked since" wait_for "the reload" seen_is_true
	guest_start unseen || not_ok "now it starts" "$start_error"
	guest_down unseen
	check_empty
}

case_libvirt_started_after_the_hooks() {
	vm_stop_daemon
	check_equal "nobody runs" "$(membacking hook status --json | jq .libvirt.running)" false
	check "libvirtd comes back" vm_start_daemon
	check_match "it knows them" "$(seen)" '^true '
}

case_direct_links() {
	check "enable --direct" membacking hook enable --direct --reload
	check_equal "instead of the others" "$(hooks_linked)" "./daemon ./qemu "
	guest_up direct 64 "backing=$(page_backing 2048)"
	check_equal "32 pages" "$(pools)" "2048:32/0 1048576:0/0"
	guest_down direct
	check "enable" membacking hook enable --reload
	check_equal "back again" "$(hooks_linked)" "$both_linked"
	check_empty
}

case_a_users_hook_stays() {
	in_ns sh -c 'printf "#!/bin/sh\ncat >/dev/null\n" >/etc/libvirt/hooks/qemu && chmod 755 /etc/libvirt/hooks/qemu'
	check_equal "--direct is refused" \
		"$(membacking hook enable --direct >/dev/null 2>&1; echo $?)" 1
	check "disable" membacking hook disable
	check "its file is there" in_ns grep -q cat /etc/libvirt/hooks/qemu
	in_ns rm /etc/libvirt/hooks/qemu
	check "enable" membacking hook enable --reload
	check_equal "both are linked" "$(hooks_linked)" "$both_linked"
}

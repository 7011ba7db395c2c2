# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Paged guests in trouble: a debugger at their QEMU, a QEMU that crashes, a host that boots.

# shellcheck source=tests/live/cases/96-overcommit.sh
. "$here/cases/96-overcommit.sh"

# debugger_at PID: a program traces that process of the guests' namespace, until debugger_ends
debugger_at() {
	mkfifo "$vm_state/debugger.in"
	nsenter -t "$vm_pid" -p -- "$vm_build/tests/pager/bystander" trace "$1" \
		<>"$vm_state/debugger.in" >"$vm_state/debugger.out" &
	debugger_pid=$!
	wait_for "the debugger" grep -q ready "$vm_state/debugger.out"
}

debugger_ends() {
	kill -KILL "$debugger_pid"
	wait "$debugger_pid" 2>/dev/null
	rm -f "$vm_state/debugger.in"
}

case_a_debugger_and_a_crash() {
	paged_guest_is_up
	check "it is let go" membacking overcommit release paged
	debugger_at "$(guest_pid paged)"
	check_match "while a debugger is there it is not adopted, and that is said" \
		"$(membacking overcommit adopt paged --resident 96M 2>&1)" \
		"guest 'paged' is not paged: process [0-9]+ \([^)]*\) traces its QEMU, as debuggers do, and only one can: end that one, and adopt the guest then"
	comes_on "with a debugger"
	debugger_ends
	check "when it has ended it is adopted" membacking overcommit adopt paged --resident 96M
	check "and paged" wait_for "the limit" resident_below $paged_limit_kib
	check_equal "nothing is wrong" "$(paged why)" null
	comes_on "after the debugger"

	in_ns kill -SEGV "$(guest_pid paged)"
	check "QEMU crashes: the pager forgets it" wait_for "no guest" forgotten
	check "no record is left" wait_for "no record" no_ledgers
	check_equal "nor a file" "$(pager_files)" ""
	check_equal "libvirt knows" "$(virsh domstate paged --reason)" "shut off (crashed)"
	guest_start paged
	check_equal "it starts again" "$start_error" ""
	check "it is ready again" guest_says paged 'GUEST figures' 2
	comes_on "started after the crash"

	# All of the host's programs go at once, and what lies in /run stays, of another boot
	crash paged
	pagerd_kill KILL
	sed -i 's/"boot_id": *"[^"]*"/"boot_id": "11111111-2222-3333-4444-555555555555"/' \
		"$(ns_path /run/libvirt-membacking/guests/"$(ledgers)")"
	vm_start_daemon
	pagerd_start
	check "after a boot: the pager forgets it" wait_for "no guest" forgotten
	guest_start paged
	check_equal "after a boot with stale files: it starts" "$start_error" ""
	check "it is ready once more" guest_says paged 'GUEST figures' 2
	check "and paged" wait_for "the limit" resident_below $paged_limit_kib
	comes_on "after a boot"
	check "it is destroyed" virsh destroy paged
	check "the pager forgets it then" wait_for "no guest" forgotten
	check "no record is left at last" wait_for "no record" no_ledgers
	pagerd_kill TERM
	check_equal "no file of the pager's is left" "$(pager_files)" ""
	membacking overcommit disable paged >/dev/null
}

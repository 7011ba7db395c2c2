# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What happens to a guest, to QEMU and to libvirtd between start and end.

small_guest() {
	guest_up "$1" 64 "backing=$(page_backing 2048)" "${@:2}"
}

no_guests() {
	[ -z "$(virsh list --name)" ]
}

kill_qemu() {
	in_ns kill -KILL "$(guest_pid "$1")"
}

case_the_guest_reboots() {
	guest_up reboot 128 "backing=$(page_backing 2048)" || return
	guest_boots reboot
	virsh send-key reboot KEY_LEFTCTRL KEY_LEFTALT KEY_DELETE
	check "it boots a second time" guest_says reboot 'GUEST READY' 2
	check_equal "with the same 64 pages" "$(pools)" "2048:64/0 1048576:0/0"
	check_equal "and still runs for us" "$(ledger_phase reboot)" running
	guest_down reboot
	check_empty
}

case_the_guest_is_reset_and_paused() {
	small_guest reset || return
	virsh reset reset
	virsh suspend reset
	check_equal "nothing changes" "$(pools)" "2048:32/0 1048576:0/0"
	virsh resume reset
	guest_down reset
	check_empty
}

case_save_and_restore() {
	guest_up saved 128 "backing=$(page_backing 2048)" || return
	guest_boots saved
	check "it is saved" virsh save saved /var/lib/libvirt/saved.image
	check_empty "its pages are given back"
	check "it is restored" virsh restore /var/lib/libvirt/saved.image
	check_equal "with new pages" "$(pools)" "2048:64/0 1048576:0/0"
	check_equal "it runs" "$(ledger_phase saved)" running
	guest_down saved
	in_ns rm /var/lib/libvirt/saved.image
	check_empty
}

case_managed_save() {
	small_guest managed || return
	check "it is saved" virsh managedsave managed
	check_empty "its pages are given back"
	guest_start managed
	check_equal "it starts from the saved image" "$(pools)" "2048:32/0 1048576:0/0"
	guest_down managed
	check_empty
}

case_started_paused() {
	guest_define paused 64 "backing=$(page_backing 2048)"
	check "starts paused" virsh start --paused paused
	check_equal "with its pages" "$(pools)" "2048:32/0 1048576:0/0"
	guest_down paused
	check_empty
}

case_a_transient_guest() {
	guest_write transient 64 "backing=$(page_backing 2048)"
	check "is created" virsh create /run/xml/transient.xml
	check_equal "with its pages" "$(pools)" "2048:32/0 1048576:0/0"
	guest_down transient
	check_empty
}

case_the_guest_powers_off_by_itself() {
	guest_define off 128 "backing=$(page_backing 2048)" cmdline=poweroff
	guest_start off || not_ok "starts" "$start_error"
	check "it powers off" wait_for "no guests" no_guests
	check_empty
}

case_libvirtd_restarts_with_a_running_guest() {
	small_guest restart || return
	vm_stop_daemon
	check_equal "its pages stay" "$(pools)" "2048:32/0 1048576:0/0"
	check "libvirtd comes back" vm_start_daemon
	check_equal "the guest is still there" "$(virsh list --name | head -n 1)" restart
	check_equal "its pages too" "$(pools)" "2048:32/0 1048576:0/0"
	check_equal "and it runs" "$(ledger_phase restart)" running
	guest_down restart
	check_empty
}

case_libvirtd_is_killed_with_a_running_guest() {
	small_guest survivor || return
	vm_kill_daemon
	membacking reconcile >/dev/null
	check_equal "reconcile leaves the living alone" "$(pools)" "2048:32/0 1048576:0/0"
	check "libvirtd comes back" vm_start_daemon
	check_equal "its pages stay" "$(pools)" "2048:32/0 1048576:0/0"
	guest_down survivor
	check_empty
}

case_QEMU_is_killed() {
	small_guest victim || return
	kill_qemu victim
	check "libvirt notices" wait_for "no guests" no_guests
	check_empty
}

case_QEMU_is_killed_while_libvirtd_is_down() {
	small_guest lonely || return
	vm_stop_daemon
	kill_qemu lonely
	check "libvirtd comes back" vm_start_daemon
	check "and notices" wait_for "no guests" no_guests
	check_empty
}

case_both_are_killed_and_reconcile_is_called() {
	small_guest both || return
	vm_kill_daemon
	kill_qemu both
	wait_for "free pages" pool_has_free 32
	check "reconcile" membacking reconcile
	check_empty "without libvirtd"
	check "libvirtd comes back" vm_start_daemon
	check_empty "with libvirtd"
}

case_both_are_killed_and_another_guest_starts() {
	small_guest dead || return
	vm_kill_daemon
	kill_qemu dead
	in_ns rm -rf /run/libvirt/qemu/dead.xml
	check "libvirtd comes back and knows nothing of it" vm_start_daemon
	small_guest living
	check_equal "only the living one's pages" "$(pools)" "2048:32/0 1048576:0/0"
	guest_down living
	check_empty
}

case_the_hook_is_told_to_reload() {
	small_guest reload || return
	in_ns kill -HUP "$(vm_daemon_pid)"
	check "libvirtd answers" virsh list
	check_equal "nothing changes" "$(pools)" "2048:32/0 1048576:0/0"
	guest_down reload
	check_empty
}

case_the_daemon_hook_mounts_what_is_missing() {
	local size
	vm_stop_daemon
	for mount in $(in_ns cat /proc/mounts | awk '$3 == "hugetlbfs" { print $2 }'); do
		in_ns umount "$mount"
	done
	check "libvirtd starts without any hugetlbfs" vm_start_daemon
	for size in $(pool_sizes); do
		check_equal "$size KiB is mounted once" \
			"$(in_ns cat /proc/mounts | grep -c "hugetlbfs.*pagesize=$((size / 1024))M\b")" 1
	done
	small_guest mounted
	guest_down mounted
	check_empty
}

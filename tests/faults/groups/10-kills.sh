# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of tests/faults/stage and inject
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill -9 at each system call.
#
# What a killed process leaves is decided by the calls that change something.  So for
# each operation one series tries every single call, from the loader's first; others,
# in which something else happens afterwards, only those.

# --- The method itself ---

kills_come_before_the_call() {
	local status
	rm -rf "$work/made"
	{
		strace -f -o /dev/null -e trace=mkdir,mkdirat \
			-e inject=mkdir,mkdirat:signal=KILL:when=1 mkdir "$work/made"
	} 2>/dev/null
	status=$?
	if [ "$status" = 137 ] && [ ! -e "$work/made" ]; then
		ok "a kill at a system call comes before it is carried out"
	else
		not_ok "a kill at a system call comes before it is carried out" "status $status"
	fi
}

# --- prepare ---

# libvirt goes on: the start has failed
then_libvirt_goes_on() {
	expect "stopped failed" hook victim stopped
	expect "release failed" hook victim release
	look
	[ "$pool" = "$base_pool" ] || problem=${problem:-after release the pool is $pool}
	expect "reconcile failed" reconcile
	expect_base
}

# stopped and release are killed too, or libvirt was restarted; the user tries again
then_next_prepare() {
	expect "the next prepare failed" hook victim prepare 4
	expect_victim_prepared
	expect "stopped failed" hook victim stopped
	expect "release failed" hook victim release
	expect_base
}

then_only_empty_directories() {
	driver_dies
	expect "reconcile failed" reconcile
	expect_empty
	start_driver
}

# --- started ---

# The guest lives, whatever became of the hook and of libvirt
then_guest_keeps_all() {
	driver_dies
	expect "reconcile failed" reconcile
	expect_running
	start_driver
}

then_all_die() {
	stop victim_pid
	then_driver_dies
}

# --- stopped and release ---

# QEMU takes its time to end
victim_still_ends() {
	victim_has_run
	start_victim 26 20
}

then_reconcile_twice() {
	# Not a success while pages are in use
	reconcile
	expect_others_safe
	stop victim_pid
	then_reconcile
}

# --- The groups ---

kills_come_before_the_call

call_hook victim prepare 3
at_each "prepare is killed, libvirt too, one reconcile" loader sigkill nothing then_driver_dies
at_each "prepare is killed, libvirt goes on with stopped and release" own sigkill_at_changes \
	nothing then_libvirt_goes_on
at_each "prepare is killed, the guest is started once more" own sigkill_at_changes \
	nothing then_next_prepare

build_stage=build_empty
reset_stage
at_each "the host's very first prepare is killed, one reconcile" own sigkill \
	no_state_dir then_only_empty_directories
build_stage=build_base
reset_stage

call_hook victim started 3
at_each "started is killed, libvirt too, the guest lives" loader sigkill \
	victim_runs then_guest_keeps_all
victim_ends
at_each "started is killed, libvirt and the guest too, one reconcile" own sigkill_at_changes \
	victim_runs then_all_die

call_hook victim stopped
at_each "stopped is killed, one reconcile" loader sigkill victim_has_run then_reconcile
at_each "stopped is killed while QEMU still ends, one reconcile now and one later" own sigkill_at_changes \
	victim_still_ends then_reconcile_twice

call_hook victim release
at_each "release is killed, one reconcile" loader sigkill victim_has_stopped then_reconcile
at_each "release is killed and so was stopped, one reconcile" own sigkill_at_changes \
	victim_has_run then_reconcile
at_each "release is killed, the guest is started once more" own sigkill_at_changes \
	victim_has_stopped then_next_prepare

call_reconcile
at_each "reconcile itself is killed, one more reconcile" own sigkill_at_changes \
	victim_has_run then_reconcile

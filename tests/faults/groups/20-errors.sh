# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of tests/faults/stage and inject
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# An error from the kernel at each system call: full and broken file systems, no
# memory, no descriptors.

# The victim's QEMU, started without us
stranger_runs() {
	[ -n "$victim_pid" ] || start_victim 0 0
	rm -f "$state_dir/guests/$victim_uuid"
}

then_stranger_runs() {
	[ "$status" = 0 ] || problem="status $status kills the guest: $err"
	expect "reconcile failed" reconcile
	rm -f "$state_dir/guests/$victim_uuid"
	expect_base
}

then_release() {
	expect_told
	expect "release failed" hook victim release
	expect_base
}

then_settled() {
	expect_told
	expect "reconcile failed" reconcile
	expect_base
}

call_hook victim prepare 3
at_each "prepare meets an error: all or nothing, and a sentence" own all_errors_of \
	nothing then_all_or_nothing

call_hook victim started 3
at_each "started meets an error: the guest goes on" own errors_of victim_runs then_still_runs
victim_ends

# With its ledger, and without: after a restart of libvirt's daemon on a host on which the
# hooks are new
call_hook victim reconnect 3
at_each "reconnect meets an error: the guest goes on" own errors_of victim_runs then_still_runs
victim_ends
at_each "reconnect without a ledger meets an error: the guest goes on" own errors_of \
	stranger_runs then_stranger_runs
victim_ends

call_hook victim stopped
at_each "stopped meets an error, then release" own errors_of victim_has_run then_release

call_hook victim release
at_each "release meets an error, then reconcile" own errors_of victim_has_stopped then_settled

call_reconcile
at_each "reconcile meets an error, then another" own errors_of victim_has_run then_settled

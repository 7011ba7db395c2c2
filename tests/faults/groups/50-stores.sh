# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of tests/faults/stage and inject
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A guest whose memory lies in files: kills and errors around the mount of its store.
#
# "filed" has 64 MiB in a tmpfs that prepare mounts and the last release unmounts.
# "keeper" is another such guest, for the series in which the mount must stay.

# shellcheck source=tests/faults/stores
. "$here/stores"

# --- What comes after a fault ---

expect_filed_in_place() {
	local ledger=
	[ -z "$problem" ] || return
	look
	read -r -d '' ledger <"$state_dir/guests/$filed_uuid"
	ledger=${ledger/'"phase": "running"'/'"phase": "prepared"'}
	[ "$ledger" = "$ledger_of_living" ] || problem+=" the guest's ledger changed: $ledger"
	[ "$files" = "$living_files" ] || problem+=" left: $files"
	store_mounted || problem+=" the store is unmounted"
	[ -e "$store_base/3-filed/pc.ram" ] || problem+=" the guest's memory is gone"
	[ "$pool" = "$base_pool" ] || problem+=" pool is $pool instead of $base_pool"
}

store_then_driver_dies() {
	driver_dies
	expect "reconcile failed" reconcile
	expect_store_base
	start_driver
}

store_then_libvirt_goes_on() {
	expect "stopped failed" hook filed stopped
	expect "release failed" hook filed release
	expect "reconcile failed" reconcile
	expect_store_base
}

store_then_reconcile() {
	expect "reconcile failed" reconcile
	expect_store_base
}

# The user tries again: the guest gets a store that is really mounted
store_then_next_prepare() {
	expect "the next prepare failed" hook filed prepare 4
	[ -n "$problem" ] || store_mounted || problem="prepared once more, but nothing is mounted"
	[ -n "$problem" ] || [ -d "$store_base" ] || problem="prepared once more, but no base"
	store_then_libvirt_goes_on
}

# Either the guest has its store, or nothing is left
store_then_all_or_nothing() {
	[ -z "$problem" ] || return
	case $status in
	0)
		store_mounted || problem="prepared, but nothing is mounted"
		[ -d "$store_base" ] || problem+=" prepared, but no base"
		[ -e "$state_dir/guests/$filed_uuid" ] || problem+=" prepared, but no ledger"
		;;
	1)
		expect_sentence
		expect "reconcile failed" reconcile
		expect_store_base
		;;
	*) problem="status $status: $err" ;;
	esac
	store_then_libvirt_goes_on
}

store_then_settled() {
	expect_told
	store_then_reconcile
}

store_then_release() {
	expect_told
	expect "release failed" hook filed release
	store_then_reconcile
}

store_then_filed_lives() {
	driver_dies
	expect "reconcile failed" reconcile
	expect_filed_in_place
	start_driver
}

store_then_filed_still_lives() {
	[ "$status" = 0 ] || problem="status $status kills the guest: $err"
	store_then_filed_lives
}

# reconcile's own exit status says whether something is left
store_then_told_and_lives() {
	expect_told
	store_then_filed_lives
}

# What prepare changes, and what it asks the kernel about a store
sigkill_at_store_changes() {
	case $1 in
	mount | umount2 | fsopen | fsmount | move_mount | openat2 | wait4 | waitid)
		changes_only=yes
		faults=(signal=KILL)
		;;
	*) sigkill_at_changes "$1" ;;
	esac
}

store_errors_of() {
	case $1 in
	mount | fsmount | move_mount) faults=(error=EIO error=EBUSY) ;;
	umount2) faults=(error=EBUSY) ;;
	# A child that can't be waited for is not known to have ended
	wait4 | waitid | clone | clone3 | vfork) faults=() ;;
	*) all_errors_of "$1" ;;
	esac
}

store_errors_of_changes() {
	sigkill_at_store_changes "$1"
	[ ${#faults[@]} = 0 ] || store_errors_of "$1"
}

stored_groups() {
	call_hook filed prepare 3
	at_each "prepare with a store is killed, libvirt too, one reconcile${1-}" own sigkill \
		nothing store_then_driver_dies
	at_each "prepare with a store is killed, libvirt goes on${1-}" own sigkill_at_store_changes \
		nothing store_then_libvirt_goes_on
	at_each "prepare with a store is killed, the guest is started once more${1-}" own \
		sigkill_at_store_changes nothing store_then_next_prepare
	at_each "prepare with a store meets an error: all or nothing${1-}" own store_errors_of \
		nothing store_then_all_or_nothing

	call_hook filed started 3
	at_each "started with a store is killed, libvirt too, the guest lives${1-}" own sigkill \
		filed_lives store_then_filed_lives
	at_each "started with a store meets an error: the guest goes on${1-}" own errors_of \
		filed_lives store_then_filed_still_lives
	call_reconcile
	at_each "reconcile beside a running guest is killed, one more${1-}" own \
		sigkill_at_store_changes filed_lives store_then_filed_lives
	at_each "reconcile beside a running guest meets an error, then another${1-}" own \
		store_errors_of_changes filed_lives store_then_told_and_lives
	filed_ends

	call_hook filed stopped
	at_each "stopped with a store is killed, one reconcile${1-}" own sigkill \
		filed_has_run store_then_reconcile
	at_each "stopped with a store meets an error, then release${1-}" own errors_of \
		filed_has_run store_then_release

	call_hook filed release
	at_each "release with a store is killed, one reconcile${1-}" own sigkill \
		filed_has_stopped store_then_reconcile
	at_each "release with a store is killed, the guest is started once more${1-}" own \
		sigkill_at_store_changes filed_has_run store_then_next_prepare
	at_each "release with a store meets an error, one reconcile${1-}" own store_errors_of \
		filed_has_stopped store_then_settled

	call_reconcile
	at_each "reconcile of a store is killed, one more${1-}" own sigkill_at_store_changes \
		filed_has_run store_then_reconcile
	at_each "reconcile of a store meets an error, then another${1-}" own \
		store_errors_of_changes filed_has_run store_then_settled
}

clear_stage
build_stage=build_store
build_store
stored_groups
clear_stage
build_stage=build_kept_store
build_kept_store
briefly=yes
stored_groups ", beside another guest"
briefly=
end_store
clear_stage
build_stage=build_base
build_base

# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of tests/faults/stage and inject
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A /run that is full or read-only, as it really is: the state directory on a small
# file system of its own.

# own_run OPTIONS: a copy of the state directory on a tmpfs of its own
own_run() {
	mount -t tmpfs -o "mode=755,$1" small-run "$state_dir" || fatal "can't mount a small /run"
	mkdir "$state_dir/guests"
	: >"$state_dir/lock"
	printf '%s' "$base_living" >"$state_dir/guests/$living_uuid"
}

no_own_run() {
	umount -l "$state_dir"
}

# run_hook GUEST OPERATION [ID]: status and err
run_hook() {
	call_hook "$@"
	"${program[@]}" <"$input" >/dev/null 2>"$work/err"
	status=$?
	err=''
	read -r -d '' err <"$work/err"
}

# each_run TITLE OPTIONS...: prepare on a /run of each kind, which must be refused on
# some and to work on others
each_run() {
	local title=$1 options refused=0 places=0 wrong=()
	shift
	for options in "$@"; do
		problem=
		own_run "$options"
		run_hook victim prepare 3
		[ "$status" = 0 ] || refused=$((refused + 1))
		places=$((places + 1))
		then_all_or_nothing
		no_own_run
		[ -z "$problem" ] || wrong+=("$options ($problem)")
		[ -z "$problem" ] || reset_stage
	done
	[ "$refused" -gt 0 ] && [ "$refused" -lt "$places" ] ||
		wrong+=("refused $refused of $places times")
	report "$title" "$places" "${wrong[@]}"
}

run_is_full() {
	own_run size=64k
	hook victim prepare 3
	head -c 1M /dev/zero >"$state_dir/ballast" 2>/dev/null
	run_hook victim started 3
	[ "$status" = 0 ] || problem="started: status $status kills the guest: $err"
	run_hook victim stopped
	expect_told
	run_hook victim release
	expect_told
	look
	[ "$pool" = "$base_pool" ] || problem=${problem:-after release the pool is $pool}
	verdict "with a full /run, pages are given back at release"
	rm -f "$state_dir/ballast"
	then_reconcile
	no_own_run
	verdict "and nothing is left once there is room again"
}

run_is_read_only() {
	own_run size=64k
	mount -o remount,ro "$state_dir"
	run_hook victim prepare 3
	[ "$status" = 1 ] || problem="status $status: $err"
	expect_sentence
	expect_base
	verdict "prepare is refused on a read-only /run, with a sentence"

	mount -o remount,rw "$state_dir"
	hook victim prepare 3
	mount -o remount,ro "$state_dir"
	run_hook victim started 3
	[ "$status" = 0 ] || problem="status $status kills the guest: $err"
	verdict "started is no failure on a read-only /run"
	run_hook victim stopped
	expect_told
	run_hook victim release
	expect_told
	mount -o remount,rw "$state_dir"
	driver_dies
	then_reconcile
	start_driver
	no_own_run
	verdict "what could not be released on a read-only /run is settled later"
}

# The very first prepare of a host
first_errors_of() {
	case $1 in
	mkdirat | fchmod) faults=(error=ENOSPC error=EROFS error=EIO) ;;
	openat) faults=(error=ENOSPC error=EROFS) ;;
	flock | renameat) errors_of "$1" ;;
	*) faults=() ;;
	esac
}

then_prepared_or_empty() {
	expect_told
	expect "stopped failed" hook victim stopped
	expect "release failed" hook victim release
	expect_empty
}

each_run "prepare while /run fills up" size=4k size=8k size=12k size=16k size=20k size=24k
each_run "prepare while /run runs out of inodes" nr_inodes=4 nr_inodes=5 nr_inodes=6 \
	nr_inodes=7 nr_inodes=8 nr_inodes=9 nr_inodes=10 nr_inodes=11
run_is_full
run_is_read_only

build_stage=build_empty
reset_stage
call_hook victim prepare 3
at_each "the host's very first prepare meets an error" own first_errors_of \
	no_state_dir then_prepared_or_empty
build_stage=build_base
reset_stage

# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of tests/faults/stage and inject
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Faults that take time: a hook killed while the kernel looks for pages, a libvirt
# that dies meanwhile, compaction that does not end.

# shellcheck source=tests/faults/slow
. "$here/slow"

# As much as there is, for the kernel is quick: a GiB may take but ten milliseconds
huge_pages_max=4000

growing() {
	local text=''
	read -r -d '' text <"$state_dir/guests/$long_uuid"
	[[ $text == *chunk_grow* ]]
} 2>/dev/null

# --- The kernel is at work ---

killed_while_it_grows() {
	local begin took pid after i wrong=() killed=0
	begin=${EPOCHREALTIME/./}
	hook huge prepare 3 || problem="it is refused"
	took=$((${EPOCHREALTIME/./} - begin))
	hook huge stopped
	hook huge release
	expect_base
	[ -z "$problem" ] || wrong+=("without a fault ($problem)")
	for ((i = 0; i < 24; i++)); do
		problem=
		"$hook" huge prepare begin - <"$work/huge-3.xml" >/dev/null 2>&1 &
		pid=$!
		after=$((took * i / 24))
		nap "$((after / 1000000)).$(printf %06d $((after % 1000000)))"
		kill -KILL "$pid"
		# Not waited for: the dying may still hold the lock in a system call
		if [ $((i % 2)) = 0 ]; then
			then_driver_dies
		else
			expect "stopped failed" hook huge stopped
			expect "release failed" hook huge release
			then_reconcile
		fi
		wait "$pid"
		[ $? != 137 ] || killed=$((killed + 1))
		[ -z "$problem" ] || wrong+=("after $after us ($problem)")
		[ -z "$problem" ] || reset_stage
	done 2>/dev/null
	report "prepare of $huge_pages pages is killed in its $((took / 1000)) ms" "$killed" \
		"${wrong[@]}"
}

# Another operation gives back what the guest holds in a pause of its growth, since its libvirt
# is gone
driver_dies_and_somebody_settles() {
	slowly delay_enter=700000
	wait_for growing || problem="the hook did not begin"
	driver_dies
	expect "reconcile failed" reconcile
	slowly_done
	[ "$status" = 1 ] || problem=${problem:-status $status: $err}
	expect_sentence
	start_driver
	expect_base
	verdict "libvirt dies during prepare and somebody settles: prepare fails, nothing is left"
}

driver_dies_and_nobody_settles() {
	slowly delay_enter=100000
	wait_for growing || problem="the hook did not begin"
	driver_dies
	slowly_done
	[ "$status" = 0 ] || problem=${problem:-status $status: $err}
	then_reconcile
	start_driver
	verdict "libvirt dies during prepare: one reconcile after its end"
}

# --- Making room ---

# Writing does not end, for as long as nobody reads
hang_compaction() {
	local file
	mkfifo "$work/hang"
	for file in compact reclaim; do
		[ ! -e "${pool_dir%/hugepages/*}/$file" ] ||
			mount --bind "$work/hang" "${pool_dir%/hugepages/*}/$file"
	done
	printf '[hook]\ndeadline = 2s\n' >/etc/libvirt/membacking.conf
}

compaction_again() {
	local file
	for file in compact reclaim; do
		umount "${pool_dir%/hugepages/*}/$file"
	done 2>/dev/null
	rm -f /etc/libvirt/membacking.conf "$work/hang"
}

# The pool can't grow: its writes go nowhere.  Three is their length
killed_while_it_compacts() {
	local begin
	slowly retval=3
	if wait_for hook_processes 2; then
		begin=${EPOCHREALTIME/./}
		expect "reconcile failed" reconcile
		[ $((${EPOCHREALTIME/./} - begin)) -lt 500000 ] || problem="the lock is held"
		verdict "compaction does not hold up others"
		kill -KILL "${hook_pids[0]}"
		wait_for hook_processes 0 || problem="a child goes on: ${hook_pids[*]}"
	else
		problem="no child was started"
	fi
	slowly_done
	[ -z "$problem" ] || problem+=": $err"
	verdict "the hook is killed: its child does not go on"
	then_driver_dies
	verdict "and one reconcile puts everything right"
}

compaction_does_not_end() {
	local begin=${EPOCHREALTIME/./} took
	slowly retval=3
	slowly_done
	took=$(((${EPOCHREALTIME/./} - begin) / 1000))
	[ "$status" = 1 ] || problem="status $status: $err"
	expect_sentence
	[ "$took" -lt 4000 ] || problem+=" it took $took ms"
	hook_processes 0 || problem+=" a child goes on: ${hook_pids[*]}"
	expect_base
	verdict "compaction that does not end is ended at the deadline, and its child too"
}

# Half of what is free, for the tests are not alone on the machine
free_pages() {
	local kib
	read -r _ _ _ kib _ < <(grep MemFree: /sys/devices/system/node/node0/meminfo)
	huge_pages=$((kib / 2048 / 2))
	[ "$huge_pages" -le "$huge_pages_max" ] || huge_pages=$huge_pages_max
}

free_pages
write_xml huge 6f1c0a5e-0000-4000-8000-0000000000d4 "$(cells "$huge_pages")"
killed_while_it_grows
driver_dies_and_somebody_settles
driver_dies_and_nobody_settles
hang_compaction
killed_while_it_compacts
compaction_does_not_end
compaction_again

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Several guests at once.

# Both would fit into the 32 idle pages, each alone: one of them must bring its own
case_two_starts_at_once_never_count_a_page_twice() {
	local round wrong='' first second
	pool_set 2048 32
	guest_define left 64 "backing=$(page_backing 2048)"
	guest_define right 64 "backing=$(page_backing 2048)"
	for round in 1 2 3 4 5 6 7 8 9 10; do
		virsh start left >"$vm_state/left.out" 2>&1 &
		first=$!
		virsh start right >"$vm_state/right.out" 2>&1 &
		second=$!
		wait "$first" || wrong+=" $round: left: $(cat "$vm_state/left.out")"
		wait "$second" || wrong+=" $round: right: $(cat "$vm_state/right.out")"
		[ "$(pools)" = "2048:64/0 1048576:0/0" ] || wrong+=" $round: $(pools)"
		virsh destroy left >/dev/null 2>&1 &
		first=$!
		virsh destroy right >/dev/null 2>&1
		wait "$first"
		wait_for "the static pool" free_and_total 32
		[ "$(pools)" = "2048:32/32 1048576:0/0" ] || wrong+=" $round: afterwards $(pools)"
	done
	check_equal "ten times" "$wrong" ""
	pool_set 2048 0
	check_empty
}

free_and_total() {
	[ "$(pool 2048 total)/$(pool 2048 free)" = "$1/$1" ]
}

case_one_starts_while_another_ends() {
	local round wrong='' starter
	guest_define coming 64 "backing=$(page_backing 2048)"
	guest_define going 96 "backing=$(page_backing 2048)"
	guest_start going
	for round in 1 2 3 4; do
		virsh start coming >"$vm_state/coming.out" 2>&1 &
		starter=$!
		guest_down going
		wait "$starter" || wrong+=" $round: $(cat "$vm_state/coming.out")"
		wait_for "32 pages" pool_is 2048 32
		[ "$(pools)" = "2048:32/0 1048576:0/0" ] || wrong+=" $round: $(pools)"
		guest_start going || wrong+=" $round: $start_error"
		guest_down coming
		wait_for "48 pages" pool_is 2048 48
	done
	check_equal "four times" "$wrong" ""
	guest_down going
	check_empty
}

case_eight_guests_at_once() {
	local n pids=() wrong=''
	for n in 1 2 3 4 5 6 7 8; do
		guest_define "many$n" 32 "backing=$(page_backing 2048)"
	done
	for n in 1 2 3 4 5 6 7 8; do
		virsh start "many$n" >"$vm_state/many$n.out" 2>&1 &
		pids+=($!)
	done
	for n in 1 2 3 4 5 6 7 8; do
		wait "${pids[n - 1]}" || wrong+=" $n: $(cat "$vm_state/many$n.out")"
	done
	check_equal "all start" "$wrong" ""
	check_equal "128 pages" "$(pools)" "2048:128/0 1048576:0/0"
	for n in 1 2 3 4 5 6 7 8; do
		virsh destroy "many$n" >/dev/null 2>&1 &
		pids[n - 1]=$!
	done
	wait "${pids[@]}"
	check_empty
}

# Half of the memory's 2 MiB blocks hold a page that cannot be moved, and one guest
# wants more than the other half: not refused at once, never fulfilled, and long at
# it.  The other guest needs no more than the lock.  How long its QEMU takes to
# start on a busy machine is another matter: what counts is that it is prepared
# while the hopeless one is still at it
case_a_hopeless_guest_does_not_hold_up_others() {
	local pages hopeless normal status=0
	pool_set 2048 32
	fragment_memory pinned
	pages=$(sed -n 's/.*obtainable=\([0-9]*\).*/\1/p' "$holder_output")
	config_write $'[guest]\nmatch = hopeless\nhugepages.use_idle = no'
	guest_define hopeless $((pages * 9 / 4)) "backing=$(page_backing 2048)"
	guest_define normal 64 "backing=$(page_backing 2048)"
	virsh start hopeless >"$vm_state/hopeless.out" 2>&1 &
	hopeless=$!
	wait_for "the hopeless guest's ledger" ledger_exists hopeless
	virsh start normal >"$vm_state/normal.out" 2>&1 &
	normal=$!
	wait_for "the normal guest's ledger" ledger_exists normal
	ledger_exists hopeless || status=1
	check_equal "the normal one is prepared while the hopeless one is at it" $status 0
	wait "$normal"
	check_equal "the normal one starts beside it" "$?" 0
	wait "$hopeless"
	check_match "the hopeless one is refused" "$(cat "$vm_state/hopeless.out")" \
		"only [0-9]+ could be allocated"
	guest_down normal
	kill_holders
	check_pool "the static pool is complete" 2048 32
	pool_set 2048 0
	check_empty
}

ledger_exists() {
	[ -e "$(ns_path "/run/libvirt-membacking/guests/$(guest_uuid "$1")")" ]
}

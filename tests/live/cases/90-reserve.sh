# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Reserving by hand: ahead of a start, and for memory that is plugged into a guest.

hot_guest() {
	guest_up "$1" 256 maxmemory=1024 "backing=$(page_backing 2048)" \
		"cells=<cell id='0' cpus='0' memory='256' unit='MiB'/>"
}

# dimm FILE MIB [PAGE_KIB]: a device to be attached
dimm() {
	local source=''
	[ -z "${3-}" ] || source="<source><pagesize unit='KiB'>$3</pagesize></source>"
	in_ns mkdir -p /run/xml
	echo "<memory model='dimm'>$source<target><size unit='MiB'>$2</size><node>0</node></target></memory>" \
		>"$(ns_path "/run/xml/$1.xml")"
}

case_reserved_adopted_and_given_back() {
	guest_define ahead 256 "backing=$(page_backing 2048)"
	check "reserve" membacking reserve ahead
	check_equal "128 pages wait" "$(pools)" "2048:128/128 1048576:0/0"
	check_equal "as reserved" "$(ledger_phase ahead)" reserved
	check "reconcile leaves them alone" membacking reconcile
	check_equal "they wait still" "$(pool 2048 total)" 128
	guest_start ahead || not_ok "it starts" "$start_error"
	check_equal "with no page more or less" "$(pools)" "2048:128/0 1048576:0/0"
	check_equal "it runs" "$(ledger_phase ahead)" running
	check_equal "a running guest is refused" "$(membacking reserve ahead >/dev/null 2>&1; echo $?)" 1
	guest_down ahead
	check_empty
}

case_a_reservation_is_nobody_elses() {
	guest_define mine 128 "backing=$(page_backing 2048)"
	check "reserve" membacking reserve mine
	guest_up other 64 "backing=$(page_backing 2048)" || return
	check_equal "the other has its own 32" "$(pools)" "2048:96/64 1048576:0/0"
	guest_down other
	check_pool "the reservation stays" 2048 64
	check "release" membacking release mine
	check_empty
}

case_the_guest_is_changed_after_reserving() {
	guest_define changed 128 "backing=$(page_backing 2048)"
	check "reserve" membacking reserve changed
	guest_define changed 192 "backing=$(page_backing 2048)"
	check_equal "the plan lacks 32 pages" \
		"$(membacking plan changed --json | jq -c '[.steps[].shares[] | [.reserved, .want_grow]][0]')" \
		"[64,32]"
	guest_start changed || not_ok "it starts" "$start_error"
	check_equal "96 pages" "$(pools)" "2048:96/0 1048576:0/0"
	guest_down changed
	check_empty
	guest_define changed 128 "backing=$(page_backing 2048)"
	check "reserve" membacking reserve changed
	guest_define changed 64 "backing=$(page_backing 2048)"
	guest_start changed || not_ok "it starts smaller" "$start_error"
	check_equal "32 pages, and the rest is given back" "$(pools)" "2048:32/0 1048576:0/0"
	guest_down changed
	check_empty
}

case_reserved_1_GiB() {
	local possible
	guest_define giant 1024 "backing=$(page_backing 1048576)"
	possible=$(pool_possible 1048576 1)
	if [ "$possible" = 0 ]; then
		check_gib_refusal 1 0 "$(membacking reserve giant 2>&1)"
		check_empty
		return
	fi
	check "reserve" membacking reserve giant
	check_equal "one page" "$(pools)" "2048:0/0 1048576:1/1"
	guest_start giant || not_ok "it starts" "$start_error"
	check_equal "it has the page" "$(pools)" "2048:0/0 1048576:1/0"
	guest_down giant
	check_empty
}

case_a_start_that_fails_gives_the_reservation_back() {
	guest_define fails 64 "backing=$(page_backing 2048)" \
		"devices=<disk type='file' device='disk'><source file='/nowhere.img'/><target dev='vda'/></disk>"
	check "reserve" membacking reserve fails
	guest_start fails && not_ok "it does not start" "it did"
	check_empty
}

case_a_dimm_is_plugged_after_reserving() {
	hot_guest plug || return
	guest_boots plug
	check_equal "128 pages" "$(pools)" "2048:128/0 1048576:0/0"
	dimm hot 128
	check "reserve 128 MiB" membacking reserve plug --size 128M --page-size 2M --node 0
	check_equal "64 more wait" "$(pools)" "2048:192/64 1048576:0/0"
	check_equal "they are claimed" "$(membacking status --json |
		jq '[.nodes[].pools[] | select(.page_kib == 2048).claimed] | add')" 64
	check "it is attached" virsh attach-device plug /run/xml/hot.xml --live
	check_equal "it has them" "$(pools)" "2048:192/0 1048576:0/0"
	check_equal "the guest runs" "$(ledger_phase plug)" running
	guest_down plug
	check_empty "all of it is given back"
}

case_a_dimm_for_a_guest_without_huge_pages() {
	guest_up thin 256 "backing=<nosharepages/>" maxmemory=1024 "cells=<cell id='0' cpus='0' memory='256' unit='MiB'/>" || return
	guest_boots thin
	check_equal "it has no ledger" "$(ledgers)" ""
	dimm thick 128 2048
	virsh attach-device thin /run/xml/thick.xml --live >/dev/null 2>&1 &&
		not_ok "without pages it cannot be attached" "it was"
	check "reserve" membacking reserve thin --size 128M --page-size 2M
	check "it is attached" virsh attach-device thin /run/xml/thick.xml --live
	check_equal "64 pages" "$(pools)" "2048:64/0 1048576:0/0"
	guest_down thin
	check_empty "all of it is given back"
}

case_too_much_is_refused_and_changes_nothing() {
	hot_guest full || return
	check_equal "more than the host has" \
		"$(membacking reserve full --size 900G --page-size 2M >/dev/null 2>&1; echo $?)" 1
	check_equal "nothing changed" "$(pools)" "2048:128/0 1048576:0/0"
	guest_down full
	check_empty
}

# reserve_killed SIGNAL MS GUEST...: it gets the signal after so long, if it is there still
reserve_killed() {
	local signal=$1 ms=$2
	shift 2
	membacking reserve "$@" >/dev/null 2>&1 &
	sleep "$(printf '0.%03d' "$ms")"
	# In the namespace of our own there are no others
	in_ns pkill "-$signal" -x virt-membacking
	wait "$!" 2>/dev/null
}

case_reserve_is_killed() {
	local ms left
	guest_define killed 2048 "backing=$(page_backing 2048)"
	for ms in 10 20 40 80 120 200; do
		reserve_killed KILL "$ms" killed
		left=$(ledgers)
		if [ -n "$left" ]; then
			check_equal "killed after $ms ms: it is reserved" "$(ledger_phase killed)" reserved
			check "killed after $ms ms: release" membacking release killed
		fi
		check_empty "killed after $ms ms"
	done
	reserve_killed KILL 60 killed
	guest_start killed || not_ok "it starts after that" "$start_error"
	check_equal "with no page more or less" "$(pools)" "2048:1024/0 1048576:0/0"
	guest_down killed
	check_empty
}

# SIGINT is ignored by what a script has put into the background
case_reserve_is_interrupted() {
	local ms signal
	guest_define stopped 2048 "backing=$(page_backing 2048)"
	for signal in TERM HUP; do
		for ms in 20 40 60 100; do
			reserve_killed "$signal" "$ms" stopped
			# It may have been done by then
			if [ -n "$(ledgers)" ]; then
				check_equal "SIG$signal after $ms ms: all or nothing" "$(pool 2048 total)" 1024
				membacking release stopped >/dev/null
			fi
			check_empty "SIG$signal after $ms ms"
		done
	done
}

case_a_hot_plugs_reserve_is_killed() {
	local ms
	hot_guest hotkill || return
	for ms in 10 30 60; do
		reserve_killed KILL "$ms" hotkill --size 1G --page-size 2M
		check_equal "the guest runs" "$(ledger_phase hotkill)" running
	done
	guest_down hotkill
	check_empty "everything is given back with the guest"
}

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Pages that belong to others: the administrator's static pool, DPDK, keep_free,
# and pages that are to stay.

case_idle_pages_of_a_static_pool_are_used() {
	pool_set 2048 64
	guest_up static 256 "backing=$(page_backing 2048)"
	check_equal "64 idle ones and 64 more" "$(pools)" "2048:128/0 1048576:0/0"
	guest_down static
	check_pool "the pool has its 64 pages" 2048 64
	check_equal "all of them free" "$(pool 2048 free)" 64
	pool_set 2048 0
	check_empty
}

case_a_guest_that_fits_into_a_static_pool() {
	pool_set 2048 64
	guest_up small 64 "backing=$(page_backing 2048)"
	check_equal "nothing is added" "$(pools)" "2048:64/32 1048576:0/0"
	guest_down small
	check_pool "the pool is complete" 2048 64
	check_equal "and free" "$(pool 2048 free)" 64
	pool_set 2048 0
	check_empty
}

case_idle_pages_are_left_alone_if_so_configured() {
	config_write $'[hugepages]\nuse_idle = no'
	pool_set 2048 64
	guest_up aside 128 "backing=$(page_backing 2048)"
	check_equal "all 64 pages are new" "$(pools)" "2048:128/64 1048576:0/0"
	guest_down aside
	check_pool "the pool is complete" 2048 64
	pool_set 2048 0
	check_empty
}

case_some_idle_pages_are_kept_free() {
	config_write $'[hugepages]\nkeep_free_2M = 24'
	pool_set 2048 64
	guest_up keepfree 128 "backing=$(page_backing 2048)"
	check_equal "40 idle pages used, 24 left" "$(pools)" "2048:88/24 1048576:0/0"
	guest_down keepfree
	check_pool "the pool is complete" 2048 64
	pool_set 2048 0
	check_empty
}

# 32 pages mapped, 10 of them touched: 22 are promised to DPDK by the kernel
case_pages_that_DPDK_has_or_was_promised() {
	pool_set 2048 64
	hold_pages 2048 32 10
	guest_up beside 128 "backing=$(page_backing 2048)"
	check_equal "32 idle ones and 32 more" "$(pool 2048 total)" 96
	check_equal "22 reserved ones are untouched" "$(pool 2048 reserved)" 22
	guest_down beside
	check_pool "the pool is complete while DPDK runs" 2048 64
	check_equal "not one page short" "$(pool 2048 free)/$(pool 2048 reserved)" 54/22
	kill -USR1 "$holder_pid"
	check "DPDK gets every page it was promised" wait_for DPDK holder_says complete
	kill_holders
	check_pool "the pool is complete" 2048 64
	pool_set 2048 0
	check_empty
}

# It uses what was ours while our guest leaves: then its pages stay, ours to take back later
case_DPDK_comes_while_a_guest_runs() {
	pool_set 2048 16
	guest_up first 64 "backing=$(page_backing 2048)"
	check_equal "16 idle, 16 new" "$(pools)" "2048:32/0 1048576:0/0"
	pool_set 2048 64
	hold_pages 2048 32 32
	guest_down first
	check_pool "the administrator's 48 remain" 2048 48
	check_equal "16 of them free" "$(pool 2048 free)" 16
	kill -USR1 "$holder_pid"
	check "DPDK has all its pages" wait_for DPDK holder_says complete
	kill_holders
	pool_set 2048 0
	check_empty
}

# The guest's pages are in use after its end.  As many of the administrator's lie idle, and
# are not what the debt is paid with
case_a_back_end_keeps_the_guests_memory() {
	local shared="<source type='memfd'/><access mode='shared'/>"
	pool_set 2048 64
	config_write $'[hugepages]\nuse_idle = no'
	guest_up kept 64 "backing=$(page_backing 2048)$shared" || return
	check_equal "32 new pages" "$(pools)" "2048:96/64 1048576:0/0"
	hold_guest kept
	guest_down kept
	check_equal "the administrator's 64 are free" "$(pools)" "2048:96/64 1048576:0/0"
	check_equal "the debt is written down" "$(ledger_phase kept)" leaving
	check_match "reconcile waits for it" "$(membacking reconcile | tr "\n" " ")" "32 page.*still in use"
	check_equal "not one page goes while they are in use" "$(pools)" "2048:96/64 1048576:0/0"
	# A program that wants all of them gets them
	hold_pages 2048 64 64
	check_match "reconcile waits on" "$(membacking reconcile | tr '\n' ' ')" "still in use"
	check_equal "beside a program that uses the pool" "$(pools)" "2048:96/0 1048576:0/0"
	end_back_end
	check "reconcile" membacking reconcile
	check_equal "the debt is settled" "$(pools)" "2048:64/64 1048576:0/0"
	check_equal "no ledger is left" "$(ledgers)" ""
	config_write ""
	pool_set 2048 0
	check_empty
}

# Down and up again while a guest runs: then nothing is missing, and nothing is left
case_a_writer_whose_pages_come_and_go() {
	pool_set 2048 64
	guest_up beside 192 "backing=$(page_backing 2048)"
	check_equal "64 idle, 32 new" "$(pool 2048 total)" 96
	pool_set 2048 80
	check "reconcile" membacking reconcile
	pool_set 2048 96
	check "reconcile" membacking reconcile
	pool_set 2048 100
	check "reconcile" membacking reconcile
	pool_set 2048 96
	guest_down beside
	check_pool "the administrator has what he had" 2048 64
	check_equal "no ledger is left" "$(ledgers)" ""
	pool_set 2048 0
	check_empty
}

case_the_administrator_shrinks_the_pool_meanwhile() {
	pool_set 2048 64
	guest_up shrunk 192 "backing=$(page_backing 2048)"
	check_equal "64 idle, 32 new" "$(pool 2048 total)" 96
	pool_set 2048 80
	guest_down shrunk
	check_pool "what is missing is charged to us" 2048 64
	pool_set 2048 0
	check_empty
}

case_grown_pages_stay_with_on_release_keep() {
	config_write $'[hugepages]\non_release = keep'
	guest_up keep 64 "backing=$(page_backing 2048)"
	check_equal "32 pages" "$(pool 2048 total)" 32
	guest_down keep
	wait_for "release" no_ledgers
	check_equal "they stay and are free" "$(pools)" "2048:32/32 1048576:0/0"
	check_equal "no ledger is left" "$(ledgers)" ""
	guest_start keep
	check_equal "the next start uses them" "$(pools)" "2048:32/0 1048576:0/0"
	config_write ""
	guest_down keep
	wait_for "release" no_ledgers
	check_equal "they are nobody's of ours any more" "$(pools)" "2048:32/32 1048576:0/0"
	pool_set 2048 0
	check_empty
}

no_ledgers() {
	[ -z "$(ledgers)" ]
}

case_keep_for_one_page_size_only() {
	config_write $'[hugepages]\non_release_1G = keep'
	guest_up sizes 64 "backing=$(page_backing 2048)"
	guest_down sizes
	check_empty
}

case_a_guest_section_of_its_own() {
	config_write $'[hugepages]\nuse_idle = yes\n[guest]\nmatch = special*\nhugepages.use_idle = no'
	pool_set 2048 64
	guest_up special-one 64 "backing=$(page_backing 2048)"
	check_equal "special-one brings its own pages" "$(pool 2048 total)" 96
	guest_up ordinary 64 "backing=$(page_backing 2048)"
	check_equal "ordinary uses idle ones" "$(pool 2048 total)" 96
	guest_down ordinary
	guest_down special-one
	check_pool "the pool is complete" 2048 64
	pool_set 2048 0
	check_empty
}

case_not_managed_at_all() {
	config_write $'[hugepages]\nmanage = no'
	pool_set 2048 64
	guest_up unmanaged 128 "backing=$(page_backing 2048)"
	check_equal "the pool is as the administrator made it" "$(pools)" "2048:64/0 1048576:0/0"
	check_equal "no ledger" "$(ledgers)" ""
	guest_down unmanaged
	check_pool "still so" 2048 64
	pool_set 2048 0
	check_empty
}

case_a_static_pool_and_DPDK_outlive_every_kill() {
	pool_set 2048 64
	hold_pages 2048 32 32
	guest_up killed 128 "backing=$(page_backing 2048)"
	check_equal "32 idle, 32 new" "$(pools)" "2048:96/0 1048576:0/0"
	vm_kill_daemon
	in_ns kill -KILL "$(guest_pid killed)"
	wait_for "QEMU's end" pool_has_free 64
	check "reconcile" membacking reconcile
	check_pool "the administrator's 64 remain" 2048 64
	check_equal "DPDK's 32 among them" "$(pool 2048 free)" 32
	check "libvirtd comes back" vm_start_daemon
	check_pool "nothing more is taken" 2048 64
	kill -USR1 "$holder_pid"
	check "DPDK has all its pages" wait_for DPDK holder_says complete
	kill_holders
	check_equal "all are free" "$(pools)" "2048:64/64 1048576:0/0"
	pool_set 2048 0
	check_empty
}

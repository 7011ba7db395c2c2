# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# The kernel's manners and other people's hands: surplus pages, a pool that
# another program shrinks, memory in small pieces.

# overcommit PAGES: DPDK without a pool: the kernel makes surplus pages for it, and
# makes them where the program runs when it reserves them
overcommit() {
	echo 64 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages
	taskset -p 1 $$ >/dev/null
	stand_in dpdk other "2048:$1:bind:0"
	taskset -p 3 $$ >/dev/null
	is "$1 surplus pages on node 0" "$(pool 0 2M nr) $(pool 0 2M surplus)" "$1 $1"
}

# Kernels before 6.7 add the surplus of other nodes to what is written to a node.
# And no kernel makes the pool smaller than what is in use, surplus or not: from
# there on it calls idle pages surplus, and would never free them
case_surplus_on_the_other_node() {
	overcommit 24
	start bound-1 2048:32:bind:1 || return
	is "node 1 has the guest's pages" "$(on_node bound-1 1)" 32
	is "and none beside them" "$(pool 1 2M free)" 0
	stop bound-1
	is "the other program has its own" "$(on_node dpdk 0)" 24
	echo "# after the release: $(state)"
	end dpdk
	quietly virt-membacking reconcile
	is_clean "when it ends nothing is left" "2M 0/0/0 0/0/0 1G 0/0/0 0/0/0"
}

# Growing promotes surplus pages first, which gives the guest nothing
case_surplus_on_the_same_node() {
	overcommit 24
	start bound-0 2048:32:bind:0 || return
	is "the guest has its pages" "$(on_node bound-0 0)" 32
	is "and the other program its own" "$(on_node dpdk 0)" 24
	stop bound-0
	is "nothing is left but what the other program uses" "$(pool 0 2M nr) $(pool 0 2M free)" "24 0"
	end dpdk
	quietly virt-membacking reconcile
	is_clean "and that goes with it" "2M 0/0/0 0/0/0 1G 0/0/0 0/0/0"
}

case_surplus_and_two_guests() {
	set_pool 1 2M 6
	overcommit 24
	start bound-1 2048:32:bind:1 || return
	start bound-0 2048:32:bind:0 || return
	stop bound-1
	start unbound 2048:40:default || return
	end dpdk
	stop bound-0
	stop unbound
	quietly virt-membacking reconcile
	is_clean "the administrator's pages are what is left" "2M 0/0/0 6/6/0 1G 0/0/0 0/0/0"
}

# Pages of the guest turn into surplus, which the kernel frees when it ends
case_foreign_shrink_while_in_use() {
	set_pool 0 2M 20
	start bound-0 2048:32:bind:0 || return
	is "20 idle pages and 12 new ones" "$(pool 0 2M nr)" 32
	set_pool 0 2M 27
	stop bound-0
	is_clean "the loss of 5 is ours" "2M 20/20/0 0/0/0 1G 0/0/0 0/0/0"
}

case_foreign_shrink_below_the_static_pool() {
	set_pool 0 2M 20
	start bound-0 2048:32:bind:0 || return
	set_pool 0 2M 4
	stop bound-0
	is_clean "what the administrator wrote stays" "2M 4/4/0 0/0/0 1G 0/0/0 0/0/0"
}

case_foreign_shrink_before_the_start() {
	local before
	before=$(state)
	prepare bound-0
	prepare bound-1
	set_pool 0 2M 0
	holds "QEMU does not get its memory" not stand_in bound-0 guest bound-0 2048:32:bind:0
	released bound-0
	is "the other guest's pages are untouched" "$(state)" "2M 0/0/0 32/32/0 1G 0/0/0 0/0/0"
	qemu bound-1 2048:32:bind:1
	stop bound-1
	is_clean "all is given back" "$before"
}

# An administrator adds pages while a guest runs: they are not ours to take
case_foreign_growth() {
	start bound-0 2048:32:bind:0 || return
	set_pool 0 2M 42
	stop bound-0
	is_clean "the new pages stay" "2M 10/10/0 0/0/0 1G 0/0/0 0/0/0"
}

# What was just freed lies in the lists of the processor that freed it (from 6.7
# on up to an eighth of a node), where the node's MemFree does not count it and
# other processors don't find it.  Here a program ends on processor 1, and then
# the hook runs on processor 0.
case_nearly_the_whole_node() {
	local before
	before=$(state)
	taskset -p 2 $$ >/dev/null
	holds "a program runs" stand_in program pieces 1 300
	end program
	set_pool 1 2M 1000
	set_pool 1 2M 0
	echo "# $(grep MemFree /sys/devices/system/node/node1/meminfo)"
	taskset -p 1 $$ >/dev/null
	prepare nearly-all-of-1 || not_ok "there is room for 1600 pages" "$(complaint)"
	is "all pages are had" "$(sizes 2M)" "0 1600"
	released nearly-all-of-1
	taskset -p 3 $$ >/dev/null
	is_clean "all is given back" "$before"
}

# Most of node 1 is the administrator's, for whom keep_free_2M leaves it alone,
# and of the rest every second MiB is in use.  The processors' lists are kept
# short: on so little memory the kernel would rather kill than take from them.
case_fragmented_memory() {
	local before
	echo 10000 >/proc/sys/vm/percpu_pagelist_high_fraction
	sleep 2
	printf '[hugepages]\nkeep_free_2M = 1400\n' >/etc/libvirt/membacking.conf
	set_pool 1 2M 1400
	holds "the memory is in pieces" stand_in pieces pieces 1 450
	before=$(state)
	echo "# $(grep -h 'Node 1.*MemFree' /sys/devices/system/node/node1/meminfo) in" \
		"$(grep 'Node 1' /proc/buddyinfo)"
	start scattered 2048:150:bind:1:touch=0 && stop scattered
	is_clean "all is given back" "$before"
	echo 0 >/proc/sys/vm/percpu_pagelist_high_fraction
}

# thp_kib NAME: of a stand-in's memory, in transparent huge pages
thp_kib() {
	awk '$1 == "AnonHugePages:" { print $2 }' "/proc/${pid_of[$1]}/smaps_rollup"
}

# in_huge_pages GUEST: how much of 192 MiB on node 1 the guest gets in transparent huge pages
in_huge_pages() {
	prepare "$1" || not_ok "$1 is prepared" "$(complaint)"
	qemu "$1" "4:49152:bind:1:huge" || return
	thp_kib "$1"
	stop "$1"
}

# Where nothing is compacted when a program touches memory (never), what is free in blocks before
# the guest starts is all that it gets
case_room_for_transparent_huge_pages() {
	local with without free defrag=/sys/kernel/mm/transparent_hugepage/defrag
	local enabled=/sys/kernel/mm/transparent_hugepage/enabled
	[ -e $defrag ] || { not_ok "the kernel has transparent huge pages" "no $defrag"; return; }
	echo madvise >$enabled
	echo never >$defrag
	echo 0 >/proc/sys/vm/compaction_proactiveness
	echo 10000 >/proc/sys/vm/percpu_pagelist_high_fraction
	sleep 2
	set_pool 1 2M 1400
	free=$(awk '/MemFree/ { print int($4 / 1024) }' /sys/devices/system/node/node1/meminfo)
	holds "the memory is in pieces" stand_in pieces pieces 1 $((free - 96))
	echo "# of $free MiB: $(grep 'Node 1' /proc/buddyinfo)"
	without=$(in_huge_pages thp-1)
	printf '[thp]\ncompact = auto\nreclaim = auto\n' >/etc/libvirt/membacking.conf
	is "plan says so" "$(virt-membacking plan --xml "$(xml thp-1)" | grep -c "room for 192 MiB by")" 1
	with=$(in_huge_pages thp-1)
	echo "# $without KiB without room, $with KiB with; $(grep -o 'room for transp.*' /tmp/messages)"
	[ "${with:-0}" -ge $((without + 32768)) ] && [ "${with:-0}" -ge 147456 ] &&
		ok "with room the guest has more of them" ||
		not_ok "with room the guest has more of them" "$without KiB, then $with KiB"
	is "the log says what came of it" \
		"$(grep -c 'room for transparent huge pages: of 192 MiB' /tmp/messages)" 1
	set_pool 1 2M 0
	is_clean "nothing is left of it" "2M 0/0/0 0/0/0 1G 0/0/0 0/0/0"
	echo 0 >/proc/sys/vm/percpu_pagelist_high_fraction
}

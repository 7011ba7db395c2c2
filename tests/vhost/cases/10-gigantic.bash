# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# The daemon hook, then pages of 1 GiB: first, while the memory is as after the
# boot.  There is one GiB to be had on node 0 and two on node 1 (see boot).

mounts() {
	awk '$3 == "hugetlbfs" { print $4 }' /proc/mounts | grep -o 'pagesize=[^,]*' | sort | tr '\n' ' '
}

# Always run: every later case lives on these mounts, as libvirt does
case_daemon_mounts() {
	is "nothing is mounted at first" "$(mounts)" ""
	holds "the hook succeeds at start" call_daemon_hook start
	is "hugetlbfs is mounted for both sizes" "$(mounts)" "pagesize=1024M pagesize=2M "
	holds "the hook succeeds at reload" call_daemon_hook reload
	holds "the hook succeeds for the next daemon's start" call_daemon_hook start
	is "nothing is mounted twice" "$(mounts)" "pagesize=1024M pagesize=2M "
	holds "the hook succeeds at shutdown" call_daemon_hook shutdown
	is "the mounts stay" "$(mounts)" "pagesize=1024M pagesize=2M "
}

# gigantic_on NODE PAGES
gigantic_on() {
	local before other=$((1 - $1)) guest=gigantic-$1
	before=$(state)
	start "$guest" "1048576:$2:bind:$1:touch=1" || return
	is "$guest can have its pages on node $1" \
		"$(on_node "$guest" "$1" 1G) $(pool "$1" 1G free)" "1 $(($2 - 1))"
	is "node $other has no page of 1 GiB" "$(pool $other 1G nr)" 0
	is "not a page more than needed" "$(pool "$1" 1G nr)" "$2"
	stop "$guest"
	is_clean "all is given back" "$before"
}

case_gigantic_on_node_0() {
	gigantic_on 0 1
}

case_gigantic_on_node_1() {
	gigantic_on 1 2
}

# The node has the memory, but not in one piece: only trying can tell
case_gigantic_in_pieces() {
	local before
	before=$(state)
	holds "two pages on node 0 are not to be had" not prepare gigantic-two-on-0
	says "the sentence says what, how much and where" "$(complaint)" "2 " "1 GiB" "2 GiB" "node 0"
	is_clean "what came is given back" "$before"
	released gigantic-two-on-0
	is_clean "nothing more is given back" "$before"
}

case_gigantic_preferred_falls_over() {
	local before
	before=$(state)
	start gigantic-preferred-0 1048576:2:preferred:0:touch=0 || return
	is "one page on each node" "$(sizes 1G)" "1 1"
	stop gigantic-preferred-0
	is_clean "all is given back" "$before"
}

# 1 GiB for one cell, 2 MiB for another, a DIMM and a virtio-mem device
case_several_sizes() {
	local before
	set_pool 1 1G 1
	set_pool 0 2M 7
	before=$(state)
	start several-sizes 1048576:1:bind:1:touch=0 2048:49:bind:0 2048:64:bind:1 2048:1024:bind:0:plug=0 ||
		return
	is "the administrator's page of 1 GiB is used" "$(sizes 1G)" "0 1"
	is "2 MiB: cell and virtio-mem on node 0, DIMM on node 1" "$(sizes 2M)" "81 64"
	is "what virtio-mem has not plugged yet is there" "$(pool 0 2M free)" 32
	stop several-sizes
	is_clean "all but the administrator's is given back" "$before"
}

case_plan_for_several_sizes() {
	set_pool 0 2M 9
	planned several-sizes
}

# virtio-mem maps with MAP_NORESERVE and takes its pages when they are plugged
case_virtio_mem_plugs_late() {
	local before
	set_pool 1 1G 1
	before=$(state)
	start several-sizes 1048576:1:bind:1:touch=0 2048:49:bind:0 2048:64:bind:1 2048:1024:bind:0:plug=8 ||
		return
	is "24 pages wait to be plugged" "$(pool 0 2M free)" 24
	start bound-0 2048:32:bind:0 || return
	is "another guest does not take them" "$(pool 0 2M free)" 24
	stop several-sizes
	is "the other guest keeps its own" "$(sizes 2M)" "32 0"
	stop bound-0
	is_clean "all is given back" "$before"
}

case_on_release_keep() {
	echo '[hugepages]' >/etc/libvirt/membacking.conf
	echo 'on_release_1G = keep' >>/etc/libvirt/membacking.conf
	start gigantic-0 1048576:1:bind:0:touch=0 || return
	stop gigantic-0
	is "the page of 1 GiB stays" "$(sizes 1G)" "1 0"
	is "no ledger stays" "$(echo /run/libvirt-membacking/guests/*)" ""
	start gigantic-0 1048576:1:bind:0:touch=0
	is "the next start uses it" "$(sizes 1G)" "1 0"
	stop gigantic-0
}

# What the service of the static-hugepages profile does before libvirt is there
reserve_static() {
	printf '%s\n' '# PAGES SIZE NODE' "$@" >/etc/libvirt/membacking-static.conf
	virt-membacking reserve-static
	rm /etc/libvirt/membacking-static.conf
}

own_pages() {
	virt-membacking status --json | jq -c '[.nodes[].pools[] | [.page_kib, .total, .own]]'
}

case_static_pools_made_at_boot() {
	local before
	reserve_static '1 1G 0' '50 2M 0' '10 2M 1'
	before=$(state)
	is "each pool has what its line says" "$before" "2M 50/50/0 10/10/0 1G 1/1/0 0/0/0"
	start gigantic-0 1048576:1:bind:0:touch=1 || return
	start bound-0 2048:32:bind:0 || return
	start bound-1 2048:32:bind:1 || return
	is "guests start from them, and only what was missing is ours" "$(own_pages)" \
		"[[2048,50,0],[1048576,1,0],[2048,32,22],[1048576,0,0]]"
	reserve_static '1 1G 0' '50 2M 0' '10 2M 1'
	is "made again they are not made smaller" "$(sizes 2M), $(sizes 1G)" "50 32, 1 0"
	stop gigantic-0
	stop bound-0
	end bound-1 KILL
	quietly virt-membacking reconcile
	is_clean "not one page of theirs is short" "$before"
}

# The kernels of Debian's that run here are built without CMA (CONFIG_CMA): hugetlb_cma= can
# only be said to be impossible
case_ways_to_1_GiB() {
	local advice
	advice=$(virt-membacking advise --xml "$(xml gigantic-0)" 2>&1)
	says "early reservation" "$advice" "reserve at boot" "hugepagesz=1G hugepages=N"
	says "keeping" "$advice" "on_release_1G = keep"
	says "no hugetlb_cma=" "$advice" "hugetlb_cma=" "without CMA"
}

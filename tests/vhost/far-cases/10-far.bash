# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Memory without processors, and processors without memory (see boot): where the hook makes
# pages, and that the kernel takes them there.

nodes=/sys/devices/system/node
host_nodes=(0 2)

# Always run: every later case lives on these mounts, as libvirt does
case_daemon_mounts() {
	holds "the hook succeeds at start" call_daemon_hook start
	is "all three nodes are online" "$(cat $nodes/online)" "0-2"
	is "two of them have memory" "$(cat $nodes/has_memory)" "0,2"
	is "and two have processors" "$(cat $nodes/has_cpu)" "0-1"
}

# Node 2 is the emptiest by far
case_unbound_stays_near() {
	local before
	before=$(state)
	start unbound 2048:40:default || return
	is "the pages are where the processors are" "$(sizes 2M)" "40 0"
	is "QEMU has all of them" "$(on_node unbound 0) $(pool 0 2M free)" "40 0"
	stop unbound
	is_clean "all is given back" "$before"
}

# To the processor of node 1, which has no memory: node 0 is closest to it
case_pinned_to_no_memory() {
	local before
	before=$(state)
	start pinned-1 2048:32:default || return
	is "the pages are on the closest node" "$(sizes 2M)" "32 0"
	stop pinned-1
	is_clean "all is given back" "$before"
}

# 1536 MiB of node 0 hold no guest of 3000 MiB
case_far_memory_for_the_rest() {
	local before on_0 on_1
	before=$(state)
	holds "it is prepared" prepare large-unbound-far
	read -r on_0 on_1 <<<"$(sizes 2M)"
	is "all of its pages are there" $((on_0 + on_1)) 1500
	holds "node 0 gives what it has first" test "$on_0" -ge 100
	says "the log says that they lie far" "$(cat /tmp/messages)" "node 2 has memory and no processors"
	released large-unbound-far
	is_clean "all is given back" "$before"
}

case_bound_is_bound() {
	local before
	before=$(state)
	start bound-2 2048:32:bind:2 || return
	is "the pages are on node 2" "$(sizes 2M)" "0 32"
	stop bound-2
	is_clean "all is given back" "$before"
}

# The kernel leaves node 1 out of the round
case_interleave_with_memoryless() {
	local before
	before=$(state)
	start interleave-0-2 2048:32:interleave:0,1,2 || return
	is "half on each node with memory" "$(sizes 2M)" "16 16"
	is "QEMU has all of them" "$(pool 0 2M free) $(pool 2 2M free)" "0 0"
	stop interleave-0-2
	is_clean "all is given back" "$before"
}

case_strict_memoryless() {
	local before
	before=$(state)
	holds "it is refused" not prepare bound-1
	says "the sentence names the node" "$(complaint)" "node 1 without memory"
	holds "so does the kernel" not stand_in other other 2048:1:bind:1
	released bound-1
	is_clean "nothing was made" "$before"
}

case_not_online() {
	local before
	before=$(state)
	holds "it is refused" not prepare node-7
	says "the sentence says why" "$(complaint)" "node 7" "not online"
	released node-7
	is_clean "nothing was made" "$before"
}

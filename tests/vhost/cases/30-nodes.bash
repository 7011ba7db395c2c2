# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Which node's pool grows, by how much, and that exactly this goes back.

# bound_to NODE
bound_to() {
	local before guest=bound-$1 other=$((1 - $1))
	before=$(state)
	start "$guest" "2048:32:bind:$1" || return
	is "32 pages on node $1" "$(pool "$1" 2M nr)" 32
	is "none on node $other" "$(pool $other 2M nr)" 0
	is "QEMU has all of them" "$(on_node "$guest" "$1") $(pool "$1" 2M free)" "32 0"
	stop "$guest"
	is_clean "all is given back" "$before"
}

case_strict_node_0() {
	bound_to 0
}

case_strict_node_1() {
	bound_to 1
}

# Cell 0 lives on node 1 and cell 1 on node 0
case_memnode_per_cell() {
	local before
	before=$(state)
	start crosswise 2048:48:bind:1 2048:32:bind:0 || return
	is "each cell's pages are on its node" "$(sizes 2M)" "32 48"
	is "QEMU has all of them" "$(pool 0 2M free) $(pool 1 2M free)" "0 0"
	stop crosswise
	is_clean "all is given back" "$before"
}

case_interleave() {
	local before
	before=$(state)
	start interleave 2048:65:interleave:0,1 || return
	says "half on each node" " $(sizes 2M | tr ' ' '\n' | sort | tr '\n' ' ')" " 32 33 "
	is "QEMU has all of them" "$(pool 0 2M free) $(pool 1 2M free)" "0 0"
	stop interleave
	is_clean "all is given back" "$before"
}

case_preferred() {
	local before
	before=$(state)
	start preferred-1 2048:32:preferred:1 || return
	is "the preferred node gives all that it can" "$(sizes 2M)" "0 32"
	stop preferred-1
	is_clean "all is given back" "$before"
}

# 4000 MiB, and node 1 has 3584
case_preferred_falls_over() {
	local before on_0 on_1
	before=$(state)
	start large-preferred-1 2048:2000:preferred:1:touch=0 || return
	on_0=$(pool 0 2M nr) on_1=$(pool 1 2M nr)
	is "all pages are there" $((on_0 + on_1)) 2000
	holds "most of them on node 1 ($on_1)" [ "$on_1" -gt 1500 ]
	stop large-preferred-1
	is_clean "all is given back" "$before"
}

case_too_large() {
	local before
	before=$(state)
	holds "2000 pages on node 1 are refused" not prepare large-strict-1
	says "the sentence" "$(complaint)" "large-strict-1" "2000" "2 MiB" "3.9 GiB" "node 1"
	is "one line" "$(wc -l </tmp/hook.stderr)" 1
	is_clean "nothing has changed" "$before"
	released large-strict-1
	holds "4500 pages anywhere are refused" not prepare large-unbound
	says "the sentence" "$(complaint)" "large-unbound" "4500" "8.7 GiB"
	released large-unbound
	holds "a node that does not exist is refused" not prepare node-7
	says "the sentence" "$(complaint)" "node-7" "node" "7"
	released node-7
	holds "a page size that the kernel does not have is refused" not prepare page-16M
	says "the sentence" "$(complaint)" "page-16M" "16 MiB"
	released page-16M
	is_clean "nothing has changed at the end" "$before"
}

case_automatic_placement() {
	local before
	before=$(state)
	start auto 2048:32:default || return
	is "32 pages somewhere" $(($(pool 0 2M nr) + $(pool 1 2M nr))) 32
	says "a word in the log" "$(cat /tmp/messages)" "auto"
	stop auto
	is_clean "all is given back" "$before"
}

# What KSM is set to, where the advisor is and where it isn't
ksm_settings() {
	grep -s . /sys/kernel/mm/ksm/{run,pages_to_scan,sleep_millisecs,merge_across_nodes} \
		/sys/kernel/mm/ksm/advisor_{mode,min_pages_to_scan,max_pages_to_scan}
}

case_ksm() {
	local before
	before=$(ksm_settings)
	printf '[ksm]\nmanage = yes\n' >/etc/libvirt/membacking.conf
	start mergeable || return
	is "KSM runs for a guest that can gain" "$(cat /sys/kernel/mm/ksm/run)" 1
	start plain
	stop mergeable
	is "each setting is as it was" "$(ksm_settings)" "$before"
	stop plain
	is "no record is left" "$(ls /run/libvirt-membacking/shared 2>/dev/null)" ""
	rm /etc/libvirt/membacking.conf
}

case_no_hugepages() {
	local before
	before=$(state)
	holds "the guest starts" start plain
	holds "nothing at all is written" [ ! -e /run/libvirt-membacking ]
	stop plain
	is "nothing has changed" "$(state)" "$before"
}

case_not_root() {
	local before
	before=$(state)
	holds "a session's guest is none of our business" su nobody -s /bin/bash \
		-c 'exec libvirt-membacking-qemu-hook bound-0 prepare begin -' <"$(xml bound-0)"
	is_clean "nothing has changed" "$before"
}

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Which host node.  One node is all that many machines have; several are tried in
# tests/vhost.

node0=/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages

case_strict_on_node_0() {
	guest_up strict 128 "backing=$(page_backing 2048)" \
		"numatune=<memory mode='strict' nodeset='0'/>" || return
	check_equal "64 pages on node 0" "$(cat $node0)" 64
	guest_boots strict
	guest_down strict
	check_empty
}

case_a_cell_bound_by_memnode() {
	guest_up memnode 128 "backing=$(page_backing 2048)" \
		"cells=<cell id='0' cpus='0' memory='64' unit='MiB'/><cell id='1' cpus='1' memory='64' unit='MiB'/>" \
		"numatune=<memnode cellid='1' mode='preferred' nodeset='0'/>" || return
	check_equal "64 pages on node 0" "$(cat $node0)" 64
	guest_down memnode
	check_empty
}

# numad, which libvirt asks then, is a daemon that moves other programs about; this
# one always answers "node 0"
case_automatic_placement() {
	printf '#!/bin/sh\necho 0\n' >"$vm_state/bin/numad"
	chmod 755 "$vm_state/bin/numad"
	in_ns mount -t overlay -o "ro,lowerdir=$vm_state/bin:/usr/bin" private-overlay /usr/bin
	guest_up auto 128 "backing=$(page_backing 2048)" "vcpu=<vcpu placement='auto'>1</vcpu>" \
		"numatune=<memory mode='strict' placement='auto'/>"
	check_equal "64 pages somewhere" "$(pool 2048 total)" 64
	check_match "the log says that nodes were not known" "$(vm_syslog_text)" "auto"
	guest_down auto
	in_ns umount -l /usr/bin
	check_empty
}

case_a_node_that_does_not_exist() {
	guest_define nonode 64 "backing=$(page_backing 2048)" \
		"numatune=<memory mode='strict' nodeset='77'/>"
	guest_start nonode && not_ok "it does not start" "it did"
	check_match "virsh shows our sentence" "$start_error" "node 77"
	check_empty
	guest_xml nonode 64 "backing=$(page_backing 2048)" \
		"numatune=<memory mode='strict' nodeset='77'/>" >"$vm_state/nonode.xml"
	hook_call nonode prepare begin <"$vm_state/nonode.xml"
	check_refused "node 77" 'node 77'
	check_empty
}

case_a_page_size_the_kernel_does_not_have() {
	guest_xml nosize 64 "backing=$(page_backing 4096)" >"$vm_state/nosize.xml"
	hook_call nosize prepare begin <"$vm_state/nosize.xml"
	check_refused "4 MiB pages" '4 MiB|4096'
	check_empty
}

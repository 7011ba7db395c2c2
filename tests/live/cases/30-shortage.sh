# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# More pages asked for than there can be.

memory_mib() {
	awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo
}

case_more_than_the_machine_has() {
	local mib
	mib=$(($(memory_mib) * 2 / 2 * 2))
	guest_define huge "$mib" "backing=$(page_backing 2048)"
	guest_start huge && not_ok "huge does not start" "it did"
	check_match "virsh says it was the hook" "$start_error" "Hook script execution failed"
	check_match "it says how many pages were asked for" "$start_error" "$((mib / 2))"
	check_match "it says how much that is" "$start_error" "[0-9](\.[0-9])? (M|G|T)iB"
	check_match "it names the node" "$start_error" "node 0"
	check_equal "in one line after virsh's own" "$(grep -c . <<<"$start_error")" 2
	check_empty "nothing was changed"
}

case_more_1_GiB_pages_than_the_machine_has() {
	local gibs
	gibs=$(($(memory_mib) / 1024))
	guest_define giant $((gibs * 1024)) "backing=$(page_backing 1048576)"
	guest_start giant && not_ok "giant does not start" "it did"
	# A processor without such pages is the reason then, however many were asked for
	[ ! -d "$host_pools/hugepages-1048576kB" ] ||
		check_match "the error says what was asked" "$start_error" "$gibs"
	check_match "and of which size" "$start_error" "1 GiB|1024 MiB|1048576"
	check_empty "nothing was changed"
}

case_a_strict_guest_gets_no_more_than_its_node_has() {
	local mib
	mib=$(($(memory_mib) * 2))
	guest_xml wide "$mib" "backing=$(page_backing 2048)" \
		"numatune=<memory mode='strict' nodeset='0'/>" >"$vm_state/wide.xml"
	hook_call wide prepare begin <"$vm_state/wide.xml"
	check_refused "node 0 is too small" "node 0"
	hook_call wide stopped end <"$vm_state/wide.xml"
	check_equal "stopped for a guest that got nothing" "$hook_status" 0
	hook_call wide release end <"$vm_state/wide.xml"
	check_equal "release for a guest that got nothing" "$hook_status" 0
	check_empty
}

# Half of what it needs is granted before the other half turns out to be impossible
case_the_first_size_is_given_back_when_the_second_fails() {
	local mib
	mib=$(($(memory_mib) / 1024 * 1024 * 2))
	guest_define mixed $((mib + 128)) \
		"backing=<hugepages><page size='2' unit='M' nodeset='0'/><page size='1' unit='G' nodeset='1'/></hugepages>" \
		"cells=<cell id='0' cpus='0' memory='128' unit='MiB'/><cell id='1' cpus='1' memory='$mib' unit='MiB'/>"
	guest_start mixed && not_ok "mixed does not start" "it did"
	check_empty "nothing is left of either"
}

# The rest of a start can fail when our part went well
case_a_start_that_fails_after_prepare() {
	guest_define broken 64 "backing=$(page_backing 2048)" \
		"devices=<disk type='file' device='disk'><source file='/nowhere/disk.img'/><target dev='vda' bus='virtio'/></disk>"
	guest_start broken && not_ok "broken does not start" "it did"
	check_match "libvirt says why" "$start_error" "/nowhere/disk.img"
	check_empty
}

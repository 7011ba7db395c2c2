# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# How many pages of which size: page sizes, cells, devices, rounding, units.
# The guests with 1 GiB pages come first, while the machine is least fragmented.

gib=1048576

case_a_guest_with_1_GiB_pages() {
	guest_up_gib 1 big 1024 "backing=$(page_backing $gib)" || return
	check_equal "one page is reserved" "$(pools)" "2048:0/0 $gib:1/0"
	guest_boots big
	check_equal "QEMU has it" "$(guest_huge_kib big)" $gib
	guest_down big
	check_empty
}

case_cells_with_different_page_sizes() {
	guest_up_gib 1 cells 1408 "backing=<hugepages><page size='1' unit='G' nodeset='1'/><page size='2048' unit='KiB' nodeset='0'/></hugepages>" \
		"cells=<cell id='0' cpus='0' memory='384' unit='MiB'/><cell id='1' cpus='1' memory='1024' unit='MiB'/>" || return
	check_equal "192 pages and one" "$(pools)" "2048:192/0 $gib:1/0"
	guest_boots cells
	guest_down cells
	check_empty
}

case_more_than_one_1_GiB_page_rounds_up() {
	guest_up_gib 2 rounded 1026 "backing=$(page_backing $gib)" || return
	check_equal "two pages are reserved" "$(pools)" "2048:0/0 $gib:2/0"
	guest_down rounded
	check_empty
}

case_a_guest_with_2_MiB_pages() {
	guest_up plain 256 "backing=$(page_backing 2048)" cmdline=touch=32 || return
	check_equal "exactly 128 pages are reserved" "$(pools)" "2048:128/0 $gib:0/0"
	check_equal "the ledger says it runs" "$(ledger_phase plain)" running
	check_equal "it is named by the UUID" "$(ledgers)" "$(guest_uuid plain)"
	guest_boots plain
	check "its memory can be used" guest_says plain 'GUEST TOUCHED 32 MiB'
	check_equal "QEMU has all of it in huge pages" "$(guest_huge_kib plain)" 262144
	guest_down plain
	check_empty
}

case_starting_and_stopping_again_and_again() {
	local n most=0
	guest_define again 64 "backing=$(page_backing 2048)"
	for n in 1 2 3 4 5; do
		guest_start again || not_ok "start $n" "$start_error"
		[ "$(pool 2048 total)" -le "$most" ] || most=$(pool 2048 total)
		guest_down again
	done
	check_equal "never more than its 32 pages" "$most" 32
	check_empty
}

case_a_size_that_is_no_multiple_of_the_page() {
	guest_up odd 255 "backing=$(page_backing 2048)" || return
	check_equal "rounded up" "$(pool 2048 total)" 128
	guest_down odd
	check_empty
}

case_each_cell_is_rounded_up_by_itself() {
	guest_up oddcells 254 "backing=$(page_backing 2048)" \
		"cells=<cell id='0' cpus='0' memory='127' unit='MiB'/><cell id='1' cpus='1' memory='127' unit='MiB'/>" || return
	check_equal "64 and 64, not 127" "$(pool 2048 total)" 128
	guest_down oddcells
	check_empty
}

case_only_one_cell_has_huge_pages() {
	guest_up half 192 "backing=<hugepages><page size='2' unit='MiB' nodeset='1'/></hugepages>" \
		"cells=<cell id='0' cpus='0' memory='128' unit='MiB'/><cell id='1' cpus='1' memory='64' unit='MiB'/>" || return
	check_equal "32 pages for cell 1" "$(pool 2048 total)" 32
	guest_down half
	check_empty
}

case_bare_hugepages_mean_the_default_size() {
	local default
	default=$(awk '/^Hugepagesize:/ { print $2 }' /proc/meminfo)
	guest_up bare 128 "backing=<hugepages/>" || return
	check_equal "128 MiB of the default size" "$(pool "$default" total)" $((128 * 1024 / default))
	guest_down bare
	check_empty
}

case_the_default_page_among_cells() {
	guest_up default 192 "backing=<hugepages><page size='2048' unit='KiB'/></hugepages>" \
		"cells=<cell id='0' cpus='0' memory='128' unit='MiB'/><cell id='1' cpus='1' memory='64' unit='MiB'/>" || return
	check_equal "a page without node set serves all cells" "$(pool 2048 total)" 96
	guest_down default
	check_empty
}

case_shared_memory_over_hugepages() {
	guest_up shared 64 "backing=$(page_backing 2048)<access mode='shared'/>" || return
	check_equal "32 pages" "$(pool 2048 total)" 32
	guest_down shared
	check_empty
}

case_memfd_with_hugepages() {
	guest_up memfd 128 "backing=$(page_backing 2048)<source type='memfd'/><access mode='shared'/>" || return
	check_equal "64 pages" "$(pool 2048 total)" 64
	guest_boots memfd
	guest_down memfd
	check_empty
}

case_a_dimm_present_at_the_start() {
	guest_up dimm 128 maxmemory=1024 "backing=$(page_backing 2048)" \
		"cells=<cell id='0' cpus='0' memory='128' unit='MiB'/>" \
		"devices=<memory model='dimm'><target><size unit='MiB'>64</size><node>0</node></target></memory>" || return
	check_equal "64 pages for the cell, 32 for the dimm" "$(pools)" "2048:96/0 $gib:0/0"
	guest_down dimm
	check_empty
}

case_a_dimm_with_a_page_size_of_its_own() {
	guest_up owndimm 128 maxmemory=1024 \
		"cells=<cell id='0' cpus='0' memory='128' unit='MiB'/>" \
		"devices=<memory model='dimm'><source><pagesize unit='KiB'>2048</pagesize></source><target><size unit='MiB'>64</size><node>0</node></target></memory>" || return
	check_equal "32 pages for the dimm, none for the cell" "$(pool 2048 total)" 32
	guest_down owndimm
	check_empty
}

case_virtio_mem_counts_what_is_requested() {
	guest_up virtiomem 128 maxmemory=1024 "backing=$(page_backing 2048)" \
		"cells=<cell id='0' cpus='0' memory='128' unit='MiB'/>" \
		"devices=<memory model='virtio-mem'><target><size unit='MiB'>512</size><node>0</node><block unit='KiB'>2048</block><requested unit='MiB'>128</requested></target></memory>" || return
	check_equal "64 pages for the cell, 64 requested" "$(pool 2048 total)" 128
	check_match "what it has not plugged yet is its claim" \
		"$(membacking status --json | jq -c '[.nodes[].pools[] | select(.page_kib == 2048).claimed] | add')" \
		'^[0-9]+$'
	guest_down virtiomem
	check_empty
}

# libvirt itself passes KiB to its hooks, so units are for "plan" and for other callers
case_memory_units() {
	local row unit amount pages file
	for row in b:268435456:128 bytes:268435457:129 KB:262144:125 k:262144:128 KiB:262144:128 \
		MB:256:123 M:256:128 MiB:256:128 GB:1:477 G:1:512 GiB:1:512; do
		IFS=: read -r unit amount pages <<<"$row"
		guest_write units "$amount" "unit=$unit" "backing=$(page_backing 2048)"
		file=/run/xml/units.xml
		check_equal "$amount $unit" \
			"$(membacking plan --xml "$file" --json | jq '[.steps[] | select(.kind == "hugepages").pages] | add')" \
			"$pages"
	done
	check_empty "planning changes nothing"
}

case_units_through_libvirt() {
	guest_up units 100000 unit=KB "backing=$(page_backing 2048)" || return
	check_equal "100 MB are 48 pages" "$(pool 2048 total)" 48
	guest_down units
	check_empty
}

case_the_plan_is_what_the_start_does() {
	local planned
	guest_define planned 100 "backing=$(page_backing 2048)"
	guest_write planned 100 "backing=$(page_backing 2048)"
	planned=$(membacking plan --xml /run/xml/planned.xml --json |
		jq -c '[.steps[] | {kind, page_kib, pages}]')
	check_equal "it plans 50 pages" "$planned" '[{"kind":"hugepages","page_kib":2048,"pages":50}]'
	guest_start planned || not_ok "starts" "$start_error"
	check_equal "the ledger lists the same step" \
		"$(membacking status --json | jq -c '[.guests[] | select(.name == "planned").steps[] | {kind, page_kib, pages}]')" \
		"$planned"
	guest_down planned
	check_empty
}

# nvdimm NAME ACCESS FILE: a guest with 64 MiB of it
nvdimm() {
	guest_define "$1" 64 maxmemory=1024 "cells=<cell id='0' cpus='0' memory='64' unit='MiB'/>" \
		"devices=<memory model='nvdimm' access='$2'><source><path>$3</path></source><target><size unit='MiB'>64</size><node>0</node></target></memory>"
}

# Its file takes pages by its path, whatever the guest's RAM does
case_an_nvdimm_in_a_hugetlbfs() {
	local file=/dev/hugepages/pmem0
	check "a file without pages" in_ns truncate -s 64M "$file"
	nvdimm pmem private "$file"
	check "it starts" virsh start --paused pmem
	check_equal "pages are made for it" "$(pool 2048 total)" 32
	guest_down pmem
	check "the file is removed" in_ns rm "$file"
	check_empty
}

# Shared, the file keeps them for the next start.  They go back when it is removed
case_a_shared_nvdimm_in_a_hugetlbfs() {
	local file=/dev/hugepages/pmem1
	check "a file without pages" in_ns truncate -s 64M "$file"
	nvdimm kept shared "$file"
	check "it starts" virsh start --paused kept
	check_equal "pages are made for the file" "$(pool 2048 total)" 32
	guest_down kept
	check_equal "the file keeps them" "$(pool 2048 total)/$(pool 2048 free)" 32/0
	check_match "plan makes no more" "$(membacking plan kept)" "nothing to do"
	check "it starts again" virsh start --paused kept
	check_equal "with what is there" "$(pool 2048 total)" 32
	guest_down kept
	check "the file is removed" in_ns rm "$file"
	membacking reconcile >/dev/null
	check_empty
}

# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking free.

# kept NODE PAGE_KIB PAGES FOREIGN: what is written down of pages that were kept
kept() {
	mkdir -p host/run/libvirt-membacking/guests
	printf '{"version": 1, "boot_id": "%s", "pools": [{"node": %d, "page_kib": %d, "foreign": %d, "base": %d, "missing": 0, "kept": %d}]}' \
		"$(cat host/proc/sys/kernel/random/boot_id)" "$1" "$2" "$4" "$4" "$3" \
		>host/run/libvirt-membacking/pools
}

case_free() {
	host one-node
	golden free-none --root host free
	golden free-none-json --root host free --json
	pool 0 1048576 30 30 0
	kept 0 1048576 12 30
	golden free-status --root host status
	golden free-status-json --root host status --json
	golden free-other-size --root host free --page-size 2M
	golden free-some --root host free --page-size 1G 2
	is "two pages went" "$(nr 0 1048576)" 28
	echo 28 >host/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/free_hugepages
	golden free-all-json --root host free --json
	is "the administrator's pages stay" "$(nr 0 1048576)" 18
	golden free-again --root host free
	golden free-bad-number --root host free all
	golden free-bad-zero --root host free 0
	golden free-bad-size --root host free --page-size big
	# In use: what was kept stays, and stays known
	host one-node
	pool 0 1048576 30 0 0
	kept 0 1048576 12 30
	golden free-in-use --root host free
	is "nothing went" "$(nr 0 1048576)" 30
	golden free-in-use-again --root host free 1
}

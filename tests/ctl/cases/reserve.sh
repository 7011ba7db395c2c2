# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking reserve and reserve-static.

case_reserve() {
	host one-node
	pool 0 2048 96 96 0
	guest_xml old 64
	golden reserve --root host reserve --xml old.xml
	golden reserve-status --root host status
	golden reserve-plan --root host plan --xml old.xml
	guest_xml old 96
	golden reserve-plan-of-more --root host plan --xml old.xml
	golden reserve-more --root host reserve --xml old.xml --json
	guest_xml old 32
	golden reserve-less --root host reserve --xml old.xml
	golden reserve-released --root host release old
	is "the pool is as it was" "$(nr 0) $(ledgers)" "96 "
	guest_xml old 9999999
	golden reserve-too-much --root host reserve --xml old.xml
	cp "$tests/guests/plain.xml" .
	golden reserve-nothing --root host reserve --xml plain.xml
	is "no ledger is left" "$(ledgers)" ""
}

case_reserve_for_a_running_guest() {
	busy_host
	guest_xml web 64
	golden reserve-running --root host reserve --xml web.xml
	golden reserve-plug --root host reserve web --size 16M --page-size 2M
	golden reserve-plug-node --root host reserve "${uuid[web]}" --size 15M --page-size 2M \
		--node 1 --json
	golden reserve-plug-by-xml --root host reserve --xml web.xml --size 2M --page-size 2M
	golden reserve-plug-too-much --root host reserve web --size 64G --page-size 1G
	golden reserve-plug-no-node --root host reserve web --size 16M --page-size 2M --node 9
	golden reserve-plug-no-size --root host reserve web --size 16M --page-size 16M
	golden reserve-plug-starting --root host reserve database --size 16M --page-size 2M
	golden reserve-plug-gone --root host reserve build --size 16M --page-size 2M
	is "reconcile leaves them to the guest" \
		"$(as_json --root host reconcile --json | jq -c '[.settled[].name]')" '[]'
}

case_reserve_usage() {
	host one-node
	golden reserve-nobody reserve
	golden reserve-node-alone reserve web --node 0
	golden reserve-page-size-alone reserve web --page-size 2M
	golden reserve-bad-size reserve web --size much
	golden reserve-no-size reserve web --size 0
	golden reserve-bad-page-size reserve web --size 4G --page-size 2Q
	golden reserve-bad-node reserve web --size 4G --node first
	guest_xml web 64
	golden reserve-no-such-page --root host reserve --xml web.xml --size 4G --page-size 16M
}

case_reserve_static() {
	local fd script pool=host/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages
	host one-node
	mkdir -p host/etc/libvirt host/run/libvirt-membacking
	echo '64 2M 0' >host/etc/libvirt/membacking-static.conf
	exec {fd}>host/run/libvirt-membacking/lock
	flock "$fd"
	"$program" --root host reserve-static >static 2>&1 {fd}>&- &
	script=$!
	sleep 0.5
	is "no pool is changed while another operation has the lock" "$(cat "$pool")" 0
	flock -u "$fd"
	exec {fd}>&-
	wait "$script"
	is "then it is" "$? $(cat "$pool" static)" "0 64"
}

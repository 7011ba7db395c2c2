# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking release.

case_release() {
	host one-node
	golden release-no-state --root host release web
	is "no state directory is made" "$(ls host)" $'proc\nsys'
	busy_host
	golden release-unknown --root host release nobody
	golden release-unknown-json --root host release nobody --json
	golden release-path --root host release ../lock --force
	golden release-running --root host release web
	golden release-starting --root host release database
	golden release-starting-json --root host release database --json
	is "who is refused keeps all, who is gone does not" "$(nr 0) $(nr 1) $(ledgers)" \
		"80 48 ${uuid[web]} ${uuid[database]} "
	golden release-starting-forced --root host release database --force
	is "it has given back" "$(nr 0) $(nr 1) $(ledgers)" "80 16 ${uuid[web]} "
	golden release-running-forced --root host release web --force
	is "its ledger is gone" "$(ledgers)" ""
	busy_host
	golden release-gone --root host release build
	is "its pages are given back" "$(nr 0)" 80
	busy_host
	golden release-by-uuid --root host release "${uuid[build]}" --json
	ledger build reserved "$(step 2048 16 "$(share 0 0 16 16 16 8)")"
	golden release-reserved --root host release build
}

case_release_unreadable_ledgers() {
	host one-node
	pool 0 2048 64 64 0
	ledger old running
	sed -i 's/"version": 1/"version": 99/' "host/run/libvirt-membacking/guests/${uuid[old]}"
	echo '{ not JSON' >"host/run/libvirt-membacking/guests/${uuid[damaged]}"
	golden release-other-version --root host release old
	golden release-damaged --root host release "${uuid[damaged]}"
	is "both stay" "$(ledgers)" "${uuid[old]} ${uuid[damaged]} "
	golden release-other-version-forced --root host release old --force
	golden release-damaged-forced --root host release "${uuid[damaged]}" --force --json
	is "both are gone" "$(ledgers)" ""
	is "pools are left alone" "$(nr 0)" 64
}

# As virsh, by the id of a guest that runs, as libvirt has written it down
case_release_by_id() {
	busy_host
	live_xml web "<hugepages/>"
	is "release finds it" "$("$program" --root host release 7 2>&1 |
		grep -c "^virt-membacking: guest 'web' is alive, its QEMU is running")" 1
	is "another id is nobody's" "$("$program" --root host release 8 2>&1)" \
		"virt-membacking: guest '8' holds nothing (virt-membacking status lists those that do)"
	is "log finds it" "$("$program" --root host log 7 2>/dev/null | grep -c ' web ')" 1
	is "no other guest's entries" "$("$program" --root host log 7 2>/dev/null | grep -c ' database ')" 0
	no_qemu
}

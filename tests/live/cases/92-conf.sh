# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Profiles: libvirt started on the files that "conf apply" has edited, and guests on that.

# shellcheck source=tests/live/profiles
. "$here/profiles"

conf_store=/var/lib/libvirt/memory

conf_mount() {
	in_ns grep -F " $conf_store " /proc/self/mountinfo
}

case_conf_file_backed() {
	conf_begin
	conf_apply file-backed
	check_equal "a line is new in qemu.conf" \
		"$(diff "$vm_state/qemu.conf.before" "$qemu_conf" | grep '^[<>]')" \
		"> memory_backing_dir = \"$conf_store\""
	check_match "the second time changes nothing" "$(conf apply file-backed)" "^Nothing to change\\."
	check_no_match "all is well" "$(membacking check)" "FAIL"
	guest_up filed 64 "backing=<source type='file'/><access mode='shared'/>" && {
		check_match "its memory is in the store" "$(conf_guest_file "$conf_store" filed)" \
			"^$conf_store/libvirt/qemu/"
		check_match "which is in RAM" "$(conf_mount)" " - tmpfs "
		check_equal "status says so" \
			"$(membacking status --json | jq -c '.stores[] | {name, mounted, promised_kib}')" \
			'{"name":"file-backed","mounted":true,"promised_kib":65536}'
	}
	guest_down filed
	check_equal "the store is unmounted after it" "$(conf_mount)" ""
	check "file-backed is taken back" conf remove file-backed
	check "qemu.conf has its former bytes" cmp "$vm_state/qemu.conf.before" "$qemu_conf"
	conf_restart || not_ok "libvirt starts on that" "it does not"
	guest_up filed 64 "backing=<source type='file'/><access mode='shared'/>" &&
		check_match "memory is where it was before" \
			"$(conf_guest_file /var/lib/libvirt/qemu/ram filed)" "pc.ram"
	guest_down filed
	in_ns rm -r "$conf_store"
	conf_end
}

case_conf_edited_since() {
	conf_begin
	check "file-backed is applied" conf apply file-backed
	in_ns mkdir -p /run/theirs
	sed -i 's,^memory_backing_dir.*,memory_backing_dir = "/run/theirs",' "$qemu_conf"
	check_match "their own value is noticed" "$(conf apply file-backed)" "Kept: .*/run/theirs"
	check_match "also when it is taken back" "$(conf remove file-backed)" "Kept: "
	check_match "and stays" "$(grep ^memory_backing_dir "$qemu_conf")" "/run/theirs"
	conf_restart || not_ok "libvirt starts on it" "it does not"
	guest_up theirs 64 "backing=<source type='file'/>" &&
		check_match "guests follow it" "$(conf_guest_file /run/theirs theirs)" "^/run/theirs/libvirt/qemu/"
	guest_down theirs
	in_ns rm -rf /run/theirs
	conf_end
}

case_conf_a_line_that_the_lens_cannot_read() {
	local output
	conf_begin
	echo 'of_tomorrow = 1' >>"$qemu_conf"
	output=$(conf apply file-backed 2>&1) && not_ok "it is refused" "$output"
	check_match "the line is named" "$output" "line $(wc -l <"$qemu_conf") .*of_tomorrow = 1"
	sed -i '$d' "$qemu_conf"
	check "nothing is changed" cmp "$vm_state/qemu.conf.before" "$qemu_conf"
	check_equal "nor recorded" "$(conf list --applied)" ""
	conf_end
}

# The drop-ins of all others together
case_conf_huge_pages() {
	local profile
	conf_begin
	for profile in hugepages thp ksm; do
		check "$profile is applied" conf apply "$profile"
	done
	conf_restart || not_ok "libvirt starts on it" "it does not"
	check_equal "the configuration has no mistakes" \
		"$(membacking check --json | jq -r '.findings[] | select(.check == "config").level')" pass
	guest_up paged 64 "backing=$(page_backing 2048)" &&
		check_equal "the guest has its pages" "$(pool 2048 total)" 32
	guest_down paged
	check_empty
	for profile in hugepages thp ksm; do
		check "$profile is taken back" conf remove "$profile"
	done
	check_equal "no drop-in is left" "$(in_ns ls /etc/libvirt/membacking.conf.d)" ""
	conf_end
}

# What the boot does is done here by hand: the pools are the kernel's own again, that is
# empty, and then the service runs its command
case_conf_static_huge_pages() {
	conf_begin
	pool_set 2048 40
	check "static-hugepages is applied" conf apply static-hugepages
	check_match "it has the administrator's pool" \
		"$(in_ns cat /etc/libvirt/membacking-static.conf)" $'\n40 2M 0\n'
	vm_stop_daemon
	pool_set 2048 0
	check "the service's command" in_ns virt-membacking reserve-static
	check_equal "makes it again" "$(pools)" "2048:40/40 1048576:0/0"
	vm_start_daemon || exit 1
	guest_up from 64 "backing=$(page_backing 2048)" &&
		check_equal "a guest has its pages from it" "$(pools)" "2048:40/8 1048576:0/0"
	guest_up beside 64 "backing=$(page_backing 2048)" &&
		check_equal "the next brings what is missing" "$(pools)" "2048:64/0 1048576:0/0"
	check "the service's command once more" in_ns virt-membacking reserve-static
	check_equal "takes nothing from them" "$(pools)" "2048:64/0 1048576:0/0"
	guest_down from
	check_equal "the first one's end makes no pool smaller" "$(pool 2048 total)" 64
	in_ns kill -KILL "$(guest_pid beside)"
	check_pool "not one page is short" 2048 40
	check_equal "nor in use" "$(pool 2048 free)" 40
	check "static-hugepages is taken back" conf remove static-hugepages
	check "its file is gone" in_ns test ! -e /etc/libvirt/membacking-static.conf
	pool_set 2048 0
	check_empty
	conf_end
}

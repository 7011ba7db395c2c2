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
	check_equal "the second time changes nothing" "$(conf apply file-backed)" "Nothing to change."
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
	check_match "their own value is noticed" "$(conf apply file-backed)" "Left alone.*/run/theirs"
	check_match "also when it is taken back" "$(conf remove file-backed)" "Left alone"
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

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What "check" finds on a real host: each finding is made true, a guest's start shows that
# it matters, and the command that is said to help does help.

# found SUBJECT: what is bad, "level: message" in lines
found() {
	membacking check --json | jq -r --arg check "$1" \
		'.findings[] | select(.check == $check and (.level == "warn" or .level == "fail")) |
		"\(.level): \(.message)"'
}

# help_out SUBJECT: the commands that it says would help.  There is no systemd in here
help_out() {
	local command
	membacking check --json | jq -r --arg check "$1" \
		'.findings[] | select(.check == $check and (.level == "warn" or .level == "fail")).remedy' |
		while IFS= read -r command; do
			in_ns sh -c "systemctl() { :; }; $command" </dev/null
		done
}

restart_libvirt() {
	vm_stop_daemon
	check "libvirtd comes back" vm_start_daemon
}

case_nothing_is_wrong() {
	guest_up fine 64 "backing=$(page_backing 2048)" || return
	check_equal "no hook finding" "$(found hook)" ""
	check_equal "no hugetlbfs finding" "$(found hugetlbfs)" ""
	check_equal "no security finding" "$(found security)" ""
	check_equal "no record finding" "$(found record)" ""
	guest_down fine
	check_empty
}

case_hooks_not_enabled() {
	local hook=/usr/sbin/libvirt-membacking-qemu-hook
	membacking hook disable >/dev/null
	check_match "check says so" "$(found hook)" '^fail: the qemu hook is not enabled'
	help_out hook >/dev/null
	check_equal "what it says helps" "$(found hook)" ""
	in_ns cp "$hook" /run/hook
	in_ns chmod 644 /run/hook
	in_ns mount --bind /run/hook "$hook"
	check_match "a hook that can't be run" "$(found hook)" 'qemu-hook is not executable'
	help_out hook
	check_equal "what it says helps again" "$(found hook)" ""
	in_ns umount "$hook"
}

# Times of links and processes are told apart by seconds
case_hooks_that_libvirt_has_not_seen() {
	membacking hook disable >/dev/null
	restart_libvirt
	sleep 3
	membacking hook enable >/dev/null
	check_match "check warns" "$(found hook)" '^warn: libvirt may not know the hooks'
	help_out hook >/dev/null
	check "libvirt has looked since" wait_for "no finding" no_finding hook
}

no_finding() {
	[ -z "$(found "$1")" ]
}

# With manage = no our hook mounts nothing when libvirt starts, and sizes no pool
case_hugetlbfs_is_not_mounted() {
	config_write $'[hugepages]\nmanage = no'
	guest_define unmounted 64 "backing=$(page_backing 2048)"
	check_equal "all is well" "$(found hugetlbfs)" ""
	vm_stop_daemon
	in_ns umount -a -t hugetlbfs
	check "libvirtd comes back" vm_start_daemon
	pool_set 2048 32
	check_match "check says so" "$(found hugetlbfs)" \
		"^fail: guest 'unmounted' asks for huge pages of 2 MiB, and no hugetlbfs"
	guest_start unmounted && not_ok "it does not start" "it did"
	help_out hugetlbfs
	check_match "that was too late for this libvirt" "$(found hugetlbfs)" \
		"^warn: .*/dev/hugepages was mounted after libvirt"
	guest_start unmounted && not_ok "it does not start yet" "it did"
	restart_libvirt
	check_equal "nothing is found now" "$(found hugetlbfs)" ""
	guest_start unmounted || not_ok "now it starts" "$start_error"
	guest_down unmounted
	wait_for "idle pages" pool_has_free 32
	pool_set 2048 0
	config_write ""
	restart_libvirt
	check_empty
}

# Some versions of libvirt do not even start with it
case_huge_pages_are_switched_off() {
	guest_define off 64 "backing=$(page_backing 2048)"
	vm_stop_daemon
	in_ns sh -c 'echo "hugetlbfs_mount = \"\"" >>/etc/libvirt/qemu.conf'
	check_match "check says so" "$(found hugetlbfs)" '^fail: hugetlbfs_mount = ""'
	help_out hugetlbfs
	check_equal "what it says helps" "$(found hugetlbfs)" ""
	check "libvirtd comes back" vm_start_daemon
	guest_start off || not_ok "the guest starts" "$start_error"
	guest_down off
	check_empty
}

case_a_size_that_the_kernel_does_not_have() {
	guest_define odd 64 "backing=$(page_backing 512)"
	check_match "check says so" "$(found hugetlbfs)" "asks for huge pages of 512 KiB, but this kernel has only"
	guest_start odd && not_ok "it does not start" "it did"
	check_empty
}

# As many as there will never be.  Told before the next boot shows it
case_guests_that_start_with_the_host() {
	local gib pages
	gib=$(membacking fragmentation --json | jq '[.nodes[].total_kib] | add / 1048576 | floor + 8')
	pages=$((gib * 512))
	guest_define many "$gib" unit=GiB "backing=$(page_backing 2048)"
	check_match "it is started by hand: as things are it can't" "$(found room)" \
		"^warn: guest 'many' can't start as things are: not enough memory for huge pages: guest 'many' needs [0-9.]+ GiB \($pages pages of 2 MiB\)"
	check "with the host" virsh autostart many
	check_match "too many pages" "$(found room)" "^warn: guests that start with the host want $pages pages of 2 MiB"
	guest_start many && not_ok "it does not start" "it did"
	check_empty
}

movable_ranges() {
	jq '[.nodes[].sizes[] | select(.page_kib == 1048576).ranges.movable] | add'
}

# The kernel's own answer: never more than the ranges that hold no unmovable page
case_pages_of_1_gib_that_could_be_had() {
	local all ranges got later
	if [ ! -d /sys/kernel/mm/hugepages/hugepages-1048576kB ]; then
		echo "skip - this machine can make no page of 1 GiB: how many could be had is not tried"
		return
	fi
	all=$(membacking fragmentation --json)
	check_equal "every page was looked at" "$(jq .every_page <<<"$all")" true
	check_equal "the parts are all of it" "$(jq '[.nodes[] | .total_kib as $total | .sizes[] |
		.now_kib + .compact_kib + .cache_kib + .used_kib + .huge_kib + .never_kib == $total] |
		all' <<<"$all")" true
	ranges=$(movable_ranges <<<"$all")
	pool_set 1048576 $((ranges + 2))
	got=$(pool 1048576 total)
	pool_set 1048576 0
	# What spoilt a range may have gone in between
	later=$(membacking fragmentation --json | movable_ranges)
	if [ "$got" -le "$ranges" ] || [ "$got" -le "$later" ]; then
		ok "the kernel has no more than that"
	else
		not_ok "the kernel has no more than that" "$got of $ranges, or $later"
	fi
	check_empty
}

# It looks like a start that is under way, for as long as libvirt runs
case_a_start_that_was_killed_half_way() {
	guest_xml halfway 64 "backing=$(page_backing 2048)" >"$vm_state/hook.xml"
	hook_call halfway prepare begin <"$vm_state/hook.xml"
	check_equal "it is prepared" "$hook_status $(pools)" "0 2048:32/32 1048576:0/0"
	check_match "check names it" "$(found record)" "^warn: guest 'halfway' is prepared and has no QEMU"
	help_out record >/dev/null
	check_equal "what it says helps" "$(found record)" ""
	check_empty
}

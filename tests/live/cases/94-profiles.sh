# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What profiles are for: guests that have their memory as the profile says.

# shellcheck source=tests/live/profiles
. "$here/profiles"

thp_and_ksm() {
	echo "$(setting ksm/run) $(setting transparent_hugepage/enabled)" \
		"$(setting transparent_hugepage/defrag) $(setting transparent_hugepage/shmem_enabled)"
}

# THP and KSM are the host's: as the profile has them while a guest runs that gains from them
case_profiles_thp_and_ksm() {
	local profile before
	conf_begin
	before=$(thp_and_ksm)
	for profile in thp ksm; do
		conf_apply "$profile"
	done
	conf_restart || not_ok "libvirt starts on it" "it does not"
	guest_up small 128 && {
		[ ! -e /sys/kernel/mm/transparent_hugepage/enabled ] ||
			check_equal "THP is as the profile has it" \
				"$(setting transparent_hugepage/enabled) $(setting transparent_hugepage/defrag)" \
				"madvise defer+madvise"
		[ ! -e /sys/kernel/mm/ksm/run ] || check_equal "KSM runs" "$(setting ksm/run)" 1
	}
	guest_down small
	check_equal "both are as they were" "$(thp_and_ksm)" "$before"
	for profile in thp ksm; do
		check "$profile is taken back" conf remove "$profile"
	done
	check_equal "no drop-in is left" "$(in_ns ls /etc/libvirt/membacking.conf.d)" ""
	check_empty
	conf_end
}

case_profiles_huge_pages_of_1_GiB() {
	conf_begin
	if conf_apply_gib; then
		profile_of_gib
		check "hugepages-1g is taken back" conf remove hugepages-1g
		in_ns umount /dev/hugepages1G
	fi
	check_empty
	conf_end
}

profile_of_gib() {
	local gib=1048576
	check_equal "the hook has mounted no second one" "$(gib_mounts)" /dev/hugepages1G
	guest_up_gib 1 giant 1024 "backing=$(page_backing $gib)" || return
	check "it has its page" pool_has 1/0 $gib
	guest_down giant
	check "the page is kept for the next one" wait_for "an idle page" pool_has 1/1 $gib
	guest_start giant || not_ok "which starts" "$start_error"
	check "with that page" pool_has 1/0 $gib
	guest_down giant
	wait_for "its end" pool_has 1/1 $gib
	pool_set $gib 0
}

# As Nova writes it into a guest's XML where file_backed_memory is set
nova_backing="<source type='file'/><access mode='shared'/><allocation mode='immediate'/><discard/>"

# nova_conf KEY: as nova-compute would read it
nova_conf() {
	in_ns python3 -c 'import configparser, sys
c = configparser.ConfigParser(); c.read(sys.argv[1]); print(c[sys.argv[2]][sys.argv[3]])' \
		"$conf_root/etc/nova/nova.conf.d/20-membacking.conf" "$@"
}

case_profiles_nova() {
	conf_begin
	device_make memory 256 ext4 || return
	in_ns mkdir -p /srv/memory
	store_config path=/srv/memory source=LABEL=memory fstype=ext4 mount=daemon
	check_match "the store has to be there first" "$(conf apply nova-file-backed 2>&1)" "/srv/memory"
	conf_apply file-backed
	check_match "libvirt's start has mounted it" "$(mounts_on /srv/memory)" " - ext4 "
	conf_apply nova-file-backed
	check_equal "the number is the store's" "$(nova_conf libvirt file_backed_memory)" \
		"$(($(in_ns stat -f -c '%b * %S' /srv/memory) / 1048576))"
	check_equal "nova-compute starts with that ratio" "$(nova_conf DEFAULT ram_allocation_ratio)" 1.0
	check_match "all is well" "$(membacking --root "$conf_root" check --json |
		jq -r '[.findings[] | select(.check == "nova").level] | unique | join(" ")')" '^(hint ?|pass ?)+$'
	guest_up instance 64 "backing=$nova_backing" &&
		check_match "its memory is in the store" "$(conf_guest_file /srv/memory instance)" \
			"^/srv/memory/libvirt/qemu/"
	guest_down instance
	check_equal "nothing is left in it" "$(conf_guest_file /srv/memory instance)" ""
	check "nova-file-backed is taken back" conf remove nova-file-backed
	check "file-backed is taken back" conf remove file-backed
	check "qemu.conf has its former bytes" cmp "$vm_state/qemu.conf.before" "$qemu_conf"
	conf_end
	in_ns umount /srv/memory
	config_write ""
}

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# File-backed memory: how its store is mounted, who is let in, what is seen of it.

# shellcheck source=tests/live/stores
. "$here/stores"
stores_open

safe_options="nosuid,nodev,noexec"

shared_cells() {
	echo "<cell id='0' cpus='0' memory='$1' unit='MiB' memAccess='shared'/><cell id='1' cpus='1' memory='$2' unit='MiB'/>"
}

case_a_tmpfs_with_a_size_and_huge_pages() {
	local plan
	store_config name=fast "path=$store_dir" fstype=tmpfs size=512M options=huge=always keep_free=0
	plan=$(planned_steps tmpfs 256 "backing=$file_backing")
	check_equal "the plan mounts it" "$(jq -c '[.[] | {kind, store, path, size_kib, mount}]' <<<"$plan")" \
		"[{\"kind\":\"store\",\"store\":\"fast\",\"path\":\"$store_dir\",\"size_kib\":262144,\"mount\":true}]"
	check_match "in words too" "$(membacking plan --xml /run/xml/tmpfs.xml)" "fast.*|.*$store_dir"
	check_not_mounted "planning mounts nothing"
	file_guest tmpfs 256 || return
	check_mounted "it is mounted" "$safe_options.* - tmpfs .*size=524288k.*huge=always"
	check_equal "the ledger lists the same step" \
		"$(guest_steps tmpfs '[.[] | {kind, store, path, size_kib}]')" \
		"$(jq -c '[.[] | {kind, store, path, size_kib}]' <<<"$plan")"
	check_equal "status shows the store" "$(store_status '{name,mounted,capacity_kib,promised_kib}')" \
		'{"name":"fast","mounted":true,"capacity_kib":524288,"promised_kib":262144}'
	check_match "and says so" "$(membacking status)" "fast.*$store_dir"
	check_equal "its memory is there" "$(in_ns stat -c %s "$(guest_file tmpfs)")" $((256 << 20))
	check_equal "everybody may pass through the base" "$(in_ns stat -c %a "$store_base")" 755
	guest_down tmpfs
	check_store_empty
	check_not_mounted "it is unmounted"
}

case_two_guests_share_an_ext4_with_a_label() {
	device_make memstore 640 ext4
	store_config "path=$store_dir" source=LABEL=memstore fstype=ext4
	file_guest one 128 || return
	check_mounted "it is mounted" "$safe_options.* - ext4 $device "
	file_guest two 128
	check_equal "once" "$(store_mounts | wc -l)" 1
	check_equal "both are promised their memory" "$(store_status .promised_kib)" 262144
	membacking reconcile >/dev/null
	check_equal "reconcile touches neither" "$(store_files | wc -l)" 4
	guest_down one
	check_mounted "it stays for the second"
	check_equal "whose files stay" "$(store_files | grep -c ram)" 1
	file_guest one 128
	guest_down two
	check_mounted "it stays for the first, who came back"
	guest_down one
	check_not_mounted "the last one unmounts it"
	check_store_empty
}

# On xfs, and the whole of a guest's life
case_a_guest_writes_its_memory() {
	local pid
	device_make memxfs 640 xfs
	store_config "path=$store_dir" "source=UUID=$(device_uuid memxfs)"
	guest_up writer 256 "backing=$file_backing" cmdline=touch=64 || return
	check_mounted "it is mounted by its UUID" "$safe_options.* - xfs $device "
	check "it writes" guest_says writer 'GUEST TOUCHED 64 MiB'
	pid=$(guest_pid writer)
	check_match "QEMU has its file mapped" "$(in_ns grep -m 1 "$store_base" "/proc/$pid/maps")" \
		"rw-s.*/[0-9]+-writer/pc.ram"
	check_equal "which has taken room" "$(in_ns du -k "$(guest_file writer)" | awk '{ print ($1 > 65536) }')" 1
	check_equal "status counts it" "$(store_status '.used_kib > 65536')" true
	check_equal "but promises it only once" "$(store_status .promised_kib)" 262144
	membacking reconcile >/dev/null
	check "reconcile leaves it alone" in_ns test -e "$(guest_file writer)"
	vm_stop_daemon
	vm_start_daemon
	check "so does a restart of libvirtd" in_ns test -e "$(guest_file writer)"
	check_equal "it runs" "$(ledger_phase writer)" running
	guest_down writer
	check_store_empty
	check_not_mounted "it is unmounted"
}

case_saved_and_restored() {
	local image=/var/lib/libvirt/saved.image
	store_config name=ram "path=$store_dir" fstype=tmpfs size=256M keep_free=0
	guest_up saved 64 "backing=$file_backing" || return
	check "it is saved" virsh save saved "$image"
	check_store_empty
	check_not_mounted "its store is unmounted"
	check "it is restored" virsh restore "$image"
	check_mounted "with its store" tmpfs
	check_equal "it runs" "$(ledger_phase saved)" running
	guest_down saved
	in_ns rm "$image"
	check_store_empty
	check_not_mounted "it is unmounted"
}

shmem_enabled=/sys/kernel/mm/transparent_hugepage/shmem_enabled

shmem_word() {
	sed 's/.*\[\(.*\)\].*/\1/' "$shmem_enabled"
}

# A tmpfs has a word of its own on huge pages, but "deny" is above it
case_a_tmpfs_is_denied_huge_pages() {
	local before thp=$'[thp]\nmanage = yes\nshmem_enabled = advise\n'
	local tmpfs=(name=ram "path=$store_dir" fstype=tmpfs size=128M keep_free=0 options=huge=advise)
	before=$(shmem_word)
	echo deny >"$shmem_enabled"
	store_config "${tmpfs[@]}"
	file_guest denied 32
	check_match "it is told so" "$(vm_syslog_text)" \
		"guest denied: .*shmem_enabled is 'deny'; set manage = yes and shmem_enabled = advise"
	guest_down denied
	store_config "${tmpfs[@]}" "$thp"
	file_guest allowed 32
	check_equal "where that is set it is allowed some" "$(shmem_word)" advise
	check_no_match "and nothing is in the way" "$(vm_syslog_text)" \
		"guest allowed: .*no transparent huge pages"
	guest_down allowed
	check_equal "afterwards it is as it was" "$(shmem_word)" deny
	echo "$before" >"$shmem_enabled"
	check_store_empty
}

# No hook is called for it, but its file is there, and what it can come to use counts
case_a_dimm_is_plugged_in() {
	local ledgers_before
	store_config name=ram "path=$store_dir" fstype=tmpfs size=128M keep_free=0
	file_guest plugged 32 maxmemory=1024 "cells=<cell id='0' cpus='0' memory='32' unit='MiB'/>" || return
	echo "<memory model='dimm'><target><size unit='MiB'>64</size><node>0</node></target></memory>" \
		>"$(ns_path /run/xml/plugged-dimm.xml)"
	check "it is plugged in" virsh attach-device plugged /run/xml/plugged-dimm.xml
	check_equal "it is promised" "$(store_status .promised_kib)" $((96 << 10))
	ledgers_before=$(ledgers)
	file_guest_refused "no room for as much again" "64 MiB.*lacks 32 MiB" large 64
	guest_down plugged
	check_store_empty
}

# From now on qemu.conf names another directory, and the daemon has not read it
set_memory_dir() {
	in_ns sed -i "s|^memory_backing_dir = .*|memory_backing_dir = \"$1\"|" /etc/libvirt/qemu.conf
}

restart_daemon() {
	vm_stop_daemon
	vm_start_daemon
}

daemon_note=/run/libvirt-membacking/daemon-conf
not_restarted="as it was at its start, with memory_backing_dir = \"$store_dir\": restart libvirtd"

case_qemu_conf_without_a_restart() {
	local ledgers_before
	config_write ""
	restart_daemon
	in_ns mkdir -p "$outside"
	# Whatever else is changed
	in_ns sh -c "echo '# a comment' >>/etc/libvirt/qemu.conf"
	file_guest touched 16
	guest_down touched
	ledgers_before=$(ledgers)
	set_memory_dir "$outside"
	file_guest_refused "the daemon is older" "$not_restarted" late 16
	check_match "plan says so" "$(membacking plan late 2>&1)" "restart libvirtd"
	check_match "so does check" "$(membacking check | tr -s '\n ' ' ')" \
		"FAIL store [^>]*as it was at its start.*-> systemctl restart libvirtd"
	restart_daemon
	if file_guest late 16; then
		check_match "its memory is where it should be" \
			"$(in_ns cat "/proc/$(guest_pid late)/maps")" "$outside/libvirt/qemu/[0-9]+-late/"
		guest_down late
	fi
	set_memory_dir "$store_dir"
	restart_daemon
	check_store_empty
}

# The hook was linked when the daemon ran already
case_qemu_conf_and_no_note() {
	local ledgers_before
	config_write ""
	ledgers_before=$(ledgers)
	# The file is older than the daemon, so what is in it was read
	sleep 3
	restart_daemon
	in_ns rm "$daemon_note"
	file_guest noted 16
	guest_down noted
	check "a start notes it" in_ns test -e "$daemon_note"
	set_memory_dir "$outside"
	file_guest_refused "a note of a start" "$not_restarted" late 16
	# Nothing is known of what it said before: that is no reason to refuse
	in_ns rm "$daemon_note"
	sleep 2
	set_memory_dir "$outside"
	file_guest doubted 16
	check_match "it is logged" "$(vm_syslog_text)" \
		"guest doubted: .*may still be put where it was before.*restart libvirtd"
	guest_down doubted
	set_memory_dir "$store_dir"
	restart_daemon
	check_store_empty
}

# What the daemon read is not known, so the guest starts: in the directory of before
case_files_in_the_old_directory() {
	local lies_in="\"$store_base\""
	config_write ""
	restart_daemon
	in_ns mkdir -p "$outside"
	in_ns rm "$daemon_note"
	sleep 2
	set_memory_dir "$outside"
	file_guest lost 16 || return
	check_match "its files are in the old directory" "$(store_files)" "[0-9]*-lost/pc.ram"
	check_equal "its ledger says so" "$(guest_steps lost '.[0].lies_in')" "$lies_in"
	check_match "it is logged" "$(vm_syslog_text)" \
		"guest lost: .*its memory files are in $store_base, not in $outside: libvirtd was not restarted.*; restart libvirtd, then the guest"
	check_match "status says so" "$(membacking status | tr -s '\n ' ' ')" \
		"16 MiB in $store_base .*restart libvirtd, then the guest"
	check_match "check warns" "$(membacking check | tr -s '\n ' ' ')" \
		"WARN record guest 'lost': its memory files are in $store_base"
	# Its directory is another one for libvirt, too, when the guest ends
	restart_daemon
	check_equal "the restart changes nothing" "$(guest_steps lost '.[0].lies_in')" "$lies_in"
	check_match "but what to do" "$(membacking status | tr -s '\n ' ' ')" \
		"it was started before libvirtd was restarted .*; restart the guest"
	guest_down lost
	check_store_empty
	# Without a ledger, as before we were installed
	set_memory_dir "$store_dir"
	restart_daemon
	file_guest lost 16 || return
	in_ns find /run/libvirt-membacking/guests -type f -delete
	set_memory_dir "$outside"
	restart_daemon
	check_equal "it is found at reconnect" "$(guest_steps lost '.[0].lies_in')" "$lies_in"
	guest_down lost
	check_store_empty
	set_memory_dir "$store_dir"
	restart_daemon
}

case_what_fstab_says() {
	device_make memfstab 64 ext4
	store_config "path=$store_dir"
	in_ns sh -c "echo '$device $store_dir ext4 noauto,noatime 0 0' >/run/fstab"
	file_guest fstab 16 || return
	check_mounted "it is mounted as fstab says" "$safe_options.*noatime.* - ext4 $device "
	guest_down fstab
	check_not_mounted "it is unmounted"
}

case_a_device_and_options_of_ones_own() {
	device_make memdev 64 ext4
	store_config "path=$store_dir" "source=$device" options=noatime,commit=30 unmount=never
	file_guest device 16 || return
	check_mounted "the type is found" "$safe_options.*noatime.* - ext4 $device .*commit=30"
	guest_down device
	check_mounted "it stays where that is wanted"
	check_store_empty
	file_guest device 16
	guest_down device
	check_equal "mounted once" "$(store_mounts | wc -l)" 1
	store_umount
}

case_mounted_with_the_daemon() {
	device_make memdaemon 64 ext4
	vm_stop_daemon
	store_config "path=$store_dir" "source=$device" mount=daemon
	vm_start_daemon
	check_mounted "before any guest" "$safe_options.* - ext4 $device "
	file_guest daemon 16
	guest_down daemon
	check_mounted "it stays after the last guest"
	check_store_empty
	vm_stop_daemon
	vm_start_daemon
	check_equal "a restart does not mount it again" "$(store_mounts | wc -l)" 1
	store_umount
}

case_mounted_by_the_administrator() {
	device_make memnever 64 ext4
	store_config name=mine "path=$store_dir" "source=$device" mount=never
	file_guest_refused "not mounted" "mine.*$store_dir|$store_dir.*mine" never 16
	check_not_mounted "we never mount it"
	in_ns mount "$device" "$store_dir"
	file_guest never 16
	guest_down never
	check_mounted "nor unmount it"
	check_equal "nothing is left of it" "$(store_files)" ""
	store_umount
}

case_something_else_is_mounted_there() {
	device_make memother 64 ext4
	store_config name=wanted "path=$store_dir" "source=$device" fstype=ext4
	in_ns mount -t tmpfs -o size=64m other "$store_dir"
	file_guest_refused "another file system" "wanted.*tmpfs|tmpfs.*wanted" other 16
	check_mounted "it is left alone" " - tmpfs other "
	store_umount
}

case_no_store_is_configured() {
	guest_up plain 64 "backing=$file_backing" || return
	check "QEMU reaches its file" in_ns test -e "$(guest_file plain)"
	check_equal "the step mounts nothing" "$(guest_steps plain '[.[] | {kind, size_kib, mount}]')" \
		'[{"kind":"store","size_kib":65536,"mount":false}]'
	guest_down plain
	check_store_empty
	check_not_mounted "nothing is mounted"
}

case_a_fresh_mount_of_the_administrator() {
	in_ns mount -t tmpfs -o size=128m,mode=755 fresh "$store_dir"
	guest_up fresh 64 "backing=$file_backing" || return
	check_equal "everybody may pass through the base" "$(in_ns stat -c %a "$store_base")" 755
	guest_down fresh
	in_ns sh -c "mkdir -p $store_base && chmod 700 $store_dir/libvirt $store_base"
	file_guest fresh 64
	guest_down fresh
	check_store_empty
	check_mounted "it stays"
	store_umount
}

case_a_part_of_the_memory_in_files() {
	store_config "path=$store_dir" fstype=tmpfs size=256M
	guest_define cell 96 "cells=$(shared_cells 64 32)"
	check_equal "one cell of two" "$(planned_steps cell 96 "cells=$(shared_cells 64 32)" | jq -c '[.[] | select(.kind == "store") | {kind, size_kib}]')" \
		'[{"kind":"store","size_kib":65536}]'
	check "it starts" virsh start --paused cell
	check_match "with one file" "$(store_files | tr '\n' ' ')" '^[0-9]+-cell [0-9]+-cell/ram-node0 $'
	guest_down cell
	guest_define dimm 64 maxmemory=1024 "cells=<cell id='0' cpus='0' memory='64' unit='MiB'/>" \
		"devices=<memory model='dimm' access='shared'><target><size unit='MiB'>128</size><node>0</node></target></memory>"
	check "a dimm starts" virsh start --paused dimm
	check_equal "only the dimm counts" "$(guest_steps dimm '[.[] | select(.kind == "store") | {kind, size_kib}]')" \
		'[{"kind":"store","size_kib":131072}]'
	check_match "its file" "$(store_files | tr '\n' ' ')" '^[0-9]+-dimm [0-9]+-dimm/dimm0 $'
	guest_down dimm
	check_store_empty
	check_not_mounted "it is unmounted"
}

case_huge_pages_win_over_files() {
	local backing
	backing="$(page_backing 2048)<source type='file'/><access mode='shared'/>"
	store_config "path=$store_dir" fstype=tmpfs size=64M
	check_equal "no store in the plan" "$(planned_steps huge 64 "backing=$backing" | jq -c '[.[].kind]')" \
		'["hugepages"]'
	guest_up huge 64 "backing=$backing" || return
	check_equal "but pages" "$(pool 2048 total)" 32
	check_not_mounted "nothing is mounted"
	guest_down huge
	check_empty
}

case_huge_pages_and_files_side_by_side() {
	store_config "path=$store_dir" fstype=tmpfs size=64M
	guest_define both 96 "cells=$(shared_cells 32 64)" \
		"backing=<hugepages><page size='2048' unit='KiB' nodeset='1'/></hugepages>"
	check "it starts" virsh start --paused both
	check_equal "32 pages and a file of 32 MiB" "$(pool 2048 total) $(guest_steps both '[.[] | select(.kind == "store").size_kib]')" \
		"32 [32768]"
	guest_down both
	check_empty
	check_not_mounted "the store goes with it"
}

# --- Who is let in ---

case_more_than_the_store_holds() {
	store_config name=small "path=$store_dir" fstype=tmpfs size=256M keep_free=0
	file_guest_refused "larger than all of it" "small.*(256 MiB|262144)" large 320
	check_not_mounted "a refused guest leaves no mount"
	file_guest inside 160 || return
	ledgers_before=$(ledgers)
	file_guest_refused "what is promised to whom" "small.*inside" late 128
	check_match "what is missing" "$start_error" "32 MiB|32768"
	ledgers_before=
	check_equal "the plan says it too" "$(membacking plan late >/dev/null 2>&1; echo $?)" 1
	file_guest fits 96
	guest_down inside
	guest_down fits
	check_store_empty
	check_not_mounted "it is unmounted"
}

# What a guest has written is gone from what is available: it must not count twice
case_written_memory_counts_once() {
	store_config "path=$store_dir" fstype=tmpfs size=384M keep_free=0
	guest_up written 192 "backing=$file_backing" cmdline=touch=96 || return
	check "it writes" guest_says written 'GUEST TOUCHED 96 MiB'
	file_guest beside 192
	guest_down written
	guest_down beside
	check_store_empty
}

case_a_part_is_kept_free() {
	store_config "path=$store_dir" fstype=tmpfs size=256M keep_free=50%
	file_guest_refused "more than half" "keep_free|kept free|keep.*free" half 160
	file_guest half 128
	guest_down half
	check_store_empty
}

case_more_than_the_hosts_memory() {
	store_config name=vast "path=$store_dir" fstype=tmpfs size=4T keep_free=0
	file_guest_refused "a tmpfs is memory" "vast.*memory" vast 2 unit=TiB
	check_not_mounted "no mount is left"
}

case_two_race_for_the_last_GiB() {
	local round wrong='' first second a b
	store_config "path=$store_dir" fstype=tmpfs size=1280M keep_free=0
	guest_define left 1024 "backing=$file_backing"
	guest_define right 1024 "backing=$file_backing"
	for round in 1 2 3; do
		virsh start --paused left >"$vm_state/left.out" 2>&1 &
		first=$!
		virsh start --paused right >"$vm_state/right.out" 2>&1 &
		second=$!
		wait "$first"; a=$?
		wait "$second"; b=$?
		[ $((a + b)) = 1 ] || wrong+=" $round: $a $b $(cat "$vm_state/left.out" "$vm_state/right.out")"
		guest_down left
		guest_down right
		[ -z "$(store_mounts)$(ledgers)" ] || wrong+=" $round: left: $(store_mounts) $(ledgers)"
	done
	check_equal "three times exactly one starts" "$wrong" ""
	check_store_empty
}

# The last one unmounts while the next one mounts
case_one_comes_while_the_last_one_goes() {
	local round wrong='' starter
	store_config "path=$store_dir" fstype=tmpfs size=256M keep_free=0
	guest_define coming 64 "backing=$file_backing"
	file_guest going 64 || return
	for round in 1 2 3; do
		virsh start --paused coming >"$vm_state/coming.out" 2>&1 &
		starter=$!
		guest_down going
		wait "$starter" || wrong+=" $round: $(cat "$vm_state/coming.out")"
		[ "$(store_mounts | wc -l)" = 1 ] || wrong+=" $round: mounts: $(store_mounts)"
		virsh start --paused going >/dev/null 2>"$vm_state/going.out" ||
			wrong+=" $round: $(cat "$vm_state/going.out")"
		guest_down coming
	done
	check_equal "three times" "$wrong" ""
	guest_down going
	check_not_mounted "it is unmounted"
	check_store_empty
}

# --- qemu.conf ---

case_qemu_conf_says_another_directory() {
	local line
	line=$(in_ns grep -n ^memory_backing_dir /etc/libvirt/qemu.conf)
	store_config name=elsewhere path=/run/elsewhere fstype=tmpfs size=64M
	in_ns mkdir -p /run/elsewhere
	file_guest_refused "they differ" "line ${line%%:*} of [^ ]*qemu.conf" differ 16
	check_match "it names the setting" "$start_error" "memory_backing_dir"
	check_match "and the store" "$start_error" "/run/elsewhere"
	check_equal "nothing is mounted" "$(mounts_on /run/elsewhere)" ""
}

case_a_bad_value_in_the_configuration() {
	config_write $'[store]\nmount = sometimes'
	file_guest_refused "file and line" "membacking.conf:2" bad 16
	guest_up none 32 && guest_down none
}

# Without memory_backing_dir guests' directories lie right in libvirt's own one.  The
# daemon's locale decides how many bytes of a Chinese name are in the directory's
case_qemu_conf_says_nothing() {
	local name=内存文件支持的虚拟机测试名称超过二十个汉字的情况 dir=/var/lib/libvirt/qemu/ram id
	vm_stop_daemon
	in_ns sed -i 's/^memory_backing_dir/#&/' /etc/libvirt/qemu.conf
	vm_locale=C.UTF-8
	vm_start_daemon
	id=$(next_id)
	in_ns mkdir -p "$dir/$id-${name:0:20}"
	old_bytes 16 >"$(ns_path "$dir/$id-${name:0:20}/pc.ram")"
	file_guest "$name" 16
	check "its directory is named by 20 characters" in_ns test -e "$dir/$id-${name:0:20}/pc.ram"
	check "none of the old bytes is in it" has_no_old_bytes "$dir/$id-${name:0:20}/pc.ram"
	in_ns mkdir "$dir/99-gone"
	membacking reconcile >/dev/null
	check_equal "others' leftovers are swept" "$(in_ns ls "$dir")" "$id-${name:0:20}"
	guest_down "$name"
	check_equal "nothing is left of it" "$(in_ns ls "$dir")" ""
	vm_stop_daemon
	in_ns sed -i 's/^#memory_backing_dir/memory_backing_dir/' /etc/libvirt/qemu.conf
	# shellcheck disable=SC2034 # for vm_start_daemon
	vm_locale=C
	vm_start_daemon
	check_equal "no ledger is left" "$(ledgers)" ""
}

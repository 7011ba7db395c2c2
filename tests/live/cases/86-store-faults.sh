# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Stores in trouble: leftovers, links, full and vanished file systems, crashes.

# shellcheck source=tests/live/stores
. "$here/stores"
stores_open

# A store on a device; what the commands put there lies there before its first guest
device_store() {
	local name=$1
	shift
	device_make "$name" 320 ext4
	store_config name="$name" "path=$store_dir" "source=$device" keep_free=0 "$@"
}

with_device_mounted() {
	in_ns mount "$device" "$store_dir"
	"$@"
	in_ns umount "$store_dir"
}

tmpfs_store() {
	store_config name=ram "path=$store_dir" fstype=tmpfs "size=$1" keep_free=0 "${@:2}"
}

# --- Leftovers in a guest's place ---

case_old_bytes_in_a_guests_place() {
	local id size
	device_store leftover
	for size in 64 32 0; do
		id=$(next_id)
		with_device_mounted store_plant "$id-planted" pc.ram old_bytes "$size"
		file_guest planted 64 || continue
		check_equal "it is guest $id" "$(virsh domid planted | head -n 1)" "$id"
		check_equal "$size MiB lay there: its file is its own" "$(in_ns stat -c %s "$(guest_file planted)")" \
			$((64 << 20))
		check "none of the old bytes is in it" has_no_old_bytes "$(guest_file planted)"
		guest_down planted
		check_store_empty
	done
	check_not_mounted "it is unmounted"
}

plant_directory_link() {
	make_base
	in_ns ln -s "$outside/guest" "$store_base/$1"
	in_ns chown -h libvirt-qemu "$store_base/$1"
}

plant_file_link() {
	make_base
	in_ns mkdir "$store_base/$1"
	in_ns ln -s "$outside/guest/pc.ram" "$store_base/$1/pc.ram"
	in_ns chown -hR libvirt-qemu "$store_base/$1"
}

plant_hard_link() {
	make_base
	in_ns mkdir "$store_base/$1"
	old_bytes 64 >"$(ns_path "$store_dir/precious")"
	in_ns ln "$store_dir/precious" "$store_base/$1/pc.ram"
	in_ns chown libvirt-qemu "$store_base/$1"
}

plant_outside() {
	in_ns mkdir -p "$outside/guest"
	old_bytes 64 >"$(ns_path "$outside/guest/pc.ram")"
	outside_was=$(outside_now)
}

outside_now() {
	in_ns find "$outside" -printf '%P %s %T@ %C@ %m %u\n'
}

precious_now() {
	in_ns sh -c "stat -c '%s %h' $store_dir/precious; grep -c -a OLD.MEMORY $store_dir/precious" 2>&1
}

case_links_in_a_guests_place() {
	local id kind sum
	device_store links
	plant_outside
	for kind in directory file hard; do
		id=$(next_id)
		with_device_mounted "plant_${kind}_link" "$id-linked"
		file_guest linked 64 || continue
		check "$kind link: its directory is its own" in_ns test -d "$store_base/$id-linked" -a ! -L "$store_base/$id-linked"
		check "$kind link: its file too" has_no_old_bytes "$(guest_file linked)"
		check_equal "$kind link: nothing outside is touched" "$(outside_now)" "$outside_was"
		[ "$kind" != hard ] || sum=$(precious_now)
		guest_down linked
		check_store_empty
	done
	check_equal "the other name of a hard link has its content" "${sum//$'\n'/ }" \
		"$((64 << 20)) 1 $(old_bytes 64 | wc -l)"
}

# ln_base BELOW: "libvirt" or "libvirt/qemu" leads outside
ln_base() {
	in_ns rm -rf "$store_dir/libvirt"
	[ "$1" = libvirt ] || in_ns mkdir "$store_dir/libvirt"
	in_ns ln -s "$outside/$1" "$store_dir/$1"
}

case_links_above_the_guests_place() {
	local id below
	device_store above
	plant_outside
	for below in libvirt libvirt/qemu; do
		id=$(next_id)
		in_ns mkdir -p "$outside/libvirt/qemu/$id-above" "$outside/libvirt/qemu/qemu/$id-above"
		outside_was=$(outside_now)
		with_device_mounted ln_base "$below"
		file_guest_refused "$below is a link" "$store_dir.*link|link.*$store_dir" above 64
		check_not_mounted "$below is a link: no mount is left"
		in_ns mount "$device" "$store_dir"
		membacking reconcile >/dev/null 2>&1
		in_ns umount "$store_dir"
		check_equal "$below is a link: nothing outside is touched" "$(outside_now)" "$outside_was"
	done
}

case_names_that_are_hard_to_cut() {
	local id name cut
	device_store names
	for name in vm内存文件支持的虚拟机测试名称超过二十个汉字的情况 größer-als-zwanzig-Zeichen-und-mit-Umlauten; do
		id=$(next_id)
		# In the daemon's locale, C, a byte is a character.  libvirt itself fails
		# where the 20th byte is in the middle of one
		cut=$(LC_ALL=C; echo "${name:0:20}")
		with_device_mounted store_plant "$id-$cut" pc.ram old_bytes 64
		file_guest "$name" 64 || continue
		check_equal "$name: its directory" "$(store_files | head -n 1)" "$id-$cut"
		check "$name: none of the old bytes" has_no_old_bytes "$store_base/$id-$cut/pc.ram"
		guest_down "$name"
		check_store_empty
	done
}

# libvirt can't start those, but a hook must bear them
case_a_name_of_300_bytes() {
	local name
	name=$(printf 'n%.0s' {1..300})
	device_store long
	with_device_mounted store_plant "5-${name:0:20}" pc.ram old_bytes 64
	guest_xml "$name" 64 "backing=$file_backing" | sed "s/<domain /&id='5' /" >"$vm_state/hook.xml"
	hook_call "$name" prepare begin <"$vm_state/hook.xml"
	check_equal "prepare" "$hook_status/$hook_out/$hook_err" "0//"
	check_equal "the leftover is gone" "$(store_files)" ""
	hook_call "$name" release end <"$vm_state/hook.xml"
	check_equal "release" "$hook_status/$hook_out/$hook_err" "0//"
	check_store_empty
	check_not_mounted "it is unmounted"
}

# --- File systems in trouble ---

case_the_store_is_full() {
	device_store full
	with_device_mounted in_ns fallocate -l 200M "$store_dir/somebodys.file"
	file_guest_refused "somebody's file is in the way" "full.*(missing|short|only|available|free)" late 128
	check_not_mounted "no mount is left"
	with_device_mounted in_ns rm "$store_dir/somebodys.file"
	file_guest late 128
	guest_down late
	check_store_empty
}

case_the_store_fills_up_while_guests_run() {
	tmpfs_store 256M
	file_guest first 64 || return
	in_ns sh -c "head -c 256M /dev/zero >$store_dir/fill 2>/dev/null"
	ledgers_before=$(ledgers)
	file_guest_refused "the next one" "ram.*" second 64
	ledgers_before=
	check "status" membacking status
	check "reconcile" membacking reconcile
	check_equal "the first one is still there" "$(virsh list --name | head -n 1)" first
	vm_stop_daemon
	vm_start_daemon
	check_equal "also after a restart of libvirtd" "$(ledger_phase first)" running
	guest_down first
	check_not_mounted "all is given back"
	check_store_empty
}

case_the_store_is_read_only() {
	device_store readonly options=ro
	file_guest_refused "mounted so by us" "[Rr]ead-only" ro 16
	check_not_mounted "no mount is left"
	store_config name=readonly "path=$store_dir" mount=never
	in_ns mount -o ro "$device" "$store_dir"
	file_guest_refused "mounted so by somebody" "[Rr]ead-only" ro 16
	in_ns mount -o remount,rw "$store_dir"
	file_guest ro 16
	in_ns mount -o remount,ro "$store_dir" 2>/dev/null
	guest_down ro
	check_equal "no ledger is left" "$(ledgers)" ""
	store_umount
}

case_unmounted_while_a_guest_runs() {
	device_store vanished
	file_guest first 64 || return
	in_ns umount -l "$store_dir"
	check "reconcile" membacking reconcile
	check "status" membacking status
	file_guest second 64
	check_mounted "the next one mounts it again" "ext4 $device "
	guest_down first
	check_mounted "it stays for that one"
	membacking reconcile >/dev/null
	check_match "what the first one left is swept" "$(store_files | tr '\n' ' ')" '^[0-9]+-second [0-9]+-second/pc.ram $'
	in_ns umount -l "$store_dir"
	guest_down second
	check_equal "no ledger is left" "$(ledgers)" ""
	check_not_mounted "nothing is mounted"
	file_guest third 64
	guest_down third
	membacking reconcile >/dev/null
	check_not_mounted "all is given back"
}

case_unmounted_between_guests() {
	device_store between unmount=never
	file_guest first 64 || return
	guest_down first
	in_ns umount "$store_dir"
	file_guest second 64
	check_mounted "it is mounted again" "ext4 $device "
	guest_down second
	store_umount
	check_store_empty
}

# Another one in its place is not the store, and nobody's to unmount
case_replaced_while_a_guest_runs() {
	device_store replaced
	file_guest first 64 || return
	in_ns umount -l "$store_dir"
	in_ns mount -t tmpfs -o size=64m stranger "$store_dir"
	guest_down first
	check_mounted "the stranger stays" "tmpfs stranger"
	check_equal "no ledger is left" "$(ledgers)" ""
	store_umount
	with_device_mounted in_ns rm -rf "$store_dir/libvirt"
}

case_the_device_is_missing() {
	local source
	for source in /dev/nothing-here LABEL=nothing-here UUID=4d656d62-0000-4000-8000-000000000000; do
		store_config name=missing "path=$store_dir" "source=$source"
		file_guest_refused "$source" "missing.*${source#*=}|${source#*=}.*missing" nowhere 16
		check_not_mounted "$source: nothing is mounted"
	done
	guest_up unconcerned 32
	guest_down unconcerned
}

case_no_mount_point() {
	store_config name=pointless path=/run/no/such/directory fstype=tmpfs size=64M
	in_ns sed -i "s|^memory_backing_dir.*|memory_backing_dir = \"/run/no/such/directory\"|" /etc/libvirt/qemu.conf
	file_guest_refused "the directory is missing" "/run/no/such/directory" pointless 16
	in_ns sed -i "s|^memory_backing_dir.*|memory_backing_dir = \"$store_dir\"|" /etc/libvirt/qemu.conf
}

case_a_device_full_of_garbage() {
	device_make garbage 64 garbage
	store_config name=garbage "path=$store_dir" "source=$device"
	file_guest_refused "no type is found" "garbage.*$device|$device.*garbage" garbage 16
	store_config name=garbage "path=$store_dir" "source=$device" fstype=ext4
	file_guest_refused "no superblock" "garbage.*$device|$device.*garbage" garbage 16
	check_not_mounted "nothing is mounted"
}

# --- Crashes ---

case_libvirtd_and_QEMU_are_killed() {
	device_store crashed
	file_guest first 64 || return
	file_guest second 64
	crash first second
	in_ns chown -R libvirt-qemu "$store_base"
	check "their directories are still there" in_ns test "$(store_files | wc -l)" = 4
	check "reconcile" membacking reconcile
	check_store_empty
	check_not_mounted "it is unmounted"
	vm_start_daemon
}

case_the_next_guest_settles_a_crash() {
	device_store settled
	file_guest dead 64 || return
	crash dead
	in_ns rm -f /run/libvirt/qemu/dead.xml
	vm_start_daemon
	file_guest living 64
	check_match "only its own directory is there" "$(store_files | tr '\n' ' ')" \
		'^[0-9]+-living [0-9]+-living/pc.ram $'
	guest_down living
	check_store_empty
	check_not_mounted "it is unmounted"
}

case_a_leftover_that_is_still_open() {
	local holder_of file
	device_store held
	file_guest held 64 || return
	file=$(guest_file held)
	holder_of=$(in_ns sh -c "sleep 1d <'$file' >/dev/null 2>&1 & echo \$!")
	crash held
	membacking reconcile >/dev/null 2>&1
	check "the file stays" in_ns test -e "$file"
	check_mounted "and its mount"
	check_equal "the ledger remembers it" "$(ledgers)" "$(guest_uuid held)"
	in_ns kill "$holder_of"
	wait_for "its end" no_process "$holder_of"
	check "reconcile" membacking reconcile
	check_store_empty
	check_not_mounted "it is unmounted"
	vm_start_daemon
}

# The machine has started again: another boot's ledgers, and a store that kept its files
case_the_host_was_restarted() {
	device_store rebooted unmount=never
	file_guest before 64 || return
	file_guest other 64
	crash before other
	in_ns sh -c 'sed -i "s/\(\"boot_id\": *\"\)[^\"]*/\14d656d62-0000-4000-8000-000000000000/" /run/libvirt-membacking/guests/*'
	check "reconcile" membacking reconcile
	check_store_empty
	store_umount
	vm_start_daemon
}

# Nothing of ours is remembered, but the daemon's hook mounts the store and looks
case_the_host_was_restarted_and_libvirtd_mounts() {
	device_store swept mount=daemon
	vm_stop_daemon
	in_ns rm -rf /run/libvirt-membacking
	with_device_mounted store_plant 7-somebody pc.ram old_bytes 1
	vm_start_daemon
	check_mounted "it is mounted" "ext4 $device "
	check_store_empty
	store_umount
}

case_a_sweep_takes_no_more_than_it_should() {
	local kept='' wanted
	file_guest ours 16 || return
	file_guest lost 16
	in_ns rm "/run/libvirt-membacking/guests/$(guest_uuid lost)"
	wanted=$(store_files)
	store_plant 7-somebody pc.ram old_bytes 1
	store_plant 8-somebody ram-node0 old_bytes 1
	in_ns mkdir "$store_base/9-empty"
	in_ns ln -s "$outside" "$store_base/10-link"
	plant_outside
	membacking reconcile >/dev/null
	check_equal "what belongs to no running guest is swept" "$(store_files)" "$wanted"
	check_equal "nothing outside" "$(outside_now)" "$outside_was"
	in_ns mkdir -p "$store_base/lost+found" "$store_base/7" "$store_base/x-7" "$store_base/7-sub/dir"
	in_ns touch "$store_base/7-file" "$store_base/7-sub/dir/file"
	kept=$(store_files)
	membacking reconcile >/dev/null
	check_equal "what is no guest's directory is not" "$(store_files)" "$kept"
	in_ns sh -c "cd $store_base && rm -rf lost+found 7 x-7 7-sub 7-file"
	vm_stop_daemon
	store_plant 7-somebody pc.ram old_bytes 1
	vm_start_daemon
	check_equal "a start of libvirtd sweeps the same" "$(store_files)" "$wanted"
	guest_down ours
	guest_down lost
	check_store_empty
}

# Another host's guest may be alive there: nothing here could tell
case_a_sweep_stays_away_from_other_hosts() {
	far_store_mount
	membacking reconcile >/dev/null
	check_equal "reconcile leaves the directory" "$(store_files | tail -n 1)" 7-somebody/pc.ram
	vm_stop_daemon
	vm_start_daemon
	check_equal "so does a start of libvirtd" "$(store_files | tail -n 1)" 7-somebody/pc.ram
	store_umount
}

# The other end does not answer: a guest that needs that store is told so, others go on.  By
# hand, since libvirt itself would wait for it
case_a_store_that_does_not_answer() {
	local server
	far_store_mount
	store_config name=far "path=$store_dir" fstype=fuse.far-store mount=never keep_free=0
	server=$(in_ns pidof far-store)
	guest_xml waits 16 "backing=$file_backing" >"$vm_state/waits.xml"
	hook_call waits prepare begin <"$vm_state/waits.xml"
	check_equal "it answers" "$hook_status/$hook_out/$hook_err" "0//"
	in_ns kill -USR1 "$server"
	hook_call waits release end <"$vm_state/waits.xml"
	check_match "release gives up" "$hook_status $hook_err" "1 .*$store_dir does not answer"
	guest_xml lives 64 "backing=$(page_backing 2048)" >"$vm_state/lives.xml"
	hook_call lives prepare begin <"$vm_state/lives.xml"
	check_equal "a guest with huge pages" "$hook_status/$hook_out/$hook_err" "0//"
	guest_xml next 16 "backing=$file_backing" >"$vm_state/next.xml"
	hook_call next prepare begin <"$vm_state/next.xml"
	check_equal "a guest in that store: exit status" "$hook_status" 1
	check_match "and why" "$hook_err" "guest 'next': .*$store_dir does not answer"
	check_match "status says it" "$(membacking status 2>&1)" "does not answer"
	hook_call lives release end <"$vm_state/lives.xml"
	in_ns kill -KILL "$server"
	store_umount
	membacking reconcile >/dev/null
	check_equal "the rest is settled" "$(ledgers)" ""
}

# Its ledger is lost, but QEMU is there: nobody may unmount below it
case_a_mount_whose_guest_has_lost_its_ledger() {
	device_store lost
	file_guest lost 64 || return
	in_ns rm "/run/libvirt-membacking/guests/$(guest_uuid lost)"
	file_guest next 64
	guest_down next
	check "its file is still there" in_ns test -e "$(guest_file lost)"
	check_equal "it still runs" "$(virsh list --name | head -n 1)" lost
	guest_down lost
	membacking reconcile >/dev/null
	check_store_empty
	store_umount
}

# --- The hook itself is killed ---

# slow_hook: prepare takes its time at everything that has to do with files, and
# says who it is
slow_hook() {
	in_ns rm /etc/libvirt/hooks/qemu.d/50-membacking
	cat >"$(ns_path /etc/libvirt/hooks/qemu.d/50-membacking)" <<-'SCRIPT'
		#!/bin/sh
		hook=/usr/sbin/libvirt-membacking-qemu-hook
		[ "$2" = prepare ] || exec $hook "$@"
		echo $$ >/run/slow-hook.pid
		exec strace -D -f -o /dev/null -e trace=openat,openat2,mkdirat,renameat,statfs,fstatfs \
			-e inject=openat,openat2,mkdirat,renameat,statfs,fstatfs:delay_enter=20000 $hook "$@"
	SCRIPT
	in_ns chmod 755 /etc/libvirt/hooks/qemu.d/50-membacking
}

usual_hook() {
	in_ns ln -sf /usr/sbin/libvirt-membacking-qemu-hook /etc/libvirt/hooks/qemu.d/50-membacking
	in_ns rm -f /run/slow-hook.pid
}

kill_hook() {
	in_ns kill -KILL "$(in_ns cat /run/slow-hook.pid)"
}

kill_hook_when_mounted() {
	wait_for "the hook's mount" store_is_mounted && kill_hook
}

case_the_hook_is_killed_after_its_mount() {
	device_store interrupted
	guest_define killed 64 "backing=$file_backing"
	slow_hook
	virsh start --paused killed >"$vm_state/killed.out" 2>&1 &
	check "it is killed" kill_hook_when_mounted
	wait $!
	check_match "the start fails" "$(cat "$vm_state/killed.out")" "signal 9|SIGKILL|Killed"
	usual_hook
	check_not_mounted "libvirt's release gives all back"
	check_store_empty
	file_guest killed 64
	guest_down killed
	check_not_mounted "the next start is like any"
}

case_the_hook_is_killed_with_libvirtd() {
	device_store interrupted
	guest_define killed 64 "backing=$file_backing"
	slow_hook
	virsh start --paused killed >/dev/null 2>&1 &
	wait_for "the hook's mount" store_is_mounted
	vm_kill_daemon
	kill_hook
	wait $!
	usual_hook
	check_mounted "the mount is left"
	check "reconcile" membacking reconcile
	check_not_mounted "one reconcile gives all back"
	check_store_empty
	vm_start_daemon
}

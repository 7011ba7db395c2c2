# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # variables of tests/live/run and what it reads, and for them
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A paged Linux guest that has pages in a file: ext4 on a loop device on a disk that fails, hangs or
# lies when it is told to (tests/pager/flawed_disk.c).  The pager is killed while it writes there, another
# user fills the file system, and the guest ends while the disk does not answer.
#
# LIVE_LONG=yes: before that, the guest is dumped, saved, and a snapshot is taken.

# shellcheck source=tests/live/cases/96-overcommit.sh
. "$here/cases/96-overcommit.sh"

disk_dir=/var/lib/libvirt/tier
device=

# disk COMMAND: see tests/pager/flawed_disk.c
disk() {
	local lines
	lines=$(wc -l <"$vm_state/disk.out")
	echo "$1" 1<>"$vm_state/disk.in"
	wait_for "the disk's answer" disk_has_said $((lines + 1)) ||
		not_ok "the disk is told: $1" "no answer"
}

disk_has_said() {
	[ "$(wc -l <"$vm_state/disk.out")" -ge "$1" ]
}

# All of it is in the namespaces, and ends with them.  Without a journal a failure does not last
disk_opens() {
	local number
	rm -f "$vm_state"/disk.*
	mkfifo "$vm_state/disk.in"
	truncate -s 400M "$vm_state/disk.backing"
	in_ns mkdir -p /run/flawed "$disk_dir"
	nsenter -t "$vm_pid" -m -p -- "$vm_build/tests/pager/flawed_disk" /run/flawed \
		"$vm_state"/disk.{unused,backing} <>"$vm_state/disk.in" >"$vm_state/disk.out" 2>&1 &
	check "there is a disk" wait_for "the disk" grep -q ready "$vm_state/disk.out"
	number=$(losetup -f)
	device=$number
	number=${number#/dev/loop}
	in_ns test -e /dev/loop-control || in_ns mknod -m 600 /dev/loop-control c 10 237
	in_ns test -e "$device" || in_ns mknod -m 600 "$device" b 7 "$number"
	check "and a device" in_ns losetup --direct-io=on "$device" /run/flawed/device
	check "with a file system" in_ns mkfs.ext4 -q -m 0 -O ^has_journal "$device"
	check "that is mounted" in_ns mount -t ext4 -o noatime "$device" "$disk_dir"
	# It ends with the mount
	in_ns losetup -d "$device"
}

disk_closes() {
	check "the file system is unmounted" in_ns umount "$disk_dir"
	check "the disk's is, too" wait_for "that" in_ns umount /run/flawed
	check "the device is gone" wait_for "that" device_is_gone
}

device_is_gone() {
	[ -z "$(losetup -n "$device" 2>/dev/null)" ]
}

# tiers FILE_MIB
tiers() {
	config_write "[overcommit]
tiers = same-filled, ram:8M, file:$disk_dir/pages:$1M
headroom = 1M"
}

in_file() {
	[ "$(paged 'tiers[] | select(.name == "file").kib')" -ge "$1" ]
}

# guest_on_disk_is_up: half of what it uses is resident, and the most of the rest is in the file
guest_on_disk_is_up() {
	verified_mib=112 paged_resident=96M paged_words=
	paged_parts=()
	paged_takes_commands
	disk_opens
	disk_is_filled
	tiers 300
	paged_guest_is_up
	[ -z "$start_error" ] || return 1
	the_disk_is_full
	check "pages are in the file" wait_for "pages" in_file 16384
}

# Another user leaves 64 MiB, of which the guest needs twice as much
disk_is_filled() {
	local room
	room=$(in_ns df --output=avail -B1M "$disk_dir" | tail -n 1)
	check "another user fills the file system" in_ns fallocate -l "$((room - 64))M" "$disk_dir/filler"
}

the_disk_is_full() {
	alarm "an alarm says that there is no room" 'takes more|No space left'
	comes_on "without room"
	pagerd_kill KILL
	pagerd_start
	alarm "so does the next pager's" 'takes more|No space left'
	comes_on "without room, another pager"
	check "there is room again" in_ns rm "$disk_dir/filler"
	check "the limit is kept" wait_for "the limit" resident_below $paged_limit_kib
	check "with room no alarm is left" wait_for "no alarm" alarm_is '^null$'
}

# alarm TITLE PATTERN: is raised
alarm() {
	check "$1" wait_for "an alarm" alarm_is "$2"
}

# trouble_ends TITLE: the disk works again
trouble_ends() {
	disk works
	check "$1: no alarm is left" wait_for "no alarm" alarm_is '^null$'
	comes_on "$1"
}

# With LIVE_LONG=yes, since 98-migration.sh has the same without a disk
is_read_as_a_whole() {
	local images=/var/lib/libvirt/images
	check "it is dumped" virsh dump paged $images/dump --live --memory-only
	all_right "dumped"
	check "a snapshot is taken" virsh snapshot-create-as paged s --live --no-metadata \
		--memspec "file=$images/snapshot"
	all_right "a snapshot"
	in_ns rm -f $images/snapshot $images/dump
	check "it is saved" virsh save paged $images/saved
	check_equal "saved, it has no page in the file" "$(paged resident_kib)" null
	check "it is restored" virsh restore $images/saved
	check "pages are in the file again" wait_for "pages" in_file 8192
	all_right "restored"
}

tier_limit_is() {
	[ "$(membacking overcommit status --json |
		jq '.tiers[] | select(.name == "file").limit_kib')" = "$1" ]
}

the_pager_is_killed() {
	local n
	for n in 1 2; do
		sleep "0.$((RANDOM % 10))"
		pagerd_kill KILL
		pagerd_start
	done
	all_right "the pager was killed twice while it writes there"
	tiers 250
	in_ns kill -HUP "$pagerd_pid"
	check "other sizes are read" wait_for "the size" tier_limit_is 256000
}

the_disk_fails() {
	disk "fails read"
	alarm "it can't be read: an alarm says so" 'cannot read: Input/output error'
	trouble_ends "read again"
	disk "fails write"
	alarm "nor written" 'stay in RAM|takes more|tiers are full'
	trouble_ends "written again"
	disk zeros
	alarm "it gives zeros" 'a page there is not what was put there'
	trouble_ends "without zeros"
}

the_disk_hangs() {
	disk hangs
	alarm "it does not answer" 'does not answer'
	pagerd_kill KILL
	pagerd_start
	trouble_ends "it answers again, another pager"
	all_right "after all that"
	disk hangs
	alarm "it does not answer once more" 'does not answer'
	check "the guest can be ended" timeout 40 nsenter -t "$vm_pid" -m -p -n -i -u -- \
		virsh -q -c qemu:///system destroy paged
	check "no record is left then" wait_for "no record" no_ledgers
	disk works
}

# It was ended already
guest_on_disk_is_gone() {
	check "the pager forgets it" wait_for "no guest" forgotten
	pagerd_kill TERM
	check_equal "no file of the pager's is left" "$(pager_files)" ""
	membacking overcommit disable paged >/dev/null
	disk_closes
}

case_a_disk_with_pages_of_a_guest_fails() {
	guest_on_disk_is_up || return
	[ "${LIVE_LONG-}" != yes ] || is_read_as_a_whole
	the_pager_is_killed
	the_disk_fails
	the_disk_hangs
	guest_on_disk_is_gone
}

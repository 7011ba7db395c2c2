# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # variables of tests/live/run and what it reads, and for them
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Paged guests that change while they run: memory comes and goes, they are reset, boot again and
# stand, and the pager is killed meanwhile.  After each of that every byte that the guest checks is
# right, and the pager pages what the guest has.
#
# LIVE_LONG=yes: the pager is killed also while a dimm is unplugged, and there is more than a dimm: a
# balloon, virtio-mem, a reset, a reboot and a pause.

# shellcheck source=tests/live/cases/96-overcommit.sh
. "$here/cases/96-overcommit.sh"

dimm_kib=131072

# changing_guest_is_up TIERS: tiers have that limit
changing_guest_is_up() {
	config_write "[overcommit]
tiers = same-filled, ram:$1
headroom = 1M"
	verified_mib=80
	paged_words="memhp_default_state=online_movable"
	paged_parts=("maxmemory=2048" "cells=<cell id='0' cpus='0-1' memory='256' unit='MiB'/>")
	paged_takes_commands
	paged_guest_is_up
	[ -z "$start_error" ] || return 1
	check "the pager keeps its limit" wait_for "the limit" resident_below $paged_limit_kib
}

size_is() {
	[ "$(paged size_kib)" = "$1" ]
}

# paged_size TITLE KIB
paged_size() {
	check "$1" wait_for "the size" size_is "$2"
}

# memory_device NAME MODEL MIB MORE: its XML for virsh
memory_device() {
	echo "<memory model='$2'><target><size unit='MiB'>$3</size><node>0</node>${4-}</target></memory>" \
		>"$(ns_path "/run/xml/$1.xml")"
}

# Of another guest: its tiers must have room beside what this one was promised
other_would_start() {
	local said
	said=$(membacking plan other 2>&1)
	if [[ $said == *"promised to other guests"* ]]; then echo no; else echo yes; fi
}

# The guest has to move what is in there, and is asked in time: its pages may be out
dimm_goes() {
	guest_does rest rests
	check "the dimm is unplugged" virsh detach-device paged /run/xml/dimm.xml --live
}

dimm_goes_while_the_pager_is_killed() {
	dimm_goes
	pagerd_kill KILL
	pagerd_start
	paged_size "unplugged while the pager was killed, it is gone" 262144
	guest_command work
	all_right "unplugged while the pager was killed"
}

case_a_paged_guest_gets_and_loses_a_dimm() {
	changing_guest_is_up 400M || return
	guest_write other 256
	virsh define /run/xml/other.xml >/dev/null
	membacking overcommit enable other --resident 96M --yes >/dev/null
	check_equal "another guest has room beside it" "$(other_would_start)" yes

	memory_device dimm dimm 128
	check "a dimm is plugged in" virsh attach-device paged /run/xml/dimm.xml --live
	paged_size "it is paged" $((262144 + dimm_kib))
	guest_does "more 32" more
	all_right "with a dimm"
	check_equal "the other one has no room beside that" "$(other_would_start)" no
	pagerd_kill KILL
	pagerd_start
	paged_size "the next pager has it, too" $((262144 + dimm_kib))
	all_right "with a dimm, and the pager killed"
	dimm_goes
	paged_size "the pager has let it go" 262144
	guest_command work
	all_right "without the dimm"
	check_equal "the other guest has its room again" "$(other_would_start)" yes

	pagerd_kill KILL
	check "a dimm is plugged in while no pager runs" \
		virsh attach-device paged /run/xml/dimm.xml --live
	pagerd_start
	paged_size "the next pager finds it" $((262144 + dimm_kib))
	all_right "plugged in without a pager"
	[ "${LIVE_LONG-}" != yes ] || dimm_goes_while_the_pager_is_killed
	paged_guest_goes
	membacking overcommit disable other >/dev/null
}

# virtio_mem MIB: so much of it is asked for, and the guest has it
virtio_mem() {
	check "virtio-mem: $1 MiB are asked for" \
		virsh update-memory-device paged --requested-size "$1M" --live
	check "virtio-mem: the guest has $1 MiB" wait_for "its size" virtio_mem_is $(($1 * 1024))
}

virtio_mem_is() {
	virsh dumpxml paged | grep -q "<current unit='KiB'>$1</current>"
}

# boots_anew COMMAND...: and the guest begins once more
boots_anew() {
	local before
	before=$(guest_serial paged | grep -c "GUEST ready")
	"$@"
	check "it is ready again" guest_says paged "GUEST ready" $((before + 1))
	check "and checks" wait_for "checks" has_begun
}

has_begun() {
	guest_serial paged | tac | sed '/GUEST ready/q' | grep -q "GUEST figures"
}

case_a_paged_guest_changes_its_size_and_boots_again() {
	local before
	[ "${LIVE_LONG-}" = yes ] || return 0
	changing_guest_is_up 600M || return
	check "the guest's balloon is told" virsh setmem paged 232M --live
	check "it gives memory" wait_for "its size" balloon_is 237568
	all_right "with a balloon"
	pagerd_kill KILL
	virsh setmem paged 256M --live
	pagerd_start
	check "it has its memory again" wait_for "its size" balloon_is 262144
	all_right "without the balloon, and the pager killed"

	memory_device virtio virtio-mem 256 \
		"<block unit='MiB'>2</block><requested unit='MiB'>0</requested>"
	check "virtio-mem is plugged in" virsh attach-device paged /run/xml/virtio.xml --live
	paged_size "it is paged" 524288
	virtio_mem 128
	guest_does "more 64" more
	all_right "with virtio-mem"
	guest_does rest rests
	virtio_mem 32
	guest_command work
	all_right "less of virtio-mem"
	virtio_mem 192
	pagerd_kill KILL
	pagerd_start
	all_right "more of virtio-mem, and the pager killed"

	boots_anew virsh reset paged
	all_right "reset"
	boots_anew guest_command reboot
	all_right "the guest has booted again by itself"
	check "it is paused" virsh suspend paged
	before=$(figure checks)
	pagerd_kill KILL
	pagerd_start
	check_equal "it stands" "$(figure checks)" "$before"
	check "and goes on" virsh resume paged
	all_right "paused, and the pager killed"
	paged_guest_goes
}

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Guests larger than memory: a Linux guest under the pager, in which the verifier runs (tests/pager/
# guest.c).  Everything goes the way that a person goes: the command, the hook, the daemon.

paged_limit_kib=98304
verified_mib=128
# Another program that starts this guest has its own
paged_mib=256
paged_resident=96M
paged_words=
# More of its definition: see tests/lib/guest-xml
paged_parts=()

pagerd_start() {
	check "the pager starts" in_ns /usr/sbin/virt-membacking-pagerd --background \
		--adopt-program /usr/sbin/virt-membacking-adopt
	pagerd_pid=$(in_ns pgrep -x virt-membacking | head -n 1)
	for pagerd_pid in $(in_ns pgrep virt-membacking); do
		[[ $(in_ns readlink "/proc/$pagerd_pid/exe") != *pagerd ]] || return 0
	done
}

pagerd_gone() {
	! in_ns kill -0 "$pagerd_pid" 2>/dev/null
}

pagerd_kill() {
	in_ns kill "-$1" "$pagerd_pid"
	wait_for "the pager's end" pagerd_gone
}

# paged FIELD: of the guest under the pager
paged() {
	membacking overcommit status --json | jq -r ".guests[0].overcommit.$1"
}

# The verifier's last line: "figure KEY"
figure() {
	guest_serial paged | tr -d '\r' | grep 'GUEST figures' | tail -n 1 |
		sed -n "s/.* $1=\\([0-9]*\\).*/\\1/p"
}

figure_grows() {
	[ "$(figure checks)" -gt "$1" ]
}

# comes_on TITLE: the verifier has checked more, and found nothing
comes_on() {
	local before
	before=$(figure checks)
	check "$1: the guest comes on" wait_for "more checks" figure_grows "${before:-0}"
	check_equal "$1: no byte is wrong" "$(figure wrong)" 0
}

# The verifier takes commands on its second serial port, a pipe: see tests/pager/guest.c
paged_pipe=/run/commands

paged_takes_commands() {
	local pipe
	for pipe in "$paged_pipe".{in,out}; do
		in_ns rm -f "$pipe"
		in_ns mkfifo -m 666 "$pipe"
	done
	paged_parts+=("devices=<serial type='pipe'><source path='$paged_pipe'/></serial>")
}

guest_command() {
	echo "$1" >"$(ns_path "$paged_pipe.in")"
}

# guest_has_said WORD N: on lines of its own
guest_has_said() {
	[ "$(guest_serial paged | grep -c "GUEST $1")" -ge "$2" ]
}

# guest_does COMMAND ANSWER: and says that it did
guest_does() {
	local before
	before=$(guest_serial paged | grep -c "GUEST $2")
	guest_command "$1"
	check "the guest does: $1" wait_for "GUEST $2" guest_has_said "$2" $((before + 1))
}

# all_right TITLE: the guest has checked each page and comes on, the pager pages it and keeps its limit
all_right() {
	guest_does check checked
	comes_on "$1"
	check "$1: the limit is kept" wait_for "the limit" resident_below $paged_limit_kib
	check "$1: no alarm" wait_for "no alarm" alarm_is '^null$'
	check "$1: it is paged" wait_for "the pager" is_paged_at $paged_limit_kib
}

# balloon_is KIB: as the guest's own driver has it
balloon_is() {
	[ "$(virsh dommemstat paged | awk '$1 == "actual" { print $2 }')" = "$1" ]
}

is_paged_at() {
	[ "$(paged state) $(paged limit_kib)" = "paging $1" ]
}

# alarm_is PATTERN
alarm_is() {
	[[ $(paged why) =~ $1 ]]
}

define_paged() {
	local dir xml
	dir=$("$here/../pager/guest-image" "$vm_build") || return 1
	cp "$dir/verifier.img" "$(ns_path /var/lib/libvirt/images/verifier.img)"
	chmod 644 "$(ns_path /var/lib/libvirt/images/verifier.img)"
	guest_write paged "$paged_mib" "vcpu=<vcpu>2</vcpu>" "cmdline=verify=$verified_mib $paged_words" \
		"${paged_parts[@]}"
	xml=$(ns_path /run/xml/paged.xml)
	sed -i "s/initrd\.img/verifier.img/; s/<memballoon model='none'/<memballoon model='virtio'/" "$xml"
	virsh define /run/xml/paged.xml >/dev/null
}

# At most 96 of its 256 MiB are resident
paged_guest_is_up() {
	define_paged
	membacking overcommit enable paged --resident "$paged_resident" --yes >/dev/null
	pagerd_start
	guest_start paged
	check_equal "the guest starts" "$start_error" ""
	check "it is ready" guest_says paged 'GUEST figures' 2
}

resident_below() {
	[ "$(paged resident_kib)" -le "$1" ]
}

case_a_guest_is_paged() {
	local before
	define_paged
	check "the command makes the guest's definition fit" \
		membacking overcommit enable paged --resident 96M --yes
	guest_start paged
	check_match "without the pager the guest does not start" "$start_error" "virt-membacking-pagerd"
	pagerd_start
	guest_start paged
	check_equal "the guest starts" "$start_error" ""
	check "it is ready" guest_says paged 'GUEST figures' 3
	check "the pager keeps its limit" wait_for "the limit" resident_below $paged_limit_kib
	check_equal "libvirt sees no taint" "$(virsh dominfo paged | grep -c -i taint)" 0
	check_true_live "pages are out" "$(paged evictions)" -gt 1000
	check_match "how long faults take is known" "$(paged fault_us.p50) $(paged fault_us.p99)" \
		'^[1-9][0-9]* [1-9][0-9]*$'
	comes_on "paged"

	pagerd_kill KILL
	before=$(figure checks)
	sleep 2
	pagerd_start
	comes_on "the pager was killed under load"
	pagerd_kill TERM
	pagerd_start
	comes_on "another pager takes over, as at an upgrade"

	# With what is checked the guest has no more to give
	virsh setmem paged 232M --live
	check "a balloon takes memory" wait_for "its size" balloon_is 237568
	virsh setmem paged 256M --live
	check "and gives it back" wait_for "its size" balloon_is 262144
	comes_on "a balloon up and down"
	check "another limit is set" membacking overcommit set paged --resident 128M
	check_equal "and known" "$(paged limit_kib)" 131072
	membacking overcommit set paged --resident 96M >/dev/null

	check "the guest is saved" virsh managedsave paged
	check_equal "nothing of it is under the pager then" "$(paged resident_kib)" null
	guest_start paged
	check_equal "it is restored" "$start_error" ""
	comes_on "restored"
	check "paged again" wait_for "the limit" resident_below $paged_limit_kib

	check "it is let go" membacking overcommit release paged
	check_equal "and is not under the pager" "$(paged resident_kib)" null
	comes_on "let go"
	check "it is adopted while it runs" membacking overcommit adopt paged --resident 96M
	check "and paged" wait_for "the limit" resident_below $paged_limit_kib
	comes_on "adopted"
	paged_guest_goes
}

# It is destroyed, and nothing is left
paged_guest_goes() {
	check "it is destroyed" virsh destroy paged
	check "the pager forgets it" wait_for "no guest" forgotten
	check "no record is left" wait_for "no record" no_ledgers
	pagerd_kill TERM
	check_equal "nor a file of the pager's" "$(pager_files)" ""
	membacking overcommit disable paged >/dev/null
	paged_parts=() paged_words=
}

no_ledgers() {
	[ -z "$(ledgers)" ]
}

forgotten() {
	[ "$(paged resident_kib)" = null ]
}

pager_files() {
	in_ns find /run/libvirt-membacking -path '*pager*' -type f ! -name '*.lock' ! -name '*lock' \
		2>/dev/null | tr '\n' ' '
}

check_true_live() {
	if test "$2" "$3" "$4"; then ok "$1"; else not_ok "$1" "$2 $3 $4"; fi
}

case_qemu_is_killed_while_it_is_paged() {
	local pid
	paged_guest_is_up
	pid=$(guest_pid paged)
	in_ns kill -KILL "$pid"
	check "the pager forgets it" wait_for "no guest" forgotten
	check "no record is left" wait_for "no record" no_ledgers
	guest_start paged
	check_equal "it starts again" "$start_error" ""
	check "it is ready again" guest_says paged 'GUEST figures' 2
	comes_on "started again"
	# No pager, and the guest is ended
	pagerd_kill KILL
	check "a guest that waits can be ended" virsh destroy paged
	check "no record is left" wait_for "no record" no_ledgers
	pagerd_start
	check "the next pager knows that it is gone" wait_for "no guest" forgotten
	pagerd_kill TERM
	check_equal "no file of the pager's is left" "$(pager_files)" ""
	membacking overcommit disable paged >/dev/null
}

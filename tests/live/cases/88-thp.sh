# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Transparent huge pages on the machine's own kernel, and what is set for the whole host,
# KSM too, when several guests come and go at once.
#
# The guests have no huge pages of their own, and with <nosharepages/> no part in KSM.

thp_dir=/sys/kernel/mm/transparent_hugepage
thp_files=(enabled defrag shmem_enabled)
memfd_backing="<source type='memfd'/><access mode='shared'/>"

# thp FILE: the chosen word
thp() {
	sed 's/.*\[\(.*\)\].*/\1/' "$thp_dir/$1"
}

thp_words() {
	echo "$(thp enabled) $(thp defrag) $(thp shmem_enabled)"
}

# thp_set ENABLED DEFRAG SHMEM_ENABLED
thp_set() {
	local file
	for file in "${thp_files[@]}"; do
		echo "$1" >"$thp_dir/$file"
		shift
	done
}

# The host's words are ours for the case: nothing is available
thp_begin() {
	thp_host=$(thp_words)
	thp_set never never never
}

# shellcheck disable=SC2086 # three words
thp_end() {
	thp_set $thp_host
	config_write
	check_empty
}

thp_config() {
	config_write "[thp]"$'\n'"manage = yes"$'\n'"${1// /$'\n'}"$'\n'"${2-}"
}

all_words="enabled=madvise defrag=defer+madvise shmem_enabled=advise"

thp_guest() {
	guest_up "$1" 128 "backing=<nosharepages/>" "${@:2}"
}

# guest_smaps NAME FIELD: KiB of its QEMU's memory
guest_smaps() {
	in_ns sed -n "s/^$2:[[:space:]]*\\([0-9]*\\) kB/\\1/p" "/proc/$(guest_pid "$1")/smaps_rollup"
}

has_smaps() {
	[ "$(guest_smaps "$1" "$2")" -ge "$3" ]
}

thp_is() {
	[ "$(thp_words)" = "$1" ]
}

shared_records() {
	in_ns ls /run/libvirt-membacking/shared 2>/dev/null
}

check_thp_is_back() {
	check_equal "$1" "$(thp_words)" "never never never"
	check_equal "no record is left" "$(shared_records)" ""
}

case_a_guest_has_transparent_huge_pages() {
	thp_begin
	thp_config "$all_words"
	guest_up huge 256 "backing=<nosharepages/>" cmdline=touch=64 || return
	check_equal "all is set while it runs" "$(thp_words)" "madvise defer+madvise advise"
	check "it uses its memory" guest_says huge 'GUEST TOUCHED'
	check "much of its QEMU's is in huge pages" wait_for AnonHugePages \
		has_smaps huge AnonHugePages 65536
	guest_down huge
	check_thp_is_back "and all is as it was"
	thp_end
}

case_the_same_guest_has_none_without() {
	thp_begin
	thp_guest small || return
	check_equal "nothing is set" "$(thp_words)" "never never never"
	guest_boots small
	check_equal "none of it is in huge pages" "$(guest_smaps small AnonHugePages)" 0
	guest_down small
	config_write $'[thp]\nmanage = yes\ndefrag = defer'
	thp_guest told
	check_match "it is told why" "$(vm_syslog_text)" \
		"guest told: .*no transparent huge pages: enabled is 'never'"
	guest_down told
	thp_end
}

# Whether the kernel then gives it any is up to QEMU too: 7.2 maps a memfd where no 2 MiB of
# memory can meet 2 MiB of the file
case_a_memfd_guest_is_told() {
	thp_begin
	thp_config "enabled=madvise defrag=madvise"
	guest_write memfd 128 "backing=$memfd_backing"
	check_match "the plan says that shmem_enabled is in the way" \
		"$(membacking plan --xml /run/xml/memfd.xml 2>&1)" "shmem_enabled = advise"
	guest_up memfd 128 "backing=$memfd_backing" || return
	check_match "it is told so at its start" "$(vm_syslog_text)" \
		"guest memfd: .*memfd gets no transparent huge pages: shmem_enabled is 'never'"
	guest_boots memfd
	check_equal "and has none" "$(guest_smaps memfd ShmemPmdMapped)" 0
	guest_down memfd
	thp_config "$all_words"
	guest_up shmem 128 "backing=$memfd_backing"
	check_equal "with shmem_enabled = advise it is set" "$(thp shmem_enabled)" advise
	check_no_match "and nothing in the way" "$(vm_syslog_text)" \
		"guest shmem: .*no transparent huge pages"
	guest_down shmem
	check_thp_is_back "afterwards all is as it was"
	thp_end
}

case_thp_that_somebody_sets_meanwhile_stays() {
	thp_begin
	thp_config "$all_words"
	thp_guest changed || return
	echo defer >"$thp_dir/defrag"
	thp_guest another
	check_equal "another guest leaves it so" "$(thp_words)" "madvise defer advise"
	guest_down changed
	check_equal "the first one's end changes nothing" "$(thp_words)" "madvise defer advise"
	guest_down another
	check_equal "theirs stays, the rest goes back" "$(thp_words)" "never defer never"
	check_equal "no record is left" "$(shared_records)" ""
	thp_end
}

case_thp_when_QEMU_is_killed() {
	thp_begin
	thp_config "$all_words"
	thp_guest killed || return
	in_ns kill -KILL "$(guest_pid killed)"
	check "all is set back" wait_for "words" thp_is "never never never"
	thp_guest crashed
	crash crashed
	check_equal "with libvirt dead too nobody does" "$(thp_words)" "madvise defer+madvise advise"
	check "but one reconcile" membacking reconcile
	check_thp_is_back "all is as it was"
	vm_start_daemon || exit 1
	thp_end
}

# All that the host is set to for guests
guests_settings() {
	host_settings | grep -E '/(ksm|transparent_hugepage)/'
}

# kill_hooks TIMES: those of our libvirtd as soon as there are any, in the background
kill_hooks() {
	kill_each_hook "$1" &
	killer=$!
}

kill_each_hook() {
	local n=0
	while [ "$n" -lt "$1" ] && kill -0 $$; do
		pkill -KILL -x --ns "$vm_pid" --nslist pid 50-membacking && n=$((n + 1))
	done
}

spare_hooks() {
	kill -KILL "$killer"
	wait "$killer"
}

# What is hit is any of the hook's system calls, in prepare or in started
case_thp_when_the_hook_is_killed() {
	local before round hit=0 wrong=''
	thp_begin
	thp_config "$all_words"
	before=$(guests_settings)
	guest_define hit 64
	for round in 1 2 3 4 5; do
		kill_hooks 1
		virsh start hit >/dev/null 2>&1 || hit=$((hit + 1))
		spare_hooks
		guest_down hit
		wait_for "settings" settings_are "$before" || wrong+=" $round: $(thp_words)"
	done 2>/dev/null
	check_equal "libvirt's stopped and release put all back, $hit of 5 times" "$wrong" ""
	for round in 1 2 3; do
		# stopped and release too
		kill_hooks 9
		virsh start hit >/dev/null 2>&1
		spare_hooks
		in_ns test ! -e /run/libvirt/qemu/hit.pid || guest_down hit
		vm_kill_daemon
		membacking reconcile >/dev/null
		settings_are "$before" || wrong+=" $round: $(thp_words)"
		vm_start_daemon || exit 1
	done 2>/dev/null
	check_equal "where they are killed too, one reconcile does" "$wrong" ""
	check_equal "no record is left" "$(shared_records)" ""
	thp_end
}

settings_are() {
	[ "$(guests_settings)" = "$1" ]
}

# each_at_once COMMAND GUEST...: virsh's; what went wrong is added to "wrong"
each_at_once() {
	local command=$1 guest pids=()
	shift
	for guest; do
		virsh "$command" "$guest" >"$vm_state/$guest.out" 2>&1 &
		pids+=($!)
	done
	for guest; do
		wait "${pids[0]}" || wrong+=" $round: $command: $(cat "$vm_state/$guest.out")"
		pids=("${pids[@]:1}")
	done
}

# together GUEST...
together() {
	local round wrong='' during
	for round in 1 2 3 4; do
		each_at_once start "$@"
		during=$(guests_settings)
		[ "$during" != "$before" ] || wrong+=" $round: nothing is set"
		[ "$(thp_words)" = "madvise defer+madvise advise" ] || wrong+=" $round: $(thp_words)"
		# The first ends while the others run on
		guest_down "$1"
		settings_stay || wrong+=" $round: set back too soon"
		each_at_once destroy "${@:2}"
		settings_are "$before" || wrong+=" $round: $(guests_settings | diff - <(echo "$before"))"
	done
	check_equal "$# guests start and end at once, four times" "$wrong" ""
}

# Where there is KSM
ksm_runs() {
	[ ! -e /sys/kernel/mm/ksm/run ] || [ "$(cat /sys/kernel/mm/ksm/run)" = 1 ]
}

# Rates may follow the number of guests
settings_stay() {
	[ "$(thp_words)" = "madvise defer+madvise advise" ] && ksm_runs
}

case_guests_with_ksm_and_thp_at_once() {
	local before guest
	thp_begin
	thp_config "$all_words" $'[ksm]\nmanage = yes'
	before=$(guests_settings)
	for guest in one two three; do
		guest_define "$guest" 64
	done
	together one two
	together one two three
	check_equal "no record is left" "$(shared_records)" ""
	thp_end
}

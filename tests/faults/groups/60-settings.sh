# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of tests/faults/stage and inject
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# KSM and transparent huge pages: kills and errors while the whole host's settings are
# changed for a guest or put back after it.
#
# "merger" is a guest that both are set for.  "keeper" is another such guest, for the series
# in which the settings must stay.  The settings are the machine's own; tests/faults/run puts
# them back in the end.

merger_uuid=6f1c0a5e-0000-4000-8000-0000000000a7
keeper_uuid=6f1c0a5e-0000-4000-8000-0000000000b8
third_uuid=6f1c0a5e-0000-4000-8000-0000000000c9
merger_pid=
keeper_pid=
ksm_profile=advisor

# In an order in which each can be written: an advisor lets nobody else choose the pages
setting_files=()
host_values=()

# has_setting FILE VALUE: what it is on our host, other than a kernel's or ours
has_setting() {
	[ -w "$1" ] || return 0
	setting_files+=("$1")
	host_values+=("$2")
}

find_settings() {
	local ksm=/sys/kernel/mm/ksm thp=/sys/kernel/mm/transparent_hugepage
	has_setting $ksm/run 0
	has_setting $ksm/advisor_mode none
	has_setting $ksm/pages_to_scan 123
	has_setting $ksm/sleep_millisecs 19
	has_setting $thp/enabled madvise
	has_setting $thp/defrag madvise
	has_setting $thp/shmem_enabled never
}

# settings: all of them; where a file lists choices, the chosen one.  What an advisor chooses
# by itself is no setting
look_at_settings() {
	local file text
	settings=
	for file in "${setting_files[@]}"; do
		read -r text <"$file"
		text=${text#*[}
		text=${text%%]*}
		[[ $file != */pages_to_scan || $settings != *scan-time* ]] || text=-
		settings+="$text "
	done
}

set_settings() {
	local i
	for ((i = 0; i < ${#setting_files[@]}; i++)); do
		echo "${host_values[i]}" >"${setting_files[i]}"
	done
}

expect_settings() {
	[ -z "$problem" ] || return
	look_at_settings
	[ "$settings" = "$1" ] || problem="settings are $settings instead of $1"
}

# --- The stage ---

# anonymous_xml NAME UUID: write_xml's guest with memory in small pages
anonymous_xml() {
	write_xml "$1" "$2"
	sed -i 's|<memoryBacking>.*</memoryBacking>||' "$work/$1".xml "$work/$1"-?.xml
}

build_settings() {
	end_settings
	cat >/etc/libvirt/membacking.conf <<-CONF
		[ksm]
		manage = yes
		profile = $ksm_profile
		[thp]
		manage = yes
		enabled = always
		defrag = defer
		shmem_enabled = advise
	CONF
	build_base
	# What a start leaves for good (empty directories) belongs to the base
	hook merger prepare 3 || fatal "merger: prepare failed"
	look_at_settings
	guest_settings=$settings
	hook merger release || fatal "merger: release failed"
	look
	base_files=$files
	look_at_settings
	[ "$settings" = "$base_settings" ] || fatal "settings are $settings"
	[ "$guest_settings" != "$base_settings" ] || fatal "nothing is set for a guest"
}

build_kept_settings() {
	build_settings
	hook keeper prepare 4 || fatal "keeper: prepare failed"
	start keeper_pid ready "$work/stand-in" /run/libvirt/qemu/keeper.pid
	hook keeper started 4
	look
	base_files=$files
}

end_settings() {
	stop merger_pid
	stop keeper_pid
	rm -f /etc/libvirt/membacking.conf
	set_settings
}

build_stage_of() {
	clear_stage
	build_stage=$1
	"$1"
}

# --- What the guest has been through ---

merger_has_run() {
	hook merger prepare 3
	hook merger started 3
}

merger_has_stopped() {
	merger_has_run
	hook merger stopped
}

merger_lives() {
	guest_lives merger
}

merger_ends() {
	guest_ends merger
}

# --- What comes after a fault ---

# What there was without merger: the host's, or what keeper needs
expect_settings_base() {
	expect_base
	if [ -n "$keeper_pid" ]; then
		expect_settings "$guest_settings"
	else
		expect_settings "$base_settings"
	fi
}

settings_then_reconcile() {
	expect "reconcile failed" reconcile
	expect_settings_base
}

settings_then_driver_dies() {
	driver_dies
	settings_then_reconcile
	start_driver
}

settings_then_libvirt_goes_on() {
	expect "stopped failed" hook merger stopped
	expect "release failed" hook merger release
	settings_then_reconcile
}

settings_then_next_prepare() {
	expect "the next prepare failed" hook merger prepare 4
	expect_settings "$guest_settings"
	settings_then_libvirt_goes_on
}

# Two of them, with a value that is neither the host's nor ours; expected: all then
somebody_sets() {
	local i value
	expected=
	for ((i = 0; i < ${#setting_files[@]}; i++)); do
		value=
		case ${setting_files[i]} in
		*/pages_to_scan) value=777 ;;
		*/defrag) value=defer+madvise ;;
		esac
		[ -z "$value" ] || echo "$value" >"${setting_files[i]}"
		expected+="${value:-${host_values[i]}} "
	done
}

settings_then_somebody() {
	somebody_sets
	driver_dies
	expect "reconcile failed" reconcile
	expect_settings "$expected"
	set_settings
	expect_settings_base
	start_driver
}

settings_then_merger_lives() {
	local ledger=
	driver_dies
	expect "reconcile failed" reconcile
	[ -n "$problem" ] || look
	read -r -d '' ledger <"$state_dir/guests/$merger_uuid"
	ledger=${ledger/'"phase": "running"'/'"phase": "prepared"'}
	[ "$ledger" = "$ledger_of_living" ] || problem+=" the guest's ledger changed: $ledger"
	[ "$files" = "$living_files" ] || problem+=" left: $files"
	expect_settings "$guest_settings"
	start_driver
}

settings_then_merger_still_lives() {
	[ "$status" = 0 ] || problem="status $status kills the guest: $err"
	settings_then_merger_lives
}

settings_then_settled() {
	expect_told
	settings_then_reconcile
}

# One sentence for each setting that stays
settings_then_told() {
	[ "$status" = 0 ] || [[ $status = 1 && $err == *membacking": "?* ]] ||
		problem="status $status: $err"
	settings_then_reconcile
}

# A guest can do without: it starts with settings or without
settings_then_goes_on() {
	expect_told
	settings_then_libvirt_goes_on
}

# --- The groups ---

settings_kills() {
	call_hook merger prepare 3
	at_each "prepare with settings is killed, libvirt too, one reconcile" own sigkill \
		nothing settings_then_driver_dies
	at_each "prepare with settings is killed, the guest is started once more" own \
		sigkill_at_changes nothing settings_then_next_prepare

	call_hook merger started 3
	at_each "started with settings is killed, libvirt too, the guest lives" own sigkill \
		merger_lives settings_then_merger_lives
	merger_ends

	call_hook merger stopped
	at_each "stopped with settings is killed, one reconcile" own sigkill \
		merger_has_run settings_then_reconcile

	call_hook merger release
	at_each "release with settings is killed, one reconcile" own sigkill \
		merger_has_stopped settings_then_reconcile
	at_each "release with settings is killed, the guest is started once more" own \
		sigkill_at_changes merger_has_stopped settings_then_next_prepare

	call_reconcile
	at_each "reconcile of settings is killed, one more" own sigkill_at_changes \
		merger_has_run settings_then_reconcile
}

settings_errors() {
	call_hook merger prepare 3
	at_each "prepare with settings meets an error, nothing is left" own errors_of_changes \
		nothing settings_then_goes_on
	call_hook merger started 3
	at_each "started with settings meets an error: the guest goes on" own errors_of_changes \
		merger_lives settings_then_merger_still_lives
	merger_ends
	call_hook merger release
	at_each "release with settings meets an error, one reconcile" own errors_of_changes \
		merger_has_stopped settings_then_settled
	call_reconcile
	at_each "reconcile of settings meets an error, then another" own errors_of_changes \
		merger_has_run settings_then_told
}

somebody_groups() {
	call_hook merger prepare 3
	at_each "prepare is killed, what somebody else sets then stays" own sigkill_at_changes \
		nothing settings_then_somebody
	call_hook merger release
	at_each "release is killed, what somebody else sets then stays" own sigkill_at_changes \
		merger_has_stopped settings_then_somebody
}

kept_groups() {
	local wrong=()
	call_hook merger prepare 3
	at_each "prepare beside a guest with settings is killed, libvirt too, one reconcile" own \
		sigkill_at_changes nothing settings_then_driver_dies
	call_hook merger release
	at_each "release beside a guest with settings is killed, one reconcile" own \
		sigkill_at_changes merger_has_stopped settings_then_reconcile
	expect "keeper: stopped failed" hook keeper stopped
	stop keeper_pid
	expect "keeper: release failed" hook keeper release
	expect_settings "$base_settings"
	[ -z "$problem" ] || wrong+=("$problem")
	report "after the last of them the settings are the host's" 1 "${wrong[@]}"
}

# --- Together ---

# each_at_once OPERATION GUEST...
each_at_once() {
	local operation=$1 guest pid pids=()
	shift
	for guest in "$@"; do
		hook "$guest" "$operation" 3 &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		expect "$operation failed" wait "$pid"
	done
}

end_at_once() {
	each_at_once stopped "$@"
	each_at_once release "$@"
	expect_settings_base
}

# all_at_once GUEST...
all_at_once() {
	local round wrong=()
	for round in {1..10}; do
		each_at_once prepare "$@"
		expect_settings "$guest_settings"
		each_at_once started "$@"
		end_at_once "$@"
		note_round
	done
	report "$# guests with settings start and end at once" 10 "${wrong[@]}"
}

one_comes_while_others_go() {
	local round wrong=() coming
	for round in {1..10}; do
		each_at_once prepare keeper third
		hook merger prepare 3 &
		coming=$!
		each_at_once release keeper third
		expect "prepare failed" wait "$coming"
		expect_settings "$guest_settings"
		end_at_once merger
		note_round
	done
	report "a guest with settings starts while two others end" 10 "${wrong[@]}"
}

# The later the longer it has been at work; at the end it may have been done
one_is_killed_among_others() {
	local round wrong=() killed others
	for round in {01..12}; do
		"$hook" merger prepare begin - <"$work/merger-3.xml" >/dev/null 2>&1 &
		killed=$!
		each_at_once prepare keeper third &
		others=$!
		nap "0.0$round"
		kill -KILL "$killed"
		wait "$killed" "$others"
		expect_settings "$guest_settings"
		end_at_once merger keeper third
		note_round
	done 2>/dev/null
	report "the hook of one guest in three that start at once is killed" 12 "${wrong[@]}"
}

note_round() {
	[ -n "$problem" ] || return 0
	wrong+=("round $round ($problem)")
	problem=
	reset_stage
}

anonymous_xml merger "$merger_uuid"
anonymous_xml keeper "$keeper_uuid"
anonymous_xml third "$third_uuid"
find_settings
set_settings
look_at_settings
base_settings=$settings

briefly=yes
build_stage_of build_settings
settings_kills
settings_errors
all_at_once merger keeper
all_at_once merger keeper third
one_comes_while_others_go
one_is_killed_among_others
ksm_profile=balanced
build_stage_of build_settings
somebody_groups
build_stage_of build_kept_settings
kept_groups
briefly=
end_settings
build_stage_of build_base

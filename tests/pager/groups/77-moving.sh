# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/pager/run and stage
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A guest goes from one pager to another while it runs, with two processes of the same memory in
# place of the two QEMUs, and two pagers as on two hosts, with a directory that both see.  What lies
# there is lent, and read by the other one; the rest is sent.

problem=
shared=$disk/moved
mkdir -m 700 "$shared"
map=$work/moved.map
held=$work/moved.held
source_options=(limit=2048 "tiers=same,ram:1024,directory:/moved:131072" disk="$disk" host=one)
target_options=(limit=4096 "tiers=same,ram:8192,directory:/moved:131072" disk="$disk" host=two
	"import=$map" "held=$held" fenced=yes)

# Its slots are lent and still what they were
lent_sum() {
	[ -f "$lent" ] && tail -c +4097 "$lent" | sha256sum
}

# is_in_directory PAGES
is_in_directory() {
	pager_ask from status && [ "${figure[directory]}" -gt "$1" ]
}

# source_begins: a guest of which much is in the directory.  It has idle pages, too: of the others few
# are there if the disk is slow
source_begins() {
	victim from give=2 ram=32 threads=2 used=60
	pager from "${source_options[@]}"
	ask from start
	soon is_in_directory 1000
	problem_if $? "little goes to the directory: $line"
	lent=$(find "$shared" -type f)
}

problem_if() {
	[ "$1" = 0 ] || wrong+=("$2")
}

# sends [SINCE]: all, or the changes
sends() {
	pager_ask from "send $map $held ${1-}" && [ "$line" = "send: done" ]
	problem_if $? "sending: ${line-}"
}

begins_epoch() {
	pager_ask from epoch
	epoch=${figure[number]-0}
	[ "$epoch" != 0 ]
	problem_if $? "no epoch: ${line-}"
}

# It runs while all of it is sent, and then what it has changed
source_sends() {
	local last i
	rm -f "$map" "$held"
	soon is_in_directory 1500
	problem_if $? "little is in the directory: $line"
	begins_epoch
	sends
	for ((i = 0; i < 3; i++)); do
		last=$epoch
		moves from || wrong+=("$problem")
		[ "$i" -lt 2 ] || ask from pause
		begins_epoch
		sends "$last"
	done
}

# stands NAME: a page of it does not come back
stands() {
	local alarms
	alarms=$(pager_alarms "$1" | tail -c 300)
	echo "it stands: $alarms"
}

# Each byte of the one is the other one's, which stands
is_same() {
	if ask to "dump $work/to.bytes"; then
		cmp "$work/from.bytes" "$work/to.bytes" 2>&1
	else
		stands to
	fi
}

# victim_drop NAME: it is killed, and with it what its pager has.  Files of its own the next daemon of
# its host would remove
victim_drop() {
	[ -z "${pager_pids[$1]-}" ] || pager_kill "$1"
	kill -KILL "${victim_pids[$1]}" 2>/dev/null
	wait "${victim_pids[$1]}" 2>/dev/null
	victim_gone "$1"
	find "$shared" -type f ! -path "$lent" -delete
}

# pager_before NAME OPTION...: one that counts places from "arm" on
pager_before() {
	pager "$@" hold=yes
	[ "$pager_said" = resumed ]
	problem_if $? "the pager that takes over: $pager_said"
	pager_ask "$1" arm
}

# A map that was begun is none: with it a pager would begin without the rest of the pages
part_is_refused() {
	[ -s "$map.part" ] && [ "$(stat -c %s "$map.part")" -lt "$whole" ] || return
	parts=$((parts + 1))
	[ "$parts" = 1 ] || return
	cp "$map.part" "$work/begun.map"
	victim to give=2 ram=32 untouched=8192 threads=1
	pager to "${target_options[@]}" import="$work/begun.map"
	[[ $pager_said == failed* ]]
	problem_if $? "a map that was begun: $pager_said"
	pager_wait to
	victim_drop to
}

# Of each of this guest's pages something is done there
at_a_page() {
	echo "step:$1:$((1 + RANDOM % 8000))"
}

# sending_is_killed TIMES: from the beginning of an epoch to the end of what is sent.  The guest goes on
# with the next pager, which is told that no other host has begun
sending_is_killed() {
	local i whole place at=(step:epoch_protected:1 step:export_lent:1 step:export_done:1) parts=0 places=0
	for ((i = 0; i < $1; i++)); do
		at+=("$(at_a_page export_page)" "any:$((1 + RANDOM))")
	done
	begins_epoch
	sends
	whole=$(stat -c %s "$map")
	pager_kill from
	for place in "${at[@]}"; do
		rm -f "$map" "$map.part" "$held"
		pager_before from "${source_options[@]}" strike="die=$place"
		pager_ask from let-go
		pager_ask from epoch && pager_ask from "send $map $held"
		! pager_dies from 1 || places=$((places + 1))
		problem=
		audit_silently from || wrong+=("$place: $problem")
		part_is_refused
	done
	pager from "${source_options[@]}"
	[ "$pager_said" = resumed ]
	problem_if $? "the next pager: $pager_said"
	pager_ask from let-go
	moves from || wrong+=("$problem")
	[ "$places" -gt "$1" ] && [ "$parts" -gt 0 ]
	problem_if $? "$places kills at ${at[*]}, $parts in the midst of the map"
	says "the pager is killed at $places places while it sends: the guest goes on, and a map that was begun is refused"
}

# beginning_is_killed TIMES: the other pager, whose guest has a fence and no page of its own yet
beginning_is_killed() {
	local i place at=(step:import_page:1 step:fence_noted:1 step:start_paging:1) places=0
	for ((i = 0; i < $1; i++)); do
		at+=("$(at_a_page import_page)")
	done
	for place in "${at[@]}"; do
		victim to give=2 ram=32 untouched=8192 threads=1
		pager to "${target_options[@]}" strike="die=$place"
		! pager_dies to 1 || places=$((places + 1))
		victim_drop to
		[ "$(lent_sum)" = "$sum" ] || wrong+=("$place: what is lent has changed")
	done
	[ "$places" -gt "$1" ]
	problem_if $? "$places kills at ${at[*]}"
	says "the other pager is killed at $places places as it begins: what is lent stays as it is"
}

says() {
	if [ ${#wrong[@]} -eq 0 ]; then ok "$1"; else not_ok "$1" "$(printf '%s; ' "${wrong[@]:0:5}")"; fi
	wrong=()
}

wrong=()
source_begins
sending_is_killed "${long:+1}10"
source_sends
says "all of a guest that runs is sent, and three times what has changed"
ask from "dump $work/from.bytes" || not_ok "its bytes are read" "$(stands from)"
# As if its host had fallen
kill -STOP "${pager_pids[from]}"
sum=$(lent_sum)
beginning_is_killed "${long:+5}5"
victim to give=2 ram=32 untouched=8192 threads=1
pager to "${target_options[@]}"
check_equal "the other pager begins with its map" "$pager_said" paging
pager_ask to status
check_true "it has borrowed ${figure[borrowed]-0} pages that were not sent" "${figure[borrowed]-0} > 500"
pager_ask to unfence
check_equal "each byte is the same" "$(is_same)" ""
check_equal "in the lent file nothing has changed" "$(lent_sum)" "$sum"
check_equal "which the other pager has open for reading alone" \
	"$(for fd in "/proc/${pager_pids[to]}/fd"/*; do
		[ "$(readlink "$fd")" != "$lent" ] || sed -n 's/^flags:.*\(.\)$/\1/p' "/proc/${pager_pids[to]}/fdinfo/${fd##*/}"
	done | sort -u)" 0
pager_kill to
pager to "${target_options[@]:0:4}"
check_equal "it is killed, and the next one goes on" "$pager_said" resumed
check_equal "with each byte" "$(is_same)" ""
victim_drop to
kill -CONT "${pager_pids[from]}"
pager_ask from let-go
ask from start
moves from
check_equal "the first guest goes on where the other one ends" "$?$problem" 0
victim_ends from "each of its bytes is right"
pager_kill from

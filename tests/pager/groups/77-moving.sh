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
source_options=(limit=2048 "tiers=same,ram:1024,directory:/moved:65536" disk="$disk" host=one)
target_options=(limit=4096 "tiers=same,ram:8192,directory:/moved:65536" disk="$disk" host=two
	"import=$map" "held=$held" fenced=yes)

# Its slots are lent and still what they were
lent_sum() {
	[ -f "$lent" ] && tail -c +4097 "$lent" | sha256sum
}

is_in_directory() {
	pager_ask from status && [ "${figure[directory]}" -gt 1000 ]
}

# source_begins: a guest of which much is in the directory
source_begins() {
	victim from give=2 ram=32 threads=2
	pager from "${source_options[@]}"
	ask from start
	soon is_in_directory
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

# is_same: each byte of the one is the other one's, which stands
is_same() {
	ask to "dump $work/to.bytes" && cmp -s "$work/from.bytes" "$work/to.bytes"
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

says() {
	if [ ${#wrong[@]} -eq 0 ]; then ok "$1"; else not_ok "$1" "$(printf '%s; ' "${wrong[@]:0:5}")"; fi
	wrong=()
}

wrong=()
source_begins
source_sends
says "all of a guest that runs is sent, and three times what has changed"
ask from "dump $work/from.bytes"
# As if its host had fallen
kill -STOP "${pager_pids[from]}"
sum=$(lent_sum)
victim to give=2 ram=32 untouched=8192 threads=1
pager to "${target_options[@]}"
check_equal "the other pager begins with its map" "$pager_said" paging
pager_ask to status
check_true "it has borrowed ${figure[borrowed]-0} pages that were not sent" "${figure[borrowed]-0} > 500"
pager_ask to unfence
is_same
check_equal "each byte is the same" $? 0
check_equal "in the lent file nothing has changed" "$(lent_sum)" "$sum"
check_equal "which the other pager has open for reading alone" \
	"$(for fd in "/proc/${pager_pids[to]}/fd"/*; do
		[ "$(readlink "$fd")" != "$lent" ] || sed -n 's/^flags:.*\(.\)$/\1/p' "/proc/${pager_pids[to]}/fdinfo/${fd##*/}"
	done | sort -u)" 0
pager_kill to
pager to "${target_options[@]:0:4}"
check_equal "it is killed, and the next one goes on" "$pager_said" resumed
is_same
check_equal "with each byte" $? 0
victim_drop to
kill -CONT "${pager_pids[from]}"
pager_ask from let-go
ask from start
moves from
check_equal "the first guest goes on where the other one ends" "$?$problem" 0
victim_ends from "each of its bytes is right"
pager_kill from

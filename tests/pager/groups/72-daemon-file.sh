# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2119 # variables of tests/pager/run and stage, and for them
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A tier in a file as the daemon has it from the configuration: two guests share it, a daemon that
# is killed has a successor, and with the guests the file has none of their pages any more.

# shellcheck source=tests/pager/daemon
. "$here/daemon"

file_kib() {
	asks status | jq -r '.tiers[] | select(.name == "file") | .used_kib'
}

# in_file UUID KIB: so much of its memory is there
in_file() {
	[ "$(asks status | jq -r ".guests[] | select(.uuid == \"$1\") | .tiers[]? | select(.name == \"file\") | .kib")" -ge "$2" ]
}

# left_kib: what the file has on the disk
file_is_empty() {
	left_kib=$(($(stat -c %b "$disk/tier") / 2))
	[ "$left_kib" -lt 1024 ]
}

daemon_place
inside mount --bind "$disk" /mnt
tiers_are "same-filled, ram:8M, file:/mnt/tier:200M"
daemon_starts
daemon_answers
check_equal "the daemon has a tier in a file" "$(tier_limits)" "0 8192 204800"
victim one ram=64 threads=2
a=$victim_pid
victim two ram=64 threads=2
b=$victim_pid
check_equal "a guest is adopted" "$(asks adopt $uuid_a "$a" 20480)" ok
check_equal "and another" "$(asks adopt $uuid_b "$b" 20480)" ok
ask one start
ask two start
soon in_file $uuid_a 4096 && soon in_file $uuid_b 4096
check_equal "pages of both go to the file" $? 0
check_equal "which is root's alone" "$(stat -c %a "$disk/tier")" 600
for ((n = 0; n < ${long:+50}3; n++)); do
	daemon_is_replaced || break
	moves one || break
	moves two || break
done
check_equal "killed, the next daemon goes on with both" "$n" "${long:+50}3"
# As when it is killed between an extent and its table
daemon_killed KILL
fallocate -l 4M -o 160M "$disk/tier"
daemon_starts
daemon_answers
problem=
moves one && moves two
check_equal "once more, as it was about to give the file more room" "$?$problem" 0
check_true "the file is within its limit: $(file_kib) KiB" "$(file_kib) <= 204800"
check_equal "one is released" "$(asks release $uuid_a)" ok
victim_ends one "and each of its bytes is right"
victim_ends two "and of the other one's, which ends"
soon file_is_empty
check_true "the file has no pages any more: $left_kib KiB" "left_kib < 1024"
daemon_ends

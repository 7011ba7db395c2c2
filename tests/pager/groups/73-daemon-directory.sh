# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2119 # variables of tests/pager/run and stage, and for them
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A tier in a directory that another host may see: each guest has a file of its own there, through
# kills of the daemon and for as long as it is paged; what a killed daemon left behind goes.

# shellcheck source=tests/pager/daemon
. "$here/daemon"

shared=$disk/shared

# in_directory UUID KIB: so much of its memory is there
in_directory() {
	[ "$(asks status | jq -r ".guests[] | select(.uuid == \"$1\") | .tiers[]? | select(.name == \"directory\") | .kib")" -ge "$2" ]
}

# files_of UUID: their modes, one a line
files_of() {
	find "$shared" -name "$1-*.pages" -printf '%m\n'
}

has_no_file() {
	[ -z "$(files_of "$1")" ]
}

daemon_place
mkdir -m 700 "$shared"
inside mount --bind "$shared" /mnt
tiers_are "same-filled, ram:8M, directory:/mnt:200M"
daemon_starts
daemon_answers
check_equal "the daemon has a tier in a directory" "$(tier_limits)" "0 8192 204800"
victim one ram=64 threads=2
a=$victim_pid
victim two ram=64 threads=2
b=$victim_pid
check_equal "a guest is adopted" "$(asks adopt $uuid_a "$a" 20480)" ok
check_equal "and another" "$(asks adopt $uuid_b "$b" 20480)" ok
ask one start
ask two start
soon in_directory $uuid_a 4096 && soon in_directory $uuid_b 4096
check_equal "pages of both go there" $? 0
check_equal "into a file of its own, root's alone" "$(files_of $uuid_a) $(files_of $uuid_b)" "600 600"
for ((n = 0; n < ${long:+50}2; n++)); do
	daemon_is_replaced || break
	moves one || break
	moves two || break
done
check_equal "killed, the next daemon goes on with both" "$n" "${long:+50}2"
check_equal "in the same files" "$(files_of $uuid_a) $(files_of $uuid_b)" "600 600"
daemon_killed KILL
kill -KILL "$a"
wait "${victim_pids[one]}"
victim_gone one
daemon_starts
daemon_answers
soon has_no_file $uuid_a
check_equal "what a guest had that ended without a daemon goes" $? 0
becomes $uuid_b state paging
check_equal "the other one is released" "$(asks release $uuid_b)" ok
check_equal "and has no file any more" "$(files_of $uuid_b)" ""
victim_ends two "each of its bytes is right"
check_equal "nothing is left" "$(find "$shared" -type f)" ""
daemon_ends

# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2119 # variables of tests/pager/run and stage, and for them
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A tier whose disk does not answer: who needs it waits, and an alarm says for what.  Nothing else
# does: not status, not a guest whose pages are in RAM, not the end of a guest, nor the daemon's.

# shellcheck source=tests/pager/daemon
. "$here/daemon"
# shellcheck source=tests/pager/disk
. "$here/disk"

# in_file UUID KIB: so much of its memory is there
in_file() {
	[ "$(asks status | jq -r ".guests[] | select(.uuid == \"$1\") | .tiers[]? | select(.name == \"file\") | .kib")" -ge "$2" ]
}

alarm_names_disk() {
	asks status | jq -r '.guests[].alarm' | grep -q "waits for a page: /mnt/disk does not answer"
}

is_gone() {
	[ -z "$(status_of "$1" state)" ]
}

# dies NAME UUID TEXT: the daemon does not have it any more, though its disk hangs
dies() {
	local since=$SECONDS
	kill -KILL "${victim_pids[$1]}"
	wait "${victim_pids[$1]}" 2>/dev/null
	victim_gone "$1"
	soon is_gone "$2"
	check_true "$3: in $((SECONDS - since)) s" "SECONDS - $since < 60"
}

flawed_disk 256
daemon_place
inside mount --bind "$flawed" /mnt
tiers_are "same-filled, ram:6M, file:/mnt/disk:200M"
daemon_starts
daemon_answers
uuid_c=cccccccc-cdaf-9455-926a-d65c16db1809
uuid_d=dddddddd-cdaf-9455-926a-d65c16db1809
victim one ram=48 threads=2
check_equal "a guest is paged" "$(asks adopt $uuid_a "$victim_pid" 12288)" ok
victim two ram=48 threads=2
check_equal "and another" "$(asks adopt $uuid_c "$victim_pid" 12288)" ok
victim near ram=16
check_equal "and one that has all its memory" "$(asks adopt $uuid_b "$victim_pid" 32768)" ok
ask one start
ask two start
ask near start
soon in_file $uuid_a 4096 && soon in_file $uuid_c 4096
check_equal "pages of two are on the disk" $? 0

disk hangs
soon alarm_names_disk
check_equal "it does not answer: an alarm says so" $? 0
moves near
check_equal "a guest that does not need it comes on" $? 0
dies two $uuid_c "one that ends is given back"

disk works
victim three ram=48 threads=2
check_equal "the disk works, and another one is paged" "$(asks adopt $uuid_d "$victim_pid" 12288)" ok
ask three start
soon in_file $uuid_d 4096
check_equal "with pages on the disk" $? 0
disk hangs
ASK_SECONDS=2 asks release $uuid_d >/dev/null
check_equal "it hangs again: one that is to be let go waits" "$(status_of $uuid_d state)" releasing
dies three $uuid_d "and is given back when it ends"
since=$SECONDS
daemon_killed TERM
check_true "the daemon ends, in $((SECONDS - since)) s" "SECONDS - since < 20"
check_equal "and says that guests wait" "$daemon_status" 75
daemon_starts
becomes $uuid_a state paging && becomes $uuid_b state paging
check_equal "the next one goes on with both" $? 0
moves near
check_equal "and with the one that has its memory at once" $? 0

disk works
moves one || not_ok "with its disk it comes on" "$problem"
becomes $uuid_a alarm null
check_equal "the disk answers: no alarm is left" $? 0
victim_ends one "each byte is right"
victim_ends near "and of the other one's"
daemon_ends
flawed_disk_ends

# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # variables of tests/pager/run and stage, and for them
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The daemon as it is installed, with its socket, its tmpfs and virt-membacking-adopt: guests are
# adopted while they work, the daemon is killed and replaced under load, and released they have
# nothing of it.  In a mount namespace of its own, so that the host has none of its mounts.

# shellcheck source=tests/pager/daemon
. "$here/daemon"
kills=${long:+50}

daemon_place
check_equal "without a daemon a client says how one is started" "$(asks hello)" \
	"no pager runs: start it by \"systemctl enable --now virt-membacking-pagerd.socket\", or without systemd by \"virt-membacking-pagerd --background\""
daemon_starts
daemon_answers
check_match "a second daemon says that one runs" \
	"$(inside "$pagerd" --stderr --state-dir "$state" 2>&1)" "it runs already"
check_equal "the socket is root's alone" "$(stat -c %a "$state/pagerd.sock")" 600

check_equal "tiers have the sizes of the configuration" "$(tier_limits)" "0 204800"
tiers_are "same-filled, ram:100M"
kill -HUP "$daemon_pid"
soon limits_are "0 102400"
check_equal "and others after SIGHUP" $? 0
tiers_are "ram:much"
kill -HUP "$daemon_pid"
until grep -q "was not read again" "$work/daemon.err"; do sleep 0.02; done
check_equal "one that can't be understood changes nothing" "$(tier_limits)" "0 102400"
tiers_are "same-filled, ram:200M"
kill -HUP "$daemon_pid"

victim one ram=64 threads=2
a=$victim_pid
ask one start
# Another mapping reads holes as zeros
bystander map "$a"
check_equal "another process maps its memory" $? 0
check_match "it is not adopted then" "$(asks adopt $uuid_a "$a" 32768)" "${bystander_pids[-1]}"
bystander_ends
check_equal "a working process is adopted" "$(asks adopt $uuid_a "$a" 32768)" ok
check_equal "its files are root's alone" "$(inside stat -c %a "$state/pager" "$state/pager/$uuid_a")" \
	$'700\n700'
check_equal "and not swapped" "$(inside findmnt -n -o FSTYPE "$state/pager")" tmpfs
shrinks $uuid_a 33000
check_equal "it shrinks to its limit" $? 0
check_equal "adopted again: the limit is set" "$(asks adopt $uuid_a "$a" 24576)" ok
shrinks $uuid_a 25000
check_equal "to that one" $? 0
bystander map "$a"
soon alarm_is $uuid_a "^process ${bystander_pids[-1]} maps"
check_equal "another process maps its memory while it is paged: an alarm says so" $? 0
bystander_ends
becomes $uuid_a alarm null
check_equal "until it is gone" $? 0
check_match "another process under its UUID is refused" "$(asks adopt $uuid_a $$ 4096)" "has not ended"

victim two ram=32 objects=2
b=$victim_pid
check_equal "a second one beside it" "$(asks adopt $uuid_b "$b" 16384)" ok
ask two start

for ((n = 0; n < ${kills:-5}; n++)); do
	daemon_is_replaced || break
done
check_equal "killed under load, the next daemon goes on with both, each time" "$n" "${kills:-5}"
# A fault that waited for the new daemon may have raised one
becomes $uuid_a alarm null
becomes $uuid_b alarm null
check_equal "no alarm is left" "$(status_of $uuid_a alarm) $(status_of $uuid_b alarm)" "null null"

daemon_killed TERM
check_equal "told to end while guests are paged: the status says that they wait" "$daemon_status" 75
daemon_starts
daemon_answers
becomes $uuid_a state paging
check_equal "and the next one has the name and limit that were written down" \
	"$(status_of $uuid_a name) $(status_of $uuid_a limit_kib)" "victim 24576"

# The daemon's files, of a version that this one can't read
daemon_killed KILL
cp "$state/pager/$uuid_a/map" "$work/map" 2>/dev/null || inside cp "$state/pager/$uuid_a/map" "$work/map"
inside dd if=/dev/zero of="$state/pager/$uuid_a/map" bs=8 count=1 conv=notrunc status=none
daemon_starts
daemon_answers
becomes $uuid_a state waiting
check_match "files that can't be read are kept, and the guest waits with a reason" \
	"$(status_of $uuid_a alarm)" "^the guest stands: "
check_equal "which does not concern the other one" "$(becomes $uuid_b state paging && echo ok)" ok
inside dd if="$work/map" of="$state/pager/$uuid_a/map" bs=8 count=1 conv=notrunc status=none
check_equal "and goes on when they can" "$(becomes $uuid_a state paging && echo ok)" ok

number=$(find "/proc/$a/fd" -lname '*userfaultfd*' -printf '%f\n')
ask one "close $number"
soon alarm_is $uuid_a "^QEMU has closed"
check_equal "it closes its userfaultfd: the daemon says so, and pages it on" \
	"$? $(status_of $uuid_a state)" "0 paging"
check_equal "released" "$(asks release $uuid_a)" ok
check_equal "nothing of it is left in the process" "$(left_in "$a")" ""
check_equal "nor in the tmpfs" "$(inside ls "$state/pager")" $uuid_b

# With the last copy of a userfaultfd every hole reads as zeros
check_equal "adopted again" "$(asks adopt $uuid_a "$a" 24576)" ok
shrinks $uuid_a 25000
number=$(find "/proc/$a/fd" -lname '*userfaultfd*' -printf '%f\n')
ask one "close $number"
daemon_killed TERM
check_equal "told to end after it closed its userfaultfd: it is released first" \
	"$daemon_status $(inside ls "$state/pager")" "75 $uuid_b"
daemon_starts
daemon_answers
becomes $uuid_b state paging
victim_ends one "no byte was wrong in the released one"
check_match "forgotten only when it has ended" "$(ASK_SECONDS=5 asks forget $uuid_b)" "has not ended"
kill -KILL "$b"
wait "$b" 2>/dev/null
check_equal "forgotten then" "$(asks forget $uuid_b)" ok
victim_gone two
check_equal "with the last guest the tmpfs is gone" "$(tmpfs_is_mounted)" no

victim three ram=16
check_equal "another one" "$(asks adopt $uuid_a "$victim_pid" 8192)" ok
daemon_killed KILL
kill -KILL "$victim_pid"
wait "$victim_pid" 2>/dev/null
victim_gone three
daemon_starts --idle 1
daemon_answers
wait "$daemon_pid"
check_equal "a guest that ended while no daemon ran is cleaned away, and an idle daemon ends" $? 0
unset 'victim_pids[daemon]'
check_equal "without a tmpfs" "$(tmpfs_is_mounted)" no

inside "$pagerd" --background --stderr --state-dir "$state"
check_equal "in the background: it answers when the program returns" "$(asks hello)" ok
inside "$pagerd" --restart --state-dir "$state"
check_equal "replaced" "$? $(asks hello)" "0 ok"
inside "$pagerd" --stop --state-dir "$state"
check_match "and ended" "$? $(asks hello)" "^0 no pager runs"
inside "$pagerd" --restart --state-dir "$state"
check_match "without one there is nothing to replace" "$? $(asks hello)" "^0 no pager runs"
if command -v systemd-socket-activate >/dev/null; then
	nsenter -m -t "$namespace" -- systemd-socket-activate --seqpacket \
		--listen="$state/pagerd.sock" "$pagerd" --stderr --state-dir "$state" --idle 1 \
		2>>"$work/daemon.err" &
	daemon_pid=$!
	victim_pids[daemon]=$daemon_pid
	until [ -S "$state/pagerd.sock" ]; do sleep 0.02; done
	check_equal "started by a question to systemd's socket, it answers that one" "$(asks hello)" ok
	wait "$daemon_pid"
	check_equal "and ends when it is idle" $? 0
	unset 'victim_pids[daemon]'
	check_equal "the socket is systemd's, and stays" "$([ -S "$state/pagerd.sock" ] && echo yes)" yes
fi
kill "$namespace"
wait "$namespace" 2>/dev/null
unset 'victim_pids[namespace]'

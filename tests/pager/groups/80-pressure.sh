# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # variables of tests/pager/run and stage, and for them
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A host whose memory runs out and comes back: what it says of its memory is a file of ours, and
# paged guests give and get back, while each of their bytes is checked.  And a daemon that has
# nothing to do sleeps.

# shellcheck source=tests/pager/daemon
. "$here/daemon"

# available_is MIB: of a host of 16 GiB without swap, of which 400 MiB are kept free
available_is() {
	printf 'MemTotal: 16777216 kB\nMemAvailable: %d kB\nSwapTotal: 0 kB\n' $(($1 * 1024)) >"$work/meminfo"
}

# The daemon reads the configuration again
configured() {
	printf '[overcommit]\ntiers = same-filled, ram:200M\nkeep_free = 400M\n%s\n' "$1" \
		>"$work/etc/membacking.conf"
	kill -HUP "$daemon_pid"
}

pressure_is() {
	[ "$(asks status | jq -r .pressure.state)" = "$1" ]
}

taken_kib() {
	asks status | jq -r .pressure.taken_kib
}

# gave UUID KIB: it has so much less than its limit, or more
gave() {
	[ $(($(status_of "$1" limit_kib) - $(status_of "$1" limit_now_kib))) -ge "$2" ]
}

# has_back UUID
has_back() {
	[ "$(status_of "$1" limit_kib)" = "$(status_of "$1" limit_now_kib)" ]
}

knows_idle() {
	[ "$(status_of "$1" idle_percent)" != null ]
}

# How often the daemon's threads went to sleep
sleeps() {
	cat /proc/"$daemon_pid"/task/*/status | awk '/^voluntary_ctxt_switches/ {n += $2} END {print n}'
}

daemon_place
available_is 8192
inside mount --bind "$work/meminfo" /proc/meminfo
# What else runs here may wait for memory
echo "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" >"$work/stalls"
[ ! -e /proc/pressure/memory ] || inside mount --bind "$work/stalls" /proc/pressure/memory
daemon_starts --idle 0
daemon_answers
configured ""

# Its clients are gone, and what they began is over
sleep 2
before=$(sleeps)
sleep 20
after=$(sleeps)
# More where these took longer, and a lock was waited for
check_true "without guests it wakes up once in ten seconds: $((after - before)) times in twenty" \
	"$after - $before <= 5"

victim idle ram=64
check_equal "a guest is paged that does nothing" "$(asks adopt $uuid_b "$victim_pid" 49152)" ok
shrinks $uuid_b 50000
sleep 2
before=$(sleeps)
sleep 20
after=$(sleeps)
check_true "each of its three threads then does so: $((after - before)) times in twenty" \
	"$after - $before <= 16"

victim busy ram=64 threads=2
ask busy start
check_equal "and one that works" "$(asks adopt $uuid_a "$victim_pid" 49152)" ok
shrinks $uuid_a 50000

available_is 100
soon gave $uuid_a 8192 && soon gave $uuid_b 8192
check_equal "memory runs out: both give" $? 0
check_equal "status says why" "$(status_of $uuid_a limit_why)" pressure
# A quarter.  What is resident is some pages less than the limit
soon gave $uuid_a 31000 && soon gave $uuid_b 31000
check_equal "nearly down to their floors" $? 0
shrinks $uuid_b 18200
check_equal "and what is resident follows" $? 0
check_true "no further: $(status_of $uuid_a limit_now_kib), $(status_of $uuid_b limit_now_kib) KiB" \
	"$(status_of $uuid_a limit_now_kib) >= 16384 && $(status_of $uuid_b limit_now_kib) >= 16384"
check_equal "their limits are what they were given" "$(status_of $uuid_a limit_kib)" 49152
soon knows_idle $uuid_b
check_true "what is idle was found out soon: $(status_of $uuid_b idle_percent) %" \
	"$(status_of $uuid_b idle_percent) > 50"
check_match "the log says so" "$(cat "$work/daemon.err")" "short of memory.*paged guests give some"

available_is 300
soon pressure_is holding
check_equal "it is not short any more" $? 0
moves busy
daemon_killed KILL
daemon_starts --idle 0
becomes $uuid_a state paging && becomes $uuid_b state paging
check_equal "the daemon is replaced meanwhile" $? 0
available_is 100
soon gave $uuid_a 8192
check_equal "and the next one does the same" $? 0

available_is 8192
soon has_back $uuid_a && soon has_back $uuid_b
check_equal "memory comes back: both have their limits again" $? 0
check_equal "and the reason is gone" "$(status_of $uuid_a limit_why) $(taken_kib)" "null 0"

available_is 100
soon gave $uuid_a 8192
configured "on_pressure = keep"
soon has_back $uuid_a && soon has_back $uuid_b
check_equal "switched off by the configuration: both have their limits again" $? 0
configured ""
available_is 8192

victim_ends busy "each byte is right"
victim_ends idle "each byte of the idle one"
daemon_ends

# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # variables of tests/pager/run and stage, and for them
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Forty guests, of which some are Linux guests in QEMU, and a host whose memory runs out and comes
# back: a program takes half of what is available, and gives it back.
# In the long form alone: what else runs here is in its way.

[ -n "$long" ] || return 0

# shellcheck source=tests/pager/daemon
. "$here/daemon"

linux_guests=3
all_guests=40
# KiB: of each of 80 and 20 MiB.  The floor is 70 percent of that
linux_limit=65536
limit=16384

uuid_of() {
	printf '%08x-cdaf-9455-926a-d65c16db1809' "$1"
}

# linux_guest NAME: verifier_pids[NAME] is its QEMU
linux_guest() {
	: >"$work/$1.serial"
	qemu-system-x86_64 -name "guest=$1,debug-threads=on" -machine pc,accel=tcg,memory-backend=ram \
		-object memory-backend-memfd,id=ram,share=on,size=80M -m 80 -smp 1 -nodefaults \
		-display none -no-reboot -serial "file:$work/$1.serial" -kernel "$image/vmlinuz" \
		-initrd "$image/verifier.img" </dev/null 2>"$work/$1.err" \
		-append "console=ttyS0 panic=-1 quiet verify=16 threads=1" &
	victim_pids[$1]=$!
	qemu_pid=$!
}

# figure_of NAME KEY: what the verifier in it said last
figure_of() {
	tr -d '\r' <"$work/$1.serial" | grep 'GUEST figures' | tail -n 1 |
		sed -n "s/.* $2=\\([0-9]*\\).*/\\1/p"
}

has_checked() {
	local n
	n=$(figure_of "$1" checks)
	[ "${n:-0}" -gt "$2" ]
}

available_mib() {
	awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo
}

configured() {
	printf '[overcommit]\ntiers = same-filled, ram:1G\nfloor = 70%%\nkeep_free = %dM\n' "$1" \
		>"$work/etc/membacking.conf"
}

# of_guests JQ: of the list of them
of_guests() {
	asks status | jq -r ".guests | $1"
}

are() {
	[ "$(of_guests "$1")" = "$2" ]
}

# Each second twice: what is taken of all guests, in KiB
note_taken() {
	while sleep 0.5; do
		asks status | jq -r .pressure.taken_kib
	done >"$work/taken"
}

# How often what is taken began to grow, and to shrink
turns_of() {
	awk '!/^[0-9]+$/ {next}
		$1 > last && way != 1 {way = 1; grows++}
		$1 < last && way != -1 {way = -1; shrinks++}
		{last = $1}
		END {print grows + 0, shrinks + 0}' "$work/taken"
}

daemon_place
# What else runs here may wait for memory
echo "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" >"$work/stalls"
[ ! -e /proc/pressure/memory ] || inside mount --bind "$work/stalls" /proc/pressure/memory
configured 400
daemon_starts --idle 0
daemon_answers

image=$("$here/guest-image" "$build") || fatal "there is no guest's kernel"
for ((n = 1; n <= linux_guests; n++)); do
	linux_guest "linux$n"
	qemu[n]=$qemu_pid
done
for ((n = linux_guests + 1; n <= all_guests; n++)); do
	victim "guest$n" ram=20 kinds=all threads=1
	check_silently=$(asks adopt "$(uuid_of "$n")" "$victim_pid" $limit)
	[ "$check_silently" = ok ] || not_ok "guest $n is adopted" "$check_silently"
	# Every tenth one works
	((n % 10)) || ask "guest$n" start
done
for ((n = 1; n <= linux_guests; n++)); do
	soon has_checked "linux$n" 0
	check_equal "Linux guest $n is adopted" \
		"$(asks adopt "$(uuid_of "$n")" "${qemu[n]}" $linux_limit)" ok
done
soon are 'map(select(.state == "paging" and .resident_kib <= .limit_kib)) | length' $all_guests
check_equal "forty guests are at their limits" $? 0

# Short of it below a half of this, and given back from three quarters on
before=$(available_mib)
configured "$before"
kill -HUP "$daemon_pid"
note_taken &
victim_pids[noting]=$!
noting=$!

mkfifo "$work/hog.in"
"$build/tests/pager/hog" $((before * 46 / 100)) <>"$work/hog.in" >"$work/hog.out" 2>"$work/hog.err" &
victim_pids[hog]=$!
hog=$!
soon grep -q ready "$work/hog.out"
check_equal "a program takes the host's memory" $? 0
soon are 'map(select(.limit_now_kib < .limit_kib and .limit_why == "pressure")) | length' $all_guests
check_equal "all give" $? 0
floor='.limit_kib * 0.875'
soon are "map(select(.limit_now_kib <= $floor + 400)) | length" $all_guests
check_equal "down to their floors" $? 0
soon are "map(select(.resident_kib <= $floor + 1000)) | length" $all_guests
check_equal "and what is resident follows" $? 0
check_equal "no further" "$(of_guests "map(select(.limit_now_kib < $floor - 1)) | length")" 0
check_equal "their limits are what they were given" \
	"$(of_guests 'map(.limit_kib) | add')" $((linux_guests * linux_limit + (all_guests - linux_guests) * limit))
check_true "it is still there" "$(kill -0 "$hog" 2>/dev/null && echo 1 || echo 0) == 1"

echo >"$work/hog.in"
wait "$hog"
unset 'victim_pids[hog]'
soon are 'map(select(.limit_now_kib == .limit_kib)) | length' $all_guests
check_equal "memory comes back: all have their limits again" $? 0
check_equal "and the reasons are gone" "$(of_guests 'map(.limit_why) | unique[]') $(asks status | jq -r .pressure.taken_kib)" \
	"null 0"
soon are "map(select(.resident_kib > $floor + 600)) | length >= $linux_guests" true
check_equal "and those that work use it" $? 0
kill "$noting"
wait "$noting" 2>/dev/null
unset 'victim_pids[noting]'
check_equal "they gave once, and got it back once: it did not go to and fro" "$(turns_of)" "1 1"

for ((n = 1; n <= linux_guests; n++)); do
	soon has_checked "linux$n" "$(figure_of "linux$n" checks)"
	check_equal "Linux guest $n comes on, and no byte of it was ever wrong" "$? $(figure_of "linux$n" wrong)" "0 0"
	kill -KILL "${victim_pids[linux$n]}"
	wait "${victim_pids[linux$n]}" 2>/dev/null
	checks=$((checks + $(figure_of "linux$n" checks)))
	unset "victim_pids[linux$n]"
done
wrong=
for ((n = linux_guests + 1; n <= all_guests; n++)); do
	problem=
	victim_stops "guest$n"
	[ -z "$problem" ] && [ "${figure[wrong]}" = 0 ] || wrong+="guest $n: $problem ${figure[wrong]}; "
done
check_equal "nor of the others" "$wrong" ""
daemon_ends

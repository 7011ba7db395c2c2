# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2119 # variables of tests/pager/run and stage, and for them
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Everything at random, for SOAK_SECONDS (15): guests that discard, are read from end to end, begin
# and end; memory that is plugged in and unplugged; limits, tiers and their sizes that change, a
# directory of files among them; the daemon killed, ended and replaced; the disk of a tier failing,
# not answering, full, or giving zeros, and working again.  Not one byte is wrong, each guest comes
# on, and nothing is left.  PAGER_SEED=N draws the same events again.  Live migration, save and
# restore are QEMU's work: of them there is the reader alone.

# shellcheck source=tests/pager/daemon
. "$here/daemon"
# shellcheck source=tests/pager/disk
. "$here/disk"

soak_seconds=${SOAK_SECONDS:-15}
# The short form has the same events each day
[ -n "${SOAK_SECONDS-}" ] || [ -n "${PAGER_SEED-}" ] || RANDOM=2
guests=3
ram_mib=48
declare -A uuid_of pid_of events plugged
wrong=()

event() {
	events[$1]=$((${events[$1]:-0} + 1))
	echo "$(date +%T.%N) $*" >>"$work/soak.out"
}

# One of the words
draw() {
	shift $((RANDOM % $#))
	echo "$1"
}

# ---- guests ----

guest_begins() {
	local options
	options="threads=$((1 + RANDOM % 2)) pattern=$(draw mixed uniform sequential zipf)"
	options+=" objects=$((1 + RANDOM % 2)) discards=$(draw yes no) reader=$(draw yes no)"
	read -r -a options <<<"$options"
	victim "$1" ram=$ram_mib untouched=1000 "${options[@]}"
	pid_of[$1]=$victim_pid
	plugged[$1.0]=
	plugged[$1.1]=
	ask "$1" start
	problem=
	is_adopted "$1" || wrong+=("$1 is not adopted: $problem")
}

# adopt_it NAME: the answer in "problem"
is_adopted() {
	problem=$(asks adopt "${uuid_of[$1]}" "${pid_of[$1]}" $((1024 * (8 + RANDOM % 24))))
	[ "$problem" = ok ]
}

# What it has said at once of each wrong byte
says_nothing() {
	[ ! -s "$work/$1.err" ] || wrong+=("$1: $(head -n 3 "$work/$1.err")")
}

# With the disk at work: each page is checked
guest_ends() {
	problem=
	tiers_have_room
	victim_stops "$1"
	[ -z "$problem" ] || wrong+=("$1: $problem")
	says_nothing "$1"
	soon is_gone "${uuid_of[$1]}" || wrong+=("$1 has ended, and the daemon still has it")
}

is_gone() {
	[ -z "$(status_of "$1" state)" ]
}

# Killed, whatever it waits for: memory that is being unplugged may be on a disk that hangs
guest_dies() {
	! ask "$1" figures 10 || checks=$((checks + ${figure[checks]:-0}))
	kill -KILL "${victim_pids[$1]}"
	wait "${victim_pids[$1]}" 2>/dev/null
	says_nothing "$1"
	victim_gone "$1"
	soon is_gone "${uuid_of[$1]}" || wrong+=("$1 was killed, and the daemon still has it")
}

# All threads of all guests find their pages
all_come_on() {
	local name
	for name in "${!uuid_of[@]}"; do
		moves "$name" || wrong+=("$name: $problem; $(status_of "${uuid_of[$name]}" alarm)")
	done
}

# ---- events ----

# A call that waits for the disk, such as that which opens it, goes on for as long as that is silent
daemon_ends_soon() {
	local i
	kill "-$1" "$daemon_pid"
	for ((i = 0; i < 400; i++)); do
		kill -0 "$daemon_pid" 2>/dev/null || return
		sleep 0.05
	done
	disk_is works
}

daemon_dies() {
	[ "$flaw" != hangs ] || daemon_ends_soon "$1"
	daemon_killed "$1"
	[ $((RANDOM % 3)) != 0 ] || sleep "0.$((RANDOM % 10))"
	daemon_starts --idle 0
	daemon_answers || wrong+=("the next daemon does not answer")
}

# The file may be another one, in a directory, or none: pages stay where they are
tiers_change() {
	local tiers
	tiers="same-filled, ram:$((2 + RANDOM % 10))M"
	[ $((RANDOM % 3)) != 0 ] || tiers+=", zstd:$((1 + RANDOM % 8))M"
	case $((RANDOM % 7)) in
	0) ;;
	1 | 2) tiers+=", directory:/media:$((32 + RANDOM % 160))M" ;;
	*) tiers+=", file:$(draw /mnt/disk "$device" "$device"):$((32 + RANDOM % 160))M" ;;
	esac
	tiers_are "$tiers"
	event reload "$tiers"
	kill -HUP "$daemon_pid"
}

# A guest that begins without a tier in a file gets none later
tiers_have_room() {
	tiers_are "same-filled, ram:200M, file:$device:200M"
	kill -HUP "$daemon_pid"
}

# Threads of what is unplugged may stand: it goes when they come on
plug_or_unplug() {
	local slot=$((RANDOM % 2))
	if [ -n "${plugged[$1.$slot]}" ]; then
		event unplug "$1: ${plugged[$1.$slot]} MiB"
		plugged[$1.$slot]=
		ask "$1" "unplug $slot" 10
	else
		plugged[$1.$slot]=$((2 + RANDOM % 3 * 2))
		event plug "$1: ${plugged[$1.$slot]} MiB"
		ask "$1" "plug $slot ${plugged[$1.$slot]}" 10
	fi
}

disk_is() {
	disk "$1"
	event "disk: $1"
	flaw=$1
}

# A guest that can't be let go while the disk does not work is paged as before
release_one() {
	local ASK_SECONDS=5
	export ASK_SECONDS
	[ "$flaw" = works ] && ASK_SECONDS=60
	problem=$(asks release "${uuid_of[$1]}")
	event "release" "$1: $problem"
	[ "$flaw" != works ] || [ "$problem" = ok ] || wrong+=("$1 is not released: $problem")
}

one_event() {
	local name=${names[RANDOM % guests]}
	case $((RANDOM % 23)) in
	0 | 1)
		event kill
		daemon_dies KILL
		;;
	2)
		event end
		daemon_dies TERM
		;;
	3 | 4 | 5 | 6)
		event limit
		asks set "${uuid_of[$name]}" $((1024 * (4 + RANDOM % 44))) >/dev/null
		;;
	7 | 8 | 9)
		tiers_change
		;;
	10)
		event balloon
		ask "$name" "balloon $((RANDOM % 2 * RANDOM % 4000))" 10
		;;
	11)
		event "guest killed"
		guest_dies "$name"
		guest_begins "$name"
		;;
	12)
		release_one "$name"
		;;
	13)
		if [ "$flaw" = works ]; then
			event "guest ended"
			guest_ends "$name"
			guest_begins "$name"
		fi
		;;
	14)
		is_adopted "$name"
		event adopt "$name: $problem"
		;;
	15 | 16 | 17)
		plug_or_unplug "$name"
		;;
	*)
		if [ "$flaw" = works ]; then
			disk_is "$(draw "fails read" "fails write" "fails both" hangs zeros full)"
		else
			disk_is works
		fi
		;;
	esac
}

# In KiB, of all guests
file_kib() {
	local in_file in_directory
	read -r in_file in_directory < <(asks status | jq -r '[("file", "directory") as $name |
		[.guests[].tiers[]? | select(.name == $name) | .kib] | add // 0] | join(" ")')
	[ "${in_file:-0}" -le "$most_kib" ] || most_kib=$in_file
	[ "${in_directory:-0}" -le "$most_directory_kib" ] || most_directory_kib=$in_directory
}

# At rest: the disk works, each guest is paged, and all come on
rest() {
	local name
	disk_is works
	tiers_have_room
	for name in "${names[@]}"; do
		soon is_adopted "$name" || wrong+=("$name is not adopted: $problem")
	done
	all_come_on
}

flawed_disk 256
daemon_place
inside mount --bind "$flawed" /mnt
mkdir -m 700 "$disk/shared"
inside mount --bind "$disk/shared" /media
tiers_are "same-filled, ram:6M, file:$device:128M"
daemon_starts --idle 0
daemon_answers
flaw=works
most_kib=0
most_directory_kib=0
names=()
for ((n = 0; n < guests; n++)); do
	names+=("soaked$n")
	uuid_of[soaked$n]=aaaaaaa$n-cdaf-9455-926a-d65c16db1809
	guest_begins "soaked$n"
done
until_seconds=$((SECONDS + soak_seconds))
n=0
while [ "$SECONDS" -lt "$until_seconds" ] && [ ${#wrong[@]} = 0 ]; do
	one_event
	for name in "${names[@]}"; do
		says_nothing "$name"
	done
	file_kib
	sleep "0.$((RANDOM % 5))"
	n=$((n + 1))
	[ $((n % 40)) != 0 ] || rest
done
rest
for name in "${names[@]}"; do
	guest_ends "$name"
done
for name in "${!events[@]}"; do
	echo "# $name: ${events[$name]}"
done
if [ ${#wrong[@]} = 0 ]; then
	ok "no byte is wrong, and each guest comes on ($n events, $checks checks)"
else
	not_ok "no byte is wrong, and each guest comes on" "$(printf '%s; ' "${wrong[@]}")"
fi
soon is_answering
check_true "$((most_kib / 1024)) MiB of them were on the disk at one time" "$most_kib > 1024"
echo "# at most $((most_directory_kib / 1024)) MiB of them were in the directory"
check_equal "the daemon has no guests any more" "$(asks status | jq '.guests | length')" 0
check_equal "nor their files" "$(tmpfs_is_mounted)" no
check_equal "not in the directory either" "$(find "$disk/shared" -type f)" ""
daemon_ends
# What was given back while it did not answer stays there until it is used again
[[ ${!events[*]} == *hangs* ]] || check_true "the disk has none of their pages" \
	"$(stat -c %b "$disk"/backing.* | paste -sd +) < 8192"
flawed_disk_ends
check_equal "no device and no mount is left" \
	"$(losetup -a | grep "$disk"; grep "$disk" /proc/self/mounts)" ""
# Not "jobs": the shell has known an ended one by a number that a later process got
check_equal "and no process" "$(processes_left)" ""

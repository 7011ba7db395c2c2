# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/pager/stage
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Balloons, full and broken tiers, files of a newer version, guests that die or come again.

# stands NAME: none of its threads comes on
stands() {
	local before
	ask "$1" figures
	before=${figure[checks]}
	sleep 1
	ask "$1" figures
	[ "${figure[checks]}" = "$before" ]
}

victim balloon give=2 reader=yes
pager balloon limit=6000
ask balloon start
for pages in 8000 0 12000 3000 9000 0; do
	ask balloon "balloon $pages"
	sleep 0.2
done
pager_ask balloon status
check_true "the balloon's discards arrive" "${figure[discards]} > 0"
victim_ends balloon "a balloon up and down: each byte is right"
pager_kill balloon

# Slots are exchanged; a page that was never touched needs one more
victim full give=2 kinds=one threads=2 untouched=3000
pager full limit=6000 tiers=same,ram:4096
ask full start
until=$((SECONDS + 120))
while [ $SECONDS -lt $until ]; do
	pager_ask full status
	[ "${figure[waiting]}" = 0 ] || ! stands full || break
done
pager_ask full status
check_true "the tier is full: who needs a page waits" "${figure[waiting]} > 0"
soon alarm_says full "full"
check_match "and it is said for what" "$(pager_alarms full)" "full"
# There and back: with room in the tier it goes on and is at its limit again, and at a higher limit
for _ in 1 2; do
	pager_ask full "room 0"
	problem=
	moves full
	check_equal "with room in the tier it goes on" "$problem" ""
	soon status_is full "figure[waiting] == 0 && figure[resident] <= 6000"
	check_true "no thread waits, and ${figure[resident]} pages are resident" \
		"${figure[waiting]} == 0 && ${figure[resident]} <= 6000"
	pager_ask full "room 4096"
	sleep 0.3
done
pager_ask full "limit 16384"
problem=
moves full
check_equal "with room it goes on" "$problem" ""
soon status_is full "figure[waiting] == 0"
check_equal "no thread waits" "${figure[waiting]}" 0
victim_ends full "a full tier: each byte is right"
pager_kill full

victim garbled give=2 kinds=one
pager garbled limit=6000 tiers=ram
ask garbled start
soon status_is garbled "figure[resident] <= 6000"
for file in "$work"/garbled.d/*; do
	case $file in
	*/map | */journal) continue ;;
	esac
	head -c "$(stat -c %s "$file")" /dev/urandom | dd of="$file" conv=notrunc status=none
done
soon alarm_says garbled "waits for a page"
soon status_is garbled "figure[waiting] > 0"
ask garbled figures
check_equal "slots with anything in them: no wrong byte" "${figure[wrong]}" 0
pager_ask garbled status
check_true "who needs such a page waits" "${figure[waiting]} > 0"
check_match "and it is said for what" "$(pager_alarms garbled)" "^alarm: ."
kill -KILL "${victim_pids[garbled]}"
soon status_is garbled "figure[gone] == 1"
check_equal "a guest that is killed is known to be gone" "${figure[gone]}" 1
pager_ask garbled stop
wait "${victim_pids[garbled]}" 2>/dev/null
victim_gone garbled
pager_wait garbled

victim again give=2
pager again limit=6000
ask again start
sleep 0.3
pager_kill again
cp -r "$work/again.d" "$work/old"
victim_pid=${victim_pids[again]}
kill -KILL "$victim_pid"
wait "$victim_pid" 2>/dev/null
victim_gone again
victim again give=2
cp "$work"/old/* "$work/again.d"
pager again limit=6000
check_match "the map of a guest that is gone is not used for the next one" "$pager_said" "^failed (3|116)"
pager_wait again
# The same process number, as it comes round
pid=${victim_pids[again]}
# shellcheck disable=SC2059 # the bytes of the number in the map's header
printf "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $((pid & 255)) $((pid >> 8 & 255)) \
	$((pid >> 16 & 255)) $((pid >> 24 & 255)))" |
	dd of="$work/again.d/map" bs=1 seek=104 conv=notrunc status=none
pager again limit=6000
check_match "nor if the next one has its process number" "$pager_said" "^failed (3|116)"
pager_wait again
rm -rf "$work/old" "$work/again.d"/*
victim_ends again "the next guest is left alone"

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/pager/stage
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What loses pages where it isn't thought of, each in a test of its own; kills have theirs in
# "kills" and "release".

# runs_right NAME TITLE: for a while, and each byte is right
runs_right() {
	sleep "${long:+2}0.7"
	problem=
	moves "$1" || not_ok "$2" "$problem"
	victim_ends "$1" "$2"
	pager_kill "$1"
}

# trapped TITLE OPTION...: a guest of which much is loaded ahead, discarded and evicted
trapped() {
	victim trapped give=3 discards=yes reader=yes
	pager trapped limit=5000 "${@:2}"
	check_equal "$1: it is paged" "$pager_said" paging
	ask trapped start
	runs_right trapped "$1"
}

# A write into the guest's file whose source isn't mapped for a moment ends short, with zeros
# published: what is loaded ahead must not come that way
trapped "what is loaded has no page table for a moment" strike=trouble=2

# A discard that was read and not applied yet, while the page is used again
trapped "discards are applied late" strike=delay=step:faults_read:1+:1
trapped "discards arrive while pages are on their way out" strike=delay=step:evict_claim:1+:1 \
	strike=delay=step:evict_stage:1+:1

# A page that can't be read stays; the guest may discard it, and it is like any other then
trapped "splices fail one after the other" strike=fail=splice:3:5 strike=fail=splice:10:5 \
	strike=fail=splice:17:5 strike=fail=splice:30:5 strike=fail=splice:45:5

# Pages that can't be read end a splice early
trapped "splices end early" strike=short=splice:1+
trapped "a splice fails" strike=fail=splice:20:5 strike=fail=splice:60:5
trapped "no hole can be made" strike=fail=fallocate:20:12

# The next pager waits for the last one's threads
victim waits give=2
pager waits limit=6000
ask waits start
first=${pager_pids[waits]}
kill -STOP "$first"
mv "$work/waits.pager.out" "$work/first.out"
pager waits limit=6000 wait=300
check_match "while another pager lives its map is not touched" "$pager_said" "^failed 110"
pager_wait waits
(
	sleep 0.3
	kill -KILL "$first"
) &
pager waits limit=6000 wait=10000
check_equal "the next one goes on when it is gone" "$pager_said" resumed
check_true "not before" "! $(kill -0 "$first" 2>/dev/null && echo 1 || echo 0)"
wait "$first" 2>/dev/null
runs_right waits "two pagers of one guest: each byte is right"

# What was read of the userfaultfd outlives the pager that read it
victim read_by give=2 discards=yes
pager read_by limit=6000 strike=die=step:faults_read:30
ask read_by start
pager_dies read_by 120
said=$("$build/tests/pager/attach" audit "$work/read_by.d")
check_match "messages that a killed pager had read are left for the next one" "$said" "messages=[1-9]"
pager read_by limit=6000
runs_right read_by "after them: each byte is right"

# version_is NUMBER: the map of "newer" says
version_is() {
	# shellcheck disable=SC2059 # that is the byte
	printf "\\x$(printf %x "$1")" | dd of="$work/newer.d/map" bs=1 seek=8 conv=notrunc status=none
}

# Files of a newer version are left for the newer pager
victim newer give=2
pager newer limit=6000
ask newer start
sleep 0.3
pager_kill newer
version=$(od -An -tu4 -j8 -N4 "$work/newer.d/map" | tr -d ' ')
version_is $((version + 1))
sum=$(cat "$work"/newer.d/* | cksum)
pager newer limit=6000
check_match "files of a newer version are refused" "$pager_said" "^failed 116"
pager_wait newer
check_equal "and not touched" "$(cat "$work"/newer.d/* | cksum)" "$sum"
version_is "$version"
pager newer limit=6000
check_equal "the newer pager goes on" "$pager_said" resumed
runs_right newer "the version of the files: each byte is right"

# A buffer that another process keeps pinned: nothing can be said of pins any more
if bystander pin; then
	victim pinned give=3
	pager pinned limit=14000 pins=wait
	ask pinned start
	sleep 1
	ask pinned figures
	check_equal "while pages of the host are pinned nothing is lost" "${figure[wrong]}" 0
	bystander_ends
	runs_right pinned "afterwards each byte is right"
else
	bystander_ends
	echo "skip - no io_uring here: no buffer can be registered"
fi

# Memory in large folios: splice and punch would zero it in place.  The mount is the victim's own
# shellcheck disable=SC2016,SC2034 # the inner shell's; stage's
victim_by=(unshare --mount --propagation private sh -c
	'mount -t tmpfs -o huge=always,size=200m huge "$0" && exec "$@"' "$work/huge")
mkdir "$work/huge"
victim huge give=2 directory="$work/huge"
# shellcheck disable=SC2034
victim_by=()
pager huge limit=6000
ask huge start
if [ "$pager_said" = paging ]; then
	soon alarm_says huge "large folios|huge"
	check_match "memory in large folios stays, and it is said" "$(pager_alarms huge)" "large folios|huge"
else
	check_match "memory in large folios is refused" "$pager_said" "^failed 95"
fi
moves huge
victim_ends huge "memory in large folios: each byte is right"
pager_kill huge

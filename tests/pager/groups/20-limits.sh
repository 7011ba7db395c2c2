# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/pager/stage
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Three quarters, half and a quarter of the memory resident, in each tier; the limit changed while
# the guest runs; everything back into RAM.

# comes_below NAME PAGES TITLE: a guest that is far above its limit is not held up until all is out
comes_below() {
	soon status_is "$1" "figure[resident] <= $2 && figure[evictions] > 0"
	check_true "$3: ${figure[resident]} pages are resident" \
		"${figure[resident]} <= $2 && ${figure[evictions]} > 0"
}

# page_at PERCENT TIERS OPTION...
page_at() {
	local limit=$((16384 * $1 / 100)) title="$1 % resident, tiers $2"
	victim paged give=2 discards=yes reader=yes untouched=1000 objects=2 "${memory[@]}"
	pager paged limit="$limit" tiers="$2" "${@:3}"
	check_equal "$title: it is paged" "$pager_said" paging
	ask paged start
	sleep "${long:+1}0.7"
	comes_below paged "$limit" "$title"
	victim_ends paged "$title: each byte is right"
	pager_kill paged
}

memory=()
for percent in 75 50 25; do
	page_at $percent same,ram
done
page_at 50 ram
page_at 50 ram threads=2
# Files on a tmpfs instead of memfds
memory=(directory="$work")
page_at 35 same,ram
memory=()
page_at 35 same,ram prefetch=no slots=drop
# Faults on protected pages, while discards are under way
for percent in 50 35 20; do
	page_at $percent ram pins=wait
done

# Pages that move between slots, meanwhile
victim paged give=2 discards=yes reader=yes
pager paged limit=6000 tiers=ram demote=yes
ask paged start
sleep "${long:+1}0.7"
pager_ask paged demoted
check_true "pages move between slots: ${figure[moved]}, ${figure[late]} of them too late" \
	"${figure[moved]} > 100"
victim_ends paged "moved between slots: each byte is right"
pager_kill paged

victim paged give=2 discards=yes reader=yes
pager paged limit=12000
ask paged start
for limit in 3000 9000 1000 16000 500 4000; do
	pager_ask paged "limit $limit"
	sleep 0.2
done
sleep 0.5
comes_below paged 4000 "the limit was changed six times"
pager_ask paged detach
check_match "everything is let go" "$line" "^detach: done"
pager_wait paged
check_equal "no files are left" "$(ls "$work/paged.d")" ""
moves paged
victim_ends paged "afterwards each byte is right"

# A page that was loaded keeps its slot, for it may go again as it is; not where memory is short
victim copies give=2 threads=1 pattern=zipf writes=2
pager copies limit=8000
ask copies start
soon status_is copies "figure[refaults] > 30000"
kept=$((figure[same-filled] + figure[ram] - figure[pages] + figure[resident]))
before=${figure[ram_bytes]}
check_true "$kept resident pages of ${figure[resident]} have slots too" "kept > 1000"
pager_ask copies "slots go"
# What leaves or is loaded at this moment may be in both
both="figure[same-filled] + figure[ram] - figure[pages] + figure[resident]"
soon status_is copies "$both < 200 && figure[ram_bytes] < before"
check_true "none has where memory is short: $((before / 1024)) KiB of slots, then $((figure[ram_bytes] / 1024))" \
	"$both < 200 && figure[ram_bytes] < before"
victim_ends copies "each byte is right without these slots"
pager_kill copies

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/pager/stage
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tiers behind a small one in RAM, of zstd and in a file: each byte is right in each of them and on
# the way between them; a disk that fails or is full never gives a guest zeros: it waits, and an alarm says for what.

# Pages of little that compresses, so that RAM is soon full
file_tiers=("tiers=same,ram:6144,file:/tier:131072" "disk=$disk")

# file_is NAME EXPRESSION TITLE
file_is() {
	soon status_is "$1" "$2"
	check_true "$3: ${figure[file]} pages are in the file, ${figure[ram]} in RAM" "$2"
}

# paged NAME OPTION...: and its threads have begun
paged() {
	local name=$1
	shift
	victim "$name" give=2 discards=yes reader=yes untouched=1000 objects=2
	pager "$name" limit=4000 "${file_tiers[@]}" "$@"
	check_equal "$name: it is paged" "$pager_said" paging
	ask "$name" start
}

paged file
file_is file "figure[file] > 2000 && figure[moved] > 3000" "pages go on to the file"
soon status_is file "figure[refaults] > 2000"
check_true "and come back: ${figure[refaults]} faults" "figure[refaults] > 2000"
check_equal "no alarm says that none go" "$(pager_alarms file | grep -c 'pages stay')" 0
victim_ends file "each byte is right"
pager_kill file
check_true "its file is as large as its pages" "$(stat -c %b "$disk/tier") * 512 < 64 << 20"

# Through zstd: what lz4 leaves of letters; the rest stays in RAM, and must have room there
file_tiers=("tiers=same,ram:24576,zstd:65536")
paged zstd
soon status_is zstd "figure[zstd] > 500 && figure[moved] > 2000"
check_true "pages go through zstd: ${figure[zstd]} are there, ${figure[moved]} went" \
	"figure[zstd] > 500 && figure[moved] > 2000"
soon status_is zstd "figure[refaults] > 5000"
check_true "each takes less than by lz4: ${figure[zstd_content]} bytes" \
	"figure[zstd_content] < 1600 * figure[zstd]"
soon status_is zstd "figure[resident] <= 4000"
check_true "all else has room: ${figure[resident]} pages are resident" "figure[resident] <= 4000"
victim_ends zstd "each byte is right that came back from zstd"
pager_kill zstd

# All three: what zstd has no room for, and does not make smaller, goes to the file
file_tiers=("tiers=same,ram:6144,zstd:1024,file:/tier:131072" "disk=$disk")
paged three
soon status_is three "figure[zstd] > 300 && figure[file] > 1000"
check_true "RAM, zstd and a file: ${figure[ram]}, ${figure[zstd]} and ${figure[file]} pages" \
	"figure[zstd] > 300 && figure[file] > 1000"
pager_kill three
audit three "each slot is in one entry of three tiers"
pager three limit=4000 "tiers=same,ram:6144,file:/tier:131072" "disk=$disk"
check_equal "zstd is no more in the configuration" "$pager_said" resumed
moves three || not_ok "it comes on" "$problem"
pager_ask three detach
check_equal "what is in zstd comes back all the same" "$line" "detach: done"
victim_ends three "each byte is right without zstd"
pager_wait three

file_tiers=("tiers=same,ram:6144,file:/tier:131072" "disk=$disk")

# All back: what has a tier in a file can be let go
paged released
file_is released "figure[file] > 1000" "before it is let go"
pager_ask released detach
check_equal "let go" "$line" "detach: done"
victim_ends released "after that each byte is right"
pager_wait released
check_true "its file is empty" "$(stat -c %b "$disk/tier") * 512 < 1 << 20"

# The next pager finds the slots again
paged killed
file_is killed "figure[file] > 1000" "before the kill"
pager_kill killed
audit killed "each slot is in one entry"
pager killed limit=4000 "${file_tiers[@]}"
check_equal "the next one goes on" "$pager_said" resumed
file_is killed "figure[file] > 1000" "after the kill"
moves killed || not_ok "it comes on" "$problem"
victim_ends killed "after a kill each byte is right"
pager_kill killed

# Gone while no pager ran, and there again
paged gone
file_is gone "figure[file] > 1000" "before its file goes"
pager_kill gone
mv "$disk/tier" "$disk/away"
pager gone limit=4000 "${file_tiers[@]}"
check_equal "without its file it is paged" "$pager_said" resumed
soon alarm_says gone "waits for a page: /tier: No such file"
check_match "and waits" "$(pager_alarms gone)" "waits for a page: /tier: No such file"
soon status_is gone "figure[waiting] > 0"
check_true "${figure[waiting]} faults wait" "figure[waiting] > 0"
mv "$disk/away" "$disk/tier"
moves gone || not_ok "it comes on with its file" "$problem"
victim_ends gone "each byte is right that waited for the file"
pager_kill gone

# A disk that fails: writing first, then reading
paged failing file-fails=write
soon alarm_says failing "pages stay in RAM: /tier: cannot write"
check_match "writing fails" "$(pager_alarms failing)" "pages stay in RAM: /tier: cannot write"
pager_ask failing status
check_equal "no page is in the file" "${figure[file]}" 0
pager_ask failing file-fails=no
file_is failing "figure[file] > 1000" "writing works again"
pager_ask failing file-fails=read
soon alarm_says failing "waits for a page: /tier: cannot read"
check_match "reading fails" "$(pager_alarms failing)" "waits for a page: /tier: cannot read"
pager_ask failing file-fails=no
moves failing || not_ok "it comes on when reading works again" "$problem"
soon status_is failing "figure[waiting] == 0"
check_equal "no fault waits" "${figure[waiting]}" 0
victim_ends failing "each byte is right on a disk that failed"
pager_kill failing

# Full: both tiers, then there is room again
file_tiers=("tiers=same,ram:6144,file:/tier:4096" "disk=$disk")
paged full
soon alarm_says full "pages stay in RAM: /tier: no room"
check_match "a full file" "$(pager_alarms full)" "pages stay in RAM: /tier: no room"
soon alarm_says full "no tier takes more: pages stay in RAM: /tier: no room"
check_match "and RAM is full" "$(pager_alarms full)" "no tier takes more: pages stay in RAM: /tier"
pager_ask full "limit 16384"
moves full || not_ok "it comes on with a larger limit" "$problem"
victim_ends full "each byte is right in full tiers"
pager_kill full

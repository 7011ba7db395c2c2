# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/pager/stage
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A thread that reads all memory, as a migration's does, while others use theirs: what is resident
# stays at its limit, and no byte is wrong, also where the pager is killed meanwhile.

# in_memory PID: pages of its files that are there
in_memory() {
	local kib
	kib=$(sed -n 's/^RssShmem:\t *\([0-9]*\) kB/\1/p' "/proc/$1/status")
	echo $((kib / 4))
}

# most_resident PID: the most of fifty looks
most_resident() {
	local i n most=0
	for ((i = 0; i < 50; i++)); do
		n=$(in_memory "$1")
		[ "$n" -le "$most" ] || most=$n
		sleep 0.01
	done
	echo "$most"
}

# The guest's own working set fits.  Its program's own memory is no shared one
victim scanned give=2 reader=yes writes=20 pattern=zipf threads=1 ram=64
pager scanned limit=8000
ask scanned start
soon status_is scanned "figure[scanned] > 20000 && figure[resident] <= 8000"
most=$(most_resident "$victim_pid")
check_true "what a thread reads in passing does not stay: $most pages of a limit of 8000" \
	"most <= 8000 + 128"
victim_ends scanned "read in passing: each byte is right"
pager_kill scanned

# Memory that was never touched, and no other thread touches it
victim fresh give=2 reader=yes untouched=12000 threads=0
pager fresh limit=2000
ask fresh start
soon status_is fresh "figure[scanned] > 30000 && figure[resident] <= 2000"
most=$(most_resident "$victim_pid")
check_true "memory that was never touched stays so: $most pages of a limit of 2000" \
	"most <= 2000 + 128"
pager_ask fresh status
check_equal "it is shown as zeros" "${figure[zero_faults]}" 0
victim_ends fresh "shown as zeros: each byte is right"
pager_kill fresh

victim scanned give=2 reader=yes discards=yes untouched=1000
pager scanned limit=6000
ask scanned start
for ((i = 0; i < ${long:+5}10; i++)); do
	sleep "0.0$((RANDOM % 10))"
	pager_kill scanned
	problem=
	audit_silently scanned || not_ok "what a killed pager left" "$problem"
	pager scanned limit=6000
	[ "$pager_said" = resumed ] || not_ok "killed meanwhile" "$pager_said"
done
moves scanned || not_ok "killed meanwhile" "$problem"
pager_ask scanned detach
check_match "let go meanwhile" "$line" "^detach: done"
pager_wait scanned
moves scanned
victim_ends scanned "killed, and let go, meanwhile: each byte is right"

# Out of a file: what the thread reads stays there, and nothing else moves for it
where_pages_are() {
	pager_ask "$1" status &&
		pages="${figure[moved]} ${figure[evictions]} ${figure[file]} ${figure[ram]} ${figure[resident]}"
}
# The first faults make some room
settled() {
	where_pages_are "$1" || return 1
	before=$pages
	sleep 0.3
	where_pages_are "$1" && [ "$pages" = "$before" ] && [ "${figure[scanned]}" -gt 2000 ] &&
		[ "${figure[file]}" -gt 2000 ]
}

file_tiers=("tiers=same,ram:6144,file:/tier:131072" "disk=$disk")
victim filed give=2 reader=yes untouched=1000 threads=0 ram=64
pager filed limit=4000 "${file_tiers[@]}"
soon status_is filed "figure[file] > 2000"
ask filed start
soon settled filed
more=$((figure[scanned] + 40000))
soon status_is filed "figure[scanned] > $more"
check_true "a thread reads all memory, most of it from a file: ${figure[scanned]} pages" \
	"figure[scanned] > $more"
where_pages_are filed
check_equal "moved on, evicted, in the file, in RAM and resident: as before" "$pages" "$before"
check_equal "and none was loaded to stay" "${figure[refaults]}" 0
most=$(most_resident "$victim_pid")
check_true "$most pages of a limit of 4000 are there" "most <= 4000 + 256"
pager_kill filed
audit filed "killed while it reads: each slot is in one entry"
pager filed limit=4000 "${file_tiers[@]}"
check_equal "the next one goes on" "$pager_said" resumed
moves filed || not_ok "it comes on" "$problem"
pager_ask filed file-fails=read
soon alarm_says filed "waits for a page: /tier: cannot read"
check_match "a disk that fails: it waits" "$(pager_alarms filed)" "waits for a page: /tier: cannot read"
pager_ask filed file-fails=no
moves filed || not_ok "it comes on when reading works again" "$problem"
victim_ends filed "read out of a file: each byte is right"
pager_kill filed

# While others write
victim busy give=2 reader=yes discards=yes untouched=1000
pager busy limit=4000 "${file_tiers[@]}"
ask busy start
soon status_is busy "figure[scanned] > 5000 && figure[file] > 500"
for ((i = 0; i < ${long:+5}6; i++)); do
	sleep "0.$((1 + RANDOM % 3))"
	pager_kill busy
	problem=
	audit_silently busy || not_ok "what a killed pager left" "$problem"
	pager busy limit=4000 "${file_tiers[@]}"
	[ "$pager_said" = resumed ] || not_ok "killed meanwhile" "$pager_said"
done
moves busy || not_ok "killed meanwhile" "$problem"
pager_ask busy detach
check_match "let go meanwhile, out of a file" "$line" "^detach: done"
pager_wait busy
moves busy
victim_ends busy "out of a file, killed, and let go, meanwhile: each byte is right"

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

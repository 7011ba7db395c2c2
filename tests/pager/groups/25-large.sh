# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/pager/stage
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A guest whose slots fill several pieces of their file; it must not stand until it is small.

victim large ram=320 give=2 kinds=one
ask large start
# Each run waits a moment, so that there is time to look
pager large limit=16000 strike=delay=step:evict_begin:1+:5
ask large figures
before=${figure[checks]}
for ((i = 0; i < 100; i++)); do
	pager_ask large status
	resident=${figure[resident]}
	ask large figures
	[ "${figure[checks]}" -lt $((before + 100)) ] || break
	sleep 0.02
done
check_true "the guest comes on with $resident pages resident" "$resident > 20000"
soon status_is large "figure[resident] <= 16000"
check_true "in the end ${figure[resident]} pages are resident" "${figure[resident]} <= 16000"
pager_ask large status
check_true "slots take more than one piece" "${figure[ram_bytes]} > 70000000"
for i in 1 2; do
	pager_kill large
	audit large "a large guest, killed: each slot is in one entry"
	pager large limit=16000
	check_equal "it goes on" "$pager_said" resumed
	sleep 0.2
done
victim_ends large "a large guest: each byte is right"
pager_kill large

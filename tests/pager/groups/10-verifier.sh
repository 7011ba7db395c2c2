# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/pager/stage
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The verifier itself: without a pager nothing is wrong, and what is wrong is noticed.

victim sound discards=yes reader=yes untouched=1000 objects=2
ask sound start
sleep 1
ask sound "balloon 4000"
ask sound "balloon 0"
victim_ends sound "memory of its own is right"

for spoil in old word zeros; do
	victim spoiled ram=8
	ask spoiled "spoil $spoil $((RANDOM % 2048))"
	victim_stops spoiled
	check_true "a page with $spoil in it is noticed" "${figure[wrong]} > 0"
done

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/pager/stage
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Pages that were discarded while they were resident, and are used again after more than a minute:
# this part discards them, "later" comes back to them.  Of one guest the pager is killed meanwhile.

for name in long_ago long_ago_killed; do
	victim $name ram=32 give=2
	pager $name limit=6000
	ask $name "balloon 4000"
done
pager_kill long_ago_killed
# shellcheck disable=SC2034 # for "later"
long_ago=$SECONDS

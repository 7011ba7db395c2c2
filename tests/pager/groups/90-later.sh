# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/pager/stage
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What "long-ago" began.

[ -n "${long_ago-}" ] || {
	# shellcheck source=tests/pager/groups/15-long-ago.sh
	. "$here/groups/15-long-ago.sh"
}
while [ $((SECONDS - long_ago)) -lt 63 ]; do
	sleep 1
done
pager long_ago_killed limit=6000
check_equal "a minute after its pager was killed: it goes on" "$pager_said" resumed
for name in long_ago long_ago_killed; do
	ask $name "balloon 0"
	ask $name start
	problem=
	moves $name
	check_equal "$name: discarded more than a minute ago, and used again" "$problem" ""
	soon status_is $name "figure[waiting] == 0"
	check_equal "$name: no thread waits" "${figure[waiting]}" 0
	victim_ends $name "$name: each byte is right"
	pager_kill $name
done

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Whose pages are whose: guests beside guests, and beside an administrator's
# static pools.

case_bound_beside_unbound() {
	local before
	before=$(state)
	prepare bound-0
	prepare unbound
	prepare bound-1
	is "no page is counted twice" $(($(pool 0 2M nr) + $(pool 1 2M nr))) 104
	qemu bound-0 2048:32:bind:0
	qemu bound-1 2048:32:bind:1
	qemu unbound 2048:40:default
	is "every page is taken" "$(pool 0 2M free) $(pool 1 2M free)" "0 0"
	stop bound-0
	is "the others keep theirs" $(($(pool 0 2M nr) + $(pool 1 2M nr))) 72
	stop unbound
	is "each node gets its own back" "$(sizes 2M)" "0 32"
	stop bound-1
	is_clean "all is given back" "$before"
}

# The kernel knows of no claims: an unbound QEMU takes pages of the node that it
# runs on.  It must be told in the log, and the pools must come out right.
case_unbound_takes_what_is_anothers() {
	local before taken home
	before=$(state)
	prepare unbound
	home=$(($(pool 1 2M nr) > 0))
	taken=$((1 - home))
	prepare bound-$taken
	is "both have pages" "$(pool $home 2M nr) $(pool $taken 2M nr)" "40 32"
	taskset -p $((1 << taken)) $$ >/dev/null
	stand_in unbound guest unbound 2048:40:default
	taskset -p 3 $$ >/dev/null
	is "the unbound guest took the other's pages" "$(on_node unbound $taken)" 32
	: >/tmp/messages
	holds "started succeeds" call_hook unbound started begin -
	says "and it says so in the log" "$(cat /tmp/messages)" "node $taken"
	released bound-$taken
	is "what is in use can't go back yet" "$(pool $taken 2M nr)" 32
	stop unbound
	quietly virt-membacking reconcile
	is_clean "afterwards all is given back" "$before"
}

case_static_pool() {
	local before
	set_pool 0 2M 50
	set_pool 1 2M 10
	before=$(state)
	start bound-0 2048:32:bind:0 || return
	is "idle pages are used first" "$(sizes 2M)" "50 10"
	start unbound 2048:40:default || return
	is "then the pools grow by what is missing" $(($(pool 0 2M nr) + $(pool 1 2M nr))) 72
	stop bound-0
	start bound-1 2048:32:bind:1 || return
	stop unbound
	stop bound-1
	is_clean "the administrator's pools are not one short" "$before"
}

# Pages that another program has reserved but not touched look free
case_reserved_pages_are_not_idle() {
	local before
	set_pool 0 2M 20
	stand_in dpdk other 2048:20:bind:0:touch=0
	before=$(state)
	start bound-0 2048:32:bind:0 || return
	is "the pool grows by all of it" "$(pool 0 2M nr)" 52
	stop bound-0
	is_clean "all is given back" "$before"
}

case_four_at_once() {
	local before guest pids=
	before=$(state)
	for guest in bound-0 bound-1 unbound unbound-2; do
		libvirt-membacking-qemu-hook $guest prepare begin - \
			<"$(xml $guest)" 2>/tmp/$guest.stderr &
		pids+=" $!"
	done
	# shellcheck disable=SC2086 # a list
	wait $pids
	is "no page is counted twice" $(($(pool 0 2M nr) + $(pool 1 2M nr))) 128
	is "nobody failed" "$(cat /tmp/{bound-0,bound-1,unbound,unbound-2}.stderr)" ""
	pids=
	for guest in bound-0 bound-1 unbound unbound-2; do
		libvirt-membacking-qemu-hook $guest release end - <"$(xml $guest)" &
		pids+=" $!"
	done
	# shellcheck disable=SC2086
	wait $pids
	is_clean "all is given back" "$before"
}

case_called_twice() {
	local before once
	before=$(state)
	prepare bound-0
	once=$(state)
	holds "the second prepare succeeds" prepare bound-0
	is "it changes nothing" "$(state)" "$once"
	qemu bound-0 2048:32:bind:0
	holds "the second started succeeds" call_hook bound-0 started begin -
	stop bound-0
	holds "a second release succeeds" released bound-0
	is_clean "all is given back, once" "$before"
}

case_release_of_a_stranger() {
	local before
	set_pool 0 2M 5
	before=$(state)
	holds "release of a guest that never got anything" call_hook bound-0 release end -
	holds "and stopped" call_hook bound-0 stopped end -
	is_clean "nothing has changed" "$before"
}

case_silent_operations() {
	local before operation
	prepare bound-0
	before=$(state)
	for operation in start migrate restore attach no-such-thing; do
		holds "$operation succeeds" call_hook bound-0 $operation begin -
	done
	is "nothing has changed" "$(state)" "$before"
	is "nothing was said" "$(complaint)" ""
	released bound-0
}

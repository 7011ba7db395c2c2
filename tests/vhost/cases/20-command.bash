# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# The command against what the hooks then do.

# read_plan PLAN LEDGER: what a plan says, by one jq, which takes long to start
# here: "NODE SIZE PAGES" for each pool that is to grow, and whether the ledger
# has the same steps
read_plan() {
	jq -rs '{"2048": "2M", "1048576": "1G"} as $sizes
		| (.[0].steps[] | .page_kib as $kib | .shares[] | select(.want_grow > 0)
			| "\(.node) \($sizes[$kib | tostring]) \(.want_grow)"),
		([.[] | [.steps[] | [.kind, .page_kib, .pages, [.shares[] | .node]]]] as [$plan, $ledger]
			| if $plan == $ledger then "same steps" else "\($plan) and \($ledger)" end)' "$@"
}

# counted: the same lines from the pools' sizes, and those of an earlier call
counted() {
	local node size
	for node in 0 1; do
		for size in 2M 1G; do
			echo -n "$node $size "
			pool $node $size nr
		done
	done
}

# Two steps may grow the same pool
sum_by_pool() {
	awk '{ sum[$1 " " $2] += $3 } END { for (pool in sum) print pool, sum[pool] }' | sort
}

# grown_since EARLIER
grown_since() {
	paste -d ' ' <(echo "$1") <(counted) | awk '$6 > $3 { print $1, $2, $6 - $3 }' | sort
}

# planned GUEST: plan, prepare, compare, release
planned() {
	local before counters plan
	before=$(state)
	counters=$(counted)
	virt-membacking plan --xml "$(xml "$1")" --json >/tmp/plan
	is_clean "planning for $1 changes nothing" "$before"
	if ! prepare "$1"; then
		not_ok "$1 is prepared" "$(complaint)"
		released "$1"
		return
	fi
	plan=$(read_plan /tmp/plan "$(ledger "$1")")
	is "$1: the pools grow as planned" "$(grown_since "$counters")" \
		"$(head -n -1 <<<"$plan" | sum_by_pool)"
	is "$1: the ledger has the plan's steps" "${plan##*$'\n'}" "same steps"
	released "$1"
	is_clean "$1: all is given back" "$before"
}

case_plan_is_what_happens() {
	local guest
	set_pool 0 2M 9
	set_pool 1 2M 3
	for guest in bound-1 unbound crosswise interleave preferred-1; do
		planned $guest
	done
}

case_plan_refuses_as_prepare_does() {
	local guest plan refusal
	for guest in large-strict-1 large-unbound node-7 page-16M; do
		plan=$(virt-membacking plan --xml "$(xml $guest)" 2>&1)
		is "$guest: the plan fails" $? 1
		prepare $guest
		refusal=$(complaint)
		released $guest
		plan=${plan#*: } refusal=${refusal#*: }
		# What is free changes from moment to moment
		is "$guest: with the same sentence" "${plan//[0-9]/}" "${refusal//[0-9]/}"
	done
}

case_status_adds_up() {
	local status
	set_pool 0 2M 8
	start bound-0 2048:32:bind:0 || return
	prepare crosswise
	status=$(virt-membacking status --json)
	is "total, own and claimed of each pool, and the guests' phases" \
		"$(jq -c '[.nodes[].pools[] | select(.page_kib == 2048) | [.total, .own, .claimed]],
			([.guests[] | [.name, .phase]] | sort)' <<<"$status" | tr '\n' ' ')" \
		'[[64,56,32],[48,48,48]] [["bound-0","running"],["crosswise","prepared"]] '
	released crosswise
	stop bound-0
	is_clean "all is given back" "2M 8/8/0 0/0/0 1G 0/0/0 0/0/0"
}

# Kernels differ in what they say of parts of larger pages, and of memory that is not there
case_every_page_is_looked_at() {
	local node all movable got
	# The console is a terminal, on which a bar would be drawn
	virt-membacking fragmentation --json >/tmp/picture 2>/dev/null
	is "all of it, and the parts add up" "$(jq -c '[.every_page, (.nodes | length),
		([.nodes[] | .total_kib as $total | .sizes[] | .now_kib + .compact_kib + .cache_kib +
			.used_kib + .huge_kib + .never_kib == $total] | all)]' /tmp/picture)" "[true,2,true]"
	while read -r node all movable; do
		set_pool "$node" 1G $((all + 1))
		got=$(pool "$node" 1G nr)
		set_pool "$node" 1G 0
		holds "node $node: $movable of $all ranges of 1 GiB, and the kernel made $got" \
			[ "$got" -le "$movable" ]
	done < <(jq -r '.nodes[] | "\(.id) \(.sizes[] | select(.page_kib == 1048576).ranges |
		"\(.all) \(.movable)")"' /tmp/picture)
	is_clean "all is given back" "2M 0/0/0 0/0/0 1G 0/0/0 0/0/0"
}

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/pager/stage
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill -9 of the pager: at any moment, and at each place that an eviction, a fault, a prefetch, a
# discard and a restart come by (tests/pager/strike.h); its successor goes on.
#
# A pager's restart counts places, too: with small numbers it is the restart that is killed, after
# a kill somewhere else.

wrong=()
places=0
kill_options=()

# after_kill NAME PLACE: is what is left whole?
after_kill() {
	problem=
	audit_silently "$1"
	[ -z "$problem" ] || wrong+=("$2: $problem")
}

# kill_at NAME PLACE:N
kill_at() {
	problem=
	if ! pager "$1" "${kill_options[@]}" strike="die=$2" && [[ $pager_said == failed* ]]; then
		wrong+=("$2: $pager_said")
		pager_wait "$1"
		return
	fi
	if pager_dies "$1" 1; then
		places=$((places + 1))
	fi
	after_kill "$1" "$2"
}

# No byte is wrong and no thread stands: also said of what came before
after_kills() {
	local title=$2
	pager "$1" "${kill_options[@]}"
	[ "$pager_said" = resumed ] || wrong+=("the last successor: $pager_said")
	moves "$1" || wrong+=("$problem")
	soon status_is "$1" "figure[waiting] == 0" ||
		wrong+=("${figure[waiting]} faults wait: $(pager_alarms "$1")")
	victim_ends "$1" "$title"
	if [ ${#wrong[@]} -eq 0 ]; then
		ok "$title: $places kills"
	else
		not_ok "$title" "$(printf '%s; ' "${wrong[@]:0:5}")"
	fi
	pager_kill "$1"
	wrong=()
	places=0
}

# the_places NAME: where a pager comes by in a second, in "names", with how often in "often"
declare -A often
the_places() {
	local _ name n
	names=()
	often=()
	pager "$1" "${kill_options[@]}" strike=delay=none:1:0
	sleep 0.7
	pager_ask "$1" places
	while read -r _ name n; do
		names+=("$name")
		often[$name]=$n
	done < <(grep '^place ' "$work/$1.pager.out")
	pager_kill "$1"
}

# numbers NAME: of that place.  The first time is often in a pager's restart
numbers() {
	local n=${often[$1]} i
	[ "$n" -lt 300 ] || n=300
	if [ -n "$long" ]; then
		echo 1
		for ((i = 0; i < 10; i++)); do
			echo $((1 + RANDOM % n))
		done
	elif [ $((RANDOM % 2)) = 0 ]; then
		echo 1
	else
		echo $((1 + RANDOM % n))
	fi
}

victim killed give=2 discards=yes reader=yes untouched=1000 objects=2
kill_options=(limit=6000)
pager killed "${kill_options[@]}"
ask killed start
for ((i = 0; i < ${long:+10}20; i++)); do
	sleep "0.0$((RANDOM % 10))"
	pager_kill killed
	places=$((places + 1))
	after_kill killed "at any time"
	pager killed "${kill_options[@]}"
	[ "$pager_said" = resumed ] || wrong+=("$pager_said")
done
pager_kill killed
after_kills killed "killed at any time"

# each_place TITLE OPTION...
each_place() {
	local title=$1 name n
	shift
	kill_options=(limit=5000 "$@")
	victim killed give=3 discards=yes reader=yes untouched=1000
	pager killed "${kill_options[@]}"
	ask killed start
	sleep 0.2
	pager_kill killed
	the_places killed
	for name in "${names[@]}"; do
		is_turn || continue
		for n in $(numbers "$name"); do
			kill_at killed "$name:$n"
		done
	done
	after_kills killed "$title"
}

each_place "killed at each place"
each_place "killed at each place, waiting for pins, with two threads that evict" pins=wait threads=2
each_place "killed at each place, while pages move between slots" tiers=ram demote=yes
each_place "killed at each place, while pages go to a file" \
	tiers=same,ram:4096,file:/tier:131072 disk="$disk"
each_place "killed at each place, while pages go through zstd, and on to a file" \
	tiers=same,ram:4096,zstd:2048,file:/tier:131072 disk="$disk"

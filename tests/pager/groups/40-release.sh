# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/pager/stage
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Killed while it is begun, and while everything is loaded and let go; no room for all of it.

small=(ram=16 give=2 discards=yes reader=yes untouched=300)

# begin NAME: a pager that works, new or going on
begin() {
	pager "$1" limit=1500 "${@:2}"
	case $pager_said in
	paging | resumed) ;;
	released)
		pager_wait "$1"
		pager "$1" limit=1500 "${@:2}"
		;;
	esac
	[[ $pager_said =~ ^(paging|resumed)$ ]] || wrong+=("$pager_said")
}

# all_right TITLE
all_right() {
	if [ ${#wrong[@]} -eq 0 ]; then
		ok "$1: $places kills"
	else
		not_ok "$1" "$(printf '%s; ' "${wrong[@]:0:5}")"
	fi
	wrong=()
	places=0
}

wrong=()
places=0
victim let_go "${small[@]}"
ask let_go start
begin let_go hold=yes
sleep 0.3
pager_ask let_go arm
pager_ask let_go detach
pager_wait let_go
mapfile -t names < <(sed -n 's/^place \([^ ]*\) .*/\1/p' "$work/let_go.pager.out")
check_true "a release comes by ${#names[@]} places" "${#names[@]} > 8"
for name in "${names[@]}"; do
	is_turn || continue
	for n in 1 ${long:+$((1 + RANDOM % 40))}; do
		begin let_go hold=yes strike="die=$name:$n"
		sleep 0.05
		pager_ask let_go arm
		echo detach 1<>"$work/let_go.pager.in"
		! pager_dies let_go 2 || places=$((places + 1))
		[ ! -e "$work/let_go.d/map" ] || audit_silently let_go || wrong+=("$name:$n: $problem")
	done
done
begin let_go
moves let_go || wrong+=("$problem")
pager_ask let_go detach
[ "$line" = "detach: done" ] || wrong+=("$line")
victim_ends let_go "killed while it lets go"
all_right "killed at each place of a release"
pager_wait let_go

# A new guest for each: what is killed is the beginning
victim begun "${small[@]}"
pager begun limit=1500 strike=delay=none:1:0
pager_ask begun places
mapfile -t names < <(sed -n 's/^place \([^ ]*\) .*/\1/p' "$work/begun.pager.out")
pager_kill begun
# Without a pager it could not check its pages
victim_killed begun
for name in "${names[@]}"; do
	is_turn || continue
	problem=
	victim begun "${small[@]}"
	ask begun start
	pager begun limit=1500 strike="die=$name:1"
	! pager_dies begun 1 || places=$((places + 1))
	begin begun
	moves begun || wrong+=("$name: $problem")
	pager_ask begun detach
	[ "$line" = "detach: done" ] || wrong+=("$name: $line")
	pager_wait begun
	victim_stops begun
	[ "${figure[wrong]:-}" = 0 ] || wrong+=("$name: ${figure[wrong]:-} wrong bytes, $(head -n 3 "$work/begun.err") $problem")
done
all_right "killed at each place of the beginning"

victim full "${small[@]}"
ask full start
pager full limit=1500 room=$((1 << 20))
soon status_is full "figure[resident] <= 1500"
pager_ask full detach
check_match "without room for all pages they stay where they are" "$line" "^detach: .*no room"
moves full
soon status_is full "figure[resident] <= 1500"
check_true "and paging goes on" "${figure[resident]} <= 1500"
victim_ends full "without room for all pages each byte is right"
pager_kill full

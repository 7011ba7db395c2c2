# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/pager/stage
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Memory that is plugged in and unplugged while the rest is paged: it is paged, its threads find
# each byte, and when it is gone nothing of it is left in the pager.

main_pages=8192

# memory_files: of the guest, that its pager has open
memory_files() {
	find "/proc/${pager_pids[plugs]}/fd" -lname '/memfd:memory-backend-memfd*' | wc -l
}

victim plugs give=2 ram=32 discards=yes untouched=1000
pager plugs limit=3000
ask plugs start
ask plugs "plug 0 16"
ask plugs "plug 1 4"
pager_ask plugs again
check_true "what was plugged in is paged" \
	"$(pager_ask plugs status && echo "${figure[pages]} == main_pages + 4096 + 1024 && ${figure[left]} == 0")"
soon status_is plugs "figure[resident] <= 3000"
check_equal "the limit is that of all memory" $? 0
pager_ask plugs status
check_true "and its pages are out" "${figure[ram]} + ${figure[same-filled]:-0} > main_pages - 3000"
slots=${figure[ram]}
ask plugs "unplug 0"
pager_ask plugs again
pager_ask plugs status
check_true "unplugged, it is none of the guest's" "${figure[pages]} == main_pages + 1024"
check_true "its slots are free" "${figure[ram]} < $slots - 1000"
check_equal "and its file is let go" "$(memory_files)" 2
ask plugs "plug 2 4 private"
pager_ask plugs again
pager_ask plugs status
check_true "what can't be paged is left alone" \
	"${figure[pages]} == main_pages + 1024 && ${figure[left]} == 1024"
pager_kill plugs
pager plugs limit=3000
check_equal "also by a successor" "$pager_said" resumed
ask plugs "plug 0 16"
ask plugs "unplug 1"
pager_kill plugs
pager plugs limit=3000
pager_ask plugs status
check_true "who takes what was plugged in while no pager ran" \
	"${figure[pages]} == main_pages + 4096 && ${figure[left]} == 1024"
moves plugs || not_ok "its threads come on" "$problem"
check_equal "it is let go" "$(pager_ask plugs detach && echo "$line")" "detach: done"
pager_wait plugs
victim_ends plugs "plugged and unplugged: each byte is right"

# At random, with kills at any time, and where memory is taken in and forgotten
plugged=()
rounds=0
problems=()

# changes: some memory comes or goes.  Threads of what goes may wait for a pager: not waited for
changes() {
	local slot=$((RANDOM % 6))
	lines=$(wc -l <"$work/many.out")
	if [ -n "${plugged[slot]-}" ]; then
		echo "unplug $slot" 1<>"$work/many.in"
		unset "plugged[slot]"
	else
		plugged[slot]=$((2 + RANDOM % 3 * 2))
		echo "plug $slot ${plugged[slot]}" 1<>"$work/many.in"
	fi
}

changed() {
	wait_line many $((lines + 1)) 120 || problems+=("it stands: $(where_it_stands many)")
}

# more_pages: of what is plugged
more_pages() {
	local mib sum=0
	for mib in "${plugged[@]}"; do
		sum=$((sum + mib * 256))
	done
	echo $sum
}

strikes=(plug_registered:1 plug_noted:1 restart_vacated:1 restart_ring_applied:1 restart_entry:900
	restart_unprotected:1 restart_sought:1 plug_registered:2 plug_noted:2)

# is_killed [PLACE:N]: by itself at that place, or by us at any time; the next one goes on
is_killed() {
	if [ -n "${1-}" ]; then
		pager_kill many
		pager many limit=4000 strike="die=step:$1"
		pager_dies many 1
	else
		sleep "0.0$((RANDOM % 10))"
		pager_kill many
	fi
	audit_silently many || problems+=("${1-at any time}: $problem")
	pager many limit=4000
	[ "$pager_said" = resumed ] || problems+=("${1-at any time}: $pager_said")
}

victim many give=3 ram=32 discards=yes untouched=1000 threads=1
pager many limit=4000
ask many start
for ((n = 0; n < ${long:+10}8; n++)); do
	changes
	case $((RANDOM % 3)) in
	0) is_killed ;;
	1) is_killed "${strikes[RANDOM % ${#strikes[@]}]}" ;;
	esac
	changed
	pager_ask many again || problems+=("again: $(tail -n 1 "$work/many.pager.out")")
	pager_ask many status
	[ "${figure[pages]}" = $((main_pages + $(more_pages))) ] ||
		problems+=("${figure[pages]} pages, and $(more_pages) are plugged in")
	rounds=$((rounds + 1))
	[ ${#problems[@]} -eq 0 ] || break
done
check_equal "plugged and unplugged at random, with kills: all of it is paged" \
	"$rounds$(printf '; %s' "${problems[@]}")" "${long:+10}8; "
moves many || not_ok "its threads come on at last" "$problem"
victim_ends many "at random, with kills: each byte is right"
check_match "no alarm was raised" "$(pager_alarms many)" "^(alarm)?$"
pager_kill many

# QEMU punches holes and tells of them after that: the balloon, and virtio-mem
victim holes give=2 discards=yes holes=yes reader=yes
pager holes limit=5000
ask holes start
for ((n = 0; n < ${long:+10}4; n++)); do
	sleep "0.1$((RANDOM % 10))"
	pager_kill holes
	pager holes limit=5000
done
moves holes || not_ok "its threads come on" "$problem"
check_equal "holes that are told of later: it is let go" "$(pager_ask holes detach && echo "$line")" \
	"detach: done"
pager_wait holes
victim_ends holes "each byte is right"

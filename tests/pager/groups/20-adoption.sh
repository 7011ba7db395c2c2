# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # variables of tests/pager/run and stage, and for them
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A process of threads that sleep in each way is adopted and let go many times, and none of its
# calls ends too early, too late or wrong.  The program that does it is killed at each of its
# system calls: the process lives, or the record says which thread took a result for its own.

adopt=$build/pagerd/virt-membacking-adopt
many=$build/tests/pager/adopt_many
# Under the name of the program that it kills or puts off
cp "$many" "$work/adopt"
ln -s "$adopt" "$work/adopt.program"
adopt_times=${long:+1000}
# Four kinds of them: a hundred times at each call
kill_times=${long:+25}

# sleepers KIND...
sleepers() {
	: >"$work/sleepers.out"
	mkfifo "$work/sleepers.in"
	exec {sleepers_in}<>"$work/sleepers.in"
	"$build/tests/pager/adopt_victim" "$@" <"$work/sleepers.in" {sleepers_in}>&- \
		>"$work/sleepers.out" 2>"$work/sleepers.err" &
	sleepers_pid=$!
	victim_pids[sleepers]=$sleepers_pid
	wait_line sleepers 1 60 || fatal "adopt_victim: $(cat "$work/sleepers.err")"
}

# In "figures": rounds N wrong N
sleepers_end() {
	exec {sleepers_in}>&-
	wait "$sleepers_pid"
	figures=$(sed -n 2p "$work/sleepers.out")
	victim_gone sleepers
}

for kind in futex futex-timeout sleep sleep-absolute ppoll condition registers; do
	sleepers $kind
	adoptions=$("$many" "$adopt" "$sleepers_pid" times "${adopt_times:-100}")
	check_match "$kind, adopted many times" "$adoptions" "^[0-9]+ adoptions"
	echo "# $kind: $adoptions"
	sleepers_end
	check_match "$kind, and nothing is wrong" "$figures" "^rounds [1-9][0-9]* wrong 0 interrupted 0$"
done

sleepers futex
check_match "a debugger is there already: refused" \
	"$("$many" "$adopt" "$sleepers_pid" traced)" "^refused: ptrace of process "
check_equal "a daemon that died while it adopted leaves nothing in the process" \
	"$("$many" "$adopt" "$sleepers_pid" noted)" ""
check_equal "nor one that died while it let go" \
	"$("$many" "$adopt" "$sleepers_pid" rest)" ""
check_equal "nor one whose program goes on while the next daemon is there" \
	"$("$many" "$work/adopt" "$sleepers_pid" outlived)" ""
sleepers_end

# all_are STATE: every thread of the sleepers is in it
all_are() {
	! grep -h '^State:' "/proc/$sleepers_pid/task"/*/status | grep -qv "^State:.$1"
}

sleepers futex sleep ppoll
kill -STOP "$sleepers_pid"
stopped=$("$many" "$adopt" "$sleepers_pid" times 20)
check_match "a process that is stopped is adopted" "$stopped" "^20 adoptions"
check_true "and stays stopped" "$(all_are T && echo 1 || echo 0)"
kill -CONT "$sleepers_pid"
for ((i = 0; i < 400; i++)); do
	kill -STOP "$sleepers_pid"
	kill -CONT "$sleepers_pid"
	sleep 0.01
done &
stopper=$!
stopped=$("$many" "$adopt" "$sleepers_pid" times 20)
check_match "and one that is stopped and continued meanwhile" "$stopped" "^20 adoptions"
kill "$stopper"
wait "$stopper" 2>/dev/null
kill -CONT "$sleepers_pid"
sleepers_end
check_match "and nothing is wrong" "$figures" "^rounds [1-9][0-9]* wrong 0 interrupted 0$"

# A sleep with a timeout may be interrupted then
for kind in futex sleep ppoll registers; do
	sleepers $kind
	killed=$("$many" "$work/adopt" "$sleepers_pid" killed "${kill_times:-1}")
	check_match "$kind, and the program killed at each of its calls: the process lives" \
		"$killed" "^killed [0-9]+ times, 0 "
	echo "# $kind: ${killed//$'\n'/, }"
	sleepers_end
	check_match "$kind, and nothing is wrong" "$figures" "^rounds [1-9][0-9]* wrong 0 "
done

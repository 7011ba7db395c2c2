# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of tests/faults/stage and inject
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Signals and limits that would end a process: libvirt kills the running guest if started or
# reconnect does not exit with 0.

signals=(HUP INT QUIT PIPE ALRM TERM USR1 USR2 XFSZ XCPU VTALRM PROF IO PWR STKFLT
	SEGV BUS FPE ILL ABRT TRAP SYS)

# What an ignored signal does to strace's output is nothing, so the calls are counted before.
# Until the dispositions are set a signal has its way; the setting itself is left out
at_each_signal() {
	local title=$1 before=$2 after=$3 name number last places=0 wrong=() signal
	problem=
	"$before"
	trace_calls
	for name in "${names[@]}"; do
		case $name in
		rt_sig* | setitimer | sigaltstack | prlimit64 | geteuid | exit*) continue ;;
		esac
		last=$(grep -c " $name(" "$work/trace")
		for ((number = loaders[$name] + 1; number <= last; number++)); do
			signal=${signals[places++ % ${#signals[@]}]}
			problem=
			"$before"
			{
				strace -f -o /dev/null -e "trace=$name" \
					-e "inject=$name:signal=$signal:when=$number" \
					"${program[@]}" <"$input" >/dev/null 2>"$work/err"
			} 2>/dev/null
			status=$?
			read -r -d '' err <"$work/err"
			"$after"
			[ -z "$problem" ] || wrong+=("$name#$number SIG$signal ($problem)")
			[ -z "$problem" ] || reset_stage
		done
	done
	[ "$places" -ge "${#signals[@]}" ] || wrong+=("not each signal was met")
	report "$title" "$places" "${wrong[@]}"
}

# under TITLE COMMAND...: the hook as that leaves it
under() {
	local title=$1 wrong=()
	shift
	problem=
	victim_runs
	"$@" "${program[@]}" <"$input" >/dev/null 2>"$work/err"
	status=$?
	read -r -d '' err <"$work/err"
	then_still_runs
	[ -z "$problem" ] || wrong+=("$problem")
	[ -z "$problem" ] || reset_stage
	report "$title" 1 "${wrong[@]}"
}

# Room for one more than the standard three, for the loader too.  Who called us may have left more
few_descriptors() {
	prlimit --nofile=4 "$@" 3>&-
}

# Standard error leads to a pipe whose reader is gone
into_broken_pipe() {
	{
		nap 0.1
		"$@" 2>&3
	} 3> >(exit)
}

for operation in started reconnect; do
	call_hook victim "$operation" 3
	at_each_signal "$operation is sent signals: the guest goes on" victim_runs then_still_runs
	under "$operation may write no file" prlimit --fsize=0
	under "$operation has few descriptors" few_descriptors
	under "$operation inherits ignored signals" env --ignore-signal=CHLD,ALRM,TERM
	under "$operation inherits blocked signals" env --block-signal
	under "$operation complains into a broken pipe" into_broken_pipe
done
victim_ends

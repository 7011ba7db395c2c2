# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2119 # variables of tests/pager/run and stage, and for them
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A guest in a cgroup whose memory limit is below what it was given: at the limit the kernel would
# end its process for each page that the pager brings back.  With the daemon as it is installed.

# shellcheck source=tests/pager/daemon
. "$here/daemon"

# What this shell itself is in: groups are made below that
own_group() {
	local line
	line=$(grep -E "^[0-9]+:$1:" /proc/self/cgroup | head -n 1)
	echo "${line#*:*:}"
}

# memory_group: makes one; sets group_dir, group_limit, group_usage.  1: no controller here
memory_group() {
	local root=/sys/fs/cgroup
	if [ -d $root/memory ]; then
		group_dir=$root/memory$(own_group '([^:]*,)?memory(,[^:]*)?')/membacking-test
		group_limit=memory.limit_in_bytes group_usage=memory.usage_in_bytes
	else
		group_dir=$root/membacking-test
		group_limit=memory.max group_usage=memory.current
		echo +memory >$root/cgroup.subtree_control 2>/dev/null
	fi
	[ -d "$group_dir" ] || mkdir "$group_dir" 2>/dev/null || return 1
	[ -w "$group_dir/$group_limit" ] || { rmdir "$group_dir"; return 1; }
}

# group_is MIB: its limit
group_is() {
	echo $(($1 << 20)) >"$group_dir/$group_limit"
}

in_group() {
	[ "$(cat "$group_dir/$group_usage")" -le "$(cat "$group_dir/$group_limit")" ] &&
		kill -0 "$a" 2>/dev/null
}

if memory_group; then
	daemon_place
	daemon_starts
	daemon_answers
	group_is 400
	# shellcheck disable=SC2016 # the inner shell's
	victim_by=(sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group_dir")
	victim limited ram=96 threads=2 kinds=one
	victim_by=()
	a=$victim_pid
	check_equal "a guest in a cgroup is adopted" "$(asks adopt $uuid_a "$a" 24576)" ok
	ask limited start
	shrinks $uuid_a 25000
	soon group_is 48
	check_equal "a limit is set that does not fit there" "$(asks adopt $uuid_a "$a" 81920)" ok
	soon alarm_is $uuid_a "^the memory limits of its cgroups leave it [0-9.]+ MiB resident of the 80 MiB"
	check_equal "that is said" $? 0
	for ((n = 0; n < 20; n++)); do
		sleep 0.1
		in_group || break
	done
	check_equal "less is resident, and it is not ended" "$n $(status_of $uuid_a state)" "20 paging"
	check_true "close to what fits" "$(status_of $uuid_a resident_kib) > 24000"
	kill -0 "$a" 2>/dev/null || fatal "the kernel has ended it"
	problem=
	moves limited
	check_equal "it comes on" "$problem" ""
	check_match "released it would not fit: refused" "$(asks release $uuid_a)" \
		"[0-9.]+ MiB more do not fit below the memory limits of the guest's cgroups, which leave "
	check_equal "and it is paged on" "$(status_of $uuid_a state)" paging
	check_equal "a smaller limit fits" "$(asks adopt $uuid_a "$a" 16384)" ok
	becomes $uuid_a alarm null
	check_equal "then nothing is wrong" "$(status_of $uuid_a alarm)" null
	group_is 400
	asks adopt $uuid_a "$a" 81920 >/dev/null
	moves limited
	check_equal "nor below a higher limit" "$(status_of $uuid_a alarm)" null
	check_equal "where it can be released" "$(asks release $uuid_a)" ok
	check_equal "nothing of it is left in the process" "$(left_in "$a")" ""
	victim_ends limited "in a cgroup at its limit: each byte is right"
	daemon_ends
	soon rmdir "$group_dir"
else
	echo "skip - no memory limits of cgroups here"
fi

# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of tests/faults/stage and inject
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill -9 while dirty page cache is written to a disk that does not answer: of the hook, and of
# its child that writes.
#
# The disk is a program of ours (tests/pager/flawed_disk.c) below a loop device and ext4.  The
# child waits for it where no signal reaches it, and so may be left after the hook's end: it must
# hold up nothing, and go as soon as the disk answers.  The pool can't grow: its writes go nowhere.
# The node's meminfo is a file that says there is little free and much dirty, and reclaim does not
# end, so that the hook waits beside its child until its deadline of eight seconds.

# shellcheck source=tests/faults/slow
. "$here/slow"

node_dir=${pool_dir%/hugepages/*}
flawed=$work/flawed
written=$work/written
flawed_pid=

# flaw COMMAND: the disk does that from now on
flaw() {
	echo "$1" >&"$to_disk"
	read -r -t 30 -u "$from_disk" || fatal "the flawed disk is gone"
}

# Return: 1: this machine can't
make_disk() {
	local device status
	mkdir -p "$flawed" "$written"
	compile_disk || return
	mkfifo "$work/to-disk" "$work/from-disk"
	exec {to_disk}<>"$work/to-disk" {from_disk}<>"$work/from-disk"
	truncate -s 64M "$work/backing.disk" "$work/backing.device"
	"$work/flawed_disk" "$flawed" "$work"/backing.{disk,device} <&"$to_disk" >&"$from_disk" \
		2>"$work/disk-errors" &
	flawed_pid=$!
	read -r -t 10 -u "$from_disk" || return
	device=$(losetup -f --show --direct-io=on "$flawed/device") || return
	mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$device" &&
		mount -o noatime "$device" "$written"
	status=$?
	# It goes with its mount
	losetup -d "$device"
	return "$status"
} 2>>"$work/hook-errors"

compile_disk() {
	"${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O2 -o "$work/flawed_disk" "$here/../pager/flawed_disk.c"
}

end_disk() {
	[ -z "$flawed_pid" ] || {
		umount "$written"
		kill -KILL "$flawed_pid"
		wait "$flawed_pid"
		umount -l "$flawed"
	}
	rm -rf "$flawed" "$written" "$work"/backing.* "$work"/{to,from}-disk
} 2>/dev/null

little_is_free() {
	mkfifo "$work/hang"
	mount --bind "$work/hang" "$node_dir/reclaim"
	sed 's/\(MemFree:\) .*/\1 200000 kB/; s/\(Active(file):\) .*/\1 1000000 kB/
		s/\(Inactive(file):\) .*/\1 1000000 kB/; s/\(Dirty:\) .*/\1 1500000 kB/' \
		"$node_dir/meminfo" >"$work/meminfo"
	mount --bind "$work/meminfo" "$node_dir/meminfo"
	printf '[hook]\ndeadline = 8s\n' >/etc/libvirt/membacking.conf
}

all_is_free_again() {
	umount "$node_dir/reclaim" "$node_dir/meminfo"
	rm -f /etc/libvirt/membacking.conf "$work/hang" "$work/meminfo"
}

# writing: sets writer, a child of the hook that has come to the disk, and parent, the hook.  Before
# that it may be at another one, which answers, and go.  Not the one that an earlier hook has left
writing() {
	local pid key
	hook_processes 0
	for pid in "${hook_pids[@]}"; do
		[ "$pid" != "$old_writer" ] || continue
		# What it has open may lie on the disk: a look at more than the links would hang, too
		[ -n "$(find "/proc/$pid/fd" -lname "$written")" ] || continue
		writer=$pid
		while read -r key parent; do
			[ "$key" != PPid: ] || return 0
		done <"/proc/$pid/status"
	done
	return 1
} 2>/dev/null

# No process of the hook is left but the child that writes, and that only as long as the disk hangs
only_writer_left() {
	hook_processes 0
	[ "${hook_pids[*]}" = "$writer" ] || [ ${#hook_pids[@]} = 0 ]
}

# A hook is at work on a disk that does not answer, and so is its child
begin_writing() {
	problem=
	dd if=/dev/zero of="$written/dirty" bs=1M count=24 status=none
	flaw hangs
	slowly retval=3
	wait_for writing || problem="nothing is written: $(<"$work/err")"
}

# strace waits for the child as well.  Who is in its hands lives on without it
without_strace() {
	kill -KILL "$slow_pid"
	wait "$slow_pid"
} 2>/dev/null

disk_answers() {
	flaw works
	wait_for hook_processes 0 || problem="${problem:+$problem, }left: ${hook_pids[*]}"
	verdict "the disk answers: no process is left"
	rm -f "$written/dirty"
	sync -f "$written"
}

hook_is_killed() {
	begin_writing
	[ -n "$problem" ] || kill -KILL "$parent"
	wait_for only_writer_left || problem=${problem:-another child goes on: ${hook_pids[*]}}
	without_strace
	driver_dies
	expect "reconcile does not end" timeout 5 "$membacking" reconcile </dev/null >/dev/null 2>&1
	expect_base
	start_driver
	verdict "the hook is killed while it has a disk written to that hangs: one reconcile, at once"
}

writes_or_is_gone() {
	writing || slow_is_gone
}

# The killed one's child is still there
next_start() {
	old_writer=$writer
	slowly retval=3
	wait_for writes_or_is_gone
	! writing || problem="a second one writes"
	slowly_done
	[ -d "/proc/$old_writer" ] || problem=${problem:-the child is gone}
	[ "$status" = 1 ] || problem=${problem:-status $status: $err}
	expect_sentence
	expect_base
	verdict "the next start meanwhile is refused at its deadline, and writes nothing beside it"
	writer=$old_writer old_writer=
}

child_is_killed() {
	begin_writing
	[ -n "$problem" ] || kill -KILL "$writer"
	wait_for only_writer_left || problem=${problem:-a process goes on: ${hook_pids[*]}}
	expect_base
	verdict "its child is killed: the hook goes on to its deadline, and nothing is left"
	flaw works
	slowly_done
	[ "$status" = 1 ] || problem=${problem:-status $status: $err}
	expect_sentence
	verdict "and says that there were no pages"
}

# Without the numbers that each mount gets
mounts() {
	cut -d ' ' -f 4- /proc/self/mountinfo
}

mounts_before=$(mounts)
writer='' old_writer='' parent=''
if [ ! -w "$node_dir/reclaim" ]; then
	echo "skip - a child that writes to a disk is killed: this kernel has no $node_dir/reclaim"
elif ! make_disk; then
	echo "skip - a child that writes to a disk is killed: no disk that hangs: $(tail -n 1 "$work/hook-errors")"
	end_disk
else
	little_is_free
	hook_is_killed
	next_start
	disk_answers
	child_is_killed
	disk_answers
	all_is_free_again
	end_disk
	[ "$(mounts)" = "$mounts_before" ] || problem="$(diff <(echo "$mounts_before") <(mounts))"
	verdict "after that the mounts are what they were"
fi

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A running guest's QEMU, started by libvirt, is adopted and let go many times, while a clock in
# the guest looks for gaps.  The program that adopts is killed at each of its system calls.
#
# ADOPTIONS=N: how often, 100 without it ("make pager-long": 1000).

adopt=$vm_build/pagerd/virt-membacking-adopt
many=$vm_build/tests/pager/adopt_many
clock=$vm_build/tests/pager/guest_clock

# The number that a process of the guests' namespace has outside
host_pid() {
	local dir
	for dir in /proc/[0-9]*; do
		[ "$dir/ns/pid" -ef "/proc/$vm_pid/ns/pid" ] &&
			grep -qE "^NSpid:.*\\s$1\$" "$dir/status" 2>/dev/null && echo "${dir#/proc/}"
	done
}

# clock_guest NAME: a guest whose /init is the clock
clock_guest() {
	local tree images
	images=$(ns_path /var/lib/libvirt/images)
	tree=$(mktemp -d)
	mkdir "$tree/dev" "$tree/proc"
	cp "$clock" "$tree/init"
	(cd "$tree" && find . | cpio -o -H newc --quiet -R 0:0 | gzip -1) >"$images/clock.img"
	chmod 644 "$images/clock.img"
	rm -rf "$tree"
	guest_write "$1" 128 "backing=<source type='memfd'/><access mode='shared'/>" \
		"vcpu=<vcpu>2</vcpu>"
	sed -i 's/initrd\.img/clock.img/' "$(ns_path "/run/xml/$1.xml")"
	virsh define "/run/xml/$1.xml" >/dev/null
	guest_start "$1"
	check_equal "$1 starts" "$start_error" ""
	guest_boots "$1"
}

clock_lines() {
	guest_serial "$1" | grep -c 'GUEST clock'
}

# gaps NAME FIRST: the longest gap and the number of long ones, from that line on
gaps() {
	guest_serial "$1" | tr -d '\r' | grep 'GUEST clock' | tail -n "+$2" |
		sed 's/[a-z0-9]*=//g' | awk '{
			if ($4 > most) most = $4
			over10ms += $5; over1s += $6; n++
		} END {
			printf "%d seconds, longest gap %d us, %d over 10 ms, %d over 1 s\n",
				n, most, over10ms, over1s
		}'
}

# Of what gaps says: gaps over 10 ms a second
gap_rate() {
	awk '{ print int($7 / $1) }' <<<"$1"
}

qemu_fds() {
	local -a fds=("/proc/$1/fd"/*)
	echo "${#fds[@]}"
}

case_a_guest_is_adopted_many_times() {
	local pid before first quiet adoptions busy
	clock_guest clock
	pid=$(host_pid "$(guest_pid clock)")
	guest_says clock 'GUEST clock' 12
	before=$(qemu_fds "$pid")
	quiet=$(gaps clock 3)
	first=$(clock_lines clock)
	adoptions=$("$many" "$adopt" "$pid" times "${ADOPTIONS:-100}")
	check_match "each adoption is done and taken back" "$adoptions" "^${ADOPTIONS:-100} adoptions: "
	sleep 1
	busy=$(gaps clock $((first + 1)))
	echo "# without adoptions: $quiet"
	echo "# $adoptions"
	echo "# meanwhile the guest: $busy"
	# What else runs on this machine makes gaps, too
	check "no vCPU stands more often than before" \
		[ "$(gap_rate "$busy")" -le $((2 * $(gap_rate "$quiet") + 20)) ]
	check_equal "QEMU has the descriptors that it had" "$(qemu_fds "$pid")" "$before"
	check_equal "the guest runs" "$(virsh domstate clock)" running
	check_equal "a daemon that died while it adopted leaves nothing in QEMU" \
		"$("$many" "$adopt" "$pid" noted)" ""
	guest_down clock
}

case_what_adopts_is_killed_at_each_call() {
	local pid before killed first dir
	clock_guest killed
	pid=$(host_pid "$(guest_pid killed)")
	before=$(qemu_fds "$pid")
	dir=$(mktemp -d)
	cp "$many" "$dir/adopt"
	ln -s "$adopt" "$dir/adopt.program"
	killed=$("$many" "$dir/adopt" "$pid" killed "${ADOPT_KILLS:-1}")
	rm -rf "$dir"
	check_match "the guest's QEMU lives" "$killed" "^killed [0-9]+ times, 0 "
	echo "# $killed"
	check_equal "QEMU has the descriptors that it had" "$(qemu_fds "$pid")" "$before"
	first=$(clock_lines killed)
	check "the guest runs on" guest_says killed 'GUEST clock' $((first + 2))
	check_equal "and libvirt sees it" "$(virsh domstate killed)" running
	guest_down killed
}

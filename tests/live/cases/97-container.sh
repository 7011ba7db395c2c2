# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# libvirt and the hooks in a container (tests/lib/container-init), as Kolla and
# OpenStack-Helm have them; the private libvirt's namespaces are the host.

# shellcheck source=tests/live/stores
. "$here/stores"
stores_open

container=/run/container
container_paths="/run/libvirt /run/libvirt-membacking /var/lib/libvirt /var/log/libvirt"

# container_start OPTION...: of unshare; libvirtd runs in it then
container_start() {
	in_ns rm -f "$container/pid"
	in_ns setsid unshare --mount --uts "$@" "$lib/container-init" "$container" </dev/null \
		>"$vm_state/container" 2>&1 &
	wait_for "the container" in_ns test -e "$container/pid" ||
		{ not_ok "the container starts" "$(cat "$vm_state/container")"; return 1; }
	container_pid=$(in_ns cat "$container/pid")
	in_container env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C libvirtd --daemon \
		--pid-file /run/libvirtd.pid
	wait_seconds=60 check "libvirtd runs in it" wait_for "libvirtd" virsh list
}

in_container() {
	in_ns nsenter -t "$container_pid" -m -u -p --wd -- "$@"
}

# kill_in_container SIGNAL FILE: the PID in it
kill_in_container() {
	in_container kill "$1" "$(in_container cat "$2")"
}

# As "docker stop" does: what is in there ends, but a QEMU that the host's PID namespace has
container_stop() {
	kill_in_container -TERM /run/libvirtd.pid 2>/dev/null
	# It waits half a minute at most for what it does at that moment; docker does not wait for ever
	wait_seconds=45 wait_for "the end of libvirtd" container_has_no_libvirtd ||
		kill_in_container -KILL /run/libvirtd.pid
	in_ns kill -KILL "$container_pid"
	wait_for "its end" no_process "$container_pid"
}

container_has_no_libvirtd() {
	! kill_in_container -0 /run/libvirtd.pid 2>/dev/null
}

# container_open OPTION...: of unshare.  The store is mounted on the host
container_open() {
	vm_stop_daemon
	in_ns mkdir -p "$container" /run/libvirt-membacking
	in_ns cp -a /etc/libvirt "$container/etc"
	in_ns mount -t tmpfs -o size=256M,nosuid,nodev,noexec membacking "$store_dir"
	in_ns tee "$container/etc/membacking.conf" >/dev/null <<-CONF
		[store]
		name = outside
		path = $store_dir
		mount = never
		keep_free = 0
	CONF
	# shellcheck disable=SC2086 # words
	in_ns printf '%s\n' $container_paths $store_dir | in_ns tee "$container/binds" >/dev/null
	container_start "$@"
}

container_close() {
	clear_guests 2>/dev/null
	container_stop 2>/dev/null
	store_umount
	in_ns rm -rf "$container"
}

# The guests' pages and memory files
held() {
	echo "$(pools) $(store_files | grep -c ram)"
}

container_guests() {
	in_container virt-membacking status --json | jq -r '.guests[] | "\(.name) \(.phase)"' |
		sort | paste -s -d ' '
}

case_guests_outlive_their_container() {
	container_open || { container_close; return; }
	check_match "the hook mounted hugetlbfs in there" "$(in_container cat /proc/mounts)" \
		" hugetlbfs [^ ]*pagesize=2M"
	guest_up pages 64 "backing=$(page_backing 2048)"
	file_guest files 64
	check_equal "they have pages and a file in the host's store" "$(held)" "2048:32/0 1048576:0/0 1"
	check_equal "status in there shows them" "$(container_guests)" "files running pages running"
	membacking reconcile >/dev/null
	check_equal "reconcile on the host takes nothing" "$(held)" "2048:32/0 1048576:0/0 1"
	container_stop
	membacking reconcile >/dev/null
	check_equal "nor when the container has ended" "$(held)" "2048:32/0 1048576:0/0 1"
	container_start || { container_close; return; }
	in_container virt-membacking reconcile >/dev/null
	check_equal "the next container finds them" "$(held) $(container_guests)" \
		"2048:32/0 1048576:0/0 1 files running pages running"
	guest_down files
	check_equal "one leaves" "$(held)" "2048:32/0 1048576:0/0 0"
	in_ns kill -KILL "$(guest_pid pages)"
	check_empty "the other's QEMU is killed"
	check "it starts again" virsh start pages
	container_stop
	in_ns kill -KILL "$(guest_pid pages)"
	wait_for "free pages" pool_has_free 32
	membacking reconcile >/dev/null
	check_empty "one that is killed after its container is reconciled on the host"
	container_close
}

# That there is no systemd in it is no failure
case_what_a_container_may_lack() {
	container_open || { container_close; return; }
	check_equal "check finds no failure in there" "$(in_container virt-membacking check --json |
		jq -r '.findings[] | select(.level == "fail") | .message')" ""
	in_container umount "$store_dir"
	guest_define lost 16 "backing=$file_backing"
	start_error=$(virsh start --paused lost 2>&1 >/dev/null)
	check_match "a store that is not shown in there is missed" "$start_error" \
		"nothing is mounted on $store_dir"
	in_container mount -o remount,bind,ro /sys
	guest_define pages 16 "backing=$(page_backing 2048)"
	start_error=$(virsh start pages 2>&1 >/dev/null)
	check_match "a start that finds /sys read-only says so" "$start_error" \
		"cannot write .*/nr_hugepages: Read-only file system"
	check_match "so does plan" "$(in_container virt-membacking plan pages --json | jq -r ".notes[]")" \
		"start will be refused: /sys is mounted read-only"
	check_equal "so does check" "$(in_container virt-membacking check --json |
		jq -r '.findings[] | select(.id == "hugetlbfs.read-only").remedy')" \
		"mount -o remount,rw,bind /sys"
	check_empty "it takes nothing"
	container_close
}

# The guests end with a container that has PIDs of its own
case_a_container_with_its_own_PIDs() {
	container_open --pid --fork --kill-child || { container_close; return; }
	guest_up pages 64 "backing=$(page_backing 2048)"
	file_guest files 64
	membacking reconcile >/dev/null
	check_equal "reconcile on the host takes nothing" "$(held)" "2048:32/0 1048576:0/0 1"
	container_stop
	wait_for "free pages" pool_has_free 32
	membacking reconcile >/dev/null
	check_empty "what the dead held goes"
	container_start --pid --fork --kill-child || { container_close; return; }
	guest_up pages 64 "backing=$(page_backing 2048)"
	kill_in_container -KILL /run/libvirt/qemu/pages.pid
	check_empty "so does what a killed QEMU held"
	check_equal "no memory file is left" "$(store_files | grep ram)" ""
	container_close
}

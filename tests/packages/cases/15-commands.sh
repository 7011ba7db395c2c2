# shellcheck shell=bash
# shellcheck disable=SC2154 # top and work are tests/packages/run's
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The commands that are for the packages alone, on a captured host.

static_conf() {
	printf '%s\n' "$@" >"$work/host/etc/libvirt/membacking-static.conf"
}

membacking() {
	"$vm_build/helpers/virt-membacking" --root "$work/host" "$@" 2>&1
}

captured_pool() {
	local dir=$work/host/sys/devices/system/node/node0/hugepages/hugepages-$1kB
	if [ $# = 1 ]; then
		cat "$dir/nr_hugepages"
	else
		mkdir -p "$dir"
		echo "$2" >"$dir/nr_hugepages"
		echo "$2" >"$dir/free_hugepages"
		echo 0 >"$dir/surplus_hugepages"
	fi
}

captured_ledger() {
	echo "$2" >"$work/host/run/libvirt-membacking/guests/$1"
}

reserve_static() {
	check_equal "without a file there is nothing to reserve" "$(membacking reserve-static) $?" " 0"
	static_conf '# PAGES SIZE NODE' '' '64 2M 0 # for all' '4 1G 0'
	captured_pool 2048 10
	captured_pool 1048576 6
	check_equal "pools are reserved" "$(membacking reserve-static) $?" " 0"
	check_equal "the small one has grown" "$(captured_pool 2048)" 64
	check_equal "the large one has not shrunk" "$(captured_pool 1048576)" 6
	static_conf '64 2M' 'x 2M 0' '1 2X 0' '1 2M 5000' '1 2M 77' '80 2M 0'
	check_match "what is wrong is said, with its line" "$(membacking reserve-static)" \
		"line 1: expected three words.*line 2: 'x' .*line 3: '2X' .*line 4: '5000' .*line 5: node 77 "
	check_equal "and the status says it" "$(membacking reserve-static >/dev/null; echo $?)" 1
	check_equal "the other lines count" "$(captured_pool 2048)" 80
	chmod 666 "$work/host/etc/libvirt/membacking-static.conf"
	check_match "a file that others may write is refused" "$(membacking reserve-static) $?" ' 1$'
}

holders() {
	local uuid=11111111-1111-4111-8111-11111111111
	rm -rf "$work/host/run/libvirt-membacking"
	check_equal "nobody holds anything" "$(membacking holders) $?" " 0"
	mkdir -p "$work/host/run/libvirt-membacking/guests"
	captured_ledger "${uuid}1" '{"version": 1, "name": "empty", "boot_id": "b", "phase": "running",
		"id": 1, "driver": {"pid": 1, "start": 1}, "steps": []}'
	check_equal "an empty ledger holds nothing" "$(membacking holders) $?" " 0"
	captured_ledger "${uuid}2" '{"version": 99, "name": "newer"}'
	captured_ledger "${uuid}3" '{ damaged'
	captured_ledger "${uuid}4" '{"version": 0, "name": "never-was"}'
	check_equal "what can't be read may hold anything" "$(membacking holders) $?" \
		"newer"$'\n'"never-was"$'\n'"${uuid}3 1"
}

hidden() {
	check_equal "none is in the list of commands" \
		"$(membacking --help | grep -cE '^  (adopt|holders|reserve-static) ')" 0
	check_match "each says what it is for" "$(membacking adopt --help)" "installed"
}

rm -rf "$work/host"
cp -r "$top/tests/hosts/one-node" "$work/host"
mkdir -p "$work/host/etc/libvirt"
reserve_static
holders
hidden

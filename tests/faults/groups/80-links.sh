# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of tests/faults/stage and inject
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# QEMU's user owns the directory above the guests' memory, and puts links where root looks for
# directories, at just the moment between a look and a change: tests/faults/swap.c does so
# without a pause, while guests start and end and leftovers are swept.  Nothing outside may be
# removed, made or changed.

# shellcheck source=tests/faults/stores
. "$here/stores"

rounds=25
precious=/run/precious
default_base=/var/lib/libvirt/qemu/ram
attacker_uid=65534
attacker_gid=65534
swap_pid=

# Looks like memory of dead guests, wherever a link may lead to
make_precious() {
	local below
	for below in . libvirt/qemu qemu; do
		mkdir -p "$precious/$below"/{3-filed,7-gone}
		: >"$precious/$below/99-precious.conf"
		: >"$precious/$below/3-filed/pc.ram"
		: >"$precious/$below/7-gone/pc.ram"
		ln -sf /dev/null "$precious/$below/5-link"
	done
	precious_was=$(look_at_precious)
}

look_at_precious() {
	find "$precious" -printf '%p %y %m %u %i %n %T@ %C@\n' | sort
}

expect_precious() {
	[ "$(look_at_precious)" = "$precious_was" ] ||
		problem+=" changed outside: $(diff <(echo "$precious_was") <(look_at_precious) | grep '^[<>]' | head -n 4)"
}

# The same dead guest's directory, without an attack: is it swept here at all?
expect_swept() {
	mkdir -p "$1/7-gone"
	: >"$1/7-gone/pc.ram"
	chown -R "$attacker_uid:$attacker_gid" "$1"
	expect "reconcile failed" reconcile
	[ ! -e "$1/7-gone" ] || problem+=" $1/7-gone is not swept"
}

# What libvirt would make for the guest the attacker makes anyway
start_and_end() {
	hook filed prepare 3 && prepared=$((prepared + 1))
	hook filed started 3 || problem+=" started failed"
	hook filed stopped
	hook filed release
	for _ in {1..4}; do
		reconcile
	done
}

# attack TITLE BASE DIRECTORY TARGET...: swap's arguments
attack() {
	local title=$1 base=$2 round links=0 prepared=0 wrong=()
	shift 2
	problem=
	expect_swept "$base"
	start swap_pid ready "$work/swap" "$attacker_uid" "$attacker_gid" "$@"
	for ((round = 0; round < rounds; round++)); do
		start_and_end
	done
	stop swap_pid
	read -r -t 10 -u "$ready" links
	[ "$links" -gt "$rounds" ] || problem+=" the attacker had $links links only"
	expect_precious
	while [ $# -gt 0 ]; do
		rm -rf "$1"
		shift 2
	done
	reconcile
	look
	[ "$files" = "$base_files" ] || problem+=" left: $files"
	[ -z "$problem" ] || wrong=("$problem")
	report "$title" "$rounds" "${wrong[@]}"
	echo "links: prepared $prepared times of $rounds, $links links" >>"$work/times"
}

# Where memory_backing_dir says nothing, what holds the base is the attacker's too
no_memory_backing_dir() {
	rm -f /etc/libvirt/qemu.conf /etc/libvirt/membacking.conf
	mount -t tmpfs -o mode=755 private /var/lib/libvirt || fatal "can't hide /var/lib/libvirt"
	mkdir -p "$default_base"
	chown -R "$attacker_uid:$attacker_gid" "${default_base%/*}"
	look
	base_files=$files
}

make_precious
clear_stage
build_stage=build_kept_store
build_kept_store
attack "links in place of guests' directories in a store" "$store_base" \
	"$store_base/3-filed" "$precious/3-filed" "$store_base/7-gone" "$precious" \
	"$store_base/8-gone" "$precious/7-gone"
expect_keeper
clear_stage
end_store
build_stage=build_base
build_base
no_memory_backing_dir
attack "a link in place of libvirt's own directory" "$default_base" \
	"$default_base/" "$precious"
umount -l /var/lib/libvirt
rm -rf "$precious"
reset_stage

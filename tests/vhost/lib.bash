# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the cases are made of: pools, guests as libvirt starts and stops them, and
# checks.  Sourced by the job inside the virtual host.

subject= # the case that is running

# --- checks ---

ok() {
	echo "ok - $subject: $*"
}

# not_ok WHAT WHY: with what the log said in this case
not_ok() {
	echo "not ok - $subject: $1: $2"
	tail -n 12 /tmp/messages 2>/dev/null | sed 's/^/#   /'
}

# is WHAT GOT EXPECTED
is() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got '$2', expected '$3'"; fi
}

# says WHAT TEXT WORD...: TEXT has every WORD
says() {
	local what=$1 text=$2 word
	shift 2
	for word; do
		case $text in
		*"$word"*) ;;
		*) not_ok "$what" "no '$word' in: $text"; return ;;
		esac
	done
	ok "$what"
}

# holds WHAT COMMAND...
holds() {
	local what=$1
	shift
	if "$@"; then ok "$what"; else not_ok "$what" "failed: $*"; fi
}

not() {
	! "$@"
}

quietly() {
	"$@" >/dev/null 2>&1
}

# until_true COMMAND...: does it succeed within a minute?
until_true() {
	local try
	for ((try = 0; try < 600; try++)); do
		"$@" && return 0
		sleep 0.1
	done
	return 1
}

# --- pools.  A size is 2M or 1G.  Without forks where it is called often: one
# takes 10 ms here ---

host_nodes=(0 1) # those with memory
declare -A kib=([2M]=2048 [1G]=1048576)

# find_pool NODE SIZE: sets pool_dir
find_pool() {
	pool_dir=/sys/devices/system/node/node$1/hugepages/hugepages-${kib[$2]}kB
}

# pool NODE SIZE nr|free|surplus
pool() {
	local pages
	find_pool "$1" "$2"
	read -r pages <"$pool_dir/${3}_hugepages"
	echo "$pages"
}

# set_pool NODE SIZE PAGES: as an administrator does
set_pool() {
	find_pool "$1" "$2"
	echo "$3" >"$pool_dir/nr_hugepages"
}

# state: every counter of every pool in one line, nr/free/surplus per node
state() {
	local size node nr free surplus text=
	for size in 2M 1G; do
		text+="$size"
		for node in "${host_nodes[@]}"; do
			find_pool "$node" $size
			read -r nr <"$pool_dir/nr_hugepages"
			read -r free <"$pool_dir/free_hugepages"
			read -r surplus <"$pool_dir/surplus_hugepages"
			text+=" $nr/$free/$surplus"
		done
		text+=" "
	done
	echo "${text% }"
}

# sizes SIZE: the numbers of pages on both nodes, "NODE0 NODE1"
sizes() {
	local n0 n1
	find_pool "${host_nodes[0]}" "$1"
	read -r n0 <"$pool_dir/nr_hugepages"
	find_pool "${host_nodes[1]}" "$1"
	read -r n1 <"$pool_dir/nr_hugepages"
	echo "$n0 $n1"
}

# --- processes ---

declare -A pid_of=()

# stand_in NAME ARGUMENT...: start one and wait until it has what it wants.
# Fails as it does; said holds what it printed.
stand_in() {
	local name=$1 out=/tmp/stand-in.$1 try
	shift
	: >"$out"
	/vhost/stand-in "$@" >"$out" &
	pid_of[$name]=$!
	for ((try = 0; try < 1500; try++)); do
		read -r said <"$out" && break
		sleep 0.02
	done
	[ "$said" = ready ] && return 0
	end "$name"
	return 1
}

# end NAME [SIGNAL]
end() {
	[ -n "${pid_of[$1]-}" ] || return 0
	kill "-${2-TERM}" "${pid_of[$1]}" 2>/dev/null
	wait "${pid_of[$1]}" 2>/dev/null
	unset "pid_of[$1]"
}

# on_node NAME NODE [SIZE]: pages of a size that a stand-in has on a node
on_node() {
	awk -v node="N$2" -v kib="kernelpagesize_kB=${kib[${3-2M}]}" '
	/ huge / && index($0, kib) {
		for (i = 1; i <= NF; i++)
			if (split($i, part, "=") == 2 && part[1] == node)
				sum += part[2]
	}
	END { print sum + 0 }' "/proc/${pid_of[$1]}/numa_maps"
}

# --- guests, called as libvirt calls ---

xml() {
	echo "/vhost/guests/$1.xml"
}

uuid() {
	sed -n 's:.*<uuid>\(.*\)</uuid>.*:\1:p' "$(xml "$1")"
}

ledger() {
	echo "/run/libvirt-membacking/guests/$(uuid "$1")"
}

# What the last call of a hook had to say
complaint() {
	cat /tmp/hook.stderr
}

# call_hook GUEST OPERATION begin|end EXTRA: the definition has no id after the
# end, and where id is set, that one before
call_hook() {
	local id=${id-}
	[ "$3" = begin ] || id=none
	case $id in
	"") cat "$(xml "$1")" ;;
	none) sed "1s/ id='[0-9]*'//" "$(xml "$1")" ;;
	*) sed "1s/ id='[0-9]*'/ id='$id'/" "$(xml "$1")" ;;
	esac >/tmp/definition
	(cd / && umask 022 && exec env -i LC_ALL=C PATH="$PATH" HOME=/root \
		libvirt-membacking-qemu-hook "$@" \
		</tmp/definition >>/tmp/hook.stdout 2>/tmp/hook.stderr)
}

call_daemon_hook() {
	(cd / && exec env -i LC_ALL=C PATH="$PATH" HOME=/root \
		libvirt-membacking-daemon-hook - "$1" - "$1" </dev/null >>/tmp/hook.stdout 2>/tmp/hook.stderr)
}

prepare() {
	call_hook "$1" prepare begin -
}

released() {
	call_hook "$1" stopped end -
	call_hook "$1" release end -
}

# start GUEST BACKEND...: the whole way.  Where libvirt would give up, so do we
start() {
	local guest=$1
	shift
	if ! prepare "$guest"; then
		not_ok "$guest is prepared" "$(complaint)"
		released "$guest"
		return 1
	fi
	qemu "$guest" "$@"
}

# qemu GUEST BACKEND...: from after prepare
qemu() {
	local guest=$1
	shift
	if ! stand_in "$guest" guest "$guest" "$@"; then
		not_ok "$guest gets its memory" "$said"
		released "$guest"
		return 1
	fi
	call_hook "$guest" started begin -
}

stop() {
	end "$1"
	rm -f "/run/libvirt/qemu/$1.pid"
	released "$1"
}

# --- a case begins with everything as after the boot ---

reset() {
	local name size node
	for name in "${!pid_of[@]}"; do
		[ "$name" = driver ] || end "$name" KILL
	done
	rm -rf "/run/libvirt-membacking" /run/libvirt/qemu/[!d]*.pid "/etc/libvirt/membacking.conf"
	for size in 2M 1G; do
		for node in "${host_nodes[@]}"; do
			# First whole, then empty: idle surplus pages go no other way
			set_pool "$node" $size "$(pool "$node" $size nr)"
			set_pool "$node" $size 0
		done
	done
	echo 0 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages
	: >/tmp/messages
	[ -n "${pid_of[driver]-}" ] || stand_in driver driver
}

# is_clean WHAT STATE: the pools read as before and no guest has a ledger
is_clean() {
	is "$1" "$(state)" "$2"
	is "$1, no ledger left" "$(ls "/run/libvirt-membacking/guests" 2>/dev/null)" ""
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# A process that is bound to a node is paged by a program that runs on the other one
# (tests/pager/victim.c and attach.c).

# pager_on_node NODE: pages of the process' memory that lie there
pager_on_node() {
	awk -v node="N$1" '/memory-backend-memfd/ {
		for (i = 1; i <= NF; i++)
			if (split($i, part, "=") == 2 && part[1] == node)
				sum += part[2]
	}
	END { print sum + 0 }' "/proc/$pager_victim/numa_maps"
}

# pager_says FILE: its last line
pager_says() {
	tail -n 1 "/tmp/$1.out"
}

# pager_said FILE WORD: a line there begins with it
pager_said() {
	grep -qs "^$2" "/tmp/$1.out"
}

# pager_tell FILE COMMAND: to the program that reads it
pager_tell() {
	echo "$2" 1<>"/tmp/$1.in"
}

pager_evicts() {
	pager_tell attach status
	sleep 0.2
	[[ $(pager_says attach) =~ evictions=[1-9][0-9]{3} ]]
}

# paged_on WHAT NODE OPTION...: the victim's; its memory ends up on that node
paged_on() {
	local what=$1 node=$2 words pager
	shift 2
	rm -rf /tmp/pager /tmp/victim.* /tmp/attach.*
	mkdir -p /tmp/pager /tmp/attach
	mount -t tmpfs -o mode=700 tmpfs /tmp/pager
	mkfifo /tmp/victim.in /tmp/attach.in
	taskset 2 /vhost/victim ram=24 give=2 "$@" <>/tmp/victim.in >/tmp/victim.out 2>&1 &
	until_true pager_said victim ready
	read -r -a words < <(sed -n '1s/^ready //p' /tmp/victim.out)
	pager_victim=${words[0]#pid=}
	taskset 1 /vhost/attach directory=/tmp/pager limit=3000 "${words[@]}" \
		<>/tmp/attach.in >/tmp/attach.out 2>&1 &
	pager=$!
	until_true pager_said attach paging
	pager_tell victim start
	holds "$what: pages go out and come back" until_true pager_evicts
	holds "$what: some lie on node $node" [ "$(pager_on_node "$node")" -gt 1000 ]
	is "$what: and none elsewhere" "$(pager_on_node $((1 - node)))" 0
	pager_tell attach detach
	until_true pager_said attach detach
	holds "$what: all is loaded" [ "$(pager_on_node "$node")" -gt 5000 ]
	is "$what: to that node" "$(pager_on_node $((1 - node)))" 0
	pager_tell victim stop
	until_true pager_said victim stop
	says "$what: each byte is right" "$(pager_says victim)" " wrong=0"
	kill -KILL $pager "$pager_victim" 2>/dev/null
	wait $pager 2>/dev/null
	umount /tmp/pager
}

case_pager_nodes() {
	paged_on "bound by its threads' policy" 1 bind=1
}

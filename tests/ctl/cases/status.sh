# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking status.

case_status() {
	host one-node
	golden status --root host status
	golden status-json --root host status --json
	is "nothing is made by looking" "$(ls host)" $'proc\nsys'
}

case_status_bare_kernel() {
	host one-node
	rm -r host/sys/kernel/mm/{hugepages,ksm,transparent_hugepage} \
		host/sys/devices/system/node/node0/hugepages
	sed -i '/^Huge/d' host/proc/meminfo
	golden status-bare --root host status
	golden status-bare-json --root host status --json
}

case_status_ksm_and_thp() {
	host one-node
	echo 1 >host/sys/kernel/mm/ksm/run
	echo 1610612736 >host/sys/kernel/mm/ksm/general_profit
	echo "[always] madvise never" >host/sys/kernel/mm/transparent_hugepage/enabled
	rm host/sys/kernel/mm/transparent_hugepage/shmem_enabled
	golden status-ksm --root host status
	golden status-ksm-json --root host status --json
	echo -8192 >host/sys/kernel/mm/ksm/general_profit
	golden status-ksm-loss --root host status
	rm host/sys/kernel/mm/ksm/general_profit
	echo 256 >host/sys/kernel/mm/ksm/pages_sharing
	golden status-ksm-old --root host status
}

case_status_guests() {
	busy_host
	golden status-guests --root host status
	golden status-guests-json --root host status --json
	golden status-guest --root host status database "${uuid[web]}"
	golden status-guest-json --root host status web --json
	golden status-no-guest --root host status web nobody
	sed -i 's/"id": 1/"id": 7/' "host/run/libvirt-membacking/guests/${uuid[web]}"
	is "a guest by libvirt's id" "$("$program" --root host status 7)" \
		"$("$program" --root host status web)"
	is "options before the command" "$("$program" --json --root host status | without_sizes)" \
		"$("$program" status --root=host --json | without_sizes)"
	is "a tree of lines where the terminal has them" \
		"$(LC_ALL=C.UTF-8 "$program" --root host status | grep -c '[├└]─')" 4
	is "80 columns are enough" \
		"$("$program" --root host status | sed '/^$/,$d' | awk 'length > 80')" ""
	ledger build leaving "$(step 2048 16 "$(share 0 0 16 16 16 8)")"
	golden status-leaving --root host status
}

# With a ledger and without, and each with its reason
case_status_memory() {
	local ksm='{"kind": "ksm", "size_kib": 524288, "profile": "advisor",
		"on_last_guest": "restore", "merge_across_nodes": "keep", "ready": true}'
	host one-node
	pool 0 2048 16 0 0
	ledger web running "$ksm"
	qemu web
	qemu_memory 520192 507904 0
	ledger database running "$(step 2048 16 "$(share 0 0 16 16 16 0)")"
	no_ksm database hugepages
	qemu database
	printf 'ksm_process_profit -8192\n' >"host/proc/${holders[-1]}/ksm_stat"
	qemu_memory 20480 0 0
	qemu build
	qemu_memory 300000 2048 262144
	rm "host/proc/${holders[-1]}/ksm_stat"
	live_xml build "<source type='memfd'/>"
	qemu old
	printf 'ksm_process_profit 0\n' >"host/proc/${holders[-1]}/ksm_stat"
	live_xml old "" "<hostdev mode='subsystem' type='pci'><driver name='vfio'/></hostdev>"
	golden status-memory --root host status
	golden status-memory-json --root host status --json
	# How full the machine's own file system is must not matter here
	config <<<$'[store]\npath = /srv/guests'
	golden metrics-memory --root host metrics
	is "promtool has nothing to say" \
		"$("$program" --root host metrics | promtool check metrics 2>&1; echo "${PIPESTATUS[1]}")" 0
	is "80 columns are enough for guests' memory" \
		"$("$program" --root host status | awk '/^GUEST +/,/^[a-z-]*:/' | awk 'length > 80')" ""
	rm -r host/etc
	# What no program has written down is seen by a user who may look
	rm "host/run/libvirt/qemu/build.xml" "host/run/libvirt/qemu/old.xml"
	sed -i 's/ "no_ksm": "[a-z]*",//' "host/run/libvirt-membacking/guests/${uuid[database]}"
	live_xml database "<hugepages/>"
	golden status-memory-unknown --root host status
	no_qemu
}

# Forty guests are forty lines, and what is wrong with twenty of them is one sentence
case_status_forty_guests() {
	local i
	host one-node
	pool 0 2048 640 0 0
	for i in {1..40}; do
		uuid[g$i]=$(printf '00000000-0000-4000-8000-%012d' "$i")
		ledger "g$i" running "$(step 2048 16 "$(share 0 0 16 16 16 0)")"
		[ $((i % 2)) = 0 ] || continue
		qemu "g$i"
	done
	"$program" --root host status >out
	is "forty lines" "$(grep -c '^g[0-9]' out)" 40
	is "in the order of people" "$(grep -o '^g[0-9]*' out | sort -Vc 2>&1)" ""
	is "what they have together" "$(grep -c '^40 guests .*1.2 GiB in huge pages' out)" 1
	is "one sentence for twenty" "$(tr '\n' ' ' <out | grep -o "20 guests ('g1' and others) are gone" | wc -l)" 1
	is "one remedy" "$(grep -c -e '-> virt-membacking reconcile' out)" 1
	is "check says it once, too" "$(as_json --root host check --json |
		jq '[.findings[] | select(.id == "record.gone")] | length')" 1
	no_qemu
}

# Kept until the guest starts, by a hook
case_status_refusals() {
	busy_host
	jq -n --arg uuid "${uuid[old]}" '[{$uuid, name: "old", time: 1795921920,
		text: "not enough memory for huge pages: guest '"'old'"' needs 64 GiB"}]' \
		>host/run/libvirt-membacking/refusals
	is "status has the time and the sentence" "$(TZ=UTC "$program" --root host status | tr '\n' ' ' |
		grep -o "'old' was refused at 2026-11-29 03:12: not enough memory for huge pages: [^;]*64 GiB")" \
		"'old' was refused at 2026-11-29 03:12: not enough memory for huge pages: guest 'old' needs 64 GiB"
	is "JSON, too" "$(as_json --root host status --json | jq -c '.refusals[0] | [.name, .time]')" \
		'["old",1795921920]'
	golden status-guest-refused-json --root host status web old --json
	is "a guest that holds nothing has its refusal" "$(TZ=UTC "$program" --root host status old |
		tr '\n' ' ' | grep -o "^'old' was refused at 2026-11-29 03:12: not enough memory")" \
		"'old' was refused at 2026-11-29 03:12: not enough memory"
	echo '[{"uuid": 1}, {' >host/run/libvirt-membacking/refusals
	is "what is damaged is none" "$(as_json --root host status --json | jq -c .refusals)" "[]"
	no_qemu
}

case_status_watch() {
	host one-node
	"$program" --root host status --watch=100ms >out 2>err &
	sleep 0.7
	kill $!
	wait $! 2>/dev/null
	is "several blocks in a pipe" "$(($(grep -c '^node 0' out) >= 3))" 1
	is "each with the time" "$(grep -c '^[0-9-]* [0-9:]*$' out)" "$(grep -c '^NODE' out)"
	is "nothing for a terminal in it" "$(grep -c $'\033' out)" 0
	golden watch-bad-time --root host status --watch=often
	golden watch-too-short --root host status --watch 50ms
	golden watch-no-guest --root host status 5
	golden users-of-a-guest --root host status --huge-page-users web
	is "each object is a line" "$(timeout 1 "$program" --root host status --watch=100ms --json |
		head -n 2 | jq -c .nodes[0].id | tr '\n' ' ')" "0 0 "
	is "and nothing but objects" "$(timeout 1 "$program" --root host status --watch=100ms --json |
		grep -vc '^{.*}$')" 0
	is "the time as an argument" \
		"$(timeout 1 "$program" --root host status --watch 100ms --json | jq -s 'length > 2')" true
	is "a guest may be in front of it, and behind it" \
		"$(timeout 1 "$program" --root host status web --watch 100ms 2>&1 | tail -n 1 &&
			timeout 1 "$program" --root host status --watch 100ms web 2>&1 | tail -n 1)" \
		"$(printf "virt-membacking: guest 'web' is not running and holds nothing\n%.0s" 1 2)"
	is "a line each of huge-page users too" "$(timeout 20 "$program" --root host status --watch=100ms \
		--huge-page-users --json | head -n 2 | jq -c .huge_page_users.complete | tr '\n' ' ')" "true true "
	is "nobody reads any more" \
		"$("$program" --root host status --watch 100ms | head -n 1 | grep -c :)" 1
}

case_status_unreadable_ledgers() {
	host one-node
	pool 0 2048 64 64 0
	ledger old running
	sed -i 's/"version": 1/"version": 99/' "host/run/libvirt-membacking/guests/${uuid[old]}"
	echo '{ not JSON' >"host/run/libvirt-membacking/guests/${uuid[damaged]}"
	golden status-unreadable --root host status
	golden status-unreadable-json --root host status --json
}

case_status_store() {
	store_host
	golden status-store-waits --root host status
	golden status-store-waits-json --root host status --json
	qemu_conf <<<$'# ours\nmemory_backing_dir = "/elsewhere"'
	golden status-store-mismatch --root host status
	golden status-store-mismatch-json --root host status --json
	rmdir host/srv/guests
	qemu_conf <<<'memory_backing_dir = "/srv/guests"'
	golden status-store-no-directory --root host status
	store_host
	rm -r host/srv
	ln -s srv host/srv
	golden status-store-unreadable --root host status
	store_host
	store_fs || return
	ledger web running "$(in_store web 16)"
	qemu web
	in_files web 4
	golden status-store --root host status
	golden status-store-json --root host status --json
	is "80 columns are enough for stores" \
		"$("$program" --root host status | awk '/^STORE/,/^$/' | awk 'length > 80')" ""
	sed -i 's/tmpfs tmpfs rw$/ext4 \/dev\/vdb ro/' host/proc/self/mountinfo
	golden status-store-wrong --root host status
	golden status-store-wrong-json --root host status --json
	no_qemu
}

# Without the PIDs of our stand-ins
users_text() {
	"$program" --root host status --huge-page-users | sed "s/ *${holders[-1]}  hold-lock/ PID  hold/"
}

case_status_huge_page_users() {
	local files=host/dev/hugepages/libvirt/qemu/1-web
	host two-nodes-6.1
	pool 0 2048 64 20 0
	pool 1 2048 64 60 0
	mkdir -p $files
	golden status-users-none --root host status --huge-page-users
	golden status-users-none-json --root host status --huge-page-users --json
	qemu web N0=8 N1=4
	echo 'HugetlbPages:	   24576 kB' >"host/proc/${holders[-1]}/status"
	echo hold-lock >"host/proc/${holders[-1]}/comm"
	# A program that has mapped pages and not touched them yet, and one with none
	program_runs 2 dpdk
	echo '7f00-7f10 rw-s 00000000 00:0f 5 /anon_hugepage (deleted)' >host/proc/2/maps
	: >host/proc/2/numa_maps
	printf '%s\n' '7f0000000000-7f0000800000 rw-p 00000000 00:0f 5 /anon_hugepage (deleted)' \
		'Size:               8192 kB' 'KernelPageSize:     2048 kB' \
		'Private_Hugetlb:       0 kB' 'VmFlags: rd wr mr mw me ac sd ht' >host/proc/2/smaps
	program_runs 3 other
	echo '7f00-7f10 rw-s 00000000 00:0f 5 /dev/hugepages-of-mine/x' >host/proc/3/maps
	# Left by a guest that died; a link is none, and leads nowhere
	head -c 4M /dev/zero >$files/ram-node0 && sync $files/ram-node0
	ln -s /etc/passwd $files/link
	mkfifo $files/fifo
	is "processes" "$(users_text | sed -n '1,/^$/p' | tr -s ' ' | sed 's/^ //' | tr '\n' '|')" \
		"$(printf '%s|' "PID PROGRAM GUEST PAGE NODE PAGES" "2 dpdk - 2 MiB - 0 = 0 KiB, and 4 = 8 MiB reserved" \
			"PID hold web 2 MiB 0 8 = 16 MiB" "PID hold web 2 MiB 1 4 = 8 MiB" "")"
	is "files" "$(users_text | sed '1,/^$/d' | tr -s ' ' | tr '\n' '|')" \
		"FILE THAT NO PROCESS HAS OPEN SIZE PAGE PAGES|/dev/hugepages/libvirt/qemu/1-web/ram-node0 4 MiB 2 MiB 2 = 4 MiB|"
	no_qemu
}

# What is shown as if it happened at a start, while no start calls the hook
case_hook_is_off() {
	local name
	checked_host one-node
	"$program" --root host hook disable >/dev/null
	pool 0 2048 64 64 0
	guest_xml web 64
	golden plan-hook-off --root host plan --xml web.xml
	golden status-hook-off --root host status
	is "to programs too" "$(as_json --root host status --json | grep hook_enabled)" \
		'  "hook_enabled": false,'
	is "reserve says so" "$("$program" --root host reserve --xml web.xml | tr '\n' ' ' |
		grep -c "note: the qemu hook is not enabled")" 1
	"$program" --root host release web >/dev/null
	"$program" --root host hook enable >/dev/null
	for name in "plan --xml web.xml" status "reserve --xml web.xml"; do
		# shellcheck disable=SC2086 # words of a command
		is "$name: not where it is enabled" \
			"$("$program" --root host $name | grep -c "hook is not enabled")" 0
	done
	is "enabled, to programs" "$(as_json --root host status --json | grep hook_enabled)" \
		'  "hook_enabled": true,'
}

# After a boot at which many could not start
case_status_refusals_many() {
	local i
	host one-node
	mkdir -p host/run/libvirt-membacking/guests
	for i in 1 2 3 4; do
		printf '{"uuid": "%s", "name": "web%d", "time": %d, "text": "%s"}\n' \
			"${uuid[web]%?}$i" "$i" $((1700000000 + i)) "guest 'web$i': no room"
	done | jq -s . >host/run/libvirt-membacking/refusals
	is "the names of all, and the newest sentence" \
		"$(TZ=UTC "$program" --root host status | sed '1,/^No guest/d')" "
4 guests were refused (status GUEST says why): web1, web2, web3, web4
'web4' was refused at 2023-11-14 22:13: no room"
	is "each in full" "$(TZ=UTC "$program" --root host status web2)" \
		"'web2' was refused at 2023-11-14 22:13: no room"
}

case_status_mistakes() {
	host one-node
	config <<<$'[hugepages]\non_relase = keep\n[hugepage]'
	is "mistakes are counted" "$("$program" --root host status 2>/dev/null | tail -n 2 | tr '\n' '|')" \
		"2 mistakes in the configuration|-> virt-membacking check|"
	is "JSON, too" "$(as_json --root host status --json 2>/dev/null | jq .config_mistakes)" 2
}

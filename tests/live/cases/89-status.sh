# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What status and check say of guests' memory while it is as they say: huge pages that are
# really there, and why KSM has nothing to merge.

memfd_backing="<source type='memfd'/><access mode='shared'/>"
thp_dir=/sys/kernel/mm/transparent_hugepage

thp_settings() {
	cat "$thp_dir/enabled" "$thp_dir/defrag" "$thp_dir/shmem_enabled"
}

# guest_memory NAME FILTER: of the guest's object in the status
guest_memory() {
	membacking status --json |
		jq -c --arg name "$1" ".guests[] | select(.name == \$name) | $2"
}

# kernel_kib NAME KEY: the same in the kernel's words
kernel_kib() {
	in_ns cat "/proc/$(guest_pid "$1")/smaps_rollup" | awk -v key="$2:" '$1 == key { print $2 }'
}

# A guest takes memory and gives some back at any moment: asked before and after
agrees() {
	local before shown
	before=$(kernel_kib "$1" "$2")
	shown=$(guest_memory "$1" "$3")
	[ "$shown" = "$before" ] || [ "$shown" = "$(kernel_kib "$1" "$2")" ]
}

has_some() {
	[ "$(guest_memory "$1" "$2")" -gt 0 ]
}

case_status_shows_transparent_huge_pages() {
	local before
	before=$(thp_settings)
	config_write $'[thp]\nmanage = yes\nenabled = madvise\ndefrag = madvise\nshmem_enabled = advise'
	guest_up plain 256 || return
	guest_up memfd 256 "backing=$memfd_backing"
	guest_boots plain
	guest_boots memfd
	check "huge pages show" wait_for "AnonHugePages" has_some plain .anon_hugepages_kib
	check "as many as the kernel says" wait_for "the same" agrees plain AnonHugePages \
		.anon_hugepages_kib
	check "of a memfd, too" wait_for "the same" agrees memfd ShmemPmdMapped \
		.shmem_pmdmapped_kib
	echo "# of the memfd $(kernel_kib memfd ShmemPmdMapped) KiB are mapped as huge pages"
	check "and what is resident" wait_for "the same" agrees memfd Rss .resident_kib
	check_match "the text shows them" "$(membacking status)" \
		$'\nplain +running .* [0-9.]+ [KMG]iB +[0-9.]+ [KMG]iB '
	check_equal "a guest has an id, too" \
		"$(membacking status "$(virsh domid plain)" --json | jq -r '.guests[].name')" plain
	check_match "metrics have them" "$(membacking metrics)" \
		$'guest_anon_hugepages_bytes\{guest="plain",[^}]*\} [1-9][0-9]*\n'
	guest_down plain
	guest_down memfd
	check_equal "the settings are as they were" "$(thp_settings)" "$before"
	config_write
	check_empty
}

# With a ledger or without, as it is
case_status_says_why_nothing_can_be_merged() {
	local name
	guest_up huge 64 "backing=$(page_backing 2048)" || return
	guest_up memfd 64 "backing=$memfd_backing"
	guest_up filed 64 "backing=<source type='file'/>"
	guest_up unshared 64 "backing=<nosharepages/>"
	for name in "huge hugepages" "memfd memfd" "filed file-backed" "unshared nosharepages"; do
		check_equal "${name% *}: the reason" "$(guest_memory "${name% *}" .no_ksm)" \
			"\"${name#* }\""
		check_match "${name% *}: in words" "$(guest_memory "${name% *}" .no_ksm_why)" '^"its '
	done
	check_equal "who holds nothing has no step" "$(guest_memory unshared '[.phase, .steps]')" \
		'["running",[]]'
	check_equal "and no ledger" "$(ledgers | grep -c "$(virsh domuuid unshared)")" 0
	check_match "the text says so" "$(membacking status)" $'\nhuge .* no: hugepages\n'
	for name in huge memfd filed unshared; do
		guest_down "$name"
	done
	check_equal "nobody is shown afterwards" "$(membacking status --json | jq -c .guests)" "[]"
	check_empty
}

# At the start, before it, and at any other time
case_a_memfd_without_transparent_huge_pages() {
	local words="its memfd gets no transparent huge pages: shmem_enabled is 'never'"
	[ -w "$thp_dir/shmem_enabled" ] || return 0
	config_write $'[thp]\nmanage = yes\nshmem_enabled = never'
	guest_define told 64 "backing=$memfd_backing"
	check_match "plan tells" "$(membacking plan told)" "note: $words"
	check_match "check warns" "$(membacking check told --json |
		jq -r '.findings[] | select(.check == "thp") | .level + " " + .message')" \
		"^warn guest 'told': $words"
	check_match "advise says what to do" "$(membacking advise told --json |
		jq -r '.options[] | select(.backing == "thp").why')" "shmem_enabled is never"
	guest_start told || not_ok "it starts" "$start_error"
	check_match "and the log" "$(vm_syslog_text)" "guest told: prepare: $words"
	guest_down told
	config_write
	check_match "where nothing is managed it is a hint" "$(membacking check told --json |
		jq -r '.findings[] | select(.check == "thp").level')" "hint|pass"
	check_empty
}

# users FILTER
users() {
	membacking status --huge-page-users --json | jq -c ".huge_page_users | $1"
}

case_who_has_the_huge_pages() {
	local file=/dev/hugepages/left-by-a-program
	guest_up huge 64 "backing=$(page_backing 2048)" || return
	check "a guest's QEMU" wait_for "32 pages" test_users '[.processes[] | select(.guest ==
		"huge" and .page_kib == 2048) | .pages + .reserved] | add' 32
	check_equal "it is all there is" "$(users '[.processes[].guest] | unique')" '["huge"]'
	check_equal "what it has open was not left" "$(users .files)" "[]"
	guest_down huge
	check_equal "afterwards nobody has any" "$(users '[.processes, .files, .complete]')" \
		"[[],[],true]"
	pool_set 2048 2
	# In there, where its processes can be seen
	cp "$holder" "$(ns_path /run/hold-pages)"
	in_ns /run/hold-pages 2048 2 1 >/dev/null 2>&1 &
	check "another program has its pages" wait_for "a row" test_users '.processes | length' 1
	check_equal "another program, what it has and what it has yet to touch" \
		"$(users '[.processes[] | [.guest, .pages, .reserved]]')" '[[null,1,1]]'
	in_ns pkill -KILL -x hold-pages
	wait "$!" 2>/dev/null
	in_ns fallocate -l 2M "$file" || not_ok "a file" "in hugetlbfs"
	check_equal "a file that nobody has open" "$(users '[.files[] | [.path, .size_kib, .pages]]')" \
		"[[\"$file\",2048,1]]"
	check_match "in text" "$(membacking status --huge-page-users)" "$file +2 MiB +2 MiB +1 = 2 MiB"
	in_ns sh -c "exec 3<$file; exec sleep 7777" &
	check "one that is open is not shown" wait_for "nothing left" test_users '.files' '[]'
	in_ns pkill -KILL -xf "sleep 7777"
	wait "$!" 2>/dev/null
	in_ns rm -f "$file" /run/hold-pages
	pool_set 2048 0
	check_empty
}

test_users() {
	[ "$(users "$1")" = "$2" ]
}

# A script, as the real one is; it does nothing but be there
case_another_program_that_sets_ksm() {
	local pid
	[ -w /sys/kernel/mm/ksm/run ] || return 0
	in_ns mkdir -p /run/tuner
	printf '#!/bin/sh\nread -r word </run/tuner/fifo\n' >"$(ns_path /run/tuner/ksmtuned)"
	in_ns chmod 755 /run/tuner/ksmtuned
	in_ns mkfifo /run/tuner/fifo
	config_write $'[ksm]\nmanage = yes'
	check_equal "nobody sets KSM" "$(ksm_finding)" "pass"
	in_ns /run/tuner/ksmtuned &
	pid=$!
	check "check warns" wait_for "a warning" finds_tuner
	check_match "and says what helps" "$(membacking check)" \
		$'\n +-> (kill [0-9]+|systemctl disable --now ksmtuned( ksm)?)\n'
	config_write
	check_equal "unless KSM is left to it" "$(ksm_finding)" "pass"
	config_write $'[ksm]\nmanage = yes'
	echo end >"$(ns_path /run/tuner/fifo)"
	wait "$pid"
	check_equal "afterwards nobody does" "$(ksm_finding)" "pass"
	config_write
	in_ns rm -r /run/tuner
}

ksm_finding() {
	membacking check --json | jq -r '.findings[] | select(.check == "ksm").level' | tr '\n' ' ' |
		sed 's/ $//'
}

finds_tuner() {
	[ "$(ksm_finding)" = warn ]
}

# The machine's own kernel is asked; what it can do, nobody knows beforehand
case_the_ways_to_pages_of_1_gib() {
	local ways
	[ -d /sys/kernel/mm/hugepages/hugepages-1048576kB ] || return 0
	check_equal "no guest asks, no line" "$(membacking check --json |
		jq -r '.findings[] | select(.check == "1G").level')" ""
	guest_define gigantic 1024 "backing=$(page_backing 1048576)"
	ways=$(membacking check --json |
		jq -r '.findings[] | select(.check == "1G").message')
	check_match "reserving at boot" "$ways" "\(reserve at boot\): (possible|done)"
	check_match "keeping" "$ways" "\(keep after first use\): possible"
	if grep -q ^CmaTotal /proc/meminfo; then
		check_match "hugetlb_cma=" "$ways" "\(hugetlb_cma=\): (possible|in effect|hugetlb_cma)"
	else
		check_match "no CMA in this kernel" "$ways" "\(hugetlb_cma=\): not with this kernel"
	fi
	config_write $'[hugepages]\non_release_1G = keep'
	check_match "keeping is done" "$(membacking check --all)" "keep after first use\): done"
	virsh undefine gigantic >/dev/null
	config_write
}

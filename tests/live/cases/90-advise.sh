# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# "advise --apply" on guests that libvirt has defined: <memoryBacking> changes, nothing
# else does, and the guest starts with it.

# definition NAME: what its next start is made of, passwords included
definition() {
	virsh dumpxml "$1" --inactive --security-info
}

without_backing() {
	sed '/<memoryBacking>/,/<\/memoryBacking>/d'
}

backing_of() {
	definition "$1" | sed -n '/<memoryBacking>/,/<\/memoryBacking>/p' | tr '"' "'"
}

# Pages that lie idle are what makes huge pages the advice on any host
idle_pool() {
	pool_set 2048 "$1"
	check_equal "$1 pages of 2 MiB lie idle" "$(pool 2048 free)" "$1"
}

no_pool() {
	pool_set 2048 0
}

case_huge_pages_are_put_into_a_guest() {
	local before after applied
	idle_pool 96
	guest_define advised 128 "backing=<nosharepages/>" \
		"metadata=<x:note xmlns:x='urn:x'>a &lt; b &amp; ü</x:note>" \
		"devices=<graphics type='vnc' port='-1' autoport='yes' passwd='s3cret'/>"
	before=$(definition advised)
	check_match "the password is in it" "$before" s3cret
	membacking advise advised >/dev/null
	check_equal "advice alone changes nothing" "$(definition advised)" "$before"
	applied=$(membacking advise advised --apply 2>&1)
	check_equal "--apply succeeds" $? 0
	check_match "it shows what comes" "$applied" '\+ +<page size="2048" unit="KiB"/>'
	check_match "it shows what stays" "$applied" $'\n +<nosharepages/>'
	check_match "it says when that takes effect" "$applied" "next start"
	check_no_match "it does not compare what is not taken" "$applied" "BACKING"
	check_no_match "it shows no password" "$applied" s3cret
	after=$(definition advised)
	check_equal "the rest is as it was" "$(without_backing <<<"$after")" \
		"$(without_backing <<<"$before")"
	check_match "huge pages are defined" "$(backing_of advised)" "<page size='2048' unit='KiB'/>"
	check_match "what was there stays" "$(backing_of advised)" "<nosharepages/>"
	check_match "again there is nothing to change" "$(membacking advise advised --apply)" \
		"Nothing to change"
	check_equal "and nothing has changed" "$(definition advised)" "$after"
	guest_start advised || not_ok "it starts" "$start_error"
	guest_boots advised
	check_equal "QEMU has all of it in huge pages" "$(guest_huge_kib advised)" 131072
	check_equal "the pool is no larger for it" "$(pool 2048 total)" 96
	guest_down advised
	wait_for "idle pages" pool_has_free 96
	no_pool
	check_empty
}

# Too little memory for a pool to be worth it, but an administrator wrote it
case_huge_pages_that_were_asked_for_stay() {
	local before
	guest_define written 128 "backing=$(page_backing 2048)"
	before=$(definition written)
	check_match "there is nothing to change" "$(membacking advise written --apply)" \
		"Nothing to change"
	check_equal "and nothing has changed" "$(definition written)" "$before"
	guest_start written || not_ok "it starts" "$start_error"
	guest_boots written
	check_equal "QEMU has all of it in huge pages" "$(guest_huge_kib written)" 131072
	guest_down written
	check_empty
}

# Whatever is recommended
case_the_backing_that_was_asked_for() {
	guest_define chosen 128
	check "pages of 2 MiB are applied" membacking advise chosen --backing dynamic \
		--page-size 2M --apply
	check_match "and defined" "$(backing_of chosen)" "<page size='2048' unit='KiB'/>"
	guest_start chosen || not_ok "it starts" "$start_error"
	guest_boots chosen
	check_equal "QEMU has all of it in huge pages" "$(guest_huge_kib chosen)" 131072
	guest_down chosen
	check_match "plain memory would take them out" \
		"$(membacking advise chosen --backing thp --apply 2>&1)" "backing thp --apply --yes"
	check_match "they are still defined" "$(backing_of chosen)" "<page size='2048' unit='KiB'/>"
	check "with --yes it goes" membacking advise chosen --backing thp --apply --yes
	check_equal "no pages are defined" "$(backing_of chosen)" ""
	check_empty
}

case_nothing_is_taken_out_without_a_yes() {
	local before refused
	idle_pool 96
	guest_define filed 128 "backing=<source type='file'/>"
	before=$(definition filed)
	check_match "advice says what would go" "$(membacking advise filed)" \
		"takes out of its definition: <source"
	refused=$(membacking advise filed --apply 2>&1)
	check_equal "--apply fails" $? 1
	check_match "it says what would go" "$refused" "would take out of its definition: <source"
	check_match "and how it does" "$refused" "advise filed --apply --yes"
	check_equal "nothing has changed" "$(definition filed)" "$before"
	check "with --yes it goes" membacking advise filed --apply --yes
	check_match "huge pages are defined" "$(backing_of filed)" "<page size='2048' unit='KiB'/>"
	check_no_match "the files are gone" "$(backing_of filed)" "type='file'"
	check_equal "the rest is as it was" "$(definition filed | without_backing)" \
		"$(without_backing <<<"$before")"
	no_pool
	check_empty
}

# libvirt defines it with private memory, and the device would be dead
case_a_device_whose_back_end_maps_memory() {
	idle_pool 96
	guest_define mapped 128 "devices=<interface type='vhostuser'><source type='unix' \
		path='/run/vu0' mode='client'/><model type='virtio'/></interface>"
	check_match "plan says so" "$(membacking plan mapped)" "have to map it"
	check "--apply succeeds" membacking advise mapped --apply
	check_match "its memory is shared" "$(backing_of mapped)" "<access mode='shared'/>"
	check_no_match "nothing is left to say" "$(membacking plan mapped)" "have to map it"
	no_pool
	check_empty
}

case_a_guest_that_runs() {
	local live
	idle_pool 64
	guest_up runs 64 || return
	live=$(virsh dumpxml runs)
	check_match "what it has will be free" "$(membacking advise runs)" "has now counts as free"
	check "--apply succeeds" membacking advise runs --apply
	check_equal "the running guest is as it was" "$(virsh dumpxml runs)" "$live"
	check_match "its next start is another" "$(backing_of runs)" "<hugepages>"
	guest_down runs
	guest_start runs || not_ok "it starts again" "$start_error"
	check_equal "now in huge pages" "$(guest_huge_kib runs)" 65536
	guest_down runs
	wait_for "idle pages" pool_has_free 64
	no_pool
	check_empty
}

# Were its 1024 pages taken for gone, as many would be missing
case_a_large_guest_that_runs() {
	local idle running
	guest_define large 2048 "backing=$(page_backing 2048)"
	idle=$(large_advice)
	guest_start large || not_ok "it starts" "$start_error"
	running=$(large_advice)
	check_equal "the advice is what it was before" "${running% *}" "${idle% *}"
	if [ "${running#* }" -ge $((${idle#* } - 512)) ]; then
		ok "and as much can be had"
	else
		not_ok "and as much can be had" "$idle, and while it runs $running"
	fi
	guest_down large
	check_empty
}

# What is advised, and pages of 2 MiB that could be had
large_advice() {
	membacking advise large --json | jq -r '.recommendation.backing + " " +
		(.sizes[] | select(.page_kib == 2048) | .now + .more_at_most + .idle | tostring)'
}

case_a_guest_that_was_saved() {
	idle_pool 64
	guest_up saved 64 || return
	check "it is saved" virsh managedsave saved
	check_match "the next start is a restore" "$(membacking advise saved --apply)" \
		"managedsave-remove saved"
	no_pool
	check_empty
}

case_guests_that_cannot_be_changed() {
	idle_pool 64
	guest_write passing 64
	check "a transient guest" virsh create /run/xml/passing.xml
	check_match "has no definition" "$(membacking advise passing --apply 2>&1)" "is transient"
	check_match "advice is possible" "$(membacking advise passing)" "Recommended"
	guest_down passing
	check_match "a guest that isn't there" "$(membacking advise nobody --apply 2>&1)" \
		"no such guest: nobody"
	membacking advise nobody --apply >/dev/null 2>&1
	check_equal "its exit status" $? 1
	no_pool
	check_empty
}

# The kernel is asked, once, for what it is said to have
case_pages_that_could_be_had_now() {
	local now got
	now=$(membacking fragmentation --json |
		jq '[.nodes[].sizes[] | select(.page_kib == 2048).now_pages] | add')
	check_match "some pages could be had" "$now" '^[1-9][0-9]*$'
	pool_set 2048 "$now"
	got=$(pool 2048 total)
	# Others take and give memory meanwhile
	if [ "$got" -ge $((now * 95 / 100)) ]; then
		ok "they are had"
	else
		not_ok "they are had" "$got of $now"
	fi
	check_equal "they show as huge pages already" "$(membacking fragmentation --json |
		jq '.nodes[0].sizes[] | select(.page_kib == 2048).huge_kib >= 2048')" true
	no_pool
	check_empty
}

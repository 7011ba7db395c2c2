# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking plan, and what it says of definitions.

case_plan() {
	busy_host
	guest_xml old 64
	golden plan --root host plan --xml old.xml
	golden plan-json --root host plan --xml old.xml --json
	guest_xml old 64 1
	golden plan-strict --root host plan --xml old.xml
	is "from standard input" "$("$program" --root host plan --xml - <old.xml)" \
		"$("$program" --root host plan --xml old.xml)"
	is "from a pipe" "$("$program" --root host plan --xml <(cat old.xml))" \
		"$("$program" --root host plan --xml old.xml)"
	guest_xml build 64
	golden plan-of-one-gone --root host plan --xml build.xml
	guest_xml database 64
	golden plan-of-one-prepared --root host plan --xml database.xml
	golden plan-of-one-prepared-json --root host plan --xml database.xml --json
	guest_xml web 64
	golden plan-of-one-running --root host plan --xml web.xml
	golden plan-of-one-running-json --root host plan --xml web.xml --json
	sed -i 's/"version": 1/"version": 99/' "host/run/libvirt-membacking/guests/${uuid[build]}"
	golden plan-other-version --root host plan --xml build.xml
	is "planning changes nothing" "$(nr 0) $(nr 1) $(ledgers)" \
		"96 48 ${uuid[web]} ${uuid[database]} ${uuid[build]} "
}

case_plan_nothing() {
	host one-node
	cp "$tests/guests/plain.xml" "$tests/guests/auto-placement.xml" .
	golden plan-plain --root host plan --xml plain.xml
	golden plan-plain-json --root host plan --xml plain.xml --json
	golden plan-auto --root host plan --xml auto-placement.xml
	guest_xml old 64
	config <<<$'[hugepages]\nmanage = no'
	golden plan-not-managed --root host plan --xml old.xml
	rm -r host/etc
	cp "$tests/guests/memfd.xml" .
	# What is logged at no start, since nobody wants it managed, is told to who asks
	golden plan-memfd --root host plan --xml memfd.xml
	# libvirt does not run: what is mounted when it starts is what counts
	no_hugetlbfs
	golden plan-not-mounted-yet --root host plan --xml old.xml
	config <<<$'[hugepages]\nmanage = no'
	golden plan-not-mounted-by-hand --root host plan --xml old.xml
}

# A part of a page is a whole one
case_plan_unused() {
	host one-node
	guest_xml old 1537
	golden plan-unused-little --root host plan --xml old.xml
	sed -i "s/size='2' unit='MiB'/size='1' unit='GiB'/" old.xml
	golden plan-unused --root host plan --xml old.xml
	config <<<$'[hugepages]\nmanage = no'
	is "not where pages are others' business" \
		"$("$program" --root host plan --xml old.xml | grep -c unused)" 0
}

case_plan_failures() {
	host one-node
	guest_xml old 64 7
	golden plan-no-node --root host plan --xml old.xml
	golden plan-no-node-json --root host plan --xml old.xml --json
	guest_xml old 99999999
	golden plan-too-much --root host plan --xml old.xml
	golden plan-no-file --root host plan --xml nowhere.xml
	golden plan-directory --root host plan --xml host
	echo "<domain><name>half" >half.xml
	golden plan-half --root host plan --xml half.xml
	: >empty.xml
	golden plan-empty --root host plan --xml empty.xml
	guest_xml old 64
	config <<<$'[hugepages]\ncompact = perhaps\nkepe_free = 1'
	golden plan-bad-value --root host plan --xml old.xml
	config <<<$'[hugepages]\nkepe_free = 1'
	golden plan-unknown-key --root host plan --xml old.xml
	"$program" plan "no such guest" >out 2>err
	is "a guest that libvirt can't tell of: exit status" $? 1
	is "a guest that libvirt can't tell of: one sentence" \
		"$(grep -c '^virt-membacking: libvirt ' err) $(wc -l <err) $(wc -c <out)" "1 1 0"
}

case_plan_store() {
	store_host
	file_xml old 32 >old.xml
	golden plan-store-mounts --root host plan --xml old.xml
	golden plan-store-mounts-json --root host plan --xml old.xml --json
	store_fs || return
	golden plan-store --root host plan --xml old.xml
	ledger web running "$(in_store web 40)"
	qemu web
	in_files web 4
	golden plan-store-full --root host plan --xml old.xml
	no_qemu
}

# With a configuration that manages KSM, and without; beside one who has switched it on
case_plan_ksm() {
	host one-node
	cp "$tests/guests/plain.xml" .
	golden plan-ksm-default --root host plan --xml plain.xml
	config <<<$'[ksm]\nmanage = yes'
	golden plan-ksm --root host plan --xml plain.xml
	echo 1 >host/sys/kernel/mm/ksm/run
	golden plan-ksm-left-alone --root host plan --xml plain.xml
	golden plan-ksm-left-alone-json --root host plan --xml plain.xml --json
}

# Definitions of a captured host, by name and by UUID
case_plan_captured() {
	local id=77777777-7777-4777-8777-000000000006
	host one-node
	golden plan-no-definitions --root host plan nvdimm
	define nvdimm <"$tests/guests/nvdimm.xml"
	golden plan-captured --root host plan nvdimm
	is "by its UUID" "$("$program" --root host plan $id)" \
		"$("$program" --root host plan nvdimm)"
	is "advise, too" "$("$program" --root host advise nvdimm | head -1)" "Guest 'nvdimm', 1 GiB"
	golden plan-not-defined --root host plan nobody
	# A name may look like another guest's UUID: that one is meant, as by virsh
	sed "s/<name>vdpa/<name>$id/" "$tests/guests/vdpa.xml" | define $id
	is "a UUID is a UUID first" "$(as_json --root host plan --json $id | jq -r .guest.name)" \
		nvdimm
}

# What devices, encryption and arguments mean for a guest's memory
definitions=(snp s390-pv vhostuser vdpa past-libvirt nvdimm proportion)

case_definitions() {
	local name
	checked_host one-node
	for name in "${definitions[@]}"; do
		cp "$tests/guests/$name.xml" .
		define "$name" <"$name.xml"
		golden "plan-$name" --root host plan --xml "$name.xml"
	done
	mkdir -p host/sys/module/kvm/parameters
	echo 0 >host/sys/module/kvm/parameters/hpage
	golden plan-hpage-off --root host plan --xml vhostuser.xml
	golden check-definitions --root host check --all
	rm -r host/sys/module
	for name in snp vhostuser past-libvirt; do
		golden "advise-$name" --root host advise --xml "$name.xml"
	done
	cp "$tests/guests/draft.xml" .
	golden plan-anonymous --root host plan --xml draft.xml
	sed -i 's,<source type=.anonymous./>,,' draft.xml
	golden plan-draft --root host plan --xml draft.xml
	golden reserve-draft --root host reserve --xml draft.xml
	is "the same UUID is made up each time" \
		"$(as_json --root host plan --xml draft.xml --json | jq .guest.uuid)" \
		"$(as_json --root host plan --xml draft.xml --json | jq .guest.uuid)"
}

# A host with pages of 64 KiB, wherever it is looked at
case_large_base_pages() {
	host one-node
	awk '/^ +(pages free|min|low|high|spanned|present|managed|nr_free_pages) / {
			$NF = int($NF / 16) } 1' host/proc/zoneinfo >zoneinfo
	sed 's/^\(pages\|managed\|present\|spanned\|min\|low\|high\|nr_free_pages\) /  &/' zoneinfo \
		>host/proc/zoneinfo
	awk '{ for (i = 5; i <= NF; i++) $i = int($i / 16) } 1' host/proc/buddyinfo >buddyinfo
	cp buddyinfo host/proc/buddyinfo
	echo "<domain><name>arm</name><memory unit='GiB'>1</memory><memoryBacking><hugepages>" \
		"<page size='64' unit='KiB'/></hugepages></memoryBacking></domain>" >arm.xml
	golden plan-64k --root host plan --xml arm.xml
	is "advise counts in them" "$(as_json --root host advise --xml arm.xml --json |
		jq '.sizes[0].page_kib, .sizes[0].pages' | tr '\n' ' ')" "64 16384 "
}

# What a guest's own settings say is said with its name
case_metadata() {
	checked_host one-node
	guest_with() {
		echo "<domain><name>web</name><uuid>${uuid[web]}</uuid><memory unit='MiB'>64</memory>" \
			"<metadata><m:m xmlns:m='urn:libvirt-membacking:1'>$1</m:m></metadata>" \
			"<memoryBacking><hugepages/></memoryBacking></domain>" | tee web.xml | define web
	}
	guest_with "<m:hugepages compact='perhaps' frobnicate='yes'/><m:hook deadline='1s'/>"
	golden plan-metadata --root host plan --xml web.xml
	golden check-metadata --root host check --all web
	guest_with "<m:hugepages compact='never'/>"
	is "what is right is no finding" \
		"$("$program" --root host check web | grep -c metadata)" 0
}

# zfs SIZE C_MIN: in GiB
zfs() {
	mkdir -p host/proc/spl/kstat/zfs
	printf '13 1 0x01 2 96 1 2\nname type data\nsize 4 %d\nc_min 4 %d\n' \
		$(($1 << 30)) $(($2 << 30)) >host/proc/spl/kstat/zfs/arcstats
}

# What looks used and could be made free: ZFS' cache, which has no node and counts once, and what
# may be swapped to a disk
case_plan_made_free() {
	checked_host two-nodes-6.12
	node_memory 0 4194304 1048576
	node_memory 1 4194304 1048576
	printf 'Node %d, zone Normal 0 0 0 0 0 0 0 0 0 0 256\n' 0 1 >host/proc/buddyinfo
	zfs 3 1
	guest_xml old 4096
	golden plan-arc --root host plan --xml old.xml
	guest_xml old 4200
	golden plan-arc-short --root host plan --xml old.xml
	golden advise-arc --root host advise --xml old.xml
	is "each node's part, and no more than there is" \
		"$(as_json --root host status --json | grep -c '"reclaimable_kib": 1048576,')" 2
	rm -r host/proc/spl
	node_memory 0 4194304 1048576
	sed -i 's/\(Active(anon): *\) 0 /\1 2097152 /' host/sys/devices/system/node/node0/meminfo
	printf 'Filename Type Size Used Priority\n%s partition %d 0 100\n' /dev/zram0 4194304 \
		>host/proc/swaps
	guest_xml old 2048 0
	golden plan-zram --root host plan --xml old.xml
	echo "/dev/sda2 partition 2097152 1572864 -2" >>host/proc/swaps
	golden plan-zram-and-disk-short --root host plan --xml old.xml
	guest_xml old 1536 0
	golden plan-zram-and-disk --root host plan --xml old.xml
	golden advise-zram-and-disk --root host advise --xml old.xml
}

# Node 1 has a page table in each block of 2 MiB but so many: plan and advise say what a start
# is refused for
case_plan_fixed_pages() {
	host two-nodes-6.1
	truncate -s 18M host/proc/kpageflags
	python3 - <<-'END'
		import struct
		with open("host/proc/kpageflags", "r+b") as f:
		    for block in range(2816, 4608 - 90):
		        f.seek((block * 512 + block % 512) * 8)
		        f.write(struct.pack("<Q", 1 << 26))
	END
	guest_xml old 196 1
	is "as many as there are blocks" \
		"$("$program" --root host plan --xml old.xml | grep -c 'can be made now')" 0
	guest_xml old 200 1
	golden plan-fixed-pages --root host plan --xml old.xml
	is "and advise" "$("$program" --root host advise --xml old.xml | grep -c 'make 90 at most')" 1
}

# Of the whole GiBs of a host that has just booted two have nothing in them that stays
case_plan_captured_flags() {
	host fresh
	gzip -dc <"$tests/hosts/fresh/proc/kpageflags.gz" >host/proc/kpageflags
	guest_xml old 3072
	sed -i "s,<page size='2' unit='MiB'/>,<page size='1' unit='GiB'/>," old.xml
	golden plan-captured-flags --root host plan --xml old.xml
	is "and advise" "$("$program" --root host advise --xml old.xml --backing dynamic --page-size 1G |
		most_pages)" 2
}

# How many pages can be made at most, as plan and advise say it
most_pages() {
	tr -s '\n ' ' ' | sed -n 's/.*at most \([0-9]*\) of the .*/\1/p; s/.*can make \([0-9]*\) at most.*/\1/p'
}

# agree_on HOST PAGES: so many are not doubted, and of one more both say the same
agree_on() {
	host "$1"
	gzip -dc <"$tests/hosts/$1/proc/kpageflags.gz" >host/proc/kpageflags
	guest_xml old $(($2 * 2))
	is "as many as can be" "$("$program" --root host plan --xml old.xml | most_pages)" ""
	is "and advise" "$("$program" --root host advise --xml old.xml | most_pages)" ""
	guest_xml old $(($2 * 2 + 2))
	is "one more" "$("$program" --root host plan --xml old.xml | most_pages)" "$2"
	is "as advise says it" "$("$program" --root host advise --xml old.xml | most_pages)" "$2"
}

# Their flags say 708 and 751 (tests/unit/test_captured_flags.c), and free memory and cache are fewer
case_plan_captured_fragmented() {
	agree_on mixed 656
}

case_plan_captured_cache() {
	agree_on cache 727
}

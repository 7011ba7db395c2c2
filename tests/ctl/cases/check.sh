# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking check: configuration, guests, hooks, other programs.

# colours_of COMMAND...: are there any on a terminal?
colours_of() {
	if script -qec "$(printf '%q ' "$@")" /dev/null </dev/null | grep -q $'\033\['; then
		echo colours
	else
		echo none
	fi
}

case_check() {
	checked_host one-node
	golden check --root host check --all
	golden check-attention --root host check
	golden check-json --root host check --json
	config <<<$'[hugepages]\ncompact = perhaps\nkepe_free = 1'
	chmod 666 host/etc/libvirt/membacking.conf
	golden check-config-writable --root host check --all
	chmod 644 host/etc/libvirt/membacking.conf
	golden check-config --root host check --all
	golden check-config-json --root host check --json
	# Without its header a section's keys would be the one's before it
	config <<<$'[hugepages]\n[hugepage]\nmanage = no\n[pager]\n[guest]\n[store\n[thp]\nenabled'
	golden check-config-sections --root host check --all
	config <<<$'[hugepages]\ncompact = perhaps\nkepe_free = 1'
	is "80 columns are enough" "$("$program" --root host check | awk 'length > 80')" ""
	is "no colours in a file" "$("$program" --root host check | grep -c $'\033')" 0
	if has script && [ -n "$(script -qec true /dev/null 2>&1)" ]; then
		skip "script can make no terminal here: colours are not tried"
	elif has script; then
		is "colours on a terminal" \
			"$(colours_of env TERM=xterm "$program" --root host check)" colours
		is "no colours on a dumb one" \
			"$(colours_of env TERM=dumb "$program" --root host check)" none
		is "no colours with NO_COLOR" \
			"$(colours_of env TERM=xterm NO_COLOR=1 "$program" --root host check)" none
	fi
	is "checking changes nothing" "$(ls host)" $'etc\nproc\nsys\nusr'
}

case_check_ledgers() {
	busy_host
	golden check-ledgers --root host check --all
	golden check-strict --root host check --strict
	ledger build leaving "$(step 2048 16 "$(share 0 0 16 16 16 8)")"
	ledger old running
	sed -i 's/"version": 1/"version": 99/' "host/run/libvirt-membacking/guests/${uuid[old]}"
	echo '{ not JSON' >"host/run/libvirt-membacking/guests/${uuid[damaged]}"
	golden check-ledgers-more --root host check --all
	golden check-guest --root host check --all web "${uuid[damaged]}"
	golden check-guest-unknown --root host check --all nobody web
	no_qemu
}

# Linked an hour after libvirt's start, which has not looked since
case_check_hooks() {
	no_qemu
	host one-node
	golden check-hook-no-program --root host check --all
	mkdir -p host/usr/bin host/var/lib/dpkg/info
	touch host/usr/bin/apt-get
	is "what dpkg does not know is installed by hand" \
		"$("$program" --root host check | grep -c -e '-> make install')" 2
	touch host/var/lib/dpkg/info/libvirt-membacking.list
	is "what it knows, by apt-get" \
		"$("$program" --root host check | grep -c -e '-> apt-get install --reinstall')" 2
	rm -r host/usr/bin/apt-get host/var/lib/dpkg
	touch host/usr/bin/dnf
	golden check-hook-reinstall --root host check --all
	hook_programs
	golden check-hook-not-enabled --root host check --all
	"$program" --root host hook enable >/dev/null
	chmod 644 host/usr/sbin/libvirt-membacking-qemu-hook
	golden check-hook-not-executable --root host check --all
	chmod 755 host/usr/sbin/libvirt-membacking-qemu-hook
	ln -sf /usr/bin/true host/etc/libvirt/hooks/daemon.d/50-membacking
	golden check-hook-foreign --root host check --all
	checked_host one-node
	qemu driver
	libvirt_started 3600
	golden check-hook-unseen --root host check --all
	libvirt_started -60
	golden check-hook-seen --root host check --all
	no_qemu
}

case_check_guests() {
	local spare="<membacking xmlns='urn:libvirt-membacking:1'><store>spare</store></membacking>"
	checked_host one-node
	file_xml web 40 "<discard/>" | define web
	echo "<domain><name>half" | define build
	golden check-guests --root host check --all
	golden check-guests-one --root host check --all web
	store_host
	file_xml web 40 "<discard/>" | sed "s,</domain>,<metadata>$spare</metadata>&," | define web
	golden check-guests-store --root host check --all
}

# A list that ends with an error is none
case_definitions_in_part() {
	host one-node
	mkdir -p host/etc/libvirt/qemu
	cp "$tests/guests/hugepages-2m.xml" host/etc/libvirt/qemu/g.xml
	is "guests that could not be listed are not passed" \
		"$(strace -f -o /dev/null -P "$PWD/host/etc/libvirt/qemu" -e trace=getdents64 \
			-e inject=getdents64:error=EIO "$program" --root host check --json |
			grep -o "cannot list /etc/libvirt/qemu: [A-Z].*error")" \
		"cannot list /etc/libvirt/qemu: Input/output error"
}

# giant_xml NAME GIB [NODE]: a guest with pages of 1 GiB
giant_xml() {
	guest_xml "$1" $(($2 * 1024)) "${3-}"
	sed -i "s/size='2' unit='MiB'/size='1' unit='GiB'/" "$1.xml"
}

case_check_room() {
	busy_host
	# 2 of 1 GiB lie idle on node 0, one of them is promised to a guest that is started
	giant_xml old 1
	define old <old.xml
	golden check-room-no-autostart --root host check --all
	autostart old
	golden check-room --root host check --all
	giant_xml old 30
	define old <old.xml
	golden check-room-short --root host check --all
	golden check-room-of-another --root host check --all web
	giant_xml old 4 1
	define old <old.xml
	golden check-room-short-on-node --root host check --all
	guest_xml old 16000
	define old <old.xml
	config <<<$'[hugepages]\nmanage = no'
	golden check-room-not-managed --root host check --all
	qemu old
	golden check-room-running --root host check --all
	no_qemu
}

# What a dead guest left counts as given back, as plan sees it
case_check_room_settled() {
	busy_host
	no_qemu
	rm -f host/run/libvirt-membacking/guests/*
	node_memory 0 4194304 200000
	pool 0 2048 1700 1700 0
	pool 0 1048576 0 0 0
	giant_xml old 2 0
	define old <old.xml
	golden check-room-taken --root host check --all old
	ledger build running "$(step 2048 1600 "$(share 0 0 1600 1600 1600 100)")"
	golden check-room-settled --root host check --all old
	is "plan says the same" "$("$program" --root host plan old | grep -c 'node 0: use 0 idle, add 2')" 1
	# What it left itself is no reason not to look
	ledger old running "$(step 2048 1 "$(share 1 0 1 1 1 0)")"
	rm "host/run/libvirt-membacking/guests/${uuid[build]}"
	is "its own dead ledger" "$("$program" --root host check old | grep -c "can't start as things are")" 1
}

case_check_others() {
	local hooks=host/etc/libvirt/hooks/qemu.d/win11
	checked_host one-node
	mkdir -p $hooks/{prepare/begin,release/end} host/etc/{sysctl.d,tmpfiles.d,vdsm,systemd/system}
	# shellcheck disable=SC2016 # for that script
	printf '#!/bin/bash\nfor i in 1 2 3; do\n\techo "$MEMORY" >/proc/sys/vm/nr_hugepages\ndone\n' \
		>$hooks/prepare/begin/alloc_hugepages.sh
	printf '#!/bin/bash\necho 0 >/proc/sys/vm/nr_hugepages\necho 3 >/proc/sys/vm/drop_caches\n' \
		>$hooks/release/end/dealloc_hugepages.sh
	chmod 755 $hooks/*/*/*.sh
	echo 'vm.nr_hugepages = 16384' >host/etc/sysctl.d/10-kvm-hugepages.conf
	echo 'w /sys/kernel/mm/ksm/run - - - - 0' >host/etc/tmpfiles.d/ksm.conf
	printf '[performance]\nuse_dynamic_hugepages = true\n' >host/etc/vdsm/vdsm.conf
	echo 'none /dev/hugepages1G hugetlbfs pagesize=1G 0 0' >host/etc/fstab
	echo 'hugepagesz=1G hugepages=16 transparent_hugepage=never' >host/proc/cmdline
	ln -s /dev/null host/etc/systemd/system/ksmtuned.service
	golden check-others --root host check --all
	config <<<$'[ksm]\nmanage = yes\n[thp]\nmanage = yes\nenabled = always'
	golden check-others-managed --root host check --all
	golden check-others-json --root host check --json
}

case_check_ksm() {
	local units=host/lib/systemd/system
	host one-node
	program_runs 800 ksmd
	program_runs 801 ksmtuned /bin/bash /usr/sbin/ksmtuned
	mkdir -p $units
	touch $units/ksmtuned.service $units/ksm.service
	config <<<$'[ksm]\nmanage = yes'
	golden check-ksm --root host check --all
	is "it is a finding" "$("$program" --root host check >/dev/null; echo $?)" 1
	golden check-ksm-json --root host check --json
	rm host/etc/libvirt/membacking.conf
	golden check-ksm-not-managed --root host check --all
	rm -r host/proc/801 host/etc
	mkdir -p host/run/systemd/units host/etc/tuned host/usr/lib/tuned/guests
	touch "host/run/systemd/units/invocation:ksm.service"
	program_runs 802 python3 /usr/bin/python3 -Es /usr/sbin/tuned
	program_runs 803 momd /usr/bin/python3 /usr/sbin/momd -c /etc/vdsm/mom.conf
	program_runs 804 uksmd /usr/bin/uksmd
	echo guests >host/etc/tuned/active_profile
	echo disable_ksm >host/usr/lib/tuned/guests/script.sh
	config <<<$'[ksm]\nmanage = yes'
	golden check-ksm-others --root host check --all
	rm -r host/proc/80? host/run/systemd
	echo 1 >host/sys/kernel/mm/ksm/run
	golden check-ksm-on --root host check --all
	ksm_left
	golden check-ksm-left --root host check --all
}

# How its guests' memory can lie in transparent huge pages, and in pages of 1 GiB
case_check_pages() {
	host one-node
	define memfd <"$tests/guests/memfd.xml"
	define giant <"$tests/guests/hugepages-1g.xml"
	golden check-pages --root host check --all
	config <<<$'[thp]\nmanage = yes\n[hugepages]\non_release_1G = keep'
	golden check-pages-managed --root host check --all
	echo "always within_size [advise] never deny force" \
		>host/sys/kernel/mm/transparent_hugepage/shmem_enabled
	sed -i '$a CmaTotal:       4194304 kB\nCmaFree:        4194304 kB' host/proc/meminfo
	echo "quiet hugetlb_cma=4G hugepagesz=1G hugepages=2" >host/proc/cmdline
	golden check-pages-fine --root host check --all
	rm -r host/sys/kernel/mm/hugepages/hugepages-1048576kB
	golden check-pages-none --root host check --all
}

case_check_nova() {
	checked_host one-node
	nova_conf <<<$'[DEFAULT]\nram_allocation_ratio = 1.5'
	golden check-nova-unused --root host check --all
	nova_conf <<<$'[libvirt]\nfile_backed_memory = much'
	golden check-nova-no-number --root host check --all
	nova_conf <<<$'[libvirt]\nfile_backed_memory = viel\xe4'
	golden check-nova-no-utf8-json --root host check --json
	nova_conf <<<$'[libvirt]\nfile_backed_memory = 1024'
	mkdir -p host/var/lib/libvirt/qemu/ram
	golden check-nova-root --root host check --all
	store_host
	nova_conf <<<$'[libvirt]\nfile_backed_memory = 61'
	golden check-nova-not-mounted --root host check --all
	store_fs || return
	"$program" --root host conf show nova-file-backed | nova_conf
	golden check-nova --root host check --all
	nova_conf <<<$'[DEFAULT]\nram_allocation_ratio = 1.5\nreserved_host_memory_mb = 512
reserved_huge_pages = node:0,size:2048,count:64\n[libvirt]\nfile_backed_memory = 80\nvirt_type = lxc'
	guest_xml old 64
	define old <old.xml
	golden check-nova-wrong --root host check --all
	golden check-nova-wrong-json --root host check --json
	nova_conf <<<$'[DEFAULT]\nreserved_host_memory_mb = 8\n[libvirt]\nfile_backed_memory = 64'
	golden check-nova-more --root host check --all
	nova_conf <<<$'[libvirt]\nfile_backed_memory = 32'
	golden check-nova-less --root host check --all
}

# Copies and notes beside the drop-ins are meant to be unread
case_check_dropin_names() {
	local dir=host/etc/libvirt/membacking.conf.d
	checked_host one-node
	mkdir -p "$dir/old"
	touch "$dir"/{10-local.conf,10-local.conf~,10-local.conf.bak,.20.swp,README.local}
	golden check-dropin-names --root host check --all
	touch "$dir"/{50-local,60-local.cnf,'70 local'}
	golden check-dropin-misnamed --root host check
	golden check-dropin-misnamed-json --root host check --json
}

# An id is a promise
case_check_config_ids() {
	checked_host one-node
	{
		printf '[hugepages]\ncompcat = auto\ncompact = perhaps\noverlong\n'
		printf '[hugepagse]\nx = y\n[guest]\nksm = no\n[guest]\nmatch = web\nhook.deadline = 5s\n'
		printf '[store]\nname = a\npath = /srv/guests\n[store]\nname = b\npath = /srv/guests\n'
	} | config
	mkdir -p host/etc/libvirt/membacking.conf.d
	ln -s nowhere host/etc/libvirt/membacking.conf.d/10-link.conf
	printf '[hook]\n' >host/etc/libvirt/membacking.conf.d/20-open.conf
	chmod 666 host/etc/libvirt/membacking.conf.d/20-open.conf
	mkdir host/etc/libvirt/membacking.conf.d/30-dir.conf
	printf '[hook]\n' >host/etc/libvirt/membacking.conf.d/40-local
	is "each mistake has its id" "$(as_json --root host check --json |
		jq -r '.findings[] | select(.check == "config").id' | sort -u | tr '\n' ' ')" \
		"config.bad-value config.dangling-link config.misplaced-key config.no-dropin config.no-match config.same-path config.unknown-key config.unknown-section config.unreadable-file config.unreadable-line config.writable-by-others "
}

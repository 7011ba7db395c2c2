# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking overcommit, and what other commands say of guests under the pager.

state_dir=host/run/libvirt-membacking

# A host with 16 GiB free on which guests can be paged
pager_host() {
	no_qemu
	checked_host one-node
	mkdir -p host/dev
	touch host/dev/userfaultfd
	node_memory 0 25165824 16777216
	config <<<$'[overcommit]\nenable = yes\n'
}

# memfd_xml NAME MIB [CPU]
memfd_xml() {
	echo "<domain type='kvm'><name>$1</name><uuid>${uuid[$1]}</uuid>" \
		"<memory unit='MiB'>$2</memory><memoryBacking><source type='memfd'/>" \
		"<access mode='shared'/></memoryBacking>${3-}</domain>"
}

# limit NAME AMOUNT
limit() {
	mkdir -p host/etc/libvirt/membacking.conf.d
	printf '[guest]\nmatch = %s\novercommit.resident = %s\n' "$1" "$2" \
		>"host/etc/libvirt/membacking.conf.d/limit-$1.conf"
}

# pager: its daemon runs
pager() {
	local ready fd
	mkdir -p "$state_dir/guests"
	rm -f pager.in pager.out "$state_dir"/pager{.*,d.sock}
	[ -e fake-pager ] ||
		"${CC:-cc}" -std=gnu11 -Wall -Wextra -o fake-pager "$here/fake-pager.c" || exit 1
	mkfifo pager.in pager.out
	./fake-pager "$state_dir" <pager.in >pager.out &
	holders+=("$!")
	exec {fd}>pager.in
	holding+=("$fd")
	read -r ready <pager.out
	[ "$ready" = ready ] || not_ok pager "it does not listen"
}

# asked: what it was asked for, without hello
asked() {
	jq -r 'select(.do != "hello") | "\(.do) \(.limit_kib // "")"' "$state_dir/pager.asked" |
		tr '\n' ';'
}

# paged NAME RESIDENT_MIB TIERS_MIB [FIELDS]: a step
paged() {
	printf '{"kind": "overcommit", "size_kib": %d, "resident_kib": %d, "headroom_kib": 1024,
		"tiers_kib": %d, "ready": true%s}' $((($2 + $3) * 1024)) $(($2 * 1024)) \
		$(($3 * 1024)) "${4-}"
}

# pager_says [ALARM [WHY_LIMIT NOW_KIB TAKEN_KIB [SIZE_KIB]]]
pager_says() {
	cat >"$state_dir/pager.status" <<-EOT
		{"version": 1, "errno": 0, "tiers": [{"name": "same-filled", "limit_kib": 0, "used_kib": 0},
		{"name": "ram", "limit_kib": 6291456, "used_kib": 262144}],
		"pressure": {"state": "none", "available_kib": 1048576, "taken_kib": ${4-0}}, "guests": [
		{"uuid": "${uuid[web]}", "name": "web", "pid": 1, "state": "paging",
		"resident_kib": 524288, "limit_kib": 524288, "size_kib": ${5-1048576}, "own_kib": 4100,
		"tiers": [{"name": "same-filled", "kib": 100000, "content_kib": 0},
		{"name": "ram", "kib": 424288, "content_kib": 262144}], "faults": 12345,
		"fault_us": {"p50": 7, "p99": 56}, "evictions": 23456, "refaults": 345, "discards": 6,
		"prefetched": 1000, "prefetch_used": 750, "waiting": 0, "idle_percent": 40,
		"limit_now_kib": ${3-524288}, "limit_why": ${2-null}, "alarm": ${1-null}}]}
	EOT
}

# A guest that runs, with what libvirt has written down of it
paged_guest() {
	pager_host
	pager
	pager_says
	ledger web running "$(paged web 512 512 ', "paged": true')"
	qemu web
	live_xml web "<source type='memfd'/><access mode='shared'/>"
}

case_overcommit_status() {
	pager_host
	golden overcommit-status-none --root host overcommit status
	paged_guest
	golden overcommit-status --root host overcommit status
	golden overcommit-status-json --root host overcommit status --json
	is "status has the same" "$(as_json --root host status --json | jq -c '.guests[0].overcommit')" \
		"$(as_json --root host overcommit status --json | jq -c '.guests[0].overcommit')"
	"$program" --root host metrics >all
	grep -e pager -e paged -e resident_limit all >of_pager
	golden_file overcommit-metrics of_pager
	pager_says '"tier ram is full, and 3 faults wait for room in it"'
	golden overcommit-status-alarm --root host overcommit status
	is "status says so too" "$("$program" --root host status | grep -c "guest 'web': tier ram is full")" 1
	pager_says null '"pressure"' 393216 131072
	golden overcommit-status-short --root host overcommit status
	is "and as JSON" "$(as_json --root host overcommit status --json |
		jq -c '[.guests[0].overcommit | .limit_kib, .limit_now_kib, .limit_why], .pressure.taken_kib')" \
		'[524288,393216,"pressure"]
131072'
	pager_says null '"cgroup"' 262144 0
	golden overcommit-status-cgroup --root host overcommit status
	pager_says null null 524288 0 1179648
	is "with a dimm that was plugged in" "$(as_json --root host overcommit status --json |
		jq -c '.guests[0].overcommit | [.size_kib, .limit_kib]')" '[1179648,524288]'
	no_qemu
	qemu web
	golden overcommit-status-no-daemon --root host overcommit status
	is "its state as JSON" "$(as_json --root host overcommit status --json |
		jq -c '.guests[0].overcommit | [.paged, .state, .size_kib]')" '[false,"waiting",1048576]'
	findings overcommit-check-paged-no-daemon
	ledger web running "$(paged web 512 512 ', "failure": "a debugger traces its QEMU"')"
	golden overcommit-status-failure --root host overcommit status
	is "and status" "$("$program" --root host status |
		grep -c "guest 'web' is not paged: a debugger traces its QEMU")" 1
}

# Their UUIDs are in another order
case_overcommit_status_by_name() {
	local name
	pager_host
	pager
	for name in web database build; do
		ledger $name running "$(paged $name 512 512 ', "paged": true')"
		qemu $name
	done
	pager_says
	jq '.guests = [.guests[0] + ({"web": 1, "database": 2, "build": 3} | to_entries[] |
		{name: .key, uuid: $ARGS.positional[.value - 1], "faults": .value,
		alarm: "\(.key) waits"})]' "$state_dir/pager.status" \
		--args "${uuid[web]}" "${uuid[database]}" "${uuid[build]}" >three
	mv three "$state_dir/pager.status"
	golden overcommit-status-by-name --root host overcommit status
	is "as JSON, too" "$(as_json --root host overcommit status --json |
		jq -c '[.guests[] | .name, .overcommit.state, .overcommit.faults, .overcommit.why]')" \
		'["build","paging",3,"build waits","database","paging",2,"database waits","web","paging",1,"web waits"]'
}

# golden_file NAME FILE
golden_file() {
	local difference
	[ "${REGENERATE-}" != 1 ] || cp "$2" "$golden/$1"
	if difference=$(diff -u "$golden/$1" "$2" 2>&1); then
		ok "$1"
	else
		not_ok "$1" "it differs"
		printf '%s\n' "$difference" | sed 's/^/#   /'
	fi
}

case_overcommit_plan() {
	pager_host
	pager
	limit web 50%
	memfd_xml web 1024 >web.xml
	golden overcommit-plan --root host plan --xml web.xml
	golden overcommit-plan-json --root host plan --xml web.xml --json
	memfd_xml web 65536 >web.xml
	golden overcommit-plan-too-large --root host plan --xml web.xml
	memfd_xml web 1024 "<devices><filesystem><driver type='virtiofs'/></filesystem></devices>" >web.xml
	golden overcommit-plan-virtiofs --root host plan --xml web.xml
	memfd_xml build 1024 >build.xml
	is "of a guest that is not paged: no advice that would keep others from it" "$("$program" \
		--root host plan --xml build.xml | grep -c shmem_enabled)" 0
	config </dev/null
	is "where no guest is paged it is told" "$("$program" --root host plan --xml build.xml |
		grep -c "gets no transparent huge pages")" 1
	config <<<$'[overcommit]\nenable = yes\n'
	no_qemu
	memfd_xml web 1024 >web.xml
	golden overcommit-plan-no-daemon --root host plan --xml web.xml
	rm host/dev/userfaultfd
	golden overcommit-plan-old-kernel --root host plan --xml web.xml
	config <<<$'[overcommit]\nenable = yes\ntiers = file:/srv/swap:64G, ram:1G\n'
	golden overcommit-plan-tier-in-file --root host plan --xml web.xml
	touch host/dev/userfaultfd
	mkdir -p host/srv
	config <<<$'[overcommit]\nenable = yes\nencrypt = yes\ntiers = ram:1G, file:/srv/swap:64G\n'
	is "a tier in the clear is refused" "$("$program" --root host plan --xml web.xml 2>&1 |
		grep -c "encrypt = yes, but /srv/swap: .*encrypted.*dm-crypt device")" 1
	is "check says so" "$("$program" --root host check --json |
		jq '[.findings[] | select(.id == "pager.not-encrypted")] | length')" 1
}

# Files on a tmpfs are as good as memfds; what the guest says of itself counts where that is allowed
case_overcommit_plan_files() {
	local shared="<access mode='shared'/>"
	store_host
	mkdir -p host/dev
	touch host/dev/userfaultfd
	node_memory 0 25165824 16777216
	pager
	printf '[overcommit]\nenable = yes\n[store]\npath = /srv/guests\nsource = tmpfs\nsize = 64M\n' | config
	limit web 50%
	file_xml web 32 "$shared" >web.xml
	golden overcommit-plan-files --root host plan --xml web.xml
	file_xml web 32 >web.xml
	golden overcommit-plan-files-private --root host plan --xml web.xml
	printf '[overcommit]\nenable = yes\n[store]\npath = /srv/guests\nsource = tmpfs\noptions = huge=advise\n' |
		config
	file_xml web 32 "$shared" >web.xml
	golden overcommit-plan-files-huge --root host plan --xml web.xml
	printf '[overcommit]\nenable = yes\n[store]\npath = /srv/guests\nsource = /dev/sda1\nfstype = ext4\n' |
		config
	golden overcommit-plan-files-disk --root host plan --xml web.xml
	rm -r host/etc/libvirt/membacking.conf.d
	config <<<$'[overcommit]\nenable = yes'
	memfd_xml web 1024 "<metadata><m:membacking xmlns:m='urn:libvirt-membacking:1'><m:overcommit
		resident='60%'/></m:membacking></metadata>" >web.xml
	is "its own metadata" "$(as_json --root host plan --xml web.xml --json |
		jq -c '[.steps[] | [.kind, .resident_kib]]')" '[["overcommit",629148]]'
	config <<<$'[hook]\nallow_guest_metadata = no\n[overcommit]\nenable = yes'
	is "where that is allowed" "$(as_json --root host plan --xml web.xml --json |
		jq -c '.steps')" '[]'
}

case_overcommit_enable() {
	pager_host
	config </dev/null
	define web < <(sed "s/<name>.*</<name>web</; s/[0-9a-f-]*<\/uuid>/${uuid[web]}<\/uuid>/" \
		"$tests/guests/plain.xml")
	golden overcommit-enable --root host overcommit enable web --resident 50%
	is "nothing was written" "$(ls host/etc/libvirt/membacking.conf.d 2>/dev/null)" ""
	golden overcommit-enable-floor --root host overcommit enable web --resident 1M
	golden overcommit-enable-all --root host overcommit enable web --resident 100%
	golden overcommit-enable-captured --root host overcommit enable web --resident 50% --yes
	golden overcommit-no-limit --root host overcommit enable web
	golden overcommit-bad-limit --root host overcommit enable web --resident much
	golden overcommit-no-guest --root host overcommit enable nobody --resident 1G
	define old < <(memfd_xml old 1024 \
		"<cpu><feature policy='require' name='vmx'/></cpu>")
	golden overcommit-enable-nested --root host overcommit enable old --resident 50%
	define build < <(memfd_xml build 1024)
	mkdir -p host/etc/libvirt/membacking.conf.d
	echo '# mine' >host/etc/libvirt/membacking.conf.d/overcommit-build.conf
	golden overcommit-enable-foreign --root host overcommit enable build --resident 50%
	golden overcommit-disable-foreign --root host overcommit disable build
	rm host/etc/libvirt/membacking.conf.d/overcommit-build.conf
	golden overcommit-disable-none --root host overcommit disable build
}

# refused KIND BACKING [MORE]: what a person is told of such a guest before its start, at it, and
# when it runs
refused() {
	local how status
	no_qemu
	pager
	rm -f "$state_dir/guests/${uuid[web]}"
	define web < <(echo "<domain type='kvm'><name>web</name><uuid>${uuid[web]}</uuid>" \
		"<memory unit='MiB'>1024</memory><memoryBacking>$2</memoryBacking>${3-}</domain>")
	qemu web
	live_xml web "$2"
	sed -i "s|<devices></devices>|${3-}|" host/run/libvirt/qemu/web.xml
	for how in "overcommit enable --resident 50%" plan "overcommit adopt --resident 50%"; do
		# shellcheck disable=SC2086 # words
		"$program" --root host $how web >out 2>err
		status=$?
		printf '%s, %s: exit status %d\n' "$1" "${how%% --*}" $status
		sed 's/^virt-membacking: /  /' err
		sed -n '/^As things are/,$s/^/  /p' out
	done >>refusals
}

# One after the other, each with its sentence, and with what mends it
case_overcommit_refusals() {
	local paged="<source type='memfd'/><access mode='shared'/>" yama=host/proc/sys/kernel/yama
	local shmem=host/sys/kernel/mm/transparent_hugepage/shmem_enabled
	pager_host
	limit web 50%
	refused "VFIO" "$paged" \
		"<devices><hostdev mode='subsystem' type='pci'><driver name='vfio'/></hostdev></devices>"
	refused "vhost-user" "$paged" "<devices><interface type='vhostuser'/></devices>"
	refused "vhost-user disk" "$paged" "<devices><disk type='vhostuser'/></devices>"
	refused "virtiofs" "$paged" \
		"<devices><filesystem><driver type='virtiofs'/></filesystem></devices>"
	refused "vhost-vdpa" "$paged" "<devices><interface type='vdpa'/></devices>"
	refused "SEV" "$paged" "<launchSecurity type='sev'/>"
	refused "SEV-SNP" "$paged" "<launchSecurity type='sev-snp'/>"
	refused "TDX" "$paged" "<launchSecurity type='tdx'/>"
	refused "nested guests" "$paged" "<cpu><feature policy='require' name='vmx'/></cpu>"
	refused "huge pages" "<hugepages/><access mode='shared'/>"
	refused "locked" "$paged<locked/>"
	refused "private" "<source type='memfd'/>"
	refused "anonymous" ""
	refused "preallocation" "$paged<allocation mode='immediate'/>"
	echo 'always within_size [advise] never deny force' >"$shmem"
	refused "shmem THP" "$paged"
	echo 'always within_size advise [never] deny force' >"$shmem"
	mkdir -p "$yama"
	echo 3 >"$yama/ptrace_scope"
	refused "ptrace_scope" "$paged"
	rm -r "$yama"
	rm host/dev/userfaultfd
	refused "no userfaultfd" "$paged"
	golden_file overcommit-refusals refusals
	is "the record of such a guest that runs has no step" \
		"$(jq -c .steps "$state_dir/guests/${uuid[web]}")" "[]"
	is "and the pager was asked for none of them" "$(asked)" ""
}

# With a libvirt whose guests can be changed, and a configuration of our own
case_overcommit_enable_yes() {
	local conf=/etc/libvirt/membacking.conf.d
	if [ "$(id -u)" != 0 ] || [ ! -d /etc/libvirt ]; then
		skip "without root or /etc/libvirt: overcommit enable --yes is not tried"
		return
	fi
	mount -t tmpfs -o mode=755 tmpfs /etc/libvirt
	fake_libvirt
	sed "s/<name>.*</<name>web</; s/[0-9a-f-]*<\/uuid>/${uuid[web]}<\/uuid>/" \
		"$tests/guests/plain.xml" >"$FAKE_LIBVIRT/web.xml"
	with_libvirt overcommit enable web --resident 50% --yes >out 2>err
	is "it is enabled" "$? $(cat err)" "0 "
	is "both change" "$(grep -c "What changes" out)" 2
	is "its memory is a memfd" "$(grep -c "<source type=.memfd" "$FAKE_LIBVIRT/defined")" 1
	is "and shared" "$(grep -c "<access mode=.shared" "$FAKE_LIBVIRT/defined")" 1
	is "its limit is written" "$(tail -n +2 $conf/overcommit-web.conf)" \
		$'[guest]\nmatch = '"${uuid[web]}"$'\novercommit.resident = 50%'
	is "the switch is on" "$(tail -n +2 $conf/overcommit.conf)" $'[overcommit]\nenable = yes'
	is "the program understands what it wrote" "$("$program" plan --xml "$FAKE_LIBVIRT/defined" 2>&1 |
		grep -c -e "page the guest" -e "can't be paged on this host" -e missing)" 1
	mv "$FAKE_LIBVIRT/defined" "$FAKE_LIBVIRT/web.xml"
	with_libvirt overcommit enable web --resident 50% --yes >out 2>err
	is "once more nothing changes" "$(grep -c -e "definition stays as it is" \
		-e "configuration stays as it is" -e "What changes" out)" 2
	with_libvirt overcommit enable web --resident 600M --yes >out 2>err
	is "another limit" "$(tail -n 1 $conf/overcommit-web.conf)" "overcommit.resident = 600M"
	is "needs no other definition" "$(find "$FAKE_LIBVIRT" -type f -printf "%f ")" "web.xml "
	with_libvirt overcommit disable web >out 2>err
	is "it is disabled" "$? $(ls $conf)" "0 overcommit.conf"
	touch "$FAKE_LIBVIRT/refuse"
	sed -i "/<memoryBacking>/,/<.memoryBacking>/d" "$FAKE_LIBVIRT/web.xml"
	with_libvirt overcommit enable web --resident 50% --yes >out 2>err
	is "a refused definition leaves no limit" "$? $(ls $conf)" "1 overcommit.conf"
	umount /etc/libvirt
}

case_overcommit_running() {
	pager_host
	pager
	qemu web
	live_xml web "<source type='memfd'/><access mode='shared'/>"
	golden overcommit-set-unpaged --root host overcommit set web --resident 256M
	is "the pager was not asked to adopt it" "$(asked)" ""
	golden overcommit-adopt --root host overcommit adopt web --resident 256M
	is "the pager was asked" "$(asked)" "adopt 262144;"
	is "it is written down" "$(jq -c '.steps[0] | [.kind, .resident_kib, .paged]' \
		"$state_dir/guests/${uuid[web]}")" '["overcommit",262144,true]'
	golden overcommit-set --root host overcommit set "${uuid[web]}" --resident 50%
	golden overcommit-set-less --root host overcommit set web --resident 128M
	is "with each limit" "$(asked)" "adopt 262144;adopt 262144;adopt 131072;"
	is "that is written down too" "$(jq -c '.steps | [length, .[0].resident_kib]' \
		"$state_dir/guests/${uuid[web]}")" '[1,131072]'
	golden overcommit-set-floor --root host overcommit set web --resident 10M
	echo '{"version": 1, "errno": 12, "error": "it does not fit"}' >"$state_dir/pager.answer"
	golden overcommit-release-no-room --root host overcommit release web
	golden overcommit-set-refused --root host overcommit set web --resident 300M
	is "then all stays as it was" "$(jq -c '.steps | [length, .[0].resident_kib]' \
		"$state_dir/guests/${uuid[web]}")" '[1,131072]'
	rm "$state_dir/pager.answer"
	golden overcommit-release --root host overcommit release web
	is "nothing is left of it" "$(jq -c .steps "$state_dir/guests/${uuid[web]}")" "[]"
	golden overcommit-release-again --root host overcommit release web
	echo '{"version": 1, "errno": 1, "error": "a debugger traces its QEMU"}' >"$state_dir/pager.answer"
	golden overcommit-adopt-refused --root host overcommit adopt web --resident 256M
	is "nor of one that was refused" "$(jq -c .steps "$state_dir/guests/${uuid[web]}")" "[]"
	rm "$state_dir/pager.answer"
	limit web 60%
	golden overcommit-adopt-configured --root host overcommit adopt web
	is "with the limit of its own" "$(jq -c '.steps[0].resident_kib' \
		"$state_dir/guests/${uuid[web]}")" 314572
	golden overcommit-adopt-nobody --root host overcommit adopt nobody --resident 1G
	live_xml web ""
	golden overcommit-adopt-anonymous --root host overcommit adopt web --resident 256M
	live_xml web "<source type='memfd'/><access mode='shared'/>"
	config </dev/null
	golden overcommit-adopt-off --root host overcommit adopt web --resident 256M
}

# findings NAME: golden, of those about the pager
findings() {
	as_json --root host check --json |
		jq -r '.findings[] | select(.check == "pager") | "\(.level) \(.message) [\(.remedy)]"' \
			>findings
	golden_file "$1" findings
}

case_overcommit_check() {
	pager_host
	config </dev/null
	findings overcommit-check-off
	limit web 50%
	define web < <(memfd_xml web 1024)
	findings overcommit-check-limit-off
	config <<<$'[overcommit]\nenable = yes'
	findings overcommit-check-no-daemon
	rm host/dev/userfaultfd
	mkdir -p host/proc/sys/kernel/yama host/sys/kernel/mm/transparent_hugepage
	echo 3 >host/proc/sys/kernel/yama/ptrace_scope
	echo 'always within_size [advise] never deny force' \
		>host/sys/kernel/mm/transparent_hugepage/shmem_enabled
	config <<<$'[overcommit]\nenable = yes\ntiers = ram:96%'
	findings overcommit-check-host
	pager_host
	pager
	pager_says
	limit web 50%
	define web < <(memfd_xml web 1024)
	findings overcommit-check-fine
	qemu web
	live_xml web "<source type='memfd'/><access mode='shared'/>"
	findings overcommit-check-unpaged
	ledger web running "$(paged web 512 512 ', "paged": true')"
	findings overcommit-check-paged
	is "nothing of huge pages" "$(as_json --root host check --json |
		jq -r '.findings[] | select(.check == "thp") | .message' | grep -c web)" 0
	rm host/etc/libvirt/membacking.conf.d/limit-web.conf
	is "nor of a guest that is not paged, as they would keep others from it" "$("$program" \
		--root host check --json |
		jq -r '.findings[] | select(.check == "thp") | .message' | grep -c web)" 0
	limit web 50%
	pager_says '"tier ram is full, and 3 faults wait for room in it"'
	findings overcommit-check-alarm
	echo '{"version": 1, "errno": 0, "tiers": [], "guests": []}' >"$state_dir/pager.status"
	ledger web running "$(paged web 512 512 ', "failure": "a debugger traces its QEMU"')"
	findings overcommit-check-failure
	limit old 10%
	limit build 50%
	limit database 100%
	define old < <(memfd_xml old 1024)
	define build < <(memfd_xml build 1024 \
		"<devices><interface type='vhostuser'/></devices>")
	define database < <(memfd_xml database 1024)
	findings overcommit-check-definitions
}

# tiers TIERS: those of the configuration
tiers() {
	printf '[overcommit]\nenable = yes\ntiers = ram:1G, %s\n' "$1" | config
}

# place NAME: what is found of the place of a tier
place() {
	echo "$1:"
	as_json --root host check --json |
		jq -r '.findings[] | select(.id | startswith("pager.tier-")) | "\(.level) \(.id) \(.message)"'
}

# Of the place of a tier, before a guest is paged
case_overcommit_check_places() {
	local disk
	pager_host
	pager
	pager_says
	limit web 50%
	define web < <(memfd_xml web 1024)
	mkdir -m 755 host/srv
	tiers file:/srv/none/tier:1M
	place "no such directory" >places
	memfd_xml web 1024 >web.xml
	is "plan says so" "$(as_json --root host plan --xml web.xml --json |
		jq -r '.notes[]' | grep -c "^the pager can't use tier file of .overcommit.*/srv/none")" 1
	is "so does enable" "$("$program" --root host overcommit enable web --resident 50% |
		grep -c "^But the pager can't use tier file of ")" 1
	tiers directory:/srv/none:1M
	place "nor of guests' files" >>places
	mkdir -m 777 host/srv/open
	tiers file:/srv/open/tier:1M
	place "others can write its directory" >>places
	tiers directory:/srv/open:1M
	place "or the one for guests' files" >>places
	mkdir -m 755 host/srv/open/below
	tiers directory:/srv/open/below:1M
	place "or the one above it" >>places
	touch host/srv/open/below/tier
	chmod 600 host/srv/open/below/tier
	tiers file:/srv/open/below/tier:1M
	place "also if the file is there" >>places
	tiers file:/srv:1M
	place "a directory" >>places
	mkdir -m 755 host/srv/ram host/srv/disk
	mount -t tmpfs -o mode=755 tmpfs host/srv/ram
	tiers file:/srv/ram/tier:1M
	place "in memory" >>places
	tiers directory:/srv/ram:1M
	place "also guests' files" >>places
	umount host/srv/ram
	# The tests may lie in memory
	disk=$(mktemp -d -p /var/tmp)
	chmod 755 "$disk"
	mount --bind "$disk" host/srv/disk
	tiers file:/srv/disk/tier:1M
	place "all is well" >>places
	touch host/srv/disk/tier
	chmod 644 host/srv/disk/tier
	place "others can read the file" >>places
	chmod 600 host/srv/disk/tier
	place "all is well again" >>places
	tiers file:/srv/disk/tier:900T
	place "no room" | sed 's/has room for [0-9.]* [KMGT]iB/has room for SOME/' >>places
	tiers directory:/srv/disk:900T
	place "nor for guests' files" | sed 's/has room for [0-9.]* [KMGT]iB/has room for SOME/' >>places
	sed -i 's/"name": "ram", "limit_kib"/"name": "directory", "limit_kib"/; s/"used_kib": 262144/"used_kib": 1099511627776/' \
		"$state_dir/pager.status"
	place "but what has room already is counted" >>places
	config <<<$'[overcommit]\nenable = no\ntiers = ram:1G, file:/srv/none/tier:1M\n'
	place "without a pager nothing is said" >>places
	ledger web running "$(paged web 512 512 ', "paged": true')"
	place "nor if it is off, and a guest is still under it" >>places
	rm "$state_dir/guests/${uuid[web]}"
	umount host/srv/disk
	rm -r -- "$disk"
	rm host/etc/libvirt/membacking.conf.d/limit-web.conf
	tiers file:/srv/none/tier:1M
	place "no guest shall be paged" >>places
	golden_file overcommit-check-places places
}

# Without root no device can be made
case_overcommit_check_device() {
	pager_host
	pager
	pager_says
	mkdir -p host/srv host/sys/dev/block/8:99
	echo 2097152 >host/sys/dev/block/8:99/size
	if ! mknod -m 660 host/srv/device b 8 99 2>/dev/null; then
		skip "without root: the size of a device is not looked at"
		return
	fi
	tiers file:/srv/device:1G
	is "a device that is as large" "$(place of)" "of:"
	tiers file:/srv/device:2G
	is "one that is smaller" "$(place of | grep -c "and /srv/device has room for 1 GiB.*larger device")" 1
}

# What is promised to one guest is not there for another
case_overcommit_full() {
	paged_guest
	config <<<$'[overcommit]\nenable = yes\ntiers = ram:600M\n'
	qemu build
	live_xml build "<source type='memfd'/><access mode='shared'/>"
	# It may have less, although that is more of tiers: what it has of them is its own
	golden overcommit-less --root host overcommit set web --resident 128M
	rm "$state_dir/pager.asked"
	golden overcommit-full --root host overcommit adopt build --resident 128M
	is "the pager was not asked" "$(asked)" ""
	golden overcommit-fits --root host overcommit adopt build --resident 450M
}

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking advise.

case_advise() {
	local xml=$tests/guests/vfio.xml name
	host one-node
	# Paths of this machine are no part of a golden file
	cp "$tests"/guests/{vfio,plain,memfd,hugepages-1g,cells}.xml .
	for name in vfio plain memfd hugepages-1g; do
		golden "advise-$name" --root host advise --xml "$name.xml"
	done
	golden advise-json --root host advise --xml vfio.xml --json
	is "nothing is made by looking" "$(ls host)" $'proc\nsys'
	sed 's,<name>.*</name>,<name>a b</name>,' "$tests/guests/vfio.xml" >odd.xml
	is "a name that a shell takes apart is given as a UUID" \
		"$("$program" --root host advise --xml odd.xml | grep -o 'virsh edit [^,]*')" \
		"virsh edit $(sed -n 's,.*<uuid>\(.*\)</uuid>.*,\1,p' odd.xml)"
	sed -i '/<uuid>/d' odd.xml
	is "and a UUID that was made up is none" \
		"$("$program" --root host advise --xml odd.xml | grep -o 'virsh edit [^,]*')" \
		"virsh edit GUEST"
	is "from standard input" "$("$program" --root host advise --xml - <"$xml")" \
		"$("$program" --root host advise --xml "$xml")"
	is "80 columns are enough" \
		"$("$program" --root host advise --xml hugepages-1g.xml | awk 'length > 80')" ""
	echo "CmaTotal: 8388608 kB" >>host/proc/meminfo
	echo "CmaFree: 8388608 kB" >>host/proc/meminfo
	echo "hugetlb_cma=8G hugepagesz=1G hugepages=4" >host/proc/cmdline
	printf '[hugepages]\non_release_1G = keep\n' | config
	golden advise-1g-ways --root host advise --xml vfio.xml
	config <<<$'[hugepages]\nuse_idle = perhaps'
	golden advise-bad-value --root host advise --xml vfio.xml
	busy_host
	guest_xml web 64
	golden advise-running --root host advise --xml web.xml
	# How full the machine's own file system is must not matter here
	printf '[store]\npath = /srv/guests\n' | config
	guest_xml old 999999
	golden advise-nothing-fits --root host advise --xml old.xml
	golden advise-nothing-fits-json --root host advise --xml old.xml --json
	# One that has all the rest of a node fits there again
	config </dev/null
	node_memory 0 4194304 0
	sed -i '/^Node 0/s/ [0-9]\+/ 0/g' host/proc/buddyinfo
	sed -i '/^Node 0/,/^Node 1/s/^  pages free .*/  pages free 0/' host/proc/zoneinfo
	qemu build
	echo "7f0000000000 default anon=420000 dirty=420000 N0=420000 kernelpagesize_kB=4" \
		>"host/proc/${holders[-1]}/numa_maps"
	qemu_memory 1680000 0 0
	guest_xml build 1500 0
	golden advise-running-large --root host advise --xml build.xml
}

# Another backing than the recommended one
case_advise_backing() {
	local name
	host one-node
	cp "$tests"/guests/{plain,vfio,hugepages-1g,hugepages-2m}.xml .
	golden advise-backing --root host advise --xml plain.xml --backing dynamic --page-size 1G
	golden advise-backing-removes --root host advise --xml hugepages-2m.xml --backing thp
	is "what removes pages says so" "$("$program" --root host advise --xml hugepages-2m.xml \
		--backing thp --json | jq -r .asked.removes)" "<hugepages> with pages of 2 MiB"
	is "its own pages stay" "$("$program" --root host advise --xml hugepages-1g.xml \
		--backing dynamic --json | jq -c '[.asked.page_kib, .asked.changes]')" "[1048576,false]"
	is "without a wish there is none" \
		"$("$program" --root host advise --xml plain.xml --json | jq .asked)" null
	"$program" --root host advise --xml vfio.xml --backing ksm >out
	is "what is not possible is a finding" "$? $(grep -A1 '^Asked for' out | tail -n 1 | cut -c 1-20)" \
		"1   - not possible: a "
	for name in static dynamic thp file ksm overcommit; do
		is "$name has its name" "$("$program" --root host advise --xml plain.xml \
			--backing $name --json | jq -r .asked.backing)" $name
	done
	golden advise-backing-unknown advise web --backing dinamic
	golden advise-page-size-alone advise web --page-size 2M
	golden advise-page-size-of-thp advise web --backing thp --page-size 2M
	golden advise-page-size-unknown --root host advise --xml plain.xml --backing static --page-size 3M
}

# The block that is shown is what libvirt would be given: advised again, it stays
case_advise_twice() {
	local name block
	for name in plain vfio memfd cells file-by-access hugepages-2m; do
		# Its cells are on several nodes
		host one-node
		[ $name != cells ] || host two-nodes-6.12
		as_json --root host advise --xml "$tests/guests/$name.xml" --json >advice
		block=$(jq -r .recommendation.xml advice)
		is "$name is changed by it" "$(jq .recommendation.changes advice)" \
			"$(jq '.recommendation.xml != .guest.xml' advice)"
		perl -0pe 's/\s*<memoryBacking>.*?<\/memoryBacking>//s; BEGIN { $b = shift }
			s/(<memory[ >].*?<\/memory>)/$1\n$b/s' "$block" "$tests/guests/$name.xml" >again.xml
		is "$name, pasted, needs no more" \
			"$(as_json --root host advise --xml again.xml --json |
				jq -c '[.recommendation.changes, .recommendation.backing]')" \
			"[false,$(jq .recommendation.backing advice)]"
	done
}

case_advise_usage() {
	golden advise-no-guest advise
	golden advise-guest-and-xml advise web --xml web.xml
	golden advise-apply-file advise --xml web.xml --apply
	host one-node
	golden advise-apply-captured --root host advise web --apply
	golden advise-yes-alone advise web --yes
	golden advise-no-file advise --xml nowhere.xml
	golden apply-of-another status --apply
}

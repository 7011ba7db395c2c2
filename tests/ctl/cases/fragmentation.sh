# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking fragmentation.

case_fragmentation() {
	host one-node
	golden fragmentation --root host fragmentation
	golden fragmentation-json --root host fragmentation --json
	is "nothing is made by looking" "$(ls host)" $'proc\nsys'
	rm host/proc/pagetypeinfo
	golden fragmentation-no-types --root host fragmentation
	is "80 columns are enough" \
		"$("$program" --root "$tests/hosts/two-nodes-6.1" fragmentation | awk 'length > 80')" ""
	is "shades where the locale has them" \
		"$(LC_ALL=C.UTF-8 "$program" --root host fragmentation | grep -c '█')" 3
	is "and no letters then" \
		"$(LC_ALL=C.UTF-8 "$program" --root host fragmentation | grep -c '#')" 0
	# A zone with nothing but small pieces
	sed -i '/Normal/s/zone.*/zone   Normal  90000 40000 9000 800 70 6 0 0 0 0 0/' host/proc/buddyinfo
	golden fragmentation-pieces --root host fragmentation
	rm -r host/sys/kernel/mm/hugepages
	golden fragmentation-no-hugepages --root host fragmentation
	host one-node
	rm host/proc/buddyinfo
	golden fragmentation-no-buddyinfo --root host fragmentation
}

# page_flags GIB FLAGS: of the first page of that GiB.  All others have none
page_flags() {
	printf '%b' "$2" | dd of=host/proc/kpageflags bs=1 seek=$(($1 * 262144 * 8)) conv=notrunc status=none
}

# Of node 0 every GiB but the last has an unmovable page, of node 1 none has
case_fragmentation_of_every_page() {
	local gib
	host two-nodes-6.1
	truncate -s 18M host/proc/kpageflags
	golden fragmentation-unmarked --root host fragmentation
	for gib in 0 1 2; do page_flags $gib '\x80'; done
	page_flags 5 '\0\0\x02'
	golden fragmentation-every-page --root host fragmentation
	golden fragmentation-every-page-json --root host fragmentation --json
	for gib in 4 5 6 7 8; do page_flags $gib '\x80'; done
	sed -i 's/count: .*/count: 9000000/' host/proc/zoneinfo
	golden fragmentation-spoilt --root host fragmentation
	cp "$tests/guests/hugepages-1g.xml" .
	golden plan-spoilt --root host plan --xml hugepages-1g.xml
}

# coloured_lines VARIABLE=VALUE...: how many lines have colours
coloured_lines() {
	env "$@" script -qec "$program --root $tests/hosts/one-node fragmentation" /dev/null |
		grep -c $'\e\['
}

case_fragmentation_colours() {
	is "on a terminal" "$(coloured_lines TERM=xterm)" 2
	is "not with NO_COLOR" "$(coloured_lines TERM=xterm NO_COLOR=1)" 0
	is "an empty NO_COLOR is none" "$(coloured_lines TERM=xterm NO_COLOR=)" 2
	is "not on one that has none" "$(coloured_lines TERM=dumb)" 0
	is "not in a pipe" \
		"$(TERM=xterm "$program" --root "$tests/hosts/one-node" fragmentation | grep -c $'\e\[')" 0
}

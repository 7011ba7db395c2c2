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

# run_of FIRST_MIB MIB FLAGS: all pages of that part
run_of() {
	python3 - "$@" <<'END'
import struct, sys
first, size, flags = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3], 0)
with open("host/proc/kpageflags", "r+b") as f:
    f.seek(first * 256 * 8)
    f.write(struct.pack("<Q", flags) * (size * 256))
END
}

# Node 0: what the kernel has at its beginning, a GiB with huge pages, a free one, one half used
# with a page table in it.  Node 1: a program's memory, and pages without a mark
map_host() {
	host two-nodes-6.1
	truncate -s 18M host/proc/kpageflags
	run_of 0 5120 0x400
	run_of 0 32 0x100000000
	run_of 32 16 0x80
	run_of 1024 512 0x20000
	run_of 3072 260 0x20
	run_of 3600 24 0x20
	page_flags 3 '\0\0\0\x04'
	run_of 5120 1024 0x1020
}

case_fragmentation_map() {
	map_host
	golden fragmentation-map --root host fragmentation --map
	golden fragmentation-map-node --root host fragmentation --map 1
	golden fragmentation-map-json --root host fragmentation --map 0 --json
	is "80 columns are enough" \
		"$("$program" --root host fragmentation --map | awk 'length > 80')" ""
	is "shades where the locale has them" \
		"$(LC_ALL=C.UTF-8 "$program" --root host fragmentation --map 0 | grep -c '^ .*■■■■')" 1
	sed -i 's/count: .*/count: 0/' host/proc/zoneinfo
	golden fragmentation-map-unsure --root host fragmentation --map 1
	golden fragmentation-map-no-node --root host fragmentation --map 7
	golden fragmentation-map-no-number --root host fragmentation --map x
	rm host/proc/kpageflags
	golden fragmentation-map-no-flags --root host fragmentation --map
	golden fragmentation-svg-no-flags --root host fragmentation --svg map.svg
	is "and nothing is written" "$(ls map.svg 2>&1)" "ls: cannot access 'map.svg': No such file or directory"
}

# wide_map COLUMNS: on a terminal
wide_map() {
	script -qec "stty cols $1; NO_COLOR=1 TERM=xterm $program --root host fragmentation --map 0" \
		/dev/null | tr -d '\r'
}

case_fragmentation_map_width() {
	map_host
	wide_map 150 >wide
	is "sentences where there is room" "$(grep '^   3 G' wide | cut -c 72-)" \
		" 1: 1 page tables"
	is "and what is none" "$(grep '^   2 G' wide | cut -c 72-)" \
		" none: could become a page of 1 GiB"
	wide_map 50 >narrow
	is "fewer signs where there is none" "$(grep -c 'one sign is 32 MiB' narrow)" 1
	is "50 columns are enough for rows" "$(grep ' G ' narrow | awk 'length > 50')" ""
}

case_fragmentation_svg() {
	map_host
	golden fragmentation-svg --root host fragmentation --svg map.svg
	is "a drawing" "$(head -c 38 map.svg)" '<svg xmlns="http://www.w3.org/2000/svg'
	is "of both nodes" "$(grep -c '>Node [01]<' map.svg)" 2
	is "that is well-formed" "$(xmllint --noout map.svg 2>&1)" ""
	"$program" --root host fragmentation --svg map.svg 1
	is "of one" "$(grep -c '>Node [01]<' map.svg)" 1
	golden fragmentation-svg-json --root host fragmentation --svg map.svg --json
	golden fragmentation-svg-watch --root host fragmentation --svg map.svg --watch
}

# The host changes while it is watched
case_fragmentation_map_watch() {
	map_host
	"$program" --root host fragmentation --map 0 --watch=100ms >watched &
	local watcher=$! n
	for ((n = 0; n < 100; n++)); do
		! grep -q ' 3 G x+' watched || break
		sleep 0.1
	done
	run_of 3072 1024 0x400
	for ((n = 0; n < 100; n++)); do
		! grep -q ' 3 G \.\.' watched || break
		sleep 0.1
	done
	kill "$watcher"
	wait "$watcher" 2>/dev/null
	is "before" "$(grep -c -m 1 ' 3 G x+' watched)" 1
	is "after" "$(grep -c -m 1 ' 3 G \.\.' watched)" 1
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

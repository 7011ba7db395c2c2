# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking metrics.

case_metrics() {
	busy_host
	# How full the machine's own file system is must not matter here
	printf '[store]\npath = /srv/guests\n' | config
	echo '{ not JSON' >"host/run/libvirt-membacking/guests/${uuid[damaged]}"
	sed -i 's/"name": "build"/"name": "bu\\"il\\\\d\\n"/' \
		"host/run/libvirt-membacking/guests/${uuid[build]}"
	golden metrics --root host metrics
	is "promtool has nothing to say" \
		"$("$program" --root host metrics | promtool check metrics 2>&1; echo "${PIPESTATUS[1]}")" 0
	host one-node
	printf '[store]\npath = /srv/guests\n' | config
	golden metrics-no-guests --root host metrics
	is "nor without guests" \
		"$("$program" --root host metrics | promtool check metrics 2>&1; echo "${PIPESTATUS[1]}")" 0
	echo old >metrics.prom
	golden metrics-output --root host metrics --output metrics.prom
	is "the file is what is printed otherwise" "$(cat metrics.prom)" "$("$program" --root host metrics)"
	is "it is the only one, and for all to read" "$(stat -c '%a %n' metrics.prom*)" "644 metrics.prom"
	mkfifo metrics.prom.new
	is "nor does a FIFO hold it up" \
		"$(timeout 20 "$program" --root host metrics --output metrics.prom; echo $?)" 0
	rm metrics.prom.new
	mkdir -p open/real target
	chmod 777 open
	ln -s ../target open/link
	is "metrics: no link in a directory that others can write" \
		"$("$program" --root host metrics --output open/link/x.prom 2>&1; ls target)" \
		"virt-membacking: cannot open the directory of 'open/link/x.prom': there are too many links on the way, or one in a directory that others than root can write: refusing to follow it"
	is "metrics: the directory itself is no hindrance" \
		"$("$program" --root host metrics --output "$PWD/open/real/x.prom" 2>&1; ls open/real)" x.prom
	golden metrics-no-directory --root host metrics --output nowhere/metrics.prom
	# Nothing is red on a host that has no store, or one that no guest uses
	is "a store that no guest uses is not said to be missing" \
		"$("$program" --root host metrics | grep -c 'store_mounted{')" 0
	host one-node
	is "nor is one that is not configured" \
		"$("$program" --root host metrics | grep -c '_store_')" 0
}

# What the hooks wrote down is shown, and what is not theirs shows no wrong number
case_metrics_counters() {
	host one-node
	mkdir -p host/run/libvirt-membacking/guests
	cat >host/run/libvirt-membacking/counters <<-'END'
	{"version": 1, "started": 12, "refused_no_room": 2, "refused_other": 1, "prepares": 15,
	 "prepare_ms": 4056, "compactions": 3,
	 "grown": [{"page_kib": 2048, "pages": 512}, {"page_kib": 1048576, "pages": 4},
	 {"page_kib": 64, "pages": 1}]}
	END
	golden metrics-counters --root host metrics
	is "promtool has nothing to say of counters" \
		"$("$program" --root host metrics | promtool check metrics 2>&1; echo "${PIPESTATUS[1]}")" 0
	echo '{' >host/run/libvirt-membacking/counters
	is "a damaged file counts as none" \
		"$("$program" --root host metrics 2>/dev/null | grep -c 'starts_total.* 0$')" 2
}

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
	# Without a [store], before libvirt has made its directory
	host one-node
	is "a store is mounted for metrics where it is for status" \
		"$("$program" --root host metrics | sed -n 's/.*store_mounted{.* //p')" \
		"$("$program" --root host status --json | jq '.stores[] | if .mounted then 1 else 0 end')"
}

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is written where: colours, lines of progress, names that a terminal would obey.

# on_terminal ARGUMENT...: stdout is one, of 80 columns
on_terminal() {
	TERM=${TERM_NAME-xterm} script -qec "stty cols 80; ${*@Q}" /dev/null </dev/null
}

case_colours() {
	busy_host
	is "on a terminal" \
		"$(on_terminal "$program" --root host status | grep -c $'\033.*gone')" 1
	is "NO_COLOR" "$(NO_COLOR=1 on_terminal "$program" --root host status | grep -c $'\033')" 0
	is "a dumb terminal" \
		"$(TERM_NAME=dumb on_terminal "$program" --root host status | grep -c $'\033')" 0
	is "no terminal" "$(TERM=xterm "$program" --root host status | grep -c $'\033')" 0
	is "CLICOLOR=0" "$(CLICOLOR=0 on_terminal "$program" --root host status | grep -c $'\033')" 0
	is "CLICOLOR_FORCE without a terminal" \
		"$(CLICOLOR_FORCE=1 "$program" --root host status | grep -c $'\033.*gone')" 1
	is "NO_COLOR is stronger" \
		"$(NO_COLOR=1 CLICOLOR_FORCE=1 "$program" --root host status | grep -c $'\033')" 0
	is "bars of blocks where the locale has them" \
		"$(LC_ALL=C.UTF-8 "$program" --root host status | grep -c '^node .*█')" 2
}

# file_has FILE WORDS: soon
file_has() {
	local tries
	for ((tries = 0; tries < 600; tries++)); do
		! grep -q -- "$2" "$1" 2>/dev/null || return 0
		sleep 0.1
	done
	return 1
}

# While another program has the host's lock
case_waiting() {
	local fd script
	busy_host
	exec {fd}>host/run/libvirt-membacking/lock
	flock "$fd"
	on_terminal "$program" --root host reconcile >waiting &
	script=$!
	is "what is waited for is shown" "$(file_has waiting 'giving back: 1 s'; echo $?)" 0
	is "and for how long" "$(file_has waiting 'giving back: 2 s'; echo $?)" 0
	flock -u "$fd"
	exec {fd}>&-
	wait "$script"
	is "the line is taken away" "$(tail -n 1 waiting | grep -c $'^.*\r\033\[K.*has given back')" 1
	host one-node
	mkdir -p host/run/libvirt-membacking/guests
	exec {fd}>host/run/libvirt-membacking/lock
	flock "$fd"
	"$program" --root host reconcile >waiting 2>&1 {fd}>&- &
	script=$!
	sleep 1.5
	flock -u "$fd"
	exec {fd}>&-
	wait "$script"
	is "nothing without a terminal" "$(cat waiting)" \
		"nothing to give back: no leftovers of stopped guests"
	no_qemu
}

# U+009B begins a sequence on a terminal, U+202E turns what follows around
case_names_that_command() {
	local name=$'ev\xc2\x9b2Jil\xe2\x80\xaegp\xe2\x81\xa6' command
	busy_host
	sed -i "s/\"name\": \"build\"/\"name\": \"$name\"/" \
		"host/run/libvirt-membacking/guests/${uuid[build]}"
	is "JSON has the name itself" \
		"$(as_json --root host status --json | jq -r --arg name "$name" \
			'[.guests[] | select(.name == $name)] | length')" 1
	mkdir -p host/etc/libvirt/qemu
	sed "s,<name>.*</name>,<name>$name</name>," "$tests/guests/hugepages-2m.xml" \
		>"host/etc/libvirt/qemu/$name.xml"
	for command in status "status --json" check "check --json" metrics reconcile \
		"release ${uuid[build]}" "plan --xml host/etc/libvirt/qemu/$name.xml" \
		"advise --xml host/etc/libvirt/qemu/$name.xml" holders; do
		# shellcheck disable=SC2086
		is "${command%%/*} shows nothing that a terminal obeys" "$("$program" --root host $command 2>&1 |
			LC_ALL=C grep -acE $'\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\033')" 0
	done
}

case_output_fails() {
	is "a report that can't be written" \
		"$("$program" --root "$tests/hosts/one-node" status 2>&1 >/dev/full) $?" \
		"virt-membacking: the report cannot be written: No space left on device 1"
}

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking hook.

# Two lines: our links, and what else is there
hook_files() {
	(cd host/etc/libvirt/hooks && find . -type l -printf '%p -> %l\n' | sort &&
		find . ! -type d ! -type l | sort)
}

case_hook() {
	host one-node
	golden hook-no-program --root host hook enable
	golden hook-status-no-program --root host hook status
	hook_programs
	golden hook-status-none --root host hook status
	golden hook-enable --root host hook enable
	is "both are linked" "$(hook_files)" \
		$'./daemon.d/50-membacking -> /usr/sbin/libvirt-membacking-daemon-hook\n./qemu.d/50-membacking -> /usr/sbin/libvirt-membacking-qemu-hook'
	golden hook-enable-again --root host hook enable
	golden hook-status --root host hook status
	golden hook-status-json --root host hook status --json
	golden hook-enable-direct --root host hook enable --direct
	is "they are linked once" "$(hook_files)" \
		$'./daemon -> /usr/sbin/libvirt-membacking-daemon-hook\n./qemu -> /usr/sbin/libvirt-membacking-qemu-hook'
	golden hook-status-direct --root host hook status
	golden hook-disable --root host hook disable
	is "none is left" "$(hook_files)" ""
	golden hook-disable-again --root host hook disable
	golden hook-reload-root --root host hook enable --reload
	chmod 644 host/usr/sbin/libvirt-membacking-qemu-hook
	golden hook-status-not-executable --root host hook status
}

case_hook_of_somebody_else() {
	host one-node
	hook_programs
	mkdir host/etc/libvirt/hooks/qemu.d
	echo mine >host/etc/libvirt/hooks/qemu
	ln -s /usr/bin/true host/etc/libvirt/hooks/qemu.d/50-membacking
	golden hook-foreign --root host hook enable
	golden hook-foreign-status --root host hook status
	golden hook-foreign-direct --root host hook enable --direct
	golden hook-foreign-disable --root host hook disable
	is "all is as it was" "$(hook_files; cat host/etc/libvirt/hooks/qemu)" \
		$'./qemu.d/50-membacking -> /usr/bin/true\n./qemu\nmine'
}

# seen: what is said of the libvirt that runs
seen() {
	as_json --root host hook status --json | jq -r '"\(.libvirt.seen) \(.libvirt.why)"'
}

case_hook_seen() {
	local pid
	no_qemu
	host one-node
	hook_programs
	"$program" --root host hook enable >/dev/null
	qemu driver
	pid=${holders[-1]}
	libvirt_started 3600
	is "linked after its start" "$(seen | cut -c 1-21)" "null the links are ne"
	is "that is a finding" "$("$program" --root host hook status >/dev/null; echo $?)" 1
	is "enable says so too" "$("$program" --root host hook enable | grep -c -- --reload)" 1
	libvirt_started -60
	is "linked before its start" "$(seen)" "true it was started after they were linked"
	is "that is fine" "$("$program" --root host hook status >/dev/null; echo $?)" 0
	libvirt_started 3600
	mkdir -p host/run/libvirt-membacking/guests
	echo "$pid $(awk '{ print $22 }' "host/proc/$pid/stat")" >host/run/libvirt-membacking/called
	is "it has looked since" "$(seen)" "true it has looked for hooks since they were linked"
	touch -d '1 hour ago' host/run/libvirt-membacking/called
	is "not since" "$(seen | cut -d ' ' -f 1)" null
	ledger web running
	sed -i "s/\"pid\": 4242, \"start\": 99/\"pid\": $pid, \"start\": $(awk '{ print $22 }' "host/proc/$pid/stat")/" \
		"host/run/libvirt-membacking/guests/${uuid[web]}"
	is "it has called" "$(seen)" "true it has called them"
	"$program" --root host hook disable >/dev/null
	is "not linked" "$(seen | cut -d ' ' -f 1)" false
	no_qemu
	is "it does not run" "$(seen | cut -d ' ' -f 1)" null
}

case_hook_usage() {
	golden hook-what hook
	golden hook-near hook enabel
	golden hook-far hook banana
	golden hook-option hook status --direct
	golden hook-option-json hook enable --json
}

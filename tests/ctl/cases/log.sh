# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking log.

# entry SECONDS BOOT PRIORITY LINE [FIELD=VALUE...]: as the journal exports it
entry() {
	printf '__REALTIME_TIMESTAMP=%s000000\n__MONOTONIC_TIMESTAMP=%s000000\n_BOOT_ID=%s\n' \
		"$1" "$(($1 - 1795921000))" "$2"
	printf 'SYSLOG_IDENTIFIER=%s\nPRIORITY=%s\nMESSAGE=%s\n' "${ident-libvirt-membacking}" "$3" "$4"
	shift 4
	[ $# -eq 0 ] || printf '%s\n' "$@"
	echo
}

event_id() {
	sed -n "s/.*\"$1\", \"\([0-9a-f]\{32\}\)\".*/\1/p" "$tests/../helpers/base/log.c"
}

# journal <ENTRIES: the captured host's
journal() {
	local remote
	for remote in /lib/systemd /usr/lib/systemd; do
		[ ! -x $remote/systemd-journal-remote ] || break
	done
	mkdir -p host/var/log/journal
	$remote/systemd-journal-remote -o host/var/log/journal/system.journal - >journal.log 2>&1
}

some_entries() {
	local boot before=0123456789abcdef0123456789abcdef
	boot=$(tr -d - <host/proc/sys/kernel/random/boot_id)
	entry 1795921000 $before 6 "guest web: release: released in 1 ms" MEMBACKING_GUEST=web OPERATION=release
	entry 1795921920 "$boot" 6 "guest web: prepare: has 44 pages of 2 MiB on node 0: 4 were idle, 40 added" \
		MEMBACKING_GUEST=web "MEMBACKING_UUID=${uuid[web]}" OPERATION=prepare "MESSAGE_ID=$(event_id pages-added)"
	entry 1795921921 "$boot" 3 "error: guest old: prepare: not enough memory for huge pages: guest 'old' needs 64 GiB" \
		MEMBACKING_GUEST=old "MEMBACKING_UUID=${uuid[old]}" OPERATION=prepare "MESSAGE_ID=$(event_id refused)"
	ident=sshd entry 1795921922 "$boot" 6 "guest web: a line of another program"
	# Without fields, as syslog's socket takes it
	entry 1795921923 "$boot" 4 "warning: guest web: started: it has 3 pages of another node"
	entry 1795921924 "$boot" 6 "start: mounted store 'ram' on /srv/guests" OPERATION=start
	ident=virt-membacking-pagerd entry 1795921925 "$boot" 6 "guest web: adopt: is paged now, with 1 GiB resident" \
		MEMBACKING_GUEST=web OPERATION=adopt "MESSAGE_ID=$(event_id paged)"
}

case_log_journal() {
	export TZ=UTC
	busy_host
	some_entries | journal
	golden log --root host log
	golden log-json --root host log --json
	golden log-guest --root host log web
	golden log-uuid --root host log "${uuid[old]}"
	golden log-nobody --root host log nobody
	golden log-since --root host log --since 2026-11-29
	golden log-since-minute --root host log --since "2026-11-29 03:12"
	is "a boot before this one" "$(as_json --root host log --since 2026-11-01 --json | jq '.entries | length')" 6
	is "long ago" "$("$program" --root host log --since 99999d | wc -l)" "$("$program" --root host log --since 2026-11-01 | wc -l)"
	golden log-bad-time --root host log --since yesterday
	golden log-two-guests --root host log web old
	unset TZ
	no_qemu
}

case_log_kept() {
	export TZ=UTC
	busy_host
	jq -n --arg uuid "${uuid[old]}" '[{$uuid, name: "old", time: 1795921920,
		text: "not enough memory for huge pages: guest '"'old'"' needs 64 GiB"}]' \
		>host/run/libvirt-membacking/refusals
	touch -d "2026-11-29 03:13" host/run/libvirt-membacking/guests/*
	touch -d "2026-11-29 03:11" "host/run/libvirt-membacking/guests/${uuid[web]}"
	golden log-kept --root host log
	golden log-kept-json --root host log web --json
	golden log-kept-since --root host log --since "2026-11-29 03:12" --json
	unset TZ
	no_qemu
	host one-node
	golden log-no-state --root host log
}

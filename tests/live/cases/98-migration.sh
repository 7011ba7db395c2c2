# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A paged guest is read as a whole: by a snapshot, a dump, and a migration to another host.  What is
# resident stays at its limit meanwhile.

# shellcheck source=tests/live/cases/96-overcommit.sh
. "$here/cases/96-overcommit.sh"
# shellcheck source=tests/lib/second-host
. "$lib/second-host"

# What may be there beyond the limit: for the thread that reads, and on its way in and out
passing_kib=8192

memory_file=

# memory_kib: of the guest's memory file, what is in memory
memory_kib() {
	local blocks
	blocks=$(in_ns stat -L -c %b "$memory_file" 2>/dev/null)
	echo $((${blocks:-0} / 2))
}

# memory_is_known: its file, as QEMU has it open
memory_is_known() {
	local pid fd
	pid=$(guest_pid paged 2>/dev/null)
	memory_file=
	for fd in $(in_ns ls "/proc/$pid/fd" 2>/dev/null); do
		if [[ $(in_ns readlink "/proc/$pid/fd/$fd" 2>/dev/null) == /memfd:* ]]; then
			memory_file=/proc/$pid/fd/$fd
			return 0
		fi
	done
	return 1
}

# most_while TITLE COMMAND...: it succeeds; the most that was in memory meanwhile, in "most"
most_while() {
	local title=$1 now command
	shift
	most=0
	"$@" >"$reports.most" 2>&1 &
	command=$!
	while kill -0 "$command" 2>/dev/null; do
		now=$(memory_kib)
		[ "$now" -le "$most" ] || most=$now
		sleep 0.05
	done
	if wait "$command"; then ok "$title"; else not_ok "$title" "$(cat "$reports.most")"; fi
	rm -f "$reports.most"
}

stays_at_its_limit() {
	check_true_live "$1: what is resident stays at its limit, $most KiB" \
		"$most" -le $((paged_limit_kib + passing_kib))
}

memory_below_limit() {
	[ "$(memory_kib)" -le $((paged_limit_kib + passing_kib)) ]
}

# is_paged TITLE
is_paged() {
	check "$1: the pager keeps its limit" wait_for "the limit" resident_below $paged_limit_kib
	memory_is_known || not_ok "$1" "its memory is not known"
	check "$1: the rest is out" wait_for "the rest" memory_below_limit
}

case_a_paged_guest_is_read_as_a_whole() {
	paged_guest_is_up
	is_paged paged

	most_while "a snapshot is taken" virsh snapshot-create-as paged s --live --no-metadata \
		--memspec file=/var/lib/libvirt/images/snapshot
	stays_at_its_limit "a snapshot"
	comes_on "a snapshot"
	most_while "it is dumped" virsh dump paged /var/lib/libvirt/images/dump --live --memory-only
	stays_at_its_limit "a dump"
	comes_on "a dump"
	in_ns rm -f /var/lib/libvirt/images/snapshot /var/lib/libvirt/images/dump

	most_while "it is saved" virsh save paged /var/lib/libvirt/images/saved
	stays_at_its_limit "saved"
	check "it is restored" virsh restore /var/lib/libvirt/images/saved
	is_paged restored
	comes_on restored
	virsh destroy paged
	check "no record is left" wait_for "no record" no_ledgers
	pagerd_kill TERM
	membacking overcommit disable paged >/dev/null
}

# migrates_once: fails without a word where QEMU's emulator (7.2) may have lost a write of the guest's
# while it was read: on a busy machine it does so in one of three migrations of guests that are not paged,
# which have wrong bytes afterwards, or halt for good.  "spoilt" says what is seen
migrates_once() {
	local before image etc
	# Two emulated guests beside whatever else a busy machine does
	# shellcheck disable=SC2034 # of wait_for
	local wait_seconds=120
	paged_guest_is_up
	is_paged "before"
	image=$(ns_path /var/lib/libvirt/images/verifier.img) etc=$(ns_path /etc/libvirt)
	if second_host_opens; then ok "there is a second host"; else not_ok "a second host" "none"; fi
	cp -p "$image" "$(ns_path /var/lib/libvirt/images/)"
	# What is said of the guest there is said here, too
	cp -r "$etc/membacking.conf.d" "$(ns_path /etc/libvirt/)"
	pagerd_start
	host 1

	before=$(figure checks)
	most_while "it migrates" virsh migrate --live --persistent --timeout 60 --timeout-suspend paged \
		"qemu+tcp://$second_host_address/system" "tcp://$second_host_address"
	stays_at_its_limit "while it is read"
	virsh domjobinfo paged --completed | sed -n 's/^\(Time elapsed\|Total downtime\|Data processed\)/# &/p'
	check "the first host's pager forgets it" wait_for "no guest" forgotten
	check "the first host has no record" wait_for "no record" no_ledgers
	pagerd_kill TERM

	host 2
	is_paged "behind the migration"
	check_true_live "its pages are out on the second host" "$(paged evictions)" -gt 1000
	spoilt=
	if wait_for "more checks" figure_grows "$before" >/dev/null 2>&1 && before=$(figure checks) &&
		wait_for "more checks" figure_grows "$before" >/dev/null 2>&1; then
		[ "$(figure wrong)" = 0 ] || spoilt="$(figure wrong) bytes are wrong"
	elif [ "$(paged waiting)" = 0 ] && [ "$(paged why)" = null ]; then
		spoilt="the guest stands, and waits for no page"
	else
		not_ok "the guest comes on there" "it waits for pages: $(paged waiting), $(paged why)"
	fi
	virsh destroy paged
	check "no record is left there" wait_for "no record" no_ledgers
	pagerd_kill TERM
	second_host_closes
	membacking overcommit disable paged >/dev/null
	[ -z "$spoilt" ]
}

case_a_paged_guest_migrates() {
	local spoilt tries
	for tries in 1 2 3; do
		if migrates_once; then
			ok "the guest comes on there, and no byte is wrong"
			return
		fi
		echo "# try $tries: $spoilt"
	done
	not_ok "the guest comes on there, and no byte is wrong" "not in three tries: $spoilt"
}

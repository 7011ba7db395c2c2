# shellcheck shell=bash
# shellcheck disable=SC2154 # work is tests/packages/run's
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The .deb on a Debian that systemd has started: libvirt is its service, what the units do is
# done with all that they shut out, and it is started anew.

# unit NAME PROPERTY
unit() {
	in_ns systemctl show --value --property "$2" "$1"
}

# What it was to do is looked at besides.  Some of the filters answer with ENOSYS
ran_well() {
	check_equal "the $1 service succeeds" \
		"$(unit "libvirt-membacking-$1" Result) $(unit "libvirt-membacking-$1" ExecMainStatus)" \
		"success 0"
	check_equal "and was denied nothing" "$(in_ns journalctl --quiet --no-pager --boot \
		--unit "libvirt-membacking-$1" --grep 'denied|not permitted|read-only|ENOSYS|[Ff]unction not')" ""
}

installed_first() {
	local daemon early output
	output=$(guest early 64) || not_ok "a guest starts before" "$output"
	early=$(guest_pid early)
	daemon=$(unit libvirtd MainPID)
	output=$(apt install --no-install-recommends /run/test/first.deb)
	check_equal "apt installs it" "$(package db:Status-Status)" installed
	check "libvirt was reloaded" wait_for in_ns test -e /run/libvirt-membacking/called
	check_equal "and not restarted" "$(unit libvirtd MainPID)" "$daemon"
	same_guest early "$early"
	check_match "a guest that ran already has a ledger" "$(ledger early)" '"phase": "running"'
	check_equal "the timer runs" "$(unit libvirt-membacking-reconcile.timer ActiveState)" active
	check_equal "what is for the boot is left to that" "$(unit libvirt-membacking-static \
		UnitFileState) $(unit libvirt-membacking-static ActiveState)" "enabled inactive"
	output=$(huge_guest huge) || not_ok "a guest starts through the installed hook" "$output"
	check_equal "its pages are there" "$(pool 2048 total)" 32
}

has_gigantic() {
	[ -e /sys/kernel/mm/hugepages/hugepages-1048576kB ]
}

applied() {
	local output
	output=$(in_ns virt-membacking conf apply "$1" --now 2>&1) ||
		not_ok "the profile $1 is applied, and what it needs is run" "$output"
}

# Where the kernel has no pages of 1 GiB
gigantic_refused() {
	local output status=0
	output=$(in_ns virt-membacking conf apply hugepages-1g --now 2>&1) || status=$?
	check_equal "pages of 1 GiB are refused, with the reason" "$status: $output" \
		"1: virt-membacking: this host has no pages of 1 GiB: the processor (pdpe1gb in \
/proc/cpuinfo), the hypervisor above or the kernel lacks them"
	check_equal "and nothing is configured for them" \
		"$(in_ns find /etc -xdev \( -name '*hugepages-1g*' -o -name '*hugepages1G*' \) -print)" ""
}

configured() {
	local output daemon
	daemon=$(unit libvirtd MainPID)
	applied file-backed
	if has_gigantic; then
		applied hugepages-1g
	else
		gigantic_refused
	fi
	check "systemd has restarted libvirt" test "$(unit libvirtd MainPID)" != "$daemon"
	check_equal "which needs no other restart" "$(in_ns virt-membacking conf apply file-backed --json |
		jq -r '.commands[].text | select(contains("libvirtd"))')" ""
	check "a guest runs on" in_ns kill -0 "$(guest_pid huge)"
	echo '5 2M 0' >"$(ns_path /etc/libvirt/membacking-static.conf)"
	# The machine's memory goes through no boot
	virsh destroy huge >/dev/null
	check_equal "no pages are left" "$(pool 2048 total)" 0
	guest_xml at-boot 16 "backing=$(page_backing 2048)" >"$vm_state/share/at-boot.xml"
	output=$(virsh define /run/test/at-boot.xml 2>&1) || not_ok "a guest is defined" "$output"
	check "its pages are wanted at each boot" \
		in_ns systemctl --quiet enable libvirt-membacking-reserve@at-boot.service
}

booted() {
	local static
	ran_well static
	ran_well reserve@at-boot
	check_equal "the pages of membacking-static.conf are reserved, and what a guest lacks beside them" \
		"$(pool 2048 total)" 8
	check_equal "which are known for its own" "$(phase at-boot)" reserved
	static=$(unit libvirt-membacking-static ActiveEnterTimestampMonotonic)
	check "before libvirt started" test "$static" -lt "$(unit libvirtd ExecMainStartTimestampMonotonic)"
	check "and before the other services" \
		test "$static" -le "$(unit sysinit.target ActiveEnterTimestampMonotonic)"
	check "tmpfiles.d has made the ledgers' directory" in_ns test -d /run/libvirt-membacking/guests
	if has_gigantic; then
		check_match "the profile's mount unit has mounted 1 GiB pages" \
			"$(in_ns findmnt --noheadings --output OPTIONS /dev/hugepages1G)" 'pagesize=1024M'
	else
		skip "this machine has no 1 GiB pages: their profile is refused, and no mount unit tried"
	fi
}

reserved_at_boot() {
	local output
	check "a guest's pages were reserved before libvirt started" test \
		"$(unit libvirt-membacking-reserve@at-boot ActiveEnterTimestampMonotonic)" \
		-lt "$(unit libvirtd ExecMainStartTimestampMonotonic)"
	output=$(virsh start at-boot 2>&1) || not_ok "the guest starts" "$output"
	check_equal "and has taken them over" "$(phase at-boot) $(pool 2048 total)" "running 8"
	virsh destroy at-boot >/dev/null
	check_equal "with its end they are the host's" "$(pool 2048 total)" 5
}

# Nothing is red on a host where all is well
metrics_written() {
	local file=/var/lib/prometheus/node-exporter/membacking.prom
	in_ns mkdir -p "${file%/*}"
	check "the timer of the metrics can be enabled" \
		in_ns systemctl --quiet enable --now libvirt-membacking-metrics.timer
	check_equal "check finds no failure" "$(in_ns virt-membacking check --json |
		jq -r '.findings[] | select(.level == "fail").message')" ""
	in_ns systemctl start libvirt-membacking-metrics.service
	ran_well metrics
	check_equal "and nothing in its file is red" "$(in_ns cat "$file" | sed 's/^libvirt_membacking_//' |
		grep -E '^(hook_enabled|check_findings.*"fail"|records_(left|damaged)|store_problem.* 1)')" \
		'hook_enabled 1
records_left 0
records_damaged 0
check_findings{level="fail"} 0'
}

# What its profile made of qemu.conf
store() {
	in_ns sed -n 's/^memory_backing_dir *= *"\(.*\)"/\1/p' /etc/libvirt/qemu.conf
}

mounted() {
	in_ns findmnt --noheadings --output FSTYPE "$(store)"
}

# Neither libvirt nor its guests have a chance to say that they are gone
crash() {
	local guest
	in_ns systemctl stop libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket
	for guest; do
		in_ns kill -KILL "$(guest_pid "$guest")"
	done
}

reconciled() {
	local output
	output=$(guest filed 64 "backing=<source type='file'/><access mode='shared'/>") ||
		not_ok "a guest in a store starts" "$output"
	output=$(huge_guest huge) || not_ok "a guest starts" "$output"
	check_equal "a store is mounted, and there are pages" "$(mounted) $(pool 2048 total)" "tmpfs 32"
	crash filed huge
	check_equal "they are there after a crash" "$(mounted) $(pool 2048 total)" "tmpfs 32"
	in_ns systemctl start libvirt-membacking-reconcile.service
	ran_well reconcile
	check_equal "and the service gives both back" "$(mounted) $(pool 2048 total)" " 5"
	check_equal "with the ledgers" "$(ledger filed)$(ledger huge)" ""
	in_ns systemctl start libvirt-membacking-reconcile.service
	check_equal "then it has no reason to start" \
		"$(unit libvirt-membacking-reconcile ConditionResult)" no
}

pager() {
	unit virt-membacking-pagerd.service "$1"
}

pager_runs() {
	in_ns systemctl --quiet is-active virt-membacking-pagerd.service
}

# is_another PID: one that is ready
is_another() {
	pager_runs && [ "$(pager MainPID)" != "$1" ]
}

is_installed_pager() {
	pager_runs &&
		[ "$(in_ns readlink "/proc/$(pager MainPID)/exe")" = /usr/sbin/virt-membacking-pagerd ]
}

# What the pager does with this guest: as virt-membacking, or another file of it, says
paging_state() {
	in_ns env "LD_LIBRARY_PATH=$left_programs" "${2:-virt-membacking}" \
		overcommit status --json 2>/dev/null |
		jq -r ".guests[] | select(.name == \"$1\") | .overcommit.state" 2>/dev/null
}

is_paging() {
	[ "$(paging_state "$@")" = paging ]
}

no_tmpfs() {
	! in_ns mountpoint -q /run/libvirt-membacking/pager
}

# The units' sandbox leaves the pager what it needs, and guests outlive each pager
paged() {
	local output former
	check_equal "the pager's socket is there, and no pager" \
		"$(unit virt-membacking-pagerd.socket ActiveState) $(pager ActiveState)" "active inactive"
	if [ ! -c "$(ns_path /dev/userfaultfd)" ]; then
		skip "there is no /dev/userfaultfd here: no guest is paged"
		return
	fi
	printf '[overcommit]\nenable = yes\n' >"$(ns_path /etc/libvirt/membacking.conf.d/pager.conf)"
	output=$(guest paged 64 "backing=<source type='memfd'/><access mode='shared'/>") ||
		not_ok "a guest starts" "$output"
	output=$(in_ns virt-membacking overcommit adopt paged --resident 32M 2>&1) ||
		not_ok "it is adopted" "$output"
	check "which starts the pager" wait_for pager_runs
	check "and has the guest paged" wait_for is_paging paged
	check_match "stopping the pager by hand is refused" \
		"$(in_ns systemctl stop virt-membacking-pagerd.service 2>&1)" "refused"
	former=$(pager MainPID)
	in_ns systemctl kill --kill-who=main virt-membacking-pagerd.service
	check "told to end there is another one at once" wait_for is_another "$former"
	check "which goes on with the guest" wait_for is_paging paged
	former=$(pager MainPID)
	output=$(apt install --reinstall --no-install-recommends /run/test/first.deb)
	check "so does that of another version of the package" wait_for is_another "$former"
	check "with the guest" wait_for is_paging paged
	former=$(pager MainPID)
	output=$(apt remove libvirt-membacking)
	check_match "removed, the hooks stay" "$output" "hooks stay.*: paged"
	check "and the pager of what stays" wait_for is_another "$former"
	check_match "which is a copy" "$(in_ns readlink "/proc/$(pager MainPID)/exe")" "^$left_programs/"
	check "and goes on with the guest" wait_for is_paging paged "$left_programs/virt-membacking"
	output=$(apt install --no-install-recommends /run/test/first.deb)
	check "installed again, there is another one" wait_for is_installed_pager
	check "with the guest" wait_for is_paging paged
	check_equal "and its socket" "$(unit virt-membacking-pagerd.socket ActiveState)" active
	# Taken back with the package
	in_ns virt-membacking conf apply file-backed >/dev/null
	output=$(in_ns virt-membacking overcommit release paged 2>&1) ||
		not_ok "it is released" "$output"
	check "nothing is left of it" no_tmpfs
	virsh destroy paged >/dev/null
	check_equal "and the pager was denied nothing" "$(in_ns journalctl --quiet --no-pager --boot \
		--unit virt-membacking-pagerd --grep 'denied|not permitted|read-only|ENOSYS|[Ff]unction not')" ""
}

# libvirt buries those that died without it when it starts, beside all else
is_gone() {
	! virsh dominfo "$1" >/dev/null 2>&1
}

removed() {
	local output
	in_ns systemctl start libvirtd.socket libvirtd.service
	check "libvirt knows that the crashed guest is gone" wait_for is_gone huge
	output=$(huge_guest huge) || not_ok "a guest starts" "$output"
	output=$(apt purge libvirt-membacking)
	check_match "the hooks stay, with the guest's name" "$output" "hooks stay.*: huge"
	check_left huge
	check_equal "apt purges it" "$(package db:Status-Status)" ""
	virsh destroy huge >/dev/null
	check_left_gone 5
	check_equal "systemd knows none of its units" \
		"$(in_ns systemctl list-units --all --plain --no-legend '*membacking*')" ""
	check_equal "and no file has its name" "$(system_find -name '*membacking*' -print)" ""
	check_equal "the administrator's pages stay" "$(pool 2048 total)" 5
	pool_set 2048 0
}

if ! fits; then
	:
elif [ ! -e "$work/deb" ]; then
	skip "there is no .deb (group \"build\")"
elif ! cgroup_possible; then
	skip "no cgroup can be made here: systemd is not started"
elif system_open systemd; then
	cp "$work"/deb/libvirt-membacking_*.deb "$vm_state/share/first.deb"
	installed_first
	configured
	if system_reboot systemd; then
		booted
		reserved_at_boot
		metrics_written
		paged
		reconciled
		removed
	else
		not_ok "the system starts again" "see above"
	fi
else
	not_ok "a system with systemd" "see above"
fi

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The hook by itself: guests that are none of its business, bad input, a bad /run.

hook_xml() {
	guest_xml "$@" >"$vm_state/hook.xml"
}

# Everything that the hooks have ever written, with times
written() {
	in_ns find /run/libvirt-membacking -printf '%p %s %T@\n' 2>&1
}

case_a_guest_that_needs_nothing() {
	local before_start
	before_start=$(written)
	guest_up ordinary 128 "backing=<nosharepages/>" || return
	check_equal "nothing is written" "$(written)" "$before_start"
	check_equal "pools are untouched" "$(pools)" "$empty_pools"
	guest_down ordinary
	check_equal "not at its end either" "$(written)" "$before_start"
	check_empty
}

case_operations_that_need_nothing() {
	local operation
	hook_xml quiet 64 "backing=$(page_backing 2048)"
	for operation in start migrate restore attach mystery; do
		hook_call quiet "$operation" begin <"$vm_state/hook.xml"
		check_equal "$operation" "$hook_status/$hook_out/$hook_err" "0//"
	done
	for operation in stopped release; do
		hook_call quiet "$operation" end <"$vm_state/hook.xml"
		check_equal "$operation without a ledger" "$hook_status/$hook_out/$hook_err" "0//"
	done
	check_empty
}

case_a_session_libvirt_calls() {
	hook_xml session 64 "backing=$(page_backing 2048)"
	hook_out=$(in_ns setpriv --reuid 65534 --regid 65534 --clear-groups \
		/usr/sbin/libvirt-membacking-qemu-hook session prepare begin - \
		<"$vm_state/hook.xml" 2>&1)
	check_equal "another user's hook says nothing and does nothing" "$?/$hook_out" "0/"
	check_empty
}

case_prepare_and_release_by_hand() {
	hook_xml byhand 64 "backing=$(page_backing 2048)"
	hook_call byhand prepare begin <"$vm_state/hook.xml"
	check_equal "prepare" "$hook_status/$hook_out/$hook_err" "0//"
	check_equal "32 pages" "$(pools)" "2048:32/32 1048576:0/0"
	hook_call byhand prepare begin <"$vm_state/hook.xml"
	check_equal "a second call changes nothing" "$hook_status $(pools)" "0 2048:32/32 1048576:0/0"
	hook_call byhand stopped end <"$vm_state/hook.xml"
	hook_call byhand release end <"$vm_state/hook.xml"
	check_equal "release" "$hook_status/$hook_out/$hook_err" "0//"
	check_empty
	hook_call byhand release end <"$vm_state/hook.xml"
	check_equal "a second release" "$hook_status/$hook_out/$hook_err" "0//"
}

case_a_failed_start_whose_end_was_never_told() {
	hook_xml forgotten 64 "backing=$(page_backing 2048)"
	hook_call forgotten prepare begin <"$vm_state/hook.xml"
	check_equal "it has 32 pages" "$(pools)" "2048:32/32 1048576:0/0"
	membacking reconcile >/dev/null
	check_equal "it looks alive while libvirtd runs" "$(pools)" "2048:32/32 1048576:0/0"
	check_equal "release without --force is refused" \
		"$(membacking release forgotten >/dev/null 2>&1; echo $?)" 1
	check_equal "its pages are still there" "$(pools)" "2048:32/32 1048576:0/0"
	check "release --force" membacking release forgotten --force
	check_empty
}

case_the_next_prepare_of_that_guest_settles_it_too() {
	hook_xml twice 64 "backing=$(page_backing 2048)"
	hook_call twice prepare begin <"$vm_state/hook.xml"
	guest_up twice 64 "backing=$(page_backing 2048)"
	check_equal "32 pages, not 64" "$(pools)" "2048:32/0 1048576:0/0"
	guest_down twice
	check_empty
}

# The end of a start before this one, told only now
case_a_late_end_of_a_running_guest() {
	hook_xml late 64 "backing=$(page_backing 2048)"
	guest_up late 64 "backing=$(page_backing 2048)" || return
	hook_call late stopped end <"$vm_state/hook.xml"
	check_equal "stopped" "$hook_status/$hook_out/$hook_err" "0//"
	hook_call late release end <"$vm_state/hook.xml"
	check_equal "release" "$hook_status/$hook_out/$hook_err" "0//"
	membacking reconcile >/dev/null
	check_match "it has its ledger" "$(membacking status)" 'late +running'
	check_equal "and its pages" "$(pools)" "2048:32/0 1048576:0/0"
	guest_down late
	check_empty
}

# Its PID file would be that of libvirt's driver
case_a_guest_called_driver() {
	hook_xml driver 64 "backing=$(page_backing 2048)"
	hook_call driver prepare begin <"$vm_state/hook.xml"
	check_equal "32 pages" "$(pools)" "2048:32/32 1048576:0/0"
	hook_call driver stopped end <"$vm_state/hook.xml"
	membacking reconcile >/dev/null
	check_equal "it does not live as long as libvirt does" "$(pools)" "2048:0/0 1048576:0/0"
	check_empty
}

case_that_guest_was_killed_with_its_libvirtd() {
	hook_xml orphan 64 "backing=$(page_backing 2048)"
	hook_call orphan prepare begin <"$vm_state/hook.xml"
	vm_kill_daemon
	check "libvirtd comes back" vm_start_daemon
	check_empty "its start settles the orphan"
}

case_a_running_guest_is_not_released_by_force_of_habit() {
	guest_up busy 64 "backing=$(page_backing 2048)"
	check_equal "release is refused" "$(membacking release busy >/dev/null 2>&1; echo $?)" 1
	check_equal "nothing changes" "$(pools)" "2048:32/0 1048576:0/0"
	guest_down busy
	check_empty
}

case_the_hook_linked_in_two_places() {
	vm_stop_daemon
	in_ns ln -s /usr/sbin/libvirt-membacking-qemu-hook /etc/libvirt/hooks/qemu
	vm_start_daemon
	guest_up linked 64 "backing=$(page_backing 2048)"
	check_equal "32 pages all the same" "$(pools)" "2048:32/0 1048576:0/0"
	check_equal "it runs" "$(ledger_phase linked)" running
	guest_down linked
	check_empty
	in_ns rm /etc/libvirt/hooks/qemu
}

case_a_users_own_hook_beside_ours() {
	in_ns sh -c 'printf "#!/bin/sh\ncat >/dev/null\nexit 0\n" >/etc/libvirt/hooks/qemu && chmod 755 /etc/libvirt/hooks/qemu'
	in_ns kill -HUP "$(vm_daemon_pid)"
	guest_up beside 64 "backing=$(page_backing 2048)"
	check_equal "32 pages" "$(pools)" "2048:32/0 1048576:0/0"
	guest_down beside
	check_empty
	in_ns rm /etc/libvirt/hooks/qemu
}

# --- Bad input ---

refuse_xml() {
	hook_call "${3:-bad}" prepare begin <"$vm_state/hook.xml"
	check_refused "$1" "$2"
}

case_hostile_xml() {
	local backing
	backing=$(page_backing 2048)
	: >"$vm_state/hook.xml"
	refuse_xml "nothing at all" .
	echo 'not XML' >"$vm_state/hook.xml"
	refuse_xml "no XML" .
	hook_xml bad 64 "backing=$backing" \
		'head=<!DOCTYPE domain [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
	refuse_xml "a document type" .
	hook_xml bad 64 "backing=$backing" \
		'head=<!DOCTYPE domain [<!ENTITY x SYSTEM "file:///etc/shadow">]>'
	refuse_xml "an external entity" .
	check_no_match "nothing of that file is shown" "$hook_err" 'root:'
	hook_xml bad 64 "backing=$backing"
	sed -i '/<memory /d' "$vm_state/hook.xml"
	refuse_xml "no memory" memory
	hook_xml bad -64 "backing=$backing"
	refuse_xml "negative memory" memory
	hook_xml bad 99999999999999999999999 "backing=$backing"
	refuse_xml "absurd memory" memory
	hook_xml bad 18446744073709551615 unit=KiB "backing=$backing"
	refuse_xml "memory at the end of 64 bits" .
	hook_xml bad 64 unit=cubits "backing=$backing"
	refuse_xml "an unknown unit" cubits
	hook_xml bad 64 "backing=$(page_backing 0)"
	refuse_xml "a page of no size" page
	hook_xml bad 64 "backing=$backing"
	sed -i 's/<uuid>.*</<uuid>..\/..\/..\/etc\/passwd</' "$vm_state/hook.xml"
	refuse_xml "a UUID that is a path" '[Uu][Uu][Ii][Dd]'
	hook_xml bad 64 "backing=$backing" "numatune=<memory mode='strict' nodeset='0-99999999'/>"
	refuse_xml "a node set without end" .
	check_empty
}

case_endless_xml() {
	hook_out=$({
		echo '<domain><!--'
		head -c 33554432 /dev/zero | tr '\0' 'x'
		echo '--></domain>'
	} | qemu_hook bad prepare begin - 2>"$vm_state/hook.err")
	check_equal "32 MiB are refused" "$?/$hook_out" "1/"
	check_equal "in one line" "$(grep -c . "$vm_state/hook.err")" 1
	check_empty
}

case_bad_xml_never_hurts_a_running_guest() {
	local operation
	guest_up safe 64 "backing=$(page_backing 2048)"
	echo '<domain' >"$vm_state/hook.xml"
	for operation in started reconnect; do
		hook_call safe "$operation" begin <"$vm_state/hook.xml"
		check_equal "$operation exits with 0" "$hook_status/$hook_out" "0/"
	done
	check_equal "its pages stay" "$(pools)" "2048:32/0 1048576:0/0"
	guest_down safe
	check_empty
}

case_too_few_arguments() {
	hook_out=$(qemu_hook 2>/dev/null </dev/null)
	check_equal "nothing on stdout" "$hook_out" ""
	hook_out=$(qemu_hook name 2>/dev/null </dev/null)
	check_equal "nor with one" "$hook_out" ""
	check_empty
}

# --- A /run that cannot be written ---

with_run_mounted() {
	in_ns rm -rf /run/libvirt-membacking
	in_ns mkdir /run/libvirt-membacking
	in_ns mount -t tmpfs -o "$1" membacking-test /run/libvirt-membacking
}

case_run_is_read_only() {
	with_run_mounted ro,mode=755
	guest_define readonly 64 "backing=$(page_backing 2048)"
	guest_start readonly && not_ok "it does not start" "it did"
	check_match "the error names the place" "$start_error" "/run/libvirt-membacking"
	check_match "and the reason" "$start_error" "[Rr]ead-only"
	check_equal "pools are untouched" "$(pools)" "$empty_pools"
	guest_up beside-readonly 64
	guest_down beside-readonly
	in_ns umount /run/libvirt-membacking
	check_empty
}

case_run_is_full() {
	with_run_mounted size=16k,mode=755
	in_ns sh -c 'cat /dev/zero >/run/libvirt-membacking/full 2>/dev/null'
	guest_define full 64 "backing=$(page_backing 2048)"
	guest_start full && not_ok "it does not start" "it did"
	check_match "the error names the place and the reason" "$start_error" \
		"/run/libvirt-membacking.*([Nn]o space|full)"
	check_equal "pools are untouched" "$(pools)" "$empty_pools"
	in_ns umount /run/libvirt-membacking
	check_empty
}

# Full in the middle: the ledger can be made, but not everything after it
case_run_is_almost_full() {
	local inodes
	for inodes in 2 3 4 5; do
		with_run_mounted "nr_inodes=$inodes,mode=755"
		hook_xml almost 64 "backing=$(page_backing 2048)"
		hook_call almost prepare begin <"$vm_state/hook.xml"
		if [ "$hook_status" = 0 ]; then
			hook_call almost release end <"$vm_state/hook.xml"
			check_equal "$inodes inodes are enough, and release works" "$hook_status" 0
		else
			check_equal "$inodes inodes: one line" "$(grep -c . <<<"$hook_err")" 1
		fi
		check_equal "$inodes inodes: pools are untouched" "$(pools)" "$empty_pools"
		in_ns umount /run/libvirt-membacking
	done
	check_empty
}

case_a_damaged_ledger() {
	local ledger
	ledger=/run/libvirt-membacking/guests/$(guest_uuid damaged)
	in_ns mkdir -p /run/libvirt-membacking/guests
	in_ns sh -c "echo '{ not JSON' >$ledger"
	guest_up unharmed 64 "backing=$(page_backing 2048)"
	guest_down unharmed
	in_ns rm -f "$ledger"
	check_empty
}

case_what_others_put_among_the_ledgers() {
	in_ns mkdir -p /run/libvirt-membacking/guests
	in_ns ln -s /etc/passwd "/run/libvirt-membacking/guests/$(guest_uuid link)"
	in_ns touch /run/libvirt-membacking/guests/README
	guest_up link 64 "backing=$(page_backing 2048)"
	guest_down link
	check_match "nothing was written through the link" "$(in_ns head -n 1 /etc/passwd)" ^root
	in_ns rm -f /run/libvirt-membacking/guests/README "/run/libvirt-membacking/guests/$(guest_uuid link)"
	check_empty
}

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A configuration with mistakes in it.

conf=/etc/libvirt/membacking.conf

case_a_bad_value_stops_the_guests_that_need_it() {
	config_write $'[hugepages]\nuse_idle = perhaps'
	guest_define needs 64 "backing=$(page_backing 2048)"
	guest_start needs && not_ok "it does not start" "it did"
	check_match "the error names file and line" "$start_error" "membacking.conf:2"
	check_match "and the value" "$start_error" "perhaps|use_idle"
	check_empty "nothing is changed"
	guest_up needs-not 64
	guest_down needs-not
}

case_a_bad_value_does_not_keep_pages() {
	guest_up gone 64 "backing=$(page_backing 2048)"
	config_write $'[hugepages]\nuse_idle = perhaps\n[hook]\ndeadline = tomorrow'
	guest_down gone
	check_empty "release gives everything back"
}

case_an_unknown_key_is_only_a_warning() {
	config_write $'[hugepages]\nuse_idel = no'
	guest_up typo 64 "backing=$(page_backing 2048)"
	check_match "the log warns" "$(vm_syslog_text)" "use_idel"
	guest_down typo
	check_empty
}

case_a_file_that_the_group_may_write() {
	config_write $'[hugepages]\nuse_idle = yes'
	in_ns chmod 664 $conf
	guest_define group 64 "backing=$(page_backing 2048)"
	guest_start group && not_ok "it does not start" "it did"
	check_match "the error names the file" "$start_error" "membacking.conf"
	check_empty "nothing is changed"
}

case_a_file_of_another_user() {
	config_write $'[hugepages]\nuse_idle = yes'
	in_ns chown 65534 $conf
	guest_define owner 64 "backing=$(page_backing 2048)"
	guest_start owner && not_ok "it does not start" "it did"
	check_match "the error names the file" "$start_error" "membacking.conf"
	check_empty "nothing is changed"
}

case_a_drop_in_wins() {
	config_write $'[hugepages]\nuse_idle = yes'
	in_ns mkdir -p $conf.d
	in_ns sh -c "printf '[hugepages]\nuse_idle = no\n' >$conf.d/50-own.conf"
	pool_set 2048 64
	guest_up dropin 64 "backing=$(page_backing 2048)"
	check_equal "it brings its own pages" "$(pool 2048 total)" 96
	guest_down dropin
	check_pool "the pool is complete" 2048 64
	in_ns rm -r $conf.d
	pool_set 2048 0
	check_empty
}

case_what_the_guest_itself_asks_for() {
	local own="<m:membacking xmlns:m='urn:libvirt-membacking:1'><m:hugepages use_idle='no'/></m:membacking>"
	pool_set 2048 64
	guest_up asks 64 "backing=$(page_backing 2048)" "metadata=$own"
	check_equal "its metadata count" "$(pool 2048 total)" 96
	guest_down asks
	check_pool "the pool is complete" 2048 64
	config_write $'[hook]\nallow_guest_metadata = no'
	guest_up asks 64 "backing=$(page_backing 2048)" "metadata=$own"
	check_equal "unless that is not allowed" "$(pool 2048 total)" 64
	guest_down asks
	check_pool "the pool is complete" 2048 64
	pool_set 2048 0
	check_empty
}

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# KSM on the machine's own kernel, with guests whose pages really merge.

ksm_dir=/sys/kernel/mm/ksm

# All that can be set, on one line
ksm_settings() {
	local file
	for file in run pages_to_scan sleep_millisecs merge_across_nodes smart_scan \
		advisor_{mode,min_pages_to_scan,max_pages_to_scan}; do
		[ ! -r "$ksm_dir/$file" ] || printf '%s=%s ' "$file" "$(cat "$ksm_dir/$file")"
	done
}

# Without it nobody touches KSM
ksm_managed() {
	config_write $'[ksm]\nmanage = yes'
}

ksm_run() {
	cat "$ksm_dir/run"
}

# What is merged by now stays merged with KSM stopped: the next case begins without
ksm_apart() {
	echo 2 >"$ksm_dir/run"
	echo 0 >"$ksm_dir/run"
}

merged_at_least() {
	[ "$(cat "$ksm_dir/pages_sharing")" -ge "$1" ]
}

ksm_is_off() {
	[ "$(ksm_run)" = 0 ] && return
	not_ok "KSM is there, and nobody else's" "$(ksm_run 2>&1)"
	return 1
}

case_equal_guests_merge() {
	local before saved
	ksm_is_off || return 0
	ksm_managed
	before=$(ksm_settings)
	guest_up twin1 256 || return
	check_equal "the first guest switches it on" "$(ksm_run)" 1
	guest_up twin2 256
	guest_boots twin1
	guest_boots twin2
	check "their pages merge" wait_for "10000 pages" merged_at_least 10000
	saved=$(membacking status --json |
		jq '[.guests[] | select(.ksm_saved_kib > 1024)] | length')
	check_equal "status says what each saves" "$saved" 2
	guest_down twin1
	check_equal "it runs on for the other one" "$(ksm_run)" 1
	guest_down twin2
	check_equal "all is as it was" "$(ksm_settings)" "$before"
	ksm_apart
	config_write
	check_empty
}

case_ksm_is_taken_apart_at_the_end() {
	local before
	ksm_is_off || return 0
	before=$(ksm_settings)
	config_write $'[ksm]\nmanage = yes\nprofile = aggressive\non_last_guest = unmerge'
	guest_up apart1 256 || return
	guest_up apart2 256
	guest_boots apart1
	guest_boots apart2
	check "their pages merge" wait_for "10000 pages" merged_at_least 10000
	guest_down apart1
	guest_down apart2
	check_equal "nothing is merged any more" "$(cat "$ksm_dir/pages_sharing")" 0
	check_equal "all is as it was" "$(ksm_settings)" "$before"
	config_write
	check_empty
}

case_ksm_that_runs_already_stays_as_it_is() {
	local before
	ksm_is_off || return 0
	ksm_managed
	echo 1 >"$ksm_dir/run"
	before=$(ksm_settings)
	guest_up beside 128 || return
	check_equal "nothing is changed" "$(ksm_settings)" "$before"
	guest_down beside
	check_equal "nor at its end" "$(ksm_settings)" "$before"
	ksm_apart
	config_write
	check_empty
}

case_what_somebody_sets_meanwhile_stays() {
	ksm_is_off || return 0
	config_write $'[ksm]\nmanage = yes\nprofile = gentle'
	guest_up changed 128 || return
	echo 33 >"$ksm_dir/sleep_millisecs"
	guest_down changed
	check_equal "theirs stays" "$(cat "$ksm_dir/sleep_millisecs")" 33
	check_equal "the rest is as it was" "$(ksm_run)" 0
	echo 20 >"$ksm_dir/sleep_millisecs"
	config_write
	check_empty
}

case_ksm_after_a_crash() {
	local before
	ksm_is_off || return 0
	ksm_managed
	before=$(ksm_settings)
	guest_up crashed 128 || return
	check_equal "it is on" "$(ksm_run)" 1
	crash crashed
	check "one reconcile" membacking reconcile
	check_equal "and all is as it was" "$(ksm_settings)" "$before"
	vm_start_daemon || exit 1
	config_write
	check_empty
}

case_guests_that_gain_nothing() {
	ksm_is_off || return 0
	ksm_managed
	guest_up alone 64 "backing=$(page_backing 2048)" || return
	check_equal "KSM stays off for huge pages" "$(ksm_run)" 0
	guest_down alone
	guest_up private 128 "backing=<nosharepages/>"
	check_equal "and for who wants none of it" "$(ksm_run)" 0
	guest_down private
	config_write
	check_empty
}

case_ksm_is_left_alone_unless_somebody_says_so() {
	ksm_is_off || return 0
	guest_up undecided 128 || return
	check_equal "KSM stays off" "$(ksm_run)" 0
	check_match "plan says so" "$(guest_define later 64 && membacking plan later)" "left alone"
	guest_down undecided
	check_empty
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# KSM with pages that really merge, on a kernel with the advisor (6.12) and on one that has
# none (6.1).  Processes with equal pages, all madvised MERGEABLE, stand for guests.
#
# A "guest" or "other" here has 2048 pages of 4 KiB, each of which it has in common with
# everybody else.

ksm_dir=/sys/kernel/mm/ksm
ksm_pages=2048

# ksm FILE: what it says; where it lists choices, the chosen one
ksm() {
	sed 's/.*\[\(.*\)\].*/\1/' "$ksm_dir/$1"
}

# Nothing merged, and a rate that is no kernel's default: it has to come back.  Without
# smart_scan (6.7 and later), which leaves out pages that it knows for up to eight scans: two
# that it knows for different times are never looked at in the same scan, and don't merge
ksm_begin() {
	echo 2 >$ksm_dir/run
	echo 0 >$ksm_dir/run
	echo 1 >$ksm_dir/merge_across_nodes
	[ ! -e $ksm_dir/smart_scan ] || echo 0 >$ksm_dir/smart_scan
	[ ! -e $ksm_dir/advisor_mode ] || echo none >$ksm_dir/advisor_mode
	echo 150 >$ksm_dir/pages_to_scan
	: >/tmp/messages
	settings=$(ksm_settings)
	ksm_config
}

ksm_config() {
	printf '[ksm]\nmanage = yes\n' >/etc/libvirt/membacking.conf
	[ $# -eq 0 ] || printf '%s\n' "$@" >>/etc/libvirt/membacking.conf
}

# ksm_guest NAME [NODE]
ksm_guest() {
	start "$1" "4:$ksm_pages:bind:${2-0}"
}

# Two other programs, or virtual machines that libvirt knows nothing of
ksm_others() {
	stand_in other-1 other 4:$ksm_pages:bind:0
	stand_in other-2 other 4:$ksm_pages:bind:0
}

# merged PAGES: so many are saved, and not one more
merged() {
	local pages
	read -r pages <$ksm_dir/pages_sharing
	[ "$pages" = "$1" ]
}

# scanned SCANS: all there is has been looked at so often
scanned() {
	local scans
	read -r scans <$ksm_dir/full_scans
	[ "$scans" -ge "$1" ]
}

# Twice and the scan that is under way: what has not merged by then never will
ksm_looks_at_all() {
	holds "all pages are looked at" until_true scanned $(($(ksm full_scans) + 3))
}

saved() {
	virt-membacking status --json | jq -c "$1"
}

is_ksm_clean() {
	is "each setting is as it was" "$(ksm_settings)" "$settings"
	is "no record is left" "$(ls /run/libvirt-membacking/shared)" ""
}

case_ksm_merges() {
	ksm_begin
	ksm_guest mergeable || return
	ksm_guest mergeable-2 || return
	case $(uname -r) in
	6.1.*)
		holds "this kernel has no advisor" [ ! -e $ksm_dir/advisor_mode ]
		holds "and says no process' profit" not grep -qs profit "/proc/${pid_of[mergeable]}/ksm_stat"
		is "nothing is short: the slowest rate" "$(ksm pages_to_scan)" 64
		;;
	*) is "the kernel's advisor is at work" "$(ksm advisor_mode)" scan-time ;;
	esac
	holds "the guests' pages merge" until_true merged $ksm_pages
	is "status has what is saved in all, less what KSM needs for it" \
		"$(saved '.ksm | .run == 1 and .saved_kib > 7168 and .saved_kib <= 8192')" true
	is "and what of each guest" \
		"$(saved '[.guests[] | .ksm_saved_kib > 7168 and .ksm_saved_kib <= 8192]')" "[true,true]"
	stop mergeable
	is "KSM runs on for the other one" "$(ksm run)" 1
	stop mergeable-2
	is_ksm_clean
}

# Three quarters of the memory are an administrator's: less than the 2 GiB that are wanted
# at hand
case_ksm_rate_follows_the_shortage() {
	local rate
	[ ! -e $ksm_dir/advisor_mode ] || {
		echo "# on this kernel its advisor sets the rate"
		return
	}
	ksm_begin
	ksm_guest mergeable || return
	set_pool 0 2M 1800
	set_pool 1 2M 1200
	ksm_guest mergeable-2
	rate=$(ksm pages_to_scan)
	holds "the next start raises the rate: $rate" [ "$rate" -gt 64 ]
	set_pool 0 2M 0
	set_pool 1 2M 0
	stop mergeable-2
	is "the end of one lowers it" "$(ksm pages_to_scan)" 64
	stop mergeable
	is_ksm_clean
}

case_ksm_on_each_node_by_itself() {
	ksm_begin
	ksm_config 'profile = aggressive' 'merge_across_nodes = no'
	ksm_guest mergeable 0 || return
	is "nothing is merged: it is set" "$(ksm merge_across_nodes)" 0
	ksm_guest mergeable-2 1
	ksm_guest mergeable-3 0
	holds "pages merge with those of their own node" until_true merged $ksm_pages
	ksm_looks_at_all
	is "and with no others" "$(ksm pages_sharing)" $ksm_pages
	stop mergeable
	stop mergeable-2
	is "it stays for the last guest" "$(ksm merge_across_nodes)" 0
	stop mergeable-3
	is "afterwards it takes an unmerge, which fits" "$(ksm pages_shared)" 0
	is_ksm_clean
}

case_ksm_nodes_stay_while_guests_share() {
	ksm_begin
	ksm_config 'profile = aggressive'
	ksm_guest mergeable 0 || return
	ksm_guest mergeable-2 1 || return
	holds "the guests' pages merge" until_true merged $ksm_pages
	ksm_config 'profile = aggressive' 'merge_across_nodes = no'
	ksm_guest mergeable-3 0
	is "what guests share is not taken from them" "$(ksm run) $(ksm merge_across_nodes)" "1 1"
	says "and that is said" "$(cat /tmp/messages)" "merge_across_nodes stays '1'"
	stop mergeable
	stop mergeable-2
	stop mergeable-3
	is_ksm_clean
}

# KSM is stopped, but what it has merged before is still merged
case_ksm_nodes_after_an_unmerge() {
	ksm_begin
	ksm_others
	echo 4000 >$ksm_dir/pages_to_scan
	echo 1 >$ksm_dir/run
	holds "others have merged pages" until_true merged $ksm_pages
	ksm_begin_stopped
	ksm_config 'profile = aggressive' 'merge_across_nodes = no'
	ksm_guest mergeable 0 || return
	is "it is set" "$(ksm run) $(ksm merge_across_nodes)" "1 0"
	stop mergeable
	is_ksm_clean
}

ksm_begin_stopped() {
	echo 0 >$ksm_dir/run
	echo 150 >$ksm_dir/pages_to_scan
	settings=$(ksm_settings)
}

# node_is_full NODE: only 250 MiB are free, or made so.  What lies in the processors' lists
# is free too
node_is_full() {
	local excess
	excess=$(awk -v node="$1," '$1 == "Node" { mine = $2 == node }
		mine && ($1 == "nr_free_pages" || $1 == "count:") { free += $2 }
		END { print int(free / 512) - 125 }' /proc/zoneinfo)
	[ "$excess" -gt 10 ] || return 0
	set_pool "$1" 2M $(($(pool "$1" 2M nr) + excess))
	return 1
}

# On both nodes together less than the tenth that has to stay
fill_memory() {
	holds "node 0 is full" until_true node_is_full 0
	holds "node 1 is full" until_true node_is_full 1
}

free_memory() {
	set_pool 0 2M 0
	set_pool 1 2M 0
}

# unmerge_begins LINE: the configuration that asks for an unmerge at the end, for which
# there is no memory
unmerge_begins() {
	ksm_begin
	ksm_config 'profile = aggressive' "$1"
	ksm_guest mergeable || return
	ksm_others
	holds "pages of others merge too" until_true merged $((2 * ksm_pages))
	fill_memory
	stop mergeable
	is "KSM is stopped" "$(ksm run)" 0
}

unmerge_waits() {
	local told
	unmerge_begins "$1" || return
	holds "what is merged stays merged" [ "$(ksm pages_sharing)" -ge $ksm_pages ]
	says "and that is said" "$(cat /tmp/messages)" "stays merged for now"
	told=$(virt-membacking reconcile 2>/dev/null)
	is "reconcile can't do it now" $? 1
	says "nor is it silent" "$told" "stays merged for now" "tenth"
	holds "what is merged stays so" [ "$(ksm pages_sharing)" -ge $ksm_pages ]
	free_memory
	holds "with memory for it reconcile can" quietly virt-membacking reconcile
	is "nothing is merged any more" "$(ksm pages_shared) $(ksm pages_sharing)" "0 0"
	is_ksm_clean
}

case_ksm_unmerge_waits_for_memory() {
	unmerge_waits 'on_last_guest = unmerge'
}

case_ksm_nodes_wait_for_memory() {
	unmerge_waits 'merge_across_nodes = no'
}

# An administrator sets KSM while the unmerge waits
case_ksm_waiting_unmerge_is_dropped() {
	unmerge_begins 'on_last_guest = unmerge' || return
	echo 1 >$ksm_dir/run
	free_memory
	holds "reconcile" quietly virt-membacking reconcile
	is "theirs stays" "$(ksm run)" 1
	is "no record is left" "$(ls /run/libvirt-membacking/shared)" ""
	holds "and so does what is merged" [ "$(ksm pages_sharing)" -ge $ksm_pages ]
}

case_ksm_dead_guests() {
	ksm_begin
	ksm_guest mergeable || return
	ksm_guest mergeable-2 || return
	end mergeable KILL
	holds "reconcile" quietly virt-membacking reconcile
	is "KSM runs on for the living one" "$(ksm run)" 1
	end mergeable-2 KILL
	holds "reconcile" quietly virt-membacking reconcile
	is_ksm_clean
}

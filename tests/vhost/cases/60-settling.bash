# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# When nobody calls release: who is alive, and settling the others.

reconcile() {
	quietly virt-membacking reconcile
}

case_qemu_killed() {
	local before during
	before=$(state)
	start bound-0 2048:32:bind:0 || return
	start bound-1 2048:32:bind:1 || return
	during=$(state)
	holds "reconcile" reconcile
	is "running guests keep everything" "$(state)" "$during"
	end bound-0 KILL
	holds "reconcile after one was killed" reconcile
	is "only the dead guest's pages go" "$(state)" "2M 0/0/0 32/0/0 1G 0/0/0 0/0/0"
	stop bound-1
	is_clean "all is given back" "$before"
}

case_driver_gone() {
	local before during
	before=$(state)
	start bound-0 2048:32:bind:0 || return
	prepare bound-1
	during=$(state)
	holds "reconcile" reconcile
	is "a prepared guest is alive while the driver is" "$(state)" "$during"
	end driver KILL
	holds "reconcile without a driver" reconcile
	is "the prepared guest is settled, the running one is not" "$(state)" \
		"2M 32/0/0 0/0/0 1G 0/0/0 0/0/0"
	stand_in driver driver
	holds "reconnect succeeds" call_hook bound-0 reconnect begin -
	stop bound-0
	is_clean "all is given back" "$before"
}

case_next_prepare_settles() {
	local before
	before=$(state)
	start bound-0 2048:32:bind:0 || return
	end bound-0 KILL
	start bound-1 2048:32:bind:1 || return
	is "another guest's prepare settles the dead one" "$(sizes 2M)" "0 32"
	end bound-1 KILL
	start bound-1 2048:32:bind:1 || return
	is "the guest's own next prepare does" "$(sizes 2M)" "0 32"
	stop bound-1
	is_clean "all is given back" "$before"
}

# QEMU may be slow to go: release waits briefly, the rest is done later
case_release_while_in_use() {
	local before
	before=$(state)
	start bound-0 2048:32:bind:0 || return
	released bound-0
	is "pages in use stay" "$(pool 0 2M nr) $(pool 0 2M free)" "32 0"
	holds "the ledger stays" [ -e "$(ledger bound-0)" ]
	end bound-0
	holds "reconcile" reconcile
	is_clean "all is given back" "$before"
}

case_release_by_force() {
	local before
	before=$(state)
	prepare bound-0
	holds "without --force a running guest is refused" \
		not virt-membacking release bound-0 2>/tmp/refusal
	says "with the reason" "$(cat /tmp/refusal)" "bound-0" "--force"
	is "and keeps its pages" "$(sizes 2M)" "32 0"
	holds "with --force" quietly virt-membacking release bound-0 --force
	is_clean "all is given back" "$before"
}

# kill_at PAGES: kill -9 of the hook as soon as node 1 has that many
kill_at() {
	local n hook_pid pool_dir=
	find_pool 1 2M
	(cd / && exec libvirt-membacking-qemu-hook growing-1 prepare begin - <"$(xml growing-1)" 2>/dev/null) &
	hook_pid=$!
	while kill -0 $hook_pid 2>/dev/null; do
		read -r n <"$pool_dir/nr_hugepages"
		[ "$n" -lt "$1" ] || break
	done
	kill -KILL $hook_pid 2>/dev/null
	wait $hook_pid 2>/dev/null
	echo "# killed at $1: $(pool 1 2M nr) of 1300 pages"
}

case_hook_killed_while_growing() {
	local before at
	set_pool 1 2M 11
	before=$(state)
	for at in 12 300 530 1040; do
		kill_at $at
		released growing-1
		is_clean "killed at $at, then release" "$before"
		kill_at $at
		end driver
		reconcile
		is_clean "killed at $at, the driver gone, then reconcile" "$before"
		stand_in driver driver
	done
	kill_at 600
	id=100 holds "killed at 600, the next start's prepare succeeds" prepare growing-1
	is "it has what it needs and no more" "$(sizes 2M)" "0 1300"
	released growing-1
	is_clean "killed at 600, then prepare and release" "$before"
}

# edit_ledger GUEST JQ_PROGRAM
edit_ledger() {
	jq "$2" "$(ledger "$1")" >/tmp/ledger && cat /tmp/ledger >"$(ledger "$1")"
}

case_ledger_of_another_boot() {
	prepare bound-0
	edit_ledger bound-0 '.boot_id = "00000000-0000-4000-8000-000000000000"'
	set_pool 0 2M 40
	holds "reconcile" reconcile
	is "the pools are the kernel's own again" "$(state)" "2M 40/40/0 0/0/0 1G 0/0/0 0/0/0"
	is "the ledger is forgotten" "$(echo /run/libvirt-membacking/guests/*)" ""
}

case_ledger_of_a_newer_version() {
	local during sum key
	prepare bound-0
	key=$(jq -r 'keys[] | select(test("version"))' "$(ledger bound-0)")
	edit_ledger bound-0 ".[\"$key\"] += 1000"
	sum=$(md5sum "$(ledger bound-0)")
	during=$(state)
	reconcile
	is "reconcile leaves the ledger alone" "$(md5sum "$(ledger bound-0)")" "$sum"
	released bound-0
	is "so does release" "$(md5sum "$(ledger bound-0)")" "$sum"
	is "and the pools" "$(state)" "$during"
	start bound-1 2048:32:bind:1
	stop bound-1
	is "other guests start and stop" "$(state)" "$during"
}

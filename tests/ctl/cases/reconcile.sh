# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virt-membacking reconcile.

case_reconcile() {
	host one-node
	golden reconcile-no-state --root host reconcile
	golden reconcile-no-state-json --root host reconcile --json
	is "it makes what its lock needs" "$(ls host)" $'proc\nrun\nsys'
	busy_host
	golden reconcile --root host reconcile
	is "its pages are given back, others' stay" "$(nr 0) $(nr 1)" "80 48"
	is "its ledger is gone, others' stay" "$(ledgers)" "${uuid[web]} ${uuid[database]} "
	golden reconcile-again --root host reconcile
	busy_host
	golden reconcile-json --root host reconcile --json
}

case_reconcile_store() {
	store_host
	store_fs || return
	in_files web 4
	in_files old 2
	qemu web
	golden reconcile-store --root host reconcile
	is "what is left in the store" "$(ls "$store/libvirt/qemu")" 1-web
	in_files old 2
	golden reconcile-store-json --root host reconcile --json
	no_qemu
}

case_reconcile_waits() {
	host one-node
	pool 0 2048 64 0 0
	ledger web running "$(step 2048 64 "$(share 0 0 64 64 64 0)")"
	golden reconcile-waits --root host reconcile
	is "what is in use stays" "$(nr 0)" 64
	golden reconcile-waits-json --root host reconcile --json
	golden status-waits --root host status
	# A ledger that nothing can be done about is named once, not in each round
	echo '{ not JSON' >"host/run/libvirt-membacking/guests/${uuid[damaged]}"
	golden reconcile-waits-damaged --root host reconcile
}

# 30 GiB would come apart where 24 are, and then less
case_reconcile_ksm() {
	host one-node
	ksm_left
	echo 7864320 >host/sys/kernel/mm/ksm/pages_sharing
	golden reconcile-ksm --root host reconcile
	golden reconcile-ksm-json --root host reconcile --json
	is "KSM stays stopped" "$(cat host/sys/kernel/mm/ksm/run)" 0
	is "it is not forgotten" "$(ls host/run/libvirt-membacking/shared)" ksm-run
	echo 262144 >host/sys/kernel/mm/ksm/pages_sharing
	golden reconcile-ksm-fits --root host reconcile
	is "then it is" "$(ls host/run/libvirt-membacking/shared)" ""
}

case_reconcile_other_boot() {
	busy_host
	echo 00000000-0000-4000-8000-000000000000 >host/proc/sys/kernel/random/boot_id
	golden reconcile-other-boot --root host reconcile
	is "pools are left alone" "$(nr 0) $(nr 1)" "96 48"
	is "ledgers are gone" "$(ledgers)" ""
}

# lock_as_nobody FILE...: any user can lock what he can open for reading
lock_as_nobody() {
	local file
	for file; do
		setpriv --reuid=65534 --regid=65534 --clear-groups \
			flock --exclusive --nonblock --no-fork "$file" sleep 60 &
		lockers+=($!)
	done
	sleep 0.3
}

case_locked_by_others() {
	local file conf_files lockers=() begin=$SECONDS
	[ "$(id -u)" = 0 ] || return
	busy_host
	conf_files=host/var/lib/libvirt-membacking/conf
	mkdir -p "$conf_files"
	lock_as_nobody host/run/libvirt-membacking host/run/libvirt-membacking/guests \
		host/run/libvirt-membacking/guests/* "$conf_files" "${conf_files%/*}"
	"$program" --root host reconcile >/dev/null
	is "reconcile" $? 0
	"$program" --root host conf apply hugepages >/dev/null
	is "conf apply" $? 0
	"$program" --root host conf remove hugepages >/dev/null
	is "conf remove" $? 0
	is "none of them waits" "$((SECONDS - begin < 10))" 1
	for file in host/run/libvirt-membacking/*lock; do
		is "only root can open ${file##*/}" "$(stat -c '%a %u' "$file")" "600 0"
		setpriv --reuid=65534 --regid=65534 --clear-groups cat "$file" 2>/dev/null
		is "and another user can't" $? 1
	done
	kill "${lockers[@]}"
	wait "${lockers[@]}" 2>/dev/null
	no_qemu
}

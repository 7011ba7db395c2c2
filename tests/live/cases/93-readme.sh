# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# README.md, done as it is written: its files, its commands and its guests.  Only what a
# guest is not told there is ours: 64 MiB of memory, and a system that boots.

# shellcheck source=tests/live/profiles
. "$here/profiles"

# readme_block TITLE: the indented lines below "**TITLE" or "## TITLE"
readme_block() {
	awk -v title="$1" '
		/^(\*\*|#)/ { on = index($0, "**" title) == 1 || index($0, "## " title) == 1 }
		on && /^    |^$/ { print substr($0, 5) }' "$vm_top/README.md"
}

# readme_do TITLE: line by line.  A line that is no command belongs to the file named before it
readme_do() {
	local line file='' n=0
	while IFS= read -r line; do
		case $line in
		"# /etc/libvirt/membacking.conf.d/"*)
			file=$(ns_path "${line#\# }")
			in_ns mkdir -p /etc/libvirt/membacking.conf.d
			: >"$file"
			continue
			;;
		"") file='' && continue ;;
		esac
		n=$((n + 1))
		if [ -n "$file" ]; then echo "$line" >>"$file"; else readme_command "$line"; fi
	done < <(readme_block "$1")
	[ "$n" -gt 2 ] || not_ok "README.md has $1" "$n lines"
}

readme_command() {
	local command=$1 comment='' words
	if [[ $1 =~ ^(.*[^ ])\ +#\ (.*)$ ]]; then
		command=${BASH_REMATCH[1]} comment=${BASH_REMATCH[2]}
	fi
	read -ra words <<<"$command"
	case $command in
	"virt-membacking conf apply "*) conf_apply "${words[3]}" ;;
	"virt-membacking check") check_no_match "$command" \
		"$(membacking --root "$conf_root" check 2>&1)" "FAIL|virt-membacking:" ;;
	"virt-membacking "*) check "$command" membacking "${words[@]:1}" ;;
	"virsh edit "*) check "$command" readme_edit "${words[2]}" "$comment" ;;
	"virsh start "*) readme_start "${words[2]}" ;;
	# Nobody in there listens to a button
	"virsh shutdown "*) guest_down "${words[2]}" ;;
	"mkdir -p /srv/"* | "rm /etc/libvirt/"*) check "$command" in_ns "${words[@]}" ;;
	"echo "*" >/sys/devices/system/node/"*)
		check "$command" tee "${words[2]#>}" <<<"${words[1]}"
		;;
	*) not_ok "each line of README.md can be tried" "nobody here knows '$1'" ;;
	esac
}

# readme_edit NAME XML: as it goes between <memoryBacking> and its end
readme_edit() {
	local mib=64
	[[ $2 != *GiB* ]] || mib=1024
	guest_define "$1" "$mib" "backing=$2"
}

readme_start() {
	if guest_start "$1"; then ok "virsh start $1"; else not_ok "virsh start $1" "$start_error"; fi
}

readme_end() {
	local profile
	for profile in "$@"; do
		check "$profile is taken back" conf remove "$profile"
	done
	in_ns rm -f /etc/libvirt/membacking.conf.d/50-local.conf
	conf_end
}

case_readme_a_gaming_guest() {
	local gib=1048576
	conf_begin
	if [ "$(pool_possible $gib 1)" = 0 ]; then
		echo "skip - this machine can make no page of 1 GiB: only the profile is tried"
		conf_apply hugepages-1g
	else
		readme_do "A gaming guest"
		check "its page was reserved, and taken over" pool_has 1/0 $gib
		guest_down win11
		check "it is kept" wait_for "an idle page" pool_has 1/1 $gib
		pool_set $gib 0
	fi
	readme_end hugepages-1g
	in_ns umount /dev/hugepages1G
	check_empty
}

case_readme_a_desktop() {
	conf_begin
	readme_do "A desktop"
	check_equal "it has its pages" "$(pool 2048 total)" 32
	guest_down desktop
	check_empty "they are ours again"
	readme_end
}

case_readme_twenty_servers() {
	conf_begin
	guest_define web1 128
	guest_define web2 128
	readme_do "Twenty similar servers"
	[ ! -e /sys/kernel/mm/ksm/run ] || check_equal "KSM runs" "$(setting ksm/run)" 1
	guest_down web1
	guest_down web2
	readme_end ksm
	check_empty
}

case_readme_a_nova_host() {
	conf_begin
	device_make memory 256 ext4 || return
	readme_do "A Nova host"
	guest_up instance 64 "backing=<source type='file'/><access mode='shared'/>" &&
		check_match "its memory is in the store" "$(conf_guest_file /srv/memory instance)" \
			"^/srv/memory/libvirt/qemu/"
	guest_down instance
	readme_end nova-file-backed file-backed
	in_ns umount /srv/memory
}

case_readme_a_host_that_must_never_fragment() {
	conf_begin
	readme_do "A host that must never fragment"
	check "a guest took idle pages" pool_has 1024/992
	guest_down db1
	check "they stay" wait_for "idle pages" pool_has 1024/1024
	readme_end static-hugepages
	pool_set 2048 0
	check_empty
}

# A script of the kind that README.md speaks of, and a dispatcher that also calls another one
old_hooks() {
	local hooks
	hooks=$(ns_path /etc/libvirt/hooks)
	mkdir -p "$hooks/qemu.d/win11/prepare/begin" "$hooks/qemu.d/win11/release/end"
	cat >"$hooks/qemu" <<-'SH'
		#!/bin/sh
		for script in /etc/libvirt/hooks/qemu.d/"$1/$2/$3"/*; do
			[ ! -x "$script" ] || "$script" || exit 1
		done
	SH
	printf '#!/bin/sh\necho 32 >/proc/sys/vm/nr_hugepages\n' >"$hooks/qemu.d/win11/prepare/begin/alloc_hugepages.sh"
	printf '#!/bin/sh\necho 0 >/proc/sys/vm/nr_hugepages\n' >"$hooks/qemu.d/win11/release/end/dealloc_hugepages.sh"
	printf '#!/bin/sh\necho "$$" >/run/pinned\n' >"$hooks/qemu.d/win11/prepare/begin/pin_cpus.sh"
	chmod 755 "$hooks/qemu" "$hooks"/qemu.d/win11/*/*/*.sh
}

case_readme_moving_over() {
	check "the hooks are not ours yet" membacking hook disable
	old_hooks
	conf_begin
	conf_restart
	guest_up win11 64 "backing=$(page_backing 2048)" &&
		check_equal "the script has made pages" "$(pool 2048 total)" 32
	readme_do "Moving over"
	check_equal "the hook has made them now" \
		"$(membacking status --json | jq -c '[.guests[] | select(.name == "win11").steps[].pages]')" "[32]"
	check "the other script is called as before" in_ns rm /run/pinned
	guest_down win11
	check_empty "and given them back"
	in_ns rm -r /etc/libvirt/hooks/qemu /etc/libvirt/hooks/qemu.d/win11
	conf_end
}

# membacking.conf(5): how a guest gets its own settings without an editor
case_metadata_of_the_man_page() {
	local xml
	xml=$(sed -n "s/^	--set '\\(.*\\)'\$/\\1/p" "$vm_top/packaging/man/membacking.conf.5.in")
	check_match "it is in the page" "$xml" '<ksm>no</ksm>'
	guest_define web1 128
	check "virsh metadata" virsh metadata web1 urn:libvirt-membacking:1 --key m --config --set "$xml"
	guest_start web1 || not_ok "it starts" "$start_error"
	check_equal "KSM is not switched on for it" \
		"$(membacking status --json | jq '[.guests[].steps[] | select(.kind == "ksm")] | length')" 0
	guest_down web1
	check_empty
}

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/live/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# README.md, done as it is written: its files, its commands, and what it shows of what comes.  Only
# what a guest is not told there is ours: 64 MiB of memory, and a system that boots.

# shellcheck source=tests/live/profiles
. "$here/profiles"
# shellcheck source=tests/live/cases/96-overcommit.sh
. "$here/cases/96-overcommit.sh"

readme_text=$'\001'

# readme_block TITLE: the indented lines below "**TITLE" or "## TITLE"; $readme_text where text is
readme_block() {
	awk -v title="$1" -v text="$readme_text" '
		/^(\*\*|#)/ {
			heading = $0
			sub(/^(\*\*|#+ )/, "", heading)
			on = index(heading, title) == 1
		}
		on { print (/^    |^$/ ? substr($0, 5) : text) }' "$vm_top/README.md"
}

# readme_do TITLE: line by line; what comes after "$ COMMAND" is what that has to show
readme_do() {
	local line file='' shown='' command='' n=0
	while IFS= read -r line; do
		if [ "$line" = "$readme_text" ]; then
			[ -z "$command" ] || readme_shows "$command" "$shown"
			command='' shown=''
			continue
		fi
		if [ -n "$command" ]; then
			shown+=$line$'\n'
		elif [ "$line" = EOF ]; then
			file=''
		elif [ -n "$file" ]; then
			echo "$line" >>"$file"
		elif [[ $line = "\$ "* ]]; then
			command=${line#\$ }
		elif [[ $line =~ ^cat\ \>(/etc/libvirt/membacking.conf.d/[^ ]*)\ \<\<\'EOF\'$ ]]; then
			file=$(ns_path "${BASH_REMATCH[1]}")
			in_ns mkdir -p /etc/libvirt/membacking.conf.d
			: >"$file"
		elif [ -n "$line" ]; then
			readme_command "$line"
		fi
		n=$((n + 1))
	done < <(readme_block "$1" && echo "$readme_text")
	[ "$n" -gt 0 ] || not_ok "README.md has $1" "$n lines"
}

# Numbers, sizes and UUIDs differ, and how wide columns are; what KSM saves comes after a while
readme_shape() {
	sed -E 's/of ([12]) ([MG])iB/of-\1\2/g; s/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/UUID/g
		s/([^-0-9a-z]|^)[0-9]+(\.[0-9]+)?( [KMG]iB)?/\1N/g; s/pages of/page of/; s/ +/ /g; s/^ | $//g
		s/,? (saves|costs) (N|nothing).*$//; s/ -( |$)/ N\1/g; s/ -( |$)/ N\1/g; s,N/N,N,; /^$/d'
}

# readme_lacks COMMAND TEXT: the first line of TEXT that the command doesn't show, in this order; others
# may be between them
readme_lacks() {
	local words root=()
	read -ra words <<<"$1"
	[ "$1" != "virt-membacking check" ] || root=(--root "$conf_root")
	awk 'NR == FNR { want[++n] = $0; next } i < n && $0 == want[i + 1] { i++ }
		END { if (i < n) print want[i + 1] }' <(readme_shape <<<"$2") \
		<(membacking "${root[@]}" "${words[@]:1}" 2>&1 | readme_shape)
}

readme_lacks_nothing() {
	[ -z "$(readme_lacks "$@")" ]
}

# Some of it takes a moment
readme_shows() {
	if wait_for "$1" readme_lacks_nothing "$1" "$2"; then
		ok "$1 shows what README.md has"
	else
		not_ok "$1 shows what README.md has" "not the line like: $(readme_lacks "$1" "$2")"
	fi
}

readme_command() {
	local command=${1%%  #*} words
	command=${command%"${command##*[! ]}"}
	read -ra words <<<"$command"
	case $command in
	"virt-membacking conf apply "*) conf_apply "${words[3]}" ;;
	"virt-membacking "*) check "$command" membacking "${words[@]:1}" ;;
	"systemctl enable --now virt-membacking-pagerd.socket") pagerd_start ;;
	"virsh start "*) readme_start "${words[2]}" ;;
	# Nobody in there listens to a button
	"virsh shutdown "*) guest_down "${words[2]}" ;;
	"mkdir -p /srv/"* | "rm /etc/libvirt/"*) check "$command" in_ns "${words[@]}" ;;
	"until virsh "*) check "$command" in_ns timeout 20 sh -c "$command" ;;
	"echo "*" >/sys/devices/system/node/"*)
		check "$command" tee "${words[2]#>}" <<<"${words[1]}"
		;;
	*) not_ok "each line of README.md can be tried" "nobody here knows '$1'" ;;
	esac
}

readme_start() {
	if guest_start "$1"; then ok "virsh start $1"; else not_ok "virsh start $1" "$start_error"; fi
}

readme_end() {
	local profile
	for profile in "$@"; do
		check "$profile is taken back" conf remove "$profile"
	done
	in_ns sh -c 'rm -f /etc/libvirt/membacking.conf.d/50-*.conf'
	conf_end
}

case_readme_a_gaming_guest() {
	local gib=1048576
	conf_begin
	if [ "$(pool_possible $gib 1)" != 0 ]; then
		guest_define win11 1024
		readme_do "A gaming guest"
		check "its page was reserved, and taken over" pool_has 1/0 $gib
		guest_down win11
		check "it is kept" wait_for "an idle page" pool_has 1/1 $gib
		pool_set $gib 0
	elif conf_apply_gib; then
		echo "skip - this machine can make no page of 1 GiB: only the profile is tried"
	else
		conf_end
		return
	fi
	readme_end hugepages-1g
	in_ns umount /dev/hugepages1G
	check_empty
}

case_readme_the_first_screen() {
	guest_define desktop 64
	readme_do "A guest in huge pages"
	check_equal "it has its pages" "$(pool 2048 total)" 32
	guest_down desktop
	check_empty "they are the host's again"
	readme_do "A desktop"
	check_empty "a plan changes nothing"
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
	guest_define db1 64
	readme_do "A host that must never fragment"
	check "a guest took idle pages" pool_has 1024/992
	guest_down db1
	check "they stay" wait_for "idle pages" pool_has 1024/1024
	readme_end static-hugepages
	pool_set 2048 0
	check_empty
}

case_readme_a_guest_larger_than_memory() {
	guest_define web1 512
	readme_do "Guests larger than memory"
	check "another limit" membacking overcommit set web1 --resident 200M
	check "it is let go" membacking overcommit release web1
	guest_down web1
	check "no record is left" wait_for "no record" no_ledgers
	pagerd_kill TERM
	check "its limit is taken back" membacking overcommit disable web1
	in_ns rm -f /etc/libvirt/membacking.conf.d/overcommit.conf
}

case_readme_forty_mostly_idle_guests() {
	guest_define office1 256
	guest_define office2 256
	readme_do "Forty mostly idle guests"
	guest_down office1
	guest_down office2
	check "no record is left" wait_for "no record" no_ledgers
	pagerd_kill TERM
	check "limits are taken back" membacking overcommit disable office1
	check "of both" membacking overcommit disable office2
	in_ns sh -c 'rm -rf /srv/pager /etc/libvirt/membacking.conf.d/50-pager.conf \
		/etc/libvirt/membacking.conf.d/overcommit.conf'
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

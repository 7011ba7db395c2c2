# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Help, slips of the finger, completion, and what is refused without root.

case_usage() {
	local command
	golden help --help
	for command in status check plan advise fragmentation reserve release reconcile free conf hook log metrics overcommit; do
		golden "help-$command" $command --help
		is "$command: --help before it" "$("$program" --help $command)" \
			"$("$program" $command --help)"
	done
	golden version --version
	is "help is a command, too" "$("$program" help)" "$("$program" --help)"
	is "and takes another" "$("$program" help check)" "$("$program" check --help)"
	golden help-far help banana
	host one-node
	is "-v does no harm" "$("$program" -v --root host status 2>/dev/null)" \
		"$("$program" --root host status)"
	is "-q is quiet" "$(as_user "$program" -q status 2>&1 >/dev/null | grep -c warning)" 0
	golden no-command
	golden no-command-json --json
	golden near-command stauts
	golden begun-command rel web
	golden swapped-letters reocncile
	golden far-command banana
	golden wrong-command-help banana --help
	golden unknown-option status --frobnicate
	golden near-option status --wathc=3
	golden unknown-letter status -x
	golden option-without-value status --root
	golden option-with-value status --json=yes
	golden option-of-another status --force
	golden argument-too-many reconcile web
	golden no-guest release
	golden no-guest-for-plan plan
	golden guest-and-xml plan web --xml web.xml
	golden no-such-root --root nowhere status
}

# offered SHELL WORD...: what the completion offers, in the order of the alphabet
offered() {
	local shell=$1
	shift
	PATH=$work:$PATH "$here/completion-$shell" "$program" "$@" 2>&1 | sort
}

# listed HEADING WORD...: what --help lists
listed() {
	local heading=$1
	shift
	"$program" "$@" --help |
		sed -n "/^$heading:\$/,/^\$/s/^  \(--\)\{0,1\}\([a-z][a-z-]*\).*/\1\2/p" | sort
}

# What they offer is what help lists
case_completion_of_other_shells() {
	local shell command
	is "the file for zsh is one" "$(zsh -n "$here/../../packaging/completions/_virt-membacking" 2>&1)" ""
	is "the file for fish is one" \
		"$(fish --no-execute "$here/../../packaging/completions/virt-membacking.fish" 2>&1)" ""
	for shell in zsh fish; do
		is "$shell: commands" "$(offered $shell "")" "$(listed Commands)"
		for command in $(listed Commands); do
			is "$shell: options of $command" "$(offered $shell "$command" --)" \
				"$(listed Options "$command")"
		done
		is "$shell: profiles" "$(offered $shell conf apply hug)" $'hugepages\nhugepages-1g'
		is "$shell: kinds of backing" "$(offered $shell advise web --backing "")" \
			$'dynamic\nfile\nksm\novercommit\nstatic\nthp'
		is "$shell: guests, behind an option's value" "$(offered $shell --root . plan w)" \
			$'web\nwith blank'
		is "$shell: no second guest" "$(offered $shell plan web w)" ""
		is "$shell: actions" "$(offered $shell hook en)" enable
		is "$shell: guests behind an action" "$(offered $shell overcommit set d)" database
		is "$shell: times" "$(offered $shell log web --since "")" $'1d\n1h\n7d'
		is "$shell: a command to explain" "$(offered $shell help rel)" release
		is "$shell: guests, behind a libvirt" "$(offered $shell plan -c test w)" \
			$'web\nwith blank'
		is "$shell: nodes of the map" "$(offered $shell fragmentation --map "")" \
			"$(cd /sys/devices/system/node && printf '%s\n' node[0-9]* | sed s/node// | sort)"
		is "$shell: the map without a node" \
			"$(offered $shell fragmentation --map --sv)" --svg
		is "$shell: a size is the user's" "$(offered $shell reserve web --size "")" ""
	done
}

case_completion() {
	local line
	while IFS= read -r line; do
		case $line in
		"ok - "*) ok "${line#ok - }" ;;
		*) not_ok "${line#not ok - }" completion ;;
		esac
	done < <("$here/completion" "$program" 2>&1)
}

# as_user COMMAND...: without root, whichever user runs this
as_user() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
	else
		"$@"
	fi
}

case_without_root() {
	is "reconcile" "$(as_user "$program" reconcile 2>&1) $?" \
		"virt-membacking: only root may give back what guests hold: try sudo 1"
	is "check" "$(as_user "$program" check 2>&1) $?" \
		"virt-membacking: only root may check this host: try sudo 3"
	is "release" "$(as_user "$program" release web 2>&1) $?" \
		"virt-membacking: only root may release a guest: try sudo 1"
	is "reserve" "$(as_user "$program" reserve web 2>&1) $?" \
		"virt-membacking: only root may reserve pages: try sudo 1"
	is "hook" "$(as_user "$program" hook disable 2>&1) $?" \
		"virt-membacking: only root may disable hooks: try sudo 1"
	as_user "$program" metrics >out 2>err
	is "metrics works on this host" $? 0
	as_user "$program" status >out 2>err
	is "status works on this host" $? 0
	as_user "$program" status --json >out 2>>err
	is "status --json works on this host" $? 0
	as_user "$program" fragmentation >out 2>err
	is "fragmentation works on this host" $? 0
	as_user "$program" advise --xml "$tests/guests/plain.xml" >out 2>err </dev/null
	is "advise works on this host" "$(cat err)" ""
	host one-node
	mkdir -p host/run/libvirt/qemu
	chmod 700 host/run/libvirt/qemu
	is "a guest that can't be seen is not said to run" "$(as_user "$program" --root host \
		advise --xml "$tests/guests/plain.xml" | grep -c -e "- it runs" -e Recommended)" 1
}

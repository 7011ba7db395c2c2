# shellcheck shell=bash
# shellcheck disable=SC2154 # top and work are tests/packages/run's
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What other programs read, given to their own checkers.

# Where a unit's program is no file, systemd-analyze complains: so it gets some.  Profiles
# have units too
units_verify() {
	local dir=$work/units output
	rm -rf "$dir" && mkdir -p "$dir/usr/bin" "$dir/usr/lib/systemd/system"
	cp "$top"/packaging/systemd/* "$top"/conf-snippets/*/*.mount "$dir/usr/lib/systemd/system/"
	sed -i "s,/usr/bin/virt-membacking,$vm_build/helpers/virt-membacking,
		s,/usr/sbin/virt-membacking-pagerd,$vm_build/pagerd/virt-membacking-pagerd,
		/^Documentation=/d" \
		"$dir"/usr/lib/systemd/system/*
	output=$(systemd-analyze verify "$dir"/usr/lib/systemd/system/* 2>&1)
	[ -z "$output" ] || { echo "$output"; return 1; }
}

# Sandboxing without a comment of its own in front of it
unit_unexplained() {
	awk '/^\[/ { in_service = $0 == "[Service]" }
		in_service && /^[A-Z]/ && before !~ /^#/ && !/^(Type|ExecStart|Nice)=/ \
			{ print FILENAME ": " $0 }
		{ before = $0 }' "$top"/packaging/systemd/*.service
}

# A line added without a thought makes it worse
unit_exposure() {
	systemd-analyze security --offline=true "$top/packaging/systemd/$1" 2>&1 |
		sed -n 's/.*exposure level for [^ ]*: \([0-9]*\)\..*/\1/p'
}

apparmor_dir() {
	rm -rf "$work/apparmor.d"
	cp -r /etc/apparmor.d "$work/apparmor.d"
	mkdir -p "$work/apparmor.d/local"
	cp "$top/packaging/apparmor/libvirtd" "$work/apparmor.d/local/usr.sbin.libvirtd"
}

# -Q: compiled, and not loaded: needs no kernel with AppArmor
apparmor_compiles() {
	apparmor_parser -Q -K -b "$work/apparmor.d" "$work/apparmor.d/usr.sbin.libvirtd"
}

selinux_compiles() {
	rm -rf "$work/selinux"
	cp -r "$top/packaging/selinux" "$work/selinux"
	make -C "$work/selinux" -f /usr/share/selinux/devel/Makefile NAME=default libvirt_membacking.pp
}

# What is installed by hand goes as completely; the configuration is the administrator's
by_hand() {
	local dir=$work/by-hand
	rm -rf "$dir"
	check "make install" silent_make "DESTDIR=$dir" install
	check_equal "each manual page has its place" \
		"$(find "$dir/usr/share/man" -type f -printf '%P\n' | sort)" "$(manuals)"
	check "make uninstall" silent_make "DESTDIR=$dir" uninstall
	check_equal "leaves nothing but the configuration" \
		"$(find "$dir" ! -type d -printf '%P\n' | sort)" \
		etc/libvirt/membacking-static.conf$'\n'etc/libvirt/membacking.conf
}

manuals() {
	find "$top/packaging/man" -name '*.[1-8]*' -printf '%f\n' |
		sed 's,\.in$,,; s,.*\.\(.\)$,man\1/&,' | sort
}

silent_make() {
	make --no-print-directory -C "$top" "BUILD=$vm_build" "$@"
}

by_hand
check_equal "each line of a unit's sandbox has its reason" "$(unit_unexplained)" ""
if command -v systemd-analyze >/dev/null; then
	check "systemd-analyze verify is content with the units" units_verify
	check_equal "what the static service is open to" "$(unit_exposure libvirt-membacking-static.service)" 1
	check_equal "what the pager is open to" "$(unit_exposure virt-membacking-pagerd.service)" 4
	check_equal "what the reconcile service is open to" "$(unit_exposure libvirt-membacking-reconcile.service)" 4
	check_equal "what a guest's reserve service is open to" \
		"$(unit_exposure libvirt-membacking-reserve@.service)" 4
else
	skip "no systemd-analyze here: the units are not verified"
fi
if command -v systemd-tmpfiles >/dev/null; then
	mkdir -p "$work/tmpfiles"
	check "tmpfiles.d is understood" systemd-tmpfiles --root="$work/tmpfiles" --create \
		"$top/packaging/tmpfiles.d/libvirt-membacking.conf"
	check "and makes the ledgers' directory" test -d "$work/tmpfiles/run/libvirt-membacking/guests"
else
	skip "no systemd-tmpfiles here: tmpfiles.d is not tried"
fi
mkdir -p "$work/catalog/usr/lib/systemd/catalog" "$work/catalog/var/lib/systemd/catalog"
cp "$top/packaging/catalog/libvirt-membacking.catalog" "$work/catalog/usr/lib/systemd/catalog/"
check "the journal's catalog is understood" journalctl --root="$work/catalog" --update-catalog
check_equal "and has an explanation of each event" \
	"$(journalctl --root="$work/catalog" --dump-catalog | grep -c '^Defined-By: libvirt-membacking')" \
	"$(grep -c '^-- ' "$top/packaging/catalog/libvirt-membacking.catalog")"
if command -v apparmor_parser >/dev/null && [ -e /etc/apparmor.d/usr.sbin.libvirtd ]; then
	apparmor_dir
	check "libvirt's AppArmor profile compiles with our addition" apparmor_compiles
	check_match "it runs what is in /usr/sbin unconfined even without" \
		"$(cat /etc/apparmor.d/usr.sbin.libvirtd)" '/usr/sbin/\* PUx'
	[ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] ||
		skip "this kernel has no AppArmor: compiled, and not tried"
else
	skip "no apparmor_parser or no profile of libvirt's here"
fi
if [ -e /usr/share/selinux/devel/Makefile ] && command -v checkmodule >/dev/null; then
	check "the SELinux module compiles" selinux_compiles
	selinuxenabled 2>/dev/null || skip "this machine has no SELinux: compiled, and not tried"
else
	skip "no SELinux policy to compile with here"
fi

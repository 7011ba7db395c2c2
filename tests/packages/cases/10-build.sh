# shellcheck shell=bash
# shellcheck disable=SC2154 # top and work are tests/packages/run's
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The packages are built by the distributions' own tools, twice with the same result, and
# their checkers have nothing to say.  The unit tests have run already: not once more.

DEB_BUILD_OPTIONS="parallel=$(nproc) nocheck"
export DEB_BUILD_OPTIONS
deb=$work/deb
next=$work/next

# The same source as a later version, which writes a later format of the ledger
build_next() {
	local archive=$1 tree
	rm -rf "$next" && mkdir -p "$next" || return 1
	tar -xzf "$archive" -C "$next" || return 1
	tree=$(echo "$next"/libvirt-membacking-*)
	{
		printf 'libvirt-membacking (99-1) unstable; urgency=low\n\n  * Next.\n\n'
		grep '^ -- ' "$top/packaging/debian/changelog" | head -n 1
		echo
		cat "$top/packaging/debian/changelog"
	} >"$tree/packaging/debian/changelog"
	DEB_CPPFLAGS_APPEND=-DLEDGER_VERSION=2 "$tree/packaging/build-deb" "$next/deb" --build=binary
}

# What a checkout elsewhere, by somebody with another umask, gives
build_again() (
	umask 027
	mkdir -p "$work/another place" && cp -a "$deb"/*.orig.tar.gz "$work/another place/" &&
		cd "$work/another place" && tar -xzf ./*.orig.tar.gz && cd libvirt-membacking-* &&
		packaging/build-deb "$work/again"
)

same_files() {
	local file
	for file in "$deb"/*.deb "$deb"/*.dsc "$deb"/*.tar.*; do
		cmp "$file" "$work/again/${file##*/}" || return 1
	done
}

versions() {
	sed -n 's/^#define VERSION "\(.*\)"/\1/p' "$top/helpers/ctl/main.c"
	sed -n '1s/.*(\(.*\)-[^-]*).*/\1/p' "$top/packaging/debian/changelog"
	sed -n 's/^Version: *//p' "$top/packaging/rpm/libvirt-membacking.spec"
}

# Output and exit status of a checker; silence is what is wanted
silent() {
	local output
	if output=$("$@" 2>&1) && [ -z "$output" ]; then return 0; fi
	echo "$output"
	return 1
}

build_debs() {
	check "the source archive is made" "$top/packaging/dist" "$work"
	check "the .deb is built" "$top/packaging/build-deb" "$deb"
	rm -rf "$work/again" "$work/another place"
	check "from its own source archive, elsewhere, too" build_again
	check "and has the same bytes" same_files
	check "a later version is built" build_next "$(echo "$deb"/*.orig.tar.gz)"
	check "lintian is content" silent lintian --allow-root --pedantic --display-info \
		--tag-display-limit 0 "$deb"/*.changes
	# Debian 12 asks for no control flow protection
	check_equal "hardening is Debian's whole" \
		"$(hardening-check -q --nocfprotection "$deb"/libvirt-membacking-*/debian/libvirt-membacking/usr/*bin/* 2>&1)" ""
}

build_rpms() {
	local selinux=
	[ ! -e /usr/share/selinux/devel/Makefile ] || selinux="--with selinux"
	# shellcheck disable=SC2086 # one option of two words, or none
	check "the .rpm is built" "$top/packaging/build-rpm" "$work/rpm" --without check $selinux
	check "rpmlint is content" rpmlint -c "$top/packaging/rpm/rpmlint.toml" \
		"$work"/rpm/RPMS/*/*.rpm "$work"/rpm/SRPMS/*.rpm \
		"$top/packaging/rpm/libvirt-membacking.spec"
}

check_equal "all say the same version" "$(versions | sort -u | wc -l)" 1
rm -rf "$work/next" "$work/again"
if command -v dpkg-buildpackage >/dev/null && command -v dh >/dev/null; then
	build_debs
else
	skip "no debhelper here: the .deb is not built"
fi
if command -v rpmbuild >/dev/null; then
	build_rpms
else
	skip "no rpmbuild here: the .rpm is not built"
fi

# shellcheck shell=bash
# shellcheck disable=SC2154 # top and work are tests/packages/run's
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The packages are built by the distributions' own tools, with the unit tests on the way, twice
# with the same result, and their checkers have nothing to say.

# Once is enough for the unit tests of each kind of package
with_tests="parallel=$(nproc)"
without_tests="$with_tests nocheck"
deb=$work/deb
next=$work/next

# What is built of the checkout, as README.md says
make_in_checkout() {
	make --no-print-directory -C "$top" "BUILD=$work" "$@"
}

# As many programs of unit tests as there are, and each has had its say
unit_tests_ran() {
	check_equal "$1's build runs the unit tests" \
		"$(grep -c '^test_[a-z0-9_]*: [1-9][0-9]* passed, 0 failed$' "$2")" \
		"$(find "$top/tests/unit" -name 'test_*.c' | wc -l)"
}

# The same source as a later version, which writes a later format of the ledger
later_source() {
	local tree
	rm -rf "$next" && mkdir -p "$next" || return 1
	tar -xzf "$1" -C "$next" || return 1
	tree=$(echo "$next"/libvirt-membacking-*)
	mv "$tree" "$next/source" && cd "$next/source/packaging" || return 1
	{
		printf 'libvirt-membacking (99-1) unstable; urgency=low\n\n  * Next.\n\n'
		grep '^ -- ' debian/changelog | head -n 1
		echo
		cat debian/changelog
	} >changelog.new
	mv changelog.new debian/changelog && sed -i 's/^\(Version: *\).*/\199/' rpm/libvirt-membacking.spec
}

# Not optimized: only what it does to ledgers is looked at
build_next_deb() {
	DEB_BUILD_OPTIONS="$without_tests noopt" DEB_CPPFLAGS_APPEND=-DLEDGER_VERSION=2 \
		"$next/source/packaging/build-deb" "$next/deb" --build=binary
}

build_next_rpm() {
	CPPFLAGS=-DLEDGER_VERSION=2 "$next/source/packaging/build-rpm" "$next/rpm" --without check \
		--define 'optflags -O0 -g'
}

# What a checkout elsewhere, by a user with another umask, gives
build_again() (
	umask 027
	mkdir -p "$work/another place" && cp -a "$deb"/*.orig.tar.gz "$work/another place/" &&
		cd "$work/another place" && tar -xzf ./*.orig.tar.gz && cd libvirt-membacking-* &&
		DEB_BUILD_OPTIONS=$without_tests make --no-print-directory "BUILD=$work/again" deb
)

same_files() {
	local file
	for file; do
		cmp "$file" "$work/again/deb/${file##*/}" || return 1
	done
}

versions() {
	sed -n 's/^#define VERSION "\(.*\)"/\1/p' "$top/helpers/base/version.h"
	sed -n '1s/.*(\(.*\)-[^-]*).*/\1/p' "$top/packaging/debian/changelog"
	sed -n 's/^Version: *//p' "$top/packaging/rpm/libvirt-membacking.spec"
}

# Output goes to a file; what failed there and its end are what a failure shows
log_of() {
	local log=$1
	shift
	if "$@" >"$log" 2>&1; then
		return
	fi
	grep -aE '^not ok|^again - |^[^ ]*:[0-9]+:.* error: |ERROR: ' "$log" | head -n 20
	tail -n 20 "$log"
	return 1
}

# built KIND: what fails its unit tests is no package, but what follows is about packages
built() {
	local why
	if why=$(log_of "$work/$1.log" make_in_checkout "$1"); then
		ok "the .$1 is built"
		grep -a '^again - ' "$work/$1.log"
		return
	fi
	not_ok "the .$1 is built" "$why"
	check "and without the unit tests" log_of "$work/$1-unchecked.log" "unchecked_$1"
}

unchecked_deb() {
	DEB_BUILD_OPTIONS=$without_tests make_in_checkout deb
}

unchecked_rpm() {
	"$top/packaging/build-rpm" "$work/rpm" --without check
}

# Output and exit status of a checker; silence is what is wanted
silent() {
	local output
	if output=$("$@" 2>&1) && [ -z "$output" ]; then return 0; fi
	echo "$output"
	return 1
}

build_debs() {
	DEB_BUILD_OPTIONS=$with_tests built deb
	unit_tests_ran "the .deb" "$work/deb.log"
	rm -rf "$work/again" "$work/another place"
	check "from its own source archive, elsewhere, too" build_again
	check "the source archive has the same bytes" same_files "$deb"/*.orig.tar.gz
	check "and so has the .deb" same_files "$deb"/*.deb
	check "and its source package" same_files "$deb"/*.dsc "$deb"/*.debian.tar.*
	check "a later version is built" build_next_deb
	check "lintian is content" silent lintian --allow-root --pedantic --display-info \
		--tag-display-limit 0 "$deb"/*.changes
	# Debian 12 asks for no control flow protection
	check_equal "hardening is Debian's whole" \
		"$(hardening-check -q --nocfprotection "$deb"/libvirt-membacking-*/debian/libvirt-membacking/usr/*bin/* 2>&1)" ""
}

# rpmbuild's own programs see to it that each file is in %files
build_rpms() {
	built rpm
	unit_tests_ran "the .rpm" "$work/rpm.log"
	check "a later .rpm is built" build_next_rpm
	check "rpmlint is content" rpmlint -c "$top/packaging/rpm/rpmlint.toml" \
		"$work"/rpm/RPMS/*/*.rpm "$work"/rpm/SRPMS/*.rpm \
		"$top/packaging/rpm/libvirt-membacking.spec"
	if [ -e /usr/share/selinux/devel/Makefile ]; then
		check_equal "the SELinux policy has its package" \
			"$(rpm -qlp "$work"/rpm/RPMS/noarch/libvirt-membacking-selinux-*.rpm)" \
			/usr/share/selinux/packages/libvirt_membacking.pp
	else
		skip "no SELinux policy to compile with here: the .rpm is built without"
	fi
}

check_equal "all say the same version" "$(versions | sort -u | wc -l)" 1
check "the source archive is made" make_in_checkout dist
check "and of it a later version's" later_source "$(echo "$work"/libvirt-membacking-*.tar.gz)"
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

# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/ctl/run and what it reads
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What libvirt is asked, and told: adopt, and guests by their names.

# fake_libvirt: one without guests, at $FAKE_LIBVIRT
fake_libvirt() {
	FAKE_LIBVIRT=$work/libvirt
	rm -rf "$FAKE_LIBVIRT"
	mkdir "$FAKE_LIBVIRT"
	[ -e fake-libvirt.so ] || "${CC:-cc}" -shared -fPIC -std=gnu11 -D_GNU_SOURCE -Wall -Wextra \
		-o fake-libvirt.so "$here/fake-libvirt.c" || exit 1
}

# with_libvirt ARGUMENT...: the program, whose libvirt is that one
with_libvirt() {
	FAKE_LIBVIRT=$FAKE_LIBVIRT LD_PRELOAD=$PWD/fake-libvirt.so "$program" "$@"
}

# A guest by its name and UUID, and why there is none
case_named_guests() {
	fake_libvirt
	cp "$tests/guests/hugepages-2m.xml" "$FAKE_LIBVIRT/web.xml"
	sed "s/[0-9a-f-]*<\/uuid>/${uuid[old]}<\/uuid>/" "$tests/guests/plain.xml" >"$FAKE_LIBVIRT/old.xml"
	is "a guest by its name" "$(with_libvirt plan old --json | jq -r .guest.uuid)" "${uuid[old]}"
	is "a guest by its UUID" "$(with_libvirt plan "${uuid[old]}" --json | jq -r .guest.uuid)" \
		"${uuid[old]}"
	is "a guest by its id" "$(with_libvirt plan 1 --json | jq -r '.guest.uuid | length')" 36
	is "an id that no guest has" "$(with_libvirt plan 99 2>&1 | grep -c "no such guest: 99")" 1
	is "a guest that is not there" "$(with_libvirt plan nobody 2>&1 | grep -c "nobody.*virsh list --all")" 1
	touch "$FAKE_LIBVIRT/web.lost"
	is "libvirt's error is not lost" "$(with_libvirt plan web 2>&1)" \
		"virt-membacking: libvirt doesn't say what guest 'web' is: the monitor is gone"
	touch "$FAKE_LIBVIRT/down"
	is "libvirt is down" "$(with_libvirt plan web 2>&1)" \
		"virt-membacking: libvirt cannot be asked for guest 'web': the socket is not there; without it, give the guest's XML with --xml FILE"
}

# Guests of check, as virsh takes them
case_check_guests_named() {
	local guest
	fake_libvirt
	sed "s,<name>.*</name>,<name>web</name>," "$tests/guests/plain.xml" >"$FAKE_LIBVIRT/web.xml"
	for guest in 1 web 99; do
		with_libvirt check "$guest" --json >found
		is "check $guest" "$(jq -r '.findings[] | select(.id == "guest.no-such-guest").message' found)" \
			"$([ "$guest" != 99 ] || echo "no such guest: 99")"
	done
}

# Which libvirt is asked
case_which_libvirt() {
	fake_libvirt
	cp "$tests/guests/plain.xml" "$FAKE_LIBVIRT/plain.xml"
	with_libvirt plan plain >out
	is "the system's" "$(cat "$FAKE_LIBVIRT.uri")" qemu:///system
	LIBVIRT_DEFAULT_URI="qemu:///embed?root=/x" with_libvirt plan plain >out
	is "the environment's" "$(cat "$FAKE_LIBVIRT.uri")" "qemu:///embed?root=/x"
	LIBVIRT_DEFAULT_URI=qemu:///embed with_libvirt plan plain -c qemu+ssh://far/system >out
	is "the option's" "$(cat "$FAKE_LIBVIRT.uri")" qemu+ssh://far/system
	golden session-uri -c qemu:///session?socket=/run/x plan web
	golden session-uri-far plan web --connect qemu+ssh://far/session
	is "the environment's session" "$(LIBVIRT_DEFAULT_URI=qemu:///session "$program" plan web 2>&1 | head -n 1)" \
		"$(sed -n 's/^stderr: //p' "$golden/session-uri" | sed 's/?[^ ]*//' | head -n 1)"
	host one-node
	LIBVIRT_DEFAULT_URI=qemu:///session "$program" --root host status >out
	is "what asks no libvirt does not mind" $? 0
	golden uri-of-another status -c qemu:///system
}

# A libvirt that hangs keeps no metrics from being written
case_libvirt_hangs() {
	fake_libvirt
	touch "$FAKE_LIBVIRT/hangs"
	with_libvirt metrics --output hung.prom 2>err
	is "metrics are written" "$? $(cat err)" \
		"0 virt-membacking: warning: check has not ended within 10 seconds, most likely because libvirt does not answer: check_findings is left out"
	is "without findings" "$(grep -c check_findings hung.prom)" 0
	is "with the rest" "$(grep -c "^libvirt_membacking_build_info" hung.prom)" 1
}

# Advice that goes into the definition: a vhost-user guest always needs shared memory
case_advise_apply() {
	fake_libvirt
	cp "$tests/guests/vhostuser.xml" "$FAKE_LIBVIRT/web.xml"
	sed -i '/<access mode/d' "$FAKE_LIBVIRT/web.xml"
	touch "$FAKE_LIBVIRT/web.transient"
	is "a transient guest has no definition" "$(with_libvirt advise web --apply 2>&1 | grep -c "is transient")" 1
	rm "$FAKE_LIBVIRT/web.transient"
	touch "$FAKE_LIBVIRT/refuse"
	is "libvirt refuses a definition" \
		"$(with_libvirt advise web --apply --yes 2>&1 | grep -c 'refuses the definition: a device is missing')" 1
	rm "$FAKE_LIBVIRT/refuse"
	touch "$FAKE_LIBVIRT/web.saved"
	with_libvirt advise web --apply --yes >out 2>err
	is "it is defined" "$? $(cat err)" "0 "
	is "with shared memory" "$(grep -c "<access mode=.shared" "$FAKE_LIBVIRT/defined")" 1
	is "what changes is shown" "$(grep -c "^+.*<access mode=.shared" out)" 1
	is "and that it was saved" "$(grep -c "managedsave-remove vhostuser" out)" 1
	mv "$FAKE_LIBVIRT/defined" "$FAKE_LIBVIRT/web.xml"
	is "applied again, nothing changes" "$(with_libvirt advise web --apply | tail -n 1)" \
		"Nothing to change."
	rm "$FAKE_LIBVIRT/web.saved"
	sed -e 's,<name>.*</name>,<name>web</name>,' "$tests/guests/hugepages-2m.xml" >"$FAKE_LIBVIRT/web.xml"
	is "what it would remove stays" \
		"$(with_libvirt advise web --backing thp --apply 2>&1 >/dev/null)" \
		"virt-membacking: guest 'web' stays as it is: this would take out of its definition: <hugepages> with pages of 2 MiB; 'advise web --backing thp --apply --yes' does so"
	is "nothing is defined then" "$([ -e "$FAKE_LIBVIRT/defined" ] && echo defined)" ""
	with_libvirt advise web --backing thp --apply --yes >out 2>err
	is "the backing that was asked for is defined" \
		"$? $(cat err) $(grep -c "<hugepages" "$FAKE_LIBVIRT/defined")" "0  0"
	mv "$FAKE_LIBVIRT/defined" "$FAKE_LIBVIRT/web.xml"
	sed "s,<name>.*</name>,<name>my 'web'</name>," "$tests/guests/hugepages-2m.xml" >"$FAKE_LIBVIRT/my.xml"
	is "a name that a shell would take apart is not in a command" \
		"$(with_libvirt advise my --backing thp --apply 2>&1 >/dev/null | sed 's/.*; //')" \
		"'advise $(sed -n 's,.*<uuid>\(.*\)</uuid>.*,\1,p' "$FAKE_LIBVIRT/my.xml") --backing thp --apply --yes' does so"
	touch "$FAKE_LIBVIRT/down"
	is "no libvirt, no change" "$(with_libvirt advise web --apply 2>&1 | tail -n 1)" \
		"virt-membacking: libvirt doesn't let us change guest 'web': the socket is not there"
}

# running NAME MIB: with pages of 2 MiB, and without a ledger
running() {
	guest_xml "$1" "$2"
	sed "s/<domain type='kvm'>/<domain type='kvm' id='3'>/" "$1.xml" >"$FAKE_LIBVIRT/$1.xml"
	qemu "$1" N0=$(($2 / 2))
}

case_adopt() {
	host one-node
	fake_libvirt
	touch "$FAKE_LIBVIRT/down"
	is "libvirt is not asked where no guest runs" "$(with_libvirt --root host adopt 2>&1) $?" " 0"
	pool 0 2048 96 32 0
	running web 64
	running database 64
	is "libvirt is down: they get their ledgers later" \
		"$(with_libvirt --root host adopt 2>&1 | grep -c 'cannot be asked which: the socket is not there')" 1
	rm "$FAKE_LIBVIRT/down"
	ledger database running
	echo "<domain><name>half" >"$FAKE_LIBVIRT/build.xml"
	echo "<domain/>" >"$FAKE_LIBVIRT/old.xml"
	touch "$FAKE_LIBVIRT/old.lost"
	with_libvirt --root host adopt >out 2>err
	is "one that can't be read does not keep the others from theirs" "$? $(wc -l <err)" "1 1"
	is "each has a ledger" "$(ledgers)" "${uuid[web]} ${uuid[database]} "
	golden status-adopted --root host status
	is "the ledger there was stays" \
		"$(jq -c '[.phase, (.steps | length)]' "host/run/libvirt-membacking/guests/${uuid[database]}")" '["running",0]'
	is "their pages are not ours: nobody holds any" "$("$program" --root host holders) $?" " 0"
	ledger build running "$(step 2048 16 "$(share 0 0 16 16 16 0)")"
	is "who holds some is named" "$("$program" --root host holders) $?" "build 1"
	no_qemu
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A running guest's definition as libvirt's daemon wrote it down.
 */
#include "lifecycle/live_guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "guest/guest.h"
#include "kernel/kfs.h"
#include "unit/guest_rows.h"
#include "unit/unit.h"

#define DOMAIN                                                                                     \
	"\n  <domain type='kvm' id='3'>\n    <name>g</name>\n    <uuid>" UUID "</uuid>\n"          \
	"    <memory unit='MiB'>512</memory>\n    <memoryBacking><source type='memfd'/>"           \
	"</memoryBacking>\n  </domain>\n"
#define STATUS(before, domain)                                                                     \
	"<!--\nWARNING: " before "\n-->\n\n<domstatus state='running' pid='42'>\n"                 \
	"  <taint flag='x'/>" domain "</domstatus>\n"

static void test_rows(void)
{
	static const struct {
		const char *name, *text;
		int rc;
	} rows[] = {
		{ "g", STATUS("", DOMAIN), 0 },
		/* what a guest may be called comes into the comment */
		{ "g", STATUS("virsh edit <domain type='x'></domain>", DOMAIN), 0 },
		{ "g", STATUS("", ""), -EINVAL },
		{ "g", STATUS("", "\n  <domain type='kvm'>\n"), -EINVAL },
		{ "g", STATUS("", "\n  </domain>\n"), -EINVAL },
		{ "g", "", -EINVAL },
		{ "../g", STATUS("", DOMAIN), -EINVAL },
		{ "", STATUS("", DOMAIN), -EINVAL },
		{ "another", STATUS("", DOMAIN), -ENOENT },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const char *dir = unit_tmpdir();
		struct guest *guest = NULL;
		struct err err = { "" };
		struct kfs kfs;

		unit_write(dir, "run/libvirt/qemu/g.xml", rows[i].text);
		CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
		UNIT_CHECK(live_guest_read(&kfs, rows[i].name, &guest, &err) == rows[i].rc,
			   "row %zu: %s", i, err.text);
		kfs_close(&kfs);
		if (rows[i].rc < 0) {
			UNIT_CHECK(*err.text, "row %zu has no sentence", i);
			continue;
		}
		if (!UNIT_CHECK(guest != NULL, "row %zu", i))
			continue;
		CU_ASSERT_STRING_EQUAL(guest->uuid, UUID);
		CU_ASSERT_EQUAL(guest->memory[0].source, GUEST_SOURCE_MEMFD);
		guest_free(guest);
	}
}

static CU_TestInfo tests[] = {
	{ "the <domain> in a file of libvirt's", test_rows },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_live_guest", tests);
}

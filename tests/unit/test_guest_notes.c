// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is said of a guest's definition, and of which guests nothing is.
 */
#include "policy/guest_notes.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "policy/plan.h"
#include "unit/guest_rows.h"
#include "unit/unit.h"

#define NOTED(backing, more)                                                                       \
	"<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>" WHO GIB(4)              \
		BACKING(backing) more "</domain>"

#define TDX  "<launchSecurity type='tdx'/>"
#define PV   "<launchSecurity type='s390-pv'/>"
#define S390 "<os><type arch='s390x'>hvm</type></os>"
#define QEMU                                                                                       \
	"<qemu:commandline><qemu:arg value='-object'/>"                                            \
	"<qemu:arg value='memory-backend-file,size=8G,mem-path=/x,id=m'/></qemu:commandline>"
#define PLUGGED                                                                                    \
	"<devices><memory model='virtio-mem'><target><size unit='GiB'>2</size>"                    \
	"<requested>0</requested></target></memory></devices>"

static const struct {
	const char *xml;
	const char *words[4]; /* of each note in turn */
} rows[] = {
	{ NOTED("", ""), { NULL } },
	{ NOTED("<hugepages/>", ""), { NULL } },
	{ NOTED("<hugepages/><source type='anonymous'/>", ""),
	  { "libvirt refuses to start it: no <hugepages/> together with "
	    "<source type='anonymous'/>" } },
	{ NOTED("<hugepages/>", PV), { "QEMU refuses huge pages for a protected guest" } },
	{ NOTED("", PV), { NULL } },
	{ NOTED("<hugepages><page size='2' unit='G'/></hugepages>", S390),
	  { "QEMU refuses huge pages of more than 1 MiB on s390" } },
	{ NOTED("<hugepages><page size='1' unit='M'/></hugepages>", S390), { NULL } },
	{ NOTED("<hugepages/>", S390), { NULL } },
	{ NOTED("", VHOST),
	  { "its memory is private, and back ends of its devices have to map it" } },
	{ NOTED("", VHOST), { ", with <source type='memfd'/>" } },
	{ NOTED("<access mode='shared'/>", VHOST), { NULL } },
	{ NOTED("<hugepages/>", VHOST QEMU),
	  { "<interface type='vhostuser'>",
	    "memory-backend-file in its <qemu:commandline> takes 8 GiB at /x past libvirt" } },
	{ NOTED("", TDX), { "with TDX comes from guest_memfd, in small pages; what its" } },
	{ NOTED("<hugepages/>", TDX), { "its huge pages are taken on top" } },
	{ NOTED("<hugepages/>", "<launchSecurity type='sev-snp'/>"),
	  { "with SEV-SNP comes from guest_memfd" } },
	{ NOTED("<hugepages/>", "<launchSecurity type='sev'/>"), { NULL } },
	{ NOTED("<hugepages/>", PLUGGED), { "may ask for 2 GiB more in huge pages" } },
	{ NOTED("", PLUGGED), { NULL } },
	{ "<domain><name>g</name><memory>1048576</memory></domain>", { "has no <uuid>" } },
	{ "<domain><name>g</name><uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid>"
	  "<memory>lots</memory></domain>",
	  { "is not understood: domain XML, line 1: <memory> is 'lots'" } },
};

static void test_notes(void)
{
	const struct guest_reading reading = { .draft = true };
	struct err err = { "" };
	size_t i, n;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_guest struct guest *guest = NULL;
		struct plan plan = { 0 };
		int rc = guest_parse_as(rows[i].xml, strlen(rows[i].xml), &reading, &guest, &err);

		if (!UNIT_CHECK(rc == 0, "row %zu: %s", i, err.text))
			continue;
		guest_notes_add(guest, &plan);
		for (n = 0; n < plan.n_notes && rows[i].words[n]; n++)
			UNIT_CHECK(strstr(plan.notes[n], rows[i].words[n]) != NULL,
				   "row %zu: '%s', not '%s'", i, plan.notes[n], rows[i].words[n]);
		UNIT_CHECK(plan.n_notes == n && !rows[i].words[n], "row %zu: %zu notes", i,
			   plan.n_notes);
		plan_free(&plan);
	}
}

static CU_TestInfo tests[] = {
	{ "notes", test_notes },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_guest_notes", tests);
}

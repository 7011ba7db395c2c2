// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Domain XML to struct guest: libvirt's rules, and hostile input.
 *
 * What is expected of tests/guests/NAME.xml was compared with the command lines
 * that libvirt builds for such guests.
 */
#include "guest/guest.h"
#include "guest/guest_parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest_metadata.h"
#include "guest/guest_units.h"
#include "guest/guest_xml.h"
#include "unit/guest_rows.h"
#include "unit/unit.h"

/* A struct guest in a few words, so that a row of a table can say what it expects */
struct text {
	char buf[8192];
	size_t used;
};

static void say(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct text *text, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text->buf + text->used, sizeof(text->buf) - text->used, fmt, ap);
	va_end(ap);
	if (len > 0 && (size_t)len < sizeof(text->buf) - text->used)
		text->used += (size_t)len;
}

static void say_memory(struct text *text, const struct guest_memory *memory)
{
	static const char *const sources[] = { "anonymous", "file", "memfd" };
	static const char *const binds[] = { "any", "strict", "preferred", "interleave" };
	char nodes[NODESET_TEXT_SIZE];

	say(text, "%s: %llu", memory->alias, (unsigned long long)memory->size_kib);
	if (memory->max_kib != memory->size_kib)
		say(text, " max=%llu", (unsigned long long)memory->max_kib);
	if (memory->hugepages)
		say(text, " huge=%llu", (unsigned long long)memory->page_kib);
	say(text, " %s", sources[memory->source]);
	if (memory->bind != GUEST_BIND_ANY)
		say(text, " %s=%s", binds[memory->bind], nodeset_format(&memory->nodes, nodes));
	say(text, "%s%s\n", memory->shared ? " shared" : "", memory->discard ? " discard" : "");
}

static const char *describe(const struct guest *guest, struct text *text)
{
	static const char *const securities[] = { "",	 "sev",	    "sev-snp",
						  "tdx", "s390-pv", "encrypted" };
	size_t i;

	text->used = 0;
	text->buf[0] = '\0';
	for (i = 0; i < guest->n_memory; i++)
		say_memory(text, &guest->memory[i]);
	for (i = 0; i < guest->n_settings; i++)
		say(text, "%s = %s\n", guest->settings[i].key, guest->settings[i].value);
	if (guest->auto_placement)
		say(text, "auto\n");
	if (guest->locked)
		say(text, "locked\n");
	if (guest->nosharepages)
		say(text, "nosharepages\n");
	if (guest->vfio)
		say(text, "vfio\n");
	if (guest->vdpa)
		say(text, "vdpa\n");
	if (guest->security != GUEST_OPEN)
		say(text, "%s\n", securities[guest->security]);
	if (*guest->sharing)
		say(text, "needs sharing: %s\n", guest->sharing);
	if (*guest->refused)
		say(text, "refused: %s\n", guest->refused);
	if (guest->later_kib)
		say(text, "later: %llu\n", (unsigned long long)guest->later_kib);
	for (i = 0; i < guest->n_files; i++)
		say(text, "file %s: %llu\n", guest->files[i].path,
		    (unsigned long long)guest->files[i].memory.size_kib);
	for (i = 0; i < guest->n_extras; i++)
		say(text, "extra %s: %llu '%s'%s\n", guest->extras[i].object,
		    (unsigned long long)guest->extras[i].size_kib, guest->extras[i].path,
		    guest->extras[i].hugetlb ? " huge" : "");
	return text->buf;
}

/* guest_parse() of text on the heap that ends where it ends: sanitizers see a
 * read behind it */
static int parse(const char *xml, size_t len, struct guest **guest, struct err *err)
{
	char *copy = malloc(len ? len : 1);
	int rc;

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, xml, len);
	err->text[0] = '\0';
	rc = guest_parse(copy, len, guest, err);
	free(copy);
	return rc;
}

static const struct {
	const char *name;
	const char *want;
} files[] = {
	{ "plain", "ram: 1048576 anonymous\n" },
	{ "hugepages-default", "ram: 4194304 huge=0 file\n" },
	{ "hugepages-2m", "ram: 1049600 huge=2048 file\nlocked\nnosharepages\n" },
	{ "hugepages-1g", "ram: 4194304 huge=1048576 file strict=1 shared discard\n" },
	{ "hugepages-system-size", "ram: 1048576 anonymous\n" },
	{ "hugepages-nodeset-0", "ram: 1048576 huge=2048 file\n" },
	{ "cells", "cell 0: 1048576 huge=2048 file interleave=0-1\n"
		   "cell 1: 3145728 huge=2048 file interleave=0-1 shared\n" },
	{ "cells-sizes", "cell 0: 1049600 huge=2048 file strict=0-1,3\n"
			 "cell 1: 2097152 huge=1048576 file preferred=1\n"
			 "cell 2: 1048576 huge=1048576 file strict=0-1,3\n"
			 "cell 3: 2097152 huge=2048 file strict=3\n" },
	{ "cells-part", "cell 0: 1048576 anonymous discard\n"
			"cell 1: 2097152 huge=2048 file\n" },
	{ "memnode-restrictive", "cell 0: 1048576 anonymous strict=0-1\n"
				 "cell 1: 1048576 anonymous strict=1\n" },
	{ "auto-placement", "ram: 2097152 huge=0 file\nauto\n" },
	{ "auto-vcpu", "ram: 2097152 anonymous\nauto\n" },
	{ "file", "ram: 2097152 file shared discard\n" },
	{ "file-by-access", "ram: 2097152 file\n" },
	{ "file-parts", "cell 0: 1048576 anonymous\n"
			"cell 1: 2097152 file\n"
			"cell 2: 1048576 huge=2048 file shared\n"
			"dimm 0: 524288 file shared\n"
			"dimm 1: 524288 anonymous\n"
			"dimm 2: 524288 file\n"
			"dimm 3: 524288 huge=2048 file\n"
			"virtio-mem 0: 262144 max=2097152 file shared\n"
			"virtio-mem 1: 0 max=1048576 file\n"
			"file /var/lib/nvdimm: 524288\n"
			"file /var/lib/pmem: 524288\n" },
	{ "memfd", "ram: 2097152 memfd shared\n" },
	{ "memfd-hugepages", "ram: 2097152 huge=2048 memfd shared\n" },
	{ "devices", "cell 0: 2097152 huge=2048 file preferred=0\n"
		     "cell 1: 2097152 file preferred=0 shared discard\n"
		     "dimm 0: 526336 huge=2048 file preferred=0\n"
		     "dimm 1: 1048576 huge=1048576 file preferred=1-2\n"
		     "dimm 2: 524288 file preferred=0 shared discard\n"
		     "virtio-mem 0: 262144 max=2097152 huge=2048 file preferred=0 shared "
		     "discard\n"
		     "later: 2883584\n"
		     "file /var/lib/nvdimm: 524288\n"
		     "file /var/lib/pmem: 524288\n" },
	{ "devices-no-cells", "ram: 2097152 huge=2048 file\n"
			      "dimm 0: 1048576 huge=2048 file\n"
			      "file /var/lib/nvdimm: 1048576\n" },
	{ "power", "ram: 1310720 huge=16384 file\n" },
	{ "vfio", "ram: 2097152 anonymous\nvfio\n" },
	{ "live", "ram: 1048576 anonymous\n" },
	{ "metadata", "ram: 1048576 anonymous\n"
		      "hugepages.compact = never\n"
		      "hugepages.drop_caches = if-needed\n"
		      "hugepages.reclaim = never\n"
		      "ksm = no\n"
		      "store = ram\n" },
};

static void test_files(void)
{
	char path[128];
	struct text text;
	struct err err;
	size_t i, len;

	for (i = 0; i < ROWS(files); i++) {
		cleanup_guest struct guest *guest = NULL;
		char *xml;
		int rc;

		snprintf(path, sizeof(path), "guests/%s.xml", files[i].name);
		xml = unit_read(path, &len);
		rc = parse(xml, len, &guest, &err);
		free(xml);
		if (!UNIT_CHECK(rc == 0, "%s: %s", files[i].name, err.text))
			continue;
		UNIT_CHECK_STR(guest->name, files[i].name, "%s", files[i].name);
		UNIT_CHECK(text_is_uuid(guest->uuid), "%s", files[i].name);
		UNIT_CHECK(guest->id == (strcmp(files[i].name, "live") ? -1 : 17), "%s",
			   files[i].name);
		UNIT_CHECK_STR(describe(guest, &text), files[i].want, "%s", files[i].name);
	}
}

#define CELL_GIB(id, gib) "<cell id='" #id "' memory='" #gib "' unit='GiB'/>"
#define HUGE_2M		  "<hugepages><page size='2' unit='MiB'/></hugepages>"
#define TARGET(x)	  "<target><size unit='GiB'>1</size>" x "</target>"

/* Corners that no file is worth */
static const struct {
	const char *xml;
	const char *want;
} corners[] = {
	{ GUEST("<memory>1</memory>"), "ram: 1024 anonymous\n" },
	{ GUEST("<memory unit='b'>1</memory>"), "ram: 1024 anonymous\n" },
	{ GUEST("<memory unit='GB'>1</memory>"), "ram: 976896 anonymous\n" },
	{ GUEST("<memory unit='GiB'>\n  1\n</memory>"), "ram: 1048576 anonymous\n" },
	{ GUEST("<memory><![CDATA[1048576]]></memory>"), "ram: 1048576 anonymous\n" },
	{ GUEST("<memory>1048<!-- > ' < -->576</memory>"), "ram: 1048576 anonymous\n" },
	{ GUEST("<memory>1&#48;48576</memory>"), "ram: 1048576 anonymous\n" },
	/* The first one counts, as in libvirt */
	{ GUEST(GIB(1) "<memory unit='GiB'>2</memory>"), "ram: 1048576 anonymous\n" },
	/* An element of another namespace is not libvirt's */
	{ GUEST("<x:memory xmlns:x='urn:x'>5</x:memory>" GIB(1)), "ram: 1048576 anonymous\n" },
	/* Prefixes that nobody declared do not stop libvirt */
	{ GUEST("<metadata><q:a/></metadata>" GIB(1)), "ram: 1048576 anonymous\n" },
	/* Just what libvirt takes */
	{ GUEST("<memory>9007199253692415</memory>"), "ram: 9007199253692416 anonymous\n" },
	{ "\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?>\n" GUEST(GIB(1)) "\n\n",
	  "ram: 1048576 anonymous\n" },
	/* Sources, words in a future libvirt's XML */
	{ GUEST(GIB(1) BACKING("<source type='anonymous'/><access mode='shared'/>")),
	  "ram: 1048576 file shared\n" },
	{ GUEST(GIB(1) BACKING("<source type='cxl'/><access mode='quantum'/>")),
	  "ram: 1048576 anonymous\n" },
	{ GUEST(GIB(1) BACKING(HUGE_2M "<source type='file'/>")), "ram: 1048576 huge=2048 file\n" },
	/* A page for cells that do not exist is nobody's */
	{ GUEST(GIB(1) BACKING("<hugepages><page size='2048' nodeset='1'/></hugepages>")),
	  "ram: 1048576 anonymous\n"
	  "refused: the nodeset of a <page> in its <hugepages> names guest NUMA cell 1, and the "
	  "guest has no cells; take nodeset= out, or define cells in its <cpu><numa>\n" },
	{ GUEST(GIB(1) BACKING("<hugepages><page size='2048' nodeset='0,5'/></hugepages>")
			CELLS(CELL_GIB(0, 1) CELL_GIB(1, 1))),
	  "cell 0: 1048576 huge=2048 file\n"
	  "cell 1: 1048576 anonymous\n"
	  "refused: the nodeset of a <page> in its <hugepages> names guest NUMA cell 5, and the "
	  "guest's last one is 1; nodeset= there is of the guest's cells, not of the host's "
	  "nodes\n" },
	{ GUEST(GIB(1) BACKING("<hugepages><page size='2048' nodeset='1'/><page size='1048576' "
			       "nodeset='0'/></hugepages>") CELLS(CELL_GIB(0, 1) CELL_GIB(1, 1))),
	  "cell 0: 1048576 huge=1048576 file\n"
	  "cell 1: 1048576 huge=2048 file\n" },
	{ GUEST(GIB(1) BACKING("<hugepages><page size='2048'/><page size='1048576'/></hugepages>")),
	  "ram: 1048576 huge=1048576 file\n"
	  "refused: two <page> without nodeset in its <hugepages>; say for which guest cells each "
	  "is, or take one out\n" },
	{ GUEST(GIB(1) BACKING("<hugepages><page size='1048576' nodeset='0-1'/>"
			       "<page size='2048' nodeset='1'/><page size='16384'/>"
			       "</hugepages>") CELLS(CELL_GIB(0, 1) CELL_GIB(1, 1) CELL_GIB(2, 1))),
	  "cell 0: 1048576 huge=1048576 file\n"
	  "cell 1: 1048576 huge=1048576 file\n"
	  "cell 2: 1048576 huge=16384 file\n"
	  "refused: two <page> in its <hugepages> name the same guest cell; take it out of one "
	  "nodeset=\n" },
	{ GUEST(GIB(1) BACKING("<hugepages><page size='4' nodeset='0'/><page size='2048'/>"
			       "</hugepages>") CELLS(CELL_GIB(0, 1) CELL_GIB(1, 1))),
	  "cell 0: 1048576 anonymous\n"
	  "cell 1: 1048576 huge=2048 file\n" },
	/* Cells without ids; one without memory */
	{ GUEST(GIB(1) CELLS("<cell memory='1024'/><cell memory='0'/><cell memory='2049'/>")),
	  "cell 0: 1024 anonymous\ncell 2: 3072 anonymous\n" },
	/* Nodes */
	{ GUEST(GIB(1) "<numatune><memory nodeset=' 0-7 , ^3'/></numatune>"),
	  "ram: 1048576 anonymous strict=0-2,4-7\n" },
	{ GUEST(GIB(1) "<numatune><memory mode='weighted' nodeset='1'/></numatune>"),
	  "ram: 1048576 anonymous strict=1\n" },
	{ GUEST(GIB(1) "<numatune><memory mode='interleave'/></numatune>"),
	  "ram: 1048576 anonymous\n" },
	{ GUEST(GIB(1) "<vcpu placement='auto'/><numatune><memory nodeset='2'/></numatune>"),
	  "ram: 1048576 anonymous strict=2\n" },
	/* placement='auto' drops a nodeset, but not a device's own nodes */
	{ GUEST(GIB(1) CELLS(CELL_GIB(
		  0,
		  1)) "<numatune><memory mode='preferred' placement='auto' "
		      "nodeset='0'/></numatune>" DEVICES(
			      "<memory model='dimm'><source><nodemask>1</nodemask></source>" TARGET(
				      "<node>0</node>") "</memory>")),
	  "cell 0: 1048576 anonymous\ndimm 0: 1048576 anonymous preferred=1\nauto\n" },
	{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1) CELL_GIB(
		  1, 1)) "<numatune><memnode cellid='1' nodeset='1'/>"
			 "</numatune>" DEVICES(
				 "<memory model='dimm'>" TARGET("<node>1</node>") "</memory>")),
	  "cell 0: 1048576 anonymous\n"
	  "cell 1: 1048576 anonymous strict=1\n"
	  "dimm 0: 1048576 anonymous strict=1\n" },
	/* Memory devices */
	{ GUEST("<memory unit='GiB'>3</memory>" DEVICES(
		  "<memory model='telepathic'>" TARGET("") "</memory>")),
	  "ram: 2097152 anonymous\n" },
	{ GUEST("<memory unit='GiB'>3</memory>" DEVICES(
		  "<memory model='virtio-mem'><source/>" TARGET(
			  "<requested>2048</requested>") "</memory>")),
	  "ram: 2097152 anonymous\nvirtio-mem 0: 2048 max=1048576 anonymous\n" },
	/* A device finds its page size by its cell, without one the general one */
	{ GUEST("<memory unit='GiB'>3</memory>" BACKING(
		  "<hugepages><page size='2048' nodeset='0'/></hugepages>")
			DEVICES("<memory model='dimm'>" TARGET(
				"<node>0</node>") "</memory>"
						  "<memory model='dimm'>" TARGET("") "</memory>")),
	  "ram: 1048576 huge=2048 file\n"
	  "dimm 0: 1048576 huge=2048 file\n"
	  "dimm 1: 1048576 huge=2048 file\n" },
	/* Pinned memory */
	{ GUEST(GIB(1) DEVICES("<hostdev type='mdev'/>")), "ram: 1048576 anonymous\nvfio\n" },
	{ GUEST(GIB(1) DEVICES("<hostdev type='mdev' model='vfio-ap'/>"
			       "<hostdev type='mdev' model='vfio-ccw'/>")),
	  "ram: 1048576 anonymous\n" },
	{ GUEST(GIB(1) DEVICES("<hostdev type='mdev' model='vfio-ap'/>"
			       "<hostdev type='mdev' model='vfio-pci'/>")),
	  "ram: 1048576 anonymous\nvfio\n" },
	{ GUEST(GIB(1) DEVICES("<interface type='hostdev'/>")), "ram: 1048576 anonymous\nvfio\n" },
	{ GUEST(GIB(1) DEVICES("<disk type='nvme'/>")), "ram: 1048576 anonymous\nvfio\n" },
	{ GUEST(GIB(1) DEVICES("<hostdev type='usb'/><interface type='user'/>")),
	  "ram: 1048576 anonymous\n" },
	{ GUEST(GIB(1) DEVICES("<interface type='vdpa'/>")), "ram: 1048576 anonymous\nvdpa\n" },
	{ GUEST(GIB(1) DEVICES("<disk type='vhostvdpa'/>")), "ram: 1048576 anonymous\nvdpa\n" },
	/* Encrypted memory, also by ways of a future libvirt */
	{ GUEST(GIB(1) "<launchSecurity type='sev'/>"), "ram: 1048576 anonymous\nsev\n" },
	{ GUEST(GIB(1) "<launchSecurity type='sev-snp'/>"), "ram: 1048576 anonymous\nsev-snp\n" },
	{ GUEST(GIB(1) "<launchSecurity type='tdx'/>"), "ram: 1048576 anonymous\ntdx\n" },
	{ GUEST(GIB(1) "<launchSecurity type='s390-pv'/>"), "ram: 1048576 anonymous\ns390-pv\n" },
	{ GUEST(GIB(1) "<launchSecurity type='cca'/>"), "ram: 1048576 anonymous\nencrypted\n" },
	/* vhost-user, in all the ways of writing it */
	{ GUEST(GIB(1) DEVICES("<interface type='vhostuser'/>")),
	  "ram: 1048576 anonymous\nneeds sharing: <interface type='vhostuser'>\n" },
	{ GUEST(GIB(1) DEVICES("<disk type='vhostuser' device='disk'/>")),
	  "ram: 1048576 anonymous\nneeds sharing: <disk type='vhostuser'>\n" },
	{ GUEST(GIB(1) DEVICES("<filesystem type='mount'><driver type='virtiofs'/></filesystem>")),
	  "ram: 1048576 anonymous\nneeds sharing: <filesystem> with <driver type='virtiofs'/>\n" },
	{ GUEST(GIB(1) DEVICES("<video><driver name='vhostuser'/><model type='virtio'/></video>")),
	  "ram: 1048576 anonymous\nneeds sharing: <video> with <driver name='vhostuser'/>\n" },
	{ GUEST(GIB(1) DEVICES("<crypto model='virtio'><backend model='vhost-user'/></crypto>")),
	  "ram: 1048576 anonymous\n"
	  "needs sharing: <crypto> with <backend model='vhost-user'/>\n" },
	{ GUEST(GIB(1) DEVICES("<interface type='vhostuser'/><interface type='vhostuser'/>"
			       "<disk type='vhostuser'/>")),
	  "ram: 1048576 anonymous\n"
	  "needs sharing: <interface type='vhostuser'>, <disk type='vhostuser'>\n" },
	{ GUEST(GIB(1) DEVICES("<filesystem type='mount'><driver type='path'/></filesystem>"
			       "<vsock model='virtio'/><disk type='file'/>")),
	  "ram: 1048576 anonymous\n" },
	/* What libvirt refuses */
	{ GUEST(GIB(1) BACKING(HUGE_2M "<source type='anonymous'/>")),
	  "ram: 1048576 huge=2048 file\n"
	  "refused: no <hugepages/> together with <source type='anonymous'/>; take one of them out "
	  "of its <memoryBacking>\n" },
	{ GUEST(GIB(1) BACKING(HUGE_2M "<allocation mode='ondemand'/>")),
	  "ram: 1048576 huge=2048 file\n"
	  "refused: no <hugepages/> together with <allocation mode='ondemand'/>; take one of them "
	  "out of its <memoryBacking>\n" },
	{ GUEST(GIB(1) BACKING(HUGE_2M "<source type='anonymous'/><allocation mode='ondemand'/>")),
	  "ram: 1048576 huge=2048 file\n"
	  "refused: no <hugepages/> together with <source type='anonymous'/> or "
	  "<allocation mode='ondemand'/>; take one of them out of its <memoryBacking>\n" },
	{ GUEST(GIB(1) BACKING("<source type='anonymous'/><allocation mode='ondemand'/>")),
	  "ram: 1048576 anonymous\n" },
	{ GUEST(GIB(1) BACKING(HUGE_2M "<allocation mode='immediate'/>")),
	  "ram: 1048576 huge=2048 file\n" },
	/* libvirt sums up the cells, whatever <memory> says or doesn't */
	{ GUEST("<currentMemory>1</currentMemory>" CELLS(CELL_GIB(0, 1) CELL_GIB(1, 2))),
	  "cell 0: 1048576 anonymous\ncell 1: 2097152 anonymous\n" },
	{ GUEST("<memory>0</memory>" CELLS(CELL_GIB(0, 1))), "cell 0: 1048576 anonymous\n" },
	/* A <memnode> without mode is strict */
	{ GUEST(CELLS(CELL_GIB(0, 1)) "<numatune><memory mode='interleave' nodeset='0-1'/>"
				      "<memnode cellid='0' nodeset='1'/></numatune>"),
	  "cell 0: 1048576 anonymous strict=1\n" },
	/* Plugged in while it runs */
	{ GUEST("<memory unit='GiB'>3</memory>" BACKING(HUGE_2M) DEVICES("<memory model='virtio-mem'>" TARGET(
		  "<requested>0</requested>") "</memory>"
					      "<memory model='virtio-mem'>" TARGET(
						      "<requested>2048</requested>") "</memory>")),
	  "ram: 1048576 huge=2048 file\nvirtio-mem 1: 2048 max=1048576 huge=2048 file\n"
	  "later: 2095104\n" },
	/* Files that the XML names */
	{ GUEST("<memory unit='GiB'>3</memory>" DEVICES(
		  "<memory model='nvdimm'><source><path>/dev/hugepages/a</path></source>" TARGET(
			  "") "</memory>"
			      "<memory model='virtio-pmem'><source><path>/srv/b</path></source>" TARGET(
				      "") "</memory>")),
	  "ram: 1048576 anonymous\n"
	  "file /dev/hugepages/a: 1048576\nfile /srv/b: 1048576\n" },
	/* Metadata */
	{ GUEST("<metadata><hugepages xmlns='urn:libvirt-membacking:1' compact='never'/>"
		"<x xmlns='urn:libvirt-membacking:2'><ksm>no</ksm></x></metadata>" GIB(1)),
	  "ram: 1048576 anonymous\nhugepages.compact = never\n" },
	{ GUEST("<metadata><m:x xmlns:m='urn:libvirt-membacking:1'><m:ksm> </m:ksm>"
		"<m:ksm manage='no'>text</m:ksm></m:x></metadata>" GIB(1)),
	  "ram: 1048576 anonymous\nksm.manage = no\nksm = text\n" },
};

static void test_corners(void)
{
	struct text text;
	struct err err;
	size_t i;

	for (i = 0; i < ROWS(corners); i++) {
		cleanup_guest struct guest *guest = NULL;
		int rc = parse(corners[i].xml, strlen(corners[i].xml), &guest, &err);

		if (UNIT_CHECK(rc == 0, "%s: %s", corners[i].xml, err.text))
			UNIT_CHECK_STR(describe(guest, &text), corners[i].want, "%s",
				       corners[i].xml);
	}
}

#define QEMU(x)                                                                                    \
	"<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>" WHO GIB(                \
		1) "<qemu:commandline>" x "</qemu:commandline></domain>"
#define ARG(x) "<qemu:arg value='" x "'/>"
#define RAM    "ram: 1048576 anonymous\n"

static const struct {
	const char *xml;
	const char *want;
} arguments[] = {
	{ QEMU(""), RAM },
	{ QEMU(ARG("-object")), RAM },
	{ QEMU(ARG("-object") ARG("iothread,id=memory-backend-file,size=8G")), RAM },
	{ QEMU(ARG("-object") ARG("memory-backend-file,id=m,size=8G,mem-path=/dev/hugepages")),
	  RAM "extra memory-backend-file: 8388608 '/dev/hugepages'\n" },
	{ QEMU(ARG("--object") ARG("qom-type=memory-backend-ram,id=m,size=1073741824")),
	  RAM "extra memory-backend-ram: 1048576 ''\n" },
	{ QEMU(ARG("-object") ARG("memory-backend-memfd,hugetlb=on,hugetlbsize=2M,size=512M,id=m")),
	  RAM "extra memory-backend-memfd: 524288 '' huge\n" },
	{ QEMU(ARG("-object") ARG("memory-backend-memfd,hugetlb=off,size=1")),
	  RAM "extra memory-backend-memfd: 1 ''\n" },
	{ QEMU(ARG("-object") ARG("{\"qom-type\": \"memory-backend-file\", \"size\": 2147483648,"
				  "\"mem-path\":\"/mnt/x\", \"id\":\"m\"}")),
	  RAM "extra memory-backend-file: 2097152 '/mnt/x'\n" },
	{ QEMU(ARG("-object") ARG("memory-backend-ram,sizes=7,size=1M")),
	  RAM "extra memory-backend-ram: 1024 ''\n" },
	{ QEMU(ARG("-mem-path") ARG("/dev/hugepages") ARG("-mem-prealloc")),
	  RAM "extra -mem-path: 0 '/dev/hugepages'\n" },
	{ QEMU(ARG("-object") ARG("memory-backend-file,size=-1") ARG("-mem-path")),
	  RAM "extra memory-backend-file: 0 ''\n" },
	{ QEMU(ARG("-object") ARG("{\"qom-type\":\"memory-backend-file")),
	  RAM "extra memory-backend-file: 0 ''\n" },
	{ QEMU(ARG("-device") ARG("vfio-pci,host=01:00.0")), RAM "vfio\n" },
	{ QEMU(ARG("-device") ARG("{\"driver\":\"vfio-pci\"}")), RAM "vfio\n" },
	{ QEMU(ARG("-netdev") ARG("type=vhost-vdpa,vhostdev=/dev/vhost-vdpa-0,id=n")),
	  RAM "vdpa\n" },
	{ QEMU(ARG("-netdev") ARG("vhost-user,chardev=c,id=n")),
	  RAM "needs sharing: vhost-user in <qemu:commandline>\n" },
	{ QEMU(ARG("-device") ARG("vhost-user-fs-pci,chardev=c,tag=t")),
	  RAM "needs sharing: vhost-user-fs-pci in <qemu:commandline>\n" },
	{ QEMU(ARG("-object") ARG("sev-snp-guest,id=sev0")), RAM "sev-snp\n" },
	/* Other elements and namespaces are none of it */
	{ "<domain xmlns:q='urn:q'>" WHO GIB(1) "<q:commandline><q:arg value='-mem-path'/>"
						"<q:arg value='/x'/></q:commandline></domain>",
	  RAM },
	{ QEMU("<arg value='-mem-path'/>" ARG("/x")), RAM },
};

/* What is given to QEMU past libvirt */
static void test_arguments(void)
{
	struct text text;
	struct err err;
	size_t i;

	for (i = 0; i < ROWS(arguments); i++) {
		cleanup_guest struct guest *guest = NULL;
		int rc = parse(arguments[i].xml, strlen(arguments[i].xml), &guest, &err);

		if (UNIT_CHECK(rc == 0, "%s: %s", arguments[i].xml, err.text))
			UNIT_CHECK_STR(describe(guest, &text), arguments[i].want, "%s",
				       arguments[i].xml);
	}
}

/* For other hosts, and of guests that are not defined */
static void test_reading(void)
{
	static const char xml[] = "<domain><name>g</name>" GIB(
		1) "<memoryBacking><hugepages><page size='64'/></hugepages>"
		   "</memoryBacking></domain>";
	struct guest_reading reading = { .page_kib = 64, .arch = "ppc64le", .draft = true };
	cleanup_guest struct guest *guest = NULL, *again = NULL, *defined = NULL;
	struct err err;

	CU_ASSERT_EQUAL(guest_parse(xml, strlen(xml), &guest, &err), -EINVAL);
	CU_ASSERT_FATAL(guest_parse_as(xml, strlen(xml), &reading, &guest, &err) == 0);
	CU_ASSERT_FALSE(guest->memory[0].hugepages);
	CU_ASSERT_STRING_EQUAL(guest->arch, "ppc64le");
	CU_ASSERT(guest->reading.draft && text_is_uuid(guest->uuid));
	CU_ASSERT_FATAL(guest_parse_as(xml, strlen(xml), &reading, &again, &err) == 0);
	CU_ASSERT_STRING_EQUAL(guest->uuid, again->uuid);
	reading.page_kib = 4;
	CU_ASSERT_FATAL(guest_parse_as(GUEST(GIB(1) BACKING(HUGE_2M)),
				       strlen(GUEST(GIB(1) BACKING(HUGE_2M))), &reading, &defined,
				       &err) == 0);
	CU_ASSERT(defined->memory[0].hugepages && !defined->reading.draft);
	CU_ASSERT_STRING_EQUAL(defined->uuid, UUID);
}

/* Private parts of a guest whose devices' back ends have to map it */
static void test_unshared(void)
{
#define VHOST DEVICES("<interface type='vhostuser'/>")
	static const struct {
		const char *xml;
		const char *alias; /* NULL: all is shared that has to be */
	} rows[] = {
		{ GUEST(GIB(1)), NULL },
		{ GUEST(GIB(1) VHOST), "ram" },
		{ GUEST(GIB(1) BACKING(HUGE_2M) VHOST), "ram" },
		{ GUEST(GIB(1) BACKING(HUGE_2M "<access mode='private'/>") VHOST), "ram" },
		{ GUEST(GIB(1) BACKING(HUGE_2M "<access mode='shared'/>") VHOST), NULL },
		{ GUEST(CELLS("<cell memory='1024' memAccess='shared'/>"
			      "<cell memory='1024'/>") VHOST),
		  "cell 1" },
		{ GUEST(BACKING("<access mode='shared'/>")
				CELLS("<cell memory='1024'/>"
				      "<cell memory='1024' memAccess='private'/>") VHOST),
		  "cell 1" },
	};
#undef VHOST
	struct err err;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_guest struct guest *guest = NULL;
		const struct guest_memory *found;

		CU_ASSERT_FATAL(parse(rows[i].xml, strlen(rows[i].xml), &guest, &err) == 0);
		found = guest_unshared(guest);
		UNIT_CHECK_STR(found ? found->alias : NULL, rows[i].alias, "%s", rows[i].xml);
	}
}

/* What the files of a guest can come to hold */
static void test_file_kib(void)
{
	static const struct {
		const char *xml;
		uint64_t kib;
	} rows[] = {
		{ GUEST(GIB(1)), 0 },
		{ GUEST(GIB(1) BACKING("<source type='file'/>")), KIB_PER_GIB },
		{ GUEST(GIB(1) BACKING("<source type='memfd'/>")), 0 },
		{ GUEST(GIB(1) BACKING("<source type='memfd'/><access mode='shared'/>")), 0 },
		{ GUEST(GIB(1) BACKING("<access mode='private'/>")), KIB_PER_GIB },
		{ GUEST(GIB(1) BACKING("<access/>")), 0 },
		{ GUEST(GIB(1) BACKING("<hugepages/><source type='file'/>")), 0 },
		{ GUEST(GIB(1) BACKING("<hugepages><page size='4'/></hugepages>"
				       "<source type='file'/>")),
		  KIB_PER_GIB },
		{ GUEST("<memory>1</memory>" BACKING("<source type='file'/>")), 1024 },
		{ GUEST(GIB(1) BACKING("<source type='file'/>")
				CELLS(CELL_GIB(0, 1) CELL_GIB(1, 2) CELL_GIB(2, 4))),
		  7 * KIB_PER_GIB },
		{ GUEST(GIB(1) CELLS(
			  CELL_GIB(0, 1) "<cell id='1' memory='3072' memAccess='shared'/>"
					 "<cell id='2' memory='1024' "
					 "memAccess='private'/>")),
		  4096 },
		{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1)) DEVICES("<memory model='dimm' access='shared'>" TARGET(
			  "<node>0</node>") "</memory><memory model='dimm'>" TARGET("<node>0</node>") "</memory>")),
		  KIB_PER_GIB },
		{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1)) DEVICES(
			  "<memory model='dimm' access='shared'><source><pagesize>2048</pagesize>"
			  "</source>" TARGET("<node>0</node>") "</memory>")),
		  0 },
		/* All that a virtio-mem can be given, also if it begins with nothing */
		{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1))
				DEVICES("<memory model='virtio-mem' access='shared'>" TARGET(
					"<node>0</node><requested>0</requested>") "</memory>")),
		  KIB_PER_GIB },
		{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1)) DEVICES("<memory model='virtio-mem'>" TARGET(
			  "<node>0</node><requested>2048</requested>") "</memory>")),
		  0 },
		/* They have a path of their own */
		{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1)) DEVICES(
			  "<memory model='nvdimm' access='shared'><source><path>/x</path>"
			  "</source>" TARGET(
				  "<node>0</node>") "</memory>"
						    "<memory model='virtio-pmem' access='shared'><source><path>/y</path>"
						    "</source>" TARGET("") "</memory>")),
		  0 },
	};
	struct err err;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_guest struct guest *guest = NULL;
		int rc = parse(rows[i].xml, strlen(rows[i].xml), &guest, &err);

		if (UNIT_CHECK(rc == 0, "%s: %s", rows[i].xml, err.text))
			UNIT_CHECK(guest_file_kib(guest) == rows[i].kib, "%s: %llu", rows[i].xml,
				   (unsigned long long)guest_file_kib(guest));
	}
}

#define TEN(x) x x x x x x x x x x

/* Compared with what virDomainDefGetShortName() of libvirt 9.0 makes of them in the
 * locales C.UTF-8 and C */
static const struct {
	int64_t id;
	const char *name;
	const char *first, *second;
} directories[] = {
	{ 7, "short", "7-short", NULL },
	{ 0, "x", "0-x", NULL },
	{ INT32_MAX, "x", "2147483647-x", NULL },
	{ -1, "short", NULL, NULL },
	{ 7, "../../etc", NULL, NULL },
	{ 7, "exactly-twenty-chars", "7-exactly-twenty-chars", NULL },
	{ 7, "exactly-twenty-chars-and-more", "7-exactly-twenty-chars", NULL },
	{ 7, "虚拟机", "7-虚拟机", NULL },
	{ 7, TEN("虚拟机"), "7-虚拟机虚拟机虚拟机虚拟机虚拟机虚拟机虚拟",
	  "7-虚拟机虚拟机\xe8\x99" },
	{ 7, TEN("虚"), "7-" TEN("虚"), "7-虚虚虚虚虚虚\xe8\x99" },
	{ 7, "aaaaaaaaaaaaaaaaaaa\xc3\xbcx", "7-aaaaaaaaaaaaaaaaaaa\xc3\xbc",
	  "7-aaaaaaaaaaaaaaaaaaa\xc3" },
	{ 7, TEN("e\xcc\x81"), "7-" TEN("e\xcc\x81"),
	  "7-e\xcc\x81"
	  "e\xcc\x81"
	  "e\xcc\x81"
	  "e\xcc\x81"
	  "e\xcc\x81"
	  "e\xcc\x81"
	  "e\xcc" },
	{ 7, TEN("\xf0\x9f\x98\x80") TEN("\xf0\x9f\x98\x80") "x",
	  "7-" TEN("\xf0\x9f\x98\x80") TEN("\xf0\x9f\x98\x80"),
	  "7-\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98"
	  "\x80" },
	/* No UTF-8, which libvirt takes byte by byte */
	{ 7, "bad\xff\xfename-with-more-than-20-bytes", "7-bad\xff\xfename-with-more-", NULL },
	{ 7,
	  "\x80\x80\x80"
	  "abc",
	  "7-\x80\x80\x80"
	  "abc",
	  NULL },
};

static void test_directories(void)
{
	static struct guest guest;
	size_t i;

	for (i = 0; i < ROWS(directories); i++) {
		char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE] = { "", "" };
		size_t want = directories[i].second ? 2 : directories[i].first ? 1 : 0, n;

		guest.id = directories[i].id;
		snprintf(guest.name, sizeof(guest.name), "%s", directories[i].name);
		n = guest_directories(&guest, names);
		UNIT_CHECK(n == want, "row %zu: %zu", i, n);
		UNIT_CHECK_STR(names[0], want ? directories[i].first : "", "row %zu", i);
		UNIT_CHECK_STR(names[1], want > 1 ? directories[i].second : "", "row %zu", i);
	}
}

/* The longest names, of any bytes, still make a file name */
static void test_long_directories(void)
{
	static const char fill[] = { 'x', '\x80', '\xbf', '\xf0', '\xff' };
	static struct guest guest = { .id = INT64_MAX };
	size_t i;

	for (i = 0; i < sizeof(fill); i++) {
		char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE] = { "", "" };
		size_t n;

		memset(guest.name, fill[i], sizeof(guest.name) - 1);
		n = guest_directories(&guest, names);
		UNIT_CHECK(n >= 1 && strlen(names[0]) < 110, "row %zu: %zu", i, strlen(names[0]));
		UNIT_CHECK(strlen(names[n - 1]) == 20 + 20, "row %zu", i);
	}
}

#define BILLION_LAUGHS                                                                             \
	"<!DOCTYPE domain [<!ENTITY a 'ha'>"                                                       \
	"<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"                                             \
	"<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>"                                             \
	"<!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>"                                             \
	"<!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'>"                                             \
	"<!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;'>"                                             \
	"<!ENTITY g '&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;'>]>"

/* What libxml2 says differs between its versions; the line does not */
static const struct {
	const char *xml;
	const char *words; /* that the sentence must have */
} refused[] = {
	{ "", "nothing there" },
	{ " ", "line 1" },
	{ "memory", "line 1" },
	{ "<domain", "line 1" },
	{ "<domain>" WHO GIB(1), "line 1" },
	{ "<domain>\n" WHO "\n<memory>1</memry>\n</domain>", "line 3: " },
	{ GUEST(GIB(1)) "<domain/>", "line 1" },
	{ "<domain>" WHO GIB(1) "<a b='1' b='2'/></domain>", "line 1" },
	{ "<network/>", "<network>, not <domain>" },
	{ "<domains>" GUEST(GIB(1)) "</domains>", "<domains>, not <domain>" },
	{ "<!-- just a comment -->", "line 1" },
	/* Entities and document types, wherever declared */
	{ BILLION_LAUGHS "<domain>&g;" WHO GIB(1) "</domain>", "document type definition" },
	{ "<!DOCTYPE domain SYSTEM 'file:///etc/passwd'>" GUEST(GIB(1)),
	  "document type definition" },
	{ "<!DOCTYPE domain SYSTEM 'http://127.0.0.1:1/x.dtd'>" GUEST(GIB(1)),
	  "document type definition" },
	{ "<!DOCTYPE domain [<!ENTITY x SYSTEM '/etc/shadow'>]>"
	  "<domain><name>&x;</name></domain>",
	  "document type definition" },
	{ "<!DOCTYPE domain [<!ENTITY % p SYSTEM '/etc/shadow'> %p;]>" GUEST(GIB(1)),
	  "document type definition" },
	{ "<!DOCTYPE domain>" GUEST(GIB(1)), "document type definition" },
	{ "<?xml version='1.0'?>\n<!-- <a> -->\n<!DOCTYPE\n", "line" },
	{ GUEST("<memory>&unknown;</memory>"), "unknown" },
	/* Not UTF-8, whatever it calls itself */
	{ "<domain><name>caf\xe9</name></domain>", "line 1" },
	{ "<?xml version='1.0' encoding='ISO-8859-1'?><domain><name>caf\xe9</name></domain>",
	  "line 1" },
	{ "<domain><name>\xed\xa0\x80</name></domain>", "line 1" },
	{ "<domain><name>\xc0\x80</name></domain>", "line 1" },
	{ "<domain><name>a&#0;b</name></domain>", "line 1" },
	{ "<domain><name>a\x01z</name></domain>", "line 1" },
	/* Who is it? */
	{ "<domain>" GIB(1) "<uuid>" UUID "</uuid></domain>", "no <name>" },
	{ "<domain><name></name></domain>", "<name> is ''" },
	{ "<domain><name>  </name></domain>", "<name> is '  '" },
	{ "<domain><name>../x</name></domain>", "<name> is '../x'" },
	{ "<domain><name>a\nb</name></domain>", "<name> is 'a b'" },
	{ "<domain><name>a&#9;b</name></domain>", "<name> is 'a b'" },
	{ "<domain><name>a\x7f</name></domain>", "<name> is" },
	{ "<domain><name>g</name>" GIB(1) "</domain>", "no <uuid>" },
	{ "<domain><name>g</name><uuid/>" GIB(1) "</domain>", "<uuid> is ''" },
	{ "<domain><name>g</name><uuid>../../../../../../../../etc/passwd</uuid></domain>",
	  "<uuid> is '../../../../../../../../etc/passwd'" },
	{ "<domain><name>g</name><uuid>..a5fdbd/cdaf/9455/926a/d65c16db1809</uuid></domain>",
	  "<uuid> is '..a5fdbd/cdaf" },
	{ "<domain><name>g</name><uuid>" UUID "0</uuid></domain>", "<uuid> is" },
	{ "<domain><name>g</name><uuid>c7a5fdbdcdaf9455926ad65c16db18</uuid></domain>",
	  "<uuid> is" },
	{ "<domain><name>g</name><uuid>c7a5fdbdcdaf9455926ad65c16db180g</uuid></domain>",
	  "<uuid> is" },
	{ "<domain id='-1'>" WHO GIB(1) "</domain>", "id of <domain> is '-1'" },
	{ "<domain id='2147483648'>" WHO GIB(1) "</domain>", "id of <domain> is '2147483648'" },
	{ "<domain id='1/../2'>" WHO GIB(1) "</domain>", "id of <domain> is '1/../2'" },
	/* Files, which cells and devices can ask for by themselves */
	{ GUEST(GIB(1) CELLS("<cell memory='x' memAccess='shared'/>")), "memory of <cell> is 'x'" },
	{ GUEST(GIB(1) DEVICES("<memory model='dimm' access='private'><target/></memory>")),
	  "without a <size>" },
	/* Huge pages */
	{ GUEST(GIB(1) BACKING("<hugepages><page/></hugepages>")), "<page> has no size" },
	{ GUEST(GIB(1) BACKING("<hugepages><page size='0'/></hugepages>")), "<page> has no size" },
	{ GUEST(GIB(1) BACKING("<hugepages><page size='-2048'/></hugepages>")),
	  "size of <page> is '-2048'" },
	{ GUEST(GIB(1) BACKING("<hugepages><page size='2' unit='Mio'/></hugepages>")),
	  "size of <page> is '2' with unit 'Mio'" },
	{ GUEST(GIB(1) BACKING("<hugepages><page size='2048' nodeset=''/></hugepages>")),
	  "nodeset of <page> is ''" },
	{ GUEST(GIB(1) BACKING("<hugepages><page size='2048' nodeset='0,^0'/></hugepages>")),
	  "nodeset of <page> is '0,^0'" },
	{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1))
			DEVICES("<memory model='dimm'><source><pagesize>?"
				"</pagesize></source>" TARGET("") "</memory>")),
	  "<pagesize> is '?'" },
};

/* What is wrong with the memory: refused only of a guest that asks for huge pages or files */
static const struct {
	const char *xml;
	const char *words;
} doubtful[] = {
	/* How much? */
	{ GUEST(""), "no <memory> element" },
	{ GUEST("<memory/>"), "<memory> is ''" },
	{ GUEST("<memory>0</memory>"), "0 KiB of <memory>" },
	{ GUEST("<memory>-1</memory>"), "<memory> is '-1'" },
	{ GUEST("<memory>+1</memory>"), "<memory> is '+1'" },
	{ GUEST("<memory>1.5</memory>"), "<memory> is '1.5'" },
	{ GUEST("<memory>0x10</memory>"), "<memory> is '0x10'" },
	{ GUEST("<memory>1 024</memory>"), "<memory> is '1 024'" },
	{ GUEST("<memory>1 GiB</memory>"), "<memory> is '1 GiB'" },
	{ GUEST("<memory>much</memory>"), "line 1: <memory> is 'much' with unit 'KiB': expected" },
	{ GUEST("<memory unit='KiBi'>1</memory>"), "with unit 'KiBi'" },
	{ GUEST("<memory unit='ZiB'>1</memory>"), "with unit 'ZiB'" },
	{ GUEST("<memory unit='GiB&lt;'>1</memory>"), "with unit 'GiB<'" },
	{ GUEST("<memory unit='EiB'>8</memory>"), "<memory> is '8' EiB: more than 8 EiB" },
	{ GUEST("<memory>9007199254740992</memory>"), "more than 8 EiB" },
	{ GUEST("<memory>18446744073709551615</memory>"), "more than 8 EiB" },
	{ GUEST("<memory>18446744073709551616</memory>"), "more than 8 EiB" },
	{ GUEST("<memory unit='b'>99999999999999999999999999999999999</memory>"),
	  "more than 8 EiB" },
	{ GUEST("<memory unit='EiB'>18446744073709551615</memory>"), "more than 8 EiB" },
	/* Cells */
	{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1) CELL_GIB(0, 1))), "two cells with id 0" },
	{ GUEST(GIB(1) CELLS(CELL_GIB(1, 1))),
	  "id of <cell> is '1': expected a number from 0 to 0" },
	{ GUEST(GIB(1) CELLS("<cell id='-1' memory='1'/>")), "id of <cell> is '-1'" },
	{ GUEST(GIB(1) CELLS("<cell id='0'/>")), "cell 0 does not say its memory" },
	{ GUEST(GIB(1) CELLS("<cell memory=''/>")), "memory of <cell> is ''" },
	{ GUEST(GIB(1) CELLS("<cell memory='0'/>")), "all NUMA cells of the guest have 0 KiB" },
	{ GUEST(GIB(1) CELLS("<cell memory='5' unit='EiB'/><cell memory='5' unit='EiB'/>")),
	  "sums up to more than 8 EiB" },
	/* Memory devices */
	{ GUEST(GIB(1) DEVICES("<memory model='dimm'/>")), "without a <size>" },
	{ GUEST(GIB(1) DEVICES("<memory model='dimm'><target><size>x</size></target></memory>")),
	  "<size> is 'x'" },
	{ GUEST(GIB(1) DEVICES("<memory model='dimm'>" TARGET("") "</memory>")),
	  "the memory devices leave nothing of <memory>" },
	{ GUEST(GIB(1) DEVICES("<memory model='nvdimm'><target><size unit='EiB'>7</size></target>"
			       "</memory>")),
	  "the memory devices leave nothing of <memory>" },
	{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1))
			DEVICES("<memory model='dimm'>" TARGET("<node>1</node>") "</memory>")),
	  "<node> is '1'" },
	{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1)) DEVICES(
		  "<memory model='virtio-mem'>" TARGET("<requested>-1</requested>") "</memory>")),
	  "<requested> is '-1'" },
};

/* Nodes that are not understood: of a guest without huge pages they are libvirt's alone */
static const struct {
	const char *xml;
	const char *words;
} troubled[] = {
	/* Nodes */
	{ GUEST(GIB(1) "<numatune><memory nodeset='a'/></numatune>"),
	  "nodeset of <memory> is 'a'" },
	{ GUEST(GIB(1) "<numatune><memory nodeset='-1'/></numatune>"), "nodeset of <memory>" },
	{ GUEST(GIB(1) "<numatune><memory nodeset='3-1'/></numatune>"), "nodeset of <memory>" },
	{ GUEST(GIB(1) "<numatune><memory nodeset='0-99999999999'/></numatune>"),
	  "nodes go up to 1023" },
	{ GUEST(GIB(1) "<numatune><memnode cellid='0' nodeset='0'/></numatune>"),
	  "without NUMA cells" },
	{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1)) "<numatune><memnode nodeset='0'/></numatune>"),
	  "<memnode> has no cellid" },
	{ GUEST(GIB(1) CELLS(
		  CELL_GIB(0, 1)) "<numatune><memnode cellid='1' nodeset='0'/></numatune>"),
	  "cellid of <memnode> is '1'" },
	{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1)) "<numatune><memnode cellid='0'/></numatune>"),
	  "has no nodeset" },
	{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1)) "<numatune><memnode cellid='0' nodeset='0'/>"
					     "<memnode cellid='0' nodeset='0'/></numatune>"),
	  "two <memnode> for cell 0" },
	{ GUEST(GIB(1) CELLS(CELL_GIB(0, 1)) DEVICES(
		  "<memory model='dimm'><source><nodemask/></source>" TARGET("") "</memory>")),
	  "<nodemask> is ''" },
};

/* A refusal: the code, a sentence of one line with @words, the result untouched */
static void check_refused(const char *xml, size_t len, int want, const char *words)
{
	struct guest *const untouched = (struct guest *)&untouched;
	struct guest *guest = untouched;
	struct err err;
	int rc = parse(xml, len, &guest, &err);

	UNIT_CHECK(rc == want, "%.200s: %d %s", xml, rc, err.text);
	UNIT_CHECK(strstr(err.text, words) != NULL, "%.200s: '%s', not '%s'", xml, err.text, words);
	UNIT_CHECK(!strncmp(err.text, "domain XML", 10), "%.200s: %s", xml, err.text);
	UNIT_CHECK(!strchr(err.text, '\n'), "%.200s", xml);
	UNIT_CHECK(guest == untouched, "%.200s", xml);
	if (rc == 0)
		guest_free(guest);
}

static void test_refused(void)
{
	size_t i;

	for (i = 0; i < ROWS(refused); i++)
		check_refused(refused[i].xml, strlen(refused[i].xml), -EINVAL, refused[i].words);
}

/* @xml, with @element before its end */
static void add_element(const char *xml, const char *element, char *buf, size_t size)
{
	int len = (int)(strlen(xml) - strlen("</domain>"));

	snprintf(buf, size, "%.*s%s</domain>", len, xml, element);
}

#define ASK_HUGE   "<memoryBacking><hugepages/></memoryBacking>"
#define ASK_FILE   "<memoryBacking><source type='file'/></memoryBacking>"
#define ASK_SHARED "<memoryBacking><access mode='shared'/></memoryBacking>"

/* Refused of a guest that asks for something of ours; of others a word about it remains */
static void test_doubt(void)
{
	static const char *const asks[] = { ASK_HUGE, ASK_FILE, ASK_SHARED };
	char xml[2048];
	struct err err;
	size_t i, j;

	for (i = 0; i < ROWS(doubtful); i++) {
		cleanup_guest struct guest *guest = NULL;
		const char *plain = doubtful[i].xml;

		for (j = 0; j < ROWS(asks); j++) {
			add_element(plain, asks[j], xml, sizeof(xml));
			check_refused(xml, strlen(xml), -EINVAL, doubtful[i].words);
		}
		if (!UNIT_CHECK(parse(plain, strlen(plain), &guest, &err) == 0, "%s: %s", plain,
				err.text))
			continue;
		UNIT_CHECK(strstr(guest->doubt, doubtful[i].words) != NULL, "%s: '%s'", plain,
			   guest->doubt);
		UNIT_CHECK(guest->n_memory == 0, "%s", plain);
	}
}

/* Files need no node; a part without huge pages doesn't either */
static void test_troubled_nodes(void)
{
	static const char *const fine[] = { "", ASK_FILE };
	char xml[2048];
	struct err err;
	size_t i, j;

	for (i = 0; i < ROWS(troubled); i++) {
		add_element(troubled[i].xml, ASK_HUGE, xml, sizeof(xml));
		check_refused(xml, strlen(xml), -EINVAL, troubled[i].words);
		for (j = 0; j < ROWS(fine); j++) {
			cleanup_guest struct guest *guest = NULL;

			add_element(troubled[i].xml, fine[j], xml, sizeof(xml));
			if (!UNIT_CHECK(parse(xml, strlen(xml), &guest, &err) == 0, "%s: %s", xml,
					err.text))
				continue;
			UNIT_CHECK(guest->n_memory > 0 && !*guest->doubt, "%s", xml);
			UNIT_CHECK((guest->memory[0].bind == GUEST_BIND_ANY) ==
					   nodeset_empty(&guest->memory[0].nodes),
				   "%s", xml);
		}
	}
}

/* Of a guest with huge pages in one cell, nodes of another cell matter to nobody here */
static void test_trouble_elsewhere(void)
{
#define PARTS(cell)                                                                                \
	GUEST(BACKING("<hugepages><page size='2048' nodeset='" cell "'/></hugepages>")             \
		      CELLS(CELL_GIB(0, 1) CELL_GIB(1, 1)) "<numatune>"                            \
							   "<memnode cellid='1' proportion='1'/>"  \
							   "</numatune>")
	cleanup_guest struct guest *guest = NULL;
	struct err err;

	CU_ASSERT_EQUAL(parse(PARTS("0"), strlen(PARTS("0")), &guest, &err), 0);
	check_refused(PARTS("1"), strlen(PARTS("1")), -EINVAL,
		      "<memnode> of cell 1 has no nodeset");
#undef PARTS
}

/* Nobody reads the sentence: no crash */
static void test_no_reader(void)
{
	struct guest *guest = NULL;
	size_t i;

	for (i = 0; i < ROWS(refused); i++)
		UNIT_CHECK(guest_parse(refused[i].xml, strlen(refused[i].xml), &guest, NULL) < 0,
			   "%s", refused[i].xml);
	guest_free(NULL);
}

/* Every beginning of a document is refused, none is believed */
static void test_truncated(void)
{
	static const char *const names[] = { "plain", "devices", "metadata" };
	char path[64];
	size_t i, len, cut;

	for (i = 0; i < ROWS(names); i++) {
		char *xml;

		snprintf(path, sizeof(path), "guests/%s.xml", names[i]);
		xml = unit_read(path, &len);
		while (len && xml[len - 1] == '\n')
			len--;
		for (cut = 0; cut < len; cut++) {
			struct guest *guest = NULL;
			struct err err;
			int rc = parse(xml, cut, &guest, &err);

			UNIT_CHECK(rc == -EINVAL && err.text[0], "%s to %zu: %d %s", names[i], cut,
				   rc, err.text);
			guest_free(guest);
		}
		free(xml);
	}
}

static void test_nul(void)
{
	static const char inside[] = "<domain><name>a\0b</name></domain>";
	static const char utf16[] = "<\0d\0o\0m\0a\0i\0n\0/\0>\0";
	static const char behind[] = GUEST(GIB(1));

	check_refused(inside, sizeof(inside) - 1, -EINVAL, "NUL byte");
	check_refused(utf16, sizeof(utf16) - 1, -EINVAL, "NUL byte");
	check_refused(behind, sizeof(behind), -EINVAL, "NUL byte");
}

/* A growing document for the tests of size */
struct heap {
	char *buf;
	size_t used, size;
};

static void add(struct heap *heap, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct heap *heap, const char *fmt, ...)
{
	va_list ap;

	if (heap->size - heap->used < 512) {
		heap->size = heap->size ? heap->size * 2 : 65536;
		heap->buf = realloc(heap->buf, heap->size);
		CU_ASSERT_PTR_NOT_NULL_FATAL(heap->buf);
	}
	va_start(ap, fmt);
	heap->used += (size_t)vsnprintf(heap->buf + heap->used, heap->size - heap->used, fmt, ap);
	va_end(ap);
}

/* The same again and again, until @size bytes are used */
static void fill(struct heap *heap, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (heap->size < size + len + 512) {
		heap->size = size + len + 512;
		heap->buf = realloc(heap->buf, heap->size);
		CU_ASSERT_PTR_NOT_NULL_FATAL(heap->buf);
	}
	for (; heap->used < size; heap->used += len)
		memcpy(heap->buf + heap->used, text, len);
}

static void refuse_heap(struct heap *heap, int want, const char *words)
{
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	check_refused(heap->buf, heap->used, want, words);
	clock_gettime(CLOCK_MONOTONIC, &to);
	/* Sanitizers and a busy machine included; without our limits it is minutes */
	UNIT_CHECK(to.tv_sec - from.tv_sec < 10, "%s: %ld s", words,
		   (long)(to.tv_sec - from.tv_sec));
	free(heap->buf);
	memset(heap, 0, sizeof(*heap));
}

static void test_32_mib(void)
{
	struct heap heap = { 0 };

	add(&heap, "<domain>" WHO GIB(1) "<devices>");
	fill(&heap, 32u * 1024 * 1024, "<disk type='file'><source file='/var/lib/x'/></disk>\n");
	add(&heap, "</devices></domain>");
	refuse_heap(&heap, -EFBIG, "bytes, at most 8388608 are accepted");
}

/* Below the limit of size, but as expensive as it gets */
static void test_expensive(void)
{
	struct heap heap = { 0 };
	unsigned int i;

	/* libxml2 compares each with each */
	add(&heap, "<domain ");
	for (i = 0; heap.used < GUEST_XML_MAX - 100; i++)
		add(&heap, "a%u='' ", i);
	add(&heap, "/>");
	refuse_heap(&heap, -EINVAL, "attributes, at most 64 are accepted");

	add(&heap, "<domain><!-- > --><![CDATA[<a>]]><?p > ?><x y='>' z=\"'\" ");
	for (i = 0; heap.used < GUEST_XML_MAX - 100; i++)
		add(&heap, "xmlns:a%u='>'\n", i);
	add(&heap, "/></domain>");
	refuse_heap(&heap, -EINVAL, "attributes, at most 64 are accepted");

	add(&heap, "<domain>");
	fill(&heap, GUEST_XML_MAX - 100, "<a/><a></a>");
	add(&heap, "</domain>");
	refuse_heap(&heap, -EINVAL, "more than 65536 tags");

	/* Almost as many as accepted, and every name a search through all declarations */
	add(&heap, "<domain>");
	for (i = 0; i < 250; i++)
		add(&heap, "<a xmlns:a%u='a' xmlns:b%u='b' xmlns:c%u='c' xmlns:d%u='d'>", i, i, i,
		    i);
	for (i = 0; i < 65000; i++)
		add(&heap, "<a0:a/>");
	refuse_heap(&heap, -EINVAL, "line 1");

	add(&heap, "<domain>" WHO "<memory>");
	fill(&heap, GUEST_XML_MAX - 100, "1");
	add(&heap, "</memory>" ASK_HUGE "</domain>");
	refuse_heap(&heap, -EINVAL, "more than 8 EiB");

	add(&heap, "<domain><name>");
	fill(&heap, GUEST_XML_MAX - 100, "n");
	add(&heap, "</name></domain>");
	refuse_heap(&heap, -EINVAL, "expected 1 to 1023 bytes");
}

static void test_deep(void)
{
	struct heap heap = { 0 };
	unsigned int i;

	add(&heap, "<domain>");
	for (i = 0; i < 60000; i++)
		add(&heap, "<a>");
	refuse_heap(&heap, -EINVAL, "line 1");
	for (i = 0; i < 60000; i++)
		add(&heap, "<memory>");
	refuse_heap(&heap, -EINVAL, "line 1");
}

static void test_too_many(void)
{
	static const struct {
		const char *before, *item, *after, *words;
	} rows[] = {
		{ "<cpu><numa>", "<cell memory='1'/>", "</numa></cpu>",
		  "more than 1024 <cell> elements" },
		{ "<devices>", "<memory model='dimm'/>", "</devices>",
		  "more than 1024 <memory> elements" },
		{ "<memoryBacking><hugepages>", "<page size='2048'/>",
		  "</hugepages></memoryBacking>", "more than 1024 <page> elements" },
		{ "<metadata><m:m xmlns:m='urn:libvirt-membacking:1'>", "<m:ksm>no</m:ksm>",
		  "</m:m></metadata>", "more than 64 settings in <metadata>" },
	};
	struct heap heap = { 0 };
	unsigned int n;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		add(&heap, "<domain>" WHO GIB(1) "%s", rows[i].before);
		for (n = 0; n < 20000; n++)
			add(&heap, "%s", rows[i].item);
		add(&heap, "%s" ASK_HUGE "</domain>", rows[i].after);
		refuse_heap(&heap, -EINVAL, rows[i].words);
	}
}

/* As many as accepted are accepted */
static void test_many(void)
{
	cleanup_guest struct guest *guest = NULL;
	struct heap heap = { 0 };
	struct err err;
	unsigned int i;
	int rc;

	add(&heap, "<domain>" WHO GIB(1) "<cpu><numa>");
	for (i = GUEST_XML_ITEMS_MAX; i-- > 0;)
		add(&heap, "<cell id='%u' memory='%u' unit='MiB'/>", i, i + 1);
	add(&heap, "</numa></cpu><devices>");
	for (i = 0; i < GUEST_XML_ITEMS_MAX; i++)
		add(&heap, "<memory model='dimm'>" TARGET("<node>%u</node>") "</memory>", i);
	add(&heap, "</devices><metadata><ksm xmlns='" GUEST_METADATA_NAMESPACE "'>");
	for (i = 0; i < GUEST_SETTINGS_MAX; i++)
		add(&heap, "<k%u>v</k%u>", i, i);
	add(&heap, "</ksm></metadata></domain>");
	rc = parse(heap.buf, heap.used, &guest, &err);
	free(heap.buf);
	if (!UNIT_CHECK(rc == 0, "%s", err.text))
		return;
	CU_ASSERT_EQUAL_FATAL(guest->n_memory, 2 * GUEST_XML_ITEMS_MAX);
	CU_ASSERT_EQUAL(guest->memory[1023].cell, 1023);
	CU_ASSERT_EQUAL(guest->memory[1023].size_kib, 1048576);
	CU_ASSERT_STRING_EQUAL(guest->memory[2047].alias, "dimm 1023");
	CU_ASSERT_EQUAL_FATAL(guest->n_settings, GUEST_SETTINGS_MAX);
	CU_ASSERT_STRING_EQUAL(guest->settings[63].key, "ksm.k63");
}

static void test_metadata_bounds(void)
{
	char fits[GUEST_SETTING_SIZE], wide[GUEST_SETTING_SIZE + 1], xml[2048];
	cleanup_guest struct guest *guest = NULL;
	struct err err;

	memset(fits, 'x', sizeof(fits) - 1);
	fits[sizeof(fits) - 1] = '\0';
	memset(wide, 'x', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
#define STORE(attr, value)                                                                         \
	snprintf(xml, sizeof(xml),                                                                 \
		 GUEST("<metadata><store xmlns='urn:libvirt-membacking:1' %s='%s'/>"               \
		       "</metadata>" GIB(1) ASK_HUGE),                                             \
		 attr, value)
	STORE("name", fits);
	CU_ASSERT_EQUAL_FATAL(parse(xml, strlen(xml), &guest, &err), 0);
	CU_ASSERT_EQUAL_FATAL(guest->n_settings, 1);
	CU_ASSERT_STRING_EQUAL(guest->settings[0].key, "store.name");
	CU_ASSERT_STRING_EQUAL(guest->settings[0].value, fits);
	STORE("name", wide);
	check_refused(xml, strlen(xml), -EINVAL, "a setting in <metadata> has 256 bytes");
	STORE(fits, "x");
	check_refused(xml, strlen(xml), -EINVAL, "has a name of 261 bytes");
#undef STORE
}

static void test_identity(void)
{
	static const char xml[] =
		"<domain id='2147483647'><name> \xc3\xa4 &amp; &lt;b&gt; </name>"
		"<uuid>\n C7A5FDBD-cdaf-9455-926A-D65C16DB1809 \n</uuid>" GIB(1) "</domain>";
	cleanup_guest struct guest *guest = NULL;
	struct err err;

	CU_ASSERT_EQUAL_FATAL(parse(xml, strlen(xml), &guest, &err), 0);
	/* libvirt keeps blanks in names */
	CU_ASSERT_STRING_EQUAL(guest->name, " \xc3\xa4 & <b> ");
	CU_ASSERT_STRING_EQUAL(guest->uuid, UUID);
	CU_ASSERT_EQUAL(guest->id, 2147483647);
}

/* libvirt takes a UUID without hyphens, and gives it back with them */
static void test_plain_uuid(void)
{
	static const char xml[] = "<domain><name>g</name><uuid>C7A5FDBDCDAF9455926ad65c16db1809"
				  "</uuid>" GIB(1) "</domain>";
	cleanup_guest struct guest *guest = NULL;
	struct err err;

	CU_ASSERT_EQUAL_FATAL(parse(xml, strlen(xml), &guest, &err), 0);
	CU_ASSERT_STRING_EQUAL(guest->uuid, UUID);
}

/* Sizes that the tables of guests do not tell from others */
static void test_units(void)
{
	static const struct {
		const char *number, *unit;
		int rc;
		uint64_t kib;
	} rows[] = {
		{ "0", NULL, 0, 0 },
		{ "1", NULL, 0, 1 },
		{ "1", "", 0, 1 },
		{ "1", "b", 0, 1 },
		{ "1024", "B", 0, 1 },
		{ "1025", "byte", 0, 2 },
		{ "2049", "BYTES", 0, 3 },
		{ "1", "k", 0, 1 },
		{ "1", "K", 0, 1 },
		{ "1", "KiB", 0, 1 },
		{ "1", "kib", 0, 1 },
		{ "1", "KB", 0, 1 },
		{ "1024", "KB", 0, 1000 },
		{ "1025", "kb", 0, 1001 },
		{ "1", "M", 0, 1024 },
		{ "1", "MiB", 0, 1024 },
		{ "1", "MB", 0, 977 },
		{ "1", "g", 0, 1048576 },
		{ "1", "GIB", 0, 1048576 },
		{ "1", "GB", 0, 976563 },
		{ "1", "T", 0, UINT64_C(1) << 30 },
		{ "1", "TiB", 0, UINT64_C(1) << 30 },
		{ "1", "TB", 0, 976562500 },
		{ "1", "P", 0, UINT64_C(1) << 40 },
		{ "1", "PiB", 0, UINT64_C(1) << 40 },
		{ "1", "PB", 0, UINT64_C(976562500000) },
		{ "1", "E", 0, UINT64_C(1) << 50 },
		{ "7", "EiB", 0, UINT64_C(7) << 50 },
		{ "9", "EB", 0, UINT64_C(8789062500000000) },
		{ "9223372036854774784", "b", 0, (UINT64_C(1) << 53) - 1 },
		{ "9223372036854774785", "b", -ERANGE, 0 },
		{ "9007199254740991", "KiB", 0, (UINT64_C(1) << 53) - 1 },
		{ "9007199254740992", "KiB", -ERANGE, 0 },
		{ "8", "EiB", -ERANGE, 0 },
		{ "10", "EB", -ERANGE, 0 },
		{ "18446744073709551615", "b", -ERANGE, 0 },
		{ "18446744073709551615", "EiB", -ERANGE, 0 },
		{ "18446744073709551616", "b", -ERANGE, 0 },
		{ "1", "x", -EINVAL, 0 },
		{ "1", "KiBx", -EINVAL, 0 },
		{ "1", "Ki", -EINVAL, 0 },
		{ "1", "iB", -EINVAL, 0 },
		{ "1", " KiB", -EINVAL, 0 },
		{ "1", "BiB", -EINVAL, 0 },
		{ "1", "Z", -EINVAL, 0 },
		{ "", "KiB", -EINVAL, 0 },
		{ "-1", "KiB", -EINVAL, 0 },
		{ "+1", "KiB", -EINVAL, 0 },
		{ " 1", "KiB", -EINVAL, 0 },
		{ "1.0", "KiB", -EINVAL, 0 },
		{ "0x1", "KiB", -EINVAL, 0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		uint64_t kib = 4711;
		int rc = guest_units_kib(rows[i].number, rows[i].unit, &kib);

		UNIT_CHECK(rc == rows[i].rc, "%s %s: %d", rows[i].number, rows[i].unit, rc);
		UNIT_CHECK(kib == (rc ? 4711 : rows[i].kib), "%s %s: %llu", rows[i].number,
			   rows[i].unit, (unsigned long long)kib);
	}
}

/* Everything that is refused is refused silently: stdout and stderr of a hook
 * belong to libvirt */
static void test_silent(void)
{
	static const char latin1[] =
		"<?xml version='1.0' encoding='nonsense'?><domain>\xff</domain>";
	int saved_out = dup(1), saved_err = dup(2);
	FILE *quiet = tmpfile();
	struct guest *guest = NULL;
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(quiet);
	fflush(stdout);
	dup2(fileno(quiet), 1);
	dup2(fileno(quiet), 2);
	for (i = 0; i < ROWS(refused); i++)
		guest_parse(refused[i].xml, strlen(refused[i].xml), &guest, NULL);
	guest_parse(latin1, strlen(latin1), &guest, NULL);
	fflush(stdout);
	dup2(saved_out, 1);
	dup2(saved_err, 2);
	close(saved_out);
	close(saved_err);
	CU_ASSERT_PTR_NULL(guest);
	CU_ASSERT_EQUAL(lseek(fileno(quiet), 0, SEEK_END), 0);
	fclose(quiet);
}

/* What follows in a longer text does not count, and need not end in NUL */
static void test_length(void)
{
	static const char xml[] = GUEST(GIB(1)) "<!DOCTYPE x>";
	cleanup_guest struct guest *guest = NULL;
	struct err err;

	CU_ASSERT_EQUAL(parse(xml, strlen(GUEST(GIB(1))), &guest, &err), 0);
}

/* Where libvirt starts QEMU, and where the guest runs */
static void test_pins(void)
{
	static const struct {
		const char *xml;
		const char *emulator, *vcpus; /* "": anywhere */
	} rows[] = {
		{ "<vcpu>4</vcpu>", "", "" },
		{ "<vcpu cpuset='8-15'>4</vcpu>", "8-15", "8-15" },
		{ "<vcpu placement='static' cpuset='0-3,^2'>4</vcpu>", "0-1,3", "0-1,3" },
		{ "<vcpu>4</vcpu><cputune><emulatorpin cpuset='2'/></cputune>", "2", "" },
		{ "<vcpu>4</vcpu><cputune><vcpupin vcpu='0' cpuset='8'/>"
		  "<vcpupin vcpu='1' cpuset='10'/></cputune>",
		  "", "8,10" },
		/* The general one is for what has none of its own */
		{ "<vcpu cpuset='0-15'>4</vcpu><cputune><vcpupin vcpu='0' cpuset='8'/></cputune>",
		  "0-15", "8" },
		{ "<vcpu cpuset='0-7'>4</vcpu><cputune><vcpupin vcpu='0' cpuset='8'/>"
		  "<emulatorpin cpuset='16-17'/></cputune>",
		  "16-17", "8" },
		/* libvirt chooses, and passes over them */
		{ "<vcpu placement='auto' cpuset='1'>4</vcpu><cputune><emulatorpin "
		  "cpuset='2'/></cputune>",
		  "", "" },
		{ "<vcpu cpuset='1'>4</vcpu><numatune><memory mode='strict' placement='auto'/>"
		  "</numatune>",
		  "", "" },
		/* Not ours to refuse */
		{ "<vcpu cpuset='all'>4</vcpu>", "", "" },
		{ "<vcpu cpuset='99999'>4</vcpu><cputune><emulatorpin/><vcpupin cpuset=''/>"
		  "</cputune>",
		  "", "" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct cpuset emulator = { 0 }, vcpus = { 0 };
		struct guest *guest = NULL;
		struct err err = { "" };
		char xml[1024];

		snprintf(xml, sizeof(xml),
			 "<domain><name>g</name><uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid>"
			 "<memory>1048576</memory>%s</domain>",
			 rows[i].xml);
		if (!UNIT_CHECK(guest_parse(xml, strlen(xml), &guest, &err) == 0, "%s: %s",
				rows[i].xml, err.text))
			continue;
		if (*rows[i].emulator)
			cpuset_parse(rows[i].emulator, &emulator);
		if (*rows[i].vcpus)
			cpuset_parse(rows[i].vcpus, &vcpus);
		UNIT_CHECK(!memcmp(&guest->emulator_cpus, &emulator, sizeof(emulator)), "%s",
			   rows[i].xml);
		UNIT_CHECK(!memcmp(&guest->vcpu_cpus, &vcpus, sizeof(vcpus)), "%s", rows[i].xml);
		guest_free(guest);
	}
}

static CU_TestInfo tests[] = {
	{ "processors it is pinned to", test_pins },
	{ "units", test_units },
	{ "guests of tests/guests", test_files },
	{ "corners of libvirt's rules", test_corners },
	{ "what lies in files", test_file_kib },
	{ "the guest's directory", test_directories },
	{ "directories of long names", test_long_directories },
	{ "name, uuid, id", test_identity },
	{ "length, not NUL, ends the text", test_length },
	{ "as many as accepted", test_many },
	{ "metadata bounds", test_metadata_bounds },
	{ "arguments past libvirt", test_arguments },
	{ "for other hosts, and drafts", test_reading },
	{ "private where it has to be shared", test_unshared },
	{ "a UUID without hyphens", test_plain_uuid },
	{ "of others only a doubt", test_doubt },
	{ "nodes that are not understood", test_troubled_nodes },
	{ "nodes of another cell", test_trouble_elsewhere },
	{ "refused with a sentence", test_refused },
	{ "refused without a reader", test_no_reader },
	{ "refused silently", test_silent },
	{ "truncated anywhere", test_truncated },
	{ "NUL bytes", test_nul },
	{ "32 MiB", test_32_mib },
	{ "expensive below the limit", test_expensive },
	{ "deep nesting", test_deep },
	{ "too many elements", test_too_many },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_guest", tests);
}

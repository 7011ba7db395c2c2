// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * <memoryBacking> before and after; and that nothing else is touched.
 */
#include "guest/guest_backing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "unit/unit.h"

#define HEAD                                                                                       \
	"<domain type=\"kvm\">\n  <name>g</name>\n  <uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809"    \
	"</uuid>\n  <memory unit=\"KiB\">2097152</memory>\n"                                       \
	"  <currentMemory unit=\"KiB\">2097152</currentMemory>\n"
#define TAIL                                                                                         \
	"  <vcpu>1</vcpu>\n  <!-- kept -->\n  <cpu>%s</cpu>\n  <description>a &lt; b &amp; \xc3\xa9" \
	"</description>\n</domain>"

#define B(body)	     "  <memoryBacking>\n" body "  </memoryBacking>\n"
#define L(element)   "    " element "\n"
#define HUGE_2M	     L("<hugepages>") "      <page size=\"2048\" unit=\"KiB\"/>\n" L("</hugepages>")
#define HUGE_1G	     L("<hugepages>") "      <page size=\"1048576\" unit=\"KiB\"/>\n" L("</hugepages>")
#define CELLS	     "<numa><cell id=\"0\" memory=\"1048576\"/><cell id=\"1\" memory=\"1048576\"/></numa>"
#define CELLS_ACCESS "<numa><cell id=\"0\" memory=\"2097152\" memAccess=\"private\"/></numa>"

static const struct row {
	const char *name;
	enum guest_backing_kind kind;
	uint64_t page_kib;
	bool shared;
	const char *cpu;
	const char *before;
	const char *after; /* NULL: unchanged */
} rows[] = {
	{ "made", GUEST_BACKING_HUGEPAGES, 2048, false, "", "", B(HUGE_2M) },
	{ "1 GiB", GUEST_BACKING_HUGEPAGES, 1048576, false, "", "", B(HUGE_1G) },
	{ "there", GUEST_BACKING_HUGEPAGES, 2048, false, "", B(HUGE_2M), NULL },
	{ "there in other words", GUEST_BACKING_HUGEPAGES, 2048, false, "",
	  B(L("<hugepages><page unit=\"M\" size=\"2\"/></hugepages>")), NULL },
	{ "bare is the default", GUEST_BACKING_HUGEPAGES, 2048, false, "", B(L("<hugepages/>")),
	  NULL },
	{ "bare is not 1 GiB", GUEST_BACKING_HUGEPAGES, 1048576, false, "", B(L("<hugepages/>")),
	  B(HUGE_1G) },
	{ "another size", GUEST_BACKING_HUGEPAGES, 2048, false, "", B(HUGE_1G), B(HUGE_2M) },
	{ "one size for each cell stays", GUEST_BACKING_HUGEPAGES, 2048, false, CELLS,
	  B(L("<hugepages><page size=\"2\" unit=\"M\" nodeset=\"0-1\"/></hugepages>")), NULL },
	{ "one cell without", GUEST_BACKING_HUGEPAGES, 2048, false, CELLS,
	  B(L("<hugepages><page size=\"2\" unit=\"M\" nodeset=\"1\"/></hugepages>")), B(HUGE_2M) },
	{ "what else there is stays", GUEST_BACKING_HUGEPAGES, 2048, false, "",
	  B(L("<nosharepages/>") L("<locked/>") L("<access mode=\"shared\"/>") L("<discard/>")
		    L("<unknown a=\"b\">text</unknown>")),
	  B(HUGE_2M L("<nosharepages/>") L("<locked/>") L("<access mode=\"shared\"/>")
		    L("<discard/>") L("<unknown a=\"b\">text</unknown>")) },
	{ "libvirt refuses anonymous beside them", GUEST_BACKING_HUGEPAGES, 2048, false, "",
	  B(L("<source type=\"anonymous\"/>") L("<locked/>")), B(HUGE_2M L("<locked/>")) },
	{ "files don't go with them", GUEST_BACKING_HUGEPAGES, 2048, false, "",
	  B(L("<source type=\"file\"/>")), B(HUGE_2M) },
	{ "memfd does", GUEST_BACKING_HUGEPAGES, 2048, true, "",
	  B(L("<source type=\"memfd\"/>") L("<access mode=\"shared\"/>")),
	  B(HUGE_2M L("<source type=\"memfd\"/>") L("<access mode=\"shared\"/>")) },
	{ "ondemand does not", GUEST_BACKING_HUGEPAGES, 2048, false, "",
	  B(L("<allocation mode=\"ondemand\"/>")), B(HUGE_2M) },
	{ "its threads do", GUEST_BACKING_HUGEPAGES, 2048, false, "",
	  B(L("<allocation mode=\"ondemand\" threads=\"8\"/>")),
	  B(HUGE_2M L("<allocation threads=\"8\"/>")) },
	{ "immediate does", GUEST_BACKING_HUGEPAGES, 2048, false, "",
	  B(L("<allocation mode=\"immediate\"/>")),
	  B(HUGE_2M L("<allocation mode=\"immediate\"/>")) },

	{ "plain", GUEST_BACKING_PLAIN, 0, false, "", "", NULL },
	{ "plain, and nothing is left", GUEST_BACKING_PLAIN, 0, false, "", B(HUGE_2M), "" },
	{ "plain of files", GUEST_BACKING_PLAIN, 0, false, "", B(L("<source type=\"file\"/>")),
	  "" },
	{ "plain, locked", GUEST_BACKING_PLAIN, 0, false, "", B(HUGE_2M L("<locked/>")),
	  B(L("<locked/>")) },
	/* <access> alone would be a file */
	{ "plain with access", GUEST_BACKING_PLAIN, 0, false, "",
	  B(HUGE_2M L("<access mode=\"private\"/>")),
	  B(L("<source type=\"anonymous\"/>") L("<access mode=\"private\"/>")) },
	{ "plain with access of a cell", GUEST_BACKING_PLAIN, 0, false, CELLS_ACCESS, B(HUGE_2M),
	  B(L("<source type=\"anonymous\"/>")) },
	{ "plain, shared", GUEST_BACKING_PLAIN, 0, true, "",
	  B(HUGE_2M L("<access mode=\"shared\"/>")),
	  B(L("<source type=\"memfd\"/>") L("<access mode=\"shared\"/>")) },

	{ "file", GUEST_BACKING_FILE, 0, false, "", "", B(L("<source type=\"file\"/>")) },
	{ "file there", GUEST_BACKING_FILE, 0, false, "", B(L("<source type=\"file\"/>")), NULL },
	{ "file of huge pages", GUEST_BACKING_FILE, 0, false, "",
	  B(HUGE_2M L("<access mode=\"shared\"/>")),
	  B(L("<source type=\"file\"/>") L("<access mode=\"shared\"/>")) },
	{ "file of memfd", GUEST_BACKING_FILE, 0, true, "", B(L("<source type=\"memfd\"/>")),
	  B(L("<source type=\"file\"/>")) },
};

/* What is lost, and what a device's back end needs */
static const struct {
	struct row row;
	bool share_all;
	const char *removed;
} losses[] = {
	{ { "nothing", GUEST_BACKING_HUGEPAGES, 2048, false, "", "", B(HUGE_2M) }, false, "" },
	{ { "another size", GUEST_BACKING_HUGEPAGES, 2048, false, "", B(HUGE_1G), B(HUGE_2M) },
	  false,
	  "<hugepages> with pages of 1 GiB" },
	{ { "bare", GUEST_BACKING_PLAIN, 0, false, "", B(L("<hugepages/>")), "" },
	  false,
	  "<hugepages>" },
	{ { "two sizes", GUEST_BACKING_FILE, 0, false, "",
	    B(L("<hugepages><page size=\"2048\" nodeset=\"0\"/><page size=\"1\" unit=\"G\"/>"
		"</hugepages>")),
	    B(L("<source type=\"file\"/>")) },
	  false,
	  "<hugepages> with pages of 2 MiB and 1 GiB" },
	{ { "files", GUEST_BACKING_HUGEPAGES, 2048, false, "", B(L("<source type=\"file\"/>")),
	    B(HUGE_2M) },
	  false,
	  "<source type='file'/>" },
	{ { "on demand", GUEST_BACKING_HUGEPAGES, 2048, false, "",
	    B(L("<source type=\"anonymous\"/>") L("<allocation mode=\"ondemand\"/>")), B(HUGE_2M) },
	  false,
	  "<source type='anonymous'/>, <allocation mode='ondemand'/>" },
	{ { "anonymous is plain", GUEST_BACKING_PLAIN, 0, false, "",
	    B(L("<source type=\"anonymous\"/>")), NULL },
	  false,
	  "" },
	{ { "there, beside what is refused", GUEST_BACKING_HUGEPAGES, 2048, false, "",
	    B(HUGE_2M L("<source type=\"anonymous\"/>")), B(HUGE_2M) },
	  false,
	  "<source type='anonymous'/>" },
	{ { "kept", GUEST_BACKING_KEEP, 0, false, "", B(HUGE_1G), NULL }, false, "" },
	{ { "kept, but for what is refused", GUEST_BACKING_KEEP, 0, false, "",
	    B(HUGE_1G L("<source type=\"anonymous\"/>") L("<allocation mode=\"ondemand\"/>")),
	    B(HUGE_1G) },
	  false,
	  "<source type='anonymous'/>, <allocation mode='ondemand'/>" },
	{ { "kept and shared", GUEST_BACKING_KEEP, 0, true, "", B(HUGE_1G),
	    B(L("<access mode=\"shared\"/>") HUGE_1G) },
	  true,
	  "" },
	{ { "plain and shared", GUEST_BACKING_PLAIN, 0, true, "", "",
	    B(L("<access mode=\"shared\"/>") L("<source type=\"memfd\"/>")) },
	  true,
	  "" },
	{ { "huge and shared", GUEST_BACKING_HUGEPAGES, 2048, true, "", B(HUGE_2M),
	    B(L("<access mode=\"shared\"/>") HUGE_2M) },
	  true,
	  "" },
	{ { "private becomes shared", GUEST_BACKING_FILE, 0, true, "",
	    B(L("<source type=\"file\"/>") L("<access mode=\"private\"/>")),
	    B(L("<source type=\"file\"/>") L("<access mode=\"shared\"/>")) },
	  true,
	  "mode='private' of <access>" },
};

static char *whole(const char *cpu, const char *block)
{
	char tail[2048], *text;

	snprintf(tail, sizeof(tail), TAIL, cpu);
	CU_ASSERT_FATAL(asprintf(&text, HEAD "%s%s", block, tail) > 0);
	return text;
}

/* With a device whose back end maps the guest's memory, where @share_all says so */
static void make_shared(const char *xml, const struct row *row, bool share_all,
			struct guest_variant *variant)
{
	struct guest_backing want = { row->kind, row->page_kib, 2048, row->shared, share_all };
	cleanup_guest struct guest *guest = NULL;
	struct err err = { "" };

	CU_ASSERT_FATAL(guest_parse(xml, strlen(xml), &guest, &err) == 0);
	if (share_all)
		snprintf(guest->sharing, sizeof(guest->sharing), "a device");
	if (!UNIT_CHECK(guest_variant_make(xml, strlen(xml), guest, &want, variant, &err) == 0,
			"%s: %s", row->name, err.text))
		CU_FAIL_FATAL("no variant");
}

static void make(const char *xml, const struct row *row, struct guest_variant *variant)
{
	make_shared(xml, row, false, variant);
}

static void test_losses(void)
{
	size_t i;

	for (i = 0; i < ROWS(losses); i++) {
		const struct row *row = &losses[i].row;
		cleanup_free char *xml = whole(row->cpu, row->before);
		struct guest_variant variant;

		make_shared(xml, row, losses[i].share_all, &variant);
		UNIT_CHECK(variant.changed == (row->after != NULL), "%s", row->name);
		UNIT_CHECK_STR(variant.block, row->after ? row->after : row->before, "%s",
			       row->name);
		UNIT_CHECK_STR(variant.removed, losses[i].removed, "%s", row->name);
		UNIT_CHECK(!losses[i].share_all || variant.guest->memory[0].shared, "%s",
			   row->name);
		guest_variant_free(&variant);
	}
}

/* Not only of the guest, but of the parts that say otherwise */
static void test_share_parts(void)
{
	static const char xml[] =
		"<domain><name>g</name><uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid>"
		"<memory unit='GiB'>3</memory><cpu><numa><cell memory='1' unit='GiB'/>"
		"<cell memory='1' unit='GiB' memAccess='private'/></numa></cpu><devices>"
		"<interface type='vhostuser'/><memory model='dimm' access='private'><target>"
		"<size unit='GiB'>1</size><node>0</node></target></memory></devices></domain>";
	const struct guest_backing want = { GUEST_BACKING_PLAIN, 0, 2048, true, true };
	cleanup_guest struct guest *guest = NULL;
	struct guest_variant variant;
	struct err err = { "" };

	CU_ASSERT_FATAL(guest_parse(xml, strlen(xml), &guest, &err) == 0);
	CU_ASSERT_PTR_NOT_NULL(guest_unshared(guest));
	CU_ASSERT_FATAL(guest_variant_make(xml, strlen(xml), guest, &want, &variant, &err) == 0);
	CU_ASSERT_PTR_NULL(guest_unshared(variant.guest));
	CU_ASSERT_EQUAL(variant.guest->memory[2].source, GUEST_SOURCE_MEMFD);
	UNIT_CHECK_STR(variant.removed,
		       "memAccess='private' of <cell>, access='private' of <memory>", "parts");
	guest_variant_free(&variant);
}

static void test_rows(void)
{
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const struct row *row = &rows[i];
		const char *after = row->after ? row->after : row->before;
		cleanup_free char *xml = whole(row->cpu, row->before);
		cleanup_free char *want = whole(row->cpu, after);
		struct guest_variant variant, again;

		/* The compiler's idea of an empty element */
		make(xml, row, &variant);
		UNIT_CHECK(variant.changed == (row->after != NULL), "%s", row->name);
		UNIT_CHECK_STR(variant.block, after, "%s", row->name);
		make(want, row, &again);
		UNIT_CHECK(!again.changed, "%s: twice changes nothing", row->name);
		UNIT_CHECK_STR(variant.xml, again.xml, "%s: the rest is as it was", row->name);
		guest_variant_free(&variant);
		guest_variant_free(&again);
	}
}

/* A document without white space, and one where nothing shows the place */
static void test_odd_documents(void)
{
	static const struct row row = { "odd", GUEST_BACKING_HUGEPAGES, 2048, false, "", "", "" };
	static const char *const docs[] = {
		"<domain><name>g</name><uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid>"
		"<memory>1024</memory></domain>",
		"<domain><memoryBacking/><name>g</name>"
		"<uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid><memory>1024</memory></domain>",
		"<domain><memoryBacking>  </memoryBacking><name>g</name>"
		"<uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid><memory>1024</memory></domain>",
	};
	size_t i;

	for (i = 0; i < ROWS(docs); i++) {
		struct guest_variant variant, again;

		make(docs[i], &row, &variant);
		UNIT_CHECK(variant.changed, "row %zu", i);
		UNIT_CHECK(variant.guest->n_memory == 1 && variant.guest->memory[0].hugepages &&
				   variant.guest->memory[0].page_kib == 2048,
			   "row %zu: %s", i, variant.xml);
		make(variant.xml, &row, &again);
		UNIT_CHECK(!again.changed, "row %zu", i);
		guest_variant_free(&again);
		guest_variant_free(&variant);
	}
}

static CU_TestInfo tests[] = {
	{ "before and after", test_rows },
	{ "what is lost", test_losses },
	{ "all parts are shared", test_share_parts },
	{ "odd documents", test_odd_documents },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_guest_backing", tests);
}

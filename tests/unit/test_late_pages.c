// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Who keeps a guest's huge pages mapped, from processes as the kernel shows them.
 */
#include "lifecycle/late_pages.h"

#include <inttypes.h>
#include <stdio.h>

#include "lifecycle/ledger.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

/* 64 MiB */
#define MAP(path) "7f0000000000-7f0004000000 rw-s 00000000 00:0f 77 " path "\n"
#define OTHER	  "560000000000-560000001000 r-xp 00000000 08:01 9 /usr/bin/x\n"
#define HUGE	  "7f0000000000 default file=/x huge dirty=2 N0=2 kernelpagesize_kB=2048\n"
#define UNTOUCHED "7f0000000000 default file=/x huge\n"
#define SMALL	  "7f0000000000 default file=/x dirty=2 N0=2 kernelpagesize_kB=4\n"

/* "web" holds huge pages of ours, "plain" doesn't */
static struct step web_step = { .kind = STEP_HUGEPAGES, .hugepages = { .page_kib = 2048 } };
static struct ledger web = { .name = "web", .alive = true, .list = { 1, &web_step } };
static struct ledger plain = { .name = "plain", .alive = true };
static struct ledger *both[] = { &web, &plain };
static const struct ledgers of_guests = { .n = 2, .list = both };

static void put(const struct fake_kernel *fk, pid_t pid, const char *maps, const char *numa_maps)
{
	fake_put_process(fk, pid, "maps", maps);
	fake_put_process(fk, pid, "numa_maps", numa_maps);
}

static uint64_t find(const struct fake_kernel *fk, uint64_t page_kib)
{
	struct late_files files;
	uint64_t pages;

	late_pages_find(&fk->kfs, &of_guests, &files);
	pages = late_pages_of(&files, page_kib);
	late_pages_free(&files);
	return pages;
}

static void test_processes(void)
{
	static const struct {
		const char *maps, *numa_maps;
		uint64_t small, large; /* pages of 2 MiB and 1 GiB */
	} rows[] = {
		{ OTHER MAP("/memfd:pc.ram (deleted)"), "560000000000 default\n" HUGE, 32, 0 },
		{ OTHER MAP("/dev/hugepages/libvirt/qemu/1-web/x (deleted)"), HUGE, 32, 0 },
		/* The kernel does not say the size of pages that were not touched */
		{ MAP("/memfd:pc.ram (deleted)"), UNTOUCHED, 32, 0 },
		{ MAP("/memfd:pc.ram (deleted)"), SMALL, 0, 0 },
		{ MAP("/memfd:pc.ram (deleted)"), "", 0, 0 },
		{ MAP("/memfd:pc.ram (deleted)"), "7f0004000000 default huge\n", 0, 0 },
		/* Other programs' */
		{ MAP("/anon_hugepage (deleted)"), HUGE, 0, 0 },
		{ MAP("/dev/hugepages/rtemap_0"), HUGE, 0, 0 },
		/* What the kernel never writes */
		{ "7f00 /memfd:x\n-\n\n /memfd: /memfd:\n", HUGE, 0, 0 },
		{ "8f-7f rw-s 0 0:0 1 /memfd:x\n", HUGE, 0, 0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		FAKE_KERNEL(fk, "one-node");
		put(&fk, 4000, rows[i].maps, rows[i].numa_maps);
		UNIT_CHECK(find(&fk, PAGE_2M) == rows[i].small, "row %zu: %" PRIu64, i,
			   find(&fk, PAGE_2M));
		UNIT_CHECK(find(&fk, PAGE_1G) == rows[i].large, "row %zu", i);
	}
}

/* Several that share the memory count once, whichever process has the most of it mapped */
static void test_shared(void)
{
	FAKE_KERNEL(fk, "one-node");

	put(&fk, 4000, MAP("/memfd:a (deleted)"), HUGE);
	put(&fk, 4001, MAP("/memfd:a (deleted)"), HUGE);
	put(&fk, 4002, "7f0000000000-7f0008000000 rw-s 0 00:0f 77 /memfd:a (deleted)\n", HUGE);
	put(&fk, 4003, "7f0000000000-7f0000200000 rw-s 0 00:0f 78 /memfd:b (deleted)\n", HUGE);
	CU_ASSERT_EQUAL(find(&fk, PAGE_2M), 65);
}

/* What a QEMU that runs has mapped as well is not late, nor is the QEMU's own */
static void test_living(void)
{
	pid_t qemu;
	FAKE_KERNEL(fk, "one-node");

	qemu = fake_qemu(&fk, "web");
	put(&fk, qemu, MAP("/memfd:a (deleted)"), HUGE);
	put(&fk, 4000, MAP("/memfd:a (deleted)"), HUGE);
	CU_ASSERT_EQUAL(find(&fk, PAGE_2M), 0);
	fake_end(&fk, qemu);
	unit_write(fk.root, "proc/4001/maps", "");
	CU_ASSERT_EQUAL(find(&fk, PAGE_2M), 32);
}

static uint64_t mapped(const struct fake_kernel *fk, unsigned int node, bool late)
{
	struct late_files files;
	uint64_t pages;

	late_pages_find(&fk->kfs, &of_guests, &files);
	CU_ASSERT_FALSE(files.cut || files.mapped_cut);
	pages = late_pages_mapped(&files, PAGE_2M, node, late);
	late_pages_free(&files);
	return pages;
}

#define PIECES                                                                                     \
	"7f0000000000-7f0000400000 rw-s 00000000 00:0f 80 /dev/hugepages/x\n"                      \
	"7f0000400000-7f0000800000 rw-s 00400000 00:0f 80 /dev/hugepages/x\n"
#define HUGE_PIECES                                                                                \
	"7f0000000000 default file=/x huge N0=2 kernelpagesize_kB=2048\n"                          \
	"7f0000400000 default file=/x huge N0=1 N1=1 kernelpagesize_kB=2048\n"

/* Of all programs, by node; what they share counts once */
static void test_mapped(void)
{
	FAKE_KERNEL(fk, "one-node");

	put(&fk, 4000, PIECES, HUGE_PIECES);
	put(&fk, 4001, PIECES, HUGE_PIECES);
	CU_ASSERT_EQUAL(mapped(&fk, 0, false), 3);
	CU_ASSERT_EQUAL(mapped(&fk, 1, false), 1);
	put(&fk, 4002, MAP("/anon_hugepage (deleted)"), HUGE);
	CU_ASSERT_EQUAL(mapped(&fk, 0, false), 5);
	CU_ASSERT_EQUAL(mapped(&fk, 0, true), 0);
	put(&fk, 4003, "7f0000000000-7f0004000000 rw-s 0 00:0f 78 /memfd:pc.ram (deleted)\n", HUGE);
	CU_ASSERT_EQUAL(mapped(&fk, 0, false), 7);
	CU_ASSERT_EQUAL(mapped(&fk, 0, true), 2);
	/* The kernel says that there is none */
	fake_put_process(&fk, 4002, "status", "Name: x\nHugetlbPages:\t       0 kB\n");
	CU_ASSERT_EQUAL(mapped(&fk, 0, false), 5);
	fake_put_process(&fk, 4002, "status", "Name: x\nHugetlbPages:\t    4096 kB\n");
	CU_ASSERT_EQUAL(mapped(&fk, 0, false), 7);
}

/* Those of guests that hold some of ours are left out, alive or not */
static void test_qemus(void)
{
	FAKE_KERNEL(fk, "one-node");

	put(&fk, fake_qemu(&fk, "web"), MAP("/memfd:a (deleted)"), HUGE);
	CU_ASSERT_EQUAL(mapped(&fk, 0, false), 0);
	put(&fk, fake_qemu(&fk, "plain"),
	    "7f0000000000-7f0004000000 rw-s 0 00:0f 78 /memfd:b (deleted)\n", HUGE);
	CU_ASSERT_EQUAL(mapped(&fk, 0, false), 2);
	CU_ASSERT_EQUAL(mapped(&fk, 0, true), 0);
	/* Gone, as far as its record says */
	web.alive = false;
	CU_ASSERT_EQUAL(mapped(&fk, 0, false), 2);
	web.alive = true;
}

static CU_TestInfo tests[] = {
	{ "what is mapped", test_mapped }, { "QEMUs", test_qemus },
	{ "processes", test_processes },   { "shared memory", test_shared },
	{ "running guests", test_living }, CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_late_pages", tests);
}

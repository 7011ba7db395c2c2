// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a QEMU has of huge pages, read from its numa_maps and smaps.
 */
#include "lifecycle/qemu_memory.h"

#include <errno.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "kernel/kfs.h"
#include "memory/smaps.h"
#include "unit/unit.h"

#define PID 4242

static const char *root;

static struct kfs open_root(void)
{
	struct err err = { "" };
	struct kfs kfs;

	root = unit_tmpdir();
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, root, &err), 0);
	return kfs;
}

static uint64_t reserved_of(const struct kfs *kfs, uint64_t page_kib)
{
	struct qemu_memory reserved;
	uint64_t pages;

	qemu_memory_reserved(kfs, PID, CLOCK_NEVER, &reserved);
	pages = qemu_memory_on(&reserved, page_kib, 0);
	qemu_memory_free(&reserved);
	return pages;
}

static void test_numa_maps(void)
{
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root();
	struct qemu_memory memory;

	unit_write(
		root, "proc/4242/numa_maps",
		"55e0a1000000 default file=/usr/bin/qemu mapped=12 N0=12 kernelpagesize_kB=4\n"
		"7f0000000000 bind:0 file=/dev/hugepages/libvirt/qemu/1-g/ram-node0 huge "
		"dirty=300 N0=300 kernelpagesize_kB=2048\n"
		"7f1000000000 prefer:1 file=/dev/hugepages/libvirt/qemu/1-g/ram-node1 huge "
		"dirty=50 N0=20 N1=30 kernelpagesize_kB=2048\n"
		"7f2000000000 bind:1 file=/dev/hugepages1G/x huge dirty=2 N1=2 "
		"kernelpagesize_kB=1048576\n"
		/* mapped and not touched */
		"7f3000000000 default file=/dev/hugepages/y huge kernelpagesize_kB=2048\n"
		/* transparent huge pages are not in a pool */
		"7f4000000000 default anon=512 dirty=512 N0=512 kernelpagesize_kB=4\n"
		/* a file that calls itself huge */
		"7f5000000000 default file=/tmp/huge\\040N0=99 mapped=3 N0=3 kernelpagesize_kB=4\n"
		"7f6000000000 default heap\n");
	CU_ASSERT_EQUAL_FATAL(qemu_memory_mapped(&kfs, PID, CLOCK_NEVER, &memory), 0);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 2048, 0), 320);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 2048, 1), 30);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 1048576, 1), 2);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 1048576, 0), 0);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 4, 0), 0);
	CU_ASSERT_EQUAL(memory.n, 3);
	qemu_memory_free(&memory);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 2048, 0), 0);
}

static void test_damaged(void)
{
	static const char *const texts[] = {
		"",
		"\n\n\n",
		"7f huge N0=5\n",
		"7f huge N0= kernelpagesize_kB=2048\n",
		"7f huge N99999=5 kernelpagesize_kB=2048\n",
		"7f huge N-1=5 kernelpagesize_kB=2048\n",
		"7f huge N0=5 kernelpagesize_kB=\n",
	};
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root();
	struct qemu_memory memory;
	size_t i;

	for (i = 0; i < ROWS(texts); i++) {
		unit_write(root, "proc/4242/numa_maps", texts[i]);
		CU_ASSERT_EQUAL_FATAL(qemu_memory_mapped(&kfs, PID, CLOCK_NEVER, &memory), 0);
		UNIT_CHECK(memory.n == 0, "'%s'", texts[i]);
		qemu_memory_free(&memory);
	}
}

static void test_gone(void)
{
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root();
	struct qemu_memory memory = { .n = 77 };

	CU_ASSERT_EQUAL(qemu_memory_mapped(&kfs, PID, CLOCK_NEVER, &memory), -ENOENT);
	CU_ASSERT_EQUAL(memory.n, 0);
	CU_ASSERT_EQUAL(reserved_of(&kfs, 2048), 0);
}

static void put_pss(uint64_t kib)
{
	char text[128];

	snprintf(text, sizeof(text), "00-ff ---p 00000000 00:00 0 [rollup]\nPss: %llu kB\n",
		 (unsigned long long)kib);
	unit_write(root, "proc/4242/smaps_rollup", text);
}

static void test_resident(void)
{
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root();
	uint64_t kib = 77;

	CU_ASSERT_EQUAL(smaps_read_resident(&kfs, PID, &kib, NULL), -ENOENT);
	unit_write(root, "proc/4242/status", "Name:\tVmRSS:\nState:\tS (sleeping)\n");
	CU_ASSERT_EQUAL(smaps_read_resident(&kfs, PID, &kib, NULL), -EINVAL);
	CU_ASSERT_EQUAL(kib, 77);
	unit_write(root, "proc/4242/status",
		   "Name:\tqemu\nVmHWM:\t  900 kB\nVmRSS:\t  800 kB\nRssAnon:\t 1 kB\n");
	CU_ASSERT_EQUAL(smaps_read_resident(&kfs, PID, &kib, NULL), 0);
	CU_ASSERT_EQUAL(kib, 800);
}

static void test_plain(void)
{
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root();
	struct qemu_memory memory = { .n = 77 };

	CU_ASSERT_EQUAL(qemu_memory_plain(&kfs, PID, &memory), -ENOENT);
	CU_ASSERT_EQUAL(memory.n, 0);
	/* a kernel without NUMA */
	put_pss(5000);
	CU_ASSERT_EQUAL_FATAL(qemu_memory_plain(&kfs, PID, &memory), 0);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 1, 0), 5000);
	qemu_memory_free(&memory);
	unit_write(root, "proc/4242/numa_maps",
		   "55e0a1000000 default file=/usr/bin/qemu anon=3 mapped=12 N0=12 "
		   "kernelpagesize_kB=4\n"
		   "7f0000000000 default file=/dev/hugepages/x huge anon=9 N0=300 "
		   "kernelpagesize_kB=2048\n"
		   "7f2000000000 default anon=700 dirty=700 N0=400 N1=300 kernelpagesize_kB=4\n"
		   "7f3000000000 default heap anon=100 dirty=100 N0=100 kernelpagesize_kB=4\n"
		   "7f4000000000 default file=/memfd:pc.ram\\040(deleted) dirty=200 N1=200 "
		   "kernelpagesize_kB=4\n");
	CU_ASSERT_EQUAL_FATAL(qemu_memory_plain(&kfs, PID, &memory), 0);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 4, 0), 500);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 4, 1), 500);
	CU_ASSERT_EQUAL(memory.n, 2);
	qemu_memory_free(&memory);
	/* half of it is merged with what others have, and stays theirs */
	put_pss(2000);
	CU_ASSERT_EQUAL_FATAL(qemu_memory_plain(&kfs, PID, &memory), 0);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 4, 0), 250);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 4, 1), 250);
	qemu_memory_free(&memory);
}

#define SMAPS(kib, page, shared, private, flags)                                                   \
	"7f0000000000-7f0100000000 rw-s 00000000 00:2f 1 /dev/hugepages/x\n"                       \
	"Size:           " #kib " kB\nKernelPageSize:    " #page " kB\nMMUPageSize:       " #page  \
	" kB\nRss:                   0 kB\nShared_Hugetlb: " #shared                               \
	" kB\nPrivate_Hugetlb: " #private " kB\nVmFlags: rd wr sh mr " flags "\n"

/* A kernel without NUMA has no numa_maps */
static void test_smaps(void)
{
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root();
	struct qemu_memory memory;

	unit_write(root, "proc/4242/smaps",
		   SMAPS(204800, 2048, 20480, 0, "de ht") SMAPS(4194304, 1048576, 0, 2097152, "ht")
			   SMAPS(100, 4, 0, 0, "mg"));
	CU_ASSERT_EQUAL_FATAL(qemu_memory_mapped(&kfs, PID, CLOCK_NEVER, &memory), 0);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 2048, 0), 10);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 1048576, 0), 2);
	CU_ASSERT_EQUAL(memory.n, 2);
	qemu_memory_free(&memory);
}

static void test_reserved(void)
{
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root();

	unit_write(root, "proc/4242/smaps",
		   /* 100 pages, 10 touched */
		   SMAPS(204800, 2048, 20480, 0, "de ht sd ")
		   /* 50 pages, all touched; a process that shares them has them twice */
		   SMAPS(102400, 2048, 102400, 0, "ht ")
		   /* virtio-mem: MAP_NORESERVE */
		   SMAPS(2097152, 2048, 0, 0, "nr ht ") SMAPS(2097152, 2048, 0, 0, "ht nr")
			   SMAPS(4194304, 1048576, 0, 1048576, "ht ") SMAPS(100, 4, 0, 0, "mg "));
	CU_ASSERT_EQUAL(reserved_of(&kfs, 2048), 90);
	CU_ASSERT_EQUAL(reserved_of(&kfs, 1048576), 3);
	CU_ASSERT_EQUAL(reserved_of(&kfs, 64), 0);
	/* cut off in the middle */
	unit_write(root, "proc/4242/smaps", "Size: 204800 kB\nKernelPageSize: 2048 kB\n");
	CU_ASSERT_EQUAL(reserved_of(&kfs, 2048), 0);
}

/* One file mapped @n times, with 10 pages on node 0 each; at the same offset or not, shared or
 * not */
static void put_mappings(unsigned int n, unsigned int step, char access)
{
	static const char *const names[] = { "proc/4242/maps", "proc/4242/numa_maps" };
	char *texts[2];
	size_t size;
	unsigned int i, j;

	for (j = 0; j < 2; j++) {
		FILE *f = open_memstream(&texts[j], &size);

		for (i = 0; f && i < n; i++) {
			unsigned int start = 0x10000000 + i * 0x2000;

			if (j)
				fprintf(f,
					"%x default file=/memfd:m\\040(deleted) huge dirty=10 "
					"N0=10 kernelpagesize_kB=2048\n",
					start);
			else
				fprintf(f, "%x-%x rw-%c %08x 00:01 77 /memfd:m (deleted)\n", start,
					start + 0x1000, access, i * step);
		}
		if (f)
			fclose(f);
		unit_write(root, names[j], texts[j]);
		free(texts[j]);
	}
}

static void test_often(void)
{
	static const struct {
		unsigned int n, step;
		char access;
		int rc;
		uint64_t pages;
	} rows[] = {
		/* the pages are there once */
		{ 1, 0, 's', 0, 10 },
		{ 4000, 0, 's', 0, 10 },
		/* parts of one file */
		{ 3, 0x1000, 's', 0, 30 },
		{ 1024, 0x1000, 's', 0, 10240 },
		/* too many: nothing is known, not half of it */
		{ 1025, 0x1000, 's', -E2BIG, 0 },
		{ 20000, 0x1000, 's', -E2BIG, 0 },
		{ 100000, 0, 's', -E2BIG, 0 },
		/* each private mapping has pages of its own */
		{ 3, 0, 'p', 0, 30 },
	};
	UNIT_CLEANUP(kfs_close) struct kfs kfs = open_root();
	struct qemu_memory memory;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		int rc;

		put_mappings(rows[i].n, rows[i].step, rows[i].access);
		rc = qemu_memory_mapped(&kfs, PID, CLOCK_NEVER, &memory);
		UNIT_CHECK(rc == rows[i].rc, "row %zu: %d", i, rc);
		UNIT_CHECK(qemu_memory_on(&memory, 2048, 0) == rows[i].pages, "row %zu: %llu", i,
			   (unsigned long long)qemu_memory_on(&memory, 2048, 0));
		qemu_memory_free(&memory);
	}
	/* No time is left: the same */
	put_mappings(3, 0, 's');
	CU_ASSERT_EQUAL(qemu_memory_mapped(&kfs, PID, clock_ms(), &memory), -E2BIG);
	CU_ASSERT_EQUAL(memory.n, 0);
}

/* As the kernel shows it: 20,000 mappings, none of which reserves pages.  smaps is too long */
static void test_process(void)
{
	const size_t size = 2U << 20;
	int fd = memfd_create("test", MFD_HUGETLB | (21U << MFD_HUGE_SHIFT) | MFD_CLOEXEC);
	char *area = mmap(NULL, 20000 * size, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct err err = { "" };
	struct qemu_memory memory;
	struct kfs kfs;
	size_t n;
	int rc;

	CU_ASSERT_FATAL(area != MAP_FAILED);
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, "/", &err), 0);
	/* A kernel without huge pages of this size has no such files either */
	CU_ASSERT(fd < 0 || ftruncate(fd, (off_t)size) == 0);
	for (n = 0; fd >= 0 && n + 1 < 20000; n++) {
		char *at = (char *)(((uintptr_t)area + size - 1) & ~(size - 1)) + n * size;

		if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED,
			 fd, 0) == MAP_FAILED)
			break;
	}
	CU_ASSERT(fd < 0 || n + 1 == 20000);
	/* A slow machine does not get to the end */
	rc = qemu_memory_mapped(&kfs, getpid(), CLOCK_NEVER, &memory);
	CU_ASSERT(rc == 0 || rc == -E2BIG);
	CU_ASSERT_EQUAL(qemu_memory_on(&memory, 2048, 0), 0);
	qemu_memory_free(&memory);
	CU_ASSERT(fd < 0 || qemu_memory_reserved(&kfs, getpid(), CLOCK_NEVER, &memory) == -E2BIG);
	CU_ASSERT_EQUAL(memory.n, 0);
	kfs_close(&kfs);
	munmap(area, 20000 * size);
	if (fd >= 0)
		close(fd);
}

static CU_TestInfo tests[] = {
	{ "what is resident", test_resident },
	{ "a process with 20,000 mappings", test_process },
	{ "mapped again and again", test_often },
	{ "numa_maps", test_numa_maps },
	{ "damaged numa_maps", test_damaged },
	{ "a process that is gone", test_gone },
	{ "smaps without NUMA", test_smaps },
	{ "reserved pages", test_reserved },
	{ "what is in no pool", test_plain },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_qemu_memory", tests);
}

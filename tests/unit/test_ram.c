// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pager/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/kfs.h"
#include "unit/unit.h"

#define PID 4711

static int read_maps(struct ram *ram, const char *maps, struct err *err)
{
	const char *dir = unit_tmpdir();
	struct kfs kfs;
	int rc;

	unit_write(dir, "proc/4711/maps", maps);
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, err), 0);
	rc = ram_read(ram, &kfs, PID, err);
	kfs_close(&kfs);
	return rc;
}

/* As Debian's QEMU 7.2 has it, shortened: two nodes' memfds, the second one split by a policy,
 * beside ROMs, code, kvm's and a sound server's memory */
static const char two_nodes[] =
	"555555554000-55555590f000 r--p 00000000 fe:01 1312 /usr/bin/qemu-system-x86_64\n"
	"7ffe00000000-7ffe40000000 rwxp 00000000 00:00 0 \n"
	"7fff00000000-7fff10000000 rw-s 00000000 00:01 2049 /memfd:memory-backend-memfd (deleted)\n"
	"7fff20000000-7fff28000000 rw-s 00000000 00:01 2050 /memfd:memory-backend-memfd (deleted)\n"
	"7fff28000000-7fff30000000 rw-s 08000000 00:01 2050 /memfd:memory-backend-memfd (deleted)\n"
	"7fff40000000-7fff40040000 rw-p 00000000 00:00 0 [anon:pc.bios]\n"
	"7fff50000000-7fff50003000 rw-s 00000000 00:0e 1043 anon_inode:kvm-vcpu:0\n"
	"7fff60000000-7fff64000000 rw-s 00000000 00:01 99 /memfd:pulseaudio (deleted)\n"
	"7fff64000000-7fff64001000 rw-s 00000000 00:01 98 /dev/zero (deleted)\n"
	"7fff65000000-7fff65001000 rw-s 00000000 00:0e 1044 anon_inode:[io_uring]\n"
	"7ffff7ffd000-7ffff7fff000 r-xp 00000000 00:00 0 [vdso]\n";

static void test_nodes(void)
{
	struct err err = { "" };
	struct ram ram;
	uint64_t page;

	UNIT_CHECK(read_maps(&ram, two_nodes, &err) == 0, "%s", err.text);
	CU_ASSERT_EQUAL_FATAL(ram.n, 2);
	CU_ASSERT_EQUAL(ram.pages, 2 * 65536);
	CU_ASSERT_EQUAL(ram.object[1].ino, 2050);
	CU_ASSERT_EQUAL(ram.object[1].first, 65536);
	CU_ASSERT_EQUAL(ram.object[1].pages, 65536);
	CU_ASSERT_EQUAL(ram.object[0].fd, -1);

	CU_ASSERT_PTR_EQUAL(ram_object_of(&ram, 65535), &ram.object[0]);
	CU_ASSERT_PTR_EQUAL(ram_object_of(&ram, 65536), &ram.object[1]);
	CU_ASSERT_EQUAL(ram_address(&ram, 65537), 0x7fff20001000);
	CU_ASSERT_TRUE(ram_page_at(&ram, 0x7fff20001fff, &page));
	CU_ASSERT_EQUAL(page, 65537);
	CU_ASSERT_FALSE(ram_page_at(&ram, 0x7fff10000000, &page));
	CU_ASSERT_FALSE(ram_page_at(&ram, 0x7fff30000000, &page));
	CU_ASSERT_FALSE(ram_page_at(&ram, 0x1000, &page));
}

/* Node 1 came later, and beside it what can't be paged: private, and mapped in pieces */
static void test_changes(void)
{
	static const char dimms[] =
		"7fff70000000-7fff70010000 rw-p 00000000 00:01 2060 /memfd:memory-backend-memfd\n"
		"7fff80000000-7fff80010000 rw-s 00000000 00:01 2061 /memfd:memory-backend-memfd\n"
		"7fff90000000-7fff90020000 rw-s 00010000 00:01 2061 /memfd:memory-backend-memfd\n"
		"7fff90020000-7fff90030000 rw-s 00010000 00:01 2061 /memfd:memory-backend-memfd\n";
	const char *dir = unit_tmpdir();
	char maps[sizeof(two_nodes) + sizeof(dimms)];
	uint64_t more = 9, gone = 9;
	struct ram ram;
	struct kfs kfs;

	unit_write(dir, "proc/4711/maps", two_nodes);
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(ram_read(&ram, &kfs, PID, NULL), 0);
	CU_ASSERT_EQUAL(ram_changes(&ram, &kfs, PID, &more, &gone), 0);
	CU_ASSERT(more == 0 && gone == 0);
	ram.n = 1;
	CU_ASSERT_EQUAL(ram_changes(&ram, &kfs, PID, &more, &gone), 0);
	CU_ASSERT(more == 65536 && gone == 0);
	snprintf(maps, sizeof(maps), "%s%s", two_nodes, dimms);
	unit_write(dir, "proc/4711/maps", maps);
	CU_ASSERT_EQUAL(ram_changes(&ram, &kfs, PID, &more, &gone), 0);
	CU_ASSERT(more == 65536 + 16 + 16 + 32 + 16 && gone == 0);
	ram.object[0].ino++;
	ram.object[0].pages = 77;
	CU_ASSERT_EQUAL(ram_changes(&ram, &kfs, PID, &more, &gone), 0);
	CU_ASSERT(gone == 0);
	ram.object[0].ino = 1;
	CU_ASSERT_EQUAL(ram_changes(&ram, &kfs, PID, &more, &gone), 0);
	CU_ASSERT(gone == 77);
	ram.object[0].stands_in = true;
	CU_ASSERT_EQUAL(ram_changes(&ram, &kfs, PID, &more, &gone), 0);
	CU_ASSERT(gone == 0);
	CU_ASSERT_EQUAL(ram_changes(&ram, &kfs, PID + 1, &more, &gone), -ESRCH);
	kfs_close(&kfs);
}

static void test_kinds(void)
{
	static const struct {
		const char *maps;
		int rc;
		const char *says;
	} rows[] = {
		{ "1000-2000 rw-s 00000000 00:31 7 /run/backing/libvirt/qemu/3-web1/ram-node0\n", 0,
		  "" },
		{ "1000-2000 rw-s 00000000 00:19 7 /dev/shm/libvirt/qemu/3-web1/pc.ram\n", 0, "" },
		{ "1000-2000 rw-s 00000000 00:31 7 /run/my backing/pc.ram (deleted)\n", 0, "" },
		{ "1000-2000 rw-p 00000000 00:00 0 \n", -ENOENT, "memfd" },
		{ "", -ENOENT, "memfd" },
		{ "1000-2000 rw-p 00000000 00:01 7 /memfd:memory-backend-memfd (deleted)\n",
		  -ENOTSUP, "shared" },
		{ "1000-2000 rw-s 00001000 00:01 7 /memfd:memory-backend-memfd (deleted)\n",
		  -ENOTSUP, "beginning" },
		{ "1000-2000 rw-s 00000000 00:01 7 /memfd:memory-backend-memfd (deleted)\n"
		  "5000-6000 rw-s 00000000 00:01 7 /memfd:memory-backend-memfd (deleted)\n",
		  -ENOTSUP, "more than once" },
		/* A gap in the file, one in the addresses */
		{ "1000-2000 rw-s 00000000 00:01 7 /memfd:memory-backend-memfd (deleted)\n"
		  "2000-3000 rw-s 00002000 00:01 7 /memfd:memory-backend-memfd (deleted)\n",
		  -ENOTSUP, "more than once" },
		{ "1000-2000 rw-s 00000000 00:01 7 /memfd:memory-backend-memfd (deleted)\n"
		  "3000-4000 rw-s 00001000 00:01 7 /memfd:memory-backend-memfd (deleted)\n",
		  -ENOTSUP, "more than once" },
		/* Names that begin alike, and what is no memory */
		{ "1000-2000 rw-s 00000000 00:01 7 /memfd:memory-backend-memfd2 (deleted)\n",
		  -ENOENT, "" },
		{ "1000-2000 rw-s 00000000 00:06 7 /dev/vfio/12\n", -ENOENT, "" },
		{ "1000-2000 r--s 00000000 fe:01 7 /usr/share/OVMF/OVMF_CODE.fd\n", -ENOENT, "" },
		/* Not as the kernel writes it */
		{ "no mapping\n2000-1000 rw-s 00000000 00:01 7 /memfd:memory-backend-memfd\n",
		  -ENOENT, "" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct err err = { "" };
		struct ram ram;
		int rc = read_maps(&ram, rows[i].maps, &err);

		UNIT_CHECK(rc == rows[i].rc, "row %zu gave %d: %s", i, rc, err.text);
		UNIT_CHECK(strstr(err.text, rows[i].says), "row %zu: %s", i, err.text);
	}
}

static void test_many(void)
{
	static char maps[2 * RAM_OBJECTS_MAX * 100];
	struct err err = { "" };
	struct ram ram;
	size_t i, n = 0;

	for (i = 0; i < RAM_OBJECTS_MAX; i++)
		n += (size_t)snprintf(
			maps + n, sizeof(maps) - n,
			"%zx000-%zx000 rw-s 0 00:01 %zu /memfd:memory-backend-memfd\n", 2 * i + 1,
			2 * i + 2, i + 1);
	CU_ASSERT_EQUAL(read_maps(&ram, maps, &err), 0);
	CU_ASSERT_EQUAL(ram.n, RAM_OBJECTS_MAX);
	snprintf(maps + n, sizeof(maps) - n, "ff000-100000 rw-s 0 00:01 999 %s\n",
		 "/memfd:memory-backend-memfd");
	CU_ASSERT_EQUAL(read_maps(&ram, maps, &err), -ENOTSUP);
}

/* Our own process in the place of QEMU */
static void test_open(void)
{
	int fd = memfd_create("memory-backend-memfd", MFD_CLOEXEC);
	size_t size = 8 * PAGE_BYTES;
	struct err err = { "" };
	struct ram ram;
	char *memory;
	int rc;

	CU_ASSERT_EQUAL_FATAL(ftruncate(fd, (off_t)size), 0);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CU_ASSERT_PTR_NOT_EQUAL_FATAL(memory, MAP_FAILED);
	/* Split it, as a memory policy would */
	madvise(memory + size / 2, size / 2, MADV_DONTFORK);
	rc = ram_open(&ram, getpid(), &err);
	/* Opening map_files is root's */
	if (rc == -EPERM)
		goto out;
	UNIT_CHECK(rc == 0, "%s", err.text);
	CU_ASSERT_EQUAL(ram.n, 1);
	CU_ASSERT_EQUAL(ram.pages, 8);
	memory[PAGE_BYTES] = 'x';
	if (rc == 0) {
		char byte = 0;

		CU_ASSERT_EQUAL(pread(ram.object[0].fd, &byte, 1, PAGE_BYTES), 1);
		CU_ASSERT_EQUAL(byte, 'x');
	}
	ram_close(&ram);
	CU_ASSERT_EQUAL(ram.n, 0);

	CU_ASSERT_EQUAL(ftruncate(fd, 2 * (off_t)size), 0);
	CU_ASSERT_EQUAL(ram_open(&ram, getpid(), &err), -ENOTSUP);
	UNIT_CHECK(strstr(err.text, "mapped whole"), "%s", err.text);
out:
	munmap(memory, size);
	close(fd);
	CU_ASSERT_EQUAL(ram_open(&ram, getpid(), &err), -ENOENT);
}

static unsigned char *map_backend(int fd, size_t pages, int flags)
{
	void *at;

	CU_ASSERT_EQUAL_FATAL(ftruncate(fd, (off_t)(pages * PAGE_BYTES)), 0);
	at = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);
	CU_ASSERT_PTR_NOT_EQUAL_FATAL(at, MAP_FAILED);
	return at;
}

/* A private dimm and one with a part mapped are no reason to leave out the others, unless they
 * are known to be paged */
static void test_open_again(void)
{
	int fd[4];
	unsigned char *at[4];
	struct ram ram, known;
	struct ram_left left;
	struct err err = { "" };
	size_t i;
	int rc;

	for (i = 0; i < 4; i++) {
		fd[i] = memfd_create("memory-backend-memfd", MFD_CLOEXEC);
		at[i] = map_backend(fd[i], 8, i == 1 ? MAP_PRIVATE : MAP_SHARED);
	}
	CU_ASSERT_EQUAL(ftruncate(fd[2], 16 * PAGE_BYTES), 0);
	known = (struct ram){ .n = 0 };
	rc = ram_open_again(&ram, &known, getpid(), &left, &err);
	if (rc == -EPERM || (rc == 0 && ram.n == 0)) /* opening map_files is root's */
		goto out;
	UNIT_CHECK(rc == 0, "%s", err.text);
	CU_ASSERT_FATAL(ram.n == 2);
	CU_ASSERT(ram.pages == 16 && left.pages == 16);
	UNIT_CHECK(strstr(left.why.text, "privately") || strstr(left.why.text, "whole"), "%s",
		   left.why.text);
	/* What is known comes first */
	known.object[known.n++] = ram.object[1];
	known.object[0].fd = -1;
	ram_close(&ram);
	CU_ASSERT(ram_open_again(&ram, &known, getpid(), &left, &err) == 0);
	CU_ASSERT_FATAL(ram.n == 2);
	CU_ASSERT(ram.object[0].ino == known.object[0].ino && ram.object[1].first == 8);
	ram_close(&ram);
	/* It can't be paged any more as it is mapped now */
	for (i = 0; i < 4; i += 3) {
		CU_ASSERT_EQUAL(ftruncate(fd[i], 16 * PAGE_BYTES), 0);
	}
	CU_ASSERT(ram_open_again(&ram, &known, getpid(), &left, &err) == -ENOTSUP);
	CU_ASSERT(ram.n == 0);
out:
	for (i = 0; i < 4; i++) {
		munmap(at[i], 8 * PAGE_BYTES);
		close(fd[i]);
	}
}

static void test_gone(void)
{
	struct err err = { "" };
	struct ram ram;

	CU_ASSERT_EQUAL(ram_open(&ram, 0x7ffffff0, &err), -ESRCH);
}

static CU_TestInfo tests[] = {
	{ "the memory files of two nodes, by address", test_nodes },
	{ "memory that came or went", test_changes },
	{ "what is a memory file, and what can't be paged", test_kinds },
	{ "as many files as there is room for", test_many },
	{ "files are opened, and must be mapped whole", test_open },
	{ "what can't be paged is left out, but for what is paged", test_open_again },
	{ "a process that is gone", test_gone },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_ram", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Paths of a guest that lead into a hugetlbfs, and those that do not.
 */
#include "guest/guest_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "kernel/kfs.h"
#include "unit/unit.h"

#define MOUNTS                                                                                     \
	"20 1 0:20 / / rw - ext4 /dev/sda rw\n"                                                    \
	"21 20 0:21 / /dev rw - devtmpfs devtmpfs rw\n"                                            \
	"22 21 0:22 / /dev/hugepages rw - hugetlbfs hugetlbfs rw,pagesize=2M\n"                    \
	"23 21 0:23 / /dev/hugepages1G rw - hugetlbfs hugetlbfs rw,pagesize=1024M\n"               \
	"24 21 0:24 / /dev/bare rw - hugetlbfs hugetlbfs rw\n"                                     \
	"25 22 0:25 / /dev/hugepages/disk rw - ext4 /dev/sdb rw\n"                                 \
	"26 20 0:26 / /hidden rw - hugetlbfs hugetlbfs rw,pagesize=2M\n"                           \
	"27 26 0:27 / /hidden rw - ext4 /dev/sdc rw\n"                                             \
	"29 28 0:29 / /shown rw - hugetlbfs hugetlbfs rw,pagesize=2M\n"                            \
	"28 20 0:28 / /shown rw - ext4 /dev/sdd rw\n"

static const struct {
	const char *path;
	bool hugetlb;
	uint64_t page_kib;
} rows[] = {
	{ "/dev/hugepages/pmem0", true, 2048 },
	{ "/dev/hugepages", true, 2048 },
	{ "/dev/hugepages1G/a/b", true, 1048576 },
	{ "/dev/bare/x", true, 0 },
	{ "/dev/hugepages2/x", false, 0 },
	{ "/dev/hugepages/disk/x", false, 0 },
	{ "/hidden/x", false, 0 },
	{ "/shown/x", true, 2048 },
	{ "/var/lib/x", false, 0 },
	{ "relative", false, 0 },
};

static struct guest *make(const char *path, const char *access)
{
	struct guest *guest = NULL;
	struct err err = { "" };
	char xml[2048];

	snprintf(
		xml, sizeof(xml),
		"<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>g</name>"
		"<uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid>"
		"<cpu><numa><cell id='0' memory='2' unit='GiB'/></numa></cpu>"
		"<numatune><memnode cellid='0' mode='preferred' nodeset='1'/></numatune>"
		"<devices><memory model='nvdimm' access='%s'><source><path>%s</path></source><target>"
		"<size unit='MiB'>10</size><node>0</node></target></memory></devices>"
		"<qemu:commandline><qemu:arg value='-mem-path'/><qemu:arg value='%s'/>"
		"</qemu:commandline></domain>",
		access, path, path);
	UNIT_CHECK(guest_parse(xml, strlen(xml), &guest, &err) == 0, "%s", err.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(guest);
	return guest;
}

static const char *open_host(struct kfs *kfs)
{
	const char *dir = unit_tmpdir();

	unit_write(dir, "proc/self/mountinfo", MOUNTS);
	CU_ASSERT_FATAL(kfs_open(kfs, dir, NULL) == 0);
	return dir;
}

static void test_paths(void)
{
	struct err err = { "" };
	struct kfs kfs;
	size_t i;

	open_host(&kfs);
	for (i = 0; i < ROWS(rows); i++) {
		struct guest *guest = make(rows[i].path, i % 2 ? "shared" : "private");
		const struct guest_memory *memory = &guest->memory[1];

		UNIT_CHECK(guest_files_find(&kfs, guest, &err) == 0, "%s", err.text);
		/* Asked twice, it is there once */
		UNIT_CHECK(guest_files_find(&kfs, guest, &err) == 0, "%s", err.text);
		UNIT_CHECK(guest->n_memory == (rows[i].hugetlb ? 2 : 1), "%s: %zu", rows[i].path,
			   guest->n_memory);
		UNIT_CHECK(guest->extras[0].hugetlb == rows[i].hugetlb, "%s", rows[i].path);
		if (rows[i].hugetlb && guest->n_memory == 2) {
			UNIT_CHECK(memory->hugepages && memory->page_kib == rows[i].page_kib, "%s",
				   rows[i].path);
			UNIT_CHECK(memory->size_kib == 10240 && memory->max_kib == 10240, "%s",
				   rows[i].path);
			UNIT_CHECK(memory->bind == GUEST_BIND_PREFERRED &&
					   nodeset_has(&memory->nodes, 1),
				   "%s", rows[i].path);
		}
		guest_free(guest);
	}
	kfs_close(&kfs);
}

/* "open" is a directory below the hugetlbfs, in which "away" is a link */
static void count_through(const struct kfs *kfs, mode_t mode, uint64_t most)
{
	struct guest *guest = make("/dev/hugepages/open/away/part", "shared");
	struct err err = { "" };

	if (mkdirat(kfs->rootfd, "dev/hugepages/open", 0755) == 0)
		CU_ASSERT(symlinkat("/dev/hugepages", kfs->rootfd, "dev/hugepages/open/away") == 0);
	CU_ASSERT(fchmodat(kfs->rootfd, "dev/hugepages/open", mode, 0) == 0);
	CU_ASSERT(guest_files_find(kfs, guest, &err) == 0);
	CU_ASSERT_FATAL(guest->n_memory == 2);
	UNIT_CHECK(guest->memory[1].size_kib <= most && guest->memory[1].size_kib > most - 1024,
		   "%o: %llu", mode, (unsigned long long)guest->memory[1].size_kib);
	guest_free(guest);
}

/* A shared file keeps its pages from one start to the next */
static void test_present(void)
{
	struct err err = { "" };
	static char mib[1024 * 1024 + 1];
	struct guest *guest;
	struct kfs kfs;
	const char *dir = open_host(&kfs);

	memset(mib, 'x', sizeof(mib) - 1);
	unit_write(dir, "dev/hugepages/part", mib);
	guest = make("/dev/hugepages/part", "private");
	CU_ASSERT(guest_files_find(&kfs, guest, &err) == 0);
	CU_ASSERT_FATAL(guest->n_memory == 2);
	CU_ASSERT_EQUAL(guest->memory[1].size_kib, 10 * 1024);
	guest_free(guest);
	guest = make("/dev/hugepages/part", "shared");
	CU_ASSERT(guest_files_find(&kfs, guest, &err) == 0);
	CU_ASSERT_FATAL(guest->n_memory == 2);
	/* The file system may need some blocks for itself */
	CU_ASSERT(guest->memory[1].size_kib <= 9 * 1024 && guest->memory[1].size_kib > 8 * 1024);
	guest_free(guest);
	/* A link that others can put there does not lead to it; root's does */
	count_through(&kfs, 0777, 10 * 1024);
	count_through(&kfs, 0755, 9 * 1024);
	kfs_close(&kfs);
}

static void test_no_mounts(void)
{
	struct err err = { "" };
	struct guest *guest = make("/dev/hugepages/x", "shared");
	struct kfs kfs;

	CU_ASSERT_FATAL(kfs_open(&kfs, TESTS_DIR, NULL) == 0);
	CU_ASSERT(guest_files_find(&kfs, guest, &err) < 0);
	guest_free(guest);
	kfs_close(&kfs);
}

static CU_TestInfo tests[] = {
	{ "which mount holds a path", test_paths },
	{ "what a file has already", test_present },
	{ "mounts can't be read", test_no_mounts },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_guest_files", tests);
}

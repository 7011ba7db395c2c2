// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * THP in the host view.
 */
#include "lifecycle/view_thp.h"

#include <string.h>

#include "kernel/kfs.h"
#include "policy/host_view.h"
#include "unit/unit.h"

#define THP "sys/kernel/mm/transparent_hugepage/"

static const char mounts[] =
	"22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
	"40 22 0:40 / /run rw,nosuid - tmpfs tmpfs rw,size=1024k,huge=never\n"
	"41 22 0:41 / /srv/ram rw,nodev - tmpfs guests rw,size=4194304k,huge=within_size\n"
	"42 22 0:42 / /srv/plain rw,nodev - tmpfs guests rw,size=4194304k\n";

static void test_store(void)
{
	static const struct {
		const char *fstype, *devno;
		bool read;
		const char *huge;
	} rows[] = {
		{ "tmpfs", "0:41", true, "within_size" },
		{ "tmpfs", "0:40", true, "never" },
		{ "tmpfs", "0:42", true, "" },
		{ "tmpfs", "0:99", true, "" },
		{ "ext4", "254:0", true, "" },
		/* nobody has looked at the stores */
		{ "tmpfs", "0:41", false, "" },
	};
	const char *dir = unit_tmpdir();
	struct kfs kfs;
	size_t i;

	unit_write(dir, THP "enabled", "always [madvise] never\n");
	unit_write(dir, THP "shmem_enabled", "always within_size [advise] never deny force\n");
	unit_write(dir, "proc/self/mountinfo", mounts);
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct store_view store = { .in_use = true };
		struct host_view host = { .stores_read = rows[i].read,
					  .n_stores = 1,
					  .stores = &store,
					  .thp = { .store_huge = "stale" } };

		strcpy(store.state.mount.fstype, rows[i].fstype);
		strcpy(store.state.mount.devno, rows[i].devno);
		view_thp(&kfs, &host);
		CU_ASSERT_TRUE(host.thp.present);
		UNIT_CHECK_STR(host.thp.thp.enabled, "madvise", "row %zu", i);
		UNIT_CHECK_STR(host.thp.thp.shmem_enabled, "advise", "row %zu", i);
		UNIT_CHECK_STR(host.thp.store_huge, rows[i].huge, "row %zu", i);
	}
	kfs_close(&kfs);
}

static void test_none(void)
{
	struct host_view host = { .thp = { .present = true } };
	struct kfs kfs;

	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, unit_tmpdir(), NULL), 0);
	view_thp(&kfs, &host);
	CU_ASSERT_FALSE(host.thp.present);
	kfs_close(&kfs);
}

static CU_TestInfo tests[] = {
	{ "the mount option of the store in use", test_store },
	{ "a kernel without", test_none },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_view_thp", tests);
}

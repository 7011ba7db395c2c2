// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * qemu.conf and /proc/mounts -> what libvirt gives guests their huge pages through.
 */
#include "lifecycle/view_hugetlbfs.h"

#include <string.h>

#include "base/err.h"
#include "lifecycle/view.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

#define H2M "none /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n"
#define H1G "none /dev/hugepages1G hugetlbfs rw,pagesize=1024M 0 0\n"

static const struct {
	const char *conf;   /* NULL: none */
	const char *mounts; /* NULL: can't be read */
	bool driver;
	bool known, by_conf, final;
	size_t n;
	uint64_t bare_kib;
} rows[] = {
	{ NULL, H2M H1G, false, true, false, false, 2, PAGE_2M },
	{ NULL, H1G H2M, true, true, false, true, 2, PAGE_2M },
	/* none has the default size: the first one's */
	{ NULL, H1G, false, true, false, false, 1, PAGE_1G },
	{ NULL, "", true, true, false, true, 0, PAGE_2M },
	{ NULL, NULL, true, false, false, false, 0, PAGE_2M },
	{ "hugetlbfs_mount = \"/dev/hugepages1G\" # only these\n", H2M H1G, false, true, true, true,
	  1, PAGE_1G },
	{ "hugetlbfs_mount = [ \"/dev/hugepages1G\", \"/dev/hugepages\" ]\n", H2M H1G, false, true,
	  true, true, 2, PAGE_2M },
	/* libvirt does not start with it */
	{ "hugetlbfs_mount = [ \"/dev/shm\", \"/dev/hugepages1G\" ]\n", H2M H1G, false, true, true,
	  true, 1, PAGE_1G },
	{ "hugetlbfs_mount = \"\"\n", H2M H1G, false, true, true, true, 0, PAGE_2M },
};

static void test_rows(void)
{
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct host_view host = { 0 };
		struct err err = { "" };
		pid_t driver = 0;
		FAKE_KERNEL(fk, "two-nodes-6.12");

		if (rows[i].conf)
			fake_put(&fk, "etc/libvirt/qemu.conf", rows[i].conf);
		if (rows[i].mounts)
			fake_put(&fk, "proc/mounts", rows[i].mounts);
		else
			fake_remove(&fk, "proc/mounts");
		if (rows[i].driver)
			driver = fake_driver(&fk, 4711);
		UNIT_CHECK(view_read(&fk.kfs, &host, &err) == 0, "%zu: %s", i, err.text);
		UNIT_CHECK(host.hugetlbfs.known == rows[i].known, "%zu", i);
		UNIT_CHECK(host.hugetlbfs.by_conf == rows[i].by_conf, "%zu", i);
		UNIT_CHECK(host.hugetlbfs.final == rows[i].final, "%zu", i);
		UNIT_CHECK(host.hugetlbfs.n == rows[i].n, "%zu: %zu", i, host.hugetlbfs.n);
		UNIT_CHECK(host.bare_page_kib == rows[i].bare_kib, "%zu: %" PRIu64, i,
			   host.bare_page_kib);
		view_free(&host);
		if (driver)
			fake_end(&fk, driver);
	}
}

/* The first one of a size is libvirt's */
static void test_min_size(void)
{
	struct host_view host = { 0 };
	struct err err = { "" };
	FAKE_KERNEL(fk, "two-nodes-6.12");

	fake_put(&fk, "proc/mounts",
		 "none /a hugetlbfs rw,pagesize=2M,min_size=20480K 0 0\n"
		 "none /b hugetlbfs rw,pagesize=2M,min_size=2048K 0 0\n");
	UNIT_CHECK(view_read(&fk.kfs, &host, &err) == 0, "%s", err.text);
	CU_ASSERT_EQUAL(host_view_size(&host, PAGE_2M)->mount_min, 10);
	CU_ASSERT_EQUAL(host_view_size(&host, PAGE_1G)->mount_min, 0);
	CU_ASSERT_STRING_EQUAL(host_view_hugetlbfs(&host, PAGE_2M)->dir, "/a");
	CU_ASSERT_PTR_NULL(host_view_hugetlbfs(&host, PAGE_1G));
	view_free(&host);
}

static CU_TestInfo tests[] = {
	{ "what libvirt gives them through", test_rows },
	{ "pages that a mount holds", test_min_size },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_view_hugetlbfs", tests);
}

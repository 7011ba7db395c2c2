// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Stacks of block devices, with and without dm-crypt in them.
 */
#include "memory/dm_crypt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/array.h"
#include "base/err.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

/**
 * struct device - One of /sys/dev/block
 * @below:	"8:1 8:17": what it lies on
 */
struct device {
	const char *number;
	const char *name;
	const char *uuid;
	const char *below;
};

static void put(const struct fake_kernel *fk, const struct device *device, const char *file,
		const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "sys/dev/block/%s/%s", device->number, file);
	fake_put(fk, path, text);
}

static void put_device(const struct fake_kernel *fk, const struct device *device)
{
	char list[64], path[64], *save = NULL, *number;

	put(fk, device, "dev", device->number);
	put(fk, device, "slaves/.keep", "");
	if (device->name)
		put(fk, device, "dm/name", device->name);
	if (device->uuid)
		put(fk, device, "dm/uuid", device->uuid);
	snprintf(list, sizeof(list), "%s", device->below ? device->below : "");
	for (number = strtok_r(list, " ", &save); number; number = strtok_r(NULL, " ", &save)) {
		snprintf(path, sizeof(path), "slaves/on-%s/dev", number);
		put(fk, device, path, number);
	}
}

struct stack {
	const char *name;
	const struct device devices[5];
	int rc;
	const char *says;
};

/* The device that is asked about is the first */
static const struct stack stacks[] = {
	{ "a disk",
	  { { "8:1", NULL, NULL, NULL } },
	  -ENOKEY,
	  "the block device 8:1 is not encrypted" },
	{ "LUKS 2 on a disk",
	  { { "8:1", "cr", "CRYPT-LUKS2-12ab-cr", "8:2" }, { "8:2", NULL, NULL, NULL } },
	  0,
	  "" },
	{ "a random key",
	  { { "8:1", "cr", "CRYPT-PLAIN-cr", "8:2" }, { "8:2", NULL, NULL, NULL } },
	  0,
	  "" },
	{ "a volume on LUKS",
	  { { "8:1", "vg-tier", "LVM-abc", "8:2" }, { "8:2", "cr", "CRYPT-LUKS2-1-cr", "8:3" } },
	  0,
	  "" },
	{ "a volume on a disk",
	  { { "8:1", "vg-tier", "LVM-abc", "8:2" }, { "8:2", NULL, NULL, NULL } },
	  -ENOKEY,
	  "the block device 8:2 is not encrypted" },
	{ "a stripe over two, one of them encrypted",
	  { { "8:1", "vg-tier", "LVM-abc", "8:2 8:3" },
	    { "8:2", "cr", "CRYPT-LUKS1-1-cr", "8:4" },
	    { "8:3", "plain", "LVM-def", "8:4" },
	    { "8:4", NULL, NULL, NULL } },
	  -ENOKEY,
	  "the block device 8:4 is not encrypted" },
	{ "only verified",
	  { { "8:1", "v", "CRYPT-VERITY-1-v", "8:2" }, { "8:2", NULL, NULL, NULL } },
	  -ENOKEY,
	  "8:2" },
	{ "a volume with a name like dm-crypt's",
	  { { "8:1", "CRYPT-LUKS2-x", "LVM-CRYPT-LUKS2-", "8:2" }, { "8:2", NULL, NULL, NULL } },
	  -ENOKEY,
	  "8:2" },
	{ "on itself", { { "8:1", "loop", "LVM-a", "8:1" } }, -ENOKEY, "loop lies on too many" },
	{ "on one that is not there",
	  { { "8:1", "a", "LVM-a", "8:9" } },
	  -ENOKEY,
	  "not encrypted" },
	{ "not in sysfs", { { "8:2", NULL, NULL, NULL } }, -ENOKEY, "8:1 is not encrypted" },
};

static void test_stacks(void)
{
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(stacks); i++) {
		const struct stack *stack = &stacks[i];
		struct err err = { "" };
		int rc;

		FAKE_KERNEL(fk, "one-node");
		for (n = 0; n < ARRAY_SIZE(stack->devices) && stack->devices[n].number; n++)
			put_device(&fk, &stack->devices[n]);
		rc = dm_crypt_check(&fk.kfs, makedev(8, 1), &err);
		UNIT_CHECK(rc == stack->rc, "%s: %d, %s", stack->name, rc, err.text);
		UNIT_CHECK(strstr(err.text, stack->says) != NULL, "%s: %s", stack->name, err.text);
	}
}

static int check(const struct fake_kernel *fk, struct err *err)
{
	return dm_crypt_check(&fk->kfs, makedev(8, 1), err);
}

/* As of a RAID of encrypted disks: the partition itself has no list of what it lies on */
static void test_partition(void)
{
	const struct device crypt = { "8:2", "cr", "CRYPT-LUKS2-1-cr", NULL };
	struct err err = { "" };

	FAKE_KERNEL(fk, "one-node");
	fake_put(&fk, "sys/devices/md0/dev", "9:0\n");
	fake_put(&fk, "sys/devices/md0/md0p1/partition", "1\n");
	fake_put(&fk, "sys/dev/block/9:0/slaves/dm-0/dev", "8:2\n");
	CU_ASSERT_EQUAL(symlinkat("../../devices/md0/md0p1", fk.kfs.rootfd, "sys/dev/block/8:1"),
			0);
	CU_ASSERT_EQUAL(check(&fk, &err), -ENOKEY);
	put_device(&fk, &crypt);
	CU_ASSERT_EQUAL(check(&fk, &err), 0);
}

static void test_number_that_is_none(void)
{
	const struct device crypt = { "8:2", "cr", "CRYPT-LUKS2-1-cr", NULL };
	struct err err = { "" };

	FAKE_KERNEL(fk, "one-node");
	put_device(&fk, &crypt);
	fake_put(&fk, "sys/dev/block/8:1/slaves/a/dev", "8:1/../8:2\n");
	CU_ASSERT_EQUAL(check(&fk, &err), -ENOKEY);
	UNIT_CHECK_STR(err.text, "the block device 8:1 lies on one that can't be read", "sentence");
	fake_put(&fk, "sys/dev/block/8:1/slaves/a/dev", "\n");
	CU_ASSERT_EQUAL(check(&fk, &err), -ENOKEY);
}

static void test_no_device(void)
{
	struct err err = { "" };

	FAKE_KERNEL(fk, "one-node");
	CU_ASSERT_EQUAL(dm_crypt_check(&fk.kfs, makedev(0, 42), &err), -ENOKEY);
	UNIT_CHECK(strstr(err.text, "no block device") != NULL, "%s", err.text);
}

/* The device that the test's own directory is on stands in for any other */
static void test_path(void)
{
	const struct device crypt = { "8:2", "cr", "CRYPT-LUKS2-1-cr", NULL };
	struct err err = { "" };
	char number[64];
	struct stat st;

	FAKE_KERNEL(fk, "one-node");
	fake_put(&fk, "srv/pages", "");
	CU_ASSERT_EQUAL_FATAL(fstat(fk.kfs.rootfd, &st), 0);
	CU_ASSERT_EQUAL(dm_crypt_check_path(&fk.kfs, "/none/pages", &err), -ENOENT);
	CU_ASSERT_EQUAL(dm_crypt_check_path(&fk.kfs, "/srv/pages", &err), -ENOKEY);
	UNIT_CHECK(strncmp(err.text, "/srv/pages: ", 12) == 0, "%s", err.text);
	if (!major(st.st_dev))
		return;
	snprintf(number, sizeof(number), "sys/dev/block/%u:%u/slaves/cr/dev", major(st.st_dev),
		 minor(st.st_dev));
	fake_put(&fk, number, "8:2\n");
	put_device(&fk, &crypt);
	CU_ASSERT_EQUAL(dm_crypt_check_path(&fk.kfs, "/srv/pages", &err), 0);
	/* It is made by the daemon, later */
	CU_ASSERT_EQUAL(dm_crypt_check_path(&fk.kfs, "/srv/new", &err), 0);
}

static CU_TestInfo tests[] = {
	{ "stacks of devices", test_stacks },
	{ "partitions", test_partition },
	{ "a number that is none", test_number_that_is_none },
	{ "no block device", test_no_device },
	{ "paths", test_path },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_dm_crypt", tests);
}

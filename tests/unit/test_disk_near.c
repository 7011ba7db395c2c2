// SPDX-License-Identifier: LGPL-2.1-or-later
/* Neighbours on a disk are loaded where more of them are used than chance explains. */
#include "pager/disk_near.h"

#include "unit/unit.h"

enum { OUT = 65536 };

/* So many faults, and of each load's neighbours so many are used.  Return: loads with neighbours */
static unsigned int go(struct disk_near *near, uint64_t *faults, unsigned int n, unsigned int used)
{
	struct disk_near_load load;
	unsigned int loads = 0;

	while (n--) {
		++*faults;
		if (disk_near_fault(near)) {
			disk_near_loaded(near, *faults * DISK_NEAR_BLOCK, 0xfffe, *faults);
			loads++;
		}
		while (disk_near_due(near, *faults, &load)) {
			UNIT_CHECK(load.pages == 0xfffe &&
					   load.page == load.faults * DISK_NEAR_BLOCK,
				   "another load");
			disk_near_result(near, &load, used, *faults, OUT);
		}
	}
	return loads;
}

/* Some at first; then one in 256, and none of them is used but by chance */
static void test_no_neighbourhoods(void)
{
	struct disk_near near = { .on = false };
	uint64_t faults = 0;

	CU_ASSERT_EQUAL(go(&near, &faults, 64, 0), 64);
	CU_ASSERT_EQUAL(go(&near, &faults, 192, 0), 1);
	CU_ASSERT_EQUAL(go(&near, &faults, 100 * 256, 0), 100);
	CU_ASSERT(!near.on);
}

static void test_neighbourhoods(void)
{
	struct disk_near near = { .on = false };
	uint64_t faults = 0;

	go(&near, &faults, 64 + DISK_NEAR_FAULTS, 3);
	CU_ASSERT(near.on);
	CU_ASSERT_EQUAL(go(&near, &faults, 5000, 3), 5000);
	/* It is over */
	go(&near, &faults, 20000, 0);
	CU_ASSERT(!near.on);
	/* And begins again: found by the probes, one in 256 */
	go(&near, &faults, 256 * 200, 4);
	CU_ASSERT(near.on);
}

/* A quarter of what is out is asked for meanwhile: a quarter of the neighbours is no sign */
static void test_chance(void)
{
	const struct disk_near_load load = { .pages = 0xffff };
	struct disk_near near = { .on = false };
	unsigned int i;

	for (i = 0; i < 64; i++)
		disk_near_result(&near, &load, 4, 1024, 3072);
	CU_ASSERT(!near.on);
	for (i = 0; i < 64; i++)
		disk_near_result(&near, &load, 4, 1024, 300000);
	CU_ASSERT(near.on);
}

/* A load without a neighbour says nothing; and no more are remembered than there is room for */
static void test_asked(void)
{
	struct disk_near near = { .on = false };
	struct disk_near_load load;
	unsigned int i;

	disk_near_loaded(&near, 0, 0, 0);
	CU_ASSERT(!disk_near_due(&near, 5000, &load));
	for (i = 0; i < 2 * DISK_NEAR_ASKED_MAX; i++)
		disk_near_loaded(&near, (uint64_t)i * DISK_NEAR_BLOCK, 6, i);
	CU_ASSERT_EQUAL(near.n, DISK_NEAR_ASKED_MAX);
	CU_ASSERT(!disk_near_due(&near, DISK_NEAR_FAULTS - 1, &load));
	CU_ASSERT(disk_near_due(&near, DISK_NEAR_FAULTS, &load));
	CU_ASSERT_EQUAL(load.page, 0);
	CU_ASSERT_EQUAL(near.n, DISK_NEAR_ASKED_MAX - 1);
}

static CU_TestInfo tests[] = {
	{ "no neighbourhoods", test_no_neighbourhoods },
	{ "neighbourhoods come and go", test_neighbourhoods },
	{ "what chance explains", test_chance },
	{ "loads that are asked about", test_asked },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_disk_near", tests);
}

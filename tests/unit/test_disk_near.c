// SPDX-License-Identifier: LGPL-2.1-or-later
/* Neighbours on a disk are loaded where more of them are used than chance explains. */
#include "pager/disk_near.h"

#include "unit/unit.h"

enum { RESIDENT = 65536, OUT = 65536 };

/*
 * So many faults, each on a page whose block has 8 others on the disk, which are used with @chance
 * at each fault, or @loaded once they are loaded.  Return: those whose neighbours are loaded
 */
static unsigned int go(struct disk_near *near, uint64_t *faults, unsigned int n, double chance,
		       double loaded)
{
	struct disk_near_noted noted;
	unsigned int loads = 0;
	double used = 0;

	while (n--) {
		enum disk_near_with with = disk_near_fault(near, RESIDENT);

		++*faults;
		if (with != DISK_NEAR_ALONE)
			disk_near_note(near, *faults * DISK_NEAR_BLOCK, 0xff00, *faults);
		loads += with == DISK_NEAR_LOADED;
		while (disk_near_due(near, *faults, &noted)) {
			UNIT_CHECK(noted.pages == 0xff00 &&
					   noted.page == noted.faults * DISK_NEAR_BLOCK,
				   "another one");
			used += (near->on ? loaded : chance) * 8 * (double)(*faults - noted.faults);
			disk_near_result(near, &noted, (unsigned int)used, *faults, RESIDENT, OUT);
			used -= (unsigned int)used;
		}
	}
	return loads;
}

/* Any page that is out is as likely as any other: nothing is loaded */
static void test_no_neighbourhoods(void)
{
	struct disk_near near = { .on = false };
	uint64_t faults = 0;

	CU_ASSERT_EQUAL(go(&near, &faults, 100000, 1.0 / OUT, 0), 0);
	CU_ASSERT_EQUAL(go(&near, &faults, 100000, 1.2 / OUT, 0), 0);
}

/* All that is used lies in a quarter of what is out: seen within 3,500 faults, and within 6,000
 * that it is over */
static void test_neighbourhoods(void)
{
	struct disk_near near = { .on = false };
	uint64_t faults = 0;

	go(&near, &faults, 20000, 1.0 / OUT, 0);
	CU_ASSERT(!near.on);
	go(&near, &faults, 3500, 4.0 / OUT, 4.0 / OUT);
	CU_ASSERT(near.on);
	CU_ASSERT_EQUAL(go(&near, &faults, 5000, 4.0 / OUT, 4.0 / OUT), 5000);
	go(&near, &faults, 6000, 1.0 / OUT, 1.0 / OUT);
	CU_ASSERT(!near.on);
	go(&near, &faults, 3500, 4.0 / OUT, 4.0 / OUT);
	CU_ASSERT(near.on);
}

/* It does not fit into memory, so neighbours go before they are used: each time they are left alone
 * for twice as long, 65,536 faults at most, and a trial takes no more than 1,600 */
static void test_too_large(void)
{
	struct disk_near near = { .on = false };
	uint64_t faults = 0;
	unsigned int loads;

	loads = go(&near, &faults, 1000000, 2.0 / OUT, 1.0 / OUT);
	UNIT_CHECK(loads > 5000 && loads < 32000, "%u", loads);
	loads = go(&near, &faults, 140000, 2.0 / OUT, 1.0 / OUT);
	UNIT_CHECK(loads > 500 && loads < 4000, "%u", loads);
}

/* The thresholds: see disk_near.h */
static bool is_on(uint64_t resident, uint64_t out, double chance)
{
	const struct disk_near_noted noted = { .pages = 0xffff };
	struct disk_near near = { .on = false };
	uint64_t since = resident / 64;
	double used = 0;
	unsigned int i;

	for (i = 0; i < 4096 && !near.on; i++) {
		used += 16 * chance * (double)since;
		disk_near_result(&near, &noted, (unsigned int)used, since, resident, out);
		used -= (unsigned int)used;
	}
	return near.on;
}

static void test_thresholds(void)
{
	/* Half of it is resident: 72 % of them have to be used before they would go */
	CU_ASSERT(!is_on(1 << 20, 1 << 20, 1.25 / (1 << 20)));
	CU_ASSERT(is_on(1 << 20, 1 << 20, 1.35 / (1 << 20)));
	/* A quarter: a half of them */
	CU_ASSERT(!is_on(1 << 20, 3 << 20, 0.65 / (1 << 20)));
	CU_ASSERT(is_on(1 << 20, 3 << 20, 0.75 / (1 << 20)));
	/* They lie together, and too many are used for what is resident */
	CU_ASSERT(!is_on(1 << 20, 12 << 20, 6.0 / (12 << 20)));
}

/* A fault without a neighbour says nothing; and no more are remembered than there is room for */
static void test_asked(void)
{
	struct disk_near near = { .on = false };
	struct disk_near_noted noted;
	unsigned int i;

	CU_ASSERT_EQUAL(disk_near_fault(&near, 100), DISK_NEAR_ALONE);
	disk_near_note(&near, 0, 0, 0);
	CU_ASSERT(!disk_near_due(&near, 5000, &noted));
	for (i = 0; i < 2 * DISK_NEAR_ASKED_MAX; i++)
		disk_near_note(&near, (uint64_t)i * DISK_NEAR_BLOCK, 6, i);
	CU_ASSERT_EQUAL(near.n, DISK_NEAR_ASKED_MAX);
	CU_ASSERT(!disk_near_due(&near, DISK_NEAR_FAULTS_MIN - 1, &noted));
	CU_ASSERT(disk_near_due(&near, DISK_NEAR_FAULTS_MIN, &noted));
	CU_ASSERT_EQUAL(noted.page, 0);
	CU_ASSERT_EQUAL(near.n, DISK_NEAR_ASKED_MAX - 1);
}

/* In a large guest pages stay longer, and fewer faults are looked at */
static void test_large(void)
{
	struct disk_near near = { .on = false };
	unsigned int i, looked = 0;

	for (i = 0; i < 1 << 16; i++)
		looked += disk_near_fault(&near, 1 << 22) == DISK_NEAR_NOTED;
	CU_ASSERT_EQUAL(looked, DISK_NEAR_ASKED_MAX);
	CU_ASSERT_EQUAL(near.wait, 1 << 16);
}

static CU_TestInfo tests[] = {
	{ "no neighbourhoods", test_no_neighbourhoods },
	{ "neighbourhoods come and go", test_neighbourhoods },
	{ "a neighbourhood that memory does not hold", test_too_large },
	{ "what chance explains, and what a place is worth", test_thresholds },
	{ "faults that are asked about", test_asked },
	{ "a large guest", test_large },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_disk_near", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/* When one thread of the guest's counts as alone with its faults. */
#include "pager/lone_vcpu.h"

#include "unit/unit.h"

enum { FIRST = 11, SECOND = 12, STREAK = 256 };

/* Faults of one thread that read nothing ahead.  Return: the last one's result */
static bool faults(struct lone_vcpu *lone, uint32_t tid, unsigned int n)
{
	bool on = lone->on;

	while (n--)
		on = lone_vcpu_fault(lone, tid, 0);
	return on;
}

static void test_begins(void)
{
	struct lone_vcpu lone = { .on = false };

	/* The first one says whose the others are */
	CU_ASSERT(!faults(&lone, FIRST, STREAK));
	CU_ASSERT(faults(&lone, FIRST, 1));
	CU_ASSERT(faults(&lone, FIRST, 100000));
}

static void test_another_thread(void)
{
	struct lone_vcpu lone = { .on = false };
	unsigned int i;

	CU_ASSERT(faults(&lone, FIRST, STREAK + 1));
	CU_ASSERT(!faults(&lone, SECOND, 1));
	CU_ASSERT(!faults(&lone, FIRST, STREAK));
	CU_ASSERT(faults(&lone, FIRST, 1));
	for (i = 0; i < 10000; i++)
		CU_ASSERT(!faults(&lone, i % 2 ? FIRST : SECOND, 1));
}

static void test_read_ahead(void)
{
	struct lone_vcpu lone = { .on = false };
	unsigned int i;

	CU_ASSERT(faults(&lone, FIRST, STREAK + 1));
	/* Probes now and then */
	for (i = 0; i < 100; i++) {
		CU_ASSERT(lone_vcpu_fault(&lone, FIRST, 16));
		CU_ASSERT(faults(&lone, FIRST, 127));
	}
	/* A stream, and it takes as long as at first until it is over */
	for (i = 0; i < 16; i++)
		lone_vcpu_fault(&lone, FIRST, 64);
	CU_ASSERT(!lone.on);
	CU_ASSERT(!faults(&lone, FIRST, STREAK - 1));
	CU_ASSERT(faults(&lone, FIRST, 1));
}

static CU_TestInfo tests[] = {
	{ "a thread that faults for a while", test_begins },
	{ "another thread ends it", test_another_thread },
	{ "pages that are read ahead end it", test_read_ahead },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_lone_vcpu", tests);
}

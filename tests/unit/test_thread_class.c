// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which of QEMU's threads read all memory. */
#include "pager/thread_class.h"

#include "unit/unit.h"

enum { SECOND_NS = 1000000000 };

static void test_names(void)
{
	static const struct {
		const char *name;
		enum fault_class class;
	} rows[] = {
		{ "CPU 0/KVM", FAULT_VCPU },
		{ "CPU 117/TCG", FAULT_VCPU },
		{ "live_migration", FAULT_MIGRATION },
		{ "mig/src/main", FAULT_MIGRATION },
		{ "mig/src/send_3", FAULT_MIGRATION },
		{ "mig/snapshot", FAULT_MIGRATION },
		{ "multifdsend_12", FAULT_MIGRATION },
		{ "bg_snapshot", FAULT_MIGRATION },
		{ "dump_thread", FAULT_MIGRATION },
		/* Those that write what a migration brings */
		{ "mig/dst/recv_1", FAULT_OTHER },
		{ "multifdrecv_1", FAULT_OTHER },
		{ "IO iothread1", FAULT_OTHER },
		{ "qemu-system-x86", FAULT_OTHER },
		{ "worker", FAULT_OTHER },
		{ "CPU", FAULT_OTHER },
		{ "live_migratio", FAULT_OTHER },
		{ "", FAULT_OTHER },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		UNIT_CHECK(thread_class_of(rows[i].name) == rows[i].class, "\"%s\"", rows[i].name);
}

static void test_find(void)
{
	struct thread_classes classes = { 0 };
	uint64_t now = 50 * (uint64_t)SECOND_NS;
	struct thread_seen *first, *other;
	bool name_it;
	uint32_t i;

	first = thread_find(&classes, 4711, now, &name_it);
	CU_ASSERT(name_it);
	CU_ASSERT_EQUAL(first->class, FAULT_OTHER);
	first->class = FAULT_VCPU;
	CU_ASSERT_PTR_EQUAL(thread_find(&classes, 4711, now + SECOND_NS - 1, &name_it), first);
	CU_ASSERT(!name_it);
	/* Its number may be another thread's, or it has another name */
	CU_ASSERT_PTR_EQUAL(thread_find(&classes, 4711, now + SECOND_NS, &name_it), first);
	CU_ASSERT(name_it);
	CU_ASSERT_PTR_EQUAL(thread_find(&classes, 4711, now + SECOND_NS + 1, &name_it), first);
	CU_ASSERT(!name_it);
	CU_ASSERT_EQUAL(first->class, FAULT_VCPU);
	/* However many come, those of now have their place */
	for (i = 1; i <= 1000; i++) {
		now += SECOND_NS;
		other = thread_find(&classes, 4711 + i * THREAD_SETS, now, &name_it);
		CU_ASSERT(name_it);
		CU_ASSERT_EQUAL(other->tid, 4711 + i * THREAD_SETS);
		CU_ASSERT_PTR_EQUAL(thread_find(&classes, other->tid, now, &name_it), other);
		CU_ASSERT(!name_it);
	}
	thread_find(&classes, 4711, now, &name_it);
	CU_ASSERT(name_it);
}

static void test_by_name(void)
{
	struct thread_seen thread = { .class = FAULT_MIGRATION };

	CU_ASSERT(thread_scans(&thread, 100, false));
	CU_ASSERT(thread_scans(&thread, 7, false));
	CU_ASSERT(thread_scans(&thread, 100000, false));
	/* It brings something */
	CU_ASSERT(!thread_scans(&thread, 8, true));
}

/* Return: how many faults that go up it takes */
static unsigned int takes(struct thread_seen *thread, uint64_t page, uint64_t step)
{
	unsigned int n = 1;

	while (n < 1000 && !thread_scans(thread, page, false)) {
		page += step;
		n++;
	}
	return n;
}

static void test_by_order(void)
{
	struct thread_seen thread = { .class = FAULT_MAIN };
	unsigned int i;

	CU_ASSERT_EQUAL(takes(&thread, 5, 33), 64);
	CU_ASSERT_EQUAL(thread.last, 5 + 63 * 33);
	CU_ASSERT(thread_scans(&thread, thread.last + 16384, false));
	CU_ASSERT(thread_scans(&thread, thread.last, false));
	/* Writes say nothing either way */
	CU_ASSERT(!thread_scans(&thread, 3, true));
	CU_ASSERT(thread_scans(&thread, thread.last + 1, false));
	/* Elsewhere: it begins anew */
	CU_ASSERT(!thread_scans(&thread, 3, false));
	CU_ASSERT_EQUAL(takes(&thread, 4, 1), 64);
	CU_ASSERT(!thread_scans(&thread, thread.last + 16385, false));
	CU_ASSERT_EQUAL(takes(&thread, thread.last + 1, 1), 64);
	/* The same page again and again is no order */
	CU_ASSERT(!thread_scans(&thread, 2, false));
	CU_ASSERT_EQUAL(takes(&thread, 2, 0), 1000);
	/* Disks' buffers: bursts of sixteen */
	for (i = 0; i < 1000; i++)
		CU_ASSERT(!thread_scans(&thread, (i / 16 * 7919) % 4096 + i % 16, false));
}

static void test_vcpu(void)
{
	struct thread_seen thread = { .class = FAULT_VCPU };

	/* What a guest reads is its working set, in whatever order */
	CU_ASSERT_EQUAL(takes(&thread, 1, 1), 1000);
}

static CU_TestInfo tests[] = {
	{ "names", test_names },
	{ "what is known of a thread", test_find },
	{ "a thread that is named so", test_by_name },
	{ "a thread that goes upwards", test_by_order },
	{ "a vCPU", test_vcpu },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_thread_class", tests);
}

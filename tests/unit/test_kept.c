// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages that are kept after release: counted apart, and given back when asked for.
 */
#include "lifecycle/kept.h"

#include <inttypes.h>

#include "lifecycle/session.h"
#include "lifecycle/state.h"
#include "unit/fake_host.h"
#include "unit/unit.h"

#define A_XML XML(1, "a", UUID_A, 200, PAGES(2, "M") ON_NODE(0))
#define B_XML XML(2, "b", UUID_B, 100, PAGES(2, "M") ON_NODE(0))
#define KEEP  "[hugepages]\non_release = keep\n"

/* 20 pages of the administrator's, 80 that a guest left */
static void open_kept(struct fake_host *h)
{
	fake_host_open(h, "two-nodes-6.12", KEEP);
	fake_empty_nodes(&h->fk);
	fake_set_pool(&h->fk, 0, PAGE_2M, (struct fake_pool){ 20, 20, 0 });
	OK(h, hook_prepare, "a", A_XML);
	OK(h, hook_release, "a", A_XML);
	fake_pool_is(&h->fk, 0, PAGE_2M, 100, 100, 0);
	CU_ASSERT_FALSE(has_ledger(h, UUID_A));
}

#define KEPT(name) UNIT_FIXTURE(struct fake_host, name, fake_host_close, open_kept(&(name)))

/* Return: pages freed, of @pages; checks what is kept then */
static uint64_t free_pages(struct fake_host *h, uint64_t page_kib, uint64_t pages, uint64_t left)
{
	struct kept kept = { 0 };
	struct session session;
	uint64_t freed = 0;

	CU_ASSERT_EQUAL_FATAL(session_open(&session, &h->fk.kfs, SESSION_CREATE, &h->err), 0);
	UNIT_CHECK(kept_free(&session, page_kib, pages, &kept, &h->err) == 0, "%s", h->err.text);
	CU_ASSERT_EQUAL(session.state.lockfd, -1);
	if (kept.n) {
		freed = kept.pools[0].freed;
		UNIT_CHECK(kept.pools[0].left == left, "%" PRIu64 " left", kept.pools[0].left);
	} else {
		CU_ASSERT_EQUAL(left, 0);
	}
	kept_end(&kept);
	session_close(&session);
	return freed;
}

static void test_free(void)
{
	KEPT(h);

	CU_ASSERT_EQUAL(free_pages(&h, PAGE_1G, UINT64_MAX, 0), 0);
	CU_ASSERT_EQUAL(free_pages(&h, 0, 30, 50), 30);
	fake_pool_is(&h.fk, 0, PAGE_2M, 70, 70, 0);
	CU_ASSERT_EQUAL(free_pages(&h, PAGE_2M, UINT64_MAX, 0), 50);
	fake_pool_is(&h.fk, 0, PAGE_2M, 20, 20, 0);
	CU_ASSERT_EQUAL(free_pages(&h, 0, UINT64_MAX, 0), 0);
	fake_pool_is(&h.fk, 0, PAGE_2M, 20, 20, 0);
}

/* A guest was lent some of them: these stay, and are kept again when it is gone */
static void test_lent(void)
{
	KEPT(h);

	OK(&h, hook_prepare, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	CU_ASSERT_EQUAL(free_pages(&h, 0, UINT64_MAX, 30), 50);
	fake_pool_is(&h.fk, 0, PAGE_2M, 50, 50, 0);
	OK(&h, hook_release, "b", B_XML);
	CU_ASSERT_EQUAL(free_pages(&h, 0, UINT64_MAX, 0), 30);
	fake_pool_is(&h.fk, 0, PAGE_2M, 20, 20, 0);
}

/* Pages in use stay, whosever they are, and the kernel's refusal loses none */
static void test_cant(void)
{
	KEPT(h);

	fake_use(&h.fk, 0, PAGE_2M, 90);
	CU_ASSERT_EQUAL(free_pages(&h, 0, UINT64_MAX, 70), 10);
	fake_pool_is(&h.fk, 0, PAGE_2M, 90, 0, 0);
	fake_unuse(&h.fk, 0, PAGE_2M, 90);
	CU_ASSERT_EQUAL(free_pages(&h, 0, UINT64_MAX, 0), 70);
	fake_pool_is(&h.fk, 0, PAGE_2M, 20, 20, 0);
}

/* An administrator made the pool smaller since: it may have been these, so it was */
static void test_smaller(void)
{
	KEPT(h);

	fake_write_pool(&h.fk, 0, PAGE_2M, 70);
	CU_ASSERT_EQUAL(free_pages(&h, 0, UINT64_MAX, 0), 50);
	fake_pool_is(&h.fk, 0, PAGE_2M, 20, 20, 0);
}

/* After a reboot, and from a file that is damaged, nothing is known to be kept */
static void test_forgotten(void)
{
	struct fake_host h;

	open_kept(&h);
	fake_put(&h.fk, "proc/sys/kernel/random/boot_id", "another-boot\n");
	CU_ASSERT_EQUAL(free_pages(&h, 0, UINT64_MAX, 0), 0);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	fake_host_close(&h);

	open_kept(&h);
	fake_put(&h.fk, STATE "pools", "{ \"pools\": [ 1 ] ");
	CU_ASSERT_EQUAL(free_pages(&h, 0, UINT64_MAX, 0), 0);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	fake_host_close(&h);
}

static CU_TestInfo tests[] = {
	{ "given back when asked for", test_free },
	{ "lent to a guest", test_lent },
	{ "what can't go", test_cant },
	{ "a pool made smaller", test_smaller },
	{ "forgotten", test_forgotten },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_kept", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The last refusal of each guest: kept, replaced, forgotten, bounded.
 */
#include "lifecycle/refusals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "unit/fake_host.h"

#define FILE_NAME STATE "refusals"

static struct refusals kept;

static const struct refusals *read_kept(struct fake_host *h)
{
	refusals_read(&h->fk.kfs, &kept);
	return &kept;
}

/* Too large, then smaller: the start takes its refusal away, and no other */
static void test_hook(void)
{
	FAKE_HOST(h, "two-nodes-6.1", NULL);
	struct stat st;

	CU_ASSERT_EQUAL(read_kept(&h)->n, 0);
	CU_ASSERT_EQUAL(
		run(&h, hook_prepare, "a", XML(1, "a", UUID_A, 900000, PAGES(2, "M") ON_NODE(0))),
		-ENOSPC);
	CU_ASSERT_EQUAL(
		run(&h, hook_prepare, "b", XML(2, "b", UUID_B, 900000, PAGES(2, "M") ON_NODE(0))),
		-ENOSPC);
	CU_ASSERT_EQUAL_FATAL(read_kept(&h)->n, 2);
	UNIT_CHECK_STR(kept.list[0].name, "a", "the oldest first");
	UNIT_CHECK(!strncmp(kept.list[0].text, "not enough memory for huge pages: ", 34),
		   "the verdict first: %s", kept.list[0].text);
	UNIT_CHECK(kept.list[0].time > 1600000000, "a time");
	CU_ASSERT_EQUAL(fstatat(h.fk.kfs.rootfd, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW), 0);
	UNIT_CHECK((st.st_mode & 07777) == 0600, "mode %o", st.st_mode);
	OK(&h, hook_prepare, "a", XML(3, "a", UUID_A, 20, PAGES(2, "M") ON_NODE(0)));
	CU_ASSERT_EQUAL_FATAL(read_kept(&h)->n, 1);
	UNIT_CHECK_STR(kept.list[0].name, "b", "b's stays");
	/* One that needs nothing of us any more starts, too */
	OK(&h, hook_prepare, "b", DOMAIN("id='4'", "b", UUID_B, 200, ""));
	CU_ASSERT_EQUAL(read_kept(&h)->n, 0);
}

static void test_bounds(void)
{
	FAKE_HOST(h, "two-nodes-6.1", NULL);
	char uuid[GUEST_UUID_SIZE];
	unsigned int i;

	OK(&h, hook_prepare, "a", XML(1, "a", UUID_A, 20, PAGES(2, "M") ON_NODE(0)));
	for (i = 0; i < REFUSALS_MAX + 3; i++) {
		snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012u", i);
		refusals_note(&h.fk.kfs, uuid, "n\xff", "a\xff sentence");
	}
	CU_ASSERT_EQUAL_FATAL(read_kept(&h)->n, REFUSALS_MAX);
	UNIT_CHECK_STR(kept.list[0].uuid, "00000000-0000-4000-8000-000000000003", "the newest");
	UNIT_CHECK_STR(kept.list[0].text, "a? sentence", "UTF-8");
	refusals_note(&h.fk.kfs, kept.list[0].uuid, "n", "again");
	CU_ASSERT_EQUAL_FATAL(read_kept(&h)->n, REFUSALS_MAX);
	UNIT_CHECK_STR(kept.list[REFUSALS_MAX - 1].text, "again", "replaced");
}

static CU_TestInfo tests[] = {
	{ "what the hook keeps", test_hook },
	{ "no more than so many", test_bounds },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_refusals", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pager/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "pager/page_map.h"
#include "unit/unit.h"

enum { PAGES = 5 * REGION_PAGES + 1 };

static int directory(void)
{
	int fd = open(unit_tmpdir(), O_DIRECTORY | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

static void test_outlives(void)
{
	cleanup_close int dir = directory();
	struct journal *journal;
	struct err err;
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		struct run_record *run;

		CU_ASSERT_FATAL(journal_create(&journal, dir, PAGES, 4, &err) == 0);
		run = journal_run(journal, 1);
		run->page[63] = 9;
		run->generation[63] = 8;
		run->n = 64;
		run->phase = RUN_SPLICED;
		memset((char *)journal_staging(journal, 3) + 63 * PAGE_BYTES, 7, PAGE_BYTES);
		journal_ring(journal)[63].event = UFFD_EVENT_REMOVE;
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, &status, 0);
	CU_ASSERT_FATAL(journal_open(&journal, dir, PAGES, 4, &err) == 0);
	CU_ASSERT((uintptr_t)journal_staging(journal, 0) % PAGE_BYTES == 0);
	CU_ASSERT(journal_run(journal, 1)->phase == RUN_SPLICED &&
		  journal_run(journal, 1)->n == 64);
	CU_ASSERT(journal_run(journal, 1)->page[63] == 9);
	CU_ASSERT(journal_run(journal, 1)->generation[63] == 8);
	CU_ASSERT(journal_run(journal, 0)->phase == RUN_EMPTY);
	CU_ASSERT(((char *)journal_staging(journal, 3))[64 * PAGE_BYTES - 1] == 7);
	CU_ASSERT(journal_ring(journal)[63].event == UFFD_EVENT_REMOVE);
	journal_close(journal);
	/* Memory was plugged in, and unplugged */
	CU_ASSERT(journal_open(&journal, dir, PAGES + REGION_PAGES, 4, &err) == -ESTALE);
	CU_ASSERT_FATAL(journal_grow(dir, PAGES + REGION_PAGES, 4, &err) == 0);
	CU_ASSERT_FATAL(journal_open(&journal, dir, PAGES + REGION_PAGES, 4, &err) == 0);
	CU_ASSERT(journal_run(journal, 1)->n == 64);
	CU_ASSERT(!journal_discarded_lately(journal, PAGES + REGION_PAGES - 1));
	journal_note_discard(journal, PAGES + REGION_PAGES - 1, 1);
	CU_ASSERT(journal_discarded_lately(journal, PAGES + REGION_PAGES - 1));
	journal_close(journal);
	CU_ASSERT(journal_grow(dir, PAGES, 4, &err) == 0);
	CU_ASSERT_FATAL(journal_open(&journal, dir, PAGES, 4, &err) == 0);
	journal_close(journal);
	/* A new guest's */
	CU_ASSERT_FATAL(journal_create(&journal, dir, PAGES, 4, &err) == 0);
	CU_ASSERT(journal_run(journal, 1)->phase == RUN_EMPTY);
	journal_close(journal);
}

static void test_discards(void)
{
	static const struct {
		uint64_t first, n;
		unsigned int regions; /* as bits */
	} rows[] = {
		{ 0, 0, 0 },	 { 0, 1, 1 },	   { 511, 1, 1 },	 { 511, 2, 3 },
		{ 512, 512, 2 }, { 0, PAGES, 63 }, { PAGES - 1, 1, 32 },
	};
	size_t i, region;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_close int dir = directory();
		struct journal *journal;
		struct err err;

		CU_ASSERT_FATAL(journal_create(&journal, dir, PAGES, 4, &err) == 0);
		journal_note_discard(journal, rows[i].first, rows[i].n);
		for (region = 0; region < 6; region++)
			UNIT_CHECK(journal_discarded_lately(journal, region * REGION_PAGES) ==
					   (rows[i].regions >> region & 1),
				   "row %zu, region %zu", i, region);
		journal_close(journal);
	}
}

/* What it says it takes is what the file has, and no staging of a pipe that there is not */
static void test_bytes(void)
{
	unsigned int pipes;

	for (pipes = 1; pipes <= PAGER_PIPES_MAX; pipes++) {
		cleanup_close int dir = directory();
		struct journal *journal;
		struct err err;
		struct stat st;

		CU_ASSERT_FATAL(journal_create(&journal, dir, PAGES, pipes, &err) == 0);
		CU_ASSERT_FATAL(fstatat(dir, "journal", &st, 0) == 0);
		UNIT_CHECK((uint64_t)st.st_blocks * 512 >= journal_bytes(journal) &&
				   (uint64_t)st.st_blocks * 512 <
					   journal_bytes(journal) + 2 * PAGE_BYTES,
			   "%u pipes: %lu bytes of %lu", pipes, (unsigned long)st.st_blocks * 512,
			   (unsigned long)journal_bytes(journal));
		UNIT_CHECK(journal_bytes(journal) / PAGE_BYTES <= pipes * RUN_PAGES_MAX + 4,
			   "%u pipes: %lu bytes", pipes, (unsigned long)journal_bytes(journal));
		/* The last of what follows the stagings is there */
		journal_note_discard(journal, PAGES - 1, 1);
		journal_close(journal);
		CU_ASSERT_FATAL(journal_open(&journal, dir, PAGES, pipes, &err) == 0);
		CU_ASSERT(journal_discarded_lately(journal, PAGES - 1));
		journal_close(journal);
	}
}

static CU_TestInfo tests[] = {
	{ "run, staging and ring outlive a kill", test_outlives },
	{ "discards are noted by region", test_discards },
	{ "it takes what its pipes need", test_bytes },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_journal", tests);
}

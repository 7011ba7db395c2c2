// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One file as a shared setting: in which order the record and the file are written, and
 * whose doing is what is found.
 */
#include "steps/setting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

#define RUN FAKE_KSM "run"

static const struct setting_file run_file = { STEP_KSM, "ksm", "sys/kernel/mm/ksm", "run" };

/* What is written to where, as one text: "record 0>1 file=0, " */
struct book {
	struct step_ctx ctx;
	struct fake_kernel fk;
	bool has_record;
	struct shared_setting record;
	int save_error;
	int load_error;
	char story[512];
};

static struct book *book_of(struct step_ctx *ctx)
{
	return (struct book *)((char *)ctx - offsetof(struct book, ctx));
}

static int save_shared(struct step_ctx *ctx, const struct shared_setting *setting, struct err *err)
{
	struct book *book = book_of(ctx);
	size_t used = strlen(book->story);
	char file[64];

	if (book->save_error)
		return err_set(err, book->save_error, "no room");
	fake_get(&book->fk, setting->key, file, sizeof(file));
	snprintf(book->story + used, sizeof(book->story) - used, "%s>%s file=%s, ", setting->former,
		 setting->ours, file);
	book->record = *setting;
	book->has_record = true;
	return 0;
}

static int load_shared(struct step_ctx *ctx, const char *name, struct shared_setting *setting,
		       struct err *err)
{
	struct book *book = book_of(ctx);

	if (book->load_error)
		return err_set(err, book->load_error, "it is damaged");
	if (!book->has_record || strcmp(name, book->record.name) != 0)
		return -ENOENT;
	*setting = book->record;
	return 0;
}

static void open_book(struct book *book, const char *run)
{
	memset(book, 0, sizeof(*book));
	fake_open(&book->fk, "two-nodes-6.12");
	fake_add_settings(&book->fk, "two-nodes-6.12");
	fake_put(&book->fk, RUN, run);
	book->ctx = (struct step_ctx){ .kfs = &book->fk.kfs,
				       .guest_name = "g",
				       .save_shared = save_shared,
				       .load_shared = load_shared };
}

static void put_record(struct book *book, const char *before, const char *ours, const char *former)
{
	book->has_record = true;
	book->record = (struct shared_setting){ .kind = STEP_KSM, .name = "ksm-run", .key = RUN };
	strcpy(book->record.before, before);
	strcpy(book->record.ours, ours);
	strcpy(book->record.former, former);
}

static bool file_is(const struct book *book, const char *want)
{
	char text[64];

	fake_get(&book->fk, RUN, text, sizeof(text));
	return unit_check_str(text, want, __FILE__, __LINE__, "run");
}

static void test_apply(void)
{
	static const struct {
		const char *found;
		const char *record; /* "BEFORE OURS FORMER", "-" for none; NULL: no record */
		const char *want, *at_end;
		const char *file, *story;
	} rows[] = {
		{ "0\n", NULL, "1", "", "1", "0>1 file=0, >1 file=1, " },
		/* as the host has it: nothing to put back */
		{ "1\n", NULL, "1", "stop", "1", "" },
		{ "1\n", "0 1 -", "1", "", "1", "" },
		{ "1\n", "0 1 -", "2", "", "2", "1>2 file=1, >2 file=2, " },
		/* another end for the same value */
		{ "1\n", "0 1 -", "1", "unmerge", "1", ">1 file=1, " },
		/* killed before the write, and after it */
		{ "0\n", "0 1 0", "1", "", "1", "0>1 file=0, >1 file=1, " },
		{ "1\n", "0 1 0", "1", "", "1", ">1 file=1, " },
		{ "1\n", "0 2 1", "1", "", "1", ">1 file=1, " },
		/* others' */
		{ "0\n", "0 1 -", "1", "", "0", "" },
		{ "2\n", "0 1 -", "1", "stop", "2", "" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		char before[8], ours[8], former[8];
		struct book book;
		struct err err = { "" };

		open_book(&book, rows[i].found);
		if (rows[i].record && sscanf(rows[i].record, "%7s %7s %7s", before, ours, former))
			put_record(&book, before, ours, *former == '-' ? "" : former);
		UNIT_CHECK(setting_apply(&book.ctx, &run_file, rows[i].want, rows[i].at_end,
					 &err) == 0,
			   "row %zu: %s", i, err.text);
		UNIT_CHECK_STR(book.story, rows[i].story, "row %zu", i);
		UNIT_CHECK(file_is(&book, rows[i].file), "row %zu", i);
		if (*book.story) {
			UNIT_CHECK_STR(book.record.before, "0", "row %zu", i);
			UNIT_CHECK_STR(book.record.former, "", "row %zu", i);
			UNIT_CHECK_STR(book.record.at_end, rows[i].at_end, "row %zu", i);
			UNIT_CHECK_STR(book.record.key, RUN, "row %zu", i);
		}
		fake_close(&book.fk);
	}
}

/* What can't be written down is not done */
static void test_no_record(void)
{
	struct book book;
	struct err err;

	open_book(&book, "0\n");
	book.save_error = EROFS;
	CU_ASSERT_EQUAL(setting_apply(&book.ctx, &run_file, "1", "", &err), -EROFS);
	file_is(&book, "0");
	book.save_error = 0;
	book.load_error = EINVAL;
	CU_ASSERT_EQUAL(setting_apply(&book.ctx, &run_file, "1", "", &err), -EINVAL);
	file_is(&book, "0");
	book.load_error = 0;
	fake_remove(&book.fk, RUN);
	CU_ASSERT_EQUAL(setting_apply(&book.ctx, &run_file, "1", "", &err), -ENOENT);
	UNIT_CHECK_STR(book.story, "", "nothing is written down");
	fake_close(&book.fk);
}

/* The kernel refuses: the record says that either may be there, and it can be put back */
static void test_refused(void)
{
	struct book book;
	struct err err;

	open_book(&book, "0\n");
	book.fk.setting_error = EPERM;
	CU_ASSERT_EQUAL(setting_apply(&book.ctx, &run_file, "1", "", &err), -EPERM);
	UNIT_CHECK_STR(book.story, "0>1 file=0, ", "once");
	CU_ASSERT_EQUAL(setting_restore(&book.ctx, &book.record, &err), 0);
	file_is(&book, "0");
	book.fk.setting_error = 0;
	CU_ASSERT_EQUAL(setting_apply(&book.ctx, &run_file, "1", "", &err), 0);
	file_is(&book, "1");
	fake_close(&book.fk);
}

static void test_restore(void)
{
	static const struct {
		const char *found, *ours, *former;
		int error, rc;
		const char *file;
	} rows[] = {
		{ "1\n", "1", "", 0, 0, "0" },	    { "2\n", "2", "1", 0, 0, "0" },
		{ "1\n", "2", "1", 0, 0, "0" },	    { "2\n", "1", "", 0, 0, "2" },
		{ "0\n", "1", "", 0, 0, "0" },	    { "1\n", "1", "", EBUSY, -EAGAIN, "1" },
		{ "1\n", "1", "", EIO, -EIO, "1" }, { "0\n", "1", "", EIO, 0, "0" },
	};
	struct book book;
	struct err err;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		open_book(&book, rows[i].found);
		put_record(&book, "0", rows[i].ours, rows[i].former);
		book.fk.setting_error = rows[i].error;
		UNIT_CHECK(setting_restore(&book.ctx, &book.record, &err) == rows[i].rc, "row %zu",
			   i);
		UNIT_CHECK(file_is(&book, rows[i].file), "row %zu", i);
		fake_close(&book.fk);
	}
	/* The file is gone, and so is the setting */
	open_book(&book, "1\n");
	put_record(&book, "0", "1", "");
	fake_remove(&book.fk, RUN);
	CU_ASSERT_EQUAL(setting_restore(&book.ctx, &book.record, &err), 0);
	fake_close(&book.fk);
}

static void test_keys(void)
{
	static const char *const keys[] = { "etc/passwd", "/sys/kernel/mm/ksm/run",
					    "sys/kernel/mm/../../../etc/passwd", "sys/kernel/mmm",
					    "" };
	struct book book;
	struct err err;
	size_t i;

	open_book(&book, "1\n");
	for (i = 0; i < ROWS(keys); i++) {
		put_record(&book, "0", "1", "");
		strcpy(book.record.key, keys[i]);
		UNIT_CHECK(setting_restore(&book.ctx, &book.record, &err) == -EINVAL, "%s",
			   keys[i]);
		UNIT_CHECK(strstr(err.text, "ksm-run"), "%s", err.text);
		UNIT_CHECK(setting_apply(&book.ctx, &run_file, "2", "", &err) == -EINVAL, "%s",
			   keys[i]);
		UNIT_CHECK(strstr(err.text, "ksm-run"), "%s", err.text);
	}
	CU_ASSERT_EQUAL(book.fk.setting_writes, 0);
	fake_close(&book.fk);
}

static CU_TestInfo tests[] = {
	{ "the record before the file", test_apply },
	{ "no record, no change", test_no_record },
	{ "a refused write", test_refused },
	{ "back to what was before", test_restore },
	{ "records that name other files", test_keys },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_setting", tests);
}

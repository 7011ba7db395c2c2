// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Profiles applied to a directory and taken back: what people do in between stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "profiles/change.h"
#include "profiles/place.h"
#include "unit/unit.h"

#define OWN   "etc/own.d/20-own.conf"
#define LINES "etc/lines.conf"
#define QEMU  "etc/libvirt/qemu.conf"
#define KEY   "memory_backing_dir"

/* qemu.conf before anything, as an administrator left it: not all of it is UTF-8 */
#define BEFORE "# h\xf6her\n\nuser =  \"a\"\n#" KEY " = \"/x\"\ngroup = \"b\""

static const char *root;
static int rootfd = -1;

static void put(const char *path, const char *text)
{
	unit_write(root, path, text);
}

/* To be freed */
static char *get(const char *path)
{
	char *text = NULL;

	CU_ASSERT_EQUAL(place_read(rootfd, path, &text, NULL), 0);
	return text;
}

static void check_file(const char *path, const char *want, const char *when)
{
	cleanup_free char *text = get(path);

	UNIT_CHECK_STR(text, want, "%s %s", path, when);
}

static void delete (const char *path)
{
	unlinkat(rootfd, path, 0);
}

static void begin(void)
{
	if (!root) {
		root = unit_tmpdir();
		rootfd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	delete (OWN);
	delete (LINES);
	delete (RECORD_DIR "/p.json");
	mkdirat(rootfd, "etc", 0755);
	put(QEMU, BEFORE);
}

/* Three files, or only the last ones of them */
static struct parts make_parts(const char *own, const char *lines, const char *value)
{
	struct parts parts = { 0 };

	if (own)
		profile_parts_add(&parts, PART_FILE, OWN, own, NULL);
	if (lines)
		profile_parts_add(&parts, PART_LINES, LINES, lines, NULL);
	if (value)
		profile_parts_add_key(&parts, QEMU, "shown", KEY, value, NULL);
	profile_parts_add(&parts, PART_SHOWN, "the kernel's command line", "x=1\n", NULL);
	return parts;
}

struct result {
	int rc;
	size_t changes;
	size_t notes;
	char note[512];
	struct err err;
};

static struct result finish(struct change *change, int rc, struct err err)
{
	struct result result = { .rc = rc, .err = err };

	result.changes = change->n;
	result.notes = change->n_notes;
	if (change->n_notes)
		snprintf(result.note, sizeof(result.note), "%s", change->notes[0]);
	if (rc == 0)
		result.rc = change_write(rootfd, "p", change, &result.err);
	change_free(change);
	free(change);
	return result;
}

static struct result apply(const char *own, const char *lines, const char *value)
{
	struct parts parts = make_parts(own, lines, value);
	struct change *change = calloc(1, sizeof(*change));
	int lock = record_lock(rootfd, NULL);
	struct err err = { "" };
	struct result result;

	CU_ASSERT(lock >= 0);
	result = finish(change, change_apply(rootfd, "p", &parts, change, &err), err);
	profile_parts_free(&parts);
	close(lock);
	return result;
}

static struct result take_back(void)
{
	struct change *change = calloc(1, sizeof(*change));
	struct err err = { "" };

	return finish(change, change_remove(rootfd, "p", change, &err), err);
}

#define SET "# h\xf6her\n\nuser =  \"a\"\n#" KEY " = \"/x\"\n" KEY " = \"/m\"\ngroup = \"b\"\n"

static void test_round_trip(void)
{
	struct result r;

	begin();
	CU_ASSERT_FALSE(record_exists(rootfd, "p"));
	r = apply("own = 1\n", "line\n", "/m");
	UNIT_CHECK(r.rc == 0 && r.changes == 3 && !r.notes, "%d %zu %s", r.rc, r.changes,
		   r.err.text);
	check_file(OWN, "own = 1\n", "applied");
	check_file(LINES, "line\n", "applied");
	check_file(QEMU, SET, "applied");
	CU_ASSERT(record_exists(rootfd, "p"));
	r = apply("own = 1\n", "line\n", "/m");
	UNIT_CHECK(r.rc == 0 && !r.changes && !r.notes, "twice: %zu %s", r.changes, r.note);
	/* Comments of ours may say something else by then */
	r = apply("# now\nown = 1\n", "line\n", "/m");
	CU_ASSERT_EQUAL(r.changes, 0);
	r = take_back();
	UNIT_CHECK(r.rc == 0 && r.changes == 3 && !r.notes, "%d %s", r.rc, r.err.text);
	check_file(OWN, NULL, "taken back");
	check_file(LINES, NULL, "taken back");
	check_file(QEMU, BEFORE, "taken back");
	CU_ASSERT_FALSE(record_exists(rootfd, "p"));
	UNIT_CHECK(faccessat(rootfd, "etc/own.d", F_OK, 0) < 0, "the directory is gone");
	r = take_back();
	UNIT_CHECK(r.rc == 0 && !r.changes, "nothing is left to be taken back");
}

/* Other lines in the same files: both stay what they are */
static void test_edited_beside(void)
{
	struct result r;

	begin();
	put(LINES, "mine\n");
	apply(NULL, "line\n", "/m");
	check_file(LINES, "mine\nline\n", "applied");
	put(LINES, "mine\nline\nmore\n");
	put(QEMU, "# new\n" KEY " = \"/m\"\nuser = \"a\"\n");
	r = apply(NULL, "line\n", "/m");
	CU_ASSERT(!r.changes && !r.notes);
	/* Another number, in files that an administrator edits */
	r = apply(NULL, "line 2\n", "/n");
	CU_ASSERT(r.changes == 2 && !r.notes);
	check_file(LINES, "mine\nline 2\nmore\n", "applied again");
	check_file(QEMU, "# new\n" KEY " = \"/n\"\nuser = \"a\"\n", "applied again");
	r = take_back();
	CU_ASSERT(r.rc == 0 && !r.notes);
	check_file(LINES, "mine\nmore\n", "taken back");
	check_file(QEMU, "# new\nuser = \"a\"\n", "taken back");
}

static void test_edited_itself(void)
{
	struct result r;

	begin();
	apply("own = 1\n", "line\n", "/m");
	put(OWN, "own = 2\n");
	put(LINES, "lime\n");
	put(QEMU, KEY " = \"/theirs\"\n");
	r = apply("own = 3\n", "line 3\n", "/3");
	UNIT_CHECK(r.rc == 0 && !r.changes && r.notes == 3, "%zu %zu", r.changes, r.notes);
	check_file(OWN, "own = 2\n", "not overwritten");
	check_file(LINES, "lime\n", "not overwritten");
	check_file(QEMU, KEY " = \"/theirs\"\n", "not overwritten");
	r = take_back();
	UNIT_CHECK(r.rc == 0 && !r.changes && r.notes == 3, "%zu %zu", r.changes, r.notes);
	check_file(OWN, "own = 2\n", "not taken back");
	check_file(QEMU, KEY " = \"/theirs\"\n", "not taken back");
	CU_ASSERT_FALSE(record_exists(rootfd, "p"));
}

/* Putting the former bytes back is an edit too */
static void test_undone_by_hand(void)
{
	struct result r;

	begin();
	apply("own = 1\n", NULL, "/m");
	put(QEMU, BEFORE);
	delete (OWN);
	r = apply("own = 1\n", NULL, "/m");
	UNIT_CHECK(r.rc == 0 && !r.changes && r.notes == 2, "%zu %zu", r.changes, r.notes);
	check_file(QEMU, BEFORE, "left alone");
	check_file(OWN, NULL, "left alone");
	r = take_back();
	UNIT_CHECK(r.rc == 0 && !r.changes && !r.notes, "%zu %s", r.changes, r.note);
	r = apply("own = 1\n", NULL, "/m");
	CU_ASSERT_EQUAL(r.changes, 2);
}

static void test_former_value(void)
{
	begin();
	put(QEMU, KEY " = \"/old\"\n");
	apply(NULL, NULL, "/m");
	apply(NULL, NULL, "/n");
	put(QEMU, "# more\n" KEY " = \"/n\"\n");
	take_back();
	check_file(QEMU, "# more\n" KEY " = \"/old\"\n", "taken back");
	/* What was so already isn't ours */
	put(QEMU, KEY " = \"/m\"\n");
	apply(NULL, NULL, "/m");
	CU_ASSERT_FALSE(record_exists(rootfd, "p"));
}

static void test_no_longer_wanted(void)
{
	struct result r;

	begin();
	apply("own = 1\n", NULL, "/m");
	r = apply(NULL, NULL, "/m");
	UNIT_CHECK(r.rc == 0 && r.changes == 1, "%zu", r.changes);
	check_file(OWN, NULL, "no longer wanted");
	take_back();
	check_file(QEMU, BEFORE, "taken back");
}

static void test_refused(void)
{
	struct result r;

	begin();
	put(OWN, "theirs = 1\n");
	r = apply("own = 1\n", NULL, "/m");
	UNIT_CHECK(r.rc == -EEXIST && strstr(r.err.text, "/" OWN), "%s", r.err.text);
	check_file(QEMU, BEFORE, "nothing is changed");
	delete (OWN);
	put(QEMU, "user = \"a\"\nof_tomorrow = 1\n");
	r = apply("own = 1\n", NULL, "/m");
	UNIT_CHECK(r.rc == -EINVAL && strstr(r.err.text, "line 2 "), "%s", r.err.text);
	check_file(OWN, NULL, "nothing is changed");
	CU_ASSERT_FALSE(record_exists(rootfd, "p"));
}

/* The lens can't read what an administrator wrote since: it is still known what is ours */
static void test_unreadable_since(void)
{
	struct result r;

	begin();
	apply("own = 1\n", NULL, "/m");
	put(QEMU, KEY " = \"/m\"\nof_tomorrow = 1\n");
	r = take_back();
	UNIT_CHECK(r.rc == -EINVAL && strstr(r.err.text, "line 2 "), "%s", r.err.text);
	check_file(OWN, "own = 1\n", "all or nothing");
	CU_ASSERT(record_exists(rootfd, "p"));
	put(QEMU, KEY " = \"/m\"\n");
	r = take_back();
	CU_ASSERT_EQUAL(r.rc, 0);
	check_file(QEMU, "", "taken back");
}

static void test_links(void)
{
	struct result r;

	begin();
	delete (QEMU);
	put("etc/elsewhere", BEFORE);
	CU_ASSERT_EQUAL(symlinkat("../elsewhere", rootfd, QEMU), 0);
	r = apply("own = 1\n", NULL, "/m");
	UNIT_CHECK(r.rc == -ELOOP, "a file: %d %s", r.rc, r.err.text);
	check_file("etc/elsewhere", BEFORE, "not followed");
	delete (QEMU);
	unlinkat(rootfd, "etc/own.d", AT_REMOVEDIR);
	CU_ASSERT_EQUAL(symlinkat("libvirt", rootfd, "etc/own.d"), 0);
	r = apply("own = 1\n", NULL, NULL);
	UNIT_CHECK(r.rc < 0, "a directory");
	CU_ASSERT(faccessat(rootfd, "etc/libvirt/20-own.conf", F_OK, 0) < 0);
	delete ("etc/own.d");
	mkdirat(rootfd, "etc/own.d", 0755);
	CU_ASSERT_EQUAL(fchmodat(rootfd, "etc/own.d", 0777, 0), 0);
	r = apply("own = 1\n", NULL, NULL);
	UNIT_CHECK(r.rc == -EPERM, "others may write: %s", r.err.text);
	unlinkat(rootfd, "etc/own.d", AT_REMOVEDIR);
}

/* The second file can't be written: the first one is as it was, and so is the record */
static void test_written_halfway(void)
{
	struct parts parts = make_parts(NULL, "line 2\n", "/n");
	struct change *change = calloc(1, sizeof(*change));
	struct err err = { "" };

	begin();
	apply(NULL, "line\n", "/m");
	CU_ASSERT_EQUAL(change_apply(rootfd, "p", &parts, change, &err), 0);
	/* Another program is quicker */
	put(QEMU, KEY " = \"/theirs\"\n");
	CU_ASSERT_EQUAL(change_write(rootfd, "p", change, &err), -EBUSY);
	UNIT_CHECK(strstr(err.text, "/" QEMU) != NULL, "%s", err.text);
	check_file(LINES, "line\n", "rolled back");
	check_file(QEMU, KEY " = \"/theirs\"\n", "not overwritten");
	change_free(change);
	free(change);
	profile_parts_free(&parts);
	put(QEMU, SET);
	CU_ASSERT_EQUAL(take_back().rc, 0);
	check_file(LINES, NULL, "taken back");
	check_file(QEMU, BEFORE, "taken back");
}

/* As if we had been killed after the record was written: 0, 1 or 2 files are */
static void test_interrupted(void)
{
	int written;

	for (written = 0; written <= 2; written++) {
		struct record record;
		struct result r;
		size_t i;

		begin();
		apply("own = 1\n", NULL, "/m");
		CU_ASSERT_EQUAL_FATAL(record_read(rootfd, "p", &record, NULL), 0);
		for (i = 0; i < record.n; i++)
			record.entries[i].done = false;
		CU_ASSERT_EQUAL(record_write(rootfd, "p", &record, NULL), 0);
		record_free(&record);
		if (written < 2)
			put(QEMU, BEFORE);
		if (written < 1)
			delete (OWN);
		r = apply("own = 1\n", NULL, "/m");
		UNIT_CHECK(r.rc == 0 && r.changes == (size_t)(2 - written) && !r.notes,
			   "%d written: %zu %s%s", written, r.changes, r.note, r.err.text);
		check_file(QEMU, SET, "applied");
		r = take_back();
		UNIT_CHECK(r.rc == 0 && r.changes == 2, "%d written", written);
		check_file(QEMU, BEFORE, "taken back");
		check_file(OWN, NULL, "taken back");
	}
}

static void test_owner_and_mode(void)
{
	struct stat st;

	begin();
	CU_ASSERT_EQUAL(fchmodat(rootfd, QEMU, 0640, 0), 0);
	if (geteuid() == 0)
		CU_ASSERT_EQUAL(fchownat(rootfd, QEMU, 0, 5, 0), 0);
	apply("own = 1\n", NULL, "/m");
	CU_ASSERT_EQUAL(fstatat(rootfd, QEMU, &st, 0), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
	if (geteuid() == 0)
		CU_ASSERT_EQUAL(st.st_gid, 5);
	CU_ASSERT_EQUAL(fstatat(rootfd, OWN, &st, 0), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0644);
	/* qemu.conf can have passwords in it */
	CU_ASSERT_EQUAL(fstatat(rootfd, RECORD_DIR "/p.json", &st, 0), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	take_back();
	CU_ASSERT_EQUAL(fstatat(rootfd, QEMU, &st, 0), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
}

static void test_damaged_record(void)
{
	static const char *const rows[] = {
		"{",
		"[]",
		"{\"version\": 2, \"files\": []}",
		"{\"version\": 1, \"files\": {}}",
		"{\"version\": 1, \"files\": [{\"kind\": \"file\"}]}",
		"{\"version\": 1, \"files\": [{\"kind\": \"shown\", \"path\": \"a/b\"}]}",
		"{\"version\": 1, \"files\": [{\"kind\": \"file\", \"path\": \"/a/b\", \"before\": null,"
		"\"after\": \"\", \"text\": \"\", \"key\": null, \"value\": null, \"old_value\": null}]}",
		"{\"version\": 1, \"files\": [{\"kind\": \"file\", \"path\": \"a/b\", \"before\": null,"
		"\"after\": \"\\u20ac\", \"text\": \"\", \"key\": null, \"value\": null,"
		"\"old_value\": null}]}",
		"{\"version\": 1, \"files\": [{\"kind\": \"qemu.conf\", \"path\": \"a/b\","
		"\"before\": null, \"after\": \"\", \"text\": \"\", \"key\": null, \"value\": null,"
		"\"old_value\": null}]}",
	};
	size_t i;

	begin();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct result r;

		put(RECORD_DIR "/p.json", rows[i]);
		r = take_back();
		UNIT_CHECK(r.rc == -EINVAL && strstr(r.err.text, "p.json"), "row %zu: %d %s", i,
			   r.rc, r.err.text);
		UNIT_CHECK(apply("own = 1\n", NULL, "/m").rc == -EINVAL, "row %zu", i);
	}
	check_file(QEMU, BEFORE, "left alone");
	delete (RECORD_DIR "/p.json");
}

/* Between the plan and its writing the record can't be read: it must not be taken for none */
static void test_unreadable_for_a_moment(void)
{
	struct parts parts = make_parts("own = 2\n", NULL, "/n");
	struct change *change = calloc(1, sizeof(*change));
	cleanup_free char *record = NULL;
	struct err err = { "" };

	begin();
	CU_ASSERT_EQUAL(apply("own = 1\n", NULL, "/m").rc, 0);
	record = get(RECORD_DIR "/p.json");
	CU_ASSERT_EQUAL(change_apply(rootfd, "p", &parts, change, &err), 0);
	put(RECORD_DIR "/p.json", "{ not now");
	CU_ASSERT_EQUAL(change_write(rootfd, "p", change, &err), -EINVAL);
	check_file(RECORD_DIR "/p.json", "{ not now", "is left alone");
	CU_ASSERT_TRUE(record_exists(rootfd, "p"));
	put(RECORD_DIR "/p.json", record);
	change_free(change);
	free(change);
	profile_parts_free(&parts);
	CU_ASSERT_EQUAL(take_back().rc, 0);
	check_file(QEMU, BEFORE, "as it was");
}

static CU_TestInfo tests[] = {
	{ "applied, applied again, taken back", test_round_trip },
	{ "other lines were edited", test_edited_beside },
	{ "what was applied was edited", test_edited_itself },
	{ "undone by hand", test_undone_by_hand },
	{ "a former value comes back", test_former_value },
	{ "parts that are no longer wanted", test_no_longer_wanted },
	{ "refused as a whole", test_refused },
	{ "the lens can't read it any more", test_unreadable_since },
	{ "links and directories of others", test_links },
	{ "written halfway", test_written_halfway },
	{ "interrupted", test_interrupted },
	{ "owner and mode", test_owner_and_mode },
	{ "a damaged record", test_damaged_record },
	{ "a record can't be read for a moment", test_unreadable_for_a_moment },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_conf_change", tests);
}

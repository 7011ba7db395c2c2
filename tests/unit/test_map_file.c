// SPDX-License-Identifier: LGPL-2.1-or-later
/* A map for another host comes back as it was written; any other bytes are refused. */
#include "pager/map_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit/unit.h"

enum { PAGES = 400, FILE_BLOCKS = 2 + 3 + 1 };

static const struct map_file_head example = {
	.uuid = "11111111-2222-3333-4444-555555555550",
	.n_objects = 2,
	.object = { { "memfd:ram", 300 }, { "memfd:dimm", 100 } },
	.file = { "/srv/pages", { 1, 2 } },
};

static struct map_file_page page_of(uint64_t i)
{
	struct map_file_page page = { .kind = (enum map_file_kind)(i % 3) };

	if (page.kind == MAP_FILE_SAME)
		page.word = i * 1000;
	if (page.kind == MAP_FILE_STORED)
		page.at = (struct tier_location){ (1 << 20) + i * 4096, i * 77, 4096 };
	return page;
}

static int write_example(const struct map_file_head *head, uint64_t pages)
{
	int fd = memfd_create("map", MFD_CLOEXEC);
	struct err err = { "" };
	struct map_file *file;
	struct map_file_page page;
	uint64_t i;

	CU_ASSERT_EQUAL_FATAL(map_file_create(&file, fd, head, &err), 0);
	for (i = 0; i < pages; i++) {
		page = page_of(i);
		CU_ASSERT_EQUAL(map_file_put(file, &page, &err), 0);
	}
	if (pages == map_file_pages(head)) {
		CU_ASSERT_EQUAL(map_file_put(file, &page, &err), -EINVAL);
		CU_ASSERT_EQUAL(map_file_end(file, &err), 0);
	} else {
		CU_ASSERT_EQUAL(map_file_end(file, &err), -EBADMSG);
	}
	map_file_free(file);
	return fd;
}

static bool is_same(const struct map_file_page *a, const struct map_file_page *b)
{
	return a->kind == b->kind && a->word == b->word && a->at.offset == b->at.offset &&
	       a->at.hash == b->at.hash && a->at.bytes == b->at.bytes;
}

/* Return: 0: all of it is the example; 1: all of it can be read; -errno */
static int read_all(int fd, struct err *err)
{
	struct map_file_head head;
	struct map_file_page got, want;
	struct map_file *file = NULL;
	uint64_t i, pages;
	bool same = true;
	int rc;

	lseek(fd, 0, SEEK_SET);
	rc = map_file_open(&file, fd, &head, err);
	if (rc < 0)
		return rc;
	pages = map_file_pages(&head);
	for (i = 0; i < pages && rc == 0; i++) {
		rc = map_file_get(file, &got, err);
		want = page_of(i);
		same &= rc == 0 && is_same(&got, &want);
	}
	if (rc == 0)
		rc = map_file_end(file, err);
	map_file_free(file);
	same &= memcmp(&head, &example, sizeof(head)) == 0;
	return rc < 0 ? rc : !same;
}

static void test_comes_back(void)
{
	int fd = write_example(&example, PAGES);
	struct err err = { "" };

	UNIT_CHECK(read_all(fd, &err) == 0, "%s", err.text);
	CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_END), FILE_BLOCKS * PAGE_BYTES);
	close(fd);
}

/* ---- changes ---- */

static struct map_file_head head_of(uint64_t epoch, uint64_t since)
{
	struct map_file_head head = example;

	head.epoch = epoch;
	head.since = since;
	return head;
}

/* @every: one page of so many has changed; 0: all pages, as of @seed */
static int write_map(const struct map_file_head *head, uint64_t seed, uint64_t every)
{
	int fd = memfd_create("map", MFD_CLOEXEC);
	struct map_file_page page;
	struct err err = { "" };
	struct map_file *file;
	uint64_t i;

	CU_ASSERT_EQUAL_FATAL(map_file_create(&file, fd, head, &err), 0);
	for (i = 0; i < PAGES; i++) {
		page = page_of(i + seed);
		if (every && i % every)
			page = (struct map_file_page){ .kind = MAP_FILE_UNCHANGED };
		CU_ASSERT_EQUAL(map_file_put(file, &page, &err), 0);
	}
	CU_ASSERT_EQUAL(map_file_end(file, &err), 0);
	map_file_free(file);
	return fd;
}

static int merge(int map, int changes, int *rc)
{
	int fd = memfd_create("map", MFD_CLOEXEC);
	struct err err = { "" };

	lseek(map, 0, SEEK_SET);
	lseek(changes, 0, SEEK_SET);
	*rc = map_file_merge(map, changes, fd, &err);
	CU_ASSERT(!*rc == !*err.text);
	return fd;
}

static bool is_same_bytes(int a, int b)
{
	unsigned char one[PAGE_BYTES], other[PAGE_BYTES];
	off_t at, end = lseek(a, 0, SEEK_END);

	if (lseek(b, 0, SEEK_END) != end)
		return false;
	for (at = 0; at < end; at += PAGE_BYTES)
		if (pread(a, one, PAGE_BYTES, at) != PAGE_BYTES ||
		    pread(b, other, PAGE_BYTES, at) != PAGE_BYTES ||
		    memcmp(one, other, PAGE_BYTES) != 0)
			return false;
	return true;
}

/* Each page as the last map says that does not leave it out; in whatever order they are added */
static void test_merge(void)
{
	struct map_file_head heads[] = { head_of(5, 0), head_of(6, 5), head_of(7, 6) }, head;
	int map = write_map(&heads[0], 0, 0), first = write_map(&heads[1], 1, 2);
	int second = write_map(&heads[2], 2, 3), rc, one, other, part;
	struct map_file_page got, want;
	struct err err = { "" };
	struct map_file *file;
	uint64_t i;

	part = merge(map, first, &rc);
	CU_ASSERT_EQUAL(rc, 0);
	one = merge(part, second, &rc);
	CU_ASSERT_EQUAL(rc, 0);
	close(part);
	part = merge(first, second, &rc);
	CU_ASSERT_EQUAL(rc, 0);
	other = merge(map, part, &rc);
	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT(is_same_bytes(one, other));
	lseek(one, 0, SEEK_SET);
	CU_ASSERT_EQUAL_FATAL(map_file_open(&file, one, &head, &err), 0);
	CU_ASSERT(head.epoch == 7 && head.since == 0);
	for (i = 0; i < PAGES; i++) {
		want = page_of(i % 3 == 0 ? i + 2 : i % 2 == 0 ? i + 1 : i);
		CU_ASSERT_EQUAL(map_file_get(file, &got, &err), 0);
		CU_ASSERT(is_same(&got, &want));
	}
	CU_ASSERT_EQUAL(map_file_end(file, &err), 0);
	map_file_free(file);
	close(part);
	close(one);
	close(other);
	close(map);
	close(first);
	close(second);
}

static void test_no_merge(void)
{
	struct map_file_head rows[8], base = head_of(5, 0);
	struct map_file *file;
	struct err err = { "" };
	int map = write_map(&base, 0, 0), changes, to, rc;
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		rows[i] = head_of(6, 5);
	rows[0].since = 4;			   /* of another epoch */
	rows[1].since = 0;			   /* of none */
	rows[2].uuid[0] = '2';			   /* another guest's */
	strcpy(rows[3].object[1].name, "memfd:x"); /* of other memory */
	rows[4].object[0].pages = 100;
	rows[4].object[1].pages = 300;
	strcpy(rows[5].file.path, "/srv/others"); /* stored elsewhere */
	rows[6].file.id[1] = 3;
	for (i = 0; i < ROWS(rows); i++) {
		changes = write_map(&rows[i], 0, rows[i].since ? 2 : 0);
		/* The last one is cut short */
		if (i == 7)
			CU_ASSERT_EQUAL(ftruncate(changes, (FILE_BLOCKS - 1) * PAGE_BYTES), 0);
		to = merge(map, changes, &rc);
		UNIT_CHECK(rc == (i == 7 ? -EBADMSG : -EINVAL), "row %zu: %d", i, rc);
		UNIT_CHECK(read_all(to, &err) == -EBADMSG, "row %zu", i);
		close(to);
		close(changes);
	}
	/* A page that is unchanged since nothing */
	changes = write_map(&base, 0, 2);
	CU_ASSERT_EQUAL(read_all(changes, &err), -EBADMSG);
	rows[0] = head_of(5, 5);
	CU_ASSERT_EQUAL(map_file_create(&file, map, &rows[0], &err), -EINVAL);
	rows[0] = head_of(0, 5);
	CU_ASSERT_EQUAL(map_file_create(&file, map, &rows[0], &err), -EINVAL);
	close(changes);
	close(map);
}

/* Each byte that counts, changed; and cut at each block */
static void test_damage(void)
{
	int fd = write_example(&example, PAGES);
	struct err err;
	unsigned char byte, other;
	off_t at, end = (FILE_BLOCKS - 1) * PAGE_BYTES + 16;

	for (at = 0; at < end; at += 1 + at % 3) {
		CU_ASSERT_EQUAL(pread(fd, &byte, 1, at), 1);
		other = byte ^ (unsigned char)(1 << at % 8);
		CU_ASSERT_EQUAL(pwrite(fd, &other, 1, at), 1);
		UNIT_CHECK(read_all(fd, &err) == -EBADMSG, "byte %ld", (long)at);
		CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, at), 1);
	}
	CU_ASSERT_EQUAL(read_all(fd, &err), 0);
	CU_ASSERT_EQUAL(pwrite(fd, "", 1, FILE_BLOCKS * PAGE_BYTES), 1);
	CU_ASSERT_EQUAL(read_all(fd, &err), -EBADMSG);
	for (at = FILE_BLOCKS * PAGE_BYTES - 1; at >= 0; at -= 1000) {
		CU_ASSERT_EQUAL(ftruncate(fd, at), 0);
		UNIT_CHECK(read_all(fd, &err) == -EBADMSG, "%ld bytes", (long)at);
	}
	close(fd);
}

/* What no pager writes */
static void test_heads(void)
{
	struct map_file_head heads[8];
	struct map_file *file;
	struct err err = { "" };
	int fd = memfd_create("map", MFD_CLOEXEC);
	size_t i;

	for (i = 0; i < ROWS(heads); i++)
		heads[i] = example;
	heads[0].uuid[3] = 'x';
	memset(heads[1].uuid, '1', sizeof(heads[1].uuid));
	heads[2].n_objects = 0;
	heads[3].n_objects = RAM_OBJECTS_MAX + 1;
	heads[4].object[1].pages = 0;
	heads[5].object[1].pages = UINT64_MAX - 100;
	memset(heads[6].object[0].name, 'x', sizeof(heads[6].object[0].name));
	memset(heads[7].file.path, '/', sizeof(heads[7].file.path));
	for (i = 0; i < ROWS(heads); i++)
		UNIT_CHECK(map_file_create(&file, fd, &heads[i], &err) == -EINVAL, "head %zu", i);
	heads[0] = example;
	strcpy(heads[0].file.path, "srv");
	CU_ASSERT_EQUAL(map_file_create(&file, fd, &heads[0], &err), -EINVAL);
	close(fd);
}

/* A record that stands in a file whose sum is right, and can't be meant */
static void test_records(void)
{
	static const struct map_file_page rows[] = {
		{ (enum map_file_kind)4, 0, { 0 } },
		{ MAP_FILE_UNCHANGED, 0, { 0 } },
		{ MAP_FILE_STORED, 0, { 4096, 1, 0 } },
		{ MAP_FILE_STORED, 0, { 4096, 1, 4097 } },
		{ MAP_FILE_STORED, 0, { UINT64_MAX - 4094, 1, 4096 } },
	};
	struct map_file_head one = example, none = example;
	struct err err = { "" };
	struct map_file *file;
	size_t i;
	int fd;

	one.n_objects = none.n_objects = 1;
	one.object[0].pages = none.object[0].pages = 1;
	none.file.path[0] = '\0';
	for (i = 0; i < ROWS(rows); i++) {
		fd = memfd_create("map", MFD_CLOEXEC);
		CU_ASSERT_EQUAL_FATAL(map_file_create(&file, fd, &one, &err), 0);
		CU_ASSERT_EQUAL(map_file_put(file, &rows[i], &err), 0);
		CU_ASSERT_EQUAL(map_file_end(file, &err), 0);
		map_file_free(file);
		UNIT_CHECK(read_all(fd, &err) == -EBADMSG, "row %zu", i);
		close(fd);
	}
	/* Stored, and nowhere */
	fd = memfd_create("map", MFD_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(map_file_create(&file, fd, &none, &err), 0);
	CU_ASSERT_EQUAL(
		map_file_put(file, &(struct map_file_page){ MAP_FILE_STORED, 0, { 4096, 1, 4096 } },
			     &err),
		0);
	CU_ASSERT_EQUAL(map_file_end(file, &err), 0);
	map_file_free(file);
	CU_ASSERT_EQUAL(read_all(fd, &err), -EBADMSG);
	close(fd);
	/* Pages are missing */
	close(write_example(&example, PAGES - 1));
}

static CU_TestInfo tests[] = {
	{ "it comes back", test_comes_back },
	{ "changes are added to it", test_merge },
	{ "changes that are not its own", test_no_merge },
	{ "damage, and ends that are none", test_damage },
	{ "heads that are none", test_heads },
	{ "records that are none", test_records },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_map_file", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Any bytes as a page map of another host.
 *
 * "make fuzz" runs it.  What is read has texts that end, sizes within bounds and places that can be
 * read; a whole one is the same when it is written and read again.
 *
 * Bytes at random hardly ever have the right sum, so that what comes after it would not be tried:
 * half of all inputs are whole files, of what could be read of others.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/text.h"
#include "pager/map_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_head(const struct map_file_head *head)
{
	uint32_t i;

	require(text_is_uuid(head->uuid));
	require(head->n_objects >= 1 && head->n_objects <= RAM_OBJECTS_MAX);
	for (i = 0; i < head->n_objects; i++)
		require(memchr(head->object[i].name, '\0', sizeof(head->object[i].name)) != NULL);
	require(map_file_pages(head) > 0 && map_file_pages(head) <= MAP_FILE_PAGES_MAX);
	require(memchr(head->file.path, '\0', sizeof(head->file.path)) != NULL);
}

static void check_page(const struct map_file_head *head, const struct map_file_page *page)
{
	require(page->kind <= (head->since ? MAP_FILE_UNCHANGED : MAP_FILE_HELD));
	if (page->kind == MAP_FILE_STORED)
		require(head->file.path[0] && page->at.bytes > 0 && page->at.bytes <= PAGE_BYTES);
}

/* @copy: where what was read is written anew; -1: nowhere */
static void read_it(int fd, int copy)
{
	struct map_file *file = NULL, *again = NULL;
	struct map_file_head head;
	struct map_file_page page;
	struct err err = { "" };
	int rc = map_file_open(&file, fd, &head, &err);

	require(rc == 0 || (rc == -EBADMSG && *err.text));
	if (rc < 0)
		return;
	check_head(&head);
	if (copy >= 0)
		require(map_file_create(&again, copy, &head, &err) == 0);
	while ((rc = map_file_get(file, &page, &err)) == 0) {
		check_page(&head, &page);
		if (again)
			require(map_file_put(again, &page, &err) == 0);
	}
	require(rc == -EBADMSG);
	rc = map_file_end(file, &err);
	require(rc == 0 || rc == -EBADMSG);
	if (again && rc == 0)
		require(map_file_end(again, &err) == 0);
	map_file_free(again);
	map_file_free(file);
	if (again && rc == 0) {
		lseek(copy, 0, SEEK_SET);
		read_it(copy, -1);
	}
}

static int file_of(const uint8_t *data, size_t size)
{
	int fd = memfd_create("map", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* ---- whole files ---- */

static const struct map_file_head example = {
	.uuid = "11111111-2222-3333-4444-555555555550",
	.n_objects = 2,
	.object = { { "memfd:ram", 3 }, { "memfd:dimm", 2 } },
	.file = { "/srv/pages", { 1, 2 } },
};

/* Pages from @file, as long as there are any, then pages that the other host has.  More than a few
 * thousand are a file that is larger than any input */
static bool write_whole(int fd, const struct map_file_head *head, struct map_file *file)
{
	struct map_file_page page = { .kind = MAP_FILE_HELD };
	uint64_t i, pages = map_file_pages(head);
	struct map_file *whole = NULL;
	struct err err;

	if (pages > 4096 || map_file_create(&whole, fd, head, &err) < 0)
		return false;
	for (i = 0; i < pages; i++) {
		if (!file || map_file_get(file, &page, &err) < 0)
			page = (struct map_file_page){ .kind = MAP_FILE_HELD };
		require(map_file_put(whole, &page, &err) == 0);
	}
	require(map_file_end(whole, &err) == 0);
	map_file_free(whole);
	return true;
}

/* Return: the size of the whole file that is in @data then; 0: none that fits */
static size_t make_whole(uint8_t *data, size_t size, size_t max)
{
	int fd = file_of(data, size), whole = memfd_create("whole", MFD_CLOEXEC);
	struct map_file_head head = example;
	struct map_file *file = NULL;
	ssize_t got = 0;
	struct err err;

	require(whole >= 0);
	if (map_file_open(&file, fd, &head, &err) < 0)
		head = example;
	if (write_whole(whole, &head, file) && lseek(whole, 0, SEEK_END) <= (off_t)max)
		got = pread(whole, data, max, 0);
	map_file_free(file);
	close(fd);
	close(whole);
	return got > 0 ? (size_t)got : 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	size_t changed = LLVMFuzzerMutate(data, size, max), whole;

	whole = seed % 2 ? make_whole(data, changed, max) : 0;
	return whole ? whole : changed;
}

/* ---- any ---- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = file_of(data, size), copy = memfd_create("copy", MFD_CLOEXEC);

	require(copy >= 0);
	read_it(fd, copy);
	close(fd);
	close(copy);
	return 0;
}

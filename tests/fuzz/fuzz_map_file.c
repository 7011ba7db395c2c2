// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Any bytes as a page map of another host.
 *
 * "make fuzz" runs it.  What is read has texts that end, sizes within bounds and places that can be
 * read; a whole one is the same when it is written and read again.
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
	require(page->kind <= MAP_FILE_HELD);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("map", MFD_CLOEXEC), copy = memfd_create("copy", MFD_CLOEXEC);

	require(fd >= 0 && copy >= 0);
	require(write(fd, data, size) == (ssize_t)size);
	lseek(fd, 0, SEEK_SET);
	read_it(fd, copy);
	close(fd);
	close(copy);
	return 0;
}

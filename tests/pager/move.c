// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is between two pagers, for tests.
 */
#include "pager/move.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "pager/map_file.h"

/* Called for each page that is held, or is so no more */
typedef int page_fn(void *arg, uint64_t page, bool held, struct err *err);

static int each_page(int map, page_fn *page_is, void *arg, struct err *err)
{
	struct map_file_head head;
	struct map_file_page in;
	struct map_file *file;
	uint64_t page;
	int rc;

	lseek(map, 0, SEEK_SET);
	rc = map_file_open(&file, map, &head, err);
	if (rc < 0)
		return rc;
	for (page = 0; rc == 0 && page < map_file_pages(&head); page++) {
		rc = map_file_get(file, &in, err);
		if (rc == 0 && in.kind != MAP_FILE_UNCHANGED)
			rc = page_is(arg, page, in.kind == MAP_FILE_HELD, err);
	}
	if (rc == 0)
		rc = map_file_end(file, err);
	map_file_free(file);
	lseek(map, 0, SEEK_SET);
	return rc;
}

struct sending {
	struct guest_pager *pager;
	int held;
};

static int send_page(void *arg, uint64_t page, bool held, struct err *err)
{
	const struct sending *sending = arg;
	unsigned char content[PAGE_BYTES];
	off_t at = (off_t)(page * PAGE_BYTES);
	int rc;

	if (!held)
		return 0;
	while ((rc = guest_pager_read_page(sending->pager, page, content)) == -EAGAIN)
		sched_yield();
	if (rc < 0)
		return err_sys(err, -rc, "page %llu", (unsigned long long)page);
	return pwrite(sending->held, content, PAGE_BYTES, at) == PAGE_BYTES ?
		       0 :
		       err_sys(err, errno, "what is held");
}

static int open_file(const char *path, int flags)
{
	return open(path, O_RDWR | O_CLOEXEC | flags, 0600);
}

/* The map takes its name when it is whole */
static int add_changes(const char *map, const char *new, int changes, struct err *err)
{
	cleanup_close int old = open_file(map, 0), merged = open_file(new, O_CREAT | O_TRUNC);
	int rc = map_file_merge(old, changes, merged, err);

	if (rc < 0)
		return rc;
	return rename(new, map) < 0 ? err_sys(err, errno, "%s", map) : 0;
}

int move_send(struct guest_pager *pager, const char *uuid, const char *map, const char *held,
	      uint64_t since, struct err *err)
{
	char part[4096], new[4096];
	cleanup_close int held_fd = open_file(held, O_CREAT), fd = -1;
	struct sending sending = { pager, held_fd };
	int rc;

	snprintf(part, sizeof(part), "%s.part", map);
	snprintf(new, sizeof(new), "%s.new", map);
	fd = open_file(part, O_CREAT | O_TRUNC);
	if (held_fd < 0 || fd < 0)
		return err_sys(err, errno, "%s", map);
	rc = guest_pager_export(pager, uuid, since, fd, err);
	if (rc == 0)
		rc = each_page(fd, send_page, &sending, err);
	if (rc == 0 && since)
		return add_changes(map, new, fd, err);
	if (rc == 0 && rename(part, map) < 0)
		rc = err_sys(err, errno, "%s", map);
	return rc;
}

struct putting {
	const struct ram *ram;
	int held;
};

static int put_page(void *arg, uint64_t page, bool held, struct err *err)
{
	const struct putting *putting = arg;
	const struct ram_object *object = ram_object_of(putting->ram, page);
	unsigned char content[PAGE_BYTES];

	if (!held)
		return 0;
	if (pread(putting->held, content, PAGE_BYTES, (off_t)(page * PAGE_BYTES)) != PAGE_BYTES ||
	    pwrite(object->fd, content, PAGE_BYTES, (off_t)((page - object->first) * PAGE_BYTES)) !=
		    PAGE_BYTES)
		return err_sys(err, errno ? errno : EIO, "what was held");
	return 0;
}

int move_put(const struct ram *ram, const char *map, const char *held, struct err *err)
{
	cleanup_close int fd = open_file(map, 0), held_fd = open_file(held, 0);
	struct putting putting = { ram, held_fd };

	if (fd < 0 || held_fd < 0)
		return err_sys(err, errno, "%s", map);
	return each_page(fd, put_page, &putting, err);
}

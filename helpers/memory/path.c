// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Opening a path without following links that others can set.
 */
#include "memory/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "memory/openat2.h"

/* As the kernel allows */
#define LINKS_MAX 40

/* Under way */
struct walk {
	int rootfd;
	int dirfd; /* of @at->name */
	struct path *at;
	char rest[PATH_MAX]; /* not yet walked */
	unsigned int links;
};

static bool is_roots_alone(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static int stand_on(struct walk *walk, int fd)
{
	if (fd < 0)
		return -errno;
	if (walk->dirfd >= 0)
		close(walk->dirfd);
	walk->dirfd = fd;
	walk->at->trusted = walk->at->trusted && is_roots_alone(fd);
	return 0;
}

/* From the root to a directory that was reached through root's own alone.  An automount is
 * made by O_DIRECTORY */
static int go_to(struct walk *walk, size_t len)
{
	struct path *at = walk->at;

	at->name[len] = '\0';
	return stand_on(walk,
			openat2_open(walk->rootfd, len ? at->name + 1 : ".", O_PATH | O_DIRECTORY,
				     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS));
}

static int go_up(struct walk *walk)
{
	const char *slash = strrchr(walk->at->name, '/');

	if (!walk->at->trusted)
		return -ELOOP;
	return go_to(walk, slash ? (size_t)(slash - walk->at->name) : 0);
}

/* What the link says comes before the rest */
static int follow(struct walk *walk, const char *link)
{
	char rest[PATH_MAX];

	if (!walk->at->trusted || ++walk->links > LINKS_MAX)
		return -ELOOP;
	if ((size_t)snprintf(rest, sizeof(rest), "%s%s%s", link, *walk->rest ? "/" : "",
			     walk->rest) >= sizeof(rest))
		return -ENAMETOOLONG;
	memcpy(walk->rest, rest, sizeof(rest));
	return *link == '/' ? go_to(walk, 0) : 0;
}

static int add_name(struct walk *walk, const char *name)
{
	char *all = walk->at->name;
	size_t used = strlen(all);

	if (used + strlen(name) + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	snprintf(all + used, PATH_MAX - used, "/%s", name);
	return 0;
}

/* The next component, out of the rest.  Return: its length, 0 at the end */
static size_t take_name(struct walk *walk, char *name, size_t size)
{
	size_t skip = strspn(walk->rest, "/"), len = strcspn(walk->rest + skip, "/");

	if (len < size) {
		memcpy(name, walk->rest + skip, len);
		name[len] = '\0';
	}
	memmove(walk->rest, walk->rest + skip + len, strlen(walk->rest + skip + len) + 1);
	return len;
}

static bool is_last(const struct walk *walk)
{
	return walk->rest[strspn(walk->rest, "/")] == '\0';
}

/* Return: 0; 1 with the descriptor of the last one */
static int enter(struct walk *walk, const char *name, int flags, int *result)
{
	bool last = is_last(walk);
	int rc = add_name(walk, name), fd;

	if (rc < 0)
		return rc;
	/* A slash behind it means a directory */
	if (last && *walk->rest)
		flags |= O_DIRECTORY;
	fd = openat2_open(walk->dirfd, name, last ? flags : O_PATH | O_DIRECTORY,
			  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (!last)
		return stand_on(walk, fd);
	*result = fd;
	return fd < 0 ? -errno : 1;
}

static int step_into(struct walk *walk, const char *name, int flags, int *result)
{
	char link[PATH_MAX];
	ssize_t n;

	if (!strcmp(name, ".."))
		return go_up(walk);
	if (!strcmp(name, "."))
		return 0;
	if (is_last(walk) && flags & O_NOFOLLOW)
		return enter(walk, name, flags, result);
	n = readlinkat(walk->dirfd, name, link, sizeof(link) - 1);
	if (n < 0)
		return enter(walk, name, flags, result);
	link[n] = '\0';
	return follow(walk, link);
}

static int walk_all(struct walk *walk, int flags)
{
	int rc = go_to(walk, 0), fd = -1;
	char name[NAME_MAX + 1];
	size_t len;

	while (rc == 0 && (len = take_name(walk, name, sizeof(name))))
		rc = len < sizeof(name) ? step_into(walk, name, flags, &fd) : -ENAMETOOLONG;
	if (rc)
		return rc < 0 ? rc : fd;
	/* It ends in a directory that we stand on: "/", "..", or a link to one of these */
	fd = openat2_open(walk->dirfd, ".", flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	return fd < 0 ? -errno : fd;
}

int path_open(int rootfd, const char *path, int flags, struct path *found)
{
	struct path at = { .trusted = true };
	struct walk walk = { .rootfd = rootfd, .dirfd = -1, .at = found ? found : &at };
	int rc;

	*walk.at = (struct path){ .trusted = true };
	if ((size_t)snprintf(walk.rest, sizeof(walk.rest), "%s", path) >= sizeof(walk.rest))
		return -ENAMETOOLONG;
	rc = walk_all(&walk, flags);
	if (walk.dirfd >= 0)
		close(walk.dirfd);
	if (!*walk.at->name)
		snprintf(walk.at->name, sizeof(walk.at->name), "/");
	return rc;
}

const char *path_why(int errnum)
{
	if (errnum == ELOOP)
		return "there are too many links on the way, or one in a directory that others than "
		       "root can write: refusing to follow it";
	return err_text(errnum);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Looking at what tiers shall be in.
 */
#include "check/tier_rooms.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/tier_place.h"
#include "process/child.h"

/* A slow server answers within this */
#define ANSWER_MS	3000

#define SECTORS_PER_KIB 2

/* In a child, which alone can be given up */
struct look {
	const struct kfs *kfs;
	const struct config_tier *tier;
	struct tier_room room;
};

static int read_device(struct look *look, const struct stat *st)
{
	char size[KFS_PATH_SIZE];
	uint64_t sectors;
	int rc;

	snprintf(size, sizeof(size), "sys/dev/block/%u:%u/size", major(st->st_rdev),
		 minor(st->st_rdev));
	rc = kfs_read_u64(look->kfs, size, &sectors, &look->room.why);
	if (rc < 0)
		return rc;
	look->room.device = true;
	look->room.room_kib = sectors / SECTORS_PER_KIB;
	return 0;
}

static int read_file_system(struct look *look, int fd)
{
	struct err *why = &look->room.why;
	struct statvfs fs;
	int rc = tier_place_on_disk(fd, look->tier->path, why);

	if (rc < 0)
		return rc;
	if (fstatvfs(fd, &fs) < 0)
		return err_sys(why, errno, "%s", look->tier->path);
	look->room.room_kib = u64_mul_sat(fs.f_bfree, fs.f_frsize) / 1024;
	return 0;
}

static int read_found(struct look *look, int fd)
{
	struct err *why = &look->room.why;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return err_sys(why, errno, "%s", look->tier->path);
	rc = tier_place_check(look->tier->path, &st, why);
	if (rc < 0)
		return rc;
	if (S_ISBLK(st.st_mode))
		return read_device(look, &st);
	rc = read_file_system(look, fd);
	look->room.room_kib =
		u64_add_sat(look->room.room_kib, (uint64_t)st.st_blocks / SECTORS_PER_KIB);
	return rc;
}

static int read_file(struct look *look)
{
	int rootfd = look->kfs->rootfd;
	struct err *why = &look->room.why;
	cleanup_close int fd = tier_place_find(rootfd, look->tier->path, why), parent = -1;

	if (fd >= 0)
		return read_found(look, fd);
	if (fd != -ENOENT)
		return fd;
	/* The pager will make it */
	parent = tier_place_parent(rootfd, look->tier->path, why);
	return parent < 0 ? parent : read_file_system(look, parent);
}

static int look_work(void *arg)
{
	struct look *look = arg;
	cleanup_close int fd = -1;

	if (look->tier->kind == CONFIG_TIER_FILE)
		return read_file(look);
	fd = tier_place_directory(look->kfs->rootfd, look->tier->path, &look->room.why);
	return fd < 0 ? fd : read_file_system(look, fd);
}

static void read_room(const struct kfs *kfs, const struct config_tier *tier, struct tier_room *room)
{
	struct look look = { .kfs = kfs, .tier = tier };
	int rc = child_call(look_work, &look, sizeof(look), clock_ms() + ANSWER_MS);

	*room = look.room;
	room->rc = rc;
	if (rc < 0 && !*room->why.text)
		err_sys(&room->why, -rc, "%s", tier->path);
}

void tier_rooms_read(const struct kfs *kfs, const struct config_tiers *tiers,
		     struct tier_room rooms[CONFIG_TIERS_MAX])
{
	size_t i;

	for (i = 0; i < tiers->n; i++)
		if (config_tier_is_slow(tiers->tier[i].kind))
			read_room(kfs, &tiers->tier[i], &rooms[i]);
}

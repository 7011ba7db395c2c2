// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Looking at what tiers shall be in.
 */
#include "check/tier_rooms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/tier_place.h"
#include "process/child.h"
#include "report/overcommit_report.h"

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

/* ---- what it means ---- */

/* Of pages that are there already; a directory's files are not looked at */
static uint64_t used_in(const struct overcommit_answer *answer, const struct config_tier *tier)
{
	size_t i;

	for (i = 0; i < answer->n_tiers && tier->kind == CONFIG_TIER_DIRECTORY; i++)
		if (!strcmp(answer->tiers[i].name, config_tier_name(tier->kind)))
			return answer->tiers[i].kib;
	return 0;
}

static const char *mend_place(int rc)
{
	if (rc == -ENOENT)
		return ": make that directory";
	return rc == -EINVAL ? ": name another place" : "";
}

static void say_short(const struct config_tier *tier, const struct tier_room *room,
		      uint64_t needed_kib, uint64_t there_kib, struct err *why)
{
	char needed[TEXT_KIB_SIZE], there[TEXT_KIB_SIZE];

	err_set(why, ENOSPC,
		"tier %s of [overcommit] has a size of %s, and %s has room for %s: guests are "
		"admitted by that size, and those that need more than there is will stand: %s, or "
		"give the tier a smaller size",
		config_tier_name(tier->kind), text_from_kib(needed_kib, needed), tier->path,
		text_from_kib(there_kib, there),
		room->device ? "take a larger device" : "make room in its file system");
}

enum tier_room_fit tier_room_judge(const struct config_tier *tier, const struct tier_room *room,
				   uint64_t memory_kib, const struct overcommit_answer *answer,
				   struct err *why)
{
	uint64_t needed = config_tier_kib(tier, memory_kib);
	uint64_t there = u64_add_sat(room->room_kib, used_in(answer, tier));

	if (room->rc < 0) {
		err_set(why, -room->rc,
			"the pager can't use tier %s of [overcommit], and pages stay in memory: "
			"%s%s",
			config_tier_name(tier->kind), room->why.text, mend_place(room->rc));
		return TIER_ROOM_UNUSABLE;
	}
	if (there >= needed)
		return TIER_ROOM_FITS;
	say_short(tier, room, needed, there, why);
	return TIER_ROOM_SHORT;
}

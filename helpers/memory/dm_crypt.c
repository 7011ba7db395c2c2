// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What lies below a block device, as /sys/dev/block shows it.
 */
#include "memory/dm_crypt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "kernel/kfs.h"
#include "memory/path.h"

/* A volume on a RAID on volumes is four */
#define DEPTH_MOST 8

/* Names of 127 bytes are the longest that device-mapper takes */
#define UUID_SIZE 160

/* cryptsetup's words for what encrypts.  It also makes CRYPT-VERITY-, CRYPT-INTEGRITY- and
 * CRYPT-SUBDEV-, which don't */
static const char *const encrypted[] = {
	"CRYPT-PLAIN-", "CRYPT-LUKS1-",	  "CRYPT-LUKS2-",   "CRYPT-TCRYPT-",
	"CRYPT-BITLK-", "CRYPT-LOOPAES-", "CRYPT-FVAULT2-",
};

/* A device that is looked at, and what was found below it */
struct look {
	const struct kfs *kfs;
	struct err *err;
	const char *device; /* "8:1" */
	unsigned int depth;
	unsigned int parts;
};

static int refuse(const struct look *look, const char *why)
{
	char path[KFS_PATH_SIZE], name[128];

	snprintf(path, sizeof(path), "sys/dev/block/%s/dm/name", look->device);
	if (kfs_read(look->kfs, path, name, sizeof(name), NULL) == 0)
		return err_set(look->err, ENOKEY, "the device %s %s", name, why);
	return err_set(look->err, ENOKEY, "the block device %s %s", look->device, why);
}

static bool encrypts(const struct look *look)
{
	char path[KFS_PATH_SIZE], uuid[UUID_SIZE];
	size_t i;

	snprintf(path, sizeof(path), "sys/dev/block/%s/dm/uuid", look->device);
	if (kfs_read(look->kfs, path, uuid, sizeof(uuid), NULL) < 0)
		return false;
	for (i = 0; i < ARRAY_SIZE(encrypted); i++)
		if (!strncmp(uuid, encrypted[i], strlen(encrypted[i])))
			return true;
	return false;
}

static int check_device(const struct look *look);

/* The device that the file @path (".../dev") has the number of */
static int check_below(const struct look *above, const char *path)
{
	char device[32];
	struct look look = {
		.kfs = above->kfs,
		.err = above->err,
		.device = device,
		.depth = above->depth + 1,
	};

	if (kfs_read(above->kfs, path, device, sizeof(device), NULL) < 0 || !*device ||
	    device[strspn(device, "0123456789:")])
		return refuse(above, "lies on one that can't be read");
	return check_device(&look);
}

static int check_part(const char *name, void *arg)
{
	struct look *look = arg;
	char path[KFS_PATH_SIZE];

	look->parts++;
	if (snprintf(path, sizeof(path), "sys/dev/block/%s/slaves/%s/dev", look->device, name) >=
	    (int)sizeof(path))
		return refuse(look, "lies on one that can't be read");
	return check_below(look, path);
}

/* A disk's partitions have no list of what they lie on: the disk has it */
static int check_device(const struct look *look)
{
	struct look parts = *look;
	char path[KFS_PATH_SIZE];
	int rc;

	if (encrypts(look))
		return 0;
	if (look->depth == DEPTH_MOST)
		return refuse(look, "lies on too many others");
	snprintf(path, sizeof(path), "sys/dev/block/%s/partition", look->device);
	if (kfs_exists(look->kfs, path)) {
		snprintf(path, sizeof(path), "sys/dev/block/%s/../dev", look->device);
		return check_below(look, path);
	}
	snprintf(path, sizeof(path), "sys/dev/block/%s/slaves", look->device);
	rc = kfs_each_name(look->kfs, path, check_part, &parts, NULL);
	return rc == 0 && parts.parts ? 0 : rc == -ENOKEY ? rc : refuse(look, "is not encrypted");
}

int dm_crypt_check(const struct kfs *kfs, dev_t device, struct err *err)
{
	char name[32];
	const struct look look = { .kfs = kfs, .err = err, .device = name };

	if (!major(device))
		return err_set(err, ENOKEY,
			       "its file system has no block device of its own, so whether it is "
			       "encrypted can't be told");
	snprintf(name, sizeof(name), "%u:%u", major(device), minor(device));
	return check_device(&look);
}

int dm_crypt_check_file(const struct kfs *kfs, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot look");
	return dm_crypt_check(kfs, S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev, err);
}

int dm_crypt_check_path(const struct kfs *kfs, const char *path, struct err *err)
{
	cleanup_close int fd = path_open(kfs->rootfd, path, O_PATH | O_CLOEXEC, NULL);
	char directory[PATH_MAX];
	int rc;

	if (fd == -ENOENT) {
		snprintf(directory, sizeof(directory), "%s", path);
		*(strrchr(directory, '/') + 1) = '\0';
		fd = path_open(kfs->rootfd, directory, O_PATH | O_DIRECTORY | O_CLOEXEC, NULL);
	}
	if (fd < 0)
		return err_set(err, -fd, "%s: %s", path, path_why(-fd));
	rc = dm_crypt_check_file(kfs, fd, err);
	return rc < 0 ? err_prefix(err, rc, "%s", path) : 0;
}

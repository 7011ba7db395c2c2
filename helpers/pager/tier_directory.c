// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Names and first pages of guests' files in a directory of several hosts, and what is left there.
 */
#include "pager/tier_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "pager/protocol.h"
#include "pager/ram.h"

enum { HEADER_VERSION = 1, NUMBER_DIGITS = 16, SWEEP_MOST = 65536 };

#define SUFFIX ".pages"

_Static_assert(sizeof(struct tier_directory_header) <= PAGE_BYTES, "one page");

/* ---- names ---- */

int tier_directory_name(const char *directory, const char *uuid, const struct tier_owner *us,
			char path[TIER_PATH_SIZE])
{
	uint32_t number;
	int n;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return -EIO;
	n = snprintf(path, TIER_PATH_SIZE, "%s/%s-%08" PRIx32 "%08" PRIx32 SUFFIX, directory, uuid,
		     tier_owner_tag(us), number);
	return n < TIER_PATH_SIZE ? 0 : -ENAMETOOLONG;
}

bool tier_directory_is_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char uuid[PAGER_UUID_SIZE];
	size_t digits;

	if (strlen(name) != sizeof(uuid) + NUMBER_DIGITS + strlen(SUFFIX))
		return false;
	memcpy(uuid, name, sizeof(uuid) - 1);
	uuid[sizeof(uuid) - 1] = '\0';
	name += sizeof(uuid) - 1;
	digits = strspn(name + 1, "0123456789abcdef");
	return text_is_uuid(uuid) && *name == '-' && digits == NUMBER_DIGITS &&
	       strcmp(name + 1 + digits, SUFFIX) == 0;
}

static bool names_us(const char *name, const struct tier_owner *us)
{
	char tag[NUMBER_DIGITS / 2 + 1];

	snprintf(tag, sizeof(tag), "%08" PRIx32, tier_owner_tag(us));
	return strncmp(name + PAGER_UUID_SIZE, tag, strlen(tag)) == 0;
}

/* ---- the first page ---- */

static bool is_ours(const struct tier_directory_header *header)
{
	return memcmp(header->magic, TIER_DIRECTORY_MAGIC, sizeof(TIER_DIRECTORY_MAGIC)) == 0 &&
	       header->version == HEADER_VERSION;
}

int tier_directory_begin(int fd, void *page, const struct tier_owner *us,
			 uint64_t id[TIER_ID_WORDS], struct err *err)
{
	struct tier_directory_header header = {
		.magic = TIER_DIRECTORY_MAGIC,
		.version = HEADER_VERSION,
		.owner = *us,
	};

	if (getrandom(header.id, sizeof(header.id), 0) != (ssize_t)sizeof(header.id))
		return err_set(err, EIO, "no random number");
	memset(page, 0, PAGE_BYTES);
	memcpy(page, &header, sizeof(header));
	if (pwrite(fd, page, PAGE_BYTES, 0) != PAGE_BYTES || fsync(fd) < 0)
		return err_sys(err, errno ? errno : EIO, "cannot write");
	memcpy(id, header.id, sizeof(header.id));
	return 0;
}

int tier_directory_check(const void *page, const uint64_t id[TIER_ID_WORDS],
			 const struct tier_owner *us, struct err *err)
{
	struct tier_directory_header header;

	memcpy(&header, page, sizeof(header));
	if (!is_ours(&header) || memcmp(header.id, id, sizeof(header.id)) != 0)
		return err_set(err, ESTALE,
			       "is not the one that has pages of a guest: bring that back");
	if (tier_owner_judge(&header.owner, us) != OWNED_BY_US)
		return err_set(err, EBUSY, "host '%.*s' has it", TIER_OWNER_NAME_SIZE - 1,
			       header.owner.name);
	return 0;
}

int tier_directory_check_lent(const void *page, const uint64_t id[TIER_ID_WORDS], struct err *err)
{
	struct tier_directory_header header;

	memcpy(&header, page, sizeof(header));
	if (!is_ours(&header) || memcmp(header.id, id, sizeof(header.id)) != 0)
		return err_set(err, ESTALE, "is not the one that was lent: bring that back");
	if (header.lent != LENT && header.lent != LENT_AND_LEFT)
		return err_set(err, ESTALE, "is not lent any more");
	return (int)header.lent;
}

int tier_directory_mark(int fd, void *page, enum tier_lent lent, struct err *err)
{
	struct tier_directory_header header;

	if (pread(fd, page, PAGE_BYTES, 0) != PAGE_BYTES)
		return err_sys(err, errno ? errno : EIO, "cannot read");
	memcpy(&header, page, sizeof(header));
	header.lent = (uint32_t)lent;
	memcpy(page, &header, sizeof(header));
	if (pwrite(fd, page, PAGE_BYTES, 0) != PAGE_BYTES || fdatasync(fd) < 0)
		return err_sys(err, errno ? errno : EIO, "cannot write");
	return 0;
}

/* ---- what is left ---- */

/* By buffered reads: what changes is the owner's alone, and this reads what has no owner */
static bool read_header(int fd, struct tier_directory_header *header)
{
	return pread(fd, header, sizeof(*header), 0) == (ssize_t)sizeof(*header) && is_ours(header);
}

/* @ours_too: files of this boot as well */
static bool is_left(int fd, const char *name, const struct tier_owner *us, bool ours_too)
{
	struct tier_directory_header header;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	/* Its first page was never written */
	if (st.st_size == 0)
		return ours_too && names_us(name, us);
	if (!read_header(fd, &header) || header.lent != LENT_NOT)
		return false;
	switch (tier_owner_judge(&header.owner, us)) {
	case OWNED_BEFORE:
		return true;
	case OWNED_BY_US:
		return ours_too;
	default:
		return false;
	}
}

/* Its lock is free: no process has it, as far as the file system can tell */
static bool sweep_one(int directory, const char *name, const struct tier_owner *us, bool ours_too)
{
	cleanup_close int fd =
		openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || !is_left(fd, name, us, ours_too))
		return false;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return false;
	return unlinkat(directory, name, 0) == 0;
}

int tier_directory_sweep(int fd, const struct tier_owner *us, bool ours_too,
			 bool (*is_known)(void *arg, const char *name), void *arg)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0, seen = 0;
	DIR *directory = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!directory) {
		n = -errno;
		if (copy >= 0)
			close(copy);
		return n;
	}
	while (seen++ < SWEEP_MOST && (entry = readdir(directory)) != NULL)
		if (tier_directory_is_name(entry->d_name) && !is_known(arg, entry->d_name))
			n += sweep_one(fd, entry->d_name, us, ours_too);
	closedir(directory);
	return n;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A directory that several hosts may see, with a file for each guest.
 *
 * DOC: one owner
 *
 * A file's name is the guest's UUID and a number, of which half is the host's own and half drawn,
 * and it is made with O_EXCL: no two hosts make the same one.  A host that falls before the first
 * page is written leaves an empty file, and knows it again by that half.  Its first page says which
 * host made it, at which boot.  Only that one writes there, and a lock (flock) keeps a second
 * process of its away where the file system has locks.  It goes with its guest.  What a host left
 * behind when it fell is removed by its next boot, never by another host: that can't know whether
 * the first one runs on.
 *
 * DOC: lent
 *
 * A guest that goes to another host takes no page along that is in its file: the file is lent.  The
 * first page says so, before the other host is told where pages are, and then no start of the owner
 * removes it.  Who borrows only reads.  Either may end first: the owner leaves the file to
 * the borrower, which removes it then, or the borrower lets it go.
 */
#ifndef MEMBACKING_PAGER_TIER_DIRECTORY_H
#define MEMBACKING_PAGER_TIER_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "pager/tier_owner.h"
#include "pager/tier_store.h"

/**
 * struct tier_directory_header - At the beginning of a guest's file
 * @magic:	TIER_DIRECTORY_MAGIC
 * @id:		Random, and also in the guest's table
 * @lent:	An enum tier_lent
 */
struct tier_directory_header {
	char magic[32];
	uint32_t version;
	uint32_t lent;
	uint64_t id[TIER_ID_WORDS];
	struct tier_owner owner;
};

#define TIER_DIRECTORY_MAGIC "libvirt-membacking guest pages"

/* LEFT: the owner's guest is gone, and who borrows it removes it */
enum tier_lent { LENT_NOT, LENT, LENT_AND_LEFT };

/* "DIRECTORY/UUID-NUMBER.pages".  Return: 0; -ENAMETOOLONG; -EIO: no random number */
int tier_directory_name(const char *directory, const char *uuid, const struct tier_owner *us,
			char path[TIER_PATH_SIZE]);
/* Is the last component such a name? */
bool tier_directory_is_name(const char *path);

/**
 * tier_directory_begin() - Make a new file ours
 * @page:	PAGE_BYTES, aligned
 */
int tier_directory_begin(int fd, void *page, const struct tier_owner *us,
			 uint64_t id[TIER_ID_WORDS], struct err *err);
/**
 * tier_directory_check() - Is what we have read of a file's first page as it was left?
 *
 * Return: 0; -ESTALE: another file; -EBUSY: another host's
 */
int tier_directory_check(const void *page, const uint64_t id[TIER_ID_WORDS],
			 const struct tier_owner *us, struct err *err);

/* Of one that is borrowed.  Return: its enum tier_lent, but LENT_NOT; -ESTALE: another file, or it
 * is not lent */
int tier_directory_check_lent(const void *page, const uint64_t id[TIER_ID_WORDS], struct err *err);
/* Say in a file of ours whether it is lent.  @page: PAGE_BYTES, aligned */
int tier_directory_mark(int fd, void *page, enum tier_lent lent, struct err *err);

/**
 * tier_directory_sweep() - Remove files of guests that ended with an earlier boot of this host
 * @fd:		The directory, opened for reading
 * @ours_too:	And files of this boot, and empty ones of this host, whose boot is not known
 * @is_known:	Has a guest the file of this name?  Then it stays
 *
 * Return: how many; -errno: the directory can't be read
 */
int tier_directory_sweep(int fd, const struct tier_owner *us, bool ours_too,
			 bool (*is_known)(void *arg, const char *name), void *arg);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file or block device that all guests of the host have slots in, or a guest's own file in a
 * directory.
 *
 * Its room is given out in extents of 1 MiB.  Whose an extent is stands in the guests' own tables
 * (tier_file.c), which outlive the daemon; here is only which are taken.  So at the daemon's start
 * each guest's extents are reserved before any is given out.
 *
 * DOC: whose file it may be
 *
 * The file holds memory of guests, and what is in it is given to guests.  So all directories on its
 * path are root's alone, links count there only, and no other user may read or write the file; a
 * block device may have a group: see memory/tier_place.h.  A new file is made.  One that is there
 * already is taken if its first MiB is empty, or says that it is a tier: nothing else on it is ever
 * overwritten.  The same holds of a directory, where files are only made anew: see
 * tier_directory.h.
 */
#ifndef MEMBACKING_PAGER_TIER_STORE_H
#define MEMBACKING_PAGER_TIER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "pager/tier.h"

enum {
	EXTENT_BYTES = 1 << 20,
	EXTENT_PAGES = 256,
	TIER_PATH_SIZE = 256,
	TIER_ID_WORDS = 2,
};

/* The first extent is the file's own */
enum { EXTENT_NONE = 0 };

struct tier_store;
struct tier_owner;

/* All of one daemon.  @rootfd: what their paths begin at; the caller's.  Return: 0 or -ENOMEM */
int tier_stores_new(struct tier_stores **stores, int rootfd);
void tier_stores_free(struct tier_stores *stores);
/* A disk has not answered yet: what guests have left there goes when it does */
bool tier_stores_busy(struct tier_stores *stores);

/* The one at @path: the same for each who asks.  Nothing is opened yet.  NULL: no memory, or the
 * path is too long */
struct tier_store *tier_stores_get(struct tier_stores *stores, const char *path);

/* Whose files in directories are: before the first is opened.  Without it none is made */
void tier_stores_set_owner(struct tier_stores *stores, const struct tier_owner *us);
/* The tables of all guests were read: a file in a directory that none of them has is none's */
void tier_stores_know_all(struct tier_stores *stores);

/* A guest's own file of that name, as its table has it */
struct tier_store *tier_stores_get_own(struct tier_stores *stores, const char *path);
/**
 * tier_stores_new_own() - A name for a guest's file in a directory
 * @directory:	What tier_stores_get() gave for its path
 *
 * What an earlier boot left in the directory is removed, if it is the first one there.
 *
 * @given_up:	As of tier_store_open()
 *
 * Return: 0; -ENOMEM; -ENAMETOOLONG; -EINVAL: this host is not known; -ECANCELED
 */
int tier_stores_new_own(struct tier_stores *stores, struct tier_store *directory, const char *uuid,
			const _Atomic bool *given_up, struct tier_store **store, struct err *err);
/* Remove a guest's own file, and forget it.  @id: as of tier_store_open(); NULL: it has no slots.
 * One that is borrowed: only if its owner left it.  Of a disk that does not answer it goes later */
void tier_stores_drop_own(struct tier_store *store, const uint64_t id[TIER_ID_WORDS]);
/* Another host's, of which this guest has borrowed pages.  It is only read */
struct tier_store *tier_stores_get_borrowed(struct tier_stores *stores, const char *path);
/* A guest's own file, open: lent from now on, or not any more.  Return: 0 or -errno */
int tier_store_lend(struct tier_store *store, bool lent, const _Atomic bool *given_up,
		    struct err *err);
/* The guest is gone, and its file stays for who has borrowed it: forget it */
void tier_stores_leave_own(struct tier_store *store, const uint64_t id[TIER_ID_WORDS]);
/* The directory of a guest's own file; NULL: it is all guests' */
const struct tier_store *tier_store_directory(const struct tier_store *store);

const char *tier_store_path(const struct tier_store *store);
/* Of an open one */
bool tier_store_is_device(const struct tier_store *store);

/**
 * tier_store_open() - Open it, if it is not open
 * @id:		Which one it was when a guest got slots in it; it is not made then.  NULL: any
 * @found:	Which one it is
 * @given_up:	Nothing is waited for any more; NULL: it always is
 *
 * May be tried again and again: what is missing may come.  An open one stays open, and its
 * descriptor the same number, unless its disk is gone: see tier_store_failed().  A guest's own file
 * is new where
 * @id is NULL, and this host's.
 *
 * Return: its descriptor; -ENOENT; -ESTALE: another file than @id; -EEXIST: something else is in
 * it; -EPERM: it is not root's alone; -EBUSY: another process has it; -EINVAL: no direct I/O there;
 * -ECANCELED: given up, and opened some time; -errno
 */
int tier_store_open(struct tier_store *store, const uint64_t id[TIER_ID_WORDS],
		    uint64_t found[TIER_ID_WORDS], const _Atomic bool *given_up, struct err *err);

/* Reading or writing it failed: the next tier_store_open() looks whether its disk is gone, and
 * opens it anew when that is back */
void tier_store_failed(struct tier_store *store);

/* Nothing is put there any more unless it is on dm-crypt; what is there is still read */
void tier_store_encrypt(struct tier_store *store, bool encrypt);

/**
 * tier_store_may_put() - May pages be put there?
 *
 * Of an open one.  Return: 0; -ENOKEY: tier_store_encrypt() was asked for, and it isn't encrypted
 */
int tier_store_may_put(struct tier_store *store, struct err *err);

/*
 * After a restart: an extent that a guest's table has.  It is reserved until that guest's tiers are
 * open and claim it, and again when they are closed.
 *
 * Return: 0; -EEXIST: it is claimed; -EINVAL: no extent's number; -ENOMEM
 */
int tier_store_reserve(struct tier_store *store, uint32_t extent);
int tier_store_claim(struct tier_store *store, uint32_t extent);
void tier_store_leave(struct tier_store *store, uint32_t extent);
/**
 * tier_store_take() - An extent for a guest
 * @budget:	What it is counted in; NULL: in none
 * @given_up:	As of tier_store_open()
 *
 * Return: 0; -ENOSPC: the budget's limit, the device or its file system is full; -ECANCELED; -errno
 */
int tier_store_take(struct tier_store *store, struct tier_budget *budget,
		    const _Atomic bool *given_up, uint32_t *extent);
/* What was put there is on the disk.  Return: 0; -ECANCELED; -errno */
int tier_store_sync(struct tier_store *store, const _Atomic bool *given_up);
/* Give it back: its content goes, and then it is another's.  The budget is the caller's */
void tier_store_put(struct tier_store *store, uint32_t extent, const _Atomic bool *given_up);
/* All of a guest's, at its end; of a file that may not be open.  Of a disk that does not answer
 * they go later */
void tier_store_put_all(struct tier_store *store, const uint64_t id[TIER_ID_WORDS],
			const uint32_t *extent, size_t n);

/**
 * tier_store_hold() - A write to this extent was given up, and may be done at any time
 *
 * No other guest ever gets it from this daemon.  The next one has to wait for the file until the
 * kernel has done with it.
 */
void tier_store_hold(struct tier_store *store, uint32_t extent);
/* Its disk did not answer until it was given up, or answers again: it is asked for nothing that can
 * be left out */
void tier_store_silent(struct tier_store *store, bool silent);
/* Around each time that the disk is waited for, by any guest */
void tier_store_asks(struct tier_store *store);
void tier_store_answered(struct tier_store *store);
/* Has the disk not answered for a second, or since it was given up? */
bool tier_store_is_silent(const struct tier_store *store);

#endif

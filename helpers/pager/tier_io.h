/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading and writing pieces of a file or block device, several at a time, past the page cache.
 *
 * By io_uring where the library was there at build time and the kernel allows it; otherwise one
 * piece after the other.  A ring can have a buffer of its own, which the kernel keeps pinned, and
 * what is read and written is copied: a request by itself then pins nothing (see pins.h).  Where
 * programs ask for that: what stays pinned is in the way of evictions by another process.
 */
#ifndef MEMBACKING_PAGER_TIER_IO_H
#define MEMBACKING_PAGER_TIER_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { TIER_PIECES_MAX = 64 };

/**
 * struct tier_piece - One read or write
 * @at:		Aligned to a page, like @bytes and @offset
 * @rc:		Result: 0; -errno; -EIO also at the end of the file; -ECANCELED: it was given up
 */
struct tier_piece {
	void *at;
	size_t bytes;
	uint64_t offset;
	int rc;
};

struct tier_io;

/* One thread at a time uses it.  Return: 0 or -ENOMEM */
int tier_io_open(struct tier_io **io);
/* A buffer that a disk may still write to stays, until the process ends */
void tier_io_close(struct tier_io *io);
/* Do rings that have not run yet get buffers that stay pinned?  Before this is called: no */
void tier_io_keep_buffers(bool keep);
/* A vCPU waits for what the calling thread asks for from now on: it waits without sleeping for a
 * disk that answers soon, where that is shorter (stay_awake.c).  Before this is called: no */
void tier_io_stay_awake(bool awake);
/* Does it have a ring? */
bool tier_io_has_ring(const struct tier_io *io);
/* Its buffer; 0: it has not run, or its requests pin what they read and write */
size_t tier_io_bytes(const struct tier_io *io);
/**
 * tier_io_run() - All of @piece, and wait for it: afterwards the kernel has no hand in a buffer
 * @n:		TIER_PIECES_MAX at most
 *
 * Return: 0; the first piece's -errno that has one.  The others may be done all the same.
 * -ECANCELED: what was under way may be done later, at any time: its buffers must stay, and so must
 * the place on the disk that was written to
 */
int tier_io_run(struct tier_io *io, int fd, bool write, struct tier_piece *piece, size_t n);
/* From another thread, for good: do not wait for a disk that does not answer.  Without a ring it is
 * waited for all the same */
void tier_io_give_up(struct tier_io *io);

/* Tests define it, programs don't have it.  Before a piece: 0: go on; -errno: its result */
extern int tier_io_fault(bool write, const struct tier_piece *piece) __attribute__((weak));

#endif

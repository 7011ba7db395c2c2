// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pieces of a file read and written, by io_uring or one after the other.
 */
#include "pager/tier_io.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef HAVE_LIBURING
#include <liburing.h>
#endif

/* How long tier_io_give_up() is not noticed */
#define LOOK_NS (50 * 1000 * 1000)

/**
 * struct tier_io
 * @ring_works:	The kernel gave a ring, and it has not failed since
 * @given_up:	Nothing is waited for any more
 */
struct tier_io {
#ifdef HAVE_LIBURING
	struct io_uring ring;
#endif
	bool ring_works;
	_Atomic bool given_up;
};

int tier_io_open(struct tier_io **io)
{
	struct tier_io *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
#ifdef HAVE_LIBURING
	/* The administrator may have forbidden it: kernel.io_uring_disabled */
	new->ring_works = io_uring_queue_init(TIER_PIECES_MAX, &new->ring, 0) == 0;
#endif
	*io = new;
	return 0;
}

void tier_io_close(struct tier_io *io)
{
	if (!io)
		return;
#ifdef HAVE_LIBURING
	if (io->ring_works)
		io_uring_queue_exit(&io->ring);
#endif
	free(io);
}

bool tier_io_has_ring(const struct tier_io *io)
{
	return io->ring_works;
}

/* Bytes of a piece came or went.  Return: there is a rest */
static bool advance(struct tier_piece *piece, ssize_t got)
{
	if (got == -EINTR || got == -EAGAIN)
		return true;
	if (got <= 0) {
		piece->rc = got < 0 ? (int)got : -EIO;
		return false;
	}
	piece->at = (char *)piece->at + got;
	piece->bytes -= (size_t)got;
	piece->offset += (uint64_t)got;
	return piece->bytes > 0;
}

static void run_one(int fd, bool write, struct tier_piece *piece)
{
	ssize_t got;

	do {
		got = write ? pwrite(fd, piece->at, piece->bytes, (off_t)piece->offset) :
			      pread(fd, piece->at, piece->bytes, (off_t)piece->offset);
		if (got < 0)
			got = -errno;
	} while (advance(piece, got));
}

#ifdef HAVE_LIBURING
static unsigned int queue(struct tier_io *io, int fd, bool write, struct tier_piece *piece,
			  const bool *todo, size_t n)
{
	unsigned int queued = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		struct io_uring_sqe *sqe = todo[i] ? io_uring_get_sqe(&io->ring) : NULL;
		unsigned int bytes = (unsigned int)piece[i].bytes;

		if (!sqe)
			continue;
		if (write)
			io_uring_prep_write(sqe, fd, piece[i].at, bytes, piece[i].offset);
		else
			io_uring_prep_read(sqe, fd, piece[i].at, bytes, piece[i].offset);
		io_uring_sqe_set_data64(sqe, i);
		queued++;
	}
	return queued;
}

/* Each that the kernel took is waited for: it has our buffer until then.  Return: how many have a
 * rest; those that were given up stay in @todo */
static unsigned int reap(struct tier_io *io, struct tier_piece *piece, bool *todo,
			 unsigned int taken)
{
	struct __kernel_timespec look = { .tv_nsec = LOOK_NS };
	struct io_uring_cqe *cqe;
	unsigned int left = 0;

	while (taken) {
		uint64_t i;

		if (io_uring_wait_cqe_timeout(&io->ring, &cqe, &look) < 0) {
			if (io->given_up)
				break;
			continue; /* a signal, or it takes long */
		}
		i = io_uring_cqe_get_data64(cqe);
		todo[i] = advance(&piece[i], cqe->res);
		left += todo[i];
		io_uring_cqe_seen(&io->ring, cqe);
		taken--;
	}
	return left;
}

/* The kernel has their buffers */
static void leave_pieces(struct tier_piece *piece, bool *todo, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (todo[i]) {
			piece[i].rc = -ECANCELED;
			todo[i] = false;
		}
}

/* Return: false: the ring does not work, and nothing is in flight */
static bool run_in_ring(struct tier_io *io, int fd, bool write, struct tier_piece *piece,
			bool *todo, size_t n)
{
	unsigned int left;

	do {
		unsigned int queued = queue(io, fd, write, piece, todo, n), taken = 0;

		while (taken < queued) {
			int rc = io_uring_submit(&io->ring);

			if (rc == -EINTR)
				continue;
			if (rc <= 0)
				break;
			taken += (unsigned int)rc;
		}
		left = reap(io, piece, todo, taken);
		if (io->given_up) {
			leave_pieces(piece, todo, n);
			return true;
		}
		if (taken < queued)
			return false;
	} while (left);
	return true;
}

/* What stays in its queue would be sent with what comes next */
static void give_ring_up(struct tier_io *io)
{
	io_uring_queue_exit(&io->ring);
	io->ring_works = false;
}
#endif

static bool prepare(const struct tier_io *io, bool write, struct tier_piece *piece, bool *todo,
		    size_t n)
{
	bool any = false;
	size_t i;

	for (i = 0; i < n; i++) {
		piece[i].rc = tier_io_fault ? tier_io_fault(write, &piece[i]) : 0;
		if (io->given_up)
			piece[i].rc = -ECANCELED;
		todo[i] = piece[i].rc == 0;
		any |= todo[i];
	}
	return any;
}

void tier_io_give_up(struct tier_io *io)
{
	io->given_up = true;
}

int tier_io_run(struct tier_io *io, int fd, bool write, struct tier_piece *piece, size_t n)
{
	bool todo[TIER_PIECES_MAX] = { false };
	bool any = prepare(io, write, piece, todo, n);
	size_t i;
	int rc = 0;

#ifdef HAVE_LIBURING
	if (any && io->ring_works) {
		any = !run_in_ring(io, fd, write, piece, todo, n);
		if (any)
			give_ring_up(io);
	}
#endif
	for (i = 0; any && i < n; i++)
		if (todo[i])
			run_one(fd, write, &piece[i]);
	for (i = 0; i < n && rc == 0; i++)
		rc = piece[i].rc;
	return rc;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pieces of a file read and written, by io_uring or one after the other.
 *
 * DOC: waiting without sleep
 *
 * A fast disk answers within 30 to 60 us.  In a virtual machine the processor that waits for it has
 * halted by then, and is woken through the hypervisor, which takes as long again.  So a read that a
 * vCPU waits for is waited for awake, if reads have been answered that soon lately; other threads
 * get the processor in between.
 */
#include "pager/tier_io.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_LIBURING
#include <liburing.h>
#endif

#include "pager/memory_error.h"
#include "pager/page_map.h"
#include "pager/pins.h"

/* How long tier_io_give_up() is not noticed */
#define LOOK_NS (50 * 1000 * 1000)

/* A disk that usually takes longer is waited for asleep */
#define AWAKE_NS (150 * 1000)
/* One that has stood for long is soon tried again */
#define TOOK_MOST_NS (10 * AWAKE_NS)
/* Of what is known of earlier reads a new one changes such a part */
#define REMEMBERED   8

#define BUFFER_BYTES ((size_t)TIER_PIECES_MAX * PAGE_BYTES)

/**
 * struct tier_io
 * @ring_works:	The kernel gave a ring, and it has not failed since
 * @usual_ns:	How long the first of several pieces took lately
 * @buffer:	Registered with the ring; NULL: none, and pieces are read and written where they are
 * @asked:	For a buffer, once
 * @in_buffer:	The pieces under way lie there
 * @left:	Some were given up there: they are under way until the disk answers
 * @given_up:	Nothing is waited for any more
 */
struct tier_io {
#ifdef HAVE_LIBURING
	struct io_uring ring;
#endif
	bool ring_works, asked, in_buffer, left;
	uint64_t usual_ns;
	unsigned char *_Atomic buffer;
	_Atomic bool given_up;
};

static _Atomic bool keep_buffers;

void tier_io_keep_buffers(bool keep)
{
	keep_buffers = keep;
}

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

static _Thread_local bool stays_awake;

void tier_io_stay_awake(bool awake)
{
	stays_awake = awake;
}

#ifdef HAVE_LIBURING
/*
 * Each of its pages by itself, since the kernel pins a large folio once.  The first request asks
 * for it: most guests have no page on a disk
 */
static void ask_for_buffer(struct tier_io *io)
{
	void *at = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	struct iovec all = { .iov_base = at, .iov_len = BUFFER_BYTES };

	io->asked = true;
	if (at == MAP_FAILED)
		return;
	if (madvise(at, BUFFER_BYTES, MADV_NOHUGEPAGE) < 0 ||
	    io_uring_register_buffers(&io->ring, &all, 1) < 0) {
		munmap(at, BUFFER_BYTES);
		return;
	}
	pins_own(TIER_PIECES_MAX);
	io->buffer = at;
}

/* What stays in its queue would be sent with what comes next */
static void give_ring_up(struct tier_io *io)
{
	if (io->buffer)
		pins_disown(TIER_PIECES_MAX);
	io_uring_queue_exit(&io->ring);
	if (io->buffer)
		munmap(io->buffer, BUFFER_BYTES);
	io->buffer = NULL;
	io->ring_works = false;
}
#endif

void tier_io_close(struct tier_io *io)
{
	if (!io)
		return;
#ifdef HAVE_LIBURING
	/*
	 * The kernel has the buffer pinned as long as a request is under way, whether there is a
	 * ring or not.  So as not to be in the way of evictions until that disk answers, these pins
	 * stay our own: ring and buffer are there until the process ends
	 */
	if (io->ring_works && !io->left)
		give_ring_up(io);
#endif
	free(io);
}

bool tier_io_has_ring(const struct tier_io *io)
{
	return io->ring_works;
}

size_t tier_io_bytes(const struct tier_io *io)
{
	return io->buffer ? BUFFER_BYTES : 0;
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
		if (io->in_buffer && write)
			io_uring_prep_write_fixed(sqe, fd, piece[i].at, bytes, piece[i].offset, 0);
		else if (io->in_buffer)
			io_uring_prep_read_fixed(sqe, fd, piece[i].at, bytes, piece[i].offset, 0);
		else if (write)
			io_uring_prep_write(sqe, fd, piece[i].at, bytes, piece[i].offset);
		else
			io_uring_prep_read(sqe, fd, piece[i].at, bytes, piece[i].offset);
		io_uring_sqe_set_data64(sqe, i);
		queued++;
	}
	return queued;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Until the first has answered, or it takes too long.  The call gives the kernel its turn, too: it
 * notes there what has been answered */
static void wait_awake(struct tier_io *io, uint64_t begun)
{
	while (stays_awake && io->usual_ns < AWAKE_NS && !io_uring_cq_ready(&io->ring) &&
	       now_ns() - begun < AWAKE_NS)
		sched_yield();
}

static void note_time(struct tier_io *io, uint64_t begun)
{
	uint64_t took = now_ns() - begun;

	took = took < TOOK_MOST_NS ? took : TOOK_MOST_NS;
	io->usual_ns = (io->usual_ns * (REMEMBERED - 1) + took) / REMEMBERED;
}

/* Each that the kernel took is waited for: it has our buffer until then.  Return: how many have a
 * rest; those that were given up stay in @todo */
static unsigned int reap(struct tier_io *io, struct tier_piece *piece, bool *todo,
			 unsigned int taken)
{
	struct __kernel_timespec look = { .tv_nsec = LOOK_NS };
	uint64_t begun = now_ns();
	struct io_uring_cqe *cqe;
	unsigned int left = 0;
	bool first = true;

	wait_awake(io, begun);
	while (taken) {
		uint64_t i;

		if (io_uring_wait_cqe_timeout(&io->ring, &cqe, &look) < 0) {
			if (io->given_up)
				break;
			continue; /* a signal, or it takes long */
		}
		if (first)
			note_time(io, begun);
		first = false;
		i = io_uring_cqe_get_data64(cqe);
		todo[i] = advance(&piece[i], cqe->res);
		left += todo[i];
		io_uring_cqe_seen(&io->ring, cqe);
		taken--;
	}
	return left;
}

/* The kernel has their buffers */
static void leave_pieces(struct tier_io *io, struct tier_piece *piece, bool *todo, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (todo[i]) {
			piece[i].rc = -ECANCELED;
			todo[i] = false;
			io->left |= io->in_buffer;
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
			leave_pieces(io, piece, todo, n);
			return true;
		}
		if (taken < queued)
			return false;
	} while (left);
	return true;
}

/* In our buffer, one after the other.  False: there is none, or they don't fit */
static bool lay_out(const struct tier_io *io, const struct tier_piece *piece,
		    struct tier_piece *laid, size_t n)
{
	size_t i, used = 0;

	for (i = 0; i < n && io->buffer; i++) {
		if (piece[i].bytes > BUFFER_BYTES - used)
			return false;
		laid[i] = piece[i];
		laid[i].at = io->buffer + used;
		used += piece[i].bytes;
	}
	return io->buffer != NULL;
}

static void copy_in(struct tier_piece *piece, const struct tier_piece *laid, bool *todo, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (todo[i] && !memory_copy(laid[i].at, piece[i].at, piece[i].bytes)) {
			piece[i].rc = -EHWPOISON;
			todo[i] = false;
		}
}

/* Return: as run_in_ring().  A piece with a rest is as it was: it is done anew, without the ring */
static bool run_copied(struct tier_io *io, int fd, bool write, struct tier_piece *piece, bool *todo,
		       size_t n)
{
	struct tier_piece laid[TIER_PIECES_MAX], ran[TIER_PIECES_MAX];
	bool wanted[TIER_PIECES_MAX], ring_works;
	size_t i;

	if (keep_buffers && !io->asked)
		ask_for_buffer(io);
	io->in_buffer = lay_out(io, piece, laid, n);
	if (!io->in_buffer)
		return run_in_ring(io, fd, write, piece, todo, n);
	if (write)
		copy_in(piece, laid, todo, n);
	memcpy(wanted, todo, n * sizeof(*todo));
	memcpy(ran, laid, n * sizeof(*laid));
	ring_works = run_in_ring(io, fd, write, ran, todo, n);
	for (i = 0; i < n; i++) {
		if (!wanted[i] || todo[i])
			continue;
		piece[i].rc = ran[i].rc;
		if (!write && piece[i].rc == 0)
			memcpy(piece[i].at, laid[i].at, piece[i].bytes);
	}
	return ring_works;
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
		any = !run_copied(io, fd, write, piece, todo, n);
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

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What virt-membacking-adopt does: the calls in their order, each with a report before it.
 */
#include "pager/adopt_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/kfs.h"
#include "pager/inject.h"
#include "pager/process_fd.h"

/* Kernel 6.1 */
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

#define DEVICE "/dev/userfaultfd"

/* For a thread that sleeps.  RCU's wakes up for some milliseconds at a time */
#define CHOOSE_MS 2000

#define FDS_MAX	  (1 + PAGER_PIPES_MAX)

/* In the buffer below the thread's stack.  Its own control messages begin aligned */
struct calls_buffer {
	int sockets[2];
	struct msghdr message;
	_Alignas(16) unsigned char control[CMSG_SPACE(sizeof(int) * FDS_MAX)];
};

_Static_assert(sizeof(struct calls_buffer) <= INJECT_BUFFER_BYTES,
	       "a thread's buffer is too small");

/**
 * struct adopting
 * @sockets, @device, @pipe: Numbers in QEMU
 * @open, @n_open: Those that must be closed there if something fails
 */
struct adopting {
	const struct adopt_request *request;
	struct kfs kfs;
	struct inject inject;
	int pidfd;
	int own_device;
	int sockets[2];
	int device;
	int pipe[PAGER_PIPES_MAX];
	int open[ADOPT_CLOSE_MAX];
	size_t n_open;
};

static const char *const stage_names[] = {
	[ADOPT_CHOOSES] = "no call",   [ADOPT_SOCKETPAIR] = "socketpair",
	[ADOPT_RECVMSG] = "recvmsg",   [ADOPT_IOCTL] = "ioctl(USERFAULTFD_IOC_NEW)",
	[ADOPT_CLOSE] = "close_range", [ADOPT_ENDED] = "no call any more",
};

const char *adopt_stage_name(enum adopt_stage stage)
{
	return (size_t)stage < ARRAY_SIZE(stage_names) ? stage_names[stage] : "an unknown call";
}

/* ---- reports ---- */

static void note_open(struct adopting *a, int number)
{
	if (a->n_open < ADOPT_CLOSE_MAX)
		a->open[a->n_open++] = number;
}

/* What is written before it is seen with it, also by a reader that outlives us */
static void report(struct adopting *a, enum adopt_stage stage)
{
	__atomic_store_n(&a->request->report->stage, (uint32_t)stage, __ATOMIC_RELEASE);
}

/* A call that QEMU's process may not make */
static int refused(enum adopt_stage stage, long result, const char *why, struct err *err)
{
	int errnum = (int)-result;

	if (errnum == EACCES || errnum == EPERM)
		return err_set(
			err, errnum,
			"%s in QEMU: %s: a security module or seccomp refuses it; where SELinux "
			"is enforcing, load the module that is shipped with libvirt-membacking "
			"and look for the denial with ausearch -m avc -ts recent",
			adopt_stage_name(stage), err_text(errnum));
	return err_sys(err, errnum, "%s in QEMU%s", adopt_stage_name(stage), why);
}

/* ---- the calls ---- */

static uint64_t at(const struct adopting *a, size_t offset)
{
	return a->inject.buffer + offset;
}

#define AT(a, member) at((a), offsetof(struct calls_buffer, member))

static int call_socketpair(struct adopting *a, struct err *err)
{
	const unsigned long args[6] = { AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, AT(a, sockets) };
	long result;
	int rc;

	report(a, ADOPT_SOCKETPAIR);
	rc = inject_call(&a->inject, __NR_socketpair, args, &result, err);
	if (rc < 0)
		return rc;
	if (result < 0)
		return refused(ADOPT_SOCKETPAIR, result, "", err);
	rc = inject_get(&a->inject, offsetof(struct calls_buffer, sockets), a->sockets,
			sizeof(a->sockets), err);
	if (rc < 0)
		return rc;
	note_open(a, a->sockets[0]);
	note_open(a, a->sockets[1]);
	return 0;
}

static size_t fill_control(const struct adopting *a, unsigned char *control)
{
	size_t n = 1 + a->request->n_pipes, i;
	struct cmsghdr head = {
		.cmsg_len = CMSG_LEN(n * sizeof(int)),
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	};
	int fds[FDS_MAX];

	fds[0] = a->own_device;
	for (i = 1; i < n; i++)
		fds[i] = a->request->pipe[i - 1];
	memcpy(control, &head, sizeof(head));
	memcpy(control + CMSG_LEN(0), fds, n * sizeof(int));
	return CMSG_SPACE(n * sizeof(int));
}

/* A datagram of no bytes: recvmsg() gives 0, which as a result of the thread's own call says
 * least, should it ever be taken for one */
static int send_descriptors(struct adopting *a, struct err *err)
{
	cleanup_close int socket = process_fd_take(a->pidfd, a->sockets[0], err);
	_Alignas(struct cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int) * FDS_MAX)] = { 0 };
	struct msghdr message = { .msg_control = control };

	if (socket < 0)
		return socket;
	message.msg_controllen = fill_control(a, control);
	if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return err_sys(err, errno, "sendmsg of descriptors to QEMU");
	return 0;
}

/* Which of them arrived?  Less than all, if a security module keeps QEMU from having one, or its
 * limit of open files is reached */
static int read_descriptors(struct adopting *a, struct err *err)
{
	size_t wanted = 1 + a->request->n_pipes, i, n = 0;
	struct calls_buffer got;
	struct cmsghdr head;
	int numbers[FDS_MAX];
	int rc = inject_get(&a->inject, 0, &got, sizeof(got), err);

	if (rc < 0)
		return rc;
	memcpy(&head, got.control, sizeof(head));
	if (got.message.msg_controllen >= CMSG_LEN(sizeof(int)) && head.cmsg_level == SOL_SOCKET &&
	    head.cmsg_type == SCM_RIGHTS && head.cmsg_len <= sizeof(got.control))
		n = (head.cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (n > wanted)
		n = wanted;
	memcpy(numbers, got.control + CMSG_LEN(0), n * sizeof(int));
	for (i = 0; i < n; i++)
		note_open(a, numbers[i]);
	if (n == wanted) {
		a->device = numbers[0];
		memcpy(a->pipe, numbers + 1, (n - 1) * sizeof(int));
		return 0;
	}
	return err_set(
		err, EACCES,
		"recvmsg in QEMU: it got %zu of %zu descriptors: SELinux keeps QEMU from using "
		"/dev/userfaultfd or a pipe of ours (load the module that is shipped with "
		"libvirt-membacking), or QEMU's limit of open files is reached",
		n, wanted);
}

static int call_recvmsg(struct adopting *a, struct err *err)
{
	struct msghdr message = {
		.msg_control = (void *)(uintptr_t)AT(a, control),
		.msg_controllen = CMSG_SPACE((1 + a->request->n_pipes) * sizeof(int)),
	};
	unsigned long args[6] = { 0 };
	long result;
	int rc = send_descriptors(a, err);

	if (rc < 0)
		return rc;
	rc = inject_put(&a->inject, offsetof(struct calls_buffer, message), &message,
			sizeof(message), err);
	if (rc < 0)
		return rc;
	report(a, ADOPT_RECVMSG);
	args[0] = (unsigned long)a->sockets[1];
	args[1] = AT(a, message);
	args[2] = MSG_CMSG_CLOEXEC | MSG_DONTWAIT;
	rc = inject_call(&a->inject, __NR_recvmsg, args, &result, err);
	if (rc < 0)
		return rc;
	if (result < 0)
		return refused(ADOPT_RECVMSG, result, "", err);
	return read_descriptors(a, err);
}

/* The daemon takes a copy, and looks whether it is a userfaultfd */
static int call_ioctl(struct adopting *a, struct err *err)
{
	const unsigned long args[6] = { (unsigned long)a->device,
					(unsigned long)USERFAULTFD_IOC_NEW,
					O_CLOEXEC | O_NONBLOCK };
	long result;
	int rc;

	report(a, ADOPT_IOCTL);
	rc = inject_call(&a->inject, __NR_ioctl, args, &result, err);
	if (rc < 0)
		return rc;
	if (result < 0)
		return refused(ADOPT_IOCTL, result, "", err);
	a->request->report->uffd = (int)result;
	note_open(a, (int)result);
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int close_run(struct adopting *a, int first, int last, struct err *err)
{
	const unsigned long range[6] = { (unsigned long)first, (unsigned long)last, 0 };
	long result = -ENOSYS;
	int rc = inject_call(&a->inject, __NR_close_range, range, &result, err), number;

	for (number = first; rc == 0 && result == -ENOSYS && number <= last; number++) {
		const unsigned long one[6] = { (unsigned long)number };
		long closed;

		rc = inject_call(&a->inject, __NR_close, one, &closed, err);
	}
	if (rc == 0 && result < 0 && result != -ENOSYS)
		return refused(ADOPT_CLOSE, result, "", err);
	return rc;
}

/* Neighbours in one call.  Numbers between them may be QEMU's */
static int call_close(struct adopting *a, int *fds, size_t n, struct err *err)
{
	size_t first, last;
	int rc = 0;

	report(a, ADOPT_CLOSE);
	qsort(fds, n, sizeof(*fds), compare_numbers);
	for (first = 0; rc == 0 && first < n; first = last + 1) {
		for (last = first; last + 1 < n; last++)
			if (fds[last + 1] != fds[last] + 1)
				break;
		rc = close_run(a, fds[first], fds[last], err);
	}
	return rc;
}

/* ---- adoption ---- */

/* What was opened before something failed */
static void take_back(struct adopting *a)
{
	struct err ignored;

	if (a->inject.stop == INJECT_AT_EXIT)
		call_close(a, a->open, a->n_open, &ignored);
}

static int make_calls(struct adopting *a, struct err *err)
{
	int rc = call_socketpair(a, err);

	if (rc == 0)
		rc = call_recvmsg(a, err);
	if (rc == 0)
		rc = call_ioctl(a, err);
	if (rc < 0) {
		take_back(a);
		return rc;
	}
	memcpy(a->request->report->pipe, a->pipe, sizeof(a->pipe));
	return call_close(a, (int[]){ a->sockets[0], a->sockets[1], a->device }, 3, err);
}

/* Is it still the file that it was? */
static bool is_same(const struct adopting *a, const struct adopt_fd *asked)
{
	struct stat st;

	return process_fd_stat(&a->kfs, a->request->pid, a->pidfd, asked->number, &st, NULL) == 0 &&
	       asked->ino && st.st_ino == asked->ino && st.st_dev == asked->dev;
}

static int close_asked(struct adopting *a, struct err *err)
{
	int fds[ADOPT_CLOSE_MAX];
	size_t n = 0;
	unsigned int i;

	for (i = 0; i < a->request->n_close; i++)
		if (is_same(a, &a->request->close[i]))
			fds[n++] = a->request->close[i].number;
	return n ? call_close(a, fds, n, err) : 0;
}

static int hold_and_call(struct adopting *a, struct err *err)
{
	int rc = inject_begin(&a->inject, &a->kfs, a->request->pid, clock_ms() + CHOOSE_MS, err);
	struct err ended;
	int end;

	if (rc < 0)
		return rc;
	a->request->report->tid = a->inject.tid;
	a->request->report->lives = a->inject.frame_size != 0;
	/* The process could only be another one if ours had ended before the thread was held */
	if (process_gone(a->pidfd))
		rc = err_set(err, ESRCH, "process %d ended", (int)a->request->pid);
	else
		rc = a->request->n_close ? close_asked(a, err) : make_calls(a, err);
	end = inject_end(&a->inject, &ended);
	a->request->report->stood_ns = a->inject.stood_ns;
	if (end < 0 && rc == 0) {
		*err = ended;
		rc = end;
	}
	return rc;
}

static int open_device(struct adopting *a, struct err *err)
{
	if (a->request->n_close)
		return 0;
	a->own_device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (a->own_device >= 0)
		return 0;
	if (errno == ENOENT)
		return err_set(err, ENOENT,
			       "no %s: it takes a kernel of 6.1 or later with CONFIG_USERFAULTFD",
			       DEVICE);
	return err_sys(err, errno, "open %s", DEVICE);
}

static int run(struct adopting *a, struct err *err)
{
	int rc = kfs_open(&a->kfs, "/", err);

	if (rc < 0)
		return rc;
	a->pidfd = process_open(&a->kfs, a->request->pid, a->request->start_time, err);
	rc = a->pidfd < 0 ? a->pidfd : open_device(a, err);
	if (rc == 0)
		rc = hold_and_call(a, err);
	if (a->pidfd >= 0)
		close(a->pidfd);
	if (a->own_device >= 0)
		close(a->own_device);
	kfs_close(&a->kfs);
	return rc;
}

int adopt_run(const struct adopt_request *request)
{
	struct adopting a = { .request = request, .pidfd = -1, .own_device = -1 };
	struct err err = { "" };

	request->report->version = ADOPT_VERSION;
	request->report->uffd = -1;
	request->report->rc = run(&a, &err);
	snprintf(request->report->sentence, sizeof(request->report->sentence), "%s", err.text);
	report(&a, ADOPT_ENDED);
	return request->report->rc;
}

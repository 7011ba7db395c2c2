/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What virt-membacking-adopt does, and how it reports: the system calls that a thread of QEMU
 * makes for us.
 *
 *	socketpair	we take one end, and send our open /dev/userfaultfd and pipes into it
 *	recvmsg		QEMU's process has them now
 *	ioctl		USERFAULTFD_IOC_NEW: a userfaultfd of QEMU's memory.  What it may do was
 *			decided where the device was opened, by us
 *	close_range	what was only needed for it; userfaultfd and pipes stay
 */
#ifndef MEMBACKING_PAGER_ADOPT_CALLS_H
#define MEMBACKING_PAGER_ADOPT_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "pager/page_map.h"

enum { ADOPT_VERSION = 2, ADOPT_CLOSE_MAX = PAGER_PIPES_MAX + 8 };

/**
 * enum adopt_stage - How far it is, in the order of the calls
 * @ADOPT_CHOOSES: QEMU is untouched
 * @ADOPT_ENDED: its thread goes on with its own call; the rest is as @rc says
 */
enum adopt_stage {
	ADOPT_CHOOSES,
	ADOPT_SOCKETPAIR,
	ADOPT_RECVMSG,
	ADOPT_IOCTL,
	ADOPT_CLOSE,
	ADOPT_ENDED,
};

/* "socketpair", ... */
const char *adopt_stage_name(enum adopt_stage stage);

/* A descriptor in QEMU, and the file that it must be */
struct adopt_fd {
	int32_t number;
	uint64_t dev, ino;
};

/**
 * struct adopt_report - Memory that is shared with the program that adopts
 * @stage:	What is done next, by thread @tid; written last
 * @rc:		Of the end: 0 or -errno, with a sentence
 * @lives:	The thread goes on with its own call whenever we are killed
 * @uffd, @pipe: Numbers in QEMU; -1 for none
 *
 * Memory and no messages: each of these would wake its reader while a thread of QEMU stands.
 */
struct adopt_report {
	uint32_t version;
	uint32_t stage;
	int32_t rc;
	int32_t tid;
	bool lives;
	uint64_t stood_ns;
	int32_t uffd;
	int32_t pipe[PAGER_PIPES_MAX];
	char sentence[768];
};

/**
 * struct adopt_request
 * @report:	Shared with who asks; zeros
 * @pid, @start_time: QEMU
 * @n_pipes, @pipe: For QEMU, ours
 * @n_close, @close: Not adoption: close these in QEMU
 */
struct adopt_request {
	struct adopt_report *report;
	pid_t pid;
	uint64_t start_time;
	unsigned int n_pipes;
	int pipe[PAGER_PIPES_MAX];
	unsigned int n_close;
	struct adopt_fd close[ADOPT_CLOSE_MAX];
};

/**
 * adopt_run() - Do it; the program has one thread and blocks all signals
 *
 * Return: 0 or -errno, as reported
 */
int adopt_run(const struct adopt_request *request);

#endif

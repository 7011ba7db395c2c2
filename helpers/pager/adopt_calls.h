/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system calls that virt-membacking-adopt has a thread of QEMU make, and its report.
 *
 *	socketpair	we take one end, and send our open /dev/userfaultfd and our pipes through it
 *	recvmsg		QEMU receives these descriptors
 *	ioctl		USERFAULTFD_IOC_NEW creates a userfaultfd for QEMU's memory, with the
 *			permissions of our process, which opened the device
 *	close_range	closes the helpers; the userfaultfd and the pipes stay open
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
 * enum adopt_stage - How far the adoption has come, in the order of the calls
 * @ADOPT_CHOOSES: QEMU is untouched
 * @ADOPT_ENDED: QEMU's thread is back in its own call; @rc has the result
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
 * struct adopt_report - Shared memory through which virt-membacking-adopt reports
 * @stage:	The next step, done by thread @tid; written last
 * @rc:		The result: 0, or -errno with @sentence
 * @lives:	If we are killed now, the thread still resumes its own call
 * @uffd, @pipe: Descriptor numbers in QEMU; -1 for none
 *
 * A message would wake its reader while a thread of QEMU is stopped; shared memory does not.
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
 * @report:	Shared with the caller, filled with zeros
 * @pid, @start_time: QEMU's process
 * @n_pipes, @pipe: Our ends of pipes, to send to QEMU
 * @n_close, @close: If any: adopt nothing, and close these descriptors in QEMU
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
 * adopt_run() - Adopt, or close.  The program has one thread and blocks all signals
 *
 * Return: 0 or -errno, as reported
 */
int adopt_run(const struct adopt_request *request);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process that has a file open or mapped until it is ended.
 */
#ifndef MEMBACKING_TESTS_HOLDER_H
#define MEMBACKING_TESTS_HOLDER_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

/* What it is called */
#define HOLDER "the holder"

/**
 * struct hold - How a process has a file
 * @flags:	Of open()
 * @protection:	Of its mapping; 0: none
 * @close:	It has closed its descriptor, and only the mapping is left
 */
struct hold {
	int flags;
	int protection;
	bool close;
};

#define HOLD_OPEN   ((struct hold){ O_RDWR, 0, false })
#define HOLD_MAPPED ((struct hold){ O_RDWR, PROT_READ | PROT_WRITE, true })

/* Return: its pid when it has the file; -1 if it can't have it */
pid_t holder_start(int dirfd, const char *name, struct hold hold);

void holder_end(pid_t pid);

#endif

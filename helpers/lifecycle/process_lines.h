/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lines of a process' files in /proc, as many as others can be made to wait for.
 *
 * One process may map a file a million times, and all who start a guest wait meanwhile.
 */
#ifndef MEMBACKING_LIFECYCLE_PROCESS_LINES_H
#define MEMBACKING_LIFECYCLE_PROCESS_LINES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct kfs;

#define PROCESS_MS  500
#define PROCESS_MAX (8U << 20) /* bytes of each of its files */

/* Reading one process.  @bytes: of the file that is read */
struct process_lines {
	uint64_t deadline;
	size_t bytes;
};

/* @deadline: clock_ms(), of all processes that the caller looks at */
struct process_lines process_lines_begin(uint64_t deadline);

/* /proc/PID/@name; NULL with errno */
FILE *process_lines_open(const struct kfs *kfs, pid_t pid, const char *name);

/* @line, @room: as of getline().  Return: 1, 0 at the end, -EIO, -E2BIG if it is too much */
int process_lines_next(struct process_lines *lines, FILE *f, char **line, size_t *room);

#endif

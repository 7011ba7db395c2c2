// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Bounded reading of a process' files in /proc.
 */
#include "lifecycle/process_lines.h"

#include <errno.h>

#include "base/clock.h"
#include "base/text.h"
#include "kernel/kfs.h"

struct process_lines process_lines_begin(uint64_t deadline)
{
	return (struct process_lines){ .deadline = u64_min(deadline, clock_ms() + PROCESS_MS) };
}

FILE *process_lines_open(const struct kfs *kfs, pid_t pid, const char *name)
{
	char path[KFS_PATH_SIZE];

	snprintf(path, sizeof(path), "proc/%d/%s", (int)pid, name);
	return kfs_stream(kfs, path);
}

int process_lines_next(struct process_lines *lines, FILE *f, char **line, size_t *room)
{
	ssize_t len = getline(line, room, f);

	if (len <= 0)
		return ferror(f) ? -EIO : 0;
	lines->bytes += (size_t)len;
	if (lines->bytes > PROCESS_MAX || !clock_left_ms(lines->deadline))
		return -E2BIG;
	return 1;
}

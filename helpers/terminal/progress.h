/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How far something is that takes longer than a moment, on a terminal only.
 */
#ifndef MEMBACKING_TERMINAL_PROGRESS_H
#define MEMBACKING_TERMINAL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct progress - A line that is drawn over and over on stderr
 * @what:	In front of the bar, short
 * @begin:	clock_ms() of progress_begin()
 */
struct progress {
	const char *what;
	uint64_t begin;
	uint64_t drawn;
	bool shown;
	bool terminal;
};

void progress_begin(struct progress *progress, const char *what);

/* @done of @all, both in KiB.  Nothing is drawn in the first second, nor without a
 * terminal */
void progress_draw(struct progress *progress, uint64_t done, uint64_t all);

/* Takes the line away */
void progress_end(struct progress *progress);

/**
 * struct progress_wait - A line for what can't be interrupted to draw one
 * @pid:	The child that draws it; 0: none
 */
struct progress_wait {
	pid_t pid;
	uint64_t begin;
};

/**
 * progress_wait() - Say what is waited for, and for how many seconds already
 * @what:	"waiting for libvirt"
 *
 * Another process draws it, on a terminal and after the first second.  To be begun
 * before locks are taken, which that process would hold too, and ended before anything is
 * printed.
 */
void progress_wait(struct progress_wait *wait, const char *what);
void progress_waited(struct progress_wait *wait);

#endif

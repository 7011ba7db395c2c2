// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A line of progress on a terminal.
 */
#include "terminal/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "process/child.h"
#include "terminal/term.h"

/* What ends sooner needs no bar */
#define PATIENCE_MS 1000
#define REDRAW_MS   100

#define BAR_WIDTH   30

/* Where a line can be drawn over and over */
static bool can_draw(void)
{
	return isatty(STDERR_FILENO) && !term_is_dumb();
}

void progress_begin(struct progress *progress, const char *what)
{
	*progress = (struct progress){
		.what = what,
		.begin = clock_ms(),
		.terminal = can_draw(),
	};
}

static uint64_t percent(uint64_t done, uint64_t all)
{
	return all ? u64_min(100, u64_mul_sat(done, 100) / all) : 100;
}

void progress_draw(struct progress *progress, uint64_t done, uint64_t all)
{
	char done_text[TEXT_KIB_SIZE], all_text[TEXT_KIB_SIZE], bar[TERM_BAR_SIZE];
	uint64_t now = clock_ms();

	if (!progress->terminal || now - progress->begin < PATIENCE_MS ||
	    now - progress->drawn < REDRAW_MS)
		return;
	progress->drawn = now;
	progress->shown = true;
	fprintf(stderr, "\r%s %s %3llu %%  %s of %s\033[K", progress->what,
		term_bar(done, all, BAR_WIDTH, bar), (unsigned long long)percent(done, all),
		text_from_kib(done, done_text), text_from_kib(all, all_text));
	fflush(stderr);
}

void progress_end(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}

/* ---- waiting ---- */

struct waiting {
	const char *what;
	int fd;
};

/* Of the parent's files none may stay open: what is locked would stay so */
static int draw_waiting(void *arg)
{
	const struct timespec second = { .tv_sec = PATIENCE_MS / 1000 };
	const struct waiting *waiting = arg;
	unsigned int seconds = 0;

	/* child_start() has put the usual three away */
	dup2(waiting->fd, STDERR_FILENO);
	syscall(SYS_close_range, STDERR_FILENO + 1u, ~0u, 0u);
	do
		nanosleep(&second, NULL);
	while (dprintf(STDERR_FILENO, "\r%s: %u s\033[K", waiting->what, ++seconds) >= 0);
	return 0;
}

void progress_wait(struct progress_wait *wait, const char *what)
{
	struct waiting waiting = { .what = what };

	*wait = (struct progress_wait){ .begin = clock_ms() };
	if (!can_draw())
		return;
	waiting.fd = dup(STDERR_FILENO);
	if (waiting.fd < 0)
		return;
	wait->pid = child_start(draw_waiting, &waiting);
	close(waiting.fd);
}

void progress_waited(struct progress_wait *wait)
{
	if (wait->pid <= 0)
		return;
	child_stop(wait->pid);
	wait->pid = 0;
	if (clock_ms() - wait->begin >= PATIENCE_MS)
		fputs("\r\033[K", stderr);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ctl/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "ctl/term.h"

/* What ends sooner needs no bar */
#define PATIENCE_MS 1000
#define REDRAW_MS   100

#define BAR_WIDTH   30

void progress_begin(struct progress *progress, const char *what)
{
	*progress = (struct progress){
		.what = what,
		.begin = clock_ms(),
		.terminal = isatty(STDERR_FILENO) && !term_is_dumb(),
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

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The loop of --watch.
 */
#include "terminal/watch.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "terminal/term.h"

#define PAUSE_MS       2000
#define LEAST_PAUSE_MS 100

/* One flush for each report: a screen that is cleared and written in pieces flickers */
static char buffer[1 << 18];

int watch_pause(const char *text, uint64_t *ms, struct err *err)
{
	*ms = PAUSE_MS;
	if (!*text || (text_to_ms(text, ms) == 0 && *ms >= LEAST_PAUSE_MS))
		return 0;
	return err_set(err, EINVAL,
		       "--watch '%.64s': expected a time of at least %d ms, such as 5 or 500ms",
		       text, LEAST_PAUSE_MS);
}

static void print_time(const char *format)
{
	time_t now = time(NULL);
	char text[64];
	struct tm tm;

	if (localtime_r(&now, &tm) && strftime(text, sizeof(text), format, &tm))
		printf("%s\n\n", text);
}

int watch(uint64_t pause_ms, bool json, int (*report)(const void *arg, struct err *err),
	  const void *arg, struct err *err)
{
	bool screen = isatty(STDOUT_FILENO) && !term_is_dumb(), first = true;
	int rc = 0;

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	for (; rc == 0; first = false) {
		if (screen)
			fputs("\033[H\033[J", stdout);
		else if (!first && !json)
			putchar('\n');
		if (!json)
			print_time("%Y-%m-%d %H:%M:%S");
		rc = report(arg, err);
		if (fflush(stdout) != 0 || ferror(stdout))
			break;
		if (rc == 0)
			clock_sleep_ms(pause_ms);
	}
	return rc;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ctl/watch.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "ctl/term.h"

#define PAUSE_MS       2000
#define LEAST_PAUSE_MS 100

/* One flush for each report: a screen that is cleared and written in pieces flickers */
static char buffer[1 << 18];

static int read_pause(const struct ctl *ctl, uint64_t *ms, struct err *err)
{
	const char *text = ctl->n_args ? ctl->args[0] : ctl->watch;

	*ms = PAUSE_MS;
	if (!*text && !ctl->n_args)
		return CTL_FINE;
	if ((!*ctl->watch || !ctl->n_args) && text_to_ms(text, ms) == 0 && *ms >= LEAST_PAUSE_MS)
		return CTL_FINE;
	err_set(err, EINVAL, "--watch '%.64s': expected a time such as 5 or 500ms", text);
	return CTL_USAGE;
}

static void print_time(const char *format)
{
	time_t now = time(NULL);
	char text[64];
	struct tm tm;

	if (localtime_r(&now, &tm) && strftime(text, sizeof(text), format, &tm))
		printf("%s\n\n", text);
}

int watch(struct ctl *ctl, int (*report)(const struct ctl *ctl, struct err *err), struct err *err)
{
	bool screen = isatty(STDOUT_FILENO) && !term_is_dumb(), first = true;
	uint64_t ms;
	int rc = read_pause(ctl, &ms, err);

	if (rc)
		return rc;
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	for (; rc == 0; first = false) {
		if (screen)
			fputs("\033[H\033[J", stdout);
		else if (!first && !ctl->json)
			putchar('\n');
		if (!ctl->json)
			print_time("%Y-%m-%d %H:%M:%S");
		rc = report(ctl, err);
		if (fflush(stdout) != 0 || ferror(stdout))
			break;
		if (rc == 0)
			clock_sleep_ms(ms);
	}
	return rc;
}

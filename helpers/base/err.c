// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Control characters come from names and files that others choose: they must
 * not reach a terminal or break the one-line rule of the logs. */
static void make_printable(char *text)
{
	text_mend(text);
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

int err_set(struct err *err, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -errnum;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	make_printable(err->text);
	return -errnum;
}

int err_sys(struct err *err, int errnum, const char *fmt, ...)
{
	char buf[256];
	size_t used;
	va_list ap;

	if (!err)
		return -errnum;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s",
		 strerror_r(errnum, buf, sizeof(buf)));
	make_printable(err->text);
	return -errnum;
}

int err_prefix(struct err *err, int rc, const char *fmt, ...)
{
	struct err old;
	size_t used;
	va_list ap;

	if (!err || rc >= 0)
		return rc;
	old = *err;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", old.text);
	make_printable(err->text);
	return rc;
}

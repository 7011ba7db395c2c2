// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The sentence that goes with an error code.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

int err_set(struct err *err, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -errnum;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	text_disarm(err->text, "");
	return -errnum;
}

const char *err_text(int errnum)
{
	static __thread char buf[128];

#ifdef __GLIBC__
	return strerror_r(errnum, buf, sizeof(buf));
#else
	/* POSIX' own, as in musl */
	if (strerror_r(errnum, buf, sizeof(buf)) != 0)
		snprintf(buf, sizeof(buf), "error %d", errnum);
	return buf;
#endif
}

int err_sys(struct err *err, int errnum, const char *fmt, ...)
{
	size_t used;
	va_list ap;

	if (!err)
		return -errnum;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", err_text(errnum));
	text_disarm(err->text, "");
	return -errnum;
}

int err_nomem(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
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
	text_disarm(err->text, "");
	return rc;
}

bool err_passes(int rc)
{
	switch (-rc) {
	case EINTR:
	case EAGAIN:
	case EIO:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOSPC:
		return true;
	default:
		return false;
	}
}

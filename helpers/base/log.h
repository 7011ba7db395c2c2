/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Details for the administrator: syslog for hooks, stderr for the command.
 *
 * Each line carries the guest and the operation of its thread.  Nothing is opened before the first
 * line is logged: most guest starts log nothing.  What stops a guest also goes to stderr, but that
 * is the mains' job.
 */
#ifndef MEMBACKING_BASE_LOG_H
#define MEMBACKING_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_target { LOG_TARGET_NONE, LOG_TARGET_SYSLOG, LOG_TARGET_STDERR };

/**
 * log_open() - For a main: where lines go, and the first context
 * @program:	For syslog's ident; must stay valid
 * @guest:	Guest's name, or NULL.  Copied
 * @operation:	Hook operation or command.  Copied
 */
void log_open(enum log_target target, const char *program, const char *guest,
	      const char *operation);

/* What this thread does next, and for which guest; either may be NULL.  Copied */
void log_context(const char *guest, const char *operation);

/* Log nothing less important than @level (default: LOG_LEVEL_INFO) */
void log_set_level(enum log_level level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

struct err;

/**
 * log_gravest() - Of several failures of one operation keep the gravest
 * @worst:	What came of it so far: 0 or -errno
 * @err:	The sentence that belongs to @worst
 * @rc:		What came of the next part
 * @next:	The sentence that belongs to @rc
 *
 * -EAGAIN (it will be done later) is less than any other failure, and of two alike the
 * first stays: return and sentence always belong together.  The other sentence is logged.
 * Return: the new @worst
 */
int log_gravest(int worst, struct err *err, int rc, const struct err *next);

#endif

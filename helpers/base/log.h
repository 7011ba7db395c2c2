/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Details for the administrator: the journal or syslog for hooks, stderr for the command.
 *
 * Each line carries the guest and the operation of its thread; the journal gets them as fields too:
 * MEMBACKING_GUEST, MEMBACKING_UUID, OPERATION, and MESSAGE_ID for what enum log_event names.
 * Nothing is opened before the first line is logged: most guest starts log nothing.  What stops a
 * guest also goes to stderr, but that is the mains' job.
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

/* The UUID of the guest that log_context() named, for the journal.  Copied */
void log_uuid(const char *uuid);

/* Whose lines they are */
struct log_subject {
	char guest[256];
	char uuid[40];
};

/* What this thread logs from now on is about this guest; the operation stays.
 * Return: the former one, for log_subject_restore() */
struct log_subject log_subject_set(const char *guest, const char *uuid);

void log_subject_restore(const struct log_subject *former);

/* Log nothing less important than @level (default: LOG_LEVEL_INFO) */
void log_set_level(enum log_level level);

/* What a program may want to find in the journal.  log_event_id() and the catalog in
 * packaging/catalog/ have a row for each */
enum log_event {
	LOG_EVENT_NONE,
	LOG_EVENT_PREPARED,
	LOG_EVENT_REFUSED,
	LOG_EVENT_RELEASED,
	LOG_EVENT_GONE,
	LOG_EVENT_PAGES_ADDED,
	LOG_EVENT_PAGES_BACK,
	LOG_EVENT_STORE_MOUNTED,
	LOG_EVENT_STORE_UNMOUNTED,
	LOG_EVENT_KSM_ON,
	LOG_EVENT_KSM_OFF,
	LOG_EVENT_PAGED,
	LOG_EVENTS /* their number */
};

/* As LOG_LEVEL_INFO; LOG_EVENT_REFUSED as LOG_LEVEL_ERROR */
void log_event(enum log_event event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* MESSAGE_ID: 32 digits, the same for ever.  NULL for LOG_EVENT_NONE */
const char *log_event_id(enum log_event event);

/* "pages-added"; NULL for LOG_EVENT_NONE */
const char *log_event_name(enum log_event event);

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

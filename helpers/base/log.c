// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Log lines to the journal's or syslog's socket, or to stderr.
 *
 * DOC: why neither syslog(3) nor sd_journal_send(3)
 *
 * glibc's syslog() sends on a blocking socket: with a stuck or stopped journal
 * it waits for ever, and a guest's start with it.  It also reads /etc/localtime
 * for a time stamp that every receiver replaces by its own.  So one datagram
 * that is sent or dropped.  sd_journal_send() waits too, and its library would cost each guest's
 * start; the journal's socket takes "FIELD=VALUE" lines, a documented protocol that does not
 * change.  Where there is no journal, the form is that which all receivers on /dev/log understand:
 * "<PRIORITY>IDENT[PID]: TEXT".
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/array.h"
#include "base/err.h"
#include "base/text.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define LOG_SOCKET     "/dev/log"
#define LOG_LINE_SIZE  2304
/* A line, and its fields */
#define LOG_DATAGRAM_SIZE (LOG_LINE_SIZE + 1024)

/* The program's, set once by its main */
static struct {
	enum log_target target;
	enum log_level level;
	const char *program;
} log_state = { .level = LOG_LEVEL_INFO, .program = "libvirt-membacking" };

/* The guest and operation of this thread, and its own socket */
static __thread struct {
	struct log_subject subject;
	char operation[32];
	bool connected;
	bool journal; /* connected to it */
	bool deaf;    /* there is no receiver: not tried again */
	int socket;
} log_thread;

static const struct {
	int priority;
	const char *word;
} log_levels[] = {
	[LOG_LEVEL_ERROR] = { LOG_ERR, "error: " },
	[LOG_LEVEL_WARNING] = { LOG_WARNING, "warning: " },
	[LOG_LEVEL_INFO] = { LOG_INFO, "" },
	[LOG_LEVEL_DEBUG] = { LOG_DEBUG, "debug: " },
};

static const struct {
	const char *name;
	const char *id;
} log_events[] = {
	[LOG_EVENT_NONE] = { NULL, NULL },
	[LOG_EVENT_PREPARED] = { "prepared", "5b1193fcdbf1c49ad2ce7e95c4276405" },
	[LOG_EVENT_REFUSED] = { "refused", "a873715fae657e55fe98f006a7a33946" },
	[LOG_EVENT_RELEASED] = { "released", "d6013b724b965744da2b16902cd9c878" },
	[LOG_EVENT_GONE] = { "gone", "4d48c5c34cd04eb41659fba23634e2d0" },
	[LOG_EVENT_PAGES_ADDED] = { "pages-added", "8a13ad24d94a2abec1e286351aadbc13" },
	[LOG_EVENT_PAGES_BACK] = { "pages-back", "57369a119f9345eddc5f8ae1e7ba4b20" },
	[LOG_EVENT_STORE_MOUNTED] = { "store-mounted", "434db89be5fc8a834dd7bb08225ec303" },
	[LOG_EVENT_STORE_UNMOUNTED] = { "store-unmounted", "8f548c73f4288cf42126af430a3aeeff" },
	[LOG_EVENT_KSM_ON] = { "ksm-on", "ddb33545c00dbb473db8dac66e148f51" },
	[LOG_EVENT_KSM_OFF] = { "ksm-off", "2a9935fcbf26327c04da69801e184387" },
	[LOG_EVENT_PAGED] = { "paged", "35ff2935201313cea1573cc64979d490" },
};

_Static_assert(ARRAY_SIZE(log_events) == LOG_EVENTS, "each event has its row");

const char *log_event_id(enum log_event event)
{
	return log_events[event].id;
}

const char *log_event_name(enum log_event event)
{
	return log_events[event].name;
}

void log_open(enum log_target target, const char *program, const char *guest, const char *operation)
{
	log_state.target = target;
	log_state.program = program;
	log_context(guest, operation);
}

void log_context(const char *guest, const char *operation)
{
	log_subject_set(guest, NULL);
	snprintf(log_thread.operation, sizeof(log_thread.operation), "%s",
		 operation ? operation : "");
}

void log_uuid(const char *uuid)
{
	snprintf(log_thread.subject.uuid, sizeof(log_thread.subject.uuid), "%s", uuid);
}

struct log_subject log_subject_set(const char *guest, const char *uuid)
{
	struct log_subject former = log_thread.subject, *now = &log_thread.subject;

	snprintf(now->guest, sizeof(now->guest), "%s", guest ? guest : "");
	snprintf(now->uuid, sizeof(now->uuid), "%s", uuid ? uuid : "");
	return former;
}

void log_subject_restore(const struct log_subject *former)
{
	log_thread.subject = *former;
}

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

/* Return: a socket that is connected to @path, or -1 */
static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* A connected socket, or -1 where nothing receives */
static int log_socket(void)
{
	int fd;

	if (log_thread.connected)
		return log_thread.socket;
	if (log_thread.deaf)
		return -1;
	fd = connect_to(JOURNAL_SOCKET);
	log_thread.journal = fd >= 0;
	if (fd < 0)
		fd = connect_to(LOG_SOCKET);
	log_thread.deaf = fd < 0;
	log_thread.connected = fd >= 0;
	log_thread.socket = fd;
	return fd;
}

static void append(char datagram[LOG_DATAGRAM_SIZE], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void append(char datagram[LOG_DATAGRAM_SIZE], const char *fmt, ...)
{
	size_t used = strlen(datagram);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(datagram + used, LOG_DATAGRAM_SIZE - used, fmt, ap);
	va_end(ap);
}

/* One line, as the others: no value can begin a field of its own */
static void append_field(char datagram[LOG_DATAGRAM_SIZE], const char *name, const char *value)
{
	char line[sizeof(log_thread.subject.guest)];

	snprintf(line, sizeof(line), "%s", value ? value : "");
	text_disarm(line, "");
	if (*line)
		append(datagram, "%s=%s\n", name, line);
}

static void for_the_journal(char datagram[LOG_DATAGRAM_SIZE], enum log_level level,
			    enum log_event event, const char *line)
{
	append(datagram, "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=%s\nSYSLOG_PID=%d\n",
	       log_levels[level].priority, LOG_DAEMON >> 3, log_state.program, (int)getpid());
	append_field(datagram, "MEMBACKING_GUEST", log_thread.subject.guest);
	append_field(datagram, "MEMBACKING_UUID", log_thread.subject.uuid);
	append_field(datagram, "OPERATION", log_thread.operation);
	append_field(datagram, "MESSAGE_ID", log_events[event].id);
	append(datagram, "MESSAGE=%s\n", line);
}

static void for_syslog(char datagram[LOG_DATAGRAM_SIZE], enum log_level level, const char *line)
{
	append(datagram, "<%d>%s[%d]: %s", LOG_DAEMON | log_levels[level].priority,
	       log_state.program, (int)getpid(), line);
}

static void log_send(enum log_level level, enum log_event event, const char *line)
{
	int tries;

	/* Twice, because a journal that restarts leaves us a dead socket */
	for (tries = 0; tries < 2; tries++) {
		char datagram[LOG_DATAGRAM_SIZE] = "";
		int fd = log_socket();

		if (fd < 0)
			return;
		if (log_thread.journal)
			for_the_journal(datagram, level, event, line);
		else
			for_syslog(datagram, level, line);
		if (send(fd, datagram, strlen(datagram), MSG_NOSIGNAL) >= 0 || errno == EAGAIN)
			return;
		close(fd);
		log_thread.connected = false;
	}
}

/* A sentence for libvirt's error may begin with the guest, which a line has already */
static void drop_guest(char *text)
{
	const char *guest = log_thread.subject.guest;
	char prefix[sizeof(log_thread.subject.guest) + 16];
	int len = snprintf(prefix, sizeof(prefix), "guest '%s': ", guest);

	if (*guest && !strncmp(text, prefix, (size_t)len))
		memmove(text, text + len, strlen(text + len) + 1);
}

/* "warning: guest web: prepare: " */
static size_t head(char line[LOG_LINE_SIZE], enum log_level level)
{
	const char *guest = log_thread.subject.guest, *operation = log_thread.operation;

	snprintf(line, LOG_LINE_SIZE, "%s%s%s%s%s%s", log_levels[level].word,
		 *guest ? "guest " : "", guest, *guest ? ": " : "", operation,
		 *operation ? ": " : "");
	return strlen(line);
}

/* The caller is often about to report errno: it survives */
static void log_line(enum log_level level, enum log_event event, const char *fmt, va_list ap)
{
	char line[LOG_LINE_SIZE];
	size_t used;
	int saved = errno;

	if (log_state.target == LOG_TARGET_NONE || level > log_state.level)
		return;
	used = head(line, level);
	vsnprintf(line + used, sizeof(line) - used, fmt, ap);
	drop_guest(line + used);
	/* Names and values come from outside: one line stays one line */
	text_disarm(line, "");
	if (log_state.target == LOG_TARGET_SYSLOG)
		log_send(level, event, line);
	else
		fprintf(stderr, "%s: %s\n", log_state.program, line);
	errno = saved;
}

void log_event(enum log_event event, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(event == LOG_EVENT_REFUSED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, event, fmt, ap);
	va_end(ap);
}

#define LOG_FUNCTION(name, level)                                                                  \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		log_line(level, LOG_EVENT_NONE, fmt, ap);                                          \
		va_end(ap);                                                                        \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

int log_gravest(int worst, struct err *err, int rc, const struct err *next)
{
	bool graver = !worst || (worst == -EAGAIN && rc != -EAGAIN);
	const char *other = graver ? err->text : next->text;

	if (!rc)
		return worst;
	if (worst && (graver || rc == -EAGAIN))
		log_info("%s", other);
	else if (worst)
		log_warning("%s", other);
	if (!graver)
		return worst;
	*err = *next;
	return rc;
}

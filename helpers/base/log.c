// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Log lines to syslog's socket or to stderr.
 *
 * DOC: why not syslog(3)
 *
 * glibc's syslog() sends on a blocking socket: with a stuck or stopped journal
 * it waits for ever, and a guest's start with it.  It also reads /etc/localtime
 * for a time stamp that every receiver replaces by its own.  So one datagram
 * that is sent or dropped, in the form all receivers on /dev/log understand:
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

#include "base/err.h"
#include "base/text.h"

#define LOG_SOCKET    "/dev/log"
#define LOG_LINE_SIZE 2304

/* The program's, set once by its main */
static struct {
	enum log_target target;
	enum log_level level;
	const char *program;
} log_state = { .level = LOG_LEVEL_INFO, .program = "libvirt-membacking" };

/* The guest and operation of this thread, and its own socket */
static __thread struct {
	char guest[256];
	char operation[32];
	bool connected;
	bool deaf; /* there is no /dev/log: not tried again */
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

void log_open(enum log_target target, const char *program, const char *guest, const char *operation)
{
	log_state.target = target;
	log_state.program = program;
	log_context(guest, operation);
}

void log_context(const char *guest, const char *operation)
{
	snprintf(log_thread.guest, sizeof(log_thread.guest), "%s", guest ? guest : "");
	snprintf(log_thread.operation, sizeof(log_thread.operation), "%s",
		 operation ? operation : "");
}

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

/* A connected socket, or -1 where there is no /dev/log */
static int log_socket(void)
{
	static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = LOG_SOCKET };
	int fd;

	if (log_thread.connected)
		return log_thread.socket;
	if (log_thread.deaf)
		return -1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		fd = -1;
	}
	log_thread.deaf = fd < 0;
	log_thread.connected = fd >= 0;
	log_thread.socket = fd;
	return fd;
}

static void log_send(const char *line, size_t len)
{
	int tries;

	/* Twice, because a journal that restarts leaves us a dead socket */
	for (tries = 0; tries < 2; tries++) {
		int fd = log_socket();

		if (fd < 0 || send(fd, line, len, MSG_NOSIGNAL) >= 0 || errno == EAGAIN)
			return;
		close(fd);
		log_thread.connected = false;
	}
}

static void append(char line[LOG_LINE_SIZE], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void append(char line[LOG_LINE_SIZE], const char *fmt, ...)
{
	size_t used = strlen(line);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + used, LOG_LINE_SIZE - used, fmt, ap);
	va_end(ap);
}

/* A sentence for libvirt's error may begin with the guest, which a line has already */
static void drop_guest(char *text)
{
	char prefix[sizeof(log_thread.guest) + 16];
	int len = snprintf(prefix, sizeof(prefix), "guest '%s': ", log_thread.guest);

	if (*log_thread.guest && !strncmp(text, prefix, (size_t)len))
		memmove(text, text + len, strlen(text + len) + 1);
}

/* The caller is often about to report errno: it survives */
static void log_line(enum log_level level, const char *fmt, va_list ap)
{
	char line[LOG_LINE_SIZE] = "";
	size_t used;
	int saved = errno;

	if (log_state.target == LOG_TARGET_NONE || level > log_state.level)
		return;
	if (log_state.target == LOG_TARGET_SYSLOG)
		append(line, "<%d>%s[%d]: ", LOG_DAEMON | log_levels[level].priority,
		       log_state.program, (int)getpid());
	else
		append(line, "%s: ", log_state.program);
	append(line, "%s", log_levels[level].word);
	if (*log_thread.guest)
		append(line, "guest %s: ", log_thread.guest);
	if (*log_thread.operation)
		append(line, "%s: ", log_thread.operation);
	used = strlen(line);
	vsnprintf(line + used, sizeof(line) - used, fmt, ap);
	drop_guest(line + used);
	/* Names and values come from outside: one line stays one line */
	text_disarm(line, "");
	if (log_state.target == LOG_TARGET_SYSLOG)
		log_send(line, strlen(line));
	else
		fprintf(stderr, "%s\n", line);
	errno = saved;
}

#define LOG_FUNCTION(name, level)                                                                  \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		log_line(level, fmt, ap);                                                          \
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

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Log lines on stderr, and on a /dev/log and a journal's socket of our own.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "unit/own_mounts.h"
#include "unit/unit.h"

static int saved_stderr = -1;
static int caught = -1;

static void catch_stderr(void)
{
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	saved_stderr = dup(STDERR_FILENO);
	CU_ASSERT_FATAL(saved_stderr >= 0 && dup2(fds[1], STDERR_FILENO) >= 0);
	close(fds[1]);
	caught = fds[0];
}

static const char *release_stderr(void)
{
	static char text[16384];
	ssize_t n = read(caught, text, sizeof(text) - 1);

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(caught);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void test_lines(void)
{
	catch_stderr();
	log_open(LOG_TARGET_STDERR, "prog", "vm1", "prepare");
	log_error("no %d", 1);
	log_warning("hm");
	log_info("fine");
	log_debug("not at this level");
	log_open(LOG_TARGET_STDERR, "prog", NULL, NULL);
	log_info("alone");
	UNIT_CHECK_STR(release_stderr(),
		       "prog: error: guest vm1: prepare: no 1\n"
		       "prog: warning: guest vm1: prepare: hm\n"
		       "prog: guest vm1: prepare: fine\n"
		       "prog: alone\n",
		       "lines");
}

static void test_levels(void)
{
	catch_stderr();
	log_open(LOG_TARGET_STDERR, "prog", NULL, "x");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("too quiet");
	log_error("1");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("2");
	log_set_level(LOG_LEVEL_INFO);
	log_debug("too quiet");
	log_open(LOG_TARGET_NONE, "prog", NULL, NULL);
	log_error("to nobody");
	UNIT_CHECK_STR(release_stderr(), "prog: error: x: 1\nprog: debug: x: 2\n", "levels");
}

static void *log_for_another(void *arg)
{
	(void)arg;
	log_info("new");
	log_context("vm2", "fault");
	log_info("busy");
	return NULL;
}

/* Each thread speaks of its own guest */
static void test_threads(void)
{
	pthread_t thread;

	catch_stderr();
	log_open(LOG_TARGET_STDERR, "prog", "vm1", "prepare");
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, log_for_another, NULL), 0);
	pthread_join(thread, NULL);
	log_info("fine");
	UNIT_CHECK_STR(release_stderr(),
		       "prog: new\n"
		       "prog: guest vm2: fault: busy\n"
		       "prog: guest vm1: prepare: fine\n",
		       "threads");
}

/* Said once in a line */
static void test_guest_once(void)
{
	catch_stderr();
	log_open(LOG_TARGET_STDERR, "prog", "vm1", "x");
	log_error("guest 'vm1': no room");
	log_error("guest 'vm1' needs room");
	log_error("guest 'vm12': no room");
	UNIT_CHECK_STR(release_stderr(),
		       "prog: error: guest vm1: x: no room\n"
		       "prog: error: guest vm1: x: guest 'vm1' needs room\n"
		       "prog: error: guest vm1: x: guest 'vm12': no room\n",
		       "the guest");
}

/* Names and values come from others */
static void test_hostile(void)
{
	char big[9000];
	const char *got;

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	catch_stderr();
	log_open(LOG_TARGET_STDERR, "prog", "a\nb", "c");
	log_info("d\r\n%s\x1b[0m", "%n");
	got = release_stderr();
	UNIT_CHECK_STR(got, "prog: guest a b: c: d  %n [0m\n", "one line");
	catch_stderr();
	log_open(LOG_TARGET_STDERR, "prog", big, big);
	log_info("%s", big);
	got = release_stderr();
	UNIT_CHECK(strlen(got) < 2400 && strchr(got, '\n') == got + strlen(got) - 1, "%zu bytes",
		   strlen(got));
}

/* Where there is no /dev/log nothing is lost but the line */
static void test_errno_survives(void)
{
	log_open(LOG_TARGET_SYSLOG, "prog", "vm1", "unit test");
	log_set_level(LOG_LEVEL_DEBUG);
	errno = ENOSPC;
	log_debug("a line of the unit tests");
	CU_ASSERT_EQUAL(errno, ENOSPC);
	log_debug("a line of the unit tests");
	CU_ASSERT_EQUAL(errno, ENOSPC);
	log_open(LOG_TARGET_NONE, "prog", NULL, NULL);
	log_set_level(LOG_LEVEL_INFO);
}

static int listen_here(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return fd;
}

/* Does the next line on @fd end like this? */
static bool hears(int fd, const char *start, const char *end)
{
	char line[4096] = "";
	ssize_t n = recv(fd, line, sizeof(line) - 1, 0);
	size_t len = strlen(end);

	return n > (ssize_t)len && !strncmp(line, start, strlen(start)) &&
	       !strcmp(line + (size_t)n - len, end);
}

/* Runs in a child: a listener that hears, one that restarts, one that is stuck.
 * Return: exit status */
static int try_syslog(void)
{
	int fd, i;

	if (!own_mounts_tmpfs("/run", "size=64k") || !own_mounts_tmpfs("/dev", "size=64k"))
		return NO_OWN_MOUNTS;
	fd = listen_here("/dev/log");
	log_open(LOG_TARGET_SYSLOG, "prog", "vm1", "prepare");
	log_warning("one");
	if (fd < 0 || !hears(fd, "<28>prog[", "]: warning: guest vm1: prepare: one"))
		return 1;
	close(fd);
	fd = listen_here("/dev/log");
	log_error("two");
	if (fd < 0 || !hears(fd, "<27>prog[", "]: error: guest vm1: prepare: two"))
		return 2;
	/* Nobody reads any more: far more than a socket's queue holds.  A blocking
	 * send() would be ended by the alarm */
	alarm(20);
	for (i = 0; i < 5000; i++)
		log_info("three");
	if (!hears(fd, "<30>prog[", "]: guest vm1: prepare: three"))
		return 3;
	unlink("/dev/log");
	close(fd);
	log_info("to nobody");
	return 0;
}

/* Is a field of the next datagram on @fd this line? */
static bool has_field(const char *datagram, const char *field)
{
	const char *at = strstr(datagram, field);

	return at && (at == datagram || at[-1] == '\n') && at[strlen(field)] == '\n';
}

/* Runs in a child: fields of a line, none that a name could make up, and a journal that ends.
 * Return: exit status */
static int try_journal(void)
{
	char got[4096] = "";
	int fd, syslog_fd;

	if (!own_mounts_tmpfs("/run", "size=64k") || !own_mounts_tmpfs("/dev", "size=64k"))
		return NO_OWN_MOUNTS;
	if (mkdir("/run/systemd", 0755) < 0 || mkdir("/run/systemd/journal", 0755) < 0)
		return 1;
	fd = listen_here("/run/systemd/journal/socket");
	syslog_fd = listen_here("/dev/log");
	log_open(LOG_TARGET_SYSLOG, "prog", "vm1\nPRIORITY=0", "prepare");
	log_uuid("11111111-1111-4111-8111-111111111111");
	log_event(LOG_EVENT_PREPARED, "prepared\nin 2 ms");
	if (fd < 0 || syslog_fd < 0 || recv(fd, got, sizeof(got) - 1, 0) <= 0)
		return 2;
	if (!has_field(got, "MEMBACKING_GUEST=vm1 PRIORITY=0") || !has_field(got, "PRIORITY=6") ||
	    !has_field(got, "MEMBACKING_UUID=11111111-1111-4111-8111-111111111111") ||
	    !has_field(got, "OPERATION=prepare") || !has_field(got, "SYSLOG_IDENTIFIER=prog") ||
	    !has_field(got, "MESSAGE=guest vm1 PRIORITY=0: prepare: prepared in 2 ms") ||
	    strncmp(strstr(got, "MESSAGE_ID=") ?: "", "MESSAGE_ID=", 11) != 0 ||
	    has_field(got, "PRIORITY=0"))
		return 3;
	if (recv(syslog_fd, got, sizeof(got), 0) >= 0)
		return 4;
	/* Without the journal the same goes to syslog */
	close(fd);
	unlink("/run/systemd/journal/socket");
	log_event(LOG_EVENT_REFUSED, "no");
	return hears(syslog_fd, "<27>prog[", "]: error: guest vm1 PRIORITY=0: prepare: no") ? 0 : 5;
}

static void in_child(int (*try)(void))
{
	int status = -1;
	pid_t child = fork();

	CU_ASSERT_FATAL(child >= 0);
	if (!child)
		_exit(try());
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_OWN_MOUNTS)
		printf("skip - a /dev/log of our own: this user may make no mount namespace\n");
	else
		UNIT_CHECK(status == 0, "status %#x", (unsigned int)status);
}

static void test_syslog(void)
{
	in_child(try_syslog);
}

static void test_journal(void)
{
	in_child(try_journal);
}

/* Another guest's for a while */
static void test_subject(void)
{
	struct log_subject former;

	catch_stderr();
	log_open(LOG_TARGET_STDERR, "prog", "vm1", "prepare");
	former = log_subject_set("vm2", NULL);
	log_info("is gone");
	log_subject_restore(&former);
	log_info("fine");
	UNIT_CHECK_STR(release_stderr(),
		       "prog: guest vm2: prepare: is gone\nprog: guest vm1: prepare: fine\n",
		       "subjects");
}

/* Each has an id and a name of its own, and an explanation */
static void test_events(void)
{
	char catalog[16384] = "", head[64];
	FILE *f = fopen(TESTS_DIR "/../packaging/catalog/libvirt-membacking.catalog", "re");
	int i, j;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT(fread(catalog, 1, sizeof(catalog) - 1, f) > 0);
	fclose(f);
	for (i = LOG_EVENT_NONE + 1; i < LOG_EVENTS; i++) {
		const char *id = log_event_id((enum log_event)i);

		UNIT_CHECK(strspn(id, "0123456789abcdef") == 32 && strlen(id) == 32, "%s", id);
		snprintf(head, sizeof(head), "\n-- %s\nSubject: ", id);
		UNIT_CHECK(strstr(catalog, head), "%s is not in the catalog",
			   log_event_name((enum log_event)i));
		for (j = LOG_EVENT_NONE + 1; j < i; j++)
			UNIT_CHECK(strcmp(id, log_event_id((enum log_event)j)) != 0, "%s twice",
				   id);
	}
}

/* Return and sentence belong together, whatever the order */
static void test_gravest(void)
{
	static const struct {
		int rcs[3], want;
		const char *text;
	} rows[] = {
		{ { 0, 0, 0 }, 0, "" },
		{ { 0, -EAGAIN, 0 }, -EAGAIN, "1" },
		{ { -EAGAIN, -EAGAIN, 0 }, -EAGAIN, "0" },
		{ { -EAGAIN, -EIO, -EAGAIN }, -EIO, "1" },
		{ { -EIO, -EAGAIN, 0 }, -EIO, "0" },
		{ { -EIO, -ENOSPC, -EAGAIN }, -EIO, "0" },
		{ { 0, -EAGAIN, -ENOSPC }, -ENOSPC, "2" },
	};
	size_t i, j;

	log_open(LOG_TARGET_STDERR, "prog", NULL, NULL);
	log_set_level(LOG_LEVEL_ERROR);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { "" }, next;
		int worst = 0;

		for (j = 0; j < 3; j++) {
			snprintf(next.text, sizeof(next.text), "%zu", j);
			worst = log_gravest(worst, &err, rows[i].rcs[j], &next);
		}
		UNIT_CHECK(worst == rows[i].want, "row %zu: %d", i, worst);
		UNIT_CHECK_STR(err.text, rows[i].text, "sentence");
	}
}

static CU_TestInfo tests[] = {
	{ "who, what, how bad", test_lines },
	{ "levels and targets", test_levels },
	{ "each thread its own guest", test_threads },
	{ "the guest once", test_guest_once },
	{ "one line stays one line", test_hostile },
	{ "syslog hears us, and can't hold us up", test_syslog },
	{ "the journal gets fields", test_journal },
	{ "another guest for a while", test_subject },
	{ "events", test_events },
	{ "logging leaves errno alone", test_errno_survives },
	{ "the gravest of several failures", test_gravest },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_log", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The daemon's socket, and clients that mean it no good.
 */
#include "pager/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "pager/client.h"
#include "unit/fake_pagerd.h"
#include "unit/unit.h"

#define UUID_A "aaaaaaaa-cdaf-9455-926a-d65c16db1809"
#define UUID_B "bbbbbbbb-cdaf-9455-926a-d65c16db1809"
#define HELLO  "{\"version\":1,\"do\":\"hello\",\"deadline_ms\":1000}"

/* ---- a client by hand ---- */

static int dial(int dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" PAGER_SOCKET, dir);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* What comes within five seconds; "": nothing, and it ended */
static const char *hear(int fd, char buf[4096])
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, 5000) <= 0)
		return "nothing came";
	n = recv(fd, buf, 4095, 0);
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void send_bytes(int fd, const void *bytes, size_t len)
{
	UNIT_CHECK(send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len, "%zu bytes: %d", len, errno);
}

/* One message, its answer, and whether the daemon still listens to this client then */
static void check_bad(struct fake_pagerd *daemon, const void *bytes, size_t len, const char *says)
{
	cleanup_close int fd = dial(daemon->state_dir);
	struct err err = { "" };
	char buf[4096];

	send_bytes(fd, bytes, len);
	UNIT_CHECK(strstr(hear(fd, buf), says), "%s: %s", says, buf);
	UNIT_CHECK_STR(hear(fd, buf), "", "%s: the connection is over", says);
	UNIT_CHECK(pager_hello(daemon->state_dir, 5000, &err) == 0, "%s", err.text);
}

static void test_garbage(void)
{
	cleanup_free char *big = calloc(1, PAGER_MESSAGE_MAX + 100);
	FAKE_PAGERD(daemon);

	CU_ASSERT_PTR_NOT_NULL_FATAL(big);
	check_bad(&daemon, "garbage", 7, "not a JSON object");
	check_bad(&daemon, "\0", 1, "not a JSON object");
	check_bad(&daemon, "{\"version\":9}", 13, "of version 9");
	check_bad(&daemon, big, PAGER_MESSAGE_MAX + 1, "too long");
	check_bad(&daemon, big, PAGER_MESSAGE_MAX + 100, "too long");
	memset(big, '[', PAGER_MESSAGE_MAX);
	check_bad(&daemon, big, PAGER_MESSAGE_MAX, "not a JSON object");
}

/* Several requests of one connection, each after the last one's reply */
static void test_one_after_the_other(void)
{
	cleanup_close int fd = -1;
	char buf[4096];
	int i;
	FAKE_PAGERD(daemon);

	fd = dial(daemon.state_dir);
	for (i = 0; i < 5; i++)
		send_bytes(fd, HELLO, strlen(HELLO));
	for (i = 0; i < 5; i++)
		CU_ASSERT_STRING_EQUAL(hear(fd, buf), "{\"version\":1,\"errno\":0}");
}

/* A client that asks and asks and never reads is dropped when its socket is full; others
 * are answered all the while */
static void test_reads_nothing(void)
{
	struct err err = { "" };
	int i, fd;
	FAKE_PAGERD(daemon);

	fd = dial(daemon.state_dir);
	for (i = 0; i < 100000; i++) {
		if (send(fd, HELLO, strlen(HELLO), MSG_NOSIGNAL) < 0)
			break;
		if (i % 100 == 0)
			UNIT_CHECK(!pager_hello(daemon.state_dir, 5000, &err), "%s", err.text);
	}
	CU_ASSERT(i < 100000);
	CU_ASSERT(errno == EPIPE || errno == ECONNRESET);
	UNIT_CHECK(!pager_hello(daemon.state_dir, 5000, &err), "%s", err.text);
	close(fd);
}

/* More silent clients than there is room for: a new one takes the place of the eldest */
static void test_silent(void)
{
	int fds[SERVER_CONNECTIONS_MAX + 10];
	struct err err = { "" };
	char buf[4096];
	size_t i;
	FAKE_PAGERD(daemon);

	for (i = 0; i < ROWS(fds); i++) {
		fds[i] = dial(daemon.state_dir);
		CU_ASSERT(fds[i] >= 0);
		if (i % 20 == 0)
			UNIT_CHECK(!pager_hello(daemon.state_dir, 5000, &err), "%s", err.text);
	}
	UNIT_CHECK(!pager_hello(daemon.state_dir, 5000, &err), "%s", err.text);
	UNIT_CHECK_STR(hear(fds[0], buf), "", "the eldest is dropped");
	send_bytes(fds[ROWS(fds) - 1], HELLO, strlen(HELLO));
	CU_ASSERT(strstr(hear(fds[ROWS(fds) - 1], buf), "\"errno\":0") != NULL);
	for (i = 0; i < ROWS(fds); i++)
		close(fds[i]);
}

/* Descriptors that come along are none of ours, and don't stay open */
static void test_descriptors(void)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, buf[4096];
	struct iovec iov = { HELLO, strlen(HELLO) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
	cleanup_close int fd = -1;
	int ends[2];
	FAKE_PAGERD(daemon);

	fd = dial(daemon.state_dir);
	CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &ends[1], sizeof(int));
	CU_ASSERT_EQUAL(sendmsg(fd, &msg, 0), (ssize_t)strlen(HELLO));
	CU_ASSERT(strstr(hear(fd, buf), "\"errno\":0") != NULL);
	close(ends[1]);
	/* All writing ends are closed, so its end is read at once */
	CU_ASSERT_EQUAL(read(ends[0], buf, 1), 0);
	close(ends[0]);
}

/* ---- requests that take long ---- */

struct caller {
	int dir;
	const char *uuid;
	int rc;
	_Atomic unsigned int *ended;
	struct err err;
	pthread_t thread;
};

static void *release(void *arg)
{
	struct caller *c = arg;

	c->rc = pager_release(c->dir, c->uuid, 20000, &c->err);
	if (c->ended)
		++*c->ended;
	return NULL;
}

/* While guests are waited for, others are answered; those beyond the bound are told so */
static void test_long(void)
{
	struct caller callers[SERVER_WORKERS_MAX + 8];
	_Atomic unsigned int ended = 0;
	int ok = 0, busy = 0;
	struct err err = { "" };
	size_t i;
	FAKE_PAGERD(daemon);

	daemon.held = true;
	for (i = 0; i < ROWS(callers); i++) {
		callers[i] =
			(struct caller){ .dir = daemon.state_dir, .uuid = UUID_A, .ended = &ended };
		CU_ASSERT_FATAL(!pthread_create(&callers[i].thread, NULL, release, &callers[i]));
	}
	for (i = 0; i < 5 || ended < 8; i++) {
		cleanup_json json_t *status = NULL;

		UNIT_CHECK(!pager_status(daemon.state_dir, &status, 5000, &err), "%s", err.text);
		clock_sleep_ms(1);
	}
	daemon.held = false;
	for (i = 0; i < ROWS(callers); i++) {
		pthread_join(callers[i].thread, NULL);
		ok += callers[i].rc == 0;
		busy += callers[i].rc == -EBUSY && strstr(callers[i].err.text, "try again");
	}
	CU_ASSERT_EQUAL(ok, SERVER_WORKERS_MAX);
	CU_ASSERT_EQUAL(busy, 8);
}

/* A client that goes on asking while its guest is waited for: the next request is read after the
 * reply to the last */
static void test_impatient(void)
{
	static const char first[] = "{\"version\":1,\"do\":\"release\",\"deadline_ms\":5000,"
				    "\"uuid\":\"" UUID_A "\"}";
	static const char second[] = "{\"version\":1,\"do\":\"set\",\"deadline_ms\":5000,"
				     "\"uuid\":\"" UUID_B "\",\"limit_kib\":1}";
	cleanup_close int fd = -1;
	char buf[4096];
	FAKE_PAGERD(daemon);

	daemon.work_ms = 200;
	fd = dial(daemon.state_dir);
	send_bytes(fd, first, strlen(first));
	send_bytes(fd, second, strlen(second));
	CU_ASSERT_STRING_EQUAL(hear(fd, buf), "{\"version\":1,\"errno\":0}");
	CU_ASSERT(strstr(hear(fd, buf), "the guest isn't paged") != NULL);
}

/* The client is gone before its guest was waited for: the next one with its place gets no reply
 * that isn't its own */
static void test_hung_up(void)
{
	struct err err = { "" };
	int i;
	FAKE_PAGERD(daemon);

	daemon.work_ms = 100;
	for (i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(pager_release(daemon.state_dir, UUID_A, 1, &err), -ETIMEDOUT);
	for (i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL(pager_set_limit(daemon.state_dir, UUID_A, 7, 5000, &err), -ENOENT);
		clock_sleep_ms(10);
	}
	CU_ASSERT_EQUAL(pager_hello(daemon.state_dir, 5000, &err), 0);
}

/* At the end those who wait are answered, if it is not for too long */
static void test_end(void)
{
	struct caller c;
	struct fake_pagerd daemon;
	struct err err = { "" };

	fake_pagerd_open(&daemon, 0);
	daemon.work_ms = 300;
	c = (struct caller){ .dir = daemon.state_dir, .uuid = UUID_A };
	CU_ASSERT_FATAL(!pthread_create(&c.thread, NULL, release, &c));
	while (pager_hello(daemon.state_dir, 5000, &err) == 0 && !daemon.requests)
		clock_sleep_ms(1);
	fake_pagerd_close(&daemon);
	pthread_join(c.thread, NULL);
	UNIT_CHECK(c.rc == 0, "%s", c.err.text);
}

static void test_end_too_late(void)
{
	const uint64_t one = 1;
	struct err err = { "" };
	struct fake_pagerd daemon;

	fake_pagerd_open(&daemon, 0);
	daemon.work_ms = 400;
	CU_ASSERT_EQUAL(pager_release(daemon.state_dir, UUID_A, 20, &err), -ETIMEDOUT);
	CU_ASSERT_EQUAL(write(daemon.stop, &one, sizeof(one)), sizeof(one));
	pthread_join(daemon.thread, NULL);
	CU_ASSERT_EQUAL(daemon.end, SERVER_STOPPED);
	/* Nothing is freed: the thread works on */
	CU_ASSERT_FALSE(pager_server_free(daemon.server, clock_ms() + 50));
	CU_ASSERT_TRUE(pager_server_free(daemon.server, clock_ms() + 5000));
	close(daemon.listener);
	close(daemon.stop);
	close(daemon.state_dir);
}

/* Without guests and clients it ends by itself, and not with a guest */
static void test_idle(void)
{
	uint64_t begin = clock_ms();
	struct err err = { "" };
	struct fake_pagerd daemon;

	fake_pagerd_open(&daemon, 100);
	CU_ASSERT_EQUAL(pager_adopt(daemon.state_dir, UUID_A, "a", 7, 1, 1000, &err), 0);
	clock_sleep_ms(1500);
	UNIT_CHECK(pager_release(daemon.state_dir, UUID_A, 1000, &err) == 0, "%s", err.text);
	pthread_join(daemon.thread, NULL);
	CU_ASSERT_EQUAL(daemon.end, SERVER_IDLE);
	CU_ASSERT(clock_ms() - begin < 8000);
	CU_ASSERT_TRUE(pager_server_free(daemon.server, clock_ms()));
	close(daemon.listener);
	close(daemon.stop);
	close(daemon.state_dir);
}

/* ---- the socket itself ---- */

static void test_two(void)
{
	struct err err = { "" };
	FAKE_PAGERD(daemon);

	CU_ASSERT_EQUAL(pager_server_listen(daemon.state_dir, &err), -EADDRINUSE);
	UNIT_CHECK(strstr(err.text, "listens at"), "%s", err.text);
	CU_ASSERT_EQUAL(pager_hello(daemon.state_dir, 1000, &err), 0);
}

/* What lies there in its place goes, and a link is not followed */
static void test_place(void)
{
	cleanup_close int dir = open(unit_tmpdir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err = { "" };
	struct stat st;
	int fd;

	CU_ASSERT_EQUAL(symlinkat("/tmp/membacking-nowhere", dir, PAGER_SOCKET), 0);
	fd = pager_server_listen(dir, &err);
	UNIT_CHECK(fd >= 0, "%s", err.text);
	CU_ASSERT_EQUAL(fstatat(dir, PAGER_SOCKET, &st, AT_SYMLINK_NOFOLLOW), 0);
	CU_ASSERT_EQUAL(st.st_mode, S_IFSOCK | 0600);
	CU_ASSERT_EQUAL(access("/tmp/membacking-nowhere", F_OK), -1);
	close(fd);
}

/* Another user, had he got hold of a connection: he hears nothing */
static void be_another(int dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = PAGER_SOCKET };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char buf[4096];

	if (fchdir(dir) < 0 || setresuid(1, 1, 1) < 0)
		unit_end_child(2);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		unit_end_child(3);
	send(fd, HELLO, strlen(HELLO), MSG_NOSIGNAL);
	unit_end_child(*hear(fd, buf) ? 4 : 0);
}

static void test_another_user(void)
{
	struct err err = { "" };
	int status = 0;
	pid_t pid;
	FAKE_PAGERD(daemon);

	if (geteuid() != 0)
		return;
	CU_ASSERT_EQUAL(fchmod(daemon.state_dir, 0711), 0);
	CU_ASSERT_EQUAL(fchmodat(daemon.state_dir, PAGER_SOCKET, 0666, 0), 0);
	fflush(stdout);
	pid = fork();
	if (!pid)
		be_another(daemon.state_dir);
	waitpid(pid, &status, 0);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(daemon.requests, 0);
	CU_ASSERT_EQUAL(pager_hello(daemon.state_dir, 1000, &err), 0);
	/* With the mode it has he gets no connection */
	CU_ASSERT_EQUAL(fchmodat(daemon.state_dir, PAGER_SOCKET, 0600, 0), 0);
	pid = fork();
	if (!pid)
		be_another(daemon.state_dir);
	waitpid(pid, &status, 0);
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 3);
}

static CU_TestInfo tests[] = {
	{ "garbage", test_garbage },
	{ "one request after the other", test_one_after_the_other },
	{ "a client that reads nothing", test_reads_nothing },
	{ "silent clients", test_silent },
	{ "descriptors that come along", test_descriptors },
	{ "requests that take long", test_long },
	{ "an impatient client", test_impatient },
	{ "clients that hung up", test_hung_up },
	{ "the end", test_end },
	{ "the end, with a thread that works on", test_end_too_late },
	{ "idle", test_idle },
	{ "two daemons", test_two },
	{ "what lies in the socket's place", test_place },
	{ "another user", test_another_user },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_pager_server", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pager/client.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "unit/fake_pagerd.h"
#include "unit/unit.h"

#define UUID_A "aaaaaaaa-cdaf-9455-926a-d65c16db1809"
#define UUID_B "bbbbbbbb-cdaf-9455-926a-d65c16db1809"

static int state_dir(void)
{
	return open(unit_tmpdir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void test_nobody(void)
{
	cleanup_close int dir = state_dir();
	struct err err = { "" };
	json_t *status = NULL;
	int listener;

	CU_ASSERT_EQUAL(pager_hello(dir, 1000, &err), -ENOENT);
	UNIT_CHECK(strstr(err.text, "systemctl enable --now virt-membacking-pagerd.socket"), "%s",
		   err.text);
	UNIT_CHECK(strstr(err.text, "virt-membacking-pagerd --background"), "%s", err.text);
	CU_ASSERT_EQUAL(pager_status(dir, &status, 1000, &err), -ENOENT);
	CU_ASSERT_PTR_NULL(status);
	/* One that was killed leaves its socket */
	listener = pager_server_listen(dir, &err);
	UNIT_CHECK(listener >= 0, "%s", err.text);
	close(listener);
	CU_ASSERT_EQUAL(pager_hello(dir, 1000, &err), -ECONNREFUSED);
	UNIT_CHECK(strstr(err.text, "no pager runs"), "%s", err.text);
}

static void test_requests(void)
{
	struct err err = { "" };
	FAKE_PAGERD(daemon);
	int dir = daemon.state_dir;

	UNIT_CHECK(pager_hello(dir, 1000, &err) == 0, "%s", err.text);
	UNIT_CHECK(pager_adopt(dir, UUID_A, "a", 7, 1000, 1000, &err) == 0, "%s", err.text);
	CU_ASSERT_EQUAL(fake_pagerd_limit(&daemon, UUID_A), 1000);
	UNIT_CHECK(pager_set_limit(dir, UUID_A, 2000, 1000, &err) == 0, "%s", err.text);
	CU_ASSERT_EQUAL(fake_pagerd_limit(&daemon, UUID_A), 2000);
	CU_ASSERT_EQUAL(pager_set_limit(dir, UUID_B, 2000, 1000, &err), -ENOENT);
	CU_ASSERT_STRING_EQUAL(err.text, "the guest isn't paged");
	UNIT_CHECK(pager_release(dir, UUID_A, 1000, &err) == 0, "%s", err.text);
	CU_ASSERT_EQUAL(fake_pagerd_limit(&daemon, UUID_A), 0);
	UNIT_CHECK(pager_forget(dir, UUID_A, 1000, &err) == 0, "%s", err.text);
	daemon.errnum = ENOMEM;
	CU_ASSERT_EQUAL(pager_release(dir, UUID_A, 1000, &err), -ENOMEM);
	CU_ASSERT_STRING_EQUAL(err.text, "the daemon says no");
	/* Not asked at all */
	CU_ASSERT_EQUAL(pager_release(dir, "../../etc", 1000, &err), -EINVAL);
}

/* Whatever the guest's name is */
static void test_names(void)
{
	struct err err = { "" };
	char name[600];
	FAKE_PAGERD(daemon);

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memcpy(name + 253, "\xf0\x9f\x98\x80", 4);
	UNIT_CHECK(pager_adopt(daemon.state_dir, UUID_A, name, 7, 1, 1000, &err) == 0, "%s",
		   err.text);
	UNIT_CHECK(pager_adopt(daemon.state_dir, UUID_B, "\xff\"\n", 7, 1, 1000, &err) == 0, "%s",
		   err.text);
	CU_ASSERT_STRING_EQUAL(daemon.guest[1].name, "?\"\n");
}

/* More guests than one message holds, each once and in order */
static void test_many(void)
{
	enum { MANY = 250 };
	cleanup_json json_t *status = NULL;
	struct err err = { "" };
	const json_t *guests;
	size_t i;
	FAKE_PAGERD(daemon);

	for (i = 0; i < MANY; i++) {
		snprintf(daemon.guest[i].uuid, PAGER_UUID_SIZE, "%08zx-cdaf-9455-926a-d65c16db1809",
			 MANY - i);
		snprintf(daemon.guest[i].name, PAGER_NAME_SIZE, "g%zu", i);
	}
	daemon.n = MANY;
	UNIT_CHECK(pager_status(daemon.state_dir, &status, 5000, &err) == 0, "%s", err.text);
	guests = json_object_get(status, "guests");
	CU_ASSERT_EQUAL(json_array_size(guests), MANY);
	for (i = 1; i < json_array_size(guests); i++) {
		const json_t *a = json_array_get(guests, i - 1), *b = json_array_get(guests, i);

		CU_ASSERT(strcmp(json_string_value(json_object_get(a, "uuid")),
				 json_string_value(json_object_get(b, "uuid"))) < 0);
	}
	CU_ASSERT_PTR_NULL(json_object_get(status, "next"));
	CU_ASSERT_EQUAL(daemon.requests, 3);
}

/* ---- daemons that are none ---- */

struct strange {
	int dir;
	int listener;
	const char *says; /* NULL: nothing, and stays; "": nothing, and ends */
	pthread_t thread;
};

static void *be_strange(void *arg)
{
	struct strange *s = arg;
	int fd = accept(s->listener, NULL, NULL);
	char buf[1000];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	(void)n;
	if (s->says)
		send(fd, s->says, strlen(s->says), MSG_NOSIGNAL);
	if (!s->says)
		n = recv(fd, buf, sizeof(buf), 0);
	close(fd);
	return NULL;
}

static int ask_strange(const char *says, int64_t deadline_ms, struct err *err)
{
	struct strange s = { .dir = state_dir(), .says = says };
	int rc, flags;

	s.listener = pager_server_listen(s.dir, err);
	CU_ASSERT_FATAL(s.listener >= 0);
	flags = fcntl(s.listener, F_GETFL);
	fcntl(s.listener, F_SETFL, flags & ~O_NONBLOCK);
	CU_ASSERT_FATAL(!pthread_create(&s.thread, NULL, be_strange, &s));
	rc = pager_hello(s.dir, deadline_ms, err);
	pthread_join(s.thread, NULL);
	close(s.listener);
	close(s.dir);
	return rc;
}

static void test_strange(void)
{
	struct err err = { "" };
	uint64_t begin;

	CU_ASSERT_EQUAL(ask_strange("garbage", 5000, &err), -EPROTO);
	UNIT_CHECK(strstr(err.text, "can't be understood"), "%s", err.text);
	CU_ASSERT_EQUAL(ask_strange("{\"version\":2,\"errno\":0}", 5000, &err), -EPROTO);
	UNIT_CHECK(strstr(err.text, "of version 2, where version 1 is spoken"), "%s", err.text);
	CU_ASSERT_EQUAL(ask_strange("", 5000, &err), -ECONNRESET);
	UNIT_CHECK(strstr(err.text, "ended without an answer"), "%s", err.text);
	begin = clock_ms();
	CU_ASSERT_EQUAL(ask_strange(NULL, 100, &err), -ETIMEDOUT);
	UNIT_CHECK(strstr(err.text, "does not answer in time"), "%s", err.text);
	CU_ASSERT(clock_ms() - begin >= 99);
	CU_ASSERT(clock_ms() - begin < 4000);
}

/* A daemon that does not even accept: its queue takes some, and then no more */
static void test_queue_full(void)
{
	cleanup_close int dir = state_dir();
	struct err err = { "" };
	int listener = pager_server_listen(dir, &err), i, first = 0;
	uint64_t begin;

	CU_ASSERT_FATAL(listener >= 0);
	/* Each leaves its closed connection in the queue */
	for (i = 0; i < SERVER_CONNECTIONS_MAX + 2; i++)
		first = pager_hello(dir, 1, &err);
	CU_ASSERT_EQUAL(first, -ETIMEDOUT);
	begin = clock_ms();
	CU_ASSERT_EQUAL(pager_hello(dir, 60, &err), -ETIMEDOUT);
	CU_ASSERT(clock_ms() - begin >= 59);
	CU_ASSERT(clock_ms() - begin < 4000);
	CU_ASSERT_EQUAL(pager_hello(dir, 0, &err), -ETIMEDOUT);
	CU_ASSERT_EQUAL(pager_hello(dir, -1, &err), -ETIMEDOUT);
	close(listener);
}

/* A directory that is not ours */
static void test_not_allowed(void)
{
	struct err err = { "" };
	struct stat st;
	FAKE_PAGERD(daemon);

	CU_ASSERT_EQUAL(fstatat(daemon.state_dir, PAGER_SOCKET, &st, AT_SYMLINK_NOFOLLOW), 0);
	CU_ASSERT_EQUAL(st.st_mode, S_IFSOCK | 0600);
	CU_ASSERT_EQUAL(pager_hello(-1, 1000, &err), -ENOENT);
}

static CU_TestInfo tests[] = {
	{ "no daemon", test_nobody },
	{ "requests", test_requests },
	{ "names of guests", test_names },
	{ "many guests", test_many },
	{ "daemons that are none", test_strange },
	{ "a queue that is full", test_queue_full },
	{ "the socket's mode", test_not_allowed },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_pager_client", tests);
}

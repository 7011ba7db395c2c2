// SPDX-License-Identifier: LGPL-2.1-or-later
#include "unit/fake_pagerd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"

static struct fake_paged *find(struct fake_pagerd *daemon, const char *uuid)
{
	size_t i;

	for (i = 0; i < daemon->n; i++)
		if (!strcmp(daemon->guest[i].uuid, uuid))
			return &daemon->guest[i];
	return NULL;
}

static void add(struct fake_pagerd *daemon, const struct pager_request *request)
{
	struct fake_paged *guest = find(daemon, request->uuid);

	if (!guest && daemon->n == FAKE_PAGED_MAX)
		return;
	if (!guest)
		guest = &daemon->guest[daemon->n++];
	snprintf(guest->uuid, sizeof(guest->uuid), "%s", request->uuid);
	snprintf(guest->name, sizeof(guest->name), "%s", request->name);
	guest->pid = (pid_t)request->pid;
	guest->limit_kib = request->limit_kib;
}

static void drop(struct fake_pagerd *daemon, const char *uuid)
{
	struct fake_paged *guest = find(daemon, uuid);

	if (guest)
		*guest = daemon->guest[--daemon->n];
}

/* Sorted as a real one's: the next UUID after @after */
static const struct fake_paged *next(const struct fake_pagerd *daemon, const char *after)
{
	const struct fake_paged *least = NULL;
	size_t i;

	for (i = 0; i < daemon->n; i++) {
		const struct fake_paged *guest = &daemon->guest[i];

		if (strcmp(guest->uuid, after) > 0 &&
		    (!least || strcmp(guest->uuid, least->uuid) < 0))
			least = guest;
	}
	return least;
}

/* As many as a message takes, and after which it goes on */
static json_t *status(const struct fake_pagerd *daemon, const char *after)
{
	const struct fake_paged *guest = next(daemon, after);
	json_t *guests = json_array(), *reply = pager_reply(0, "");
	int n;

	json_object_set_new(reply, "tiers", json_array());
	for (n = 0; guest && n < 100; n++) {
		json_array_append_new(
			guests, json_pack("{s:s, s:s, s:s, s:I, s:I, s:n}", "uuid", guest->uuid,
					  "name", guest->name, "state", "paging", "limit_kib",
					  json_number(guest->limit_kib), "resident_kib",
					  json_number(guest->limit_kib), "alarm"));
		after = guest->uuid;
		guest = next(daemon, after);
	}
	if (guest)
		json_object_set_new(reply, "next", json_string(after));
	json_object_set_new(reply, "guests", guests);
	return reply;
}

static json_t *answer_locked(struct fake_pagerd *daemon, const struct pager_request *request)
{
	daemon->requests++;
	if (request->action == PAGER_STATUS)
		return status(daemon, request->uuid);
	if (daemon->errnum)
		return pager_reply(daemon->errnum, "the daemon says no");
	if (request->action == PAGER_SET && !find(daemon, request->uuid))
		return pager_reply(ENOENT, "the guest isn't paged");
	if (request->action == PAGER_SET)
		find(daemon, request->uuid)->limit_kib = request->limit_kib;
	else if (request->action == PAGER_ADOPT)
		add(daemon, request);
	else
		drop(daemon, request->uuid);
	return pager_reply(0, "");
}

static json_t *answer(void *arg, const struct pager_request *request)
{
	struct fake_pagerd *daemon = arg;
	json_t *reply;

	if (pager_action_is_long(request->action)) {
		clock_sleep_ms(daemon->work_ms);
		while (daemon->held)
			clock_sleep_ms(1);
	}
	pthread_mutex_lock(&daemon->lock);
	reply = answer_locked(daemon, request);
	pthread_mutex_unlock(&daemon->lock);
	return reply;
}

static uint64_t tick(void *arg)
{
	(void)arg;
	return SERVER_TICK_MS;
}

static bool idle(void *arg)
{
	struct fake_pagerd *daemon = arg;
	bool none;

	pthread_mutex_lock(&daemon->lock);
	none = !daemon->n;
	pthread_mutex_unlock(&daemon->lock);
	return none;
}

static void *serve(void *arg)
{
	struct fake_pagerd *daemon = arg;

	daemon->end = pager_server_run(daemon->server, daemon->stop, daemon->idle_ms);
	return NULL;
}

void fake_pagerd_open(struct fake_pagerd *daemon, uint64_t idle_ms)
{
	struct pager_service service = {
		.answer = answer, .tick = tick, .idle = idle, .arg = daemon, .fd = -1
	};
	struct err err = { "" };

	*daemon = (struct fake_pagerd){ .idle_ms = idle_ms };
	pthread_mutex_init(&daemon->lock, NULL);
	daemon->state_dir = open(unit_tmpdir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	daemon->stop = eventfd(0, EFD_CLOEXEC);
	daemon->listener = pager_server_listen(daemon->state_dir, &err);
	UNIT_CHECK(daemon->listener >= 0, "%s", err.text);
	UNIT_CHECK(!pager_server_new(&daemon->server, daemon->listener, &service, &err), "%s",
		   err.text);
	CU_ASSERT_FATAL(!pthread_create(&daemon->thread, NULL, serve, daemon));
}

void fake_pagerd_close(struct fake_pagerd *daemon)
{
	const uint64_t one = 1;

	CU_ASSERT_EQUAL(write(daemon->stop, &one, sizeof(one)), sizeof(one));
	pthread_join(daemon->thread, NULL);
	CU_ASSERT_TRUE(pager_server_free(daemon->server, clock_ms() + 10000));
	close(daemon->listener);
	close(daemon->stop);
	close(daemon->state_dir);
	pthread_mutex_destroy(&daemon->lock);
}

uint64_t fake_pagerd_limit(struct fake_pagerd *daemon, const char *uuid)
{
	const struct fake_paged *guest;
	uint64_t limit;

	pthread_mutex_lock(&daemon->lock);
	guest = find(daemon, uuid);
	limit = guest ? guest->limit_kib : 0;
	pthread_mutex_unlock(&daemon->lock);
	return limit;
}

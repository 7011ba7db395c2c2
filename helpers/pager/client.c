// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One request to the pager's daemon, answered before a deadline or not at all.
 */
#include "pager/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/text.h"

#define SOCKET_NAME "/" STATE_DIR "/" PAGER_SOCKET

/* How often a full queue of connections is looked at again */
#define QUEUE_MS 5

static int late(struct err *err)
{
	return err_set(err, ETIMEDOUT, "the pager does not answer in time at " SOCKET_NAME);
}

static int no_pager(int errnum, struct err *err)
{
	if (errnum != ENOENT && errnum != ECONNREFUSED)
		return err_sys(err, errnum, "cannot connect to the pager at " SOCKET_NAME);
	return err_set(err, errnum,
		       "no pager runs: start it by \"systemctl enable --now "
		       "virt-membacking-pagerd.socket\", or without systemd by "
		       "\"virt-membacking-pagerd --background\"");
}

/* A path of the state directory's may be longer than an address takes */
static int address_of(int state_dir, struct sockaddr_un *address)
{
	int len = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s",
			   state_dir, PAGER_SOCKET);

	address->sun_family = AF_UNIX;
	return len < (int)sizeof(address->sun_path) ? 0 : -ENAMETOOLONG;
}

/* Return: 0 or -errno.  A queue that is full says EAGAIN, and nothing tells when it isn't */
static int connect_until(int fd, const struct sockaddr_un *address, uint64_t deadline)
{
	while (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		if (!clock_left_ms(deadline))
			return -ETIMEDOUT;
		clock_sleep_ms(QUEUE_MS);
	}
	return 0;
}

static int open_connection(int state_dir, uint64_t deadline, struct err *err)
{
	struct sockaddr_un address = { 0 };
	int rc = address_of(state_dir, &address), fd;

	if (rc < 0)
		return no_pager(-rc, err);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "cannot make a socket for the pager");
	rc = connect_until(fd, &address, deadline);
	if (rc == 0)
		return fd;
	close(fd);
	return rc == -ETIMEDOUT ? late(err) : no_pager(-rc, err);
}

/* Return: 0; -ETIMEDOUT; -errno */
static int wait_for(int fd, short events, uint64_t deadline)
{
	for (;;) {
		uint64_t left = u64_min(clock_left_ms(deadline), INT32_MAX);
		struct pollfd p = { .fd = fd, .events = events };
		int n = poll(&p, 1, (int)left);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -ETIMEDOUT;
	}
}

static int broken(int rc, struct err *err)
{
	if (rc == -ETIMEDOUT)
		return late(err);
	if (rc == -EPIPE || rc == -ECONNRESET)
		return err_set(err, ECONNRESET, "the pager ended without an answer");
	return err_sys(err, -rc, "cannot talk to the pager at " SOCKET_NAME);
}

static int send_message(int fd, const char *text, uint64_t deadline, struct err *err)
{
	for (;;) {
		int rc;

		if (send(fd, text, strlen(text), MSG_NOSIGNAL) >= 0)
			return 0;
		rc = -errno;
		if (rc == -EAGAIN)
			rc = wait_for(fd, POLLOUT, deadline);
		if (rc < 0 && rc != -EINTR)
			return broken(rc, err);
	}
}

/* @buf has PAGER_MESSAGE_MAX + 1 bytes: a message that fills them is too long */
static int receive(int fd, char *buf, size_t *len, uint64_t deadline, struct err *err)
{
	for (;;) {
		int rc = wait_for(fd, POLLIN, deadline);
		ssize_t n = rc < 0 ? -1 : recv(fd, buf, PAGER_MESSAGE_MAX + 1, 0);

		if (n > 0) {
			*len = (size_t)n;
			return 0;
		}
		if (rc == 0)
			rc = n == 0 ? -ECONNRESET : -errno;
		if (rc != -EINTR && rc != -EAGAIN)
			return broken(rc, err);
	}
}

/* One request and its reply.  @request's deadline is what is left of @deadline */
static int exchange(int fd, struct pager_request *request, uint64_t deadline, json_t **reply,
		    struct err *err)
{
	cleanup_free char *buf = malloc(PAGER_MESSAGE_MAX + 1);
	cleanup_free char *text = NULL;
	size_t len = 0;
	int rc;

	request->deadline_ms =
		u64_min(u64_max(clock_left_ms(deadline), 1), (uint64_t)PAGER_DEADLINE_MAX_MS);
	text = pager_request_write(request);
	if (!buf || !text)
		return err_nomem(err);
	rc = send_message(fd, text, deadline, err);
	if (rc == 0)
		rc = receive(fd, buf, &len, deadline, err);
	return rc < 0 ? rc : pager_reply_parse(buf, len, reply, err);
}

static uint64_t until(int64_t deadline_ms)
{
	return clock_ms() + (uint64_t)(deadline_ms > 0 ? deadline_ms : 0);
}

static int ask(int state_dir, struct pager_request request, int64_t deadline_ms, struct err *err)
{
	uint64_t deadline = until(deadline_ms);
	cleanup_close int fd = open_connection(state_dir, deadline, err);

	return fd < 0 ? fd : exchange(fd, &request, deadline, NULL, err);
}

/* A UUID that is none does not get as far as the daemon */
static int ask_of(int state_dir, const char *uuid, struct pager_request request,
		  int64_t deadline_ms, struct err *err)
{
	if (!text_is_uuid(uuid))
		return err_set(err, EINVAL, "'%s' is not a UUID", uuid);
	snprintf(request.uuid, sizeof(request.uuid), "%s", uuid);
	return ask(state_dir, request, deadline_ms, err);
}

int pager_hello(int state_dir, int64_t deadline_ms, struct err *err)
{
	return ask(state_dir, (struct pager_request){ .action = PAGER_HELLO }, deadline_ms, err);
}

int pager_process(int state_dir, int64_t deadline_ms, pid_t *pid, struct err *err)
{
	cleanup_close int fd = open_connection(state_dir, until(deadline_ms), err);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (fd < 0)
		return fd;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return err_sys(err, errno, "cannot find out who listens at " SOCKET_NAME);
	*pid = peer.pid;
	return 0;
}

int pager_adopt(int state_dir, const char *uuid, const char *name, pid_t pid, uint64_t limit_kib,
		int64_t deadline_ms, struct err *err)
{
	struct pager_request request = {
		.action = PAGER_ADOPT,
		.pid = (uint64_t)pid,
		.limit_kib = limit_kib,
	};

	snprintf(request.name, sizeof(request.name), "%s", name);
	text_mend(request.name);
	return ask_of(state_dir, uuid, request, deadline_ms, err);
}

int pager_set_limit(int state_dir, const char *uuid, uint64_t limit_kib, int64_t deadline_ms,
		    struct err *err)
{
	struct pager_request request = { .action = PAGER_SET, .limit_kib = limit_kib };

	return ask_of(state_dir, uuid, request, deadline_ms, err);
}

int pager_release(int state_dir, const char *uuid, int64_t deadline_ms, struct err *err)
{
	struct pager_request request = { .action = PAGER_RELEASE };

	return ask_of(state_dir, uuid, request, deadline_ms, err);
}

int pager_forget(int state_dir, const char *uuid, int64_t deadline_ms, struct err *err)
{
	struct pager_request request = { .action = PAGER_FORGET };

	return ask_of(state_dir, uuid, request, deadline_ms, err);
}

/* @more's guests after those of @all */
static int append_guests(json_t *all, const json_t *more, struct err *err)
{
	json_t *to = json_object_get(all, "guests"), *from = json_object_get(more, "guests");

	if (!json_is_array(to) || !json_is_array(from))
		return err_set(err, EPROTO, "the pager's answer has no list of guests");
	return all == more || json_array_extend(to, from) == 0 ? 0 : err_nomem(err);
}

/* Does the list go on?  Only ever upwards, so that it has an end */
static bool goes_on(const json_t *reply, struct pager_request *request)
{
	const char *next = json_string_value(json_object_get(reply, "next"));

	if (!next || !text_is_uuid(next) || strcmp(next, request->uuid) <= 0)
		return false;
	snprintf(request->uuid, sizeof(request->uuid), "%s", next);
	return true;
}

int pager_status(int state_dir, json_t **status, int64_t deadline_ms, struct err *err)
{
	uint64_t deadline = until(deadline_ms);
	struct pager_request request = { .action = PAGER_STATUS };
	cleanup_close int fd = open_connection(state_dir, deadline, err);
	cleanup_json json_t *all = NULL;
	bool more = fd >= 0;
	int rc = fd < 0 ? fd : 0;

	while (rc == 0 && more) {
		cleanup_json json_t *reply = NULL;

		rc = exchange(fd, &request, deadline, &reply, err);
		if (rc == 0 && !all)
			all = json_incref(reply);
		if (rc == 0)
			rc = append_guests(all, reply, err);
		more = rc == 0 && goes_on(reply, &request);
	}
	if (rc < 0)
		return rc;
	json_object_del(all, "next");
	json_object_del(all, "errno");
	*status = json_incref(all);
	return 0;
}

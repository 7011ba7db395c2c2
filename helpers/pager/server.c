// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The loop of the pager's daemon: who connects, what each asks, and the threads that answer.
 */
#include "pager/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/text.h"
#include "pager/detached_thread.h"

#define SOCKET_NAME "/" STATE_DIR "/" PAGER_SOCKET

/* Whatever limit we were started with: releasing a guest has buffers of many pages */
#define WORKER_STACK ((size_t)4 * 1024 * 1024)

/* How long the server accepts no client after it ran out of descriptors */
#define FULL_MS 10

/**
 * struct connection - One client
 * @fd:		-1: it is gone, or the place is free
 * @since:	clock_ms() of the last thing it said or was told
 * @turn:	The server's at that time: many clients share a millisecond
 * @busy:	A worker has @request.  The place isn't free until it has ended
 * @done:	It has ended, and @reply is what it says.  Protected by the server's lock
 */
struct connection {
	struct pager_server *server;
	int fd;
	uint64_t since;
	uint64_t turn;
	bool busy;
	bool done;
	struct pager_request request;
	json_t *reply;
};

/**
 * struct pager_server
 * @lock:	Protects @workers, and of each connection @done and @reply
 * @ended:	A worker has
 * @wake:	eventfd: the same, for the loop
 */
struct pager_server {
	struct pager_service service;
	int listener;
	int wake;
	uint64_t last_client, ticked;
	uint64_t turn;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	unsigned int workers;
	struct connection connection[SERVER_CONNECTIONS_MAX];
	char buf[PAGER_MESSAGE_MAX];
};

/* ---- the socket ---- */

/* The address is through a descriptor: a path of the state directory's may be too long for it */
static int address_of(int state_dir, struct sockaddr_un *address, struct err *err)
{
	int len = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s",
			   state_dir, PAGER_SOCKET);

	address->sun_family = AF_UNIX;
	if (len < (int)sizeof(address->sun_path))
		return 0;
	return err_set(err, ENAMETOOLONG, SOCKET_NAME ": the name is too long");
}

static bool answers(const struct sockaddr_un *address)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
			   errno == EAGAIN);
}

/* Its mode is that of the file, less the umask: set before there is a file */
static int listen_at(int fd, const struct sockaddr_un *address)
{
	if (fchmod(fd, 0600) < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	return listen(fd, SERVER_CONNECTIONS_MAX) < 0 ? -errno : 0;
}

int pager_server_listen(int state_dir, struct err *err)
{
	struct sockaddr_un address = { 0 };
	int rc = address_of(state_dir, &address, err), fd;

	if (rc < 0)
		return rc;
	if (answers(&address))
		return err_set(err, EADDRINUSE,
			       "systemd or another program listens at " SOCKET_NAME
			       " already: use \"systemctl start virt-membacking-pagerd.service\"");
	if (unlinkat(state_dir, PAGER_SOCKET, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "cannot remove a dead daemon's " SOCKET_NAME);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = fd < 0 ? -errno : listen_at(fd, &address);
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return err_sys(err, -rc, "cannot listen at " SOCKET_NAME);
}

/* ---- connections ---- */

static void forget_client(struct connection *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void note_sign_of_life(struct connection *c)
{
	struct pager_server *server = c->server;

	c->since = server->last_client = clock_ms();
	c->turn = ++server->turn;
}

static bool is_free(const struct connection *c)
{
	return c->fd < 0 && !c->busy;
}

/* Mode 0600 keeps others out; a descriptor that root has handed on is told by this.  Our own
 * user for unit tests; in the daemon both are root */
static bool may_ask(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	log_warning("a process of user %lu is not answered: pid %ld", (unsigned long)peer.uid,
		    (long)peer.pid);
	return false;
}

/* A free place; else that of the client that has been silent longest; else NULL */
static struct connection *find_place(struct pager_server *server)
{
	struct connection *oldest = NULL;
	size_t i;

	for (i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
		struct connection *c = &server->connection[i];

		if (is_free(c))
			return c;
		if (!c->busy && (!oldest || c->turn < oldest->turn))
			oldest = c;
	}
	if (oldest)
		forget_client(oldest);
	return oldest;
}

static void greet(struct pager_server *server)
{
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *c;

	if (fd < 0) {
		/* Without descriptors it stays readable */
		if (errno != EAGAIN)
			clock_sleep_ms(FULL_MS);
		return;
	}
	c = may_ask(fd) ? find_place(server) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	c->fd = fd;
	note_sign_of_life(c);
}

static void drop_silent(struct pager_server *server)
{
	uint64_t now = clock_ms();
	size_t i;

	for (i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
		struct connection *c = &server->connection[i];

		if (!c->busy && c->fd >= 0 && now - c->since >= SERVER_SILENCE_MS)
			forget_client(c);
	}
}

/* ---- replies ---- */

/* A client that doesn't read has a full socket, and is none any more.  @reply is dropped */
static void say(struct connection *c, json_t *reply)
{
	cleanup_free char *text = pager_reply_write(reply);

	json_decref(reply);
	note_sign_of_life(c);
	if (c->fd < 0)
		return;
	if (!text || send(c->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		forget_client(c);
}

static void refuse(struct connection *c, int errnum, const char *sentence)
{
	say(c, pager_reply(errnum, sentence));
}

static void *work(void *arg)
{
	struct connection *c = arg;
	struct pager_server *server = c->server;
	const uint64_t one = 1;
	json_t *reply;
	ssize_t n;

	pthread_setname_np(pthread_self(), "pager-request");
	reply = server->service.answer(server->service.arg, &c->request);
	pthread_mutex_lock(&server->lock);
	c->reply = reply;
	c->done = true;
	server->workers--;
	/* Under the lock: once it is let go the server may be gone */
	n = write(server->wake, &one, sizeof(one));
	(void)n;
	pthread_cond_broadcast(&server->ended);
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

static void start_work(struct connection *c)
{
	struct pager_server *server = c->server;
	bool full;

	pthread_mutex_lock(&server->lock);
	full = server->workers >= SERVER_WORKERS_MAX;
	server->workers += !full;
	pthread_mutex_unlock(&server->lock);
	if (full) {
		refuse(c, EBUSY, "the pager has too many requests under way: try again later");
		return;
	}
	c->busy = true;
	if (detached_thread(work, c, WORKER_STACK) == 0)
		return;
	c->busy = false;
	pthread_mutex_lock(&server->lock);
	server->workers--;
	pthread_mutex_unlock(&server->lock);
	refuse(c, EAGAIN, "the pager can't start a thread for it");
}

/* What workers have to say */
static void collect(struct pager_server *server)
{
	uint64_t count;
	ssize_t n = read(server->wake, &count, sizeof(count));
	size_t i;

	(void)n;
	for (i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
		struct connection *c = &server->connection[i];
		json_t *reply = NULL;
		bool done;

		pthread_mutex_lock(&server->lock);
		done = c->done;
		c->done = false;
		if (done) {
			reply = c->reply;
			c->reply = NULL;
		}
		pthread_mutex_unlock(&server->lock);
		if (!done)
			continue;
		c->busy = false;
		say(c, reply);
	}
}

/* ---- requests ---- */

static void take_request(struct connection *c, size_t len)
{
	struct pager_server *server = c->server;
	struct err err = { "" };
	int rc = pager_request_parse(server->buf, len, &c->request, &err);

	if (rc < 0) {
		err_prefix(&err, rc, "the request");
		refuse(c, -rc, err.text);
		forget_client(c);
	} else if (c->request.action == PAGER_HELLO) {
		refuse(c, 0, "");
	} else if (pager_action_is_long(c->request.action)) {
		start_work(c);
	} else {
		say(c, server->service.answer(server->service.arg, &c->request));
	}
}

/* A message that is cut off has its whole length here, and descriptors that come along are
 * closed by the kernel */
static void hear(struct connection *c)
{
	struct pager_server *server = c->server;
	ssize_t n = recv(c->fd, server->buf, sizeof(server->buf), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		forget_client(c);
		return;
	}
	if ((size_t)n > sizeof(server->buf)) {
		refuse(c, EMSGSIZE, "the request is too long");
		forget_client(c);
		return;
	}
	take_request(c, (size_t)n);
}

/* ---- the loop ---- */

enum { POLL_STOP, POLL_WAKE, POLL_SERVICE, POLL_LISTENER, POLL_FIRST };

#define POLL_ALL (POLL_FIRST + SERVER_CONNECTIONS_MAX)

/* While a worker has its request a client may hang up as it likes */
static void prepare(const struct pager_server *server, int stop_fd, struct pollfd *p)
{
	size_t i;

	p[POLL_STOP] = (struct pollfd){ .fd = stop_fd, .events = POLLIN };
	p[POLL_WAKE] = (struct pollfd){ .fd = server->wake, .events = POLLIN };
	p[POLL_SERVICE] = (struct pollfd){ .fd = server->service.fd, .events = POLLIN };
	p[POLL_LISTENER] = (struct pollfd){ .fd = server->listener, .events = POLLIN };
	for (i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
		const struct connection *c = &server->connection[i];

		p[POLL_FIRST + i] = (struct pollfd){ .fd = c->busy ? -1 : c->fd, .events = POLLIN };
	}
}

static void serve(struct pager_server *server, const struct pollfd *p)
{
	size_t i;

	if (p[POLL_WAKE].revents)
		collect(server);
	for (i = 0; i < SERVER_CONNECTIONS_MAX; i++)
		if (p[POLL_FIRST + i].revents)
			hear(&server->connection[i]);
	/* Last: it may drop a client, whose place in @p is another's then */
	if (p[POLL_LISTENER].revents)
		greet(server);
}

static bool has_clients(const struct pager_server *server)
{
	size_t i;

	for (i = 0; i < SERVER_CONNECTIONS_MAX; i++)
		if (!is_free(&server->connection[i]))
			return true;
	return false;
}

static bool is_idle(struct pager_server *server, uint64_t idle_ms)
{
	if (!idle_ms || clock_ms() - server->last_client < idle_ms || has_clients(server))
		return false;
	return server->service.idle(server->service.arg);
}

/* Milliseconds.  Clients that are silent are dropped by a tick, and the last look whether the
 * daemon is needed is by one, too */
static uint64_t until_next(const struct pager_server *server, uint64_t next_tick, uint64_t idle_ms)
{
	uint64_t next = next_tick, end = server->last_client + idle_ms;

	if (has_clients(server))
		next = u64_min(next, server->ticked + SERVER_TICK_MS);
	if (idle_ms && server->ticked < end)
		next = u64_min(next, end);
	return clock_left_ms(next);
}

enum server_end pager_server_run(struct pager_server *server, int stop_fd, uint64_t idle_ms)
{
	struct pollfd p[POLL_ALL];
	uint64_t next_tick = 0;

	server->last_client = clock_ms();
	for (;;) {
		bool tick;
		uint64_t ms;
		int n;

		prepare(server, stop_fd, p);
		n = poll(p, POLL_ALL, (int)until_next(server, next_tick, idle_ms));
		if (n > 0 && p[POLL_STOP].revents)
			return SERVER_STOPPED;
		tick = (n > 0 && p[POLL_SERVICE].revents) ||
		       !until_next(server, next_tick, idle_ms);
		if (n > 0)
			serve(server, p);
		if (!tick)
			continue;
		ms = server->service.tick(server->service.arg);
		server->ticked = clock_ms();
		next_tick = server->ticked + ms;
		drop_silent(server);
		if (is_idle(server, idle_ms))
			return SERVER_IDLE;
	}
}

/* ---- begin and end ---- */

static int set_up(struct pager_server *server, int listener, const struct pager_service *service)
{
	pthread_condattr_t attr;
	int flags = fcntl(listener, F_GETFL);
	size_t i;

	if (flags < 0 || fcntl(listener, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->wake < 0)
		return -errno;
	server->listener = listener;
	server->service = *service;
	for (i = 0; i < SERVER_CONNECTIONS_MAX; i++)
		server->connection[i] = (struct connection){ .server = server, .fd = -1 };
	pthread_mutex_init(&server->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&server->ended, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

int pager_server_new(struct pager_server **server, int listener,
		     const struct pager_service *service, struct err *err)
{
	struct pager_server *new = calloc(1, sizeof(*new));
	int rc = new ? set_up(new, listener, service) : -ENOMEM;

	if (rc == 0) {
		*server = new;
		return 0;
	}
	free(new);
	return err_sys(err, -rc, "cannot serve " SOCKET_NAME);
}

static bool wait_for_workers(struct pager_server *server, uint64_t deadline)
{
	const struct timespec until = {
		.tv_sec = (time_t)(deadline / 1000),
		.tv_nsec = (long)(deadline % 1000) * 1000000,
	};
	bool none;

	pthread_mutex_lock(&server->lock);
	while (server->workers &&
	       pthread_cond_timedwait(&server->ended, &server->lock, &until) == 0)
		;
	none = !server->workers;
	pthread_mutex_unlock(&server->lock);
	return none;
}

bool pager_server_free(struct pager_server *server, uint64_t deadline)
{
	bool none = wait_for_workers(server, deadline);
	size_t i;

	/* Those who waited for them are told */
	collect(server);
	for (i = 0; i < SERVER_CONNECTIONS_MAX; i++)
		forget_client(&server->connection[i]);
	if (!none)
		return false;
	close(server->wake);
	pthread_cond_destroy(&server->ended);
	pthread_mutex_destroy(&server->lock);
	free(server);
	return true;
}

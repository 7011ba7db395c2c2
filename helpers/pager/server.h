/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's socket: connections, requests, replies.  What is asked is answered elsewhere.
 *
 * DOC: what a client can do to us
 *
 * Only root may connect, and the kernel says who did.  Connections are bounded, and each has one
 * request at a time: the next is read after the reply to the last.  A client that says nothing, or
 * does not read, is dropped; so is the one that is silent longest when a new one comes and there
 * is no room.  One thread, the loop, touches sockets.  A request that waits for a guest has a
 * thread of its own, so that the others are answered meanwhile; those threads are bounded too.
 */
#ifndef MEMBACKING_PAGER_SERVER_H
#define MEMBACKING_PAGER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "pager/protocol.h"

enum {
	SERVER_CONNECTIONS_MAX = 64,
	SERVER_WORKERS_MAX = 32,
	SERVER_SILENCE_MS = 10000,
	SERVER_TICK_MS = 1000,
};

/**
 * struct pager_service - Who answers
 * @answer:	From any thread, for requests that are not PAGER_HELLO.  The reply is the server's
 *		then; NULL: no memory
 * @tick:	From the loop: when @fd is readable, and when as many milliseconds have passed as it
 *		returned; once a second while there are clients
 * @idle:	From the loop: is there nothing for which the daemon must run on?
 * @fd:		Or -1
 */
struct pager_service {
	json_t *(*answer)(void *arg, const struct pager_request *request);
	uint64_t (*tick)(void *arg);
	bool (*idle)(void *arg);
	void *arg;
	int fd;
};

struct pager_server;

/**
 * pager_server_listen() - Make the socket in the state directory, in place of a dead daemon's
 *
 * The caller holds the lock that keeps a second daemon out.
 * Return: a descriptor; -EADDRINUSE: another program listens there; -errno
 */
int pager_server_listen(int state_dir, struct err *err);

/**
 * pager_server_new() - A server on a socket that listens
 * @listener:	Stays the caller's; made non-blocking
 */
int pager_server_new(struct pager_server **server, int listener,
		     const struct pager_service *service, struct err *err);

enum server_end { SERVER_STOPPED, SERVER_IDLE };

/**
 * pager_server_run() - Answer until there is a reason to end
 * @stop_fd:	Readable: end
 * @idle_ms:	End too when no client came for so long, and the service is idle; 0: don't
 */
enum server_end pager_server_run(struct pager_server *server, int stop_fd, uint64_t idle_ms);

/**
 * pager_server_free() - Drop all clients, and wait for the threads that work for one
 * @deadline:	clock_ms()
 *
 * Return: false: some of them still do.  Nothing is freed then, and the process must end without
 * taking away anything that they use
 */
bool pager_server_free(struct pager_server *server, uint64_t deadline);

#endif

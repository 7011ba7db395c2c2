/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What hook, command and the pager's daemon say to each other.
 *
 * A SOCK_SEQPACKET socket of the UNIX domain, one JSON object a message.  A connection may ask
 * several times, one request after the other's reply.
 *
 *	{"version": 1, "do": "adopt", "deadline_ms": 3000, "uuid": ..., "name": ..., "pid": 4711,
 *	 "limit_kib": 1048576}
 *	{"version": 1, "errno": 0}
 *	{"version": 1, "errno": 12, "error": "it does not fit"}
 *
 * Both sides take nothing on trust: types, sizes and the version are looked at before anything
 * else is.  Keys that a side doesn't know are ignored.
 */
#ifndef MEMBACKING_PAGER_PROTOCOL_H
#define MEMBACKING_PAGER_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

/* Where the daemon listens, below the state directory */
#define PAGER_SOCKET "pagerd.sock"

/* A daemon and a client of different versions refuse each other */
#define PAGER_PROTOCOL_VERSION 1

/* No message is longer, in either direction */
#define PAGER_MESSAGE_MAX ((size_t)64 * 1024)

enum { PAGER_UUID_SIZE = 37, PAGER_NAME_SIZE = 256, PAGER_SENTENCE_SIZE = 1024 };

/* No request is worked on for longer than a day, whatever its client would wait */
#define PAGER_DEADLINE_MAX_MS INT64_C(86400000)

enum pager_action {
	PAGER_HELLO,
	PAGER_ADOPT,
	PAGER_SET,
	PAGER_RELEASE,
	PAGER_FORGET,
	PAGER_STATUS,
};

/**
 * struct pager_request - One thing that is asked
 * @deadline_ms: How long the client waits; what takes longer is given up
 * @uuid:	In lower case: it becomes a directory's name.  Status: the guest after which the
 *		list goes on, or ""
 * @name:	Of the guest, whatever it is: for messages alone
 * @pid:	Of its QEMU
 * @limit_kib:	Resident; more than 0
 */
struct pager_request {
	enum pager_action action;
	uint64_t deadline_ms;
	char uuid[PAGER_UUID_SIZE];
	char name[PAGER_NAME_SIZE];
	uint64_t pid;
	uint64_t limit_kib;
};

/**
 * pager_request_parse() - Understand a message of a client's
 * @text:	@len bytes, any
 *
 * Return: 0; -EPROTO: of another version; -EINVAL, -EMSGSIZE, -ENOMEM
 */
int pager_request_parse(const char *text, size_t len, struct pager_request *request,
			struct err *err);

/* As a message, to be freed.  NULL: no memory */
char *pager_request_write(const struct pager_request *request);

/* The word for it in a message */
const char *pager_action_name(enum pager_action action);

/* Does it wait for a guest, so that others must not wait for it? */
bool pager_action_is_long(enum pager_action action);

/* A reply: @errnum 0: done.  NULL: no memory */
json_t *pager_reply(int errnum, const char *sentence);

/* As a message, to be freed.  NULL: no memory, or longer than a message may be */
char *pager_reply_write(const json_t *reply);

/**
 * pager_reply_parse() - Understand a message of the daemon's
 * @reply:	All of it, to be decref'ed; may be NULL
 *
 * Return: 0; what the daemon's errno says, with its sentence; -EPROTO: of another version, or no
 * reply at all; -ENOMEM
 */
int pager_reply_parse(const char *text, size_t len, json_t **reply, struct err *err);

#endif

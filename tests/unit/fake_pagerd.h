/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pager's daemon in a thread of the test: the server that the real one has, and a table of
 * guests that are names only.
 *
 *	FAKE_PAGERD(daemon);
 *	rc = pager_hello(daemon.state_dir, 1000, &err);
 */
#ifndef MEMBACKING_TESTS_FAKE_PAGERD_H
#define MEMBACKING_TESTS_FAKE_PAGERD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pager/protocol.h"
#include "pager/server.h"
#include "unit/unit.h"

enum { FAKE_PAGED_MAX = 300 };

struct fake_paged {
	char uuid[PAGER_UUID_SIZE];
	char name[PAGER_NAME_SIZE];
	pid_t pid;
	uint64_t limit_kib;
};

/**
 * struct fake_pagerd - It, and what it is to do
 * @state_dir:	With the socket in it
 * @work_ms:	How long a request takes that waits for a guest
 * @held:	And it goes on waiting until this is false
 * @errnum:	What such a request is answered with, and "the daemon says no"
 * @requests:	How many came that weren't "hello"
 */
struct fake_pagerd {
	int state_dir;
	int listener;
	int stop;
	pthread_t thread;
	pthread_mutex_t lock;
	struct pager_server *server;
	enum server_end end;
	uint64_t idle_ms;
	uint64_t work_ms;
	_Atomic bool held;
	int errnum;
	_Atomic unsigned int requests;
	size_t n;
	struct fake_paged guest[FAKE_PAGED_MAX];
};

void fake_pagerd_open(struct fake_pagerd *daemon, uint64_t idle_ms);

/* With its clients told, and its threads at an end */
void fake_pagerd_close(struct fake_pagerd *daemon);

/* Is this guest under it?  Its limit, or 0 */
uint64_t fake_pagerd_limit(struct fake_pagerd *daemon, const char *uuid);

#define FAKE_PAGERD(name)                                                                          \
	UNIT_FIXTURE(struct fake_pagerd, name, fake_pagerd_close, fake_pagerd_open(&(name), 0))

#endif

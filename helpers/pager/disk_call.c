// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Threads that wait for a disk in the place of others.
 */
#include "pager/disk_call.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "pager/detached_thread.h"

/* How long it takes to see that a call was given up; and of dm-crypt's libraries, a stack */
enum { LOOK_MS = 50, STACK_BYTES = 256 << 10 };

/* The last of both frees it */
struct waiting {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct disk_call *call;
	bool made, left;
};

static struct waiting *waiting_new(struct disk_call *call)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));
	pthread_condattr_t attr;

	if (!waiting)
		return NULL;
	waiting->call = call;
	pthread_mutex_init(&waiting->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&waiting->changed, &attr);
	pthread_condattr_destroy(&attr);
	return waiting;
}

static void waiting_free(struct waiting *waiting)
{
	pthread_cond_destroy(&waiting->changed);
	pthread_mutex_destroy(&waiting->lock);
	free(waiting);
}

static void *make_call(void *arg)
{
	struct waiting *waiting = arg;
	struct disk_call *call = waiting->call;
	bool left;

	pthread_setname_np(pthread_self(), "disk");
	call->run(call);
	pthread_mutex_lock(&waiting->lock);
	waiting->made = true;
	left = waiting->left;
	pthread_cond_signal(&waiting->changed);
	pthread_mutex_unlock(&waiting->lock);
	if (left) {
		call->drop(call);
		waiting_free(waiting);
	}
	return NULL;
}

static void wait_a_little(struct waiting *waiting)
{
	uint64_t until = clock_ms() + LOOK_MS;
	const struct timespec at = {
		.tv_sec = (time_t)(until / 1000),
		.tv_nsec = (long)(until % 1000) * 1000000,
	};

	pthread_cond_timedwait(&waiting->changed, &waiting->lock, &at);
}

bool disk_call_run(struct disk_call *call, const _Atomic bool *given_up, uint64_t ms)
{
	struct waiting *waiting = waiting_new(call);
	uint64_t end = clock_ms() + ms;
	bool made;

	if (!waiting || detached_thread(make_call, waiting, STACK_BYTES) != 0) {
		if (waiting)
			waiting_free(waiting);
		call->run(call);
		return true;
	}
	pthread_mutex_lock(&waiting->lock);
	while (!waiting->made && !(given_up && *given_up) && !(ms && !clock_left_ms(end)))
		wait_a_little(waiting);
	made = waiting->made;
	waiting->left = !made;
	pthread_mutex_unlock(&waiting->lock);
	if (made)
		waiting_free(waiting);
	return made;
}

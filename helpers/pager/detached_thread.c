// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Starts the daemon's threads that end by themselves.
 */
#include "pager/detached_thread.h"

#include <pthread.h>

int detached_thread(void *(*work)(void *arg), void *arg, size_t stack)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc = pthread_attr_init(&attr);

	if (rc)
		return rc;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, stack);
	rc = pthread_create(&thread, &attr, work, arg);
	pthread_attr_destroy(&attr);
	return rc;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads of the daemon that end by themselves.
 */
#ifndef MEMBACKING_PAGER_DETACHED_THREAD_H
#define MEMBACKING_PAGER_DETACHED_THREAD_H

#include <stddef.h>

/**
 * detached_thread() - Start a thread that no other thread joins
 * @stack:	Its bytes: the daemon's memory is locked, so they are few
 *
 * Return: 0, or a positive errno value as pthread_create() has it
 */
int detached_thread(void *(*work)(void *arg), void *arg, size_t stack);

#endif

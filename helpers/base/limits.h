/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Types of the arguments of setrlimit() and setitimer(): glibc has an enum for each where musl has
 * an int.
 */
#ifndef MEMBACKING_BASE_LIMITS_H
#define MEMBACKING_BASE_LIMITS_H

#include <sys/resource.h>
#include <sys/time.h>

#ifdef __GLIBC__
typedef __rlimit_resource_t limit_resource;
typedef __itimer_which_t which_timer;
#else
typedef int limit_resource;
typedef int which_timer;
#endif

#endif

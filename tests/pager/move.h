/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is between two pagers, for tests: a map in a file, and one with what is held, each page at
 * its place.
 */
#ifndef TESTS_PAGER_MOVE_H
#define TESTS_PAGER_MOVE_H

#include "pager/guest_pager.h"

/* Of all pages, or with the changes since an epoch added to what is there.  Return: 0 or -errno */
int move_send(struct guest_pager *pager, const char *uuid, const char *map, const char *held,
	      uint64_t since, struct err *err);
/* Into the memory of a guest that no pager has yet */
int move_put(const struct ram *ram, const char *map, const char *held, struct err *err);

#endif

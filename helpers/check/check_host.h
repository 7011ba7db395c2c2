/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading all that checks look at.
 */
#ifndef MEMBACKING_CHECK_CHECK_HOST_H
#define MEMBACKING_CHECK_CHECK_HOST_H

#include "check/check.h"
#include "lifecycle/session.h"

/**
 * struct check_scope - What a check is asked about
 * @captured:	The host is a captured tree: there is no libvirt, and libmount knows other disks
 * @n_names, @names: Guests' names or UUIDs; none: all guests
 */
struct check_scope {
	bool captured;
	size_t n_names;
	char **names;
};

/* @session: opened for reading, and read */
int check_host_read(const struct check_scope *scope, const struct session *session,
		    struct check_host *host, struct err *err);
void check_host_free(struct check_host *host);

#endif

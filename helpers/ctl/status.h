/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What "virt-membacking status" shows, in text and in JSON.
 */
#ifndef MEMBACKING_CTL_STATUS_H
#define MEMBACKING_CTL_STATUS_H

#include <jansson.h>
#include <stdbool.h>

#include "ctl/look.h"
#include "memory/ksm.h"
#include "memory/thp.h"

/**
 * struct status - The host and its guests at one moment
 * @has_ksm, @has_thp: Whether this kernel has such a thing
 */
struct status {
	struct look look;
	bool has_ksm;
	struct ksm ksm;
	bool has_thp;
	struct thp thp;
};

struct ctl;

/**
 * status_read() - Look at the host and the ledgers.  Takes no lock and changes nothing
 * @status:	To be ended by status_close(), in any case
 */
int status_read(const struct ctl *ctl, struct status *status, struct err *err);
void status_close(struct status *status);

/* NULL when memory ran out */
json_t *status_to_json(const struct status *status);

int status_print(const struct status *status, struct err *err);

#endif

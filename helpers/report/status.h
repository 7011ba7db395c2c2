/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What "virt-membacking status" shows, in text and in JSON.
 */
#ifndef MEMBACKING_REPORT_STATUS_H
#define MEMBACKING_REPORT_STATUS_H

#include <jansson.h>
#include <stdbool.h>

#include "lifecycle/look.h"
#include "memory/ksm.h"
#include "memory/thp.h"
#include "policy/ksm_rules.h"

/**
 * struct status_guest - What a guest has of the host's memory
 * @ledger:	NULL: it runs, and holds nothing of ours
 * @gain:	Why KSM can't merge its pages; KSM_GAINS also where that is not known
 * @has_saved:	@saved_kib is known: by KSM, less its bookkeeping
 * @has_thp:	@thp is known.  Not without root
 */
struct status_guest {
	const struct ledger *ledger;
	char name[GUEST_NAME_SIZE];
	char uuid[GUEST_UUID_SIZE];
	enum ksm_gain gain;
	bool has_saved;
	int64_t saved_kib;
	bool has_thp;
	struct thp_process thp;
};

/**
 * struct status - The host and its guests at one moment
 * @hook_runs:	As hook_would_run() says
 * @has_ksm, @has_thp: Whether this kernel has such a thing
 * @guests:	Those with a ledger, in the ledgers' order, then others that run, by name
 */
struct status {
	int hook_runs;
	struct look look;
	bool has_ksm;
	struct ksm ksm;
	bool has_thp;
	struct thp thp;
	size_t n_guests;
	struct status_guest *guests;
};

struct ctl;

/**
 * status_read() - Look at the host and the ledgers.  Takes no lock and changes nothing
 * @status:	To be ended by status_close(), in any case
 */
int status_read(const struct ctl *ctl, struct status *status, struct err *err);
void status_close(struct status *status);

/* Fill @status->guests.  -ENOMEM only */
int status_read_guests(struct status *status, struct err *err);

/* NULL when memory ran out */
json_t *status_to_json(const struct status *status);

int status_print(const struct status *status, struct err *err);

#endif

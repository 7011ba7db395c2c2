/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The answer to "status": as many guests as one message takes.
 */
#ifndef MEMBACKING_PAGER_GUESTS_STATUS_H
#define MEMBACKING_PAGER_GUESTS_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "pager/paged_guest.h"

/**
 * enum guest_state - What the daemon is doing with a guest
 * @STATE_WAITING: An earlier daemon's, not taken over yet: it stands
 */
enum guest_state {
	STATE_NONE,
	STATE_ADOPTING,
	STATE_PAGING,
	STATE_RELEASING,
	STATE_WAITING,
	STATE_ENDING,
};

/* Static string */
const char *guest_state_name(enum guest_state state);

struct guests_pressure;

/**
 * struct guests_status - An answer in the making
 * @guests:	NULL: memory ran out
 * @next:	The guest after which it goes on, if there are more
 */
struct guests_status {
	json_t *guests;
	json_t *pressure;
	size_t bytes;
	bool more;
	char next[PAGER_UUID_SIZE];
};

void guests_status_begin(struct guests_status *status, const struct guests_pressure *pressure);
/* Return: false: no more fits */
bool guests_status_add(struct guests_status *status, struct paged_guest *guest,
		       enum guest_state state);
/* The reply.  NULL: no memory */
json_t *guests_status_end(struct guests_status *status, struct tier_budgets *budgets);

#endif

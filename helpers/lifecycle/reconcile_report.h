/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was given back, and what is left: written by reconcile(), shown by the commands.
 */
#ifndef MEMBACKING_LIFECYCLE_RECONCILE_REPORT_H
#define MEMBACKING_LIFECYCLE_RECONCILE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"
#include "guest/guest.h"
#include "memory/store.h"

struct ledger;

/**
 * struct reconciled_guest - A guest that was not alive
 * @complete:	false: something is left
 * @why:	Why something is left; or, where it isn't the usual, why it was given back
 */
struct reconciled_guest {
	char name[GUEST_NAME_SIZE];
	char uuid[GUEST_UUID_SIZE];
	bool complete;
	char why[256];
};

/* A directory that was removed from a store, or why it stays */
struct reconciled_directory {
	char store[CONFIG_PATH_SIZE];
	char directory[STORE_NAME_SIZE];
	uint64_t kib;
	bool removed;
	char why[256];
};

/**
 * struct reconcile_left - What no round has come to in time
 * @guests:	That are gone, and whose ledgers were not looked at
 * @directories: Of no running guest, in stores
 */
struct reconcile_left {
	size_t guests;
	size_t directories;
};

/**
 * struct reconcile_report - Of all rounds of a session, each guest and directory once
 * @shared_left: Why a shared setting could not be put back; or empty
 * @left:	After the last round
 */
struct reconcile_report {
	size_t n_guests;
	struct reconciled_guest *guests;
	size_t n_directories;
	struct reconciled_directory *directories;
	struct err shared_left;
	struct reconcile_left left;
};

/**
 * reconcile_report_guest() - Note what came of a guest
 * @why:	Empty, or as in struct reconciled_guest
 * Return: false if the same was noted before: it need not be logged again
 */
bool reconcile_report_guest(struct reconcile_report *report, const struct ledger *ledger,
			    bool complete, const char *why);

/* @why: NULL if it was removed.  It need not be text */
void reconcile_report_directory(struct reconcile_report *report, const char *store,
				const char *directory, uint64_t kib, const char *why);

/* Is there an entry of this guest? */
bool reconcile_report_has(const struct reconcile_report *report, const char *uuid);

/* Is there a guest that still holds something, or one that was not looked at? */
bool reconcile_report_waits(const struct reconcile_report *report);

/* By name, then UUID; by store, then directory */
void reconcile_report_sort(struct reconcile_report *report);

void reconcile_report_free(struct reconcile_report *report);

#endif

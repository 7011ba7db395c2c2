/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DOC: status, computed once
 *
 * What "status" says of the host and its guests is a struct status_report.  status in text, in
 * JSON and metrics only render it: whatever one of them says of a store, the others say too.
 * Memory is in KiB, pools are in pages.
 */
#ifndef MEMBACKING_REPORT_STATUS_REPORT_H
#define MEMBACKING_REPORT_STATUS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "lifecycle/refusals.h"
#include "lifecycle/session.h"
#include "memory/ksm.h"
#include "memory/thp.h"
#include "policy/ksm_rules.h"
#include "policy/step.h"
#include "report/overcommit_report.h"

struct kfs;

/* yes, no, or not known */
enum report_answer { REPORT_UNKNOWN = -1, REPORT_NO, REPORT_YES };

/* A number of KiB, where it is known */
struct report_kib {
	bool known;
	int64_t kib;
};

/**
 * struct report_pool - The huge pages of one size on one node
 * @reserved:	By the kernel, on whatever node
 * @own, @kept, @foreign: Persistent pages that we added; of these, kept after their guest;
 *		and pages that we did not add
 */
struct report_pool {
	uint64_t page_kib;
	unsigned int node;
	uint64_t total;
	uint64_t free;
	uint64_t reserved;
	uint64_t surplus;
	uint64_t claimed;
	uint64_t own;
	uint64_t kept;
	uint64_t foreign;
	uint64_t idle;
};

/**
 * struct report_node - A NUMA node
 * @reclaimable_kib: Without swap: cache, what the kernel can give back, and ZFS
 */
struct report_node {
	unsigned int id;
	uint64_t total_kib;
	uint64_t free_kib;
	uint64_t reclaimable_kib;
	size_t n_pools;
	const struct report_pool *pools; /* of the report's */
};

/* The kernel's reservations of pages of one size, on all nodes together */
struct report_reservation {
	uint64_t page_kib;
	uint64_t pages;
};

/**
 * struct report_store - A file system with guests' memory in files
 * @mounted:	store_is_mounted()
 * @fstype, @source: NULL where nothing is known, as of a store that is not mounted yet
 * @planned_kib: What it will have once it is mounted; 0: it is, or that is not known
 * @capacity_kib, @used_kib, @available_kib, @keep_free_kib: 0 likewise
 * @problem:	Why guests could not use it as it is: a sentence.  NULL: they can
 * @shown:	Worth a person's look: it is configured, or guests have memory in it
 * @problem_text: What @problem points at
 */
struct report_store {
	const char *name;
	const char *path;
	bool configured;
	bool in_use;
	bool mounted;
	bool shown;
	const char *fstype;
	const char *source;
	uint64_t planned_kib;
	uint64_t capacity_kib;
	uint64_t used_kib;
	uint64_t available_kib;
	uint64_t keep_free_kib;
	uint64_t promised_kib;
	uint64_t outstanding_kib;
	size_t n_promises;
	struct store_promise *promises; /* the host view's */
	const char *problem;
	struct err problem_text;
};

struct report_ksm {
	bool present;
	uint64_t run;
	int64_t saved_kib;
};

/* NULL for a setting that this kernel doesn't have */
struct report_thp {
	bool present;
	const char *enabled;
	const char *defrag;
	const char *shmem_enabled;
};

/**
 * struct report_guest - What a guest has of the host's memory
 * @ledger:	NULL: it runs, and holds nothing of ours
 * @gone:	Its QEMU is not there.  A guest without a ledger runs, or it would not be here
 * @phase:	"unknown" for a ledger of another version
 * @held, @files: In static huge pages, and promised in stores
 * @gain:	Why KSM can't merge its pages; KSM_GAINS also where that is not known
 * @no_ksm, @no_ksm_why: The same in a word and in a sentence, or NULL
 * @overcommit:	Of a guest under the pager
 * @saved:	By KSM, less its bookkeeping
 * @resident, @anon, @shmem: Without static huge pages; of that anonymous in transparent huge
 *		pages, and shared and mapped as huge pages.  Not known without root
 */
struct report_guest {
	const struct ledger *ledger;
	char name[GUEST_NAME_SIZE];
	char uuid[GUEST_UUID_SIZE];
	const char *phase;
	enum report_answer alive;
	bool gone;
	struct step_list steps; /* the ledger's */
	struct report_kib held;
	struct report_kib files;
	enum ksm_gain gain;
	const char *no_ksm;
	const char *no_ksm_why;
	struct report_overcommit overcommit;
	struct report_kib saved;
	struct report_kib resident;
	struct report_kib anon;
	struct report_kib shmem;
};

struct report_damaged {
	const char *uuid;
	const char *why;
};

/**
 * struct status_report - The host and its guests at one moment
 * @hook_enabled: Would libvirt run the qemu hook?
 * @n_mistakes:	In the configuration
 * @pools:	Of all nodes, one node's after the other's
 * @arc_kib:	What ZFS could give back of its cache
 * @store_missing: Why guests can't have the configured stores; empty: they can
 * @pager:	What the pager's daemon said, if a guest is under it
 * @guests:	Those with a ledger, in the ledgers' order, then others that run, by name
 * @refusals: Starts that were refused; root alone may read them
 * @n_waiting:	Ledgers of guests that are gone
 */
struct status_report {
	struct session session;
	enum report_answer hook_enabled;
	uint64_t n_mistakes;
	size_t n_nodes;
	struct report_node *nodes;
	size_t n_pools;
	struct report_pool *pools;
	size_t n_reservations;
	struct report_reservation *reservations;
	uint64_t arc_kib;
	size_t n_stores;
	struct report_store *stores;
	struct err store_missing;
	struct report_ksm ksm;
	struct report_thp thp;
	struct thp thp_words; /* what @thp points at */
	struct overcommit_answer pager;
	size_t n_guests;
	struct report_guest *guests;
	size_t n_ledgers;
	size_t n_waiting;
	struct refusals refusals;
	size_t n_damaged;
	struct report_damaged *damaged;
};

/**
 * status_report_read() - Look at the host and the ledgers.  Takes no lock and changes nothing
 * @captured:	@kfs is a captured host, and not this one
 * @report:	To be ended by status_report_close(), in any case.  @hook_enabled is the caller's
 */
int status_report_read(const struct kfs *kfs, bool captured, struct status_report *report,
		       struct err *err);
void status_report_close(struct status_report *report);

/* Fill @report->guests.  -ENOMEM only */
int status_report_guests(struct status_report *report, struct err *err);

/**
 * status_guests_by_name() - Where each guest of the report is, "web2" before "web10"
 *
 * The guests themselves stay in their order: data of theirs points into them.
 *
 * Return: @report->n_guests addresses, to be freed; NULL without memory.
 */
const struct report_guest **status_guests_by_name(const struct status_report *report);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guests of this daemon: a table, and what is asked of it.
 *
 * DOC: who has a guest
 *
 * A guest that is being adopted, taken over, released or ended is busy: one thread has it, and
 * others wait for that one until their deadline, or go on without.  The table's lock protects the
 * list and who is busy; it is never held while a guest is waited for.
 */
#ifndef MEMBACKING_PAGER_PAGER_GUESTS_H
#define MEMBACKING_PAGER_PAGER_GUESTS_H

#include <stdbool.h>

#include <jansson.h>

#include "base/err.h"
#include "config/config.h"
#include "config/config_tiers.h"
#include "kernel/kfs.h"
#include "pager/protocol.h"

struct pager_guests;

/**
 * struct pager_guests_options
 * @state_dir:	/run/libvirt-membacking, as an open descriptor; the caller's
 * @host_kib:	The host's memory
 * @adopt_program: NULL: where virt-membacking-adopt is installed
 * @overcommit:	What guests give while the host is short of memory.  NULL: nothing
 * @idle_ms:	A page that was not used for so long is idle; 0: half a minute
 */
struct pager_guests_options {
	const struct kfs *kfs;
	int state_dir;
	uint64_t host_kib;
	const char *adopt_program;
	const struct config_tiers *tiers;
	const struct config_overcommit *overcommit;
	uint64_t idle_ms;
};

int pager_guests_new(struct pager_guests **guests, const struct pager_guests_options *options,
		     struct err *err);

/**
 * pager_guests_find() - Begin to take over what an earlier daemon has left
 *
 * Each guest by a thread of its own; those that can't be taken over now are tried again.
 * Return: how many there are, or -errno
 */
int pager_guests_find(struct pager_guests *guests, struct err *err);

/* Another configuration: see tier_budgets_set() */
void pager_guests_set_tiers(struct pager_guests *guests, const struct config_tiers *tiers,
			    bool encrypt);

/* The same of what guests give while the host is short of memory.  The loop's */
void pager_guests_set_pressure(struct pager_guests *guests,
			       const struct config_overcommit *overcommit);

/* What struct pager_service wants; @arg is the struct pager_guests */
json_t *pager_guests_answer(void *arg, const struct pager_request *request);
uint64_t pager_guests_tick(void *arg);
bool pager_guests_idle(void *arg);
/* Readable when a guest's QEMU has ended */
int pager_guests_fd(const struct pager_guests *guests);
/* How many are paged, or wait for it */
unsigned int pager_guests_count(struct pager_guests *guests);

/**
 * pager_guests_may_end() - Would a guest lose pages if this process ended now?
 *
 * One whose QEMU has closed its userfaultfd or a pipe: no other daemon can go on with it, and with
 * our copies its holes would read as zeros.  It is released here, until the @deadline (clock_ms()).
 *
 * Return: 0: none would; -errno: that guest can't be released, and this process must not end
 */
int pager_guests_may_end(struct pager_guests *guests, uint64_t deadline, struct err *err);
/**
 * pager_guests_stop() - Leave all guests to the next daemon
 * @deadline:	clock_ms(), for the threads that have one
 *
 * Return: false: some still do, or wait for a disk, and nothing is freed.  The process may end all
 * the same: files and guests are then as after a SIGKILL
 */
bool pager_guests_stop(struct pager_guests *guests, uint64_t deadline);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A round: from taking the host lock to letting it go.
 *
 * DOC: what every round begins with
 *
 * Lock; read the ledgers; replace what dead processes had under way by what the
 * kernel says came of it; tell the living from the dead; read the host; give
 * back what the dead still hold.  After that the ledgers and the host view are
 * true until the lock is let go.
 */
#ifndef MEMBACKING_LIFECYCLE_ROUND_H
#define MEMBACKING_LIFECYCLE_ROUND_H

#include <errno.h>

#include "config/config.h"
#include "lifecycle/accounts.h"
#include "lifecycle/ledger.h"
#include "lifecycle/state.h"
#include "memory/store.h"
#include "policy/host_view.h"
#include "steps/steps.h"

/* What could not be given back now is given back by a later operation: it is in use for
 * the moment (-EAGAIN), or its file system does not answer */
static inline bool round_waits(int rc)
{
	return rc == -EAGAIN || rc == -ETIMEDOUT;
}

/**
 * struct settled - One guest that was not alive
 * @complete:	false: something is left
 * @why:	Why something is left; or, where it isn't the usual, why it was settled
 */
struct settled {
	char name[GUEST_NAME_SIZE];
	char uuid[GUEST_UUID_SIZE];
	bool complete;
	char why[256];
};

/* A directory that was removed, or why it stays */
struct swept {
	char store[CONFIG_PATH_SIZE];
	char directory[STORE_NAME_SIZE];
	uint64_t kib;
	bool removed;
	char why[256];
};

struct guest;

struct round {
	const struct kfs *kfs;
	struct state *state;
	uint64_t lock_deadline_ms;
	char boot_id[LEDGER_BOOT_ID_SIZE];
	struct ledgers ledgers;
	struct host_view host;
	struct accounts accounts;
	bool warned; /* of ledgers that nothing can be done about */
	/* Set by the caller after round_init(): stores are looked at only where there is a
	 * configuration to say which.  @guest: who is to be started, or NULL */
	const struct config *config;
	const struct guest *guest;
	/* Called after each change of a ledger that is being prepared, for those who want
	 * to show how far it is.  Set by the caller after round_init() */
	void (*progress)(struct round *round, const struct ledger *ledger);
	void *progress_arg;
	struct err shared_left; /* why a shared setting could not be put back; or empty */
	/* Directories of no living guest that were found in stores, since round_init() */
	size_t n_swept;
	struct swept *swept;
	size_t n_settled;
	struct settled *settled; /* of all rounds since round_init(), each guest once */
};

void round_init(struct round *round, const struct kfs *kfs, struct state *state,
		uint64_t lock_deadline_ms);

/**
 * round_begin() - Take the lock and bring everything up to date
 * @deadline:	clock_ms() for the lock; 0: don't wait (-EAGAIN)
 * @own:	UUID whose ledger is the caller's own business: not settled.  Or NULL
 */
int round_begin(struct round *round, uint64_t deadline, const char *own, struct err *err);

/**
 * round_confirm() - Take the lock and replace what was under way by what came of it
 *
 * Nothing else: for those who change pools on nobody's behalf, and may not be able to see
 * which processes there are.  @round->host has the kernel's side only.
 */
int round_confirm(struct round *round, uint64_t deadline, struct err *err);

/* Let the lock go */
void round_end(struct round *round);
void round_free(struct round *round);

/**
 * round_look() - The same picture without lock and without changing anything
 *
 * For status and plan.  Reading needs no root where the kernel allows it; a
 * missing state directory is one without ledgers.
 */
int round_look(struct round *round, struct err *err);

/* Read the host again, after something was given back */
int round_refresh(struct round *round, struct err *err);

/* Is the guest of @ledger alive, as far as its locks tell? */
bool round_alive(const struct round *round, const struct ledger *ledger);

/**
 * round_apply() - Apply @ledger's steps, saving it before and after each change
 *
 * The lock may be let go and taken again in between.  On failure everything is
 * undone and the ledger removed.
 */
int round_apply(struct round *round, struct ledger *ledger, uint64_t deadline, struct err *err);

/**
 * round_finish() - Apply those of @ledger's steps that are not complete
 *
 * For a guest that runs already, whatever comes of it: nothing is undone on failure.
 */
int round_finish(struct round *round, struct ledger *ledger, uint64_t deadline, struct err *err);

/**
 * round_extend() - Apply the steps of @ledger from @first on, and save it
 *
 * As round_apply(), but what failed takes only these steps with it: those before
 * @first stay as they are, and so does the ledger.
 * Return: also -ECANCELED, if another operation has the ledger now
 */
int round_extend(struct round *round, struct ledger *ledger, size_t first, uint64_t deadline,
		 struct err *err);

/**
 * round_give_back() - Take back the steps of @ledger from @first on
 * Return: 0, or -EAGAIN with what is still in use left in @ledger
 */
int round_give_back(struct round *round, struct ledger *ledger, size_t first, struct err *err);

/**
 * round_settle() - Give back what @ledger holds and remove it
 * Return: 0, or -EAGAIN with the ledger left behind as "leaving"
 */
int round_settle(struct round *round, struct ledger *ledger, enum undo_reason reason,
		 struct err *err);

/**
 * round_settle_guest() - Settle one guest in rounds of its own
 * @ledger:	As it was read: a later one of the same guest is left alone
 * @force:	Even if it is alive.  A reservation by hand needs no force
 *
 * Pages that are not idle yet are waited for a moment, without the lock.
 * Return: 0 also when there is no such ledger (any more); -EAGAIN as
 * round_settle(); -EBUSY with who keeps the guest alive
 */
int round_settle_guest(struct round *round, const struct ledger *ledger, bool force,
		       struct err *err);

/**
 * round_settle_all() - Settle all that are not alive, and nothing else
 *
 * Waits as round_settle_guest() does.  What came of it is in @round->settled.
 * The lock is let go.
 */
int round_settle_all(struct round *round, struct err *err);

#endif

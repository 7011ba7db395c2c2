/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger: the steps that a guest holds, as a JSON file in the state directory.
 */
#ifndef MEMBACKING_LIFECYCLE_LEDGER_H
#define MEMBACKING_LIFECYCLE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/guest.h"
#include "lifecycle/liveness.h"
#include "lifecycle/qemu_memory.h"
#include "policy/step.h"

struct kfs;
struct state;

/*
 * The format that is written, and the oldest that is read.  A new field that may be missing
 * needs no new version; one that older programs must not overlook does.  May be set by the
 * compiler: packages are tested with their successor
 */
#ifndef LEDGER_VERSION
#define LEDGER_VERSION 1
#endif
#define LEDGER_OLDEST	    1
#define LEDGER_BOOT_ID_SIZE 64
#define LEDGER_WORD_SIZE    32
#define LEDGER_TOKEN_SIZE   33

enum ledger_phase {
	LEDGER_RESERVED, /* by hand, ahead of a start */
	LEDGER_PREPARED, /* prepare has begun; QEMU may not be there yet */
	LEDGER_RUNNING,
	LEDGER_LEAVING, /* on the way out: never alive */
};

/**
 * struct ledger_qemu - What was seen of a guest's QEMU
 * @found, @found_pid: It was looked for a moment ago, and this is what was found; 0: none, or not
 * seen
 * @again:	clock_ms() from when on its memory is looked at again
 */
struct ledger_qemu {
	bool found;
	pid_t found_pid;
	pid_t pid;
	uint64_t again;
	struct qemu_memory mapped;
	struct qemu_memory reserved;
};

/**
 * struct ledger - What a guest holds
 * @foreign_version: Written by another version of this program: left alone, and
 *		nothing but @uuid and @name is known of it
 * @token:	Which incarnation this is: made anew with each start and each reservation,
 *		and compared by all that is written later.  Empty in ledgers of earlier
 *		versions
 * @id:		libvirt's id at prepare: tells a second call for the same start
 *		from the next start
 * @driver:	Who called prepare
 * @no_ksm:	Why KSM can't merge the guest's pages, in the word of ksm_rules_word();
 *		empty where it can, or where that was not read
 * @reserving:	The process that is reserving pages for the guest by hand at this
 *		moment, or was when it died.  PID 0: none
 * @alive:	Not stored: what the last round found out
 * @qemu:	Not stored: what view_account() saw of its QEMU
 */
struct ledger {
	char uuid[GUEST_UUID_SIZE];
	char name[GUEST_NAME_SIZE];
	bool foreign_version;
	enum ledger_phase phase;
	char token[LEDGER_TOKEN_SIZE];
	int64_t id;
	char boot_id[LEDGER_BOOT_ID_SIZE];
	struct process driver;
	char no_ksm[LEDGER_WORD_SIZE];
	struct process reserving;
	bool alive;
	struct ledger_qemu qemu;
	struct step_list list;
};

/* A file that should be a ledger and can't be read: what it holds is unknown */
struct damaged_ledger {
	char uuid[GUEST_UUID_SIZE];
	bool is_link; /* never written by us: there is nothing in it to be lost */
	struct err why;
};

struct ledgers {
	size_t n;
	struct ledger **list;
	size_t n_damaged;
	struct damaged_ledger *damaged;
};

const char *ledger_phase_name(enum ledger_phase phase);

/* This boot, as ledgers name it */
int ledger_boot_id(const struct kfs *kfs, char boot_id[LEDGER_BOOT_ID_SIZE], struct err *err);

/**
 * ledger_read() - One guest's ledger
 * Return: 0, -ENOENT, -EINVAL (damaged, with a sentence that names the file)
 */
int ledger_read(const struct state *state, const char *uuid, struct ledger **ledger,
		struct err *err);

/**
 * ledger_create() - The first write of a start, a reservation, or a guest that is adopted
 *
 * Under the host lock.  @ledger gets a token of its own.  A ledger that the guest had is
 * replaced: the caller has given it back, or @ledger has what is left of it.  One that can't be
 * read is not: what it holds would be lost.
 * Return: also -EINVAL, -EEXIST (of another version)
 */
int ledger_create(const struct state *state, struct ledger *ledger, struct err *err);

/**
 * ledger_write() - Each later write
 *
 * Under the host lock.
 * Return: also -ENOENT if the ledger is gone, and must not come back; -ESTALE if the file
 * is a later ledger of the same guest
 */
int ledger_write(const struct state *state, const struct ledger *ledger, struct err *err);

/**
 * ledger_adopt() - The ledger of a guest that runs and held nothing when that was looked at
 *
 * Without the host lock.  Pages may have been reserved for it since: what is written
 * down of these must not be lost.  @ledger gets its token.
 * Return: also -EEXIST, if its ledger holds something by now: that stays
 */
int ledger_adopt(const struct state *state, struct ledger *ledger, struct err *err);

/**
 * ledger_mark() - Change the phase of a guest's ledger and nothing else
 * @seen:	The ledger as it was read before
 * @ledger:	Result: the ledger as it is then; may be NULL
 *
 * Without the host lock.  What another process appends to the ledger meanwhile is kept.
 * Return: 0, -ENOENT, -ESTALE (a later one), -EEXIST (of another version), ...
 */
int ledger_mark(const struct state *state, const struct ledger *seen, enum ledger_phase phase,
		struct ledger **ledger, struct err *err);

/**
 * ledger_save_running() - ledger_write() of a guest that may end at any moment
 *
 * Under the host lock.  If its end was marked meanwhile, or what ledger_save_found() writes, that
 * stays, in @ledger too.
 * Return: also -ECANCELED, when its end was marked: all is written down nonetheless;
 * -ENOENT if there is no such ledger any more; -ESTALE as ledger_write()
 */
int ledger_save_running(const struct state *state, struct ledger *ledger, struct err *err);

/**
 * ledger_save_found() - Write down what was found out while the guest runs, and nothing else
 *
 * Where @ledger's files lie, and what step_list_started() noted in its steps.
 *
 * Without the host lock.
 * Return: as ledger_mark()
 */
int ledger_save_found(const struct state *state, const struct ledger *ledger, struct err *err);

/**
 * ledger_remove() - Remove the ledger of a guest that holds nothing any more
 * Return: 0 also if it is gone; -ESTALE as ledger_write()
 */
int ledger_remove(const struct state *state, const struct ledger *ledger, struct err *err);

/* Remove a ledger that can't be read, or is another version's */
int ledger_give_up(const struct state *state, const char *uuid, struct err *err);

/**
 * ledgers_read() - All of them, by rising UUID
 *
 * One that can't be read is put aside in @ledgers->damaged: it must not keep
 * other guests from starting.  Leftovers of interrupted writes are removed if
 * @clean.
 */
int ledgers_read(const struct state *state, bool clean, struct ledgers *ledgers, struct err *err);
void ledgers_free(struct ledgers *ledgers);

/* NULL if there is none.  A guest's name may look like another's UUID */
struct ledger *ledgers_find_uuid(const struct ledgers *ledgers, const char *uuid);
struct ledger *ledgers_find_name(const struct ledgers *ledgers, const char *name);

/* What a person has typed: a UUID in any case; else a name */
struct ledger *ledgers_find(const struct ledgers *ledgers, const char *guest);

/* Why the ledger with this UUID can't be read, and must not be replaced; NULL: it can, or
 * there is none */
const struct err *ledgers_damaged(const struct ledgers *ledgers, const char *uuid);

/* Puts @ledger at the end of @ledgers, which owns it then.  -ENOMEM: it does not */
int ledgers_add(struct ledgers *ledgers, struct ledger *ledger);

/* Takes @ledger out of @ledgers; the caller owns it then */
void ledgers_take(struct ledgers *ledgers, const struct ledger *ledger);

/* Refuse a ledger of another version: -EEXIST with what would help */
int ledger_other_version(const struct ledger *ledger, struct err *err);

void ledger_free(struct ledger *ledger);

#endif

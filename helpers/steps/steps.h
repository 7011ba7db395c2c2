/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can be done with a step, whatever its kind.
 *
 * A kind is one file with one struct step_ops, and one row in the table in
 * steps.c.  The plan, the ledger, the dry run and the release all go through
 * the functions below.
 */
#ifndef MEMBACKING_STEPS_STEPS_H
#define MEMBACKING_STEPS_STEPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/json_fields.h"
#include "policy/host_view.h"
#include "policy/step.h"

struct err;
struct fragmentation;
struct kfs;
struct plan_needs;

enum undo_reason {
	UNDO_ROLLBACK, /* the start fails: back to exactly what was */
	UNDO_RELEASE,  /* the guest is gone: "keep" is honoured */
};

#define SHARED_NAME_SIZE  96
#define SHARED_KEY_SIZE	  QEMU_CONF_PATH_SIZE
#define SHARED_VALUE_SIZE 128
#define SHARED_END_SIZE	  16

/**
 * struct shared_setting - A host-wide change that several guests hold at once
 * @kind:	Of the steps that hold it
 * @name:	Names its file; a file name
 * @key:	What is changed
 * @before:	Its value before us
 * @ours:	What we made of it.  Empty: the change is under way
 * @former:	A change from this to @ours is under way: either may be found.  Empty where
 *		none is, and for kinds that tell it in another way
 * @at_end:	What @kind does after the last holder, in a word of its own, since the
 *		configuration may be gone by then.  Empty: put @before back
 *
 * Written down before the change.  There is no counter: the holders are the steps in
 * the ledgers for which @kind's holds() says so, and when there are none left,
 * @kind's restore() puts it back.
 */
struct shared_setting {
	enum step_kind kind;
	char name[SHARED_NAME_SIZE];
	char key[SHARED_KEY_SIZE];
	char before[SHARED_VALUE_SIZE];
	char ours[SHARED_VALUE_SIZE];
	char former[SHARED_VALUE_SIZE];
	char at_end[SHARED_END_SIZE];
};

/* The guests whose QEMU runs, and their memory in KiB: what they have, where pages that several
 * share count once, and what they may still come to take.  See policy/memory_promise.h */
struct step_guests {
	size_t n;
	uint64_t kib;
};

/**
 * struct step_held - What steps hold for a guest, in KiB
 * @pages:	Huge pages secured for it, of @pages_wanted
 * @reserved:	Huge pages besides, which other steps of the guest hold for these
 * @files:	Promised to it of stores
 * @mergeable:	Its memory for which KSM is kept running
 * @paged:	Promised to it of the pager's tiers
 */
struct step_held {
	uint64_t pages;
	uint64_t pages_wanted;
	uint64_t reserved;
	uint64_t files;
	uint64_t mergeable;
	uint64_t paged;
};

/**
 * struct step_pages - What steps have of one pool, in pages
 * @promised:	Others must not count them as free, as far as QEMU has not mapped them
 * @own:	Added to the pool
 */
struct step_pages {
	uint64_t promised;
	uint64_t own;
};

/* Sizes of huge pages that are counted; arm64 has four */
#define STEP_TALLY_SIZES 8

/* Pages of one size.  No more of them follow one with 0 for a size */
struct step_grown {
	uint64_t page_kib;
	uint64_t pages;
};

/**
 * struct step_tally - What steps have done, for those who count it
 * @grown:	Pages that pools gained
 * @compactions: How often memory was compacted
 */
struct step_tally {
	struct step_grown grown[STEP_TALLY_SIZES];
	uint64_t compactions;
};

/* Count pages.  Nothing happens with NULL, or a size of 0 */
void step_tally_grown(struct step_tally *tally, uint64_t page_kib, uint64_t pages);

/**
 * struct step_ctx - What applying and undoing needs from its caller
 * @host:	As of the beginning of the round.  Steps re-read a pool before
 *		they change it, and keep their own numbers in here up to date
 * @guest_name:	For sentences
 * @guest_uuid:	Empty for steps of no guest's ledger
 * @deadline:	clock_ms() when to give up
 * @patient:	A look at all pages may last until then, for tests on busy machines
 * @tally:	What is counted goes there; NULL: nowhere
 * @beside:	Percent of the memory that can be freed which lie where no huge page can be made;
 *		0: not known
 * @not_made:	Pages that could have been made, and were not, since they would have been too few
 * @save:	Write the ledger: the kernel must never be ahead of it
 * @save_shared: Write down a shared setting, likewise
 * @load_shared: What is written down of it.  Return: 0; -ENOENT; or -errno when that
 *		can't be read, so that it must be left alone
 * @read_store:	Fill @view's state as it is now
 * @count_guests: Look at all guests that run.  Takes time for large ones
 * @guest_runs:	Is there a QEMU of the guest's, whatever its ledger says?
 * @pause:	Let go of the host lock, run @work (may be NULL) without it,
 *		take it again and read @host anew: pointers into it are gone.
 *		After a failure the step must be left alone
 */
struct step_ctx {
	const struct kfs *kfs;
	struct host_view *host;
	const char *guest_name;
	const char *guest_uuid;
	uint64_t deadline;
	bool patient;
	struct step_tally *tally;
	unsigned int beside;
	uint64_t not_made;
	int (*save)(struct step_ctx *ctx, struct err *err);
	int (*save_shared)(struct step_ctx *ctx, const struct shared_setting *setting,
			   struct err *err);
	int (*load_shared)(struct step_ctx *ctx, const char *name, struct shared_setting *setting,
			   struct err *err);
	int (*read_store)(const struct kfs *kfs, struct store_view *view, struct err *err);
	void (*count_guests)(struct step_ctx *ctx, struct step_guests *guests);
	bool (*guest_runs)(struct step_ctx *ctx);
	int (*pause)(struct step_ctx *ctx, void (*work)(void *arg), void *arg, struct err *err);
};

/**
 * struct step_guest - A guest that has started, or ended, for steps that ask other programs
 * @state_dir:	The state directory
 * @pid:	Of its QEMU
 * @quiet:	The caller says what went wrong: it is noted in the step, and not logged
 */
struct step_guest {
	int state_dir;
	const char *uuid;
	const char *name;
	pid_t pid;
	bool quiet;
};

/**
 * struct step_after - What a step may use after all steps were applied
 * @numa:	As the host view has it
 */
struct step_after {
	const struct kfs *kfs;
	const struct numa *numa;
	uint64_t deadline;
};

/**
 * struct step_ops - One kind of step
 * @name:	"kind" in JSON
 * @describe:	One line for people, of what a start would do.  Present tense, no full stop
 * @fact:	What the guest has by it: "44 pages of 2 MiB"
 * @ask:	Ask another program whether it is there for such steps, before anything is planned.
 *		Without any lock, within seconds.  NULL: none is needed
 * @started:	The guest's QEMU runs: do what needs it, within seconds, and note in @step what
 *		came of it.  Without any lock; also when libvirt's daemon comes back.  The guest
 *		runs on in any case.  Return: whether @step has changed.  May be NULL
 * @ended:	QEMU has ended: tell another program.  Without any lock, before @undo.  May be NULL
 * @learn:	Copy what @started noted in @from.  Goes with @started
 * @apply:	Do it.  On failure some of it may be done; the caller undoes it
 * @afterwards:	All steps are applied, and libvirt waits: what takes time, has nothing to be put
 *		back, and may fail.  Without any lock.  May be NULL
 * @undo:	Take back what @step says is held, and say so in it.
 *		Return: 0 when nothing is held any more; -EAGAIN when the rest
 *		is still in use
 * @confirm:	Replace a change that a dead process had under way by what the
 *		kernel's counters say came of it.  Return: 1 if @step changed.  NULL where
 *		nothing can be half-done, or shared settings tell what is
 * @complete:	Does the guest have all that the step is for?
 * @account:	Add what @step holds to the pools of @host (own, foreign).  @alive: its guest
 *		is; else what it added is owed (debt).  NULL for none
 * @pages:	Add what @step has of one pool to @pages.  NULL: it has to do with none
 * @has_size:	Are its pages of that size?  Goes with @pages
 * @told_by_count: Can its pages lie only where @pages has them, and does no other process map
 *		them?  Then a QEMU that has as many as it was promised has these.  Goes with @pages
 * @memfd:	How many of its pages go through no hugetlbfs.  Goes with @pages
 * @files:	The promise of a store, and where the guest's files lie.  NULL: it has none
 * @paging:	Its part of being under the pager.  NULL: it is not
 * @held:	Add up what it holds.  NULL: nothing that has a size
 * @is_under_way: Is a change written down of which it is not known what came?  NULL: never
 * @drop_promise: Nothing of it counts as promised any more: it will be undone.  NULL: nothing
 *		does
 * @as_if_undone: Change @host, and @f (may be NULL), as if @step of a guest called @guest had
 *		been undone.  Reads nothing.  NULL: that changes nothing there
 * @doubt:	What is uncertain about it on @host.  @buf: a sentence.  Return: false: nothing
 * @foresee:	Note in a planned step what @apply would find out.  Of @ctx there are kfs, host
 *		and load_shared only.  May be NULL
 * @uncovers:	Does applying it bring to light what an earlier boot left?  May be NULL
 * @outlives_boot: What is left of @step after a reboot is taken back too; else NULL,
 *		the kernel has forgotten it all.  As @undo
 * @holds:	Does @step hold @setting?  NULL if the kind has no shared settings
 * @restore:	Put @setting back, unless another program has changed it since.  Of @ctx there
 *		are kfs, save_shared and load_shared only.  Settings are restored in
 *		the order of their names.
 *		Return: 0; -EAGAIN when that is not possible yet
 * @fields:	The kind's struct in JSON
 * @check:	Refuse what was read and no row of @fields can judge, and fill in what JSON
 *		lacks.  Return: 0 or -EINVAL.  NULL for nothing
 */
struct step_ops {
	const char *name;
	void (*describe)(const struct step *step, char *buf, size_t size);
	void (*fact)(const struct step *step, char *buf, size_t size);
	int (*ask)(int state_dir, struct err *err);
	bool (*started)(const struct step_guest *guest, struct step *step);
	void (*ended)(const struct step_guest *guest);
	void (*learn)(const struct step *from, struct step *to);
	int (*apply)(struct step_ctx *ctx, struct step *step, struct err *err);
	void (*afterwards)(const struct step_after *after, const struct step *step);
	int (*undo)(struct step_ctx *ctx, struct step *step, enum undo_reason reason,
		    struct err *err);
	int (*confirm)(const struct kfs *kfs, const struct host_view *host, struct step *step);
	void (*account)(const struct step *step, bool alive, struct host_view *host);
	void (*pages)(const struct step *step, uint64_t page_kib, unsigned int node,
		      struct step_pages *pages);
	bool (*has_size)(const struct step *step, uint64_t page_kib);
	bool (*told_by_count)(const struct step *step, const struct host_view *host);
	uint64_t (*memfd)(const struct step *step);
	struct step_store *(*files)(struct step *step);
	struct step_overcommit *(*paging)(struct step *step);
	void (*held)(const struct step *step, struct step_held *held);
	bool (*is_under_way)(const struct step *step);
	void (*drop_promise)(struct step *step);
	void (*as_if_undone)(const struct step *step, const char *guest, struct host_view *host,
			     struct fragmentation *f);
	bool (*doubt)(const struct step *step, const struct host_view *host, char *buf,
		      size_t size);
	void (*foresee)(struct step_ctx *ctx, struct step *step);
	bool (*uncovers)(const struct step *step);
	bool (*complete)(const struct step *step);
	int (*outlives_boot)(const struct kfs *kfs, struct step *step, struct err *err);
	bool (*holds)(const struct step *step, const struct shared_setting *setting);
	int (*restore)(struct step_ctx *ctx, const struct shared_setting *setting, struct err *err);
	const struct json_field *fields;
	int (*check)(struct step *step, struct err *err);
};

const struct step_ops *step_ops(enum step_kind kind);

/* ---- as the functions above; a kind that has none of them adds nothing ---- */

void step_account(const struct step *step, bool alive, struct host_view *host);
void step_as_if_undone(const struct step *step, const char *guest, struct host_view *host,
		       struct fragmentation *f);

/* NULL: it has none */
const struct step_store *step_files(const struct step *step);
struct step_store *step_files_of(struct step *step);

/* How the guest of @list is paged; NULL: it is not */
struct step_overcommit *step_list_paging(const struct step_list *list);

/* As struct step_ops says.  Of @needs, the kinds that are wanted; of @list, each step */
int steps_ask(const struct plan_needs *needs, int state_dir, struct err *err);
bool step_list_started(const struct step_guest *guest, struct step_list *list);
bool step_list_has_started(const struct step_list *list);
void step_list_afterwards(const struct step_after *after, const struct step_list *list);
void step_list_ended(const struct step_guest *guest, const struct step_list *list);

/* What was noted in @from, into the steps of the same kinds in @to */
void step_list_learn(const struct step_list *from, struct step_list *to);

struct step_held step_list_held(const struct step_list *list);
struct step_pages step_list_pages(const struct step_list *list, uint64_t page_kib,
				  unsigned int node);

/* Has it to do with the pools of that size?  0: of any */
bool step_list_has_size(const struct step_list *list, uint64_t page_kib);

/* Is it so of all steps that have to do with pools? */
bool step_list_told_by_count(const struct step_list *list, const struct host_view *host);

/* Of that size, how many go through no hugetlbfs */
uint64_t step_list_memfd(const struct step_list *list, uint64_t page_kib);

bool step_list_is_under_way(const struct step_list *list);

/* From step @first on */
void step_list_drop_promises(struct step_list *list, size_t first);

/* The first one */
bool step_list_doubt(const struct step_list *list, const struct host_view *host, char *buf,
		     size_t size);
void step_list_foresee(struct step_ctx *ctx, struct step_list *list);
bool step_list_uncovers(const struct step_list *list);

/* By its name in JSON; -EINVAL for one we don't know */
int step_kind_find(const char *name, enum step_kind *kind, struct err *err);

/* A member that is an enum step_kind */
extern const struct json_type step_kind_type;

/* {"kind": ..., ...}; NULL when memory ran out */
json_t *step_to_json(const struct step *step);

/* -EINVAL for an unknown kind or a damaged step */
int step_from_json(const json_t *object, struct step *step, struct err *err);

/* The array "steps" of plan, ledger and status */
json_t *step_list_to_json(const struct step_list *list);
int step_list_from_json(const json_t *array, struct step_list *list, struct err *err);

/* A member that is a struct step_list */
extern const struct json_type step_list_type;

bool step_list_has(const struct step_list *list, enum step_kind kind);

/* Are all steps complete? */
bool step_list_complete(const struct step_list *list);

/* Apply in order, beginning with step @first.  On failure, what was done is still in
 * @list for step_list_undo() */
int step_list_apply(struct step_ctx *ctx, struct step_list *list, size_t first, struct err *err);

/**
 * step_list_undo() - Take back in reverse order
 * @first:	Steps before it stay as they are
 *
 * A finished step is removed from @list; of another, what is left is a debt and no
 * promise.  The ledger is saved after each.  Goes on after a failure, so that one step
 * does not keep the others from being given back.
 * Return: 0 when @list is empty from @first on; -EAGAIN when something is still in use
 */
int step_list_undo(struct step_ctx *ctx, struct step_list *list, size_t first,
		   enum undo_reason reason, struct err *err);

void step_list_free(struct step_list *list);

#endif

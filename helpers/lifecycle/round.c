// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lifecycle/round.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "lifecycle/liveness.h"
#include "lifecycle/shared.h"
#include "lifecycle/sweep.h"
#include "lifecycle/view.h"
#include "lifecycle/view_stores.h"
#include "lifecycle/view_thp.h"
#include "memory/smaps.h"

/* Pages that are still in use at release are usually free a moment later */
#define RELEASE_WAIT_MS 2000
#define RELEASE_POLL_MS 20

void round_init(struct round *round, const struct kfs *kfs, struct state *state,
		uint64_t lock_deadline_ms)
{
	*round = (struct round){
		.kfs = kfs,
		.state = state,
		.lock_deadline_ms = lock_deadline_ms,
	};
}

static void forget(struct round *round)
{
	ledgers_free(&round->ledgers);
	view_free(&round->host);
	accounts_free(&round->accounts);
}

void round_end(struct round *round)
{
	state_unlock(round->state);
}

void round_free(struct round *round)
{
	if (round->state)
		state_unlock(round->state);
	forget(round);
	free(round->settled);
	round->settled = NULL;
	round->n_settled = 0;
	free(round->swept);
	round->swept = NULL;
	round->n_swept = 0;
}

/* ---- steps and the ledger ---- */

struct run {
	struct step_ctx ctx;
	struct round *round;
	struct ledger *ledger;
};

static struct run *run_of(struct step_ctx *ctx)
{
	return (struct run *)((char *)ctx - offsetof(struct run, ctx));
}

static int save(struct step_ctx *ctx, struct err *err)
{
	struct run *run = run_of(ctx);
	struct round *round = run->round;
	int rc = run->ledger->phase == LEDGER_RUNNING ?
			 ledger_save_running(round->state, run->ledger, err) :
			 ledger_write(round->state, run->ledger, err);

	if (rc == 0 && round->progress)
		round->progress(round, run->ledger);
	return rc;
}

static int save_shared(struct step_ctx *ctx, const struct shared_setting *setting, struct err *err)
{
	const struct round *round = run_of(ctx)->round;

	return shared_write(round->state, round->boot_id, setting, err);
}

static int load_shared(struct step_ctx *ctx, const char *name, struct shared_setting *setting,
		       struct err *err)
{
	const struct round *round = run_of(ctx)->round;

	return shared_load(round->state, round->boot_id, name, setting, err);
}

static void count_guest(const struct kfs *kfs, const char *name, struct step_guests *guests)
{
	struct smaps smaps;
	pid_t pid = 0;

	if (!liveness_qemu(kfs, name, &pid) || !pid || smaps_read(kfs, pid, &smaps, NULL) < 0)
		return;
	guests->n++;
	guests->kib = u64_add_sat(guests->kib, smaps.pss_kib);
}

static void count_guests(struct step_ctx *ctx, struct step_guests *guests)
{
	char **names = NULL;
	size_t n = 0, i;

	*guests = (struct step_guests){ 0 };
	liveness_running(ctx->kfs, &names, &n, NULL);
	for (i = 0; i < n; i++) {
		count_guest(ctx->kfs, names[i], guests);
		free(names[i]);
	}
	free(names);
}

/* If libvirt's driver died meanwhile, another operation may have settled us: the
 * pages are gone then, and only they know how many.  The guest may even have been started
 * again, and have a later ledger */
static int still_ours(struct run *run, struct err *err)
{
	const struct ledger *found = ledgers_find_uuid(&run->round->ledgers, run->ledger->uuid);

	if (found && !strcmp(found->token, run->ledger->token) &&
	    found->phase == run->ledger->phase &&
	    found->reserving.pid == run->ledger->reserving.pid &&
	    found->reserving.start == run->ledger->reserving.start)
		return 0;
	return err_set(err, ECANCELED,
		       "guest '%s' was released by another operation while its memory was being "
		       "prepared",
		       run->ledger->name);
}

static int pause_run(struct step_ctx *ctx, void (*work)(void *arg), void *arg, struct err *err)
{
	struct run *run = run_of(ctx);
	int rc;

	round_end(run->round);
	if (work)
		work(arg);
	else
		clock_sleep_ms(LOCK_TURN_MS);
	rc = round_begin(run->round, clock_ms() + run->round->lock_deadline_ms, run->ledger->uuid,
			 err);
	if (rc < 0)
		return rc;
	return still_ours(run, err);
}

static void start_run(struct run *run, struct round *round, struct ledger *ledger,
		      uint64_t deadline)
{
	*run = (struct run){
		.ctx = {
			.kfs = round->kfs,
			.host = &round->host,
			.guest_name = ledger->name,
			.deadline = deadline,
			.save = save,
			.save_shared = save_shared,
			.load_shared = load_shared,
			.count_guests = count_guests,
			.pause = pause_run,
		},
		.round = round,
		.ledger = ledger,
	};
}

/* Nothing of a guest on its way out counts as promised to it any more */
static void drop_claims(struct round *round, struct ledger *ledger)
{
	struct err ignored;

	ledger->alive = false;
	if (ledger->phase == LEDGER_LEAVING)
		return;
	ledger->phase = LEDGER_LEAVING;
	if (ledger_write(round->state, ledger, &ignored) < 0)
		log_warning("the ledger could not be marked: %s", ignored.text);
}

/* Without them the next round goes by the ledgers alone */
static void write_accounts(struct round *round, const struct accounts *before)
{
	struct err err;

	if (accounts_write(round->state, round->boot_id, before, &round->accounts, &err) < 0)
		log_warning("%s", err.text);
}

/* Stores and the rest of the view, once the pools are accounted for */
static int complete_view(struct round *round, struct err *err)
{
	int rc = 0;

	if (round->config)
		rc = view_stores(round->kfs, round->config, &round->ledgers, round->guest,
				 &round->host, err);
	if (rc == 0)
		view_thp(round->kfs, &round->host);
	return rc;
}

/* @more: a ledger that is not among the round's, or NULL */
static int refresh(struct round *round, struct ledger *more, struct err *err)
{
	struct ledgers alone = { .n = more ? 1 : 0, .list = &more };
	struct host_view host;
	int rc = view_read(round->kfs, &host, err);

	if (rc < 0)
		return rc;
	host.unread = round->host.unread;
	view_free(&round->host);
	round->host = host;
	rc = view_account(round->kfs, &round->ledgers, &round->host, err);
	if (rc == 0)
		rc = view_account(round->kfs, &alone, &round->host, err);
	if (rc < 0)
		return rc;
	accounts_apply(round->kfs, &round->host, &round->accounts);
	return complete_view(round, err);
}

int round_refresh(struct round *round, struct err *err)
{
	return refresh(round, NULL, err);
}

/* The host as it is now, with @ledger in the place of its copy from the file */
static int look_again(struct round *round, struct ledger *ledger, struct err *err)
{
	struct ledger *copy = ledgers_find_uuid(&round->ledgers, ledger->uuid);

	if (copy && copy != ledger) {
		ledgers_take(&round->ledgers, copy);
		ledger_free(copy);
	}
	return refresh(round, copy == ledger ? NULL : ledger, err);
}

/* The whole view at the beginning of a round, when all ledgers are as their files say.
 * @write: write down what is new in the accounts */
static int account(struct round *round, bool write, struct err *err)
{
	struct accounts before;
	int rc = view_account(round->kfs, &round->ledgers, &round->host, err);

	if (rc < 0)
		return rc;
	accounts_read(round->state, round->boot_id, &round->accounts);
	if (accounts_copy(&before, &round->accounts) < 0 ||
	    accounts_note(&round->ledgers, &round->host, &round->accounts) < 0)
		rc = err_set(err, ENOMEM, "out of memory");
	if (rc == 0)
		accounts_apply(round->kfs, &round->host, &round->accounts);
	if (rc == 0 && write)
		write_accounts(round, &before);
	accounts_free(&before);
	return rc < 0 ? rc : complete_view(round, err);
}

/* What came of changes that were under way.  Return: whether there were any */
static bool confirm(struct round *round, struct ledger *ledger)
{
	bool changed = false;
	size_t i;

	for (i = 0; i < ledger->list.n; i++) {
		struct step *step = &ledger->list.steps[i];

		const struct step_ops *ops = step_ops(step->kind);

		if (ops->confirm && ops->confirm(round->kfs, &round->host, step))
			changed = true;
	}
	return changed;
}

/* What can't be put back yet is no guest's fault: it waits for the next operation */
static void settle_shared(struct round *round)
{
	struct err err;

	if (shared_settle(round->kfs, round->state, round->boot_id, &round->ledgers, &err) == 0) {
		round->shared_left.text[0] = '\0';
		return;
	}
	if (strcmp(round->shared_left.text, err.text))
		log_warning("%s", err.text);
	round->shared_left = err;
}

/* Kept pages are written down after they have left the ledger: after a kill in between
 * they are the administrator's rather than ours twice */
static void learn(struct round *round)
{
	struct accounts before;

	if (accounts_copy(&before, &round->accounts) < 0)
		return;
	accounts_learn(&round->host, &round->accounts);
	write_accounts(round, &before);
	accounts_free(&before);
}

int round_settle(struct round *round, struct ledger *ledger, enum undo_reason reason,
		 struct err *err)
{
	struct run run;
	int rc;

	confirm(round, ledger);
	drop_claims(round, ledger);
	rc = look_again(round, ledger, err);
	if (rc < 0)
		return rc;
	start_run(&run, round, ledger, 0);
	rc = step_list_undo(&run.ctx, &ledger->list, 0, reason, err);
	learn(round);
	if (rc == 0)
		rc = ledger_remove(round->state, ledger, err);
	if (rc == 0)
		settle_shared(round);
	return rc;
}

/* A failure may have been that of taking the lock again.  Then all is read anew: what other
 * guests were promised meanwhile, and whether the ledger is still ours */
static int lock_again(struct run *run)
{
	struct round *round = run->round;
	struct err err;
	int rc;

	if (round->state->lockfd >= 0)
		return 0;
	rc = round_begin(round, clock_ms() + round->lock_deadline_ms, run->ledger->uuid, &err);
	if (rc == 0)
		rc = still_ours(run, &err);
	if (rc < 0)
		log_error("%s; what was prepared is given back by the next operation", err.text);
	return rc;
}

int round_apply(struct round *round, struct ledger *ledger, uint64_t deadline, struct err *err)
{
	struct err ignored;
	struct run run;
	int rc = ledger_create(round->state, ledger, err);

	if (rc < 0)
		return rc;
	start_run(&run, round, ledger, deadline);
	rc = step_list_apply(&run.ctx, &ledger->list, 0, err);
	/* Cancelled: whoever settled it has the ledger */
	if (rc == 0 || rc == -ECANCELED || lock_again(&run) < 0)
		return rc;
	if (round_settle(round, ledger, UNDO_ROLLBACK, &ignored) < 0)
		log_warning("%s", ignored.text);
	return rc;
}

int round_finish(struct round *round, struct ledger *ledger, uint64_t deadline, struct err *err)
{
	struct run run;
	size_t i;
	int rc = 0;

	start_run(&run, round, ledger, deadline);
	for (i = 0; rc == 0 && i < ledger->list.n; i++) {
		struct step *step = &ledger->list.steps[i];
		const struct step_ops *ops = step_ops(step->kind);

		if (!ops->complete(step))
			rc = ops->apply(&run.ctx, step, err);
	}
	return rc;
}

/* Else these pages look claimed, and are not given back */
static void drop_promises(struct step_list *list, size_t first)
{
	size_t i, j;

	for (i = first; i < list->n; i++) {
		struct step_hugepages *hp = &list->steps[i].hugepages;

		for (j = 0; list->steps[i].kind == STEP_HUGEPAGES && j < hp->n_shares; j++)
			hp->shares[j].have = 0;
	}
}

int round_give_back(struct round *round, struct ledger *ledger, size_t first, struct err *err)
{
	struct run run;
	int rc;

	if (first == ledger->list.n)
		return 0;
	confirm(round, ledger);
	drop_promises(&ledger->list, first);
	start_run(&run, round, ledger, 0);
	rc = save(&run.ctx, err);
	if (rc == 0)
		rc = look_again(round, ledger, err);
	if (rc < 0)
		return rc;
	rc = step_list_undo(&run.ctx, &ledger->list, first, UNDO_ROLLBACK, err);
	learn(round);
	return rc;
}

int round_extend(struct round *round, struct ledger *ledger, size_t first, uint64_t deadline,
		 struct err *err)
{
	struct err ignored;
	struct run run;
	int rc;

	start_run(&run, round, ledger, deadline);
	rc = save(&run.ctx, err);
	if (rc == 0)
		rc = step_list_apply(&run.ctx, &ledger->list, first, err);
	if (rc == 0 || rc == -ECANCELED || lock_again(&run) < 0)
		return rc;
	if (round_give_back(round, ledger, first, &ignored) < 0)
		log_warning("%s", ignored.text);
	return rc;
}

/* ---- the beginning of a round ---- */

enum life { GONE, QEMU_RUNS, IS_STARTED, IS_RESERVED };

static enum life life_of(const struct round *round, const struct ledger *ledger)
{
	if (ledger->phase == LEDGER_LEAVING)
		return GONE;
	if (liveness_qemu(round->kfs, ledger->name, NULL))
		return QEMU_RUNS;
	if (ledger->phase == LEDGER_RESERVED)
		return IS_RESERVED;
	if (ledger->phase == LEDGER_PREPARED && liveness_driver_alive(round->kfs, &ledger->driver))
		return IS_STARTED;
	return GONE;
}

bool round_alive(const struct round *round, const struct ledger *ledger)
{
	return life_of(round, ledger) != GONE;
}

/* The guest's entry, a new one at first; NULL: out of memory */
static struct settled *settled_entry(struct round *round, const struct ledger *ledger)
{
	struct settled *more, *entry;
	size_t i;

	for (i = 0; i < round->n_settled; i++)
		if (!strcmp(round->settled[i].uuid, ledger->uuid))
			return &round->settled[i];
	more = reallocarray(round->settled, round->n_settled + 1, sizeof(*more));
	if (!more)
		return NULL;
	round->settled = more;
	entry = &more[round->n_settled++];
	memset(entry, 0, sizeof(*entry));
	snprintf(entry->name, sizeof(entry->name), "%s", ledger->name);
	snprintf(entry->uuid, sizeof(entry->uuid), "%s", ledger->uuid);
	return entry;
}

/* Return: false if the same has been noted before: it need not be logged again */
static bool note_settled(struct round *round, const struct ledger *ledger, int rc, const char *why)
{
	struct settled *entry = settled_entry(round, ledger);
	char text[sizeof(entry->why)];
	bool news;

	if (!entry)
		return true;
	snprintf(text, sizeof(text), "%.*s", (int)sizeof(text) - 1, why);
	text_mend(text);
	news = entry->complete != (rc == 0) || strcmp(entry->why, text) != 0;
	entry->complete = rc == 0;
	memcpy(entry->why, text, sizeof(text));
	return news;
}

/* What a reboot does not give back: files in a store */
static int undo_after_boot(struct round *round, struct ledger *ledger, struct err *err)
{
	int result = 0;
	size_t i;

	for (i = 0; i < ledger->list.n; i++) {
		struct step *step = &ledger->list.steps[i];
		const struct step_ops *ops = step_ops(step->kind);
		struct err failure = { "" };
		int rc = ops->outlives_boot ? ops->outlives_boot(round->kfs, step, &failure) : 0;

		result = log_gravest(result, err, rc, &failure);
	}
	return result;
}

/* Ledgers of an earlier boot: the pools they speak of went with it */
static void drop_other_boots(struct round *round, bool change)
{
	size_t i = round->ledgers.n;
	struct err err;

	while (i-- > 0) {
		struct ledger *ledger = round->ledgers.list[i];

		if (ledger->foreign_version || !strcmp(ledger->boot_id, round->boot_id))
			continue;
		if (change) {
			int rc = undo_after_boot(round, ledger, &err);

			if (rc == 0)
				rc = ledger_remove(round->state, ledger, &err);
			if (rc < 0)
				log_warning("%s", err.text);
			else
				log_info("guest '%s' belonged to an earlier boot: its ledger is "
					 "removed",
					 ledger->name);
			note_settled(round, ledger, rc,
				     rc < 0 ? err.text : "its ledger was of an earlier boot");
		}
		ledgers_take(&round->ledgers, ledger);
		ledger_free(ledger);
	}
}

static void confirm_chunks(struct round *round)
{
	struct err err;
	size_t i;

	for (i = 0; i < round->ledgers.n; i++) {
		struct ledger *ledger = round->ledgers.list[i];
		int rc = 0;

		if (confirm(round, ledger))
			rc = ledger->phase == LEDGER_RUNNING ?
				     ledger_save_running(round->state, ledger, &err) :
				     ledger_write(round->state, ledger, &err);
		/* Cancelled: its end was marked at this moment, and all is written down */
		if (rc < 0 && rc != -ECANCELED)
			log_warning("%s", err.text);
	}
}

/* Once, however many rounds an operation takes */
static void warn_of_unreadable(struct round *round)
{
	size_t i;

	if (round->warned)
		return;
	round->warned = true;
	for (i = 0; i < round->ledgers.n_damaged; i++)
		log_error("%s; what it holds is not given back until it is repaired, or given up "
			  "with: virt-membacking release %s --force",
			  round->ledgers.damaged[i].why.text, round->ledgers.damaged[i].uuid);
	for (i = 0; i < round->ledgers.n; i++)
		if (round->ledgers.list[i]->foreign_version)
			log_warning("the ledger of guest '%s' (%s) was written by another version "
				    "of libvirt-membacking and is left alone",
				    round->ledgers.list[i]->name, round->ledgers.list[i]->uuid);
}

/* What can't be judged, and the caller's own, counts as alive */
static void find_living(struct round *round, const char *own)
{
	size_t i;

	for (i = 0; i < round->ledgers.n; i++) {
		struct ledger *ledger = round->ledgers.list[i];

		ledger->alive = ledger->foreign_version ||
				(own && !strcasecmp(ledger->uuid, own)) ||
				round_alive(round, ledger);
	}
}

/* Pages that are in use for a little longer are nothing to worry about */
static void log_outcome(const struct ledger *ledger, int rc, const struct err *err)
{
	if (rc == 0)
		log_info("guest '%s' is gone: what it held is given back", ledger->name);
	else if (rc == -EAGAIN)
		log_info("guest '%s' is gone, but: %s", ledger->name, err->text);
	else
		log_warning("guest '%s' is gone, but: %s", ledger->name, err->text);
}

/* Return: whether there were any */
static bool settle_dead(struct round *round)
{
	size_t i = round->ledgers.n;
	bool any = false;
	struct err err;

	while (i-- > 0) {
		struct ledger *ledger = round->ledgers.list[i];
		int rc;

		if (ledger->alive)
			continue;
		any = true;
		err.text[0] = '\0';
		rc = round_settle(round, ledger, UNDO_RELEASE, &err);
		if (rc == 0)
			err.text[0] = '\0';
		if (note_settled(round, ledger, rc, err.text))
			log_outcome(ledger, rc, &err);
		if (rc < 0)
			continue;
		ledgers_take(&round->ledgers, ledger);
		ledger_free(ledger);
	}
	return any;
}

static int read_all(struct round *round, bool change, struct err *err)
{
	int rc;

	forget(round);
	rc = ledger_boot_id(round->kfs, round->boot_id, err);
	if (rc == 0 && round->state->guestsfd >= 0)
		rc = ledgers_read(round->state, change, &round->ledgers, err);
	if (rc == 0)
		rc = view_read(round->kfs, &round->host, err);
	return rc;
}

int round_begin(struct round *round, uint64_t deadline, const char *own, struct err *err)
{
	int rc = state_lock(round->state, deadline, err);

	if (rc < 0)
		return rc;
	rc = read_all(round, true, err);
	if (rc == 0) {
		drop_other_boots(round, true);
		warn_of_unreadable(round);
		confirm_chunks(round);
		find_living(round, own);
		/* Before the stores are looked at: one that is unmounted here is not to be
		 * taken for mounted */
		settle_shared(round);
		rc = account(round, true, err);
		if (rc == 0 && settle_dead(round))
			rc = round_refresh(round, err);
	}
	if (rc < 0)
		round_end(round);
	return rc;
}

int round_confirm(struct round *round, uint64_t deadline, struct err *err)
{
	int rc = state_lock(round->state, deadline, err);

	if (rc < 0)
		return rc;
	rc = read_all(round, false, err);
	if (rc == 0) {
		drop_other_boots(round, false);
		confirm_chunks(round);
	} else {
		round_end(round);
	}
	return rc;
}

int round_look(struct round *round, struct err *err)
{
	int rc = read_all(round, false, err);

	if (rc < 0)
		return rc;
	drop_other_boots(round, false);
	find_living(round, NULL);
	return account(round, false, err);
}

/* ---- rounds that only settle ---- */

/* Return: 0, or -EBUSY with what would help */
static int check_gone(const struct round *round, const struct ledger *ledger, struct err *err)
{
	switch (life_of(round, ledger)) {
	case QEMU_RUNS:
		return err_set(
			err, EBUSY,
			"guest '%s' is alive, its QEMU is running: shut it down, which gives "
			"back what it holds, or give that back regardless with: "
			"virt-membacking release %s --force",
			ledger->name, ledger->uuid);
	case IS_STARTED:
		return err_set(err, EBUSY,
			       "guest '%s' is alive, libvirt is starting it; if it is not (a start "
			       "that was killed half-way looks the same), give back what it holds "
			       "with: virt-membacking release %s --force",
			       ledger->name, ledger->uuid);
	case IS_RESERVED:
	case GONE:
		break;
	}
	return 0;
}

static int settle_in_round(struct round *round, const struct ledger *seen, bool force,
			   struct err *err)
{
	struct ledger *ledger = ledgers_find_uuid(&round->ledgers, seen->uuid);
	int rc;

	if (ledger && strcmp(ledger->token, seen->token) != 0) {
		log_info("guest '%s' was started again: its later ledger is left alone",
			 ledger->name);
		return 0;
	}
	if (!ledger)
		return 0;
	rc = force ? 0 : check_gone(round, ledger, err);
	if (rc == 0)
		rc = round_settle(round, ledger, UNDO_RELEASE, err);
	if (rc < 0)
		return rc;
	ledgers_take(&round->ledgers, ledger);
	ledger_free(ledger);
	return 0;
}

/* One round.  @seen: NULL for all that are not alive */
static int settle_once(struct round *round, const struct ledger *seen, bool force, struct err *err)
{
	int rc = round_begin(round, clock_ms() + round->lock_deadline_ms, seen ? seen->uuid : NULL,
			     err);
	size_t i;

	if (rc == 0 && seen)
		rc = settle_in_round(round, seen, force, err);
	if (rc == 0 && !seen && round->config)
		sweep_stores(round);
	round_end(round);
	for (i = 0; rc == 0 && !seen && i < round->n_settled; i++)
		if (!round->settled[i].complete)
			rc = -EAGAIN;
	return rc;
}

/* Without the lock while pages are waited for */
static int settle_patiently(struct round *round, const struct ledger *seen, bool force,
			    struct err *err)
{
	uint64_t deadline = clock_ms() + RELEASE_WAIT_MS;

	for (;;) {
		int rc = settle_once(round, seen, force, err);

		if (rc != -EAGAIN || !clock_left_ms(deadline))
			return rc;
		clock_sleep_ms(RELEASE_POLL_MS);
	}
}

int round_settle_guest(struct round *round, const struct ledger *ledger, bool force,
		       struct err *err)
{
	return settle_patiently(round, ledger, force, err);
}

int round_settle_all(struct round *round, struct err *err)
{
	int rc = settle_patiently(round, NULL, false, err);

	/* What waits is in the report */
	return rc == -EAGAIN ? 0 : rc;
}

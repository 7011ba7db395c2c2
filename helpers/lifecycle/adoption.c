// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A ledger for a guest that runs already: what it may still come to use, and what holds it.
 */
#include "lifecycle/adoption.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "config/config.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "kernel/kfs.h"
#include "lifecycle/apply.h"
#include "lifecycle/decide.h"
#include "lifecycle/ledger.h"
#include "lifecycle/qemu_files.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/session.h"
#include "lifecycle/view_stores.h"
#include "policy/ksm_rules.h"
#include "policy/plan.h"
#include "policy/store_rules.h"
#include "policy/thp_rules.h"
#include "steps/store_step.h"

/* For settings that the guest can do without: libvirt waits for the hook */
#define LOCK_MS 10000

static void free_decided(struct decided *decided)
{
	decided_free(decided);
}

#define cleanup_decided __attribute__((cleanup(free_decided)))

static int append_step(struct step_list *list, const struct step *step)
{
	struct step *more = reallocarray(list->steps, list->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	more[list->n++] = *step;
	list->steps = more;
	return 0;
}

/* Where libvirt puts memory by now.  @step->ready: in a store that can be looked at */
static void fill_store(const struct kfs *kfs, const struct guest *guest,
		       const struct decided *decided, struct step_store *step, bool *tmpfs)
{
	struct store_view nameless = { 0 };
	const struct store_view *store;
	struct host_view host = { 0 };
	struct ledgers none = { 0 };
	struct err err;
	bool usable = view_stores(kfs, decided->config, &none, NULL, &host, &err) == 0 &&
		      store_choose(&host, "", &store, &err) == 0 && store->state.present;

	if (!usable) {
		store = &nameless;
		snprintf(nameless.config.path, sizeof(nameless.config.path), "%s",
			 qemu_conf_memory_dir(&host.qemu_conf));
	}
	store_step_fill(guest, store, &host, step);
	step->mount = false;
	step->ready = usable;
	*tmpfs = thp_rules_in_tmpfs(&host, step);
	view_stores_free(&host);
}

/* What a guest that was started before us, or without us, may still come to use of the
 * store it lives in: others must not be promised that.  @tmpfs: that is one */
static int adopt_store(const struct kfs *kfs, const struct guest *guest,
		       const struct decided *decided, struct step_list *list, bool *tmpfs)
{
	struct step step = { .kind = STEP_STORE };

	fill_store(kfs, guest, decided, &step.store, tmpfs);
	/* Its files may lie where memory_backing_dir led to when it was started */
	if (!qemu_files_look(kfs, guest->name, &step.store) &&
	    (!step.store.ready || !store_step_use(kfs, &step.store).size_kib))
		return 0;
	step.store.ready = true;
	return append_step(list, &step);
}

static int adopt_settings(const struct guest *guest, const struct decided *decided, bool tmpfs,
			  struct step_list *list)
{
	struct step ksm = { .kind = STEP_KSM }, thp = { .kind = STEP_THP };
	int rc = 0;

	if (decided->needs.kinds[STEP_KSM].wanted) {
		ksm_rules_fill(guest, &decided->policy, &ksm.ksm);
		rc = append_step(list, &ksm);
	}
	if (rc == 0 && decided->needs.kinds[STEP_THP].wanted &&
	    thp_rules_wanted(guest, &decided->policy, tmpfs)) {
		thp_rules_fill(guest, &decided->policy, tmpfs, &thp.thp);
		rc = append_step(list, &thp);
	}
	return rc;
}

static int make_steps(const struct kfs *kfs, const struct guest *guest, struct step_list *list,
		      struct err *err)
{
	cleanup_decided struct decided decided = { 0 };
	bool tmpfs = false;
	int rc;

	if (!decide_asks(kfs, guest))
		return 0;
	/* A guest that runs is not refused for what the configuration says */
	rc = decide_policy(kfs, guest, true, &decided, err);
	if (rc < 0) {
		log_warning("%s", err->text);
		return 0;
	}
	if (plan_needs_stores(&decided.needs))
		rc = adopt_store(kfs, guest, &decided, list, &tmpfs);
	if (rc == 0)
		rc = adopt_settings(guest, &decided, tmpfs, list);
	return rc < 0 ? err_set(err, -rc, "out of memory") : 0;
}

/* Whatever comes of it: the guest runs */
static void finish(struct session *session, struct ledger *ledger)
{
	struct err err;

	if (apply_missing(session, ledger, 0, &err) < 0)
		log_warning("%s", err.text);
}

/* If the lock can't be had now, guests that start later switch on what it holds */
static void finish_locked(struct session *session, const struct ledger *own)
{
	struct ledger *ledger;
	struct err err;
	int rc = reconcile_begin(session, clock_ms() + LOCK_MS, own->uuid, NULL, &err);

	ledger = rc == 0 ? ledgers_find_uuid(&session->ledgers, own->uuid) : NULL;
	if (ledger && !ledger->foreign_version && !strcmp(ledger->token, own->token))
		finish(session, ledger);
	if (rc < 0)
		log_warning("%s", err.text);
}

static int fill_ledger(const struct kfs *kfs, const struct guest *guest, struct ledger *ledger,
		       struct err *err)
{
	int rc = ledger_boot_id(kfs, ledger->boot_id, err);

	if (rc < 0)
		return rc;
	snprintf(ledger->no_ksm, sizeof(ledger->no_ksm), "%s",
		 ksm_rules_word(ksm_rules_gain(guest, true)));
	snprintf(ledger->uuid, sizeof(ledger->uuid), "%s", guest->uuid);
	snprintf(ledger->name, sizeof(ledger->name), "%s", guest->name);
	ledger->driver = liveness_driver(kfs);
	return make_steps(kfs, guest, &ledger->list, err);
}

int adoption_of(struct session *session, const struct guest *guest, struct err *err)
{
	struct ledger ledger = { .phase = LEDGER_RUNNING, .id = guest->id };
	bool locked = session->state.lockfd >= 0;
	int rc = fill_ledger(session->kfs, guest, &ledger, err);

	if (rc == 0)
		rc = ledger_adopt(&session->state, &ledger, err);
	if (rc == 0 && !step_list_complete(&ledger.list)) {
		if (locked)
			finish(session, &ledger);
		else
			finish_locked(session, &ledger);
	}
	step_list_free(&ledger.list);
	return rc;
}

int adoption_of_running(struct session *session, const char *xml, struct err *err)
{
	cleanup_guest struct guest *guest = NULL;
	int rc = guest_parse(xml, strlen(xml), &guest, err);

	if (rc < 0)
		return rc;
	if (state_has(&session->state, guest->uuid) ||
	    !liveness_qemu(session->kfs, guest->name, NULL))
		return 0;
	rc = adoption_of(session, guest, err);
	if (rc == -EEXIST)
		return 0;
	return rc < 0 ? rc : 1;
}

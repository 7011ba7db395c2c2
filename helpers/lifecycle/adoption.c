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
#include "lifecycle/guest_policy.h"
#include "lifecycle/ledger.h"
#include "lifecycle/qemu_files.h"
#include "lifecycle/read_store.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/session.h"
#include "lifecycle/view.h"
#include "lifecycle/view_stores.h"
#include "policy/ksm_rules.h"
#include "policy/plan.h"
#include "steps/steps.h"

/* For settings that the guest can do without: libvirt waits for the hook */
#define LOCK_MS 10000

static void free_decided(struct decided *decided)
{
	decided_free(decided);
}

#define cleanup_decided __attribute__((cleanup(free_decided)))

/* What the guest may still come to use of the store that it lives in: others must not be promised
 * that.  Its files may lie where memory_backing_dir led to when it was started */
static bool has_files(const struct kfs *kfs, const struct guest *guest, struct step_store *files)
{
	if (!qemu_files_look(kfs, guest->name, files) &&
	    (!files->ready || !read_store_use(kfs, files).size_kib))
		return false;
	files->ready = true;
	return true;
}

/* Steps with files of which the guest has none are no steps */
static void drop_empty(const struct kfs *kfs, const struct guest *guest, struct step_list *list)
{
	size_t i, n = 0;

	for (i = 0; i < list->n; i++) {
		struct step_store *files = step_files_of(&list->steps[i]);

		if (!files || has_files(kfs, guest, files))
			list->steps[n++] = list->steps[i];
		else
			step_free(&list->steps[i]);
	}
	list->n = n;
}

/* @list: Result */
static int plan_running(const struct kfs *kfs, const struct guest *guest,
			const struct decided *decided, struct step_list *list, struct err *err)
{
	struct host_view host = { 0 };
	struct ledgers none = { 0 };
	struct plan plan = { 0 };
	struct err why;
	int rc = view_kernel(kfs, &host, err);

	if (rc == 0 && plan_needs_stores(&decided->needs))
		view_stores(kfs, decided->config, &none, NULL, &host, &why);
	if (rc == 0)
		rc = plan_adopt(guest, &host, &decided->policy, &plan, err);
	view_stores_free(&host);
	if (rc < 0)
		return rc;
	drop_empty(kfs, guest, &plan.list);
	*list = plan.list;
	plan.list = (struct step_list){ 0 };
	plan_free(&plan);
	return 0;
}

static int make_steps(const struct kfs *kfs, const struct guest *guest, struct step_list *list,
		      struct err *err)
{
	cleanup_decided struct decided decided = { 0 };
	int rc;

	if (!guest_policy_asks(kfs, guest))
		return 0;
	/* A guest that runs is not refused for what the configuration says */
	rc = guest_policy_decide(kfs, guest, true, &decided, err);
	if (rc < 0) {
		log_warning("%s", err->text);
		return 0;
	}
	return plan_running(kfs, guest, &decided, list, err);
}

/* A failure is only logged: the guest runs */
static void finish(struct session *session, struct ledger *ledger)
{
	struct err err;

	if (apply_missing(session, ledger, 0, &err) < 0)
		log_warning("%s", err.text);
}

/* Without the lock nothing is switched on now: the next guest's start does it */
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

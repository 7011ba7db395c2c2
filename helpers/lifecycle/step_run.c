// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The functions that a step calls: writing down its ledger and its shared settings, and
 * counting the guests that run.
 */
#include "lifecycle/step_run.h"

#include <stddef.h>

#include "lifecycle/ledger.h"
#include "lifecycle/liveness.h"
#include "lifecycle/read_store.h"
#include "lifecycle/session.h"
#include "lifecycle/shared.h"
#include "lifecycle/view_memory.h"
#include "policy/memory_promise.h"

struct step_run *step_run_of(struct step_ctx *ctx)
{
	return (struct step_run *)((char *)ctx - offsetof(struct step_run, ctx));
}

int step_run_save(struct step_run *run, struct err *err)
{
	struct session *session = run->session;
	int rc = run->ledger->phase == LEDGER_RUNNING ?
			 ledger_save_running(&session->state, run->ledger, err) :
			 ledger_write(&session->state, run->ledger, err);

	if (rc == 0 && session->progress)
		session->progress(session, run->ledger);
	return rc;
}

static int save(struct step_ctx *ctx, struct err *err)
{
	return step_run_save(step_run_of(ctx), err);
}

static int save_shared(struct step_ctx *ctx, const struct shared_setting *setting, struct err *err)
{
	const struct session *session = step_run_of(ctx)->session;

	return shared_write(&session->state, session->boot_id, setting, err);
}

static int load_shared(struct step_ctx *ctx, const char *name, struct shared_setting *setting,
		       struct err *err)
{
	const struct session *session = step_run_of(ctx)->session;

	return shared_load(&session->state, session->boot_id, name, setting, err);
}

/* Without memory for it there are none */
static void count_guests(struct step_ctx *ctx, struct step_guests *guests)
{
	struct host_view host = { 0 };

	*guests = (struct step_guests){ 0 };
	if (view_memory(ctx->kfs, &host, NULL) == 0)
		guests->kib = memory_promises_sum(&host, &guests->n);
	view_memory_free(&host);
}

static bool guest_runs(struct step_ctx *ctx)
{
	return liveness_qemu(ctx->kfs, ctx->guest_name, NULL);
}

void step_run_begin(struct step_run *run, struct session *session, struct ledger *ledger,
		    uint64_t deadline)
{
	*run = (struct step_run){
		.ctx = {
			.kfs = session->kfs,
			.host = &session->host,
			.guest_name = ledger->name,
			.guest_uuid = ledger->uuid,
			.deadline = deadline,
			.tally = session->tally,
			.save = save,
			.save_shared = save_shared,
			.load_shared = load_shared,
			.read_store = read_store,
			.count_guests = count_guests,
			.guest_runs = guest_runs,
		},
		.session = session,
		.ledger = ledger,
	};
}

void step_run_foresee(struct session *session, struct step_list *list)
{
	struct ledger none = { 0 };
	struct step_run run;

	step_run_begin(&run, session, &none, 0);
	step_list_foresee(&run.ctx, list);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The functions that a step calls: writing down its ledger and its shared settings, and
 * counting the guests that run.
 */
#include "lifecycle/step_run.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "lifecycle/ledger.h"
#include "lifecycle/liveness.h"
#include "lifecycle/session.h"
#include "lifecycle/shared.h"
#include "memory/smaps.h"

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

/* The kernel walks a guest's page tables to tell what is shared, milliseconds for each GiB of
 * small pages, and others wait for the lock meanwhile.  Afterwards the plain sum will do */
#define SHARES_MS 1000

static void count_guest(const struct kfs *kfs, const char *name, uint64_t deadline,
			struct step_guests *guests)
{
	struct smaps smaps = { 0 };
	pid_t pid = 0;
	int rc;

	if (!liveness_qemu(kfs, name, &pid) || !pid)
		return;
	if (clock_left_ms(deadline))
		rc = smaps_read(kfs, pid, &smaps, NULL);
	else
		rc = smaps_read_resident(kfs, pid, &smaps.pss_kib, NULL);
	if (rc < 0)
		return;
	guests->n++;
	guests->kib = u64_add_sat(guests->kib, smaps.pss_kib);
}

static void count_guests(struct step_ctx *ctx, struct step_guests *guests)
{
	uint64_t deadline = clock_ms() + SHARES_MS;
	char **names = NULL;
	size_t n = 0, i;

	*guests = (struct step_guests){ 0 };
	liveness_running(ctx->kfs, &names, &n, NULL);
	for (i = 0; i < n; i++) {
		count_guest(ctx->kfs, names[i], deadline, guests);
		free(names[i]);
	}
	free(names);
}

void step_run_begin(struct step_run *run, struct session *session, struct ledger *ledger,
		    uint64_t deadline)
{
	*run = (struct step_run){
		.ctx = {
			.kfs = session->kfs,
			.host = &session->host,
			.guest_name = ledger->name,
			.deadline = deadline,
			.save = save,
			.save_shared = save_shared,
			.load_shared = load_shared,
			.count_guests = count_guests,
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

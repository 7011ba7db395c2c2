// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: what is KSM's is the host's
 *
 * A guest can do without KSM, so nothing that goes wrong here stops its start.  Where KSM
 * runs already without us, no file is written at all: the administrator who switched it on also
 * chose its rates.
 *
 * DOC: rousing
 *
 * The kernel's advisor is all but asleep after its first pass (ksm_rouse_advisor()), so
 * that pass is made over nothing before the first guest has any memory.
 *
 * DOC: taking apart
 *
 * Unmerging (run = 2) wants memory for each page that comes apart, all at once, and the
 * OOM killer if there is none.  So KSM is stopped first, then the memory is counted, and
 * only if it will do everything is taken apart.  Otherwise KSM stays stopped, the record
 * stays too, and the next session tries again.
 */
#include "steps/ksm_step.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config_keys.h"
#include "kernel/kfs.h"
#include "memory/base_page.h"
#include "memory/ksm.h"
#include "policy/ksm_rules.h"
#include "process/alarm.h"
#include "steps/setting.h"

/* What happens is seldom more than what a few dead guests left.  Another guest's start
 * may be waiting for the host lock */
#define UNMERGE_MS     10000

#define STOP	       "0"
#define MERGE	       "1"
#define UNMERGE	       "2"

#define ADVISOR_RECORD "ksm-advisor_mode"

static struct setting_file file_of(const char *file)
{
	return (struct setting_file){ STEP_KSM, "ksm", KSM_DIR, file };
}

static void describe(const struct step *step, char *buf, size_t size)
{
	const struct step_ksm *ksm = &step->ksm;
	char kib[TEXT_KIB_SIZE];

	if (ksm->left_alone) {
		snprintf(buf, size,
			 "leave KSM alone: it runs already, and was not switched on for guests");
		return;
	}
	if (!ksm->size_kib) {
		snprintf(buf, size, "let KSM run (enable = always)");
		return;
	}
	snprintf(buf, size, "let KSM merge equal pages in %s (%s)",
		 text_from_kib(ksm->size_kib, kib),
		 config_word_text("ksm", "profile", ksm->profile));
}

static void fact(const struct step *step, char *buf, size_t size)
{
	const struct step_ksm *ksm = &step->ksm;
	char kib[TEXT_KIB_SIZE];

	if (ksm->left_alone)
		snprintf(buf, size, "KSM: left as it was");
	else if (!ksm->size_kib)
		snprintf(buf, size, "KSM: on");
	else
		snprintf(buf, size, "KSM: %s may merge", text_from_kib(ksm->size_kib, kib));
}

/* ---- the host ---- */

/* A round that only restores has no view of the host */
static int read_memory(const struct step_ctx *ctx, struct ksm_host *host, struct err *err)
{
	struct numa numa = { 0 };
	int rc;

	if (ctx->host) {
		ksm_rules_memory(&ctx->host->numa, host);
		return 0;
	}
	rc = numa_read(ctx->kfs, &numa, err);
	if (rc < 0)
		return rc;
	ksm_rules_memory(&numa, host);
	numa_free(&numa);
	return 0;
}

static int read_host(const struct step_ctx *ctx, struct ksm_host *host, struct err *err)
{
	*host = (struct ksm_host){ .page_kib = base_page_kib(ctx->kfs) };
	host->advisor = ksm_has_advisor(ctx->kfs, &host->advising);
	return read_memory(ctx, host, err);
}

/* Return: 0, or -EAGAIN */
static int check_fits(const struct step_ctx *ctx, struct err *err)
{
	char needed[TEXT_KIB_SIZE], available[TEXT_KIB_SIZE];
	struct ksm_host host = { 0 };
	struct ksm_merged merged;
	int rc = ksm_read_merged(ctx->kfs, &merged, err);

	if (rc == 0)
		rc = read_host(ctx, &host, err);
	if (rc < 0 || ksm_rules_apart_fits(&host, merged.apart_kib))
		return rc;
	return err_set(err, EAGAIN,
		       "what KSM has merged stays merged for now: taken apart it would need %s, "
		       "and %s are available, of which a tenth of the host's memory has to stay "
		       "free",
		       text_from_kib(merged.apart_kib, needed),
		       text_from_kib(host.available_kib, available));
}

/**
 * take_apart() - Unmerge everything, if there is memory for it
 * @run:	The record of "run"; says afterwards that it is ours and 2, or 0
 * @found:	What the file says
 * Return: 0, or -EAGAIN with KSM stopped
 */
static int take_apart(struct step_ctx *ctx, struct shared_setting *run, const char *found,
		      struct err *err)
{
	int rc = 0;

	if (strcmp(found, STOP) != 0)
		rc = setting_change(ctx, run, found, STOP, err);
	if (rc == 0)
		rc = check_fits(ctx, err);
	if (rc < 0)
		return rc;
	alarm_start(UNMERGE_MS);
	rc = setting_change(ctx, run, STOP, UNMERGE, err);
	alarm_stop();
	if (rc == -EINTR || rc == -ENOMEM)
		return err_prefix(err, -EAGAIN, "taking apart what KSM has merged");
	return rc;
}

/* ---- apply ---- */

static void log_failure(int rc, const struct err *err)
{
	if (rc < 0)
		log_warning("%s", err->text);
}

/* None after one that failed: an advisor that is switched on changes pages_to_scan too, and
 * no record would say any more what that was */
static void apply_values(struct step_ctx *ctx, const struct ksm_value *values, size_t n)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < n; i++) {
		struct setting_file file = file_of(values[i].file);
		struct err err;

		rc = setting_apply(ctx, &file, values[i].text, "", &err);
		log_failure(rc, &err);
	}
}

/* This guest, which is about to start, and all others */
static size_t decide_values(struct step_ctx *ctx, const struct step_ksm *ksm,
			    struct ksm_value values[KSM_VALUES_MAX])
{
	struct step_guests guests = { 0 };
	struct ksm_host host;
	struct err err;
	int rc = read_host(ctx, &host, &err);

	log_failure(rc, &err);
	if (rc < 0)
		return 0;
	if (ksm_rules_computed(ksm->profile, &host)) {
		ctx->count_guests(ctx, &guests);
		host.guests_kib = u64_add_sat(guests.kib, ksm->size_kib);
	}
	return ksm_rules_values(ksm->profile, &host, values);
}

/* The kernel can't change this while anything is merged */
static int set_nodes(struct step_ctx *ctx, const struct step_ksm *ksm, struct shared_setting *run,
		     const char *running, struct err *err)
{
	const char *wanted = ksm->nodes == KSM_NODES_APART ? "0" : "1";
	struct setting_file file = file_of("merge_across_nodes");
	char found[SHARED_VALUE_SIZE];
	struct shared_setting setting;
	struct ksm_merged merged;
	int rc;

	if (ksm->nodes == KSM_NODES_KEEP || ctx->host->numa.n_nodes < 2)
		return 0;
	rc = setting_look(ctx, &file, &setting, found, err);
	if (rc < 0 || rc == SETTING_OTHERS || !strcmp(found, wanted))
		return rc < 0 && rc != -ENOENT ? rc : 0;
	rc = ksm_read_merged(ctx->kfs, &merged, err);
	if (rc == 0 && merged.shared && !strcmp(running, MERGE))
		rc = err_set(err, EAGAIN, "guests have merged pages already");
	else if (rc == 0 && merged.shared)
		rc = take_apart(ctx, run, running, err);
	if (rc == 0)
		rc = setting_apply(ctx, &file, wanted, "", err);
	return err_prefix(err, rc, "merge_across_nodes stays '%s'", found);
}

/* The action at the end, for the ledger; the default is left out */
static const char *end_word(enum config_ksm_end end)
{
	return end == KSM_RESTORE ? "" : config_word_text("ksm", "on_last_guest", end);
}

static void rouse(const struct step_ctx *ctx, uint64_t passes)
{
	bool advising;
	int rc;

	if (!ksm_has_advisor(ctx->kfs, &advising) || !advising)
		return;
	rc = ksm_rouse_advisor(ctx->kfs, passes);
	if (rc < 0)
		log_info("KSM's advisor could not be roused (%s): merging may begin late",
			 err_text(-rc));
}

static int switch_on(struct step_ctx *ctx, const struct step_ksm *ksm, struct err *err)
{
	struct setting_file file = file_of("run");
	uint64_t passes = ksm_passes(ctx->kfs);
	struct ksm_value values[KSM_VALUES_MAX];
	char found[SHARED_VALUE_SIZE];
	struct shared_setting run;
	int owner = setting_look(ctx, &file, &run, found, err), rc;
	size_t n = 0, first;
	struct err why;

	if (owner < 0)
		return owner;
	if (owner == SETTING_HOST && !strcmp(found, MERGE)) {
		log_debug("KSM runs already, and not for our guests: it is left as it is");
		return 0;
	}
	if (owner != SETTING_OTHERS) {
		log_failure(set_nodes(ctx, ksm, &run, found, &why), &why);
		n = decide_values(ctx, ksm, values);
	}
	/* The last is how long ksmd sleeps, and while it is roused a guest's start waits for it */
	first = n ? n - 1 : 0;
	apply_values(ctx, values, first);
	rc = setting_apply(ctx, &file, MERGE, end_word(ksm->end), err);
	if (rc == 0 && owner != SETTING_OTHERS && strcmp(found, MERGE) != 0) {
		log_event(LOG_EVENT_KSM_ON, "KSM is switched on");
		rouse(ctx, passes);
	}
	if (rc == 0)
		apply_values(ctx, values + first, n - first);
	return rc;
}

static int apply(struct step_ctx *ctx, struct step *step, struct err *err)
{
	int rc = switch_on(ctx, &step->ksm, err);

	if (rc < 0)
		log_warning("KSM is not switched on for guest '%s': %s", ctx->guest_name,
			    err->text);
	step->ksm.ready = true;
	return ctx->save(ctx, err);
}

/* ---- undo ---- */

/* The settings go back when there is no step left to hold them.  For those who stay
 * there is less to do now */
static int undo(struct step_ctx *ctx, struct step *step, enum undo_reason reason, struct err *err)
{
	struct setting_file file = file_of("run");
	struct ksm_value values[KSM_VALUES_MAX];
	char found[SHARED_VALUE_SIZE];
	struct step_guests guests;
	struct shared_setting run;
	struct ksm_host host;

	(void)reason;
	if (read_host(ctx, &host, err) < 0 || !ksm_rules_computed(step->ksm.profile, &host))
		return 0;
	if (setting_look(ctx, &file, &run, found, err) != SETTING_OURS || strcmp(found, MERGE) != 0)
		return 0;
	ctx->count_guests(ctx, &guests);
	host.guests_kib = guests.kib;
	if (guests.n)
		apply_values(ctx, values, ksm_rules_values(step->ksm.profile, &host, values));
	return 0;
}

/* ---- shared settings ---- */

static bool holds(const struct step *step, const struct shared_setting *setting)
{
	(void)step;
	(void)setting;
	return true;
}

static int write_last(struct step_ctx *ctx, const struct shared_setting *run, const char *found,
		      const char *value, struct err *err)
{
	int rc = strcmp(found, value) != 0 ? kfs_write(ctx->kfs, run->key, value, err) : 0;

	if (rc == 0)
		log_event(LOG_EVENT_KSM_OFF, "no guest needs KSM any more: /%s is '%s'", run->key,
			  value);
	return rc;
}

static int restore_run(struct step_ctx *ctx, const struct shared_setting *setting, struct err *err)
{
	bool apart = !strcmp(setting->at_end, "unmerge") || !strcmp(setting->before, UNMERGE);
	const char *value = setting->before;
	struct shared_setting run = *setting;
	char found[SHARED_VALUE_SIZE];
	int rc = setting_read(ctx->kfs, setting->key, found, err);

	if (!strcmp(setting->at_end, "stop")) {
		value = STOP;
		apart = false;
	}
	if (rc < 0)
		return rc;
	if (setting_owner(setting, found) == SETTING_OTHERS) {
		if (strcmp(found, value) != 0)
			log_info("another program has set /%s to '%s': it stays", run.key, found);
		return 0;
	}
	if (apart && strcmp(found, UNMERGE) != 0) {
		rc = take_apart(ctx, &run, found, err);
		snprintf(found, sizeof(found), UNMERGE);
	}
	return rc < 0 ? rc : write_last(ctx, &run, found, value, err);
}

/* Nothing may be merged then.  What the guests that are gone had merged still counts, so
 * that it takes an unmerge almost always */
static int restore_nodes(struct step_ctx *ctx, const struct shared_setting *setting,
			 struct err *err)
{
	struct setting_file file = file_of("run");
	char found[SHARED_VALUE_SIZE];
	struct shared_setting run;
	int rc = setting_restore(ctx, setting, err), owner;

	if (rc != -EAGAIN)
		return rc;
	owner = setting_look(ctx, &file, &run, found, err);
	if (owner < 0)
		return owner;
	if (owner == SETTING_OTHERS || (owner == SETTING_HOST && !strcmp(found, MERGE)))
		return err_set(
			err, EAGAIN,
			"/%s can't be '%s' again while pages are merged, and another program "
			"runs KSM by now: it is put back after \"echo 2 >/%s\", which takes "
			"merged pages apart",
			setting->key, setting->before, run.key);
	rc = take_apart(ctx, &run, found, err);
	if (rc == 0)
		rc = setting_restore(ctx, setting, err);
	/* A record that was begun just now: the next restore finds it done */
	if (rc == 0 && owner == SETTING_HOST)
		rc = setting_change(ctx, &run, UNMERGE, run.before, err);
	return rc;
}

/* With an advisor at work it is the advisor's, and can't be written.  If it is at work
 * because it could not be switched off just now, this has to wait for that */
static int restore_pages(struct step_ctx *ctx, const struct shared_setting *setting,
			 struct err *err)
{
	struct shared_setting advisor;
	bool advising;

	if (!ksm_has_advisor(ctx->kfs, &advising) || !advising)
		return setting_restore(ctx, setting, err);
	if (ctx->load_shared(ctx, ADVISOR_RECORD, &advisor, err) == -ENOENT)
		return 0;
	return err_set(err, EAGAIN, "/%s can't be put back while the advisor is on", setting->key);
}

static int restore(struct step_ctx *ctx, const struct shared_setting *setting, struct err *err)
{
	static const struct {
		const char *name;
		int (*restore)(struct step_ctx *ctx, const struct shared_setting *setting,
			       struct err *err);
	} special[] = {
		{ "ksm-run", restore_run },
		{ "ksm-merge_across_nodes", restore_nodes },
		{ "ksm-pages_to_scan", restore_pages },
	};
	int rc = setting_check_key(setting, err);
	size_t i;

	if (rc < 0)
		return rc;
	for (i = 0; i < ARRAY_SIZE(special); i++)
		if (!strcmp(setting->name, special[i].name))
			return special[i].restore(ctx, setting, err);
	return setting_restore(ctx, setting, err);
}

/* ---- what every step can do ---- */

static void held(const struct step *step, struct step_held *sum)
{
	sum->mergeable = u64_add_sat(sum->mergeable, step->ksm.size_kib);
}

/* As switch_on() finds out: an administrator, or another program, has switched it on */
static void foresee(struct step_ctx *ctx, struct step *step)
{
	struct shared_setting setting;
	struct ksm ksm;

	step->ksm.left_alone = ksm_read(ctx->kfs, &ksm, NULL) == 0 && ksm.run == KSM_RUN_MERGE &&
			       ctx->load_shared(ctx, "ksm-run", &setting, NULL) < 0;
}

static bool complete(const struct step *step)
{
	return step->ksm.ready;
}

/* A word of [ksm]: the key is the one in the configuration */
static json_t *word_write(const struct json_field *field, const void *member)
{
	return json_string(config_word_text("ksm", field->key, *(const unsigned int *)member));
}

static int word_read(const struct json_field *field, const json_t *object, void *member,
		     struct err *err)
{
	const char *text;
	int rc = json_read_string(object, field->key, &text, err);

	if (rc == 0 && config_word_value("ksm", field->key, text, member) < 0)
		rc = err_set(err, EINVAL, "unknown \"%s\" '%.64s'", field->key, text);
	return rc;
}

static const struct json_type word_type = { word_write, word_read };

static const struct json_field fields[] = {
	JSON_FIELD(struct step_ksm, size_kib),
	{ JSON_MEMBER(struct step_ksm, profile, "profile", &word_type) },
	{ JSON_MEMBER(struct step_ksm, end, "on_last_guest", &word_type) },
	{ JSON_MEMBER(struct step_ksm, nodes, "merge_across_nodes", &word_type) },
	JSON_OPTIONAL(struct step_ksm, ready),
	JSON_IF_SET(struct step_ksm, left_alone),
	JSON_END,
};

const struct step_ops ksm_step_ops = {
	.name = "ksm",
	.describe = describe,
	.fact = fact,
	.apply = apply,
	.undo = undo,
	.complete = complete,
	.held = held,
	.foresee = foresee,
	.holds = holds,
	.restore = restore,
	.fields = fields,
};

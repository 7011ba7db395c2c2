// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The step "thp": settings of transparent huge pages.
 */
#include "steps/thp_step.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"
#include "base/json_fields.h"
#include "base/log.h"
#include "base/text.h"
#include "memory/thp.h"
#include "steps/setting.h"
#include "steps/thp_room.h"

/* A file, and where struct config_thp has the value for it */
struct word {
	const char *file;
	size_t offset;
};

static const struct word words[] = {
	{ "enabled", offsetof(struct config_thp, enabled) },
	{ "defrag", offsetof(struct config_thp, defrag) },
	{ "shmem_enabled", offsetof(struct config_thp, shmem_enabled) },
};

#define N_WORDS ARRAY_SIZE(words)

static const char *word_of(const struct config_thp *thp, size_t i)
{
	return (const char *)thp + words[i].offset;
}

static bool sets_any(const struct step_thp *thp)
{
	size_t i;

	for (i = 0; i < N_WORDS; i++)
		if (*word_of(&thp->settings, i))
			return true;
	return false;
}

static void describe(const struct step *step, char *buf, size_t size)
{
	const struct step_thp *thp = &step->thp;
	char kib[TEXT_KIB_SIZE];
	size_t used, i;

	used = (size_t)snprintf(
		buf, size, "transparent huge pages for %s:", text_from_kib(thp->size_kib, kib));
	for (i = 0; i < N_WORDS && used < size; i++)
		if (*word_of(&thp->settings, i))
			used += (size_t)snprintf(buf + used, size - used, " %s=%s", words[i].file,
						 word_of(&thp->settings, i));
	if (thp->room_kib && used < size)
		snprintf(buf + used, size - used, "%s room for %s by %s%s%s",
			 sets_any(thp) ? ";" : "", text_from_kib(thp->room_kib, kib),
			 thp->reclaim ? "reclaiming cache" : "",
			 thp->reclaim && thp->compact ? " and " : "",
			 thp->compact ? "compacting memory" : "");
}

static void fact(const struct step *step, char *buf, size_t size)
{
	const struct step_thp *thp = &step->thp;
	char kib[TEXT_KIB_SIZE];

	snprintf(buf, size, "THP: %s for %s", sets_any(thp) ? "set" : "room made",
		 text_from_kib(thp->size_kib, kib));
}

/* A guest can do without: nothing that goes wrong here stops its start */
static int apply(struct step_ctx *ctx, struct step *step, struct err *err)
{
	struct step_thp *thp = &step->thp;
	size_t i;

	for (i = 0; i < N_WORDS; i++) {
		struct setting_file file = { STEP_THP, "thp", THP_DIR, words[i].file };
		const char *word = word_of(&thp->settings, i);

		if (*word && setting_apply(ctx, &file, word, "", err) < 0)
			log_warning("guest '%s' starts without %s = %s in [thp]: %s",
				    ctx->guest_name, words[i].file, word, err->text);
	}
	thp->ready = true;
	return ctx->save(ctx, err);
}

static void afterwards(const struct step_after *after, const struct step *step)
{
	if (step->thp.room_kib)
		thp_room_make(after->kfs, after->numa, &step->thp, after->deadline);
}

/* The settings go back when there is no step left to hold them */
static int undo(struct step_ctx *ctx, struct step *step, enum undo_reason reason, struct err *err)
{
	(void)ctx;
	(void)step;
	(void)reason;
	(void)err;
	return 0;
}

static bool holds(const struct step *step, const struct shared_setting *setting)
{
	(void)setting;
	return sets_any(&step->thp);
}

/* ---- what every step can do ---- */

static bool complete(const struct step *step)
{
	return step->thp.ready;
}

static const struct json_field fields[] = {
	JSON_FIELD(struct step_thp, size_kib),
	JSON_OPTIONAL(struct step_thp, ready),
	JSON_FIELD_AS(struct step_thp, settings.enabled, "enabled"),
	JSON_FIELD_AS(struct step_thp, settings.defrag, "defrag"),
	JSON_FIELD_AS(struct step_thp, settings.shmem_enabled, "shmem_enabled"),
	JSON_IF_SET(struct step_thp, room_kib),
	JSON_IF_SET(struct step_thp, compact),
	JSON_IF_SET(struct step_thp, reclaim),
	JSON_END,
};

/* A step of this kind is there because [thp] says so */
static int check(struct step *step, struct err *err)
{
	(void)err;
	step->thp.settings.manage = true;
	return 0;
}

const struct step_ops thp_step_ops = {
	.name = "thp",
	.describe = describe,
	.fact = fact,
	.apply = apply,
	.afterwards = afterwards,
	.undo = undo,
	.complete = complete,
	.holds = holds,
	.restore = setting_restore,
	.fields = fields,
	.check = check,
};

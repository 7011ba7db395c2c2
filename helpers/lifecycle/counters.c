// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Counting what the hooks do, for curves and alerts.
 */
#include "lifecycle/counters.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "lifecycle/state.h"

#define COUNTERS_FILE	  "counters"
#define COUNTERS_VERSION  1
#define COUNTERS_FILE_MAX 65536

static const char *const reasons[] = {
	[REFUSED_ROOM] = "no_room",	   [REFUSED_TIMEOUT] = "timeout",
	[REFUSED_INVALID] = "invalid",	   [REFUSED_UNAVAILABLE] = "unavailable",
	[REFUSED_CANCELLED] = "cancelled", [REFUSED_OTHER] = "other",
};

_Static_assert(ARRAY_SIZE(reasons) == REFUSED_REASONS, "a reason has no name");

const char *counters_reason(enum refused reason)
{
	return reasons[reason];
}

static enum refused reason_of(int rc)
{
	switch (-rc) {
	case ENOSPC:
		return REFUSED_ROOM;
	case ETIMEDOUT:
	case EAGAIN:
		return REFUSED_TIMEOUT;
	case EINVAL:
		return REFUSED_INVALID;
	case ENODEV:
	case ENOENT:
	case EOPNOTSUPP:
		return REFUSED_UNAVAILABLE;
	case ECANCELED:
		return REFUSED_CANCELLED;
	default:
		return REFUSED_OTHER;
	}
}

void counters_note_start(struct counters *counters, int rc, uint64_t ms)
{
	if (rc < 0)
		counters->refused[reason_of(rc)]++;
	else
		counters->started++;
	counters->prepares++;
	counters->prepare_ms += ms;
}

/* ---- the file ---- */

static const struct json_field grown_fields[] = {
	JSON_FIELD(struct step_grown, page_kib),
	JSON_FIELD(struct step_grown, pages),
	JSON_END,
};

/* Each may be missing: a later version has more of them */
static const struct json_field fields[] = {
	JSON_OPTIONAL(struct counters, started),
	JSON_OPTIONAL_AS(struct counters, refused[REFUSED_ROOM], "refused_no_room"),
	JSON_OPTIONAL_AS(struct counters, refused[REFUSED_TIMEOUT], "refused_timeout"),
	JSON_OPTIONAL_AS(struct counters, refused[REFUSED_INVALID], "refused_invalid"),
	JSON_OPTIONAL_AS(struct counters, refused[REFUSED_UNAVAILABLE], "refused_unavailable"),
	JSON_OPTIONAL_AS(struct counters, refused[REFUSED_CANCELLED], "refused_cancelled"),
	JSON_OPTIONAL_AS(struct counters, refused[REFUSED_OTHER], "refused_other"),
	JSON_OPTIONAL(struct counters, prepares),
	JSON_OPTIONAL(struct counters, prepare_ms),
	JSON_OPTIONAL_AS(struct counters, steps.compactions, "compactions"),
	JSON_END,
};

static int read_grown(const json_t *root, struct counters *counters, struct err *err)
{
	json_t *list = json_object_get(root, "grown");
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < json_array_size(list) && i < STEP_TALLY_SIZES; i++) {
		struct step_grown *grown = &counters->steps.grown[i];

		rc = json_fields_read(json_array_get(list, i), grown_fields, grown, err);
	}
	return rc;
}

static int parse(const char *text, size_t len, struct counters *counters, struct err *err)
{
	cleanup_json json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	uint64_t version;
	int rc = root ? json_read_u64(root, "version", &version, err) :
			err_set(err, EINVAL, "it is damaged");

	if (rc == 0 && version != COUNTERS_VERSION)
		rc = err_set(err, EINVAL, "it was written by another version");
	if (rc == 0)
		rc = json_fields_read(root, fields, counters, err);
	return rc < 0 ? rc : read_grown(root, counters, err);
}

/* An unreadable file counts as lost: counters start at zero */
static void read_file(const struct state *state, struct counters *counters)
{
	cleanup_free char *text = NULL;
	struct err err;
	size_t len;
	int rc = file_read_at(state->dirfd, COUNTERS_FILE, COUNTERS_FILE_MAX, &text, &len, &err);

	*counters = (struct counters){ 0 };
	if (rc == 0)
		rc = parse(text, len, counters, &err);
	if (rc == 0 || rc == -ENOENT)
		return;
	*counters = (struct counters){ 0 };
	log_info("/" STATE_DIR "/" COUNTERS_FILE " can't be used: %s", err.text);
}

static int write_file(const struct state *state, const struct counters *counters, struct err *err)
{
	cleanup_json json_t *root = json_pack("{s:i}", "version", COUNTERS_VERSION);
	json_t *grown = json_array();
	cleanup_free char *text = NULL;
	size_t i;

	for (i = 0; i < STEP_TALLY_SIZES && counters->steps.grown[i].page_kib; i++)
		json_add(&grown, json_pack("{s:I, s:I}", "page_kib",
					   json_number(counters->steps.grown[i].page_kib), "pages",
					   json_number(counters->steps.grown[i].pages)));
	if (json_fields_put(root, fields, counters) &&
	    json_object_set_new(root, "grown", grown) == 0)
		text = json_dumps(root, JSON_INDENT(1));
	return text ? file_replace_at(state->dirfd, COUNTERS_FILE, text, strlen(text), err) :
		      err_nomem(err);
}

/* ---- adding ---- */

static void add(struct counters *sum, const struct counters *more)
{
	size_t i;

	sum->started = u64_add_sat(sum->started, more->started);
	for (i = 0; i < REFUSED_REASONS; i++)
		sum->refused[i] = u64_add_sat(sum->refused[i], more->refused[i]);
	sum->prepares = u64_add_sat(sum->prepares, more->prepares);
	sum->prepare_ms = u64_add_sat(sum->prepare_ms, more->prepare_ms);
	sum->steps.compactions = u64_add_sat(sum->steps.compactions, more->steps.compactions);
	for (i = 0; i < STEP_TALLY_SIZES; i++)
		step_tally_grown(&sum->steps, more->steps.grown[i].page_kib,
				 more->steps.grown[i].pages);
}

static bool is_empty(const struct counters *counters)
{
	return !counters->prepares && !counters->steps.compactions &&
	       !counters->steps.grown[0].page_kib;
}

static int add_to_file(const struct state *state, const struct counters *more, struct err *err)
{
	cleanup_lock int lock = state_lock_files(state, err);
	struct counters sum;

	if (lock < 0)
		return lock;
	if (!state_has_room(state))
		return err_set(err, ENOSPC, "/run is nearly full");
	read_file(state, &sum);
	add(&sum, more);
	return write_file(state, &sum, err);
}

void counters_add(const struct kfs *kfs, const struct counters *more, bool make)
{
	struct state state = STATE_CLOSED;
	struct err err;
	int rc;

	if (is_empty(more))
		return;
	rc = state_open(kfs->rootfd, make, &state, &err);
	state.files_wait_ms = STATE_COUNT_WAIT_MS;
	if (rc == 0)
		rc = add_to_file(&state, more, &err);
	if (rc < 0 && (make || rc != -ENOENT))
		log_info("not counted: %s", err.text);
	state_close(&state);
}

void counters_read(const struct kfs *kfs, struct counters *counters)
{
	struct state state = STATE_CLOSED;

	*counters = (struct counters){ 0 };
	if (state_open(kfs->rootfd, false, &state, NULL) == 0)
		read_file(&state, counters);
	state_close(&state);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The file of refusals.
 */
#include "lifecycle/refusals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "lifecycle/state.h"

#define REFUSALS_FILE	  "refusals"
#define REFUSALS_FILE_MAX (1u << 18)

static const struct json_field note_fields[] = {
	JSON_FIELD(struct refusal_note, uuid),
	JSON_FIELD(struct refusal_note, name),
	JSON_FIELD(struct refusal_note, time),
	JSON_FIELD(struct refusal_note, text),
	JSON_END,
};

static void parse(const char *text, size_t len, struct refusals *refusals)
{
	cleanup_json json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	size_t i;

	for (i = 0; i < json_array_size(root) && refusals->n < REFUSALS_MAX; i++) {
		struct refusal_note *note = &refusals->list[refusals->n];

		if (json_fields_read(json_array_get(root, i), note_fields, note, NULL) == 0)
			refusals->n++;
	}
}

static void read_file(const struct state *state, struct refusals *refusals)
{
	cleanup_free char *text = NULL;
	size_t len;

	refusals->n = 0;
	if (file_read_at(state->dirfd, REFUSALS_FILE, REFUSALS_FILE_MAX, &text, &len, NULL) == 0)
		parse(text, len, refusals);
}

static int write_file(const struct state *state, const struct refusals *refusals, struct err *err)
{
	json_t *root = json_array();
	cleanup_free char *text = NULL;
	size_t i;

	for (i = 0; i < refusals->n; i++)
		json_add(&root, json_fields_write(note_fields, &refusals->list[i]));
	text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	json_decref(root);
	return text ? file_replace_private_at(state->dirfd, REFUSALS_FILE, text, strlen(text),
					      err) :
		      err_nomem(err);
}

/* Return: whether it was there */
static bool drop(struct refusals *refusals, const char *uuid)
{
	size_t i;

	for (i = 0; i < refusals->n; i++) {
		if (strcmp(refusals->list[i].uuid, uuid) != 0)
			continue;
		refusals->n--;
		memmove(&refusals->list[i], &refusals->list[i + 1],
			(refusals->n - i) * sizeof(refusals->list[0]));
		return true;
	}
	return false;
}

static void append(struct refusals *refusals, const struct refusal_note *note)
{
	drop(refusals, note->uuid);
	if (refusals->n == REFUSALS_MAX)
		drop(refusals, refusals->list[0].uuid);
	refusals->list[refusals->n++] = *note;
}

/* @note: NULL: forget */
static int change(const struct state *state, const char *uuid, const struct refusal_note *note,
		  struct refusals *refusals, struct err *err)
{
	cleanup_lock int lock = state_lock_files(state, err);

	if (lock < 0)
		return lock;
	read_file(state, refusals);
	if (note && !state_has_room(state))
		return err_set(err, ENOSPC, "/run is nearly full");
	if (note)
		append(refusals, note);
	else if (!drop(refusals, uuid))
		return 0;
	return write_file(state, refusals, err);
}

static void change_file(const struct kfs *kfs, const char *uuid, const struct refusal_note *note)
{
	cleanup_free struct refusals *refusals = calloc(1, sizeof(*refusals));
	struct state state = STATE_CLOSED;
	struct err err;
	int rc = refusals ? state_open(kfs->rootfd, false, &state, &err) : err_nomem(&err);

	state.files_wait_ms = STATE_COUNT_WAIT_MS;
	if (rc == 0)
		rc = change(&state, uuid, note, refusals, &err);
	if (rc < 0 && rc != -ENOENT)
		log_info("the refusal is not kept: %s", err.text);
	state_close(&state);
}

void refusals_note(const struct kfs *kfs, const char *uuid, const char *name, const char *text)
{
	struct refusal_note note = { .time = (uint64_t)time(NULL) };

	snprintf(note.uuid, sizeof(note.uuid), "%s", uuid);
	snprintf(note.name, sizeof(note.name), "%s", name);
	snprintf(note.text, sizeof(note.text), "%s", text);
	text_mend(note.name);
	text_mend(note.text);
	change_file(kfs, uuid, &note);
}

void refusals_forget(const struct kfs *kfs, const char *uuid)
{
	if (kfs_exists(kfs, STATE_DIR "/" REFUSALS_FILE))
		change_file(kfs, uuid, NULL);
}

void refusals_read(const struct kfs *kfs, struct refusals *refusals)
{
	struct state state = STATE_CLOSED;

	refusals->n = 0;
	if (state_open(kfs->rootfd, false, &state, NULL) == 0)
		read_file(&state, refusals);
	state_close(&state);
}

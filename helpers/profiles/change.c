// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Deciding what becomes of another program's file.
 */
#include "profiles/change.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "profiles/place.h"
#include "profiles/qemu_conf_edit.h"

void change_free(struct change *change)
{
	size_t i;

	for (i = 0; i < change->n; i++) {
		free(change->files[i].old);
		free(change->files[i].new);
	}
	for (i = 0; i < change->n_notes; i++)
		free(change->notes[i]);
	change->n = change->n_notes = 0;
	record_free(&change->record);
}

/* NULL stays NULL */
static int copy_text(char **to, const char *from, struct err *err)
{
	char *text = from ? strdup(from) : NULL;

	if (from && !text)
		return err_nomem(err);
	free(*to);
	*to = text;
	return 0;
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

__attribute__((format(printf, 3, 4))) static int note(struct change *change, struct err *err,
						      const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0 || change->n_notes == CHANGES_MAX)
		return err_nomem(err);
	change->notes[change->n_notes++] = text;
	return 0;
}

/* The next line that says something, without its comments; NULL at the end */
static const char *next_setting(const char **text, size_t *len)
{
	while (**text) {
		const char *line = *text;

		*len = strcspn(line, "\n");
		*text += *len + (line[*len] == '\n');
		if (*len && *line != '#')
			return line;
	}
	return NULL;
}

/* Comments may say what a host has at the moment */
static bool same_settings(const char *a, const char *b)
{
	const char *left, *right;
	size_t left_len = 0, right_len = 0;

	do {
		left = next_setting(&a, &left_len);
		right = next_setting(&b, &right_len);
		if (!left || !right)
			return left == right;
	} while (left_len == right_len && !memcmp(left, right, left_len));
	return false;
}

/* ---- collecting ---- */

/* A file with what it has now */
static int begin_file(int rootfd, const char *path, struct change *change,
		      struct file_change **file, struct err *err)
{
	struct file_change *f = &change->files[change->n];

	if (change->n == CHANGES_MAX)
		return err_set(err, E2BIG, "too many files");
	memset(f, 0, sizeof(*f));
	snprintf(f->path, sizeof(f->path), "%s", path);
	change->n++;
	*file = f;
	return place_read(rootfd, path, &f->old, err);
}

/* Nothing happens to it */
static void drop_file(struct change *change)
{
	struct file_change *f = &change->files[--change->n];

	free(f->old);
	free(f->new);
}

/* The part's entry, made if it has none: with what is there now as what was there before */
static int begin_entry(const struct part *part, struct file_change *f, struct change *change,
		       struct record_entry **entry, struct err *err)
{
	struct record *record = &change->record;
	struct record_entry *e = record_find(record, part->path);

	*entry = e;
	if (e)
		return 0;
	if (record->n == RECORD_MAX)
		return err_set(err, E2BIG, "too many files");
	e = *entry = &record->entries[record->n++];
	e->kind = part->kind;
	if (copy_text(&e->path, part->path, err) < 0 || copy_text(&e->before, f->old, err) < 0 ||
	    copy_text(&e->key, part->key, err) < 0)
		return -ENOMEM;
	return 0;
}

/* Was more changed in the file since than our settings?  Restoring all of the file would undo that,
 * too, so only the bytes that were written then count as ours */
static bool edited(const struct record_entry *entry, const char *now)
{
	return entry->done && !same(entry->after, now);
}

/* @f->new takes the place of @f->old */
static int keep(const struct part *part, struct file_change *f, struct change *change,
		struct err *err)
{
	struct record_entry *e = NULL;
	int rc = begin_entry(part, f, change, &e, err);

	if (rc == 0 && !edited(e, f->old))
		rc = copy_text(&e->after, f->new, err);
	if (rc == 0)
		rc = copy_text(&e->text, part->text, err);
	if (rc == 0)
		rc = copy_text(&e->value, part->value, err);
	change->changed = true;
	return rc;
}

/* ---- applying ---- */

/* Nothing to do.  Where the record has something else we were stopped before it was written */
static int is_there(const struct part *part, struct record_entry *entry, const char *after,
		    struct change *change, struct err *err)
{
	int rc = 0;

	if (entry && after && !same(entry->after, after)) {
		rc = copy_text(&entry->after, after, err);
		change->changed = true;
	}
	if (rc == 0 && entry && part->kind == PART_LINES && !same(entry->text, part->text)) {
		rc = copy_text(&entry->text, part->text, err);
		change->changed = true;
	}
	if (rc == 0 && entry && !same(entry->value, part->value)) {
		rc = copy_text(&entry->value, part->value, err);
		change->changed = true;
	}
	drop_file(change);
	return rc;
}

static int apply_file(const struct part *part, struct record_entry *entry, struct file_change *f,
		      struct change *change, struct err *err)
{
	bool fits = f->old && same_settings(f->old, part->text);

	if (entry && fits)
		return is_there(part, entry, f->old, change, err);
	if (entry && !same(f->old, entry->after)) {
		bool there = f->old;

		drop_file(change);
		return note(change, err,
			    there ? "/%s, edited since it was applied" :
				    "the removal of /%s, since it was applied",
			    part->path);
	}
	if (!entry && f->old && !fits)
		return err_set(err, EEXIST,
			       "/%s is there already and has other settings: move it away, or "
			       "keep it and leave this profile",
			       part->path);
	f->new = strdup(part->text);
	return f->new ? keep(part, f, change, err) : err_nomem(err);
}

/* @lines put behind @text, or in the place of @ours in it */
static char *with_lines(const char *text, const char *ours, const char *lines)
{
	const char *at = ours ? strstr(text, ours) : NULL;
	size_t before = at ? (size_t)(at - text) : strlen(text);
	const char *gap = !at && before && text[before - 1] != '\n' ? "\n" : "";
	char *result = NULL;

	if (asprintf(&result, "%.*s%s%s%s", (int)before, text, gap, lines,
		     at ? at + strlen(ours) : "") < 0)
		return NULL;
	return result;
}

static int apply_lines(const struct part *part, struct record_entry *entry, struct file_change *f,
		       struct change *change, struct err *err)
{
	const char *old = f->old ? f->old : "";

	if (strstr(old, part->text))
		return is_there(part, entry, NULL, change, err);
	if (entry && !strstr(old, entry->text)) {
		drop_file(change);
		return note(change, err,
			    "the profile's lines in /%s, edited since they were applied",
			    part->path);
	}
	f->new = with_lines(old, entry ? entry->text : NULL, part->text);
	return f->new ? keep(part, f, change, err) : err_nomem(err);
}

static int set_key(const struct part *part, const char *value, struct file_change *f,
		   struct change *change, struct err *err)
{
	struct record_entry *e = record_find(&change->record, part->path);
	int rc = qemu_conf_set(f->old ? f->old : "", part->key, part->value, &f->new, err);

	if (rc < 0)
		return rc;
	rc = keep(part, f, change, err);
	/* At the first time only: later it is ours */
	if (rc < 0 || e)
		return rc;
	e = record_find(&change->record, part->path);
	return copy_text(&e->old_value, value, err);
}

static int apply_key(const struct part *part, struct record_entry *entry, struct file_change *f,
		     struct change *change, struct err *err)
{
	cleanup_free char *value = NULL;
	int rc = qemu_conf_get(f->old ? f->old : "", part->key, &value, err);

	if (rc < 0)
		return err_prefix(err, rc, "/%s: cannot set %s = \"%s\"", part->path, part->key,
				  part->value);
	if (same(value, part->value))
		return is_there(part, entry, NULL, change, err);
	if (entry && !same(value, entry->value)) {
		drop_file(change);
		return note(change, err, "%s in /%s, which is %s%.200s%s since it was edited",
			    part->key, part->path, value ? "\"" : "", value ? value : "nothing",
			    value ? "\"" : "");
	}
	return set_key(part, value, f, change, err);
}

/* Something stopped us before the file was written: then it is as if nothing had been
 * tried.  Or right after that: then it is done */
static struct record_entry *put_back_entry(struct record_entry *entry, const struct file_change *f,
					   struct change *change)
{
	if (!entry || entry->done)
		return entry;
	change->changed = true;
	entry->done = same(f->old, entry->after);
	if (entry->done)
		return entry;
	record_drop(&change->record, entry);
	return NULL;
}

static int apply_part(int rootfd, const struct part *part, struct change *change, struct err *err)
{
	struct record_entry *entry = record_find(&change->record, part->path);
	struct file_change *f = NULL;
	int rc;

	if (part->kind == PART_SHOWN)
		return 0;
	rc = begin_file(rootfd, part->path, change, &f, err);
	if (rc < 0)
		return rc;
	entry = put_back_entry(entry, f, change);
	if (part->kind == PART_QEMU_CONF)
		return apply_key(part, entry, f, change, err);
	if (part->kind == PART_LINES)
		return apply_lines(part, entry, f, change, err);
	return apply_file(part, entry, f, change, err);
}

/* ---- taking back ---- */

static int restore(const struct record_entry *e, struct file_change *f, struct change *change,
		   struct err *err)
{
	f->rmdir = e->made_dir;
	if (same(f->old, e->before)) {
		drop_file(change);
		return 0;
	}
	return copy_text(&f->new, e->before, err);
}

static int take_out_lines(const struct record_entry *e, struct file_change *f,
			  struct change *change, struct err *err)
{
	if (!f->old || !strstr(f->old, e->text)) {
		drop_file(change);
		return note(change, err,
			    "the profile's lines in /%s, edited since they were applied", e->path);
	}
	f->new = with_lines(f->old, e->text, "");
	return f->new ? 0 : err_nomem(err);
}

static int take_back_key(const struct record_entry *e, struct file_change *f, struct change *change,
			 struct err *err)
{
	cleanup_free char *value = NULL;
	int rc = qemu_conf_get(f->old ? f->old : "", e->key, &value, err);

	if (rc < 0)
		return err_prefix(err, rc, "/%s: cannot take back %s", e->path, e->key);
	if (same(value, e->value))
		return qemu_conf_set(f->old, e->key, e->old_value, &f->new, err);
	drop_file(change);
	if (same(value, e->old_value))
		return 0;
	return note(change, err, "%s in /%s, edited since it was applied", e->key, e->path);
}

static int take_back(int rootfd, const struct record_entry *e, struct change *change,
		     struct err *err)
{
	struct file_change *f = NULL;
	int rc = begin_file(rootfd, e->path, change, &f, err);

	if (rc < 0)
		return rc;
	if (same(f->old, e->after) || same(f->old, e->before))
		return restore(e, f, change, err);
	if (!e->done) {
		drop_file(change);
		return 0;
	}
	if (e->kind == PART_QEMU_CONF)
		return take_back_key(e, f, change, err);
	if (e->kind == PART_LINES)
		return take_out_lines(e, f, change, err);
	drop_file(change);
	return f->old ? note(change, err, "/%s, edited since it was applied", e->path) : 0;
}

/* ---- both ---- */

static bool is_wanted(const struct parts *parts, const char *path)
{
	size_t i;

	for (i = 0; i < parts->n; i++)
		if (parts->part[i].kind != PART_SHOWN && !strcmp(parts->part[i].path, path))
			return true;
	return false;
}

/* Entries for which @parts has none; from the last one, so that those before stay put */
static int drop_others(int rootfd, const struct parts *parts, struct change *change,
		       struct err *err)
{
	struct record *record = &change->record;
	size_t i;

	for (i = record->n; i-- > 0;) {
		struct record_entry *e = &record->entries[i];
		int rc;

		if (is_wanted(parts, e->path))
			continue;
		rc = take_back(rootfd, e, change, err);
		if (rc < 0)
			return rc;
		record_drop(record, e);
		change->changed = true;
	}
	return 0;
}

int change_apply(int rootfd, const char *profile, const struct parts *parts, struct change *change,
		 struct err *err)
{
	size_t i;
	int rc;

	memset(change, 0, sizeof(*change));
	rc = record_read(rootfd, profile, &change->record, err);
	if (rc == 0)
		rc = drop_others(rootfd, parts, change, err);
	for (i = 0; rc == 0 && i < parts->n; i++)
		rc = apply_part(rootfd, &parts->part[i], change, err);
	return rc;
}

int change_remove(int rootfd, const char *profile, struct change *change, struct err *err)
{
	return change_apply(rootfd, profile, &(struct parts){ 0 }, change, err);
}

/* As far as they were written.  The last one may be in place, and its directory not on the
 * disk: where it isn't it is no longer or not yet what we wrote, and nothing happens to it.
 * Return: false if a file may still have what we wrote */
static bool write_back(int rootfd, struct change *change, size_t n)
{
	bool all = true, last = true;

	while (n-- > 0) {
		struct file_change *f = &change->files[n];
		int rc = place_replace(rootfd, f->path, f->new, f->old, NULL, NULL);

		/* -EBUSY: it has other content.  Of the last one that is what it had before */
		all = all && (rc == 0 || (rc == -EBUSY && last));
		last = false;
	}
	return all;
}

/* @undone: Set on failure: no file has anything of the change */
static int write_files(int rootfd, struct change *change, bool *undone, struct err *err)
{
	size_t i;

	for (i = 0; i < change->n; i++) {
		struct file_change *f = &change->files[i];
		struct record_entry *e;
		bool made_dir = false;
		int rc = place_replace(rootfd, f->path, f->old, f->new, &made_dir, err);

		if (rc < 0) {
			*undone = write_back(rootfd, change, i + 1);
			return rc;
		}
		e = record_find(&change->record, f->path);
		if (e)
			e->made_dir |= made_dir;
	}
	return 0;
}

static void finish(int rootfd, struct change *change)
{
	size_t i;

	for (i = 0; i < change->record.n; i++)
		change->record.entries[i].done = true;
	for (i = 0; i < change->n; i++)
		if (change->files[i].rmdir && !change->files[i].new)
			place_remove_dir(rootfd, change->files[i].path);
}

/* The former record, and entries that are new.  The latter stay @change's */
static int announce(int rootfd, const char *profile, const struct record *former,
		    struct change *change, struct err *err)
{
	struct record both = *former;
	size_t i;

	for (i = 0; i < change->record.n; i++) {
		const struct record_entry *e = &change->record.entries[i];

		if (record_find(&both, e->path))
			continue;
		if (both.n == RECORD_MAX)
			return err_set(err, E2BIG, "too many files");
		both.entries[both.n++] = *e;
	}
	return both.n > former->n ? record_write(rootfd, profile, &both, err) : 0;
}

/* With @former read and the new entries written down */
static int write_announced(int rootfd, const char *profile, const struct record *former,
			   struct change *change, struct err *err)
{
	bool undone = false;
	int rc = write_files(rootfd, change, &undone, err);

	if (rc == 0) {
		finish(rootfd, change);
		return record_write(rootfd, profile, &change->record, err);
	}
	/* What a file had before is worth knowing as long as it may have something of ours */
	if (undone)
		record_write(rootfd, profile, former, NULL);
	return rc;
}

int change_write(int rootfd, const char *profile, struct change *change, struct err *err)
{
	struct record former;
	int rc;

	if (!change->changed)
		return 0;
	rc = record_read(rootfd, profile, &former, err);
	if (rc == 0)
		rc = announce(rootfd, profile, &former, change, err);
	if (rc == 0)
		rc = write_announced(rootfd, profile, &former, change, err);
	record_free(&former);
	return rc;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a profile changed, so that it can be taken back.
 */
#include "profiles/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "base/lock.h"
#include "profiles/place.h"

#define RECORD_VERSION 1

static const char *const kind_names[] = {
	[PART_FILE] = "file",
	[PART_LINES] = "lines",
	[PART_QEMU_CONF] = "qemu.conf",
};

_Static_assert(ARRAY_SIZE(kind_names) == PART_SHOWN, "what is only shown is in no record");

static json_t *bytes_write(const struct json_field *field, const void *member);
static int bytes_read(const struct json_field *field, const json_t *object, void *member,
		      struct err *err);

static const struct json_type bytes_type = { bytes_write, bytes_read };

#define BYTES(member)                                                                              \
	{                                                                                          \
		JSON_MEMBER(struct record_entry, member, #member, &bytes_type)                     \
	}

static const struct json_field fields[] = {
	JSON_WORD(struct record_entry, kind, kind_names),
	BYTES(path),
	JSON_OPTIONAL(struct record_entry, done),
	JSON_OPTIONAL(struct record_entry, made_dir),
	BYTES(before),
	BYTES(after),
	BYTES(text),
	BYTES(key),
	BYTES(value),
	BYTES(old_value),
	JSON_END,
};

void record_entry_free(struct record_entry *entry)
{
	const struct json_field *field;

	for (field = fields; field->key; field++)
		if (field->type == &bytes_type)
			free(*(char **)((char *)entry + field->offset));
	memset(entry, 0, sizeof(*entry));
}

void record_free(struct record *record)
{
	size_t i;

	for (i = 0; i < record->n; i++)
		record_entry_free(&record->entries[i]);
	record->n = 0;
}

struct record_entry *record_find(struct record *record, const char *path)
{
	size_t i;

	for (i = 0; i < record->n; i++)
		if (!strcmp(record->entries[i].path, path))
			return &record->entries[i];
	return NULL;
}

void record_drop(struct record *record, struct record_entry *entry)
{
	size_t behind = (size_t)(record->entries + record->n - entry) - 1;

	record_entry_free(entry);
	memmove(entry, entry + 1, behind * sizeof(*entry));
	memset(&record->entries[--record->n], 0, sizeof(*entry));
}

/* A person who applies a profile looks at what is printed, and may stop it */
#define LOCK_WAIT_MS 30000

int record_lock(int rootfd, struct err *err)
{
	return lock_take(rootfd, LOCK_CONF, clock_ms() + LOCK_WAIT_MS, err);
}

static void record_path(const char *profile, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, RECORD_DIR "/%s.json", profile);
}

bool record_exists(int rootfd, const char *profile)
{
	char path[PATH_MAX];

	record_path(profile, path);
	/* A profile that can't be looked at for a moment is not one that was never applied */
	return faccessat(rootfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       (errno != ENOENT && errno != ENOTDIR);
}

/* ---- bytes in JSON ---- */

/* JSON has characters and no bytes, and a comment may be in Latin-1: byte N is written as
 * character N, so what is ASCII stays readable.  To be freed */
static char *bytes_to_characters(const char *bytes)
{
	char *text = malloc(strlen(bytes) * 2 + 1), *to = text;

	for (; text && *bytes; bytes++) {
		unsigned char byte = (unsigned char)*bytes;

		if (byte < 0x80) {
			*to++ = (char)byte;
			continue;
		}
		*to++ = (char)(0xc0 | (byte >> 6));
		*to++ = (char)(0x80 | (byte & 0x3f));
	}
	if (text)
		*to = '\0';
	return text;
}

/* In place.  Return: false for characters that stand for no byte */
static bool characters_to_bytes(char *text)
{
	char *to = text;

	while (*text) {
		unsigned char first = (unsigned char)*text++;

		if (first >= 0x80) {
			if (first > 0xc3)
				return false;
			first = (unsigned char)(first << 6 | ((unsigned char)*text++ & 0x3f));
		}
		*to++ = (char)first;
	}
	*to = '\0';
	return true;
}

static json_t *bytes_write(const struct json_field *field, const void *member)
{
	const char *bytes = *(char *const *)member;
	cleanup_free char *text = bytes ? bytes_to_characters(bytes) : NULL;

	(void)field;
	return bytes ? json_string(text) : json_null();
}

static int damaged(struct err *err, const char *what)
{
	return err_set(err, EINVAL, "\"%s\" is missing or wrong", what);
}

static int bytes_read(const struct json_field *field, const json_t *object, void *member,
		      struct err *err)
{
	const json_t *value = json_object_get(object, field->key);
	char **text = member;

	if (json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return damaged(err, field->key);
	*text = strdup(json_string_value(value));
	if (!*text)
		return err_nomem(err);
	return characters_to_bytes(*text) ? 0 : damaged(err, field->key);
}

/* ---- writing ---- */

static char *record_to_text(const struct record *record)
{
	json_t *files = json_array();
	cleanup_json json_t *root = NULL;
	size_t i;

	for (i = 0; i < record->n; i++)
		json_add(&files, json_fields_write(fields, &record->entries[i]));
	root = json_pack("{s:i, s:o}", "version", RECORD_VERSION, "files", files);
	return root ? json_dumps(root, JSON_INDENT(2)) : NULL;
}

/* qemu.conf can have passwords in it: a file that is there keeps its mode */
static int make_private(int rootfd, const char *path, struct err *err)
{
	cleanup_close int dir = file_make_dir(rootfd, RECORD_DIR, err);
	cleanup_close int fd = -1;

	if (dir < 0)
		return err_prefix(err, dir, "cannot remember what is changed");
	fd = openat(rootfd, path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, 0600) < 0)
		return err_sys(err, errno, "/%s: cannot write", path);
	return 0;
}

int record_write(int rootfd, const char *profile, const struct record *record, struct err *err)
{
	cleanup_free char *old = NULL, *new = NULL;
	char path[PATH_MAX];
	int rc;

	record_path(profile, path);
	if (record->n) {
		new = record_to_text(record);
		if (!new)
			return err_nomem(err);
		rc = make_private(rootfd, path, err);
		if (rc < 0)
			return rc;
	}
	rc = place_read(rootfd, path, &old, err);
	return rc < 0 ? rc : place_replace(rootfd, path, old, new, NULL, err);
}

/* ---- reading ---- */

/* What its kind needs */
static int check_entry(const struct record_entry *entry, struct err *err)
{
	if (!entry->path || !*entry->path || *entry->path == '/')
		return damaged(err, "path");
	if (!entry->after)
		return damaged(err, "after");
	if (entry->kind != PART_QEMU_CONF)
		return entry->text ? 0 : damaged(err, "text");
	return entry->key && entry->value ? 0 : damaged(err, "key");
}

static int read_entry(const json_t *object, struct record_entry *entry, struct err *err)
{
	int rc = json_fields_read(object, fields, entry, err);

	return rc < 0 ? rc : check_entry(entry, err);
}

static int read_entries(const char *text, struct record *record, struct err *err)
{
	json_error_t error;
	cleanup_json json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	const json_t *files = json_object_get(root, "files");
	uint64_t version = 0;
	size_t i;
	int rc;

	if (!root)
		return err_set(err, EINVAL, "cannot be read as JSON (line %d)", error.line);
	rc = json_read_u64(root, "version", &version, err);
	if (rc < 0 || version != RECORD_VERSION)
		return damaged(err, "version");
	if (!json_is_array(files) || json_array_size(files) > RECORD_MAX)
		return damaged(err, "files");
	for (i = 0; rc == 0 && i < json_array_size(files); i++)
		rc = read_entry(json_array_get(files, i), &record->entries[record->n++], err);
	return rc;
}

int record_read(int rootfd, const char *profile, struct record *record, struct err *err)
{
	cleanup_free char *text = NULL;
	char path[PATH_MAX];
	int rc;

	record->n = 0;
	memset(record->entries, 0, sizeof(record->entries));
	record_path(profile, path);
	rc = place_read(rootfd, path, &text, err);
	if (rc < 0 || !text)
		return rc;
	/* Never written: we were stopped before it had any content */
	if (!*text)
		return 0;
	return err_prefix(err, read_entries(text, record, err),
			  "/%s is damaged, so what it was before is unknown", path);
}

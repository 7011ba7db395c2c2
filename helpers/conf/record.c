// SPDX-License-Identifier: LGPL-2.1-or-later
#include "conf/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "conf/place.h"

#define RECORD_VERSION 1

static const char *const kind_names[] = {
	[PART_FILE] = "file",
	[PART_LINES] = "lines",
	[PART_QEMU_CONF] = "qemu.conf",
};

#define N_KINDS (sizeof(kind_names) / sizeof(kind_names[0]))

_Static_assert(N_KINDS == PART_SHOWN, "what is only shown is in no record");

/* Texts of an entry, by their names in the file */
static const struct {
	const char *name;
	size_t offset;
} texts[] = {
	{ "before", offsetof(struct record_entry, before) },
	{ "after", offsetof(struct record_entry, after) },
	{ "text", offsetof(struct record_entry, text) },
	{ "key", offsetof(struct record_entry, key) },
	{ "value", offsetof(struct record_entry, value) },
	{ "old_value", offsetof(struct record_entry, old_value) },
};

#define N_TEXTS (sizeof(texts) / sizeof(texts[0]))

static char **text_at(const struct record_entry *entry, size_t i)
{
	return (char **)((char *)entry + texts[i].offset);
}

void record_entry_free(struct record_entry *entry)
{
	size_t i;

	free(entry->path);
	for (i = 0; i < N_TEXTS; i++)
		free(*text_at(entry, i));
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

/* ---- writing ---- */

static bool put_text(json_t *object, const char *name, const char *bytes)
{
	cleanup_free char *text = NULL;

	if (!bytes)
		return json_object_set_new(object, name, json_null()) == 0;
	text = bytes_to_characters(bytes);
	return text && json_put_string(object, name, text);
}

static json_t *entry_to_json(const struct record_entry *entry)
{
	json_t *object = json_object();
	bool ok = json_put_string(object, "kind", kind_names[entry->kind]) &&
		  put_text(object, "path", entry->path) &&
		  json_put_bool(object, "done", entry->done) &&
		  json_put_bool(object, "made_dir", entry->made_dir);
	size_t i;

	for (i = 0; ok && i < N_TEXTS; i++)
		ok = put_text(object, texts[i].name, *text_at(entry, i));
	if (ok)
		return object;
	json_decref(object);
	return NULL;
}

static char *record_to_text(const struct record *record)
{
	cleanup_json json_t *root = json_object();
	json_t *files = json_array();
	bool ok = json_put_u64(root, "version", RECORD_VERSION);
	size_t i;

	for (i = 0; ok && i < record->n; i++)
		ok = json_array_append_new(files, entry_to_json(&record->entries[i])) == 0;
	ok = json_object_set_new(root, "files", files) == 0 && ok;
	return ok ? json_dumps(root, JSON_INDENT(2)) : NULL;
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
			return err_set(err, ENOMEM, "out of memory");
		rc = make_private(rootfd, path, err);
		if (rc < 0)
			return rc;
	}
	rc = place_read(rootfd, path, &old, err);
	return rc < 0 ? rc : place_replace(rootfd, path, old, new, NULL, err);
}

/* ---- reading ---- */

static int damaged(struct err *err, const char *what)
{
	return err_set(err, EINVAL, "'%s' is missing or wrong", what);
}

static int get_text(const json_t *object, const char *name, char **text, struct err *err)
{
	const json_t *value = json_object_get(object, name);

	if (json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return damaged(err, name);
	*text = strdup(json_string_value(value));
	if (!*text)
		return err_set(err, ENOMEM, "out of memory");
	return characters_to_bytes(*text) ? 0 : damaged(err, name);
}

static int get_kind(const json_t *object, enum part_kind *kind, struct err *err)
{
	const char *name = NULL;
	int rc = json_read_string(object, "kind", &name, err);
	size_t i;

	for (i = 0; rc == 0 && i < N_KINDS; i++) {
		if (strcmp(kind_names[i], name) != 0)
			continue;
		*kind = (enum part_kind)i;
		return 0;
	}
	return damaged(err, "kind");
}

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
	int rc = get_kind(object, &entry->kind, err);
	size_t i;

	if (rc == 0)
		rc = json_read_bool_or(object, "done", false, &entry->done, err);
	if (rc == 0)
		rc = json_read_bool_or(object, "made_dir", false, &entry->made_dir, err);
	if (rc == 0)
		rc = get_text(object, "path", &entry->path, err);
	for (i = 0; rc == 0 && i < N_TEXTS; i++)
		rc = get_text(object, texts[i].name, text_at(entry, i), err);
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
		return err_set(err, EINVAL, "line %d: %s", error.line, error.text);
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

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Records of settings that several guests hold at once.
 */
#include "lifecycle/shared.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "base/log.h"
#include "kernel/kfs.h"
#include "lifecycle/state.h"

#define SHARED_DIR	"shared"
#define SHARED_VERSION	1
#define SHARED_FILE_MAX 65536

/* ---- one file ---- */

/* A setting as it is written down */
struct record {
	struct shared_setting setting;
	char boot_id[LEDGER_BOOT_ID_SIZE];
};

/* Besides the version, and the name, which is the file's.  Files of earlier versions lack what
 * was added since */
static const struct json_field fields[] = {
	JSON_FIELD(struct record, boot_id),
	{ JSON_MEMBER(struct record, setting.kind, "kind", &step_kind_type) },
	JSON_FIELD_AS(struct record, setting.key, "key"),
	JSON_FIELD_AS(struct record, setting.before, "before"),
	JSON_FIELD_AS(struct record, setting.ours, "ours"),
	JSON_OPTIONAL_AS(struct record, setting.former, "former"),
	JSON_OPTIONAL_AS(struct record, setting.at_end, "at_end"),
	JSON_END,
};

int shared_write(const struct state *state, const char *boot_id,
		 const struct shared_setting *setting, struct err *err)
{
	cleanup_close int dir = file_make_dir(state->dirfd, SHARED_DIR, err);
	cleanup_json json_t *root = json_pack("{s:i}", "version", SHARED_VERSION);
	cleanup_free char *text = NULL;
	struct record record = { .setting = *setting };

	if (dir < 0)
		return dir;
	snprintf(record.boot_id, sizeof(record.boot_id), "%s", boot_id);
	if (json_fields_put(root, fields, &record))
		text = json_dumps(root, JSON_INDENT(1));
	if (!text)
		return err_nomem(err);
	return file_replace_at(dir, setting->name, text, strlen(text), err);
}

static int fill(const json_t *root, struct record *record, struct err *err)
{
	uint64_t version;
	int rc = json_read_u64(root, "version", &version, err);

	if (rc == 0 && version != SHARED_VERSION)
		rc = err_set(err, EINVAL, "it was written by another version");
	return rc < 0 ? rc : json_fields_read(root, fields, record, err);
}

static int read_record(int dir, const char *name, struct record *record, struct err *err)
{
	cleanup_json json_t *root = NULL;
	cleanup_free char *text = NULL;
	struct record result = { 0 };
	size_t len;
	int rc;

	if ((size_t)snprintf(result.setting.name, sizeof(result.setting.name), "%s", name) >=
	    sizeof(result.setting.name))
		return err_set(err, EINVAL, "its name is too long");
	rc = file_read_at(dir, name, SHARED_FILE_MAX, &text, &len, err);
	if (rc < 0)
		return rc;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (!root)
		return err_set(err, EINVAL, "it is damaged");
	rc = fill(root, &result, err);
	if (rc == 0)
		*record = result;
	return rc;
}

int shared_load(const struct state *state, const char *boot_id, const char *name,
		struct shared_setting *setting, struct err *err)
{
	cleanup_close int dir =
		openat(state->dirfd, SHARED_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct record record;
	int rc;

	if (dir < 0)
		return err_sys(err, errno, "cannot open /" STATE_DIR "/" SHARED_DIR);
	rc = read_record(dir, name, &record, err);
	if (rc == 0 && strcmp(record.boot_id, boot_id) != 0)
		rc = -ENOENT;
	if (rc == 0)
		*setting = record.setting;
	return rc;
}

/* ---- all of them ---- */

/* Arguments for putting a setting back; restore() gets the context */
struct putting_back {
	struct step_ctx ctx;
	const struct state *state;
	const char *boot_id;
	const struct ledgers *ledgers;
	int dir;
	bool removed; /* a record, this time */
};

static struct putting_back *putting_back_of(struct step_ctx *ctx)
{
	return (struct putting_back *)((char *)ctx - offsetof(struct putting_back, ctx));
}

static int save_shared(struct step_ctx *ctx, const struct shared_setting *setting, struct err *err)
{
	const struct putting_back *s = putting_back_of(ctx);

	return shared_write(s->state, s->boot_id, setting, err);
}

static int load_shared(struct step_ctx *ctx, const char *name, struct shared_setting *setting,
		       struct err *err)
{
	const struct putting_back *s = putting_back_of(ctx);

	return shared_load(s->state, s->boot_id, name, setting, err);
}

static bool is_held(const struct ledgers *ledgers, const struct shared_setting *setting)
{
	const struct step_ops *ops = step_ops(setting->kind);
	size_t i, j;

	for (i = 0; ops->holds && i < ledgers->n; i++) {
		const struct step_list *list = &ledgers->list[i]->list;

		for (j = 0; j < list->n; j++)
			if (list->steps[j].kind == setting->kind &&
			    ops->holds(&list->steps[j], setting))
				return true;
	}
	return false;
}

/* A ledger of another version, or a damaged one, may hold this setting */
static bool may_be_held(const struct ledgers *ledgers)
{
	size_t i;

	if (ledgers->n_damaged)
		return true;
	for (i = 0; i < ledgers->n; i++)
		if (ledgers->list[i]->foreign_version)
			return true;
	return false;
}

static int put_back_one(struct putting_back *s, const char *name, struct err *err)
{
	const struct step_ops *ops;
	struct record record;
	int rc = read_record(s->dir, name, &record, err);

	if (rc < 0) {
		log_warning("the shared setting /" STATE_DIR "/" SHARED_DIR "/%s is left alone: %s",
			    name, err->text);
		return 0;
	}
	if (!strcmp(record.boot_id, s->boot_id)) {
		if (may_be_held(s->ledgers) || is_held(s->ledgers, &record.setting))
			return 0;
		ops = step_ops(record.setting.kind);
		rc = ops->restore ? ops->restore(&s->ctx, &record.setting, err) : 0;
	}
	if (rc == 0 && unlinkat(s->dir, name, 0) < 0)
		rc = err_sys(err, errno, "cannot remove /" STATE_DIR "/" SHARED_DIR "/%s", name);
	s->removed = s->removed || rc == 0;
	return rc;
}

/* file_replace_at() was killed half-way.  It is only called under the host lock, which
 * is ours now */
static bool is_leftover(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && !strcmp(name + len - 4, ".new");
}

static int put_back_entry(struct putting_back *s, const char *name, struct err *err)
{
	if (!is_leftover(name))
		return put_back_one(s, name, err);
	unlinkat(s->dir, name, 0);
	return 0;
}

static int is_visible(const struct dirent *entry)
{
	return *entry->d_name != '.';
}

/* Not alphasort(): that depends on the locale */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* musl has no scandirat().  Return: as scandir() */
static int list_records(int dir, struct dirent ***entries)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	return scandir(path, entries, is_visible, by_name);
}

static int put_back_all(struct putting_back *s, struct err *err)
{
	struct dirent **entries = NULL;
	int n = list_records(s->dir, &entries), i, result = 0;

	s->removed = false;
	if (n < 0)
		return err_sys(err, errno, "cannot list /" STATE_DIR "/" SHARED_DIR);
	for (i = 0; i < n; i++) {
		struct err why;
		int rc = put_back_entry(s, entries[i]->d_name, &why);

		/* The first is the caller's to tell */
		if (rc < 0 && result)
			log_warning("%s", why.text);
		else if (rc < 0)
			result = err_set(err, EAGAIN, "%s", why.text);
		free(entries[i]);
	}
	free(entries);
	return result;
}

int shared_put_back(const struct kfs *kfs, const struct state *state, const char *boot_id,
		    const struct ledgers *ledgers, struct err *err)
{
	cleanup_close int dir =
		openat(state->dirfd, SHARED_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct putting_back s = {
		.ctx = { .kfs = kfs, .save_shared = save_shared, .load_shared = load_shared },
		.state = state,
		.boot_id = boot_id,
		.ledgers = ledgers,
		.dir = dir,
	};
	int rc = 0;

	if (dir >= 0)
		rc = put_back_all(&s, err);
	else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		rc = err_sys(err, errno, "cannot open /" STATE_DIR "/" SHARED_DIR);

	/* Putting one back may have changed another, which has a record since */
	return rc == 0 && s.removed ? put_back_all(&s, err) : rc;
}

bool shared_waits(const struct state *state, const char *boot_id, const struct ledgers *ledgers,
		  enum step_kind kind)
{
	cleanup_close int dir =
		openat(state->dirfd, SHARED_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct dirent **entries = NULL;
	int n = dir < 0 ? 0 : list_records(dir, &entries), i;
	bool waits = false;

	for (i = 0; i < n; i++) {
		struct record record;

		if (!is_leftover(entries[i]->d_name) &&
		    read_record(dir, entries[i]->d_name, &record, NULL) == 0 &&
		    record.setting.kind == kind && !strcmp(record.boot_id, boot_id) &&
		    !is_held(ledgers, &record.setting))
			waits = true;
		free(entries[i]);
	}
	free(entries);
	return waits && !may_be_held(ledgers);
}

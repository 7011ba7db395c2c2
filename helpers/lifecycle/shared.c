// SPDX-License-Identifier: LGPL-2.1-or-later
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
#include "base/log.h"
#include "kernel/kfs.h"
#include "lifecycle/state.h"

#define SHARED_DIR	"shared"
#define SHARED_VERSION	1
#define SHARED_FILE_MAX 65536

/* ---- one file ---- */

int shared_write(const struct state *state, const char *boot_id,
		 const struct shared_setting *setting, struct err *err)
{
	cleanup_close int dir = file_make_dir(state->dirfd, SHARED_DIR, err);
	cleanup_json json_t *root = json_object();
	cleanup_free char *text = NULL;
	bool ok;

	if (dir < 0)
		return dir;
	ok = json_put_u64(root, "version", SHARED_VERSION) &&
	     json_put_string(root, "boot_id", boot_id) &&
	     json_put_string(root, "kind", step_ops(setting->kind)->name) &&
	     json_put_string(root, "key", setting->key) &&
	     json_put_string(root, "before", setting->before) &&
	     json_put_string(root, "ours", setting->ours);
	text = ok ? json_dumps(root, JSON_INDENT(1)) : NULL;
	if (!text)
		return err_set(err, ENOMEM, "out of memory");
	return file_replace_at(dir, setting->name, text, strlen(text), err);
}

/* A setting as it was written down */
struct record {
	struct shared_setting setting;
	char boot_id[LEDGER_BOOT_ID_SIZE];
};

static int read_member(const json_t *root, const char *key, char *buf, size_t size, struct err *err)
{
	const char *text;
	int rc = json_read_string(root, key, &text, err);

	if (rc == 0 && (size_t)snprintf(buf, size, "%s", text) >= size)
		rc = err_set(err, EINVAL, "'%s' is too long", key);
	return rc;
}

static int fill(const json_t *root, struct record *record, struct err *err)
{
	struct shared_setting *setting = &record->setting;
	const char *kind;
	uint64_t version;
	int rc = json_read_u64(root, "version", &version, err);

	if (rc == 0 && version != SHARED_VERSION)
		rc = err_set(err, EINVAL, "it was written by another version");
	if (rc == 0)
		rc = json_read_string(root, "kind", &kind, err);
	if (rc == 0)
		rc = step_kind_find(kind, &setting->kind, err);
	if (rc == 0)
		rc = read_member(root, "boot_id", record->boot_id, sizeof(record->boot_id), err);
	if (rc == 0)
		rc = read_member(root, "key", setting->key, sizeof(setting->key), err);
	if (rc == 0)
		rc = read_member(root, "before", setting->before, sizeof(setting->before), err);
	if (rc == 0)
		rc = read_member(root, "ours", setting->ours, sizeof(setting->ours), err);
	return rc;
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

/* ---- all of them ---- */

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

/* What another version's ledger holds is not known: it may be this */
static bool may_be_held(const struct ledgers *ledgers)
{
	size_t i;

	for (i = 0; i < ledgers->n; i++)
		if (ledgers->list[i]->foreign_version)
			return true;
	return false;
}

static int settle_one(const struct kfs *kfs, int dir, const char *name, const char *boot_id,
		      const struct ledgers *ledgers, struct err *err)
{
	const struct step_ops *ops;
	struct record record;
	int rc = read_record(dir, name, &record, err);

	if (rc < 0) {
		log_warning("the shared setting /" STATE_DIR "/" SHARED_DIR "/%s is left alone: %s",
			    name, err->text);
		return 0;
	}
	if (!strcmp(record.boot_id, boot_id)) {
		if (may_be_held(ledgers) || is_held(ledgers, &record.setting))
			return 0;
		ops = step_ops(record.setting.kind);
		rc = ops->restore ? ops->restore(kfs, &record.setting, err) : 0;
	}
	if (rc == 0 && unlinkat(dir, name, 0) < 0)
		rc = err_sys(err, errno, "cannot remove /" STATE_DIR "/" SHARED_DIR "/%s", name);
	return rc;
}

/* file_replace_at() was killed half-way.  It is only called under the host lock, which
 * is ours now */
static bool is_leftover(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && !strcmp(name + len - 4, ".new");
}

static int settle_entry(const struct kfs *kfs, int dir, const char *name, const char *boot_id,
			const struct ledgers *ledgers, struct err *err)
{
	if (*name == '.')
		return 0;
	if (!is_leftover(name))
		return settle_one(kfs, dir, name, boot_id, ledgers, err);
	unlinkat(dir, name, 0);
	return 0;
}

int shared_settle(const struct kfs *kfs, const struct state *state, const char *boot_id,
		  const struct ledgers *ledgers, struct err *err)
{
	int fd = openat(state->dirfd, SHARED_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int result = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((entry = readdir(dir))) {
		struct err why;
		int rc = settle_entry(kfs, dirfd(dir), entry->d_name, boot_id, ledgers, &why);

		/* The first is the caller's to tell */
		if (rc < 0 && result)
			log_warning("%s", why.text);
		else if (rc < 0)
			result = err_set(err, EAGAIN, "%s", why.text);
	}
	closedir(dir);
	return result;
}

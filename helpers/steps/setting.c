// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Files of /sys that are set for guests and put back after the last.
 */
#include "steps/setting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "kernel/kfs.h"
#include "memory/sysfs_choice.h"

int setting_read(const struct kfs *kfs, const char *path, char value[SHARED_VALUE_SIZE],
		 struct err *err)
{
	char text[256];
	int rc = kfs_read(kfs, path, text, sizeof(text), err);

	if (rc < 0 || sysfs_choice_parse(text, value, SHARED_VALUE_SIZE) == 0)
		return rc;
	if ((size_t)snprintf(value, SHARED_VALUE_SIZE, "%s", text) >= SHARED_VALUE_SIZE)
		return err_set(err, EINVAL, "/%s: '%s' is longer than expected", path, text);
	return 0;
}

enum setting_owner setting_owner(const struct shared_setting *setting, const char *value)
{
	if (!strcmp(value, setting->ours))
		return SETTING_OURS;
	if (*setting->former && !strcmp(value, setting->former))
		return SETTING_OURS;
	return SETTING_OTHERS;
}

static void begin_record(const struct setting_file *file, const char *value,
			 struct shared_setting *setting)
{
	*setting = (struct shared_setting){ .kind = file->kind };
	snprintf(setting->name, sizeof(setting->name), "%s-%s", file->prefix, file->file);
	snprintf(setting->key, sizeof(setting->key), "%s/%s", file->dir, file->file);
	snprintf(setting->before, sizeof(setting->before), "%s", value);
}

int setting_look(struct step_ctx *ctx, const struct setting_file *file,
		 struct shared_setting *setting, char value[SHARED_VALUE_SIZE], struct err *err)
{
	struct shared_setting fresh;
	char path[KFS_PATH_SIZE];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", file->dir, file->file);
	rc = setting_read(ctx->kfs, path, value, err);
	if (rc < 0)
		return rc;
	begin_record(file, value, &fresh);
	rc = ctx->load_shared(ctx, fresh.name, setting, err);
	if (rc == -ENOENT) {
		*setting = fresh;
		return SETTING_HOST;
	}
	if (rc == 0 && strcmp(setting->key, fresh.key) != 0)
		rc = err_set(err, EINVAL, "the shared setting %s is damaged: its key is '%s'",
			     fresh.name, setting->key);
	return rc < 0 ? rc : (int)setting_owner(setting, value);
}

int setting_change(struct step_ctx *ctx, struct shared_setting *setting, const char *found,
		   const char *value, struct err *err)
{
	int rc;

	snprintf(setting->former, sizeof(setting->former), "%s", found);
	snprintf(setting->ours, sizeof(setting->ours), "%s", value);
	rc = ctx->save_shared(ctx, setting, err);
	if (rc == 0)
		rc = kfs_write(ctx->kfs, setting->key, value, err);
	if (rc < 0)
		return rc;
	setting->former[0] = '\0';
	return ctx->save_shared(ctx, setting, err);
}

int setting_apply(struct step_ctx *ctx, const struct setting_file *file, const char *value,
		  const char *at_end, struct err *err)
{
	struct shared_setting setting;
	char found[SHARED_VALUE_SIZE];
	int owner = setting_look(ctx, file, &setting, found, err);
	bool same_end;

	if (owner < 0)
		return owner;
	if (owner == SETTING_OTHERS) {
		log_info("another program has set /%s to '%s' since we set it to '%s': it stays",
			 setting.key, found, setting.ours);
		return 0;
	}
	same_end = !strcmp(setting.at_end, at_end);
	snprintf(setting.at_end, sizeof(setting.at_end), "%s", at_end);
	if (strcmp(found, value) != 0)
		return setting_change(ctx, &setting, found, value, err);
	/* What the host had anyway needs no record */
	if (owner == SETTING_HOST || (same_end && !*setting.former))
		return 0;
	setting.former[0] = '\0';
	snprintf(setting.ours, sizeof(setting.ours), "%s", value);
	return ctx->save_shared(ctx, &setting, err);
}

int setting_check_key(const struct shared_setting *setting, struct err *err)
{
	const char *key = setting->key;

	if (!strncmp(key, "sys/kernel/mm/", 14) && !strstr(key, "..") &&
	    strlen(key) < KFS_PATH_SIZE)
		return 0;
	return err_set(err, EINVAL, "the shared setting %s is damaged: '%s' is no setting",
		       setting->name, key);
}

int setting_restore(struct step_ctx *ctx, const struct shared_setting *setting, struct err *err)
{
	char found[SHARED_VALUE_SIZE];
	int rc = setting_check_key(setting, err);

	if (rc < 0)
		return rc;
	rc = setting_read(ctx->kfs, setting->key, found, err);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (!strcmp(found, setting->before))
		return 0;
	if (setting_owner(setting, found) == SETTING_OTHERS) {
		log_info("another program has set /%s to '%s' since we set it to '%s': it stays",
			 setting->key, found, setting->ours);
		return 0;
	}
	rc = kfs_write(ctx->kfs, setting->key, setting->before, err);
	if (rc == 0)
		log_info("/%s is '%s' again", setting->key, setting->before);
	return rc == -EBUSY ? -EAGAIN : rc;
}

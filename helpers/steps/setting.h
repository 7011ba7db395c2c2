/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One file of /sys as a shared setting: written for guests, put back after them.
 *
 * DOC: so that a kill at any instant leaves it reversible
 *
 * A record says what was there before us, and what we made of it.  For each change it is
 * written with both the value to come and the one that goes; then the file; then the record
 * without the one that has gone.  So whatever is found in the file is either the value
 * before us, one of ours, or another program's: that stays, and is logged.
 */
#ifndef MEMBACKING_STEPS_SETTING_H
#define MEMBACKING_STEPS_SETTING_H

#include "steps/steps.h"

/**
 * struct setting_file - A file of /sys
 * @kind:	Of the steps that hold it
 * @prefix:	Of the record's name: PREFIX-FILE
 * @dir:	Where it is, relative to the root
 */
struct setting_file {
	enum step_kind kind;
	const char *prefix;
	const char *dir;
	const char *file;
};

/* Who set a file's value */
enum setting_owner {
	SETTING_HOST, /* not changed by us */
	SETTING_OURS,
	SETTING_OTHERS, /* ours once, and changed by another program since */
};

/**
 * setting_read() - What a file says: the word in brackets, if it lists its choices
 * Return: 0, -ENOENT where the kernel has no such file, ...
 */
int setting_read(const struct kfs *kfs, const char *path, char value[SHARED_VALUE_SIZE],
		 struct err *err);

/* How @setting classifies a file that reads @value */
enum setting_owner setting_owner(const struct shared_setting *setting, const char *value);

/**
 * setting_look() - A file and its record
 * @setting:	The record; one is begun where there is none yet (SETTING_HOST)
 * @value:	What the file says
 * Return: enum setting_owner, or -errno; -EINVAL also for the record of another file
 */
int setting_look(struct step_ctx *ctx, const struct setting_file *file,
		 struct shared_setting *setting, char value[SHARED_VALUE_SIZE], struct err *err);

/**
 * setting_change() - Write @value, with the record ahead of it
 * @setting:	The record; brought up to date
 * @found:	What the file says now
 */
int setting_change(struct step_ctx *ctx, struct shared_setting *setting, const char *found,
		   const char *value, struct err *err);

/**
 * setting_apply() - Make a file say @value, unless another program has set it otherwise
 * @at_end:	As in struct shared_setting; the last one counts
 * Return: 0 also for a file that is left to others; -ENOENT for none; -errno
 */
int setting_apply(struct step_ctx *ctx, const struct setting_file *file, const char *value,
		  const char *at_end, struct err *err);

/**
 * setting_check_key() - Is @setting's key one that setting_apply() can have written?
 *
 * It is read from a file in /run: check where it leads before writing there.
 * Return: 0 or -EINVAL
 */
int setting_check_key(const struct shared_setting *setting, struct err *err);

/**
 * setting_restore() - Put back what was there before
 * Return: 0 also if another program has changed it since; -EAGAIN where the kernel says EBUSY
 */
int setting_restore(struct step_ctx *ctx, const struct shared_setting *setting, struct err *err);

#endif

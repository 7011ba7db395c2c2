/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A profile put into the files where it belongs, and taken back.
 *
 * DOC: decided before anything is written
 *
 * change_apply() and change_remove() only read, and return what each file would become.  The
 * command shows that, and change_write() writes it: all files, or none if one can't be written.
 *
 * Never overwrite a later edit by the administrator.  The record has what we wrote: a key with
 * another value, and lines or a file with other content, were edited since.  They are kept, with a
 * note.  Other changes in the same file are kept, too.
 */
#ifndef MEMBACKING_PROFILES_CHANGE_H
#define MEMBACKING_PROFILES_CHANGE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "profiles/profile.h"
#include "profiles/record.h"

/**
 * struct file_change - What becomes of a file
 * @old, @new:	NULL: there is no such file
 * @rmdir:	Remove its directory after it, if nothing else is there
 */
struct file_change {
	char path[PATH_MAX];
	char *old;
	char *new;
	bool rmdir;
};

/* What the record has and the profile no longer wants comes to its parts */
#define CHANGES_MAX (RECORD_MAX + PARTS_MAX)

/**
 * struct change - What would be done
 * @record:	As it will be
 * @changed:	It will be another one
 * @notes:	What is left alone, and why: sentences
 */
struct change {
	size_t n;
	struct file_change files[CHANGES_MAX];
	struct record record;
	bool changed;
	size_t n_notes;
	char *notes[CHANGES_MAX];
};

void change_free(struct change *change);

/**
 * change_apply() - What it takes to have @parts
 * Return: 0; -EEXIST if a file is there that is neither ours nor the same; -EINVAL if
 * qemu.conf can't be edited; -errno.  The caller frees @change in any case
 */
int change_apply(int rootfd, const char *profile, const struct parts *parts, struct change *change,
		 struct err *err);

/* What it takes to have nothing of @profile */
int change_remove(int rootfd, const char *profile, struct change *change, struct err *err);

/**
 * change_write() - Do it
 *
 * To be called with record_lock() held since before @change was made.
 */
int change_write(int rootfd, const char *profile, struct change *change, struct err *err);

#endif

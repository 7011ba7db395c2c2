/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel files that list their choices: "always [madvise] never".
 */
#ifndef MEMBACKING_MEMORY_SYSFS_CHOICE_H
#define MEMBACKING_MEMORY_SYSFS_CHOICE_H

#include <stddef.h>

struct err;
struct kfs;

/**
 * sysfs_choice_read() - The word in brackets
 * @size:	Of @word, with the NUL
 * Return: 0, -EINVAL when there is none, or it is longer; or -errno of the reading
 */
int sysfs_choice_read(const struct kfs *kfs, const char *path, char *word, size_t size,
		      struct err *err);

/* The same of a text that was read before.  -EINVAL only */
int sysfs_choice_parse(const char *text, char *word, size_t size);

#endif

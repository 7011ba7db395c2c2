/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths in a guest's XML that lead into a hugetlbfs.
 */
#ifndef MEMBACKING_GUEST_GUEST_FILES_H
#define MEMBACKING_GUEST_GUEST_FILES_H

struct err;
struct guest;
struct kfs;

/**
 * guest_files_find() - Which of @guest's files and extras take huge pages
 *
 * A file in a hugetlbfs becomes a backend of kind GUEST_MEMORY_NVDIMM, of as much as the file
 * hasn't yet: its pages stay with it from one start to the next, if it is shared.  Of extras
 * @hugetlb is set.
 * Looks at the table of mounts, and touches no file system but hugetlbfs.  Does nothing the
 * second time.
 * Return: 0 or -errno
 */
int guest_files_find(const struct kfs *kfs, struct guest *guest, struct err *err);

/* Of its extras only */
int guest_extras_find(const struct kfs *kfs, struct guest *guest, struct err *err);

#endif

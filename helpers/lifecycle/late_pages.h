/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Huge pages of guests that are gone, which other processes keep mapped: vhost-user back
 * ends, mostly.
 */
#ifndef MEMBACKING_LIFECYCLE_LATE_PAGES_H
#define MEMBACKING_LIFECYCLE_LATE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kfs;

/**
 * struct late_file - Memory like a guest's (a memfd, a file that libvirt made) that no QEMU
 * of libvirt's has mapped any more
 * @major, @minor, @inode: Which; a hundred processes may have it mapped
 * @page_kib:	0: unknown, since no page of it was touched
 * @kib:	The most that any of them has mapped of it, touched or not
 */
struct late_file {
	unsigned int major;
	unsigned int minor;
	uint64_t inode;
	uint64_t page_kib;
	uint64_t kib;
};

/**
 * struct late_mapping - Pages of one file on one node that processes have in their page tables
 * @pages:	The most that one of them has
 * @pid, @here:	Who was looked at last, and how many it has
 */
struct late_mapping {
	struct late_file file;
	unsigned int node;
	uint64_t pages;
	pid_t pid;
	uint64_t here;
};

/**
 * struct late_files - What was seen
 * @taken:	They were looked for
 * @cut:	There may be more files
 * @mapped:	Huge pages that processes other than QEMUs of libvirt's have mapped, whatever
 *		their file, and @mapped_cut: there may be more
 */
struct late_files {
	bool taken;
	size_t n;
	struct late_file *list;
	bool cut;
	size_t n_mapped;
	struct late_mapping *mapped;
	bool mapped_cut;
};

struct ledgers;

/**
 * late_pages_find() - Look through all processes' mappings
 * @ledgers:	QEMUs of guests that hold huge pages of ours are left out: see view_account().
 *		Other guests' QEMUs use the pool as any program does
 * @files:	Result, to be freed with late_pages_free()
 *
 * Takes up to a second.  What can't be seen by then is missing, which the result
 * says; what can't be seen at all is missing too.
 */
void late_pages_find(const struct kfs *kfs, const struct ledgers *ledgers,
		     struct late_files *files);

/* Pages of one size, on whatever node they lie.  A file of unknown size of pages counts too.
 * UINT64_MAX where there may be more */
uint64_t late_pages_of(const struct late_files *files, uint64_t page_kib);

/* In page tables of the processes that could be seen.  @late: only of such files */
uint64_t late_pages_mapped(const struct late_files *files, uint64_t page_kib, unsigned int node,
			   bool late);
void late_pages_free(struct late_files *files);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Users of huge pages: processes, and files that no process has open any more.
 *
 * DOC: how much is looked at
 *
 * The kernel says of each process how many KiB of huge pages it has mapped; only of those
 * that have some, or map a file of a hugetlbfs, are all mappings read.  That, and the walk
 * through each hugetlbfs, end when USERS_PATIENCE_MS are over: then it is said that there may
 * be more.
 */
#ifndef MEMBACKING_REPORT_HUGEPAGE_USERS_H
#define MEMBACKING_REPORT_HUGEPAGE_USERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "guest/guest.h"

struct err;
struct kfs;

#define USERS_PATIENCE_MS 5000
#define USERS_FILES_MAX	  4096
#define USERS_PATH_SIZE	  1024

/**
 * struct hugepage_process - Pages of one size on one node that a process has mapped
 * @guest:	Of which it is the QEMU; empty: of none
 * @pages:	What two processes share counts in both
 * @reserved:	Mapped and not touched yet: no node has them.  In the first row of a size
 */
struct hugepage_process {
	pid_t pid;
	char comm[64];
	char guest[GUEST_NAME_SIZE];
	uint64_t page_kib;
	bool has_node;
	unsigned int node;
	uint64_t pages;
	uint64_t reserved;
};

/* A file that no process has open or mapped.  @size_kib is its length, @pages what it holds */
struct hugepage_file {
	char path[USERS_PATH_SIZE];
	uint64_t page_kib;
	uint64_t size_kib;
	uint64_t pages;
};

/**
 * struct hugepage_users - All of them
 * @complete:	All was looked at, in time
 */
struct hugepage_users {
	bool complete;
	size_t n_processes, n_files;
	struct hugepage_process *processes;
	struct hugepage_file *files;
};

/**
 * hugepage_users_read() - Look for them
 * @page_kib:	The sizes that there are, @n of them
 * @default_kib: The kernel's default
 * Return: 0 or -ENOMEM
 */
int hugepage_users_read(const struct kfs *kfs, const uint64_t *page_kib, size_t n,
			uint64_t default_kib, struct hugepage_users *users, struct err *err);
void hugepage_users_free(struct hugepage_users *users);

/* NULL when memory ran out */
json_t *hugepage_users_to_json(const struct hugepage_users *users);
int hugepage_users_print(const struct hugepage_users *users, struct err *err);

#endif

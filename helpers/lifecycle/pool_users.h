/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Huge pages that programs other than our guests' QEMUs have mapped.
 */
#ifndef MEMBACKING_LIFECYCLE_POOL_USERS_H
#define MEMBACKING_LIFECYCLE_POOL_USERS_H

#include <stddef.h>
#include <stdint.h>

struct kfs;
struct ledgers;

/**
 * struct pool_use - Part of a file, or of anonymous memory, that is mapped
 * @start, @offset: Where in the process, and in the file; bytes
 * @major, @minor, @inode: Of what
 * @pages:	In page tables, on @node
 */
struct pool_use {
	uint64_t start;
	uint64_t offset;
	unsigned int major;
	unsigned int minor;
	uint64_t inode;
	uint64_t page_kib;
	unsigned int node;
	uint64_t pages;
};

struct pool_users {
	size_t n;
	struct pool_use *list;
};

/**
 * pool_users_read() - What other programs were seen to have mapped
 * @ledgers:	QEMUs of living ones among them with huge pages are left out: their pages
 *		are counted elsewhere
 * @users:	Result, to be freed with pool_users_free()
 *
 * Left out as well is what looks like a guest's memory (a memfd, a file that libvirt made)
 * outside a QEMU of libvirt's: a vhost-user back end keeps it mapped when its guest is gone.
 * Pages that several processes share count once.  Whatever can't be seen, and what is left
 * when a quarter of a second is over, is missing: fewer pages then count as other programs'.
 */
void pool_users_read(const struct kfs *kfs, const struct ledgers *ledgers,
		     struct pool_users *users);

uint64_t pool_users_on(const struct pool_users *users, uint64_t page_kib, unsigned int node);
void pool_users_free(struct pool_users *users);

#endif

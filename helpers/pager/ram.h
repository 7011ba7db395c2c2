/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The RAM of a running guest as its pager sees it: files, not addresses.
 *
 * Each memory back end of QEMU is one file of shared memory, a memfd or a file on a tmpfs.  Its
 * pages are numbered through all files, at the adoption in the order of their addresses; that
 * number, a "page", is what every other part of the pager works with.  Addresses are needed for the
 * ioctls of userfaultfd alone.
 */
#ifndef MEMBACKING_PAGER_RAM_H
#define MEMBACKING_PAGER_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct kfs;

enum { PAGE_BYTES = 4096, RAM_OBJECTS_MAX = 64 };

/**
 * struct ram_object - One file of guest memory, mapped once and whole
 * @fd:		Open for reading and writing; outlives the guest's QEMU until ram_close()
 * @address:	Where its first page is mapped in QEMU
 * @first:	Number of its first page among the guest's pages
 * @pages:	Its length, in pages of PAGE_BYTES
 * @stands_in:	It was unplugged: a file of ours in its place, at an address where QEMU has nothing
 */
struct ram_object {
	int fd;
	dev_t dev;
	ino_t ino;
	uint64_t address;
	uint64_t first;
	uint64_t pages;
	bool stands_in;
};

struct ram {
	size_t n;
	uint64_t pages; /* the sum */
	struct ram_object object[RAM_OBJECTS_MAX];
};

/**
 * ram_read() - Which memory files a process has mapped, by /proc/PID/maps alone
 *
 * QEMU's memory back ends by their names: "/memfd:memory-backend-memfd", and named files that
 * are shared memory by all signs.  ROMs, video memory, code and the descriptors of kvm are not
 * among them.  Opens nothing: @fd is -1, and @pages as much as is mapped.
 *
 * Return: as ram_open(), but the kind of file and its length are not known yet
 */
int ram_read(struct ram *ram, const struct kfs *kfs, pid_t pid, struct err *err);

/**
 * ram_open() - Find and open the memory files of a running QEMU
 * @pid:	Its process
 *
 * Several back ends (NUMA nodes, dimms) are several objects.  Each must be mapped once, from its
 * first byte to its last, and lie on a tmpfs or be a memfd without huge pages.
 *
 * Return: 0; -ENOENT: it has no shared memory of its own; -ENOTSUP: memory that can't be paged,
 * the sentence says which; -ESRCH: the process is gone; -errno
 */
int ram_open(struct ram *ram, pid_t pid, struct err *err);
/**
 * struct ram_left - Memory that was plugged in and can't be paged
 * @pages:	As much as is mapped
 * @why:	Of the first file
 */
struct ram_left {
	uint64_t pages;
	struct err why;
};

/**
 * ram_open_again() - Open what is mapped of @known, then what was plugged in since
 * @known:	Files that are paged: @dev and @ino count
 * @left:	What was plugged in and can't be paged: none of it is in @ram
 *
 * Return: 0; -ENOTSUP: one of @known can't be paged as it is mapped now; -ESRCH; -errno
 */
int ram_open_again(struct ram *ram, const struct ram *known, pid_t pid, struct ram_left *left,
		   struct err *err);

/**
 * ram_changes() - What was plugged in and unplugged, by /proc/PID/maps alone
 * @known:	Without what stands in for unplugged memory
 * @more:	Pages that are mapped of other files
 * @gone:	Pages of @known that are not mapped any more
 *
 * Return: 0; -errno: it can't be told now
 */
int ram_changes(const struct ram *known, const struct kfs *kfs, pid_t pid, uint64_t *more,
		uint64_t *gone);

/* Is this file among them? */
bool ram_has(const struct ram *ram, dev_t dev, ino_t ino);
void ram_close(struct ram *ram);

/* Where QEMU has nothing: programs' mappings begin at the upper end of 47 bits, or low down */
#define RAM_NOWHERE (UINT64_C(1) << 46)

/* The object that has this page.  @page is below ram->pages */
const struct ram_object *ram_object_of(const struct ram *ram, uint64_t page);
/* Address of a page in QEMU */
uint64_t ram_address(const struct ram *ram, uint64_t page);
/* The page at an address in QEMU.  False: no page of the guest's */
bool ram_page_at(const struct ram *ram, uint64_t address, uint64_t *page);

#endif

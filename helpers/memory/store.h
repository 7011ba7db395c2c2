/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stores: file systems that hold file-backed guest memory, and the guests'
 * directories in them.
 *
 * DOC: where libvirt puts a guest's memory
 *
 * In BASE/ID-SHORTNAME, where BASE is memory_backing_dir with "/libvirt/qemu"
 * behind it.  libvirt makes that directory in a guest's start, after prepare, and
 * takes an existing one as it is: a leftover file of the right size becomes the
 * new guest's memory, with the old contents.
 *
 * DOC: who can write there
 *
 * The way to BASE may lead through directories of others (memory/path.h).
 * BASE belongs to QEMU's user, and so does everything in it: whatever is found
 * there may be a link, or have become one a moment ago.  All names below BASE are
 * resolved by openat2(2) without links, without leaving it, and without crossing
 * mounts; files are only ever unlinked, never written or truncated, so that a hard
 * link to another file costs a name and nothing else.
 */
#ifndef MEMBACKING_MEMORY_STORE_H
#define MEMBACKING_MEMORY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/mount.h"

struct err;
struct kfs;
struct open_files;

/* NAME_MAX and its NUL */
#define STORE_NAME_SIZE 256

/**
 * struct store_state - A file system as it is now
 * @present:	The directory exists; all else is meaningless otherwise
 * @mountpoint:	It is a mount point itself
 * @mount:	The file system it lies on
 * @root:	That is the host's root file system
 * @traversable: Others may pass through the directory itself (mode o+x)
 * @in_ram:	tmpfs or ramfs: what is stored is taken from the host's memory
 * @capacity_kib: Its size; 0: it has none (ramfs)
 * @free_kib:	Free for root
 * @available_kib: Free for others, QEMU among them
 */
struct store_state {
	bool present;
	bool mountpoint;
	struct mount_info mount;
	bool root;
	bool traversable;
	bool in_ram;
	uint64_t capacity_kib;
	uint64_t free_kib;
	uint64_t available_kib;
};

/**
 * store_read() - The state of the file system at @path
 *
 * A @path that does not exist is no error.  xfs frees what was unlinked a moment later:
 * read it again before a guest is refused.
 * Return: 0, or -ETIMEDOUT as store_answers(), ...
 */
int store_read(const struct kfs *kfs, const char *path, struct store_state *state, struct err *err);

/**
 * store_answers() - Can the file system at @path be looked at?
 *
 * One on a server that is gone keeps each process that touches it waiting, and all who
 * wait for the host lock.  To be asked before that, wherever store_read() has not been.
 * Return: -ETIMEDOUT after some seconds; 0 in all other cases, other errors among them
 */
int store_answers(const struct kfs *kfs, const char *path, struct err *err);

/**
 * store_open_base() - Open the directory that holds the guests' directories
 * @path:	Absolute: memory_backing_dir, opened by path_open()
 * @below:	"libvirt/qemu", or "" if @path is it already
 * @make:	Create what is missing of @below with mode 0755 and make what there is
 *		of it passable for all (a+x): libvirt makes the parents for
 *		root only, and QEMU can't reach its memory then
 * Return: a descriptor, -ENOENT, -ELOOP for a link that does not count, -EXDEV for a mount
 * point, ...
 */
int store_open_base(const struct kfs *kfs, const char *path, const char *below, bool make,
		    struct err *err);

/**
 * struct store_use - The files of a guest's directory, all 0 if there are none
 * @held_kib:	What they hold now
 * @size_kib:	What they can come to hold: they have holes where nothing was written yet
 */
struct store_use {
	uint64_t held_kib;
	uint64_t size_kib;
};

struct store_use store_guest_use(int basefd, const char *name);

/* Is @file a file in the guest's directory @name, and the one of that number?  A link is none */
bool store_guest_has(int basefd, const char *name, const char *file, uint64_t inode);

/**
 * store_remove_guest() - Remove a guest's directory and the memory files in it
 * @name:	One component: no slash, not "." or ".."
 * @removed_kib: Result: what they held; may be NULL
 *
 * If any process still has one of the files open or mapped all of them stay.  A link
 * is removed as a link, and never looked behind.  A subdirectory, and a file with a name
 * that libvirt doesn't give, is no guest's we know (an nvdimm's, perhaps): it stays, and with
 * it the directory.
 * Return: 1 if there was something and it is gone; 0 if there was nothing;
 * -ETIMEDOUT if it takes longer than five seconds; -EBUSY if a file is in use (the sentence names
 * it, and the process if that can be seen); -ENOTEMPTY if something else was left; -ENOTDIR if it
 * is a file, -EXDEV if it is a mount point: both stay; -E2BIG; -EROFS, ...
 */
int store_remove_guest(const struct kfs *kfs, int basefd, const char *name, uint64_t *removed_kib,
		       struct err *err);

/**
 * store_remove_guest_within() - store_remove_guest() for one of many
 * @files:	One look at open files for all of them
 * @deadline:	clock_ms(), for taking it, and for all that is done in the directory
 * Return: also -ETIMEDOUT: not known in time who has a file open, and all stay; or not all
 * files were removed in time
 */
int store_remove_guest_within(const struct kfs *kfs, struct open_files *files, uint64_t deadline,
			      int basefd, const char *name, uint64_t *removed_kib, struct err *err);

/**
 * store_guests() - Names in BASE that look like guests' directories: ID-SHORTNAME
 *
 * Directories and links.  A BASE that QEMU's user has filled up is read in part.
 * @deadline:	clock_ms(), when to stop
 * @names:	Result: an array of @n strings, each and itself to be freed
 * Return: 0; 1 if there may be more than these; or -errno
 */
int store_guests(int basefd, uint64_t deadline, char ***names, size_t *n, struct err *err);

#endif

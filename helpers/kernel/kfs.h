/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * DOC: kfs - the only door to /sys and /proc
 *
 * Every kernel file is named relative to a root directory that struct kfs holds
 * open.  Mains open "/"; a test opens a tree that was captured on a real
 * machine.  A directory can replay what a kernel said, not how it behaves:
 * asked for 100 huge pages it gives 100.  Tests that need the kernel's manners
 * replace @write.
 */
#ifndef MEMBACKING_KERNEL_KFS_H
#define MEMBACKING_KERNEL_KFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct err;

/* Longest name of a kernel file used here */
#define KFS_PATH_SIZE 160

struct kfs {
	int rootfd;
	int (*write)(const struct kfs *kfs, const char *path, const char *text);
	void *data; /* for a replaced @write */
};

/* Open @root ("/" or a captured tree) */
int kfs_open(struct kfs *kfs, const char *root, struct err *err);
void kfs_close(struct kfs *kfs);

/**
 * kfs_look() - Is a file there?
 * @there:	Unchanged on failure: what can't be looked for is not missing
 * Return: 0 or -errno
 */
int kfs_look(const struct kfs *kfs, const char *path, bool *there, struct err *err);

/* For reports, and where a file that can't be looked for is as good as none */
bool kfs_exists(const struct kfs *kfs, const char *path);

/**
 * kfs_read() - A small file as text, without its last newline
 * @path:	Relative to the root: "proc/meminfo"
 * @size:	Of @buf; -EFBIG if the file does not fit
 */
int kfs_read(const struct kfs *kfs, const char *path, char *buf, size_t size, struct err *err);
int kfs_read_u64(const struct kfs *kfs, const char *path, uint64_t *value, struct err *err);

/* For files of any length, line by line (numa_maps, smaps, meminfo).
 * NULL, with errno, if it can't be opened */
FILE *kfs_stream(const struct kfs *kfs, const char *path);

/**
 * kfs_write() - One value in one write(2) to a file that exists
 * Return: 0 or -errno as the kernel gave it (the sentence names the file)
 */
int kfs_write(const struct kfs *kfs, const char *path, const char *text, struct err *err);
int kfs_write_u64(const struct kfs *kfs, const char *path, uint64_t value, struct err *err);

/**
 * kfs_list_numbers() - N of every entry PREFIX<N>SUFFIX in a directory, rising
 * @numbers:	Result, to be freed
 * Return: how many, or -errno
 */
int kfs_list_numbers(const struct kfs *kfs, const char *dir, const char *prefix, const char *suffix,
		     uint64_t **numbers, struct err *err);

/**
 * kfs_each_name() - Entries of a directory, but those that begin with a dot
 * @each:	Gets one name after the other; anything but 0 ends it
 * Return: 0, what @each returned last, or -errno (the sentence names the directory)
 */
int kfs_each_name(const struct kfs *kfs, const char *dir, int (*each)(const char *name, void *arg),
		  void *arg, struct err *err);

/* The real thing behind @write */
int kfs_write_file(const struct kfs *kfs, const char *path, const char *text);

#endif

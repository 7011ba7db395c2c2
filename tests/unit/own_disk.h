/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File systems of a test's own: on loop devices, which take root, and checks in the
 * forked child that mounts them.
 */
#ifndef MEMBACKING_TESTS_OWN_DISK_H
#define MEMBACKING_TESTS_OWN_DISK_H

#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/own_mounts.h"
#include "unit/unit.h"

/* What a child exits with when something else is missing */
#define NO_OWN_DISK 78

/* In a child, CUnit's own records are lost: leave with a line on stderr */
#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition,         \
				err.text);                                                         \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

/**
 * own_disk_child() - Run @work in a child with mounts of its own
 * @work:	Gets a directory with an empty tmpfs on it; returns 0 if all is well
 * @what:	For the line that says it was skipped
 */
void own_disk_child(int (*work)(const char *dir), const char *what);

/* In a user namespace of its own every user looks like root */
bool own_disk_is_root(void);

/**
 * own_disk_attach() - A loop device for a file
 * @device:	Result: "/dev/loop7"
 * Return: a descriptor.  When it is closed and nothing is mounted the device is free
 * again, even if the test dies
 */
int own_disk_attach(const char *image, int flags, char device[32]);

/**
 * own_disk_make() - An image with a file system, and its loop device
 * @image:	File to make
 * @fstype:	"ext4" or "xfs"
 * Return: as own_disk_attach()
 */
int own_disk_make(const char *image, const char *fstype, const char *label, char device[32]);

/**
 * own_disk_silent() - A file system that keeps everybody waiting, as one on a dead server
 * @fuse:	/dev/fuse: its other end, which nobody reads.  While it is open there is no
 *		answer, afterwards there are errors
 */
bool own_disk_silent(int fuse, const char *dir);

#endif

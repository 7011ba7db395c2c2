/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The private tmpfs with the files of paged guests: STATE_DIR/pager/UUID/.
 *
 * What is in it outlives the daemon: page maps, journals, slots.  It is mounted in the host's
 * namespace, so that the next daemon finds it, and not swapped where the kernel can leave that
 * (noswap, from 6.4).  It goes with the last guest.  Root's alone: 0700, files 0600, and no link
 * is followed.
 */
#ifndef MEMBACKING_PAGER_PAGER_DIRECTORY_H
#define MEMBACKING_PAGER_PAGER_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "pager/protocol.h"

/* Its name below the state directory */
#define PAGER_DIRECTORY "pager"

/**
 * struct pager_directory
 * @state_dir:	/run/libvirt-membacking; the caller's
 * @fd:		The root of the tmpfs; -1: it is not mounted
 * @noswap:	Its pages stay in RAM
 */
struct pager_directory {
	int state_dir;
	int fd;
	bool noswap;
};

#define PAGER_DIRECTORY_CLOSED(dir) ((struct pager_directory){ .state_dir = (dir), .fd = -1 })

/**
 * pager_directory_find() - Open the tmpfs that an earlier daemon has left
 *
 * Return: 0; -ENOENT: there is none; -EPERM: it is not root's; -errno
 */
int pager_directory_find(struct pager_directory *d, struct err *err);

/**
 * pager_directory_mount() - Mount it, or set its size where it is mounted
 * @size:	Bytes at most in all files; what is in it already stays
 */
int pager_directory_mount(struct pager_directory *d, uint64_t size, struct err *err);

/* Unmount it if it is empty.  Return: 0 also if it isn't */
int pager_directory_leave(struct pager_directory *d, struct err *err);
/* Close our descriptor alone */
void pager_directory_close(struct pager_directory *d);

/* Make a guest's directory.  Return: a descriptor; -EEXIST; -errno */
int pager_directory_add(const struct pager_directory *d, const char *uuid, struct err *err);
/* Open it.  Return: a descriptor; -ENOENT; -errno */
int pager_directory_open(const struct pager_directory *d, const char *uuid, struct err *err);
/* Remove it with its files.  Return: 0 also if there was none; -errno */
int pager_directory_remove(const struct pager_directory *d, const char *uuid, struct err *err);

/**
 * pager_directory_guests() - Whose directories there are
 * @uuids:	Result: an array to be freed
 *
 * Return: 0 or -errno.  What has no UUID for its name is not listed
 */
int pager_directory_guests(const struct pager_directory *d, char (**uuids)[PAGER_UUID_SIZE],
			   size_t *n, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an adoption that was cut short has left open in QEMU, and the note by which a later
 * daemon finds it.
 */
#ifndef MEMBACKING_PAGER_ADOPTION_LEFT_H
#define MEMBACKING_PAGER_ADOPTION_LEFT_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "kernel/kfs.h"
#include "pager/adopt_calls.h"
#include "pager/page_map.h"

/* In a guest's directory, from before the first call until the page map has it all */
#define ADOPTION_NOTE "adopting"

int adoption_note_write(int directory, const struct map_identity *identity, struct err *err);
/* Process and pipes of @identity.  Return: 0; -ENOENT: there is none; -errno */
int adoption_note_read(int directory, struct map_identity *identity, struct err *err);
int adoption_note_remove(int directory, struct err *err);

/* Inodes of the sockets that a QEMU has */
struct adoption_sockets {
	size_t n;
	uint64_t *ino;
};

/* Return: 0 and a list to be freed, or -errno */
int adoption_sockets_read(struct adoption_sockets *sockets, const struct kfs *kfs, pid_t pid,
			  struct err *err);
void adoption_sockets_free(struct adoption_sockets *sockets);

/**
 * adoption_left() - Descriptors of ours in a QEMU that we don't page
 * @identity:	Process and pipes; the userfaultfd's number, if it is known
 * @before:	Sockets from before the adoption.  NULL: they are not known, and sockets stay
 * @fds:	Room for ADOPT_CLOSE_MAX
 *
 * Our pipes by their inodes; /dev/userfaultfd, which QEMU does not open; userfaultfds on
 * which UFFDIO_API was not called; new datagram sockets without a name whose other end has none
 * either.
 *
 * Return: how many, or -errno
 */
int adoption_left(const struct kfs *kfs, int pidfd, const struct map_identity *identity,
		  const struct adoption_sockets *before, struct adopt_fd *fds, struct err *err);

#endif

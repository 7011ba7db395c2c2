/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Adoption: a running, unmodified QEMU gets a userfaultfd, and we a copy of its descriptor.
 *
 * Done from outside by the program virt-membacking-adopt, which must not die with the daemon: a
 * tracer killed at the wrong moment leaves the traced thread with a wrong result.  The descriptor
 * stays open in QEMU for its life, so that a daemon that dies leaves vCPUs waiting, and the next
 * daemon can take it.
 */
#ifndef MEMBACKING_PAGER_ADOPTION_H
#define MEMBACKING_PAGER_ADOPTION_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "pager/page_map.h"

/**
 * struct adopted - A QEMU that has a userfaultfd and parked pipes
 * @pidfd:	Of the process: readable when it is gone
 * @uffd:	Our copy, non-blocking, before UFFDIO_API
 * @pipe:	Our copies of the parked reading ends, blocking.  They live as long as QEMU has
 *		them; the writing end is opened by "/proc/self/fd/N" with O_WRONLY
 * @identity:	What the page map notes: numbers in QEMU, process; uuid and objects are not
 *		filled in
 */
struct adopted {
	int pidfd;
	int uffd;
	int pipe[PAGER_PIPES_MAX];
	struct map_identity identity;
	uint64_t stood_ns; /* for how long a thread of QEMU stood for it; 0 of adopted_find() */
};

/**
 * struct adoption_options
 * @program:	NULL: where virt-membacking-adopt is installed
 * @deadline_ms: 0: a default
 * @directory:	The guest's, for a note by which a later daemon finds what is in QEMU; 0: none
 */
struct adoption_options {
	const char *program;
	unsigned int n_pipes;
	int64_t deadline_ms;
	int directory;
};

/**
 * adopt() - Give a running QEMU a userfaultfd and pipes, and take copies
 *
 * One of its threads, neither main nor a vCPU's, stands for less than a millisecond.  The note in
 * the directory stays until adoption_settled(), which follows the page map with the identity.
 *
 * Return: 0; -EPERM, -EACCES: refused, the sentence says by what; -ETIMEDOUT; -errno.  On failure
 * the guest runs on, and nothing of ours is left in it unless the sentence says so
 */
int adopt(struct adopted *adopted, pid_t pid, const struct adoption_options *options,
	  struct err *err);

/* The page map has the identity: the note is not needed any more */
int adoption_settled(const struct adoption_options *options, struct err *err);

/**
 * adoption_clean_up() - After a daemon that died before there was a page map
 *
 * Closes in QEMU what the note in the directory tells, and removes the note.
 * Return: 0, also without a note, or if QEMU is gone; -errno: as adoption_withdraw()
 */
int adoption_clean_up(const struct adoption_options *options, struct err *err);

/**
 * adopted_find() - Take copies of what an earlier daemon left in QEMU
 * @identity:	From the page map
 *
 * Return: 0; -ESRCH: that process is gone; -ESTALE: something doesn't match; -errno
 */
int adopted_find(struct adopted *adopted, const struct map_identity *identity, struct err *err);

/* Close userfaultfd and pipes in QEMU.  They must not be registered any more */
int adoption_withdraw(struct adopted *adopted, const struct adoption_options *options,
		      struct err *err);
/* The rest of a withdrawal that was cut short, where adopted_find() says -ESTALE.  0 also if there
 * is none, or QEMU is gone */
int adoption_withdraw_rest(const struct map_identity *identity,
			   const struct adoption_options *options, struct err *err);
/* Close our own copies alone */
void adopted_close(struct adopted *adopted);

#endif

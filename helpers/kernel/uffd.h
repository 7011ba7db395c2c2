/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * DOC: uffd - the pager's door to another process's memory
 *
 * The ioctls of a userfaultfd that belongs to another process, and descriptors taken from it.
 * Addresses are those of that process.  Tests that need a kernel which fails replace @ioctl.
 */
#ifndef MEMBACKING_KERNEL_UFFD_H
#define MEMBACKING_KERNEL_UFFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct uffd_msg;

/**
 * struct uffd - A userfaultfd
 * @fd:		Non-blocking; belongs to the caller
 * @ioctl:	Return: 0 or -errno
 */
struct uffd {
	int fd;
	int (*ioctl)(const struct uffd *uffd, unsigned long request, void *argument);
	void *data; /* for a replaced @ioctl */
};

void uffd_init(struct uffd *uffd, int fd);

/**
 * uffd_api() - Agree with the kernel on features
 *
 * Return: 0, also if that was done before, by a daemon that is gone; -EPROTO: a feature that is
 * needed is missing; -errno
 */
int uffd_api(const struct uffd *uffd, struct err *err);

/* See holes as faults, and be able to write-protect.  -EBUSY: another userfaultfd has the range */
int uffd_register(const struct uffd *uffd, uint64_t address, uint64_t bytes);
int uffd_unregister(const struct uffd *uffd, uint64_t address, uint64_t bytes);

/**
 * uffd_copy() - Fill holes and wake who waits for them
 * @protect:	The first write there is a fault, as after uffd_write_protect()
 * @copied:	Bytes that are in place, also on failure
 *
 * Return: 0; -EAGAIN: an event must be read first; -EEXIST: a page is there, no thread woken
 * for it; -ENOENT: nothing of the guest's is mapped there; -ENOMEM: no page, or no room below the
 * limit of the process's cgroup; -ESRCH: the process is gone
 */
int uffd_copy(const struct uffd *uffd, uint64_t address, const void *from, uint64_t bytes,
	      bool protect, uint64_t *copied);
/* A page of zeros.  Return: as uffd_copy() */
int uffd_zeropage(const struct uffd *uffd, uint64_t address, uint64_t bytes);
int uffd_wake(const struct uffd *uffd, uint64_t address, uint64_t bytes);
/* Forbid writes, or allow them and wake who waits to write */
int uffd_write_protect(const struct uffd *uffd, uint64_t address, uint64_t bytes, bool protect);
/* A hole that is an uncorrectable memory error from now on.  -EINVAL before Linux 6.6 */
int uffd_poison(const struct uffd *uffd, uint64_t address, uint64_t bytes);

/**
 * uffd_read() - Take messages
 * @messages:	Where they go.  Reading a REMOVE lets the other process discard: this memory must
 *		outlive us
 * Return: how many; -EAGAIN: none; -errno
 */
ssize_t uffd_read(const struct uffd *uffd, struct uffd_msg *messages, size_t max);

/* A descriptor of a process, readable when it is gone.  Return: it, or -errno */
int pidfd_of(pid_t pid);
/* A copy of a descriptor of another process.  Return: it, closed on exec, or -errno */
int pidfd_take(int pidfd, int number);

/* The real thing behind @ioctl */
int uffd_ioctl(const struct uffd *uffd, unsigned long request, void *argument);

#endif

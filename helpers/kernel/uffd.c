// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The ioctls of userfaultfd, and pidfd_getfd().
 */
#include "kernel/uffd.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"

/* Headers before Linux 6.6 don't have it */
#ifndef _UFFDIO_POISON
struct uffdio_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};
#define UFFDIO_POISON _IOWR(UFFDIO, 0x08, struct uffdio_poison)
#endif

#define FEATURES                                                                                   \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_MISSING_SHMEM | \
	 UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_WP_HUGETLBFS_SHMEM)

int uffd_ioctl(const struct uffd *uffd, unsigned long request, void *argument)
{
	return ioctl(uffd->fd, request, argument) == 0 ? 0 : -errno;
}

void uffd_init(struct uffd *uffd, int fd)
{
	*uffd = (struct uffd){ .fd = fd, .ioctl = uffd_ioctl };
}

int uffd_api(const struct uffd *uffd, struct err *err)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURES };
	struct uffdio_range anything = { .start = 1 << 20, .len = 4096 };
	int rc = uffd->ioctl(uffd, UFFDIO_API, &api);

	if (rc == 0)
		return 0;
	/* Agreed before, or a feature is missing: without an agreement waking is EINVAL, too */
	if (rc == -EINVAL && uffd->ioctl(uffd, UFFDIO_WAKE, &anything) == 0)
		return 0;
	if (rc == -EINVAL)
		return err_set(err, EPROTO,
			       "userfaultfd: the kernel lacks a feature (Linux 5.19 or later has "
			       "write protection of shared memory)");
	return err_sys(err, -rc, "userfaultfd: UFFDIO_API");
}

int uffd_register(const struct uffd *uffd, uint64_t address, uint64_t bytes)
{
	struct uffdio_register ranges = {
		.range = { .start = address, .len = bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	};

	return uffd->ioctl(uffd, UFFDIO_REGISTER, &ranges);
}

int uffd_unregister(const struct uffd *uffd, uint64_t address, uint64_t bytes)
{
	struct uffdio_range range = { .start = address, .len = bytes };

	return uffd->ioctl(uffd, UFFDIO_UNREGISTER, &range);
}

int uffd_copy(const struct uffd *uffd, uint64_t address, const void *from, uint64_t bytes,
	      bool protect, uint64_t *copied)
{
	struct uffdio_copy copy = {
		.dst = address,
		.src = (uintptr_t)from,
		.len = bytes,
		.mode = protect ? UFFDIO_COPY_MODE_WP : 0,
	};
	int rc = uffd->ioctl(uffd, UFFDIO_COPY, &copy);

	*copied = copy.copy > 0 ? (uint64_t)copy.copy : 0;
	return rc;
}

int uffd_zeropage(const struct uffd *uffd, uint64_t address, uint64_t bytes)
{
	struct uffdio_zeropage zero = { .range = { .start = address, .len = bytes } };

	return uffd->ioctl(uffd, UFFDIO_ZEROPAGE, &zero);
}

int uffd_wake(const struct uffd *uffd, uint64_t address, uint64_t bytes)
{
	struct uffdio_range range = { .start = address, .len = bytes };

	return uffd->ioctl(uffd, UFFDIO_WAKE, &range);
}

int uffd_write_protect(const struct uffd *uffd, uint64_t address, uint64_t bytes, bool protect)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = address, .len = bytes },
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return uffd->ioctl(uffd, UFFDIO_WRITEPROTECT, &wp);
}

int uffd_poison(const struct uffd *uffd, uint64_t address, uint64_t bytes)
{
	struct uffdio_poison poison = { .range = { .start = address, .len = bytes } };

	return uffd->ioctl(uffd, UFFDIO_POISON, &poison);
}

ssize_t uffd_read(const struct uffd *uffd, struct uffd_msg *messages, size_t max)
{
	ssize_t n = read(uffd->fd, messages, max * sizeof(*messages));

	if (n < 0)
		return -errno;
	return n / (ssize_t)sizeof(*messages);
}

int pidfd_of(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

int pidfd_take(int pidfd, int number)
{
	long fd = syscall(SYS_pidfd_getfd, pidfd, number, 0);

	return fd < 0 ? -errno : (int)fd;
}

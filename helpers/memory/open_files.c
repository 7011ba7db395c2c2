// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which files of a file system processes have open.
 */
#include "memory/open_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/statx.h"

/* Kernel headers have them since 5.17 */
#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xff534d42
#endif
#ifndef SMB2_SUPER_MAGIC
#define SMB2_SUPER_MAGIC 0xfe534d42
#endif

static unsigned int fs_type(int fd)
{
	struct statfs fs;

	/* f_type is signed and may be of 32 or 64 bits */
	return fstatfs(fd, &fs) == 0 ? (unsigned int)fs.f_type : NFS_SUPER_MAGIC;
}

static int take_lease(int fd)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	int rc = 0;

	/* A process that opens it at this moment makes the kernel send us one; by default that is
	 * our end */
	sigaction(SIGIO, &ignore, &before);
	if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
		fcntl(fd, F_SETLEASE, F_UNLCK);
	else
		rc = errno == EAGAIN ? 1 : -EOPNOTSUPP;
	sigaction(SIGIO, &before, NULL);
	return rc;
}

int open_files_lease(int fd)
{
	int rc;

	switch (fs_type(fd)) {
	case NFS_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
		/* Leases are what a server has delegated: a refusal says nothing of openers */
		return -EOPNOTSUPP;
	case OVERLAYFS_SUPER_MAGIC:
		/* A mapping is one of the file below */
		rc = take_lease(fd);
		return rc ? rc : -EOPNOTSUPP;
	}
	return take_lease(fd);
}

/* For @ino: any file of @dev.  No file has that number */
#define ANY_INO 0

/* Processes end while we look, and some can't be looked into: they are not it.  What else
 * fails (no descriptor, no memory) says nothing */
static int no_process(int errnum)
{
	switch (errnum) {
	case 0:
	case ENOENT:
	case ESRCH:
	case EACCES:
	case EPERM:
		return 0;
	}
	return -errnum;
}

/* Owns @fd.  NULL, with errno */
static DIR *open_list(int fd)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int errnum = errno;

	if (!dir && fd >= 0)
		close(fd);
	errno = errnum;
	return dir;
}

/* Someone has the file open or mapped.  Return: 0 to go on */
typedef int visit_file(void *arg, dev_t dev, ino_t ino, pid_t pid);

/* The links in /proc/PID/WHAT.  Return: what @visit returned last, -errno */
static int each_link(int procfd, pid_t pid, const char *what, visit_file *visit, void *arg)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;
	int rc = 0;

	snprintf(path, sizeof(path), "%d/%s", (int)pid, what);
	dir = open_list(openat(procfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (!dir)
		return no_process(errno);
	while (rc == 0 && (errno = 0, entry = readdir(dir))) {
		struct statx st;

		/* DONT_SYNC: a file on a dead server must not stop us */
		if (entry->d_name[0] != '.' &&
		    statx(dirfd(dir), entry->d_name, AT_STATX_DONT_SYNC, STATX_INO, &st) == 0)
			rc = visit(arg, makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino,
				   pid);
	}
	if (rc == 0)
		rc = no_process(errno);
	closedir(dir);
	return rc;
}

static int each_process(const struct kfs *kfs, const char *what, visit_file *visit, void *arg)
{
	DIR *proc = open_list(openat(kfs->rootfd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;
	uint64_t pid = 0;
	int rc = 0;

	if (!proc)
		return no_process(errno);
	while (rc == 0 && (errno = 0, entry = readdir(proc)))
		if (text_to_u64(entry->d_name, &pid) == 0)
			rc = each_link(dirfd(proc), (pid_t)pid, what, visit, arg);
	if (rc == 0)
		rc = -errno;
	closedir(proc);
	return rc;
}

static void name_user(const struct kfs *kfs, uint64_t pid, struct open_files_user *user)
{
	char path[KFS_PATH_SIZE];

	snprintf(path, sizeof(path), "proc/%llu/comm", (unsigned long long)pid);
	user->pid = (pid_t)pid;
	if (kfs_read(kfs, path, user->comm, sizeof(user->comm), NULL) < 0)
		snprintf(user->comm, sizeof(user->comm), "?");
}

struct wanted {
	dev_t dev;
	ino_t ino;
	pid_t pid;
};

static int is_wanted(void *arg, dev_t dev, ino_t ino, pid_t pid)
{
	struct wanted *wanted = arg;

	wanted->pid = pid;
	return dev == wanted->dev && (wanted->ino == ANY_INO || ino == wanted->ino);
}

static int find_by(const struct kfs *kfs, const char *what, dev_t dev, ino_t ino,
		   struct open_files_user *user)
{
	struct wanted wanted = { .dev = dev, .ino = ino };
	int rc = each_process(kfs, what, is_wanted, &wanted);

	if (rc > 0)
		name_user(kfs, (uint64_t)wanted.pid, user);
	return rc;
}

int open_files_find(const struct kfs *kfs, dev_t dev, ino_t ino, struct open_files_user *user)
{
	/* Nearly always it is a descriptor, and there are fewer of them */
	int rc = find_by(kfs, "fd", dev, ino, user);

	return rc ? rc : find_by(kfs, "map_files", dev, ino, user);
}

int open_files_on(const struct kfs *kfs, dev_t dev, struct open_files_user *user)
{
	return open_files_find(kfs, dev, ANY_INO, user);
}

/* ---- one look for many files ---- */

struct taking {
	struct open_files *files;
	uint64_t deadline;
};

static int keep(void *arg, dev_t dev, ino_t ino, pid_t pid)
{
	struct taking *taking = arg;
	struct open_files *files = taking->files;

	if (files->n == files->room) {
		size_t room = files->room ? 2 * files->room : 1024;
		struct open_file *list = reallocarray(files->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		files->list = list;
		files->room = room;
	}
	files->list[files->n++] = (struct open_file){ dev, ino, pid };
	/* A process may have any number of mappings */
	return clock_left_ms(taking->deadline) ? 0 : -ETIMEDOUT;
}

static int compare(const void *a, const void *b)
{
	const struct open_file *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return (x->ino > y->ino) - (x->ino < y->ino);
}

static int take_all(const struct kfs *kfs, struct open_files *files, uint64_t deadline)
{
	struct taking taking = { files, deadline };
	int rc = each_process(kfs, "fd", keep, &taking);

	if (rc == 0)
		rc = each_process(kfs, "map_files", keep, &taking);
	files->taken = true;
	files->rc = rc;
	if (files->n)
		qsort(files->list, files->n, sizeof(*files->list), compare);
	return rc;
}

int open_files_in(const struct kfs *kfs, struct open_files *files, uint64_t deadline, dev_t dev,
		  ino_t ino, struct open_files_user *user)
{
	const struct open_file key = { .dev = dev, .ino = ino }, *found;
	int rc = files->taken ? files->rc : take_all(kfs, files, deadline);

	found = files->n ? bsearch(&key, files->list, files->n, sizeof(key), compare) : NULL;
	if (!found)
		return rc;
	name_user(kfs, (uint64_t)found->pid, user);
	return 1;
}

void open_files_free(struct open_files *files)
{
	free(files->list);
	*files = (struct open_files){ 0 };
}

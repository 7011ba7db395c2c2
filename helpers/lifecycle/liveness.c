// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Is a QEMU or libvirt's daemon alive?
 */
#include "lifecycle/liveness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "kernel/kfs.h"

#define QEMU_DIR LIVENESS_DIR

/**
 * locked() - Does a process hold libvirt's kind of lock on a PID file?
 * @pid:	The holder, 0 if it lives in another PID namespace
 *
 * libvirt takes a write lock on byte 0 (virPidFileAcquirePath()).  A read lock is asked for
 * here, which only write locks keep away: the files have mode 0644, and any user may hold a
 * read lock on them.
 * Return: 1, 0, or -errno when the file can't be opened
 */
static int locked(const struct kfs *kfs, const char *path, pid_t *pid)
{
	cleanup_close int fd = openat(kfs->rootfd, path,
				      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };

	*pid = 0;
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_GETLK, &lock) < 0)
		return -errno;
	if (lock.l_type == F_UNLCK)
		return 0;
	if (lock.l_pid > 0)
		*pid = lock.l_pid;
	return 1;
}

/* There is none, as opposed to: it can't be told */
static bool is_nobody(int rc)
{
	return rc == 0 || rc == -ENOENT || rc == -ENOTDIR || rc == -ENAMETOOLONG || rc == -ELOOP;
}

/* 0 if there is no such process, or it can't be told */
static uint64_t start_time(const struct kfs *kfs, pid_t pid)
{
	char path[KFS_PATH_SIZE], stat[2048], *p;
	unsigned long long start;

	snprintf(path, sizeof(path), "proc/%d/stat", pid);
	if (kfs_read(kfs, path, stat, sizeof(stat), NULL) < 0)
		return 0;
	/* The name in field 2 may hold blanks and parentheses */
	p = strrchr(stat, ')');
	if (!p || sscanf(p + 1,
			 " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
			 "%*d %*d %llu",
			 &start) != 1)
		return 0;
	return start;
}

/* ---- one file for two: libvirt's driver, and a guest of that name ---- */

#define DRIVER "driver"

/* Is that guest's name in QEMU's command line?  libvirt writes "-name guest=NAME,..." */
static bool names_driver(const char *cmdline, size_t len)
{
	static const char option[] = "-name\0guest=" DRIVER;
	const char *at = memmem(cmdline, len, option, sizeof(option) - 1);

	/* What follows is "," or the end of the word */
	return at && (at[sizeof(option) - 1] == ',' || !at[sizeof(option) - 1]);
}

/* Is the holder of driver.pid the QEMU of a guest that is called "driver"? */
static bool is_guest_driver(const struct kfs *kfs, pid_t pid)
{
	/* It is libvirt's first option */
	char path[KFS_PATH_SIZE], cmdline[4096 + 1];
	cleanup_close int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "proc/%d/cmdline", pid);
	fd = pid > 0 ? openat(kfs->rootfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	n = fd < 0 ? -1 : read(fd, cmdline, sizeof(cmdline) - 1);
	if (n <= 0)
		return false;
	cmdline[n] = '\0';
	return names_driver(cmdline, (size_t)n);
}

/* locked() of the driver's own file.  A guest called "driver" replaces it: then the lock is
 * its QEMU's, and where the driver's is can't be told */
static int driver_locked(const struct kfs *kfs, pid_t *pid)
{
	int rc = locked(kfs, QEMU_DIR "/" DRIVER ".pid", pid);

	if (rc != 1 || !is_guest_driver(kfs, *pid))
		return rc;
	*pid = 0;
	return 0;
}

/* ---- the driver ---- */

struct process liveness_driver(const struct kfs *kfs)
{
	struct process driver;

	/* Where it can't be told, the PID stays 0: any holder of the lock will do */
	if (is_nobody(driver_locked(kfs, &driver.pid)))
		driver.pid = getppid();
	driver.start = driver.pid ? start_time(kfs, driver.pid) : 0;
	return driver;
}

bool liveness_driver_runs(const struct kfs *kfs, struct process *driver)
{
	int rc = driver_locked(kfs, &driver->pid);

	driver->start = driver->pid ? start_time(kfs, driver->pid) : 0;
	return !is_nobody(rc);
}

bool liveness_is_libvirt(const struct kfs *kfs, pid_t pid)
{
	char path[KFS_PATH_SIZE], name[32];

	snprintf(path, sizeof(path), "proc/%d/comm", pid);
	return pid > 0 && kfs_read(kfs, path, name, sizeof(name), NULL) == 0 &&
	       (!strcmp(name, "libvirtd") || !strcmp(name, "virtqemud"));
}

struct process liveness_parent(const struct kfs *kfs)
{
	struct process parent = { .pid = getppid() };

	parent.start = start_time(kfs, parent.pid);
	return parent;
}

struct process liveness_self(const struct kfs *kfs)
{
	struct process self = { .pid = getpid() };

	self.start = start_time(kfs, self.pid);
	return self;
}

bool liveness_is_older(const struct kfs *kfs, const struct process *driver)
{
	uint64_t own = driver->pid && driver->start ? start_time(kfs, getpid()) : 0;

	return own && own < driver->start;
}

bool liveness_process(const struct kfs *kfs, const struct process *process)
{
	uint64_t start = process->pid ? start_time(kfs, process->pid) : 0;

	return start && start == process->start;
}

bool liveness_driver_alive(const struct kfs *kfs, const struct process *driver)
{
	pid_t holder;
	int rc = driver_locked(kfs, &holder);

	/* Seen from another PID namespace, the lock is all there is */
	if (!is_nobody(rc) && (!holder || !driver->pid))
		return true;
	if (rc == 1 && holder != driver->pid)
		return false;
	if (!driver->pid)
		return false;
	if (rc == 1 && (!start_time(kfs, driver->pid) || !driver->start))
		return true;
	return liveness_process(kfs, driver);
}

bool liveness_qemu(const struct kfs *kfs, const char *name, pid_t *pid)
{
	char path[KFS_PATH_SIZE + 1024];
	pid_t holder;
	int rc;

	if (pid)
		*pid = 0;
	if (!*name || strchr(name, '/') ||
	    snprintf(path, sizeof(path), QEMU_DIR "/%s.pid", name) >= (int)sizeof(path))
		return false;
	rc = locked(kfs, path, &holder);
	/* One that can't be seen may be either */
	if (rc == 1 && !strcmp(name, DRIVER) && holder && !is_guest_driver(kfs, holder))
		return false;
	if (rc == 1 && pid)
		*pid = holder;
	/* Who can't look (status without root, no descriptor left) must not take it
	 * for dead */
	return !is_nobody(rc);
}

/* The guest's name in "NAME.pid"; NULL for other files */
static char *name_of_pid_file(const char *file)
{
	size_t len = strlen(file);

	if (len <= 4 || strcmp(file + len - 4, ".pid") != 0)
		return NULL;
	return strndup(file, len - 4);
}

static int add_name(char ***names, size_t *n, char *name)
{
	char **more = reallocarray(*names, *n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	more[(*n)++] = name;
	*names = more;
	return 0;
}

/* Where the holder of driver.pid can't be seen it is taken for the driver, which is nearly
 * always there, and not for a guest of that name */
static bool is_listed(const struct kfs *kfs, const char *name)
{
	pid_t pid;

	return liveness_qemu(kfs, name, &pid) && (pid || strcmp(name, DRIVER) != 0);
}

static int list(const struct kfs *kfs, bool (*counts)(const struct kfs *kfs, const char *name),
		char ***names, size_t *n, struct err *err)
{
	int fd = openat(kfs->rootfd, QEMU_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	*names = NULL;
	*n = 0;
	if (!dir) {
		if (fd < 0 && errno == ENOENT)
			return 0;
		rc = err_sys(err, errno, "cannot read /" QEMU_DIR);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (rc == 0 && (errno = 0, entry = readdir(dir))) {
		char *name = name_of_pid_file(entry->d_name);

		if (name && (!counts || counts(kfs, name)))
			rc = add_name(names, n, name);
		else
			free(name);
	}
	/* Part of them is none: the others would be swept */
	if (rc < 0)
		err_set(err, -rc, "out of memory");
	else if (errno)
		rc = err_sys(err, errno, "cannot list /" QEMU_DIR);
	closedir(dir);
	return rc;
}

int liveness_running(const struct kfs *kfs, char ***names, size_t *n, struct err *err)
{
	return list(kfs, is_listed, names, n, err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int liveness_files_read(const struct kfs *kfs, struct liveness_files *files)
{
	int rc = list(kfs, NULL, &files->names, &files->n, NULL);

	if (files->n)
		qsort(files->names, files->n, sizeof(*files->names), by_name);
	return rc;
}

bool liveness_files_have(const struct liveness_files *files, const char *name)
{
	return files->n && bsearch(&name, files->names, files->n, sizeof(*files->names), by_name);
}

void liveness_files_free(struct liveness_files *files)
{
	while (files->n)
		free(files->names[--files->n]);
	free(files->names);
	files->names = NULL;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading and writing /sys and /proc, below a root directory.
 */
#include "kernel/kfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"

int kfs_open(struct kfs *kfs, const char *root, struct err *err)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, errno, "cannot open the root directory '%s'", root);
	kfs->rootfd = fd;
	kfs->write = kfs_write_file;
	kfs->data = NULL;
	return 0;
}

void kfs_close(struct kfs *kfs)
{
	if (kfs->rootfd >= 0)
		close(kfs->rootfd);
	kfs->rootfd = -1;
}

int kfs_look(const struct kfs *kfs, const char *path, bool *there, struct err *err)
{
	if (faccessat(kfs->rootfd, path, F_OK, 0) == 0)
		*there = true;
	else if (errno == ENOENT || errno == ENOTDIR)
		*there = false;
	else
		return err_sys(err, errno, "cannot look for /%s", path);
	return 0;
}

bool kfs_exists(const struct kfs *kfs, const char *path)
{
	bool there;

	return kfs_look(kfs, path, &there, NULL) == 0 && there;
}

int kfs_read(const struct kfs *kfs, const char *path, char *buf, size_t size, struct err *err)
{
	cleanup_close int fd = openat(kfs->rootfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t used = 0;

	if (fd < 0)
		return err_sys(err, errno, "cannot open /%s", path);
	for (;;) {
		ssize_t n = read(fd, buf + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "cannot read /%s", path);
		if (n == 0)
			break;
		used += (size_t)n;
		if (used == size)
			return err_set(err, EFBIG, "/%s is longer than expected", path);
	}
	if (used && buf[used - 1] == '\n')
		used--;
	buf[used] = '\0';
	return 0;
}

int kfs_read_u64(const struct kfs *kfs, const char *path, uint64_t *value, struct err *err)
{
	char buf[64];
	int rc = kfs_read(kfs, path, buf, sizeof(buf), err);

	if (rc < 0)
		return rc;
	rc = text_to_u64(buf, value);
	if (rc < 0)
		return err_set(err, -rc, "/%s: '%s' is no number", path, buf);
	return 0;
}

FILE *kfs_stream(const struct kfs *kfs, const char *path)
{
	int fd = openat(kfs->rootfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	FILE *f;

	if (fd < 0)
		return NULL;
	f = fdopen(fd, "re");
	if (!f)
		close(fd);
	return f;
}

int kfs_write_file(const struct kfs *kfs, const char *path, const char *text)
{
	cleanup_close int fd = openat(kfs->rootfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int kfs_write(const struct kfs *kfs, const char *path, const char *text, struct err *err)
{
	int rc = kfs->write(kfs, path, text);

	if (rc < 0)
		return err_sys(err, -rc, "cannot write '%s' to /%s", text, path);
	return 0;
}

int kfs_write_u64(const struct kfs *kfs, const char *path, uint64_t value, struct err *err)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return kfs_write(kfs, path, text, err);
}

/* N of "PREFIX<N>SUFFIX"; false for every other name */
static bool name_number(const char *name, const char *prefix, const char *suffix, uint64_t *value)
{
	size_t len = strlen(name), pre = strlen(prefix), suf = strlen(suffix);
	char digits[24];

	if (len <= pre + suf || len - pre - suf >= sizeof(digits))
		return false;
	if (strncmp(name, prefix, pre) || strcmp(name + len - suf, suffix))
		return false;
	memcpy(digits, name + pre, len - pre - suf);
	digits[len - pre - suf] = '\0';
	return text_to_u64(digits, value) == 0;
}

static int compare_u64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* NULL, with a sentence and @rc, if there is none */
static DIR *open_list(const struct kfs *kfs, const char *dir, int *rc, struct err *err)
{
	int fd = openat(kfs->rootfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d;

	if (fd < 0) {
		*rc = err_sys(err, errno, "cannot open /%s", dir);
		return NULL;
	}
	d = fdopendir(fd);
	if (!d) {
		*rc = err_sys(err, errno, "cannot list /%s", dir);
		close(fd);
	}
	return d;
}

int kfs_list_numbers(const struct kfs *kfs, const char *dir, const char *prefix, const char *suffix,
		     uint64_t **numbers, struct err *err)
{
	cleanup_free uint64_t *list = NULL;
	size_t n = 0, room = 0;
	struct dirent *entry;
	int rc = 0;
	DIR *d = open_list(kfs, dir, &rc, err);

	if (!d)
		return rc;
	while ((errno = 0, entry = readdir(d))) {
		uint64_t value;

		if (!name_number(entry->d_name, prefix, suffix, &value))
			continue;
		if (n == room) {
			uint64_t *more;

			room = room ? 2 * room : 8;
			more = reallocarray(list, room, sizeof(*list));
			if (!more) {
				closedir(d);
				return err_nomem(err);
			}
			list = more;
		}
		list[n++] = value;
	}
	rc = errno;
	closedir(d);
	if (rc)
		return err_sys(err, rc, "cannot list /%s", dir);
	if (n)
		qsort(list, n, sizeof(*list), compare_u64);
	*numbers = list;
	list = NULL;
	return (int)n;
}

int kfs_each_name(const struct kfs *kfs, const char *dir, int (*each)(const char *name, void *arg),
		  void *arg, struct err *err)
{
	struct dirent *entry;
	int rc = 0;
	DIR *d = open_list(kfs, dir, &rc, err);

	if (!d)
		return rc;
	while (rc == 0 && (errno = 0, entry = readdir(d)))
		if (*entry->d_name != '.')
			rc = each(entry->d_name, arg);
	if (rc == 0 && errno)
		rc = err_sys(err, errno, "cannot list /%s", dir);
	closedir(d);
	return rc;
}

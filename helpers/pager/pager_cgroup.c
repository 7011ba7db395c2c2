// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A paged guest's memory cgroup: memory.swap.max and the limits above it.
 *
 * Limits are read of cgroups of version 1 as well.  These have no memory.swap.max: whether the
 * kernel swaps such a guest is not for one guest to say there.
 */
#include "pager/pager_cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#define ROOT "sys/fs/cgroup"

/* A name of systemd's may be 255 bytes, with some levels above it */
#define CGROUP_PATH_SIZE 2048
#define VALUE_SIZE	 32
#define NOTE_MAX	 (CGROUP_PATH_SIZE + VALUE_SIZE + 2)

/**
 * struct hierarchy - Where memory is limited
 * @root, @max, @current: names of files
 * @cache, @shared: keys in memory.stat, of the group with those below it
 * @controller: In the middle of a line of /proc/PID/cgroup; empty: version 2
 */
struct hierarchy {
	const char *root, *max, *current;
	const char *cache[2];
	const char *shared;
	const char *controller;
};

static const struct hierarchy version_2 = {
	.root = ROOT,
	.max = "memory.max",
	.current = "memory.current",
	.cache = { "inactive_file", "active_file" },
	.shared = "shmem",
	.controller = "",
};
static const struct hierarchy version_1 = {
	.root = ROOT "/memory",
	.max = "memory.limit_in_bytes",
	.current = "memory.usage_in_bytes",
	.cache = { "total_inactive_file", "total_active_file" },
	.shared = "total_shmem",
	.controller = "memory",
};

/* @cache: of files: a disk's is charged to the guest and fills its cgroup, and the kernel drops it
 * for other memory; @shared: memory */
struct group_stat {
	uint64_t cache, shared;
};

/* "cpu,memory" has the controller */
static bool lists(const char *list, size_t len, const char *controller)
{
	size_t wanted = strlen(controller), n;

	if (!wanted || !len)
		return !wanted && !len;
	for (; len; list += n, len -= n) {
		n = 0;
		while (n < len && list[n] != ',')
			n++;
		if (n == wanted && !strncmp(list, controller, n))
			return true;
		n += n < len;
	}
	return false;
}

/* "4:memory:/machine/qemu-1-web1.libvirt-qemu", "0::/..."; NULL: it is in none */
static const char *line_of(const char *text, const struct hierarchy *h)
{
	const char *line, *list, *path;

	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		list = strchr(line, ':');
		path = list ? strchr(list + 1, ':') : NULL;
		if (!path)
			return NULL;
		if (lists(list + 1, (size_t)(path - list - 1), h->controller))
			return path[1] == '/' ? path + 1 : NULL;
	}
	return NULL;
}

/* "/machine.slice/machine-qemu\x2d1\x2dweb1.scope/libvirt/emulator" */
static int read_path(const struct kfs *kfs, const struct hierarchy *h, pid_t pid,
		     char path[CGROUP_PATH_SIZE], struct err *err)
{
	char file[KFS_PATH_SIZE], text[8192];
	const char *line;
	size_t len;
	int rc;

	if (h == &version_2 && !kfs_exists(kfs, ROOT "/cgroup.controllers"))
		return err_set(err, ENOTSUP, "this host has no cgroups of version 2");
	snprintf(file, sizeof(file), "proc/%d/cgroup", (int)pid);
	rc = kfs_read(kfs, file, text, sizeof(text), err);
	if (rc == -ENOENT || rc == -ESRCH)
		return err_set(err, ESRCH, "process %d is gone", (int)pid);
	if (rc < 0)
		return rc;
	line = line_of(text, h);
	if (!line)
		return err_set(err, ENOTSUP, "process %d has no cgroup of version %d", (int)pid,
			       h == &version_2 ? 2 : 1);
	len = strcspn(line, "\n");
	/* Of another cgroup namespace: "/../.." */
	if (len >= CGROUP_PATH_SIZE - 64 || !strncmp(line, "/..", 3))
		return err_set(err, ENOTSUP, "the cgroup of process %d can't be named from here",
			       (int)pid);
	memcpy(path, line, len);
	path[len] = '\0';
	/* The root is "/" */
	if (len == 1)
		path[0] = '\0';
	return 0;
}

static int read_file(const struct kfs *kfs, const struct hierarchy *h, const char *group,
		     const char *file, char *text, size_t size, struct err *err)
{
	char path[CGROUP_PATH_SIZE + 64];

	snprintf(path, sizeof(path), "%s%s/%s", h->root, group, file);
	return kfs_read(kfs, path, text, size, err);
}

static int read_value(const struct kfs *kfs, const struct hierarchy *h, const char *group,
		      const char *file, char value[VALUE_SIZE], struct err *err)
{
	return read_file(kfs, h, group, file, value, VALUE_SIZE, err);
}

static int write_value(const struct kfs *kfs, const char *group, const char *value, struct err *err)
{
	char path[CGROUP_PATH_SIZE + 64];

	snprintf(path, sizeof(path), ROOT "%s/memory.swap.max", group);
	return kfs_write(kfs, path, value, err);
}

/* As libvirt calls a guest's: machine-qemu\x2d1\x2dweb1.scope under systemd,
 * qemu-1-web1.libvirt-qemu without */
static bool is_guests_own(const char *name)
{
	const char *end = strrchr(name, '.');

	if (!end)
		return false;
	return (!strncmp(name, "machine-qemu", 12) && !strcmp(end, ".scope")) ||
	       (!strncmp(name, "qemu-", 5) && !strcmp(end, ".libvirt-qemu"));
}

/* Cut @path where the guest's own cgroup ends */
static bool cut_to_own(char *path)
{
	char *name = path, *next;

	for (; name; name = next) {
		char sign;
		bool own;

		name++;
		next = strchr(name, '/');
		sign = next ? *next : '\0';
		if (next)
			*next = '\0';
		own = is_guests_own(name);
		if (own)
			return true;
		if (next)
			*next = sign;
	}
	return false;
}

static int find_own(const struct kfs *kfs, pid_t pid, char path[CGROUP_PATH_SIZE],
		    char value[VALUE_SIZE], struct err *err)
{
	int rc = read_path(kfs, &version_2, pid, path, err);

	if (rc < 0)
		return rc;
	if (!path[0] || !cut_to_own(path))
		return err_set(
			err, ENOTSUP,
			"process %d has no cgroup of its own: the kernel may swap what the pager "
			"keeps resident",
			(int)pid);
	rc = read_value(kfs, &version_2, path, "memory.swap.max", value, err);
	if (rc == -ENOENT)
		return err_set(
			err, ENOTSUP,
			"cgroup %s has no memory.swap.max: the kernel may swap what the pager "
			"keeps resident",
			path);
	return rc;
}

static int write_note(int directory, const char *path, const char *value, struct err *err)
{
	char note[NOTE_MAX];
	int n = snprintf(note, sizeof(note), "%s\n%s", value, path);

	return file_replace_at(directory, PAGER_CGROUP_NOTE, note, (size_t)n, err);
}

/* Return: 0, or -ENOENT */
static int read_note(int directory, char path[CGROUP_PATH_SIZE], char value[VALUE_SIZE],
		     struct err *err)
{
	cleanup_free char *text = NULL;
	size_t first;
	int rc = file_read_at(directory, PAGER_CGROUP_NOTE, NOTE_MAX, &text, NULL, err);

	if (rc < 0)
		return rc;
	first = strcspn(text, "\n");
	if (!text[first] || first >= VALUE_SIZE || text[first + 1] != '/' ||
	    strlen(text + first + 1) >= CGROUP_PATH_SIZE)
		return err_set(err, EINVAL, "%s: not as it was written", PAGER_CGROUP_NOTE);
	snprintf(value, VALUE_SIZE, "%.*s", (int)first, text);
	snprintf(path, CGROUP_PATH_SIZE, "%s", text + first + 1);
	return 0;
}

int pager_cgroup_begin(const struct kfs *kfs, pid_t pid, int directory, struct err *err)
{
	char path[CGROUP_PATH_SIZE], noted[CGROUP_PATH_SIZE], value[VALUE_SIZE], was[VALUE_SIZE];
	int rc = find_own(kfs, pid, path, value, err);

	if (rc < 0)
		return rc;
	rc = read_note(directory, noted, was, NULL);
	if (rc < 0 || strcmp(noted, path) != 0)
		rc = write_note(directory, path, value, err);
	return rc < 0 ? rc : write_value(kfs, path, "0", err);
}

static int put_back(const struct kfs *kfs, int directory, struct err *err)
{
	char path[CGROUP_PATH_SIZE], was[VALUE_SIZE], now[VALUE_SIZE];
	int rc = read_note(directory, path, was, err);

	if (rc < 0)
		return rc;
	rc = read_value(kfs, &version_2, path, "memory.swap.max", now, err);
	/* Never over what an administrator has written since */
	if (rc < 0 || strcmp(now, "0") != 0)
		return rc;
	return write_value(kfs, path, was, err);
}

int pager_cgroup_end(const struct kfs *kfs, int directory, struct err *err)
{
	int rc = put_back(kfs, directory, err);

	/* The guest ended, and its cgroup with it */
	if (rc == -ENOENT || rc == -ENODEV)
		rc = 0;
	if (rc == 0 && unlinkat(directory, PAGER_CGROUP_NOTE, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove %s", PAGER_CGROUP_NOTE);
	return rc;
}

/* Of memory.stat, in bytes; a group without the controller has none.  Return: it has */
static bool read_stat(const struct kfs *kfs, const struct hierarchy *h, const char *group,
		      struct group_stat *stat)
{
	char text[8192], *line, *rest = NULL;
	uint64_t value;
	size_t n;

	*stat = (struct group_stat){ 0 };
	if (read_file(kfs, h, group, "memory.stat", text, sizeof(text), NULL) < 0)
		return false;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		n = strcspn(line, " ");
		if (!line[n] || text_to_u64(line + n + 1, &value) < 0)
			continue;
		line[n] = '\0';
		if (!strcmp(line, h->cache[0]) || !strcmp(line, h->cache[1]))
			stat->cache = u64_add_sat(stat->cache, value);
		else if (!strcmp(line, h->shared))
			stat->shared = value;
	}
	return true;
}

/* Return: 0, and less @bytes if this group allows less; a group without the controller has no
 * limit.  @besides: is not counted as used */
static int limit_by(const struct kfs *kfs, const struct hierarchy *h, const char *group,
		    uint64_t besides, uint64_t *bytes, struct err *err)
{
	char max[VALUE_SIZE], current[VALUE_SIZE];
	struct group_stat stat;
	uint64_t limit, used;
	int rc = read_value(kfs, h, group, h->max, max, err);

	if (rc == -ENOENT || (rc == 0 && !strcmp(max, "max")))
		return 0;
	if (rc == 0)
		rc = read_value(kfs, h, group, h->current, current, err);
	if (rc < 0)
		return rc;
	if (text_to_u64(max, &limit) < 0 || text_to_u64(current, &used) < 0)
		return err_set(err, EINVAL, "memory limits of cgroup %s: no numbers", group);
	read_stat(kfs, h, group, &stat);
	used = u64_sub_floor(used, u64_add_sat(stat.cache, besides));
	*bytes = u64_min(*bytes, u64_sub_floor(limit, used));
	return 0;
}

/* @shared: shared memory of the process' own group does not count as used */
static int least_room(const struct kfs *kfs, pid_t pid, bool shared, uint64_t *bytes,
		      struct err *err)
{
	/* A hybrid host may have the controller in either */
	bool old = kfs_exists(kfs, ROOT "/memory/memory.limit_in_bytes");
	const struct hierarchy *h = old ? &version_1 : &version_2;
	struct group_stat stat = { 0 };
	char path[CGROUP_PATH_SIZE], *end;
	uint64_t least = UINT64_MAX;
	bool found = false;
	int rc = read_path(kfs, h, pid, path, err);

	while (rc == 0 && path[0]) {
		if (shared && !found)
			found = read_stat(kfs, h, path, &stat);
		rc = limit_by(kfs, h, path, stat.shared, &least, err);
		end = strrchr(path, '/');
		if (!end)
			break;
		*end = '\0';
	}
	if (rc == 0)
		*bytes = least;
	return rc;
}

int pager_cgroup_room(const struct kfs *kfs, pid_t pid, uint64_t *bytes, struct err *err)
{
	return least_room(kfs, pid, false, bytes, err);
}

int pager_cgroup_most(const struct kfs *kfs, pid_t pid, uint64_t *bytes, struct err *err)
{
	return least_room(kfs, pid, true, bytes, err);
}

static bool has_swap(const struct kfs *kfs)
{
	static const char key[] = "\nSwapTotal:";
	char text[8192];
	const char *line;

	if (kfs_read(kfs, "proc/meminfo", text, sizeof(text), NULL) < 0)
		return true;
	line = strstr(text, key);
	return !line || strtoull(line + strlen(key), NULL, 10) != 0;
}

/* A process's group, or one above it, has this value in that file */
static bool any_group_has(const struct kfs *kfs, pid_t pid, bool (*has)(const char *value),
			  const char *file)
{
	char path[CGROUP_PATH_SIZE], value[VALUE_SIZE], *end;

	if (read_path(kfs, &version_2, pid, path, NULL) < 0)
		return false;
	for (; path[0]; *end = '\0') {
		if (read_value(kfs, &version_2, path, file, value, NULL) == 0 && has(value))
			return true;
		end = strrchr(path, '/');
		if (!end)
			break;
	}
	return false;
}

static bool is_zero(const char *value)
{
	return !strcmp(value, "0");
}

static bool is_limit(const char *value)
{
	return strcmp(value, "max") != 0;
}

/* What the pager reads ahead is charged to the pager's own group until QEMU's page table has it */
bool pager_cgroup_may_swap(const struct kfs *kfs, pid_t pid)
{
	char path[CGROUP_PATH_SIZE], value[VALUE_SIZE];

	return has_swap(kfs) &&
	       (find_own(kfs, pid, path, value, NULL) < 0 || strcmp(value, "0") != 0 ||
		!any_group_has(kfs, getpid(), is_zero, "memory.swap.max"));
}

/* What no host has.  Without a limit version 1 says 2^63, less a page */
#define NO_LIMIT (UINT64_C(1) << 62)

bool pager_cgroup_is_limited(const struct kfs *kfs, pid_t pid)
{
	uint64_t bytes;

	return (pager_cgroup_room(kfs, pid, &bytes, NULL) == 0 && bytes < NO_LIMIT) ||
	       any_group_has(kfs, pid, is_limit, "memory.high");
}

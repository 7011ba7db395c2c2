// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The RAM of a running guest: mappings of QEMU put together to files, and the files opened.
 */
#include "pager/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/kfs.h"

#define MEMFD "/memfd:memory-backend-memfd"

/* As much of a process' maps as we read: the kernel's own limit is 65530 mappings */
#define MAPS_MAX_BYTES (16U << 20)

/* A line of maps.  @end of the mapping; @path: within the line, "" for none */
struct mapping {
	uint64_t start, end, offset;
	bool shared;
	bool writable;
	dev_t dev;
	ino_t ino;
	const char *path;
};

/* "7f00-7f80 rw-s 00000000 00:01 1234    /memfd:x (deleted)" */
static bool parse_mapping(const char *line, struct mapping *m)
{
	unsigned int major, minor;
	char access[5];
	uint64_t ino;
	int path = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &m->start,
		   &m->end, access, &m->offset, &major, &minor, &ino, &path) < 7 ||
	    m->end <= m->start)
		return false;
	m->shared = access[3] == 's';
	m->writable = access[1] == 'w';
	m->dev = makedev(major, minor);
	m->ino = (ino_t)ino;
	m->path = path ? line + path : "";
	return true;
}

/* A memory back end's file?  Others map shared memory as well: sound servers, displays, kvm and
 * io_uring; /dev/zero and SysV segments have names, too */
static bool is_backend(const struct mapping *m)
{
	static const char *const others[] = { "/dev/zero", "/dev/shm/pulse-", "/dev/shm/sem.",
					      "/SYSV" };
	size_t i;

	if (!m->ino || m->path[0] != '/')
		return false;
	if (!strncmp(m->path, "/memfd:", 7))
		return !strncmp(m->path, MEMFD, strlen(MEMFD)) &&
		       strchr(" \n", m->path[strlen(MEMFD)]);
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strncmp(m->path, others[i], strlen(others[i])))
			return false;
	if (!strncmp(m->path, "/dev/", 5) && strncmp(m->path, "/dev/shm/", 9) != 0)
		return false;
	return m->shared && m->writable;
}

/* Which files a reading of maps is about */
enum which { ALL, KNOWN, OTHERS };

/**
 * struct reading - Of a process's maps
 * @known:	What KNOWN and OTHERS mean
 * @left:	Of OTHERS: what can't be paged is put here.  Of the rest it is an error
 * @refused:	Of each object: it is such a file
 */
struct reading {
	struct ram *ram;
	enum which which;
	const struct ram *known;
	struct ram_left *left;
	bool refused[RAM_OBJECTS_MAX];
};

static struct ram_object *find_file(struct ram *ram, dev_t dev, ino_t ino)
{
	size_t i;

	for (i = 0; i < ram->n; i++)
		if (ram->object[i].dev == dev && ram->object[i].ino == ino)
			return &ram->object[i];
	return NULL;
}

bool ram_has(const struct ram *ram, dev_t dev, ino_t ino)
{
	return find_file((struct ram *)(uintptr_t)ram, dev, ino) != NULL;
}

static uint64_t object_end(const struct ram_object *object)
{
	return object->address + object->pages * PAGE_BYTES;
}

/* The kernel splits a mapping where advice or policies differ; the parts are neighbours */
static int extend(struct ram_object *object, const struct mapping *m, struct err *err)
{
	if (m->start != object_end(object) || m->offset != object->pages * PAGE_BYTES)
		return err_set(err, ENOTSUP, "memory file %.300s is mapped more than once",
			       m->path);
	object->pages += (m->end - m->start) / PAGE_BYTES;
	return 0;
}

static int add_file(struct ram *ram, const struct mapping *m, struct err *err)
{
	if (m->offset)
		return err_set(err, ENOTSUP, "memory file %.300s is not mapped from its beginning",
			       m->path);
	if (ram->n == RAM_OBJECTS_MAX)
		return err_set(err, ENOTSUP, "more than %d memory files", RAM_OBJECTS_MAX);
	ram->object[ram->n++] = (struct ram_object){
		.fd = -1,
		.dev = m->dev,
		.ino = m->ino,
		.address = m->start,
		.pages = (m->end - m->start) / PAGE_BYTES,
	};
	return 0;
}

/* One more mapping of what is not paged.  @object: NULL: there is no place for its file */
static void leave(struct reading *reading, const struct ram_object *object, uint64_t pages,
		  const struct err *why)
{
	if (object)
		reading->refused[object - reading->ram->object] = true;
	if (!reading->left->pages)
		reading->left->why = *why;
	reading->left->pages += pages;
}

static int take_mapping(struct ram *ram, const struct mapping *m, struct err *err)
{
	struct ram_object *object = find_file(ram, m->dev, m->ino);

	if (!m->shared)
		return err_set(err, ENOTSUP,
			       "memory file %.300s is mapped privately: it takes <access "
			       "mode='shared'/> in <memoryBacking>",
			       m->path);
	return object ? extend(object, m, err) : add_file(ram, m, err);
}

/* All of a file is left out, also what was taken of it */
static void take_or_leave(struct reading *reading, const struct mapping *m)
{
	struct ram *ram = reading->ram;
	struct ram_object *object = find_file(ram, m->dev, m->ino);
	uint64_t pages = (m->end - m->start) / PAGE_BYTES;
	struct err why = { "" };

	if (object && reading->refused[object - ram->object]) {
		reading->left->pages += pages;
		return;
	}
	if (take_mapping(ram, m, &why) == 0)
		return;
	if (object)
		pages += object->pages;
	else if (ram->n < RAM_OBJECTS_MAX)
		ram->object[ram->n++] =
			(struct ram_object){ .fd = -1, .dev = m->dev, .ino = m->ino };
	leave(reading, find_file(ram, m->dev, m->ino), pages, &why);
}

static int take_line(struct reading *reading, char *line, struct err *err)
{
	struct mapping m;

	line[strcspn(line, "\n")] = '\0';
	if (!parse_mapping(line, &m) || !is_backend(&m))
		return 0;
	if (reading->which == ALL)
		return take_mapping(reading->ram, &m, err);
	if (ram_has(reading->known, m.dev, m.ino) != (reading->which == KNOWN))
		return 0;
	if (reading->which == KNOWN)
		return take_mapping(reading->ram, &m, err);
	take_or_leave(reading, &m);
	return 0;
}

/* The others keep their order */
static void drop_refused(struct reading *reading)
{
	struct ram *ram = reading->ram;
	size_t i, kept = 0;

	for (i = 0; i < ram->n; i++)
		if (!reading->refused[i])
			ram->object[kept++] = ram->object[i];
	ram->n = kept;
	memset(reading->refused, 0, sizeof(reading->refused));
}

static void number_pages(struct ram *ram)
{
	size_t i;

	ram->pages = 0;
	for (i = 0; i < ram->n; i++) {
		ram->object[i].first = ram->pages;
		ram->pages += ram->object[i].pages;
	}
}

/* All lines, or an error: a part would be another guest */
static int read_lines(struct reading *reading, FILE *f, pid_t pid, struct err *err)
{
	cleanup_free char *line = NULL;
	size_t room = 0, bytes = 0;
	ssize_t n;
	int rc = 0;

	while (rc == 0 && (n = getline(&line, &room, f)) > 0) {
		bytes += (size_t)n;
		rc = bytes > MAPS_MAX_BYTES ?
			     err_set(err, E2BIG, "/proc/%d/maps is too long", (int)pid) :
			     take_line(reading, line, err);
	}
	if (rc == 0 && ferror(f))
		return err_sys(err, EIO, "read /proc/%d/maps", (int)pid);
	return rc;
}

static int read_maps(struct reading *reading, const struct kfs *kfs, pid_t pid, struct err *err)
{
	cleanup_fclose FILE *f = NULL;
	char path[KFS_PATH_SIZE];
	int rc;

	*reading->ram = (struct ram){ 0 };
	snprintf(path, sizeof(path), "proc/%d/maps", (int)pid);
	f = kfs_stream(kfs, path);
	if (!f && (errno == ENOENT || errno == ESRCH))
		return err_set(err, ESRCH, "no process %d", (int)pid);
	if (!f)
		return err_sys(err, errno, "open /%s", path);
	rc = read_lines(reading, f, pid, err);
	if (rc < 0)
		return rc;
	drop_refused(reading);
	number_pages(reading->ram);
	return 0;
}

static int no_memory(pid_t pid, struct err *err)
{
	return err_set(err, ENOENT,
		       "process %d has no shared memory: it takes <source type='memfd'/> and "
		       "<access mode='shared'/> in <memoryBacking>",
		       (int)pid);
}

int ram_read(struct ram *ram, const struct kfs *kfs, pid_t pid, struct err *err)
{
	struct reading reading = { .ram = ram, .which = ALL };
	int rc = read_maps(&reading, kfs, pid, err);

	if (rc == 0 && !ram->n)
		rc = no_memory(pid, err);
	return rc;
}

static uint64_t pages_gone(const struct ram *known, const struct ram *now)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < known->n; i++)
		if (!known->object[i].stands_in &&
		    !ram_has(now, known->object[i].dev, known->object[i].ino))
			pages += known->object[i].pages;
	return pages;
}

int ram_changes(const struct ram *known, const struct kfs *kfs, pid_t pid, uint64_t *more,
		uint64_t *gone)
{
	struct ram_left left = { .pages = 0 };
	struct ram now = { .n = 0 };
	struct reading reading = { .ram = &now, .which = OTHERS, .known = known, .left = &left };
	int rc = read_maps(&reading, kfs, pid, NULL);

	if (rc < 0)
		return rc;
	*more = now.pages + left.pages;
	reading.which = KNOWN;
	rc = read_maps(&reading, kfs, pid, NULL);
	if (rc == 0)
		*gone = pages_gone(known, &now);
	return rc;
}

/* ---- files ---- */

static int check_kind(int fd, const char *path, struct err *err)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return err_sys(err, errno, "statfs of /%s", path);
	if (fs.f_type == TMPFS_MAGIC)
		return 0;
	if (fs.f_type == HUGETLBFS_MAGIC)
		return err_set(err, ENOTSUP, "the guest's memory is of huge pages");
	return err_set(
		err, ENOTSUP,
		"the guest's memory files lie on a disk, which pages them itself: only memfd "
		"and tmpfs are paged");
}

/* The file that maps meant, and mapped whole */
static int check_file(const struct ram_object *object, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(object->fd, &st) < 0)
		return err_sys(err, errno, "stat of /%s", path);
	if (st.st_dev != object->dev || st.st_ino != object->ino)
		return err_set(err, EAGAIN, "/%s is another file now", path);
	if ((uint64_t)st.st_size != object->pages * PAGE_BYTES)
		return err_set(err, ENOTSUP,
			       "a memory file of %lld bytes is mapped with %" PRIu64
			       ": only one that is mapped whole is paged",
			       (long long)st.st_size, object->pages * PAGE_BYTES);
	return check_kind(object->fd, path, err);
}

/* map_files has a link for each mapping, by addresses as maps has them: where the kernel has
 * split an object, its first part is found by what lies behind its address */
static int open_mapping(const struct kfs *kfs, pid_t pid, const struct ram_object *object,
			char path[KFS_PATH_SIZE], struct err *err)
{
	cleanup_fclose FILE *f = NULL;
	cleanup_free char *line = NULL;
	size_t room = 0;
	struct mapping m;
	int fd;

	snprintf(path, KFS_PATH_SIZE, "proc/%d/maps", (int)pid);
	f = kfs_stream(kfs, path);
	if (!f)
		return err_sys(err, errno, "open /%s", path);
	while (getline(&line, &room, f) > 0) {
		if (!parse_mapping(line, &m) || m.start != object->address)
			continue;
		snprintf(path, KFS_PATH_SIZE, "proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid,
			 m.start, m.end);
		fd = openat(kfs->rootfd, path, O_RDWR | O_CLOEXEC);
		return fd < 0 ? err_sys(err, errno, "open /%s", path) : fd;
	}
	return err_set(err, EAGAIN, "memory of process %d has moved", (int)pid);
}

static int open_object(const struct kfs *kfs, pid_t pid, struct ram_object *object, struct err *err)
{
	char path[KFS_PATH_SIZE];

	object->fd = open_mapping(kfs, pid, object, path, err);
	return object->fd < 0 ? object->fd : check_file(object, path, err);
}

static int open_all(struct ram *ram, const struct kfs *kfs, pid_t pid, struct err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < ram->n; i++)
		rc = open_object(kfs, pid, &ram->object[i], err);
	return rc;
}

/* Those that can be paged.  What was unplugged meanwhile is none of them */
static void open_others(struct reading *reading, const struct kfs *kfs, pid_t pid)
{
	struct ram *ram = reading->ram;
	size_t i;

	for (i = 0; i < ram->n; i++) {
		struct ram_object *object = &ram->object[i];
		struct err why = { "" };
		int rc = open_object(kfs, pid, object, &why);

		if (rc == 0)
			continue;
		if (object->fd >= 0)
			close(object->fd);
		/* It comes or goes just now: the next look will tell */
		leave(reading, object, rc == -EAGAIN ? 0 : object->pages, &why);
	}
	drop_refused(reading);
}

static void append(struct ram *ram, struct ram *more, struct ram_left *left)
{
	size_t i;

	for (i = 0; i < more->n; i++) {
		if (ram->n < RAM_OBJECTS_MAX) {
			ram->object[ram->n++] = more->object[i];
			continue;
		}
		close(more->object[i].fd);
		if (!left->pages)
			err_set(&left->why, ENOTSUP, "more than %d memory files", RAM_OBJECTS_MAX);
		left->pages += more->object[i].pages;
	}
	number_pages(ram);
}

static int open_known_and_others(struct ram *ram, const struct ram *known, const struct kfs *kfs,
				 pid_t pid, struct ram_left *left, struct err *err)
{
	struct ram more;
	struct reading reading = { .ram = ram, .which = KNOWN, .known = known, .left = left };
	int rc = read_maps(&reading, kfs, pid, err);

	if (rc == 0)
		rc = open_all(ram, kfs, pid, err);
	if (rc < 0)
		return rc;
	reading.ram = &more;
	reading.which = OTHERS;
	rc = read_maps(&reading, kfs, pid, err);
	if (rc < 0)
		return rc;
	open_others(&reading, kfs, pid);
	append(ram, &more, left);
	return 0;
}

int ram_open_again(struct ram *ram, const struct ram *known, pid_t pid, struct ram_left *left,
		   struct err *err)
{
	struct kfs kfs;
	int rc = kfs_open(&kfs, "/", err);

	*ram = (struct ram){ 0 };
	*left = (struct ram_left){ .pages = 0 };
	if (rc < 0)
		return rc;
	rc = open_known_and_others(ram, known, &kfs, pid, left, err);
	kfs_close(&kfs);
	if (rc < 0)
		ram_close(ram);
	return rc;
}

int ram_open(struct ram *ram, pid_t pid, struct err *err)
{
	struct kfs kfs;
	int rc;

	*ram = (struct ram){ 0 };
	if (sysconf(_SC_PAGESIZE) != PAGE_BYTES)
		return err_set(err, ENOTSUP, "this kernel's pages are not of 4 KiB");
	rc = kfs_open(&kfs, "/", err);
	if (rc < 0)
		return rc;
	rc = ram_read(ram, &kfs, pid, err);
	if (rc == 0)
		rc = open_all(ram, &kfs, pid, err);
	kfs_close(&kfs);
	if (rc < 0)
		ram_close(ram);
	return rc;
}

void ram_close(struct ram *ram)
{
	size_t i;

	for (i = 0; i < ram->n; i++)
		if (ram->object[i].fd >= 0)
			close(ram->object[i].fd);
	*ram = (struct ram){ 0 };
}

/* ---- pages ---- */

const struct ram_object *ram_object_of(const struct ram *ram, uint64_t page)
{
	const struct ram_object *object = ram->object;

	while (page - object->first >= object->pages)
		object++;
	return object;
}

uint64_t ram_address(const struct ram *ram, uint64_t page)
{
	const struct ram_object *object = ram_object_of(ram, page);

	return object->address + (page - object->first) * PAGE_BYTES;
}

bool ram_page_at(const struct ram *ram, uint64_t address, uint64_t *page)
{
	size_t i;

	for (i = 0; i < ram->n; i++) {
		const struct ram_object *object = &ram->object[i];

		if (address < object->address || address >= object_end(object))
			continue;
		*page = object->first + (address - object->address) / PAGE_BYTES;
		return true;
	}
	return false;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which processes and left files have huge pages.
 */
#include "report/hugepage_users.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "lifecycle/liveness.h"
#include "lifecycle/qemu_memory.h"
#include "memory/mount.h"
#include "memory/open_files.h"
#include "memory/path.h"
#include "terminal/table.h"
#include "terminal/wrap.h"

#define MOUNTS_MAX  16
#define DEPTH_MAX   8
#define MAPS_MAX    65536 /* lines; what a program can have at most by default */
#define ENTRIES_MAX 65536
#define BLOCK_BYTES 512

struct hugetlbfs {
	char target[MOUNT_PATH_SIZE];
	char devno[24];
	uint64_t page_kib;
};

/* @qemus: PIDs of the guests' @names */
struct looking {
	const struct kfs *kfs;
	const uint64_t *sizes;
	size_t n_sizes;
	uint64_t default_kib;
	uint64_t until;
	size_t entries;
	size_t n_mounts;
	struct hugetlbfs mounts[MOUNTS_MAX];
	size_t n_guests;
	char **names;
	pid_t *qemus;
	struct hugepage_users *users;
};

static bool is_late(struct looking *l)
{
	if (clock_ms() < l->until)
		return false;
	l->users->complete = false;
	return true;
}

/* ---- mounts ---- */

static int on_mount(void *arg, const struct mount_info *info, const char *options)
{
	struct looking *l = arg;
	const char *size = options ? strstr(options, "pagesize=") : NULL;
	struct hugetlbfs *mount = &l->mounts[l->n_mounts];
	char word[32];
	size_t i;

	if (strcmp(info->fstype, "hugetlbfs") != 0)
		return 0;
	/* One file system may be mounted twice, and one mount may hide another */
	for (i = 0; i < l->n_mounts; i++)
		if (!strcmp(l->mounts[i].devno, info->devno) ||
		    !strcmp(l->mounts[i].target, info->target))
			return 0;
	if (l->n_mounts == MOUNTS_MAX) {
		l->users->complete = false;
		return 0;
	}
	snprintf(mount->target, sizeof(mount->target), "%s", info->target);
	snprintf(mount->devno, sizeof(mount->devno), "%s", info->devno);
	mount->page_kib = l->default_kib;
	if (size) {
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(size + 9, ","), size + 9);
		if (text_to_kib(word, &mount->page_kib) < 0)
			mount->page_kib = l->default_kib;
	}
	l->n_mounts++;
	return 0;
}

/* ---- processes ---- */

/* In KiB, as /proc/PID/status says */
static uint64_t mapped_kib(const struct kfs *kfs, uint64_t pid)
{
	char path[KFS_PATH_SIZE], line[256];
	cleanup_fclose FILE *f = NULL;
	uint64_t kib = 0;

	snprintf(path, sizeof(path), "proc/%" PRIu64 "/status", pid);
	f = kfs_stream(kfs, path);
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "HugetlbPages: %" SCNu64, &kib) == 1)
			break;
	return kib;
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (path[len] == '/' || path[len] == '\0');
}

/* What is mapped and not touched counts in no page table */
static bool maps_some(struct looking *l, uint64_t pid)
{
	char path[KFS_PATH_SIZE], line[1024];
	cleanup_fclose FILE *f = NULL;
	size_t lines = 0, i;

	snprintf(path, sizeof(path), "proc/%" PRIu64 "/maps", pid);
	f = kfs_stream(l->kfs, path);
	while (f && lines++ < MAPS_MAX && fgets(line, sizeof(line), f)) {
		const char *name = strchr(line, '/');

		if (!name)
			continue;
		if (!strncmp(name, "/anon_hugepage", 14))
			return true;
		for (i = 0; i < l->n_mounts; i++)
			if (is_below(name, l->mounts[i].target))
				return true;
	}
	return false;
}

static struct hugepage_process *new_process(struct looking *l)
{
	struct hugepage_users *users = l->users;
	struct hugepage_process *more =
		reallocarray(users->processes, users->n_processes + 1, sizeof(*users->processes));

	if (!more)
		return NULL;
	users->processes = more;
	more += users->n_processes++;
	memset(more, 0, sizeof(*more));
	return more;
}

static void name_process(const struct looking *l, struct hugepage_process *process)
{
	char path[KFS_PATH_SIZE];
	size_t i;

	snprintf(path, sizeof(path), "proc/%d/comm", (int)process->pid);
	if (kfs_read(l->kfs, path, process->comm, sizeof(process->comm), NULL) < 0)
		snprintf(process->comm, sizeof(process->comm), "?");
	text_mend(process->comm);
	for (i = 0; i < l->n_guests; i++)
		if (l->qemus[i] == process->pid)
			snprintf(process->guest, sizeof(process->guest), "%s", l->names[i]);
}

static int add_size(struct looking *l, pid_t pid, uint64_t page_kib,
		    const struct qemu_memory *memory, uint64_t reserved)
{
	struct hugepage_process *process;
	size_t i;

	for (i = 0; i < memory->n; i++) {
		if (memory->list[i].page_kib != page_kib || !memory->list[i].pages)
			continue;
		process = new_process(l);
		if (!process)
			return -ENOMEM;
		process->pid = pid;
		process->page_kib = page_kib;
		process->has_node = true;
		process->node = memory->list[i].node;
		process->pages = memory->list[i].pages;
		process->reserved = reserved;
		reserved = 0;
		name_process(l, process);
	}
	if (!reserved)
		return 0;
	process = new_process(l);
	if (!process)
		return -ENOMEM;
	process->pid = pid;
	process->page_kib = page_kib;
	process->reserved = reserved;
	name_process(l, process);
	return 0;
}

static int look_at_process(struct looking *l, uint64_t pid)
{
	struct qemu_memory memory = { 0 }, reserved = { 0 };
	int rc = 0;
	size_t i;

	if (!mapped_kib(l->kfs, pid) && !maps_some(l, pid))
		return 0;
	/* Gone, or another user's: nothing is known */
	if (qemu_memory_mapped(l->kfs, (pid_t)pid, CLOCK_NEVER, &memory) < 0) {
		l->users->complete = false;
		return 0;
	}
	if (qemu_memory_reserved(l->kfs, (pid_t)pid, CLOCK_NEVER, &reserved) == -E2BIG)
		l->users->complete = false;
	for (i = 0; rc == 0 && i < l->n_sizes; i++)
		rc = add_size(l, (pid_t)pid, l->sizes[i], &memory,
			      qemu_memory_on(&reserved, l->sizes[i], 0));
	qemu_memory_free(&memory);
	qemu_memory_free(&reserved);
	return rc;
}

static int look_at_processes(struct looking *l, struct err *err)
{
	uint64_t *pids = NULL;
	int n = kfs_list_numbers(l->kfs, "proc", "", "", &pids, err), rc = 0, i;

	for (i = 0; rc == 0 && i < n && !is_late(l); i++)
		rc = look_at_process(l, pids[i]);
	free(pids);
	return n < 0 ? n : rc < 0 ? err_nomem(err) : 0;
}

/* ---- files ---- */

static bool is_in_use(struct looking *l, int dirfd, const char *name, const struct stat *st)
{
	struct open_files_user user;
	int rc;

	{
		cleanup_close int fd = openat(
			dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

		rc = fd < 0 ? -errno : open_files_lease(fd);
	}
	if (rc >= 0)
		return rc;
	/* Without that answer each open file on the host is looked at */
	return rc != -ENOENT && open_files_find(l->kfs, st->st_dev, st->st_ino, &user);
}

static int add_file(struct looking *l, const struct hugetlbfs *mount, const char *path,
		    const struct stat *st)
{
	struct hugepage_users *users = l->users;
	struct hugepage_file *more;

	if (users->n_files == USERS_FILES_MAX) {
		users->complete = false;
		return 0;
	}
	more = reallocarray(users->files, users->n_files + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	users->files = more;
	more += users->n_files++;
	snprintf(more->path, sizeof(more->path), "%s", path);
	text_mend(more->path);
	more->page_kib = mount->page_kib;
	more->size_kib = u64_div_up((uint64_t)st->st_size, 1024);
	more->pages = (uint64_t)st->st_blocks * BLOCK_BYTES / 1024 / mount->page_kib;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct hugepage_file *)a)->path,
		      ((const struct hugepage_file *)b)->path);
}

/* @dirfd is closed.  No link is followed, and no other file system entered */
static int walk(struct looking *l, const struct hugetlbfs *mount, int dirfd, const char *path,
		int depth)
{
	DIR *dir = fdopendir(dirfd);
	struct dirent *entry;
	struct stat st, self;
	int rc = 0;

	if (!dir || fstat(dirfd, &self) < 0) {
		if (dir)
			closedir(dir);
		else
			close(dirfd);
		l->users->complete = false;
		return 0;
	}
	while (rc == 0 && (errno = 0, entry = readdir(dir)) && !is_late(l)) {
		char below[USERS_PATH_SIZE];
		int fd;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (l->entries++ == ENTRIES_MAX || snprintf(below, sizeof(below), "%s/%s", path,
							    entry->d_name) >= USERS_PATH_SIZE) {
			l->users->complete = false;
			break;
		}
		if (fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    st.st_dev != self.st_dev)
			continue;
		if (S_ISREG(st.st_mode) && !is_in_use(l, dirfd, entry->d_name, &st))
			rc = add_file(l, mount, below, &st);
		if (!S_ISDIR(st.st_mode))
			continue;
		fd = depth ? openat(dirfd, entry->d_name,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) :
			     -1;
		if (fd >= 0)
			rc = walk(l, mount, fd, below, depth - 1);
		else
			l->users->complete = false;
	}
	if (rc == 0 && !entry && errno)
		l->users->complete = false;
	closedir(dir);
	return rc;
}

static int look_at_mounts(struct looking *l, struct err *err)
{
	int rc = 0, fd;
	size_t i;

	for (i = 0; rc == 0 && i < l->n_mounts && !is_late(l); i++) {
		fd = path_open(l->kfs->rootfd, l->mounts[i].target,
			       O_RDONLY | O_DIRECTORY | O_NONBLOCK, NULL);
		if (fd >= 0)
			rc = walk(l, &l->mounts[i], fd, l->mounts[i].target, DEPTH_MAX);
		else if (fd != -ENOENT)
			l->users->complete = false;
	}
	if (l->users->n_files)
		qsort(l->users->files, l->users->n_files, sizeof(*l->users->files), by_path);
	return rc < 0 ? err_nomem(err) : 0;
}

/* ---- all of it ---- */

static void find_guests(struct looking *l)
{
	size_t i;

	/* Without permission there are no guests' names */
	liveness_running(l->kfs, &l->names, &l->n_guests, NULL);
	l->qemus = calloc(l->n_guests + 1, sizeof(*l->qemus));
	for (i = 0; l->qemus && i < l->n_guests; i++)
		liveness_qemu(l->kfs, l->names[i], &l->qemus[i]);
}

int hugepage_users_read(const struct kfs *kfs, const uint64_t *page_kib, size_t n,
			uint64_t default_kib, struct hugepage_users *users, struct err *err)
{
	struct looking *l = calloc(1, sizeof(*l));
	size_t i;
	int rc;

	*users = (struct hugepage_users){ .complete = true };
	if (!l)
		return err_nomem(err);
	*l = (struct looking){ .kfs = kfs,
			       .sizes = page_kib,
			       .n_sizes = n,
			       .default_kib = default_kib ? default_kib : 1,
			       .until = clock_ms() + USERS_PATIENCE_MS,
			       .users = users };
	find_guests(l);
	rc = l->qemus ? mount_for_each(kfs, on_mount, l, err) : err_nomem(err);
	if (rc == 0)
		rc = look_at_processes(l, err);
	if (rc == 0)
		rc = look_at_mounts(l, err);
	for (i = 0; i < l->n_guests; i++)
		free(l->names[i]);
	free(l->names);
	free(l->qemus);
	free(l);
	return rc;
}

void hugepage_users_free(struct hugepage_users *users)
{
	free(users->processes);
	free(users->files);
	*users = (struct hugepage_users){ 0 };
}

/* ---- JSON ---- */

static json_t *process_to_json(const struct hugepage_process *process)
{
	return json_pack("{s:I, s:s, s:s?, s:I, s:o, s:I, s:I}", "pid", (json_int_t)process->pid,
			 "name", process->comm, "guest", *process->guest ? process->guest : NULL,
			 "page_kib", json_number(process->page_kib), "node",
			 process->has_node ? json_integer(process->node) : json_null(), "pages",
			 json_number(process->pages), "reserved", json_number(process->reserved));
}

static json_t *file_to_json(const struct hugepage_file *file)
{
	return json_pack("{s:s, s:I, s:I, s:I}", "path", file->path, "page_kib",
			 json_number(file->page_kib), "size_kib", json_number(file->size_kib),
			 "pages", json_number(file->pages));
}

json_t *hugepage_users_to_json(const struct hugepage_users *users)
{
	json_t *processes = json_array(), *files = json_array();
	size_t i;

	for (i = 0; i < users->n_processes; i++)
		json_add(&processes, process_to_json(&users->processes[i]));
	for (i = 0; i < users->n_files; i++)
		json_add(&files, file_to_json(&users->files[i]));
	return json_pack("{s:o, s:o, s:b}", "processes", processes, "files", files, "complete",
			 users->complete);
}

/* ---- text ---- */

enum { PID, PROGRAM, GUEST, PAGE, NODE, PAGES, PROCESS_COLUMNS };

static const struct table_column process_columns[] = {
	[PID] = { "PID", TABLE_RIGHT },	    [PROGRAM] = { "PROGRAM", TABLE_PLAIN },
	[GUEST] = { "GUEST", TABLE_PLAIN }, [PAGE] = { "PAGE", TABLE_RIGHT },
	[NODE] = { "NODE", TABLE_RIGHT },   [PAGES] = { "PAGES", TABLE_PLAIN },
};

static void pages_cell(struct table *table, struct libscols_line *row, size_t column,
		       uint64_t pages, uint64_t reserved, uint64_t page_kib)
{
	char kib[TEXT_KIB_SIZE], more[TEXT_KIB_SIZE];

	text_from_kib(u64_mul_sat(pages, page_kib), kib);
	if (reserved)
		table_cell(table, row, column, "%" PRIu64 " = %s, and %" PRIu64 " = %s reserved",
			   pages, kib, reserved,
			   text_from_kib(u64_mul_sat(reserved, page_kib), more));
	else
		table_cell(table, row, column, "%" PRIu64 " = %s", pages, kib);
}

static void add_process_row(struct table *table, const struct hugepage_process *process)
{
	struct libscols_line *row = table_row(table, NULL);
	char kib[TEXT_KIB_SIZE];

	table_cell(table, row, PID, "%d", (int)process->pid);
	table_cell(table, row, PROGRAM, "%s", process->comm);
	table_cell(table, row, GUEST, "%s", *process->guest ? process->guest : "-");
	table_cell(table, row, PAGE, "%s", text_from_kib(process->page_kib, kib));
	if (process->has_node)
		table_cell(table, row, NODE, "%u", process->node);
	else
		table_cell(table, row, NODE, "-");
	pages_cell(table, row, PAGES, process->pages, process->reserved, process->page_kib);
}

static int print_processes(const struct hugepage_users *users, struct err *err)
{
	struct table table;
	size_t i;

	if (!users->n_processes) {
		printf("No process maps huge pages.\n");
		return 0;
	}
	table_begin(&table, process_columns, PROCESS_COLUMNS);
	for (i = 0; i < users->n_processes; i++)
		add_process_row(&table, &users->processes[i]);
	return table_end(&table, err);
}

enum { FILE_PATH, FILE_SIZE, FILE_PAGE, FILE_PAGES, FILE_COLUMNS };

static const struct table_column file_columns[] = {
	[FILE_PATH] = { "FILE THAT NO PROCESS HAS OPEN", TABLE_PLAIN },
	[FILE_SIZE] = { "SIZE", TABLE_RIGHT },
	[FILE_PAGE] = { "PAGE", TABLE_RIGHT },
	[FILE_PAGES] = { "PAGES", TABLE_PLAIN },
};

static int print_files(const struct hugepage_users *users, struct err *err)
{
	struct table table;
	size_t i;

	if (!users->n_files) {
		printf("\nNo file holds huge pages that no process has open.\n");
		return 0;
	}
	putchar('\n');
	table_begin(&table, file_columns, FILE_COLUMNS);
	for (i = 0; i < users->n_files; i++) {
		const struct hugepage_file *file = &users->files[i];
		struct libscols_line *row = table_row(&table, NULL);
		char kib[TEXT_KIB_SIZE];

		table_cell(&table, row, FILE_PATH, "%s", file->path);
		table_cell(&table, row, FILE_SIZE, "%s", text_from_kib(file->size_kib, kib));
		table_cell(&table, row, FILE_PAGE, "%s", text_from_kib(file->page_kib, kib));
		pages_cell(&table, row, FILE_PAGES, file->pages, 0, file->page_kib);
	}
	return table_end(&table, err);
}

int hugepage_users_print(const struct hugepage_users *users, struct err *err)
{
	int rc = print_processes(users, err);

	if (rc == 0)
		rc = print_files(users, err);
	if (rc < 0 || users->complete)
		return rc;
	putchar('\n');
	wrap_printf("not every process and file was read (without root, or within %d seconds): "
		    "there may be more",
		    USERS_PATIENCE_MS / 1000);
	return 0;
}

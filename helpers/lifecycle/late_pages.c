// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: what a guest's memory looks like
 *
 * /proc/PID/maps names the file and its inode, /proc/PID/numa_maps says which mappings are
 * of huge pages.  A back end maps the files that QEMU hands it, so what a living QEMU has
 * mapped too is not late.  Pages in page tables say too little: the back end need not have
 * touched what the guest has.
 */
#include "lifecycle/late_pages.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "lifecycle/liveness.h"

/* Of all processes together, and for libvirt's QEMUs at most.  One whose mappings take longer
 * is cut off: what it shares with a back end then counts as late, and a debt waits */
#define TIME_MS	     250
#define QEMU_TIME_MS 100

/* A process could map a file a million times */
#define FILES_MAX 4096
#define LINES_MAX 65536

/* Longer lines end in a file name, which may be cut */
#define LINE_SIZE 1024

struct looking {
	const struct kfs *kfs;
	uint64_t deadline;
	size_t n_qemus;
	pid_t *qemus;
	struct late_files living; /* mapped by QEMUs of libvirt's */
	struct late_files late;
};

static FILE *open_file(const struct kfs *kfs, pid_t pid, const char *name)
{
	char path[KFS_PATH_SIZE];

	snprintf(path, sizeof(path), "proc/%d/%s", (int)pid, name);
	return kfs_stream(kfs, path);
}

/* One line, cut at the buffer's end */
static bool read_line(FILE *f, char line[LINE_SIZE])
{
	int c;

	if (!fgets(line, LINE_SIZE, f))
		return false;
	if (!strchr(line, '\n'))
		while ((c = getc(f)) != EOF && c != '\n')
			;
	return true;
}

static struct late_file *find_file(const struct late_files *files, const struct late_file *file)
{
	size_t i;

	for (i = 0; i < files->n; i++)
		if (files->list[i].inode == file->inode && files->list[i].major == file->major &&
		    files->list[i].minor == file->minor)
			return &files->list[i];
	return NULL;
}

static void add_file(struct late_files *files, const struct late_file *file)
{
	struct late_file *found = find_file(files, file), *more;

	if (found) {
		found->kib = u64_max(found->kib, file->kib);
		found->page_kib = u64_max(found->page_kib, file->page_kib);
		return;
	}
	more = files->n == FILES_MAX ? NULL :
				       reallocarray(files->list, files->n + 1, sizeof(*more));
	files->cut = files->cut || !more;
	if (!more)
		return;
	files->list = more;
	more[files->n++] = *file;
}

/* "7f00-7f80 rw-s 00000000 00:01 1234 /memfd:pc.ram (deleted)" */
static bool read_mapping(const char *line, struct late_file *file, uint64_t *start)
{
	uint64_t end;

	if (!strstr(line, " /memfd:") && !strstr(line, "/libvirt/qemu/"))
		return false;
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*x %x:%x %" SCNu64, start, &end,
		   &file->major, &file->minor, &file->inode) != 5 ||
	    end < *start)
		return false;
	file->kib = (end - *start) / 1024;
	return true;
}

/* Is the mapping at @start of huge pages, and of what size?  The kernel names the size only
 * if one of them is in the page table.  Both files rise by address, so @f goes on where it
 * was */
static bool is_huge(FILE *f, uint64_t start, uint64_t *page_kib)
{
	char line[LINE_SIZE];
	const char *size;
	uint64_t here;

	*page_kib = 0;
	while (f && read_line(f, line)) {
		if (sscanf(line, "%" SCNx64, &here) != 1 || here < start)
			continue;
		if (here != start || !strstr(line, " huge"))
			return false;
		size = strstr(line, "kernelpagesize_kB=");
		if (size)
			sscanf(size, "kernelpagesize_kB=%" SCNu64, page_kib);
		return true;
	}
	return false;
}

static void note_living(struct looking *l, pid_t pid, uint64_t until)
{
	cleanup_fclose FILE *f = open_file(l->kfs, pid, "maps");
	struct late_file file = { 0 };
	unsigned int lines = 0;
	uint64_t start;
	char line[LINE_SIZE];

	while (f && lines++ < LINES_MAX && clock_left_ms(until) && read_line(f, line))
		if (read_mapping(line, &file, &start))
			add_file(&l->living, &file);
}

static void look_at(struct looking *l, pid_t pid)
{
	cleanup_fclose FILE *maps = open_file(l->kfs, pid, "maps");
	cleanup_fclose FILE *sizes = NULL;
	struct late_file file = { 0 };
	unsigned int lines = 0;
	uint64_t start;
	char line[LINE_SIZE];

	while (maps && lines++ < LINES_MAX && clock_left_ms(l->deadline) && read_line(maps, line)) {
		if (!read_mapping(line, &file, &start) || find_file(&l->living, &file))
			continue;
		if (!sizes)
			sizes = open_file(l->kfs, pid, "numa_maps");
		if (is_huge(sizes, start, &file.page_kib))
			add_file(&l->late, &file);
	}
	if (lines > LINES_MAX)
		l->late.cut = true;
}

static void find_qemus(struct looking *l)
{
	char **names = NULL;
	size_t n = 0, i;

	liveness_running(l->kfs, &names, &n, NULL);
	l->qemus = calloc(n + 1, sizeof(*l->qemus));
	for (i = 0; i < n; i++) {
		pid_t pid = 0;

		if (l->qemus && liveness_qemu(l->kfs, names[i], &pid) && pid)
			l->qemus[l->n_qemus++] = pid;
		free(names[i]);
	}
	free(names);
}

static bool is_qemu(const struct looking *l, uint64_t pid)
{
	size_t i;

	for (i = 0; i < l->n_qemus; i++)
		if ((uint64_t)l->qemus[i] == pid)
			return true;
	return false;
}

void late_pages_find(const struct kfs *kfs, struct late_files *files)
{
	struct looking l = { .kfs = kfs, .deadline = clock_ms() + TIME_MS };
	cleanup_free uint64_t *pids = NULL;
	int n = kfs_list_numbers(kfs, "proc", "", "", &pids, NULL), i;
	uint64_t until = clock_ms() + QEMU_TIME_MS;
	size_t j;

	find_qemus(&l);
	for (j = 0; j < l.n_qemus; j++)
		note_living(&l, l.qemus[j], until);
	for (i = 0; i < n && clock_left_ms(l.deadline); i++)
		if (pids[i] <= INT32_MAX && !is_qemu(&l, pids[i]))
			look_at(&l, (pid_t)pids[i]);
	if (n < 0 || !clock_left_ms(l.deadline))
		l.late.cut = true;
	free(l.qemus);
	late_pages_free(&l.living);
	*files = l.late;
	files->taken = true;
}

uint64_t late_pages_of(const struct late_files *files, uint64_t page_kib)
{
	uint64_t pages = files->cut ? UINT64_MAX : 0;
	size_t i;

	for (i = 0; i < files->n; i++)
		if (!files->list[i].page_kib || files->list[i].page_kib == page_kib)
			pages = u64_add_sat(pages, files->list[i].kib / page_kib);
	return pages;
}

void late_pages_free(struct late_files *files)
{
	free(files->list);
	*files = (struct late_files){ 0 };
}

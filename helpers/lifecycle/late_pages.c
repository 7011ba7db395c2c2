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
#include "lifecycle/ledger.h"
#include "lifecycle/liveness.h"
#include "steps/steps.h"

/* Of all processes together, and for libvirt's QEMUs at most.  One whose mappings take longer
 * is cut off: what it shares with a back end then counts as late, and a debt waits.  So it
 * does where there are more processes than can be looked at */
#define TIME_MS	     1000
#define QEMU_TIME_MS 250

/* A process could map a file a million times */
#define FILES_MAX 4096
#define LINES_MAX 65536

/* Longer lines end in a file name, which may be cut */
#define LINE_SIZE 1024

struct looking {
	const struct kfs *kfs;
	const struct ledgers *ledgers;
	uint64_t deadline;
	size_t n_qemus;
	pid_t *qemus;
	bool *counted;		  /* their pages are in the host view */
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

/* Its huge pages are counted where it costs nothing to read.  A kernel that does not say so
 * may have any */
static bool maps_huge(const struct kfs *kfs, pid_t pid)
{
	cleanup_fclose FILE *f = open_file(kfs, pid, "status");
	uint64_t kib = 1;
	char line[LINE_SIZE];

	while (f && read_line(f, line))
		if (sscanf(line, "HugetlbPages: %" SCNu64, &kib) == 1)
			break;
	return kib;
}

static bool is_same(const struct late_file *a, const struct late_file *b)
{
	return a->inode == b->inode && a->major == b->major && a->minor == b->minor;
}

static struct late_file *find_file(const struct late_files *files, const struct late_file *file)
{
	size_t i;

	for (i = 0; i < files->n; i++)
		if (is_same(&files->list[i], file))
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

/* Of a file of any kind.  "7f00-7f80 rw-s 00000000 00:01 1234 /memfd:pc.ram (deleted)" */
static bool read_file(const char *line, struct late_file *file, uint64_t *start)
{
	uint64_t end;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*x %x:%x %" SCNu64, start, &end,
		   &file->major, &file->minor, &file->inode) != 5 ||
	    end < *start)
		return false;
	file->kib = (end - *start) / 1024;
	return true;
}

static bool is_guests(const char *line)
{
	return strstr(line, " /memfd:") || strstr(line, "/libvirt/qemu/");
}

static bool read_mapping(const char *line, struct late_file *file, uint64_t *start)
{
	return is_guests(line) && read_file(line, file, start);
}

/* numa_maps, as far as it was read: both files rise by address */
struct sizes {
	FILE *f;
	uint64_t start; /* of @line; 0: none was read */
	char line[LINE_SIZE];
};

/* Is the mapping at @start of huge pages?  Its line, or NULL */
static const char *find_huge(struct sizes *sizes, uint64_t start)
{
	while (sizes->f && sizes->start < start && read_line(sizes->f, sizes->line))
		if (sscanf(sizes->line, "%" SCNx64, &sizes->start) != 1)
			sizes->start = 0;
	return sizes->start == start && strstr(sizes->line, " huge") ? sizes->line : NULL;
}

/* The kernel names the size only if a page is in the page table */
static uint64_t size_of(const char *line)
{
	const char *size = strstr(line, "kernelpagesize_kB=");
	uint64_t page_kib = 0;

	if (size)
		sscanf(size, "kernelpagesize_kB=%" SCNu64, &page_kib);
	return page_kib;
}

static struct late_mapping *mapping_of(struct late_files *files, const struct late_file *file,
				       unsigned int node)
{
	struct late_mapping *more;
	size_t i;

	for (i = 0; i < files->n_mapped; i++)
		if (is_same(&files->mapped[i].file, file) && files->mapped[i].node == node)
			return &files->mapped[i];
	more = files->n_mapped == FILES_MAX ?
		       NULL :
		       reallocarray(files->mapped, files->n_mapped + 1, sizeof(*more));
	if (!more)
		return NULL;
	files->mapped = more;
	more += files->n_mapped++;
	*more = (struct late_mapping){ .file = *file, .node = node };
	return more;
}

/* A file may be mapped in pieces, and by several that share its pages */
static void add_mapped(struct late_files *files, pid_t pid, const struct late_file *file,
		       unsigned int node, uint64_t pages)
{
	struct late_mapping *mapping = mapping_of(files, file, node);

	if (!mapping) {
		files->mapped_cut = true;
		return;
	}
	if (mapping->pid != pid)
		mapping->here = 0;
	mapping->pid = pid;
	mapping->here = u64_add_sat(mapping->here, pages);
	mapping->pages = u64_max(mapping->pages, mapping->here);
}

/* "7f00 default file=/x huge dirty=2 N0=2 N1=3 kernelpagesize_kB=2048" */
static void note_mapped(struct late_files *files, pid_t pid, const struct late_file *file,
			const char *line)
{
	const char *at = line;
	unsigned int node;
	uint64_t pages;

	while ((at = strstr(at, " N"))) {
		at += 2;
		if (sscanf(at, "%u=%" SCNu64, &node, &pages) == 2)
			add_mapped(files, pid, file, node, pages);
	}
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

static void look_at_mapping(struct looking *l, pid_t pid, const char *mapping, bool has_huge,
			    struct sizes *sizes)
{
	struct late_file file = { 0 };
	bool is_late = is_guests(mapping);
	const char *huge;
	uint64_t start;

	if ((!has_huge && !is_late) || !read_file(mapping, &file, &start))
		return;
	is_late = is_late && !find_file(&l->living, &file);
	if (!has_huge && !is_late)
		return;
	if (!sizes->f)
		sizes->f = open_file(l->kfs, pid, "numa_maps");
	huge = find_huge(sizes, start);
	if (!huge)
		return;
	file.page_kib = size_of(huge);
	note_mapped(&l->late, pid, &file, huge);
	if (is_late)
		add_file(&l->late, &file);
}

static void look_at(struct looking *l, pid_t pid)
{
	cleanup_fclose FILE *maps = open_file(l->kfs, pid, "maps");
	bool has_huge = maps && maps_huge(l->kfs, pid);
	struct sizes sizes = { 0 };
	unsigned int lines = 0;
	char line[LINE_SIZE];

	while (maps && lines++ < LINES_MAX && clock_left_ms(l->deadline) && read_line(maps, line))
		look_at_mapping(l, pid, line, has_huge, &sizes);
	if (lines > LINES_MAX)
		l->late.cut = l->late.mapped_cut = true;
	if (sizes.f)
		fclose(sizes.f);
}

/* A guest that holds pages of ours: the host view has what its QEMU maps, if it lives; if it
 * does not, that must stay unseen, and so late */
static bool is_counted(const struct ledgers *ledgers, const char *guest)
{
	size_t i;

	for (i = 0; i < ledgers->n; i++) {
		const struct ledger *ledger = ledgers->list[i];

		if (step_list_has_size(&ledger->list, 0) && !strcmp(ledger->name, guest))
			return true;
	}
	return false;
}

static void find_qemus(struct looking *l)
{
	char **names = NULL;
	size_t n = 0, i;

	liveness_running(l->kfs, &names, &n, NULL);
	l->qemus = calloc(n + 1, sizeof(*l->qemus));
	l->counted = calloc(n + 1, sizeof(*l->counted));
	for (i = 0; i < n; i++) {
		pid_t pid = 0;

		if (l->qemus && l->counted && liveness_qemu(l->kfs, names[i], &pid) && pid) {
			l->counted[l->n_qemus] = is_counted(l->ledgers, names[i]);
			l->qemus[l->n_qemus++] = pid;
		}
		free(names[i]);
	}
	free(names);
}

static bool is_left_out(const struct looking *l, uint64_t pid)
{
	size_t i;

	for (i = 0; i < l->n_qemus; i++)
		if ((uint64_t)l->qemus[i] == pid)
			return l->counted[i];
	return false;
}

void late_pages_find(const struct kfs *kfs, const struct ledgers *ledgers, struct late_files *files)
{
	struct looking l = { .kfs = kfs, .ledgers = ledgers, .deadline = clock_ms() + TIME_MS };
	cleanup_free uint64_t *pids = NULL;
	int n = kfs_list_numbers(kfs, "proc", "", "", &pids, NULL), i;
	uint64_t until = clock_ms() + QEMU_TIME_MS;
	size_t j;

	find_qemus(&l);
	for (j = 0; j < l.n_qemus; j++)
		note_living(&l, l.qemus[j], until);
	for (i = 0; i < n && clock_left_ms(l.deadline); i++)
		if (pids[i] <= INT32_MAX && !is_left_out(&l, pids[i]))
			look_at(&l, (pid_t)pids[i]);
	if (n < 0 || !clock_left_ms(l.deadline))
		l.late.cut = l.late.mapped_cut = true;
	free(l.qemus);
	free(l.counted);
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

uint64_t late_pages_mapped(const struct late_files *files, uint64_t page_kib, unsigned int node,
			   bool late)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < files->n_mapped; i++) {
		const struct late_mapping *mapping = &files->mapped[i];

		if (mapping->file.page_kib == page_kib && mapping->node == node &&
		    (!late || find_file(files, &mapping->file)))
			pages = u64_add_sat(pages, mapping->pages);
	}
	return pages;
}

void late_pages_free(struct late_files *files)
{
	free(files->mapped);
	free(files->list);
	*files = (struct late_files){ 0 };
}

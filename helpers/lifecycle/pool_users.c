// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: shared pages
 *
 * /proc/PID/numa_maps has the nodes, and /proc/PID/maps what a use is of: device and
 * inode, which anonymous ones have too.  A hundred processes of one database map the same
 * pages, so of each inode only the process counts that has the most of it mapped: too few
 * pages rather than too many, since what is missing here may be a dead guest's.
 */
#include "lifecycle/pool_users.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "lifecycle/ledger.h"
#include "lifecycle/liveness.h"
#include "memory/numa.h"
#include "steps/steps.h"

/* Of all processes together */
#define TIME_MS 250

/* Mappings that are looked at, of one process and of all: a process could have millions */
#define USES_MAX 4096

/* Longer lines end in a file name, which may be cut */
#define LINE_SIZE 1024

struct looking {
	const struct kfs *kfs;
	size_t n_ours; /* QEMUs whose pages are counted elsewhere */
	pid_t *ours;
	size_t n_qemus; /* other QEMUs of libvirt's */
	pid_t *qemus;
	struct pool_users all;
};

static bool has(const pid_t *pids, size_t n, pid_t pid)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static void add_pid(pid_t **pids, size_t *n, pid_t pid)
{
	pid_t *more = pid ? reallocarray(*pids, *n + 1, sizeof(*more)) : NULL;

	if (!more)
		return;
	*pids = more;
	more[(*n)++] = pid;
}

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

/* Cheap, and 0 for nearly all: the kernel counts it */
static bool maps_hugetlb(const struct kfs *kfs, pid_t pid)
{
	cleanup_fclose FILE *f = open_file(kfs, pid, "status");
	unsigned long long kib = 0;
	char line[LINE_SIZE];

	while (f && read_line(f, line))
		if (sscanf(line, "HugetlbPages: %llu kB", &kib) == 1)
			break;
	return kib;
}

static void add_use(struct pool_users *users, const struct pool_use *use)
{
	struct pool_use *more;

	if (users->n == USES_MAX)
		return;
	more = reallocarray(users->list, users->n + 1, sizeof(*more));
	if (!more)
		return;
	users->list = more;
	more[users->n++] = *use;
}

static bool is_like_a_guest(const char *line)
{
	return strstr(line, " file=/memfd:") ||
	       (strstr(line, " file=") && strstr(line, "/libvirt/qemu/"));
}

/* "7f.. default file=/anon_hugepage\040(deleted) huge dirty=4 N0=4 kernelpagesize_kB=2048" */
static void take_line(char *line, bool trusted, struct pool_users *users)
{
	const char *size = strstr(line, "kernelpagesize_kB=");
	struct pool_use use = { 0 };
	char *word, *save = NULL;

	if (!size || !strstr(line, " huge") || (!trusted && is_like_a_guest(line)) ||
	    sscanf(size, "kernelpagesize_kB=%" SCNu64, &use.page_kib) != 1 ||
	    sscanf(line, "%" SCNx64, &use.start) != 1)
		return;
	for (word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
		if (sscanf(word, "N%u=%" SCNu64, &use.node, &use.pages) == 2 &&
		    use.node < NUMA_NODES_MAX)
			add_use(users, &use);
}

/* "7f0-7f1 rw-s 00000000 00:0f 1234 /anon_hugepage (deleted)"; both files rise by address */
static void find_inodes(const struct kfs *kfs, pid_t pid, struct pool_users *users)
{
	cleanup_fclose FILE *f = open_file(kfs, pid, "maps");
	struct pool_use found = { 0 };
	char line[LINE_SIZE];
	size_t i = 0;

	while (f && i < users->n && read_line(f, line)) {
		if (sscanf(line, "%" SCNx64 "-%*x %*s %" SCNx64 " %x:%x %" SCNu64, &found.start,
			   &found.offset, &found.major, &found.minor, &found.inode) != 5)
			continue;
		while (i < users->n && users->list[i].start < found.start)
			i++;
		for (; i < users->n && users->list[i].start == found.start; i++) {
			users->list[i].major = found.major;
			users->list[i].minor = found.minor;
			users->list[i].inode = found.inode;
			users->list[i].offset = found.offset;
		}
	}
}

static bool same_pages(const struct pool_use *a, const struct pool_use *b)
{
	return a->inode == b->inode && a->major == b->major && a->minor == b->minor &&
	       a->offset == b->offset && a->page_kib == b->page_kib && a->node == b->node;
}

/* Parts of a file that several processes have mapped count once */
static void join(struct pool_users *users)
{
	size_t i, j, n = 0;

	for (i = 0; i < users->n; i++) {
		for (j = 0; j < n && !same_pages(&users->list[j], &users->list[i]); j++)
			;
		if (j < n)
			users->list[j].pages = u64_max(users->list[j].pages, users->list[i].pages);
		else
			users->list[n++] = users->list[i];
	}
	users->n = n;
}

static void look_at(struct looking *l, pid_t pid)
{
	cleanup_fclose FILE *f = NULL;
	struct pool_users mine = { 0 };
	char line[LINE_SIZE];
	size_t i;

	if (has(l->ours, l->n_ours, pid) || !maps_hugetlb(l->kfs, pid))
		return;
	f = open_file(l->kfs, pid, "numa_maps");
	while (f && mine.n < USES_MAX && read_line(f, line))
		take_line(line, has(l->qemus, l->n_qemus, pid), &mine);
	if (mine.n)
		find_inodes(l->kfs, pid, &mine);
	for (i = 0; i < mine.n; i++)
		if (mine.list[i].inode)
			add_use(&l->all, &mine.list[i]);
	free(mine.list);
	join(&l->all);
}

static void find_qemus(struct looking *l, const struct ledgers *ledgers)
{
	char **names = NULL;
	size_t n = 0, i;
	pid_t pid;

	for (i = 0; i < ledgers->n; i++) {
		pid = 0;
		if (ledgers->list[i]->alive &&
		    step_list_has(&ledgers->list[i]->list, STEP_HUGEPAGES) &&
		    liveness_qemu(l->kfs, ledgers->list[i]->name, &pid))
			add_pid(&l->ours, &l->n_ours, pid);
	}
	liveness_running(l->kfs, &names, &n, NULL);
	for (i = 0; i < n; i++) {
		pid = 0;
		if (liveness_qemu(l->kfs, names[i], &pid))
			add_pid(&l->qemus, &l->n_qemus, pid);
		free(names[i]);
	}
	free(names);
}

void pool_users_read(const struct kfs *kfs, const struct ledgers *ledgers, struct pool_users *users)
{
	uint64_t deadline = clock_ms() + TIME_MS;
	struct looking l = { .kfs = kfs };
	cleanup_free uint64_t *pids = NULL;
	int n = kfs_list_numbers(kfs, "proc", "", "", &pids, NULL), i;

	find_qemus(&l, ledgers);
	for (i = 0; i < n && clock_left_ms(deadline); i++)
		if (pids[i] <= INT32_MAX)
			look_at(&l, (pid_t)pids[i]);
	free(l.ours);
	free(l.qemus);
	*users = l.all;
}

uint64_t pool_users_on(const struct pool_users *users, uint64_t page_kib, unsigned int node)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < users->n; i++)
		if (users->list[i].page_kib == page_kib && users->list[i].node == node)
			pages = u64_add_sat(pages, users->list[i].pages);
	return pages;
}

void pool_users_free(struct pool_users *users)
{
	free(users->list);
	*users = (struct pool_users){ 0 };
}

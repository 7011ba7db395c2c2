// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A copy of a captured host whose pools, KSM and THP behave as the kernel's do.
 *
 * DOC: what is played
 *
 * A write to nr_hugepages follows set_max_huge_pages() of mm/hugetlb.c: the number
 * is turned into one for the whole host first, which is where kernels before 6.7
 * add the surplus of the other nodes.  Growing promotes surplus pages, then takes
 * free memory, and stops without an error where there is no more.  Shrinking frees
 * idle pages down to what is used and reserved, and turns pages in use into
 * surplus for the rest.
 *
 * With fake_add_settings() there are also KSM and THP.  A file that lists its choices
 * takes one of them.  KSM's advisor chooses pages_to_scan, merge_across_nodes is fixed
 * while something is merged, and run = 2 takes everything apart.
 */
#include "unit/fake_kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/unit.h"

/* nftw() has no argument for its callback */
static struct {
	size_t strip;
	const char *to;
	bool ballast;
} fake_copying;

static void fake_die(const char *what, const char *path)
{
	fprintf(stderr, "fake kernel: %s '%s': %s\n", what, path, strerror(errno));
	_exit(2);
}

/* ---- files ---- */

void fake_put(const struct fake_kernel *fk, const char *name, const char *text)
{
	unit_write(fk->root, name, text);
}

void fake_put_u64(const struct fake_kernel *fk, const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", value);
	fake_put(fk, name, text);
}

void fake_remove(const struct fake_kernel *fk, const char *name)
{
	if (unlinkat(fk->kfs.rootfd, name, 0) < 0)
		fake_die("cannot remove", name);
}

bool fake_exists(const struct fake_kernel *fk, const char *name)
{
	return kfs_exists(&fk->kfs, name);
}

void fake_get(const struct fake_kernel *fk, const char *name, char *buf, size_t size)
{
	if (kfs_read(&fk->kfs, name, buf, size, NULL) < 0)
		buf[0] = '\0';
}

/* Two thirds of a capture are settings that nothing here asks for, and there are
 * tests that need a hundred copies */
static bool fake_is_ballast(const char *path)
{
	static const char *const trees[] = { "/mm/ksm/", "/mm/transparent_hugepage/",
					     "/proc/sys/vm/" };
	size_t i;

	if (strstr(path, "/compact_memory") || strstr(path, "/drop_caches"))
		return false;
	for (i = 0; i < sizeof(trees) / sizeof(trees[0]); i++)
		if (strstr(path, trees[i]))
			return true;
	return false;
}

static int fake_copy_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	char *buf;
	size_t len;
	FILE *f;

	(void)ftw;
	if (kind != FTW_F || (!fake_copying.ballast && fake_is_ballast(path)))
		return 0;
	buf = malloc((size_t)st->st_size + 1);
	f = fopen(path, "r");
	if (!buf || !f)
		fake_die("cannot read", path);
	len = fread(buf, 1, (size_t)st->st_size, f);
	buf[len] = '\0';
	fclose(f);
	unit_write(fake_copying.to, path + fake_copying.strip, buf);
	free(buf);
	return 0;
}

void fake_open_in(struct fake_kernel *fk, const char *host, const char *dir)
{
	static unsigned int n;
	char from[PATH_MAX];
	struct err err;

	memset(fk, 0, sizeof(*fk));
	snprintf(fk->root, sizeof(fk->root), "%s/host-%u", dir, n++);
	if (mkdir(fk->root, 0755) < 0)
		fake_die("cannot make", fk->root);
	snprintf(from, sizeof(from), "%s/hosts/%s", TESTS_DIR, host);
	fake_copying.strip = strlen(from) + 1;
	fake_copying.to = fk->root;
	if (nftw(from, fake_copy_entry, 16, FTW_PHYS) != 0)
		fake_die("cannot copy", from);
	if (kfs_open(&fk->kfs, fk->root, &err) < 0)
		fake_die(err.text, fk->root);
	fk->kfs.write = fake_write;
	fk->kfs.data = fk;
	/* libvirt refuses guests whose pages have none, and so do we while it runs */
	fake_put(fk, "proc/mounts",
		 "hugetlbfs /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n"
		 "hugetlbfs /dev/hugepages1G hugetlbfs rw,pagesize=1024M 0 0\n");
}

void fake_open(struct fake_kernel *fk, const char *host)
{
	static const char *dir;

	if (!dir)
		dir = unit_tmpdir();
	fake_open_in(fk, host, dir);
}

void fake_add_settings(struct fake_kernel *fk, const char *host)
{
	static const char *const trees[] = { "ksm", "transparent_hugepage" };
	char from[PATH_MAX];
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(from, sizeof(from), "%s/hosts/%s/sys/kernel/mm/%s", TESTS_DIR, host,
			 trees[i]);
		fake_copying.strip = strlen(TESTS_DIR) + strlen("/hosts//") + strlen(host);
		fake_copying.to = fk->root;
		fake_copying.ballast = true;
		if (nftw(from, fake_copy_entry, 16, FTW_PHYS) != 0)
			fake_die("cannot copy", from);
		fake_copying.ballast = false;
	}
}

void fake_close(struct fake_kernel *fk)
{
	kfs_close(&fk->kfs);
}

/* ---- pools ---- */

static void fake_pool_path(char path[KFS_PATH_SIZE], int node, uint64_t page_kib, const char *file)
{
	if (node < 0)
		snprintf(path, KFS_PATH_SIZE,
			 "sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/%s_hugepages", page_kib,
			 file);
	else
		snprintf(path, KFS_PATH_SIZE,
			 "sys/devices/system/node/node%d/hugepages/hugepages-%" PRIu64
			 "kB/%s_hugepages",
			 node, page_kib, file);
}

static uint64_t fake_counter(const struct fake_kernel *fk, int node, uint64_t page_kib,
			     const char *file)
{
	char path[KFS_PATH_SIZE];
	uint64_t value = 0;

	fake_pool_path(path, node, page_kib, file);
	if (kfs_read_u64(&fk->kfs, path, &value, NULL) < 0)
		fake_die("no counter", path);
	return value;
}

static void fake_set_counter(const struct fake_kernel *fk, int node, uint64_t page_kib,
			     const char *file, uint64_t value)
{
	char path[KFS_PATH_SIZE];

	fake_pool_path(path, node, page_kib, file);
	fake_put_u64(fk, path, value);
}

static bool fake_has_node(const struct fake_kernel *fk, int node)
{
	char path[KFS_PATH_SIZE];

	snprintf(path, sizeof(path), "sys/devices/system/node/node%d/meminfo", node);
	return kfs_exists(&fk->kfs, path);
}

struct fake_pool fake_pool(const struct fake_kernel *fk, int node, uint64_t page_kib)
{
	return (struct fake_pool){
		.nr = fake_counter(fk, node, page_kib, "nr"),
		.free = fake_counter(fk, node, page_kib, "free"),
		.surplus = fake_counter(fk, node, page_kib, "surplus"),
	};
}

/* The host's counters are the sums of the nodes' */
static void fake_sum_up(const struct fake_kernel *fk, uint64_t page_kib)
{
	static const char *const files[] = { "nr", "free", "surplus" };
	uint64_t sums[3] = { 0 };
	size_t i;
	int node;

	for (node = 0; node < FAKE_NODES_MAX; node++) {
		if (!fake_has_node(fk, node))
			continue;
		for (i = 0; i < 3; i++)
			sums[i] += fake_counter(fk, node, page_kib, files[i]);
	}
	for (i = 0; i < 3; i++)
		fake_set_counter(fk, -1, page_kib, files[i], sums[i]);
}

void fake_set_pool(const struct fake_kernel *fk, int node, uint64_t page_kib, struct fake_pool pool)
{
	fake_set_counter(fk, node, page_kib, "nr", pool.nr);
	fake_set_counter(fk, node, page_kib, "free", pool.free);
	fake_set_counter(fk, node, page_kib, "surplus", pool.surplus);
	fake_sum_up(fk, page_kib);
}

void fake_set_reserved(const struct fake_kernel *fk, uint64_t page_kib, uint64_t pages)
{
	fake_set_counter(fk, -1, page_kib, "resv", pages);
}

bool fake_pool_is(const struct fake_kernel *fk, int node, uint64_t page_kib, uint64_t nr,
		  uint64_t free_pages, uint64_t surplus)
{
	struct fake_pool pool = fake_pool(fk, node, page_kib);

	return unit_check(pool.nr == nr && pool.free == free_pages && pool.surplus == surplus,
			  __FILE__, __LINE__, "pool",
			  "node %d, %" PRIu64 " KiB: nr/free/surplus are %" PRIu64 "/%" PRIu64
			  "/%" PRIu64 ", expected %" PRIu64 "/%" PRIu64 "/%" PRIu64,
			  node, page_kib, pool.nr, pool.free, pool.surplus, nr, free_pages,
			  surplus);
}

void fake_use(const struct fake_kernel *fk, int node, uint64_t page_kib, uint64_t pages)
{
	struct fake_pool pool = fake_pool(fk, node, page_kib);

	pool.free -= pages;
	fake_set_pool(fk, node, page_kib, pool);
}

void fake_unuse(const struct fake_kernel *fk, int node, uint64_t page_kib, uint64_t pages)
{
	struct fake_pool pool = fake_pool(fk, node, page_kib);
	uint64_t gone = u64_min(pages, pool.surplus);

	pool.nr -= gone;
	pool.surplus -= gone;
	pool.free += pages - gone;
	fake_set_pool(fk, node, page_kib, pool);
}

/* ---- memory ---- */

void fake_set_meminfo(const struct fake_kernel *fk, int node, const char *key, uint64_t kib)
{
	char path[KFS_PATH_SIZE], text[8192], out[8192], name[64];
	char *line, *save = NULL;
	size_t used = 0;

	snprintf(path, sizeof(path), "sys/devices/system/node/node%d/meminfo", node);
	fake_get(fk, path, text, sizeof(text));
	snprintf(name, sizeof(name), " %s:", key);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strstr(line, name))
			used += (size_t)snprintf(out + used, sizeof(out) - used,
						 "Node %d %s: %" PRIu64 " kB\n", node, key, kib);
		else
			used += (size_t)snprintf(out + used, sizeof(out) - used, "%s\n", line);
	}
	fake_put(fk, path, out);
}

void fake_empty_nodes(const struct fake_kernel *fk)
{
	static const char *const keys[] = { "Active(file)", "Inactive(file)", "SReclaimable" };
	int node;
	size_t i;

	for (node = 0; node < 2; node++) {
		fake_set_meminfo(fk, node, "MemFree", (4 - (uint64_t)node) * KIB_PER_GIB);
		for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			fake_set_meminfo(fk, node, keys[i], 0);
		fake_set_pool(fk, node, PAGE_2M, (struct fake_pool){ 0, 0, 0 });
		fake_set_pool(fk, node, PAGE_1G, (struct fake_pool){ 0, 0, 0 });
	}
}

uint64_t fake_free_kib(const struct fake_kernel *fk, int node)
{
	const struct numa numa = { .sysfs = true };
	struct numa_node found;

	if (numa_read_node(&fk->kfs, &numa, (unsigned int)node, &found, NULL) < 0)
		fake_die("no meminfo", fk->root);
	return found.free_kib;
}

void fake_set_obtainable(const struct fake_kernel *fk, int node, uint64_t pages)
{
	char name[64];

	snprintf(name, sizeof(name), "fake/obtainable-%d", node);
	fake_put_u64(fk, name, pages);
}

static uint64_t fake_obtainable(const struct fake_kernel *fk, int node)
{
	uint64_t pages = UINT64_MAX;
	char name[64];

	snprintf(name, sizeof(name), "fake/obtainable-%d", node);
	kfs_read_u64(&fk->kfs, name, &pages, NULL);
	return pages;
}

/* ---- a write to nr_hugepages ---- */

struct fake_size {
	uint64_t page_kib;
	uint64_t reserved;
	struct fake_pool pools[FAKE_NODES_MAX];
};

static struct fake_pool fake_total(const struct fake_size *size)
{
	struct fake_pool sum = { 0 };
	int node;

	for (node = 0; node < FAKE_NODES_MAX; node++) {
		sum.nr += size->pools[node].nr;
		sum.free += size->pools[node].free;
		sum.surplus += size->pools[node].surplus;
	}
	return sum;
}

static uint64_t fake_persistent(const struct fake_pool *pool)
{
	return pool->nr - pool->surplus;
}

/* New pages for one node out of its free memory */
static void fake_allocate(const struct fake_kernel *fk, int node, uint64_t page_kib, uint64_t pages,
			  struct fake_pool *pool)
{
	uint64_t free_kib = fake_free_kib(fk, node), obtainable = fake_obtainable(fk, node);
	uint64_t n = u64_min(u64_min(pages, free_kib / page_kib), obtainable);

	pool->nr += n;
	pool->free += n;
	fake_set_meminfo(fk, node, "MemFree", free_kib - n * page_kib);
	if (obtainable != UINT64_MAX)
		fake_set_obtainable(fk, node, obtainable - n);
}

static void fake_resize(const struct fake_kernel *fk, struct fake_size *size, int node,
			uint64_t count)
{
	struct fake_pool *pool = &size->pools[node], all = fake_total(size);
	uint64_t persistent, target, floor, n;

	count += fk->adds_surplus ? all.nr - pool->nr :
				    fake_persistent(&all) - fake_persistent(pool);
	persistent = fake_persistent(&all);
	if (count > persistent) {
		n = u64_min(count - persistent, pool->surplus);
		pool->surplus -= n;
		fake_allocate(fk, node, size->page_kib, count - persistent - n, pool);
		return;
	}
	target = persistent - count;
	floor = size->reserved + all.nr - all.free;
	n = u64_min(u64_min(pool->free, u64_sub_floor(persistent, u64_max(count, floor))), target);
	pool->nr -= n;
	pool->free -= n;
	fake_set_meminfo(fk, node, "MemFree", fake_free_kib(fk, node) + n * size->page_kib);
	pool->surplus += u64_min(target - n, pool->nr - pool->surplus);
}

void fake_write_pool(struct fake_kernel *fk, int node, uint64_t page_kib, uint64_t count)
{
	struct fake_size size = { .page_kib = page_kib };
	int i;

	size.reserved = fake_counter(fk, -1, page_kib, "resv");
	for (i = 0; i < FAKE_NODES_MAX; i++)
		if (fake_has_node(fk, i))
			size.pools[i] = fake_pool(fk, i, page_kib);
	fake_resize(fk, &size, node, count);
	fake_set_pool(fk, node, page_kib, size.pools[node]);
}

/* ---- a write to KSM's and THP's files ---- */

/* Moves the brackets: "always [madvise] never".  Return: 1 if that changed anything */
static int fake_choose(const struct fake_kernel *fk, const char *path, const char *word)
{
	char text[256], out[280] = "", *part, *save = NULL;
	int found = -EINVAL;

	fake_get(fk, path, text, sizeof(text));
	for (part = strtok_r(text, " \n", &save); part; part = strtok_r(NULL, " \n", &save)) {
		bool chosen = *part == '[';

		part += chosen;
		part[strcspn(part, "]")] = '\0';
		if (!strcmp(part, word))
			found = !chosen;
		sprintf(out + strlen(out), strcmp(part, word) ? "%s%s" : "%s[%s]", *out ? " " : "",
			part);
	}
	if (found > 0)
		fake_put(fk, path, out);
	return found;
}

static bool fake_is_advising(const struct fake_kernel *fk)
{
	char text[64];

	fake_get(fk, FAKE_KSM "advisor_mode", text, sizeof(text));
	return strstr(text, "[scan-time]");
}

static int fake_write_advisor(const struct fake_kernel *fk, const char *word)
{
	int rc = fake_choose(fk, FAKE_KSM "advisor_mode", word);
	uint64_t pages = 100;

	if (rc > 0 && fake_is_advising(fk))
		kfs_read_u64(&fk->kfs, FAKE_KSM "advisor_min_pages_to_scan", &pages, NULL);
	if (rc > 0)
		fake_put_u64(fk, FAKE_KSM "pages_to_scan", pages);
	return rc < 0 ? rc : 0;
}

static int fake_write_run(const struct fake_kernel *fk, uint64_t value)
{
	static const char *const merged[] = { "pages_shared", "pages_sharing", "ksm_zero_pages" };
	uint64_t passes = 0;
	char name[64];
	size_t i;

	if (value > 2)
		return -EINVAL;
	if (value == 2 && fk->unmerge_error) {
		fake_put_u64(fk, FAKE_KSM "run", 0);
		return -fk->unmerge_error;
	}
	fake_put_u64(fk, FAKE_KSM "run", value);
	/* ksmd has been through what there is at once */
	kfs_read_u64(&fk->kfs, FAKE_KSM "full_scans", &passes, NULL);
	if (value == 1)
		fake_put_u64(fk, FAKE_KSM "full_scans", passes + 1);
	for (i = 0; value == 2 && i < 3; i++) {
		snprintf(name, sizeof(name), FAKE_KSM "%s", merged[i]);
		if (fake_exists(fk, name))
			fake_put_u64(fk, name, 0);
	}
	return 0;
}

static int fake_write_ksm(const struct fake_kernel *fk, const char *file, const char *text)
{
	uint64_t value, shared = 0;
	char name[64];

	if (!strcmp(file, "advisor_mode"))
		return fake_write_advisor(fk, text);
	if (text_to_u64(text, &value) < 0)
		return -EINVAL;
	if (!strcmp(file, "run"))
		return fake_write_run(fk, value);
	if (!strcmp(file, "pages_to_scan") && fake_is_advising(fk))
		return -EINVAL;
	kfs_read_u64(&fk->kfs, FAKE_KSM "pages_shared", &shared, NULL);
	if (!strcmp(file, "merge_across_nodes") && shared)
		return -EBUSY;
	snprintf(name, sizeof(name), FAKE_KSM "%s", file);
	fake_put_u64(fk, name, value);
	return 0;
}

/* Return: 1 for other files */
static int fake_write_setting(struct fake_kernel *fk, const char *path, const char *text)
{
	bool ksm = !strncmp(path, FAKE_KSM, strlen(FAKE_KSM));
	int rc;

	if ((!ksm && strncmp(path, FAKE_THP, strlen(FAKE_THP)) != 0) || !fake_exists(fk, path))
		return 1;
	fk->setting_writes++;
	if (fk->before_write)
		fk->before_write(fk);
	if (fk->setting_error)
		return -fk->setting_error;
	rc = ksm ? fake_write_ksm(fk, path + strlen(FAKE_KSM), text) : fake_choose(fk, path, text);
	if (fk->after_write)
		fk->after_write(fk);
	return rc < 0 ? rc : 0;
}

int fake_write(const struct kfs *kfs, const char *path, const char *text)
{
	struct fake_kernel *fk = kfs->data;
	uint64_t page_kib, count;
	char rest[64];
	int node, rc = fake_write_setting(fk, path, text);

	if (rc <= 0)
		return rc;

	if (sscanf(path, "sys/devices/system/node/node%d/hugepages/hugepages-%" SCNu64 "kB/%63s",
		   &node, &page_kib, rest) != 3 ||
	    strcmp(rest, "nr_hugepages") != 0)
		return kfs_exists(kfs, path) ? 0 : -ENOENT;
	if (!kfs_exists(kfs, path))
		return -ENOENT;
	if (text_to_u64(text, &count) < 0)
		return -EINVAL;
	fk->writes++;
	if (fk->before_write)
		fk->before_write(fk);
	if (fk->write_error)
		return -fk->write_error;
	fake_write_pool(fk, node, page_kib, count);
	if (fk->after_write)
		fk->after_write(fk);
	return 0;
}

/* ---- how often a file is read ---- */

int fake_watch(const struct fake_kernel *fk, const char *name)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char path[512];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", fk->kfs.rootfd, name);
	UNIT_CHECK(inotify_add_watch(fd, path, IN_OPEN | IN_CLOSE) >= 0, "%s: %s", path,
		   strerror(errno));
	return fd;
}

/* Of events that are alike and follow each other the kernel tells one, so it is closing that keeps
 * openings apart.  What is opened in a watched directory has a name */
unsigned int fake_opened(int watch)
{
	_Alignas(struct inotify_event) char buf[65536];
	ssize_t n = read(watch, buf, sizeof(buf)), at = 0;
	unsigned int opened = 0;

	close(watch);
	while (at < n) {
		const struct inotify_event *event = (const void *)(buf + at);

		opened += (event->mask & IN_OPEN) && !event->len;
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	return opened;
}

/* ---- processes ---- */

void fake_put_process(const struct fake_kernel *fk, pid_t pid, const char *file, const char *text)
{
	char name[64];

	snprintf(name, sizeof(name), "proc/%d/%s", (int)pid, file);
	fake_put(fk, name, text);
}

void fake_put_stat(const struct fake_kernel *fk, pid_t pid, unsigned int start)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "%d (a) b (c) S 1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 %u 1 1\n", (int)pid,
		 start);
	fake_put_process(fk, pid, "stat", text);
}

pid_t fake_holder_of(const struct fake_kernel *fk, const char *name, unsigned int start,
		     struct flock lock)
{
	int ready[2], fd;
	char byte = 0;
	pid_t pid;

	fake_put(fk, name, "");
	if (pipe(ready) < 0)
		fake_die("no pipe for", name);
	pid = fork();
	if (pid < 0)
		fake_die("no process for", name);
	if (!pid) {
		fd = openat(fk->kfs.rootfd, name, O_RDWR);
		byte = fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 ? 'y' : 'n';
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		close(ready[1]);
		/* Ends with the test, however that ends */
		close(ready[0]);
		for (;;)
			if (sleep(1) == 0 && getppid() == 1)
				_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1 || byte != 'y')
		fake_die("cannot lock", name);
	close(ready[0]);
	fake_put_stat(fk, pid, start);
	return pid;
}

static pid_t fake_holder(const struct fake_kernel *fk, const char *name, unsigned int start)
{
	/* As libvirt locks: byte 0 */
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	return fake_holder_of(fk, name, start, lock);
}

pid_t fake_driver(const struct fake_kernel *fk, unsigned int start)
{
	return fake_holder(fk, "run/libvirt/qemu/driver.pid", start);
}

pid_t fake_qemu(const struct fake_kernel *fk, const char *guest)
{
	char name[128];

	snprintf(name, sizeof(name), "run/libvirt/qemu/%s.pid", guest);
	return fake_holder(fk, name, 777);
}

void fake_end(const struct fake_kernel *fk, pid_t pid)
{
	static const char *const files[] = { "stat",  "status",	      "maps",	"numa_maps",
					     "smaps", "smaps_rollup", "cmdline" };
	char name[64];
	size_t i;

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(name, sizeof(name), "proc/%d/%s", (int)pid, files[i]);
		unlinkat(fk->kfs.rootfd, name, 0);
	}
}

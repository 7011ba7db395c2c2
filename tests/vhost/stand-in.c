// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Stands for the processes that the hooks judge by: QEMU, libvirt's QEMU driver,
 * and any other program that uses huge pages.
 *
 *	stand-in guest NAME BACKEND...	QEMU of guest NAME
 *	stand-in driver			the daemon that calls the hooks
 *	stand-in other BACKEND...	e.g. DPDK: huge pages, no libvirt
 *	stand-in pieces NODE MIB	any program that has run for a while: has every
 *					second of so many MiB on a node
 *
 * BACKEND is PAGE_KIB:PAGES:POLICY[:NODES[:HOW]]
 *	POLICY	default, bind, preferred or interleave, with NODES as "0,1"
 *	HOW	nothing for QEMU's prealloc=on: every page is touched;
 *		touch=N touches the first N only (a GiB takes seconds here);
 *		plug=N as well, without a reservation, as virtio-mem does;
 *		huge: memory of PAGE_KIB 4 asks for transparent huge pages, as QEMU does
 * PAGE_KIB 4 is memory that KSM may merge, as that of a guest without huge pages: page N
 * of one process is the same as page N of any other, and as no page of its own
 *
 * What is copied from QEMU and libvirt: a POSIX write lock on NAME.pid (or
 * driver.pid) from before anything else to the end; a shared mapping of a file
 * in hugetlbfs for each backend; mbind() with STRICT|MOVE; then the pages are
 * touched.  Prints "ready" when all is in place, or one "failed: ..." line and
 * exits 1, as QEMU does when memory can't be had.  Then it waits for a signal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/mempolicy.h>

#define RUN_DIR	  "/run/libvirt/qemu"
#define SMALL_KIB 4

struct backend {
	uint64_t page_kib;
	uint64_t pages;
	uint64_t touch;
	bool noreserve;
	bool huge;
	int policy;
	unsigned long nodes;
};

static sigjmp_buf no_page;

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("failed: ");
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	exit(1);
}

/* Kept open and locked to the end of the process */
static void lock_pid_file(const char *name)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[256];
	int fd;

	snprintf(path, sizeof(path), RUN_DIR "/%s.pid", name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || fcntl(fd, F_SETLK, &lock))
		fail("locking %s: %s", path, strerror(errno));
	if (ftruncate(fd, 0) || dprintf(fd, "%d", (int)getpid()) < 0)
		fail("writing %s: %s", path, strerror(errno));
}

/* Where hugetlbfs with pages of this size is mounted: the hooks should have seen to it */
static void find_mount(uint64_t page_kib, char *path, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *entry;
	struct statfs fs;

	path[0] = '\0';
	while (mounts && !path[0] && (entry = getmntent(mounts))) {
		if (strcmp(entry->mnt_type, "hugetlbfs") || statfs(entry->mnt_dir, &fs))
			continue;
		if ((uint64_t)fs.f_bsize == page_kib * 1024)
			snprintf(path, size, "%s", entry->mnt_dir);
	}
	if (mounts)
		endmntent(mounts);
	if (!path[0])
		fail("no hugetlbfs of %ju KiB is mounted", (uintmax_t)page_kib);
}

static int open_backing(const struct backend *backend)
{
	char dir[128], path[192];
	int fd;

	find_mount(backend->page_kib, dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/stand-in.XXXXXX", dir);
	fd = mkstemp(path);
	if (fd < 0)
		fail("creating %s: %s", path, strerror(errno));
	unlink(path);
	if (ftruncate(fd, (off_t)(backend->pages * backend->page_kib * 1024)))
		fail("sizing %s: %s", path, strerror(errno));
	return fd;
}

/* The kernel sends SIGBUS when no huge page is left for a touch */
static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(no_page, 1);
}

/* With the page's number, for KSM to find two that are equal */
static void touch(const struct backend *backend, char *memory)
{
	static volatile uint64_t done;

	if (sigsetjmp(no_page, 1))
		fail("%ju of %ju pages of %ju KiB could be had", (uintmax_t)done,
		     (uintmax_t)backend->touch, (uintmax_t)backend->page_kib);
	for (done = 0; done < backend->touch; done++)
		*(volatile uint64_t *)(memory + done * backend->page_kib * 1024) = done + 1;
}

static char *map_huge(const struct backend *backend, size_t len)
{
	int fd = open_backing(backend);
	char *memory = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_SHARED | (backend->noreserve ? MAP_NORESERVE : 0), fd, 0);

	close(fd);
	return memory;
}

/* The transparent huge pages that some kernels give unasked would have to be split first */
static char *map_small(size_t len, bool huge)
{
	char *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory != MAP_FAILED && huge && madvise(memory, len, MADV_HUGEPAGE))
		fail("madvise: %s", strerror(errno));
	if (memory != MAP_FAILED && !huge &&
	    (madvise(memory, len, MADV_NOHUGEPAGE) || madvise(memory, len, MADV_MERGEABLE)))
		fail("madvise: %s", strerror(errno));
	return memory;
}

static void take(const struct backend *backend)
{
	size_t len = backend->pages * backend->page_kib * 1024;
	char *memory = backend->page_kib == SMALL_KIB ? map_small(len, backend->huge) :
							map_huge(backend, len);

	if (memory == MAP_FAILED)
		fail("mapping %ju pages of %ju KiB: %s", (uintmax_t)backend->pages,
		     (uintmax_t)backend->page_kib, strerror(errno));
	if (backend->policy != MPOL_DEFAULT &&
	    syscall(SYS_mbind, memory, len, backend->policy, &backend->nodes,
		    sizeof(backend->nodes) * 8, MPOL_MF_STRICT | MPOL_MF_MOVE))
		fail("mbind: %s", strerror(errno));
	touch(backend, memory);
}

/* Movable, but in the way of every huge page there until the kernel compacts */
static void scatter(unsigned int node, size_t mib)
{
	const size_t piece = 1024 * 1024, len = mib * piece;
	unsigned long nodes = 1UL << node;
	char *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || madvise(memory, len, MADV_NOHUGEPAGE) ||
	    syscall(SYS_mbind, memory, len, MPOL_BIND, &nodes, sizeof(nodes) * 8, 0))
		fail("%zu MiB on node %u: %s", mib, node, strerror(errno));
	for (size_t at = 0; at < len; at += 4096)
		*(volatile char *)(memory + at) = 1;
	for (size_t at = 0; at + piece < len; at += 2 * piece)
		madvise(memory + at, piece, MADV_DONTNEED);
}

static int parse_policy(const char *text)
{
	static const struct {
		const char *name;
		int policy;
	} policies[] = {
		{ "default", MPOL_DEFAULT },
		{ "bind", MPOL_BIND },
		{ "preferred", MPOL_PREFERRED },
		{ "interleave", MPOL_INTERLEAVE },
	};

	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
		if (text && !strcmp(text, policies[i].name))
			return policies[i].policy;
	fail("policy '%s'?", text ? text : "");
}

static unsigned long parse_nodes(const char *text)
{
	unsigned long nodes = 0;

	for (; text && *text; text++)
		if (*text >= '0' && *text <= '9')
			nodes |= 1UL << (*text - '0');
	return nodes;
}

static void parse_how(const char *how, struct backend *backend)
{
	backend->touch = backend->pages;
	if (!how)
		return;
	backend->huge = !strcmp(how, "huge");
	if (backend->huge || sscanf(how, "touch=%ju", &backend->touch) == 1)
		return;
	if (sscanf(how, "plug=%ju", &backend->touch) != 1)
		fail("how '%s'?", how);
	backend->noreserve = true;
}

static struct backend parse_backend(char *text)
{
	struct backend backend = { 0 };
	char *page = strsep(&text, ":"), *pages = strsep(&text, ":"), *policy = strsep(&text, ":");
	char *nodes = strsep(&text, ":");

	backend.page_kib = page ? strtoull(page, NULL, 10) : 0;
	backend.pages = pages ? strtoull(pages, NULL, 10) : 0;
	if (!backend.page_kib || !backend.pages)
		fail("a backend is PAGE_KIB:PAGES:POLICY[:NODES[:HOW]]");
	backend.policy = parse_policy(policy);
	backend.nodes = parse_nodes(nodes);
	parse_how(text, &backend);
	return backend;
}

static void take_all(char **backends)
{
	for (; *backends; backends++) {
		struct backend backend = parse_backend(*backends);

		take(&backend);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	signal(SIGBUS, on_sigbus);
	if (argc > 2 && !strcmp(what, "guest")) {
		lock_pid_file(argv[2]);
		take_all(argv + 3);
	} else if (argc == 2 && !strcmp(what, "driver")) {
		lock_pid_file("driver");
	} else if (argc > 2 && !strcmp(what, "other")) {
		take_all(argv + 2);
	} else if (argc == 4 && !strcmp(what, "pieces")) {
		scatter((unsigned int)atoi(argv[2]), (size_t)atol(argv[3]));
	} else {
		fail("usage: stand-in guest NAME BACKEND... | driver | other BACKEND... | "
		     "pieces NODE MIB");
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

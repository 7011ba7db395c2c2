// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The journal file: header, event ring, run records, staging, times of discards.
 */
#include "pager/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pager/memory_error.h"
#include "pager/page_map.h"

#define JOURNAL_FILE	"journal"
#define JOURNAL_MAGIC	UINT64_C(0x6c6e6a2d6b62656d) /* "mbek-jnl" */
#define JOURNAL_VERSION 1
/* A discard explains a hole for so long: the punch follows its message at once */
#define DISCARD_EXPLAINS_S 60

struct journal_file {
	struct {
		_Atomic uint64_t magic;
		uint64_t version;
		uint64_t pages;
	} header;
	struct uffd_msg ring[EVENT_RING_MAX];
	struct run_record run[PAGER_PIPES_MAX];
	/* Of pipes that there are not it stays a hole */
	_Alignas(PAGE_BYTES) unsigned char staging[PAGER_PIPES_MAX][RUN_PAGES_MAX][PAGE_BYTES];
	/* Seconds since boot, and one; 0: never */
	_Atomic uint32_t discarded[];
};

struct journal {
	int fd;
	unsigned int pipes;
	size_t bytes;
	uint64_t pages;
	struct journal_file *file;
};

static bool is_broken(const void *page)
{
	char byte;

	return !memory_copy(&byte, page, 1);
}

static bool is_staging(const struct journal *journal, const char *at)
{
	const char *staging = (const char *)journal->file->staging;

	return at >= staging && at < staging + sizeof(journal->file->staging);
}

/* A page of a staging that got a memory error of the host can't be locked.  Its content is lost,
 * which is the business of who looks for it, and no reason to have none of the others */
static int lock_each(struct journal *journal, char *at, size_t n)
{
	char *end = at + n;

	for (; at < end; at += PAGE_BYTES) {
		size_t bytes = (size_t)(end - at) < PAGE_BYTES ? (size_t)(end - at) : PAGE_BYTES;
		int rc = mlock(at, bytes) < 0 ? -errno : 0;

		if (rc < 0 && !(is_staging(journal, at) && is_broken(at)))
			return rc;
	}
	return 0;
}

static int lock_range(struct journal *journal, size_t from, size_t n)
{
	char *at = (char *)journal->file + from;

	return mlock(at, n) < 0 ? lock_each(journal, at, n) : 0;
}

/* Where the stagings of pipes end, and what follows all of them begins */
static size_t staging_end(const struct journal *journal)
{
	return offsetof(struct journal_file, staging) +
	       journal->pipes * sizeof(((struct journal_file *)NULL)->staging[0]);
}

static size_t rest_bytes(const struct journal *journal)
{
	return journal->bytes - sizeof(struct journal_file);
}

static int map_file(struct journal *journal, struct err *err)
{
	void *at = mmap(NULL, journal->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, journal->fd, 0);
	int rc;

	if (at == MAP_FAILED)
		return err_sys(err, errno, "journal: mmap");
	journal->file = at;
	rc = lock_range(journal, 0, staging_end(journal));
	if (rc == 0)
		rc = lock_range(journal, sizeof(struct journal_file), rest_bytes(journal));
	if (rc < 0)
		return err_sys(err, -rc, "journal: locking %lu bytes in memory",
			       (unsigned long)journal_bytes(journal));
	return 0;
}

static int make_file(struct journal *journal, int directory, struct err *err)
{
	int rc;

	if (unlinkat(directory, JOURNAL_FILE, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "journal");
	journal->fd = openat(directory, JOURNAL_FILE,
			     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (journal->fd < 0)
		return err_sys(err, errno, "journal");
	rc = posix_fallocate(journal->fd, 0, (off_t)staging_end(journal));
	if (!rc)
		rc = posix_fallocate(journal->fd, (off_t)sizeof(struct journal_file),
				     (off_t)rest_bytes(journal));
	if (rc)
		return err_sys(err, rc, "journal: %lu bytes",
			       (unsigned long)journal_bytes(journal));
	rc = map_file(journal, err);
	if (rc < 0)
		return rc;
	journal->file->header.version = JOURNAL_VERSION;
	journal->file->header.pages = journal->pages;
	atomic_store_explicit(&journal->file->header.magic, JOURNAL_MAGIC, memory_order_release);
	return 0;
}

static int open_file(struct journal *journal, int directory, struct err *err)
{
	struct stat st;
	int rc;

	journal->fd = openat(directory, JOURNAL_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (journal->fd < 0 || fstat(journal->fd, &st) < 0)
		return err_sys(err, errno, "journal");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < journal->bytes)
		return err_set(err, ESTALE, "journal: its length does not fit the guest's memory");
	rc = map_file(journal, err);
	if (rc < 0)
		return rc;
	if (atomic_load_explicit(&journal->file->header.magic, memory_order_acquire) !=
		    JOURNAL_MAGIC ||
	    journal->file->header.version != JOURNAL_VERSION ||
	    journal->file->header.pages < journal->pages)
		return err_set(err, ESTALE, "journal: of another version, or never in use");
	return 0;
}

static size_t bytes_of(uint64_t pages)
{
	return sizeof(struct journal_file) +
	       (pages + REGION_PAGES - 1) / REGION_PAGES * sizeof(uint32_t);
}

static int get_journal(struct journal **journal, int directory, uint64_t pages, unsigned int pipes,
		       int (*get)(struct journal *, int, struct err *), struct err *err)
{
	struct journal *new = calloc(1, sizeof(*new));
	int rc;

	if (!new)
		return err_nomem(err);
	new->fd = -1;
	new->pages = pages;
	new->pipes = pipes;
	new->bytes = bytes_of(pages);
	rc = get(new, directory, err);
	if (rc < 0) {
		journal_close(new);
		return rc;
	}
	*journal = new;
	return 0;
}

int journal_create(struct journal **journal, int directory, uint64_t pages, unsigned int pipes,
		   struct err *err)
{
	return get_journal(journal, directory, pages, pipes, make_file, err);
}

int journal_open(struct journal **journal, int directory, uint64_t pages, unsigned int pipes,
		 struct err *err)
{
	return get_journal(journal, directory, pages, pipes, open_file, err);
}

/* The file first, then what its header says of it */
static int grow_file(struct journal *journal, uint64_t pages, struct err *err)
{
	off_t from = (off_t)sizeof(struct journal_file);
	int rc;

	if (journal->file->header.pages >= pages)
		return 0;
	rc = posix_fallocate(journal->fd, from, (off_t)bytes_of(pages) - from);
	if (rc)
		return err_sys(err, rc, "journal: %zu bytes", bytes_of(pages));
	journal->file->header.pages = pages;
	return 0;
}

int journal_grow(int directory, uint64_t pages, unsigned int pipes, struct err *err)
{
	struct journal *journal = NULL;
	int rc = journal_open(&journal, directory, 0, pipes, err);

	if (rc < 0)
		return rc;
	rc = grow_file(journal, pages, err);
	journal_close(journal);
	return rc;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->file)
		munmap(journal->file, journal->bytes);
	if (journal->fd >= 0)
		close(journal->fd);
	free(journal);
}

uint64_t journal_bytes(const struct journal *journal)
{
	return staging_end(journal) + rest_bytes(journal);
}

struct run_record *journal_run(struct journal *journal, unsigned int evictor)
{
	return &journal->file->run[evictor];
}

void *journal_staging(struct journal *journal, unsigned int evictor)
{
	return journal->file->staging[evictor];
}

int journal_renew(struct journal *journal, void *page)
{
	off_t at = (char *)page - (char *)journal->file;

	if (fallocate(journal->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, PAGE_BYTES) <
		    0 ||
	    fallocate(journal->fd, 0, at, PAGE_BYTES) < 0 ||
	    mmap(page, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, journal->fd,
		 at) == MAP_FAILED ||
	    mlock(page, PAGE_BYTES) < 0)
		return -errno;
	return 0;
}

int journal_renew_staging(struct journal *journal, unsigned int evictor)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < RUN_PAGES_MAX && rc == 0; i++)
		if (is_broken(journal->file->staging[evictor][i]))
			rc = journal_renew(journal, journal->file->staging[evictor][i]);
	return rc;
}

struct uffd_msg *journal_ring(struct journal *journal)
{
	return journal->file->ring;
}

static uint32_t boot_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint32_t)now.tv_sec + 1;
}

void journal_note_discard(struct journal *journal, uint64_t first, uint64_t n)
{
	uint32_t now = boot_seconds();
	uint64_t region;

	if (!n)
		return;
	for (region = first / REGION_PAGES; region <= (first + n - 1) / REGION_PAGES; region++)
		atomic_store(&journal->file->discarded[region], now);
}

bool journal_discarded_lately(struct journal *journal, uint64_t page)
{
	uint32_t then = atomic_load(&journal->file->discarded[page / REGION_PAGES]);

	return then && boot_seconds() - then <= DISCARD_EXPLAINS_S;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Large folios of shared memory, whose pages can't be evicted.
 *
 * A page that is spliced and then punched must leave the guest's file.  Of a large folio the
 * kernel can't take it out while the pipe refers to it: it is zeroed in place, and the pipe's page
 * is that page.  So eviction runs only where the kernel makes none, tries that out first, and looks
 * at each region of the guest's memory before its first page is claimed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "pager/engine.h"

/* linux/kernel-page-flags.h: COMPOUND_HEAD, COMPOUND_TAIL, THP */
#define LARGE ((UINT64_C(1) << 15) | (UINT64_C(1) << 16) | (UINT64_C(1) << 22))

enum { FOLIOS_UNKNOWN, FOLIOS_SMALL, FOLIOS_LARGE };
enum { TEST_BYTES = 2 << 20, TEST_SPLICE = 8 * PAGE_BYTES };

/* Splice, punch, read: the content must be what it was */
static bool survives(int memory, const int pipe[2], unsigned char *bytes)
{
	off_t offset = 0;
	size_t done = 0, i;
	ssize_t n = splice(memory, &offset, pipe[1], NULL, TEST_SPLICE, SPLICE_F_NONBLOCK);

	if (n <= 0 ||
	    fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, TEST_SPLICE) < 0)
		return false;
	while (done < (size_t)n) {
		ssize_t got = read(pipe[0], bytes + done, (size_t)n - done);

		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	for (i = 0; i < done; i++)
		if (bytes[i] != 0x5a)
			return false;
	return true;
}

static int try_it(int memory, const int pipe[2], struct err *err)
{
	unsigned char *at, bytes[TEST_SPLICE];
	bool fine;

	if (ftruncate(memory, TEST_BYTES) < 0)
		return err_sys(err, errno, "eviction: a trial of it");
	at = mmap(NULL, TEST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (at == MAP_FAILED)
		return err_sys(err, errno, "eviction: a trial of it");
	/* As QEMU does.  The first write makes the folio, of whatever size */
	madvise(at, TEST_BYTES, MADV_HUGEPAGE);
	memset(at, 0x5a, TEST_SPLICE);
	fine = survives(memory, pipe, bytes);
	munmap(at, TEST_BYTES);
	if (!fine)
		return err_set(err, ENOTSUP,
			       "eviction would lose pages on this host: shared memory is put into "
			       "large folios (/sys/kernel/mm/transparent_hugepage/shmem_enabled)");
	return 0;
}

int huge_folio_self_test(struct err *err)
{
	cleanup_close int memory = memfd_create("pager-trial", MFD_CLOEXEC);
	int pipe[2], rc;

	if (memory < 0 || pipe2(pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, errno, "eviction: a trial of it");
	rc = try_it(memory, pipe, err);
	close(pipe[0]);
	close(pipe[1]);
	return rc;
}

/* Of a page that is mapped in QEMU, by its entry in /proc/PID/pagemap */
static bool is_large(const struct guest_pager *pager, uint64_t entry)
{
	uint64_t flags = 0, frame = entry & ((UINT64_C(1) << 55) - 1);

	if (!(entry >> 63) || !frame)
		return false;
	if (pread(pager->kpageflags, &flags, sizeof(flags), (off_t)(frame * sizeof(flags))) !=
	    sizeof(flags))
		return false;
	return flags & LARGE;
}

static bool look(struct guest_pager *pager, uint64_t region)
{
	uint64_t page = region * REGION_PAGES, end = page + REGION_PAGES;

	if (end > pager->ram.pages)
		end = pager->ram.pages;
	for (; page < end; page++) {
		uint64_t entry = 0, at = ram_address(&pager->ram, page) / PAGE_BYTES;

		if (pread(pager->pagemap, &entry, sizeof(entry), (off_t)(at * sizeof(entry))) !=
		    sizeof(entry))
			continue;
		if (is_large(pager, entry))
			return true;
	}
	return false;
}

bool huge_folio_in(struct guest_pager *pager, uint64_t page)
{
	uint64_t region = page / REGION_PAGES;
	uint8_t known = pager->folios[region];

	if (known == FOLIOS_UNKNOWN && pager->pagemap >= 0 && pager->kpageflags >= 0) {
		known = look(pager, region) ? FOLIOS_LARGE : FOLIOS_SMALL;
		pager->folios[region] = known;
	}
	return known == FOLIOS_LARGE;
}

void huge_folio_forget(struct guest_pager *pager)
{
	uint64_t region;

	for (region = 0; region * REGION_PAGES < pager->ram.pages; region++)
		pager->folios[region] = FOLIOS_UNKNOWN;
	pager->folios_stay = false;
}

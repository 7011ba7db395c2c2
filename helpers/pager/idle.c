// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How much of what is resident a guest does not use: for a policy that shares memory between
 * guests, and for people who look for a limit.
 *
 * DOC: a sample
 *
 * Some resident pages, drawn at random, are taken out of QEMU's page table: PAGEOUT does that, and
 * where the kernel may not swap them they stay in the guest's file.  The guest gets such a page
 * back by a fault of the kernel's own, that is no fault of ours.  Those that the page table does
 * not have by the next call were not used meanwhile.  The kernel skips pages that another
 * processor has just taken in its hands: what is still mapped right afterwards is no part of the
 * sample.
 *
 * Pages that were brought in ahead of a fault are left out: their entry in the page table tells
 * whether they were used (see evict.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pager/engine.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

/* Fewer say nothing */
enum { IDLE_ENOUGH = 16, DRAWS_PER_PAGE = 16 };

static uint64_t draw(struct idle_sample *sample)
{
	sample->random = sample->random * 6364136223846793005 + 1442695040888963407;
	return sample->random >> 33;
}

static bool is_mapped(const struct guest_pager *pager, uint64_t page)
{
	uint64_t entry = 0;
	off_t at = (off_t)(ram_address(&pager->ram, page) / PAGE_BYTES * sizeof(entry));

	/* Unknown is no proof that it is idle */
	return pread(pager->pagemap, &entry, sizeof(entry), at) != sizeof(entry) || entry >> 63;
}

static bool is_resident(const struct guest_pager *pager, uint64_t page)
{
	return page_entry_fields(page_map_get(pager->map, page)).state == PAGE_RESIDENT;
}

/* What has gone since is no part of it.  What went and came back was used */
static void judge(struct guest_pager *pager)
{
	struct idle_sample *sample = &pager->idle;
	size_t looked = 0, idle = 0, i;

	for (i = 0; i < sample->n; i++) {
		if (!is_resident(pager, sample->page[i]))
			continue;
		looked++;
		idle += !is_mapped(pager, sample->page[i]);
	}
	sample->n = 0;
	if (looked >= IDLE_ENOUGH)
		sample->percent = (int)(idle * 100 / looked);
	sample->found += looked >= IDLE_ENOUGH;
}

static bool has(const struct idle_sample *sample, uint64_t page)
{
	size_t i;

	for (i = 0; i < sample->n; i++)
		if (sample->page[i] == page)
			return true;
	return false;
}

static void choose(struct guest_pager *pager, size_t n)
{
	struct idle_sample *sample = &pager->idle;
	size_t draws;

	for (draws = 0; sample->n < n && draws < n * DRAWS_PER_PAGE; draws++) {
		uint64_t page = draw(sample) % pager->ram.pages;
		bool ahead;

		policy_lock(pager);
		ahead = bit_get(pager->ahead, page);
		policy_unlock(pager);
		if (!ahead && is_resident(pager, page) && !has(sample, page))
			sample->page[sample->n++] = page;
	}
}

/* Return: 0 or -errno.  A part of them is as good */
static int unmap(struct guest_pager *pager)
{
	struct idle_sample *sample = &pager->idle;
	struct iovec range[IDLE_PAGES_MAX];
	size_t i;

	for (i = 0; i < sample->n; i++)
		range[i] = (struct iovec){
			.iov_base = (void *)(uintptr_t)ram_address(&pager->ram, sample->page[i]),
			.iov_len = PAGE_BYTES,
		};
	if (syscall(SYS_process_madvise, pager->adopted.pidfd, range, sample->n, MADV_PAGEOUT, 0) <
	    0)
		return -errno;
	return 0;
}

static void keep_unmapped(struct guest_pager *pager)
{
	struct idle_sample *sample = &pager->idle;
	size_t n = 0, i;

	for (i = 0; i < sample->n; i++)
		if (!is_mapped(pager, sample->page[i]))
			sample->page[n++] = sample->page[i];
	sample->n = n;
}

int idle_sample(struct guest_pager *pager, size_t n)
{
	struct idle_sample *sample = &pager->idle;
	int rc = 0;

	if (pager->pagemap < 0)
		return -ENOTSUP;
	judge(pager);
	choose(pager, n < IDLE_PAGES_MAX ? n : IDLE_PAGES_MAX);
	if (sample->n)
		rc = unmap(pager);
	if (rc < 0)
		sample->n = 0;
	else
		keep_unmapped(pager);
	return rc;
}

void guest_pager_sample_idle(struct guest_pager *pager)
{
	idle_sample(pager, IDLE_PAGES_MAX);
}

void guest_pager_forget_idle(struct guest_pager *pager)
{
	pager->idle.n = 0;
	pager->idle.percent = -1;
}

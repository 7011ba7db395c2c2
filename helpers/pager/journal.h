/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a pager that is killed was in the middle of, in a file that outlives it.
 *
 * Per evicting thread the run of pages that it is taking out and their content (staging); the
 * messages that were read from the userfaultfd and not acted upon yet (event ring); and when
 * pages of a region were discarded last.  Mapped shared and locked in memory.
 */
#ifndef MEMBACKING_PAGER_JOURNAL_H
#define MEMBACKING_PAGER_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct uffd_msg;

enum { RUN_PAGES_MAX = 64, EVENT_RING_MAX = 64, REGION_PAGES = 512 };

/**
 * enum run_phase - How far a run of pages is
 * @RUN_EMPTY:	None: pipe and staging hold nothing that matters
 * @RUN_LISTED:	Pages are being claimed and moved into the pipe.  All of them are still in the
 *		guest's file, unless the guest discards them
 * @RUN_SPLICED: Pages may be gone from the guest's file: their content is, in the order of the
 *		list, in the staging, and after that in the pipe
 */
enum run_phase { RUN_EMPTY, RUN_LISTED, RUN_SPLICED };

/**
 * struct run_record - Pages that are on their way out
 * @generation:	Of each page's entry when it was claimed.  A page that was published, came back and
 *		is on its way out with another run has another one: its content here is old
 */
struct run_record {
	_Atomic uint32_t phase;
	_Atomic uint32_t n;
	uint64_t page[RUN_PAGES_MAX];
	uint32_t generation[RUN_PAGES_MAX];
};

struct journal;

/* Make the file "journal" in a guest's directory; an old one is replaced.  Nothing in it is set.
 * @pipes: PAGER_PIPES_MAX at most; only so many have a staging */
int journal_create(struct journal **journal, int directory, uint64_t pages, unsigned int pipes,
		   struct err *err);
/* Return: 0, also if pages of a staging have memory errors of the host; -ENOENT; -ESTALE: of
 * another version, or of fewer pages; -errno */
int journal_open(struct journal **journal, int directory, uint64_t pages, unsigned int pipes,
		 struct err *err);
/* Make room for more pages in the one that is there, and is not open.  Nothing else changes, and it
 * goes on fitting fewer.  Return: 0, also if it has the room; -ENOENT; -errno */
int journal_grow(int directory, uint64_t pages, unsigned int pipes, struct err *err);
void journal_close(struct journal *journal);
/* Of memory that it takes */
uint64_t journal_bytes(const struct journal *journal);

struct run_record *journal_run(struct journal *journal, unsigned int evictor);
/* RUN_PAGES_MAX pages, aligned to a page */
void *journal_staging(struct journal *journal, unsigned int evictor);
/* Other memory for a page of a staging that has got a memory error of the host.  Return: 0 or
 * -errno */
int journal_renew(struct journal *journal, void *page);
/* The same for each page of a staging that has got one, and whose content is not needed any more */
int journal_renew_staging(struct journal *journal, unsigned int evictor);
/* EVENT_RING_MAX messages */
struct uffd_msg *journal_ring(struct journal *journal);

/* Pages were discarded: note it for each region that has one of them */
void journal_note_discard(struct journal *journal, uint64_t first, uint64_t n);
/* Were pages in this page's region discarded within the last minute? */
bool journal_discarded_lately(struct journal *journal, uint64_t page);

#endif

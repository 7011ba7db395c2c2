// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Bringing pages back: one by a fault, many ahead of faults.
 *
 * DOC: two ways into the guest's memory
 *
 * COPY maps the page and wakes.  For pages that no fault asked for yet, one write into the guest's
 * file is cheaper, and its page tables then tell which of them were used.  That write comes from
 * a pipe, whose pages the kernel has in hand: a write from our own memory that has to fault there
 * ends short, with zeros published.  A write, unlike COPY, replaces a page that is there: only the
 * thread that has a page as LOADING or LEAVING may do it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pager/engine.h"

/* A stream's pages go in groups of so many: the first is there while the others are fetched */
enum { COPY_PAGES = 16 };

static int open_buffer(struct mover *mover, struct err *err)
{
	void *at = mmap(NULL, (size_t)READ_AHEAD_MAX * PAGE_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (at == MAP_FAILED)
		return err_nomem(err);
	mover->buffer = at;
	if (mlock(at, (size_t)READ_AHEAD_MAX * PAGE_BYTES) < 0)
		return err_sys(err, errno, "locking a buffer in memory");
	return 0;
}

int mover_open(struct mover *mover, enum mover_of of, struct err *err)
{
	int rc;

	*mover = (struct mover){ .serves = of == MOVER_SERVES, .pipe = { -1, -1 } };
	rc = of == MOVER_EVICTS ? 0 : open_buffer(mover, err);
	if (rc < 0)
		return rc;
	if (pipe2(mover->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, errno, "pipe");
	/* Where it may not be larger, more turns are made */
	fcntl(mover->pipe[1], F_SETPIPE_SZ, READ_AHEAD_MAX * PAGE_BYTES);
	return 0;
}

void mover_close(struct mover *mover)
{
	int i;

	if (mover->buffer)
		munmap(mover->buffer, (size_t)READ_AHEAD_MAX * PAGE_BYTES);
	mover->buffer = NULL;
	for (i = 0; i < 2; i++) {
		if (mover->pipe[i] >= 0)
			close(mover->pipe[i]);
		mover->pipe[i] = -1;
	}
}

static int copy_failed(struct guest_pager *pager, int rc, uint64_t page, size_t *done)
{
	switch (rc) {
	case -EAGAIN:
		events_wait(pager);
		return pager_stopping(pager) ? -ECANCELED : 0;
	case -EEXIST:
		(*done)++;
		return pager_wake_page(pager, page);
	case -ENOMEM:
		return evict_now(pager) > 0 ? 0 : rc;
	case -ESRCH:
		pager_gone(pager);
		return rc;
	default:
		return rc;
	}
}

/* What the guest may write then counts as changed; what has not changed stays protected */
static int copy_once(struct guest_pager *pager, uint64_t page, const void *from, size_t n,
		     bool protect, uint64_t *bytes)
{
	int rc;

	changes_lock(pager);
	protect |= changes_protects(pager, page);
	if (!protect)
		changes_note(pager, page, n);
	rc = uffd_copy(&pager->uffd, ram_address(&pager->ram, page), from, n * PAGE_BYTES, protect,
		       bytes);
	changes_unlock(pager);
	return rc;
}

static int copy_all(struct guest_pager *pager, uint64_t page, const void *from, size_t n,
		    bool protect, size_t *copied)
{
	unsigned int short_of_memory = 0;
	size_t done = 0;
	int rc = 0;

	while (done < n && rc == 0) {
		uint64_t bytes;

		rc = copy_once(pager, page + done, (const char *)from + done * PAGE_BYTES, n - done,
			       protect, &bytes);
		done += (size_t)(bytes / PAGE_BYTES);
		if (rc == -ENOMEM && ++short_of_memory > 8)
			break;
		if (rc < 0)
			rc = copy_failed(pager, rc, page + done, &done);
	}
	*copied = done;
	return rc;
}

int copy_pages(struct guest_pager *pager, uint64_t page, const void *from, size_t n, size_t *copied)
{
	return copy_all(pager, page, from, n, false, copied);
}

/* Forget what is left in the private pipe */
static void empty_pipe(struct mover *mover)
{
	unsigned char bytes[PAGE_BYTES];

	while (read(mover->pipe[0], bytes, sizeof(bytes)) > 0)
		;
}

static size_t into_pipe(struct mover *mover, const void *from, size_t bytes)
{
	struct iovec part = { .iov_base = (void *)(uintptr_t)from, .iov_len = bytes };
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = vmsplice(mover->pipe[1], &part, 1, SPLICE_F_NONBLOCK);

		if (n <= 0)
			break;
		done += (size_t)n;
		part.iov_base = (char *)part.iov_base + n;
		part.iov_len -= (size_t)n;
	}
	return done;
}

/* One pipe full.  Return: whole pages written */
static size_t fill_once(struct guest_pager *pager, struct mover *mover, int fd, off_t offset,
			const void *from, size_t bytes)
{
	size_t ready = into_pipe(mover, from, bytes), done = 0;

	ready -= ready % PAGE_BYTES;
	while (done < ready) {
		ssize_t n =
			pager->calls.fill(fd, offset + (off_t)done, mover->pipe[0], ready - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	empty_pipe(mover);
	/* Half a page must not stay; this thread claimed the page, and no other was told of it */
	if (done % PAGE_BYTES) {
		done -= done % PAGE_BYTES;
		pager->calls.punch(fd, offset + (off_t)done, PAGE_BYTES);
	}
	return done / PAGE_BYTES;
}

size_t fill_pages(struct guest_pager *pager, struct mover *mover, uint64_t page, const void *from,
		  size_t n)
{
	const struct ram_object *object = ram_object_of(&pager->ram, page);
	off_t offset = (off_t)((page - object->first) * PAGE_BYTES);
	size_t done = 0;

	while (done < n) {
		size_t now =
			fill_once(pager, mover, object->fd, offset + (off_t)(done * PAGE_BYTES),
				  (const char *)from + done * PAGE_BYTES, (n - done) * PAGE_BYTES);

		if (now == 0)
			break;
		done += now;
	}
	return done;
}

bool put_page(struct guest_pager *pager, struct mover *mover, uint64_t page, const void *from)
{
	size_t copied = 0;

	if (!pager->options.copies_only)
		return fill_pages(pager, mover, page, from, 1) == 1;
	copy_pages(pager, page, from, 1, &copied);
	return copied == 1;
}

static void free_slot(struct guest_pager *pager, struct page_fields fields)
{
	if (fields.has_slot)
		tiers_free(pager->tiers,
			   (struct page_place){ .tier = fields.tier, .slot = fields.slot });
}

void take_back(struct guest_pager *pager, uint64_t page)
{
	struct page_fields before, fields;

	pthread_mutex_lock(&pager->gate);
	before = page_entry_fields(page_map_get(pager->map, page));
	fields = before;
	fields.state = PAGE_LOADING;
	fields.has_slot = false;
	fields.discarded = before.state == PAGE_LOADING && before.discarded;
	entry_settle(pager, page, fields);
	pthread_mutex_unlock(&pager->gate);
	STEP("take_back");
	free_slot(pager, before);
}

static bool in_slow_tier(struct page_fields fields)
{
	return tiers_is_slow((struct page_place){ .tier = fields.tier, .slot = fields.slot });
}

/* False: it is not EVICTED, or the fault thread would have to wait; @fields say which */
static bool claim(struct guest_pager *pager, const struct mover *mover, uint64_t page,
		  struct page_fields *fields)
{
	page_entry entry = page_map_get(pager->map, page);

	do {
		*fields = page_entry_fields(entry);
		if (fields->state != PAGE_EVICTED || (mover->serves && in_slow_tier(*fields)))
			return false;
		fields->state = PAGE_LOADING;
		fields->discarded = false;
	} while (!page_map_swap(pager->map, page, &entry, page_entry_make(*fields)));
	STEP("load_claim");
	return true;
}

/* @look: it goes again soon, if it is not discarded */
static void settle_loaded(struct guest_pager *pager, uint64_t page, struct page_fields fields,
			  bool keep_slot, bool look)
{
	page_entry entry = page_map_get(pager->map, page);
	struct page_fields next = fields;

	STEP("load_copied");
	next.state = PAGE_RESIDENT;
	next.has_slot = fields.has_slot && !pager->options.drop_clean_slots && keep_slot;
	do {
		/* The discard's hole may come yet, also of one whose message came while the page
		 * was on its way out */
		next.discarded = page_entry_fields(entry).discarded ||
				 (!look && journal_discarded_lately(pager->journal, page));
	} while (!page_map_swap(pager->map, page, &entry, page_entry_make(next)));
	STEP("load_settled");
	if (!next.has_slot)
		free_slot(pager, fields);
}

/* It is in the guest's memory */
static void loaded(struct guest_pager *pager, uint64_t page, struct page_fields fields)
{
	const struct page_place place = { .tier = fields.tier, .slot = fields.slot };
	enum slots_where where = tiers_is_slow(place) ? SLOTS_IN_FILES : SLOTS_IN_MEMORY;

	settle_loaded(pager, page, fields,
		      !pager->slots_go[where] && tiers_keeps(pager->tiers, place), false);
}

/* It is there for a look, and goes back to its slot in whatever tier */
static void loaded_for_look(struct guest_pager *pager, uint64_t page, struct page_fields fields)
{
	settle_loaded(pager, page, fields, true, true);
}

/*
 * A fault that came while they were LOADING was left to us.  COPY has woken before they were
 * RESIDENT: of a page that was discarded in between there may be another one since.  The fault
 * thread reads none meanwhile that it does not answer later.
 */
static void wake_loaded(struct guest_pager *pager, const struct mover *mover, uint64_t first,
			size_t n)
{
	if (!mover->serves && n)
		uffd_wake(&pager->uffd, ram_address(&pager->ram, first), n * PAGE_BYTES);
}

/* It could not be loaded.  Discarded meanwhile: no content is needed any more */
static void abandon(struct guest_pager *pager, const struct mover *mover, uint64_t page,
		    struct page_fields fields)
{
	page_entry entry = page_map_get(pager->map, page);
	struct page_fields next;

	do {
		next = fields;
		next.state = PAGE_EVICTED;
		if (page_entry_fields(entry).discarded)
			next = (struct page_fields){ .state = PAGE_ZERO,
						     .generation = fields.generation };
	} while (!page_map_swap(pager->map, page, &entry, page_entry_make(next)));
	if (next.state == PAGE_ZERO)
		free_slot(pager, fields);
	/* A fault that came meanwhile left the waking to us; the fault thread's own it will repeat
	 */
	if (!mover->serves)
		pager_wake_page(pager, page);
}

/* A write-protection that outlived the page is in the way, and counts for nothing */
bool poison_page(struct guest_pager *pager, uint64_t page)
{
	uint64_t address = ram_address(&pager->ram, page);
	bool unprotected = false;
	int rc;

	for (;;) {
		rc = uffd_poison(&pager->uffd, address, PAGE_BYTES);
		if (rc == -EEXIST && !unprotected) {
			rc = changes_allow(pager, page);
			unprotected = rc == 0;
			if (unprotected)
				continue;
		}
		if (rc != -EAGAIN || pager_stopping(pager))
			return rc == 0 || rc == -EEXIST;
		events_wait(pager);
	}
}

void lose_page(struct guest_pager *pager, struct page_fields fields, uint64_t page)
{
	bool told = poison_page(pager, page);
	page_entry entry = page_map_get(pager->map, page);

	STEP("page_poisoned");
	fields.state = PAGE_RESIDENT;
	fields.has_slot = false; /* a broken one must not be another page's */
	do {
		struct page_fields now = page_entry_fields(entry);

		/* Discarded while it was to be loaded: no content is missed */
		fields.discarded = now.state == PAGE_LOADING && now.discarded;
		fields.bad = !fields.discarded;
	} while (!page_map_swap(pager->map, page, &entry, page_entry_make(fields)));
	pager_wake_page(pager, page);
	pager_alarm(pager, ALARM_LOST, "memory error of the host in a page that was out: %s",
		    told ? "the guest was told" : "the guest waits if it needs it");
}

int load_page(struct guest_pager *pager, struct mover *mover, uint64_t page)
{
	struct page_fields fields;
	size_t copied = 0;
	int rc;

	if (!claim(pager, mover, page, &fields))
		return fields.state == PAGE_EVICTED ? LOAD_SLOW : 1;
	rc = load_content(pager, fields, mover->buffer);
	if (rc == -EHWPOISON) {
		lose_page(pager, fields, page);
		return 0;
	}
	STEP("load_fetched");
	if (rc == 0)
		rc = copy_pages(pager, page, mover->buffer, 1, &copied);
	if (copied == 1)
		loaded(pager, page, fields);
	else
		abandon(pager, mover, page, fields);
	wake_loaded(pager, mover, page, copied);
	return copied == 1 ? 0 : rc;
}

/* A piece of neighbours that this thread has claimed and fetched */
struct piece {
	uint64_t first;
	size_t n;
	struct page_fields fields[READ_AHEAD_MAX];
};

/* From @first on, as far as pages are EVICTED, neighbours in one file, and their tier reads them */
static void piece_fetch(struct guest_pager *pager, struct mover *mover, struct piece *piece,
			uint64_t first, size_t max)
{
	const struct ram_object *object = ram_object_of(&pager->ram, first);
	uint64_t end = object->first + object->pages;
	int rc[READ_AHEAD_MAX];
	size_t n = 0;

	piece->first = first;
	while (n < max && first + n < end && claim(pager, mover, first + n, &piece->fields[n]))
		n++;
	load_contents(pager, piece->fields, n, mover->buffer, rc);
	for (piece->n = 0; piece->n < n && rc[piece->n] == 0;)
		piece->n++;
	while (n-- > piece->n)
		abandon(pager, mover, first + n, piece->fields[n]);
	STEP("prefetch_fetched");
}

static size_t piece_put(struct guest_pager *pager, struct mover *mover, struct piece *piece,
			bool stream)
{
	size_t done = 0, copied, i;
	bool filled;

	if (!stream)
		done = fill_pages(pager, mover, piece->first, mover->buffer, piece->n);
	filled = done > 0;
	STEP("prefetch_filled");
	if (done < piece->n) {
		copy_pages(pager, piece->first + done, mover->buffer + done * PAGE_BYTES,
			   piece->n - done, &copied);
		done += copied;
	}
	for (i = 0; i < piece->n; i++) {
		if (i < done)
			loaded(pager, piece->first + i, piece->fields[i]);
		else
			abandon(pager, mover, piece->first + i, piece->fields[i]);
	}
	if (filled)
		uffd_wake(&pager->uffd, ram_address(&pager->ram, piece->first),
			  piece->n * PAGE_BYTES);
	else
		wake_loaded(pager, mover, piece->first, done);
	return done;
}

size_t prefetch_pages(struct guest_pager *pager, struct mover *mover, uint64_t first, size_t n,
		      bool stream)
{
	size_t done = 0, total = 0;
	struct piece piece;

	/* Near the end of memory there are fewer behind it */
	if (n > pager->ram.pages - first)
		n = pager->ram.pages - first;
	while (done < n) {
		size_t want = n - done;

		if (want > (stream ? COPY_PAGES : READ_AHEAD_MAX))
			want = stream ? COPY_PAGES : READ_AHEAD_MAX;
		piece_fetch(pager, mover, &piece, first + done, want);
		if (piece.n) {
			size_t got = piece_put(pager, mover, &piece, stream);

			policy_prefetched(pager, piece.first, got, !stream);
			total += got;
		}
		/* The page behind the piece was not there to be claimed */
		done += piece.n < want ? piece.n + 1 : piece.n;
	}
	return total;
}

/* ---- for a thread that reads all memory ---- */

static size_t scan_copy(struct guest_pager *pager, uint64_t page, const void *from, size_t n)
{
	size_t copied;

	copy_all(pager, page, from, n, true, &copied);
	STEP("scan_copied");
	return copied;
}

static size_t load_slots(struct guest_pager *pager, struct mover *mover, uint64_t first, size_t n)
{
	struct piece piece;
	size_t done, i;

	piece_fetch(pager, mover, &piece, first, n);
	if (!piece.n)
		return 0;
	done = scan_copy(pager, first, mover->buffer, piece.n);
	for (i = 0; i < piece.n; i++) {
		if (i < done)
			loaded_for_look(pager, first + i, piece.fields[i]);
		else
			abandon(pager, mover, first + i, piece.fields[i]);
	}
	return done;
}

static size_t show_zeros(struct guest_pager *pager, struct mover *mover, uint64_t first, size_t max)
{
	const struct ram_object *object = ram_object_of(&pager->ram, first);
	uint64_t end = object->first + object->pages;
	size_t n = 0;

	while (n < max && first + n < end &&
	       page_entry_fields(page_map_get(pager->map, first + n)).state == PAGE_ZERO)
		n++;
	memset(mover->buffer, 0, n * PAGE_BYTES);
	return scan_copy(pager, first, mover->buffer, n);
}

size_t load_scanned(struct guest_pager *pager, struct mover *mover, uint64_t first, size_t n,
		    page_entry *entry)
{
	struct page_fields fields = page_entry_fields(page_map_get(pager->map, first));
	size_t i;

	if (fields.state == PAGE_EVICTED)
		n = load_slots(pager, mover, first, n);
	else if (fields.state == PAGE_ZERO)
		n = show_zeros(pager, mover, first, n);
	else
		n = 0;
	for (i = 0; i < n; i++)
		entry[i] = page_map_get(pager->map, first + i);
	return n;
}

/* As it was: then it is ZERO still, or this thread's.  What was discarded waits for its hole */
static bool claim_scanned(struct guest_pager *pager, uint64_t page, page_entry expected)
{
	struct page_fields fields = page_entry_fields(expected);

	if (fields.state == PAGE_ZERO)
		return page_map_get(pager->map, page) == expected;
	if (fields.state != PAGE_RESIDENT || !fields.has_slot || fields.discarded || fields.bad)
		return false;
	fields.state = PAGE_LOADING;
	return page_map_swap(pager->map, page, &expected, page_entry_make(fields));
}

/* Those that the guest can't have written: nothing but this thread allows it to.  Pagemap's bit
 * 57 */
static void only_protected(struct guest_pager *pager, uint64_t first, size_t n, bool *of)
{
	off_t at = (off_t)(ram_address(&pager->ram, first) / PAGE_BYTES * sizeof(uint64_t));
	uint64_t entry[SCAN_PAGES_MAX] = { 0 };
	size_t i;

	changes_lock(pager);
	if (pager->changes.ran || pread(pager->pagemap, entry, n * sizeof(entry[0]), at) < 0)
		memset(of, false, n * sizeof(of[0]));
	changes_unlock(pager);
	for (i = 0; i < n; i++)
		of[i] = of[i] && entry[i] >> 57 & 1;
}

static bool punch_scanned(struct guest_pager *pager, uint64_t first, size_t n)
{
	const struct ram_object *object = ram_object_of(&pager->ram, first);
	off_t offset = (off_t)((first - object->first) * PAGE_BYTES);

	if (pager->calls.punch(object->fd, offset, (off_t)(n * PAGE_BYTES)) < 0)
		return false;
	STEP("scan_punched");
	if (still_there(pager, first, n)) {
		pager->page_lost = true;
		pager_alarm(pager, ALARM_FOLIOS,
			    "eviction stopped: memory was in large folios, and a page is lost");
		return false;
	}
	/* Their protection has outlived them.  Where it stays, its fault ends it */
	changes_unprotect(pager, first, n);
	return true;
}

void drop_scanned(struct guest_pager *pager, uint64_t first, size_t n, const page_entry *entry,
		  bool *gone)
{
	bool claimed[SCAN_PAGES_MAX];
	size_t i, end;

	for (i = 0; i < n; i++)
		claimed[i] = gone[i] = claim_scanned(pager, first + i, entry[i]);
	STEP("scan_claimed");
	only_protected(pager, first, n, gone);
	for (i = 0; i < n; i = end) {
		for (end = i + 1; gone[i] && end < n && gone[end];)
			end++;
		if (gone[i] && !punch_scanned(pager, first + i, end - i))
			memset(&gone[i], false, (end - i) * sizeof(gone[0]));
	}
	for (i = 0; i < n; i++) {
		struct page_fields fields = page_entry_fields(entry[i]);

		if (!claimed[i] || fields.state == PAGE_ZERO)
			continue;
		if (gone[i])
			abandon(pager, &pager->mover, first + i, fields);
		else
			loaded(pager, first + i, fields);
		STEP("scan_settled");
	}
}

/* ---- from a slow tier ---- */

/* Pages that this thread has as LOADING, and their content in the buffer.  @protect: for a look */
struct together {
	bool protect;
	size_t n;
	uint64_t page[READ_AHEAD_MAX];
	enum load_to to[READ_AHEAD_MAX];
	struct page_fields fields[READ_AHEAD_MAX];
	size_t asked[READ_AHEAD_MAX]; /* which of the caller's it is */
	int rc[READ_AHEAD_MAX];
};

static void together_claim(struct guest_pager *pager, struct mover *mover,
			   struct together *together, const uint64_t *pages, const enum load_to *to,
			   size_t n, int *rc)
{
	size_t i;

	for (i = 0; i < n; i++) {
		size_t k = together->n;

		rc[i] = 1;
		if (k == READ_AHEAD_MAX || !claim(pager, mover, pages[i], &together->fields[k]))
			continue;
		together->page[k] = pages[i];
		together->to[k] = to[i];
		together->asked[k] = i;
		together->n++;
	}
}

/* Neighbours in one file that were read, and go there in one way: in groups, so that the first is
 * there soon.  Return: behind the last of them */
static size_t together_end(struct guest_pager *pager, const struct together *together, size_t i)
{
	const struct ram_object *object = ram_object_of(&pager->ram, together->page[i]);
	uint64_t end = object->first + object->pages;
	size_t most = i + COPY_PAGES;

	do {
		i++;
	} while (i < together->n && i < most && together->rc[i] == 0 &&
		 together->page[i] == together->page[i - 1] + 1 && together->page[i] < end &&
		 together->to[i] == together->to[i - 1]);
	return i;
}

/* Return: what became of those that are not in place */
static int together_copy(struct guest_pager *pager, struct mover *mover,
			 const struct together *together, size_t i, size_t n)
{
	const unsigned char *from = mover->buffer + i * PAGE_BYTES;
	size_t copied = 0, filled = 0, k;
	int rc = 0;

	if (together->to[i] == LOAD_BESIDE && !pager->options.copies_only)
		filled = fill_pages(pager, mover, together->page[i], from, n);
	STEP("together_filled");
	if (filled < n)
		rc = copy_all(pager, together->page[i] + filled, from + filled * PAGE_BYTES,
			      n - filled, together->protect, &copied);
	copied += filled;
	for (k = i; k < i + copied; k++) {
		if (together->protect)
			loaded_for_look(pager, together->page[k], together->fields[k]);
		else
			loaded(pager, together->page[k], together->fields[k]);
	}
	for (; k < i + n; k++)
		abandon(pager, mover, together->page[k], together->fields[k]);
	wake_loaded(pager, mover, together->page[i], copied);
	return copied == n ? 0 : rc < 0 ? rc : -EIO;
}

/* To the tier that a page comes to first.  What that does not take stays where it is */
static void bring_nearer(struct guest_pager *pager, struct mover *mover, uint64_t page,
			 struct page_fields fields, const void *content)
{
	struct page_fields nearer = fields;
	struct page_place place;

	if (store_content(pager, content, &place) == 0) {
		nearer.tier = place.tier;
		nearer.slot = place.slot;
		nearer.generation++;
		STEP("nearer_stored");
	}
	abandon(pager, mover, page, nearer);
	STEP("nearer_published");
	if (nearer.generation != fields.generation)
		free_slot(pager, fields);
}

void load_together(struct guest_pager *pager, struct mover *mover, const uint64_t *pages,
		   const enum load_to *to, size_t n, bool protect, int *rc)
{
	struct together together = { .protect = protect };
	size_t i, end, k;

	together_claim(pager, mover, &together, pages, to, n, rc);
	load_contents(pager, together.fields, together.n, mover->buffer, together.rc);
	STEP("load_fetched");
	for (i = 0; i < together.n; i = end) {
		int *result = &together.rc[i], copied;

		end = i + 1;
		if (*result == -EHWPOISON) {
			lose_page(pager, together.fields[i], together.page[i]);
			*result = 0;
		} else if (*result < 0) {
			abandon(pager, mover, together.page[i], together.fields[i]);
		} else if (together.to[i] == LOAD_NEARER) {
			bring_nearer(pager, mover, together.page[i], together.fields[i],
				     mover->buffer + i * PAGE_BYTES);
			*result = 1;
		} else {
			end = together_end(pager, &together, i);
			copied = together_copy(pager, mover, &together, i, end - i);
			for (k = i; k < end; k++)
				together.rc[k] = copied;
		}
	}
	for (i = 0; i < together.n; i++)
		rc[together.asked[i]] = together.rc[i];
}

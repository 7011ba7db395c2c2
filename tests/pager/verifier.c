// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The verifier's threads.
 *
 * DOC: what a page must hold, while others write it
 *
 * Of each page there is one word: the version whose writing was begun, the one whose writing has
 * ended, whether it was discarded since, and whether a thread is about to change it.  A thread that
 * changes a page locks it by that word.  One that only reads it copies the page between two looks
 * at the word: if both say the same, every byte must be right; if not, the page's stamp must be
 * that of a version in between.  So threads read, and wait for, the same page at the same time.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pager/verifier.h"

/* locked 1 | discarded 1 | begun 31 | ended 31 */
#define LOCKED	  (1ULL << 63)
#define DISCARDED (1ULL << 62)

enum { SHOWN = 10, BUCKETS = 64 * 8, RANGE_MAX = 64, TORN_TRIES = 8 };

/* Of one thread, written by it alone and read by others */
struct counts {
	_Atomic uint64_t checks, writes, discards, wrong, accesses, slow, longest_ns;
	_Atomic uint64_t bucket[BUCKETS];
};

struct worker {
	struct verifier *verifier;
	struct access access;
	struct counts counts;
	pthread_t thread;
};

struct verifier {
	struct verifier_options options;
	struct zipf zipf;
	_Atomic uint64_t *expected;
	_Atomic bool ends;
	_Atomic unsigned int shown;
	uint64_t balloon; /* pages, from the first one */
	uint64_t since_ns;
	/* What the last figures had of what is counted since them */
	uint64_t accesses, slow, bucket[BUCKETS];
	struct worker worker[VERIFIER_THREADS_MAX], reader, discarder, main;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void add(_Atomic uint64_t *count, uint64_t n)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static uint32_t begun(uint64_t word)
{
	return (uint32_t)(word >> 31) & 0x7fffffff;
}

static uint32_t ended(uint64_t word)
{
	return (uint32_t)word & 0x7fffffff;
}

static uint64_t word_of(uint32_t begun_version, uint32_t ended_version)
{
	return (uint64_t)begun_version << 31 | ended_version;
}

static uint64_t *words_of(const struct verifier *v, uint64_t page)
{
	return (uint64_t *)(void *)(v->options.memory + page * PAGE_SIZE_BYTES);
}

/* ---- what is wrong ---- */

static bool all_zeros(const uint64_t *words)
{
	unsigned int i;

	for (i = 0; i < PAGE_WORDS && !words[i]; i++)
		;
	return i == PAGE_WORDS;
}

/* Which version, or whose page, this is */
static void guess(const struct verifier *v, uint64_t page, uint32_t version, const uint64_t *words,
		  char *text, size_t size)
{
	const struct page_rules *rules = &v->options.rules;
	uint64_t other;
	uint32_t back;

	for (back = 0; back < 1000 && back < version; back++)
		if (words[0] && words[0] == page_stamp(rules, page, version - back)) {
			snprintf(text, size, "its first word is version %u's", version - back);
			return;
		}
	for (other = 0; other < v->options.pages; other++)
		if (words[0] && words[0] == page_stamp(rules, other, ended(v->expected[other]))) {
			snprintf(text, size, "its first word is page %llu's",
				 (unsigned long long)other);
			return;
		}
	snprintf(text, size, "%s", all_zeros(words) ? "it is zeros" : "it is nothing known");
}

static void is_wrong(struct verifier *v, struct counts *counts, uint64_t page, uint64_t word,
		     const uint64_t *words, unsigned int bytes)
{
	char text[80];

	add(&counts->wrong, bytes);
	if (atomic_fetch_add(&v->shown, 1) >= SHOWN)
		return;
	guess(v, page, ended(word), words, text, sizeof(text));
	fprintf(stderr, "wrong: page %llu, version %u%s: %u bytes, %s\n", (unsigned long long)page,
		ended(word), word & DISCARDED ? ", discarded" : "", bytes, text);
}

/* No thread wrote it meanwhile: each byte must be right */
static void check_still(struct verifier *v, struct counts *counts, uint64_t page, uint64_t word,
			const uint64_t *words)
{
	const struct page_rules *rules = &v->options.rules;
	unsigned int wrong;

	if (rules->whole || word & DISCARDED)
		wrong = page_wrong(rules, page, ended(word), words);
	else
		wrong = words[0] != page_stamp(rules, page, ended(word)) ||
					words[PAGE_WORDS - 1] != words[0] ?
				8 :
				0;
	if (wrong && word & DISCARDED && all_zeros(words))
		wrong = 0;
	add(&counts->checks, 1);
	if (wrong)
		is_wrong(v, counts, page, word, words, wrong);
}

/* It was being written: one of these versions' stamps */
static void check_moving(struct verifier *v, struct counts *counts, uint64_t page, uint64_t before,
			 uint64_t after, uint64_t stamp)
{
	uint32_t version = ended(before);

	/* Discarded meanwhile, it may be zeros */
	if (!stamp && v->options.discard)
		return;
	for (; version <= begun(after); version++)
		if (stamp == page_stamp(&v->options.rules, page, version))
			return;
	is_wrong(v, counts, page, before, &stamp, 8);
}

static void copy_page(const struct verifier *v, uint64_t page, uint64_t *words)
{
	const volatile uint64_t *from = words_of(v, page);

	if (v->options.rules.whole) {
		memcpy(words, (const void *)(uintptr_t)from, PAGE_SIZE_BYTES);
	} else {
		words[0] = from[0];
		words[PAGE_WORDS - 1] = from[PAGE_WORDS - 1];
	}
}

/* A page that is discarded while it is read gives old words, and zeros from then on */
static bool is_torn(const struct verifier *v, uint64_t page, uint64_t word, const uint64_t *words)
{
	uint64_t old[PAGE_WORDS];
	unsigned int i, zeros = 0;

	page_make(&v->options.rules, page, ended(word), old);
	for (i = 0; i < PAGE_WORDS; i++) {
		if (words[i] && words[i] != old[i])
			return false;
		zeros += !words[i] && old[i];
	}
	return zeros > 0 && !all_zeros(words);
}

/* Discarded, any byte may matter.  One that stays between old and zeros is wrong */
static void read_page(const struct verifier *v, uint64_t page, uint64_t word, uint64_t *words)
{
	unsigned int left = TORN_TRIES;

	if (!(word & DISCARDED)) {
		copy_page(v, page, words);
		return;
	}
	do {
		memcpy(words, words_of(v, page), PAGE_SIZE_BYTES);
		left--;
	} while (left && is_torn(v, page, word, words));
}

static void check_page(struct verifier *v, struct counts *counts, uint64_t page)
{
	uint64_t words[PAGE_WORDS];
	uint64_t before = atomic_load(&v->expected[page]) & ~LOCKED, after;

	read_page(v, page, before, words);
	atomic_thread_fence(memory_order_seq_cst);
	after = atomic_load(&v->expected[page]) & ~LOCKED;
	if (before == after && begun(before) == ended(before))
		check_still(v, counts, page, before, words);
	else if (!(before & DISCARDED))
		check_moving(v, counts, page, before, after, words[0]);
}

/* ---- changes ---- */

static bool lock_page(struct verifier *v, uint64_t page)
{
	uint64_t word = atomic_load(&v->expected[page]);

	return !(word & LOCKED) &&
	       atomic_compare_exchange_strong(&v->expected[page], &word, word | LOCKED);
}

static void unlock_page(struct verifier *v, uint64_t page)
{
	atomic_fetch_and(&v->expected[page], ~LOCKED);
}

/* What was discarded is written whole, as a guest does with what it got from its balloon */
static void write_locked(struct verifier *v, struct counts *counts, uint64_t page)
{
	uint64_t word = atomic_load(&v->expected[page]);
	uint32_t version = ended(word) + 1;
	const struct page_rules *rules = &v->options.rules;
	uint64_t words[PAGE_WORDS];

	if (word & DISCARDED)
		version = (version + 7) & ~7U;
	if (version < FIRST_VERSION)
		version = FIRST_VERSION;
	atomic_store(&v->expected[page],
		     word_of(version, ended(word)) | (word & DISCARDED) | LOCKED);
	if (word & DISCARDED) {
		page_make(rules, page, version, words);
		memcpy(words_of(v, page), words, sizeof(words));
	} else {
		page_write(rules, page, version, words_of(v, page));
	}
	atomic_store(&v->expected[page], word_of(version, version) | LOCKED);
	add(&counts->writes, 1);
}

static void write_page(struct verifier *v, struct counts *counts, uint64_t page)
{
	if (!lock_page(v, page))
		return;
	check_page(v, counts, page);
	write_locked(v, counts, page);
	unlock_page(v, page);
}

/* Return: the pages from @first on that could be locked */
static uint64_t lock_range(struct verifier *v, uint64_t first, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n && first + i < v->options.pages && lock_page(v, first + i); i++)
		;
	return i;
}

/* Said before it is done: from then on readers accept zeros */
static void discard_locked(struct verifier *v, struct counts *counts, uint64_t first, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++)
		atomic_fetch_or(&v->expected[first + i], DISCARDED);
	if (v->options.discard(v->options.memory + first * PAGE_SIZE_BYTES, n * PAGE_SIZE_BYTES))
		perror("discard");
	add(&counts->discards, n);
}

void verifier_balloon(struct verifier *v, uint64_t pages)
{
	struct counts *counts = &v->main.counts;
	uint64_t i;

	for (i = pages; i < v->balloon; i++)
		unlock_page(v, i);
	for (i = v->balloon; i < pages; i++) {
		while (!lock_page(v, i))
			usleep(100);
		discard_locked(v, counts, i, 1);
	}
	v->balloon = pages;
}

/* Written twice before, so that its last version is that of one word */
void verifier_spoil(struct verifier *v, enum spoil how, uint64_t page)
{
	uint64_t *words = words_of(v, page);
	uint32_t version;

	while (!lock_page(v, page))
		usleep(100);
	do {
		write_locked(v, &v->main.counts, page);
		version = ended(v->expected[page]);
	} while (version % 8 < 2);
	if (how == SPOIL_OLD)
		page_make(&v->options.rules, page, version - 1, words);
	else if (how == SPOIL_WORD)
		words[PAGE_WORDS / 2] ^= 1ULL << 32;
	else
		memset(words, 0, PAGE_SIZE_BYTES);
	unlock_page(v, page);
}

/* ---- threads ---- */

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int log = 63 - (unsigned int)__builtin_clzll(ns | 8);

	return log * 8 + (unsigned int)(ns >> (log - 3) & 7);
}

static double bucket_us(unsigned int bucket)
{
	return (double)((8ULL + bucket % 8) << (bucket / 8 - 3)) / 1000;
}

static void count_time(struct counts *counts, uint64_t ns)
{
	add(&counts->accesses, 1);
	if (ns < SLOW_NS)
		return;
	add(&counts->slow, 1);
	add(&counts->bucket[bucket_of(ns)], 1);
	if (ns > atomic_load(&counts->longest_ns))
		atomic_store(&counts->longest_ns, ns);
}

static uint64_t next_page(struct worker *worker)
{
	const struct verifier_options *options = &worker->verifier->options;

	if (options->stray && draw(&worker->access.random) % options->stray == 0)
		return draw(&worker->access.random) % options->pages;
	return access_next(&worker->access);
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct verifier *v = worker->verifier;
	uint64_t page, begin, end = now_ns();
	unsigned int n = 0;

	while (!atomic_load_explicit(&v->ends, memory_order_relaxed)) {
		if (v->options.burst && n++ % v->options.burst == 0)
			usleep(v->options.rest_us);
		page = next_page(worker);
		begin = now_ns();
		if (draw(&worker->access.random) % 100 < v->options.writes)
			write_page(v, &worker->counts, page);
		else
			check_page(v, &worker->counts, page);
		end = now_ns();
		count_time(&worker->counts, end - begin);
	}
	return NULL;
}

static void *read_late(void *arg)
{
	struct worker *worker = arg;
	struct verifier *v = worker->verifier;
	uint64_t page = 0;

	while (!atomic_load(&v->ends)) {
		check_page(v, &worker->counts, page);
		page = (page + 1) % v->options.pages;
		if (!(page % 256))
			usleep(2000);
	}
	return NULL;
}

/* Half of it is used again at once: the pager may not have done yet what the discard asks for */
static void discard_somewhere(struct worker *worker)
{
	struct verifier *v = worker->verifier;
	uint64_t *random = &worker->access.random;
	uint64_t first = draw(random) % v->options.pages;
	uint64_t i, n = lock_range(v, first, 1 + draw(random) % RANGE_MAX);

	if (n)
		discard_locked(v, &worker->counts, first, n);
	for (i = 0; i < n; i++) {
		if (draw(random) % 2)
			write_locked(v, &worker->counts, first + i);
		unlock_page(v, first + i);
	}
}

static void *discard_always(void *arg)
{
	struct worker *worker = arg;

	while (!atomic_load(&worker->verifier->ends)) {
		discard_somewhere(worker);
		usleep(200 + (unsigned int)(draw(&worker->access.random) % 2000));
	}
	return NULL;
}

static bool start_worker(struct verifier *v, struct worker *worker, void *(*job)(void *),
			 const char *name)
{
	if (pthread_create(&worker->thread, NULL, job, worker))
		return false;
	pthread_setname_np(worker->thread, name);
	worker->verifier = v;
	return true;
}

bool verifier_start(struct verifier *v)
{
	char name[16];
	unsigned int i;

	atomic_store(&v->ends, false);
	for (i = 0; i < v->options.threads; i++) {
		snprintf(name, sizeof(name), "CPU %u/KVM", i);
		if (!start_worker(v, &v->worker[i], work, name))
			return false;
	}
	if (v->options.late_reader && !start_worker(v, &v->reader, read_late, "live_migration"))
		return false;
	return !v->options.discards || start_worker(v, &v->discarder, discard_always, "balloon");
}

void verifier_stop(struct verifier *v)
{
	unsigned int i;

	atomic_store(&v->ends, true);
	for (i = 0; i < v->options.threads; i++)
		pthread_join(v->worker[i].thread, NULL);
	if (v->options.late_reader)
		pthread_join(v->reader.thread, NULL);
	if (v->options.discards)
		pthread_join(v->discarder.thread, NULL);
}

void verifier_check_all(struct verifier *v)
{
	uint64_t page;
	bool whole = v->options.rules.whole;

	/* A measurement's pages have their first content inside */
	for (page = 0; page < v->options.pages; page++) {
		check_page(v, &v->main.counts, page);
		if (!whole && !(v->expected[page] & DISCARDED) &&
		    page_wrong(&v->options.rules, page, ended(v->expected[page]),
			       words_of(v, page)))
			is_wrong(v, &v->main.counts, page, v->expected[page], words_of(v, page), 1);
	}
}

static uint64_t used_pages(const struct verifier_options *options)
{
	uint64_t pages = options->pages * options->used / 100;

	return options->used && pages ? pages : options->pages;
}

static void prepare_worker(struct verifier *v, struct worker *worker, unsigned int number)
{
	worker->verifier = v;
	access_start(&worker->access, v->options.pattern, &v->zipf, used_pages(&v->options),
		     v->options.rules.seed + number);
}

struct verifier *verifier_new(const struct verifier_options *options)
{
	struct verifier *v = calloc(1, sizeof(*v));
	unsigned int i;
	uint64_t page;

	if (!v)
		return NULL;
	v->options = *options;
	v->expected = calloc(options->pages, sizeof(*v->expected));
	if (!v->expected || !zipf_prepare(&v->zipf, used_pages(options))) {
		free(v);
		return NULL;
	}
	for (i = 0; i < options->threads; i++)
		prepare_worker(v, &v->worker[i], i);
	prepare_worker(v, &v->reader, 100);
	prepare_worker(v, &v->discarder, 101);
	prepare_worker(v, &v->main, 102);
	for (page = 0; page < options->pages; page++) {
		v->expected[page] = DISCARDED;
		if (page + options->untouched < options->pages)
			write_locked(v, &v->main.counts, page);
		unlock_page(v, page);
	}
	v->since_ns = now_ns();
	return v;
}

void verifier_free(struct verifier *v)
{
	free(v->zipf.page);
	free(v->expected);
	free(v);
}

/* ---- figures ---- */

static void sum_up(struct verifier_figures *figures, struct counts *counts, uint64_t *bucket)
{
	uint64_t longest = atomic_exchange(&counts->longest_ns, 0);
	unsigned int i;

	figures->checks += counts->checks;
	figures->writes += counts->writes;
	figures->discards += counts->discards;
	figures->wrong += counts->wrong;
	figures->accesses += counts->accesses;
	figures->slow += counts->slow;
	for (i = 0; i < BUCKETS; i++)
		bucket[i] += counts->bucket[i];
	if ((double)longest / 1000 > figures->longest_us)
		figures->longest_us = (double)longest / 1000;
}

/* Threads go on counting: what is since the last time is a difference */
static uint64_t since(uint64_t *last, uint64_t sum)
{
	uint64_t n = sum - *last;

	*last = sum;
	return n;
}

static double percentile(const uint64_t *bucket, uint64_t of, double part)
{
	uint64_t seen = 0;
	unsigned int i;

	for (i = 0; i < BUCKETS; i++) {
		seen += bucket[i];
		if (of && (double)seen >= part * (double)of)
			return bucket_us(i);
	}
	return 0;
}

void verifier_figures(struct verifier *v, struct verifier_figures *figures)
{
	uint64_t bucket[BUCKETS] = { 0 };
	uint64_t now = now_ns();
	unsigned int i;

	*figures = (struct verifier_figures){ .seconds = (double)(now - v->since_ns) / 1e9 };
	v->since_ns = now;
	for (i = 0; i < v->options.threads; i++)
		sum_up(figures, &v->worker[i].counts, bucket);
	sum_up(figures, &v->reader.counts, bucket);
	sum_up(figures, &v->discarder.counts, bucket);
	sum_up(figures, &v->main.counts, bucket);
	figures->accesses = since(&v->accesses, figures->accesses);
	figures->slow = since(&v->slow, figures->slow);
	for (i = 0; i < BUCKETS; i++)
		bucket[i] = since(&v->bucket[i], bucket[i]);
	figures->slow_p50_us = percentile(bucket, figures->slow, 0.5);
	figures->slow_p99_us = percentile(bucket, figures->slow, 0.99);
}

void verifier_print_with(struct verifier *v, const struct verifier_figures *others, FILE *out,
			 const char *head)
{
	struct verifier_figures f;

	verifier_figures(v, &f);
	f.checks += others->checks;
	f.writes += others->writes;
	f.discards += others->discards;
	f.wrong += others->wrong;
	fprintf(out,
		"%s checks=%llu writes=%llu discards=%llu wrong=%llu seconds=%.3f accesses=%llu "
		"slow=%llu p50_us=%.2f p99_us=%.2f longest_us=%.0f\n",
		head, (unsigned long long)f.checks, (unsigned long long)f.writes,
		(unsigned long long)f.discards, (unsigned long long)f.wrong, f.seconds,
		(unsigned long long)f.accesses, (unsigned long long)f.slow, f.slow_p50_us,
		f.slow_p99_us, f.longest_us);
	fflush(out);
}

void verifier_print(struct verifier *v, FILE *out, const char *head)
{
	const struct verifier_figures none = { .checks = 0 };

	verifier_print_with(v, &none, out, head);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: random events against a reference
 *
 * Guests are prepared, start, end and are settled; vhost-user back ends keep a part of
 * their memory; pages are reserved and released by hand; an administrator and other programs
 * grow, shrink and use the pool, between our write and our read-back too; the
 * administrator's number is written anew with no thought of guests; hooks are killed while
 * they prepare and while they give back; a ledger can't be read for a while.
 * Beside it the reference knows what nobody can see on a real host: whose each page is.
 *
 * After each event: the pool is not one page smaller than what the administrator wants,
 * what was added for running guests, and what dead ones still have mapped of what was added
 * for them.  When all are gone: nothing of ours is left, in no pool and no ledger, but for
 * what policy/account.h says no program can tell apart.  Each fourth sequence is one of pages
 * of 1 GiB.
 *
 * A failure prints the seed.  ACCOUNT_SEEDS="FIRST COUNT" plays others, ACCOUNT_TRACE=1
 * prints each event.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/release.h"
#include "lifecycle/reserve.h"
#include "lifecycle/session.h"
#include "lifecycle/state.h"
#include "unit/fake_host.h"
#include "unit/unit.h"

#define GUESTS_N   4
#define PROGRAMS_N 3
#define EVENTS_N   40
#define SEEDS_N	   (unit_long() ? 150 : 15)

/* What a reservation had lost, counted as foreign when its guest started; a debt paid with a
 * running guest's pages to spare, while a back end keeps others late */
static const unsigned long long told[] = { 347, 386 };

enum life { ABSENT, RESERVED, PREPARED, RUNS, ENDED, LATE };

/**
 * struct guest_truth - A guest as it is
 * @size:	Pages it was promised
 * @grown:	By how many the pool grew for it
 * @late:	Pages that a back end keeps after QEMU's end
 * @unseen:	It has only their file, and nothing mapped
 */
struct guest_truth {
	enum life life;
	uint64_t size;
	uint64_t grown;
	uint64_t late;
	bool unseen;
	pid_t qemu;
};

/* Another program: @pages of the administrator's in use, @surplus beyond.  @unseen: of
 * another PID namespace */
struct program {
	uint64_t pages;
	uint64_t surplus;
	bool unseen;
};

/**
 * struct world - All of it
 * @wanted:	Pages the administrator wants in the pool
 * @uncertain:	Pages that may be left since no program can tell whose they were: cases a,
 *		b and e of policy/account.h.  Since a round last found nothing of ours
 * @blurred:	The same for case c, where fewer pages are known to be ours besides
 * @unread:	There is a ledger that can't be read, and @blind: was when we last looked
 * @taken:	Pages that the administrator took since we last looked
 * @window:	What the administrator does after our next write
 */
struct world {
	struct fake_host h;
	struct guest_truth guests[GUESTS_N];
	struct program programs[PROGRAMS_N];
	uint64_t page_kib;
	uint64_t wanted;
	uint64_t uncertain;
	uint64_t blurred;
	uint64_t taken;
	int64_t window;
	bool growing;
	bool ending;
	bool unread;
	bool blind;
	unsigned int die_at;
	uint64_t seed;
	uint64_t random;
	bool trace;
	char last[256];
	bool failed;
};

static const char *const uuids[GUESTS_N] = { UUID_A, UUID_B, UUID_C,
					     "dddddddd-cdaf-9455-926a-d65c16db1809" };

/* ---- chance ---- */

static uint64_t next(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static uint64_t below(struct world *w, uint64_t n)
{
	return n ? next(w) % n : 0;
}

static bool chance(struct world *w, unsigned int percent)
{
	return below(w, 100) < percent;
}

/* The first number of that name in what is remembered; 0: there is none */
static uint64_t number_in(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static uint64_t number_of_ledger(const struct world *w, size_t i, const char *name)
{
	char text[16384];

	ledger_text(&w->h, uuids[i], text, sizeof(text));
	return number_in(text, name);
}

/* What is remembered, for those who look into a failure */
static void trace_numbers(const char *whose, const char *text)
{
	static const char *const names[] = { "have",	   "own",	   "promoted",
					     "chunk_grow", "chunk_shrink", "foreign",
					     "base",	   "missing",	   "lost" };
	char name[32];
	size_t i;

	printf("#    %s", whose);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "\"%s\":", names[i]);
		if (strstr(text, name))
			printf(" %s %" PRIu64, names[i], number_in(text, name));
	}
	printf("\n");
}

static void trace_state(const struct world *w)
{
	char text[16384], name[8];
	size_t i;

	for (i = 0; i < GUESTS_N; i++) {
		snprintf(name, sizeof(name), "g%zu", i);
		ledger_text(&w->h, uuids[i], text, sizeof(text));
		if (text[0])
			trace_numbers(name, text);
	}
	fake_get(&w->h.fk, STATE "pools", text, sizeof(text));
	if (text[0])
		trace_numbers("account", text);
}

__attribute__((format(printf, 2, 3))) static void tell(struct world *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(w->last, sizeof(w->last), format, args);
	va_end(args);
	if (w->trace) {
		struct fake_pool pool = fake_pool(&w->h.fk, 0, w->page_kib);

		printf("# %s (nr %" PRIu64 " free %" PRIu64 " surplus %" PRIu64 ", wanted %" PRIu64
		       ")\n",
		       w->last, pool.nr, pool.free, pool.surplus, w->wanted);
		trace_state(w);
	}
}

static void fail(struct world *w, const char *what, uint64_t got, uint64_t want)
{
	if (w->failed)
		return;
	w->failed = true;
	unit_check(false, __FILE__, __LINE__, what,
		   "%" PRIu64 ", expected %" PRIu64 " (ACCOUNT_SEEDS=\"%" PRIu64 " 1\", after: %s)",
		   got, want, w->seed, w->last);
}

/* ---- the pool ---- */

static struct fake_pool pool(const struct world *w)
{
	return fake_pool(&w->h.fk, 0, w->page_kib);
}

static uint64_t persistent(const struct world *w)
{
	struct fake_pool p = pool(w);

	return p.nr - p.surplus;
}

static bool lives(const struct guest_truth *g)
{
	return g->life == RESERVED || g->life == PREPARED || g->life == RUNS;
}

/* Pages that a growth promoted from surplus are in use by others: they come on top */
static uint64_t living_grown(const struct world *w)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < GUESTS_N; i++)
		if (lives(&w->guests[i]))
			sum += u64_min(w->guests[i].grown, w->guests[i].size);
	return sum;
}

static uint64_t late_grown(const struct world *w)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < GUESTS_N; i++)
		if (w->guests[i].life == LATE || w->guests[i].life == ENDED)
			sum += u64_min(w->guests[i].late, w->guests[i].grown);
	return sum;
}

/* No page of ours is in the pool, as far as any ledger says */
static bool none_of_ours(const struct world *w)
{
	size_t i;

	for (i = 0; i < GUESTS_N; i++)
		if (w->guests[i].grown || number_of_ledger(w, i, "\"own\":") ||
		    (w->guests[i].life >= ENDED && has_ledger(&w->h, uuids[i])))
			return false;
	return true;
}

/* What the administrator's pool has lent, or has in use */
static uint64_t in_use_of_wanted(const struct world *w)
{
	uint64_t sum = 0;
	size_t i;

	/* Of the surplus pages those that a write has made persistent since */
	for (i = 0; i < PROGRAMS_N; i++)
		sum += w->programs[i].surplus;
	sum = u64_sub_floor(sum, pool(w).surplus);
	for (i = 0; i < PROGRAMS_N; i++)
		sum += w->programs[i].pages;
	for (i = 0; i < GUESTS_N; i++)
		if (w->guests[i].life != ABSENT)
			sum += u64_sub_floor(w->guests[i].life == LATE ? w->guests[i].late :
									 w->guests[i].size,
					     w->guests[i].grown);
	return sum;
}

/* Does the account know it for the administrator's number? */
static bool is_number(const struct world *w, uint64_t pages)
{
	char text[4096];

	fake_get(&w->h.fk, STATE "pools", text, sizeof(text));
	return pages == number_in(text, "\"foreign\":") || pages == number_in(text, "\"base\":");
}

/* From now on changes are known again, if all ledgers can be read */
static void looked(struct world *w)
{
	w->taken = 0;
	w->blind = w->unread;
}

/* What the ledgers promise, those of guests that are gone and were not settled too */
static uint64_t promised(const struct world *w)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < GUESTS_N; i++)
		sum += number_of_ledger(w, i, "\"have\":");
	return sum;
}

static void write_by_hand(struct world *w, int64_t change)
{
	uint64_t is = (uint64_t)((int64_t)persistent(w) + change);

	fake_write_pool(&w->h.fk, 0, w->page_kib, is);
	w->wanted = (uint64_t)((int64_t)w->wanted + change);
	w->taken += change < 0 ? (uint64_t)-change : 0;
	if ((w->blind || is < promised(w)) && change < 0)
		w->uncertain += (uint64_t)-change;
	else if (is_number(w, is))
		w->uncertain += w->taken;
}

/* With nothing of ours in the pool */
static void check_left(struct world *w)
{
	uint64_t most = w->wanted + w->uncertain + w->blurred;

	if (persistent(w) < w->wanted)
		fail(w, "pages without ours", persistent(w), w->wanted);
	if (persistent(w) > most)
		fail(w, "pages left", persistent(w), most);
}

/* ---- processes ---- */

static void show(struct world *w, int pid, const char *file, uint64_t pages)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "7f0000000000 default file=%s\\040(deleted) huge N0=%" PRIu64
		 " kernelpagesize_kB=%" PRIu64 "\n",
		 file, pages, w->page_kib);
	fake_put_process(&w->h.fk, pid, "numa_maps", text);
	snprintf(text, sizeof(text),
		 "7f0000000000-%" PRIx64 " rw-s 00000000 00:0f %d %s (deleted)\n",
		 UINT64_C(0x7f0000000000) + pages * w->page_kib * 1024, pid, file);
	fake_put_process(&w->h.fk, pid, "maps", text);
}

static void hide(struct world *w, int pid)
{
	static const char *const files[] = { "numa_maps", "maps" };
	char name[64];
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "proc/%d/%s", pid, files[i]);
		if (fake_exists(&w->h.fk, name))
			fake_remove(&w->h.fk, name);
	}
}

#define PROGRAM_PID(i)	(900000 + (int)(i))
#define BACK_END_PID(i) (800000 + (int)(i))

/* ---- guests ---- */

static void guest_xml(const struct world *w, size_t i, bool starts, char *xml, size_t size)
{
	char id[16] = "";

	if (starts)
		snprintf(id, sizeof(id), "id='%zu'", i + 1);
	snprintf(xml, size,
		 "<domain type='kvm' %s><name>g%zu</name><uuid>%s</uuid><memory unit='KiB'>%" PRIu64
		 "</memory><memoryBacking><hugepages><page size='%" PRIu64
		 "' unit='KiB'/></hugepages></memoryBacking>" ON_NODE(0) "</domain>",
		 id, i, uuids[i], w->guests[i].size * w->page_kib, w->page_kib);
}

static int hook(struct world *w, event_function *function, size_t i)
{
	char name[8], xml[1024];

	snprintf(name, sizeof(name), "g%zu", i);
	guest_xml(w, i, true, xml, sizeof(xml));
	/* The others look at no pool */
	if (function == hook_prepare)
		looked(w);
	return run(&w->h, function, name, xml);
}

/* Whatever was uncertain, with nothing of ours there the pool is as the administrator has
 * left it.  Not before it was seen that no more is left than what was uncertain */
static void before_round(struct world *w)
{
	if (!none_of_ours(w) || w->unread)
		return;
	check_left(w);
	w->wanted = persistent(w);
	w->uncertain = w->blurred = 0;
}

static void settle(struct world *w)
{
	struct session session;

	if (session_open(&session, &w->h.fk.kfs, SESSION_CREATE, &w->h.err) == 0 &&
	    reconcile_begin(&session, clock_ms() + 1000, NULL, NULL, &w->h.err) < 0)
		fail(w, w->h.err.text, 1, 0);
	session_close(&session);
}

/* What the timer does, once */
static void reconcile_all(struct world *w)
{
	before_round(w);
	looked(w);
	settle(w);
}

static bool has_ledger_of(const struct world *w, size_t i)
{
	return has_ledger(&w->h, uuids[i]);
}

/* Settled, and its back end has ended: as if it had never been */
static void forget_settled(struct world *w)
{
	size_t i;

	for (i = 0; i < GUESTS_N; i++) {
		struct guest_truth *g = &w->guests[i];

		if (g->life == ENDED && !g->late && !has_ledger_of(w, i))
			*g = (struct guest_truth){ 0 };
		if (g->life == ENDED && g->late)
			g->life = LATE;
	}
}

/* ---- events ---- */

/* What it has grown for the guest, by one of the two */
static void grow_for(struct world *w, size_t i, int (*function)(struct world *w, size_t i))
{
	struct guest_truth *g = &w->guests[i];
	uint64_t before = persistent(w), changed = w->wanted;

	w->growing = true;
	if (function(w, i) < 0)
		fail(w, w->h.err.text, 1, 0);
	w->window = 0;
	w->growing = false;
	/* The administrator's own change is no growth */
	g->grown += u64_sub_floor(persistent(w) + changed, before + w->wanted);
}

static int prepare(struct world *w, size_t i)
{
	return hook(w, hook_prepare, i);
}

static bool do_prepare(struct world *w, size_t i)
{
	struct guest_truth *g = &w->guests[i];
	int64_t window = chance(w, 15) ? (int64_t)below(w, 9) - 4 : 0;

	if (g->life != RESERVED && (g->life != ABSENT || has_ledger_of(w, i)))
		return false;
	if (g->life == ABSENT)
		g->size = 1 + below(w, 60);
	/* Else what is given back to the host meanwhile would hide some of the growth */
	reconcile_all(w);
	forget_settled(w);
	before_round(w);
	w->window = window;
	tell(w, "prepare g%zu of %" PRIu64 ", window %" PRId64, i, g->size, window);
	grow_for(w, i, prepare);
	g->life = PREPARED;
	tell(w, "prepared g%zu, grown %" PRIu64, i, g->grown);
	return true;
}

/* ---- by hand ---- */

static int by_hand(struct world *w, size_t i,
		   int (*work)(struct world *w, size_t i, struct session *session))
{
	struct session session;
	int rc = session_open(&session, &w->h.fk.kfs, SESSION_CREATE, &w->h.err);

	if (rc == 0) {
		looked(w);
		rc = work(w, i, &session);
	}
	session_close(&session);
	return rc;
}

static int reserve_in(struct world *w, size_t i, struct session *session)
{
	struct ledger *ledger = NULL;
	struct plan plan = { 0 };
	struct guest *guest = NULL;
	char xml[1024];
	int rc;

	guest_xml(w, i, false, xml, sizeof(xml));
	rc = guest_parse(xml, strlen(xml), &guest, &w->h.err);
	if (rc == 0)
		rc = reserve_for_start(session, guest, &ledger, &plan, &w->h.err);
	guest_free(guest);
	ledger_free(ledger);
	plan_free(&plan);
	return rc;
}

static int release_in(struct world *w, size_t i, struct session *session)
{
	struct reconciled_guest result = { 0 };

	return release_guest(session, uuids[i], false, &result, &w->h.err);
}

static int reserve(struct world *w, size_t i)
{
	return by_hand(w, i, reserve_in);
}

static bool do_reserve(struct world *w, size_t i)
{
	struct guest_truth *g = &w->guests[i];

	if (g->life != ABSENT || has_ledger_of(w, i))
		return false;
	g->size = 1 + below(w, 60);
	reconcile_all(w);
	forget_settled(w);
	before_round(w);
	tell(w, "reserve g%zu of %" PRIu64, i, g->size);
	grow_for(w, i, reserve);
	g->life = RESERVED;
	tell(w, "reserved g%zu, grown %" PRIu64, i, g->grown);
	return true;
}

static bool do_release(struct world *w, size_t i)
{
	if (w->guests[i].life != RESERVED)
		return false;
	tell(w, "what is reserved for g%zu is released", i);
	if (by_hand(w, i, release_in) < 0)
		fail(w, w->h.err.text, 1, 0);
	w->guests[i].life = ENDED;
	forget_settled(w);
	return true;
}

static void die(struct fake_kernel *fk)
{
	struct world *w = fk->data;

	if (w->die_at && !--w->die_at)
		_exit(0);
}

static void after_write(struct fake_kernel *fk)
{
	struct world *w = fk->data;
	int64_t window = w->window;

	die(fk);
	w->window = 0;
	if (!window || (window < 0 && (uint64_t)-window > u64_min(w->wanted, pool(w).free)))
		return;
	if (window < 0 && w->growing)
		w->blurred += (uint64_t)-window;
	write_by_hand(w, window);
}

/* The hook is killed while it prepares, and libvirt says that the guest is gone */
static bool do_killed_prepare(struct world *w, size_t i)
{
	pid_t pid;

	if (w->guests[i].life != ABSENT || has_ledger_of(w, i))
		return false;
	before_round(w);
	w->guests[i].size = 1 + below(w, 60);
	tell(w, "killed prepare of g%zu", i);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		w->die_at = 1 + (unsigned int)below(w, 3);
		hook(w, hook_prepare, i);
		_exit(0);
	}
	next(w);
	waitpid(pid, NULL, 0);
	hook(w, hook_stopped, i);
	w->guests[i] = (struct guest_truth){ .life = ENDED };
	reconcile_all(w);
	forget_settled(w);
	return true;
}

static void end_qemu(struct world *w, size_t i, uint64_t late)
{
	struct guest_truth *g = &w->guests[i];

	if (g->life == RUNS) {
		fake_end(&w->h.fk, g->qemu);
		fake_unuse(&w->h.fk, 0, w->page_kib, g->size - late);
	}
	g->late = late;
	g->life = ENDED;
	g->unseen = chance(w, 40);
	if (late && !g->unseen)
		show(w, BACK_END_PID(i), "/memfd:pc.ram", late);
}

static bool do_start(struct world *w, size_t i)
{
	struct guest_truth *g = &w->guests[i];
	char name[8], text[256];

	if (g->life != PREPARED)
		return false;
	/* The administrator took idle pages that were promised: such a start fails */
	if (pool(w).free < g->size) {
		tell(w, "g%zu does not find its pages", i);
		end_qemu(w, i, 0);
		hook(w, hook_stopped, i);
		return true;
	}
	tell(w, "g%zu starts", i);
	snprintf(name, sizeof(name), "g%zu", i);
	g->qemu = fake_qemu(&w->h.fk, name);
	snprintf(text, sizeof(text),
		 "7f0 default file=/memfd:pc.ram huge N0=%" PRIu64 " kernelpagesize_kB=%" PRIu64
		 "\n",
		 g->size, w->page_kib);
	fake_put_process(&w->h.fk, g->qemu, "numa_maps", text);
	fake_use(&w->h.fk, 0, w->page_kib, g->size);
	g->life = RUNS;
	hook(w, hook_started, i);
	return true;
}

static bool do_end(struct world *w, size_t i)
{
	struct guest_truth *g = &w->guests[i];
	uint64_t late = 0;

	if (g->life != RUNS && g->life != PREPARED)
		return false;
	if (g->life == RUNS && chance(w, 40))
		late = below(w, g->size + 1);
	tell(w, "g%zu ends, %" PRIu64 " late", i, late);
	end_qemu(w, i, late);
	hook(w, hook_stopped, i);
	if (chance(w, 70)) {
		w->window = chance(w, 20) ? (int64_t)below(w, 9) - 4 : 0;
		reconcile_all(w);
		w->window = 0;
	}
	forget_settled(w);
	return true;
}

/* Killed while what it had is given back */
static bool do_killed_release(struct world *w, size_t i)
{
	struct guest_truth *g = &w->guests[i];
	pid_t pid;

	if (g->life != RUNS && g->life != PREPARED)
		return false;
	end_qemu(w, i, g->life == RUNS && chance(w, 40) ? below(w, g->size + 1) : 0);
	tell(w, "g%zu ends, %" PRIu64 " late, killed release", i, g->late);
	hook(w, hook_stopped, i);
	before_round(w);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		w->die_at = 1 + (unsigned int)below(w, 3);
		settle(w);
		_exit(0);
	}
	next(w);
	waitpid(pid, NULL, 0);
	/* The ledger knows only what was to be written: case g */
	reconcile_all(w);
	forget_settled(w);
	return true;
}

/* What ends unseen beside unseen back ends looks like the end of these: case f */
static bool others_unseen(const struct world *w, size_t but)
{
	size_t i;

	for (i = 0; i < GUESTS_N; i++)
		if (i != but && w->guests[i].late && w->guests[i].unseen)
			return !w->ending;
	return false;
}

static bool do_back_end_ends(struct world *w, size_t i)
{
	struct guest_truth *g = &w->guests[i];

	if (g->life != LATE || (g->unseen && others_unseen(w, i)))
		return false;
	tell(w, "the back end of g%zu ends", i);
	hide(w, BACK_END_PID(i));
	fake_unuse(&w->h.fk, 0, w->page_kib, g->late);
	g->late = 0;
	g->life = ENDED;
	if (chance(w, 50))
		reconcile_all(w);
	forget_settled(w);
	return true;
}

static bool do_reconcile(struct world *w, size_t i)
{
	(void)i;
	tell(w, "reconcile");
	reconcile_all(w);
	forget_settled(w);
	return true;
}

static bool do_grow(struct world *w, size_t i)
{
	int64_t n = 1 + (int64_t)below(w, 30);

	(void)i;
	tell(w, "the administrator adds %" PRId64, n);
	write_by_hand(w, n);
	return true;
}

/* What is not in use of the administrator's own */
static bool do_shrink(struct world *w, size_t i)
{
	uint64_t most = u64_min(u64_sub_floor(w->wanted, in_use_of_wanted(w)), pool(w).free);
	int64_t n = (int64_t)below(w, most + 1);

	(void)i;
	if (!n || pool(w).surplus)
		return false;
	tell(w, "the administrator takes %" PRId64, n);
	write_by_hand(w, -n);
	return true;
}

/* sysctl --system: the administrator's number again, with no thought of guests.  What they
 * have of ours is lost, and so is what their back ends keep */
static bool do_number(struct world *w, size_t i)
{
	(void)i;
	/* Where pages of others are left, his number is not known as his: case d */
	if (w->unread || w->uncertain || w->blurred || !chance(w, 30))
		return false;
	/* One that was written since we last looked is any number: case d */
	reconcile_all(w);
	forget_settled(w);
	tell(w, "the administrator's number is written again");
	fake_write_pool(&w->h.fk, 0, w->page_kib, w->wanted);
	for (i = 0; i < GUESTS_N; i++)
		w->guests[i].grown = 0;
	/* And so would be this one, with another one before we look */
	reconcile_all(w);
	forget_settled(w);
	return true;
}

/* A program maps pages of the administrator's that are not lent: they must be there */
static bool do_use(struct world *w, size_t i)
{
	struct program *p = &w->programs[i % PROGRAMS_N];
	uint64_t most = u64_sub_floor(w->wanted, in_use_of_wanted(w));

	if (p->pages || p->surplus || !most)
		return false;
	p->pages = 1 + below(w, most);
	tell(w, "program %zu uses %" PRIu64, i % PROGRAMS_N, p->pages);
	if (pool(w).free < p->pages) {
		fail(w, "free pages for a program", pool(w).free, p->pages);
		p->pages = 0;
		return true;
	}
	fake_use(&w->h.fk, 0, w->page_kib, p->pages);
	p->unseen = chance(w, 50);
	if (!p->unseen)
		show(w, PROGRAM_PID(i % PROGRAMS_N), "/anon_hugepage", p->pages);
	return true;
}

/* More than the pool has: nr_overcommit_hugepages allows it */
static bool do_surplus(struct world *w, size_t i)
{
	struct program *p = &w->programs[i % PROGRAMS_N];
	struct fake_pool now = pool(w);

	/* A gigantic page is never made on demand */
	if (p->pages || p->surplus || !chance(w, 30) || w->page_kib == PAGE_1G)
		return false;
	p->surplus = 1 + below(w, 10);
	tell(w, "program %zu has %" PRIu64 " surplus pages", i % PROGRAMS_N, p->surplus);
	now.nr += p->surplus;
	now.surplus += p->surplus;
	fake_set_pool(&w->h.fk, 0, w->page_kib, now);
	show(w, PROGRAM_PID(i % PROGRAMS_N), "/anon_hugepage", p->surplus);
	return true;
}

static bool do_unuse(struct world *w, size_t i)
{
	struct program *p = &w->programs[i % PROGRAMS_N];
	bool unseen;

	if ((!p->pages && !p->surplus) || (p->unseen && others_unseen(w, GUESTS_N)))
		return false;
	tell(w, "program %zu ends", i % PROGRAMS_N);
	hide(w, PROGRAM_PID(i % PROGRAMS_N));
	fake_unuse(&w->h.fk, 0, w->page_kib, p->pages + p->surplus);
	unseen = p->unseen;
	*p = (struct program){ 0 };
	/* Before a guest ends, too: case f */
	if (unseen)
		reconcile_all(w);
	forget_settled(w);
	return true;
}

#define DAMAGED GUESTS "eeeeeeee-cdaf-9455-926a-d65c16db1809"

/* A ledger that can't be read for a while */
static bool do_damage(struct world *w, size_t i)
{
	(void)i;
	if (!chance(w, 50))
		return false;
	w->unread = !w->unread;
	w->blind = w->blind || w->unread;
	if (w->unread)
		w->uncertain += w->taken;
	tell(w, w->unread ? "a ledger is damaged" : "the ledger is repaired");
	if (w->unread)
		fake_put(&w->h.fk, DAMAGED, "{");
	else
		fake_remove(&w->h.fk, DAMAGED);
	return true;
}

static bool (*const events[])(struct world *w, size_t i) = {
	do_prepare, do_prepare, do_prepare,	   do_start,	 do_start,
	do_end,	    do_end,	do_back_end_ends,  do_reconcile, do_grow,
	do_shrink,  do_shrink,	do_killed_prepare, do_use,	 do_use,
	do_unuse,   do_unuse,	do_surplus,	   do_damage,	 do_number,
	do_reserve, do_release, do_killed_release,
};

#define N_EVENTS (sizeof(events) / sizeof(events[0]))

/* ---- what must hold ---- */

static void check_floor(struct world *w)
{
	uint64_t floor = w->wanted + living_grown(w) + late_grown(w);

	/* Where a growth was blurred, fewer pages are known to be ours */
	if (persistent(w) + w->blurred < floor)
		fail(w, "persistent pages", persistent(w), floor);
}

static void end_all(struct world *w)
{
	size_t i;

	w->ending = true;
	for (i = 0; i < GUESTS_N; i++) {
		do_release(w, i);
		if (lives(&w->guests[i])) {
			tell(w, "g%zu ends at last", i);
			end_qemu(w, i, 0);
			hook(w, hook_stopped, i);
		}
		forget_settled(w);
		do_back_end_ends(w, i);
	}
	for (i = 0; i < PROGRAMS_N; i++)
		do_unuse(w, i);
	if (w->unread)
		fake_remove(&w->h.fk, DAMAGED);
	w->unread = false;
	reconcile_all(w);
	tell(w, "all have ended");
	forget_settled(w);
}

static void check_end(struct world *w)
{
	size_t i;

	check_left(w);
	for (i = 0; i < GUESTS_N; i++)
		if (has_ledger_of(w, i))
			fail(w, "a ledger is left", i, 0);
}

static void play(struct world *w, uint64_t seed)
{
	unsigned int left = EVENTS_N;

	w->seed = seed;
	w->page_kib = seed % 4 ? PAGE_2M : PAGE_1G;
	w->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	memset(w->guests, 0, sizeof(w->guests));
	memset(w->programs, 0, sizeof(w->programs));
	w->wanted = below(w, 100);
	w->uncertain = w->blurred = w->taken = 0;
	w->unread = w->blind = w->ending = false;
	w->failed = false;
	fake_empty_nodes(&w->h.fk);
	fake_set_meminfo(&w->h.fk, 0, "MemFree", 2000 * w->page_kib);
	fake_set_pool(&w->h.fk, 0, w->page_kib, (struct fake_pool){ w->wanted, w->wanted, 0 });
	if (fake_exists(&w->h.fk, STATE "pools"))
		fake_remove(&w->h.fk, STATE "pools");
	tell(w, "seed %" PRIu64, seed);
	while (left-- && !w->failed) {
		size_t event = below(w, N_EVENTS);

		before_round(w);
		if (events[event](w, below(w, GUESTS_N)))
			check_floor(w);
	}
	end_all(w);
	check_end(w);
}

static void test_random(void)
{
	unsigned long long first = 1, count = SEEDS_N, seed;
	const char *text = getenv("ACCOUNT_SEEDS");
	struct world w;
	size_t i;

	if (text)
		sscanf(text, "%llu %llu", &first, &count);
	memset(&w, 0, sizeof(w));
	w.trace = getenv("ACCOUNT_TRACE");
	fake_host_open(&w.h, "two-nodes-6.12", NULL);
	fake_put(&w.h.fk, GUESTS ".made", "");
	w.h.fk.data = &w;
	w.h.fk.before_write = die;
	w.h.fk.after_write = after_write;
	for (seed = first; seed < first + count && !w.failed; seed++)
		play(&w, seed);
	for (i = 0; !text && i < sizeof(told) / sizeof(told[0]) && !w.failed; i++)
		play(&w, told[i]);
	printf("# %llu sequences\n", seed - first);
	fake_host_close(&w.h);
}

/* While a guest's ledger can't be read, its pages are not taken for foreign ones: else they
 * would stay when it ends */
static void test_unread(void)
{
	char text[8192];
	FAKE_HOST(h, "two-nodes-6.12", NULL);

	fake_empty_nodes(&h.fk);
	fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 20, 20, 0 });
	OK(&h, hook_prepare, "a", XML(1, "a", UUID_A, 200, PAGES(2, "M") ON_NODE(0)));
	ledger_text(&h, UUID_A, text, sizeof(text));
	fake_put(&h.fk, GUESTS UUID_A, "{");
	fake_remove(&h.fk, STATE "pools");
	OK(&h, hook_prepare, "b", XML(2, "b", UUID_B, 300, PAGES(2, "M") ON_NODE(0)));
	fake_put(&h.fk, GUESTS UUID_A, text);
	OK(&h, hook_release, "b", XML(2, "b", UUID_B, 300, PAGES(2, "M") ON_NODE(0)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	OK(&h, hook_release, "a", XML(1, "a", UUID_A, 200, PAGES(2, "M") ON_NODE(0)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 20, 20, 0);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
}

static CU_TestInfo tests[] = {
	{ "a ledger that can't be read", test_unread },
	{ "random events", test_random },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_account_events", tests);
}

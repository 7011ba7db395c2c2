// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reserving by hand, and what a start makes of it: pools with the kernel's manners,
 * processes that hold the locks of QEMU and libvirt's driver.
 */
#include "lifecycle/reserve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "lifecycle/daemon.h"
#include "lifecycle/dry_run.h"
#include "lifecycle/hook_operations.h"
#include "lifecycle/ledger.h"
#include "lifecycle/release.h"
#include "lifecycle/session.h"
#include "lifecycle/state.h"
#include "unit/fake_host.h"
#include "unit/unit.h"

/* @mib of 2 MiB pages on node 0: to be started, and being started */
#define A_DEFINED(mib) DOMAIN("", "a", UUID_A, mib, PAGES(2, "M") ON_NODE(0))
#define A_STARTED(mib) XML(7, "a", UUID_A, mib, PAGES(2, "M") ON_NODE(0))
#define B_STARTED(mib) XML(8, "b", UUID_B, mib, PAGES(2, "M") ON_NODE(0))

static void open_host(struct fake_host *h)
{
	fake_host_open(h, "two-nodes-6.12", "[hook]\ndeadline = 2s\nlock_deadline = 2s\n");
	fake_empty_nodes(&h->fk);
}

#define HOST(name) UNIT_FIXTURE(struct fake_host, name, fake_host_close, open_host(&(name)))

/* ---- calls ---- */

typedef int reserve_function(struct session *session, const struct guest *guest,
			     struct ledger **ledger, struct plan *plan, struct err *err);

static int reserve(struct fake_host *h, reserve_function *function, const struct guest *guest)
{
	struct ledger *ledger = NULL;
	struct plan plan = { 0 };
	struct session session;
	int rc = session_open(&session, &h->fk.kfs, SESSION_CREATE, &h->err);

	CU_ASSERT_EQUAL_FATAL(rc, 0);
	session.lock_deadline_ms = 2000;
	rc = function(&session, guest, &ledger, &plan, &h->err);
	CU_ASSERT_EQUAL(session.state.lockfd, -1);
	ledger_free(ledger);
	plan_free(&plan);
	session_close(&session);
	return rc;
}

static int for_start(struct fake_host *h, const char *xml)
{
	struct guest *guest = NULL;
	int rc = guest_parse(xml, strlen(xml), &guest, &h->err);

	CU_ASSERT_EQUAL_FATAL(rc, 0);
	rc = reserve(h, reserve_for_start, guest);
	guest_free(guest);
	return rc;
}

static int for_plug(struct fake_host *h, const char *name, const char *uuid, uint64_t mib)
{
	struct guest_memory memory = { .kind = GUEST_MEMORY_DIMM,
				       .alias = "to be plugged",
				       .cell = -1,
				       .size_kib = mib * KIB_PER_MIB,
				       .hugepages = true,
				       .page_kib = PAGE_2M,
				       .bind = GUEST_BIND_STRICT };
	struct guest extra = { .id = -1, .n_memory = 1, .memory = &memory };

	nodeset_add(&memory.nodes, 0);
	snprintf(extra.name, sizeof(extra.name), "%s", name);
	snprintf(extra.uuid, sizeof(extra.uuid), "%s", uuid);
	return reserve(h, reserve_for_plug, &extra);
}

static int release(struct fake_host *h, const char *guest)
{
	struct reconciled_guest result = { 0 };
	struct session session;
	int rc;

	CU_ASSERT_EQUAL_FATAL(session_open(&session, &h->fk.kfs, SESSION_CREATE, &h->err), 0);
	rc = release_guest(&session, guest, false, &result, &h->err);
	session_close(&session);
	return rc < 0 ? rc : result.complete ? 0 : -EAGAIN;
}

#undef OK
#define OK(h, call) unit_check((call) == 0, __FILE__, __LINE__, #call, "%s", (h)->err.text)
#define FAILS(h, call, errnum, words)                                                              \
	do {                                                                                       \
		UNIT_CHECK((call) == -(errnum), "%s", (h)->err.text);                              \
		UNIT_CHECK(strstr((h)->err.text, words), "no '%s' in: %s", words, (h)->err.text);  \
	} while (0)

static bool check_ledger(const struct fake_host *h, const char *uuid, const char *words)
{
	char text[16384];

	ledger_text(h, uuid, text, sizeof(text));
	return UNIT_CHECK(strstr(text, words), "no '%s' in: %s", words, text);
}

/* ---- ahead of a start ---- */

static void test_life(void)
{
	pid_t qemu;
	HOST(h);

	fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 10, 0, 0 });
	OK(&h, for_start(&h, A_DEFINED(200)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 110, 100, 0);
	check_ledger(&h, UUID_A, "\"phase\": \"reserved\"");
	/* held, whichever guest starts */
	OK(&h, run(&h, hook_prepare, "b", B_STARTED(200)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 210, 200, 0);
	/* adopted: no write to the pool */
	h.fk.writes = 0;
	OK(&h, run(&h, hook_prepare, "a", A_STARTED(200)));
	CU_ASSERT_EQUAL(h.fk.writes, 0);
	fake_pool_is(&h.fk, 0, PAGE_2M, 210, 200, 0);
	check_ledger(&h, UUID_A, "\"phase\": \"prepared\"");
	/* of the same start, once more */
	OK(&h, run(&h, hook_prepare, "a", A_STARTED(200)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 210, 200, 0);
	qemu = fake_host_qemu(&h, "a", 0, 100);
	OK(&h, run(&h, hook_started, "a", A_STARTED(200)));
	fake_host_end_qemu(&h, qemu, 0, 100);
	OK(&h, run(&h, hook_stopped, "a", A_STARTED(200)));
	OK(&h, run(&h, hook_release, "a", A_STARTED(200)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 110, 100, 0);
	OK(&h, run(&h, hook_release, "b", B_STARTED(200)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 10, 0, 0);
}

static void test_given_back(void)
{
	HOST(h);

	OK(&h, for_start(&h, A_DEFINED(200)));
	OK(&h, fake_host_reconcile(&h.fk.kfs, &h.err));
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	OK(&h, release(&h, "a"));
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
}

/* The start fails after prepare, for a reason of its own */
static void test_start_fails(void)
{
	HOST(h);

	OK(&h, for_start(&h, A_DEFINED(200)));
	OK(&h, run(&h, hook_prepare, "a", A_STARTED(200)));
	OK(&h, run(&h, hook_stopped, "a", A_DEFINED(200)));
	OK(&h, run(&h, hook_release, "a", A_DEFINED(200)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
}

/* What the guest is by the time it starts, after 100 pages of 2 MiB on node 0 were
 * reserved beside 20 idle ones of another program */
static void test_changed(void)
{
	static const struct {
		const char *what;
		const char *xml;
		const char *config;
		uint64_t on_0, on_1, gigantic;
		unsigned int writes;
	} rows[] = {
		{ "the same", A_STARTED(200), "", 120, 0, 0, 0 },
		{ "more, out of the idle ones", A_STARTED(230), "", 120, 0, 0, 0 },
		{ "more", A_STARTED(300), "", 150, 0, 0, 1 },
		{ "more, without idle ones", A_STARTED(300), "[hugepages]\nuse_idle = no\n", 170, 0,
		  0, 1 },
		{ "the same, without idle ones", A_STARTED(200), "[hugepages]\nuse_idle = no\n",
		  120, 0, 0, 0 },
		{ "kept free", A_STARTED(200), "[hugepages]\nkeep_free_2M = 50\n", 120, 0, 0, 0 },
		{ "less", A_STARTED(100), "", 70, 0, 0, 1 },
		{ "nothing", XML(7, "a", UUID_A, 200, ""), "", 20, 0, 0, 1 },
		{ "not managed", A_STARTED(200), "[hugepages]\nmanage = no\n", 20, 0, 0, 1 },
		{ "anywhere", XML(7, "a", UUID_A, 200, PAGES(2, "M")), "", 120, 0, 0, 0 },
		{ "on the other node", XML(7, "a", UUID_A, 200, PAGES(2, "M") ON_NODE(1)), "", 20,
		  100, 0, 2 },
		{ "of another size", XML(7, "a", UUID_A, 1024, PAGES(1, "G") ON_NODE(0)), "", 20, 0,
		  1, 2 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		HOST(h);
		fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 20, 0, 0 });
		OK(&h, for_start(&h, A_DEFINED(200)));
		fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 120, 120, 0 });
		fake_put(&h.fk, CONF, rows[i].config);
		h.fk.writes = 0;
		UNIT_CHECK(run(&h, hook_prepare, "a", rows[i].xml) == 0, "%s: %s", rows[i].what,
			   h.err.text);
		UNIT_CHECK(fake_pool_is(&h.fk, 0, PAGE_2M, rows[i].on_0, rows[i].on_0, 0), "%s",
			   rows[i].what);
		UNIT_CHECK(fake_pool_is(&h.fk, 1, PAGE_2M, rows[i].on_1, rows[i].on_1, 0), "%s",
			   rows[i].what);
		UNIT_CHECK(fake_pool_is(&h.fk, 0, PAGE_1G, rows[i].gigantic, rows[i].gigantic, 0),
			   "%s", rows[i].what);
		UNIT_CHECK(h.fk.writes == rows[i].writes, "%s: %u writes", rows[i].what,
			   h.fk.writes);
		OK(&h, run(&h, hook_release, "a", rows[i].xml));
		UNIT_CHECK(fake_pool_is(&h.fk, 0, PAGE_2M, 20, 20, 0), "%s", rows[i].what);
		fake_pool_is(&h.fk, 1, PAGE_2M, 0, 0, 0);
		fake_pool_is(&h.fk, 0, PAGE_1G, 0, 0, 0);
	}
}

/* Memory is full of what was reserved: another size fits only without it */
static void test_in_the_way(void)
{
	HOST(h);

	OK(&h, for_start(&h, A_DEFINED(4000)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 2000, 2000, 0);
	OK(&h, run(&h, hook_prepare, "a", XML(7, "a", UUID_A, 3072, PAGES(1, "G") ON_NODE(0))));
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	fake_pool_is(&h.fk, 0, PAGE_1G, 3, 3, 0);
	OK(&h, run(&h, hook_release, "a", A_STARTED(200)));
	fake_pool_is(&h.fk, 0, PAGE_1G, 0, 0, 0);
}

/* The plan says what is still missing */
static void test_plan(void)
{
	static const struct {
		const char *xml;
		uint64_t reserved, idle, grow;
		size_t notes;
	} rows[] = {
		{ A_DEFINED(200), 100, 0, 0, 0 },
		{ A_DEFINED(300), 100, 0, 50, 0 },
		{ A_DEFINED(100), 50, 0, 0, 1 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct dry_run result = { 0 };
		struct guest *guest = NULL;
		const struct step_share *share;
		HOST(h);

		/* 20 of the 100 lie idle */
		fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 20, 20, 0 });
		OK(&h, for_start(&h, A_DEFINED(200)));
		CU_ASSERT_EQUAL(guest_parse(rows[i].xml, strlen(rows[i].xml), &guest, &h.err), 0);
		OK(&h, dry_run(&h.fk.kfs, guest, &result, &h.err));
		CU_ASSERT_EQUAL_FATAL(result.plan.list.n, 1);
		share = result.plan.list.steps[0].hugepages.shares;
		UNIT_CHECK(share->reserved == rows[i].reserved &&
				   share->want_idle == rows[i].idle &&
				   share->want_grow == rows[i].grow && !share->have,
			   "row %zu", i);
		CU_ASSERT_EQUAL(result.plan.n_notes, rows[i].notes);
		fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
		plan_free(&result.plan);
		guest_free(guest);
	}
}

/* Reserved again, for a guest that was changed meanwhile */
static void test_again(void)
{
	static const struct {
		const char *xml;
		uint64_t on_0, on_1;
	} rows[] = {
		{ A_DEFINED(200), 100, 0 },
		{ A_DEFINED(300), 150, 0 },
		{ A_DEFINED(100), 50, 0 },
		{ DOMAIN("", "a", UUID_A, 200, PAGES(2, "M") ON_NODE(1)), 0, 100 },
	};
	size_t i;
	HOST(h);

	for (i = 0; i < ROWS(rows); i++) {
		UNIT_CHECK(for_start(&h, rows[i].xml) == 0, "%zu: %s", i, h.err.text);
		fake_pool_is(&h.fk, 0, PAGE_2M, rows[i].on_0, rows[i].on_0, 0);
		fake_pool_is(&h.fk, 1, PAGE_2M, rows[i].on_1, rows[i].on_1, 0);
		check_ledger(&h, UUID_A, "\"phase\": \"reserved\"");
	}
	OK(&h, release(&h, UUID_A));
	fake_pool_is(&h.fk, 1, PAGE_2M, 0, 0, 0);
}

/* There are too few: what was reserved before stays, and nothing else */
static void test_too_few(void)
{
	HOST(h);

	fake_set_obtainable(&h.fk, 0, 60);
	FAILS(&h, for_start(&h, A_DEFINED(200)), ENOSPC, "only 60 could be allocated");
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	fake_set_obtainable(&h.fk, 0, 100);
	OK(&h, for_start(&h, A_DEFINED(200)));
	FAILS(&h, for_start(&h, A_DEFINED(300)), ENOSPC, "guest 'a' needs 300 MiB (150 pages");
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	fake_set_obtainable(&h.fk, 0, 20);
	FAILS(&h, for_start(&h, A_DEFINED(300)), ENOSPC,
	      "only 120 could be allocated (30 missing)");
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	check_ledger(&h, UUID_A, "\"pages\": 100");
	OK(&h, run(&h, hook_prepare, "a", A_STARTED(200)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
}

static void test_refused(void)
{
	pid_t qemu;
	HOST(h);

	FAILS(&h, for_start(&h, DOMAIN("", "a", UUID_A, 200, "")), EINVAL,
	      "asks for no huge pages");
	FAILS(&h, for_start(&h, A_DEFINED(90000)), ENOSPC, "where 4 GiB are available");
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	FAILS(&h, for_plug(&h, "a", UUID_A, 100), ESRCH, "does not run");
	OK(&h, run(&h, hook_prepare, "a", A_STARTED(200)));
	FAILS(&h, for_start(&h, A_DEFINED(200)), EBUSY, "is being started");
	qemu = fake_host_qemu(&h, "a", 0, 100);
	FAILS(&h, for_plug(&h, "a", UUID_A, 100), EBUSY, "is being started");
	OK(&h, run(&h, hook_started, "a", A_STARTED(200)));
	FAILS(&h, for_start(&h, A_DEFINED(200)), EBUSY, "is running");
	fake_host_end_qemu(&h, qemu, 0, 100);
	OK(&h, run(&h, hook_stopped, "a", A_STARTED(200)));
	qemu = fake_host_qemu(&h, "a", 0, 100);
	FAILS(&h, for_plug(&h, "a", UUID_A, 100), EBUSY, "has stopped");
	fake_put(&h.fk, CONF, "[hugepages]\nmanage = no\n");
	FAILS(&h, for_start(&h, A_DEFINED(200)), EINVAL, "manage = no");
	fake_host_end_qemu(&h, qemu, 0, 100);
}

/* What an earlier start could not give back is neither lost nor in the way */
static void test_leftover(void)
{
	HOST(h);

	OK(&h, run(&h, hook_prepare, "a", A_STARTED(200)));
	fake_use(&h.fk, 0, PAGE_2M, 30);
	OK(&h, run(&h, hook_stopped, "a", A_STARTED(200)));
	OK(&h, run(&h, hook_release, "a", A_STARTED(200)));
	OK(&h, for_start(&h, A_DEFINED(200)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 130, 100, 0);
	OK(&h, run(&h, hook_prepare, "a", A_STARTED(200)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 130, 100, 0);
	fake_unuse(&h.fk, 0, PAGE_2M, 30);
	OK(&h, run(&h, hook_release, "a", A_STARTED(200)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

/* ---- killed, interrupted, overtaken ---- */

static void die(struct fake_kernel *fk)
{
	(void)fk;
	_exit(0);
}

/* In a child, because signals are caught from then on */
static int in_child(struct fake_host *h, int (*work)(struct fake_host *h))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(work(h));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int start_work(struct fake_host *h)
{
	return for_start(h, A_DEFINED(200)) < 0;
}

static void test_killed(void)
{
	int i;

	for (i = 0; i < 4; i++) {
		HOST(h);
		fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 20, 0, 0 });
		*(i % 2 ? &h.fk.after_write : &h.fk.before_write) = die;
		CU_ASSERT_EQUAL(in_child(&h, start_work), 0);
		h.fk.after_write = h.fk.before_write = NULL;
		check_ledger(&h, UUID_A, "\"phase\": \"reserved\"");
		if (i < 2) {
			OK(&h, release(&h, "a"));
		} else {
			OK(&h, run(&h, hook_prepare, "a", A_STARTED(200)));
			fake_pool_is(&h.fk, 0, PAGE_2M, 120, 100, 0);
			OK(&h, run(&h, hook_release, "a", A_STARTED(200)));
		}
		fake_pool_is(&h.fk, 0, PAGE_2M, 20, 0, 0);
		CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	}
}

static void interrupt(struct fake_kernel *fk)
{
	if (fk->writes == 1)
		raise(SIGINT);
}

static int interrupted_work(struct fake_host *h)
{
	int rc;

	h->fk.before_write = interrupt;
	fake_set_obtainable(&h->fk, 0, 40);
	h->fk.writes = 0;
	rc = for_start(h, A_DEFINED(400));
	return rc == -EINTR && strstr(h->err.text, "interrupted") ? 0 : 1;
}

static void test_interrupted(void)
{
	HOST(h);

	CU_ASSERT_EQUAL(in_child(&h, interrupted_work), 0);
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	fake_set_obtainable(&h.fk, 0, 1000);
	OK(&h, for_start(&h, A_DEFINED(200)));
	CU_ASSERT_EQUAL(in_child(&h, interrupted_work), 0);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	check_ledger(&h, UUID_A, "\"phase\": \"reserved\"");
}

/* Another process is at it: it is there, and its number is in the ledger */
static void test_two_at_once(void)
{
	char name[128], text[16384], out[16384], *at;
	HOST(h);

	OK(&h, for_start(&h, A_DEFINED(200)));
	ledger_text(&h, UUID_A, text, sizeof(text));
	at = strstr(text, "\"steps\"");
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	snprintf(out, sizeof(out), "%.*s\"reserving\": {\"pid\": %d, \"start\": 4711}, %s",
		 (int)(at - text), text, (int)h.driver, at);
	snprintf(name, sizeof(name), GUESTS "%s", UUID_A);
	fake_put(&h.fk, name, out);
	FAILS(&h, for_start(&h, A_DEFINED(300)), EBUSY, "is reserving pages for guest 'a'");
	/* a later process of that number is not at it */
	fake_put_stat(&h.fk, h.driver, 4712);
	OK(&h, for_start(&h, A_DEFINED(300)));
	fake_put(&h.fk, name, out);
	fake_put_stat(&h.fk, h.driver, 4711);
	/* a start does not wait for it */
	OK(&h, run(&h, hook_prepare, "a", A_STARTED(300)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 150, 150, 0);
}

/* ---- for a running guest ---- */

static void test_plug(void)
{
	pid_t qemu;
	HOST(h);

	OK(&h, run(&h, hook_prepare, "a", A_STARTED(200)));
	qemu = fake_host_qemu(&h, "a", 0, 100);
	OK(&h, run(&h, hook_started, "a", A_STARTED(200)));
	OK(&h, for_plug(&h, "a", UUID_A, 80));
	fake_pool_is(&h.fk, 0, PAGE_2M, 140, 40, 0);
	check_ledger(&h, UUID_A, "\"phase\": \"running\"");
	/* they are the guest's, also for the next one that is plugged */
	OK(&h, run(&h, hook_prepare, "b", B_STARTED(40)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 160, 60, 0);
	OK(&h, for_plug(&h, "a", UUID_A, 20));
	fake_pool_is(&h.fk, 0, PAGE_2M, 170, 70, 0);
	fake_host_end_qemu(&h, qemu, 0, 100);
	OK(&h, run(&h, hook_stopped, "a", A_STARTED(200)));
	OK(&h, run(&h, hook_release, "a", A_STARTED(200)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 20, 20, 0);
}

/* Started before we were installed, or without huge pages */
static void test_plug_without_ledger(void)
{
	pid_t qemu;
	HOST(h);

	qemu = fake_host_qemu(&h, "a", 0, 0);
	OK(&h, for_plug(&h, "a", UUID_A, 80));
	fake_pool_is(&h.fk, 0, PAGE_2M, 40, 40, 0);
	check_ledger(&h, UUID_A, "\"phase\": \"running\"");
	fake_host_end_qemu(&h, qemu, 0, 0);
	OK(&h, fake_host_reconcile(&h.fk.kfs, &h.err));
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
}

static void test_plug_too_few(void)
{
	pid_t qemu;
	HOST(h);

	OK(&h, run(&h, hook_prepare, "a", A_STARTED(200)));
	qemu = fake_host_qemu(&h, "a", 0, 100);
	OK(&h, run(&h, hook_started, "a", A_STARTED(200)));
	fake_set_obtainable(&h.fk, 0, 30);
	FAILS(&h, for_plug(&h, "a", UUID_A, 80), ENOSPC, "only 30 could be allocated");
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 0, 0);
	check_ledger(&h, UUID_A, "\"phase\": \"running\"");
	fake_host_end_qemu(&h, qemu, 0, 100);
	OK(&h, run(&h, hook_release, "a", A_STARTED(200)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

static int plug_work(struct fake_host *h)
{
	return for_plug(h, "a", UUID_A, 80) < 0;
}

static void test_plug_killed(void)
{
	pid_t qemu;
	int i;

	for (i = 0; i < 2; i++) {
		HOST(h);
		OK(&h, run(&h, hook_prepare, "a", A_STARTED(200)));
		qemu = fake_host_qemu(&h, "a", 0, 100);
		OK(&h, run(&h, hook_started, "a", A_STARTED(200)));
		*(i % 2 ? &h.fk.after_write : &h.fk.before_write) = die;
		CU_ASSERT_EQUAL(in_child(&h, plug_work), 0);
		h.fk.after_write = h.fk.before_write = NULL;
		/* once more, beside what came of the first */
		OK(&h, for_plug(&h, "a", UUID_A, 80));
		fake_host_end_qemu(&h, qemu, 0, 100);
		OK(&h, run(&h, hook_stopped, "a", A_STARTED(200)));
		OK(&h, run(&h, hook_release, "a", A_STARTED(200)));
		fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	}
}

static pid_t ends;

static void guest_ends(struct fake_kernel *fk)
{
	struct fake_host other = { .fk = *fk };

	fake_host_end_qemu(&other, ends, 0, 100);
	fk->after_write = NULL;
	other.fk.after_write = NULL;
	OK(&other, run(&other, hook_stopped, "a", A_STARTED(200)));
}

/* Its end is marked while we grow: that must not be lost, nor what we had got */
static void test_plug_guest_ends(void)
{
	HOST(h);

	OK(&h, run(&h, hook_prepare, "a", A_STARTED(200)));
	ends = fake_host_qemu(&h, "a", 0, 100);
	OK(&h, run(&h, hook_started, "a", A_STARTED(200)));
	h.fk.after_write = guest_ends;
	FAILS(&h, for_plug(&h, "a", UUID_A, 80), ECANCELED, "ended meanwhile");
	h.fk.after_write = NULL;
	check_ledger(&h, UUID_A, "\"phase\": \"leaving\"");
	OK(&h, run(&h, hook_release, "a", A_STARTED(200)));
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
}

static CU_TestInfo tests[] = {
	{ "reserved, adopted, given back", test_life },
	{ "given back by hand", test_given_back },
	{ "the start fails", test_start_fails },
	{ "the guest was changed", test_changed },
	{ "what is reserved is in the way", test_in_the_way },
	{ "the plan shows what is missing", test_plan },
	{ "reserved again", test_again },
	{ "there are too few", test_too_few },
	{ "refused", test_refused },
	{ "an earlier start's leftover", test_leftover },
	{ "killed", test_killed },
	{ "interrupted", test_interrupted },
	{ "two at once", test_two_at_once },
	{ "for a running guest", test_plug },
	{ "for a guest without a ledger", test_plug_without_ledger },
	{ "too few for a running guest", test_plug_too_few },
	{ "killed for a running guest", test_plug_killed },
	{ "the guest ends meanwhile", test_plug_guest_ends },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_reserve", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sessions: what they give back, what they tell of it, what a snapshot without the lock
 * sees, and several processes that want the lock at once.
 */
#include "lifecycle/session.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "lifecycle/hook_operations.h"
#include "lifecycle/reconcile.h"
#include "unit/fake_host.h"
#include "unit/unit.h"

#define CELLS_OF_TWO_SIZES                                                                         \
	"<memoryBacking><hugepages><page size='1' unit='G' nodeset='0'/><page size='2' unit='M'/>" \
	"</hugepages></memoryBacking><cpu><numa><cell id='0' memory='2' unit='GiB'/>"              \
	"<cell id='1' memory='100' unit='MiB'/></numa></cpu>"                                      \
	"<numatune><memory mode='strict' nodeset='0'/></numatune>"
#define PAGES_2M                                                                                   \
	"<memoryBacking><hugepages><page size='2' unit='M'/></hugepages></memoryBacking>"          \
	"<numatune><memory mode='strict' nodeset='0'/></numatune>"
#define A_XML XML(1, "a", UUID_A, 200, PAGES_2M)
#define B_XML XML(2, "b", UUID_B, 100, PAGES_2M)

struct scene {
	struct fake_kernel fk;
	pid_t driver;
	struct session session;
	struct err err;
};

static void open_scene(struct scene *h)
{
	memset(h, 0, sizeof(*h));
	fake_open(&h->fk, "two-nodes-6.12");
	fake_set_meminfo(&h->fk, 0, "MemFree", 4 * KIB_PER_GIB);
	fake_set_pool(&h->fk, 0, PAGE_2M, (struct fake_pool){ 0, 0, 0 });
	fake_set_pool(&h->fk, 0, PAGE_1G, (struct fake_pool){ 0, 0, 0 });
	h->driver = fake_driver(&h->fk, 4711);
}

static void open_session(struct scene *h)
{
	CU_ASSERT_EQUAL_FATAL(session_open(&h->session, &h->fk.kfs, SESSION_CREATE, &h->err), 0);
}

static void close_scene(struct scene *h)
{
	session_close(&h->session);
	if (h->driver)
		fake_end(&h->fk, h->driver);
	fake_close(&h->fk);
}

#define SCENE(name) UNIT_FIXTURE(struct scene, name, close_scene, open_scene(&(name)))

/* A busy machine takes longer than a call may */
enum { PATIENCE_MS = 20000 };

static int begin(struct scene *h, const char *own)
{
	h->err.text[0] = '\0';
	return reconcile_begin(&h->session, clock_ms() + PATIENCE_MS, own, NULL, &h->err);
}

static void test_settles_and_tells(void)
{
	SCENE(h);

	OK(&h, hook_prepare, "a", A_XML);
	OK(&h, hook_prepare, "b", B_XML);
	OK(&h, hook_stopped, "a", A_XML);
	open_session(&h);
	UNIT_CHECK(begin(&h, NULL) == 0, "%s", h.err.text);
	CU_ASSERT_EQUAL_FATAL(h.session.report.n_guests, 1);
	UNIT_CHECK_STR(h.session.report.guests[0].name, "a", "who");
	UNIT_CHECK_STR(h.session.report.guests[0].uuid, UUID_A, "who");
	CU_ASSERT_TRUE(h.session.report.guests[0].complete);
	CU_ASSERT_EQUAL(h.session.ledgers.n, 1);
	CU_ASSERT_PTR_NULL(ledgers_find(&h.session.ledgers, "a"));
	CU_ASSERT_PTR_NOT_NULL(ledgers_find(&h.session.ledgers, "b"));
	/* The view is as after the settling */
	CU_ASSERT_EQUAL(host_view_pool(&h.session.host, PAGE_2M, 0)->pool.total, 50);
	CU_ASSERT_EQUAL(host_view_pool(&h.session.host, PAGE_2M, 0)->own, 50);
	CU_ASSERT_EQUAL(host_view_pool(&h.session.host, PAGE_2M, 0)->claimed, 50);
	session_unlock(&h.session);
	fake_pool_is(&h.fk, 0, PAGE_2M, 50, 50, 0);
}

static void test_incomplete(void)
{
	SCENE(h);

	OK(&h, hook_prepare, "a", A_XML);
	OK(&h, hook_stopped, "a", A_XML);
	fake_use(&h.fk, 0, PAGE_2M, 40);
	open_session(&h);
	UNIT_CHECK(begin(&h, NULL) == 0, "%s", h.err.text);
	CU_ASSERT_EQUAL_FATAL(h.session.report.n_guests, 1);
	CU_ASSERT_FALSE(h.session.report.guests[0].complete);
	UNIT_CHECK(strstr(h.session.report.guests[0].why, "40 pages"), "%s",
		   h.session.report.guests[0].why);
	CU_ASSERT_TRUE(fake_exists(&h.fk, GUESTS UUID_A));
	CU_ASSERT_EQUAL(host_view_pool(&h.session.host, PAGE_2M, 0)->own, 40);
	CU_ASSERT_EQUAL(host_view_pool(&h.session.host, PAGE_2M, 0)->claimed, 0);
	session_unlock(&h.session);
	fake_unuse(&h.fk, 0, PAGE_2M, 40);
	UNIT_CHECK(begin(&h, NULL) == 0, "%s", h.err.text);
	CU_ASSERT_FALSE(fake_exists(&h.fk, GUESTS UUID_A));
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

/* What is the caller's own is left to it, dead or not */
static void test_own(void)
{
	SCENE(h);

	OK(&h, hook_prepare, "a", A_XML);
	OK(&h, hook_stopped, "a", A_XML);
	open_session(&h);
	UNIT_CHECK(begin(&h, "AAAAAAAA-cdaf-9455-926a-d65c16db1809") == 0, "%s", h.err.text);
	CU_ASSERT_EQUAL(h.session.report.n_guests, 0);
	CU_ASSERT_PTR_NOT_NULL(ledgers_find(&h.session.ledgers, UUID_A));
}

static void die(struct fake_kernel *fk)
{
	(void)fk;
	_exit(0);
}

/* An administrator's pages come to a pool that a hook was just growing when it was killed */
static void test_confirm(void)
{
	pid_t pid;
	SCENE(h);

	fflush(stdout);
	pid = fork();
	if (!pid) {
		h.fk.before_write = die;
		run(&h, hook_prepare, "a", A_XML);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	open_session(&h);
	UNIT_CHECK(session_confirm(&h.session, clock_ms() + 1000, &h.err) == 0, "%s", h.err.text);
	CU_ASSERT_EQUAL(h.session.report.n_guests, 0);
	CU_ASSERT_TRUE(fake_exists(&h.fk, GUESTS UUID_A));
	fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 30, 30, 0 });
	session_unlock(&h.session);
	OK(&h, hook_release, "a", A_XML);
	CU_ASSERT_FALSE(fake_exists(&h.fk, GUESTS UUID_A));
	fake_pool_is(&h.fk, 0, PAGE_2M, 30, 30, 0);
}

/* Nothing changes, and a missing state directory is one without ledgers */
static void test_look(void)
{
	SCENE(h);

	CU_ASSERT_EQUAL(session_open(&h.session, &h.fk.kfs, SESSION_READ, &h.err), 0);
	UNIT_CHECK(session_read(&h.session, &h.err) == 0, "%s", h.err.text);
	CU_ASSERT_EQUAL(h.session.ledgers.n, 0);
	CU_ASSERT_EQUAL(h.session.host.numa.n_nodes, 2);
	CU_ASSERT_FALSE(fake_exists(&h.fk, "run/libvirt-membacking"));
	session_close(&h.session);

	OK(&h, hook_prepare, "a", A_XML);
	OK(&h, hook_stopped, "a", A_XML);
	OK(&h, hook_prepare, "b", B_XML);
	OK(&h, hook_stopped, "b", B_XML);
	open_session(&h);
	UNIT_CHECK(session_read(&h.session, &h.err) == 0, "%s", h.err.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ledgers_find(&h.session.ledgers, "b"));
	CU_ASSERT_FALSE(ledgers_find(&h.session.ledgers, "b")->alive);
	CU_ASSERT_EQUAL(h.session.report.n_guests, 0);
	CU_ASSERT_TRUE(fake_exists(&h.fk, GUESTS UUID_B));
	fake_pool_is(&h.fk, 0, PAGE_2M, 50, 50, 0);
}

static void test_lock(void)
{
	struct state other = STATE_CLOSED;
	SCENE(h);

	open_session(&h);
	CU_ASSERT_EQUAL_FATAL(state_open(h.fk.kfs.rootfd, false, &other, &h.err), 0);
	CU_ASSERT_EQUAL_FATAL(state_lock(&other, 0, &h.err), 0);
	CU_ASSERT_EQUAL(reconcile_begin(&h.session, 0, NULL, NULL, &h.err), -EAGAIN);
	CU_ASSERT_EQUAL(reconcile_begin(&h.session, clock_ms() + 100, NULL, NULL, &h.err),
			-ETIMEDOUT);
	state_unlock(&other);
	UNIT_CHECK(begin(&h, NULL) == 0, "%s", h.err.text);
	CU_ASSERT_EQUAL(state_lock(&other, 0, &h.err), -EAGAIN);
	session_unlock(&h.session);
	CU_ASSERT_EQUAL(state_lock(&other, 0, &h.err), 0);
	state_close(&other);
}

/* ---- at the same time ---- */

/* A kernel that takes its time */
static void slow_write(struct fake_kernel *fk)
{
	(void)fk;
	clock_sleep_ms(600);
}

/* Prepares @xml in a child of its own.  Return: its pid */
static pid_t prepare_slowly(struct scene *h, const char *name, const char *xml)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		int rc;

		h->fk.before_write = slow_write;
		rc = run(h, hook_prepare, name, xml);
		if (rc < 0)
			fake_put(&h->fk, "fake/error", h->err.text);
		_exit(rc < 0);
	}
	return pid;
}

static void wait_for(struct scene *h, const char *name)
{
	int tries;

	for (tries = 0; tries < 500 && !fake_exists(&h->fk, name); tries++)
		clock_sleep_ms(2);
	UNIT_CHECK(tries < 500, "no %s", name);
}

static bool succeeds(pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	return UNIT_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}

/* While one grows its large pages slowly and lets others have their turn, another
 * takes the idle small ones that the first has planned to use */
static void test_idle_pages_once(void)
{
	pid_t pid;
	SCENE(h);

	fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 50, 50, 0 });
	pid = prepare_slowly(&h, "a", XML(1, "a", UUID_A, 2148, CELLS_OF_TWO_SIZES));
	wait_for(&h, GUESTS UUID_A);
	OK(&h, hook_prepare, "b", B_XML);
	succeeds(pid);
	/* 50 for each */
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	fake_pool_is(&h.fk, 0, PAGE_1G, 2, 2, 0);
	OK(&h, hook_release, "a", A_XML);
	OK(&h, hook_release, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 50, 50, 0);
	fake_pool_is(&h.fk, 0, PAGE_1G, 0, 0, 0);
}

/* A long growth does not hold up others until its end */
static void test_turns(void)
{
	uint64_t begin_ms, took;
	pid_t pid;
	SCENE(h);

	/* six writes of a GiB's worth: 3.6 s */
	pid = prepare_slowly(&h, "a", XML(1, "a", UUID_A, 3000, PAGES_2M));
	wait_for(&h, GUESTS UUID_A);
	begin_ms = clock_ms();
	OK(&h, hook_prepare, "b", B_XML);
	took = clock_ms() - begin_ms;
	UNIT_CHECK(took < 2400, "b waited %" PRIu64 " ms", took);
	succeeds(pid);
	fake_pool_is(&h.fk, 0, PAGE_2M, 1550, 1550, 0);
	OK(&h, hook_release, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 50, 50, 0);
}

/* Released by hand or by others while it is being prepared: nothing is left */
static void test_released_meanwhile(void)
{
	char text[2048];
	int status = 0;
	pid_t pid;
	SCENE(h);

	pid = prepare_slowly(&h, "a", XML(1, "a", UUID_A, 3000, PAGES_2M));
	wait_for(&h, GUESTS UUID_A);
	OK(&h, hook_release, "a", A_XML);
	waitpid(pid, &status, 0);
	UNIT_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %x", status);
	fake_get(&h.fk, "fake/error", text, sizeof(text));
	UNIT_CHECK_STR(text,
		       "guest 'a' was released by another operation while its memory was being "
		       "prepared",
		       "what virsh shows");
	CU_ASSERT_FALSE(fake_exists(&h.fk, GUESTS UUID_A));
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

/* libvirt dies while a hook prepares, comes back and starts the guest anew: the hook, which
 * lives on, must not take the new ledger for its own */
static void test_started_anew(void)
{
	char mine[16384], text[16384];
	int status = 0;
	pid_t pid;
	SCENE(h);

	pid = prepare_slowly(&h, "a", XML(1, "a", UUID_A, 3000, PAGES_2M));
	wait_for(&h, GUESTS UUID_A);
	fake_end(&h.fk, h.driver);
	h.driver = fake_driver(&h.fk, 9999);
	OK(&h, hook_prepare, "a", XML(1, "a", UUID_A, 400, PAGES_2M));
	fake_get(&h.fk, GUESTS UUID_A, mine, sizeof(mine));
	waitpid(pid, &status, 0);
	UNIT_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %x", status);
	fake_get(&h.fk, GUESTS UUID_A, text, sizeof(text));
	UNIT_CHECK_STR(text, mine, "the ledger of the new start");
	fake_pool_is(&h.fk, 0, PAGE_2M, 200, 200, 0);
	OK(&h, hook_release, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

/* How often a process has the lock open */
static int locks_open(pid_t pid)
{
	const struct dirent *entry;
	char path[64], link[PATH_MAX];
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		link[len > 0 ? len : 0] = '\0';
		n += len > 5 && !strcmp(link + len - 5, "/lock");
	}
	if (dir)
		closedir(dir);
	return n;
}

/* A release that has waited for the lock while the guest was started anew */
static void test_late_release(void)
{
	struct state other = STATE_CLOSED;
	int status, tries;
	pid_t pid;
	SCENE(h);

	OK(&h, hook_prepare, "a", A_XML);
	CU_ASSERT_EQUAL_FATAL(state_open(h.fk.kfs.rootfd, false, &other, &h.err), 0);
	CU_ASSERT_EQUAL_FATAL(state_lock(&other, 0, &h.err), 0);
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(run(&h, hook_release, "a", A_XML) < 0);
	/* With ours, of which it has a copy.  It has read the ledger by then */
	for (tries = 0; tries < 4000 && locks_open(pid) < 2; tries++)
		clock_sleep_ms(5);
	CU_ASSERT(locks_open(pid) == 2);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	state_close(&other);
	OK(&h, hook_prepare, "a", XML(2, "a", UUID_A, 200, PAGES_2M));
	kill(pid, SIGCONT);
	succeeds(pid);
	CU_ASSERT_TRUE(fake_exists(&h.fk, GUESTS UUID_A));
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	OK(&h, hook_release, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

/* Many at once, on a pool that has a few */
static void test_many_at_once(void)
{
	char xml[8][512], name[8], uuid[64];
	pid_t pids[8];
	int i;
	SCENE(h);

	fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 120, 120, 0 });
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		snprintf(uuid, sizeof(uuid), "%08d-cdaf-9455-926a-d65c16db1809", i);
		snprintf(xml[i], sizeof(xml[i]),
			 "<domain id='%d'><name>%s</name><uuid>%s</uuid>"
			 "<memory unit='MiB'>100</memory>" PAGES_2M "</domain>",
			 i + 1, name, uuid);
		fflush(stdout);
		pids[i] = fork();
		if (!pids[i])
			_exit(run(&h, hook_prepare, name, xml[i]) < 0);
	}
	for (i = 0; i < 8; i++)
		succeeds(pids[i]);
	fake_pool_is(&h.fk, 0, PAGE_2M, 400, 400, 0);
	for (i = 0; i < 8; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(run(&h, hook_release, "x", xml[i]) < 0);
	}
	for (i = 0; i < 8; i++)
		succeeds(pids[i]);
	fake_pool_is(&h.fk, 0, PAGE_2M, 120, 120, 0);
}

/* ---- many at once that are gone ---- */

/* @n guests of @mib each that have ended */
static void put_dead(struct scene *h, unsigned int n, unsigned int mib)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		char xml[512], name[16];

		snprintf(name, sizeof(name), "g%u", i);
		snprintf(xml, sizeof(xml),
			 "<domain id='%u'><name>%s</name>"
			 "<uuid>%08u-cdaf-9455-926a-d65c16db1809</uuid>"
			 "<memory unit='MiB'>%u</memory>" PAGES_2M "</domain>",
			 i + 1, name, i, mib);
		OK(h, hook_prepare, name, xml);
	}
	/* libvirt is killed, and comes back */
	fake_end(&h->fk, h->driver);
	h->driver = fake_driver(&h->fk, 4712);
}

struct readings {
	unsigned int nodes;
	unsigned int qemus;
};

static struct readings readings_for(unsigned int dead)
{
	struct readings readings;
	int nodes, qemus;
	char maps[64];
	pid_t pid;
	SCENE(h);

	OK(&h, hook_prepare, "a", A_XML);
	pid = fake_qemu(&h.fk, "a");
	OK(&h, hook_started, "a", A_XML);
	fake_put_process(&h.fk, pid, "numa_maps", "");
	put_dead(&h, dead, 20);
	open_session(&h);
	snprintf(maps, sizeof(maps), "proc/%d/numa_maps", (int)pid);
	nodes = fake_watch(&h.fk, "proc/zoneinfo");
	qemus = fake_watch(&h.fk, maps);
	UNIT_CHECK(begin(&h, NULL) == 0, "%s", h.err.text);
	readings = (struct readings){ fake_opened(nodes), fake_opened(qemus) };
	CU_ASSERT_EQUAL(h.session.report.n_guests, dead);
	CU_ASSERT_EQUAL(host_view_pool(&h.session.host, PAGE_2M, 0)->own, 100);
	CU_ASSERT_EQUAL(host_view_pool(&h.session.host, PAGE_2M, 0)->debt, 0);
	session_unlock(&h.session);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	fake_end(&h.fk, pid);
	return readings;
}

/* However many guests are given back: once, and its memory once more when that is done.  Few enough
 * for one round on a busy machine */
static void test_one_reading(void)
{
	struct readings none = readings_for(0), one = readings_for(1), many = readings_for(6);

	UNIT_CHECK(none.nodes == 1 && none.qemus > 0, "%u, %u", none.nodes, none.qemus);
	UNIT_CHECK(one.nodes == 2 && many.nodes == 2, "%u, %u", one.nodes, many.nodes);
	UNIT_CHECK(many.qemus == none.qemus, "%u, %u", many.qemus, none.qemus);
}

/* All others wait for the lock during a round */
static void test_left(void)
{
	const struct reconcile_options all = { .limit_ms = 20000 };
	uint64_t began;
	SCENE(h);

	put_dead(&h, 5, 20);
	h.fk.before_write = slow_write;
	open_session(&h);
	began = clock_ms();
	UNIT_CHECK(begin(&h, NULL) == 0, "%s", h.err.text);
	UNIT_CHECK(clock_ms() - began < 2500, "%" PRIu64 " ms", clock_ms() - began);
	session_unlock(&h.session);
	CU_ASSERT(h.session.report.left.guests >= 2 && h.session.report.left.guests < 5);
	CU_ASSERT_EQUAL(h.session.report.n_guests + h.session.report.left.guests, 5);
	/* What is left is no less ours */
	CU_ASSERT_EQUAL(host_view_pool(&h.session.host, PAGE_2M, 0)->debt,
			10 * h.session.report.left.guests);
	UNIT_CHECK(reconcile(&h.session, &all, &h.err) == 0, "%s", h.err.text);
	CU_ASSERT_EQUAL(h.session.report.left.guests, 0);
	CU_ASSERT_EQUAL(h.session.report.n_guests, 5);
	UNIT_CHECK_STR(h.session.report.guests[4].name, "g4", "by name");
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

/* The guest that an operation is about has its turn first, whatever time the others take */
static void test_first(void)
{
	SCENE(h);

	put_dead(&h, 5, 20);
	h.fk.before_write = slow_write;
	open_session(&h);
	UNIT_CHECK(reconcile_begin(&h.session, clock_ms() + 1000, NULL,
				   "00000003-cdaf-9455-926a-d65c16db1809", &h.err) == 0,
		   "%s", h.err.text);
	session_unlock(&h.session);
	CU_ASSERT_FATAL(h.session.report.n_guests > 0);
	UNIT_CHECK_STR(h.session.report.guests[0].name, "g3", "whose turn was first");
}

/* A start takes as many rounds as it needs to have what guests held that are gone */
static void test_rounds_of_a_start(void)
{
	SCENE(h);

	put_dead(&h, 5, 700);
	h.fk.before_write = slow_write;
	OK(&h, hook_prepare, "a", XML(9, "a", UUID_A, 3072, PAGES_2M));
	CU_ASSERT_TRUE(fake_exists(&h.fk, GUESTS UUID_A));
}

static CU_TestInfo tests[] = {
	{ "the dead are settled", test_settles_and_tells },
	{ "settled in part", test_incomplete },
	{ "the caller's own", test_own },
	{ "what was under way", test_confirm },
	{ "a look changes nothing", test_look },
	{ "the lock", test_lock },
	{ "idle pages are given once", test_idle_pages_once },
	{ "others have their turn", test_turns },
	{ "released while it is prepared", test_released_meanwhile },
	{ "started anew meanwhile", test_started_anew },
	{ "a release that comes late", test_late_release },
	{ "many at once", test_many_at_once },
	{ "the host is read once", test_one_reading },
	{ "a round has an end", test_left },
	{ "whose turn is first", test_first },
	{ "as many rounds as a start needs", test_rounds_of_a_start },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_session", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How long prepare and reconcile take on a host with many guests, or many nodes.
 *
 * On a copy of a captured host, whose files answer at once: what is measured is our own work
 * and the number of files that we read, and not the kernel's.  Each running guest has a process
 * that holds its lock, and a numa_maps of 200 lines.  Processor time, the fastest of all runs.
 * The ratio is of whole calls: what starting the hook costs is added to what prepare does.
 * Prints the tables of RESULTS.md; a comparison that is lost is a failed test.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "lifecycle/hook_operations.h"
#include "lifecycle/ledger.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/session.h"
#include "unit/fake_host.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

/* Beyond reading the ledgers themselves */
#define RATIO_MAX 1.5
/* Two files of each QEMU are opened besides: on a machine that does other work that takes longer */
#define RUNNING_MAX 2.0
#define RUNS	    31
#define GUEST_PAGES 4 /* of each guest, 2 MiB each */
#define GUESTS_MAX  512
#define NEW_UUID    "ffffffff-cdaf-9455-926a-d65c16db1809"
#define NEW_XML                                                                                    \
	XML(9999, "new", NEW_UUID, 8,                                                              \
	    "<memoryBacking><hugepages><page size='2' unit='M'/></hugepages></memoryBacking>"      \
	    "<numatune><memory mode='strict' nodeset='0'/></numatune>")

struct bench {
	struct fake_kernel fk;
	struct err err;
	int nodes;
	size_t n_pids;
	pid_t pids[GUESTS_MAX];
};

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

/* ---- the host ---- */

static void add_node(const struct bench *b, int node)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "cd '%s/sys/devices/system/node' && cp -r node1 node%d && "
		 "sed -i 's/^Node 1/Node %d/' node%d/meminfo",
		 b->fk.root, node, node, node);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

static void open_bench(struct bench *b, int nodes)
{
	char online[16];
	int i;

	memset(b, 0, sizeof(*b));
	b->nodes = nodes;
	fake_open(&b->fk, nodes == 1 ? "one-node" : "two-nodes-6.12");
	for (i = 2; i < nodes; i++)
		add_node(b, i);
	snprintf(online, sizeof(online), nodes == 1 ? "0\n" : "0-%d\n", nodes - 1);
	fake_put(&b->fk, "sys/devices/system/node/online", online);
	for (i = 0; i < nodes; i++)
		fake_set_pool(&b->fk, i, PAGE_2M, (struct fake_pool){ 0, 0, 0 });
	b->pids[b->n_pids++] = fake_driver(&b->fk, 4711);
}

static void close_bench(struct bench *b)
{
	while (b->n_pids)
		fake_end(&b->fk, b->pids[--b->n_pids]);
	fake_close(&b->fk);
}

#define BENCH(name, nodes) UNIT_FIXTURE(struct bench, name, close_bench, open_bench(&(name), nodes))

/* ---- guests ---- */

/* A ledger of a guest that has GUEST_PAGES on one node */
static void put_ledger(struct bench *b, struct session *session, const char *name, unsigned int i,
		       enum ledger_phase phase)
{
	struct step_share share = { .node = i % (unsigned int)b->nodes,
				    .have = GUEST_PAGES,
				    .own = GUEST_PAGES };
	struct step step = { .kind = STEP_HUGEPAGES };
	struct ledger ledger = { .phase = phase, .id = (int)i };
	struct fake_pool pool = fake_pool(&b->fk, (int)share.node, PAGE_2M);

	step.hugepages = (struct step_hugepages){
		.page_kib = PAGE_2M,
		.pages = GUEST_PAGES,
		.bind = GUEST_BIND_STRICT,
		.private = true,
		.n_shares = 1,
		.shares = &share,
	};
	nodeset_add(&step.hugepages.nodes, share.node);
	ledger.list = (struct step_list){ 1, &step };
	ledger.driver = liveness_driver(&b->fk.kfs);
	snprintf(ledger.name, sizeof(ledger.name), "%s", name);
	snprintf(ledger.uuid, sizeof(ledger.uuid), "%08u-cdaf-9455-926a-d65c16db1809", i);
	CU_ASSERT_EQUAL_FATAL(ledger_boot_id(&b->fk.kfs, ledger.boot_id, &b->err), 0);
	CU_ASSERT_EQUAL_FATAL(ledger_create(&session->state, &ledger, &b->err), 0);
	pool.nr += GUEST_PAGES;
	pool.free += phase == LEDGER_RUNNING ? 0 : GUEST_PAGES;
	fake_set_pool(&b->fk, (int)share.node, PAGE_2M, pool);
}

/* It has all its pages, and 199 other mappings */
static void put_qemu(struct bench *b, const char *name, unsigned int node)
{
	static char maps[200 * 64 + 64];
	pid_t pid = fake_qemu(&b->fk, name);
	char status[64];
	size_t used = (size_t)snprintf(maps, sizeof(maps),
				       "7e0000000000 bind:%u file=/dev/hugepages/ram huge N%u=%d "
				       "kernelpagesize_kB=2048\n",
				       node, node, GUEST_PAGES);
	int i;

	snprintf(status, sizeof(status), "Name:\tqemu\nHugetlbPages:\t%5d kB\n",
		 GUEST_PAGES * 2048);
	fake_put_process(&b->fk, pid, "status", status);
	for (i = 0; i < 199; i++)
		used += (size_t)snprintf(
			maps + used, sizeof(maps) - used,
			"7f%06x000 default anon=9 dirty=9 N0=9 kernelpagesize_kB=4\n", i);
	fake_put_process(&b->fk, pid, "numa_maps", maps);
	b->pids[b->n_pids++] = pid;
}

static void put_guests(struct bench *b, unsigned int from, unsigned int n, enum ledger_phase phase)
{
	struct session session;
	unsigned int i;

	CU_ASSERT_EQUAL_FATAL(session_open(&session, &b->fk.kfs, SESSION_CREATE, &b->err), 0);
	for (i = from; i < from + n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "guest-%u", i);
		put_ledger(b, &session, name, i, phase);
		if (phase == LEDGER_RUNNING)
			put_qemu(b, name, i % (unsigned int)b->nodes);
	}
	session_close(&session);
}

/* ---- what is measured ---- */

static double time_reading(struct bench *b)
{
	struct session session;
	struct ledgers ledgers = { 0 };
	double began;

	CU_ASSERT_EQUAL_FATAL(session_open(&session, &b->fk.kfs, SESSION_CREATE, &b->err), 0);
	began = now_ms();
	CU_ASSERT_EQUAL(ledgers_read(&session.state, false, &ledgers, &b->err), 0);
	ledgers_free(&ledgers);
	began = now_ms() - began;
	session_close(&session);
	return began;
}

static double time_prepare(struct bench *b)
{
	double began = now_ms();

	OK(b, hook_prepare, "new", NEW_XML);
	began = now_ms() - began;
	OK(b, hook_release, "new", NEW_XML);
	return began;
}

static double time_reconcile(struct bench *b)
{
	const struct reconcile_options all = { .limit_ms = 60000 };
	struct session session;
	double began = now_ms();

	CU_ASSERT_EQUAL_FATAL(session_open(&session, &b->fk.kfs, SESSION_CREATE, &b->err), 0);
	UNIT_CHECK(reconcile(&session, &all, &b->err) == 0, "%s", b->err.text);
	began = now_ms() - began;
	session_close(&session);
	return began;
}

/* What libvirt's call of the hook costs before anything is done: the program is started, and
 * this operation does nothing */
static double time_start(struct bench *b)
{
	struct rusage usage = { 0 };
	int status = 0;
	pid_t pid;

	(void)b;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(STDIN_FILENO);
		if (open("/dev/null", O_RDONLY | O_CLOEXEC) == STDIN_FILENO)
			fcntl(STDIN_FILENO, F_SETFD, 0);
		execl(HOOK, HOOK, "new", "start", "begin", "-", (char *)NULL);
		_exit(127);
	}
	UNIT_CHECK(wait4(pid, &status, 0, &usage) == pid && !status, "%s: %x", HOOK, status);
	return (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

enum { START, READING, PREPARE, RECONCILE, MEASURES };

/* Of processor time: other programs on the machine make it longer and never shorter */
static void keep_fastest(double *best, int run, double time)
{
	*best = !run || time < *best ? time : *best;
}

/* In turn, so that a busy moment makes all of them longer.  The fork comes first: what follows
 * one copies pages */
static void fastest(struct bench *b, double best[MEASURES])
{
	int run;

	for (run = 0; run < RUNS; run++)
		keep_fastest(&best[START], run, time_start(b));
	for (run = 0; run < RUNS; run++) {
		keep_fastest(&best[READING], run, time_reading(b));
		keep_fastest(&best[PREPARE], run, time_prepare(b));
		keep_fastest(&best[RECONCILE], run, time_reconcile(b));
	}
}

/* ---- tables ---- */

static const unsigned int counts[] = { 1, 16, 64, 256 };

/* @phase: reserved: guests without a QEMU; or running */
static double print_scale(int nodes, unsigned int ledgers, enum ledger_phase phase, double first)
{
	double best[MEASURES] = { 0 }, beyond, ratio;
	BENCH(b, nodes);

	put_guests(&b, 0, ledgers, phase);
	fastest(&b, best);
	beyond = best[START] + best[PREPARE] - best[READING];
	ratio = first > 0 ? beyond / first : 1;
	printf("| %d | %u | %.2f | %.2f | %.2f | %.2f |\n", nodes, ledgers, best[READING],
	       best[PREPARE], ratio, best[RECONCILE]);
	fflush(stdout);
	UNIT_CHECK(ratio <= (phase == LEDGER_RUNNING ? RUNNING_MAX : RATIO_MAX),
		   "%d nodes, %u ledgers: %.2f", nodes, ledgers, ratio);
	return beyond;
}

#define HEAD                                                                                       \
	"| nodes | ledgers | reading them, ms | `prepare`, ms | ratio beyond reading | "           \
	"`reconcile`, ms |\n|---|---|---|---|---|---|\n"

/* A call of prepare, beyond reading the ledgers: at most one and a half times that beside one */
static void test_scale(void)
{
	int nodes;
	size_t i;

	printf("\nGuests without a QEMU:\n\n" HEAD);
	for (nodes = 1; nodes <= 8; nodes *= 2) {
		double first = 0;

		for (i = 0; i < ARRAY_SIZE(counts); i++) {
			double beyond = print_scale(nodes, counts[i], LEDGER_RESERVED, first);

			first = i ? first : beyond;
		}
	}
}

/* Each QEMU is looked at once, and of one that has all its pages only the kernel's count */
static void test_running(void)
{
	double first = 0;
	size_t i;

	printf("\nGuests that run:\n\n" HEAD);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		double beyond = print_scale(2, counts[i], LEDGER_RUNNING, first);

		first = i ? first : beyond;
	}
}

static double time_dead(unsigned int dead, unsigned int living)
{
	double best = 0;
	size_t i;

	for (i = 0; i < 5; i++) {
		double time;
		BENCH(b, 2);

		put_guests(&b, 0, living, LEDGER_RUNNING);
		put_guests(&b, living, dead, LEDGER_LEAVING);
		time = time_reconcile(&b);
		best = !i || time < best ? time : best;
	}
	printf("| %u | %u | %.1f | %.3f |\n", dead, living, best, best / (dead + living));
	fflush(stdout);
	return best / (dead + living);
}

/* The time of reconcile grows with the sum of guests, and no faster */
static void test_dead(void)
{
	double first, last;

	printf("\n| gone | living | `reconcile`, ms | for each of them, ms |\n|---|---|---|---|\n");
	first = time_dead(50, 12);
	time_dead(100, 25);
	last = time_dead(200, 50);
	UNIT_CHECK(last <= RATIO_MAX * first, "%.3f and %.3f ms for each", first, last);
}

static CU_TestInfo tests[] = {
	{ "many ledgers", test_scale },
	{ "many that run", test_running },
	{ "many that are gone", test_dead },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "ledgers", tests);
}

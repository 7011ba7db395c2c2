// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libvirt's operations for a guest under the pager, with a pager of our own: what it is asked and
 * when, that it is never asked with the host lock held, and what happens if it does not answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/err.h"
#include "base/lock.h"
#include "base/text.h"
#include "guest/guest_parse.h"
#include "lifecycle/adoption.h"
#include "lifecycle/dry_run.h"
#include "lifecycle/ledger.h"
#include "lifecycle/session.h"
#include "lifecycle/state.h"
#include "pager/client.h"
#include "unit/fake_host.h"
#include "unit/own_disk.h"
#include "unit/unit.h"

#define MEMFD "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
#define A_XML XML(1, "a", UUID_A, 1024, MEMFD)
#define B_XML XML(2, "b", UUID_B, 1024, MEMFD)
#define CONF_HALF                                                                                  \
	"[overcommit]\nenable = yes\ntiers = ram:768M\n[guest]\nmatch = a, b\n"                    \
	"overcommit.resident = 50%\n"
#define PAGER_A STATE "pager/" UUID_A

/* ---- the pager ---- */

static struct {
	unsigned int hello, adopt, forget;
	char uuid[GUEST_UUID_SIZE];
	pid_t pid;
	uint64_t limit_kib;
	int answer; /* -errno to all of it */
	bool locked;
} pager;

/* Was the host lock held by us?  A lock of our own would be refused then */
static void look_at_lock(int state_dir)
{
	int fd = openat(state_dir, "lock", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		pager.locked = true;
	close(fd);
}

static int answer(int state_dir, int64_t deadline_ms, struct err *err)
{
	look_at_lock(state_dir);
	CU_ASSERT_TRUE(deadline_ms > 0 && deadline_ms <= 10000);
	return pager.answer < 0 ? err_set(err, -pager.answer, "no pager runs") : 0;
}

int pager_hello(int state_dir, int64_t deadline_ms, struct err *err)
{
	pager.hello++;
	return answer(state_dir, deadline_ms, err);
}

int pager_adopt(int state_dir, const char *uuid, const char *name, pid_t pid, uint64_t limit_kib,
		int64_t deadline_ms, struct err *err)
{
	(void)name;
	pager.adopt++;
	snprintf(pager.uuid, sizeof(pager.uuid), "%s", uuid);
	pager.pid = pid;
	pager.limit_kib = limit_kib;
	return answer(state_dir, deadline_ms, err);
}

int pager_set_limit(int state_dir, const char *uuid, uint64_t limit_kib, int64_t deadline_ms,
		    struct err *err)
{
	(void)uuid;
	pager.limit_kib = limit_kib;
	return answer(state_dir, deadline_ms, err);
}

int pager_release(int state_dir, const char *uuid, int64_t deadline_ms, struct err *err)
{
	(void)uuid;
	return answer(state_dir, deadline_ms, err);
}

int pager_forget(int state_dir, const char *uuid, int64_t deadline_ms, struct err *err)
{
	(void)uuid;
	pager.forget++;
	return answer(state_dir, deadline_ms, err);
}

int pager_status(int state_dir, json_t **status, int64_t deadline_ms, struct err *err)
{
	*status = NULL;
	return answer(state_dir, deadline_ms, err);
}

/* ---- the host ---- */

static void open_host(struct fake_host *h, const char *conf)
{
	memset(&pager, 0, sizeof(pager));
	fake_host_open(h, "one-node", conf);
	fake_put(&h->fk, "dev/userfaultfd", "");
	fake_set_meminfo(&h->fk, 0, "MemFree", 16 * KIB_PER_GIB);
}

#define HOST(name, conf)                                                                           \
	UNIT_FIXTURE(struct fake_host, name, fake_host_close, open_host(&(name), conf))

static void test_life(void)
{
	pid_t qemu;
	HOST(h, CONF_HALF);

	OK(&h, hook_prepare, "a", A_XML);
	CU_ASSERT_EQUAL(pager.hello, 1);
	CU_ASSERT_EQUAL(pager.adopt, 0);
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"kind\": \"overcommit\""));
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"resident_kib\": 524288"));
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"ready\": true"));
	qemu = fake_qemu(&h.fk, "a");
	OK(&h, hook_started, "a", A_XML);
	CU_ASSERT_EQUAL(pager.adopt, 1);
	CU_ASSERT_EQUAL(pager.pid, qemu);
	CU_ASSERT_EQUAL(pager.limit_kib, 524288);
	CU_ASSERT_STRING_EQUAL(pager.uuid, UUID_A);
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"paged\": true"));
	/* libvirt's daemon was started again */
	OK(&h, hook_reconnect, "a", A_XML);
	CU_ASSERT_EQUAL(pager.adopt, 2);
	fake_end(&h.fk, qemu);
	OK(&h, hook_stopped, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	CU_ASSERT_EQUAL(pager.forget, 1);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	CU_ASSERT_FALSE(pager.locked);
}

/* A guest that is not under the pager costs nothing */
static void test_others(void)
{
	pid_t qemu;
	HOST(h, CONF_HALF);

	OK(&h, hook_prepare, "c", XML(3, "c", UUID_C, 1024, MEMFD));
	CU_ASSERT_FALSE(has_ledger(&h, UUID_C));
	qemu = fake_qemu(&h.fk, "c");
	OK(&h, hook_started, "c", XML(3, "c", UUID_C, 1024, MEMFD));
	OK(&h, hook_reconnect, "c", XML(3, "c", UUID_C, 1024, MEMFD));
	OK(&h, hook_release, "c", XML(3, "c", UUID_C, 1024, MEMFD));
	fake_end(&h.fk, qemu);
	CU_ASSERT_EQUAL(pager.hello + pager.adopt + pager.forget, 0);
}

static void test_no_pager(void)
{
	HOST(h, CONF_HALF);

	pager.answer = -ECONNREFUSED;
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "a", A_XML), -ECONNREFUSED);
	says(&h, "guest 'a': no pager runs");
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	/* Its own definition comes first */
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "a", XML(1, "a", UUID_A, 1024, "")), -EINVAL);
	says(&h, "is anonymous");
	CU_ASSERT_EQUAL(pager.hello, 1);
	CU_ASSERT_FALSE(pager.locked);
}

/* The guest runs on, and its record says why it is not paged */
static void test_not_adopted(void)
{
	pid_t qemu;
	HOST(h, CONF_HALF);

	OK(&h, hook_prepare, "a", A_XML);
	qemu = fake_qemu(&h.fk, "a");
	pager.answer = -EPERM;
	OK(&h, hook_started, "a", A_XML);
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"failure\": \"no pager runs\""));
	CU_ASSERT_FALSE(ledger_says(&h, UUID_A, "\"paged\": true"));
	pager.answer = 0;
	OK(&h, hook_reconnect, "a", A_XML);
	CU_ASSERT_FALSE(ledger_says(&h, UUID_A, "failure"));
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"paged\": true"));
	fake_end(&h.fk, qemu);
	/* Even then it ends well */
	pager.answer = -ETIMEDOUT;
	OK(&h, hook_release, "a", A_XML);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
}

/* Of 768 MiB the first guest was promised 512 */
static void test_second_guest(void)
{
	HOST(h, CONF_HALF);

	OK(&h, hook_prepare, "a", A_XML);
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "b", B_XML), -ENOSPC);
	says(&h, "256 MiB are missing");
	CU_ASSERT_FALSE(has_ledger(&h, UUID_B));
	OK(&h, hook_release, "a", A_XML);
	OK(&h, hook_prepare, "b", B_XML);
}

/* What was plugged into it has no place in its record, and can fill tiers all the same */
static void test_plugged_in(void)
{
	static const char one[] = "100000000-140000000 rw-s 00000000 00:01 11  "
				  "/memfd:memory-backend-memfd (deleted)\n";
	char maps[2 * sizeof(one)];
	pid_t qemu;
	HOST(h, CONF_HALF);

	OK(&h, hook_prepare, "a", A_XML);
	qemu = fake_qemu(&h.fk, "a");
	OK(&h, hook_started, "a", A_XML);
	fake_put_process(&h.fk, qemu, "maps", one);
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "b", B_XML), -ENOSPC);
	says(&h, "256 MiB are missing");
	snprintf(maps, sizeof(maps), "%s%s", one,
		 "200000000-210000000 rw-s 00000000 00:01 12  "
		 "/memfd:memory-backend-memfd (deleted)\n");
	fake_put_process(&h.fk, qemu, "maps", maps);
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "b", B_XML), -ENOSPC);
	says(&h, "512 MiB are missing");
	fake_end(&h.fk, qemu);
}

/* What a guest has not taken yet of its limit is not there for the next one */
static void test_outstanding(void)
{
	pid_t qemu;
	HOST(h, NULL);

	fake_host_close(&h);
	memset(&pager, 0, sizeof(pager));
	fake_host_open(&h, "two-nodes-6.12",
		       "[overcommit]\nenable = yes\ntiers = ram:1G\nkeep_free = 5G\n"
		       "[guest]\nmatch = a, b\novercommit.resident = 50%\n");
	fake_empty_nodes(&h.fk);
	fake_set_meminfo(&h.fk, 1, "MemFree", 2 * KIB_PER_GIB);
	fake_put(&h.fk, "dev/userfaultfd", "");
	OK(&h, hook_prepare, "a", A_XML);
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "b", B_XML), -ENOSPC);
	says(&h, "beside 563.1 MiB that other guests under the pager may still take");
	qemu = fake_qemu(&h.fk, "a");
	OK(&h, hook_started, "a", A_XML);
	fake_put_process(&h.fk, qemu, "status", "Name:\tqemu\nVmRSS:\t  614400 kB\n");
	OK(&h, hook_prepare, "b", B_XML);
	fake_end(&h.fk, qemu);
}

/* ---- what the pager leaves: in children that may mount its tmpfs ---- */

static void leave_files(const struct fake_host *h)
{
	char path[256];

	fake_put(&h->fk, STATE "pager/note", "");
	fake_remove(&h->fk, STATE "pager/note");
	snprintf(path, sizeof(path), "%s/" STATE "pager", h->fk.root);
	CU_ASSERT_EQUAL_FATAL(mount("none", path, "tmpfs", 0, "size=1m,mode=0700"), 0);
	fake_put(&h->fk, PAGER_A "/map", "map");
	fake_put(&h->fk, PAGER_A "/ram.0", "slots");
}

static int lock_map(const struct fake_host *h)
{
	int fd = openat(h->fk.kfs.rootfd, PAGER_A "/map", O_RDWR | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0);
	return fd;
}

static void end_well(const struct fake_host *h)
{
	CU_ASSERT_FALSE(has_ledger(h, UUID_A));
	CU_ASSERT_FALSE(fake_exists(&h->fk, PAGER_A));
	/* The tmpfs goes with the last guest */
	CU_ASSERT_FALSE(fake_exists(&h->fk, STATE "pager"));
	CU_ASSERT_FALSE(pager.locked);
}

static void leftovers(void)
{
	int daemon, map;
	HOST(h, CONF_HALF);

	OK(&h, hook_prepare, "a", A_XML);
	leave_files(&h);
	/* A daemon has not noticed yet */
	daemon = lock_take(h.fk.kfs.rootfd, LOCK_PAGERD, 0, &h.err);
	CU_ASSERT_TRUE(daemon >= 0);
	OK(&h, hook_release, "a", A_XML);
	CU_ASSERT_TRUE(has_ledger(&h, UUID_A));
	CU_ASSERT_TRUE(fake_exists(&h.fk, PAGER_A "/ram.0"));
	/* What is left promises nothing any more */
	OK(&h, hook_prepare, "b", B_XML);
	lock_release(&daemon);
	/* It was killed, and its last thread is not gone */
	map = lock_map(&h);
	OK(&h, hook_release, "b", B_XML);
	CU_ASSERT_TRUE(fake_exists(&h.fk, PAGER_A "/ram.0"));
	close(map);
	/* The next operation of any guest's */
	OK(&h, hook_prepare, "b", B_XML);
	end_well(&h);
}

/* QEMU runs and its pager was killed: what lies there is the guest's memory */
static void killed_pager(void)
{
	struct session session;
	struct ledger *ledger;
	pid_t qemu;
	HOST(h, CONF_HALF);

	OK(&h, hook_prepare, "a", A_XML);
	qemu = fake_qemu(&h.fk, "a");
	OK(&h, hook_started, "a", A_XML);
	leave_files(&h);
	CU_ASSERT_EQUAL_FATAL(session_open(&session, &h.fk.kfs, SESSION_CHANGE, &h.err), 0);
	CU_ASSERT_EQUAL_FATAL(ledger_read(&session.state, UUID_A, &ledger, &h.err), 0);
	CU_ASSERT_EQUAL(ledger_mark(&session.state, ledger, LEDGER_LEAVING, NULL, &h.err), 0);
	ledger_free(ledger);
	session_close(&session);
	fake_host_reconcile(&h.fk.kfs, &h.err);
	CU_ASSERT_TRUE(fake_exists(&h.fk, PAGER_A "/map"));
	CU_ASSERT_TRUE(has_ledger(&h, UUID_A));
	fake_end(&h.fk, qemu);
	fake_host_reconcile(&h.fk.kfs, &h.err);
	end_well(&h);
}

/* What an earlier start could not give up is not adopted with the next one */
static void debt(void)
{
	pid_t qemu;
	int map;
	HOST(h, CONF_HALF);

	OK(&h, hook_prepare, "a", A_XML);
	leave_files(&h);
	map = lock_map(&h);
	OK(&h, hook_release, "a", A_XML);
	OK(&h, hook_prepare, "a", XML(5, "a", UUID_A, 1024, MEMFD));
	qemu = fake_qemu(&h.fk, "a");
	OK(&h, hook_started, "a", XML(5, "a", UUID_A, 1024, MEMFD));
	CU_ASSERT_EQUAL(pager.adopt, 1);
	CU_ASSERT_EQUAL(pager.limit_kib, 524288);
	fake_end(&h.fk, qemu);
	close(map);
	OK(&h, hook_release, "a", XML(5, "a", UUID_A, 1024, MEMFD));
	end_well(&h);
}

static int in_child(const char *dir)
{
	static void (*const all[])(void) = { leftovers, killed_pager, debt };
	unsigned int before;
	int failed = 0;
	size_t i;

	(void)dir;
	for (i = 0; i < ROWS(all); i++) {
		before = CU_get_number_of_failures();
		all[i]();
		if (CU_get_number_of_failures() == before)
			continue;
		/* CUnit's own records are lost */
		fprintf(stderr, "in the child: %zu fails\n", i);
		failed = 1;
	}
	return failed;
}

static void test_leftovers(void)
{
	own_disk_child(in_child, "what the pager leaves");
}

/* ---- those who only look ---- */

static void test_plan(void)
{
	cleanup_guest struct guest *guest = NULL;
	struct dry_run result = { 0 };
	static const char xml[] = DOMAIN("", "a", UUID_A, 1024, MEMFD);
	HOST(h, CONF_HALF);

	CU_ASSERT_EQUAL_FATAL(guest_parse(xml, strlen(xml), &guest, &h.err), 0);
	CU_ASSERT_EQUAL_FATAL(dry_run(&h.fk.kfs, guest, &result, &h.err), 0);
	CU_ASSERT_EQUAL(result.plan.list.n, 1);
	CU_ASSERT_EQUAL(result.plan.n_notes, 0);
	plan_free(&result.plan);
	pager.answer = -ENOENT;
	CU_ASSERT_EQUAL_FATAL(dry_run(&h.fk.kfs, guest, &result, &h.err), 0);
	CU_ASSERT_EQUAL(result.plan.list.n, 1);
	CU_ASSERT_EQUAL_FATAL(result.plan.n_notes, 1);
	UNIT_CHECK_STR(result.plan.notes[0], "the start would be refused now: no pager runs",
		       "note");
	plan_free(&result.plan);
}

/* "virt-membacking adopt" makes records of guests that run, and pages none */
static void test_adoption_of_records(void)
{
	pid_t qemu;
	HOST(h, CONF_HALF);

	qemu = fake_qemu(&h.fk, "a");
	OK(&h, hook_reconnect, "a", A_XML);
	CU_ASSERT_FALSE(ledger_says(&h, UUID_A, "overcommit"));
	CU_ASSERT_EQUAL(pager.adopt, 0);
	fake_end(&h.fk, qemu);
}

static CU_TestInfo tests[] = {
	{ "a guest's life", test_life },
	{ "guests that are not paged", test_others },
	{ "no pager runs", test_no_pager },
	{ "a guest that can't be adopted runs on", test_not_adopted },
	{ "a second guest", test_second_guest },
	{ "what was plugged into the first one", test_plugged_in },
	{ "what is not taken yet", test_outstanding },
	{ "a dry run", test_plan },
	{ "records of guests that run", test_adoption_of_records },
	/* The last one: its child makes hosts that we don't count */
	{ "what the pager leaves", test_leftovers },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_overcommit_step", tests);
}

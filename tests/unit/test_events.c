// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libvirt's operations on a whole host: pools with the kernel's manners, ledgers,
 * configuration, and processes that hold the locks of QEMU and libvirt's driver.
 */
#include "lifecycle/hook_operations.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "lifecycle/daemon.h"
#include "lifecycle/ledger.h"
#include "lifecycle/state.h"
#include "unit/fake_host.h"
#include "unit/unit.h"

/* 100 pages of 2 MiB */
#define A_XML	    XML(1, "a", UUID_A, 200, PAGES(2, "M") ON_NODE(0))
#define A_XML_AGAIN XML(5, "a", UUID_A, 200, PAGES(2, "M") ON_NODE(0))
#define B_XML	    XML(2, "b", UUID_B, 200, PAGES(2, "M") ON_NODE(0))
/* needs nothing */
#define C_XML XML(3, "c", UUID_C, 200, "")

static void open_host(struct fake_host *h)
{
	/* what these hosts lack is not reclaimed, and nothing waits for it */
	fake_host_open(h, "two-nodes-6.12", "[hook]\ndeadline = 2s\n");
	fake_empty_nodes(&h->fk);
}

#define HOST(name) UNIT_FIXTURE(struct fake_host, name, fake_host_close, open_host(&(name)))

static void check_phase(const struct fake_host *h, const char *uuid, const char *phase)
{
	char text[16384], words[64];

	ledger_text(h, uuid, text, sizeof(text));
	snprintf(words, sizeof(words), "\"phase\": \"%s\"", phase);
	UNIT_CHECK(strstr(text, words), "not %s: %s", phase, text);
}

static void put_ledger(const struct fake_host *h, const char *uuid, const char *text)
{
	char name[128];

	snprintf(name, sizeof(name), GUESTS "%s", uuid);
	fake_put(&h->fk, name, text);
}

/* The ledger with @from replaced by @to */
static void edit_ledger(const struct fake_host *h, const char *uuid, const char *from,
			const char *to)
{
	char name[128], text[16384], out[16384], *at;

	snprintf(name, sizeof(name), GUESTS "%s", uuid);
	fake_get(&h->fk, name, text, sizeof(text));
	at = strstr(text, from);
	if (!UNIT_CHECK(at, "no '%s' in: %s", from, text))
		return;
	snprintf(out, sizeof(out), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	fake_put(&h->fk, name, out);
}

/* ---- one guest ---- */

static void test_life(void)
{
	pid_t qemu;
	HOST(h);

	fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 10, 0, 0 });
	OK(&h, hook_prepare, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 110, 100, 0);
	check_phase(&h, UUID_A, "prepared");
	qemu = fake_host_qemu(&h, "a", 0, 100);
	OK(&h, hook_started, "a", A_XML);
	check_phase(&h, UUID_A, "running");
	fake_host_end_qemu(&h, qemu, 0, 100);
	OK(&h, hook_stopped, "a", A_XML);
	check_phase(&h, UUID_A, "leaving");
	OK(&h, hook_release, "a", A_XML);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	fake_pool_is(&h.fk, 0, PAGE_2M, 10, 0, 0);
	fake_pool_is(&h.fk, 1, PAGE_2M, 0, 0, 0);
	CU_ASSERT_EQUAL(fake_free_kib(&h.fk, 0), 4 * KIB_PER_GIB);
}

/* Nothing is written, not even a directory */
static void test_needs_nothing(void)
{
	HOST(h);

	OK(&h, hook_prepare, "c", C_XML);
	OK(&h, hook_started, "c", C_XML);
	OK(&h, hook_stopped, "c", C_XML);
	OK(&h, hook_release, "c", C_XML);
	CU_ASSERT_FALSE(fake_exists(&h.fk, "run/libvirt-membacking"));
	fake_put(&h.fk, CONF, "[hugepages]\nmanage = no\n");
	OK(&h, hook_prepare, "a", A_XML);
	CU_ASSERT_FALSE(fake_exists(&h.fk, "run/libvirt-membacking"));
	CU_ASSERT_EQUAL(h.fk.writes, 0);
}

/* The start failed after prepare: both are called, without a QEMU ever */
static void test_failed_start(void)
{
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	OK(&h, hook_stopped, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	/* and once more, for one that never got anything */
	OK(&h, hook_stopped, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	OK(&h, hook_started, "a", A_XML);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
}

static void test_second_call(void)
{
	unsigned int writes;
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	writes = h.fk.writes;
	OK(&h, hook_prepare, "a", A_XML);
	CU_ASSERT_EQUAL(h.fk.writes, writes);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	OK(&h, hook_started, "a", A_XML);
	OK(&h, hook_started, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

/* stopped and release of the last start were lost */
static void test_next_start(void)
{
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	OK(&h, hook_prepare, "a", A_XML_AGAIN);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	OK(&h, hook_release, "a", A_XML_AGAIN);
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

/* The guest's XML no longer asks for huge pages: what it held goes back */
static void test_next_start_without_pages(void)
{
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	OK(&h, hook_prepare, "a", XML(5, "a", UUID_A, 200, ""));
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
}

static void test_running_already(void)
{
	pid_t qemu;
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	qemu = fake_host_qemu(&h, "a", 0, 100);
	OK(&h, hook_started, "a", A_XML);
	OK(&h, hook_prepare, "a", A_XML_AGAIN);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 0, 0);
	check_phase(&h, UUID_A, "running");
	fake_host_end_qemu(&h, qemu, 0, 100);
	OK(&h, hook_release, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

/* QEMU's pages are not free at once */
static void test_release_waits(void)
{
	uint64_t begin = clock_ms();
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	fake_use(&h.fk, 0, PAGE_2M, 30);
	OK(&h, hook_stopped, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	says(&h, "30 pages of 2 MiB on node 0: still in use");
	CU_ASSERT(clock_ms() - begin >= 1000);
	check_phase(&h, UUID_A, "leaving");
	fake_pool_is(&h.fk, 0, PAGE_2M, 30, 0, 0);
	fake_unuse(&h.fk, 0, PAGE_2M, 30);
	/* any other guest's operation with the lock settles it */
	OK(&h, hook_prepare, "b", B_XML);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
}

/* Pages that another program has taken for good must not keep the guest from ever
 * starting again */
static void test_start_with_a_leftover(void)
{
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	fake_use(&h.fk, 0, PAGE_2M, 30);
	OK(&h, hook_stopped, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	if (OK(&h, hook_prepare, "a", A_XML_AGAIN)) {
		fake_pool_is(&h.fk, 0, PAGE_2M, 130, 100, 0);
		fake_unuse(&h.fk, 0, PAGE_2M, 30);
		OK(&h, hook_release, "a", A_XML_AGAIN);
		fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	}
}

static void test_keep(void)
{
	HOST(h);

	fake_put(&h.fk, CONF, "[hugepages]\non_release = keep\n");
	OK(&h, hook_prepare, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	/* The next start uses them, and they stay afterwards whatever is said then */
	fake_put(&h.fk, CONF, "");
	OK(&h, hook_prepare, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
}

/* ---- the XML fails us ---- */

static void test_broken_xml(void)
{
	static const char *const xmls[] = {
		NULL,
		"",
		"<domain",
		"<domain/>",
		"not XML at all",
		"<!DOCTYPE d [<!ENTITY e 'e'>]><domain/>",
		"<domain><name>a</name><uuid>../../../etc/passwd</uuid></domain>",
	};
	pid_t qemu;
	size_t i;

	for (i = 0; i < ROWS(xmls); i++) {
		HOST(h);
		UNIT_CHECK(run(&h, hook_prepare, "a", xmls[i]) < 0, "%zu", i);
		says(&h, "guest 'a'");
		CU_ASSERT_FALSE(fake_exists(&h.fk, "run/libvirt-membacking"));
		OK(&h, hook_prepare, "a", A_XML);
		qemu = fake_qemu(&h.fk, "a");
		UNIT_CHECK(run(&h, hook_started, "a", xmls[i]) == 0, "%zu: %s", i, h.err.text);
		check_phase(&h, UUID_A, "running");
		fake_end(&h.fk, qemu);
		UNIT_CHECK(run(&h, hook_stopped, "a", xmls[i]) == 0, "%zu: %s", i, h.err.text);
		check_phase(&h, UUID_A, "leaving");
		UNIT_CHECK(run(&h, hook_release, "a", xmls[i]) == 0, "%zu: %s", i, h.err.text);
		CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
		fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
		/* of a guest without a ledger it is no failure either */
		OK(&h, hook_prepare, "b", B_XML);
		UNIT_CHECK(run(&h, hook_release, "a", xmls[i]) == 0, "%zu: %s", i, h.err.text);
		UNIT_CHECK(run(&h, hook_stopped, "a", xmls[i]) == 0, "%zu: %s", i, h.err.text);
	}
}

/* ---- refusals: one sentence, nothing changed ---- */

static void test_refusals(void)
{
	static const struct {
		const char *xml;
		int rc;
		const char *words;
	} rows[] = {
		{ XML(1, "a", UUID_A, 5000, PAGES(2, "M") ON_NODE(0)), -ENOSPC,
		  "not enough memory for huge pages: guest 'a' needs 4.8 GiB (2500 pages of 2 MiB) on node "
		  "0, where 4 GiB are available: " },
		{ XML(1, "a", UUID_A, 200, PAGES(2, "M") ON_NODE(7)), -ENODEV,
		  "guest 'a' is bound to NUMA node 7" },
		{ XML(1, "a", UUID_A, 200, PAGES(16, "M")), -ENODEV,
		  "guest 'a' asks for huge pages of 16 MiB" },
		{ XML(1, "a", UUID_A, -1, PAGES(2, "M")), -EINVAL, "guest 'a': domain XML" },
		{ "<domain><name>a</name><uuid>" UUID_A "</uuid>" PAGES(2, "M") "</domain>",
		  -EINVAL, "guest 'a': domain XML" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		HOST(h);
		fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 0, 0, 0 });
		UNIT_CHECK(run(&h, hook_prepare, "a", rows[i].xml) == rows[i].rc, "%zu: %s", i,
			   h.err.text);
		says(&h, rows[i].words);
		CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
		CU_ASSERT_EQUAL(h.fk.writes, 0);
	}
}

static void test_kernel_gives_too_few(void)
{
	HOST(h);

	fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 7, 0, 0 });
	fake_set_obtainable(&h.fk, 0, 60);
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "a", A_XML), -ENOSPC);
	says(&h,
	     "not enough memory for huge pages: guest 'a' needs 200 MiB (100 pages of 2 MiB) on node 0, but only 60");
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	fake_pool_is(&h.fk, 0, PAGE_2M, 7, 0, 0);
}

static void test_kernel_refuses(void)
{
	HOST(h);

	h.fk.write_error = EINVAL;
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "a", A_XML), -EINVAL);
	says(&h, "guest 'a': cannot write '100' to /sys/");
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
}

static void test_bad_configuration(void)
{
	HOST(h);

	fake_put(&h.fk, CONF, "[hugepages]\ncompact = perhaps\n");
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "a", A_XML), -EINVAL);
	says(&h, "guest 'a'");
	says(&h, "membacking.conf:2");
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	/* who does not use that section starts */
	OK(&h, hook_prepare, "c", C_XML);
	fake_put(&h.fk, CONF, "[ksm]\nenable = perhaps\n[thp]\nmanage = yes\nenabled = on\n");
	OK(&h, hook_prepare, "a", A_XML);
	/* what is held goes back whatever the configuration says */
	fake_put(&h.fk, CONF, "[hook]\ndeadline = soon\n[hugepages]\nmanage = no\n");
	OK(&h, hook_release, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	fake_put(&h.fk, CONF, "");
	CU_ASSERT_EQUAL_FATAL(fchmodat(h.fk.kfs.rootfd, CONF, 0664, 0), 0);
	UNIT_CHECK(run(&h, hook_prepare, "a", A_XML) < 0, "a file that the group may write");
	says(&h, "guest 'a'");
	says(&h, "membacking.conf");
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
}

static void test_unwritable_run(void)
{
	static const struct {
		const char *file;
		const char *words;
	} rows[] = {
		{ "run/libvirt-membacking", "run/libvirt-membacking" },
		{ "run/libvirt-membacking/guests", "guests" },
	};
	struct fake_host h;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		open_host(&h);
		fake_put(&h.fk, rows[i].file, "in the way");
		UNIT_CHECK(run(&h, hook_prepare, "a", A_XML) < 0, "%s", rows[i].file);
		says(&h, "guest 'a'");
		says(&h, rows[i].words);
		fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
		CU_ASSERT_EQUAL(h.fk.writes, 0);
		fake_host_close(&h);
	}
	/* a directory where the ledger will be written */
	open_host(&h);
	fake_put(&h.fk, GUESTS UUID_A ".new/x", "in the way");
	UNIT_CHECK(run(&h, hook_prepare, "a", A_XML) < 0, "no ledger can be written");
	says(&h, "record");
	CU_ASSERT_EQUAL(h.fk.writes, 0);
	fake_host_close(&h);
}

/* ---- several guests ---- */

static void test_claims(void)
{
	pid_t qemu;
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	/* a's 100 pages lie idle, and are not b's */
	OK(&h, hook_prepare, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 200, 200, 0);
	OK(&h, hook_release, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	/* a has touched 60 of its 100 */
	qemu = fake_host_qemu(&h, "a", 0, 60);
	OK(&h, hook_started, "a", A_XML);
	OK(&h, hook_prepare, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 200, 140, 0);
	/* and ends before b has touched any */
	fake_host_end_qemu(&h, qemu, 0, 60);
	OK(&h, hook_stopped, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	OK(&h, hook_release, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

/* Memory that is mapped, reserved by the kernel and not yet touched counts once */
static void test_claims_reserved(void)
{
	pid_t qemu;
	HOST(h);

	fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 100, 100, 0 });
	OK(&h, hook_prepare, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	qemu = fake_host_qemu(&h, "a", 0, 10);
	fake_set_reserved(&h.fk, PAGE_2M, 90);
	fake_put_process(&h.fk, qemu, "smaps",
			 "7f0000000000-7f000c800000 rw-s 00000000 00:2f 1 /dev/hugepages/x\n"
			 "Size:             204800 kB\nKernelPageSize:     2048 kB\n"
			 "Shared_Hugetlb:    20480 kB\nPrivate_Hugetlb:       0 kB\n"
			 "VmFlags: rd wr sh mr mw me ms de ht sd \n");
	OK(&h, hook_started, "a", A_XML);
	fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 150, 140, 0 });
	/* 50 idle pages beside a's: b takes them and lacks 50 */
	OK(&h, hook_prepare, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 200, 190, 0);
	fake_end(&h.fk, qemu);
}

static void test_static_pool(void)
{
	HOST(h);

	fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 150, 150, 0 });
	OK(&h, hook_prepare, "a", A_XML);
	OK(&h, hook_prepare, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 200, 200, 0);
	OK(&h, hook_release, "a", A_XML);
	OK(&h, hook_release, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 150, 150, 0);
}

/* ---- the dead ---- */

static void test_driver_died(void)
{
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	/* while the driver lives, a start under way is alive */
	OK(&h, hook_prepare, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 200, 200, 0);
	OK(&h, hook_release, "b", B_XML);
	fake_end(&h.fk, h.driver);
	h.driver = fake_driver(&h.fk, 9999);
	OK(&h, hook_prepare, "b", B_XML);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
}

static void test_qemu_died(void)
{
	pid_t qemu;
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	qemu = fake_host_qemu(&h, "a", 0, 100);
	OK(&h, hook_started, "a", A_XML);
	/* libvirt's daemon is replaced: the guest lives on */
	fake_end(&h.fk, h.driver);
	h.driver = 0;
	CU_ASSERT_EQUAL(fake_host_reconcile(&h.fk.kfs, &h.err), 0);
	CU_ASSERT_TRUE(has_ledger(&h, UUID_A));
	fake_host_end_qemu(&h, qemu, 0, 100);
	CU_ASSERT_EQUAL(fake_host_reconcile(&h.fk.kfs, &h.err), 0);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

/* A reservation by hand belongs to nobody who could die */
static void test_reserved_lives(void)
{
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	edit_ledger(&h, UUID_A, "\"prepared\"", "\"reserved\"");
	fake_end(&h.fk, h.driver);
	h.driver = fake_driver(&h.fk, 9999);
	OK(&h, hook_prepare, "b", B_XML);
	CU_ASSERT_TRUE(has_ledger(&h, UUID_A));
	fake_pool_is(&h.fk, 0, PAGE_2M, 200, 200, 0);
}

static void die(struct fake_kernel *fk)
{
	(void)fk;
	_exit(0);
}

/* prepare and release are killed beside the kernel's write; the next operation of
 * whomever finds the right state */
static void test_killed(void)
{
	int i;

	for (i = 0; i < 4; i++) {
		pid_t pid;
		HOST(h);

		fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 20, 0, 0 });
		if (i >= 2)
			OK(&h, hook_prepare, "a", A_XML);
		fflush(stdout);
		pid = fork();
		if (!pid) {
			*(i % 2 ? &h.fk.after_write : &h.fk.before_write) = die;
			run(&h, i >= 2 ? hook_release : hook_prepare, "a", A_XML);
			_exit(1);
		}
		waitpid(pid, NULL, 0);
		CU_ASSERT_TRUE(has_ledger(&h, UUID_A));
		fake_end(&h.fk, h.driver);
		h.driver = 0;
		CU_ASSERT_EQUAL(fake_host_reconcile(&h.fk.kfs, &h.err), 0);
		CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
		fake_pool_is(&h.fk, 0, PAGE_2M, 20, 0, 0);
	}
}

/* ---- hooks that come late ---- */

/* The guest was started again, and has not touched all of its pages */
static void test_late_end(void)
{
	pid_t qemu;
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	qemu = fake_host_qemu(&h, "a", 0, 40);
	OK(&h, hook_started, "a", A_XML);
	OK(&h, hook_stopped, "a", A_XML);
	check_phase(&h, UUID_A, "running");
	OK(&h, hook_release, "a", A_XML);
	check_phase(&h, UUID_A, "running");
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 60, 0);
	/* by its name likewise */
	OK(&h, hook_release, "a", "<domain");
	OK(&h, hook_prepare, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 200, 160, 0);
	OK(&h, hook_release, "b", B_XML);
	fake_host_end_qemu(&h, qemu, 0, 40);
	OK(&h, hook_release, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
}

/* Hooks that an earlier libvirt called, and which had their turn only now */
static void test_outlived(void)
{
	HOST(h);

	fake_put_stat(&h.fk, getpid(), 4710);
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "a", A_XML), -ECANCELED);
	says(&h, "libvirt was restarted");
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	fake_put_stat(&h.fk, getpid(), 4711);
	OK(&h, hook_prepare, "a", A_XML);
	fake_put_stat(&h.fk, getpid(), 4710);
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "a", A_XML_AGAIN), -ECANCELED);
	OK(&h, hook_prepare, "a", XML(5, "a", UUID_A, 200, ""));
	OK(&h, hook_stopped, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	check_phase(&h, UUID_A, "prepared");
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	fake_put_stat(&h.fk, getpid(), 5000);
	OK(&h, hook_release, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

/* The guest is being started again: marked as running it would look dead without its QEMU */
static void test_late_started(void)
{
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	fake_put_stat(&h.fk, getpid(), 4710);
	OK(&h, hook_started, "a", A_XML);
	OK(&h, hook_reconnect, "a", A_XML);
	fake_put_stat(&h.fk, getpid(), 4712);
	check_phase(&h, UUID_A, "prepared");
	OK(&h, hook_prepare, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 200, 200, 0);
}

/* The hook has nothing but the name of a guest with XML that we refuse, and that is the UUID
 * of another one */
static void test_named_like_a_uuid(void)
{
	pid_t qemu;
	HOST(h);

	OK(&h, hook_prepare, "b", B_XML);
	OK(&h, hook_stopped, UUID_B, "<domain");
	OK(&h, hook_release, UUID_B, "<domain");
	OK(&h, hook_release, UUID_B, XML(9, UUID_B, UUID_A, 200, ""));
	check_phase(&h, UUID_B, "prepared");
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	/* one that has a ledger of its own */
	OK(&h, hook_prepare, UUID_B, XML(9, UUID_B, UUID_A, 200, PAGES(2, "M") ON_NODE(0)));
	qemu = fake_qemu(&h.fk, UUID_B);
	OK(&h, hook_started, UUID_B, "<domain");
	check_phase(&h, UUID_A, "running");
	check_phase(&h, UUID_B, "prepared");
	fake_end(&h.fk, qemu);
	OK(&h, hook_release, UUID_B, "<domain");
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	check_phase(&h, UUID_B, "prepared");
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
}

/* A guest called "driver" has the driver's PID file, but not its life */
static void test_called_driver(void)
{
	HOST(h);

	OK(&h, hook_prepare, "driver", XML(1, "driver", UUID_A, 200, PAGES(2, "M") ON_NODE(0)));
	OK(&h, hook_stopped, "driver", XML(1, "driver", UUID_A, 200, ""));
	check_phase(&h, UUID_A, "leaving");
	OK(&h, hook_release, "driver", XML(1, "driver", UUID_A, 200, ""));
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

/* ---- ledgers that are not as they should be ---- */

static void test_other_boot(void)
{
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	fake_put(&h.fk, "proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
	/* what the pool holds now is the new boot's, an administrator's */
	OK(&h, hook_prepare, "b", B_XML);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
	OK(&h, hook_release, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 100, 0);
}

static void test_foreign_version(void)
{
	HOST(h);

	put_ledger(&h, UUID_A, "{\"version\": 2, \"name\": \"a\", \"all\": \"else is new\"}");
	OK(&h, hook_prepare, "b", B_XML);
	CU_ASSERT_TRUE(has_ledger(&h, UUID_A));
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "a", A_XML), -EEXIST);
	says(&h, "guest 'a'");
	says(&h, "another version");
	says(&h, "virt-membacking release " UUID_A " --force");
	/* these never stop a guest's end */
	run(&h, hook_stopped, "a", A_XML);
	run(&h, hook_release, "a", A_XML);
	CU_ASSERT_TRUE(has_ledger(&h, UUID_A));
	OK(&h, hook_release, "b", B_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
}

static void test_damaged_ledger(void)
{
	static const char *const texts[] = { "",
					     "{",
					     "[]",
					     "{}",
					     "\"a\"",
					     "{\"version\": -1}",
					     "{\"version\": 1, \"name\": \"a\"}" };
	size_t i;

	for (i = 0; i < ROWS(texts); i++) {
		HOST(h);
		put_ledger(&h, UUID_A, texts[i]);
		/* others are not kept from starting */
		UNIT_CHECK(run(&h, hook_prepare, "b", B_XML) == 0, "%s: %s", texts[i], h.err.text);
		OK(&h, hook_release, "b", B_XML);
		fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
		UNIT_CHECK(run(&h, hook_started, "a", A_XML) < 0, "%s", texts[i]);
		says(&h, UUID_A);
		says(&h, "damaged");
	}
}

/* A start must not overwrite it: what it holds would be lost.  So it is refused */
static void test_own_damaged_ledger(void)
{
	char text[64];
	HOST(h);

	put_ledger(&h, UUID_A, "{");
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "a", A_XML), -EINVAL);
	says(&h, "guest 'a'");
	says(&h, "damaged");
	says(&h, "virt-membacking release " UUID_A " --force");
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	/* what asks for nothing of ours is not refused for it */
	OK(&h, hook_prepare, "a", XML(5, "a", UUID_A, 200, ""));
	run(&h, hook_started, "a", A_XML);
	run(&h, hook_reconnect, "a", A_XML);
	run(&h, hook_stopped, "a", A_XML);
	run(&h, hook_release, "a", A_XML);
	ledger_text(&h, UUID_A, text, sizeof(text));
	UNIT_CHECK_STR(text, "{", "the ledger");
	/* A link is none of ours, and holds nothing */
	fake_remove(&h.fk, GUESTS UUID_A);
	CU_ASSERT_EQUAL(symlinkat("/etc/passwd", h.fk.kfs.rootfd, GUESTS UUID_A), 0);
	OK(&h, hook_prepare, "a", A_XML);
	check_phase(&h, UUID_A, "prepared");
}

/* Files that are no ledgers are nobody's business */
static void test_strange_files(void)
{
	HOST(h);

	put_ledger(&h, "README", "hello");
	put_ledger(&h, UUID_C ".new", "{ half of it");
	OK(&h, hook_prepare, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	CU_ASSERT_TRUE(fake_exists(&h.fk, GUESTS "README"));
	CU_ASSERT_FALSE(fake_exists(&h.fk, GUESTS UUID_C ".new"));
}

/* ---- reconnect ---- */

static void test_reconnect(void)
{
	pid_t qemu;
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	qemu = fake_host_qemu(&h, "a", 0, 100);
	OK(&h, hook_reconnect, "a", A_XML);
	check_phase(&h, UUID_A, "running");
	/* a guest that nobody prepared: an empty ledger */
	OK(&h, hook_reconnect, "b", B_XML);
	check_phase(&h, UUID_B, "running");
	fake_pool_is(&h.fk, 0, PAGE_2M, 100, 0, 0);
	OK(&h, hook_release, "b", B_XML);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_B));
	fake_host_end_qemu(&h, qemu, 0, 100);
	OK(&h, hook_release, "a", A_XML);
	fake_pool_is(&h.fk, 0, PAGE_2M, 0, 0, 0);
	CU_ASSERT(run(&h, hook_reconnect, "a", "<domain") < 0);
}

/* ---- locks ---- */

/* Another program holds the lock for long */
static void test_lock_deadline(void)
{
	struct state state = STATE_CLOSED;
	HOST(h);

	fake_put(&h.fk, CONF, "[hook]\nlock_deadline = 200ms\n");
	CU_ASSERT_EQUAL_FATAL(state_open(h.fk.kfs.rootfd, true, &state, &h.err), 0);
	CU_ASSERT_EQUAL_FATAL(state_lock(&state, 0, &h.err), 0);
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "a", A_XML), -ETIMEDOUT);
	says(&h, "/run/libvirt-membacking/lock");
	says(&h, "lock_deadline");
	/* those without the lock go on, and so does a daemon's start */
	OK(&h, hook_prepare, "c", C_XML);
	OK(&h, hook_started, "a", A_XML);
	OK(&h, hook_stopped, "a", A_XML);
	CU_ASSERT_EQUAL(fake_host_reconcile(&h.fk.kfs, &h.err), 0);
	state_close(&state);
	OK(&h, hook_prepare, "a", A_XML);
}

/* ---- what is logged ---- */

/* What prepare logs */
static void prepare_logged(struct fake_host *h, const char *xml, char *text, size_t size)
{
	int saved = dup(STDERR_FILENO), fds[2];
	ssize_t n;

	CU_ASSERT_FATAL(saved >= 0 && pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	dup2(fds[1], STDERR_FILENO);
	log_open(LOG_TARGET_STDERR, "hook", NULL, NULL);
	OK(h, hook_prepare, "a", xml);
	dup2(saved, STDERR_FILENO);
	n = read(fds[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(saved);
	close(fds[0]);
	close(fds[1]);
}

static size_t count_words(const char *text, const char *words)
{
	size_t n = 0;

	while ((text = strstr(text, words))) {
		text += strlen(words);
		n++;
	}
	return n;
}

/* Who took what, where */
static void test_pages_are_logged(void)
{
	FAKE_HOST(h, "two-nodes-6.1", NULL);
	char text[4096];

	fake_set_pool(&h.fk, 0, PAGE_2M, (struct fake_pool){ 7, 7, 0 });
	prepare_logged(&h, XML(1, "a", UUID_A, 200, PAGES(2, "M") ON_NODE(0)), text, sizeof(text));
	UNIT_CHECK(strstr(text, "has 100 pages of 2 MiB on node 0: 7 were idle, 93 added"), "%s",
		   text);
	UNIT_CHECK(strstr(text, "prepared in "), "%s", text);
}

/* A definition can have any number of noteworthy things */
static void test_notes_are_bounded(void)
{
	static const struct {
		int backends;
		size_t lines;
		const char *more; /* NULL: none */
	} rows[] = {
		{ 1, 1, NULL },
		{ 8, 8, NULL },
		{ 9, 8, "1 more notes" },
		{ 30, 8, "22 more notes" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		char xml[16384], text[16384];
		size_t used;
		int j;
		FAKE_HOST(h, "one-node", NULL);

		used = (size_t)snprintf(
			xml, sizeof(xml),
			"<domain type='kvm' id='1'><name>a</name><uuid>" UUID_A
			"</uuid><memory unit='MiB'>64</memory>" PAGES(
				2, "MiB") "<commandline xmlns='http://libvirt.org/schemas/domain/"
					  "qemu/1.0'>");
		for (j = 0; j < rows[i].backends; j++)
			used += (size_t)snprintf(
				xml + used, sizeof(xml) - used,
				"<arg value='-object'/><arg value='memory-backend-file,size=1G,"
				"mem-path=/x%d,id=m%d'/>",
				j, j);
		snprintf(xml + used, sizeof(xml) - used, "</commandline></domain>");
		prepare_logged(&h, xml, text, sizeof(text));
		UNIT_CHECK(count_words(text, "memory-backend-file in its") == rows[i].lines &&
				   count_words(text, "more notes") == !!rows[i].more &&
				   (!rows[i].more || strstr(text, rows[i].more)),
			   "%d: %s", rows[i].backends, text);
	}
}

static CU_TestInfo tests[] = {
	{ "a guest's life", test_life },
	{ "a guest that needs nothing", test_needs_nothing },
	{ "a start that failed", test_failed_start },
	{ "the hook is called twice", test_second_call },
	{ "the next start", test_next_start },
	{ "the next start asks for nothing", test_next_start_without_pages },
	{ "a QEMU runs already", test_running_already },
	{ "pages are in use at release", test_release_waits },
	{ "a start while pages of the last one are in use", test_start_with_a_leftover },
	{ "pages are kept", test_keep },
	{ "broken XML", test_broken_xml },
	{ "refusals", test_refusals },
	{ "the kernel gives too few pages", test_kernel_gives_too_few },
	{ "the kernel refuses a write", test_kernel_refuses },
	{ "bad configuration", test_bad_configuration },
	{ "/run can't be written", test_unwritable_run },
	{ "two guests' claims", test_claims },
	{ "claims and reservations", test_claims_reserved },
	{ "a static pool", test_static_pool },
	{ "libvirt's driver died", test_driver_died },
	{ "QEMU died", test_qemu_died },
	{ "a reservation lives", test_reserved_lives },
	{ "killed at the kernel's write", test_killed },
	{ "the end of an earlier start", test_late_end },
	{ "libvirt was restarted meanwhile", test_outlived },
	{ "an earlier start is told late", test_late_started },
	{ "a name like a UUID", test_named_like_a_uuid },
	{ "a guest called driver", test_called_driver },
	{ "a ledger of another boot", test_other_boot },
	{ "a ledger of another version", test_foreign_version },
	{ "a damaged ledger", test_damaged_ledger },
	{ "the guest's own ledger is damaged", test_own_damaged_ledger },
	{ "files that are no ledgers", test_strange_files },
	{ "reconnect", test_reconnect },
	{ "the lock is held", test_lock_deadline },
	/* Logs from here on */
	{ "pages are logged, with their numbers", test_pages_are_logged },
	{ "notes are logged, and no more than some", test_notes_are_bounded },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_events", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * KSM and THP on a whole host, through libvirt's operations: whatever happens, the
 * settings come back as they were, unless another program has changed them.
 */
#include "steps/ksm_step.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "lifecycle/daemon.h"
#include "lifecycle/hook_operations.h"
#include "lifecycle/session.h"
#include "lifecycle/shared.h"
#include "lifecycle/state.h"
#include "unit/fake_host.h"
#include "unit/unit.h"

#define OLD "two-nodes-6.1"
#define NEW "two-nodes-6.12"

#define GUEST(id, name, uuid, rest)                                                                \
	XML(id, name, uuid, 512, "<memoryBacking>" rest "</memoryBacking>")
#define A_XML GUEST(1, "a", UUID_A, "")
#define B_XML GUEST(2, "b", UUID_B, "")

/* What @text says comes after it */
static void put_conf(struct fake_host *h, const char *text)
{
	char conf[512];

	snprintf(conf, sizeof(conf), "[ksm]\nmanage = yes\n%s", text);
	fake_put(&h->fk, CONF, conf);
}

static void open_host(struct fake_host *h, const char *host)
{
	int node;

	fake_host_open(h, host, NULL);
	fake_add_settings(&h->fk, host);
	put_conf(h, "");
	/* 4 GiB, of which 3 are free */
	for (node = 0; node < 2; node++) {
		fake_set_meminfo(&h->fk, node, "MemTotal", 2 * KIB_PER_GIB);
		fake_set_meminfo(&h->fk, node, "MemFree", KIB_PER_GIB + KIB_PER_GIB / 2);
		fake_set_meminfo(&h->fk, node, "Active(file)", 0);
		fake_set_meminfo(&h->fk, node, "Inactive(file)", 0);
		fake_set_meminfo(&h->fk, node, "SReclaimable", 0);
	}
}

#define HOST(name, ...)                                                                            \
	UNIT_FIXTURE(struct fake_host, name, fake_host_close, open_host(&(name), __VA_ARGS__))

/* As fake_host_reconcile(), without stores: no guest here has any, and each look at one takes
 * a process */
static void reconcile(struct fake_host *h)
{
	struct session session;
	struct err err = { "" };
	int rc = session_open(&session, &h->fk.kfs, SESSION_CREATE, &err);

	if (rc == 0)
		rc = daemon_reconcile(&session, &err);
	session_close(&session);
	UNIT_CHECK(rc == 0, "%s", err.text);
}

/* libvirt dies, and with it all starts that are under way */
static void driver_dies(struct fake_host *h)
{
	fake_end(&h->fk, h->driver);
	h->driver = 0;
}

static void put(struct fake_host *h, const char *file, const char *text)
{
	char name[128];

	snprintf(name, sizeof(name), FAKE_KSM "%s", file);
	fake_put(&h->fk, name, text);
}

/* "run=1 pages_to_scan=500" */
static bool is(struct fake_host *h, const char *words)
{
	char copy[256], name[128], text[128], *word, *save = NULL;
	bool all = true;

	snprintf(copy, sizeof(copy), "%s", words);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *value = strchr(word, '=');

		*value++ = '\0';
		snprintf(name, sizeof(name), FAKE_KSM "%s", word);
		if (!fake_exists(&h->fk, name))
			snprintf(name, sizeof(name), FAKE_THP "%s", word);
		fake_get(&h->fk, name, text, sizeof(text));
		/* "[none] scan-time" */
		if (strchr(text, '[')) {
			memmove(text, strchr(text, '[') + 1, strlen(strchr(text, '[')));
			*strchr(text, ']') = '\0';
		}
		all &= unit_check_str(text, value, __FILE__, __LINE__, "%s in '%s'", word, words);
	}
	return all;
}

static size_t count_files(const struct fake_host *h, const char *dir)
{
	char path[256];
	struct dirent *entry;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/" STATE "%s", h->fk.root, dir);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		n += entry->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* All of KSM's and THP's files but for the counters, as one text to be freed */
static char *snapshot(const struct fake_host *h)
{
	static const char *const dirs[] = { FAKE_KSM, FAKE_THP };
	char *all = NULL, path[512], text[256];
	size_t size = 0, i;
	FILE *out = open_memstream(&all, &size);

	for (i = 0; i < 2; i++) {
		struct dirent **list = NULL;
		int n, j;

		snprintf(path, sizeof(path), "%s/%s", h->fk.root, dirs[i]);
		n = scandir(path, &list, NULL, alphasort);
		for (j = 0; j < n; j++) {
			snprintf(path, sizeof(path), "%s%s", dirs[i], list[j]->d_name);
			fake_get(&h->fk, path, text, sizeof(text));
			if (list[j]->d_type == DT_REG && !strstr(path, "/pages_sh") &&
			    !strstr(path, "zero_pages") && !strstr(path, "full_scans"))
				fprintf(out, "%s %s\n", path, text);
			free(list[j]);
		}
		free(list);
	}
	fclose(out);
	return all;
}

static void check_as_before(const struct fake_host *h, char *before, const char *what)
{
	char *now = snapshot(h);

	UNIT_CHECK_STR(now, before, "%s", what);
	UNIT_CHECK(count_files(h, "shared") == 0, "%s: records are left", what);
	free(now);
	free(before);
}

/* ---- one after the other ---- */

static void test_life(void)
{
	static const struct {
		const char *host, *conf, *on;
	} rows[] = {
		{ NEW, "", "run=1 advisor_mode=scan-time sleep_millisecs=100" },
		{ NEW, "[ksm]\nprofile = gentle\n",
		  "run=1 advisor_mode=none pages_to_scan=2500 sleep_millisecs=100" },
		{ NEW, "[ksm]\nprofile = balanced\n", "run=1 pages_to_scan=5000" },
		{ NEW, "[ksm]\nprofile = aggressive\n",
		  "run=1 pages_to_scan=15000 sleep_millisecs=100" },
		{ NEW, "[ksm]\nprofile = custom\n", "run=1 pages_to_scan=100 sleep_millisecs=20" },
		{ NEW, "[ksm]\nmerge_across_nodes = no\n", "run=1 merge_across_nodes=0" },
		{ NEW, "[ksm]\nmerge_across_nodes = yes\n", "run=1 merge_across_nodes=1" },
		{ NEW, "[ksm]\nenable = never\n", "run=0 advisor_mode=none" },
		{ NEW, "[ksm]\nmanage = no\n", "run=0 advisor_mode=none" },
		{ NEW, "[guest]\nmatch = *\nksm = no\n", "run=0 advisor_mode=none" },
		{ NEW, "[ksm]\non_last_guest = unmerge\n", "run=1" },
		{ NEW, "[ksm]\non_last_guest = stop\n", "run=1" },
		{ NEW, "[thp]\nmanage = yes\nenabled = always\nshmem_enabled = within_size\n",
		  "run=1 enabled=always shmem_enabled=within_size" },
		{ OLD, "", "run=1 pages_to_scan=64 sleep_millisecs=40" },
		{ OLD, "[ksm]\nprofile = balanced\n", "run=1 pages_to_scan=5000" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		char *before;
		HOST(h, rows[i].host);

		before = snapshot(&h);
		put_conf(&h, rows[i].conf);
		OK(&h, hook_prepare, "a", A_XML);
		UNIT_CHECK(is(&h, rows[i].on), "row %zu", i);
		OK(&h, hook_started, "a", A_XML);
		OK(&h, hook_prepare, "b", B_XML);
		OK(&h, hook_stopped, "a", A_XML);
		OK(&h, hook_release, "a", A_XML);
		UNIT_CHECK(is(&h, rows[i].on), "row %zu", i);
		/* the end is as it was meant at the start */
		put_conf(&h, "[ksm]\nmanage = no\n");
		OK(&h, hook_release, "b", B_XML);
		check_as_before(&h, before, rows[i].conf);
		UNIT_CHECK(count_files(&h, "guests") == 0, "row %zu", i);
	}
}

/* Without configuration nothing is even looked at, and no directory made */
static void test_costs_nothing(void)
{
	static const char *const guests[] = { "<nosharepages/>", "<source type='memfd'/>" };
	char xml[512];
	size_t i;

	for (i = 0; i < ROWS(guests); i++) {
		HOST(h, NEW);
		snprintf(xml, sizeof(xml), GUEST(1, "a", UUID_A, "%s"), guests[i]);
		OK(&h, hook_prepare, "a", xml);
		OK(&h, hook_release, "a", xml);
		CU_ASSERT_FALSE(fake_exists(&h.fk, "run/libvirt-membacking"));
		/* and a kernel without KSM is none to wait for */
		fake_remove(&h.fk, FAKE_KSM "run");
		OK(&h, hook_prepare, "a", A_XML);
		CU_ASSERT_FALSE(fake_exists(&h.fk, "run/libvirt-membacking"));
	}
}

static void test_always(void)
{
	static const char xml[] = GUEST(1, "a", UUID_A, "<nosharepages/>");
	HOST(h, NEW);

	put_conf(&h, "[ksm]\nenable = always\n");
	OK(&h, hook_prepare, "a", xml);
	is(&h, "run=1 advisor_mode=scan-time");
	OK(&h, hook_release, "a", xml);
	is(&h, "run=0 advisor_mode=none pages_to_scan=100");
}

/* Not one write: who switched it on chose the rates too */
static void test_runs_already(void)
{
	char *before, ledger[4096];
	HOST(h, NEW);

	put_conf(&h, "[ksm]\nprofile = aggressive\non_last_guest = unmerge\n");
	put(&h, "run", "1\n");
	before = snapshot(&h);
	OK(&h, hook_prepare, "a", A_XML);
	fake_get(&h.fk, STATE "guests/" UUID_A, ledger, sizeof(ledger));
	UNIT_CHECK(strstr(ledger, "\"kind\": \"ksm\""), "held: %s", ledger);
	OK(&h, hook_release, "a", A_XML);
	CU_ASSERT_EQUAL(h.fk.setting_writes, 0);
	check_as_before(&h, before, "it ran already");
}

static void test_profile_changes(void)
{
	char *before;
	HOST(h, NEW);

	put(&h, "pages_to_scan", "333\n");
	before = snapshot(&h);
	OK(&h, hook_prepare, "a", A_XML);
	is(&h, "advisor_mode=scan-time pages_to_scan=2500");
	put_conf(&h, "[ksm]\nprofile = gentle\n");
	OK(&h, hook_prepare, "b", B_XML);
	is(&h, "advisor_mode=none pages_to_scan=2500");
	OK(&h, hook_release, "a", A_XML);
	put_conf(&h, "");
	OK(&h, hook_prepare, "a", A_XML);
	is(&h, "advisor_mode=scan-time pages_to_scan=2500");
	OK(&h, hook_release, "b", B_XML);
	OK(&h, hook_release, "a", A_XML);
	check_as_before(&h, before, "from profile to profile");
}

/* ---- another program ---- */

static void test_others(void)
{
	static const struct {
		const char *conf, *file, *text, *left;
	} rows[] = {
		{ "", "run", "0\n", "run=0 advisor_mode=none pages_to_scan=100" },
		{ "", "run", "2\n", "run=2 advisor_mode=none pages_to_scan=100" },
		{ "", "advisor_mode", "[none] scan-time\n", "run=0 advisor_mode=none" },
		{ "[ksm]\nprofile = gentle\n", "pages_to_scan", "777\n",
		  "run=0 pages_to_scan=777 sleep_millisecs=20" },
		{ "[ksm]\nprofile = aggressive\n", "sleep_millisecs", "55\n",
		  "run=0 pages_to_scan=100 sleep_millisecs=55" },
		{ "[ksm]\non_last_guest = unmerge\n", "run", "0\n", "run=0 advisor_mode=none" },
		{ "[thp]\nmanage = yes\nenabled = always\n", "../transparent_hugepage/enabled",
		  "always madvise [never]\n", "run=0 enabled=never" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		HOST(h, NEW);
		put_conf(&h, rows[i].conf);
		OK(&h, hook_prepare, "a", A_XML);
		put(&h, rows[i].file, rows[i].text);
		/* the next guest leaves it alone, too */
		OK(&h, hook_prepare, "b", B_XML);
		OK(&h, hook_release, "b", B_XML);
		OK(&h, hook_release, "a", A_XML);
		UNIT_CHECK(is(&h, rows[i].left), "row %zu", i);
		UNIT_CHECK(count_files(&h, "shared") == 0, "row %zu", i);
	}
}

/* They can't be written: the guest starts all the same, and nothing is left */
static void test_refused_writes(void)
{
	static const int errors[] = { EACCES, EROFS, EINVAL, EBUSY };
	size_t i;

	for (i = 0; i < ROWS(errors); i++) {
		char *before;
		HOST(h, NEW);

		before = snapshot(&h);
		put_conf(&h, "[thp]\nmanage = yes\nenabled = always\n");
		h.fk.setting_error = errors[i];
		OK(&h, hook_prepare, "a", A_XML);
		OK(&h, hook_release, "a", A_XML);
		check_as_before(&h, before, strerror(errors[i]));
	}
}

/* An advisor would change pages_to_scan, and what that was could not be written down: KSM
 * runs without */
static void test_no_record(void)
{
	char *before, path[256];
	HOST(h, NEW);

	put(&h, "pages_to_scan", "123\n");
	before = snapshot(&h);
	OK(&h, hook_prepare, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	snprintf(path, sizeof(path), "%s/" STATE "shared/ksm-pages_to_scan.new", h.fk.root);
	UNIT_CHECK(mkdir(path, 0700) == 0, "%s", path);
	OK(&h, hook_prepare, "a", A_XML);
	is(&h, "run=1 advisor_mode=none pages_to_scan=123");
	OK(&h, hook_release, "a", A_XML);
	rmdir(path);
	check_as_before(&h, before, "a record that can't be written");
}

/* Huge pages of another guest hold the lock: a guest that can do without KSM starts */
static void test_lock_is_held(void)
{
	struct state state = STATE_CLOSED;
	HOST(h, NEW);

	put_conf(&h, "[hook]\nlock_deadline = 200ms\n");
	CU_ASSERT_EQUAL_FATAL(state_open(h.fk.kfs.rootfd, true, &state, &h.err), 0);
	CU_ASSERT_EQUAL_FATAL(state_lock(&state, 0, &h.err), 0);
	OK(&h, hook_prepare, "a", A_XML);
	is(&h, "run=0");
	state_close(&state);
}

/* ---- the end ---- */

static void merge(struct fake_host *h, unsigned int mib)
{
	char text[32];

	put(h, "pages_shared", "10\n");
	snprintf(text, sizeof(text), "%u\n", mib * 256);
	put(h, "pages_sharing", text);
}

static void test_unmerge(void)
{
	char *before;
	HOST(h, NEW);

	before = snapshot(&h);
	put_conf(&h, "[ksm]\non_last_guest = unmerge\n");
	OK(&h, hook_prepare, "a", A_XML);
	merge(&h, 2000);
	OK(&h, hook_release, "a", A_XML);
	is(&h, "pages_sharing=0");
	check_as_before(&h, before, "it fits");

	/* 3 GiB are free, of which a tenth of 4 stays */
	before = snapshot(&h);
	OK(&h, hook_prepare, "a", A_XML);
	merge(&h, 2700);
	OK(&h, hook_release, "a", A_XML);
	is(&h, "run=0 pages_shared=10 advisor_mode=none");
	CU_ASSERT_EQUAL(count_files(&h, "shared"), 1);
	reconcile(&h);
	is(&h, "run=0 pages_shared=10");
	/* a guest comes, and KSM runs */
	OK(&h, hook_prepare, "b", B_XML);
	is(&h, "run=1 pages_shared=10");
	OK(&h, hook_release, "b", B_XML);
	is(&h, "run=0 pages_shared=10");
	merge(&h, 2600);
	reconcile(&h);
	is(&h, "pages_sharing=0");
	check_as_before(&h, before, "later it fits");
}

/* The kernel gives up half-way, and stops KSM */
static void test_unmerge_fails(void)
{
	static const int errors[] = { EINTR, ENOMEM };
	size_t i;

	for (i = 0; i < ROWS(errors); i++) {
		char *before;
		HOST(h, NEW);

		before = snapshot(&h);
		put_conf(&h, "[ksm]\non_last_guest = unmerge\n");
		OK(&h, hook_prepare, "a", A_XML);
		merge(&h, 100);
		h.fk.unmerge_error = errors[i];
		OK(&h, hook_release, "a", A_XML);
		is(&h, "run=0 pages_shared=10");
		CU_ASSERT_EQUAL(count_files(&h, "shared"), 1);
		h.fk.unmerge_error = 0;
		reconcile(&h);
		is(&h, "pages_shared=0");
		check_as_before(&h, before, "a second try");
	}
}

/* Of a host that has run = 2, going back is taking apart */
static void test_back_to_unmerged(void)
{
	char *before;
	HOST(h, NEW);

	put(&h, "run", "2\n");
	before = snapshot(&h);
	OK(&h, hook_prepare, "a", A_XML);
	is(&h, "run=1");
	merge(&h, 2900);
	OK(&h, hook_release, "a", A_XML);
	is(&h, "run=0 pages_shared=10");
	merge(&h, 100);
	reconcile(&h);
	is(&h, "run=2 pages_shared=0");
	put_conf(&h, "[ksm]\non_last_guest = stop\n");
	OK(&h, hook_prepare, "a", A_XML);
	merge(&h, 100);
	OK(&h, hook_release, "a", A_XML);
	is(&h, "run=0 pages_shared=10");
	put(&h, "run", "2\n");
	check_as_before(&h, before, "run was 2");
}

/* Changed only while nothing is merged */
static void test_nodes(void)
{
	char *before;
	HOST(h, NEW);

	before = snapshot(&h);
	/* left over from another program, and KSM stopped: fits */
	put_conf(&h, "[ksm]\nmerge_across_nodes = no\n");
	merge(&h, 100);
	OK(&h, hook_prepare, "a", A_XML);
	is(&h, "run=1 merge_across_nodes=0 pages_shared=0");
	/* and back, though merged pages are there */
	merge(&h, 100);
	OK(&h, hook_release, "a", A_XML);
	is(&h, "run=0 merge_across_nodes=1 pages_shared=0");
	reconcile(&h);
	/* does not fit: it stays, and the guest starts */
	merge(&h, 2900);
	OK(&h, hook_prepare, "a", A_XML);
	is(&h, "run=1 merge_across_nodes=1 pages_shared=10");
	OK(&h, hook_release, "a", A_XML);
	merge(&h, 0);
	put(&h, "pages_shared", "0\n");
	/* what guests that run have merged is not taken apart for it */
	put_conf(&h, "");
	OK(&h, hook_prepare, "a", A_XML);
	merge(&h, 100);
	put_conf(&h, "[ksm]\nmerge_across_nodes = no\n");
	OK(&h, hook_prepare, "b", B_XML);
	is(&h, "run=1 merge_across_nodes=1 pages_shared=10");
	OK(&h, hook_release, "a", A_XML);
	OK(&h, hook_release, "b", B_XML);
	check_as_before(&h, before, "several nodes");
}

/* The way back does not fit either: it is made later */
static void test_nodes_later(void)
{
	char *before;
	HOST(h, NEW);

	before = snapshot(&h);
	put_conf(&h, "[ksm]\nmerge_across_nodes = no\n");
	OK(&h, hook_prepare, "a", A_XML);
	merge(&h, 2900);
	OK(&h, hook_release, "a", A_XML);
	is(&h, "run=0 merge_across_nodes=0 pages_shared=10");
	merge(&h, 100);
	reconcile(&h);
	is(&h, "run=0 merge_across_nodes=1 pages_shared=0");
	/* and the record of "run" that this took is gone, too */
	check_as_before(&h, before, "merge_across_nodes");
}

/* Another program has KSM run by then, and what that merges is not ours to take apart */
static void test_nodes_of_others(void)
{
	struct state state = STATE_CLOSED;
	struct ledgers nobody = { 0 };
	char *before, boot_id[64];
	HOST(h, NEW);

	before = snapshot(&h);
	put_conf(&h, "[ksm]\nmerge_across_nodes = no\n");
	OK(&h, hook_prepare, "a", A_XML);
	merge(&h, 2900);
	OK(&h, hook_release, "a", A_XML);
	put(&h, "run", "1\n");
	merge(&h, 100);
	fake_get(&h.fk, "proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	CU_ASSERT_EQUAL_FATAL(state_open(h.fk.kfs.rootfd, false, &state, &h.err), 0);
	CU_ASSERT_EQUAL(shared_put_back(&h.fk.kfs, &state, boot_id, &nobody, &h.err), -EAGAIN);
	says(&h, "another program runs KSM by now");
	says(&h, "echo 2 >/" FAKE_KSM "run");
	state_close(&state);
	is(&h, "run=1 merge_across_nodes=0 pages_shared=10");
	/* as the sentence says */
	put(&h, "run", "2\n");
	put(&h, "pages_shared", "0\n");
	reconcile(&h);
	is(&h, "run=2 merge_across_nodes=1");
	put(&h, "run", "0\n");
	check_as_before(&h, before, "KSM is somebody else's");
}

/* ---- computed ---- */

static pid_t start_qemu(struct fake_host *h, const char *guest, unsigned int pss_mib)
{
	pid_t pid = fake_qemu(&h->fk, guest);
	char text[128];

	snprintf(text, sizeof(text),
		 "00-ff ---p 00000000 00:00 0 [rollup]\nRss: %u kB\nPss: %u kB\n", pss_mib * 1024,
		 pss_mib * 1024);
	fake_put_process(&h->fk, pid, "smaps_rollup", text);
	return pid;
}

/* 4 GiB and a threshold of 2: what guests have above 2 GiB is missing */
static void test_computed(void)
{
	char *before;
	pid_t qemu_a, qemu_b;
	HOST(h, OLD);

	before = snapshot(&h);
	OK(&h, hook_prepare, "a", A_XML);
	is(&h, "run=1 pages_to_scan=64");
	qemu_a = start_qemu(&h, "a", 512);
	OK(&h, hook_started, "a", A_XML);
	/* another one of ours, and one that nobody told us of */
	qemu_b = start_qemu(&h, "other", 2048);
	OK(&h, hook_prepare, "b", B_XML);
	is(&h, "run=1 pages_to_scan=657");
	OK(&h, hook_release, "b", B_XML);
	is(&h, "run=1 pages_to_scan=360");
	fake_end(&h.fk, qemu_b);
	OK(&h, hook_prepare, "b", B_XML);
	is(&h, "run=1 pages_to_scan=64");
	/* what a guest may still touch counts: with 512 of 2048 MiB it counts as one with all of
	 * them */
	qemu_b = start_qemu(&h, "other", 512);
	fake_put(&h.fk, "run/libvirt/qemu/other.xml",
		 "\n  <domain type='kvm'>\n<name>other</name><uuid>" UUID_B
		 "</uuid><memory unit='MiB'>2048</memory>\n  </domain>\n");
	OK(&h, hook_release, "b", B_XML);
	is(&h, "run=1 pages_to_scan=360");
	fake_end(&h.fk, qemu_b);
	OK(&h, hook_prepare, "b", B_XML);
	is(&h, "run=1 pages_to_scan=64");
	/* an administrator knows better */
	put(&h, "pages_to_scan", "321\n");
	qemu_b = start_qemu(&h, "other", 2048);
	OK(&h, hook_release, "b", B_XML);
	is(&h, "run=1 pages_to_scan=321");
	put(&h, "pages_to_scan", "64\n");
	fake_end(&h.fk, qemu_b);
	fake_end(&h.fk, qemu_a);
	OK(&h, hook_release, "a", A_XML);
	check_as_before(&h, before, "computed");
}

/* ---- reconnect ---- */

static void test_reconnect(void)
{
	static const char nothing[] = GUEST(2, "b", UUID_B, "<nosharepages/>");
	char *before, ledger[4096], boot_id[64];
	pid_t qemu_a, qemu_b;
	HOST(h, NEW);

	fake_get(&h.fk, "proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	before = snapshot(&h);
	qemu_a = start_qemu(&h, "a", 512);
	qemu_b = start_qemu(&h, "b", 512);
	OK(&h, hook_reconnect, "b", nothing);
	is(&h, "run=0");
	fake_get(&h.fk, STATE "guests/" UUID_B, ledger, sizeof(ledger));
	UNIT_CHECK(strstr(ledger, "\"no_ksm\": \"nosharepages\""), "why: %s", ledger);
	/* a ledger of a version that had no KSM: the guest holds nothing */
	snprintf(ledger, sizeof(ledger),
		 "{\"version\": 1, \"boot_id\": \"%s\", \"name\": \"a\", \"uuid\": \"" UUID_A
		 "\", \"phase\": \"running\", \"driver\": {\"pid\": 1, \"start\": 1}, "
		 "\"steps\": []}",
		 boot_id);
	fake_put(&h.fk, STATE "guests/" UUID_A, ledger);
	OK(&h, hook_reconnect, "a", A_XML);
	is(&h, "run=1 advisor_mode=scan-time");
	OK(&h, hook_reconnect, "a", A_XML);
	fake_end(&h.fk, qemu_b);
	OK(&h, hook_release, "b", nothing);
	is(&h, "run=1 advisor_mode=scan-time");
	fake_end(&h.fk, qemu_a);
	OK(&h, hook_release, "a", A_XML);
	check_as_before(&h, before, "reconnect");
}

/* ---- kill -9 ---- */

static void die(struct fake_kernel *fk)
{
	int *left = fk->data;

	if (!(*left)--)
		_exit(0);
}

/* Return: false if the operation ended before its write @n */
static bool killed(struct fake_host *h, event_function *function, bool before, int n)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		h->fk.data = &n;
		*(before ? &h->fk.before_write : &h->fk.after_write) = die;
		run(h, function, "a", A_XML);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

struct kill_row {
	const char *host, *conf, *run, *pages, *advisor;
	unsigned int merged_mib;
};

static const struct kill_row kill_rows[] = {
	{ NEW, "", "0\n", "100\n", "[none] scan-time\n", 0 },
	{ NEW, "", "0\n", "333\n", "[none] scan-time\n", 100 },
	{ NEW, "", "2\n", "333\n", "[none] scan-time\n", 100 },
	{ NEW, "[ksm]\nprofile = gentle\n", "0\n", "500\n", "none [scan-time]\n", 0 },
	{ NEW, "[ksm]\nprofile = aggressive\non_last_guest = unmerge\nmerge_across_nodes = no\n",
	  "0\n", "333\n", "[none] scan-time\n", 100 },
	{ NEW, "[thp]\nmanage = yes\nenabled = always\ndefrag = never\nshmem_enabled = advise\n",
	  "0\n", "100\n", "[none] scan-time\n", 0 },
	{ OLD, "[ksm]\non_last_guest = stop\n", "0\n", "333\n", NULL, 100 },
};

static void set_up(struct fake_host *h, const struct kill_row *row)
{
	open_host(h, row->host);
	put_conf(h, row->conf);
	put(h, "run", row->run);
	put(h, "pages_to_scan", row->pages);
	if (row->advisor)
		put(h, "advisor_mode", row->advisor);
}

/* For one that is not killed; else, of a place: before the first write, after it, before the
 * second */
#define NOT_KILLED (-1)

static bool killed_at(struct fake_host *h, event_function *function, int place)
{
	return killed(h, function, place % 2 == 0, place / 2);
}

/* @ends: the guest's end is killed and not its start.  Return: how many writes there were */
static int kill_at(size_t row, bool ends, int place)
{
	event_function *function = ends ? hook_release : hook_prepare;
	struct fake_host h;
	char *before;
	int writes;

	set_up(&h, &kill_rows[row]);
	before = snapshot(&h);
	if (ends) {
		OK(&h, hook_prepare, "a", A_XML);
		merge(&h, kill_rows[row].merged_mib);
	}
	writes = (int)h.fk.setting_writes;
	if (place == NOT_KILLED)
		OK(&h, function, "a", A_XML);
	else
		UNIT_CHECK(killed_at(&h, function, place), "row %zu, %d, %d", row, ends, place);
	writes = (int)h.fk.setting_writes - writes;
	driver_dies(&h);
	if (place / 2 % 2)
		killed_at(&h, hook_release, place % 2);
	reconcile(&h);
	reconcile(&h);
	UNIT_CHECK(count_files(&h, "guests") == 0, "row %zu", row);
	check_as_before(&h, before, kill_rows[row].conf);
	fake_host_close(&h);
	return writes;
}

/* Beside each write in turn, and then once more while that is put right */
static void test_killed(void)
{
	int place, places, ends, all = 0;
	size_t i;

	for (i = 0; i < ROWS(kill_rows); i++) {
		for (ends = 0; ends < 2; ends++) {
			places = 2 * kill_at(i, ends, NOT_KILLED);
			all += places;
			for (place = 0; place < places; place++)
				if (unit_takes((size_t)place, (size_t)places, 13, i + (size_t)ends))
					kill_at(i, ends, place);
		}
	}
	UNIT_CHECK(all > 60, "only %d places", all);
}

/* Return: how many writes there were */
static int kill_and_next(size_t row, int place)
{
	struct fake_host h;
	char *before;
	int writes;

	set_up(&h, &kill_rows[row]);
	before = snapshot(&h);
	if (place == NOT_KILLED)
		OK(&h, hook_prepare, "a", A_XML);
	else
		UNIT_CHECK(killed_at(&h, hook_prepare, place), "row %zu, %d", row, place);
	writes = (int)h.fk.setting_writes;
	/* while libvirt lives the killed start may still be one */
	OK(&h, hook_prepare, "b", B_XML);
	is(&h, "run=1");
	OK(&h, hook_release, "a", A_XML);
	is(&h, "run=1");
	OK(&h, hook_release, "b", B_XML);
	reconcile(&h);
	check_as_before(&h, before, kill_rows[row].conf);
	fake_host_close(&h);
	return writes;
}

/* Killed beside each write: the next guest goes on from there */
static void test_killed_and_next(void)
{
	int place, places;
	size_t i;

	for (i = 0; i < ROWS(kill_rows); i++) {
		places = 2 * kill_and_next(i, NOT_KILLED);
		for (place = 0; place < places; place++)
			if (unit_takes((size_t)place, (size_t)places, 9, i))
				kill_and_next(i, place);
	}
}

/* ---- records ---- */

/* One as it was written before it had all its members; and one that is no setting */
static void test_records(void)
{
	char boot_id[64], text[1024];
	HOST(h, NEW);

	fake_get(&h.fk, "proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	put(&h, "run", "1\n");
	fake_put(&h.fk, STATE "guests/README", "");
	snprintf(text, sizeof(text),
		 "{\"version\": 1, \"boot_id\": \"%s\", \"kind\": \"ksm\", \"before\": \"0\", "
		 "\"ours\": \"1\", \"key\": \"" FAKE_KSM "run\"}",
		 boot_id);
	fake_put(&h.fk, STATE "shared/ksm-run", text);
	snprintf(text, sizeof(text),
		 "{\"version\": 1, \"boot_id\": \"%s\", \"kind\": \"thp\", \"before\": \"0\", "
		 "\"ours\": \"1\", \"key\": \"sys/kernel/mm/../../../etc/passwd\"}",
		 boot_id);
	fake_put(&h.fk, STATE "shared/thp-bad", text);
	/* any other guest's start */
	OK(&h, hook_prepare, "b", GUEST(2, "b", UUID_B, "<nosharepages/>"));
	is(&h, "run=0");
	CU_ASSERT_FALSE(fake_exists(&h.fk, STATE "shared/ksm-run"));
	CU_ASSERT_TRUE(fake_exists(&h.fk, STATE "shared/thp-bad"));
	/* not even the file that has its own way back */
	fake_put(&h.fk, "etc/number", "1\n");
	snprintf(text, sizeof(text),
		 "{\"version\": 1, \"boot_id\": \"%s\", \"kind\": \"ksm\", \"before\": \"0\", "
		 "\"ours\": \"1\", \"key\": \"etc/number\"}",
		 boot_id);
	fake_put(&h.fk, STATE "shared/ksm-run", text);
	reconcile(&h);
	CU_ASSERT_TRUE(fake_exists(&h.fk, STATE "shared/ksm-run"));
	/* a host that was started anew has its settings from there */
	put(&h, "run", "1\n");
	fake_put(&h.fk, "proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
	snprintf(text, sizeof(text),
		 "{\"version\": 1, \"boot_id\": \"%s\", \"kind\": \"ksm\", \"before\": \"0\", "
		 "\"ours\": \"1\", \"key\": \"" FAKE_KSM "run\"}",
		 boot_id);
	fake_put(&h.fk, STATE "shared/ksm-run", text);
	reconcile(&h);
	is(&h, "run=1");
	CU_ASSERT_EQUAL(count_files(&h, "shared"), 0);
}

static CU_TestInfo tests[] = {
	{ "from the first guest to the last", test_life },
	{ "guests that cost nothing", test_costs_nothing },
	{ "enable = always", test_always },
	{ "somebody else switched it on", test_runs_already },
	{ "another profile", test_profile_changes },
	{ "what others set stays", test_others },
	{ "writes are refused", test_refused_writes },
	{ "no record can be written", test_no_record },
	{ "the lock is held", test_lock_is_held },
	{ "taking apart", test_unmerge },
	{ "taking apart fails", test_unmerge_fails },
	{ "back to run = 2", test_back_to_unmerged },
	{ "merge_across_nodes", test_nodes },
	{ "merge_across_nodes goes back later", test_nodes_later },
	{ "merge_across_nodes, and KSM is others' by then", test_nodes_of_others },
	{ "the computed rate", test_computed },
	{ "reconnect", test_reconnect },
	{ "killed at each write", test_killed },
	{ "killed, and the next guest", test_killed_and_next },
	{ "records", test_records },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_ksm_step", tests);
}

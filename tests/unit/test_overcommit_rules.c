// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which guests the pager can take, whether their memory fits, and what a plan says of it.
 */
#include "policy/overcommit_rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "guest/guest_parse.h"
#include "kernel/kfs.h"
#include "lifecycle/view.h"
#include "policy/plan.h"
#include "steps/steps.h"
#include "unit/guest_rows.h"
#include "unit/unit.h"

#define MEMFD	   "<source type='memfd'/>"
#define PAGED	   BACKING(MEMFD SHARED)
#define KVM(body)  "<domain type='kvm'>" WHO body "</domain>"
#define CPU(inner) "<cpu " inner "</cpu>"
#define CONF(more) "[overcommit]\nenable = yes\n" more
#define HALF	   "[guest]\nmatch = *\novercommit.resident = 50%\n"

/* ---- definitions ---- */

static void test_guests(void)
{
	static const struct {
		const char *xml, *says; /* NULL: nothing */
	} rows[] = {
		{ KVM(GIB(4) PAGED), NULL },
		{ KVM(GIB(4) BACKING("<source type='file'/>" SHARED)), NULL },
		/* what libvirt makes of <access> alone is a file */
		{ KVM(GIB(4) BACKING(SHARED)), NULL },
		{ KVM(GIB(4)), "is anonymous" },
		{ KVM(GIB(4) BACKING(MEMFD)), "is private" },
		{ KVM(GIB(4) BACKING(MEMFD "<access mode='private'/>")), "is private" },
		{ KVM(GIB(4) BACKING("<hugepages/>" SHARED)), "huge pages" },
		{ KVM(GIB(4) BACKING(MEMFD SHARED "<locked/>")), "<locked/>" },
		{ KVM(GIB(4) BACKING(MEMFD SHARED "<allocation mode='immediate'/>")), "immediate" },
		{ KVM(GIB(4) BACKING(MEMFD SHARED "<allocation mode='ondemand'/>")), NULL },
		{ KVM(GIB(4) PAGED VFIO), "VFIO" },
		{ KVM(GIB(4) PAGED VHOST), "vhost-user" },
		{ KVM(GIB(4) PAGED DEVICES("<filesystem><driver type='virtiofs'/></filesystem>")),
		  "virtiofs" },
		{ KVM(GIB(4) PAGED DEVICES("<interface type='vdpa'/>")), "vhost-vdpa" },
		{ KVM(GIB(4) PAGED "<launchSecurity type='sev'/>"), "SEV" },
		{ KVM(GIB(4) PAGED "<launchSecurity type='sev-snp'/>"), "SEV" },
		{ KVM(GIB(4) PAGED "<launchSecurity type='tdx'/>"), "TDX" },
		{ KVM(GIB(4) PAGED "<launchSecurity type='s390-pv'/>"), "protected" },
		{ KVM(GIB(4) PAGED CPU("><feature policy='require' name='vmx'/>")), "vmx" },
		{ KVM(GIB(4) PAGED CPU("><feature name='svm'/>")), "svm" },
		{ KVM(GIB(4) PAGED CPU("><feature policy='disable' name='svm'/>")), NULL },
		{ KVM(GIB(4) PAGED CPU("mode='custom'><model>EPYC-Rome</model>")), "svm" },
		{ KVM(GIB(4) PAGED CPU("mode='custom'><model>EPYC</model>"
				       "<feature policy='disable' name='svm'/>")),
		  NULL },
		{ KVM(GIB(4) PAGED CPU("mode='custom'><model>Haswell</model>")), NULL },
		/* the host says whether it has vmx */
		{ KVM(GIB(4) PAGED CPU("mode='host-passthrough'>")), NULL },
		{ GUEST(GIB(4) BACKING(MEMFD SHARED)), NULL },
		{ "<domain type='qemu'>" WHO GIB(4) PAGED CPU("><feature name='vmx'/>") "</domain>",
		  NULL },
		/* one cell of two */
		{ KVM(GIB(4) BACKING(
			  MEMFD) "<cpu><numa>"
				 "<cell id='0' memory='2' unit='GiB' memAccess='shared'/>"
				 "<cell id='1' memory='2' unit='GiB'/></numa></cpu>"),
		  "'cell 1' is private" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_guest struct guest *guest = NULL;
		struct err err = { "" };
		int rc;

		CU_ASSERT_EQUAL_FATAL(guest_parse(rows[i].xml, strlen(rows[i].xml), &guest, &err),
				      0);
		rc = overcommit_rules_guest(guest, &err);
		UNIT_CHECK(rc == (rows[i].says ? -EINVAL : 0), "row %zu: %s", i, err.text);
		if (rows[i].says)
			UNIT_CHECK(strstr(err.text, rows[i].says) &&
					   strstr(err.text, "guest 'g' can't be paged: "),
				   "row %zu: no '%s' in: %s", i, rows[i].says, err.text);
	}
}

/* ---- hosts ---- */

struct decision {
	struct guest *guest;
	struct host_view host;
	struct config *config;
	struct guest_policy policy;
	struct plan plan;
	struct err err;
};

static void forget(struct decision *d)
{
	plan_free(&d->plan);
	guest_free(d->guest);
	view_free(&d->host);
	config_free(d->config);
}

/* 64 GiB, all of it free, on a kernel that has all that the pager needs */
static void set_host(struct host_view *host)
{
	size_t i;

	for (i = 0; i < host->numa.n_nodes; i++)
		host->numa.nodes[i] = (struct numa_node){
			.id = host->numa.nodes[i].id,
			.total_kib = 32 * KIB_PER_GIB,
			.free_kib = 32 * KIB_PER_GIB,
		};
	host->numa.arc_kib = 0;
	for (i = 0; i < host->n_sizes; i++)
		memset(host->sizes[i].pools, 0,
		       host->sizes[i].n_pools * sizeof(*host->sizes[i].pools));
	host->overcommit = (struct overcommit_view){ .device = true };
	host->thp.present = false;
	host->has_ksm = false;
}

static void decide(struct decision *d, const char *conf, const char *xml)
{
	char path[512];
	struct kfs kfs;

	memset(d, 0, sizeof(*d));
	snprintf(path, sizeof(path), "%s/hosts/" TWO, TESTS_DIR);
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, path, &d->err), 0);
	CU_ASSERT_EQUAL_FATAL(view_read(&kfs, &d->host, &d->err), 0);
	kfs_close(&kfs);
	set_host(&d->host);
	CU_ASSERT_EQUAL_FATAL(guest_parse(xml, strlen(xml), &d->guest, &d->err), 0);
	CU_ASSERT_EQUAL_FATAL(config_parse_buffer("F", conf, strlen(conf), &d->config, &d->err), 0);
	CU_ASSERT_EQUAL_FATAL(config_for_guest(d->config, d->guest, &d->policy, &d->err), 0);
}

static int plan(struct decision *d)
{
	return plan_make(d->guest, &d->host, &d->policy, &d->plan, &d->err);
}

#define DECIDE(name, conf, xml)                                                                    \
	UNIT_FIXTURE(struct decision, name, forget, decide(&(name), conf, xml))

static void expect(struct decision *d, int want, const char *words, const char *what)
{
	int rc = plan(d);

	UNIT_CHECK(rc == want, "%s: %d: %s", what, rc, d->err.text);
	if (want < 0)
		UNIT_CHECK(strstr(d->err.text, words), "%s: no '%s' in: %s", what, words,
			   d->err.text);
}

static void test_hosts(void)
{
	static const char xml[] = KVM(GIB(4) PAGED),
			  files[] = KVM(GIB(4) BACKING("<source type='file'/>" SHARED));
	static const char nested[] = KVM(GIB(4) PAGED CPU("mode='host-model'>"));
	struct step_store store = { .path = "/srv/ram", .mount = true, .fstype = "tmpfs" };
	DECIDE(old, CONF(HALF), xml);
	DECIDE(untraced, CONF(HALF), xml);
	DECIDE(huge, CONF(HALF), xml);
	DECIDE(own, CONF(HALF "[thp]\nmanage = yes\nshmem_enabled = advise\n"), xml);
	DECIDE(clear, CONF(HALF), xml);
	DECIDE(l2, CONF(HALF), nested);
	DECIDE(large, CONF(HALF), xml);
	DECIDE(file, CONF(HALF), files);
	struct err err;

	old.host.overcommit.device = false;
	expect(&old, -ENODEV, "/dev/userfaultfd", "old kernel");
	untraced.host.overcommit.no_ptrace = true;
	expect(&untraced, -ENODEV, "kernel.yama.ptrace_scope is 3", "no process can be traced");
	snprintf(huge.host.overcommit.shmem_huge, THP_SETTING_SIZE, "shmem_enabled is 'advise'");
	expect(&huge, -ENODEV, "shmem_enabled is 'advise'", "huge");
	snprintf(clear.host.overcommit.in_the_clear, TIER_TROUBLE_SIZE, "/t: is not encrypted");
	expect(&clear, -ENOKEY, "encrypt = yes, but /t: is not encrypted: put the tier",
	       "in the clear");
	own.host.thp.present = true;
	expect(&own, -ENODEV, "[thp] sets shmem_enabled = advise", "own setting");
	expect(&l2, 0, "", "no nested guests here");
	plan_free(&l2.plan);
	l2.host.overcommit.nested = true;
	expect(&l2, -ENODEV, "vmx or svm", "nested");
	large.guest->reading.page_kib = 64;
	expect(&large, -ENODEV, "pages of 64 KiB", "large base pages");

	CU_ASSERT_EQUAL(overcommit_rules_host(file.guest, &file.host, &store, NULL, &err), 0);
	snprintf(store.options, sizeof(store.options), "huge=within_size");
	CU_ASSERT_EQUAL(overcommit_rules_host(file.guest, &file.host, &store, NULL, &err), -ENODEV);
	UNIT_CHECK(strstr(err.text, "huge=within_size"), "%s", err.text);
	snprintf(store.options, sizeof(store.options), "size=4G,huge=never");
	/* For memfds only */
	snprintf(file.host.overcommit.shmem_huge, THP_SETTING_SIZE, "shmem_enabled is 'advise'");
	CU_ASSERT_EQUAL(overcommit_rules_host(file.guest, &file.host, &store, NULL, &err), 0);
	snprintf(file.host.thp.thp.shmem_enabled, THP_WORD_SIZE, "force");
	CU_ASSERT_EQUAL(overcommit_rules_host(file.guest, &file.host, &store, NULL, &err), -ENODEV);
	snprintf(store.fstype, sizeof(store.fstype), "ext4");
	CU_ASSERT_EQUAL(overcommit_rules_host(file.guest, &file.host, &store, NULL, &err), -ENODEV);
	UNIT_CHECK(strstr(err.text, "no tmpfs"), "%s", err.text);
}

/* ---- whether there is a step ---- */

static void test_wanted(void)
{
	static const char xml[] = KVM(GIB(4) PAGED);
	static const struct {
		const char *conf, *xml;
		size_t steps, notes;
	} rows[] = {
		{ CONF(HALF), xml, 1, 0 },
		{ CONF(""), xml, 0, 0 },
		/* such a guest is none of ours, whatever it is */
		{ CONF(""), KVM(GIB(4) PAGED VFIO), 0, 0 },
		{ HALF, xml, 0, 0 },
		{ CONF("[guest]\nmatch = other\novercommit.resident = 1G\n"), xml, 0, 0 },
		{ CONF("[guest]\nmatch = " UUID "\novercommit.resident = 1G\n"), xml, 1, 0 },
		/* all of it */
		{ CONF("[guest]\nmatch = *\novercommit.resident = 4G\n"), xml, 0, 1 },
		{ CONF("[guest]\nmatch = *\novercommit.resident = 100%\n"), xml, 0, 1 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		DECIDE(d, rows[i].conf, rows[i].xml);

		UNIT_CHECK(plan(&d) == 0, "row %zu: %s", i, d.err.text);
		UNIT_CHECK(d.plan.list.n == rows[i].steps, "row %zu: %zu steps", i, d.plan.list.n);
		UNIT_CHECK(d.plan.n_notes == rows[i].notes, "row %zu: %zu notes", i,
			   d.plan.n_notes);
	}
}

/* ---- whether it fits ---- */

static void test_admission(void)
{
	/* 64 GiB: 16 GiB of tiers, 3.2 GiB are kept free */
	static const char big[] = KVM(GIB(24) PAGED);
	DECIDE(first, CONF(HALF), big);
	DECIDE(packed, CONF("compressed = 50%\n" HALF), big);
	DECIDE(tiers, CONF(HALF), big);
	DECIDE(memory, CONF(HALF), big);
	DECIDE(now, CONF(HALF), big);
	DECIDE(floor, CONF("floor = 60%\n" HALF), big);
	DECIDE(pools, CONF(HALF), big);
	struct overcommit_view *view;

	expect(&first, 0, "", "alone");
	CU_ASSERT_EQUAL(first.plan.list.steps[0].overcommit.resident_kib, 12 * KIB_PER_GIB);
	CU_ASSERT_EQUAL(first.plan.list.steps[0].overcommit.tiers_kib, 12 * KIB_PER_GIB);

	view = &tiers.host.overcommit;
	view->tiers_kib = 4 * KIB_PER_GIB;
	expect(&tiers, 0, "", "as much as there is");
	plan_free(&tiers.plan);
	view->tiers_kib++;
	expect(&tiers, -ENOSPC, "1 KiB are missing", "one KiB too much");
	view->tiers_kib = 10 * KIB_PER_GIB;
	expect(&tiers, -ENOSPC,
	       "they have room for 16 GiB, of which 10 GiB are promised to other guests: 6 GiB are "
	       "missing",
	       "tiers");

	packed.host.overcommit.tiers_kib = 20 * KIB_PER_GIB;
	expect(&packed, 0, "", "counting on compression");
	plan_free(&packed.plan);
	packed.host.overcommit.tiers_kib++;
	expect(&packed, -ENOSPC, "room for 32 GiB", "no further");

	/* 12 + 1.2 beside 64 - 16 - 3.2 */
	view = &memory.host.overcommit;
	view->resident_kib = 31 * KIB_PER_GIB;
	expect(&memory, 0, "", "beside others");
	plan_free(&memory.plan);
	view->headroom_kib = 2 * KIB_PER_GIB;
	expect(&memory, -ENOSPC, "1.4 GiB are missing", "headroom of others");

	now.host.numa.nodes[0].free_kib = 17 * KIB_PER_GIB;
	now.host.numa.nodes[1].free_kib = 0;
	expect(&now, 0, "", "what is free now");
	plan_free(&now.plan);
	now.host.overcommit.outstanding_kib = KIB_PER_GIB;
	expect(&now, -ENOSPC, "MiB are missing", "others have not taken theirs");
	now.host.numa.nodes[1].reclaimable_kib = KIB_PER_GIB;
	expect(&now, 0, "", "cache gives way");

	expect(&floor, -EINVAL, "at least 14.4 GiB", "floor");

	host_view_pool(&pools.host, 2048, 0)->pool.total = 16 * 512;
	host_view_pool(&pools.host, 2048, 0)->pool.node = pools.host.numa.nodes[0].id;
	pools.host.overcommit.resident_kib = 20 * KIB_PER_GIB;
	expect(&pools, -ENOSPC, "more than this host's memory", "pools of huge pages");
}

static void test_sizes(void)
{
	static const char many[] = KVM(GIB(3) PAGED CELLS(CELL(0, 1024)) DEVICES(
		"<memory model='virtio-mem'><target><size unit='GiB'>2</size><node>0</node>"
		"<block unit='MiB'>2</block><requested unit='MiB'>256</requested></target>"
		"</memory>"));
	struct config_overcommit none = { .compressed.percent = 100 };
	uint64_t in_ram = 77;
	DECIDE(d, CONF("[guest]\nmatch = *\novercommit.resident = 1025\n"), many);

	/* All that virtio-mem may come to */
	CU_ASSERT_EQUAL(overcommit_rules_size(d.guest), 3 * KIB_PER_GIB);
	CU_ASSERT_EQUAL(overcommit_rules_tiers(&none, KIB_PER_GIB, &in_ram), 0);
	CU_ASSERT_EQUAL(in_ram, 0);
	/* A file is on a disk, and what is noted of it is not */
	CU_ASSERT_EQUAL(config_tiers_parse("ram:1G, file:/a:500G", &none.tiers), 0);
	CU_ASSERT_EQUAL(overcommit_rules_tiers(&none, KIB_PER_GIB, &in_ram), 501 * KIB_PER_GIB);
	CU_ASSERT_EQUAL(in_ram, 2 * KIB_PER_GIB);
	/* zstd takes memory, and what can't be compressed does not go there */
	CU_ASSERT_EQUAL(config_tiers_parse("ram:1G, zstd:2G", &none.tiers), 0);
	CU_ASSERT_EQUAL(overcommit_rules_tiers(&none, KIB_PER_GIB, &in_ram), KIB_PER_GIB);
	CU_ASSERT_EQUAL(in_ram, 3 * KIB_PER_GIB);
	none.compressed.percent = 50;
	CU_ASSERT_EQUAL(overcommit_rules_tiers(&none, KIB_PER_GIB, &in_ram), 6 * KIB_PER_GIB);
}

/* ---- steps ---- */

static void test_json(void)
{
	static const char text[] =
		"[{\"kind\": \"overcommit\", \"size_kib\": 4096, \"resident_kib\": 1024, "
		"\"headroom_kib\": 205, \"tiers_kib\": 3072, \"ready\": true, \"paged\": true, "
		"\"failure\": \"no\"}]";
	cleanup_json json_t *array = json_loads(text, 0, NULL), *again = NULL;
	struct step_list list = { 0 };
	struct err err;
	char buf[512];

	CU_ASSERT_EQUAL_FATAL(step_list_from_json(array, &list, &err), 0);
	CU_ASSERT_PTR_EQUAL(step_list_paging(&list), &list.steps[0].overcommit);
	again = step_list_to_json(&list);
	CU_ASSERT_TRUE(json_equal(array, again));
	step_ops(STEP_OVERCOMMIT)->describe(&list.steps[0], buf, sizeof(buf));
	UNIT_CHECK_STR(buf,
		       "page the guest: 1 MiB of its 4 MiB stay resident, up to 3 MiB are in "
		       "tiers",
		       "describe");
	CU_ASSERT_EQUAL(step_list_held(&list).paged, 3072);
	step_list_drop_promises(&list, 0);
	CU_ASSERT_EQUAL(step_list_held(&list).paged, 0);
	step_list_free(&list);
}

static CU_TestInfo tests[] = {
	{ "guests that can't be paged", test_guests },
	{ "hosts that can't", test_hosts },
	{ "who is paged", test_wanted },
	{ "whether it fits", test_admission },
	{ "sizes", test_sizes },
	{ "the step as JSON and in words", test_json },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_overcommit_rules", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * KSM and THP in a guest's plan: whether there is a step, in which order, and which notes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "guest/guest_parse.h"
#include "kernel/kfs.h"
#include "lifecycle/view.h"
#include "lifecycle/view_thp.h"
#include "policy/plan.h"
#include "steps/steps.h"
#include "unit/guest_rows.h"
#include "unit/unit.h"

#define BACKED(body) GUEST(MIB(64) BACKING(body))
#define TWO_CELLS    "</memoryBacking>" CELLS(CELL(0, 32) CELL(1, 32)) "<memoryBacking>"

#define KSM	     "[ksm]\nmanage = yes\n"
#define THP	     "[thp]\nmanage = yes\n"

struct decision {
	struct guest *guest;
	struct host_view host;
	struct guest_policy policy;
	struct plan plan;
	struct err err;
};

static void decide(struct decision *d, const char *host, const char *conf, const char *xml)
{
	cleanup_config struct config *config = NULL;
	char path[512];
	struct kfs kfs;

	memset(d, 0, sizeof(*d));
	snprintf(path, sizeof(path), "%s/hosts/%s", TESTS_DIR, host);
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, path, &d->err), 0);
	CU_ASSERT_EQUAL_FATAL(view_read(&kfs, &d->host, &d->err), 0);
	d->host.hugetlbfs.hook_mounts = true;
	view_thp(&kfs, &d->host);
	kfs_close(&kfs);
	CU_ASSERT_EQUAL_FATAL(guest_parse(xml, strlen(xml), &d->guest, &d->err), 0);
	CU_ASSERT_EQUAL_FATAL(config_parse_buffer("F", conf, strlen(conf), &config, &d->err), 0);
	CU_ASSERT_EQUAL_FATAL(config_for_guest(config, d->guest, &d->policy, &d->err), 0);
}

static void forget(struct decision *d)
{
	plan_free(&d->plan);
	guest_free(d->guest);
	view_free(&d->host);
}

static void test_steps(void)
{
	static const struct {
		const char *conf, *xml;
		const char *kinds; /* "ksm thp " */
		const char *note;
		enum ksm_gain gain;
	} rows[] = {
		{ KSM, BACKED(""), "ksm ", NULL, KSM_GAINS },
		{ KSM, BACKED("<nosharepages/>"), "", NULL, KSM_GAIN_NOSHAREPAGES },
		{ KSM "enable = never\n", BACKED(""), "", NULL, KSM_GAINS },
		{ KSM "enable = always\n", BACKED("<nosharepages/>"), "ksm ", NULL,
		  KSM_GAIN_NOSHAREPAGES },
		{ KSM "[guest]\nmatch = g\nksm = no\n", BACKED(""), "", NULL, KSM_GAIN_REFUSED },
		/* an administrator's decision */
		{ "", BACKED(""), "", NULL, KSM_GAINS },
		{ "[ksm]\nenable = always\n", BACKED(""), "", NULL, KSM_GAINS },
		/* huge pages come first: they may fail */
		{ KSM, BACKED("<hugepages/>"), "hugepages ", NULL, KSM_GAIN_HUGEPAGES },
		{ KSM "enable = always\n", BACKED("<hugepages/>"), "hugepages ksm ", NULL,
		  KSM_GAIN_HUGEPAGES },
		{ KSM THP "enabled = always\n",
		  BACKED("<hugepages><page size='2' unit='M' nodeset='0'/></hugepages>" TWO_CELLS),
		  "hugepages ksm thp ", NULL, KSM_GAINS },
		{ KSM THP, BACKED(""), "ksm ", NULL, KSM_GAINS },
		{ KSM "[thp]\nenabled = always\n", BACKED(""), "ksm ", NULL, KSM_GAINS },
		{ KSM THP "enabled = never\n", BACKED(""), "ksm thp ", "enabled is 'never'",
		  KSM_GAINS },
		{ THP, BACKED("<source type='memfd'/>"), "", "shmem_enabled is 'never'",
		  KSM_GAIN_MEMFD },
		{ THP "shmem_enabled = advise\n", BACKED("<source type='memfd'/>"), "thp ", NULL,
		  KSM_GAIN_MEMFD },
		/* Room, and no setting */
		{ "[thp]\ncompact = auto\n", BACKED(""), "thp ", NULL, KSM_GAINS },
		{ "[guest]\nmatch = g\nthp.reclaim = auto\n", BACKED(""), "thp ", NULL, KSM_GAINS },
		{ "[guest]\nmatch = other\nthp.reclaim = auto\n", BACKED(""), "", NULL, KSM_GAINS },
		{ "[thp]\ncompact = auto\n", BACKED("<hugepages/>"), "hugepages ", NULL,
		  KSM_GAIN_HUGEPAGES },
		/* who has not asked for it is not told */
		{ KSM, BACKED("<source type='memfd'/>"), "", NULL, KSM_GAIN_MEMFD },
	};
	size_t i, j;

	for (i = 0; i < ROWS(rows); i++) {
		char kinds[128] = "";
		struct decision d;

		decide(&d, "two-nodes-6.12", rows[i].conf, rows[i].xml);
		UNIT_CHECK(plan_make(d.guest, &d.host, &d.policy, &d.plan, &d.err) == 0,
			   "row %zu: %s", i, d.err.text);
		for (j = 0; j < d.plan.list.n; j++)
			sprintf(kinds + strlen(kinds), "%s ",
				step_ops(d.plan.list.steps[j].kind)->name);
		UNIT_CHECK_STR(kinds, rows[i].kinds, "row %zu", i);
		UNIT_CHECK(d.plan.ksm == rows[i].gain, "row %zu: %d", i, d.plan.ksm);
		UNIT_CHECK(d.plan.n_notes == (rows[i].note != NULL), "row %zu: %zu notes", i,
			   d.plan.n_notes);
		if (rows[i].note && d.plan.n_notes)
			UNIT_CHECK(strstr(d.plan.notes[0], rows[i].note), "row %zu: %s", i,
				   d.plan.notes[0]);
		forget(&d);
	}
}

static void test_poor_kernels(void)
{
	struct decision d;

	decide(&d, "two-nodes-6.12", KSM THP "enabled = always\n", BACKED(""));
	d.host.has_ksm = false;
	d.host.thp.present = false;
	CU_ASSERT_EQUAL(plan_make(d.guest, &d.host, &d.policy, &d.plan, &d.err), 0);
	CU_ASSERT_EQUAL(d.plan.list.n, 0);
	CU_ASSERT_EQUAL(d.plan.n_notes, 0);
	forget(&d);
}

static void test_needs(void)
{
	static const struct {
		const char *conf, *xml;
		bool ksm, thp;
	} rows[] = {
		{ KSM, BACKED(""), true, false },
		{ "", BACKED(""), false, false },
		{ "[ksm]\nmanage = no\n", BACKED(""), false, false },
		{ KSM, BACKED("<nosharepages/>"), false, false },
		{ THP, BACKED("<nosharepages/>"), false, true },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct plan_needs needs;
		struct decision d;

		decide(&d, "one-node", rows[i].conf, rows[i].xml);
		needs = plan_needs_host(d.guest, &d.policy, &d.host);
		UNIT_CHECK(plan_needs_section(&needs, "ksm") == rows[i].ksm &&
				   plan_needs_section(&needs, "thp") == rows[i].thp,
			   "row %zu", i);
		UNIT_CHECK(plan_needs_any(&needs) == (rows[i].ksm || rows[i].thp), "row %zu", i);
		UNIT_CHECK(!plan_needs_essential(&needs), "row %zu", i);
		d.host.has_ksm = false;
		d.host.thp.present = false;
		needs = plan_needs_host(d.guest, &d.policy, &d.host);
		UNIT_CHECK(!plan_needs_any(&needs), "row %zu", i);
		forget(&d);
	}
}

/* ---- as JSON, and in words ---- */

static void test_json(void)
{
	static const struct step steps[] = {
		{ .kind = STEP_KSM,
		  .ksm = { .size_kib = 65536,
			   .profile = KSM_GENTLE,
			   .end = KSM_UNMERGE,
			   .nodes = KSM_NODES_APART,
			   .ready = true } },
		{ .kind = STEP_KSM, .ksm = { .profile = KSM_CUSTOM } },
		{ .kind = STEP_THP,
		  .thp = { .size_kib = 65536,
			   .settings = { .manage = true, .defrag = "defer" },
			   .room_kib = 32768,
			   .compact = true } },
		{ .kind = STEP_THP,
		  .thp = { .size_kib = 65536, .settings = { .manage = true, .defrag = "defer" } } },
	};
	static const char *const words[] = { "let KSM merge equal pages in 64 MiB (gentle)",
					     "let KSM run (enable = always)",
					     ("transparent huge pages for 64 MiB: defrag=defer; "
					      "room for 32 MiB by compacting memory"),
					     "transparent huge pages for 64 MiB: defrag=defer" };
	size_t i;

	for (i = 0; i < ROWS(steps); i++) {
		cleanup_json json_t *object = step_to_json(&steps[i]);
		struct step back = { 0 };
		struct err err = { "" };
		char text[256];

		UNIT_CHECK(step_from_json(object, &back, &err) == 0, "%zu: %s", i, err.text);
		UNIT_CHECK(back.kind == steps[i].kind, "%zu", i);
		if (back.kind == STEP_KSM)
			UNIT_CHECK(!memcmp(&back.ksm, &steps[i].ksm, sizeof(back.ksm)), "%zu", i);
		else
			UNIT_CHECK(!strcmp(back.thp.settings.defrag, "defer") &&
					   back.thp.room_kib == steps[i].thp.room_kib &&
					   back.thp.compact == steps[i].thp.compact,
				   "%zu", i);
		step_ops(back.kind)->describe(&back, text, sizeof(text));
		UNIT_CHECK_STR(text, words[i], "%zu", i);
	}
}

static void test_bad_json(void)
{
	static const char *const texts[] = {
		"{\"kind\": \"ksm\"}",
		"{\"kind\": \"ksm\", \"size_kib\": 1, \"profile\": \"fast\"}",
		"{\"kind\": \"ksm\", \"size_kib\": -1, \"profile\": \"gentle\"}",
		"{\"kind\": \"ksm\", \"size_kib\": 1, \"profile\": \"gentle\", "
		"\"on_last_guest\": 3, \"merge_across_nodes\": \"keep\"}",
		"{\"kind\": \"thp\", \"size_kib\": 1, \"enabled\": \"always\"}",
		"{\"kind\": \"thp\", \"size_kib\": 1, \"defrag\": \"\", \"shmem_enabled\": \"\", "
		"\"enabled\": \"a-word-that-is-longer-than-any-word-there-is-and-than-the-room-for-"
		"it\"}",
	};
	size_t i;

	for (i = 0; i < ROWS(texts); i++) {
		cleanup_json json_t *object = json_loads(texts[i], 0, NULL);
		struct step step;
		struct err err;

		UNIT_CHECK(step_from_json(object, &step, &err) == -EINVAL, "%s", texts[i]);
	}
}

static CU_TestInfo tests[] = {
	{ "steps and notes", test_steps },    { "kernels without", test_poor_kernels },
	{ "who needs the host", test_needs }, { "there and back as JSON", test_json },
	{ "damaged JSON", test_bad_json },    CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_plan_settings", tests);
}

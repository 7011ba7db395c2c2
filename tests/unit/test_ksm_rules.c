// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * KSM's decisions: who gains, what a profile means, when things may come apart.
 */
#include "policy/ksm_rules.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "memory/numa.h"
#include "unit/guest_rows.h"
#include "unit/unit.h"

#define PLAIN(body)  GUEST(MIB(512) body)
#define BACKED(body) PLAIN(BACKING(body))
#define TWO_CELLS    CELLS(CELL(0, 256) CELL(1, 256))

static void test_gain(void)
{
	static const struct {
		const char *xml;
		bool refused;
		enum ksm_gain gain;
		const char *word;
		uint64_t mib;
	} rows[] = {
		{ PLAIN(""), false, KSM_GAINS, "", 512 },
		{ PLAIN(""), true, KSM_GAIN_REFUSED, "ksm=no", 0 },
		{ BACKED("<hugepages/>"), false, KSM_GAIN_HUGEPAGES, "hugepages", 0 },
		{ BACKED("<hugepages/><nosharepages/>"), false, KSM_GAIN_HUGEPAGES, "hugepages",
		  0 },
		{ BACKED("<source type='file'/>"), false, KSM_GAIN_FILE, "file-backed", 0 },
		{ BACKED("<access mode='private'/>"), false, KSM_GAIN_FILE, "file-backed", 0 },
		{ BACKED("<source type='file'/><access mode='shared'/>"), false, KSM_GAIN_SHARED,
		  "shared", 0 },
		{ BACKED("<source type='memfd'/><access mode='shared'/>"), false, KSM_GAIN_MEMFD,
		  "memfd", 0 },
		{ BACKED("<source type='memfd'/>"), false, KSM_GAIN_MEMFD, "memfd", 0 },
		{ BACKED("<nosharepages/>"), false, KSM_GAIN_NOSHAREPAGES, "nosharepages", 0 },
		/* KSM merges locked pages too */
		{ BACKED("<locked/>"), false, KSM_GAINS, "", 512 },
		{ PLAIN(VFIO), false, KSM_GAIN_VFIO, "vfio", 0 },
		{ PLAIN("<memoryBacking><nosharepages/></memoryBacking>" VFIO), false,
		  KSM_GAIN_VFIO, "vfio", 0 },
		{ PLAIN("<devices><interface type='vdpa'/></devices>"), false, KSM_GAIN_VDPA,
		  "vdpa", 0 },
		{ PLAIN("<devices><disk type='vhostvdpa'/></devices>"), false, KSM_GAIN_VDPA,
		  "vdpa", 0 },
		{ PLAIN("<launchSecurity type='sev'/>"), false, KSM_GAIN_ENCRYPTED, "encrypted",
		  0 },
		{ PLAIN("<launchSecurity type='tdx'/>" VFIO), false, KSM_GAIN_ENCRYPTED,
		  "encrypted", 0 },
		{ PLAIN("<launchSecurity type='s390-pv'/>"), false, KSM_GAIN_ENCRYPTED, "encrypted",
		  0 },
		{ PLAIN("<launchSecurity type='a new one'/>"), false, KSM_GAIN_ENCRYPTED,
		  "encrypted", 0 },
		/* one cell of two in huge pages */
		{ PLAIN("<memoryBacking><hugepages><page size='2' unit='M' nodeset='0'/>"
			"</hugepages></memoryBacking>" TWO_CELLS),
		  false, KSM_GAINS, "", 256 },
		{ PLAIN("<memoryBacking><hugepages><page size='2' unit='M' nodeset='0'/>"
			"</hugepages><nosharepages/></memoryBacking>" TWO_CELLS),
		  false, KSM_GAIN_NOSHAREPAGES, "nosharepages", 0 },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct guest_policy policy = { .ksm_allowed = !rows[i].refused,
					       .ksm = { .manage = true } };
		struct guest *guest = row_guest(rows[i].xml);
		enum ksm_gain gain = ksm_rules_gain(guest, !rows[i].refused);
		struct step_ksm step;

		ksm_rules_fill(guest, &policy, &step);
		UNIT_CHECK(gain == rows[i].gain, "row %zu: %d", i, gain);
		UNIT_CHECK_STR(ksm_rules_word(gain), rows[i].word, "row %zu", i);
		UNIT_CHECK(ksm_rules_find(rows[i].word) == gain, "row %zu", i);
		UNIT_CHECK(!*ksm_rules_why(gain) == (gain == KSM_GAINS), "row %zu", i);
		UNIT_CHECK(step.size_kib == rows[i].mib * KIB_PER_MIB, "row %zu", i);
		UNIT_CHECK(ksm_rules_wanted(guest, &policy) == (gain == KSM_GAINS), "row %zu", i);
		guest_free(guest);
	}
	/* It does not keep QEMU from offering the guest's pages */
	UNIT_CHECK(strstr(ksm_rules_why(KSM_GAIN_REFUSED), "<nosharepages/>"), "%s",
		   ksm_rules_why(KSM_GAIN_REFUSED));
}

static void test_wanted(void)
{
	static const struct {
		bool manage;
		enum config_ksm_enable enable;
		bool allowed, plain, huge;
	} rows[] = {
		{ true, KSM_ON_DEMAND, true, true, false },
		{ true, KSM_ALWAYS, true, true, true },
		{ true, KSM_NEVER, true, false, false },
		{ false, KSM_ALWAYS, true, false, false },
		{ true, KSM_ON_DEMAND, false, false, false },
		/* not even then is it switched on for this guest */
		{ true, KSM_ALWAYS, false, false, false },
	};
	struct guest *plain = row_guest(PLAIN("")), *huge = row_guest(BACKED("<hugepages/>"));
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct guest_policy policy = {
			.ksm = { .manage = rows[i].manage, .enable = rows[i].enable },
			.ksm_allowed = rows[i].allowed,
		};

		UNIT_CHECK(ksm_rules_wanted(plain, &policy) == rows[i].plain, "row %zu", i);
		UNIT_CHECK(ksm_rules_wanted(huge, &policy) == rows[i].huge, "row %zu", i);
	}
	guest_free(plain);
	guest_free(huge);
}

#define OF_GIB(n) ((n)*KIB_PER_GIB)

static void test_values(void)
{
	static const struct {
		enum config_ksm_profile profile;
		struct ksm_host host;
		const char *want;
	} rows[] = {
		/* what the kernel goes back to comes first, since it can't be written later */
		{ KSM_ADVISOR,
		  { .advisor = true, .total_kib = OF_GIB(8) },
		  "pages_to_scan=100 advisor_min_pages_to_scan=2500 "
		  "advisor_max_pages_to_scan=2500 advisor_mode=scan-time sleep_millisecs=100 " },
		{ KSM_ADVISOR,
		  { .advisor = true, .advising = true, .total_kib = OF_GIB(64) },
		  "advisor_min_pages_to_scan=2500 "
		  "advisor_max_pages_to_scan=8388 advisor_mode=scan-time sleep_millisecs=100 " },
		{ KSM_ADVISOR,
		  { .advisor = true, .advising = true, .total_kib = OF_GIB(4096) },
		  "advisor_min_pages_to_scan=2500 "
		  "advisor_max_pages_to_scan=30000 advisor_mode=scan-time sleep_millisecs=100 " },
		{ KSM_GENTLE, { .advisor = false }, "pages_to_scan=2500 sleep_millisecs=100 " },
		{ KSM_GENTLE,
		  { .advisor = true },
		  "advisor_mode=none pages_to_scan=2500 sleep_millisecs=100 " },
		{ KSM_BALANCED,
		  { .advisor = true, .advising = true },
		  "advisor_mode=none pages_to_scan=5000 sleep_millisecs=100 " },
		{ KSM_AGGRESSIVE,
		  { .advisor = false },
		  "pages_to_scan=15000 sleep_millisecs=100 " },
		/* as much memory where pages are larger */
		{ KSM_BALANCED, { .page_kib = 64 }, "pages_to_scan=312 sleep_millisecs=100 " },
		{ KSM_ADVISOR,
		  { .advisor = true, .advising = true, .page_kib = 64, .total_kib = OF_GIB(512) },
		  "advisor_min_pages_to_scan=156 advisor_max_pages_to_scan=4194 "
		  "advisor_mode=scan-time sleep_millisecs=100 " },
		{ KSM_ADVISOR,
		  { .page_kib = 64, .total_kib = OF_GIB(16), .available_kib = OF_GIB(15) },
		  "pages_to_scan=4 sleep_millisecs=10 " },
		{ KSM_CUSTOM, { .advisor = true }, "" },
		{ KSM_CUSTOM, { .advisor = false }, "" },
		/* computed.  Nothing is short */
		{ KSM_ADVISOR,
		  { .total_kib = OF_GIB(64),
		    .available_kib = OF_GIB(50),
		    .guests_kib = OF_GIB(10) },
		  "pages_to_scan=64 sleep_millisecs=10 " },
		/* 16 GiB is the host that ksmtuned was made for */
		{ KSM_ADVISOR,
		  { .total_kib = OF_GIB(16), .available_kib = OF_GIB(15) },
		  "pages_to_scan=64 sleep_millisecs=10 " },
		{ KSM_ADVISOR,
		  { .total_kib = OF_GIB(4), .available_kib = OF_GIB(3) },
		  "pages_to_scan=64 sleep_millisecs=40 " },
		/* half of the threshold of a fifth is there */
		{ KSM_ADVISOR,
		  { .total_kib = OF_GIB(80), .available_kib = OF_GIB(8) },
		  "pages_to_scan=657 sleep_millisecs=10 " },
		/* or as much too much is in guests */
		{ KSM_ADVISOR,
		  { .total_kib = OF_GIB(80),
		    .available_kib = OF_GIB(70),
		    .guests_kib = OF_GIB(72) },
		  "pages_to_scan=657 sleep_millisecs=10 " },
		/* nothing is left; more than all does not count */
		{ KSM_ADVISOR,
		  { .total_kib = OF_GIB(64), .available_kib = 0, .guests_kib = OF_GIB(90) },
		  "pages_to_scan=1250 sleep_millisecs=10 " },
		/* the threshold is at least 2 GiB: a fifth of 4 would be left alone here */
		{ KSM_ADVISOR,
		  { .total_kib = OF_GIB(4), .available_kib = OF_GIB(1) },
		  "pages_to_scan=657 sleep_millisecs=40 " },
		{ KSM_ADVISOR, { .total_kib = 0 }, "pages_to_scan=1250 sleep_millisecs=160 " },
	};
	size_t i, j;

	for (i = 0; i < ROWS(rows); i++) {
		struct ksm_value values[KSM_VALUES_MAX];
		struct ksm_host host = rows[i].host;
		size_t n, used = 0;
		char got[256] = "";

		if (!host.page_kib)
			host.page_kib = 4;
		n = ksm_rules_values(rows[i].profile, &host, values);
		CU_ASSERT_FATAL(n <= KSM_VALUES_MAX);
		for (j = 0; j < n; j++)
			used += (size_t)snprintf(got + used, sizeof(got) - used, "%s=%s ",
						 values[j].file, values[j].text);
		UNIT_CHECK_STR(got, rows[i].want, "row %zu", i);
		UNIT_CHECK(ksm_rules_computed(rows[i].profile, &rows[i].host) ==
				   (rows[i].profile == KSM_ADVISOR && !rows[i].host.advisor),
			   "row %zu", i);
	}
}

/* More guests or less memory never slow it down */
static void test_monotonous(void)
{
	uint64_t guests, available;

	for (guests = 0; guests < 40; guests++) {
		unsigned long last = 0;

		for (available = 40; available-- > 0;) {
			struct ksm_host host = { .page_kib = 4,
						 .total_kib = OF_GIB(32),
						 .available_kib = OF_GIB(available),
						 .guests_kib = OF_GIB(guests) };
			struct ksm_value values[KSM_VALUES_MAX];
			unsigned long pages = 0;

			ksm_rules_values(KSM_ADVISOR, &host, values);
			sscanf(values[0].text, "%lu", &pages);
			UNIT_CHECK(pages >= 64 && pages <= 1250 && pages >= last, "%lu after %lu",
				   pages, last);
			last = pages;
		}
	}
}

static void test_fits(void)
{
	static const struct {
		uint64_t total, available, apart;
		bool fits;
	} rows[] = {
		{ OF_GIB(20), OF_GIB(10), OF_GIB(8), true },
		{ OF_GIB(20), OF_GIB(10), OF_GIB(8) + 1, false },
		{ OF_GIB(20), OF_GIB(2), 0, true },
		{ OF_GIB(20), OF_GIB(1), 0, false },
		{ OF_GIB(20), OF_GIB(20), UINT64_MAX, false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct ksm_host host = { .total_kib = rows[i].total,
					 .available_kib = rows[i].available };

		UNIT_CHECK(ksm_rules_apart_fits(&host, rows[i].apart) == rows[i].fits, "row %zu",
			   i);
	}
}

static void test_memory(void)
{
	struct numa_node nodes[2] = {
		{ .total_kib = 100, .free_kib = 10, .percpu_kib = 1, .reclaimable_kib = 20 },
		{ .id = 1, .total_kib = 50, .free_kib = 5, .reclaimable_kib = 2 },
	};
	struct numa numa = { .n_nodes = 2, .nodes = nodes };
	struct ksm_host host = { .guests_kib = 7 };

	ksm_rules_memory(&numa, &host);
	CU_ASSERT_EQUAL(host.total_kib, 150);
	CU_ASSERT_EQUAL(host.available_kib, 38);
	CU_ASSERT_EQUAL(host.guests_kib, 7);
}

static CU_TestInfo tests[] = {
	{ "who gains", test_gain },
	{ "who gets it", test_wanted },
	{ "what a profile means", test_values },
	{ "the shorter the memory, the faster", test_monotonous },
	{ "what may come apart", test_fits },
	{ "memory of several nodes", test_memory },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_ksm_rules", tests);
}

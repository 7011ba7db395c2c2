// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Guests on a host that is short of memory: from what both say to limits.  The guests are this
 * file's.
 */
#include "pager/guests_pressure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "unit/unit.h"

enum { GUESTS = 3, GIB_PAGES = 262144, GIB_KIB = 1048576 };

/* Of 16 GiB 1.6 are kept free: short is less than 819 MiB */
#define HOST_KIB (UINT64_C(16) * GIB_KIB)

/* ---- guests that are none ---- */

struct paged_guest_fake {
	struct paged_guest guest;
	struct pager_statistics statistics;
	bool paged;
	bool keeps_slots;
	unsigned int set;
};

static struct paged_guest_fake fakes[GUESTS];

static struct paged_guest_fake *fake_of(const struct paged_guest *guest)
{
	size_t i = 0;

	while (&fakes[i].guest != guest)
		i++;
	return &fakes[i];
}

struct guest_record paged_guest_record(struct paged_guest *guest)
{
	return guest->record;
}

bool paged_guest_statistics(struct paged_guest *guest, struct pager_statistics *statistics)
{
	*statistics = fake_of(guest)->statistics;
	return fake_of(guest)->paged;
}

void paged_guest_lower(struct paged_guest *guest, uint64_t kib)
{
	fake_of(guest)->set += guest->lowered_kib != kib;
	guest->lowered_kib = kib;
}

void paged_guest_keep_slots(struct paged_guest *guest, bool keep)
{
	fake_of(guest)->keeps_slots = keep;
}

/* ---- a host of our own ---- */

struct host {
	const char *root;
	struct kfs kfs;
	struct guests_pressure pressure;
	struct config_overcommit config;
	struct pressure_guest share[GUESTS];
	struct sharing_guest list[GUESTS];
};

static void available(struct host *h, uint64_t mib)
{
	char text[100];

	snprintf(text, sizeof(text), "MemAvailable: %llu kB\n", (unsigned long long)mib * 1024);
	unit_write(h->root, "proc/meminfo", text);
}

/* Each has 4 GiB, its limit are 2, and all of that is resident and idle */
static void open_host(struct host *h)
{
	struct err err = { "" };
	size_t i;

	*h = (struct host){ .root = unit_tmpdir(),
			    .config = { .keep_free = { .percent = 10 },
					.floor = { .percent = 25 } } };
	if (!UNIT_CHECK(kfs_open(&h->kfs, h->root, &err) == 0, "%s", err.text))
		CU_FAIL_FATAL("no root");
	for (i = 0; i < GUESTS; i++) {
		fakes[i] = (struct paged_guest_fake){
			.guest = { .lowered_kib = UINT64_MAX,
				   .record = { .limit_kib = 2 * GIB_KIB } },
			.statistics = { .pages = 4 * GIB_PAGES,
					.resident = 2 * GIB_PAGES,
					.idle_percent = 100,
					.idle_samples = 1 },
			.paged = true,
		};
		h->list[i] = (struct sharing_guest){ &fakes[i].guest, &h->share[i] };
	}
	guests_pressure_open(&h->pressure, &h->kfs, HOST_KIB);
	guests_pressure_set(&h->pressure, &h->config);
}

static void close_host(struct host *h)
{
	guests_pressure_close(&h->pressure);
	kfs_close(&h->kfs);
}

#define HOST(name) UNIT_FIXTURE(struct host, name, close_host, open_host(&name))

static void look(struct host *h)
{
	guests_pressure_look(&h->pressure, h->list, GUESTS);
}

/* What was taken is out, and the next look does not wait for it */
static void went_out(struct host *h)
{
	size_t i;

	for (i = 0; i < GUESTS; i++)
		if (fakes[i].guest.lowered_kib != UINT64_MAX)
			fakes[i].statistics.resident = fakes[i].guest.lowered_kib / 4;
	look(h);
}

static void test_enough(void)
{
	HOST(h);
	cleanup_json json_t *json = NULL;

	available(&h, 8192);
	look(&h);
	CU_ASSERT(fakes[0].set == 0 && fakes[1].set == 0 && fakes[2].set == 0);
	CU_ASSERT(fakes[0].keeps_slots && fakes[2].keeps_slots);
	CU_ASSERT_EQUAL(h.pressure.due % PRESSURE_LOOK_MS, 0);
	json = guests_pressure_json(&h.pressure);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "state")), "none");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(json, "available_kib")), 8192 * 1024);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(json, "taken_kib")), 0);
}

/* A sixteenth of what they have, a third each; down to the floor, a GiB */
static void test_short(void)
{
	HOST(h);
	cleanup_json json_t *json = NULL;
	int i;

	available(&h, 600);
	look(&h);
	CU_ASSERT_EQUAL(fakes[0].guest.lowered_kib, (2 * GIB_PAGES - 2 * GIB_PAGES / 16) * 4);
	CU_ASSERT_EQUAL(fakes[2].guest.lowered_kib, fakes[0].guest.lowered_kib);
	CU_ASSERT(!fakes[0].keeps_slots && !fakes[2].keeps_slots);
	CU_ASSERT(clock_left_ms(h.pressure.due) <= PRESSURE_SOON_MS);
	json = guests_pressure_json(&h.pressure);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "state")), "taking");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(json, "taken_kib")),
			3 * 2 * GIB_PAGES / 16 * 4);
	for (i = 0; i < 100; i++)
		went_out(&h);
	CU_ASSERT_EQUAL(fakes[1].guest.lowered_kib, GIB_KIB);
	CU_ASSERT(h.pressure.pressure.exhausted);
}

/* What a person takes from a guest is no business of this */
static void test_limit(void)
{
	HOST(h);

	available(&h, 8192);
	fakes[1].guest.record.limit_kib = GIB_KIB / 2;
	fakes[1].statistics.resident = GIB_PAGES / 2;
	look(&h);
	available(&h, 100);
	look(&h);
	CU_ASSERT_EQUAL(fakes[1].guest.lowered_kib, UINT64_MAX);
	CU_ASSERT(fakes[0].guest.lowered_kib < 2 * GIB_KIB);
}

static void test_keep(void)
{
	HOST(h);

	available(&h, 100);
	look(&h);
	CU_ASSERT(fakes[0].guest.lowered_kib < 2 * GIB_KIB && !fakes[0].keeps_slots);
	h.config.on_pressure = ON_PRESSURE_KEEP;
	guests_pressure_set(&h.pressure, &h.config);
	CU_ASSERT_EQUAL(clock_left_ms(h.pressure.due), 0);
	look(&h);
	CU_ASSERT_EQUAL(fakes[0].guest.lowered_kib, UINT64_MAX);
	CU_ASSERT(fakes[0].keeps_slots);
	CU_ASSERT_EQUAL(h.pressure.taken_kib, 0);
	look(&h);
	CU_ASSERT_EQUAL(fakes[0].guest.lowered_kib, UINT64_MAX);
}

/* What can't be read leaves limits as they are */
static void test_unreadable(void)
{
	HOST(h);
	uint64_t limit;

	look(&h);
	CU_ASSERT_EQUAL(fakes[0].set, 0);
	available(&h, 600);
	look(&h);
	limit = fakes[0].guest.lowered_kib;
	unit_write(h.root, "proc/meminfo", "nonsense\n");
	went_out(&h);
	CU_ASSERT_EQUAL(fakes[0].guest.lowered_kib, limit);
}

/* Where tiers are full guests have their limits at once */
static void test_no_tier(void)
{
	HOST(h);
	int i;

	available(&h, 600);
	look(&h);
	for (i = 0; i < 100; i++) {
		fakes[0].statistics.no_tier = true;
		look(&h);
	}
	CU_ASSERT_EQUAL(fakes[0].guest.lowered_kib, UINT64_MAX);
	CU_ASSERT_EQUAL(fakes[2].guest.lowered_kib, UINT64_MAX);
}

static void test_no_guest(void)
{
	HOST(h);

	available(&h, 1);
	guests_pressure_look(&h.pressure, h.list, 0);
	CU_ASSERT_EQUAL(h.pressure.due % PRESSURE_LOOK_MS, 0);
}

static uint64_t sample_ms(const struct host *h, size_t guest)
{
	return guests_pressure_sample_ms(&h->pressure, &h->share[guest], 30000);
}

/* Of a guest that was never looked at it is found out soonest */
static void test_sample(void)
{
	HOST(h);

	fakes[1].statistics.idle_samples = 0;
	fakes[2].statistics.idle_percent = -1;
	CU_ASSERT_EQUAL(sample_ms(&h, 0), 30000);
	available(&h, 8192);
	look(&h);
	CU_ASSERT(sample_ms(&h, 0) == 30000 && sample_ms(&h, 1) == 30000);
	available(&h, 600);
	look(&h);
	CU_ASSERT_EQUAL(sample_ms(&h, 0), 3000);
	h.pressure.pressure.began_at -= 100000;
	CU_ASSERT_EQUAL(sample_ms(&h, 0), 10000);
	CU_ASSERT(sample_ms(&h, 1) == 3000 && sample_ms(&h, 2) == 3000);
}

static void test_out(void)
{
	HOST(h);

	fakes[1].statistics.n_tiers = 2;
	fakes[1].statistics.tier[0].pages = 70;
	fakes[1].statistics.tier[1].pages = 30;
	available(&h, 8192);
	look(&h);
	CU_ASSERT(h.share[0].out == 0 && h.share[1].out == 100);
}

static CU_TestInfo tests[] = {
	{ "there is enough", test_enough },
	{ "memory is short", test_short },
	{ "a guest at its floor", test_limit },
	{ "on_pressure = keep", test_keep },
	{ "memory can't be read", test_unreadable },
	{ "tiers are full", test_no_tier },
	{ "no guest", test_no_guest },
	{ "how often idle pages are looked for", test_sample },
	{ "pages that are out", test_out },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_guests_pressure", tests);
}

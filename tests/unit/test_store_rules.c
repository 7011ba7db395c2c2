// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which store, is it right, is there room: tables of rows.
 */
#include "policy/store_rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "unit/unit.h"

#define MIB	  KIB_PER_MIB
#define GIB	  KIB_PER_GIB
#define QEMU_CONF "/etc/libvirt/qemu.conf"

/* A host with stores that are mounted and fine */
struct scene {
	struct host_view host;
	struct store_view stores[4];
	struct store_promise promises[8];
	struct numa_node nodes[2];
	struct err err;
};

static struct store_view *add_store(struct scene *s, const char *name, const char *path)
{
	struct store_view *store = &s->stores[s->host.n_stores++];

	snprintf(store->config.name, sizeof(store->config.name), "%s", name);
	snprintf(store->config.path, sizeof(store->config.path), "%s", path);
	store->configured = true;
	store->state = (struct store_state){
		.present = true,
		.mountpoint = true,
		.traversable = true,
		.capacity_kib = 100 * GIB,
		.free_kib = 100 * GIB,
		.available_kib = 100 * GIB,
	};
	strcpy(store->state.mount.fstype, "ext4");
	strcpy(store->state.mount.source, "/dev/vdb");
	snprintf(store->state.mount.target, sizeof(store->state.mount.target), "%s", path);
	return store;
}

static void open_scene(struct scene *s, const char *dir, unsigned int line)
{
	memset(s, 0, sizeof(*s));
	s->host.stores_read = true;
	s->host.stores = s->stores;
	s->host.numa.nodes = s->nodes;
	snprintf(s->host.qemu_conf.memory_backing_dir, sizeof(s->host.qemu_conf.memory_backing_dir),
		 "%s", dir);
	s->host.qemu_conf.memory_backing_line = line;
}

/* The rest of a table's scene: one store in use */
static struct store_view *one_store(struct scene *s)
{
	struct store_view *store;

	open_scene(s, "/srv/ram", 12);
	store = add_store(s, "ram", "/srv/ram");
	store->in_use = true;
	return store;
}

static void promise(struct scene *s, struct store_view *store, const char *guest, uint64_t promised,
		    uint64_t used)
{
	struct store_promise *next = store->promises ? &store->promises[store->n_promises] :
						       s->promises;

	store->promises = store->promises ? store->promises : s->promises;
	snprintf(next->guest, sizeof(next->guest), "%s", guest);
	next->promised_kib = promised;
	next->used_kib = used;
	store->n_promises++;
}

static bool says(const struct scene *s, const char *words, const char *row)
{
	return UNIT_CHECK(strstr(s->err.text, words), "%s: no '%s' in: %s", row, words,
			  s->err.text);
}

/* ---- which one ---- */

/**
 * struct choice - Two stores, a and b; which of them is taken
 * @line:	Of memory_backing_dir in qemu.conf
 * @use:	Which is in use: 'a', 'b', or 0
 * @store:	Its path; NULL: refused with @words
 */
struct choice {
	const char *name;
	unsigned int line;
	char use;
	const char *wanted, *store, *words;
};

static const struct choice choices[] = {
	{ "the one in use", 3, 'a', "", "/srv/a", NULL },
	{ "the other one", 3, 'b', "", "/srv/b", NULL },
	{ "wanted and in use", 3, 'b', "b", "/srv/b", NULL },
	{ "wanted, and another is in use", 3, 'a', "b", NULL,
	  "memory_backing_dir in line 3 of " QEMU_CONF " is /srv/a, and store 'b' is at /srv/b: "
	  "set memory_backing_dir = \"/srv/b\" there and restart libvirt's QEMU daemon, or correct "
	  "the store's path in /etc/libvirt/membacking.conf" },
	{ "wanted and unknown", 3, 'a', "c", NULL,
	  "there is no [store] with name = c in /etc/libvirt/membacking.conf" },
	{ "the prefix of a name", 3, 'a', "a ", NULL, "there is no [store] with name = a  in" },
	{ "names have a case", 3, 'a', "A", NULL, "there is no [store] with name = A in" },
	{ "none in use", 3, 0, "", NULL,
	  "memory_backing_dir in line 3 of " QEMU_CONF " is /srv/a, and store 'a'" },
	{ "none in use, wanted", 3, 0, "b", NULL, "and store 'b' is at /srv/b" },
	{ "not set", 0, 0, "", NULL,
	  "memory_backing_dir is not set in " QEMU_CONF ", which means /var/lib/libvirt/qemu/ram, "
	  "and store 'a' is at /srv/a: set memory_backing_dir = \"/srv/a\" there" },
};

static void test_choose(void)
{
	size_t i;

	for (i = 0; i < ROWS(choices); i++) {
		const struct choice *row = &choices[i];
		const struct store_view *store = NULL;
		struct scene s;
		int rc;

		open_scene(&s, row->line ? "/srv/a" : "", row->line);
		add_store(&s, "a", "/srv/a")->in_use = row->use == 'a';
		add_store(&s, "b", "/srv/b")->in_use = row->use == 'b';
		rc = store_choose(&s.host, row->wanted, &store, &s.err);
		if (row->store) {
			UNIT_CHECK(rc == 0, "%s: %s", row->name, s.err.text);
			UNIT_CHECK_STR(store ? store->config.path : NULL, row->store, "%s",
				       row->name);
			continue;
		}
		UNIT_CHECK(rc == -EINVAL, "%s: %d", row->name, rc);
		UNIT_CHECK(!store, "%s: the result is touched", row->name);
		says(&s, row->words, row->name);
	}
}

static void test_choose_implicit(void)
{
	const struct store_view *store = NULL;
	struct scene s;

	open_scene(&s, "", 0);
	add_store(&s, "", QEMU_CONF_RAM_DIR)->configured = false;
	s.stores[0].in_use = true;
	CU_ASSERT_EQUAL(store_choose(&s.host, "", &store, &s.err), 0);
	CU_ASSERT_PTR_EQUAL(store, &s.stores[0]);
	/* It has no name by which it could be wanted */
	CU_ASSERT_EQUAL(store_choose(&s.host, "default", &store, &s.err), -EINVAL);
	says(&s, "no [store] with name = default", "implicit");
}

/* Even the right store is no good then: nobody knows where libvirt puts the files */
static void test_choose_unreadable(void)
{
	static const struct {
		unsigned int line;
		const char *words;
	} rows[] = {
		{ 0,
		  "cannot read " QEMU_CONF
		  ", or others than root may write to it: where libvirt puts file-backed memory is unknown" },
		{ 77,
		  "line 77 of " QEMU_CONF ": expected memory_backing_dir = \"/absolute/path\"" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const struct store_view *store = NULL;
		struct scene s;

		one_store(&s);
		s.host.qemu_conf.memory_backing_line = rows[i].line;
		s.host.qemu_conf.memory_backing_unreadable = true;
		CU_ASSERT_EQUAL(store_choose(&s.host, "", &store, &s.err), -EINVAL);
		says(&s, rows[i].words, "unreadable");
		CU_ASSERT_EQUAL(store_choose(&s.host, "ram", &store, &s.err), -EINVAL);
		CU_ASSERT_PTR_NULL(store);
	}
}

static void test_find(void)
{
	struct scene s;

	open_scene(&s, "/srv/b", 1);
	CU_ASSERT_PTR_NULL(store_in_use(&s.host));
	CU_ASSERT_PTR_NULL(store_at(&s.host, "/srv/a"));
	add_store(&s, "a", "/srv/a");
	CU_ASSERT_PTR_NULL(store_in_use(&s.host));
	add_store(&s, "b", "/srv/b")->in_use = true;
	CU_ASSERT_PTR_EQUAL(store_in_use(&s.host), &s.stores[1]);
	CU_ASSERT_PTR_EQUAL(store_at(&s.host, "/srv/a"), &s.stores[0]);
	CU_ASSERT_PTR_NULL(store_at(&s.host, "/srv/a/"));
	CU_ASSERT_PTR_NULL(store_at(&s.host, "/srv"));
	CU_ASSERT_PTR_NULL(store_at(&s.host, ""));
}

/* ---- is it right ---- */

static void absent(struct store_view *store)
{
	memset(&store->state, 0, sizeof(store->state));
}

static void not_mounted(struct store_view *store)
{
	store->state.mountpoint = false;
	store->state.root = true;
	strcpy(store->state.mount.source, "/dev/vda1");
}

static void not_mounted_elsewhere(struct store_view *store)
{
	store->state.mountpoint = false;
	strcpy(store->state.mount.source, "/dev/vdc");
}

static void is_root(struct store_view *store)
{
	store->state.root = true;
}

static void other_type(struct store_view *store)
{
	strcpy(store->config.fstype, "xfs");
}

static void same_type(struct store_view *store)
{
	strcpy(store->config.fstype, "ext4");
}

static void other_source(struct store_view *store)
{
	strcpy(store->config.source, "LABEL=memory");
	store->wrong_source = true;
}

static void elsewhere(struct store_view *store)
{
	store->elsewhere = true;
}

static void readonly(struct store_view *store)
{
	store->state.mount.readonly = true;
}

static void closed(struct store_view *store)
{
	store->state.traversable = false;
}

static void implicit(struct store_view *store)
{
	store->configured = false;
	store->config.name[0] = '\0';
}

/* Where there is no [store] nothing is required of the file system but that it works */
static void implicit_on_root(struct store_view *store)
{
	implicit(store);
	not_mounted(store);
	closed(store);
	store->config.fstype[0] = '\0';
}

static void implicit_absent(struct store_view *store)
{
	implicit(store);
	absent(store);
}

static void implicit_readonly(struct store_view *store)
{
	implicit(store);
	readonly(store);
}

static void implicit_elsewhere(struct store_view *store)
{
	implicit(store);
	elsewhere(store);
}

static void all_wrong(struct store_view *store)
{
	other_type(store);
	readonly(store);
	closed(store);
	elsewhere(store);
}

static void test_verify(void)
{
	static const struct {
		void (*change)(struct store_view *store);
		int rc;
		const char *words;
	} rows[] = {
		{ same_type, 0, NULL },
		{ absent, -ENOENT,
		  "store 'ram': the directory /srv/ram does not exist: create it" },
		{ not_mounted, -ENOENT,
		  "store 'ram': nothing is mounted on /srv/ram, memory there would be on the "
		  "host's root file system /dev/vda1: mount it, or set mount = prepare" },
		{ not_mounted_elsewhere, -ENOENT, "memory there would be on /dev/vdc: mount it" },
		{ is_root, -EINVAL, "/srv/ram is the host's root file system: guests could" },
		{ other_type, -EINVAL,
		  "store 'ram': ext4 is mounted on /srv/ram, and fstype = xfs is configured" },
		{ other_source, -EINVAL,
		  "store 'ram': /dev/vdb is mounted on /srv/ram, and source = LABEL=memory" },
		{ elsewhere, -EINVAL,
		  "store 'ram' (/srv/ram): another file system is mounted below it" },
		{ readonly, -EROFS,
		  "store 'ram' (/srv/ram) is read-only: look in the kernel's log for errors of "
		  "/dev/vdb, then: mount -o remount,rw /srv/ram" },
		{ closed, -EACCES,
		  "store 'ram' (/srv/ram) can't be entered by QEMU's user: chmod o+x /srv/ram" },
		{ implicit, 0, NULL },
		{ implicit_on_root, 0, NULL },
		{ implicit_absent, 0, NULL },
		{ implicit_readonly, -EROFS, "/srv/ram is read-only" },
		{ implicit_elsewhere, -EINVAL, "/srv/ram: another file system" },
		/* What has to be mended first comes first */
		{ all_wrong, -EINVAL, "fstype = xfs is configured" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct scene s;
		struct store_view *store = one_store(&s);
		char row[16];
		int rc;

		snprintf(row, sizeof(row), "row %zu", i);
		rows[i].change(store);
		rc = store_verify(store, &s.err);
		UNIT_CHECK(rc == rows[i].rc, "%s: %d, %s", row, rc, s.err.text);
		if (rows[i].words)
			says(&s, rows[i].words, row);
	}
}

static void test_wants_mount(void)
{
	static const struct {
		enum config_mount mount;
		bool configured, mountpoint, wants;
	} rows[] = {
		{ MOUNT_PREPARE, true, false, true },	{ MOUNT_PREPARE, true, true, false },
		{ MOUNT_DAEMON, true, false, true },	{ MOUNT_DAEMON, true, true, false },
		{ MOUNT_NEVER, true, false, false },	{ MOUNT_NEVER, true, true, false },
		{ MOUNT_PREPARE, false, false, false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct store_view store = { .configured = rows[i].configured };

		store.config.mount = rows[i].mount;
		store.state.mountpoint = rows[i].mountpoint;
		UNIT_CHECK(store_wants_mount(&store) == rows[i].wants, "row %zu", i);
	}
}

static void test_mount_options(void)
{
	static const struct {
		const char *options;
		struct config_amount size;
		const char *want;
	} rows[] = {
		{ "", { 0, 0 }, "nodev,nosuid,noexec" },
		{ "noatime", { 0, 0 }, "nodev,nosuid,noexec,noatime" },
		{ "huge=within_size,mode=0755",
		  { 8 * GIB, 0 },
		  "nodev,nosuid,noexec,huge=within_size,mode=0755,size=8388608k" },
		{ "", { 0, 80 }, "nodev,nosuid,noexec,size=80%" },
		{ "", { 1, 0 }, "nodev,nosuid,noexec,size=1k" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct config_store config = { .size = rows[i].size };
		char buf[2 * CONFIG_TEXT_SIZE];

		strcpy(config.options, rows[i].options);
		store_mount_options(&config, buf, sizeof(buf));
		UNIT_CHECK_STR(buf, rows[i].want, "row %zu", i);
	}
}

/* The longest that a section can hold is not cut */
static void test_mount_options_long(void)
{
	struct config_store config = { .size = { UINT64_MAX, 0 } };
	char buf[2 * CONFIG_TEXT_SIZE], end[64];

	memset(config.options, 'o', sizeof(config.options) - 1);
	store_mount_options(&config, buf, sizeof(buf));
	snprintf(end, sizeof(end), "ooo,size=%lluk", (unsigned long long)UINT64_MAX);
	UNIT_CHECK(strlen(buf) > strlen(end) && !strcmp(buf + strlen(buf) - strlen(end), end), "%s",
		   buf);
}

/* ---- is there room ---- */

static void test_keep_free(void)
{
	static const struct {
		uint64_t capacity, kib;
		uint32_t percent;
		uint64_t want;
	} rows[] = {
		{ 100 * GIB, 0, 0, 0 },
		{ 100 * GIB, 0, 5, 5 * GIB },
		{ 100 * GIB, 7 * GIB, 0, 7 * GIB },
		{ 100 * GIB, 0, 100, 100 * GIB },
		{ 0, 0, 50, 0 },
		{ 0, 5, 0, 5 },
		{ UINT64_MAX, 0, 100, UINT64_MAX / 100 * 100 },
		{ 100 * GIB, UINT64_MAX, 0, UINT64_MAX },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct store_view store = { .state.capacity_kib = rows[i].capacity };

		store.config.keep_free = (struct config_amount){ rows[i].kib, rows[i].percent };
		UNIT_CHECK(store_keep_free(&store) == rows[i].want, "row %zu: %llu", i,
			   (unsigned long long)store_keep_free(&store));
	}
}

static void test_outstanding(void)
{
	struct scene s;
	struct store_view *store = one_store(&s);

	CU_ASSERT_EQUAL(store_outstanding(store, NULL), 0);
	CU_ASSERT_EQUAL(store_promised(store), 0);
	promise(&s, store, "a", 10 * GIB, 4 * GIB);
	promise(&s, store, "b", 10 * GIB, 0);
	/* Holes filled, and another program's file in its directory: never negative */
	promise(&s, store, "c", 10 * GIB, 11 * GIB);
	CU_ASSERT_EQUAL(store_outstanding(store, NULL), 16 * GIB);
	CU_ASSERT_EQUAL(store_outstanding(store, "a"), 10 * GIB);
	CU_ASSERT_EQUAL(store_outstanding(store, "b"), 6 * GIB);
	CU_ASSERT_EQUAL(store_outstanding(store, "c"), 16 * GIB);
	CU_ASSERT_EQUAL(store_outstanding(store, "nobody"), 16 * GIB);
	CU_ASSERT_EQUAL(store_promised(store), 30 * GIB);
	promise(&s, store, "d", UINT64_MAX, 0);
	CU_ASSERT_EQUAL(store_outstanding(store, NULL), UINT64_MAX);
	CU_ASSERT_EQUAL(store_promised(store), UINT64_MAX);
}

/**
 * struct admission - A disk with 100 GiB, of which @available are
 * @missing:	In the sentence; NULL: admitted
 */
struct admission {
	const char *name;
	uint64_t available, stale, promised, used;
	struct config_amount keep;
	uint64_t size;
	const char *missing;
};

static const struct admission admissions[] = {
	{ "all of it", 100 * GIB, 0, 0, 0, { 0, 0 }, 100 * GIB, NULL },
	{ "1 KiB too much", 100 * GIB, 0, 0, 0, { 0, 0 }, 100 * GIB + 1, "lacks 1 KiB for it" },
	{ "nothing left, nothing asked", 0, 0, 0, 0, { 0, 0 }, 0, NULL },
	{ "nothing left", 0, 0, 0, 0, { 0, 0 }, 1, "lacks 1 KiB for it" },
	{ "up to what is kept", 100 * GIB, 0, 0, 0, { 10 * GIB, 0 }, 90 * GIB, NULL },
	{ "into what is kept",
	  100 * GIB,
	  0,
	  0,
	  0,
	  { 10 * GIB, 0 },
	  90 * GIB + 1,
	  "lacks 1 KiB for it: of its 100 GiB, 100 GiB are available, and 10 GiB "
	  "are kept free" },
	/* Of the capacity, not of what is available */
	{ "up to a percentage", 50 * GIB, 0, 0, 0, { 0, 10 }, 40 * GIB, NULL },
	{ "into a percentage", 50 * GIB, 0, 0, 0, { 0, 10 }, 40 * GIB + 1, "lacks 1 KiB" },
	{ "more kept than there is", 5 * GIB, 0, 0, 0, { 0, 10 }, 1, "lacks 1 KiB" },
	{ "all kept", 100 * GIB, 0, 0, 0, { 0, 100 }, 1, "lacks 1 KiB" },
	{ "up to a promise", 100 * GIB, 0, 30 * GIB, 0, { 0, 0 }, 70 * GIB, NULL },
	{ "into a promise",
	  100 * GIB,
	  0,
	  30 * GIB,
	  0,
	  { 0, 0 },
	  70 * GIB + 1,
	  "100 GiB are available, 30 GiB of which running guests may still use (promised to "
	  "other 30 GiB), and 0 KiB are kept free" },
	{ "a promise used in part", 80 * GIB, 0, 30 * GIB, 20 * GIB, { 0, 0 }, 70 * GIB, NULL },
	{ "a promise used and more", 60 * GIB, 0, 30 * GIB, 40 * GIB, { 0, 0 }, 60 * GIB, NULL },
	{ "stale files count as free", 10 * GIB, 20 * GIB, 0, 0, { 0, 0 }, 30 * GIB, NULL },
	{ "and no more than once",
	  10 * GIB,
	  20 * GIB,
	  0,
	  0,
	  { 0, 0 },
	  30 * GIB + 1,
	  "lacks 1 KiB" },
	{ "everything at once", 50 * GIB, 5 * GIB, 30 * GIB, 10 * GIB, { 0, 10 }, 25 * GIB, NULL },
	{ "everything at once, and 1 KiB",
	  50 * GIB,
	  5 * GIB,
	  30 * GIB,
	  10 * GIB,
	  { 0, 10 },
	  25 * GIB + 1,
	  "lacks 1 KiB" },
	{ "absurd size", 100 * GIB, 0, 0, 0, { 0, 0 }, UINT64_MAX, "lacks " },
	{ "absurd promise", 100 * GIB, 0, UINT64_MAX, 0, { UINT64_MAX, 0 }, 1, "lacks 1 KiB" },
	{ "absurd stale", 100 * GIB, UINT64_MAX, 0, 0, { 0, 0 }, 1, NULL },
	{ "absurd everything",
	  UINT64_MAX,
	  UINT64_MAX,
	  UINT64_MAX,
	  0,
	  { UINT64_MAX, 0 },
	  UINT64_MAX,
	  "lacks " },
};

static void test_admit(void)
{
	size_t i;

	for (i = 0; i < ROWS(admissions); i++) {
		const struct admission *row = &admissions[i];
		struct scene s;
		struct store_view *store = one_store(&s);
		int rc;

		store->state.available_kib = row->available;
		store->stale_kib = row->stale;
		store->config.keep_free = row->keep;
		if (row->promised)
			promise(&s, store, "other", row->promised, row->used);
		/* Its own, from a start before: not counted against it */
		promise(&s, store, "g", 500 * GIB, 0);
		/* On a disk, memory is no matter */
		rc = store_admit(store, &s.host, 0, "g", row->size, &s.err);
		UNIT_CHECK(rc == (row->missing ? -ENOSPC : 0), "%s: %d, %s", row->name, rc,
			   s.err.text);
		if (row->missing)
			says(&s, row->missing, row->name);
	}
}

static void test_admit_sentence(void)
{
	struct scene s;
	struct store_view *store = one_store(&s);

	store->state.available_kib = 40 * GIB;
	store->config.keep_free.percent = 5;
	promise(&s, store, "web1", 16 * GIB, 6 * GIB);
	promise(&s, store, "g", 16 * GIB, 6 * GIB);
	promise(&s, store, "\xe5\xae\xa2\xe6\x88\xb7", 16 * GIB, 0);
	CU_ASSERT_EQUAL(store_admit(store, &s.host, 0, "g", 20 * GIB, &s.err), -ENOSPC);
	UNIT_CHECK_STR(
		s.err.text,
		"not enough memory for files: guest 'g' needs 20 GiB of file-backed memory, and store 'ram' (/srv/ram) "
		"lacks 11 GiB for it: of its 100 GiB, 40 GiB are available, 26 GiB of which "
		"running guests may still use (promised to web1 16 GiB, "
		"\xe5\xae\xa2\xe6\x88\xb7 16 GiB), and 5 GiB are kept free; shut a guest "
		"down, remove files from the store, or enlarge it",
		"the whole sentence");
	implicit(store);
	CU_ASSERT_EQUAL(store_admit(store, &s.host, 0, "g", 20 * GIB, &s.err), -ENOSPC);
	says(&s, "of file-backed memory, and /srv/ram lacks 11 GiB for it", "implicit");
}

/* Is it whole UTF-8? */
static bool is_text(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		size_t more = *p < 0x80 ? 0 : *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;

		if ((*p++ & 0xc0) == 0x80)
			return false;
		while (more--)
			if ((*p++ & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* Many guests, with names that fill a file name */
static void test_admit_many(void)
{
	struct scene s;
	struct store_view *store = one_store(&s);
	char longest[GUEST_NAME_SIZE], name[GUEST_NAME_SIZE];
	size_t i;

	store->state.available_kib = 0;
	for (i = 0; i + 3 < sizeof(longest); i += 3)
		strcpy(longest + i, "\xe5\xae\xa2");
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "%zu%.1000s", 10 + i, i % 2 ? "x" : longest);
		promise(&s, store, name, UINT64_MAX / 16, 0);
	}
	CU_ASSERT_EQUAL(store_admit(store, &s.host, 0, "g", 1, &s.err), -ENOSPC);
	says(&s, " and 4 others)", "many");
	says(&s, "(promised to 10\xe5\xae\xa2", "many");
	says(&s, ", 11x ", "many");
	UNIT_CHECK(strstr(s.err.text, "enlarge it"), "the end is missing: %s", s.err.text);
	UNIT_CHECK(is_text(s.err.text), "cut within a character: %s", s.err.text);
}

/* ---- in memory ---- */

static void test_ram(void)
{
	struct scene s;

	open_scene(&s, "", 0);
	CU_ASSERT_EQUAL(store_ram(&s.host), 0);
	s.host.numa.n_nodes = 2;
	s.nodes[0] = (struct numa_node){ .free_kib = 1, .percpu_kib = 20, .reclaimable_kib = 300 };
	s.nodes[1] = (struct numa_node){ .free_kib = 4000, .swappable_kib = 99999999 };
	s.host.numa.swap_free_kib = 50000;
	CU_ASSERT_EQUAL(store_ram(&s.host), 54321);
	s.nodes[0].free_kib = UINT64_MAX / 2;
	s.nodes[1].free_kib = UINT64_MAX / 2;
	s.host.numa.swap_free_kib = UINT64_MAX / 2;
	CU_ASSERT_EQUAL(store_ram(&s.host), UINT64_MAX);
}

static void test_admit_ram(void)
{
	static const struct {
		const char *name;
		uint64_t ram, available, here, there, elsewhere, stale, size;
		const char *words;
	} rows[] = {
		{ "all of memory", 8 * GIB, 9 * GIB, 0, 0, 0, 0, 8 * GIB, NULL },
		{ "1 KiB more", 8 * GIB, 9 * GIB, 0, 0, 0, 0, 8 * GIB + 1,
		  "store 'ram' (/srv/ram) lies in the host's memory, which lacks 1 KiB for it: 8 GiB "
		  "is available; end other "
		  "programs, or add swap" },
		{ "the store's size comes first", 8 * GIB, 7 * GIB, 0, 0, 0, 0, 8 * GIB,
		  "store 'ram' (/srv/ram) lacks 1 GiB" },
		{ "promised here", 8 * GIB, 9 * GIB, 1 * GIB, 0, 0, 0, 7 * GIB, NULL },
		{ "promised here and asked", 8 * GIB, 9 * GIB, 1 * GIB, 0, 0, 0, 7 * GIB + 1,
		  "1 GiB of which running guests may still use (promised to a 1 GiB)" },
		/* Two stores share the same memory */
		{ "promised in another", 8 * GIB, 9 * GIB, 0, 3 * GIB, 0, 0, 5 * GIB, NULL },
		{ "promised in another and asked", 8 * GIB, 9 * GIB, 0, 3 * GIB, 0, 0, 5 * GIB + 1,
		  "lacks 1 KiB for it: 8 GiB is available, 3 GiB of which running guests may" },
		{ "in both", 8 * GIB, 9 * GIB, 2 * GIB, 3 * GIB, 0, 0, 3 * GIB + 1, "lacks 1 KiB" },
		{ "promised on a disk", 8 * GIB, 9 * GIB, 0, 0, 50 * GIB, 0, 8 * GIB, NULL },
		/* What will be removed first gives its memory back */
		{ "stale files in memory", 3 * GIB, 4 * GIB, 0, 0, 0, 5 * GIB, 8 * GIB, NULL },
		{ "stale files and 1 KiB", 3 * GIB, 4 * GIB, 0, 0, 0, 5 * GIB, 8 * GIB + 1,
		  "lacks 1 KiB" },
		{ "no memory at all", 0, 9 * GIB, 0, 0, 0, 0, 1, "lacks 1 KiB for it: 0 KiB is" },
		{ "more promised than there is", 1 * GIB, 100 * GIB, 0, 99 * GIB, 0, 0, 1,
		  "lacks 1 KiB for it: 1 GiB is available, 99 GiB of which" },
		{ "absurd promises", UINT64_MAX, UINT64_MAX, UINT64_MAX / 2, UINT64_MAX, 0, 0, 1,
		  "lacks 1 KiB" },
		{ "absurd size", UINT64_MAX, UINT64_MAX, 0, 0, 0, UINT64_MAX, UINT64_MAX, NULL },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct store_promise there = { "b", rows[i].there, 0 };
		struct store_promise elsewhere_ = { "c", rows[i].elsewhere, 0 };
		struct store_view *other, *disk;
		struct scene s;
		struct store_view *store = one_store(&s);
		int rc;

		other = add_store(&s, "other", "/srv/other");
		disk = add_store(&s, "disk", "/srv/disk");
		store->state.in_ram = other->state.in_ram = true;
		store->state.capacity_kib = UINT64_MAX;
		store->state.available_kib = rows[i].available;
		store->stale_kib = rows[i].stale;
		if (rows[i].here)
			promise(&s, store, "a", rows[i].here, 0);
		other->promises = &there;
		disk->promises = &elsewhere_;
		other->n_promises = disk->n_promises = 1;
		rc = store_admit(store, &s.host, rows[i].ram, "g", rows[i].size, &s.err);
		UNIT_CHECK(rc == (rows[i].words ? -ENOSPC : 0), "%s: %d, %s", rows[i].name, rc,
			   s.err.text);
		if (rows[i].words)
			says(&s, rows[i].words, rows[i].name);
	}
}

/* ramfs says 0 of everything */
static void test_admit_ramfs(void)
{
	struct scene s;
	struct store_view *store = one_store(&s);

	store->state.capacity_kib = store->state.available_kib = store->state.free_kib = 0;
	store->state.in_ram = true;
	CU_ASSERT_EQUAL(store_admit(store, &s.host, 8 * GIB, "g", 8 * GIB, &s.err), 0);
	CU_ASSERT_EQUAL(store_admit(store, &s.host, 8 * GIB, "g", 8 * GIB + 1, &s.err), -ENOSPC);
	says(&s, "which lacks 1 KiB", "ramfs");
}

/* ---- the step ---- */

static void test_fill(void)
{
	struct guest_memory memory[] = {
		{ .source = GUEST_SOURCE_FILE, .size_kib = 1 * GIB, .max_kib = 1 * GIB },
		{ .source = GUEST_SOURCE_FILE, .size_kib = 1 * GIB, .max_kib = 4 * GIB },
		{ .source = GUEST_SOURCE_FILE, .hugepages = true, .max_kib = 8 * GIB },
	};
	struct guest guest = { .name = "g", .id = 7, .n_memory = ROWS(memory), .memory = memory };
	struct scene s;
	struct store_view *store = one_store(&s);
	struct step_store step;

	strcpy(store->config.source, "/dev/vdb");
	strcpy(store->config.fstype, "ext4");
	strcpy(store->config.options, "noatime");
	memset(&step, 0xff, sizeof(step));
	store_step_fill(&guest, store, &s.host, &step);
	UNIT_CHECK_STR(step.store, "ram", "store");
	UNIT_CHECK_STR(step.path, "/srv/ram", "path");
	UNIT_CHECK_STR(step.dir, "/srv/ram", "dir");
	UNIT_CHECK_STR(step.below, "libvirt/qemu", "below");
	UNIT_CHECK_STR(step.guest, "g", "guest");
	UNIT_CHECK_STR(step.source, "/dev/vdb", "source");
	UNIT_CHECK_STR(step.fstype, "ext4", "fstype");
	UNIT_CHECK_STR(step.options, "nodev,nosuid,noexec,noatime", "options");
	CU_ASSERT_EQUAL(step.id, 7);
	CU_ASSERT_EQUAL(step.size_kib, 5 * GIB);
	CU_ASSERT_FALSE(step.mount);
	CU_ASSERT_TRUE(step.unmount);
	CU_ASSERT_FALSE(step.ready);

	store->state.mountpoint = false;
	store->config.unmount = UNMOUNT_NEVER;
	store_step_fill(&guest, store, &s.host, &step);
	CU_ASSERT_TRUE(step.mount);
	CU_ASSERT_FALSE(step.unmount);
	/* What the daemon mounted is not unmounted with a guest */
	store->config.mount = MOUNT_DAEMON;
	store->config.unmount = UNMOUNT_LAST_GUEST;
	store_step_fill(&guest, store, &s.host, &step);
	CU_ASSERT_TRUE(step.mount);
	CU_ASSERT_FALSE(step.unmount);
	implicit(store);
	s.host.qemu_conf.memory_backing_dir[0] = '\0';
	store_step_fill(&guest, store, &s.host, &step);
	UNIT_CHECK_STR(step.store, "", "store");
	UNIT_CHECK_STR(step.dir, QEMU_CONF_RAM_DIR, "dir");
	UNIT_CHECK_STR(step.below, "", "below");
	CU_ASSERT_FALSE(step.mount);
	CU_ASSERT_FALSE(step.unmount);
}

static void test_directories(void)
{
	char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE];
	struct step_store step = { .id = 12, .guest = "web" };

	CU_ASSERT_EQUAL(store_directories(&step, names), 1);
	UNIT_CHECK_STR(names[0], "12-web", "directory");
	step.id = -1;
	CU_ASSERT_EQUAL(store_directories(&step, names), 0);
	step.id = 1;
	strcpy(step.guest, "../../etc");
	CU_ASSERT_EQUAL(store_directories(&step, names), 0);
}

#define C10                                                                                            \
	"\xe5\xae\xa2\xe6\x88\xb7\xe6\x9c\xba\xe5\xae\xa2\xe6\x88\xb7\xe6\x9c\xba\xe5\xae\xa2\xe6\x88" \
	"\xb7\xe6\x9c\xba\xe5\xae\xa2"

static void test_directory_of(void)
{
	static const struct {
		const char *directory, *name;
		bool is;
	} rows[] = {
		{ "1-web", "web", true },
		{ "4294967295-web", "web", true },
		{ "1-web2", "web", false },
		{ "1-we", "web", false },
		{ "1-Web", "web", false },
		{ "web", "web", false },
		{ "-web", "web", true },
		{ "1-", "web", false },
		{ "", "web", false },
		/* Only the first hyphen ends the number */
		{ "1-a-b", "a-b", true },
		{ "1-a-b", "b", false },
		{ "1--", "-", true },
		{ "1-12345678901234567890", "12345678901234567890", true },
		{ "1-12345678901234567890", "12345678901234567890123", true },
		{ "1-12345678901234567890123", "12345678901234567890123", false },
		/* Twenty characters, or twenty bytes */
		{ "1-" C10 C10, C10 C10 C10, true },
		{ "1-" C10, C10 C10 C10, false },
		{ "1-\xe5\xae\xa2\xe6\x88\xb7\xe6\x9c\xba\xe5\xae\xa2\xe6\x88\xb7\xe6\x9c\xba\xe5\xae",
		  C10 C10 C10, true },
		{ "1-" C10, C10, true },
		{ "1-a", "a/../b", false },
	};
	char name[300], directory[64];
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		UNIT_CHECK(store_directory_of(rows[i].directory, rows[i].name) == rows[i].is,
			   "row %zu: %s, %s", i, rows[i].directory, rows[i].name);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(directory, sizeof(directory), "99-%.20s", name);
	CU_ASSERT_TRUE(store_directory_of(directory, name));
	snprintf(directory, sizeof(directory), "99-%.19s", name);
	CU_ASSERT_FALSE(store_directory_of(directory, name));
}

static CU_TestInfo tests[] = {
	{ "which store", test_choose },
	{ "without a [store]", test_choose_implicit },
	{ "qemu.conf can't be understood", test_choose_unreadable },
	{ "finding", test_find },
	{ "is it right", test_verify },
	{ "what is mounted", test_wants_mount },
	{ "mount options", test_mount_options },
	{ "long mount options", test_mount_options_long },
	{ "kept free", test_keep_free },
	{ "promises", test_outstanding },
	{ "is there room", test_admit },
	{ "the sentence of a refusal", test_admit_sentence },
	{ "a sentence of many guests", test_admit_many },
	{ "the host's memory", test_ram },
	{ "room in memory", test_admit_ram },
	{ "room without a size", test_admit_ramfs },
	{ "the step", test_fill },
	{ "the guest's directories", test_directories },
	{ "whose directory", test_directory_of },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_store_rules", tests);
}

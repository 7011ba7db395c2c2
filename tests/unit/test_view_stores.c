// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The host view's stores: which there are, which one libvirt uses, what is promised.
 *
 * What is mounted is played by a mountinfo file; sizes are those of the test's own file
 * system.
 */
#include "lifecycle/view_stores.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "config/config.h"
#include "lifecycle/ledger.h"
#include "lifecycle/next_start.h"
#include "lifecycle/view.h"
#include "policy/store_rules.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

#define QEMU_CONF	  "etc/libvirt/qemu.conf"
#define DIR(path)	  "memory_backing_dir = \"" path "\"\n"
#define STORE(name, path) "[store]\nname = " name "\npath = " path "\n"
#define ROOT		  "20 1 8:1 / / rw - ext4 /dev/vda1 rw\n"
#define MOUNT(id, path, fstype, source)                                                            \
#id " 20 0:" #id " / " path " rw - " fstype " " source " rw\n"

/* Another file system mounted on that one */
#define ON_IT "31 30 0:31 / /srv/ram/guests rw - xfs /dev/vdb rw\n"

struct scene {
	struct fake_kernel fk;
	struct host_view host;
	struct config *config;
	struct ledgers ledgers;
	struct err err;
};

static void make_dir(const struct scene *s, const char *path)
{
	char name[256], *slash;

	snprintf(name, sizeof(name), "%s", path);
	for (slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdirat(s->fk.kfs.rootfd, name, 0755);
		*slash = '/';
	}
	CU_ASSERT_FATAL(mkdirat(s->fk.kfs.rootfd, name, 0755) == 0 || errno == EEXIST);
}

static void open_scene(struct scene *s, const char *qemu_conf, const char *config,
		       const char *mounts)
{
	static const char *disk;

	if (!disk)
		disk = unit_disk_tmpdir();
	memset(s, 0, sizeof(*s));
	fake_open_in(&s->fk, "one-node", disk);
	fake_put(&s->fk, QEMU_CONF, qemu_conf);
	fake_put(&s->fk, "proc/self/mountinfo", mounts);
	CU_ASSERT_EQUAL_FATAL(
		config_parse_buffer("conf", config, strlen(config), &s->config, &s->err), 0);
}

static bool look(struct scene *s, const struct guest *guest)
{
	int rc = view_stores(&s->fk.kfs, s->config, &s->ledgers, guest, &s->host, &s->err);

	return UNIT_CHECK(rc == 0 && s->host.stores_read, "%d: %s", rc, s->err.text);
}

static void close_scene(struct scene *s)
{
	view_stores_free(&s->host);
	config_free(s->config);
	fake_close(&s->fk);
}

#define SCENE(name, ...)                                                                           \
	UNIT_FIXTURE(struct scene, name, close_scene, open_scene(&(name), __VA_ARGS__))

/* ---- which there are ---- */

static void test_implicit(void)
{
	struct store_view *store;
	SCENE(s, "", "", ROOT);

	/* libvirt was never started: its directory is not there yet, nor its parents */
	if (look(&s, NULL)) {
		CU_ASSERT_EQUAL_FATAL(s.host.n_stores, 1);
		store = &s.host.stores[0];
		UNIT_CHECK_STR(store->config.path, QEMU_CONF_RAM_DIR, "path");
		CU_ASSERT_FALSE(store->configured);
		CU_ASSERT_TRUE(store->in_use);
		CU_ASSERT_TRUE(store->state.present);
		CU_ASSERT_TRUE(store->state.capacity_kib > 0);
		UNIT_CHECK_STR(store->state.mount.source, "/dev/vda1", "its file system");
		CU_ASSERT_FALSE(store->elsewhere);
		CU_ASSERT_EQUAL(store_verify(store, &s.err), 0);
	}
	/* On a file system of its own, that QEMU's user alone may enter */
	make_dir(&s, &QEMU_CONF_RAM_DIR[1]);
	CU_ASSERT_EQUAL(fchmodat(s.fk.kfs.rootfd, &QEMU_CONF_RAM_DIR[1], 0700, 0), 0);
	fake_put(&s.fk, "proc/self/mountinfo", ROOT MOUNT(30, QEMU_CONF_RAM_DIR, "tmpfs", "tmpfs"));
	if (look(&s, NULL)) {
		store = &s.host.stores[0];
		CU_ASSERT_TRUE(store->state.mountpoint);
		UNIT_CHECK_STR(store->state.mount.fstype, "tmpfs", "its file system");
		CU_ASSERT_EQUAL(store_verify(store, &s.err), 0);
	}
}

static void test_implicit_elsewhere(void)
{
	SCENE(s, DIR("/dev/shm"), "", ROOT);

	make_dir(&s, "dev/shm");
	if (look(&s, NULL)) {
		CU_ASSERT_EQUAL(s.host.n_stores, 1);
		UNIT_CHECK_STR(s.host.stores[0].config.path, "/dev/shm", "path");
		CU_ASSERT_TRUE(s.host.stores[0].in_use);
	}
}

/* libvirt takes "" for "/", and what is no path for nothing that we know */
static void test_strange_qemu_conf(void)
{
	SCENE(s, DIR(""), "", ROOT);

	if (look(&s, NULL))
		UNIT_CHECK_STR(s.host.stores[0].config.path, "/", "path");
	fake_put(&s.fk, QEMU_CONF, "memory_backing_dir = ram\n");
	if (look(&s, NULL)) {
		const struct store_view *store;

		CU_ASSERT_TRUE(s.host.qemu_conf.memory_backing_unreadable);
		CU_ASSERT_EQUAL(store_choose(&s.host, "", &store, &s.err), -EINVAL);
	}
	/* Anybody may write it */
	fake_put(&s.fk, QEMU_CONF, DIR("/srv"));
	CU_ASSERT_EQUAL(fchmodat(s.fk.kfs.rootfd, QEMU_CONF, 0666, 0), 0);
	if (look(&s, NULL))
		CU_ASSERT_TRUE(s.host.qemu_conf.memory_backing_unreadable);
}

/* Which of the stores is in use: none is "" */
static void test_in_use(void)
{
	static const struct {
		const char *dir, *config, *used;
	} rows[] = {
		{ "/srv/ram", STORE("a", "/srv/ram"), "a" },
		{ "/srv/ram/", STORE("a", "/srv/ram"), "a" },
		{ "/srv/ram/guests", STORE("a", "/srv/ram"), "a" },
		{ "/srv/ram2", STORE("a", "/srv/ram"), "" },
		{ "/srv", STORE("a", "/srv/ram"), "" },
		{ "/", STORE("a", "/srv/ram"), "" },
		{ "/srv/ram", STORE("a", "/srv") STORE("b", "/srv/ram"), "b" },
		{ "/srv/ram", STORE("b", "/srv/ram") STORE("a", "/srv"), "b" },
		{ "/srv/ram/x/y",
		  STORE("a", "/srv") STORE("b", "/srv/ram") STORE("c", "/srv/ram/x"), "c" },
		{ "/srv/other", STORE("a", "/srv") STORE("b", "/srv/ram"), "a" },
		{ "/srv/other", STORE("a", "/mnt") STORE("b", "/srv/ram"), "" },
		/* A section without a path is wherever libvirt puts memory */
		{ "/srv/other", "[store]\nname = a\nfstype = tmpfs\n", "a" },
		{ "/srv/ram", "[store]\nname = a\n" STORE("b", "/srv"), "a" },
	};
	size_t i, j;

	for (i = 0; i < ROWS(rows); i++) {
		const char *used = "";
		char conf[128];
		struct scene s;

		snprintf(conf, sizeof(conf), "memory_backing_dir = \"%s\"\n", rows[i].dir);
		open_scene(&s, conf, rows[i].config, ROOT);
		look(&s, NULL);
		for (j = 0; j < s.host.n_stores; j++)
			if (s.host.stores[j].in_use) {
				UNIT_CHECK(!*used, "row %zu: two are in use", i);
				used = s.host.stores[j].config.name;
			}
		UNIT_CHECK_STR(used, rows[i].used, "row %zu", i);
		close_scene(&s);
	}
}

static void test_missing(void)
{
	SCENE(s, DIR("/srv/ram"), STORE("a", "/srv/ram"), ROOT);

	if (look(&s, NULL)) {
		CU_ASSERT_FALSE(s.host.stores[0].state.present);
		CU_ASSERT_TRUE(s.host.stores[0].in_use);
		CU_ASSERT_TRUE(store_wants_mount(&s.host.stores[0]));
	}
}

/* The path is a file.  A guest that starts in it is told so; others are not held up */
static void test_no_directory(void)
{
	const struct guest guest = { .name = "g", .id = 1 };
	SCENE(s, DIR("/srv/ram"), STORE("a", "/srv/ram") STORE("b", "/srv/b"), ROOT);

	fake_put(&s.fk, "srv/ram", "in the way");
	make_dir(&s, "srv/b");
	UNIT_CHECK(view_stores(&s.fk.kfs, s.config, &s.ledgers, &guest, &s.host, &s.err) < 0,
		   "a file is no store");
	UNIT_CHECK(strstr(s.err.text, "/srv/ram"), "%s", s.err.text);
	CU_ASSERT_FALSE(s.host.stores_read);
	if (look(&s, NULL)) {
		CU_ASSERT_FALSE(s.host.stores[0].state.present);
		CU_ASSERT_EQUAL(store_verify(&s.host.stores[0], &s.err), -EIO);
		UNIT_CHECK_STR(s.err.text,
			       "store 'a' (/srv/ram): cannot open /srv/ram: Not a directory",
			       "not that it isn't there");
		CU_ASSERT_TRUE(s.host.stores[1].state.present);
	}
	fake_put(&s.fk, QEMU_CONF, DIR("/srv/b"));
	if (look(&s, &guest)) {
		CU_ASSERT_FALSE(s.host.stores[0].state.present);
		CU_ASSERT_TRUE(s.host.stores[1].in_use);
	}
}

static void test_elsewhere(void)
{
	static const struct {
		const char *dir, *mounts;
		bool elsewhere;
	} rows[] = {
		{ DIR("/srv/ram"), MOUNT(30, "/srv/ram", "tmpfs", "tmpfs"), false },
		{ DIR("/srv/ram/guests"), MOUNT(30, "/srv/ram", "tmpfs", "tmpfs"), false },
		{ DIR("/srv/ram/not-there"), MOUNT(30, "/srv/ram", "tmpfs", "tmpfs"), false },
		{ DIR("/srv/ram/guests"), MOUNT(30, "/srv/ram", "tmpfs", "tmpfs") ON_IT, true },
		/* Hidden by the store, as what was mounted before it */
		{ DIR("/srv/ram/guests"),
		  "31 20 0:31 / /srv/ram/guests rw - xfs /dev/vdb rw\n" MOUNT(40, "/srv/ram",
									      "tmpfs", "tmpfs"),
		  false },
		/* Beside it */
		{ DIR("/srv/ram"), MOUNT(30, "/srv/ram", "tmpfs", "tmpfs") ON_IT, false },
	};
	char mounts[1024];
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct scene s;

		snprintf(mounts, sizeof(mounts), ROOT "%s", rows[i].mounts);
		open_scene(&s, rows[i].dir, STORE("a", "/srv/ram"), mounts);
		make_dir(&s, "srv/ram/guests");
		if (look(&s, NULL)) {
			UNIT_CHECK(s.host.stores[0].state.mountpoint, "row %zu", i);
			UNIT_CHECK(s.host.stores[0].elsewhere == rows[i].elsewhere, "row %zu", i);
		}
		close_scene(&s);
	}
}

static void test_wrong_source(void)
{
	static const struct {
		const char *source, *fstype, *actual;
		bool wrong;
	} rows[] = {
		{ "source = /dev/vdb\n", "ext4", "/dev/vdb", false },
		{ "source = /dev/vdc\n", "ext4", "/dev/vdb", true },
		{ "source = server:/export\n", "nfs4", "server:/export", false },
		{ "source = server:/export\n", "nfs4", "server:/other", true },
		{ "", "ext4", "/dev/vdb", false },
	};
	char mounts[512], config[512];
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct scene s;

		snprintf(mounts, sizeof(mounts), ROOT "30 20 0:30 / /srv/ram rw - %s %s rw\n",
			 rows[i].fstype, rows[i].actual);
		snprintf(config, sizeof(config), STORE("a", "/srv/ram") "%s", rows[i].source);
		open_scene(&s, DIR("/srv/ram"), config, mounts);
		make_dir(&s, "srv/ram");
		if (look(&s, NULL))
			UNIT_CHECK(s.host.stores[0].wrong_source == rows[i].wrong, "row %zu", i);
		close_scene(&s);
	}
}

/* ---- promises ---- */

struct book {
	struct ledger ledger;
	struct step step;
};

static struct ledger *open_book(struct book *b, const char *name, int64_t id, const char *path,
				const char *dir)
{
	memset(b, 0, sizeof(*b));
	b->step.kind = STEP_STORE;
	strcpy(b->step.store.path, path);
	strcpy(b->step.store.dir, dir);
	strcpy(b->step.store.below, "libvirt/qemu");
	strcpy(b->step.store.guest, name);
	b->step.store.id = id;
	b->step.store.size_kib = 1024;
	strcpy(b->ledger.name, name);
	b->ledger.alive = true;
	b->ledger.list = (struct step_list){ 1, &b->step };
	return &b->ledger;
}

/* 16 KiB of memory */
static void put_memory(const struct scene *s, const char *directory)
{
	char name[256], text[16385];

	memset(text, 'm', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	snprintf(name, sizeof(name), "%s/pc.ram", directory);
	fake_put(&s->fk, name, text);
}

static bool promise_is(const struct store_view *store, size_t i, const char *guest, uint64_t used)
{
	if (!UNIT_CHECK(i < store->n_promises, "%s: no promise %zu", guest, i))
		return false;
	return UNIT_CHECK_STR(store->promises[i].guest, guest, "promise %zu", i) &&
	       UNIT_CHECK(store->promises[i].promised_kib == 1024 &&
				  store->promises[i].used_kib == used,
			  "%s: %llu", guest, (unsigned long long)store->promises[i].used_kib);
}

static void test_promises(void)
{
	struct book a, dead, other, moved, pages, gone;
	struct ledger *list[] = {
		open_book(&a, "a", 1, "/srv/ram", "/srv/ram"),
		open_book(&dead, "dead", 2, "/srv/ram", "/srv/ram"),
		open_book(&other, "other", 3, "/srv/disk", "/srv/disk"),
		/* The sections were different when these were started */
		open_book(&moved, "moved", 4, "/srv/ram/old", "/srv/ram/old"),
		open_book(&pages, "pages", 5, "", ""),
		open_book(&gone, "gone", 6, "/mnt/gone", "/mnt/gone"),
	};
	SCENE(s, DIR("/srv/ram"), STORE("ram", "/srv/ram") STORE("disk", "/srv/disk"), ROOT);

	dead.ledger.alive = false;
	pages.step = (struct step){ .kind = STEP_HUGEPAGES };
	s.ledgers = (struct ledgers){ .n = ROWS(list), .list = list };
	put_memory(&s, "srv/ram/libvirt/qemu/1-a");
	put_memory(&s, "srv/ram/libvirt/qemu/2-dead");
	make_dir(&s, "srv/disk");
	if (look(&s, NULL)) {
		CU_ASSERT_EQUAL(s.host.stores[0].n_promises, 2);
		promise_is(&s.host.stores[0], 0, "a", 16);
		promise_is(&s.host.stores[0], 1, "moved", 0);
		CU_ASSERT_EQUAL(s.host.stores[1].n_promises, 1);
		promise_is(&s.host.stores[1], 0, "other", 0);
	}
	/* Looked at again, it is not added up */
	if (look(&s, NULL))
		CU_ASSERT_EQUAL(s.host.stores[0].n_promises, 2);
}

/* Files that are not where they were planned */
static void test_lies_elsewhere(void)
{
	struct book ram, part, lost, gone;
	struct ledger *list[] = {
		open_book(&ram, "ram", 1, "/srv/ram", "/srv/ram"),
		/* With a dimm that came when libvirt's daemon had been restarted */
		open_book(&part, "part", 2, "/srv/ram", "/srv/ram"),
		open_book(&lost, "lost", 3, "/srv/ram", "/srv/ram"),
		open_book(&gone, "gone", 4, "/srv/ram", "/srv/ram"),
	};
	struct book *const books[] = { &ram, &part, &lost, &gone };
	static const char *const places[] = { "/srv/disk/libvirt/qemu", "/srv/disk/libvirt/qemu",
					      "/mnt/libvirt/qemu", "/gone/libvirt/qemu" };
	struct scene s;
	size_t i;

	open_scene(&s, DIR("/srv/ram"), STORE("ram", "/srv/ram") STORE("disk", "/srv/disk"),
		   ROOT MOUNT(30, "/srv/ram", "ext4", "/dev/vdb")
			   MOUNT(31, "/srv/disk", "ext4", "/dev/vdc"));
	for (i = 0; i < ROWS(books); i++)
		snprintf(books[i]->step.store.lies_in, sizeof(books[i]->step.store.lies_in), "%s",
			 places[i]);
	s.ledgers = (struct ledgers){ .n = ROWS(list), .list = list };
	put_memory(&s, "srv/disk/libvirt/qemu/1-ram");
	put_memory(&s, "srv/disk/libvirt/qemu/2-part");
	put_memory(&s, "srv/ram/libvirt/qemu/2-part");
	put_memory(&s, "mnt/libvirt/qemu/3-lost");
	if (look(&s, NULL)) {
		const struct store_view *planned = &s.host.stores[0], *there = &s.host.stores[1];

		CU_ASSERT_EQUAL(planned->n_promises, 1);
		UNIT_CHECK_STR(planned->promises[0].guest, "part", "in the planned store");
		CU_ASSERT_EQUAL(planned->promises[0].promised_kib, 16);
		CU_ASSERT_EQUAL_FATAL(there->n_promises, 2);
		promise_is(there, 0, "ram", 16);
		CU_ASSERT_EQUAL(there->promises[1].promised_kib, 1024 - 16);
		CU_ASSERT_EQUAL(there->promises[1].used_kib, 16);
	}
	/* What they will have given back */
	for (i = 0; i < ROWS(books); i++)
		books[i]->ledger.alive = false;
	if (look(&s, NULL)) {
		next_start_give_back(&s.ledgers, &s.host, NULL);
		CU_ASSERT_EQUAL(s.host.stores[0].stale_kib, 16);
		CU_ASSERT_EQUAL(s.host.stores[1].stale_kib, 32);
	}
	close_scene(&s);
}

/* A dimm that came later is in no ledger: its file says how much it can come to use */
static void test_plugged(void)
{
	struct book a;
	struct ledger *list[] = { open_book(&a, "a", 1, "/srv/ram", "/srv/ram") };
	cleanup_close int fd = -1;
	SCENE(s, DIR("/srv/ram"), STORE("ram", "/srv/ram"), ROOT);

	s.ledgers = (struct ledgers){ .n = ROWS(list), .list = list };
	put_memory(&s, "srv/ram/libvirt/qemu/1-a");
	fake_put(&s.fk, "srv/ram/libvirt/qemu/1-a/dimm0", "");
	fd = openat(s.fk.kfs.rootfd, "srv/ram/libvirt/qemu/1-a/dimm0", O_WRONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(ftruncate(fd, 4 << 20), 0);
	if (look(&s, NULL)) {
		const struct store_promise *promise = &s.host.stores[0].promises[0];

		UNIT_CHECK(promise->promised_kib == 16 + 4096, "%llu",
			   (unsigned long long)promise->promised_kib);
		CU_ASSERT_EQUAL(promise->used_kib, 16);
	}
}

static void test_stale(void)
{
	struct guest guest = { .name = "g", .id = 9 };
	SCENE(s, DIR("/srv/ram"), STORE("ram", "/srv/ram") STORE("disk", "/srv/disk"), ROOT);

	put_memory(&s, "srv/ram/libvirt/qemu/9-g");
	put_memory(&s, "srv/ram/libvirt/qemu/8-g");
	put_memory(&s, "srv/disk/libvirt/qemu/9-g");
	if (look(&s, &guest)) {
		CU_ASSERT_EQUAL(s.host.stores[0].stale_kib, 16);
		CU_ASSERT_EQUAL(s.host.stores[1].stale_kib, 0);
	}
	if (look(&s, NULL))
		CU_ASSERT_EQUAL(s.host.stores[0].stale_kib, 0);
	guest.id = -1;
	if (look(&s, &guest))
		CU_ASSERT_EQUAL(s.host.stores[0].stale_kib, 0);
}

/* What a guest that is gone will have given back before the next one starts */
static void test_settled(void)
{
	struct book dead, living, elsewhere;
	struct ledger *list[] = {
		open_book(&dead, "dead", 1, "/srv/ram", "/srv/ram"),
		open_book(&living, "living", 2, "/srv/ram", "/srv/ram"),
		open_book(&elsewhere, "elsewhere", 3, "/mnt/gone", "/mnt/gone"),
	};
	SCENE(s, DIR("/srv/ram"), STORE("ram", "/srv/ram"), ROOT);

	dead.ledger.alive = elsewhere.ledger.alive = false;
	s.ledgers = (struct ledgers){ .n = ROWS(list), .list = list };
	put_memory(&s, "srv/ram/libvirt/qemu/1-dead");
	put_memory(&s, "srv/ram/libvirt/qemu/2-living");
	if (look(&s, NULL)) {
		next_start_give_back(&s.ledgers, &s.host, NULL);
		CU_ASSERT_EQUAL(s.host.stores[0].stale_kib, 16);
		CU_ASSERT_EQUAL(s.host.stores[0].n_promises, 1);
		promise_is(&s.host.stores[0], 0, "living", 16);
	}
}

static CU_TestInfo tests[] = {
	{ "what will be given back", test_settled },
	{ "no store is configured", test_implicit },
	{ "no store, another directory", test_implicit_elsewhere },
	{ "strange qemu.conf", test_strange_qemu_conf },
	{ "which one is in use", test_in_use },
	{ "the directory is missing", test_missing },
	{ "the directory is a file", test_no_directory },
	{ "another file system below", test_elsewhere },
	{ "another source", test_wrong_source },
	{ "promises", test_promises },
	{ "files that lie elsewhere", test_lies_elsewhere },
	{ "what was plugged in", test_plugged },
	{ "stale files", test_stale },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_view_stores", tests);
}

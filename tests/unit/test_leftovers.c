// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is left in stores of guests that no ledger knows, and what must stay.
 */
#include "lifecycle/leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "config/config.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/session.h"
#include "lifecycle/state.h"
#include "unit/fake_kernel.h"
#include "unit/holder.h"
#include "unit/unit.h"

#define UUID(n)		  #n #n #n #n #n #n #n #n "-cdaf-9455-926a-d65c16db1809"
#define QEMU_CONF	  "etc/libvirt/qemu.conf"
#define STORE(name, path) "[store]\nname = " name "\npath = " path "\nmount = never\n"
#define ROOT		  "20 1 8:1 / / rw - ext4 /dev/vda1 rw\n"
#define BASE		  "srv/ram/libvirt/qemu/"

struct scene {
	struct fake_kernel fk;
	struct config *config;
	struct session session;
	struct err err;
	pid_t driver;
};

/* memory_backing_dir is /srv/ram, a store with a file system of @fstype on it */
static void open_scene(struct scene *s, const char *fstype, const char *config)
{
	char mounts[256];

	memset(s, 0, sizeof(*s));
	fake_open(&s->fk, "one-node");
	fake_put(&s->fk, QEMU_CONF, "memory_backing_dir = \"/srv/ram\"\n");
	snprintf(mounts, sizeof(mounts), ROOT "30 20 0:30 / /srv/ram rw - %s source rw\n", fstype);
	fake_put(&s->fk, "proc/self/mountinfo", mounts);
	CU_ASSERT_EQUAL_FATAL(
		config_parse_buffer("conf", config, strlen(config), &s->config, &s->err), 0);
	CU_ASSERT_EQUAL_FATAL(session_open(&s->session, &s->fk.kfs, SESSION_CREATE, &s->err), 0);
	s->driver = fake_driver(&s->fk, 4711);
}

static void close_scene(struct scene *s)
{
	session_close(&s->session);
	config_free(s->config);
	fake_end(&s->fk, s->driver);
	fake_close(&s->fk);
}

#define SCENE(name, ...)                                                                           \
	UNIT_FIXTURE(struct scene, name, close_scene, open_scene(&(name), __VA_ARGS__))

static void put_memory(const struct scene *s, const char *directory)
{
	char name[512];

	snprintf(name, sizeof(name), "%s/pc.ram", directory);
	fake_put(&s->fk, name, "memory");
}

/* A busy machine takes longer than a call may */
enum { PATIENCE_MS = 20000 };

/* Gives back, and removes leftovers */
static bool clean_up(struct scene *s)
{
	int rc;

	session_close(&s->session);
	rc = session_open(&s->session, &s->fk.kfs, SESSION_CREATE, &s->err);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	s->session.config = s->config;
	s->session.stores = true;
	rc = reconcile_begin(&s->session, clock_ms() + PATIENCE_MS, NULL, NULL, &s->err);
	if (rc == 0)
		leftovers_remove(&s->session);
	session_unlock(&s->session);
	return UNIT_CHECK(rc == 0, "%s", s->err.text);
}

static bool is_there(const struct scene *s, const char *name)
{
	return !faccessat(s->fk.kfs.rootfd, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

/* A guest that has a ledger; with a step if it has an id */
static void put_ledger(struct scene *s, const char *uuid, const char *name, enum ledger_phase phase,
		       int64_t id)
{
	struct ledger ledger = { .phase = phase, .id = id };
	struct step step = { .kind = STEP_STORE };

	strcpy(ledger.uuid, uuid);
	strcpy(ledger.name, name);
	ledger.driver = liveness_driver(&s->fk.kfs);
	CU_ASSERT_EQUAL_FATAL(ledger_boot_id(&s->fk.kfs, ledger.boot_id, &s->err), 0);
	strcpy(step.store.path, "/srv/ram");
	strcpy(step.store.dir, "/srv/ram");
	strcpy(step.store.below, "libvirt/qemu");
	strcpy(step.store.guest, name);
	step.store.id = id;
	step.store.ready = true;
	if (id >= 0)
		ledger.list = (struct step_list){ 1, &step };
	UNIT_CHECK(ledger_create(&s->session.state, &ledger, &s->err) == 0, "%s", s->err.text);
}

/* The only directory that was looked at; NULL: there was not just one */
static const struct reconciled_directory *removed(const struct scene *s)
{
	return UNIT_CHECK(s->session.report.n_directories == 1, "%zu were removed",
			  s->session.report.n_directories) ?
		       &s->session.report.directories[0] :
		       NULL;
}

static void test_dead(void)
{
	const struct reconciled_directory *entry;
	SCENE(s, "ext4", STORE("ram", "/srv/ram"));

	put_memory(&s, BASE "1-dead");
	if (clean_up(&s) && (entry = removed(&s))) {
		UNIT_CHECK_STR(entry->store, "/srv/ram", "store");
		UNIT_CHECK_STR(entry->directory, "1-dead", "directory");
		UNIT_CHECK_STR(entry->why, "", "why");
		CU_ASSERT_TRUE(entry->removed);
		CU_ASSERT_EQUAL(entry->kib, 4);
	}
	CU_ASSERT_FALSE(is_there(&s, BASE "1-dead"));
	CU_ASSERT_TRUE(is_there(&s, BASE));
	if (clean_up(&s))
		CU_ASSERT_EQUAL(s.session.report.n_directories, 0);
}

static void test_by_ledger(void)
{
	pid_t qemu;
	SCENE(s, "ext4", STORE("ram", "/srv/ram"));

	put_ledger(&s, UUID(a), "starting", LEDGER_PREPARED, 1);
	put_ledger(&s, UUID(b), "running", LEDGER_RUNNING, 2);
	/* Started before there was this program, or while the store was not configured */
	put_ledger(&s, UUID(c), "adopted", LEDGER_RUNNING, -1);
	qemu = fake_qemu(&s.fk, "running");
	put_memory(&s, BASE "1-starting");
	put_memory(&s, BASE "2-running");
	/* An earlier start's: whose directory is known has just that one */
	put_memory(&s, BASE "1-running");
	put_memory(&s, BASE "7-adopted");
	if (clean_up(&s)) {
		CU_ASSERT_TRUE(is_there(&s, BASE "1-starting/pc.ram"));
		CU_ASSERT_TRUE(is_there(&s, BASE "2-running/pc.ram"));
		CU_ASSERT_FALSE(is_there(&s, BASE "1-running"));
		/* Its QEMU does not run: dead */
		CU_ASSERT_FALSE(is_there(&s, BASE "7-adopted"));
	}
	fake_end(&s.fk, qemu);
	put_ledger(&s, UUID(c), "adopted", LEDGER_RUNNING, -1);
	qemu = fake_qemu(&s.fk, "adopted");
	put_memory(&s, BASE "7-adopted");
	put_memory(&s, BASE "8-adopted");
	if (clean_up(&s)) {
		CU_ASSERT_TRUE(is_there(&s, BASE "7-adopted/pc.ram"));
		CU_ASSERT_TRUE(is_there(&s, BASE "8-adopted/pc.ram"));
		CU_ASSERT_FALSE(is_there(&s, BASE "2-running"));
	}
	fake_end(&s.fk, qemu);
}

/* A QEMU that libvirt started without us */
static void test_by_qemu(void)
{
	pid_t qemu, other;
	SCENE(s, "ext4", STORE("ram", "/srv/ram"));

	qemu = fake_qemu(&s.fk, "stranger");
	other = fake_qemu(&s.fk, "driver.pid");
	put_memory(&s, BASE "1-stranger");
	put_memory(&s, BASE "99-stranger");
	put_memory(&s, BASE "1-driver.pid");
	put_memory(&s, BASE "1-stranger2");
	put_memory(&s, BASE "1-driver");
	fake_put(&s.fk, "run/libvirt/qemu/ended.pid", "1\n");
	put_memory(&s, BASE "1-ended");
	if (clean_up(&s)) {
		CU_ASSERT_TRUE(is_there(&s, BASE "1-stranger/pc.ram"));
		CU_ASSERT_TRUE(is_there(&s, BASE "99-stranger/pc.ram"));
		CU_ASSERT_TRUE(is_there(&s, BASE "1-driver.pid/pc.ram"));
		CU_ASSERT_FALSE(is_there(&s, BASE "1-stranger2"));
		/* The driver's own lock is no guest's */
		CU_ASSERT_FALSE(is_there(&s, BASE "1-driver"));
		CU_ASSERT_FALSE(is_there(&s, BASE "1-ended"));
	}
	fake_end(&s.fk, other);
	fake_end(&s.fk, qemu);
	if (clean_up(&s))
		CU_ASSERT_FALSE(is_there(&s, BASE "1-stranger"));
}

/* A name of which libvirt takes 20 characters, or 20 bytes */
static void test_long_names(void)
{
#define KANJI "\xe5\xae\xa2\xe6\x88\xb7\xe6\x9c\xba"
	pid_t qemu;
	SCENE(s, "ext4", STORE("ram", "/srv/ram"));

	qemu = fake_qemu(&s.fk, KANJI KANJI KANJI KANJI KANJI KANJI KANJI);
	put_memory(&s, BASE "1-" KANJI KANJI KANJI KANJI KANJI KANJI "\xe5\xae\xa2\xe6\x88\xb7");
	put_memory(&s, BASE "2-" KANJI KANJI "\xe5\xae");
	put_memory(&s, BASE "3-" KANJI);
	if (clean_up(&s)) {
		CU_ASSERT_TRUE(is_there(&s, BASE "2-" KANJI KANJI "\xe5\xae"));
		CU_ASSERT_TRUE(is_there(&s, BASE "1-" KANJI KANJI KANJI KANJI KANJI KANJI
						 "\xe5\xae\xa2\xe6\x88\xb7"));
		CU_ASSERT_FALSE(is_there(&s, BASE "3-" KANJI));
	}
	fake_end(&s.fk, qemu);
	if (clean_up(&s))
		CU_ASSERT_EQUAL(s.session.report.n_directories, 2);
	CU_ASSERT_FALSE(is_there(&s, BASE "2-" KANJI KANJI "\xe5\xae"));
}

/* The ledger has its own way of giving back, and its own report of that */
static void test_leaving(void)
{
	char path[512];
	int fd;
	SCENE(s, "ext4", STORE("ram", "/srv/ram"));

	put_ledger(&s, UUID(a), "leaving", LEDGER_LEAVING, 1);
	put_memory(&s, BASE "1-leaving");
	snprintf(path, sizeof(path), "%s/" BASE "1-leaving/pc.ram", s.fk.root);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (clean_up(&s)) {
		CU_ASSERT_TRUE(is_there(&s, BASE "1-leaving/pc.ram"));
		CU_ASSERT_EQUAL(s.session.report.n_directories, 0);
		CU_ASSERT_EQUAL(s.session.report.n_guests, 1);
		CU_ASSERT_FALSE(s.session.report.guests[0].complete);
	}
	close(fd);
	if (clean_up(&s)) {
		CU_ASSERT_FALSE(is_there(&s, BASE "1-leaving"));
		CU_ASSERT_EQUAL(s.session.report.n_directories, 0);
	}
}

/* What is known of a ledger of another version is its guest's name */
static void test_foreign_version(void)
{
	SCENE(s, "ext4", STORE("ram", "/srv/ram"));

	fake_put(&s.fk, "run/libvirt-membacking/guests/" UUID(a),
		 "{\"version\": 99, \"name\": \"foreign\"}");
	put_memory(&s, BASE "5-foreign");
	put_memory(&s, BASE "5-foreigner");
	if (clean_up(&s)) {
		CU_ASSERT_TRUE(is_there(&s, BASE "5-foreign/pc.ram"));
		CU_ASSERT_FALSE(is_there(&s, BASE "5-foreigner"));
	}
}

static void test_in_use(void)
{
	const struct reconciled_directory *entry;
	char path[512];
	int fd;
	SCENE(s, "ext4", STORE("ram", "/srv/ram"));

	put_memory(&s, BASE "1-copied");
	snprintf(path, sizeof(path), "%s/" BASE "1-copied/pc.ram", s.fk.root);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (clean_up(&s) && (entry = removed(&s))) {
		CU_ASSERT_FALSE(entry->removed);
		UNIT_CHECK(strstr(entry->why, "1-copied/pc.ram is in use"), "%s", entry->why);
		CU_ASSERT_EQUAL(entry->kib, 0);
	}
	CU_ASSERT_TRUE(is_there(&s, BASE "1-copied/pc.ram"));
	/* Told once, however often it is tried */
	leftovers_remove(&s.session);
	CU_ASSERT_EQUAL(s.session.report.n_directories, 1);
	close(fd);
	leftovers_remove(&s.session);
	if ((entry = removed(&s))) {
		CU_ASSERT_TRUE(entry->removed);
		UNIT_CHECK_STR(entry->why, "", "why");
	}
}

/* What libvirt never makes is not ours to remove */
static void test_strange_names(void)
{
	static const char *const names[] = {
		"lost+found",	 "readme-1", "1",      "1-",	 "-a",
		"01-a",		 "0-a",	     "1_a",    "backup", "1a-b",
		"99999999999-a", ".1-a",     "1-file",
	};
	char name[128];
	size_t i;
	SCENE(s, "ext4", STORE("ram", "/srv/ram"));

	for (i = 0; i < ROWS(names); i++) {
		snprintf(name, sizeof(name), BASE "%s", names[i]);
		if (strcmp(names[i], "1-file") != 0)
			put_memory(&s, name);
		else
			fake_put(&s.fk, name, "a file");
	}
	put_memory(&s, "srv/ram/1-outside");
	put_memory(&s, "srv/ram/libvirt/1-outside");
	put_memory(&s, BASE "2-deep/3-deep");
	if (clean_up(&s)) {
		for (i = 0; i < ROWS(names); i++) {
			snprintf(name, sizeof(name), BASE "%s", names[i]);
			UNIT_CHECK(is_there(&s, name), "%s", names[i]);
		}
		CU_ASSERT_TRUE(is_there(&s, "srv/ram/1-outside/pc.ram"));
		CU_ASSERT_TRUE(is_there(&s, "srv/ram/libvirt/1-outside/pc.ram"));
		CU_ASSERT_TRUE(is_there(&s, BASE "2-deep/3-deep/pc.ram"));
	}
}

/* QEMU's user may put links wherever the guests' directories are */
static void test_links(void)
{
	SCENE(s, "ext4", STORE("ram", "/srv/ram"));

	fake_put(&s.fk, "home/pc.ram", "somebody's");
	fake_put(&s.fk, BASE "x", "");
	CU_ASSERT_EQUAL_FATAL(symlinkat("/home", s.fk.kfs.rootfd, BASE "1-link"), 0);
	CU_ASSERT_EQUAL_FATAL(mkdirat(s.fk.kfs.rootfd, BASE "2-dir", 0755), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("/home/pc.ram", s.fk.kfs.rootfd, BASE "2-dir/pc.ram"), 0);
	if (clean_up(&s)) {
		CU_ASSERT_FALSE(is_there(&s, BASE "1-link"));
		CU_ASSERT_FALSE(is_there(&s, BASE "2-dir"));
	}
	CU_ASSERT_TRUE(is_there(&s, "home/pc.ram"));
}

static void test_which_stores(void)
{
	static const struct {
		const char *fstype, *config;
		bool removed;
	} rows[] = {
		{ "tmpfs", STORE("ram", "/srv/ram"), true },
		{ "xfs", STORE("ram", "/srv/ram"), true },
		{ "btrfs", STORE("ram", "/srv/ram"), true },
		/* The guest may live on another host */
		{ "nfs", STORE("ram", "/srv/ram"), false },
		{ "nfs4", STORE("ram", "/srv/ram"), false },
		{ "ceph", STORE("ram", "/srv/ram"), false },
		{ "gfs2", STORE("ram", "/srv/ram"), false },
		{ "fuse.glusterfs", STORE("ram", "/srv/ram"), false },
		{ "nfs4", "", false },
		{ "ext4", "", true },
		/* Not mounted: what lies there is what the mount would hide */
		{ "ext4", STORE("other", "/srv"), false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		SCENE(s, rows[i].fstype, rows[i].config);

		put_memory(&s, BASE "1-dead");
		if (clean_up(&s))
			UNIT_CHECK(is_there(&s, BASE "1-dead") != rows[i].removed, "row %zu", i);
	}
}

/* libvirt's own directory has no "libvirt/qemu" in it */
static void test_implicit(void)
{
	SCENE(s, "ext4", "");

	fake_put(&s.fk, QEMU_CONF, "");
	if (clean_up(&s))
		CU_ASSERT_EQUAL(s.session.report.n_directories, 0);
	put_memory(&s, "var/lib/libvirt/qemu/ram/4-dead");
	put_memory(&s, "var/lib/libvirt/qemu/4-domain");
	if (clean_up(&s)) {
		CU_ASSERT_FALSE(is_there(&s, "var/lib/libvirt/qemu/ram/4-dead"));
		CU_ASSERT_TRUE(is_there(&s, "var/lib/libvirt/qemu/4-domain"));
		CU_ASSERT_EQUAL(s.session.report.n_directories, 1);
	}
}

/* What is dead in libvirt's own directory is dead, wherever it puts memory now */
static void test_unreadable_qemu_conf(void)
{
	SCENE(s, "ext4", "");

	fake_put(&s.fk, QEMU_CONF, "memory_backing_dir = srv\n");
	put_memory(&s, "var/lib/libvirt/qemu/ram/4-dead");
	clean_up(&s);
	CU_ASSERT_FALSE(is_there(&s, "var/lib/libvirt/qemu/ram/4-dead"));
}

/* A store that libvirt does not use at the moment */
static void test_not_in_use(void)
{
	SCENE(s, "ext4", STORE("ram", "/srv/ram"));

	fake_put(&s.fk, QEMU_CONF, "memory_backing_dir = \"/srv/new\"\n");
	put_memory(&s, BASE "1-dead");
	put_memory(&s, "srv/new/libvirt/qemu/1-other");
	if (clean_up(&s)) {
		CU_ASSERT_FALSE(is_there(&s, BASE "1-dead"));
		CU_ASSERT_TRUE(is_there(&s, "srv/new/libvirt/qemu/1-other"));
	}
}

/* Without the list of running guests, remove nothing */
static void test_blind(void)
{
	SCENE(s, "ext4", STORE("ram", "/srv/ram"));

	put_memory(&s, BASE "1-dead");
	CU_ASSERT_EQUAL_FATAL(
		renameat(s.fk.kfs.rootfd, "run/libvirt/qemu", s.fk.kfs.rootfd, "run/libvirt/away"),
		0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("away", s.fk.kfs.rootfd, "run/libvirt/qemu"), 0);
	if (clean_up(&s))
		CU_ASSERT_TRUE(is_there(&s, BASE "1-dead/pc.ram"));
	/* No libvirt ever ran here */
	unlinkat(s.fk.kfs.rootfd, "run/libvirt/qemu", 0);
	if (clean_up(&s))
		CU_ASSERT_FALSE(is_there(&s, BASE "1-dead"));
}

/* On Debian /var/lib/libvirt/qemu belongs to QEMU's user, which can put a link in the place of
 * "ram" */
static void test_planted_link(void)
{
	static const char *const plants[][2] = {
		{ "/etc/sysctl.d", "var/lib/libvirt/qemu/ram" },
		{ "../../../../etc/sysctl.d", "var/lib/libvirt/qemu/ram" },
		{ "/etc", "var/lib/libvirt/qemu" },
	};
	size_t i;

	for (i = 0; i < ROWS(plants); i++) {
		bool above = i == 2;
		int root;
		SCENE(s, "ext4", "");

		root = s.fk.kfs.rootfd;
		fake_put(&s.fk, QEMU_CONF, "");
		put_memory(&s, "etc/sysctl.d/11-dir");
		put_memory(&s, "etc/ram/11-dir");
		CU_ASSERT_EQUAL_FATAL(symlinkat("../99", root, "etc/sysctl.d/99-sysctl.conf"), 0);
		fake_put(&s.fk, above ? "var/lib/libvirt/x" : "var/lib/libvirt/qemu/x", "");
		CU_ASSERT_EQUAL_FATAL(symlinkat(plants[i][0], root, plants[i][1]), 0);
		/* Another user's, where we can make that so; else one that others can write */
		if (fchownat(root, above ? "var/lib/libvirt" : "var/lib/libvirt/qemu", 65534, 65534,
			     0) < 0)
			CU_ASSERT_EQUAL_FATAL(
				fchmodat(root, above ? "var/lib/libvirt" : "var/lib/libvirt/qemu",
					 0777, 0),
				0);
		clean_up(&s);
		UNIT_CHECK(s.session.report.n_directories == 0, "row %zu", i);
		UNIT_CHECK(is_there(&s, "etc/sysctl.d/99-sysctl.conf"), "row %zu", i);
		UNIT_CHECK(is_there(&s, "etc/sysctl.d/11-dir/pc.ram"), "row %zu", i);
		UNIT_CHECK(is_there(&s, "etc/ram/11-dir/pc.ram"), "row %zu", i);
	}
}

/* One file in 2,000 directories, and a process that has it: one look at the processes serves
 * all of them */
static void test_hard_links(void)
{
	enum { DIRECTORIES = 2000, PROCESSES = 500 };
	unsigned int looks = 0, calls;
	char name[128];
	size_t i;
	pid_t holder;
	int root, watched;
	SCENE(s, "ext4", STORE("ram", "/srv/ram"));

	root = s.fk.kfs.rootfd;
	for (i = 0; i < PROCESSES; i++) {
		snprintf(name, sizeof(name), "proc/%zu/fd/x", 100000 + i);
		fake_put(&s.fk, name, "");
		snprintf(name, sizeof(name), "proc/%zu/map_files/x", 100000 + i);
		fake_put(&s.fk, name, "");
	}
	put_memory(&s, BASE "1-g");
	for (i = 2; i <= DIRECTORIES; i++) {
		snprintf(name, sizeof(name), BASE "%zu-g", i);
		CU_ASSERT_EQUAL_FATAL(mkdirat(root, name, 0755), 0);
		strcat(name, "/pc.ram");
		CU_ASSERT_EQUAL_FATAL(linkat(root, BASE "1-g/pc.ram", root, name, 0), 0);
	}
	holder = holder_start(root, BASE "1-g/pc.ram", HOLD_OPEN);
	CU_ASSERT_FATAL(holder > 0);
	/* A slow machine may not come to it in the time of one call */
	for (calls = 0; calls < 20 && !looks; calls++) {
		watched = fake_watch(&s.fk, "proc/100000/fd");
		clean_up(&s);
		looks = fake_opened(watched);
	}
	/* As many directories as that time is enough for, the others later */
	CU_ASSERT_FATAL(s.session.report.n_directories > 0 &&
			!s.session.report.directories[0].removed);
	UNIT_CHECK(looks >= 1 && looks <= 2, "%u looks for %zu directories", looks,
		   s.session.report.n_directories);
	holder_end(holder);
	for (i = 0; i < 100 && is_there(&s, BASE "2000-g"); i++)
		clean_up(&s);
	CU_ASSERT_FALSE(is_there(&s, BASE "2000-g"));
}

static CU_TestInfo tests[] = {
	{ "of the dead", test_dead },
	{ "guests with a ledger", test_by_ledger },
	{ "guests without a ledger", test_by_qemu },
	{ "long names", test_long_names },
	{ "guests on their way out", test_leaving },
	{ "a ledger of another version", test_foreign_version },
	{ "files in use", test_in_use },
	{ "names that are no guests'", test_strange_names },
	{ "links", test_links },
	{ "which stores", test_which_stores },
	{ "no store is configured", test_implicit },
	{ "qemu.conf can't be understood", test_unreadable_qemu_conf },
	{ "a store that is not in use", test_not_in_use },
	{ "who runs can't be seen", test_blind },
	{ "a link of QEMU's user", test_planted_link },
	{ "one file in 2,000 directories", test_hard_links },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_leftovers", tests);
}

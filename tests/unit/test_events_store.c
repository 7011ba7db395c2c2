// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libvirt's operations for guests with memory in files: on a host where nothing is
 * configured, and in a root of our own where a store is mounted for guests.
 */
#include "lifecycle/hook_operations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "lifecycle/daemon.h"
#include "lifecycle/ledger.h"
#include "lifecycle/state.h"
#include "memory/store.h"
#include "unit/fake_host.h"
#include "unit/own_disk.h"
#include "unit/own_root.h"
#include "unit/unit.h"

#define QEMU_CONF "etc/libvirt/qemu.conf"
#define BASE	  "srv/ram/libvirt/qemu/"
/* The shared setting of what is mounted on /srv/ram */
#define SHARED	STATE "shared/store-a8df45b9a934f204"
#define BOOT_ID "proc/sys/kernel/random/boot_id"

/* Cell 0 in huge pages, cell 1 in files */
#define MIXED                                                                                      \
	"<memoryBacking><hugepages><page size='2' unit='M' nodeset='0'/></hugepages>"              \
	"<source type='file'/></memoryBacking><cpu><numa><cell id='0' memory='20' unit='MiB'/>"    \
	"<cell id='1' memory='44' unit='MiB'/></numa></cpu>"

#define A_XML	    XML(1, "a", UUID_A, 64, IN_FILES)
#define A_XML_AGAIN XML(5, "a", UUID_A, 64, IN_FILES)
#define A_XML_MIXED XML(1, "a", UUID_A, 64, MIXED)
#define B_XML	    XML(2, "b", UUID_B, 64, IN_FILES)

/* libvirt puts memory below /srv/ram, and membacking.conf is empty */
static void open_host(struct fake_host *h)
{
	int node;

	fake_host_open(h, "two-nodes-6.12", "");
	fake_empty_nodes(&h->fk);
	/* The test's own directory may lie in memory */
	for (node = 0; node < 2; node++)
		fake_set_meminfo(&h->fk, node, "MemFree", UINT64_C(1) << 40);
	fake_put(&h->fk, QEMU_CONF, "memory_backing_dir = \"/srv/ram\"\n");
	fake_put(&h->fk, "proc/self/mountinfo", "20 1 8:1 / / rw - ext4 /dev/vda1 rw\n");
	fake_put(&h->fk, "srv/note", "");
	mkdirat(h->fk.kfs.rootfd, "srv/ram", 0755);
}

#define HOST(name) UNIT_FIXTURE(struct fake_host, name, fake_host_close, open_host(&(name)))

/* As libvirt and QEMU make it after prepare */
static void put_memory(const struct fake_host *h, const char *directory)
{
	char name[256];

	snprintf(name, sizeof(name), BASE "%s/pc.ram", directory);
	fake_put(&h->fk, name, "memory");
}

static int open_memory(const struct fake_host *h, const char *directory)
{
	char name[256];

	snprintf(name, sizeof(name), BASE "%s/pc.ram", directory);
	return openat(h->fk.kfs.rootfd, name, O_RDWR | O_CLOEXEC);
}

/* ---- nothing is configured ---- */

static void test_life(void)
{
	struct stat st;
	pid_t qemu;
	HOST(h);

	/* An earlier guest of that number and name */
	put_memory(&h, "1-a");
	CU_ASSERT_EQUAL(fchmodat(h.fk.kfs.rootfd, "srv/ram/libvirt", 0700, 0), 0);
	OK(&h, hook_prepare, "a", A_XML);
	CU_ASSERT_FALSE(fake_exists(&h.fk, BASE "1-a"));
	CU_ASSERT_EQUAL(fstatat(h.fk.kfs.rootfd, "srv/ram/libvirt", &st, 0), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0711);
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"kind\": \"store\""));
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"ready\": true"));
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"size_kib\": 65536"));
	put_memory(&h, "1-a");
	qemu = fake_qemu(&h.fk, "a");
	OK(&h, hook_started, "a", A_XML);
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"phase\": \"running\""));
	CU_ASSERT_EQUAL(fake_host_reconcile(&h.fk.kfs, &h.err), 0);
	CU_ASSERT_TRUE(fake_exists(&h.fk, BASE "1-a/pc.ram"));
	fake_end(&h.fk, qemu);
	OK(&h, hook_stopped, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	CU_ASSERT_FALSE(fake_exists(&h.fk, BASE "1-a"));
	CU_ASSERT_FALSE(fake_exists(&h.fk, STATE "shared"));
}

/* What lies there now was made after the first call: it is this guest's */
static void test_second_call(void)
{
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	put_memory(&h, "1-a");
	OK(&h, hook_prepare, "a", A_XML);
	CU_ASSERT_TRUE(fake_exists(&h.fk, BASE "1-a/pc.ram"));
	/* The next start has another number; what the last one left goes */
	OK(&h, hook_prepare, "a", A_XML_AGAIN);
	CU_ASSERT_FALSE(fake_exists(&h.fk, BASE "1-a"));
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"id\": 5"));
}

/* Neither started nor in anybody's memory */
static void test_asks_for_nothing(void)
{
	HOST(h);

	fake_put(&h.fk, CONF, "[store]\npath = /srv/other\n");
	fake_put(&h.fk, QEMU_CONF, "memory_backing_dir = nonsense\n");
	OK(&h, hook_prepare, "c", XML(3, "c", UUID_A, 64, ""));
	CU_ASSERT_FALSE(fake_exists(&h.fk, STATE));
}

static void test_refusals(void)
{
	static const struct {
		const char *conf, *qemu_conf, *xml;
		int rc;
		const char *words;
	} rows[] = {
		{ "", "", XML(1, "a", UUID_A, 8000000000, IN_FILES), -ENOSPC,
		  "guest 'a' needs 7629.3 TiB of file-backed memory, and /var/lib/libvirt/qemu/ram" },
		{ "[store]\nname = disk\npath = /srv/disk\n", "memory_backing_dir = \"/srv/ram\"\n",
		  A_XML, -EINVAL,
		  "guest 'a': memory_backing_dir in line 1 of /etc/libvirt/qemu.conf is /srv/ram, and "
		  "store 'disk' is at /srv/disk" },
		{ "[store]\npath = /srv/ram\nmount = never\n",
		  "memory_backing_dir = \"/srv/ram\"\n", A_XML, -ENOENT,
		  "nothing is mounted on /srv/ram" },
		{ "[store]\npath = /srv/ram\nmount = perhaps\n", "", A_XML, -EINVAL,
		  "membacking.conf:3" },
		{ "", "memory_backing_dir = ram\n", A_XML, -EINVAL, "line 1 of /etc/libvirt/qemu" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc;
		HOST(h);

		fake_put(&h.fk, CONF, rows[i].conf);
		fake_put(&h.fk, QEMU_CONF, rows[i].qemu_conf);
		rc = run(&h, hook_prepare, "a", rows[i].xml);
		UNIT_CHECK(rc == rows[i].rc, "row %zu: %d, %s", i, rc, h.err.text);
		says(&h, rows[i].words);
		CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
		CU_ASSERT_FALSE(fake_exists(&h.fk, "srv/ram/libvirt"));
	}
}

static void test_promises(void)
{
	char *a, *b;
	HOST(h);

	a = large_guest(&h, 1, "a", UUID_A);
	b = large_guest(&h, 2, "b", UUID_B);
	OK(&h, hook_prepare, "a", a);
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "b", b), -ENOSPC);
	says(&h, "guest 'b' needs ");
	says(&h, "(promised to a ");
	CU_ASSERT_FALSE(has_ledger(&h, UUID_B));
	/* Its own promise does not stand in its way */
	OK(&h, hook_prepare, "a", a);
	OK(&h, hook_release, "a", a);
	OK(&h, hook_prepare, "b", b);
	free(a);
	free(b);
}

static void test_release_waits(void)
{
	int fd;
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	put_memory(&h, "1-a");
	fd = open_memory(&h, "1-a");
	OK(&h, hook_stopped, "a", A_XML);
	OK(&h, hook_release, "a", A_XML);
	says(&h, "1-a/pc.ram is in use by");
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"phase\": \"leaving\""));
	/* A new start takes that over: it has a directory of its own */
	OK(&h, hook_prepare, "a", A_XML_AGAIN);
	CU_ASSERT_TRUE(fake_exists(&h.fk, BASE "1-a/pc.ram"));
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"id\": 1"));
	close(fd);
	OK(&h, hook_release, "a", A_XML_AGAIN);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	CU_ASSERT_FALSE(fake_exists(&h.fk, BASE "1-a"));
}

/* A file is no huge page: the guest's other half is given back if this one fails */
static void test_mixed(void)
{
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML_MIXED);
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"size_kib\": 45056"));
	CU_ASSERT_EQUAL(fake_pool(&h.fk, 0, PAGE_2M).nr + fake_pool(&h.fk, 1, PAGE_2M).nr, 10);
	put_memory(&h, "1-a");
	OK(&h, hook_release, "a", A_XML_MIXED);
	CU_ASSERT_FALSE(fake_exists(&h.fk, BASE "1-a"));
	CU_ASSERT_EQUAL(fake_pool(&h.fk, 0, PAGE_2M).nr + fake_pool(&h.fk, 1, PAGE_2M).nr, 0);
	/* "manage = no" is about pages */
	fake_put(&h.fk, CONF, "[hugepages]\nmanage = no\n");
	OK(&h, hook_prepare, "a", A_XML_MIXED);
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"kind\": \"store\""));
	CU_ASSERT_EQUAL(fake_pool(&h.fk, 0, PAGE_2M).nr + fake_pool(&h.fk, 1, PAGE_2M).nr, 0);
	OK(&h, hook_release, "a", A_XML_MIXED);
	fake_put(&h.fk, CONF, "[hook]\ndeadline = 1s\n");
	h.fk.write_error = EINVAL;
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "a", A_XML_MIXED), -EINVAL);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
}

static void test_driver_died(void)
{
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	put_memory(&h, "1-a");
	fake_end(&h.fk, h.driver);
	h.driver = 0;
	CU_ASSERT_EQUAL(fake_host_reconcile(&h.fk.kfs, &h.err), 0);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	CU_ASSERT_FALSE(fake_exists(&h.fk, BASE "1-a"));
}

/* Pools go with a boot, files stay */
static void test_other_boot(void)
{
	int fd;
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	put_memory(&h, "1-a");
	fake_put(&h.fk, BOOT_ID, "11111111-2222-3333-4444-555555555555\n");
	fd = open_memory(&h, "1-a");
	/* An administrator saves what he can of it */
	CU_ASSERT_EQUAL(fake_host_reconcile(&h.fk.kfs, &h.err), 0);
	CU_ASSERT_TRUE(has_ledger(&h, UUID_A));
	CU_ASSERT_TRUE(fake_exists(&h.fk, BASE "1-a/pc.ram"));
	close(fd);
	OK(&h, hook_prepare, "b", B_XML);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	CU_ASSERT_FALSE(fake_exists(&h.fk, BASE "1-a"));
	CU_ASSERT_TRUE(has_ledger(&h, UUID_B));
}

/* /run is empty after a reboot, and no ledger knows of what lies there */
static void test_swept(void)
{
	HOST(h);

	put_memory(&h, "1-a");
	CU_ASSERT_EQUAL(fake_host_reconcile(&h.fk.kfs, &h.err), 0);
	CU_ASSERT_FALSE(fake_exists(&h.fk, BASE "1-a"));
}

/* A store that is broken keeps no huge pages from being given back */
static void test_broken_store(void)
{
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML_MIXED);
	fake_put(&h.fk, CONF, "[store]\nname = broken\npath = /srv/note/ram\n");
	CU_ASSERT(run(&h, hook_prepare, "b", B_XML) < 0);
	fake_put(&h.fk, QEMU_CONF, "memory_backing_dir = \"/srv/note/ram\"\n");
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "b", B_XML), -ENOTDIR);
	says(&h, "/srv/note/ram");
	fake_end(&h.fk, h.driver);
	h.driver = 0;
	UNIT_CHECK(fake_host_reconcile(&h.fk.kfs, &h.err) == 0, "%s", h.err.text);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	CU_ASSERT_EQUAL(fake_pool(&h.fk, 0, PAGE_2M).nr + fake_pool(&h.fk, 1, PAGE_2M).nr, 0);
}

/* ---- reconnect ---- */

static void test_reconnect(void)
{
	pid_t qemu;
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	put_memory(&h, "1-a");
	qemu = fake_qemu(&h.fk, "a");
	OK(&h, hook_reconnect, "a", A_XML);
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"phase\": \"running\""));
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"kind\": \"store\""));
	fake_end(&h.fk, qemu);
	OK(&h, hook_release, "a", A_XML);
	CU_ASSERT_FALSE(fake_exists(&h.fk, BASE "1-a"));
}

/* A guest that was started without us may still come to use all of its memory */
static void test_adopted(void)
{
	pid_t qemu;
	char *a, *b;
	HOST(h);

	a = large_guest(&h, 1, "a", UUID_A);
	b = large_guest(&h, 2, "b", UUID_B);
	put_memory(&h, "1-a");
	qemu = fake_qemu(&h.fk, "a");
	OK(&h, hook_reconnect, "a", a);
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"phase\": \"running\""));
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"ready\": true"));
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"mount\": false"));
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "b", b), -ENOSPC);
	says(&h, "(promised to a ");
	fake_end(&h.fk, qemu);
	OK(&h, hook_prepare, "b", b);
	CU_ASSERT_FALSE(fake_exists(&h.fk, BASE "1-a"));
	free(a);
	free(b);
}

/* Its files are where memory_backing_dir led to when it was started, or on a store
 * that can't be told: it has a ledger, and nothing in it */
static void test_adopted_without_files(void)
{
	static const char *const confs[] = {
		"memory_backing_dir = \"/srv/ram\"\n",
		"memory_backing_dir = \"/srv/not/there\"\n",
		"memory_backing_dir = ram\n",
	};
	size_t i;

	for (i = 0; i < sizeof(confs) / sizeof(confs[0]); i++) {
		HOST(h);
		fake_put(&h.fk, QEMU_CONF, confs[i]);
		OK(&h, hook_reconnect, "a", A_XML);
		CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"phase\": \"running\""));
		CU_ASSERT_FALSE(ledger_says(&h, UUID_A, "\"kind\""));
	}
}

/* ---- a store that prepare mounts ---- */

#define MOUNTED "[store]\nname = ram\npath = /srv/ram\nfstype = tmpfs\nsize = 128M\nkeep_free = 0\n"

static bool is_mounted(struct fake_host *h)
{
	struct mount_info info;

	return mount_find(&h->fk.kfs, "/srv/ram", &info, NULL) == 1;
}

/* Made by the parent, entered and changed by the child */
static struct fake_host own_host;

static bool open_own_host(struct fake_host *h)
{
	*h = own_host;
	return own_root_enter(&h->fk) && !is_mounted(h);
}

/* Nothing of a guest is left but what every start leaves */
static bool is_clean(struct fake_host *h)
{
	return !is_mounted(h) && !has_ledger(h, UUID_A) && !has_ledger(h, UUID_B) &&
	       !fake_exists(&h->fk, SHARED) && !fake_exists(&h->fk, "srv/ram/libvirt");
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition,         \
				h.err.text);                                                       \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static int work_mounted(const char *dir)
{
	struct fake_host h;
	pid_t qemu;

	(void)dir;
	CHECK(open_own_host(&h));
	CHECK(run(&h, hook_prepare, "a", A_XML) == 0);
	CHECK(is_mounted(&h) && fake_exists(&h.fk, SHARED));
	put_memory(&h, "1-a");
	qemu = fake_qemu(&h.fk, "a");
	CHECK(run(&h, hook_started, "a", A_XML) == 0);
	/* The second guest finds it mounted, and there is no room for a third */
	CHECK(run(&h, hook_prepare, "b", B_XML) == 0);
	CHECK(run(&h, hook_prepare, "c",
		  XML(9, "c", "cccccccc-cdaf-9455-926a-d65c16db1809", 1, IN_FILES)) == -ENOSPC);
	CHECK(strstr(h.err.text, "store 'ram' (/srv/ram) lacks 1 MiB"));
	fake_end(&h.fk, qemu);
	CHECK(run(&h, hook_stopped, "a", A_XML) == 0 && run(&h, hook_release, "a", A_XML) == 0);
	CHECK(is_mounted(&h) && !fake_exists(&h.fk, BASE "1-a"));
	CHECK(run(&h, hook_release, "b", B_XML) == 0 && is_clean(&h));
	return 0;
}

/* Found out after mounting */
static int work_refused(const char *dir)
{
	struct fake_host h;

	(void)dir;
	CHECK(open_own_host(&h));
	CHECK(run(&h, hook_prepare, "a", XML(1, "a", UUID_A, 129, IN_FILES)) == -ENOSPC);
	CHECK(strstr(h.err.text, "lacks 1 MiB for it: of its 128 MiB") && is_clean(&h));
	fake_put(&h.fk, CONF, MOUNTED "source = server:/export\n");
	/* tmpfs takes any source */
	CHECK(run(&h, hook_prepare, "a", A_XML) == 0);
	CHECK(run(&h, hook_release, "a", A_XML) == 0 && is_clean(&h));
	fake_put(&h.fk, CONF, "[store]\nname = ram\npath = /srv/ram\nfstype = nofs\n");
	CHECK(run(&h, hook_prepare, "a", A_XML) < 0 && is_clean(&h));
	return 0;
}

/* It could not be unmounted with its last guest.  The next start unmounts it, and must
 * know that it did */
static int work_busy_at_release(const char *dir)
{
	struct fake_host h;
	int fd;

	(void)dir;
	CHECK(open_own_host(&h) && run(&h, hook_prepare, "a", A_XML) == 0);
	fake_put(&h.fk, "srv/ram/note", "x");
	fd = open("/srv/ram/note", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && run(&h, hook_release, "a", A_XML) == 0);
	CHECK(is_mounted(&h) && fake_exists(&h.fk, SHARED));
	close(fd);
	CHECK(run(&h, hook_prepare, "a", A_XML_AGAIN) == 0 && is_mounted(&h));
	CHECK(fake_exists(&h.fk, BASE) && !fake_exists(&h.fk, "srv/ram/note"));
	CHECK(run(&h, hook_release, "a", A_XML_AGAIN) == 0 && is_clean(&h));
	return 0;
}

/* Nobody calls release any more */
static int work_nobody_calls(const char *dir)
{
	struct process driver;
	struct fake_host h;
	int tries;

	(void)dir;
	CHECK(open_own_host(&h) && run(&h, hook_prepare, "a", A_XML) == 0);
	put_memory(&h, "1-a");
	CHECK(run(&h, hook_prepare, "b", B_XML) == 0);
	driver = liveness_driver(&h.fk.kfs);
	fake_end(&h.fk, h.driver);
	/* It is our parent's child, which we can't wait for */
	for (tries = 0; tries < 1000 && liveness_driver_alive(&h.fk.kfs, &driver); tries++)
		clock_sleep_ms(5);
	CHECK(fake_host_reconcile(&h.fk.kfs, &h.err) == 0 && is_clean(&h));
	return 0;
}

/* The hook was killed between the first writing and the mount, or between the mount and
 * the second writing; its ledger says that the guest is being prepared */
static int work_killed(const char *dir)
{
	struct fake_host h;
	char text[1024], *ours;

	(void)dir;
	CHECK(open_own_host(&h) && run(&h, hook_prepare, "a", A_XML) == 0);
	fake_get(&h.fk, SHARED, text, sizeof(text));
	ours = strstr(text, "\"ours\": \"");
	CHECK(ours);
	strcpy(ours, "\"ours\": \"\"\n}");
	fake_put(&h.fk, SHARED, text);
	CHECK(run(&h, hook_prepare, "b", B_XML) == 0);
	CHECK(run(&h, hook_release, "a", A_XML) == 0 && is_mounted(&h));
	CHECK(run(&h, hook_release, "b", B_XML) == 0 && is_clean(&h));
	fake_put(&h.fk, SHARED, text);
	CHECK(fake_host_reconcile(&h.fk.kfs, &h.err) == 0 && is_clean(&h));
	return 0;
}

/* The administrator's, whatever is configured */
static int work_mounted_by_hand(const char *dir)
{
	struct fake_host h;

	(void)dir;
	CHECK(open_own_host(&h));
	CHECK(!mount("none", "/srv/ram", "tmpfs", 0, "size=100m,mode=755"));
	CHECK(run(&h, hook_prepare, "a", A_XML) == 0);
	CHECK(!fake_exists(&h.fk, STATE "shared"));
	CHECK(run(&h, hook_release, "a", A_XML) == 0 && is_mounted(&h));
	CHECK(fake_host_reconcile(&h.fk.kfs, &h.err) == 0 && is_mounted(&h));
	return 0;
}

#define CONF_AT(path) "[store]\nname = ram\npath = " path "\nfstype = tmpfs\nsize = 128M\n"

/* The [store] gets another path while a guest is in the old one */
static int work_moved(const char *dir)
{
	struct mount_info info;
	struct fake_host h;

	(void)dir;
	CHECK(open_own_host(&h) && run(&h, hook_prepare, "a", A_XML) == 0);
	put_memory(&h, "1-a");
	CHECK(mkdir("/srv/new", 0755) == 0);
	fake_put(&h.fk, CONF, CONF_AT("/srv/new"));
	fake_put(&h.fk, QEMU_CONF, "memory_backing_dir = \"/srv/new\"\n");
	CHECK(run(&h, hook_prepare, "b", B_XML) == 0);
	CHECK(is_mounted(&h) && mount_find(&h.fk.kfs, "/srv/new", &info, &h.err) == 1);
	CHECK(run(&h, hook_release, "a", A_XML) == 0 && !is_mounted(&h));
	CHECK(mount_find(&h.fk.kfs, "/srv/new", &info, &h.err) == 1);
	CHECK(run(&h, hook_release, "b", B_XML) == 0 && is_clean(&h));
	CHECK(mount_find(&h.fk.kfs, "/srv/new", &info, &h.err) == 0);
	return 0;
}

/* It has another name, and is the same */
static int work_renamed(const char *dir)
{
	struct fake_host h;

	(void)dir;
	CHECK(open_own_host(&h) && run(&h, hook_prepare, "a", A_XML) == 0);
	fake_put(&h.fk, CONF, "[store]\nname = memory\npath = /srv/ram\nkeep_free = 0\n");
	CHECK(run(&h, hook_prepare, "b", B_XML) == 0);
	CHECK(run(&h, hook_release, "a", A_XML) == 0 && is_mounted(&h));
	CHECK(run(&h, hook_release, "b", B_XML) == 0 && is_clean(&h));
	return 0;
}

/* A dead guest's store does not answer any more: others start nevertheless */
static int work_silent(const char *dir)
{
	struct fake_host h;
	int silent = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	(void)dir;
	CHECK(open_own_host(&h) && run(&h, hook_prepare, "a", A_XML) == 0);
	put_memory(&h, "1-a");
	if (!own_disk_silent(silent, "/srv/ram"))
		return NO_OWN_DISK;
	CHECK(run(&h, hook_stopped, "a", A_XML) == 0);
	CHECK(run(&h, hook_prepare, "c", XML(9, "c", UUID_C, 64, PAGES(2, "M"))) == 0);
	CHECK(has_ledger(&h, UUID_C) && ledger_says(&h, UUID_A, "\"phase\": \"leaving\""));
	CHECK(run(&h, hook_prepare, "b", B_XML) == -ETIMEDOUT);
	CHECK(strstr(h.err.text, "guest 'b'") && strstr(h.err.text, "does not answer"));
	CHECK(!has_ledger(&h, UUID_B));
	CHECK(!umount2("/srv/ram", MNT_DETACH) && !close(silent));
	CHECK(run(&h, hook_release, "c", XML(9, "c", UUID_C, 64, PAGES(2, "M"))) == 0);
	CHECK(is_clean(&h));
	return 0;
}

#define IN_CHILD(name, what)                                                                       \
	static void test_##name(void)                                                              \
	{                                                                                          \
		open_host(&own_host);                                                              \
		fake_put(&own_host.fk, CONF, MOUNTED);                                             \
		own_disk_child(work_##name, what);                                                 \
		fake_host_close(&own_host);                                                        \
	}

IN_CHILD(mounted, "a store that prepare mounts")
IN_CHILD(refused, "refused after mounting")
IN_CHILD(busy_at_release, "a store that is busy at release")
IN_CHILD(nobody_calls, "libvirt's driver died")
IN_CHILD(killed, "a hook that was killed")
IN_CHILD(mounted_by_hand, "a store that is mounted by hand")
IN_CHILD(moved, "a store that gets another path")
IN_CHILD(renamed, "a store that gets another name")
IN_CHILD(silent, "a store that does not answer")

/* ---- qemu.conf, and the daemon that has read it ---- */

#define NOTE STATE "daemon-conf"

/* @dir: what the daemon with this start time read */
static void put_note(const struct fake_host *h, unsigned int start, const char *dir)
{
	char text[128];

	snprintf(text, sizeof(text), "%d %u\n%s\n", (int)h->driver, start, dir);
	fake_put(&h->fk, NOTE, text);
}

/* The daemon started that many seconds from now, by the clock */
static void put_start(const struct fake_host *h, int seconds)
{
	char text[64];

	snprintf(text, sizeof(text), "cpu 0\nbtime %lld\n",
		 (long long)time(NULL) + seconds - 4711 / sysconf(_SC_CLK_TCK));
	fake_put(&h->fk, "proc/stat", text);
}

static void test_daemon_not_restarted(void)
{
	static const struct {
		const char *read, *says, *words;
	} rows[] = {
		{ "", "memory_backing_dir = \"/srv/ram\"\n",
		  "has memory_backing_dir = \"/srv/ram\" now, but libvirtd still uses it as it was at its "
		  "start, with no memory_backing_dir: " },
		{ "/old", "memory_backing_dir = \"/srv/ram\"\n",
		  "as it was at its start, with memory_backing_dir = \"/old\": restart libvirtd" },
		{ "/srv/ram", "user = \"qemu\"\n", "has no memory_backing_dir now" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		HOST(h);

		put_note(&h, 4711, rows[i].read);
		fake_put(&h.fk, QEMU_CONF, rows[i].says);
		CU_ASSERT_EQUAL(run(&h, hook_prepare, "a", A_XML), -EINVAL);
		says(&h, "guest 'a': /etc/libvirt/qemu.conf has");
		says(&h, rows[i].words);
		says(&h, "restart libvirtd");
		CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
		/* It is nothing to guests without files */
		OK(&h, hook_prepare, "c", XML(3, "c", UUID_C, 64, PAGES(2, "M")));
		/* The note is of an earlier daemon: this one was started since */
		put_note(&h, 4710, rows[i].read);
		OK(&h, hook_prepare, "b", B_XML);
	}
}

/* Another line was changed */
static void test_daemon_conf_touched(void)
{
	HOST(h);

	put_start(&h, -1000);
	put_note(&h, 4711, "/srv/ram");
	fake_put(&h.fk, QEMU_CONF, "user = \"x\"\nmemory_backing_dir = \"/srv/ram/\"\n");
	OK(&h, hook_prepare, "a", A_XML);
}

/* The file is newer than the daemon, and what that has read is in no note: a guest is not
 * refused for it, and no note made of it */
static void test_daemon_conf_unknown(void)
{
	HOST(h);

	put_start(&h, -1000);
	OK(&h, hook_prepare, "a", A_XML);
	CU_ASSERT_FALSE(fake_exists(&h.fk, NOTE));
}

/* The file is older than the daemon: that has read what is in it now */
static void test_daemon_conf_kept(void)
{
	HOST(h);

	put_start(&h, 1000);
	OK(&h, hook_prepare, "a", A_XML);
	CU_ASSERT_TRUE(fake_exists(&h.fk, NOTE));
	fake_put(&h.fk, QEMU_CONF, "memory_backing_dir = \"/srv/other\"\n");
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "b", B_XML), -EINVAL);
	says(&h, "as it was at its start, with memory_backing_dir = \"/srv/ram\":");
	/* A second look takes the new one for read as little */
	CU_ASSERT_EQUAL(run(&h, hook_prepare, "b", B_XML), -EINVAL);
}

static void test_damaged_note(void)
{
	static const char *const notes[] = { "", "\n\n", "x 1\n/old\n", "1", "9 9\n/old" };
	size_t i;

	for (i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		HOST(h);

		fake_put(&h.fk, NOTE, notes[i]);
		OK(&h, hook_prepare, "a", A_XML);
	}
}

static CU_TestInfo tests[] = {
	{ "a daemon that was not restarted", test_daemon_not_restarted },
	{ "another line of qemu.conf was changed", test_daemon_conf_touched },
	{ "what the daemon has read is not known", test_daemon_conf_unknown },
	{ "what the daemon has read is kept", test_daemon_conf_kept },
	{ "a damaged note", test_damaged_note },
	{ "a guest's life", test_life },
	{ "the hook is called twice", test_second_call },
	{ "a guest that asks for nothing", test_asks_for_nothing },
	{ "refusals", test_refusals },
	{ "promises", test_promises },
	{ "files are in use at release", test_release_waits },
	{ "pages and files", test_mixed },
	{ "libvirt's driver died", test_driver_died },
	{ "a ledger of another boot", test_other_boot },
	{ "leftovers without a ledger", test_swept },
	{ "a store that is broken", test_broken_store },
	{ "reconnect", test_reconnect },
	{ "reconnect without a ledger", test_adopted },
	{ "reconnect without files", test_adopted_without_files },
	{ "a store is mounted", test_mounted },
	{ "a store is mounted in vain", test_refused },
	{ "a store is busy at release", test_busy_at_release },
	{ "libvirt's driver died, and a store is mounted", test_nobody_calls },
	{ "killed beside the mount", test_killed },
	{ "mounted by hand", test_mounted_by_hand },
	{ "another path", test_moved },
	{ "another name", test_renamed },
	{ "a store that does not answer", test_silent },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_events_store", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Guests whose memory files lie in another directory than qemu.conf says: found out once they
 * run, counted where they are, and removed from there.
 */
#include "lifecycle/hook_operations.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "lifecycle/daemon.h"
#include "memory/store.h"
#include "unit/fake_host.h"
#include "unit/unit.h"

#define QEMU_CONF	"etc/libvirt/qemu.conf"
#define PLANNED		"srv/ram/libvirt/qemu/"
#define OLD		"old/libvirt/qemu/"
#define LIES_IN		"\"lies_in\": \"/old/libvirt/qemu\""

#define A_XML		XML(1, "a", UUID_A, 64, IN_FILES)
#define B_XML		XML(2, "b", UUID_B, 64, IN_FILES)

#define ROOT		"20 1 8:1 / / rw - ext4 /dev/vda1 rw\n"
#define MOUNT(id, path) #id " 20 0:" #id " / " path " rw - ext4 /dev/vd" #id " rw\n"

static void open_host(struct fake_host *h)
{
	int node;

	fake_host_open(h, "two-nodes-6.12", "");
	fake_empty_nodes(&h->fk);
	/* The test's own directory may lie in memory */
	for (node = 0; node < 2; node++)
		fake_set_meminfo(&h->fk, node, "MemFree", UINT64_C(1) << 40);
	fake_put(&h->fk, QEMU_CONF, "memory_backing_dir = \"/srv/ram\"\n");
	fake_put(&h->fk, "proc/self/mountinfo", ROOT);
	fake_put(&h->fk, "srv/note", "");
	mkdirat(h->fk.kfs.rootfd, "srv/ram", 0755);
}

#define HOST(name) UNIT_FIXTURE(struct fake_host, name, fake_host_close, open_host(&(name)))

static unsigned long long put_memory(const struct fake_host *h, const char *name)
{
	struct stat st;

	fake_put(&h->fk, name, "memory");
	CU_ASSERT_EQUAL_FATAL(fstatat(h->fk.kfs.rootfd, name, &st, 0), 0);
	return st.st_ino;
}

/* A QEMU that has mapped the files, of which it may be NULL */
static pid_t start_qemu(const struct fake_host *h, const char *guest, const char *one,
			const char *two)
{
	pid_t pid = fake_qemu(&h->fk, guest);
	char name[64], maps[1024] = "";
	const char *const files[] = { one, two };
	size_t i;

	for (i = 0; i < 2 && files[i]; i++)
		snprintf(maps + strlen(maps), sizeof(maps) - strlen(maps),
			 "7f%zu0-7f%zu8 rw-s 00000000 08:01 %llu      /%s\n", i, i,
			 put_memory(h, files[i]), files[i]);
	snprintf(name, sizeof(name), "proc/%d/maps", (int)pid);
	fake_put(&h->fk, name, maps);
	return pid;
}

/* A guest that was prepared for one directory and runs in another */
static pid_t start_elsewhere(struct fake_host *h, const char *xml)
{
	pid_t qemu;

	OK(h, hook_prepare, "a", xml);
	qemu = start_qemu(h, "a", OLD "1-a/pc.ram", NULL);
	OK(h, hook_started, "a", xml);
	CU_ASSERT_TRUE(ledger_says(h, UUID_A, "\"phase\": \"running\""));
	UNIT_CHECK(ledger_says(h, UUID_A, LIES_IN), "%s", h->err.text);
	return qemu;
}

static void end(struct fake_host *h, pid_t qemu)
{
	fake_end(&h->fk, qemu);
	OK(h, hook_stopped, "a", A_XML);
	OK(h, hook_release, "a", A_XML);
}

/* ---- a guest's life ---- */

static void test_life(void)
{
	pid_t qemu;
	HOST(h);

	put_memory(&h, OLD "2-b/pc.ram");
	put_memory(&h, "old/1-a/pc.ram");
	qemu = start_elsewhere(&h, A_XML);
	/* It stays what it is, whatever else is written */
	CU_ASSERT_EQUAL(fake_host_reconcile(&h.fk.kfs, &h.err), 0);
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, LIES_IN));
	CU_ASSERT_TRUE(fake_exists(&h.fk, OLD "1-a/pc.ram"));
	end(&h, qemu);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	CU_ASSERT_FALSE(fake_exists(&h.fk, OLD "1-a"));
	CU_ASSERT_TRUE(fake_exists(&h.fk, OLD "2-b/pc.ram"));
	CU_ASSERT_TRUE(fake_exists(&h.fk, "old/1-a/pc.ram"));
}

static void test_where_it_should_be(void)
{
	pid_t qemu;
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	qemu = start_qemu(&h, "a", PLANNED "1-a/pc.ram", NULL);
	OK(&h, hook_started, "a", A_XML);
	CU_ASSERT_FALSE(ledger_says(&h, UUID_A, "lies_in"));
	end(&h, qemu);
	CU_ASSERT_FALSE(fake_exists(&h.fk, PLANNED "1-a"));
}

/* Nothing can be read of the QEMU, or what can is hostile: the guest runs on */
static void test_nothing_is_known(void)
{
	static const char *const maps[] = {
		"",
		"7f00-7f80 rw-s 00000000 08:01 5 /none/libvirt/qemu/1-a/pc.ram\n",
		"7f00-7f80 rw-s 00000000 08:01 5 /etc/libvirt/qemu/2-b/pc.ram\n",
		"7f00-7f80 rw-s 00000000 08:01 5 /srv/note/libvirt/qemu/1-a/pc.ram\n",
	};
	char name[64];
	size_t i;

	for (i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		pid_t qemu;
		HOST(h);

		OK(&h, hook_prepare, "a", A_XML);
		qemu = fake_qemu(&h.fk, "a");
		/* The first has none */
		snprintf(name, sizeof(name), "proc/%d/maps", (int)qemu);
		if (*maps[i])
			fake_put(&h.fk, name, maps[i]);
		OK(&h, hook_started, "a", A_XML);
		CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"phase\": \"running\""));
		CU_ASSERT_FALSE(ledger_says(&h, UUID_A, "lies_in"));
		end(&h, qemu);
		CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	}
}

static void test_in_use_at_release(void)
{
	pid_t qemu;
	int fd;
	HOST(h);

	qemu = start_elsewhere(&h, A_XML);
	fd = openat(h.fk.kfs.rootfd, OLD "1-a/pc.ram", O_RDWR | O_CLOEXEC);
	end(&h, qemu);
	says(&h, "1-a/pc.ram is in use by");
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, "\"phase\": \"leaving\""));
	CU_ASSERT_TRUE(fake_exists(&h.fk, OLD "1-a/pc.ram"));
	/* The next start takes it over, and has a directory of its own */
	OK(&h, hook_prepare, "a", XML(5, "a", UUID_A, 64, IN_FILES));
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, LIES_IN));
	qemu = start_qemu(&h, "a", PLANNED "5-a/pc.ram", NULL);
	OK(&h, hook_started, "a", XML(5, "a", UUID_A, 64, IN_FILES));
	close(fd);
	end(&h, qemu);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	CU_ASSERT_FALSE(fake_exists(&h.fk, OLD "1-a"));
	CU_ASSERT_FALSE(fake_exists(&h.fk, PLANNED "5-a"));
}

/* Another user has put a link where the guest's directory was */
static void test_link_at_release(void)
{
	pid_t qemu;
	HOST(h);

	put_memory(&h, "etc/secret/pc.ram");
	qemu = start_elsewhere(&h, A_XML);
	CU_ASSERT_EQUAL(unlinkat(h.fk.kfs.rootfd, OLD "1-a/pc.ram", 0), 0);
	CU_ASSERT_EQUAL(unlinkat(h.fk.kfs.rootfd, OLD "1-a", AT_REMOVEDIR), 0);
	CU_ASSERT_EQUAL(symlinkat("/etc/secret", h.fk.kfs.rootfd, OLD "1-a"), 0);
	end(&h, qemu);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	CU_ASSERT_TRUE(fake_exists(&h.fk, "etc/secret/pc.ram"));
}

static void test_other_boot(void)
{
	pid_t qemu;
	HOST(h);

	qemu = start_elsewhere(&h, A_XML);
	fake_end(&h.fk, qemu);
	fake_put(&h.fk, "proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
	CU_ASSERT_EQUAL(fake_host_reconcile(&h.fk.kfs, &h.err), 0);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	CU_ASSERT_FALSE(fake_exists(&h.fk, OLD "1-a"));
}

/* ---- libvirt's daemon is restarted ---- */

/* Then a dimm is plugged in, whose file lies where it was planned */
static void test_daemon_restarted(void)
{
	char name[64], maps[512];
	pid_t qemu;
	HOST(h);

	qemu = start_elsewhere(&h, A_XML);
	snprintf(maps, sizeof(maps),
		 "7f00-7f80 rw-s 00000000 08:01 %llu /" PLANNED "1-a/dimm0\n"
		 "7f90-7fa0 rw-s 00000000 08:01 %llu /" OLD "1-a/pc.ram\n",
		 put_memory(&h, PLANNED "1-a/dimm0"), put_memory(&h, OLD "1-a/pc.ram"));
	snprintf(name, sizeof(name), "proc/%d/maps", (int)qemu);
	fake_put(&h.fk, name, maps);
	OK(&h, hook_reconnect, "a", A_XML);
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, LIES_IN));
	/* Nothing can be read of it: what is known stays */
	fake_put(&h.fk, name, "");
	OK(&h, hook_reconnect, "a", A_XML);
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, LIES_IN));
	end(&h, qemu);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	CU_ASSERT_FALSE(fake_exists(&h.fk, OLD "1-a"));
	CU_ASSERT_FALSE(fake_exists(&h.fk, PLANNED "1-a"));
}

/* "started" was an earlier version's, or was killed */
static void test_found_at_reconnect(void)
{
	pid_t qemu;
	HOST(h);

	OK(&h, hook_prepare, "a", A_XML);
	qemu = start_qemu(&h, "a", OLD "1-a/pc.ram", NULL);
	OK(&h, hook_reconnect, "a", A_XML);
	CU_ASSERT_TRUE(ledger_says(&h, UUID_A, LIES_IN));
	end(&h, qemu);
	CU_ASSERT_FALSE(fake_exists(&h.fk, OLD "1-a"));
}

/* Started without us, whatever is configured by now */
static void test_adopted(void)
{
	static const struct {
		const char *conf, *qemu_conf;
	} rows[] = {
		{ "", "memory_backing_dir = \"/srv/ram\"\n" },
		{ "", "" },
		{ "", "memory_backing_dir = ram\n" },
		{ "[store]\npath = /srv/disk\n", "memory_backing_dir = \"/srv/ram\"\n" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pid_t qemu;
		HOST(h);

		fake_put(&h.fk, CONF, rows[i].conf);
		fake_put(&h.fk, QEMU_CONF, rows[i].qemu_conf);
		qemu = start_qemu(&h, "a", OLD "1-a/pc.ram", NULL);
		OK(&h, hook_reconnect, "a", A_XML);
		UNIT_CHECK(ledger_says(&h, UUID_A, LIES_IN), "row %zu", i);
		end(&h, qemu);
		CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
		UNIT_CHECK(!fake_exists(&h.fk, OLD "1-a"), "row %zu", i);
	}
}

/* ---- promises ---- */

/* @mounts: is there room for a second guest in /srv/ram, and in /old, once the first runs
 * in /old? */
static void check_room(const char *mounts, int in_ram, int in_old)
{
	char *a, *b;
	HOST(h);

	fake_put(&h.fk, "old/note", "");
	fake_put(&h.fk, "proc/self/mountinfo", mounts);
	a = large_guest(&h, 1, "a", UUID_A);
	b = large_guest(&h, 2, "b", UUID_B);
	start_elsewhere(&h, a);
	UNIT_CHECK(run(&h, hook_prepare, "b", b) == in_ram, "in /srv/ram: %s", h.err.text);
	if (in_ram < 0)
		says(&h, "(promised to a ");
	OK(&h, hook_release, "b", b);
	fake_put(&h.fk, QEMU_CONF, "memory_backing_dir = \"/old\"\n");
	UNIT_CHECK(run(&h, hook_prepare, "b", b) == in_old, "in /old: %s", h.err.text);
	if (in_old < 0)
		says(&h, "(promised to a ");
	free(a);
	free(b);
}

static void test_promises(void)
{
	/* One file system: it is there, whatever the directory */
	check_room(ROOT, -ENOSPC, -ENOSPC);
	check_room(ROOT MOUNT(30, "/srv/ram"), 0, -ENOSPC);
	/* What it lies on is neither */
	check_room(ROOT MOUNT(30, "/srv/ram") MOUNT(32, "/old/libvirt"), 0, 0);
}

/* ---- ledgers ---- */

/* Replaces @from in the guest's ledger by @to */
static void edit_ledger(const struct fake_host *h, const char *uuid, const char *from,
			const char *to)
{
	char text[16384], edited[16384], name[128];
	char *at;

	ledger_text(h, uuid, text, sizeof(text));
	at = strstr(text, from);
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	snprintf(edited, sizeof(edited), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	snprintf(name, sizeof(name), GUESTS "%s", uuid);
	fake_put(&h->fk, name, edited);
	CU_ASSERT_EQUAL(fchmodat(h->fk.kfs.rootfd, name, 0600, 0), 0);
}

static void test_hostile_ledger(void)
{
	static const char *const places[] = {
		"\"/etc\"",
		"\"/\"",
		"\"/old/../etc/libvirt/qemu\"",
		"\"old/libvirt/qemu\"",
		"\"/var/lib/libvirt/qemu/ram/..\"",
		"\"/old/libvirt/qemu/\"",
		"\"/\\u009b/libvirt/qemu\"",
		"7",
		"[]",
		"null",
	};
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char text[256];
		pid_t qemu;
		HOST(h);

		put_memory(&h, "etc/1-a/pc.ram");
		put_memory(&h, "1-a/pc.ram");
		put_memory(&h, "etc/libvirt/qemu/1-a/pc.ram");
		qemu = start_elsewhere(&h, A_XML);
		snprintf(text, sizeof(text), "\"lies_in\": %s", places[i]);
		edit_ledger(&h, UUID_A, LIES_IN, text);
		fake_end(&h.fk, qemu);
		UNIT_CHECK(run(&h, hook_release, "a", A_XML) == -EINVAL, "%s", places[i]);
		says(&h, "is damaged");
		CU_ASSERT_EQUAL(fake_host_reconcile(&h.fk.kfs, &h.err), 0);
		CU_ASSERT_TRUE(has_ledger(&h, UUID_A));
		UNIT_CHECK(fake_exists(&h.fk, "etc/1-a/pc.ram") &&
				   fake_exists(&h.fk, "1-a/pc.ram") &&
				   fake_exists(&h.fk, "etc/libvirt/qemu/1-a/pc.ram") &&
				   fake_exists(&h.fk, OLD "1-a/pc.ram"),
			   "%s", places[i]);
	}
}

/* Of the right form: then there are the rules for what may be removed */
static void test_strange_ledger(void)
{
	pid_t qemu;
	HOST(h);

	fake_put(&h.fk, "etc/libvirt/qemu/a.xml", "<domain/>");
	fake_put(&h.fk, "etc/libvirt/qemu/1-a/a.xml", "<domain/>");
	qemu = start_elsewhere(&h, A_XML);
	edit_ledger(&h, UUID_A, LIES_IN, "\"lies_in\": \"/etc/libvirt/qemu\"");
	end(&h, qemu);
	CU_ASSERT_FALSE(has_ledger(&h, UUID_A));
	CU_ASSERT_TRUE(fake_exists(&h.fk, "etc/libvirt/qemu/a.xml"));
	CU_ASSERT_TRUE(fake_exists(&h.fk, "etc/libvirt/qemu/1-a/a.xml"));
}

static CU_TestInfo tests[] = {
	{ "a guest's life", test_life },
	{ "a guest that is where it should be", test_where_it_should_be },
	{ "nothing is known of its files", test_nothing_is_known },
	{ "files are in use at release", test_in_use_at_release },
	{ "a link at release", test_link_at_release },
	{ "a ledger of another boot", test_other_boot },
	{ "libvirt's daemon is restarted", test_daemon_restarted },
	{ "found at reconnect", test_found_at_reconnect },
	{ "reconnect without a ledger", test_adopted },
	{ "promises", test_promises },
	{ "a hostile ledger", test_hostile_ledger },
	{ "a strange ledger", test_strange_ledger },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_events_place", tests);
}

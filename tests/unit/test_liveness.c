// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Real POSIX locks of real processes, in a root directory of our own.
 */
#include "lifecycle/liveness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/fake_kernel.h"
#include "unit/unit.h"

#define QEMU_DIR "run/libvirt/qemu/"

static void test_qemu(void)
{
	pid_t qemu, pid = 77;
	FAKE_KERNEL(fk, "one-node");

	CU_ASSERT_FALSE(liveness_qemu(&fk.kfs, "g", &pid));
	CU_ASSERT_EQUAL(pid, 0);
	/* The file alone says nothing, whatever is in it */
	fake_put(&fk, QEMU_DIR "g.pid", "1\n");
	CU_ASSERT_FALSE(liveness_qemu(&fk.kfs, "g", &pid));
	qemu = fake_qemu(&fk, "g");
	CU_ASSERT_TRUE(liveness_qemu(&fk.kfs, "g", &pid));
	CU_ASSERT_EQUAL(pid, qemu);
	CU_ASSERT_TRUE(liveness_qemu(&fk.kfs, "g", NULL));
	CU_ASSERT_FALSE(liveness_qemu(&fk.kfs, "other", NULL));
	fake_end(&fk, qemu);
	CU_ASSERT_FALSE(liveness_qemu(&fk.kfs, "g", &pid));
	CU_ASSERT_EQUAL(pid, 0);
	CU_ASSERT_TRUE(fake_exists(&fk, QEMU_DIR "g.pid"));
}

/* Asking must not take a lock away: closing any descriptor of a file drops all
 * the POSIX locks that the process itself has on it */
static void test_asking_is_harmless(void)
{
	pid_t qemu;
	int i;
	FAKE_KERNEL(fk, "one-node");

	qemu = fake_qemu(&fk, "g");
	for (i = 0; i < 5; i++)
		CU_ASSERT_TRUE(liveness_qemu(&fk.kfs, "g", NULL));
	fake_end(&fk, qemu);
}

static void test_names(void)
{
	static const char *const names[] = {
		"",
		"/",
		"a/b",
		"../driver",
		"..",
		"%s%n",
		"a name with blanks",
		"\xc3\xbcml\xc3\xa4ut",
	};
	char name[2048];
	pid_t driver;
	size_t i;
	FAKE_KERNEL(fk, "one-node");

	driver = fake_driver(&fk, 1);
	for (i = 0; i < ROWS(names); i++)
		UNIT_CHECK(!liveness_qemu(&fk.kfs, names[i], NULL), "'%s'", names[i]);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CU_ASSERT_FALSE(liveness_qemu(&fk.kfs, name, NULL));
	fake_end(&fk, driver);
	driver = fake_qemu(&fk, "a name with blanks");
	CU_ASSERT_TRUE(liveness_qemu(&fk.kfs, "a name with blanks", NULL));
	fake_end(&fk, driver);
}

/* Neither a FIFO nor a link in the place of the file holds us up or leads us on */
static void test_no_regular_file(void)
{
	pid_t qemu;
	FAKE_KERNEL(fk, "one-node");

	qemu = fake_qemu(&fk, "real");
	CU_ASSERT_EQUAL_FATAL(symlinkat("real.pid", fk.kfs.rootfd, QEMU_DIR "link.pid"), 0);
	CU_ASSERT_EQUAL_FATAL(mkfifoat(fk.kfs.rootfd, QEMU_DIR "fifo.pid", 0600), 0);
	CU_ASSERT_FALSE(liveness_qemu(&fk.kfs, "link", NULL));
	CU_ASSERT_FALSE(liveness_qemu(&fk.kfs, "fifo", NULL));
	fake_end(&fk, qemu);
}

static void test_driver(void)
{
	struct process driver;
	pid_t first, second;
	FAKE_KERNEL(fk, "one-node");

	first = fake_driver(&fk, 4711);
	driver = liveness_driver(&fk.kfs);
	CU_ASSERT_EQUAL(driver.pid, first);
	CU_ASSERT_EQUAL(driver.start, 4711);
	CU_ASSERT_TRUE(liveness_driver_alive(&fk.kfs, &driver));
	/* a later process of the same number */
	fake_put_stat(&fk, first, 4712);
	CU_ASSERT_FALSE(liveness_driver_alive(&fk.kfs, &driver));
	fake_put_stat(&fk, first, 4711);
	fake_end(&fk, first);
	CU_ASSERT_FALSE(liveness_driver_alive(&fk.kfs, &driver));
	/* libvirt was restarted: the old one's starts are dead */
	second = fake_driver(&fk, 9999);
	CU_ASSERT_FALSE(liveness_driver_alive(&fk.kfs, &driver));
	driver = liveness_driver(&fk.kfs);
	CU_ASSERT_EQUAL(driver.pid, second);
	CU_ASSERT_TRUE(liveness_driver_alive(&fk.kfs, &driver));
	fake_end(&fk, second);
}

/* The old driver lives on, without its lock: another has it */
static void test_two_drivers(void)
{
	struct process driver;
	pid_t first, second;
	FAKE_KERNEL(fk, "one-node");

	first = fake_driver(&fk, 1);
	driver = liveness_driver(&fk.kfs);
	fake_remove(&fk, QEMU_DIR "driver.pid");
	second = fake_driver(&fk, 2);
	CU_ASSERT_FALSE(liveness_driver_alive(&fk.kfs, &driver));
	fake_end(&fk, first);
	fake_end(&fk, second);
}

/* Run by hand: whichever program runs us */
static void test_no_driver(void)
{
	struct process driver;
	FAKE_KERNEL(fk, "one-node");

	driver = liveness_driver(&fk.kfs);
	CU_ASSERT_EQUAL(driver.pid, getppid());
	/* Unknown start time: can't be told from a later process */
	CU_ASSERT_EQUAL(driver.start, 0);
	CU_ASSERT_FALSE(liveness_driver_alive(&fk.kfs, &driver));
	fake_put_stat(&fk, getppid(), 55);
	driver = liveness_driver(&fk.kfs);
	CU_ASSERT_EQUAL(driver.start, 55);
	CU_ASSERT_TRUE(liveness_driver_alive(&fk.kfs, &driver));
	driver.pid = 0;
	CU_ASSERT_FALSE(liveness_driver_alive(&fk.kfs, &driver));
}

/* A holder in another PID namespace has no number that we could write down */
static void test_driver_unseen(void)
{
	const struct process unseen = { 0, 0 };
	pid_t pid;
	FAKE_KERNEL(fk, "one-node");

	CU_ASSERT_FALSE(liveness_driver_alive(&fk.kfs, &unseen));
	pid = fake_driver(&fk, 1);
	CU_ASSERT_TRUE(liveness_driver_alive(&fk.kfs, &unseen));
	fake_end(&fk, pid);
	CU_ASSERT_FALSE(liveness_driver_alive(&fk.kfs, &unseen));
}

static void test_damaged_stat(void)
{
	static const char *const texts[] = {
		"", "1", "1 (x) S", "no parentheses 1 2 3",
		"1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"
	};
	size_t i;
	FAKE_KERNEL(fk, "one-node");

	for (i = 0; i < ROWS(texts); i++) {
		fake_put_process(&fk, getppid(), "stat", texts[i]);
		UNIT_CHECK(liveness_driver(&fk.kfs).start == 0, "'%s'", texts[i]);
	}
}

static bool is_in(char **names, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static void free_names(char **names, size_t n)
{
	while (n)
		free(names[--n]);
	free(names);
}

static void test_running(void)
{
	struct err err = { "" };
	char **names = NULL;
	pid_t qemu, strange, driver;
	size_t n = 77;

	/* No libvirt at all */
	FAKE_KERNEL(fk, "one-node");
	CU_ASSERT_EQUAL(liveness_running(&fk.kfs, &names, &n, &err), 0);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_PTR_NULL(names);
	driver = fake_driver(&fk, 1);
	qemu = fake_qemu(&fk, "g");
	strange = fake_qemu(&fk, "a.pid b");
	fake_put(&fk, QEMU_DIR "dead.pid", "1\n");
	fake_put(&fk, QEMU_DIR ".pid", "1\n");
	fake_put(&fk, QEMU_DIR "g.xml", "<domain/>");
	fake_put(&fk, QEMU_DIR "dir.pid/x", "");
	CU_ASSERT_EQUAL_FATAL(symlinkat("g.pid", fk.kfs.rootfd, QEMU_DIR "link.pid"), 0);
	UNIT_CHECK(liveness_running(&fk.kfs, &names, &n, &err) == 0, "%s", err.text);
	UNIT_CHECK(n == 2, "%zu run", n);
	CU_ASSERT_TRUE(is_in(names, n, "g"));
	CU_ASSERT_TRUE(is_in(names, n, "a.pid b"));
	free_names(names, n);
	fake_end(&fk, strange);
	fake_end(&fk, qemu);
	fake_end(&fk, driver);
	CU_ASSERT_EQUAL(liveness_running(&fk.kfs, &names, &n, &err), 0);
	CU_ASSERT_EQUAL(n, 0);
}

/* The files have mode 0644: any user may hold a read lock, and on any byte */
static void test_read_lockers(void)
{
	static const struct flock locks[] = {
		{ .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 0 },
		{ .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 },
		{ .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 0 },
		/* not where libvirt locks */
		{ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 0 },
	};
	struct process driver;
	size_t i;
	FAKE_KERNEL(fk, "one-node");

	for (i = 0; i < ROWS(locks); i++) {
		pid_t a = fake_holder_of(&fk, QEMU_DIR "g.pid", 1, locks[i]), found = 77;
		pid_t b = fake_holder_of(&fk, QEMU_DIR "driver.pid", 2, locks[i]);
		char **names = NULL;
		size_t n = 77;

		UNIT_CHECK(!liveness_qemu(&fk.kfs, "g", &found) && !found, "row %zu", i);
		UNIT_CHECK(liveness_driver(&fk.kfs).pid == getppid(), "row %zu", i);
		UNIT_CHECK(!liveness_driver_runs(&fk.kfs, &driver), "row %zu", i);
		driver = (struct process){ b, 2 };
		UNIT_CHECK(liveness_running(&fk.kfs, &names, &n, NULL) == 0 && n == 0, "row %zu",
			   i);
		free(names);
		fake_end(&fk, b);
		UNIT_CHECK(!liveness_driver_alive(&fk.kfs, &driver), "row %zu", i);
		fake_end(&fk, a);
	}
}

static void put_cmdline(const struct fake_kernel *fk, pid_t pid, const char *text, size_t len)
{
	char name[64];
	int fd;

	fake_put_process(fk, pid, "cmdline", "");
	snprintf(name, sizeof(name), "proc/%d/cmdline", (int)pid);
	fd = openat(fk->kfs.rootfd, name, O_WRONLY);
	CU_ASSERT_EQUAL(write(fd, text, len), (ssize_t)len);
	close(fd);
}

#define CMDLINE(text) text, sizeof(text)

/* A guest of this name has its PID in the file that is the driver's own */
static void test_guest_called_driver(void)
{
	struct process driver;
	pid_t pid, found = 77;
	char **names = NULL;
	size_t n = 77;
	FAKE_KERNEL(fk, "one-node");

	pid = fake_driver(&fk, 4711);
	put_cmdline(&fk, pid,
		    CMDLINE("/usr/sbin/libvirtd\0--timeout\0"
			    "120"));
	CU_ASSERT_FALSE(liveness_qemu(&fk.kfs, "driver", &found));
	CU_ASSERT_EQUAL(found, 0);
	CU_ASSERT_EQUAL(liveness_running(&fk.kfs, &names, &n, NULL), 0);
	CU_ASSERT_EQUAL(n, 0);
	free(names);
	driver = liveness_driver(&fk.kfs);
	CU_ASSERT_EQUAL(driver.pid, pid);
	/* another guest, whose name only begins so: it is in another file */
	put_cmdline(&fk, pid, CMDLINE("/usr/bin/qemu\0-name\0guest=driver2,debug-threads=on"));
	CU_ASSERT_FALSE(liveness_qemu(&fk.kfs, "driver", NULL));

	put_cmdline(&fk, pid, CMDLINE("/usr/bin/qemu\0-name\0guest=driver,debug-threads=on\0-S"));
	CU_ASSERT_TRUE(liveness_qemu(&fk.kfs, "driver", &found));
	CU_ASSERT_EQUAL(found, pid);
	CU_ASSERT_EQUAL(liveness_running(&fk.kfs, &names, &n, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	UNIT_CHECK_STR(names[0], "driver", "the guest");
	free_names(names, n);
	CU_ASSERT_EQUAL(liveness_driver(&fk.kfs).pid, getppid());
	CU_ASSERT_FALSE(liveness_driver_runs(&fk.kfs, &driver));
	/* The driver that prepared something before is judged by itself */
	driver = (struct process){ getppid(), 55 };
	CU_ASSERT_FALSE(liveness_driver_alive(&fk.kfs, &driver));
	fake_put_stat(&fk, getppid(), 55);
	CU_ASSERT_TRUE(liveness_driver_alive(&fk.kfs, &driver));
	fake_end(&fk, pid);
	CU_ASSERT_FALSE(liveness_qemu(&fk.kfs, "driver", NULL));
}

static CU_TestInfo tests[] = {
	{ "who runs", test_running },
	{ "QEMU", test_qemu },
	{ "asking is harmless", test_asking_is_harmless },
	{ "strange names", test_names },
	{ "no regular file", test_no_regular_file },
	{ "the driver", test_driver },
	{ "two drivers", test_two_drivers },
	{ "no driver", test_no_driver },
	{ "locks of other users", test_read_lockers },
	{ "a guest called driver", test_guest_called_driver },
	{ "a driver that can't be seen", test_driver_unseen },
	{ "damaged files of a process", test_damaged_stat },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_liveness", tests);
}

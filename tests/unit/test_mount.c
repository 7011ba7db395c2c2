// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Mount tables and mounting, in a mount namespace of our own.
 */
#include "memory/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "kernel/kfs.h"
#include "unit/own_disk.h"
#include "unit/unit.h"

static void open_root(struct kfs *kfs, const char *root)
{
	CU_ASSERT_EQUAL_FATAL(kfs_open(kfs, root, NULL), 0);
}

#define ROOT(name, ...) UNIT_FIXTURE(struct kfs, name, kfs_close, open_root(&(name), __VA_ARGS__))

static uint64_t soon(void)
{
	return clock_ms() + 10000;
}

/* ---- reading the table ---- */

static void test_captured(void)
{
	static const struct {
		const char *host, *path;
		int rc;
		const char *target, *fstype, *source, *devno;
	} rows[] = {
		{ "one-node", "/", 1, "/", "ext4", NULL, "254:0" },
		{ "one-node", "/srv/x", 0, "/", "ext4", NULL, "254:0" },
		/* Mounted over */
		{ "one-node", "/dev/shm", 1, "/dev/shm", "tmpfs", "tmpfs", "0:27" },
		{ "one-node", "//dev/./shm//", 1, "/dev/shm", "tmpfs", "tmpfs", "0:27" },
		{ "one-node", "/dev/shm/a/b", 0, "/dev/shm", "tmpfs", "tmpfs", "0:27" },
		{ "one-node", "/dev/shm2", 0, "/dev", "devtmpfs", "devtmpfs", "0:6" },
		{ "two-nodes-6.1", "/dev/hugepages", 1, "/dev/hugepages", "hugetlbfs", "hugetlbfs",
		  "0:25" },
		{ "two-nodes-6.1", "/dev/hugepages1G/libvirt", 0, "/dev/hugepages1G", "hugetlbfs",
		  "hugetlbfs", "0:26" },
		{ "two-nodes-6.1", "/dev/hugepages2", 0, "/dev", "devtmpfs", "devtmpfs", "0:5" },
		{ "two-nodes-6.12", "/sys/kernel", 0, "/sys", "sysfs", "sysfs", "0:23" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct mount_info info = { .readonly = true };
		struct err err = { "" };
		char root[512];
		int rc;

		snprintf(root, sizeof(root), TESTS_DIR "/hosts/%s", rows[i].host);
		ROOT(kfs, root);
		rc = mount_find(&kfs, rows[i].path, &info, &err);
		UNIT_CHECK(rc == rows[i].rc, "row %zu gave %d: %s", i, rc, err.text);
		UNIT_CHECK_STR(info.target, rows[i].target, "row %zu", i);
		UNIT_CHECK_STR(info.fstype, rows[i].fstype, "row %zu", i);
		/* NULL: libmount looks up /dev/root on the host it runs on */
		if (rows[i].source)
			UNIT_CHECK_STR(info.source, rows[i].source, "row %zu", i);
		UNIT_CHECK_STR(info.devno, rows[i].devno, "row %zu", i);
		UNIT_CHECK(!info.readonly, "row %zu", i);
	}
}

/* What kernels write, and what nobody writes */
static const char odd_table[] =
	"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
	"2 1 8:2 / /mnt/with\\040blank\\134and\\011tab ro,nodev shared:3 - xfs /dev/sda2 rw\n"
	"3 1 8:3 / /srv/a rw - xfs /dev/sda3 rw\n"
	"4 1 8:4 / /srv rw - ext4 /dev/sda4 ro\n"
	"5 1 8:5 / /one rw - ext4 /dev/one rw\n"
	"6 1 8:5 /sub /two rw - ext4 /dev/one rw\n"
	"7 1 0:50 / /nfs rw - nfs4 host:/export/with\\040blank rw,addr=10.0.0.1\n"
	"this is no line of it\n"
	"8 1 0:51 / /none rw - tmpfs none rw\n"
	"9 1 0:52 / /real/place rw - tmpfs tmpfs rw\n";

static void test_odd_table(void)
{
	static const struct {
		const char *path;
		int rc;
		const char *target, *source, *devno;
		bool readonly;
	} rows[] = {
		{ "/mnt/with blank\\and\ttab", 1, "/mnt/with blank\\and\ttab", "/dev/sda2", "8:2",
		  true },
		{ "/mnt/with", 0, "/", "/dev/sda1", "8:1", false },
		/* Hidden by what was mounted on its parent later */
		{ "/srv/a", 0, "/srv", "/dev/sda4", "8:4", true },
		{ "/two/x", 0, "/two", "/dev/one", "8:5", false },
		{ "/nfs", 1, "/nfs", "host:/export/with blank", "0:50", false },
		{ "/none", 1, "/none", "none", "0:51", false },
		/* Links lead within the tree, wherever they say */
		{ "/absolute/place", 1, "/real/place", "tmpfs", "0:52", false },
		{ "/relative/place/deeper", 0, "/real/place", "tmpfs", "0:52", false },
		{ "/escape/srv/b", 0, "/srv", "/dev/sda4", "8:4", true },
	};
	const char *dir = unit_tmpdir();
	size_t i;

	unit_write(dir, "proc/self/mountinfo", odd_table);
	ROOT(kfs, dir);
	CU_ASSERT_EQUAL_FATAL(mkdirat(kfs.rootfd, "real", 0755), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("/real", kfs.rootfd, "absolute"), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("./real", kfs.rootfd, "relative"), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("../../../..", kfs.rootfd, "escape"), 0);
	for (i = 0; i < ROWS(rows); i++) {
		struct mount_info info = { .target = "" };
		struct err err = { "" };
		int rc = mount_find(&kfs, rows[i].path, &info, &err);

		UNIT_CHECK(rc == rows[i].rc, "%s gave %d: %s", rows[i].path, rc, err.text);
		UNIT_CHECK_STR(info.target, rows[i].target, "%s", rows[i].path);
		UNIT_CHECK_STR(info.source, rows[i].source, "%s", rows[i].path);
		UNIT_CHECK_STR(info.devno, rows[i].devno, "%s", rows[i].path);
		UNIT_CHECK(info.readonly == rows[i].readonly, "%s", rows[i].path);
	}
}

static void test_find_fails(void)
{
	const char *dir = unit_tmpdir();
	struct mount_info info = { .target = "as before" };
	struct err err = { "" };
	char path[MOUNT_PATH_SIZE + 1];
	ROOT(kfs, dir);

	CU_ASSERT_EQUAL(mount_find(&kfs, "/x", &info, &err), -ENOENT);
	UNIT_CHECK_STR(err.text, "cannot open /proc/self/mountinfo: No such file or directory",
		       "no table");
	unit_write(dir, "proc/self/mountinfo", "2 1 8:2 / /mnt rw - xfs /dev/sda2 rw\n");
	CU_ASSERT_EQUAL(mount_find(&kfs, "/x", &info, &err), -ENOENT);
	UNIT_CHECK_STR(err.text, "no file system in /proc/self/mountinfo holds /x", "nothing");
	CU_ASSERT_EQUAL(mount_find(&kfs, "relative", &info, &err), -EINVAL);
	CU_ASSERT_EQUAL(mount_find(&kfs, "", &info, &err), -EINVAL);
	memset(path, '/', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	CU_ASSERT_EQUAL(mount_find(&kfs, path, &info, &err), -EINVAL);
	path[sizeof(path) - 2] = '\0';
	CU_ASSERT_EQUAL(mount_find(&kfs, path, &info, &err), -ENOENT);
	CU_ASSERT_EQUAL_FATAL(symlinkat("loop", kfs.rootfd, "loop"), 0);
	CU_ASSERT_EQUAL(mount_find(&kfs, "/loop/x", &info, &err), -ELOOP);
	unit_write(dir, "file", "");
	CU_ASSERT_EQUAL(mount_find(&kfs, "/file/x", &info, &err), -ENOTDIR);
	UNIT_CHECK_STR(info.target, "as before", "untouched");
	/* Nobody reads the sentence */
	CU_ASSERT_EQUAL(mount_find(&kfs, "/x", &info, NULL), -ENOENT);
}

/* Of orders and numbers that no kernel gives, something comes out, and at once */
static void test_absurd_tables(void)
{
	static const struct {
		const char *table;
		int rc;
		const char *devno;
	} rows[] = {
		/* What an initramfs left: moved below a younger root */
		{ "3 9 0:3 / /srv/a rw - tmpfs a rw\n9 1 0:9 / / rw - ext4 b rw\n", 1, "0:3" },
		/* Each lies on the other */
		{ "2 3 0:2 / /srv rw - tmpfs a rw\n3 2 0:3 / /srv/a rw - tmpfs b rw\n", -ENOENT,
		  "" },
		{ "1 1 0:1 / / rw - ext4 a rw\n2 3 0:2 / /srv rw - tmpfs a rw\n"
		  "3 2 0:3 / /srv/a rw - tmpfs b rw\n",
		  0, "0:1" },
		/* One number twice: nothing to begin with */
		{ "1 1 0:1 / / rw - ext4 a rw\n1 1 0:2 / /srv/a rw - tmpfs a rw\n", -ENOENT, "" },
		/* On itself, and nothing above */
		{ "5 5 0:5 / /srv/a rw - tmpfs a rw\n", 1, "0:5" },
		{ "", -ENOENT, "" },
		{ "\n\n", -ENOENT, "" },
	};
	const char *dir = unit_tmpdir();
	size_t i;
	ROOT(kfs, dir);

	for (i = 0; i < ROWS(rows); i++) {
		struct mount_info info = { .target = "" };
		struct err err = { "" };
		int rc;

		unit_write(dir, "proc/self/mountinfo", rows[i].table);
		rc = mount_find(&kfs, "/srv/a", &info, &err);
		UNIT_CHECK(rc == rows[i].rc, "row %zu gave %d: %s", i, rc, err.text);
		UNIT_CHECK_STR(info.devno, rows[i].devno, "row %zu", i);
	}
}

static int stop_at_tmpfs(void *arg, const struct mount_info *info, const char *options)
{
	int *seen = arg;

	(*seen)++;
	if (strcmp(info->fstype, "tmpfs") != 0)
		return 0;
	UNIT_CHECK_STR(options, "rw,relatime,size=24684084k", "of both columns");
	return 42;
}

static void test_for_each(void)
{
	struct err err = { "" };
	int seen = 0;
	ROOT(kfs, TESTS_DIR "/hosts/one-node");

	CU_ASSERT_EQUAL(mount_for_each(&kfs, stop_at_tmpfs, &seen, &err), 42);
	CU_ASSERT_EQUAL(seen, 4);
}

/* ---- mounting a tmpfs ---- */

static const char *join(const char *dir, const char *name)
{
	static char paths[32][256];
	static unsigned int turn;
	char *path = paths[turn++ % 32];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static int make_tmpfs(const char *target, const char *options, struct err *err)
{
	const struct mount_spec spec = { .target = target, .fstype = "tmpfs", .options = options };

	return mount_make(&spec, soon(), err);
}

static int try_tmpfs(const char *dir)
{
	struct mount_info below, first, second, now;
	struct err err = { "" };
	struct kfs kfs;

	EXPECT(kfs_open(&kfs, "/", &err) == 0);
	EXPECT(mkdir(join(dir, "a b"), 0755) == 0 && symlink("a b", join(dir, "link")) == 0);
	EXPECT(mount_find(&kfs, join(dir, "a b"), &below, &err) == 0);
	EXPECT(!strcmp(below.target, dir));
	EXPECT(mount_remove(&kfs, join(dir, "a b"), below.identity, &err) == 0);

	/* Others can write above @dir: a link does not count there */
	EXPECT(make_tmpfs(join(dir, "link/"), "size=1m,nosuid", &err) == -ELOOP);
	EXPECT(strstr(err.text, "refusing to follow it"));
	EXPECT(mount_find(&kfs, join(dir, "link"), &first, &err) == -ELOOP);
	EXPECT(make_tmpfs(join(dir, "a b/"), "size=1m,nosuid", &err) == 0);
	EXPECT(mount_find(&kfs, join(dir, "a b//"), &first, &err) == 1);
	EXPECT(!strcmp(first.target, join(dir, "a b")) && !strcmp(first.fstype, "tmpfs"));
	EXPECT(!strcmp(first.source, "tmpfs") && !first.readonly);
	EXPECT(strcmp(first.devno, below.devno) != 0);
	EXPECT(mkdir(join(dir, "a b/inner"), 0755) == 0);

	/* A second one over it is another file system */
	EXPECT(make_tmpfs(join(dir, "a b"), "ro", &err) == 0);
	EXPECT(mount_find(&kfs, join(dir, "a b/inner"), &second, &err) == 0 && second.readonly);
	EXPECT(strcmp(first.devno, second.devno) != 0);
	EXPECT(mount_remove(&kfs, join(dir, "a b"), first.identity, &err) == 0);
	EXPECT(mount_find(&kfs, join(dir, "a b"), &now, &err) == 1);
	EXPECT(!strcmp(now.devno, second.devno));
	EXPECT(mount_remove(&kfs, join(dir, "a b"), second.identity, &err) == 0);
	EXPECT(mount_find(&kfs, join(dir, "a b"), &now, &err) == 1);
	EXPECT(!strcmp(now.devno, first.devno));

	EXPECT(mount_remove(&kfs, join(dir, "a b"), first.identity, &err) == 0);
	EXPECT(mount_remove(&kfs, join(dir, "a b"), first.identity, &err) == 0);
	EXPECT(mount_find(&kfs, join(dir, "a b"), &now, &err) == 0);
	return 0;
}

/* A tmpfs whose device's number another one gets is not taken for it */
static void test_identity(void)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "0:52#7", "0:52#7", true }, { "0:52#7", "0:52#8", false },
		{ "0:52", "0:52#8", true },   { "0:52#8", "0:52", true },
		{ "0:52", "0:52", true },     { "0:52", "0:5", false },
		{ "0:5#2", "0:52#2", false }, { "0:52#7", "0:52#77", false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		UNIT_CHECK(mount_is_same(rows[i].a, rows[i].b) == rows[i].same, "row %zu", i);
}

/* One tmpfs is unmounted and another one mounted: the kernel gives it the same number */
static int try_reused(const char *dir)
{
	struct mount_info first, second, now;
	struct err err = { "" };
	struct kfs kfs;

	EXPECT(kfs_open(&kfs, "/", &err) == 0 && mkdir(join(dir, "m"), 0755) == 0);
	EXPECT(make_tmpfs(join(dir, "m"), "", &err) == 0);
	EXPECT(mount_find(&kfs, join(dir, "m"), &first, &err) == 1);
	EXPECT(umount(join(dir, "m")) == 0);
	EXPECT(make_tmpfs(join(dir, "m"), "", &err) == 0);
	EXPECT(mount_find(&kfs, join(dir, "m"), &second, &err) == 1);
	if (!strchr(second.identity, '#'))
		return 0;
	/* Whether or not the number came again */
	memcpy(first.identity, second.devno, strlen(second.devno));
	EXPECT(!mount_is_same(first.identity, second.identity));
	EXPECT(mount_remove(&kfs, join(dir, "m"), first.identity, &err) == 0);
	EXPECT(mount_find(&kfs, join(dir, "m"), &now, &err) == 1);
	EXPECT(mount_remove(&kfs, join(dir, "m"), second.identity, &err) == 0);
	EXPECT(mount_find(&kfs, join(dir, "m"), &now, &err) == 0);
	return 0;
}

static void test_reused(void)
{
	own_disk_child(try_reused, "a number that is given again");
}

static void test_tmpfs(void)
{
	own_disk_child(try_tmpfs, "mounting a tmpfs");
}

static int try_busy(const char *dir)
{
	struct mount_info info;
	struct err err = { "" };
	struct kfs kfs;
	int fd;

	EXPECT(kfs_open(&kfs, "/", &err) == 0 && mkdir(join(dir, "m"), 0755) == 0);
	EXPECT(make_tmpfs(join(dir, "m"), NULL, &err) == 0);
	EXPECT(mount_find(&kfs, join(dir, "m"), &info, &err) == 1);
	fd = open(join(dir, "m/file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	EXPECT(fd >= 0);
	EXPECT(mount_remove(&kfs, join(dir, "m"), info.identity, &err) == -EBUSY);
	EXPECT(strstr(err.text, "cannot unmount ") == err.text && strstr(err.text, "busy"));
	EXPECT(mount_find(&kfs, join(dir, "m"), &info, &err) == 1);
	close(fd);
	EXPECT(mount_remove(&kfs, join(dir, "m"), info.identity, &err) == 0);
	return 0;
}

static void test_busy(void)
{
	own_disk_child(try_busy, "unmounting what is busy");
}

static int try_refused(const char *dir)
{
	struct mount_spec spec = { .target = join(dir, "none"), .fstype = "tmpfs" };
	struct mount_info info;
	struct err err = { "" };
	int rc = 0, tries;
	struct kfs kfs;

	EXPECT(kfs_open(&kfs, "/", &err) == 0);
	EXPECT(mount_make(&spec, soon(), &err) == -ENOENT);
	EXPECT(strstr(err.text, "the mount point (mkdir -p makes it): No such file"));
	EXPECT(mount_make(&spec, soon(), NULL) == -ENOENT);
	unit_write(dir, "file", "");
	spec.target = join(dir, "file");
	EXPECT(mount_make(&spec, soon(), &err) == -ENOTDIR);
	EXPECT(strstr(err.text, "(type tmpfs, options defaults): the mount point is no directory"));
	EXPECT(mkdir(join(dir, "m"), 0755) == 0);
	spec.target = join(dir, "m");
	spec.fstype = "nosuchfs";
	EXPECT(mount_make(&spec, soon(), &err) == -ENODEV);
	EXPECT(strstr(err.text, "nosuchfs"));
	spec.fstype = "tmpfs";
	spec.options = "size=what";
	EXPECT(mount_make(&spec, soon(), &err) == -EINVAL);
	EXPECT(strstr(err.text, "options size=what): ") && !strchr(err.text, '\n'));
	spec.options = NULL;
	spec.source = "LABEL=membacking-none";
	EXPECT(mount_make(&spec, soon(), &err) == -ENODEV);
	EXPECT(strstr(err.text, ": there is no device with LABEL=membacking-none"));
	spec.source = "/dev/membacking-none";
	EXPECT(mount_make(&spec, soon(), &err) == -ENODEV);
	EXPECT(strstr(err.text, ": there is no device /dev/membacking-none"));
	spec.source = NULL;
	/* On a busy host it may be done before anybody waits for it */
	for (tries = 0; tries < 50 && (rc = mount_make(&spec, 0, &err)) == 0; tries++)
		EXPECT(umount(spec.target) == 0);
	EXPECT(rc == -ETIMEDOUT);
	EXPECT(strstr(err.text, "took too long"));
	/* Stopped before the kernel had mounted it, or just after */
	EXPECT(mount_find(&kfs, spec.target, &info, &err) >= 0);
	return 0;
}

static void test_refused(void)
{
	own_disk_child(try_refused, "mounts that fail");
}

/* ---- fstab ---- */

/* /etc is an empty tmpfs here */
static int try_fstab(const char *dir)
{
	struct mount_spec spec = { .target = join(dir, "m") };
	struct mount_info info;
	struct err err = { "" };
	char fstab[512];
	struct kfs kfs;

	EXPECT(kfs_open(&kfs, "/", &err) == 0 && mkdir(join(dir, "m"), 0755) == 0);
	EXPECT(mkdir(join(dir, "label"), 0755) == 0);
	/* Loaded before its search path is gone */
	EXPECT(mount_find(&kfs, "/", &info, &err) == 1);
	EXPECT(mount("none", "/etc", "tmpfs", 0, NULL) == 0);
	EXPECT(!mount_in_fstab(join(dir, "m")));
	EXPECT(mount_make(&spec, soon(), &err) < 0 && strstr(err.text, "as /etc/fstab says: "));

	snprintf(fstab, sizeof(fstab),
		 "# a comment\nnone swap swap sw 0 0\nnamed %s/m tmpfs size=2m,noexec,noauto 0 0\n"
		 "LABEL=membacking-none %s/label ext4 defaults 0 0\n",
		 dir, dir);
	unit_write(dir, "other", fstab);
	setenv("LIBMOUNT_FSTAB", join(dir, "other"), 1);
	unit_write("/etc", "fstab", "# empty\n");
	EXPECT(!mount_in_fstab(join(dir, "m")));
	EXPECT(mount_make(&spec, soon(), &err) == -ENODEV);
	EXPECT(strstr(err.text, "as /etc/fstab says: there is no line for it"));

	unit_write("/etc", "fstab", fstab);
	EXPECT(mount_in_fstab(join(dir, "m")) && mount_in_fstab(join(dir, "m/")));
	EXPECT(!mount_in_fstab(join(dir, "m/x")) && !mount_in_fstab(dir));
	spec.options = "nodev";
	EXPECT(mount_make(&spec, soon(), &err) == 0);
	EXPECT(mount_find(&kfs, spec.target, &info, &err) == 1 && !strcmp(info.source, "named"));
	spec.target = join(dir, "label");
	EXPECT(mount_in_fstab(spec.target));
	EXPECT(mount_make(&spec, soon(), &err) == -ENODEV);
	EXPECT(strstr(err.text, "there is no device with LABEL=membacking-none"));
	return 0;
}

static void test_fstab(void)
{
	own_disk_child(try_fstab, "what fstab says");
}

/* ---- devices ---- */

#define LABEL "mb-unit-disk"

static int try_device(const char *dir)
{
	struct mount_spec spec = { .target = join(dir, "m"), .options = "nodev,nosuid" };
	const char *image = join(dir, "image");
	struct mount_info info;
	struct err err = { "" };
	char device[32];
	struct kfs kfs;
	int loop;

	loop = own_disk_make(image, "ext4", LABEL, device);
	if (loop < 0)
		return NO_OWN_DISK;
	EXPECT(kfs_open(&kfs, "/", &err) == 0 && mkdir(join(dir, "m"), 0755) == 0);
	/* A link where others can write, and one of root's */
	EXPECT(chmod(dir, 01777) == 0 && symlink(device, join(dir, "link")) == 0);
	EXPECT(mount("none", "/mnt", "tmpfs", MS_NOSUID, "mode=755") == 0);
	EXPECT(symlink(device, "/mnt/link") == 0);

	spec.source = device;
	EXPECT(mount_make(&spec, soon(), &err) == 0);
	EXPECT(mount_find(&kfs, spec.target, &info, &err) == 1);
	EXPECT(!strcmp(info.fstype, "ext4") && !strcmp(info.source, device));
	EXPECT(mount_source_is(device, info.source) && mount_source_is(image, info.source));
	EXPECT(mount_source_is("/mnt/link", info.source));
	EXPECT(!mount_source_is(join(dir, "link"), info.source));
	EXPECT(!mount_source_is(image, join(dir, "link")));
	EXPECT(mount_source_is(image, "/mnt/link"));
	EXPECT(mount_source_is("LABEL=" LABEL, info.source));
	EXPECT(mount_has_device("LABEL=" LABEL) && !mount_has_device("LABEL=" LABEL "2"));
	EXPECT(mount_has_device("tmpfs") && mount_has_device(""));
	EXPECT(!mount_source_is("LABEL=" LABEL "2", info.source));
	EXPECT(!mount_source_is("LABEL=" LABEL, "/dev/null"));
	EXPECT(!mount_source_is("/dev/null", info.source));
	EXPECT(!mount_source_is(join(dir, "m"), info.source));
	/* The same again */
	EXPECT(mount_make(&spec, soon(), &err) == -EBUSY);
	EXPECT(mount_remove(&kfs, spec.target, info.identity, &err) == 0);

	spec.source = "LABEL=" LABEL;
	EXPECT(mount_make(&spec, soon(), &err) == 0);
	EXPECT(mount_find(&kfs, spec.target, &info, &err) == 1 && !strcmp(info.source, device));
	EXPECT(mount_remove(&kfs, spec.target, info.identity, &err) == 0);

	spec.source = image;
	EXPECT(mount_make(&spec, soon(), &err) == 0);
	EXPECT(mount_find(&kfs, spec.target, &info, &err) == 1);
	EXPECT(mount_source_is(image, info.source) && !mount_source_is("/etc/fstab", info.source));
	EXPECT(mount_remove(&kfs, spec.target, info.identity, &err) == 0);

	spec.source = "LABEL=" LABEL;
	spec.fstype = "xfs";
	EXPECT(mount_make(&spec, soon(), &err) == -EINVAL);
	EXPECT(strstr(err.text, "cannot mount LABEL=" LABEL " on ") == err.text);
	EXPECT(strstr(err.text, "; dmesg has the reason"));
	close(loop);
	return 0;
}

static void test_device(void)
{
	own_disk_child(try_device, "mounting a device");
}

/* It would be mounted read-only by mount(8) */
static int try_write_protected(const char *dir)
{
	struct mount_spec spec = { .target = join(dir, "m"), .fstype = "ext4" };
	const char *image = join(dir, "image");
	struct err err = { "" };
	char device[32];
	int loop;

	loop = own_disk_make(image, "ext4", LABEL, device);
	if (loop < 0)
		return NO_OWN_DISK;
	close(loop);
	loop = own_disk_attach(image, LO_FLAGS_READ_ONLY, device);
	EXPECT(loop >= 0 && mkdir(join(dir, "m"), 0755) == 0);
	spec.source = device;
	EXPECT(mount_make(&spec, soon(), &err) < 0 && strstr(err.text, "write-protect"));
	spec.options = "ro,noload";
	EXPECT(mount_make(&spec, soon(), &err) == 0);
	close(loop);
	return 0;
}

static void test_write_protected(void)
{
	own_disk_child(try_write_protected, "a write-protected device");
}

/* ---- names ---- */

static void test_source_names(void)
{
	static const struct {
		const char *wanted, *actual;
		bool same;
	} rows[] = {
		{ "tmpfs", "tmpfs", true },
		{ "tmpfs", "none", false },
		{ "host:/export", "host:/export/", true },
		{ "host:/export//", "host:/export", true },
		{ "host:/export", "host:/export2", false },
		{ "host:/", "host:", true },
		{ "/", "/", true },
		{ "", "", true },
		{ "", "tmpfs", false },
		{ "/dev/null", "/dev/zero", false },
		{ "/dev/membacking-none", "/dev/membacking-none2", false },
		{ "LABEL=membacking-none", "/dev/membacking-none", false },
		{ "LABEL=", "/dev/membacking-none", false },
		{ "UUID=\"", "/dev/membacking-none", false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		UNIT_CHECK(mount_source_is(rows[i].wanted, rows[i].actual) == rows[i].same,
			   "'%s' and '%s'", rows[i].wanted, rows[i].actual);
}

static void test_shared_types(void)
{
	static const struct {
		const char *fstype;
		bool shared;
	} rows[] = {
		{ "ext4", false },	{ "xfs", false },   { "tmpfs", false },
		{ "btrfs", false },	{ "nfs", true },    { "nfs4", true },
		{ "cifs", true },	{ "smb3", true },   { "9p", true },
		{ "virtiofs", true },	{ "ceph", true },   { "gfs2", true },
		{ "ocfs2", true },	{ "lustre", true }, { "beegfs", true },
		{ "afs", true },	{ "fuse", true },   { "fuseblk", true },
		{ "fuse.sshfs", true }, { "gpfs", true },   { "", true },
		{ "glusterfs", true },	{ "ext", true },    { "zfs", false },
		{ "autofs", true },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		UNIT_CHECK(mount_is_shared_type(rows[i].fstype) == rows[i].shared, "%s",
			   rows[i].fstype);
}

static CU_TestInfo tests[] = {
	{ "captured hosts", test_captured },
	{ "escapes, links, and what hides what", test_odd_table },
	{ "absurd tables", test_absurd_tables },
	{ "what can't be found", test_find_fails },
	{ "visiting all", test_for_each },
	{ "a tmpfs is mounted, covered, unmounted", test_tmpfs },
	{ "identities", test_identity },
	{ "a number that is given again", test_reused },
	{ "unmounting what is busy", test_busy },
	{ "mounts that fail have words", test_refused },
	{ "what fstab says, and no variable", test_fstab },
	{ "a device by name, label and image", test_device },
	{ "a write-protected device", test_write_protected },
	{ "sources", test_source_names },
	{ "types that hosts share", test_shared_types },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_mount", tests);
}

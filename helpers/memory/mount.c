// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Mounting and unmounting, in a child, and what a mount's source means.
 *
 * DOC: libmount and its environment
 *
 * What may run a helper program (mount.nfs), wait for a dead disk, or listen to
 * LIBMOUNT_* and BLKID_* variables runs in a child: without our stdio, with a deadline, and
 * with an environment of our own.
 */
#include "memory/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "memory/libmount.h"
#include "memory/path.h"
#include "process/child.h"

#define FSTAB "/etc/fstab"

/* Unmounting writes back what is dirty */
#define UNMOUNT_MS 30000

/* Without udev each device is read for its label */
#define LABEL_MS 10000

/* ---- in a child ---- */

struct job {
	const struct mount_spec *spec;
	bool trusted; /* struct path, of what is unmounted */
	struct err err;
};

static int in_child(int (*work)(void *arg), struct job *job, uint64_t deadline, struct err *err)
{
	const char *target = job->spec->target;
	int rc = child_call(work, job, sizeof(*job), deadline);

	/* It may have died at any point */
	job->err.text[sizeof(job->err.text) - 1] = '\0';
	if (rc == -ETIMEDOUT)
		err_set(err, ETIMEDOUT,
			"mounting or unmounting %s took too long: stopped; the kernel's log "
			"(dmesg) may say what it waits for",
			target);
	else if (rc < 0 && !*job->err.text)
		err_sys(err, -rc, "the child that mounts or unmounts %s failed", target);
	else if (rc < 0 && err)
		*err = job->err;
	return rc;
}

static bool given(const char *text)
{
	return text && *text;
}

/* What libmount's and the system call's results amount to */
static int outcome(struct libmnt_context *context, int rc, const char *what, struct err *err)
{
	/* libmount lists then all that it might be */
	static const char who_knows[] = "; dmesg has the reason, lsblk --fs what is on a device";
	char why[512] = "";
	int code = libmount.mnt_context_get_excode(context, rc, why, sizeof(why)), errnum = EIO;
	size_t len;

	if (rc == 0 && code == 0)
		return 0;
	if (rc == -MNT_ERR_NOFSTAB || rc == -MNT_ERR_NOSOURCE)
		errnum = ENODEV;
	else if (libmount.mnt_context_syscall_called(context))
		errnum = libmount.mnt_context_get_syscall_errno(context);
	else if (rc < 0 && rc > -256)
		errnum = -rc;
	if (errnum <= 0 || errnum >= 256)
		errnum = EIO;
	for (len = strlen(why); len && strchr(".\n ", why[len - 1]); len--)
		why[len - 1] = '\0';
	return err_set(err, errnum, "%s: %s%s", what, *why ? why : err_text(errnum),
		       errnum == EINVAL ? who_knows : "");
}

/* ---- mounting ---- */

static const char *source_of(const struct mount_spec *spec)
{
	/* Types without a device show their own name by custom */
	return given(spec->source) ? spec->source : spec->fstype;
}

static void describe(const struct mount_spec *spec, char *what, size_t size)
{
	if (!given(source_of(spec)))
		snprintf(what, size, "cannot mount %s as " FSTAB " says", spec->target);
	else
		snprintf(what, size, "cannot mount %s on %s (type %s, options %s)", source_of(spec),
			 spec->target, given(spec->fstype) ? spec->fstype : "auto",
			 given(spec->options) ? spec->options : "defaults");
}

/* Return: a descriptor */
static int open_target(const char *target, struct path *path, const char *what, struct err *err)
{
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = path_open(root, target, O_PATH | O_DIRECTORY, path);

	if (fd == -ENOTDIR)
		return err_set(err, ENOTDIR, "%s: the mount point is no directory", what);
	if (fd < 0)
		return err_set(err, -fd, "%s: the mount point%s: %s", what,
			       fd == -ENOENT ? " (mkdir -p makes it)" : "", path_why(-fd));
	return fd;
}

/* "LABEL=x": true also for anything that is not a tag */
static bool has_device(const char *source)
{
	cleanup_free char *device = NULL;

	if (!libmount.mnt_tag_is_valid(source))
		return true;
	device = libmount.mnt_resolve_spec(source, NULL);
	return device;
}

/* libmount reports a missing device in many ways, depending on version and type */
static int check_source(const char *source, const char *what, struct err *err)
{
	if (!has_device(source))
		return err_set(err, ENODEV,
			       "%s: there is no device with %s (blkid shows those there are)", what,
			       source);
	/* Two slashes: a CIFS share */
	if (source[0] == '/' && source[1] != '/' && access(source, F_OK) < 0 && errno == ENOENT)
		return err_set(err, ENODEV,
			       "%s: there is no device %s (lsblk shows those there are)", what,
			       source);
	return 0;
}

/* What libmount would find itself, were it allowed to look for names */
static int set_source(struct libmnt_context *context, const char *source, bool by_name)
{
	cleanup_free char *device = NULL;

	if (!by_name && source &&
	    (libmount.mnt_tag_is_valid(source) || (source[0] == '/' && source[1] != '/')))
		device = libmount.mnt_resolve_spec(source, NULL);
	return libmount.mnt_context_set_source(context, device ? device : source);
}

/* libmount's own look would be for the name that the context has, which is "." */
static int use_line(struct libmnt_context *context, struct libmnt_fs *fs, const char *more)
{
	const char *fstype = libmount.mnt_fs_get_fstype(fs),
		   *options = libmount.mnt_fs_get_options(fs);
	cleanup_free char *all = NULL;

	if (asprintf(&all, "%s%s%s", given(options) ? options : "defaults", given(more) ? "," : "",
		     given(more) ? more : "") < 0)
		return -ENOMEM;
	if (set_source(context, libmount.mnt_fs_get_source(fs), false) ||
	    (given(fstype) && libmount.mnt_context_set_fstype(context, fstype)) ||
	    libmount.mnt_context_set_options(context, all))
		return -ENOMEM;
	return 0;
}

static int use_fstab(struct libmnt_context *context, const struct mount_spec *spec, bool by_name,
		     const char *what, struct err *err)
{
	struct libmnt_table *table = libmount.mnt_new_table();
	struct libmnt_fs *fs = NULL;
	const char *source = NULL;
	int rc = -ENOMEM;

	if (table && libmount.mnt_table_parse_fstab(table, FSTAB) == 0) {
		fs = libmount.mnt_table_find_target(table, spec->target, MNT_ITER_BACKWARD);
		source = fs ? libmount.mnt_fs_get_source(fs) : NULL;
		if (!by_name)
			rc = fs ? use_line(context, fs, spec->options) : 0;
		else
			rc = libmount.mnt_context_set_fstab(context, table);
	}
	if (rc)
		rc = err_set(err, EIO, "%s: it can't be read", what);
	else if (!fs)
		rc = err_set(err, ENODEV,
			     "%s: there is no line for it: add one, or give the store a source in "
			     "membacking.conf",
			     what);
	else if (source)
		rc = check_source(source, what, err);
	libmount.mnt_unref_table(table);
	return rc;
}

static int use_spec(struct libmnt_context *context, const struct mount_spec *spec, bool by_name,
		    const char *what, struct err *err)
{
	const char *source = source_of(spec);
	int rc = check_source(source, what, err);

	if (rc < 0)
		return rc;
	if (set_source(context, source, by_name) ||
	    (given(spec->fstype) && libmount.mnt_context_set_fstype(context, spec->fstype)))
		return err_nomem(err);
	return 0;
}

/* Where others can put a link on the way, the kernel is given the directory itself, in which we
 * stand, and no name.  A helper program would look for the name again: there is none */
static int set_target(struct libmnt_context *context, const struct path *path, int fd)
{
	if (path->trusted)
		return libmount.mnt_context_set_target(context, path->name);
	if (fchdir(fd) < 0)
		return -errno;
	libmount.mnt_context_disable_canonicalize(context, 1);
	libmount.mnt_context_disable_helpers(context, 1);
	libmount.mnt_context_disable_mtab(context, 1);
	return libmount.mnt_context_set_target(context, ".");
}

static int set_up(struct libmnt_context *context, const struct mount_spec *spec, bool by_name,
		  const char *what, struct err *err)
{
	if (given(spec->options) && libmount.mnt_context_set_options(context, spec->options))
		return err_nomem(err);
	/* No quiet read-only mount of a write-protected device */
	libmount.mnt_context_enable_rwonly_mount(context, 1);
	if (given(source_of(spec)))
		return use_spec(context, spec, by_name, what, err);
	return use_fstab(context, spec, by_name, what, err);
}

static int make_work(void *arg)
{
	struct job *job = arg;
	const struct mount_spec *spec = job->spec;
	struct libmnt_context *context;
	cleanup_close int fd = -1;
	struct path path;
	char what[1024];
	int rc;

	describe(spec, what, sizeof(what));
	fd = open_target(spec->target, &path, what, &job->err);
	if (fd < 0)
		return fd;
	child_set_environment();
	context = libmount.mnt_new_context();
	if (!context || set_target(context, &path, fd))
		return err_set(&job->err, ENOMEM, "out of memory");
	rc = set_up(context, spec, path.trusted, what, &job->err);
	if (rc == 0)
		rc = outcome(context, libmount.mnt_context_mount(context), what, &job->err);
	libmount.mnt_free_context(context);
	return rc;
}

int mount_make(const struct mount_spec *spec, uint64_t deadline, struct err *err)
{
	struct job job = { .spec = spec };
	int rc = libmount_load(err);

	return rc < 0 ? rc : in_child(make_work, &job, deadline, err);
}

/* ---- unmounting ---- */

/* By the name in its directory, which is opened; umount(2) takes no descriptor */
static int remove_below_others(const char *name, const char *what, struct err *err)
{
	const char *slash = strrchr(name, '/');
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%.*s", slash == name ? 1 : (int)(slash - name), name);
	fd = path_open(root, dir, O_PATH | O_DIRECTORY, NULL);
	if (fd < 0)
		return err_set(err, -fd, "%s: %s", what, path_why(-fd));
	if (fchdir(fd) < 0 || umount2(slash + 1, UMOUNT_NOFOLLOW) < 0)
		return err_sys(err, errno, "%s", what);
	return 0;
}

static int remove_work(void *arg)
{
	struct job *job = arg;
	struct libmnt_context *context;
	char what[MOUNT_PATH_SIZE + 32];
	int rc = -ENOMEM;

	child_set_environment();
	snprintf(what, sizeof(what), "cannot unmount %s", job->spec->target);
	if (!job->trusted)
		return remove_below_others(job->spec->target, what, &job->err);
	context = libmount.mnt_new_context();
	if (!context || libmount.mnt_context_set_target(context, job->spec->target))
		return err_set(&job->err, ENOMEM, "out of memory");
	rc = outcome(context, libmount.mnt_context_umount(context), what, &job->err);
	libmount.mnt_free_context(context);
	return rc;
}

int mount_remove(const struct kfs *kfs, const char *target, const char *identity, struct err *err)
{
	struct mount_info info;
	const struct mount_spec spec = { .target = info.target };
	struct job job = { .spec = &spec };
	struct path real;
	int rc = mount_find_path(kfs, target, &info, &real, err);

	if (rc < 0)
		return rc;
	if (rc == 0 || !mount_is_same(info.identity, identity))
		return 0;
	job.trusted = real.trusted;
	return in_child(remove_work, &job, clock_ms() + UNMOUNT_MS, err);
}

/* ---- sources and types ---- */

/* An image file as the source is mounted through a loop device */
static bool is_behind_loop(const struct stat *file, int device)
{
	cleanup_close int fd = -1;
	struct loop_info64 info;
	char self[48];

	/* What was looked at, and not what the name leads to by now */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", device);
	fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 &&
	       info.lo_device == file->st_dev && info.lo_inode == file->st_ino;
}

/* A user who mounts a FUSE names its source as he likes: no link of his is followed */
static bool same_file(const char *wanted, const char *actual)
{
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int wantedfd = path_open(root, wanted, O_PATH, NULL);
	cleanup_close int actualfd = path_open(root, actual, O_PATH, NULL);
	struct stat w, a;

	if (wantedfd < 0 || actualfd < 0 || fstat(wantedfd, &w) < 0 || fstat(actualfd, &a) < 0 ||
	    !S_ISBLK(a.st_mode))
		return false;
	if (S_ISBLK(w.st_mode))
		return w.st_rdev == a.st_rdev;
	return S_ISREG(w.st_mode) && major(a.st_rdev) == LOOP_MAJOR && is_behind_loop(&w, actualfd);
}

/* "host:/export" and "host:/export/" */
static bool same_name(const char *a, const char *b)
{
	size_t i = strlen(a), j = strlen(b);

	while (i > 1 && a[i - 1] == '/')
		i--;
	while (j > 1 && b[j - 1] == '/')
		j--;
	return i == j && !memcmp(a, b, i);
}

static int label_work(void *arg)
{
	const struct job *job = arg;
	cleanup_free char *device = NULL;

	child_set_environment();
	device = libmount.mnt_resolve_spec(job->spec->source, NULL);
	return device && same_file(device, job->spec->target) ? 0 : -ENODEV;
}

/* The image may lie on a server that is gone */
static int file_work(void *arg)
{
	const struct job *job = arg;

	return same_file(job->spec->source, job->spec->target) ? 0 : -ENODEV;
}

bool mount_source_is(const char *wanted, const char *actual)
{
	const struct mount_spec spec = { .source = wanted, .target = actual };
	struct job job = { .spec = &spec };

	if (same_name(wanted, actual))
		return true;
	if (*wanted == '/')
		return *actual == '/' &&
		       in_child(file_work, &job, clock_ms() + LABEL_MS, NULL) == 0;
	if (libmount_load(NULL) < 0 || !libmount.mnt_tag_is_valid(wanted))
		return false;
	return in_child(label_work, &job, clock_ms() + LABEL_MS, NULL) == 0;
}

bool mount_is_shared_type(const char *fstype)
{
	/* The local ones, as whatever is forgotten must not cost another host's guests
	 * their memory.  FUSE is not among them: anything may be behind it */
	static const char *const local[] = {
		"bcachefs", "btrfs",	 "erofs", "exfat",  "ext2",    "ext3",	"ext4",
		"f2fs",	    "hugetlbfs", "jfs",	  "nilfs2", "overlay", "ramfs", "reiserfs",
		"rootfs",   "tmpfs",	 "udf",	  "vfat",   "xfs",     "zfs",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(local); i++)
		if (!strcmp(fstype, local[i]))
			return false;
	return true;
}

bool mount_has_device(const char *source)
{
	return libmount_load(NULL) < 0 || has_device(source);
}

bool mount_in_fstab(const char *target)
{
	struct libmnt_table *table;
	bool found;

	if (libmount_load(NULL) < 0)
		return false;
	table = libmount.mnt_new_table();
	if (!table)
		return false;
	found = libmount.mnt_table_parse_fstab(table, FSTAB) == 0 &&
		libmount.mnt_table_find_target(table, target, MNT_ITER_BACKWARD);
	libmount.mnt_unref_table(table);
	return found;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A store's directories: opening, measuring, removing a guest's files.
 */
#include "memory/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/open_files.h"
#include "memory/openat2.h"
#include "memory/path.h"
#include "process/child.h"

/* For a look at what a guest's files hold */
#define USE_MS 1000

/* For a look at the open files of the host, of which there may be very many */
#define LOOK_MS 5000

/* More is no guest's directory: it has a file for each cell and each dimm */
#define FILES_MAX 4096

/* As many as are looked at in one go; QEMU's user could make any number */
#define GUESTS_MAX 16384

/* A slow server answers within this; all others wait behind the host lock meanwhile */
#define ANSWER_MS 3000

/* ---- the file system ---- */

static uint64_t blocks_to_kib(uint64_t blocks, uint64_t unit)
{
	return unit < 1024 ? u64_mul_sat(blocks, unit) / 1024 : u64_mul_sat(blocks, unit / 1024);
}

static int read_sizes(int fd, struct store_state *state)
{
	struct statfs fs;
	uint64_t unit;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	unit = (uint64_t)(fs.f_frsize ? fs.f_frsize : fs.f_bsize);
	state->capacity_kib = blocks_to_kib(fs.f_blocks, unit);
	state->free_kib = blocks_to_kib(fs.f_bfree, unit);
	state->available_kib = blocks_to_kib(fs.f_bavail, unit);
	state->in_ram = (unsigned int)fs.f_type == TMPFS_MAGIC ||
			(unsigned int)fs.f_type == RAMFS_MAGIC;
	return 0;
}

/* By both numbers: a subvolume of btrfs has one of its own in stat(), and a mount of
 * "/" may be hidden in a chroot */
static bool is_root(const struct kfs *kfs, const struct stat *st, const struct mount_info *mount)
{
	struct mount_info root;
	struct stat top;

	if (fstat(kfs->rootfd, &top) == 0 && top.st_dev == st->st_dev)
		return true;
	return mount_find(kfs, "/", &root, NULL) >= 0 && !strcmp(root.devno, mount->devno);
}

/* A look at a directory, in a child: only that can be given up */
struct look {
	const struct kfs *kfs;
	const char *path;
	struct stat st;
	struct store_state state;
	bool opened;
};

static int look_work(void *arg)
{
	struct look *look = arg;
	/* O_DIRECTORY makes automount mount what belongs here */
	cleanup_close int fd = path_open(look->kfs->rootfd, look->path, O_PATH | O_DIRECTORY, NULL);

	if (fd < 0)
		return fd;
	look->opened = true;
	look->state.present = true;
	return fstat(fd, &look->st) < 0 ? -errno : read_sizes(fd, &look->state);
}

static int look_at(struct look *look, struct err *err)
{
	int rc = child_call(look_work, look, sizeof(*look), clock_ms() + ANSWER_MS);

	if (rc == -ETIMEDOUT)
		return err_set(err, ETIMEDOUT,
			       "the file system at %s does not answer: see whether its server or "
			       "device is alive, or unmount it with: umount -l %s",
			       look->path, look->path);
	if (rc < 0)
		return err_set(err, -rc, "cannot %s %s: %s",
			       look->opened ? "tell the state of the file system at" : "open",
			       look->path, path_why(-rc));
	return 0;
}

int store_read(const struct kfs *kfs, const char *path, struct store_state *state, struct err *err)
{
	struct look look = { .kfs = kfs, .path = path };
	int rc = look_at(&look, err);

	if (rc == -ENOENT && !look.opened) {
		*state = (struct store_state){ .present = false };
		return 0;
	}
	if (rc == 0)
		rc = mount_find(kfs, path, &look.state.mount, err);
	if (rc < 0)
		return rc;
	look.state.mountpoint = rc;
	look.state.root = is_root(kfs, &look.st, &look.state.mount);
	look.state.traversable = look.st.st_mode & S_IXOTH;
	*state = look.state;
	return 0;
}

int store_answers(const struct kfs *kfs, const char *path, struct err *err)
{
	struct look look = { .kfs = kfs, .path = path };

	return look_at(&look, err) == -ETIMEDOUT ? -ETIMEDOUT : 0;
}

/* ---- BASE ---- */

static int open_dir(int dirfd, const char *name)
{
	int fd = openat2_open(dirfd, name, O_RDONLY | O_DIRECTORY | O_NONBLOCK, OPENAT2_DISTRUST);

	return fd < 0 ? -errno : fd;
}

static const char *why_not(int errnum)
{
	switch (errnum) {
	case ELOOP:
		return "it is a symbolic link: refusing to follow it";
	case EXDEV:
		return "it is a mount point: refusing to cross it";
	case ENOTDIR:
		return "it is not a directory";
	}
	return err_text(errnum);
}

/* Passing through is all that is allowed; what the directory is called is no secret */
static int make_passable(int fd)
{
	const mode_t pass = S_IXUSR | S_IXGRP | S_IXOTH;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & pass) == pass)
		return 0;
	return fchmod(fd, (st.st_mode & 07777) | pass) < 0 ? -errno : 0;
}

static int make_dir(int dirfd, const char *name)
{
	int fd;

	if (mkdirat(dirfd, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open_dir(dirfd, name);
	/* Whatever the umask.  If another process was quicker it is passable too */
	if (fd >= 0 && fchmod(fd, 0755) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

static int enter(int dirfd, const char *name, bool make)
{
	int fd = open_dir(dirfd, name), rc = 0;

	if (!make)
		return fd;
	if (fd == -ENOENT)
		return make_dir(dirfd, name);
	if (fd >= 0)
		rc = make_passable(fd);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

int store_open_base(const struct kfs *kfs, const char *path, const char *below, bool make,
		    struct err *err)
{
	int fd = path_open(kfs->rootfd, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, NULL);
	char name[STORE_NAME_SIZE];

	if (fd < 0)
		return err_set(err, -fd, "cannot open %s: %s", path, path_why(-fd));
	while (*(below += strspn(below, "/"))) {
		size_t len = strcspn(below, "/");
		int next = -ENAMETOOLONG;

		if (len < sizeof(name)) {
			memcpy(name, below, len);
			name[len] = '\0';
			next = enter(fd, name, make);
		}
		close(fd);
		if (next < 0)
			return err_set(err, -next, "cannot open '%.*s' in %s: %s", (int)len, below,
				       path, why_not(-next));
		fd = next;
		below += len;
	}
	return fd;
}

/* ---- entries of a directory ---- */

/* Return: 0 to go on */
typedef int visit_entry(void *arg, int dirfd, const char *name, const struct stat *st);

static int visit_dir(DIR *dir, size_t max, uint64_t deadline, visit_entry *visit, void *arg)
{
	struct dirent *entry;
	size_t n = 0;
	int rc = 0;

	while (!rc && (errno = 0, entry = readdir(dir))) {
		const char *name = entry->d_name;
		struct stat st;

		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		if (n++ == max)
			return -E2BIG;
		if (!clock_left_ms(deadline))
			return -ETIMEDOUT;
		if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			rc = visit(arg, dirfd(dir), name, &st);
		else if (errno != ENOENT)
			rc = -errno;
	}
	return rc ? rc : -errno;
}

/* Return: also -E2BIG and -ETIMEDOUT, when some were not visited */
static int for_each_entry(int fd, size_t max, uint64_t deadline, visit_entry *visit, void *arg)
{
	/* A descriptor of its own: they share their place in the list otherwise */
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	int rc;

	if (!dir) {
		rc = -errno;
		if (own >= 0)
			close(own);
		return rc;
	}
	rc = visit_dir(dir, max, deadline, visit, arg);
	closedir(dir);
	return rc;
}

/* ---- a guest's directory ---- */

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	return len && len < STORE_NAME_SIZE && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static uint64_t held_kib(const struct stat *st)
{
	return S_ISREG(st->st_mode) ? (uint64_t)st->st_blocks / 2 : 0;
}

static int add_use(void *arg, int dirfd, const char *name, const struct stat *st)
{
	struct store_use *use = arg;

	(void)dirfd;
	(void)name;
	use->held_kib = u64_add_sat(use->held_kib, held_kib(st));
	if (S_ISREG(st->st_mode))
		use->size_kib = u64_add_sat(use->size_kib, u64_div_up((uint64_t)st->st_size, 1024));
	return 0;
}

struct store_use store_guest_use(int basefd, const char *name)
{
	cleanup_close int fd = is_name(name) ? open_dir(basefd, name) : -EINVAL;
	struct store_use use = { 0 };

	if (fd >= 0)
		for_each_entry(fd, FILES_MAX, clock_ms() + USE_MS, add_use, &use);
	return use;
}

bool store_guest_has(int basefd, const char *name, const char *file, uint64_t inode)
{
	cleanup_close int fd = is_name(name) && is_name(file) ? open_dir(basefd, name) : -EINVAL;
	struct stat st;

	return fd >= 0 && fstatat(fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_ino == inode;
}

struct removal {
	const struct kfs *kfs;
	struct open_files *files; /* NULL: a look for each file */
	uint64_t deadline;	  /* for the look, and for all of the directory */
	const char *guest;
	uint64_t kib;
	char foreign[STORE_NAME_SIZE]; /* the first thing that stays */
	struct err *err;
};

/* @prefix and a number */
static bool is_numbered(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	return !strncmp(name, prefix, len) && name[len] &&
	       strspn(name + len, "0123456789") == strlen(name + len);
}

/* What libvirt calls the files: the machine's RAM id ("pc.ram", "mach-virt.ram"), a cell,
 * a device's alias, its own or the user's.  An nvdimm's path is the user's choice, and
 * may be here under any other name */
static bool is_memory_file(const char *name)
{
	size_t len = strlen(name);

	if (len > 4 && !strcmp(name + len - 4, ".ram"))
		return true;
	return !strcmp(name, "ram") || !strncmp(name, "ua-", 3) || is_numbered(name, "ram-node") ||
	       is_numbered(name, "dimm") || is_numbered(name, "virtiomem");
}

/* Is it open anywhere?  Our own descriptor is closed again before others' are
 * looked at */
static int ask(int dirfd, const char *name)
{
	cleanup_close int fd =
		openat2_open(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, OPENAT2_DISTRUST);

	if (fd >= 0)
		return open_files_lease(fd);
	/* EAGAIN: another process has a lease */
	return errno == EAGAIN ? 1 : -EOPNOTSUPP;
}

static int check_unused(void *arg, int dirfd, const char *name, const struct stat *st)
{
	const struct removal *removal = arg;
	struct open_files_user user;
	int rc, found;

	if (!S_ISREG(st->st_mode))
		return 0;
	rc = ask(dirfd, name);
	if (!rc)
		return 0;
	found = open_files_in(removal->kfs, removal->files, removal->deadline, st->st_dev,
			      st->st_ino, &user);
	if (found < 0)
		return err_sys(removal->err, -found, "%s/%s: cannot find out who has it open",
			       removal->guest, name);
	if (found)
		return err_set(removal->err, EBUSY, "%s/%s is in use by %s (process %d)",
			       removal->guest, name, user.comm, (int)user.pid);
	if (rc < 0)
		return 0;
	return err_set(removal->err, EBUSY,
		       "%s/%s is in use by a process that can't be seen from here, or by the "
		       "kernel itself",
		       removal->guest, name);
}

/* A file that is opened between the check and this loses its name only, as libvirt
 * does to running guests when it destroys them */
static int unlink_entry(void *arg, int dirfd, const char *name, const struct stat *st)
{
	struct removal *removal = arg;

	if (S_ISDIR(st->st_mode) || !is_memory_file(name)) {
		if (!*removal->foreign)
			snprintf(removal->foreign, sizeof(removal->foreign), "%s", name);
		return 0;
	}
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(removal->err, errno, "cannot remove %s/%s", removal->guest, name);
	removal->kib = u64_add_sat(removal->kib, held_kib(st));
	return 0;
}

static int empty_dir(int fd, struct removal *removal)
{
	int rc;

	/* Nothing of a guest is touched that may be alive in part */
	if (removal->err)
		*removal->err->text = '\0';
	rc = for_each_entry(fd, FILES_MAX, removal->deadline, check_unused, removal);
	if (rc == 0)
		rc = for_each_entry(fd, FILES_MAX, removal->deadline, unlink_entry, removal);
	if (rc == -E2BIG)
		return err_set(removal->err, E2BIG, "%s holds more than %d files: left as it is",
			       removal->guest, FILES_MAX);
	if (rc == -ETIMEDOUT && removal->err && !*removal->err->text)
		return err_set(removal->err, ETIMEDOUT,
			       "there was no time for all files of %s: the next operation goes on",
			       removal->guest);
	if (rc < 0 && removal->err && !*removal->err->text)
		return err_sys(removal->err, -rc, "cannot list %s", removal->guest);
	if (rc == 0 && *removal->foreign)
		return err_set(
			removal->err, ENOTEMPTY,
			"%s holds %s, which libvirt never makes there: look at it and remove "
			"it",
			removal->guest, removal->foreign);
	return rc;
}

static int remove_name(int basefd, const char *name, int flags, struct err *err)
{
	if (unlinkat(basefd, name, flags) < 0 && errno != ENOENT)
		return err_sys(err, errno, "cannot remove %s", name);
	return 1;
}

int store_remove_guest_within(const struct kfs *kfs, struct open_files *files, uint64_t deadline,
			      int basefd, const char *name, uint64_t *removed_kib, struct err *err)
{
	struct removal removal = {
		.kfs = kfs,
		.files = files,
		.deadline = deadline,
		.guest = name,
		.err = err,
	};
	cleanup_close int fd = is_name(name) ? open_dir(basefd, name) : -EINVAL;
	int rc;

	if (removed_kib)
		*removed_kib = 0;
	if (fd == -ENOENT)
		return 0;
	if (fd == -ELOOP)
		return remove_name(basefd, name, 0, err);
	if (fd == -EINVAL)
		return err_set(err, EINVAL, "'%s' is no name of a guest's directory", name);
	if (fd < 0)
		return err_set(
			err, -fd, "cannot remove %s: %s%s", name,
			fd == -ENOTDIR || fd == -EXDEV ? "" : "it can't be opened: ", why_not(-fd));
	rc = empty_dir(fd, &removal);
	if (removed_kib)
		*removed_kib = removal.kib;
	return rc < 0 ? rc : remove_name(basefd, name, AT_REMOVEDIR, err);
}

int store_remove_guest(const struct kfs *kfs, int basefd, const char *name, uint64_t *removed_kib,
		       struct err *err)
{
	/* QEMU's user decides how many files there are: one look has to do for all of them */
	struct open_files files = { 0 };
	int rc = store_remove_guest_within(kfs, &files, clock_ms() + LOOK_MS, basefd, name,
					   removed_kib, err);

	open_files_free(&files);
	return rc;
}

/* ---- all guests ---- */

/* ID-SHORTNAME, and ids begin with 1 */
static bool is_guest(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return *name != '0' && digits && digits <= 10 && name[digits] == '-' && name[digits + 1];
}

struct names {
	char **list;
	size_t n;
	size_t room;
};

static int add_name(void *arg, int dirfd, const char *name, const struct stat *st)
{
	struct names *names = arg;

	(void)dirfd;
	/* A link is nothing that libvirt makes, but it would follow it */
	if (!is_guest(name) || (!S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode)))
		return 0;
	if (names->n == names->room) {
		size_t room = names->room ? 2 * names->room : 16;
		char **list = reallocarray(names->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		names->list = list;
		names->room = room;
	}
	names->list[names->n] = strdup(name);
	return names->list[names->n++] ? 0 : -ENOMEM;
}

int store_guests(int basefd, uint64_t deadline, char ***names, size_t *n, struct err *err)
{
	struct names found = { 0 };
	int rc = for_each_entry(basefd, GUESTS_MAX, deadline, add_name, &found);

	if (rc == 0 || rc == -E2BIG || rc == -ETIMEDOUT) {
		*names = found.list;
		*n = found.n;
		return rc < 0;
	}
	while (found.n)
		free(found.list[--found.n]);
	free(found.list);
	return err_sys(err, -rc, "cannot list the guests' directories");
}

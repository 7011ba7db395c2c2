// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The directory of our state below /run.
 */
#include "lifecycle/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/text.h"

/* A holder has one small file to read and to write.  A hundred of them are done in a second,
 * and libvirt's call of the hook is not held up for long by one that was stopped */
#define FILES_WAIT_MS 10000

/* Room for some ledgers */
enum { ROOM_BYTES = 64 * 1024, ROOM_FILES = 16 };

int state_open(int rootfd, bool create, struct state *state, struct err *err)
{
	int (*open_dir)(int, const char *, struct err *) = create ? file_make_dir : file_open_dir;
	struct state result = STATE_CLOSED;
	int rc;

	result.dirfd = rc = open_dir(rootfd, STATE_DIR, err);
	if (rc < 0)
		return err_prefix(err, rc, "the state directory /" STATE_DIR);
	result.guestsfd = rc = open_dir(result.dirfd, "guests", err);
	if (rc < 0) {
		close(result.dirfd);
		return err_prefix(err, rc, "the state directory /" STATE_DIR);
	}
	result.files_wait_ms = FILES_WAIT_MS;
	*state = result;
	return 0;
}

void state_close(struct state *state)
{
	state_unlock(state);
	if (state->guestsfd >= 0)
		close(state->guestsfd);
	if (state->dirfd >= 0)
		close(state->dirfd);
	*state = STATE_CLOSED;
}

/* Is there nothing in a directory that @counts?  One that can't be looked into may hold
 * anything */
static bool is_empty(int rootfd, const char *path, bool (*counts)(const char *name))
{
	int fd = openat(rootfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	bool empty = true;
	DIR *dir;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return false;
	}
	while (empty && (errno = 0, entry = readdir(dir)))
		empty = !counts(entry->d_name);
	if (empty && errno)
		empty = false;
	closedir(dir);
	return empty;
}

static bool is_visible(const char *name)
{
	return *name != '.';
}

bool state_is_empty(int rootfd)
{
	return is_empty(rootfd, STATE_DIR "/guests", text_is_uuid) &&
	       is_empty(rootfd, STATE_DIR "/shared", is_visible);
}

bool state_has(const struct state *state, const char *uuid)
{
	/* If it can't be looked up, it may exist */
	return faccessat(state->guestsfd, uuid, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

int state_lock(struct state *state, uint64_t deadline, struct err *err)
{
	int fd = lock_take_at(state->dirfd, LOCK_HOST, deadline, err);

	if (fd < 0)
		return fd;
	state->lockfd = fd;
	return 0;
}

void state_unlock(struct state *state)
{
	lock_release(&state->lockfd);
}

bool state_has_room(const struct state *state)
{
	struct statvfs fs;

	/* Nothing of a file system without limits is counted */
	if (fstatvfs(state->dirfd, &fs) < 0)
		return false;
	return (!fs.f_blocks || fs.f_bavail >= ROOM_BYTES / fs.f_bsize) &&
	       (!fs.f_files || fs.f_favail >= ROOM_FILES);
}

int state_lock_files(const struct state *state, struct err *err)
{
	return lock_take_at(state->dirfd, LOCK_FILES, clock_ms() + state->files_wait_ms, err);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lifecycle/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/text.h"

/* Those who hold it have one small file to read and to write */
#define FILES_WAIT_MS 1000

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

/* Is there nothing in a directory that @counts? */
static bool is_empty(int rootfd, const char *path, bool (*counts)(const char *name))
{
	int fd = openat(rootfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	bool empty = true;
	DIR *dir;

	if (fd < 0)
		return true;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return false;
	}
	while (empty && (entry = readdir(dir)))
		empty = !counts(entry->d_name);
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
	return faccessat(state->guestsfd, uuid, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int state_lock(struct state *state, uint64_t deadline, struct err *err)
{
	int fd = openat(state->dirfd, "lock",
			O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);
	int rc = 0;

	if (fd < 0)
		return err_sys(err, errno, "cannot open /" STATE_DIR "/lock");
	/* Try first: no timer is needed when nobody else is there */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		rc = -errno;
		if (rc == -EWOULDBLOCK && deadline) {
			clock_alarm_start(clock_left_ms(deadline));
			do {
				rc = flock(fd, LOCK_EX) < 0 ? -errno : 0;
			} while (rc == -EINTR && clock_left_ms(deadline));
			clock_alarm_stop();
		}
	}
	if (rc == 0) {
		state->lockfd = fd;
		return 0;
	}
	close(fd);
	if (rc == -EINTR)
		return err_set(err, ETIMEDOUT,
			       "another libvirt-membacking operation holds /" STATE_DIR
			       "/lock (see: fuser -v /" STATE_DIR "/lock); if the host is only "
			       "busy, raise lock_deadline in membacking.conf");
	if (rc == -EWOULDBLOCK)
		return err_set(err, EAGAIN, "another libvirt-membacking operation is under way");
	return err_sys(err, -rc, "cannot lock /" STATE_DIR "/lock");
}

void state_unlock(struct state *state)
{
	if (state->lockfd < 0)
		return;
	/* A child that could not be killed has the descriptor too */
	flock(state->lockfd, LOCK_UN);
	close(state->lockfd);
	state->lockfd = -1;
}

void state_lock_files(const struct state *state)
{
	int tries = 0;

	while (flock(state->dirfd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK &&
	       tries++ < FILES_WAIT_MS)
		clock_sleep_ms(1);
}

void state_unlock_files(const struct state *state)
{
	flock(state->dirfd, LOCK_UN);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What an adoption that was cut short has left open in QEMU.
 */
#include "pager/adoption_left.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "pager/process_fd.h"

#define NOTE_MAX 512

/* ---- the note ---- */

/* "PID START-TIME", then a line for each pipe's inode */
int adoption_note_write(int directory, const struct map_identity *identity, struct err *err)
{
	char text[NOTE_MAX];
	size_t n;
	uint32_t i;

	n = (size_t)snprintf(text, sizeof(text), "%d %" PRIu64 "\n", (int)identity->pid,
			     identity->start_time);
	for (i = 0; i < identity->n_pipes && i < PAGER_PIPES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%" PRIu64 "\n",
				      identity->pipe_ino[i]);
	return file_replace_at(directory, ADOPTION_NOTE, text, n, err);
}

int adoption_note_read(int directory, struct map_identity *identity, struct err *err)
{
	cleanup_free char *text = NULL;
	const char *line;
	int rc = file_read_at(directory, ADOPTION_NOTE, NOTE_MAX, &text, NULL, err);

	if (rc < 0)
		return rc;
	*identity = (struct map_identity){ .uffd = -1 };
	if (sscanf(text, "%d %" SCNu64, &identity->pid, &identity->start_time) != 2 ||
	    identity->pid <= 0)
		return err_set(err, EINVAL, "%s: not as it was written", ADOPTION_NOTE);
	for (line = strchr(text, '\n'); line && identity->n_pipes < PAGER_PIPES_MAX;
	     line = strchr(line + 1, '\n'))
		if (sscanf(line, "%" SCNu64, &identity->pipe_ino[identity->n_pipes]) == 1)
			identity->n_pipes++;
	return 0;
}

int adoption_note_remove(int directory, struct err *err)
{
	if (unlinkat(directory, ADOPTION_NOTE, 0) == 0 || errno == ENOENT)
		return 0;
	return err_sys(err, errno, "remove %s", ADOPTION_NOTE);
}

/* ---- descriptors ---- */

static bool is_our_pipe(const struct stat *st, const struct map_identity *identity)
{
	uint32_t i;

	if (!S_ISFIFO(st->st_mode))
		return false;
	for (i = 0; i < identity->n_pipes; i++)
		if (identity->pipe_ino[i] == st->st_ino)
			return true;
	return false;
}

static bool is_device(const struct stat *st)
{
	struct stat device;

	return S_ISCHR(st->st_mode) && stat("/dev/userfaultfd", &device) == 0 &&
	       device.st_rdev == st->st_rdev;
}

/* "API: aa:FEATURES:IOCTLS"; there are none before UFFDIO_API */
static bool is_fresh_userfaultfd(int fd)
{
	char path[64], line[128];
	unsigned int features = 1;
	FILE *f;

	if (!fd_is_userfaultfd(fd))
		return false;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "API: %*x:%x:", &features) == 1)
			break;
	fclose(f);
	return features == 0;
}

static bool was_there(const struct adoption_sockets *before, ino_t ino)
{
	size_t i;

	for (i = 0; i < before->n; i++)
		if (before->ino[i] == ino)
			return true;
	return false;
}

/* One of a pair that was made by a call of ours */
static bool is_new_pair(int fd, const struct stat *st, const struct adoption_sockets *before)
{
	struct sockaddr_un own, other;
	socklen_t own_size = sizeof(own), other_size = sizeof(other), size = sizeof(int);
	int type = 0;

	if (!before || !S_ISSOCK(st->st_mode) || was_there(before, st->st_ino))
		return false;
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM &&
	       getsockname(fd, (struct sockaddr *)&own, &own_size) == 0 &&
	       own.sun_family == AF_UNIX && own_size == sizeof(own.sun_family) &&
	       getpeername(fd, (struct sockaddr *)&other, &other_size) == 0 &&
	       other_size == sizeof(other.sun_family);
}

/* Ours, and what it is told by */
static bool take_left(int pidfd, int number, const struct map_identity *identity,
		      const struct adoption_sockets *before, struct adopt_fd *left)
{
	cleanup_close int fd = process_fd_take(pidfd, number, NULL);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	if (!is_our_pipe(&st, identity) && !is_device(&st) && !is_fresh_userfaultfd(fd) &&
	    !(number == identity->uffd && fd_is_userfaultfd(fd)) && !is_new_pair(fd, &st, before))
		return false;
	*left = (struct adopt_fd){ number, st.st_dev, st.st_ino };
	return true;
}

static int list_numbers(const struct kfs *kfs, pid_t pid, uint64_t **numbers, struct err *err)
{
	char path[KFS_PATH_SIZE];

	snprintf(path, sizeof(path), "proc/%d/fd", (int)pid);
	return kfs_list_numbers(kfs, path, "", "", numbers, err);
}

int adoption_sockets_read(struct adoption_sockets *sockets, const struct kfs *kfs, int pidfd,
			  pid_t pid, struct err *err)
{
	cleanup_free uint64_t *numbers = NULL;
	int n = list_numbers(kfs, pid, &numbers, err), i;
	struct stat st;

	*sockets = (struct adoption_sockets){ 0 };
	if (n < 0)
		return n;
	sockets->ino = calloc((size_t)n + 1, sizeof(*sockets->ino));
	if (!sockets->ino)
		return err_nomem(err);
	for (i = 0; i < n; i++)
		if (process_fd_stat(pidfd, (int)numbers[i], &st, NULL) == 0 && S_ISSOCK(st.st_mode))
			sockets->ino[sockets->n++] = st.st_ino;
	return 0;
}

void adoption_sockets_free(struct adoption_sockets *sockets)
{
	free(sockets->ino);
	*sockets = (struct adoption_sockets){ 0 };
}

int adoption_left(const struct kfs *kfs, int pidfd, const struct map_identity *identity,
		  const struct adoption_sockets *before, struct adopt_fd *fds, struct err *err)
{
	cleanup_free uint64_t *numbers = NULL;
	int n = list_numbers(kfs, identity->pid, &numbers, err), i, found = 0;

	if (n < 0)
		return n;
	for (i = 0; i < n && found < ADOPT_CLOSE_MAX; i++)
		found += take_left(pidfd, (int)numbers[i], identity, before, &fds[found]);
	return found;
}

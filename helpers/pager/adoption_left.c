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

static bool is_our_pipe(uint64_t ino, const struct map_identity *identity)
{
	uint32_t i;

	for (i = 0; i < identity->n_pipes; i++)
		if (identity->pipe_ino[i] == ino)
			return true;
	return false;
}

/* "API: aa:FEATURES:IOCTLS"; there are none before UFFDIO_API */
static bool is_fresh_userfaultfd(int fd)
{
	char path[64], line[128];
	unsigned int features = 1;
	FILE *f;

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

static bool was_there(const struct adoption_sockets *before, uint64_t ino)
{
	size_t i;

	for (i = 0; i < before->n; i++)
		if (before->ino[i] == ino)
			return true;
	return false;
}

/* One of a pair that was made by a call of ours */
static bool is_pair(int fd)
{
	struct sockaddr_un own, other;
	socklen_t own_size = sizeof(own), other_size = sizeof(other), size = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM &&
	       getsockname(fd, (struct sockaddr *)&own, &own_size) == 0 &&
	       own.sun_family == AF_UNIX && own_size == sizeof(own.sun_family) &&
	       getpeername(fd, (struct sockaddr *)&other, &other_size) == 0 &&
	       other_size == sizeof(other.sun_family);
}

/* The descriptors to find, and the process to find them in */
struct search {
	const struct kfs *kfs;
	int pidfd;
	const struct map_identity *identity;
	const struct adoption_sockets *before;
};

/* By what is seen without touching it; what may be ours is looked at then */
static bool may_be_ours(const struct search *search, int number, enum fd_kind *kind)
{
	uint64_t ino = 0;

	*kind = process_fd_kind(search->kfs, search->identity->pid, number, &ino);
	switch (*kind) {
	case FD_PIPE:
		return is_our_pipe(ino, search->identity);
	case FD_SOCKET:
		return search->before && !was_there(search->before, ino);
	case FD_USERFAULTFD:
	case FD_USERFAULTFD_DEVICE:
		return true;
	default:
		return false;
	}
}

static bool is_ours(const struct search *search, int number, enum fd_kind kind, int fd)
{
	if (kind == FD_SOCKET)
		return is_pair(fd);
	if (kind == FD_USERFAULTFD)
		return number == search->identity->uffd || is_fresh_userfaultfd(fd);
	return true;
}

/* Ours, and what it is told by */
static bool take_left(const struct search *search, int number, struct adopt_fd *left)
{
	cleanup_close int fd = -1;
	enum fd_kind kind;
	struct stat st;

	if (!may_be_ours(search, number, &kind))
		return false;
	fd = process_fd_take(search->pidfd, number, NULL);
	if (fd < 0 || !is_ours(search, number, kind, fd) || fstat(fd, &st) < 0)
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

int adoption_sockets_read(struct adoption_sockets *sockets, const struct kfs *kfs, pid_t pid,
			  struct err *err)
{
	cleanup_free uint64_t *numbers = NULL;
	int n = list_numbers(kfs, pid, &numbers, err), i;
	uint64_t ino;

	*sockets = (struct adoption_sockets){ 0 };
	if (n < 0)
		return n;
	sockets->ino = calloc((size_t)n + 1, sizeof(*sockets->ino));
	if (!sockets->ino)
		return err_nomem(err);
	for (i = 0; i < n; i++)
		if (process_fd_kind(kfs, pid, (int)numbers[i], &ino) == FD_SOCKET)
			sockets->ino[sockets->n++] = ino;
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
	const struct search search = { kfs, pidfd, identity, before };
	cleanup_free uint64_t *numbers = NULL;
	int n = list_numbers(kfs, identity->pid, &numbers, err), i, found = 0;

	if (n < 0)
		return n;
	for (i = 0; i < n && found < ADOPT_CLOSE_MAX; i++)
		found += take_left(&search, (int)numbers[i], &fds[found]);
	return found;
}

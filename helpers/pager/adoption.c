// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Adoption, the daemon's side: starts virt-membacking-adopt, reads its report, takes copies.
 */
#include "pager/adoption.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/kfs.h"
#include "pager/adopt_calls.h"
#include "pager/adoption_left.h"
#include "pager/process_fd.h"

#ifndef LIBEXEC_DIR
#define LIBEXEC_DIR "usr/libexec"
#endif

#define PROGRAM "/" LIBEXEC_DIR "/libvirt-membacking/virt-membacking-adopt"

/* A run of pages in one splice; what any user may have is 256 */
#define PIPE_BYTES (256 * PAGE_BYTES)

/* Its own deadlines are shorter */
#define DEADLINE_MS 20000

/* Of what a signal has ended */
#define TRIES 3

/* For descriptors that are left, after an end that should not have been */
#define LOOKS	2
#define LOOK_MS 20

/* Between two looks whether an earlier program has ended */
#define TURN_MS 2
/* No guest's directory, no lock.  Not an errno */
#define NO_TURN (-9999)

/* Options with their values: one for each pipe or descriptor to close, three more */
#define ARGS_MAX (2 * (ADOPT_CLOSE_MAX + 3) + 2)
#define ARG_SIZE 64

struct arguments {
	int n;
	char text[ARGS_MAX][ARG_SIZE];
	char *list[ARGS_MAX + 1];
};

__attribute__((format(printf, 3, 4))) static void add(struct arguments *args, const char *name,
						      const char *fmt, ...)
{
	va_list ap;

	args->list[args->n++] = (char *)(uintptr_t)name;
	va_start(ap, fmt);
	vsnprintf(args->text[args->n], ARG_SIZE, fmt, ap);
	va_end(ap);
	args->list[args->n] = args->text[args->n];
	args->n++;
}

/* ---- the program ---- */

/* What one run of the program came to */
struct outcome {
	struct adopt_report last;
	bool heard;
	int status;
};

/* Descriptors keep their numbers in it; all others of ours close on exec.  All signals are blocked
 * from its first instruction on */
static int spawn(const char *program, struct arguments *args, const int *fds, size_t n, pid_t *pid)
{
	char *environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all;
	size_t i;
	int rc;

	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	for (i = 0; i < n; i++)
		posix_spawn_file_actions_adddup2(&actions, fds[i], fds[i]);
	rc = posix_spawn(pid, program, &actions, &attributes, args->list, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return -rc;
}

/* Memory in which it says how far it is, also if it is killed */
static int make_report_file(struct err *err)
{
	int rc, fd = memfd_create("virt-membacking-adopt", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(err, errno, "memfd_create");
	if (ftruncate(fd, sizeof(struct adopt_report)) == 0)
		return fd;
	rc = err_sys(err, errno, "memory for a report");
	close(fd);
	return rc;
}

static void read_report(int file, struct outcome *outcome)
{
	struct adopt_report *report = &outcome->last;

	if (pread(file, report, sizeof(*report), 0) != (ssize_t)sizeof(*report))
		return;
	report->sentence[sizeof(report->sentence) - 1] = '\0';
	outcome->heard = report->version == ADOPT_VERSION;
}

static int wait_end(pid_t pid, uint64_t deadline, int *status)
{
	cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };
	int rc;

	if (pidfd < 0)
		return -errno;
	do
		rc = poll(&wait, 1, (int)clock_left_ms(deadline));
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return -ETIMEDOUT;
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static uint64_t deadline_of(const struct adoption_options *options)
{
	return clock_ms() +
	       (options->deadline_ms > 0 ? (uint64_t)options->deadline_ms : DEADLINE_MS);
}

/* One program at a time works in a guest's QEMU.  The lock is held by the program, too: it outlives
 * a daemon that is killed, and the next one must not look for what was left before that has ended.
 * Return: a descriptor, NO_TURN, or -errno */
static int take_turn(const struct adoption_options *options, uint64_t deadline, struct err *err)
{
	int fd;

	if (options->directory <= 0)
		return NO_TURN;
	fd = openat(options->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "open the directory of a paged guest");
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (!clock_left_ms(deadline)) {
			close(fd);
			return err_set(err, ETIMEDOUT,
				       "a virt-membacking-adopt of an earlier daemon does not end");
		}
		clock_sleep_ms(TURN_MS);
	}
	return fd;
}

/* It is never killed: a thread of QEMU may be in its hands */
static int run_program(const struct adoption_options *options, struct arguments *args, int *fds,
		       size_t n, struct outcome *outcome, struct err *err)
{
	const char *program = options->program ? options->program : PROGRAM;
	uint64_t deadline = deadline_of(options);
	cleanup_close int file = make_report_file(err);
	cleanup_close int turn = NO_TURN;
	pid_t pid = -1;
	int rc;

	if (file < 0)
		return file;
	turn = take_turn(options, deadline, err);
	if (turn < 0 && turn != NO_TURN)
		return turn;
	fds[n++] = file;
	if (turn >= 0)
		fds[n++] = turn;
	args->list[0] = (char *)(uintptr_t)program;
	add(args, "--report-file", "%d", file);
	rc = spawn(program, args, fds, n, &pid);
	if (rc < 0)
		return err_sys(err, -rc, "cannot start %s, which adopts guests", program);
	rc = wait_end(pid, deadline, &outcome->status);
	read_report(file, outcome);
	if (rc < 0)
		return err_sys(err, -rc, "%s (process %d) does not end", program, (int)pid);
	return 0;
}

/* Killed before its end: what is known of QEMU's thread */
static int cut_short(const struct outcome *outcome, pid_t pid, struct err *err)
{
	const struct adopt_report *last = &outcome->last;

	if (!outcome->heard || last->stage == ADOPT_CHOOSES)
		return err_set(
			err, EINTR,
			"virt-membacking-adopt ended (status %#x) before it touched process %d",
			(unsigned int)outcome->status, (int)pid);
	if (last->lives)
		return err_set(err, EINTR,
			       "virt-membacking-adopt was killed at %s in thread %d of process %d, "
			       "which goes on with its own call",
			       adopt_stage_name(last->stage), last->tid, (int)pid);
	return err_set(
		err, EINTR,
		"virt-membacking-adopt was killed at %s in thread %d of process %d, which may "
		"have taken the result for that of its own call: if this QEMU aborts, that is "
		"why",
		adopt_stage_name(last->stage), last->tid, (int)pid);
}

static void begin_arguments(struct arguments *args, pid_t pid, uint64_t start_time)
{
	args->n = 1;
	add(args, "--pid", "%d", (int)pid);
	add(args, "--start-time", "%" PRIu64, start_time);
}

static void add_close(struct arguments *args, const struct adopt_fd *fd)
{
	if (fd->number >= 0 && fd->ino)
		add(args, "--close", "%" PRId32 ":%" PRIu64 ":%" PRIu64, fd->number, fd->dev,
		    fd->ino);
}

/* What it came to, as an error of ours */
static int judge(const struct outcome *outcome, pid_t pid, struct err *err)
{
	if (!outcome->heard || outcome->last.stage != ADOPT_ENDED)
		return cut_short(outcome, pid, err);
	if (outcome->last.rc < 0)
		return err_set(err, -outcome->last.rc, "%s", outcome->last.sentence);
	return 0;
}

/* A signal to the whole process, as one that stops it, may come just while a thread is held */
static bool was_interrupted(const struct outcome *outcome, int rc)
{
	return rc == -EINTR && outcome->heard && outcome->last.stage == ADOPT_ENDED;
}

/* Close these in QEMU */
static int close_there(pid_t pid, uint64_t start_time, const struct adopt_fd *fds, size_t n,
		       const struct adoption_options *options, struct err *err)
{
	struct outcome outcome;
	int rc, tries = TRIES;
	int unused[2];
	size_t i;

	do {
		struct arguments args = { 0 };

		outcome = (struct outcome){ 0 };
		begin_arguments(&args, pid, start_time);
		for (i = 0; i < n && i < ADOPT_CLOSE_MAX; i++)
			add_close(&args, &fds[i]);
		rc = run_program(options, &args, unused, 0, &outcome, err);
		if (rc == 0)
			rc = judge(&outcome, pid, err);
	} while (was_interrupted(&outcome, rc) && --tries);
	return rc;
}

/* ---- adoption ---- */

static int read_identity(struct map_identity *identity, const struct kfs *kfs, pid_t pid,
			 struct err *err)
{
	int rc = kfs_read(kfs, "proc/sys/kernel/random/boot_id", identity->boot_id,
			  sizeof(identity->boot_id), err);

	identity->pid = pid;
	identity->uffd = -1;
	return rc < 0 ? rc : process_start_time(kfs, pid, &identity->start_time, err);
}

/* The writing ends are not needed: the evicting thread opens the pipe for writing again */
static int make_pipe(int *reading, uint64_t *ino, struct err *err)
{
	struct stat st;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	close(ends[1]);
	*reading = ends[0];
	if (fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES) < 0)
		return err_sys(err, errno, "make a pipe of %d KiB", PIPE_BYTES / 1024);
	if (fstat(ends[0], &st) < 0)
		return err_sys(err, errno, "fstat of a pipe");
	*ino = st.st_ino;
	return 0;
}

static int make_pipes(struct adopted *adopted, unsigned int n, struct err *err)
{
	struct map_identity *identity = &adopted->identity;
	int rc = 0;

	if (n > PAGER_PIPES_MAX)
		return err_set(err, EINVAL, "%u pipes for a guest", n);
	for (; rc == 0 && identity->n_pipes < n; identity->n_pipes++)
		rc = make_pipe(&adopted->pipe[identity->n_pipes],
			       &identity->pipe_ino[identity->n_pipes], err);
	return rc;
}

static void nothing_open(struct adopted *adopted)
{
	size_t i;

	*adopted = (struct adopted){ .pidfd = -1, .uffd = -1 };
	for (i = 0; i < PAGER_PIPES_MAX; i++)
		adopted->pipe[i] = -1;
}

static int take_uffd(struct adopted *adopted, struct err *err)
{
	adopted->uffd = process_fd_take(adopted->pidfd, adopted->identity.uffd, err);
	if (adopted->uffd < 0)
		return adopted->uffd;
	if (!fd_is_userfaultfd(adopted->uffd))
		return err_set(err, ESTALE, "descriptor %d of process %d is no userfaultfd",
			       adopted->identity.uffd, (int)adopted->identity.pid);
	return 0;
}

static int close_found(struct adopted *adopted, const struct kfs *kfs,
		       const struct adoption_sockets *before,
		       const struct adoption_options *options, struct err *err)
{
	const struct map_identity *identity = &adopted->identity;
	struct adopt_fd fds[ADOPT_CLOSE_MAX];
	int n = adoption_left(kfs, adopted->pidfd, identity, before, fds, err);

	if (n <= 0)
		return n;
	return close_there(identity->pid, identity->start_time, fds, (size_t)n, options, err);
}

/* What it left in QEMU, if it came to no good end.  The thread may be about to make the last call
 * that it was given */
static void close_left(struct adopted *adopted, const struct kfs *kfs,
		       const struct adoption_sockets *before,
		       const struct adoption_options *options, struct err *err)
{
	struct err more;
	int rc = 0, i;

	for (i = 0; rc == 0 && i < LOOKS; i++) {
		clock_sleep_ms(LOOK_MS);
		rc = close_found(adopted, kfs, before, options, &more);
	}
	if (rc < 0 && !process_gone(adopted->pidfd))
		err_prefix(err, rc, "descriptors of ours may stay open in process %d (%.200s)",
			   (int)adopted->identity.pid, more.text);
}

/* Return: what the program came to */
static int call_adopt(struct adopted *adopted, const struct adoption_options *options,
		      struct outcome *outcome, struct err *err)
{
	const struct map_identity *identity = &adopted->identity;
	int fds[PAGER_PIPES_MAX + 2];
	struct arguments args = { 0 };
	size_t i;
	int rc;

	begin_arguments(&args, identity->pid, identity->start_time);
	for (i = 0; i < identity->n_pipes; i++) {
		fds[i] = adopted->pipe[i];
		add(&args, "--pipe", "%d", fds[i]);
	}
	rc = run_program(options, &args, fds, identity->n_pipes, outcome, err);
	return rc < 0 ? rc : judge(outcome, identity->pid, err);
}

static int take_result(struct adopted *adopted, const struct adopt_report *report, struct err *err)
{
	struct map_identity *identity = &adopted->identity;
	size_t i;

	adopted->stood_ns = report->stood_ns;
	identity->uffd = report->uffd;
	for (i = 0; i < identity->n_pipes; i++)
		identity->pipe[i] = report->pipe[i];
	return take_uffd(adopted, err);
}

/* @again: a signal came */
static int run_adoption(struct adopted *adopted, const struct kfs *kfs,
			const struct adoption_options *options, bool *again, struct err *err)
{
	struct adoption_sockets before;
	struct outcome outcome = { 0 };
	int rc = adoption_sockets_read(&before, kfs, adopted->identity.pid, err);

	if (rc < 0)
		return rc;
	rc = call_adopt(adopted, options, &outcome, err);
	if (rc == 0)
		rc = take_result(adopted, &outcome.last, err);
	if (rc < 0 && outcome.heard)
		close_left(adopted, kfs, &before, options, err);
	adoption_sockets_free(&before);
	*again = was_interrupted(&outcome, rc);
	return rc;
}

static int try_adoption(struct adopted *adopted, const struct kfs *kfs,
			const struct adoption_options *options, struct err *err)
{
	int rc, tries = TRIES;
	bool again = false;

	do
		rc = run_adoption(adopted, kfs, options, &again, err);
	while (again && --tries);
	return rc;
}

static int prepare(struct adopted *adopted, const struct kfs *kfs, pid_t pid,
		   const struct adoption_options *options, struct err *err)
{
	int rc = read_identity(&adopted->identity, kfs, pid, err);

	if (rc == 0)
		rc = adopted->pidfd = process_open(kfs, pid, adopted->identity.start_time, err);
	if (rc >= 0)
		rc = make_pipes(adopted, options->n_pipes, err);
	if (rc == 0 && options->directory > 0)
		rc = adoption_note_write(options->directory, &adopted->identity, err);
	return rc;
}

int adopt(struct adopted *adopted, pid_t pid, const struct adoption_options *options,
	  struct err *err)
{
	struct err own = { "" };
	struct kfs kfs;
	int rc;

	nothing_open(adopted);
	rc = kfs_open(&kfs, "/", err);
	if (rc < 0)
		return rc;
	rc = prepare(adopted, &kfs, pid, options, &own);
	if (rc == 0)
		rc = try_adoption(adopted, &kfs, options, &own);
	kfs_close(&kfs);
	if (rc == 0)
		return 0;
	adopted_close(adopted);
	adoption_settled(options, NULL);
	return err_set(err, -rc, "%s", own.text);
}

int adoption_settled(const struct adoption_options *options, struct err *err)
{
	return options->directory > 0 ? adoption_note_remove(options->directory, err) : 0;
}

/* ---- what an earlier daemon left ---- */

/* Its program may still be at work.  Ours come only one after the other */
static int wait_turn(const struct adoption_options *options, struct err *err)
{
	cleanup_close int turn = take_turn(options, deadline_of(options), err);

	return turn < 0 && turn != NO_TURN ? turn : 0;
}

static int close_noted(const struct kfs *kfs, const struct map_identity *identity,
		       const struct adoption_options *options, struct err *err)
{
	cleanup_close int pidfd = process_open(kfs, identity->pid, identity->start_time, err);
	struct adopt_fd fds[ADOPT_CLOSE_MAX];
	int n;

	if (pidfd < 0)
		return pidfd;
	n = wait_turn(options, err);
	if (n == 0)
		n = adoption_left(kfs, pidfd, identity, NULL, fds, err);
	if (n > 0)
		n = close_there(identity->pid, identity->start_time, fds, (size_t)n, options, err);
	return process_gone(pidfd) ? -ESRCH : n;
}

int adoption_withdraw_rest(const struct map_identity *identity,
			   const struct adoption_options *options, struct err *err)
{
	struct kfs kfs;
	int rc = kfs_open(&kfs, "/", err);

	if (rc < 0)
		return rc;
	rc = close_noted(&kfs, identity, options, err);
	kfs_close(&kfs);
	return rc == -ESRCH ? 0 : rc;
}

int adoption_clean_up(const struct adoption_options *options, struct err *err)
{
	struct map_identity identity;
	int rc = adoption_note_read(options->directory, &identity, err);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	rc = adoption_withdraw_rest(&identity, options, err);
	return rc < 0 ? rc : adoption_settled(options, err);
}

static int take_pipe(struct adopted *adopted, size_t i, struct err *err)
{
	const struct map_identity *identity = &adopted->identity;
	struct stat st;

	adopted->pipe[i] = process_fd_take(adopted->pidfd, identity->pipe[i], err);
	if (adopted->pipe[i] < 0)
		return adopted->pipe[i];
	if (fstat(adopted->pipe[i], &st) == 0 && S_ISFIFO(st.st_mode) &&
	    st.st_ino == identity->pipe_ino[i])
		return 0;
	return err_set(err, ESTALE, "descriptor %d of process %d is not the pipe that it was",
		       identity->pipe[i], (int)identity->pid);
}

static int find(struct adopted *adopted, const struct kfs *kfs, struct err *err)
{
	const struct map_identity *identity = &adopted->identity;
	char boot_id[sizeof(identity->boot_id)];
	size_t i;
	int rc;

	rc = kfs_read(kfs, "proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id), err);
	if (rc < 0)
		return rc;
	if (strcmp(boot_id, identity->boot_id) != 0)
		return err_set(err, ESRCH, "the host was started again since");
	adopted->pidfd = process_open(kfs, identity->pid, identity->start_time, err);
	if (adopted->pidfd < 0)
		return adopted->pidfd;
	rc = take_uffd(adopted, err);
	for (i = 0; rc == 0 && i < identity->n_pipes; i++)
		rc = take_pipe(adopted, i, err);
	if (rc < 0 && process_gone(adopted->pidfd))
		return err_set(err, ESRCH, "process %d ended", (int)identity->pid);
	return rc == -EBADF ? -ESTALE : rc;
}

int adopted_find(struct adopted *adopted, const struct map_identity *identity, struct err *err)
{
	struct map_identity wanted = *identity;
	struct kfs kfs;
	int rc;

	nothing_open(adopted);
	adopted->identity = wanted;
	if (wanted.n_pipes > PAGER_PIPES_MAX)
		return err_set(err, ESTALE, "%u pipes of a guest", wanted.n_pipes);
	rc = kfs_open(&kfs, "/", err);
	if (rc < 0)
		return rc;
	rc = find(adopted, &kfs, err);
	kfs_close(&kfs);
	if (rc < 0)
		adopted_close(adopted);
	return rc;
}

/* ---- the end ---- */

/* Ours, by our copies: a number that has become something else in QEMU stays open */
static struct adopt_fd there(int number, int copy)
{
	struct adopt_fd fd = { .number = number };
	struct stat st;

	if (copy >= 0 && fstat(copy, &st) == 0) {
		fd.dev = st.st_dev;
		fd.ino = st.st_ino;
	}
	return fd;
}

int adoption_withdraw(struct adopted *adopted, const struct adoption_options *options,
		      struct err *err)
{
	const struct map_identity *identity = &adopted->identity;
	struct adopt_fd fds[PAGER_PIPES_MAX + 1];
	size_t i;
	int rc;

	fds[0] = there(identity->uffd, adopted->uffd);
	for (i = 0; i < identity->n_pipes; i++)
		fds[i + 1] = there(identity->pipe[i], adopted->pipe[i]);
	rc = close_there(identity->pid, identity->start_time, fds, i + 1, options, err);
	/* A process that is gone has closed them */
	return process_gone(adopted->pidfd) ? 0 : rc;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void adopted_close(struct adopted *adopted)
{
	size_t i;

	close_one(&adopted->pidfd);
	close_one(&adopted->uffd);
	for (i = 0; i < PAGER_PIPES_MAX; i++)
		close_one(&adopted->pipe[i]);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking-adopt: gives a running QEMU a userfaultfd, from outside, or closes it there.
 *
 *	virt-membacking-adopt --pid PID --start-time TICKS --report-file FD
 *		[--pipe FD]... | [--close NUMBER:DEV:INODE]...
 *
 * The pager's daemon starts it.  It holds a thread of QEMU for a moment, and if it were killed
 * then, that thread could take a result of ours for its own.  That is why this is a program of
 * its own: it blocks all signals, the kernel does not choose it when memory runs out, and it
 * leaves the daemon's cgroup, with which it would be killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "pager/adopt_calls.h"

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0) {
		/* Nothing depends on it: it makes our death less likely */
	}
	close(fd);
}

/* The shorter a thread of QEMU stands the better: nothing of ours waits for memory or for
 * other programs meanwhile (nor for a processor: inject.c) */
static void become_hard_to_kill(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	signal(SIGCHLD, SIG_DFL);
	write_file("/proc/self/oom_score_adj", "-1000");
	write_file("/sys/fs/cgroup/cgroup.procs", "0");
	setpriority(PRIO_PROCESS, 0, -20);
	mlockall(MCL_CURRENT | MCL_FUTURE);
}

static bool to_int(const char *text, int *value)
{
	uint64_t number;

	if (text_to_u64(text, &number) < 0 || number > INT32_MAX)
		return false;
	*value = (int)number;
	return true;
}

/* Zeros to begin with, as large as a report */
static bool map_report(struct adopt_request *request, const char *text)
{
	void *memory;
	int fd;

	if (!to_int(text, &fd))
		return false;
	memory = mmap(NULL, sizeof(*request->report), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return false;
	request->report = memory;
	return true;
}

static bool add_pipe(struct adopt_request *request, const char *text)
{
	return request->n_pipes < PAGER_PIPES_MAX &&
	       to_int(text, &request->pipe[request->n_pipes++]);
}

static bool add_close(struct adopt_request *request, const char *text)
{
	struct adopt_fd *fd = &request->close[request->n_close];

	if (request->n_close == ADOPT_CLOSE_MAX ||
	    sscanf(text, "%" SCNd32 ":%" SCNu64 ":%" SCNu64, &fd->number, &fd->dev, &fd->ino) != 3)
		return false;
	request->n_close++;
	return true;
}

static bool read_option(struct adopt_request *request, int option, const char *text)
{
	switch (option) {
	case 'p':
		return to_int(text, &request->pid);
	case 's':
		return text_to_u64(text, &request->start_time) == 0;
	case 'r':
		return map_report(request, text);
	case 'i':
		return add_pipe(request, text);
	case 'c':
		return add_close(request, text);
	default:
		return false;
	}
}

static bool read_options(struct adopt_request *request, int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "start-time", required_argument, NULL, 's' },
		{ "report-file", required_argument, NULL, 'r' },
		{ "pipe", required_argument, NULL, 'i' },
		{ "close", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!read_option(request, option, optarg))
			return false;
	return optind == argc && request->pid > 0 && request->start_time && request->report;
}

int main(int argc, char **argv)
{
	struct adopt_request request = { 0 };

	file_keep_stdio();
	if (!read_options(&request, argc, argv)) {
		fprintf(stderr, "virt-membacking-adopt is started by virt-membacking-pagerd\n");
		return EXIT_FAILURE;
	}
	become_hard_to_kill();
	return adopt_run(&request) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

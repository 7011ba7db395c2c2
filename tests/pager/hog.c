// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Takes this host's memory until only so much is available, and keeps it like that.
 *
 *	hog MIB
 *
 * What others take and give meanwhile it gives and takes: a host that is short of memory by as much
 * as it was asked for, and no shorter.  Prints "ready" when so much is available for the first
 *time; gives all back and ends when its input ends, or with the process that started it.  If memory
 *runs out, the kernel ends it first.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A piece, and how far from what was asked for it leaves memory */
enum { PIECE_MIB = 64, PIECE = PIECE_MIB << 20, LOOK_MS = 20 };

static void die(const char *what)
{
	fprintf(stderr, "hog: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t available_mib(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[256];
	int64_t kib = -1;

	if (!file)
		die("/proc/meminfo");
	while (kib < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, "MemAvailable:", 13) == 0)
			kib = strtoll(line + 13, NULL, 10);
	fclose(file);
	if (kib < 0)
		die("MemAvailable");
	return kib / 1024;
}

static void be_first_to_go(void)
{
	FILE *file = fopen("/proc/self/oom_score_adj", "we");

	if (!file || fputs("1000", file) < 0 || fclose(file) != 0)
		die("/proc/self/oom_score_adj");
}

/* A file in memory gets its pages without their being cleared: gibibytes in a second */
static bool resize(int fd, size_t pieces, size_t now)
{
	off_t from = (off_t)now * PIECE, end = (off_t)pieces * PIECE;

	return pieces < now ? ftruncate(fd, end) == 0 : fallocate(fd, 0, from, end - from) == 0;
}

static bool input_ended(int ms)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&input, 1, ms) > 0;
}

int main(int argc, char **argv)
{
	int fd = memfd_create("hog", MFD_CLOEXEC);
	int64_t wanted = argc == 2 ? strtoll(argv[1], NULL, 10) : 0;
	bool ready = false;
	size_t n = 0;

	if (wanted <= 0) {
		fprintf(stderr, "usage: hog MIB\n");
		return 2;
	}
	if (fd < 0)
		die("memfd_create");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	be_first_to_go();
	for (;;) {
		int64_t spare = available_mib() - wanted;
		size_t next = n;

		if (spare >= PIECE_MIB)
			next++;
		else if (spare <= -PIECE_MIB && n)
			next--;
		if (next != n && resize(fd, next, n))
			n = next;
		if (!ready && spare < PIECE_MIB) {
			puts("ready");
			fflush(stdout);
			ready = true;
		}
		if (input_ended(spare >= PIECE_MIB && next == n ? 0 : LOOK_MS))
			return 0;
	}
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Times commands against each other, in turns.
 *
 *	race [-u UNDO] RUNS INPUT NAME COMMAND [NAME COMMAND]...
 *
 * Each round runs every command once, with INPUT on its standard input, starting
 * with another one each round; UNDO, not timed, follows each.  A command is split
 * at spaces, nothing more: a shell would cost more than what is measured.  Prints
 * "NAME MEDIAN MINIMUM" for each, in microseconds from before the fork to after
 * the exit.  Ends with 1 at the first command that fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGS_MAX	32
#define CONTESTANTS_MAX 16

struct contestant {
	const char *name;
	char *argv[ARGS_MAX + 1];
	uint64_t *times;
};

static void die(const char *what)
{
	fprintf(stderr, "race: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void split(const char *command, char *argv[ARGS_MAX + 1])
{
	char *text = strdup(command);
	size_t n = 0;

	if (!text)
		die(command);
	for (char *word = strtok(text, " "); word && n < ARGS_MAX; word = strtok(NULL, " "))
		argv[n++] = word;
	argv[n] = NULL;
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Return: microseconds */
static uint64_t run(char *argv[], const char *input)
{
	posix_spawn_file_actions_t files;
	uint64_t start = now_us();
	uint64_t end;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, input, O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	errno = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
	if (errno)
		die(argv[0]);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	end = now_us();
	posix_spawn_file_actions_destroy(&files);
	if (status) {
		fprintf(stderr, "race: %s failed\n", argv[0]);
		exit(1);
	}
	return end - start;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(const struct contestant *c, size_t runs)
{
	qsort(c->times, runs, sizeof(*c->times), compare);
	printf("%s %" PRIu64 " %" PRIu64 "\n", c->name, c->times[runs / 2], c->times[0]);
}

int main(int argc, char **argv)
{
	struct contestant contestants[CONTESTANTS_MAX] = { 0 };
	char *undo[ARGS_MAX + 1] = { NULL };
	size_t runs, n = 0;
	const char *input;
	int option;

	while ((option = getopt(argc, argv, "u:")) == 'u')
		split(optarg, undo);
	if (option != -1 || argc - optind < 4 || (argc - optind) % 2)
		return 2;
	runs = strtoul(argv[optind], NULL, 10);
	input = argv[optind + 1];
	for (int i = optind + 2; i < argc && n < CONTESTANTS_MAX; i += 2, n++) {
		contestants[n].name = argv[i];
		split(argv[i + 1], contestants[n].argv);
		contestants[n].times = calloc(runs + 1, sizeof(uint64_t));
		if (!contestants[n].times)
			die("calloc");
	}
	/* The first round warms the caches up and is forgotten */
	for (size_t round = 0; round <= runs; round++) {
		for (size_t i = 0; i < n; i++) {
			struct contestant *c = &contestants[(round + i) % n];

			c->times[round ? round - 1 : 0] = run(c->argv, input);
			if (undo[0])
				run(undo, "/dev/null");
		}
	}
	for (size_t i = 0; i < n; i++)
		report(&contestants[i], runs);
	return 0;
}

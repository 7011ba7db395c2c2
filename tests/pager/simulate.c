// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a change of the pager's policy does, in seconds: replays rows of accesses, and prints how
 * many of them miss, beside other ways to choose what stays in RAM.
 *
 *	simulate [OPTION VALUE]... [STREAM | FILE]...
 *
 * Streams are those of stream_names; a file, whose name has a slash, has one page number a line.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pager/policies.h"

struct options {
	uint64_t pages, accesses;
	double resident, horizon; /* percent; of the limit */
};

static void die(const char *what, const char *object)
{
	fprintf(stderr, "simulate: %s: %s\n", what, object);
	exit(2);
}

static void print_head(const struct options *options)
{
	size_t i;

	printf("%g %% resident; misses in 100 accesses, and of the pager pages loaded\n%-12s",
	       options->resident, "");
	for (i = 0; i < POLICIES; i++)
		printf("%10s", policy_names[i]);
	printf("%10s\n", "loaded");
}

static void print_row(const char *name, const struct replay *replay)
{
	double counted = (double)(replay->n - replay->warm) / 100;
	struct replayed got = { 0, 0 };
	int i;

	printf("%-12.12s", name);
	for (i = 0; i < POLICIES; i++) {
		got = policy_replay((enum policy)i, replay);
		printf("%10.2f", (double)got.misses / counted);
		fflush(stdout);
	}
	printf("%10.2f\n", (double)got.loads / counted);
}

static void simulate(const struct options *options, const char *name, uint32_t *access, size_t n,
		     uint64_t pages, size_t warm)
{
	struct replay replay = {
		.access = access,
		.n = n,
		.warm = warm,
		.pages = pages,
		.limit = (uint64_t)((double)pages * options->resident / 100),
		.horizon = options->horizon,
	};

	if (!replay.limit || n == warm)
		die("nothing to replay", name);
	print_row(name, &replay);
	free(access);
}

/* The second half counts: levels and lists have settled then */
static void simulate_stream(const struct options *options, enum stream stream)
{
	size_t n = options->pages + options->accesses;

	simulate(options, stream_names[stream], stream_make(stream, options->pages, n), n,
		 options->pages, options->pages + options->accesses / 2);
}

static void simulate_file(const struct options *options, const char *path)
{
	size_t n = 0, room = 0;
	uint32_t *access = NULL;
	unsigned long page, pages = 0;
	FILE *f = fopen(path, "r");

	if (!f)
		die("cannot open", path);
	while (fscanf(f, "%lu", &page) == 1) {
		if (n == room)
			access = realloc(access, (room = room * 2 + 4096) * sizeof(*access));
		if (!access || page >= UINT32_MAX)
			die("no memory, or no page number", path);
		pages = page >= pages ? page + 1 : pages;
		access[n++] = (uint32_t)page;
	}
	fclose(f);
	simulate(options, path, access, n, pages, 0);
}

static bool one_of_streams(const char *name, enum stream *stream)
{
	int i;

	for (i = 0; i < STREAMS; i++)
		if (!strcmp(name, stream_names[i])) {
			*stream = (enum stream)i;
			return true;
		}
	return false;
}

static void option(struct options *options, const char *name, const char *value)
{
	char *end = NULL;
	double number = value ? strtod(value, &end) : 0;

	if (!value || *end || number <= 0)
		die("needs a number", name);
	if (!strcmp(name, "--resident"))
		options->resident = number;
	else if (!strcmp(name, "--pages"))
		options->pages = (uint64_t)number;
	else if (!strcmp(name, "--accesses"))
		options->accesses = (uint64_t)number;
	else if (!strcmp(name, "--horizon"))
		options->horizon = number;
	else
		die("options are --resident PERCENT, --pages, --accesses, --horizon", name);
}

int main(int argc, char **argv)
{
	/* 512 MiB */
	struct options options = { .pages = 131072, .accesses = 8000000, .resident = 50 };
	enum stream stream;
	int i, done = 0;

	for (i = 1; i < argc && !strncmp(argv[i], "--", 2); i += 2)
		option(&options, argv[i], argv[i + 1]);
	print_head(&options);
	for (; i < argc; i++, done++)
		if (one_of_streams(argv[i], &stream))
			simulate_stream(&options, stream);
		else if (strchr(argv[i], '/'))
			simulate_file(&options, argv[i]);
		else
			die("no such stream", argv[i]);
	for (i = 0; !done && i < STREAMS; i++)
		simulate_stream(&options, (enum stream)i);
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Asks a pager's daemon with another state directory, as hook and command ask the real one.
 *
 *	ask_pagerd DIR hello | status | adopt UUID PID KIB | set UUID KIB | release UUID
 *		| forget UUID
 *
 * Prints the status as JSON, and for the others "ok" or the sentence; exits 1 with a sentence.
 * ASK_SECONDS in the environment: how long it waits (20).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "pager/client.h"

static int64_t wait_ms(void)
{
	const char *seconds = getenv("ASK_SECONDS");

	return seconds ? atoi(seconds) * INT64_C(1000) : 20000;
}

static int status(int dir, struct err *err)
{
	json_t *status = NULL;
	int rc = pager_status(dir, &status, wait_ms(), err);

	if (rc == 0)
		json_dumpf(status, stdout, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(status);
	return rc;
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 10);
}

/* @argv: the request and what belongs to it, NULL at its end */
static int ask(int dir, int argc, char **argv, struct err *err)
{
	const char *what = argv[0];

	if (!strcmp(what, "hello"))
		return pager_hello(dir, wait_ms(), err);
	if (!strcmp(what, "status"))
		return status(dir, err);
	if (!strcmp(what, "adopt") && argc == 4)
		return pager_adopt(dir, argv[1], "victim", (pid_t)number(argv[2]), number(argv[3]),
				   wait_ms(), err);
	if (!strcmp(what, "set") && argc == 3)
		return pager_set_limit(dir, argv[1], number(argv[2]), wait_ms(), err);
	if (!strcmp(what, "release") && argc == 2)
		return pager_release(dir, argv[1], wait_ms(), err);
	if (!strcmp(what, "forget") && argc == 2)
		return pager_forget(dir, argv[1], wait_ms(), err);
	fprintf(stderr, "ask_pagerd: no such request\n");
	exit(2);
}

int main(int argc, char **argv)
{
	int dir = argc > 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct err err = { "" };

	if (dir < 0) {
		fprintf(stderr, "usage: ask_pagerd DIR REQUEST...\n");
		return 2;
	}
	if (ask(dir, argc - 2, argv + 2, &err) < 0) {
		printf("%s\n", err.text);
		return 1;
	}
	puts(strcmp(argv[2], "status") != 0 ? "ok" : "");
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The verifier as /init of a Linux guest, linked statically: it fills most of the guest's memory,
 * checks it for ever, and says how that goes on the serial console.
 *
 * Of the kernel's command line it takes verify=MIB, pattern=NAME, threads=N, writes=PERCENT.
 * Modules in /modules are loaded first, in the order of their names: the balloon's.
 * Each second there is a line "GUEST figures checks=... wrong=...".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pager/guest_console.h"
#include "pager/verifier.h"

static void die(const char *what)
{
	printf("GUEST failed: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	for (;;)
		pause();
}

static void load_modules(void)
{
	struct dirent **entries;
	char path[512];
	int i, fd, n = scandir("/modules", &entries, NULL, alphasort);

	for (i = 0; i < n; i++) {
		if (entries[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/modules/%s", entries[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (syscall(SYS_finit_module, fd, "", 0) < 0)
			printf("GUEST module %s: %s\n", entries[i]->d_name, strerror(errno));
		close(fd);
	}
}

static enum pattern pattern_of(const char *name)
{
	unsigned int i;

	for (i = 0; i < PATTERNS; i++)
		if (!strcmp(name, pattern_names[i]))
			return (enum pattern)i;
	return PATTERN_MIXED;
}

static void read_word(struct verifier_options *options, char *word)
{
	char *value = strchr(word, '=');

	if (!value)
		return;
	*value++ = '\0';
	if (!strcmp(word, "verify"))
		options->pages = strtoull(value, NULL, 10) * 256;
	else if (!strcmp(word, "pattern"))
		options->pattern = pattern_of(value);
	else if (!strcmp(word, "threads"))
		options->threads = (unsigned int)strtoul(value, NULL, 10) % VERIFIER_THREADS_MAX;
	else if (!strcmp(word, "writes"))
		options->writes = (unsigned int)strtoul(value, NULL, 10);
}

static void read_command_line(struct verifier_options *options)
{
	char line[4096], *word, *rest;
	FILE *file = fopen("/proc/cmdline", "re");

	if (!file || !fgets(line, sizeof(line), file))
		die("/proc/cmdline");
	fclose(file);
	for (word = strtok_r(line, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
		read_word(options, word);
}

int main(void)
{
	struct verifier_options options = {
		.pages = 128 * 256,
		.pattern = PATTERN_MIXED,
		.threads = 2,
		.writes = 30,
		.rules = { .seed = 1, .whole = true, .equal = true },
	};
	struct verifier *verifier;

	guest_console();
	load_modules();
	read_command_line(&options);
	options.memory = mmap(NULL, options.pages * PAGE_SIZE_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (options.memory == MAP_FAILED)
		die("mmap");
	verifier = verifier_new(&options);
	if (!verifier || !verifier_start(verifier))
		die("verifier");
	verifier_print(verifier, stdout, "GUEST ready");
	for (;;) {
		sleep(1);
		verifier_print(verifier, stdout, "GUEST figures");
	}
}

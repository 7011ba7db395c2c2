// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The verifier as /init of a Linux guest, linked statically: it fills most of the guest's memory,
 * checks it for ever, and says how that goes on the serial console.
 *
 * Of the kernel's command line it takes verify=MIB, pattern=NAME, threads=N, writes=PERCENT.
 * Modules in /modules are loaded first.
 * Each second there is a line "GUEST figures checks=... wrong=...".
 *
 * On a second serial port it takes commands, one a line:
 *
 *	more MIB	check so much memory more, which is allocated now.  Once
 *	check		check each page once, and say "GUEST checked"
 *	rest		touch no page until "work": memory is unplugged far sooner then
 *	reboot
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
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

static bool load_module(const char *name)
{
	char path[512];
	long rc;
	int fd;

	snprintf(path, sizeof(path), "/modules/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	rc = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return rc == 0 || errno == EEXIST;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Which needs which differs between kernels: again, as long as one more can be loaded */
static void load_modules(void)
{
	struct dirent **entries;
	int n = scandir("/modules", &entries, visible, alphasort), left = n, before, i;

	do {
		before = left;
		for (i = left = 0; i < before; i++)
			if (!load_module(entries[i]->d_name))
				entries[left++] = entries[i];
	} while (left && left < before);
	for (i = 0; i < left; i++)
		printf("GUEST module %s: %s\n", entries[i]->d_name, strerror(errno));
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

static struct verifier *begin(struct verifier_options *options)
{
	struct verifier *verifier;

	options->memory = mmap(NULL, options->pages * PAGE_SIZE_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (options->memory == MAP_FAILED)
		die("mmap");
	verifier = verifier_new(options);
	if (!verifier || !verifier_start(verifier))
		die("verifier");
	return verifier;
}

/* ---- commands ---- */

static _Atomic(struct verifier *) more;

static void begin_more(uint64_t mib)
{
	struct verifier_options options = {
		.pages = mib * 256,
		.pattern = PATTERN_MIXED,
		.threads = 1,
		.writes = 30,
		.rules = { .seed = 2, .whole = true, .equal = true },
	};

	if (!mib || more)
		return;
	more = begin(&options);
	printf("GUEST more %llu MiB\n", (unsigned long long)mib);
	fflush(stdout);
}

static void check_each(struct verifier *verifier)
{
	verifier_check_all(verifier);
	if (more)
		verifier_check_all(more);
	printf("GUEST checked\n");
	fflush(stdout);
}

static void rest(struct verifier *verifier)
{
	verifier_stop(verifier);
	if (more)
		verifier_stop(more);
	printf("GUEST rests\n");
	fflush(stdout);
}

static void work(struct verifier *verifier)
{
	if (!verifier_start(verifier) || (more && !verifier_start(more)))
		die("verifier");
}

static void *take_commands(void *verifier)
{
	FILE *file = fopen("/dev/ttyS1", "re");
	char line[64];

	/* Without such a port reading fails */
	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "more ", 5))
			begin_more(strtoull(line + 5, NULL, 10));
		else if (!strncmp(line, "check", 5))
			check_each(verifier);
		else if (!strncmp(line, "rest", 4))
			rest(verifier);
		else if (!strncmp(line, "work", 4))
			work(verifier);
		else if (!strncmp(line, "reboot", 6))
			reboot(RB_AUTOBOOT);
	}
	return NULL;
}

static void print_figures(struct verifier *verifier)
{
	struct verifier_figures others = { 0 };

	if (more)
		verifier_figures(more, &others);
	verifier_print_with(verifier, &others, stdout, "GUEST figures");
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
	pthread_t commands;

	guest_console();
	load_modules();
	read_command_line(&options);
	verifier = begin(&options);
	verifier_print(verifier, stdout, "GUEST ready");
	if (pthread_create(&commands, NULL, take_commands, verifier))
		die("thread");
	for (;;) {
		sleep(1);
		print_figures(verifier);
	}
}

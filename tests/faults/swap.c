// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * QEMU's user attacks: where root looks for a guest's directory there is a directory at one
 * moment and a link at the next.
 *
 *   swap UID GID {DIRECTORY TARGET}...
 *
 * As UID and GID exchanges each DIRECTORY with a link to TARGET, again and again, and makes
 * what was removed again, until SIGTERM.  Each DIRECTORY has a file as a dead guest's has, or, if
 * its name ends with a slash, a dead guest's directory.  Prints "ready", and in the end how often
 * there was a link.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static void touch(const char *dir, const char *name)
{
	char path[8192];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0 && write(fd, "guest", 5) == 5)
		close(fd);
}

/* What is there already stays */
static void make(const char *dir, const char *link, const char *target)
{
	char guest[4096];
	const char *slash = dir[strlen(dir) - 1] == '/' ? "7-gone" : "";

	mkdir(dir, 0755);
	snprintf(guest, sizeof(guest), "%s%s", dir, slash);
	mkdir(guest, 0755);
	touch(guest, "pc.ram");
	(void)!symlink(target, link);
}

/* "DIRECTORY.link", and DIRECTORY without a slash at its end, which would follow a link */
static void names_of(const char *argument, char dir[4096], char link[4096])
{
	snprintf(dir, 4096, "%s", argument);
	if (dir[strlen(dir) - 1] == '/')
		dir[strlen(dir) - 1] = '\0';
	snprintf(link, 4096, "%.*s.link", 4000, dir);
}

static bool is_link(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISLNK(st.st_mode);
}

static void swap(const char *argument, const char *target, unsigned long *links)
{
	char dir[4096], link[4096];

	names_of(argument, dir, link);
	if (renameat2(AT_FDCWD, dir, AT_FDCWD, link, RENAME_EXCHANGE) < 0)
		make(argument, link, target);
	else if (is_link(dir))
		++*links;
}

/* The directory stays in its place, if there is one */
static void leave(const char *argument)
{
	char dir[4096], link[4096];

	names_of(argument, dir, link);
	if (is_link(dir))
		renameat2(AT_FDCWD, dir, AT_FDCWD, link, RENAME_EXCHANGE);
	unlink(link);
}

int main(int argc, char **argv)
{
	unsigned long links = 0;
	int i;

	if (argc < 5 || argc % 2 == 0)
		return 2;
	signal(SIGTERM, end);
	if (setgroups(0, NULL) < 0 || setgid((gid_t)atoi(argv[2])) < 0 ||
	    setuid((uid_t)atoi(argv[1])) < 0) {
		perror("swap");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (!ended)
		for (i = 3; i < argc; i += 2)
			swap(argv[i], argv[i + 1], &links);
	for (i = 3; i < argc; i += 2)
		leave(argv[i]);
	printf("%lu\n", links);
	return 0;
}

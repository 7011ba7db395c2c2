// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * hold-lock FILE: what makes a guest alive is QEMU's POSIX lock on NAME.pid.
 *
 * Prints "ready" and holds the lock until stdin ends.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0644) : -1;
	char c;

	if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0) {
		perror("hold-lock");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	return 0;
}

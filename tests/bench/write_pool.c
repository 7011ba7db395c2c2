// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The floor for growing a pool: one plain write of PAGES to FILE.
 *
 *	write_pool FILE PAGES
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = argc == 3 ? open(argv[1], O_WRONLY) : -1;

	if (fd < 0 || write(fd, argv[2], strlen(argv[2])) < 0)
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}

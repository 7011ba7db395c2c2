// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A vhost-user back end that outlives its guest: keeps the guest's memory mapped.
 *
 *   hold-guest PID
 *
 * Maps every file on hugetlbfs that the process PID has open, as such a program does with
 * the descriptors that QEMU sends it.  Prints "holding" and waits to be killed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Return: whether it could be mapped */
static int hold(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct statfs fs;
	struct stat st;
	void *area;

	if (fd < 0)
		return 0;
	if (fstatfs(fd, &fs) < 0 || fs.f_type != HUGETLBFS_MAGIC || fstat(fd, &st) < 0 ||
	    !st.st_size) {
		close(fd);
		return 0;
	}
	area = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return area != MAP_FAILED;
}

int main(int argc, char **argv)
{
	char path[64];
	struct dirent *entry;
	int held = 0;
	DIR *dir;

	if (argc != 2)
		return 2;
	snprintf(path, sizeof(path), "/proc/%s/fd", argv[1]);
	dir = opendir(path);
	if (!dir) {
		perror("hold-guest: the process' files");
		return 1;
	}
	while ((entry = readdir(dir)))
		held += hold(dirfd(dir), entry->d_name);
	closedir(dir);
	if (!held)
		return 1;
	puts("holding");
	fflush(stdout);
	for (;;)
		pause();
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Stands in for libvirt's driver or for a guest's QEMU, as far as the hooks can
 * tell them: a POSIX write lock on a PID file, and huge pages of 2 MiB.
 *
 *   stand-in PID_FILE [MAPPED TOUCHED]
 *
 * Locks PID_FILE and writes its PID there, maps MAPPED pages and touches the
 * first TOUCHED of them, prints "ready" and waits until it is killed.
 */
#include <fcntl.h>
#include <linux/mman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE (2ul << 20)

static int lock(const char *path)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char pid[32];
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || fcntl(fd, F_SETLK, &whole) < 0)
		return -1;
	snprintf(pid, sizeof(pid), "%d\n", getpid());
	return write(fd, pid, strlen(pid)) < 0 ? -1 : 0;
}

static int take(size_t mapped, size_t touched)
{
	char *area;

	if (!mapped)
		return 0;
	area = mmap(NULL, mapped * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT), -1, 0);
	if (area == MAP_FAILED)
		return -1;
	for (size_t page = 0; page < touched; page++)
		*(volatile char *)(area + page * PAGE) = 1;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2 && argc != 4)
		return 2;
	if (lock(argv[1]) < 0 ||
	    (argc == 4 && take(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10)) < 0)) {
		perror("stand-in");
		return 1;
	}
	puts("ready");
	fclose(stdout);
	for (;;)
		pause();
}

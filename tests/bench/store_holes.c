// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What it costs to remove a file full of dirty pages.
 *
 *	store_holes DIRECTORY MIB STAT unlink|punch
 *
 * Makes a file in DIRECTORY and writes to each page of it through a shared mapping, as QEMU does,
 * then drops the mapping and removes the file: at once, or after making one hole of
 * the whole of it.  STAT is /sys/block/DEVICE/stat of what it lies on.  Prints
 *
 *	BEFORE AFTER MICROSECONDS
 *
 * the sectors of 512 bytes written before the removal began, those written from
 * then until the file system is in sync, and the time of the removal alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME "dirty.ram"

static void die(const char *what)
{
	fprintf(stderr, "store_holes: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t sectors_written(const char *stat)
{
	FILE *file = fopen(stat, "re");
	uint64_t sectors;

	if (!file || fscanf(file, "%*u %*u %*u %*u %*u %*u %" SCNu64, &sectors) != 1)
		die(stat);
	fclose(file);
	return sectors;
}

static void dirty(int fd, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *area;

	if (ftruncate(fd, (off_t)size) < 0)
		die("ftruncate");
	area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (area == MAP_FAILED)
		die("mmap");
	for (size_t at = 0; at < size; at += page)
		area[at] = 1;
	munmap(area, size);
}

/* Closing is part of it: the last reference is what frees the file */
static void remove_file(int directory, int fd, size_t size, int punch)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	if (punch && fallocate(fd, mode, 0, (off_t)size) < 0)
		die("fallocate");
	if (unlinkat(directory, FILE_NAME, 0) < 0)
		die("unlink");
	close(fd);
}

int main(int argc, char **argv)
{
	uint64_t empty, full, begin, end;
	int fd, directory;
	size_t size;

	if (argc != 5)
		return 2;
	size = strtoul(argv[2], NULL, 10) << 20;
	directory = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(directory, FILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		die(argv[1]);
	/* The new inode itself is not what is measured */
	syncfs(fd);
	empty = sectors_written(argv[3]);
	dirty(fd, size);
	full = sectors_written(argv[3]);
	begin = now_us();
	remove_file(directory, fd, size, !strcmp(argv[4], "punch"));
	end = now_us();
	if (syncfs(directory) < 0)
		die("syncfs");
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", full - empty,
	       sectors_written(argv[3]) - full, end - begin);
	return 0;
}

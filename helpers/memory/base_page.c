// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The size of the host's base page.
 */
#include "memory/base_page.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/kfs.h"

/* What kernels have is 4, 16 and 64; more is room for what may come */
#define BASE_KIB_MAX 1024

static bool is_this_host(const struct kfs *kfs)
{
	struct stat theirs, ours;

	return fstat(kfs->rootfd, &theirs) < 0 || stat("/", &ours) < 0 ||
	       (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino);
}

/* The sum of the numbers behind each @word; 0: there is none */
static uint64_t sum_up(const struct kfs *kfs, const char *path, const char *word)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, path);
	unsigned long long value;
	char line[256], name[32];
	uint64_t sum = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " %31s %llu", name, &value) == 2 && !strcmp(name, word))
			sum += value;
	return sum;
}

/* An eighth off is forgiven: memory is plugged and unplugged while files are read */
static bool is_about(uint64_t a, uint64_t b)
{
	return a - a / 8 <= b && b <= a + a / 8;
}

uint64_t base_page_kib(const struct kfs *kfs)
{
	const uint64_t here = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	uint64_t total, pages, kib;

	if (is_this_host(kfs))
		return here;
	total = sum_up(kfs, "proc/meminfo", "MemTotal:");
	pages = sum_up(kfs, "proc/zoneinfo", "managed");
	for (kib = 4; pages && pages < UINT64_MAX / BASE_KIB_MAX && kib <= BASE_KIB_MAX; kib *= 2)
		if (is_about(total, pages * kib))
			return kib;
	return here;
}

/* Sizes of huge pages that no other architecture has */
static void guess_arch(const struct kfs *kfs, char arch[BASE_ARCH_SIZE])
{
	if (kfs_exists(kfs, "sys/kernel/mm/hugepages/hugepages-1024kB"))
		strcpy(arch, "s390x");
	else if (kfs_exists(kfs, "sys/kernel/mm/hugepages/hugepages-16384kB"))
		strcpy(arch, "ppc64le");
}

void base_page_arch(const struct kfs *kfs, char arch[BASE_ARCH_SIZE])
{
	struct utsname name;

	*arch = '\0';
	if (kfs_read(kfs, "proc/sys/kernel/arch", arch, BASE_ARCH_SIZE, NULL) == 0)
		return;
	*arch = '\0';
	if (!is_this_host(kfs))
		guess_arch(kfs, arch);
	else if (uname(&name) == 0)
		snprintf(arch, BASE_ARCH_SIZE, "%.15s", name.machine);
}

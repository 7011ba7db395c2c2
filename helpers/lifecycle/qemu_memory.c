// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lifecycle/qemu_memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/numa.h"
#include "memory/smaps.h"

static FILE *open_process_file(const struct kfs *kfs, pid_t pid, const char *name)
{
	char path[KFS_PATH_SIZE];

	snprintf(path, sizeof(path), "proc/%d/%s", pid, name);
	return kfs_stream(kfs, path);
}

static int add_pages(struct qemu_memory *memory, uint64_t page_kib, unsigned int node,
		     uint64_t pages)
{
	struct qemu_pages *more;
	size_t i;

	for (i = 0; i < memory->n; i++) {
		if (memory->list[i].page_kib == page_kib && memory->list[i].node == node) {
			memory->list[i].pages += pages;
			return 0;
		}
	}
	more = reallocarray(memory->list, memory->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	memory->list = more;
	more[memory->n++] = (struct qemu_pages){ page_kib, node, pages };
	return 0;
}

/* Lines of numa_maps that count */
typedef bool line_filter(const char *line);

static bool is_huge(const char *line)
{
	return strstr(line, " huge");
}

/* Programs and libraries are others' too */
static bool is_plain(const char *line)
{
	if (is_huge(line))
		return false;
	return strstr(line, " file=") ? strstr(line, " file=/memfd:") : strstr(line, " anon=");
}

/* "7f.. bind:0 file=/dev/hugepages/... huge dirty=4 N0=3 N1=1 kernelpagesize_kB=2048" */
static int numa_maps_line(char *line, line_filter *filter, struct qemu_memory *memory)
{
	unsigned long long page_kib = 0, pages;
	char *save = NULL, *word, *copy = strstr(line, "kernelpagesize_kB=");
	unsigned int node;
	int rc = 0;

	if (!filter(line) || !copy || sscanf(copy, "kernelpagesize_kB=%llu", &page_kib) != 1)
		return 0;
	for (word = strtok_r(line, " \n", &save); word && rc == 0;
	     word = strtok_r(NULL, " \n", &save))
		if (sscanf(word, "N%u=%llu", &node, &pages) == 2 && node < NUMA_NODES_MAX)
			rc = add_pages(memory, page_kib, node, pages);
	return rc;
}

/* One mapping of smaps */
struct mapping {
	unsigned long long kib;
	unsigned long long page_kib;
	unsigned long long resident_kib;
	bool no_reserve;
};

/* Calls @take with each mapping of a process */
static int each_mapping(const struct kfs *kfs, pid_t pid,
			int (*take)(const struct mapping *mapping, void *data), void *data)
{
	cleanup_fclose FILE *f = open_process_file(kfs, pid, "smaps");
	cleanup_free char *line = NULL;
	struct mapping mapping = { 0 };
	unsigned long long kib;
	size_t room = 0;
	int rc = 0;

	if (!f)
		return -errno;
	while (rc == 0 && getline(&line, &room, f) > 0) {
		if (sscanf(line, "Size: %llu kB", &kib) == 1) {
			mapping = (struct mapping){ .kib = kib };
		} else if (sscanf(line, "KernelPageSize: %llu kB", &kib) == 1) {
			mapping.page_kib = kib;
		} else if (sscanf(line, "Shared_Hugetlb: %llu kB", &kib) == 1 ||
			   sscanf(line, "Private_Hugetlb: %llu kB", &kib) == 1) {
			mapping.resident_kib += kib;
		} else if (!strncmp(line, "VmFlags:", 8)) {
			/* The last line of each mapping */
			mapping.no_reserve = strstr(line, " nr ") || strstr(line, " nr\n");
			rc = take(&mapping, data);
		}
	}
	/* Half of a process is none of it */
	return rc == 0 && ferror(f) ? -EIO : rc;
}

static int add_resident(const struct mapping *mapping, void *data)
{
	if (!mapping->resident_kib || !mapping->page_kib)
		return 0;
	return add_pages(data, mapping->page_kib, 0, mapping->resident_kib / mapping->page_kib);
}

/* Return: also -ENOENT: a kernel without NUMA */
static int read_numa_maps(const struct kfs *kfs, pid_t pid, line_filter *filter,
			  struct qemu_memory *memory)
{
	cleanup_fclose FILE *f = open_process_file(kfs, pid, "numa_maps");
	cleanup_free char *line = NULL;
	size_t room = 0;
	int rc = 0;

	if (!f)
		return -errno;
	while (rc == 0 && getline(&line, &room, f) > 0)
		rc = numa_maps_line(line, filter, memory);
	return rc == 0 && ferror(f) ? -EIO : rc;
}

int qemu_memory_mapped(const struct kfs *kfs, pid_t pid, struct qemu_memory *memory)
{
	struct qemu_memory result = { 0 };
	int rc = read_numa_maps(kfs, pid, is_huge, &result);

	if (rc < 0 && !result.n)
		rc = each_mapping(kfs, pid, add_resident, &result);
	if (rc < 0)
		qemu_memory_free(&result);
	*memory = result;
	return rc;
}

/* No more than @kib in sum */
static void limit(struct qemu_memory *memory, uint64_t kib)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < memory->n; i++)
		sum += memory->list[i].pages * memory->list[i].page_kib;
	for (i = 0; sum > kib && i < memory->n; i++)
		memory->list[i].pages =
			(uint64_t)((double)memory->list[i].pages * (double)kib / (double)sum);
}

int qemu_memory_plain(const struct kfs *kfs, pid_t pid, struct qemu_memory *memory)
{
	struct qemu_memory result = { 0 };
	struct smaps smaps;
	int rc = smaps_read(kfs, pid, &smaps, NULL);

	*memory = result;
	if (rc < 0)
		return rc;
	rc = read_numa_maps(kfs, pid, is_plain, &result);
	if (rc == -ENOENT)
		rc = add_pages(&result, 1, 0, smaps.pss_kib);
	if (rc < 0) {
		qemu_memory_free(&result);
		return rc;
	}
	limit(&result, smaps.pss_kib);
	*memory = result;
	return 0;
}

struct reserved {
	uint64_t page_kib;
	uint64_t pages;
};

static int add_reserved(const struct mapping *mapping, void *data)
{
	struct reserved *reserved = data;

	if (mapping->page_kib == reserved->page_kib && !mapping->no_reserve)
		reserved->pages +=
			u64_sub_floor(mapping->kib, mapping->resident_kib) / mapping->page_kib;
	return 0;
}

uint64_t qemu_memory_reserved(const struct kfs *kfs, pid_t pid, uint64_t page_kib)
{
	struct reserved reserved = { .page_kib = page_kib };

	each_mapping(kfs, pid, add_reserved, &reserved);
	return reserved.pages;
}

uint64_t qemu_memory_on(const struct qemu_memory *memory, uint64_t page_kib, unsigned int node)
{
	size_t i;

	for (i = 0; i < memory->n; i++)
		if (memory->list[i].page_kib == page_kib && memory->list[i].node == node)
			return memory->list[i].pages;
	return 0;
}

void qemu_memory_free(struct qemu_memory *memory)
{
	free(memory->list);
	memory->list = NULL;
	memory->n = 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a QEMU maps of huge pages, read within bounds.
 */
#include "lifecycle/qemu_memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "lifecycle/process_lines.h"
#include "memory/numa.h"
#include "memory/smaps.h"

int qemu_memory_add(struct qemu_memory *memory, uint64_t page_kib, unsigned int node,
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

#define PARTS_MAX 1024

/* Part of a shared file, as one mapping has it: however often it is mapped its pages are
 * there once */
struct part {
	unsigned int major;
	unsigned int minor;
	unsigned long long inode;
	unsigned long long offset;
	unsigned int node;
	uint64_t page_kib;
	uint64_t pages;
};

/* Reading one process */
struct reading {
	struct process_lines lines;
	size_t n;
	struct part *parts;
};

static struct reading begin_reading(uint64_t deadline)
{
	return (struct reading){ .lines = process_lines_begin(deadline) };
}

static void end_reading(struct reading *reading)
{
	free(reading->parts);
	reading->parts = NULL;
}

/* "7f00-7f80 rw-s 00000000 00:01 1234 /memfd:x (deleted)".  Return: whether it is a file's
 * part that other mappings may have too.  Pages of a private one are its own */
static bool read_part(const char *line, unsigned long long *start, struct part *part)
{
	unsigned long long end;
	char access[5];

	*part = (struct part){ 0 };
	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu", start, &end, access, &part->offset,
		   &part->major, &part->minor, &part->inode) != 7)
		return false;
	return access[3] == 's' && part->inode;
}

/* @pages of the part, less what an earlier mapping of it had.  Return: 0, -E2BIG, -ENOMEM */
static int count_part(struct reading *reading, const struct part *part, uint64_t *pages)
{
	struct part *more;
	size_t i;

	if (!part->inode)
		return 0;
	for (i = 0; i < reading->n; i++) {
		struct part *old = &reading->parts[i];
		uint64_t before = old->pages;

		if (old->inode != part->inode || old->offset != part->offset ||
		    old->major != part->major || old->minor != part->minor ||
		    old->node != part->node || old->page_kib != part->page_kib)
			continue;
		old->pages = u64_max(before, *pages);
		*pages = u64_sub_floor(*pages, before);
		return 0;
	}
	if (reading->n == PARTS_MAX)
		return -E2BIG;
	if (!reading->parts)
		reading->parts = calloc(PARTS_MAX, sizeof(*reading->parts));
	if (!reading->parts)
		return -ENOMEM;
	more = &reading->parts[reading->n++];
	*more = *part;
	more->pages = *pages;
	return 0;
}

/* "7f.. bind:0 file=/dev/hugepages/... huge dirty=4 N0=3 N1=1 kernelpagesize_kB=2048" */
static int numa_maps_line(struct reading *reading, char *line, struct part *part,
			  struct qemu_memory *memory)
{
	unsigned long long page_kib = 0, pages;
	char *save = NULL, *word, *copy = strstr(line, "kernelpagesize_kB=");
	unsigned int node;
	int rc = 0;

	if (!copy || sscanf(copy, "kernelpagesize_kB=%llu", &page_kib) != 1)
		return 0;
	part->page_kib = page_kib;
	for (word = strtok_r(line, " \n", &save); word && rc == 0;
	     word = strtok_r(NULL, " \n", &save)) {
		uint64_t here;

		if (sscanf(word, "N%u=%llu", &node, &pages) != 2 || node >= NUMA_NODES_MAX)
			continue;
		here = pages;
		part->node = node;
		rc = count_part(reading, part, &here);
		if (rc == 0 && here)
			rc = qemu_memory_add(memory, page_kib, node, here);
	}
	return rc;
}

/* One mapping of smaps */
struct mapping {
	struct part part;
	unsigned long long kib;
	unsigned long long page_kib;
	unsigned long long resident_kib;
	bool no_reserve;
};

/* Calls @take with each mapping of a process */
static int each_mapping(const struct kfs *kfs, pid_t pid, struct reading *reading,
			int (*take)(struct reading *reading, const struct mapping *mapping,
				    void *data),
			void *data)
{
	cleanup_fclose FILE *f = process_lines_open(kfs, pid, "smaps");
	cleanup_free char *line = NULL;
	struct mapping mapping = { 0 };
	unsigned long long kib, start;
	struct part part;
	size_t room = 0;
	int rc = 0;

	if (!f)
		return -errno;
	reading->lines.bytes = 0;
	while (rc == 0 && (rc = process_lines_next(&reading->lines, f, &line, &room)) > 0) {
		rc = 0;
		if (read_part(line, &start, &part)) {
			mapping.part = part;
		} else if (sscanf(line, "Size: %llu kB", &kib) == 1) {
			mapping.kib = kib;
		} else if (sscanf(line, "KernelPageSize: %llu kB", &kib) == 1) {
			mapping.page_kib = kib;
		} else if (sscanf(line, "Shared_Hugetlb: %llu kB", &kib) == 1 ||
			   sscanf(line, "Private_Hugetlb: %llu kB", &kib) == 1) {
			mapping.resident_kib += kib;
		} else if (!strncmp(line, "VmFlags:", 8)) {
			/* The last line of each mapping */
			mapping.no_reserve = strstr(line, " nr ") || strstr(line, " nr\n");
			rc = take(reading, &mapping, data);
			mapping = (struct mapping){ 0 };
		}
		if (rc == 0)
			continue;
		break;
	}
	/* Half of a process is none of it */
	return rc;
}

static int add_mapping(struct reading *reading, const struct mapping *mapping, uint64_t kib,
		       struct qemu_memory *memory)
{
	struct part part = mapping->part;
	uint64_t pages;
	int rc;

	if (!kib || !mapping->page_kib)
		return 0;
	pages = kib / mapping->page_kib;
	part.page_kib = mapping->page_kib;
	rc = count_part(reading, &part, &pages);
	return rc < 0 || !pages ? rc : qemu_memory_add(memory, mapping->page_kib, 0, pages);
}

static int add_resident(struct reading *reading, const struct mapping *mapping, void *data)
{
	return add_mapping(reading, mapping, mapping->resident_kib, data);
}

/* The mapping at @start in maps, of which @maps goes on where it was: both files rise by
 * address */
static int find_part(struct reading *reading, FILE *maps, unsigned long long start,
		     struct part *part)
{
	cleanup_free char *line = NULL;
	unsigned long long here = 0;
	size_t room = 0;
	int rc = 0;

	while (maps && (rc = process_lines_next(&reading->lines, maps, &line, &room)) > 0) {
		bool shared = read_part(line, &here, part);

		if (here < start)
			continue;
		if (!shared || here != start)
			break;
		return 0;
	}
	*part = (struct part){ 0 };
	return rc < 0 ? rc : 0;
}

/* Return: also -ENOENT: a kernel without NUMA */
static int read_numa_maps(const struct kfs *kfs, pid_t pid, struct reading *reading,
			  line_filter *filter, struct qemu_memory *memory)
{
	cleanup_fclose FILE *f = process_lines_open(kfs, pid, "numa_maps");
	cleanup_fclose FILE *maps = NULL;
	cleanup_free char *line = NULL;
	unsigned long long start;
	struct part part;
	size_t room = 0;
	int rc;

	if (!f)
		return -errno;
	maps = process_lines_open(kfs, pid, "maps");
	while ((rc = process_lines_next(&reading->lines, f, &line, &room)) > 0) {
		if (!filter(line))
			continue;
		part = (struct part){ 0 };
		rc = 0;
		if (is_huge(line) && sscanf(line, "%llx", &start) == 1)
			rc = find_part(reading, maps, start, &part);
		if (rc == 0)
			rc = numa_maps_line(reading, line, &part, memory);
		if (rc < 0)
			break;
	}
	return rc;
}

int qemu_memory_mapped(const struct kfs *kfs, pid_t pid, uint64_t deadline,
		       struct qemu_memory *memory)
{
	struct reading reading = begin_reading(deadline);
	struct qemu_memory result = { 0 };
	int rc = read_numa_maps(kfs, pid, &reading, is_huge, &result);

	if (rc < 0 && rc != -E2BIG && !result.n) {
		reading.n = 0;
		rc = each_mapping(kfs, pid, &reading, add_resident, &result);
	}
	end_reading(&reading);
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
	struct reading reading = begin_reading(CLOCK_NEVER);
	struct qemu_memory result = { 0 };
	struct smaps smaps;
	int rc = smaps_read(kfs, pid, &smaps, NULL);

	*memory = result;
	if (rc < 0)
		return rc;
	rc = read_numa_maps(kfs, pid, &reading, is_plain, &result);
	end_reading(&reading);
	if (rc == -ENOENT)
		rc = qemu_memory_add(&result, 1, 0, smaps.pss_kib);
	if (rc < 0) {
		qemu_memory_free(&result);
		return rc;
	}
	limit(&result, smaps.pss_kib);
	*memory = result;
	return 0;
}

static int add_reserved(struct reading *reading, const struct mapping *mapping, void *data)
{
	if (mapping->no_reserve)
		return 0;
	return add_mapping(reading, mapping, u64_sub_floor(mapping->kib, mapping->resident_kib),
			   data);
}

int qemu_memory_reserved(const struct kfs *kfs, pid_t pid, uint64_t deadline,
			 struct qemu_memory *reserved)
{
	struct reading reading = begin_reading(deadline);
	struct qemu_memory result = { 0 };
	int rc = each_mapping(kfs, pid, &reading, add_reserved, &result);

	end_reading(&reading);
	if (rc < 0)
		qemu_memory_free(&result);
	*reserved = result;
	return rc;
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

// SPDX-License-Identifier: LGPL-2.1-or-later
#include "memory/numa.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/base_page.h"

#define NODE_DIR "sys/devices/system/node"

void nodeset_add(struct nodeset *set, unsigned int node)
{
	if (node < NUMA_NODES_MAX)
		set->word[node / 64] |= UINT64_C(1) << (node % 64);
}

static void nodeset_remove(struct nodeset *set, unsigned int node)
{
	set->word[node / 64] &= ~(UINT64_C(1) << (node % 64));
}

bool nodeset_has(const struct nodeset *set, unsigned int node)
{
	return node < NUMA_NODES_MAX && (set->word[node / 64] >> (node % 64) & 1);
}

bool nodeset_empty(const struct nodeset *set)
{
	size_t i;

	for (i = 0; i < NUMA_NODES_MAX / 64; i++)
		if (set->word[i])
			return false;
	return true;
}

bool nodeset_equal(const struct nodeset *a, const struct nodeset *b)
{
	return !memcmp(a, b, sizeof(*a));
}

unsigned int nodeset_count(const struct nodeset *set)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < NUMA_NODES_MAX / 64; i++)
		n += (unsigned int)__builtin_popcountll(set->word[i]);
	return n;
}

static const char *skip_blanks(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* One node number at *@p, which moves behind it */
static int scan_node(const char **p, unsigned int *node)
{
	unsigned int n = 0;

	*p = skip_blanks(*p);
	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	for (; isdigit((unsigned char)**p); (*p)++) {
		n = n * 10 + (unsigned int)(**p - '0');
		if (n >= NUMA_NODES_MAX)
			return -ERANGE;
	}
	*p = skip_blanks(*p);
	*node = n;
	return 0;
}

/* "N", "N-M" or "^N" at *@p */
static int scan_range(const char **p, struct nodeset *set)
{
	unsigned int first, last;
	bool remove = false;
	int rc;

	*p = skip_blanks(*p);
	if (**p == '^') {
		remove = true;
		(*p)++;
	}
	rc = scan_node(p, &first);
	if (rc < 0)
		return rc;
	last = first;
	if (**p == '-' && !remove) {
		(*p)++;
		rc = scan_node(p, &last);
		if (rc < 0)
			return rc;
		if (last < first)
			return -EINVAL;
	}
	for (; first <= last; first++) {
		if (remove)
			nodeset_remove(set, first);
		else
			nodeset_add(set, first);
	}
	return 0;
}

int nodeset_parse(const char *text, struct nodeset *set)
{
	struct nodeset result = { 0 };

	for (;;) {
		int rc = scan_range(&text, &result);

		if (rc < 0)
			return rc;
		if (!*text)
			break;
		if (*text++ != ',')
			return -EINVAL;
	}
	if (nodeset_empty(&result))
		return -EINVAL;
	*set = result;
	return 0;
}

const char *nodeset_format(const struct nodeset *set, char buf[NODESET_TEXT_SIZE])
{
	unsigned int first, last = 0;
	size_t used = 0;

	buf[0] = '\0';
	for (first = 0; first < NUMA_NODES_MAX; first = last + 1) {
		last = first;
		if (!nodeset_has(set, first))
			continue;
		while (nodeset_has(set, last + 1))
			last++;
		used += (size_t)sprintf(buf + used, "%s%u", used ? "," : "", first);
		if (last > first)
			used += (size_t)sprintf(buf + used, "-%u", last);
	}
	return buf;
}

/* "Node 0 MemFree:  1234 kB" or "MemFree:  1234 kB" */
static bool meminfo_line(const char *line, char *key, size_t size, uint64_t *kib)
{
	unsigned long long value;
	const char *colon = strchr(line, ':'), *start = line;

	if (!colon)
		return false;
	if (!strncmp(line, "Node ", 5)) {
		start = strchr(line + 5, ' ');
		if (!start || start > colon)
			return false;
		start++;
	}
	if ((size_t)(colon - start) >= size || sscanf(colon + 1, "%llu", &value) != 1)
		return false;
	memcpy(key, start, (size_t)(colon - start));
	key[colon - start] = '\0';
	*kib = value;
	return true;
}

static void take_value(struct numa_node *node, uint64_t *swap_free, const char *key, uint64_t kib)
{
	if (!strcmp(key, "MemTotal"))
		node->total_kib = kib;
	else if (!strcmp(key, "MemFree"))
		node->free_kib = kib;
	else if (!strcmp(key, "Active(file)") || !strcmp(key, "Inactive(file)"))
		node->file_kib += kib;
	else if (!strcmp(key, "SReclaimable"))
		node->reclaimable_kib += kib;
	else if (!strcmp(key, "Active(anon)") || !strcmp(key, "Inactive(anon)"))
		node->swappable_kib += kib;
	else if (!strcmp(key, "SwapFree") && swap_free)
		*swap_free = kib;
}

/* @swap_free may be NULL */
static int read_meminfo(const struct kfs *kfs, const char *path, struct numa_node *node,
			uint64_t *swap_free, struct err *err)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, path);
	struct numa_node result = { .id = node->id };
	char line[256], key[64];
	uint64_t kib;

	if (!f)
		return err_sys(err, errno, "cannot open /%s", path);
	while (fgets(line, sizeof(line), f))
		if (meminfo_line(line, key, sizeof(key), &kib))
			take_value(&result, swap_free, key, kib);
	if (ferror(f) || !result.total_kib)
		return err_set(err, EIO, "/%s has no MemTotal", path);
	result.reclaimable_kib += result.file_kib;
	*node = result;
	return 0;
}

int numa_read_node(const struct kfs *kfs, const struct numa *numa, unsigned int id,
		   struct numa_node *node, struct err *err)
{
	char path[KFS_PATH_SIZE] = "proc/meminfo";

	node->id = id;
	if (numa->sysfs)
		snprintf(path, sizeof(path), NODE_DIR "/node%u/meminfo", id);
	return read_meminfo(kfs, path, node, NULL, err);
}

/* The nodes that have memory: a node with CPUs only has no pools */
static int read_node_ids(const struct kfs *kfs, struct nodeset *set, struct err *err)
{
	char text[1024];
	int rc = kfs_read(kfs, NODE_DIR "/has_memory", text, sizeof(text), err);

	if (rc < 0)
		return rc;
	rc = nodeset_parse(text, set);
	if (rc < 0)
		return err_set(err, -rc, "/" NODE_DIR "/has_memory: cannot read '%s'", text);
	return 0;
}

/* "Node 0, zone Normal" ... "cpu: 3" ... "count: 512".  Seen to hold more than 50 MiB
 * of a node of 3 GiB.  Without the file nothing is added */
static void read_percpu_lists(const struct kfs *kfs, struct numa *numa)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, "proc/zoneinfo");
	const uint64_t page_kib = base_page_kib(kfs);
	struct numa_node *node = NULL;
	unsigned long long count;
	unsigned int id;
	char line[256];
	size_t i;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Node %u, zone", &id) == 1) {
			node = NULL;
			for (i = 0; i < numa->n_nodes; i++)
				if (numa->nodes[i].id == id || !numa->sysfs)
					node = &numa->nodes[i];
		} else if (node && sscanf(line, " count: %llu", &count) == 1) {
			node->percpu_kib += count * page_kib;
		}
	}
}

int numa_read(const struct kfs *kfs, struct numa *numa, struct err *err)
{
	struct numa result = { .sysfs = kfs_exists(kfs, NODE_DIR "/has_memory") };
	struct numa_node all = { 0 };
	struct nodeset ids = { 0 };
	unsigned int id;
	int rc;

	rc = read_meminfo(kfs, "proc/meminfo", &all, &result.swap_free_kib, err);
	if (rc < 0)
		return rc;
	if (result.sysfs) {
		rc = read_node_ids(kfs, &ids, err);
		if (rc < 0)
			return rc;
	} else {
		nodeset_add(&ids, 0);
	}
	result.nodes = calloc(nodeset_count(&ids), sizeof(*result.nodes));
	if (!result.nodes)
		return err_set(err, ENOMEM, "out of memory");
	for (id = 0; id < NUMA_NODES_MAX; id++) {
		if (!nodeset_has(&ids, id))
			continue;
		rc = numa_read_node(kfs, &result, id, &result.nodes[result.n_nodes++], err);
		if (rc < 0) {
			numa_free(&result);
			return rc;
		}
	}
	read_percpu_lists(kfs, &result);
	*numa = result;
	return 0;
}

void numa_free(struct numa *numa)
{
	free(numa->nodes);
	numa->nodes = NULL;
	numa->n_nodes = 0;
}

const struct numa_node *numa_find(const struct numa *numa, unsigned int id)
{
	size_t i;

	for (i = 0; i < numa->n_nodes; i++)
		if (numa->nodes[i].id == id)
			return &numa->nodes[i];
	return NULL;
}

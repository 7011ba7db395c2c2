// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Nodes: memory, processors, distances, zones.
 */
#include "memory/numa.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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

/* The words of a nodeset or a cpuset */
struct bits {
	uint64_t *word;
	unsigned int n;
};

static void set_bit(const struct bits *bits, unsigned int bit, bool value)
{
	uint64_t mask = UINT64_C(1) << (bit % 64);

	if (value)
		bits->word[bit / 64] |= mask;
	else
		bits->word[bit / 64] &= ~mask;
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

/* One number below @end at *@p, which moves behind it */
static int scan_number(const char **p, unsigned int end, unsigned int *number)
{
	unsigned int n = 0;

	*p = skip_blanks(*p);
	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	for (; isdigit((unsigned char)**p); (*p)++) {
		n = n * 10 + (unsigned int)(**p - '0');
		if (n >= end)
			return -ERANGE;
	}
	*p = skip_blanks(*p);
	*number = n;
	return 0;
}

/* "N", "N-M" or "^N" at *@p */
static int scan_range(const char **p, const struct bits *bits)
{
	unsigned int first, last;
	bool remove = false;
	int rc;

	*p = skip_blanks(*p);
	if (**p == '^') {
		remove = true;
		(*p)++;
	}
	rc = scan_number(p, bits->n, &first);
	if (rc < 0)
		return rc;
	last = first;
	if (**p == '-' && !remove) {
		(*p)++;
		rc = scan_number(p, bits->n, &last);
		if (rc < 0)
			return rc;
		if (last < first)
			return -EINVAL;
	}
	for (; first <= last; first++)
		set_bit(bits, first, !remove);
	return 0;
}

static int scan_list(const char *text, const struct bits *bits)
{
	for (;;) {
		int rc = scan_range(&text, bits);

		if (rc < 0)
			return rc;
		if (!*text)
			return 0;
		if (*text++ != ',')
			return -EINVAL;
	}
}

int nodeset_parse(const char *text, struct nodeset *set)
{
	struct nodeset result = { 0 };
	int rc = scan_list(text, &(struct bits){ result.word, NUMA_NODES_MAX });

	if (rc < 0)
		return rc;
	if (nodeset_empty(&result))
		return -EINVAL;
	*set = result;
	return 0;
}

int cpuset_parse(const char *text, struct cpuset *set)
{
	struct cpuset result = { 0 };
	int rc = scan_list(text, &(struct bits){ result.word, NUMA_CPUS_MAX });

	if (rc < 0)
		return rc;
	if (cpuset_empty(&result))
		return -EINVAL;
	*set = result;
	return 0;
}

void cpuset_add(struct cpuset *set, const struct cpuset *more)
{
	size_t i;

	for (i = 0; i < NUMA_CPUS_MAX / 64; i++)
		set->word[i] |= more->word[i];
}

bool cpuset_empty(const struct cpuset *set)
{
	static const struct cpuset nothing;

	return !memcmp(set, &nothing, sizeof(nothing));
}

bool cpuset_overlaps(const struct cpuset *a, const struct cpuset *b)
{
	size_t i;

	for (i = 0; i < NUMA_CPUS_MAX / 64; i++)
		if (a->word[i] & b->word[i])
			return true;
	return false;
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
	else if (!strcmp(key, "Dirty"))
		node->dirty_kib = kib;
	else if (!strcmp(key, "SReclaimable"))
		node->reclaimable_kib += kib;
	else if (!strcmp(key, "Active(anon)") || !strcmp(key, "Inactive(anon)"))
		node->swappable_kib += kib;
	else if (!strcmp(key, "Shmem"))
		node->shmem_kib = kib;
	else if (!strcmp(key, "AnonHugePages"))
		node->anon_thp_kib = kib;
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

/* "NAME TYPE VALUE" in bytes, a line each.  The cache does not shrink below c_min */
static uint64_t read_arc(const struct kfs *kfs)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, "proc/spl/kstat/zfs/arcstats");
	unsigned long long size = 0, least = 0, value;
	char line[256], key[64];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %*u %llu", key, &value) != 2)
			continue;
		if (!strcmp(key, "size"))
			size = value;
		else if (!strcmp(key, "c_min"))
			least = value;
	}
	return u64_sub_floor(size, least) / 1024;
}

uint64_t numa_arc(const struct numa_node *node, uint64_t pooled_kib)
{
	uint64_t known = u64_add_sat(u64_add_sat(node->free_kib, node->percpu_kib),
				     u64_add_sat(node->reclaimable_kib, node->swappable_kib));

	return u64_min(node->arc_kib,
		       u64_sub_floor(node->total_kib, u64_add_sat(known, pooled_kib)));
}

uint64_t numa_cache(const struct numa_node *node)
{
	return u64_add_sat(node->file_kib, numa_arc(node, 0));
}

int numa_read_node(const struct kfs *kfs, const struct numa *numa, unsigned int id,
		   struct numa_node *node, struct err *err)
{
	char path[KFS_PATH_SIZE] = "proc/meminfo";
	int rc;

	node->id = id;
	if (numa->sysfs)
		snprintf(path, sizeof(path), NODE_DIR "/node%u/meminfo", id);
	rc = read_meminfo(kfs, path, node, NULL, err);
	if (rc == 0)
		node->arc_kib = read_arc(kfs);
	return rc;
}

/* "Filename Type Size Used Priority", in KiB.  What is swapped to zram stays in memory:
 * how much smaller it will be, only swapping tells.  Without the file @free_kib stays */
static void read_swaps(const struct kfs *kfs, uint64_t *free_kib)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, "proc/swaps");
	char line[512], name[256];
	unsigned long long size, used;

	if (!f)
		return;
	*free_kib = 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%255s %*s %llu %llu", name, &size, &used) == 3 &&
		    strncmp(name, "/dev/zram", 9) != 0)
			*free_kib = u64_add_sat(*free_kib, u64_sub_floor(size, used));
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

/* ---- which processors are near ---- */

/* A list without processors is an empty line, and no mistake */
static bool read_cpus(const struct kfs *kfs, unsigned int id, struct cpuset *cpus)
{
	char path[KFS_PATH_SIZE], text[4096];

	*cpus = (struct cpuset){ 0 };
	snprintf(path, sizeof(path), NODE_DIR "/node%u/cpulist", id);
	if (kfs_read(kfs, path, text, sizeof(text), NULL) < 0)
		return false;
	return !*skip_blanks(text) || cpuset_parse(text, cpus) == 0;
}

/* The numbers in a node's "distance": one for each node that is online.  Return: false where it
 * can't be read, or has another number of them */
static bool read_distances(const struct kfs *kfs, const struct numa *numa, unsigned int id,
			   unsigned int distances[NUMA_NODES_MAX])
{
	char path[KFS_PATH_SIZE], text[8192], *next = text, *end;
	unsigned int other;

	snprintf(path, sizeof(path), NODE_DIR "/node%u/distance", id);
	if (kfs_read(kfs, path, text, sizeof(text), NULL) < 0)
		return false;
	for (other = 0; other < NUMA_NODES_MAX; other++) {
		if (!nodeset_has(&numa->online, other))
			continue;
		distances[other] = (unsigned int)strtoul(next, &end, 10);
		if (end == next)
			return false;
		next = end;
	}
	return !*skip_blanks(next);
}

/* How far @from is from @to, and if that can't be read, the other way round; 0: neither can */
static unsigned int distance_of(const struct kfs *kfs, const struct numa *numa, unsigned int from,
				unsigned int to)
{
	unsigned int distances[NUMA_NODES_MAX];

	if (read_distances(kfs, numa, from, distances))
		return distances[to];
	return read_distances(kfs, numa, to, distances) ? distances[from] : 0;
}

/* The first of the closest nodes with memory; NULL: that can't be told */
static struct numa_node *closest(const struct kfs *kfs, const struct numa *numa, unsigned int id)
{
	struct numa_node *best = NULL;
	unsigned int least = 0;
	size_t i;

	for (i = 0; i < numa->n_nodes; i++) {
		unsigned int distance = distance_of(kfs, numa, id, numa->nodes[i].id);

		if (!distance)
			return numa->n_nodes == 1 ? &numa->nodes[0] : NULL;
		if (best && distance >= least)
			continue;
		best = &numa->nodes[i];
		least = distance;
	}
	return best;
}

/* Without memory for it, nothing is said of the node */
static void add_bare(struct numa *numa, unsigned int id, const struct cpuset *cpus,
		     struct numa_node *near)
{
	struct numa_bare *more = reallocarray(numa->bare, numa->n_bare + 1, sizeof(*more));

	if (near) {
		cpuset_add(&near->cpus, cpus);
		numa->cpus_known = true;
	}
	if (!more)
		return;
	numa->bare = more;
	more[numa->n_bare++] = (struct numa_bare){ id, near ? near->id : NUMA_NODES_MAX, *cpus };
}

static void read_all_cpus(const struct kfs *kfs, struct numa *numa)
{
	struct cpuset cpus;
	unsigned int id;
	size_t i;

	for (i = 0; i < numa->n_nodes; i++)
		if (read_cpus(kfs, numa->nodes[i].id, &numa->nodes[i].cpus) &&
		    !cpuset_empty(&numa->nodes[i].cpus))
			numa->cpus_known = true;
	for (id = 0; id < NUMA_NODES_MAX; id++)
		if (nodeset_has(&numa->online, id) && !numa_find(numa, id) &&
		    read_cpus(kfs, id, &cpus) && !cpuset_empty(&cpus))
			add_bare(numa, id, &cpus, closest(kfs, numa, id));
}

static void read_online(const struct kfs *kfs, struct numa *numa)
{
	char text[1024];
	size_t i;

	if (!numa->sysfs || kfs_read(kfs, NODE_DIR "/online", text, sizeof(text), NULL) < 0 ||
	    nodeset_parse(text, &numa->online) < 0)
		numa->online = (struct nodeset){ 0 };
	for (i = 0; i < numa->n_nodes; i++)
		nodeset_add(&numa->online, numa->nodes[i].id);
}

/* ---- zones ---- */

/* "Node 0, zone Normal" ... "pages free 3" ... "cpu: 3" ... "count: 512".  The lists of the
 * CPUs were seen to hold more than 50 MiB of a node of 3 GiB.  Without the file nothing is
 * added */
static void read_zones(const struct kfs *kfs, struct numa *numa)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, "proc/zoneinfo");
	const uint64_t page_kib = base_page_kib(kfs);
	struct numa_node *node = NULL;
	unsigned long long count;
	char line[256], zone[16];
	bool movable = false;
	unsigned int id;
	size_t i;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Node %u, zone %15s", &id, zone) == 2) {
			node = NULL;
			movable = !strcmp(zone, "Movable");
			for (i = 0; i < numa->n_nodes; i++)
				if (numa->nodes[i].id == id || !numa->sysfs)
					node = &numa->nodes[i];
		} else if (!node) {
			continue;
		} else if (sscanf(line, " count: %llu", &count) == 1) {
			node->percpu_kib += count * page_kib;
		} else if (movable && sscanf(line, " pages free %llu", &count) == 1) {
			node->movable_free_kib = count * page_kib;
		} else if (movable && sscanf(line, " managed %llu", &count) == 1) {
			node->movable_kib = count * page_kib;
		}
	}
}

int numa_read(const struct kfs *kfs, struct numa *numa, struct err *err)
{
	struct numa result = { 0 };
	struct numa_node all = { 0 };
	struct nodeset ids = { 0 };
	unsigned int id;
	int rc;

	/* Without nodes the pools are the whole machine's: no guess */
	rc = kfs_look(kfs, NODE_DIR "/has_memory", &result.sysfs, err);
	if (rc == 0)
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
		return err_nomem(err);
	for (id = 0; id < NUMA_NODES_MAX; id++) {
		if (!nodeset_has(&ids, id))
			continue;
		rc = numa_read_node(kfs, &result, id, &result.nodes[result.n_nodes++], err);
		if (rc < 0) {
			numa_free(&result);
			return rc;
		}
	}
	read_zones(kfs, &result);
	read_online(kfs, &result);
	if (result.sysfs)
		read_all_cpus(kfs, &result);
	result.swaps = result.swap_free_kib;
	read_swaps(kfs, &result.swap_free_kib);
	result.arc_kib = result.n_nodes ? result.nodes[0].arc_kib : 0;
	*numa = result;
	return 0;
}

void numa_free(struct numa *numa)
{
	free(numa->nodes);
	free(numa->bare);
	numa->nodes = NULL;
	numa->bare = NULL;
	numa->n_nodes = numa->n_bare = 0;
}

const struct numa_node *numa_find(const struct numa *numa, unsigned int id)
{
	size_t i;

	for (i = 0; i < numa->n_nodes; i++)
		if (numa->nodes[i].id == id)
			return &numa->nodes[i];
	return NULL;
}

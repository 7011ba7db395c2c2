// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reads a process' policy of memory from /proc, and takes it for a thread of ours.
 */
#include "pager/memory_policy.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "kernel/kfs.h"

/* As numa_maps names them, which has "=static" and the like behind the name, then ":NODES" */
static const struct mode_name {
	const char *name;
	int mode;
} mode_names[] = {
	{ "bind", MPOL_BIND },
	{ "interleave", MPOL_INTERLEAVE },
	{ "prefer (many)", MPOL_PREFERRED_MANY },
	{ "prefer", MPOL_PREFERRED },
};

/* "7ffc1000 bind:0-1 stack anon=3 ..."; what is not understood is MPOL_DEFAULT */
static void parse_policy(const char *line, struct memory_policy *policy)
{
	const char *word = strchr(line, ' '), *nodes = word ? strchr(word, ':') : NULL;
	char list[NODESET_TEXT_SIZE];
	size_t i, len;

	if (!nodes)
		return;
	word++;
	len = strcspn(++nodes, " \n");
	if (len >= sizeof(list))
		return;
	memcpy(list, nodes, len);
	list[len] = '\0';
	for (i = 0; i < ARRAY_SIZE(mode_names); i++) {
		size_t n = strlen(mode_names[i].name);

		if (strncmp(word, mode_names[i].name, n) != 0 || !strchr("=:", word[n]))
			continue;
		if (nodeset_parse(list, &policy->nodes) == 0)
			policy->mode = mode_names[i].mode;
		return;
	}
}

/* A stack has no policy of its own: numa_maps shows its thread's there */
static int read_own(const struct kfs *kfs, pid_t pid, struct memory_policy *policy, struct err *err)
{
	cleanup_fclose FILE *f = NULL;
	cleanup_free char *line = NULL;
	char path[KFS_PATH_SIZE];
	size_t room = 0;

	snprintf(path, sizeof(path), "proc/%d/numa_maps", (int)pid);
	f = kfs_stream(kfs, path);
	if (!f && errno == ENOENT)
		return 0; /* without NUMA, or gone: the caller looks for that */
	if (!f)
		return err_sys(err, errno, "open /%s", path);
	while (getline(&line, &room, f) > 0)
		if (strstr(line, " stack")) {
			parse_policy(line, policy);
			break;
		}
	return 0;
}

/* Return: 0, or -EINVAL: there is none in it */
static int parse_allowed(const char *status, struct nodeset *allowed)
{
	static const char key[] = "\nMems_allowed_list:";
	const char *at = strstr(status, key);
	char list[NODESET_TEXT_SIZE];

	if (!at)
		return -EINVAL;
	at += strlen(key);
	at += strspn(at, " \t");
	snprintf(list, sizeof(list), "%.*s", (int)strcspn(at, "\n"), at);
	return nodeset_parse(list, allowed);
}

static int read_allowed(const struct kfs *kfs, pid_t pid, struct nodeset *allowed, struct err *err)
{
	char path[KFS_PATH_SIZE], status[8192];
	int rc;

	snprintf(path, sizeof(path), "proc/%d/status", (int)pid);
	rc = kfs_read(kfs, path, status, sizeof(status), err);
	if (rc == -ENOENT || rc == -ESRCH)
		return err_set(err, ESRCH, "process %d is gone", (int)pid);
	if (rc < 0)
		return rc;
	return parse_allowed(status, allowed) < 0 ?
		       err_set(err, EINVAL, "/%s does not say which nodes are allowed", path) :
		       0;
}

/* The nodes of the host that have memory; without NUMA there is no such file */
static int read_nodes(const struct kfs *kfs, struct nodeset *nodes, struct err *err)
{
	char text[NODESET_TEXT_SIZE];
	int rc = kfs_read(kfs, "sys/devices/system/node/has_memory", text, sizeof(text), err);

	return rc < 0 ? rc : nodeset_parse(text, nodes);
}

static bool all_in(const struct nodeset *nodes, const struct nodeset *allowed)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nodes->word); i++)
		if (nodes->word[i] & ~allowed->word[i])
			return false;
	return true;
}

int memory_policy_read(const struct kfs *kfs, pid_t pid, struct memory_policy *policy,
		       struct err *err)
{
	struct nodeset nodes = { 0 }, allowed = { 0 };
	int rc = read_nodes(kfs, &nodes, err);

	*policy = (struct memory_policy){ .mode = MPOL_DEFAULT };
	/* One node: numa_maps would take 14 ms for each GiB of the guest, and say the same */
	if (rc == -ENOENT || (rc == 0 && nodeset_count(&nodes) == 1))
		return 0;
	if (rc == 0)
		rc = read_allowed(kfs, pid, &allowed, err);
	if (rc == 0)
		rc = read_own(kfs, pid, policy, err);
	if (rc < 0 || all_in(&nodes, &allowed) || policy->mode == MPOL_BIND ||
	    policy->mode == MPOL_INTERLEAVE)
		return rc;
	/* No thread of ours is in QEMU's cpuset, so that what it allows must be the policy */
	policy->mode = MPOL_BIND;
	policy->nodes = allowed;
	return 0;
}

int memory_policy_take(const struct memory_policy *policy)
{
	bool none = policy->mode == MPOL_DEFAULT;

	if (syscall(SYS_set_mempolicy, policy->mode, none ? NULL : policy->nodes.word,
		    none ? 0 : NUMA_NODES_MAX + 1) < 0)
		return errno == ENOSYS ? 0 : -errno;
	return 0;
}

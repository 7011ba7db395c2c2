// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Any bytes as a configuration file, ours, libvirt's or Nova's.
 *
 * "make fuzz" runs it.  Whatever the file holds, it gives a configuration, its
 * problems are single lines, and values stay inside what a plan can work with.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "config/config.h"
#include "config/nova_conf.h"
#include "config/qemu_conf.h"
#include "guest/guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_problem(const struct config_problem *problem, void *data)
{
	(void)data;
	require(*problem->text && !strpbrk(problem->text, "\n\r\x1b"));
}

static void check_policy(const struct guest_policy *policy)
{
	const struct config_hugepages *hp = &policy->hugepages;

	require(policy->hook.deadline_ms > 0 && policy->hook.deadline_ms <= 86400000);
	require(policy->hook.log_level <= LOG_LEVEL_DEBUG);
	require(hp->compact <= EFFORT_AUTO && hp->on_release <= ON_RELEASE_KEEP);
	require(hp->n_keep_free <= CONFIG_SIZES_MAX && hp->n_on_release <= CONFIG_SIZES_MAX);
	require(!strpbrk(policy->store, "/ \n"));
}

static void check_store(const struct config_store *store)
{
	/* It stands in messages and in labels of metrics */
	require(*store->name && *store->name != '.' && !strpbrk(store->name, "/ \n"));
	require(!*store->path || (store->path[0] == '/' && store->path[1]));
	require(!strstr(store->path, "//") && !strstr(store->path, "/../"));
	require(!strpbrk(store->options, " \t\n"));
	require(store->size.percent <= 100 && store->keep_free.percent <= 100);
	require(store->mount <= MOUNT_NEVER && store->unmount <= UNMOUNT_NEVER);
}

static void check_stores(const struct config *config)
{
	const struct config_store *stores;
	size_t n = config_stores(config, &stores), i;

	require(n <= CONFIG_STORES_MAX);
	for (i = 0; i < n; i++)
		check_store(&stores[i]);
}

/* The same bytes as files of others */
static void parse_foreign(const char *text, size_t size)
{
	struct qemu_conf qemu;
	struct nova_conf nova = { 0 };
	uint64_t ratio;

	qemu_conf_parse(text, size, &qemu);
	require(*qemu_conf_memory_dir(&qemu) == '/');
	require(!strstr(qemu_conf_memory_dir(&qemu), "//"));
	require(!qemu.memory_backing_unreadable || !*qemu.memory_backing_dir);
	nova_conf_parse("F", text, size, &nova);
	if (!nova_conf_ratio(&nova.ram_allocation_ratio, &ratio))
		require(ratio < 1000001000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest guest = { .name = "vm1",
				      .uuid = "3f2b7a10-5f0c-4b5e-9a58-0f4a1c9d2e11" };
	struct config *config = NULL;
	struct guest_policy policy;
	struct err err = { "" };

	require(!config_parse_buffer("F", (const char *)data, size, &config, &err));
	config_for_each_problem(config, check_problem, NULL);
	if (!config_for_guest(config, &guest, &policy, &err))
		check_policy(&policy);
	if (config_check_section(config, &guest, "hugepages", &err))
		require(*err.text != '\0');
	config_check_section(config, NULL, "store", &err);
	check_stores(config);
	config_free(config);
	parse_foreign((const char *)data, size);
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Any bytes as a configuration file.
 *
 * Built with -fsanitize=fuzzer,address,undefined.  Whatever the file holds, it
 * gives a configuration, its problems are single lines, and values stay inside
 * what a plan can work with.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "guest/guest.h"
#include "policy/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_problem(const char *text, bool fatal, void *data)
{
	(void)fatal;
	(void)data;
	require(*text && !strpbrk(text, "\n\r\x1b"));
}

static void check_policy(const struct guest_policy *policy)
{
	const struct config_hugepages *hp = &policy->hugepages;

	require(policy->hook.deadline_ms > 0 && policy->hook.deadline_ms <= 86400000);
	require(policy->hook.log_level <= LOG_LEVEL_DEBUG);
	require(hp->compact <= EFFORT_AUTO && hp->on_release <= ON_RELEASE_KEEP);
	require(hp->n_keep_free <= CONFIG_SIZES_MAX && hp->n_on_release <= CONFIG_SIZES_MAX);
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
	config_free(config);
	return 0;
}

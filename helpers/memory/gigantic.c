// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The ways to pages of 1 GiB: boot parameters, CMA, the kernel's version.
 */
#include "memory/gigantic.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "kernel/kfs.h"

static void read_meminfo(const struct kfs *kfs, struct gigantic *gigantic)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, "proc/meminfo");
	unsigned long long kib;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "CmaTotal: %llu", &kib) == 1) {
			gigantic->cma = true;
			gigantic->cma_total_kib = kib;
		} else if (sscanf(line, "CmaFree: %llu", &kib) == 1) {
			gigantic->cma_free_kib = kib;
		}
	}
}

/* @word: "KEY=VALUE"; NULL: another key */
static const char *value_of(const char *word, const char *key)
{
	size_t len = strlen(key);

	return strncmp(word, key, len) || word[len] != '=' ? NULL : word + len + 1;
}

/* "hugepages=" belongs to the hugepagesz= in front of it, or to the default size */
static void read_cmdline(const struct kfs *kfs, struct gigantic *gigantic)
{
	char text[4096], *word, *save = NULL;
	uint64_t page_kib = 0, default_kib = 0;

	if (kfs_read(kfs, "proc/cmdline", text, sizeof(text), NULL) < 0)
		return;
	for (word = strtok_r(text, " \t\n", &save); word; word = strtok_r(NULL, " \t\n", &save)) {
		const char *value;

		if (!strcmp(word, "--"))
			break;
		if ((value = value_of(word, "default_hugepagesz")))
			text_to_kib(value, &default_kib);
		else if ((value = value_of(word, "hugepagesz")))
			text_to_kib(value, &page_kib);
		else if ((value = value_of(word, "hugetlb_cma")))
			snprintf(gigantic->hugetlb_cma, sizeof(gigantic->hugetlb_cma), "%s", value);
		else if ((value = value_of(word, "hugepages")) &&
			 (page_kib ? page_kib : default_kib) == GIGANTIC_KIB)
			snprintf(gigantic->at_boot, sizeof(gigantic->at_boot), "%s", value);
	}
}

void gigantic_read(const struct kfs *kfs, struct gigantic *gigantic)
{
	memset(gigantic, 0, sizeof(*gigantic));
	gigantic->present = kfs_exists(kfs, "sys/kernel/mm/hugepages/hugepages-1048576kB");
	read_meminfo(kfs, gigantic);
	read_cmdline(kfs, gigantic);
}

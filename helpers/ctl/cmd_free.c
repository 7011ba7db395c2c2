// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking free: huge pages that were kept after release go back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "base/json_fields.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "lifecycle/kept.h"
#include "lifecycle/session.h"
#include "terminal/wrap.h"

static const struct json_field pool_fields[] = {
	JSON_FIELD(struct kept_pool, page_kib),
	JSON_UP_TO(struct kept_pool, node, NUMA_NODES_MAX - 1),
	JSON_FIELD(struct kept_pool, freed),
	JSON_FIELD(struct kept_pool, left),
	JSON_END,
};

static const struct json_field fields[] = {
	JSON_LIST(struct kept, pools, "pools", n, pool_fields, 0),
	JSON_END,
};

static void print(const struct kept *kept)
{
	char kib[TEXT_KIB_SIZE];
	size_t i;

	for (i = 0; i < kept->n; i++) {
		const struct kept_pool *pool = &kept->pools[i];

		wrap_printf("node %u: %" PRIu64 " kept page%s of %s given back, %" PRIu64
			    " still kept",
			    pool->node, pool->freed, plural(pool->freed),
			    text_from_kib(pool->page_kib, kib), pool->left);
	}
	if (!kept->n)
		printf("no huge pages are kept\n");
}

static int read_arguments(const struct ctl *ctl, uint64_t *page_kib, uint64_t *pages,
			  struct err *err)
{
	*page_kib = 0;
	*pages = UINT64_MAX;
	if (ctl->page_size && (text_to_kib(ctl->page_size, page_kib) < 0 || !*page_kib)) {
		err_set(err, EINVAL, "--page-size '%.64s': expected a size such as 2M or 1G",
			ctl->page_size);
		return CTL_USAGE;
	}
	if (ctl->n_args && (text_to_u64(ctl->args[0], pages) < 0 || !*pages)) {
		err_set(err, EINVAL, "'%.64s': expected a number of pages", ctl->args[0]);
		return CTL_USAGE;
	}
	return CTL_FINE;
}

/* Return: CTL_FINDINGS where fewer could go than was asked for */
static int report(const struct ctl *ctl, const struct kept *kept, uint64_t pages, struct err *err)
{
	uint64_t freed = 0, left = 0;
	size_t i;

	for (i = 0; i < kept->n; i++) {
		freed += kept->pools[i].freed;
		left += kept->pools[i].left;
	}
	if (ctl->json && ctl_print_json(json_fields_write(fields, kept), err) < 0)
		return -ENOMEM;
	if (!ctl->json)
		print(kept);
	return left && freed < pages ? CTL_FINDINGS : CTL_FINE;
}

static int run(struct ctl *ctl, struct err *err)
{
	struct session session;
	struct kept kept = { 0 };
	uint64_t page_kib, pages;
	int rc = read_arguments(ctl, &page_kib, &pages, err);

	if (rc == 0)
		rc = ctl_need_root(ctl, "free kept pages", err);
	if (rc)
		return rc;
	rc = session_open(&session, &ctl->kfs, SESSION_CREATE, err);
	if (rc == 0)
		rc = session_configure(&session, err);
	if (rc == 0)
		rc = kept_free(&session, page_kib, pages, &kept, err);
	if (rc == 0)
		rc = report(ctl, &kept, pages, err);
	kept_end(&kept);
	session_close(&session);
	return rc;
}

const struct command cmd_free = {
	.name = "free",
	.usage = "free [N]\nfree --page-size SIZE [N]",
	.summary = "give back huge pages that were kept after release",
	.help = "Gives idle huge pages back to the kernel that guests left in the pools because\n"
		"of on_release = keep: N of them, or all. Never gives back pages of an\n"
		"administrator, of a guest or of another program. \"status\" shows how many are\n"
		"kept. Exit status 1 if it can give back fewer than N.",
	.options = CTL_JSON | CTL_ROOT | CTL_PAGE_SIZE,
	.max_args = 1,
	.run = run,
};

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The profiles hugepages, hugepages-1g and static-hugepages.
 */
#include "profiles/hugepages_profiles.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "memory/gigantic.h"
#include "policy/host_view.h"
#include "profiles/profile.h"
#include "profiles/reload.h"
#include "profiles/template.h"

TEMPLATE(hugepages_conf, "conf-snippets/hugepages/membacking.conf");
TEMPLATE(hugepages_sysctl, "conf-snippets/hugepages/sysctl.conf");
TEMPLATE(hugepages_1g_conf, "conf-snippets/hugepages-1g/membacking.conf");
TEMPLATE(hugepages_1g_mount, "conf-snippets/hugepages-1g/dev-hugepages1G.mount");
TEMPLATE(hugepages_1g_wants, "conf-snippets/hugepages-1g/sysinit.conf");
TEMPLATE(hugepages_1g_cmdline, "conf-snippets/hugepages-1g/cmdline");
TEMPLATE(hugepages_1g_no_cma, "conf-snippets/hugepages-1g/cmdline-without-cma");
TEMPLATE(static_lines, "conf-snippets/static-hugepages/membacking-static.conf");
TEMPLATE(static_cmdline, "conf-snippets/static-hugepages/cmdline");

#define CMDLINE "the kernel's command line"
#define UNITS	SYSCONF_DIR "/systemd/system"

int profile_hugepages_fill(const struct kfs *kfs, const struct host_view *host, struct parts *parts,
			   struct err *err)
{
	int rc;

	(void)kfs;
	if (!host->n_sizes)
		return err_set(err, ENOTSUP, "this kernel has no huge pages");
	rc = profile_parts_add(parts, PART_FILE, CONFIG_DIR "/20-hugepages.conf", hugepages_conf,
			       err);
	if (rc < 0)
		return rc;
	return profile_parts_add(parts, PART_FILE,
				 SYSCONF_DIR "/sysctl.d/60-membacking-hugepages.conf",
				 hugepages_sysctl, err);
}

static const struct size_view *find_size(const struct host_view *host, uint64_t page_kib)
{
	size_t i;

	for (i = 0; i < host->n_sizes; i++)
		if (host->sizes[i].page_kib == page_kib)
			return &host->sizes[i];
	return NULL;
}

static int add_mount(struct parts *parts, struct err *err)
{
	int rc = profile_parts_add(parts, PART_FILE, UNITS "/dev-hugepages1G.mount",
				   hugepages_1g_mount, err);

	if (rc < 0)
		return rc;
	return profile_parts_add(parts, PART_FILE, UNITS "/sysinit.target.d/50-membacking.conf",
				 hugepages_1g_wants, err);
}

int profile_hugepages_1g_fill(const struct kfs *kfs, const struct host_view *host,
			      struct parts *parts, struct err *err)
{
	struct gigantic gigantic;
	int rc;

	if (!find_size(host, KIB_PER_GIB))
		return err_set(err, ENOTSUP,
			       "this host has no pages of 1 GiB: the processor (pdpe1gb in "
			       "/proc/cpuinfo), the hypervisor above or the kernel lacks them");
	rc = profile_parts_add(parts, PART_FILE, CONFIG_DIR "/20-hugepages-1g.conf",
			       hugepages_1g_conf, err);
	/* The default size has its mount from systemd.  Without systemd the daemon hook mounts it
	 */
	if (rc == 0 && host->default_page_kib != KIB_PER_GIB && reload_has_systemd(kfs))
		rc = add_mount(parts, err);
	gigantic_read(kfs, &gigantic);
	if (rc == 0)
		rc = profile_parts_add(parts, PART_SHOWN, CMDLINE,
				       gigantic.cma ? hugepages_1g_cmdline : hugepages_1g_no_cma,
				       err);
	return rc;
}

/* ---- what is there now ---- */

/* "1G" as both the kernel and membacking-static.conf have it */
static void print_size(FILE *f, uint64_t kib)
{
	if (kib % KIB_PER_GIB == 0)
		fprintf(f, "%" PRIu64 "G", kib / KIB_PER_GIB);
	else if (kib % KIB_PER_MIB == 0)
		fprintf(f, "%" PRIu64 "M", kib / KIB_PER_MIB);
	else
		fprintf(f, "%" PRIu64 "K", kib);
}

static uint64_t lasting(const struct pool_view *view)
{
	return u64_sub_floor(hugepages_persistent(&view->pool), view->own);
}

/* Lines of "PAGES SIZE NODE" */
static size_t print_pools(FILE *f, const struct host_view *host)
{
	size_t i, k, n = 0;

	for (i = 0; i < host->n_sizes; i++) {
		const struct size_view *size = &host->sizes[i];

		for (k = 0; k < size->n_pools; k++) {
			if (!lasting(&size->pools[k]))
				continue;
			fprintf(f, "%" PRIu64 " ", lasting(&size->pools[k]));
			print_size(f, size->page_kib);
			fprintf(f, " %u\n", size->pools[k].pool.node);
			n++;
		}
	}
	return n;
}

/* "hugepagesz=1G hugepages=0:8,1:8".  Only for pages that are rarely available later */
static size_t print_parameters(FILE *f, const struct host_view *host)
{
	const struct size_view *size = find_size(host, KIB_PER_GIB);
	size_t i, n = 0;

	for (i = 0; size && i < size->n_pools; i++) {
		if (!lasting(&size->pools[i]))
			continue;
		fprintf(f, "%s%u:%" PRIu64,
			n ? "," : "hugepagesz=1G hugepages=", size->pools[i].pool.node,
			lasting(&size->pools[i]));
		n++;
	}
	return n;
}

static int add_listed(struct parts *parts, enum part_kind kind, const char *path,
		      const char *template, size_t (*print)(FILE *f, const struct host_view *host),
		      const struct host_view *host, size_t *n, struct err *err)
{
	cleanup_free char *list = NULL, *text = NULL;
	size_t size;
	FILE *f = open_memstream(&list, &size);

	if (!f)
		return err_nomem(err);
	*n = print(f, host);
	if (fclose(f) != 0)
		return err_nomem(err);
	if (!*n)
		return 0;
	if (template_fill(template, (struct template_value[]){ { "@LIST@", list }, { NULL, NULL } },
			  &text, err) < 0)
		return -ENOMEM;
	return profile_parts_add(parts, kind, path, text, err);
}

int profile_static_hugepages_fill(const struct kfs *kfs, const struct host_view *host,
				  struct parts *parts, struct err *err)
{
	size_t n = 0;
	int rc = add_listed(parts, PART_LINES, STATIC_HUGEPAGES_FILE, static_lines, print_pools,
			    host, &n, err);

	(void)kfs;
	if (rc == 0 && !n)
		return err_set(err, ENOENT,
			       "no huge pages are reserved now that could be reserved at each "
			       "boot: reserve them first, as with \"echo 8 > "
			       "/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/"
			       "nr_hugepages\", or write /" STATIC_HUGEPAGES_FILE " by hand");
	if (rc == 0)
		rc = add_listed(parts, PART_SHOWN, CMDLINE, static_cmdline, print_parameters, host,
				&n, err);
	return rc;
}

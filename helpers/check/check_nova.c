// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: what Nova makes of file_backed_memory
 *
 * The number takes the place of the host's memory wherever Nova counts: it is what is
 * scheduled on, what ram_allocation_ratio multiplies and reserved_host_memory_mb is
 * taken off.  None of that knows of the store behind it.
 * (nova/virt/libvirt/driver.py: _check_file_backed_memory_support, get_available_resource)
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "check/check.h"
#include "policy/store_rules.h"
#include "profiles/nova_file_backed.h"

/* A file system's own needs change by some blocks while it is used */
#define TOLERANCE_PERCENT 1

#define SHOW_PROFILE	  "virt-membacking conf show nova-file-backed"

/* ---- the number and the store ---- */

/* Guests that Nova sends and the store has no room for */
static void check_usable(const struct nova_conf *nova, const struct store_view *store,
			 uint64_t slack, struct findings *findings)
{
	uint64_t mib = nova_conf_file_backed_mib(nova), usable = nova_usable_mib(store);

	if (mib <= usable + slack)
		return;
	finding_add(findings, FINDING_HINT, "more-than-usable",
		    "%s: file_backed_memory = %" PRIu64 ", of which guests can have %" PRIu64
		    " MiB: the last of those that Nova sends here are refused unless the rest is "
		    "freed (keep_free = 0 in membacking.conf, tune2fs -m 0 for ext4)",
		    nova->file_backed_memory.where, mib, usable);
}

static void check_number(const struct nova_conf *nova, const struct store_view *store,
			 struct findings *findings)
{
	uint64_t mib = nova_conf_file_backed_mib(nova), capacity = nova_store_mib(store);
	uint64_t slack = capacity / 100 * TOLERANCE_PERCENT;
	const char *where = nova->file_backed_memory.where;

	check_usable(nova, store, slack, findings);
	if (mib > capacity)
		finding_add(findings, FINDING_FAIL, "more-than-store",
			    "%s: file_backed_memory = %" PRIu64 " is more than the %" PRIu64
			    " MiB that %s has: Nova sends guests here that have no room",
			    where, mib, capacity, store->config.path);
	else if (mib + slack < capacity)
		finding_add(findings, FINDING_WARN, "less-than-store",
			    "%s: file_backed_memory = %" PRIu64 ", and %s has %" PRIu64
			    " MiB: Nova leaves the rest empty",
			    where, mib, store->config.path, capacity);
	else
		return;
	finding_remedy(findings, SHOW_PROFILE);
}

static void check_store(const struct check_host *host, struct findings *findings)
{
	const struct store_view *store = NULL;
	const char *where = host->nova.file_backed_memory.where;
	struct err problem;

	/* Which [store] it should be is said where stores are looked at */
	if (!host->view->stores_read || store_choose(host->view, "", &store, &problem) < 0)
		return;
	if (store->configured && store_wants_mount(store)) {
		finding_add(
			findings, FINDING_HINT, "store-not-mounted",
			"%s: file_backed_memory can't be compared with store '%s' while that is "
			"not mounted",
			where, store->config.name);
		return;
	}
	if (nova_store_check(store, &problem) < 0) {
		finding_add(findings, FINDING_FAIL, "no-store",
			    "%s: file_backed_memory is set, and %s", where, problem.text);
		finding_remedy(findings, "virt-membacking conf apply file-backed");
	} else {
		check_number(&host->nova, store, findings);
	}
}

/* ---- what stands beside it ---- */

static void check_ratio(const struct nova_conf *nova, struct findings *findings)
{
	const struct nova_value *ratio = &nova->ram_allocation_ratio;
	uint64_t thousandths = 0;
	int rc = nova_conf_ratio(ratio, &thousandths);

	if (rc == 0 && thousandths == 1000)
		return;
	if (rc == -ENOENT)
		finding_add(findings, FINDING_WARN, "ratio-unset",
			    "%s: file_backed_memory is set and ram_allocation_ratio is not: "
			    "nova-compute refuses to start unless that is 1.0",
			    nova->file_backed_memory.where);
	else
		finding_add(findings, FINDING_WARN, "ratio",
			    "%s: ram_allocation_ratio = %s beside file_backed_memory: nova-compute "
			    "refuses to start unless it is 1.0, since a store can't hold more than "
			    "its size",
			    ratio->where, ratio->text);
	finding_remedy(findings, SHOW_PROFILE);
}

static void check_reserved(const struct nova_conf *nova, struct findings *findings)
{
	const struct nova_value *value = &nova->reserved_host_memory_mb;
	const char *where = *value->where ? value->where : nova->file_backed_memory.where;
	const char *unsaid = *value->where ? "" : ", as Nova takes it where nothing is said,";
	uint64_t mib = nova_conf_reserved_mib(nova);

	if (!mib)
		return;
	if (mib >= nova_conf_file_backed_mib(nova))
		finding_add(findings, FINDING_FAIL, "reserved-more",
			    "%s: reserved_host_memory_mb is %" PRIu64
			    "%s and file_backed_memory no "
			    "more than that: nova-compute refuses to start",
			    where, mib, unsaid);
	else
		finding_add(findings, FINDING_WARN, "reserved",
			    "%s: reserved_host_memory_mb is %" PRIu64
			    "%s beside file_backed_memory: "
			    "Nova takes it off the store and not off the host's memory, where the "
			    "host needs it; set it to 0",
			    where, mib, unsaid);
	finding_remedy(findings, SHOW_PROFILE);
}

static void check_virt_type(const struct nova_conf *nova, struct findings *findings)
{
	const struct nova_value *type = &nova->virt_type;

	if (!*type->text || !strcmp(type->text, "kvm") || !strcmp(type->text, "qemu"))
		return;
	finding_add(findings, FINDING_FAIL, "virt-type",
		    "%s: virt_type = %s beside file_backed_memory: nova-compute refuses to start "
		    "unless it is kvm or qemu",
		    type->where, type->text);
	finding_remedy_line(findings, type->where);
}

/* ---- huge pages ---- */

static void check_hugepages(const struct check_host *host, struct findings *findings)
{
	const struct nova_conf *nova = &host->nova;
	const struct libvirt_guest *first = NULL;
	size_t n = 0, i;

	for (i = 0; i < host->libvirt.n; i++) {
		const struct libvirt_guest *guest = &host->libvirt.guests[i];

		if (!guest->guest || !guest_asks_for_hugepages(guest->guest))
			continue;
		if (!n++)
			first = guest;
	}
	if (n) {
		finding_add(
			findings, FINDING_WARN, "guests-with-huge-pages",
			"%s: file_backed_memory is set, and %zu defined guest%s huge pages "
			"('%s'): Nova counts no memory beside the store, and starts no guest with "
			"huge pages here; keep the two kinds on different hosts",
			nova->file_backed_memory.where, n, n == 1 ? " has" : "s have", first->name);
		finding_remedy(findings, "virsh edit %s",
			       text_shell_name(first->name, first->guest->uuid));
	}
	if (!*nova->reserved_huge_pages.where)
		return;
	finding_add(findings, FINDING_WARN, "reserved-huge-pages",
		    "%s: reserved_huge_pages is of no use beside file_backed_memory: Nova starts "
		    "no guest with huge pages on this host",
		    nova->reserved_huge_pages.where);
	finding_remedy_line(findings, nova->reserved_huge_pages.where);
}

/* "node:0,size:2048,count:512": @kib is 0 where it says nothing of the kind */
static void parse_reserved(const char *text, uint64_t *kib, uint64_t *count)
{
	const char *size = strstr(text, "size:"), *number = strstr(text, "count:");
	unsigned long long pages = 0;
	char unit[32];

	*kib = *count = 0;
	if (!size || !number || sscanf(size, "size:%31[0-9A-Za-z]", unit) != 1 ||
	    sscanf(number, "count:%llu", &pages) != 1)
		return;
	/* A bare number is KiB */
	if (text_to_u64(unit, kib) < 0 && text_to_kib(unit, kib) < 0)
		*kib = 0;
	*count = pages;
}

/* Nova leaves them to others than its guests, and our hook takes what lies idle */
static void check_pages_of_others(const struct check_host *host, struct findings *findings)
{
	const struct nova_value *reserved = &host->nova.reserved_huge_pages;
	uint64_t kib, count;

	if (!*reserved->where)
		return;
	parse_reserved(reserved->text, &kib, &count);
	if (!kib || !count || config_keep_free(config_hugepages(host->config), kib))
		return;
	finding_add(findings, FINDING_HINT, "keep-free",
		    "%s: Nova leaves huge pages to other programs by reserved_huge_pages, and a "
		    "guest's start may use them unless [hugepages] of /" CONFIG_FILE
		    " keeps them: keep_free_%" PRIu64 "%c = %" PRIu64,
		    reserved->where, kib >= KIB_PER_GIB ? kib / KIB_PER_GIB : kib / KIB_PER_MIB,
		    kib >= KIB_PER_GIB ? 'G' : 'M', count);
}

void check_nova(const struct check_host *host, struct findings *findings)
{
	const struct nova_conf *nova = &host->nova;
	size_t before = findings->n;
	uint64_t mib = 0;

	if (!nova->present)
		return;
	if (*nova->file_backed_memory.where &&
	    text_to_u64(nova->file_backed_memory.text, &mib) < 0) {
		finding_add(findings, FINDING_FAIL, "bad-value",
			    "%s: file_backed_memory = %s: expected a number of MiB",
			    nova->file_backed_memory.where, nova->file_backed_memory.text);
		finding_remedy(findings, SHOW_PROFILE);
		return;
	}
	if (!mib) {
		check_pages_of_others(host, findings);
		if (findings->n == before)
			finding_add(findings, FINDING_PASS, "unused",
				    "Nova uses no file-backed memory");
		return;
	}
	check_store(host, findings);
	check_ratio(nova, findings);
	check_reserved(nova, findings);
	check_virt_type(nova, findings);
	check_hugepages(host, findings);
	if (findings->n == before)
		finding_add(findings, FINDING_PASS, "as-store",
			    "%s: file_backed_memory = %" PRIu64 " is what the store has",
			    nova->file_backed_memory.where, mib);
}

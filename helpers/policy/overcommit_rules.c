// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which guests the pager can take, and whether their memory fits.
 */
#include "policy/overcommit_rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "policy/thp_rules.h"

/* The pager's page */
#define PAGER_PAGE_KIB 4

#define NO_NESTING     "<feature policy='disable' name='vmx'/> (or svm) in <cpu> prevents that"
#define HUGE_BAD       "transparent huge pages can't be taken out page by page"

bool overcommit_rules_wanted(const struct config_overcommit *overcommit)
{
	return overcommit->enable && (overcommit->resident.kib || overcommit->resident.percent);
}

bool overcommit_rules_small_pages(const struct guest_policy *policy)
{
	return overcommit_rules_wanted(&policy->overcommit) ||
	       (policy->overcommit.enable && !policy->thp.manage);
}

uint64_t overcommit_rules_size(const struct guest *guest)
{
	uint64_t kib = 0;
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		kib = u64_add_sat(kib,
				  u64_max(guest->memory[i].size_kib, guest->memory[i].max_kib));
	return kib;
}

/* ---- what can't be paged ---- */

static const char *security_word(enum guest_security security)
{
	return security == GUEST_TDX				  ? "encrypted memory (TDX)" :
	       security == GUEST_SEV || security == GUEST_SEV_SNP ? "encrypted memory (SEV)" :
								    "protected memory";
}

/* "virtiofs" or "vhost-user", of what the guest's device is called there */
static const char *sharing_word(const struct guest *guest)
{
	return strstr(guest->sharing, "virtiofs") ? "virtiofs" : "vhost-user";
}

/* A device that QEMU or the kernel serves */
static const char *instead_of_sharing(const struct guest *guest)
{
	return strstr(guest->sharing, "virtiofs")   ? "<driver type='path'/> (9p), or NFS" :
	       strstr(guest->sharing, "<interface") ? "another type of <interface>" :
						      "a device that QEMU serves itself";
}

/* What one part of its memory lacks; NULL: nothing */
static const char *memory_refused(const struct guest_memory *memory)
{
	if (memory->hugepages)
		return "lies in huge pages: remove <hugepages/> from <memoryBacking>";
	if (memory->source == GUEST_SOURCE_ANONYMOUS)
		return "is anonymous: <source type='memfd'/> and <access mode='shared'/> in "
		       "<memoryBacking> make it shared";
	if (!memory->shared)
		return "is private: <access mode='shared'/> in <memoryBacking> makes it shared";
	return NULL;
}

static int refuse_devices(const struct guest *guest, struct err *err)
{
	if (guest->vfio)
		return err_set(err, EINVAL,
			       "a device of the host's (VFIO) has all of its memory pinned: "
			       "remove that device from its definition");
	if (guest->vdpa)
		return err_set(err, EINVAL,
			       "vhost-vdpa has all of its memory pinned: remove that device from "
			       "its definition");
	if (*guest->sharing)
		return err_set(err, EINVAL,
			       "the back end of %s (%s) reads its memory by a mapping of its own, "
			       "in which pages that are not resident are zeros: replace it by %s",
			       guest->sharing, sharing_word(guest), instead_of_sharing(guest));
	return 0;
}

static int refuse_memory(const struct guest *guest, struct err *err)
{
	size_t i;

	if (guest->locked)
		return err_set(err, EINVAL,
			       "its memory is <locked/>: remove that from <memoryBacking>");
	if (guest->immediate)
		return err_set(
			err, EINVAL,
			"<allocation mode='immediate'/> takes all of its memory at the start: "
			"remove that from <memoryBacking>");
	if (!guest->n_memory)
		return err_set(err, EINVAL, "its memory was not understood%s%s",
			       *guest->doubt ? ": " : "", guest->doubt);
	for (i = 0; i < guest->n_memory; i++) {
		const char *why = memory_refused(&guest->memory[i]);

		if (why)
			return err_set(err, EINVAL, "of its memory, '%s' %s",
				       guest->memory[i].alias, why);
	}
	return 0;
}

static int refuse_guest(const struct guest *guest, struct err *err)
{
	int rc = refuse_devices(guest, err);

	if (rc < 0)
		return rc;
	if (guest->security != GUEST_OPEN)
		return err_set(err, EINVAL,
			       "the host can't read %s: only without <launchSecurity> can it be "
			       "paged",
			       security_word(guest->security));
	if (guest->nesting == GUEST_NESTING_YES)
		return err_set(err, EINVAL,
			       "its CPU model has vmx or svm, and guests within it would pin "
			       "pages unseen: " NO_NESTING);
	return refuse_memory(guest, err);
}

int overcommit_rules_guest(const struct guest *guest, struct err *err)
{
	int rc = refuse_guest(guest, err);

	return rc < 0 ? err_prefix(err, rc, "guest '%s' can't be paged", guest->name) : 0;
}

/* ---- on this host ---- */

static bool allows_huge(const char *word)
{
	return *word && strcmp(word, "never") != 0 && strcmp(word, "deny") != 0;
}

static int refuse_tmpfs(const struct host_view *host, const struct step_store *store,
			struct err *err)
{
	char huge[THP_WORD_SIZE];

	if (!thp_rules_in_tmpfs(host, store))
		return err_set(err, ENODEV, "its files lie in %s, which is no tmpfs", store->path);
	snprintf(huge, sizeof(huge), "%s", host->thp.store_huge);
	if (store->mount)
		thp_rules_huge(store->options, huge);
	if (allows_huge(huge))
		return err_set(err, ENODEV,
			       "the tmpfs at %s has huge=%s, and " HUGE_BAD
			       ": mount it with huge=never",
			       store->path, huge);
	return 0;
}

/* Of a tmpfs the mount option counts, unless the host's setting overrides it */
static int refuse_huge(const struct host_view *host, const struct step_store *store,
		       const struct config_thp *thp, struct err *err)
{
	const char *ours = thp && thp->manage ? thp->shmem_enabled : "";
	const char *setting = host->overcommit.shmem_huge;

	if (allows_huge(ours))
		return err_set(err, ENODEV,
			       "[thp] sets shmem_enabled = %s, and " HUGE_BAD
			       ": set it to never or deny",
			       ours);
	if (*setting && (!store || !strcmp(host->thp.thp.shmem_enabled, "force")))
		return err_set(err, ENODEV,
			       "of transparent huge pages, %s, and " HUGE_BAD
			       ": set it to never or deny",
			       setting);
	return 0;
}

static int refuse_kernel(const struct guest *guest, const struct host_view *host, struct err *err)
{
	uint64_t page_kib = guest->reading.page_kib;
	char kib[TEXT_KIB_SIZE];

	if (!host->overcommit.device)
		return err_set(err, ENODEV,
			       "this host has no /dev/userfaultfd: " OVERCOMMIT_UFFD_REMEDY);
	if (host->overcommit.no_ptrace)
		return err_set(err, ENODEV,
			       "kernel.yama.ptrace_scope is 3, so that no running QEMU can be "
			       "adopted: " OVERCOMMIT_PTRACE_REMEDY);
	if (*host->overcommit.in_the_clear)
		return err_set(err, ENOKEY,
			       "[overcommit] has encrypt = yes, but %s: " OVERCOMMIT_CRYPT_REMEDY,
			       host->overcommit.in_the_clear);
	if (page_kib && page_kib != PAGER_PAGE_KIB)
		return err_set(err, ENODEV,
			       "its kernel has pages of %s, and the pager takes those of 4 KiB",
			       text_from_kib(page_kib, kib));
	if (guest->nesting == GUEST_NESTING_AS_HOST && host->overcommit.nested)
		return err_set(err, ENODEV,
			       "the guest's processor is like the host's, with vmx or svm, and "
			       "guests within it would pin pages unseen: " NO_NESTING);
	return 0;
}

int overcommit_rules_host(const struct guest *guest, const struct host_view *host,
			  const struct step_store *store, const struct config_thp *thp,
			  struct err *err)
{
	int rc = refuse_kernel(guest, host, err);

	if (rc == 0 && store)
		rc = refuse_tmpfs(host, store, err);
	if (rc == 0)
		rc = refuse_huge(host, store, thp, err);
	return rc < 0 ? err_prefix(err, rc, "guest '%s' can't be paged on this host", guest->name) :
			0;
}

/* ---- sizes ---- */

static uint64_t whole_pages(uint64_t kib)
{
	return u64_mul_sat(u64_div_up(kib, PAGER_PAGE_KIB), PAGER_PAGE_KIB);
}

int overcommit_rules_fill(const struct guest *guest, const struct config_overcommit *overcommit,
			  struct step_overcommit *step, struct err *err)
{
	uint64_t size = overcommit_rules_size(guest);
	uint64_t resident = whole_pages(config_amount_of(&overcommit->resident, size));
	uint64_t floor = config_amount_of(&overcommit->floor, size);
	char text[2][TEXT_KIB_SIZE], said[CONFIG_AMOUNT_SIZE];

	if (resident >= size)
		return 0;
	if (resident < floor)
		return err_set(err, EINVAL,
			       "guest '%s': %s resident is below the floor of [overcommit] (%s): "
			       "at least %s",
			       guest->name, text_from_kib(resident, text[0]),
			       config_amount_text(&overcommit->floor, said),
			       text_from_kib_up(floor, text[1]));
	*step = (struct step_overcommit){
		.size_kib = size,
		.resident_kib = resident,
		.headroom_kib = config_amount_of(&overcommit->headroom, size),
		.tiers_kib = size - resident,
	};
	return 1;
}

int overcommit_rules_no_limit(const struct guest *guest, struct err *err)
{
	char text[TEXT_KIB_SIZE];

	return err_set(err, EINVAL, "guest '%s' has %s of memory: --resident must be less",
		       guest->name, text_from_kib(overcommit_rules_size(guest), text));
}

/* Of what a tier in a file may take, what the pager notes of it in memory: 8 bytes a page */
#define FILE_TABLES_SHARE 500

static bool is_in_memory(enum config_tier_kind kind)
{
	return kind == CONFIG_TIER_RAM || kind == CONFIG_TIER_ZSTD;
}

/* zstd takes only what gets smaller, and at 100 % that may be nothing */
static uint64_t holds(const struct config_overcommit *overcommit, enum config_tier_kind kind,
		      uint64_t kib)
{
	unsigned int percent = overcommit->compressed.percent;

	if (kind == CONFIG_TIER_ZSTD && percent == 100)
		return 0;
	return u64_mul_sat(kib, 100) / percent;
}

uint64_t overcommit_rules_tiers(const struct config_overcommit *overcommit, uint64_t host_kib,
				uint64_t *in_ram_kib)
{
	const struct config_tiers *tiers = &overcommit->tiers;
	uint64_t kib = 0;
	size_t i;

	*in_ram_kib = 0;
	for (i = 0; i < tiers->n; i++) {
		uint64_t size = config_tier_kib(&tiers->tier[i], host_kib);

		if (is_in_memory(tiers->tier[i].kind)) {
			*in_ram_kib = u64_add_sat(*in_ram_kib, size);
			size = holds(overcommit, tiers->tier[i].kind, size);
		} else if (config_tier_is_slow(tiers->tier[i].kind)) {
			*in_ram_kib = u64_add_sat(*in_ram_kib, size / FILE_TABLES_SHARE);
		}
		kib = u64_add_sat(kib, size);
	}
	return kib;
}

uint64_t overcommit_rules_memory(const struct host_view *host)
{
	uint64_t kib = 0;
	size_t i;

	for (i = 0; i < host->numa.n_nodes; i++)
		kib = u64_add_sat(kib, host->numa.nodes[i].total_kib);
	return kib;
}

/* ---- admission ---- */

static int admit_to_tiers(const struct step_overcommit *step, const struct host_view *host,
			  uint64_t tiers_kib, const char *guest, struct err *err)
{
	uint64_t others = host->overcommit.tiers_kib;
	uint64_t missing = u64_sub_floor(u64_add_sat(step->tiers_kib, others), tiers_kib);
	char text[4][TEXT_KIB_SIZE];

	if (!missing)
		return 0;
	return err_set(
		err, ENOSPC,
		"guest '%s': %s of its memory may have to be in tiers; they have room for %s, "
		"of which %s are promised to other guests: %s are missing; enlarge tiers "
		"in [overcommit], or the guest's overcommit.resident",
		guest, text_from_kib(step->tiers_kib, text[0]), text_from_kib(tiers_kib, text[1]),
		text_from_kib(others, text[2]), text_from_kib_up(missing, text[3]));
}

static uint64_t pooled(const struct host_view *host)
{
	uint64_t kib = 0;
	size_t i;

	for (i = 0; i < host->numa.n_nodes; i++)
		kib = u64_add_sat(kib, host_view_pooled(host, host->numa.nodes[i].id));
	return kib;
}

/* What is available now without swapping any program's memory */
static uint64_t available(const struct host_view *host)
{
	uint64_t kib = host->numa.arc_kib;
	size_t i;

	for (i = 0; i < host->numa.n_nodes; i++) {
		const struct numa_node *node = &host->numa.nodes[i];

		kib = u64_add_sat(kib, node->free_kib + node->percpu_kib + node->reclaimable_kib);
	}
	return kib;
}

static int admit_to_memory(const struct step_overcommit *step, const struct host_view *host,
			   uint64_t in_ram_kib, uint64_t keep_kib, const char *guest,
			   struct err *err)
{
	const struct overcommit_view *others = &host->overcommit;
	uint64_t memory = overcommit_rules_memory(host);
	uint64_t own = u64_add_sat(step->resident_kib, step->headroom_kib);
	uint64_t promised = u64_add_sat(others->resident_kib, others->headroom_kib);
	uint64_t set_aside = u64_add_sat(u64_add_sat(in_ram_kib, keep_kib), pooled(host));
	uint64_t need = u64_add_sat(u64_add_sat(own, promised), set_aside);
	char text[5][TEXT_KIB_SIZE];

	if (need <= memory)
		return 0;
	return err_set(err, ENOSPC,
		       "guest '%s': %s resident with its headroom, beside %s of other guests "
		       "under the pager and %s for tiers, pools of huge pages and keep_free, are "
		       "more than this host's memory (%s): %s are missing",
		       guest, text_from_kib(own, text[0]), text_from_kib(promised, text[1]),
		       text_from_kib(set_aside, text[2]), text_from_kib(memory, text[3]),
		       text_from_kib_up(need - memory, text[4]));
}

static int admit_now(const struct step_overcommit *step, uint64_t taken_kib,
		     const struct host_view *host, uint64_t keep_kib, const char *guest,
		     struct err *err)
{
	uint64_t own =
		u64_sub_floor(u64_add_sat(step->resident_kib, step->headroom_kib), taken_kib);
	uint64_t others = host->overcommit.outstanding_kib;
	uint64_t need = u64_add_sat(u64_add_sat(own, others), keep_kib);
	uint64_t have = available(host);
	char text[5][TEXT_KIB_SIZE];

	/* A guest that runs and takes nothing more does no harm, however little is left */
	if (!own || need <= have)
		return 0;
	return err_set(err, ENOSPC,
		       "guest '%s': %s resident with its headroom do not fit into the memory that "
		       "is available now (%s), beside %s that other guests under the pager may "
		       "still take and %s that stay free: %s are missing",
		       guest, text_from_kib(own, text[0]), text_from_kib(have, text[1]),
		       text_from_kib(others, text[2]), text_from_kib(keep_kib, text[3]),
		       text_from_kib_up(need - have, text[4]));
}

int overcommit_rules_admit(const struct step_overcommit *step, uint64_t taken_kib,
			   const struct host_view *host, const struct config_overcommit *overcommit,
			   const char *guest, struct err *err)
{
	uint64_t memory = overcommit_rules_memory(host), in_ram, tiers, keep;
	int rc;

	tiers = overcommit_rules_tiers(overcommit, memory, &in_ram);
	keep = config_amount_of(&overcommit->keep_free, memory);
	rc = admit_to_tiers(step, host, tiers, guest, err);
	if (rc == 0)
		rc = admit_to_memory(step, host, in_ram, keep, guest, err);
	return rc < 0 ? rc : admit_now(step, taken_kib, host, keep, guest, err);
}

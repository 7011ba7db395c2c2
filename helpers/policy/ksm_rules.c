// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: the rates
 *
 * ksmd scans pages_to_scan pages, sleeps for sleep_millisecs, and so on.  A page is
 * merged in the second pass over it at the earliest, so a rate says how soon: at 195 MiB
 * in a second, guests of 8 GiB together are merged within one and a half minutes.
 *
 * Each time it wakes up costs ksmd as much as dozens of pages.  So it does not wake up
 * for a few hundred pages fifty times a second, as by the kernel's defaults, but ten times,
 * for as many more.
 *
 * With its advisor on the kernel chooses pages_to_scan itself, and a write is refused.
 * Switching the advisor on or off sets pages_to_scan to the kernel's default.  So it is
 * set to just that first: then what is found there after the advisor is what we wrote,
 * and is put back like anything else.
 *
 * The advisor aims at one pass in 200 seconds.  The least that it may choose is what the
 * kernel has for it, 500 pages in 20 ms, put otherwise: gentle's rate.  Where there is next
 * to nothing to scan, as while the first guest starts, it goes up to the most that it may.
 * With the kernel's 30000 pages ksmd then chases after the guests' pages while they are
 * being written, again and again, for an eighth more processor time in all.  So its most
 * becomes what takes it through all of this host's memory in those 200 seconds: guests
 * can't have more.
 *
 * DOC: the computed rate
 *
 * What ksmtuned aims at, for kernels without advisor.  The host is short of memory if
 * less than a threshold is available, or if the guests and the threshold are more than
 * there is; the threshold is a fifth of the memory and at least 2 GiB.  ksmtuned walks
 * between 64 pages, where nothing is short, and 1250, where something is, in steps once a
 * minute.  Between a guest's start and the next there is nothing to walk, so the rate is
 * set at once to where it would lead, in proportion to the shortage.  Where nothing
 * is short ksmtuned stops KSM; here it then runs at its slowest: that the memory will do
 * for the guests as they are now doesn't say that it will do for the next one.
 */
#include "policy/ksm_rules.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "guest/guest.h"
#include "memory/numa.h"

/* ---- who gains ---- */

static const struct {
	const char *word;
	const char *why;
} gains[] = {
	[KSM_GAINS] = { "", "" },
	[KSM_GAIN_HUGEPAGES] = { "hugepages",
				 "its memory lies in huge pages, and KSM merges small ones only" },
	[KSM_GAIN_FILE] = { "file-backed",
			    "its memory is file-backed, and KSM merges anonymous memory only" },
	[KSM_GAIN_SHARED] = { "shared",
			      "its memory is shared and file-backed, and KSM merges private "
			      "anonymous memory only" },
	[KSM_GAIN_MEMFD] = { "memfd",
			     "its memory is a memfd, and KSM merges private anonymous memory only" },
	[KSM_GAIN_NOSHAREPAGES] = { "nosharepages",
				    "its XML has <nosharepages/>, with which QEMU keeps KSM away" },
	[KSM_GAIN_VFIO] = { "vfio",
			    "a device passed through to it (VFIO) pins its memory, and KSM can't "
			    "merge pinned pages" },
	[KSM_GAIN_REFUSED] = { "ksm=no",
			       "the configuration says ksm = no; only <nosharepages/> keeps its pages "
			       "apart" },
	[KSM_GAIN_VDPA] = { "vdpa",
			    "its vhost-vdpa device pins its memory, and KSM can't merge pinned "
			    "pages" },
	[KSM_GAIN_ENCRYPTED] = { "encrypted",
				 "its memory is encrypted (<launchSecurity>), so no two pages are "
				 "equal, and the host may not read them" },
};

_Static_assert(ARRAY_SIZE(gains) == KSM_GAIN_KINDS, "each has its words");

const char *ksm_rules_why(enum ksm_gain gain)
{
	return gains[gain].why;
}

const char *ksm_rules_word(enum ksm_gain gain)
{
	return gains[gain].word;
}

enum ksm_gain ksm_rules_find(const char *word)
{
	unsigned int gain;

	for (gain = 0; gain < KSM_GAIN_KINDS; gain++)
		if (!strcmp(gains[gain].word, word))
			return (enum ksm_gain)gain;
	return KSM_GAINS;
}

static enum ksm_gain gain_of(const struct guest_memory *memory)
{
	if (memory->hugepages)
		return KSM_GAIN_HUGEPAGES;
	if (memory->source == GUEST_SOURCE_MEMFD)
		return KSM_GAIN_MEMFD;
	if (memory->shared)
		return KSM_GAIN_SHARED;
	return memory->source == GUEST_SOURCE_FILE ? KSM_GAIN_FILE : KSM_GAINS;
}

static uint64_t mergeable_kib(const struct guest *guest)
{
	uint64_t kib = 0;
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (gain_of(&guest->memory[i]) == KSM_GAINS)
			kib = u64_add_sat(kib, guest->memory[i].size_kib);
	return kib;
}

enum ksm_gain ksm_rules_gain(const struct guest *guest, bool allowed)
{
	/* The kind of memory comes first: the rest is easier to change */
	if (!mergeable_kib(guest))
		return guest->n_memory ? gain_of(&guest->memory[0]) : KSM_GAIN_HUGEPAGES;
	if (guest->security != GUEST_OPEN)
		return KSM_GAIN_ENCRYPTED;
	if (guest->vfio)
		return KSM_GAIN_VFIO;
	if (guest->vdpa)
		return KSM_GAIN_VDPA;
	if (guest->nosharepages)
		return KSM_GAIN_NOSHAREPAGES;
	return allowed ? KSM_GAINS : KSM_GAIN_REFUSED;
}

bool ksm_rules_wanted(const struct guest *guest, const struct guest_policy *policy)
{
	if (!policy->ksm.manage || policy->ksm.enable == KSM_NEVER || !policy->ksm_allowed)
		return false;
	return policy->ksm.enable == KSM_ALWAYS || ksm_rules_gain(guest, true) == KSM_GAINS;
}

void ksm_rules_fill(const struct guest *guest, const struct guest_policy *policy,
		    struct step_ksm *step)
{
	bool gains_something = ksm_rules_gain(guest, policy->ksm_allowed) == KSM_GAINS;

	*step = (struct step_ksm){
		.size_kib = gains_something ? mergeable_kib(guest) : 0,
		.profile = policy->ksm.profile,
		.end = policy->ksm.on_last_guest,
		.nodes = policy->ksm.merge_across_nodes,
	};
}

/* ---- rates ---- */

/* @pages: Of 4 KiB */
struct rate {
	uint64_t pages;
	uint64_t sleep_ms;
};

#define SLEEP_MS 100

/* In MiB of 4 KiB pages scanned in a second, if ksmd gets the processor it wants: gentle
 * 98, five times the kernel's default; balanced 195; aggressive 585, for which ksmd needs
 * most of a processor for as long as guests run */
static const struct rate rates[] = {
	[KSM_GENTLE] = { 2500, SLEEP_MS },
	[KSM_BALANCED] = { 5000, SLEEP_MS },
	[KSM_AGGRESSIVE] = { 15000, SLEEP_MS },
};

#define COMPUTED_MIN_PAGES 64
#define COMPUTED_MAX_PAGES 1250
#define COMPUTED_SLEEP_MS  10

/* The kernel's defaults of advisor_target_scan_time and advisor_max_pages_to_scan */
#define ADVISOR_PASS_S	  200
#define ADVISOR_MAX_PAGES 30000

/* The kernel's DEFAULT_PAGES_TO_SCAN */
#define WITHOUT_ADVISOR 100

void ksm_rules_memory(const struct numa *numa, struct ksm_host *host)
{
	size_t i;

	host->total_kib = 0;
	host->available_kib = numa->arc_kib;
	for (i = 0; i < numa->n_nodes; i++) {
		const struct numa_node *node = &numa->nodes[i];

		host->total_kib += node->total_kib;
		host->available_kib += node->free_kib + node->percpu_kib + node->reclaimable_kib;
	}
}

/* How much is missing, but no more than the whole threshold */
static uint64_t shortage(const struct ksm_host *host, uint64_t threshold)
{
	uint64_t available = u64_sub_floor(threshold, host->available_kib);
	uint64_t wanted = u64_add_sat(host->guests_kib, threshold);

	return u64_min(u64_max(available, u64_sub_floor(wanted, host->total_kib)), threshold);
}

static struct rate compute(const struct ksm_host *host)
{
	uint64_t threshold = u64_max(host->total_kib / 5, 2 * KIB_PER_GIB);
	uint64_t mib = threshold / KIB_PER_MIB;
	uint64_t missing = shortage(host, threshold) / KIB_PER_MIB;
	uint64_t total = u64_max(host->total_kib, KIB_PER_GIB);

	return (struct rate){
		.pages = COMPUTED_MIN_PAGES +
			 (COMPUTED_MAX_PAGES - COMPUTED_MIN_PAGES) * missing / mib,
		/* A small host has fewer processors to spare */
		.sleep_ms =
			u64_max(COMPUTED_SLEEP_MS * 16 * KIB_PER_GIB / total, COMPUTED_SLEEP_MS),
	};
}

/* As much memory as @pages of 4 KiB are */
static uint64_t host_pages(const struct ksm_host *host, uint64_t pages)
{
	return u64_max(pages * 4 / host->page_kib, 1);
}

static uint64_t advisor_least(const struct ksm_host *host)
{
	return host_pages(host, rates[KSM_GENTLE].pages);
}

static uint64_t advisor_most(const struct ksm_host *host)
{
	uint64_t pages = host->total_kib / host->page_kib / ADVISOR_PASS_S / (1000 / SLEEP_MS);

	return u64_min(u64_max(pages, advisor_least(host)), ADVISOR_MAX_PAGES);
}

bool ksm_rules_computed(enum config_ksm_profile profile, const struct ksm_host *host)
{
	return profile == KSM_ADVISOR && !host->advisor;
}

static void set_word(struct ksm_value *value, const char *file, const char *word)
{
	value->file = file;
	snprintf(value->text, sizeof(value->text), "%s", word);
}

static void set_number(struct ksm_value *value, const char *file, uint64_t number)
{
	value->file = file;
	snprintf(value->text, sizeof(value->text), "%llu", (unsigned long long)number);
}

size_t ksm_rules_values(enum config_ksm_profile profile, const struct ksm_host *host,
			struct ksm_value values[KSM_VALUES_MAX])
{
	struct rate rate;
	size_t n = 0;

	if (profile == KSM_CUSTOM)
		return 0;
	if (profile == KSM_ADVISOR && host->advisor) {
		if (!host->advising)
			set_number(&values[n++], "pages_to_scan", WITHOUT_ADVISOR);
		set_number(&values[n++], "advisor_min_pages_to_scan", advisor_least(host));
		set_number(&values[n++], "advisor_max_pages_to_scan", advisor_most(host));
		set_word(&values[n++], "advisor_mode", "scan-time");
		set_number(&values[n++], "sleep_millisecs", SLEEP_MS);
		return n;
	}
	rate = profile == KSM_ADVISOR ? compute(host) : rates[profile];
	if (host->advisor)
		set_word(&values[n++], "advisor_mode", "none");
	set_number(&values[n++], "pages_to_scan", host_pages(host, rate.pages));
	set_number(&values[n++], "sleep_millisecs", rate.sleep_ms);
	return n;
}

/* Of what could be reclaimed some is in use all the same, and the kernel does badly with
 * the last tenth */
bool ksm_rules_apart_fits(const struct ksm_host *host, uint64_t apart_kib)
{
	return u64_add_sat(apart_kib, host->total_kib / 10) <= host->available_kib;
}

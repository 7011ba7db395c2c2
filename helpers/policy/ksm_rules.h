/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decisions about KSM: who gains, which settings a profile means, when it may come
 * apart.  Pure.
 */
#ifndef MEMBACKING_POLICY_KSM_RULES_H
#define MEMBACKING_POLICY_KSM_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "policy/step.h"

struct guest;
struct numa;

/* Can KSM merge a guest's pages, and if not, why */
enum ksm_gain {
	KSM_GAINS,
	KSM_GAIN_HUGEPAGES,
	KSM_GAIN_FILE,
	KSM_GAIN_SHARED,
	KSM_GAIN_MEMFD,
	KSM_GAIN_NOSHAREPAGES,
	KSM_GAIN_VFIO,
	KSM_GAIN_REFUSED, /* ksm = no */
	KSM_GAIN_VDPA,
	KSM_GAIN_ENCRYPTED,
	KSM_GAIN_KINDS
};

/**
 * ksm_rules_gain() - What the guest's XML says of it
 * @allowed:	"ksm" of [guest]
 *
 * A guest gains if any of its backends is anonymous private memory of small pages.
 * <locked/> does not matter: KSM merges locked pages too.
 */
enum ksm_gain ksm_rules_gain(const struct guest *guest, bool allowed);

/* "its memory is file-backed, and KSM merges anonymous memory only"; "" for KSM_GAINS */
const char *ksm_rules_why(enum ksm_gain gain);

/* One word for JSON: "file-backed"; "" for KSM_GAINS */
const char *ksm_rules_word(enum ksm_gain gain);

/* The other way round; KSM_GAINS for a word that is none */
enum ksm_gain ksm_rules_find(const char *word);

/* Does the configuration want KSM to run for this guest? */
bool ksm_rules_wanted(const struct guest *guest, const struct guest_policy *policy);

void ksm_rules_fill(const struct guest *guest, const struct guest_policy *policy,
		    struct step_ksm *step);

/**
 * struct ksm_host - What settings depend on
 * @advisor:	The kernel has one
 * @advising:	It is on
 * @page_kib:	A page that KSM merges: 4, or 16 or 64 on some of arm64's and ppc64's kernels
 * @total_kib, @available_kib: The host's memory
 * @guests_kib:	What its guests have of it, where a page that several share counts once, and what
 *		they may still come to take
 */
struct ksm_host {
	bool advisor;
	bool advising;
	uint64_t page_kib;
	uint64_t total_kib;
	uint64_t available_kib;
	uint64_t guests_kib;
};

/* Sums over all nodes */
void ksm_rules_memory(const struct numa *numa, struct ksm_host *host);

/* Is the setting computed from the guests' memory, so that each start and end changes it? */
bool ksm_rules_computed(enum config_ksm_profile profile, const struct ksm_host *host);

/* A file of KSM_DIR and the value for it */
struct ksm_value {
	const char *file;
	char text[24];
};

#define KSM_VALUES_MAX 5

/**
 * ksm_rules_values() - What a profile means on this kernel, in the order of writing
 *
 * Without "run".  sleep_millisecs is the last.
 * Return: how many
 */
size_t ksm_rules_values(enum config_ksm_profile profile, const struct ksm_host *host,
			struct ksm_value values[KSM_VALUES_MAX]);

/* Has the host memory for @apart_kib that are merged now, and some to spare? */
bool ksm_rules_apart_fits(const struct ksm_host *host, uint64_t apart_kib);

#endif

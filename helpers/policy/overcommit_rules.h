/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decisions about guests under the pager: which can be, and whether their memory fits.  Pure.
 *
 * DOC: what is counted
 *
 * A guest of @size_kib with a limit of @resident_kib may need @tiers_kib, the difference, in
 * tiers, all of it in the worst case, and compressed no further than the configuration counts on.
 * Where tiers are full nothing more is taken out of guests, and a guest that needs more than its
 * limit stands, so that the sum of all guests' must fit into the tiers' sizes.  In the host's
 * memory there is the sum of limits and headrooms, and the tiers that lie there: that must fit into
 * what the host has, less its pools of huge pages and less keep_free; and what is not taken yet
 * of limits and headrooms must be available now, since other programs have memory too.
 */
#ifndef MEMBACKING_POLICY_OVERCOMMIT_RULES_H
#define MEMBACKING_POLICY_OVERCOMMIT_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "policy/host_view.h"
#include "policy/step.h"

struct err;
struct guest;

/* What to do on a host that lacks what the pager needs */
#define OVERCOMMIT_CRYPT_REMEDY "put the tier on a dm-crypt device (membacking.conf(5), encrypt)"
#define OVERCOMMIT_UFFD_REMEDY                                                                     \
	"it needs Linux 6.1 or later, or RHEL 9's kernel, with CONFIG_USERFAULTFD"
#define OVERCOMMIT_PTRACE_REMEDY                                                                   \
	"set it to 2 or less where /etc/sysctl.d sets it, and boot the host again"

/* Does the configuration want the guest to be paged? */
bool overcommit_rules_wanted(const struct config_overcommit *overcommit);

/* Shall shared memory lie in small pages?  Where guests are paged, and [thp] does not say otherwise
 */
bool overcommit_rules_small_pages(const struct guest_policy *policy);

/* What the pager would page of it, in KiB: all of its memory, with what virtio-mem may come to */
uint64_t overcommit_rules_size(const struct guest *guest);

/**
 * overcommit_rules_guest() - What in the guest's own definition keeps it from being paged
 *
 * Each sentence is "guest 'NAME' can't be paged: REASON".
 * Return: 0 or -EINVAL
 */
int overcommit_rules_guest(const struct guest *guest, struct err *err);

/**
 * overcommit_rules_host() - What on this host does
 * @store:	Where the guest's files lie, or are about to; NULL: it has none
 * @thp:	Settings that are applied for guests; NULL: none
 *
 * Return: 0 or -ENODEV
 */
int overcommit_rules_host(const struct guest *guest, const struct host_view *host,
			  const struct step_store *store, const struct config_thp *thp,
			  struct err *err);

/**
 * overcommit_rules_fill() - The step of a guest
 *
 * Return: 1; 0: its limit is all of its memory, so that there is nothing to page; -EINVAL: the
 * limit is below the floor
 */
int overcommit_rules_fill(const struct guest *guest, const struct config_overcommit *overcommit,
			  struct step_overcommit *step, struct err *err);

/* The sentence for that 0, where a limit was asked for.  Return: -EINVAL */
int overcommit_rules_no_limit(const struct guest *guest, struct err *err);

/**
 * overcommit_rules_tiers() - Memory of guests that tiers are good for, in KiB
 * @in_ram_kib:	What they may take of the host's memory for it
 *
 * As far as the configuration counts on compression.
 */
uint64_t overcommit_rules_tiers(const struct config_overcommit *overcommit, uint64_t host_kib,
				uint64_t *in_ram_kib);

/* The host's memory, in KiB */
uint64_t overcommit_rules_memory(const struct host_view *host);

/**
 * overcommit_rules_admit() - Does it fit beside what other guests were promised?
 * @taken_kib:	What its QEMU has of the host's memory now; 0 before it starts
 * @host:	Without @step
 *
 * Return: 0 or -ENOSPC: the sentence says of what there is too little, and how much is missing
 */
int overcommit_rules_admit(const struct step_overcommit *step, uint64_t taken_kib,
			   const struct host_view *host, const struct config_overcommit *overcommit,
			   const char *guest, struct err *err);

#endif

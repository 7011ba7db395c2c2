/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The decision: guest x host x policy -> steps.  Pure: no I/O, no clock.
 */
#ifndef MEMBACKING_POLICY_PLAN_H
#define MEMBACKING_POLICY_PLAN_H

#include "config/config.h"
#include "policy/host_view.h"
#include "policy/ksm_rules.h"
#include "policy/step.h"

#define PLAN_NOTE_SIZE 384

/**
 * struct plan - What a guest's start needs.  Often nothing
 * @ksm:	Whether KSM can merge the guest's pages, and why not
 * @notes:	Words for the log: decisions an administrator may wonder about
 * @doubtful:	Pages to be added that the host's fragmentation leaves no room for, on any
 *		node that could serve.  Known of a host that was surveyed
 * @doubt:	The first of @notes that says so, counted from 1
 * @swapped_kib: Memory of programs that would have to be swapped out for the pages
 */
struct plan {
	struct step_list list;
	enum ksm_gain ksm;
	size_t n_notes;
	char (*notes)[PLAN_NOTE_SIZE];
	uint64_t doubtful;
	size_t doubt;
	uint64_t swapped_kib;
};

/* Adds to @plan's notes; without memory for it a note is left out */
__attribute__((format(printf, 2, 3))) void plan_note(struct plan *plan, const char *fmt, ...);

/* The note on what is doubtful; empty: nothing is */
const char *plan_doubt(const struct plan *plan);

/**
 * struct plan_needs - What there is to decide for a guest
 * @wanted:	Steps of this kind, or notes about it
 * @section:	Of the configuration: bad values in it keep the guest from starting.  NULL: none
 */
struct plan_needs {
	struct plan_need {
		bool wanted;
		const char *section;
	} kinds[STEP_KINDS];
};

/**
 * plan_needs_host() - Would plan_make() look at the host at all?
 * @host:	Of it only @has_ksm and @thp.present matter: what this kernel has
 *
 * Not for a guest without file-backed memory whose huge pages, KSM and THP are not there,
 * or not managed: then nothing is read, locked or written.
 */
struct plan_needs plan_needs_host(const struct guest *guest, const struct guest_policy *policy,
				  const struct host_view *host);

/* Any of them */
bool plan_needs_any(const struct plan_needs *needs);

/* Any that the guest can't start without */
bool plan_needs_essential(const struct plan_needs *needs);

/* Is there anything to reserve ahead of a start?  See plan_make_pages() */
bool plan_needs_ahead(const struct plan_needs *needs);

/* Any that is decided by the stores in the host view */
bool plan_needs_stores(const struct plan_needs *needs);

/* Do bad values in @section keep the guest from starting? */
bool plan_needs_section(const struct plan_needs *needs, const char *section);

/* What in the guest's definition keeps it from starting, before anything is read or asked.
 * plan_make() says it too.  Return: 0 or -EINVAL */
int plan_refuse(const struct guest *guest, const struct plan_needs *needs, struct err *err);

/* What stands in the guest's way in subjects that the configuration doesn't manage, as notes */
void plan_note_obstacles(const struct guest *guest, const struct guest_policy *policy,
			 const struct host_view *host, const struct plan_needs *needs,
			 struct plan *plan);

/**
 * plan_make() - Decide the steps
 * @plan:	Result, freed by plan_free(); unchanged on failure
 *
 * Return: 0; -ENOSPC when the nodes can't have that many pages, with what was
 * asked, what there is, where, and what would help; -ENODEV for a node or a page
 * size that the host doesn't have; -EINVAL for a definition that libvirt or QEMU refuses;
 * -ENOMEM.
 */
int plan_make(const struct guest *guest, const struct host_view *host,
	      const struct guest_policy *policy, struct plan *plan, struct err *err);

/* Its huge pages only: nothing else can be reserved ahead of a start */
int plan_make_pages(const struct guest *guest, const struct host_view *host,
		    const struct guest_policy *policy, struct plan *plan, struct err *err);

/**
 * plan_adopt() - The steps of a guest that runs already, and was started without us
 * @host:	Of it what plan_needs_host() looks at, and the stores, count.  These need not be
 * read
 *
 * Nothing is refused and nothing mounted.  A step with files is there whether or not the guest
 * has any; it is @ready only in a store that can be looked at.
 * Return: 0 or -ENOMEM
 */
int plan_adopt(const struct guest *guest, const struct host_view *host,
	       const struct guest_policy *policy, struct plan *plan, struct err *err);

/* The huge pages in @plan, one size and binding after the other.  @last: NULL to begin.
 * Return: NULL at the end */
const struct step_hugepages *plan_next_pages(const struct plan *plan,
					     const struct step_hugepages *last);

void plan_free(struct plan *plan);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What keeps a guest from starting on a host, however much memory is free there.  Pure.
 *
 * DOC: one answer
 *
 * plan and prepare refuse with this sentence, check reports it, and advise offers nothing that
 * would meet it.  Each sentence says what is missing, where, and what to do.
 */
#ifndef MEMBACKING_POLICY_REFUSAL_H
#define MEMBACKING_POLICY_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct guest;
struct guest_memory;
struct host_view;
struct nodeset;

enum refusal {
	REFUSAL_NONE,
	REFUSAL_DEFINITION, /* libvirt or QEMU would, on any host */
	REFUSAL_KVM,	    /* kvm was loaded without huge pages for guests */
	REFUSAL_NODE,	    /* bound to a node that is offline, or to nodes without memory */
	REFUSAL_SIZE,	    /* no pages of that size in this kernel */
	REFUSAL_MOUNT,	    /* no hugetlbfs for them */
	REFUSAL_LIMIT,	    /* size= of that hugetlbfs */
	REFUSAL_MOUNT_YET,  /* no hugetlbfs for them now, and libvirt's QEMU driver does not run: it
			     * may be there when it starts.  The plan goes on with a note */
};

/**
 * refusal_find() - Find the first reason
 * @hook_mounts: Our daemon hook mounts a hugetlbfs that is missing when libvirt's QEMU driver
 *		starts, as far as @host has the hook and the driver does not run
 * @page_kib:	Result, may be NULL: the page size that REFUSAL_SIZE, _MOUNT and _LIMIT are about
 * @err:	The sentence
 */
enum refusal refusal_find(const struct guest *guest, const struct host_view *host, bool hook_mounts,
			  uint64_t *page_kib, struct err *err);

/* Of the nodes that @memory is bound to, those that have memory */
void refusal_nodes(const struct host_view *host, const struct guest_memory *memory,
		   struct nodeset *nodes);

#endif

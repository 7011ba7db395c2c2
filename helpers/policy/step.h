/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A step: one change to the host on a guest's behalf.  Data only.
 *
 * The plan is a list of steps, the ledger is a list of steps, what release
 * takes back is the ledger's list in reverse.  How each kind is described,
 * applied, undone and written as JSON is in steps/, bound by one table there.
 */
#ifndef MEMBACKING_POLICY_STEP_H
#define MEMBACKING_POLICY_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "config/qemu_conf.h"
#include "guest/guest.h"
#include "memory/mount.h"
#include "memory/numa.h"

enum step_kind {
	STEP_STORE,
	STEP_HUGEPAGES,
	STEP_KSM,
	STEP_THP,
	STEP_OVERCOMMIT,
	STEP_KINDS /* their number */
};

/**
 * struct step_chunk - A pool change that is under way
 *
 * Written to the ledger before the kernel changes it.  Found in a ledger it means that the
 * hook died in between, and the counters say how far it got.
 * @before:	Persistent pages (nr - surplus) before the write
 * @grow:	Pages asked for, the most that may have come; 0: none
 * @shrink:	Pages given back, likewise
 * @surplus:	Surplus pages before the write: those that are gone afterwards
 *		were promoted
 */
struct step_chunk {
	uint64_t before;
	uint64_t grow;
	uint64_t shrink;
	uint64_t surplus;
};

/**
 * struct step_share - A hugepages step on one node.  All in pages
 * @last:	Memory without processors, for a guest that is not bound to it: only if no other
 *		node serves
 * @want_idle:	Plan: take this many that lie idle
 * @want_grow:	Plan: grow the pool by this many
 * @reserved:	Plan: this many are the guest's already, reserved by hand, and are still in the
 *		steps that hold them: steps/take_over.h
 * @have:	Secured for the guest so far: idle ones taken + new free ones.
 *		This is what others must not count as free (the claim)
 * @own:	Persistent pages that exist because of us: what goes back.
 *		More than the new free pages if surplus pages were promoted
 * @promoted:	Part of @own: surplus pages that growing made persistent
 * @foreign:	Persistent pages of the pool that we had not added when
 *		it was first grown; less than that later is charged to us
 */
struct step_share {
	unsigned int node;
	bool last;
	uint64_t want_idle;
	uint64_t want_grow;
	uint64_t reserved;
	uint64_t have;
	uint64_t own;
	uint64_t promoted;
	uint64_t foreign;
	struct step_chunk chunk;
};

/**
 * struct step_hugepages - Pages of one size and one binding for one guest
 * @pages:	Sum over the guest's backends, each rounded up.  0 in what is left of
 *		a step whose own pages could not all be given back yet
 * @nodes:	Where pages may lie.  For GUEST_BIND_ANY: every node.  For
 *		GUEST_BIND_PREFERRED: the preferred ones; others are allowed
 * @memfd:	Part of @pages that memfds get, which go through no hugetlbfs of libvirt's
 * @private:	No other process maps them, and QEMU never more than @pages: what the kernel counts
 *		for it is exact
 * @mounted:	The guest maps them through the hugetlbfs that holds pages for its guests
 * @compact, @reclaim, @drop_caches: what may be done to make room
 * @keep:	Leave the grown pages in the pool at release
 */
struct step_hugepages {
	uint64_t page_kib;
	uint64_t pages;
	uint64_t memfd;
	enum guest_bind bind;
	struct nodeset nodes;
	bool private;
	bool mounted;
	bool compact;
	bool reclaim;
	bool drop_caches;
	bool keep;
	size_t n_shares;
	struct step_share *shares; /* in order of preference */
};

/**
 * struct step_store - One guest's memory in the files of a store
 *
 * Holds all that release needs, whatever the configuration says by then.
 * @store:	Its name; "" where no [store] is configured
 * @path:	The store: where it is mounted.  Guests with the same path hold the mount as a
 *		shared setting, whatever the [store] was called at his start
 * @dir, @below: Where the guests' directories lie: see store_open_base()
 * @lies_in:	Where the guest's files were found once it ran, if that is another directory:
 *		policy/store_place.h.  Empty: none is known
 * @guest, @id:	What the name of its directory is made of.  Not the name itself, which
 *		libvirt may have cut within a character: that is no text for JSON
 * @size_kib:	Promised to the guest: what its files can come to hold.  0 in what is left of
 *		a step whose directory could not be removed yet
 * @mount:	Plan: the store is not mounted yet, and will be
 * @unmount:	Mounted for guests, it goes with the last one
 * @source, @fstype, @options: What to mount, as in struct mount_spec
 * @ready:	All is done: libvirt may go on
 */
struct step_store {
	char store[CONFIG_NAME_SIZE];
	char path[QEMU_CONF_PATH_SIZE];
	char dir[QEMU_CONF_PATH_SIZE];
	char below[32];
	char lies_in[QEMU_CONF_PATH_SIZE];
	char guest[GUEST_NAME_SIZE];
	int64_t id;
	uint64_t size_kib;
	bool mount;
	bool unmount;
	char source[CONFIG_TEXT_SIZE];
	char fstype[CONFIG_NAME_SIZE];
	char options[2 * CONFIG_TEXT_SIZE];
	bool ready;
};

/**
 * struct step_ksm - A guest for which KSM runs
 *
 * Holds the shared settings of its kind, together with all others like it.
 * @size_kib:	Memory of the guest that KSM can merge; 0 for one that gains nothing
 *		(enable = always)
 * @profile, @end, @nodes: The configuration at the guest's start
 * @left_alone:	For those who only look: KSM runs already, and not for guests.  In no ledger,
 *		because it is found out anew when the step is applied
 * @ready:	All is done
 */
struct step_ksm {
	uint64_t size_kib;
	enum config_ksm_profile profile;
	enum config_ksm_end end;
	enum config_ksm_nodes nodes;
	bool left_alone;
	bool ready;
};

/**
 * struct step_thp - A guest for which the host's settings of THP are changed, or room is made
 * @size_kib:	Its memory that can lie in transparent huge pages
 * @settings:	The configuration at its start
 * @room_kib:	Memory for which free blocks are wanted before it starts; 0: none
 * @compact, @reclaim: How they may be made
 * @nodes:	Where: its own nodes, or those of its vCPUs.  Only in the hook that plans it
 * @ready:	All is done but the room, which nothing waits for
 */
struct step_thp {
	uint64_t size_kib;
	struct config_thp settings;
	uint64_t room_kib;
	bool compact;
	bool reclaim;
	struct nodeset nodes;
	bool ready;
};

#define STEP_FAILURE_SIZE 384

/**
 * struct step_overcommit - A guest under the pager
 * @size_kib:	Its memory
 * @resident_kib: Of that, as much as stays resident
 * @headroom_kib: Memory of the host that is counted for it besides
 * @tiers_kib:	What may be in tiers: @size_kib less @resident_kib
 * @ready:	It is admitted
 * @paged:	The pager has adopted its QEMU.  Noted while the guest runs, as @failure
 * @failure:	Why the pager has not: a sentence; empty: it was not asked yet, or has
 */
struct step_overcommit {
	uint64_t size_kib;
	uint64_t resident_kib;
	uint64_t headroom_kib;
	uint64_t tiers_kib;
	bool ready;
	bool paged;
	char failure[STEP_FAILURE_SIZE];
};

struct step {
	enum step_kind kind;
	union {
		struct step_store store;
		struct step_hugepages hugepages;
		struct step_ksm ksm;
		struct step_thp thp;
		struct step_overcommit overcommit;
	};
};

struct step_list {
	size_t n;
	struct step *steps;
};

/* What the step has allocated, whatever its kind: policy/plan.c knows */
void step_free(struct step *step);

#endif

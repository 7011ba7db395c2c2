/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host as a decision sees it.  Data only: lifecycle/host_view.c fills it,
 * policy/plan.c and tests read it.
 */
#ifndef MEMBACKING_POLICY_HOST_VIEW_H
#define MEMBACKING_POLICY_HOST_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "config/config.h"
#include "config/qemu_conf.h"
#include "guest/guest.h"
#include "memory/hugepages.h"
#include "memory/hugetlbfs.h"
#include "memory/numa.h"
#include "memory/store.h"
#include "memory/thp.h"

/**
 * struct pool_view - A pool and who has a right to it.  All in pages
 * @pool:	What the kernel says
 * @own:	Persistent pages that all ledgers together brought in
 * @debt:	Part of @own whose guests are gone
 * @claimed:	Promised by ledgers and not yet mapped by their QEMU
 * @mapped:	By the QEMUs of running guests
 * @lives_on:	Mapped by running guests or promised to them, beyond what they were lent
 *		of others' pages
 * @foreign:	Persistent pages that others want here: see policy/account.h
 * @missing:	Own pages that others had taken when the account was noted
 * @late:	In use, and maybe still by a guest that is gone
 * @kept:	Part of @foreign: added by us and kept after release
 * @given_back: Dead guests' pages that next_start_give_back() took out of @pool: they are there
 *still
 * @held:	Part of @claimed: reserved by hand for the guest that is planned for
 * @ever:	The most that fragmentation lets be made in addition, and @whole: of these,
 *		what lies free in large pieces.  Both only in a host that was surveyed
 * @seen:	All pages were looked at, and @most can be made in addition at most
 */
struct pool_view {
	struct hugepages_pool pool;
	uint64_t own;
	uint64_t debt;
	uint64_t claimed;
	uint64_t mapped;
	uint64_t lives_on;
	uint64_t foreign;
	uint64_t missing;
	uint64_t late;
	uint64_t kept;
	uint64_t given_back;
	uint64_t held;
	uint64_t ever;
	uint64_t whole;
	bool seen;
	uint64_t most;
};

/**
 * struct size_view - All pools of one page size
 * @reserved:	The kernel's reservations.  They have no node, so each node
 *		considered is charged with all of them
 * @covered:	Claimed pages that the kernel has reserved already: QEMU has mapped
 *		its memory and not touched all of it.  They count in @reserved too
 * @memfd:	Claimed pages, of all pools, that go through no hugetlbfs: other guests' memfds'
 * @mount_min:	Pages that the mount through which libvirt's guests get theirs was given by
 *		min_size=.  They count in @reserved as long as they are in no use
 * @gigantic:	More than the page allocator has.  Known of a host that was surveyed
 */
struct size_view {
	uint64_t page_kib;
	uint64_t reserved;
	uint64_t covered;
	uint64_t memfd;
	uint64_t mount_min;
	bool gigantic;
	size_t n_pools;
	struct pool_view *pools; /* by rising node */
};

/* How much of a store a running guest may use, and has used so far.  In KiB */
struct store_promise {
	char guest[GUEST_NAME_SIZE];
	uint64_t promised_kib;
	uint64_t used_kib;
};

/* What a guest that is gone has left in a store, by its ledger.  In KiB */
struct store_leftover {
	char guest[GUEST_NAME_SIZE];
	uint64_t kib;
};

/**
 * struct store_view - A store, and how much of it is promised to each guest
 * @config:	Its section, with @config.path filled in
 * @configured:	false: there is no [store]; this is just where libvirt puts memory
 * @in_use:	memory_backing_dir lies in it
 * @state:	Of @config.path
 * @unreadable:	Why that could not be found out: a sentence.  Empty: it could
 * @elsewhere:	@in_use, but memory_backing_dir lies on another file system, which is
 *		mounted below @config.path
 * @stale_kib:	Held by what an earlier guest left in the directory that the guest in
 *		question will have: gone before it starts
 * @hugetlbfs:	@in_use, and memory_backing_dir lies on a hugetlbfs
 * @wrong_source: It is mounted from something else than @config.source
 */
struct store_view {
	struct config_store config;
	bool configured;
	bool in_use;
	struct store_state state;
	char unreadable[256];
	bool elsewhere;
	uint64_t stale_kib;
	bool hugetlbfs;
	bool wrong_source;
	size_t n_promises;
	struct store_promise *promises;
	size_t n_leftovers;
	struct store_leftover *leftovers;
};

/**
 * struct thp_view - Transparent huge pages
 * @present:	This kernel has them
 * @store_huge:	What the store in use was mounted with ("huge=..."), for a tmpfs; empty
 *		where that was not said
 */
struct thp_view {
	bool present;
	struct thp thp;
	char store_huge[THP_WORD_SIZE];
};

/**
 * struct hugetlbfs_view - What libvirt gives huge pages through
 * @known:	It could be read
 * @by_conf:	By qemu.conf's hugetlbfs_mount; else all that is mounted
 * @final:	No more will come: so it is with @by_conf, and while libvirt's QEMU driver runs
 * @hook_mounts: Our daemon hook would mount what is missing when that driver starts
 */
struct hugetlbfs_view {
	bool known;
	bool by_conf;
	bool final;
	bool hook_mounts;
	size_t n;
	struct hugetlbfs_fs *list;
};

/**
 * struct memory_promise - Plain memory that a running guest may still use, in KiB
 * @nodes:	Where it has to lie; empty: anywhere
 * @promised_kib: Its size, whatever a balloon keeps of it now
 * @resident_kib: Touched by now
 * @charged_kib: What its QEMU has of the host's memory, static huge pages aside: a page that
 *		several have counts in parts.  Noted with the guest's first promise
 *
 * See policy/memory_promise.h.
 */
struct memory_promise {
	char guest[GUEST_NAME_SIZE];
	struct nodeset nodes;
	uint64_t promised_kib;
	uint64_t resident_kib;
	uint64_t charged_kib;
};

enum daemon_conf {
	DAEMON_CONF_FINE,  /* as far as is known */
	DAEMON_CONF_DOUBT, /* qemu.conf was changed since the daemon read it, in whatever line */
	DAEMON_CONF_OLD,   /* the daemon read another memory_backing_dir */
};

/**
 * struct daemon_view - libvirt's daemon with the QEMU driver, and what it read of qemu.conf
 * @comm:	Its name; empty: it does not run, or can't be seen
 * @memory_backing_dir: With DAEMON_CONF_OLD: what it read; empty: none was set
 */
struct daemon_view {
	enum daemon_conf conf;
	char comm[32];
	char memory_backing_dir[QEMU_CONF_PATH_SIZE];
};

/* A path and a sentence */
#define TIER_TROUBLE_SIZE 512

/**
 * struct overcommit_view - The pager's side of the host
 * @device:	/dev/userfaultfd is there
 * @no_ptrace:	No process may trace another, so that no QEMU can be adopted
 * @nested:	KVM offers vmx or svm to guests
 * @shmem_huge:	A setting of transparent huge pages by which shared memory may lie in such pages:
 *		"shmem_enabled is 'advise'"; empty: none
 * @in_the_clear: Why a tier that has to be encrypted isn't; empty: all is as it should be
 * @guests, @resident_kib, @headroom_kib, @tiers_kib: Promised to running guests under the pager
 * @outstanding_kib: Of the first two, what their QEMUs have not taken yet
 */
struct overcommit_view {
	bool device;
	bool no_ptrace;
	bool nested;
	char shmem_huge[THP_SETTING_SIZE];
	char in_the_clear[TIER_TROUBLE_SIZE];
	size_t guests;
	uint64_t resident_kib;
	uint64_t headroom_kib;
	uint64_t tiers_kib;
	uint64_t outstanding_kib;
};

/**
 * struct host_view - All of it
 * @unread:	There is a ledger that can't be read: what is own is not known
 * @bare_page_kib: What a bare <hugepages/> gets: the kernel's default size if a hugetlbfs has it,
 *		else the size of the first one
 * @kvm_refuses_hugepages: As in memory/kvm.h
 * @pools_read_only: /sys is mounted read-only: no pool can be changed
 * @has_ksm:	This kernel can merge pages
 * @surveyed:	supply_survey() was here: @ever, @whole and @gigantic are filled
 * @memory:	Of guests that run, in their order; filled by view_memory() only
 * @stores_read: @qemu_conf, @daemon and @stores are filled: only where a caller asks for them
 */
struct host_view {
	struct numa numa;
	uint64_t default_page_kib;
	uint64_t bare_page_kib;
	struct hugetlbfs_view hugetlbfs;
	size_t n_sizes;
	struct size_view *sizes; /* by rising page size */
	bool unread;
	bool kvm_refuses_hugepages;
	bool pools_read_only;
	bool has_ksm;
	bool surveyed;
	struct thp_view thp;
	struct overcommit_view overcommit;
	size_t n_memory;
	struct memory_promise *memory;
	bool stores_read;
	struct qemu_conf qemu_conf;
	struct daemon_view daemon;
	size_t n_stores;
	struct store_view *stores;
};

/* The hugetlbfs that libvirt takes for pages of that size: the first one; NULL: there is none */
const struct hugetlbfs_fs *host_view_hugetlbfs(const struct host_view *host, uint64_t page_kib);

/* Page size of a backend; 0: the host has no huge pages */
uint64_t host_view_page_kib(const struct host_view *host, const struct guest_memory *memory);

/* Does libvirt give it pages through a hugetlbfs of its list?  Not those of a memfd */
bool host_view_is_mounted(const struct guest_memory *memory);

/* @size as those see it who map through that hugetlbfs: what it holds for them is not
 * reserved */
struct size_view host_view_through_mount(const struct size_view *size);

struct size_view *host_view_size(const struct host_view *host, uint64_t page_kib);
struct pool_view *host_view_pool(const struct host_view *host, uint64_t page_kib,
				 unsigned int node);

/* Memory in the pools of a node, of all sizes, used or not.  KiB */
uint64_t host_view_pooled(const struct host_view *host, unsigned int node);

/**
 * host_view_idle() - Pages of a pool that are in no use and promised to no guest
 *
 * idle = free - reserved - claimed, where reservations that belong to a claim
 * count once.  Never negative: a debt that others made isn't ours to pay.
 */
uint64_t host_view_idle(const struct size_view *size, const struct pool_view *pool);

/**
 * host_view_lendable() - Idle pages that a guest may use
 *
 * Not those of a guest that is gone: they go back, and would be paid for with the
 * administrator's pages if a new guest took them for idle ones.
 */
uint64_t host_view_lendable(const struct size_view *size, const struct pool_view *pool);

/**
 * host_view_missing() - Own pages that another writer took out of a pool
 *
 * max(0, @foreign + @own - persistent)
 */
uint64_t host_view_missing(const struct pool_view *pool);

/* Pages in use by none of our running guests */
uint64_t host_view_users(const struct pool_view *pool);

/**
 * host_view_beyond_floor() - Persistent pages that no administrator and no guest needs
 *
 * persistent - (@foreign + @lives_on + @late): invariant 5 of policy/account.h.
 */
uint64_t host_view_beyond_floor(const struct pool_view *pool);

/* Of these, the idle ones: they may leave the pool */
uint64_t host_view_may_go(const struct size_view *size, const struct pool_view *pool);

/* As if @guest had ended, and its files were gone before the next guest starts */
void host_view_end_files(struct store_view *store, const char *guest);

/* In domain XML, MB and GB are powers of ten, so "1 GB" is no page, and looks like one.
 * Words to add where @page_kib is such a size; "": it is not */
const char *host_view_unit_hint(const struct host_view *host, uint64_t page_kib);

#endif

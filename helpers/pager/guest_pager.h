/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One guest under the pager: its threads, from adoption to the end.
 *
 * Serves the faults of the guest's userfaultfd, and keeps its resident pages at the limit.  All
 * that must outlive this process lies in the guest's directory; guest_pager_stop() leaves it as
 * a SIGKILL would, and the next daemon goes on with guest_pager_resume().
 */
#ifndef MEMBACKING_PAGER_GUEST_PAGER_H
#define MEMBACKING_PAGER_GUEST_PAGER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "pager/adoption.h"
#include "pager/hot.h"
#include "pager/ram.h"
#include "pager/tier.h"

struct guest_pager;

/**
 * enum pin_rule - Devices that write into guest memory past its page tables
 * @PINS_WAIT:	They may: each run is write-protected, and goes only when no page of the host is
 *		pinned; not within 50 ms: it stays
 * @PINS_NONE:	The caller knows that none does: no disk of the guest's uses O_DIRECT
 */
enum pin_rule { PINS_WAIT, PINS_NONE };

/**
 * struct guest_pager_options
 * @directory:	Descriptor of the guest's directory on a private tmpfs; kept open by the caller
 * @limit:	Resident pages
 * @evict_threads: 0: the default, 1.  Each wants a pipe of its own, the fault thread another
 * @alarm:	Called from any thread when something is wrong that a person must see; the
 *		sentence says for what the guest waits.  An empty one: it is over.  Must not wait
 *		for the guest, and must not call back
 * @room:	Is there memory for so many bytes more below every limit of the guest's cgroups?
 *		Return: 0, or -ENOMEM with the sentence.  NULL: don't ask
 * @most:	How many bytes may be resident below the limits of the guest's cgroups; UINT64_MAX:
 *		there are none.  Asked once a second: at a limit the kernel would end QEMU, so less
 *		than @limit is resident then.  NULL: don't ask
 * @fenced:	A new guest begins behind its fence
 * @import:	A new guest comes from another host: descriptor of what guest_pager_export() wrote
 *there. Pages that were held there are in its files, and nothing else.  0: none
 * @drop_clean_slots: Don't keep a page's slot once it is loaded
 * @no_prefetch: Load only what the guest faults on
 * @copies_only: This process's memory is limited: pages come back by COPY alone, which is charged
 *		to QEMU.  What is written into the guest's file is charged to this process
 */
struct guest_pager_options {
	const char *name; /* of the guest, for log and alarms */
	int directory;
	uint64_t limit;
	unsigned int evict_threads;
	const struct tier_spec *tiers;
	size_t n_tiers;
	struct tier_stores *stores; /* for tiers_open() */
	struct hot_options hot;
	enum pin_rule pins;
	bool fenced;
	int import;
	bool drop_clean_slots;
	bool no_prefetch;
	bool copies_only;
	void (*alarm)(void *arg, const char *sentence);
	void *alarm_arg;
	int (*room)(void *arg, uint64_t bytes, struct err *err);
	uint64_t (*most)(void *arg);
	void *room_arg;
};

/**
 * guest_pager_start() - Begin to page an adopted guest: map, register, find holes, serve
 *
 * @adopted and @ram are taken over where it succeeds, and left to the caller where it fails.
 */
int guest_pager_start(struct guest_pager **pager, struct adopted *adopted, struct ram *ram,
		      const struct guest_pager_options *options, struct err *err);
/**
 * guest_pager_resume() - Go on after a daemon that died; @adopted comes from adopted_find()
 * @ram:	Of ram_open_again() with page_map_ram()
 * @left:	Grows by what was plugged in and can't be paged, which is closed
 *
 * @map, @adopted and @ram are taken over where it succeeds.  Memory that was plugged in since is
 * paged as well; what was unplugged is forgotten.
 *
 * Return: 0; -ECANCELED: the guest was being released, and every page is in RAM and no longer
 * registered: the caller goes on with adoption_withdraw() and removes the files; -ESRCH: QEMU is
 * gone; -EUCLEAN: the map contradicts itself or the guest's memory; -errno: nothing is lost, the
 * guest goes on waiting and another try may succeed
 */
int guest_pager_resume(struct guest_pager **pager, struct page_map *map, struct adopted *adopted,
		       struct ram *ram, struct ram_left *left,
		       const struct guest_pager_options *options, struct err *err);

void guest_pager_set_limit(struct guest_pager *pager, uint64_t pages);
/* Do pages that are loaded keep their slots?  They do at first; false: those that have some lose
 * them soon.  From any thread */
void guest_pager_keep_slots(struct guest_pager *pager, bool keep);
/**
 * guest_pager_detach() - Load everything, unregister; threads have ended then
 *
 * The caller closes the descriptors in QEMU (adoption_withdraw()) and removes the files.
 *
 * Return: 0; -ENOMEM: it would not fit, paging goes on; -EIO: a page can't be read, paging goes
 * on; -EBUSY: its fence is up; -ESRCH: QEMU is gone
 */
int guest_pager_detach(struct guest_pager *pager, int64_t deadline_ms, struct err *err);
/* End the threads and leave all as it is; then free.  QEMU may be gone, too.  A disk that does not
 * answer is not waited for where the kernel has io_uring */
void guest_pager_stop(struct guest_pager *pager);
/* Tell the threads to end, and do not wait for them */
void guest_pager_end_soon(struct guest_pager *pager);
/**
 * guest_pager_leave() - guest_pager_stop() for a process that ends
 * @deadline:	clock_ms(): how long disks are waited for
 *
 * Return: false: a thread waits for one still, and all is as it was
 */
bool guest_pager_leave(struct guest_pager *pager, uint64_t deadline);
/* Find out how much of what is resident is idle; see idle_sample().  One thread at a time, which
 * also stops it */
void guest_pager_sample_idle(struct guest_pager *pager);
/* What was found is too old */
void guest_pager_forget_idle(struct guest_pager *pager);
struct adopted *guest_pager_adopted(struct guest_pager *pager);

/**
 * guest_pager_fence() - No fault is answered until the fence is lifted
 *
 * For an incoming migration: who waits may be QEMU itself, which has not said yet that it can go on
 * here.  It stands in the map: after a kill the next pager has it up, too.  Faults that were read
 * before may still be answered; with options' @fenced there are none.
 */
void guest_pager_fence(struct guest_pager *pager, bool up);
bool guest_pager_is_fenced(const struct guest_pager *pager);

/**
 * guest_pager_epoch() - Begin to note which pages the guest changes, and end what was noted so far
 * @epoch:	The number of the one that begins
 *
 * For a guest that runs while its pages are sent: a page that is read after this, and is not among
 * the changes of this epoch, is what it was.  Devices' writes that had begun before have ended.
 * The guest's first write to each page costs a fault then.  Epochs end with the daemon and with a
 * detach.  One thread at a time, with guest_pager_export() and guest_pager_next_resident().
 *
 * Return: 0; -EBUSY: pages of this host stay pinned, or -errno: the epoch before goes on
 */
int guest_pager_epoch(struct guest_pager *pager, int64_t deadline_ms, uint64_t *epoch,
		      struct err *err);

/**
 * guest_pager_export() - Write where a guest's pages are, for the pager of another host
 * @uuid:	The guest's
 * @since:	0: all pages.  Else an epoch, the one before that which runs: the pages that were
 *		changed in it
 *
 * The guest stands, or an epoch runs.  Slots in a directory are lent from here on;
 * guest_pager_let_go() takes them back.  May be done again.
 *
 * Return: 0; -ESTALE: not known since then, a daemon was replaced, perhaps: send all; -errno
 */
int guest_pager_export(struct guest_pager *pager, const char *uuid, uint64_t since, int fd,
		       struct err *err);
/**
 * guest_pager_next_resident() - Pages in the guest's memory, or on their way there or out of it
 * @since:	As of guest_pager_export(), which checks it
 * @page:	Where to begin; becomes that page
 */
bool guest_pager_next_resident(struct guest_pager *pager, uint64_t since, uint64_t *page);
/**
 * guest_pager_read_page() - A page's content, wherever it is, without bringing it back
 * @content:	PAGE_BYTES
 *
 * It may wait for a disk.  Also of a guest whose QEMU has ended, as long as this pager has it.
 *
 * Return: 0; -EAGAIN: on its way, ask again; -ENODATA: it is missing; -errno: it can't be read now
 */
int guest_pager_read_page(struct guest_pager *pager, uint64_t page, void *content);
/* The other host has let go of all that was lent */
void guest_pager_let_go(struct guest_pager *pager);

/**
 * guest_pager_sigbus() - The daemon's handler of SIGBUS (SA_SIGINFO | SA_NODEFER), for all guests
 *
 * A memory error in a slot is an error of that page alone.  An access elsewhere ends the process.
 */
void guest_pager_sigbus(int signal, siginfo_t *info, void *context);

/**
 * struct pager_statistics - Of one guest, since its adoption or the restart
 * @resident:	Without what is there for a migration at the moment, SCAN_PAGES_MAX at most
 * @limit:	As guest_pager_set_limit() was told
 * @limit_now:	Less than that where the limits of its cgroups leave less
 * @no_tier:	No tier takes its pages any more
 * @idle_percent: Of the resident pages, not used between two calls of guest_pager_sample_idle(), by
 *		a sample; -1: not known
 * @fault_p50_ns, @fault_p99_ns: from reading the fault to the guest's waking, of those that had
 *		to be loaded
 */
struct pager_statistics {
	uint64_t pages, resident, limit, limit_now;
	uint64_t faults, zero_faults, evictions, refaults;
	uint64_t prefetched, prefetch_used;
	uint64_t discards;
	uint64_t waiting;     /* faults that can't be answered now: an alarm says why */
	uint64_t stores;      /* pages whose content was written to a slot: the others were clean */
	uint64_t scanned;     /* pages that were read for a migration, a dump or a snapshot */
	uint64_t vcpu_faults; /* of vCPUs, on pages that were not there */
	uint64_t fault_p50_ns, fault_p99_ns;
	int idle_percent;
	uint64_t idle_samples; /* how often that was found out */
	bool no_tier;
	uint64_t own_bytes; /* map, journal and policy */
	bool gone;	    /* QEMU's process ended */
	size_t n_tiers;
	struct tier_usage tier[TIERS_MAX];
};

void guest_pager_statistics(struct guest_pager *pager, struct pager_statistics *out);

#endif

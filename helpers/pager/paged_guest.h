/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One guest's way through the daemon: adopted, taken over from an earlier daemon, released, ended.
 *
 * Everything that takes long is here, and runs in the one thread that has the guest at the time;
 * see pager_guests.h.  Others only read numbers, and set the limit.
 */
#ifndef MEMBACKING_PAGER_PAGED_GUEST_H
#define MEMBACKING_PAGER_PAGED_GUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "kernel/kfs.h"
#include "pager/alarm_log.h"
#include "pager/guest_pager.h"
#include "pager/guest_record.h"
#include "pager/pager_directory.h"
#include "pager/protocol.h"
#include "pager/tier_budgets.h"

/**
 * struct pager_host - What all guests share
 * @lock:	Protects @directory's descriptor, and @budgets' specs
 * @file_bytes:	The size that the tmpfs gets
 * @adopt_program: NULL: where virt-membacking-adopt is installed
 */
struct pager_host {
	const struct kfs *kfs;
	struct pager_directory directory;
	struct tier_budgets budgets;
	uint64_t file_bytes;
	const char *adopt_program;
	pthread_mutex_t lock;
};

/**
 * struct paged_guest
 * @record:	Written by the thread that has the guest, and read by others, with @pager_lock held
 * @directory:	Of its files; -1: none yet
 * @pidfd:	Of its QEMU; -1: not known
 * @pager:	NULL: it is not paged (yet).  Protected by @pager_lock
 * @ram:	Where its memory is, without descriptors.  Protected by @pager_lock
 * @left:	What was plugged in and can't be paged.  Protected by @pager_lock
 * @lowered_kib: What it may have while the host is short of memory; UINT64_MAX: its limit.
 *		Protected by @pager_lock
 * @alarm:	What a person must see; "": nothing.  Protected by @alarm_lock, which is taken by
 *		any thread of the guest's and never held while something else is waited for
 * @danger:	The same, of what would lose pages: another process that maps the guest's memory,
 *		a userfaultfd that QEMU has closed
 */
struct paged_guest {
	struct pager_host *host;
	char uuid[PAGER_UUID_SIZE];
	struct guest_record record;
	int directory;
	int pidfd;
	struct guest_pager *pager;
	uint64_t lowered_kib;
	struct ram ram;
	struct ram_left left;
	pthread_mutex_t pager_lock;
	char alarm[PAGER_SENTENCE_SIZE];
	char danger[PAGER_SENTENCE_SIZE];
	struct alarm_log alarm_log, danger_log;
	pthread_mutex_t alarm_lock;
};

struct paged_guest *paged_guest_new(struct pager_host *host, const char *uuid);
/* What is still there of its files stays there */
void paged_guest_free(struct paged_guest *guest);

/**
 * paged_guest_adopt() - Begin to page a running guest
 * @request:	Its process, name and limit
 * @deadline:	clock_ms()
 *
 * Return: 0; -errno: nothing of ours is left, unless the sentence says so
 */
int paged_guest_adopt(struct paged_guest *guest, const struct pager_request *request,
		      uint64_t deadline, struct err *err);

/**
 * paged_guest_take_over() - Go on where an earlier daemon ended
 *
 * Return: 0; -ESRCH: there is nothing to go on with (QEMU is gone, or the guest was being adopted
 * or released), and nothing of ours is left; -errno: its pages are in files that can't be used
 * now.  The guest waits then, and the alarm says for what
 */
int paged_guest_take_over(struct paged_guest *guest, uint64_t deadline, struct err *err);

/**
 * paged_guest_release() - Everything back into RAM, nothing of ours left
 *
 * Return: 0, also if QEMU ended meanwhile; -errno: it is paged as before
 */
int paged_guest_release(struct paged_guest *guest, uint64_t deadline, struct err *err);

/**
 * paged_guest_must_restart() - Was memory plugged in that can be paged, or unplugged?
 *
 * Then the guest is left and taken over again, with the memory that it has now.  Of what can't be
 * paged it notes how much there is, and why.
 *
 * Return: true: and @held has copies of the descriptors that are in its QEMU
 */
bool paged_guest_must_restart(struct paged_guest *guest, struct adopted *held);

/* QEMU is gone: end the threads, remove the files */
void paged_guest_end(struct paged_guest *guest);
/* Tell its threads to end, and do not wait for them */
void paged_guest_end_soon(struct paged_guest *guest);
/**
 * paged_guest_leave() - End the threads and leave the guest to the next daemon
 * @deadline:	clock_ms(): how long a disk is waited for
 *
 * Return: false: a thread waits for a disk still; what it uses stays until the process is gone
 */
bool paged_guest_leave(struct paged_guest *guest, uint64_t deadline);

/* A copy of what is known of it, from any thread */
struct guest_record paged_guest_record(struct paged_guest *guest);
/* Learn how much of it is idle.  For the thread that has the guest */
void paged_guest_sample_idle(struct paged_guest *guest);
/* Has its QEMU ended? */
bool paged_guest_gone(struct paged_guest *guest);
/* Return: false: it is not paged now */
bool paged_guest_statistics(struct paged_guest *guest, struct pager_statistics *statistics);
/* Return: 0; -ENOENT: it is not paged now; -errno: set, and not written down */
int paged_guest_set_limit(struct paged_guest *guest, uint64_t limit_kib, struct err *err);
/* For a while no more than this, whatever its limit is; UINT64_MAX: no less than its limit */
void paged_guest_lower(struct paged_guest *guest, uint64_t kib);
/* As guest_pager_keep_slots(), of one that is paged */
void paged_guest_keep_slots(struct paged_guest *guest, bool keep);
/* A copy, into PAGER_SENTENCE_SIZE bytes */
void paged_guest_alarm(struct paged_guest *guest, char *sentence);
void paged_guest_set_alarm(struct paged_guest *guest, const char *sentence);
void paged_guest_set_danger(struct paged_guest *guest, const char *sentence);
/* Where its memory is, without descriptors */
struct ram paged_guest_ram(struct paged_guest *guest);
/* What can't be paged of what was plugged in: how many pages, and why, into PAGER_SENTENCE_SIZE
 * bytes */
uint64_t paged_guest_left(struct paged_guest *guest, char *why);
/* What was left in its QEMU.  False: it is not paged now */
bool paged_guest_identity(struct paged_guest *guest, struct map_identity *identity);

#endif

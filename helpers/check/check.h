/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virt-membacking check: everything is read first, then judged subject by subject.
 *
 * A subject is one file check_NAME.c with one function, and one row in the table in
 * check_all.c.  Those functions look at nothing but struct check_host.
 */
#ifndef MEMBACKING_CHECK_CHECK_H
#define MEMBACKING_CHECK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/findings.h"
#include "check/hook_links.h"
#include "check/ksm_tuners.h"
#include "check/libvirt_host.h"
#include "check/others.h"
#include "check/security.h"
#include "check/tier_rooms.h"
#include "config/config.h"
#include "config/nova_conf.h"
#include "lifecycle/ledger.h"
#include "memory/fragmentation.h"
#include "memory/gigantic.h"
#include "memory/hugetlbfs.h"
#include "policy/host_view.h"
#include "report/overcommit_report.h"

/**
 * struct check_driver - libvirt's daemon
 * @runs:	It does, whether it can be seen or not
 * @comm:	Its name; empty: it does not run, or can't be seen
 */
struct check_driver {
	bool runs;
	char comm[32];
};

/**
 * struct check_store - What there is to know of a store besides its view
 * @missing:	What it would be mounted from is not there.  Empty: it is, or that can't
 *		be told without mounting it
 * @impassable:	A directory of libvirt's in it that QEMU's user can't pass; empty: none
 */
struct check_store {
	char missing[CONFIG_TEXT_SIZE + 64];
	char impassable[CONFIG_PATH_SIZE + 32];
};

/**
 * struct check_ksm - What there is to know of KSM besides that this kernel has it
 * @ours:	It is on for guests
 * @left:	Settings of ours that no guest holds any more are not put back
 */
struct check_ksm {
	uint64_t run;
	bool ours;
	bool left;
	struct ksm_tuner_found tuners[KSM_TUNERS];
};

/**
 * struct check_pager - Guests under the pager
 * @answer:	What its daemon says; asked if the configuration has it on, or a guest is under it
 * @rooms:	One for each tier of the configuration, read where that has it on
 */
struct check_pager {
	struct overcommit_answer answer;
	struct tier_room rooms[CONFIG_TIERS_MAX];
};

/**
 * struct check_hooks - Our links among libvirt's hooks
 * @rc, @why:	They could not be read
 * @seen_why:	Words for @seen
 * @reinstall:	The command that installs our package anew
 */
struct check_hooks {
	int rc;
	struct err why;
	struct hook_link links[HOOK_KINDS];
	enum hook_seen seen;
	const char *seen_why;
	const char *reinstall;
};

/* hugetlbfs for pages of one size.  Empty @where: not mounted */
struct check_mount {
	char where[HUGETLBFS_PATH_SIZE];
	bool known; /* to the libvirt that runs, or to one before it */
};

/**
 * struct check_host - All that a check may look at
 * @n_names, @names: Guests that were asked for, by name or UUID.  None: all
 * @captured:	It is no host that runs
 * @stores:	One for each of @view->stores
 * @stores_why:	Why stores could not be looked at, where @view->stores_read is false
 * @has_qemu:	One for each of @ledgers->list: its QEMU runs
 * @runs:	One for each of @libvirt.guests: its QEMU runs
 * @mounts:	One for each of @view->sizes
 * @pools_read_only: The hooks can't change the pools: /sys is mounted read-only
 * @no_hugetlbfs: One for each directory that qemu.conf's hugetlbfs_mount names: it is no hugetlbfs
 * @has_fragmentation: @fragmentation could be read, and there is a guest that it matters for
 */
struct check_host {
	size_t n_names;
	char **names;
	bool captured;
	const struct config *config;
	const struct ledgers *ledgers;
	const bool *has_qemu;
	const bool *runs;
	const struct check_mount *mounts;
	bool pools_read_only;
	bool no_hugetlbfs[QEMU_CONF_HUGETLBFS_MAX];
	bool has_fragmentation;
	struct fragmentation fragmentation;
	const struct host_view *view;
	const struct check_store *stores;
	const char *stores_why;
	struct check_driver driver;
	struct check_ksm ksm;
	struct check_pager pager;
	struct gigantic gigantic;
	struct check_hooks hooks;
	struct security security;
	struct libvirt_host libvirt;
	struct nova_conf nova;
	struct others others;
};

/* Was the guest asked for? */
bool check_wants(const struct check_host *host, const char *name, const char *uuid);

/* The unit to restart so that libvirt reads everything again */
const char *check_daemon(const struct check_host *host);

/* A guest with memory in files below memory_backing_dir */
bool check_guest_has_files(const struct libvirt_guest *guest);

/* A part of check_guests(): one guest's definition, whatever the host has for it */
void check_definition(const struct check_host *host, const struct guest *guest,
		      struct findings *findings);

void check_hooks(const struct check_host *host, struct findings *findings);
void check_mounts(const struct check_host *host, struct findings *findings);
void check_room(const struct check_host *host, struct findings *findings);
void check_security(const struct check_host *host, struct findings *findings);
void check_config(const struct check_host *host, struct findings *findings);
void check_stores(const struct check_host *host, struct findings *findings);
void check_ledgers(const struct check_host *host, struct findings *findings);
void check_guests(const struct check_host *host, struct findings *findings);
void check_ksm(const struct check_host *host, struct findings *findings);
void check_others(const struct check_host *host, struct findings *findings);
void check_thp(const struct check_host *host, struct findings *findings);
void check_pager(const struct check_host *host, struct findings *findings);
void check_gigantic(const struct check_host *host, struct findings *findings);
void check_nova(const struct check_host *host, struct findings *findings);
void check_versions(const struct check_host *host, struct findings *findings);

#endif

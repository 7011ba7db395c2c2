/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Other programs' files that set pools, KSM or THP, as they are found on this host.
 *
 * DOC: one list
 *
 * README.md's table "Moving over from shell hooks" and the kinds here are one list: a
 * unit test compares them row by row.
 */
#ifndef MEMBACKING_CHECK_OTHERS_H
#define MEMBACKING_CHECK_OTHERS_H

#include <stdbool.h>
#include <stddef.h>

#include "check/others_scan.h"

struct kfs;

enum other_kind {
	OTHER_HOOK,	 /* a hook of libvirt's that grows and shrinks pools */
	OTHER_HOOK_DROP, /* or throws the page cache away */
	OTHER_DROP,	 /* or does so at other times: cron, a unit, udev, sysctl.d */
	OTHER_SYSCTL,	 /* vm.nr_hugepages in sysctl.d */
	OTHER_BOOT,	 /* a pool in tmpfiles.d, sysfs.d, udev, rc.local, cron, a unit */
	OTHER_SPDK,	 /* SPDK's and DPDK's own set-up */
	OTHER_CMDLINE,	 /* hugepages= */
	OTHER_FSTAB,	 /* hugetlbfs */
	OTHER_FSTAB_STORE,
	OTHER_VDSM,
	OTHER_KSM,
	OTHER_KSM_PROGRAM, /* found by ksm_tuners_find() */
	OTHER_THP,
	OTHER_MASKED,
	OTHER_KINDS
};

#define OTHERS_MAX	   64
#define OTHER_WHERE_SIZE   288
#define OTHER_CMDLINE_FILE "the kernel's command line"

/**
 * struct other - A line in another program's file
 * @where:	"/etc/sysctl.d/10-kvm.conf:2", or OTHER_CMDLINE_FILE
 * @value:	What it sets; empty: that can't be told
 * @zero:	It writes 0 to a pool
 * @off:	It switches KSM off
 * @asleep:	A hook that can't be executed: it counts only where another one reads it
 */
struct other {
	enum other_kind kind;
	char where[OTHER_WHERE_SIZE];
	char key[SCAN_KEY_SIZE];
	char value[SCAN_VALUE_SIZE];
	bool zero;
	bool off;
	bool asleep;
};

/**
 * struct others - All of them
 * @left_out:	Files that were too many, or too large, to be looked at
 */
struct others {
	size_t n;
	size_t left_out;
	struct other list[OTHERS_MAX];
};

/* A row of README.md's table: what an administrator has, and what takes its place */
const char *others_what(enum other_kind kind);
const char *others_instead(enum other_kind kind);

/**
 * others_find() - Look through the files that such programs have
 * @memory_dir:	libvirt's memory_backing_dir
 *
 * Regular files only, of bounded size and number.  Links are followed, below @kfs' root,
 * where only root may write to the directory.  What can't be read is as if it were
 * not there.
 */
void others_find(const struct kfs *kfs, const char *memory_dir, struct others *others);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our links among libvirt's hooks, and whether libvirt knows of them.
 */
#ifndef MEMBACKING_CHECK_HOOK_LINKS_H
#define MEMBACKING_CHECK_HOOK_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/hook_link.h"
#include "lifecycle/liveness.h"

struct err;
struct kfs;

/**
 * hook_link_check() - Could hook_link_make() do it?
 * @direct:	As hooks/KIND itself
 * Return: 0, -ENOENT without our program, -EEXIST if a file that is not ours has the name:
 * that is never touched
 */
int hook_link_check(const struct kfs *kfs, enum hook_kind kind, bool direct, struct err *err);

/* Link our program.  Return: 1 if the link was made, 0 if it was there; as
 * hook_link_check() */
int hook_link_make(const struct kfs *kfs, enum hook_kind kind, bool direct, struct err *err);

/* Both of our links, if they are there.  Return: how many were removed, or -errno */
int hook_link_remove(const struct kfs *kfs, enum hook_kind kind, struct err *err);

/**
 * hook_would_run() - Does libvirt have our qemu hook to call?
 * @captured:	@kfs is a captured host: without a trace of hooks in it they were not captured
 * Return: 1, 0, or -errno where that can't be told
 */
int hook_would_run(const struct kfs *kfs, bool captured);

/* For what is shown as if it were, while hook_would_run() says 0 */
#define HOOK_OFF_NOTE                                                                              \
	"the qemu hook is not enabled: a start would do none of this (virt-membacking hook "       \
	"enable --reload)"

enum hook_seen { HOOK_SEEN_NO, HOOK_SEEN_UNKNOWN, HOOK_SEEN_YES, HOOK_NO_LIBVIRT };

/**
 * hook_seen() - Does the running libvirt call our qemu hook?
 * @daemon:	Result: it; PID 0 if that can't be seen
 * @why:	Result: the words for it
 *
 * libvirt does not say.  What proves it: a guest's ledger that was written for it, its
 * call of the daemon hook, or that it was started after a qemu hook was there.
 */
enum hook_seen hook_seen(const struct kfs *kfs, const struct hook_link *qemu,
			 struct process *daemon, const char **why);

/* Tell it to look again: SIGHUP, after making sure that it is libvirt */
int hook_reload(const struct kfs *kfs, struct err *err);

#endif

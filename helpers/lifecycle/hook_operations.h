/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens at each of libvirt's hook operations.
 */
#ifndef MEMBACKING_LIFECYCLE_HOOK_OPERATIONS_H
#define MEMBACKING_LIFECYCLE_HOOK_OPERATIONS_H

#include <stddef.h>

struct err;
struct kfs;

/**
 * struct event - One call of the hook
 * @guest_name:	From the command line: found when the XML can't be read
 * @xml:	From stdin, @xml_len bytes; NULL if it could not be read
 */
struct event {
	const struct kfs *kfs;
	const char *guest_name;
	const char *xml;
	size_t xml_len;
};

/**
 * hook_prepare() - Get everything that the guest's memory needs, or nothing
 * Return: 0, or -errno with the sentence that virsh shows to the user
 */
int hook_prepare(const struct event *event, struct err *err);

/* The guest's QEMU runs: mark its ledger, and log where its pages really are */
int hook_started(const struct event *event, struct err *err);

/* QEMU is gone: what it held is on the way out.  One rename, no lock */
int hook_stopped(const struct event *event, struct err *err);

/* Give everything back */
int hook_release(const struct event *event, struct err *err);

/* libvirt found a running guest: it has a ledger from now on */
int hook_reconnect(const struct event *event, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens at each of libvirt's hook operations.
 */
#ifndef MEMBACKING_LIFECYCLE_EVENTS_H
#define MEMBACKING_LIFECYCLE_EVENTS_H

#include <stddef.h>

struct err;
struct kfs;
struct round;

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
 * event_prepare() - Get everything that the guest's memory needs, or nothing
 * Return: 0, or -errno with the sentence that virsh shows to the user
 */
int event_prepare(const struct event *event, struct err *err);

/* The guest's QEMU runs: mark its ledger, and log where its pages really are */
int event_started(const struct event *event, struct err *err);

/* QEMU is gone: what it held is on the way out.  One rename, no lock */
int event_stopped(const struct event *event, struct err *err);

/* Give everything back */
int event_release(const struct event *event, struct err *err);

/* libvirt found a running guest: it has a ledger from now on */
int event_reconnect(const struct event *event, struct err *err);

/**
 * event_adopt() - event_reconnect() of a guest that libvirt says nothing about
 * @round:	Has begun, with the host lock: no prepare may write a ledger meanwhile
 *
 * For guests that were started before the hooks were installed.
 * Return: 1 if it has a ledger now; 0 if it had one, or its QEMU is gone; -errno
 */
int event_adopt(const struct event *event, struct round *round, struct err *err);

#endif

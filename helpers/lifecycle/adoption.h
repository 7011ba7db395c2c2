/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ledgers for guests that run already: they were started before the hooks were installed, or
 * while these were disabled.
 */
#ifndef MEMBACKING_LIFECYCLE_ADOPTION_H
#define MEMBACKING_LIFECYCLE_ADOPTION_H

struct err;
struct guest;
struct session;

/**
 * adoption_of() - Write a ledger for a running guest
 * @session:	Opened for change.  Where it does not hold the lock, that is taken for a moment
 *		if the guest holds shared settings
 *
 * Return: also -EEXIST: its ledger holds something by now, and stays
 */
int adoption_of(struct session *session, const struct guest *guest, struct err *err);

/**
 * adoption_of_running() - adoption_of() a guest that libvirt says nothing about
 * @session:	Locked: no prepare may write a ledger meanwhile
 * @xml:	What libvirt says of its running guest
 *
 * Return: 1 if it has a ledger now; 0 if it had one, or its QEMU is gone; -errno
 */
int adoption_of_running(struct session *session, const char *xml, struct err *err);

#endif

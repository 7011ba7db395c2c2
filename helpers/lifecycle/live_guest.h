/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that runs, from what libvirt's daemon has written down for its own next start.
 *
 * For those who only look: libvirt is not asked, so it need not run, and is not started
 * by the question.
 */
#ifndef MEMBACKING_LIFECYCLE_LIVE_GUEST_H
#define MEMBACKING_LIFECYCLE_LIVE_GUEST_H

struct err;
struct guest;
struct kfs;

/**
 * live_guest_read() - /run/libvirt/qemu/NAME.xml, with what was plugged in meanwhile
 * @guest:	Result, freed by guest_free()
 * Return: 0, or -errno: -EACCES to all but root
 */
int live_guest_read(const struct kfs *kfs, const char *name, struct guest **guest, struct err *err);

/**
 * live_guest_find() - The guest that runs and has this id, name or UUID; an id first, as virsh does
 * @guest:	Result, freed by guest_free()
 * Return: 0, or -ESRCH without a sentence
 */
int live_guest_find(const struct kfs *kfs, const char *word, struct guest **guest);

#endif

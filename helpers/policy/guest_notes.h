/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an administrator should know of a guest's definition before its start.  Pure.
 */
#ifndef MEMBACKING_POLICY_GUEST_NOTES_H
#define MEMBACKING_POLICY_GUEST_NOTES_H

#include <stddef.h>

struct guest;
struct plan;

#define GUEST_NOTE_SIZE 384

enum guest_note {
	GUEST_NOTE_REFUSED,  /* libvirt or QEMU refuses it */
	GUEST_NOTE_UNSHARED, /* a vhost-user device without shared memory */
	GUEST_NOTE_PRIVATE,  /* guest_memfd: what the XML asks for comes on top */
	GUEST_NOTE_EXTRA,    /* memory past libvirt */
	GUEST_NOTE_LATER,    /* huge pages that virtio-mem may come to ask for */
	GUEST_NOTE_DOUBT,    /* not understood */
	GUEST_NOTE_DRAFT,    /* no <uuid> */
};

/**
 * guest_notes() - Call @note for all that there is to say, the gravest first
 * @text:	One sentence, without full stop, that says what would help
 */
void guest_notes(const struct guest *guest,
		 void (*note)(enum guest_note kind, const char *text, void *data), void *data);

/* guest_notes() as notes of a plan */
void guest_notes_add(const struct guest *guest, struct plan *plan);

#endif

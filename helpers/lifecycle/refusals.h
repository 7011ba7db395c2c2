/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last refusal of each guest: /run/libvirt-membacking/refusals.
 *
 * After a boot at which guests with autostart were refused, status can say why.  The file is
 * root's alone (0600), has the newest REFUSALS_MAX, and is forgotten at the next boot.
 */
#ifndef MEMBACKING_LIFECYCLE_REFUSALS_H
#define MEMBACKING_LIFECYCLE_REFUSALS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/guest.h"

struct kfs;

#define REFUSALS_MAX 64

/**
 * struct refusal_note - One guest's
 * @time:	Seconds since 1970
 * @text:	The sentence that libvirt was told
 */
struct refusal_note {
	char uuid[GUEST_UUID_SIZE];
	char name[GUEST_NAME_SIZE];
	uint64_t time;
	char text[sizeof(((struct err *)0)->text)];
};

/* The oldest first */
struct refusals {
	size_t n;
	struct refusal_note list[REFUSALS_MAX];
};

/* Of a guest that could not start.  Replaces an earlier one; what can't be kept is logged */
void refusals_note(const struct kfs *kfs, const char *uuid, const char *name, const char *text);

/* The guest starts.  Takes no lock where none of its refusals is kept */
void refusals_forget(const struct kfs *kfs, const char *uuid);

/* None where the file is missing, damaged, or not ours to read */
void refusals_read(const struct kfs *kfs, struct refusals *refusals);

#endif

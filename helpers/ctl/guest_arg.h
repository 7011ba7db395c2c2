/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest that a command was called for.
 */
#ifndef MEMBACKING_CTL_GUEST_ARG_H
#define MEMBACKING_CTL_GUEST_ARG_H

#include "ctl/ctl.h"
#include "guest/guest.h"

struct err;

/* Its XML, to be freed: from --xml, from libvirt as its next start will be, or from the
 * definitions below --root */
int guest_arg_xml(const struct ctl *ctl, char **xml, size_t *len, struct err *err);

/* The argument, or the UUID of the guest that runs with this id */
const char *guest_arg_uuid(const struct ctl *ctl, char uuid[GUEST_UUID_SIZE]);

/**
 * guest_arg() - guest_arg_xml(), understood, with the huge pages that its files take
 *
 * A guest whose XML has no <uuid> has one made up: @guest->reading.draft.
 */
int guest_arg(const struct ctl *ctl, struct guest **guest, struct err *err);

#endif

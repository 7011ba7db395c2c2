/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest that a command was called for.
 */
#ifndef MEMBACKING_CTL_GUEST_ARG_H
#define MEMBACKING_CTL_GUEST_ARG_H

#include "ctl/ctl.h"

struct err;
struct guest;

/* By name or UUID from libvirt, as its next start will be, or from --xml */
int guest_arg(const struct ctl *ctl, struct guest **guest, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading all that checks look at.
 */
#ifndef MEMBACKING_CTL_CHECK_HOST_H
#define MEMBACKING_CTL_CHECK_HOST_H

#include "ctl/check.h"
#include "ctl/look.h"

/* @look: begun, and looked */
int check_host_read(const struct ctl *ctl, const struct look *look, struct check_host *host,
		    struct err *err);
void check_host_free(struct check_host *host);

#endif

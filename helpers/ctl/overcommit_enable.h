/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virt-membacking overcommit enable: the definition and the configuration of a guest that shall
 * be paged.
 */
#ifndef MEMBACKING_CTL_OVERCOMMIT_ENABLE_H
#define MEMBACKING_CTL_OVERCOMMIT_ENABLE_H

struct config_amount;
struct ctl;
struct err;

/**
 * overcommit_enable() - Show what has to change for it, and with --yes change it
 *
 * Return: CTL_FINE or -errno
 */
int overcommit_enable(const struct ctl *ctl, const struct config_amount *resident, struct err *err);

#endif

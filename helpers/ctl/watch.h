/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --watch: a report again and again.
 */
#ifndef MEMBACKING_CTL_WATCH_H
#define MEMBACKING_CTL_WATCH_H

#include "ctl/ctl.h"

struct err;

/**
 * watch() - Call @report until it fails, or nobody reads any more
 *
 * On a terminal each report is drawn over the last one; elsewhere they follow each
 * other, with the time in front unless they are JSON.  The pause is --watch's value, or
 * the first argument.
 * Return: as @report; CTL_USAGE for a bad pause
 */
int watch(struct ctl *ctl, int (*report)(const struct ctl *ctl, struct err *err), struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --watch: a report again and again.
 */
#ifndef MEMBACKING_TERMINAL_WATCH_H
#define MEMBACKING_TERMINAL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/* @text: --watch's value; "" without one.  Return: 0 with @ms; -EINVAL with a sentence */
int watch_pause(const char *text, uint64_t *ms, struct err *err);

/**
 * watch() - Call @report until it fails, or its output can't be written any more
 * @pause_ms:	Between two reports
 * @json:	The reports are JSON: no time in front of them
 *
 * On a terminal each report is drawn over the last one; elsewhere they follow each
 * other, with the time in front.
 * Return: as @report
 */
int watch(uint64_t pause_ms, bool json, int (*report)(const void *arg, struct err *err),
	  const void *arg, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * status for people.
 */
#ifndef MEMBACKING_REPORT_STATUS_TEXT_H
#define MEMBACKING_REPORT_STATUS_TEXT_H

struct err;
struct report_guest;
struct status_report;

/* Write it to stdout */
int status_print(const struct status_report *report, struct err *err);

/* By name or UUID.  -ENOENT with a sentence */
int status_find_guest(const struct status_report *report, const char *name,
		      const struct report_guest **guest, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests in the report of status.
 */
#ifndef MEMBACKING_REPORT_GUESTS_TEXT_H
#define MEMBACKING_REPORT_GUESTS_TEXT_H

struct err;
struct report_guest;
struct status_report;

/* A line each, by name, and a line with the totals */
int guests_print(const struct status_report *report, struct err *err);

/* All that is known of one of them */
void guest_print_full(const struct report_guest *guest);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * status for people.
 */
#ifndef MEMBACKING_REPORT_STATUS_TEXT_H
#define MEMBACKING_REPORT_STATUS_TEXT_H

struct err;
struct status_report;

/* Write it to stdout */
int status_print(const struct status_report *report, struct err *err);

struct refusal_note;

/* One of its refusals, as status_print() has it */
void status_print_refusal(const struct refusal_note *note);

#endif

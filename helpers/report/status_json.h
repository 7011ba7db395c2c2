/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * status in JSON.
 */
#ifndef MEMBACKING_REPORT_STATUS_JSON_H
#define MEMBACKING_REPORT_STATUS_JSON_H

#include <jansson.h>

struct refusal_note;
struct report_guest;
struct status_report;

/* NULL when memory ran out */
json_t *status_json(const struct status_report *report);

/* A guest's "overcommit": null where it is not under the pager */
json_t *status_overcommit_json(const struct report_guest *guest);

/* One of guests[] */
json_t *status_guest_json(const struct report_guest *guest);

/* One of refusals[] */
json_t *status_refusal_json(const struct refusal_note *note);

#endif

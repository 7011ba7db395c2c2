/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A step in a table's cell.
 */
#ifndef MEMBACKING_REPORT_STEP_TEXT_H
#define MEMBACKING_REPORT_STEP_TEXT_H

#include <stddef.h>

struct step;
struct step_list;

/* "44 pages of 2 MiB, KSM: 512 MiB may merge": all that a guest has by its steps, in one line */
const char *steps_fact(const struct step_list *list, char *buf, size_t size);

/* What the step says of itself, with each part on a line of its own.  Return: @buf */
const char *step_text(const struct step *step, char *buf, size_t size);

#endif

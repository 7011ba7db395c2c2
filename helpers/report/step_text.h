/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A step in a table's cell.
 */
#ifndef MEMBACKING_REPORT_STEP_TEXT_H
#define MEMBACKING_REPORT_STEP_TEXT_H

#include <stddef.h>

struct step;

/* What the step says of itself, with each part on a line of its own.  Return: @buf */
const char *step_text(const struct step *step, char *buf, size_t size);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What came of one guest, in words and in JSON: for reconcile and release.
 */
#ifndef MEMBACKING_CTL_GIVEN_BACK_H
#define MEMBACKING_CTL_GIVEN_BACK_H

#include <jansson.h>

struct reconciled_guest;

/* For progress_wait(): while waiting for the lock, and while waiting for idle pages */
#define GIVEN_BACK_WAIT "giving back"

json_t *given_back_to_json(const struct reconciled_guest *guest);
void given_back_print(const struct reconciled_guest *guest);

#endif

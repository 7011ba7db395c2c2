/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What status and check have to say of a store.
 */
#ifndef MEMBACKING_REPORT_STORE_TEXT_H
#define MEMBACKING_REPORT_STORE_TEXT_H

#include <stdbool.h>

struct err;
struct store_view;

/* What it is called; a directory without a [store] has a name all the same */
const char *store_text_name(const struct store_view *store);

/* Not mounted, as it may be: it will be, for the first guest */
bool store_is_waiting(const struct store_view *store);

/**
 * store_problem() - Why guests could not use the store as it is now
 * Return: 0, also for one that is only not mounted yet; as store_verify() otherwise
 */
int store_problem(const struct store_view *store, struct err *err);

#endif

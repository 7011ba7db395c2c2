/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What status and check have to say of a store.
 */
#ifndef MEMBACKING_REPORT_STORE_TEXT_H
#define MEMBACKING_REPORT_STORE_TEXT_H

struct store_view;

/* What it is called; a directory without a [store] has a name all the same */
const char *store_text_name(const struct store_view *store);

#endif

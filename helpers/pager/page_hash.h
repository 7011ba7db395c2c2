/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A page's hash: tells a damaged slot and a changed page.  Not made against an adversary: where
 * two pages must be the same, their bytes are compared.
 */
#ifndef MEMBACKING_PAGER_PAGE_HASH_H
#define MEMBACKING_PAGER_PAGE_HASH_H

#include <stdint.h>

/* Of PAGE_BYTES.  It lies in slots that outlive the program: the function may not change */
uint64_t page_hash(const void *page);

#endif

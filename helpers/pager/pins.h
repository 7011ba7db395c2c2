/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is any page of the host pinned for a device's writes?
 *
 * DOC: our own
 *
 * Direct I/O pins its buffer while it runs, and one page of it anywhere on the host is in the way
 * of all evictions: a guest whose pages go to a disk would stop its own evictions, and those of all
 * others.  So buffers of our own I/O are registered with io_uring: pinned once, by a known number
 * of pages, and not again with each request.  That many pins are no other program's.
 */
#ifndef MEMBACKING_PAGER_PINS_H
#define MEMBACKING_PAGER_PINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * pins_wait() - Was there a moment without a pin but our own?
 * @deadline_ms: Asked again for so long
 */
bool pins_wait(uint64_t deadline_ms);

/**
 * pins_own() - So many pages are pinned by this process from now on
 *
 * After the kernel has pinned them: what is counted here and not there would hide another's pin.
 */
void pins_own(size_t pages);
/* Before the kernel lets them go */
void pins_disown(size_t pages);

#endif

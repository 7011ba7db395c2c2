/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sizes as domain XML writes them: a number and a unit.
 */
#ifndef MEMBACKING_GUEST_GUEST_UNITS_H
#define MEMBACKING_GUEST_GUEST_UNITS_H

#include <stdint.h>

/**
 * guest_units_kib() - "2" and "GiB" to KiB
 * @number:	Decimal, without a sign
 * @unit:	libvirt's words, in any case: b, byte, bytes; k, m, g, t, p, e and
 *		the same with "iB" in powers of 1024; with "B" in powers of 1000.
 *		NULL or "" is KiB
 * @kib:	Rounded up, as libvirt does; unchanged on failure
 *
 * Return: 0, -EINVAL, or -ERANGE for what libvirt refuses as too large (8 EiB)
 */
int guest_units_kib(const char *number, const char *unit, uint64_t *kib);

#endif

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libvirt's memory units.
 *
 * Not text_to_kib() of base/: there, and in most programs, "KB" is 1024 bytes.
 * In domain XML it is 1000.
 */
#include "guest/guest_units.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

/* Bytes in one @unit, or 0 if libvirt does not know it */
static uint64_t unit_bytes(const char *unit)
{
	static const char letters[] = "kmgtpe";
	uint64_t base, bytes = 1;
	const char *letter;

	if (!unit || !*unit)
		return 1024;
	if (!strcasecmp(unit, "b") || !strcasecmp(unit, "byte") || !strcasecmp(unit, "bytes"))
		return 1;
	letter = strchr(letters, tolower((unsigned char)*unit));
	if (!letter)
		return 0;
	unit++;
	if (!*unit || !strcasecmp(unit, "iB"))
		base = 1024;
	else if (!strcasecmp(unit, "B"))
		base = 1000;
	else
		return 0;
	for (; letter >= letters; letter--)
		bytes *= base;
	return bytes;
}

int guest_units_kib(const char *number, const char *unit, uint64_t *kib)
{
	uint64_t scale = unit_bytes(unit);
	uint64_t n;
	int rc = text_to_u64(number, &n);

	if (rc < 0)
		return rc;
	if (!scale)
		return -EINVAL;
	n = u64_mul_sat(n, scale);
	/* libvirt's bound is a signed 64-bit number of bytes */
	if (n > INT64_MAX)
		return -ERANGE;
	n = u64_div_up(n, 1024);
	if (n >= TEXT_KIB_MAX)
		return -ERANGE;
	*kib = n;
	return 0;
}

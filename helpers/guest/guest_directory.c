// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The directory of a guest's memory files.
 *
 * DOC: 20 characters, but of which kind
 *
 * libvirt cuts the name as wide characters.  In a UTF-8 locale those are characters.
 * In the C locale, which a service without LANG runs in, glibc takes every byte for
 * one, and a character may be cut in two.
 */
#include "guest/guest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define SHORT_NAME_CHARACTERS 20

/* Bytes in the first @n characters of UTF-8, which have at most four each.  (A name
 * comes out of XML, so it is UTF-8.) */
static size_t utf8_prefix(const char *text, size_t n)
{
	size_t len = 0, more;

	while (n-- && text[len]) {
		len++;
		for (more = 0; more < 3 && ((unsigned char)text[len] & 0xc0) == 0x80; more++)
			len++;
	}
	return len;
}

static void directory_name(const struct guest *guest, size_t len, char name[GUEST_DIRECTORY_SIZE])
{
	snprintf(name, GUEST_DIRECTORY_SIZE, "%" PRId64 "-%.*s", guest->id, (int)len, guest->name);
}

size_t guest_directories(const struct guest *guest,
			 char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE])
{
	size_t characters = utf8_prefix(guest->name, SHORT_NAME_CHARACTERS);
	size_t bytes = strnlen(guest->name, SHORT_NAME_CHARACTERS);

	if (guest->id < 0 || strchr(guest->name, '/'))
		return 0;
	directory_name(guest, characters, names[0]);
	if (bytes == characters)
		return 1;
	directory_name(guest, bytes, names[1]);
	return 2;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libaugeas, loaded when qemu.conf is read or changed: no other command needs it.
 */
#ifndef MEMBACKING_PROFILES_LIBAUGEAS_H
#define MEMBACKING_PROFILES_LIBAUGEAS_H

#include <augeas.h>

struct err;

#define LIBAUGEAS_FUNCTIONS(X)                                                                     \
	X(aug_close)                                                                               \
	X(aug_error)                                                                               \
	X(aug_error_details)                                                                       \
	X(aug_error_message)                                                                       \
	X(aug_error_minor_message)                                                                 \
	X(aug_get)                                                                                 \
	X(aug_init)                                                                                \
	X(aug_insert)                                                                              \
	X(aug_match)                                                                               \
	X(aug_rm)                                                                                  \
	X(aug_set)                                                                                 \
	X(aug_setm)                                                                                \
	X(aug_text_retrieve)                                                                       \
	X(aug_text_store)

/* The library's functions by their own names; valid after libaugeas_load() */
struct libaugeas {
#define LIBAUGEAS_MEMBER(name) __typeof__(name) *(name);
	LIBAUGEAS_FUNCTIONS(LIBAUGEAS_MEMBER)
};

extern struct libaugeas libaugeas;

/* Return: 0 or -errno; loaded once */
int libaugeas_load(struct err *err);

#endif

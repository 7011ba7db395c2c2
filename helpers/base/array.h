/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The number of elements of an array.
 */
#ifndef MEMBACKING_BASE_ARRAY_H
#define MEMBACKING_BASE_ARRAY_H

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#endif

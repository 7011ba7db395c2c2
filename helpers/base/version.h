/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The version of all programs here.
 */
#ifndef MEMBACKING_BASE_VERSION_H
#define MEMBACKING_BASE_VERSION_H

#ifndef VERSION
#define VERSION "0.1.0"
#endif

#endif

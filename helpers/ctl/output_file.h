/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file that a command writes because it was told to.
 */
#ifndef MEMBACKING_CTL_OUTPUT_FILE_H
#define MEMBACKING_CTL_OUTPUT_FILE_H

#include <stddef.h>

struct err;

/**
 * output_file() - Replace @file, whole or not at all: a reader may come at any moment
 *
 * While it is written its name does not end as @file does: Prometheus' collector leaves such names
 * alone.  Return: 0 or -errno with a sentence
 */
int output_file(const char *file, const char *text, size_t len, struct err *err);

#endif

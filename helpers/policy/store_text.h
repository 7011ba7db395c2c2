/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A store in words, for sentences, status and check.
 */
#ifndef MEMBACKING_POLICY_STORE_TEXT_H
#define MEMBACKING_POLICY_STORE_TEXT_H

#include <stddef.h>

#include "policy/host_view.h"

/* What it is called; a directory without a [store] has a name all the same */
const char *store_text_name(const struct store_view *store);

/* "store 'ram' (/srv/ram)", or just the directory.  Return: @buf */
#define STORE_LABEL_SIZE (CONFIG_NAME_SIZE + QEMU_CONF_PATH_SIZE + 16)
const char *store_text_label(const struct store_view *store, char *buf, size_t size);

#endif

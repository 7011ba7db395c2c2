// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A store in words.
 */
#include "policy/store_text.h"

#include <stdio.h>

const char *store_text_name(const struct store_view *store)
{
	return store->configured ? store->config.name : "libvirt";
}

const char *store_text_label(const struct store_view *store, char *buf, size_t size)
{
	if (store->configured)
		snprintf(buf, size, "store '%s' (%s)", store->config.name, store->config.path);
	else
		snprintf(buf, size, "%s", store->config.path);
	return buf;
}

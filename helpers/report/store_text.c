// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A store in words.
 */
#include "report/store_text.h"

#include "policy/host_view.h"

const char *store_text_name(const struct store_view *store)
{
	return store->configured ? store->config.name : "libvirt";
}

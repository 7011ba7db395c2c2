// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ctl/store_text.h"

#include <stdio.h>

#include "policy/store_rules.h"

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

bool store_is_waiting(const struct store_view *store)
{
	return store->state.present && store_wants_mount(store);
}

int store_problem(const struct store_view *store, struct err *err)
{
	return store_is_waiting(store) ? 0 : store_verify(store, err);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A store in words.
 */
#include "report/store_text.h"

#include "policy/store_rules.h"

const char *store_text_name(const struct store_view *store)
{
	return store->configured ? store->config.name : "libvirt";
}

bool store_is_waiting(const struct store_view *store)
{
	return store->state.present && store_wants_mount(store);
}

int store_problem(const struct store_view *store, struct err *err)
{
	return store_is_waiting(store) ? 0 : store_verify(store, err);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What came of one guest that is gone.
 */
#include "ctl/given_back.h"

#include "lifecycle/reconcile_report.h"
#include "terminal/wrap.h"

json_t *given_back_to_json(const struct reconciled_guest *guest)
{
	return json_pack("{s:s?, s:s, s:b, s:s?}", "name", *guest->name ? guest->name : NULL,
			 "uuid", guest->uuid, "complete", guest->complete, "why",
			 *guest->why ? guest->why : NULL);
}

void given_back_print(const struct reconciled_guest *guest)
{
	const char *name = *guest->name ? guest->name : guest->uuid;

	if (!guest->complete)
		wrap_printf("guest '%s' still holds something: %s", name, guest->why);
	else if (*guest->why)
		wrap_printf("guest '%s' holds nothing any more: %s", name, guest->why);
	else
		wrap_printf("guest '%s' has given back what it held", name);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ctl/settle.h"

#include "config/config.h"
#include "lifecycle/state.h"
#include "terminal/wrap.h"

int settle_begin(const struct ctl *ctl, bool create, struct settling *settling, struct err *err)
{
	int rc;

	*settling = (struct settling){ .state = STATE_CLOSED };
	rc = config_load(ctl->kfs.rootfd, &settling->config, err);
	if (rc == 0)
		rc = state_open(ctl->kfs.rootfd, create, &settling->state, err);
	if (rc == 0)
		round_init(&settling->round, &ctl->kfs, &settling->state,
			   config_hook(settling->config)->lock_deadline_ms);
	return rc;
}

void settle_end(struct settling *settling)
{
	round_free(&settling->round);
	state_close(&settling->state);
	config_free(settling->config);
}

json_t *settle_to_json(const struct settled *settled)
{
	return json_pack("{s:s?, s:s, s:b, s:s?}", "name", *settled->name ? settled->name : NULL,
			 "uuid", settled->uuid, "complete", settled->complete, "why",
			 *settled->why ? settled->why : NULL);
}

void settle_print(const struct settled *settled)
{
	const char *name = *settled->name ? settled->name : settled->uuid;

	if (!settled->complete)
		wrap_printf("guest '%s' still holds something: %s", name, settled->why);
	else if (*settled->why)
		wrap_printf("guest '%s' is settled: %s", name, settled->why);
	else
		wrap_printf("guest '%s' has given back what it held", name);
}

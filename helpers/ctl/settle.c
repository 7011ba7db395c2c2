// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ctl/settle.h"

#include "base/json.h"
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
	json_t *object = json_object(), *null = json_null();
	bool ok = *settled->name ? json_put_string(object, "name", settled->name) :
				   json_object_set(object, "name", null) == 0;

	ok = ok && json_put_string(object, "uuid", settled->uuid) &&
	     json_put_bool(object, "complete", settled->complete);
	ok = ok && (*settled->why ? json_put_string(object, "why", settled->why) :
				    json_object_set(object, "why", null) == 0);
	if (ok)
		return object;
	json_decref(object);
	return NULL;
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

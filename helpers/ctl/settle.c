// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ctl/settle.h"

#include <stdio.h>

#include "base/json.h"
#include "lifecycle/state.h"
#include "policy/config.h"

int settle_begin(const struct ctl *ctl, struct state *state, struct round *round, struct err *err)
{
	cleanup_config struct config *config = NULL;
	int rc = config_load(ctl->kfs.rootfd, &config, err);

	if (rc < 0)
		return rc;
	*state = STATE_CLOSED;
	rc = state_open(ctl->kfs.rootfd, false, state, err);
	if (rc < 0)
		return rc;
	round_init(round, &ctl->kfs, state, config_hook(config)->lock_deadline_ms);
	return 0;
}

void settle_end(struct state *state, struct round *round)
{
	round_free(round);
	state_close(state);
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
		printf("guest '%s' still holds something: %s\n", name, settled->why);
	else if (*settled->why)
		printf("guest '%s' is settled: %s\n", name, settled->why);
	else
		printf("guest '%s' has given back what it held\n", name);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lifecycle/look.h"

#include <errno.h>

#include "kernel/kfs.h"

int look_begin(const struct kfs *kfs, struct look *look, struct err *err)
{
	int rc;

	*look = (struct look){ .state = STATE_CLOSED };
	rc = state_open(kfs->rootfd, false, &look->state, err);
	/* Before the first guest there is no state directory */
	if (rc < 0 && rc != -ENOENT)
		return rc;
	rc = config_load(kfs->rootfd, &look->config, err);
	if (rc < 0) {
		state_close(&look->state);
		return rc;
	}
	round_init(&look->round, kfs, &look->state, 0);
	look->round.config = look->config;
	return 0;
}

void look_end(struct look *look)
{
	round_free(&look->round);
	config_free(look->config);
	state_close(&look->state);
}

int look_around(struct look *look, struct err *why, struct err *err)
{
	int rc = round_look(&look->round, why);

	if (rc < 0) {
		look->round.config = NULL;
		rc = round_look(&look->round, err);
	}
	return rc;
}

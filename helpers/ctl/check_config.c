// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ctl/check.h"

/* A key that is not known has no effect: somebody meant something by it */
static void on_problem(const char *text, bool fatal, void *data)
{
	(void)fatal;
	finding_add(data, FINDING_FAIL, "%s", text);
}

void check_config(const struct check_host *host, struct findings *findings)
{
	size_t before = findings->n;

	config_for_each_problem(host->config, on_problem, findings);
	if (findings->n == before)
		finding_add(findings, FINDING_PASS, "/%s and /%s have no mistakes", CONFIG_FILE,
			    CONFIG_DIR);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Findings: membacking.conf, its drop-ins, guests' metadata.
 */
#include <string.h>

#include "base/array.h"
#include "check/check.h"

/* By the words of its sentence */
static const char *id_of(const struct config_problem *problem)
{
	static const struct {
		const char *words;
		const char *id;
	} ids[] = {
		{ ": unknown key", "unknown-key" },
		{ ": unknown section", "unknown-section" },
		{ ": expected ", "bad-value" },
		{ "may write to it", "writable-by-others" },
		{ ": belongs to user", "owned-by-another" },
		{ "a link that leads nowhere", "dangling-link" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ids); i++)
		if (strstr(problem->text, ids[i].words))
			return ids[i].id;
	return problem->fatal ? "unusable" : "ignored";
}

/* An unknown key has no effect, and the administrator expects one */
static void on_problem(const struct config_problem *problem, void *data)
{
	const char *text = problem->text;
	const size_t path = strcspn(text, ":");

	finding_add(data, FINDING_FAIL, id_of(problem), "%s", text);
	/* Of a file as a whole it is whose it is, or who may write to it */
	if (strstr(text, "may write to it"))
		finding_remedy(data, "chmod go-w %.*s", (int)path, text);
	else if (strstr(text, ": belongs to user"))
		finding_remedy(data, "chown root %.*s", (int)path, text);
	else if (problem->dispensable)
		finding_remedy_line(data, text);
}

void check_config(const struct check_host *host, struct findings *findings)
{
	size_t before = findings->n;

	config_for_each_problem(host->config, on_problem, findings);
	if (findings->n == before)
		finding_add(findings, FINDING_PASS, "no-mistakes", "/%s and /%s have no mistakes",
			    CONFIG_FILE, CONFIG_DIR);
}

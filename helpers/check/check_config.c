// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Findings: membacking.conf, its drop-ins, guests' metadata.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/text.h"
#include "check/check.h"

/* They stay as they are: programs know them */
static const char *const ids[] = {
	[CONFIG_UNKNOWN_KEY] = "unknown-key",
	[CONFIG_UNKNOWN_SECTION] = "unknown-section",
	[CONFIG_BAD_VALUE] = "bad-value",
	[CONFIG_MISPLACED_KEY] = "misplaced-key",
	[CONFIG_UNREADABLE_LINE] = "unreadable-line",
	[CONFIG_NO_MATCH] = "no-match",
	[CONFIG_TOO_MANY] = "too-many",
	[CONFIG_SAME_PATH] = "same-path",
	[CONFIG_WRITABLE] = "writable-by-others",
	[CONFIG_FOREIGN] = "owned-by-another",
	[CONFIG_DANGLING_LINK] = "dangling-link",
	[CONFIG_UNREADABLE_FILE] = "unreadable-file",
	[CONFIG_NO_DROPIN] = "no-dropin",
};

_Static_assert(ARRAY_SIZE(ids) == CONFIG_MISTAKES, "an id for each mistake");

/* Endings that were meant to be .conf */
static size_t without_ending(const char *path)
{
	static const char *const endings[] = { ".cnf", ".cfg", ".cf", ".ini", ".txt" };
	const char *dot = strrchr(path, '.');
	size_t i;

	for (i = 0; dot && i < ARRAY_SIZE(endings); i++)
		if (!strcasecmp(dot, endings[i]))
			return (size_t)(dot - path);
	return strlen(path);
}

/* @text: "/PATH: ...", with no other colon behind the path, which may have some */
static void suggest_name(struct findings *findings, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), "%.*s", (int)(strrchr(text, ':') - text), text);
	if (text_is_shell_word(path))
		finding_remedy(findings, "mv -n %s %.*s.conf", path, (int)without_ending(path),
			       path);
}

/* An unknown key has no effect, and the administrator expects one.  A file that is not read may be
 * a note */
static void on_problem(const struct config_problem *problem, void *data)
{
	const char *text = problem->text;
	const size_t path = strcspn(text, ":");

	finding_add(data, problem->mistake == CONFIG_NO_DROPIN ? FINDING_WARN : FINDING_FAIL,
		    ids[problem->mistake], "%s", text);
	/* Of a whole file: its owner, or its mode */
	if (problem->mistake == CONFIG_WRITABLE)
		finding_remedy(data, "chmod go-w %.*s", (int)path, text);
	else if (problem->mistake == CONFIG_FOREIGN)
		finding_remedy(data, "chown root %.*s", (int)path, text);
	else if (problem->mistake == CONFIG_NO_DROPIN)
		suggest_name(data, text);
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

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking conf: settings for other programs, with this host's numbers in them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "conf/profile.h"
#include "ctl/ctl.h"
#include "ctl/look.h"
#include "ctl/suggest.h"

/* ---- list ---- */

static json_t *profile_to_json(const struct profile *profile)
{
	json_t *object = json_object();

	if (json_put_string(object, "name", profile->name) &&
	    json_put_string(object, "summary", profile->summary) &&
	    json_put_string(object, "file", profile->file))
		return object;
	json_decref(object);
	return NULL;
}

static json_t *list_to_json(void)
{
	json_t *root = json_object(), *array = json_array();
	bool ok = array;
	size_t i;

	for (i = 0; ok && i < n_profiles; i++)
		ok = json_array_append_new(array, profile_to_json(&profiles[i])) == 0;
	ok = json_object_set_new(root, "profiles", array) == 0 && ok;
	if (ok)
		return root;
	json_decref(root);
	return NULL;
}

static int list(struct ctl *ctl, const struct profile *profile, struct err *err)
{
	size_t i;

	(void)profile;
	if (ctl->json)
		return ctl_print_json(list_to_json(), err);
	for (i = 0; i < n_profiles; i++)
		printf("%s  %s\n", profiles[i].name, profiles[i].summary);
	return CTL_FINE;
}

/* ---- show ---- */

static int print(const struct ctl *ctl, const struct profile *profile, const char *text,
		 struct err *err)
{
	json_t *root;

	if (!ctl->json) {
		fputs(text, stdout);
		return CTL_FINE;
	}
	root = profile_to_json(profile);
	if (!json_put_string(root, "text", text)) {
		json_decref(root);
		root = NULL;
	}
	return ctl_print_json(root, err);
}

static int show(struct ctl *ctl, const struct profile *profile, struct err *err)
{
	cleanup_free char *text = NULL;
	struct look look;
	int rc = look_begin(ctl, &look, err);

	if (rc < 0)
		return rc;
	rc = round_look(&look.round, err);
	if (rc == 0)
		rc = profile->fill(&look.round.host, &text, err);
	if (rc == 0)
		rc = print(ctl, profile, text, err);
	look_end(&look);
	return rc;
}

/* ---- which of them ---- */

static const struct action {
	const char *name;
	size_t n_args; /* behind the name */
	int (*run)(struct ctl *ctl, const struct profile *profile, struct err *err);
} actions[] = {
	{ "list", 0, list },
	{ "show", 1, show },
};

#define N_ACTIONS (sizeof(actions) / sizeof(actions[0]))

static void did_you_mean(struct err *err, const char *what, const char *word,
			 const char *const *names, size_t n)
{
	const char *close = suggest(word, names, n);

	if (close)
		err_set(err, EINVAL, "unknown %s '%.64s': did you mean '%s'?", what, word, close);
	else
		err_set(err, EINVAL, "unknown %s '%.64s'", what, word);
}

static const struct action *find_action(const char *name, struct err *err)
{
	const char *names[N_ACTIONS];
	size_t i;

	for (i = 0; i < N_ACTIONS; i++) {
		if (!strcmp(actions[i].name, name))
			return &actions[i];
		names[i] = actions[i].name;
	}
	did_you_mean(err, "action", name, names, N_ACTIONS);
	return NULL;
}

static const struct profile *find_profile(const char *name, struct err *err)
{
	const struct profile *profile = profile_find(name);
	const char *names[16];
	size_t n = 0;

	if (profile)
		return profile;
	for (; n < n_profiles && n < sizeof(names) / sizeof(names[0]); n++)
		names[n] = profiles[n].name;
	did_you_mean(err, "profile", name, names, n);
	return NULL;
}

static int run(struct ctl *ctl, struct err *err)
{
	const struct profile *profile = NULL;
	const struct action *action;

	if (!ctl->n_args) {
		err_set(err, EINVAL, "'conf' needs to know what to do: list or show");
		return CTL_USAGE;
	}
	action = find_action(ctl->args[0], err);
	if (!action)
		return CTL_USAGE;
	if (ctl->n_args - 1 > action->n_args) {
		err_set(err, EINVAL, "'conf %s' has no use for the argument '%.64s'", action->name,
			ctl->args[action->n_args + 1]);
		return CTL_USAGE;
	}
	if (ctl->n_args - 1 < action->n_args) {
		err_set(err, EINVAL, "'conf %s' needs to know which profile", action->name);
		return CTL_USAGE;
	}
	if (action->n_args) {
		profile = find_profile(ctl->args[1], err);
		if (!profile)
			return CTL_USAGE;
	}
	return action->run(ctl, profile, err);
}

const struct command cmd_conf = {
	.name = "conf",
	.usage = "conf list\nconf show PROFILE",
	.summary = "show settings that other programs need",
	.help = "A profile is a set of settings for another program, for one purpose. \"list\" names\n"
		"them, \"show\" prints one with this host's numbers in it. Changes nothing.",
	.options = CTL_JSON | CTL_ROOT,
	.max_args = 2,
	.run = run,
};

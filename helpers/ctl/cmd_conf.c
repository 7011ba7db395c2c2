// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking conf: settings of other programs, with this host's numbers in them.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/suggest.h"
#include "base/text.h"
#include "config/qemu_conf.h"
#include "ctl/ctl.h"
#include "lifecycle/daemon_conf.h"
#include "lifecycle/session.h"
#include "process/program.h"
#include "profiles/change.h"
#include "profiles/difference.h"
#include "profiles/profile.h"
#include "profiles/record.h"
#include "profiles/reload.h"
#include "terminal/table.h"
#include "terminal/wrap.h"

/* NULL with a sentence: wrong usage */
static const struct profile *find_profile(const struct ctl *ctl, struct err *err)
{
	const struct profile *profile = profile_find(ctl->args[0]);
	const char *names[16];
	size_t n = 0;

	for (; n < n_profiles && n < ARRAY_SIZE(names); n++)
		names[n] = profiles[n].name;
	if (!profile)
		suggest_unknown("profile", ctl->args[0], names, n, err);
	return profile;
}

/**
 * struct call - One call of diff, apply or remove
 * @apply:	Else remove
 * @write:	Else diff
 * @conf_read:	libvirt's daemon has read qemu.conf as it is
 * @reloaded:	--now has run all of @reload
 */
struct call {
	const struct profile *profile;
	bool apply;
	bool write;
	bool conf_read;
	struct parts parts;
	struct change change;
	struct reload reload;
	bool reloaded;
};

/* ---- list ---- */

static bool is_applied(const struct ctl *ctl, const struct profile *profile)
{
	return record_exists(ctl->kfs.rootfd, profile->name);
}

static json_t *profile_to_json(const struct ctl *ctl, const struct profile *profile)
{
	return json_pack("{s:s, s:s, s:s, s:b}", "name", profile->name, "summary", profile->summary,
			 "file", profile->file, "applied", is_applied(ctl, profile));
}

static bool is_listed(const struct ctl *ctl, const struct profile *profile)
{
	return !ctl->applied || is_applied(ctl, profile);
}

static json_t *list_to_json(const struct ctl *ctl)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < n_profiles; i++)
		if (is_listed(ctl, &profiles[i]))
			json_add(&array, profile_to_json(ctl, &profiles[i]));
	return json_pack("{s:o}", "profiles", array);
}

static int list(struct ctl *ctl, struct err *err)
{
	static const struct table_column columns[] = { { "", TABLE_PLAIN }, { "", TABLE_WORDS } };
	struct table table;
	char text[256];
	size_t i;

	if (ctl->json)
		return ctl_print_json(list_to_json(ctl), err);
	table_begin(&table, columns, ARRAY_SIZE(columns));
	table_headless(&table);
	for (i = 0; i < n_profiles; i++) {
		bool marked = !ctl->applied && is_applied(ctl, &profiles[i]);
		struct libscols_line *row;

		if (!is_listed(ctl, &profiles[i]))
			continue;
		row = table_row(&table, NULL);
		table_cell(&table, row, 0, "%s", profiles[i].name);
		snprintf(text, sizeof(text), "%s%s", profiles[i].summary,
			 marked ? " (applied)" : "");
		table_words(&table, row, text, NULL);
	}
	return table_end(&table, err);
}

/* ---- show ---- */

/* @conf_read: NULL, or as in struct call */
static int fill(const struct ctl *ctl, const struct profile *profile, struct parts *parts,
		bool *conf_read, struct err *err)
{
	struct session session;
	int rc = session_open_with_stores(&session, &ctl->kfs, SESSION_READ, err);

	parts->n = 0;
	if (rc == 0)
		rc = session_read(&session, err);
	if (rc == 0)
		rc = profile->fill(&ctl->kfs, &session.host, parts, err);
	if (conf_read)
		*conf_read = session.host.daemon.conf == DAEMON_CONF_FINE;
	session_close(&session);
	return rc;
}

static const char *const kind_words[] = {
	[PART_FILE] = "file",
	[PART_LINES] = "lines",
	[PART_QEMU_CONF] = "key",
	[PART_SHOWN] = "shown",
};

/* A part that is no file's path is shown as it is */
static const char *slash(const struct part *part)
{
	return strchr(part->path, '/') ? "/" : "";
}

static json_t *part_to_json(const struct part *part)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", slash(part), part->path);
	return json_pack("{s:s, s:s, s:s}", "path", path, "kind", kind_words[part->kind], "text",
			 part->text);
}

/* The commands after applying all of it */
static int find_reload(const struct ctl *ctl, const struct profile *profile,
		       const struct parts *parts, bool conf_read, struct reload *reload,
		       struct err *err)
{
	struct reload_file files[PARTS_MAX];
	size_t i, n = 0;

	for (i = 0; i < parts->n; i++)
		if (parts->part[i].kind != PART_SHOWN)
			files[n++] = (struct reload_file){ parts->part[i].path, false };
	return reload_find(&ctl->kfs, profile, files, n, true, conf_read, reload, err);
}

static json_t *reload_to_json(const struct reload *reload)
{
	json_t *array = json_array();
	size_t i, k;

	for (i = 0; i < reload->n; i++) {
		const struct reload_command *command = &reload->commands[i];
		char text[RELOAD_TEXT_SIZE];
		json_t *argv = json_array();

		for (k = 0; command->argv[k]; k++)
			json_add(&argv, json_string(command->argv[k]));
		json_add(&array,
			 json_pack("{s:s, s:o}", "text", reload_text(command, text), "argv", argv));
	}
	return array;
}

static json_t *reload_notes_to_json(const struct reload *reload)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < reload->n_notes; i++)
		json_add(&array, json_string(reload->notes[i]));
	return array;
}

/* "text" is what goes to "file" */
static json_t *parts_to_json(const struct ctl *ctl, const struct profile *profile,
			     const struct parts *parts, const struct reload *reload)
{
	json_t *root = profile_to_json(ctl, profile), *array = json_array();
	size_t i;

	for (i = 0; i < parts->n; i++)
		json_add(&array, part_to_json(&parts->part[i]));
	if (json_object_set_new(root, "text", json_string(parts->part[0].text)) == 0 &&
	    json_object_set_new(root, "files", array) == 0 &&
	    json_object_set_new(root, "commands", reload_to_json(reload)) == 0 &&
	    json_object_set_new(root, "by_hand", reload_notes_to_json(reload)) == 0)
		return root;
	json_decref(root);
	return NULL;
}

static void print_parts(const struct parts *parts)
{
	size_t i;

	for (i = 0; i < parts->n; i++) {
		const struct part *part = &parts->part[i];

		/* One file can be written as it is */
		if (parts->n > 1)
			printf("%s## %s%s%s\n", i ? "\n" : "", slash(part), part->path,
			       part->kind == PART_SHOWN ? ", to be set by hand" : "");
		fputs(part->text, stdout);
	}
}

/* The text may be put into a file as it is: these are comments of it */
static void print_reload_comments(const struct reload *reload)
{
	char text[RELOAD_TEXT_SIZE];
	size_t i;

	if (reload->n || reload->n_notes)
		puts("\n# Then:");
	for (i = 0; i < reload->n; i++)
		printf("#     %s\n", reload_text(&reload->commands[i], text));
	for (i = 0; i < reload->n_notes; i++)
		printf("#     %s\n", reload->notes[i]);
}

static int show(struct ctl *ctl, struct err *err)
{
	const struct profile *profile = find_profile(ctl, err);
	struct reload reload = { 0 };
	struct parts parts;
	int rc;

	if (!profile)
		return CTL_USAGE;
	rc = fill(ctl, profile, &parts, NULL, err);
	if (rc == 0)
		rc = find_reload(ctl, profile, &parts, false, &reload, err);
	if (rc == 0 && ctl->json)
		rc = ctl_print_json(parts_to_json(ctl, profile, &parts, &reload), err);
	else if (rc == 0) {
		print_parts(&parts);
		print_reload_comments(&reload);
	}
	reload_free(&reload);
	profile_parts_free(&parts);
	return rc;
}

/* ---- diff, apply, remove ---- */

static json_t *file_to_json(const struct file_change *file)
{
	cleanup_free char *text = NULL;
	char path[PATH_MAX + 1];

	snprintf(path, sizeof(path), "/%s", file->path);
	if (difference(file->path, file->old, file->new, &text, NULL) < 0)
		return NULL;
	text_mend(text);
	return json_pack("{s:s, s:s}", "path", path, "diff", text);
}

static json_t *call_to_json(const struct call *call)
{
	const struct change *change = &call->change;
	json_t *files = json_array(), *notes = json_array();
	size_t i;

	for (i = 0; i < change->n; i++)
		json_add(&files, file_to_json(&change->files[i]));
	for (i = 0; i < change->n_notes; i++)
		json_add(&notes, json_string(change->notes[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:b}", "changes", files, "notes", notes, "commands",
			 reload_to_json(&call->reload), "by_hand",
			 reload_notes_to_json(&call->reload), "reloaded", call->reloaded);
}

static int print_change(const struct change *change, struct err *err)
{
	size_t i;

	for (i = 0; i < change->n; i++) {
		const struct file_change *file = &change->files[i];
		cleanup_free char *text = NULL;
		int rc = difference(file->path, file->old, file->new, &text, err);

		if (rc < 0)
			return rc;
		wrap_print_text(text);
	}
	for (i = 0; i < change->n_notes; i++)
		wrap_printf("Kept: %s.", change->notes[i]);
	return 0;
}

/* ---- what has to be run then ---- */

/* What was changed; applied again, all that the profile has: whether it was run since, only the
 * administrator knows */
static int find_commands(const struct ctl *ctl, struct call *call, struct err *err)
{
	struct reload_file files[CHANGES_MAX];
	const struct change *change = &call->change;
	size_t i;

	if (call->apply && !change->n)
		return find_reload(ctl, call->profile, &call->parts, call->conf_read, &call->reload,
				   err);
	for (i = 0; i < change->n; i++)
		files[i] = (struct reload_file){ change->files[i].path, !change->files[i].new };
	return reload_find(&ctl->kfs, call->profile, files, change->n, call->apply, false,
			   &call->reload, err);
}

static void print_commands(const struct ctl *ctl, const struct call *call)
{
	const struct reload *reload = &call->reload;
	char text[RELOAD_TEXT_SIZE];
	size_t i;

	if (reload->n)
		puts(ctl->now	    ? "\nReloading:" :
		     call->change.n ? "\nReload these services:" :
				      "\nReload these services, unless that was done since:");
	for (i = 0; i < reload->n; i++)
		printf("    %s\n", reload_text(&reload->commands[i], text));
	for (i = 0; i < reload->n_notes; i++)
		wrap_printf("By hand: %s", reload->notes[i]);
}

/* All of them, even if one fails.  Return: enum ctl_exit */
static int run_commands(struct call *call)
{
	struct err err;
	size_t i, failed = 0;

	fflush(stdout);
	for (i = 0; i < call->reload.n; i++) {
		const struct reload_command *command = &call->reload.commands[i];
		char text[RELOAD_TEXT_SIZE];

		if (program_run(command->argv, &err) == 0)
			continue;
		log_error("'%s': %s", reload_text(command, text), err.text);
		failed++;
	}
	call->reloaded = !failed;
	return failed ? CTL_FINDINGS : CTL_FINE;
}

/* By hand, since it counts only at the next boot, and can keep the host from it */
static void print_shown(const struct profile *profile, const struct parts *parts)
{
	size_t i;

	for (i = 0; i < parts->n; i++)
		if (parts->part[i].kind == PART_SHOWN)
			wrap_printf("By hand, see \"virt-membacking conf show %s\": %s%s",
				    profile->name, slash(&parts->part[i]), parts->part[i].path);
}

static int write_change(const struct ctl *ctl, struct call *call, struct err *err)
{
	int rc = change_write(ctl->kfs.rootfd, call->profile->name, &call->change, err);

	if (rc == 0)
		rc = find_commands(ctl, call, err);
	if (rc < 0)
		return rc;
	if (!ctl->json) {
		if (!call->change.n && !call->change.n_notes)
			puts("Nothing to change.");
		print_commands(ctl, call);
		if (call->change.n)
			print_shown(call->profile, &call->parts);
	}
	return ctl->now ? run_commands(call) : CTL_FINE;
}

static int decide(const struct ctl *ctl, struct call *call, struct err *err)
{
	const int rootfd = ctl->kfs.rootfd;
	const char *name = call->profile->name;
	int rc;

	if (!call->apply)
		return change_remove(rootfd, name, &call->change, err);
	rc = fill(ctl, call->profile, &call->parts, &call->conf_read, err);
	return rc < 0 ? rc : change_apply(rootfd, name, &call->parts, &call->change, err);
}

/* With @write under the lock, so that no other command applies a profile in between */
static int carry_out(const struct ctl *ctl, struct call *call, struct err *err)
{
	cleanup_lock int lock = -1;
	struct err why;
	int rc = 0;

	if (call->write) {
		lock = record_lock(ctl->kfs.rootfd, err);
		rc = lock < 0 ? lock : 0;
	}
	if (rc == 0)
		rc = decide(ctl, call, err);
	if (rc == 0 && !ctl->json)
		rc = print_change(&call->change, err);
	/* What the daemon that runs has read can't be told later */
	if (rc == 0 && call->write && daemon_conf_keep(&ctl->kfs, &why) < 0)
		log_warning("%s", why.text);
	if (rc == 0)
		rc = call->write ? write_change(ctl, call, err) : find_commands(ctl, call, err);
	if (rc >= 0 && ctl->json && ctl_print_json(call_to_json(call), err) < 0)
		return -ENOMEM;
	return rc == 0 && call->change.n_notes ? CTL_FINDINGS : rc;
}

static int change(struct ctl *ctl, const struct profile *profile, bool apply, bool write,
		  struct err *err)
{
	cleanup_free struct call *call = calloc(1, sizeof(*call));
	int rc;

	if (!call)
		return err_nomem(err);
	call->profile = profile;
	call->apply = apply;
	call->write = write;
	rc = carry_out(ctl, call, err);
	reload_free(&call->reload);
	profile_parts_free(&call->parts);
	change_free(&call->change);
	return rc;
}

static int diff(struct ctl *ctl, struct err *err)
{
	const struct profile *profile = find_profile(ctl, err);

	return profile ? change(ctl, profile, true, false, err) : CTL_USAGE;
}

static int need_root(const struct ctl *ctl, struct err *err)
{
	return ctl_need_root(ctl, "change the configuration of other programs", err);
}

static int check_now(const struct ctl *ctl, struct err *err)
{
	if (!ctl->now || !ctl->root)
		return CTL_FINE;
	err_set(err, EINVAL, "--now is for this host: a captured one has no services");
	return CTL_USAGE;
}

static int apply(struct ctl *ctl, struct err *err)
{
	const struct profile *profile = find_profile(ctl, err);
	int rc = profile ? need_root(ctl, err) : CTL_USAGE;

	if (rc == 0)
		rc = check_now(ctl, err);
	return rc ? rc : change(ctl, profile, true, true, err);
}

static int take_back(struct ctl *ctl, struct err *err)
{
	const struct profile *profile = find_profile(ctl, err);
	int rc = profile ? need_root(ctl, err) : CTL_USAGE;

	if (rc == 0)
		rc = check_now(ctl, err);
	if (rc)
		return rc;
	if (!is_applied(ctl, profile)) {
		if (ctl->json)
			return ctl_print_json(call_to_json(&(struct call){ 0 }), err);
		puts("Nothing to change.");
		return CTL_FINE;
	}
	return change(ctl, profile, false, true, err);
}

/* ---- the command ---- */

#define A_PROFILE	.needs = "a profile", .min_args = 1, .max_args = 1
#define ON_PROFILE	.options = CTL_JSON | CTL_ROOT, A_PROFILE
#define CHANGES_PROFILE .options = CTL_JSON | CTL_ROOT | CTL_NOW, A_PROFILE

static const struct command actions[] = {
	{ .name = "list", .options = CTL_JSON | CTL_ROOT | CTL_APPLIED, .run = list },
	{ .name = "show", ON_PROFILE, .run = show },
	{ .name = "diff", ON_PROFILE, .run = diff },
	{ .name = "apply", CHANGES_PROFILE, .run = apply },
	{ .name = "remove", CHANGES_PROFILE, .run = take_back },
	{ .name = NULL },
};

const struct command cmd_conf = {
	.name = "conf",
	.usage = "conf list [--applied]\nconf show PROFILE\nconf diff PROFILE\n"
		 "conf apply PROFILE [--now]\nconf remove PROFILE [--now]",
	.summary = "apply and revert configuration profiles",
	.help = "A profile is a set of settings of several programs, for one purpose. \"list\"\n"
		"lists them, \"show\" prints one with this host's numbers in it, \"diff\" says what\n"
		"\"apply\" would change. \"remove\" restores the files as they were. From a file that\n"
		"was edited since, it removes only what was applied. Both list the services to reload;\n"
		"--now reloads them.",
	.options = CTL_JSON | CTL_ROOT | CTL_APPLIED | CTL_NOW,
	.actions = actions,
};

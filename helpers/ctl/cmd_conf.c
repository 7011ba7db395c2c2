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
#include "profiles/change.h"
#include "profiles/difference.h"
#include "profiles/profile.h"
#include "profiles/record.h"
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

static int fill(const struct ctl *ctl, const struct profile *profile, struct parts *parts,
		struct err *err)
{
	struct session session;
	int rc = session_open_with_stores(&session, &ctl->kfs, SESSION_READ, err);

	parts->n = 0;
	if (rc == 0)
		rc = session_read(&session, err);
	if (rc == 0)
		rc = profile->fill(&ctl->kfs, &session.host, parts, err);
	session_close(&session);
	return rc;
}

static const char *const kind_words[] = {
	[PART_FILE] = "file",
	[PART_LINES] = "lines",
	[PART_QEMU_CONF] = "key",
	[PART_SHOWN] = "shown",
};

/* What is no path is said as it is */
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

/* "text" is what goes to "file" */
static json_t *parts_to_json(const struct ctl *ctl, const struct profile *profile,
			     const struct parts *parts)
{
	json_t *root = profile_to_json(ctl, profile), *array = json_array();
	size_t i;

	for (i = 0; i < parts->n; i++)
		json_add(&array, part_to_json(&parts->part[i]));
	if (json_object_set_new(root, "text", json_string(parts->part[0].text)) == 0 &&
	    json_object_set_new(root, "files", array) == 0)
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

static int show(struct ctl *ctl, struct err *err)
{
	const struct profile *profile = find_profile(ctl, err);
	struct parts parts;
	int rc;

	if (!profile)
		return CTL_USAGE;
	rc = fill(ctl, profile, &parts, err);
	if (rc == 0 && ctl->json)
		rc = ctl_print_json(parts_to_json(ctl, profile, &parts), err);
	else if (rc == 0)
		print_parts(&parts);
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

static json_t *change_to_json(const struct change *change)
{
	json_t *files = json_array(), *notes = json_array();
	size_t i;

	for (i = 0; i < change->n; i++)
		json_add(&files, file_to_json(&change->files[i]));
	for (i = 0; i < change->n_notes; i++)
		json_add(&notes, json_string(change->notes[i]));
	return json_pack("{s:o, s:o}", "changes", files, "notes", notes);
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

static int report(const struct ctl *ctl, const struct change *change, struct err *err)
{
	if (ctl->json)
		return ctl_print_json(change_to_json(change), err);
	return print_change(change, err);
}

/* What programs have to be told of their files; %s: the file */
static const struct {
	const char *dir;
	const char *applied;
	const char *removed;
} readers[] = {
	{ SYSCONF_DIR "/systemd/system/", "systemctl daemon-reload\n",
	  "systemctl daemon-reload\n" },
	{ SYSCONF_DIR "/tmpfiles.d/", "systemd-tmpfiles --create /%s\n", NULL },
	{ SYSCONF_DIR "/sysctl.d/", "sysctl -p /%s\n", NULL },
	{ QEMU_CONF_FILE, RESTART_LIBVIRT, RESTART_LIBVIRT },
};

#define N_READERS ARRAY_SIZE(readers)

/* @todo: to be freed.  Each command once */
static int add_command(char **todo, const char *format, const char *path)
{
	cleanup_free char *command = NULL, *before = *todo;
	const char *mark = format ? strstr(format, "%s") : NULL;

	*todo = NULL;
	if (!format)
		format = "";
	if (asprintf(&command, "%.*s%s%s", (int)(mark ? mark - format : 0), format,
		     mark ? path : "", mark ? mark + 2 : format) < 0)
		return -ENOMEM;
	if (before && strstr(before, command))
		return asprintf(todo, "%s", before) < 0 ? -ENOMEM : 0;
	return asprintf(todo, "%s%s", before ? before : "", command) < 0 ? -ENOMEM : 0;
}

static int collect_commands(const struct profile *profile, const struct change *change, bool apply,
			    char **todo)
{
	const char *own = apply ? profile->applied : profile->removed;
	size_t i, k;
	int rc = 0;

	for (i = 0; rc == 0 && i < N_READERS; i++)
		for (k = 0; rc == 0 && k < change->n; k++)
			if (!strncmp(change->files[k].path, readers[i].dir, strlen(readers[i].dir)))
				rc = add_command(todo,
						 change->files[k].new ? readers[i].applied :
									readers[i].removed,
						 change->files[k].path);
	return rc == 0 && own ? add_command(todo, own, "") : rc;
}

static int print_commands(const struct profile *profile, const struct change *change, bool apply,
			  struct err *err)
{
	cleanup_free char *todo = NULL;
	const char *line;

	if (collect_commands(profile, change, apply, &todo) < 0)
		return err_nomem(err);
	if (!todo || !*todo)
		return 0;
	puts("\nReload these services:");
	for (line = todo; *line; line += strcspn(line, "\n") + 1)
		printf("    %.*s\n", (int)strcspn(line, "\n"), line);
	return 0;
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

static int write_change(const struct ctl *ctl, const struct profile *profile, struct change *change,
			const struct parts *parts, struct err *err)
{
	int rc = change_write(ctl->kfs.rootfd, profile->name, change, err);

	if (rc < 0 || ctl->json)
		return rc;
	if (!change->n && !change->n_notes)
		puts("Nothing to change.");
	if (!change->n)
		return 0;
	rc = print_commands(profile, change, parts->n, err);
	print_shown(profile, parts);
	return rc;
}

/* With @write under the lock, so that no other command applies a profile in between */
static int change(struct ctl *ctl, const struct profile *profile, bool apply, bool write,
		  struct err *err)
{
	const int rootfd = ctl->kfs.rootfd;
	cleanup_lock int lock = -1;
	cleanup_free struct change *change = calloc(1, sizeof(*change));
	struct parts parts = { 0 };
	struct err why;
	int rc = 0;

	if (!change)
		return err_nomem(err);
	if (write) {
		lock = record_lock(rootfd, err);
		rc = lock < 0 ? lock : 0;
	}
	if (rc == 0 && apply)
		rc = fill(ctl, profile, &parts, err);
	if (rc == 0)
		rc = apply ? change_apply(rootfd, profile->name, &parts, change, err) :
			     change_remove(rootfd, profile->name, change, err);
	if (rc == 0)
		rc = report(ctl, change, err);
	/* What the daemon that runs has read can't be told later */
	if (rc == 0 && write && daemon_conf_keep(&ctl->kfs, &why) < 0)
		log_warning("%s", why.text);
	if (rc == 0 && write)
		rc = write_change(ctl, profile, change, &parts, err);
	if (rc == 0 && change->n_notes)
		rc = CTL_FINDINGS;
	profile_parts_free(&parts);
	change_free(change);
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

static int apply(struct ctl *ctl, struct err *err)
{
	const struct profile *profile = find_profile(ctl, err);
	int rc = profile ? need_root(ctl, err) : CTL_USAGE;

	return rc ? rc : change(ctl, profile, true, true, err);
}

static int take_back(struct ctl *ctl, struct err *err)
{
	const struct profile *profile = find_profile(ctl, err);
	int rc = profile ? need_root(ctl, err) : CTL_USAGE;

	if (rc)
		return rc;
	if (!is_applied(ctl, profile)) {
		if (ctl->json)
			return ctl_print_json(change_to_json(&(struct change){ 0 }), err);
		puts("Nothing to change.");
		return CTL_FINE;
	}
	return change(ctl, profile, false, true, err);
}

/* ---- the command ---- */

#define ON_PROFILE                                                                                 \
	.options = CTL_JSON | CTL_ROOT, .needs = "a profile", .min_args = 1, .max_args = 1

static const struct command actions[] = {
	{ .name = "list", .options = CTL_JSON | CTL_ROOT | CTL_APPLIED, .run = list },
	{ .name = "show", ON_PROFILE, .run = show },
	{ .name = "diff", ON_PROFILE, .run = diff },
	{ .name = "apply", ON_PROFILE, .run = apply },
	{ .name = "remove", ON_PROFILE, .run = take_back },
	{ .name = NULL },
};

const struct command cmd_conf = {
	.name = "conf",
	.usage = "conf list [--applied]\nconf show PROFILE\nconf diff PROFILE\n"
		 "conf apply PROFILE\nconf remove PROFILE",
	.summary = "apply and revert configuration profiles",
	.help = "A profile is a set of settings of several programs, for one purpose. \"list\"\n"
		"lists them, \"show\" prints one with this host's numbers in it, \"diff\" says what\n"
		"\"apply\" would change. \"remove\" restores the files as they were. From a file that\n"
		"was edited since, it removes only what was applied.",
	.options = CTL_JSON | CTL_ROOT | CTL_APPLIED,
	.actions = actions,
};

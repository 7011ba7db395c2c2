// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking hook: our programs among libvirt's hooks.
 *
 * libvirt is told to reload only with --reload: a SIGHUP is
 * harmless to libvirt, but it makes other people's daemon hooks run too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "check/hook_links.h"
#include "ctl/ctl.h"
#include "terminal/wrap.h"

/* What helps wherever libvirt may not know of a hook */
#define RELOAD "virt-membacking hook enable --reload"

struct hooks {
	struct hook_link links[HOOK_KINDS];
	enum hook_seen seen;
	struct process daemon;
	const char *why;
};

static int read_hooks(const struct kfs *kfs, struct hooks *hooks, struct err *err)
{
	size_t i;

	for (i = 0; i < HOOK_KINDS; i++) {
		int rc = hook_link_read(kfs, (enum hook_kind)i, &hooks->links[i], err);

		if (rc < 0)
			return rc;
	}
	hooks->seen = hook_seen(kfs, &hooks->links[HOOK_QEMU], &hooks->daemon, &hooks->why);
	return 0;
}

/* Without the qemu hook nothing is prepared; without the other one, mounts and giving back
 * come later */
static int verdict(const struct hooks *hooks)
{
	size_t i;

	for (i = 0; i < HOOK_KINDS; i++)
		if (!hooks->links[i].linked || !hooks->links[i].executable)
			return CTL_FINDINGS;
	return hooks->seen == HOOK_SEEN_UNKNOWN ? CTL_FINDINGS : CTL_FINE;
}

/* ---- status ---- */

static json_t *link_to_json(const struct hook_link *link)
{
	char path[HOOK_PATH_SIZE + 1], program[HOOK_PATH_SIZE + 1];

	snprintf(path, sizeof(path), "/%s", link->path);
	snprintf(program, sizeof(program), "/%s", link->program);
	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:b}", "name", link->name, "path", path,
			 "program", program, "linked", link->linked, "direct", link->direct,
			 "foreign", link->foreign, "executable", link->executable);
}

/* "seen" is null where it can't be told */
static json_t *to_json(const struct hooks *hooks)
{
	bool known = hooks->seen == HOOK_SEEN_YES || hooks->seen == HOOK_SEEN_NO;
	json_t *links = json_array();
	size_t i;

	for (i = 0; i < HOOK_KINDS; i++)
		json_add(&links, link_to_json(&hooks->links[i]));
	return json_pack("{s:o, s:{s:b, s:o, s:o, s:s}}", "hooks", links, "libvirt", "running",
			 hooks->seen != HOOK_NO_LIBVIRT, "pid",
			 hooks->daemon.pid ? json_integer(hooks->daemon.pid) : json_null(), "seen",
			 known ? json_boolean(hooks->seen == HOOK_SEEN_YES) : json_null(), "why",
			 hooks->why);
}

static void print_link(const struct hook_link *link)
{
	printf("%-7s ", link->name);
	if (!link->executable)
		printf("/%s is %s\n", link->program,
		       link->present ? "not executable" : "not there");
	else if (link->foreign)
		printf("not enabled: /%s is not ours\n", link->path);
	else if (!link->linked)
		printf("not enabled: no /%s\n", link->path);
	else
		printf("enabled: /%s\n", link->path);
}

static void print_libvirt(const struct hooks *hooks)
{
	static const char *const words[] = {
		[HOOK_SEEN_NO] = "does not call them",
		[HOOK_SEEN_UNKNOWN] = "may not know them",
		[HOOK_SEEN_YES] = "calls them",
		[HOOK_NO_LIBVIRT] = "",
	};

	printf("libvirt ");
	if (hooks->daemon.pid)
		printf("(PID %d) ", (int)hooks->daemon.pid);
	if (hooks->seen == HOOK_NO_LIBVIRT)
		printf("calls no hooks: %s\n", hooks->why);
	else
		printf("%s: %s\n", words[hooks->seen], hooks->why);
}

static void print_remedy(const struct hooks *hooks)
{
	size_t i;

	for (i = 0; i < HOOK_KINDS; i++) {
		if (hooks->links[i].linked || !hooks->links[i].executable)
			continue;
		putchar('\n');
		if (hooks->links[i].foreign)
			wrap_printf("the name /%s is taken: move that file out of the way, then: "
				    "virt-membacking hook enable",
				    hooks->links[i].path);
		else
			printf("enable what is not enabled: virt-membacking hook enable\n");
		return;
	}
	if (hooks->seen == HOOK_SEEN_UNKNOWN)
		printf("\ntell libvirt to look again, which guests don't notice: " RELOAD "\n");
}

static int status(struct ctl *ctl, struct err *err)
{
	struct hooks hooks;
	int rc = read_hooks(&ctl->kfs, &hooks, err);
	size_t i;

	if (rc < 0)
		return rc;
	if (ctl->json)
		return ctl_print_json(to_json(&hooks), err) < 0 ? -ENOMEM : verdict(&hooks);
	for (i = 0; i < HOOK_KINDS; i++)
		print_link(&hooks.links[i]);
	print_libvirt(&hooks);
	print_remedy(&hooks);
	return verdict(&hooks);
}

/* ---- enable, disable ---- */

static int enable_one(const struct kfs *kfs, enum hook_kind kind, bool direct, struct err *err)
{
	struct hook_link link;
	int rc = hook_link_read(kfs, kind, &link, err);

	if (rc < 0)
		return rc;
	/* Linked twice it would be called twice: harmless, and twice the time */
	if (link.linked && link.direct != direct && hook_link_remove(kfs, kind, err) < 0)
		return -EIO;
	rc = hook_link_make(kfs, kind, direct, err);
	if (rc < 0)
		return rc;
	if (hook_link_read(kfs, kind, &link, err) == 0)
		printf("%s: /%s%s\n", link.name, link.path, rc ? "" : " (as before)");
	return 0;
}

/* Both or none: a name that is taken is found before anything is made */
static int enable_all(const struct kfs *kfs, bool direct, struct err *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc == 0 && i < HOOK_KINDS; i++)
		rc = hook_link_check(kfs, (enum hook_kind)i, direct, err);
	for (i = 0; rc == 0 && i < HOOK_KINDS; i++)
		rc = enable_one(kfs, (enum hook_kind)i, direct, err);
	return rc;
}

static int reload(const struct ctl *ctl, struct err *err)
{
	int rc = hook_reload(&ctl->kfs, err);

	if (rc == -ESRCH) {
		printf("%s\n", err->text);
		return 0;
	}
	if (rc == 0)
		printf("libvirt was told to look for its hooks again\n");
	return rc;
}

static int enable(struct ctl *ctl, struct err *err)
{
	struct hooks hooks;
	int rc = ctl_need_root(ctl, "enable hooks", err);

	if (ctl->root && ctl->reload)
		return err_set(err, EINVAL, "--reload can't be combined with --root");
	if (rc == 0)
		rc = enable_all(&ctl->kfs, ctl->direct, err);
	if (rc == 0 && ctl->reload)
		return reload(ctl, err);
	if (rc == 0)
		rc = read_hooks(&ctl->kfs, &hooks, err);
	if (rc < 0)
		return rc;
	if (hooks.seen == HOOK_SEEN_UNKNOWN)
		printf("\nlibvirt runs, and may not know them yet: " RELOAD "\n");
	return 0;
}

static int disable(struct ctl *ctl, struct err *err)
{
	int rc = ctl_need_root(ctl, "disable hooks", err);
	int removed = 0;
	size_t i;

	for (i = 0; rc >= 0 && i < HOOK_KINDS; i++) {
		rc = hook_link_remove(&ctl->kfs, (enum hook_kind)i, err);
		removed += rc < 0 ? 0 : rc;
	}
	if (rc < 0)
		return rc;
	if (removed)
		wrap_printf("the hooks are disabled; what running guests hold is given back, when "
			    "they are gone, with: virt-membacking reconcile");
	else
		printf("the hooks were not enabled\n");
	return 0;
}

/* ---- the command ---- */

static const struct command actions[] = {
	{ .name = "status", .options = CTL_JSON | CTL_ROOT, .run = status },
	{ .name = "enable", .options = CTL_ROOT | CTL_DIRECT | CTL_RELOAD, .run = enable },
	{ .name = "disable", .options = CTL_ROOT, .run = disable },
	{ .name = NULL },
};

const struct command cmd_hook = {
	.name = "hook",
	.usage = "hook status\nhook enable [--direct] [--reload]\nhook disable",
	.summary = "link our programs among libvirt's hooks, or take them out",
	.help = "status   Are the hooks linked, can they be run, and does the running libvirt know\n"
		"         them? Exit status 1 if not, or if that is not known.\n"
		"enable   Link the hooks into qemu.d and daemon.d in libvirt's hooks directory.\n"
		"disable  Remove these links.\n\n"
		"A file that is not such a link is never touched. libvirt looks for hooks when it\n"
		"starts and when it reloads: --reload makes it do so at once (SIGHUP).",
	.options = CTL_JSON | CTL_ROOT | CTL_DIRECT | CTL_RELOAD,
	.actions = actions,
};

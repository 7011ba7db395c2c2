// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: two places
 *
 * The guest's definition gets shared memory in memfds, unless its memory can be paged as it is;
 * libvirt is told as "advise --apply" tells it.  Its limit goes into a file of membacking.conf.d,
 * where the hook reads it at the next start.  Both are shown before anything is written, and the
 * definition comes first: a limit without such memory would keep the guest from starting.
 */
#include "ctl/overcommit_enable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "check/libvirt_host.h"
#include "ctl/ctl.h"
#include "ctl/domain_xml.h"
#include "ctl/guest_arg.h"
#include "ctl/overcommit_conf.h"
#include "ctl/overcommit_rooms.h"
#include "guest/guest.h"
#include "guest/guest_backing.h"
#include "guest/guest_parse.h"
#include "guest/guest_xml.h"
#include "lifecycle/liveness.h"
#include "lifecycle/next_start.h"
#include "lifecycle/session.h"
#include "memory/fragmentation.h"
#include "pager/client.h"
#include "policy/overcommit_rules.h"
#include "policy/plan.h"
#include "profiles/difference.h"
#include "terminal/wrap.h"

#define HELLO_MS 2000

/**
 * struct enabling - Everything that is read and decided
 * @edit:	With --yes only
 * @variant:	The guest as it will be; @changed: and is not yet
 * @pid:	Of its QEMU, if it runs
 * @refusal:	Why the next start would be refused as things are; empty: it would not
 */
struct enabling {
	char *xml;
	size_t len;
	char *before;
	struct domain_edit *edit;
	struct guest *guest;
	struct guest_variant variant;
	bool changed;
	struct conf_file limit;
	struct conf_file on;
	struct session session;
	struct guest_policy policy;
	pid_t pid;
	struct err refusal;
};

static void enabling_free(struct enabling *e)
{
	session_close(&e->session);
	conf_file_free(&e->limit);
	conf_file_free(&e->on);
	guest_variant_free(&e->variant);
	guest_free(e->guest);
	domain_xml_edit_end(e->edit);
	free(e->before);
	free(e->xml);
}

/* ---- the guest ---- */

static int read_guest(const struct ctl *ctl, struct enabling *e, struct err *err)
{
	cleanup_xml_doc xmlDoc *doc = NULL;
	struct guest_reading reading;
	int rc = ctl->yes ? domain_xml_edit_begin(ctl->args[0], &e->edit, &e->xml, &e->len, err) :
			    guest_arg_xml(ctl, &e->xml, &e->len, err);

	if (rc < 0)
		return rc;
	libvirt_host_reading(&ctl->kfs, &reading);
	reading.draft = false;
	rc = guest_parse_as(e->xml, e->len, &reading, &e->guest, err);
	if (rc == 0)
		rc = guest_xml_open(e->xml, e->len, &doc, err);
	return rc < 0 ? rc : guest_backing_text(doc, &e->before, err);
}

/* Shared memory in memfds; as it is, where it can be paged so */
static int make_variant(struct enabling *e, struct err *err)
{
	static const struct guest_backing memfd = {
		.kind = GUEST_BACKING_PLAIN,
		.shared = true,
		.share_all = true,
	};
	static const struct guest_backing keep = { .kind = GUEST_BACKING_KEEP };
	bool fine = overcommit_rules_guest(e->guest, NULL) == 0;
	int rc = guest_variant_make(e->xml, e->len, e->guest, fine ? &keep : &memfd, &e->variant,
				    err);

	e->changed = rc == 0 && !fine && e->variant.changed;
	/* No other <memoryBacking> would help then */
	return rc < 0 ? rc : overcommit_rules_guest(e->variant.guest, err);
}

/* ---- the configuration and the host ---- */

static int make_conf(const struct ctl *ctl, const struct config_amount *resident,
		     struct enabling *e, struct err *err)
{
	int rc = overcommit_conf_guest(ctl->kfs.rootfd, e->guest, &e->limit, err);

	if (rc == 0)
		rc = overcommit_conf_limit(&e->limit, e->guest, resident, err);
	if (rc == 0 && !config_overcommit(e->session.config)->enable)
		rc = overcommit_conf_switch(ctl->kfs.rootfd, &e->on, err);
	return rc;
}

static int decide(const struct ctl *ctl, const struct config_amount *resident, struct enabling *e,
		  struct err *err)
{
	struct step_overcommit step;
	int rc = session_open_with_stores(&e->session, &ctl->kfs, SESSION_READ, err);

	e->session.guest = e->variant.guest;
	if (rc == 0)
		rc = config_check_section(e->session.config, NULL, "overcommit", err);
	if (rc == 0)
		rc = config_for_guest(e->session.config, e->variant.guest, &e->policy, err);
	if (rc < 0)
		return rc;
	e->policy.overcommit.enable = true;
	e->policy.overcommit.resident = *resident;
	rc = overcommit_rules_fill(e->variant.guest, &e->policy.overcommit, &step, err);
	if (rc == 0)
		return overcommit_rules_no_limit(e->variant.guest, err);
	return rc < 0 ? rc : make_conf(ctl, resident, e, err);
}

/* Its next start, as "virt-membacking plan" would show it */
static int look_ahead(const struct ctl *ctl, struct enabling *e, struct err *err)
{
	struct fragmentation f = { 0 };
	struct plan plan = { 0 };
	struct ledger *own;
	int rc = session_read(&e->session, err);

	if (rc == 0)
		rc = fragmentation_read(&ctl->kfs, &f, err);
	if (rc < 0)
		return rc;
	own = ledgers_find_uuid(&e->session.ledgers, e->guest->uuid);
	liveness_qemu(&ctl->kfs, e->guest->name, &e->pid);
	rc = next_start(&e->session, e->guest, own, e->pid, &f, err);
	fragmentation_free(&f);
	if (rc < 0)
		return rc;
	if (plan_make(e->variant.guest, &e->session.host, &e->policy, &plan, &e->refusal) == 0)
		e->refusal.text[0] = '\0';
	plan_free(&plan);
	return 0;
}

/* ---- showing and doing it ---- */

static int show(const struct enabling *e, struct err *err)
{
	cleanup_free char *changes = NULL;
	int rc = e->changed ? difference(NULL, e->before, e->variant.block, &changes, err) : 0;

	if (rc < 0)
		return rc;
	if (changes) {
		printf("What changes in its definition:\n\n");
		wrap_print_text(changes);
		putchar('\n');
	} else {
		printf("Its definition stays as it is.\n\n");
	}
	if (*e->variant.removed && e->changed)
		wrap_printf("It says no more: %s.", e->variant.removed);
	if (conf_file_is_same(&e->limit) && conf_file_is_same(&e->on)) {
		printf("The configuration stays as it is.\n\n");
		return 0;
	}
	printf("What changes in the configuration:\n\n");
	rc = conf_file_print(&e->limit, err);
	if (rc == 0)
		rc = conf_file_print(&e->on, err);
	putchar('\n');
	return rc;
}

static int write_down(const struct ctl *ctl, const struct enabling *e, struct err *err)
{
	int rc = e->changed ? domain_xml_edit_define(e->edit, e->variant.xml, err) : 0;

	if (rc == 0)
		rc = conf_file_write(ctl->kfs.rootfd, &e->limit, err);
	if (rc == 0 && e->on.new)
		rc = conf_file_write(ctl->kfs.rootfd, &e->on, err);
	return err_prefix(err, rc, "guest '%s'", e->guest->name);
}

static void say_next(const struct ctl *ctl, const struct enabling *e)
{
	const char *name = text_shell_name(e->guest->name, e->guest->uuid);
	struct err why;

	if (!ctl->yes)
		wrap_printf("Nothing is changed yet: add --yes.");
	else
		wrap_printf("Guest '%s' is paged from its next start on.", e->guest->name);
	if (ctl->yes && domain_xml_edit_is_saved(e->edit))
		wrap_printf("Not at the very next one: that restores what was saved, as it was "
			    "(virsh managedsave-remove %s drops it).",
			    name);
	if (ctl->yes && e->pid && !e->changed)
		wrap_printf("It runs: virt-membacking overcommit adopt %s has it paged now.", name);
	if (*e->refusal.text)
		wrap_printf("As things are its start would be refused: %s.", e->refusal.text);
	else if (!ctl->root && pager_hello(e->session.state.dirfd, HELLO_MS, &why) < 0)
		wrap_printf("As things are its start would be refused: %s.", why.text);
	overcommit_rooms_print(&ctl->kfs);
}

static int enable(const struct ctl *ctl, const struct config_amount *resident, struct enabling *e,
		  struct err *err)
{
	int rc = read_guest(ctl, e, err);

	if (rc == 0)
		rc = make_variant(e, err);
	if (rc == 0)
		rc = decide(ctl, resident, e, err);
	if (rc == 0)
		rc = look_ahead(ctl, e, err);
	if (rc == 0)
		rc = show(e, err);
	if (rc == 0 && ctl->yes)
		rc = write_down(ctl, e, err);
	if (rc == 0)
		say_next(ctl, e);
	return rc;
}

int overcommit_enable(const struct ctl *ctl, const struct config_amount *resident, struct err *err)
{
	struct enabling e = { 0 };
	int rc = enable(ctl, resident, &e, err);

	enabling_free(&e);
	return rc;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking advise: which backing suits a guest, and putting it there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/suggest.h"
#include "base/text.h"
#include "check/libvirt_host.h"
#include "config/config.h"
#include "ctl/ctl.h"
#include "ctl/domain_xml.h"
#include "ctl/guest_arg.h"
#include "guest/guest.h"
#include "guest/guest_files.h"
#include "guest/guest_parse.h"
#include "guest/guest_xml.h"
#include "lifecycle/liveness.h"
#include "lifecycle/next_start.h"
#include "lifecycle/session.h"
#include "lifecycle/state.h"
#include "lifecycle/view_memory.h"
#include "memory/base_page.h"
#include "memory/smaps.h"
#include "profiles/difference.h"
#include "report/advise.h"
#include "report/page_scan.h"
#include "terminal/wrap.h"

/**
 * struct inquiry - Everything that is read for one advice
 * @edit:	Only for --apply
 */
struct inquiry {
	char *xml;
	size_t len;
	char *before;
	struct domain_edit *edit;
	struct guest *guest;
	struct guest_policy policy;
	struct session session;
	struct fragmentation fragmentation;
	struct guest_variant variants[ADVISE_SHAPES];
	struct advise_input in;
	struct advice advice;
};

static void inquiry_free(struct inquiry *q)
{
	int i;

	for (i = 0; i < ADVISE_SHAPES; i++)
		guest_variant_free(&q->variants[i]);
	fragmentation_free(&q->fragmentation);
	session_close(&q->session);
	guest_free(q->guest);
	domain_xml_edit_end(q->edit);
	free(q->before);
	free(q->xml);
}

/* ---- the guest ---- */

static int read_before(struct inquiry *q, struct err *err)
{
	cleanup_xml_doc xmlDoc *doc = NULL;
	int rc = guest_xml_open(q->xml, q->len, &doc, err);

	return rc < 0 ? rc : guest_backing_text(doc, &q->before, err);
}

static int read_guest(const struct ctl *ctl, struct inquiry *q, struct err *err)
{
	const char *name = ctl->xml ? ctl->xml : ctl->args[0];
	struct guest_reading reading;
	int rc = ctl->apply ? domain_xml_edit_begin(name, &q->edit, &q->xml, &q->len, err) :
			      guest_arg_xml(ctl, &q->xml, &q->len, err);

	if (rc < 0)
		return rc;
	libvirt_host_reading(&ctl->kfs, &reading);
	rc = guest_parse_as(q->xml, q->len, &reading, &q->guest, err);
	if (rc == 0 && *q->guest->doubt)
		rc = err_set(err, EINVAL, "%s", q->guest->doubt);
	if (rc == 0)
		rc = guest_extras_find(&ctl->kfs, q->guest, err);
	if (rc == 0)
		rc = read_before(q, err);
	return rc < 0 ? err_prefix(err, rc, "'%.256s'", name) : 0;
}

/* With the huge pages of files that the guest's XML names, which each of them needs too */
static int make_variant(const struct ctl *ctl, struct inquiry *q, enum advise_shape shape,
			struct err *err)
{
	const struct guest_backing want = advise_want(shape, &q->in);
	int rc;

	if (want.kind == GUEST_BACKING_HUGEPAGES && !want.page_kib)
		return 0;
	if (shape == ADVISE_KEPT && !guest_asks_for_hugepages(q->guest))
		return 0;
	rc = guest_variant_make(q->xml, q->len, q->guest, &want, &q->variants[shape], err);
	return rc < 0 ? rc : guest_files_find(&ctl->kfs, q->variants[shape].guest, err);
}

static int make_variants(const struct ctl *ctl, struct inquiry *q, struct err *err)
{
	int shape, rc = 0;

	for (shape = 0; rc == 0 && shape < ADVISE_SHAPES; shape++)
		rc = make_variant(ctl, q, (enum advise_shape)shape, err);
	return rc;
}

/* ---- the wish ---- */

static int unknown_backing(const char *name, struct err *err)
{
	const char *names[ADVISE_BACKINGS];
	int i;

	for (i = 0; i < ADVISE_BACKINGS; i++)
		names[i] = advise_name((enum advise_backing)i);
	suggest_unknown("backing", name, names, ADVISE_BACKINGS, err);
	return err_prefix(err, -EINVAL, "--backing");
}

static int read_page_size(const struct ctl *ctl, struct inquiry *q, struct err *err)
{
	struct advise_wish *wish = &q->in.wish;

	if (!ctl->page_size)
		return 0;
	if (text_to_kib(ctl->page_size, &wish->page_kib) < 0 ||
	    !host_view_size(&q->session.host, wish->page_kib))
		return err_set(err, EINVAL, "--page-size: this kernel has no huge pages of '%.64s'",
			       ctl->page_size);
	return 0;
}

static int read_wish(const struct ctl *ctl, struct inquiry *q, struct err *err)
{
	struct advise_wish *wish = &q->in.wish;

	if (!ctl->backing)
		return 0;
	wish->given = true;
	wish->backing = advise_find(ctl->backing);
	return read_page_size(ctl, q, err);
}

/* ---- the host ---- */

static int read_config(const struct ctl *ctl, struct inquiry *q, struct err *err)
{
	struct session *session = &q->session;
	int rc = session_open_with_stores(session, &ctl->kfs, SESSION_READ, err);

	session->guest = q->guest;
	if (rc == 0)
		rc = config_for_guest(session->config, q->guest, &q->policy, err);
	if (rc == 0)
		rc = config_check_section(session->config, q->guest, "hugepages", err);
	return rc < 0 ? rc : config_check_section(session->config, q->guest, "store", err);
}

static int read_host(struct inquiry *q, struct err *err)
{
	int rc = session_read(&q->session, err);

	if (rc != -EACCES)
		return rc;
	/* Stores may be closed to us: all else can be compared still */
	q->session.stores = false;
	return session_read(&q->session, err);
}

static int read_kernel(const struct ctl *ctl, struct inquiry *q, struct err *err)
{
	int rc = fragmentation_read(&ctl->kfs, &q->fragmentation, err);

	if (rc < 0)
		return rc;
	/* Without it the advice is made of bounds, as for others than root */
	page_scan_read(&ctl->kfs, &q->session.host, &q->fragmentation, NULL, PAGE_SCAN_PATIENCE_MS);
	rc = ksm_read(&ctl->kfs, &q->in.ksm, err);
	q->in.has_ksm = rc == 0;
	if (rc < 0 && rc != -ENOENT)
		return rc;
	rc = thp_read(&ctl->kfs, &q->in.thp, err);
	q->in.has_thp = rc == 0;
	gigantic_read(&ctl->kfs, &q->in.gigantic);
	base_page_arch(&ctl->kfs, q->in.arch);
	return rc == -ENOENT ? 0 : rc;
}

/* What is prepared for the guest, and what it has while it runs, is given back before its
 * next start is prepared */
static int end_guest(const struct ctl *ctl, struct inquiry *q, struct err *err)
{
	struct ledger *own = ledgers_find_uuid(&q->session.ledgers, q->guest->uuid);
	struct smaps smaps;
	pid_t pid = 0;
	int rc;

	liveness_qemu(&ctl->kfs, q->guest->name, &pid);
	q->in.running = pid || (own && own->alive && own->phase == LEDGER_RUNNING);
	q->in.ends = pid && smaps_read(&ctl->kfs, pid, &smaps, NULL) == 0;
	if (own && own->alive && own->phase != LEDGER_PREPARED && !q->in.ends)
		own = NULL;
	rc = view_memory(&ctl->kfs, &q->session.host, err);
	return rc < 0 ? rc :
			next_start(&q->session, q->guest, own, q->in.ends ? pid : 0,
				   &q->fragmentation, err);
}

static int inquire(const struct ctl *ctl, struct inquiry *q, struct err *err)
{
	int rc = read_guest(ctl, q, err);

	if (rc == 0)
		rc = read_config(ctl, q, err);
	if (rc == 0)
		rc = read_host(q, err);
	if (rc == 0)
		rc = read_kernel(ctl, q, err);
	if (rc == 0)
		rc = end_guest(ctl, q, err);
	q->in.guest = q->guest;
	q->in.variants = q->variants;
	q->in.host = &q->session.host;
	q->in.fragmentation = &q->fragmentation;
	q->in.policy = &q->policy;
	if (rc == 0)
		rc = read_wish(ctl, q, err);
	if (rc == 0)
		rc = make_variants(ctl, q, err);
	return rc < 0 ? rc : advise_make(&q->in, &q->advice, err);
}

/* ---- --apply ---- */

static const char *shell_name(const struct inquiry *q)
{
	return text_shell_name(q->guest->name, q->guest->uuid);
}

static void say_applied(const struct ctl *ctl, const struct inquiry *q)
{
	if (ctl->json)
		return;
	putchar('\n');
	wrap_print_line("Guest '%s' is defined so; it takes effect at its next start.",
			q->guest->name);
	if (domain_xml_edit_is_saved(q->edit))
		printf("Not at the very next one: that restores what was saved, as it was\n"
		       "(virsh managedsave-remove %s drops it).\n",
		       shell_name(q));
}

/* Return: 1 if the definition was changed, 0 if it says so already, or -errno */
static int apply(const struct ctl *ctl, const struct inquiry *q, const struct advise_report *report,
		 struct err *err)
{
	const struct advise_option *taken = advise_taken(&q->in, &q->advice);
	const struct guest_variant *variant = advise_variant(report, taken);
	cleanup_free char *changes = NULL;
	int rc;

	if (!taken || (q->in.wish.given && taken->verdict == ADVISE_NO))
		return err_set(err, ENOSPC,
			       "guest '%s' stays as it is: %s; what is possible, 'advise %s' shows",
			       q->guest->name, taken ? taken->why : q->advice.reasons[0],
			       q->guest->name);
	if (!ctl->json)
		advise_print_taken(report);
	if (!variant->changed) {
		if (!ctl->json)
			printf("\nNothing to change.\n");
		return 0;
	}
	if (*variant->removed && !ctl->yes)
		return err_set(err, EINVAL,
			       "guest '%s' stays as it is: this would take out of its definition: "
			       "%s; 'advise %s%s%s%s%s --apply --yes' does so",
			       q->guest->name, variant->removed, shell_name(q),
			       ctl->backing ? " --backing " : "", ctl->backing ? ctl->backing : "",
			       ctl->page_size ? " --page-size " : "",
			       ctl->page_size ? ctl->page_size : "");
	if (!ctl->json) {
		rc = difference(NULL, report->before, variant->block, &changes, err);
		if (rc < 0)
			return rc;
		printf("\nWhat changes in its definition:\n\n");
		wrap_print_text(changes);
		fflush(stdout);
	}
	rc = domain_xml_edit_define(q->edit, variant->xml, err);
	if (rc < 0)
		return err_prefix(err, rc, "guest '%s'", q->guest->name);
	say_applied(ctl, q);
	return 1;
}

/* ---- the command ---- */

static int report(const struct ctl *ctl, const struct inquiry *q, struct err *err)
{
	const struct advise_report report = { &q->in, &q->advice, q->before };
	int applied = 0;

	if (!ctl->json && !ctl->apply && advise_print(&report, err) < 0)
		return -ENOMEM;
	if (ctl->apply)
		applied = apply(ctl, q, &report, err);
	if (applied < 0)
		return applied;
	if (ctl->json && ctl_print_json(advise_to_json(&report, applied > 0), err) < 0)
		return -ENOMEM;
	if (q->in.wish.given)
		return q->advice.asked.verdict == ADVISE_NO ? CTL_FINDINGS : CTL_FINE;
	return q->advice.chosen == ADVISE_BACKINGS ? CTL_FINDINGS : CTL_FINE;
}

static bool names_pages(const char *backing)
{
	return backing &&
	       (advise_find(backing) == ADVISE_STATIC || advise_find(backing) == ADVISE_DYNAMIC);
}

static int check_call(const struct ctl *ctl, struct err *err)
{
	if (ctl->backing && advise_find(ctl->backing) == ADVISE_BACKINGS)
		unknown_backing(ctl->backing, err);
	else if (ctl->page_size && !names_pages(ctl->backing))
		err_set(err, EINVAL, "--page-size is for --backing static or dynamic");
	else if (ctl->apply && ctl->xml)
		err_set(err, EINVAL,
			"--apply changes a guest that libvirt has defined: a file is "
			"yours to change");
	else if (ctl->yes && !ctl->apply)
		err_set(err, EINVAL, "--yes is for --apply");
	else if (ctl->apply && ctl->root)
		err_set(err, EINVAL, "--apply is for this host: a captured one says nothing of it");
	else
		return CTL_FINE;
	return CTL_USAGE;
}

static int run(struct ctl *ctl, struct err *err)
{
	struct inquiry q = { 0 };
	int rc = check_call(ctl, err);

	if (rc)
		return rc;
	rc = inquire(ctl, &q, err);
	if (rc == 0)
		rc = report(ctl, &q, err);
	inquiry_free(&q);
	return rc;
}

const struct command cmd_advise = {
	.name = "advise",
	.usage = "advise GUEST [--backing KIND [--page-size SIZE]] [--apply [--yes]]\n"
		 "advise --xml FILE [--backing KIND ...]",
	.summary = "compare ways to back a guest's memory, and recommend one",
	.help = "Compares static, dynamic and transparent huge pages, file-backed memory, KSM\n"
		"and the pager for a guest on this host as it is now, recommends one, and shows\n"
		"the XML for it. --apply puts that into the guest's definition, and changes nothing\n"
		"else there; it takes effect at the guest's next start. If that would remove\n"
		"something from the definition, it says what, and needs --yes. --backing takes\n"
		"another one than the recommended: static, dynamic, thp, file, ksm, overcommit.",
	.options = CTL_JSON | CTL_ROOT | CTL_CONNECT | CTL_XML | CTL_APPLY | CTL_YES | CTL_BACKING |
		   CTL_PAGE_SIZE,
	.guest_or_xml = true,
	.max_args = 1,
	.run = run,
};

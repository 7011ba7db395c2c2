// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking overcommit: guests under the pager.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "config/config.h"
#include "ctl/ctl.h"
#include "ctl/overcommit_conf.h"
#include "ctl/overcommit_enable.h"
#include "ctl/overcommit_rooms.h"
#include "guest/guest.h"
#include "lifecycle/live_guest.h"
#include "lifecycle/liveness.h"
#include "lifecycle/overcommit.h"
#include "lifecycle/session.h"
#include "report/status_json.h"
#include "report/status_report.h"
#include "terminal/table.h"
#include "terminal/wrap.h"

/* ---- what was given ---- */

static int read_amount(const struct ctl *ctl, struct config_amount *amount, struct err *err)
{
	*amount = (struct config_amount){ 0 };
	if (!ctl->resident) {
		err_set(err, EINVAL, "expected --resident SIZE or PERCENT");
		return CTL_USAGE;
	}
	if (config_amount_parse(ctl->resident, amount) == 0 && (amount->kib || amount->percent))
		return CTL_FINE;
	err_set(err, EINVAL,
		"--resident '%.64s': expected a size such as 2G, or a percentage, above 0",
		ctl->resident);
	return CTL_USAGE;
}

/* libvirt is not asked, so it need not run */
static int find_running(const struct ctl *ctl, struct guest **guest, struct err *err)
{
	if (live_guest_find(&ctl->kfs, ctl->args[0], guest) == 0)
		return 0;
	return err_set(err, ESRCH, "guest '%.256s' is not running", ctl->args[0]);
}

/* ---- enable, disable ---- */

static int enable(struct ctl *ctl, struct err *err)
{
	struct config_amount resident;
	int rc = read_amount(ctl, &resident, err);

	if (rc)
		return rc;
	if (ctl->yes && ctl->root) {
		err_set(err, EINVAL,
			"--yes is for this host: a captured one has no guests to change");
		return CTL_USAGE;
	}
	rc = ctl->yes ? ctl_need_root(ctl, "change a guest's configuration", err) : 0;
	return rc < 0 ? rc : overcommit_enable(ctl, &resident, err);
}

/* The guest need not be known to libvirt any more, so that its file is found by its name */
static int find_named(const struct ctl *ctl, struct conf_file *file, struct guest *guest,
		      struct err *err)
{
	snprintf(guest->name, sizeof(guest->name), "%s", ctl->args[0]);
	if (!text_is_uuid(ctl->args[0]))
		snprintf(guest->uuid, sizeof(guest->uuid), "unknown");
	else
		snprintf(guest->uuid, sizeof(guest->uuid), "%s", ctl->args[0]);
	return overcommit_conf_guest(ctl->kfs.rootfd, guest, file, err);
}

static int disable_file(const struct ctl *ctl, struct conf_file *file, struct err *err)
{
	int rc;

	if (!file->old)
		return err_set(
			err, ENOENT,
			"there is no /%s: where the guest's overcommit.resident is set, in a "
			"file of your own or in its <metadata>, remove it there",
			file->path);
	if (!file->ours)
		return err_set(err, EEXIST, "/%s is not a file of this command's: remove it there",
			       file->path);
	rc = conf_file_print(file, err);
	return rc < 0 ? rc : conf_file_write(ctl->kfs.rootfd, file, err);
}

static int disable(struct ctl *ctl, struct err *err)
{
	struct conf_file file = { 0 };
	struct guest guest = { 0 };
	int rc = ctl_need_root(ctl, "change a guest's configuration", err);

	if (rc == 0)
		rc = find_named(ctl, &file, &guest, err);
	if (rc == 0)
		rc = disable_file(ctl, &file, err);
	if (rc == 0) {
		wrap_printf("Guest '%s' is not paged any more from its next start on. Its "
			    "definition stays as it is.",
			    guest.name);
		if (liveness_qemu(&ctl->kfs, guest.name, NULL))
			wrap_printf("It runs: virt-membacking overcommit release %s takes it from "
				    "the pager now.",
				    text_shell_name(guest.name, guest.uuid));
	}
	conf_file_free(&file);
	return rc;
}

/* ---- a guest that runs ---- */

/* @how: overcommit_put or overcommit_change */
static int put(const struct ctl *ctl, const struct guest *guest,
	       const struct config_amount *resident,
	       int (*how)(struct session *session, const struct guest *guest,
			  const struct config_amount *resident, struct err *err),
	       struct err *err)
{
	struct session session;
	int rc = session_open_with_stores(&session, &ctl->kfs, SESSION_CREATE, err);

	if (rc == 0)
		rc = how(&session, guest, resident, err);
	session_close(&session);
	return rc;
}

/* The limit that this guest has in the configuration, if it has one; nothing: it has none */
static struct config_amount configured(const struct ctl *ctl, const struct guest *guest)
{
	struct config_amount amount = { 0 };
	struct guest_policy policy;
	struct config *config = NULL;

	if (config_load(ctl->kfs.rootfd, &config, NULL) == 0 &&
	    config_for_guest(config, guest, &policy, NULL) == 0)
		amount = policy.overcommit.resident;
	config_free(config);
	return amount;
}

static int adopt(struct ctl *ctl, struct err *err)
{
	struct config_amount resident;
	struct guest *guest = NULL;
	int rc = read_amount(ctl, &resident, err);

	/* Without --resident, as the configuration says */
	if (rc && ctl->resident)
		return rc;
	rc = ctl_need_root(ctl, "have a guest paged", err);
	if (rc == 0)
		rc = find_running(ctl, &guest, err);
	if (rc == 0 && !ctl->resident) {
		resident = configured(ctl, guest);
		if (!resident.kib && !resident.percent) {
			guest_free(guest);
			return read_amount(ctl, &resident, err);
		}
	}
	if (rc == 0)
		rc = put(ctl, guest, &resident, overcommit_put, err);
	if (rc == 0) {
		wrap_printf("Guest '%s' is paged.", guest->name);
		overcommit_rooms_print(&ctl->kfs);
	}
	guest_free(guest);
	return rc;
}

/* Where this command wrote the guest's limit, it is written anew */
static int set_file(const struct ctl *ctl, const struct guest *guest,
		    const struct config_amount *resident, bool *written, struct err *err)
{
	struct conf_file file = { 0 };
	int rc = overcommit_conf_guest(ctl->kfs.rootfd, guest, &file, err);

	*written = rc == 0 && file.old && file.ours;
	if (*written)
		rc = overcommit_conf_limit(&file, guest, resident, err);
	if (rc == 0 && *written)
		rc = conf_file_write(ctl->kfs.rootfd, &file, err);
	conf_file_free(&file);
	return rc;
}

static int set(struct ctl *ctl, struct err *err)
{
	struct config_amount resident;
	struct guest *guest = NULL;
	bool written = false;
	int rc = read_amount(ctl, &resident, err);

	if (rc)
		return rc;
	rc = ctl_need_root(ctl, "change a guest's limit", err);
	if (rc == 0)
		rc = find_running(ctl, &guest, err);
	if (rc == 0)
		rc = put(ctl, guest, &resident, overcommit_change, err);
	if (rc == 0)
		rc = set_file(ctl, guest, &resident, &written, err);
	if (rc == 0)
		wrap_printf("Guest '%s' has its new limit%s.", guest->name,
			    written ? ", at its next starts too" :
				      "; at its next start the one in the configuration counts");
	guest_free(guest);
	return rc;
}

static int release(struct ctl *ctl, struct err *err)
{
	struct guest *guest = NULL;
	struct session session = { 0 };
	int rc = ctl_need_root(ctl, "take a guest from the pager", err);

	if (rc == 0)
		rc = find_running(ctl, &guest, err);
	if (rc == 0)
		rc = session_open_with_stores(&session, &ctl->kfs, SESSION_CREATE, err);
	if (rc == 0)
		rc = overcommit_take(&session, guest, err);
	if (rc == 0)
		wrap_printf("Guest '%s' has all of its memory, and is not paged any more.",
			    guest->name);
	session_close(&session);
	guest_free(guest);
	return rc;
}

/* ---- status ---- */

enum { GUEST, STATE, RESIDENT, LIMIT, TIERS, FAULTS, TIMES, COLUMNS };

static const struct table_column columns[] = {
	[GUEST] = { "GUEST", TABLE_PLAIN },
	[STATE] = { "STATE", TABLE_PLAIN },
	[RESIDENT] = { "RESIDENT", TABLE_RIGHT | TABLE_LINES },
	[LIMIT] = { "LIMIT", TABLE_RIGHT | TABLE_LINES },
	[TIERS] = { "IN TIERS", TABLE_LINES },
	[FAULTS] = { "FAULTS", TABLE_RIGHT },
	[TIMES] = { "P50/P99 US", TABLE_RIGHT },
};

static void kib_cell(struct table *table, struct libscols_line *row, size_t column, bool known,
		     uint64_t kib)
{
	char text[TEXT_KIB_SIZE];

	table_cell(table, row, column, "%s", known ? text_from_kib(kib, text) : "-");
}

static void resident_cell(struct table *table, struct libscols_line *row,
			  const struct report_overcommit *oc)
{
	char text[TEXT_KIB_SIZE];

	if (!oc->idle_percent.known)
		kib_cell(table, row, RESIDENT, oc->resident_kib.known, oc->resident_kib.n);
	else
		table_cell(table, row, RESIDENT, "%s\n%" PRIu64 "%% idle",
			   text_from_kib(oc->resident_kib.n, text), oc->idle_percent.n);
}

static void limit_cell(struct table *table, struct libscols_line *row,
		       const struct report_overcommit *oc)
{
	char text[TEXT_KIB_SIZE], now[TEXT_KIB_SIZE];

	if (!oc->limit_why)
		kib_cell(table, row, LIMIT, true, oc->limit_kib);
	else
		table_cell(table, row, LIMIT, "%s\nnow %s", text_from_kib(oc->limit_kib, text),
			   text_from_kib(oc->limit_now_kib.n, now));
}

static void tiers_cell(struct table *table, struct libscols_line *row,
		       const struct report_overcommit *oc)
{
	char text[512] = "", kib[TEXT_KIB_SIZE];
	size_t used = 0, i;

	for (i = 0; i < oc->n_tiers && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %s", i ? "\n" : "",
					 oc->tiers[i].name, text_from_kib(oc->tiers[i].kib, kib));
	table_cell(table, row, TIERS, "%s", *text ? text : "-");
}

static void add_guest(struct table *table, const struct report_guest *guest)
{
	const struct report_overcommit *oc = &guest->overcommit;
	struct libscols_line *row = table_row(table, NULL);

	table_cell(table, row, GUEST, "%s", guest->name);
	table_cell(table, row, STATE, "%s",
		   oc->state		      ? oc->state :
		   guest->alive == REPORT_YES ? "not paged" :
						"gone");
	if (!oc->paged || oc->why)
		table_colour(table, row, STATE, TERM_YELLOW);
	resident_cell(table, row, oc);
	limit_cell(table, row, oc);
	tiers_cell(table, row, oc);
	if (oc->faults.known)
		table_cell(table, row, FAULTS, "%" PRIu64, oc->faults.n);
	else
		table_cell(table, row, FAULTS, "-");
	if (oc->fault_us.p50.known && oc->fault_us.p99.known)
		table_cell(table, row, TIMES, "%" PRIu64 "/%" PRIu64, oc->fault_us.p50.n,
			   oc->fault_us.p99.n);
	else
		table_cell(table, row, TIMES, "-");
}

static void print_tier(const struct report_tier *tier)
{
	char used[TEXT_KIB_SIZE], limit[TEXT_KIB_SIZE];

	if (tier->limit_kib)
		printf("Tier %s: %s of %s used.\n", tier->name, text_from_kib(tier->kib, used),
		       text_from_kib(tier->limit_kib, limit));
}

static bool is_lowered(const struct report_guest *guest, const char *why)
{
	const char *of = guest->overcommit.limit_why;

	return guest->overcommit.present && of && !strcmp(of, why);
}

/* Those whose limits are lower than what they were given */
static void print_lowered(const struct status_report *report, const struct report_guest **guests)
{
	char taken[TEXT_KIB_SIZE], available[TEXT_KIB_SIZE];
	size_t i;

	if (report->pager.taken_kib)
		wrap_printf(
			"The host is or was short of memory, and %s are available: paged guests "
			"have %s less than their limits until there is enough.",
			text_from_kib(report->pager.available_kib, available),
			text_from_kib(report->pager.taken_kib, taken));
	for (i = 0; i < report->n_guests; i++)
		if (is_lowered(guests[i], "cgroup"))
			wrap_printf("%s: the memory limits of its cgroups leave it less than its "
				    "limit.",
				    guests[i]->name);
}

static int print_status(const struct status_report *report, const struct report_guest **guests,
			struct err *err)
{
	struct table table;
	size_t n = 0, i;
	int rc;

	table_begin(&table, columns, COLUMNS);
	for (i = 0; i < report->n_guests; i++) {
		if (!guests[i]->overcommit.present)
			continue;
		add_guest(&table, guests[i]);
		n++;
	}
	if (!n) {
		table_drop(&table, NULL);
		printf("No guest is under the pager.\n");
		return 0;
	}
	rc = table_end(&table, err);
	for (i = 0; i < report->pager.n_tiers; i++)
		print_tier(&report->pager.tiers[i]);
	print_lowered(report, guests);
	for (i = 0; i < report->n_guests; i++)
		if (guests[i]->overcommit.why)
			wrap_printf("%s: %s.", guests[i]->name, guests[i]->overcommit.why);
	return rc;
}

/* Null without a daemon that looks after the host's memory */
static json_t *pressure_json(const struct overcommit_answer *pager)
{
	if (!*pager->pressure)
		return json_null();
	return json_pack("{s:s, s:I, s:I}", "state", pager->pressure, "available_kib",
			 json_number(pager->available_kib), "taken_kib",
			 json_number(pager->taken_kib));
}

/* The same objects as "guests" of status have */
static json_t *status_to_json(const struct status_report *report,
			      const struct report_guest **by_name)
{
	json_t *guests = json_array(), *tiers = json_array();
	size_t i;

	for (i = 0; i < report->n_guests; i++)
		if (by_name[i]->overcommit.present)
			json_add(&guests, json_pack("{s:s, s:s, s:o}", "name", by_name[i]->name,
						    "uuid", by_name[i]->uuid, "overcommit",
						    status_overcommit_json(by_name[i])));
	for (i = 0; i < report->pager.n_tiers; i++)
		json_add(&tiers,
			 json_pack("{s:s, s:I, s:I}", "name", report->pager.tiers[i].name,
				   "used_kib", (json_int_t)report->pager.tiers[i].kib, "limit_kib",
				   (json_int_t)report->pager.tiers[i].limit_kib));
	return json_pack("{s:o, s:o, s:o}", "guests", guests, "tiers", tiers, "pressure",
			 pressure_json(&report->pager));
}

/* Findings: a guest that should be paged is not, or waits for something */
static int judge(const struct status_report *report)
{
	size_t i;

	for (i = 0; i < report->n_guests; i++)
		if (report->guests[i].overcommit.why && report->guests[i].alive == REPORT_YES)
			return CTL_FINDINGS;
	return CTL_FINE;
}

static int say_status(const struct ctl *ctl, const struct status_report *report, struct err *err)
{
	cleanup_free const struct report_guest **by_name = status_guests_by_name(report);

	if (!by_name)
		return err_nomem(err);
	if (ctl->json)
		return ctl_print_json(status_to_json(report, by_name), err);
	return print_status(report, by_name, err);
}

static int status(struct ctl *ctl, struct err *err)
{
	struct status_report report;
	int rc = status_report_read(&ctl->kfs, ctl->root, &report, err);

	if (rc == 0)
		rc = say_status(ctl, &report, err);
	if (rc == 0)
		rc = judge(&report);
	status_report_close(&report);
	return rc;
}

/* ---- the command ---- */

#define ON_GUEST .min_args = 1, .max_args = 1

static const struct command actions[] = {
	{ .name = "enable",
	  ON_GUEST,
	  .options = CTL_ROOT | CTL_CONNECT | CTL_YES | CTL_RESIDENT,
	  .run = enable },
	{ .name = "disable", ON_GUEST, .options = CTL_ROOT, .run = disable },
	{ .name = "status", .options = CTL_JSON | CTL_ROOT, .run = status },
	{ .name = "set", ON_GUEST, .options = CTL_ROOT | CTL_RESIDENT, .run = set },
	{ .name = "adopt", ON_GUEST, .options = CTL_ROOT | CTL_RESIDENT, .run = adopt },
	{ .name = "release", ON_GUEST, .options = CTL_ROOT, .run = release },
	{ .name = NULL },
};

const struct command cmd_overcommit = {
	.name = "overcommit",
	.usage = "overcommit enable GUEST --resident SIZE|PERCENT [--yes]\n"
		 "overcommit disable GUEST\novercommit status\n"
		 "overcommit set GUEST --resident SIZE|PERCENT\n"
		 "overcommit adopt GUEST [--resident SIZE|PERCENT]\novercommit release GUEST",
	.summary = "have guests paged that are larger than memory",
	.help = "The pager keeps as much of a guest resident as its limit says, and the rest in\n"
		"tiers, such as compressed memory. \"enable\" shows what a guest's definition and\n"
		"the configuration need for it; with --yes they get it, and the next start is\n"
		"paged. \"adopt\" has a guest paged that runs already and has such memory, \"set\"\n"
		"gives it another limit, and \"release\" loads all of its memory again, if that\n"
		"fits, and leaves nothing of the pager in it. \"disable\" takes back what \"enable\"\n"
		"wrote into the configuration.\n\n"
		"\"status\" shows what is resident, and where the rest is. Idle: so much of what is\n"
		"resident was not used for half a minute. P50/P99 US: half, and 99 of 100, of\n"
		"the faults that had to load a page took no more microseconds.",
	.options = CTL_JSON | CTL_ROOT | CTL_CONNECT | CTL_YES | CTL_RESIDENT,
	.actions = actions,
};

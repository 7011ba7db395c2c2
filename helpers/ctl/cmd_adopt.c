// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking adopt: ledgers for guests that were started before the hooks were here.
 *
 * When libvirt starts it tells the hooks of each running guest (reconnect), but not when it
 * is reloaded, and a package must not restart it.
 */
#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "check/libvirt_host.h"
#include "config/config.h"
#include "ctl/ctl.h"
#include "lifecycle/adoption.h"
#include "lifecycle/liveness.h"
#include "lifecycle/reconcile.h"
#include "lifecycle/session.h"

struct running {
	size_t n;
	char **xml;
};

static void running_free(struct running *running)
{
	size_t i;

	for (i = 0; i < running->n; i++)
		free(running->xml[i]);
	free(running->xml);
}

/* Takes over @domains.  A guest that ended meanwhile has no XML, and needs none */
static int take_xml(virDomainPtr *domains, size_t n, struct running *running, struct err *err)
{
	size_t i;

	running->xml = calloc(n + 1, sizeof(*running->xml));
	for (i = 0; i < n; i++) {
		char *xml = running->xml ? virDomainGetXMLDesc(domains[i], 0) : NULL;

		if (xml)
			running->xml[running->n++] = xml;
		virDomainFree(domains[i]);
	}
	free(domains);
	return running->xml ? 0 : err_nomem(err);
}

static int read_running(struct running *running, struct err *err)
{
	virDomainPtr *domains = NULL;
	virConnectPtr conn;
	int n, rc;

	conn = libvirt_host_open();
	n = conn ? virConnectListAllDomains(conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE) : -1;
	if (n < 0)
		rc = err_set(err, EIO,
			     "guests run, and libvirt cannot be asked which: %s. They get their "
			     "ledgers when it starts",
			     virGetLastErrorMessage());
	else
		rc = take_xml(domains, (size_t)n, running, err);
	if (conn)
		virConnectClose(conn);
	return rc;
}

/* One that can't be read must not keep the others from theirs */
static int adopt_all(struct session *session, const struct running *running)
{
	int result = CTL_FINE;
	size_t i;

	for (i = 0; i < running->n; i++) {
		struct err err;

		if (adoption_of_running(session, running->xml[i], &err) < 0) {
			log_warning("%s", err.text);
			result = CTL_FINDINGS;
		}
	}
	return result;
}

static int adopt_locked(struct ctl *ctl, const struct running *running, struct err *err)
{
	struct session session;
	int rc = session_open(&session, &ctl->kfs, SESSION_CREATE, err);

	if (rc == 0)
		rc = session_configure(&session, err);
	if (rc == 0)
		rc = reconcile_begin(&session, clock_ms() + session.lock_deadline_ms, NULL, NULL,
				     err);
	if (rc == 0)
		rc = adopt_all(&session, running);
	session_close(&session);
	return rc;
}

/* libvirt would be started by being asked, for nothing where no guest runs */
static bool any_qemu(const struct ctl *ctl)
{
	char **names = NULL;
	size_t n = 0, i;
	struct err err;

	if (liveness_running(&ctl->kfs, &names, &n, &err) < 0)
		return true;
	for (i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return n > 0;
}

static int run(struct ctl *ctl, struct err *err)
{
	struct running running = { 0 };
	int rc = ctl_need_root(ctl, "write records of guests", err);

	if (rc < 0 || !any_qemu(ctl))
		return rc;
	/* Before the lock is taken: libvirt may be waiting for a hook that waits for it */
	rc = read_running(&running, err);
	if (rc == 0)
		rc = adopt_locked(ctl, &running, err);
	running_free(&running);
	return rc;
}

const struct command cmd_adopt = {
	.name = "adopt",
	.usage = "adopt",
	.summary = "keep account of guests that were started without the hooks",
	.help = "Writes a record for each guest of qemu:///system that runs and has none, because\n"
		"it was started before the hooks were installed. Called when the package is\n"
		"installed.",
	.hidden = true,
	.options = CTL_ROOT,
	.run = run,
};

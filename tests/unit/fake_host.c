// SPDX-License-Identifier: LGPL-2.1-or-later
/* Calls of hook operations, and ledgers. */
#include "unit/fake_host.h"

#include <stdio.h>
#include <string.h>

#include "lifecycle/daemon.h"
#include "lifecycle/session.h"

void fake_host_open(struct fake_host *h, const char *host, const char *conf)
{
	memset(h, 0, sizeof(*h));
	fake_open(&h->fk, host);
	fake_put(&h->fk, "proc/zoneinfo", "");
	if (conf)
		fake_put(&h->fk, CONF, conf);
	h->driver = fake_driver(&h->fk, 4711);
}

void fake_host_close(struct fake_host *h)
{
	if (h->driver)
		fake_end(&h->fk, h->driver);
	fake_close(&h->fk);
}

/* ---- what libvirt calls ---- */

int fake_host_call(const struct fake_kernel *fk, struct err *err, event_function *function,
		   const char *name, const char *xml)
{
	struct event event = { &fk->kfs, name, xml, xml ? strlen(xml) : 0 };

	err->text[0] = '\0';
	return function(&event, err);
}

bool says(const struct fake_host *h, const char *words)
{
	return UNIT_CHECK(strstr(h->err.text, words), "no '%s' in: %s", words, h->err.text);
}

/* ---- ledgers ---- */

bool has_ledger(const struct fake_host *h, const char *uuid)
{
	char name[128];

	snprintf(name, sizeof(name), GUESTS "%s", uuid);
	return fake_exists(&h->fk, name);
}

void ledger_text(const struct fake_host *h, const char *uuid, char *text, size_t size)
{
	char name[128];

	snprintf(name, sizeof(name), GUESTS "%s", uuid);
	fake_get(&h->fk, name, text, size);
}

bool ledger_says(const struct fake_host *h, const char *uuid, const char *words)
{
	char text[16384];

	ledger_text(h, uuid, text, sizeof(text));
	return strstr(text, words);
}

int fake_host_reconcile(const struct kfs *kfs, struct err *err)
{
	struct session session;
	int rc = session_open_with_stores(&session, kfs, SESSION_CREATE, err);

	if (rc == 0)
		rc = daemon_reconcile(&session, err);
	session_close(&session);
	return rc;
}

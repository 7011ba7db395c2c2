// SPDX-License-Identifier: LGPL-2.1-or-later
/* Calls of hook operations, ledgers, and guests. */
#include "unit/fake_host.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lifecycle/daemon.h"
#include "lifecycle/session.h"
#include "memory/store.h"

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

/* ---- guests ---- */

pid_t fake_host_qemu(const struct fake_host *h, const char *guest, int node, uint64_t pages)
{
	pid_t pid = fake_qemu(&h->fk, guest);
	char text[512];

	snprintf(
		text, sizeof(text),
		"7f0000000000 bind:%d file=/dev/hugepages/libvirt/qemu/1-%s/ram huge dirty=%" PRIu64
		" N%d=%" PRIu64 " kernelpagesize_kB=2048\n",
		node, guest, pages, node, pages);
	fake_put_process(&h->fk, pid, "numa_maps", text);
	fake_put_process(&h->fk, pid, "smaps", "");
	fake_use(&h->fk, node, PAGE_2M, pages);
	return pid;
}

void fake_host_end_qemu(const struct fake_host *h, pid_t pid, int node, uint64_t pages)
{
	fake_unuse(&h->fk, node, PAGE_2M, pages);
	fake_end(&h->fk, pid);
}

char *large_guest(const struct fake_host *h, int id, const char *name, const char *uuid)
{
	struct store_state state;
	struct err err;
	uint64_t room;
	char *xml;

	CU_ASSERT_EQUAL_FATAL(store_read(&h->fk.kfs, "/srv/ram", &state, &err), 0);
	room = u64_sub_floor(state.available_kib, state.capacity_kib / 100 * 5);
	CU_ASSERT_FATAL(asprintf(&xml,
				 "<domain id='%d'><name>%s</name><uuid>%s</uuid>"
				 "<memory unit='KiB'>%" PRIu64 "</memory>" IN_FILES "</domain>",
				 id, name, uuid, room / 10 * 6 / 1024 * 1024) > 0);
	return xml;
}

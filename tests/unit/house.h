/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host on which libvirt's driver runs and calls the hook, and its guests' ledgers.
 *
 * run() and OK() take anything that has an fk and an err.
 */
#ifndef MEMBACKING_TESTS_HOUSE_H
#define MEMBACKING_TESTS_HOUSE_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "lifecycle/events.h"
#include "unit/fake_kernel.h"
#include "unit/unit.h"

#define UUID_A "aaaaaaaa-cdaf-9455-926a-d65c16db1809"
#define UUID_B "bbbbbbbb-cdaf-9455-926a-d65c16db1809"
#define UUID_C "cccccccc-cdaf-9455-926a-d65c16db1809"

#define STATE  "run/libvirt-membacking/"
#define GUESTS STATE "guests/"
#define CONF   "etc/libvirt/membacking.conf"

/* @id: "id='7'", or "" for a guest that is not being started */
#define DOMAIN(id, name, uuid, mib, rest)                                                          \
	"<domain type='kvm' " id "><name>" name "</name><uuid>" uuid "</uuid>"                     \
	"<memory unit='MiB'>" #mib "</memory>" rest "</domain>"
#define XML(id, name, uuid, mib, rest) DOMAIN("id='" #id "'", name, uuid, mib, rest)
#define PAGES(size, unit)                                                                          \
	"<memoryBacking><hugepages><page size='" #size "' unit='" unit                             \
	"'/></hugepages></memoryBacking>"
#define ON_NODE(node) "<numatune><memory mode='strict' nodeset='" #node "'/></numatune>"

struct house {
	struct fake_kernel fk;
	pid_t driver;
	struct err err;
};

/**
 * house_open() - A captured host with libvirt running on it
 * @conf:	membacking.conf; NULL: none
 */
static inline void house_open(struct house *h, const char *host, const char *conf)
{
	memset(h, 0, sizeof(*h));
	fake_open(&h->fk, host);
	fake_put(&h->fk, "proc/zoneinfo", "");
	if (conf)
		fake_put(&h->fk, CONF, conf);
	h->driver = fake_driver(&h->fk, 4711);
}

static inline void close_house(struct house *h)
{
	if (h->driver)
		fake_end(&h->fk, h->driver);
	fake_close(&h->fk);
}

/* ---- what libvirt calls ---- */

typedef int event_function(const struct event *event, struct err *err);

static inline int house_call(const struct fake_kernel *fk, struct err *err,
			     event_function *function, const char *name, const char *xml)
{
	struct event event = { &fk->kfs, name, xml, xml ? strlen(xml) : 0 };

	err->text[0] = '\0';
	return function(&event, err);
}

#define run(h, function, name, xml) house_call(&(h)->fk, &(h)->err, function, name, xml)

/* Without the XML in what is shown of a failure */
#define OK(h, function, name, xml)                                                                 \
	unit_check(run(h, function, name, xml) == 0, __FILE__, __LINE__, #function, "%s",          \
		   (h)->err.text)

static inline bool says(const struct house *h, const char *words)
{
	return UNIT_CHECK(strstr(h->err.text, words), "no '%s' in: %s", words, h->err.text);
}

/* ---- ledgers ---- */

static inline bool has_ledger(const struct house *h, const char *uuid)
{
	char name[128];

	snprintf(name, sizeof(name), GUESTS "%s", uuid);
	return fake_exists(&h->fk, name);
}

/* "" where there is none */
static inline void ledger_text(const struct house *h, const char *uuid, char *text, size_t size)
{
	char name[128];

	snprintf(name, sizeof(name), GUESTS "%s", uuid);
	fake_get(&h->fk, name, text, size);
}

static inline bool ledger_says(const struct house *h, const char *uuid, const char *words)
{
	char text[16384];

	ledger_text(h, uuid, text, sizeof(text));
	return strstr(text, words);
}

#endif

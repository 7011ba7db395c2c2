/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host on which libvirt's driver runs and calls the hook, and its guests' ledgers.
 *
 * run() and OK() take anything that has an fk and an err.
 */
#ifndef MEMBACKING_TESTS_FAKE_HOST_H
#define MEMBACKING_TESTS_FAKE_HOST_H

#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "lifecycle/hook_operations.h"
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
#define IN_FILES      "<memoryBacking><source type='file'/></memoryBacking>"
#define ON_NODE(node) "<numatune><memory mode='strict' nodeset='" #node "'/></numatune>"

struct fake_host {
	struct fake_kernel fk;
	pid_t driver;
	struct err err;
};

/**
 * fake_host_open() - A captured host with libvirt running on it
 * @conf:	membacking.conf; NULL: none
 */
void fake_host_open(struct fake_host *h, const char *host, const char *conf);

void fake_host_close(struct fake_host *h);

/* One for the rest of the block */
#define FAKE_HOST(name, host, conf)                                                                \
	UNIT_FIXTURE(struct fake_host, name, fake_host_close, fake_host_open(&(name), host, conf))

/* ---- what libvirt calls ---- */

typedef int event_function(const struct event *event, struct err *err);

int fake_host_call(const struct fake_kernel *fk, struct err *err, event_function *function,
		   const char *name, const char *xml);

#define run(h, function, name, xml) fake_host_call(&(h)->fk, &(h)->err, function, name, xml)

/* Without the XML in what is shown of a failure */
#define OK(h, function, name, xml)                                                                 \
	unit_check(run(h, function, name, xml) == 0, __FILE__, __LINE__, #function, "%s",          \
		   (h)->err.text)

bool says(const struct fake_host *h, const char *words);

/* What libvirt's daemon does when it starts, but for mounting */
int fake_host_reconcile(const struct kfs *kfs, struct err *err);

/* ---- guests ---- */

/* A QEMU that has touched @pages pages of 2 MiB on a node, and its end */
pid_t fake_host_qemu(const struct fake_host *h, const char *guest, int node, uint64_t pages);
void fake_host_end_qemu(const struct fake_host *h, pid_t pid, int node, uint64_t pages);

/* The XML of a guest in files that takes 60 % of what there is in /srv/ram; to be freed */
char *large_guest(const struct fake_host *h, int id, const char *name, const char *uuid);

/* ---- ledgers ---- */

bool has_ledger(const struct fake_host *h, const char *uuid);

/* "" where there is none */
void ledger_text(const struct fake_host *h, const char *uuid, char *text, size_t size);

bool ledger_says(const struct fake_host *h, const char *uuid, const char *words);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvirt knows of this host: its guests, and versions.  Read-only.
 */
#ifndef MEMBACKING_CHECK_LIBVIRT_HOST_H
#define MEMBACKING_CHECK_LIBVIRT_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "guest/guest.h"

struct _virConnect;
struct kfs;

/**
 * struct libvirt_guest - One guest as its next start will be
 * @guest:	NULL: its definition can't be understood, and @why says why
 * @id:		libvirt's, of one that runs; 0: it does not
 * @autostart:	Started with the host
 * @file:	Of a captured host: the file of its definition
 */
struct libvirt_guest {
	char name[GUEST_NAME_SIZE];
	char file[256];
	struct guest *guest;
	unsigned int id;
	bool autostart;
	struct err why;
};

/**
 * struct libvirt_host - All of them
 * @reached:	libvirt answered; if not, @why says why, and nothing else is known
 * @libvirt, @qemu: Versions, as libvirt writes them: 10.1.2 is 10001002.  0: unknown
 */
struct libvirt_host {
	bool reached;
	struct err why;
	unsigned long libvirt;
	unsigned long qemu;
	size_t n;
	struct libvirt_guest *guests;
};

/* For progress_wait() */
#define LIBVIRT_WAIT "waiting for libvirt"

/**
 * libvirt_host_choose() - Which libvirt the functions here ask: qemu:///system without this call
 * @uri:	Must stay valid
 *
 * Return: 0; -EINVAL for a libvirt of a user's own, which calls no hooks
 */
int libvirt_host_choose(const char *uri, struct err *err);

/* A connection that only reads, or NULL; virGetLastErrorMessage() says why */
struct _virConnect *libvirt_host_open(void);

/* One that also changes things, likewise */
struct _virConnect *libvirt_host_open_for_changes(void);

/* Ask for all guests.  -ENOMEM only */
int libvirt_host_ask(struct libvirt_host *host, struct err *err);

/* What is in the files of a captured host that libvirt keeps definitions in.  -ENOMEM only */
int libvirt_host_read(const struct kfs *kfs, struct libvirt_host *host, struct err *err);

/**
 * libvirt_host_find() - The definition of one guest among those files
 * @guest:	Its UUID or its name
 * @xml:	Result, to be freed; it need not be understood
 * Return: 0, -ENOENT, or -errno
 */
int libvirt_host_find(const struct kfs *kfs, const char *guest, char **xml, size_t *len,
		      struct err *err);

/* How definitions for this host are read.  They may be drafts: none has to be defined */
void libvirt_host_reading(const struct kfs *kfs, struct guest_reading *reading);

void libvirt_host_free(struct libvirt_host *host);

#endif

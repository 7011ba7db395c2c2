// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Memory back ends in <qemu:commandline>.
 */
#include "guest/guest_commandline.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "guest/guest_xml.h"

#define NAMESPACE  "http://libvirt.org/schemas/domain/qemu/1.0"
#define VALUE_SIZE 256

/* ---- one value out of an argument ---- */

/* Copies up to one of @ends, or what fits */
static void copy(const char *from, const char *ends, char value[VALUE_SIZE])
{
	size_t len = strcspn(from, ends);

	if (len >= VALUE_SIZE)
		len = VALUE_SIZE - 1;
	memcpy(value, from, len);
	value[len] = '\0';
}

/* "key=value" in QEMU's list, in which a comma parts and two are one */
static bool list_value(const char *list, const char *key, char value[VALUE_SIZE])
{
	size_t len = strlen(key);

	while (*list) {
		if (!strncmp(list, key, len) && list[len] == '=') {
			copy(list + len + 1, ",", value);
			return true;
		}
		list += strcspn(list, ",");
		list += *list == ',';
	}
	return false;
}

/* "key": "value" or "key": 17.  Good enough to be told of, not to compute with what it holds
 * in deeper levels: those QEMU has not in such arguments */
static bool json_value(const char *json, const char *key, char value[VALUE_SIZE])
{
	char quoted[40];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	at = strstr(json, quoted);
	if (!at)
		return false;
	at += strlen(quoted);
	at += strspn(at, " \t\r\n:");
	if (*at == '"')
		copy(at + 1, "\"", value);
	else
		copy(at, ",} \t\r\n", value);
	return true;
}

static bool is_json(const char *argument)
{
	return *argument == '{';
}

static bool get(const char *argument, const char *key, char value[VALUE_SIZE])
{
	*value = '\0';
	return is_json(argument) ? json_value(argument, key, value) :
				   list_value(argument, key, value);
}

/* What it is: the first word of a list, or under one of two names */
static void get_kind(const char *argument, char kind[VALUE_SIZE])
{
	if (!is_json(argument))
		copy(argument, ",", kind);
	else if (!get(argument, "qom-type", kind) && !get(argument, "driver", kind))
		get(argument, "type", kind);
	/* "qom-type=..." is how it is written at length */
	if (!is_json(argument) && strchr(kind, '=') && !get(argument, "qom-type", kind) &&
	    !get(argument, "driver", kind))
		get(argument, "type", kind);
}

static bool is_on(const char *value)
{
	return !strcmp(value, "on") || !strcmp(value, "yes") || !strcmp(value, "true");
}

/* "8G", in bytes without a letter */
static uint64_t get_kib(const char *argument)
{
	char value[VALUE_SIZE];
	uint64_t n;

	if (!get(argument, "size", value) || !*value)
		return 0;
	if (isdigit((unsigned char)value[strlen(value) - 1]))
		return text_to_u64(value, &n) < 0 ? 0 : u64_div_up(n, 1024);
	return text_to_kib(value, &n) < 0 || n >= TEXT_KIB_MAX ? 0 : n;
}

/* ---- what arguments mean ---- */

static struct guest_extra *add_extra(struct guest *guest, const char *object)
{
	struct guest_extra *extra;

	if (guest->n_extras == GUEST_EXTRAS_MAX)
		return NULL;
	extra = &guest->extras[guest->n_extras++];
	snprintf(extra->object, sizeof(extra->object), "%.31s", object);
	return extra;
}

static void read_backend(const char *argument, const char *kind, struct guest *guest)
{
	struct guest_extra *extra = add_extra(guest, kind);
	char value[VALUE_SIZE];

	if (!extra)
		return;
	get(argument, "mem-path", value);
	snprintf(extra->path, sizeof(extra->path), "%.127s", value);
	extra->size_kib = get_kib(argument);
	get(argument, "hugetlb", value);
	extra->hugetlb = is_on(value);
}

static void read_object(const char *argument, struct guest *guest)
{
	static const struct {
		const char *object;
		enum guest_security security;
	} objects[] = {
		{ "sev-guest", GUEST_SEV },	  { "sev-snp-guest", GUEST_SEV_SNP },
		{ "tdx-guest", GUEST_TDX },	  { "s390-pv-guest", GUEST_S390_PV },
		{ "pef-guest", GUEST_ENCRYPTED },
	};
	char kind[VALUE_SIZE];
	size_t i;

	get_kind(argument, kind);
	if (!strncmp(kind, "memory-backend-", 15))
		read_backend(argument, kind, guest);
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		if (!strcmp(kind, objects[i].object))
			guest->security = objects[i].security;
}

/* Of -device, -netdev and -blockdev */
static void read_device(const char *argument, struct guest *guest)
{
	char kind[VALUE_SIZE], text[96];

	get_kind(argument, kind);
	if (!strncmp(kind, "vfio-pci", 8))
		guest->vfio = true;
	if (strstr(kind, "vhost-vdpa"))
		guest->vdpa = true;
	if (!strncmp(kind, "vhost-user", 10)) {
		snprintf(text, sizeof(text), "%.64s in <qemu:commandline>", kind);
		guest_add_sharing(guest, text);
	}
}

static void read_pair(const char *option, const char *argument, struct guest *guest)
{
	struct guest_extra *extra;

	/* QEMU takes two dashes for one */
	option += *option == '-';
	option += *option == '-';
	if (!strcmp(option, "object")) {
		read_object(argument, guest);
	} else if (!strcmp(option, "device") || !strcmp(option, "netdev") ||
		   !strcmp(option, "blockdev")) {
		read_device(argument, guest);
	} else if (!strcmp(option, "mem-path")) {
		extra = add_extra(guest, "-mem-path");
		if (extra)
			snprintf(extra->path, sizeof(extra->path), "%.127s", argument);
	}
}

/* ---- the element ---- */

static bool is_qemu(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
	       !strcmp((const char *)node->ns->href, NAMESPACE) &&
	       !strcmp((const char *)node->name, name);
}

static const xmlNode *find_qemu(const xmlNode *node, const char *name)
{
	while (node && !is_qemu(node, name))
		node = node->next;
	return node;
}

int guest_commandline_read(const xmlNode *domain, struct guest *guest, struct err *err)
{
	const xmlNode *node = find_qemu(domain->children, "commandline");
	cleanup_xml char *before = NULL;
	int rc = 0;

	if (!node)
		return 0;
	guest->extras = calloc(GUEST_EXTRAS_MAX, sizeof(*guest->extras));
	if (!guest->extras)
		return err_sys(err, ENOMEM, "domain XML");
	for (node = find_qemu(node->children, "arg"); node && rc == 0;
	     node = find_qemu(node->next, "arg")) {
		char *value = NULL;

		rc = guest_xml_attr(node, "value", &value, err);
		if (before && value)
			read_pair(before, value, guest);
		if (before)
			xmlFree(before);
		before = value;
	}
	return rc;
}

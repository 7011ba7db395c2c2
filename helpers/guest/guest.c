// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Domain XML to struct guest: who the guest is, and the parts put together.
 *
 * The XML comes from libvirt, but its contents from whoever may define guests,
 * and a file given to the command line from anywhere.
 */
#include "guest/guest.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest_memory.h"
#include "guest/guest_metadata.h"
#include "guest/guest_xml.h"

/* A name becomes part of paths (NAME.pid) and of lines in logs */
static bool is_name(const char *name)
{
	size_t len = strlen(name);
	const char *p;

	for (p = name; *p; p++)
		if (*p == '/' || (unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return strspn(name, " ") < len && len < GUEST_NAME_SIZE;
}

static int read_name(const xmlNode *domain, struct guest *guest, struct err *err)
{
	const xmlNode *node = guest_xml_child(domain, "name");
	cleanup_xml char *name = NULL;
	/* libvirt takes blanks at the ends for a part of the name */
	int rc = guest_xml_raw_text(node, &name, err);

	if (rc < 0)
		return rc;
	if (!name)
		return guest_xml_bad(domain, err, "the guest has no <name>");
	if (!is_name(name))
		return guest_xml_bad(node, err,
				     "<name> is '%.64s': expected 1 to %d bytes without "
				     "'/' and control characters",
				     name, GUEST_NAME_SIZE - 1);
	memcpy(guest->name, name, strlen(name) + 1);
	return 0;
}

/* It names the guest's ledger: what passes can't be a path */
static int read_uuid(const xmlNode *domain, struct guest *guest, struct err *err)
{
	const xmlNode *node = guest_xml_child(domain, "uuid");
	cleanup_xml char *uuid = NULL;
	size_t i;
	int rc = guest_xml_text(node, &uuid, err);

	if (rc < 0)
		return rc;
	if (!uuid)
		return guest_xml_bad(domain, err, "the guest has no <uuid>");
	if (!text_is_uuid(uuid))
		return guest_xml_bad(node, err,
				     "<uuid> is '%.64s': expected a UUID such as "
				     "c7a5fdbd-cdaf-9455-926a-d65c16db1809",
				     uuid);
	for (i = 0; i < GUEST_UUID_SIZE - 1; i++)
		guest->uuid[i] = (char)tolower((unsigned char)uuid[i]);
	return 0;
}

static int read_id(const xmlNode *domain, struct guest *guest, struct err *err)
{
	int id = -1;
	int rc = guest_xml_attr_int(domain, "id", INT_MAX, &id, err);

	guest->id = id;
	return rc;
}

/* Devices through which QEMU pins all guest memory: it can't be swapped, merged
 * or reclaimed any more */
static bool has_vfio(const xmlNode *domain)
{
	static const struct {
		const char *element;
		const char *type;
	} pinning[] = {
		{ "hostdev", "pci" },	 { "hostdev", "mdev" }, { "interface", "hostdev" },
		{ "interface", "vdpa" }, { "disk", "nvme" },
	};
	const xmlNode *devices = guest_xml_child(domain, "devices");
	const xmlNode *node;
	size_t i;

	for (i = 0; i < sizeof(pinning) / sizeof(pinning[0]); i++)
		for (node = guest_xml_child(devices, pinning[i].element); node;
		     node = guest_xml_next(node, pinning[i].element))
			if (guest_xml_attr_is(node, "type", pinning[i].type))
				return true;
	return false;
}

static int read_domain(const xmlNode *domain, struct guest *guest, struct err *err)
{
	int rc = read_name(domain, guest, err);

	if (!rc)
		rc = read_uuid(domain, guest, err);
	if (!rc)
		rc = read_id(domain, guest, err);
	if (!rc)
		rc = guest_memory_read(domain, guest, err);
	if (!rc)
		rc = guest_metadata_read(domain, guest, err);
	guest->vfio = has_vfio(domain);
	return rc;
}

int guest_parse(const char *xml, size_t len, struct guest **guest, struct err *err)
{
	cleanup_xml_doc xmlDoc *doc = NULL;
	cleanup_guest struct guest *parsed = NULL;
	int rc = guest_xml_open(xml, len, &doc, err);

	if (rc < 0)
		return rc;
	parsed = calloc(1, sizeof(*parsed));
	if (!parsed)
		return err_sys(err, ENOMEM, "domain XML");
	rc = read_domain(xmlDocGetRootElement(doc), parsed, err);
	if (rc < 0)
		return rc;
	*guest = parsed;
	parsed = NULL;
	return 0;
}

bool guest_asks_for_hugepages(const struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (guest->memory[i].hugepages)
			return true;
	return false;
}

void guest_free(struct guest *guest)
{
	size_t i;

	if (!guest)
		return;
	for (i = 0; i < guest->n_settings; i++) {
		free(guest->settings[i].key);
		free(guest->settings[i].value);
	}
	free(guest->settings);
	free(guest->memory);
	free(guest);
}

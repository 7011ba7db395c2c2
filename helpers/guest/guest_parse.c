// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Domain XML to struct guest: who the guest is, and the parts put together.
 *
 * The XML comes from libvirt, but its contents from those who may define guests,
 * and a file given to the command line from anywhere.
 */
#include "guest/guest_parse.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest_devices.h"
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

/* "c7a5fdbd-cdaf-..." in lower case.  libvirt takes it without the hyphens, too */
static bool normalise(const char *text, char uuid[GUEST_UUID_SIZE])
{
	size_t n = 0;

	for (; *text; text++) {
		if (*text == '-')
			continue;
		if (!isxdigit((unsigned char)*text) || n >= GUEST_UUID_SIZE - 1)
			return false;
		uuid[n++] = (char)tolower((unsigned char)*text);
		if (n == 8 || n == 13 || n == 18 || n == 23)
			uuid[n++] = '-';
	}
	uuid[n] = '\0';
	return text_is_uuid(uuid);
}

/* The same for each guest of that name, and none that libvirt would give to a guest:
 * version 8 of RFC 9562 is for such uses */
static void make_up_uuid(struct guest *guest)
{
	uint64_t hash[2] = { UINT64_C(0xcbf29ce484222325), UINT64_C(0x84222325cbf29ce4) };
	const char *p;

	for (p = guest->name; *p; p++) {
		hash[0] = (hash[0] ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
		hash[1] = (hash[1] ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	}
	snprintf(guest->uuid, sizeof(guest->uuid), "%08x-%04x-8%03x-8%03x-%012llx",
		 (unsigned int)(hash[0] >> 32), (unsigned int)(hash[0] >> 16 & 0xffff),
		 (unsigned int)(hash[0] & 0xfff), (unsigned int)(hash[1] >> 48 & 0xfff),
		 (unsigned long long)(hash[1] & 0xffffffffffff));
}

/* It names the guest's ledger: what passes can't be a path */
static int read_uuid(const xmlNode *domain, struct guest *guest, struct err *err)
{
	const xmlNode *node = guest_xml_child(domain, "uuid");
	cleanup_xml char *uuid = NULL;
	int rc = guest_xml_text(node, &uuid, err);

	if (rc < 0)
		return rc;
	if (!uuid && guest->reading.draft) {
		make_up_uuid(guest);
		return 0;
	}
	guest->reading.draft = false;
	if (!uuid)
		return guest_xml_bad(domain, err, "the guest has no <uuid>");
	if (!normalise(uuid, guest->uuid))
		return guest_xml_bad(node, err,
				     "<uuid> is '%.64s': expected a UUID such as "
				     "c7a5fdbd-cdaf-9455-926a-d65c16db1809",
				     uuid);
	return 0;
}

static int read_id(const xmlNode *domain, struct guest *guest, struct err *err)
{
	int id = -1;
	int rc = guest_xml_attr_int(domain, "id", INT_MAX, &id, err);

	guest->id = id;
	return rc;
}

static int read_who(const xmlNode *domain, struct guest *guest, struct err *err)
{
	int rc = read_name(domain, guest, err);

	if (!rc)
		rc = read_uuid(domain, guest, err);
	return rc ? rc : read_id(domain, guest, err);
}

static int read_domain(const xmlNode *domain, struct guest *guest, struct err *err)
{
	struct err why;
	int rc = read_who(domain, guest, err);

	if (!rc)
		rc = guest_devices_read(domain, guest, err);
	if (rc)
		return rc;
	rc = guest_memory_read(domain, guest, &why);
	if (!rc)
		rc = guest_metadata_read(domain, guest, &why);
	/* libvirt took it, and nothing of ours depends on it */
	if (rc == -EINVAL && !guest_memory_asks(domain)) {
		snprintf(guest->doubt, sizeof(guest->doubt), "%.*s", GUEST_WORDS_SIZE - 1,
			 why.text);
		guest->n_memory = 0;
		return 0;
	}
	return rc < 0 ? err_set(err, -rc, "%s", why.text) : 0;
}

int guest_parse_as(const char *xml, size_t len, const struct guest_reading *reading,
		   struct guest **guest, struct err *err)
{
	cleanup_xml_doc xmlDoc *doc = NULL;
	cleanup_guest struct guest *parsed = NULL;
	int rc = guest_xml_open(xml, len, &doc, err);

	if (rc < 0)
		return rc;
	parsed = calloc(1, sizeof(*parsed));
	if (!parsed)
		return err_sys(err, ENOMEM, "domain XML");
	parsed->reading = *reading;
	if (!parsed->reading.page_kib)
		parsed->reading.page_kib = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	rc = read_domain(xmlDocGetRootElement(doc), parsed, err);
	if (rc < 0)
		return rc;
	*guest = parsed;
	parsed = NULL;
	return 0;
}

int guest_parse(const char *xml, size_t len, struct guest **guest, struct err *err)
{
	const struct guest_reading here = { 0 };

	return guest_parse_as(xml, len, &here, guest, err);
}

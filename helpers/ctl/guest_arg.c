// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The guest that a command was given, by id, name or UUID.
 */
#include "ctl/guest_arg.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "check/libvirt_host.h"
#include "ctl/domain_xml.h"
#include "guest/guest.h"
#include "guest/guest_files.h"
#include "guest/guest_parse.h"
#include "lifecycle/live_guest.h"

int guest_arg_xml(const struct ctl *ctl, char **xml, size_t *len, struct err *err)
{
	if (ctl->xml)
		return domain_xml_from_file(ctl->xml, xml, len, err);
	if (ctl->root)
		return libvirt_host_find(&ctl->kfs, ctl->args[0], xml, len, err);
	return domain_xml_from_libvirt(ctl->args[0], xml, len, err);
}

const char *guest_arg_uuid(const struct ctl *ctl, char uuid[GUEST_UUID_SIZE])
{
	cleanup_guest struct guest *guest = NULL;
	uint64_t id;

	if (text_to_u64(ctl->args[0], &id) < 0 ||
	    live_guest_find(&ctl->kfs, ctl->args[0], &guest) < 0)
		return ctl->args[0];
	memcpy(uuid, guest->uuid, GUEST_UUID_SIZE);
	return uuid;
}

int guest_arg(const struct ctl *ctl, struct guest **guest, struct err *err)
{
	struct guest_reading reading;
	struct guest *parsed = NULL;
	cleanup_free char *xml = NULL;
	size_t len = 0;
	int rc = guest_arg_xml(ctl, &xml, &len, err);

	if (rc < 0)
		return rc;
	libvirt_host_reading(&ctl->kfs, &reading);
	rc = guest_parse_as(xml, len, &reading, &parsed, err);
	if (rc == 0)
		rc = guest_files_find(&ctl->kfs, parsed, err);
	if (rc < 0) {
		guest_free(parsed);
		return err_prefix(err, rc, "'%.256s'", ctl->xml ? ctl->xml : ctl->args[0]);
	}
	*guest = parsed;
	return 0;
}

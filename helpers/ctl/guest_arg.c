// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ctl/guest_arg.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "ctl/domain_xml.h"
#include "guest/guest.h"

int guest_arg(const struct ctl *ctl, struct guest **guest, struct err *err)
{
	const char *name = ctl->xml ? ctl->xml : ctl->args[0];
	cleanup_free char *xml = NULL;
	size_t len = 0;
	int rc = ctl->xml ? domain_xml_from_file(ctl->xml, &xml, &len, err) :
			    domain_xml_from_libvirt(ctl->args[0], &xml, &len, err);

	if (rc < 0)
		return rc;
	rc = guest_parse(xml, len, guest, err);
	return rc < 0 ? err_prefix(err, rc, "'%.256s'", name) : 0;
}

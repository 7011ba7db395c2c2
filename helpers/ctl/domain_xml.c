// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ctl/domain_xml.h"

#include <errno.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/text.h"
#include "ctl/libvirt_host.h"
#include "guest/guest.h"

/* A pipe is fine too: --xml <(virsh dumpxml GUEST) */
int domain_xml_from_file(const char *file, char **xml, size_t *len, struct err *err)
{
	cleanup_close int fd = -1;
	int rc;

	if (!strcmp(file, "-"))
		return file_read_stream(STDIN_FILENO, GUEST_XML_MAX, xml, len, err);
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_sys(err, errno, "cannot open '%.512s'", file);
	rc = file_read_stream(fd, GUEST_XML_MAX, xml, len, err);
	return err_prefix(err, rc, "'%.512s'", file);
}

static virDomainPtr find_domain(virConnectPtr conn, const char *guest)
{
	virDomainPtr domain = NULL;

	if (text_is_uuid(guest))
		domain = virDomainLookupByUUIDString(conn, guest);
	/* A UUID is a legal name as well */
	return domain ? domain : virDomainLookupByName(conn, guest);
}

static int no_domain(const char *guest, struct err *err)
{
	const virError *error = virGetLastError();

	if (error && error->code == VIR_ERR_NO_DOMAIN)
		return err_set(err, ENOENT,
			       "libvirt knows no guest '%.256s' (virsh list --all shows all)",
			       guest);
	return err_set(err, EIO, "libvirt doesn't say what guest '%.256s' is: %s", guest,
		       virGetLastErrorMessage());
}

static int read_domain(virConnectPtr conn, const char *guest, char **xml, struct err *err)
{
	virDomainPtr domain = find_domain(conn, guest);

	if (!domain)
		return no_domain(guest, err);
	*xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE);
	if (!*xml)
		*xml = virDomainGetXMLDesc(domain, 0);
	virDomainFree(domain);
	return *xml ? 0 : no_domain(guest, err);
}

int domain_xml_from_libvirt(const char *guest, char **xml, size_t *len, struct err *err)
{
	virConnectPtr conn = libvirt_open();
	int rc;

	if (!conn)
		return err_set(err, EIO,
			       "libvirt cannot be asked for guest '%.256s': %s; without it, give "
			       "the guest's XML: virt-membacking plan --xml FILE",
			       guest, virGetLastErrorMessage());
	rc = read_domain(conn, guest, xml, err);
	if (rc == 0)
		*len = strlen(*xml);
	virConnectClose(conn);
	return rc;
}

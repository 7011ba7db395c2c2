// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A guest's XML from libvirt, or from a file.
 */
#include "ctl/domain_xml.h"

#include <errno.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/text.h"
#include "check/libvirt_host.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "terminal/progress.h"

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
	uint64_t id;

	/* In the order of virsh */
	if (text_to_u64(guest, &id) == 0 && id <= INT_MAX)
		domain = virDomainLookupByID(conn, (int)id);
	if (!domain && text_is_uuid(guest))
		domain = virDomainLookupByUUIDString(conn, guest);
	/* A UUID is a legal name as well */
	return domain ? domain : virDomainLookupByName(conn, guest);
}

static int no_domain(const char *guest, struct err *err)
{
	const virError *error = virGetLastError();

	if (error && error->code == VIR_ERR_NO_DOMAIN)
		return err_set(err, ENOENT, "no such guest: %.256s (virsh list --all shows all)",
			       guest);
	return err_set(err, EIO, "libvirt doesn't say what guest '%.256s' is: %s", guest,
		       virGetLastErrorMessage());
}

static int read_domain(virConnectPtr conn, const char *guest, char **xml, struct err *err)
{
	virDomainPtr domain = find_domain(conn, guest);
	int rc;

	if (!domain)
		return no_domain(guest, err);
	*xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE);
	if (!*xml)
		*xml = virDomainGetXMLDesc(domain, 0);
	/* Before virDomainFree(), which forgets the error */
	rc = *xml ? 0 : no_domain(guest, err);
	virDomainFree(domain);
	return rc;
}

static int ask_for_xml(const char *guest, char **xml, size_t *len, struct err *err)
{
	virConnectPtr conn = libvirt_host_open();
	int rc;

	if (!conn)
		return err_set(err, EIO,
			       "libvirt cannot be asked for guest '%.256s': %s; without it, give "
			       "the guest's XML with --xml FILE",
			       guest, virGetLastErrorMessage());
	rc = read_domain(conn, guest, xml, err);
	if (rc == 0)
		*len = strlen(*xml);
	virConnectClose(conn);
	return rc;
}

int domain_xml_from_libvirt(const char *guest, char **xml, size_t *len, struct err *err)
{
	struct progress_wait wait;
	int rc;

	progress_wait(&wait, LIBVIRT_WAIT);
	rc = ask_for_xml(guest, xml, len, err);
	progress_waited(&wait);
	return rc;
}

/* ---- changing it ---- */

struct domain_edit {
	virConnectPtr conn;
	virDomainPtr domain;
};

static int read_definition(const struct domain_edit *edit, const char *guest, char **xml,
			   struct err *err)
{
	int persistent = virDomainIsPersistent(edit->domain);

	if (persistent < 0)
		return no_domain(guest, err);
	if (!persistent)
		return err_set(err, EINVAL,
			       "guest '%s' is transient: it has no definition that could be "
			       "changed (virsh define makes one)",
			       guest);
	*xml = virDomainGetXMLDesc(edit->domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
	return *xml ? 0 : no_domain(guest, err);
}

int domain_xml_edit_begin(const char *guest, struct domain_edit **edit, char **xml, size_t *len,
			  struct err *err)
{
	struct domain_edit *result = calloc(1, sizeof(*result));
	int rc;

	if (!result)
		return err_nomem(err);
	result->conn = libvirt_host_open_for_changes();
	if (!result->conn) {
		free(result);
		return err_set(err, EIO, "libvirt doesn't let us change guest '%.256s': %s", guest,
			       virGetLastErrorMessage());
	}
	result->domain = find_domain(result->conn, guest);
	rc = result->domain ? read_definition(result, guest, xml, err) : no_domain(guest, err);
	if (rc < 0) {
		domain_xml_edit_end(result);
		return rc;
	}
	*len = strlen(*xml);
	*edit = result;
	return 0;
}

bool domain_xml_edit_is_saved(const struct domain_edit *edit)
{
	return virDomainHasManagedSaveImage(edit->domain, 0) == 1;
}

int domain_xml_edit_define(const struct domain_edit *edit, const char *xml, struct err *err)
{
	virDomainPtr defined = virDomainDefineXML(edit->conn, xml);

	if (!defined)
		return err_set(err, EIO, "libvirt refuses the definition: %s",
			       virGetLastErrorMessage());
	virDomainFree(defined);
	return 0;
}

void domain_xml_edit_end(struct domain_edit *edit)
{
	if (!edit)
		return;
	if (edit->domain)
		virDomainFree(edit->domain);
	virConnectClose(edit->conn);
	free(edit);
}

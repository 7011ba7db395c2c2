// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A libvirt (by LD_PRELOAD) that knows a guest and can't say what it is, and which forgets
 * its last error in virDomainFree(), as the real one does.
 */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stddef.h>

static virError error;
static int thing;

void virSetErrorFunc(void *data, virErrorFunc func)
{
	(void)data;
	(void)func;
}

virConnectPtr virConnectOpenReadOnly(const char *name)
{
	(void)name;
	return (virConnectPtr)&thing;
}

int virConnectClose(virConnectPtr conn)
{
	(void)conn;
	error.code = VIR_ERR_OK;
	return 0;
}

virDomainPtr virDomainLookupByName(virConnectPtr conn, const char *name)
{
	(void)conn;
	(void)name;
	return (virDomainPtr)&thing;
}

char *virDomainGetXMLDesc(virDomainPtr domain, unsigned int flags)
{
	(void)domain;
	(void)flags;
	error.code = VIR_ERR_OPERATION_FAILED;
	return NULL;
}

int virDomainFree(virDomainPtr domain)
{
	(void)domain;
	error.code = VIR_ERR_OK;
	return 0;
}

virErrorPtr virGetLastError(void)
{
	return error.code ? &error : NULL;
}

const char *virGetLastErrorMessage(void)
{
	return error.code ? "the monitor is gone" : "no error";
}

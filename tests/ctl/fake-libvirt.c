// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A libvirt (by LD_PRELOAD) whose guests are files of the directory $FAKE_LIBVIRT:
 *
 *	NAME.xml	a guest that runs
 *	NAME.lost	it can't be read
 *	NAME.transient	it has no definition
 *	NAME.saved	it has a managed save image
 *	defined		what was defined last; "refuse" beside it: nothing can be
 *	down		nobody can be asked
 *	hangs		libvirt does not answer
 *
 * $FAKE_LIBVIRT.uri gets which libvirt was asked for.  It forgets its last error in
 * virDomainFree() and virConnectClose(), as the real one does.
 */
#include <dirent.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static virError error;
static const char *message = "no error";
static int thing;

static int fail(int code, const char *text)
{
	error.code = code;
	message = text;
	return -1;
}

static void forget(void)
{
	fail(VIR_ERR_OK, "no error");
}

static void path_of(char path[PATH_MAX], const char *name, const char *suffix)
{
	snprintf(path, PATH_MAX, "%s/%s%s", getenv("FAKE_LIBVIRT"), name, suffix);
}

static bool there_is(const char *name, const char *suffix)
{
	char path[PATH_MAX];

	path_of(path, name, suffix);
	return access(path, F_OK) == 0;
}

static char *content(const char *name)
{
	char path[PATH_MAX], *text = calloc(1, 65536);
	FILE *f;

	path_of(path, name, ".xml");
	f = fopen(path, "re");
	if (!f || !text || !fread(text, 1, 65535, f))
		abort();
	fclose(f);
	return text;
}

/* A domain is its name */
static virDomainPtr domain_of(const char *name)
{
	return (virDomainPtr)strdup(name);
}

static const char *name_of(virDomainPtr domain)
{
	return (const char *)domain;
}

void virSetErrorFunc(void *data, virErrorFunc func)
{
	(void)data;
	(void)func;
}

virErrorPtr virGetLastError(void)
{
	return error.code ? &error : NULL;
}

const char *virGetLastErrorMessage(void)
{
	return message;
}

virConnectPtr virConnectOpen(const char *uri)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s.uri", getenv("FAKE_LIBVIRT"));
	f = fopen(path, "we");
	if (!f || fprintf(f, "%s\n", uri) < 0 || fclose(f) != 0)
		abort();
	while (there_is("hangs", ""))
		pause();
	if (there_is("down", "")) {
		fail(VIR_ERR_SYSTEM_ERROR, "the socket is not there");
		return NULL;
	}
	return (virConnectPtr)&thing;
}

virConnectPtr virConnectOpenReadOnly(const char *uri)
{
	return virConnectOpen(uri);
}

int virConnectClose(virConnectPtr conn)
{
	(void)conn;
	forget();
	return 0;
}

int virConnectListAllDomains(virConnectPtr conn, virDomainPtr **domains, unsigned int flags)
{
	DIR *dir = opendir(getenv("FAKE_LIBVIRT"));
	struct dirent *entry;
	int n = 0;

	(void)conn;
	(void)flags;
	*domains = calloc(64, sizeof(**domains));
	while (dir && *domains && n < 63 && (entry = readdir(dir))) {
		char *dot = strrchr(entry->d_name, '.');

		if (!dot || strcmp(dot, ".xml") != 0)
			continue;
		*dot = '\0';
		(*domains)[n++] = domain_of(entry->d_name);
	}
	if (dir)
		closedir(dir);
	return n;
}

virDomainPtr virDomainLookupByName(virConnectPtr conn, const char *name)
{
	(void)conn;
	if (there_is(name, ".xml"))
		return domain_of(name);
	fail(VIR_ERR_NO_DOMAIN, "Domain not found");
	return NULL;
}

/* Of those that run the first has id 1 */
virDomainPtr virDomainLookupByID(virConnectPtr conn, int id)
{
	virDomainPtr *domains = NULL, found = NULL;
	int n = virConnectListAllDomains(conn, &domains, 0), i;

	for (i = 0; i < n; i++)
		if (i + 1 == id)
			found = domains[i];
		else
			free(domains[i]);
	free(domains);
	if (!found)
		fail(VIR_ERR_NO_DOMAIN, "Domain not found");
	return found;
}

virDomainPtr virDomainLookupByUUIDString(virConnectPtr conn, const char *uuid)
{
	virDomainPtr *domains = NULL, found = NULL;
	int n = virConnectListAllDomains(conn, &domains, 0), i;

	for (i = 0; i < n; i++) {
		char *xml = content(name_of(domains[i]));

		if (strstr(xml, uuid) && !found)
			found = domains[i];
		else
			free(domains[i]);
		free(xml);
	}
	free(domains);
	if (!found)
		fail(VIR_ERR_NO_DOMAIN, "Domain not found");
	return found;
}

char *virDomainGetXMLDesc(virDomainPtr domain, unsigned int flags)
{
	(void)flags;
	if (!there_is(name_of(domain), ".lost"))
		return content(name_of(domain));
	fail(VIR_ERR_OPERATION_FAILED, "the monitor is gone");
	return NULL;
}

const char *virDomainGetName(virDomainPtr domain)
{
	return name_of(domain);
}

int virDomainIsPersistent(virDomainPtr domain)
{
	return !there_is(name_of(domain), ".transient");
}

int virDomainHasManagedSaveImage(virDomainPtr domain, unsigned int flags)
{
	(void)flags;
	return there_is(name_of(domain), ".saved");
}

virDomainPtr virDomainDefineXML(virConnectPtr conn, const char *xml)
{
	char path[PATH_MAX];
	FILE *f;

	(void)conn;
	if (there_is("refuse", "")) {
		fail(VIR_ERR_XML_ERROR, "a device is missing");
		return NULL;
	}
	path_of(path, "defined", "");
	f = fopen(path, "we");
	if (!f || fputs(xml, f) < 0 || fclose(f) != 0)
		abort();
	return domain_of("defined");
}

int virDomainFree(virDomainPtr domain)
{
	free(domain);
	forget();
	return 0;
}

unsigned int virDomainGetID(virDomainPtr domain)
{
	virDomainPtr *domains = NULL;
	int n = virConnectListAllDomains(NULL, &domains, 0), i, id = -1;

	for (i = 0; i < n; i++) {
		if (!strcmp(name_of(domains[i]), name_of(domain)))
			id = i + 1;
		free(domains[i]);
	}
	free(domains);
	return (unsigned int)id;
}

int virDomainGetAutostart(virDomainPtr domain, int *autostart)
{
	(void)domain;
	*autostart = 0;
	return 0;
}

int virConnectGetLibVersion(virConnectPtr conn, unsigned long *version)
{
	(void)conn;
	*version = 9000000;
	return 0;
}

int virConnectGetVersion(virConnectPtr conn, unsigned long *version)
{
	(void)conn;
	*version = 7002000;
	return 0;
}

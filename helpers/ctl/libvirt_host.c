// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libvirt's API is used in the command only: a hook that called it would wait for the
 * libvirt that waits for the hook.  What changes a guest is in domain_edit_define().
 */
#include "ctl/libvirt_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "ctl/progress.h"
#include "policy/config.h"

#define LIBVIRT_URI	"qemu:///system"
#define DEFINITIONS_DIR SYSCONF_DIR "/libvirt/qemu"
#define SUFFIX		".xml"

/* libvirt prints every error to stderr otherwise, and so would we */
static void silence(void *data, virErrorPtr error)
{
	(void)data;
	(void)error;
}

struct _virConnect *libvirt_open(void)
{
	virSetErrorFunc(NULL, silence);
	return virConnectOpenReadOnly(LIBVIRT_URI);
}

struct _virConnect *libvirt_open_for_changes(void)
{
	virSetErrorFunc(NULL, silence);
	return virConnectOpen(LIBVIRT_URI);
}

/* NULL: out of memory */
static struct libvirt_guest *add_guest(struct libvirt_host *host, const char *name)
{
	struct libvirt_guest *more = reallocarray(host->guests, host->n + 1, sizeof(*host->guests));

	if (!more)
		return NULL;
	host->guests = more;
	more += host->n++;
	memset(more, 0, sizeof(*more));
	snprintf(more->name, sizeof(more->name), "%s", name);
	return more;
}

static int parse_guest(struct libvirt_guest *guest, const char *xml, size_t len)
{
	int rc = guest_parse(xml, len, &guest->guest, &guest->why);

	if (rc == 0)
		snprintf(guest->name, sizeof(guest->name), "%s", guest->guest->name);
	return rc == -ENOMEM ? rc : 0;
}

/* ---- asked ---- */

static int ask_guest(struct libvirt_host *host, virDomainPtr domain)
{
	struct libvirt_guest *guest = add_guest(host, virDomainGetName(domain));
	cleanup_free char *xml = NULL;
	int autostart = 0;

	if (!guest)
		return -ENOMEM;
	if (virDomainGetAutostart(domain, &autostart) == 0)
		guest->autostart = autostart;
	xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE);
	if (!xml)
		xml = virDomainGetXMLDesc(domain, 0);
	if (xml)
		return parse_guest(guest, xml, strlen(xml));
	/* Undefined a moment ago, most likely */
	err_set(&guest->why, EIO, "%s", virGetLastErrorMessage());
	return 0;
}

static int ask_guests(struct libvirt_host *host, virConnectPtr conn)
{
	virDomainPtr *domains = NULL;
	int n = virConnectListAllDomains(conn, &domains, 0), rc = 0, i;

	if (n < 0) {
		host->reached = false;
		err_set(&host->why, EIO, "%s", virGetLastErrorMessage());
		return 0;
	}
	for (i = 0; i < n; i++) {
		if (rc == 0)
			rc = ask_guest(host, domains[i]);
		virDomainFree(domains[i]);
	}
	free(domains);
	return rc;
}

static int ask(struct libvirt_host *host, struct err *err)
{
	virConnectPtr conn = libvirt_open();
	int rc;

	*host = (struct libvirt_host){ .reached = conn };
	if (!conn) {
		err_set(&host->why, EIO, "%s", virGetLastErrorMessage());
		return 0;
	}
	if (virConnectGetLibVersion(conn, &host->libvirt) < 0)
		host->libvirt = 0;
	if (virConnectGetVersion(conn, &host->qemu) < 0)
		host->qemu = 0;
	rc = ask_guests(host, conn);
	virConnectClose(conn);
	return rc < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
}

int libvirt_host_ask(struct libvirt_host *host, struct err *err)
{
	struct progress_wait wait;
	int rc;

	progress_wait(&wait, LIBVIRT_WAIT);
	rc = ask(host, err);
	progress_waited(&wait);
	return rc;
}

/* ---- read ---- */

static bool has_definition(const char *name)
{
	size_t len = strlen(name);

	return *name != '.' && len > strlen(SUFFIX) && !strcmp(name + len - strlen(SUFFIX), SUFFIX);
}

static int read_guest(int dirfd, const char *file, struct libvirt_host *host)
{
	struct libvirt_guest *guest = add_guest(host, file);
	char link[sizeof("autostart/") + NAME_MAX];
	cleanup_free char *xml = NULL;
	size_t len;
	int rc;

	if (!guest)
		return -ENOMEM;
	guest->name[strlen(guest->name) - strlen(SUFFIX)] = '\0';
	snprintf(link, sizeof(link), "autostart/%s", file);
	guest->autostart = faccessat(dirfd, link, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	rc = file_read_at(dirfd, file, GUEST_XML_MAX, &xml, &len, &guest->why);
	if (rc == 0)
		rc = parse_guest(guest, xml, len);
	return rc == -ENOMEM ? rc : 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct libvirt_guest *)a)->name,
		      ((const struct libvirt_guest *)b)->name);
}

int libvirt_host_read(int rootfd, struct libvirt_host *host, struct err *err)
{
	int fd = openat(rootfd, DEFINITIONS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	*host = (struct libvirt_host){ .reached = dir };
	if (!dir) {
		err_sys(&host->why, errno, "cannot read /" DEFINITIONS_DIR);
		return 0;
	}
	while (rc == 0 && (entry = readdir(dir)))
		if (has_definition(entry->d_name))
			rc = read_guest(fd, entry->d_name, host);
	closedir(dir);
	if (host->n)
		qsort(host->guests, host->n, sizeof(*host->guests), by_name);
	return rc < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
}

void libvirt_host_free(struct libvirt_host *host)
{
	size_t i;

	for (i = 0; i < host->n; i++)
		guest_free(host->guests[i].guest);
	free(host->guests);
	*host = (struct libvirt_host){ 0 };
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libvirt's API is used in the command only: a hook that called it would wait for the
 * libvirt that waits for the hook.  What changes a guest is in domain_xml_edit_define().
 */
#include "check/libvirt_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "config/config.h"
#include "guest/guest_parse.h"
#include "kernel/kfs.h"
#include "memory/base_page.h"
#include "terminal/progress.h"

#define LIBVIRT_URI	"qemu:///system"
#define DEFINITIONS_DIR SYSCONF_DIR "/libvirt/qemu"
#define SUFFIX		".xml"

static const char *chosen_uri = LIBVIRT_URI;

/* "qemu:///session", with or without a host in it and "?..." behind it */
static bool is_session(const char *uri)
{
	const char *path = strstr(uri, "://");
	size_t len;

	path = path ? strchr(path + 3, '/') : NULL;
	len = path ? strcspn(path, "?#") : 0;
	return len == strlen("/session") && !strncmp(path, "/session", len);
}

int libvirt_host_choose(const char *uri, struct err *err)
{
	if (is_session(uri))
		return err_set(
			err, EINVAL,
			"%.128s is a libvirt of a user's own, which calls no hooks: its guests "
			"get ordinary memory only; use " LIBVIRT_URI,
			uri);
	chosen_uri = uri;
	return 0;
}

/* libvirt prints every error to stderr otherwise, and so would we */
static void silence(void *data, virErrorPtr error)
{
	(void)data;
	(void)error;
}

struct _virConnect *libvirt_host_open(void)
{
	virSetErrorFunc(NULL, silence);
	return virConnectOpenReadOnly(chosen_uri);
}

struct _virConnect *libvirt_host_open_for_changes(void)
{
	virSetErrorFunc(NULL, silence);
	return virConnectOpen(chosen_uri);
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

void libvirt_host_reading(const struct kfs *kfs, struct guest_reading *reading)
{
	*reading = (struct guest_reading){ .page_kib = base_page_kib(kfs), .draft = true };
	base_page_arch(kfs, reading->arch);
}

/* @reading: NULL for this host and what its libvirt says */
static int parse_guest(struct libvirt_guest *guest, const struct guest_reading *reading,
		       const char *xml, size_t len)
{
	const struct guest_reading here = { 0 };
	int rc = guest_parse_as(xml, len, reading ? reading : &here, &guest->guest, &guest->why);

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
	unsigned int id;

	if (!guest)
		return -ENOMEM;
	id = virDomainGetID(domain);
	guest->id = id == (unsigned int)-1 ? 0 : id;
	if (virDomainGetAutostart(domain, &autostart) == 0)
		guest->autostart = autostart;
	xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE);
	if (!xml)
		xml = virDomainGetXMLDesc(domain, 0);
	if (xml)
		return parse_guest(guest, NULL, xml, strlen(xml));
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
	virConnectPtr conn = libvirt_host_open();
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
	return rc < 0 ? err_nomem(err) : 0;
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

static int read_guest(int dirfd, const char *file, const struct guest_reading *reading,
		      struct libvirt_host *host)
{
	struct libvirt_guest *guest = add_guest(host, file);
	char link[sizeof("autostart/") + NAME_MAX];
	cleanup_free char *xml = NULL;
	size_t len;
	int rc;

	if (!guest)
		return -ENOMEM;
	snprintf(guest->file, sizeof(guest->file), "%s", file);
	guest->name[strlen(guest->name) - strlen(SUFFIX)] = '\0';
	snprintf(link, sizeof(link), "autostart/%s", file);
	guest->autostart = faccessat(dirfd, link, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	rc = file_read_at(dirfd, file, GUEST_XML_MAX, &xml, &len, &guest->why);
	if (rc == 0)
		rc = parse_guest(guest, reading, xml, len);
	return rc == -ENOMEM ? rc : 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct libvirt_guest *)a)->name,
		      ((const struct libvirt_guest *)b)->name);
}

static DIR *open_definitions(const struct kfs *kfs)
{
	int fd = openat(kfs->rootfd, DEFINITIONS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0) {
		int errnum = errno;

		close(fd);
		errno = errnum;
	}
	return dir;
}

int libvirt_host_read(const struct kfs *kfs, struct libvirt_host *host, struct err *err)
{
	DIR *dir = open_definitions(kfs);
	struct guest_reading reading;
	struct dirent *entry;
	int rc = 0;

	*host = (struct libvirt_host){ .reached = dir };
	if (!dir) {
		err_sys(&host->why, errno, "cannot read /" DEFINITIONS_DIR);
		return 0;
	}
	libvirt_host_reading(kfs, &reading);
	while (rc == 0 && (errno = 0, entry = readdir(dir)))
		if (has_definition(entry->d_name))
			rc = read_guest(dirfd(dir), entry->d_name, &reading, host);
	/* Part of the guests must not pass for all of them */
	if (rc == 0 && errno) {
		host->reached = false;
		err_sys(&host->why, errno, "cannot list /" DEFINITIONS_DIR);
	}
	closedir(dir);
	if (host->n)
		qsort(host->guests, host->n, sizeof(*host->guests), by_name);
	return rc < 0 ? err_nomem(err) : 0;
}

/* ---- one of them ---- */

/* A UUID is a legal name as well, and the UUID counts first, as for virsh */
static const struct libvirt_guest *find_guest(const struct libvirt_host *host, const char *guest)
{
	size_t i;

	for (i = 0; i < host->n; i++)
		if (host->guests[i].guest && !strcasecmp(host->guests[i].guest->uuid, guest))
			return &host->guests[i];
	for (i = 0; i < host->n; i++)
		if (!strcmp(host->guests[i].name, guest))
			return &host->guests[i];
	return NULL;
}

static int read_definition(const struct kfs *kfs, const struct libvirt_guest *guest, char **xml,
			   size_t *len, struct err *err)
{
	char path[sizeof(DEFINITIONS_DIR) + NAME_MAX + 2];

	snprintf(path, sizeof(path), "%s/%s", DEFINITIONS_DIR, guest->file);
	return file_read_at(kfs->rootfd, path, GUEST_XML_MAX, xml, len, err);
}

int libvirt_host_find(const struct kfs *kfs, const char *guest, char **xml, size_t *len,
		      struct err *err)
{
	const struct libvirt_guest *found;
	struct libvirt_host host;
	int rc = libvirt_host_read(kfs, &host, err);

	if (rc < 0)
		return rc;
	found = find_guest(&host, guest);
	if (!host.reached)
		rc = err_set(err, ENOENT, "%s", host.why.text);
	else if (!found)
		rc = err_set(err, ENOENT, "/" DEFINITIONS_DIR " has no guest '%.256s'", guest);
	else
		rc = read_definition(kfs, found, xml, len, err);
	libvirt_host_free(&host);
	return rc;
}

void libvirt_host_free(struct libvirt_host *host)
{
	size_t i;

	for (i = 0; i < host->n; i++)
		guest_free(host->guests[i].guest);
	free(host->guests);
	*host = (struct libvirt_host){ 0 };
}

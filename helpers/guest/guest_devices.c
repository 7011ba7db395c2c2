// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: whose devices decide about memory
 *
 * VFIO and vhost-vdpa give devices access to all of the guest's memory, so it is pinned:
 * it can't be swapped, merged or reclaimed any more.  A vhost-user back end, virtiofsd among
 * them, is a process that maps the guest's memory, which it can do only with shared memory.
 * libvirt refuses some of these without <access mode='shared'/>, and starts others with a
 * device that is dead.
 */
#include "guest/guest_devices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"
#include "guest/guest.h"
#include "guest/guest_commandline.h"
#include "guest/guest_xml.h"

struct kind {
	const char *element;
	const char *type;
};

static bool has_device(const xmlNode *domain, const struct kind *kinds, size_t n)
{
	const xmlNode *devices = guest_xml_child(domain, "devices");
	const xmlNode *node;
	size_t i;

	for (i = 0; i < n; i++)
		for (node = guest_xml_child(devices, kinds[i].element); node;
		     node = guest_xml_next(node, kinds[i].element))
			if (guest_xml_attr_is(node, "type", kinds[i].type))
				return true;
	return false;
}

/* s390's crypto and channel devices pin single pages, for as long as they use them */
static bool has_mdev(const xmlNode *domain)
{
	const xmlNode *node = guest_xml_child(guest_xml_child(domain, "devices"), "hostdev");

	for (; node; node = guest_xml_next(node, "hostdev"))
		if (guest_xml_attr_is(node, "type", "mdev") &&
		    !guest_xml_attr_is(node, "model", "vfio-ap") &&
		    !guest_xml_attr_is(node, "model", "vfio-ccw"))
			return true;
	return false;
}

static bool has_vfio(const xmlNode *domain)
{
	static const struct kind kinds[] = {
		{ "hostdev", "pci" },
		{ "interface", "hostdev" },
		{ "disk", "nvme" },
	};

	return has_mdev(domain) || has_device(domain, kinds, ARRAY_SIZE(kinds));
}

static bool has_vdpa(const xmlNode *domain)
{
	static const struct kind kinds[] = { { "interface", "vdpa" }, { "disk", "vhostvdpa" } };

	return has_device(domain, kinds, ARRAY_SIZE(kinds));
}

/* ---- vhost-user ---- */

static bool is_vhost_user(const char *word)
{
	return !strcmp(word, "vhostuser") || !strcmp(word, "vhost-user") ||
	       !strcmp(word, "virtiofs");
}

/* Where an element says so itself: type='vhostuser', name='vhostuser' */
static const char *says_vhost_user(const xmlNode *node)
{
	static const char *const names[] = { "type", "name", "model", "backend" };
	static const char *const words[] = { "vhostuser", "vhost-user", "virtiofs" };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		for (j = 0; j < ARRAY_SIZE(words); j++)
			if (guest_xml_attr_is(node, names[i], words[j]))
				return names[i];
	return NULL;
}

/*
 * Interfaces and disks of type vhostuser, <filesystem> with the driver virtiofs, <video> with
 * the driver vhostuser, and others that libvirt may come to know in the same words.
 */
static void read_sharing(const xmlNode *device, struct guest *guest)
{
	static const char *const below[] = { "driver", "backend", "model" };
	const char *name = (const char *)device->name, *attr = says_vhost_user(device);
	const xmlNode *node = device;
	cleanup_xml char *word = NULL;
	char text[160];
	size_t i;

	for (i = 0; !attr && i < ARRAY_SIZE(below); i++) {
		node = guest_xml_child(device, below[i]);
		attr = says_vhost_user(node);
	}
	if (!attr || guest_xml_attr(node, attr, &word, NULL) < 0 || !word || !is_vhost_user(word))
		return;
	if (node == device)
		snprintf(text, sizeof(text), "<%.32s %s='%s'>", name, attr, word);
	else
		snprintf(text, sizeof(text), "<%.32s> with <%.32s %s='%s'/>", name,
			 (const char *)node->name, attr, word);
	guest_add_sharing(guest, text);
}

static void find_sharing(const xmlNode *domain, struct guest *guest)
{
	const xmlNode *devices = guest_xml_child(domain, "devices");
	const xmlNode *node = devices ? devices->children : NULL;

	for (; node; node = node->next)
		if (node->type == XML_ELEMENT_NODE && !node->ns)
			read_sharing(node, guest);
}

/* ---- launchSecurity ---- */

static enum guest_security find_security(const xmlNode *domain)
{
	static const struct {
		const char *type;
		enum guest_security security;
	} types[] = {
		{ "sev", GUEST_SEV },
		{ "sev-snp", GUEST_SEV_SNP },
		{ "tdx", GUEST_TDX },
		{ "s390-pv", GUEST_S390_PV },
	};
	const xmlNode *node = guest_xml_child(domain, "launchSecurity");
	size_t i;

	if (!node)
		return GUEST_OPEN;
	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (guest_xml_attr_is(node, "type", types[i].type))
			return types[i].security;
	return GUEST_ENCRYPTED;
}

/* ---- guests within the guest ---- */

/* What <feature name='vmx'/> or svm says: GUEST_NESTING_AS_HOST for nothing */
static enum guest_nesting feature_nesting(const xmlNode *cpu)
{
	enum guest_nesting nesting = GUEST_NESTING_AS_HOST;
	const xmlNode *node = guest_xml_child(cpu, "feature");

	for (; node; node = guest_xml_next(node, "feature")) {
		if (!guest_xml_attr_is(node, "name", "vmx") &&
		    !guest_xml_attr_is(node, "name", "svm"))
			continue;
		if (!guest_xml_attr_is(node, "policy", "disable") &&
		    !guest_xml_attr_is(node, "policy", "forbid"))
			return GUEST_NESTING_YES;
		nesting = GUEST_NESTING_NO;
	}
	return nesting;
}

/* Of the models that have a name, AMD's have svm, and Intel's lack vmx */
static bool model_has_svm(const xmlNode *cpu)
{
	static const char *const families[] = { "EPYC", "Opteron", "Dhyana", "phenom" };
	cleanup_xml char *model = NULL;
	size_t i;

	if (guest_xml_text(guest_xml_child(cpu, "model"), &model, NULL) < 0 || !model)
		return false;
	for (i = 0; i < ARRAY_SIZE(families); i++)
		if (!strncmp(model, families[i], strlen(families[i])))
			return true;
	return false;
}

/* The emulator TCG has its own way to translate addresses, which pins nothing */
static enum guest_nesting find_nesting(const xmlNode *domain)
{
	static const char *const modes[] = { "host-passthrough", "host-model", "maximum" };
	const xmlNode *cpu = guest_xml_child(domain, "cpu");
	enum guest_nesting nesting;
	size_t i;

	if (!cpu || guest_xml_attr_is(domain, "type", "qemu"))
		return GUEST_NESTING_NO;
	nesting = feature_nesting(cpu);
	if (nesting != GUEST_NESTING_AS_HOST)
		return nesting;
	for (i = 0; i < ARRAY_SIZE(modes); i++)
		if (guest_xml_attr_is(cpu, "mode", modes[i]))
			return GUEST_NESTING_AS_HOST;
	return model_has_svm(cpu) ? GUEST_NESTING_YES : GUEST_NESTING_NO;
}

/* ---- all of it ---- */

static int read_arch(const xmlNode *domain, struct guest *guest, struct err *err)
{
	const xmlNode *type = guest_xml_child(guest_xml_child(domain, "os"), "type");
	cleanup_xml char *arch = NULL;
	int rc = guest_xml_attr(type, "arch", &arch, err);

	memcpy(guest->arch, guest->reading.arch, sizeof(guest->arch));
	if (rc == 0 && arch && strlen(arch) < sizeof(guest->arch))
		memcpy(guest->arch, arch, strlen(arch) + 1);
	return rc;
}

int guest_devices_read(const xmlNode *domain, struct guest *guest, struct err *err)
{
	int rc = read_arch(domain, guest, err);

	if (rc < 0)
		return rc;
	guest->vfio = has_vfio(domain);
	guest->vdpa = has_vdpa(domain);
	guest->security = find_security(domain);
	guest->nesting = find_nesting(domain);
	find_sharing(domain, guest);
	return guest_commandline_read(domain, guest, err);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: hugetlbfs, and when libvirt looks for it
 *
 * QEMU gets its huge pages as files, so libvirt refuses a guest whose page size has no
 * mount.  It looks for mounts once, when its QEMU driver starts; our daemon hook is
 * called just before and mounts what is missing.
 */
#include <stdio.h>

#include "base/err.h"
#include "base/text.h"
#include "check/check.h"
#include "policy/refusal.h"

/* GNU sed: each hugetlbfs_mount becomes a comment, a list of several lines as a whole */
#define UNSET_MOUNT "sed -i '/^ *hugetlbfs_mount/{:a;/\\[[^]]*$/{N;ba};s/^/#/Mg}'"

/* How mount(8) takes a size */
static const char *mount_size(uint64_t kib, char buf[32])
{
	snprintf(buf, 32, "%lluK", (unsigned long long)kib);
	if (kib % KIB_PER_GIB == 0)
		snprintf(buf, 32, "%lluG", (unsigned long long)(kib / KIB_PER_GIB));
	else if (kib % KIB_PER_MIB == 0)
		snprintf(buf, 32, "%lluM", (unsigned long long)(kib / KIB_PER_MIB));
	return buf;
}

/* The first guest that was asked for and wants pages of that size; NULL: none */
static const struct libvirt_guest *find_user(const struct check_host *host, uint64_t page_kib)
{
	size_t i, j;

	for (i = 0; i < host->libvirt.n; i++) {
		const struct libvirt_guest *known = &host->libvirt.guests[i];
		const struct guest *guest = known->guest;

		if (!guest || !check_wants(host, known->name, guest->uuid))
			continue;
		for (j = 0; j < guest->n_memory; j++)
			if (host_view_is_mounted(&guest->memory[j]) &&
			    host_view_page_kib(host->view, &guest->memory[j]) == page_kib)
				return known;
	}
	return NULL;
}

static bool mounts_itself(const struct check_host *host)
{
	const struct hook_link *link = &host->hooks.links[HOOK_DAEMON];

	return config_hugepages(host->config)->manage && link->linked && link->executable &&
	       !host->view->qemu_conf.hugetlbfs_mount;
}

static void add_remedy(const struct check_host *host, uint64_t page_kib, struct findings *findings)
{
	const char *suffix = page_kib == host->view->default_page_kib ? "" : NULL;
	char size[32];

	mount_size(page_kib, size);
	if (host->view->hugetlbfs.by_conf)
		finding_remedy(findings, UNSET_MOUNT " /" QEMU_CONF_FILE " && systemctl restart %s",
			       check_daemon(host));
	else if (mounts_itself(host))
		finding_remedy(findings, "systemctl restart %s", check_daemon(host));
	else
		finding_remedy(findings,
			       "mkdir -p /dev/hugepages%s && mount -t hugetlbfs -o pagesize=%s "
			       "hugetlbfs /dev/hugepages%s && systemctl restart %s",
			       suffix ? suffix : size, size, suffix ? suffix : size,
			       check_daemon(host));
}

/* What keeps a guest that was asked for from starting, as plan and prepare say it */
static enum refusal find_refusal(const struct check_host *host, size_t index, uint64_t *page_kib,
				 struct err *err)
{
	const struct libvirt_guest *known = &host->libvirt.guests[index];

	if (!known->guest || !check_wants(host, known->name, known->guest->uuid))
		return REFUSAL_NONE;
	return refusal_find(known->guest, host->view, config_hugepages(host->config)->manage,
			    page_kib, err);
}

/* Of a hugetlbfs that is missing the first guest is told, of one that is too small each.
 * Return: whether one is missing */
static bool check_refusals(const struct check_host *host, uint64_t page_kib,
			   struct findings *findings)
{
	bool missing = false;
	size_t i;

	for (i = 0; i < host->libvirt.n; i++) {
		uint64_t kib = 0;
		struct err err;
		enum refusal found = find_refusal(host, i, &kib, &err);

		if (found == REFUSAL_MOUNT_YET)
			found = REFUSAL_MOUNT;
		if (kib != page_kib || (found != REFUSAL_MOUNT && found != REFUSAL_LIMIT) ||
		    (found == REFUSAL_MOUNT && missing))
			continue;
		finding_add(findings, FINDING_FAIL,
			    found == REFUSAL_LIMIT ? "too-small" : "not-mounted", "%s", err.text);
		finding_guest(findings, host->libvirt.guests[i].name);
		if (found == REFUSAL_LIMIT)
			finding_remedy(findings,
				       "grep -s hugetlbfs /etc/fstab /etc/systemd/system/*.mount");
		else
			add_remedy(host, page_kib, findings);
		missing = missing || found == REFUSAL_MOUNT;
	}
	return missing;
}

static void check_size(const struct check_host *host, size_t index, struct findings *findings)
{
	const struct check_mount *mount = &host->mounts[index];
	uint64_t page_kib = host->view->sizes[index].page_kib;
	const struct libvirt_guest *user = find_user(host, page_kib);
	char text[TEXT_KIB_SIZE];

	if (!user)
		return;
	/* Where libvirt's start will see to it, all is well */
	if (check_refusals(host, page_kib, findings) || host->view->hugetlbfs.by_conf ||
	    mount->known || !host->driver.runs || !*mount->where)
		return;
	/* No failure for certain: another one may have been there when it looked */
	finding_add(findings, FINDING_WARN, "mounted-too-late",
		    "guest '%s' wants pages of %s, and %s was mounted after libvirt had been "
		    "started, which looks for mounts only then: it will refuse to start the guest",
		    user->name, text_from_kib(page_kib, text), mount->where);
	finding_guest(findings, user->name);
	finding_remedy(findings, "systemctl restart %s", check_daemon(host));
}

static bool is_wanted(const struct check_host *host)
{
	size_t i;

	for (i = 0; i < host->view->n_sizes; i++)
		if (find_user(host, host->view->sizes[i].page_kib))
			return true;
	return false;
}

/* libvirt's own words are that "" switches huge pages off.  libvirt 9.0 was seen not to start
 * with it, and then can't name its guests.  With an empty list it does start */
static void check_conf(const struct check_host *host, struct findings *findings)
{
	const struct qemu_conf *conf = &host->view->qemu_conf;

	if (conf->hugetlbfs_blank && conf->n_hugetlbfs)
		finding_add(findings, FINDING_FAIL, "blank-beside-others",
			    "hugetlbfs_mount in /" QEMU_CONF_FILE
			    " names \"\" beside directories: libvirt's QEMU driver does not start "
			    "with it");
	else if (conf->hugetlbfs_blank && (!host->driver.runs || is_wanted(host)))
		finding_add(findings, FINDING_FAIL, "blank",
			    "hugetlbfs_mount = \"\" in /" QEMU_CONF_FILE
			    " switches huge pages off, and some versions of libvirt do not start "
			    "with it");
	else if (conf->hugetlbfs_off && !conf->hugetlbfs_blank && is_wanted(host))
		finding_add(findings, FINDING_FAIL, "switched-off",
			    "hugetlbfs_mount in /" QEMU_CONF_FILE
			    " is an empty list: libvirt has no huge pages for guests, and refuses "
			    "those that ask for them");
	else
		return;
	finding_remedy(findings, UNSET_MOUNT " /" QEMU_CONF_FILE " && systemctl restart %s",
		       check_daemon(host));
}

/* Sizes that the kernel does not have: the first guest that asks for one stands for all */
static void check_possible(const struct check_host *host, struct findings *findings)
{
	size_t i;

	for (i = 0; i < host->libvirt.n; i++) {
		struct err err;

		if (find_refusal(host, i, NULL, &err) != REFUSAL_SIZE)
			continue;
		finding_add(findings, FINDING_FAIL, "no-such-size", "%s", err.text);
		finding_edit(findings, host->libvirt.guests[i].name,
			     host->libvirt.guests[i].guest->uuid);
		return;
	}
}

/* libvirt asks each directory for the size of its pages, and gives up at the first failure */
static void check_named(const struct check_host *host, struct findings *findings)
{
	const struct qemu_conf *conf = &host->view->qemu_conf;
	size_t i;

	for (i = 0; i < conf->n_hugetlbfs; i++) {
		if (!host->no_hugetlbfs[i])
			continue;
		finding_add(
			findings, FINDING_FAIL, "not-hugetlbfs",
			"hugetlbfs_mount in /" QEMU_CONF_FILE
			" names %s, which is no hugetlbfs: libvirt's QEMU driver does not start "
			"with it",
			conf->hugetlbfs[i]);
		finding_remedy(findings, UNSET_MOUNT " /" QEMU_CONF_FILE " && systemctl restart %s",
			       check_daemon(host));
	}
}

/* In an unprivileged container */
static void check_writable(const struct check_host *host, struct findings *findings)
{
	if (!host->pools_read_only || !config_hugepages(host->config)->manage || !is_wanted(host))
		return;
	finding_add(findings, FINDING_FAIL, "read-only",
		    "/sys is mounted read-only: no huge pages can be made for guests, and those "
		    "that need more than are idle are refused; a container with libvirt has to be "
		    "privileged");
	finding_remedy(findings, "mount -o remount,rw,bind /sys");
}

void check_mounts(const struct check_host *host, struct findings *findings)
{
	size_t before = findings->n, i;

	check_writable(host, findings);
	check_possible(host, findings);
	check_conf(host, findings);
	check_named(host, findings);
	for (i = 0; i < host->view->n_sizes && !host->view->qemu_conf.hugetlbfs_off; i++)
		check_size(host, i, findings);
	if (findings->n == before && is_wanted(host))
		finding_add(findings, FINDING_PASS, "mounted",
			    "hugetlbfs is there for every size of huge pages that guests want%s",
			    host->driver.runs ? "" : ", or will be when libvirt starts");
}

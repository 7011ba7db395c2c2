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

static void not_mounted(const struct check_host *host, const struct libvirt_guest *user,
			uint64_t page_kib, struct findings *findings)
{
	char text[TEXT_KIB_SIZE], size[32];
	const char *suffix = page_kib == host->view->default_page_kib ? "" : size;

	finding_add(findings, FINDING_FAIL,
		    "guest '%s' wants pages of %s, and no hugetlbfs for them is mounted: libvirt "
		    "refuses to start it",
		    user->name, text_from_kib(page_kib, text));
	mount_size(page_kib, size);
	if (mounts_itself(host))
		finding_remedy(findings, "systemctl restart %s", check_daemon(host));
	else
		finding_remedy(findings,
			       "mkdir -p /dev/hugepages%s && mount -t hugetlbfs -o pagesize=%s "
			       "hugetlbfs /dev/hugepages%s && systemctl restart %s",
			       suffix, size, suffix, check_daemon(host));
}

static void not_named(const struct check_host *host, const struct libvirt_guest *user,
		      uint64_t page_kib, struct findings *findings)
{
	char text[TEXT_KIB_SIZE];

	finding_add(findings, FINDING_FAIL,
		    "guest '%s' wants pages of %s, and hugetlbfs_mount in /" QEMU_CONF_FILE
		    " names no hugetlbfs for them: libvirt refuses to start it",
		    user->name, text_from_kib(page_kib, text));
	finding_remedy(findings, UNSET_MOUNT " /" QEMU_CONF_FILE " && systemctl restart %s",
		       check_daemon(host));
}

/* size= of the hugetlbfs that libvirt takes for them: each guest that was asked for must fit */
static void check_limit(const struct check_host *host, uint64_t page_kib, struct findings *findings)
{
	const struct hugetlbfs_fs *fs = host_view_hugetlbfs(host->view, page_kib);
	char kib[TEXT_KIB_SIZE], max[TEXT_KIB_SIZE];
	size_t i, j;

	for (i = 0; fs && fs->max_kib && i < host->libvirt.n; i++) {
		const struct guest *guest = host->libvirt.guests[i].guest;
		uint64_t pages = 0;

		if (!guest || !check_wants(host, host->libvirt.guests[i].name, guest->uuid))
			continue;
		for (j = 0; j < guest->n_memory; j++)
			if (host_view_is_mounted(&guest->memory[j]) &&
			    host_view_page_kib(host->view, &guest->memory[j]) == page_kib)
				pages = u64_add_sat(
					pages, u64_div_up(guest->memory[j].size_kib, page_kib));
		if (u64_mul_sat(pages, page_kib) <= fs->max_kib)
			continue;
		finding_add(
			findings, FINDING_FAIL,
			"guest '%s' wants %s in huge pages, and %s, through which libvirt gives "
			"them out, was mounted with a size= of %s for all guests together",
			host->libvirt.guests[i].name,
			text_from_kib(u64_mul_sat(pages, page_kib), kib), fs->dir,
			text_from_kib(fs->max_kib, max));
		finding_remedy(findings,
			       "grep -s hugetlbfs /etc/fstab /etc/systemd/system/*.mount");
	}
}

static void check_size(const struct check_host *host, size_t index, struct findings *findings)
{
	const struct check_mount *mount = &host->mounts[index];
	uint64_t page_kib = host->view->sizes[index].page_kib;
	const struct libvirt_guest *user = find_user(host, page_kib);
	char text[TEXT_KIB_SIZE];

	if (!user)
		return;
	check_limit(host, page_kib, findings);
	if (host->view->hugetlbfs.by_conf) {
		if (!host_view_hugetlbfs(host->view, page_kib))
			not_named(host, user, page_kib, findings);
		return;
	}
	if (mount->known)
		return;
	/* The daemon's start will see to it */
	if (!host->driver.runs && (*mount->where || mounts_itself(host)))
		return;
	if (!*mount->where) {
		not_mounted(host, user, page_kib, findings);
		return;
	}
	/* No failure for certain: another one may have been there when it looked */
	finding_add(findings, FINDING_WARN,
		    "guest '%s' wants pages of %s, and %s was mounted after libvirt had been "
		    "started, which looks for mounts only then: it will refuse to start the guest",
		    user->name, text_from_kib(page_kib, text), mount->where);
	finding_remedy(findings, "systemctl restart %s", check_daemon(host));
}

/* @page_kib: Of a page size that the kernel does not have; 0: all are there */
static const struct libvirt_guest *find_impossible(const struct check_host *host,
						   uint64_t *page_kib)
{
	size_t i, j;

	for (i = 0; i < host->libvirt.n; i++) {
		const struct libvirt_guest *known = &host->libvirt.guests[i];

		for (j = 0; known->guest && j < known->guest->n_memory; j++) {
			const struct guest_memory *memory = &known->guest->memory[j];

			*page_kib = host_view_page_kib(host->view, memory);
			if (memory->hugepages && !host_view_size(host->view, *page_kib) &&
			    check_wants(host, known->name, known->guest->uuid))
				return known;
		}
	}
	return NULL;
}

static bool is_wanted(const struct check_host *host)
{
	size_t i;

	for (i = 0; i < host->view->n_sizes; i++)
		if (find_user(host, host->view->sizes[i].page_kib))
			return true;
	return false;
}

/* libvirt's own words are that it switches huge pages off.  libvirt 9.0 was seen not to start
 * with it: then there is nobody who could name the guests */
static void check_conf(const struct check_host *host, struct findings *findings)
{
	if (!host->view->qemu_conf.hugetlbfs_off || (host->driver.runs && !is_wanted(host)))
		return;
	finding_add(findings, FINDING_FAIL,
		    "hugetlbfs_mount = \"\" in /" QEMU_CONF_FILE
		    " switches huge pages off, and some versions of libvirt do not start with it");
	finding_remedy(findings, UNSET_MOUNT " /" QEMU_CONF_FILE " && systemctl restart %s",
		       check_daemon(host));
}

static void check_possible(const struct check_host *host, struct findings *findings)
{
	uint64_t page_kib = 0;
	const struct libvirt_guest *guest = find_impossible(host, &page_kib);
	char text[TEXT_KIB_SIZE];

	if (!guest)
		return;
	if (!page_kib)
		finding_add(findings, FINDING_FAIL,
			    "guest '%s' wants huge pages, and this kernel has none: boot one with "
			    "hugetlb, or take <hugepages/> out of the guest",
			    guest->name);
	else
		finding_add(findings, FINDING_FAIL,
			    "guest '%s' wants pages of %s, which this kernel or processor does "
			    "not have%s",
			    guest->name, text_from_kib(page_kib, text),
			    host_view_unit_hint(host->view, page_kib));
	finding_remedy(findings, "virsh edit %s", text_shell_name(guest->name, guest->guest->uuid));
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
			findings, FINDING_FAIL,
			"hugetlbfs_mount in /" QEMU_CONF_FILE
			" names %s, which is no hugetlbfs: libvirt's QEMU driver does not start "
			"with it",
			conf->hugetlbfs[i]);
		finding_remedy(findings, UNSET_MOUNT " /" QEMU_CONF_FILE " && systemctl restart %s",
			       check_daemon(host));
	}
}

void check_mounts(const struct check_host *host, struct findings *findings)
{
	size_t before = findings->n, i;

	check_possible(host, findings);
	check_conf(host, findings);
	check_named(host, findings);
	for (i = 0; i < host->view->n_sizes && !host->view->qemu_conf.hugetlbfs_off; i++)
		check_size(host, i, findings);
	if (findings->n == before && is_wanted(host))
		finding_add(findings, FINDING_PASS,
			    "hugetlbfs is there for every size of huge pages that guests want%s",
			    host->driver.runs ? "" : ", or will be when libvirt starts");
}

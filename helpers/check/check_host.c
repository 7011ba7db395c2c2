// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading what the checks judge, once for all of them.
 */
#include "check/check_host.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "config/qemu_conf.h"
#include "guest/guest_files.h"
#include "kernel/kfs.h"
#include "lifecycle/liveness.h"
#include "lifecycle/shared.h"
#include "memory/ksm.h"
#include "memory/mount.h"
#include "memory/store.h"
#include "policy/store_rules.h"
#include "report/page_scan.h"

bool check_wants(const struct check_host *host, const char *name, const char *uuid)
{
	size_t i;

	for (i = 0; i < host->n_names; i++)
		if (!strcmp(host->names[i], name) || !strcasecmp(host->names[i], uuid))
			return true;
	return !host->n_names;
}

const char *check_daemon(const struct check_host *host)
{
	return *host->driver.comm ? host->driver.comm : "libvirtd";
}

bool check_guest_has_files(const struct libvirt_guest *guest)
{
	size_t i;

	for (i = 0; guest->guest && i < guest->guest->n_memory; i++)
		if (guest_memory_is_file(&guest->guest->memory[i]))
			return true;
	return false;
}

/* ---- libvirt's daemon ---- */

static void read_driver(const struct kfs *kfs, struct check_driver *driver)
{
	static const struct process none;
	char path[KFS_PATH_SIZE];
	struct process found;

	/* Without a driver, liveness_driver() would return our own parent */
	driver->runs = liveness_driver_alive(kfs, &none);
	if (!driver->runs)
		return;
	found = liveness_driver(kfs);
	if (!found.pid || !found.start)
		return;
	snprintf(path, sizeof(path), "proc/%d/comm", found.pid);
	if (kfs_read(kfs, path, driver->comm, sizeof(driver->comm), NULL) < 0)
		driver->comm[0] = '\0';
}

/* ---- stores ---- */

static void find_missing(const struct kfs *kfs, bool captured, const struct store_view *store,
			 struct check_store *more)
{
	const struct config_store *config = &store->config;

	if (!store_is_waiting(store))
		return;
	if (*config->source == '/' && !kfs_exists(kfs, config->source + 1))
		snprintf(more->missing, sizeof(more->missing), "there is no %s", config->source);
	/* libmount knows the devices and the fstab of this host only */
	else if (!captured && !mount_has_device(config->source))
		snprintf(more->missing, sizeof(more->missing), "there is no device with %s",
			 config->source);
	else if (!captured && !*config->source && !*config->fstype && !mount_in_fstab(config->path))
		snprintf(more->missing, sizeof(more->missing),
			 "it has no source, and /etc/fstab has no line for its path");
}

static bool is_passable(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || st.st_mode & S_IXOTH;
}

/* Through the directories as libvirt makes them, "libvirt" and "libvirt/qemu" */
static void find_impassable(const struct kfs *kfs, const struct store_view *store,
			    const struct qemu_conf *conf, struct check_store *more)
{
	static const char *const parts[] = { "libvirt", "libvirt/qemu" };
	const char *dir = qemu_conf_memory_dir(conf);
	size_t i;

	if (!store->in_use || !store->state.present || !*qemu_conf_memory_below(conf))
		return;
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		cleanup_close int fd = store_open_base(kfs, dir, parts[i], false, NULL);

		if (fd < 0 || is_passable(fd))
			continue;
		snprintf(more->impassable, sizeof(more->impassable), "%s/%s",
			 strcmp(dir, "/") ? dir : "", parts[i]);
		return;
	}
}

static int read_stores(const struct kfs *kfs, bool captured, const struct host_view *view,
		       struct check_host *host, struct err *err)
{
	struct check_store *stores = calloc(view->n_stores + 1, sizeof(*stores));
	size_t i;

	if (!stores)
		return err_nomem(err);
	for (i = 0; i < view->n_stores; i++) {
		find_missing(kfs, captured, &view->stores[i], &stores[i]);
		find_impassable(kfs, &view->stores[i], &view->qemu_conf, &stores[i]);
	}
	host->stores = stores;
	return 0;
}

/* ---- hooks ---- */

/* By what tells a distribution's kind of packages.  What dpkg does not know was installed by
 * hand, or never: apt-get would not find it */
static const char *how_to_reinstall(const struct kfs *kfs)
{
	if (kfs_exists(kfs, "var/lib/dpkg/info/libvirt-membacking.list"))
		return "apt-get install --reinstall libvirt-membacking";
	return kfs_exists(kfs, "usr/bin/dnf") ? "dnf reinstall libvirt-membacking" : "make install";
}

static void read_hooks(const struct kfs *kfs, struct check_hooks *hooks)
{
	struct process daemon;
	size_t i;

	for (i = 0; hooks->rc == 0 && i < HOOK_KINDS; i++)
		hooks->rc = hook_link_read(kfs, (enum hook_kind)i, &hooks->links[i], &hooks->why);
	if (hooks->rc < 0)
		return;
	hooks->seen = hook_seen(kfs, &hooks->links[HOOK_QEMU], &daemon, &hooks->seen_why);
	hooks->reinstall = how_to_reinstall(kfs);
}

/* ---- huge pages ---- */

static int read_mounts(const struct kfs *kfs, const struct host_view *view, struct check_host *host,
		       struct err *err)
{
	struct check_mount *mounts = calloc(view->n_sizes + 1, sizeof(*mounts));
	struct hugetlbfs_fs fs;
	size_t i;

	if (!mounts)
		return err_nomem(err);
	for (i = 0; i < view->n_sizes; i++)
		mounts[i].known = hugetlbfs_known(kfs, view->sizes[i].page_kib,
						  view->default_page_kib, mounts[i].where);
	host->mounts = mounts;
	host->pools_read_only = view->pools_read_only;
	for (i = 0; i < view->qemu_conf.n_hugetlbfs; i++)
		host->no_hugetlbfs[i] = hugetlbfs_at(kfs, view->qemu_conf.hugetlbfs[i],
						     view->default_page_kib, &fs) == 0;
	return 0;
}

/* A guest that starts with the host wants huge pages, or any wants pages of a GiB: only then
 * every page is looked at */
static bool wants_room(const struct libvirt_guest *known, const struct host_view *view)
{
	size_t i;

	if (known->autostart)
		return true;
	for (i = 0; i < known->guest->n_memory; i++)
		if (known->guest->memory[i].hugepages &&
		    host_view_page_kib(view, &known->guest->memory[i]) >= KIB_PER_GIB)
			return true;
	return false;
}

static void read_fragmentation(const struct kfs *kfs, const struct host_view *view,
			       struct check_host *host)
{
	bool asks = false, exact = false;
	size_t i;

	for (i = 0; i < host->libvirt.n; i++) {
		const struct libvirt_guest *known = &host->libvirt.guests[i];

		if (!known->guest || !guest_asks_for_hugepages(known->guest))
			continue;
		asks = true;
		exact = exact || wants_room(known, view);
	}
	if (asks)
		host->has_fragmentation = fragmentation_read(kfs, &host->fragmentation, NULL) == 0;
	if (host->has_fragmentation && exact)
		page_scan_read(kfs, view, &host->fragmentation, NULL, PAGE_SCAN_PATIENCE_MS);
}

/* ---- guests ---- */

static int read_running(const struct kfs *kfs, struct check_host *host, struct err *err)
{
	bool *runs = calloc(host->libvirt.n + 1, sizeof(*runs));
	size_t i;

	if (!runs)
		return err_nomem(err);
	for (i = 0; i < host->libvirt.n; i++)
		runs[i] = liveness_qemu(kfs, host->libvirt.guests[i].name, NULL);
	host->runs = runs;
	return 0;
}

static int read_qemus(const struct kfs *kfs, const struct ledgers *ledgers, struct check_host *host,
		      struct err *err)
{
	bool *has_qemu = calloc(ledgers->n + 1, sizeof(*has_qemu));
	size_t i;

	if (!has_qemu)
		return err_nomem(err);
	for (i = 0; i < ledgers->n; i++)
		has_qemu[i] = liveness_qemu(kfs, ledgers->list[i]->name, NULL);
	host->has_qemu = has_qemu;
	return 0;
}

/* ---- KSM ---- */

static void read_ksm(const struct session *session, struct check_ksm *ksm)
{
	struct shared_setting setting;
	struct ksm found;

	if (ksm_read(session->kfs, &found, NULL) == 0)
		ksm->run = found.run;
	ksm->ours = shared_load(&session->state, session->boot_id, "ksm-run", &setting, NULL) == 0;
	ksm->left = shared_waits(&session->state, session->boot_id, &session->ledgers, STEP_KSM);
	ksm_tuners_find(session->kfs, ksm->tuners);
}

/* ---- the pager ---- */

static void read_pager(const struct session *session, struct check_pager *pager)
{
	const struct config_overcommit *overcommit = config_overcommit(session->config);

	overcommit_ask(session, overcommit->enable, &pager->answer);
	if (overcommit->enable)
		tier_rooms_read(session->kfs, &overcommit->tiers, pager->rooms);
}

/* Ids come first, as with virsh: they are names from here on */
static void name_ids(struct check_host *host)
{
	uint64_t id;
	size_t i, j;

	for (i = 0; i < host->n_names; i++)
		for (j = 0; text_to_u64(host->names[i], &id) == 0 && j < host->libvirt.n; j++)
			if (id && host->libvirt.guests[j].id == id) {
				host->names[i] = host->libvirt.guests[j].name;
				break;
			}
}

int check_host_read(const struct check_scope *scope, const struct session *session,
		    struct check_host *host, struct err *err)
{
	const struct kfs *kfs = session->kfs;
	size_t i;
	int rc;

	*host = (struct check_host){
		.n_names = scope->n_names,
		.names = scope->names,
		.captured = scope->captured,
		.config = session->config,
		.ledgers = &session->ledgers,
		.view = &session->host,
	};
	read_driver(kfs, &host->driver);
	read_ksm(session, &host->ksm);
	read_pager(session, &host->pager);
	gigantic_read(kfs, &host->gigantic);
	read_hooks(kfs, &host->hooks);
	security_read(kfs, host->hooks.links[HOOK_QEMU].program, store_in_use(host->view),
		      &host->security);
	nova_conf_load(kfs->rootfd, &host->nova);
	others_find(kfs, host->view->qemu_conf.memory_backing_dir, &host->others);
	rc = read_stores(kfs, scope->captured, host->view, host, err);
	if (rc == 0)
		rc = read_mounts(kfs, host->view, host, err);
	if (rc == 0)
		rc = read_qemus(kfs, host->ledgers, host, err);
	if (rc == 0)
		rc = scope->captured ? libvirt_host_read(kfs, &host->libvirt, err) :
				       libvirt_host_ask(&host->libvirt, err);
	if (rc == 0)
		name_ids(host);
	for (i = 0; rc == 0 && i < host->libvirt.n; i++)
		if (host->libvirt.guests[i].guest)
			rc = guest_extras_find(kfs, host->libvirt.guests[i].guest, err);
	if (rc == 0)
		rc = read_running(kfs, host, err);
	if (rc == 0)
		read_fragmentation(kfs, host->view, host);
	if (rc < 0)
		check_host_free(host);
	return rc;
}

void check_host_free(struct check_host *host)
{
	libvirt_host_free(&host->libvirt);
	overcommit_answer_free(&host->pager.answer);
	free((void *)host->stores);
	free((void *)host->has_qemu);
	free((void *)host->runs);
	free((void *)host->mounts);
	fragmentation_free(&host->fragmentation);
	*host = (struct check_host){ 0 };
}

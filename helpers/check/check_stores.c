// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Findings: stores of file-backed memory.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "check/check.h"
#include "config/qemu_conf.h"
#include "policy/store_rules.h"
#include "policy/store_text.h"

#define LABEL_SIZE (CONFIG_NAME_SIZE + CONFIG_PATH_SIZE + 16)

static void pass(const struct store_view *store, struct findings *findings)
{
	char label[LABEL_SIZE], size[TEXT_KIB_SIZE], available[TEXT_KIB_SIZE];
	const struct store_state *state = &store->state;

	store_text_label(store, label, sizeof(label));
	if (store_is_waiting(store))
		finding_add(findings, FINDING_PASS, "waits",
			    "%s will be mounted for the first guest", label);
	else if (!state->present)
		finding_add(findings, FINDING_PASS, "would-be", "file-backed memory would be in %s",
			    label);
	else if (store->configured && state->mountpoint && state->mount.part)
		finding_add(
			findings, FINDING_WARN, "part",
			"%s is a directory of a larger file system (%s on %s), by a bind mount: "
			"what others write there takes its room, and in a container that is what "
			"is seen where the host has not mounted the store",
			label, state->mount.fstype, state->mount.source);
	else if (store->configured)
		finding_add(findings, FINDING_PASS, "ready",
			    "%s is %s with %s, %s of them available", label, state->mount.fstype,
			    text_from_kib(state->capacity_kib, size),
			    text_from_kib(state->available_kib, available));
	else
		finding_add(findings, FINDING_PASS, "default",
			    "no [store] is configured; file-backed memory lies in %s, on %s", label,
			    state->mount.fstype);
}

static void remedy(const struct store_view *store, int rc, struct findings *findings)
{
	const char *path = store->config.path;

	/* Paths come from the administrator; one that a shell takes apart is left to him */
	if (!text_is_shell_word(path))
		return;
	if (rc == -ENOENT && !store->state.present)
		finding_remedy(findings, "mkdir -p %s", path);
	else if (rc == -ENOENT)
		finding_remedy(findings, "mount %s", path);
	else if (rc == -EROFS)
		finding_remedy(findings, "mount -o remount,rw %s", store->state.mount.target);
	else if (rc == -EACCES)
		finding_remedy(findings, "chmod o+x %s", path);
}

static const char *problem_id(int rc)
{
	switch (rc) {
	case -ENOENT:
		return "not-there";
	case -EROFS:
		return "read-only";
	case -EACCES:
		return "not-accessible";
	case -EINVAL:
		return "something-else";
	default:
		return "unusable";
	}
}

static void check_state(const struct store_view *store, const struct check_store *more,
			struct findings *findings)
{
	char label[LABEL_SIZE];
	struct err problem;
	int rc = store_problem(store, &problem);

	if (rc < 0) {
		finding_add(findings, FINDING_FAIL, problem_id(rc), "%s", problem.text);
		remedy(store, rc, findings);
	} else if (store_is_waiting(store) && *more->missing) {
		finding_add(findings, FINDING_FAIL, "device-missing", "%s can't be mounted: %s",
			    store_text_label(store, label, sizeof(label)), more->missing);
		finding_remedy(findings, "lsblk --fs");
	} else {
		pass(store, findings);
	}
	if (!*more->impassable)
		return;
	finding_add(
		findings, FINDING_WARN, "impassable",
		"%s can't be entered by QEMU's user; the next guest that starts with "
		"file-backed memory makes it so, and memory plugged into one that runs needs it "
		"before",
		more->impassable);
	finding_remedy(findings, "chmod a+x %s", more->impassable);
}

/* All guests that start with the host find room in it, or some would be refused */
static void check_autostart(const struct check_host *host, const struct store_view *store,
			    struct findings *findings)
{
	char label[LABEL_SIZE], wanted[TEXT_KIB_SIZE], capacity[TEXT_KIB_SIZE], keep[TEXT_KIB_SIZE];
	const struct guest *last = NULL;
	uint64_t kib = 0;
	size_t i;

	for (i = 0; i < host->libvirt.n; i++) {
		if (!host->libvirt.guests[i].autostart ||
		    !check_guest_has_files(&host->libvirt.guests[i]))
			continue;
		last = host->libvirt.guests[i].guest;
		kib = u64_add_sat(kib, guest_file_kib(last));
	}
	if (!store->state.capacity_kib || store_is_waiting(store) ||
	    u64_add_sat(kib, store_keep_free(store)) <= store->state.capacity_kib)
		return;
	finding_add(
		findings, FINDING_WARN, "autostart",
		"guests that start with the host want %s of file-backed memory, and %s has %s, of "
		"which %s are kept free: some of them will be refused",
		text_from_kib(kib, wanted), store_text_label(store, label, sizeof(label)),
		text_from_kib(store->state.capacity_kib, capacity),
		text_from_kib(store_keep_free(store), keep));
	if (last)
		finding_remedy(findings, "virsh autostart --disable %s",
			       text_shell_name(last->name, last->uuid));
}

static void check_root(const struct check_host *host, const struct store_view *store,
		       struct findings *findings)
{
	size_t i;

	if (store->configured || !store->state.root)
		return;
	for (i = 0; i < host->libvirt.n; i++) {
		if (!check_guest_has_files(&host->libvirt.guests[i]))
			continue;
		finding_add(findings, FINDING_HINT, "root-filesystem",
			    "guests with file-backed memory ('%s') could fill the host's root file "
			    "system; a [store] in /%s gives their memory a file system of its own",
			    host->libvirt.guests[i].name, CONFIG_FILE);
		return;
	}
}

static void check_unused(const struct check_host *host, struct findings *findings)
{
	const struct host_view *view = host->view;
	char label[LABEL_SIZE];
	size_t i;

	for (i = 0; i < view->n_stores; i++)
		if (!view->stores[i].in_use)
			finding_add(findings, FINDING_HINT, "unused",
				    "%s is not in use: libvirt puts file-backed memory in %s",
				    store_text_label(&view->stores[i], label, sizeof(label)),
				    qemu_conf_memory_dir(&view->qemu_conf));
}

static void check_driver(const struct check_host *host, struct findings *findings)
{
	char doubt[512];
	struct err problem;

	if (store_check_daemon(host->view, &problem) < 0)
		finding_add(findings, FINDING_FAIL, "daemon-elsewhere", "%s", problem.text);
	else if (store_doubts_daemon(host->view, doubt, sizeof(doubt)))
		finding_add(findings, FINDING_WARN, "daemon-doubtful", "%s", doubt);
	else
		return;
	finding_remedy(findings, "systemctl restart %s", check_daemon(host));
}

/* memory_backing_dir leads elsewhere, or says nothing that could be understood */
static void no_store(const struct check_host *host, const struct err *problem,
		     struct findings *findings)
{
	const struct host_view *view = host->view;
	unsigned int line = view->qemu_conf.memory_backing_line;
	char where[64];

	finding_add(findings, FINDING_FAIL, "no-match", "%s", problem->text);
	snprintf(where, sizeof(where), "/" QEMU_CONF_FILE ":%u", line);
	if (line && view->qemu_conf.memory_backing_unreadable)
		finding_remedy_line(findings, where);
	else if (line && view->n_stores && text_is_shell_word(view->stores[0].config.path))
		finding_remedy(findings,
			       "sed -i '%uc memory_backing_dir = \"%s\"' /" QEMU_CONF_FILE
			       " && systemctl restart %s",
			       line, view->stores[0].config.path, check_daemon(host));
	else if (!line)
		finding_remedy(findings, "virt-membacking conf apply file-backed");
}

void check_stores(const struct check_host *host, struct findings *findings)
{
	const struct store_view *used = NULL;
	struct err problem;
	size_t i;

	if (!host->view->stores_read) {
		finding_add(findings, FINDING_FAIL, "unreadable", "%s", host->stores_why);
		return;
	}
	if (store_choose(host->view, "", &used, &problem) < 0)
		no_store(host, &problem, findings);
	else
		for (i = 0; i < host->view->n_stores; i++)
			if (&host->view->stores[i] == used)
				check_state(used, &host->stores[i], findings);
	if (used) {
		check_root(host, used, findings);
		check_autostart(host, used, findings);
		check_unused(host, findings);
	}
	check_driver(host, findings);
}

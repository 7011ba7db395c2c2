// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The profile file-backed.
 */
#include "profiles/file_backed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "kernel/kfs.h"
#include "memory/thp.h"
#include "policy/host_view.h"
#include "profiles/profile.h"
#include "profiles/template.h"

TEMPLATE(store_conf, "conf-snippets/file-backed/membacking.conf");
TEMPLATE(store_tmpfiles, "conf-snippets/file-backed/tmpfiles.conf");
TEMPLATE(store_qemu_conf, "conf-snippets/file-backed/qemu.conf");
TEMPLATE(store_apparmor, "conf-snippets/file-backed/apparmor");
TEMPLATE(store_selinux, "conf-snippets/file-backed/selinux");

/* A store of the administrator's, the one in use first.  Ours is seen too once it is there */
static const struct store_view *given_store(const struct host_view *host)
{
	const struct store_view *found = NULL;
	size_t i;

	for (i = 0; i < host->n_stores; i++) {
		const struct store_view *store = &host->stores[i];

		if (!store->configured || !strcmp(store->config.name, FILE_BACKED_STORE))
			continue;
		if (store->in_use)
			return store;
		if (!found)
			found = store;
	}
	return found;
}

/* The directory may be one below the store's */
static const char *memory_dir(const struct host_view *host, const struct store_view *store)
{
	if (!store)
		return FILE_BACKED_DIR;
	if (store->in_use && *host->qemu_conf.memory_backing_dir)
		return host->qemu_conf.memory_backing_dir;
	return store->config.path;
}

static int add_filled(struct parts *parts, enum part_kind kind, const char *path,
		      const char *template, const struct template_value *values, struct err *err)
{
	cleanup_free char *text = NULL;
	int rc = template_fill(template, values, &text, err);

	return rc < 0 ? rc : profile_parts_add(parts, kind, path, text, err);
}

/* A tmpfs in huge pages, where the kernel has them for tmpfs: else mounting it would fail */
static int add_store(const struct kfs *kfs, struct parts *parts, struct err *err)
{
	struct thp thp = { 0 };
	const struct template_value values[] = {
		{ "@PATH@", FILE_BACKED_DIR },
		{ "@NAME@", FILE_BACKED_STORE },
		{ "@OPTIONS@", thp_read(kfs, &thp, NULL) == 0 && *thp.shmem_enabled ?
				       "options = huge=within_size" :
				       "options =" },
		{ NULL, NULL },
	};
	int rc = add_filled(parts, PART_FILE, CONFIG_DIR "/20-file-backed.conf", store_conf, values,
			    err);

	if (rc < 0)
		return rc;
	return add_filled(parts, PART_FILE, SYSCONF_DIR "/tmpfiles.d/membacking-file-backed.conf",
			  store_tmpfiles, values, err);
}

static int add_key(struct parts *parts, const char *dir, const struct template_value *values,
		   struct err *err)
{
	cleanup_free char *text = NULL;
	int rc = template_fill(store_qemu_conf, values, &text, err);

	return rc < 0 ? rc :
			profile_parts_add_key(parts, QEMU_CONF_FILE, text, "memory_backing_dir",
					      dir, err);
}

static bool apparmor_enforces(const struct kfs *kfs)
{
	char word[8];

	return kfs_read(kfs, "sys/module/apparmor/parameters/enabled", word, sizeof(word), NULL) >=
		       0 &&
	       word[0] == 'Y';
}

/* Only for what is in force here */
static int add_shown(const struct kfs *kfs, struct parts *parts,
		     const struct template_value *values, struct err *err)
{
	int rc = 0;

	if (apparmor_enforces(kfs))
		rc = add_filled(parts, PART_SHOWN,
				SYSCONF_DIR "/apparmor.d/local/abstractions/libvirt-qemu",
				store_apparmor, values, err);
	if (rc == 0 && kfs_exists(kfs, "sys/fs/selinux/enforce"))
		rc = add_filled(parts, PART_SHOWN, "SELinux", store_selinux, values, err);
	return rc;
}

int file_backed_fill(const struct kfs *kfs, const struct host_view *host, struct parts *parts,
		     struct err *err)
{
	const struct store_view *store = given_store(host);
	const char *dir = memory_dir(host, store);
	const struct template_value values[] = { { "@PATH@", dir }, { NULL, NULL } };
	int rc;

	if (strpbrk(dir, "\"\n"))
		return err_set(err, EINVAL, "%s has a character that qemu.conf can't have", dir);
	rc = add_key(parts, dir, values, err);
	if (rc == 0 && !store)
		rc = add_store(kfs, parts, err);
	return rc < 0 ? rc : add_shown(kfs, parts, values, err);
}

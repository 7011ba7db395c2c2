// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The profile nova-file-backed.
 */
#include "profiles/nova_file_backed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "policy/store_rules.h"
#include "profiles/profile.h"
#include "profiles/template.h"

TEMPLATE(nova_conf, "conf-snippets/nova-file-backed/nova.conf");

uint64_t nova_store_mib(const struct store_view *store)
{
	return store->state.capacity_kib / KIB_PER_MIB;
}

uint64_t nova_usable_mib(const struct store_view *store)
{
	uint64_t kib = store->state.available_kib;
	size_t i;

	for (i = 0; i < store->n_promises; i++)
		kib = u64_add_sat(kib, store->promises[i].used_kib);
	return u64_sub_floor(kib, store_keep_free(store)) / KIB_PER_MIB;
}

int nova_store_check(const struct store_view *store, struct err *err)
{
	const char *path = store->config.path;

	if (store->configured && !store->state.mountpoint)
		return err_set(err, ENOENT,
			       "store '%s' is not mounted on %s, so its size is unknown: %s",
			       store->config.name, path,
			       store->config.mount == MOUNT_DAEMON ?
				       "libvirt mounts it when it starts (mount = daemon): restart "
				       "libvirt's QEMU daemon" :
			       store->config.mount == MOUNT_PREPARE ?
				       "it is mounted for the first guest that needs it; mount it "
				       "now, or set mount = daemon in its [store]" :
				       "mount it");
	if (!store->configured && (store->state.root || !store->state.present))
		return err_set(err, ENOENT,
			       "no store is mounted: file-backed memory would be in %s, on the "
			       "host's root file system; configure a [store] in /%s",
			       path, CONFIG_FILE);
	if (!store->state.capacity_kib)
		return err_set(err, EINVAL, "%s on %s has no size that could be told to Nova",
			       store->state.mount.fstype, path);
	return store_verify(store, err);
}

int nova_file_backed_fill(const struct host_view *host, char **text, struct err *err)
{
	char path[CONFIG_PATH_SIZE], mib[24], usable[24], keep[TEXT_KIB_SIZE];
	const struct template_value values[] = {
		{ "@PATH@", path },	 { "@MIB@", mib }, { "@USABLE@", usable },
		{ "@KEEP_FREE@", keep }, { NULL, NULL },
	};
	const struct store_view *store = NULL;
	int rc = store_choose(host, "", &store, err);

	if (rc == 0)
		rc = nova_store_check(store, err);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "%s", store->config.path);
	snprintf(mib, sizeof(mib), "%" PRIu64, nova_store_mib(store));
	snprintf(usable, sizeof(usable), "%" PRIu64, nova_usable_mib(store));
	text_from_kib(store_keep_free(store), keep);
	return template_fill(nova_conf, values, text, err);
}

int nova_file_backed_parts(const struct kfs *kfs, const struct host_view *host, struct parts *parts,
			   struct err *err)
{
	cleanup_free char *text = NULL;
	int rc = nova_file_backed_fill(host, &text, err);

	(void)kfs;
	return rc < 0 ? rc : profile_parts_add(parts, PART_FILE, NOVA_FILE_BACKED_FILE, text, err);
}

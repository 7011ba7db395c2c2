// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The table of profiles.
 */
#include "profiles/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"
#include "config/nova_conf.h"
#include "config/qemu_conf.h"
#include "profiles/file_backed.h"
#include "profiles/hugepages_profiles.h"
#include "profiles/nova_file_backed.h"
#include "profiles/sharing_profiles.h"

const struct profile profiles[] = {
	{
		.name = "file-backed",
		.summary = "guest memory in files of a store",
		.file = "/" QEMU_CONF_FILE,
		.fill = file_backed_fill,
	},
	{
		.name = "hugepages",
		.summary = "huge pages, allocated when a guest starts",
		.file = "/" CONFIG_DIR "/20-hugepages.conf",
		.fill = profile_hugepages_fill,
	},
	{
		.name = "hugepages-1g",
		.summary = "1 GiB pages: mounted at boot, kept after first use",
		.file = "/" CONFIG_DIR "/20-hugepages-1g.conf",
		.applied = RELOAD_START_1G | RELOAD_LIBVIRT,
		.removed = RELOAD_STOP_1G,
		.fill = profile_hugepages_1g_fill,
	},
	{
		.name = "static-hugepages",
		.summary = "recreate today's pools early at every boot",
		.file = "/" STATIC_HUGEPAGES_FILE,
		.applied = RELOAD_STATIC,
		.fill = profile_static_hugepages_fill,
	},
	{
		.name = "thp",
		.summary = "transparent huge pages while guests run",
		.file = "/" CONFIG_DIR "/20-thp.conf",
		.fill = profile_thp_fill,
	},
	{
		.name = "ksm",
		.summary = "merge identical pages (KSM) while guests run",
		.file = "/" CONFIG_DIR "/20-ksm.conf",
		.applied = RELOAD_KSM_TUNERS,
		.fill = profile_ksm_fill,
	},
	{
		.name = "nova-file-backed",
		.summary = "OpenStack Nova with guest memory in the store",
		.file = "/" NOVA_FILE_BACKED_FILE,
		.applied = RELOAD_NOVA,
		.removed = RELOAD_NOVA,
		.fill = nova_file_backed_parts,
	},
};

const size_t n_profiles = ARRAY_SIZE(profiles);

const struct profile *profile_find(const char *name)
{
	size_t i;

	for (i = 0; i < n_profiles; i++)
		if (!strcmp(profiles[i].name, name))
			return &profiles[i];
	return NULL;
}

/* ---- parts ---- */

void profile_parts_free(struct parts *parts)
{
	size_t i;

	for (i = 0; i < parts->n; i++) {
		free(parts->part[i].text);
		free(parts->part[i].value);
	}
	parts->n = 0;
}

static int add(struct parts *parts, const struct part *part, struct err *err)
{
	if (part->text && (!part->key || part->value) && parts->n < PARTS_MAX) {
		parts->part[parts->n++] = *part;
		return 0;
	}
	free(part->text);
	free(part->value);
	return err_nomem(err);
}

int profile_parts_add(struct parts *parts, enum part_kind kind, const char *path, const char *text,
		      struct err *err)
{
	const struct part part = { .kind = kind, .path = path, .text = strdup(text) };

	return add(parts, &part, err);
}

int profile_parts_add_key(struct parts *parts, const char *path, const char *text, const char *key,
			  const char *value, struct err *err)
{
	const struct part part = {
		.kind = PART_QEMU_CONF,
		.path = path,
		.text = strdup(text),
		.key = key,
		.value = strdup(value),
	};

	return add(parts, &part, err);
}

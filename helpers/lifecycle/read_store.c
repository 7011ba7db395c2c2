// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A store as it is now, and what lies in a guest's directories there.
 */
#include "lifecycle/read_store.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "policy/store_place.h"
#include "policy/store_rules.h"

/* A file system in memory has no real source: any name will do */
static bool has_wrong_source(const struct store_view *view)
{
	return *view->config.source && view->state.mountpoint && !view->state.in_ram &&
	       !mount_source_is(view->config.source, view->state.mount.source);
}

/* Where there is no [store] the directory need not be there yet: then it is what it
 * will be made in that counts */
static int read_state(const struct kfs *kfs, struct store_view *view, struct err *err)
{
	char path[QEMU_CONF_PATH_SIZE];
	int rc = store_read(kfs, view->config.path, &view->state, err);

	snprintf(path, sizeof(path), "%s", view->config.path);
	while (rc == 0 && !view->configured && !view->state.present && path[1]) {
		char *slash = strrchr(path, '/');

		/* "/", and not "", is above "/srv" */
		slash[slash == path] = '\0';
		rc = store_read(kfs, path, &view->state, err);
	}
	return rc;
}

int read_store(const struct kfs *kfs, struct store_view *view, struct err *err)
{
	int rc = read_state(kfs, view, err);

	if (rc < 0)
		return rc;
	view->unreadable[0] = '\0';
	view->wrong_source = has_wrong_source(view);
	return 0;
}

static struct store_use use_in(const struct kfs *kfs, const struct step_store *files,
			       const char *dir, const char *below)
{
	cleanup_close int base = store_open_base(kfs, dir, below, false, NULL);
	char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE];
	size_t n = store_directories(files, names), i;
	struct store_use sum = { 0 };

	for (i = 0; base >= 0 && i < n; i++) {
		struct store_use use = store_guest_use(base, names[i]);

		sum.held_kib = u64_add_sat(sum.held_kib, use.held_kib);
		sum.size_kib = u64_add_sat(sum.size_kib, use.size_kib);
	}
	return sum;
}

struct store_use read_store_use(const struct kfs *kfs, const struct step_store *files)
{
	return use_in(kfs, files, files->dir, files->below);
}

struct store_use read_store_use_elsewhere(const struct kfs *kfs, const struct step_store *files)
{
	char dir[QEMU_CONF_PATH_SIZE];
	const char *below;

	if (!*files->lies_in || !store_place_split(files->lies_in, dir, &below))
		return (struct store_use){ 0 };
	return use_in(kfs, files, dir, below);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading the host: hugetlbfs mounts, and what libvirt makes of them.
 */
#include "lifecycle/view_hugetlbfs.h"

#include <stdlib.h>

#include "config/qemu_conf.h"
#include "kernel/kfs.h"
#include "lifecycle/hook_link.h"
#include "lifecycle/liveness.h"
#include "memory/hugetlbfs.h"
#include "policy/host_view.h"

/* Directories that are no hugetlbfs are left out: libvirt does not start with them */
static int read_named(const struct kfs *kfs, const struct qemu_conf *conf, uint64_t default_kib,
		      struct hugetlbfs_view *view)
{
	size_t i;

	view->list = calloc(conf->n_hugetlbfs + 1, sizeof(*view->list));
	if (!view->list)
		return -1;
	for (i = 0; i < conf->n_hugetlbfs; i++) {
		int rc = hugetlbfs_at(kfs, conf->hugetlbfs[i], default_kib, &view->list[view->n]);

		if (rc < 0)
			return rc;
		view->n += rc > 0;
	}
	return 0;
}

static void read_list(const struct kfs *kfs, const struct qemu_conf *conf, uint64_t default_kib,
		      struct hugetlbfs_view *view)
{
	static const struct process none;
	struct hook_link hook;
	int rc;

	view->by_conf = conf->hugetlbfs_mount;
	rc = view->by_conf ? read_named(kfs, conf, default_kib, view) :
			     hugetlbfs_list(kfs, default_kib, &view->list, &view->n);
	view->known = rc == 0;
	view->final = view->known && (view->by_conf || liveness_driver_alive(kfs, &none));
	view->hook_mounts = hook_link_read(kfs, HOOK_DAEMON, &hook, NULL) == 0 && hook.linked &&
			    hook.executable;
}

void view_hugetlbfs(const struct kfs *kfs, struct host_view *host)
{
	size_t i;

	qemu_conf_load(kfs->rootfd, &host->qemu_conf);
	read_list(kfs, &host->qemu_conf, host->default_page_kib, &host->hugetlbfs);
	host->bare_page_kib = host->default_page_kib;
	if (host->hugetlbfs.n && !host_view_hugetlbfs(host, host->default_page_kib))
		host->bare_page_kib = host->hugetlbfs.list[0].page_kib;
	for (i = 0; i < host->n_sizes; i++) {
		struct size_view *size = &host->sizes[i];
		const struct hugetlbfs_fs *fs = host_view_hugetlbfs(host, size->page_kib);

		size->mount_min = fs ? fs->min_kib / size->page_kib : 0;
	}
}

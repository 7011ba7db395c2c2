// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reading what running guests have, and may come to have, of the host's plain memory. */
#include "lifecycle/view_memory.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "guest/guest.h"
#include "lifecycle/live_guest.h"
#include "lifecycle/liveness.h"
#include "memory/smaps.h"
#include "policy/memory_promise.h"

/* The kernel walks a guest's page tables to tell what is shared, milliseconds for each GiB of
 * small pages, and others wait for the lock meanwhile.  Afterwards the plain sum will do */
#define SHARES_MS 1000

static int read_qemu(const struct kfs *kfs, pid_t pid, uint64_t deadline, struct smaps *smaps)
{
	int rc;

	if (clock_left_ms(deadline))
		return smaps_read(kfs, pid, smaps, NULL);
	*smaps = (struct smaps){ 0 };
	rc = smaps_read_resident(kfs, pid, &smaps->rss_kib, NULL);
	smaps->pss_kib = smaps->rss_kib;
	return rc;
}

static int add_guest(const struct kfs *kfs, const char *name, uint64_t deadline,
		     struct host_view *host)
{
	cleanup_guest struct guest *guest = NULL;
	struct smaps smaps;
	pid_t pid = 0;

	if (!liveness_qemu(kfs, name, &pid) || !pid || read_qemu(kfs, pid, deadline, &smaps) < 0)
		return 0;
	if (live_guest_read(kfs, name, &guest, NULL) < 0)
		guest = NULL;
	return memory_promise_add(host, name, guest, &smaps);
}

int view_memory(const struct kfs *kfs, struct host_view *host, struct err *err)
{
	uint64_t deadline = clock_ms() + SHARES_MS;
	char **names = NULL;
	size_t n = 0, i;
	int rc = 0;

	view_memory_free(host);
	liveness_running(kfs, &names, &n, NULL);
	for (i = 0; i < n; i++) {
		if (rc == 0)
			rc = add_guest(kfs, names[i], deadline, host);
		free(names[i]);
	}
	free(names);
	return rc < 0 ? err_set(err, -rc, "out of memory") : 0;
}

void view_memory_free(struct host_view *host)
{
	free(host->memory);
	host->memory = NULL;
	host->n_memory = 0;
}

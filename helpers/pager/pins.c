// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pins of all programs, less our own.
 *
 * The kernel counts pins that were taken and pins that were let go, per processor and over all
 * processes.  That both were equal at one moment proves that there was no pin then, whatever came
 * before.  A process that keeps a pin for long (registered buffers, VFIO) makes them never equal;
 * what is kept by this process is taken off.
 */
#include "pager/pins.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "kernel/kfs.h"

/* Our own, which stay as they are while the kernel's sums are read */
static struct {
	pthread_rwlock_t lock;
	uint64_t pages;
} own_pins = { .lock = PTHREAD_RWLOCK_INITIALIZER };

void pins_own(size_t pages)
{
	pthread_rwlock_wrlock(&own_pins.lock);
	own_pins.pages += pages;
	pthread_rwlock_unlock(&own_pins.lock);
}

void pins_disown(size_t pages)
{
	pthread_rwlock_wrlock(&own_pins.lock);
	own_pins.pages -= pages;
	pthread_rwlock_unlock(&own_pins.lock);
}

static bool read_counter(const struct kfs *kfs, const char *name, uint64_t *value)
{
	FILE *file = kfs_stream(kfs, "proc/vmstat");
	size_t length = strlen(name);
	bool found = false;
	char line[128];

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = strncmp(line, name, length) == 0 && line[length] == ' ' &&
			sscanf(line + length, "%lu", value) == 1;
	fclose(file);
	return found;
}

/* Add up what each processor has counted for itself */
static bool refresh(const struct kfs *kfs)
{
	return kfs_write(kfs, "proc/sys/vm/stat_refresh", "1", NULL) == 0;
}

/*
 * Both only grow, and more was taken than let go at any time, by at least what is our own.  What
 * was let go is read first, and what was taken later, all of it: where they differ by our own,
 * nothing else was pinned in between.
 */
static bool nothing_pinned(const struct kfs *kfs)
{
	uint64_t released, acquired;
	bool nothing;

	pthread_rwlock_rdlock(&own_pins.lock);
	nothing = read_counter(kfs, "nr_foll_pin_released", &released) && refresh(kfs) &&
		  read_counter(kfs, "nr_foll_pin_acquired", &acquired) &&
		  acquired - released == own_pins.pages;
	pthread_rwlock_unlock(&own_pins.lock);
	return nothing;
}

bool pins_wait(uint64_t deadline_ms)
{
	uint64_t end = clock_ms() + deadline_ms;
	bool free = false, again = false;
	struct kfs kfs;

	if (kfs_open(&kfs, "/", NULL) < 0)
		return false;
	/* Where none was taken since the last look, its sums do; if not, those of this one: the
	 * second look comes at once */
	while (!(free = nothing_pinned(&kfs)) && (!again || clock_left_ms(end))) {
		if (again)
			clock_sleep_ms(1);
		again = true;
	}
	kfs_close(&kfs);
	return free;
}

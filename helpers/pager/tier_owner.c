// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Hosts told apart: by machine id and name, and boots by the kernel's boot id.
 */
#include "pager/tier_owner.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

/* FNV-1a, of 32 bits */
#define FNV_BASIS UINT32_C(2166136261)
#define FNV_PRIME UINT32_C(16777619)

/* Before the first boot of an image it says so in a word */
static bool is_machine_id(const char *id)
{
	return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32;
}

int tier_owner_read(const struct kfs *kfs, struct tier_owner *owner, struct err *err)
{
	struct tier_owner read = { .machine = "" };
	struct utsname name;
	int rc = kfs_read(kfs, "proc/sys/kernel/random/boot_id", read.boot, sizeof(read.boot), err);

	if (rc < 0)
		return rc;
	if (kfs_read(kfs, "etc/machine-id", read.machine, sizeof(read.machine), NULL) < 0 ||
	    !is_machine_id(read.machine))
		memset(read.machine, 0, sizeof(read.machine));
	if (uname(&name) < 0)
		return err_sys(err, errno, "the host's name");
	snprintf(read.name, sizeof(read.name), "%s", name.nodename);
	*owner = read;
	return 0;
}

/* The first is a file's: any bytes */
static bool is_same(const char *theirs, const char *ours, size_t size)
{
	return *ours && strncmp(theirs, ours, size) == 0;
}

enum tier_owned tier_owner_judge(const struct tier_owner *owner, const struct tier_owner *us)
{
	if (is_same(owner->boot, us->boot, sizeof(us->boot)))
		return OWNED_BY_US;
	if (owner->boot[0] && is_same(owner->machine, us->machine, sizeof(us->machine)) &&
	    is_same(owner->name, us->name, sizeof(us->name)))
		return OWNED_BEFORE;
	return OWNED_BY_OTHER;
}

static uint32_t add_text(uint32_t hash, const char *text, size_t size)
{
	size_t i, n = strnlen(text, size);

	for (i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)text[i]) * FNV_PRIME;
	return (hash ^ UINT8_MAX) * FNV_PRIME;
}

uint32_t tier_owner_tag(const struct tier_owner *owner)
{
	uint32_t hash = add_text(FNV_BASIS, owner->machine, sizeof(owner->machine));

	return add_text(hash, owner->name, sizeof(owner->name));
}

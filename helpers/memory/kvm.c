// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What KVM says of huge pages.
 */
#include "memory/kvm.h"

#include <string.h>

#include "kernel/kfs.h"

bool kvm_refuses_hugepages(const struct kfs *kfs)
{
	char text[8];

	return kfs_read(kfs, KVM_HPAGE_FILE, text, sizeof(text), NULL) == 0 &&
	       (!strcmp(text, "0") || !strcmp(text, "N"));
}

static bool is_on(const struct kfs *kfs, const char *path)
{
	char text[8];

	return kfs_read(kfs, path, text, sizeof(text), NULL) == 0 &&
	       (!strcmp(text, "1") || !strcmp(text, "Y"));
}

bool kvm_is_nested(const struct kfs *kfs)
{
	return is_on(kfs, "sys/module/kvm_intel/parameters/nested") ||
	       is_on(kfs, "sys/module/kvm_amd/parameters/nested");
}

// SPDX-License-Identifier: LGPL-2.1-or-later
#include "conf/profile.h"

#include <string.h>

#include "conf/nova_file_backed.h"
#include "policy/nova_conf.h"

const struct profile profiles[] = {
	{
		.name = "nova-file-backed",
		.summary = "OpenStack Nova with its guests' memory in the mounted store",
		.file = "/" NOVA_CONF_DIR "/nova.conf",
		.fill = nova_file_backed_fill,
	},
};

const size_t n_profiles = sizeof(profiles) / sizeof(profiles[0]);

const struct profile *profile_find(const char *name)
{
	size_t i;

	for (i = 0; i < n_profiles; i++)
		if (!strcmp(profiles[i].name, name))
			return &profiles[i];
	return NULL;
}

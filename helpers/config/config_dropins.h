/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The "*.conf" files of a directory.
 */
#ifndef MEMBACKING_CONFIG_CONFIG_DROPINS_H
#define MEMBACKING_CONFIG_CONFIG_DROPINS_H

#include <stddef.h>

/* Far above what people have */
#define CONFIG_DROPINS_MAX 256

struct config_dropins {
	size_t n;
	char *name[CONFIG_DROPINS_MAX];
};

/**
 * config_dropins_list() - Names that the shell would find as *.conf, in byte order
 * @dirfd:	The directory; read through a descriptor of its own
 * @dropins:	Result, freed by config_dropins_free()
 * Return: 0, -E2BIG (nothing is listed then), -ENOMEM, ...
 */
int config_dropins_list(int dirfd, struct config_dropins *dropins);
void config_dropins_free(struct config_dropins *dropins);

#define cleanup_dropins __attribute__((cleanup(config_dropins_free)))

#endif

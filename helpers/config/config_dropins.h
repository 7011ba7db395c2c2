/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The "*.conf" files of a directory, and those that were probably meant to be such.
 */
#ifndef MEMBACKING_CONFIG_CONFIG_DROPINS_H
#define MEMBACKING_CONFIG_CONFIG_DROPINS_H

#include <stddef.h>

/* Far above what people have */
#define CONFIG_DROPINS_MAX 256
/* The rest is not named: one is enough to see the mistake */
#define CONFIG_UNREAD_MAX 16

/**
 * struct config_dropins - What is in the directory
 * @name:	Names that the shell would find as *.conf, in byte order
 * @unread:	Other files that are not read, in byte order.  Not those that have ".conf" in the
 *		middle, as copies that editors and packages leave, and READMEs
 */
struct config_dropins {
	size_t n;
	char *name[CONFIG_DROPINS_MAX];
	size_t n_unread;
	char *unread[CONFIG_UNREAD_MAX];
};

/**
 * config_dropins_list() - List a directory of drop-ins
 * @dirfd:	The directory; read through a descriptor of its own
 * @dropins:	Result, freed by config_dropins_free()
 * Return: 0, -E2BIG (nothing is listed then), -ENOMEM, ...
 */
int config_dropins_list(int dirfd, struct config_dropins *dropins);
void config_dropins_free(struct config_dropins *dropins);

#define cleanup_dropins __attribute__((cleanup(config_dropins_free)))

#endif

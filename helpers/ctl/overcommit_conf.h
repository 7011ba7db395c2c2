/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What "overcommit enable" writes into membacking.conf.d: a file for each guest, and one that
 * switches [overcommit] on.
 */
#ifndef MEMBACKING_CTL_OVERCOMMIT_CONF_H
#define MEMBACKING_CTL_OVERCOMMIT_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

struct err;
struct guest;

#define OVERCOMMIT_CONF_PATH_SIZE 512

/**
 * struct conf_file - A file as it is, and as it shall be
 * @path:	Without a slash at its beginning
 * @old, @new:	NULL: there is no such file
 * @ours:	@old was written by this command, or is not there
 */
struct conf_file {
	char path[OVERCOMMIT_CONF_PATH_SIZE];
	char *old;
	char *new;
	bool ours;
};

/**
 * overcommit_conf_guest() - The file of a guest: overcommit-NAME.conf, or -UUID
 * @file:	To be freed by conf_file_free(), on failure too.  @new is not set
 */
int overcommit_conf_guest(int rootfd, const struct guest *guest, struct conf_file *file,
			  struct err *err);

/* Let it say this limit.  -EEXIST: it is another person's file */
int overcommit_conf_limit(struct conf_file *file, const struct guest *guest,
			  const struct config_amount *resident, struct err *err);

/* The file that switches [overcommit] on.  @new is set; not changed if @old says so already */
int overcommit_conf_switch(int rootfd, struct conf_file *file, struct err *err);

/* Does nothing change? */
bool conf_file_is_same(const struct conf_file *file);

/* As "diff -u" on stdout; nothing where nothing changes */
int conf_file_print(const struct conf_file *file, struct err *err);

/* Return: 0, also where nothing changes; -errno */
int conf_file_write(int rootfd, const struct conf_file *file, struct err *err);

void conf_file_free(struct conf_file *file);

#endif

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Drop-ins for guests under the pager.
 */
#include "ctl/overcommit_conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "profiles/difference.h"
#include "profiles/place.h"
#include "terminal/wrap.h"

/* By its first line a file is known as ours; a person who takes it over changes that */
#define MARK	      "# Written by virt-membacking overcommit"

#define NAME_MAX_SIZE 100

static int read_file(int rootfd, struct conf_file *file, struct err *err)
{
	int rc = place_read(rootfd, file->path, &file->old, err);

	file->ours = rc == 0 && (!file->old || !strncmp(file->old, MARK, strlen(MARK)));
	return rc;
}

/* Part of a file's name, as it is */
static bool is_plain(const char *name)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789._-";

	return strlen(name) < NAME_MAX_SIZE && !name[strspn(name, plain)];
}

int overcommit_conf_guest(int rootfd, const struct guest *guest, struct conf_file *file,
			  struct err *err)
{
	*file = (struct conf_file){ 0 };
	snprintf(file->path, sizeof(file->path), CONFIG_DIR "/overcommit-%.*s.conf", NAME_MAX_SIZE,
		 is_plain(guest->name) ? guest->name : guest->uuid);
	return read_file(rootfd, file, err);
}

static int set_new(struct conf_file *file, char *text, struct err *err)
{
	free(file->new);
	file->new = text;
	return text ? 0 : err_nomem(err);
}

/* As it may be written there: "25%", "2G", "1536M" */
static void amount_text(const struct config_amount *amount, char *buf, size_t size)
{
	if (amount->percent)
		snprintf(buf, size, "%u%%", amount->percent);
	else if (amount->kib % KIB_PER_GIB == 0)
		snprintf(buf, size, "%lluG", (unsigned long long)(amount->kib / KIB_PER_GIB));
	else if (amount->kib % KIB_PER_MIB == 0)
		snprintf(buf, size, "%lluM", (unsigned long long)(amount->kib / KIB_PER_MIB));
	else
		snprintf(buf, size, "%lluK", (unsigned long long)amount->kib);
}

int overcommit_conf_limit(struct conf_file *file, const struct guest *guest,
			  const struct config_amount *resident, struct err *err)
{
	char amount[32], *text = NULL;

	if (!file->ours)
		return err_set(err, EEXIST,
			       "/%s is not a file of this command's: change overcommit.resident "
			       "there, or remove it",
			       file->path);
	amount_text(resident, amount, sizeof(amount));
	/* A name may change, and have blanks in it */
	if (asprintf(&text,
		     MARK "; overcommit disable removes it\n[guest]\nmatch = %s\n"
			  "overcommit.resident = %s\n",
		     guest->uuid, amount) < 0)
		text = NULL;
	return set_new(file, text, err);
}

int overcommit_conf_switch(int rootfd, struct conf_file *file, struct err *err)
{
	int rc;

	*file = (struct conf_file){ .path = CONFIG_DIR "/overcommit.conf" };
	rc = read_file(rootfd, file, err);
	if (rc < 0)
		return rc;
	if (!file->ours)
		return err_set(err, EEXIST,
			       "[overcommit] is switched off, and /%s is not a file of this "
			       "command's: say enable = yes there",
			       file->path);
	return set_new(file, strdup(MARK " enable\n[overcommit]\nenable = yes\n"), err);
}

bool conf_file_is_same(const struct conf_file *file)
{
	if (!file->old || !file->new)
		return file->old == file->new;
	return !strcmp(file->old, file->new);
}

int conf_file_print(const struct conf_file *file, struct err *err)
{
	cleanup_free char *text = NULL;
	int rc = conf_file_is_same(file) ? 0 :
					   difference(file->path, file->old, file->new, &text, err);

	if (rc == 0 && text)
		wrap_print_text(text);
	return rc;
}

int conf_file_write(int rootfd, const struct conf_file *file, struct err *err)
{
	return conf_file_is_same(file) ?
		       0 :
		       place_replace(rootfd, file->path, file->old, file->new, NULL, err);
}

void conf_file_free(struct conf_file *file)
{
	free(file->old);
	free(file->new);
	*file = (struct conf_file){ 0 };
}

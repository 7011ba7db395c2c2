// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Editing qemu.conf by augeas.
 */
#include "profiles/qemu_conf_edit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "profiles/libaugeas.h"

#define LENS  "Libvirtd_qemu.lns"
#define IN    "/membacking/in"
#define TREE  "/membacking/tree"
#define OUT   "/membacking/out"
#define ERROR "/augeas/text" TREE "/error"

static void cleanup_augeas_(augeas **aug)
{
	if (*aug)
		libaugeas.aug_close(*aug);
}

#define cleanup_augeas cleanup_with(cleanup_augeas_)

/* What augeas knows of its last failure */
static const char *detail(augeas *aug, const char *what)
{
	char path[64];
	const char *value = NULL;

	snprintf(path, sizeof(path), ERROR "%s", what);
	return libaugeas.aug_get(aug, path, &value) > 0 ? value : NULL;
}

static int no_lens(augeas *aug, struct err *err)
{
	const char *why = libaugeas.aug_error_details(aug);

	if (!why)
		why = libaugeas.aug_error_minor_message(aug);
	return err_set(err, ENOENT,
		       "augeas can't load libvirt's lens " LENS
		       " (%.200s); libvirtd_qemu.aug comes with libvirt's daemon",
		       why ? why : libaugeas.aug_error_message(aug));
}

/* Where @line, counted from 1, begins; its length goes to @len */
static const char *line_of(const char *text, unsigned long line, int *len)
{
	while (--line && *text) {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	*len = (int)strcspn(text, "\n");
	return text;
}

static bool is_blank(const char *text, unsigned long line)
{
	int len;
	const char *at = line_of(text, line, &len);

	return strspn(at, " \t\r") >= (size_t)len;
}

/* augeas stops at the end of what it could read, which can be empty lines before the line
 * that it could not, or behind it, where a quote is missing */
static unsigned long stopping_line(const char *text, const char *said)
{
	unsigned long line = strtoul(said, NULL, 10);
	int len;

	if (!line)
		line = 1;
	while (is_blank(text, line) && *line_of(text, line, &len))
		line++;
	while (is_blank(text, line) && line > 1)
		line--;
	return line;
}

static int unreadable(augeas *aug, const char *text, struct err *err)
{
	const char *line = detail(aug, "/line"), *at;
	unsigned long number;
	int len = 0;

	if (!line)
		return err_set(err, EINVAL, "libvirt's lens for augeas can't read it");
	number = stopping_line(text, line);
	at = line_of(text, number, &len);
	return err_set(err, EINVAL,
		       "line %lu stops libvirt's lens for augeas, so nothing is changed: \"%.*s\"",
		       number, len > 120 ? 120 : len, at);
}

/* @text as a tree at TREE */
static int load(augeas **aug, const char *text, struct err *err)
{
	int rc = libaugeas_load(err);

	if (rc < 0)
		return rc;
	/* Else it would say where lenses are loaded from */
	unsetenv("AUGEAS_LENS_LIB");
	*aug = libaugeas.aug_init("/", NULL, AUG_NO_LOAD | AUG_NO_MODL_AUTOLOAD | AUG_NO_ERR_CLOSE);
	if (!*aug || libaugeas.aug_error(*aug) == AUG_ENOMEM)
		return err_nomem(err);
	if (libaugeas.aug_error(*aug) != AUG_NOERROR)
		return no_lens(*aug, err);
	if (libaugeas.aug_set(*aug, IN, text) < 0)
		return err_nomem(err);
	if (libaugeas.aug_text_store(*aug, LENS, IN, TREE) == 0)
		return 0;
	return libaugeas.aug_error(*aug) != AUG_NOERROR ? no_lens(*aug, err) :
							  unreadable(*aug, text, err);
}

/* The lens wants a line end after the last line too.  To be freed */
static char *whole_lines(const char *text)
{
	size_t len = strlen(text);
	char *copy = malloc(len + 2);

	if (!copy)
		return NULL;
	memcpy(copy, text, len + 1);
	if (len && text[len - 1] != '\n')
		memcpy(copy + len, "\n", 2);
	return copy;
}

static int open_text(augeas **aug, const char *text, struct err *err)
{
	cleanup_free char *lines = whole_lines(text);

	return lines ? load(aug, lines, err) : err_nomem(err);
}

int qemu_conf_get(const char *text, const char *key, char **value, struct err *err)
{
	cleanup_augeas augeas *aug = NULL;
	const char *found = NULL;
	char path[128];
	int rc = open_text(&aug, text, err);

	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), TREE "/%s[last()]", key);
	*value = NULL;
	if (libaugeas.aug_get(aug, path, &found) <= 0 || !found)
		return 0;
	*value = strdup(found);
	return *value ? 0 : err_nomem(err);
}

/* Makes room for @key behind what libvirt's own file says about it */
static void make_place(augeas *aug, const char *key)
{
	char path[256];

	snprintf(path, sizeof(path), TREE "/#comment[. =~ regexp('%s *=.*')][last()]", key);
	if (libaugeas.aug_match(aug, path, NULL) == 1)
		libaugeas.aug_insert(aug, path, key, 0);
}

static int change(augeas *aug, const char *key, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), TREE "/%s", key);
	if (!value)
		return libaugeas.aug_rm(aug, path);
	if (libaugeas.aug_match(aug, path, NULL) == 0)
		make_place(aug, key);
	if (libaugeas.aug_match(aug, path, NULL) == 0)
		return libaugeas.aug_set(aug, path, value);
	/* All of them, where it is set twice */
	return libaugeas.aug_setm(aug, path, NULL, value);
}

int qemu_conf_set(const char *text, const char *key, const char *value, char **result,
		  struct err *err)
{
	cleanup_augeas augeas *aug = NULL;
	const char *out = NULL;
	int rc = open_text(&aug, text, err);

	if (rc < 0)
		return rc;
	if (change(aug, key, value) < 0)
		return err_nomem(err);
	if (libaugeas.aug_text_retrieve(aug, LENS, IN, TREE, OUT) < 0 ||
	    libaugeas.aug_get(aug, OUT, &out) <= 0 || !out)
		return err_set(err, EINVAL, "libvirt's lens for augeas can't write %s = \"%s\"",
			       key, value ? value : "");
	*result = strdup(out);
	return *result ? 0 : err_nomem(err);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One key of libvirt's qemu.conf, changed in a text of that file.
 *
 * DOC: augeas, and no file
 *
 * augeas puts a text through libvirt's own lens into a tree and back again.  What
 * was not touched comes back as it was: comments, blanks, the order.  It reads and
 * writes no file of the host here, but the lens.
 *
 * The lens knows the keys of its own version of libvirt.  One line that it does not
 * know and it reads nothing at all, so the text stays as it is then, and the error
 * says which line that was.
 */
#ifndef MEMBACKING_PROFILES_QEMU_CONF_EDIT_H
#define MEMBACKING_PROFILES_QEMU_CONF_EDIT_H

struct err;

/**
 * qemu_conf_get() - The string that @key is set to in @text
 * @value:	To be freed; NULL if it is not set.  Set twice: the last one
 * Return: 0, -EINVAL if the lens can't read @text, -ENOENT if there is no lens
 */
int qemu_conf_get(const char *text, const char *key, char **value, struct err *err);

/**
 * qemu_conf_set() - @text with @key set to @value
 * @value:	NULL: not set.  Without quotes and line ends
 * @result:	To be freed.  A new key comes behind the comments that name it, or last
 * Return: as qemu_conf_get(), also -EINVAL for a key or value that the lens can't write
 */
int qemu_conf_set(const char *text, const char *key, const char *value, char **result,
		  struct err *err);

#endif

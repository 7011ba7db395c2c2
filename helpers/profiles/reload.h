/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What has to be run on this host before programs see what a profile has written.
 */
#ifndef MEMBACKING_PROFILES_RELOAD_H
#define MEMBACKING_PROFILES_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct kfs;
struct profile;

#define RELOAD_ARGS  5
#define RELOADS_MAX  16
#define RELOAD_NOTES 4

/**
 * struct reload_command - One command
 * @argv:	Up to NULL.  @own: the argument that was made for it
 */
struct reload_command {
	const char *argv[RELOAD_ARGS + 1];
	char *own;
};

/**
 * struct reload - All of them, in order
 * @notes:	What this host has no command for that is known here: sentences
 */
struct reload {
	size_t n;
	struct reload_command commands[RELOADS_MAX];
	size_t n_notes;
	const char *notes[RELOAD_NOTES];
};

/**
 * struct reload_file - A file that was written, or removed
 * @path:	Without the slash in front
 */
struct reload_file {
	const char *path;
	bool removed;
};

/* Has the host systemd, whether it runs at this moment or not? */
bool reload_has_systemd(const struct kfs *kfs);

/**
 * reload_find() - By where the files are, and by what the profile needs besides
 * @apply:	The profile is applied; else it is removed
 * @conf_read:	libvirt's daemon has read qemu.conf as it is
 * @reload:	Result; freed by reload_free(), also on failure
 *
 * systemctl only where systemd runs, units only where they are, and libvirt's daemon only if it
 * runs, by its own name.
 * Return: 0 or -ENOMEM
 */
int reload_find(const struct kfs *kfs, const struct profile *profile,
		const struct reload_file *files, size_t n, bool apply, bool conf_read,
		struct reload *reload, struct err *err);
void reload_free(struct reload *reload);

#define RELOAD_TEXT_SIZE 4200

/* As it would be typed.  Return: @text */
const char *reload_text(const struct reload_command *command, char text[RELOAD_TEXT_SIZE]);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our links among libvirt's hooks: what there is.
 */
#ifndef MEMBACKING_LIFECYCLE_HOOK_LINK_H
#define MEMBACKING_LIFECYCLE_HOOK_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct kfs;

#ifndef SYSCONF_DIR
#define SYSCONF_DIR "etc"
#endif

/* Without the slash in front, like all paths here */
#define HOOK_LINK_DIR SYSCONF_DIR "/libvirt/hooks"

/* Kinds of hooks that we have a program for */
enum hook_kind { HOOK_QEMU, HOOK_DAEMON, HOOK_KINDS };

/* Without the slash in front */
#define HOOK_PATH_SIZE 128

/**
 * struct hook_link - One kind
 * @name:	"qemu", "daemon"
 * @program:	What to link
 * @path:	Our link: in KIND.d, or the hook itself; where it would be, if there is none
 * @linked:	It is there and leads to @program
 * @direct:	It is hooks/KIND itself
 * @foreign:	Something that we did not make has the name @path
 * @present, @executable: @program is there, and can be run
 * @since:	Seconds since 1970 when it was linked
 */
struct hook_link {
	const char *name;
	char program[HOOK_PATH_SIZE];
	char path[HOOK_PATH_SIZE];
	bool linked;
	bool direct;
	bool foreign;
	bool present;
	bool executable;
	int64_t since;
};

/* Paths of the link, in KIND.d or as the hook itself, and of our program */
void hook_link_path(enum hook_kind kind, bool direct, char path[HOOK_PATH_SIZE]);
void hook_link_program_path(enum hook_kind kind, char path[HOOK_PATH_SIZE]);

enum hook_found { HOOK_FOUND_NOTHING, HOOK_FOUND_OURS, HOOK_FOUND_FOREIGN };

/**
 * hook_link_look() - Is there a link with the very text that we write?
 * @since:	Result: seconds since 1970 when it was made
 * Return: enum hook_found or -errno
 */
int hook_link_look(const struct kfs *kfs, const char *path, const char *program, int64_t *since,
		   struct err *err);

bool hook_link_is_executable(const struct kfs *kfs, const char *path);

/* Return: also -EACCES if libvirt's directory can't be read */
int hook_link_read(const struct kfs *kfs, enum hook_kind kind, struct hook_link *link,
		   struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Profiles: settings of several programs that go together, for one purpose.
 */
#ifndef MEMBACKING_PROFILES_PROFILE_H
#define MEMBACKING_PROFILES_PROFILE_H

#include <stddef.h>

struct err;
struct host_view;
struct kfs;

/* How a part gets to where it belongs */
enum part_kind {
	PART_FILE,	/* a file of its own, in a directory of drop-ins */
	PART_LINES,	/* lines in a file that has others too */
	PART_QEMU_CONF, /* a key of qemu.conf, through augeas */
	PART_SHOWN,	/* shown only: to be put there by a person, who knows more than we */
};

/**
 * struct part - What belongs into one file
 * @path:	Without a slash at its beginning.  PART_SHOWN: what it is for
 * @text:	The lines
 * @key, @value: PART_QEMU_CONF
 */
struct part {
	enum part_kind kind;
	const char *path;
	char *text;
	const char *key;
	char *value;
};

#define PARTS_MAX 8

struct parts {
	size_t n;
	struct part part[PARTS_MAX];
};

void profile_parts_free(struct parts *parts);

/* Add a part; @text and @value are copied.  @text of a key is what people are shown of it */
int profile_parts_add(struct parts *parts, enum part_kind kind, const char *path, const char *text,
		      struct err *err);
int profile_parts_add_key(struct parts *parts, const char *path, const char *text, const char *key,
			  const char *value, struct err *err);

/* profiles/reload.c knows what that is on this host */
enum reload_need {
	RELOAD_LIBVIRT = 1 << 0,    /* restart the daemon that runs guests */
	RELOAD_START_1G = 1 << 1,   /* mount pages of 1 GiB */
	RELOAD_STOP_1G = 1 << 2,    /* unmount them */
	RELOAD_STATIC = 1 << 3,	    /* have static pools made at each boot */
	RELOAD_KSM_TUNERS = 1 << 4, /* stop programs that set KSM */
	RELOAD_NOVA = 1 << 5,
};

/**
 * struct profile - One of them, and a folder of conf-snippets/ with the same name
 * @summary:	For the list.  Small letters, no full stop
 * @file:	Where the first of its parts belongs
 * @applied, @removed: Bits of enum reload_need: what has to be done then, besides what its files
 *		need by where they are
 * @fill:	Its parts for this host.  @host has its stores
 */
struct profile {
	const char *name;
	const char *summary;
	const char *file;
	unsigned int applied;
	unsigned int removed;
	int (*fill)(const struct kfs *kfs, const struct host_view *host, struct parts *parts,
		    struct err *err);
};

extern const struct profile profiles[];
extern const size_t n_profiles;

/* NULL if there is none of that name */
const struct profile *profile_find(const char *name);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which honest ways to pages of 1 GiB this host has, for check and advise.  Pure.
 */
#ifndef MEMBACKING_POLICY_GIGANTIC_RULES_H
#define MEMBACKING_POLICY_GIGANTIC_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "memory/gigantic.h"

enum gigantic_way_kind {
	GIGANTIC_AT_BOOT, /* reserved by the kernel's command line */
	GIGANTIC_KEEP,	  /* not given back once they were had */
	GIGANTIC_CMA,	  /* an area that only movable memory uses meanwhile */
	GIGANTIC_WAYS
};

enum gigantic_state {
	GIGANTIC_IMPOSSIBLE,
	GIGANTIC_POSSIBLE,
	GIGANTIC_DONE,
	GIGANTIC_FAILED, /* asked for, and nothing came of it */
};

#define GIGANTIC_TEXT_SIZE 256

/**
 * struct gigantic_way - One way
 * @name:	What it is called: "reserve at boot"
 * @text:	How far it is, and what to do for it
 */
struct gigantic_way {
	const char *name;
	enum gigantic_state state;
	char text[GIGANTIC_TEXT_SIZE];
};

/**
 * gigantic_rules_ways() - All of them, in the order in which they are worth trying
 * @keep:	on_release_1G = keep
 * Return: false where there are no pages of 1 GiB, and so no way
 */
bool gigantic_rules_ways(const struct gigantic *gigantic, bool keep,
			 struct gigantic_way ways[GIGANTIC_WAYS]);

#endif

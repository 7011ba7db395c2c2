/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command virt-membacking: what its commands have in common.
 *
 * A command is one file cmd_NAME.c with one struct command, and one row in the
 * table in main.c.
 */
#ifndef MEMBACKING_CTL_CTL_H
#define MEMBACKING_CTL_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernel/kfs.h"

struct err;

/* Exit status, and what a command's run() returns besides -errno */
enum ctl_exit { CTL_FINE, CTL_FINDINGS, CTL_USAGE, CTL_BLIND /* check could not look */ };

/* Options that a command may take, as bits.  main.c has their table */
enum ctl_option {
	CTL_JSON = 1 << 0,
	CTL_ROOT = 1 << 1,
	CTL_XML = 1 << 2,
	CTL_FORCE = 1 << 3,
	CTL_APPLY = 1 << 4,
	CTL_YES = 1 << 16,
	CTL_SIZE = 1 << 5,
	CTL_PAGE_SIZE = 1 << 6,
	CTL_NODE = 1 << 7,
	CTL_OUTPUT = 1 << 8,
	CTL_DIRECT = 1 << 9,
	CTL_RELOAD = 1 << 10,
	CTL_WATCH = 1 << 11,
	CTL_APPLIED = 1 << 12,
	CTL_USERS = 1 << 17,
	CTL_RESIDENT = 1 << 18,
	CTL_MAP = 1 << 19,
	CTL_SVG = 1 << 20,
	CTL_ALL = 1 << 21,
	CTL_STRICT = 1 << 22,
	CTL_BACKING = 1 << 23,
	CTL_NOW = 1 << 24,
	CTL_SINCE = 1 << 26,
	CTL_CONNECT = 1 << 27,
};

/**
 * struct ctl - How the command was called
 * @kfs:	Open on @root
 * @root:	--root; NULL: this host
 * @xml:	--xml; NULL if not given
 * @size, @page_size, @backing, @node, @output, @resident, @svg, @since, @connect: Their values;
 *		NULL if not given
 * @watch:	Likewise; "" for --watch without a value
 * @args:	What follows the command's name and action, without options
 */
struct ctl {
	struct kfs kfs;
	const char *root;
	const char *xml;
	const char *size;
	const char *page_size;
	const char *backing;
	const char *node;
	const char *output;
	const char *resident;
	const char *svg;
	const char *watch;
	const char *since;
	const char *connect;
	bool json;
	bool force;
	bool apply;
	bool yes;
	bool direct;
	bool reload;
	bool applied;
	bool now;
	bool users;
	bool map;
	bool all;
	bool strict;
	size_t n_args;
	char **args;
};

/**
 * struct command - One command
 * @usage:	Ways to call it, one a line, without the program's name and the
 *		options that all have
 * @summary:	For the list of commands.  Small letters, no full stop
 * @help:	Sentences for --help, in lines of at most 79 columns
 * @needs:	What is missing with fewer than @min_args; NULL: "a guest"
 * @guest_or_xml: One argument, or --xml instead
 * @hidden:	In no list of commands, and never suggested
 * @options:	Bits of enum ctl_option
 * @actions:	"conf apply": what the first argument can be, up to one without a name.  Of
 *		these, @name, @needs, @options, the numbers of arguments and @run count; of
 *		the command itself, all but these.  NULL: it is one word
 * @run:	Writes the report to stdout.  Return: enum ctl_exit, or -errno with
 *		a sentence; CTL_USAGE with a sentence too
 */
struct command {
	const char *name;
	const char *usage;
	const char *summary;
	const char *help;
	const char *needs;
	bool guest_or_xml;
	bool hidden;
	unsigned int options;
	size_t min_args;
	size_t max_args;
	const struct command *actions;
	int (*run)(struct ctl *ctl, struct err *err);
};

extern const struct command cmd_status;
extern const struct command cmd_plan;
extern const struct command cmd_reconcile;
extern const struct command cmd_release;
extern const struct command cmd_free;
extern const struct command cmd_check;
extern const struct command cmd_conf;
extern const struct command cmd_advise;
extern const struct command cmd_fragmentation;
extern const struct command cmd_reserve;
extern const struct command cmd_hook;
extern const struct command cmd_log;
extern const struct command cmd_metrics;
extern const struct command cmd_overcommit;
extern const struct command cmd_adopt;
extern const struct command cmd_holders;
extern const struct command cmd_reserve_static;

/* Commands that change the host: -EPERM if we are not root.  A captured host is
 * a directory like any other */
int ctl_need_root(const struct ctl *ctl, const char *what, struct err *err);

/* Say why nothing could be looked at, as a failure is said.  Return: CTL_BLIND */
int ctl_blind(const struct ctl *ctl, const struct err *err);

/* Likewise, in one line with --watch, so that a program can read one object after the other */
int ctl_print_report(const struct ctl *ctl, json_t *root, struct err *err);

/* Print @root, which may be NULL when memory ran out, and free it.  "format" is put in front,
 * and what is "" is printed as null */
int ctl_print_json(json_t *root, struct err *err);

#endif

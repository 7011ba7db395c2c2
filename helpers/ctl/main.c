// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking [OPTION]... COMMAND [ARGUMENT]...
 *
 * Reports go to stdout, errors to stderr.  Exit status: 0 fine, 1 failed or
 * findings, 2 wrong usage.
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "ctl/ctl.h"
#include "ctl/suggest.h"

#define PROGRAM "virt-membacking"

#ifndef VERSION
#define VERSION "0.1.0"
#endif

static const struct command *const commands[] = {
	&cmd_status, &cmd_check, &cmd_plan, &cmd_reconcile, &cmd_release, &cmd_conf,
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* Options that are no command's own */
#define ANY_HELP    (1u << 30)
#define ANY_VERSION (1u << 31)

static const struct option_row {
	unsigned int bit;
	const char *name;
	const char *arg;
	const char *help;
} options[] = {
	{ CTL_JSON, "json", NULL, "report as JSON" },
	{ CTL_ROOT, "root", "DIR", "take a captured host in DIR instead of this one" },
	{ CTL_XML, "xml", "FILE", "the guest's domain XML; - is standard input" },
	{ CTL_FORCE, "force", NULL, "even if the guest is alive or its ledger unreadable" },
	{ ANY_HELP, "help", NULL, "say how it is used" },
	{ ANY_VERSION, "version", NULL, "say which version this is" },
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

/* getopt_long() gives LONG_OPTION + index, which is no character */
#define LONG_OPTION 256

/**
 * struct call - What the command line says, before it is judged
 * @given:	Bits of options
 * @name:	The command's; NULL: none
 */
struct call {
	struct ctl ctl;
	unsigned int given;
	const char *name;
};

/* ---- help ---- */

static void print_options(unsigned int bits)
{
	size_t i;

	for (i = 0; i < N_OPTIONS; i++) {
		const struct option_row *o = &options[i];
		char left[32];

		if (!(o->bit & (bits | ANY_HELP | ANY_VERSION)))
			continue;
		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->arg ? " " : "",
			 o->arg ? o->arg : "");
		printf("  %-12s  %s\n", left, o->help);
	}
}

static void print_help(void)
{
	size_t i;

	printf("Usage: " PROGRAM " [OPTION]... COMMAND [ARGUMENT]...\n\n"
	       "Memory of libvirt guests: prepared before they start, given back when they are "
	       "gone.\n\n"
	       "Commands:\n");
	for (i = 0; i < N_COMMANDS; i++)
		printf("  %-12s  %s\n", commands[i]->name, commands[i]->summary);
	printf("\nOptions:\n");
	print_options(CTL_JSON | CTL_ROOT);
	printf("\n\"" PROGRAM " COMMAND --help\" says more of a command.\n"
	       "Exit status: 0 fine, 1 failed or findings, 2 wrong usage.\n");
}

static void print_command_help(const struct command *command)
{
	const char *line = command->usage;
	const char *lead = "Usage:";

	for (; *line; line += strcspn(line, "\n"), line += *line == '\n', lead = "      ")
		printf("%s " PROGRAM " %.*s\n", lead, (int)strcspn(line, "\n"), line);
	printf("\n%s\n\nOptions:\n", command->help);
	print_options(command->options);
}

/* ---- the command line ---- */

/* @found: getopt_long()'s '?' or ':' */
static int wrong_option(char **argv, int found, struct err *err)
{
	if (found == ':')
		err_set(err, EINVAL, "option '%.64s' needs a value", argv[optind - 1]);
	else if (optopt >= LONG_OPTION)
		err_set(err, EINVAL, "option '--%s' takes no value",
			options[optopt - LONG_OPTION].name);
	else if (optopt)
		err_set(err, EINVAL, "unknown option '-%c'", optopt);
	else
		err_set(err, EINVAL, "unknown option '%.64s'", argv[optind - 1]);
	return CTL_USAGE;
}

static void take_option(struct call *call, unsigned int bit)
{
	call->given |= bit;
	if (bit == CTL_ROOT)
		call->ctl.root = optarg;
	if (bit == CTL_XML)
		call->ctl.xml = optarg;
	call->ctl.json = call->given & CTL_JSON;
	call->ctl.force = call->given & CTL_FORCE;
}

static unsigned int option_bit(int key)
{
	if (key == 'h')
		return ANY_HELP;
	return key == 'V' ? ANY_VERSION : options[key - LONG_OPTION].bit;
}

/* Options may come before and after the command's name */
static int read_call(int argc, char **argv, struct call *call, struct err *err)
{
	struct option longs[N_OPTIONS + 1] = { 0 };
	int key;
	size_t i;

	for (i = 0; i < N_OPTIONS; i++) {
		longs[i].name = options[i].name;
		longs[i].has_arg = options[i].arg ? required_argument : no_argument;
		longs[i].val = LONG_OPTION + (int)i;
	}
	opterr = 0;
	while ((key = getopt_long(argc, argv, ":hV", longs, NULL)) != -1) {
		if (key == '?' || key == ':')
			return wrong_option(argv, key, err);
		take_option(call, option_bit(key));
	}
	if (optind < argc)
		call->name = argv[optind++];
	call->ctl.args = argv + optind;
	call->ctl.n_args = (size_t)(argc - optind);
	return CTL_FINE;
}

static const struct command *find_command(const char *name, struct err *err)
{
	const char *names[N_COMMANDS];
	const char *close;
	size_t i;

	for (i = 0; i < N_COMMANDS; i++) {
		if (!strcmp(commands[i]->name, name))
			return commands[i];
		names[i] = commands[i]->name;
	}
	close = suggest(name, names, N_COMMANDS);
	if (close)
		err_set(err, EINVAL, "unknown command '%.64s': did you mean '%s'?", name, close);
	else
		err_set(err, EINVAL, "unknown command '%.64s'", name);
	return NULL;
}

static int check_call(const struct call *call, const struct command *command, struct err *err)
{
	const struct ctl *ctl = &call->ctl;
	size_t i;

	for (i = 0; i < N_OPTIONS; i++) {
		if (!(options[i].bit & call->given & ~command->options & ~(ANY_HELP | ANY_VERSION)))
			continue;
		err_set(err, EINVAL, "'%s' has no option '--%s'", command->name, options[i].name);
		return CTL_USAGE;
	}
	if (ctl->n_args > command->max_args) {
		err_set(err, EINVAL, "'%s' has no use for the argument '%.64s'", command->name,
			ctl->args[command->max_args]);
		return CTL_USAGE;
	}
	if (ctl->n_args < command->min_args) {
		err_set(err, EINVAL, "'%s' needs to know which guest", command->name);
		return CTL_USAGE;
	}
	return CTL_FINE;
}

/* ---- running ---- */

int ctl_need_root(const struct ctl *ctl, const char *what, struct err *err)
{
	if (ctl->root || geteuid() == 0)
		return 0;
	return err_set(err, EPERM, "only root may %s", what);
}

int ctl_print_json(json_t *root, struct err *err)
{
	int rc = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;

	json_decref(root);
	if (rc < 0)
		return err_set(err, ENOMEM, "the report could not be written as JSON");
	putchar('\n');
	return 0;
}

static int run_command(struct call *call, const struct command *command, struct err *err)
{
	int rc = check_call(call, command, err);

	if (rc)
		return rc;
	rc = kfs_open(&call->ctl.kfs, call->ctl.root ? call->ctl.root : "/", err);
	if (rc < 0)
		return rc;
	rc = command->run(&call->ctl, err);
	kfs_close(&call->ctl.kfs);
	return rc;
}

static int run(struct call *call, const struct command **command, struct err *err)
{
	if (call->given & ANY_VERSION) {
		puts(PROGRAM " " VERSION);
		return CTL_FINE;
	}
	if (!call->name && call->given & ANY_HELP) {
		print_help();
		return CTL_FINE;
	}
	if (!call->name) {
		err_set(err, EINVAL, "no command is given");
		return CTL_USAGE;
	}
	*command = find_command(call->name, err);
	if (!*command)
		return CTL_USAGE;
	if (call->given & ANY_HELP) {
		print_command_help(*command);
		return CTL_FINE;
	}
	return run_command(call, *command, err);
}

static void complain(const struct call *call, const struct command *command, int rc,
		     const struct err *err)
{
	json_t *root;

	fprintf(stderr, PROGRAM ": %s\n", err->text);
	if (rc == CTL_USAGE) {
		fprintf(stderr, "Try: " PROGRAM " %s%s--help\n", command ? command->name : "",
			command ? " " : "");
		return;
	}
	if (!call->ctl.json)
		return;
	root = json_object();
	json_put_string(root, "error", err->text);
	ctl_print_json(root, NULL);
}

/* A report that nobody can have got is no success */
static int check_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CTL_FINE;
	fprintf(stderr, PROGRAM ": the report cannot be written: %s\n", strerror(errno));
	return CTL_FINDINGS;
}

int main(int argc, char **argv)
{
	const struct command *command = NULL;
	struct call call = { 0 };
	struct err err = { "" };
	int rc;

	file_keep_stdio();
	umask(022);
	/* How wide a guest's name is on the terminal; numbers and words stay ours */
	setlocale(LC_CTYPE, "");
	log_open(LOG_TARGET_STDERR, PROGRAM, NULL, NULL);
	log_set_level(LOG_LEVEL_WARNING);
	rc = read_call(argc, argv, &call, &err);
	if (rc == CTL_FINE)
		rc = run(&call, &command, &err);
	if (rc < 0 || rc == CTL_USAGE)
		complain(&call, command, rc, &err);
	if (rc < 0)
		rc = CTL_FINDINGS;
	return rc ? rc : check_output();
}

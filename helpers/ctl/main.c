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
#include "base/signals.h"
#include "base/suggest.h"
#include "ctl/ctl.h"

#define PROGRAM "virt-membacking"

#ifndef VERSION
#define VERSION "0.1.0"
#endif

static const struct command *const commands[] = {
	&cmd_status,
	&cmd_check,
	&cmd_plan,
	&cmd_advise,
	&cmd_fragmentation,
	&cmd_reserve,
	&cmd_release,
	&cmd_reconcile,
	&cmd_free,
	&cmd_conf,
	&cmd_hook,
	&cmd_metrics,
	/* For the packages' scripts and units; nobody needs to know them */
	&cmd_adopt,
	&cmd_holders,
	&cmd_reserve_static,
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* Options that are no command's own */
#define ANY_HELP    (1u << 30)
#define ANY_VERSION (1u << 31)

static const struct option_row {
	unsigned int bit;
	const char *name;
	const char *arg; /* in brackets if it may be left out */
	const char *help;
} options[] = {
	{ CTL_JSON, "json", NULL, "report as JSON" },
	{ CTL_ROOT, "root", "DIR", "take a captured host in DIR instead of this one" },
	{ CTL_XML, "xml", "FILE", "the guest's domain XML; - is standard input" },
	{ CTL_FORCE, "force", NULL, "even if the guest is alive or its ledger unreadable" },
	{ CTL_APPLY, "apply", NULL, "put it into the guest's definition" },
	{ CTL_YES, "yes", NULL, "even if that takes something out of it" },
	{ CTL_SIZE, "size", "SIZE", "how much is to be plugged into the running guest" },
	{ CTL_PAGE_SIZE, "page-size", "SIZE", "2M, 1G, ...; else the kernel's default huge page" },
	{ CTL_NODE, "node", "N", "on this NUMA node only" },
	{ CTL_OUTPUT, "output", "FILE", "write to a file, which is replaced at once or not" },
	{ CTL_DIRECT, "direct", NULL, "as hooks/qemu itself, for libvirt before 6.5" },
	{ CTL_RELOAD, "reload", NULL, "then tell the running libvirt to read its hooks again" },
	{ CTL_WATCH, "watch", "[SECONDS]", "again and again, every 2 seconds or as told" },
	{ CTL_USERS, "huge-page-users", NULL, "which processes and left files have huge pages" },
	{ CTL_APPLIED, "applied", NULL, "only profiles of which something is applied" },
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

static bool is_optional(const struct option_row *o)
{
	return o->arg && *o->arg == '[';
}

/* "--root DIR", "--watch[=SECONDS]" */
static void option_text(const struct option_row *o, char *buf, size_t size)
{
	if (is_optional(o))
		snprintf(buf, size, "--%s[=%s", o->name, o->arg + 1);
	else
		snprintf(buf, size, "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
}

static void print_options(unsigned int bits)
{
	int width = 12;
	char left[32];
	size_t i;

	bits |= ANY_HELP | ANY_VERSION;
	for (i = 0; i < N_OPTIONS; i++) {
		option_text(&options[i], left, sizeof(left));
		if (options[i].bit & bits && (int)strlen(left) > width)
			width = (int)strlen(left);
	}
	for (i = 0; i < N_OPTIONS; i++) {
		option_text(&options[i], left, sizeof(left));
		if (options[i].bit & bits)
			printf("  %-*s  %s\n", width, left, options[i].help);
	}
}

static void print_help(void)
{
	size_t i;

	printf("Usage: " PROGRAM " [OPTION]... COMMAND [ARGUMENT]...\n\n"
	       "Memory of libvirt guests: prepared before they start, given back when they\n"
	       "are gone.\n\n"
	       "Commands:\n");
	for (i = 0; i < N_COMMANDS; i++)
		if (!commands[i]->hidden)
			printf("  %-13s  %s\n", commands[i]->name, commands[i]->summary);
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

/* @given: "--wathc=3" */
static void unknown_option(const char *given, struct err *err)
{
	const char *names[N_OPTIONS], *close;
	char name[32];
	size_t i;

	for (i = 0; i < N_OPTIONS; i++)
		names[i] = options[i].name;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(given, "="), given);
	close = strncmp(name, "--", 2) ? NULL : suggest(name + 2, names, N_OPTIONS);
	if (close)
		err_set(err, EINVAL, "unknown option '%.64s': did you mean '--%s'?", given, close);
	else
		err_set(err, EINVAL, "unknown option '%.64s'", given);
}

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
		unknown_option(argv[optind - 1], err);
	return CTL_USAGE;
}

static void take_option(struct call *call, unsigned int bit)
{
	struct ctl *ctl = &call->ctl;
	const struct {
		unsigned int bit;
		const char **value;
	} values[] = {
		{ CTL_ROOT, &ctl->root },   { CTL_XML, &ctl->xml },
		{ CTL_SIZE, &ctl->size },   { CTL_PAGE_SIZE, &ctl->page_size },
		{ CTL_NODE, &ctl->node },   { CTL_OUTPUT, &ctl->output },
		{ CTL_WATCH, &ctl->watch },
	};
	size_t i;

	call->given |= bit;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (values[i].bit == bit)
			*values[i].value = optarg;
	ctl->json = call->given & CTL_JSON;
	ctl->force = call->given & CTL_FORCE;
	ctl->direct = call->given & CTL_DIRECT;
	ctl->reload = call->given & CTL_RELOAD;
	ctl->watching = call->given & CTL_WATCH;
	ctl->apply = call->given & CTL_APPLY;
	ctl->yes = call->given & CTL_YES;
	ctl->applied = call->given & CTL_APPLIED;
	ctl->users = call->given & CTL_USERS;
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
		longs[i].has_arg = !options[i].arg	    ? no_argument :
				   is_optional(&options[i]) ? optional_argument :
							      required_argument;
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
	size_t i, n = 0;

	for (i = 0; i < N_COMMANDS; i++) {
		if (!strcmp(commands[i]->name, name))
			return commands[i];
		if (!commands[i]->hidden)
			names[n++] = commands[i]->name;
	}
	close = suggest(name, names, n);
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
		err_set(err, EINVAL, "'%s' needs to know %s", command->name,
			command->needs ? command->needs : "which guest");
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
	int rc = root ? json_dumpf(root, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) : -1;

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
	/* "| head" has read as much as it wants */
	if (errno == EPIPE)
		return CTL_FINDINGS;
	fprintf(stderr, PROGRAM ": the report cannot be written: %s\n", strerror(errno));
	return CTL_FINDINGS;
}

int main(int argc, char **argv)
{
	const struct command *command = NULL;
	struct call call = { 0 };
	struct err err = { "" };
	int rc;

	signals_set_up();
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

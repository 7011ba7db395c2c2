// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking [OPTION]... COMMAND [ARGUMENT]...
 *
 * Reports go to stdout, errors to stderr.  Exit status: 0 fine, 1 failed or
 * findings, 2 wrong usage, 3 "check" could not look.
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/suggest.h"
#include "base/text.h"
#include "base/version.h"
#include "check/libvirt_host.h"
#include "ctl/ctl.h"
#include "process/signals.h"

#define PROGRAM "virt-membacking"

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
	&cmd_log,
	&cmd_metrics,
	&cmd_overcommit,
	/* For the packages' scripts and units; hidden from users */
	&cmd_adopt,
	&cmd_holders,
	&cmd_reserve_static,
};

#define N_COMMANDS ARRAY_SIZE(commands)

/* Options that all commands have */
#define ANY_HELP    (1u << 30)
#define ANY_VERSION (1u << 31)
#define ANY_QUIET   (1u << 28)
#define ANY_VERBOSE (1u << 29)
#define ANY	    (ANY_HELP | ANY_VERSION | ANY_QUIET | ANY_VERBOSE)

/* An option, and where struct ctl has its value: a text, or true */
#define VALUE(member) offsetof(struct ctl, member)
#define NOWHERE	      SIZE_MAX

static const struct option_row {
	unsigned int bit;
	const char *name;
	const char *arg; /* in brackets if it may be left out */
	size_t value;
	const char *help;
} options[] = {
	{ CTL_JSON, "--json", NULL, VALUE(json), "report as JSON" },
	{ CTL_ROOT, "--root", "DIR", VALUE(root), "read DIR as the host's root (a captured host)" },
	{ CTL_XML, "--xml", "FILE", VALUE(xml), "the guest's domain XML; - is standard input" },
	{ CTL_FORCE, "--force", NULL, VALUE(force),
	  "even if the guest is alive or its record unreadable" },
	{ CTL_APPLY, "--apply", NULL, VALUE(apply), "put it into the guest's definition" },
	{ CTL_YES, "--yes", NULL, VALUE(yes), "make the changes, whatever they remove" },
	{ CTL_BACKING, "--backing", "KIND", VALUE(backing), "this one, whatever is recommended" },
	{ CTL_SIZE, "--size", "SIZE", VALUE(size),
	  "how much memory you will plug into the running guest" },
	{ CTL_PAGE_SIZE, "--page-size", "SIZE", VALUE(page_size),
	  "2M, 1G, ...; else the kernel's default huge page" },
	{ CTL_NODE, "--node", "N", VALUE(node), "on this NUMA node only" },
	{ CTL_RESIDENT, "--resident", "SIZE", VALUE(resident),
	  "what stays in memory of the guest: 2G, or 50%" },
	{ CTL_OUTPUT, "--output", "FILE", VALUE(output),
	  "write to a file, which is replaced as a whole" },
	{ CTL_DIRECT, "--direct", NULL, VALUE(direct),
	  "as hooks/qemu itself, for libvirt before 6.5" },
	{ CTL_RELOAD, "--reload", NULL, VALUE(reload),
	  "then tell the running libvirt to read its hooks again" },
	{ CTL_WATCH, "--watch", "[SECONDS]", VALUE(watch),
	  "show it again every SECONDS (2) seconds" },
	{ CTL_USERS, "--huge-page-users", NULL, VALUE(users),
	  "which processes and left files have huge pages" },
	{ CTL_MAP, "--map", NULL, VALUE(map), "a row for each GiB, a sign for each 16 MiB" },
	{ CTL_SVG, "--svg", "FILE", VALUE(svg), "draw the map into FILE" },
	{ CTL_ALL, "--all", NULL, VALUE(all), "also what is fine" },
	{ CTL_STRICT, "--strict", NULL, VALUE(strict), "warnings are failures" },
	{ CTL_NOW, "--now", NULL, VALUE(now), "and reload the services" },
	{ CTL_SINCE, "--since", "TIME", VALUE(since), "from then on; else since the boot" },
	{ CTL_APPLIED, "--applied", NULL, VALUE(applied), "only profiles that are applied" },
	{ CTL_CONNECT, "--connect", "URI", VALUE(connect),
	  "ask this libvirt instead of qemu:///system" },
	{ ANY_QUIET, "--quiet", NULL, NOWHERE, "no warnings, errors only" },
	{ ANY_VERBOSE, "--verbose", NULL, NOWHERE, "also say what is done on the way" },
	{ ANY_HELP, "--help", NULL, NOWHERE, "show this help" },
	{ ANY_VERSION, "--version", NULL, NOWHERE, "show the version" },
};

#define N_OPTIONS ARRAY_SIZE(options)

/* getopt_long() gives LONG_OPTION + index, which is no character */
#define LONG_OPTION 256

/**
 * struct call - What the command line says, before it is judged
 * @given:	Bits of options
 * @command, @action: What it names; NULL if it doesn't
 */
struct call {
	struct ctl ctl;
	unsigned int given;
	const struct command *command;
	const struct command *action;
};

/* ---- help ---- */

static const struct letter {
	char letter;
	unsigned int bit;
} letters[] = {
	{ 'c', CTL_CONNECT }, { 'q', ANY_QUIET }, { 'v', ANY_VERBOSE },
	{ 'V', ANY_VERSION }, { 'h', ANY_HELP },
};

static bool is_optional(const struct option_row *o)
{
	return o->arg && *o->arg == '[';
}

/* "--root DIR", "--watch [SECONDS]", "--quiet, -q".  The completions read these lines: the long
 * name comes first */
static void option_text(const struct option_row *o, char *buf, size_t size)
{
	char letter[8] = "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(letters); i++)
		if (letters[i].bit == o->bit)
			snprintf(letter, sizeof(letter), ", -%c", letters[i].letter);
	snprintf(buf, size, "%s%s%s%s", o->name, letter, o->arg ? " " : "", o->arg ? o->arg : "");
}

static void print_options(unsigned int bits)
{
	int width = 12;
	char left[32];
	size_t i;

	bits |= ANY;
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
	printf("\n\"" PROGRAM " help COMMAND\" says more of a command.\n"
	       "Exit status: 0 fine, 1 failed or findings, 2 wrong usage, 3 check could not look.\n");
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
static int unknown_option(const char *given, struct err *err)
{
	const char *names[N_OPTIONS];
	char name[64];
	size_t i;

	for (i = 0; i < N_OPTIONS; i++)
		names[i] = options[i].name;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(given, "="), given);
	return suggest_unknown("option", name, names, N_OPTIONS, err);
}

/* @found: getopt_long()'s '?' or ':' */
static int wrong_option(char **argv, int found, struct err *err)
{
	if (found == ':')
		err_set(err, EINVAL, "option '%.64s' needs a value", argv[optind - 1]);
	else if (optopt >= LONG_OPTION)
		err_set(err, EINVAL, "option '%s' takes no value",
			options[optopt - LONG_OPTION].name);
	else if (optopt)
		err_set(err, EINVAL, "unknown option '-%c'", optopt);
	else
		unknown_option(argv[optind - 1], err);
	return CTL_USAGE;
}

/* "--watch 5" without "=": the next word, if it is a time */
static const char *take_value(char **argv, const struct option_row *option)
{
	uint64_t ms;

	if (optarg)
		return optarg;
	if (is_optional(option) && argv[optind] && text_to_ms(argv[optind], &ms) == 0)
		return argv[optind++];
	return "";
}

static void take_option(struct call *call, char **argv, const struct option_row *option)
{
	char *value = (char *)&call->ctl + option->value;

	call->given |= option->bit;
	if (option->arg)
		*(const char **)value = take_value(argv, option);
	else if (option->value != NOWHERE)
		*(bool *)value = true;
}

static const struct option_row *find_option(int key)
{
	size_t letter = 0, i = 0;

	if (key >= LONG_OPTION)
		return &options[key - LONG_OPTION];
	while (letters[letter].letter != key)
		letter++;
	while (options[i].bit != letters[letter].bit)
		i++;
	return &options[i];
}

/* Whose help to name where an option stopped the reading: the first word that is a command */
static const struct command *guess_command(char **argv)
{
	size_t i;

	for (argv++; *argv; argv++)
		for (i = 0; i < N_COMMANDS; i++)
			if (!strcmp(commands[i]->name, *argv))
				return commands[i];
	return NULL;
}

/* Options may come before and after the command's name */
static int read_call(int argc, char **argv, struct call *call, struct err *err)
{
	struct option longs[N_OPTIONS + 1] = { 0 };
	int key;
	size_t i;

	for (i = 0; i < N_OPTIONS; i++) {
		longs[i].name = options[i].name + 2;
		longs[i].has_arg = !options[i].arg	    ? no_argument :
				   is_optional(&options[i]) ? optional_argument :
							      required_argument;
		longs[i].val = LONG_OPTION + (int)i;
	}
	opterr = 0;
	while ((key = getopt_long(argc, argv, ":c:hVqv", longs, NULL)) != -1) {
		if (key == '?' || key == ':') {
			call->command = guess_command(argv);
			return wrong_option(argv, key, err);
		}
		take_option(call, argv, find_option(key));
	}
	call->ctl.args = argv + optind;
	call->ctl.n_args = (size_t)(argc - optind);
	return CTL_FINE;
}

static const char *take_argument(struct ctl *ctl)
{
	ctl->n_args--;
	return *ctl->args++;
}

static int find_command(struct call *call, struct err *err)
{
	const char *names[N_COMMANDS], *name;
	size_t i, n = 0;

	if (!call->ctl.n_args) {
		err_set(err, EINVAL, "no command is given");
		return CTL_USAGE;
	}
	name = take_argument(&call->ctl);
	for (i = 0; i < N_COMMANDS; i++) {
		if (!strcmp(commands[i]->name, name)) {
			call->command = call->action = commands[i];
			return CTL_FINE;
		}
		if (!commands[i]->hidden)
			names[n++] = commands[i]->name;
	}
	suggest_unknown("command", name, names, n, err);
	return CTL_USAGE;
}

#define ACTIONS_MAX 8

/* The second word of "conf apply" */
static int find_action(struct call *call, struct err *err)
{
	const struct command *action = call->command->actions;
	const char *names[ACTIONS_MAX], *name;
	char list[128];
	size_t n;

	if (!action)
		return CTL_FINE;
	name = call->ctl.n_args ? take_argument(&call->ctl) : "";
	for (n = 0; action->name; action++) {
		if (!strcmp(action->name, name)) {
			call->action = action;
			return CTL_FINE;
		}
		names[n++] = action->name;
	}
	if (*name) {
		err_prefix(err, suggest_unknown("action", name, names, n, err), "%s",
			   call->command->name);
		return CTL_USAGE;
	}
	suggest_list(names, n, list, sizeof(list));
	err_set(err, EINVAL, "%s: expected %s", call->command->name, list);
	return CTL_USAGE;
}

/* "--map 0": a node belongs to the map */
static size_t max_args(const struct call *call)
{
	bool takes_node = call->action->options & CTL_MAP;

	return takes_node && !(call->given & (CTL_MAP | CTL_SVG)) ? 0 : call->action->max_args;
}

static int find_fault(const struct call *call, struct err *err)
{
	const struct command *action = call->action;
	const struct ctl *ctl = &call->ctl;
	size_t i;

	for (i = 0; i < N_OPTIONS; i++)
		if (options[i].bit & call->given & ~action->options & ~ANY)
			return err_set(err, EINVAL, "unexpected option '%s'", options[i].name);
	if (ctl->n_args > max_args(call))
		return err_set(err, EINVAL, "unexpected argument '%.64s'",
			       ctl->args[max_args(call)]);
	if (action->guest_or_xml && !ctl->xml == !ctl->n_args)
		return err_set(err, EINVAL, "expected either a guest or --xml FILE");
	if (ctl->n_args < action->min_args)
		return err_set(err, EINVAL, "expected %s",
			       action->needs ? action->needs : "a guest");
	return 0;
}

static int check_call(const struct call *call, struct err *err)
{
	bool is_one_word = call->action == call->command;
	int rc = find_fault(call, err);

	err_prefix(err, rc, "%s%s%s", call->command->name, is_one_word ? "" : " ",
		   is_one_word ? "" : call->action->name);
	return rc < 0 ? CTL_USAGE : CTL_FINE;
}

/* ---- running ---- */

int ctl_need_root(const struct ctl *ctl, const char *what, struct err *err)
{
	if (ctl->root || geteuid() == 0)
		return 0;
	return err_set(err, EPERM, "only root may %s: try sudo", what);
}

/* Goes up when what a program reads would break; keys that are added break nothing */
#define JSON_FORMAT 1

/* Takes @root over */
static json_t *as_report(json_t *root)
{
	json_t *report = json_pack("{s:i}", "format", JSON_FORMAT);

	if (!root || json_object_update(report, root) < 0) {
		json_decref(report);
		report = NULL;
	}
	json_decref(root);
	json_null_for_empty(report);
	return report;
}

static int print_json(json_t *root, size_t how, struct err *err)
{
	cleanup_json json_t *report = as_report(root);
	int rc = report ? json_dumpf(report, stdout, how | JSON_ENSURE_ASCII) : -1;

	if (rc < 0)
		return err_set(err, ENOMEM, "the report could not be written as JSON");
	putchar('\n');
	return 0;
}

int ctl_print_json(json_t *root, struct err *err)
{
	return print_json(root, JSON_INDENT(2), err);
}

int ctl_print_report(const struct ctl *ctl, json_t *root, struct err *err)
{
	return print_json(root, ctl->watch ? JSON_COMPACT : JSON_INDENT(2), err);
}

int ctl_blind(const struct ctl *ctl, const struct err *err)
{
	fprintf(stderr, PROGRAM ": %s\n", err->text);
	if (ctl->json)
		ctl_print_json(json_pack("{s:s}", "error", err->text), NULL);
	return CTL_BLIND;
}

/* As virsh: the option, else the environment's.  Hooks look at neither */
static int choose_libvirt(const struct call *call, struct err *err)
{
	const struct ctl *ctl = &call->ctl;
	const char *uri = ctl->connect ? ctl->connect : getenv("LIBVIRT_DEFAULT_URI");
	bool asks = call->action->options & CTL_CONNECT && !ctl->root && !ctl->xml;

	if (!uri || !*uri || !asks || libvirt_host_choose(uri, err) == 0)
		return CTL_FINE;
	return CTL_USAGE;
}

static int run_command(struct call *call, struct err *err)
{
	int rc = check_call(call, err);

	if (rc == CTL_FINE)
		rc = choose_libvirt(call, err);
	if (rc)
		return rc;
	rc = kfs_open(&call->ctl.kfs, call->ctl.root ? call->ctl.root : "/", err);
	if (rc < 0)
		return rc;
	rc = call->action->run(&call->ctl, err);
	kfs_close(&call->ctl.kfs);
	return rc;
}

/* "help", "help COMMAND", "help help" */
static void take_help(struct call *call)
{
	while (call->ctl.n_args && !strcmp(call->ctl.args[0], "help")) {
		take_argument(&call->ctl);
		call->given |= ANY_HELP;
	}
}

static void choose_log_level(unsigned int given)
{
	if (given & ANY_VERBOSE)
		log_set_level(LOG_LEVEL_DEBUG);
	else if (given & ANY_QUIET)
		log_set_level(LOG_LEVEL_ERROR);
}

static int run(struct call *call, struct err *err)
{
	int rc;

	take_help(call);
	choose_log_level(call->given);

	if (call->given & ANY_VERSION) {
		puts(PROGRAM " " VERSION);
		return CTL_FINE;
	}
	if (!call->ctl.n_args && call->given & ANY_HELP) {
		print_help();
		return CTL_FINE;
	}
	rc = find_command(call, err);
	if (rc == CTL_FINE && call->given & ANY_HELP) {
		print_command_help(call->command);
		return CTL_FINE;
	}
	if (rc == CTL_FINE)
		rc = find_action(call, err);
	return rc ? rc : run_command(call, err);
}

static void complain(const struct call *call, int rc, const struct err *err)
{
	fprintf(stderr, PROGRAM ": %s\n", err->text);
	if (rc == CTL_USAGE)
		fprintf(stderr, "Try: " PROGRAM " %s%s--help\n",
			call->command ? call->command->name : "", call->command ? " " : "");
	else if (call->ctl.json)
		ctl_print_json(json_pack("{s:s}", "error", err->text), NULL);
}

/* A report that could not be written is no success */
static int check_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CTL_FINE;
	/* "| head" has read as much as it wants */
	if (errno == EPIPE)
		return CTL_FINDINGS;
	fprintf(stderr, PROGRAM ": the report cannot be written: %s\n", err_text(errno));
	return CTL_FINDINGS;
}

int main(int argc, char **argv)
{
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
		rc = run(&call, &err);
	if (rc < 0 || rc == CTL_USAGE)
		complain(&call, rc, &err);
	if (rc < 0)
		rc = CTL_FINDINGS;
	return rc ? rc : check_output();
}

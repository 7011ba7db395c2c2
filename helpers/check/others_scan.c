// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: how much is understood
 *
 * Of a shell script that it mentions a pool, and the number where it is written out: what a
 * variable holds is not followed.  That is enough to name the line, and a person reads it.
 */
#include "check/others_scan.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"

#define BLANKS " \t\r"

/* ---- lines ---- */

struct reader {
	enum scan_language language;
	const char *next, *end;
	unsigned int line;
	scan_found *found;
	void *arg;
	char section[32]; /* of tuned.conf */
};

static bool joins_lines(enum scan_language language)
{
	return language == SCAN_SHELL || language == SCAN_UNIT || language == SCAN_SETTINGS;
}

/* In a script a comment begins at a word's beginning, and in no quotes */
static void cut_comment(char *text)
{
	char quote = 0, *p;

	for (p = text; *p; p++) {
		if (quote) {
			quote = *p == quote ? 0 : quote;
		} else if (*p == '\'' || *p == '"') {
			quote = *p;
		} else if (*p == '\\' && p[1]) {
			p++;
		} else if (*p == '#' && (p == text || strchr(" \t;&|(", p[-1]))) {
			*p = '\0';
			return;
		}
	}
}

static bool is_comment(const char *text, enum scan_language language)
{
	if (*text == '#')
		return true;
	return *text == ';' && language != SCAN_SHELL && language != SCAN_TMPFILES;
}

/* Return: the number of the line, 0 at the end.  What is longer than @text is cut off */
static unsigned int next_line(struct reader *r, char text[SCAN_LINE_SIZE])
{
	unsigned int first = r->line + 1;
	size_t used = 0;
	bool more = true;

	if (r->next >= r->end)
		return 0;
	while (more && r->next < r->end) {
		const char *newline = memchr(r->next, '\n', (size_t)(r->end - r->next));
		const char *stop = newline ? newline : r->end;
		size_t len = (size_t)(stop - r->next);

		more = joins_lines(r->language) && len && stop[-1] == '\\';
		if (more)
			len--;
		if (len > SCAN_LINE_SIZE - 1 - used)
			len = SCAN_LINE_SIZE - 1 - used;
		memcpy(text + used, r->next, len);
		used += len;
		r->next = newline ? newline + 1 : r->end;
		r->line++;
	}
	text[used] = '\0';
	return first;
}

static void tell(const struct reader *r, enum scan_subject subject, unsigned int line,
		 const char *key, const char *value)
{
	struct scan_line found = { .subject = subject, .line = line };

	snprintf(found.key, sizeof(found.key), "%s", key);
	snprintf(found.value, sizeof(found.value), "%s", value);
	r->found(r->arg, &found);
}

/* ---- what a name means ---- */

static const struct {
	const char *word;
	enum scan_subject subject;
} names[] = {
	{ "nr_hugepages", SCAN_POOL },	 { "nr_overcommit_hugepages", SCAN_POOL },
	{ "hugeadm", SCAN_POOL },	 { "compact_memory", SCAN_MOVE },
	{ "drop_caches", SCAN_DROP },	 { "mm/ksm/", SCAN_KSM },
	{ "disable_ksm", SCAN_KSM },	 { "transparent_hugepage/", SCAN_THP },
	{ "dpdk-hugepages", SCAN_SPDK }, { "spdk-setup", SCAN_SPDK },
	{ "NRHUGE=", SCAN_SPDK },	 { "HUGEMEM=", SCAN_SPDK },
	{ "NR_2M_PAGES=", SCAN_SPDK },	 { "NR_1G_PAGES=", SCAN_SPDK },
	{ "NR_16M_PAGES=", SCAN_SPDK },	 { "NR_16G_PAGES=", SCAN_SPDK },
	{ "KVM_HUGEPAGES=", SCAN_POOL }, { "KSM_ENABLED=", SCAN_KSM },
};

#define N_NAMES ARRAY_SIZE(names)

/* Part of KSM, but not whether it runs */
static bool is_rate(const char *at)
{
	return !strncmp(at, "mm/ksm/", 7) && strncmp(at + 7, "run", 3) != 0;
}

/* Copies a word without its quotes */
static void copy_word(const char *text, char value[SCAN_VALUE_SIZE])
{
	size_t n = 0;

	for (; *text && !strchr(BLANKS "\n;|&><)", *text) && n < SCAN_VALUE_SIZE - 1; text++)
		if (*text != '"' && *text != '\'')
			value[n++] = *text;
	value[n] = '\0';
	/* A variable, or what a command says, is not known; "0\n" of printf is 0 */
	if (strpbrk(value, "$`"))
		value[0] = '\0';
	else if (n > 2 && !strcmp(value + n - 2, "\\n"))
		value[n - 2] = '\0';
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, BLANKS);
}

/* The last "echo" or "printf" before @at, and its argument */
static bool printed_value(const char *text, const char *at, char value[SCAN_VALUE_SIZE])
{
	const char *p, *last = NULL;

	for (p = text; p < at; p++)
		if ((!strncmp(p, "echo", 4) && strchr(BLANKS, p[4])) ||
		    (!strncmp(p, "printf", 6) && strchr(BLANKS, p[6])))
			last = p + strcspn(p, BLANKS);
	if (!last || !*last)
		return false;
	last = skip_blanks(last);
	while (*last == '-' && isalpha((unsigned char)last[1]))
		last = skip_blanks(last + strcspn(last, BLANKS));
	if (!strncmp(last, "%s", 2) || !strncmp(last, "'%s", 3) || !strncmp(last, "\"%s", 3))
		last = skip_blanks(last + strcspn(last, BLANKS));
	copy_word(last, value);
	return true;
}

/* "NAME=VALUE", "echo VALUE >NAME", "tee NAME <<<VALUE" */
static void find_value(const char *text, const char *at, const char *word,
		       char value[SCAN_VALUE_SIZE])
{
	const char *end = at + strcspn(at, BLANKS "=;|&><\n"), *here;
	size_t len = strlen(word);

	value[0] = '\0';
	if (word[len - 1] == '=') {
		copy_word(at + len, value);
		return;
	}
	end += *end == '"' || *end == '\'';
	here = skip_blanks(end);
	if (*here == '=') {
		copy_word(skip_blanks(here + 1), value);
		return;
	}
	if (printed_value(text, at, value))
		return;
	here = strstr(end, "<<<");
	if (here)
		copy_word(skip_blanks(here + 3), value);
}

/* hugeadm --pool-pages-min 2M:0 */
static void hugeadm_value(const char *at, char value[SCAN_VALUE_SIZE])
{
	const char *option = strstr(at, "--pool-pages-m"), *colon;

	value[0] = '\0';
	colon = option ? strchr(option, ':') : NULL;
	if (colon)
		copy_word(colon + 1, value);
}

/* ---- scripts ---- */

/* Other programs that the line calls, by their paths */
static void tell_calls(const struct reader *r, unsigned int line, const char *text)
{
	const char *p;

	for (p = text; *p; p++) {
		char path[SCAN_VALUE_SIZE * 2];
		size_t len = strcspn(p, BLANKS "\n;|&><)\"'");
		bool begins = p == text || strchr(BLANKS ";|&(=\"'@!+:-", p[-1]);

		if (*p != '/' || !begins || len >= sizeof(path))
			continue;
		snprintf(path, sizeof(path), "%.*s", (int)len, p);
		if (!strpbrk(path, "$*`"))
			tell(r, SCAN_CALL, line, "", path);
		p += len ? len - 1 : 0;
	}
}

static void scan_shell_line(const struct reader *r, unsigned int line, char *text)
{
	bool said[SCAN_SUBJECTS] = { false };
	char value[SCAN_VALUE_SIZE];
	size_t i;

	cut_comment(text);
	for (i = 0; i < N_NAMES; i++) {
		const char *at = strstr(text, names[i].word);
		enum scan_subject subject = names[i].subject;

		if (!at || said[subject])
			continue;
		/* A local variable may end like that */
		if (at > text && strchr(names[i].word, '=') &&
		    (isalnum((unsigned char)at[-1]) || at[-1] == '_'))
			continue;
		if (!strcmp(names[i].word, "hugeadm"))
			hugeadm_value(at, value);
		else if (!strcmp(names[i].word, "disable_ksm"))
			strcpy(value, "0");
		else
			find_value(text, at, names[i].word, value);
		said[subject] = true;
		tell(r, subject, line, names[i].word, is_rate(at) ? "" : value);
	}
	if (!said[SCAN_SPDK] && strstr(text, "spdk") && strstr(text, "setup.sh"))
		tell(r, SCAN_SPDK, line, "setup.sh", "");
	if (r->language != SCAN_SETTINGS)
		tell_calls(r, line, text);
}

/* ---- NAME = VALUE ---- */

static bool split(char *text, const char *separators, char **name, char **value)
{
	char *equals = text + strcspn(text, separators), *end;

	if (!*equals)
		return false;
	*value = (char *)skip_blanks(equals + 1);
	end = *value + strlen(*value);
	while (end > *value && strchr(BLANKS, end[-1]))
		*--end = '\0';
	while (equals > text && strchr(BLANKS, equals[-1]))
		equals--;
	*equals = '\0';
	*name = text;
	return true;
}

/* Only a number, as the kernel reads it: "0x10" is none for us, and stays words */
static void tell_setting(const struct reader *r, enum scan_subject subject, unsigned int line,
			 const char *key, const char *value)
{
	char word[SCAN_VALUE_SIZE];

	copy_word(value, word);
	tell(r, subject, line, key, word);
}

/* "-vm/nr_hugepages" and "vm.nr_hugepages" are one */
static void scan_sysctl_line(const struct reader *r, unsigned int line, char *text)
{
	char *name, *value, *p;

	if (!split(text, "=", &name, &value))
		return;
	name += *name == '-';
	name = (char *)skip_blanks(name);
	for (p = name; *p; p++)
		if (*p == '/')
			*p = '.';
	/* nr_overcommit_hugepages takes no pages from a pool */
	if (!strcmp(name, "vm.nr_hugepages") || !strcmp(name, "vm.nr_hugepages_mempolicy"))
		tell_setting(r, SCAN_POOL, line, name, value);
	else if (!strcmp(name, "vm.drop_caches"))
		tell_setting(r, SCAN_DROP, line, name, value);
	else if (!strcmp(name, "vm.compact_memory"))
		tell_setting(r, SCAN_MOVE, line, name, value);
}

/* A path of /sys or /proc that a value is written to */
static void tell_path(const struct reader *r, unsigned int line, const char *path,
		      const char *value)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	if (strstr(path, "mm/ksm/"))
		tell_setting(r, SCAN_KSM, line, name, strcmp(name, "run") == 0 ? value : "");
	else if (strstr(path, "transparent_hugepage/"))
		tell_setting(r, SCAN_THP, line, name, value);
	else if (!strncmp(name, "nr_hugepages", 12))
		tell_setting(r, SCAN_POOL, line, name, value);
	else if (!strcmp(name, "drop_caches"))
		tell_setting(r, SCAN_DROP, line, name, value);
	else if (!strcmp(name, "compact_memory"))
		tell_setting(r, SCAN_MOVE, line, name, value);
}

static const char *next_field(const char **rest, char *buf, size_t size)
{
	const char *from = skip_blanks(*rest);
	char quote = *from == '"' || *from == '\'' ? *from : 0;
	size_t len;

	from += quote != 0;
	len = quote ? strcspn(from, (char[]){ quote, '\0' }) : strcspn(from, BLANKS);
	snprintf(buf, size, "%.*s", (int)len, from);
	*rest = from + len + (quote && from[len]);
	return buf;
}

/* TYPE PATH MODE USER GROUP AGE ARGUMENT */
static void scan_tmpfiles_line(const struct reader *r, unsigned int line, const char *text)
{
	char type[16], path[256], ignored[64];
	int i;

	next_field(&text, type, sizeof(type));
	if (!*type || !strchr("wfF", *type))
		return;
	next_field(&text, path, sizeof(path));
	for (i = 0; i < 4; i++)
		next_field(&text, ignored, sizeof(ignored));
	tell_path(r, line, path, skip_blanks(text));
}

/* "kernel/mm/ksm/run = 1", below /sys; "mode" and "owner" of a file are no value */
static void scan_sysfs_line(const struct reader *r, unsigned int line, char *text)
{
	char *name, *value;

	if (split(text, "=", &name, &value) && strncmp(name, "mode ", 5) != 0 &&
	    strncmp(name, "owner ", 6) != 0)
		tell_path(r, line, name, value);
}

/* ---- the kernel's command line ---- */

/* tuned puts a + before what it adds */
static void scan_words(const struct reader *r, unsigned int line, const char *text)
{
	static const struct {
		const char *name;
		enum scan_subject subject;
	} words[] = {
		{ "hugepages=", SCAN_POOL },
		{ "hugetlb_cma=", SCAN_POOL },
		{ "transparent_hugepage=", SCAN_THP },
	};
	const char *p;
	size_t i;

	for (p = text; *p; p++)
		for (i = 0; i < ARRAY_SIZE(words); i++) {
			size_t len = strlen(words[i].name);

			if (strncmp(p, words[i].name, len) != 0 ||
			    (p > text && !strchr(BLANKS "\"'=+", p[-1])))
				continue;
			tell_setting(r, words[i].subject, line, words[i].name, p + len);
		}
}

/* ---- tuned.conf ---- */

static void scan_tuned_line(struct reader *r, unsigned int line, char *text)
{
	char *name, *value;

	if (*text == '[') {
		snprintf(r->section, sizeof(r->section), "%.*s", (int)strcspn(text + 1, "]"),
			 text + 1);
		return;
	}
	if (strstr(r->section, "bootloader")) {
		scan_words(r, line, text);
	} else if (!strcmp(r->section, "vm")) {
		if (split(text, "=", &name, &value) && !strncmp(name, "transparent_hugepage", 20))
			tell_setting(r, SCAN_THP, line, name, value);
	} else if (strstr(r->section, "sysctl")) {
		scan_sysctl_line(r, line, text);
	} else if (split(text, "=", &name, &value)) {
		tell_path(r, line, name, value);
	}
}

/* ---- all of it ---- */

static bool is_in_unit(const char *text)
{
	return !strncmp(text, "Exec", 4) || !strncmp(text, "Environment", 11);
}

static void scan_line(struct reader *r, unsigned int line, char *text)
{
	switch (r->language) {
	case SCAN_UNIT:
		if (is_in_unit(text))
			scan_shell_line(r, line, text);
		break;
	case SCAN_SHELL:
	case SCAN_SETTINGS:
		scan_shell_line(r, line, text);
		break;
	case SCAN_SYSCTL:
		scan_sysctl_line(r, line, text);
		break;
	case SCAN_TMPFILES:
		scan_tmpfiles_line(r, line, text);
		break;
	case SCAN_SYSFS:
		scan_sysfs_line(r, line, text);
		break;
	case SCAN_TUNED:
		scan_tuned_line(r, line, text);
		break;
	case SCAN_WORDS:
		scan_words(r, line, text);
		break;
	}
}

void others_scan_text(enum scan_language language, const char *text, size_t len, scan_found *found,
		      void *arg)
{
	struct reader r = {
		.language = language, .next = text, .end = text + len, .found = found, .arg = arg
	};
	char buf[SCAN_LINE_SIZE];
	unsigned int line;

	while ((line = next_line(&r, buf))) {
		char *begin = (char *)skip_blanks(buf);

		/* A NUL ends what a line says */
		if (*begin && !is_comment(begin, language))
			scan_line(&r, line, begin);
	}
}

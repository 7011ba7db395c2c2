// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: the syntax, as libvirt's own parser has it
 *
 * Statements "name = value", ended by the end of the line or by ";", with "#"
 * comments before and behind.  A value is a number, a string in ' or ", without any
 * escapes, a text in """ that may have several lines, or a list in brackets that may
 * as well.  Of several assignments to one name the first counts: entries are
 * appended, and found from the front.
 * (libvirt: src/util/virconf.c, virConfParseStatement, virConfGetValue)
 *
 * libvirt refuses a file with any mistake in it as a whole.  Then no guest starts, so
 * it does not matter what we make of such a file; here a bad line is passed over.
 */
#include "config/qemu_conf.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

#define QEMU_CONF_MAX (1024 * 1024)

/* The file while it is read */
struct source {
	const char *next;
	const char *end;
	unsigned int line;
};

/* @start is NULL for a value that is no string */
struct span {
	const char *start;
	size_t len;
};

static bool at_end(const struct source *src)
{
	return src->next == src->end;
}

static bool is_eol(char c)
{
	return c == '\n' || c == '\r';
}

static void take(struct source *src)
{
	if (*src->next++ == '\n')
		src->line++;
}

static void skip_blanks(struct source *src)
{
	while (!at_end(src) && (*src->next == ' ' || *src->next == '\t'))
		take(src);
}

static void skip_to_eol(struct source *src)
{
	while (!at_end(src) && !is_eol(*src->next))
		take(src);
}

static bool skip_char(struct source *src, char c)
{
	if (at_end(src) || *src->next != c)
		return false;
	take(src);
	return true;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static struct span take_name(struct source *src)
{
	struct span name = { src->next, 0 };

	while (!at_end(src) && is_name(*src->next))
		take(src);
	name.len = (size_t)(src->next - name.start);
	return name;
}

/* Up to three quotation marks in a row, behind them */
static struct span take_text(struct source *src)
{
	static const char mark[] = "\"\"\"";
	const char *start = src->next + 3;
	const char *close = memmem(start, (size_t)(src->end - start), mark, 3);

	while (src->next < (close ? close + 3 : src->end))
		take(src);
	return close ? (struct span){ start, (size_t)(close - start) } : (struct span){ NULL, 0 };
}

static struct span take_string(struct source *src)
{
	struct span value = { NULL, 0 };
	const char *start = src->next + 1;
	char mark = *src->next;

	if (src->end - src->next >= 6 && !memcmp(src->next, "\"\"\"", 3))
		return take_text(src);
	take(src);
	while (!at_end(src) && *src->next != mark && !is_eol(*src->next))
		take(src);
	if (skip_char(src, mark))
		value = (struct span){ start, (size_t)(src->next - 1 - start) };
	return value;
}

/* A bracket in one of its strings closes no list */
static void skip_list(struct source *src)
{
	while (!at_end(src) && *src->next != ']') {
		if (*src->next == '"' || *src->next == '\'')
			take_string(src);
		else if (*src->next == '#')
			skip_to_eol(src);
		else
			take(src);
	}
	skip_char(src, ']');
}

static struct span take_value(struct source *src)
{
	if (!at_end(src) && (*src->next == '"' || *src->next == '\''))
		return take_string(src);
	if (!at_end(src) && *src->next == '[')
		skip_list(src);
	else
		while (!at_end(src) && (is_name(*src->next) || strchr("+-", *src->next)))
			take(src);
	return (struct span){ NULL, 0 };
}

static bool is(struct span name, const char *key)
{
	return name.len == strlen(key) && !memcmp(name.start, key, name.len);
}

/* A string without control characters that fits into @buf */
static bool copy(struct span value, char *buf, size_t size)
{
	size_t i;

	if (!value.start || value.len >= size)
		return false;
	for (i = 0; i < value.len; i++)
		if (iscntrl((unsigned char)value.start[i]))
			return false;
	memcpy(buf, value.start, value.len);
	buf[value.len] = '\0';
	return true;
}

/* Single slashes, and none at the end: it is compared with other paths */
static void squeeze(char *path)
{
	char *to = path, *from;

	for (from = path; *from; from++)
		if (*from != '/' || (from[1] && from[1] != '/') || (to == path && !from[1]))
			*to++ = *from;
	*to = '\0';
}

static void set_memory_dir(struct span value, unsigned int line, struct qemu_conf *conf)
{
	char *dir = conf->memory_backing_dir;

	if (conf->memory_backing_line)
		return;
	conf->memory_backing_line = line;
	/* "" is followed by "/libvirt/qemu" like every other value */
	if (value.start && !value.len)
		value = (struct span){ "/", 1 };
	conf->memory_backing_unreadable = !copy(value, dir, sizeof(conf->memory_backing_dir)) ||
					  *dir != '/';
	if (conf->memory_backing_unreadable)
		*dir = '\0';
	squeeze(dir);
}

static void add_hugetlbfs(struct span value, struct qemu_conf *conf)
{
	char *dir;

	conf->hugetlbfs_blank = conf->hugetlbfs_blank || (value.start && !value.len);
	if (conf->n_hugetlbfs == QEMU_CONF_HUGETLBFS_MAX)
		return;
	dir = conf->hugetlbfs[conf->n_hugetlbfs];
	if (!copy(value, dir, sizeof(conf->hugetlbfs[0])) || !*dir)
		return;
	squeeze(dir);
	conf->n_hugetlbfs++;
}

/* A string, or a list of them.  libvirt takes an empty one for "none at all" */
static void take_hugetlbfs(struct source *src, struct qemu_conf *conf)
{
	const char *start = src->next;
	bool list = !at_end(src) && *start == '[';

	if (!list) {
		struct span value = take_value(src);

		add_hugetlbfs(value, conf);
		conf->hugetlbfs_off = value.start && !value.len;
		return;
	}
	for (take(src); !at_end(src) && *src->next != ']';) {
		if (*src->next == '"' || *src->next == '\'')
			add_hugetlbfs(take_string(src), conf);
		else if (*src->next == '#')
			skip_to_eol(src);
		else
			take(src);
	}
	skip_char(src, ']');
	conf->hugetlbfs_off = !conf->n_hugetlbfs;
}

static void assign(struct span name, struct span value, unsigned int line, struct qemu_conf *conf)
{
	if (is(name, "memory_backing_dir"))
		set_memory_dir(value, line, conf);
	else if (is(name, "user") && !*conf->user)
		copy(value, conf->user, sizeof(conf->user));
	else if (is(name, "group") && !*conf->group)
		copy(value, conf->group, sizeof(conf->group));
}

static void take_statement(struct source *src, struct qemu_conf *conf)
{
	unsigned int line = src->line;
	struct span name = take_name(src);

	skip_blanks(src);
	if (!name.len || !skip_char(src, '=')) {
		skip_to_eol(src);
		return;
	}
	skip_blanks(src);
	if (is(name, "hugetlbfs_mount") && !conf->hugetlbfs_mount) {
		conf->hugetlbfs_mount = true;
		take_hugetlbfs(src, conf);
	} else {
		assign(name, take_value(src), line, conf);
	}
	skip_blanks(src);
	if (!skip_char(src, ';'))
		skip_to_eol(src);
}

void qemu_conf_parse(const char *text, size_t len, struct qemu_conf *conf)
{
	struct source src = { text, text + len, 1 };

	*conf = (struct qemu_conf){ 0 };
	while (!at_end(&src)) {
		skip_blanks(&src);
		if (!at_end(&src) && is_eol(*src.next))
			take(&src);
		else
			take_statement(&src, conf);
	}
}

const char *qemu_conf_memory_dir(const struct qemu_conf *conf)
{
	return *conf->memory_backing_dir ? conf->memory_backing_dir : QEMU_CONF_RAM_DIR;
}

const char *qemu_conf_memory_below(const struct qemu_conf *conf)
{
	return *conf->memory_backing_dir ? "libvirt/qemu" : "";
}

void qemu_conf_load(int rootfd, struct qemu_conf *conf)
{
	cleanup_free char *text = NULL;
	size_t len;
	int rc = file_read_trusted_at(rootfd, QEMU_CONF_FILE, QEMU_CONF_MAX, &text, &len, NULL);

	*conf = (struct qemu_conf){ 0 };
	if (rc == 0)
		qemu_conf_parse(text, len, conf);
	else
		conf->memory_backing_unreadable = rc != -ENOENT;
}

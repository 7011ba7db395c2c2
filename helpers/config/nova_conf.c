// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: how Nova's syntax differs from ours
 *
 * oslo.config knows values of several lines (the others begin with a blank), takes
 * quotation marks around a value away, and has comments on lines of their own only.
 * The options here have one line.  A comment behind a value, with which Nova would not
 * start, is cut off as in our own files; lines too long for our reader are no option
 * of these.  (oslo.config: oslo_config/iniparser.py)
 */
#include "config/nova_conf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "config/config_dropins.h"
#include "config/config_parse.h"

/* The sample that distributions install has half a megabyte of comments */
#define FILE_SIZE_MAX (4u * 1024 * 1024)

static const struct option {
	const char *section;
	const char *name;
	size_t offset;
} options[] = {
#define OPTION(section, name)                                                                      \
	{                                                                                          \
		section, #name, offsetof(struct nova_conf, name)                                   \
	}
	OPTION("libvirt", file_backed_memory),	    OPTION("libvirt", virt_type),
	OPTION("DEFAULT", ram_allocation_ratio),    OPTION("DEFAULT", initial_ram_allocation_ratio),
	OPTION("DEFAULT", reserved_host_memory_mb), OPTION("DEFAULT", reserved_huge_pages),
#undef OPTION
};

struct reading {
	const char *label;
	struct nova_conf *conf;
	char section[16];
};

static int on_section(void *data, unsigned int line, const char *name)
{
	struct reading *r = data;

	(void)line;
	snprintf(r->section, sizeof(r->section), "%.*s", (int)sizeof(r->section) - 1,
		 name ? name : "");
	return 0;
}

/* Without quotation marks around it.  Too long, or with control characters: empty */
static void copy_text(char *buf, const char *text)
{
	size_t len = strlen(text), i;

	if (len > 1 && (*text == '"' || *text == '\'') && text[len - 1] == *text) {
		text++;
		len -= 2;
	}
	*buf = '\0';
	if (len >= NOVA_CONF_TEXT_SIZE)
		return;
	for (i = 0; i < len; i++)
		if (iscntrl((unsigned char)text[i]))
			return;
	memcpy(buf, text, len);
	buf[len] = '\0';
}

static int on_pair(void *data, unsigned int line, const char *key, const char *text)
{
	struct reading *r = data;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		struct nova_value *value = (void *)((char *)r->conf + options[i].offset);

		if (strcasecmp(r->section, options[i].section) != 0 ||
		    strcmp(key, options[i].name) != 0)
			continue;
		copy_text(value->text, text);
		snprintf(value->where, sizeof(value->where), "%s:%u", r->label, line);
	}
	return 0;
}

static int on_unreadable(void *data, unsigned int line, const char *why)
{
	(void)data;
	(void)line;
	(void)why;
	return 0;
}

void nova_conf_parse(const char *label, const char *text, size_t len, struct nova_conf *conf)
{
	static const struct config_events events = { on_section, on_pair, on_unreadable };
	struct reading r = { .label = label, .conf = conf };

	conf->present = true;
	config_parse_lines(text, len, &events, &r);
}

/* @dir ends with a slash and is where @dirfd leads */
static void load_file(int dirfd, const char *dir, const char *name, struct nova_conf *conf)
{
	cleanup_free char *text = NULL;
	char label[NOVA_CONF_WHERE_SIZE - 16];
	size_t len;

	/* Nova's own user may write there, so nothing in it is believed beyond its words */
	if (file_read_at(dirfd, name, FILE_SIZE_MAX, &text, &len, NULL) < 0)
		return;
	snprintf(label, sizeof(label), "%s%s", dir, name);
	nova_conf_parse(label, text, len, conf);
}

static void load_dir(int rootfd, const char *name, const char *label, struct nova_conf *conf)
{
	cleanup_close int fd = openat(rootfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dropins struct config_dropins dropins = { 0 };
	size_t i;

	if (fd < 0 || config_dropins_list(fd, &dropins) < 0)
		return;
	for (i = 0; i < dropins.n; i++)
		load_file(fd, label, dropins.name[i], conf);
}

void nova_conf_load(int rootfd, struct nova_conf *conf)
{
	*conf = (struct nova_conf){ 0 };
	load_file(rootfd, "/", NOVA_CONF_DIR "/nova.conf", conf);
	load_file(rootfd, "/", NOVA_CONF_DIR "/nova-compute.conf", conf);
	load_dir(rootfd, NOVA_CONF_DIR "/nova.conf.d", "/" NOVA_CONF_DIR "/nova.conf.d/", conf);
	load_dir(rootfd, NOVA_CONF_DIR "/nova-compute.conf.d",
		 "/" NOVA_CONF_DIR "/nova-compute.conf.d/", conf);
}

static uint64_t number(const struct nova_value *value, uint64_t otherwise)
{
	uint64_t n;

	return text_to_u64(value->text, &n) < 0 ? otherwise : n;
}

uint64_t nova_conf_file_backed_mib(const struct nova_conf *conf)
{
	return number(&conf->file_backed_memory, 0);
}

uint64_t nova_conf_reserved_mib(const struct nova_conf *conf)
{
	return number(&conf->reserved_host_memory_mb, NOVA_RESERVED_MIB);
}

/* Digits behind the point, in thousandths */
static int parse_fraction(const char *text, uint64_t *thousandths)
{
	static const uint64_t unit[] = { 100, 10, 1 };
	size_t i;

	*thousandths = 0;
	for (i = 0; text[i]; i++) {
		if (!isdigit((unsigned char)text[i]))
			return -EINVAL;
		if (i < 3)
			*thousandths += unit[i] * (uint64_t)(text[i] - '0');
	}
	if (i > 3 && text[3 + strspn(text + 3, "0")])
		++*thousandths;
	return 0;
}

int nova_conf_ratio(const struct nova_value *value, uint64_t *ratio)
{
	char text[NOVA_CONF_TEXT_SIZE];
	uint64_t whole = 0, fraction = 0;
	char *point;

	if (!*value->where || !*value->text)
		return -ENOENT;
	memcpy(text, value->text, sizeof(text));
	point = strchr(text, '.');
	if (point)
		*point++ = '\0';
	/* "1." and ".5" are numbers to Nova, "." is none */
	if (*text ? text_to_u64(text, &whole) < 0 : !point || !*point)
		return -EINVAL;
	if (whole > 1000000 || (point && parse_fraction(point, &fraction) < 0))
		return -EINVAL;
	*ratio = whole * 1000 + fraction;
	return 0;
}

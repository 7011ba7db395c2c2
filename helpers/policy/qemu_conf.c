// SPDX-License-Identifier: LGPL-2.1-or-later
#include "policy/qemu_conf.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

#define QEMU_CONF_MAX (1024 * 1024)

/* Does the line [@line, @end) assign to @key? */
static bool assigns(const char *line, const char *end, const char *key)
{
	size_t len = strlen(key);

	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	if ((size_t)(end - line) < len || memcmp(line, key, len))
		return false;
	line += len;
	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	return line < end && *line == '=';
}

void qemu_conf_parse(const char *text, size_t len, struct qemu_conf *conf)
{
	const char *end = text + len, *line, *next;

	*conf = (struct qemu_conf){ 0 };
	for (line = text; line < end; line = next) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		next = newline ? newline + 1 : end;
		if (assigns(line, newline ? newline : end, "hugetlbfs_mount"))
			conf->hugetlbfs_mount = true;
	}
}

void qemu_conf_load(int rootfd, struct qemu_conf *conf)
{
	cleanup_free char *text = NULL;
	size_t len;

	*conf = (struct qemu_conf){ 0 };
	if (file_read_at(rootfd, QEMU_CONF_FILE, QEMU_CONF_MAX, &text, &len, NULL) == 0)
		qemu_conf_parse(text, len, conf);
}

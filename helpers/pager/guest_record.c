// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The file "guest": a guest's name, process and limit, for the next daemon.
 */
#include "pager/guest_record.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/json_fields.h"

#define NAME	       "guest"
#define RECORD_MAX     8192
#define RECORD_VERSION 1

static const struct json_field fields[] = {
	JSON_FIELD(struct guest_record, name),
	JSON_FIELD(struct guest_record, pid),
	JSON_FIELD(struct guest_record, start_time),
	JSON_FIELD(struct guest_record, limit_kib),
	JSON_END,
};

int guest_record_read(int directory, struct guest_record *record, struct err *err)
{
	cleanup_json json_t *object = NULL;
	cleanup_free char *text = NULL;
	struct guest_record read = { 0 };
	uint64_t version = 0;
	size_t len;
	int rc = file_read_at(directory, NAME, RECORD_MAX, &text, &len, err);

	if (rc < 0)
		return rc;
	object = json_loadb(text, len, 0, NULL);
	rc = json_read_u64(object, "version", &version, err);
	/* A later one has more in it, and what it has in common means the same */
	if (rc == 0 && version < RECORD_VERSION)
		rc = err_set(err, EINVAL, "of version %llu", (unsigned long long)version);
	if (rc == 0)
		rc = json_fields_read(object, fields, &read, err);
	if (rc == 0 && (!read.pid || read.pid > INT_MAX || !read.limit_kib))
		rc = err_set(err, EINVAL, "it names no process");
	if (rc == 0)
		*record = read;
	return err_prefix(err, rc, NAME);
}

int guest_record_write(int directory, const struct guest_record *record, struct err *err)
{
	cleanup_json json_t *object = json_fields_write(fields, record);
	cleanup_free char *text = NULL;

	if (object && json_object_set_new(object, "version", json_integer(RECORD_VERSION)) == 0)
		text = json_dumps(object, JSON_COMPACT);
	if (!text)
		return err_nomem(err);
	return file_replace_at(directory, NAME, text, strlen(text), err);
}

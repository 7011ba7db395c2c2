// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Messages of hook, command and the pager's daemon: written, and read with distrust.
 */
#include "pager/protocol.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "base/text.h"

/* The kernel has none above it */
#define ERRNO_MAX 4095

static const struct json_field no_fields[] = { JSON_END };

static const struct json_field adopt_fields[] = {
	JSON_FIELD(struct pager_request, uuid),
	JSON_FIELD(struct pager_request, name),
	JSON_FIELD(struct pager_request, pid),
	JSON_FIELD(struct pager_request, limit_kib),
	JSON_END,
};

static const struct json_field set_fields[] = {
	JSON_FIELD(struct pager_request, uuid),
	JSON_FIELD(struct pager_request, limit_kib),
	JSON_END,
};

static const struct json_field guest_fields[] = {
	JSON_FIELD(struct pager_request, uuid),
	JSON_END,
};

static const struct json_field status_fields[] = {
	JSON_IF_SET_AS(struct pager_request, uuid, "after"),
	JSON_END,
};

/* @is_long: see pager_action_is_long() */
static const struct action {
	const char *name;
	const struct json_field *fields;
	bool is_long;
} actions[] = {
	[PAGER_HELLO] = { "hello", no_fields, false },
	[PAGER_ADOPT] = { "adopt", adopt_fields, true },
	[PAGER_SET] = { "set", set_fields, false },
	[PAGER_RELEASE] = { "release", guest_fields, true },
	[PAGER_FORGET] = { "forget", guest_fields, true },
	[PAGER_STATUS] = { "status", status_fields, false },
};

const char *pager_action_name(enum pager_action action)
{
	return actions[action].name;
}

bool pager_action_is_long(enum pager_action action)
{
	return actions[action].is_long;
}

/* One object of our version.  -EPROTO: of another */
static int load(const char *text, size_t len, json_t **object, struct err *err)
{
	cleanup_json json_t *root = NULL;
	json_error_t error;
	uint64_t version;
	int rc;

	if (len > PAGER_MESSAGE_MAX)
		return err_set(err, EMSGSIZE, "longer than %zu bytes", PAGER_MESSAGE_MAX);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(root))
		return err_set(err, EINVAL, "not a JSON object");
	rc = json_read_u64(root, "version", &version, err);
	if (rc < 0)
		return rc;
	if (version != PAGER_PROTOCOL_VERSION)
		return err_set(err, EPROTO, "of version %llu, where version %d is spoken",
			       (unsigned long long)version, PAGER_PROTOCOL_VERSION);
	*object = json_incref(root);
	return 0;
}

static int find_action(const json_t *object, enum pager_action *action, struct err *err)
{
	const char *word;
	size_t i;
	int rc = json_read_string(object, "do", &word, err);

	if (rc < 0)
		return rc;
	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		if (!strcmp(word, actions[i].name)) {
			*action = (enum pager_action)i;
			return 0;
		}
	}
	return err_set(err, EINVAL, "\"do\": there is no such request");
}

static bool has(const struct pager_request *request, const char *key)
{
	const struct json_field *field;

	for (field = actions[request->action].fields; field->key; field++)
		if (!strcmp(field->key, key))
			return true;
	return false;
}

/* What the types don't say */
static int check(struct pager_request *request, struct err *err)
{
	char *c;

	if (!request->deadline_ms || request->deadline_ms > (uint64_t)PAGER_DEADLINE_MAX_MS)
		return err_set(err, EINVAL, "\"deadline_ms\": expected 1 to a day");
	if (*request->uuid ? !text_is_uuid(request->uuid) : has(request, "uuid"))
		return err_set(err, EINVAL, "\"uuid\": not a UUID");
	for (c = request->uuid; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (has(request, "pid") && (!request->pid || request->pid > INT_MAX))
		return err_set(err, EINVAL, "\"pid\": not a process");
	if (has(request, "limit_kib") && (!request->limit_kib || request->limit_kib > TEXT_KIB_MAX))
		return err_set(err, EINVAL, "\"limit_kib\": not a size of memory");
	return 0;
}

int pager_request_parse(const char *text, size_t len, struct pager_request *request,
			struct err *err)
{
	struct pager_request read = { 0 };
	cleanup_json json_t *object = NULL;
	int rc = load(text, len, &object, err);

	if (rc == 0)
		rc = find_action(object, &read.action, err);
	if (rc == 0)
		rc = json_read_u64(object, "deadline_ms", &read.deadline_ms, err);
	if (rc == 0)
		rc = json_fields_read(object, actions[read.action].fields, &read, err);
	if (rc == 0)
		rc = check(&read, err);
	if (rc == 0)
		*request = read;
	return rc;
}

char *pager_request_write(const struct pager_request *request)
{
	const struct action *action = &actions[request->action];
	cleanup_json json_t *object = json_pack("{s:i, s:s, s:I}", "version",
						PAGER_PROTOCOL_VERSION, "do", action->name,
						"deadline_ms", json_number(request->deadline_ms));

	if (!object || !json_fields_put(object, action->fields, request))
		return NULL;
	return json_dumps(object, JSON_COMPACT);
}

json_t *pager_reply(int errnum, const char *sentence)
{
	char text[PAGER_SENTENCE_SIZE];

	if (!errnum)
		return json_pack("{s:i, s:i}", "version", PAGER_PROTOCOL_VERSION, "errno", 0);
	memset(text, 0, sizeof(text));
	strncpy(text, sentence, sizeof(text) - 1);
	text_mend(text);
	return json_pack("{s:i, s:i, s:s}", "version", PAGER_PROTOCOL_VERSION, "errno", errnum,
			 "error", text);
}

char *pager_reply_write(const json_t *reply)
{
	char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;

	if (!text || strlen(text) <= PAGER_MESSAGE_MAX)
		return text;
	free(text);
	return NULL;
}

static int garbled(struct err *err)
{
	return err_prefix(err, -EPROTO, "the pager's answer can't be understood");
}

/* Its errno is this kernel's, both sides run on one host */
static int outcome(const json_t *object, struct err *err)
{
	const char *sentence;
	uint64_t errnum;
	int rc = json_read_u64(object, "errno", &errnum, err);

	if (rc == 0 && errnum == 0)
		return 0;
	if (rc == 0 && errnum > ERRNO_MAX)
		rc = err_set(err, EPROTO, "\"errno\" is none");
	if (rc == 0)
		rc = json_read_string(object, "error", &sentence, err);
	if (rc < 0)
		return garbled(err);
	return err_set(err, (int)errnum, "%s", sentence);
}

int pager_reply_parse(const char *text, size_t len, json_t **reply, struct err *err)
{
	cleanup_json json_t *object = NULL;
	int rc = load(text, len, &object, err);

	if (rc < 0)
		return garbled(err);
	rc = outcome(object, err);
	if (rc < 0)
		return rc;
	if (reply)
		*reply = json_incref(object);
	return 0;
}

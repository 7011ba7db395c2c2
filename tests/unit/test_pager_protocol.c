// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pager/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "unit/unit.h"

#define UUID	  "c7a5fdbd-cdaf-9455-926a-d65c16db1809"
#define UPPER	  "C7A5FDBD-cdaf-9455-926a-d65c16db1809"
#define ASK(rest) "{\"version\":1,\"deadline_ms\":500," rest "}"
#define WHO	  "\"uuid\":\"" UUID "\""

static const struct {
	const char *text;
	int rc;
	const char *says;
} requests[] = {
	{ ASK("\"do\":\"hello\""), 0, NULL },
	{ ASK("\"do\":\"hello\",\"more\":[1]"), 0, NULL },
	{ ASK("\"do\":\"adopt\"," WHO ",\"name\":\"g\",\"pid\":7,\"limit_kib\":8"), 0, NULL },
	{ ASK("\"do\":\"set\"," WHO ",\"limit_kib\":8"), 0, NULL },
	{ ASK("\"do\":\"release\"," WHO), 0, NULL },
	{ ASK("\"do\":\"release\",\"uuid\":\"" UPPER "\""), 0, NULL },
	{ ASK("\"do\":\"status\""), 0, NULL },
	{ ASK("\"do\":\"status\",\"after\":\"" UUID "\""), 0, NULL },
	/* Not even JSON */
	{ "", -EINVAL, "not a JSON object" },
	{ "hello", -EINVAL, "not a JSON object" },
	{ "[]", -EINVAL, "not a JSON object" },
	{ "{\"version\":1", -EINVAL, "not a JSON object" },
	{ ASK("\"do\":\"hello\"") "x", -EINVAL, "not a JSON object" },
	{ ASK("\"do\":\"hello\",\"do\":\"status\""), -EINVAL, "not a JSON object" },
	/* Another version is told before anything else is looked at */
	{ "{}", -EINVAL, "version" },
	{ "{\"version\":2}", -EPROTO, "of version 2, where version 1 is spoken" },
	{ "{\"version\":\"1\",\"do\":\"hello\"}", -EINVAL, "version" },
	/* Requests that are none */
	{ ASK("\"to\":\"hello\""), -EINVAL, "do" },
	{ ASK("\"do\":7"), -EINVAL, "do" },
	{ ASK("\"do\":\"HELLO\""), -EINVAL, "no such request" },
	{ "{\"version\":1,\"do\":\"hello\"}", -EINVAL, "deadline_ms" },
	{ "{\"version\":1,\"do\":\"hello\",\"deadline_ms\":0}", -EINVAL, "deadline_ms" },
	{ "{\"version\":1,\"do\":\"hello\",\"deadline_ms\":86400001}", -EINVAL, "deadline_ms" },
	{ "{\"version\":1,\"do\":\"hello\",\"deadline_ms\":-1}", -EINVAL, "deadline_ms" },
	/* A name of a directory */
	{ ASK("\"do\":\"release\""), -EINVAL, "uuid" },
	{ ASK("\"do\":\"release\",\"uuid\":\"\""), -EINVAL, "not a UUID" },
	{ ASK("\"do\":\"release\",\"uuid\":\"../../../etc\""), -EINVAL, "not a UUID" },
	{ ASK("\"do\":\"release\",\"uuid\":\"c7a5fdbd-cdaf-9455-926a-d65c16db180/\""), -EINVAL,
	  "not a UUID" },
	{ ASK("\"do\":\"release\",\"uuid\":\"" UUID "0\""), -EINVAL, "too long" },
	{ ASK("\"do\":\"release\",\"uuid\":\"" UUID "\\u0000x\""), -EINVAL, "JSON" },
	{ ASK("\"do\":\"release\",\"uuid\":null"), -EINVAL, "uuid" },
	{ ASK("\"do\":\"status\",\"after\":\"../x\""), -EINVAL, "not a UUID" },
	/* Numbers */
	{ ASK("\"do\":\"set\"," WHO), -EINVAL, "limit_kib" },
	{ ASK("\"do\":\"set\"," WHO ",\"limit_kib\":0"), -EINVAL, "limit_kib" },
	{ ASK("\"do\":\"set\"," WHO ",\"limit_kib\":-4"), -EINVAL, "limit_kib" },
	{ ASK("\"do\":\"set\"," WHO ",\"limit_kib\":1.5"), -EINVAL, "limit_kib" },
	{ ASK("\"do\":\"set\"," WHO ",\"limit_kib\":true"), -EINVAL, "limit_kib" },
	{ ASK("\"do\":\"set\"," WHO ",\"limit_kib\":9007199254740993"), -EINVAL, "limit_kib" },
	{ ASK("\"do\":\"set\"," WHO ",\"limit_kib\":99999999999999999999"), -EINVAL, "JSON" },
	{ ASK("\"do\":\"adopt\"," WHO ",\"name\":\"g\",\"pid\":0,\"limit_kib\":8"), -EINVAL,
	  "pid" },
	{ ASK("\"do\":\"adopt\"," WHO ",\"name\":\"g\",\"pid\":2147483648,\"limit_kib\":8"),
	  -EINVAL, "pid" },
	{ ASK("\"do\":\"adopt\"," WHO ",\"pid\":1,\"limit_kib\":8"), -EINVAL, "name" },
};

static void test_requests(void)
{
	size_t i;

	for (i = 0; i < ROWS(requests); i++) {
		const char *text = requests[i].text;
		struct pager_request request = { .pid = 4711 };
		struct err err = { "" };
		int rc = pager_request_parse(text, strlen(text), &request, &err);

		UNIT_CHECK(rc == requests[i].rc, "%s: %d, %s", text, rc, err.text);
		if (rc == 0)
			continue;
		UNIT_CHECK(strstr(err.text, requests[i].says), "%s: %s", text, err.text);
		CU_ASSERT_EQUAL(request.pid, 4711);
	}
}

static void test_case_of_uuid(void)
{
	const char *text = ASK("\"do\":\"release\",\"uuid\":\"" UPPER "\"");
	struct pager_request request;
	struct err err;

	CU_ASSERT_EQUAL(pager_request_parse(text, strlen(text), &request, &err), 0);
	CU_ASSERT_STRING_EQUAL(request.uuid, UUID);
}

/* What is written is read as it was, for each request */
static void test_there_and_back(void)
{
	unsigned int action;

	for (action = PAGER_HELLO; action <= PAGER_STATUS; action++) {
		struct pager_request request = {
			.action = (enum pager_action)action,
			.deadline_ms = 1234,
			.uuid = UUID,
			.name = "a \"guest\"\n\xc3\xa4",
			.pid = 4711,
			.limit_kib = UINT64_C(1) << 30,
		};
		struct pager_request got = { .action = PAGER_STATUS };
		struct err err = { "" };
		cleanup_free char *text = pager_request_write(&request);

		CU_ASSERT_PTR_NOT_NULL_FATAL(text);
		UNIT_CHECK(pager_request_parse(text, strlen(text), &got, &err) == 0, "%s: %s", text,
			   err.text);
		CU_ASSERT_EQUAL(got.action, request.action);
		CU_ASSERT_EQUAL(got.deadline_ms, 1234);
		CU_ASSERT(strstr(text, pager_action_name(got.action)) != NULL);
		CU_ASSERT_STRING_EQUAL(got.uuid, action == PAGER_HELLO ? "" : UUID);
		if (action != PAGER_ADOPT)
			continue;
		CU_ASSERT_STRING_EQUAL(got.name, request.name);
		CU_ASSERT_EQUAL(got.pid, 4711);
		CU_ASSERT_EQUAL(got.limit_kib, request.limit_kib);
	}
}

static void test_too_long(void)
{
	cleanup_free char *text = malloc(PAGER_MESSAGE_MAX + 2);
	struct pager_request request;
	struct err err;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	memset(text, ' ', PAGER_MESSAGE_MAX + 1);
	memcpy(text, ASK("\"do\":\"hello\""), strlen(ASK("\"do\":\"hello\"")));
	CU_ASSERT_EQUAL(pager_request_parse(text, PAGER_MESSAGE_MAX, &request, &err), 0);
	CU_ASSERT_EQUAL(pager_request_parse(text, PAGER_MESSAGE_MAX + 1, &request, &err),
			-EMSGSIZE);
	/* A thousand levels down nothing overflows */
	memset(text, '[', PAGER_MESSAGE_MAX);
	CU_ASSERT_EQUAL(pager_request_parse(text, PAGER_MESSAGE_MAX, &request, &err), -EINVAL);
}

static int round_trip(int errnum, const char *sentence, struct err *err)
{
	json_t *reply = pager_reply(errnum, sentence);
	cleanup_free char *text = pager_reply_write(reply);

	json_decref(reply);
	return text ? pager_reply_parse(text, strlen(text), NULL, err) : 1;
}

static void test_replies(void)
{
	struct err err = { "" };
	char long_one[4000];

	CU_ASSERT_EQUAL(round_trip(0, "", &err), 0);
	CU_ASSERT_EQUAL(round_trip(ENOMEM, "it does not fit", &err), -ENOMEM);
	CU_ASSERT_STRING_EQUAL(err.text, "it does not fit");
	/* Bytes that are no text are no reason to say nothing */
	CU_ASSERT_EQUAL(round_trip(EIO, "a\xff\nb", &err), -EIO);
	CU_ASSERT_STRING_EQUAL(err.text, "a? b");
	memset(long_one, 'x', sizeof(long_one));
	long_one[sizeof(long_one) - 1] = '\0';
	memcpy(long_one + PAGER_SENTENCE_SIZE - 2, "\xc3\xa4", 2);
	CU_ASSERT_EQUAL(round_trip(EIO, long_one, &err), -EIO);
	CU_ASSERT_EQUAL(strlen(err.text), PAGER_SENTENCE_SIZE - 1);
}

static void test_bad_replies(void)
{
	static const char *const bad[] = {
		"",
		"garbage",
		"{}",
		"{\"version\":2,\"errno\":0}",
		"{\"version\":1}",
		"{\"version\":1,\"errno\":\"0\"}",
		"{\"version\":1,\"errno\":12}",
		"{\"version\":1,\"errno\":-1,\"error\":\"x\"}",
		"{\"version\":1,\"errno\":4294967296,\"error\":\"x\"}",
	};
	size_t i;

	for (i = 0; i < ROWS(bad); i++) {
		struct err err = { "" };
		json_t *reply = NULL;

		UNIT_CHECK(pager_reply_parse(bad[i], strlen(bad[i]), &reply, &err) == -EPROTO, "%s",
			   bad[i]);
		UNIT_CHECK(strstr(err.text, "the pager's answer can't be understood"), "%s: %s",
			   bad[i], err.text);
		CU_ASSERT_PTR_NULL(reply);
	}
}

static void test_reply_too_long(void)
{
	json_t *reply = pager_reply(0, "");
	cleanup_free char *text = calloc(1, PAGER_MESSAGE_MAX + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	memset(text, 'x', PAGER_MESSAGE_MAX);
	json_object_set_new(reply, "guests", json_string(text));
	CU_ASSERT_PTR_NULL(pager_reply_write(reply));
	CU_ASSERT_PTR_NULL(pager_reply_write(NULL));
	json_decref(reply);
}

static CU_TestInfo tests[] = {
	{ "requests", test_requests },
	{ "a UUID in upper case", test_case_of_uuid },
	{ "requests there and back", test_there_and_back },
	{ "too long, too deep", test_too_long },
	{ "replies", test_replies },
	{ "replies that are none", test_bad_replies },
	{ "a reply that is too long", test_reply_too_long },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_pager_protocol", tests);
}

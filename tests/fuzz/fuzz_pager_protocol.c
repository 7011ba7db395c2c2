// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Any bytes as a message to the pager's daemon, and as an answer of its.
 *
 * "make fuzz" runs it.  What is taken for a request is one that names no file but by a UUID,
 * has sizes that can be worked with, and is the same when it is written and read again.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "pager/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_request(const struct pager_request *request)
{
	bool adopt = request->action == PAGER_ADOPT;

	require(request->action <= PAGER_STATUS);
	require(request->deadline_ms > 0 &&
		request->deadline_ms <= (uint64_t)PAGER_DEADLINE_MAX_MS);
	require(!*request->uuid || text_is_uuid(request->uuid));
	require(*request->uuid || request->action == PAGER_HELLO ||
		request->action == PAGER_STATUS);
	if (adopt || request->action == PAGER_SET)
		require(request->limit_kib > 0 && request->limit_kib <= TEXT_KIB_MAX);
	if (adopt)
		require(request->pid > 0 && request->pid <= INT_MAX);
}

static void check_again(const struct pager_request *request)
{
	char *text = pager_request_write(request);
	struct pager_request again;
	struct err err;

	require(text && strlen(text) <= PAGER_MESSAGE_MAX);
	require(pager_request_parse(text, strlen(text), &again, &err) == 0);
	require(!memcmp(request, &again, sizeof(again)));
	free(text);
}

static void check_refusal(int rc, const struct err *err)
{
	require(rc == -EINVAL || rc == -EPROTO || rc == -EMSGSIZE || rc == -ENOMEM);
	require(*err->text != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct pager_request request;
	struct err err = { "" };
	json_t *reply = NULL;
	int rc = pager_request_parse(text, size, &request, &err);

	if (rc == 0) {
		check_request(&request);
		check_again(&request);
	} else {
		check_refusal(rc, &err);
	}
	if (pager_reply_parse(text, size, &reply, &err) == 0)
		require(json_is_object(reply));
	json_decref(reply);
	return 0;
}

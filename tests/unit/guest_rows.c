// SPDX-License-Identifier: LGPL-2.1-or-later
/* What tests of decisions have in common: guests, sizes and golden files. */
#include "unit/guest_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "unit/unit.h"

uint64_t row_kib(const char *text)
{
	uint64_t kib = 0;

	UNIT_CHECK(text_to_kib(text, &kib) == 0, "no size: '%s'", text);
	return kib;
}

struct guest *row_guest(const char *text)
{
	cleanup_free char *xml = NULL;
	struct guest *guest = NULL;
	struct err err = { "" };
	char name[128];

	if (text[0] == '<') {
		xml = strdup(text);
	} else {
		snprintf(name, sizeof(name), "guests/%s.xml", text);
		xml = unit_read(name, NULL);
	}
	if (!UNIT_CHECK(guest_parse(xml, strlen(xml), &guest, &err) == 0, "%s", err.text))
		CU_FAIL_FATAL("the guest can't be read");
	return guest;
}

void row_compare_golden(const char *dir, const char *name, const json_t *root)
{
	cleanup_free char *dumped = json_dumps(root, JSON_INDENT(1));
	cleanup_free char *got = NULL, *want = NULL;
	char file[256], path[768];

	CU_ASSERT_FATAL(dumped && asprintf(&got, "%s\n", dumped) > 0);
	snprintf(file, sizeof(file), "unit/golden/%s/%s.json", dir, name);
	snprintf(path, sizeof(path), "%s/%s", TESTS_DIR, file);
	if (getenv("REGENERATE"))
		unit_write(TESTS_DIR, file, got);
	if (!UNIT_CHECK(access(path, R_OK) == 0, "%s has no golden file: REGENERATE=1 makes it",
			name))
		return;
	want = unit_read(file, NULL);
	UNIT_CHECK_STR(got, want, "%s", name);
}

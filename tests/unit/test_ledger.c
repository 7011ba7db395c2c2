// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Ledgers as files: written whole, read strictly, marked and removed.
 */
#include "lifecycle/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/lock.h"
#include "kernel/kfs.h"
#include "lifecycle/state.h"
#include "steps/steps.h"
#include "unit/unit.h"

#define UUID_A "aaaaaaaa-cdaf-9455-926a-d65c16db1809"
#define UUID_B "bbbbbbbb-cdaf-9455-926a-d65c16db1809"
#define GUESTS "run/libvirt-membacking/guests/"

struct shelf {
	const char *dir;
	int root;
	struct state state;
	struct err err;
};

static void open_shelf(struct shelf *s)
{
	*s = (struct shelf){ .dir = unit_tmpdir(), .state = STATE_CLOSED };
	s->root = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT_FATAL(s->root >= 0);
	CU_ASSERT_EQUAL_FATAL(state_open(s->root, true, &s->state, &s->err), 0);
}

static void close_shelf(struct shelf *s)
{
	state_close(&s->state);
	close(s->root);
}

#define SHELF(name) UNIT_FIXTURE(struct shelf, name, close_shelf, open_shelf(&(name)))

static void put(const struct shelf *s, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), GUESTS "%s", name);
	unit_write(s->dir, path, text);
}

static bool exists(const struct shelf *s, const char *name)
{
	return faccessat(s->state.guestsfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static struct ledger sample(const char *uuid, const char *name)
{
	struct ledger ledger = {
		.phase = LEDGER_RUNNING,
		.id = 17,
		.boot_id = "1291d75a-6e89-4bd0-aed3-9b63ae4d9090",
		.driver = { 4711, 123456 },
	};

	snprintf(ledger.uuid, sizeof(ledger.uuid), "%s", uuid);
	snprintf(ledger.name, sizeof(ledger.name), "%s", name);
	ledger.list.steps = calloc(1, sizeof(*ledger.list.steps));
	ledger.list.n = 1;
	ledger.list.steps[0].kind = STEP_HUGEPAGES;
	ledger.list.steps[0].hugepages = (struct step_hugepages){
		.page_kib = 2048,
		.pages = 5,
		.n_shares = 1,
		.shares = calloc(1, sizeof(struct step_share)),
	};
	ledger.list.steps[0].hugepages.shares[0].own = 5;
	return ledger;
}

static void test_round_trip(void)
{
	static const char *const names[] = {
		"g", "a name with blanks", "\"quotes\" and \\", "\xc3\xbcml\xc3\xa4ut", "%s%n",
	};
	static const enum ledger_phase phases[] = { LEDGER_RESERVED, LEDGER_PREPARED,
						    LEDGER_RUNNING, LEDGER_LEAVING };
	size_t i;
	SHELF(s);

	for (i = 0; i < ROWS(names); i++) {
		struct ledger ledger = sample(UUID_A, names[i]), *copy = NULL;

		ledger.phase = phases[i % ROWS(phases)];
		ledger.id = (int64_t)i - 1;
		UNIT_CHECK(ledger_create(&s.state, &ledger, &s.err) == 0, "%s", s.err.text);
		if (!UNIT_CHECK(ledger_read(&s.state, UUID_A, &copy, &s.err) == 0, "%s",
				s.err.text))
			continue;
		UNIT_CHECK_STR(copy->name, names[i], "name");
		UNIT_CHECK_STR(copy->uuid, UUID_A, "uuid");
		UNIT_CHECK_STR(copy->token, ledger.token, "token");
		UNIT_CHECK_STR(copy->boot_id, ledger.boot_id, "boot");
		CU_ASSERT_EQUAL(copy->phase, ledger.phase);
		CU_ASSERT_EQUAL(copy->id, ledger.id);
		CU_ASSERT_EQUAL(copy->driver.pid, 4711);
		CU_ASSERT_EQUAL(copy->driver.start, 123456);
		CU_ASSERT_FALSE(copy->foreign_version);
		CU_ASSERT_EQUAL_FATAL(copy->list.n, 1);
		CU_ASSERT_EQUAL(copy->list.steps[0].hugepages.shares[0].own, 5);
		ledger_free(copy);
		step_list_free(&ledger.list);
	}
	CU_ASSERT_FALSE(exists(&s, UUID_A ".new"));
	UNIT_CHECK(ledger_give_up(&s.state, UUID_A, &s.err) == 0, "%s", s.err.text);
	CU_ASSERT_FALSE(exists(&s, UUID_A));
	/* once more is no failure: others may have been quicker */
	UNIT_CHECK(ledger_give_up(&s.state, UUID_A, &s.err) == 0, "%s", s.err.text);
}

#define HEAD  "{\"version\": 1, \"name\": \"g\", \"boot_id\": \"b\", \"phase\": \"running\""
#define WHOLE HEAD ", \"driver\": {\"pid\": 1, \"start\": 2}, \"steps\": []}"

static void test_damaged(void)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{ "", "" },
		{ "{", "" },
		{ "null", "" },
		{ "[]", "" },
		{ "{}", "\"version\" is missing" },
		{ "{\"version\": \"1\", \"name\": \"g\"}", "\"version\"" },
		{ "{\"version\": 1}", "\"name\" is missing" },
		{ "{\"version\": 1, \"version\": 1, \"name\": \"g\"}",
		  "cannot be read as JSON (line 1)" },
		{ "{\"version\": 1, \"name\": \"g\"}", "\"boot_id\" is missing" },
		{ "{\"version\": 1, \"name\": \"g\", \"boot_id\": \"b\"}", "\"phase\" is missing" },
		{ "{\"version\": 1, \"name\": \"g\", \"boot_id\": \"b\", \"phase\": \"asleep\"}",
		  "unknown \"phase\" 'asleep'" },
		{ "{\"version\": 1, \"name\": \"g\", \"boot_id\": "
		  "\"123456789 123456789 123456789 123456789 123456789 123456789 1234\"}",
		  "\"boot_id\" is too long" },
		{ HEAD "}", "\"pid\" is missing" },
		{ HEAD ", \"driver\": {\"pid\": 4294967296, \"start\": 2}}", "\"pid\" is larger" },
		{ HEAD ", \"driver\": {\"pid\": 1}}", "\"start\" is missing" },
		{ HEAD ", \"driver\": {\"pid\": 1, \"start\": 2}}", "'steps'" },
		{ HEAD ", \"driver\": {\"pid\": 1, \"start\": 2}, \"steps\": [{}]}", "\"kind\"" },
		{ WHOLE "x", "" },
	};
	size_t i;
	SHELF(s);

	for (i = 0; i < ROWS(rows); i++) {
		struct ledger *ledger = NULL;

		put(&s, UUID_A, rows[i].text);
		s.err.text[0] = '\0';
		UNIT_CHECK(ledger_read(&s.state, UUID_A, &ledger, &s.err) == -EINVAL, "%s",
			   rows[i].text);
		CU_ASSERT_PTR_NULL(ledger);
		UNIT_CHECK(
			strstr(s.err.text, "/run/libvirt-membacking/guests/" UUID_A " is damaged"),
			"%s", s.err.text);
		UNIT_CHECK(strstr(s.err.text, rows[i].words), "no '%s' in %s", rows[i].words,
			   s.err.text);
	}
}

static void test_other_files(void)
{
	struct ledger *ledger;
	SHELF(s);

	CU_ASSERT_EQUAL(ledger_read(&s.state, UUID_A, &ledger, &s.err), -ENOENT);
	put(&s, "elsewhere", WHOLE);
	CU_ASSERT_EQUAL_FATAL(symlinkat("elsewhere", s.state.guestsfd, UUID_A), 0);
	CU_ASSERT_EQUAL(ledger_read(&s.state, UUID_A, &ledger, &s.err), -ELOOP);
	CU_ASSERT_EQUAL_FATAL(mkfifoat(s.state.guestsfd, UUID_B, 0600), 0);
	CU_ASSERT_EQUAL(ledger_read(&s.state, UUID_B, &ledger, &s.err), -EINVAL);
}

static void test_foreign_version(void)
{
	static const char *const texts[] = {
		"{\"version\": 2, \"name\": \"g\"}",
		"{\"version\": 0, \"name\": \"g\", \"steps\": \"other\"}",
		"{\"version\": 9999999999, \"name\": \"g\", \"phase\": 7}",
	};
	size_t i;
	SHELF(s);

	for (i = 0; i < ROWS(texts); i++) {
		struct ledger *ledger = NULL;

		put(&s, UUID_A, texts[i]);
		if (!UNIT_CHECK(ledger_read(&s.state, UUID_A, &ledger, &s.err) == 0, "%s",
				s.err.text))
			continue;
		CU_ASSERT_TRUE(ledger->foreign_version);
		UNIT_CHECK_STR(ledger->name, "g", "name");
		CU_ASSERT_EQUAL(ledger->list.n, 0);
		ledger_free(ledger);
	}
}

static void test_all(void)
{
	struct ledger a = sample(UUID_A, "first"), b = sample(UUID_B, UUID_A);
	struct ledgers ledgers = { 0 };
	struct ledger *found;
	SHELF(s);

	UNIT_CHECK(ledgers_read(&s.state, true, &ledgers, &s.err) == 0, "%s", s.err.text);
	CU_ASSERT_EQUAL(ledgers.n, 0);
	ledgers_free(&ledgers);
	CU_ASSERT_EQUAL(ledger_create(&s.state, &b, &s.err), 0);
	CU_ASSERT_EQUAL(ledger_create(&s.state, &a, &s.err), 0);
	put(&s, "cccccccc-cdaf-9455-926a-d65c16db1809", "{");
	put(&s, "dddddddd-cdaf-9455-926a-d65c16db1809.new", "{ half");
	put(&s, "README.new", "not ours");
	UNIT_CHECK(ledgers_read(&s.state, false, &ledgers, &s.err) == 0, "%s", s.err.text);
	CU_ASSERT_TRUE(exists(&s, "dddddddd-cdaf-9455-926a-d65c16db1809.new"));
	CU_ASSERT_EQUAL_FATAL(ledgers.n, 2);
	UNIT_CHECK_STR(ledgers.list[0]->uuid, UUID_A, "by rising UUID");
	/* a UUID counts before a name that looks like it */
	found = ledgers_find(&ledgers, "AAAAAAAA-CDAF-9455-926A-D65C16DB1809");
	CU_ASSERT_PTR_EQUAL(found, ledgers.list[0]);
	CU_ASSERT_PTR_EQUAL(ledgers_find(&ledgers, UUID_A), ledgers.list[0]);
	CU_ASSERT_PTR_EQUAL(ledgers_find(&ledgers, "first"), ledgers.list[0]);
	/* where it is known what is asked for, the one is never taken for the other */
	CU_ASSERT_PTR_EQUAL(ledgers_find_uuid(&ledgers, UUID_A), ledgers.list[0]);
	CU_ASSERT_PTR_EQUAL(ledgers_find_name(&ledgers, UUID_A), ledgers.list[1]);
	CU_ASSERT_PTR_NULL(ledgers_find_uuid(&ledgers, "first"));
	CU_ASSERT_PTR_NULL(ledgers_find_name(&ledgers, UUID_B));
	CU_ASSERT_PTR_NULL(ledgers_find(&ledgers, "First"));
	CU_ASSERT_PTR_NULL(ledgers_find(&ledgers, ""));
	ledgers_take(&ledgers, found);
	CU_ASSERT_EQUAL(ledgers.n, 1);
	UNIT_CHECK_STR(ledgers.list[0]->uuid, UUID_B, "the other");
	ledger_free(found);
	ledgers_free(&ledgers);
	CU_ASSERT_EQUAL(ledgers.n, 0);

	UNIT_CHECK(ledgers_read(&s.state, true, &ledgers, &s.err) == 0, "%s", s.err.text);
	CU_ASSERT_FALSE(exists(&s, "dddddddd-cdaf-9455-926a-d65c16db1809.new"));
	CU_ASSERT_TRUE(exists(&s, "README.new"));
	CU_ASSERT_TRUE(exists(&s, "cccccccc-cdaf-9455-926a-d65c16db1809"));
	ledgers_free(&ledgers);
	step_list_free(&a.list);
	step_list_free(&b.list);
}

static void test_unwritable(void)
{
	struct ledger a = sample(UUID_A, "g");
	SHELF(s);

	CU_ASSERT_EQUAL_FATAL(mkdirat(s.state.guestsfd, UUID_A ".new", 0755), 0);
	UNIT_CHECK(ledger_create(&s.state, &a, &s.err) < 0, "onto a directory");
	UNIT_CHECK(strstr(s.err.text, "the record in /run/libvirt-membacking/guests cannot be "
				      "written"),
		   "%s", s.err.text);
	/* The former content stays whole when a write fails */
	CU_ASSERT_EQUAL_FATAL(unlinkat(s.state.guestsfd, UUID_A ".new", AT_REMOVEDIR), 0);
	CU_ASSERT_EQUAL(ledger_create(&s.state, &a, &s.err), 0);
	CU_ASSERT_EQUAL_FATAL(mkdirat(s.state.guestsfd, UUID_A ".new", 0755), 0);
	a.phase = LEDGER_LEAVING;
	CU_ASSERT(ledger_write(&s.state, &a, &s.err) < 0);
	step_list_free(&a.list);
	{
		struct ledger *copy = NULL;

		CU_ASSERT_EQUAL_FATAL(ledger_read(&s.state, UUID_A, &copy, &s.err), 0);
		CU_ASSERT_EQUAL(copy->phase, LEDGER_RUNNING);
		ledger_free(copy);
	}
}

/* A guest that is found running never loses what was reserved for it meanwhile */
static void test_adopt(void)
{
	struct ledger a = sample(UUID_A, "g"), none = { .phase = LEDGER_RUNNING }, *copy = NULL;

	snprintf(none.uuid, sizeof(none.uuid), UUID_A);
	snprintf(none.name, sizeof(none.name), "g");
	SHELF(s);
	CU_ASSERT_EQUAL(ledger_adopt(&s.state, &none, &s.err), 0);
	CU_ASSERT_EQUAL(ledger_adopt(&s.state, &a, &s.err), 0);
	CU_ASSERT_EQUAL(ledger_adopt(&s.state, &none, &s.err), -EEXIST);
	CU_ASSERT_EQUAL_FATAL(ledger_read(&s.state, UUID_A, &copy, &s.err), 0);
	CU_ASSERT_EQUAL(copy->list.n, 1);
	ledger_free(copy);
	/* nor what can't be read */
	put(&s, UUID_A, "{\"version\": 99, \"name\": \"g\"}");
	CU_ASSERT_EQUAL(ledger_adopt(&s.state, &none, &s.err), -EEXIST);
	put(&s, UUID_A, "{");
	CU_ASSERT_EQUAL(ledger_adopt(&s.state, &none, &s.err), -EINVAL);
	step_list_free(&a.list);
}

/* One that was removed, by others who settled it, must not come back */
static void test_removed(void)
{
	struct ledger a = sample(UUID_A, "g");
	SHELF(s);

	CU_ASSERT_EQUAL(ledger_save_running(&s.state, &a, &s.err), -ENOENT);
	CU_ASSERT_EQUAL(ledger_create(&s.state, &a, &s.err), 0);
	CU_ASSERT_EQUAL(ledger_give_up(&s.state, UUID_A, &s.err), 0);
	CU_ASSERT_EQUAL(ledger_save_running(&s.state, &a, &s.err), -ENOENT);
	CU_ASSERT_EQUAL(ledger_write(&s.state, &a, &s.err), -ENOENT);
	CU_ASSERT_EQUAL(ledger_mark(&s.state, &a, LEDGER_RUNNING, NULL, &s.err), -ENOENT);
	CU_ASSERT_EQUAL(ledger_remove(&s.state, &a, &s.err), 0);
	CU_ASSERT_FALSE(exists(&s, UUID_A));
	step_list_free(&a.list);
}

/* A guest in files: @id is that of the start they were made for */
static void fill_store(struct step *step, int64_t id, const char *lies_in)
{
	*step = (struct step){ .kind = STEP_STORE };
	snprintf(step->store.path, sizeof(step->store.path), "/srv/ram");
	snprintf(step->store.dir, sizeof(step->store.dir), "/srv/ram");
	snprintf(step->store.lies_in, sizeof(step->store.lies_in), "%s", lies_in);
	snprintf(step->store.guest, sizeof(step->store.guest), "g");
	step->store.id = id;
	step->store.size_kib = 1024;
}

/* "started" finds out where the files are, while others write what they know of the guest */
static void test_places(void)
{
	struct step steps[2], before[2];
	struct ledger a = sample(UUID_A, "g"), *copy = NULL;
	struct step_list pages = a.list;
	struct shelf s;

	fill_store(&steps[0], 17, "");
	fill_store(&steps[1], 3, "/older/libvirt/qemu");
	memcpy(before, steps, sizeof(before));
	a.list = (struct step_list){ .n = 2, .steps = steps };
	open_shelf(&s);
	CU_ASSERT_EQUAL(ledger_save_found(&s.state, &a, &s.err), -ENOENT);
	CU_ASSERT_EQUAL(ledger_create(&s.state, &a, &s.err), 0);
	/* Others have marked its end, and @a does not know */
	CU_ASSERT_EQUAL(ledger_mark(&s.state, &a, LEDGER_LEAVING, NULL, &s.err), 0);
	snprintf(steps[0].store.lies_in, sizeof(steps[0].store.lies_in), "/old/libvirt/qemu");
	CU_ASSERT_EQUAL(ledger_save_found(&s.state, &a, &s.err), 0);
	CU_ASSERT_EQUAL_FATAL(ledger_read(&s.state, UUID_A, &copy, &s.err), 0);
	CU_ASSERT_EQUAL(copy->phase, LEDGER_LEAVING);
	UNIT_CHECK_STR(copy->list.steps[0].store.lies_in, "/old/libvirt/qemu", "this start's");
	UNIT_CHECK_STR(copy->list.steps[1].store.lies_in, "/older/libvirt/qemu",
		       "an earlier one's");
	ledger_free(copy);
	/* One who read the ledger before writes his steps */
	CU_ASSERT_EQUAL(ledger_mark(&s.state, &a, LEDGER_RUNNING, NULL, &s.err), 0);
	before[0].store.size_kib = 2048;
	a.list.steps = before;
	CU_ASSERT_EQUAL(ledger_save_running(&s.state, &a, &s.err), 0);
	UNIT_CHECK_STR(before[0].store.lies_in, "/old/libvirt/qemu", "he knows by now");
	CU_ASSERT_EQUAL_FATAL(ledger_read(&s.state, UUID_A, &copy, &s.err), 0);
	UNIT_CHECK_STR(copy->list.steps[0].store.lies_in, "/old/libvirt/qemu", "it stays");
	CU_ASSERT_EQUAL(copy->list.steps[0].store.size_kib, 2048);
	ledger_free(copy);
	a.token[0] ^= 1;
	CU_ASSERT_EQUAL(ledger_save_found(&s.state, &a, &s.err), -ESTALE);
	put(&s, UUID_A, "{\"version\": 99, \"name\": \"g\"}");
	CU_ASSERT_EQUAL(ledger_save_found(&s.state, &a, &s.err), -EEXIST);
	step_list_free(&pages);
	close_shelf(&s);
}

static void check_left_alone(struct shelf *s, struct ledger *old, const char *token)
{
	struct ledger *now = NULL;

	CU_ASSERT_EQUAL(ledger_write(&s->state, old, &s->err), -ESTALE);
	UNIT_CHECK(strstr(s->err.text, "guest 'g' has a later record"), "%s", s->err.text);
	CU_ASSERT_EQUAL(ledger_save_running(&s->state, old, &s->err), -ESTALE);
	CU_ASSERT_EQUAL(ledger_mark(&s->state, old, LEDGER_LEAVING, NULL, &s->err), -ESTALE);
	CU_ASSERT_EQUAL(ledger_remove(&s->state, old, &s->err), -ESTALE);
	CU_ASSERT_EQUAL_FATAL(ledger_read(&s->state, UUID_A, &now, &s->err), 0);
	UNIT_CHECK_STR(now->token, token, "the later one's");
	CU_ASSERT_EQUAL(now->phase, LEDGER_PREPARED);
	ledger_free(now);
}

/* The guest was started again: what an earlier operation still writes is not for this one */
static void test_later_ledger(void)
{
	struct ledger old = sample(UUID_A, "g"), later = sample(UUID_A, "g");
	struct ledger before_tokens = sample(UUID_A, "g");
	SHELF(s);

	later.phase = LEDGER_PREPARED;
	CU_ASSERT_EQUAL(ledger_create(&s.state, &old, &s.err), 0);
	CU_ASSERT_EQUAL(ledger_write(&s.state, &old, &s.err), 0);
	CU_ASSERT_EQUAL(ledger_create(&s.state, &later, &s.err), 0);
	CU_ASSERT_EQUAL(strlen(old.token), LEDGER_TOKEN_SIZE - 1);
	CU_ASSERT_EQUAL(strlen(later.token), LEDGER_TOKEN_SIZE - 1);
	CU_ASSERT_NOT_EQUAL(strcmp(old.token, later.token), 0);
	check_left_alone(&s, &old, later.token);
	check_left_alone(&s, &before_tokens, later.token);
	step_list_free(&old.list);
	step_list_free(&later.list);
	step_list_free(&before_tokens.list);
}

/* Ledgers of earlier versions have no token, and are written and removed as ever */
static void test_without_token(void)
{
	struct ledger *old = NULL, *again = NULL;
	SHELF(s);

	put(&s, UUID_A, WHOLE);
	CU_ASSERT_EQUAL_FATAL(ledger_read(&s.state, UUID_A, &old, &s.err), 0);
	UNIT_CHECK_STR(old->token, "", "none");
	CU_ASSERT_EQUAL(ledger_mark(&s.state, old, LEDGER_LEAVING, NULL, &s.err), 0);
	CU_ASSERT_EQUAL(ledger_write(&s.state, old, &s.err), 0);
	CU_ASSERT_EQUAL_FATAL(ledger_read(&s.state, UUID_A, &again, &s.err), 0);
	UNIT_CHECK_STR(again->token, "", "none");
	ledger_free(again);
	/* A newer version's has none that could be compared */
	put(&s, UUID_A, "{\"version\": 99, \"name\": \"g\"}");
	CU_ASSERT_EQUAL(ledger_write(&s.state, old, &s.err), -ESTALE);
	CU_ASSERT_EQUAL(ledger_remove(&s.state, old, &s.err), -ESTALE);
	put(&s, UUID_A, WHOLE);
	CU_ASSERT_EQUAL(ledger_remove(&s.state, old, &s.err), 0);
	CU_ASSERT_FALSE(exists(&s, UUID_A));
	ledger_free(old);
}

/* A new start replaces what the guest has left behind, but nothing that can't be read */
static void test_create(void)
{
	static const char *const texts[] = { "", "{", "{\"version\": 99, \"name\": \"g\"}" };
	struct ledger a = sample(UUID_A, "g");
	size_t i;
	SHELF(s);

	for (i = 0; i < ROWS(texts); i++) {
		char *text = NULL;

		put(&s, UUID_A, texts[i]);
		UNIT_CHECK(ledger_create(&s.state, &a, &s.err) < 0, "row %zu", i);
		CU_ASSERT_EQUAL(file_read_at(s.state.guestsfd, UUID_A, 100, &text, NULL, NULL), 0);
		UNIT_CHECK_STR(text, texts[i], "row %zu", i);
		free(text);
	}
	step_list_free(&a.list);
}

/* What is not locked is not written */
static void test_files_locked(void)
{
	struct ledger a = sample(UUID_A, "g"), *copy = NULL;
	int lock;
	SHELF(s);

	CU_ASSERT_EQUAL(ledger_create(&s.state, &a, &s.err), 0);
	lock = state_lock_files(&s.state, &s.err);
	UNIT_CHECK(lock >= 0, "%s", s.err.text);
	s.state.files_wait_ms = 20;
	a.phase = LEDGER_LEAVING;
	CU_ASSERT_EQUAL(ledger_write(&s.state, &a, &s.err), -ETIMEDOUT);
	UNIT_CHECK(strstr(s.err.text, "files.lock"), "%s", s.err.text);
	CU_ASSERT_EQUAL(ledger_save_running(&s.state, &a, &s.err), -ETIMEDOUT);
	CU_ASSERT_EQUAL(ledger_adopt(&s.state, &a, &s.err), -ETIMEDOUT);
	CU_ASSERT_EQUAL(ledger_mark(&s.state, &a, LEDGER_LEAVING, NULL, &s.err), -ETIMEDOUT);
	CU_ASSERT_EQUAL(ledger_give_up(&s.state, UUID_A, &s.err), -ETIMEDOUT);
	CU_ASSERT_EQUAL_FATAL(ledger_read(&s.state, UUID_A, &copy, &s.err), 0);
	CU_ASSERT_EQUAL(copy->phase, LEDGER_RUNNING);
	ledger_free(copy);
	lock_release(&lock);
	step_list_free(&a.list);
}

/* Any user can lock what he can open for reading */
static void test_directories_locked(void)
{
	struct ledger a = sample(UUID_A, "g");
	struct ledgers ledgers = { 0 };
	int top, guests;
	SHELF(s);

	top = openat(s.root, STATE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	guests = openat(s.root, STATE_DIR "/guests", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT_EQUAL(flock(top, LOCK_EX | LOCK_NB), 0);
	CU_ASSERT_EQUAL(flock(guests, LOCK_EX | LOCK_NB), 0);
	s.state.files_wait_ms = 0;
	CU_ASSERT_EQUAL(state_lock(&s.state, 0, &s.err), 0);
	CU_ASSERT_EQUAL(ledger_create(&s.state, &a, &s.err), 0);
	CU_ASSERT_EQUAL(ledger_mark(&s.state, &a, LEDGER_LEAVING, NULL, &s.err), 0);
	CU_ASSERT_EQUAL(ledgers_read(&s.state, true, &ledgers, &s.err), 0);
	CU_ASSERT_EQUAL(ledgers.n, 1);
	ledgers_free(&ledgers);
	CU_ASSERT_EQUAL(ledger_give_up(&s.state, UUID_A, &s.err), 0);
	close(guests);
	close(top);
	step_list_free(&a.list);
}

#define MANY  64
#define MARKS (unit_long() ? 100 : 30)
/* A guest's ledger changes a few times when libvirt's daemon starts.  The thousands of them here
 * may take longer than the deadline that is meant for those; this one ends a test that hangs */
#define MANY_WAIT_MS 600000

static void many_uuid(int i, char uuid[GUEST_UUID_SIZE])
{
	snprintf(uuid, GUEST_UUID_SIZE, "%08x-cdaf-9455-926a-d65c16db1809", (unsigned int)i);
}

static void reconnect_one(int root, int i)
{
	struct state state = STATE_CLOSED;
	char uuid[GUEST_UUID_SIZE];
	struct ledger ledger;
	struct err err;
	int rc, k;

	many_uuid(i, uuid);
	ledger = sample(uuid, "g");
	rc = state_open(root, true, &state, &err);
	state.files_wait_ms = MANY_WAIT_MS;
	if (rc == 0)
		rc = ledger_adopt(&state, &ledger, &err);
	for (k = 0; rc == 0 && k < MARKS; k++)
		rc = ledger_mark(&state, &ledger, LEDGER_RUNNING, NULL, &err);
	if (rc < 0)
		fprintf(stderr, "%d: %s\n", i, err.text);
	_exit(rc < 0);
}

/* libvirt's daemon starts with many guests running: each writes its ledger, while others
 * take what is half-written for left behind */
static void test_many_reconnect(void)
{
	int i, status, left = MANY, bad = 0, sweeper = 0;
	struct ledgers ledgers = { 0 };
	SHELF(s);

	s.state.files_wait_ms = MANY_WAIT_MS;
	fflush(stdout);
	for (i = 0; i < MANY; i++)
		if (!fork())
			reconnect_one(s.root, i);
	while (left) {
		sweeper += ledgers_read(&s.state, true, &ledgers, &s.err) < 0;
		ledgers_free(&ledgers);
		for (; waitpid(-1, &status, WNOHANG) > 0; left--)
			bad += status != 0;
	}
	UNIT_CHECK(!bad && !sweeper, "%d of %d have no ledger, %d", bad, MANY, sweeper);
	CU_ASSERT_EQUAL(ledgers_read(&s.state, true, &ledgers, &s.err), 0);
	CU_ASSERT_EQUAL(ledgers.n, MANY);
	ledgers_free(&ledgers);
}

static void test_boot_id(void)
{
	char path[512], boot_id[LEDGER_BOOT_ID_SIZE];
	struct err err = { "" };
	struct kfs kfs;

	snprintf(path, sizeof(path), "%s/hosts/one-node", TESTS_DIR);
	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, path, &err), 0);
	UNIT_CHECK(ledger_boot_id(&kfs, boot_id, &err) == 0, "%s", err.text);
	CU_ASSERT_EQUAL(strlen(boot_id), 36);
	kfs_close(&kfs);
}

static CU_TestInfo tests[] = {
	{ "there and back", test_round_trip },
	{ "damaged ledgers", test_damaged },
	{ "no regular files", test_other_files },
	{ "ledgers of other versions", test_foreign_version },
	{ "all ledgers", test_all },
	{ "a ledger can't be written", test_unwritable },
	{ "a guest that is found running", test_adopt },
	{ "where files are", test_places },
	{ "a removed ledger", test_removed },
	{ "a later ledger", test_later_ledger },
	{ "ledgers without a token", test_without_token },
	{ "a new start", test_create },
	{ "the files are locked", test_files_locked },
	{ "others lock the directories", test_directories_locked },
	{ "many guests are found running", test_many_reconnect },
	{ "the boot id", test_boot_id },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_ledger", tests);
}

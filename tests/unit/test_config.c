// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The configuration: what it means, what is wrong with it, and for whom.
 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "config/config_keys.h"
#include "guest/guest.h"
#include "unit/unit.h"

#define UUID1 "3f2b7a10-5f0c-4b5e-9a58-0f4a1c9d2e11"
#define UUID2 "00000000-0000-0000-0000-000000000002"

/* Guests are large: one of each kind for all tests */
static struct guest vm1 = { .name = "vm1", .uuid = UUID1 };
static struct guest vm2 = { .name = "vm2", .uuid = UUID2 };

static struct config *parse_bytes(const char *text, size_t len)
{
	struct config *config = NULL;
	struct err err = { "" };

	if (config_parse_buffer("F", text, len, &config, &err) < 0)
		CU_FAIL_FATAL("a buffer must always give a configuration");
	return config;
}

static struct config *parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static struct config *load(const char *root)
{
	cleanup_close int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct config *config = NULL;
	struct err err = { "" };

	CU_ASSERT_FATAL(fd >= 0);
	if (config_load(fd, &config, &err) < 0)
		CU_FAIL_FATAL("loading must always give a configuration");
	return config;
}

/* All problems as lines "E TEXT" (fatal) and "W TEXT" */
struct report {
	size_t n;
	char text[200000];
};

static void add_line(const struct config_problem *problem, void *data)
{
	struct report *report = data;
	size_t used = strlen(report->text);

	report->n++;
	snprintf(report->text + used, sizeof(report->text) - used, "%c %s\n",
		 problem->fatal ? 'E' : 'W', problem->text);
}

static const struct report *problems(const struct config *config)
{
	static struct report report;

	report.n = 0;
	report.text[0] = '\0';
	config_for_each_problem(config, add_line, &report);
	return &report;
}

static struct guest_policy policy_for(const struct config *config, const struct guest *guest)
{
	struct guest_policy policy = { 0 };
	struct err err = { "" };
	int rc = config_for_guest(config, guest, &policy, &err);

	UNIT_CHECK(rc == 0, "config_for_guest: %s", err.text);
	return policy;
}

static bool same_hugepages(const struct config_hugepages *a, const struct config_hugepages *b)
{
	return a->manage == b->manage && a->use_idle == b->use_idle && a->compact == b->compact &&
	       a->reclaim == b->reclaim && a->drop_caches == b->drop_caches &&
	       a->demote == b->demote && a->on_release == b->on_release;
}

static void check_defaults(const struct config *config, const char *what)
{
	static const struct config_hugepages hugepages = {
		.manage = true,
		.use_idle = true,
		.compact = EFFORT_AUTO,
		.reclaim = EFFORT_AUTO,
		.drop_caches = EFFORT_NEVER,
		.on_release = ON_RELEASE_RETURN,
	};
	struct guest_policy policy = policy_for(config, &vm1);

	UNIT_CHECK(policy.hook.deadline_ms == 20000, "%s", what);
	UNIT_CHECK(policy.hook.lock_deadline_ms == 120000, "%s", what);
	UNIT_CHECK(policy.hook.allow_guest_metadata, "%s", what);
	UNIT_CHECK(policy.hook.log_level == LOG_LEVEL_INFO, "%s", what);
	UNIT_CHECK(same_hugepages(&policy.hugepages, &hugepages), "%s", what);
	UNIT_CHECK(config_keep_free(&policy.hugepages, 2048) == 0, "%s", what);
	UNIT_CHECK(config_keep_free(&policy.hugepages, KIB_PER_GIB) == 0, "%s", what);
	UNIT_CHECK(config_on_release(&policy.hugepages, KIB_PER_GIB) == ON_RELEASE_RETURN, "%s",
		   what);
	UNIT_CHECK(config_check_section(config, &vm1, "hugepages", NULL) == 0, "%s", what);
}

static void test_no_files(void)
{
	const char *root = unit_tmpdir();
	cleanup_config struct config *nothing = load(root);
	cleanup_config struct config *empty = NULL;

	check_defaults(nothing, "no files");
	CU_ASSERT_EQUAL(problems(nothing)->n, 0);
	unit_write(root, CONFIG_FILE, "");
	unit_write(root, CONFIG_DIR "/README", "[hook]\nnonsense\n");
	empty = load(root);
	check_defaults(empty, "empty files");
	CU_ASSERT_EQUAL(problems(empty)->n, 0);
}

static void test_values(void)
{
	cleanup_config struct config *config =
		parse("[hook]\ndeadline = 90s\nlock_deadline = 1500ms\n"
		      "allow_guest_metadata = no\nlog_level = debug\n"
		      "[hugepages]\nmanage = off\nuse_idle = 0\nkeep_free_2M = 64\n"
		      "keep_free_1G=2\ncompact = never\nreclaim = never\ndrop_caches = auto\n"
		      "demote = no\non_release = keep\non_release_2MiB = return\n");
	struct guest_policy policy = policy_for(config, &vm1);

	CU_ASSERT_EQUAL(problems(config)->n, 0);
	CU_ASSERT_EQUAL(policy.hook.deadline_ms, 90000);
	CU_ASSERT_EQUAL(config_hook(config)->deadline_ms, 90000);
	CU_ASSERT_EQUAL(policy.hook.lock_deadline_ms, 1500);
	CU_ASSERT_FALSE(policy.hook.allow_guest_metadata);
	CU_ASSERT_EQUAL(policy.hook.log_level, LOG_LEVEL_DEBUG);
	CU_ASSERT_FALSE(policy.hugepages.manage);
	CU_ASSERT_FALSE(policy.hugepages.use_idle);
	CU_ASSERT_EQUAL(policy.hugepages.compact, EFFORT_NEVER);
	CU_ASSERT_EQUAL(policy.hugepages.reclaim, EFFORT_NEVER);
	CU_ASSERT_EQUAL(policy.hugepages.drop_caches, EFFORT_AUTO);
	CU_ASSERT_EQUAL(policy.hugepages.demote, DEMOTE_NO);
	CU_ASSERT_EQUAL(config_keep_free(&policy.hugepages, 2048), 64);
	CU_ASSERT_EQUAL(config_keep_free(&policy.hugepages, KIB_PER_GIB), 2);
	CU_ASSERT_EQUAL(config_keep_free(&policy.hugepages, 64), 0);
	CU_ASSERT_EQUAL(config_on_release(&policy.hugepages, 2048), ON_RELEASE_RETURN);
	CU_ASSERT_EQUAL(config_on_release(&policy.hugepages, KIB_PER_GIB), ON_RELEASE_KEEP);
}

static void test_efforts(void)
{
	static const struct {
		const char *word;
		enum config_effort effort;
	} rows[] = {
		{ "auto", EFFORT_AUTO }, { "AUTO", EFFORT_AUTO },   { "yes", EFFORT_AUTO },
		{ "no", EFFORT_NEVER },	 { "never", EFFORT_NEVER }, { "allowed", EFFORT_AUTO },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_config struct config *config = NULL;
		struct guest_policy policy;
		char text[200];

		snprintf(text, sizeof(text),
			 "[hugepages]\ncompact=%s\nreclaim=%s\ndrop_caches=%s\n", rows[i].word,
			 rows[i].word, rows[i].word);
		config = parse(text);
		policy = policy_for(config, &vm1);
		UNIT_CHECK(policy.hugepages.compact == rows[i].effort, "%s", rows[i].word);
		UNIT_CHECK(policy.hugepages.reclaim == rows[i].effort, "%s", rows[i].word);
		UNIT_CHECK(policy.hugepages.drop_caches == rows[i].effort, "%s", rows[i].word);
	}
}

/* What is refused is named with the file, the line, the key and what the key's row expects */
static void check_sentence(const struct config_key *key, const char *name, const char *value)
{
	cleanup_config struct config *config = NULL;
	char text[512], want[512];

	snprintf(text, sizeof(text), "[%s]\n%s = %s", key->section, name, value);
	snprintf(want, sizeof(want), "E F:2: %s.%s = '%s': expected %s\n", key->section, name,
		 value, key->expected);
	config = parse(text);
	UNIT_CHECK_STR(problems(config)->text, want, "%s", text);
}

static void test_refused_values(void)
{
	static const struct {
		const char *section, *name, *value;
	} rows[] = {
		{ "hook", "deadline", "0" },
		{ "hook", "deadline", "" },
		{ "hugepages", "keep_free_2M", "-1" },
		{ "hugepages", "keep_free_2M", "2M" },
		{ "hugepages", "keep_free_2M", "18446744073709551616" },
		{ "hugepages", "keep_free_2M", "18446744073709551615" },
		{ "store", "path", "ram" },
		{ "store", "path", "/a/../b" },
		{ "store", "path", "/a/.." },
		{ "store", "path", "/" },
		{ "store", "path", "//" },
		{ "store", "path", "/a/./b" },
		{ "store", "options", "noatime, huge=advise" },
		{ "store", "size", "0" },
		{ "store", "size", "0%" },
		{ "store", "keep_free", "5 %" },
		{ "store", "name",
		  "0123456789012345678901234567890123456789012345678901234567890123" },
		{ "store", "name", "../x" },
		{ "store", "size", "101%" },
		{ "store", "size", "%" },
		{ "store", "size", "1000%" },
		{ "ksm", "merge_across_nodes", "0" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		uint64_t page_kib;
		const struct config_key *key =
			config_key_find(rows[i].section, rows[i].name, &page_kib);

		if (UNIT_CHECK(key, "%s.%s", rows[i].section, rows[i].name))
			check_sentence(key, rows[i].name, rows[i].value);
	}
}

/* The words of "a, b or c"; "nothing" is the empty one */
static void check_expected_words(const struct config_key *key, const char *name)
{
	char words[256], text[256], *word, *save = NULL;

	snprintf(words, sizeof(words), "%s", key->expected);
	for (word = strtok_r(words, ", ", &save); word; word = strtok_r(NULL, ", ", &save)) {
		cleanup_config struct config *config = NULL;

		if (*word == '(')
			break;
		if (!strcmp(word, "or"))
			continue;
		snprintf(text, sizeof(text), "[%s]\n%s = %s", key->section, name,
			 strcmp(word, "nothing") != 0 ? word : "");
		config = parse(text);
		UNIT_CHECK_STR(problems(config)->text, "", "%s", text);
	}
}

/* Every row of the table of keys that chooses among words means what it says */
static void test_keys_of_words(void)
{
	size_t n, i, found = 0;
	const struct config_key *keys = config_keys(&n);

	for (i = 0; i < n; i++) {
		char name[CONFIG_KEY_SIZE];

		if (!strcmp(keys[i].section, "guest") ||
		    (!keys[i].words && strcmp(keys[i].expected, "yes or no") != 0))
			continue;
		found++;
		snprintf(name, sizeof(name), "%s%s", keys[i].name, keys[i].sized ? "2M" : "");
		check_expected_words(&keys[i], name);
		check_sentence(&keys[i], name, "x");
		check_sentence(&keys[i], name, "\"no\"");
		if (!strstr(keys[i].expected, "nothing"))
			check_sentence(&keys[i], name, "");
	}
	CU_ASSERT_TRUE(found > 15);
}

/* One line in one section, and what is said of it; NULL: nothing */
static void test_lines(void)
{
	static const struct {
		const char *text;
		const char *said;
	} rows[] = {
		{ "\n\n[hugepages]\n\ncompact = x",
		  "E F:5: hugepages.compact = 'x': expected auto or never\n" },
		{ "[hugepages]\nkeep_free_3M = 1",
		  "W F:2: unknown key 'keep_free_3M' in [hugepages], ignored: did you mean "
		  "'keep_free_2M'?\n" },
		{ "[hugepages]\nkeep_free_4K = 1",
		  "W F:2: unknown key 'keep_free_4K' in [hugepages], ignored: did you mean "
		  "'keep_free_2M'?\n" },
		{ "[hugepages]\nkeep_free_0 = 1",
		  "W F:2: unknown key 'keep_free_0' in [hugepages], ignored: did you mean "
		  "'keep_free_2M'?\n" },
		{ "[hugepages]\nkeep_free_2 M = 1",
		  "W F:2: unknown key 'keep_free_2 M' in [hugepages], ignored: did you mean "
		  "'keep_free_2M'?\n" },
		{ "[hugepages]\nkeep_free = 1",
		  "W F:2: unknown key 'keep_free' in [hugepages], ignored: did you mean "
		  "'keep_free_2M'?\n" },
		{ "[hugepages]\nCompact = auto",
		  "W F:2: unknown key 'Compact' in [hugepages], ignored: did you mean "
		  "'compact'?\n" },
		{ "[hugepages]\nhugepages.compact = auto",
		  "W F:2: unknown key 'hugepages.compact' in [hugepages], ignored\n" },
		{ "[hugepages]\ndeadline = 5s",
		  "W F:2: unknown key 'deadline' in [hugepages], ignored\n" },
		{ "[hugepages]\nbell\a = 1",
		  "W F:2: unknown key 'bell ' in [hugepages], ignored\n" },
		{ "[pager]\nsize = 5\n[hook]\n", "W F:1: unknown section [pager], ignored\n" },
		{ "[Hook]\ndeadline = never",
		  "W F:1: unknown section [Hook], ignored: did you mean [hook]?\n" },
		{ "[stores]", "W F:1: unknown section [stores], ignored: did you mean [store]?\n" },
		{ "deadline = 5s",
		  "W F:1: key 'deadline' stands before the first [section], ignored\n" },
		{ "[store]\npath = /dev/shm/a\nsource=tmpfs\nfstype = tmpfs\n"
		  "options = huge=advise,mode=0755\nsize = 50%\nmount = daemon\n"
		  "unmount = never\nkeep_free = 2G",
		  NULL },
		{ "[store]\npath =\nsize =\nkeep_free =\nfstype=\nsource=\noptions=", NULL },
		{ "[store]\npath = /a/..b/...", NULL },
		{ "[store]\nsize = 64G\nsize =\nkeep_free = 0\nkeep_free = 100%", NULL },
		{ "[store]\nname = 012345678901234567890123456789012345678901234567890123456789012",
		  NULL },
		{ "[ksm]\nenable = on-demand\nprofile = custom\non_last_guest = unmerge", NULL },
		{ "[ksm]\nmerge_across_nodes = no", NULL },
		{ "[thp]\nenabled = madvise\ndefrag = defer+madvise\nshmem_enabled = within_size",
		  NULL },
		{ "[guest]\nmatch = a\nhook.deadline = 5s",
		  "W F:3: 'hook.deadline' is for the whole host and can't be set in [guest], "
		  "ignored\n" },
		{ "[guest]\nmatch = a\nthp.enabled = never",
		  "W F:3: 'thp.enabled' is for the whole host and can't be set in [guest], "
		  "ignored\n" },
		{ "[guest]\nmatch = a\ncompact = never",
		  "W F:3: unknown key 'compact' in [guest], ignored: did you mean "
		  "'hugepages.compact'?\n" },
		{ "[guest]\nmatch = a\nhugepages.reclam = never\nmacht = b",
		  "W F:3: unknown key 'hugepages.reclam' in [guest], ignored: did you mean "
		  "'hugepages.reclaim'?\n"
		  "W F:4: unknown key 'macht' in [guest], ignored: did you mean 'match'?\n" },
		{ "[guest]\nmatch = a\nguest.ksm = no",
		  "W F:3: unknown key 'guest.ksm' in [guest], ignored\n" },
		{ "[guest]\nmatch = a\nguest.match = b",
		  "W F:3: unknown key 'guest.match' in [guest], ignored\n" },
		{ "[guest]\nmatch = a\n.compact = b",
		  "W F:3: unknown key '.compact' in [guest], ignored: did you mean 'thp.compact'?\n" },
		{ "[guest]\nmatch = a\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b = b",
		  "W F:3: unknown key 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b' "
		  "in [guest], ignored\n" },
		{ "[guest]\nmatch = a\nksm = perhaps",
		  "E F:3: ksm = 'perhaps': expected yes or no\n" },
		{ "[guest]\nmatch = a\nksm = no\nstore = fast\nhugepages.keep_free_2M = 5", NULL },
		{ "[guest]\nksm = no",
		  "W F:1: [guest] without 'match = NAME, UUID or glob' applies to no guest\n" },
		{ "[guest]\nmatch = , \n[hook]",
		  "W F:1: [guest] without 'match = NAME, UUID or glob' applies to no guest\n" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_config struct config *config = parse(rows[i].text);

		UNIT_CHECK_STR(problems(config)->text, rows[i].said ? rows[i].said : "", "row %zu",
			       i);
	}
}

/* What surrounds keys and values, and must not change what they mean */
static void test_syntax(void)
{
	static const char *const same[] = {
		"[hugepages]\ncompact=never\nreclaim=never\n",
		"[hugepages]\ncompact=never\nreclaim=never",
		"[hugepages]\r\ncompact = never\r\nreclaim = never\r\n",
		"\xEF\xBB\xBF[hugepages]\ncompact = never\nreclaim = never\n",
		"\xEF\xBB\xBF\n[hugepages]\ncompact = never\nreclaim = never\n",
		"[ hugepages ]\n\tcompact = never\n  reclaim = never\n",
		"  [hugepages]\ncompact = never\n\treclaim = never\n",
		"[hugepages] # all of them\ncompact = never # slow\nreclaim = never\t; bad\n",
		"# [hook]\n; x\n\n[hugepages]\n #\n   ; y\ncompact : never\nreclaim: never\n",
		"[hugepages]\ncompact = auto\nreclaim = never\n[hugepages]\ncompact = never\n",
		"[hugepages]\n\n\ncompact = never\n[pager]\ncompact = auto\n[hugepages]\nreclaim=no",
	};
	size_t i;

	for (i = 0; i < ROWS(same); i++) {
		cleanup_config struct config *config = parse(same[i]);
		struct guest_policy policy = policy_for(config, &vm1);

		UNIT_CHECK(policy.hugepages.compact == EFFORT_NEVER, "row %zu", i);
		UNIT_CHECK(policy.hugepages.reclaim == EFFORT_NEVER, "row %zu", i);
		UNIT_CHECK(!strchr(problems(config)->text, 'E'), "row %zu: %s", i,
			   problems(config)->text);
	}
}

static void test_unreadable(void)
{
	static const char not_a_pair[] = "this line can't be read: expected \"key = value\" or "
					 "\"[section]\"\n";
	static const char not_a_header[] =
		"this line can't be read: expected \"[section]\" and nothing more\n";
	static const char lost[] = "it is unknown which section the lines from here on belong to\n";
	static const struct {
		const char *text;
		unsigned int line;
		const char *said, *more;
		bool everybody; /* else only who uses [hugepages] */
	} rows[] = {
		{ "[hugepages]\nrubbish\ncompact=never", 2, not_a_pair, NULL, false },
		{ "[hugepages]\ncompact=never\nrubbish", 3, not_a_pair, NULL, false },
		{ "[hugepages]\ncompact=never\n= x", 3, not_a_pair, NULL, false },
		{ "[hugepages]\ncompact # = never", 2, not_a_pair, NULL, false },
		{ "[hugepages]\ncompact ; = never", 2, not_a_pair, NULL, false },
		{ "[hook]\nrubbish", 2, not_a_pair, NULL, true },
		{ "rubbish", 1, not_a_pair, NULL, true },
		{ "[hugepages\ncompact=never", 1, not_a_header, lost, true },
		{ "[]\ncompact=never", 1, not_a_header, lost, true },
		{ "[  ]\nx\ny\nz", 1, not_a_header, lost, true },
		{ "[hugepages] compact=never", 1, not_a_header, lost, true },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_config struct config *config = parse(rows[i].text);
		struct guest_policy policy;
		struct err err = { "" };
		char said[400], more[200] = "";
		int rc;

		if (rows[i].more)
			snprintf(more, sizeof(more), "E F:%u: %s", rows[i].line, rows[i].more);
		snprintf(said, sizeof(said), "E F:%u: %s%s", rows[i].line, rows[i].said, more);
		UNIT_CHECK_STR(problems(config)->text, said, "row %zu", i);
		rc = config_for_guest(config, &vm1, &policy, &err);
		UNIT_CHECK(rc == (rows[i].everybody ? -EINVAL : 0), "row %zu: %s", i, err.text);
		if (!rows[i].everybody)
			UNIT_CHECK(config_check_section(config, &vm1, "hugepages", &err) == -EINVAL,
				   "row %zu", i);
		UNIT_CHECK(config_check_section(config, &vm1, "ksm", &err) == 0, "row %zu", i);
	}
}

/* "[hugepages]\nKEY" and then @len bytes in all on the second line */
static struct config *parse_long_line(const char *start, size_t len, char fill)
{
	char text[5000] = "[hugepages]\n";
	size_t used = strlen(text);

	memset(text + used, fill, len);
	memcpy(text + used, start, strlen(start));
	memcpy(text + used + len, "\ndrop_caches = auto\n", 21);
	return parse(text);
}

static void test_long_lines(void)
{
	static const size_t lengths[] = { 197, 198, 199, 200, 201, 202, 399, 400, 401, 4000 };
	size_t i;

	for (i = 0; i < ROWS(lengths); i++) {
		cleanup_config struct config *key = parse_long_line("x = ", lengths[i], 'x');
		cleanup_config struct config *comment = parse_long_line("# ", lengths[i], 'x');
		cleanup_config struct config *blanks =
			parse_long_line("compact = never", lengths[i], ' ');
		const char *said = problems(key)->text;
		struct guest_policy policy;

		if (lengths[i] <= 198)
			UNIT_CHECK_STR(said, "W F:2: unknown key 'x' in [hugepages], ignored\n",
				       "%zu", lengths[i]);
		else
			UNIT_CHECK_STR(
				said,
				"E F:2: this line can't be read: longer than 198 characters\n",
				"%zu", lengths[i]);
		UNIT_CHECK_STR(problems(comment)->text, "", "%zu", lengths[i]);
		UNIT_CHECK_STR(problems(blanks)->text, "", "%zu", lengths[i]);
		/* The line after it is read as if nothing had been */
		policy = policy_for(key, &vm1);
		UNIT_CHECK(policy.hugepages.drop_caches == EFFORT_AUTO, "%zu", lengths[i]);
		policy = policy_for(blanks, &vm1);
		UNIT_CHECK(policy.hugepages.compact == EFFORT_NEVER, "%zu", lengths[i]);
	}
}

static void test_long_header(void)
{
	char text[600] = "[hook]\ndeadline = 9s\n[";
	cleanup_config struct config *config = NULL;

	memset(text + strlen(text), 'x', 300);
	strcat(text, "]\ndeadline = rubbish\n");
	config = parse(text);
	UNIT_CHECK_STR(problems(config)->text,
		       "E F:3: this line can't be read: longer than 198 characters\n"
		       "E F:3: it is unknown which section the lines from here on belong to\n",
		       "header");
	CU_ASSERT_EQUAL(config_hook(config)->deadline_ms, 9000);
}

static void test_nul_bytes(void)
{
	static const char in_value[] = "[hugepages]\ncompact = never\0\nreclaim = never\n";
	static const char in_comment[] = "[hugepages]\n# \0\ncompact = never\n";
	static const char utf16[] = "\xFF\xFE[\0h\0o\0o\0k\0]\0\n\0";
	static const char said[] =
		"E F:2: this line can't be read: has a NUL byte, so this is no plain text\n";
	cleanup_config struct config *value = parse_bytes(in_value, sizeof(in_value) - 1);
	cleanup_config struct config *comment = parse_bytes(in_comment, sizeof(in_comment) - 1);
	cleanup_config struct config *wide = parse_bytes(utf16, sizeof(utf16) - 1);
	struct guest_policy policy = policy_for(value, &vm1);

	UNIT_CHECK_STR(problems(value)->text, said, "in a value");
	CU_ASSERT_EQUAL(policy.hugepages.compact, EFFORT_AUTO);
	CU_ASSERT_EQUAL(policy.hugepages.reclaim, EFFORT_NEVER);
	CU_ASSERT_EQUAL(problems(comment)->n, 0);
	CU_ASSERT_EQUAL(config_for_guest(wide, &vm1, &policy, NULL), -EINVAL);
}

static void test_many_problems(void)
{
	cleanup_config struct config *config = NULL;
	cleanup_free char *text = calloc(1, 100000);
	struct guest_policy policy;
	struct err err = { "" };
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	strcpy(text, "[hugepages]\n");
	for (i = 0; i < 40000; i++)
		memcpy(text + 12 + 2 * i, "x\n", 2);
	config = parse(text);
	CU_ASSERT_EQUAL(problems(config)->n, 51);
	CU_ASSERT_EQUAL(config_for_guest(config, &vm1, &policy, &err), -EINVAL);
	UNIT_CHECK_STR(err.text, "F:51: so many problems that the rest of the file is not read",
		       "why");
}

static void test_page_sizes(void)
{
	struct err err = { "" };
	char text[4000] = "[hugepages]\n", line[64];
	cleanup_config struct config *config = NULL;
	struct guest_policy policy;
	unsigned int i;

	/* 8 KiB to 512 MiB are 17 sizes; the last finds no room */
	for (i = 0; i < 17; i++) {
		snprintf(line, sizeof(line), "keep_free_%uK = %u\non_release_%uK = keep\n", 8u << i,
			 i + 1, 8u << i);
		strcat(text, line);
	}
	/* The same size in other words is no further one */
	strcat(text, "keep_free_2M = 99\nkeep_free_2MiB = 98\n");
	config = parse(text);
	UNIT_CHECK_STR(problems(config)->text,
		       "E F:34: hugepages.keep_free_524288K: more than 16 page sizes\n"
		       "E F:35: hugepages.on_release_524288K: more than 16 page sizes\n",
		       "seventeen sizes");
	policy = policy_for(config, &vm1);
	CU_ASSERT_EQUAL(config_keep_free(&policy.hugepages, 8), 1);
	CU_ASSERT_EQUAL(config_keep_free(&policy.hugepages, 2048), 98);
	CU_ASSERT_EQUAL(config_keep_free(&policy.hugepages, 524288), 0);
	CU_ASSERT_EQUAL(config_check_section(config, &vm1, "hugepages", &err), -EINVAL);
}

/* A bad value keeps its guests from starting, and nobody else */
static void test_who_is_refused(void)
{
	cleanup_config struct config *hugepages = parse("[hugepages]\ncompact = x\n");
	cleanup_config struct config *hook = parse("[hook]\ndeadline = x\n");
	struct guest_policy policy;
	struct err err = { "" };

	CU_ASSERT_EQUAL(config_for_guest(hugepages, &vm1, &policy, &err), 0);
	CU_ASSERT_EQUAL(config_check_section(hugepages, &vm1, "ksm", &err), 0);
	CU_ASSERT_EQUAL(config_check_section(hugepages, &vm1, "hugepages", &err), -EINVAL);
	UNIT_CHECK_STR(err.text, "F:2: hugepages.compact = 'x': expected auto or never", "why");
	CU_ASSERT_EQUAL(config_check_section(hugepages, NULL, "hugepages", &err), -EINVAL);
	CU_ASSERT_EQUAL(config_for_guest(hook, &vm1, &policy, &err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "F:2: hook.deadline = 'x': expected"));
	/* Release has to go on whatever is written there */
	CU_ASSERT_EQUAL(config_hook(hook)->deadline_ms, 20000);
}

static void test_guest_match(void)
{
	static const struct {
		const char *match;
		bool vm1, vm2;
	} rows[] = {
		{ "vm1", true, false },
		{ "vm*", true, true },
		{ "vm?", true, true },
		{ "[vw]m[2-9]", false, true },
		{ "VM1", false, false },
		{ "v", false, false },
		{ "vm1,vm2", true, true },
		{ "vm1 vm2", true, true },
		{ ",, vm1\t,  vm2,", true, true },
		{ UUID2, false, true },
		{ "3F2B7A10-5F0C-4B5E-9A58-0F4A1C9D2E11", true, false },
		{ "3f2b7a10*", false, false },
		{ "other, " UUID1, true, false },
		{ "other\nmatch = vm2", false, true },
		{ "*", true, true },
		{ "[", false, false },
		{ "vm1\\", false, false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_config struct config *config = NULL;
		struct guest_policy one, two, none;
		char text[300];

		snprintf(text, sizeof(text), "[guest]\nhugepages.compact = never\nmatch = %s\n",
			 rows[i].match);
		config = parse(text);
		one = policy_for(config, &vm1);
		two = policy_for(config, &vm2);
		none = policy_for(config, NULL);
		UNIT_CHECK((one.hugepages.compact == EFFORT_NEVER) == rows[i].vm1, "%s",
			   rows[i].match);
		UNIT_CHECK((two.hugepages.compact == EFFORT_NEVER) == rows[i].vm2, "%s",
			   rows[i].match);
		UNIT_CHECK(none.hugepages.compact == EFFORT_AUTO, "%s", rows[i].match);
	}
}

/* Two [guest] sections are two, though inih gives both the same name */
static void test_guest_sections(void)
{
	cleanup_config struct config *config =
		parse("[guest]\nmatch = vm1\nhugepages.compact = never\nhugepages.keep_free_2M=3\n"
		      "[guest]\nmatch = vm2\nhugepages.compact = x\n"
		      "[hugepages]\nreclaim = never\nkeep_free_2M=1\n"
		      "[guest]\nmatch = vm*\nhugepages.drop_caches = auto\nrubbish\n"
		      "[guest]\nmatch = vm3\nksm = x\n");
	struct guest_policy policy;
	struct guest vm3 = { .name = "vm3" }, other = { .name = "other" };
	struct err err = { "" };

	policy = policy_for(config, &vm1);
	CU_ASSERT_EQUAL(policy.hugepages.compact, EFFORT_NEVER);
	CU_ASSERT_EQUAL(policy.hugepages.reclaim, EFFORT_NEVER);
	CU_ASSERT_EQUAL(policy.hugepages.drop_caches, EFFORT_AUTO);
	CU_ASSERT_EQUAL(config_keep_free(&policy.hugepages, 2048), 3);
	policy = policy_for(config, &vm2);
	CU_ASSERT_EQUAL(policy.hugepages.compact, EFFORT_AUTO);
	CU_ASSERT_EQUAL(config_keep_free(&policy.hugepages, 2048), 1);

	CU_ASSERT_EQUAL(config_check_section(config, &vm2, "hugepages", &err), -EINVAL);
	UNIT_CHECK_STR(err.text, "F:7: hugepages.compact = 'x': expected auto or never", "vm2");
	/* Nobody knows which section the rubbish is about */
	CU_ASSERT_EQUAL(config_check_section(config, &vm1, "hugepages", &err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "F:14: this line can't be read"));
	CU_ASSERT_EQUAL(config_check_section(config, &vm1, "ksm", &err), -EINVAL);
	CU_ASSERT_EQUAL(config_check_section(config, &vm3, "ksm", &err), -EINVAL);
	CU_ASSERT_EQUAL(config_check_section(config, &other, "hugepages", &err), 0);
	CU_ASSERT_EQUAL(config_check_section(config, &other, "ksm", &err), 0);
	CU_ASSERT_EQUAL(config_check_section(config, NULL, "hugepages", &err), 0);
}

/* The stores as lines "NAME PATH SOURCE FSTYPE OPTIONS SIZE MOUNT UNMOUNT KEEP_FREE" */
static const char *stores(const struct config *config)
{
	static const char *const mounts[] = { "prepare", "daemon", "never" };
	static const char *const unmounts[] = { "last-guest", "never" };
	static char text[8192];
	const struct config_store *all;
	size_t n = config_stores(config, &all), used = 0, i;

	text[0] = '\0';
	for (i = 0; i < n; i++) {
		const struct config_store *s = &all[i];

		used += (size_t)snprintf(
			text + used, sizeof(text) - used,
			"%s|%s|%s|%s|%s|%llu %u%%|%s|%s|%llu %u%%\n", s->name, s->path, s->source,
			s->fstype, s->options, (unsigned long long)s->size.kib, s->size.percent,
			mounts[s->mount], unmounts[s->unmount],
			(unsigned long long)s->keep_free.kib, s->keep_free.percent);
	}
	return text;
}

static void test_stores(void)
{
	static const struct {
		const char *text;
		const char *want;
	} rows[] = {
		{ "", "" },
		{ "[hook]\n[guest]\nmatch = *\nstore = x\n", "" },
		{ "[store]\n", "ram|||||0 0%|prepare|last-guest|0 5%\n" },
		{ "[store]\n[store]\n[store]\nname = ram",
		  "ram|||||0 0%|prepare|last-guest|0 5%\n" },
		{ "[store]\npath = /a//b/\nsource = LABEL=my disk\nfstype = xfs\noptions = a,b=c\n"
		  "size = 64G\nmount = daemon\nunmount = never\nkeep_free = 2M\n",
		  "b|/a/b|LABEL=my disk|xfs|a,b=c|67108864 0%|daemon|never|2048 0%\n" },
		/* Nothing else is mounted from there */
		{ "[store]\npath = /a\nsource = tmpfs\nsize = 1M\n",
		  "a|/a|tmpfs|tmpfs||1024 0%|prepare|last-guest|0 5%\n" },
		/* What one section says is no default of the next */
		{ "[store]\nname = a\npath = /a\nsize = 50%\n[store]\nname = b\npath = /b\n",
		  "a|/a||||0 50%|prepare|last-guest|0 5%\n"
		  "b|/b||||0 0%|prepare|last-guest|0 5%\n" },
		/* The name may come last, or twice */
		{ "[store]\npath = /a\nname = a\n[store]\nname = a\npath = /b\nname = b",
		  "a|/a||||0 0%|prepare|last-guest|0 5%\n"
		  "b|/b||||0 0%|prepare|last-guest|0 5%\n" },
		/* Later keys count, among them those that say what is the default anyway */
		{ "[store]\nname = a\npath = /a\nmount = never\nkeep_free = 1%\nsize = 1M\n"
		  "[store]\npath = /r\n[hook]\n[store]\nname = a\nmount = prepare\nsize = 50%\n",
		  "a|/a||||0 50%|prepare|last-guest|0 1%\n"
		  "r|/r||||0 0%|prepare|last-guest|0 5%\n" },
		{ "[store]\npath = /a\n[store]\npath =\nkeep_free =\n",
		  "a|||||0 0%|prepare|last-guest|0 0%\n" },
		/* Each path is a store, named by its end, or as a whole where that is another's */
		{ "[store]\npath = /srv/a\n[store]\nname = a\nsize = 1M\n[store]\npath = /mnt/a\n"
		  "[store]\npath = /srv/a\nkeep_free = 1%\n[store]\npath = /mnt/a b\n",
		  "a|/srv/a||||1024 0%|prepare|last-guest|0 1%\n"
		  "mnt-a|/mnt/a||||0 0%|prepare|last-guest|0 5%\n"
		  "ram|/mnt/a b||||0 0%|prepare|last-guest|0 5%\n" },
		/* A file in membacking.conf.d need not name the only one */
		{ "[store]\npath = /srv/a\n[store]\nsize = 1M\n",
		  "a|/srv/a||||1024 0%|prepare|last-guest|0 5%\n" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_config struct config *config = parse(rows[i].text);

		UNIT_CHECK_STR(stores(config), rows[i].want, "row %zu", i);
		UNIT_CHECK_STR(problems(config)->text, "", "row %zu", i);
		UNIT_CHECK(!config_check_section(config, &vm1, "store", NULL), "row %zu", i);
	}
}

/* What is wrong with stores, and what is left of them */
static void test_bad_stores(void)
{
	static const struct {
		const char *text;
		const char *want;
		const char *said;
	} rows[] = {
		/* A key with a bad value, and nothing else, is as if it were not there */
		{ "[store]\npath = a\nsize = 1M\n", "ram|||||1024 0%|prepare|last-guest|0 5%\n",
		  "F:2: store.path = 'a': expected an absolute path below /, without \"..\"" },
		/* It is unknown which store it is about */
		{ "[store]\nname = a/b\npath = /a\nmount = x\n[store]\npath = /r\n",
		  "r|/r||||0 0%|prepare|last-guest|0 5%\n",
		  "F:2: store.name = 'a/b': expected a name of letters, digits, \".\", \"_\" and "
		  "\"-\"" },
		{ "[store]\nrubbish\npath = /r\n", "r|/r||||0 0%|prepare|last-guest|0 5%\n",
		  "F:2: this line can't be read: expected \"key = value\" or \"[section]\"" },
		/* Two at one place */
		{ "[store]\npath = /a\n[store]\nname = b\npath = /b\n[store]\nname = c\npath = /a/\n",
		  "a|/a||||0 0%|prepare|last-guest|0 5%\n"
		  "b|/b||||0 0%|prepare|last-guest|0 5%\n"
		  "c|/a||||0 0%|prepare|last-guest|0 5%\n",
		  "[store] 'a' and [store] 'c' have the same path /a: give each its own path" },
		{ "[store]\n[store]\nname = b\n",
		  "ram|||||0 0%|prepare|last-guest|0 5%\n"
		  "b|||||0 0%|prepare|last-guest|0 5%\n",
		  "[store] 'ram' and [store] 'b' have both no path: give each its own path" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_config struct config *config = parse(rows[i].text);
		struct err err = { "" };

		policy_for(config, &vm1);
		UNIT_CHECK_STR(stores(config), rows[i].want, "row %zu", i);
		UNIT_CHECK(config_check_section(config, &vm1, "store", &err) == -EINVAL, "row %zu",
			   i);
		UNIT_CHECK_STR(err.text, rows[i].said, "row %zu", i);
		UNIT_CHECK(!config_check_section(config, &vm1, "hugepages", NULL), "row %zu", i);
	}
}

static void test_many_stores(void)
{
	cleanup_config struct config *config = NULL;
	char text[4000] = "", section[100];
	const struct config_store *all;
	struct err err = { "" };
	unsigned int i;

	for (i = 0; i <= CONFIG_STORES_MAX; i++) {
		snprintf(section, sizeof(section), "[store]\nname = s%u\npath = /%u\n", i, i);
		strcat(text, section);
	}
	/* More of one that there is has room */
	strcat(text, "[store]\nname = s3\nkeep_free = 7%\n");
	config = parse(text);
	CU_ASSERT_EQUAL(config_stores(config, &all), CONFIG_STORES_MAX);
	CU_ASSERT_EQUAL(all[3].keep_free.percent, 7);
	CU_ASSERT_EQUAL(config_check_section(config, NULL, "store", &err), -EINVAL);
	UNIT_CHECK_STR(err.text, "F:49: [store] 's16' is one too many: there is room for 16 stores",
		       "many");
}

/* A drop-in adds to a store of the main file, and may take a collision away */
static void test_stores_in_files(void)
{
	const char *root = unit_tmpdir();
	cleanup_config struct config *config = NULL;

	unit_write(root, CONFIG_FILE,
		   "[store]\nname = a\npath = /s\n[store]\nname = b\npath = /s\n");
	unit_write(root, CONFIG_DIR "/50.conf", "[store]\nname = b\npath = /t\nmount = never\n");
	config = load(root);
	UNIT_CHECK_STR(stores(config),
		       "a|/s||||0 0%|prepare|last-guest|0 5%\n"
		       "b|/t||||0 0%|never|last-guest|0 5%\n",
		       "files");
	CU_ASSERT_EQUAL(problems(config)->n, 0);
}

/* A guest like vm1 that has @key = @value in its metadata */
static struct guest with_metadata(struct guest_setting *setting)
{
	struct guest guest = vm1;

	guest.n_settings = 1;
	guest.settings = setting;
	return guest;
}

static void test_metadata(void)
{
	char key[] = "hugepages.compact", value[] = "never";
	struct guest_setting setting = { key, value };
	struct guest guest = with_metadata(&setting);
	static const char sections[] = "[guest]\nmatch=*\nhugepages.compact = auto\n";
	static const char refused[] = "[hook]\nallow_guest_metadata = no\n";
	cleanup_config struct config *allowed = parse(sections);
	cleanup_config struct config *not_allowed = parse(refused);
	struct guest_policy policy;

	policy = policy_for(allowed, &guest);
	CU_ASSERT_EQUAL(policy.hugepages.compact, EFFORT_NEVER);
	policy = policy_for(allowed, &vm2);
	CU_ASSERT_EQUAL(policy.hugepages.compact, EFFORT_AUTO);
	policy = policy_for(not_allowed, &guest);
	CU_ASSERT_EQUAL(policy.hugepages.compact, EFFORT_AUTO);
}

static void test_guest_store(void)
{
	char key[] = "store", value[] = "fast";
	struct guest_setting setting = { key, value };
	struct guest guest = with_metadata(&setting);
	cleanup_config struct config *config =
		parse("[guest]\nmatch = vm*\nstore = slow\n[guest]\nmatch = vm2\nstore =\n"
		      "[guest]\nmatch = vm3\nstore = a/b\n");
	struct guest vm3 = { .name = "vm3" };
	struct err err = { "" };

	CU_ASSERT_STRING_EQUAL(policy_for(config, &vm1).store, "slow");
	CU_ASSERT_STRING_EQUAL(policy_for(config, &vm2).store, "");
	CU_ASSERT_STRING_EQUAL(policy_for(config, &guest).store, "fast");
	CU_ASSERT_STRING_EQUAL(policy_for(config, NULL).store, "");
	CU_ASSERT_EQUAL(config_check_section(config, &vm1, "store", &err), 0);
	CU_ASSERT_EQUAL(config_check_section(config, &vm3, "store", &err), -EINVAL);
	UNIT_CHECK_STR(err.text, "F:9: store = 'a/b': expected the name of a [store] section",
		       "vm3");
}

static void test_bad_metadata(void)
{
	static const struct {
		const char *key, *value;
		const char *section;
		const char *said;
	} rows[] = {
		{ "hugepages.compact", "x", "hugepages",
		  "metadata of guest vm1: hugepages.compact = 'x': expected auto or never" },
		{ "hugepages.compact", "", "hugepages",
		  "metadata of guest vm1: hugepages.compact = '': expected auto or never" },
		{ "hugepages.compact", "a\nb\x1b[2J", "hugepages",
		  "metadata of guest vm1: hugepages.compact = 'a b [2J': expected auto or never" },
		{ "hugepages.keep_free_2M", "-5", "hugepages",
		  "metadata of guest vm1: hugepages.keep_free_2M = '-5': expected a number of pages" },
		{ "store", "../../etc", "store",
		  "metadata of guest vm1: store = '../../etc': expected the name of a [store] "
		  "section" },
		{ "ksm", "x", "ksm", "metadata of guest vm1: ksm = 'x': expected yes or no" },
		{ "ksm", "x", "hugepages", NULL },
		{ "hugepages.compact", "x", "ksm", NULL },
		/* What a guest has no say in is ignored, not refused */
		{ "hook.deadline", "x", "hook", NULL },
		{ "hugepages.nonsense", "x", "hugepages", NULL },
		{ "match", "*", "match", NULL },
		{ "", "", "", NULL },
		{ "....", "", "", NULL },
	};
	cleanup_config struct config *config = parse("");
	cleanup_config struct config *deaf = parse("[hook]\nallow_guest_metadata = no\n");
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct guest_setting setting = { (char *)rows[i].key, (char *)rows[i].value };
		struct guest guest = with_metadata(&setting);
		struct guest_policy policy = policy_for(config, &guest);
		struct err err = { "" };
		int rc = config_check_section(config, &guest, rows[i].section, &err);

		UNIT_CHECK(policy.hook.deadline_ms == 20000, "row %zu", i);
		UNIT_CHECK(policy.hugepages.compact == EFFORT_AUTO, "row %zu", i);
		UNIT_CHECK(rc == (rows[i].said ? -EINVAL : 0), "row %zu", i);
		UNIT_CHECK_STR(err.text, rows[i].said ? rows[i].said : "", "row %zu", i);
		UNIT_CHECK(!config_check_section(config, &vm2, rows[i].section, NULL), "row %zu",
			   i);
		UNIT_CHECK(!config_check_section(deaf, &guest, rows[i].section, NULL), "row %zu",
			   i);
	}
}

static void collect(const struct config_problem *problem, void *data)
{
	char *text = data;
	size_t used = strlen(text);

	snprintf(text + used, 2048 - used, "%s[%s] %s\n", problem->fatal ? "bad" : "ignored",
		 problem->section ? problem->section : "", problem->text);
}

/* All of it, in order, with the guest's name; and nothing from a guest that has no say */
static void test_metadata_problems(void)
{
	struct guest_setting settings[] = {
		{ (char *)"hugepages.compact", (char *)"x" },
		{ (char *)"hugepages.compcat", (char *)"never" },
		{ (char *)"hook.deadline", (char *)"1s" },
		{ (char *)"hugepages.reclaim", (char *)"never" },
		{ (char *)"ksm", (char *)"perhaps" },
	};
	struct guest guest = { .name = "vm1", .n_settings = 5, .settings = settings };
	cleanup_config struct config *config = parse("");
	cleanup_config struct config *deaf = parse("[hook]\nallow_guest_metadata = no\n");
	char text[2048] = "";

	config_for_each_guest_problem(config, &guest, collect, text);
	UNIT_CHECK_STR(
		text,
		"bad[hugepages] metadata of guest vm1: hugepages.compact = 'x': expected auto or "
		"never\n"
		"ignored[] metadata of guest vm1: unknown key 'hugepages.compcat', ignored\n"
		"ignored[] metadata of guest vm1: only the host's administrator can set "
		"'hook.deadline', ignored\n"
		"bad[ksm] metadata of guest vm1: ksm = 'perhaps': expected yes or no\n",
		"all");
	text[0] = '\0';
	config_for_each_guest_problem(deaf, &guest, collect, text);
	config_for_each_guest_problem(config, &vm2, collect, text);
	UNIT_CHECK_STR(text, "", "none");
}

static void test_long_metadata(void)
{
	char key[] = "hugepages.compact", store[] = "store";
	cleanup_free char *value = malloc(1000001);
	cleanup_config struct config *config = parse("");
	struct guest_setting setting = { key, value };
	struct guest guest = with_metadata(&setting);
	struct err err = { "" };

	CU_ASSERT_PTR_NOT_NULL_FATAL(value);
	memset(value, 'x', 1000000);
	value[1000000] = '\0';
	CU_ASSERT_EQUAL(config_check_section(config, &guest, "hugepages", &err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, ": expected auto or never"));
	setting.key = store;
	CU_ASSERT_EQUAL(config_check_section(config, &guest, "store", &err), -EINVAL);
	setting.key = value;
	policy_for(config, &guest);
}

static void test_order_of_files(void)
{
	const char *root = unit_tmpdir();
	cleanup_config struct config *config = NULL;
	struct guest_policy policy;

	unit_write(root, CONFIG_FILE,
		   "[hook]\ndeadline = 1s\nlock_deadline = 7s\n[hugepages]\n"
		   "use_idle = no\n[guest]\nmatch = *\nhugepages.reclaim = auto\n");
	unit_write(root, CONFIG_DIR "/9.conf", "[hook]\ndeadline = 9s\n");
	unit_write(root, CONFIG_DIR "/10.conf",
		   "[hook]\ndeadline = 10s\n[guest]\nmatch = *\n"
		   "hugepages.reclaim = never\n");
	unit_write(root, CONFIG_DIR "/Z.conf", "deadline = 11s\n");
	unit_write(root, CONFIG_DIR "/.hidden.conf", "[hook]\ndeadline = 12s\n");
	unit_write(root, CONFIG_DIR "/z.conf~", "[hook]\ndeadline = 13s\n");
	unit_write(root, CONFIG_DIR "/z.CONF", "[hook]\ndeadline = 14s\n");
	unit_write(root, CONFIG_DIR "/.conf", "[hook]\ndeadline = 15s\n");
	config = load(root);
	policy = policy_for(config, &vm1);
	CU_ASSERT_EQUAL(policy.hook.deadline_ms, 9000);
	CU_ASSERT_EQUAL(policy.hook.lock_deadline_ms, 7000);
	CU_ASSERT_FALSE(policy.hugepages.use_idle);
	CU_ASSERT_EQUAL(policy.hugepages.reclaim, EFFORT_NEVER);
	/* A file does not go on in the section where the one before it ended */
	UNIT_CHECK_STR(
		problems(config)->text,
		"W /etc/libvirt/membacking.conf.d/Z.conf:1: key 'deadline' stands before the "
		"first [section], ignored\n"
		"W /etc/libvirt/membacking.conf.d/z.CONF: not read, as its name does not end with "
		".conf\n",
		"labels");
}

static void chmod_below(const char *root, const char *name, mode_t mode)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	CU_ASSERT_EQUAL_FATAL(chmod(path, mode), 0);
}

/* Everybody is refused, with @said, and the values are the defaults */
static void check_refused(const char *root, const char *said)
{
	cleanup_config struct config *config = load(root);
	struct guest_policy policy = { .hook.deadline_ms = 5 };
	struct err err = { "" };

	UNIT_CHECK(config_for_guest(config, &vm1, &policy, &err) == -EINVAL, "%s", said);
	UNIT_CHECK(policy.hook.deadline_ms == 5, "%s", said);
	UNIT_CHECK(strstr(err.text, said) == err.text, "got %s, want %s", err.text, said);
	UNIT_CHECK(config_hook(config)->deadline_ms == 20000, "%s", said);
	UNIT_CHECK(config_for_guest(config, NULL, &policy, &err) == -EINVAL, "%s", said);
}

static void test_untrusted_file(void)
{
	const char *root = unit_tmpdir();
	char path[4096];

	unit_write(root, CONFIG_FILE, "[hook]\ndeadline = 1s\n");
	chmod_below(root, CONFIG_FILE, 0664);
	check_refused(root, "/etc/libvirt/membacking.conf: others than root may write to it "
			    "(mode 0664)");
	chmod_below(root, CONFIG_FILE, 0646);
	check_refused(root, "/etc/libvirt/membacking.conf: others than root may write to it");
	if (geteuid() != 0)
		return;
	chmod_below(root, CONFIG_FILE, 0644);
	snprintf(path, sizeof(path), "%s/%s", root, CONFIG_FILE);
	CU_ASSERT_EQUAL_FATAL(chown(path, 65534, 65534), 0);
	check_refused(root, "/etc/libvirt/membacking.conf: belongs to user 65534, but");
}

static void test_untrusted_dropins(void)
{
	const char *root = unit_tmpdir();
	cleanup_config struct config *config = NULL;

	unit_write(root, CONFIG_DIR "/a.conf", "[hook]\ndeadline = 1s\n");
	chmod_below(root, CONFIG_DIR, 0775);
	check_refused(root, "/etc/libvirt/membacking.conf.d: others than root may write to it");
	chmod_below(root, CONFIG_DIR, 01777);
	check_refused(root, "/etc/libvirt/membacking.conf.d: others than root may write to it");
	chmod_below(root, CONFIG_DIR, 0755);
	config = load(root);
	CU_ASSERT_EQUAL(config_hook(config)->deadline_ms, 1000);
	chmod_below(root, CONFIG_DIR "/a.conf", 0666);
	check_refused(root, "/etc/libvirt/membacking.conf.d/a.conf: others than root may write to "
			    "it (mode 0666)");
}

static void test_strange_files(void)
{
	const char *root = unit_tmpdir();
	cleanup_config struct config *config = NULL;
	char path[4096];

	unit_write(root, CONFIG_DIR "/README", "");
	snprintf(path, sizeof(path), "%s/%s/gone.conf", root, CONFIG_DIR);
	CU_ASSERT_EQUAL_FATAL(symlink("nowhere", path), 0);
	config = load(root);
	UNIT_CHECK_STR(problems(config)->text,
		       "W /etc/libvirt/membacking.conf.d/gone.conf: a link that leads nowhere, "
		       "ignored\n",
		       "dangling");
	snprintf(path, sizeof(path), "%s/%s/fifo.conf", root, CONFIG_DIR);
	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0644), 0);
	check_refused(root, "/etc/libvirt/membacking.conf.d/fifo.conf: is not a regular file");
	CU_ASSERT_EQUAL_FATAL(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/%s", root, CONFIG_FILE);
	CU_ASSERT_EQUAL_FATAL(mkdir(path, 0755), 0);
	check_refused(root, "/etc/libvirt/membacking.conf: is not a regular file");
}

static void test_dropins_without_conf(void)
{
	const char *root = unit_tmpdir();
	cleanup_config struct config *config = NULL;
	char path[4096];

	unit_write(root, CONFIG_DIR "/b", "[hook]\nlog = nonsense\n");
	unit_write(root, CONFIG_DIR "/a.cnf", "");
	unit_write(root, CONFIG_DIR "/c.conf", "");
	unit_write(root, CONFIG_DIR "/c.conf~", "");
	unit_write(root, CONFIG_DIR "/c.conf.rpmsave", "");
	unit_write(root, CONFIG_DIR "/.d", "");
	snprintf(path, sizeof(path), "%s/%s/old", root, CONFIG_DIR);
	CU_ASSERT_EQUAL_FATAL(mkdir(path, 0755), 0);
	config = load(root);
	UNIT_CHECK_STR(problems(config)->text,
		       "W /etc/libvirt/membacking.conf.d/a.cnf: not read, as its name does not end "
		       "with .conf\n"
		       "W /etc/libvirt/membacking.conf.d/b: not read, as its name does not end "
		       "with .conf\n",
		       "names");
}

static void test_dropins_no_directory(void)
{
	const char *root = unit_tmpdir();

	unit_write(root, CONFIG_DIR, "");
	check_refused(root, "/etc/libvirt/membacking.conf.d: cannot open: Not a directory");
}

/* So many that the directory's own order is surely another */
static void test_too_much(void)
{
	const char *root = unit_tmpdir();
	cleanup_free char *big = malloc(300000);
	cleanup_config struct config *config = NULL;
	char name[100], text[64];
	int i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(big);
	for (i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "%s/%03d.conf", CONFIG_DIR, i);
		snprintf(text, sizeof(text), "[hook]\ndeadline = %ds\n", i + 1);
		unit_write(root, name, text);
	}
	config = load(root);
	CU_ASSERT_EQUAL(config_hook(config)->deadline_ms, 256000);
	unit_write(root, CONFIG_DIR "/256.conf", "");
	check_refused(root, "/etc/libvirt/membacking.conf.d: more than 256 files, none is read");

	root = unit_tmpdir();
	memset(big, '\n', 299999);
	big[299999] = '\0';
	unit_write(root, CONFIG_FILE, big);
	check_refused(root, "/etc/libvirt/membacking.conf: larger than 262144 bytes");
}

/* Every default passes its own check, and has words for when one does not */
static void test_table(void)
{
	const struct config_key *keys;
	struct config_values values;
	size_t n, i;

	keys = config_keys(&n);
	for (i = 0; i < n; i++) {
		config_values_init(&values);
		UNIT_CHECK(keys[i].expected && *keys[i].expected, "%s", keys[i].name);
		if (!keys[i].fallback)
			continue;
		UNIT_CHECK(!keys[i].set(&keys[i], 2048, keys[i].fallback, &values), "%s.%s",
			   keys[i].section, keys[i].name);
	}
}

struct example {
	bool *seen;
	char section[64];
};

static void check_example_key(struct example *example, const char *name, const char *value)
{
	const struct config_key *key = NULL, *keys;
	const char *fallback;
	uint64_t page_kib;
	size_t n;

	keys = config_keys(&n);
	if (!strcmp(example->section, "guest") && !config_key_find_for_guest(name, &key, &page_kib))
		;
	else
		key = config_key_find(example->section, name, &page_kib);
	if (!UNIT_CHECK(key != NULL, "[%s] %s is no key", example->section, name))
		return;
	if (key->guest_only || !strcmp(key->section, example->section))
		example->seen[key - keys] = true;
	fallback = key->fallback;
	/* A page size of its own begins with what holds for all */
	if (!strcmp(key->name, "on_release_"))
		fallback = "return";
	if (key->set)
		UNIT_CHECK_STR(value, fallback, "[%s] %s", example->section, name);
}

static void check_example_line(struct example *example, char *line)
{
	char *end;

	if (sscanf(line, "#[%63[^]]]", example->section) == 1) {
		UNIT_CHECK(config_section_find(example->section) != NULL, "%s", line);
		return;
	}
	if (!UNIT_CHECK(*line == '#', "all is commented out: %s", line) || line[1] == ' ' ||
	    !line[1])
		return;
	end = strstr(line, " =");
	if (!UNIT_CHECK(end != NULL, "a key: %s", line))
		return;
	*end = '\0';
	end += 2;
	check_example_key(example, line + 1, end + strspn(end, " "));
}

static void test_example(void)
{
	cleanup_free char *text = unit_read("../conf-snippets/membacking.conf", NULL);
	const struct config_key *keys;
	struct example example = { .section = "" };
	char *line, *rest = text;
	size_t n, i;

	keys = config_keys(&n);
	example.seen = calloc(n, sizeof(*example.seen));
	CU_ASSERT_PTR_NOT_NULL_FATAL(example.seen);
	while ((line = strsep(&rest, "\n")))
		if (*line)
			check_example_line(&example, line);
	for (i = 0; i < n; i++)
		UNIT_CHECK(example.seen[i], "[%s] %s is not explained", keys[i].section,
			   keys[i].name);
	free(example.seen);
}

/* As it is installed, and with every line's "#" taken away */
static void test_example_is_default(void)
{
	cleanup_free char *text = unit_read("../conf-snippets/membacking.conf", NULL);
	cleanup_config struct config *installed = parse(text);
	cleanup_config struct config *live = NULL;
	char *mark = text;

	CU_ASSERT_EQUAL(problems(installed)->n, 0);
	while ((mark = strstr(mark, "\n#"))) {
		if (mark[2] != ' ' && mark[2] != '\n')
			mark[1] = ' ';
		mark += 2;
	}
	live = parse(text);
	UNIT_CHECK_STR(problems(live)->text, "", "uncommented");
	check_defaults(live, "uncommented");
}

/* What a guest's step is made of */
static void test_ksm_and_thp(void)
{
	static const char text[] = "[ksm]\nmanage = yes\nenable = always\nprofile = gentle\n"
				   "on_last_guest = unmerge\nmerge_across_nodes = no\n"
				   "[thp]\nmanage = yes\nenabled = Always\ndefrag = defer+madvise\n"
				   "[guest]\nmatch = vm1\nksm = no\n";
	struct guest one = { .name = "vm1" }, two = { .name = "vm2" };
	cleanup_config struct config *config = NULL, *defaults = NULL;
	struct guest_policy policy;
	unsigned int value = 77;
	struct err err;

	CU_ASSERT_EQUAL_FATAL(config_parse_buffer("F", "", 0, &defaults, &err), 0);
	CU_ASSERT_EQUAL(config_for_guest(defaults, &one, &policy, &err), 0);
	CU_ASSERT(!policy.ksm.manage && policy.ksm_allowed && !policy.thp.manage);
	CU_ASSERT_EQUAL(policy.ksm.enable, KSM_ON_DEMAND);
	CU_ASSERT_EQUAL(policy.ksm.profile, KSM_ADVISOR);
	CU_ASSERT_EQUAL(policy.ksm.on_last_guest, KSM_RESTORE);
	CU_ASSERT_EQUAL(policy.ksm.merge_across_nodes, KSM_NODES_KEEP);
	UNIT_CHECK_STR(policy.thp.enabled, "", "enabled");
	CU_ASSERT_EQUAL_FATAL(config_parse_buffer("F", text, strlen(text), &config, &err), 0);
	CU_ASSERT_EQUAL(config_for_guest(config, &one, &policy, &err), 0);
	CU_ASSERT(policy.ksm.manage && !policy.ksm_allowed && policy.thp.manage);
	CU_ASSERT_EQUAL(policy.ksm.enable, KSM_ALWAYS);
	CU_ASSERT_EQUAL(policy.ksm.profile, KSM_GENTLE);
	CU_ASSERT_EQUAL(policy.ksm.on_last_guest, KSM_UNMERGE);
	CU_ASSERT_EQUAL(policy.ksm.merge_across_nodes, KSM_NODES_APART);
	UNIT_CHECK_STR(policy.thp.enabled, "always", "enabled");
	UNIT_CHECK_STR(policy.thp.defrag, "defer+madvise", "defrag");
	CU_ASSERT_EQUAL(config_for_guest(config, &two, &policy, &err), 0);
	CU_ASSERT_TRUE(policy.ksm_allowed);
	CU_ASSERT_EQUAL(config_ksm(config)->profile, KSM_GENTLE);

	UNIT_CHECK_STR(config_word_text("ksm", "profile", KSM_CUSTOM), "custom", "word");
	UNIT_CHECK_STR(config_word_text("ksm", "profile", 99), "", "no word");
	CU_ASSERT_EQUAL(config_word_value("ksm", "on_last_guest", "stop", &value), 0);
	CU_ASSERT_EQUAL(value, KSM_STOP);
	CU_ASSERT_EQUAL(config_word_value("ksm", "on_last_guest", "go", &value), -EINVAL);
	CU_ASSERT_EQUAL(value, KSM_STOP);
}

static void test_tiers(void)
{
	static const struct {
		const char *text;
		int rc;
		size_t n;
	} rows[] = {
		{ "same-filled", 0, 1 },
		{ "ram:25%", 0, 1 },
		{ " same-filled , ram:8G ", 0, 2 },
		{ "ram:1G,same-filled", 0, 2 },
		{ "same-filled, ram:25%, file:/srv/swap:64G", 0, 3 },
		{ "ram:25%, file:/a:b/c:64G,same-filled", 0, 3 },
		{ "ram:25%, zstd:1G", 0, 2 },
		{ "ram:25%, same-filled, zstd:10%, file:/a:1G", 0, 4 },
		{ "zstd:1G", -EOPNOTSUPP, 0 },
		{ "zstd:1G, ram:1G", -EOPNOTSUPP, 0 },
		{ "ram:1G, file:/a:1G, zstd:1G", -EOPNOTSUPP, 0 },
		{ "file:/a:b/c:64G", -EOPNOTSUPP, 0 },
		{ "file:/a:1G, ram:1G", -EOPNOTSUPP, 0 },
		{ "ram:1G,file:/a:b/c:64G,file:/b:1G", -EOPNOTSUPP, 0 },
		{ "ram:1G, directory:/srv/pager:1T", 0, 2 },
		{ "ram:1G, file:/a:64G, directory:/srv/pager:1T, same-filled", 0, 4 },
		{ "ram:1G, directory:/a:1T, file:/b:64G", -EOPNOTSUPP, 0 },
		{ "directory:/a:1T", -EOPNOTSUPP, 0 },
		{ "directory:/a:1T, ram:1G", -EOPNOTSUPP, 0 },
		{ "ram:1G, directory:/a:1T, directory:/b:1T", -EOPNOTSUPP, 0 },
		{ "ram:1G, directory:/a", -EINVAL, 0 },
		{ "ram:1G, directory:a:1G", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ ",", -EINVAL, 0 },
		{ "same-filled,", -EINVAL, 0 },
		{ "same-filled:1G", -EINVAL, 0 },
		{ "ram", -EINVAL, 0 },
		{ "ram:", -EINVAL, 0 },
		{ "ram:0", -EINVAL, 0 },
		{ "ram:0%", -EINVAL, 0 },
		{ "ram:101%", -EINVAL, 0 },
		{ "ram:-1G", -EINVAL, 0 },
		{ "ram:1G, ram:2G", -EINVAL, 0 },
		{ "ram:1G, zstd:1G, zstd:2G", -EINVAL, 0 },
		{ "ram:1G, zstd", -EINVAL, 0 },
		{ "ram:1G, zstd:0", -EINVAL, 0 },
		{ "same-filled same-filled", -EINVAL, 0 },
		{ "file:/a", -EINVAL, 0 },
		{ "file:a:1G", -EINVAL, 0 },
		{ "file:/a:10%", -EINVAL, 0 },
		{ "file:/a:1G, file:/a:2G", -EINVAL, 0 },
		{ "disk:/a:1G", -EINVAL, 0 },
		{ "file:/1:1G,file:/2:1G,file:/3:1G,file:/4:1G,file:/5:1G,file:/6:1G,file:/7:1G,"
		  "file:/8:1G,file:/9:1G",
		  -EINVAL, 0 },
	};
	char path[CONFIG_TIER_PATH_SIZE + 32];
	struct config_tiers tiers;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		tiers = (struct config_tiers){ .n = 77 };
		UNIT_CHECK(config_tiers_parse(rows[i].text, &tiers) == rows[i].rc, "'%s'",
			   rows[i].text);
		UNIT_CHECK(tiers.n == (rows[i].rc ? 77 : rows[i].n), "'%s': %zu", rows[i].text,
			   tiers.n);
	}
	CU_ASSERT_EQUAL(config_tiers_parse("same-filled,ram:25%", &tiers), 0);
	CU_ASSERT_EQUAL(tiers.tier[0].kind, CONFIG_TIER_SAME_FILLED);
	CU_ASSERT_EQUAL(config_tier_kib(&tiers.tier[0], 4096), 0);
	CU_ASSERT_EQUAL(config_tier_kib(&tiers.tier[1], 4097), 1024);
	CU_ASSERT_EQUAL(config_tier_kib(&tiers.tier[1], UINT64_MAX), UINT64_MAX / 4);
	UNIT_CHECK_STR(config_tier_name(tiers.tier[1].kind), "ram", "name");
	CU_ASSERT_EQUAL(config_tiers_parse("ram:1G,zstd:50%", &tiers), 0);
	CU_ASSERT_EQUAL(tiers.tier[1].kind, CONFIG_TIER_ZSTD);
	CU_ASSERT_EQUAL(config_tier_kib(&tiers.tier[1], 4096), 2048);
	UNIT_CHECK_STR(config_tier_name(tiers.tier[1].kind), "zstd", "name");
	CU_ASSERT_EQUAL(config_tiers_parse("ram:2G", &tiers), 0);
	CU_ASSERT_EQUAL(config_tier_kib(&tiers.tier[0], 4096), 2 * KIB_PER_GIB);
	/* One byte too long to be kept */
	snprintf(path, sizeof(path), "file:/%0*d:1G", CONFIG_TIER_PATH_SIZE - 1, 0);
	CU_ASSERT_EQUAL(config_tiers_parse(path, &tiers), -EINVAL);
	snprintf(path, sizeof(path), "ram:1G,file:/%0*d:1G", CONFIG_TIER_PATH_SIZE - 2, 0);
	CU_ASSERT_EQUAL(config_tiers_parse(path, &tiers), 0);
	CU_ASSERT_EQUAL(strlen(tiers.tier[1].path), CONFIG_TIER_PATH_SIZE - 1);
	/* A guest's file has a name in it */
	snprintf(path, sizeof(path), "ram:1G,directory:/%0*d:1G", CONFIG_TIER_DIRECTORY_SIZE - 1,
		 0);
	CU_ASSERT_EQUAL(config_tiers_parse(path, &tiers), -EINVAL);
	snprintf(path, sizeof(path), "ram:1G,directory:/%0*d:1G", CONFIG_TIER_DIRECTORY_SIZE - 2,
		 0);
	CU_ASSERT_EQUAL(config_tiers_parse(path, &tiers), 0);
	CU_ASSERT_EQUAL(tiers.tier[1].kind, CONFIG_TIER_DIRECTORY);
	UNIT_CHECK_STR(config_tier_name(tiers.tier[1].kind), "directory", "name");
}

static void test_overcommit(void)
{
	static const char text[] = "[overcommit]\nenable = yes\ntiers = ram:2G\nheadroom = 64M\n"
				   "floor = 10%\nkeep_free = 1G\nresident = 50%\n"
				   "[guest]\nmatch = " UUID1 "\novercommit.resident = 2G\n"
				   "overcommit.tiers = ram:1G\n";
	char key[] = "overcommit.resident", value[] = "30%";
	struct guest_setting setting = { key, value };
	struct guest guest = with_metadata(&setting);
	cleanup_config struct config *config = parse(text), *defaults = parse("");
	cleanup_config struct config *files = parse("[overcommit]\ntiers = file:/srv/swap:64G\n");
	cleanup_config struct config *zero = parse("[guest]\nmatch=*\novercommit.resident = 0\n");
	cleanup_config struct config *none = parse("[guest]\nmatch=*\novercommit.resident =\n");
	cleanup_config struct config *small = parse("[overcommit]\ncompressed = 5%\n");
	cleanup_config struct config *size = parse("[overcommit]\ncompressed = 1G\n");
	struct config_overcommit oc = policy_for(defaults, &vm1).overcommit;
	struct err err;

	CU_ASSERT(!oc.enable && oc.tiers.n == 2 && oc.tiers.tier[1].size.percent == 25);
	CU_ASSERT(oc.headroom.percent == 5 && oc.floor.percent == 25);
	CU_ASSERT_EQUAL(oc.compressed.percent, 100);
	CU_ASSERT(oc.keep_free.percent == 5 && !oc.resident.kib && !oc.resident.percent);
	oc = policy_for(config, &vm1).overcommit;
	CU_ASSERT(oc.enable && oc.tiers.n == 1 && oc.tiers.tier[0].size.kib == 2 * KIB_PER_GIB);
	CU_ASSERT(oc.headroom.kib == 64 * KIB_PER_MIB && oc.floor.percent == 10);
	CU_ASSERT(oc.keep_free.kib == KIB_PER_GIB && oc.resident.kib == 2 * KIB_PER_GIB);
	oc = policy_for(config, &vm2).overcommit;
	CU_ASSERT(!oc.resident.kib && !oc.resident.percent);
	/* Not both a size and a percentage */
	oc = policy_for(config, &guest).overcommit;
	CU_ASSERT(!oc.resident.kib && oc.resident.percent == 30);
	CU_ASSERT_TRUE(config_overcommit(config)->enable);
	UNIT_CHECK_STR(
		problems(config)->text,
		"W F:7: 'resident' is for single guests: 'overcommit.resident' in a [guest] "
		"section, ignored\n"
		"W F:11: 'overcommit.tiers' is for the whole host and can't be set in [guest], "
		"ignored\n",
		"problems");
	CU_ASSERT_EQUAL(config_check_section(files, &vm1, "overcommit", &err), -EINVAL);
	UNIT_CHECK_STR(err.text,
		       "F:2: overcommit.tiers = 'file:/srv/swap:64G': this version takes ram "
		       "first, then zstd, then one tier in a file, then one in a directory",
		       "file tier");
	CU_ASSERT_EQUAL(config_overcommit(files)->tiers.n, 2);
	CU_ASSERT_EQUAL(config_check_section(zero, &vm1, "overcommit", &err), -EINVAL);
	CU_ASSERT_EQUAL(config_check_section(none, &vm1, "overcommit", &err), 0);
	CU_ASSERT_EQUAL(config_check_section(small, &vm1, "overcommit", &err), -EINVAL);
	CU_ASSERT_EQUAL(config_check_section(size, &vm1, "overcommit", &err), -EINVAL);
}

static CU_TestInfo tests[] = {
	{ "tiers", test_tiers },
	{ "guests under the pager", test_overcommit },
	{ "ksm and thp of a guest", test_ksm_and_thp },
	{ "no file, no change", test_no_files },
	{ "values", test_values },
	{ "words for effort", test_efforts },
	{ "what is said of a line", test_lines },
	{ "values that are refused", test_refused_values },
	{ "keys that choose among words", test_keys_of_words },
	{ "blanks, comments, line ends", test_syntax },
	{ "lines that are no keys", test_unreadable },
	{ "long lines are refused, not cut", test_long_lines },
	{ "a long section header", test_long_header },
	{ "NUL bytes", test_nul_bytes },
	{ "a file that is all wrong", test_many_problems },
	{ "page sizes in keys", test_page_sizes },
	{ "a mistake stays local", test_who_is_refused },
	{ "which guests match", test_guest_match },
	{ "several [guest] sections", test_guest_sections },
	{ "stores", test_stores },
	{ "stores that are wrong", test_bad_stores },
	{ "one store too many", test_many_stores },
	{ "stores in several files", test_stores_in_files },
	{ "a guest's own store", test_guest_store },
	{ "metadata counts last, if at all", test_metadata },
	{ "bad metadata is that guest's problem", test_bad_metadata },
	{ "problems of metadata", test_metadata_problems },
	{ "endless metadata", test_long_metadata },
	{ "files in their order", test_order_of_files },
	{ "a file that others may write", test_untrusted_file },
	{ "drop-ins that others may write", test_untrusted_dropins },
	{ "links, FIFOs, directories", test_strange_files },
	{ "drop-ins without .conf", test_dropins_without_conf },
	{ "a drop-in directory that is none", test_dropins_no_directory },
	{ "too many and too large files", test_too_much },
	{ "every key has a default and words", test_table },
	{ "the example explains every key", test_example },
	{ "the example changes nothing", test_example_is_default },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_config", tests);
}

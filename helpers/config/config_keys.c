// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The table of keys: section, default, what is expected, where it goes.
 */
#include "config/config_keys.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/err.h"
#include "base/suggest.h"
#include "base/text.h"

/* More pages than this are more memory than text.h believes in */
#define PAGES_MAX TEXT_KIB_MAX

static void *value_at(const struct config_key *key, struct config_values *values)
{
	return (char *)values + key->offset;
}

static int set_bool(const struct config_key *key, uint64_t page_kib, const char *text,
		    struct config_values *values)
{
	(void)page_kib;
	return text_to_bool(text, value_at(key, values));
}

static int set_ms(const struct config_key *key, uint64_t page_kib, const char *text,
		  struct config_values *values)
{
	uint64_t ms;

	(void)page_kib;
	if (text_to_ms(text, &ms) < 0 || !ms)
		return -EINVAL;
	memcpy(value_at(key, values), &ms, sizeof(ms));
	return 0;
}

static const struct config_word *find_word(const struct config_key *key, const char *text)
{
	const struct config_word *word;

	for (word = key->words; word->text; word++)
		if (!strcasecmp(word->text, text))
			return word;
	return NULL;
}

static int set_word(const struct config_key *key, uint64_t page_kib, const char *text,
		    struct config_values *values)
{
	const struct config_word *word = find_word(key, text);

	(void)page_kib;
	if (!word)
		return -EINVAL;
	memcpy(value_at(key, values), &word->value, sizeof(word->value));
	return 0;
}

static int set_text(const struct config_key *key, uint64_t page_kib, const char *text,
		    struct config_values *values)
{
	size_t len = strlen(text), i;

	(void)page_kib;
	for (i = 0; i < len; i++)
		if (iscntrl((unsigned char)text[i]))
			return -EINVAL;
	if (len >= key->size)
		return -EINVAL;
	memcpy(value_at(key, values), text, len + 1);
	return 0;
}

/* One of the kernel's words, kept as it will be written; or nothing */
static int set_kernel_word(const struct config_key *key, uint64_t page_kib, const char *text,
			   struct config_values *values)
{
	const struct config_word *word = find_word(key, text);

	if (*text && !word)
		return -EINVAL;
	return set_text(key, page_kib, word ? word->text : "", values);
}

bool config_is_name(const char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";

	return *text && *text != '.' && *text != '-' && !text[strspn(text, allowed)] &&
	       strlen(text) < CONFIG_NAME_SIZE;
}

/* Names turn up in file names and messages */
static int set_name(const struct config_key *key, uint64_t page_kib, const char *text,
		    struct config_values *values)
{
	if (*text && !config_is_name(text))
		return -EINVAL;
	return set_text(key, page_kib, text, values);
}

/* A list for mount(8), which ends at the first blank */
static int set_options(const struct config_key *key, uint64_t page_kib, const char *text,
		       struct config_values *values)
{
	if (strchr(text, ' '))
		return -EINVAL;
	return set_text(key, page_kib, text, values);
}

/* Appends one component.  -EINVAL for those that lead elsewhere than they say */
static int append_part(char *path, size_t *used, const char *part, size_t len)
{
	if (len <= 2 && !strncmp(part, "..", len))
		return -EINVAL;
	if (*used + 1 + len >= CONFIG_TEXT_SIZE)
		return -EINVAL;
	path[(*used)++] = '/';
	memcpy(path + *used, part, len);
	*used += len;
	path[*used] = '\0';
	return 0;
}

/* Nothing, or an absolute path that says where it leads, with single slashes: it is
 * compared with other paths */
static int set_path(const struct config_key *key, uint64_t page_kib, const char *text,
		    struct config_values *values)
{
	char path[CONFIG_PATH_SIZE] = "";
	const char *part = text;
	size_t used = 0, len;

	if (*text && *text != '/')
		return -EINVAL;
	while (*(part += strspn(part, "/"))) {
		len = strcspn(part, "/");
		if (append_part(path, &used, part, len) < 0)
			return -EINVAL;
		part += len;
	}
	/* The root of the host is no store */
	if (*text && !used)
		return -EINVAL;
	return set_text(key, page_kib, path, values);
}

static int set_amount(const struct config_key *key, uint64_t page_kib, const char *text,
		      struct config_values *values)
{
	struct config_amount amount = { 0 };

	(void)page_kib;
	if (config_amount_parse(text, &amount) < 0)
		return -EINVAL;
	memcpy(value_at(key, values), &amount, sizeof(amount));
	return 0;
}

/* For tmpfs 0 means "no limit", which is not what one expects of a size of 0 */
static int set_size(const struct config_key *key, uint64_t page_kib, const char *text,
		    struct config_values *values)
{
	struct config_amount amount = { 0 };

	if (config_amount_parse(text, &amount) < 0 || (*text && !amount.kib && !amount.percent))
		return -EINVAL;
	return set_amount(key, page_kib, text, values);
}

/* A part of something that can't vanish */
static int set_share(const struct config_key *key, uint64_t page_kib, const char *text,
		     struct config_values *values)
{
	struct config_amount amount = { 0 };

	if (config_amount_parse(text, &amount) < 0 || amount.percent < 10)
		return -EINVAL;
	return set_amount(key, page_kib, text, values);
}

static int set_tiers(const struct config_key *key, uint64_t page_kib, const char *text,
		     struct config_values *values)
{
	(void)page_kib;
	return config_tiers_parse(text, value_at(key, values));
}

static int set_keep_free(const struct config_key *key, uint64_t page_kib, const char *text,
			 struct config_values *values)
{
	struct config_hugepages *hp = &values->hugepages;
	uint64_t pages;
	size_t i;

	(void)key;
	if (text_to_u64(text, &pages) < 0 || pages > PAGES_MAX)
		return -EINVAL;
	for (i = 0; i < hp->n_keep_free && hp->keep_free[i].page_kib != page_kib;)
		i++;
	if (i == CONFIG_SIZES_MAX)
		return -ENOSPC;
	hp->keep_free[i].page_kib = page_kib;
	hp->keep_free[i].pages = pages;
	if (i == hp->n_keep_free)
		hp->n_keep_free++;
	return 0;
}

static int set_release_for(const struct config_key *key, uint64_t page_kib, const char *text,
			   struct config_values *values)
{
	const struct config_word *word = find_word(key, text);
	struct config_hugepages *hp = &values->hugepages;
	size_t i;

	if (!word)
		return -EINVAL;
	for (i = 0; i < hp->n_on_release && hp->on_release_for[i].page_kib != page_kib;)
		i++;
	if (i == CONFIG_SIZES_MAX)
		return -ENOSPC;
	hp->on_release_for[i].page_kib = page_kib;
	hp->on_release_for[i].action = (enum config_on_release)word->value;
	if (i == hp->n_on_release)
		hp->n_on_release++;
	return 0;
}

static const struct config_word log_words[] = {
	{ "error", LOG_LEVEL_ERROR },
	{ "warning", LOG_LEVEL_WARNING },
	{ "info", LOG_LEVEL_INFO },
	{ "debug", LOG_LEVEL_DEBUG },
	{ NULL, 0 },
};

/* People ask whether something is allowed as often as how eagerly */
static const struct config_word effort_words[] = {
	{ "auto", EFFORT_AUTO }, { "never", EFFORT_NEVER },  { "yes", EFFORT_AUTO },
	{ "no", EFFORT_NEVER },	 { "allowed", EFFORT_AUTO }, { NULL, 0 },
};

static const struct config_word release_words[] = {
	{ "return", ON_RELEASE_RETURN },
	{ "keep", ON_RELEASE_KEEP },
	{ NULL, 0 },
};

static const struct config_word mount_words[] = {
	{ "prepare", MOUNT_PREPARE },
	{ "daemon", MOUNT_DAEMON },
	{ "never", MOUNT_NEVER },
	{ NULL, 0 },
};

static const struct config_word unmount_words[] = {
	{ "last-guest", UNMOUNT_LAST_GUEST },
	{ "never", UNMOUNT_NEVER },
	{ NULL, 0 },
};

static const struct config_word ksm_enable_words[] = {
	{ "on-demand", KSM_ON_DEMAND },
	{ "always", KSM_ALWAYS },
	{ "never", KSM_NEVER },
	{ NULL, 0 },
};

static const struct config_word ksm_profile_words[] = {
	{ "advisor", KSM_ADVISOR },	  { "gentle", KSM_GENTLE }, { "balanced", KSM_BALANCED },
	{ "aggressive", KSM_AGGRESSIVE }, { "custom", KSM_CUSTOM }, { NULL, 0 },
};

/* Accepting "yes" and not doing it would be worse than refusing it */
static const struct config_word demote_words[] = {
	{ "no", DEMOTE_NO },
	{ NULL, 0 },
};

static const struct config_word encrypt_words[] = {
	{ "no", ENCRYPT_NO },
	{ "yes", ENCRYPT_YES },
	{ NULL, 0 },
};

static const struct config_word pressure_words[] = {
	{ "share", ON_PRESSURE_SHARE },
	{ "keep", ON_PRESSURE_KEEP },
	{ NULL, 0 },
};

static const struct config_word ksm_end_words[] = {
	{ "restore", KSM_RESTORE },
	{ "stop", KSM_STOP },
	{ "unmerge", KSM_UNMERGE },
	{ NULL, 0 },
};

static const struct config_word ksm_nodes_words[] = {
	{ "keep", KSM_NODES_KEEP },
	{ "yes", KSM_NODES_TOGETHER },
	{ "no", KSM_NODES_APART },
	{ NULL, 0 },
};

static const struct config_word thp_words[] = {
	{ "always", 0 },
	{ "madvise", 0 },
	{ "never", 0 },
	{ NULL, 0 },
};

static const struct config_word defrag_words[] = {
	{ "always", 0 },  { "defer", 0 }, { "defer+madvise", 0 },
	{ "madvise", 0 }, { "never", 0 }, { NULL, 0 },
};

static const struct config_word shmem_words[] = {
	{ "always", 0 }, { "within_size", 0 }, { "advise", 0 }, { "never", 0 },
	{ "deny", 0 },	 { "force", 0 },       { NULL, 0 },
};

#define YES_NO "yes or no"
#define EFFORT "auto or never"
#define A_NAME "a name of letters, digits, \".\", \"_\" and \"-\""

/* Where in struct config_values, and how large */
#define AT(member)                                                                                 \
	.offset = offsetof(struct config_values, member),                                          \
	.size = sizeof(((struct config_values *)NULL)->member)

#define KEY(where, called, otherwise, setter)                                                      \
	.section = (where), .name = (called), .fallback = (otherwise), .set = (setter)

/* A table is read in columns */
/* clang-format off */
static const struct config_key keys[] = {
	{ KEY("hook", "deadline", "20s", set_ms), AT(hook.deadline_ms),
	  .expected = "a duration above 0 and up to a day, such as 20s" },
	{ KEY("hook", "lock_deadline", "120s", set_ms), AT(hook.lock_deadline_ms),
	  .expected = "a duration above 0 and up to a day, such as 120s" },
	{ KEY("hook", "allow_guest_metadata", "yes", set_bool), AT(hook.allow_guest_metadata),
	  .expected = YES_NO },
	{ KEY("hook", "log_level", "info", set_word), AT(hook.log_level),
	  .words = log_words, .expected = "error, warning, info or debug" },

	{ KEY("hugepages", "manage", "yes", set_bool), AT(hugepages.manage),
	  .expected = YES_NO, .per_guest = true },
	{ KEY("hugepages", "use_idle", "yes", set_bool), AT(hugepages.use_idle),
	  .expected = YES_NO, .per_guest = true },
	{ KEY("hugepages", "keep_free_", "0", set_keep_free), .sized = true,
	  .expected = "a number of pages", .per_guest = true },
	{ KEY("hugepages", "compact", "auto", set_word), AT(hugepages.compact),
	  .words = effort_words, .expected = EFFORT, .per_guest = true },
	{ KEY("hugepages", "reclaim", "auto", set_word), AT(hugepages.reclaim),
	  .words = effort_words, .expected = EFFORT, .per_guest = true },
	{ KEY("hugepages", "drop_caches", "never", set_word), AT(hugepages.drop_caches),
	  .words = effort_words, .expected = "never or auto", .per_guest = true },
	{ KEY("hugepages", "demote", "no", set_word), AT(hugepages.demote),
	  .words = demote_words, .expected = "no (this version does not split pages)",
	  .per_guest = true },
	{ KEY("hugepages", "on_release", "return", set_word), AT(hugepages.on_release),
	  .words = release_words, .expected = "return or keep", .per_guest = true },
	{ KEY("hugepages", "on_release_", NULL, set_release_for), .sized = true,
	  .words = release_words, .expected = "return or keep", .per_guest = true },

	{ KEY("store", "name", "", set_name), AT(store.name), .expected = A_NAME },
	{ KEY("store", "path", "", set_path), AT(store.path),
	  .expected = "an absolute path below /, without \"..\"" },
	{ KEY("store", "source", "", set_text), AT(store.source),
	  .expected = "what mount is given as its source" },
	{ KEY("store", "fstype", "", set_name), AT(store.fstype),
	  .expected = "a file system type, such as tmpfs" },
	{ KEY("store", "options", "", set_options), AT(store.options),
	  .expected = "mount options, separated by commas and without blanks" },
	{ KEY("store", "size", "", set_size), AT(store.size),
	  .expected = "a size such as 64G, or a percentage, above 0" },
	{ KEY("store", "mount", "prepare", set_word), AT(store.mount),
	  .words = mount_words, .expected = "prepare, daemon or never" },
	{ KEY("store", "unmount", "last-guest", set_word), AT(store.unmount),
	  .words = unmount_words, .expected = "last-guest or never" },
	{ KEY("store", "keep_free", "5%", set_amount), AT(store.keep_free),
	  .expected = "a size such as 2G, or a percentage" },

	{ KEY("ksm", "manage", "no", set_bool), AT(ksm.manage), .expected = YES_NO },
	{ KEY("ksm", "enable", "on-demand", set_word), AT(ksm.enable),
	  .words = ksm_enable_words, .expected = "on-demand, always or never" },
	{ KEY("ksm", "profile", "advisor", set_word), AT(ksm.profile),
	  .words = ksm_profile_words,
	  .expected = "advisor, gentle, balanced, aggressive or custom" },
	{ KEY("ksm", "on_last_guest", "restore", set_word), AT(ksm.on_last_guest),
	  .words = ksm_end_words, .expected = "restore, stop or unmerge" },
	{ KEY("ksm", "merge_across_nodes", "keep", set_word), AT(ksm.merge_across_nodes),
	  .words = ksm_nodes_words, .expected = "keep, yes or no" },

	{ KEY("thp", "manage", "no", set_bool), AT(thp.manage), .expected = YES_NO },
	{ KEY("thp", "enabled", "", set_kernel_word), AT(thp.enabled),
	  .words = thp_words, .expected = "always, madvise, never or nothing" },
	{ KEY("thp", "defrag", "", set_kernel_word), AT(thp.defrag), .words = defrag_words,
	  .expected = "always, defer, defer+madvise, madvise, never or nothing" },
	{ KEY("thp", "shmem_enabled", "", set_kernel_word), AT(thp.shmem_enabled),
	  .words = shmem_words,
	  .expected = "always, within_size, advise, never, deny, force or nothing" },
	{ KEY("thp", "compact", "never", set_word), AT(thp.compact),
	  .words = effort_words, .expected = "never or auto", .per_guest = true },
	{ KEY("thp", "reclaim", "never", set_word), AT(thp.reclaim),
	  .words = effort_words, .expected = "never or auto", .per_guest = true },

	{ KEY("overcommit", "enable", "no", set_bool), AT(overcommit.enable),
	  .expected = YES_NO },
	{ KEY("overcommit", "tiers", "same-filled, ram:25%", set_tiers), AT(overcommit.tiers),
	  .expected = "same-filled, ram:SIZE or ram:PERCENT, zstd:SIZE or zstd:PERCENT, "
		      "file:/PATH:SIZE, and directory:/PATH:SIZE, separated by commas",
	  .unsupported = "this version takes ram first, then zstd, then one tier in a file, then "
			 "one in a directory" },
	{ KEY("overcommit", "compressed", "100%", set_share), AT(overcommit.compressed),
	  .expected = "a percentage from 10% to 100%" },
	{ KEY("overcommit", "headroom", "5%", set_amount), AT(overcommit.headroom),
	  .expected = "a size such as 256M, or a percentage" },
	{ KEY("overcommit", "floor", "25%", set_amount), AT(overcommit.floor),
	  .expected = "a size such as 1G, or a percentage" },
	{ KEY("overcommit", "keep_free", "5%", set_amount), AT(overcommit.keep_free),
	  .expected = "a size such as 2G, or a percentage" },
	{ KEY("overcommit", "on_pressure", "share", set_word), AT(overcommit.on_pressure),
	  .words = pressure_words, .expected = "share or keep" },
	{ KEY("overcommit", "encrypt", "no", set_word), AT(overcommit.encrypt),
	  .words = encrypt_words, .expected = YES_NO },
	{ KEY("overcommit", "resident", "", set_size), AT(overcommit.resident),
	  .expected = "a size such as 2G, or a percentage, above 0",
	  .per_guest = true, .guest_only = true },

	{ KEY("guest", "match", NULL, NULL),
	  .expected = "names, UUIDs or globs, separated by commas or blanks" },
	{ KEY("guest", "ksm", "yes", set_bool), AT(guest.ksm),
	  .expected = YES_NO, .per_guest = true },
	{ KEY("guest", "store", "", set_name), AT(guest.store),
	  .expected = "the name of a [store] section", .per_guest = true },
};
/* clang-format on */

#define N_KEYS ARRAY_SIZE(keys)

/* set_word() copies an unsigned int over them */
_Static_assert(sizeof(enum log_level) == sizeof(unsigned int), "enum of another size");
_Static_assert(sizeof(enum config_effort) == sizeof(unsigned int), "enum of another size");
_Static_assert(sizeof(enum config_pressure) == sizeof(unsigned int), "enum of another size");
_Static_assert(sizeof(enum config_encrypt) == sizeof(unsigned int), "enum of another size");

const struct config_key *config_keys(size_t *n)
{
	*n = N_KEYS;
	return keys;
}

const char *config_section_find(const char *name)
{
	size_t i;

	for (i = 0; i < N_KEYS; i++)
		if (!strcmp(keys[i].section, name))
			return keys[i].section;
	return NULL;
}

const char *config_section_near(const char *name)
{
	const char *names[N_KEYS];
	size_t i;

	for (i = 0; i < N_KEYS; i++)
		names[i] = keys[i].section;
	return suggest(name, names, N_KEYS);
}

bool config_key_near(const char *section, const char *name, char near[CONFIG_KEY_SIZE])
{
	char texts[N_KEYS][CONFIG_KEY_SIZE];
	const char *names[N_KEYS], *found = NULL;
	const bool guest = !strcmp(section, "guest");
	size_t i, n = 0;

	for (i = 0; i < N_KEYS; i++) {
		const bool own = !strcmp(keys[i].section, section);

		if (own ? keys[i].guest_only : !(guest && keys[i].per_guest))
			continue;
		snprintf(texts[n], CONFIG_KEY_SIZE, "%s%s%s%s", own ? "" : keys[i].section,
			 own ? "" : ".", keys[i].name, keys[i].sized ? "2M" : "");
		names[n] = texts[n];
		/* In [guest] it has a longer name than in its own section */
		if (!own && !found && !strcmp(keys[i].name, name))
			found = names[n];
		n++;
	}
	if (!found)
		found = suggest(name, names, n);
	if (found)
		snprintf(near, CONFIG_KEY_SIZE, "%s", found);
	return found;
}

/* The "2M" of "keep_free_2M".  Page sizes are powers of two and larger than the
 * 4 KiB that every architecture starts with */
static int parse_page_size(const char *text, uint64_t *page_kib)
{
	uint64_t kib;

	if (strchr(text, ' ') || text_to_kib(text, &kib) < 0)
		return -EINVAL;
	if (kib <= 4 || (kib & (kib - 1)))
		return -EINVAL;
	*page_kib = kib;
	return 0;
}

static bool is_named(const struct config_key *key, const char *name, uint64_t *page_kib)
{
	size_t len = strlen(key->name);

	*page_kib = 0;
	if (!key->sized)
		return !strcmp(key->name, name);
	return !strncmp(key->name, name, len) && !parse_page_size(name + len, page_kib);
}

const struct config_key *config_key_find(const char *section, const char *name, uint64_t *page_kib)
{
	size_t i;

	for (i = 0; i < N_KEYS; i++)
		if (!strcmp(keys[i].section, section) && is_named(&keys[i], name, page_kib))
			return &keys[i];
	return NULL;
}

const char *config_word_text(const char *section, const char *name, unsigned int value)
{
	uint64_t page_kib;
	const struct config_key *key = config_key_find(section, name, &page_kib);
	const struct config_word *word;

	for (word = key->words; word->text; word++)
		if (word->value == value)
			return word->text;
	return "";
}

int config_word_value(const char *section, const char *name, const char *text, unsigned int *value)
{
	uint64_t page_kib;
	const struct config_word *word = find_word(config_key_find(section, name, &page_kib), text);

	if (!word)
		return -EINVAL;
	*value = word->value;
	return 0;
}

int config_key_find_for_guest(const char *name, const struct config_key **key, uint64_t *page_kib)
{
	const char *dot = strchr(name, '.');
	const struct config_key *found;
	char section[32] = "guest";

	if (dot) {
		size_t len = (size_t)(dot - name);

		if (len >= sizeof(section))
			return -ENOENT;
		memcpy(section, name, len);
		section[len] = '\0';
		name = dot + 1;
	}
	found = config_key_find(section, name, page_kib);
	/* "guest.ksm" would be a second name for "ksm" */
	if (!found || !found->set || (dot && !strcmp(section, "guest")))
		return -ENOENT;
	if (!found->per_guest)
		return -EPERM;
	*key = found;
	return 0;
}

void config_values_init(struct config_values *values)
{
	size_t i;

	memset(values, 0, sizeof(*values));
	for (i = 0; i < N_KEYS; i++)
		if (keys[i].fallback && !keys[i].sized)
			keys[i].set(&keys[i], 0, keys[i].fallback, values);
}

const char *config_key_section(const struct config_key *key)
{
	return strcmp(key->section, "guest") ? key->section : key->name;
}

void config_key_refuse(struct err *err, const char *section, const char *key_as_written,
		       const char *value, const struct config_key *key, int rc)
{
	if (rc == -ENOSPC)
		err_set(err, EINVAL, "%s%s: more than %d page sizes", section, key_as_written,
			CONFIG_SIZES_MAX);
	else if (rc == -EOPNOTSUPP)
		err_set(err, EINVAL, "%s%s = '%.200s': %s", section, key_as_written, value,
			key->unsupported);
	else
		err_set(err, EINVAL, "%s%s = '%.200s': expected %s", section, key_as_written, value,
			key->expected);
}

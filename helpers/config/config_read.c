// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading the configuration's files, and remembering what is wrong with them.
 *
 * What may stand where is config_keys.c, how lines are read config_parse.c.
 * Sections for the whole host are applied while they are read.  [guest] sections
 * are kept as checked text, and applied when there is a guest to match; so
 * are [store] sections until their end, since "name" may come last in them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "config/config_data.h"
#include "config/config_dropins.h"
#include "config/config_parse.h"

/* Far above what people write, far below what would hurt */
#define FILE_SIZE_MAX	  (256u * 1024)
#define PROBLEMS_PER_FILE 50

/**
 * struct reading - Where we are in a file
 * @section:	The section's name; NULL before the first, and in one whose keys are
 *		skipped because the section itself was a problem
 * @skip:	The latter
 * @store:	What the [store] section has said so far
 * @nameless:	Its name was refused, so it is unknown which store it speaks of
 */
struct reading {
	struct config *config;
	const char *label;
	const char *section;
	bool skip;
	bool nameless;
	struct settings store;
	unsigned int section_line;
	unsigned int n_problems;
};

/* One zeroed element more at the end of an array of *@n.  @array is the address of
 * a pointer of any type, hence the copying */
static void *append(void *array, size_t *n, size_t size)
{
	char *elements, *bigger;

	memcpy(&elements, array, sizeof(elements));
	/* Doubles whenever the number reaches a power of two */
	if (!(*n & (*n - 1))) {
		bigger = reallocarray(elements, *n ? *n * 2 : 1, size);
		if (!bigger)
			return NULL;
		elements = bigger;
		memcpy(array, &elements, sizeof(elements));
	}
	return memset(elements + (*n)++ * size, 0, size);
}

/* Likewise, for an element that owns a copy of @text: @copy */
static void *append_with(void *array, size_t *n, size_t size, const char *text, char **copy)
{
	void *element = NULL;

	*copy = strdup(text);
	if (*copy)
		element = append(array, n, size);
	if (!element)
		free(*copy);
	return element;
}

static int add_problem(struct config *config, enum config_mistake mistake, bool fatal,
		       const char *section, size_t guest, const char *text)
{
	char *copy;
	struct problem *p =
		append_with(&config->problems, &config->n_problems, sizeof(*p), text, &copy);

	if (!p)
		return -ENOMEM;
	p->mistake = mistake;
	p->text = copy;
	p->section = section;
	p->guest = guest;
	p->fatal = fatal;
	p->dispensable = true;
	return 0;
}

/* The [guest] section that is being read, or HOST */
static size_t current_guest(const struct reading *r)
{
	return r->section && !strcmp(r->section, "guest") ? r->config->n_guests - 1 : HOST;
}

/* Return: 0, -ENOMEM, or 1 when a file has so many that the rest is not read */
static int report(struct reading *r, unsigned int line, enum config_mistake mistake, bool fatal,
		  const char *section, size_t guest, const char *fmt, ...)
	__attribute__((format(printf, 7, 8)));

static int report(struct reading *r, unsigned int line, enum config_mistake mistake, bool fatal,
		  const char *section, size_t guest, const char *fmt, ...)
{
	char words[1024];
	struct err text;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	err_set(&text, EINVAL, "%s:%u: %s", r->label, line, words);
	rc = add_problem(r->config, mistake, fatal, section, guest, text.text);
	if (rc || ++r->n_problems < PROBLEMS_PER_FILE)
		return rc;
	err_set(&text, EINVAL, "%s:%u: so many problems that the rest of the file is not read",
		r->label, line);
	rc = add_problem(r->config, CONFIG_TOO_MANY, true, NULL, HOST, text.text);
	return rc ? rc : 1;
}

/* What was just reported is of a line that has to stay.  Return: @rc */
static int not_dispensable(struct reading *r, int rc)
{
	if (r->config->n_problems)
		r->config->problems[r->config->n_problems - 1].dispensable = false;
	return rc;
}

static int unknown_key(struct reading *r, unsigned int line, const char *name)
{
	char near[CONFIG_KEY_SIZE];

	if (!config_key_near(r->section, name, near))
		return report(r, line, CONFIG_UNKNOWN_KEY, false, r->section, current_guest(r),
			      "unknown key '%.100s' in [%s], ignored", name, r->section);
	return not_dispensable(
		r, report(r, line, CONFIG_UNKNOWN_KEY, false, r->section, current_guest(r),
			  "unknown key '%.100s' in [%s], ignored: did you mean '%s'?", name,
			  r->section, near));
}

static int unknown_section(struct reading *r, unsigned int line, const char *name)
{
	const char *near = config_section_near(name);

	return not_dispensable(r, report(r, line, CONFIG_UNKNOWN_SECTION, false, NULL, HOST,
					 "unknown section [%.100s], ignored%s%s%s", name,
					 near ? ": did you mean [" : "", near ? near : "",
					 near ? "]?" : ""));
}

static int keep_setting(struct settings *settings, const struct config_key *key, uint64_t page_kib,
			const char *value)
{
	char *copy;
	struct setting *s = append_with(&settings->all, &settings->n, sizeof(*s), value, &copy);

	if (!s)
		return -ENOMEM;
	s->key = key;
	s->page_kib = page_kib;
	s->value = copy;
	return 0;
}

void config_apply_settings(const struct settings *settings, struct config_values *values)
{
	size_t i;

	for (i = 0; i < settings->n; i++) {
		const struct setting *s = &settings->all[i];

		s->key->set(s->key, s->page_kib, s->value, values);
	}
}

static void free_settings(struct settings *settings)
{
	size_t i;

	for (i = 0; i < settings->n; i++)
		free(settings->all[i].value);
	free(settings->all);
	*settings = (struct settings){ 0 };
}

static int host_pair(struct reading *r, unsigned int line, const char *name, const char *value)
{
	struct config_values *values = &r->config->values;
	const struct config_key *key;
	uint64_t page_kib;
	struct err text;
	char section[40];
	int rc;

	key = config_key_find(r->section, name, &page_kib);
	if (!key)
		return unknown_key(r, line, name);
	if (key->guest_only)
		return report(r, line, CONFIG_MISPLACED_KEY, false, r->section, HOST,
			      "'%s' is for single guests: '%s.%s' in a [guest] section, ignored",
			      name, r->section, name);
	/* Of stores, @values holds nothing but the last one checked */
	rc = key->set(key, page_kib, value, values);
	if (!rc)
		return strcmp(r->section, "store") != 0 ?
			       0 :
			       keep_setting(&r->store, key, page_kib, value);
	if (!strcmp(r->section, "store") && !strcmp(name, "name"))
		r->nameless = true;
	snprintf(section, sizeof(section), "%s.", r->section);
	config_key_refuse(&text, section, name, value, key, rc);
	return report(r, line, CONFIG_BAD_VALUE, true, r->section, HOST, "%s", text.text);
}

/* Names, UUIDs or globs, separated by commas or blanks */
static int add_patterns(struct guest_section *guest, const char *text)
{
	static const char separators[] = ", \t";

	for (;;) {
		char **slot;
		size_t len;

		text += strspn(text, separators);
		len = strcspn(text, separators);
		if (!len)
			return 0;
		slot = append(&guest->patterns, &guest->n_patterns, sizeof(*slot));
		if (!slot)
			return -ENOMEM;
		*slot = strndup(text, len);
		if (!*slot)
			return -ENOMEM;
		text += len;
	}
}

static int guest_pair(struct reading *r, unsigned int line, const char *name, const char *value)
{
	struct guest_section *guest = &r->config->guests[r->config->n_guests - 1];
	const struct config_key *key;
	struct config_values scratch;
	uint64_t page_kib;
	struct err text;
	int rc;

	if (!strcmp(name, "match"))
		return add_patterns(guest, value);
	rc = config_key_find_for_guest(name, &key, &page_kib);
	if (rc == -EPERM)
		return report(r, line, CONFIG_MISPLACED_KEY, false, NULL, current_guest(r),
			      "'%.100s' is for the whole host and can't be set in [guest], ignored",
			      name);
	if (rc < 0)
		return unknown_key(r, line, name);
	/* Room for page sizes is looked at when all sections come together */
	config_values_init(&scratch);
	rc = key->set(key, page_kib, value, &scratch);
	if (!rc)
		return keep_setting(&guest->settings, key, page_kib, value);
	config_key_refuse(&text, "", name, value, key, rc);
	return report(r, line, CONFIG_BAD_VALUE, true, config_key_section(key), current_guest(r),
		      "%s", text.text);
}

static int on_pair(void *data, unsigned int line, const char *name, const char *value)
{
	struct reading *r = data;

	if (r->skip)
		return 0;
	if (!r->section)
		return report(r, line, CONFIG_MISPLACED_KEY, false, NULL, HOST,
			      "key '%.100s' stands before the first [section], ignored", name);
	if (!strcmp(r->section, "guest"))
		return guest_pair(r, line, name, value);
	return host_pair(r, line, name, value);
}

static int on_unreadable(void *data, unsigned int line, const char *why)
{
	struct reading *r = data;

	if (r->skip)
		return 0;
	return report(r, line, CONFIG_UNREADABLE_LINE, true,
		      current_guest(r) == HOST ? r->section : NULL, current_guest(r),
		      "this line can't be read: %s", why);
}

static struct config_store *find_store(struct config *config, const char *name)
{
	size_t i;

	for (i = 0; i < config->n_stores; i++)
		if (!strcmp(config->stores[i].name, name))
			return &config->stores[i];
	return NULL;
}

/* Is @name free, or what an earlier section of this path is called? */
static bool can_be_named(struct config *config, const char *name, const char *path)
{
	const struct config_store *other = find_store(config, name);

	return config_is_name(name) && (!other || !*other->path || !strcmp(other->path, path));
}

/* For a section without a name.  Of /srv/memory it is "memory", or "srv-memory" if that is another
 * store's.  Without a path, too, the section is about the only store, which is "ram" if there is
 * none yet, as libvirt's own directory is called */
static void name_store(struct config *config, struct config_store *store)
{
	char whole[CONFIG_PATH_SIZE];
	const char *name = "ram";
	size_t i;

	snprintf(whole, sizeof(whole), "%s", *store->path ? store->path + 1 : "");
	for (i = 0; whole[i]; i++)
		if (whole[i] == '/')
			whole[i] = '-';
	if (!*store->path && config->n_stores == 1)
		name = config->stores[0].name;
	else if (*store->path && can_be_named(config, strrchr(store->path, '/') + 1, store->path))
		name = strrchr(store->path, '/') + 1;
	else if (can_be_named(config, whole, store->path))
		name = whole;
	snprintf(store->name, sizeof(store->name), "%.*s", CONFIG_NAME_SIZE - 1, name);
}

/* The section's keys on top of what earlier sections of its name said, or of defaults */
static int end_store(struct reading *r)
{
	struct config *config = r->config;
	struct config_values values;
	struct config_store *store;

	config_values_init(&values);
	config_apply_settings(&r->store, &values);
	if (!*values.store.name)
		name_store(config, &values.store);
	store = find_store(config, values.store.name);
	if (store) {
		values.store = *store;
		config_apply_settings(&r->store, &values);
		memcpy(values.store.name, store->name, sizeof(store->name));
	} else if (config->n_stores < CONFIG_STORES_MAX) {
		store = &config->stores[config->n_stores++];
	} else {
		return not_dispensable(
			r, report(r, r->section_line, CONFIG_TOO_MANY, true, "store", HOST,
				  "[store] '%s' is one too many: there is room for %d stores",
				  values.store.name, CONFIG_STORES_MAX));
	}
	*store = values.store;
	return 0;
}

/* At the next header, and at the end of the file */
static int end_section(struct reading *r)
{
	size_t guest = current_guest(r);
	int rc = 0;

	if (r->section && !strcmp(r->section, "store") && !r->nameless)
		rc = end_store(r);
	free_settings(&r->store);
	r->nameless = false;
	if (guest == HOST || r->config->guests[guest].n_patterns)
		return rc;
	return not_dispensable(
		r, report(r, r->section_line, CONFIG_NO_MATCH, false, NULL, guest,
			  "[guest] without 'match = NAME, UUID or glob' applies to no guest"));
}

static int on_section(void *data, unsigned int line, const char *name)
{
	struct reading *r = data;
	struct config *config = r->config;
	int rc;

	/* Why it has no name was reported just now */
	if (!name)
		not_dispensable(r, 0);
	rc = end_section(r);
	if (rc)
		return rc;
	r->section_line = line;
	r->section = name ? config_section_find(name) : NULL;
	r->skip = !r->section;
	if (!name)
		return not_dispensable(
			r, report(r, line, CONFIG_UNREADABLE_LINE, true, NULL, HOST,
				  "it is unknown which section the lines from here on belong to"));
	if (!r->section)
		return unknown_section(r, line, name);
	if (!strcmp(r->section, "guest") &&
	    !append(&config->guests, &config->n_guests, sizeof(*config->guests)))
		return -ENOMEM;
	return 0;
}

static int read_buffer(struct config *config, const char *label, const char *buf, size_t len)
{
	static const struct config_events events = { on_section, on_pair, on_unreadable };
	struct reading r = { .config = config, .label = label };
	int rc = config_parse_lines(buf, len, &events, &r);

	if (!rc)
		rc = end_section(&r);
	free_settings(&r.store);
	return rc < 0 ? rc : 0;
}

/* A problem with a file or directory as a whole.  @dir is put in front */
static int refuse(struct config *config, enum config_mistake mistake, const char *dir,
		  const char *text)
{
	struct err whole;

	err_set(&whole, EINVAL, "%s%s", dir, text);
	return add_problem(config, mistake, true, NULL, HOST, whole.text);
}

/* What can only be meant need not be said: mount(2) takes no tmpfs of an unknown type */
static void complete_stores(struct config *config)
{
	size_t i;

	for (i = 0; i < config->n_stores; i++) {
		struct config_store *store = &config->stores[i];

		if (!strcmp(store->source, "tmpfs") && !*store->fstype)
			snprintf(store->fstype, sizeof(store->fstype), "tmpfs");
	}
}

/* Two stores at one place could not be told apart */
static int check_store_paths(struct config *config)
{
	struct err text;
	size_t i, j;

	for (i = 1; i < config->n_stores; i++) {
		const struct config_store *store = &config->stores[i];

		for (j = 0; strcmp(config->stores[j].path, store->path) != 0;)
			j++;
		if (j == i)
			continue;
		err_set(&text, EINVAL, "[store] '%s' and [store] '%s' %s%s: give each its own path",
			config->stores[j].name, store->name,
			*store->path ? "have the same path " : "have both no path", store->path);
		return add_problem(config, CONFIG_SAME_PATH, true, "store", HOST, text.text);
	}
	return 0;
}

/* When all files are read */
static int finish_stores(struct config *config)
{
	complete_stores(config);
	return check_store_paths(config);
}

/* @rc: of file_read_trusted_at() or file_check_trusted() */
static enum config_mistake why_refused(int dirfd, const char *name, int rc)
{
	struct stat st;

	if (rc != -EPERM || fstatat(dirfd, name, &st, 0) < 0)
		return CONFIG_UNREADABLE_FILE;
	return st.st_mode & (S_IWGRP | S_IWOTH) ? CONFIG_WRITABLE : CONFIG_FOREIGN;
}

/* @dir ends with a slash and is where @dirfd leads, for messages */
static int read_file(struct config *config, int dirfd, const char *dir, const char *name)
{
	cleanup_free char *label = NULL;
	cleanup_free char *buf = NULL;
	struct err err;
	size_t len;
	int rc;

	rc = file_read_trusted_at(dirfd, name, FILE_SIZE_MAX, &buf, &len, &err);
	if (rc == -ENOENT || rc == -ENOMEM)
		return rc;
	if (rc < 0)
		return refuse(config, why_refused(dirfd, name, rc), dir, err.text);
	if (asprintf(&label, "%s%s", dir, name) < 0) {
		label = NULL;
		return -ENOMEM;
	}
	return read_buffer(config, label, buf, len);
}

static int read_dropin(struct config *config, int dirfd, const char *name)
{
	struct err text;
	int rc = read_file(config, dirfd, "/" CONFIG_DIR "/", name);

	if (rc != -ENOENT)
		return rc;
	err_set(&text, ENOENT, "/" CONFIG_DIR "/%s: a link that leads nowhere, ignored", name);
	return add_problem(config, CONFIG_DANGLING_LINK, false, NULL, HOST, text.text);
}

static int report_unread(struct config *config, const char *name)
{
	struct err text;

	err_set(&text, ENOENT, "/" CONFIG_DIR "/%s: not read, as its name does not end with .conf",
		name);
	return add_problem(config, CONFIG_NO_DROPIN, false, NULL, HOST, text.text);
}

static int read_dropins(struct config *config, int dirfd)
{
	cleanup_dropins struct config_dropins dropins = { 0 };
	struct err err;
	size_t i;
	int rc;

	/* A user who may write here could link or rename other files of root's */
	rc = file_check_trusted(dirfd, CONFIG_DIR, &err);
	if (rc < 0)
		return refuse(config, why_refused(dirfd, ".", rc), "/", err.text);
	rc = config_dropins_list(dirfd, &dropins);
	if (rc == -ENOMEM)
		return rc;
	if (rc == -E2BIG)
		return refuse(config, CONFIG_TOO_MANY, "/" CONFIG_DIR,
			      ": more than 256 files, none is read");
	if (rc < 0) {
		err_sys(&err, -rc, ": cannot list");
		return refuse(config, CONFIG_UNREADABLE_FILE, "/" CONFIG_DIR, err.text);
	}
	for (i = 0; i < dropins.n; i++) {
		rc = read_dropin(config, dirfd, dropins.name[i]);
		if (rc < 0)
			return rc;
	}
	for (i = 0; i < dropins.n_unread && rc == 0; i++)
		rc = report_unread(config, dropins.unread[i]);
	return rc;
}

static int read_dropin_dir(struct config *config, int rootfd)
{
	cleanup_close int fd = openat(rootfd, CONFIG_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0) {
		err_sys(&err, errno, ": cannot open");
		return refuse(config, CONFIG_UNREADABLE_FILE, "/" CONFIG_DIR, err.text);
	}
	return read_dropins(config, fd);
}

static struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (config)
		config_values_init(&config->values);
	return config;
}

int config_load(int rootfd, struct config **config, struct err *err)
{
	struct config *c = config_new();
	int rc = c ? 0 : -ENOMEM;

	if (!rc)
		rc = read_file(c, rootfd, "/", CONFIG_FILE);
	if (!rc || rc == -ENOENT)
		rc = read_dropin_dir(c, rootfd);
	if (!rc)
		rc = finish_stores(c);
	if (rc < 0) {
		config_free(c);
		return err_sys(err, -rc, "cannot read the configuration");
	}
	*config = c;
	return 0;
}

bool config_exists(int rootfd)
{
	/* One that can't be looked for is found missing, or not, by reading it */
	return faccessat(rootfd, CONFIG_FILE, F_OK, 0) == 0 || errno != ENOENT ||
	       faccessat(rootfd, CONFIG_DIR, F_OK, 0) == 0 || errno != ENOENT;
}

int config_parse_buffer(const char *label, const char *buf, size_t len, struct config **config,
			struct err *err)
{
	struct config *c = config_new();
	int rc = c ? read_buffer(c, label, buf, len) : -ENOMEM;

	if (!rc)
		rc = finish_stores(c);
	if (rc < 0) {
		config_free(c);
		return err_sys(err, -rc, "cannot read the configuration");
	}
	*config = c;
	return 0;
}

static void free_guest_section(struct guest_section *guest)
{
	size_t i;

	for (i = 0; i < guest->n_patterns; i++)
		free(guest->patterns[i]);
	free(guest->patterns);
	free_settings(&guest->settings);
}

void config_free(struct config *config)
{
	size_t i;

	if (!config)
		return;
	for (i = 0; i < config->n_guests; i++)
		free_guest_section(&config->guests[i]);
	for (i = 0; i < config->n_problems; i++)
		free(config->problems[i].text);
	free(config->guests);
	free(config->problems);
	free(config);
}

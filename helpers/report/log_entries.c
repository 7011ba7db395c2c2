// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading the journal, and what stands in for it.
 */
#include "report/log_entries.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <syslog.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "lifecycle/ledger.h"
#include "lifecycle/refusals.h"
#include "lifecycle/state.h"
#include "report/libsystemd.h"
#include "report/step_text.h"

/* ---- the list ---- */

/* The next entry, which entry_done() makes part of the list */
static struct log_entry *next_entry(struct log_entries *entries, struct err *err)
{
	struct log_entry *more = entries->list;

	/* Powers of two */
	if (!(entries->n & (entries->n - 1)))
		more = reallocarray(more, entries->n ? 2 * entries->n : 1, sizeof(*more));
	if (!more) {
		err_nomem(err);
		return NULL;
	}
	entries->list = more;
	more += entries->n;
	*more = (struct log_entry){ .level = "info" };
	return more;
}

static bool is_wanted(const struct log_wanted *wanted, const struct log_entry *entry)
{
	if (wanted->since && entry->time < wanted->since)
		return false;
	return !wanted->guest || !strcmp(entry->guest, wanted->guest) ||
	       (*entry->uuid && !strcasecmp(entry->uuid, wanted->guest));
}

static int by_time(const void *a, const void *b)
{
	const struct log_entry *one = a, *other = b;

	return (one->time > other->time) - (one->time < other->time);
}

void log_entries_free(struct log_entries *entries)
{
	free(entries->list);
	*entries = (struct log_entries){ 0 };
}

/* ---- a line ---- */

static bool skip_word(const char **line, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*line, word, len) != 0)
		return false;
	*line += len;
	return true;
}

/* "WORD: " at the beginning.  @word has it already, or gets it */
static void take_word(const char **line, char *word, size_t size)
{
	const char *end = strstr(*line, ": ");
	size_t len = *word ? strlen(word) : end ? (size_t)(end - *line) : size;

	if (len >= size || strncmp(*line + len, ": ", 2) != 0 ||
	    (*word && strncmp(*line, word, len) != 0))
		return;
	snprintf(word, size, "%.*s", (int)len, *line);
	*line += len + 2;
}

void log_entry_parse(const char *line, struct log_entry *entry)
{
	static const char *const levels[] = { "error", "warning", "debug" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(levels); i++) {
		char word[16];

		snprintf(word, sizeof(word), "%s: ", levels[i]);
		if (skip_word(&line, word)) {
			entry->level = levels[i];
			break;
		}
	}
	if (skip_word(&line, "guest ")) {
		take_word(&line, entry->guest, sizeof(entry->guest));
		take_word(&line, entry->operation, sizeof(entry->operation));
	} else if (*entry->operation) {
		take_word(&line, entry->operation, sizeof(entry->operation));
	}
	snprintf(entry->text, sizeof(entry->text), "%s", line);
}

/* ---- the journal ---- */

/* Files may be there without a journal, and a journal without files yet.
 * Return: NULL: there is none */
static const char *find_journal(const struct kfs *kfs, bool captured)
{
	static const char *const files[] = { "var/log/journal", "run/log/journal" };
	size_t i;

	if (!captured)
		return kfs_exists(kfs, "run/systemd/journal/socket") ? "/" : NULL;
	for (i = 0; i < ARRAY_SIZE(files); i++)
		if (kfs_exists(kfs, files[i]))
			return files[i];
	return NULL;
}

static void get_field(struct sd_journal *journal, const char *name, char *buf, size_t size)
{
	size_t len = 0, skip = strlen(name) + 1;
	const void *data;

	*buf = '\0';
	if (libsystemd.sd_journal_get_data(journal, name, &data, &len) < 0 || len <= skip)
		return;
	snprintf(buf, size, "%.*s", (int)(len - skip), (const char *)data + skip);
	text_mend(buf);
}

static const char *find_event(const char *id)
{
	int i;

	for (i = LOG_EVENT_NONE + 1; i < LOG_EVENTS; i++)
		if (!strcmp(log_event_id((enum log_event)i), id))
			return log_event_name((enum log_event)i);
	return NULL;
}

static void read_entry(struct sd_journal *journal, struct log_entry *entry)
{
	char line[4096], id[64];
	uint64_t usec = 0;

	libsystemd.sd_journal_get_realtime_usec(journal, &usec);
	entry->time = usec / 1000000;
	get_field(journal, "MEMBACKING_GUEST", entry->guest, sizeof(entry->guest));
	get_field(journal, "MEMBACKING_UUID", entry->uuid, sizeof(entry->uuid));
	get_field(journal, "OPERATION", entry->operation, sizeof(entry->operation));
	get_field(journal, "MESSAGE_ID", id, sizeof(id));
	get_field(journal, "MESSAGE", line, sizeof(line));
	entry->event = find_event(id);
	log_entry_parse(line, entry);
}

/* The newest first, until they are too old or too many */
static int read_entries(struct sd_journal *journal, const struct log_wanted *wanted,
			struct log_entries *entries, struct err *err)
{
	int rc = libsystemd.sd_journal_seek_tail(journal);

	while (rc >= 0 && (rc = libsystemd.sd_journal_previous(journal)) > 0) {
		struct log_entry *entry = next_entry(entries, err);

		if (!entry)
			return -ENOMEM;
		read_entry(journal, entry);
		if (entry->time < wanted->since)
			return 0;
		if (is_wanted(wanted, entry))
			entries->n++;
		if (entries->n == LOG_ENTRIES_MAX) {
			entries->cut = true;
			return 0;
		}
	}
	return rc < 0 ? err_set(err, -rc, "cannot read the journal: %s", err_text(-rc)) : 0;
}

static int add_match(struct sd_journal *journal, const char *name, const char *value)
{
	char match[128];

	snprintf(match, sizeof(match), "%s=%s", name, value);
	return libsystemd.sd_journal_add_match(journal, match, strlen(match));
}

/* The kernel's form has dashes, the journal's has none */
static int match_boot(const struct kfs *kfs, struct sd_journal *journal, struct err *err)
{
	char id[LEDGER_BOOT_ID_SIZE], plain[LEDGER_BOOT_ID_SIZE] = "";
	size_t n = 0, i;
	int rc = ledger_boot_id(kfs, id, err);

	if (rc < 0)
		return rc;
	for (i = 0; id[i]; i++)
		if (id[i] != '-')
			plain[n++] = id[i];
	return add_match(journal, "_BOOT_ID", plain);
}

static int choose(const struct kfs *kfs, struct sd_journal *journal,
		  const struct log_wanted *wanted, struct err *err)
{
	int rc = add_match(journal, "SYSLOG_IDENTIFIER", "libvirt-membacking");

	if (rc >= 0)
		rc = add_match(journal, "SYSLOG_IDENTIFIER", "virt-membacking-pagerd");
	if (rc < 0)
		return err_set(err, -rc, "cannot search the journal: %s", err_text(-rc));
	return wanted->since ? 0 : match_boot(kfs, journal, err);
}

static int read_journal(const struct kfs *kfs, const char *directory, bool captured,
			const struct log_wanted *wanted, struct log_entries *entries,
			struct err *err)
{
	cleanup_close int fd = openat(kfs->rootfd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sd_journal *journal = NULL;
	int rc = libsystemd_load(err);

	if (rc < 0)
		return rc;
	rc = captured ? libsystemd.sd_journal_open_directory_fd(&journal, fd, 0) :
			libsystemd.sd_journal_open(&journal,
						   LIBSYSTEMD_LOCAL_ONLY | LIBSYSTEMD_SYSTEM);
	if (rc < 0)
		return err_set(err, -rc, "cannot open the journal: %s", err_text(-rc));
	rc = choose(kfs, journal, wanted, err);
	if (rc >= 0)
		rc = read_entries(journal, wanted, entries, err);
	libsystemd.sd_journal_close(journal);
	return rc < 0 ? rc : 0;
}

/* ---- what /run keeps ---- */

static int add_refusals(const struct kfs *kfs, const struct log_wanted *wanted,
			struct log_entries *entries, struct err *err)
{
	cleanup_free struct refusals *refusals = calloc(1, sizeof(*refusals));
	size_t i;

	if (!refusals)
		return err_nomem(err);
	refusals_read(kfs, refusals);
	for (i = 0; i < refusals->n; i++) {
		const struct refusal_note *note = &refusals->list[i];
		struct log_entry *entry = next_entry(entries, err);

		if (!entry)
			return -ENOMEM;
		entry->time = note->time;
		entry->level = "error";
		entry->event = log_event_name(LOG_EVENT_REFUSED);
		snprintf(entry->guest, sizeof(entry->guest), "%s", note->name);
		snprintf(entry->uuid, sizeof(entry->uuid), "%s", note->uuid);
		snprintf(entry->operation, sizeof(entry->operation), "prepare");
		snprintf(entry->text, sizeof(entry->text), "%s", note->text);
		entries->n += is_wanted(wanted, entry);
	}
	return 0;
}

static void fill_from_ledger(const struct state *state, const struct ledger *ledger,
			     struct log_entry *entry)
{
	char text[sizeof(entry->text) - 16];
	struct stat st;

	if (fstatat(state->guestsfd, ledger->uuid, &st, AT_SYMLINK_NOFOLLOW) == 0)
		entry->time = (uint64_t)st.st_mtime;
	snprintf(entry->guest, sizeof(entry->guest), "%s", ledger->name);
	snprintf(entry->uuid, sizeof(entry->uuid), "%s", ledger->uuid);
	snprintf(entry->operation, sizeof(entry->operation), "%s",
		 ledger_phase_name(ledger->phase));
	snprintf(entry->text, sizeof(entry->text), "holds %s",
		 ledger->list.n ? steps_fact(&ledger->list, text, sizeof(text)) : "nothing");
}

static int add_ledgers(const struct state *state, const struct log_wanted *wanted,
		       struct log_entries *entries, struct err *err)
{
	struct ledgers ledgers;
	int rc = ledgers_read(state, false, &ledgers, err);
	size_t i;

	if (rc < 0)
		return rc;
	for (i = 0; rc == 0 && i < ledgers.n; i++) {
		struct log_entry *entry = next_entry(entries, err);

		if (entry && !ledgers.list[i]->foreign_version) {
			fill_from_ledger(state, ledgers.list[i], entry);
			entries->n += is_wanted(wanted, entry);
		}
		rc = entry ? 0 : -ENOMEM;
	}
	ledgers_free(&ledgers);
	return rc;
}

static int read_kept(const struct kfs *kfs, const struct log_wanted *wanted,
		     struct log_entries *entries, struct err *err)
{
	struct state state = STATE_CLOSED;
	int rc = state_open(kfs->rootfd, false, &state, err);

	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = add_refusals(kfs, wanted, entries, err);
	if (rc == 0)
		rc = add_ledgers(&state, wanted, entries, err);
	state_close(&state);
	return rc;
}

int log_entries_read(const struct kfs *kfs, bool captured, const struct log_wanted *wanted,
		     struct log_entries *entries, struct err *err)
{
	const char *directory = find_journal(kfs, captured);
	int rc;

	*entries = (struct log_entries){ .journal = directory };
	rc = directory ? read_journal(kfs, directory, captured, wanted, entries, err) :
			 read_kept(kfs, wanted, entries, err);
	if (rc == 0 && entries->n)
		qsort(entries->list, entries->n, sizeof(*entries->list), by_time);
	return rc;
}

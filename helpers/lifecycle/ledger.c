// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Ledgers: reading, writing, listing.
 */
#include "lifecycle/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "lifecycle/state.h"
#include "steps/steps.h"

/* A ledger of a guest with hundreds of cells on hundreds of nodes fits */
#define LEDGER_SIZE_MAX (4u * 1024 * 1024)
#define READ_TRIES	8

static const char *const phase_names[] = {
	[LEDGER_RESERVED] = "reserved",
	[LEDGER_PREPARED] = "prepared",
	[LEDGER_RUNNING] = "running",
	[LEDGER_LEAVING] = "leaving",
};

const char *ledger_phase_name(enum ledger_phase phase)
{
	return phase_names[phase];
}

int ledger_boot_id(const struct kfs *kfs, char boot_id[LEDGER_BOOT_ID_SIZE], struct err *err)
{
	return kfs_read(kfs, "proc/sys/kernel/random/boot_id", boot_id, LEDGER_BOOT_ID_SIZE, err);
}

/* ---- reading ---- */

static const struct json_field process_fields[] = {
	JSON_UP_TO(struct process, pid, INT32_MAX),
	JSON_FIELD(struct process, start),
	JSON_END,
};

/* Besides the version, and the UUID, which is the file's name */
static const struct json_field fields[] = {
	JSON_FIELD(struct ledger, boot_id),
	JSON_FIELD(struct ledger, name),
	JSON_WORD(struct ledger, phase, phase_names),
	JSON_FIELD(struct ledger, id),
	JSON_OBJECT(struct ledger, driver, process_fields),
	JSON_IF_SET(struct ledger, token),
	JSON_OBJECT_IF_SET(struct ledger, reserving, process_fields),
	JSON_IF_SET(struct ledger, no_ksm),
	{ JSON_MEMBER(struct ledger, list, "steps", &step_list_type) },
	JSON_END,
};

static int fill(const json_t *root, struct ledger *ledger, struct err *err)
{
	uint64_t version;
	int rc = json_read_u64(root, "version", &version, err);

	if (rc == 0)
		rc = json_copy_string(root, "name", ledger->name, sizeof(ledger->name), err);
	if (rc < 0)
		return rc;
	if (version < LEDGER_OLDEST || version > LEDGER_VERSION) {
		ledger->foreign_version = true;
		return 0;
	}
	return json_fields_read(root, fields, ledger, err);
}

int ledger_read(const struct state *state, const char *uuid, struct ledger **ledger,
		struct err *err)
{
	cleanup_json json_t *root = NULL;
	cleanup_free char *text = NULL;
	struct ledger *result;
	json_error_t problem;
	int rc, tries = 0;
	size_t len;

	/* A signal is no reason to take it for damaged */
	do {
		rc = file_read_at(state->guestsfd, uuid, LEDGER_SIZE_MAX, &text, &len, err);
	} while (rc == -EINTR && ++tries < READ_TRIES);
	if (rc < 0)
		return rc;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &problem);
	if (!root && json_error_code(&problem) == json_error_out_of_memory)
		return err_nomem(err);
	if (!root)
		return err_set(err, EINVAL,
			       "/" STATE_DIR
			       "/guests/%s is damaged: cannot be read as JSON (line %d)",
			       uuid, problem.line);
	result = calloc(1, sizeof(*result));
	if (!result)
		return err_nomem(err);
	snprintf(result->uuid, sizeof(result->uuid), "%s", uuid);
	rc = fill(root, result, err);
	if (rc < 0) {
		ledger_free(result);
		return err_prefix(err, rc, "/" STATE_DIR "/guests/%s is damaged", uuid);
	}
	*ledger = result;
	return 0;
}

/* ---- writing ---- */

static json_t *to_json(const struct ledger *ledger)
{
	json_t *root = json_pack("{s:i, s:s}", "version", LEDGER_VERSION, "uuid", ledger->uuid);

	if (json_fields_put(root, fields, ledger))
		return root;
	json_decref(root);
	return NULL;
}

/* With the lock on the files */
static int write_file(const struct state *state, const struct ledger *ledger, struct err *err)
{
	cleanup_json json_t *root = to_json(ledger);
	cleanup_free char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	int rc;

	if (!text)
		return err_nomem(err);
	rc = file_replace_at(state->guestsfd, ledger->uuid, text, strlen(text), err);
	if (rc < 0)
		return err_prefix(err, rc, "the record in /" STATE_DIR "/guests cannot be written");
	return 0;
}

/* ---- which incarnation ---- */

static int new_token(struct ledger *ledger, struct err *err)
{
	unsigned char bytes[(LEDGER_TOKEN_SIZE - 1) / 2];
	size_t i;

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_sys(err, errno, "no random numbers for the record");
	for (i = 0; i < sizeof(bytes); i++)
		snprintf(ledger->token + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static bool same_token(const struct ledger *a, const struct ledger *b)
{
	return !strcmp(a->token, b->token);
}

static int stale(const struct ledger *ledger, struct err *err)
{
	return err_set(err, ESTALE, "guest '%s' has a later record by now, which is left alone",
		       ledger->name);
}

/* With the lock on the files.  Is the file still @ledger?  @found: As it is there; NULL where
 * it can't be read: its content is known to those who write it, and it is replaced */
static int find_same(const struct state *state, const struct ledger *ledger, struct ledger **found,
		     struct err *err)
{
	int rc = ledger_read(state, ledger->uuid, found, err);

	if (rc == -EINVAL)
		return 0;
	if (rc < 0)
		return rc;
	return !(*found)->foreign_version && same_token(*found, ledger) ? 0 : stale(ledger, err);
}

static int write_same(const struct state *state, const struct ledger *ledger, struct err *err)
{
	struct ledger *found = NULL;
	int rc = find_same(state, ledger, &found, err);

	ledger_free(found);
	return rc < 0 ? rc : write_file(state, ledger, err);
}

int ledger_write(const struct state *state, const struct ledger *ledger, struct err *err)
{
	cleanup_lock int lock = state_lock_files(state, err);

	return lock < 0 ? lock : write_same(state, ledger, err);
}

/* ---- a guest's first ledger, and its next ones ---- */

static int may_replace(const struct state *state, const struct ledger *ledger, struct err *err)
{
	struct ledger *found = NULL;
	int rc = ledger_read(state, ledger->uuid, &found, err);

	if (rc == 0 && found->foreign_version)
		rc = ledger_other_version(found, err);
	ledger_free(found);
	return rc == -ENOENT || rc == -ELOOP ? 0 : rc;
}

int ledger_create(const struct state *state, struct ledger *ledger, struct err *err)
{
	cleanup_lock int lock = state_lock_files(state, err);
	int rc = lock < 0 ? lock : may_replace(state, ledger, err);

	if (rc == 0)
		rc = new_token(ledger, err);
	return rc < 0 ? rc : write_file(state, ledger, err);
}

static int adopt(const struct state *state, struct ledger *ledger, struct err *err)
{
	struct ledger *found = NULL;
	int rc = ledger_read(state, ledger->uuid, &found, err);
	bool holds = rc == 0 && (found->foreign_version || found->list.n);

	/* An empty one is the same guest's */
	if (rc == 0 && !holds)
		snprintf(ledger->token, sizeof(ledger->token), "%s", found->token);
	else if (rc == -ENOENT)
		rc = new_token(ledger, err);
	ledger_free(found);
	if (rc < 0)
		return rc;
	if (holds)
		return err_set(err, EEXIST, "guest '%s' has a record by now", ledger->name);
	return write_file(state, ledger, err);
}

int ledger_adopt(const struct state *state, struct ledger *ledger, struct err *err)
{
	cleanup_lock int lock = state_lock_files(state, err);

	return lock < 0 ? lock : adopt(state, ledger, err);
}

/* Is the file still a ledger that we may change? */
static int check_same(const struct ledger *found, const struct ledger *seen, struct err *err)
{
	if (found->foreign_version)
		return err_set(err, EEXIST,
			       "the record was written by another version of libvirt-membacking "
			       "and is left alone");
	return same_token(found, seen) ? 0 : stale(seen, err);
}

static int read_and_mark(const struct state *state, const struct ledger *seen,
			 enum ledger_phase phase, struct ledger **ledger, struct err *err)
{
	int rc = ledger_read(state, seen->uuid, ledger, err);

	if (rc == 0)
		rc = check_same(*ledger, seen, err);
	if (rc < 0)
		return rc;
	(*ledger)->phase = phase;
	return write_file(state, *ledger, err);
}

int ledger_mark(const struct state *state, const struct ledger *seen, enum ledger_phase phase,
		struct ledger **ledger, struct err *err)
{
	cleanup_lock int lock = state_lock_files(state, err);
	struct ledger *found = NULL;
	int rc = lock < 0 ? lock : read_and_mark(state, seen, phase, &found, err);

	if (rc == 0 && ledger)
		*ledger = found;
	else
		ledger_free(found);
	return rc;
}

/* @from's knowledge of where files lie.  A guest has a directory of its own for each start */
static void copy_places(const struct step_list *from, struct step_list *to)
{
	size_t i, j;

	for (i = 0; i < from->n; i++) {
		const struct step_store *known = step_files(&from->steps[i]);

		for (j = 0; known && *known->lies_in && j < to->n; j++) {
			struct step_store *files = step_files_of(&to->steps[j]);

			if (files && files->id == known->id && !strcmp(files->dir, known->dir))
				snprintf(files->lies_in, sizeof(files->lies_in), "%s",
					 known->lies_in);
		}
	}
}

/* Facts that were found while the guest ran */
static void copy_found(const struct step_list *from, struct step_list *to)
{
	copy_places(from, to);
	step_list_learn(from, to);
}

static int save_found(const struct state *state, const struct ledger *ledger, struct err *err)
{
	struct ledger *found = NULL;
	int rc = ledger_read(state, ledger->uuid, &found, err);

	if (rc == 0)
		rc = check_same(found, ledger, err);
	if (rc == 0)
		copy_found(&ledger->list, &found->list);
	if (rc == 0)
		rc = write_file(state, found, err);
	ledger_free(found);
	return rc;
}

int ledger_save_found(const struct state *state, const struct ledger *ledger, struct err *err)
{
	cleanup_lock int lock = state_lock_files(state, err);

	return lock < 0 ? lock : save_found(state, ledger, err);
}

static int save_running(const struct state *state, struct ledger *ledger, struct err *err)
{
	struct ledger *found = NULL;
	int rc = find_same(state, ledger, &found, err);

	if (rc == 0 && found && found->phase == LEDGER_LEAVING)
		ledger->phase = LEDGER_LEAVING;
	if (rc == 0 && found)
		copy_found(&found->list, &ledger->list);
	ledger_free(found);
	return rc < 0 ? rc : write_file(state, ledger, err);
}

int ledger_save_running(const struct state *state, struct ledger *ledger, struct err *err)
{
	cleanup_lock int lock = state_lock_files(state, err);
	int rc = lock < 0 ? lock : save_running(state, ledger, err);

	if (rc == 0 && ledger->phase == LEDGER_LEAVING)
		return err_set(err, ECANCELED,
			       "guest '%s' ended meanwhile, and gives everything back",
			       ledger->name);
	return rc;
}

/* With the lock on the files */
static int remove_file(const struct state *state, const char *uuid, struct err *err)
{
	if (unlinkat(state->guestsfd, uuid, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "cannot remove /" STATE_DIR "/guests/%s", uuid);
	return 0;
}

int ledger_remove(const struct state *state, const struct ledger *ledger, struct err *err)
{
	cleanup_lock int lock = state_lock_files(state, err);
	struct ledger *found = NULL;
	int rc = lock < 0 ? lock : find_same(state, ledger, &found, err);

	ledger_free(found);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	return remove_file(state, ledger->uuid, err);
}

int ledger_give_up(const struct state *state, const char *uuid, struct err *err)
{
	cleanup_lock int lock = state_lock_files(state, err);

	return lock < 0 ? lock : remove_file(state, uuid, err);
}

int ledger_other_version(const struct ledger *ledger, struct err *err)
{
	return err_set(err, EEXIST,
		       "the record of guest '%s' was written by another version of "
		       "libvirt-membacking: install that version again, or give up what it holds "
		       "with: virt-membacking release %s --force",
		       ledger->name, ledger->uuid);
}

void ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return;
	step_list_free(&ledger->list);
	qemu_memory_free(&ledger->qemu.mapped);
	qemu_memory_free(&ledger->qemu.reserved);
	free(ledger);
}

/* ---- all of them ---- */

/* "UUID.new": file_replace_at() was killed half-way, or is under way at this moment */
static bool is_leftover(const char *name)
{
	char uuid[GUEST_UUID_SIZE];

	if (strlen(name) != 36 + 4 || strcmp(name + 36, ".new"))
		return false;
	memcpy(uuid, name, 36);
	uuid[36] = '\0';
	return text_is_uuid(uuid);
}

/* A process that writes one holds the lock on the files: while we hold it, this is a leftover.
 * If the lock is taken, the next round removes it */
static void remove_leftover(const struct state *state, const char *name)
{
	cleanup_lock int lock = state_lock_files(state, NULL);

	if (lock >= 0)
		unlinkat(state->guestsfd, name, 0);
}

int ledgers_add(struct ledgers *ledgers, struct ledger *ledger)
{
	struct ledger **more = reallocarray(ledgers->list, ledgers->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	ledgers->list = more;
	more[ledgers->n++] = ledger;
	return 0;
}

static int add_damaged(struct ledgers *ledgers, const char *uuid, int rc, const struct err *why)
{
	struct damaged_ledger *more =
		reallocarray(ledgers->damaged, ledgers->n_damaged + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	ledgers->damaged = more;
	more += ledgers->n_damaged++;
	snprintf(more->uuid, sizeof(more->uuid), "%s", uuid);
	more->is_link = rc == -ELOOP;
	more->why = *why;
	return 0;
}

static int compare_ledgers(const void *a, const void *b)
{
	return strcmp((*(struct ledger *const *)a)->uuid, (*(struct ledger *const *)b)->uuid);
}

/* The host is in trouble, and not the ledger: no guest may be taken for one that
 * was promised nothing because of that */
static int read_one(const struct state *state, const char *uuid, struct ledgers *ledgers,
		    struct err *err)
{
	struct ledger *ledger;
	int rc = ledger_read(state, uuid, &ledger, err);

	/* Released between readdir() and here */
	if (rc == -ENOENT)
		return 0;
	if (err_passes(rc))
		return err_prefix(err, rc, "the record in /" STATE_DIR "/guests cannot be read");
	rc = rc < 0 ? add_damaged(ledgers, uuid, rc, err) : ledgers_add(ledgers, ledger);
	return rc < 0 ? err_set(err, -rc, "out of memory") : 0;
}

static int compare_damaged(const void *a, const void *b)
{
	return strcmp(((const struct damaged_ledger *)a)->uuid,
		      ((const struct damaged_ledger *)b)->uuid);
}

int ledgers_read(const struct state *state, bool clean, struct ledgers *ledgers, struct err *err)
{
	int fd = openat(state->guestsfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ledgers result = { 0 };
	struct dirent *entry;
	int rc = 0;
	DIR *dir;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		rc = err_sys(err, errno, "cannot list /" STATE_DIR "/guests");
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (rc == 0 && (errno = 0, entry = readdir(dir))) {
		if (clean && is_leftover(entry->d_name))
			remove_leftover(state, entry->d_name);
		if (text_is_uuid(entry->d_name))
			rc = read_one(state, entry->d_name, &result, err);
	}
	if (rc == 0 && errno)
		rc = err_sys(err, errno, "cannot list /" STATE_DIR "/guests");
	closedir(dir);
	if (rc < 0) {
		ledgers_free(&result);
		return rc;
	}
	if (result.n)
		qsort(result.list, result.n, sizeof(*result.list), compare_ledgers);
	if (result.n_damaged)
		qsort(result.damaged, result.n_damaged, sizeof(*result.damaged), compare_damaged);
	*ledgers = result;
	return 0;
}

void ledgers_free(struct ledgers *ledgers)
{
	size_t i;

	for (i = 0; i < ledgers->n; i++)
		ledger_free(ledgers->list[i]);
	free(ledgers->list);
	free(ledgers->damaged);
	*ledgers = (struct ledgers){ 0 };
}

struct ledger *ledgers_find_uuid(const struct ledgers *ledgers, const char *uuid)
{
	size_t i;

	for (i = 0; i < ledgers->n; i++)
		if (!strcasecmp(ledgers->list[i]->uuid, uuid))
			return ledgers->list[i];
	return NULL;
}

struct ledger *ledgers_find_name(const struct ledgers *ledgers, const char *name)
{
	size_t i;

	for (i = 0; i < ledgers->n; i++)
		if (!strcmp(ledgers->list[i]->name, name))
			return ledgers->list[i];
	return NULL;
}

struct ledger *ledgers_find(const struct ledgers *ledgers, const char *guest)
{
	struct ledger *found = ledgers_find_uuid(ledgers, guest);

	return found ? found : ledgers_find_name(ledgers, guest);
}

const struct err *ledgers_damaged(const struct ledgers *ledgers, const char *uuid)
{
	size_t i;

	for (i = 0; i < ledgers->n_damaged; i++)
		if (!ledgers->damaged[i].is_link && !strcasecmp(ledgers->damaged[i].uuid, uuid))
			return &ledgers->damaged[i].why;
	return NULL;
}

void ledgers_take(struct ledgers *ledgers, const struct ledger *ledger)
{
	size_t i;

	for (i = 0; i < ledgers->n; i++) {
		if (ledgers->list[i] != ledger)
			continue;
		memmove(&ledgers->list[i], &ledgers->list[i + 1],
			(ledgers->n - i - 1) * sizeof(*ledgers->list));
		ledgers->n--;
		return;
	}
}

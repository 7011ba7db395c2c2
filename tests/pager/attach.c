// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One guest's pager as a process of its own, which tests kill.
 *
 *	attach directory=DIR pid=N limit=PAGES [KEY=VALUE...]
 *	attach audit DIR
 *
 * A map in DIR (on a tmpfs) is gone on with.  Otherwise the process is adopted: by adopt=PROGRAM
 * (virt-membacking-adopt), or it has given us a userfaultfd and pipes itself: uffd=FD pipes=FD,FD.
 * tiers=same,ram[:KIB] in this order; threads=N that evict; pins=wait; prefetch=no; slots=drop;
 * strike=PLAN (strike.h), as often as wanted; hold=yes: not before the command "arm".  wait=MS for
 * the map of another pager.  room=BYTES: no more may be loaded at once.
 * demote=yes: a thread moves pages from slot to slot.
 * tiers=...,zstd:KIB; tiers=...,file:PATH:KIB with disk=DIR, where PATH begins.  file-ms=MS: each
 *of its reads and writes takes so long; file-fails=read or write.
 * tiers=...,directory:PATH:KIB, in which host=NAME has the guest's file.  import=MAP held=FILE: a
 *guest of another pager, which has sent these; fenced=yes.
 *
 * First line on stdout: "paging", "resumed", "released" (the last one was about to), or
 * "failed ERRNO: SENTENCE".  Alarms come as "alarm: SENTENCE".  Commands on stdin, each answered by
 *one line that begins with its name: "limit PAGES", "room KIB" (of the RAM tier),
 * "epoch", "send MAP FILE [EPOCH]" (where pages are and those that are held; with an epoch: its
 *changes are added), "unfence", "let-go" (of what was lent), "slots go" and "slots keep" (of
 *resident pages), "demoted", "file-ms=MS", "file-fails=no" and as above, "status", "arm", "places",
 *"again" (stop, and go on with the memory that there is now, as the daemon does), "detach", "stop".
 *The end of stdin is an order to stop.
 *
 * "audit" reads what a killed pager left: each slot may be in one entry, and an entry that needs
 * one must have one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pager/engine.h"
#include "pager/move.h"
#include "pager/strike.h"
#include "pager/tier_file.h"
#include "pager/tier_io.h"
#include "pager/tier_owner.h"
#include "pager/tier_store.h"

#define GUEST_UUID "4d656d62-0000-4000-8000-00000000000a"

struct job {
	const char *path;
	int directory;
	pid_t pid;
	int uffd, pipe[PAGER_PIPES_MAX];
	unsigned int n_pipes;
	const char *adopt;
	int64_t wait_ms;
	bool hold;
	bool demotes;
	uint64_t room, left;
	struct tier_budget budget, zstd_budget, file_budget;
	struct tier_stores *stores;
	const char *disk, *file, *shared, *host, *import, *held;
	struct tier_budget directory_budget;
	struct tier_spec tier[5];
	struct guest_pager_options options;
};

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

/* ---- a disk that is slow, or fails ---- */

static struct {
	_Atomic unsigned int ms;
	_Atomic bool fails_read, fails_write;
} disk;

int tier_io_fault(bool write, const struct tier_piece *piece)
{
	(void)piece;
	if (disk.ms)
		usleep(disk.ms * 1000);
	return (write ? disk.fails_write : disk.fails_read) ? -EIO : 0;
}

static void disk_set(const char *key, const char *value)
{
	if (!strcmp(key, "file-ms")) {
		disk.ms = (unsigned int)strtoul(value, NULL, 10);
	} else {
		disk.fails_read = !strcmp(value, "read");
		disk.fails_write = !strcmp(value, "write");
	}
}

static void say(const char *head, const char *text)
{
	pthread_mutex_lock(&output);
	printf("%s%s%s\n", head, *text ? ": " : "", text);
	fflush(stdout);
	pthread_mutex_unlock(&output);
}

static int fail(int rc, const struct err *err)
{
	char head[40];

	snprintf(head, sizeof(head), "failed %d", -rc);
	say(head, err->text);
	return 1;
}

static void on_alarm(void *arg, const char *sentence)
{
	(void)arg;
	say("alarm", sentence);
}

static int has_room(void *arg, uint64_t bytes, struct err *err)
{
	const struct job *job = arg;

	if (!job->room || bytes <= job->room)
		return 0;
	return err_set(err, ENOMEM, "no room for %llu bytes", (unsigned long long)bytes);
}

/* ---- adoption ---- */

static uint64_t start_time(pid_t pid)
{
	char path[64], text[1024], *at;
	unsigned long long value = 0;
	FILE *file;
	int field;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file && fgets(text, sizeof(text), file)) {
		at = strrchr(text, ')');
		for (field = 2; at && field < 22; field++)
			at = strchr(at + 1, ' ');
		if (at)
			value = strtoull(at, NULL, 10);
	}
	if (file)
		fclose(file);
	return value;
}

static void read_boot_id(char *id, size_t size)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (file && fgets(id, (int)size, file))
		id[strcspn(id, "\n")] = '\0';
	if (file)
		fclose(file);
}

/* What the process gave us itself */
static int take_given(const struct job *job, struct adopted *adopted)
{
	struct map_identity *identity = &adopted->identity;
	struct stat st;
	unsigned int i;

	*adopted = (struct adopted){ .pidfd = pidfd_of(job->pid) };
	adopted->uffd = pidfd_take(adopted->pidfd, job->uffd);
	identity->pid = job->pid;
	identity->start_time = start_time(job->pid);
	read_boot_id(identity->boot_id, sizeof(identity->boot_id));
	identity->uffd = job->uffd;
	identity->n_pipes = job->n_pipes;
	for (i = job->n_pipes; i < PAGER_PIPES_MAX; i++)
		adopted->pipe[i] = -1;
	for (i = 0; i < job->n_pipes; i++) {
		adopted->pipe[i] = pidfd_take(adopted->pidfd, job->pipe[i]);
		if (adopted->pipe[i] < 0 || fstat(adopted->pipe[i], &st) < 0)
			return -errno;
		identity->pipe[i] = job->pipe[i];
		identity->pipe_ino[i] = st.st_ino;
	}
	return adopted->uffd < 0 ? adopted->uffd : 0;
}

static int adopt_guest(const struct job *job, struct adopted *adopted, struct err *err)
{
	struct adoption_options how = { .program = job->adopt,
					.n_pipes = job->n_pipes,
					.deadline_ms = 10000 };
	int rc = job->adopt ? adopt(adopted, job->pid, &how, err) : take_given(job, adopted);

	if (!rc)
		snprintf(adopted->identity.uuid, sizeof(adopted->identity.uuid), GUEST_UUID);
	return rc;
}

/* ---- the end ---- */

static void remove_files(const struct job *job)
{
	static const char *const names[] = { "map",	      "journal",    "slots",
					     "file-slots",    "zstd-slots", "directory-slots",
					     "borrowed-slots" };
	size_t i;

	tier_file_forget(job->directory, job->stores);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlinkat(job->directory, names[i], 0);
}

static int release(const struct job *job, struct adopted *adopted, const char *done)
{
	struct adoption_options how = { .program = job->adopt, .deadline_ms = 10000 };
	struct err err = { 0 };
	int rc = job->adopt ? adoption_withdraw(adopted, &how, &err) : 0;

	remove_files(job);
	if (rc < 0)
		return fail(rc, &err);
	say(done, "");
	return 0;
}

/* ---- the beginning ---- */

static int start(struct job *job, struct guest_pager **pager, struct err *err)
{
	struct adopted adopted;
	struct ram ram;
	int rc = ram_open(&ram, job->pid, err);

	if (rc < 0)
		return rc;
	rc = adopt_guest(job, &adopted, err);
	if (rc == 0 && job->import)
		rc = move_put(&ram, job->import, job->held, err);
	if (rc < 0)
		return rc;
	if (!job->hold)
		strike_begin();
	return guest_pager_start(pager, &adopted, &ram, &job->options, err);
}

static int resume(struct job *job, struct guest_pager **pager, struct page_map *map,
		  struct err *err)
{
	const struct ram known = page_map_ram(map);
	struct adopted adopted;
	struct ram_left left;
	struct ram ram;
	int rc;

	if (!job->hold)
		strike_begin();
	rc = adopted_find(&adopted, page_map_identity(map), err);
	if (rc < 0)
		return rc;
	rc = ram_open_again(&ram, &known, adopted.identity.pid, &left, err);
	if (rc < 0)
		return rc;
	rc = guest_pager_resume(pager, map, &adopted, &ram, &left, &job->options, err);
	job->left = left.pages;
	if (rc == -ECANCELED)
		release(job, &adopted, "released");
	return rc;
}

/* ---- demotion ---- */

/*
 * What a thread does that moves pages to a slower tier, by the rules of tier.h.  There is no slower
 * one yet: pages go into another slot.
 */
struct slot_mover {
	struct guest_pager *pager;
	_Atomic bool ends;
	_Atomic uint64_t moved, late;
	pthread_t thread;
};

static struct slot_mover demoter;

/* The slot is pinned.  Return: it has moved; else the new slot is free again */
static bool demote_pinned(struct slot_mover *d, uint64_t page, page_entry entry)
{
	struct page_fields fields = page_entry_fields(entry), next = fields;
	struct page_place from = { fields.tier, fields.slot }, to;
	_Alignas(PAGE_BYTES) unsigned char content[PAGE_BYTES];

	if (page_map_get(d->pager->map, page) != entry ||
	    tiers_load(d->pager->tiers, from, content) < 0)
		return false;
	STEP("demote_loaded");
	if (tiers_store(d->pager->tiers, content, &to) < 0)
		return false;
	STEP("demote_stored");
	next.tier = to.tier;
	next.slot = to.slot;
	next.generation++;
	if (page_map_swap(d->pager->map, page, &entry, page_entry_make(next)))
		return true;
	tiers_free(d->pager->tiers, to);
	d->late++;
	return false;
}

static void demote_page(struct slot_mover *d, uint64_t page)
{
	page_entry entry = page_map_get(d->pager->map, page);
	struct page_fields fields = page_entry_fields(entry);
	struct page_place from = { fields.tier, fields.slot };
	bool moved;

	if (fields.state != PAGE_EVICTED || fields.tier != TIER_RAM ||
	    tiers_pin(d->pager->tiers, from) < 0)
		return;
	STEP("demote_pinned");
	moved = demote_pinned(d, page, entry);
	STEP("demote_moved");
	tiers_unpin(d->pager->tiers, from);
	if (moved)
		tiers_free(d->pager->tiers, from);
	STEP("demote_freed");
	d->moved += moved;
}

static void *demote(void *arg)
{
	struct slot_mover *d = arg;
	uint64_t page = 0;

	while (!d->ends) {
		demote_page(d, page);
		page = (page + 1) % d->pager->ram.pages;
		if (page % 64 == 0)
			usleep(500);
	}
	return NULL;
}

static void demoter_start(struct guest_pager *pager)
{
	demoter.pager = pager;
	if (pthread_create(&demoter.thread, NULL, demote, &demoter))
		demoter.pager = NULL;
}

static void demoter_end(void)
{
	demoter.ends = true;
	if (demoter.pager)
		pthread_join(demoter.thread, NULL);
	demoter.pager = NULL;
}

/* ---- commands ---- */

static void say_status(const struct job *job, struct guest_pager *pager)
{
	struct pager_statistics s;
	char text[1024];
	size_t i, n;

	guest_pager_statistics(pager, &s);
	n = (size_t)snprintf(
		text, sizeof(text),
		"status pages=%llu resident=%llu limit=%llu faults=%llu "
		"zero_faults=%llu evictions=%llu refaults=%llu prefetched=%llu "
		"prefetch_used=%llu discards=%llu waiting=%llu p50_ns=%llu "
		"p99_ns=%llu own=%llu gone=%d scanned=%llu vcpu=%llu moved=%llu "
		"left=%llu",
		(unsigned long long)s.pages, (unsigned long long)s.resident,
		(unsigned long long)s.limit, (unsigned long long)s.faults,
		(unsigned long long)s.zero_faults, (unsigned long long)s.evictions,
		(unsigned long long)s.refaults, (unsigned long long)s.prefetched,
		(unsigned long long)s.prefetch_used, (unsigned long long)s.discards,
		(unsigned long long)s.waiting, (unsigned long long)s.fault_p50_ns,
		(unsigned long long)s.fault_p99_ns, (unsigned long long)s.own_bytes, s.gone,
		(unsigned long long)s.scanned, (unsigned long long)s.vcpu_faults,
		(unsigned long long)pager->demoter.moved, (unsigned long long)job->left);
	for (i = 0; i < s.n_tiers && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      " %s=%llu %s_bytes=%llu %s_content=%llu", s.tier[i].name,
				      (unsigned long long)s.tier[i].pages, s.tier[i].name,
				      (unsigned long long)s.tier[i].bytes, s.tier[i].name,
				      (unsigned long long)s.tier[i].content_bytes);
	say(text, "");
}

static void say_result(const char *word, int rc, const struct err *err)
{
	if (rc < 0)
		say(word, err->text);
	else
		say(word, "done");
}

static void send_it(struct guest_pager *pager, char *words)
{
	struct err err = { 0 };
	char *rest, *map = strtok_r(words, " ", &rest), *held = strtok_r(NULL, " ", &rest);
	const char *since = strtok_r(NULL, " ", &rest);
	int rc = move_send(pager, GUEST_UUID, map, held, since ? strtoull(since, NULL, 10) : 0,
			   &err);

	say_result("send", rc, &err);
}

/* Of a guest that goes to another pager.  Return: whether it is such a command */
static bool move_command(struct guest_pager *pager, char *line)
{
	struct err err = { 0 };
	uint64_t epoch = 0;
	char text[64];

	if (!strcmp(line, "epoch")) {
		int rc = guest_pager_epoch(pager, 10000, &epoch, &err);

		snprintf(text, sizeof(text), "epoch number=%llu", (unsigned long long)epoch);
		say(rc < 0 ? "epoch" : text, err.text);
	} else if (!strncmp(line, "send ", 5)) {
		send_it(pager, line + 5);
	} else if (!strcmp(line, "unfence")) {
		guest_pager_fence(pager, false);
		say("unfence", "");
	} else if (!strcmp(line, "let-go")) {
		guest_pager_let_go(pager);
		say("let-go", "");
	} else {
		return false;
	}
	return true;
}

/* Return: whether it is over */
static bool detach(const struct job *job, struct guest_pager *pager)
{
	struct err err = { 0 };
	int rc = guest_pager_detach(pager, 60000, &err);

	if (rc < 0) {
		say("detach", err.text);
		return false;
	}
	strike_places(stdout);
	release(job, guest_pager_adopted(pager), "detach: done");
	guest_pager_stop(pager);
	return true;
}

/* Copies of the descriptors stay open meanwhile, as in the daemon */
static int again(struct job *job, struct guest_pager **pager)
{
	struct map_identity identity = guest_pager_adopted(*pager)->identity;
	struct adopted held;
	struct err err = { 0 };
	struct page_map *map;
	int rc = adopted_find(&held, &identity, &err);

	if (rc < 0)
		return fail(rc, &err);
	guest_pager_stop(*pager);
	rc = page_map_open(&map, job->directory, job->wait_ms, &err);
	if (rc == 0)
		rc = resume(job, pager, map, &err);
	adopted_close(&held);
	if (rc < 0)
		return fail(rc, &err);
	say("again", "");
	return 0;
}

static int run_commands(struct job *job, struct guest_pager *pager)
{
	char line[256];

	if (job->demotes)
		demoter_start(pager);

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "limit ", 6)) {
			guest_pager_set_limit(pager, strtoull(line + 6, NULL, 10));
			say("limit", "");
		} else if (!strncmp(line, "room ", 5)) {
			job->budget.limit = strtoull(line + 5, NULL, 10) * 1024;
			say("room", "");
		} else if (!strcmp(line, "slots keep") || !strcmp(line, "slots go")) {
			guest_pager_keep_slots(pager, line[6] == 'k');
			say("slots", "");
		} else if (!strcmp(line, "demoted")) {
			snprintf(line, sizeof(line), "demoted moved=%llu late=%llu",
				 (unsigned long long)demoter.moved,
				 (unsigned long long)demoter.late);
			say(line, "");
		} else if (!strncmp(line, "file-", 5) && strchr(line, '=')) {
			char *value = strchr(line, '=');

			*value = '\0';
			disk_set(line, value + 1);
			*value = '=';
			say(line, "");
		} else if (!strcmp(line, "status")) {
			say_status(job, pager);
		} else if (!strcmp(line, "arm")) {
			strike_begin();
			say("arm", "");
		} else if (!strcmp(line, "places")) {
			strike_places(stdout);
			say("places", "");
		} else if (!strcmp(line, "again")) {
			if (again(job, &pager))
				return 1;
		} else if (!strcmp(line, "detach")) {
			if (detach(job, pager))
				return 0;
		} else if (move_command(pager, line)) {
			continue;
		} else if (!strcmp(line, "stop")) {
			break;
		}
	}
	demoter_end();
	guest_pager_stop(pager);
	say("stop", "");
	return 0;
}

/* ---- audit ---- */

struct audit {
	struct tiers *tiers;
	uint64_t slots, twice, missing, invalid;
	uint64_t of_state[8];
	unsigned int messages;
};

static void audit_entry(struct audit *audit, struct page_fields entry)
{
	struct page_place place = { entry.tier, entry.slot };
	int rc;

	audit->of_state[entry.state % 8]++;
	/* One that is LOADING may come from a staging: the next restart says if it does */
	if (entry.state == PAGE_EVICTED)
		audit->missing += !entry.has_slot;
	if (!entry.has_slot)
		return;
	rc = tiers_claim(audit->tiers, place);
	audit->slots += !rc;
	audit->twice += rc == -EEXIST;
	audit->invalid += rc && rc != -EEXIST;
}

/* Messages that the dead pager had read and not acted upon */
static unsigned int messages_left(int directory, uint64_t pages)
{
	struct journal *journal;
	unsigned int i, n = 0;

	if (journal_open(&journal, directory, pages, 1, NULL) < 0)
		return 0;
	for (i = 0; i < EVENT_RING_MAX; i++)
		n += journal_ring(journal)[i].event != 0;
	journal_close(journal);
	return n;
}

static int say_audit(struct audit *audit)
{
	struct tier_usage usage[TIERS_MAX];
	struct err err = { 0 };
	uint64_t stored = 0;
	size_t i, n;
	int rc = tiers_ready(audit->tiers, &err);

	if (rc < 0)
		return fail(rc, &err);
	n = tiers_usage(audit->tiers, usage, TIERS_MAX);
	for (i = 0; i < n; i++)
		stored += usage[i].pages;
	printf("audit slots=%llu stored=%llu twice=%llu missing=%llu invalid=%llu zero=%llu "
	       "resident=%llu leaving=%llu loading=%llu evicted=%llu messages=%u\n",
	       (unsigned long long)audit->slots, (unsigned long long)stored,
	       (unsigned long long)audit->twice, (unsigned long long)audit->missing,
	       (unsigned long long)audit->invalid, (unsigned long long)audit->of_state[PAGE_ZERO],
	       (unsigned long long)audit->of_state[PAGE_RESIDENT],
	       (unsigned long long)audit->of_state[PAGE_LEAVING],
	       (unsigned long long)audit->of_state[PAGE_LOADING],
	       (unsigned long long)audit->of_state[PAGE_EVICTED], audit->messages);
	return audit->twice || audit->missing || audit->invalid || stored != audit->slots;
}

static int audit(const char *path)
{
	static struct tier_budget budget;
	static const struct tier_spec specs[] = { { .kind = TIER_SAME_FILLED },
						  { .kind = TIER_RAM, .budget = &budget } };
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct audit audit = { 0 };
	struct err err = { 0 };
	struct page_map *map;
	uint64_t page;
	struct tier_stores *stores = NULL;
	int rc = page_map_open(&map, directory, 5000, &err);

	if (rc == 0)
		rc = tier_stores_new(&stores, directory);
	if (rc < 0)
		return fail(rc, &err);
	rc = tiers_open(&audit.tiers, directory, stores, specs, 2, false, &err);
	if (rc < 0)
		return fail(rc, &err);
	for (page = 0; page < page_map_pages(map); page++)
		audit_entry(&audit, page_entry_fields(page_map_get(map, page)));
	audit.messages = messages_left(directory, page_map_pages(map));
	return say_audit(&audit);
}

/* ---- options ---- */

static void set_pipes(struct job *job, char *list)
{
	char *number, *rest;

	job->n_pipes = 0;
	for (number = strtok_r(list, ",", &rest); number && job->n_pipes < PAGER_PIPES_MAX;
	     number = strtok_r(NULL, ",", &rest))
		job->pipe[job->n_pipes++] = atoi(number);
}

static bool set_tiers(struct job *job, char *list)
{
	char *name, *rest;

	job->options.n_tiers = 0;
	for (name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
		struct tier_spec *spec = &job->tier[job->options.n_tiers++];

		if (!strcmp(name, "same")) {
			spec->kind = TIER_SAME_FILLED;
			continue;
		}
		if (!strncmp(name, "file:", 5)) {
			char *size = strrchr(name, ':');

			*size = '\0';
			spec->kind = TIER_FILE;
			spec->budget = &job->file_budget;
			job->file = name + 5;
			job->file_budget.limit = strtoull(size + 1, NULL, 10) * 1024;
			continue;
		}
		if (!strncmp(name, "directory:", 10)) {
			char *size = strrchr(name, ':');

			*size = '\0';
			spec->kind = TIER_DIRECTORY;
			spec->guest = GUEST_UUID;
			spec->budget = &job->directory_budget;
			job->shared = name + 10;
			job->directory_budget.limit = strtoull(size + 1, NULL, 10) * 1024;
			continue;
		}
		if (!strncmp(name, "zstd:", 5)) {
			spec->kind = TIER_ZSTD;
			spec->budget = &job->zstd_budget;
			job->zstd_budget.limit = strtoull(name + 5, NULL, 10) * 1024;
			continue;
		}
		if (strncmp(name, "ram", 3) != 0)
			return false;
		spec->kind = TIER_RAM;
		spec->budget = &job->budget;
		job->budget.limit = name[3] ? strtoull(name + 4, NULL, 10) * 1024 : 0;
	}
	return true;
}

static bool set_option(struct job *job, const char *key, char *value)
{
	struct guest_pager_options *options = &job->options;

	if (!strcmp(key, "directory"))
		job->path = value;
	else if (!strcmp(key, "pid"))
		job->pid = atoi(value);
	else if (!strcmp(key, "limit"))
		options->limit = strtoull(value, NULL, 10);
	else if (!strcmp(key, "uffd"))
		job->uffd = atoi(value);
	else if (!strcmp(key, "pipes"))
		set_pipes(job, value);
	else if (!strcmp(key, "adopt"))
		job->adopt = value;
	else if (!strcmp(key, "disk"))
		job->disk = value;
	else if (!strncmp(key, "file-", 5))
		disk_set(key, value);
	else if (!strcmp(key, "tiers"))
		return set_tiers(job, value);
	else if (!strcmp(key, "threads"))
		options->evict_threads = (unsigned int)atoi(value);
	else if (!strcmp(key, "pins"))
		options->pins = !strcmp(value, "wait") ? PINS_WAIT : PINS_NONE;
	else if (!strcmp(key, "prefetch"))
		options->no_prefetch = !strcmp(value, "no");
	else if (!strcmp(key, "slots"))
		options->drop_clean_slots = !strcmp(value, "drop");
	else if (!strcmp(key, "wait"))
		job->wait_ms = atoi(value);
	else if (!strcmp(key, "hold"))
		job->hold = !strcmp(value, "yes");
	else if (!strcmp(key, "demote"))
		job->demotes = !strcmp(value, "yes");
	else if (!strcmp(key, "room"))
		job->room = strtoull(value, NULL, 10);
	else if (!strcmp(key, "host"))
		job->host = value;
	else if (!strcmp(key, "import"))
		job->import = value;
	else if (!strcmp(key, "held"))
		job->held = value;
	else if (!strcmp(key, "fenced"))
		options->fenced = !strcmp(value, "yes");
	else if (!strcmp(key, "strike"))
		return strike_plan(value);
	else
		return false;
	return true;
}

/* Two of them on this host, as on two */
static void set_owner(struct job *job)
{
	struct tier_owner owner = { .machine = "" };

	if (!job->host)
		return;
	snprintf(owner.boot, sizeof(owner.boot), "boot-of-%s", job->host);
	snprintf(owner.machine, sizeof(owner.machine), "machine-%s", job->host);
	snprintf(owner.name, sizeof(owner.name), "%s", job->host);
	tier_stores_set_owner(job->stores, &owner);
}

static bool open_stores(struct job *job)
{
	int rootfd = open(job->disk ? job->disk : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t i;

	if (rootfd < 0 || tier_stores_new(&job->stores, rootfd) < 0)
		return false;
	for (i = 0; i < job->options.n_tiers; i++)
		if (job->tier[i].kind == TIER_FILE)
			job->tier[i].store = tier_stores_get(job->stores, job->file);
		else if (job->tier[i].kind == TIER_DIRECTORY)
			job->tier[i].store = tier_stores_get(job->stores, job->shared);
	set_owner(job);
	job->options.stores = job->stores;
	return tier_file_reserve(job->directory, job->stores, NULL) == 0;
}

static bool set_options(struct job *job, int argc, char **argv)
{
	char *value;
	int i;

	for (i = 1; i < argc; i++) {
		value = strchr(argv[i], '=');
		if (!value)
			return false;
		*value++ = '\0';
		if (!set_option(job, argv[i], value)) {
			fprintf(stderr, "attach: what is %s=%s?\n", argv[i], value);
			return false;
		}
	}
	job->directory = open(job->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	job->options.directory = job->directory;
	if (job->import)
		job->options.import = open(job->import, O_RDONLY | O_CLOEXEC);
	return job->options.import >= 0 && job->directory >= 0 && open_stores(job);
}

static int page_it(struct job *job)
{
	struct guest_pager *pager = NULL;
	struct page_map *map = NULL;
	struct err err = { 0 };
	int rc = page_map_open(&map, job->directory, job->wait_ms, &err);
	bool fresh = rc == -ENOENT;

	if (fresh)
		rc = start(job, &pager, &err);
	else if (!rc)
		rc = resume(job, &pager, map, &err);
	if (rc == -ECANCELED)
		return 0;
	if (rc < 0)
		return fail(rc, &err);
	say(fresh ? "paging" : "resumed", "");
	return run_commands(job, pager);
}

int main(int argc, char **argv)
{
	struct sigaction bus = { .sa_sigaction = guest_pager_sigbus,
				 .sa_flags = SA_SIGINFO | SA_NODEFER };
	struct job job = { .n_pipes = 2,
			   .wait_ms = 5000,
			   .tier = { { .kind = TIER_SAME_FILLED }, { .kind = TIER_RAM } } };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGBUS, &bus, NULL);
	if (argc == 3 && !strcmp(argv[1], "audit"))
		return audit(argv[2]);
	job.tier[1].budget = &job.budget;
	job.options = (struct guest_pager_options){ .name = "victim",
						    .tiers = job.tier,
						    .n_tiers = 2,
						    .pins = PINS_NONE,
						    .alarm = on_alarm,
						    .room = has_room,
						    .room_arg = &job };
	if (!set_options(&job, argc, argv)) {
		fprintf(stderr, "attach: can't use these arguments\n");
		return 2;
	}
	return page_it(&job);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One guest's way through the daemon, from adoption to the end.
 *
 * DOC: what is there at which time
 *
 * The directory and the record in it come first and go last: whatever a kill leaves, the next
 * daemon finds whose it is.  A record without a map, or without a process, is a guest that nothing
 * was taken from, or that needs nothing any more.
 */
#include "pager/paged_guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "pager/adopt_refusal.h"
#include "pager/adoption.h"
#include "pager/guest_room.h"
#include "pager/page_map.h"
#include "pager/pager_cgroup.h"
#include "pager/process_fd.h"
#include "pager/ram.h"
#include "pager/tier_file.h"

/* One evicting thread, and the thread that answers faults, which evicts too at the limit */
enum { EVICT_THREADS = 1, PIPES = EVICT_THREADS + 1 };

/* A dead daemon's threads end with the system calls that they are in */
#define MAP_WAIT_MS 5000

/* Closing some descriptors in QEMU */
#define WITHDRAW_MS 5000

static void set_pager(struct paged_guest *guest, struct guest_pager *pager)
{
	pthread_mutex_lock(&guest->pager_lock);
	guest->pager = pager;
	pthread_mutex_unlock(&guest->pager_lock);
}

static void note_ram(struct paged_guest *guest, const struct ram *ram)
{
	size_t i;

	pthread_mutex_lock(&guest->pager_lock);
	guest->ram = *ram;
	for (i = 0; i < ram->n; i++)
		guest->ram.object[i].fd = -1;
	pthread_mutex_unlock(&guest->pager_lock);
}

static void note_left(struct paged_guest *guest, const struct ram_left *left)
{
	char size[TEXT_KIB_SIZE];
	bool other;

	pthread_mutex_lock(&guest->pager_lock);
	other = left->pages && left->pages != guest->left.pages;
	guest->left = *left;
	pthread_mutex_unlock(&guest->pager_lock);
	if (other)
		log_warning("%s of memory were plugged in and are not paged: %s",
			    text_from_kib(left->pages * (PAGE_BYTES / 1024), size), left->why.text);
}

static void set_record(struct paged_guest *guest, const struct guest_record *record)
{
	pthread_mutex_lock(&guest->pager_lock);
	guest->record = *record;
	pthread_mutex_unlock(&guest->pager_lock);
}

/* ---- begin and end of the struct ---- */

struct paged_guest *paged_guest_new(struct pager_host *host, const char *uuid)
{
	struct paged_guest *guest = calloc(1, sizeof(*guest));

	if (!guest)
		return NULL;
	guest->host = host;
	snprintf(guest->uuid, sizeof(guest->uuid), "%s", uuid);
	snprintf(guest->record.name, sizeof(guest->record.name), "%s", uuid);
	guest->directory = guest->pidfd = -1;
	guest->lowered_kib = UINT64_MAX;
	pthread_mutex_init(&guest->pager_lock, NULL);
	pthread_mutex_init(&guest->alarm_lock, NULL);
	return guest;
}

static void close_all(struct paged_guest *guest)
{
	cleanup_close_(&guest->directory);
	cleanup_close_(&guest->pidfd);
	guest->directory = guest->pidfd = -1;
}

void paged_guest_free(struct paged_guest *guest)
{
	close_all(guest);
	pthread_mutex_destroy(&guest->pager_lock);
	pthread_mutex_destroy(&guest->alarm_lock);
	free(guest);
}

/* ---- alarms ---- */

/* Two at a time are rare: the engine's own says for what the guest waits */
void paged_guest_alarm(struct paged_guest *guest, char *sentence)
{
	pthread_mutex_lock(&guest->alarm_lock);
	memcpy(sentence, *guest->alarm ? guest->alarm : guest->danger, PAGER_SENTENCE_SIZE);
	pthread_mutex_unlock(&guest->alarm_lock);
}

/* @place: guest->alarm or guest->danger.  Each has its own @log: one that comes and goes does not
 * keep the other's line out */
static void set_sentence(struct paged_guest *guest, char *place, struct alarm_log *log,
			 const char *sentence)
{
	enum alarm_logged logged = ALARM_DROPPED;

	pthread_mutex_lock(&guest->alarm_lock);
	if (strncmp(place, sentence, PAGER_SENTENCE_SIZE - 1) != 0)
		logged = alarm_log_next(log, clock_ms());
	memset(place, 0, PAGER_SENTENCE_SIZE);
	strncpy(place, sentence, PAGER_SENTENCE_SIZE - 1);
	pthread_mutex_unlock(&guest->alarm_lock);
	if (logged == ALARM_DROPPED)
		return;
	/* The name doesn't change while the guest has threads */
	log_context(guest->record.name, "page");
	log_uuid(guest->uuid);
	if (*sentence)
		log_error("%s", sentence);
	else
		log_info("what was wrong is over");
	if (logged == ALARM_LAST)
		log_info("what comes and goes is not logged again for a minute: see "
			 "virt-membacking overcommit status");
}

void paged_guest_set_alarm(struct paged_guest *guest, const char *sentence)
{
	set_sentence(guest, guest->alarm, &guest->alarm_log, sentence);
}

void paged_guest_set_danger(struct paged_guest *guest, const char *sentence)
{
	set_sentence(guest, guest->danger, &guest->danger_log, sentence);
}

static void on_alarm(void *arg, const char *sentence)
{
	paged_guest_set_alarm(arg, sentence);
}

/* ---- what the engine is told ---- */

static int room(void *arg, uint64_t bytes, struct err *err)
{
	const struct paged_guest *guest = arg;

	return guest_room(guest->host->kfs, (pid_t)guest->record.pid, bytes, err);
}

static uint64_t most(void *arg)
{
	const struct paged_guest *guest = arg;
	uint64_t bytes;

	return pager_cgroup_most(guest->host->kfs, (pid_t)guest->record.pid, &bytes, NULL) < 0 ?
		       UINT64_MAX :
		       bytes;
}

static struct guest_pager_options options_of(struct paged_guest *guest,
					     struct tier_spec tiers[TIERS_MAX])
{
	struct pager_host *host = guest->host;
	size_t i;
	struct guest_pager_options options = {
		.name = guest->record.name,
		.directory = guest->directory,
		.limit = u64_div_up(u64_min(guest->record.limit_kib, guest->lowered_kib),
				    PAGE_BYTES / 1024),
		.evict_threads = EVICT_THREADS,
		.tiers = tiers,
		.alarm = on_alarm,
		.alarm_arg = guest,
		.room = room,
		.most = most,
		.room_arg = guest,
		.copies_only = pager_cgroup_is_limited(host->kfs, getpid()),
	};

	pthread_mutex_lock(&host->lock);
	memcpy(tiers, host->budgets.spec, sizeof(host->budgets.spec));
	options.n_tiers = host->budgets.n;
	options.stores = host->budgets.stores;
	pthread_mutex_unlock(&host->lock);
	for (i = 0; i < options.n_tiers; i++)
		tiers[i].guest = guest->uuid;
	return options;
}

static struct adoption_options adoption_until(const struct paged_guest *guest, uint64_t deadline)
{
	return (struct adoption_options){
		.program = guest->host->adopt_program,
		.n_pipes = PIPES,
		.deadline_ms = (int64_t)clock_left_ms(deadline),
		.directory = guest->directory > 0 ? guest->directory : 0,
	};
}

/* ---- directory, record, swap ---- */

/* The tmpfs is there as long as a guest is in the table: no lock is held while slots are freed */
static void remove_files(struct paged_guest *guest)
{
	struct err err;

	if (guest->directory >= 0)
		tier_file_forget(guest->directory, guest->host->budgets.stores);
	cleanup_close_(&guest->directory);
	guest->directory = -1;
	if (pager_directory_remove(&guest->host->directory, guest->uuid, &err) < 0)
		log_warning("%s", err.text);
}

/* A directory of that name is one that no guest of ours has: its record could not be read */
static int remove_stale(struct pager_host *host, const char *uuid, struct err *err)
{
	cleanup_close int stale = pager_directory_open(&host->directory, uuid, NULL);

	if (stale >= 0)
		tier_file_forget(stale, host->budgets.stores);
	return pager_directory_remove(&host->directory, uuid, err);
}

static int make_directory(struct paged_guest *guest, struct err *err)
{
	struct pager_host *host = guest->host;
	int fd;

	pthread_mutex_lock(&host->lock);
	fd = host->directory.fd < 0 ?
		     pager_directory_mount(&host->directory, host->file_bytes, err) :
		     0;
	if (fd == 0)
		fd = remove_stale(host, guest->uuid, err);
	if (fd == 0)
		fd = pager_directory_add(&host->directory, guest->uuid, err);
	pthread_mutex_unlock(&host->lock);
	if (fd < 0)
		return fd;
	guest->directory = fd;
	return 0;
}

static int open_directory(struct paged_guest *guest, struct err *err)
{
	struct pager_host *host = guest->host;

	if (guest->directory >= 0)
		return 0;
	pthread_mutex_lock(&host->lock);
	guest->directory = pager_directory_open(&host->directory, guest->uuid, err);
	pthread_mutex_unlock(&host->lock);
	return guest->directory < 0 ? guest->directory : 0;
}

/* The kernel must not page what we page.  Not worth refusing the guest for */
static void forbid_swap(struct paged_guest *guest)
{
	struct err err;
	int rc = pager_cgroup_begin(guest->host->kfs, (pid_t)guest->record.pid, guest->directory,
				    &err);

	if (rc < 0 && rc != -ENOTSUP)
		log_warning("the kernel may swap what is resident: %s", err.text);
}

static void allow_swap(struct paged_guest *guest)
{
	struct err err;

	if (guest->directory >= 0 && pager_cgroup_end(guest->host->kfs, guest->directory, &err) < 0)
		log_warning("%s", err.text);
}

/* ---- adoption ---- */

static int identify(struct paged_guest *guest, const struct pager_request *request, struct err *err)
{
	struct guest_record record = { .pid = request->pid, .limit_kib = request->limit_kib };
	pid_t pid = (pid_t)request->pid;
	int rc;

	memcpy(record.name, request->name, sizeof(record.name));
	rc = process_start_time(guest->host->kfs, pid, &record.start_time, err);
	if (rc < 0)
		return rc;
	set_record(guest, &record);
	guest->pidfd = process_open(guest->host->kfs, pid, record.start_time, err);
	if (guest->pidfd < 0)
		return guest->pidfd;
	return 0;
}

/* @adopted and @ram are taken over where it succeeds */
static int start_paging(struct paged_guest *guest, struct adopted *adopted, struct ram *ram,
			struct err *err)
{
	struct tier_spec tiers[TIERS_MAX];
	struct guest_pager_options options = options_of(guest, tiers);
	struct guest_pager *pager;
	int rc;

	memset(adopted->identity.uuid, 0, sizeof(adopted->identity.uuid));
	memcpy(adopted->identity.uuid, guest->uuid, sizeof(guest->uuid));
	rc = guest_pager_start(&pager, adopted, ram, &options, err);
	if (rc == 0)
		set_pager(guest, pager);
	return rc;
}

/* If something of ours stays in QEMU @err, which says what happened, says that too */
static void withdraw(struct paged_guest *guest, struct adopted *adopted, struct err *err)
{
	const struct adoption_options options = adoption_until(guest, clock_ms() + WITHDRAW_MS);
	struct err more, first = *err;

	if (adoption_withdraw(adopted, &options, &more) < 0)
		err_set(err, EIO, "%s; and %s", first.text, more.text);
}

static int adopt_and_start(struct paged_guest *guest, struct ram *ram, uint64_t deadline,
			   struct err *err)
{
	const struct adoption_options options = adoption_until(guest, deadline);
	struct adopted adopted;
	int rc = adopt_refusal(guest->host->kfs, (pid_t)guest->record.pid, ram, err);

	if (rc == 0)
		rc = adopt(&adopted, (pid_t)guest->record.pid, &options, err);
	if (rc < 0)
		return rc;
	rc = start_paging(guest, &adopted, ram, err);
	if (rc < 0) {
		withdraw(guest, &adopted, err);
		adopted_close(&adopted);
		return rc;
	}
	adoption_settled(&options, NULL);
	return 0;
}

static int open_and_adopt(struct paged_guest *guest, uint64_t deadline, struct err *err)
{
	struct ram ram;
	int rc = ram_open(&ram, (pid_t)guest->record.pid, err);

	if (rc < 0)
		return rc;
	note_ram(guest, &ram);
	rc = adopt_and_start(guest, &ram, deadline, err);
	if (rc < 0)
		ram_close(&ram);
	return rc;
}

int paged_guest_adopt(struct paged_guest *guest, const struct pager_request *request,
		      uint64_t deadline, struct err *err)
{
	int rc = identify(guest, request, err);

	if (rc == 0)
		rc = make_directory(guest, err);
	if (rc == 0)
		rc = guest_record_write(guest->directory, &guest->record, err);
	if (rc == 0)
		rc = open_and_adopt(guest, deadline, err);
	if (rc == 0) {
		forbid_swap(guest);
		return 0;
	}
	if (guest->directory >= 0)
		remove_files(guest);
	close_all(guest);
	return rc;
}

/* ---- after another daemon ---- */

/* Whose directory is it?  -ESRCH: of a guest that is gone */
static int recognize(struct paged_guest *guest, struct err *err)
{
	const struct kfs *kfs = guest->host->kfs;
	struct guest_record record;
	int rc = open_directory(guest, err);

	if (rc == 0)
		rc = guest_record_read(guest->directory, &record, err);
	if (rc == -ENOENT)
		return err_set(err, ESRCH, "it was not adopted yet");
	if (rc < 0)
		return rc;
	set_record(guest, &record);
	if (guest->pidfd >= 0)
		return process_gone(guest->pidfd) ? err_set(err, ESRCH, "QEMU ended") : 0;
	guest->pidfd = process_open(kfs, (pid_t)record.pid, record.start_time, err);
	if (guest->pidfd < 0) {
		rc = guest->pidfd;
		guest->pidfd = -1;
		return rc;
	}
	return 0;
}

/* What is still open in a QEMU that is not paged.  @identity NULL: after an adoption that had no
 * map yet */
static void close_in_qemu(struct paged_guest *guest, const struct map_identity *identity)
{
	const struct adoption_options options = adoption_until(guest, clock_ms() + WITHDRAW_MS);
	struct err err;
	int rc = identity ? adoption_withdraw_rest(identity, &options, &err) :
			    adoption_clean_up(&options, &err);

	if (rc < 0)
		log_warning("descriptors of ours stay open in its QEMU: %s", err.text);
}

/* The descriptors in QEMU may be missing only while nothing is in our files alone */
static int find_in_qemu(struct page_map *map, struct adopted *adopted, struct err *err)
{
	enum map_phase phase = page_map_phase(map);
	int rc = adopted_find(adopted, page_map_identity(map), err);

	if (rc == -ESTALE && (phase == MAP_ADOPTING || phase == MAP_UNREGISTERING))
		return -ESRCH;
	return rc;
}

/* @map and @adopted are taken over where it succeeds */
static int resume(struct paged_guest *guest, struct page_map *map, struct adopted *adopted,
		  struct err *err)
{
	struct tier_spec tiers[TIERS_MAX];
	struct guest_pager_options options = options_of(guest, tiers);
	const struct ram known = page_map_ram(map);
	struct guest_pager *pager;
	struct ram_left left;
	struct ram ram;
	int rc = ram_open_again(&ram, &known, (pid_t)guest->record.pid, &left, err);

	if (rc < 0)
		return rc;
	rc = guest_pager_resume(&pager, map, adopted, &ram, &left, &options, err);
	if (rc < 0) {
		ram_close(&ram);
		return rc;
	}
	note_ram(guest, &ram);
	note_left(guest, &left);
	set_pager(guest, pager);
	return 0;
}

static int resume_map(struct paged_guest *guest, struct page_map *map, struct err *err)
{
	struct adopted adopted;
	int rc;

	if (strcmp(page_map_identity(map)->uuid, guest->uuid) != 0)
		return err_set(err, EUCLEAN, "its page map is of another guest");
	rc = find_in_qemu(map, &adopted, err);
	if (rc == -ESRCH && !process_gone(guest->pidfd))
		close_in_qemu(guest, page_map_identity(map));
	if (rc < 0)
		return rc;
	rc = resume(guest, map, &adopted, err);
	if (rc == 0)
		return 0;
	if (rc == -ECANCELED) {
		struct err left = { "it was being released" };

		withdraw(guest, &adopted, &left);
		log_info("%s", left.text);
		rc = -ESRCH;
	}
	adopted_close(&adopted);
	return rc;
}

static int take_over(struct paged_guest *guest, uint64_t deadline, struct err *err)
{
	uint64_t wait = u64_min(clock_left_ms(deadline), MAP_WAIT_MS);
	struct page_map *map;
	int rc = recognize(guest, err);

	if (rc < 0)
		return rc;
	rc = page_map_open(&map, guest->directory, (int64_t)wait, err);
	/* Adoption had not come that far */
	if (rc == -ENOENT) {
		close_in_qemu(guest, NULL);
		return -ESRCH;
	}
	if (rc < 0)
		return rc;
	rc = resume_map(guest, map, err);
	if (rc < 0)
		page_map_close(map);
	return rc;
}

int paged_guest_take_over(struct paged_guest *guest, uint64_t deadline, struct err *err)
{
	int rc = take_over(guest, deadline, err);
	struct err alarm;

	if (rc == 0) {
		paged_guest_set_alarm(guest, "");
	} else if (rc == -ESRCH) {
		allow_swap(guest);
		remove_files(guest);
		close_all(guest);
	} else {
		alarm = *err;
		err_prefix(&alarm, rc,
			   "the guest stands: its pages can't be taken over from the "
			   "pager before");
		paged_guest_set_alarm(guest, alarm.text);
	}
	return rc;
}

/* ---- memory that comes and goes ---- */

/* All that is paged, as it was noted */
static struct ram real_memory(struct paged_guest *guest)
{
	struct ram all = paged_guest_ram(guest), real = { .n = 0 };
	size_t i;

	for (i = 0; i < all.n; i++)
		if (!all.object[i].stands_in)
			real.object[real.n++] = all.object[i];
	return real;
}

/* Return: 1; 0; -errno */
static int memory_differs(struct paged_guest *guest, struct err *err)
{
	const struct ram known = real_memory(guest);
	struct ram_left left;
	size_t i, same = 0, n;
	struct ram ram;
	int rc = ram_open_again(&ram, &known, (pid_t)guest->record.pid, &left, err);

	if (rc < 0)
		return rc;
	for (i = 0; i < ram.n; i++)
		same += ram_has(&known, ram.object[i].dev, ram.object[i].ino);
	n = ram.n;
	ram_close(&ram);
	if (same == 0)
		return err_set(err, ESTALE, "QEMU has none of its memory any more");
	if (same == known.n && n == same) {
		note_left(guest, &left);
		return 0;
	}
	return 1;
}

bool paged_guest_must_restart(struct paged_guest *guest, struct adopted *held)
{
	struct err err = { "" };
	int rc = memory_differs(guest, &err);

	if (rc == 1)
		rc = adopted_find(held, &guest_pager_adopted(guest->pager)->identity, &err) < 0 ?
			     -ESTALE :
			     1;
	if (rc < 0)
		log_warning("memory that was plugged in or unplugged can't be looked at: %s",
			    err.text);
	return rc == 1;
}

/* ---- release and end ---- */

static void stop(struct paged_guest *guest)
{
	struct guest_pager *pager = guest->pager;

	set_pager(guest, NULL);
	if (pager)
		guest_pager_stop(pager);
}

int paged_guest_release(struct paged_guest *guest, uint64_t deadline, struct err *err)
{
	struct err left = { "the guest is not paged any more" };
	int rc = guest_pager_detach(guest->pager, (int64_t)clock_left_ms(deadline), err);

	if (rc < 0 && rc != -ESRCH)
		return rc;
	if (rc == 0) {
		withdraw(guest, guest_pager_adopted(guest->pager), &left);
		log_info("%s", left.text);
	}
	paged_guest_end(guest);
	return 0;
}

void paged_guest_end(struct paged_guest *guest)
{
	stop(guest);
	allow_swap(guest);
	remove_files(guest);
	close_all(guest);
}

void paged_guest_end_soon(struct paged_guest *guest)
{
	if (guest->pager)
		guest_pager_end_soon(guest->pager);
}

bool paged_guest_leave(struct paged_guest *guest, uint64_t deadline)
{
	struct guest_pager *pager = guest->pager;

	set_pager(guest, NULL);
	if (pager && !guest_pager_leave(pager, deadline))
		return false;
	close_all(guest);
	return true;
}

/* ---- what other threads ask ---- */

struct guest_record paged_guest_record(struct paged_guest *guest)
{
	struct guest_record record;

	pthread_mutex_lock(&guest->pager_lock);
	record = guest->record;
	pthread_mutex_unlock(&guest->pager_lock);
	return record;
}

struct ram paged_guest_ram(struct paged_guest *guest)
{
	struct ram ram;

	pthread_mutex_lock(&guest->pager_lock);
	ram = guest->ram;
	pthread_mutex_unlock(&guest->pager_lock);
	return ram;
}

uint64_t paged_guest_left(struct paged_guest *guest, char *why)
{
	uint64_t pages;

	pthread_mutex_lock(&guest->pager_lock);
	pages = guest->left.pages;
	snprintf(why, PAGER_SENTENCE_SIZE, "%.500s", pages ? guest->left.why.text : "");
	pthread_mutex_unlock(&guest->pager_lock);
	return pages;
}

bool paged_guest_identity(struct paged_guest *guest, struct map_identity *identity)
{
	bool paged;

	pthread_mutex_lock(&guest->pager_lock);
	paged = guest->pager != NULL;
	if (paged)
		*identity = guest_pager_adopted(guest->pager)->identity;
	pthread_mutex_unlock(&guest->pager_lock);
	return paged;
}

/* Where the kernel may swap, pages of the sample would go to the swap */
void paged_guest_sample_idle(struct paged_guest *guest)
{
	if (pager_cgroup_may_swap(guest->host->kfs, (pid_t)guest->record.pid))
		guest_pager_forget_idle(guest->pager);
	else
		guest_pager_sample_idle(guest->pager);
}

bool paged_guest_gone(struct paged_guest *guest)
{
	struct pager_statistics statistics;

	return (guest->pidfd >= 0 && process_gone(guest->pidfd)) ||
	       (paged_guest_statistics(guest, &statistics) && statistics.gone);
}

bool paged_guest_statistics(struct paged_guest *guest, struct pager_statistics *statistics)
{
	bool paged;

	pthread_mutex_lock(&guest->pager_lock);
	paged = guest->pager != NULL;
	if (paged)
		guest_pager_statistics(guest->pager, statistics);
	pthread_mutex_unlock(&guest->pager_lock);
	return paged;
}

/* The least of all limits.  With @pager_lock */
static void use_limit(struct paged_guest *guest)
{
	guest_pager_set_limit(guest->pager,
			      u64_div_up(u64_min(guest->record.limit_kib, guest->lowered_kib),
					 PAGE_BYTES / 1024));
}

void paged_guest_lower(struct paged_guest *guest, uint64_t kib)
{
	pthread_mutex_lock(&guest->pager_lock);
	if (guest->pager && kib != guest->lowered_kib) {
		guest->lowered_kib = kib;
		use_limit(guest);
	}
	pthread_mutex_unlock(&guest->pager_lock);
}

void paged_guest_keep_slots(struct paged_guest *guest, bool keep)
{
	pthread_mutex_lock(&guest->pager_lock);
	if (guest->pager)
		guest_pager_keep_slots(guest->pager, keep);
	pthread_mutex_unlock(&guest->pager_lock);
}

int paged_guest_set_limit(struct paged_guest *guest, uint64_t limit_kib, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&guest->pager_lock);
	if (!guest->pager) {
		rc = err_set(err, ENOENT, "the guest isn't paged");
	} else {
		guest->record.limit_kib = limit_kib;
		use_limit(guest);
		rc = guest_record_write(guest->directory, &guest->record, err);
	}
	pthread_mutex_unlock(&guest->pager_lock);
	return rc;
}

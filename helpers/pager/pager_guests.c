// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The table of paged guests, the requests about them, and the watch over their QEMUs.
 */
#include "pager/pager_guests.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "pager/adopt_refusal.h"
#include "pager/detached_thread.h"
#include "pager/guests_pressure.h"
#include "pager/guests_status.h"
#include "pager/paged_guest.h"
#include "pager/tier_file.h"
#include "pager/tier_owner.h"
#include "pager/tier_store.h"

/* After a failure to take a guest over */
#define TRY_AGAIN_MS 2000

/* A QEMU that is ending is waited for so often */
#define GONE_MS 20

/* Whatever limit we were started with: taking a guest over has buffers of many pages */
#define THREAD_STACK ((size_t)4 * 1024 * 1024)

/* A process that ends has no memory any more a moment before */
#define ENDS_MS 2000

/* How often two guests' memory is looked for in the maps of all processes: tens of milliseconds
 * each */
#define LOOK_MS	      9000
#define LOOKS_AT_ONCE 2

/* The longest time between two looks at the table, and that one while a thread has a guest with
 * which something happens.  While nothing does the daemon wakes up no more often */
enum { TICK_MS = 10000, BUSY_TICK_MS = 1000 };

/* How long a page is not used that is idle; less while memory is short */
#define IDLE_MS 30000

/* How long the end of the daemon waits for disks */
#define DISK_MS 500

/* From a thread's end to the client's reading of the reply, on a busy host */
#define REPLY_MS 250

/* No client waits for what the daemon begins by itself */
#define OWN_DEADLINE_MS 60000

/**
 * struct place - A guest in the table
 * @state:	What is done with it, for status
 * @busy:	A thread has it
 * @only_looked_at: That thread changes nothing: it looks for idle pages
 * @again:	clock_ms(): when the next try to take it over is due
 * @idle_looked: clock_ms(): when its idle pages were looked for; 0: not yet
 * @share:	What it gives while the host is short of memory.  The loop's
 */
struct place {
	struct place *next;
	struct pager_guests *guests;
	struct paged_guest *guest;
	enum guest_state state;
	bool busy, only_looked_at;
	uint64_t again;
	uint64_t idle_looked;
	struct pressure_guest share;
};

/**
 * struct pager_guests
 * @lock:	Protects the list, its places' states, and @threads
 * @changed:	A place is no longer busy, or a thread has ended
 * @first:	By UUID, rising
 * @epoll:	Of the QEMUs' pidfds, each once
 * @threads:	That the table has begun by itself
 * @looking:	One of them looks who else maps the memory of guest @looked_at
 * @look_again: clock_ms(): when the next one is due
 * @pressure:	Of the host's memory.  The loop's, and read by status with @lock held
 */
struct pager_guests {
	struct pager_host host;
	uint64_t host_kib, idle_ms;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct place *first;
	int epoll;
	unsigned int threads;
	bool stopping;
	bool looking;
	uint64_t look_again;
	char looked_at[PAGER_UUID_SIZE];
	struct guests_pressure pressure;
};

/* ---- the table ---- */

static struct place **find_link(struct pager_guests *guests, const char *uuid)
{
	struct place **link = &guests->first;

	while (*link && strcmp((*link)->guest->uuid, uuid) < 0)
		link = &(*link)->next;
	return link;
}

static void log_about(const struct paged_guest *guest, const char *operation)
{
	log_context(guest->record.name, operation);
	log_uuid(guest->uuid);
}

static struct place *find(struct pager_guests *guests, const char *uuid)
{
	struct place *place = *find_link(guests, uuid);

	return place && !strcmp(place->guest->uuid, uuid) ? place : NULL;
}

/* The caller has the lock, and the guest */
static struct place *insert(struct pager_guests *guests, const char *uuid, enum guest_state state)
{
	struct place **link = find_link(guests, uuid), *place = calloc(1, sizeof(*place));

	if (!place)
		return NULL;
	*place = (struct place){ .guests = guests,
				 .guest = paged_guest_new(&guests->host, uuid),
				 .state = state,
				 .busy = true,
				 .next = *link };
	if (!place->guest) {
		free(place);
		return NULL;
	}
	*link = place;
	return place;
}

/* With the lock.  False at the deadline */
static bool wait_changed(struct pager_guests *guests, uint64_t deadline)
{
	const struct timespec until = {
		.tv_sec = (time_t)(deadline / 1000),
		.tv_nsec = (long)(deadline % 1000) * 1000000,
	};

	return pthread_cond_timedwait(&guests->changed, &guests->lock, &until) == 0;
}

/**
 * acquire() - Have a guest, once no other thread has it
 * @new_state:	Of a guest that is not in the table: it is put there.  STATE_NONE: it isn't
 *
 * Return: 0; *@place is NULL for a guest that is not there; -ETIMEDOUT; -ENOMEM
 */
static int acquire(struct pager_guests *guests, const char *uuid, enum guest_state new_state,
		   uint64_t deadline, struct place **place, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&guests->lock);
	while ((*place = find(guests, uuid)) && (*place)->busy && rc == 0)
		if (!wait_changed(guests, deadline))
			rc = err_set(err, ETIMEDOUT,
				     "the pager is busy with the guest and did not finish in time");
	if (rc == 0 && *place)
		(*place)->busy = true;
	if (rc == 0 && !*place && new_state != STATE_NONE) {
		*place = insert(guests, uuid, new_state);
		rc = *place ? 0 : err_nomem(err);
	}
	pthread_mutex_unlock(&guests->lock);
	return rc;
}

static void set_state(struct place *place, enum guest_state state)
{
	pthread_mutex_lock(&place->guests->lock);
	place->state = state;
	pthread_mutex_unlock(&place->guests->lock);
}

static void let_go(struct place *place, enum guest_state state)
{
	struct pager_guests *guests = place->guests;

	pthread_mutex_lock(&guests->lock);
	place->state = state;
	place->busy = place->only_looked_at = false;
	pthread_cond_broadcast(&guests->changed);
	pthread_mutex_unlock(&guests->lock);
}

/* The guest is none any more.  With the last one the tmpfs goes */
static void take_out(struct place *place)
{
	struct pager_guests *guests = place->guests;
	struct pager_host *host = &guests->host;
	struct err err;

	pthread_mutex_lock(&guests->lock);
	*find_link(guests, place->guest->uuid) = place->next;
	pthread_mutex_lock(&host->lock);
	if (!guests->first && pager_directory_leave(&host->directory, &err) < 0)
		log_warning("%s", err.text);
	pthread_mutex_unlock(&host->lock);
	pthread_cond_broadcast(&guests->changed);
	pthread_mutex_unlock(&guests->lock);
	paged_guest_free(place->guest);
	free(place);
}

/* Its end makes @epoll readable */
static void watch(struct place *place)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };

	/* Without it the tick sees the end, up to a second later */
	if (place->guest->pidfd >= 0)
		epoll_ctl(place->guests->epoll, EPOLL_CTL_ADD, place->guest->pidfd, &event);
}

/* ---- taking over ---- */

/* The caller has the guest, and no thread has it afterwards.  Return: 0, -ESRCH: it is none any
 * more, -errno: it waits */
static int take_over(struct place *place, uint64_t deadline, struct err *err)
{
	int rc;

	log_about(place->guest, "take over");
	rc = paged_guest_take_over(place->guest, deadline, err);
	/* The record says its name */
	log_about(place->guest, "take over");
	if (rc == -ESRCH) {
		log_info("what the pager before left of it is removed: %s", err->text);
		take_out(place);
	} else if (rc < 0) {
		place->again = clock_ms() + TRY_AGAIN_MS;
		let_go(place, STATE_WAITING);
	} else {
		log_info("is paged again");
		watch(place);
		let_go(place, STATE_PAGING);
	}
	return rc;
}

/* ---- threads of our own ---- */

/* The daemon ends once none is left */
static void thread_ends(struct pager_guests *guests)
{
	pthread_mutex_lock(&guests->lock);
	guests->threads--;
	pthread_cond_broadcast(&guests->changed);
	pthread_mutex_unlock(&guests->lock);
}

static void *take_over_thread(void *arg)
{
	struct place *place = arg;
	struct pager_guests *guests = place->guests;
	struct err err = { "" };

	pthread_setname_np(pthread_self(), "pager-take-over");
	take_over(place, clock_ms() + OWN_DEADLINE_MS, &err);
	thread_ends(guests);
	return NULL;
}

static bool ends_soon(int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	return pidfd < 0 || poll(&end, 1, ENDS_MS) != 0;
}

static void end_guest(struct place *place)
{
	struct paged_guest *guest = place->guest;

	log_about(guest, "end");
	if (ends_soon(guest->pidfd))
		log_info("QEMU has ended; what was kept of its memory is given back");
	else
		log_error("process %llu runs on without the memory that was paged: it executes "
			  "another program, and what was out of that memory is lost",
			  (unsigned long long)guest->record.pid);
	paged_guest_end(guest);
	take_out(place);
}

static void *end_thread(void *arg)
{
	struct place *place = arg;
	struct pager_guests *guests = place->guests;

	pthread_setname_np(pthread_self(), "pager-end");
	end_guest(place);
	thread_ends(guests);
	return NULL;
}

static void *idle_thread(void *arg)
{
	struct place *place = arg;
	struct pager_guests *guests = place->guests;

	pthread_setname_np(pthread_self(), "pager-idle");
	paged_guest_sample_idle(place->guest);
	let_go(place, STATE_PAGING);
	thread_ends(guests);
	return NULL;
}

/* What was plugged in and is not paged */
static void say_left(uint64_t pages, const char *why, char *sentence)
{
	char size[TEXT_KIB_SIZE];

	if (pages)
		snprintf(sentence, PAGER_SENTENCE_SIZE,
			 "%s of memory were plugged in and are not paged, but stay as they are: "
			 "%.500s",
			 text_from_kib(pages * (PAGE_BYTES / 1024), size), why);
}

static void say_left_now(struct paged_guest *guest)
{
	char sentence[PAGER_SENTENCE_SIZE] = "", why[PAGER_SENTENCE_SIZE];
	uint64_t pages = paged_guest_left(guest, why);

	say_left(pages, why, sentence);
	if (pages)
		paged_guest_set_danger(guest, sentence);
}

/* A guest whose memory is another now: left, and taken over again, as after a kill.  Meanwhile our
 * copies of its descriptors must not be the last ones that go */
static void *restart_thread(void *arg)
{
	struct place *place = arg;
	struct pager_guests *guests = place->guests;
	struct err err = { "" };
	struct adopted held;

	pthread_setname_np(pthread_self(), "pager-restart");
	log_about(place->guest, "page");
	if (paged_guest_must_restart(place->guest, &held)) {
		log_info("memory was plugged in or unplugged");
		/* This process goes on with what its disk is told to write */
		paged_guest_leave(place->guest, CLOCK_NEVER);
		take_over(place, clock_ms() + OWN_DEADLINE_MS, &err);
		adopted_close(&held);
	} else {
		say_left_now(place->guest);
		let_go(place, STATE_PAGING);
	}
	thread_ends(guests);
	return NULL;
}

/* The first look comes a while after the adoption, which has other work for the thread */
static bool idle_is_due(struct place *place)
{
	const struct pager_guests *guests = place->guests;
	uint64_t now = clock_ms();
	bool first = !place->idle_looked;

	if (!first &&
	    now - place->idle_looked <
		    guests_pressure_sample_ms(&guests->pressure, &place->share, guests->idle_ms))
		return false;
	place->idle_looked = now;
	return !first;
}

/* With the lock.  No thread has @place yet.  One that can't be started now is started
 * by a later tick */
static void begin(struct place *place, void *(*work)(void *), enum guest_state state)
{
	place->busy = true;
	place->only_looked_at = work == idle_thread;
	place->state = state;
	place->guests->threads++;
	if (detached_thread(work, place, THREAD_STACK)) {
		place->busy = place->only_looked_at = false;
		place->again = clock_ms() + TRY_AGAIN_MS;
		place->guests->threads--;
	}
}

static void look_after(struct place *place)
{
	if (place->busy)
		return;
	if (place->state == STATE_WAITING && !clock_left_ms(place->again))
		begin(place, take_over_thread, STATE_WAITING);
	else if (place->state == STATE_ENDING ||
		 (place->state == STATE_PAGING && paged_guest_gone(place->guest)))
		begin(place, end_thread, STATE_ENDING);
	else if (place->state == STATE_PAGING && idle_is_due(place))
		begin(place, idle_thread, STATE_PAGING);
}

/* ---- what would lose pages of a guest, and what no message tells ---- */

/* Whose memory and userfaultfd are looked for.  @left: pages that are known not to be paged */
struct look {
	struct pager_guests *guests;
	char uuid[PAGER_UUID_SIZE];
	uint64_t pid;
	struct ram ram;
	struct map_identity identity;
	uint64_t left;
	char why[PAGER_SENTENCE_SIZE];
};

static bool is_same(struct paged_guest *guest, const struct look *look)
{
	struct map_identity identity;

	return paged_guest_identity(guest, &identity) && identity.pid == look->identity.pid &&
	       identity.uffd == look->identity.uffd &&
	       identity.pipe_ino[0] == look->identity.pipe_ino[0];
}

/* The same guest may have ended meanwhile, or begun anew */
static void report(const struct look *look, const char *sentence)
{
	struct pager_guests *guests = look->guests;
	struct place *place;

	pthread_mutex_lock(&guests->lock);
	place = find(guests, look->uuid);
	if (place && place->state == STATE_PAGING && is_same(place->guest, look))
		paged_guest_set_danger(place->guest, sentence);
	pthread_mutex_unlock(&guests->lock);
}

/* 1: @sentence says by which process */
static int look_for_mapper(const struct look *look, char *sentence)
{
	pid_t other = 0;
	int rc = ram_other_mapper(look->guests->host.kfs, (pid_t)look->pid, &look->ram, &other,
				  NULL);

	if (rc == 1)
		snprintf(sentence, PAGER_SENTENCE_SIZE,
			 "process %d maps the guest's memory, and reads zeros where pages are out: "
			 "release the guest, or end that process",
			 (int)other);
	return rc;
}

/*
 * Is what the next daemon needs still open in QEMU?  Asked as that one will: our own copies go on
 * working when QEMU has closed its descriptors, and with the last copy holes would read as zeros.
 *
 * Return: 0; -ESTALE: it isn't; another -errno: it can't be told
 */
static int find_descriptors(const struct map_identity *identity, struct err *err)
{
	struct adopted copies;
	int rc = adopted_find(&copies, identity, err);

	if (rc == 0)
		adopted_close(&copies);
	return rc;
}

/* Return: 0; -errno: it can't be told */
static int look_for_descriptors(const struct look *look, char *sentence)
{
	struct err err;
	int rc = find_descriptors(&look->identity, &err);

	if (rc == -ESTALE)
		snprintf(sentence, PAGER_SENTENCE_SIZE,
			 "QEMU has closed what keeps its pages for the next pager, and this one "
			 "can't end before the guest is released: release it (%.200s)",
			 err.text);
	/* One that has ended is no danger */
	return rc == -ESTALE || rc == -ESRCH ? 0 : rc;
}

static void look_once(const struct look *look)
{
	char sentence[PAGER_SENTENCE_SIZE] = "";
	int rc = look_for_mapper(look, sentence);

	if (rc == 0)
		rc = look_for_descriptors(look, sentence);
	if (rc == 0 && !*sentence)
		say_left(look->left, look->why, sentence);
	/* What can't be told now leaves standing what was told before */
	if (rc >= 0)
		report(look, sentence);
}

/* The one after the last, and after all of them the first again */
static const struct place *next_to_look(struct pager_guests *guests)
{
	const struct place *place, *first = NULL;

	for (place = guests->first; place; place = place->next) {
		if (place->state != STATE_PAGING || place->busy)
			continue;
		if (strcmp(place->guest->uuid, guests->looked_at) > 0)
			return place;
		if (!first)
			first = place;
	}
	return first;
}

/* With the lock.  False: it is not paged now */
static bool fill_look(struct look *look, const struct place *place)
{
	if (!paged_guest_identity(place->guest, &look->identity))
		return false;
	memcpy(look->uuid, place->guest->uuid, sizeof(look->uuid));
	look->pid = paged_guest_record(place->guest).pid;
	look->ram = paged_guest_ram(place->guest);
	look->left = paged_guest_left(place->guest, look->why);
	return true;
}

/* With the lock.  False: there is none */
static bool choose_look(struct pager_guests *guests, struct look *look)
{
	const struct place *place = next_to_look(guests);

	look->guests = guests;
	if (!place || !fill_look(look, place))
		return false;
	memcpy(guests->looked_at, look->uuid, sizeof(look->uuid));
	return true;
}

/* ---- memory that was plugged in or unplugged ---- */

/* Behind @uuid.  False: there is none */
static bool next_memory(struct pager_guests *guests, const char *uuid, struct look *look)
{
	const struct place *place;
	bool found = false;

	pthread_mutex_lock(&guests->lock);
	for (place = guests->first; place && !found && !guests->stopping; place = place->next)
		found = place->state == STATE_PAGING && !place->busy &&
			strcmp(place->guest->uuid, uuid) > 0 && fill_look(look, place);
	pthread_mutex_unlock(&guests->lock);
	return found;
}

static void report_change(const struct look *look)
{
	struct pager_guests *guests = look->guests;
	struct place *place;

	pthread_mutex_lock(&guests->lock);
	place = find(guests, look->uuid);
	if (place && !guests->stopping && place->state == STATE_PAGING && !place->busy &&
	    is_same(place->guest, look))
		begin(place, restart_thread, STATE_PAGING);
	pthread_mutex_unlock(&guests->lock);
}

/* Of all guests: of each it takes a millisecond */
static void look_for_changes(struct pager_guests *guests)
{
	char uuid[PAGER_UUID_SIZE] = "";
	struct look look = { .guests = guests };
	uint64_t more, gone;

	while (next_memory(guests, uuid, &look)) {
		memcpy(uuid, look.uuid, sizeof(uuid));
		if (ram_changes(&look.ram, guests->host.kfs, (pid_t)look.pid, &more, &gone) == 0 &&
		    (gone || more != look.left))
			report_change(&look);
	}
}

/* Another guest than the last one */
static bool look_at_another(struct look *look)
{
	struct pager_guests *guests = look->guests;
	char last[PAGER_UUID_SIZE];
	bool another;

	memcpy(last, look->uuid, sizeof(last));
	pthread_mutex_lock(&guests->lock);
	another = !guests->stopping && choose_look(guests, look) && strcmp(last, look->uuid) != 0;
	pthread_mutex_unlock(&guests->lock);
	return another;
}

static void *look_thread(void *arg)
{
	struct look *look = arg;
	struct pager_guests *guests = look->guests;
	unsigned int looks = 1;

	pthread_setname_np(pthread_self(), "pager-look");
	look_for_changes(guests);
	look_once(look);
	while (looks++ < LOOKS_AT_ONCE && look_at_another(look))
		look_once(look);
	free(look);
	pthread_mutex_lock(&guests->lock);
	guests->looking = false;
	guests->threads--;
	pthread_cond_broadcast(&guests->changed);
	pthread_mutex_unlock(&guests->lock);
	return NULL;
}

/* With the lock.  One guest after the other: the maps of all processes are read */
static void look_for_danger(struct pager_guests *guests)
{
	struct look *look;

	if (!guests->first || guests->looking || clock_left_ms(guests->look_again))
		return;
	look = calloc(1, sizeof(*look));
	if (!look || !choose_look(guests, look)) {
		free(look);
		return;
	}
	guests->look_again = clock_ms() + LOOK_MS;
	guests->looking = true;
	guests->threads++;
	if (detached_thread(look_thread, look, THREAD_STACK)) {
		guests->looking = false;
		guests->threads--;
		free(look);
	}
}

/* ---- a host that is short of memory ---- */

static size_t list_sharing(struct pager_guests *guests, struct sharing_guest *list, size_t max)
{
	struct place *place;
	size_t n = 0;

	for (place = guests->first; place; place = place->next)
		if (place->state == STATE_PAGING) {
			if (n < max)
				list[n] = (struct sharing_guest){ place->guest, &place->share };
			n++;
		}
	return n;
}

/* With the lock.  What the kernel tells of stalls is gone once the loop has heard it, so that each
 * tick that comes early may be for it */
static void share_memory(struct pager_guests *guests)
{
	size_t n = list_sharing(guests, NULL, 0);
	struct sharing_guest *list;

	if (clock_left_ms(guests->pressure.due) &&
	    clock_ms() - guests->pressure.looked < PRESSURE_SOON_MS)
		return;
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		return;
	list_sharing(guests, list, n);
	guests_pressure_look(&guests->pressure, list, n);
	free(list);
}

void pager_guests_set_pressure(struct pager_guests *guests,
			       const struct config_overcommit *overcommit)
{
	struct epoll_event event = { .events = EPOLLPRI };

	pthread_mutex_lock(&guests->lock);
	guests_pressure_set(&guests->pressure, overcommit);
	pthread_mutex_unlock(&guests->lock);
	/* Once; where it can't be watched looks come by time alone */
	if (guests->pressure.memory.trigger >= 0)
		epoll_ctl(guests->epoll, EPOLL_CTL_ADD, guests->pressure.memory.trigger, &event);
}

/* Its thread's end, or what comes next, is seen by a look.  The end of a guest is told once only,
 * and a thread may have had it then */
static bool is_looked_after_soon(const struct place *place)
{
	if (place->state != STATE_PAGING)
		return true;
	return place->busy && (!place->only_looked_at || paged_guest_gone(place->guest));
}

/* Until something is due that no descriptor tells of.  With the lock */
static uint64_t next_tick(struct pager_guests *guests)
{
	uint64_t ms = u64_min(clock_together_ms(TICK_MS), clock_left_ms(guests->pressure.due));
	const struct place *place;

	for (place = guests->first; place; place = place->next)
		if (is_looked_after_soon(place))
			ms = u64_min(ms, BUSY_TICK_MS);
	return ms;
}

uint64_t pager_guests_tick(void *arg)
{
	struct pager_guests *guests = arg;
	struct epoll_event events[16];
	struct place *place;
	uint64_t ms;

	/* One shot each: which they are is seen below */
	while (epoll_wait(guests->epoll, events, ARRAY_SIZE(events), 0) == ARRAY_SIZE(events))
		;
	pthread_mutex_lock(&guests->lock);
	for (place = guests->first; place && !guests->stopping; place = place->next)
		look_after(place);
	if (!guests->stopping) {
		look_for_danger(guests);
		share_memory(guests);
	}
	ms = next_tick(guests);
	pthread_mutex_unlock(&guests->lock);
	return ms;
}

/* ---- requests ---- */

/* Some time before the client's: it is to hear why, and not only that it was too long */
static uint64_t deadline_of(const struct pager_request *request)
{
	uint64_t margin = u64_min(request->deadline_ms / 4, REPLY_MS);

	return clock_ms() + request->deadline_ms - margin;
}

/* Paged already: the process must be the same */
static int adopt_again(struct place *place, const struct pager_request *request, struct err *err)
{
	struct paged_guest *guest = place->guest;
	int rc;

	if (guest->record.pid == request->pid)
		rc = paged_guest_set_limit(guest, request->limit_kib, err);
	else
		rc = err_set(err, EEXIST,
			     "process %llu is paged as this guest, and it has not ended",
			     (unsigned long long)guest->record.pid);
	let_go(place, STATE_PAGING);
	return rc;
}

static int adopt_new(struct place *place, const struct pager_request *request, uint64_t deadline,
		     struct err *err)
{
	int rc = paged_guest_adopt(place->guest, request, deadline, err);
	char size[TEXT_KIB_SIZE];

	if (rc < 0) {
		log_warning("not paged: %s", err->text);
		take_out(place);
		return rc;
	}
	log_event(LOG_EVENT_PAGED, "is paged now, with %s resident",
		  text_from_kib(request->limit_kib, size));
	watch(place);
	let_go(place, STATE_PAGING);
	return 0;
}

/* Ends the guest of an earlier start, and takes over one that waits since an earlier daemon.
 * Return: 0: acquire() the place once more; -errno */
static int settle(struct place *place, uint64_t deadline, struct err *err)
{
	int rc;

	if (place->state != STATE_WAITING) {
		end_guest(place);
		return 0;
	}
	rc = take_over(place, deadline, err);
	return rc == -ESRCH ? 0 : rc;
}

static int adopt_guest(struct pager_guests *guests, const struct pager_request *request,
		       struct err *err)
{
	uint64_t deadline = deadline_of(request);

	for (;;) {
		struct place *place;
		int rc = acquire(guests, request->uuid, STATE_ADOPTING, deadline, &place, err);

		if (rc < 0)
			return rc;
		log_context(request->name, "adopt");
		log_uuid(request->uuid);
		if (place->state == STATE_ADOPTING)
			return adopt_new(place, request, deadline, err);
		if (place->state == STATE_PAGING && !paged_guest_gone(place->guest))
			return adopt_again(place, request, err);
		rc = settle(place, deadline, err);
		if (rc < 0)
			return rc;
	}
}

static int release_paged(struct place *place, uint64_t deadline, struct err *err)
{
	int rc;

	set_state(place, STATE_RELEASING);
	rc = paged_guest_release(place->guest, deadline, err);
	if (rc == 0)
		take_out(place);
	else
		let_go(place, STATE_PAGING);
	return rc;
}

static int release_guest(struct pager_guests *guests, const struct pager_request *request,
			 struct err *err)
{
	uint64_t deadline = deadline_of(request);

	for (;;) {
		struct place *place;
		int rc = acquire(guests, request->uuid, STATE_NONE, deadline, &place, err);

		if (rc < 0 || !place)
			return rc;
		log_about(place->guest, "release");
		if (place->state == STATE_PAGING)
			return release_paged(place, deadline, err);
		rc = settle(place, deadline, err);
		if (rc < 0)
			return rc;
	}
}

/* libvirt's hooks come when QEMU is as good as gone */
static int forget_guest(struct pager_guests *guests, const struct pager_request *request,
			struct err *err)
{
	uint64_t deadline = deadline_of(request);
	struct place *place;
	int rc = acquire(guests, request->uuid, STATE_NONE, deadline, &place, err);
	bool gone;

	if (rc < 0 || !place)
		return rc;
	while (!(gone = paged_guest_gone(place->guest)) && clock_left_ms(deadline))
		clock_sleep_ms(GONE_MS);
	if (gone) {
		end_guest(place);
		return 0;
	}
	let_go(place, place->state);
	return err_set(err, EBUSY, "its QEMU has not ended");
}

static int set_limit(struct pager_guests *guests, const struct pager_request *request,
		     struct err *err)
{
	uint64_t deadline = deadline_of(request);
	struct place *place;
	int rc;

	pthread_mutex_lock(&guests->lock);
	/* A thread that looks at a paged guest has it for some milliseconds */
	do
		place = find(guests, request->uuid);
	while (place && place->busy && place->state == STATE_PAGING &&
	       wait_changed(guests, deadline));
	if (!place)
		rc = err_set(err, ENOENT, "the guest isn't paged");
	else if (place->busy || place->state != STATE_PAGING)
		rc = err_set(err, EBUSY, "the guest is %s: try again later",
			     guest_state_name(place->state));
	else
		rc = paged_guest_set_limit(place->guest, request->limit_kib, err);
	pthread_mutex_unlock(&guests->lock);
	return rc;
}

/* ---- status ---- */

/* As many as a message takes */
static json_t *status(struct pager_guests *guests, const char *after)
{
	struct guests_status status;
	const struct place *place;

	guests_status_begin(&status, &guests->pressure);
	pthread_mutex_lock(&guests->lock);
	for (place = *find_link(guests, after); place; place = place->next) {
		if (!strcmp(place->guest->uuid, after))
			continue;
		if (!guests_status_add(&status, place->guest, place->state))
			break;
	}
	pthread_mutex_unlock(&guests->lock);
	return guests_status_end(&status, &guests->host.budgets);
}

json_t *pager_guests_answer(void *arg, const struct pager_request *request)
{
	struct pager_guests *guests = arg;
	struct err err = { "" };
	int rc = 0;

	switch (request->action) {
	case PAGER_ADOPT:
		rc = adopt_guest(guests, request, &err);
		break;
	case PAGER_SET:
		rc = set_limit(guests, request, &err);
		break;
	case PAGER_RELEASE:
		rc = release_guest(guests, request, &err);
		break;
	case PAGER_FORGET:
		rc = forget_guest(guests, request, &err);
		break;
	case PAGER_STATUS:
		return status(guests, request->uuid);
	case PAGER_HELLO:
		break;
	}
	log_context(NULL, NULL);
	return pager_reply(-rc, err.text);
}

/* ---- begin and end ---- */

static void init_locks(struct pager_guests *guests)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&guests->lock, NULL);
	pthread_mutex_init(&guests->host.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&guests->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static int new_stores(struct tier_budgets *budgets, const struct kfs *kfs)
{
	struct tier_owner us;
	int rc = tier_stores_new(&budgets->stores, kfs->rootfd);

	/* Without it no guest gets a file in a directory, and an alarm says so then */
	if (rc == 0 && tier_owner_read(kfs, &us, NULL) == 0)
		tier_stores_set_owner(budgets->stores, &us);
	return rc;
}

int pager_guests_new(struct pager_guests **guests, const struct pager_guests_options *options,
		     struct err *err)
{
	struct pager_guests *new = calloc(1, sizeof(*new));
	int rc;

	if (!new)
		return err_nomem(err);
	new->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (new->epoll < 0) {
		free(new);
		return err_sys(err, errno, "cannot watch processes");
	}
	rc = new_stores(&new->host.budgets, options->kfs);
	if (rc < 0) {
		close(new->epoll);
		free(new);
		return err_nomem(err);
	}
	new->host.kfs = options->kfs;
	new->host.directory = PAGER_DIRECTORY_CLOSED(options->state_dir);
	new->host.adopt_program = options->adopt_program;
	new->idle_ms = options->idle_ms ? options->idle_ms : IDLE_MS;
	new->host_kib = options->host_kib;
	init_locks(new);
	guests_pressure_open(&new->pressure, options->kfs, options->host_kib);
	pager_guests_set_tiers(new, options->tiers,
			       options->overcommit && options->overcommit->encrypt == ENCRYPT_YES);
	if (options->overcommit)
		pager_guests_set_pressure(new, options->overcommit);
	*guests = new;
	return 0;
}

void pager_guests_set_tiers(struct pager_guests *guests, const struct config_tiers *tiers,
			    bool encrypt)
{
	struct pager_host *host = &guests->host;
	struct err err;

	pthread_mutex_lock(&host->lock);
	tier_budgets_set(&host->budgets, tiers, encrypt, guests->host_kib);
	host->file_bytes = tier_budgets_file_bytes(&host->budgets, guests->host_kib);
	if (host->directory.fd >= 0 &&
	    pager_directory_mount(&host->directory, host->file_bytes, &err) < 0)
		log_warning("%s", err.text);
	pthread_mutex_unlock(&host->lock);
}

static void find_one(struct pager_guests *guests, const char *uuid)
{
	struct place *place;

	pthread_mutex_lock(&guests->lock);
	place = insert(guests, uuid, STATE_WAITING);
	if (place)
		begin(place, take_over_thread, STATE_WAITING);
	pthread_mutex_unlock(&guests->lock);
}

/* Before one of them, or another guest, can get what is another's */
static bool reserve_one(struct pager_host *host, const char *uuid)
{
	struct err err = { "" };
	cleanup_close int directory = pager_directory_open(&host->directory, uuid, &err);

	if (directory >= 0 && tier_file_reserve(directory, host->budgets.stores, &err) == 0)
		return true;
	log_error("guest %s: its pages in a file: %s", uuid, err.text);
	return false;
}

int pager_guests_find(struct pager_guests *guests, struct err *err)
{
	struct pager_host *host = &guests->host;
	char(*uuids)[PAGER_UUID_SIZE] = NULL;
	size_t n = 0, i, reserved = 0;
	int rc = pager_directory_find(&host->directory, err);

	if (rc == -ENOENT) {
		tier_stores_know_all(host->budgets.stores);
		return 0;
	}
	if (rc == 0)
		rc = pager_directory_mount(&host->directory, host->file_bytes, err);
	if (rc == 0)
		rc = pager_directory_guests(&host->directory, &uuids, &n, err);
	for (i = 0; rc == 0 && i < n; i++)
		reserved += reserve_one(host, uuids[i]);
	if (rc == 0 && reserved == n)
		tier_stores_know_all(host->budgets.stores);
	for (i = 0; rc == 0 && i < n; i++)
		find_one(guests, uuids[i]);
	free(uuids);
	return rc < 0 ? rc : (int)n;
}

int pager_guests_fd(const struct pager_guests *guests)
{
	return guests->epoll;
}

unsigned int pager_guests_count(struct pager_guests *guests)
{
	const struct place *place;
	unsigned int n = 0;

	pthread_mutex_lock(&guests->lock);
	for (place = guests->first; place; place = place->next)
		n++;
	pthread_mutex_unlock(&guests->lock);
	return n;
}

bool pager_guests_idle(void *arg)
{
	struct pager_guests *guests = arg;
	bool idle;

	pthread_mutex_lock(&guests->lock);
	/* What guests have left on a disk may be on its way */
	idle = !guests->first && !guests->threads && !tier_stores_busy(guests->host.budgets.stores);
	pthread_mutex_unlock(&guests->lock);
	return idle;
}

static bool any_busy(const struct pager_guests *guests)
{
	const struct place *place;

	for (place = guests->first; place; place = place->next)
		if (place->busy)
			return true;
	return guests->threads != 0;
}

/* The next paged guest behind this UUID, in its place.  False: there is none */
static bool next_paged(struct pager_guests *guests, char uuid[PAGER_UUID_SIZE],
		       struct map_identity *identity)
{
	const struct place *place;
	bool found = false;

	pthread_mutex_lock(&guests->lock);
	for (place = guests->first; place && !found; place = place->next)
		if (strcmp(place->guest->uuid, uuid) > 0 &&
		    paged_guest_identity(place->guest, identity)) {
			memcpy(uuid, place->guest->uuid, PAGER_UUID_SIZE);
			found = true;
		}
	pthread_mutex_unlock(&guests->lock);
	return found;
}

/* Other threads may have ended it meanwhile, or be about to */
static int release_before_end(struct pager_guests *guests, const char *uuid, uint64_t deadline,
			      struct err *err)
{
	struct place *place;
	int rc = acquire(guests, uuid, STATE_NONE, deadline, &place, err);

	if (rc < 0 || !place)
		return rc;
	log_about(place->guest, "release");
	if (place->state == STATE_PAGING) {
		rc = release_paged(place, deadline, err);
		log_context(NULL, NULL);
		return rc;
	}
	let_go(place, place->state);
	log_context(NULL, NULL);
	return 0;
}

int pager_guests_may_end(struct pager_guests *guests, uint64_t deadline, struct err *err)
{
	char uuid[PAGER_UUID_SIZE] = "";
	struct map_identity identity;
	int rc = 0;

	while (rc == 0 && next_paged(guests, uuid, &identity)) {
		if (find_descriptors(&identity, err) != -ESTALE)
			continue;
		log_warning("guest %s is released: its QEMU has closed what keeps its pages for "
			    "the next pager (%s)",
			    uuid, err->text);
		rc = release_before_end(guests, uuid, deadline, err);
	}
	if (rc < 0)
		err_prefix(err, rc,
			   "guest %s would lose its pages that are out: its QEMU has closed what "
			   "keeps them for the next pager, and it can't be released",
			   uuid);
	return rc;
}

/* Together: one after the other they would wait long for a disk that does not answer */
static bool leave_all(struct pager_guests *guests)
{
	uint64_t deadline = clock_ms() + DISK_MS;
	struct place *place, *next;
	bool all = true;

	for (place = guests->first; place; place = place->next)
		paged_guest_end_soon(place->guest);
	for (place = guests->first; place; place = next) {
		next = place->next;
		if (!paged_guest_leave(place->guest, deadline)) {
			all = false;
			continue;
		}
		paged_guest_free(place->guest);
		free(place);
	}
	guests->first = NULL;
	return all;
}

bool pager_guests_stop(struct pager_guests *guests, uint64_t deadline)
{
	bool busy;

	pthread_mutex_lock(&guests->lock);
	guests->stopping = true;
	while ((busy = any_busy(guests)) && wait_changed(guests, deadline))
		;
	pthread_mutex_unlock(&guests->lock);
	if (busy)
		return false;
	if (!leave_all(guests) || tier_stores_busy(guests->host.budgets.stores))
		return false;
	pager_directory_close(&guests->host.directory);
	guests_pressure_close(&guests->pressure);
	tier_stores_free(guests->host.budgets.stores);
	close(guests->epoll);
	pthread_cond_destroy(&guests->changed);
	pthread_mutex_destroy(&guests->lock);
	pthread_mutex_destroy(&guests->host.lock);
	free(guests);
	return true;
}

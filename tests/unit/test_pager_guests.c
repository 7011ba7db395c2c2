// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The table of paged guests, on an engine that is none: what this file defines of adoption.h,
 * adopt_refusal.h, ram.h, page_map.h and guest_pager.h is what pager_guests.c is linked with.
 * Processes and files are real.
 */
#include "pager/pager_guests.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "pager/adopt_refusal.h"
#include "pager/adoption.h"
#include "pager/guest_pager.h"
#include "pager/guest_record.h"
#include "pager/page_map.h"
#include "pager/pager_directory.h"
#include "unit/own_disk.h"
#include "unit/unit.h"

#define UUID_A "aaaaaaaa-cdaf-9455-926a-d65c16db1809"
#define UUID_B "bbbbbbbb-cdaf-9455-926a-d65c16db1809"

/* ---- the engine that is none ---- */

/* What it answers, and what was called */
static struct {
	_Atomic int refusal, adopt, start, map, find, ram, resume, detach;
	_Atomic int phase;
	_Atomic unsigned int adopt_ms;
	_Atomic int adopted, withdrawn, started, stopped, detached, resumed;
	_Atomic int settled, cleaned, rest;
	_Atomic uint64_t limit;
	_Atomic int mapper, sampled, forgotten, looked;
	_Atomic uint64_t plugged_in, unplugged, not_paged;
	_Atomic bool gone;
	void (*alarm)(void *arg, const char *sentence);
	void *alarm_arg;
} engine;

struct guest_pager {
	struct adopted adopted;
};

struct page_map {
	struct map_identity identity;
};

/* Half a minute, but in one test, which has a process of its own */
static uint64_t idle_ms;

static int failing(int rc, const char *what, struct err *err)
{
	return rc ? err_set(err, -rc, "%s fails", what) : 0;
}

int adopt_refusal(const struct kfs *kfs, pid_t pid, const struct ram *ram, struct err *err)
{
	(void)kfs;
	(void)pid;
	(void)ram;
	return failing(engine.refusal, "refusal", err);
}

int ram_changes(const struct ram *known, const struct kfs *kfs, pid_t pid, uint64_t *more,
		uint64_t *gone)
{
	(void)kfs;
	(void)pid;
	CU_ASSERT(known->n == 1 && known->object[0].fd == -1);
	*more = engine.plugged_in;
	*gone = engine.unplugged;
	return 0;
}

int ram_open_again(struct ram *ram, const struct ram *known, pid_t pid, struct ram_left *left,
		   struct err *err)
{
	(void)pid;
	CU_ASSERT(known->n == 1);
	*left = (struct ram_left){ .pages = engine.not_paged, .why = { "it is private" } };
	*ram = (struct ram){ .n = 1, .object = { { .fd = 7 }, { .fd = 8, .ino = 1 } } };
	ram->n += engine.plugged_in != engine.not_paged || engine.unplugged;
	return failing(engine.ram, "ram", err);
}

bool ram_has(const struct ram *ram, dev_t dev, ino_t ino)
{
	(void)dev;
	CU_ASSERT(ram->n == 1);
	return ino == 0;
}

struct ram page_map_ram(const struct page_map *map)
{
	(void)map;
	return (struct ram){ .n = 1 };
}

int ram_other_mapper(const struct kfs *kfs, pid_t pid, const struct ram *ram, pid_t *other,
		     struct err *err)
{
	(void)kfs;
	(void)pid;
	(void)err;
	CU_ASSERT(ram->n == 1 && ram->object[0].fd == -1);
	*other = engine.mapper;
	return engine.mapper != 0;
}

int adopt(struct adopted *adopted, pid_t pid, const struct adoption_options *options,
	  struct err *err)
{
	clock_sleep_ms(engine.adopt_ms);
	if (engine.adopt)
		return failing(engine.adopt, "adopt", err);
	*adopted = (struct adopted){ .pidfd = -1, .uffd = -1, .identity = { .pid = pid } };
	CU_ASSERT(options->n_pipes == 2 && options->deadline_ms > 0);
	engine.adopted++;
	return 0;
}

int adopted_find(struct adopted *adopted, const struct map_identity *identity, struct err *err)
{
	*adopted = (struct adopted){ .identity = *identity };
	engine.looked++;
	return failing(engine.find, "find", err);
}

int adoption_withdraw(struct adopted *adopted, const struct adoption_options *options,
		      struct err *err)
{
	(void)adopted;
	(void)options;
	(void)err;
	engine.withdrawn++;
	return 0;
}

int adoption_settled(const struct adoption_options *options, struct err *err)
{
	(void)err;
	CU_ASSERT(options->directory > 0);
	engine.settled++;
	return 0;
}

int adoption_clean_up(const struct adoption_options *options, struct err *err)
{
	(void)err;
	CU_ASSERT(options->directory > 0);
	engine.cleaned++;
	return 0;
}

int adoption_withdraw_rest(const struct map_identity *identity,
			   const struct adoption_options *options, struct err *err)
{
	(void)options;
	(void)err;
	CU_ASSERT_PTR_NOT_NULL(identity);
	engine.rest++;
	return 0;
}

void adopted_close(struct adopted *adopted)
{
	(void)adopted;
}

int ram_open(struct ram *ram, pid_t pid, struct err *err)
{
	(void)pid;
	*ram = (struct ram){ .n = 1, .object = { { .fd = 7 } } };
	return failing(engine.ram, "ram", err);
}

void ram_close(struct ram *ram)
{
	(void)ram;
}

static int make_pager(struct guest_pager **pager, const struct adopted *adopted,
		      const struct guest_pager_options *options)
{
	*pager = calloc(1, sizeof(**pager));
	if (!*pager)
		return -ENOMEM;
	(*pager)->adopted = *adopted;
	engine.limit = options->limit;
	engine.alarm = options->alarm;
	engine.alarm_arg = options->alarm_arg;
	return 0;
}

int guest_pager_start(struct guest_pager **pager, struct adopted *adopted, struct ram *ram,
		      const struct guest_pager_options *options, struct err *err)
{
	(void)ram;
	if (engine.start)
		return failing(engine.start, "start", err);
	if (file_replace_at(options->directory, "map", adopted->identity.uuid, 36, err) < 0)
		return -EIO;
	engine.started++;
	return make_pager(pager, adopted, options);
}

int guest_pager_resume(struct guest_pager **pager, struct page_map *map, struct adopted *adopted,
		       struct ram *ram, struct ram_left *left,
		       const struct guest_pager_options *options, struct err *err)
{
	CU_ASSERT(left->pages == engine.not_paged);
	if (engine.resume)
		return failing(engine.resume, "resume", err);
	free(map);
	ram->n = 1;
	engine.plugged_in = engine.not_paged;
	engine.unplugged = 0;
	engine.resumed++;
	return make_pager(pager, adopted, options);
}

/* Set by a test: a look for idle pages goes on for so long */
static atomic_bool look_goes_on;

static void look_on(void)
{
	while (look_goes_on)
		clock_sleep_ms(5);
}

void guest_pager_sample_idle(struct guest_pager *pager)
{
	(void)pager;
	engine.sampled++;
	look_on();
}

void guest_pager_forget_idle(struct guest_pager *pager)
{
	(void)pager;
	engine.forgotten++;
	look_on();
}

void guest_pager_set_limit(struct guest_pager *pager, uint64_t pages)
{
	(void)pager;
	engine.limit = pages;
}

int guest_pager_detach(struct guest_pager *pager, int64_t deadline_ms, struct err *err)
{
	(void)pager;
	CU_ASSERT(deadline_ms > 0);
	engine.detached++;
	return failing(engine.detach, "detach", err);
}

void guest_pager_stop(struct guest_pager *pager)
{
	engine.stopped++;
	free(pager);
}

void guest_pager_keep_slots(struct guest_pager *pager, bool keep)
{
	(void)pager;
	(void)keep;
}

void guest_pager_end_soon(struct guest_pager *pager)
{
	(void)pager;
}

bool guest_pager_leave(struct guest_pager *pager, uint64_t deadline)
{
	(void)deadline;
	guest_pager_stop(pager);
	return true;
}

struct adopted *guest_pager_adopted(struct guest_pager *pager)
{
	return &pager->adopted;
}

void guest_pager_statistics(struct guest_pager *pager, struct pager_statistics *out)
{
	(void)pager;
	*out = (struct pager_statistics){
		.pages = 1000,
		.resident = 500,
		.limit = engine.limit,
		.faults = 7,
		.idle_percent = engine.sampled + engine.forgotten > 1 ? 40 : -1,
		.fault_p50_ns = 8500,
		.gone = engine.gone,
		.n_tiers = 1,
		.tier = { { .name = "ram", .pages = 3, .bytes = 4096 } }
	};
}

int page_map_open(struct page_map **map, int directory, int64_t deadline_ms, struct err *err)
{
	char *text;
	int rc;

	CU_ASSERT(deadline_ms > 0);
	if (engine.map)
		return failing(engine.map, "map", err);
	rc = file_read_at(directory, "map", 100, &text, NULL, err);
	if (rc < 0)
		return rc;
	*map = calloc(1, sizeof(**map));
	snprintf((*map)->identity.uuid, sizeof((*map)->identity.uuid), "%s", text);
	free(text);
	return 0;
}

void page_map_close(struct page_map *map)
{
	free(map);
}

const struct map_identity *page_map_identity(const struct page_map *map)
{
	return &map->identity;
}

enum map_phase page_map_phase(const struct page_map *map)
{
	(void)map;
	return (enum map_phase)engine.phase;
}

/* ---- a host of our own, in a forked child ---- */

struct host {
	int state;
	struct kfs kfs;
	struct config_tiers tiers;
	struct pager_guests *guests;
	struct err err;
};

/* A process that lives until it is killed, or we are gone */
static pid_t victim(void)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* One that had ended by then sends none */
		while (getppid() == parent)
			pause();
		_exit(0);
	}
	return pid;
}

static void kill_victim(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool open_table(struct host *h)
{
	const struct pager_guests_options options = {
		.kfs = &h->kfs,
		.state_dir = h->state,
		.host_kib = 1 << 20,
		.tiers = &h->tiers,
		.idle_ms = idle_ms,
	};

	return pager_guests_new(&h->guests, &options, &h->err) == 0;
}

static bool open_host(struct host *h, const char *dir)
{
	memset(&engine, 0, sizeof(engine));
	engine.phase = MAP_PAGING;
	*h = (struct host){ .state = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	return kfs_open(&h->kfs, "/", &h->err) == 0 &&
	       config_tiers_parse("same-filled, ram:25%", &h->tiers) == 0 && open_table(h);
}

static struct pager_request request(enum pager_action action, const char *uuid, pid_t pid,
				    uint64_t deadline_ms)
{
	struct pager_request r = {
		.action = action,
		.deadline_ms = deadline_ms,
		.name = "web",
		.pid = (uint64_t)pid,
		.limit_kib = 4096,
	};

	snprintf(r.uuid, sizeof(r.uuid), "%s", uuid);
	return r;
}

/* 0 or -errno, with the sentence in h->err */
static int ask(struct host *h, enum pager_action action, const char *uuid, pid_t pid,
	       uint64_t deadline_ms)
{
	struct pager_request r = request(action, uuid, pid, deadline_ms);
	cleanup_json json_t *reply = pager_guests_answer(h->guests, &r);
	const char *sentence = json_string_value(json_object_get(reply, "error"));

	snprintf(h->err.text, sizeof(h->err.text), "%s", sentence ? sentence : "");
	return -(int)json_integer_value(json_object_get(reply, "errno"));
}

static int adopt_a(struct host *h, pid_t pid)
{
	return ask(h, PAGER_ADOPT, UUID_A, pid, 5000);
}

/* A member of the first guest in the status, as text */
static const char *seen(struct host *h, const char *key, char buf[2048])
{
	struct pager_request r = request(PAGER_STATUS, "", 0, 1000);
	cleanup_json json_t *reply = pager_guests_answer(h->guests, &r);
	const json_t *guest = json_array_get(json_object_get(reply, "guests"), 0);
	char *text = json_dumps(json_object_get(guest, key), JSON_ENCODE_ANY | JSON_COMPACT);

	snprintf(buf, 2048, "%s", text ? text : "nothing");
	free(text);
	return buf;
}

static bool is_mounted(const struct host *h)
{
	struct stat here, there;

	return fstat(h->state, &here) == 0 &&
	       fstatat(h->state, PAGER_DIRECTORY, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_dev != there.st_dev;
}

static bool has_file(const struct host *h, const char *name)
{
	char path[200];
	struct stat st;

	snprintf(path, sizeof(path), PAGER_DIRECTORY "/%s", name);
	return fstatat(h->state, path, &st, 0) == 0;
}

/* Until the table has nothing to do, five seconds at most */
static bool ticks_until(struct host *h, bool (*done)(struct host *h))
{
	uint64_t deadline = clock_ms() + 30000;

	while (!done(h)) {
		if (!clock_left_ms(deadline))
			return false;
		pager_guests_tick(h->guests);
		clock_sleep_ms(5);
	}
	return true;
}

static bool is_empty(struct host *h)
{
	return pager_guests_idle(h->guests);
}

static bool is_paging(struct host *h)
{
	char buf[2048];

	return !strcmp(seen(h, "state", buf), "\"paging\"");
}

static bool waits(struct host *h)
{
	char buf[2048];

	return !strcmp(seen(h, "state", buf), "\"waiting\"") &&
	       strcmp(seen(h, "alarm", buf), "null") != 0;
}

/* As a kill and another daemon */
static bool next_daemon(struct host *h)
{
	return pager_guests_stop(h->guests, clock_ms() + 5000) && open_table(h) &&
	       pager_guests_find(h->guests, &h->err) >= 0;
}

/* CUnit's records are lost in a child */
#define EXPECT_IN(h, condition)                                                                    \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition,         \
				(h).err.text);                                                     \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

/* ---- tests ---- */

static int check_life(const char *dir)
{
	pid_t pid = victim();
	char buf[2048];
	struct host h;

	EXPECT_IN(h, open_host(&h, dir));
	EXPECT_IN(h, is_empty(&h) && !is_mounted(&h));
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	EXPECT_IN(h,
		  is_mounted(&h) && has_file(&h, UUID_A "/guest") && has_file(&h, UUID_A "/map"));
	EXPECT_IN(h, engine.limit == 1024);
	EXPECT_IN(h, !strcmp(seen(&h, "state", buf), "\"paging\""));
	EXPECT_IN(h, !strcmp(seen(&h, "name", buf), "\"web\""));
	EXPECT_IN(h, !strcmp(seen(&h, "resident_kib", buf), "2000"));
	EXPECT_IN(h, !strcmp(seen(&h, "fault_us", buf), "{\"p50\":9,\"p99\":0}"));
	EXPECT_IN(h, !strcmp(seen(&h, "alarm", buf), "null"));
	/* Again: another limit */
	EXPECT_IN(h, adopt_a(&h, pid) == 0 && engine.adopted == 1);
	EXPECT_IN(h, ask(&h, PAGER_SET, UUID_B, 0, 1000) == -ENOENT);
	EXPECT_IN(h, ask(&h, PAGER_SET, UUID_A, 0, 1000) == 0 && engine.limit == 1024);
	/* Not while it lives */
	EXPECT_IN(h, ask(&h, PAGER_FORGET, UUID_A, 0, 50) == -EBUSY);
	EXPECT_IN(h, is_paging(&h));
	/* What does not fit stays paged */
	engine.detach = -ENOMEM;
	EXPECT_IN(h, ask(&h, PAGER_RELEASE, UUID_A, 0, 1000) == -ENOMEM && is_paging(&h));
	engine.detach = 0;
	EXPECT_IN(h, ask(&h, PAGER_RELEASE, UUID_A, 0, 1000) == 0);
	EXPECT_IN(h, engine.withdrawn == 1 && engine.stopped == 1);
	EXPECT_IN(h, is_empty(&h) && !is_mounted(&h));
	EXPECT_IN(h, ask(&h, PAGER_RELEASE, UUID_A, 0, 1000) == 0);
	EXPECT_IN(h, ask(&h, PAGER_FORGET, UUID_A, 0, 1000) == 0);
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static void test_life(void)
{
	own_disk_child(check_life, "a guest's way through the daemon");
}

/* Wherever adoption fails: the sentence, and nothing left */
static int check_failures(const char *dir)
{
	pid_t pid = victim();
	struct host h;

	EXPECT_IN(h, open_host(&h, dir));
	engine.refusal = -ENOTSUP;
	EXPECT_IN(h, adopt_a(&h, pid) == -ENOTSUP && !strcmp(h.err.text, "refusal fails"));
	EXPECT_IN(h, is_empty(&h) && !is_mounted(&h) && !engine.adopted);
	engine.refusal = 0;
	engine.ram = -ENOENT;
	EXPECT_IN(h, adopt_a(&h, pid) == -ENOENT && is_empty(&h) && !is_mounted(&h));
	engine.ram = 0;
	engine.adopt = -EACCES;
	EXPECT_IN(h, adopt_a(&h, pid) == -EACCES && is_empty(&h) && !is_mounted(&h));
	EXPECT_IN(h, !engine.withdrawn);
	engine.adopt = 0;
	engine.start = -EBUSY;
	EXPECT_IN(h, adopt_a(&h, pid) == -EBUSY && is_empty(&h) && !is_mounted(&h));
	EXPECT_IN(h, engine.adopted == 1 && engine.withdrawn == 1);
	engine.start = 0;
	kill_victim(pid);
	EXPECT_IN(h, adopt_a(&h, pid) == -ESRCH && is_empty(&h) && !is_mounted(&h));
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static void test_failures(void)
{
	own_disk_child(check_failures, "adoptions that fail");
}

static int check_end(const char *dir)
{
	pid_t pid = victim(), other = victim();
	struct pollfd p = { .events = POLLIN };
	struct host h;

	EXPECT_IN(h, open_host(&h, dir));
	p.fd = pager_guests_fd(h.guests);
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	EXPECT_IN(h, ask(&h, PAGER_ADOPT, UUID_B, other, 5000) == 0);
	EXPECT_IN(h, poll(&p, 1, 0) == 0);
	/* Another process of the same guest, while the first one lives */
	EXPECT_IN(h, adopt_a(&h, other) == -EEXIST && strstr(h.err.text, "has not ended"));
	kill_victim(pid);
	EXPECT_IN(h, poll(&p, 1, 5000) == 1);
	/* Its next start does not wait for the tick */
	EXPECT_IN(h, adopt_a(&h, other) == 0 && engine.stopped == 1 && engine.adopted == 3);
	kill_victim(other);
	EXPECT_IN(h, ask(&h, PAGER_FORGET, UUID_B, 0, 1000) == 0);
	EXPECT_IN(h, ticks_until(&h, is_empty) && !is_mounted(&h));
	EXPECT_IN(h, engine.stopped == 3 && !engine.withdrawn && !engine.detached);
	/* What was seen is not seen again and again */
	EXPECT_IN(h, poll(&p, 1, 0) == 0);
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static void test_end(void)
{
	own_disk_child(check_end, "the end of a guest");
}

/* QEMU executes another program: its memory is gone, and the process isn't */
static int check_executes(const char *dir)
{
	int log = memfd_create("log", MFD_CLOEXEC), standard = dup(STDERR_FILENO);
	pid_t pid = victim();
	char text[1024] = "";
	struct host h;

	EXPECT_IN(h, open_host(&h, dir));
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	log_open(LOG_TARGET_STDERR, "pagerd", NULL, NULL);
	dup2(log, STDERR_FILENO);
	engine.gone = true;
	ticks_until(&h, is_empty);
	dup2(standard, STDERR_FILENO);
	log_open(LOG_TARGET_NONE, "pagerd", NULL, NULL);
	EXPECT_IN(h, is_empty(&h) && engine.stopped == 1);
	EXPECT_IN(h, pread(log, text, sizeof(text) - 1, 0) > 0 && strstr(text, "runs on without"));
	kill_victim(pid);
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static void test_executes(void)
{
	own_disk_child(check_executes, "a process that executes another program");
}

static int check_restart(const char *dir)
{
	pid_t pid = victim();
	char buf[2048];
	struct host h;

	EXPECT_IN(h, open_host(&h, dir));
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	EXPECT_IN(h, ask(&h, PAGER_SET, UUID_A, 0, 1000) == 0);
	EXPECT_IN(h, next_daemon(&h) && ticks_until(&h, is_paging));
	EXPECT_IN(h, engine.resumed == 1 && engine.limit == 1024 && engine.adopted == 1);
	EXPECT_IN(h, !strcmp(seen(&h, "name", buf), "\"web\""));
	EXPECT_IN(h, !strcmp(seen(&h, "alarm", buf), "null"));
	/* What can't be taken over now stands, says so, and is tried again */
	engine.resume = -ENOMEM;
	EXPECT_IN(h, next_daemon(&h) && ticks_until(&h, waits));
	EXPECT_IN(h, strstr(seen(&h, "alarm", buf), "the guest stands") && strstr(buf, "resume"));
	EXPECT_IN(h, ask(&h, PAGER_RELEASE, UUID_A, 0, 1000) == -ENOMEM && has_file(&h, UUID_A));
	EXPECT_IN(h, ask(&h, PAGER_SET, UUID_A, 0, 1000) == -EBUSY);
	engine.resume = 0;
	EXPECT_IN(h, ticks_until(&h, is_paging) && engine.resumed == 2);
	/* Files of another version are not thrown away: the guest's pages are in them */
	engine.map = -ESTALE;
	EXPECT_IN(h, next_daemon(&h) && ticks_until(&h, waits) && has_file(&h, UUID_A "/map"));
	engine.map = 0;
	engine.find = -ESTALE;
	EXPECT_IN(h, next_daemon(&h) && ticks_until(&h, waits) && has_file(&h, UUID_A "/map"));
	/* A request does what the next try would */
	engine.find = 0;
	EXPECT_IN(h, adopt_a(&h, pid) == 0 && engine.resumed == 3 && is_paging(&h));
	/* Nothing needs them any more */
	engine.map = -ESTALE;
	EXPECT_IN(h, next_daemon(&h) && ticks_until(&h, waits));
	kill_victim(pid);
	EXPECT_IN(h, ticks_until(&h, is_empty) && !is_mounted(&h));
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static void test_restart(void)
{
	own_disk_child(check_restart, "guests of an earlier daemon");
}

/* Killed in the middle of something: at the beginning, and at the end of a release */
static int check_halfway(const char *dir)
{
	pid_t pid = victim();
	struct host h;

	EXPECT_IN(h, open_host(&h, dir));
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	engine.resume = -ECANCELED;
	EXPECT_IN(h, next_daemon(&h) && ticks_until(&h, is_empty) && !is_mounted(&h));
	EXPECT_IN(h, engine.withdrawn == 1);
	engine.resume = 0;
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	engine.find = -ESTALE;
	engine.phase = MAP_UNREGISTERING;
	EXPECT_IN(h, next_daemon(&h) && ticks_until(&h, is_empty) && !is_mounted(&h));
	EXPECT_IN(h, engine.rest == 1 && !engine.cleaned);
	engine.find = 0;
	engine.phase = MAP_PAGING;
	/* A record without a map */
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	EXPECT_IN(h, unlinkat(h.state, PAGER_DIRECTORY "/" UUID_A "/map", 0) == 0);
	EXPECT_IN(h, next_daemon(&h) && ticks_until(&h, is_empty) && !is_mounted(&h));
	EXPECT_IN(h, engine.cleaned == 1 && engine.settled == 3);
	/* And a directory without a record */
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	EXPECT_IN(h, unlinkat(h.state, PAGER_DIRECTORY "/" UUID_A "/guest", 0) == 0);
	EXPECT_IN(h, next_daemon(&h) && ticks_until(&h, is_empty) && !is_mounted(&h));
	/* Another process has its number: nothing of the record is for that one */
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	kill_victim(pid);
	EXPECT_IN(h, next_daemon(&h) && ticks_until(&h, is_empty) && !is_mounted(&h));
	EXPECT_IN(h, engine.resumed == 0);
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static void test_halfway(void)
{
	own_disk_child(check_halfway, "a daemon that was killed half-way");
}

/* ---- several at a time ---- */

struct caller {
	struct host *h;
	enum pager_action action;
	const char *uuid;
	pid_t pid;
	uint64_t deadline_ms;
	int rc;
	pthread_t thread;
};

static void *call(void *arg)
{
	struct caller *c = arg;
	struct pager_request r = request(c->action, c->uuid, c->pid, c->deadline_ms);
	cleanup_json json_t *reply = pager_guests_answer(c->h->guests, &r);

	c->rc = -(int)json_integer_value(json_object_get(reply, "errno"));
	return NULL;
}

static int check_busy(const char *dir)
{
	pid_t pid = victim();
	struct caller adopts, slow, impatient;
	char buf[2048];
	struct host h;

	EXPECT_IN(h, open_host(&h, dir));
	engine.adopt_ms = 300;
	adopts = (struct caller){ &h, PAGER_ADOPT, UUID_A, pid, 5000, 1, 0 };
	EXPECT_IN(h, !pthread_create(&adopts.thread, NULL, call, &adopts));
	while (strcmp(seen(&h, "state", buf), "\"adopting\"") != 0)
		clock_sleep_ms(1);
	/* Others are served, and who asks for this one waits as long as it likes */
	EXPECT_IN(h, ask(&h, PAGER_SET, UUID_A, 0, 1000) == -EBUSY);
	EXPECT_IN(h, strstr(h.err.text, "adopting"));
	impatient = (struct caller){ &h, PAGER_RELEASE, UUID_A, pid, 20, 1, 0 };
	call(&impatient);
	EXPECT_IN(h, impatient.rc == -ETIMEDOUT);
	slow = (struct caller){ &h, PAGER_RELEASE, UUID_A, pid, 5000, 1, 0 };
	call(&slow);
	EXPECT_IN(h, slow.rc == 0 && engine.detached == 1 && is_empty(&h));
	pthread_join(adopts.thread, NULL);
	EXPECT_IN(h, adopts.rc == 0);
	/* Its end is not taken for that of a table that has a thread at work */
	EXPECT_IN(h, !pthread_create(&adopts.thread, NULL, call, &adopts));
	while (strcmp(seen(&h, "state", buf), "\"adopting\"") != 0)
		clock_sleep_ms(1);
	EXPECT_IN(h, !pager_guests_stop(h.guests, clock_ms() + 20));
	pthread_join(adopts.thread, NULL);
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 20));
	return 0;
}

static void test_busy(void)
{
	own_disk_child(check_busy, "several requests for one guest");
}

/* Alarms come from any thread, while others ask */
static void *raise_alarms(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 200; i++)
		engine.alarm(engine.alarm_arg, i % 2 ? "" : "a tier is full");
	engine.alarm(engine.alarm_arg, "a tier is full");
	return NULL;
}

static int check_alarm(const char *dir)
{
	pid_t pid = victim();
	pthread_t thread;
	char buf[2048];
	struct host h;
	int i;

	EXPECT_IN(h, open_host(&h, dir));
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	EXPECT_IN(h, !pthread_create(&thread, NULL, raise_alarms, NULL));
	for (i = 0; i < 200; i++) {
		pager_guests_tick(h.guests);
		seen(&h, "alarm", buf);
		EXPECT_IN(h, !strcmp(buf, "null") || !strcmp(buf, "\"a tier is full\""));
	}
	pthread_join(thread, NULL);
	EXPECT_IN(h, !strcmp(seen(&h, "alarm", buf), "\"a tier is full\""));
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static void test_alarm(void)
{
	own_disk_child(check_alarm, "alarms");
}

static bool is_mapped(struct host *h)
{
	char buf[2048];

	return strstr(seen(h, "alarm", buf), "process 4711 maps the guest's memory") != NULL;
}

/* Another process maps the memory of a guest that runs */
static int check_mapper(const char *dir)
{
	pid_t pid = victim();
	char buf[2048];
	struct host h;

	EXPECT_IN(h, open_host(&h, dir));
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	engine.mapper = 4711;
	EXPECT_IN(h, ticks_until(&h, is_mapped));
	/* What the guest waits for is said before it */
	engine.alarm(engine.alarm_arg, "a tier is full");
	EXPECT_IN(h, !strcmp(seen(&h, "alarm", buf), "\"a tier is full\""));
	engine.alarm(engine.alarm_arg, "");
	EXPECT_IN(h, is_mapped(&h));
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static void test_mapper(void)
{
	own_disk_child(check_mapper, "another process that maps a guest's memory");
}

static bool is_closed(struct host *h)
{
	char buf[2048];

	return strstr(seen(h, "alarm", buf), "QEMU has closed") != NULL;
}

static bool says_not_paged(struct host *h)
{
	char buf[2048];

	return strstr(seen(h, "alarm", buf),
		      "32 MiB of memory were plugged in and are not paged, but stay as they are: "
		      "it is private") != NULL;
}

static bool has_restarted(struct host *h)
{
	char buf[2048];

	(void)h;
	return engine.resumed == 1 && !strcmp(seen(h, "state", buf), "\"paging\"");
}

struct change {
	uint64_t more, not_paged, gone; /* pages */
	int find;
};

/* The guest is taken over again for what can be paged, and for that alone */
static int check_change(const char *dir, struct change change, bool (*done)(struct host *h),
			int stopped)
{
	pid_t pid = victim();
	struct host h;

	EXPECT_IN(h, open_host(&h, dir));
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	engine.find = change.find;
	engine.not_paged = change.not_paged;
	engine.plugged_in = change.more;
	engine.unplugged = change.gone;
	EXPECT_IN(h, ticks_until(&h, done));
	EXPECT_IN(h, engine.stopped == stopped && engine.resumed == stopped);
	engine.find = 0;
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static int check_plugged_in(const char *dir)
{
	return check_change(dir, (struct change){ .more = 32768 }, has_restarted, 1);
}

static int check_not_paged(const char *dir)
{
	return check_change(dir, (struct change){ .more = 8192, .not_paged = 8192 }, says_not_paged,
			    0);
}

static int check_unplugged(const char *dir)
{
	return check_change(dir, (struct change){ .gone = 100 }, has_restarted, 1);
}

/* The descriptors in QEMU are gone: ours are the last ones, and must not go */
static int check_last_ones(const char *dir)
{
	return check_change(dir, (struct change){ .gone = 100, .find = -ESTALE }, is_closed, 0);
}

static void test_plugged_in(void)
{
	own_disk_child(check_plugged_in, "memory that was plugged in");
	own_disk_child(check_not_paged, "memory that was plugged in and can't be paged");
	own_disk_child(check_unplugged, "memory that was unplugged");
	own_disk_child(check_last_ones, "unplugged, and the descriptors are closed");
}

static bool has_looked(struct host *h)
{
	(void)h;
	return engine.looked > 0;
}

static bool is_quiet(struct host *h)
{
	char buf[2048];

	return !strcmp(seen(h, "alarm", buf), "null");
}

/* QEMU closes the userfaultfd while it is paged: our copy works on, and the next daemon has none */
static int check_closed(const char *dir)
{
	pid_t pid = victim();
	struct host h;

	EXPECT_IN(h, open_host(&h, dir));
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	engine.find = -ESTALE;
	EXPECT_IN(h, ticks_until(&h, is_closed));
	/* One that ended is no alarm */
	engine.find = -ESRCH;
	EXPECT_IN(h, ticks_until(&h, is_quiet));
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

/* What would be lost with the last copy of a userfaultfd comes back before the daemon ends */
static int check_may_end(const char *dir)
{
	pid_t pid = victim();
	struct host h;

	EXPECT_IN(h, open_host(&h, dir));
	EXPECT_IN(h, pager_guests_may_end(h.guests, clock_ms() + 5000, &h.err) == 0);
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	EXPECT_IN(h, ask(&h, PAGER_ADOPT, UUID_B, victim(), 5000) == 0);
	EXPECT_IN(h, pager_guests_may_end(h.guests, clock_ms() + 5000, &h.err) == 0);
	/* What can't be told now is no reason */
	engine.find = -EMFILE;
	EXPECT_IN(h, pager_guests_may_end(h.guests, clock_ms() + 5000, &h.err) == 0);
	EXPECT_IN(h, engine.detached == 0 && pager_guests_count(h.guests) == 2);
	engine.find = -ESTALE;
	engine.detach = -ENOMEM;
	EXPECT_IN(h, pager_guests_may_end(h.guests, clock_ms() + 5000, &h.err) == -ENOMEM);
	EXPECT_IN(h, strstr(h.err.text, "would lose its pages") != NULL);
	EXPECT_IN(h, pager_guests_count(h.guests) == 2 && is_paging(&h));
	engine.detach = 0;
	EXPECT_IN(h, pager_guests_may_end(h.guests, clock_ms() + 5000, &h.err) == 0);
	EXPECT_IN(h, engine.withdrawn == 2);
	EXPECT_IN(h, pager_guests_count(h.guests) == 0);
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static void test_may_end(void)
{
	own_disk_child(check_may_end, "an end that would lose pages");
}

/* A look that comes to nothing does not take away what an earlier one found */
static int check_not_told(const char *dir)
{
	pid_t pid = victim();
	unsigned int i;
	struct host h;

	EXPECT_IN(h, open_host(&h, dir));
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	engine.find = -ESTALE;
	EXPECT_IN(h, ticks_until(&h, is_closed));
	engine.find = -EMFILE;
	engine.looked = 0;
	EXPECT_IN(h, ticks_until(&h, has_looked));
	for (i = 0; i < 20; i++) {
		pager_guests_tick(h.guests);
		clock_sleep_ms(5);
	}
	EXPECT_IN(h, is_closed(&h));
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static void test_not_told(void)
{
	own_disk_child(check_not_told, "a look without descriptors of its own");
}

static void test_closed(void)
{
	own_disk_child(check_closed, "a userfaultfd that QEMU closes");
}

static bool says_idle(struct host *h)
{
	char buf[2048];

	return !strcmp(seen(h, "idle_percent", buf), "40");
}

/* Each guest's idle pages are looked for now and then, and requests come through meanwhile.  Not
 * where the kernel might swap them, as on this host it may or may not */
static int check_idle(const char *dir)
{
	pid_t pid = victim();
	char buf[2048];
	struct host h;

	idle_ms = 1;
	EXPECT_IN(h, open_host(&h, dir));
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	EXPECT_IN(h, !strcmp(seen(&h, "idle_percent", buf), "nothing"));
	EXPECT_IN(h, ticks_until(&h, says_idle));
	EXPECT_IN(h, !engine.sampled != !engine.forgotten);
	EXPECT_IN(h, ask(&h, PAGER_SET, UUID_A, pid, 5000) == 0);
	EXPECT_IN(h, ask(&h, PAGER_RELEASE, UUID_A, pid, 5000) == 0);
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static void test_idle(void)
{
	own_disk_child(check_idle, "idle pages");
}

static bool is_looked_at(struct host *h)
{
	(void)h;
	return engine.sampled + engine.forgotten > 0;
}

/* True in nine of ten seconds, since ticks come together */
static bool rests(struct host *h)
{
	return pager_guests_tick(h->guests) > 1000;
}

/* Looking for idle pages is no reason to wake up again, but a guest that ends meanwhile is */
static int check_idle_rests(const char *dir)
{
	pid_t pid = victim();
	struct host h;

	idle_ms = 1;
	look_goes_on = true;
	EXPECT_IN(h, open_host(&h, dir));
	EXPECT_IN(h, adopt_a(&h, pid) == 0);
	EXPECT_IN(h, ticks_until(&h, is_looked_at));
	EXPECT_IN(h, ticks_until(&h, rests));
	kill_victim(pid);
	EXPECT_IN(h, !rests(&h));
	look_goes_on = false;
	EXPECT_IN(h, ticks_until(&h, is_empty));
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static void test_idle_rests(void)
{
	own_disk_child(check_idle_rests, "the daemon rests while idle pages are looked for");
}

/* More guests than one message takes */
static int check_many(const char *dir)
{
	enum { MANY = 300 };
	pid_t pid = victim();
	char after[PAGER_UUID_SIZE] = "";
	size_t n = 0, messages = 0;
	struct host h;
	int i;

	EXPECT_IN(h, open_host(&h, dir));
	for (i = 0; i < MANY; i++) {
		char uuid[PAGER_UUID_SIZE];

		snprintf(uuid, sizeof(uuid), "%08x-cdaf-9455-926a-d65c16db1809", (i * 7919) % MANY);
		EXPECT_IN(h, ask(&h, PAGER_ADOPT, uuid, pid, 5000) == 0);
	}
	EXPECT_IN(h, pager_guests_count(h.guests) == MANY);
	do {
		struct pager_request r = request(PAGER_STATUS, after, 0, 1000);
		cleanup_json json_t *reply = pager_guests_answer(h.guests, &r);
		const char *next = json_string_value(json_object_get(reply, "next"));
		char *text = pager_reply_write(reply);

		EXPECT_IN(h, text != NULL);
		free(text);
		n += json_array_size(json_object_get(reply, "guests"));
		messages++;
		snprintf(after, sizeof(after), "%s", next ? next : "");
	} while (*after);
	EXPECT_IN(h, n == MANY && messages > 1);
	kill_victim(pid);
	EXPECT_IN(h, ticks_until(&h, is_empty) && !is_mounted(&h));
	EXPECT_IN(h, pager_guests_stop(h.guests, clock_ms() + 5000));
	return 0;
}

static void test_many(void)
{
	own_disk_child(check_many, "many guests");
}

static CU_TestInfo tests[] = {
	{ "adopted, set, released", test_life },
	{ "adoptions that fail", test_failures },
	{ "QEMU ends", test_end },
	{ "a QEMU that executes another program", test_executes },
	{ "an earlier daemon's guests", test_restart },
	{ "killed half-way", test_halfway },
	{ "several requests for one guest", test_busy },
	{ "alarms", test_alarm },
	{ "another process", test_mapper },
	{ "memory that was plugged in is paged, or said not to be", test_plugged_in },
	{ "a userfaultfd that QEMU closes while it is paged", test_closed },
	{ "an end that would lose pages", test_may_end },
	{ "what is found stands until it is known to be over", test_not_told },
	{ "idle pages", test_idle },
	{ "the daemon rests while idle pages are looked for", test_idle_rests },
	{ "many guests", test_many },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_pager_guests", tests);
}

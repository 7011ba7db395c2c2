// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Whose the file of a tier is, and which of its extents are taken.
 */
#include "pager/tier_store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/dm_crypt.h"
#include "memory/tier_place.h"
#include "pager/disk_call.h"
#include "pager/ram.h"
#include "pager/tier_directory.h"

#define STORE_MAGIC "libvirt-membacking tier"

enum { STORE_VERSION = 1, EXTENTS_MOST = 1 << 28, SILENT_MS = 1000 };

/* How long the end of a guest waits until what it leaves on a disk is gone */
enum { GUEST_END_MS = 2000 };

/* At the beginning of a file of all guests */
struct store_header {
	char magic[24];
	uint32_t version;
	uint32_t zero;
	uint64_t id[TIER_ID_WORDS];
};

/* EXTENT_RESERVED: a guest's table has it, and that guest's tiers are not open.  EXTENT_HELD: taken
 * for good: see tier_store_hold() */
enum extent_state { EXTENT_FREE, EXTENT_TAKEN, EXTENT_RESERVED, EXTENT_HELD };

/**
 * struct tier_store
 * @opening:	A thread opens it, which may take as long as its disk does not answer.  Only those
 *		wait that want to read or write.  Before @lock
 * @lock:	Protects what follows.  No I/O under it
 * @fd:		-1: not open.  This number once and for all; what it is changes under both locks
 * @failed:	Reading or writing it failed
 * @let_go:	Its disk is gone, and @fd is nothing: to be found anew
 * @extents:	That it can have; a file has no end
 * @taken:	@n of them, an enum extent_state each; the first is the header's
 * @reserved:	A guest had some when we began: what is in the file is needed
 * @next:	Where to look for a free one
 * @encrypt:	Nothing may be put there in the clear
 * @is_encrypted: It was looked at, and is on dm-crypt
 * @directory:	Of a guest's own file
 * @borrowed:	It is another host's, and only read
 * @left:	Its owner's guest was gone when it was opened
 * @us:		The list's
 * @stores:	The list.  Under its lock:
 * @calls:	So many threads may use this that others have left behind
 * @forgotten:	It is freed after them
 * @ended:	Its guest has, and what it left is gone: it is not opened any more.  Under @opening
 * @swept:	Of a directory: what was left there is gone
 * @silent:	Its disk does not answer
 * @asking:	So many threads wait for the disk.  Of a directory: for all files there, and
 * @answered_ms: when it last had nothing to do, or answered
 */
struct tier_store {
	struct tier_store *following;
	int rootfd;
	struct tier_store *directory;
	bool borrowed, left;
	const struct tier_owner *us;
	struct tier_stores *stores;
	unsigned int calls;
	bool forgotten, ended;
	_Atomic bool swept;
	char path[TIER_PATH_SIZE];
	pthread_mutex_t opening;
	pthread_mutex_t lock;
	_Atomic int fd;
	_Atomic bool failed;
	bool let_go, reserved;
	_Atomic bool is_device;
	_Atomic bool encrypt;
	_Atomic bool is_encrypted;
	_Atomic bool silent;
	_Atomic unsigned int asking;
	_Atomic uint64_t answered_ms;
	uint64_t id[TIER_ID_WORDS];
	uint32_t extents, n, next;
	uint8_t *taken;
};

/**
 * struct tier_stores
 * @lock:	Protects the list
 * @us:		Set before other threads are there
 * @knows_all:	Each guest's file is in the list
 * @calls:	Of all of its stores
 */
struct tier_stores {
	int rootfd;
	struct tier_owner us;
	_Atomic bool knows_all;
	pthread_mutex_t lock;
	unsigned int calls;
	struct tier_store *first;
};

/* ---- the list ---- */

int tier_stores_new(struct tier_stores **stores, int rootfd)
{
	struct tier_stores *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	new->rootfd = rootfd;
	pthread_mutex_init(&new->lock, NULL);
	*stores = new;
	return 0;
}

static void free_store(struct tier_store *store)
{
	if (store->fd >= 0)
		close(store->fd);
	pthread_mutex_destroy(&store->lock);
	pthread_mutex_destroy(&store->opening);
	free(store->taken);
	free(store);
}

bool tier_stores_busy(struct tier_stores *stores)
{
	bool busy;

	if (!stores)
		return false;
	pthread_mutex_lock(&stores->lock);
	busy = stores->calls;
	pthread_mutex_unlock(&stores->lock);
	return busy;
}

void tier_stores_free(struct tier_stores *stores)
{
	struct tier_store *store, *next;

	/* A disk that does not answer: they end with the process */
	if (!stores || tier_stores_busy(stores))
		return;
	for (store = stores->first; store; store = next) {
		next = store->following;
		free_store(store);
	}
	pthread_mutex_destroy(&stores->lock);
	free(stores);
}

static struct tier_store *new_store(const char *path)
{
	struct tier_store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	if (snprintf(store->path, sizeof(store->path), "%s", path) >= (int)sizeof(store->path)) {
		free(store);
		return NULL;
	}
	store->fd = -1;
	store->extents = EXTENTS_MOST;
	store->next = EXTENT_NONE + 1;
	pthread_mutex_init(&store->lock, NULL);
	pthread_mutex_init(&store->opening, NULL);
	return store;
}

/* Under the lock, like the next one */
static struct tier_store *find_store(const struct tier_stores *stores, const char *path)
{
	struct tier_store *store = stores->first;

	while (store && strcmp(store->path, path) != 0)
		store = store->following;
	return store;
}

static struct tier_store *add_store(struct tier_stores *stores, const char *path,
				    struct tier_store *directory)
{
	struct tier_store *store = new_store(path);

	if (!store)
		return NULL;
	store->following = stores->first;
	store->rootfd = stores->rootfd;
	store->us = &stores->us;
	store->stores = stores;
	store->directory = directory;
	stores->first = store;
	return store;
}

static struct tier_store *get_store(struct tier_stores *stores, const char *path,
				    struct tier_store *directory)
{
	struct tier_store *store;

	pthread_mutex_lock(&stores->lock);
	store = find_store(stores, path);
	if (!store)
		store = add_store(stores, path, directory);
	pthread_mutex_unlock(&stores->lock);
	return store;
}

struct tier_store *tier_stores_get(struct tier_stores *stores, const char *path)
{
	return get_store(stores, path, NULL);
}

/* ---- a guest's own file ---- */

void tier_stores_set_owner(struct tier_stores *stores, const struct tier_owner *us)
{
	stores->us = *us;
}

void tier_stores_know_all(struct tier_stores *stores)
{
	stores->knows_all = true;
}

const struct tier_store *tier_store_directory(const struct tier_store *store)
{
	return store->directory;
}

static struct tier_store *get_in_directory(struct tier_stores *stores, const char *path)
{
	const char *slash = strrchr(path, '/');
	char directory[TIER_PATH_SIZE];
	struct tier_store *in;

	if (!slash || !tier_directory_is_name(path))
		return NULL;
	snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
	in = tier_stores_get(stores, directory);
	return in ? get_store(stores, path, in) : NULL;
}

struct tier_store *tier_stores_get_own(struct tier_stores *stores, const char *path)
{
	struct tier_store *store = get_in_directory(stores, path);

	return store && !store->borrowed ? store : NULL;
}

struct tier_store *tier_stores_get_borrowed(struct tier_stores *stores, const char *path)
{
	struct tier_store *store = get_in_directory(stores, path);

	/* Both of one file would be a guest that borrows its own pages */
	if (!store || (store->fd >= 0 && !store->borrowed))
		return NULL;
	store->borrowed = true;
	return store;
}

struct sweep {
	struct tier_stores *stores;
	const struct tier_store *directory;
};

static bool is_known(void *arg, const char *name)
{
	struct sweep *sweep = arg;
	char path[TIER_PATH_SIZE];
	bool known;

	/* One that is too long is none that we have made there */
	if (snprintf(path, sizeof(path), "%s/%s", sweep->directory->path, name) >=
	    (int)sizeof(path))
		return true;
	pthread_mutex_lock(&sweep->stores->lock);
	known = find_store(sweep->stores, path);
	pthread_mutex_unlock(&sweep->stores->lock);
	return known;
}

static void unlink_own(const struct tier_store *store)
{
	cleanup_close int fd = tier_place_directory(store->rootfd, store->directory->path, NULL);

	if (fd >= 0)
		unlinkat(fd, strrchr(store->path, '/') + 1, 0);
}

/* ---- calls that a disk may not answer ---- */

/**
 * struct store_call - What such a call is about; not all of them use all
 * @left:	The call's thread undoes with this what the call did, if its caller did not wait for
 *		it.  NULL: nothing has to be undone
 * @counted:	The store counts the call until it is freed
 */
struct store_call {
	struct disk_call call;
	struct tier_store *store;
	void (*what)(struct store_call *call);
	void (*left)(struct store_call *call);
	bool counted, has_id;
	uint64_t id[TIER_ID_WORDS], found[TIER_ID_WORDS];
	uint32_t one, *extent;
	size_t n;
	int rc;
	struct err err;
};

static void uncount_call(struct store_call *call)
{
	struct tier_store *store = call->store;
	struct tier_stores *stores = store->stores;
	bool last;

	pthread_mutex_lock(&stores->lock);
	stores->calls--;
	last = --store->calls == 0 && store->forgotten;
	pthread_mutex_unlock(&stores->lock);
	if (last)
		free_store(store);
}

/* The store is there as long as its calls are, and who has called it */
static void call_free(struct store_call *call)
{
	if (call->counted)
		uncount_call(call);
	free(call->extent);
	free(call);
}

static void drop_call(struct disk_call *disk_call)
{
	struct store_call *call = (struct store_call *)disk_call;

	if (call->left)
		call->left(call);
	call_free(call);
}

static void run_call(struct disk_call *disk_call)
{
	struct store_call *call = (struct store_call *)disk_call;

	call->what(call);
}

static struct store_call *call_new(struct tier_store *store, void (*what)(struct store_call *call),
				   const uint64_t *id)
{
	struct store_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->call = (struct disk_call){ .run = run_call, .drop = drop_call };
	call->store = store;
	call->what = what;
	call->has_id = id;
	if (id)
		memcpy(call->id, id, sizeof(call->id));
	return call;
}

static const uint64_t *call_id(const struct store_call *call)
{
	return call->has_id ? call->id : NULL;
}

/* Under the list's lock: its store stays */
static void count_call(struct store_call *call)
{
	call->counted = true;
	call->store->stores->calls++;
	call->store->calls++;
}

/* As disk_call_run() */
static bool run_apart(struct store_call *call, const _Atomic bool *given_up, uint64_t ms)
{
	struct tier_stores *stores = call->store->stores;

	pthread_mutex_lock(&stores->lock);
	count_call(call);
	pthread_mutex_unlock(&stores->lock);
	return disk_call_run(&call->call, given_up, ms);
}

/* Its return code, if it was waited for; -ECANCELED.  The caller has the store.  @found: NULL: of
 * no interest */
static int run_for_rc(struct store_call *call, const _Atomic bool *given_up, uint64_t *found,
		      struct err *err)
{
	const struct tier_store *store = call->store;
	int rc;

	if (!run_apart(call, given_up, 0))
		return err_set(err, ECANCELED, "%s: does not answer", store->path);
	rc = call->rc;
	if (found)
		memcpy(found, call->found, sizeof(call->found));
	if (rc < 0 && err)
		*err = call->err;
	call_free(call);
	return rc;
}

/* At a guest's end, which waits for no disk that does not answer.  It is counted */
static void run_at_end(struct store_call *call)
{
	char path[TIER_PATH_SIZE];

	memcpy(path, call->store->path, sizeof(path));
	if (disk_call_run(&call->call, NULL, GUEST_END_MS))
		call_free(call);
	else
		log_warning("%s: the disk is slow or does not answer; what the guest leaves there "
			    "goes when it has answered",
			    path);
}

/* What can't be removed now stays until the daemon begins anew */
static void sweep_apart(struct store_call *call)
{
	struct tier_store *directory = call->store;
	struct tier_stores *stores = directory->stores;
	struct sweep sweep = { stores, directory };
	cleanup_close int fd = -1;
	int n;

	fd = tier_place_directory(directory->rootfd, directory->path, NULL);
	if (fd < 0 || atomic_exchange(&directory->swept, true))
		return;
	n = tier_directory_sweep(fd, &stores->us, stores->knows_all, is_known, &sweep);
	if (n > 0)
		log_info("%s: %d files of guests that have ended are removed", directory->path, n);
}

static int sweep_once(struct tier_store *directory, const _Atomic bool *given_up, struct err *err)
{
	struct store_call *call;

	if (directory->swept)
		return 0;
	call = call_new(directory, sweep_apart, NULL);
	return call ? run_for_rc(call, given_up, NULL, err) : err_nomem(err);
}

int tier_stores_new_own(struct tier_stores *stores, struct tier_store *directory, const char *uuid,
			const _Atomic bool *given_up, struct tier_store **store, struct err *err)
{
	char path[TIER_PATH_SIZE];
	int rc;

	if (!stores->us.boot[0])
		return err_set(err, EINVAL, "%s: this host can't be told from others",
			       directory->path);
	rc = sweep_once(directory, given_up, err);
	if (rc < 0)
		return rc;
	rc = tier_directory_name(directory->path, uuid, &stores->us, path);
	if (rc < 0)
		return err_sys(err, -rc, "%s: a name for the guest's file", directory->path);
	*store = get_store(stores, path, directory);
	return *store ? 0 : err_nomem(err);
}

/* ---- a guest's own file, at its end ---- */

static int mark(const struct tier_store *store, enum tier_lent lent, struct err *err)
{
	void *page = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
	int rc = page ? tier_directory_mark(store->fd, page, lent, err) : err_nomem(err);

	free(page);
	return err_prefix(err, rc, "%s", store->path);
}

static void mark_lent(struct store_call *call)
{
	call->rc = mark(call->store, LENT, &call->err);
}

static void mark_not_lent(struct store_call *call)
{
	call->rc = mark(call->store, LENT_NOT, &call->err);
}

int tier_store_lend(struct tier_store *store, bool lent, const _Atomic bool *given_up,
		    struct err *err)
{
	struct store_call *call = call_new(store, lent ? mark_lent : mark_not_lent, NULL);

	return call ? run_for_rc(call, given_up, NULL, err) : err_nomem(err);
}

static int open_locked(struct tier_store *store, const uint64_t *id, uint64_t *found,
		       struct err *err);

/* Both with the lock for opening: what others have begun there has ended, and nothing begins */
static void leave_own(struct store_call *call)
{
	struct tier_store *store = call->store;

	if (open_locked(store, call->id, call->found, &call->err) < 0 ||
	    mark(store, LENT_AND_LEFT, &call->err) < 0)
		log_warning("%s; it stays there until it is removed", call->err.text);
}

static void drop_own(struct store_call *call)
{
	struct tier_store *store = call->store;
	int rc;

	/* Left, perhaps, since it was opened */
	if (store->borrowed) {
		pthread_mutex_lock(&store->lock);
		if (store->fd >= 0)
			close(store->fd);
		store->fd = -1;
		store->let_go = false;
		pthread_mutex_unlock(&store->lock);
	}
	rc = call->has_id ? open_locked(store, call->id, call->found, &call->err) : store->fd;
	if (rc >= 0 && (!store->borrowed || store->left))
		unlink_own(store);
	else if (rc < 0 && call->has_id && rc != -ENOENT && !store->borrowed)
		log_warning("%s; it stays there until this host's next start", call->err.text);
}

static void end_own(struct store_call *call)
{
	struct tier_store *store = call->store;

	pthread_mutex_lock(&store->opening);
	if (call->n)
		leave_own(call);
	else
		drop_own(call);
	store->ended = true;
	pthread_mutex_unlock(&store->opening);
}

/* Out of the list at once: the next guest that asks for this path gets another */
static void take_out(struct tier_store *store, const uint64_t *id, bool leave)
{
	struct store_call *call = call_new(store, end_own, id);
	struct tier_stores *stores = store->stores;
	struct tier_store **at;
	bool last;

	pthread_mutex_lock(&stores->lock);
	for (at = &stores->first; *at && *at != store;)
		at = &(*at)->following;
	if (*at)
		*at = store->following;
	store->forgotten = true;
	if (call)
		count_call(call);
	last = !store->calls;
	pthread_mutex_unlock(&stores->lock);
	if (call) {
		call->n = leave;
		run_at_end(call);
		return;
	}
	log_warning("%s: no memory to remove it; it stays there", store->path);
	if (last)
		free_store(store);
}

void tier_stores_leave_own(struct tier_store *store, const uint64_t id[TIER_ID_WORDS])
{
	take_out(store, id, true);
}

void tier_stores_drop_own(struct tier_store *store, const uint64_t id[TIER_ID_WORDS])
{
	take_out(store, id, false);
}

bool tier_store_is_device(const struct tier_store *store)
{
	return store->is_device;
}

const char *tier_store_path(const struct tier_store *store)
{
	return store->path;
}

/* ---- opening ---- */

/* Its directory is there, and root's alone: then no other user makes a link of that name */
static int make_file(int rootfd, const char *path, struct err *err)
{
	cleanup_close int parent = tier_place_parent(rootfd, path, err);
	const char *name = strrchr(path, '/') + 1;
	int fd;

	if (parent < 0)
		return parent;
	fd = openat(parent, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, errno, "%s: cannot make it", path);
	close(fd);
	return 0;
}

static int find_file(const struct tier_store *store, bool make, struct err *err)
{
	int fd = -ENOENT, rc;

	/* A guest's own is made anew, or it is there */
	if (!store->directory || !make)
		fd = tier_place_find(store->rootfd, store->path, err);
	if (fd != -ENOENT || !make)
		return fd;
	rc = make_file(store->rootfd, store->path, err);
	return rc < 0 ? rc : tier_place_find(store->rootfd, store->path, err);
}

/* O_EXCL: a device that is mounted, or another's, is busy */
static int open_for_io(const struct tier_store *store, int path_fd, bool device, struct err *err)
{
	struct stat st;
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", path_fd);
	fd = open(name, (store->borrowed ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC |
				(device ? O_EXCL : 0));
	if (fd < 0 && errno == EINVAL)
		return err_set(err, EINVAL, "%s: its file system has no direct I/O", store->path);
	if (fd < 0)
		return err_sys(err, errno, "%s: cannot open", store->path);
	if (!store->borrowed && flock(fd, LOCK_EX | LOCK_NB) < 0 &&
	    (!store->directory || errno == EWOULDBLOCK)) {
		close(fd);
		return err_set(err, EBUSY, "%s: another process uses it", store->path);
	}
	/* An empty one may have been taken for one that was left, until it was locked */
	if (store->directory && fstat(fd, &st) == 0 && st.st_nlink == 0) {
		close(fd);
		return err_set(err, ESTALE, "%s: another process has removed it", store->path);
	}
	return fd;
}

static int device_extents(int fd, uint32_t *extents)
{
	uint64_t bytes;

	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return -errno;
	bytes /= EXTENT_BYTES;
	*extents = (uint32_t)(bytes < EXTENTS_MOST ? bytes : EXTENTS_MOST);
	return 0;
}

/* The content of @n extents.  A device that can't keeps it until they are used again */
static void discard(int fd, uint32_t extent, uint32_t n)
{
	while (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)extent * EXTENT_BYTES, (off_t)n * EXTENT_BYTES) < 0 &&
	       errno == EINTR)
		;
}

static bool is_zero(const unsigned char *bytes, size_t n)
{
	return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* A new file is shorter than that */
static ssize_t read_all(int fd, unsigned char *to, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = pread(fd, to + done, bytes - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
		if (done % PAGE_BYTES)
			break; /* the end of the file */
	}
	return (ssize_t)done;
}

static int write_header(int fd, unsigned char *page, struct store_header *header)
{
	*header = (struct store_header){ .magic = STORE_MAGIC, .version = STORE_VERSION };
	if (getrandom(header->id, sizeof(header->id), 0) != (ssize_t)sizeof(header->id))
		return -EIO;
	memset(page, 0, PAGE_BYTES);
	memcpy(page, header, sizeof(*header));
	if (pwrite(fd, page, PAGE_BYTES, 0) != PAGE_BYTES)
		return errno ? -errno : -EIO;
	return 0;
}

static bool is_needed(struct tier_store *store)
{
	bool reserved;

	pthread_mutex_lock(&store->lock);
	reserved = store->reserved;
	pthread_mutex_unlock(&store->lock);
	return reserved;
}

/* What was there before is no guest's any more, unless one has slots */
static int begin_anew(struct tier_store *store, int fd, bool device, unsigned char *page,
		      struct store_header *header)
{
	if (is_needed(store))
		return 0;
	if (!device && ftruncate(fd, 0) < 0)
		return -errno;
	return write_header(fd, page, header);
}

static int another(const struct tier_store *store, struct err *err)
{
	return err_set(err, ESTALE, "%s: is not the one that has pages of guests: bring that back",
		       store->path);
}

/* It is a tier's, or is one now.  @page: EXTENT_BYTES, aligned */
static int look_inside(struct tier_store *store, int fd, bool device, const uint64_t *id,
		       unsigned char *page, struct store_header *header, struct err *err)
{
	ssize_t n = read_all(fd, page, EXTENT_BYTES);
	bool is_tier;
	int rc = 0;

	if (n < 0)
		return err_sys(err, (int)-n, "%s: cannot read", store->path);
	memcpy(header, page, sizeof(*header));
	is_tier = n >= PAGE_BYTES && memcmp(header->magic, STORE_MAGIC, sizeof(STORE_MAGIC)) == 0;
	if (id ? !is_tier || memcmp(header->id, id, sizeof(header->id)) != 0 :
		 !is_tier && is_needed(store))
		return another(store, err);
	if (!is_tier && !is_zero(page, (size_t)n))
		return err_set(err, EEXIST,
			       "%s: has other content, which is not overwritten: remove the file, "
			       "or fill the first MiB with zeros",
			       store->path);
	if (is_tier && header->version != STORE_VERSION)
		return err_set(err, EINVAL, "%s: a tier of another version", store->path);
	if (!id)
		rc = begin_anew(store, fd, device, page, header);
	return rc < 0 ? err_sys(err, -rc, "%s: cannot write", store->path) : 0;
}

/* A guest's own: new, or as it was left */
static int look_at_own(struct tier_store *store, int fd, const uint64_t *id, unsigned char *page,
		       struct store_header *header, struct err *err)
{
	ssize_t n;
	int rc;

	if (!id) {
		rc = tier_directory_begin(fd, page, store->us, header->id, err);
		return err_prefix(err, rc, "%s", store->path);
	}
	n = read_all(fd, page, PAGE_BYTES);
	if (n < 0)
		return err_sys(err, (int)-n, "%s: cannot read", store->path);
	memset(page + n, 0, PAGE_BYTES - (size_t)n);
	rc = store->borrowed ? tier_directory_check_lent(page, id, err) :
			       tier_directory_check(page, id, store->us, err);
	store->left = store->borrowed && rc == LENT_AND_LEFT;
	memcpy(header->id, id, sizeof(header->id));
	return rc < 0 ? err_prefix(err, rc, "%s", store->path) : 0;
}

/* Others may be about to put pages there, because it was encrypted when they looked */
static int encrypted_as_before(const struct tier_store *store, int fd, struct err *err)
{
	const struct kfs kfs = { .rootfd = store->rootfd };
	int rc = 0;

	if (store->let_go && (store->directory ? store->directory : store)->encrypt)
		rc = dm_crypt_check_file(&kfs, fd, err);
	return err_prefix(err, rc, "%s", store->path);
}

/* Threads that use the number meanwhile have the one or the other.  Takes @fd */
static int put_in_place(struct tier_store *store, int fd, struct err *err)
{
	cleanup_close int taken = store->let_go ? fd : -1;
	int rc = encrypted_as_before(store, fd, err);

	if (rc < 0)
		return rc;
	if (!store->let_go)
		store->fd = fd;
	else if (dup3(taken, store->fd, O_CLOEXEC) < 0)
		return err_sys(err, errno, "%s: cannot open it again", store->path);
	store->let_go = false;
	return 0;
}

/* From *@from on, so many extents that are no guest's and lie before @end */
static uint32_t free_run(struct tier_store *store, uint32_t *from, uint32_t end)
{
	uint32_t last;

	pthread_mutex_lock(&store->lock);
	while (*from < end && *from < store->n && store->taken[*from])
		(*from)++;
	for (last = *from; last < end && (last >= store->n || !store->taken[last]);)
		last++;
	pthread_mutex_unlock(&store->lock);
	return last - *from;
}

/*
 * A daemon may have been killed when it had room for an extent that no table had yet, or had taken
 * an extent from its table and its content was still there.  All tables were read, and none is
 * given an extent until the file is open.
 */
static void discard_strays(struct tier_store *store, int fd)
{
	uint32_t from, n, end;
	struct stat st;

	if (store->fd >= 0 || store->borrowed || !store->stores->knows_all || fstat(fd, &st) < 0)
		return;
	end = (uint32_t)u64_min((uint64_t)st.st_size / EXTENT_BYTES, EXTENTS_MOST);
	for (from = EXTENT_NONE + 1; (n = free_run(store, &from, end)); from += n)
		discard(fd, from, n);
}

static int open_and_look(struct tier_store *store, int path_fd, const struct stat *st,
			 const uint64_t *id, struct err *err)
{
	bool device = S_ISBLK(st->st_mode);
	struct store_header header;
	uint32_t extents = EXTENTS_MOST;
	unsigned char *page;
	int fd, rc;

	fd = open_for_io(store, path_fd, device, err);
	if (fd < 0)
		return fd;
	page = aligned_alloc(PAGE_BYTES, EXTENT_BYTES);
	if (!page)
		rc = err_nomem(err);
	else if (store->directory)
		rc = look_at_own(store, fd, id, page, &header, err);
	else
		rc = look_inside(store, fd, device, id, page, &header, err);
	free(page);
	if (rc == 0 && device) {
		rc = device_extents(fd, &extents);
		if (rc < 0)
			err_sys(err, -rc, "%s: its size", store->path);
	}
	if (rc < 0) {
		close(fd);
		return rc;
	}
	if (!device && id)
		discard_strays(store, fd);
	pthread_mutex_lock(&store->lock);
	rc = put_in_place(store, fd, err);
	if (rc == 0) {
		store->is_device = device;
		store->extents = extents;
		memcpy(store->id, header.id, sizeof(store->id));
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}

static int open_found(struct tier_store *store, int path_fd, const uint64_t *id, struct err *err)
{
	struct stat st;
	int rc;

	if (fstat(path_fd, &st) < 0)
		return err_sys(err, errno, "%s", store->path);
	rc = tier_place_check(store->path, &st, err);
	if (rc == 0 && S_ISREG(st.st_mode))
		rc = tier_place_on_disk(path_fd, store->path, err);
	return rc < 0 ? rc : open_and_look(store, path_fd, &st, id, err);
}

static int open_store(struct tier_store *store, const uint64_t *id, struct err *err)
{
	cleanup_close int path_fd = find_file(store, !id, err);
	int rc = path_fd < 0 ? path_fd : open_found(store, path_fd, id, err);

	/* Its name was made for this try */
	if (rc < 0 && path_fd >= 0 && store->directory && !id)
		unlink_own(store);
	return rc;
}

/* ---- a disk that is gone, and back ---- */

/* A file that was removed can't be found again; a device's name goes with it */
static bool is_elsewhere(const struct tier_store *store)
{
	cleanup_close int path_fd = tier_place_find(store->rootfd, store->path, NULL);
	struct stat is, was;

	if (fstat(store->fd, &was) < 0 || (path_fd < 0 && path_fd != -ENOENT) ||
	    (!store->is_device && was.st_nlink == 0))
		return false;
	if (path_fd < 0)
		return true;
	return fstat(path_fd, &is) == 0 && (is.st_dev != was.st_dev || is.st_ino != was.st_ino);
}

/* It may lie on a disk that lives, with another name */
static bool is_dead(const struct tier_store *store)
{
	cleanup_free void *page = aligned_alloc(PAGE_BYTES, PAGE_BYTES);

	return page && pread(store->fd, page, PAGE_BYTES, 0) < 0;
}

static bool has_pages(struct tier_store *store)
{
	uint32_t extent;

	pthread_mutex_lock(&store->lock);
	for (extent = EXTENT_NONE + 1; extent < store->n && !store->taken[extent];)
		extent++;
	pthread_mutex_unlock(&store->lock);
	return extent < store->n;
}

/*
 * DOC: a disk that is gone, and back
 *
 * The kernel fails what is asked of a file whose disk was taken away, for ever: also when the disk
 * is back, and mounted again, under the same name.  And while the file is open its file system
 * can't end, so that the disk can't be repaired or mounted.  So a file that fails, is not what its
 * name says any more and can't be read is let go, and then sought by its name until one with its id
 * is there.  Each page's hash says whether what that has is still what was put there.
 */
static void let_go_if_gone(struct tier_store *store)
{
	cleanup_close int nothing = -1;

	if (store->let_go || !atomic_exchange(&store->failed, false) || !is_elsewhere(store) ||
	    !is_dead(store))
		return;
	nothing = open("/", O_PATH | O_CLOEXEC);
	pthread_mutex_lock(&store->lock);
	store->let_go = nothing >= 0 && dup3(nothing, store->fd, O_CLOEXEC) >= 0;
	pthread_mutex_unlock(&store->lock);
	if (store->let_go)
		log_warning("%s: its disk is gone; it is opened again when it is back",
			    store->path);
}

/* Not to begin anew a file that has pages */
static int open_again(struct tier_store *store, const uint64_t *id, struct err *err)
{
	int rc = open_store(store, has_pages(store) ? store->id : id, err);

	if (rc == 0)
		log_info("%s: is back", store->path);
	return rc;
}

void tier_store_failed(struct tier_store *store)
{
	store->failed = true;
}

static int open_locked(struct tier_store *store, const uint64_t *id, uint64_t *found,
		       struct err *err)
{
	int rc = 0;

	if (store->ended)
		return err_set(err, ECANCELED, "%s: its guest has ended", store->path);
	if (store->fd >= 0)
		let_go_if_gone(store);
	if (store->fd < 0)
		rc = open_store(store, id, err);
	else if (store->let_go)
		rc = open_again(store, id, err);
	if (rc == 0 && id && memcmp(id, store->id, sizeof(store->id)) != 0)
		rc = another(store, err);
	if (rc < 0)
		return rc;
	memcpy(found, store->id, sizeof(store->id));
	return store->fd;
}

static int open_now(struct tier_store *store, const uint64_t *id, uint64_t *found, struct err *err)
{
	int rc;

	pthread_mutex_lock(&store->opening);
	rc = open_locked(store, id, found, err);
	pthread_mutex_unlock(&store->opening);
	return rc;
}

static void open_apart(struct store_call *call)
{
	call->rc = open_now(call->store, call_id(call), call->found, &call->err);
}

/* It is open, and nothing has failed: no disk is asked */
static bool is_open(struct tier_store *store, const uint64_t *id, uint64_t *found)
{
	bool open;

	pthread_mutex_lock(&store->lock);
	open = store->fd >= 0 && !store->let_go && !store->failed &&
	       (!id || memcmp(id, store->id, sizeof(store->id)) == 0);
	if (open)
		memcpy(found, store->id, sizeof(store->id));
	pthread_mutex_unlock(&store->lock);
	return open;
}

int tier_store_open(struct tier_store *store, const uint64_t id[TIER_ID_WORDS],
		    uint64_t found[TIER_ID_WORDS], const _Atomic bool *given_up, struct err *err)
{
	struct store_call *call;

	if (is_open(store, id, found))
		return store->fd;
	call = call_new(store, open_apart, id);
	return call ? run_for_rc(call, given_up, found, err) : err_nomem(err);
}

/* ---- encryption ---- */

void tier_store_encrypt(struct tier_store *store, bool encrypt)
{
	store->encrypt = encrypt;
}

/* What lies below an open file stays what it is */
int tier_store_may_put(struct tier_store *store, struct err *err)
{
	const struct kfs kfs = { .rootfd = store->rootfd };
	int rc;

	if (!(store->directory ? store->directory : store)->encrypt || store->is_encrypted)
		return 0;
	rc = dm_crypt_check_file(&kfs, store->fd, err);
	if (rc < 0)
		return err_prefix(err, rc, "%s", store->path);
	store->is_encrypted = true;
	return 0;
}

/* ---- extents ---- */

/* Room to note so many */
static int grow(struct tier_store *store, uint32_t n)
{
	uint32_t room = store->n ? store->n : 1024;
	uint8_t *more;

	if (n <= store->n)
		return 0;
	while (room < n)
		room *= 2;
	more = realloc(store->taken, room);
	if (!more)
		return -ENOMEM;
	memset(more + store->n, 0, room - store->n);
	more[EXTENT_NONE] = EXTENT_TAKEN;
	store->taken = more;
	store->n = room;
	return 0;
}

static int set_state(struct tier_store *store, uint32_t extent, enum extent_state state)
{
	int rc;

	if (extent == EXTENT_NONE || extent >= EXTENTS_MOST)
		return -EINVAL;
	pthread_mutex_lock(&store->lock);
	rc = grow(store, extent + 1);
	if (rc == 0 &&
	    (store->taken[extent] == EXTENT_TAKEN || store->taken[extent] == EXTENT_HELD))
		rc = -EEXIST;
	if (rc == 0) {
		store->taken[extent] = (uint8_t)state;
		store->reserved = true;
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}

int tier_store_reserve(struct tier_store *store, uint32_t extent)
{
	return set_state(store, extent, EXTENT_RESERVED);
}

int tier_store_claim(struct tier_store *store, uint32_t extent)
{
	return set_state(store, extent, EXTENT_TAKEN);
}

/* Under the lock.  EXTENT_NONE: there is none */
static uint32_t find_free(struct tier_store *store)
{
	uint32_t extent;

	for (extent = store->next; extent < store->n; extent++)
		if (!store->taken[extent])
			return extent;
	return store->n < store->extents && grow(store, store->n + 1) == 0 ? extent : EXTENT_NONE;
}

static void leave(struct tier_store *store, uint32_t extent, enum extent_state state)
{
	pthread_mutex_lock(&store->lock);
	if (extent != EXTENT_NONE && extent < store->n && store->taken[extent] != EXTENT_HELD) {
		store->taken[extent] = (uint8_t)state;
		if (state == EXTENT_FREE && extent < store->next)
			store->next = extent;
	}
	pthread_mutex_unlock(&store->lock);
}

void tier_store_leave(struct tier_store *store, uint32_t extent)
{
	leave(store, extent, EXTENT_RESERVED);
}

/* A file system that is full says so now, and not when a page is on its way.  Where it can't give
 * room beforehand it says so then.  The file grows: ext4 makes no hole behind a file's end */
static int give_room(const struct tier_store *store, uint32_t extent)
{
	if (store->is_device)
		return 0;
	while (fallocate(store->fd, 0, (off_t)extent * EXTENT_BYTES, EXTENT_BYTES) < 0) {
		if (errno == EOPNOTSUPP)
			return 0;
		if (errno != EINTR)
			return errno == EDQUOT || errno == EFBIG ? -ENOSPC : -errno;
	}
	return 0;
}

static void give_room_apart(struct store_call *call)
{
	call->rc = give_room(call->store, call->one);
}

/* It was given up, and the disk has answered: until now the extent was taken */
static void give_room_back(struct store_call *call)
{
	discard(call->store->fd, call->one, 1);
	leave(call->store, call->one, EXTENT_FREE);
}

/* Return: -ECANCELED: it is taken until the disk has answered */
static int wait_for_room(struct tier_store *store, uint32_t extent, const _Atomic bool *given_up)
{
	struct store_call *call;

	if (store->is_device)
		return 0;
	call = call_new(store, give_room_apart, NULL);
	if (!call)
		return -ENOMEM;
	call->one = extent;
	call->left = give_room_back;
	return run_for_rc(call, given_up, NULL, NULL);
}

int tier_store_take(struct tier_store *store, struct tier_budget *budget,
		    const _Atomic bool *given_up, uint32_t *extent)
{
	uint32_t found = EXTENT_NONE;
	int rc;

	if (!tier_budget_take(budget, EXTENT_BYTES))
		return -ENOSPC;
	pthread_mutex_lock(&store->lock);
	if (store->fd >= 0)
		found = find_free(store);
	if (found >= store->extents)
		found = EXTENT_NONE;
	if (found != EXTENT_NONE) {
		store->taken[found] = EXTENT_TAKEN;
		store->next = found + 1;
	}
	pthread_mutex_unlock(&store->lock);
	rc = found == EXTENT_NONE ? -ENOSPC : wait_for_room(store, found, given_up);
	if (rc < 0) {
		if (found != EXTENT_NONE && rc != -ECANCELED)
			leave(store, found, EXTENT_FREE);
		tier_budget_give(budget, EXTENT_BYTES);
		return rc;
	}
	*extent = found;
	return 0;
}

static void put_extents(struct store_call *call)
{
	struct tier_store *store = call->store;
	size_t i;

	for (i = 0; i < call->n; i++) {
		if (store->fd >= 0)
			discard(store->fd, call->extent[i], 1);
		leave(store, call->extent[i], EXTENT_FREE);
	}
}

/* The daemon opens the file here if it had no page to read or write there.  If the file can't be
 * opened, the guest's content stays in it */
static void open_and_put_extents(struct store_call *call)
{
	open_now(call->store, call->id, call->found, NULL);
	put_extents(call);
}

static struct store_call *put_call(struct tier_store *store, const uint64_t *id,
				   const uint32_t *extent, size_t n)
{
	struct store_call *call = call_new(store, id ? open_and_put_extents : put_extents, id);

	if (!call)
		return NULL;
	call->extent = malloc(n * sizeof(*extent));
	if (!call->extent) {
		call_free(call);
		return NULL;
	}
	memcpy(call->extent, extent, n * sizeof(*extent));
	call->n = n;
	return call;
}

void tier_store_put(struct tier_store *store, uint32_t extent, const _Atomic bool *given_up)
{
	struct store_call *call = put_call(store, NULL, &extent, 1);

	if (!call)
		leave(store, extent, EXTENT_FREE);
	else if (run_apart(call, given_up, 0))
		call_free(call);
}

void tier_store_put_all(struct tier_store *store, const uint64_t id[TIER_ID_WORDS],
			const uint32_t *extent, size_t n)
{
	struct store_call *call = n ? put_call(store, id, extent, n) : NULL;
	size_t i;

	if (call) {
		pthread_mutex_lock(&store->stores->lock);
		count_call(call);
		pthread_mutex_unlock(&store->stores->lock);
		run_at_end(call);
	}
	for (i = 0; i < n && !call; i++)
		leave(store, extent[i], EXTENT_FREE);
}

static void sync_apart(struct store_call *call)
{
	call->rc = fdatasync(call->store->fd) < 0 ? -errno : 0;
}

int tier_store_sync(struct tier_store *store, const _Atomic bool *given_up)
{
	struct store_call *call = call_new(store, sync_apart, NULL);

	return call ? run_for_rc(call, given_up, NULL, NULL) : -ENOMEM;
}

void tier_store_hold(struct tier_store *store, uint32_t extent)
{
	pthread_mutex_lock(&store->lock);
	if (extent != EXTENT_NONE && extent < store->n)
		store->taken[extent] = EXTENT_HELD;
	pthread_mutex_unlock(&store->lock);
}

void tier_store_silent(struct tier_store *store, bool silent)
{
	if (store->silent != silent)
		store->silent = silent;
}

/* All files of a directory lie on one */
static struct tier_store *disk_of(struct tier_store *store)
{
	return store->directory ? store->directory : store;
}

void tier_store_asks(struct tier_store *store)
{
	struct tier_store *disk = disk_of(store);

	if (!disk->asking)
		disk->answered_ms = clock_ms();
	disk->asking++;
}

void tier_store_answered(struct tier_store *store)
{
	struct tier_store *disk = disk_of(store);

	disk->answered_ms = clock_ms();
	disk->asking--;
}

bool tier_store_is_silent(const struct tier_store *store)
{
	const struct tier_store *disk = store->directory ? store->directory : store;

	return store->silent || (disk->asking && clock_ms() - disk->answered_ms > SILENT_MS);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which store a guest's files go to, and whether they fit.
 */
#include "policy/store_rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "policy/store_text.h"

/* Named in a refusal; the rest is counted */
#define PROMISES_SHOWN 4

const struct store_view *store_in_use(const struct host_view *host)
{
	size_t i;

	for (i = 0; i < host->n_stores; i++)
		if (host->stores[i].in_use)
			return &host->stores[i];
	return NULL;
}

struct store_view *store_at(const struct host_view *host, const char *path)
{
	size_t i;

	for (i = 0; i < host->n_stores; i++)
		if (!strcmp(host->stores[i].config.path, path))
			return &host->stores[i];
	return NULL;
}

/* ---- which one ---- */

static const struct store_view *store_named(const struct host_view *host, const char *name)
{
	size_t i;

	for (i = 0; i < host->n_stores; i++)
		if (host->stores[i].configured && !strcmp(host->stores[i].config.name, name))
			return &host->stores[i];
	return NULL;
}

/* "memory_backing_dir in line 12 of /etc/libvirt/qemu.conf is ..." */
static void say_where(const struct host_view *host, char *buf, size_t size)
{
	const struct qemu_conf *conf = &host->qemu_conf;

	if (conf->memory_backing_line)
		snprintf(buf, size, "memory_backing_dir in line %u of /%s is %s",
			 conf->memory_backing_line, QEMU_CONF_FILE, qemu_conf_memory_dir(conf));
	else
		snprintf(buf, size, "memory_backing_dir is not set in /%s, which means %s",
			 QEMU_CONF_FILE, qemu_conf_memory_dir(conf));
}

static int mismatch(const struct host_view *host, const struct store_view *wanted, struct err *err)
{
	char where[2 * QEMU_CONF_PATH_SIZE];

	say_where(host, where, sizeof(where));
	return err_set(
		err, EINVAL,
		"%s, and store '%s' is at %s: set memory_backing_dir = \"%s\" there and restart "
		"libvirt's QEMU daemon, or correct the store's path in /%s",
		where, wanted->config.name, wanted->config.path, wanted->config.path, CONFIG_FILE);
}

static int unreadable(const struct host_view *host, struct err *err)
{
	if (!host->qemu_conf.memory_backing_line)
		return err_set(
			err, EINVAL,
			"cannot read /%s, or others than root may write to it: where libvirt puts "
			"file-backed memory is unknown; see: ls -l /%s",
			QEMU_CONF_FILE, QEMU_CONF_FILE);
	return err_set(err, EINVAL,
		       "line %u of /%s: expected memory_backing_dir = \"/absolute/path\"",
		       host->qemu_conf.memory_backing_line, QEMU_CONF_FILE);
}

int store_choose(const struct host_view *host, const char *wanted, const struct store_view **store,
		 struct err *err)
{
	const struct store_view *used = store_in_use(host), *named;

	if (host->qemu_conf.memory_backing_unreadable)
		return unreadable(host, err);
	if (*wanted) {
		named = store_named(host, wanted);
		if (!named)
			return err_set(err, EINVAL, "there is no [store] with name = %s in /%s",
				       wanted, CONFIG_FILE);
		if (!named->in_use)
			return mismatch(host, named, err);
		used = named;
	}
	if (!used)
		return mismatch(host, &host->stores[0], err);
	*store = used;
	return 0;
}

/* ---- libvirt's daemon ---- */

const char *store_daemon(const struct host_view *host)
{
	return *host->daemon.comm ? host->daemon.comm : "libvirtd";
}

static const char *said(const char *memory_backing_dir, char *buf, size_t size)
{
	snprintf(buf, size,
		 *memory_backing_dir ? "memory_backing_dir = \"%s\"" : "no memory_backing_dir%s",
		 memory_backing_dir);
	return buf;
}

int store_check_daemon(const struct host_view *host, struct err *err)
{
	char then[QEMU_CONF_PATH_SIZE + 32], now[QEMU_CONF_PATH_SIZE + 32];

	if (host->daemon.conf != DAEMON_CONF_OLD)
		return 0;
	return err_set(err, EINVAL,
		       "/%s has %s now, but %s still uses it as it was at its start, with %s: "
		       "restart %s",
		       QEMU_CONF_FILE, said(host->qemu_conf.memory_backing_dir, now, sizeof(now)),
		       store_daemon(host),
		       said(host->daemon.memory_backing_dir, then, sizeof(then)),
		       store_daemon(host));
}

bool store_doubts_daemon(const struct host_view *host, char *buf, size_t size)
{
	if (host->daemon.conf != DAEMON_CONF_DOUBT)
		return false;
	snprintf(buf, size,
		 "/%s was changed after %s had been started: file-backed memory may still be put "
		 "where it was before; if memory_backing_dir was changed, restart %s",
		 QEMU_CONF_FILE, store_daemon(host), store_daemon(host));
	return true;
}

/* ---- is it right ---- */

bool store_wants_mount(const struct store_view *store)
{
	return store->configured && store->config.mount != MOUNT_NEVER && !store->state.mountpoint;
}

void store_mount_options(const struct config_store *config, char *buf, size_t size)
{
	int used = snprintf(buf, size, "nodev,nosuid,noexec%s%s", *config->options ? "," : "",
			    config->options);

	if (used < 0 || (size_t)used >= size)
		return;
	if (config->size.percent)
		snprintf(buf + used, size - (size_t)used, ",size=%u%%", config->size.percent);
	else if (config->size.kib)
		snprintf(buf + used, size - (size_t)used, ",size=%lluk",
			 (unsigned long long)config->size.kib);
}

static int verify_mount(const struct store_view *store, struct err *err)
{
	const struct mount_info *mount = &store->state.mount;
	const struct config_store *config = &store->config;

	if (!store->state.present)
		return err_set(err, ENOENT,
			       "store '%s': the directory %s does not exist: create it",
			       config->name, config->path);
	if (!store->state.mountpoint)
		return err_set(
			err, ENOENT,
			"store '%s': nothing is mounted on %s, memory there would be on %s%s: "
			"mount it, or set mount = prepare for this store in /%s",
			config->name, config->path,
			store->state.root ? "the host's root file system " : "", mount->source,
			CONFIG_FILE);
	if (store->state.root)
		return err_set(
			err, EINVAL,
			"store '%s': %s is the host's root file system: guests could fill it; "
			"give the store a file system of its own",
			config->name, config->path);
	if (*config->fstype && strcmp(config->fstype, mount->fstype))
		return err_set(err, EINVAL,
			       "store '%s': %s is mounted on %s, and fstype = %s is configured: "
			       "unmount it, or correct fstype in /%s",
			       config->name, mount->fstype, config->path, config->fstype,
			       CONFIG_FILE);
	if (store->wrong_source)
		return err_set(err, EINVAL,
			       "store '%s': %s is mounted on %s, and source = %s is configured: "
			       "unmount it, or correct source in /%s",
			       config->name, mount->source, config->path, config->source,
			       CONFIG_FILE);
	return 0;
}

bool store_is_hugetlbfs(const struct store_view *store)
{
	return store->hugetlbfs ||
	       (store->state.present && !strcmp(store->state.mount.fstype, "hugetlbfs")) ||
	       (store->configured && !strcmp(store->config.fstype, "hugetlbfs"));
}

int store_verify(const struct store_view *store, struct err *err)
{
	char name[STORE_LABEL_SIZE];
	int rc;

	store_text_label(store, name, sizeof(name));
	if (store_is_hugetlbfs(store))
		return err_set(
			err, EINVAL,
			"%s lies on a hugetlbfs: memory there takes huge pages that no store "
			"counts; write <hugepages/> into the guest's <memoryBacking>, and let "
			"memory_backing_dir in /%s name another directory",
			name, QEMU_CONF_FILE);
	if (*store->unreadable)
		return err_set(err, EIO, "%s: %s", name, store->unreadable);
	rc = store->configured ? verify_mount(store, err) : 0;
	if (rc < 0)
		return rc;
	if (store->elsewhere)
		return err_set(
			err, EINVAL,
			"%s: another file system is mounted below it, where memory_backing_dir "
			"points to: unmount that, or make it the store",
			name);
	if (store->state.mount.readonly)
		return err_set(err, EROFS,
			       "%s is read-only: look in the kernel's log for errors of %s, then: "
			       "mount -o remount,rw %s",
			       name, store->state.mount.source, store->state.mount.target);
	/* A directory that libvirt makes belongs to QEMU's user; others need no access */
	if (store->configured && !store->state.traversable)
		return err_set(err, EACCES, "%s can't be entered by QEMU's user: chmod o+x %s",
			       name, store->config.path);
	return 0;
}

/* ---- is there room ---- */

bool store_is_waiting(const struct store_view *store)
{
	return store->state.present && store_wants_mount(store);
}

int store_problem(const struct store_view *store, struct err *err)
{
	return store_is_waiting(store) ? 0 : store_verify(store, err);
}

uint64_t store_keep_free(const struct store_view *store)
{
	const struct config_amount *amount = &store->config.keep_free;

	if (amount->percent)
		return u64_mul_sat(store->state.capacity_kib / 100, amount->percent);
	return amount->kib;
}

bool store_is_mounted(const struct store_view *store)
{
	const struct store_state *state = &store->state;

	/* Without a [store] it is that of the nearest directory above, if need be */
	return state->mountpoint &&
	       (store->configured || !strcmp(state->mount.target, store->config.path));
}

uint64_t store_capacity(const struct store_view *store)
{
	uint64_t kib = store->state.capacity_kib;

	/* The state is that of the directory below the mount */
	if (store_wants_mount(store))
		kib = store->config.size.percent ? 0 : store->config.size.kib;
	return kib ? kib : UINT64_MAX;
}

uint64_t store_most(const struct store_view *store)
{
	uint64_t capacity = store_capacity(store);
	const struct config_amount *keep = &store->config.keep_free;

	if (capacity == UINT64_MAX)
		return capacity;
	return u64_sub_floor(capacity, keep->percent ? capacity / 100 * keep->percent : keep->kib);
}

uint64_t store_outstanding(const struct store_view *store, const char *except)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < store->n_promises; i++) {
		const struct store_promise *promise = &store->promises[i];

		if (!except || strcmp(promise->guest, except))
			sum = u64_add_sat(sum,
					  u64_sub_floor(promise->promised_kib, promise->used_kib));
	}
	return sum;
}

uint64_t store_promised(const struct store_view *store)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < store->n_promises; i++)
		sum = u64_add_sat(sum, store->promises[i].promised_kib);
	return sum;
}

uint64_t store_ram(const struct host_view *host)
{
	uint64_t kib = u64_add_sat(host->numa.swap_free_kib, host->numa.arc_kib);
	size_t i;

	for (i = 0; i < host->numa.n_nodes; i++) {
		const struct numa_node *node = &host->numa.nodes[i];

		kib = u64_add_sat(kib, node->free_kib + node->percpu_kib + node->reclaimable_kib);
	}
	return kib;
}

/* " (promised to web1 16 GiB, web2 16 GiB and 3 others)" */
static void say_promises(const struct store_view *store, const char *except, char *buf, size_t size)
{
	char kib[TEXT_KIB_SIZE];
	size_t used = 0, shown = 0, more = 0, i;

	buf[0] = '\0';
	for (i = 0; i < store->n_promises; i++) {
		const struct store_promise *promise = &store->promises[i];

		if (except && !strcmp(promise->guest, except))
			continue;
		if (shown == PROMISES_SHOWN) {
			more++;
			continue;
		}
		used += (size_t)snprintf(buf + used, size - used, "%s%.64s %s",
					 shown++ ? ", " : " (promised to ", promise->guest,
					 text_from_kib(promise->promised_kib, kib));
	}
	if (more)
		used += (size_t)snprintf(buf + used, size - used, " and %zu others", more);
	if (shown)
		snprintf(buf + used, size - used, ")");
}

/* ", 36 MiB of which running guests may still use (promised to ...)", or "" */
static void say_outstanding(uint64_t kib, const struct store_view *store, const char *guest,
			    char *buf, size_t size)
{
	char text[TEXT_KIB_SIZE], promises[512];

	*buf = '\0';
	if (!kib)
		return;
	say_promises(store, guest, promises, sizeof(promises));
	snprintf(buf, size, ", %s of which running guests may still use%s",
		 text_from_kib(kib, text), promises);
}

/* Has the store files that are no guest's?  A file system needs some room of its own */
static bool has_other_files(const struct store_view *store)
{
	uint64_t used = u64_sub_floor(store->state.capacity_kib, store->state.available_kib);
	size_t i;

	for (i = 0; i < store->n_promises; i++)
		used = u64_sub_floor(used, store->promises[i].used_kib);
	return used > store->state.capacity_kib / 20;
}

static bool has_other_guests(const struct store_view *store, const char *guest)
{
	size_t i;

	for (i = 0; i < store->n_promises; i++)
		if (strcmp(store->promises[i].guest, guest) != 0)
			return true;
	return false;
}

/* Only what can help: without guests and files the store is too small */
static const char *more_room(const struct store_view *store, const char *guest)
{
	bool guests = has_other_guests(store, guest), files = has_other_files(store);

	if (guests && files)
		return "shut a guest down, remove files from the store, or enlarge it";
	if (guests)
		return "shut a guest down, or enlarge the store";
	return files ? "remove files from the store, or enlarge it" : "enlarge the store";
}

static int refuse(const struct store_view *store, const char *guest, uint64_t size_kib,
		  uint64_t left_kib, struct err *err)
{
	char name[STORE_LABEL_SIZE], others[640];
	char size[TEXT_KIB_SIZE], capacity[TEXT_KIB_SIZE], available[TEXT_KIB_SIZE];
	char keep[TEXT_KIB_SIZE], missing[TEXT_KIB_SIZE];

	store_text_label(store, name, sizeof(name));
	say_outstanding(store_outstanding(store, guest), store, guest, others, sizeof(others));
	return err_set(
		err, ENOSPC,
		"not enough memory for files: guest '%s' needs %s of file-backed memory, and "
		"%s lacks %s for it: of its %s, %s are available%s, and %s are kept free; %s",
		guest, text_from_kib(size_kib, size), name,
		text_from_kib(size_kib - left_kib, missing),
		text_from_kib(store->state.capacity_kib, capacity),
		text_from_kib(store->state.available_kib, available), others,
		text_from_kib(store_keep_free(store), keep), more_room(store, guest));
}

static int refuse_ram(const struct store_view *store, const char *guest, uint64_t size_kib,
		      uint64_t ram_kib, uint64_t promised_kib, struct err *err)
{
	char name[STORE_LABEL_SIZE], others[640];
	char size[TEXT_KIB_SIZE], ram[TEXT_KIB_SIZE], missing[TEXT_KIB_SIZE];

	store_text_label(store, name, sizeof(name));
	say_outstanding(promised_kib, store, guest, others, sizeof(others));
	return err_set(
		err, ENOSPC,
		"not enough memory for files: guest '%s' needs %s of file-backed memory; %s "
		"lies in the host's memory, which lacks %s for it: %s is available%s; %s, or "
		"add swap",
		guest, text_from_kib(size_kib, size), name,
		text_from_kib(size_kib - u64_sub_floor(ram_kib, promised_kib), missing),
		text_from_kib(ram_kib, ram), others,
		promised_kib ? "shut a guest down" : "end other programs");
}

/* Promises of all stores in memory */
static uint64_t outstanding_in_ram(const struct host_view *host, const char *except)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < host->n_stores; i++)
		if (host->stores[i].state.in_ram)
			sum = u64_add_sat(sum, store_outstanding(&host->stores[i], except));
	return sum;
}

int store_admit(const struct store_view *store, const struct host_view *host, uint64_t ram_kib,
		const char *guest, uint64_t size_kib, struct err *err)
{
	uint64_t held_back = u64_add_sat(store_outstanding(store, guest), store_keep_free(store));
	uint64_t available = u64_add_sat(store->state.available_kib, store->stale_kib);
	uint64_t left = u64_sub_floor(available, held_back), promised;

	/* ramfs has no size of its own */
	if (store->state.capacity_kib && left < size_kib)
		return refuse(store, guest, size_kib, left, err);
	if (!store->state.in_ram)
		return 0;
	promised = outstanding_in_ram(host, guest);
	ram_kib = u64_add_sat(ram_kib, store->stale_kib);
	if (u64_sub_floor(ram_kib, promised) < size_kib)
		return refuse_ram(store, guest, size_kib, ram_kib, promised, err);
	return 0;
}

/* ---- the step ---- */

void store_step_fill(const struct guest *guest, const struct store_view *store,
		     const struct host_view *host, struct step_store *step)
{
	const struct config_store *config = &store->config;

	memset(step, 0, sizeof(*step));
	if (store->configured)
		snprintf(step->store, sizeof(step->store), "%s", config->name);
	snprintf(step->path, sizeof(step->path), "%s", config->path);
	snprintf(step->dir, sizeof(step->dir), "%s", qemu_conf_memory_dir(&host->qemu_conf));
	snprintf(step->below, sizeof(step->below), "%s", qemu_conf_memory_below(&host->qemu_conf));
	snprintf(step->guest, sizeof(step->guest), "%s", guest->name);
	step->id = guest->id;
	step->size_kib = guest_file_kib(guest);
	step->mount = store_wants_mount(store);
	step->unmount = store->configured && config->mount == MOUNT_PREPARE &&
			config->unmount == UNMOUNT_LAST_GUEST;
	snprintf(step->source, sizeof(step->source), "%s", config->source);
	snprintf(step->fstype, sizeof(step->fstype), "%s", config->fstype);
	store_mount_options(config, step->options, sizeof(step->options));
}

size_t store_directories(const struct step_store *step,
			 char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE])
{
	struct guest guest = { .id = step->id };

	snprintf(guest.name, sizeof(guest.name), "%s", step->guest);
	return guest_directories(&guest, names);
}

bool store_has_directory(const struct step_store *step, const char *directory)
{
	char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE];
	size_t n = store_directories(step, names), i;

	for (i = 0; i < n; i++)
		if (!strcmp(names[i], directory))
			return true;
	return false;
}

bool store_directory_of(const char *directory, const char *name)
{
	char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE];
	const char *shortname = strchr(directory, '-');
	struct guest guest = { .id = 0 };
	size_t n, i;

	if (!shortname)
		return false;
	snprintf(guest.name, sizeof(guest.name), "%s", name);
	n = guest_directories(&guest, names);
	for (i = 0; i < n; i++)
		if (!strcmp(shortname, strchr(names[i], '-')))
			return true;
	return false;
}

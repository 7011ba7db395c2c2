// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: in which order, and why
 *
 * Mount, verify, make the way to the guests' directories passable, admit, remove the
 * guest's own stale directory.  Room is looked at again after mounting because there
 * was nothing to look at before.  The promise counts from the ledger's first write,
 * under the host lock: of two guests that want the last GiB the second sees it.
 *
 * The mount belongs to all guests in the store.  It is written down as a shared
 * setting before it is made; the session that gives back the last guest's unmounts it.
 */
#include "steps/store_step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_fields.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/open_files.h"
#include "memory/path.h"
#include "memory/store.h"
#include "policy/store_place.h"
#include "policy/store_rules.h"

static const char *what_to_mount(const struct step_store *st)
{
	if (*st->source)
		return st->source;
	return *st->fstype ? st->fstype : "what fstab says";
}

static void describe(const struct step *step, char *buf, size_t size)
{
	const struct step_store *st = &step->store;
	char kib[TEXT_KIB_SIZE], place[STORE_PLACE_SIZE];
	int used;

	text_from_kib(st->size_kib, kib);
	if (*st->lies_in) {
		snprintf(buf, size, "hold %s for files in %s", kib,
			 store_place_text(st, ";", place, sizeof(place)));
		return;
	}
	if (*st->store)
		used = snprintf(buf, size, "hold %s of store '%s' (%s) for files", kib, st->store,
				st->path);
	else
		used = snprintf(buf, size, "hold %s of the file system at %s for files", kib,
				st->path);
	if (st->mount && !st->ready && used > 0 && (size_t)used < size)
		snprintf(buf + used, size - (size_t)used, ", after mounting %s", what_to_mount(st));
}

static void fact(const struct step *step, char *buf, size_t size)
{
	const struct step_store *st = &step->store;
	char kib[TEXT_KIB_SIZE];

	text_from_kib(st->size_kib, kib);
	if (*st->store && !*st->lies_in)
		snprintf(buf, size, "%s in store %s", kib, st->store);
	else
		snprintf(buf, size, "%s in %s", kib, *st->lies_in ? st->lies_in : st->path);
}

/* ---- apply ---- */

/* By the path, since a [store] may get another one while guests hold the old.  A path is
 * too long for a file's name: FNV-1a of it */
static void shared_name(const char *path, char name[SHARED_NAME_SIZE])
{
	uint64_t hash = 0xcbf29ce484222325;

	while (*path)
		hash = (hash ^ (unsigned char)*path++) * 0x100000001b3;
	snprintf(name, SHARED_NAME_SIZE, "store-%016llx", (unsigned long long)hash);
}

/* @before tells a mount of ours that was not written down any more from none */
static int write_down(struct step_ctx *ctx, const struct step_store *st, const char *before,
		      const char *ours, struct err *err)
{
	struct shared_setting setting = { .kind = STEP_STORE };

	shared_name(st->path, setting.name);
	snprintf(setting.key, sizeof(setting.key), "%s", st->path);
	snprintf(setting.before, sizeof(setting.before), "%s", before);
	snprintf(setting.ours, sizeof(setting.ours), "%s", ours);
	return ctx->save_shared(ctx, &setting, err);
}

/* The lock for mounting is held */
static int mount_missing(struct step_ctx *ctx, const struct step_store *st, struct store_view *view,
			 struct err *err)
{
	struct mount_spec spec = {
		.target = st->path,
		.source = st->source,
		.fstype = st->fstype,
		.options = st->options,
	};
	char before[sizeof(view->state.mount.identity)];
	int rc = ctx->read_store(ctx->kfs, view, err);

	/* The hook of a daemon that started, or an administrator, was quicker: that mount is not
	 * ours */
	if (rc < 0 || view->state.mountpoint)
		return rc;
	memcpy(before, view->state.mount.identity, sizeof(before));
	if (st->unmount)
		rc = write_down(ctx, st, before, "", err);
	if (rc == 0)
		rc = mount_make(&spec, ctx->deadline, err);
	if (rc == 0)
		rc = ctx->read_store(ctx->kfs, view, err);
	if (rc < 0)
		return rc;
	log_event(LOG_EVENT_STORE_MOUNTED, "mounted %s (%s) on %s", view->state.mount.source,
		  view->state.mount.fstype, st->path);
	if (st->unmount && view->state.mountpoint)
		rc = write_down(ctx, st, before, view->state.mount.identity, err);
	return rc;
}

static int mount_store(struct step_ctx *ctx, const struct step_store *st, struct store_view *view,
		       struct err *err)
{
	cleanup_lock int lock = lock_take(ctx->kfs->rootfd, LOCK_MOUNTS, ctx->deadline, err);
	int rc = lock < 0 ? lock : mount_missing(ctx, st, view, err);

	return rc < 0 ? err_prefix(err, rc, "guest '%s': store '%s'", ctx->guest_name, st->store) :
			0;
}

static int remove_stale(struct step_ctx *ctx, const struct step_store *st, int base,
			struct err *err)
{
	char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE];
	size_t n = store_directories(st, names), i;
	uint64_t kib;

	for (i = 0; i < n; i++) {
		char text[TEXT_KIB_SIZE];
		int rc = store_remove_guest(ctx->kfs, base, names[i], &kib, err);

		if (rc < 0)
			return err_prefix(err, rc,
					  "guest '%s' would get what an earlier guest left in "
					  "%s/%s%s%s as its memory",
					  ctx->guest_name, st->dir, st->below,
					  *st->below ? "/" : "", names[i]);
		if (rc > 0)
			log_info("removed the stale directory %s with %s of memory", names[i],
				 text_from_kib(kib, text));
	}
	return 0;
}

static int clear_the_way(struct step_ctx *ctx, const struct step_store *st, struct err *err)
{
	cleanup_close int base = store_open_base(ctx->kfs, st->dir, st->below, true, err);

	/* libvirt makes its default directory itself */
	if (base == -ENOENT && !*st->store)
		return 0;
	if (base < 0)
		return err_prefix(err, base, "guest '%s'", ctx->guest_name);
	return remove_stale(ctx, st, base, err);
}

/* Some file systems (xfs) have the room of a removed file a moment later */
static int admit(struct step_ctx *ctx, const struct step_store *st, struct store_view *view,
		 struct err *err)
{
	int tries, rc;

	for (tries = 0;; tries++) {
		rc = ctx->read_store(ctx->kfs, view, err);
		if (rc == 0)
			rc = store_admit(view, ctx->host, store_ram(ctx->host), ctx->guest_name,
					 st->size_kib, err);
		if (rc != -ENOSPC || tries == STORE_ADMIT_TRIES)
			return rc;
		clock_sleep_ms(STORE_ADMIT_WAIT_MS);
	}
}

static int make_ready(struct step_ctx *ctx, struct step_store *st, struct store_view *view,
		      struct err *err)
{
	int rc = store_verify(view, err);

	if (rc < 0)
		return err_prefix(err, rc, "guest '%s'", ctx->guest_name);
	rc = clear_the_way(ctx, st, err);
	view->stale_kib = 0;
	return rc < 0 ? rc : admit(ctx, st, view, err);
}

static int apply(struct step_ctx *ctx, struct step *step, struct err *err)
{
	struct step_store *st = &step->store;
	struct store_view *view = store_at(ctx->host, st->path);
	char text[CONFIG_PATH_SIZE + TEXT_KIB_SIZE];
	int rc = 0;

	/* What an earlier start could not give back yet is in this start's ledger too */
	if (st->ready)
		return 0;
	if (!view)
		return err_set(err, EINVAL, "guest '%s': store at %s: not in the host's view",
			       ctx->guest_name, st->path);
	/* Others may have mounted it since the plan was made */
	if (st->mount && !view->state.mountpoint)
		rc = mount_store(ctx, st, view, err);
	if (rc == 0)
		rc = make_ready(ctx, st, view, err);
	if (rc < 0)
		return rc;
	fact(step, text, sizeof(text));
	log_info("is promised %s", text);
	st->ready = true;
	return ctx->save(ctx, err);
}

/* ---- undo ---- */

/* What is there is of others' making, and no waiting changes it.  Any other error, of want of
 * descriptors or memory for one, says nothing of what is there */
static bool is_final(int rc)
{
	switch (rc) {
	case -E2BIG:
	case -ELOOP:
	case -ENOTDIR:
	case -ENOTEMPTY:
	case -EROFS:
	case -EXDEV:
		return true;
	}
	return false;
}

static int remove_in(const struct kfs *kfs, const struct step_store *st, const char *dir,
		     const char *below, struct err *err)
{
	cleanup_close int base = -1;
	char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE];
	size_t n = store_directories(st, names), i;
	int result = 0;

	if (store_answers(kfs, dir, err) < 0)
		return -ETIMEDOUT;
	base = store_open_base(kfs, dir, below, false, err);
	/* Not mounted any more, or never made */
	if (base == -ENOENT)
		return 0;
	if (is_final(base)) {
		log_warning("%s", err->text);
		return 0;
	}
	if (base < 0)
		return -EAGAIN;
	for (i = 0; i < n; i++) {
		const char *name = names[i];
		struct err why;
		uint64_t kib;
		int rc = store_remove_guest(kfs, base, name, &kib, &why);
		char text[TEXT_KIB_SIZE];

		if (rc > 0)
			log_info("removed what was left in %s: %s of memory", name,
				 text_from_kib(kib, text));
		if (rc < 0 && !is_final(rc))
			result = err_set(err, EAGAIN, "%s", why.text);
		else if (rc < 0)
			log_warning("%s/%s%s%s stays: %s", dir, below, *below ? "/" : "", name,
				    why.text);
	}
	return result;
}

/* Also where they were planned if they lie elsewhere: what was plugged in after libvirt's daemon
 * had been restarted */
static int remove_leftovers(const struct kfs *kfs, const struct step_store *st, struct err *err)
{
	int rc = remove_in(kfs, st, st->dir, st->below, err), other;
	char dir[QEMU_CONF_PATH_SIZE];
	struct err why;
	const char *below;

	if (!*st->lies_in || !store_place_split(st->lies_in, dir, &below))
		return rc;
	other = remove_in(kfs, st, dir, below, &why);
	return rc == 0 && other < 0 ? err_set(err, -other, "%s", why.text) : rc;
}

static int undo(struct step_ctx *ctx, struct step *step, enum undo_reason reason, struct err *err)
{
	int rc = remove_leftovers(ctx->kfs, &step->store, err);

	(void)reason;
	/* Only a directory is left of it: nothing to do */
	if (rc < 0) {
		step->store.size_kib = 0;
		step->store.mount = false;
		step->store.ready = true;
	}
	return rc;
}

static int outlives_boot(const struct kfs *kfs, struct step *step, struct err *err)
{
	return remove_leftovers(kfs, &step->store, err);
}

/* ---- the mount as a shared setting ---- */

static bool holds(const struct step *step, const struct shared_setting *setting)
{
	const struct step_store *st = &step->store;

	return !strcmp(st->path, setting->key) ||
	       (*st->lies_in && store_place_within(st->lies_in, setting->key));
}

/* A hook that died between mounting and writing that down: what is mounted there now
 * and was not before is ours */
static int find_ours(const struct kfs *kfs, const struct shared_setting *setting, char *ours,
		     size_t size, struct err *err)
{
	struct mount_info info;
	int rc = mount_find(kfs, setting->key, &info, err);

	ours[0] = '\0';
	if (rc == 1 && !mount_is_same(info.identity, setting->before))
		snprintf(ours, size, "%s", info.identity);
	return rc < 0 ? rc : 0;
}

/* Our own descriptor is closed again: it would count as a use */
static bool device_of(const struct kfs *kfs, const char *path, dev_t *dev)
{
	cleanup_close int fd = path_open(kfs->rootfd, path, O_PATH, NULL);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	*dev = st.st_dev;
	return true;
}

/* A guest that has lost its ledger, or whatever else: the kernel knows only of users that
 * share our mounts */
static int check_unused(const struct kfs *kfs, const char *path, struct err *err)
{
	struct open_files_user user;
	dev_t dev;
	int rc;

	if (!device_of(kfs, path, &dev))
		return 0;
	rc = open_files_on(kfs, dev, &user);
	if (rc < 0) {
		err_sys(err, -rc, "%s stays mounted: cannot find out who uses it", path);
		return -EAGAIN;
	}
	if (rc == 0)
		return 0;
	return err_set(
		err, EAGAIN,
		"%s stays mounted: no guest that we know of uses it any more, but %s (process "
		"%d) does",
		path, user.comm, (int)user.pid);
}

static int restore(struct step_ctx *ctx, const struct shared_setting *setting, struct err *err)
{
	const struct kfs *kfs = ctx->kfs;
	char ours[SHARED_VALUE_SIZE];
	struct mount_info info;
	int rc = store_answers(kfs, setting->key, err);

	if (rc < 0)
		return -EAGAIN;
	snprintf(ours, sizeof(ours), "%s", setting->ours);
	if (!*ours)
		rc = find_ours(kfs, setting, ours, sizeof(ours), err);
	if (rc == 0 && *ours)
		rc = mount_find(kfs, setting->key, &info, err);
	/* It was unmounted by hand, or something else was mounted */
	if (rc != 1 || !mount_is_same(info.identity, ours))
		return rc < 0 ? rc : 0;
	rc = check_unused(kfs, setting->key, err);
	if (rc < 0)
		return rc;
	rc = mount_remove(kfs, setting->key, ours, err);
	if (rc == 0)
		log_event(LOG_EVENT_STORE_UNMOUNTED, "unmounted %s: no guest uses it any more",
			  setting->key);
	return rc == -EBUSY ? -EAGAIN : rc;
}

/* ---- what every step can do ---- */

static struct step_store *files(struct step *step)
{
	return &step->store;
}

static void held(const struct step *step, struct step_held *sum)
{
	sum->files = u64_add_sat(sum->files, step->store.size_kib);
}

/* In the view a running guest has a promise of a store, and a guest that is gone leftovers */
static void as_if_undone(const struct step *step, const char *guest, struct host_view *host,
			 struct fragmentation *f)
{
	size_t i;

	(void)step;
	(void)f;
	for (i = 0; i < host->n_stores; i++)
		host_view_end_files(&host->stores[i], guest);
}

static bool doubt(const struct step *step, const struct host_view *host, char *buf, size_t size)
{
	(void)step;
	return store_doubts_daemon(host, buf, size);
}

static bool uncovers(const struct step *step)
{
	return step->store.mount;
}

static bool complete(const struct step *step)
{
	return step->store.ready;
}

/* -1, which is no id, is null; older programs wrote it as it is, and read either */
static json_t *id_write(const struct json_field *field, const void *member)
{
	return *(const int64_t *)member < 0 ? json_null() : json_type_i64.write(field, member);
}

static int id_read(const struct json_field *field, const json_t *object, void *member,
		   struct err *err)
{
	return json_type_i64.read(field, object, member, err);
}

static const struct json_type id_type = { id_write, id_read };

static const struct json_field fields[] = {
	JSON_FIELD(struct step_store, store),
	JSON_FIELD(struct step_store, path),
	JSON_FIELD(struct step_store, dir),
	JSON_FIELD(struct step_store, below),
	JSON_IF_SET(struct step_store, lies_in),
	JSON_FIELD(struct step_store, guest),
	{ JSON_MEMBER(struct step_store, id, "id", &id_type) },
	JSON_FIELD(struct step_store, size_kib),
	JSON_OPTIONAL(struct step_store, mount),
	JSON_OPTIONAL(struct step_store, unmount),
	JSON_FIELD(struct step_store, source),
	JSON_FIELD(struct step_store, fstype),
	JSON_FIELD(struct step_store, options),
	JSON_OPTIONAL(struct step_store, ready),
	JSON_END,
};

/* Files are removed there */
static int check(struct step *step, struct err *err)
{
	const struct step_store *st = &step->store;
	char dir[QEMU_CONF_PATH_SIZE];
	const char *below;

	if (!*st->lies_in || store_place_split(st->lies_in, dir, &below))
		return 0;
	return err_set(err, EINVAL,
		       "\"lies_in\" is no directory that libvirt makes for memory files");
}

const struct step_ops store_step_ops = {
	.name = "store",
	.describe = describe,
	.fact = fact,
	.apply = apply,
	.undo = undo,
	.complete = complete,
	.files = files,
	.held = held,
	.as_if_undone = as_if_undone,
	.doubt = doubt,
	.uncovers = uncovers,
	.outlives_boot = outlives_boot,
	.holds = holds,
	.restore = restore,
	.fields = fields,
	.check = check,
};

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: what the step does, and what the daemon
 *
 * Applying it changes nothing on the host: the promise of memory and tiers counts from the
 * ledger's first write.  The daemon is asked twice, both times without the host lock: whether
 * it answers, before the plan; and to adopt QEMU, when it runs.  If it does not, the guest
 * runs unpaged, and the step says why.
 *
 * What the daemon keeps of a guest lies in pager/UUID of the state directory.  It removes
 * that when QEMU is gone.  Where no daemon runs, undo does, with the daemon's own lock, so that
 * none begins meanwhile.  A map that is locked is in the hands of a dead daemon's last thread, and
 * a QEMU that runs needs its map whether or not a daemon does.
 */
#include "steps/overcommit_step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json_fields.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "pager/client.h"
#include "pager/pager_directory.h"

/* A daemon that has to be started first answers within this */
#define HELLO_MS 5000

/* libvirt waits for the hook: one of QEMU's threads stands for a millisecond, the rest is files */
#define ADOPT_MS  10000

#define FORGET_MS 2000

#define PAGER_DIR STATE_DIR "/" PAGER_DIRECTORY

static void describe(const struct step *step, char *buf, size_t size)
{
	const struct step_overcommit *oc = &step->overcommit;
	char kib[3][TEXT_KIB_SIZE];

	snprintf(buf, size, "page the guest: %s of its %s stay resident, up to %s are in tiers",
		 text_from_kib(oc->resident_kib, kib[0]), text_from_kib(oc->size_kib, kib[1]),
		 text_from_kib(oc->tiers_kib, kib[2]));
}

static void fact(const struct step *step, char *buf, size_t size)
{
	const struct step_overcommit *oc = &step->overcommit;
	char resident[TEXT_KIB_SIZE], all[TEXT_KIB_SIZE];

	snprintf(buf, size, "paged: %s of %s in memory", text_from_kib(oc->resident_kib, resident),
		 text_from_kib(oc->size_kib, all));
}

/* ---- before the start, and when it runs ---- */

static int ask(int state_dir, struct err *err)
{
	return pager_hello(state_dir, HELLO_MS, err);
}

static bool started(const struct step_guest *guest, struct step *step)
{
	struct step_overcommit *oc = &step->overcommit;
	struct err err;
	int rc;

	/* What an earlier start could not give up yet */
	if (!oc->resident_kib)
		return false;
	rc = pager_adopt(guest->state_dir, guest->uuid, guest->name, guest->pid, oc->resident_kib,
			 ADOPT_MS, &err);
	oc->paged = rc == 0;
	oc->failure[0] = '\0';
	if (rc == 0)
		return true;
	snprintf(oc->failure, sizeof(oc->failure), "%.*s", (int)sizeof(oc->failure) - 1, err.text);
	text_mend(oc->failure);
	if (!guest->quiet)
		log_error("the guest runs, and is not paged: %s", err.text);
	return true;
}

/* What the daemon notices by itself a moment later */
static void ended(const struct step_guest *guest)
{
	struct err err;

	if (pager_forget(guest->state_dir, guest->uuid, FORGET_MS, &err) < 0)
		log_debug("%s", err.text);
}

static void learn(const struct step *from, struct step *to)
{
	to->overcommit.paged = from->overcommit.paged;
	memcpy(to->overcommit.failure, from->overcommit.failure, sizeof(to->overcommit.failure));
}

/* ---- apply and undo ---- */

static int apply(struct step_ctx *ctx, struct step *step, struct err *err)
{
	step->overcommit.ready = true;
	return ctx->save(ctx, err);
}

/* Held by a daemon for as long as one of its threads lives.  Return: a descriptor that holds
 * it now; -ENOENT: there is no map; -EWOULDBLOCK; -errno */
static int lock_map(int dir)
{
	int fd = openat(dir, "map", O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

static int still_there(const struct step_ctx *ctx, struct err *err)
{
	return err_set(err, EAGAIN, "guest '%s': the pager has not given up its memory yet",
		       ctx->guest_name);
}

static int remove_all(const struct pager_directory *d, const struct step_ctx *ctx, struct err *err)
{
	cleanup_close int dir = pager_directory_open(d, ctx->guest_uuid, err);
	cleanup_close int map = -1;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	map = lock_map(dir);
	if (map == -EWOULDBLOCK)
		return still_there(ctx, err);
	if (map < 0 && map != -ENOENT)
		return err_sys(err, -map, "cannot lock the pager's map");
	return pager_directory_remove(d, ctx->guest_uuid, err);
}

static int remove_left(const struct step_ctx *ctx, struct err *err)
{
	cleanup_close int state = openat(ctx->kfs->rootfd, STATE_DIR,
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_with(pager_directory_close) struct pager_directory d =
		PAGER_DIRECTORY_CLOSED(state);
	cleanup_lock int lock = state < 0 ? -errno : lock_take_at(state, LOCK_PAGERD, 0, err);
	struct err why;
	int rc;

	if (lock == -EAGAIN)
		return still_there(ctx, err);
	rc = lock < 0 ? lock : pager_directory_find(&d, err);
	/* Unmounted by hand: there was nothing left then */
	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = remove_all(&d, ctx, err);
	if (rc == 0)
		log_info("removed what the pager has left of guest '%s'", ctx->guest_name);
	if (rc == 0 && pager_directory_leave(&d, &why) < 0)
		log_warning("%s", why.text);
	return rc < 0 && rc != -EAGAIN ? err_prefix(err, rc, "guest '%s'", ctx->guest_name) : rc;
}

/* What is left of a promise that could not be undone yet is no promise */
static void drop_promise(struct step *step)
{
	step->overcommit.resident_kib = 0;
	step->overcommit.headroom_kib = 0;
	step->overcommit.tiers_kib = 0;
}

static bool has_left(const struct step_ctx *ctx)
{
	char path[sizeof(PAGER_DIR) + GUEST_UUID_SIZE];

	snprintf(path, sizeof(path), PAGER_DIR "/%s", ctx->guest_uuid);
	return faccessat(ctx->kfs->rootfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static int undo(struct step_ctx *ctx, struct step *step, enum undo_reason reason, struct err *err)
{
	int rc = 0;

	(void)reason;
	if (!has_left(ctx))
		return 0;
	if (ctx->guest_runs(ctx))
		rc = err_set(err, EAGAIN,
			     "guest '%s': its QEMU runs, and has memory in the pager's tiers",
			     ctx->guest_name);
	else
		rc = remove_left(ctx, err);
	if (rc < 0) {
		drop_promise(step);
		step->overcommit.ready = true;
	}
	return rc;
}

/* ---- what every step can do ---- */

static bool complete(const struct step *step)
{
	return step->overcommit.ready;
}

static struct step_overcommit *paging(struct step *step)
{
	return &step->overcommit;
}

static void account(const struct step *step, bool alive, struct host_view *host)
{
	const struct step_overcommit *oc = &step->overcommit;
	struct overcommit_view *view = &host->overcommit;

	if (!alive)
		return;
	view->guests++;
	view->resident_kib = u64_add_sat(view->resident_kib, oc->resident_kib);
	view->headroom_kib = u64_add_sat(view->headroom_kib, oc->headroom_kib);
	view->tiers_kib = u64_add_sat(view->tiers_kib, oc->tiers_kib);
}

static void held(const struct step *step, struct step_held *sum)
{
	sum->paged = u64_add_sat(sum->paged, step->overcommit.tiers_kib);
}

static const struct json_field fields[] = {
	JSON_FIELD(struct step_overcommit, size_kib),
	JSON_FIELD(struct step_overcommit, resident_kib),
	JSON_FIELD(struct step_overcommit, headroom_kib),
	JSON_FIELD(struct step_overcommit, tiers_kib),
	JSON_OPTIONAL(struct step_overcommit, ready),
	JSON_OPTIONAL(struct step_overcommit, paged),
	JSON_IF_SET(struct step_overcommit, failure),
	JSON_END,
};

const struct step_ops overcommit_step_ops = {
	.name = "overcommit",
	.describe = describe,
	.fact = fact,
	.ask = ask,
	.apply = apply,
	.started = started,
	.ended = ended,
	.learn = learn,
	.undo = undo,
	.complete = complete,
	.paging = paging,
	.account = account,
	.held = held,
	.drop_promise = drop_promise,
	.fields = fields,
};

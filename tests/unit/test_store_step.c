// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The store step: as JSON, and on real file systems in a mount namespace of our own.
 */
#include "steps/store_step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/lock.h"
#include "kernel/kfs.h"
#include "lifecycle/read_store.h"
#include "policy/store_rules.h"
#include "unit/holder.h"
#include "unit/own_disk.h"
#include "unit/unit.h"

#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB

/* ---- as JSON ---- */

static struct step sample(void)
{
	struct step step = { .kind = STEP_STORE };
	struct step_store *st = &step.store;

	strcpy(st->store, "ram");
	strcpy(st->path, "/srv/ram");
	strcpy(st->dir, "/srv/ram/guests");
	strcpy(st->below, "libvirt/qemu");
	strcpy(st->guest, "g");
	strcpy(st->lies_in, "/old/libvirt/qemu");
	strcpy(st->source, "LABEL=memory");
	strcpy(st->fstype, "ext4");
	strcpy(st->options, "nodev,nosuid,noexec,size=5k");
	st->id = 7;
	st->size_kib = 4 * GIB;
	st->mount = true;
	return step;
}

static void check_round_trip(const struct step *step, const char *what)
{
	cleanup_json json_t *first = step_to_json(step), *again = NULL;
	struct err err = { "" };
	struct step copy = { 0 };
	char *text;
	int rc;

	if (!UNIT_CHECK(first, "%s", what))
		return;
	text = json_dumps(first, 0);
	again = json_loads(text, 0, NULL);
	free(text);
	rc = step_from_json(again, &copy, &err);
	if (!UNIT_CHECK(rc == 0, "%s: %s", what, err.text))
		return;
	UNIT_CHECK(copy.kind == STEP_STORE, "%s", what);
	UNIT_CHECK(!memcmp(&copy.store, &step->store, sizeof(copy.store)), "%s", what);
	step_free(&copy);
}

static void fill_text(char *buf, size_t size)
{
	memset(buf, 'x', size - 1);
	buf[size - 1] = '\0';
}

static void test_round_trip(void)
{
	struct step step = sample();
	struct step_store *st = &step.store;

	check_round_trip(&step, "a step");
	st->ready = st->unmount = true;
	st->mount = false;
	st->id = -1;
	st->size_kib = INT64_MAX;
	check_round_trip(&step, "another step");
	strcpy(st->guest, "\xe5\xae\xa2 \"\\/' \xf0\x9f\x98\x80");
	st->id = INT64_MAX;
	check_round_trip(&step, "a strange name");
	fill_text(st->store, sizeof(st->store));
	fill_text(st->path, sizeof(st->path));
	fill_text(st->dir, sizeof(st->dir));
	fill_text(st->below, sizeof(st->below));
	fill_text(st->guest, sizeof(st->guest));
	fill_text(st->source, sizeof(st->source));
	fill_text(st->fstype, sizeof(st->fstype));
	fill_text(st->options, sizeof(st->options));
	check_round_trip(&step, "long texts");
	memset(st, 0, sizeof(*st));
	check_round_trip(&step, "nothing");
	/* No text, and no wrong text either */
	strcpy(st->path, "/srv/m\xfcll");
	CU_ASSERT_PTR_NULL(step_to_json(&step));
	st->path[0] = '\0';
	st->size_kib = UINT64_MAX;
	CU_ASSERT_PTR_NULL(step_to_json(&step));
}

/* The step of sample() with one member replaced, or without it */
static json_t *damaged(const char *key, const char *value)
{
	struct step step = sample();
	json_t *object = step_to_json(&step);

	CU_ASSERT_PTR_NOT_NULL_FATAL(object);
	if (value)
		json_object_set_new(object, key,
				    json_loads(value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
	else
		json_object_del(object, key);
	return object;
}

static void test_damaged(void)
{
	static const struct {
		const char *key, *value, *words;
	} rows[] = {
		{ "store", NULL, "\"store\" is missing" },
		{ "path", NULL, "\"path\" is missing" },
		{ "dir", NULL, "\"dir\" is missing" },
		{ "below", NULL, "\"below\" is missing" },
		{ "guest", NULL, "\"guest\" is missing" },
		{ "source", NULL, "\"source\" is missing" },
		{ "fstype", NULL, "\"fstype\" is missing" },
		{ "options", NULL, "\"options\" is missing" },
		{ "size_kib", NULL, "\"size_kib\" is missing" },
		{ "path", "5", "\"path\" is not a text" },
		{ "path", "null", "\"path\" is not a text" },
		{ "guest", "[\"g\"]", "\"guest\" is not a text" },
		/* What follows a NUL would not be seen */
		{ "dir", "\"/srv\\u0000/ram\"", "\"dir\" is not a text" },
		{ "lies_in", "null", "\"lies_in\" is not a text" },
		{ "lies_in", "\"/etc\"", "\"lies_in\" is no directory" },
		{ "lies_in", "\"/old/../x/libvirt/qemu\"", "\"lies_in\" is no directory" },
		{ "size_kib", "-1", "\"size_kib\" is not" },
		{ "size_kib", "1.5", "\"size_kib\" is not" },
		{ "size_kib", "\"5\"", "\"size_kib\" is not" },
		{ "mount", "1", "\"mount\" is not true or false" },
		{ "unmount", "\"yes\"", "\"unmount\" is not true or false" },
		{ "ready", "null", "\"ready\" is not true or false" },
		{ "below", "\"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/pq\"", "\"below\" is too long" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		cleanup_json json_t *json = damaged(rows[i].key, rows[i].value);
		struct step step = { .kind = STEP_KINDS };
		struct err err = { "" };

		UNIT_CHECK(step_from_json(json, &step, &err) == -EINVAL, "row %zu", i);
		UNIT_CHECK(strstr(err.text, "step 'store': ") == err.text &&
				   strstr(err.text, rows[i].words),
			   "row %zu: no '%s' in '%s'", i, rows[i].words, err.text);
		UNIT_CHECK(step.kind == STEP_KINDS, "row %zu: the result is touched", i);
	}
}

/* Flags that an earlier version did not know are off; of a bad id nothing is removed */
static void test_defaults(void)
{
	static const char *const ids[] = { NULL, "\"7\"", "null", "7.5", "-5" };
	static const char *const flags[] = { "mount", "unmount", "ready" };
	char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE];
	struct step step;
	struct err err;
	size_t i;

	for (i = 0; i < ROWS(ids); i++) {
		cleanup_json json_t *json = damaged("id", ids[i]);

		UNIT_CHECK(step_from_json(json, &step, &err) == 0, "row %zu: %s", i, err.text);
		UNIT_CHECK(step.store.id < 0 && !store_directories(&step.store, names), "row %zu",
			   i);
	}
	for (i = 0; i < ROWS(flags); i++) {
		cleanup_json json_t *json = damaged(flags[i], NULL);

		UNIT_CHECK(step_from_json(json, &step, &err) == 0, "%s: %s", flags[i], err.text);
		UNIT_CHECK(!step.store.unmount && !step.store.ready, "%s", flags[i]);
		UNIT_CHECK(step.store.mount == (i != 0), "%s", flags[i]);
	}
}

/* A ledger's texts lead nowhere but into the store */
static void test_hostile_names(void)
{
	static const char *const guests[] = { "\"../../../etc\"", "\"/etc\"", "\"a/b\"" };
	char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE];
	size_t i;

	for (i = 0; i < ROWS(guests); i++) {
		cleanup_json json_t *json = damaged("guest", guests[i]);
		struct step step = { 0 };

		if (step_from_json(json, &step, NULL) == 0)
			UNIT_CHECK(!store_directories(&step.store, names), "%s", guests[i]);
	}
}

/* The mount of the store where a guest was planned, and of the one where its files are */
static void test_holds_elsewhere(void)
{
	static const struct {
		const char *key, *lies_in;
		bool holds;
	} rows[] = {
		{ "/srv/ram", "", true },
		{ "/old", "", false },
		{ "/srv/ram", "/old/libvirt/qemu", true },
		{ "/old", "/old/libvirt/qemu", true },
		{ "/ol", "/old/libvirt/qemu", false },
		{ "/other", "/old/libvirt/qemu", false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct shared_setting setting = { .kind = STEP_STORE };
		struct step step = sample();

		snprintf(setting.key, sizeof(setting.key), "%s", rows[i].key);
		snprintf(step.store.lies_in, sizeof(step.store.lies_in), "%s", rows[i].lies_in);
		UNIT_CHECK(step_ops(step.kind)->holds(&step, &setting) == rows[i].holds, "row %zu",
			   i);
	}
}

static void test_describe(void)
{
	struct step step = sample();
	char text[256], tiny[8];

	step_ops(step.kind)->describe(&step, text, sizeof(text));
	UNIT_CHECK_STR(text,
		       "hold 4 GiB for files in /old/libvirt/qemu; not in store 'ram' (/srv/ram)",
		       "elsewhere");
	step.store.lies_in[0] = '\0';
	step_ops(step.kind)->describe(&step, text, sizeof(text));
	UNIT_CHECK_STR(
		text, "hold 4 GiB of store 'ram' (/srv/ram) for files, after mounting LABEL=memory",
		"to be mounted");
	step.store.source[0] = '\0';
	step_ops(step.kind)->describe(&step, text, sizeof(text));
	UNIT_CHECK(strstr(text, "after mounting ext4"), "%s", text);
	step.store.fstype[0] = '\0';
	step_ops(step.kind)->describe(&step, text, sizeof(text));
	UNIT_CHECK(strstr(text, "after mounting what fstab says"), "%s", text);
	/* In a ledger it is past */
	step.store.ready = true;
	step_ops(step.kind)->describe(&step, text, sizeof(text));
	UNIT_CHECK_STR(text, "hold 4 GiB of store 'ram' (/srv/ram) for files", "ready");
	step.store.store[0] = '\0';
	step_ops(step.kind)->describe(&step, text, sizeof(text));
	UNIT_CHECK_STR(text, "hold 4 GiB of the file system at /srv/ram for files", "implicit");
	step_ops(step.kind)->describe(&step, tiny, sizeof(tiny));
	CU_ASSERT_STRING_EQUAL(tiny, "hold 4 ");
}

static void test_holds(void)
{
	const struct step step = sample();
	const struct step_ops *ops = step_ops(STEP_STORE);
	struct shared_setting setting = { .kind = STEP_STORE, .key = "/srv/ram" };

	CU_ASSERT_TRUE(ops->holds(&step, &setting));
	strcpy(setting.key, "/srv/ram2");
	CU_ASSERT_FALSE(ops->holds(&step, &setting));
}

/* ---- on a host ---- */

/**
 * struct bench - One guest of 64 MiB and one store at PATH, a tmpfs of 256 MiB
 * @written:	Shared settings in the order in which they were written down
 * @was_mounted: Was the store mounted at that moment?
 * @fail_at:	This writing down fails; 0: none
 */
struct bench {
	struct kfs kfs;
	struct host_view host;
	struct store_view store;
	struct numa_node node;
	struct guest guest;
	struct guest_memory memory;
	struct step_ctx ctx;
	struct step step;
	struct shared_setting written[4];
	bool was_mounted[4];
	size_t n_written, fail_at;
	unsigned int saves;
	bool save_fails;
	char path[256];
};

static struct bench *bench_of(struct step_ctx *ctx)
{
	return (struct bench *)((char *)ctx - offsetof(struct bench, ctx));
}

static bool is_mounted(struct bench *b)
{
	struct mount_info info;

	return mount_find(&b->kfs, b->path, &info, NULL) == 1;
}

static int save(struct step_ctx *ctx, struct err *err)
{
	struct bench *b = bench_of(ctx);

	b->saves++;
	return b->save_fails ? err_set(err, ENOSPC, "no ledger") : 0;
}

static int save_shared(struct step_ctx *ctx, const struct shared_setting *setting, struct err *err)
{
	struct bench *b = bench_of(ctx);

	if (b->n_written + 1 == b->fail_at)
		return err_set(err, ENOSPC, "no setting");
	b->was_mounted[b->n_written] = is_mounted(b);
	b->written[b->n_written++] = *setting;
	return 0;
}

/* Nothing in this step takes long enough to let others go first */
static int pause_never(struct step_ctx *ctx, void (*work)(void *arg), void *arg, struct err *err)
{
	(void)ctx;
	(void)work;
	(void)arg;
	return err_set(err, EPROTO, "the lock was let go");
}

static void set_store(struct bench *b)
{
	struct config_store *config = &b->store.config;

	strcpy(config->name, "ram");
	strcpy(config->path, b->path);
	strcpy(config->fstype, "tmpfs");
	config->size.kib = 256 * MIB;
	b->store.configured = b->store.in_use = true;
	strcpy(b->host.qemu_conf.memory_backing_dir, b->path);
}

/* The step as a plan has it */
static bool plan(struct bench *b, struct err *err)
{
	if (read_store(&b->kfs, &b->store, err) < 0)
		return false;
	memset(&b->step, 0, sizeof(b->step));
	b->step.kind = STEP_STORE;
	store_step_fill(&b->guest, &b->store, &b->host, &b->step.store);
	return true;
}

static bool open_bench(struct bench *b, const char *dir, struct err *err)
{
	memset(b, 0, sizeof(*b));
	snprintf(b->path, sizeof(b->path), "%s/store", dir);
	/* The lock for mounting lies below /run */
	if (mkdir(b->path, 0755) < 0 || mount("none", "/run", "tmpfs", 0, "mode=755") < 0 ||
	    kfs_open(&b->kfs, "/", err) < 0)
		return false;
	b->node.free_kib = 64 * GIB;
	b->host.numa.n_nodes = 1;
	b->host.numa.nodes = &b->node;
	b->host.n_stores = 1;
	b->host.stores = &b->store;
	b->memory = (struct guest_memory){ .source = GUEST_SOURCE_FILE,
					   .size_kib = 64 * MIB,
					   .max_kib = 64 * MIB };
	b->guest = (struct guest){ .name = "g", .id = 3, .n_memory = 1, .memory = &b->memory };
	b->ctx = (struct step_ctx){
		.kfs = &b->kfs,
		.host = &b->host,
		.guest_name = "g",
		.deadline = clock_ms() + 20000,
		.save = save,
		.save_shared = save_shared,
		.read_store = read_store,
		.pause = pause_never,
	};
	set_store(b);
	return plan(b, err);
}

static int apply(struct bench *b, struct err *err)
{
	return step_ops(STEP_STORE)->apply(&b->ctx, &b->step, err);
}

static int undo(struct bench *b, struct err *err)
{
	return step_ops(STEP_STORE)->undo(&b->ctx, &b->step, UNDO_RELEASE, err);
}

static int restore(struct bench *b, size_t written, struct err *err)
{
	return step_ops(STEP_STORE)->restore(&b->ctx, &b->written[written], err);
}

static bool there(const struct bench *b, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", b->path, name);
	return !faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

/* As libvirt does it after prepare */
static bool put_memory(const struct bench *b, const char *directory)
{
	char path[512], name[256];

	snprintf(path, sizeof(path), "%s/libvirt", b->path);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/libvirt/qemu", b->path);
	mkdir(path, 0755);
	snprintf(name, sizeof(name), "libvirt/qemu/%s/pc.ram", directory);
	unit_write(b->path, name, "old bytes");
	return there(b, name);
}

static pid_t hold(const struct bench *b, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", b->path, name);
	return holder_start(AT_FDCWD, path, HOLD_OPEN);
}

static bool says(const struct err *err, const char *words)
{
	if (strstr(err->text, words))
		return true;
	fprintf(stderr, "no '%s' in: %s\n", words, err->text);
	return false;
}

static int work_life(const char *dir)
{
	struct err err = { "" };
	struct stat st;
	struct bench b;
	char base[512];

	EXPECT(open_bench(&b, dir, &err));
	EXPECT(b.step.store.mount && b.step.store.unmount);
	EXPECT(apply(&b, &err) == 0);
	EXPECT(is_mounted(&b) && b.step.store.ready && b.saves == 1);
	EXPECT(step_ops(STEP_STORE)->complete(&b.step));
	/* Written down before it was made, and once more when it had a number */
	EXPECT(b.n_written == 2 && !b.was_mounted[0] && b.was_mounted[1]);
	EXPECT(!strcmp(b.written[0].name, b.written[1].name) && !strcmp(b.written[0].key, b.path));
	EXPECT(!*b.written[0].ours && *b.written[0].before && *b.written[1].ours);
	EXPECT(!strcmp(b.written[0].before, b.written[1].before));
	EXPECT(strcmp(b.written[1].before, b.written[1].ours) != 0);
	EXPECT(!strcmp(b.written[1].ours, b.store.state.mount.identity));
	EXPECT(step_ops(STEP_STORE)->holds(&b.step, &b.written[1]));
	EXPECT(b.store.state.in_ram && b.store.state.capacity_kib == 256 * MIB);
	snprintf(base, sizeof(base), "%s/libvirt/qemu", b.path);
	EXPECT(stat(base, &st) == 0 && (st.st_mode & 07777) == 0755);
	EXPECT(put_memory(&b, "3-g"));
	EXPECT(read_store_use(&b.kfs, &b.step.store).held_kib == 4);
	EXPECT(undo(&b, &err) == 0);
	EXPECT(!there(&b, "libvirt/qemu/3-g") && is_mounted(&b));
	EXPECT(read_store_use(&b.kfs, &b.step.store).held_kib == 0);
	EXPECT(restore(&b, 1, &err) == 0 && !is_mounted(&b));
	/* What was made for libvirt lies in the mounted one alone */
	EXPECT(!there(&b, "libvirt"));
	EXPECT(restore(&b, 1, &err) == 0 && undo(&b, &err) == 0);
	return 0;
}

/* The second guest finds it mounted, by whomever */
static int work_mounted_already(const char *dir)
{
	struct err err = { "" };
	struct bench b;

	EXPECT(open_bench(&b, dir, &err));
	EXPECT(!mount("none", b.path, "tmpfs", 0, "size=256m,mode=755"));
	EXPECT(read_store(&b.kfs, &b.store, &err) == 0);
	/* planned before, and mounted since */
	EXPECT(b.step.store.mount && apply(&b, &err) == 0);
	EXPECT(b.n_written == 0 && is_mounted(&b));
	EXPECT(plan(&b, &err) && !b.step.store.mount && apply(&b, &err) == 0);
	EXPECT(b.n_written == 0);
	return 0;
}

static int work_for_good(const char *dir)
{
	struct err err = { "" };
	struct bench b;

	EXPECT(open_bench(&b, dir, &err));
	b.store.config.unmount = UNMOUNT_NEVER;
	EXPECT(plan(&b, &err) && apply(&b, &err) == 0);
	EXPECT(is_mounted(&b) && b.n_written == 0);
	return 0;
}

static int work_stale(const char *dir)
{
	struct err err = { "" };
	struct bench b;
	pid_t pid;

	EXPECT(open_bench(&b, dir, &err));
	EXPECT(!mount("none", b.path, "tmpfs", 0, "size=256m,mode=755"));
	EXPECT(put_memory(&b, "3-g") && put_memory(&b, "4-g") && put_memory(&b, "3-gg"));
	EXPECT(plan(&b, &err) && apply(&b, &err) == 0);
	EXPECT(!there(&b, "libvirt/qemu/3-g"));
	EXPECT(there(&b, "libvirt/qemu/4-g/pc.ram") && there(&b, "libvirt/qemu/3-gg/pc.ram"));
	/* A guest lives in it */
	EXPECT(put_memory(&b, "3-g"));
	pid = hold(&b, "libvirt/qemu/3-g/pc.ram");
	EXPECT(pid > 0 && plan(&b, &err));
	EXPECT(apply(&b, &err) == -EBUSY);
	EXPECT(says(&err, "guest 'g' would get what an earlier guest left in "));
	EXPECT(says(&err, "/libvirt/qemu/3-g as its memory: 3-g/pc.ram is in use by "));
	EXPECT(!b.step.store.ready && there(&b, "libvirt/qemu/3-g/pc.ram"));
	EXPECT(undo(&b, &err) == -EAGAIN && says(&err, "3-g/pc.ram is in use by"));
	EXPECT(there(&b, "libvirt/qemu/3-g/pc.ram"));
	/* Its place in the next start's ledger promises and does nothing */
	EXPECT(b.step.store.size_kib == 0 && b.step.store.ready);
	EXPECT(apply(&b, &err) == 0 && there(&b, "libvirt/qemu/3-g/pc.ram"));
	holder_end(pid);
	EXPECT(undo(&b, &err) == 0 && !there(&b, "libvirt/qemu/3-g"));
	return 0;
}

/* Full enough to need the room of the stale directory */
static int work_stale_room(const char *dir)
{
	struct err err = { "" };
	struct bench b;
	char path[512];
	int fd;

	EXPECT(open_bench(&b, dir, &err));
	EXPECT(!mount("none", b.path, "tmpfs", 0, "size=80m,mode=755"));
	EXPECT(put_memory(&b, "3-g"));
	snprintf(path, sizeof(path), "%s/libvirt/qemu/3-g/pc.ram", b.path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	EXPECT(fd >= 0 && posix_fallocate(fd, 0, 60 << 20) == 0);
	close(fd);
	EXPECT(plan(&b, &err));
	b.store.stale_kib = read_store_use(&b.kfs, &b.step.store).held_kib;
	EXPECT(b.store.stale_kib == 60 * MIB && apply(&b, &err) == 0);
	EXPECT(b.store.stale_kib == 0 && b.store.state.available_kib >= 79 * MIB);
	return 0;
}

static int work_refused(const char *dir)
{
	struct err err = { "" };
	struct bench b;

	EXPECT(open_bench(&b, dir, &err));
	b.memory.max_kib = 300 * MIB;
	EXPECT(plan(&b, &err));
	EXPECT(apply(&b, &err) == -ENOSPC && says(&err, "lacks 44 MiB for it: of its 256 MiB"));
	EXPECT(!b.step.store.ready && b.saves == 0 && is_mounted(&b));
	EXPECT(undo(&b, &err) == 0);
	EXPECT(restore(&b, b.n_written - 1, &err) == 0 && !is_mounted(&b));
	/* In memory that the host does not have */
	b.memory.max_kib = 64 * MIB;
	b.node.free_kib = 63 * MIB;
	EXPECT(plan(&b, &err));
	EXPECT(apply(&b, &err) == -ENOSPC && says(&err, "lies in the host's memory, which lacks"));
	EXPECT(undo(&b, &err) == 0 && restore(&b, b.n_written - 1, &err) == 0);
	EXPECT(!is_mounted(&b) && !there(&b, "libvirt"));
	return 0;
}

static int work_mount_fails(const char *dir)
{
	struct err err = { "" };
	struct bench b;

	EXPECT(open_bench(&b, dir, &err));
	strcpy(b.store.config.fstype, "nofs");
	EXPECT(plan(&b, &err) && apply(&b, &err) < 0);
	EXPECT(says(&err, "guest 'g': store 'ram': "));
	EXPECT(!is_mounted(&b) && b.n_written == 1 && undo(&b, &err) == 0);
	EXPECT(restore(&b, 0, &err) == 0 && !there(&b, "libvirt"));
	/* No mount point */
	strcpy(b.store.config.fstype, "tmpfs");
	EXPECT(rmdir(b.path) == 0 && plan(&b, &err) && b.step.store.mount);
	EXPECT(apply(&b, &err) < 0 && says(&err, b.path));
	EXPECT(undo(&b, &err) == 0 && restore(&b, b.n_written - 1, &err) == 0);
	EXPECT(access(b.path, F_OK) < 0);
	/* Not in the view any more */
	b.host.n_stores = 0;
	EXPECT(apply(&b, &err) == -EINVAL && says(&err, "not in the host's view"));
	return 0;
}

/* Nothing is made below a store that is not the right one */
static int work_not_right(const char *dir)
{
	struct err err = { "" };
	struct bench b;
	char link[512];

	EXPECT(open_bench(&b, dir, &err));
	b.store.config.mount = MOUNT_NEVER;
	EXPECT(plan(&b, &err) && apply(&b, &err) == -ENOENT);
	EXPECT(says(&err, "guest 'g': store 'ram': nothing is mounted on"));
	EXPECT(!there(&b, "libvirt") && undo(&b, &err) == 0);
	EXPECT(!mount("none", b.path, "tmpfs", 0, "size=256m,mode=755"));
	strcpy(b.store.config.fstype, "xfs");
	EXPECT(plan(&b, &err) && apply(&b, &err) == -EINVAL);
	EXPECT(says(&err, "tmpfs is mounted on") && !there(&b, "libvirt"));
	strcpy(b.store.config.fstype, "tmpfs");
	EXPECT(!mount(NULL, b.path, NULL, MS_REMOUNT | MS_RDONLY, "size=256m"));
	EXPECT(plan(&b, &err) && apply(&b, &err) == -EROFS && !there(&b, "libvirt"));
	EXPECT(!mount(NULL, b.path, NULL, MS_REMOUNT, "size=256m"));
	EXPECT(chmod(b.path, 0750) == 0);
	EXPECT(plan(&b, &err) && apply(&b, &err) == -EACCES && !there(&b, "libvirt"));
	EXPECT(chmod(b.path, 0755) == 0);
	/* A user who may write there leads us elsewhere */
	snprintf(link, sizeof(link), "%s/libvirt", b.path);
	EXPECT(symlink(dir, link) == 0);
	EXPECT(plan(&b, &err) && apply(&b, &err) == -ELOOP && says(&err, "symbolic link"));
	EXPECT(unlink(link) == 0 && !b.step.store.ready && b.saves == 0);
	EXPECT(apply(&b, &err) == 0 && b.n_written == 0);
	return 0;
}

/* The hook dies, or can't write, at each point between the two writings */
static int work_find_ours(const char *dir)
{
	struct err err = { "" };
	struct shared_setting other;
	struct bench b;

	EXPECT(open_bench(&b, dir, &err));
	/* before the mount */
	b.fail_at = 1;
	EXPECT(apply(&b, &err) == -ENOSPC && says(&err, "no setting") && !is_mounted(&b));
	/* after it */
	b.fail_at = 2;
	EXPECT(plan(&b, &err) && apply(&b, &err) == -ENOSPC && is_mounted(&b));
	EXPECT(b.n_written == 1 && !*b.written[0].ours && undo(&b, &err) == 0);
	/* Not ours: what was there already */
	other = b.written[0];
	snprintf(other.before, sizeof(other.before), "%s", b.store.state.mount.devno);
	EXPECT(step_ops(STEP_STORE)->restore(&b.ctx, &other, &err) == 0 && is_mounted(&b));
	EXPECT(restore(&b, 0, &err) == 0 && !is_mounted(&b));
	/* Nothing is mounted, and nothing is there at all */
	EXPECT(restore(&b, 0, &err) == 0);
	EXPECT(rmdir(b.path) == 0 && restore(&b, 0, &err) == 0);
	return 0;
}

static int work_save_fails(const char *dir)
{
	struct err err = { "" };
	struct bench b;

	EXPECT(open_bench(&b, dir, &err));
	b.save_fails = true;
	EXPECT(apply(&b, &err) == -ENOSPC && says(&err, "no ledger"));
	EXPECT(undo(&b, &err) == 0 && restore(&b, 1, &err) == 0 && !is_mounted(&b));
	return 0;
}

static int work_busy(const char *dir)
{
	struct err err = { "" };
	struct bench b;
	pid_t pid;

	EXPECT(open_bench(&b, dir, &err) && apply(&b, &err) == 0);
	unit_write(b.path, "note", "x");
	pid = hold(&b, "note");
	EXPECT(pid > 0 && restore(&b, 1, &err) == -EAGAIN && says(&err, b.path));
	EXPECT(is_mounted(&b));
	EXPECT(restore(&b, 0, &err) == -EAGAIN && is_mounted(&b));
	holder_end(pid);
	EXPECT(restore(&b, 1, &err) == 0 && !is_mounted(&b));
	return 0;
}

/* The administrator mounted something else there: his */
static int work_remounted(const char *dir)
{
	struct err err = { "" };
	struct bench b;

	EXPECT(open_bench(&b, dir, &err) && apply(&b, &err) == 0);
	EXPECT(!mount("none", b.path, "tmpfs", 0, "size=8m,mode=755"));
	EXPECT(restore(&b, 1, &err) == 0 && is_mounted(&b));
	EXPECT(put_memory(&b, "3-other"));
	EXPECT(!umount2(b.path, MNT_DETACH) && is_mounted(&b));
	EXPECT(restore(&b, 1, &err) == 0 && !is_mounted(&b));
	return 0;
}

static int work_undo(const char *dir)
{
	struct err err = { "" };
	struct bench b;
	char path[512];

	EXPECT(open_bench(&b, dir, &err) && apply(&b, &err) == 0);
	/* Another guest's is none of its business */
	EXPECT(put_memory(&b, "3-g") && put_memory(&b, "4-h"));
	EXPECT(step_ops(STEP_STORE)->outlives_boot(&b.kfs, &b.step, &err) == 0);
	EXPECT(!there(&b, "libvirt/qemu/3-g") && there(&b, "libvirt/qemu/4-h/pc.ram"));
	/* What no waiting will change does not keep the rest from being given back */
	EXPECT(put_memory(&b, "3-g"));
	snprintf(path, sizeof(path), "%s/libvirt/qemu/3-g/sub", b.path);
	EXPECT(mkdir(path, 0755) == 0 && undo(&b, &err) == 0);
	EXPECT(there(&b, "libvirt/qemu/3-g/sub") && !there(&b, "libvirt/qemu/3-g/pc.ram"));
	EXPECT(rmdir(path) == 0 && undo(&b, &err) == 0 && !there(&b, "libvirt/qemu/3-g"));
	/* A link in its place goes, and what it leads to stays */
	snprintf(path, sizeof(path), "%s/libvirt/qemu/3-g", b.path);
	EXPECT(symlink("4-h", path) == 0 && undo(&b, &err) == 0);
	EXPECT(!there(&b, "libvirt/qemu/3-g") && there(&b, "libvirt/qemu/4-h/pc.ram"));
	/* A ledger that names no directory */
	b.step.store.dir[0] = '\0';
	EXPECT(undo(&b, &err) == 0);
	return 0;
}

/* A process without a descriptor to spare sees nothing, and must not conclude anything */
static int work_no_descriptors(const char *dir)
{
	struct rlimit all, none;
	struct err err = { "" };
	struct bench b;
	int rc, fd;

	EXPECT(open_bench(&b, dir, &err) && apply(&b, &err) == 0);
	EXPECT(put_memory(&b, "3-g"));
	fd = dup(0);
	EXPECT(fd >= 0 && !close(fd) && !getrlimit(RLIMIT_NOFILE, &all));
	none = (struct rlimit){ (rlim_t)fd, all.rlim_max };
	EXPECT(!setrlimit(RLIMIT_NOFILE, &none));
	rc = undo(&b, &err);
	EXPECT(!setrlimit(RLIMIT_NOFILE, &all));
	EXPECT(rc == -EAGAIN && there(&b, "libvirt/qemu/3-g"));
	EXPECT(undo(&b, &err) == 0 && !there(&b, "libvirt/qemu/3-g"));
	return 0;
}

/* Two names, where libvirt's locale decides */
static int work_two_names(const char *dir)
{
#define KANJI "\xe5\xae\xa2\xe6\x88\xb7\xe6\x9c\xba"
	static const char name[] = KANJI KANJI KANJI KANJI KANJI KANJI KANJI;
	char directory[64];
	struct err err = { "" };
	struct bench b;

	EXPECT(open_bench(&b, dir, &err));
	strcpy(b.guest.name, name);
	EXPECT(plan(&b, &err) && apply(&b, &err) == 0);
	snprintf(directory, sizeof(directory), "3-%.60s", name);
	EXPECT(put_memory(&b, directory));
	snprintf(directory, sizeof(directory), "3-%.20s", name);
	EXPECT(put_memory(&b, directory));
	EXPECT(read_store_use(&b.kfs, &b.step.store).held_kib == 8);
	EXPECT(undo(&b, &err) == 0 && read_store_use(&b.kfs, &b.step.store).held_kib == 0);
	EXPECT(!there(&b, "libvirt/qemu/3-" KANJI));
	return 0;
}

/* libvirt's own directory, which it makes itself */
static int work_implicit(const char *dir)
{
	struct err err = { "" };
	struct bench b;
	char path[512];

	EXPECT(open_bench(&b, dir, &err));
	b.store = (struct store_view){ .in_use = true };
	snprintf(b.store.config.path, sizeof(b.store.config.path), "%s/not/there", b.path);
	strcpy(b.host.qemu_conf.memory_backing_dir, b.store.config.path);
	EXPECT(plan(&b, &err) && !b.step.store.mount && !b.step.store.unmount);
	/* It is the file system that it will be made in that counts */
	EXPECT(b.store.state.present && b.store.state.capacity_kib == 512 * MIB);
	EXPECT(apply(&b, &err) == 0 && b.step.store.ready && b.n_written == 0);
	EXPECT(!there(&b, "not") && undo(&b, &err) == 0);
	b.memory.max_kib = 600 * MIB;
	EXPECT(plan(&b, &err) && apply(&b, &err) == -ENOSPC && says(&err, "/not/there lacks 88"));
	b.memory.max_kib = 64 * MIB;
	snprintf(path, sizeof(path), "%s/not", b.path);
	EXPECT(mkdir(path, 0755) == 0 && mkdir(b.store.config.path, 0750) == 0);
	EXPECT(plan(&b, &err) && apply(&b, &err) == 0 && there(&b, "not/there/libvirt/qemu"));
	return 0;
}

/* Nobody answers for the file system: nobody waits for it either */
static int work_silent(const char *dir)
{
	struct err err = { "" };
	struct bench b;
	int silent = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	EXPECT(open_bench(&b, dir, &err));
	EXPECT(apply(&b, &err) == 0 && put_memory(&b, "3-g"));
	if (!own_disk_silent(silent, b.path))
		return NO_OWN_DISK;
	EXPECT(undo(&b, &err) == -ETIMEDOUT && says(&err, "does not answer"));
	EXPECT(restore(&b, 1, &err) == -EAGAIN && says(&err, "umount -l"));
	EXPECT(!umount2(b.path, MNT_DETACH) && !close(silent) && there(&b, "libvirt/qemu/3-g"));
	EXPECT(undo(&b, &err) == 0 && !there(&b, "libvirt/qemu/3-g"));
	EXPECT(restore(&b, 1, &err) == 0 && !is_mounted(&b));
	return 0;
}

/* The hook of a daemon that starts has the lock, and mounts */
static int work_two_mount(const char *dir)
{
	struct err err = { "" };
	struct bench b;
	int lock, status;
	pid_t other;

	EXPECT(open_bench(&b, dir, &err));
	lock = lock_take(b.kfs.rootfd, LOCK_MOUNTS, clock_ms() + 1000, &err);
	EXPECT(lock >= 0);
	other = fork();
	if (!other) {
		close(lock);
		_exit(apply(&b, &err) == 0 && !b.n_written && is_mounted(&b) ? 0 : 1);
	}
	clock_sleep_ms(200);
	EXPECT(waitpid(other, NULL, WNOHANG) == 0);
	EXPECT(mount("daemon", b.path, "tmpfs", 0, NULL) == 0);
	lock_release(&lock);
	EXPECT(waitpid(other, &status, 0) == other && status == 0);
	/* Not one above the other */
	EXPECT(is_mounted(&b) && umount(b.path) == 0 && !is_mounted(&b));
	/* Nothing is mounted without the lock */
	lock = lock_take(b.kfs.rootfd, LOCK_MOUNTS, clock_ms() + 1000, &err);
	b.ctx.deadline = clock_ms() + 50;
	EXPECT(apply(&b, &err) == -ETIMEDOUT && !is_mounted(&b));
	lock_release(&lock);
	return 0;
}

#define IN_CHILD(name, what)                                                                       \
	static void test_##name(void)                                                              \
	{                                                                                          \
		own_disk_child(work_##name, what);                                                 \
	}

IN_CHILD(life, "a store is mounted and unmounted")
IN_CHILD(mounted_already, "mounted already")
IN_CHILD(for_good, "mounted for good")
IN_CHILD(stale, "stale directories")
IN_CHILD(stale_room, "the room of a stale directory")
IN_CHILD(refused, "refused after mounting")
IN_CHILD(mount_fails, "a mount that fails")
IN_CHILD(not_right, "a store that is not right")
IN_CHILD(find_ours, "a mount that was not written down")
IN_CHILD(save_fails, "a ledger that can't be written")
IN_CHILD(busy, "a store in use")
IN_CHILD(remounted, "mounted by somebody else")
IN_CHILD(undo, "leftovers")
IN_CHILD(no_descriptors, "no descriptors")
IN_CHILD(two_names, "a name of many bytes")
IN_CHILD(implicit, "no store is configured")
IN_CHILD(two_mount, "two who mount")
IN_CHILD(silent, "a file system that does not answer")

static CU_TestInfo tests[] = {
	{ "there and back", test_round_trip },
	{ "damaged steps", test_damaged },
	{ "what may be missing", test_defaults },
	{ "hostile names", test_hostile_names },
	{ "whose mount it holds", test_holds_elsewhere },
	{ "in words", test_describe },
	{ "who holds a mount", test_holds },
	{ "mounted and unmounted", test_life },
	{ "mounted already", test_mounted_already },
	{ "mounted for good", test_for_good },
	{ "stale directories", test_stale },
	{ "the room of a stale directory", test_stale_room },
	{ "refused after mounting", test_refused },
	{ "a mount that fails", test_mount_fails },
	{ "a store that is not right", test_not_right },
	{ "a mount that was not written down", test_find_ours },
	{ "a ledger that can't be written", test_save_fails },
	{ "a store in use", test_busy },
	{ "mounted by somebody else", test_remounted },
	{ "leftovers", test_undo },
	{ "no descriptor to spare", test_no_descriptors },
	{ "a name of many bytes", test_two_names },
	{ "no store is configured", test_implicit },
	{ "two who mount at the same time", test_two_mount },
	{ "a file system that does not answer", test_silent },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_store_step", tests);
}

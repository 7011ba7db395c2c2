// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Shared settings: their files, who holds them, and what becomes of those that nobody
 * holds.  The setting is a mount, hence the mount namespace of our own.
 */
#include "lifecycle/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "kernel/kfs.h"
#include "lifecycle/state.h"
#include "memory/mount.h"
#include "unit/own_disk.h"
#include "unit/unit.h"

#define BOOT	"1291d75a-6e89-4bd0-aed3-9b63ae4d9090"
#define EARLIER "99999999-6e89-4bd0-aed3-9b63ae4d9090"
#define SHARED	"run/libvirt-membacking/shared/"

/* A state directory, a mount at PATH that is ours, and a guest that holds it */
struct bench {
	const char *dir;
	struct kfs kfs;
	struct state state;
	struct shared_setting setting;
	struct step step;
	struct ledger ledger;
	struct ledger *list[1];
	struct ledgers ledgers;
	struct err err;
	char path[256];
};

static bool open_bench(struct bench *b, const char *dir)
{
	struct mount_info info;
	int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	memset(b, 0, sizeof(*b));
	b->dir = dir;
	snprintf(b->path, sizeof(b->path), "%s/store", dir);
	if (root < 0 || state_open(root, true, &b->state, &b->err) < 0 ||
	    kfs_open(&b->kfs, "/", &b->err) < 0 || mkdir(b->path, 0755) < 0)
		return false;
	close(root);
	b->state.lockfd = -1;
	if (mount("none", b->path, "tmpfs", 0, "size=1m") < 0 ||
	    mount_find(&b->kfs, b->path, &info, &b->err) != 1)
		return false;
	b->setting =
		(struct shared_setting){ .kind = STEP_STORE, .name = "store-ram", .before = "0:1" };
	strcpy(b->setting.key, b->path);
	strcpy(b->setting.ours, info.devno);
	b->step.kind = STEP_STORE;
	strcpy(b->step.store.store, "ram");
	strcpy(b->step.store.path, b->path);
	b->ledger = (struct ledger){ .alive = true, .list = { 1, &b->step } };
	b->list[0] = &b->ledger;
	b->ledgers = (struct ledgers){ .n = 1, .list = b->list };
	return shared_write(&b->state, BOOT, &b->setting, &b->err) == 0;
}

static bool is_mounted(struct bench *b)
{
	struct mount_info info;

	return mount_find(&b->kfs, b->path, &info, NULL) == 1;
}

static bool has_file(const struct bench *b, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/" SHARED "%s", b->dir, name);
	return !access(path, F_OK);
}

static int settle(struct bench *b)
{
	b->err.text[0] = '\0';
	return shared_put_back(&b->kfs, &b->state, BOOT, &b->ledgers, &b->err);
}

static void put(const struct bench *b, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), SHARED "%s", name);
	unit_write(b->dir, path, text);
}

/* EXPECT() with the bench's own sentence */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition,         \
				b.err.text);                                                       \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static int work_held(const char *dir)
{
	struct bench b;

	CHECK(open_bench(&b, dir));
	CHECK(settle(&b) == 0 && is_mounted(&b) && has_file(&b, "store-ram"));
	/* Those that wait to be settled hold it too: their files may be in use */
	b.ledger.alive = false;
	b.ledger.phase = LEDGER_LEAVING;
	CHECK(settle(&b) == 0 && is_mounted(&b));
	/* A mount of that name at another place is another one */
	CHECK(!shared_waits(&b.state, BOOT, &b.ledgers, STEP_STORE));
	strcpy(b.step.store.path, "/srv/other");
	CHECK(shared_waits(&b.state, BOOT, &b.ledgers, STEP_STORE));
	CHECK(!shared_waits(&b.state, BOOT, &b.ledgers, STEP_KSM));
	CHECK(!shared_waits(&b.state, "another", &b.ledgers, STEP_STORE));
	b.ledger.foreign_version = true;
	CHECK(!shared_waits(&b.state, BOOT, &b.ledgers, STEP_STORE));
	b.ledger.foreign_version = false;
	CHECK(settle(&b) == 0 && !is_mounted(&b) && !has_file(&b, "store-ram"));
	CHECK(settle(&b) == 0);
	return 0;
}

static int work_not_held(const char *dir)
{
	struct bench b;

	CHECK(open_bench(&b, dir));
	/* Another kind of step in a ledger that is alive */
	b.step = (struct step){ .kind = STEP_HUGEPAGES };
	CHECK(settle(&b) == 0 && !is_mounted(&b) && !has_file(&b, "store-ram"));
	return 0;
}

static int work_nobody(const char *dir)
{
	struct bench b;

	CHECK(open_bench(&b, dir));
	b.ledgers.n = 0;
	/* Killed between mounting and the second writing */
	b.setting.ours[0] = '\0';
	CHECK(shared_write(&b.state, BOOT, &b.setting, &b.err) == 0);
	CHECK(settle(&b) == 0 && !is_mounted(&b) && !has_file(&b, "store-ram"));
	return 0;
}

static int work_foreign(const char *dir)
{
	struct bench b;

	CHECK(open_bench(&b, dir));
	b.ledger.list.n = 0;
	b.ledger.foreign_version = true;
	CHECK(settle(&b) == 0 && is_mounted(&b) && has_file(&b, "store-ram"));
	b.ledger.foreign_version = false;
	/* nor is it known of one that can't be read */
	b.ledgers.n_damaged = 1;
	CHECK(settle(&b) == 0 && is_mounted(&b) && has_file(&b, "store-ram"));
	CHECK(!shared_waits(&b.state, BOOT, &b.ledgers, STEP_STORE));
	b.ledgers.n_damaged = 0;
	CHECK(settle(&b) == 0 && !is_mounted(&b));
	return 0;
}

/* What was mounted then is gone; what is mounted now is another program's */
static int work_other_boot(const char *dir)
{
	struct bench b;

	CHECK(open_bench(&b, dir));
	CHECK(shared_write(&b.state, EARLIER, &b.setting, &b.err) == 0);
	CHECK(settle(&b) == 0 && is_mounted(&b) && !has_file(&b, "store-ram"));
	return 0;
}

static int work_busy(const char *dir)
{
	struct bench b;
	char path[512];
	int fd;

	CHECK(open_bench(&b, dir));
	b.ledgers.n = 0;
	snprintf(path, sizeof(path), "%s/file", b.path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && settle(&b) == -EAGAIN && strstr(b.err.text, b.path));
	CHECK(is_mounted(&b) && has_file(&b, "store-ram"));
	/* One that can't be put back does not keep others */
	strcpy(b.setting.name, "store-other");
	strcpy(b.setting.ours, "0:4095");
	CHECK(shared_write(&b.state, BOOT, &b.setting, &b.err) == 0);
	CHECK(settle(&b) == -EAGAIN && !has_file(&b, "store-other"));
	close(fd);
	CHECK(settle(&b) == 0 && !is_mounted(&b) && !has_file(&b, "store-ram"));
	return 0;
}

/* How many warnings of settings that are left alone there were */
static size_t settle_loudly(struct bench *b)
{
	char name[512], line[2048];
	int old = dup(2), rc;
	size_t n = 0;
	FILE *f;

	snprintf(name, sizeof(name), "%s/warnings", b->dir);
	f = fopen(name, "w+e");
	if (!f || old < 0 || dup2(fileno(f), 2) < 0)
		return SIZE_MAX;
	log_open(LOG_TARGET_STDERR, "test", NULL, "settle");
	rc = settle(b);
	log_open(LOG_TARGET_NONE, "test", NULL, "settle");
	dup2(old, 2);
	close(old);
	rewind(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "the shared setting /run/libvirt-membacking/shared/store-") &&
		     strstr(line, " is left alone: ");
	fclose(f);
	return rc == 0 ? n : SIZE_MAX;
}

#define FILE_OF(version, kind, rest)                                                               \
	"{\"version\": " version ", \"kind\": \"" kind "\", \"boot_id\": \"" BOOT "\"" rest "}"
#define REST ", \"key\": \"/srv\", \"before\": \"\", \"ours\": \"0:1\""

/* What can't be understood is left alone, and so is what it may speak of */
static int work_damaged(const char *dir)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"5",
		"{}",
		FILE_OF("2", "store", REST),
		FILE_OF("\"1\"", "store", REST),
		FILE_OF("1", "unheard-of", REST),
		FILE_OF("1", "store", ""),
		FILE_OF("1", "store", ", \"key\": 5, \"before\": \"\", \"ours\": \"\""),
		FILE_OF("1", "store", ", \"key\": \"/srv\", \"before\": null, \"ours\": \"\""),
		FILE_OF("1", "store", REST ", \"ours\": \"0:2\""),
	};
	char name[32], text[1024];
	struct bench b;
	size_t i;

	CHECK(open_bench(&b, dir));
	for (i = 0; i < ROWS(texts); i++) {
		snprintf(name, sizeof(name), "store-%zu", i);
		put(&b, name, texts[i]);
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "{\"version\": 1, \"boot_id\": \"", 26);
	put(&b, "store-long", text);
	CHECK(settle_loudly(&b) == ROWS(texts) + 1 && is_mounted(&b));
	for (i = 0; i < ROWS(texts); i++) {
		snprintf(name, sizeof(name), "store-%zu", i);
		CHECK(has_file(&b, name));
	}
	CHECK(has_file(&b, "store-long"));
	/* and the good one is put back beside them */
	b.ledgers.n = 0;
	CHECK(settle(&b) == 0 && !is_mounted(&b) && !has_file(&b, "store-ram"));
	return 0;
}

/* Nothing else in there is read, and half-written files go */
static int work_strange_files(const char *dir)
{
	struct bench b;
	char path[512];

	CHECK(open_bench(&b, dir));
	put(&b, "store-ram.new", "{ half of it");
	put(&b, ".hidden", "x");
	put(&b, ".new", "x");
	snprintf(path, sizeof(path), "%s/" SHARED "dir", dir);
	CHECK(mkdir(path, 0755) == 0);
	snprintf(path, sizeof(path), "%s/" SHARED "link", dir);
	CHECK(symlink("store-ram", path) == 0);
	snprintf(path, sizeof(path), "%s/" SHARED "fifo", dir);
	CHECK(mkfifo(path, 0600) == 0);
	CHECK(settle(&b) == 0 && is_mounted(&b) && has_file(&b, "store-ram"));
	CHECK(!has_file(&b, "store-ram.new") && has_file(&b, ".hidden") && has_file(&b, ".new"));
	CHECK(has_file(&b, "dir") && has_file(&b, "link") && has_file(&b, "fifo"));
	return 0;
}

/* A link in the place of the directory is not followed */
static int work_no_directory(const char *dir)
{
	char path[512], away[512];
	struct bench b;

	CHECK(open_bench(&b, dir));
	b.ledgers.n = 0;
	snprintf(path, sizeof(path), "%s/run/libvirt-membacking/shared", dir);
	snprintf(away, sizeof(away), "%s/away", dir);
	CHECK(rename(path, away) == 0 && settle(&b) == 0 && is_mounted(&b));
	CHECK(symlink("../../away", path) == 0 && settle(&b) == 0 && is_mounted(&b));
	CHECK(shared_write(&b.state, BOOT, &b.setting, &b.err) < 0);
	return 0;
}

static int work_content(const char *dir)
{
	cleanup_json json_t *root = NULL;
	json_error_t problem;
	struct stat st;
	struct bench b;
	char path[512];

	CHECK(open_bench(&b, dir));
	snprintf(path, sizeof(path), "%s/" SHARED "store-ram", dir);
	CHECK(stat(path, &st) == 0 && !(st.st_mode & 022));
	root = json_load_file(path, 0, &problem);
	CHECK(root && json_integer_value(json_object_get(root, "version")) == 1);
	CHECK(!strcmp(json_string_value(json_object_get(root, "kind")), "store"));
	CHECK(!strcmp(json_string_value(json_object_get(root, "key")), b.path));
	CHECK(!strcmp(json_string_value(json_object_get(root, "before")), "0:1"));
	CHECK(!strcmp(json_string_value(json_object_get(root, "ours")), b.setting.ours));
	CHECK(!strcmp(json_string_value(json_object_get(root, "boot_id")), BOOT));
	/* What is no text is not written, and what was there stays */
	strcpy(b.setting.key, "/srv/m\xfcll");
	CHECK(shared_write(&b.state, BOOT, &b.setting, &b.err) < 0);
	b.ledgers.n = 0;
	CHECK(settle(&b) == 0 && !is_mounted(&b));
	return 0;
}

#define IN_CHILD(name, what)                                                                       \
	static void test_##name(void)                                                              \
	{                                                                                          \
		own_disk_child(work_##name, what);                                                 \
	}

IN_CHILD(content, "a setting's file")
IN_CHILD(held, "a setting that is held")
IN_CHILD(not_held, "a setting that others hold nothing of")
IN_CHILD(nobody, "no guest at all")
IN_CHILD(foreign, "a ledger of another version, or damaged")
IN_CHILD(other_boot, "a setting of another boot")
IN_CHILD(busy, "a setting that can't be put back yet")
IN_CHILD(damaged, "damaged settings")
IN_CHILD(strange_files, "strange files")
IN_CHILD(no_directory, "no directory")

static CU_TestInfo tests[] = {
	{ "the file", test_content },
	{ "held", test_held },
	{ "not held", test_not_held },
	{ "no guest at all", test_nobody },
	{ "a ledger of another version, or damaged", test_foreign },
	{ "another boot", test_other_boot },
	{ "in use", test_busy },
	{ "damaged, or of another version", test_damaged },
	{ "strange files", test_strange_files },
	{ "no directory", test_no_directory },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_shared", tests);
}

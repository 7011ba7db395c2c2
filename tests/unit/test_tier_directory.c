// SPDX-License-Identifier: LGPL-2.1-or-later
/* A directory that two hosts see: each guest's file has one owner, and none is left. */
#include "pager/tier_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/kfs.h"
#include "pager/ram.h"
#include "pager/tier_file.h"
#include "pager/tier_io.h"
#include "unit/unit.h"

#define UUID0 "11111111-2222-3333-4444-555555555550"
#define UUID1 "11111111-2222-3333-4444-555555555551"

enum { N = 8, BED_GUESTS = 2 };

typedef unsigned char page[PAGE_BYTES];

static const struct tier_owner host_a = { "boot-1", "aaaa", "a" };
static const struct tier_owner host_a_later = { "boot-2", "aaaa", "a" };
static const struct tier_owner host_b = { "boot-3", "bbbb", "b" };

/* ---- a disk that fails ---- */

static struct {
	bool writes_fail;
} disk;

/* Each write.  A full tier has none */
int tier_io_fault(bool write, const struct tier_piece *piece)
{
	(void)piece;
	return write && disk.writes_fail ? -EIO : 0;
}

/* ---- the fixture: guests of one host, and its directory ---- */

struct guest {
	const char *uuid;
	int directory;
	struct tiers *tiers;
};

struct bed {
	int rootfd; /* the directory is /srv below it */
	int srv;
	char path[200];
	struct tier_stores *stores;
	struct tier_budget file_budget, budget;
	struct guest guest[BED_GUESTS];
	page *pages;
	bool with_file;
};

static int guest_open(struct bed *bed, size_t g, bool fresh, bool configured)
{
	struct tier_spec spec[] = { { .kind = TIER_FILE }, { .kind = TIER_DIRECTORY } };
	size_t n = configured ? 1 + bed->with_file : 0;
	struct guest *guest = &bed->guest[g];
	struct err err = { "" };
	int rc;

	spec[0].budget = &bed->file_budget;
	spec[0].store = tier_stores_get(bed->stores, "/tier");
	spec[1].budget = &bed->budget;
	spec[1].store = tier_stores_get(bed->stores, "/srv");
	spec[1].guest = guest->uuid;
	tiers_close(guest->tiers);
	guest->tiers = NULL;
	rc = tiers_open(&guest->tiers, guest->directory, bed->stores, &spec[!bed->with_file], n,
			fresh, &err);
	UNIT_CHECK(!rc == !err.text[0], "%d, and '%s'", rc, err.text);
	return rc;
}

static void stores_open(struct bed *bed, const struct tier_owner *us)
{
	CU_ASSERT_EQUAL_FATAL(tier_stores_new(&bed->stores, bed->rootfd), 0);
	if (us)
		tier_stores_set_owner(bed->stores, us);
}

static void bed_open(struct bed *bed, uint64_t limit)
{
	static const char *const uuids[BED_GUESTS] = { UUID0, UUID1 };
	const char *home = unit_disk_tmpdir();
	int root = open(unit_tmpdir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t g;

	*bed = (struct bed){ .budget = { .limit = limit } };
	snprintf(bed->path, sizeof(bed->path), "%s/srv", home);
	bed->rootfd = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
	mkdirat(bed->rootfd, "srv", 0700);
	bed->srv = openat(bed->rootfd, "srv", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stores_open(bed, &host_a);
	bed->pages = aligned_alloc(PAGE_BYTES, N * sizeof(page));
	CU_ASSERT_PTR_NOT_NULL_FATAL(bed->pages);
	for (g = 0; g < BED_GUESTS; g++) {
		bed->guest[g].uuid = uuids[g];
		mkdirat(root, uuids[g], 0700);
		bed->guest[g].directory =
			openat(root, uuids[g], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CU_ASSERT_EQUAL_FATAL(guest_open(bed, g, true, true), 0);
	}
	close(root);
}

static void bed_close(struct bed *bed)
{
	size_t g;

	for (g = 0; g < BED_GUESTS; g++) {
		tiers_close(bed->guest[g].tiers);
		close(bed->guest[g].directory);
	}
	tier_stores_free(bed->stores);
	close(bed->srv);
	close(bed->rootfd);
	free(bed->pages);
	UNIT_CHECK(bed->budget.used == 0, "%lu are counted", (unsigned long)bed->budget.used);
}

#define BED(name, limit) UNIT_FIXTURE(struct bed, name, bed_close, bed_open(&name, limit))

/* As after a kill: only what lies in files is known.  @us: the host that comes next */
static void bed_dies(struct bed *bed, const struct tier_owner *us)
{
	size_t g;

	for (g = 0; g < BED_GUESTS; g++) {
		tiers_close(bed->guest[g].tiers);
		bed->guest[g].tiers = NULL;
	}
	CU_ASSERT_EQUAL(bed->budget.used, 0);
	tier_stores_free(bed->stores);
	stores_open(bed, us);
	for (g = 0; g < BED_GUESTS; g++)
		CU_ASSERT_EQUAL(tier_file_reserve(bed->guest[g].directory, bed->stores, NULL), 0);
}

static void fill(unsigned char *p, uint64_t seed)
{
	size_t i;

	for (i = 0; i < PAGE_BYTES; i++)
		p[i] = (unsigned char)((seed + 1) * 2654435761U >> (i % 13) ^ i);
	memcpy(p, &seed, sizeof(seed));
}

static int put(struct bed *bed, size_t g, uint64_t seed, struct page_place *place, struct err *err)
{
	struct page_place from[N];
	size_t i;
	int rc;

	for (i = 0; i < N; i++)
		fill(bed->pages[i], seed + i);
	for (i = 0; i < N; i++)
		from[i] = (struct page_place){ TIER_RAM, i };
	rc = tiers_demote(bed->guest[g].tiers, bed->pages, N, from, true, place, err);
	return rc == N ? 0 : rc;
}

static bool comes_back(struct bed *bed, size_t g, struct page_place place, uint64_t seed)
{
	page want, got;

	fill(want, seed);
	memset(got, 0xee, sizeof(got));
	return tiers_load(bed->guest[g].tiers, place, got) == 0 && !memcmp(got, want, sizeof(got));
}

static int go_on(struct bed *bed, size_t g, const struct page_place *place)
{
	int rc = guest_open(bed, g, false, true);
	size_t i;

	for (i = 0; i < N && rc == 0; i++)
		rc = tiers_claim(bed->guest[g].tiers, place[i]);
	return rc ? rc : tiers_ready(bed->guest[g].tiers, NULL);
}

/* Of a guest, or of all: NULL.  @name: of the last one */
static size_t files_of(const struct bed *bed, const char *uuid, char name[80])
{
	DIR *dir = fdopendir(openat(bed->srv, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;
	size_t n = 0;

	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' &&
		    (!uuid || !strncmp(entry->d_name, uuid, strlen(uuid)))) {
			if (name)
				snprintf(name, 80, "%.79s", entry->d_name);
			n++;
		}
	closedir(dir);
	return n;
}

static void set_owner(const struct bed *bed, const char *uuid, const struct tier_owner *owner)
{
	char name[80];
	int fd;

	CU_ASSERT_EQUAL_FATAL(files_of(bed, uuid, name), 1);
	fd = openat(bed->srv, name, O_WRONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(
		pwrite(fd, owner, sizeof(*owner), offsetof(struct tier_directory_header, owner)),
		(ssize_t)sizeof(*owner));
	fsync(fd);
	close(fd);
}

/* ---- tests ---- */

static void test_names(void)
{
	static const struct {
		const char *name;
		bool is;
	} rows[] = {
		{ UUID0 "-0123456789abcdef.pages", true },
		{ "/a/" UUID0 "-0123456789abcdef.pages", true },
		{ UUID0 "-0123456789abcdeF.pages", false },
		{ UUID0 "-0123456789abcde.pages", false },
		{ UUID0 "-0123456789abcdef0.pages", false },
		{ UUID0 "+0123456789abcdef.pages", false },
		{ UUID0 "-0123456789abcdef.page", false },
		{ UUID0 "-0123456789abcdef.pages~", false },
		{ "g" UUID0 "-123456789abcdef.pages", false },
		{ "11111111-2222-3333-4444-55555555555-0123456789abcdef0.pages", false },
		{ "", false },
		{ "/", false },
		{ "a/b", false },
	};
	char path[TIER_PATH_SIZE], other[TIER_PATH_SIZE], deep[TIER_PATH_SIZE];
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		UNIT_CHECK(tier_directory_is_name(rows[i].name) == rows[i].is, "%s", rows[i].name);
	CU_ASSERT_EQUAL(tier_directory_name("/srv", UUID0, &host_a, path), 0);
	CU_ASSERT_EQUAL(tier_directory_name("/srv", UUID0, &host_a, other), 0);
	CU_ASSERT(tier_directory_is_name(path) && strcmp(path, other) != 0);
	CU_ASSERT_EQUAL(strncmp(path, "/srv/" UUID0 "-", strlen("/srv/" UUID0 "-")), 0);
	/* The longest path that the configuration allows has room for it */
	snprintf(deep, sizeof(deep), "/%0190d", 0);
	CU_ASSERT_EQUAL(tier_directory_name(deep, UUID0, &host_a, path), 0);
	snprintf(deep, sizeof(deep), "/%0195d", 0);
	CU_ASSERT_EQUAL(tier_directory_name(deep, UUID0, &host_a, path), -ENAMETOOLONG);
}

static void test_owners(void)
{
	static const struct {
		struct tier_owner owner, us;
		enum tier_owned is;
	} rows[] = {
		{ { "1", "a", "h" }, { "1", "a", "h" }, OWNED_BY_US },
		{ { "1", "a", "h" }, { "1", "b", "i" }, OWNED_BY_US },
		{ { "1", "a", "h" }, { "2", "a", "h" }, OWNED_BEFORE },
		{ { "1", "a", "h" }, { "2", "b", "h" }, OWNED_BY_OTHER },
		/* Cloned: one machine id */
		{ { "1", "a", "h" }, { "2", "a", "i" }, OWNED_BY_OTHER },
		{ { "1", "", "h" }, { "2", "", "h" }, OWNED_BY_OTHER },
		{ { "1", "a", "" }, { "2", "a", "" }, OWNED_BY_OTHER },
		{ { "", "a", "h" }, { "2", "a", "h" }, OWNED_BY_OTHER },
		{ { "", "b", "h" }, { "", "a", "h" }, OWNED_BY_OTHER },
		{ { "", "", "" }, { "", "", "" }, OWNED_BY_OTHER },
	};
	struct tier_owner endless;
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		UNIT_CHECK(tier_owner_judge(&rows[i].owner, &rows[i].us) == rows[i].is, "row %zu",
			   i);
	memset(&endless, 'a', sizeof(endless));
	CU_ASSERT_EQUAL(tier_owner_judge(&endless, &host_a), OWNED_BY_OTHER);
}

static void test_this_host(void)
{
	const char *dir = unit_tmpdir();
	struct kfs kfs;
	struct tier_owner owner = { .boot = "x" };
	struct err err = { "" };

	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, &err), 0);
	CU_ASSERT(tier_owner_read(&kfs, &owner, &err) < 0);
	UNIT_CHECK_STR(owner.boot, "x", "unchanged");
	unit_write(dir, "proc/sys/kernel/random/boot_id", "boot\n");
	unit_write(dir, "etc/machine-id", "uninitialized\n");
	CU_ASSERT_EQUAL(tier_owner_read(&kfs, &owner, &err), 0);
	UNIT_CHECK_STR(owner.machine, "", "none yet");
	unit_write(dir, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
	CU_ASSERT_EQUAL(tier_owner_read(&kfs, &owner, &err), 0);
	UNIT_CHECK_STR(owner.boot, "boot", "boot");
	UNIT_CHECK_STR(owner.machine, "0123456789abcdef0123456789abcdef", "machine");
	CU_ASSERT(owner.name[0]);
	kfs_close(&kfs);
}

/* Each guest has a file of its own, through a restart, and it goes with the guest */
static void test_life(void)
{
	BED(bed, 0);
	struct page_place place[2][N], more[N];
	struct tier_usage usage[TIERS_MAX];
	struct err err = { "" };
	struct stat st;
	char name[80];
	size_t i, n;

	CU_ASSERT_EQUAL(files_of(&bed, NULL, NULL), 0);
	for (i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(put(&bed, i, i * 100, place[i], &err), 0);
	CU_ASSERT_EQUAL(place[0][0].tier, TIER_DIRECTORY);
	CU_ASSERT(tiers_is_slow(place[0][0]));
	CU_ASSERT_EQUAL(files_of(&bed, NULL, NULL), 2);
	CU_ASSERT_EQUAL(files_of(&bed, UUID0, name), 1);
	CU_ASSERT(fstatat(bed.srv, name, &st, 0) == 0 && (st.st_mode & 07777) == 0600);
	n = tiers_usage(bed.guest[0].tiers, usage, TIERS_MAX);
	UNIT_CHECK_STR(usage[n - 1].name, "directory", "name");
	CU_ASSERT_EQUAL(usage[n - 1].pages, N);
	CU_ASSERT(strstr(tiers_slow_path(bed.guest[0].tiers, TIER_DIRECTORY), name) != NULL);
	bed_dies(&bed, &host_a);
	for (i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(go_on(&bed, i, place[i]), 0);
	for (i = 0; i < N; i++)
		UNIT_CHECK(comes_back(&bed, 0, place[0][i], i) &&
				   comes_back(&bed, 1, place[1][i], 100 + i),
			   "page %zu", i);
	/* More goes to the same file */
	CU_ASSERT_EQUAL(put(&bed, 0, 500, more, &err), 0);
	CU_ASSERT(comes_back(&bed, 0, more[0], 500) && comes_back(&bed, 0, place[0][0], 0));
	CU_ASSERT_EQUAL(files_of(&bed, NULL, NULL), 2);
	/* One that is no longer in the configuration is read, and gets nothing */
	CU_ASSERT_EQUAL(guest_open(&bed, 1, false, false), 0);
	CU_ASSERT(comes_back(&bed, 1, place[1][0], 100));
	CU_ASSERT_EQUAL(put(&bed, 1, 500, more, NULL), -ENOENT);
	tiers_close(bed.guest[0].tiers);
	bed.guest[0].tiers = NULL;
	tier_file_forget(bed.guest[0].directory, bed.stores);
	CU_ASSERT_EQUAL(files_of(&bed, UUID0, NULL), 0);
	CU_ASSERT(comes_back(&bed, 1, place[1][7], 107));
	/* The guest's next life has another file */
	CU_ASSERT_EQUAL(guest_open(&bed, 0, true, true), 0);
	CU_ASSERT_EQUAL(put(&bed, 0, 900, more, &err), 0);
	CU_ASSERT_EQUAL(files_of(&bed, UUID0, name), 1);
	CU_ASSERT(comes_back(&bed, 0, more[0], 900));
}

/* A killed daemon's lock is gone, another's is not; and the file may have passed to another host */
static void test_one_owner(void)
{
	BED(bed, 0);
	struct page_place place[N];
	struct err err = { "" }, why;
	char name[80];
	int fd, i;

	CU_ASSERT_EQUAL_FATAL(put(&bed, 0, 0, place, &err), 0);
	bed_dies(&bed, &host_a);
	CU_ASSERT_EQUAL_FATAL(files_of(&bed, UUID0, name), 1);
	fd = openat(bed.srv, name, O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL(flock(fd, LOCK_EX | LOCK_NB), 0);
	CU_ASSERT_EQUAL_FATAL(go_on(&bed, 0, place), 0);
	CU_ASSERT(!comes_back(&bed, 0, place[0], 0));
	tiers_slow_why(bed.guest[0].tiers, TIER_DIRECTORY, &why);
	UNIT_CHECK(strstr(why.text, "another process uses it") != NULL, "%s", why.text);
	close(fd);
	bed_dies(&bed, &host_a);
	set_owner(&bed, UUID0, &host_b);
	CU_ASSERT_EQUAL_FATAL(go_on(&bed, 0, place), 0);
	CU_ASSERT(!comes_back(&bed, 0, place[0], 0));
	tiers_slow_why(bed.guest[0].tiers, TIER_DIRECTORY, &why);
	UNIT_CHECK(strstr(why.text, "host 'b' has it") != NULL, "%s", why.text);
	set_owner(&bed, UUID0, &host_a);
	for (i = 0; i < 200 && !comes_back(&bed, 0, place[0], 0); i++)
		usleep(50000);
	CU_ASSERT(comes_back(&bed, 0, place[N - 1], N - 1));
	/* Without an id of its own a host makes none */
	bed_dies(&bed, NULL);
	CU_ASSERT_EQUAL_FATAL(guest_open(&bed, 1, true, true), 0);
	CU_ASSERT_EQUAL(put(&bed, 1, 0, place, &err), -EINVAL);
	UNIT_CHECK(strstr(err.text, "can't be told") != NULL, "%s", err.text);
	CU_ASSERT_EQUAL(files_of(&bed, UUID1, NULL), 0);
}

static void make_file(const struct bed *bed, const char *name, const char *text)
{
	int fd = openat(bed->srv, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static bool is_there(const struct bed *bed, const char *name)
{
	return faccessat(bed->srv, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static const char other_name[] = UUID1 "-00000000000000ff.pages";
static const char link_name[] = UUID1 "-00000000000000fe.pages";

/* Files of guests 0 and 1, and others that no sweep touches */
static void litter(struct bed *bed)
{
	struct page_place place[N];
	struct err err = { "" };

	CU_ASSERT_EQUAL_FATAL(put(bed, 0, 0, place, &err), 0);
	CU_ASSERT_EQUAL_FATAL(put(bed, 1, 0, place, &err), 0);
	make_file(bed, "a diary", "");
	make_file(bed, other_name, "no header of ours");
	make_file(bed, "elsewhere", "");
	CU_ASSERT_EQUAL(symlinkat("elsewhere", bed->srv, link_name), 0);
	bed_dies(bed, &host_a_later);
}

static bool none_is(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return false;
}

static void test_sweep(void)
{
	BED(bed, 0);
	char name[2][80];
	int fd;

	litter(&bed);
	CU_ASSERT_EQUAL_FATAL(files_of(&bed, UUID0 "-", name[0]), 1);
	set_owner(&bed, UUID0, &host_b);
	/* Another host's, and without a list those of this boot, stay */
	CU_ASSERT_EQUAL(tier_directory_sweep(bed.srv, &host_a, false, none_is, NULL), 0);
	fd = openat(bed.srv, name[0], O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL(flock(fd, LOCK_EX | LOCK_NB), 0);
	set_owner(&bed, UUID0, &host_a);
	/* A process has one: the other one alone goes */
	CU_ASSERT_EQUAL(tier_directory_sweep(bed.srv, &host_a_later, false, none_is, NULL), 1);
	CU_ASSERT(is_there(&bed, name[0]));
	close(fd);
	CU_ASSERT_EQUAL(tier_directory_sweep(bed.srv, &host_a_later, false, none_is, NULL), 1);
	CU_ASSERT_EQUAL(files_of(&bed, UUID0, NULL), 0);
	CU_ASSERT(is_there(&bed, "a diary") && is_there(&bed, other_name) &&
		  is_there(&bed, link_name) && is_there(&bed, "elsewhere"));
}

/* Made by a host that fell before it wrote the first page: its own next daemon removes it */
static void test_sweep_empty(void)
{
	BED(bed, 0);
	char path[3][TIER_PATH_SIZE];
	size_t i;
	int fd;

	CU_ASSERT_EQUAL(tier_directory_name("", UUID0, &host_a, path[0]), 0);
	CU_ASSERT_EQUAL(tier_directory_name("", UUID0, &host_b, path[1]), 0);
	CU_ASSERT_EQUAL(tier_directory_name("", UUID0, &host_a, path[2]), 0);
	for (i = 0; i < 3; i++)
		make_file(&bed, path[i] + 1, i == 2 ? "x" : "");
	/* It may be one that a guest is given at the moment */
	CU_ASSERT_EQUAL(tier_directory_sweep(bed.srv, &host_a_later, false, none_is, NULL), 0);
	fd = openat(bed.srv, path[0] + 1, O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL(flock(fd, LOCK_EX | LOCK_NB), 0);
	CU_ASSERT_EQUAL(tier_directory_sweep(bed.srv, &host_a_later, true, none_is, NULL), 0);
	close(fd);
	CU_ASSERT_EQUAL(tier_directory_sweep(bed.srv, &host_a_later, true, none_is, NULL), 1);
	CU_ASSERT(!is_there(&bed, path[0] + 1));
	CU_ASSERT(is_there(&bed, path[1] + 1) && is_there(&bed, path[2] + 1));
}

/* The first file that a daemon makes there: what no guest of this host has goes, if all are known
 */
static void sweep_by_daemon(const struct tier_owner *us, bool knows_all, size_t kept)
{
	BED(bed, 0);
	struct page_place place[2][N], more[N];
	struct err err = { "" };
	char name[80];

	CU_ASSERT_EQUAL_FATAL(put(&bed, 0, 0, place[0], &err), 0);
	CU_ASSERT_EQUAL_FATAL(put(&bed, 1, 0, place[1], &err), 0);
	bed_dies(&bed, us);
	/* As if guest 1 had gone while its server was away */
	tier_stores_free(bed.stores);
	stores_open(&bed, us);
	unlinkat(bed.guest[1].directory, "directory-slots", 0);
	CU_ASSERT_EQUAL(tier_file_reserve(bed.guest[0].directory, bed.stores, NULL), 0);
	if (knows_all)
		tier_stores_know_all(bed.stores);
	CU_ASSERT_EQUAL_FATAL(guest_open(&bed, 1, true, true), 0);
	CU_ASSERT_EQUAL(put(&bed, 1, 700, more, &err), 0);
	UNIT_CHECK(files_of(&bed, UUID1, name) == kept, "%zu files", files_of(&bed, UUID1, name));
	CU_ASSERT(comes_back(&bed, 1, more[0], 700));
	/* Guest 0 has its own in any case */
	CU_ASSERT_EQUAL(files_of(&bed, UUID0, name), 1);
}

static void test_sweep_by_daemon(void)
{
	sweep_by_daemon(&host_a, true, 1);
	sweep_by_daemon(&host_a, false, 2);
	sweep_by_daemon(&host_a_later, false, 1);
	sweep_by_daemon(&host_b, true, 2);
}

/* The next tier is used where one is full, and tells of itself */
static void test_two_slow_tiers(void)
{
	BED(bed, 0);
	struct page_place place[EXTENT_PAGES / N][N], more[N];
	struct err err = { "" }, why;
	char name[80];
	size_t i;
	int fd;

	bed.with_file = true;
	bed.file_budget.limit = EXTENT_BYTES;
	CU_ASSERT_EQUAL_FATAL(guest_open(&bed, 0, true, true), 0);
	for (i = 0; i < EXTENT_PAGES / N; i++)
		CU_ASSERT_EQUAL_FATAL(put(&bed, 0, i * N, place[i], &err), 0);
	CU_ASSERT_EQUAL(place[i - 1][0].tier, TIER_FILE);
	CU_ASSERT_EQUAL_FATAL(put(&bed, 0, 9000, more, &err), 0);
	CU_ASSERT_EQUAL(more[0].tier, TIER_DIRECTORY);
	CU_ASSERT(comes_back(&bed, 0, more[0], 9000) && comes_back(&bed, 0, place[3][2], 26));
	CU_ASSERT_EQUAL_FATAL(files_of(&bed, UUID0, name), 1);
	fd = openat(bed.srv, name, O_WRONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(pwrite(fd, "", 1, EXTENT_BYTES + 77), 1);
	fsync(fd);
	close(fd);
	CU_ASSERT(!comes_back(&bed, 0, more[0], 9000));
	tiers_slow_why(bed.guest[0].tiers, TIER_DIRECTORY, &why);
	UNIT_CHECK(strstr(why.text, "not what was put there") && strstr(why.text, name), "%s",
		   why.text);
	tiers_slow_why(bed.guest[0].tiers, TIER_FILE, &why);
	UNIT_CHECK(!strstr(why.text, "not what was put there"), "%s", why.text);
	/* A failing one is what a person must hear of, not the full one before it or behind it */
	chmod(bed.path, 0777);
	CU_ASSERT_EQUAL_FATAL(guest_open(&bed, 1, true, true), 0);
	CU_ASSERT_EQUAL(put(&bed, 1, 0, more, &err), -EPERM);
	UNIT_CHECK(strstr(err.text, "root's alone") != NULL, "%s", err.text);
	chmod(bed.path, 0700);
	bed.budget.limit = 1;
	disk.writes_fail = true;
	bed.file_budget.limit = 0;
	usleep(1050000);
	CU_ASSERT_EQUAL(put(&bed, 1, 0, more, &err), -EIO);
	UNIT_CHECK(strstr(err.text, "/tier: cannot write") != NULL, "%s", err.text);
	disk.writes_fail = false;
	/* Both go */
	tiers_close(bed.guest[0].tiers);
	bed.guest[0].tiers = NULL;
	tier_file_forget(bed.guest[0].directory, bed.stores);
	CU_ASSERT_EQUAL(files_of(&bed, UUID0, NULL), 0);
}

/* ---- lent, and borrowed ---- */

/* A guest on another host, which borrows what guest 0 has lent */
struct borrower {
	const struct bed *bed;
	int directory;
	struct tier_stores *stores;
	struct tiers *tiers;
	struct page_place place[N];
};

static void borrower_open(struct borrower *b, bool fresh)
{
	struct err err = { "" };
	size_t i;

	if (b->tiers) {
		tiers_close(b->tiers);
		tier_stores_free(b->stores);
	}
	CU_ASSERT_EQUAL_FATAL(tier_stores_new(&b->stores, b->bed->rootfd), 0);
	tier_stores_set_owner(b->stores, &host_b);
	CU_ASSERT_EQUAL_FATAL(tiers_open(&b->tiers, b->directory, b->stores, NULL, 0, fresh, &err),
			      0);
	for (i = 0; i < N && !fresh; i++)
		CU_ASSERT_EQUAL(tiers_claim(b->tiers, b->place[i]), 0);
	if (!fresh)
		CU_ASSERT_EQUAL(tiers_ready(b->tiers, &err), 0);
}

static void lend_all(struct bed *bed, const struct page_place *place,
		     struct tier_location *location)
{
	struct err err = { "" };
	size_t i;

	for (i = 0; i < N; i++)
		UNIT_CHECK(tiers_lend(bed->guest[0].tiers, place[i], &location[i], &err) == 0,
			   "page %zu: %s", i, err.text);
}

static void borrow_all(struct borrower *b, struct bed *bed, const struct tier_location *location)
{
	struct tier_file_id file;
	struct err err = { "" };
	size_t i;

	CU_ASSERT_EQUAL_FATAL(tiers_lent_file(bed->guest[0].tiers, &file), 0);
	CU_ASSERT_EQUAL(tiers_borrow_slot(b->tiers, &location[0], &b->place[0]), -EINVAL);
	CU_ASSERT_EQUAL_FATAL(tiers_borrow(b->tiers, b->directory, b->stores, &file, &err), 0);
	CU_ASSERT_EQUAL(tiers_borrow(b->tiers, b->directory, b->stores, &file, &err), -EEXIST);
	for (i = 0; i < N; i++)
		CU_ASSERT_EQUAL(tiers_borrow_slot(b->tiers, &location[i], &b->place[i]), 0);
	CU_ASSERT_EQUAL(tiers_borrow_slot(b->tiers, &location[0], &b->place[0]), -EEXIST);
}

static void borrower_begin(struct borrower *b, struct bed *bed, const struct page_place *place)
{
	struct tier_location location[N];
	char path[PATH_MAX];

	*b = (struct borrower){ .bed = bed };
	snprintf(path, sizeof(path), "%s/borrower", unit_tmpdir());
	mkdir(path, 0700);
	b->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	borrower_open(b, true);
	lend_all(bed, place, location);
	borrow_all(b, bed, location);
}

static void borrower_close(struct borrower *b)
{
	tiers_close(b->tiers);
	tier_stores_free(b->stores);
	close(b->directory);
}

static bool has_all(struct borrower *b)
{
	page want, got;
	size_t i;

	for (i = 0; i < N; i++) {
		fill(want, i);
		if (tiers_load(b->tiers, b->place[i], got) < 0 || memcmp(got, want, sizeof(got)))
			return false;
	}
	return true;
}

/* Freed, killed, started anew: what is lent stays as it is until it is let go */
static void test_lent(void)
{
	BED(bed, 0);
	struct page_place place[N], more[EXTENT_PAGES / N][N];
	struct err err = { "" };
	struct borrower b;
	size_t i, k, round;

	CU_ASSERT_EQUAL_FATAL(put(&bed, 0, 0, place, &err), 0);
	borrower_begin(&b, &bed, place);
	CU_ASSERT(has_all(&b) && comes_back(&bed, 0, place[1], 1));
	for (i = 0; i < N; i++)
		tiers_free(bed.guest[0].tiers, place[i]);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < EXTENT_PAGES / N; i++)
			CU_ASSERT_EQUAL(put(&bed, 0, 1000 + i * N, more[i], &err), 0);
		for (i = 0; i < EXTENT_PAGES / N; i++)
			for (k = 0; k < N; k++)
				tiers_free(bed.guest[0].tiers, more[i][k]);
		tiers_tidy(bed.guest[0].tiers);
		UNIT_CHECK(has_all(&b), "round %zu", round);
		bed_dies(&bed, &host_a);
		CU_ASSERT_EQUAL_FATAL(guest_open(&bed, 0, false, true), 0);
		CU_ASSERT_EQUAL(tiers_ready(bed.guest[0].tiers, NULL), 0);
	}
	/* The borrower's own daemon is killed, too */
	borrower_open(&b, false);
	CU_ASSERT(has_all(&b));
	/* The borrower frees its page: nothing becomes of the file */
	tiers_free(b.tiers, b.place[0]);
	tiers_tidy(b.tiers);
	tiers_let_go(bed.guest[0].tiers);
	for (i = 0; i < EXTENT_PAGES / N; i++)
		CU_ASSERT_EQUAL(put(&bed, 0, 1000 + i * N, more[i], &err), 0);
	CU_ASSERT(!has_all(&b));
	CU_ASSERT_EQUAL(files_of(&bed, NULL, NULL), 1);
	borrower_close(&b);
}

/* The owner's guest ends, its host starts anew: the file goes with the borrower */
static void test_left(void)
{
	BED(bed, 0);
	struct page_place place[N];
	struct err err = { "" };
	struct borrower b;

	CU_ASSERT_EQUAL_FATAL(put(&bed, 0, 0, place, &err), 0);
	borrower_begin(&b, &bed, place);
	CU_ASSERT_EQUAL(tier_directory_sweep(bed.srv, &host_a_later, true, none_is, NULL), 0);
	/* One that is only lent stays when the borrower goes */
	tiers_close(b.tiers);
	b.tiers = NULL;
	tier_file_forget(b.directory, b.stores);
	CU_ASSERT_EQUAL(files_of(&bed, NULL, NULL), 1);
	tier_stores_free(b.stores);
	close(b.directory);
	tiers_let_go(bed.guest[0].tiers);
	borrower_begin(&b, &bed, place);
	tiers_close(bed.guest[0].tiers);
	bed.guest[0].tiers = NULL;
	tier_file_forget(bed.guest[0].directory, bed.stores);
	CU_ASSERT_EQUAL(files_of(&bed, NULL, NULL), 1);
	CU_ASSERT_EQUAL(tier_directory_sweep(bed.srv, &host_a_later, true, none_is, NULL), 0);
	borrower_open(&b, false);
	CU_ASSERT(has_all(&b));
	tiers_close(b.tiers);
	b.tiers = NULL;
	tier_file_forget(b.directory, b.stores);
	CU_ASSERT_EQUAL(files_of(&bed, NULL, NULL), 0);
	tier_stores_free(b.stores);
	close(b.directory);
}

/* The end of a guest does not wait for the disk, and its file goes when that answers.  Who asks for
 * that path meanwhile has nothing to do with it */
static void test_left_behind(void)
{
	BED(bed, 0);
	struct page_place place[N];
	struct tier_store *old;
	struct err err = { "" };
	char name[80], path[300];
	int held, i;

	CU_ASSERT_EQUAL_FATAL(put(&bed, 0, 0, place, &err), 0);
	bed_dies(&bed, &host_a);
	CU_ASSERT_EQUAL_FATAL(files_of(&bed, NULL, name), 1);
	snprintf(path, sizeof(path), "%s/%s", bed.path, name);
	held = unit_hold_up(path);
	CU_ASSERT_FATAL(held >= 0);
	snprintf(path, sizeof(path), "/srv/%s", name);
	old = tier_stores_get_own(bed.stores, path);
	tier_file_forget(bed.guest[0].directory, bed.stores);
	CU_ASSERT_EQUAL(files_of(&bed, NULL, NULL), 1);
	CU_ASSERT(tier_stores_busy(bed.stores));
	CU_ASSERT_PTR_NOT_EQUAL(tier_stores_get_own(bed.stores, path), old);
	close(held);
	for (i = 0; i < 500 && tier_stores_busy(bed.stores); i++)
		usleep(10000);
	CU_ASSERT(!tier_stores_busy(bed.stores));
	CU_ASSERT_EQUAL(files_of(&bed, NULL, NULL), 0);
}

/* What can't be lent, or borrowed */
static void test_not_lent(void)
{
	static const struct tier_location rows[] = {
		{ 0, 1, PAGE_BYTES },
		{ EXTENT_BYTES - PAGE_BYTES, 1, PAGE_BYTES },
		{ EXTENT_BYTES + 1, 1, PAGE_BYTES },
		{ EXTENT_BYTES, 1, PAGE_BYTES - 1 },
		{ EXTENT_BYTES, 1, 0 },
		{ UINT64_C(1) << 40, 1, PAGE_BYTES },
		{ UINT64_MAX & ~UINT64_C(4095), 1, PAGE_BYTES },
	};
	BED(bed, 0);
	struct page_place place[N], one;
	struct tier_location location;
	struct tier_file_id file = { .path = "/srv/a diary" };
	struct err err = { "" };
	struct borrower b;
	page got;
	size_t i;

	CU_ASSERT_EQUAL_FATAL(put(&bed, 0, 0, place, &err), 0);
	CU_ASSERT_EQUAL(tiers_lent_file(bed.guest[1].tiers, &file), -ENOENT);
	CU_ASSERT_EQUAL(tiers_lend(bed.guest[0].tiers, (struct page_place){ TIER_DIRECTORY, 70000 },
				   &location, &err),
			-ENOTSUP);
	CU_ASSERT_EQUAL(
		tiers_lend(bed.guest[0].tiers, (struct page_place){ TIER_RAM, 1 }, &location, &err),
		-ENOTSUP);
	borrower_begin(&b, &bed, place);
	for (i = 0; i < ROWS(rows); i++)
		UNIT_CHECK(tiers_borrow_slot(b.tiers, &rows[i], &one) == -EINVAL, "row %zu", i);
	/* A place where another page is, or none: an error, and nothing else */
	CU_ASSERT_EQUAL(
		tiers_borrow_slot(b.tiers,
				  &(struct tier_location){ 5 * EXTENT_BYTES, 1, PAGE_BYTES }, &one),
		0);
	CU_ASSERT_EQUAL(tiers_load(b.tiers, one, got), -EIO);
	tiers_close(b.tiers);
	CU_ASSERT_EQUAL_FATAL(tiers_open(&b.tiers, b.directory, b.stores, NULL, 0, true, &err), 0);
	CU_ASSERT_EQUAL(tiers_borrow(b.tiers, b.directory, b.stores, &file, &err), -EINVAL);
	borrower_close(&b);
}

/* Whose directory it may be */
static void test_directories(void)
{
	BED(bed, 0);
	struct page_place place[N];
	struct err err = { "" };

	chmod(bed.path, 0777);
	CU_ASSERT_EQUAL(put(&bed, 0, 0, place, &err), -EPERM);
	UNIT_CHECK(strstr(err.text, "root's alone") != NULL, "%s", err.text);
	CU_ASSERT_EQUAL(files_of(&bed, NULL, NULL), 0);
	chmod(bed.path, 0755);
	renameat(bed.rootfd, "srv", bed.rootfd, "away");
	CU_ASSERT(put(&bed, 1, 0, place, &err) < 0);
	UNIT_CHECK(strstr(err.text, "/srv") != NULL, "%s", err.text);
	renameat(bed.rootfd, "away", bed.rootfd, "srv");
	usleep(1050000);
	CU_ASSERT_EQUAL(put(&bed, 1, 0, place, &err), 0);
	/* Asked for in the clear alone */
	tier_store_encrypt(tier_stores_get(bed.stores, "/srv"), true);
	CU_ASSERT_EQUAL(put(&bed, 1, 0, place, &err), -ENOKEY);
}

static CU_TestInfo tests[] = {
	{ "names", test_names },
	{ "whose a file is", test_owners },
	{ "this host", test_this_host },
	{ "a file for each guest, as long as the guest", test_life },
	{ "one owner", test_one_owner },
	{ "what is left is removed, and nothing else", test_sweep },
	{ "an empty file of a host that fell", test_sweep_empty },
	{ "what no guest has goes, if all are known", test_sweep_by_daemon },
	{ "two slow tiers", test_two_slow_tiers },
	{ "whose directory it may be", test_directories },
	{ "lent, until it is let go", test_lent },
	{ "lent, and left to the borrower", test_left },
	{ "a disk that does not answer when its guest ends", test_left_behind },
	{ "what can't be lent, or borrowed", test_not_lent },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_tier_directory", tests);
}

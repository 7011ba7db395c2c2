// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pager/page_map.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "unit/unit.h"

enum { PAGES = 1000 };

static int directory(void)
{
	static int number;
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/map%d", unit_tmpdir(), number++);
	CU_ASSERT_FATAL(mkdir(path, 0700) == 0);
	fd = open(path, O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

static struct map_identity identity(void)
{
	struct map_identity id = { .pid = 77, .start_time = 5, .n_pipes = 2, .n_objects = 2 };
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	CU_ASSERT_FATAL(file && fgets(id.boot_id, sizeof(id.boot_id), file));
	fclose(file);
	id.boot_id[strcspn(id.boot_id, "\n")] = '\0';
	snprintf(id.uuid, sizeof(id.uuid), "a");
	id.object[0].pages = PAGES - 10;
	id.object[1].pages = 10;
	id.object[0].ino = 3;
	id.object[1].ino = 4;
	return id;
}

static void test_fields(void)
{
	static const struct page_fields rows[] = {
		{ .state = PAGE_ZERO },
		{ .state = PAGE_RESIDENT, .bad = true },
		{ .state = PAGE_RESIDENT, .has_slot = true, .tier = 0, .slot = 0 },
		{ .state = PAGE_EVICTED,
		  .has_slot = true,
		  .tier = 7,
		  .slot = PAGE_SLOTS_MAX - 1,
		  .generation = PAGE_GENERATIONS - 1 },
		{ .state = PAGE_LOADING, .has_slot = true, .discarded = true, .generation = 1 },
		{ .state = PAGE_STAGED, .has_slot = true, .tier = 3, .slot = 1 },
	};
	size_t i;

	/* A file that was just made */
	CU_ASSERT(page_entry_fields(0).state == PAGE_ZERO && !page_entry_fields(0).has_slot);
	for (i = 0; i < ROWS(rows); i++) {
		struct page_fields got = page_entry_fields(page_entry_make(rows[i]));

		UNIT_CHECK(got.state == rows[i].state && got.bad == rows[i].bad &&
				   got.discarded == rows[i].discarded &&
				   got.has_slot == rows[i].has_slot && got.tier == rows[i].tier &&
				   got.slot == rows[i].slot && got.generation == rows[i].generation,
			   "row %zu", i);
	}
	/* The generation goes round, and touches nothing beside it */
	CU_ASSERT(page_entry_make((struct page_fields){ .generation = PAGE_GENERATIONS }) == 0);
}

static void test_create_and_open(void)
{
	const struct map_identity id = identity();
	cleanup_close int dir = directory();
	struct page_map *map, *again;
	page_entry entry = 0;
	struct err err;

	CU_ASSERT(page_map_open(&again, dir, 0, &err) == -ENOENT);
	CU_ASSERT_FATAL(page_map_create(&map, dir, &id, &err) == 0);
	CU_ASSERT(page_map_pages(map) == PAGES && page_map_phase(map) == MAP_ADOPTING);
	CU_ASSERT(page_map_create(&again, dir, &id, &err) == -EEXIST);
	CU_ASSERT(page_map_swap(map, PAGES - 1, &entry, 42));
	CU_ASSERT(!page_map_swap(map, PAGES - 1, &entry, 43) && entry == 42);
	page_map_set_phase(map, MAP_PAGING);
	/* The other one lives */
	CU_ASSERT(page_map_open(&again, dir, 20, &err) == -ETIMEDOUT);
	page_map_close(map);
	CU_ASSERT_FATAL(page_map_open(&again, dir, 0, &err) == 0);
	CU_ASSERT(page_map_get(again, PAGES - 1) == 42 && page_map_get(again, 0) == 0);
	CU_ASSERT(page_map_phase(again) == MAP_PAGING);
	CU_ASSERT(page_map_identity(again)->pid == 77 && page_map_identity(again)->n_objects == 2);
	page_map_close(again);
}

/* A map that is none of ours, or not whole, is never used */
static void test_stale(void)
{
	static const struct {
		off_t at;
		const char *bytes;
		off_t length; /* 0: as it was */
		int rc;
	} rows[] = {
		{ 0, "x", 0, -ESTALE },			       /* magic */
		{ 8, "\2", 0, -ESTALE },		       /* version */
		{ 24, "x", 0, -ESTALE },		       /* boot */
		{ -1, NULL, 0, 0 },			       /* as it is */
		{ -1, NULL, 4096 + 8 * (PAGES - 1), -ESTALE }, /* shorter */
		/* As after memory was unplugged */
		{ -1, NULL, 4096 + 8 * (PAGES + 1), 0 },
		{ -1, NULL, 100, -ESTALE },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct map_identity id = identity();
		cleanup_close int dir = directory();
		struct page_map *map;
		struct err err;
		int fd, rc;

		CU_ASSERT_FATAL(page_map_create(&map, dir, &id, &err) == 0);
		page_map_close(map);
		fd = openat(dir, "map", O_RDWR | O_CLOEXEC);
		CU_ASSERT_FATAL(fd >= 0);
		if (rows[i].bytes)
			CU_ASSERT(pwrite(fd, rows[i].bytes, 1, rows[i].at) == 1);
		if (rows[i].length)
			CU_ASSERT(ftruncate(fd, rows[i].length) == 0);
		close(fd);
		rc = page_map_open(&map, dir, 0, &err);
		UNIT_CHECK(rc == rows[i].rc, "row %zu: %d", i, rc);
		if (rc == 0)
			page_map_close(map);
	}
}

/* A second pager waits until the first one's last thread is gone, and finds what it stored */
static void test_killed(void)
{
	const struct map_identity id = identity();
	cleanup_close int dir = directory();
	struct page_map *map;
	page_entry entry = 0;
	int ready[2], status;
	struct err err;
	char byte;
	pid_t pid;

	CU_ASSERT_FATAL(pipe2(ready, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		CU_ASSERT_FATAL(page_map_create(&map, dir, &id, &err) == 0);
		page_map_swap(map, 3, &entry, 33);
		if (write(ready[1], "", 1) != 1)
			unit_end_child(1);
		pause();
	}
	CU_ASSERT_FATAL(read(ready[0], &byte, 1) == 1);
	CU_ASSERT(page_map_open(&map, dir, 10, &err) == -ETIMEDOUT);
	kill(pid, SIGKILL);
	CU_ASSERT_FATAL(page_map_open(&map, dir, 10000, &err) == 0);
	CU_ASSERT(page_map_get(map, 3) == 33);
	page_map_close(map);
	waitpid(pid, &status, 0);
	close(ready[0]);
	close(ready[1]);
}

/* Memory that is plugged in gets entries, also when a pager was killed right before that */
static void test_take_in(void)
{
	const struct map_identity id = identity();
	const struct ram_object dimm = { .dev = 1, .ino = 5, .pages = 5000 };
	const struct ram_object other = { .dev = 1, .ino = 6, .pages = 7 };
	cleanup_close int dir = directory();
	struct page_map *map;
	page_entry entry = 0;
	struct err err;
	struct ram ram;
	int i;

	CU_ASSERT_FATAL(page_map_create(&map, dir, &id, &err) == 0);
	CU_ASSERT(page_map_swap(map, PAGES - 1, &entry, 42));
	CU_ASSERT(page_map_take_in(map, &dimm, &err) == 2);
	CU_ASSERT(page_map_pages(map) == PAGES + 5000);
	entry = 0;
	CU_ASSERT(page_map_get(map, PAGES - 1) == 42);
	CU_ASSERT(page_map_swap(map, PAGES + 4999, &entry, 43));
	page_map_close(map);
	CU_ASSERT_FATAL(page_map_open(&map, dir, 0, &err) == 0);
	CU_ASSERT(page_map_pages(map) == PAGES + 5000);
	CU_ASSERT(page_map_get(map, PAGES + 4999) == 43);
	entry = 43;
	CU_ASSERT(page_map_swap(map, PAGES + 4999, &entry, 0));

	/* A place in the middle is for memory of its size alone */
	CU_ASSERT(page_map_take_in(map, &other, &err) == 3);
	page_map_vacate(map, 2);
	page_map_trim(map);
	ram = page_map_ram(map);
	CU_ASSERT(page_map_pages(map) == PAGES + 5007);
	CU_ASSERT(ram_has(&ram, 1, 6) && !ram_has(&ram, 1, 5));
	CU_ASSERT(page_map_take_in(map, &other, &err) == 4);
	CU_ASSERT(page_map_take_in(map, &dimm, &err) == 2);
	CU_ASSERT(page_map_identity(map)->object[2].ino == 5);
	page_map_vacate(map, 4);
	page_map_vacate(map, 2);
	page_map_vacate(map, 3);
	page_map_trim(map);
	page_map_close(map);
	CU_ASSERT_FATAL(page_map_open(&map, dir, 0, &err) == 0);
	CU_ASSERT(page_map_pages(map) == PAGES && page_map_identity(map)->n_objects == 2);
	for (i = 2; i < RAM_OBJECTS_MAX; i++)
		CU_ASSERT(page_map_take_in(map, &other, &err) == i);
	CU_ASSERT(page_map_take_in(map, &other, &err) == -ENOTSUP);
	page_map_close(map);
}

static CU_TestInfo tests[] = {
	{ "an entry's fields come back", test_fields },
	{ "a map is made once, and opened after that", test_create_and_open },
	{ "what is not whole, or from elsewhere, is stale", test_stale },
	{ "a killed pager's stores are there", test_killed },
	{ "memory that comes gets entries, and gives them back", test_take_in },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_page_map", tests);
}

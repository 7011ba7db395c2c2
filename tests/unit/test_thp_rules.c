// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which settings of transparent huge pages a guest needs, and what is in their way.
 */
#include "policy/thp_rules.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "kernel/kfs.h"
#include "unit/guest_rows.h"
#include "unit/unit.h"

#define SECURE(body, more) GUEST(MIB(512) BACKING(body) more)
#define BACKED(body)	   SECURE(body, "")

#define PLAIN		   BACKED("")
#define MEMFD		   BACKED("<source type='memfd'/><access mode='shared'/>")
#define FILES		   BACKED("<source type='file'/>")
#define HUGE_PAGES	   BACKED("<hugepages/>")

static void test_wanted(void)
{
	static const struct {
		const char *xml;
		struct config_thp thp;
		uint64_t mib;
		bool tmpfs;
	} rows[] = {
		{ PLAIN, { .manage = true, .enabled = "madvise" }, 512, false },
		{ PLAIN, { .manage = true, .shmem_enabled = "advise" }, 512, false },
		{ PLAIN, { .manage = true }, 0, false },
		{ PLAIN, { .manage = false, .enabled = "madvise" }, 0, false },
		{ MEMFD, { .manage = true, .defrag = "defer" }, 512, false },
		{ FILES, { .manage = true, .enabled = "always" }, 0, false },
		/* of a tmpfs "deny" is in the way, and nothing else */
		{ FILES, { .manage = true, .shmem_enabled = "advise" }, 512, true },
		{ FILES, { .manage = true, .shmem_enabled = "advise" }, 0, false },
		{ FILES, { .manage = true, .enabled = "always" }, 0, true },
		{ HUGE_PAGES, { .manage = true, .enabled = "always" }, 0, false },
		/* what it uses lies in guest_memfd */
		{ SECURE("<source type='memfd'/>", "<launchSecurity type='sev-snp'/>"),
		  { .manage = true, .shmem_enabled = "advise" },
		  0,
		  false },
		{ SECURE("", "<launchSecurity type='sev'/>"),
		  { .manage = true, .enabled = "always" },
		  512,
		  false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct guest_policy policy = { .thp = rows[i].thp };
		struct guest *guest = row_guest(rows[i].xml);
		bool wanted = thp_rules_wanted(guest, &policy, rows[i].tmpfs);
		struct step_thp step;

		thp_rules_fill(guest, &policy, rows[i].tmpfs, &step);
		UNIT_CHECK(wanted == (rows[i].mib > 0), "row %zu", i);
		UNIT_CHECK(!wanted || step.size_kib == rows[i].mib * KIB_PER_MIB, "row %zu", i);
		guest_free(guest);
	}
}

static void test_room(void)
{
	static const struct {
		const char *xml, *now; /* "enabled shmem_enabled" */
		struct config_thp thp;
		uint64_t mib;
		const char *nodes;
	} rows[] = {
		{ PLAIN, "madvise never", { .compact = EFFORT_AUTO }, 512, "0-1" },
		{ PLAIN, "madvise never", { .reclaim = EFFORT_AUTO }, 512, "0-1" },
		{ PLAIN, "madvise never", { .manage = true, .enabled = "always" }, 0, "" },
		/* what the host says, or will */
		{ PLAIN, "never never", { .compact = EFFORT_AUTO }, 0, "0-1" },
		{ PLAIN,
		  "never never",
		  { .manage = true, .enabled = "madvise", .compact = EFFORT_AUTO },
		  512,
		  "0-1" },
		{ PLAIN,
		  "madvise never",
		  { .manage = true, .enabled = "never", .compact = EFFORT_AUTO },
		  0,
		  "0-1" },
		{ PLAIN,
		  "never never",
		  { .enabled = "madvise", .compact = EFFORT_AUTO },
		  0,
		  "0-1" },
		{ MEMFD, "madvise never", { .compact = EFFORT_AUTO }, 0, "0-1" },
		{ MEMFD, "madvise advise", { .compact = EFFORT_AUTO }, 512, "0-1" },
		{ FILES, "madvise advise", { .compact = EFFORT_AUTO }, 0, "0-1" },
		{ HUGE_PAGES, "madvise advise", { .compact = EFFORT_AUTO }, 0, "" },
		{ GUEST(MIB(512) "<numatune><memory mode='strict' nodeset='1'/></numatune>"),
		  "madvise never",
		  { .compact = EFFORT_AUTO },
		  512,
		  "1" },
		/* it may lie on others */
		{ GUEST(MIB(512) "<numatune><memory mode='preferred' nodeset='0'/></numatune>"),
		  "madvise never",
		  { .compact = EFFORT_AUTO },
		  512,
		  "0" },
		{ GUEST(MIB(512) "<vcpu cpuset='1'>1</vcpu><cputune><emulatorpin cpuset='1'/>"
				 "</cputune>"),
		  "madvise never",
		  { .compact = EFFORT_AUTO },
		  512,
		  "1" },
		/* one cell is bound, and the other follows the processors */
		{ GUEST(MIB(512) "<vcpu cpuset='1'>2</vcpu><numatune><memnode cellid='0' "
				 "mode='strict' nodeset='0'/></numatune><cpu><numa>"
				 "<cell id='0' cpus='0' memory='256' unit='MiB'/>"
				 "<cell id='1' cpus='1' memory='256' unit='MiB'/></numa></cpu>"),
		  "madvise never",
		  { .compact = EFFORT_AUTO },
		  512,
		  "0-1" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct host_view host = { .thp.present = true };
		struct guest *guest = row_guest(rows[i].xml);
		struct step_thp step = { 0 };
		char nodes[NODESET_TEXT_SIZE];
		struct kfs kfs;

		CU_ASSERT_FATAL(kfs_open(&kfs, TESTS_DIR "/hosts/two-nodes-6.12", NULL) == 0);
		CU_ASSERT_FATAL(numa_read(&kfs, &host.numa, NULL) == 0);
		kfs_close(&kfs);
		sscanf(rows[i].now, "%31s %31s", host.thp.thp.enabled, host.thp.thp.shmem_enabled);
		thp_rules_room(guest, &host, &rows[i].thp, &step);
		UNIT_CHECK(step.room_kib == rows[i].mib * KIB_PER_MIB, "row %zu: %llu KiB", i,
			   (unsigned long long)step.room_kib);
		UNIT_CHECK_STR(nodeset_format(&step.nodes, nodes), rows[i].nodes, "row %zu", i);
		UNIT_CHECK(step.compact == (rows[i].thp.compact == EFFORT_AUTO), "row %zu", i);
		UNIT_CHECK(step.reclaim == (rows[i].thp.reclaim == EFFORT_AUTO), "row %zu", i);
		guest_free(guest);
		numa_free(&host.numa);
	}
}

static void test_huge_option(void)
{
	static const struct {
		const char *options, *want;
	} rows[] = {
		{ "rw,nosuid,size=4g,huge=advise", "advise" },
		{ "huge=within_size,rw", "within_size" },
		{ "huge=never", "never" },
		{ "rw,size=4g", "" },
		{ "", "" },
		{ "huge=", "" },
		{ "nothuge=always", "" },
		{ "huge=a-word-that-is-longer-than-any-word-there-is", "" },
	};
	char word[THP_WORD_SIZE];
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		thp_rules_huge(rows[i].options, word);
		UNIT_CHECK_STR(word, rows[i].want, "row %zu", i);
	}
}

/* A tmpfs at /ram, mounted or to be mounted with @options; or a disk */
struct scene {
	bool mount;
	const char *fstype;
	const char *options;
};

static void test_obstacle(void)
{
	static const struct scene none,
		mounted = { false, "tmpfs", "" }, advising = { false, "tmpfs", "advise" },
		refusing = { false, "tmpfs", "never" }, to_mount = { true, "tmpfs", "size=4g" },
		to_mount_huge = { true, "tmpfs", "size=4g,huge=within_size" },
		disk = { false, "ext4", "" };
	static const struct {
		const char *xml;
		const struct scene *scene;
		const char *host; /* "ENABLED SHMEM" */
		struct config_thp settings;
		const char *words; /* NULL: nothing in the way */
	} rows[] = {
		{ PLAIN, &none, "madvise never", { .manage = true }, NULL },
		{ PLAIN, &none, "never never", { .manage = true }, "enabled is 'never'" },
		{ PLAIN, &none, "never never", { .enabled = "madvise" }, NULL },
		{ PLAIN, &none, "madvise never", { .enabled = "never" }, "enabled is 'never'" },
		{ HUGE_PAGES, &none, "never never", { .manage = true }, NULL },
		{ MEMFD, &none, "madvise never", { .manage = true }, "shmem_enabled is 'never'" },
		{ MEMFD, &none, "madvise deny", { .manage = true }, "shmem_enabled is 'deny'" },
		{ MEMFD, &none, "madvise advise", { .manage = true }, NULL },
		{ MEMFD, &none, "madvise never", { .shmem_enabled = "advise" }, NULL },
		{ MEMFD,
		  &none,
		  "madvise advise",
		  { .shmem_enabled = "never" },
		  "shmem_enabled is 'never'; set shmem_enabled = advise in [thp]" },
		/* for a memfd "enabled" means nothing */
		{ MEMFD, &none, "never always", { .manage = true }, NULL },
		/* a kernel without */
		{ MEMFD, &none, "madvise -", { .shmem_enabled = "advise" }, NULL },
		{ FILES, &disk, "madvise never", { .manage = true }, NULL },
		{ FILES,
		  &mounted,
		  "madvise advise",
		  { .manage = true },
		  "tmpfs at /ram get no transparent huge pages: it is mounted without huge=" },
		{ FILES, &refusing, "madvise advise", { .manage = true }, "with huge=never" },
		{ FILES, &advising, "madvise never", { .manage = true }, NULL },
		{ FILES, &mounted, "madvise force", { .manage = true }, NULL },
		{ FILES, &advising, "madvise deny", { .manage = true }, "shmem_enabled is 'deny'" },
		{ FILES, &to_mount, "madvise never", { .manage = true }, "without huge=" },
		{ FILES, &to_mount_huge, "madvise never", { .manage = true }, NULL },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const struct scene *scene = rows[i].scene;
		struct store_view view = { .config.path = "/ram" };
		struct host_view host = { .thp.present = true, .n_stores = 1, .stores = &view };
		struct step_store store = { .path = "/ram", .mount = scene->mount };
		struct guest *guest = row_guest(rows[i].xml);
		char why[256] = "";
		bool found;

		sscanf(rows[i].host, "%31s %31s", host.thp.thp.enabled, host.thp.thp.shmem_enabled);
		if (!strcmp(host.thp.thp.shmem_enabled, "-"))
			host.thp.thp.shmem_enabled[0] = '\0';
		if (scene->fstype) {
			strcpy(store.fstype, scene->fstype);
			strcpy(view.state.mount.fstype, scene->fstype);
			strcpy(scene->mount ? store.options : host.thp.store_huge, scene->options);
		}
		found = thp_rules_obstacle(guest, &host, scene->fstype ? &store : NULL,
					   &rows[i].settings, why, sizeof(why));
		UNIT_CHECK(found == (rows[i].words != NULL), "row %zu: %s", i, why);
		if (found && rows[i].words)
			UNIT_CHECK(strstr(why, rows[i].words), "row %zu: %s", i, why);
		host.thp.present = false;
		UNIT_CHECK(!thp_rules_obstacle(guest, &host, NULL, NULL, why, sizeof(why)),
			   "row %zu", i);
		guest_free(guest);
	}
}

/* THP is not managed: what "enabled" says is an administrator's choice */
static void test_not_managed(void)
{
	static const struct {
		const char *xml;
		const char *store; /* type of the file system at /ram */
		const char *enabled, *shmem;
		const char *words;
	} rows[] = {
		{ PLAIN, "tmpfs", "never", "never", NULL },
		{ MEMFD, "tmpfs", "always", "never",
		  "is 'never'; set manage = yes and shmem_enabled = advise in [thp]" },
		{ MEMFD, "tmpfs", "always", "deny", "is 'deny'; set manage = yes and" },
		{ MEMFD, "tmpfs", "always", "within_size", NULL },
		{ FILES, "tmpfs", "always", "deny", "is 'deny'; set manage = yes and" },
		{ FILES, "tmpfs", "always", "advise", "mount it with huge=advise" },
		{ FILES, "xfs", "never", "deny", NULL },
		{ HUGE_PAGES, "tmpfs", "never", "deny", NULL },
	};
	/* manage = no: what else is said counts for nothing */
	static const struct config_thp thp = { .shmem_enabled = "advise" };
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct store_view store = { .config.path = "/ram", .in_use = true };
		struct host_view host = { .thp.present = true, .n_stores = 1, .stores = &store };
		struct guest *guest = row_guest(rows[i].xml);
		char why[256] = "";
		bool found;

		strcpy(store.state.mount.fstype, rows[i].store);
		store.state.mountpoint = true;
		strcpy(host.thp.thp.enabled, rows[i].enabled);
		strcpy(host.thp.thp.shmem_enabled, rows[i].shmem);
		found = thp_rules_store_obstacle(guest, &host, &store, &thp, why, sizeof(why));
		UNIT_CHECK(found == (rows[i].words != NULL), "row %zu: %s", i, why);
		if (rows[i].words)
			UNIT_CHECK(strstr(why, rows[i].words), "row %zu: %s", i, why);
		guest_free(guest);
	}
}

static CU_TestInfo tests[] = {
	{ "who gets it", test_wanted },
	{ "huge= among mount options", test_huge_option },
	{ "what stands in the way", test_obstacle },
	{ "what is said where nothing is managed", test_not_managed },
	{ "room for them", test_room },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_thp_rules", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Directories that a guest's memory may lie in, and what is said of the wrong one.
 */
#include "policy/store_place.h"

#include <stdio.h>
#include <string.h>

#include "policy/host_view.h"
#include "policy/step.h"
#include "unit/unit.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static void test_split(void)
{
	static const struct {
		const char *place, *dir, *below;
	} rows[] = {
		{ "/srv/ram/libvirt/qemu", "/srv/ram", "libvirt/qemu" },
		{ "/x/libvirt/qemu", "/x", "libvirt/qemu" },
		{ "/libvirt/qemu/libvirt/qemu", "/libvirt/qemu", "libvirt/qemu" },
		{ QEMU_CONF_RAM_DIR, QEMU_CONF_RAM_DIR, "" },
		{ QEMU_CONF_RAM_DIR "/libvirt/qemu", QEMU_CONF_RAM_DIR, "libvirt/qemu" },
		{ "/with blank/libvirt/qemu", "/with blank", "libvirt/qemu" },
		{ "", NULL, NULL },
		{ "/", NULL, NULL },
		{ "/etc", NULL, NULL },
		{ "libvirt/qemu", NULL, NULL },
		{ "/libvirt/qemu", NULL, NULL },
		{ "//libvirt/qemu", NULL, NULL },
		{ "srv/ram/libvirt/qemu", NULL, NULL },
		{ "/srv/ram/libvirt/qemu/", NULL, NULL },
		{ "/srv/ramlibvirt/qemu", NULL, NULL },
		{ "/srv//ram/libvirt/qemu", NULL, NULL },
		{ "/srv/./libvirt/qemu", NULL, NULL },
		{ "/srv/../libvirt/qemu", NULL, NULL },
		{ "/../libvirt/qemu", NULL, NULL },
		{ "/srv/..x/libvirt/qemu", "/srv/..x", "libvirt/qemu" },
		{ QEMU_CONF_RAM_DIR "/", NULL, NULL },
		{ QEMU_CONF_RAM_DIR "/x", NULL, NULL },
		{ "/a\nb/libvirt/qemu", NULL, NULL },
		{ "/a\x1b[1m/libvirt/qemu", NULL, NULL },
		{ "/\xe2\x80\xae/libvirt/qemu", NULL, NULL },
		{ "/\xff/libvirt/qemu", NULL, NULL },
	};
	char dir[QEMU_CONF_PATH_SIZE], large[QEMU_CONF_PATH_SIZE + 32];
	const char *below;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		bool is = store_place_split(rows[i].place, dir, &below);

		if (!UNIT_CHECK(is == (rows[i].dir != NULL), "'%s'", rows[i].place) || !is)
			continue;
		UNIT_CHECK_STR(dir, rows[i].dir, "'%s'", rows[i].place);
		UNIT_CHECK_STR(below, rows[i].below, "'%s'", rows[i].place);
	}
	memset(large, 'x', sizeof(large));
	large[0] = '/';
	snprintf(large + QEMU_CONF_PATH_SIZE - 13, 14, "/libvirt/qemu");
	CU_ASSERT_FALSE(store_place_split(large, dir, &below));
	memmove(large + 1, large + 2, strlen(large) - 1);
	CU_ASSERT_TRUE(store_place_split(large, dir, &below));
}

static void test_planned(void)
{
	struct step_store step = { .dir = "/srv/ram", .below = "libvirt/qemu" };

	CU_ASSERT_TRUE(store_place_planned(&step, "/srv/ram/libvirt/qemu"));
	CU_ASSERT_FALSE(store_place_planned(&step, "/srv/ram"));
	snprintf(step.dir, sizeof(step.dir), "%s", QEMU_CONF_RAM_DIR);
	step.below[0] = '\0';
	CU_ASSERT_TRUE(store_place_planned(&step, QEMU_CONF_RAM_DIR));
	CU_ASSERT_FALSE(store_place_planned(&step, QEMU_CONF_RAM_DIR "/"));
}

static void test_within(void)
{
	CU_ASSERT_TRUE(store_place_within("/srv/ram", "/srv/ram"));
	CU_ASSERT_TRUE(store_place_within("/srv/ram/libvirt/qemu", "/srv/ram"));
	CU_ASSERT_FALSE(store_place_within("/srv/ram2", "/srv/ram"));
	CU_ASSERT_FALSE(store_place_within("/srv", "/srv/ram"));
	CU_ASSERT_TRUE(store_place_within("/srv", "/"));
	CU_ASSERT_TRUE(store_place_within("/", "/"));
}

static void test_problem(void)
{
	struct step_store step = {
		.store = "ram",
		.path = "/srv/ram",
		.dir = "/srv/ram",
		.lies_in = QEMU_CONF_RAM_DIR,
	};
	struct host_view host = { 0 };
	char text[STORE_PLACE_SIZE + 64];

	store_place_problem(&host, "web", &step, text, sizeof(text));
	UNIT_CHECK_STR(
		text,
		"guest 'web': its memory files are in /var/lib/libvirt/qemu/ram, not in store "
		"'ram' (/srv/ram): libvirtd was not restarted after memory_backing_dir was "
		"changed; restart libvirtd, then the guest",
		"libvirt can't be seen");
	snprintf(host.daemon.comm, sizeof(host.daemon.comm), "virtqemud");
	host.daemon.conf = DAEMON_CONF_OLD;
	step.store[0] = '\0';
	store_place_problem(&host, "web", &step, text, sizeof(text));
	UNIT_CHECK_STR(
		text,
		"guest 'web': its memory files are in /var/lib/libvirt/qemu/ram, not in "
		"/srv/ram: virtqemud was not restarted after memory_backing_dir was changed; "
		"restart virtqemud, then the guest",
		"it has read another");
	host.daemon.conf = DAEMON_CONF_FINE;
	store_place_problem(&host, "web", &step, text, sizeof(text));
	UNIT_CHECK(strstr(text, "it was started before virtqemud was restarted with another "
				"memory_backing_dir; restart the guest") != NULL,
		   "restarted since: %s", text);
}

static CU_TestInfo tests[] = {
	{ "which directories are accepted", test_split },
	{ "the one that was planned", test_planned },
	{ "one in another", test_within },
	{ "what is said", test_problem },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_store_place", tests);
}

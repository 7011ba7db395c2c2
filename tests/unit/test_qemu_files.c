// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where a guest's memory files are: made-up mappings, hostile ones among them.
 */
#include "lifecycle/qemu_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "kernel/kfs.h"
#include "lifecycle/process_lines.h"
#include "policy/step.h"
#include "policy/store_place.h"
#include "unit/unit.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define PID	    4242
#define MAPS	    "proc/4242/maps"
#define LINE	    "7f00-7f80 rw-s 00000000 08:01 "

struct scene {
	const char *root;
	struct kfs kfs;
	struct step_store step;
	struct err err;
};

static void open_scene(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->root = unit_tmpdir();
	CU_ASSERT_EQUAL_FATAL(kfs_open(&s->kfs, s->root, &s->err), 0);
	snprintf(s->step.dir, sizeof(s->step.dir), "/srv/ram");
	snprintf(s->step.below, sizeof(s->step.below), "libvirt/qemu");
	snprintf(s->step.guest, sizeof(s->step.guest), "web");
	s->step.id = 7;
	s->step.size_kib = 1024;
	unit_write(s->root, "srv/ram/libvirt/qemu/7-web/note", "");
}

static unsigned long long make_file(const struct scene *s, const char *name)
{
	struct stat st;

	unit_write(s->root, name, "memory");
	CU_ASSERT_EQUAL_FATAL(fstatat(s->kfs.rootfd, name, &st, 0), 0);
	return st.st_ino;
}

/* QEMU has mapped the file, below / */
static void map(const struct scene *s, const char *name, unsigned long long inode)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "55e0-55e1 r-xp 00000000 08:01 12 /usr/bin/qemu\n7f00-7f80 rw-s 00000000 00:30 "
		 "%llu                       /%s\n7fff-8000 rw-p 00000000 00:00 0 [stack]\n",
		 inode, name);
	unit_write(s->root, MAPS, text);
}

static bool is_found(struct scene *s, const char *place)
{
	char lies_in[QEMU_CONF_PATH_SIZE];
	int rc = qemu_files_find(&s->kfs, PID, &s->step, lies_in, &s->err);

	return UNIT_CHECK(rc == 0 && !strcmp(lies_in, place), "%d (%s): '%s', expected '%s'", rc,
			  rc ? s->err.text : "", lies_in, place);
}

/* ---- mappings ---- */

static void test_read(void)
{
	static const struct {
		const char *line, *place;
	} rows[] = {
		{ LINE "5   /old/libvirt/qemu/7-web/pc.ram\n", "/old/libvirt/qemu" },
		/* <access mode='private'/> */
		{ "7f00-7f80 rw-p 00000000 08:01 5 /old/libvirt/qemu/7-web/ram-node0\n",
		  "/old/libvirt/qemu" },
		{ LINE "5 /with blanks/libvirt/qemu/7-web/pc.ram\n", "/with blanks/libvirt/qemu" },
		{ LINE "5 /var/lib/libvirt/qemu/ram/7-web/pc.ram\n", "/var/lib/libvirt/qemu/ram" },
		{ LINE "5 /var/lib/libvirt/qemu/7-web/pc.ram\n", "/var/lib/libvirt/qemu" },
		/* where it should be */
		{ LINE "5 /srv/ram/libvirt/qemu/7-web/pc.ram\n", "" },
		/* other guests, other starts */
		{ LINE "5 /old/libvirt/qemu/8-web/pc.ram\n", "" },
		{ LINE "5 /old/libvirt/qemu/7-webb/pc.ram\n", "" },
		{ LINE "5 /old/libvirt/qemu/7-db/pc.ram\n", "" },
		/* libvirt makes no such directory */
		{ LINE "5 /old/7-web/pc.ram\n", "" },
		{ LINE "5 /libvirt/qemu/7-web/pc.ram\n", "" },
		{ LINE "5 /old/libvirt/qemu/7-web/deep/pc.ram\n", "" },
		{ LINE "5 /old/xlibvirt/qemu/7-web/pc.ram\n", "" },
		{ LINE "5 /var/lib/libvirt/qemu/ram/libvirt/7-web/pc.ram\n", "" },
		{ LINE "5 /old/../etc/libvirt/qemu/7-web/pc.ram\n", "" },
		{ LINE "5 //old/libvirt/qemu/7-web/pc.ram\n", "" },
		{ LINE "5 /\xc2\x9b[2J/libvirt/qemu/7-web/pc.ram\n", "" },
		{ LINE "5 /\xff/libvirt/qemu/7-web/pc.ram\n", "" },
		/* removed, no file, no line */
		{ LINE "5 /old/libvirt/qemu/7-web/pc.ram (deleted)\n", "" },
		{ LINE "0 /old/libvirt/qemu/7-web/pc.ram\n", "" },
		{ LINE "5 7-web/pc.ram\n", "" },
		{ LINE "5 /pc.ram\n", "" },
		{ LINE "5 /\n", "" },
		{ LINE "5\n", "" },
		{ "/old/libvirt/qemu/7-web/pc.ram\n", "" },
		{ "\n", "" },
		{ "", "" },
	};
	struct qemu_files files;
	struct scene s;
	size_t i;

	open_scene(&s);
	for (i = 0; i < ROWS(rows); i++) {
		int rc;

		unit_write(s.root, MAPS, rows[i].line);
		rc = qemu_files_read(&s.kfs, PID, &s.step, &files);
		UNIT_CHECK(rc == 0, "row %zu: %d", i, rc);
		UNIT_CHECK_STR(files.n ? files.list[0].place : "", rows[i].place, "row %zu", i);
	}
	kfs_close(&s.kfs);
}

static void test_too_much(void)
{
	static const char line[] = LINE "5 /old/libvirt/qemu/7-web/pc.ram\n";
	struct qemu_files files;
	char text[4096] = "", *much;
	struct scene s;
	size_t i;

	open_scene(&s);
	CU_ASSERT_EQUAL(qemu_files_read(&s.kfs, PID, &s.step, &files), -ENOENT);
	/* One file, over and over */
	much = malloc(PROCESS_MAX + 2 * sizeof(line));
	CU_ASSERT_FATAL(much != NULL);
	for (i = 0; i <= PROCESS_MAX; i += sizeof(line) - 1)
		memcpy(much + i, line, sizeof(line));
	unit_write(s.root, MAPS, much);
	free(much);
	CU_ASSERT_EQUAL(qemu_files_read(&s.kfs, PID, &s.step, &files), -E2BIG);
	/* More directories than a guest has */
	for (i = 0; i <= QEMU_FILES_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 LINE "5 /old%zu/libvirt/qemu/7-web/pc.ram\n", i);
	unit_write(s.root, MAPS, text);
	CU_ASSERT_EQUAL(qemu_files_read(&s.kfs, PID, &s.step, &files), -E2BIG);
	kfs_close(&s.kfs);
}

/* ---- directories ---- */

static void test_find(void)
{
	struct scene s;
	unsigned long long inode;

	open_scene(&s);
	inode = make_file(&s, "old/libvirt/qemu/7-web/pc.ram");
	map(&s, "old/libvirt/qemu/7-web/pc.ram", inode);
	is_found(&s, "/old/libvirt/qemu");
	/* The planned one need not be there */
	snprintf(s.step.dir, sizeof(s.step.dir), "/srv/none");
	is_found(&s, "/old/libvirt/qemu");
	snprintf(s.step.dir, sizeof(s.step.dir), "/old");
	is_found(&s, "");
	/* Of another file of that name, as in another mount namespace */
	snprintf(s.step.dir, sizeof(s.step.dir), "/srv/ram");
	map(&s, "old/libvirt/qemu/7-web/pc.ram", inode + 1);
	is_found(&s, "");
	map(&s, "gone/libvirt/qemu/7-web/pc.ram", inode);
	CU_ASSERT_EQUAL(
		qemu_files_find(&s.kfs, PID, &s.step, (char[QEMU_CONF_PATH_SIZE]){ "" }, &s.err),
		-ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(s.err.text, "/gone/libvirt/qemu"));
	kfs_close(&s.kfs);
}

/* The planned directory under another name */
static void test_same_directory(void)
{
	unsigned long long inode;
	struct scene s;

	open_scene(&s);
	inode = make_file(&s, "mnt/ram/libvirt/qemu/7-web/pc.ram");
	CU_ASSERT_EQUAL_FATAL(symlinkat("/mnt/ram", s.kfs.rootfd, "srv/link"), 0);
	snprintf(s.step.dir, sizeof(s.step.dir), "/srv/link");
	map(&s, "mnt/ram/libvirt/qemu/7-web/pc.ram", inode);
	is_found(&s, "");
	kfs_close(&s.kfs);
}

/* Links where the guest's directory or file should be, and on a way that others can write */
static void test_links(void)
{
	static const char name[] = "old/libvirt/qemu/7-web/pc.ram";
	char lies_in[QEMU_CONF_PATH_SIZE];
	unsigned long long inode;
	struct scene s;

	open_scene(&s);
	inode = make_file(&s, "etc/secret/pc.ram");
	unit_write(s.root, "old/libvirt/qemu/note", "");
	CU_ASSERT_EQUAL_FATAL(symlinkat("/etc/secret", s.kfs.rootfd, "old/libvirt/qemu/7-web"), 0);
	map(&s, name, inode);
	is_found(&s, "");
	CU_ASSERT_EQUAL_FATAL(unlinkat(s.kfs.rootfd, "old/libvirt/qemu/7-web", 0), 0);
	unit_write(s.root, "old/libvirt/qemu/7-web/note", "");
	CU_ASSERT_EQUAL_FATAL(symlinkat("../../../../etc/secret/pc.ram", s.kfs.rootfd, name), 0);
	is_found(&s, "");
	/* The way to it */
	inode = make_file(&s, "mine/libvirt/qemu/7-web/pc.ram");
	CU_ASSERT_EQUAL_FATAL(mkdirat(s.kfs.rootfd, "open", 0755), 0);
	CU_ASSERT_EQUAL_FATAL(fchmodat(s.kfs.rootfd, "open", 0777, 0), 0);
	CU_ASSERT_EQUAL_FATAL(symlinkat("/mine", s.kfs.rootfd, "open/way"), 0);
	map(&s, "open/way/libvirt/qemu/7-web/pc.ram", inode);
	CU_ASSERT_EQUAL(qemu_files_find(&s.kfs, PID, &s.step, lies_in, &s.err), -ELOOP);
	UNIT_CHECK_STR(lies_in, "", "through a link of others'");
	kfs_close(&s.kfs);
}

/* Two places: the one that is known already stays */
static void test_known(void)
{
	unsigned long long one, two;
	char text[512];
	struct scene s;

	open_scene(&s);
	one = make_file(&s, "one/libvirt/qemu/7-web/dimm0");
	two = make_file(&s, "two/libvirt/qemu/7-web/pc.ram");
	snprintf(text, sizeof(text),
		 LINE "%llu /one/libvirt/qemu/7-web/dimm0\n" LINE
		      "%llu /two/libvirt/qemu/7-web/pc.ram\n",
		 one, two);
	unit_write(s.root, MAPS, text);
	is_found(&s, "/one/libvirt/qemu");
	snprintf(s.step.lies_in, sizeof(s.step.lies_in), "/two/libvirt/qemu");
	is_found(&s, "/two/libvirt/qemu");
	kfs_close(&s.kfs);
}

static CU_TestInfo tests[] = {
	{ "mappings", test_read },
	{ "too many of them", test_too_much },
	{ "in another directory", test_find },
	{ "in the same one by another name", test_same_directory },
	{ "links", test_links },
	{ "what is known stays", test_known },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_qemu_files", tests);
}

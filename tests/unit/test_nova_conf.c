// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * nova.conf: what Nova would make of it, as far as it matters here.
 */
#include "config/nova_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "unit/unit.h"

static struct nova_conf parse(const char *text)
{
	struct nova_conf conf = { 0 };

	nova_conf_parse("F", text, strlen(text), &conf);
	return conf;
}

static void test_file_backed(void)
{
	static const struct {
		const char *text;
		uint64_t mib;
		const char *where;
	} rows[] = {
		{ "", 0, "" },
		{ "[libvirt]\n#file_backed_memory = 5\n", 0, "" },
		{ "[libvirt]\nfile_backed_memory = 1048576\n", 1048576, "F:2" },
		{ "[libvirt]\nfile_backed_memory=1024\n", 1024, "F:2" },
		{ "[libvirt]\nfile_backed_memory: 1024\n", 1024, "F:2" },
		{ "[libvirt]\nfile_backed_memory = '1024'\n", 1024, "F:2" },
		{ "[libvirt]\nfile_backed_memory = \"1024\"\n", 1024, "F:2" },
		{ "[LibVirt]\r\nfile_backed_memory = 1024\r\n", 1024, "F:2" },
		{ "[libvirt]\nfile_backed_memory = 1\nx = y\nfile_backed_memory = 2\n", 2, "F:4" },
		{ "[libvirt]\nfile_backed_memory = 7\n[DEFAULT]\nfile_backed_memory = 8\n"
		  "[libvirt]\nvirt_type = kvm\n",
		  7, "F:2" },
		{ "file_backed_memory = 5\n", 0, "" },
		{ "[DEFAULT]\nfile_backed_memory = 5\n", 0, "" },
		{ "[libvirt_and_more_than_room]\nfile_backed_memory = 5\n", 0, "" },
		{ "[libvirt]\nfile_backed_memory = \n", 0, "F:2" },
		{ "[libvirt]\nfile_backed_memory = -1\n", 0, "F:2" },
		{ "[libvirt]\nfile_backed_memory = 5G\n", 0, "F:2" },
		{ "[libvirt]\nrubbish\n  continued\nfile_backed_memory = 5\n", 5, "F:4" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct nova_conf conf = parse(rows[i].text);

		UNIT_CHECK(conf.present, "%s", rows[i].text);
		UNIT_CHECK(nova_conf_file_backed_mib(&conf) == rows[i].mib, "%s", rows[i].text);
		UNIT_CHECK_STR(conf.file_backed_memory.where, rows[i].where, "%s", rows[i].text);
	}
}

static void test_ratio(void)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t ratio;
	} rows[] = {
		{ "1.0", 0, 1000 },	   { "1", 0, 1000 },	  { "1.5", 0, 1500 },
		{ "0.98", 0, 980 },	   { "1.", 0, 1000 },	  { ".5", 0, 500 },
		{ "1.0001", 0, 1001 },	   { "1.0000", 0, 1000 }, { "16.0", 0, 16000 },
		{ "0.0", 0, 0 },	   { "", -ENOENT, 0 },	  { ".", -EINVAL, 0 },
		{ "1,5", -EINVAL, 0 },	   { "-1", -EINVAL, 0 },  { "1.x", -EINVAL, 0 },
		{ "1.5x", -EINVAL, 0 },	   { "1e3", -EINVAL, 0 }, { "1..5", -EINVAL, 0 },
		{ "9999999", -EINVAL, 0 }, { "nan", -EINVAL, 0 },
	};
	const struct nova_value nothing = { .text = "" };
	uint64_t ratio = 0;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct nova_value value = { .where = "F:1" };

		ratio = 0;
		snprintf(value.text, sizeof(value.text), "%s", rows[i].text);
		UNIT_CHECK(nova_conf_ratio(&value, &ratio) == rows[i].rc, "%s", rows[i].text);
		UNIT_CHECK(ratio == rows[i].ratio, "%s", rows[i].text);
	}
	CU_ASSERT_EQUAL(nova_conf_ratio(&nothing, &ratio), -ENOENT);
}

static void test_others(void)
{
	struct nova_conf conf = parse("[DEFAULT]\nram_allocation_ratio = 1.0\n"
				      "initial_ram_allocation_ratio=1.5\n"
				      "reserved_host_memory_mb = 0\n"
				      "reserved_huge_pages = node:0,size:2048,count:64\n"
				      "reserved_huge_pages = node:1,size:1GB,count:1\n"
				      "[libvirt]\nvirt_type = qemu\n");
	uint64_t ratio;

	CU_ASSERT_EQUAL(nova_conf_ratio(&conf.ram_allocation_ratio, &ratio), 0);
	CU_ASSERT_EQUAL(ratio, 1000);
	CU_ASSERT_EQUAL(nova_conf_ratio(&conf.initial_ram_allocation_ratio, &ratio), 0);
	CU_ASSERT_EQUAL(ratio, 1500);
	CU_ASSERT_EQUAL(nova_conf_reserved_mib(&conf), 0);
	CU_ASSERT_STRING_EQUAL(conf.reserved_huge_pages.where, "F:6");
	CU_ASSERT_STRING_EQUAL(conf.virt_type.text, "qemu");
	conf = parse("[DEFAULT]\n");
	CU_ASSERT_EQUAL(nova_conf_reserved_mib(&conf), 512);
	conf = parse("[DEFAULT]\nreserved_host_memory_mb = lots\n");
	CU_ASSERT_EQUAL(nova_conf_reserved_mib(&conf), 512);
	CU_ASSERT_STRING_EQUAL(conf.reserved_host_memory_mb.where, "F:2");
}

/* A connection string and the like, longer than our line reader takes */
static void test_long_lines(void)
{
	char text[3000] = "[DEFAULT]\ntransport_url = rabbit://";
	struct nova_conf conf;

	memset(text + strlen(text), 'x', 1000);
	strcat(text, "\nreserved_host_memory_mb = 7\n[libvirt]\nvirt_type = ");
	memset(text + strlen(text), 'y', 100);
	strcat(text, "\nfile_backed_memory = 9\n");
	conf = parse(text);
	CU_ASSERT_EQUAL(nova_conf_reserved_mib(&conf), 7);
	CU_ASSERT_EQUAL(nova_conf_file_backed_mib(&conf), 9);
	CU_ASSERT_STRING_EQUAL(conf.virt_type.text, "");
	CU_ASSERT_STRING_EQUAL(conf.virt_type.where, "F:5");
}

static struct nova_conf load(const char *root)
{
	cleanup_close int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct nova_conf conf;

	CU_ASSERT_FATAL(fd >= 0);
	nova_conf_load(fd, &conf);
	return conf;
}

#define MEMORY(mib) "[libvirt]\nfile_backed_memory = " #mib "\n"

static void test_files(void)
{
	static const struct {
		const char *name;
		const char *text;
		uint64_t mib;
		const char *where;
	} rows[] = {
		{ "nova.conf", MEMORY(1), 1, "/" NOVA_CONF_DIR "/nova.conf:2" },
		{ "nova-compute.conf", MEMORY(2), 2, "/" NOVA_CONF_DIR "/nova-compute.conf:2" },
		{ "nova.conf.d/50.conf", MEMORY(3), 3, "/" NOVA_CONF_DIR "/nova.conf.d/50.conf:2" },
		{ "nova.conf.d/49.conf", MEMORY(4), 3, "/" NOVA_CONF_DIR "/nova.conf.d/50.conf:2" },
		{ "nova.conf.d/99.txt", MEMORY(5), 3, "/" NOVA_CONF_DIR "/nova.conf.d/50.conf:2" },
		{ "nova-compute.conf.d/1.conf", MEMORY(6), 6,
		  "/" NOVA_CONF_DIR "/nova-compute.conf.d/1.conf:2" },
	};
	const char *root = unit_tmpdir();
	struct nova_conf conf = load(root);
	char name[100];
	size_t i;

	CU_ASSERT_FALSE(conf.present);
	CU_ASSERT_EQUAL(nova_conf_file_backed_mib(&conf), 0);
	CU_ASSERT_EQUAL(nova_conf_reserved_mib(&conf), 512);
	for (i = 0; i < ROWS(rows); i++) {
		snprintf(name, sizeof(name), NOVA_CONF_DIR "/%s", rows[i].name);
		unit_write(root, name, rows[i].text);
		conf = load(root);
		UNIT_CHECK(conf.present, "%s", rows[i].name);
		UNIT_CHECK(nova_conf_file_backed_mib(&conf) == rows[i].mib, "%s", rows[i].name);
		UNIT_CHECK_STR(conf.file_backed_memory.where, rows[i].where, "%s", rows[i].name);
	}
}

static CU_TestInfo tests[] = {
	{ "file_backed_memory", test_file_backed }, { "ratios", test_ratio },
	{ "the other options", test_others },	    { "long lines", test_long_lines },
	{ "files in their order", test_files },	    CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_nova_conf", tests);
}

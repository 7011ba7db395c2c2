// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What other programs' files say of pools, KSM and THP, in each of their languages, and
 * which of several files counts.
 */
#include "check/others.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "check/check.h"
#include "config/config.h"
#include "kernel/kfs.h"
#include "unit/unit.h"

/* ---- lines ---- */

static void append(void *arg, const struct scan_line *line)
{
	static const char *const words[SCAN_SUBJECTS] = { "pool", "move", "drop", "ksm",
							  "thp",  "spdk", "call" };
	char *text = arg;
	size_t used = strlen(text);

	if (line->subject != SCAN_CALL)
		snprintf(text + used, 512 - used, "%s%s:%u=%s", used ? " " : "",
			 words[line->subject], line->line, line->value);
}

static void test_lines(void)
{
	static const struct {
		enum scan_language language;
		const char *text, *found;
	} rows[] = {
		{ SCAN_SHELL, "echo 512 > /proc/sys/vm/nr_hugepages\n", "pool:1=512" },
		{ SCAN_SHELL, "\n# nr_hugepages\n  # drop_caches\necho $N >nr_hugepages",
		  "pool:4=" },
		{ SCAN_SHELL, "echo 0 >\"$HP/nr_hugepages\"", "pool:1=0" },
		{ SCAN_SHELL, "echo \"0\" | tee /sys/x/nr_hugepages", "pool:1=0" },
		{ SCAN_SHELL, "tee /proc/sys/vm/nr_hugepages <<<0", "pool:1=0" },
		{ SCAN_SHELL, "printf '%s\\n' 0 >nr_hugepages", "pool:1=0" },
		{ SCAN_SHELL, "printf '0\\n' >nr_hugepages", "pool:1=0" },
		{ SCAN_SHELL, "echo -n 0 >nr_hugepages", "pool:1=0" },
		{ SCAN_SHELL, "sysctl -w vm.nr_hugepages=0", "pool:1=0" },
		{ SCAN_SHELL, "sysctl -q vm.nr_hugepages=\"2048\"; x", "pool:1=2048" },
		{ SCAN_SHELL, "sysctl -w \\\n  vm.nr_hugepages=7\n", "pool:1=7" },
		{ SCAN_SHELL, "hugeadm --pool-pages-min 2M:0", "pool:1=0" },
		{ SCAN_SHELL, "hugeadm --pool-pages-min=DEFAULT:+8G", "pool:1=+8G" },
		{ SCAN_SHELL, "echo 1 >/proc/sys/vm/compact_memory", "move:1=1" },
		{ SCAN_SHELL, "sync; echo 3 >/proc/sys/vm/drop_caches # free", "drop:1=3" },
		{ SCAN_SHELL, "echo 'a # b' nr_hugepages", "pool:1=a" },
		{ SCAN_SHELL, "echo a#b >nr_hugepages", "pool:1=a#b" },
		{ SCAN_SHELL, "true # echo 3 >drop_caches", "" },
		{ SCAN_SHELL, "echo 1 >/sys/kernel/mm/ksm/run", "ksm:1=1" },
		{ SCAN_SHELL, "echo 200 >/sys/kernel/mm/ksm/pages_to_scan", "ksm:1=" },
		{ SCAN_SHELL, "NRHUGE=1024 ./spdk/scripts/setup.sh", "spdk:1=1024" },
		{ SCAN_SHELL, "/opt/spdk/scripts/setup.sh", "spdk:1=" },
		{ SCAN_SHELL, "/opt/other/setup.sh", "" },
		{ SCAN_SHELL, "dpdk-hugepages.py --setup 2G", "spdk:1=" },
		{ SCAN_SHELL, "grep Huge /proc/meminfo", "" },
		{ SCAN_UNIT,
		  "Description=nr_hugepages\nExecStart=/bin/sh -c 'echo 4 >nr_hugepages'\n",
		  "pool:2=4" },
		{ SCAN_SYSCTL, "vm.nr_hugepages = 16384\n", "pool:1=16384" },
		{ SCAN_SYSCTL, "-vm/nr_hugepages=5\r\n; vm.nr_hugepages=1\n#vm.nr_hugepages=2\n",
		  "pool:1=5" },
		{ SCAN_SYSCTL, "vm.nr_hugepages_mempolicy=5", "pool:1=5" },
		{ SCAN_SYSCTL, "vm.nr_overcommit_hugepages=5\nvm.hugetlb_shm_group = 3\n", "" },
		{ SCAN_TMPFILES, "w- /sys/kernel/mm/ksm/run - - - - 1\n", "ksm:1=1" },
		{ SCAN_TMPFILES, "w+! \"/sys/kernel/mm/ksm/run\"\t- - - - 0\n", "ksm:1=0" },
		{ SCAN_TMPFILES, "w /sys/kernel/mm/transparent_hugepage/enabled - - - - never",
		  "thp:1=never" },
		{ SCAN_TMPFILES,
		  "w /sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages "
		  "- - - - 16",
		  "pool:1=16" },
		{ SCAN_TMPFILES, "d /sys/kernel/mm/ksm/run - - - - 1\n#w /x/mm/ksm/run - - - - 1",
		  "" },
		{ SCAN_SYSFS, "kernel/mm/ksm/run = 1\nmode kernel/mm/ksm/run = 0644\n", "ksm:1=1" },
		{ SCAN_SYSFS, "kernel/mm/hugepages/hugepages-2048kB/nr_hugepages=9", "pool:1=9" },
		{ SCAN_TUNED, "[sysctl]\nvm.nr_hugepages=4\n[vm]\ntransparent_hugepages=never\n",
		  "pool:2=4 thp:4=never" },
		{ SCAN_TUNED, "[bootloader]\ncmdline = hugepagesz=1G hugepages=8\n", "pool:2=8" },
		{ SCAN_TUNED, "[bootloader]\ncmdline_pages=+hugepages=8 x\n", "pool:2=8" },
		{ SCAN_TUNED, "[sysfs]\n/sys/kernel/mm/ksm/run=0\n", "ksm:2=0" },
		{ SCAN_WORDS, "quiet hugepagesz=1G hugepages=16 transparent_hugepage=never",
		  "pool:1=16 thp:1=never" },
		{ SCAN_WORDS, "GRUB_CMDLINE_LINUX=\"default_hugepagesz=2M hugepages=0:8,1:8\"",
		  "pool:1=0:8,1:8" },
		{ SCAN_WORDS, "nohugepages=1 my_transparent_hugepage=x", "" },
		{ SCAN_SETTINGS, "NR_2M_PAGES=1024\n#NR_1G_PAGES=1\n", "spdk:1=1024" },
		{ SCAN_SETTINGS, "KSM_ENABLED=0\n", "ksm:1=0" },
		{ SCAN_SHELL, "", "" },
		{ SCAN_SHELL, "\\", "" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		char got[512] = "";

		others_scan_text(rows[i].language, rows[i].text, strlen(rows[i].text), append, got);
		UNIT_CHECK_STR(got, rows[i].found, "row %zu: %s", i, rows[i].text);
	}
}

/* What is longer than a line may be, and bytes of all kinds */
static void test_any_bytes(void)
{
	static char text[3 * SCAN_LINE_SIZE];
	char got[512] = "";
	size_t i;

	memset(text, 'x', sizeof(text));
	memcpy(text + sizeof(text) - 15, " nr_hugepages=3", 15);
	for (i = SCAN_SHELL; i <= SCAN_SETTINGS; i++)
		others_scan_text((enum scan_language)i, text, sizeof(text), append, got);
	UNIT_CHECK_STR(got, "", "a line of 12 KiB");
	for (i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 + i / 256);
	for (i = SCAN_SHELL; i <= SCAN_SETTINGS; i++)
		others_scan_text((enum scan_language)i, text, sizeof(text), append, got);
}

/* ---- files ---- */

static const char *const kind_words[OTHER_KINDS] = {
	[OTHER_HOOK] = "hook",		 [OTHER_HOOK_DROP] = "drop",
	[OTHER_SYSCTL] = "sysctl",	 [OTHER_BOOT] = "boot",
	[OTHER_SPDK] = "spdk",		 [OTHER_CMDLINE] = "cmdline",
	[OTHER_FSTAB] = "fstab",	 [OTHER_FSTAB_STORE] = "fstab-store",
	[OTHER_VDSM] = "vdsm",		 [OTHER_KSM] = "ksm",
	[OTHER_KSM_PROGRAM] = "program", [OTHER_THP] = "thp",
	[OTHER_MASKED] = "masked",	 [OTHER_DROP] = "drop-at-times",
};

static const char *found_in(const char *dir, struct others *others)
{
	static char text[8192];
	struct kfs kfs;
	size_t used = 0, i;

	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	others_find(&kfs, "/srv/memory", others);
	kfs_close(&kfs);
	text[0] = '\0';
	for (i = 0; i < others->n; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s %s%s%s\n",
					 kind_words[others->list[i].kind], others->list[i].where,
					 others->list[i].zero ? " zero" : "",
					 others->list[i].off ? " off" : "");
	return text;
}

#define HOOKS "etc/libvirt/hooks/"

static void test_files(void)
{
	static const struct {
		const char *files[8]; /* name, text, ... */
		const char *found;
	} rows[] = {
		{ { NULL }, "" },
		{ { HOOKS "qemu.d/win11/prepare/begin/alloc.sh",
		    "#!/bin/sh\n\necho 8 >nr_hugepages", HOOKS "qemu.d/win11/release/end/free.sh",
		    "#!/bin/sh\necho 1 >compact_memory\necho 0 >nr_hugepages\necho 3 >drop_caches" },
		  "hook /" HOOKS "qemu.d/win11/prepare/begin/alloc.sh:3\n"
		  "hook /" HOOKS "qemu.d/win11/release/end/free.sh:3 zero\n"
		  "drop /" HOOKS "qemu.d/win11/release/end/free.sh:4\n" },
		{ { HOOKS "lxc.d/10-x", "echo 3 >/proc/sys/vm/drop_caches\n" },
		  "drop /" HOOKS "lxc.d/10-x:1\n" },
		/* called by its path */
		{ { HOOKS "qemu", "#!/bin/sh\n/usr/local/bin/pages $1\n/usr/local/bin/gone\n",
		    "usr/local/bin/pages", "#!/bin/bash\nhugeadm --pool-pages-min 2M:64\n" },
		  "hook /usr/local/bin/pages:2\n" },
		{ { "etc/sysctl.d/10-a.conf", "vm.nr_hugepages=4\n", "etc/sysctl.d/20-b.conf",
		    "\nvm.nr_hugepages=0\n" },
		  "sysctl /etc/sysctl.d/20-b.conf:2 zero\n" },
		/* /etc hides /usr/lib; the order is by names, not by directories */
		{ { "etc/sysctl.d/10-a.conf", "vm.swappiness=1\n", "usr/lib/sysctl.d/10-a.conf",
		    "vm.nr_hugepages=0\n" },
		  "" },
		{ { "run/sysctl.d/90-z.conf", "vm.nr_hugepages=1\n", "etc/sysctl.d/10-a.conf",
		    "vm.nr_hugepages=2\n" },
		  "sysctl /run/sysctl.d/90-z.conf:1\n" },
		{ { "etc/sysctl.d/99-z.conf", "vm.nr_hugepages=1\n", "etc/sysctl.conf",
		    "vm.nr_hugepages=2\n" },
		  "sysctl /etc/sysctl.conf:1\n" },
		{ { "etc/sysctl.d/10-a.conf.bak", "vm.nr_hugepages=1\n" }, "" },
		{ { "etc/tmpfiles.d/ksm.conf",
		    "w /sys/kernel/mm/ksm/pages_to_scan - - - - 5\nw /sys/kernel/mm/ksm/run - - - - 0",
		    "etc/sysfs.conf", "kernel/mm/ksm/run = 1\n" },
		  "ksm /etc/tmpfiles.d/ksm.conf:2 off\nksm /etc/sysfs.conf:1\n" },
		{ { "etc/systemd/system/pages.service",
		    "[Service]\nExecStart=/usr/lib/systemd/pages.sh\n", "usr/lib/systemd/pages.sh",
		    "#!/bin/sh\necho 16 >$1/nr_hugepages\n" },
		  "boot /usr/lib/systemd/pages.sh:2\n" },
		{ { "etc/cron.d/caches", "0 * * * * root echo 3 >/proc/sys/vm/drop_caches\n",
		    "etc/rc.local", "echo never >/sys/kernel/mm/transparent_hugepage/enabled\n" },
		  "thp /etc/rc.local:1\ndrop-at-times /etc/cron.d/caches:1\n" },
		{ { "etc/crontab", "# x\n0 4 * * * root sysctl vm.drop_caches=3\n",
		    "etc/sysctl.d/9.conf", "vm.drop_caches = 1\n" },
		  "drop-at-times /etc/sysctl.d/9.conf:1\ndrop-at-times /etc/crontab:2\n" },
		{ { "usr/lib/udev/rules.d/60-pages.rules",
		    "SUBSYSTEM==\"node\", ATTR{hugepages/hugepages-2048kB/nr_hugepages}=\"512\"\n"
		    "KERNEL==\"kvm\", RUN+=\"/bin/sh -c 'echo 1 >/sys/kernel/mm/ksm/run'\"\n",
		    "run/udev/rules.d/9.rules", "SYSCTL{vm.nr_hugepages}=\"0\"\n" },
		  "boot /usr/lib/udev/rules.d/60-pages.rules:1\n"
		  "ksm /usr/lib/udev/rules.d/60-pages.rules:2\n"
		  "boot /run/udev/rules.d/9.rules:1 zero\n" },
		/* the file is named, where one is */
		{ { "proc/cmdline", "hugepages=4 transparent_hugepage=never\n", "etc/default/grub",
		    "X=1\nGRUB_CMDLINE_LINUX=\"hugepages=4\"\n" },
		  "cmdline /etc/default/grub:2\nthp " OTHER_CMDLINE_FILE "\n" },
		{ { "etc/fstab", "# x\nnone /dev/hugepages1G hugetlbfs pagesize=1G 0 0\n"
				 "LABEL=m /srv/memory xfs defaults 0 0\n" },
		  "fstab /etc/fstab:2\nfstab-store /etc/fstab:3\n" },
		{ { "etc/fstab", "LABEL=m /srv/memory xfs noauto 0 0\n/dev/b /srv ext4 rw 0 0" },
		  "" },
		{ { "etc/vdsm/vdsm.conf", "[performance]\nuse_dynamic_hugepages = true\n" },
		  "vdsm /etc/vdsm/vdsm.conf:2\n" },
		{ { "etc/vdsm/vdsm.conf", "[performance]\n# use_dynamic_hugepages = true\n",
		    "etc/vdsm/vdsm.conf.d/50.conf", "[performance]\nuse_dynamic_hugepages: Yes\n" },
		  "vdsm /etc/vdsm/vdsm.conf.d/50.conf:2\n" },
		{ { "etc/vdsm/vdsm.conf", "[performance]\nuse_dynamic_hugepages = true\n",
		    "etc/vdsm/vdsm.conf.d/50.conf",
		    "[performance]\nuse_dynamic_hugepages=false\n" },
		  "" },
		{ { "etc/vdsm/vdsm.conf", "[vars]\nuse_dynamic_hugepages = true\n" }, "" },
		{ { "etc/tuned/active_profile", "mine\n", "etc/tuned/mine/tuned.conf",
		    "[main]\ninclude = base\n", "usr/lib/tuned/base/tuned.conf",
		    "[sysctl]\nvm.nr_hugepages = 12\n" },
		  "sysctl /usr/lib/tuned/base/tuned.conf:2\n" },
		{ { "etc/dpdk/dpdk.conf", "# NR_2M_PAGES=1\nNR_1G_PAGES=2\n" },
		  "spdk /etc/dpdk/dpdk.conf:2\n" },
		{ { "etc/systemd/system/ksm.service", "" },
		  "masked /etc/systemd/system/ksm.service off\n" },
	};
	static struct others others;
	size_t i, j;

	for (i = 0; i < ROWS(rows); i++) {
		const char *dir = unit_tmpdir();

		for (j = 0; j < 8 && rows[i].files[j]; j += 2)
			unit_write(dir, rows[i].files[j], rows[i].files[j + 1]);
		UNIT_CHECK_STR(found_in(dir, &others), rows[i].found, "row %zu", i);
	}
}

static void link_in(const char *dir, const char *target, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	CU_ASSERT_EQUAL_FATAL(symlink(target, path), 0);
}

/* Links of the administrator's count, below the root that is asked; where others can write,
 * none does */
static void test_links(void)
{
	static struct others others;
	const char *dir = unit_tmpdir();
	char path[512];

	unit_write(dir, "etc/sysctl.conf", "vm.nr_hugepages=3\n");
	unit_write(dir, "etc/sysctl.d/10-x.conf", "");
	unit_write(dir, "usr/lib/sysctl.d/20-x.conf", "vm.nr_hugepages=9\n");
	link_in(dir, "/etc/sysctl.conf", "etc/sysctl.d/99-sysctl.conf");
	/* masked */
	link_in(dir, "/dev/null", "etc/sysctl.d/20-x.conf");
	UNIT_CHECK_STR(found_in(dir, &others), "sysctl /etc/sysctl.d/99-sysctl.conf:1\n", "a link");
	snprintf(path, sizeof(path), "%s/etc/sysctl.d", dir);
	CU_ASSERT_EQUAL_FATAL(chmod(path, 0777), 0);
	UNIT_CHECK_STR(found_in(dir, &others), "sysctl /etc/sysctl.conf:1\n", "others may write");
	CU_ASSERT_EQUAL_FATAL(chmod(path, 0755), 0);
	/* A pipe would hold us for ever */
	dir = unit_tmpdir();
	unit_write(dir, "etc/sysctl.d/10-x.conf", "");
	snprintf(path, sizeof(path), "%s/etc/sysctl.d/20-pipe.conf", dir);
	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0644), 0);
	UNIT_CHECK_STR(found_in(dir, &others), "", "a pipe");
}

static void test_masked(void)
{
	static struct others others;
	const char *dir = unit_tmpdir();

	unit_write(dir, "etc/systemd/system/x.service", "");
	unit_write(dir, "run/systemd/system/x.service", "");
	link_in(dir, "/dev/null", "etc/systemd/system/ksmtuned.service");
	link_in(dir, "/dev/null", "run/systemd/system/libvirt-membacking-reconcile.timer");
	link_in(dir, "/usr/lib/systemd/system/ksm.service", "etc/systemd/system/ksm.service");
	UNIT_CHECK_STR(found_in(dir, &others),
		       "masked /etc/systemd/system/ksmtuned.service off\n"
		       "masked /run/systemd/system/libvirt-membacking-reconcile.timer\n",
		       "two are");
}

/* What is too large, too deep or too many is said */
static void test_bounds(void)
{
	static struct others others;
	static char large[300 * 1024];
	const char *dir = unit_tmpdir();
	char name[64];
	int i;

	memset(large, '\n', sizeof(large) - 1);
	unit_write(dir, "etc/sysctl.d/10-large.conf", large);
	found_in(dir, &others);
	CU_ASSERT_EQUAL(others.left_out, 1);
	dir = unit_tmpdir();
	for (i = 0; i < OTHERS_MAX + 10; i++) {
		snprintf(name, sizeof(name), HOOKS "qemu.d/%d", i);
		unit_write(dir, name, "nr_hugepages");
	}
	found_in(dir, &others);
	CU_ASSERT_EQUAL(others.n, OTHERS_MAX);
	CU_ASSERT_EQUAL(others.left_out, 10);
}

/* What a hook or a unit starts is no script, whatever its size and whatever stands in it */
static void test_programs(void)
{
	static struct others others;
	static char large[300 * 1024];
	static const char *const bodies[] = { "\177ELF\necho 8 >nr_hugepages\n", large };
	size_t i;

	memset(large, '\n', sizeof(large) - 1);
	memcpy(large, "\177ELF", 4);
	for (i = 0; i < ROWS(bodies); i++) {
		const char *dir = unit_tmpdir();

		unit_write(dir, "etc/systemd/system/x.service",
			   "[Service]\nExecStart=/usr/sbin/x\n");
		unit_write(dir, "usr/sbin/x", bodies[i]);
		unit_write(dir, HOOKS "qemu", bodies[i]);
		UNIT_CHECK_STR(found_in(dir, &others), "", "body %zu", i);
		UNIT_CHECK(others.left_out == 0, "body %zu: %zu left out", i, others.left_out);
	}
}

/* ---- README.md ---- */

/* The same rows in the same order: one list */
static void test_readme(void)
{
	cleanup_free char *text = unit_read("../README.md", NULL);
	char *table = strstr(text, "| what you have | instead |\n|---|---|\n"), *line, *save = NULL;
	enum other_kind kind = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(table);
	*strstr(table, "\n\n") = '\0';
	strtok_r(table, "\n", &save);
	strtok_r(NULL, "\n", &save);
	for (line = strtok_r(NULL, "\n", &save); line; line = strtok_r(NULL, "\n", &save), kind++) {
		char row[1024] = "";

		if (kind < OTHER_KINDS)
			snprintf(row, sizeof(row), "| %s | %s |", others_what(kind),
				 others_instead(kind));
		UNIT_CHECK_STR(line, row, "row %d", kind);
	}
	CU_ASSERT_EQUAL(kind, OTHER_KINDS);
}

/* ---- what check makes of it ---- */

static void test_judged(void)
{
	static const struct {
		const char *conf;
		struct other other;
		enum finding_level level;
	} rows[] = {
		{ "", { .kind = OTHER_HOOK }, FINDING_WARN },
		{ "", { .kind = OTHER_HOOK, .zero = true }, FINDING_WARN },
		{ "[hugepages]\nmanage = no\n", { .kind = OTHER_HOOK }, FINDING_HINT },
		{ "", { .kind = OTHER_HOOK_DROP }, FINDING_WARN },
		{ "", { .kind = OTHER_SYSCTL, .value = "4" }, FINDING_HINT },
		{ "", { .kind = OTHER_SYSCTL, .value = "0", .zero = true }, FINDING_WARN },
		{ "", { .kind = OTHER_BOOT }, FINDING_HINT },
		{ "", { .kind = OTHER_BOOT, .zero = true }, FINDING_WARN },
		{ "", { .kind = OTHER_SPDK }, FINDING_HINT },
		{ "", { .kind = OTHER_CMDLINE }, FINDING_PASS },
		{ "", { .kind = OTHER_FSTAB }, FINDING_PASS },
		{ "", { .kind = OTHER_FSTAB_STORE }, FINDING_HINT },
		{ "", { .kind = OTHER_VDSM }, FINDING_WARN },
		{ "[hugepages]\nmanage = no\n", { .kind = OTHER_VDSM }, FINDING_PASS },
		/* KSM: an administrator's decision, unless [ksm] was told to take it */
		{ "", { .kind = OTHER_KSM, .off = true }, FINDING_PASS },
		{ "[ksm]\nmanage = yes\n", { .kind = OTHER_KSM, .off = true }, FINDING_WARN },
		{ "[ksm]\nmanage = yes\n", { .kind = OTHER_KSM }, FINDING_HINT },
		{ "[ksm]\nmanage = yes\nenable = never\n",
		  { .kind = OTHER_KSM, .off = true },
		  FINDING_PASS },
		{ "", { .kind = OTHER_THP }, FINDING_PASS },
		{ "[thp]\nmanage = yes\n", { .kind = OTHER_THP }, FINDING_HINT },
		{ "", { .kind = OTHER_MASKED, .off = true }, FINDING_PASS },
		{ "[ksm]\nmanage = yes\n", { .kind = OTHER_MASKED, .off = true }, FINDING_WARN },
		{ "",
		  { .kind = OTHER_MASKED, .key = "libvirt-membacking-static.service" },
		  FINDING_HINT },
		{ "", { .kind = OTHER_MASKED, .key = "dev-hugepages.mount" }, FINDING_PASS },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		static struct check_host host;
		struct host_view view = { .default_page_kib = 2048 };
		struct findings findings = { .check = "others" };
		struct config *config = NULL;

		CU_ASSERT_EQUAL_FATAL(config_parse_buffer("test", rows[i].conf,
							  strlen(rows[i].conf), &config, NULL),
				      0);
		host = (struct check_host){ .config = config, .view = &view };
		host.others.n = 1;
		host.others.list[0] = rows[i].other;
		snprintf(host.others.list[0].where, OTHER_WHERE_SIZE, "/etc/a/file:7");
		check_others(&host, &findings);
		CU_ASSERT_EQUAL_FATAL(findings.n, 1);
		UNIT_CHECK(findings.list[0].level == rows[i].level, "row %zu: %d", i,
			   findings.list[0].level);
		UNIT_CHECK(strstr(findings.list[0].message, "/etc/a/file:7"), "row %zu: %s", i,
			   findings.list[0].message);
		findings_free(&findings);
		config_free(config);
	}
}

static CU_TestInfo tests[] = {
	{ "lines in each language", test_lines },
	{ "any bytes", test_any_bytes },
	{ "files, and which of them count", test_files },
	{ "links and pipes", test_links },
	{ "masked units", test_masked },
	{ "bounds", test_bounds },
	{ "programs", test_programs },
	{ "README.md's table", test_readme },
	{ "what check makes of it", test_judged },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_others", tests);
}

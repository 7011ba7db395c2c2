// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Other programs that set KSM: found by their processes, units and profiles.
 */
#include "check/ksm_tuners.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/kfs.h"
#include "unit/unit.h"

/* Arguments of a process with '|' for the NUL behind each */
static void put_process(const char *dir, int pid, const char *comm, const char *arguments)
{
	char path[512], text[256];
	size_t len = strlen(arguments), i;
	FILE *f;

	snprintf(path, sizeof(path), "proc/%d/comm", pid);
	snprintf(text, sizeof(text), "%s\n", comm);
	unit_write(dir, path, text);
	snprintf(path, sizeof(path), "%s/proc/%d/cmdline", dir, pid);
	f = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	for (i = 0; i < len; i++)
		fputc(arguments[i] == '|' ? '\0' : arguments[i], f);
	fclose(f);
}

static void find(const char *dir, struct ksm_tuner_found *tuners)
{
	struct kfs kfs;

	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, NULL), 0);
	ksm_tuners_find(&kfs, tuners);
	kfs_close(&kfs);
}

static size_t count(const struct ksm_tuner_found *tuners)
{
	size_t n = 0, i;

	for (i = 0; i < KSM_TUNERS; i++)
		n += tuners[i].found;
	return n;
}

static void test_processes(void)
{
	static const struct {
		const char *comm, *arguments;
		enum ksm_tuner tuner; /* KSM_TUNERS: none */
	} rows[] = {
		{ "ksmtuned", "/bin/bash|/usr/sbin/ksmtuned|", KSM_TUNER_KSMTUNED },
		{ "bash", "bash|/usr/sbin/ksmtuned|", KSM_TUNER_KSMTUNED },
		{ "momd", "/usr/bin/python3|/usr/sbin/momd|-c|/etc/vdsm/mom.conf|",
		  KSM_TUNER_MOMD },
		{ "python3.11", "/usr/bin/python3.11|-Es|/usr/sbin/momd|-d|", KSM_TUNER_MOMD },
		{ "platform-python", "/usr/libexec/platform-python|momd|", KSM_TUNER_MOMD },
		{ "uksmd", "/usr/bin/uksmd|", KSM_TUNER_UKSMD },
		/* the kernel's own thread; an editor; no script; what was cut off */
		{ "ksmd", "", KSM_TUNERS },
		{ "vi", "vi|/usr/sbin/ksmtuned|", KSM_TUNERS },
		{ "bash", "bash|-c|sleep 1; : ksmtuned|", KSM_TUNERS },
		{ "bash", "-bash|", KSM_TUNERS },
		{ "bash", "", KSM_TUNERS },
		{ "python3", "python3|/usr/sbin/momd.bak|", KSM_TUNERS },
		{ "ksmtuned-exporter", "ksmtuned-exporter|", KSM_TUNERS },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct ksm_tuner_found tuners[KSM_TUNERS];
		const char *dir = unit_tmpdir();

		unit_write(dir, "proc/1/comm", "systemd\n");
		unit_write(dir, "proc/sys/kernel/ostype", "Linux\n");
		put_process(dir, 77, rows[i].comm, rows[i].arguments);
		find(dir, tuners);
		UNIT_CHECK(count(tuners) == (rows[i].tuner != KSM_TUNERS), "row %zu", i);
		if (rows[i].tuner != KSM_TUNERS)
			UNIT_CHECK(tuners[rows[i].tuner].pid == 77, "row %zu", i);
	}
}

/* Only what is installed can be disabled: systemctl refuses all if one is not there */
static void test_units(void)
{
	struct ksm_tuner_found tuners[KSM_TUNERS];
	const char *dir = unit_tmpdir();

	find(dir, tuners);
	CU_ASSERT_EQUAL(count(tuners), 0);
	CU_ASSERT_STRING_EQUAL(tuners[KSM_TUNER_KSMTUNED].units, "");
	unit_write(dir, "usr/lib/systemd/system/ksmtuned.service", "");
	find(dir, tuners);
	CU_ASSERT_STRING_EQUAL(tuners[KSM_TUNER_KSMTUNED].units, "ksmtuned");
	unit_write(dir, "lib/systemd/system/ksm.service", "");
	unit_write(dir, "etc/systemd/system/momd.service", "");
	unit_write(dir, "run/systemd/units/invocation:ksm.service", "");
	find(dir, tuners);
	CU_ASSERT_STRING_EQUAL(tuners[KSM_TUNER_KSMTUNED].units, "ksmtuned ksm");
	CU_ASSERT_STRING_EQUAL(tuners[KSM_TUNER_MOMD].units, "momd");
	CU_ASSERT_TRUE(tuners[KSM_TUNER_SERVICE].found);
	CU_ASSERT_EQUAL(count(tuners), 1);
}

#define TUNED(profile) "usr/lib/tuned/" profile "/tuned.conf"

static void test_tuned(void)
{
	static const struct {
		const char *active;
		const char *file, *text;
		bool found;
	} rows[] = {
		{ "rt\n", TUNED("rt"), "[main]\nsummary=x\n", false },
		{ "rt\n", TUNED("rt"), "[sysfs]\n/sys/kernel/mm/ksm/run=2\n", true },
		{ "rt\n", "usr/lib/tuned/rt/script.sh", "start() {\n disable_ksm\n}\n", true },
		{ "rt\n", "etc/tuned/profiles/rt/script.sh", "disable_ksm\n", true },
		{ "a rt\n", TUNED("rt"), "/sys/kernel/mm/ksm/run=0", true },
		{ "inner\n", TUNED("rt"), "/sys/kernel/mm/ksm/run=0", true },
		{ "outer\n", TUNED("rt"), "/sys/kernel/mm/ksm/run=0", true },
		{ "circle\n", TUNED("rt"), "/sys/kernel/mm/ksm/run=0", false },
		{ "../../rt\n", "usr/rt/tuned.conf", "/sys/kernel/mm/ksm/run=0", false },
		{ "\n", TUNED("rt"), "/sys/kernel/mm/ksm/run=0", false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct ksm_tuner_found tuners[KSM_TUNERS];
		const char *dir = unit_tmpdir();

		put_process(dir, 9, "tuned", "");
		unit_write(dir, TUNED("inner"), "[main]\nsummary = y\ninclude = rt\n");
		unit_write(dir, TUNED("outer"), "[main]\ninclude=inner\n");
		unit_write(dir, TUNED("circle"), "[main]\ninclude=circle\n");
		unit_write(dir, "etc/tuned/active_profile", rows[i].active);
		unit_write(dir, rows[i].file, rows[i].text);
		find(dir, tuners);
		UNIT_CHECK(tuners[KSM_TUNER_TUNED].found == rows[i].found, "row %zu", i);
	}
}

static CU_TestInfo tests[] = {
	{ "processes", test_processes },
	{ "systemd's units", test_units },
	{ "tuned's profiles", test_tuned },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_ksm_tuners", tests);
}

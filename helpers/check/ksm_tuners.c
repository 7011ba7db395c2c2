// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: how a program is recognized
 *
 * Most of them are scripts.  The kernel calls such a process by the name of the script, but
 * by that of the interpreter where it was called as the interpreter's argument; then the
 * script is the first argument that is no option.
 *
 * ksm.service has no process: it switches KSM on and is done.  As long as systemd takes it
 * for active there is a link in /run/systemd/units.
 *
 * tuned runs on many hosts for other things.  Its profiles for real-time guests switch KSM
 * off, by a function for scripts or by writing to KSM's files.
 */
#include "check/ksm_tuners.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "kernel/kfs.h"

#define UNITS_MAX	 2
#define COMM_SIZE	 64
#define ARGUMENTS_SIZE	 4096
#define PROFILE_FILE_MAX 65536
/* Profiles include each other; no known profile nests deeper */
#define PROFILE_DEPTH 8

static const struct {
	const char *name;
	bool process;
	const char *units[UNITS_MAX];
} kinds[] = {
	[KSM_TUNER_KSMTUNED] = { "ksmtuned", true, { "ksmtuned", "ksm" } },
	[KSM_TUNER_MOMD] = { "momd", true, { "mom-vdsm", "momd" } },
	[KSM_TUNER_UKSMD] = { "uksmd", true, { "uksmd", NULL } },
	[KSM_TUNER_TUNED] = { "tuned", true, { "tuned", NULL } },
	[KSM_TUNER_SERVICE] = { "ksm.service", false, { "ksm", NULL } },
};

_Static_assert(ARRAY_SIZE(kinds) == KSM_TUNERS, "a row for each");

const char *ksm_tuner_name(enum ksm_tuner tuner)
{
	return kinds[tuner].name;
}

/* ---- processes ---- */

static bool is_interpreter(const char *comm)
{
	return !strncmp(comm, "python", 6) || !strncmp(comm, "platform-python", 15) ||
	       !strcmp(comm, "bash") || !strcmp(comm, "sh") || !strcmp(comm, "dash");
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Does an interpreter run a script of that name? */
static bool runs_script(const struct kfs *kfs, uint64_t pid, const char *name)
{
	char path[KFS_PATH_SIZE], text[ARGUMENTS_SIZE];
	cleanup_fclose FILE *f = NULL;
	const char *arg;
	size_t len;

	snprintf(path, sizeof(path), "proc/%llu/cmdline", (unsigned long long)pid);
	f = kfs_stream(kfs, path);
	len = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[len] = '\0';
	arg = text + strlen(text) + 1;
	while (arg < text + len && *arg == '-')
		arg += strlen(arg) + 1;
	return arg < text + len && !strcmp(base_name(arg), name);
}

static void look_at_process(const struct kfs *kfs, uint64_t pid, struct ksm_tuner_found *tuners)
{
	char path[KFS_PATH_SIZE], comm[COMM_SIZE];
	size_t i;

	snprintf(path, sizeof(path), "proc/%llu/comm", (unsigned long long)pid);
	if (kfs_read(kfs, path, comm, sizeof(comm), NULL) < 0)
		return;
	for (i = 0; i < KSM_TUNERS; i++) {
		if (!kinds[i].process || tuners[i].found)
			continue;
		tuners[i].found = !strcmp(comm, kinds[i].name) ||
				  (is_interpreter(comm) && runs_script(kfs, pid, kinds[i].name));
		tuners[i].pid = tuners[i].found ? (pid_t)pid : 0;
	}
}

static void look_at_processes(const struct kfs *kfs, struct ksm_tuner_found *tuners)
{
	uint64_t *pids = NULL;
	int n = kfs_list_numbers(kfs, "proc", "", "", &pids, NULL), i;

	for (i = 0; i < n; i++)
		look_at_process(kfs, pids[i], tuners);
	free(pids);
}

/* ---- systemd ---- */

static bool is_there(const struct kfs *kfs, const char *path)
{
	return faccessat(kfs->rootfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_installed(const struct kfs *kfs, const char *unit)
{
	static const char *const dirs[] = { "etc/systemd/system", "usr/lib/systemd/system",
					    "lib/systemd/system" };
	char path[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s.service", dirs[i], unit);
		if (is_there(kfs, path))
			return true;
	}
	return false;
}

static void find_units(const struct kfs *kfs, enum ksm_tuner tuner, struct ksm_tuner_found *found)
{
	size_t used = 0, i;

	for (i = 0; i < UNITS_MAX && kinds[tuner].units[i]; i++)
		if (is_installed(kfs, kinds[tuner].units[i]))
			used += (size_t)snprintf(found->units + used, sizeof(found->units) - used,
						 "%s%s", used ? " " : "", kinds[tuner].units[i]);
}

/* ---- tuned ---- */

/* A profile may be in four places; /etc comes first */
static char *read_profile(const struct kfs *kfs, const char *profile, const char *file)
{
	static const char *const dirs[] = { "etc/tuned/profiles", "etc/tuned",
					    "usr/lib/tuned/profiles", "usr/lib/tuned" };
	char path[64 + 2 * KSM_TUNER_TEXT_SIZE], *text = NULL;
	size_t i;

	if (!*profile || *profile == '.' || strchr(profile, '/'))
		return NULL;
	for (i = 0; !text && i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", dirs[i], profile, file);
		if (file_read_at(kfs->rootfd, path, PROFILE_FILE_MAX, &text, NULL, NULL) < 0)
			text = NULL;
	}
	return text;
}

static bool sets_ksm(const char *text)
{
	return text && (strstr(text, "disable_ksm") || strstr(text, "kernel/mm/ksm/"));
}

/* The value of "include=" */
static bool included_profile(const char *text, char profile[KSM_TUNER_TEXT_SIZE])
{
	const char *line = text;

	while (line) {
		if (sscanf(line, " include = %127[^ \t\n,]", profile) == 1)
			return true;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return false;
}

static bool profile_sets_ksm(const struct kfs *kfs, const char *first)
{
	char profile[KSM_TUNER_TEXT_SIZE];
	int depth;

	snprintf(profile, sizeof(profile), "%s", first);
	for (depth = 0; depth < PROFILE_DEPTH; depth++) {
		cleanup_free char *conf = read_profile(kfs, profile, "tuned.conf");
		cleanup_free char *script = read_profile(kfs, profile, "script.sh");

		if (sets_ksm(conf) || sets_ksm(script))
			return true;
		if (!conf || !included_profile(conf, profile))
			return false;
	}
	return false;
}

/* Without such a profile tuned is none of our business */
static void look_at_tuned(const struct kfs *kfs, struct ksm_tuner_found *tuned)
{
	cleanup_free char *active = NULL;
	char *profile, *save = NULL;

	if (!tuned->found)
		return;
	tuned->found = false;
	if (file_read_at(kfs->rootfd, "etc/tuned/active_profile", PROFILE_FILE_MAX, &active, NULL,
			 NULL) < 0)
		return;
	for (profile = strtok_r(active, " \t\n", &save); profile && !tuned->found;
	     profile = strtok_r(NULL, " \t\n", &save)) {
		tuned->found = profile_sets_ksm(kfs, profile);
		snprintf(tuned->profile, sizeof(tuned->profile), "%s", profile);
	}
}

void ksm_tuners_find(const struct kfs *kfs, struct ksm_tuner_found tuners[KSM_TUNERS])
{
	enum ksm_tuner i;

	memset(tuners, 0, KSM_TUNERS * sizeof(*tuners));
	look_at_processes(kfs, tuners);
	look_at_tuned(kfs, &tuners[KSM_TUNER_TUNED]);
	tuners[KSM_TUNER_SERVICE].found = is_there(kfs, "run/systemd/units/invocation:ksm.service");
	for (i = 0; i < KSM_TUNERS; i++)
		find_units(kfs, i, &tuners[i]);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading what AppArmor and SELinux are set to.
 */
#include "check/security.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "policy/host_view.h"

#define PROFILES    "sys/kernel/security/apparmor/profiles"
#define PROFILE_DIR SYSCONF_DIR "/apparmor.d"
#define SELINUX	    "sys/fs/selinux"
#define HOOK_TYPE   "libvirt_membacking_exec_t"

/* ---- AppArmor ---- */

/* In libvirt's order: a host with both daemons runs the modular one */
static const char *const daemons[] = { "virtqemud", "libvirtd" };

/* "libvirtd (enforce)"; guests' own profiles are in the same file, many of them */
static bool find_profile(const struct kfs *kfs, const char *name, bool *enforced)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, PROFILES);
	size_t len = strlen(name);
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, len) != 0 || strncmp(line + len, " (", 2) != 0)
			continue;
		*enforced = strncmp(line + len, " (enforce)", 10) == 0;
		return true;
	}
	return false;
}

/* "/usr/sbin/" and a star, as libvirt's own profile has it, is what matters.  Of alternatives
 * and variables ("@{bin}") no more is understood than that: a false alarm is worse */
static bool is_pattern_of(const char *pattern, const char *program)
{
	const char *name = strrchr(program, '/'), *last = strrchr(pattern, '/');
	size_t len = strlen(program) - strlen(name), before;

	if (!last || fnmatch(last + 1, name + 1, 0) != 0)
		return false;
	before = (size_t)(last - pattern);
	if (strpbrk(pattern, "{@"))
		return memmem(pattern, before, "bin", 3);
	return before == len + 1 && !strncmp(pattern + 1, program, len);
}

/* PUx: under a profile of its own, which there is none, or else unconfined */
static bool has_rule(const struct kfs *kfs, const char *path, const char *program)
{
	cleanup_fclose FILE *f = kfs_stream(kfs, path);
	char line[512], pattern[256], modes[16];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " %255s %15[a-zA-Z],", pattern, modes) == 2 &&
		    strstr(modes, "Ux") && is_pattern_of(pattern, program))
			return true;
	return false;
}

static void read_apparmor(const struct kfs *kfs, const char *program, struct security *security)
{
	char word[16] = "", path[128];
	size_t i;

	if (kfs_read(kfs, "sys/module/apparmor/parameters/enabled", word, sizeof(word), NULL) < 0)
		return;
	security->apparmor = *word == 'Y';
	for (i = 0; i < ARRAY_SIZE(daemons); i++) {
		if (!security->apparmor || !find_profile(kfs, daemons[i], &security->enforced))
			continue;
		snprintf(security->profile, sizeof(security->profile), "%s", daemons[i]);
		snprintf(path, sizeof(path), PROFILE_DIR "/usr.sbin.%s", daemons[i]);
		security->runs_hooks = has_rule(kfs, path, program);
		snprintf(path, sizeof(path), PROFILE_DIR "/local/usr.sbin.%s", daemons[i]);
		security->runs_hooks = security->runs_hooks || has_rule(kfs, path, program);
		return;
	}
}

/* valid_path() in libvirt's src/security/virt-aa-helper.c */
bool security_helper_refuses(const char *path)
{
	static const char *const restricted[] = {
		"/bin/",
		"/etc/",
		"/lib",
		"/lost+found/",
		"/proc/",
		"/sbin/",
		"/selinux/",
		"/sys/",
		"/usr/bin/",
		"/usr/lib",
		"/usr/sbin/",
		"/usr/share/",
		"/usr/local/bin/",
		"/usr/local/etc/",
		"/usr/local/lib/",
		"/usr/local/sbin/",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(restricted); i++)
		if (!strncmp(path, restricted[i], strlen(restricted[i])))
			return true;
	return false;
}

/* ---- SELinux ---- */

/* "1 1": now, and when pending changes are committed */
static bool boolean_is(const struct kfs *kfs, const char *name, char value)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), SELINUX "/booleans/%s", name);
	return kfs_read(kfs, path, text, sizeof(text), NULL) == 0 && *text == value;
}

/* The third part of "system_u:object_r:bin_t:s0"; empty: it has none */
static void type_of(const struct kfs *kfs, const char *path, char type[SECURITY_TYPE_SIZE])
{
	cleanup_close int fd = openat(kfs->rootfd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char label[256];
	ssize_t n = fd < 0 ? -1 : fgetxattr(fd, "security.selinux", label, sizeof(label) - 1);

	*type = '\0';
	if (n <= 0)
		return;
	label[n] = '\0';
	if (sscanf(label, "%*[^:]:%*[^:]:%63[^:]", type) != 1)
		*type = '\0';
}

/* File systems without labels, each with a boolean */
static const char *boolean_for(const char *fstype)
{
	if (!strncmp(fstype, "nfs", 3))
		return "virt_use_nfs";
	if (!strcmp(fstype, "cifs") || !strcmp(fstype, "smb3"))
		return "virt_use_samba";
	return !strncmp(fstype, "fuse", 4) ? "virt_use_fusefs" : NULL;
}

static void read_store(const struct kfs *kfs, const struct store_view *store,
		       struct security *security)
{
	const char *boolean = boolean_for(store->state.mount.fstype);

	if (!store->state.present)
		return;
	if (boolean && boolean_is(kfs, boolean, '0'))
		security->boolean = boolean;
	if (!boolean)
		type_of(kfs, store->config.path + 1, security->store_type);
}

static void read_selinux(const struct kfs *kfs, const char *program, const struct store_view *store,
			 struct security *security)
{
	char text[16], type[SECURITY_TYPE_SIZE];

	if (kfs_read(kfs, SELINUX "/enforce", text, sizeof(text), NULL) < 0 || *text != '1')
		return;
	security->selinux = true;
	security->hooks_unconfined = boolean_is(kfs, "virt_hooks_unconfined", '1');
	security->module = kfs_exists(kfs, SECURITY_MODULE);
	type_of(kfs, program, type);
	security->labelled = !strcmp(type, HOOK_TYPE);
	if (store)
		read_store(kfs, store, security);
}

void security_read(const struct kfs *kfs, const char *program, const struct store_view *store,
		   struct security *security)
{
	*security = (struct security){ 0 };
	read_apparmor(kfs, program, security);
	read_selinux(kfs, program, store, security);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * AppArmor's and SELinux's files as other machines have them.
 */
#include "check/security.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel/kfs.h"
#include "policy/host_view.h"
#include "unit/unit.h"

#define PROGRAM "usr/sbin/libvirt-membacking-qemu-hook"

static struct security read_root(const char *root, const struct store_view *store)
{
	struct security security;
	struct kfs kfs;

	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, root, NULL), 0);
	security_read(&kfs, PROGRAM, store, &security);
	kfs_close(&kfs);
	return security;
}

static void test_nothing(void)
{
	static const struct security none;
	struct security security = read_root(unit_tmpdir(), NULL);

	CU_ASSERT_EQUAL(memcmp(&security, &none, sizeof(none)), 0);
}

/* ---- AppArmor ---- */

static const char *apparmor(const char *enabled, const char *profiles)
{
	const char *dir = unit_tmpdir();

	unit_write(dir, "sys/module/apparmor/parameters/enabled", enabled);
	unit_write(dir, "sys/kernel/security/apparmor/profiles", profiles);
	return dir;
}

static void test_profiles(void)
{
	static const struct {
		const char *enabled;
		const char *profiles;
		bool apparmor;
		const char *profile;
		bool enforced;
	} rows[] = {
		{ "Y\n", "libvirtd (enforce)\n", true, "libvirtd", true },
		{ "Y\n", "man (enforce)\nlibvirtd (complain)\n", true, "libvirtd", false },
		{ "Y\n", "libvirtd (enforce)\nvirtqemud (enforce)\n", true, "virtqemud", true },
		{ "Y\n", "libvirtd//qemu_bridge_helper (enforce)\nlibvirt-6f (enforce)\n", true, "",
		  false },
		{ "Y\n", "", true, "", false },
		{ "N\n", "libvirtd (enforce)\n", false, "", false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct security security =
			read_root(apparmor(rows[i].enabled, rows[i].profiles), NULL);

		UNIT_CHECK(security.apparmor == rows[i].apparmor &&
				   security.enforced == rows[i].enforced,
			   "row %zu", i);
		UNIT_CHECK_STR(security.profile, rows[i].profile, "row %zu", i);
	}
}

static void test_rules(void)
{
	static const struct {
		const char *rules;
		bool runs;
	} rows[] = {
		{ "  /usr/sbin/* PUx,\n", true },
		{ "  /bin/* PUx,\n  /usr/sbin/* Ux,\n", true },
		{ "/usr/sbin/libvirt-membacking-*-hook PUx,\n", true },
		{ "  /{usr/,}{s,}bin/* PUx,\n", true },
		{ "  @{bin}/* PUx,\n", true },
		{ "  @{libexec}/* PUx,\n", false },
		{ "  /usr/bin/* PUx,\n", false },
		{ "  /usr/sbin/virtlogd PUx,\n", false },
		{ "  /usr/sbin/* ix,\n", false },
		{ "  # /usr/sbin/* PUx,\n", false },
		{ "  /etc/libvirt/hooks/** rmix,\n", false },
		{ "", false },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const char *dir = apparmor("Y\n", "libvirtd (enforce)\n");

		unit_write(dir, "etc/apparmor.d/usr.sbin.libvirtd", rows[i].rules);
		UNIT_CHECK(read_root(dir, NULL).runs_hooks == rows[i].runs, "%s", rows[i].rules);
		/* What the administrator has added counts alike */
		unit_write(dir, "etc/apparmor.d/usr.sbin.libvirtd", "");
		unit_write(dir, "etc/apparmor.d/local/usr.sbin.libvirtd", rows[i].rules);
		UNIT_CHECK(read_root(dir, NULL).runs_hooks == rows[i].runs, "%s", rows[i].rules);
	}
}

static void test_helper(void)
{
	CU_ASSERT_TRUE(security_helper_refuses("/etc/guests"));
	CU_ASSERT_TRUE(security_helper_refuses("/usr/share/guests"));
	CU_ASSERT_TRUE(security_helper_refuses("/usr/lib64/guests"));
	CU_ASSERT_FALSE(security_helper_refuses("/srv/etc/guests"));
	CU_ASSERT_FALSE(security_helper_refuses("/var/lib/libvirt/qemu/ram"));
	CU_ASSERT_FALSE(security_helper_refuses("/usr/sharedguests"));
}

/* ---- SELinux ---- */

static const char *selinux(const char *enforce)
{
	const char *dir = unit_tmpdir();

	unit_write(dir, "sys/fs/selinux/enforce", enforce);
	unit_write(dir, "sys/fs/selinux/booleans/virt_hooks_unconfined", "1 1");
	unit_write(dir, "sys/fs/selinux/booleans/virt_use_nfs", "0 1");
	unit_write(dir, "sys/fs/selinux/booleans/virt_use_fusefs", "1 1");
	unit_write(dir, PROGRAM, "");
	unit_write(dir, "srv/guests/x", "");
	return dir;
}

static void test_booleans(void)
{
	struct store_view store = { .config = { .path = "/srv/guests" },
				    .state = { .present = true, .mount = { .fstype = "nfs4" } } };
	const char *dir = selinux("1");
	struct security security = read_root(dir, &store);

	CU_ASSERT_TRUE(security.selinux && security.hooks_unconfined && !security.module);
	CU_ASSERT_STRING_EQUAL(security.boolean, "virt_use_nfs");
	strcpy(store.state.mount.fstype, "fuse.sshfs");
	CU_ASSERT_PTR_NULL(read_root(dir, &store).boolean);
	/* This policy has no such boolean */
	strcpy(store.state.mount.fstype, "cifs");
	CU_ASSERT_PTR_NULL(read_root(dir, &store).boolean);
	unit_write(dir, SECURITY_MODULE, "");
	CU_ASSERT_TRUE(read_root(dir, &store).module);
	CU_ASSERT_FALSE(read_root(selinux("0"), &store).selinux);
}

/* Return: false where this user, or the file system, sets no labels */
static bool label(const char *dir, const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return setxattr(path, "security.selinux", text, strlen(text) + 1, 0) == 0;
}

static void test_labels(void)
{
	struct store_view store = { .config = { .path = "/srv/guests" },
				    .state = { .present = true, .mount = { .fstype = "xfs" } } };
	const char *dir = selinux("1");
	struct security security = read_root(dir, &store);

	/* Where SELinux is at work the files have a type of their own */
	CU_ASSERT_FALSE(security.labelled);
	if (!label(dir, PROGRAM, "system_u:object_r:libvirt_membacking_exec_t:s0") ||
	    !label(dir, "srv/guests", "unconfined_u:object_r:default_t:s0")) {
		printf("skip - labels: this user can't set any\n");
		return;
	}
	security = read_root(dir, &store);
	CU_ASSERT_TRUE(security.labelled);
	CU_ASSERT_STRING_EQUAL(security.store_type, "default_t");
	CU_ASSERT_TRUE(label(dir, "srv/guests", "nonsense"));
	CU_ASSERT_STRING_EQUAL(read_root(dir, &store).store_type, "");
}

static CU_TestInfo tests[] = {
	{ "neither", test_nothing },
	{ "AppArmor's profiles", test_profiles },
	{ "AppArmor's rules", test_rules },
	{ "what libvirt's helper refuses", test_helper },
	{ "SELinux's booleans", test_booleans },
	{ "SELinux's labels", test_labels },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_security", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pager/adopt_refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "unit/unit.h"

#define PID	4711
#define THP	"sys/kernel/mm/transparent_hugepage/"
#define SHMEM	THP "shmem_enabled"
#define COMMAND "proc/4711/cmdline"

/* A QEMU of libvirt's with a memfd of 8 KiB, which may be paged */
static const struct file {
	const char *name;
	const char *text;
} usual[] = {
	{ "dev/userfaultfd", "" },
	{ SHMEM, "always within_size advise [never] deny force\n" },
	{ THP "hugepages-64kB/shmem_enabled", "always inherit within_size advise [never]\n" },
	{ THP "hugepages-2048kB/shmem_enabled", "always [inherit] within_size advise never\n" },
	{ "proc/4711/status", "Name:\tqemu-system-x86\nTracerPid:\t0\nVmLck:\t       0 kB\n" },
	{ "proc/4711/exe", "\177ELF\002\001\001xxxxxxxxxx" },
	/* Written with NULs for "|" */
	{ COMMAND,
	  "/usr/bin/qemu-system-x86_64|-name|guest=vhost-user-test,debug-threads=on|-machine|"
	  "pc-q35-7.2,memory-backend=pc.ram|-object|{\"qom-type\":\"memory-backend-memfd\","
	  "\"id\":\"pc.ram\",\"share\":true,\"size\":8192}|-chardev|"
	  "socket,id=c0,path=/run/vhost-user.sock|-device|virtio-net-pci,netdev=n0|" },
	{ "proc/4711/smaps",
	  "1000-3000 rw-s 00000000 00:01 77 /memfd:memory-backend-memfd (deleted)\n"
	  "KernelPageSize:        4 kB\nLocked:                0 kB\n"
	  "ShmemPmdMapped:        0 kB\n"
	  "7000-9000 rw-p 00000000 00:00 0 \n"
	  "KernelPageSize:        2048 kB\nLocked:                8 kB\n" },
	{ "proc/4711/maps",
	  "1000-3000 rw-s 00000000 00:01 77 /memfd:memory-backend-memfd (deleted)\n" },
	{ "proc/4711/mountinfo", "36 35 0:31 / /run/backing rw - tmpfs tmpfs rw,huge=always\n"
				 "37 35 0:32 / /run/other rw - tmpfs tmpfs rw,size=4k\n" },
	/* The inode alone is not the file */
	{ "proc/12/maps", "1000-3000 rw-s 00000000 00:31 77 /run/backing/x\n"
			  "5000-6000 rw-s 00000000 00:01 78 /memfd:x (deleted)\n" },
	{ "proc/12/comm", "virtiofsd\n" },
	{ "proc/99/comm", "gdb\n" },
};

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[512], with_nul[1024];
	size_t len = strlen(text), i;
	int fd;

	unit_write(dir, name, text);
	if (strcmp(name, COMMAND) != 0)
		return;
	for (i = 0; i < len; i++)
		with_nul[i] = text[i] == '|' ? '\0' : text[i];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_TRUNC);
	CU_ASSERT_EQUAL_FATAL(write(fd, with_nul, len), (ssize_t)len);
	close(fd);
}

static const char *write_usual(void)
{
	const char *dir = unit_tmpdir();
	char path[512];
	size_t i;

	for (i = 0; i < ROWS(usual); i++)
		write_file(dir, usual[i].name, usual[i].text);
	snprintf(path, sizeof(path), "%s/proc/4711/fd", dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/proc/4711/fd/0", dir);
	CU_ASSERT_EQUAL_FATAL(symlink("/dev/null", path), 0);
	return dir;
}

static int refusal(const char *dir, dev_t dev, struct err *err)
{
	struct ram ram = {
		.n = 1,
		.pages = 2,
		.object = { { .fd = -1, .dev = dev, .ino = 77, .address = 0x1000, .pages = 2 } },
	};
	struct kfs kfs;
	int rc;

	CU_ASSERT_EQUAL_FATAL(kfs_open(&kfs, dir, err), 0);
	rc = adopt_refusal(&kfs, PID, &ram, err);
	kfs_close(&kfs);
	return rc;
}

#define MEMFD_DEV makedev(0, 1)

static void test_usual(void)
{
	struct err err = { "" };

	UNIT_CHECK(refusal(write_usual(), MEMFD_DEV, &err) == 0, "%s", err.text);
	/* A tmpfs of its own goes by how it is mounted */
	UNIT_CHECK(refusal(write_usual(), makedev(0, 0x20), &err) == 0, "%s", err.text);
	CU_ASSERT_EQUAL(refusal(write_usual(), makedev(0, 0x1f), &err), -ENOTSUP);
	UNIT_CHECK(strstr(err.text, "huge=always"), "%s", err.text);
}

static void test_files(void)
{
	static const struct {
		struct file file; /* text NULL: there is none */
		int rc;
		const char *says;
	} rows[] = {
		{ { "dev/userfaultfd", NULL },
		  -ENOENT,
		  "this host has no /dev/userfaultfd: it needs Linux 6.1 or later, or RHEL 9's kernel, with CONFIG_USERFAULTFD" },
		{ { "proc/sys/kernel/yama/ptrace_scope", "2\n" }, 0, "" },
		{ { "proc/sys/kernel/yama/ptrace_scope", "3\n" },
		  -EPERM,
		  "kernel.yama.ptrace_scope is 3, so that no running QEMU can be adopted: set it to 2 or less where /etc/sysctl.d sets it, and boot the host again" },
		{ { "proc/4711/status", "Name:\tq\nTracerPid:\t99\n" },
		  -EBUSY,
		  "process 99 (gdb) traces its QEMU, as debuggers do, and only one can: end that one, and adopt the guest then" },
		{ { "proc/4711/status", "Name:\tq\nTracerPid:\t0\nVmLck:\t   8 kB\n" },
		  -ENOTSUP,
		  "8 KiB of its QEMU are locked in memory: devices that are passed through do that, and <locked/> in <memoryBacking>: remove them" },
		{ { "proc/4711/status", NULL }, -ESRCH, "process 4711 is gone" },
		{ { "proc/4711/exe", "\177ELF\001\001\001xxxxxxxxxx" },
		  -ENOTSUP,
		  "its QEMU is no 64-bit program: only such a one can be adopted" },
		{ { "proc/4711/exe", "#!/bin/sh" },
		  -ENOTSUP,
		  "its QEMU is no 64-bit program: only such a one can be adopted" },
		{ { SHMEM, "always within_size [advise] never deny force\n" },
		  -ENOTSUP,
		  "/sys/kernel/mm/transparent_hugepage/shmem_enabled is 'advise', and a part of a huge page can't be paged: write 'never' to it" },
		{ { SHMEM, "always [within_size] advise never deny force\n" },
		  -ENOTSUP,
		  "/sys/kernel/mm/transparent_hugepage/shmem_enabled is 'within_size', and a part of a huge page can't be paged: write 'never' to it" },
		{ { SHMEM, "always within_size advise never [deny] force\n" }, 0, "" },
		{ { SHMEM, NULL }, 0, "" },
		{ { THP "hugepages-64kB/shmem_enabled",
		    "always inherit within_size [advise] never\n" },
		  -ENOTSUP,
		  "/sys/kernel/mm/transparent_hugepage/hugepages-64kB/shmem_enabled is 'advise', and a part of a huge page can't be paged: write 'never' to it" },
		{ { THP "hugepages-16kB/shmem_enabled",
		    "[always] inherit within_size advise never\n" },
		  -ENOTSUP,
		  "/sys/kernel/mm/transparent_hugepage/hugepages-16kB/shmem_enabled is 'always', and a part of a huge page can't be paged: write 'never' to it" },
		{ { COMMAND, "qemu|-device|vhost-user-fs-pci,chardev=c0|" },
		  -ENOTSUP,
		  "another process reads and writes its memory, and what it finds missing would be zeros to it: remove the device that it serves (vhost-user, virtiofs)" },
		{ { COMMAND, "qemu|-netdev|{\"type\":\"vhost-user\",\"id\":\"n0\"}|" },
		  -ENOTSUP,
		  "another process reads and writes its memory, and what it finds missing would be zeros to it: remove the device that it serves (vhost-user, virtiofs)" },
		{ { COMMAND, "qemu|-netdev|vhost-vdpa,id=n0|" },
		  -ENOTSUP,
		  "it has a vhost-vdpa device, which reads and writes memory that must stay where it is: remove that device" },
		{ { COMMAND, "qemu|-device|{\"driver\":\"vfio-pci\",\"host\":\"0000:01:00.0\"}|" },
		  -ENOTSUP,
		  "a device is passed through (VFIO), which reads and writes memory that must stay where it is: remove that device" },
		{ { COMMAND, "qemu|-object|sev-guest,id=s|" },
		  -ENOTSUP,
		  "its memory is encrypted (SEV) and can't be moved: only without <launchSecurity> can it be paged" },
		{ { COMMAND, "qemu|-object|{\"qom-type\":\"tdx-guest\"}|" },
		  -ENOTSUP,
		  "its memory is encrypted (TDX) and can't be moved: only without <launchSecurity> can it be paged" },
		{ { COMMAND, "qemu|-object|{\"share\":true,\"prealloc\":true}|" },
		  -ENOTSUP,
		  "its memory is allocated in advance: remove <allocation mode='immediate'/> from <memoryBacking>" },
		{ { COMMAND, "qemu|-mem-prealloc|" },
		  -ENOTSUP,
		  "its memory is allocated in advance: remove <allocation mode='immediate'/> from <memoryBacking>" },
		{ { COMMAND, "qemu|--device|vfio-ap" },
		  -ENOTSUP,
		  "a device is passed through (VFIO), which reads and writes memory that must stay where it is: remove that device" },
		{ { COMMAND, "" }, 0, "" },
		{ { "proc/4711/smaps", "1000-3000 rw-s 0 00:01 77 /m\nKernelPageSize:  2048 kB\n" },
		  -ENOTSUP,
		  "its memory is of huge pages of 2 MiB: remove <hugepages/> from <memoryBacking>" },
		{ { "proc/4711/smaps", "1000-2000 rw-s 0 00:01 77 /m\nLocked:  0 kB\n"
				       "2000-3000 rw-s 0 00:01 77 /m\nLocked:  4 kB\n" },
		  -ENOTSUP,
		  "4 KiB of its memory are locked: remove <locked/> from <memoryBacking>, or the device that is passed through" },
		{ { "proc/4711/smaps", "1000-3000 rw-s 0 00:01 77 /m\nShmemPmdMapped:  2048 kB\n" },
		  -ENOTSUP,
		  "2 MiB of its memory lie in transparent huge pages, made before these were switched off: stop and start the guest" },
		{ { "proc/4711/smaps", NULL }, -ESRCH, "process 4711 is gone" },
		{ { "proc/12/maps", "1000-2000 rw-s 00001000 00:01 77 /memfd:m (deleted)\n" },
		  -ENOTSUP,
		  "process 12 (virtiofsd) maps its memory, too, and what it finds missing would be zeros to it: remove the device that it serves (vhost-user, virtiofs, ivshmem)" },
		{ { "proc/12/maps", NULL }, 0, "" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const char *dir = write_usual();
		struct err err = { "" };
		char path[512];
		int rc;

		snprintf(path, sizeof(path), "%s/%s", dir, rows[i].file.name);
		if (rows[i].file.text)
			write_file(dir, rows[i].file.name, rows[i].file.text);
		else
			CU_ASSERT_EQUAL(unlink(path), 0);
		rc = refusal(dir, MEMFD_DEV, &err);
		UNIT_CHECK(rc == rows[i].rc, "row %zu gave %d: %s", i, rc, err.text);
		if (rc < 0)
			UNIT_CHECK_STR(err.text, rows[i].says, "row %zu", i);
	}
}

static void test_open_files(void)
{
	static const struct {
		const char *target;
		int rc;
		const char *says;
	} rows[] = {
		{ "anon_inode:[userfaultfd]", -EBUSY,
		  "its QEMU has a userfaultfd already: wait for the end of its post-copy migration, or end the other pager" },
		{ "/dev/vfio/vfio", -ENOTSUP,
		  "a device is passed through (VFIO), which reads and writes memory that must stay where it is: remove that device" },
		{ "/dev/vfio/12", -ENOTSUP,
		  "a device is passed through (VFIO), which reads and writes memory that must stay where it is: remove that device" },
		{ "/dev/iommu", -ENOTSUP,
		  "a device is passed through (iommufd), which reads and writes memory that must stay where it is: remove that device" },
		{ "/dev/vhost-vdpa-0", -ENOTSUP,
		  "it has a vhost-vdpa device, which reads and writes memory that must stay where it is: remove that device" },
		{ "/dev/sev", -ENOTSUP,
		  "its memory is encrypted (SEV) and can't be moved: only without <launchSecurity> can it be paged" },
		{ "/dev/vhost-net", 0, "" },
		{ "/dev/kvm", 0, "" },
		{ "anon_inode:[eventfd]", 0, "" },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const char *dir = write_usual();
		struct err err = { "" };
		char path[512];
		int rc;

		snprintf(path, sizeof(path), "%s/proc/4711/fd/23", dir);
		CU_ASSERT_EQUAL_FATAL(symlink(rows[i].target, path), 0);
		rc = refusal(dir, MEMFD_DEV, &err);
		UNIT_CHECK(rc == rows[i].rc, "row %zu gave %d: %s", i, rc, err.text);
		if (rc < 0)
			UNIT_CHECK_STR(err.text, rows[i].says, "row %zu", i);
	}
}

static CU_TestInfo tests[] = {
	{ "a usual guest may be paged", test_usual },
	{ "what files of the host and of QEMU forbid", test_files },
	{ "what open files of QEMU forbid", test_open_files },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_adopt_refusal", tests);
}

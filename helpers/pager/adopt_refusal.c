// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What of a running QEMU forbids to page it: one function for each kind of reason.
 */
#include "pager/adopt_refusal.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "kernel/yama.h"
#include "pager/shmem_thp.h"
#include "policy/overcommit_rules.h"

#define COMMAND_LINE_MAX (1U << 20)
#define TEXT_MAX	 (32U << 20)
#define NAME_SIZE	 64

/* What is said of the same thing in several places */
#define PASSED_THROUGH                                                                             \
	", which reads and writes memory that must stay where it is: remove that device"
#define NOT_ENCRYPTED " and can't be moved: only without <launchSecurity> can it be paged"
#define IN_ADVANCE                                                                                 \
	"its memory is allocated in advance: remove <allocation mode='immediate'/> from "          \
	"<memoryBacking>"

/* The process that is asked about */
struct subject {
	const struct kfs *kfs;
	pid_t pid;
	const struct ram *ram;
};

static const char *path_of(const struct subject *s, const char *file, char path[KFS_PATH_SIZE])
{
	snprintf(path, KFS_PATH_SIZE, "proc/%d/%s", (int)s->pid, file);
	return path;
}

static int unreadable(const struct subject *s, const char *path, struct err *err)
{
	if (errno == ENOENT || errno == ESRCH)
		return err_set(err, ESRCH, "process %d is gone", (int)s->pid);
	return err_sys(err, errno, "read /%s", path);
}

/* ---- the host ---- */

static int check_kernel(const struct subject *s, struct err *err)
{
	if (!kfs_exists(s->kfs, "dev/userfaultfd"))
		return err_set(err, ENOENT,
			       "this host has no /dev/userfaultfd: " OVERCOMMIT_UFFD_REMEDY);
	if (yama_forbids_tracing(s->kfs))
		return err_set(err, EPERM,
			       "kernel.yama.ptrace_scope is 3, so that no running QEMU can be "
			       "adopted: " OVERCOMMIT_PTRACE_REMEDY);
	return 0;
}

static int check_thp(const struct subject *s, struct err *err)
{
	return shmem_thp_refusal(s->kfs, s->pid, s->ram, err);
}

/* ---- the process ---- */

static uint64_t status_number(const char *status, const char *key)
{
	const char *line = strstr(status, key);
	uint64_t value = 0;

	if (line)
		sscanf(line + strlen(key), "%" SCNu64, &value);
	return value;
}

/* "?" of a process that ended meanwhile */
static void read_name(const struct kfs *kfs, pid_t pid, char *name, size_t size)
{
	char path[KFS_PATH_SIZE];

	snprintf(name, size, "?");
	snprintf(path, sizeof(path), "proc/%d/comm", (int)pid);
	if (kfs_read(kfs, path, name, size, NULL) < 0)
		snprintf(name, size, "?");
}

static int refuse_traced(const struct subject *s, pid_t tracer, struct err *err)
{
	char name[NAME_SIZE];

	read_name(s->kfs, tracer, name, sizeof(name));
	return err_set(err, EBUSY,
		       "process %d (%s) traces its QEMU, as debuggers do, and only one can: end "
		       "that one, and adopt the guest then",
		       (int)tracer, name);
}

static int check_status(const struct subject *s, struct err *err)
{
	char kib[TEXT_KIB_SIZE];
	char path[KFS_PATH_SIZE], status[8192];
	uint64_t value;
	int rc = kfs_read(s->kfs, path_of(s, "status", path), status, sizeof(status), err);

	if (rc == -ENOENT || rc == -ESRCH)
		return err_set(err, ESRCH, "process %d is gone", (int)s->pid);
	if (rc < 0)
		return rc;
	value = status_number(status, "\nTracerPid:");
	if (value)
		return refuse_traced(s, (pid_t)value, err);
	value = status_number(status, "\nVmLck:");
	if (value)
		return err_set(err, ENOTSUP,
			       "%s of its QEMU are locked in memory: devices that are passed "
			       "through do that, and <locked/> in <memoryBacking>: remove them",
			       text_from_kib(value, kib));
	return 0;
}

static int check_64bit(const struct subject *s, struct err *err)
{
	char path[KFS_PATH_SIZE];
	unsigned char head[EI_NIDENT] = { 0 };
	cleanup_close int fd =
		openat(s->kfs->rootfd, path_of(s, "exe", path), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return unreadable(s, path, err);
	if (read(fd, head, sizeof(head)) != (ssize_t)sizeof(head) ||
	    memcmp(head, ELFMAG, SELFMAG) != 0 || head[EI_CLASS] != ELFCLASS64)
		return err_set(err, ENOTSUP,
			       "its QEMU is no 64-bit program: only such a one can be adopted");
	return 0;
}

/* ---- open files ---- */

/* What a QEMU that has it open does with its guest's memory */
static const struct open_reason {
	const char *begins;
	int errnum;
	const char *reason;
} open_reasons[] = {
	{ "anon_inode:[userfaultfd]", EBUSY,
	  "its QEMU has a userfaultfd already: wait for the end of its post-copy migration, or end "
	  "the other pager" },
	{ "/dev/vfio/", ENOTSUP, "a device is passed through (VFIO)" PASSED_THROUGH },
	{ "/dev/iommu", ENOTSUP, "a device is passed through (iommufd)" PASSED_THROUGH },
	{ "/dev/vhost-vdpa", ENOTSUP, "it has a vhost-vdpa device" PASSED_THROUGH },
	{ "/dev/sev", ENOTSUP, "its memory is encrypted (SEV)" NOT_ENCRYPTED },
};

static int check_open_file(const char *target, struct err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(open_reasons); i++)
		if (!strncmp(target, open_reasons[i].begins, strlen(open_reasons[i].begins)))
			return err_set(err, open_reasons[i].errnum, "%s", open_reasons[i].reason);
	return 0;
}

static int check_open_files(const struct subject *s, struct err *err)
{
	char path[KFS_PATH_SIZE], target[128];
	struct dirent *entry;
	int fd = openat(s->kfs->rootfd, path_of(s, "fd", path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;
	DIR *dir;

	if (fd < 0)
		return unreadable(s, path, err);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_nomem(err);
	}
	while (rc == 0 && (entry = readdir(dir))) {
		ssize_t n = readlinkat(fd, entry->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		rc = check_open_file(target, err);
	}
	closedir(dir);
	return rc;
}

/* ---- the command line ---- */

/* Behind these options only: elsewhere such words may be in a name or a path */
static bool describes_devices(const char *option)
{
	static const char *const options[] = { "-device", "-netdev", "-object", "-machine" };
	size_t i;

	while (option[0] == '-' && option[1] == '-')
		option++;
	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (!strcmp(option, options[i]))
			return true;
	return false;
}

static const struct word_reason {
	const char *word;
	const char *reason;
} word_reasons[] = {
	{ "vhost-user",
	  "another process reads and writes its memory, and what it finds missing would be zeros to "
	  "it: remove the device that it serves (vhost-user, virtiofs)" },
	{ "vhost-vdpa", "it has a vhost-vdpa device" PASSED_THROUGH },
	{ "vfio-", "a device is passed through (VFIO)" PASSED_THROUGH },
	{ "sev-guest", "its memory is encrypted (SEV)" NOT_ENCRYPTED },
	{ "sev-snp-guest", "its memory is encrypted (SEV-SNP)" NOT_ENCRYPTED },
	{ "tdx-guest", "its memory is encrypted (TDX)" NOT_ENCRYPTED },
	{ "\"prealloc\":true", IN_ADVANCE },
	{ "prealloc=on", IN_ADVANCE },
	{ "prealloc=yes", IN_ADVANCE },
};

static int check_words(const char *argument, struct err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(word_reasons); i++)
		if (strstr(argument, word_reasons[i].word))
			return err_set(err, ENOTSUP, "%s", word_reasons[i].reason);
	return 0;
}

static int check_arguments(const char *text, size_t len, struct err *err)
{
	const char *end = text + len, *argument;
	bool devices = false;
	int rc = 0;

	for (argument = text; rc == 0 && argument < end; argument += strlen(argument) + 1) {
		if (devices)
			rc = check_words(argument, err);
		else if (!strcmp(argument, "-mem-prealloc"))
			rc = err_set(err, ENOTSUP, IN_ADVANCE);
		devices = describes_devices(argument);
	}
	return rc;
}

static int check_command_line(const struct subject *s, struct err *err)
{
	char path[KFS_PATH_SIZE];
	cleanup_free char *text = NULL;
	cleanup_close int fd =
		openat(s->kfs->rootfd, path_of(s, "cmdline", path), O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	int rc;

	if (fd < 0)
		return unreadable(s, path, err);
	rc = file_read_stream(fd, COMMAND_LINE_MAX, &text, &len, err);
	return rc < 0 ? rc : check_arguments(text, len, err);
}

/* ---- memory ---- */

/* Sums over the guest's memory, in KiB */
struct ram_sums {
	uint64_t locked, huge;
	uint64_t page_kib; /* the largest */
};

static void add_line(struct ram_sums *sums, const char *line)
{
	uint64_t kib;

	if (sscanf(line, "Locked: %" SCNu64, &kib) == 1)
		sums->locked += kib;
	else if (sscanf(line, "ShmemPmdMapped: %" SCNu64, &kib) == 1 ||
		 sscanf(line, "FilePmdMapped: %" SCNu64, &kib) == 1)
		sums->huge += kib;
	else if (sscanf(line, "KernelPageSize: %" SCNu64, &kib) == 1 && kib > sums->page_kib)
		sums->page_kib = kib;
}

/* Lines of a mapping follow its head */
static int read_sums(const struct subject *s, struct ram_sums *sums, struct err *err)
{
	cleanup_fclose FILE *f = NULL;
	cleanup_free char *line = NULL;
	char path[KFS_PATH_SIZE];
	uint64_t start, end, page, bytes = 0;
	size_t room = 0;
	bool ours = false;
	ssize_t n;

	f = kfs_stream(s->kfs, path_of(s, "smaps", path));
	if (!f)
		return unreadable(s, path, err);
	while ((n = getline(&line, &room, f)) > 0) {
		bytes += (uint64_t)n;
		if (bytes > TEXT_MAX)
			return err_set(err, E2BIG, "/%s is too long", path);
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			ours = ram_page_at(s->ram, start, &page);
		else if (ours)
			add_line(sums, line);
	}
	return ferror(f) ? err_sys(err, EIO, "read /%s", path) : 0;
}

static int check_memory(const struct subject *s, struct err *err)
{
	struct ram_sums sums = { 0 };
	char kib[TEXT_KIB_SIZE];
	int rc = read_sums(s, &sums, err);

	if (rc < 0)
		return rc;
	if (sums.page_kib > PAGE_BYTES / 1024)
		return err_set(err, ENOTSUP,
			       "its memory is of huge pages of %s: remove <hugepages/> from "
			       "<memoryBacking>",
			       text_from_kib(sums.page_kib, kib));
	if (sums.huge)
		return err_set(err, ENOTSUP,
			       "%s of its memory lie in transparent huge pages, made before these "
			       "were switched off: stop and start the guest",
			       text_from_kib(sums.huge, kib));
	if (sums.locked)
		return err_set(err, ENOTSUP,
			       "%s of its memory are locked: remove <locked/> from "
			       "<memoryBacking>, or the device that is passed through",
			       text_from_kib(sums.locked, kib));
	return 0;
}

/* ---- others that map it ---- */

/* Reads "START-END rw-s OFFSET MAJOR:MINOR INODE" */
static bool line_is_ram(const char *line, const struct ram *ram)
{
	unsigned int major, minor;
	uint64_t ino;
	size_t i;

	if (sscanf(line, "%*s %*s %*s %x:%x %" SCNu64, &major, &minor, &ino) != 3 || !ino)
		return false;
	for (i = 0; i < ram->n; i++)
		if (ram->object[i].ino == ino && ram->object[i].dev == makedev(major, minor))
			return true;
	return false;
}

/* A process that ends meanwhile maps nothing */
static bool maps_ram(const struct kfs *kfs, uint64_t pid, const struct ram *ram)
{
	cleanup_fclose FILE *f = NULL;
	cleanup_free char *line = NULL;
	char path[KFS_PATH_SIZE];
	size_t room = 0;

	snprintf(path, sizeof(path), "proc/%" PRIu64 "/maps", pid);
	f = kfs_stream(kfs, path);
	while (f && getline(&line, &room, f) > 0)
		if (line_is_ram(line, ram))
			return true;
	return false;
}

int ram_other_mapper(const struct kfs *kfs, pid_t pid, const struct ram *ram, pid_t *other,
		     struct err *err)
{
	cleanup_free uint64_t *pids = NULL;
	int n = kfs_list_numbers(kfs, "proc", "", "", &pids, err), i;

	if (n < 0)
		return n;
	for (i = 0; i < n; i++) {
		if (pids[i] == (uint64_t)pid || pids[i] == (uint64_t)getpid() ||
		    !maps_ram(kfs, pids[i], ram))
			continue;
		*other = (pid_t)pids[i];
		return 1;
	}
	return 0;
}

static int check_mappers(const struct subject *s, struct err *err)
{
	char name[NAME_SIZE];
	pid_t other = 0;
	int rc = ram_other_mapper(s->kfs, s->pid, s->ram, &other, err);

	if (rc <= 0)
		return rc;
	read_name(s->kfs, other, name, sizeof(name));
	return err_set(
		err, ENOTSUP,
		"process %d (%s) maps its memory, too, and what it finds missing would be zeros to "
		"it: remove the device that it serves (vhost-user, virtiofs, ivshmem)",
		(int)other, name);
}

/* ---- all of them ---- */

typedef int check(const struct subject *s, struct err *err);

int adopt_refusal(const struct kfs *kfs, pid_t pid, const struct ram *ram, struct err *err)
{
	/* The cheap ones first */
	static check *const checks[] = {
		check_kernel,	    check_status,     check_64bit,  check_thp,
		check_command_line, check_open_files, check_memory, check_mappers,
	};
	const struct subject s = { kfs, pid, ram };
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < ARRAY_SIZE(checks); i++)
		rc = checks[i](&s, err);
	return rc;
}

int adopt_refusal_later(const struct kfs *kfs, pid_t pid, const struct ram *ram, struct err *err)
{
	return shmem_thp_refusal(kfs, pid, ram, err);
}

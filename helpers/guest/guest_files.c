// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which of a guest's files and devices decide about its memory.
 */
#include "guest/guest_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "guest/guest.h"
#include "kernel/kfs.h"
#include "memory/mount.h"
#include "memory/path.h"

/**
 * struct holder - The mount that holds @path
 * @len:	Of its name; 0: none was found yet
 * @page_kib:	Of a hugetlbfs; 0: the kernel's default size
 */
struct holder {
	const char *path;
	size_t len;
	int id;
	bool hugetlb;
	uint64_t page_kib;
};

/* pagesize= as the kernel shows it; 0: not there */
static uint64_t page_size_of(const char *options)
{
	static const char key[] = "pagesize=";
	char text[32];
	uint64_t kib;

	for (; *options; options += strcspn(options, ","), options += *options == ',') {
		size_t len = strcspn(options, ",") - (sizeof(key) - 1);

		if (strncmp(options, key, sizeof(key) - 1) != 0 || len >= sizeof(text))
			continue;
		memcpy(text, options + sizeof(key) - 1, len);
		text[len] = '\0';
		return text_to_kib(text, &kib) == 0 ? kib : 0;
	}
	return 0;
}

/* The longest name that @path begins with; of two mounts at one place the later one */
static int look_at(void *arg, const struct mount_info *info, const char *options)
{
	struct holder *holder = arg;
	size_t len = strlen(info->target);

	if (strncmp(holder->path, info->target, len) != 0)
		return 0;
	if (len > 1 && holder->path[len] != '/' && holder->path[len] != '\0')
		return 0;
	if (len < holder->len || (len == holder->len && info->id < holder->id))
		return 0;
	holder->len = len;
	holder->id = info->id;
	holder->hugetlb = !strcmp(info->fstype, "hugetlbfs");
	holder->page_kib = page_size_of(options);
	return 0;
}

static int find_holder(const struct kfs *kfs, const char *path, struct holder *holder,
		       struct err *err)
{
	*holder = (struct holder){ .path = path };
	return *path == '/' ? mount_for_each(kfs, look_at, holder, err) : 0;
}

/* What the file has already, of an earlier start or made by hand.  QEMU's user has
 * directories in a hugetlbfs, and can put links there */
static uint64_t present_kib(const struct kfs *kfs, const char *path)
{
	cleanup_close int fd = path_open(kfs->rootfd, path, O_PATH | O_NOFOLLOW, NULL);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	return (uint64_t)st.st_blocks / 2;
}

static int find_file(const struct kfs *kfs, const struct guest_file *file, struct guest *guest,
		     struct err *err)
{
	struct guest_memory *memory = &guest->memory[guest->n_memory];
	struct holder holder;
	int rc = find_holder(kfs, file->path, &holder, err);

	if (rc < 0 || !holder.hugetlb)
		return rc;
	*memory = file->memory;
	memory->hugepages = true;
	memory->page_kib = holder.page_kib;
	/* A private mapping has copies of the file's pages, which go with QEMU */
	if (memory->shared)
		memory->size_kib = u64_sub_floor(memory->size_kib, present_kib(kfs, file->path));
	memory->max_kib = memory->size_kib;
	guest->n_memory += memory->size_kib > 0;
	return 0;
}

int guest_extras_find(const struct kfs *kfs, struct guest *guest, struct err *err)
{
	struct holder holder;
	size_t i;
	int rc = 0;

	for (i = 0; i < guest->n_extras && rc == 0; i++) {
		rc = find_holder(kfs, guest->extras[i].path, &holder, err);
		guest->extras[i].hugetlb |= rc == 0 && holder.hugetlb;
	}
	return rc;
}

int guest_files_find(const struct kfs *kfs, struct guest *guest, struct err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < guest->n_memory; i++)
		if (guest->memory[i].kind == GUEST_MEMORY_NVDIMM)
			return 0;
	/* guest_memory_read() has left room for each of them */
	for (i = 0; i < guest->n_files && rc == 0; i++)
		rc = find_file(kfs, &guest->files[i], guest, err);
	return rc < 0 ? rc : guest_extras_find(kfs, guest, err);
}

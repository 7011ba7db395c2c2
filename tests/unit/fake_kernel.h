/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A copy of a captured host whose hugetlb pools behave as the kernel's do.
 *
 * All state is in the files of the tree: a forked child may change it and die.
 */
#ifndef MEMBACKING_TESTS_FAKE_KERNEL_H
#define MEMBACKING_TESTS_FAKE_KERNEL_H

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/numa.h"
#include "unit/unit.h"

#define FAKE_NODES_MAX 8

/* For tables: the same numbers are written again and again otherwise */
#define PAGE_2M UINT64_C(2048)
#define PAGE_1G UINT64_C(1048576)

/**
 * struct fake_kernel - A host
 * @root:	Its "/"
 * @adds_surplus: Belongs to the kernels before 6.7
 * @before_write: Runs when a write arrives: another writer is quicker
 * @after_write: Runs when it is done
 * @write_error: Writes to nr_hugepages fail with this errno; 0: they don't
 * @writes:	How many there were in this process
 * @unmerge_error: Taking apart fails with this errno, and stops KSM; 0: it doesn't
 * @setting_error: All other writes to KSM's and THP's files do
 * @setting_writes: Writes to KSM's and THP's files in this process
 */
struct fake_kernel {
	char root[128];
	struct kfs kfs;
	bool adds_surplus;
	void (*before_write)(struct fake_kernel *fk);
	void (*after_write)(struct fake_kernel *fk);
	void *data;
	int write_error;
	unsigned int writes;
	int unmerge_error;
	int setting_error;
	unsigned int setting_writes;
};

struct fake_pool {
	uint64_t nr;
	uint64_t free;
	uint64_t surplus;
};

/* ---- files ---- */

void fake_put(const struct fake_kernel *fk, const char *name, const char *text);

void fake_put_u64(const struct fake_kernel *fk, const char *name, uint64_t value);

void fake_remove(const struct fake_kernel *fk, const char *name);

bool fake_exists(const struct fake_kernel *fk, const char *name);

/* "" if there is no such file */
void fake_get(const struct fake_kernel *fk, const char *name, char *buf, size_t size);

/* tests/hosts/HOST, copied into @dir.  The writes of @fk->kfs have the kernel's manners */
void fake_open_in(struct fake_kernel *fk, const char *host, const char *dir);

/* The same, in a directory that is removed at the end */
void fake_open(struct fake_kernel *fk, const char *host);

/* KSM and THP as tests/hosts/HOST has them */
void fake_add_settings(struct fake_kernel *fk, const char *host);

void fake_close(struct fake_kernel *fk);

/* One for the rest of the block */
#define FAKE_KERNEL(name, host)                                                                    \
	UNIT_FIXTURE(struct fake_kernel, name, fake_close, fake_open(&(name), host))

/* ---- pools ---- */

struct fake_pool fake_pool(const struct fake_kernel *fk, int node, uint64_t page_kib);

void fake_set_pool(const struct fake_kernel *fk, int node, uint64_t page_kib,
		   struct fake_pool pool);

void fake_set_reserved(const struct fake_kernel *fk, uint64_t page_kib, uint64_t pages);

bool fake_pool_is(const struct fake_kernel *fk, int node, uint64_t page_kib, uint64_t nr,
		  uint64_t free_pages, uint64_t surplus);

/* A program takes free pages into use */
void fake_use(const struct fake_kernel *fk, int node, uint64_t page_kib, uint64_t pages);

/* A program ends: surplus pages go back to the kernel, others to the pool */
void fake_unuse(const struct fake_kernel *fk, int node, uint64_t page_kib, uint64_t pages);

/* ---- memory ---- */

/* "MemFree" and the like of a node, rewritten in place */
void fake_set_meminfo(const struct fake_kernel *fk, int node, const char *key, uint64_t kib);

/* Two nodes with 4 GiB and 3 GiB free, nothing that could be reclaimed, and empty pools */
void fake_empty_nodes(const struct fake_kernel *fk);

uint64_t fake_free_kib(const struct fake_kernel *fk, int node);

/* Free memory is fragmented: only so many pages of any size come out of it.  Each
 * write tries anew */
void fake_set_obtainable(const struct fake_kernel *fk, int node, uint64_t pages);

void fake_write_pool(struct fake_kernel *fk, int node, uint64_t page_kib, uint64_t count);

#define FAKE_KSM "sys/kernel/mm/ksm/"
#define FAKE_THP "sys/kernel/mm/transparent_hugepage/"

int fake_write(const struct kfs *kfs, const char *path, const char *text);

/* A file, or a directory, whose opening is counted from now on.  Return: for fake_opened() */
int fake_watch(const struct fake_kernel *fk, const char *name);
/* How often it was opened and closed since.  Ends the watch */
unsigned int fake_opened(int watch);

/* ---- processes ---- */

/* What the kernel shows of a process, as far as anybody asks */
void fake_put_process(const struct fake_kernel *fk, pid_t pid, const char *file, const char *text);

void fake_put_stat(const struct fake_kernel *fk, pid_t pid, unsigned int start);

/**
 * fake_holder_of() - A process that holds a POSIX lock on @name until its end
 * @start:	Its start time in /proc/PID/stat
 */
pid_t fake_holder_of(const struct fake_kernel *fk, const char *name, unsigned int start,
		     struct flock lock);

pid_t fake_driver(const struct fake_kernel *fk, unsigned int start);

pid_t fake_qemu(const struct fake_kernel *fk, const char *guest);

/* The process dies; libvirt's files stay, as after kill -9 */
void fake_end(const struct fake_kernel *fk, pid_t pid);

#endif

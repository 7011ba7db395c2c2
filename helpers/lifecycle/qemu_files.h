/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the files of a running guest's memory are, by what its QEMU has mapped.
 *
 * DOC: what is believed
 *
 * QEMU may map any file that it can open, so a mapping alone is no proof.  A directory counts if
 * libvirt could have made it (policy/store_place.h), if it can be opened without a link that
 * others could have put there, and if the mapped file lies in it under the guest's own directory.
 * Files that have been removed show nothing.
 */
#ifndef MEMBACKING_LIFECYCLE_QEMU_FILES_H
#define MEMBACKING_LIFECYCLE_QEMU_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config/qemu_conf.h"
#include "memory/store.h"

struct err;
struct kfs;
struct ledger;
struct state;
struct step_store;

/* A guest has one, or two if memory was plugged in after memory_backing_dir was changed */
#define QEMU_FILES_MAX 8

/**
 * struct qemu_file - A file in a directory of the guest, the first that is mapped from there
 * @place:	The directory of the guests' directories
 * @directory:	The guest's own one in it
 */
struct qemu_file {
	char place[QEMU_CONF_PATH_SIZE];
	char directory[STORE_NAME_SIZE];
	char name[STORE_NAME_SIZE];
	unsigned long long inode;
};

/* One for each @place, without the one that was planned */
struct qemu_files {
	size_t n;
	struct qemu_file list[QEMU_FILES_MAX];
};

/**
 * qemu_files_read() - Which files of the guest are mapped, as /proc/PID/maps says
 *
 * Bounded as qemu_memory_mapped() is.
 * Return: 0, -E2BIG (there are too many mappings, or too many directories), -errno
 */
int qemu_files_read(const struct kfs *kfs, pid_t pid, const struct step_store *step,
		    struct qemu_files *files);

/**
 * qemu_files_find() - Does the guest's memory lie in another directory than planned?
 * @lies_in:	Result: that directory, as for struct step_store.  Empty: in none that is known
 *
 * Waits some seconds at most for file systems that do not answer.
 * Return: 0, or -errno: it could not be found out
 */
int qemu_files_find(const struct kfs *kfs, pid_t pid, const struct step_store *step,
		    char lies_in[QEMU_CONF_PATH_SIZE], struct err *err);

/**
 * qemu_files_look() - Find it out for a guest that runs, and log it
 * @step:	Gets what was found
 *
 * Whatever fails is logged only: the guest runs.
 * Return: whether @step->lies_in is another one now
 */
bool qemu_files_look(const struct kfs *kfs, const char *guest, struct step_store *step);

/**
 * qemu_files_note() - qemu_files_look() for a ledger that was read a moment ago
 *
 * Writes down what is new.  Without the host lock.
 */
void qemu_files_note(const struct kfs *kfs, const struct state *state, struct ledger *ledger);

#endif

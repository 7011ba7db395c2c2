/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is alive: told by the locks that QEMU and libvirt's driver hold.
 */
#ifndef MEMBACKING_LIFECYCLE_LIVENESS_H
#define MEMBACKING_LIFECYCLE_LIVENESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct kfs;

/* Where libvirt keeps what it knows of the guests that run */
#define LIVENESS_DIR "run/libvirt/qemu"

/* A process that can't be mistaken for a later one of the same number */
struct process {
	pid_t pid;
	uint64_t start; /* field 22 of /proc/PID/stat; 0: unknown */
};

/**
 * liveness_driver() - Who is calling us: the QEMU driver, or our parent
 *
 * The holder of the lock on /run/libvirt/qemu/driver.pid.  Where there is no
 * such file (a hook that is run by hand, a test), or the QEMU of a guest called "driver"
 * has it, the parent process.
 */
struct process liveness_driver(const struct kfs *kfs);

/**
 * liveness_driver_runs() - Does a process hold the lock of libvirt's QEMU driver?
 * @driver:	Who; PID 0 if that can't be seen
 */
bool liveness_driver_runs(const struct kfs *kfs, struct process *driver);

/* Is the process a daemon that has the QEMU driver: libvirtd or virtqemud? */
bool liveness_is_libvirt(const struct kfs *kfs, pid_t pid);

struct process liveness_parent(const struct kfs *kfs);

/* This process */
struct process liveness_self(const struct kfs *kfs);

/**
 * liveness_is_older() - Was this process started before @driver was?
 *
 * Then an earlier driver called it: libvirt was restarted while the hook ran, and what
 * @driver has to do with the guest is later than what the hook was called for.
 */
bool liveness_is_older(const struct kfs *kfs, const struct process *driver);

/* Does exactly this process still exist? */
bool liveness_process(const struct kfs *kfs, const struct process *process);

/* Is @driver still there: the lock's holder, or a process that exists? */
bool liveness_driver_alive(const struct kfs *kfs, const struct process *driver);

/**
 * liveness_qemu() - Is there a QEMU for the guest @name, as far as we may see?
 * @pid:	Its PID where it can be seen, else 0; may be NULL
 */
bool liveness_qemu(const struct kfs *kfs, const char *name, pid_t *pid);

/* Guests for which libvirt has a PID file, whether anything runs or not: by name */
struct liveness_files {
	size_t n;
	char **names;
};

/**
 * liveness_files_read() - One listing instead of a question for each guest
 *
 * A guest without such a file has no QEMU.  To be freed in any case.
 * Return: 0, or -errno: the list says nothing
 */
int liveness_files_read(const struct kfs *kfs, struct liveness_files *files);
bool liveness_files_have(const struct liveness_files *files, const char *name);
void liveness_files_free(struct liveness_files *files);

/**
 * liveness_running() - Names of all guests with a QEMU, by any daemon
 * @names:	Result: @n strings, each and itself to be freed
 */
int liveness_running(const struct kfs *kfs, char ***names, size_t *n, struct err *err);

#endif

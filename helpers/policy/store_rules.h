/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decisions about stores: which one, is it the right one, is there room.  Pure.
 */
#ifndef MEMBACKING_POLICY_STORE_RULES_H
#define MEMBACKING_POLICY_STORE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/host_view.h"
#include "policy/step.h"

struct err;
struct guest;

/* The store that libvirt puts memory in; NULL: none of those configured */
const struct store_view *store_in_use(const struct host_view *host);

/* The store mounted, or to be mounted, at @path; NULL: no such */
struct store_view *store_at(const struct host_view *host, const char *path);

/**
 * store_choose() - The store for a guest
 * @wanted:	What [guest] or the guest's metadata say; "" for nothing
 * Return: 0; -EINVAL when that is not where qemu.conf makes libvirt put memory: the
 * sentence names the line to change
 */
int store_choose(const struct host_view *host, const char *wanted, const struct store_view **store,
		 struct err *err);

/**
 * store_check_daemon() - Does libvirt's daemon put memory where qemu.conf says?
 * Return: 0, or -EINVAL: it is certain that it read another memory_backing_dir
 */
int store_check_daemon(const struct host_view *host, struct err *err);

/* Is it uncertain?  @buf: a sentence */
bool store_doubts_daemon(const struct host_view *host, char *buf, size_t size);

/* The daemon to restart: its name, or libvirtd where that can't be seen */
const char *store_daemon(const struct host_view *host);

/* Is it to be mounted, and may we? */
bool store_wants_mount(const struct store_view *store);

/* "nodev,nosuid,noexec", what is configured, and tmpfs's size */
void store_mount_options(const struct config_store *config, char *buf, size_t size);

/* Does it lie on a hugetlbfs, or will it? */
bool store_is_hugetlbfs(const struct store_view *store);

/**
 * store_verify() - Is the mounted file system the one that was meant, and usable?
 * Return: 0, -ENOENT (nothing there), -EINVAL (something else), -EROFS, -EACCES, -EIO
 * (it can't be looked at)
 */
int store_verify(const struct store_view *store, struct err *err);

/* Is it not mounted, as it may be: it will be for the first guest */
bool store_is_waiting(const struct store_view *store);

/**
 * store_problem() - Why guests could not use the store as it is now
 * Return: 0, also for one that is only not mounted yet; as store_verify() otherwise
 */
int store_problem(const struct store_view *store, struct err *err);

/* How much of @store is to stay free, in KiB */
uint64_t store_keep_free(const struct store_view *store);

/* Is there a file system at the store's own place, and not only below it? */
bool store_is_mounted(const struct store_view *store);

/* Of the store, or of the tmpfs that will be mounted there.  KiB; UINT64_MAX: unknown */
uint64_t store_capacity(const struct store_view *store);

/* What guests can have of it if it is empty.  KiB; UINT64_MAX: unknown */
uint64_t store_most(const struct store_view *store);

/* Promised to running guests and not used yet, without @except (may be NULL).  KiB */
uint64_t store_outstanding(const struct store_view *store, const char *except);

uint64_t store_promised(const struct store_view *store);

/**
 * store_admit() - Is there room for a guest?
 * @ram_kib:	What the host's memory has to spare, for a store in memory
 *
 * size <= available + stale - outstanding - keep_free, where outstanding is the sum over the
 * running guests of what is promised and not used yet.
 * Return: 0, or -ENOSPC with the store, its size, what is promised to which guest and what
 * is missing
 */
int store_admit(const struct store_view *store, const struct host_view *host, uint64_t ram_kib,
		const char *guest, uint64_t size_kib, struct err *err);

/* Memory that files in memory could take, without what is in use.  KiB */
uint64_t store_ram(const struct host_view *host);

/* The step that puts @guest into @store */
void store_step_fill(const struct guest *guest, const struct store_view *store,
		     const struct host_view *host, struct step_store *step);

/* Names that the guest's directory may have: see guest_directories() */
size_t store_directories(const struct step_store *step,
			 char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE]);

/* Is @directory one of these? */
bool store_has_directory(const struct step_store *step, const char *directory);

/**
 * store_directory_of() - May @directory ("ID-SHORTNAME") be one of a guest called @name?
 *
 * Under any id: for guests whose id we don't know.
 */
bool store_directory_of(const char *directory, const char *name);

#endif

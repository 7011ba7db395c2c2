/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a guest's memory files lie, if that is not where its step put them.  Pure.
 *
 * DOC: how that comes about
 *
 * libvirt's daemon reads memory_backing_dir when it starts.  The directory of a step is read from
 * qemu.conf when a guest starts.  Where the file was changed in between, libvirt puts the guest's
 * files into the old directory.  "started" and "reconnect" find that out from QEMU's mappings and
 * write it into the step as @lies_in.
 *
 * What was planned stays in the step: the mount is the guest's, and memory that is plugged in
 * after the daemon was restarted lies there.
 */
#ifndef MEMBACKING_POLICY_STORE_PLACE_H
#define MEMBACKING_POLICY_STORE_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/qemu_conf.h"

struct host_view;
struct step_store;

/**
 * store_place_split() - May guests' directories lie in @place?
 * @place:	libvirt's default directory, or DIR/libvirt/qemu, where DIR is absolute and not "/"
 * @dir, @below: Result, as store_open_base() takes them
 * Return: false also for a path that has empty components, "." or "..", or what is no printable
 * UTF-8: it comes from others, and is printed
 */
bool store_place_split(const char *place, char dir[QEMU_CONF_PATH_SIZE], const char **below);

/* Is @place, below @dir, the same as the directory of @step?  By name */
bool store_place_planned(const struct step_store *step, const char *place);

/* Is @path the directory @dir, or in it?  By name */
bool store_place_within(const char *path, const char *dir);

/* "DIR, not in store 'ram' (/srv/ram)".  @step->lies_in is set.  @comma: what is between them */
#define STORE_PLACE_SIZE (3 * QEMU_CONF_PATH_SIZE)
const char *store_place_text(const struct step_store *step, const char *comma, char *buf,
			     size_t size);

/* Does libvirt's daemon have to be restarted first, before the guest is? */
bool store_place_wants_daemon(const struct host_view *host);

/**
 * store_place_problem() - What is wrong, and what to do about it
 * @host:	Its @qemu_conf and @daemon are filled
 * @step:	@lies_in is set
 * @buf:	A sentence
 */
void store_place_problem(const struct host_view *host, const char *guest,
			 const struct step_store *step, char *buf, size_t size);

#endif

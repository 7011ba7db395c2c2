/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What qemu.conf said when libvirt's daemon read it.
 *
 * DOC: why
 *
 * libvirt reads qemu.conf once, when its daemon starts, and a reload does not change that.  Where
 * memory_backing_dir is changed and the daemon is not restarted, guests' files go on lying in the
 * old directory.  libvirt does not say what it has read, so it is noted, together with the
 * daemon's PID and start time, in /run/libvirt-membacking/daemon-conf.
 *
 * DOC: when it is certain
 *
 * The daemon hook runs at the daemon's start, just before it reads the file.  Later what the file
 * says is what the daemon has read only if the file was not changed (ctime, and that of a link
 * to it) since before the daemon started: then a reload, "conf apply" and prepare note it, too.
 * Where neither was so, a changed file is a doubt and no more: any other line of it may have
 * been changed.  Guests are refused for what is certain alone.
 */
#ifndef MEMBACKING_LIFECYCLE_DAEMON_CONF_H
#define MEMBACKING_LIFECYCLE_DAEMON_CONF_H

struct err;
struct host_view;
struct kfs;

/**
 * daemon_conf_note() - From the daemon hook at "start": note what the file says
 *
 * Not if our parent is another program than the daemon with the QEMU driver.
 */
int daemon_conf_note(const struct kfs *kfs, struct err *err);

/* Note it for the daemon that runs, if there is no note of it yet and it is certain */
int daemon_conf_keep(const struct kfs *kfs, struct err *err);

/* Fill @host->daemon.  @host->qemu_conf is filled */
void daemon_conf_view(const struct kfs *kfs, struct host_view *host);

#endif

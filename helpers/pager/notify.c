// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * sd_notify() and socket activation, where libsystemd was there at build time.
 */
#include "pager/notify.h"

#include <errno.h>

#ifdef HAVE_SYSTEMD

#include <stddef.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

int notify_listener(struct err *err)
{
	int n = sd_listen_fds(1);

	if (n < 0)
		return err_sys(err, -n, "cannot take over the socket from systemd");
	if (n == 0)
		return err_set(err, ENOENT, "systemd has made no socket");
	if (n > 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_SEQPACKET, 1, NULL, 0) <= 0)
		return err_set(err, EINVAL,
			       "systemd has made other sockets than ListenSequentialPacket= of "
			       "virt-membacking-pagerd.socket");
	return SD_LISTEN_FDS_START;
}

void notify_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_status(const char *status)
{
	sd_notifyf(0, "STATUS=%s", status);
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

bool notify_watchdog_wanted(void)
{
	return sd_watchdog_enabled(0, NULL) > 0;
}

void notify_watchdog(void)
{
	sd_notify(0, "WATCHDOG=1");
}

#else

int notify_listener(struct err *err)
{
	return err_set(err, ENOENT, "built without systemd");
}

void notify_ready(const char *status)
{
	(void)status;
}

void notify_status(const char *status)
{
	(void)status;
}

void notify_stopping(void)
{
}

bool notify_watchdog_wanted(void)
{
	return false;
}

void notify_watchdog(void)
{
}

#endif

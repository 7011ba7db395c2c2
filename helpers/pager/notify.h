/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon and systemd say to each other.  Without systemd, or built without its library,
 * nothing is said and nothing is missing.
 */
#ifndef MEMBACKING_PAGER_NOTIFY_H
#define MEMBACKING_PAGER_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/**
 * notify_listener() - The socket that systemd has made, and for which it has started us
 *
 * From the main thread, before there is any other: takes away what the environment says of it.
 * Return: a descriptor; -ENOENT: none; -EINVAL: another socket, or several
 */
int notify_listener(struct err *err);

/* Ready, and what systemctl status is to show */
void notify_ready(const char *status);
void notify_status(const char *status);
void notify_stopping(void);

/* Does systemd want to hear of us again and again? */
bool notify_watchdog_wanted(void);
void notify_watchdog(void);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_PAGER_GUEST_CONSOLE_H
#define TESTS_PAGER_GUEST_CONSOLE_H

/* What an /init does first: mounts /proc and /dev, and speaks on the console from then on */
void guest_console(void);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many of a guest's alarms are logged.  Pure.
 *
 * Two things that are wrong at once may come and go in turn, hundreds of times a second: the last
 * sentence is in status, and the log has the first ones of each minute.
 */
#ifndef MEMBACKING_PAGER_ALARM_LOG_H
#define MEMBACKING_PAGER_ALARM_LOG_H

#include <stdint.h>

enum { ALARM_LOG_MAX = 10, ALARM_LOG_MS = 60000 };

/* All zeros at the beginning */
struct alarm_log {
	uint64_t since_ms;
	unsigned int n;
};

/**
 * enum alarm_logged - What is done with a line
 * @ALARM_LAST:	It is logged, and that no more are for a while
 */
enum alarm_logged { ALARM_DROPPED, ALARM_LOGGED, ALARM_LAST };

enum alarm_logged alarm_log_next(struct alarm_log *log, uint64_t now_ms);

#endif

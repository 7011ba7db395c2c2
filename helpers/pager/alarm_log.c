// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * So many lines in a minute, which begins with the first of them.
 */
#include "pager/alarm_log.h"

enum alarm_logged alarm_log_next(struct alarm_log *log, uint64_t now_ms)
{
	if (!log->n || now_ms - log->since_ms >= ALARM_LOG_MS)
		*log = (struct alarm_log){ .since_ms = now_ms };
	if (log->n >= ALARM_LOG_MAX)
		return ALARM_DROPPED;
	return ++log->n == ALARM_LOG_MAX ? ALARM_LAST : ALARM_LOGGED;
}

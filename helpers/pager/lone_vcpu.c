// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * When one thread of the guest's counts as alone with its faults.
 */
#include "pager/lone_vcpu.h"

enum {
	STREAK = 256,
	/* More than it takes to begin: a probe of neighbourhoods, sixteen pages each hundred
	 * faults, is none of the reading ahead that ends it */
	STREAK_MAX = 1024,
};

bool lone_vcpu_fault(struct lone_vcpu *lone, uint32_t tid, uint64_t ahead)
{
	if (tid != lone->tid)
		*lone = (struct lone_vcpu){ .tid = tid };
	else if (ahead)
		lone->streak -= ahead < lone->streak ? (uint32_t)ahead : lone->streak;
	else if (lone->streak < STREAK_MAX)
		lone->streak++;
	if (!lone->streak)
		lone->on = false;
	else if (lone->streak >= STREAK)
		lone->on = true;
	return lone->on;
}

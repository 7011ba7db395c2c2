// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What follows for one page when a pager goes on after one that was killed.  Pure.
 */
#include "pager/engine.h"

/* A page that is in the guest's file is the newest there is: only the guest writes there */
static enum restart_action resolve_present(struct restart_seen seen)
{
	return seen.state == PAGE_RESIDENT ? RESTART_KEEP : RESTART_RESIDENT;
}

static enum restart_action resolve_out(struct restart_seen seen)
{
	if (seen.ring || (seen.state == PAGE_LOADING && seen.discarded))
		return RESTART_ZERO;
	if (!seen.has_slot)
		return seen.state == PAGE_LOADING && seen.held ? RESTART_STORE : RESTART_BROKEN;
	return seen.state == PAGE_EVICTED ? RESTART_KEEP : RESTART_EVICTED;
}

enum restart_action restart_resolve(struct restart_seen seen)
{
	if (seen.present)
		return resolve_present(seen);
	switch (seen.state) {
	case PAGE_ZERO:
	case PAGE_STAGED:
		return RESTART_KEEP;
	case PAGE_EVICTED:
	case PAGE_LOADING:
		return resolve_out(seen);
	case PAGE_LEAVING:
		/* What is in the staging may be newer than any discard */
		if (seen.held)
			return RESTART_STORE;
		/* Never spliced: as a resident page that is not there */
		return seen.ring || seen.discarded || seen.explained ? RESTART_ZERO :
								       RESTART_MISSING;
	case PAGE_RESIDENT:
		return seen.ring || seen.discarded || seen.explained ? RESTART_ZERO :
								       RESTART_MISSING;
	}
	return RESTART_BROKEN;
}

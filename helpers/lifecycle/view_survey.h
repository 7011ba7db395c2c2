/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What fragmentation leaves of the host, for those who plan.
 */
#ifndef MEMBACKING_LIFECYCLE_VIEW_SURVEY_H
#define MEMBACKING_LIFECYCLE_VIEW_SURVEY_H

#include <stdbool.h>

struct guest;
struct host_view;
struct kfs;
struct ledgers;

/**
 * view_survey() - supply_survey(), by the kernel's files
 * @guest:	Who is planned for.  Every page is looked at, for two seconds at most, if its
 *		pages are gigantic: one page that can't be moved spoils a range
 * @ledgers:	view_settle() them as well; NULL: they are settled
 *
 * Without those files @host stays as it is.
 */
void view_survey(const struct kfs *kfs, const struct guest *guest, const struct ledgers *ledgers,
		 struct host_view *host);

/* The same for a start: only for gigantic pages, which are the ones that it makes a difference
 * for, and not twice */
void view_survey_start(const struct kfs *kfs, const struct guest *guest, struct host_view *host);

#endif

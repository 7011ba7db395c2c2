/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What fragmentation leaves of the host, for those who plan.
 */
#ifndef MEMBACKING_LIFECYCLE_VIEW_SURVEY_H
#define MEMBACKING_LIFECYCLE_VIEW_SURVEY_H

#include <stdbool.h>

struct fragmentation;
struct guest;
struct host_view;
struct kfs;

/**
 * view_survey_read() - Where free memory lies, by the kernel's files
 * @guest:	The guest that is planned for.  Every page is looked at, for two seconds at most,
 *		if its pages are gigantic: one page that can't be moved spoils a range
 * @f:		Result, to be freed in any case
 *
 * Return: false: without those files nothing is known
 */
bool view_survey_read(const struct kfs *kfs, const struct guest *guest,
		      const struct host_view *host, struct fragmentation *f);

/* Fills in pool_view.most for the sizes of huge pages that @guest wants: the same look, and the
 * same number, that a start is refused for.  For plan and advise: it takes 15 ms for each GiB */
void view_survey_most(const struct kfs *kfs, const struct guest *guest, struct host_view *host);

/* supply_survey() for a start: only for gigantic pages, which are the ones that it makes a
 * difference for, and not twice */
void view_survey_start(const struct kfs *kfs, const struct guest *guest, struct host_view *host);

#endif

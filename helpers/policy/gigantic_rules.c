// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which way to pages of 1 GiB is open on this host.
 */
#include "policy/gigantic_rules.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "config/config.h"

__attribute__((format(printf, 3, 4))) static void say(struct gigantic_way *way,
						      enum gigantic_state state, const char *fmt,
						      ...)
{
	va_list ap;

	way->state = state;
	va_start(ap, fmt);
	vsnprintf(way->text, sizeof(way->text), fmt, ap);
	va_end(ap);
}

static void at_boot(const struct gigantic *gigantic, struct gigantic_way *way)
{
	way->name = "reserve at boot";
	if (*gigantic->at_boot)
		say(way, GIGANTIC_DONE, "done: hugepages=%s on the kernel's command line",
		    gigantic->at_boot);
	else
		say(way, GIGANTIC_POSSIBLE,
		    "possible: boot with hugepagesz=1G hugepages=N; the surest way");
}

static void keep_got(bool keep, struct gigantic_way *way)
{
	way->name = "keep after first use";
	say(way, keep ? GIGANTIC_DONE : GIGANTIC_POSSIBLE,
	    "%s on_release_1G = keep in [hugepages] of /%s",
	    keep ? "done:" : "possible:", CONFIG_FILE);
}

static void cma(const struct gigantic *gigantic, struct gigantic_way *way)
{
	char total[TEXT_KIB_SIZE], free_kib[TEXT_KIB_SIZE];

	way->name = "hugetlb_cma=";
	if (!gigantic->cma)
		say(way, GIGANTIC_IMPOSSIBLE, "not with this kernel: it is built without CMA");
	else if (!*gigantic->hugetlb_cma)
		say(way, GIGANTIC_POSSIBLE,
		    "possible: boot with hugetlb_cma=SIZE; programs may use the area until pages "
		    "are made of it");
	else if (!gigantic->cma_total_kib)
		say(way, GIGANTIC_FAILED,
		    "hugetlb_cma=%s was given, and reserved nothing: look in the kernel's log",
		    gigantic->hugetlb_cma);
	else
		say(way, GIGANTIC_DONE, "in effect: %s of %s in areas of CMA are free",
		    text_from_kib(gigantic->cma_free_kib, free_kib),
		    text_from_kib(gigantic->cma_total_kib, total));
}

bool gigantic_rules_ways(const struct gigantic *gigantic, bool keep,
			 struct gigantic_way ways[GIGANTIC_WAYS])
{
	if (!gigantic->present)
		return false;
	at_boot(gigantic, &ways[GIGANTIC_AT_BOOT]);
	keep_got(keep, &ways[GIGANTIC_KEEP]);
	cma(gigantic, &ways[GIGANTIC_CMA]);
	return true;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading slots and staging although the host's memory there may have an uncorrectable error.
 *
 * Such an access is a SIGBUS.  The handler jumps out of the read, and one page of one guest is
 * lost instead of the pager, which would die of the same page again after each restart.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>

#include "pager/engine.h"

static _Thread_local sigjmp_buf *guard;

void guest_pager_sigbus(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	(void)context;
	if (guard)
		siglongjmp(*guard, 1);
	abort();
}

/* The signals' mask stays: saving it would be a system call, and SA_NODEFER changes none */
int load_content(struct guest_pager *pager, struct page_fields fields, void *to)
{
	const struct page_place place = { .tier = fields.tier, .slot = fields.slot };
	sigjmp_buf here;
	int rc;

	if (sigsetjmp(here, 0)) {
		guard = NULL;
		return -EHWPOISON;
	}
	guard = &here;
	rc = tiers_load(pager->tiers, place, to);
	guard = NULL;
	return rc;
}

bool slot_holds(struct guest_pager *pager, struct page_fields fields, const void *content)
{
	const struct page_place place = { .tier = fields.tier, .slot = fields.slot };
	sigjmp_buf here;
	bool holds;

	if (sigsetjmp(here, 0)) {
		guard = NULL;
		return false;
	}
	guard = &here;
	holds = tiers_holds(pager->tiers, place, content);
	guard = NULL;
	return holds;
}

int store_content(struct guest_pager *pager, const void *content, struct page_place *place)
{
	sigjmp_buf here;
	int rc;

	if (sigsetjmp(here, 0)) {
		guard = NULL;
		return -EHWPOISON;
	}
	guard = &here;
	rc = tiers_store(pager->tiers, content, place);
	guard = NULL;
	return rc;
}

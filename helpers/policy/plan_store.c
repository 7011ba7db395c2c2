// SPDX-License-Identifier: LGPL-2.1-or-later
/* The plan's part of a guest's memory in files. */
#include "policy/plan_kind.h"

#include <stdio.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "policy/store_rules.h"

static bool wanted(const struct guest *guest, const struct guest_policy *policy,
		   const struct host_view *host)
{
	(void)policy;
	(void)host;
	return guest_file_kib(guest);
}

static int choose(struct planning *p, const struct store_view **store, struct err *err)
{
	int rc = store_choose(p->host, p->policy->store, store, err);

	return rc < 0 ? rc : store_check_daemon(p->host, err);
}

/* What is known of the room in a store that is not mounted yet: its size, if that is configured */
static void note_room(struct planning *p, const struct store_view *store)
{
	char size[TEXT_KIB_SIZE], most[TEXT_KIB_SIZE];

	if (store_most(store) < p->store.size_kib)
		plan_note(p->plan,
			  "the start would be refused: the guest needs %s in files, and store '%s' "
			  "holds %s at most for guests",
			  text_from_kib(p->store.size_kib, size), p->store.store,
			  text_from_kib(store_most(store), most));
	else
		plan_note(p->plan,
			  "store '%s' is not mounted yet: whether the guest fits is found out "
			  "after mounting it",
			  p->store.store);
}

static int check_room(struct planning *p, const struct store_view *store, struct err *err)
{
	/* What the host's memory has left for a store in it, once this guest has its huge
	 * pages */
	uint64_t ram_kib = u64_sub_floor(store_ram(p->host), p->grown_kib);
	int rc;

	if (p->store.mount && !store_is_hugetlbfs(store)) {
		note_room(p, store);
		return 0;
	}
	rc = store_verify(store, err);
	if (rc < 0)
		return err_prefix(err, rc, "guest '%s'", p->guest->name);
	return store_admit(store, p->host, ram_kib, p->guest->name, p->store.size_kib, err);
}

static int make(struct planning *p, struct err *err)
{
	struct step step = { .kind = STEP_STORE };
	const struct store_view *store;
	int rc = choose(p, &store, err);

	if (rc < 0)
		return err_prefix(err, rc, "guest '%s'", p->guest->name);
	store_step_fill(p->guest, store, p->host, &p->store);
	p->has_store = true;
	rc = check_room(p, store, err);
	if (rc < 0)
		return rc;
	step.store = p->store;
	/* It is refused at once if at all, and done without letting go of the host lock */
	return plan_put_first(p->plan, &step, err);
}

/* Where libvirt puts memory by now */
static int adopt(struct planning *p, struct err *err)
{
	struct step step = { .kind = STEP_STORE };
	struct store_view nameless = { 0 };
	const struct store_view *store;
	struct err why;
	bool usable = p->host->stores_read && store_choose(p->host, "", &store, &why) == 0 &&
		      store->state.present;

	if (!usable) {
		store = &nameless;
		snprintf(nameless.config.path, sizeof(nameless.config.path), "%s",
			 qemu_conf_memory_dir(&p->host->qemu_conf));
	}
	store_step_fill(p->guest, store, p->host, &p->store);
	p->store.mount = false;
	p->store.ready = usable;
	p->has_store = true;
	step.store = p->store;
	return plan_put_last(p->plan, &step, err);
}

const struct plan_kind plan_store = {
	.kind = STEP_STORE,
	.section = "store",
	.stores = true,
	.wanted = wanted,
	.make = make,
	.adopt = adopt,
};

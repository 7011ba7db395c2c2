// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which settings of transparent huge pages a guest needs.
 */
#include "policy/thp_rules.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "guest/guest.h"
#include "policy/pins.h"
#include "policy/store_rules.h"

static uint64_t source_kib(const struct guest *guest, enum guest_source source)
{
	uint64_t kib = 0;
	size_t i;

	/* Its memory is a guest_memfd, which has small pages only */
	if (guest_has_guest_memfd(guest))
		return 0;
	for (i = 0; i < guest->n_memory; i++)
		if (!guest->memory[i].hugepages && guest->memory[i].source == source)
			kib = u64_add_sat(kib, guest->memory[i].size_kib);
	return kib;
}

uint64_t thp_rules_size(const struct guest *guest)
{
	return u64_add_sat(source_kib(guest, GUEST_SOURCE_ANONYMOUS),
			   source_kib(guest, GUEST_SOURCE_MEMFD));
}

/* Memory that the settings govern; of a tmpfs it is "shmem_enabled" alone */
static uint64_t governed_kib(const struct guest *guest, const struct config_thp *thp, bool tmpfs)
{
	uint64_t kib = 0;

	if (*thp->enabled || *thp->defrag || *thp->shmem_enabled)
		kib = thp_rules_size(guest);
	if (tmpfs && *thp->shmem_enabled)
		kib = u64_add_sat(kib, source_kib(guest, GUEST_SOURCE_FILE));
	return kib;
}

bool thp_rules_wanted(const struct guest *guest, const struct guest_policy *policy, bool tmpfs)
{
	return policy->thp.manage && governed_kib(guest, &policy->thp, tmpfs);
}

void thp_rules_fill(const struct guest *guest, const struct guest_policy *policy, bool tmpfs,
		    struct step_thp *step)
{
	*step = (struct step_thp){
		.size_kib = governed_kib(guest, &policy->thp, tmpfs),
		.settings = policy->thp,
	};
}

/* ---- room ---- */

bool thp_rules_makes_room(const struct config_thp *thp)
{
	return thp->compact != EFFORT_NEVER || thp->reclaim != EFFORT_NEVER;
}

/* The kernel's words that give none */
static bool is_off(const char *word)
{
	return !*word || !strcmp(word, "never") || !strcmp(word, "deny");
}

/* The host's setting while the guest runs */
static const char *word_then(const struct config_thp *thp, const char *ours, const char *now)
{
	return thp->manage && *ours && *now ? ours : now;
}

/* Memory that is bound to no node is touched by the vCPUs */
static void add_nodes(const struct guest *guest, const struct numa *numa,
		      const struct guest_memory *memory, struct nodeset *nodes)
{
	struct nodeset near = memory->nodes;
	size_t i;

	if (memory->bind == GUEST_BIND_ANY)
		pins_nodes(numa, &guest->vcpu_cpus, &near);
	for (i = 0; i < numa->n_nodes; i++)
		if (nodeset_has(&near, numa->nodes[i].id))
			nodeset_add(nodes, numa->nodes[i].id);
}

void thp_rules_room(const struct guest *guest, const struct host_view *host,
		    const struct config_thp *thp, struct step_thp *step)
{
	const struct thp *now = &host->thp.thp;
	bool anonymous = !is_off(word_then(thp, thp->enabled, now->enabled));
	bool memfd = !is_off(word_then(thp, thp->shmem_enabled, now->shmem_enabled));
	size_t i;

	if (!thp_rules_makes_room(thp))
		return;
	step->compact = thp->compact != EFFORT_NEVER;
	step->reclaim = thp->reclaim != EFFORT_NEVER;
	if (anonymous)
		step->room_kib = source_kib(guest, GUEST_SOURCE_ANONYMOUS);
	if (memfd)
		step->room_kib = u64_add_sat(step->room_kib, source_kib(guest, GUEST_SOURCE_MEMFD));
	for (i = 0; i < guest->n_memory; i++)
		if (!guest->memory[i].hugepages)
			add_nodes(guest, &host->numa, &guest->memory[i], &step->nodes);
}

/* ---- what stands in the way ---- */

static bool is_one_of(const char *word, const char *a, const char *b)
{
	return !strcmp(word, a) || !strcmp(word, b);
}

/* What [thp] needs besides the word, where it doesn't manage anything */
static const char *and_manage(bool managed)
{
	return managed ? "" : "manage = yes and ";
}

static bool memfd_obstacle(const char *shmem, bool managed, char *buf, size_t size)
{
	if (!is_one_of(shmem, "never", "deny"))
		return false;
	snprintf(buf, size,
		 "its memfd gets no transparent huge pages: shmem_enabled is '%s'; set "
		 "%sshmem_enabled = advise in [thp]",
		 shmem, and_manage(managed));
	return true;
}

void thp_rules_huge(const char *options, char word[THP_WORD_SIZE])
{
	const char *at = options, *end;
	size_t len;

	word[0] = '\0';
	for (; at && *at; at = end ? end + 1 : NULL) {
		end = strchr(at, ',');
		len = end ? (size_t)(end - at) : strlen(at);
		if (len > 5 && !memcmp(at, "huge=", 5) && len - 5 < THP_WORD_SIZE) {
			memcpy(word, at + 5, len - 5);
			word[len - 5] = '\0';
		}
	}
}

bool thp_rules_in_tmpfs(const struct host_view *host, const struct step_store *store)
{
	size_t i;

	if (store->mount)
		return !strcmp(store->fstype, "tmpfs");
	for (i = 0; i < host->n_stores; i++)
		if (!strcmp(host->stores[i].config.path, store->path))
			return !strcmp(host->stores[i].state.mount.fstype, "tmpfs");
	return false;
}

static bool tmpfs_obstacle(const struct host_view *host, const struct step_store *store,
			   const char *shmem, bool managed, char *buf, size_t size)
{
	char huge[THP_WORD_SIZE];

	if (!thp_rules_in_tmpfs(host, store) || !strcmp(shmem, "force"))
		return false;
	if (!strcmp(shmem, "deny")) {
		snprintf(
			buf, size,
			"its files in the tmpfs at %s get no transparent huge pages: shmem_enabled "
			"is 'deny'; set %sshmem_enabled = advise in [thp]",
			store->path, and_manage(managed));
		return true;
	}
	snprintf(huge, sizeof(huge), "%s", host->thp.store_huge);
	if (store->mount)
		thp_rules_huge(store->options, huge);
	if (!is_one_of(huge, "", "never"))
		return false;
	snprintf(buf, size,
		 "its files in the tmpfs at %s get no transparent huge pages: it is mounted %s; "
		 "mount it with huge=advise",
		 store->path, *huge ? "with huge=never" : "without huge=");
	return true;
}

static bool anonymous_obstacle(const char *enabled, char *buf, size_t size)
{
	if (strcmp(enabled, "never") != 0)
		return false;
	snprintf(buf, size,
		 "its memory gets no transparent huge pages: enabled is 'never'; set enabled = "
		 "madvise in [thp]");
	return true;
}

bool thp_rules_obstacle(const struct guest *guest, const struct host_view *host,
			const struct step_store *store, const struct config_thp *settings,
			char *buf, size_t size)
{
	const char *enabled = host->thp.thp.enabled, *shmem = host->thp.thp.shmem_enabled;

	if (!host->thp.present)
		return false;
	if (settings && *settings->enabled)
		enabled = settings->enabled;
	if (settings && *settings->shmem_enabled && *shmem)
		shmem = settings->shmem_enabled;
	if (source_kib(guest, GUEST_SOURCE_MEMFD) && memfd_obstacle(shmem, settings, buf, size))
		return true;
	if (store && source_kib(guest, GUEST_SOURCE_FILE) &&
	    tmpfs_obstacle(host, store, shmem, settings, buf, size))
		return true;
	return settings && source_kib(guest, GUEST_SOURCE_ANONYMOUS) &&
	       anonymous_obstacle(enabled, buf, size);
}

bool thp_rules_store_obstacle(const struct guest *guest, const struct host_view *host,
			      const struct store_view *store, const struct config_thp *thp,
			      char *buf, size_t size)
{
	struct step_store step;

	if (store)
		store_step_fill(guest, store, host, &step);
	return thp_rules_obstacle(guest, host, store ? &step : NULL, thp->manage ? thp : NULL, buf,
				  size);
}

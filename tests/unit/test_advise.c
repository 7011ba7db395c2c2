// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Guest x host -> advice, as golden files: tests/unit/golden/advise/ROW.json.
 *
 * REGENERATE=1 rewrites them; read the difference before you commit it.  A row says
 * how much memory is free and in which pieces; the captured host gives the shape.
 */
#include "policy/advise.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "kernel/kfs.h"
#include "lifecycle/view.h"
#include "policy/supply.h"
#include "unit/guest_rows.h"
#include "unit/unit.h"

/*
 * What is different on a host, separated by blanks:
 *		NODE:free=SIZE NODE:cache=SIZE: what could be had;
 *		NODE:whole=SIZE NODE:loose=SIZE: how much of it lies in whole blocks and in
 *		small pieces; NODE:PAGE=TOTAL/FREE; ksm=RUN ksm_saved=SIZE thp=WORD
 *		shmem=WORD store=TYPE:SIZE cma=SIZE ask=BACKING ask_pages=SIZE seen=RANGES
 *		unsure=RANGES no_ksm no_thp no_hpage no_1G running ends
 */

#define KSM "[ksm]\nmanage = yes\n"

/* Of 23.5 GiB: much room, all of it whole */
#define ROOM "0:free=20G 0:cache=1G 0:whole=20G 0:loose=0 "
/* 20 GiB in pieces, which compaction puts together or doesn't */
#define PIECES "0:free=20G 0:cache=1G 0:whole=1G 0:loose=12G "
#define DUST   "0:free=20G 0:cache=1G 0:whole=1G 0:loose=512M "
#define TIGHT  "0:free=5G 0:cache=1G 0:whole=5G 0:loose=0 "
#define ROOM2                                                                                      \
	"0:free=3G 0:cache=0 0:whole=3G 0:loose=0 1:free=3G 1:cache=0 1:whole=3G 1:loose=0 "       \
	"0:2M=0/0 1:2M=0/0 0:1G=0/0 1:1G=0/0 "

static const struct row rows[] = {
	/* -- plain guests -- */
	{ "small", ONE, ROOM, "", GUEST(MIB(1024)) },
	{ "large", ONE, ROOM, "", GUEST(GIB(8)) },
	{ "large-in-pieces", ONE, PIECES, "", GUEST(GIB(8)) },
	{ "large-in-dust", ONE, DUST, "", GUEST(GIB(8)) },
	{ "small-without-thp", ONE, ROOM "no_thp", "", GUEST(MIB(1024)) },
	{ "small-thp-never", ONE, ROOM "thp=never", "", GUEST(MIB(1024)) },
	{ "dust-thp-never", ONE, DUST "thp=never", "", GUEST(GIB(8)) },
	{ "dust-thp-set-by-us", ONE, DUST "thp=never", "[thp]\nmanage = yes\nenabled = madvise\n",
	  GUEST(GIB(8)) },
	{ "locked", ONE, ROOM, "", GUEST(GIB(8) BACKING("<locked/><nosharepages/>")) },
	{ "running", ONE, ROOM "running ends", "", GUEST(GIB(8)) },
	{ "running-unseen", ONE, TIGHT "running", "", GUEST(GIB(8)) },
	/* nothing but plain memory */
	{ "dust-without-thp", ONE, DUST "no_thp", KSM, GUEST(GIB(8)) },
	{ "shared-dust-without-shmem", ONE, DUST "shmem=-", "",
	  GUEST(GIB(8) BACKING("<source type='memfd'/>" SHARED)) },
	/* running guests have not touched all that they may */
	{ "small-beside-promised", ONE, ROOM "promised=20992M", "", GUEST(MIB(1024)) },
	{ "small-beside-less", ONE, ROOM "promised=10G", "", GUEST(MIB(1024)) },
	{ "dust-beside-promised", ONE, DUST "promised=14G", "", GUEST(GIB(8)) },
	{ "vfio-beside-promised", ONE, ROOM "promised=16G", "", GUEST(GIB(8) VFIO) },
	{ "vfio-beside-less", ONE, ROOM "promised=13G", "", GUEST(GIB(8) VFIO) },
	{ "some-idle-beside-promised", ONE, ROOM "promised=14G 0:2M=1100/1000", "",
	  GUEST(GIB(8) VFIO) },
	{ "cma-beside-promised", ONE, ROOM "promised=16G cma=10G", "", GUEST(GIB(8)) },
	{ "huge-beside-promised", ONE, ROOM "promised=16G", "",
	  GUEST(GIB(8) BACKING(PAGES_OF(2, M))) },
	{ "huge-beside-less", ONE, ROOM "promised=13G", "", GUEST(GIB(8) BACKING(PAGES_OF(2, M))) },
	{ "odd-size", ONE, ROOM, "", GUEST(MIB(4097)) },

	/* Not at boot either: all memory is in ZONE_MOVABLE.  Smaller ones are made there */
	{ "movable-1g", ONE, ROOM "0:movable=99G", "",
	  GUEST(GIB(8) BACKING("<hugepages><page size='1' unit='G'/></hugepages>")) },
	{ "movable", ONE, ROOM "0:movable=99G", "", GUEST(GIB(8)) },

	/* -- pools -- */
	{ "idle-2m", ONE, ROOM "0:2M=4096/4096", "", GUEST(GIB(8)) },
	{ "idle-1g", ONE, ROOM "0:1G=8/8 0:2M=4096/4096", "", GUEST(GIB(8)) },
	{ "idle-1g-too-few", ONE, ROOM "0:1G=7/7", "", GUEST(GIB(8)) },
	{ "idle-1g-wasted", ONE, ROOM "0:1G=8/8", "", GUEST(MIB(1025)) },
	{ "some-idle", ONE, ROOM "0:2M=600/500", "", GUEST(GIB(8)) },
	{ "not-managed", ONE, ROOM, "[hugepages]\nmanage = no\n", GUEST(GIB(8)) },
	{ "not-managed-idle", ONE, ROOM "0:2M=4096/4096", "[hugepages]\nmanage = no\n",
	  GUEST(GIB(8)) },
	{ "keep-free", ONE, ROOM "0:2M=4096/4096", "[hugepages]\nkeep_free_2M = 4096\n",
	  GUEST(GIB(8)) },
	{ "cma", ONE, ROOM "cma=10G", "", GUEST(GIB(8)) },
	{ "cma-too-small", ONE, ROOM "cma=4G", "", GUEST(GIB(8)) },
	{ "has-2m", ONE, ROOM, "", GUEST(GIB(8) BACKING(PAGES_OF(2, M) "<locked/>")) },
	{ "has-1g", ONE, ROOM, "", GUEST(GIB(8) BACKING(PAGES_OF(1, G))) },
	{ "no-1g", ONE, ROOM "no_1G", "", GUEST(GIB(16)) },

	/* -- VFIO -- */
	{ "vfio", ONE, ROOM, "", GUEST(GIB(16) VFIO) },
	{ "vfio-small", ONE, ROOM, "", GUEST(MIB(512) VFIO) },
	{ "vfio-1g", ONE, ROOM "0:1G=16/16", "", GUEST(GIB(16) VFIO) },
	{ "vfio-dust", ONE, DUST, "", GUEST(GIB(16) VFIO) },
	{ "vfio-dust-thp-never", ONE, DUST "thp=never", "", GUEST(GIB(16) VFIO) },
	{ "vfio-too-large", ONE, TIGHT, "", GUEST(GIB(16) VFIO) },
	{ "vfio-tight-ksm", ONE, TIGHT "ksm=1 ksm_saved=4G", KSM, GUEST(GIB(4) VFIO) },
	{ "vfio-file", ONE, ROOM "store=xfs:100G", "",
	  GUEST(GIB(8) BACKING("<source type='file'/>") VFIO) },

	{ "vdpa", ONE, ROOM, "", GUEST(GIB(16) "<devices><disk type='vhostvdpa'/></devices>") },

	/* Every page was looked at, and 18 ranges of 1 GiB can be emptied */
	{ "vfio-seen", ONE, ROOM "seen=18", "", GUEST(GIB(12) VFIO) },
	{ "vfio-seen-too-few", ONE, ROOM "seen=11", "", GUEST(GIB(12) VFIO) },
	/* Of pages that no program says it has, some may be pinned for a device */
	{ "vfio-seen-unsure", ONE, ROOM "seen=18 unsure=7", "", GUEST(GIB(12) VFIO) },
	{ "vfio-seen-beside-promised", ONE, ROOM "seen=18 promised=16G", "", GUEST(GIB(12) VFIO) },
	{ "vfio-seen-no-memory", ONE, TIGHT "seen=18", "", GUEST(GIB(12) VFIO) },
	{ "vfio-seen-not-managed", ONE, ROOM "seen=18", "[hugepages]\nmanage = no\n",
	  GUEST(GIB(12) VFIO) },
	{ "seen-not-pinned", ONE, ROOM "seen=18", "", GUEST(GIB(12)) },

	/* -- asked for -- */
	{ "asked-dynamic", ONE, ROOM "ask=dynamic", "", GUEST(MIB(1024)) },
	{ "asked-dynamic-1g", ONE, ROOM "ask=dynamic ask_pages=1G", "", GUEST(GIB(8)) },
	{ "asked-dynamic-dust", ONE, DUST "ask=dynamic ask_pages=2M", "", GUEST(GIB(8)) },
	{ "asked-dynamic-promised", ONE, ROOM "ask=dynamic ask_pages=2M promised=16G", "",
	  GUEST(GIB(8)) },
	{ "asked-dynamic-not-managed", ONE, ROOM "ask=dynamic ask_pages=2M",
	  "[hugepages]\nmanage = no\n", GUEST(GIB(8)) },
	{ "asked-static", ONE, ROOM "ask=static", "", GUEST(GIB(8)) },
	{ "asked-static-idle", ONE, ROOM "0:2M=4096/4096 ask=static ask_pages=2M", "",
	  GUEST(GIB(8)) },
	{ "asked-static-1g", ONE, ROOM "0:2M=4096/4096 ask=static ask_pages=1G", "",
	  GUEST(GIB(8)) },
	/* Its own pages stay, unless others are asked for */
	{ "asked-dynamic-has-1g", ONE, ROOM "ask=dynamic", "",
	  GUEST(GIB(8) BACKING(PAGES_OF(1, G))) },
	{ "asked-static-has-1g", ONE, ROOM "ask=static", "",
	  GUEST(GIB(8) BACKING(PAGES_OF(1, G))) },
	{ "asked-2m-has-1g", ONE, ROOM "ask=dynamic ask_pages=2M", "",
	  GUEST(GIB(8) BACKING(PAGES_OF(1, G))) },
	{ "asked-static-mixed", ONE, ROOM "ask=static", "",
	  GUEST(GIB(4) BACKING(
		  "<hugepages><page size='1' unit='G' nodeset='0'/>"
		  "<page size='2' unit='M' nodeset='1'/></hugepages>") "<cpu><numa><cell memory='2' unit='GiB'/><cell memory='2' unit='GiB'/>"
								       "</numa></cpu>") },
	{ "asked-thp-has-huge", ONE, ROOM "ask=thp", "", GUEST(GIB(8) BACKING(PAGES_OF(2, M))) },
	{ "asked-ksm", ONE, ROOM "ask=ksm", "", GUEST(GIB(8)) },
	{ "asked-ksm-vfio", ONE, ROOM "ask=ksm", "", GUEST(GIB(8) VFIO) },
	{ "asked-file", ONE, ROOM "store=xfs:100G ask=file", "", GUEST(GIB(8)) },
	{ "asked-overcommit", TWO, ROOM2 "uffd=1 ask=overcommit", "", GUEST(MIB(1024)) },
	{ "asked-dynamic-snp", ONE, ROOM "ask=dynamic ask_pages=2M", "",
	  GUEST(GIB(8) "<launchSecurity type='sev-snp'/>") },
	{ "asked-dynamic-too-large", ONE, TIGHT "ask=dynamic ask_pages=2M", "", GUEST(GIB(16)) },

	/* -- encrypted -- */
	{ "sev", ONE, ROOM, "", GUEST(GIB(8) "<launchSecurity type='sev'/>") },
	{ "snp", ONE, ROOM "0:2M=4096/4096 shmem=advise", "",
	  GUEST(GIB(8) BACKING(
		  "<source type='memfd'/>" SHARED) "<launchSecurity type='sev-snp'/>") },
	{ "tdx-huge", ONE, ROOM, "",
	  GUEST(GIB(8) BACKING(PAGES_OF(2, M)) "<launchSecurity type='tdx'/>") },
	{ "tdx-too-large", ONE, TIGHT "store=xfs:100G", "",
	  GUEST(GIB(16) "<launchSecurity type='tdx'/>") },
	{ "s390-pv", ONE, ROOM, "",
	  GUEST(GIB(4) "<os><type arch='s390x'>hvm</type></os>"
		       "<launchSecurity type='s390-pv'/>") },
	{ "s390-hpage-0", ONE, ROOM "no_hpage", "",
	  GUEST(GIB(4) BACKING("<hugepages/>") "<os><type arch='s390x'>hvm</type></os>") },

	/* -- back ends that map the memory -- */
	{ "vhostuser", ONE, ROOM, "", GUEST(GIB(8) VHOST) },
	{ "vhostuser-small", ONE, ROOM "shmem=advise", "", GUEST(GIB(1) VHOST) },
	{ "vhostuser-huge-private", ONE, ROOM, "", GUEST(GIB(8) BACKING(PAGES_OF(2, M)) VHOST) },
	{ "vhostuser-huge-shared", ONE, ROOM, "",
	  GUEST(GIB(8) BACKING(PAGES_OF(2, M) SHARED) VHOST) },
	{ "vhostuser-tight", ONE, TIGHT "ksm=1 ksm_saved=4G shmem=advise", KSM,
	  GUEST(GIB(4) VHOST) },
	{ "vhostuser-dust", ONE, DUST "shmem=-", "", GUEST(GIB(8) VHOST) },
	{ "vhostuser-cells", ONE, ROOM, "",
	  GUEST(GIB(4) BACKING(SHARED) "<cpu><numa><cell memory='2' unit='GiB'/>"
				       "<cell memory='2' unit='GiB' memAccess='private'/></numa>"
				       "</cpu>" VHOST) },

	/* -- what an administrator wrote -- */
	{ "small-huge", ONE, ROOM, "", GUEST(MIB(1024) BACKING(PAGES_OF(2, M))) },
	{ "huge-bare", ONE, ROOM "ksm=1 ksm_saved=4G", KSM,
	  GUEST(MIB(512) BACKING("<hugepages/>")) },
	{ "huge-mixed", ONE, ROOM "0:1G=2/2", "",
	  GUEST(GIB(4) BACKING(
		  "<hugepages><page size='1' unit='G' nodeset='0'/>"
		  "<page size='2' unit='M' nodeset='1'/></hugepages>") "<cpu><numa><cell memory='2' unit='GiB'/><cell memory='2' unit='GiB'/>"
								       "</numa></cpu>") },
	{ "huge-dust", ONE, DUST, "", GUEST(GIB(8) BACKING(PAGES_OF(2, M))) },
	{ "huge-and-anonymous", ONE, ROOM, "",
	  GUEST(GIB(8) BACKING(PAGES_OF(2, M) "<source type='anonymous'/>"
					      "<allocation mode='ondemand'/>")) },
	{ "past-libvirt", ONE, ROOM, "",
	  GUEST(GIB(8) "<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'>"
		       "<arg value='-mem-path'/><arg value='/dev/hugepages'/></commandline>") },

	/* -- memory is short -- */
	{ "tight", ONE, TIGHT, "", GUEST(GIB(4)) },
	{ "tight-nosharepages", ONE, TIGHT, "", GUEST(GIB(4) BACKING("<nosharepages/>")) },
	{ "tight-huge", ONE, TIGHT, "", GUEST(GIB(4) BACKING(PAGES_OF(2, M) "<locked/>")) },
	{ "tight-shared", ONE, TIGHT "shmem=advise", "",
	  GUEST(GIB(4) BACKING("<source type='memfd'/>" SHARED)) },
	{ "tight-ksm-managed", ONE, TIGHT, KSM, GUEST(GIB(4)) },
	{ "tight-without-ksm", ONE, TIGHT "no_ksm", "", GUEST(GIB(4)) },
	{ "tight-ksm-not-allowed", ONE, TIGHT, KSM "enable = never\n", GUEST(GIB(4)) },
	{ "tight-ksm-of-others", ONE, TIGHT "ksm=1", "[ksm]\nmanage = no\n", GUEST(GIB(4)) },
	{ "tight-idle-pool", ONE, TIGHT "0:2M=2048/2048", "", GUEST(GIB(4)) },
	{ "ksm-saves", ONE, ROOM "ksm=1 ksm_saved=3G", KSM, GUEST(GIB(4)) },
	{ "too-large", ONE, TIGHT, "", GUEST(GIB(16)) },
	{ "too-large-store", ONE, TIGHT "store=xfs:100G", "", GUEST(GIB(16)) },
	{ "too-large-store-full", ONE, TIGHT "store=xfs:10G", "", GUEST(GIB(16)) },
	{ "too-large-store-in-ram", ONE, TIGHT "store=tmpfs:100G", "", GUEST(GIB(16)) },
	/* A tmpfs, and its own way to transparent huge pages is closed */
	{ "store-in-ram", ONE, ROOM "store=tmpfs:16G shmem=advise", "", GUEST(GIB(1)) },
	{ "too-large-pool", ONE, TIGHT "0:2M=8192/8192", "", GUEST(GIB(16)) },

	/* -- shared memory -- */
	{ "shared", ONE, ROOM, "", GUEST(GIB(1) BACKING("<source type='memfd'/>" SHARED)) },
	{ "shared-advise", ONE, ROOM "shmem=advise", "",
	  GUEST(GIB(1) BACKING("<source type='memfd'/>" SHARED)) },
	{ "shared-huge-dust", ONE, DUST "shmem=advise", "",
	  GUEST(GIB(8) BACKING(PAGES_OF(2, M) SHARED)) },

	/* -- nodes -- */
	{ "two-nodes", TWO, ROOM2, "", GUEST(GIB(4)) },
	{ "bound", TWO, ROOM2 "0:whole=0 0:loose=0", "", GUEST(GIB(2) ON("strict", "0")) },
	{ "bound-to-the-other", TWO, ROOM2 "0:whole=0 0:loose=0", "",
	  GUEST(GIB(2) ON("strict", "1")) },
	{ "bound-to-none", ONE, ROOM, "", GUEST(GIB(4) ON("strict", "5")) },
	{ "bound-cells-1g", TWO, ROOM2, "",
	  GUEST(GIB(3) "<numatune><memnode cellid='0' mode='strict' nodeset='0'/>"
		       "<memnode cellid='1' mode='strict' nodeset='1'/></numatune><cpu><numa>"
		       "<cell id='0' memory='1' unit='GiB'/><cell id='1' memory='2' unit='GiB'/>"
		       "</numa></cpu>" VFIO) },

	/* -- the pager -- */
	{ "paged-possible", TWO, ROOM2 "uffd=1", "", GUEST(MIB(1024)) },
	{ "paged-configured", TWO, ROOM2 "uffd=1",
	  "[overcommit]\nenable = yes\n[guest]\nmatch = g\novercommit.resident = 60%\n",
	  GUEST(MIB(1024)) },
	/* Its own huge pages, or VFIO: what the configuration says can't be done */
	{ "paged-configured-vfio", TWO, ROOM2 "uffd=1",
	  "[overcommit]\nenable = yes\n[guest]\nmatch = g\novercommit.resident = 60%\n",
	  GUEST(MIB(1024) VFIO) },
	/* 7 GiB, of which memory has 6 */
	{ "paged-for-the-short", TWO, ROOM2 "uffd=1", "[overcommit]\ntiers = ram:3600M\n",
	  GUEST(GIB(7)) },
	{ "paged-no-tiers", TWO, ROOM2 "uffd=1", "[overcommit]\ntiers = ram:1G\nfloor = 10%\n",
	  GUEST(MIB(9000)) },
	{ "idle-on-the-other", TWO, ROOM2 "1:2M=1024/1024", "", GUEST(GIB(2) ON("strict", "0")) },
};

/* ---- the host of a row ---- */

struct question {
	struct host_view host;
	struct fragmentation fragmentation;
	struct guest_policy policy;
	struct guest *guest;
	struct guest_variant variants[ADVISE_SHAPES];
	struct memory_promise promise;
	struct store_view store;
	struct advise_input in;
	struct advice advice;
};

static void read_host(const char *name, struct question *q)
{
	struct err err = { "" };
	char path[512];
	struct kfs kfs;
	size_t i;

	snprintf(path, sizeof(path), "%s/hosts/%s", TESTS_DIR, name);
	CU_ASSERT_FATAL(kfs_open(&kfs, path, &err) == 0);
	CU_ASSERT_FATAL(view_read(&kfs, &q->host, &err) == 0);
	q->host.hugetlbfs.hook_mounts = true;
	CU_ASSERT_FATAL(fragmentation_read(&kfs, &q->fragmentation, &err) == 0);
	q->in.has_ksm = ksm_read(&kfs, &q->in.ksm, &err) == 0;
	q->in.has_thp = thp_read(&kfs, &q->in.thp, &err) == 0;
	q->host.thp = (struct thp_view){ .present = q->in.has_thp, .thp = q->in.thp };
	gigantic_read(&kfs, &q->in.gigantic);
	kfs_close(&kfs);
	/* All memory of a node in the last of its zones, without a kernel in it */
	for (i = 0; i < q->fragmentation.n_zones; i++) {
		struct fragmentation_zone *zone = &q->fragmentation.zones[i];

		memset(zone->free, 0, sizeof(zone->free));
		memset(zone->fixed_free, 0, sizeof(zone->fixed_free));
		zone->spare = 0;
		zone->kernel = 0;
		zone->fixed_blocks = 0;
	}
	/* An implicit store, as a host without [store] has it */
	q->store.in_use = true;
	q->store.state.present = true;
	q->store.state.root = true;
	q->store.state.traversable = true;
	q->store.state.available_kib = q->store.state.capacity_kib = 100 * KIB_PER_GIB;
	snprintf(q->store.config.path, sizeof(q->store.config.path), QEMU_CONF_RAM_DIR);
	q->host.stores_read = true;
	q->host.n_stores = 1;
	q->host.stores = &q->store;
}

static struct fragmentation_zone *last_zone(struct question *q, unsigned int node)
{
	struct fragmentation_zone *zone = NULL;
	size_t i;

	for (i = 0; i < q->fragmentation.n_zones; i++)
		if (q->fragmentation.zones[i].node == node)
			zone = &q->fragmentation.zones[i];
	CU_ASSERT_PTR_NOT_NULL_FATAL(zone);
	return zone;
}

static bool set_node(struct question *q, unsigned int id, const char *key, const char *value)
{
	struct numa_node *node = (struct numa_node *)numa_find(&q->host.numa, id);
	struct fragmentation_zone *zone = last_zone(q, id);

	zone->spare = node->total_kib / 4;
	if (!strcmp(key, "free")) {
		node->free_kib = row_kib(value);
		node->percpu_kib = 0;
	} else if (!strcmp(key, "cache")) {
		node->file_kib = node->reclaimable_kib = row_kib(value);
	} else if (!strcmp(key, "whole")) {
		zone->free[9] = row_kib(value) / 2048;
	} else if (!strcmp(key, "loose")) {
		zone->free[0] = row_kib(value) / 4;
	} else if (!strcmp(key, "movable")) {
		node->movable_kib = row_kib(value);
		node->movable_free_kib = u64_min(node->movable_kib, node->free_kib);
	} else {
		return false;
	}
	return true;
}

static void set_store(struct question *q, const char *type, const char *size)
{
	struct store_state *state = &q->store.state;

	q->store.configured = true;
	state->mountpoint = true;
	state->root = false;
	state->in_ram = !strcmp(type, "tmpfs");
	state->capacity_kib = state->free_kib = state->available_kib = row_kib(size);
	snprintf(state->mount.fstype, sizeof(state->mount.fstype), "%s", type);
	snprintf(q->store.config.name, sizeof(q->store.config.name), "s");
	snprintf(q->store.config.path, sizeof(q->store.config.path), "/srv/s");
	q->store.config.mount = MOUNT_NEVER;
}

/* As if every page of the first node had been looked at.  Nothing else is counted there */
static struct fragmentation_ranges *look(struct question *q)
{
	struct fragmentation *f = &q->fragmentation;

	f->exact = true;
	f->n_sizes = 1;
	f->sizes[0] = 1024 * 1024;
	return &last_zone(q, 0)->ranges[0];
}

static bool set_wish(struct question *q, const char *key, const char *value)
{
	struct advise_wish *wish = &q->in.wish;

	if (!strcmp(key, "ask")) {
		wish->given = true;
		wish->backing = advise_find(value);
		return wish->backing != ADVISE_BACKINGS;
	}
	if (!strcmp(key, "ask_pages"))
		wish->page_kib = row_kib(value);
	else if (!strcmp(key, "seen"))
		look(q)->movable = look(q)->whole = (uint64_t)atoi(value);
	else if (!strcmp(key, "unsure")) {
		look(q)->unsure = (uint64_t)atoi(value);
		last_zone(q, 0)->unmarked = last_zone(q, 0)->per_cpu * 2 + 4096;
	} else
		return false;
	return true;
}

static bool set_kernel(struct question *q, const char *key, const char *value)
{
	if (!strcmp(key, "ksm"))
		q->in.ksm.run = (uint64_t)atoi(value);
	else if (!strcmp(key, "ksm_saved"))
		q->in.ksm.saved_kib = (int64_t)row_kib(value);
	else if (!strcmp(key, "promised")) {
		q->promise.promised_kib = row_kib(value);
		q->host.memory = &q->promise;
		q->host.n_memory = 1;
	} else if (!strcmp(key, "uffd"))
		q->host.overcommit.device = atoi(value);
	else if (!strcmp(key, "thp"))
		snprintf(q->in.thp.enabled, sizeof(q->in.thp.enabled), "%s", value);
	else if (!strcmp(key, "shmem"))
		snprintf(q->in.thp.shmem_enabled, sizeof(q->in.thp.shmem_enabled), "%s",
			 strcmp(value, "-") != 0 ? value : "");
	else if (!strcmp(key, "cma")) {
		q->in.gigantic.cma = true;
		q->in.gigantic.cma_total_kib = q->in.gigantic.cma_free_kib = row_kib(value);
		snprintf(q->in.gigantic.hugetlb_cma, sizeof(q->in.gigantic.hugetlb_cma), "%s",
			 value);
	} else
		return false;
	return true;
}

static bool set_word(struct question *q, const char *word)
{
	char key[32], value[32], page[8];
	uint64_t total, free_pages;
	unsigned int node;

	if (sscanf(word, "%u:%7[0-9MG]=%" SCNu64 "/%" SCNu64, &node, page, &total, &free_pages) ==
	    4) {
		struct pool_view *pool = host_view_pool(&q->host, row_kib(page), node);

		CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
		pool->pool.total = total;
		pool->pool.free = free_pages;
		return true;
	}
	if (sscanf(word, "%u:%31[a-z]=%31s", &node, key, value) == 3)
		return set_node(q, node, key, value);
	if (sscanf(word, "store=%31[a-z0-9]:%31s", key, value) == 2)
		set_store(q, key, value);
	else if (sscanf(word, "%31[a-z_]=%31s", key, value) == 2)
		return set_wish(q, key, value) || set_kernel(q, key, value);
	else if (!strcmp(word, "no_ksm"))
		q->in.has_ksm = false;
	else if (!strcmp(word, "no_thp"))
		q->in.has_thp = false;
	else if (!strcmp(word, "running"))
		q->in.running = true;
	else if (!strcmp(word, "ends"))
		q->in.ends = true;
	else if (!strcmp(word, "no_hook"))
		q->host.hugetlbfs.hook_mounts = false;
	else if (!strcmp(word, "no_hpage"))
		q->host.kvm_refuses_hugepages = true;
	else if (!strcmp(word, "no_1G")) {
		free(q->host.sizes[1].pools);
		q->host.n_sizes = 1;
	} else
		return false;
	return true;
}

static void set_numbers(struct question *q, const char *numbers)
{
	cleanup_free char *copy = strdup(numbers);
	char *word, *save = NULL;

	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		UNIT_CHECK(set_word(q, word), "not understood: '%s'", word);
}

/* ---- one question ---- */

static void make_variants(const struct row *row, struct question *q)
{
	int shape;

	for (shape = 0; shape < ADVISE_SHAPES; shape++) {
		const struct guest_backing want = advise_want((enum advise_shape)shape, &q->in);
		struct err err = { "" };

		if (want.kind == GUEST_BACKING_HUGEPAGES && !want.page_kib)
			continue;
		if (shape == ADVISE_KEPT && !guest_asks_for_hugepages(q->guest))
			continue;
		UNIT_CHECK(guest_variant_make(row->guest, strlen(row->guest), q->guest, &want,
					      &q->variants[shape], &err) == 0,
			   "%s: %s", row->name, err.text);
	}
}

static void ask(const struct row *row, struct question *q)
{
	cleanup_config struct config *config = NULL;
	struct err err = { "" };

	memset(q, 0, sizeof(*q));
	read_host(row->host, q);
	set_numbers(q, row->numbers);
	CU_ASSERT_FATAL(guest_parse(row->guest, strlen(row->guest), &q->guest, &err) == 0);
	CU_ASSERT_FATAL(
		config_parse_buffer("conf", row->config, strlen(row->config), &config, &err) == 0);
	CU_ASSERT_FATAL(config_for_guest(config, q->guest, &q->policy, &err) == 0);
	q->in.guest = q->guest;
	q->in.variants = q->variants;
	q->in.host = &q->host;
	make_variants(row, q);
	q->in.fragmentation = &q->fragmentation;
	q->in.policy = &q->policy;
	supply_survey(&q->host, &q->fragmentation);
	UNIT_CHECK(advise_make(&q->in, &q->advice, &err) == 0, "%s: %s", row->name, err.text);
}

static void forget(struct question *q)
{
	int i;

	for (i = 0; i < ADVISE_SHAPES; i++)
		guest_variant_free(&q->variants[i]);
	guest_free(q->guest);
	fragmentation_free(&q->fragmentation);
	q->host.memory = NULL;
	q->host.stores = NULL;
	q->host.n_stores = 0;
	view_free(&q->host);
}

/* ---- golden files ---- */

static json_t *given_to_json(const struct row *row)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "host", row->host, "numbers", row->numbers,
			 "config", row->config, "guest", row->guest);
}

static json_t *option_to_json(const struct advise_option *option)
{
	static const char *const words[] = { "no", "later", "yes" };

	return json_pack("{s:s, s:s, s:I}", "possible", words[option->verdict], "why", option->why,
			 "page_kib", (json_int_t)option->page_kib);
}

static json_t *size_to_json(const struct advise_size *size)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "page_kib",
			 (json_int_t)size->page_kib, "pages", (json_int_t)size->pages, "tables_kib",
			 (json_int_t)size->tables_kib, "waste_kib", (json_int_t)size->waste_kib,
			 "idle", (json_int_t)size->idle, "now", (json_int_t)size->now, "more",
			 (json_int_t)size->more);
}

static json_t *advice_to_json(const struct question *q)
{
	json_t *sizes = json_array(), *options = json_object(), *reasons = json_array();
	json_t *root = json_pack("{s:s, s:o, s:o, s:o}", "chosen", advise_name(q->advice.chosen),
				 "reasons", reasons, "options", options, "sizes", sizes);
	size_t i;

	for (i = 0; i < q->advice.n_sizes; i++)
		json_array_append_new(sizes, size_to_json(&q->advice.sizes[i]));
	for (i = 0; i < ADVISE_BACKINGS; i++)
		json_object_set_new(options, advise_name((enum advise_backing)i),
				    option_to_json(&q->advice.options[i]));
	for (i = 0; i < q->advice.n_reasons; i++)
		json_array_append_new(reasons, json_string(q->advice.reasons[i]));
	if (q->in.wish.given) {
		const struct guest_variant *variant = &q->variants[q->advice.asked.shape];

		json_object_set_new(root, "asked",
				    json_pack("{s:o, s:s, s:s, s:b}", "option",
					      option_to_json(&q->advice.asked), "xml",
					      variant->block, "removes", variant->removed,
					      "changes", variant->changed));
	}
	if (q->advice.chosen != ADVISE_BACKINGS)
		json_object_set_new(
			root, "xml",
			json_string(q->variants[q->advice.options[q->advice.chosen].shape].block));
	return root;
}

static void compare_golden(const struct row *row, const struct question *q)
{
	cleanup_json json_t *root = json_object();

	json_object_set_new(root, "given", given_to_json(row));
	json_object_set_new(root, "advice", advice_to_json(q));
	row_compare_golden("advise", row->name, root);
}

/* ---- what is true of every advice ---- */

static void check_always(const struct row *row, const struct question *q)
{
	const struct advice *advice = &q->advice;
	int i;

	UNIT_CHECK(advice->n_reasons > 0, "%s: no reason", row->name);
	for (i = 0; i < ADVISE_BACKINGS; i++)
		UNIT_CHECK(*advice->options[i].why, "%s: %s has no words", row->name,
			   advise_name((enum advise_backing)i));
	if (advice->chosen == ADVISE_BACKINGS)
		return;
	UNIT_CHECK(advice->options[advice->chosen].verdict != ADVISE_NO, "%s: not possible",
		   row->name);
	UNIT_CHECK(q->variants[advice->options[advice->chosen].shape].guest, "%s: no XML",
		   row->name);
}

/* A table takes a page: of 64 KiB it has 8192 entries.  There a page of 2 MiB is 32 of them */
static void test_tables(void)
{
	static const struct {
		uint64_t base_kib;
		uint64_t tables_kib[3];
	} hosts[] = {
		{ 4, { 16384 + 32 + 4, 32 + 4, 4 } },
		{ 16, { 4096 + 32, 4096 + 32, 32 } },
		{ 64, { 1024 + 64, 1024 + 64, 64 } },
	};
	static const struct row row = { "tables", ONE, ROOM, "", GUEST(GIB(8)) };
	struct err err = { "" };
	struct question q;
	size_t i, j;

	ask(&row, &q);
	for (i = 0; i < ROWS(hosts); i++) {
		q.fragmentation.page_kib = hosts[i].base_kib;
		UNIT_CHECK(advise_make(&q.in, &q.advice, &err) == 0, "%s", err.text);
		CU_ASSERT_EQUAL_FATAL(q.advice.n_sizes, 3);
		for (j = 0; j < 3; j++)
			UNIT_CHECK(q.advice.sizes[j].tables_kib == hosts[i].tables_kib[j],
				   "%" PRIu64 " KiB, size %zu: %" PRIu64, hosts[i].base_kib, j,
				   q.advice.sizes[j].tables_kib);
	}
	forget(&q);
}

static void test_rows(void)
{
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		struct question q;

		ask(&rows[i], &q);
		compare_golden(&rows[i], &q);
		check_always(&rows[i], &q);
		forget(&q);
	}
}

/* 8 GiB: 2,097,152 pages of 4 KiB in 4096 + 8 + 1 tables; 4096 of 2 MiB in 8 + 1; 8 of
 * 1 GiB in one */
static void test_page_tables(void)
{
	static const struct row row = { "tables", ONE, ROOM, "", GUEST(GIB(8)) };
	static const uint64_t want[][3] = { { 4, 2097152, 4105 * 4 },
					    { 2048, 4096, 9 * 4 },
					    { 1048576, 8, 4 } };
	struct question q;
	size_t i;

	ask(&row, &q);
	CU_ASSERT_EQUAL_FATAL(q.advice.n_sizes, 3);
	for (i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(q.advice.sizes[i].page_kib, want[i][0]);
		CU_ASSERT_EQUAL(q.advice.sizes[i].pages, want[i][1]);
		CU_ASSERT_EQUAL(q.advice.sizes[i].tables_kib, want[i][2]);
	}
	forget(&q);
}

/* The advice put into the guest, the next advice is the same and changes nothing */
static void test_again(void)
{
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const struct guest_variant *variant;
		struct question first, second;
		struct row row = rows[i];

		ask(&row, &first);
		if (first.advice.chosen != ADVISE_BACKINGS) {
			variant = &first.variants[first.advice.options[first.advice.chosen].shape];
			row.guest = variant->xml;
			ask(&row, &second);
			UNIT_CHECK_STR(advise_name(second.advice.chosen),
				       advise_name(first.advice.chosen), "%s", row.name);
			if (second.advice.chosen == first.advice.chosen)
				UNIT_CHECK(
					!second.variants[second.advice.options[second.advice.chosen]
								 .shape]
						 .changed,
					"%s", row.name);
			forget(&second);
		}
		forget(&first);
	}
}

static CU_TestInfo tests[] = {
	{ "golden advice", test_rows },
	{ "pages and their tables", test_page_tables },
	{ "tables where pages are larger", test_tables },
	{ "twice is the same", test_again },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_advise", tests);
}

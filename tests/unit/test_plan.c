// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Guest x host x policy -> plan, as golden files: tests/unit/golden/plan/ROW.json.
 *
 * REGENERATE=1 rewrites them; read the difference before you commit it.  A row
 * gives the host's numbers itself, the captured host only its shape: a new
 * capture must not change what is expected.
 */
#include "policy/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "kernel/kfs.h"
#include "lifecycle/view.h"
#include "steps/steps.h"
#include "unit/guest_rows.h"
#include "unit/unit.h"

/*
 * What is different on a host, separated by blanks:
 *	NODE:free=SIZE NODE:reclaimable=SIZE NODE:anon=SIZE NODE:total=SIZE NODE:movable=SIZE
 *	NODE:cpus=LIST (- for none) swap=SIZE arc=SIZE online=LIST
 *	NODE:PAGE=TOTAL/FREE/SURPLUS NODE:PAGE:claimed=N NODE:PAGE:own=N NODE:PAGE:ever=N
 *	NODE:PAGE:whole=N PAGE:reserved=N PAGE:covered=N PAGE:memfd=N, with PAGE 2M or 1G
 *	add=NODE, as the last one is
 *	hugetlbfs=PAGE[:max=SIZE][:min=SIZE][:left=SIZE], each one more
 *	mounts=any|none|conf|final: what is known of them (any: our hook mounts more)
 */

/* ---- guests ---- */

#define HUGEPAGES(pages) BACKING("<hugepages>" pages "</hugepages>")

/* Cell 0 and cell 1 each on nodes of its own */
#define MEMNODE(cell, mode, nodes)                                                                 \
	"<memnode cellid='" #cell "' mode='" mode "' nodeset='" nodes "'/>"
#define TUNE(tune) "<numatune>" tune "</numatune>"

/* ---- hosts ---- */

/* 4 GiB and 3 GiB free and nothing to be made */
#define EMPTY_TWO                                                                                  \
	"0:free=4G 0:reclaimable=0 0:anon=0 1:free=3G 1:reclaimable=0 1:anon=0 swap=0 "            \
	"0:2M=0/0/0 1:2M=0/0/0 0:1G=0/0/0 1:1G=0/0/0 2M:reserved=0 1G:reserved=0 "
#define EMPTY_ONE                                                                                  \
	"0:free=8G 0:reclaimable=0 0:anon=0 swap=0 0:2M=0/0/0 0:1G=0/0/0 2M:reserved=0 "           \
	"1G:reserved=0 "

static const struct row rows[] = {
	/* -- what a guest asks for -- */
	{ "nothing", ONE, EMPTY_ONE, "", "plain" },
	{ "memfd-without-hugepages", ONE, EMPTY_ONE, "", "memfd" },
	{ "default-size", ONE, EMPTY_ONE, "", "hugepages-default" },
	{ "system-page-size", ONE, EMPTY_ONE, "", "hugepages-system-size" },
	{ "memfd-hugepages", ONE, EMPTY_ONE, "", "memfd-hugepages" },
	{ "one-page", ONE, EMPTY_ONE, "", GUEST(MIB(1) PAGES_2M) },
	/* libvirt makes it 1025 MiB, which is 513 pages */
	{ "rounded-up", ONE, EMPTY_ONE, "", "hugepages-2m" },
	/* each cell is rounded up by itself: 3 x 1 page, not 2 */
	{ "cells-rounded-up", ONE, EMPTY_ONE, "",
	  GUEST(MIB(3) PAGES_2M CELLS(CELL(0, 1) CELL(1, 1) CELL(2, 1))) },
	{ "1g-rounded-up", ONE, EMPTY_ONE, "", GUEST(MIB(1025) PAGES_1G) },
	{ "one-cell-of-two", ONE, EMPTY_ONE, "", "cells-part" },
	{ "several-sizes", TWO, EMPTY_TWO, "",
	  GUEST(MIB(3072)
			HUGEPAGES("<page size='1' unit='G' nodeset='1'/><page size='2' unit='M'/>")
				CELLS(CELL(0, 1024) CELL(1, 2048))) },
	{ "auto-placement", TWO, EMPTY_TWO, "", "auto-placement" },
	{ "dimm", TWO, EMPTY_TWO, "",
	  GUEST(MIB(1536) PAGES_2M CELLS(CELL(0, 1024)) DEVICES(
		  "<memory model='dimm'><target><size unit='MiB'>512</size><node>0</node></target>"
		  "</memory>")) },
	{ "dimm-of-1g-on-another-node", TWO, EMPTY_TWO, "",
	  GUEST(GIB(2) PAGES_2M ON("strict", "0") CELLS(CELL(0, 1024)) DEVICES(
		  "<memory model='dimm'><source><pagesize unit='GiB'>1</pagesize>"
		  "<nodemask>1</nodemask></source>"
		  "<target><size unit='GiB'>1</size><node>0</node></target></memory>")) },
	/* 256 MiB of 2 GiB are plugged at the start */
	{ "virtio-mem", TWO, EMPTY_TWO, "",
	  GUEST(GIB(3) PAGES_2M CELLS(CELL(0, 1024)) DEVICES(
		  "<memory model='virtio-mem'><target><size unit='GiB'>2</size><node>0</node>"
		  "<block unit='MiB'>2</block><requested unit='MiB'>256</requested></target>"
		  "</memory>")) },
	{ "virtio-mem-unplugged", TWO, EMPTY_TWO, "",
	  GUEST(GIB(3) PAGES_2M CELLS(CELL(0, 1024)) DEVICES(
		  "<memory model='virtio-mem'><target><size unit='GiB'>2</size><node>0</node>"
		  "<block unit='MiB'>2</block><requested unit='MiB'>0</requested></target>"
		  "</memory>")) },
	{ "nvdimm-is-not-ours", ONE, EMPTY_ONE, "", "devices-no-cells" },

	/* -- where -- */
	{ "any", TWO, EMPTY_TWO, "", GUEST(GIB(2) PAGES_2M) },
	{ "any-spills-over", TWO, EMPTY_TWO, "", GUEST(GIB(6) PAGES_2M) },
	{ "strict-node-0", TWO, EMPTY_TWO, "", GUEST(GIB(2) PAGES_2M ON("strict", "0")) },
	{ "strict-node-1", TWO, EMPTY_TWO, "", GUEST(GIB(2) PAGES_2M ON("strict", "1")) },
	{ "strict-both", TWO, EMPTY_TWO, "", GUEST(GIB(5) PAGES_2M ON("strict", "0-1")) },
	{ "strict-1g", TWO, EMPTY_TWO, "", GUEST(GIB(2) PAGES_1G ON("strict", "1")) },
	{ "restrictive-node-1", TWO, EMPTY_TWO, "", GUEST(GIB(2) PAGES_2M ON("restrictive", "1")) },
	{ "preferred-node-1", TWO, EMPTY_TWO, "", GUEST(GIB(2) PAGES_2M ON("preferred", "1")) },
	{ "preferred-spills-over", TWO, EMPTY_TWO, "",
	  GUEST(GIB(4) PAGES_2M ON("preferred", "1")) },
	/* idle pages on another node do not draw it away from the node it prefers */
	{ "preferred-over-idle-elsewhere", TWO, EMPTY_TWO "0:2M=1024/1024/0", "",
	  GUEST(GIB(2) PAGES_2M ON("preferred", "1")) },
	/* but before cache is thrown away on it, others are asked */
	{ "preferred-over-reclaim", TWO, EMPTY_TWO "1:free=1G 1:reclaimable=2G", "",
	  GUEST(GIB(2) PAGES_2M ON("preferred", "1")) },
	{ "interleave", TWO, EMPTY_TWO, "", GUEST(GIB(2) PAGES_2M ON("interleave", "0-1")) },
	{ "interleave-odd", TWO, EMPTY_TWO, "", GUEST(MIB(6) PAGES_2M ON("interleave", "0-1")) },
	{ "interleave-uneven-nodes", TWO, EMPTY_TWO "1:free=512M", "",
	  GUEST(GIB(3) PAGES_2M ON("interleave", "0-1")) },
	{ "interleave-idle-on-one", TWO, EMPTY_TWO "1:2M=2048/2048/0", "",
	  GUEST(GIB(2) PAGES_2M ON("interleave", "0-1")) },
	{ "cells-on-nodes-of-their-own", TWO, EMPTY_TWO, "",
	  GUEST(GIB(4) PAGES_2M CELLS(CELL(0, 2048) CELL(1, 2048))
			TUNE(MEMNODE(0, "strict", "0") MEMNODE(1, "strict", "1"))) },
	/* the unbound cell would otherwise take node 0, the emptiest, from the bound one */
	{ "bound-and-unbound-cell", TWO, EMPTY_TWO, "",
	  GUEST(GIB(6) PAGES_2M CELLS(CELL(0, 3072) CELL(1, 3072))
			TUNE(MEMNODE(1, "strict", "0"))) },
	{ "bound-and-unbound-cell-idle", TWO, EMPTY_TWO "0:2M=1536/1536/0 0:free=1G", "",
	  GUEST(GIB(6) PAGES_2M CELLS(CELL(0, 3072) CELL(1, 3072))
			TUNE(MEMNODE(1, "strict", "0"))) },

	/* 4 pages on three nodes are 2/1/1, whatever is the emptiest */
	{ "interleave-three", TWO, EMPTY_TWO "add=2 2:free=8G", "",
	  GUEST(MIB(8) PAGES_2M ON("interleave", "0-2")) },
	{ "interleave-three-five-pages", TWO, EMPTY_TWO "add=2 2:free=8G 1:2M=9/9/0", "",
	  GUEST(MIB(10) PAGES_2M ON("interleave", "0-2")) },
	/* the kernel begins anew with each backend: 4/2/2 and not 3/3/2 */
	{ "interleave-two-cells", TWO, EMPTY_TWO "add=2", "",
	  GUEST(MIB(16) PAGES_2M ON("interleave", "0-2") CELLS(CELL(0, 8) CELL(1, 8))) },
	{ "interleave-idle-not-beyond-its-turn", TWO, EMPTY_TWO "add=2 0:2M=9/9/0 2:2M=9/9/0", "",
	  GUEST(MIB(10) PAGES_2M ON("interleave", "0-2")) },

	/* -- processors, and nodes without them -- */
	{ "cpuless-is-the-emptiest", TWO, EMPTY_TWO "add=2 2:free=200G 2:cpus=-", "",
	  GUEST(GIB(2) PAGES_2M) },
	/* all that nodes with processors have, and what can be made free there, comes first */
	{ "cpuless-only-for-the-rest", TWO,
	  EMPTY_TWO "0:free=1G 1:free=1G 1:reclaimable=1G add=2 2:free=200G 2:cpus=- "
		    "2:2M=512/512/0",
	  "", GUEST(GIB(5) PAGES_2M) },
	{ "cpuless-before-swap", TWO,
	  EMPTY_TWO "0:free=1G 1:free=1G 0:anon=8G swap=8G add=2 2:free=200G 2:anon=0 2:cpus=-", "",
	  GUEST(GIB(4) PAGES_2M) },
	{ "cpuless-bound", TWO, EMPTY_TWO "add=2 2:free=200G 2:cpus=-", "",
	  GUEST(GIB(2) PAGES_2M ON("strict", "2")) },
	{ "cpuless-preferred", TWO, EMPTY_TWO "add=2 2:free=200G 2:cpus=-", "",
	  GUEST(GIB(2) PAGES_2M ON("preferred", "2")) },
	{ "cpuless-beside-preferred", TWO,
	  EMPTY_TWO "0:free=1G 1:free=1G add=2 2:free=200G 2:cpus=-", "",
	  GUEST(GIB(2) PAGES_2M ON("preferred", "1")) },
	{ "cpuless-bound-with-others", TWO, EMPTY_TWO "add=2 2:free=200G 2:cpus=-", "",
	  GUEST(GIB(2) PAGES_2M ON("strict", "1-2")) },
	{ "cpuless-interleaved", TWO, EMPTY_TWO "add=2 2:free=200G 2:cpus=-", "",
	  GUEST(GIB(2) PAGES_2M ON("interleave", "1-2")) },
	{ "pinned-by-cpuset", TWO, EMPTY_TWO "0:cpus=0-7 1:cpus=8-15", "",
	  GUEST(GIB(2) PAGES_2M "<vcpu cpuset='8-15'>4</vcpu>") },
	{ "pinned-by-vcpupin", TWO, EMPTY_TWO "0:cpus=0-7 1:cpus=8-15", "",
	  GUEST(GIB(2) PAGES_2M "<cputune><vcpupin vcpu='0' cpuset='9'/></cputune>") },
	{ "pinned-by-emulatorpin", TWO, EMPTY_TWO "0:cpus=0-7 1:cpus=8-15", "",
	  GUEST(GIB(2) PAGES_2M "<cputune><emulatorpin cpuset='14-15'/></cputune>") },
	/* QEMU allocates where it starts: with its own pin there, and then with the others' */
	{ "pinned-to-two-nodes", TWO, EMPTY_TWO "0:cpus=0-7 1:cpus=8-15 add=2 2:free=9G 2:cpus=16",
	  "",
	  GUEST(GIB(6) PAGES_2M "<cputune><vcpupin vcpu='0' cpuset='1'/>"
				"<emulatorpin cpuset='8'/></cputune>") },
	/* idle pages elsewhere do not draw it away */
	{ "pinned-over-idle-elsewhere", TWO, EMPTY_TWO "0:cpus=0-7 1:cpus=8-15 0:2M=4096/4096/0",
	  "", GUEST(GIB(2) PAGES_2M "<vcpu cpuset='8-15'>4</vcpu>") },
	{ "pinned-spills-over", TWO, EMPTY_TWO "0:cpus=0-7 1:cpus=8-15", "",
	  GUEST(GIB(5) PAGES_2M "<vcpu cpuset='8-15'>4</vcpu>") },
	{ "pinned-everywhere", TWO, EMPTY_TWO "0:cpus=0-7 1:cpus=8-15", "",
	  GUEST(GIB(2) PAGES_2M "<vcpu cpuset='0-15'>4</vcpu>") },
	{ "pinned-and-bound", TWO, EMPTY_TWO "0:cpus=0-7 1:cpus=8-15", "",
	  GUEST(GIB(2) PAGES_2M "<vcpu cpuset='8-15'>4</vcpu>" ON("strict", "0")) },

	/* -- sets that name nodes without memory -- */
	{ "interleave-with-memoryless", TWO, EMPTY_TWO "online=0-3", "",
	  GUEST(GIB(2) PAGES_2M ON("interleave", "0-3")) },
	{ "strict-with-memoryless", TWO, EMPTY_TWO "online=0-3", "",
	  GUEST(GIB(2) PAGES_2M ON("strict", "1,3")) },
	{ "strict-memoryless-alone", TWO, EMPTY_TWO "online=0-3", "",
	  GUEST(GIB(2) PAGES_2M ON("strict", "2-3")) },
	{ "preferred-memoryless-alone", TWO, EMPTY_TWO "online=0-3", "",
	  GUEST(GIB(2) PAGES_2M ON("preferred", "3")) },
	/* one group: the second set means the same nodes */
	{ "same-nodes-with-memory", TWO, EMPTY_TWO "online=0-3", "",
	  GUEST(GIB(4) PAGES_2M CELLS(CELL(0, 2048) CELL(1, 2048))
			TUNE(MEMNODE(0, "strict", "1") MEMNODE(1, "strict", "1,3"))) },

	/* -- gigantic pages -- */
	{ "1g-not-in-movable", TWO, EMPTY_TWO "0:free=3G 1:free=64G 1:movable=64G", "",
	  GUEST(GIB(2) PAGES_1G) },
	{ "1g-not-in-the-movable-part", TWO,
	  EMPTY_TWO "0:free=2G 1:total=8G 1:free=6G 1:movable=5G", "", GUEST(GIB(3) PAGES_1G) },
	{ "1g-movable-only", TWO, EMPTY_TWO "1:free=64G 1:movable=64G", "",
	  GUEST(GIB(2) PAGES_1G ON("strict", "1")) },
	{ "2m-in-movable", TWO, EMPTY_TWO "0:free=3G 1:free=64G 1:movable=64G", "",
	  GUEST(GIB(2) PAGES_2M) },
	{ "1g-where-they-are-whole", TWO,
	  EMPTY_TWO "0:free=40G 1:free=30G 0:1G:ever=40 0:1G:whole=0 1:1G:ever=30 1:1G:whole=30",
	  "", GUEST(GIB(8) PAGES_1G) },
	{ "1g-where-they-can-be-made", TWO,
	  EMPTY_TWO "0:free=40G 1:free=30G 0:1G:ever=2 1:1G:ever=30", "", GUEST(GIB(8) PAGES_1G) },
	/* cache on a node where they can be made, before free memory where they can't */
	{ "1g-after-reclaim", TWO,
	  EMPTY_TWO
	  "0:total=64G 1:total=64G 0:free=40G 1:free=4G 1:reclaimable=9G 0:1G:ever=0 1:1G:ever=9",
	  "", GUEST(GIB(8) PAGES_1G) },
	/* it is tried all the same */
	{ "1g-doubtful", TWO, EMPTY_TWO "0:free=40G 1:free=30G 0:1G:ever=2 1:1G:ever=3", "",
	  GUEST(GIB(8) PAGES_1G) },
	{ "2m-doubtful", TWO, EMPTY_TWO "0:free=4G 1:free=3G 0:2M:ever=100 1:2M:ever=50", "",
	  GUEST(GIB(1) PAGES_2M) },

	/* -- what could be made free -- */
	{ "arc", ONE, EMPTY_ONE "0:free=1G arc=2G", "", GUEST(GIB(3) PAGES_2M) },
	/* ZFS tells no nodes, and gives it back once */
	{ "arc-counts-once", TWO, EMPTY_TWO "0:free=1G 1:free=512M arc=1G", "",
	  GUEST(GIB(3) PAGES_2M) },
	{ "swap-counts-once", TWO, EMPTY_TWO "0:free=1G 1:free=1G 0:anon=2G 1:anon=2G swap=1G", "",
	  GUEST(GIB(4) PAGES_2M) },
	{ "swap-last", TWO, EMPTY_TWO "0:free=1G 1:free=512M 0:anon=2G 1:reclaimable=1G swap=1G",
	  "", GUEST(GIB(3) PAGES_2M) },

	/* -- what is mounted -- */
	{ "bare-is-the-default", TWO, EMPTY_TWO "hugetlbfs=1G hugetlbfs=2M", "",
	  GUEST(GIB(2) HUGEPAGES("")) },
	{ "bare-is-the-first", TWO, EMPTY_TWO "hugetlbfs=1G mounts=conf", "",
	  GUEST(GIB(2) HUGEPAGES("")) },
	{ "not-mounted-by-conf", TWO, EMPTY_TWO "hugetlbfs=2M mounts=conf", "",
	  GUEST(GIB(2) PAGES_1G) },
	/* libvirt does not run, and no hook of ours will mount it: as check says */
	{ "not-mounted-no-hook", TWO, EMPTY_TWO "hugetlbfs=2M mounts=none", "",
	  GUEST(GIB(2) PAGES_1G) },
	/* node 0 is full, and on node 1 none are made: binding would not help */
	{ "1g-full-beside-movable", TWO, EMPTY_TWO "0:free=1G 1:movable=8G 1:total=8G", "",
	  GUEST(GIB(4) PAGES_1G) },
	{ "page-of-no-cell", TWO, EMPTY_TWO, "",
	  GUEST(GIB(2) HUGEPAGES("<page size='2' unit='M' nodeset='3'/><page size='1' unit='G'/>")
			CELLS(CELL(0, 2048))) },
	{ "not-mounted", TWO, EMPTY_TWO "hugetlbfs=2M mounts=final", "", GUEST(GIB(2) PAGES_1G) },
	{ "switched-off-by-conf", TWO, EMPTY_TWO "mounts=conf", "", GUEST(GIB(2) HUGEPAGES("")) },
	/* libvirt's start will mount it */
	{ "not-mounted-yet", TWO, EMPTY_TWO "hugetlbfs=2M mounts=any", "", GUEST(GIB(2) PAGES_1G) },
	/* QEMU makes those itself */
	{ "not-mounted-memfd", TWO, EMPTY_TWO "hugetlbfs=2M mounts=conf", "",
	  GUEST(GIB(2) "<memoryBacking><hugepages><page size='1' unit='G'/></hugepages><source "
		       "type='memfd'/></memoryBacking>") },
	{ "mount-size-too-small", TWO, EMPTY_TWO "hugetlbfs=2M:max=1G", "",
	  GUEST(GIB(2) PAGES_2M) },
	{ "mount-size-fits", TWO, EMPTY_TWO "hugetlbfs=2M:max=2G", "", GUEST(GIB(2) PAGES_2M) },
	{ "mount-size-used", TWO, EMPTY_TWO "hugetlbfs=2M:max=4G:left=1G", "",
	  GUEST(GIB(2) PAGES_2M) },
	{ "mount-size-promised", TWO,
	  EMPTY_TWO "hugetlbfs=2M:max=3G 0:2M=1024/1024/0 0:2M:claimed=1024", "",
	  GUEST(GIB(2) PAGES_2M) },
	/* Others' memfds are promised pages that don't go through it */
	{ "mount-size-promised-memfd", TWO,
	  EMPTY_TWO "hugetlbfs=2M:max=3G 0:2M=1024/1024/0 0:2M:claimed=1024 2M:memfd=600", "",
	  GUEST(GIB(2) PAGES_2M) },
	{ "mount-size-memfd", TWO, EMPTY_TWO "hugetlbfs=2M:max=1G", "",
	  GUEST(GIB(2) "<memoryBacking><hugepages/><source type='memfd'/></memoryBacking>") },
	/* the second mount of a size is not the guests' */
	{ "mount-size-of-the-first", TWO, EMPTY_TWO "hugetlbfs=2M hugetlbfs=2M:max=1G", "",
	  GUEST(GIB(2) PAGES_2M) },
	{ "mount-min-size", TWO, EMPTY_TWO "hugetlbfs=2M:min=8G 0:2M=4096/4096/0 2M:reserved=4096",
	  "", GUEST(GIB(2) PAGES_2M) },
	{ "mount-min-size-memfd", TWO,
	  EMPTY_TWO "hugetlbfs=2M:min=8G 0:2M=4096/4096/0 2M:reserved=4096", "",
	  GUEST(GIB(2) "<memoryBacking><hugepages/><source type='memfd'/></memoryBacking>") },
	{ "mount-min-size-and-others", TWO,
	  EMPTY_TWO "hugetlbfs=2M:min=1G 0:2M=1024/1024/0 2M:reserved=612 0:2M:claimed=300", "",
	  GUEST(GIB(2) PAGES_2M) },

	/* -- out of what -- */
	{ "all-idle", ONE, EMPTY_ONE "0:2M=1024/1024/0", "", GUEST(GIB(2) PAGES_2M) },
	{ "some-idle", ONE, EMPTY_ONE "0:2M=600/500/0", "", GUEST(GIB(2) PAGES_2M) },
	{ "keep-free", ONE, EMPTY_ONE "0:2M=1024/1024/0", "[hugepages]\nkeep_free_2M = 100\n",
	  GUEST(GIB(2) PAGES_2M) },
	{ "keep-free-more-than-there-is", ONE, EMPTY_ONE "0:2M=64/64/0",
	  "[hugepages]\nkeep_free_2M = 100\n", GUEST(MIB(64) PAGES_2M) },
	{ "keep-free-of-another-size", ONE, EMPTY_ONE "0:2M=64/64/0",
	  "[hugepages]\nkeep_free_1G = 100\n", GUEST(MIB(64) PAGES_2M) },
	{ "use-idle-no", ONE, EMPTY_ONE "0:2M=1024/1024/0", "[hugepages]\nuse_idle = no\n",
	  GUEST(GIB(2) PAGES_2M) },
	{ "claims-of-others", ONE, EMPTY_ONE "0:2M=1024/1024/0 0:2M:claimed=1000", "",
	  GUEST(GIB(1) PAGES_2M) },
	{ "claims-above-free", ONE, EMPTY_ONE "0:2M=1024/100/0 0:2M:claimed=1000", "",
	  GUEST(GIB(1) PAGES_2M) },
	/* reservations have no node: neither node's 100 may be touched */
	{ "reservations-count-on-each-node", TWO,
	  EMPTY_TWO "0:2M=100/100/0 1:2M=100/100/0 2M:reserved=100", "", GUEST(MIB(100) PAGES_2M) },
	/* a claim that QEMU has reserved by now counts once */
	{ "reservations-of-a-claim", ONE,
	  EMPTY_ONE "0:2M=300/300/0 0:2M:claimed=200 2M:reserved=150 2M:covered=150", "",
	  GUEST(MIB(200) PAGES_2M) },
	{ "surplus-is-not-idle", ONE, EMPTY_ONE "0:2M=100/0/40", "", GUEST(MIB(200) PAGES_2M) },
	{ "idle-before-growth-elsewhere", TWO, EMPTY_TWO "1:2M=600/600/0", "",
	  GUEST(GIB(2) PAGES_2M) },
	{ "reclaim", ONE, EMPTY_ONE "0:free=1G 0:reclaimable=2G", "", GUEST(GIB(2) PAGES_2M) },
	{ "swap", ONE, EMPTY_ONE "0:free=1G 0:anon=4G swap=2G", "", GUEST(GIB(2) PAGES_2M) },

	/* -- policy -- */
	{ "manage-no", ONE, EMPTY_ONE, "[hugepages]\nmanage = no\n", GUEST(GIB(2) PAGES_2M) },
	{ "efforts", ONE, EMPTY_ONE,
	  "[hugepages]\ncompact = never\nreclaim = never\ndrop_caches = auto\n",
	  GUEST(GIB(2) PAGES_2M) },
	{ "keep", ONE, EMPTY_ONE, "[hugepages]\non_release = keep\n", GUEST(GIB(2) PAGES_2M) },
	{ "keep-1g-only", TWO, EMPTY_TWO, "[hugepages]\non_release_1G = keep\n",
	  GUEST(MIB(3072)
			HUGEPAGES("<page size='1' unit='G' nodeset='1'/><page size='2' unit='M'/>")
				CELLS(CELL(0, 1024) CELL(1, 2048))) },
	{ "guest-section", ONE, EMPTY_ONE "0:2M=1024/1024/0",
	  "[guest]\nmatch = g*\nhugepages.use_idle = no\nhugepages.on_release = keep\n",
	  GUEST(GIB(2) PAGES_2M) },

	/* -- refused -- */
	{ "too-large-for-the-host", ONE, EMPTY_ONE "0:2M=16/16/0", "", GUEST(GIB(9) PAGES_2M) },
	{ "too-large-for-the-node", TWO, EMPTY_TWO "1:reclaimable=256M", "",
	  GUEST(GIB(4) PAGES_2M ON("strict", "1")) },
	{ "too-large-for-two-nodes", TWO, EMPTY_TWO, "",
	  GUEST(GIB(8) PAGES_2M ON("strict", "0-1")) },
	{ "too-large-preferred", TWO, EMPTY_TWO, "", GUEST(GIB(8) PAGES_2M ON("preferred", "1")) },
	{ "1g-where-none-fits", TWO, EMPTY_TWO "1:free=1000M", "",
	  GUEST(GIB(1) PAGES_1G ON("strict", "1")) },
	{ "second-cell-too-large", TWO, EMPTY_TWO, "",
	  GUEST(GIB(5) PAGES_2M CELLS(CELL(0, 1024) CELL(1, 4096))
			TUNE(MEMNODE(0, "strict", "1") MEMNODE(1, "strict", "1"))) },
	/* what was kept free is not shown as if it could be had */
	{ "short-because-of-keep-free", ONE, EMPTY_ONE "0:free=0 0:2M=512/512/0",
	  "[hugepages]\nkeep_free_2M = 100\n", GUEST(GIB(1) PAGES_2M) },
	{ "short-because-of-claims", ONE, EMPTY_ONE "0:free=0 0:2M=512/512/0 0:2M:claimed=400", "",
	  GUEST(GIB(1) PAGES_2M) },
	{ "no-such-node", TWO, EMPTY_TWO, "", GUEST(GIB(1) PAGES_2M ON("strict", "7")) },
	{ "no-such-node-preferred", ONE, EMPTY_ONE, "",
	  GUEST(GIB(1) PAGES_2M ON("preferred", "1")) },
	{ "one-of-two-nodes-missing", TWO, EMPTY_TWO, "",
	  GUEST(GIB(1) PAGES_2M ON("strict", "1-2")) },
	{ "no-such-page-size", ONE, EMPTY_ONE, "",
	  GUEST(GIB(1) HUGEPAGES("<page size='16' unit='M'/>")) },
	{ "page-of-1-gb", ONE, EMPTY_ONE, "",
	  GUEST(GIB(8) HUGEPAGES("<page size='1' unit='GB'/>")) },
	{ "page-of-2-mb", ONE, EMPTY_ONE, "",
	  GUEST(GIB(8) HUGEPAGES("<page size='2' unit='MB'/>")) },
	{ "no-such-page-size-of-a-dimm", ONE, EMPTY_ONE, "",
	  GUEST(GIB(2) PAGES_2M CELLS(CELL(0, 1024)) DEVICES(
		  "<memory model='dimm'><source><pagesize unit='KiB'>64</pagesize></source>"
		  "<target><size unit='GiB'>1</size><node>0</node></target></memory>")) },
	{ "absurd-size", ONE, EMPTY_ONE, "", GUEST("<memory unit='PiB'>8000</memory>" PAGES_2M) },
	{ "absurd-size-of-1g", TWO, EMPTY_TWO, "",
	  GUEST("<memory unit='PiB'>8000</memory>" PAGES_1G ON("interleave", "0-1")) },
	{ "absurd-page-size", ONE, EMPTY_ONE, "",
	  GUEST(GIB(1) HUGEPAGES("<page size='4' unit='EiB'/>")) },
};

/**
 * struct file_row - A decision about a guest with memory in files
 * @qemu_conf:	libvirt's qemu.conf
 * @stores:	What is there, separated by blanks: "NAME:FACT" of the [store] NAME, or of "-"
 *		where there is none, as set_store() has them.  All have 100 GiB, are
 *		mounted, and empty
 */
struct file_row {
	struct row row;
	const char *qemu_conf, *stores;
};

#define IN_FILES		"<memoryBacking><source type='file'/></memoryBacking>"
#define STORE(name, path, rest) "[store]\nname = " name "\npath = " path "\n" rest
#define DIR(path)		"memory_backing_dir = \"" path "\"\n"
/* Cell 0 in huge pages, cell 1 in files */
#define MIXED                                                                                      \
	GUEST(GIB(3) "<memoryBacking><hugepages><page size='2' unit='M' nodeset='0'/></hugepages>" \
		     "<source type='file'/></memoryBacking>" CELLS(CELL(0, 1024) CELL(1, 2048)))

static const struct file_row file_rows[] = {
	/* -- which -- */
	{ { "store-none", ONE, EMPTY_ONE, "", "file" }, "", "-:in_use -:unmounted -:closed" },
	{ { "store-on-hugetlbfs", ONE, EMPTY_ONE, "", "file" },
	  DIR("/dev/hugepages"),
	  "-:in_use -:hugetlbfs" },
	{ { "store-of-type-hugetlbfs", ONE, EMPTY_ONE, STORE("h", "/srv/h", "fstype = hugetlbfs\n"),
	    "file" },
	  DIR("/srv/h"),
	  "h:in_use h:unmounted" },
	{ { "store-none-elsewhere", ONE, EMPTY_ONE, "", "file-by-access" },
	  DIR("/srv/ram"),
	  "-:in_use -:unmounted" },
	{ { "store-mounted", ONE, EMPTY_ONE, STORE("disk", "/srv/disk", "keep_free = 5%\n"),
	    "file" },
	  DIR("/srv/disk"),
	  "disk:in_use" },
	{ { "store-below", ONE, EMPTY_ONE, STORE("disk", "/srv/disk", ""), "file" },
	  DIR("/srv/disk/guests/"),
	  "disk:in_use" },
	{ { "store-not-mounted", ONE, EMPTY_ONE,
	    STORE("ram", "/srv/ram", "fstype = tmpfs\nsize = 16G\noptions = huge=advise\n"),
	    GUEST(GIB(2) IN_FILES) },
	  DIR("/srv/ram"),
	  "ram:in_use ram:unmounted" },
	{ { "store-not-mounted-for-good", ONE, EMPTY_ONE,
	    STORE("disk", "/srv/disk", "source = LABEL=memory\nunmount = never\n"), "file" },
	  DIR("/srv/disk"),
	  "disk:in_use disk:unmounted" },
	{ { "store-of-two", ONE, EMPTY_ONE,
	    STORE("a", "/srv", "") STORE("b", "/srv/b", "unmount = never\n"), "file" },
	  DIR("/srv/b"),
	  "b:in_use" },
	{ { "store-wanted", ONE, EMPTY_ONE,
	    STORE("a", "/srv/a", "") "[guest]\nmatch = g\nstore = a\n", GUEST(GIB(2) IN_FILES) },
	  DIR("/srv/a"),
	  "a:in_use" },
	/* -- how much -- */
	{ { "store-fits-exactly", ONE, EMPTY_ONE, STORE("disk", "/srv/disk", "keep_free = 6G\n"),
	    GUEST(GIB(64) IN_FILES) },
	  DIR("/srv/disk"),
	  "disk:in_use disk:promise=web:30G/0" },
	/* 2 GiB can be plugged at any time */
	{ { "store-virtio-mem", ONE, EMPTY_ONE, STORE("disk", "/srv/disk", ""),
	    GUEST(GIB(3) IN_FILES CELLS(CELL(0, 1024)) DEVICES(
		    "<memory model='virtio-mem'><target><size unit='GiB'>2</size><node>0</node>"
		    "<block unit='MiB'>2</block><requested unit='MiB'>0</requested></target>"
		    "</memory>")) },
	  DIR("/srv/disk"),
	  "disk:in_use" },
	/* -- beside huge pages -- */
	{ { "store-hugepages-win", ONE, EMPTY_ONE, STORE("disk", "/srv/disk", ""),
	    GUEST(GIB(2) "<memoryBacking><hugepages/><source type='file'/></memoryBacking>") },
	  "",
	  "disk:unmounted" },
	{ { "store-and-hugepages", ONE, EMPTY_ONE, STORE("disk", "/srv/disk", ""), MIXED },
	  DIR("/srv/disk"),
	  "disk:in_use" },
	{ { "store-parts", ONE, EMPTY_ONE, STORE("disk", "/srv/disk", ""), "file-parts" },
	  DIR("/srv/disk"),
	  "disk:in_use" },
	{ { "store-unmanaged-hugepages", ONE, EMPTY_ONE,
	    STORE("disk", "/srv/disk", "") "[hugepages]\nmanage = no\n", MIXED },
	  DIR("/srv/disk"),
	  "disk:in_use" },
	/* 8 GiB less the guest's own pages */
	{ { "store-in-ram-after-hugepages", ONE, EMPTY_ONE "0:free=3G",
	    STORE("ram", "/srv/ram", ""), MIXED },
	  DIR("/srv/ram"),
	  "ram:in_use ram:in_ram" },
	/* What is idle is no memory that files could have */
	{ { "store-in-ram-beside-idle", ONE, EMPTY_ONE "0:free=2G 0:2M=512/512/0",
	    STORE("ram", "/srv/ram", ""), MIXED },
	  DIR("/srv/ram"),
	  "ram:in_use ram:in_ram" },

	/* -- refused -- */
	{ { "store-of-another-directory", ONE, EMPTY_ONE, STORE("disk", "/srv/disk", ""), "file" },
	  "user = \"root\"\n" DIR("/srv/other"),
	  "" },
	{ { "store-without-directory", ONE, EMPTY_ONE, STORE("disk", "/srv/disk", ""), "file" },
	  "",
	  "" },
	{ { "store-unreadable-directory", ONE, EMPTY_ONE, "", "file" },
	  "memory_backing_dir = srv\n",
	  "-:in_use" },
	{ { "store-wanted-and-unknown", ONE, EMPTY_ONE,
	    STORE("a", "/srv/a", "") "[guest]\nmatch = g\nstore = fast\n", GUEST(GIB(2) IN_FILES) },
	  DIR("/srv/a"),
	  "a:in_use" },
	{ { "store-may-not-be-mounted", ONE, EMPTY_ONE,
	    STORE("disk", "/srv/disk", "mount = never\n"), "file" },
	  DIR("/srv/disk"),
	  "disk:in_use disk:unmounted" },
	{ { "store-wrong-type", ONE, EMPTY_ONE, STORE("disk", "/srv/disk", "fstype = xfs\n"),
	    "file" },
	  DIR("/srv/disk"),
	  "disk:in_use" },
	{ { "store-too-small", ONE, EMPTY_ONE, STORE("disk", "/srv/disk", "keep_free = 6G\n"),
	    GUEST(GIB(65) IN_FILES) },
	  DIR("/srv/disk"),
	  "disk:in_use disk:promise=web:30G/0" },
	{ { "store-in-ram-too-large", ONE, EMPTY_ONE "0:free=3G 0:reclaimable=512M swap=256M",
	    STORE("ram", "/srv/ram", ""), GUEST(GIB(4) IN_FILES) },
	  DIR("/srv/ram"),
	  "ram:in_use ram:in_ram" },
	{ { "store-in-ram-too-large-with-hugepages", ONE, EMPTY_ONE "0:free=2G",
	    STORE("ram", "/srv/ram", ""), MIXED },
	  DIR("/srv/ram"),
	  "ram:in_use ram:in_ram" },
	{ { "store-absurd-size", ONE, EMPTY_ONE, STORE("disk", "/srv/disk", ""),
	    GUEST("<memory unit='PiB'>8000</memory>" IN_FILES) },
	  DIR("/srv/disk"),
	  "disk:in_use" },
};

/* ---- numbers ---- */

static struct numa_node *node_of(struct host_view *host, unsigned int id)
{
	size_t i;

	for (i = 0; i < host->numa.n_nodes; i++)
		if (host->numa.nodes[i].id == id)
			return &host->numa.nodes[i];
	CU_FAIL_FATAL("no such node on this host");
	return NULL;
}

static void set_cpus(struct numa_node *node, const char *list)
{
	node->cpus = (struct cpuset){ 0 };
	if (strcmp(list, "-") != 0)
		UNIT_CHECK(cpuset_parse(list, &node->cpus) == 0, "no processors: '%s'", list);
}

/* A node as the last one is, with a number of its own */
static bool set_more(struct host_view *host, const char *word)
{
	struct numa *numa = &host->numa;
	unsigned int id;
	size_t i;

	if (sscanf(word, "add=%u", &id) != 1)
		return false;
	numa->nodes = reallocarray(numa->nodes, numa->n_nodes + 1, sizeof(*numa->nodes));
	numa->nodes[numa->n_nodes] = numa->nodes[numa->n_nodes - 1];
	numa->nodes[numa->n_nodes++].id = id;
	nodeset_add(&numa->online, id);
	for (i = 0; i < host->n_sizes; i++) {
		struct size_view *size = &host->sizes[i];

		size->pools = reallocarray(size->pools, size->n_pools + 1, sizeof(*size->pools));
		size->pools[size->n_pools] = size->pools[size->n_pools - 1];
		size->pools[size->n_pools++].pool.node = id;
	}
	return true;
}

static bool set_node(struct host_view *host, const char *word)
{
	char key[32], value[32];
	struct numa_node *node;
	unsigned int id;

	if (sscanf(word, "%u:%31[a-z]=%31s", &id, key, value) != 3)
		return false;
	node = node_of(host, id);
	/* A row that says what is free says all of it */
	if (!strcmp(key, "free")) {
		node->free_kib = row_kib(value);
		node->percpu_kib = 0;
	} else if (!strcmp(key, "percpu"))
		node->percpu_kib = row_kib(value);
	else if (!strcmp(key, "reclaimable"))
		node->reclaimable_kib = row_kib(value);
	else if (!strcmp(key, "anon"))
		node->swappable_kib = row_kib(value);
	else if (!strcmp(key, "total"))
		node->total_kib = row_kib(value);
	else if (!strcmp(key, "movable"))
		node->movable_kib = node->movable_free_kib = row_kib(value);
	else if (!strcmp(key, "cpus"))
		set_cpus(node, value);
	else
		return false;
	return true;
}

static bool set_pool(struct host_view *host, const char *word)
{
	uint64_t total, free_pages, surplus, n;
	char page[4], key[32];
	struct pool_view *pool;
	unsigned int id;

	if (sscanf(word, "%u:%3[0-9MG]", &id, page) != 2)
		return false;
	pool = host_view_pool(host, row_kib(page), id);
	if (!pool)
		return false;
	if (sscanf(word, "%*u:%*[0-9MG]=%" SCNu64 "/%" SCNu64 "/%" SCNu64, &total, &free_pages,
		   &surplus) == 3) {
		pool->pool.total = total;
		pool->pool.free = free_pages;
		pool->pool.surplus = surplus;
		return true;
	}
	if (sscanf(word, "%*u:%*[0-9MG]:%31[a-z]=%" SCNu64, key, &n) != 2)
		return false;
	if (!strcmp(key, "own"))
		pool->own = n;
	else if (!strcmp(key, "claimed"))
		pool->claimed = n;
	else if (!strcmp(key, "ever"))
		pool->ever = n;
	else if (!strcmp(key, "whole"))
		pool->whole = n;
	else
		return false;
	host->surveyed |= *key == 'e' || *key == 'w';
	return true;
}

static bool set_size(struct host_view *host, const char *word)
{
	struct size_view *size;
	char page[4], key[32];
	uint64_t n;

	if (sscanf(word, "%3[0-9MG]:%31[a-z]=%" SCNu64, page, key, &n) != 3)
		return false;
	size = host_view_size(host, row_kib(page));
	if (!size)
		return false;
	if (!strcmp(key, "covered"))
		size->covered = n;
	else if (!strcmp(key, "memfd"))
		size->memfd = n;
	else
		size->reserved = n;
	return !strcmp(key, "covered") || !strcmp(key, "memfd") || !strcmp(key, "reserved");
}

static void add_hugetlbfs(struct host_view *host, const char *text)
{
	cleanup_free char *copy = strdup(text);
	struct hugetlbfs_view *view = &host->hugetlbfs;
	struct hugetlbfs_fs *fs;
	char *word, *save = NULL;

	view->list = reallocarray(view->list, view->n + 1, sizeof(*view->list));
	fs = &view->list[view->n++];
	*fs = (struct hugetlbfs_fs){ .dir = "/dev/hugepages" };
	for (word = strtok_r(copy, ":", &save); word; word = strtok_r(NULL, ":", &save)) {
		if (!strncmp(word, "max=", 4))
			fs->max_kib = fs->left_kib = row_kib(word + 4);
		else if (!strncmp(word, "left=", 5))
			fs->left_kib = row_kib(word + 5);
		else if (!strncmp(word, "min=", 4))
			fs->min_kib = row_kib(word + 4);
		else
			fs->page_kib = row_kib(word);
	}
	host_view_size(host, fs->page_kib)->mount_min = fs->min_kib / fs->page_kib;
	if (!host_view_hugetlbfs(host, host->default_page_kib))
		host->bare_page_kib = view->list[0].page_kib;
	else
		host->bare_page_kib = host->default_page_kib;
}

static bool set_all(struct host_view *host, const char *word)
{
	size_t i;

	if (!strncmp(word, "swap=", 5)) {
		host->numa.swap_free_kib = row_kib(word + 5);
	} else if (!strncmp(word, "online=", 7)) {
		nodeset_parse(word + 7, &host->numa.online);
	} else if (!strncmp(word, "hugetlbfs=", 10)) {
		add_hugetlbfs(host, word + 10);
	} else if (!strncmp(word, "mounts=", 7)) {
		host->hugetlbfs.known = true;
		host->hugetlbfs.by_conf = !strcmp(word + 7, "conf");
		host->hugetlbfs.hook_mounts = !strcmp(word + 7, "any");
		host->hugetlbfs.final = !host->hugetlbfs.hook_mounts &&
					strcmp(word + 7, "none") != 0;
	} else if (!strncmp(word, "arc=", 4)) {
		host->numa.arc_kib = row_kib(word + 4);
		for (i = 0; i < host->numa.n_nodes; i++)
			host->numa.nodes[i].arc_kib = host->numa.arc_kib;
	} else {
		return false;
	}
	return true;
}

static void set_numbers(struct host_view *host, const char *numbers)
{
	cleanup_free char *copy = strdup(numbers);
	char *word, *save = NULL;

	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		UNIT_CHECK(set_node(host, word) || set_pool(host, word) || set_size(host, word) ||
				   set_all(host, word) || set_more(host, word),
			   "not understood: '%s'", word);
}

/* ---- stores ---- */

static void add_store(struct host_view *host, const struct config_store *config, bool configured)
{
	struct store_view *store;

	host->stores = reallocarray(host->stores, host->n_stores + 1, sizeof(*host->stores));
	store = &host->stores[host->n_stores++];
	*store = (struct store_view){ .config = *config, .configured = configured };
	if (!configured)
		snprintf(store->config.path, sizeof(store->config.path), "%s",
			 qemu_conf_memory_dir(&host->qemu_conf));
	store->state = (struct store_state){ .present = true,
					     .mountpoint = true,
					     .traversable = true,
					     .capacity_kib = 100 * KIB_PER_GIB,
					     .free_kib = 100 * KIB_PER_GIB,
					     .available_kib = 100 * KIB_PER_GIB };
	strcpy(store->state.mount.fstype, "ext4");
	strcpy(store->state.mount.source, "/dev/vdb");
}

static bool set_promise(struct store_view *store, const char *fact)
{
	char guest[32], promised[32], used[32];

	if (sscanf(fact, "promise=%31[^:]:%31[^/]/%31s", guest, promised, used) != 3)
		return false;
	store->promises =
		reallocarray(store->promises, store->n_promises + 1, sizeof(*store->promises));
	store->promises[store->n_promises] =
		(struct store_promise){ .promised_kib = row_kib(promised),
					.used_kib = row_kib(used) };
	strcpy(store->promises[store->n_promises++].guest, guest);
	return true;
}

static bool set_store(struct host_view *host, const char *word)
{
	char name[32], fact[96];
	size_t i = 0;

	if (sscanf(word, "%31[^:]:%95s", name, fact) != 2)
		return false;
	while (i < host->n_stores &&
	       strcmp(name, host->stores[i].configured ? host->stores[i].config.name : "-") != 0)
		i++;
	if (i == host->n_stores)
		return false;
	if (!strcmp(fact, "in_use"))
		host->stores[i].in_use = true;
	else if (!strcmp(fact, "unmounted"))
		host->stores[i].state.mountpoint = false;
	else if (!strcmp(fact, "closed"))
		host->stores[i].state.traversable = false;
	else if (!strcmp(fact, "hugetlbfs"))
		strcpy(host->stores[i].state.mount.fstype, fact);
	else if (!strcmp(fact, "in_ram"))
		host->stores[i].state.in_ram = true;
	else
		return set_promise(&host->stores[i], fact);
	return true;
}

static void set_stores(struct host_view *host, const struct config *config, const char *qemu_conf,
		       const char *facts)
{
	cleanup_free char *copy = strdup(facts);
	const struct config_store *stores;
	size_t n = config_stores(config, &stores), i;
	char *word, *save = NULL;

	qemu_conf_parse(qemu_conf, strlen(qemu_conf), &host->qemu_conf);
	for (i = 0; i < n; i++)
		add_store(host, &stores[i], true);
	if (!n)
		add_store(host, config_store_default(config), false);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		UNIT_CHECK(set_store(host, word), "not understood: '%s'", word);
	host->stores_read = true;
}

/* ---- one decision ---- */

struct decision {
	struct guest *guest;
	struct host_view host;
	struct guest_policy policy;
	struct plan plan;
	struct err err;
	int rc;
};

static void read_host(const char *name, struct host_view *host)
{
	char path[512];
	struct err err = { "" };
	struct kfs kfs;

	snprintf(path, sizeof(path), "%s/hosts/%s", TESTS_DIR, name);
	CU_ASSERT_FATAL(kfs_open(&kfs, path, &err) == 0);
	if (!UNIT_CHECK(view_read(&kfs, host, &err) == 0, "%s: %s", name, err.text))
		CU_FAIL_FATAL("the captured host can't be read");
	kfs_close(&kfs);
}

static void decide_with(const struct row *row, const char *qemu_conf, const char *stores,
			struct decision *d)
{
	cleanup_config struct config *config = NULL;

	memset(d, 0, sizeof(*d));
	read_host(row->host, &d->host);
	/* A row that says what is mounted says all of it */
	free(d->host.hugetlbfs.list);
	d->host.hugetlbfs = (struct hugetlbfs_view){ 0 };
	set_numbers(&d->host, row->numbers);
	d->guest = row_guest(row->guest);
	CU_ASSERT_FATAL(config_parse_buffer("conf", row->config, strlen(row->config), &config,
					    &d->err) == 0);
	CU_ASSERT_FATAL(config_for_guest(config, d->guest, &d->policy, &d->err) == 0);
	UNIT_CHECK(config_check_section(config, d->guest, "hugepages", &d->err) == 0, "%s: %s",
		   row->name, d->err.text);
	UNIT_CHECK(config_check_section(config, d->guest, "store", &d->err) == 0, "%s: %s",
		   row->name, d->err.text);
	if (stores)
		set_stores(&d->host, config, qemu_conf, stores);
	d->rc = plan_make(d->guest, &d->host, &d->policy, &d->plan, &d->err);
}

static void decide(const struct row *row, struct decision *d)
{
	decide_with(row, NULL, NULL, d);
}

static void forget(struct decision *d)
{
	if (d->rc == 0)
		plan_free(&d->plan);
	guest_free(d->guest);
	view_free(&d->host);
}

/* ---- golden files ---- */

static const char *errno_name(int rc)
{
	return strerrorname_np(-rc);
}

static json_t *plan_to_json(const struct decision *d)
{
	json_t *root = json_object(), *words = json_array(), *notes = json_array();
	char text[4096];
	size_t i;

	for (i = 0; i < d->plan.list.n; i++) {
		step_ops(d->plan.list.steps[i].kind)
			->describe(&d->plan.list.steps[i], text, sizeof(text));
		json_array_append_new(words, json_string(text));
	}
	for (i = 0; i < d->plan.n_notes; i++)
		json_array_append_new(notes, json_string(d->plan.notes[i]));
	json_object_set_new(root, "described", words);
	json_object_set_new(root, "notes", notes);
	json_object_set_new(root, "steps", step_list_to_json(&d->plan.list));
	return root;
}

static json_t *decision_to_json(const struct row *row, const struct file_row *file_row,
				const struct decision *d)
{
	json_t *root = json_object(), *given = json_object();

	json_object_set_new(given, "host", json_string(row->host));
	json_object_set_new(given, "numbers", json_string(row->numbers));
	json_object_set_new(given, "config", json_string(row->config));
	json_object_set_new(given, "guest", json_string(row->guest));
	if (file_row) {
		json_object_set_new(given, "qemu_conf", json_string(file_row->qemu_conf));
		json_object_set_new(given, "stores", json_string(file_row->stores));
	}
	json_object_set_new(root, "given", given);
	if (d->rc == 0) {
		json_object_set_new(root, "plan", plan_to_json(d));
	} else {
		json_object_set_new(root, "refused", json_string(errno_name(d->rc)));
		json_object_set_new(root, "why", json_string(d->err.text));
	}
	return root;
}

static void compare_golden(const struct row *row, const struct file_row *file_row,
			   const struct decision *d)
{
	cleanup_json json_t *root = decision_to_json(row, file_row, d);

	row_compare_golden("plan", row->name, root);
}

/* ---- what is true of every plan ---- */

static uint64_t pages_asked(const struct decision *d, uint64_t page_kib)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < d->guest->n_memory; i++) {
		const struct guest_memory *memory = &d->guest->memory[i];
		uint64_t kib = host_view_page_kib(&d->host, memory);

		if (memory->hugepages && kib == page_kib)
			pages += u64_div_up(memory->size_kib, page_kib);
	}
	return pages;
}

static void check_shares(const struct row *row, const struct step_hugepages *hp)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < hp->n_shares; i++) {
		const struct step_share *share = &hp->shares[i];

		sum += share->want_idle + share->want_grow;
		UNIT_CHECK(!share->have && !share->own, "%s: a plan holds nothing", row->name);
		if (hp->bind == GUEST_BIND_STRICT || hp->bind == GUEST_BIND_INTERLEAVE)
			UNIT_CHECK(nodeset_has(&hp->nodes, share->node), "%s: node %u", row->name,
				   share->node);
	}
	UNIT_CHECK(sum == hp->pages, "%s: %llu pages of %llu", row->name, (unsigned long long)sum,
		   (unsigned long long)hp->pages);
}

/* NULL: another kind of step */
static const struct step_hugepages *hugepages_of(const struct step *step)
{
	return step->kind == STEP_HUGEPAGES ? &step->hugepages : NULL;
}

/* What all steps together take from one node */
static void check_node(const struct row *row, const struct decision *d,
		       const struct numa_node *node)
{
	uint64_t grow_kib = 0;
	size_t i, j, k;

	for (i = 0; i < d->host.n_sizes; i++) {
		const struct size_view *size = &d->host.sizes[i];
		const struct size_view through = host_view_through_mount(size);
		uint64_t idle = 0;

		for (j = 0; j < d->plan.list.n; j++) {
			const struct step_hugepages *hp = hugepages_of(&d->plan.list.steps[j]);

			for (k = 0; hp && hp->page_kib == size->page_kib && k < hp->n_shares; k++) {
				if (hp->shares[k].node != node->id)
					continue;
				idle += hp->shares[k].want_idle;
				grow_kib += hp->shares[k].want_grow * hp->page_kib;
			}
		}
		UNIT_CHECK(idle <= host_view_idle(&through, host_view_pool(&d->host, size->page_kib,
									   node->id)),
			   "%s: idle pages of node %u", row->name, node->id);
	}
	UNIT_CHECK(grow_kib <= node->free_kib + node->percpu_kib + node->reclaimable_kib +
				       node->arc_kib +
				       u64_min(node->swappable_kib, d->host.numa.swap_free_kib),
		   "%s: growth of node %u", row->name, node->id);
}

static void check_plan(const struct row *row, const struct decision *d)
{
	size_t i, j;

	for (i = 0; i < d->plan.list.n; i++)
		if (hugepages_of(&d->plan.list.steps[i]))
			check_shares(row, &d->plan.list.steps[i].hugepages);
	for (i = 0; i < d->host.numa.n_nodes; i++)
		check_node(row, d, &d->host.numa.nodes[i]);
	for (i = 0; d->policy.hugepages.manage && i < d->host.n_sizes; i++) {
		uint64_t page_kib = d->host.sizes[i].page_kib, sum = 0;

		for (j = 0; j < d->plan.list.n; j++)
			if (hugepages_of(&d->plan.list.steps[j]) &&
			    d->plan.list.steps[j].hugepages.page_kib == page_kib)
				sum += d->plan.list.steps[j].hugepages.pages;
		UNIT_CHECK(sum == pages_asked(d, page_kib), "%s: pages of %llu KiB", row->name,
			   (unsigned long long)page_kib);
	}
}

static void test_golden(void)
{
	struct decision d;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		decide(&rows[i], &d);
		if (d.rc == 0)
			check_plan(&rows[i], &d);
		compare_golden(&rows[i], NULL, &d);
		forget(&d);
	}
}

/* At most one step holds files, the first one, and it has room for all of them */
static void check_files(const struct row *row, const struct decision *d)
{
	uint64_t kib = guest_file_kib(d->guest);
	size_t i;

	for (i = 0; i < d->plan.list.n; i++)
		UNIT_CHECK((d->plan.list.steps[i].kind == STEP_STORE) == (kib && !i),
			   "%s: step %zu", row->name, i);
	if (kib)
		UNIT_CHECK(d->plan.list.n && d->plan.list.steps[0].store.size_kib == kib, "%s",
			   row->name);
}

static void test_golden_files(void)
{
	struct decision d;
	size_t i;

	for (i = 0; i < ROWS(file_rows); i++) {
		const struct file_row *row = &file_rows[i];

		decide_with(&row->row, row->qemu_conf, row->stores, &d);
		if (d.rc == 0) {
			check_plan(&row->row, &d);
			check_files(&row->row, &d);
		}
		compare_golden(&row->row, row, &d);
		forget(&d);
	}
}

/* Each of these fits; it only takes a plan that does not get in its own way */
static const struct row fitting[] = {
	/* 1 GiB pages of the unbound cell fit on node 1 alone, if the bound one has node 0 */
	{ "unbound 1 GiB pages and bound 2 MiB pages", TWO, EMPTY_TWO, "",
	  GUEST(GIB(6) HUGEPAGES("<page size='1' unit='G' nodeset='0'/><page size='2' unit='M'/>")
			CELLS(CELL(0, 3072) CELL(1, 3072)) TUNE(MEMNODE(1, "strict", "0"))) },
	{ "preferred 1 GiB pages and bound 2 MiB pages", TWO, EMPTY_TWO, "",
	  GUEST(GIB(6) HUGEPAGES("<page size='1' unit='G' nodeset='0'/><page size='2' unit='M'/>")
			CELLS(CELL(0, 3072) CELL(1, 3072))
				TUNE(MEMNODE(0, "preferred", "0") MEMNODE(1, "strict", "0"))) },
	{ "1 GiB pages on either node and 2 MiB pages on one", TWO, EMPTY_TWO, "",
	  GUEST(GIB(6) HUGEPAGES("<page size='1' unit='G' nodeset='0'/><page size='2' unit='M'/>")
			CELLS(CELL(0, 3072) CELL(1, 3072))
				TUNE(MEMNODE(0, "strict", "0-1") MEMNODE(1, "strict", "0"))) },
	/* "interleave" over one node is as inflexible as "strict" */
	{ "interleave over one node and strict on two", TWO, EMPTY_TWO, "",
	  GUEST(GIB(7) PAGES_2M CELLS(CELL(0, 4096) CELL(1, 3072))
			TUNE(MEMNODE(0, "strict", "0-1") MEMNODE(1, "interleave", "0"))) },
	{ "bound and unbound of one size", TWO, EMPTY_TWO, "",
	  GUEST(GIB(7) PAGES_2M CELLS(CELL(0, 3072) CELL(1, 4096))
			TUNE(MEMNODE(1, "strict", "0"))) },
	/* MemFree leaves out what lies on the per-CPU lists */
	{ "free memory on the lists of the CPUs", TWO, EMPTY_TWO "0:free=2000M 0:percpu=100M", "",
	  GUEST(GIB(2) PAGES_2M CELLS(CELL(0, 2048)) TUNE(MEMNODE(0, "strict", "0"))) },
	{ "bound 1 GiB pages and unbound 2 MiB pages", TWO, EMPTY_TWO, "",
	  GUEST(GIB(7) HUGEPAGES("<page size='1' unit='G' nodeset='0'/><page size='2' unit='M'/>")
			CELLS(CELL(0, 3072) CELL(1, 4096)) TUNE(MEMNODE(0, "strict", "1"))) },
};

static void test_fitting(void)
{
	struct decision d;
	size_t i;

	for (i = 0; i < ROWS(fitting); i++) {
		decide(&fitting[i], &d);
		UNIT_CHECK(d.rc == 0, "%s: %s", fitting[i].name, d.err.text);
		if (d.rc == 0)
			check_plan(&fitting[i], &d);
		forget(&d);
	}
}

/* Large pages are made first, whatever was decided first: small ones break up the
 * blocks that large ones need */
static void test_large_pages_first(void)
{
	static const struct row row = {
		"several sizes",
		TWO,
		EMPTY_TWO,
		"",
		GUEST(MIB(3072) HUGEPAGES("<page size='1' unit='G' nodeset='1'/>"
					  "<page size='2' unit='M'/>")
			      CELLS(CELL(0, 1024) CELL(1, 2048)) TUNE(MEMNODE(0, "strict", "0"))),
	};
	struct decision d;

	decide(&row, &d);
	CU_ASSERT_EQUAL_FATAL(d.rc, 0);
	CU_ASSERT_EQUAL_FATAL(d.plan.list.n, 2);
	CU_ASSERT_EQUAL(d.plan.list.steps[0].hugepages.page_kib, KIB_PER_GIB);
	CU_ASSERT_EQUAL(d.plan.list.steps[1].hugepages.page_kib, 2048);
	forget(&d);
}

/* A second plan for a host on which the first is carried out finds less */
static void test_pure(void)
{
	static const struct row row = { "some-idle", ONE, EMPTY_ONE "0:2M=600/500/0", "",
					GUEST(GIB(2) PAGES_2M) };
	struct decision d;
	struct plan again;

	decide(&row, &d);
	CU_ASSERT_EQUAL_FATAL(d.rc, 0);
	CU_ASSERT_EQUAL_FATAL(plan_make(d.guest, &d.host, &d.policy, &again, &d.err), 0);
	CU_ASSERT_EQUAL(d.plan.list.steps[0].hugepages.shares[0].want_idle, 500);
	CU_ASSERT_EQUAL(again.list.steps[0].hugepages.shares[0].want_idle, 500);
	plan_free(&again);
	forget(&d);
}

static void test_untouched_on_failure(void)
{
	static const struct row row = { "too large", ONE, EMPTY_ONE, "", GUEST(GIB(9) PAGES_2M) };
	struct plan plan = { .n_notes = 77 };
	struct decision d;

	decide(&row, &d);
	CU_ASSERT_EQUAL(d.rc, -ENOSPC);
	CU_ASSERT_EQUAL(plan_make(d.guest, &d.host, &d.policy, &plan, NULL), -ENOSPC);
	CU_ASSERT_EQUAL(plan.n_notes, 77);
	CU_ASSERT_EQUAL(plan.list.n, 0);
	forget(&d);
}

/* However many there are, none is dropped */
static void test_notes(void)
{
	struct plan plan = { 0 };
	int i;

	for (i = 0; i < 40; i++)
		plan_note(&plan, "note %d", i);
	CU_ASSERT_EQUAL(plan.n_notes, 40);
	for (i = 0; i < (int)plan.n_notes; i++) {
		char want[16];

		snprintf(want, sizeof(want), "note %d", i);
		UNIT_CHECK_STR(plan.notes[i], want, "%d", i);
	}
	plan_free(&plan);
	CU_ASSERT_EQUAL(plan.n_notes, 0);
	CU_ASSERT_PTR_NULL(plan.notes);
}

static void test_needs_host(void)
{
	static const struct {
		const char *guest;
		bool hugepages, store;
	} table[] = {
		{ "plain", false, false },
		{ "memfd", false, false },
		{ "hugepages-2m", true, false },
		{ "file", false, true },
		{ "file-by-access", false, true },
		{ "file-parts", true, true },
		/* <source type='memfd'/> does not make huge pages anything else */
		{ "memfd-hugepages", true, false },
	};
	size_t i;

	for (i = 0; i < ROWS(table); i++) {
		struct guest_policy policy = { .hugepages.manage = true };
		struct guest *guest = row_guest(table[i].guest);
		struct host_view kernel = { 0 };
		struct plan_needs needs = plan_needs_host(guest, &policy, &kernel);

		UNIT_CHECK(plan_needs_ahead(&needs) == table[i].hugepages, "%s", table[i].guest);
		UNIT_CHECK(plan_needs_section(&needs, "hugepages") == table[i].hugepages, "%s",
			   table[i].guest);
		UNIT_CHECK(plan_needs_stores(&needs) == table[i].store, "%s", table[i].guest);
		UNIT_CHECK(plan_needs_section(&needs, "store") == table[i].store, "%s",
			   table[i].guest);
		UNIT_CHECK(plan_needs_essential(&needs) == (table[i].hugepages || table[i].store),
			   "%s", table[i].guest);
		/* Files have no "manage" */
		policy.hugepages.manage = false;
		needs = plan_needs_host(guest, &policy, &kernel);
		UNIT_CHECK(!plan_needs_ahead(&needs) && plan_needs_stores(&needs) == table[i].store,
			   "%s", table[i].guest);
		guest_free(guest);
	}
}

/* A kernel without hugetlb, and a node without a pool */
static void test_poor_hosts(void)
{
	static const struct row row = { "default", ONE, EMPTY_ONE, "", "hugepages-default" };
	static const struct row bound = { "bound", TWO, EMPTY_TWO, "",
					  GUEST(GIB(1) PAGES_2M ON("strict", "1")) };
	struct decision d;
	struct plan plan;
	size_t n;

	decide(&row, &d);
	n = d.host.n_sizes;
	d.host.n_sizes = 0;
	d.host.default_page_kib = 0;
	CU_ASSERT_EQUAL(plan_make(d.guest, &d.host, &d.policy, &plan, &d.err), -ENODEV);
	UNIT_CHECK_STR(d.err.text,
		       "guest 'hugepages-default' asks for huge pages, but this kernel has "
		       "none: boot a kernel with hugetlb or take <hugepages/> out of the guest",
		       "no hugetlb");
	d.host.n_sizes = n;
	forget(&d);

	decide(&bound, &d);
	d.host.sizes[0].n_pools = 1;
	d.err.text[0] = '\0';
	UNIT_CHECK(plan_make(d.guest, &d.host, &d.policy, &plan, &d.err) < 0, "no pool on node 1");
	UNIT_CHECK(!strstr(d.err.text, "on node ,"), "a node without a name: %s", d.err.text);
	forget(&d);
}

static CU_TestInfo tests[] = {
	{ "plans are as in the golden files", test_golden },
	{ "plans with files are as in the golden files", test_golden_files },
	{ "what fits is not refused", test_fitting },
	{ "large pages come first", test_large_pages_first },
	{ "a plan changes nothing", test_pure },
	{ "a refusal leaves the result alone", test_untouched_on_failure },
	{ "no note is dropped", test_notes },
	{ "who needs the host", test_needs_host },
	{ "hosts without pools", test_poor_hosts },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_plan", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Why libvirt, QEMU or the kernel would refuse a guest, whatever is free.
 */
#include "policy/refusal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "policy/guest_notes.h"
#include "policy/host_view.h"

struct question {
	const struct guest *guest;
	const struct host_view *host;
	bool hook_mounts;
	uint64_t page_kib;
	struct err *err;
};

/* ---- the definition ---- */

static void on_note(enum guest_note kind, const char *text, void *data)
{
	char *first = data;

	if (kind == GUEST_NOTE_REFUSED && !*first)
		snprintf(first, GUEST_NOTE_SIZE, "%s", text);
}

static enum refusal find_refused_definition(struct question *q)
{
	char text[GUEST_NOTE_SIZE] = "";

	guest_notes(q->guest, on_note, text);
	if (*text) {
		err_set(q->err, EINVAL, "guest '%s': %s", q->guest->name, text);
		return REFUSAL_DEFINITION;
	}
	if (!q->host->kvm_refuses_hugepages || !guest_asks_for_hugepages(q->guest))
		return REFUSAL_NONE;
	err_set(q->err, EINVAL,
		"guest '%s' asks for huge pages, and kvm was loaded with hpage=0: QEMU refuses to "
		"start it; load kvm with hpage=1",
		q->guest->name);
	return REFUSAL_KVM;
}

/* ---- nodes ---- */

static const char *nodes_remedy(const struct guest_memory *memory)
{
	return memory->kind == GUEST_MEMORY_PLUGGED ?
		       "take such a node as --node" :
		       "change the nodeset in the guest's <numatune> or the device's <nodemask>";
}

void refusal_nodes(const struct host_view *host, const struct guest_memory *memory,
		   struct nodeset *nodes)
{
	const struct numa *numa = &host->numa;
	size_t i;

	*nodes = (struct nodeset){ 0 };
	for (i = 0; memory->bind != GUEST_BIND_ANY && i < numa->n_nodes; i++)
		if (nodeset_has(&memory->nodes, numa->nodes[i].id))
			nodeset_add(nodes, numa->nodes[i].id);
}

/* libvirt wants each node to be online.  Return: the first that is not, or NUMA_NODES_MAX */
static unsigned int find_offline(const struct numa *numa, const struct nodeset *nodes)
{
	unsigned int id;

	for (id = 0; id < NUMA_NODES_MAX; id++)
		if (nodeset_has(nodes, id) && !nodeset_has(&numa->online, id) &&
		    !numa_find(numa, id))
			break;
	return id;
}

static enum refusal check_nodes(struct question *q, const struct guest_memory *memory)
{
	const struct numa *numa = &q->host->numa;
	char text[NODESET_TEXT_SIZE], wanted[NODESET_TEXT_SIZE], part[GUEST_PART_SIZE];
	struct nodeset have = { 0 }, usable;
	unsigned int offline;
	size_t i;

	if (memory->bind == GUEST_BIND_ANY)
		return REFUSAL_NONE;
	for (i = 0; i < numa->n_nodes; i++)
		nodeset_add(&have, numa->nodes[i].id);
	refusal_nodes(q->host, memory, &usable);
	offline = find_offline(numa, &memory->nodes);
	if (offline < NUMA_NODES_MAX)
		err_set(q->err, ENODEV,
			"guest '%s'%s is bound to NUMA node %u, which is not online: libvirt "
			"refuses to start it; this host has memory on node%s %s: %s",
			q->guest->name, guest_memory_part(memory, part), offline,
			plural(nodeset_count(&have)), nodeset_format(&have, text),
			nodes_remedy(memory));
	else if (nodeset_empty(&usable))
		err_set(q->err, ENODEV,
			"guest '%s'%s is bound to NUMA node%s %s without memory: the kernel "
			"gives it none there, and the start fails; this host has memory on node%s "
			"%s: %s",
			q->guest->name, guest_memory_part(memory, part),
			plural(nodeset_count(&memory->nodes)),
			nodeset_format(&memory->nodes, wanted), plural(nodeset_count(&have)),
			nodeset_format(&have, text), nodes_remedy(memory));
	else
		return REFUSAL_NONE;
	return REFUSAL_NODE;
}

/* ---- sizes ---- */

static int sizes_text(const struct host_view *host, char *buf, size_t size)
{
	char kib[TEXT_KIB_SIZE];
	size_t used = 0, i;

	buf[0] = '\0';
	for (i = 0; i < host->n_sizes && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "",
					 text_from_kib(host->sizes[i].page_kib, kib));
	return host->n_sizes ? 0 : -ENOENT;
}

/* Where the size was written */
static const char *size_remedy(const struct guest_memory *memory)
{
	switch (memory->kind) {
	case GUEST_MEMORY_PLUGGED:
		return "take such a size as --page-size";
	case GUEST_MEMORY_DIMM:
	case GUEST_MEMORY_VIRTIO_MEM:
		return "change <page size=.../> in the guest's <hugepages>, or <pagesize> in the "
		       "device's <source>";
	case GUEST_MEMORY_NVDIMM:
		return "let the <path> in the device's <source> lead to another file system";
	case GUEST_MEMORY_RAM:
	case GUEST_MEMORY_CELL:
		break;
	}
	return "change <page size=.../> in the guest's <hugepages>";
}

static enum refusal check_size(struct question *q, const struct guest_memory *memory)
{
	char kib[TEXT_KIB_SIZE], sizes[256], part[GUEST_PART_SIZE];

	if (q->page_kib && host_view_size(q->host, q->page_kib))
		return REFUSAL_NONE;
	if (sizes_text(q->host, sizes, sizeof(sizes)) < 0)
		err_set(q->err, ENODEV,
			"guest '%s'%s asks for huge pages, but this kernel has none: boot a "
			"kernel with hugetlb or take <hugepages/> out of the guest",
			q->guest->name, guest_memory_part(memory, part));
	else
		err_set(q->err, ENODEV,
			"guest '%s'%s asks for huge pages of %s, but this kernel has only %s: "
			"%s%s",
			q->guest->name, guest_memory_part(memory, part),
			text_from_kib(q->page_kib, kib), sizes, size_remedy(memory),
			host_view_unit_hint(q->host, q->page_kib));
	return REFUSAL_SIZE;
}

/* ---- hugetlbfs ---- */

/* libvirt refuses a guest whose pages it has no hugetlbfs for.  Of a memfd only the size of a
 * bare <hugepages/> comes from there */
static bool lacks_mount(const struct question *q, const struct guest_memory *memory)
{
	const struct hugetlbfs_view *view = &q->host->hugetlbfs;
	bool bare = !memory->page_kib && !view->n && memory->source == GUEST_SOURCE_MEMFD;
	bool more = !view->final && view->hook_mounts && q->hook_mounts;

	return view->known && !more && !host_view_hugetlbfs(q->host, q->page_kib) &&
	       (host_view_is_mounted(memory) || bare);
}

static enum refusal check_mount(struct question *q, const struct guest_memory *memory)
{
	char kib[TEXT_KIB_SIZE], part[GUEST_PART_SIZE];

	if (!lacks_mount(q, memory))
		return REFUSAL_NONE;
	text_from_kib(q->page_kib, kib);
	if (!q->host->hugetlbfs.final) {
		err_set(q->err, ENODEV,
			"guest '%s'%s asks for huge pages of %s, and no hugetlbfs for them is "
			"mounted yet: libvirt refuses to start it unless one is mounted before its "
			"QEMU driver starts%s",
			q->guest->name, guest_memory_part(memory, part), kib,
			q->hook_mounts ? ", as our daemon hook does once it is linked" : "");
		return REFUSAL_MOUNT_YET;
	}
	if (q->host->hugetlbfs.by_conf)
		err_set(q->err, ENODEV,
			"guest '%s'%s asks for huge pages of %s, and hugetlbfs_mount in /%s "
			"names no hugetlbfs for them: libvirt refuses to start it; mount one, name "
			"it there, and restart libvirt's QEMU daemon",
			q->guest->name, guest_memory_part(memory, part), kib, QEMU_CONF_FILE);
	else
		err_set(q->err, ENODEV,
			"guest '%s'%s asks for huge pages of %s, and no hugetlbfs for them is "
			"mounted: libvirt refuses to start it; mount one and restart libvirt's "
			"QEMU daemon",
			q->guest->name, guest_memory_part(memory, part), kib);
	return REFUSAL_MOUNT;
}

/* What may still be mapped through a hugetlbfs: others have been promised some of it.  What is
 * promised to memfds does not go through it */
static uint64_t mount_left(const struct size_view *size, const struct hugetlbfs_fs *fs)
{
	uint64_t promised = 0;
	size_t i;

	for (i = 0; i < size->n_pools; i++)
		promised = u64_add_sat(promised,
				       u64_sub_floor(size->pools[i].claimed, size->pools[i].held));
	return u64_sub_floor(fs->left_kib / size->page_kib, u64_sub_floor(promised, size->memfd));
}

/* Pages that the guest maps through the hugetlbfs of that size */
static uint64_t mounted_pages(const struct question *q, const struct size_view *size)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < q->guest->n_memory; i++) {
		const struct guest_memory *memory = &q->guest->memory[i];

		if (host_view_is_mounted(memory) &&
		    host_view_page_kib(q->host, memory) == size->page_kib)
			pages = u64_add_sat(pages, u64_div_up(memory->size_kib, size->page_kib));
	}
	return pages;
}

/* size= of a hugetlbfs, which all guests share */
static enum refusal check_limit(struct question *q, const struct size_view *size)
{
	const struct hugetlbfs_fs *fs = host_view_hugetlbfs(q->host, size->page_kib);
	uint64_t pages = mounted_pages(q, size), left;
	char kib[TEXT_KIB_SIZE], max[TEXT_KIB_SIZE];

	if (!pages || !fs || !fs->max_kib)
		return REFUSAL_NONE;
	left = mount_left(size, fs);
	if (pages <= left)
		return REFUSAL_NONE;
	q->page_kib = size->page_kib;
	err_set(q->err, ENOSPC,
		"guest '%s' needs %llu huge page%s of %s, and %s, through which libvirt gives "
		"them out, was mounted with size=%lluK: %s for all guests together, and %llu "
		"page%s of that are left; mount it with a larger size=, or with none",
		q->guest->name, (unsigned long long)pages, plural(pages),
		text_from_kib(size->page_kib, kib), fs->dir, (unsigned long long)fs->max_kib,
		text_from_kib(fs->max_kib, max), (unsigned long long)left, plural(left));
	return REFUSAL_LIMIT;
}

/* ---- all of it ---- */

static enum refusal check_backend(struct question *q, const struct guest_memory *memory)
{
	enum refusal found = check_nodes(q, memory);

	if (found || !memory->hugepages)
		return found;
	q->page_kib = host_view_page_kib(q->host, memory);
	found = check_size(q, memory);
	return found ? found : check_mount(q, memory);
}

/* A lasting reason is reported before one that may be gone by the time libvirt starts */
static enum refusal find(struct question *q)
{
	enum refusal found = find_refused_definition(q);
	size_t n = q->guest->n_memory, i, yet = n;

	for (i = 0; !found && i < n; i++) {
		found = check_backend(q, &q->guest->memory[i]);
		if (found != REFUSAL_MOUNT_YET)
			continue;
		yet = yet < n ? yet : i;
		found = REFUSAL_NONE;
	}
	for (i = 0; !found && i < q->host->n_sizes; i++)
		found = check_limit(q, &q->host->sizes[i]);
	/* Again, for its sentence and its page size */
	if (!found && yet < n)
		found = check_backend(q, &q->guest->memory[yet]);
	return found;
}

enum refusal refusal_find(const struct guest *guest, const struct host_view *host, bool hook_mounts,
			  uint64_t *page_kib, struct err *err)
{
	struct question q = { .guest = guest, .host = host, .hook_mounts = hook_mounts };
	enum refusal found;

	q.err = err;
	found = find(&q);

	if (page_kib)
		*page_kib = q.page_kib;
	return found;
}

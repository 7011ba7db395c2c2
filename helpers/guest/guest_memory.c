// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libvirt's rules for memory backends, applied to the XML it gives to hooks.
 *
 * DOC: two passes
 *
 * What a backend gets depends on elements all over the document.  So they are
 * read into struct layout first, and the backends are derived from it.
 *
 * After the prepare hook libvirt rounds sizes up before QEMU sees them: RAM and
 * cells to 1 MiB, memory devices to 2 MiB, all to 256 MiB on POWER
 * (qemuDomainAlignMemorySizes).  We do the same; it is idempotent, so the XML of
 * a running guest gives the same result.
 */
#include "guest/guest_memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "guest/guest_layout.h"
#include "guest/guest_pins.h"
#include "guest/guest_xml.h"

/* What a memory device says about itself, before anything else counts */
struct own {
	uint64_t page_kib;
	bool has_nodes;
	char trouble[GUEST_WORDS_SIZE]; /* as in struct layout_tune */
	struct nodeset nodes;
	enum access access;
	enum discard discard;
};

static uint64_t round_up(uint64_t kib, uint64_t align)
{
	return u64_div_up(kib, align) * align;
}

/* The first <page> with the cell in its nodeset, else the last without a nodeset */
static const struct layout_page *find_page(const struct layout *layout, int cell)
{
	const struct layout_page *general = NULL;
	size_t i;

	for (i = 0; i < layout->n_pages; i++) {
		const struct layout_page *page = &layout->pages[i];

		if (!page->has_cells)
			general = page;
		else if (cell >= 0 && nodeset_has(&page->cells, (unsigned int)cell))
			return page;
	}
	return general;
}

static void choose_page(const struct layout *layout, const struct own *own,
			struct guest_memory *memory)
{
	const struct layout_page *page;

	memory->page_kib = own->page_kib;
	memory->hugepages = own->page_kib;
	if (!own->page_kib) {
		page = find_page(layout, memory->cell);
		memory->hugepages = page;
		memory->page_kib = page ? page->kib : 0;
	}
	if (memory->page_kib == layout->system_page_kib) {
		memory->page_kib = 0;
		memory->hugepages = false;
	}
}

/* The mode and the nodes need not come from the same place */
static void choose_nodes(const struct layout *layout, const struct own *own,
			 struct guest_memory *memory)
{
	const struct layout_cell *cell = guest_layout_find_cell(layout, memory->cell);
	const struct layout_tune *tune = cell && cell->tune.present ? &cell->tune : &layout->tune;

	if (own->has_nodes)
		memory->nodes = own->nodes;
	else if (tune->has_nodes && !layout->auto_placement)
		memory->nodes = tune->nodes;
	else
		return;
	memory->bind = tune->mode;
}

/* Pages are made on nodes, so these must be known.  Of other memory they are libvirt's
 * business alone */
static int check_trouble(const struct layout *layout, const struct own *own,
			 const struct guest_memory *memory, struct err *err)
{
	const struct layout_cell *cell = guest_layout_find_cell(layout, memory->cell);
	const char *texts[] = { own->trouble, cell ? cell->tune.trouble : "", layout->tune.trouble,
				layout->trouble };
	size_t i;

	for (i = 0; memory->hugepages && i < ARRAY_SIZE(texts); i++)
		if (*texts[i])
			return err_set(err, EINVAL, "%s", texts[i]);
	return 0;
}

static void choose_source(const struct layout *layout, const struct own *own,
			  struct guest_memory *memory)
{
	const struct layout_cell *cell = guest_layout_find_cell(layout, memory->cell);
	enum access access = own->access;
	enum discard discard = own->discard;

	if (access == ACCESS_UNSET && cell)
		access = cell->access;
	if (access == ACCESS_UNSET)
		access = layout->access;
	if (discard == DISCARD_UNSET && cell)
		discard = cell->discard;
	if (discard == DISCARD_UNSET)
		discard = layout->discard;
	memory->shared = access == ACCESS_SHARED;
	memory->discard = discard == DISCARD_YES;
	memory->source = layout->source;
	/* libvirt can only say "private" or "shared" of a file */
	if (layout->source == GUEST_SOURCE_ANONYMOUS &&
	    (memory->hugepages || access != ACCESS_UNSET))
		memory->source = GUEST_SOURCE_FILE;
}

/* Appends a backend of memory->kind, cell, sizes and alias to @guest.  One that is
 * empty at the start matters only where it is promised space for later */
static int add_backend(const struct layout *layout, const struct own *own,
		       const struct guest_memory *memory, struct guest *guest, struct err *err)
{
	struct guest_memory *added = &guest->memory[guest->n_memory];

	*added = *memory;
	added->max_kib = u64_max(added->max_kib, added->size_kib);
	choose_page(layout, own, added);
	choose_nodes(layout, own, added);
	choose_source(layout, own, added);
	if (added->hugepages)
		guest->later_kib = u64_add_sat(guest->later_kib, added->max_kib - added->size_kib);
	if (!added->size_kib && !(added->max_kib && guest_memory_is_file(added)))
		return 0;
	guest->n_memory++;
	return check_trouble(layout, own, added, err);
}

/* Models whose memory comes from the host's pools or stores.  nvdimm and virtio-pmem bring
 * a path of their own; sgx-epc is the processor's */
static const struct model {
	const char *word;
	const char *size; /* which element of <target> is allocated at the start */
	enum guest_memory_kind kind;
} models[] = {
	{ "dimm", "size", GUEST_MEMORY_DIMM },
	{ "virtio-mem", "requested", GUEST_MEMORY_VIRTIO_MEM },
	{ "nvdimm", "size", GUEST_MEMORY_NVDIMM },
	{ "virtio-pmem", "size", GUEST_MEMORY_NVDIMM },
};

#define N_MODELS ARRAY_SIZE(models)

static int read_own(const xmlNode *device, struct own *own, struct err *err)
{
	const xmlNode *source = guest_xml_child(device, "source");
	struct err why;
	int rc = guest_xml_kib(guest_xml_child(source, "pagesize"), &own->page_kib, err);

	if (rc < 0)
		return rc;
	own->access = guest_layout_access(device, "access");
	own->discard = guest_layout_discard(device);
	rc = guest_xml_nodeset(guest_xml_child(source, "nodemask"), &own->nodes, &own->has_nodes,
			       &why);
	if (rc == -EINVAL) {
		own->has_nodes = false;
		snprintf(own->trouble, sizeof(own->trouble), "%.*s", GUEST_WORDS_SIZE - 1,
			 why.text);
		return 0;
	}
	return rc < 0 ? err_set(err, -rc, "%s", why.text) : 0;
}

/* What it takes of memory is known only to those who know where the path leads */
static int add_file(const xmlNode *device, const struct layout *layout, const struct own *own,
		    const struct guest_memory *memory, struct guest *guest, struct err *err)
{
	const xmlNode *path = guest_xml_child(guest_xml_child(device, "source"), "path");
	struct guest_file *file = &guest->files[guest->n_files];
	cleanup_xml char *text = NULL;
	int rc = guest_xml_text(path, &text, err);

	if (rc < 0 || !text || !memory->size_kib)
		return rc;
	file->path = strdup(text);
	if (!file->path)
		return err_sys(err, ENOMEM, "domain XML");
	guest->n_files++;
	file->memory = *memory;
	choose_source(layout, own, &file->memory);
	file->memory.source = GUEST_SOURCE_FILE;
	choose_nodes(layout, own, &file->memory);
	return 0;
}

static int add_device(const xmlNode *device, const struct model *model, unsigned int index,
		      const struct layout *layout, struct guest *guest, struct err *err)
{
	const xmlNode *target = guest_xml_child(device, "target");
	struct guest_memory memory = { .kind = model->kind, .cell = -1 };
	/* Without cells libvirt may add cell 0 by itself */
	int last_cell = layout->n_cells ? (int)layout->n_cells - 1 : 0;
	struct own own = { 0 };
	int rc = read_own(device, &own, err);

	if (!rc)
		rc = guest_xml_int(guest_xml_child(target, "node"), last_cell, &memory.cell, err);
	if (!rc)
		rc = guest_xml_kib(guest_xml_child(target, model->size), &memory.size_kib, err);
	if (!rc)
		rc = guest_xml_kib(guest_xml_child(target, "size"), &memory.max_kib, err);
	if (rc < 0)
		return rc;
	if (model->kind == GUEST_MEMORY_DIMM)
		memory.size_kib = round_up(memory.size_kib, layout->device_align_kib);
	snprintf(memory.alias, sizeof(memory.alias), "%s %u", model->word, index);
	if (model->kind == GUEST_MEMORY_NVDIMM)
		return add_file(device, layout, &own, &memory, guest, err);
	return add_backend(layout, &own, &memory, guest, err);
}

static int add_devices(const xmlNode *domain, const struct layout *layout, struct guest *guest,
		       struct err *err)
{
	const xmlNode *device = guest_xml_child(guest_xml_child(domain, "devices"), "memory");
	unsigned int seen[N_MODELS] = { 0 };
	size_t i;
	int rc = 0;

	for (; device && !rc; device = guest_xml_next(device, "memory"))
		for (i = 0; i < N_MODELS && !rc; i++)
			if (guest_xml_attr_is(device, "model", models[i].word))
				rc = add_device(device, &models[i], seen[i]++, layout, guest, err);
	return rc;
}

/* Takes the size of one device, whatever its model, off the <memory> of a guest without cells */
static int subtract_device(const xmlNode *device, uint64_t *ram_kib, struct err *err)
{
	uint64_t size = 0;
	int rc = guest_xml_kib(guest_xml_child(guest_xml_child(device, "target"), "size"), &size,
			       err);

	if (rc < 0)
		return rc;
	if (!size)
		return guest_xml_bad(device, err,
				     "memory device without a <size> in its <target>, or of 0");
	if (size >= *ram_kib)
		return guest_xml_bad(device, err, "the memory devices leave nothing of <memory>");
	*ram_kib -= size;
	return 0;
}

static int read_ram(const xmlNode *domain, uint64_t *ram_kib, struct err *err)
{
	const xmlNode *memory = guest_xml_child(domain, "memory");
	uint64_t size = 0;
	int rc;

	if (!memory)
		return guest_xml_bad(domain, err, "the guest has no <memory> element");
	rc = guest_xml_kib(memory, &size, err);
	if (rc < 0)
		return rc;
	if (!size)
		return guest_xml_bad(memory, err, "the guest has 0 KiB of <memory>");
	*ram_kib = size;
	return 0;
}

static int add_ram(const xmlNode *domain, const struct layout *layout, uint64_t ram_kib,
		   struct guest *guest, struct err *err)
{
	const xmlNode *device = guest_xml_child(guest_xml_child(domain, "devices"), "memory");
	struct guest_memory memory = { .kind = GUEST_MEMORY_RAM, .alias = "ram", .cell = -1 };
	const struct own nothing = { 0 };
	int rc;

	for (; device; device = guest_xml_next(device, "memory")) {
		rc = subtract_device(device, &ram_kib, err);
		if (rc < 0)
			return rc;
	}
	memory.size_kib = round_up(ram_kib, layout->ram_align_kib);
	return add_backend(layout, &nothing, &memory, guest, err);
}

static int add_cells(const xmlNode *domain, const struct layout *layout, struct guest *guest,
		     struct err *err)
{
	const struct own nothing = { 0 };
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < layout->n_cells; i++) {
		struct guest_memory memory = {
			.kind = GUEST_MEMORY_CELL,
			.cell = (int)i,
			.size_kib = round_up(layout->cells[i].size_kib, layout->ram_align_kib),
		};

		snprintf(memory.alias, sizeof(memory.alias), "cell %zu", i);
		rc = add_backend(layout, &nothing, &memory, guest, err);
	}
	if (rc == 0 && !guest->n_memory)
		rc = guest_xml_bad(domain, err, "all NUMA cells of the guest have 0 KiB");
	return rc;
}

/* Each part is below 8 EiB; so must be the sum, for those who compute with it */
static int check_sum(const xmlNode *domain, const struct guest *guest, struct err *err)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		sum = u64_add_sat(sum, guest->memory[i].max_kib);
	if (sum >= TEXT_KIB_MAX)
		return guest_xml_bad(domain, err, "the guest's memory sums up to more than 8 EiB");
	return 0;
}

static int add_backends(const xmlNode *domain, const struct layout *layout, struct guest *guest,
			struct err *err)
{
	size_t n_devices = 0;
	uint64_t ram_kib = 0;
	/* With cells, their sizes count, and libvirt needs no <memory> */
	int rc = layout->n_cells ? 0 : read_ram(domain, &ram_kib, err);

	if (!rc)
		rc = guest_xml_count(guest_xml_child(domain, "devices"), "memory", &n_devices, err);
	if (rc < 0)
		return rc;
	guest->memory = calloc(1 + layout->n_cells + n_devices, sizeof(*guest->memory));
	guest->files = calloc(1 + n_devices, sizeof(*guest->files));
	if (!guest->memory || !guest->files)
		return err_sys(err, ENOMEM, "domain XML");
	rc = layout->n_cells ? add_cells(domain, layout, guest, err) :
			       add_ram(domain, layout, ram_kib, guest, err);
	if (!rc)
		rc = add_devices(domain, layout, guest, err);
	return rc < 0 ? rc : check_sum(domain, guest, err);
}

/* What libvirt says of a source or an allocation beside huge pages (qemu_validate.c) */
static void find_excluded(const xmlNode *domain, struct guest *guest)
{
	const xmlNode *backing = guest_xml_child(domain, "memoryBacking");
	bool anonymous = guest_xml_attr_is(guest_xml_child(backing, "source"), "type", "anonymous");
	bool ondemand =
		guest_xml_attr_is(guest_xml_child(backing, "allocation"), "mode", "ondemand");

	if (!guest_xml_child(backing, "hugepages") || (!anonymous && !ondemand))
		return;
	snprintf(guest->refused, sizeof(guest->refused),
		 "no <hugepages/> together with %s%s%s; take one of them out of its "
		 "<memoryBacking>",
		 anonymous ? "<source type='anonymous'/>" : "", anonymous && ondemand ? " or " : "",
		 ondemand ? "<allocation mode='ondemand'/>" : "");
}

/* The first guest cell in @page's nodeset that the guest does not have; -1: there is none */
static int find_no_cell(const struct layout *layout, const struct layout_page *page)
{
	unsigned int cell;

	/* Without cells, 0 was forgiven where it stands alone */
	for (cell = layout->n_cells ? (unsigned int)layout->n_cells : 1; cell < NUMA_NODES_MAX;
	     cell++)
		if (nodeset_has(&page->cells, cell))
			return (int)cell;
	return -1;
}

static void refuse_no_cell(const struct layout *layout, int cell, struct guest *guest)
{
	if (!layout->n_cells)
		snprintf(guest->refused, sizeof(guest->refused),
			 "the nodeset of a <page> in its <hugepages> names guest NUMA cell %d, and "
			 "the guest has no cells; take nodeset= out, or define cells in its "
			 "<cpu><numa>",
			 cell);
	else
		snprintf(guest->refused, sizeof(guest->refused),
			 "the nodeset of a <page> in its <hugepages> names guest NUMA cell %d, and "
			 "the guest's last one is %zu; nodeset= there is of the guest's cells, not "
			 "of the host's nodes",
			 cell, layout->n_cells - 1);
}

static bool overlap(const struct nodeset *a, const struct nodeset *b)
{
	unsigned int i;

	for (i = 0; i < NUMA_NODES_MAX; i++)
		if (nodeset_has(a, i) && nodeset_has(b, i))
			return true;
	return false;
}

/* What libvirt says of several <page> (virDomainDefMemtuneValidate): each cell has one, and one
 * without nodeset is for all others */
static void find_bad_pages(const struct layout *layout, struct guest *guest)
{
	size_t i, j;

	for (i = 0; i < layout->n_pages && !*guest->refused; i++) {
		const struct layout_page *page = &layout->pages[i];
		int cell = page->has_cells ? find_no_cell(layout, page) : -1;

		for (j = 0; j < i && !*guest->refused; j++) {
			const struct layout_page *other = &layout->pages[j];

			if (!page->has_cells && !other->has_cells)
				snprintf(guest->refused, sizeof(guest->refused),
					 "two <page> without nodeset in its <hugepages>; say for "
					 "which guest cells each is, or take one out");
			else if (page->has_cells && other->has_cells &&
				 overlap(&page->cells, &other->cells))
				snprintf(guest->refused, sizeof(guest->refused),
					 "two <page> in its <hugepages> name the same guest cell; "
					 "take it out of one nodeset=");
		}
		if (cell >= 0 && !*guest->refused)
			refuse_no_cell(layout, cell, guest);
	}
}

int guest_memory_read(const xmlNode *domain, struct guest *guest, struct err *err)
{
	cleanup_layout struct layout layout = { 0 };
	int rc = guest_layout_read(domain, &layout, guest, err);

	find_excluded(domain, guest);
	if (rc == 0) {
		find_bad_pages(&layout, guest);
		rc = guest_pins_read(domain, guest, err);
	}
	return rc < 0 ? rc : add_backends(domain, &layout, guest, err);
}

static bool cells_ask(const xmlNode *domain)
{
	const xmlNode *numa = guest_xml_child(guest_xml_child(domain, "cpu"), "numa");
	const xmlNode *cell;

	for (cell = guest_xml_child(numa, "cell"); cell; cell = guest_xml_next(cell, "cell"))
		if (guest_layout_access(cell, "memAccess") != ACCESS_UNSET)
			return true;
	return false;
}

static bool devices_ask(const xmlNode *domain)
{
	const xmlNode *device = guest_xml_child(guest_xml_child(domain, "devices"), "memory");

	for (; device; device = guest_xml_next(device, "memory"))
		if (guest_xml_child(guest_xml_child(device, "source"), "pagesize") ||
		    guest_layout_access(device, "access") != ACCESS_UNSET)
			return true;
	return false;
}

bool guest_memory_asks(const xmlNode *domain)
{
	const xmlNode *backing = guest_xml_child(domain, "memoryBacking");

	return guest_xml_child(backing, "hugepages") || guest_xml_child(backing, "access") ||
	       guest_xml_attr_is(guest_xml_child(backing, "source"), "type", "file") ||
	       cells_ask(domain) || devices_ask(domain);
}

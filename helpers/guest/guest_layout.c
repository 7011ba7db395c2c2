// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * <memoryBacking>, <numatune> and the cells of <cpu><numa>.
 */
#include "guest/guest_layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest_xml.h"

void guest_layout_free(struct layout *layout)
{
	free(layout->pages);
	free(layout->cells);
}

/* calloc() of at least one, so that NULL means failure */
static void *allocate(size_t n, size_t size, struct err *err)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		err_sys(err, ENOMEM, "domain XML");
	return p;
}

enum access guest_layout_access(const xmlNode *node, const char *attr)
{
	if (guest_xml_attr_is(node, attr, "shared"))
		return ACCESS_SHARED;
	return guest_xml_attr_is(node, attr, "private") ? ACCESS_PRIVATE : ACCESS_UNSET;
}

enum discard guest_layout_discard(const xmlNode *node)
{
	if (guest_xml_attr_is(node, "discard", "yes"))
		return DISCARD_YES;
	return guest_xml_attr_is(node, "discard", "no") ? DISCARD_NO : DISCARD_UNSET;
}

static int read_page(const xmlNode *node, struct layout_page *page, struct err *err)
{
	int rc = guest_xml_attr_kib(node, "size", &page->kib, err);

	if (rc < 0)
		return rc;
	if (!page->kib)
		return guest_xml_bad(node, err, "<page> has no size, or one of 0");
	return guest_xml_attr_nodeset(node, "nodeset", &page->cells, &page->has_cells, err);
}

static int read_hugepages(const xmlNode *hugepages, struct layout *layout, struct err *err)
{
	const xmlNode *node;
	size_t n = 0;
	int rc;

	if (!hugepages)
		return 0;
	rc = guest_xml_count(hugepages, "page", &n, err);
	if (rc < 0)
		return rc;
	layout->pages = allocate(n, sizeof(*layout->pages), err);
	if (!layout->pages)
		return -ENOMEM;
	/* Without any <page>: one of the default size */
	layout->n_pages = n ? n : 1;
	n = 0;
	for (node = guest_xml_child(hugepages, "page"); node; node = guest_xml_next(node, "page")) {
		rc = read_page(node, &layout->pages[n++], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_backing(const xmlNode *domain, struct layout *layout, struct guest *guest,
			struct err *err)
{
	const xmlNode *backing = guest_xml_child(domain, "memoryBacking");
	const xmlNode *source = guest_xml_child(backing, "source");

	if (guest_xml_attr_is(source, "type", "file"))
		layout->source = GUEST_SOURCE_FILE;
	else if (guest_xml_attr_is(source, "type", "memfd"))
		layout->source = GUEST_SOURCE_MEMFD;
	layout->access = guest_layout_access(guest_xml_child(backing, "access"), "mode");
	if (guest_xml_child(backing, "discard"))
		layout->discard = DISCARD_YES;
	guest->locked = guest_xml_child(backing, "locked");
	guest->immediate =
		guest_xml_attr_is(guest_xml_child(backing, "allocation"), "mode", "immediate");
	guest->nosharepages = guest_xml_child(backing, "nosharepages");
	return read_hugepages(guest_xml_child(backing, "hugepages"), layout, err);
}

static int read_cell(const xmlNode *node, size_t index, struct layout *layout, struct err *err)
{
	int id = (int)index;
	struct layout_cell *cell;
	int rc = guest_xml_attr_int(node, "id", (int)layout->n_cells - 1, &id, err);

	if (rc < 0)
		return rc;
	cell = &layout->cells[id];
	if (cell->present)
		return guest_xml_bad(node, err, "there are two cells with id %d", id);
	cell->present = true;
	cell->access = guest_layout_access(node, "memAccess");
	cell->discard = guest_layout_discard(node);
	cell->size_kib = UINT64_MAX;
	rc = guest_xml_attr_kib(node, "memory", &cell->size_kib, err);
	if (!rc && cell->size_kib == UINT64_MAX)
		return guest_xml_bad(node, err, "cell %d does not say its memory", id);
	return rc;
}

static int read_cells(const xmlNode *domain, struct layout *layout, struct err *err)
{
	const xmlNode *numa = guest_xml_child(guest_xml_child(domain, "cpu"), "numa");
	const xmlNode *node;
	size_t i = 0;
	int rc = guest_xml_count(numa, "cell", &layout->n_cells, err);

	if (rc < 0)
		return rc;
	layout->cells = allocate(layout->n_cells, sizeof(*layout->cells), err);
	if (!layout->cells)
		return -ENOMEM;
	for (node = guest_xml_child(numa, "cell"); node; node = guest_xml_next(node, "cell")) {
		rc = read_cell(node, i++, layout, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* libvirt takes nodeset='0' of a guest without cells for no nodeset at all */
static void forgive_nodeset_0(struct layout *layout)
{
	struct nodeset zero;
	size_t i;

	if (layout->n_cells)
		return;
	memset(&zero, 0, sizeof(zero));
	nodeset_add(&zero, 0);
	for (i = 0; i < layout->n_pages; i++)
		if (nodeset_equal(&layout->pages[i].cells, &zero))
			layout->pages[i].has_cells = false;
}

/* Keeps the sentence for later.  Return: @rc, if that is worse than -EINVAL */
static int keep_trouble(int rc, const struct err *why, char trouble[GUEST_WORDS_SIZE])
{
	if (rc == -EINVAL)
		snprintf(trouble, GUEST_WORDS_SIZE, "%.*s", GUEST_WORDS_SIZE - 1, why->text);
	return rc == -EINVAL ? 0 : rc;
}

static int read_tune(const xmlNode *node, struct layout_tune *tune, struct err *err)
{
	struct err why;
	int rc;

	tune->present = node;
	tune->mode = GUEST_BIND_STRICT;
	if (guest_xml_attr_is(node, "mode", "preferred"))
		tune->mode = GUEST_BIND_PREFERRED;
	else if (guest_xml_attr_is(node, "mode", "interleave"))
		tune->mode = GUEST_BIND_INTERLEAVE;
	rc = guest_xml_attr_nodeset(node, "nodeset", &tune->nodes, &tune->has_nodes, &why);
	if (rc == -EINVAL)
		tune->has_nodes = false;
	rc = keep_trouble(rc, &why, tune->trouble);
	return rc < 0 ? err_set(err, -rc, "%s", why.text) : 0;
}

/* Return: 0 with the cell's number in @id, or -errno */
static int find_cell(const xmlNode *node, const struct layout *layout, int *id, struct err *err)
{
	int rc;

	if (!layout->n_cells)
		return guest_xml_bad(node, err, "<memnode> in a guest without NUMA cells");
	rc = guest_xml_attr_int(node, "cellid", (int)layout->n_cells - 1, id, err);
	if (rc == 0 && *id < 0)
		rc = guest_xml_bad(node, err, "<memnode> has no cellid");
	return rc;
}

static int read_memnode(const xmlNode *node, struct layout *layout, struct err *err)
{
	struct layout_tune *tune;
	struct err why;
	int id = -1, rc = find_cell(node, layout, &id, &why);

	if (rc < 0)
		return keep_trouble(rc, &why, layout->trouble) < 0 ?
			       err_set(err, -rc, "%s", why.text) :
			       0;
	tune = &layout->cells[id].tune;
	if (tune->present) {
		rc = guest_xml_bad(node, &why, "there are two <memnode> for cell %d", id);
		return keep_trouble(rc, &why, tune->trouble);
	}
	rc = read_tune(node, tune, err);
	if (rc == 0 && !tune->has_nodes && !*tune->trouble) {
		rc = guest_xml_bad(node, &why, "<memnode> of cell %d has no nodeset", id);
		rc = keep_trouble(rc, &why, tune->trouble);
	}
	return rc;
}

/* numad chooses the nodes: asked for, or because <vcpu> asked and nothing else is said */
static bool is_auto_placement(const xmlNode *domain, const xmlNode *memory,
			      const struct layout_tune *tune)
{
	if (guest_xml_attr_is(memory, "placement", "auto"))
		return true;
	return guest_xml_attr_is(guest_xml_child(domain, "vcpu"), "placement", "auto") &&
	       !tune->has_nodes;
}

static int read_numatune(const xmlNode *domain, struct layout *layout, struct err *err)
{
	const xmlNode *numatune = guest_xml_child(domain, "numatune");
	const xmlNode *memory = guest_xml_child(numatune, "memory");
	const xmlNode *node;
	int rc = read_tune(memory, &layout->tune, err);

	if (rc < 0)
		return rc;
	layout->auto_placement = is_auto_placement(domain, memory, &layout->tune);
	for (node = guest_xml_child(numatune, "memnode"); node;
	     node = guest_xml_next(node, "memnode")) {
		rc = read_memnode(node, layout, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void read_alignment(const struct guest *guest, struct layout *layout)
{
	bool power = !strcmp(guest->arch, "ppc64") || !strcmp(guest->arch, "ppc64le");

	layout->ram_align_kib = power ? 256 * KIB_PER_MIB : KIB_PER_MIB;
	layout->device_align_kib = power ? 256 * KIB_PER_MIB : 2 * KIB_PER_MIB;
}

int guest_layout_read(const xmlNode *domain, struct layout *layout, struct guest *guest,
		      struct err *err)
{
	int rc;

	layout->system_page_kib = guest->reading.page_kib;
	read_alignment(guest, layout);
	rc = read_backing(domain, layout, guest, err);
	if (!rc)
		rc = read_cells(domain, layout, err);
	if (!rc)
		rc = read_numatune(domain, layout, err);
	if (rc < 0)
		return rc;
	forgive_nodeset_0(layout);
	guest->auto_placement = layout->auto_placement;
	return 0;
}

const struct layout_cell *guest_layout_find_cell(const struct layout *layout, int cell)
{
	return cell >= 0 && (size_t)cell < layout->n_cells ? &layout->cells[cell] : NULL;
}

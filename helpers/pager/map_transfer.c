// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A guest's map, from the pager of one host to that of another.
 *
 * DOC: what goes along
 *
 * Pages that repeat a word are that word; pages in a directory of both hosts are lent, and neither
 * read nor sent.  All others, in memory or in tiers of this host alone, are held here: who
 * moves the guest sends them, and puts them into its memory there before that pager begins.
 * The guest stands meanwhile, or an epoch runs: what it writes is in the map of its changes, which
 * follows.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pager/engine.h"
#include "pager/map_file.h"

/* ---- export ---- */

/* The name of a memory file, without what the kernel puts around it */
static void object_name(const struct ram_object *object, char name[MAP_FILE_NAME_SIZE])
{
	char link[64], path[256];
	ssize_t n;
	char *slash;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", object->fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	snprintf(name, MAP_FILE_NAME_SIZE, "%.*s", MAP_FILE_NAME_SIZE - 1,
		 slash ? slash + 1 : path);
	name[strcspn(name, " ")] = '\0';
}

static void fill_head(const struct guest_pager *pager, const char *uuid, uint64_t since,
		      struct map_file_head *head)
{
	uint32_t i;

	*head = (struct map_file_head){ .n_objects = (uint32_t)pager->ram.n,
					.epoch = pager->changes.epoch,
					.since = since };
	snprintf(head->uuid, sizeof(head->uuid), "%s", uuid);
	for (i = 0; i < head->n_objects; i++) {
		object_name(&pager->ram.object[i], head->object[i].name);
		head->object[i].pages = pager->ram.object[i].pages;
	}
}

/* Its slot is pinned, and the entry named it after that */
static void export_slot(struct guest_pager *pager, struct page_fields fields,
			struct map_file_page *out)
{
	struct page_place place = { fields.tier, fields.slot };
	unsigned char content[PAGE_BYTES];
	struct err err;

	if (tiers_lend(pager->tiers, place, &out->at, &err) == 0) {
		out->kind = MAP_FILE_STORED;
	} else if (fields.tier == TIER_SAME_FILLED && load_content(pager, fields, content) == 0) {
		out->kind = MAP_FILE_SAME;
		memcpy(&out->word, content, sizeof(out->word));
	}
}

static void export_page(struct guest_pager *pager, uint64_t since, uint64_t page,
			struct map_file_page *out)
{
	page_entry entry = page_map_get(pager->map, page);
	struct page_fields fields = page_entry_fields(entry);
	struct page_place place = { fields.tier, fields.slot };

	*out = (struct map_file_page){ .kind = MAP_FILE_HELD };
	if (!changes_since(pager, since, page)) {
		out->kind = MAP_FILE_UNCHANGED;
		return;
	}
	if (fields.state == PAGE_ZERO)
		*out = (struct map_file_page){ .kind = MAP_FILE_SAME };
	if (fields.state != PAGE_EVICTED || !fields.has_slot || tiers_pin(pager->tiers, place) < 0)
		return;
	if (page_map_get(pager->map, page) == entry)
		export_slot(pager, fields, out);
	tiers_unpin(pager->tiers, place);
}

/* The head names the file of what is lent, so that comes first */
static int lend_one(struct guest_pager *pager, uint64_t since, struct map_file_head *head)
{
	struct map_file_page out;
	uint64_t page;

	for (page = 0; page < pager->ram.pages; page++) {
		export_page(pager, since, page, &out);
		if (out.kind == MAP_FILE_STORED)
			return tiers_lent_file(pager->tiers, &head->file);
	}
	return 0;
}

int guest_pager_export(struct guest_pager *pager, const char *uuid, uint64_t since, int fd,
		       struct err *err)
{
	struct map_file *file = NULL;
	struct map_file_head head;
	struct map_file_page out;
	uint64_t page;
	int rc = changes_check(pager, since, err);

	if (rc < 0)
		return rc;
	fill_head(pager, uuid, since, &head);
	rc = lend_one(pager, since, &head);
	STEP("export_lent");
	if (rc == 0)
		rc = map_file_create(&file, fd, &head, err);
	for (page = 0; rc == 0 && page < pager->ram.pages; page++) {
		export_page(pager, since, page, &out);
		/* It came there since */
		if (out.kind == MAP_FILE_STORED && !head.file.path[0])
			out.kind = MAP_FILE_HELD;
		rc = map_file_put(file, &out, err);
		STEP("export_page");
	}
	if (rc == 0)
		rc = map_file_end(file, err);
	map_file_free(file);
	STEP("export_done");
	return rc;
}

/* ---- content ---- */

bool guest_pager_next_resident(struct guest_pager *pager, uint64_t since, uint64_t *page)
{
	for (; *page < pager->ram.pages; (*page)++) {
		enum page_state state = page_entry_fields(page_map_get(pager->map, *page)).state;

		if (state != PAGE_ZERO && state != PAGE_EVICTED &&
		    changes_since(pager, since, *page))
			return true;
	}
	return false;
}

/* Through the file: no fault, and a hole stays one */
static int read_resident(struct guest_pager *pager, uint64_t page, struct page_fields fields,
			 void *content)
{
	const struct ram_object *object = ram_object_of(&pager->ram, page);
	ssize_t n = pread(object->fd, content, PAGE_BYTES,
			  (off_t)((page - object->first) * PAGE_BYTES));

	if (n != PAGE_BYTES)
		return n < 0 ? -errno : -EIO;
	if (page_present(pager, page) || fields.discarded ||
	    (!fields.bad && journal_discarded_lately(pager->journal, page)))
		return 0;
	return -ENODATA;
}

static int read_slot(struct guest_pager *pager, uint64_t page, page_entry entry, void *content)
{
	struct page_fields fields = page_entry_fields(entry);
	struct page_place place = { fields.tier, fields.slot };
	int rc = tiers_pin(pager->tiers, place);

	if (rc < 0)
		return -EAGAIN;
	rc = page_map_get(pager->map, page) == entry ? load_content(pager, fields, content) :
						       -EAGAIN;
	tiers_unpin(pager->tiers, place);
	return rc;
}

/* An entry that is what it was had no other in between: each way out counts its generation */
int guest_pager_read_page(struct guest_pager *pager, uint64_t page, void *content)
{
	page_entry entry = page_map_get(pager->map, page);
	struct page_fields fields = page_entry_fields(entry);
	int rc = -EAGAIN;

	if (fields.state == PAGE_ZERO)
		memset(content, 0, PAGE_BYTES);
	if (fields.state == PAGE_ZERO)
		rc = 0;
	else if (fields.state == PAGE_RESIDENT)
		rc = read_resident(pager, page, fields, content);
	else if (fields.state == PAGE_EVICTED && fields.has_slot)
		rc = read_slot(pager, page, entry, content);
	return page_map_get(pager->map, page) == entry ? rc : -EAGAIN;
}

/* ---- import ---- */

static int check_head(const struct guest_pager *pager, const struct map_file_head *head,
		      struct err *err)
{
	struct map_file_head ours;
	uint32_t i;

	if (head->since)
		return err_set(err, EINVAL, "page map: of changes alone");
	fill_head(pager, head->uuid, 0, &ours);
	if (head->n_objects != ours.n_objects)
		return err_set(err, EINVAL, "page map: of a guest with other memory");
	for (i = 0; i < ours.n_objects; i++)
		if (head->object[i].pages != ours.object[i].pages ||
		    strcmp(head->object[i].name, ours.object[i].name) != 0)
			return err_set(err, EINVAL, "page map: RAM block '%s' is not '%s' here",
				       head->object[i].name, ours.object[i].name);
	return 0;
}

static int import_place(struct guest_pager *pager, const struct map_file_page *in,
			struct page_place *place)
{
	uint64_t content[PAGE_BYTES / sizeof(uint64_t)];
	size_t i;

	if (in->kind == MAP_FILE_STORED)
		return tiers_borrow_slot(pager->tiers, &in->at, place);
	for (i = 0; i < PAGE_BYTES / sizeof(uint64_t); i++)
		content[i] = in->word;
	return tiers_store(pager->tiers, content, place);
}

static int import_page(struct guest_pager *pager, uint64_t page, const struct map_file_page *in,
		       struct err *err)
{
	bool present = page_entry_fields(page_map_get(pager->map, page)).state != PAGE_ZERO;
	struct page_place place;
	int rc;

	if (in->kind == MAP_FILE_HELD && !present)
		return err_set(err, ENODATA, "page map: page %llu was not sent",
			       (unsigned long long)page);
	if (in->kind != MAP_FILE_HELD && present)
		return err_set(err, EEXIST, "page map: page %llu is there already",
			       (unsigned long long)page);
	if (in->kind == MAP_FILE_HELD || (in->kind == MAP_FILE_SAME && !in->word))
		return 0;
	rc = import_place(pager, in, &place);
	if (rc < 0)
		return err_sys(err, -rc, "page map: page %llu", (unsigned long long)page);
	entry_settle(pager, page,
		     (struct page_fields){ .state = PAGE_EVICTED,
					   .has_slot = true,
					   .generation = 1,
					   .tier = place.tier,
					   .slot = place.slot });
	return 0;
}

int map_import(struct guest_pager *pager, int fd, struct err *err)
{
	struct map_file *file = NULL;
	struct map_file_head head;
	struct map_file_page in;
	uint64_t page;
	int rc = map_file_open(&file, fd, &head, err);

	if (rc == 0)
		rc = check_head(pager, &head, err);
	if (rc == 0 && head.file.path[0])
		rc = tiers_borrow(pager->tiers, pager->options.directory, pager->options.stores,
				  &head.file, err);
	for (page = 0; rc == 0 && page < pager->ram.pages; page++) {
		rc = map_file_get(file, &in, err);
		if (rc == 0)
			rc = import_page(pager, page, &in, err);
		STEP("import_page");
	}
	if (rc == 0)
		rc = map_file_end(file, err);
	map_file_free(file);
	return rc;
}

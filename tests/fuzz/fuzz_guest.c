// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Any bytes as domain XML.  "make fuzz" runs it; the seeds are tests/guests, where every
 * element stands that we read.
 *
 * Beyond crashes: whatever is accepted must keep what guest.h promises.
 */
#include "guest/guest.h"
#include "guest/guest_parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest_backing.h"
#include "guest/guest_commandline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool ok)
{
	if (!ok)
		abort();
}

static void check_memory(const struct guest_memory *memory)
{
	demand(memory->size_kib < TEXT_KIB_MAX && memory->max_kib > 0);
	/* Of virtio-mem nothing need be plugged */
	demand(memory->size_kib > 0 || memory->kind == GUEST_MEMORY_VIRTIO_MEM);
	demand(memory->max_kib >= memory->size_kib && memory->max_kib < TEXT_KIB_MAX);
	demand(memory->alias[0] != '\0');
	demand(memory->cell >= -1 && memory->cell < 1024);
	demand(memory->hugepages || !memory->page_kib);
	demand((memory->bind == GUEST_BIND_ANY) == nodeset_empty(&memory->nodes));
}

/* They become names in a directory that others can write */
static void check_directories(const struct guest *guest)
{
	char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE];
	size_t n = guest_directories(guest, names);

	demand(n <= GUEST_DIRECTORIES && (guest->id >= 0 || !n));
	while (n--)
		demand(names[n][0] >= '0' && names[n][0] <= '9' && !strchr(names[n], '/') &&
		       strlen(names[n]) > 2);
	demand(guest_file_kib(guest) < TEXT_KIB_MAX);
}

static void check_guest(const struct guest *guest)
{
	uint64_t sum = 0;
	size_t i;

	demand(guest->name[0] && !strchr(guest->name, '/') && !strchr(guest->name, '\n'));
	demand(text_is_uuid(guest->uuid));
	demand(guest->id >= -1);
	demand(guest->n_memory > 0 || *guest->doubt);
	demand(guest->n_extras <= GUEST_EXTRAS_MAX);
	for (i = 0; i < guest->n_memory; i++) {
		check_memory(&guest->memory[i]);
		sum += guest->memory[i].size_kib;
	}
	demand(sum < TEXT_KIB_MAX);
	check_directories(guest);
	for (i = 0; i < guest->n_settings; i++)
		demand(guest->settings[i].key[0] && guest->settings[i].value);
}

/* Each way of writing its <memoryBacking> is a guest again, and shared where it has to be */
static void check_variants(const char *xml, size_t len, const struct guest *guest)
{
	int kind;

	for (kind = GUEST_BACKING_KEEP; kind <= GUEST_BACKING_FILE; kind++) {
		const struct guest_backing want = {
			.kind = (enum guest_backing_kind)kind,
			.page_kib = kind == GUEST_BACKING_HUGEPAGES ? 2048 : 0,
			.default_kib = 2048,
			.shared = *guest->sharing,
			.share_all = *guest->sharing,
		};
		struct err err = { "" };
		struct guest_variant variant;

		if (guest_variant_make(xml, len, guest, &want, &variant, &err) == 0) {
			check_guest(variant.guest);
			demand(!guest_unshared(variant.guest));
			demand(!strcmp(variant.guest->name, guest->name));
			demand(strlen(variant.removed) < GUEST_REMOVED_SIZE);
		}
		guest_variant_free(&variant);
	}
}

static void check_draft(const char *xml, size_t len)
{
	const struct guest_reading reading = { .page_kib = 64, .draft = true };
	cleanup_guest struct guest *guest = NULL;
	struct err err = { "" };

	if (guest_parse_as(xml, len, &reading, &guest, &err) == 0)
		check_guest(guest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_guest struct guest *guest = NULL;
	struct err err = { "" };
	int rc = guest_parse((const char *)data, size, &guest, &err);

	check_draft((const char *)data, size);
	if (rc < 0) {
		demand(!guest && !strncmp(err.text, "domain XML", 10));
		return 0;
	}
	check_guest(guest);
	check_variants((const char *)data, size, guest);
	return 0;
}

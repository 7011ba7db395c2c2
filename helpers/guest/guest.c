// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Questions to a guest, and its end.
 */
#include "guest/guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

bool guest_asks_for_hugepages(const struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (guest->memory[i].hugepages)
			return true;
	return false;
}

const struct guest_memory *guest_unshared(const struct guest *guest)
{
	size_t i;

	for (i = 0; *guest->sharing && i < guest->n_memory; i++)
		if (!guest->memory[i].shared && guest->memory[i].kind != GUEST_MEMORY_NVDIMM)
			return &guest->memory[i];
	return NULL;
}

const char *guest_memory_part(const struct guest_memory *memory, char buf[GUEST_PART_SIZE])
{
	*buf = '\0';
	if (memory->kind != GUEST_MEMORY_RAM)
		snprintf(buf, GUEST_PART_SIZE, " (%s)", memory->alias);
	return buf;
}

uint64_t guest_file_kib(const struct guest *guest)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (guest_memory_is_file(&guest->memory[i]))
			sum = u64_add_sat(sum, guest->memory[i].max_kib);
	return sum;
}

void guest_add_sharing(struct guest *guest, const char *device)
{
	size_t used = strlen(guest->sharing);
	size_t needed = strlen(device) + (used ? 2 : 0);

	if (strstr(guest->sharing, device) || needed >= sizeof(guest->sharing) - used)
		return;
	snprintf(guest->sharing + used, sizeof(guest->sharing) - used, "%s%s", used ? ", " : "",
		 device);
}

void guest_free(struct guest *guest)
{
	size_t i;

	if (!guest)
		return;
	for (i = 0; i < guest->n_settings; i++) {
		free(guest->settings[i].key);
		free(guest->settings[i].value);
	}
	for (i = 0; i < guest->n_files; i++)
		free(guest->files[i].path);
	free(guest->settings);
	free(guest->memory);
	free(guest->files);
	free(guest->extras);
	free(guest);
}

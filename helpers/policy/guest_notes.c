// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a guest's definition means for its memory, in sentences.
 */
#include "policy/guest_notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "guest/guest.h"
#include "policy/plan.h"

struct listener {
	const struct guest *guest;
	void (*note)(enum guest_note kind, const char *text, void *data);
	void *data;
};

__attribute__((format(printf, 3, 4))) static void say(const struct listener *to,
						      enum guest_note kind, const char *fmt, ...)
{
	char text[GUEST_NOTE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	to->note(kind, text, to->data);
}

/* The pages that s390's kvm can back a guest with, besides small ones */
#define S390_PAGE_KIB 1024

static bool asks_for_more(const struct guest *guest, uint64_t page_kib)
{
	size_t i;

	for (i = 0; i < guest->n_memory; i++)
		if (guest->memory[i].hugepages && guest->memory[i].page_kib > page_kib)
			return true;
	return false;
}

static void note_refused(const struct listener *to)
{
	const struct guest *guest = to->guest;

	if (*guest->refused)
		say(to, GUEST_NOTE_REFUSED, "libvirt refuses to start it: %s", guest->refused);
	if (guest->security == GUEST_S390_PV && guest_asks_for_hugepages(guest))
		say(to, GUEST_NOTE_REFUSED,
		    "QEMU refuses huge pages for a protected guest (s390-pv): take <hugepages/> "
		    "out of its <memoryBacking>");
	else if (!strcmp(guest->arch, "s390x") && asks_for_more(guest, S390_PAGE_KIB))
		say(to, GUEST_NOTE_REFUSED,
		    "QEMU refuses huge pages of more than 1 MiB on s390: change <page size=.../> "
		    "in its <hugepages>");
}

static void note_unshared(const struct listener *to)
{
	const struct guest_memory *memory = guest_unshared(to->guest);
	char part[GUEST_PART_SIZE];

	if (memory)
		say(to, GUEST_NOTE_UNSHARED,
		    "its memory%s is private, and back ends of its devices have to map it "
		    "(%s): they can't, or libvirt refuses the start; put <access "
		    "mode='shared'/> into its <memoryBacking>%s",
		    guest_memory_part(memory, part), to->guest->sharing,
		    memory->hugepages || memory->source != GUEST_SOURCE_ANONYMOUS ?
			    "" :
			    ", with <source type='memfd'/>");
}

static void note_private(const struct listener *to)
{
	const struct guest *guest = to->guest;
	const char *what = guest->security == GUEST_TDX ? "TDX" : "SEV-SNP";

	if (!guest_has_guest_memfd(guest))
		return;
	if (guest_asks_for_hugepages(guest))
		say(to, GUEST_NOTE_PRIVATE,
		    "the private memory of a guest with %s comes from guest_memfd, in small pages: "
		    "its huge pages are taken on top of that and stay unused except for what "
		    "it shares; take <hugepages/> out of its <memoryBacking>",
		    what);
	else
		say(to, GUEST_NOTE_PRIVATE,
		    "the private memory of a guest with %s comes from guest_memfd, in small pages; "
		    "what its <memoryBacking> asks for is for what it shares, and comes on top",
		    what);
}

static void note_extra(const struct listener *to, const struct guest_extra *extra)
{
	char kib[TEXT_KIB_SIZE] = "all of its memory";

	if (extra->size_kib)
		text_from_kib(extra->size_kib, kib);
	say(to, GUEST_NOTE_EXTRA,
	    "%s in its <qemu:commandline> takes %s%s%s%s past libvirt: nothing is reserved for it",
	    extra->object, kib, extra->hugetlb ? " in huge pages" : "", *extra->path ? " at " : "",
	    extra->path);
}

/* virtio-mem asks for more while the guest runs, and no hook is called then */
static void note_later(const struct listener *to)
{
	char text[TEXT_KIB_SIZE];

	if (to->guest->later_kib)
		say(to, GUEST_NOTE_LATER,
		    "its virtio-mem devices may ask for %s more in huge pages while it runs: "
		    "virt-membacking reserve GUEST --size SIZE gets them ahead of that",
		    text_from_kib(to->guest->later_kib, text));
}

void guest_notes(const struct guest *guest,
		 void (*note)(enum guest_note kind, const char *text, void *data), void *data)
{
	const struct listener to = { guest, note, data };
	size_t i;

	note_refused(&to);
	note_unshared(&to);
	note_private(&to);
	for (i = 0; i < guest->n_extras; i++)
		note_extra(&to, &guest->extras[i]);
	note_later(&to);
	if (*guest->doubt)
		say(&to, GUEST_NOTE_DOUBT, "its memory is not understood: %s", guest->doubt);
	if (guest->reading.draft)
		say(&to, GUEST_NOTE_DRAFT,
		    "its XML has no <uuid>: one is made up here, and libvirt gives it another when "
		    "it is defined");
}

static void add(enum guest_note kind, const char *text, void *data)
{
	(void)kind;
	plan_note(data, "%s", text);
}

void guest_notes_add(const struct guest *guest, struct plan *plan)
{
	guest_notes(guest, add, plan);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest: what it asks of the host's memory.  Filled by guest_parse.h from its XML.
 */
#ifndef MEMBACKING_GUEST_GUEST_H
#define MEMBACKING_GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "memory/numa.h"

/* libvirt allows names as long as a file name */
#define GUEST_NAME_SIZE	 1024
#define GUEST_UUID_SIZE	 37
#define GUEST_ALIAS_SIZE 64

enum guest_memory_kind {
	GUEST_MEMORY_RAM,	 /* all of a guest without cells */
	GUEST_MEMORY_CELL,	 /* one guest NUMA cell */
	GUEST_MEMORY_DIMM,	 /* a <memory model='dimm'> device */
	GUEST_MEMORY_VIRTIO_MEM, /* reserve=off: <requested> counts, not <size> */
	GUEST_MEMORY_NVDIMM,	 /* a file that the XML names, in a hugetlbfs: guest_files_find() */
	GUEST_MEMORY_PLUGGED,	 /* a device that will be, in no XML yet: "reserve --size" */
};

enum guest_source { GUEST_SOURCE_ANONYMOUS, GUEST_SOURCE_FILE, GUEST_SOURCE_MEMFD };

enum guest_bind {
	GUEST_BIND_ANY,	   /* no node set, or placement='auto' */
	GUEST_BIND_STRICT, /* also restrictive: pages elsewhere are of no use */
	GUEST_BIND_PREFERRED,
	GUEST_BIND_INTERLEAVE,
};

/**
 * struct guest_memory - One QEMU memory backend
 * @alias:	How people find it: "ram", "cell 0", "dimm 0", "virtio-mem 0"
 * @size_kib:	What is allocated at the start.  For virtio-mem: <requested>
 * @max_kib:	What the guest can come to use without another start.  For virtio-mem:
 *		<size>, since <requested> can be raised at any time, with no hook called
 * @hugepages:	Backed by hugetlb pages; @source says nothing then
 * @page_kib:	Huge page size; 0 = the host's default size
 * @bind:	With @nodes for everything but GUEST_BIND_ANY
 * @nodes:	Host nodes
 * @shared:	<access mode='shared'/>
 * @discard:	<discard/>
 */
struct guest_memory {
	enum guest_memory_kind kind;
	char alias[GUEST_ALIAS_SIZE];
	int cell; /* guest NUMA cell, -1: none */
	uint64_t size_kib;
	uint64_t max_kib;
	bool hugepages;
	uint64_t page_kib;
	enum guest_source source;
	enum guest_bind bind;
	struct nodeset nodes;
	bool shared;
	bool discard;
};

#define GUEST_PART_SIZE (GUEST_ALIAS_SIZE + 4)

/* Which part of the guest's memory a sentence is about: " (cell 0)", or "" where it has one part */
const char *guest_memory_part(const struct guest_memory *memory, char buf[GUEST_PART_SIZE]);

/* Does it lie in a file below memory_backing_dir? */
static inline bool guest_memory_is_file(const struct guest_memory *memory)
{
	return !memory->hugepages && memory->source == GUEST_SOURCE_FILE;
}

/* "hugepages.compact" = "never", from the guest's <metadata> */
struct guest_setting {
	char *key;
	char *value;
};

/**
 * struct guest_file - An nvdimm or a virtio-pmem: memory in a file that the XML names
 * @memory:	What it takes of huge pages, should @path lie in a hugetlbfs
 */
struct guest_file {
	char *path;
	struct guest_memory memory;
};

/**
 * struct guest_extra - Memory that <qemu:commandline> gives to QEMU, past libvirt
 * @object:	"memory-backend-file", or "-mem-path"
 * @path:	Where it lies; empty: none is named
 * @size_kib:	0: not said, all of the guest's memory
 * @hugetlb:	Its own words ask for huge pages
 */
struct guest_extra {
	char object[32];
	char path[128];
	uint64_t size_kib;
	bool hugetlb;
};

/* <launchSecurity>: the host can't read the guest's memory, and KSM can't merge it */
enum guest_security {
	GUEST_OPEN,
	GUEST_SEV,	 /* SEV and SEV-ES: all memory is pinned at the start */
	GUEST_SEV_SNP,	 /* private memory is in guest_memfd, besides what the XML asks for */
	GUEST_TDX,	 /* likewise */
	GUEST_S390_PV,	 /* QEMU refuses huge pages */
	GUEST_ENCRYPTED, /* in a way that is not known here */
};

/**
 * enum guest_nesting - Can the guest run guests of its own, in hardware (vmx, svm)?
 * @GUEST_NESTING_AS_HOST: If KVM offers it: the guest's processor is like the host's
 */
enum guest_nesting { GUEST_NESTING_NO, GUEST_NESTING_AS_HOST, GUEST_NESTING_YES };

#define GUEST_WORDS_SIZE 256
#define GUEST_ARCH_SIZE	 16

/**
 * struct guest_reading - How domain XML is read
 * @page_kib:	The base page of the host that the guest is for; 0: this machine's
 * @arch:	That host's, for a guest that names none; empty: unknown
 * @draft:	It may lack a <uuid>: one is made up, the same each time
 */
struct guest_reading {
	uint64_t page_kib;
	char arch[GUEST_ARCH_SIZE];
	bool draft;
};

/**
 * struct guest - What is known of a guest
 * @reading:	As it was read; @draft: it really has no <uuid>
 * @immediate:	<allocation mode='immediate'/>: all memory is taken at the start
 * @vfio, @vdpa: Devices that pin all of its memory
 * @sharing:	Devices whose back ends map the guest's memory, and which are dead without
 *		<access mode='shared'/>: "<interface type='vhostuser'>, ...".  Empty: none
 * @refused:	What libvirt refuses about its memory, and what to do; empty: nothing that we
 *		know of
 * @doubt:	Its memory was not understood, and why; then there is none in @memory.
 *		Only of a guest that asks for neither pages nor files
 * @later_kib:	What virtio-mem may ask for in huge pages while the guest runs, besides what
 *		it has from the start
 * @files:	Not in @memory before guest_files_find()
 * @emulator_cpus: Where libvirt starts QEMU, and so where it allocates unbound memory.  Empty:
 *		anywhere
 * @vcpu_cpus:	Where its virtual CPUs may run.  Empty: anywhere
 */
struct guest {
	char name[GUEST_NAME_SIZE];
	char uuid[GUEST_UUID_SIZE]; /* lower case */
	int64_t id;		    /* libvirt's id; -1: not running */
	struct guest_reading reading;
	bool auto_placement; /* placement='auto': nodes are not known yet */
	struct cpuset emulator_cpus;
	struct cpuset vcpu_cpus;
	bool locked; /* <locked/> */
	bool nosharepages;
	bool immediate;
	enum guest_nesting nesting;
	bool vfio;
	bool vdpa;
	enum guest_security security;
	char arch[GUEST_ARCH_SIZE]; /* empty: unknown */
	char sharing[GUEST_WORDS_SIZE];
	char refused[GUEST_WORDS_SIZE + 64];
	char doubt[GUEST_WORDS_SIZE];
	uint64_t later_kib;
	size_t n_memory;
	struct guest_memory *memory;
	size_t n_files;
	struct guest_file *files;
	size_t n_extras;
	struct guest_extra *extras;
	size_t n_settings;
	struct guest_setting *settings;
};

/* Does any part of its memory lie in huge pages? */
bool guest_asks_for_hugepages(const struct guest *guest);

/* Is all of its memory taken and pinned from the start? */
static inline bool guest_is_pinned(const struct guest *guest)
{
	return guest->vfio || guest->vdpa || guest->security == GUEST_SEV;
}

/* Does its private memory come from guest_memfd, and not from what its XML asks for? */
static inline bool guest_has_guest_memfd(const struct guest *guest)
{
	return guest->security == GUEST_SEV_SNP || guest->security == GUEST_TDX;
}

/* The first backend that a vhost-user back end can't map, or NULL where none needs to */
const struct guest_memory *guest_unshared(const struct guest *guest);

/* Names that libvirt may give a guest's directory below memory_backing_dir */
#define GUEST_DIRECTORIES    2
#define GUEST_DIRECTORY_SIZE 256

/**
 * guest_directories() - "ID-SHORTNAME" of a guest that is being started
 *
 * SHORTNAME is the first 20 characters of the name.  What a character is depends
 * on the daemon's locale, which we can't see: the second form takes 20 bytes, and
 * is there only if it differs.
 * (libvirt: src/conf/domain_conf.c, virDomainDefGetShortName)
 * Return: how many there are; 0 for a guest without an id, or one whose name has a
 * slash in it
 */
size_t guest_directories(const struct guest *guest,
			 char names[GUEST_DIRECTORIES][GUEST_DIRECTORY_SIZE]);

/**
 * guest_file_kib() - What the guest's files in memory_backing_dir can come to hold, KiB
 *
 * The sum of max_kib of all backends with source 'file' and without huge pages.  A
 * file is as large from the start, but has holes where nothing was written yet.
 */
uint64_t guest_file_kib(const struct guest *guest);

/* Append to @guest's sharing, each device once.  What no longer fits is left out: one is
 * enough to matter */
void guest_add_sharing(struct guest *guest, const char *device);

void guest_free(struct guest *guest);

DEFINE_CLEANUP(guest, struct guest *, guest_free)

#define cleanup_guest cleanup_with(cleanup_guest_)

#endif

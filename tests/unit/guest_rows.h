/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests in a few words, and decisions about them as rows with golden files.
 */
#ifndef MEMBACKING_TESTS_GUEST_ROWS_H
#define MEMBACKING_TESTS_GUEST_ROWS_H

#include <jansson.h>
#include <stdint.h>

struct guest;
struct host_view;

#define UUID		  "c7a5fdbd-cdaf-9455-926a-d65c16db1809"
#define WHO		  "<name>g</name><uuid>" UUID "</uuid>"
#define GUEST(body)	  "<domain>" WHO body "</domain>"
#define MIB(n)		  "<memory unit='MiB'>" #n "</memory>"
#define GIB(n)		  "<memory unit='GiB'>" #n "</memory>"
#define BACKING(elements) "<memoryBacking>" elements "</memoryBacking>"
#define PAGES_OF(n, unit) "<hugepages><page size='" #n "' unit='" #unit "'/></hugepages>"
#define PAGES_2M	  BACKING(PAGES_OF(2, M))
#define PAGES_1G	  BACKING(PAGES_OF(1, G))
#define SHARED		  "<access mode='shared'/>"
#define ON(mode, nodes)	  "<numatune><memory mode='" mode "' nodeset='" nodes "'/></numatune>"
#define CELLS(cells)	  "<cpu><numa>" cells "</numa></cpu>"
#define CELL(id, mib)	  "<cell id='" #id "' memory='" #mib "' unit='MiB'/>"
#define DEVICES(devices)  "<devices>" devices "</devices>"
#define VHOST		  DEVICES("<interface type='vhostuser'/>")
/* A device of the host's */
#define VFIO                                                                                       \
	DEVICES("<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0'"   \
		" bus='6' slot='2' function='0'/></source></hostdev>")

/* Captured hosts */
#define ONE "one-node"
#define TWO "two-nodes-6.12"

/**
 * struct row - One question
 * @name:	Of its golden file
 * @host:	Below tests/hosts
 * @numbers:	What is different there; each test has words of its own for it
 * @config:	membacking.conf
 * @guest:	Domain XML, or NAME of tests/guests/NAME.xml
 */
struct row {
	const char *name;
	const char *host;
	const char *numbers;
	const char *config;
	const char *guest;
};

/* "4G" in KiB */
uint64_t row_kib(const char *text);

/* The guest of a row.  One that can't be read ends the test */
struct guest *row_guest(const char *text);

/* Compares with tests/unit/golden/DIR/NAME.json, which REGENERATE=1 in the environment
 * writes anew */
void row_compare_golden(const char *dir, const char *name, const json_t *root);

#endif

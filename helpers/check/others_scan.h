/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines that set huge pages, KSM or THP, in the languages that people write them in.
 *
 * Parsers of buffers: any bytes will do.
 */
#ifndef MEMBACKING_CHECK_OTHERS_SCAN_H
#define MEMBACKING_CHECK_OTHERS_SCAN_H

#include <stddef.h>

#define SCAN_KEY_SIZE	64
#define SCAN_VALUE_SIZE 64
#define SCAN_LINE_SIZE	4096

enum scan_subject {
	SCAN_POOL,
	SCAN_MOVE, /* compact_memory */
	SCAN_DROP, /* drop_caches */
	SCAN_KSM,  /* ksm/run; with an empty value something else of KSM */
	SCAN_THP,
	SCAN_SPDK,
	SCAN_CALL, /* the path of another file, in value */
	SCAN_SUBJECTS
};

enum scan_language {
	SCAN_SHELL,
	SCAN_UNIT,     /* of systemd: Exec lines, and Environment=, are shell enough */
	SCAN_SYSCTL,   /* sysctl.d */
	SCAN_TMPFILES, /* tmpfiles.d */
	SCAN_SYSFS,    /* sysfs.conf */
	SCAN_TUNED,    /* a profile's tuned.conf */
	SCAN_WORDS,    /* the kernel's command line, as it is or in a variable of GRUB's */
	SCAN_SETTINGS  /* NAME=VALUE of /etc/default and DPDK's dpdk.conf */
};

/**
 * struct scan_line - One thing that is set
 * @line:	Counted from 1; the first of lines that belong together
 * @key:	As it is called there: "vm.nr_hugepages"
 * @value:	Empty: that can't be told
 */
struct scan_line {
	enum scan_subject subject;
	unsigned int line;
	char key[SCAN_KEY_SIZE];
	char value[SCAN_VALUE_SIZE * 2];
};

typedef void scan_found(void *arg, const struct scan_line *line);

/* Comments are left out, and lines that end in a backslash put together where the language
 * does so */
void others_scan_text(enum scan_language language, const char *text, size_t len, scan_found *found,
		      void *arg);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libsystemd's reader of the journal, loaded by the one command that reads it.
 *
 * The declarations are ours, so that a program that is built where there is no systemd can read
 * the journal of a host that has one.
 */
#ifndef MEMBACKING_REPORT_LIBSYSTEMD_H
#define MEMBACKING_REPORT_LIBSYSTEMD_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct sd_journal;

/* For sd_journal_open(): of this host, and of system services only */
#define LIBSYSTEMD_LOCAL_ONLY (1 << 0)
#define LIBSYSTEMD_SYSTEM     (1 << 2)

/* The functions as sd-journal.h has them; they return -errno */
struct libsystemd {
	int (*sd_journal_open)(struct sd_journal **journal, int flags);
	int (*sd_journal_open_directory_fd)(struct sd_journal **journal, int fd, int flags);
	void (*sd_journal_close)(struct sd_journal *journal);
	int (*sd_journal_add_match)(struct sd_journal *journal, const void *data, size_t len);
	int (*sd_journal_seek_tail)(struct sd_journal *journal);
	int (*sd_journal_previous)(struct sd_journal *journal);
	int (*sd_journal_get_realtime_usec)(struct sd_journal *journal, uint64_t *usec);
	int (*sd_journal_get_data)(struct sd_journal *journal, const char *field, const void **data,
				   size_t *len);
};

extern struct libsystemd libsystemd;

/* Return: 0 or -errno; loaded once */
int libsystemd_load(struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon must know of a guest beside its pages: the file "guest" in its directory.
 *
 * The first file there, written before anything is done to QEMU, so that the next daemon knows
 * whose directory it is.
 */
#ifndef MEMBACKING_PAGER_GUEST_RECORD_H
#define MEMBACKING_PAGER_GUEST_RECORD_H

#include <stdint.h>

#include "base/err.h"
#include "pager/protocol.h"

/**
 * struct guest_record
 * @pid, @start_time: Its QEMU, as process_start_time() tells one from another
 * @limit_kib:	Resident
 */
struct guest_record {
	char name[PAGER_NAME_SIZE];
	uint64_t pid;
	uint64_t start_time;
	uint64_t limit_kib;
};

/* Return: 0 or -errno; -ENOENT: there is none; -EINVAL: it can't be understood */
int guest_record_read(int directory, struct guest_record *record, struct err *err);
int guest_record_write(int directory, const struct guest_record *record, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is wrong with the places of tiers, for commands that have a guest paged.
 */
#ifndef MEMBACKING_CTL_OVERCOMMIT_ROOMS_H
#define MEMBACKING_CTL_OVERCOMMIT_ROOMS_H

struct kfs;

/**
 * overcommit_rooms() - Call @note for each tier that can't have its size
 * @text:	One sentence, without full stop: what is wrong, and what mends it
 *
 * Takes seconds where a disk does not answer.  What can't be read is left out.
 */
void overcommit_rooms(const struct kfs *kfs, void (*note)(const char *text, void *data),
		      void *data);

/* The same, each on a line of its own */
void overcommit_rooms_print(const struct kfs *kfs);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What our threads run on.
 */
#ifndef MEMBACKING_PAGER_PROCESSORS_H
#define MEMBACKING_PAGER_PROCESSORS_H

#include <stdbool.h>

/* How many processors our threads may use */
unsigned int processors_of_ours(void);
/* Is this a virtual machine, in which it takes long to wake up a processor? */
bool processors_are_virtual(void);

#endif

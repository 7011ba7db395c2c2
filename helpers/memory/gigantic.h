/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this kernel can do for huge pages of 1 GiB.
 *
 * DOC: where it can be seen
 *
 * A kernel built with CMA says CmaTotal in /proc/meminfo, whatever it is, and one
 * without leaves the line out.  With it and with pages of 1 GiB the boot parameter
 * hugetlb_cma= exists: both are compiled on the same condition.  What it did reserve is in
 * CmaTotal, together with the areas of others.
 */
#ifndef MEMBACKING_MEMORY_GIGANTIC_H
#define MEMBACKING_MEMORY_GIGANTIC_H

#include <stdbool.h>
#include <stdint.h>

struct kfs;

#define GIGANTIC_KIB	   (UINT64_C(1024) * 1024)
#define GIGANTIC_WORD_SIZE 64

/**
 * struct gigantic - Ways to pages of 1 GiB
 * @present:	The kernel has pages of that size
 * @cma:	It is built with CMA
 * @cma_total_kib, @cma_free_kib: All areas of CMA
 * @hugetlb_cma: The boot parameter's value; empty: not given
 * @at_boot:	"hugepages=" for this size on the kernel's command line, its value
 */
struct gigantic {
	bool present;
	bool cma;
	uint64_t cma_total_kib;
	uint64_t cma_free_kib;
	char hugetlb_cma[GIGANTIC_WORD_SIZE];
	char at_boot[GIGANTIC_WORD_SIZE];
};

/* What can't be read is as if it were not there */
void gigantic_read(const struct kfs *kfs, struct gigantic *gigantic);

#endif

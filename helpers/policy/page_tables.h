/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much memory the page tables of a process take.  Pure.
 */
#ifndef MEMBACKING_POLICY_PAGE_TABLES_H
#define MEMBACKING_POLICY_PAGE_TABLES_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct page_tables - What decides about them
 * @arch:	As uname(2) has it; empty: unknown, and taken for one with tables of a page each
 * @base_kib:	The base page
 * @hash:	POWER with its hash MMU
 */
struct page_tables {
	const char *arch;
	uint64_t base_kib;
	bool hash;
};

/**
 * page_tables_kib() - Page tables for @size_kib mapped in pages of @page_kib
 *
 * Tables of a level are left out where an entry of the next one is a page.  arm64 has pages of
 * several entries, too.  The topmost table, which each process has, is not counted.
 */
uint64_t page_tables_kib(const struct page_tables *tables, uint64_t size_kib, uint64_t page_kib);

#endif

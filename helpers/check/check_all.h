/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All checks, one after the other.
 */
#ifndef MEMBACKING_CHECK_CHECK_ALL_H
#define MEMBACKING_CHECK_CHECK_ALL_H

#include <stdbool.h>

struct check_scope;
struct err;
struct findings;
struct kfs;

/**
 * check_all() - Read the host, and judge it subject by subject
 * @findings:	Result, to be freed; may say @failed
 * @blind:	Set where libvirt could not be reached, so that guests were not looked at
 */
int check_all(const struct kfs *kfs, const struct check_scope *scope, struct findings *findings,
	      bool *blind, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a store, and what a guest has in it.
 */
#ifndef MEMBACKING_LIFECYCLE_READ_STORE_H
#define MEMBACKING_LIFECYCLE_READ_STORE_H

#include "memory/store.h"
#include "policy/host_view.h"
#include "policy/step.h"

struct err;
struct kfs;

/* @view->state and what follows from it, as things are now */
int read_store(const struct kfs *kfs, struct store_view *view, struct err *err);

/* The files of a guest where they were planned */
struct store_use read_store_use(const struct kfs *kfs, const struct step_store *files);

/* Those in @files->lies_in; none if that is empty */
struct store_use read_store_use_elsewhere(const struct kfs *kfs, const struct step_store *files);

#endif

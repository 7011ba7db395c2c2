/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libmount, loaded at the first call that needs it: it costs a guest's start a
 * millisecond, and most guests need no mount.
 */
#ifndef MEMBACKING_MEMORY_LIBMOUNT_H
#define MEMBACKING_MEMORY_LIBMOUNT_H

#include <libmount/libmount.h>

struct err;

#define LIBMOUNT_FUNCTIONS(X)                                                                      \
	X(mnt_context_disable_canonicalize)                                                        \
	X(mnt_context_disable_helpers)                                                             \
	X(mnt_context_disable_mtab)                                                                \
	X(mnt_context_enable_rwonly_mount)                                                         \
	X(mnt_context_get_excode)                                                                  \
	X(mnt_context_get_syscall_errno)                                                           \
	X(mnt_context_mount)                                                                       \
	X(mnt_context_set_fstab)                                                                   \
	X(mnt_context_set_fstype)                                                                  \
	X(mnt_context_set_options)                                                                 \
	X(mnt_context_set_source)                                                                  \
	X(mnt_context_set_target)                                                                  \
	X(mnt_context_syscall_called)                                                              \
	X(mnt_context_umount)                                                                      \
	X(mnt_free_context)                                                                        \
	X(mnt_free_iter)                                                                           \
	X(mnt_fs_get_devno)                                                                        \
	X(mnt_fs_get_fstype)                                                                       \
	X(mnt_fs_get_id)                                                                           \
	X(mnt_fs_get_option)                                                                       \
	X(mnt_fs_get_options)                                                                      \
	X(mnt_fs_get_parent_id)                                                                    \
	X(mnt_fs_get_root)                                                                         \
	X(mnt_fs_get_source)                                                                       \
	X(mnt_fs_get_target)                                                                       \
	X(mnt_new_context)                                                                         \
	X(mnt_new_iter)                                                                            \
	X(mnt_new_table)                                                                           \
	X(mnt_resolve_spec)                                                                        \
	X(mnt_table_find_target)                                                                   \
	X(mnt_table_next_fs)                                                                       \
	X(mnt_table_parse_fstab)                                                                   \
	X(mnt_table_parse_stream)                                                                  \
	X(mnt_tag_is_valid)                                                                        \
	X(mnt_unref_table)

/* The library's functions by their own names; valid after libmount_load() */
struct libmount {
#define LIBMOUNT_MEMBER(name) __typeof__(name) *(name);
	LIBMOUNT_FUNCTIONS(LIBMOUNT_MEMBER)
};

extern struct libmount libmount;

/* Return: 0 or -errno; loaded once */
int libmount_load(struct err *err);

#endif

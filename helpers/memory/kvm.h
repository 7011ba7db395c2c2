/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel's kvm module says of guests' memory.
 */
#ifndef MEMBACKING_MEMORY_KVM_H
#define MEMBACKING_MEMORY_KVM_H

#include <stdbool.h>

struct kfs;

#define KVM_HPAGE_FILE "sys/module/kvm/parameters/hpage"

/* On s390, kvm takes guests with huge pages only if it was loaded with hpage=1: QEMU refuses
 * them otherwise.  Other architectures have no such parameter */
bool kvm_refuses_hugepages(const struct kfs *kfs);

/* Does KVM offer vmx or svm to guests, so that they can have guests of their own? */
bool kvm_is_nested(const struct kfs *kfs);

#endif

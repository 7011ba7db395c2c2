/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * AppArmor and SELinux, as far as they may keep hooks from their work and guests from
 * their memory.
 */
#ifndef MEMBACKING_CHECK_SECURITY_H
#define MEMBACKING_CHECK_SECURITY_H

#include <stdbool.h>

struct kfs;
struct store_view;

#define SECURITY_TYPE_SIZE 64

/**
 * struct security - What is in force
 * @apparmor:	The kernel has AppArmor, switched on
 * @profile:	Its profile for the daemon that runs guests, "libvirtd" or "virtqemud"; empty:
 *		none is loaded
 * @enforced:	@profile does more than complain
 * @runs_hooks:	@profile has a rule by which the hooks run unconfined
 * @selinux:	SELinux enforces its policy
 * @hooks_unconfined: Its boolean virt_hooks_unconfined is on
 * @labelled:	Our hook has the label of our policy module
 * @module:	The file of that module is installed
 * @store_type:	SELinux's type of the store's directory; empty: not known
 * @boolean:	SELinux's boolean that lets QEMU use the store's kind of file system, and is
 *		off; NULL: none
 */
struct security {
	bool apparmor;
	char profile[32];
	bool enforced;
	bool runs_hooks;
	bool selinux;
	bool hooks_unconfined;
	bool labelled;
	bool module;
	char store_type[SECURITY_TYPE_SIZE];
	const char *boolean;
};

/* The module's file, which our package brings */
#define SECURITY_MODULE "usr/share/selinux/packages/libvirt_membacking.pp"

/**
 * security_read() - What is not there is not in force
 * @program:	Our hook, without the slash in front
 * @store:	Where guests' memory lies; NULL: nowhere
 */
void security_read(const struct kfs *kfs, const char *program, const struct store_view *store,
		   struct security *security);

/* Would libvirt's helper (virt-aa-helper) refuse to let a guest have files there? */
bool security_helper_refuses(const char *path);

#endif

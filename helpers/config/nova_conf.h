/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The little that matters here of nova.conf, read tolerantly: what an OpenStack
 * compute node promises of this host's memory.
 *
 * DOC: which files, and what counts
 *
 * nova-compute reads nova.conf and nova-compute.conf in /etc/nova, then the *.conf of
 * nova.conf.d and of nova-compute.conf.d there, in byte order; of several values the
 * last one counts.  (oslo.config: find_config_files, find_config_dirs.)  Started with
 * --config-file it reads others, which we can't know: Nova in a container, above all.
 */
#ifndef MEMBACKING_CONFIG_NOVA_CONF_H
#define MEMBACKING_CONFIG_NOVA_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

#define NOVA_CONF_DIR	     SYSCONF_DIR "/nova"

#define NOVA_CONF_TEXT_SIZE  64
#define NOVA_CONF_WHERE_SIZE 320

/* What Nova keeps for the host where nothing is said */
#define NOVA_RESERVED_MIB 512

/**
 * struct nova_value - One option as it is written
 * @text:	Empty: not set, or not to be understood
 * @where:	"FILE:LINE"; empty: not set
 */
struct nova_value {
	char text[NOVA_CONF_TEXT_SIZE];
	char where[NOVA_CONF_WHERE_SIZE];
};

/**
 * struct nova_conf - What Nova was told
 * @present:	There is a file of Nova's here
 * @file_backed_memory: [libvirt], MiB: takes the place of the host's memory in all that
 *		Nova counts; not 0: every guest gets file-backed memory.  nova-compute
 *		then refuses to start unless ram_allocation_ratio is set to 1.0, or if
 *		reserved_host_memory_mb is not smaller, and warns if that is not 0.
 *		(nova/virt/libvirt/driver.py, _check_file_backed_memory_support)
 * @ram_allocation_ratio, @initial_ram_allocation_ratio: [DEFAULT].  How much more
 *		memory is promised than there is; the second one is for a node's first
 *		start, and only where the first one is not set
 * @reserved_host_memory_mb: [DEFAULT], MiB; see nova_conf_reserved_mib()
 * @reserved_huge_pages: [DEFAULT]; may be set many times.  The last one
 * @virt_type:	[libvirt]; not set: kvm
 */
struct nova_conf {
	bool present;
	struct nova_value file_backed_memory;
	struct nova_value ram_allocation_ratio;
	struct nova_value initial_ram_allocation_ratio;
	struct nova_value reserved_host_memory_mb;
	struct nova_value reserved_huge_pages;
	struct nova_value virt_type;
};

/* 0 where it is not set or no number: Nova's default, and what it stops at */
uint64_t nova_conf_file_backed_mib(const struct nova_conf *conf);

/* NOVA_RESERVED_MIB where it is not set or no number */
uint64_t nova_conf_reserved_mib(const struct nova_conf *conf);

/**
 * nova_conf_ratio() - "1.5" in thousandths
 * @ratio:	Result, rounded up, so that nothing above 1.0 becomes 1000
 * Return: 0, -ENOENT if it is not set or empty, -EINVAL for no decimal number
 */
int nova_conf_ratio(const struct nova_value *value, uint64_t *ratio);

/**
 * nova_conf_parse() - Let one file's values take the place of those in @conf
 * @label:	The file's name, for where
 */
void nova_conf_parse(const char *label, const char *text, size_t len, struct nova_conf *conf);

/* Reads what there is below @rootfd.  What can't be read is passed over */
void nova_conf_load(int rootfd, struct nova_conf *conf);

#endif

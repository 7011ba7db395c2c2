/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * membacking.conf, its drop-ins, and what they mean for one guest.
 *
 * DOC: later wins, and a mistake stays local
 *
 * /etc/libvirt/membacking.conf first, then membacking.conf.d/ *.conf in byte
 * order, then sections "[guest]" whose "match" fits, then the guest's own
 * <metadata>.  A value that can't be understood is remembered with its file and
 * line, and refused only for guests whose plan uses that section: one typo must
 * not stop a whole host.  An unknown key is a warning.
 */
#ifndef MEMBACKING_CONFIG_CONFIG_H
#define MEMBACKING_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "config/config_amount.h"
#include "config/config_tiers.h"

struct err;
struct guest;

/* Relative to the root directory, as all names are */
#ifndef SYSCONF_DIR
#define SYSCONF_DIR "etc"
#endif

#define CONFIG_FILE SYSCONF_DIR "/libvirt/membacking.conf"
#define CONFIG_DIR  SYSCONF_DIR "/libvirt/membacking.conf.d"

enum config_effort { EFFORT_NEVER, EFFORT_AUTO };

enum config_demote { DEMOTE_NO };

enum config_on_release { ON_RELEASE_RETURN, ON_RELEASE_KEEP };

struct config_hook {
	uint64_t deadline_ms;
	uint64_t lock_deadline_ms;
	bool allow_guest_metadata;
	enum log_level log_level;
};

/* A value for one page size: "keep_free_2M = 64", "on_release_1G = keep" */
struct config_keep_free {
	uint64_t page_kib;
	uint64_t pages;
};

struct config_release {
	uint64_t page_kib; /* 0: every size without an entry of its own */
	enum config_on_release action;
};

#define CONFIG_SIZES_MAX 16

struct config_hugepages {
	bool manage;
	bool use_idle;
	enum config_effort compact;
	enum config_effort reclaim;
	enum config_effort drop_caches;
	enum config_demote demote;
	enum config_on_release on_release;
	size_t n_keep_free;
	struct config_keep_free keep_free[CONFIG_SIZES_MAX];
	size_t n_on_release;
	struct config_release on_release_for[CONFIG_SIZES_MAX];
};

#define CONFIG_NAME_SIZE 64
#define CONFIG_TEXT_SIZE 256
#define CONFIG_PATH_SIZE 512

enum config_mount { MOUNT_PREPARE, MOUNT_DAEMON, MOUNT_NEVER };

enum config_unmount { UNMOUNT_LAST_GUEST, UNMOUNT_NEVER };

/* One [store] section.  Empty texts: not given */
struct config_store {
	char name[CONFIG_NAME_SIZE];
	char path[CONFIG_PATH_SIZE];
	char source[CONFIG_TEXT_SIZE];
	char fstype[CONFIG_NAME_SIZE];
	char options[CONFIG_TEXT_SIZE];
	struct config_amount size;
	enum config_mount mount;
	enum config_unmount unmount;
	struct config_amount keep_free;
};

/* As many [store] sections as are kept; more are a problem of the configuration */
#define CONFIG_STORES_MAX 16

enum config_ksm_enable { KSM_ON_DEMAND, KSM_ALWAYS, KSM_NEVER };

enum config_ksm_profile {
	KSM_ADVISOR,
	KSM_GENTLE,
	KSM_BALANCED,
	KSM_AGGRESSIVE,
	KSM_CUSTOM,
};

enum config_ksm_end { KSM_RESTORE, KSM_STOP, KSM_UNMERGE };

/* Whether pages of different NUMA nodes become one, which then is remote for some */
enum config_ksm_nodes { KSM_NODES_KEEP, KSM_NODES_TOGETHER, KSM_NODES_APART };

struct config_ksm {
	bool manage;
	enum config_ksm_enable enable;
	enum config_ksm_profile profile;
	enum config_ksm_end on_last_guest;
	enum config_ksm_nodes merge_across_nodes;
};

/**
 * struct config_thp - Transparent huge pages
 * @enabled, @defrag, @shmem_enabled: The kernel's own words; empty: left as the host has it
 * @compact, @reclaim: How room is made for a guest before it starts, whatever @manage says
 */
struct config_thp {
	bool manage;
	char enabled[CONFIG_NAME_SIZE];
	char defrag[CONFIG_NAME_SIZE];
	char shmem_enabled[CONFIG_NAME_SIZE];
	enum config_effort compact;
	enum config_effort reclaim;
};

enum config_encrypt { ENCRYPT_NO, ENCRYPT_YES };

/* What becomes of guests' limits while the host is short of memory */
enum config_pressure { ON_PRESSURE_SHARE, ON_PRESSURE_KEEP };

/**
 * struct config_overcommit - Guests under the pager
 * @tiers:	Where pages are that are not resident.  Sizes are shared by all guests
 * @compressed:	What a page in a tier in memory is counted with when a guest is admitted; a
 *		percentage of its size
 * @headroom:	Counted for each guest beside its resident limit, for QEMU itself and for pages
 *		on their way; a percentage is one of the guest's memory
 * @floor:	Least resident limit that a guest may have, and least that it keeps while the host
 *is short of memory; a percentage is one of its memory
 * @keep_free:	Of the host's memory, left free when a guest is admitted; see pager/pressure.h
 * @resident:	The guest's limit; a percentage is one of its memory.  Nothing said: it is not
 *		paged.  Only in what applies to one guest
 */
struct config_overcommit {
	bool enable;
	struct config_tiers tiers;
	struct config_amount compressed;
	struct config_amount headroom;
	struct config_amount floor;
	struct config_amount keep_free;
	enum config_pressure on_pressure;
	enum config_encrypt encrypt;
	struct config_amount resident;
};

struct config; /* all that was read */

/* What applies to one guest */
struct guest_policy {
	struct config_hook hook;
	struct config_hugepages hugepages;
	struct config_ksm ksm;
	bool ksm_allowed; /* "ksm" of [guest] */
	struct config_thp thp;
	struct config_overcommit overcommit;
	char store[CONFIG_NAME_SIZE]; /* the guest's own choice; empty: none */
};

/**
 * config_load() - Read the configuration below @rootfd
 * @config:	Result, freed by config_free(); defaults where files are missing
 *
 * Never fails for what a file contains, nor for who may write it: such
 * problems are kept and come out of config_for_guest().  -ENOMEM only.
 */
int config_load(int rootfd, struct config **config, struct err *err);

/* Is there anything that config_load() would read? */
bool config_exists(int rootfd);
void config_free(struct config *config);

/**
 * config_parse_buffer() - What config_load() would make of one file with this content
 * @label:	What the file is called in problems
 */
int config_parse_buffer(const char *label, const char *buf, size_t len, struct config **config,
			struct err *err);

DEFINE_CLEANUP(config, struct config *, config_free)

#define cleanup_config cleanup_with(cleanup_config_)

/* Host-wide settings, with defaults in place of values that can't be understood */
const struct config_hook *config_hook(const struct config *config);
const struct config_hugepages *config_hugepages(const struct config *config);
const struct config_ksm *config_ksm(const struct config *config);
const struct config_thp *config_thp(const struct config *config);
const struct config_overcommit *config_overcommit(const struct config *config);

/**
 * config_stores() - The [store] sections, in reading order
 *
 * Two sections of one name are one store: the later one's keys count.  A section
 * without a path is the store at memory_backing_dir.  Paths have single slashes, none
 * at the end, and are not "/".  No two stores have the same path, unless
 * config_check_section() has a problem of "store": what is wrong there is left out.
 * @stores:	Set to an array that lives as long as @config
 * Return: how many
 */
size_t config_stores(const struct config *config, const struct config_store **stores);

/* A store of which nothing is said */
const struct config_store *config_store_default(const struct config *config);

/**
 * config_for_guest() - What applies to @guest
 * @guest:	NULL: no guest in particular, so no [guest] section either
 *
 * Logs nothing: config_for_each_guest_problem() says what of the guest's own was ignored.
 * Return: 0, or -EINVAL if [hook] or a file as a whole is bad.  Bad values of
 * other sections are left to config_check_section(), which is asked only when a
 * plan would use them.
 */
int config_for_guest(const struct config *config, const struct guest *guest,
		     struct guest_policy *policy, struct err *err);

/**
 * config_check_section() - Is there a bad value in "hugepages", "store", ... for @guest?
 * Return: 0, or -EINVAL with "FILE:LINE: ...: expected ..."
 */
int config_check_section(const struct config *config, const struct guest *guest,
			 const char *section, struct err *err);

/* What kind of mistake something is; check has an id for each */
enum config_mistake {
	CONFIG_UNKNOWN_KEY,
	CONFIG_UNKNOWN_SECTION,
	CONFIG_BAD_VALUE,
	CONFIG_MISPLACED_KEY, /* it is known, and has no effect where it stands */
	CONFIG_UNREADABLE_LINE,
	CONFIG_NO_MATCH, /* a [guest] section without one */
	CONFIG_TOO_MANY,
	CONFIG_SAME_PATH, /* of two stores */
	CONFIG_WRITABLE,  /* by others than root */
	CONFIG_FOREIGN,	  /* owned by another than root */
	CONFIG_DANGLING_LINK,
	CONFIG_UNREADABLE_FILE,
	CONFIG_NO_DROPIN, /* a file among the drop-ins whose name does not end with .conf */
	CONFIG_MISTAKES	  /* their number */
};

/**
 * struct config_problem - Something that was noticed
 * @text:	One sentence ("FILE:LINE: unknown key ...")
 * @fatal:	false for warnings
 * @section:	Whose plans it matters for: "hugepages"; NULL: all of them
 * @dispensable: The line can be taken out.  Not so one that can be put right, and not the
 *		header of a section, whose keys would become those of the section before
 */
struct config_problem {
	enum config_mistake mistake;
	const char *text;
	bool fatal;
	const char *section;
	bool dispensable;
};

/* Calls @problem for all that was noticed, in reading order */
void config_for_each_problem(const struct config *config,
			     void (*problem)(const struct config_problem *problem, void *data),
			     void *data);

/* Likewise of what @guest's own <metadata> say, if that is allowed; its name is in each text */
void config_for_each_guest_problem(const struct config *config, const struct guest *guest,
				   void (*problem)(const struct config_problem *problem,
						   void *data),
				   void *data);

uint64_t config_keep_free(const struct config_hugepages *hp, uint64_t page_kib);
enum config_on_release config_on_release(const struct config_hugepages *hp, uint64_t page_kib);

#endif

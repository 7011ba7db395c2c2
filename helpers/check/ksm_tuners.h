/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Other programs that set KSM, as they are found on this host.
 */
#ifndef MEMBACKING_CHECK_KSM_TUNERS_H
#define MEMBACKING_CHECK_KSM_TUNERS_H

#include <stdbool.h>
#include <sys/types.h>

struct kfs;

enum ksm_tuner {
	KSM_TUNER_KSMTUNED, /* ksm-control-scripts, and Debian's package of that name */
	KSM_TUNER_MOMD,	    /* Memory Overcommitment Manager, as of oVirt's VDSM */
	KSM_TUNER_UKSMD,    /* has every program's memory merged */
	KSM_TUNER_TUNED,    /* by a profile that switches KSM off */
	KSM_TUNER_SERVICE,  /* ksm.service: switches it on at boot */
	KSM_TUNERS
};

#define KSM_TUNER_TEXT_SIZE 128

/**
 * struct ksm_tuner_found - One of them
 * @found:	It runs, or for KSM_TUNER_SERVICE has run
 * @pid:	0: it is no process
 * @units:	systemd's names of what belongs to it and is installed, with blanks between.
 *		May be empty
 * @profile:	Of tuned
 */
struct ksm_tuner_found {
	bool found;
	pid_t pid;
	char units[KSM_TUNER_TEXT_SIZE];
	char profile[KSM_TUNER_TEXT_SIZE];
};

/* As a message names it: "ksmtuned" */
const char *ksm_tuner_name(enum ksm_tuner tuner);

/**
 * ksm_tuners_find() - Look through processes, systemd's state and tuned's profiles
 *
 * By names of processes, which any user can choose: enough for a warning only.
 * What can't be read is as if it were not there.
 */
void ksm_tuners_find(const struct kfs *kfs, struct ksm_tuner_found tuners[KSM_TUNERS]);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens to a pager under test: killed, failed, cut short or delayed at a place that is
 * named.
 *
 * A place is "before:CALL", "after:CALL" of a system call that the pager makes (ioctls by their
 * names: "after:copy"), or "step:LABEL" of the engine's own pager_step().  The calls are caught by
 * the linker (--wrap), so nothing traces the process, and it is as fast as it is.
 */
#ifndef TESTS_PAGER_STRIKE_H
#define TESTS_PAGER_STRIKE_H

#include <stdbool.h>
#include <stdio.h>

/**
 * strike_plan() - One more thing that is to happen
 * @spec:	"die=PLACE:N": SIGKILL to ourselves when that place is reached for the Nth time;
 *		"die=any:N": the Nth place of all;
 *		"fail=CALL:N:ERRNO": the Nth call is not made; "fail=CALL:N+:ERRNO": from then on;
 *		"short=CALL:N": half of what was asked for, "short=CALL:N+";
 *		"delay=PLACE:N:MS", "delay=PLACE:N+:MS";
 *		"trouble=N": of each N buffers that the kernel is given to read, one has a page
 *		that is not mapped for that moment
 *
 * Return: false: not understood
 */
bool strike_plan(const char *spec);
/* Nothing counts, and nothing happens, before this */
void strike_begin(void);
/* The places that were reached, one a line with how often */
void strike_places(FILE *out);

#endif

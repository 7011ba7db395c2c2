/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running another program, for commands that a person waits for.  No shell.
 */
#ifndef MEMBACKING_PROCESS_PROGRAM_H
#define MEMBACKING_PROCESS_PROGRAM_H

struct err;

/**
 * program_run() - Run it to its end
 * @argv:	Looked for in the system's own directories, with an environment that has no more
 *		than their PATH.  What it prints goes to stderr
 * Return: 0; -ENOENT if there is no such program; -EIO if it failed, with its exit status
 */
int program_run(const char *const *argv, struct err *err);

#endif

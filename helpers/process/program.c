// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Running another program, for commands that a person waits for.
 */
#include "process/program.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "process/child.h"
#include "process/signals.h"

/* As shells have it */
#define NOT_FOUND   127
#define NOT_STARTED 126

static void __attribute__((noreturn)) become(const char *const *argv)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	signals_set_default();
	child_set_environment();
	if (fd >= 0)
		dup2(fd, STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execvp(argv[0], (char *const *)argv);
	_exit(errno == ENOENT ? NOT_FOUND : NOT_STARTED);
}

static int judge(const char *name, int status, struct err *err)
{
	if (WIFSIGNALED(status))
		return err_set(err, EIO, "%s was ended by signal %d", name, WTERMSIG(status));
	switch (WEXITSTATUS(status)) {
	case 0:
		return 0;
	case NOT_FOUND:
		return err_set(err, ENOENT, "there is no program %s", name);
	default:
		return err_set(err, EIO, "%s failed with exit status %d", name,
			       WEXITSTATUS(status));
	}
}

int program_run(const char *const *argv, struct err *err)
{
	pid_t pid = fork();
	int status = 0;

	if (pid < 0)
		return err_sys(err, errno, "cannot start %s", argv[0]);
	if (pid == 0)
		become(argv);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, errno, "cannot wait for %s", argv[0]);
	return judge(argv[0], status, err);
}

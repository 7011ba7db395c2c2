// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a daemon takes copies of in a QEMU: this process is both.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/kfs.h"
#include "pager/adoption.h"
#include "pager/process_fd.h"
#include "unit/unit.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static struct map_identity identity_of_this(void)
{
	struct map_identity identity = { .pid = getpid(), .n_pipes = 2 };
	struct stat st;
	struct kfs kfs;
	int ends[2], i;

	CU_ASSERT_FATAL(kfs_open(&kfs, "/", NULL) == 0);
	CU_ASSERT(kfs_read(&kfs, "proc/sys/kernel/random/boot_id", identity.boot_id,
			   sizeof(identity.boot_id), NULL) == 0);
	CU_ASSERT(process_start_time(&kfs, getpid(), &identity.start_time, NULL) == 0);
	kfs_close(&kfs);
	identity.uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	CU_ASSERT_FATAL(identity.uffd >= 0);
	for (i = 0; i < 2; i++) {
		CU_ASSERT_FATAL(pipe2(ends, O_CLOEXEC) == 0);
		CU_ASSERT_FATAL(fstat(ends[0], &st) == 0);
		identity.pipe[i] = ends[0];
		identity.pipe_ino[i] = st.st_ino;
	}
	return identity;
}

static void test_found(void)
{
	struct map_identity identity = identity_of_this(), other = identity;
	struct adopted adopted;
	struct err err = { "" };

	UNIT_CHECK(adopted_find(&adopted, &identity, &err) == 0, "%s", err.text);
	adopted_close(&adopted);
	other.pipe_ino[1]++;
	CU_ASSERT_EQUAL(adopted_find(&adopted, &other, &err), -ESTALE);
	other = identity;
	other.uffd = identity.pipe[0];
	CU_ASSERT_EQUAL(adopted_find(&adopted, &other, &err), -ESTALE);
	other = identity;
	other.start_time++;
	CU_ASSERT_EQUAL(adopted_find(&adopted, &other, &err), -ESRCH);
	/* QEMU has closed one of them */
	close(identity.pipe[1]);
	CU_ASSERT_EQUAL(adopted_find(&adopted, &identity, &err), -ESTALE);
}

static int find_with_few_files(const struct map_identity *identity)
{
	struct adopted adopted;
	struct err err = { "" };
	struct rlimit limit;
	int rc = -EMFILE, n;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1;
	limit.rlim_cur = 3;
	for (n = 0; rc == -EMFILE && n < 100; n++) {
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			return 2;
		rc = adopted_find(&adopted, identity, &err);
		limit.rlim_cur++;
	}
	/* The process, its userfaultfd and two pipes have to be open at once */
	return rc == 0 && n > 4 ? 0 : -rc + 3;
}

/* That we have no descriptors left says nothing of those that QEMU has */
static void test_few_files(void)
{
	struct map_identity identity = identity_of_this();
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct kfs kfs;

		/* The child is the process that has them now */
		identity.pid = getpid();
		if (kfs_open(&kfs, "/", NULL) < 0 ||
		    process_start_time(&kfs, identity.pid, &identity.start_time, NULL) < 0)
			unit_end_child(1);
		kfs_close(&kfs);
		unit_end_child(find_with_few_files(&identity));
	}
	CU_ASSERT(waitpid(pid, &status, 0) == pid);
	UNIT_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%#x", (unsigned int)status);
}

static CU_TestInfo tests[] = {
	{ "what is open in a process is found, and nothing else is taken for it", test_found },
	{ "found with few descriptors of one's own", test_few_files },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	return unit_main(argc, argv, "test_adopted", tests);
}

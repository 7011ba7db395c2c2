// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The verifier as a plain process that a pager takes for a QEMU: its RAM is shared memory.
 *
 *	victim [KEY=VALUE...]
 *
 * ram=MIB, objects=N (files that it is made of), directory=PATH (files there instead of memfds),
 * threads=N, pattern=NAME, writes=PERCENT, untouched=PAGES, discards=yes, reader=yes, seed=N,
 * check=whole|head, kinds=all|one, swap=yes (private memory instead, for the kernel's own
 * paging), bind=NODE (its threads' memory comes from there), give=PIPES (a userfaultfd and so many
 *pipes, as an adoption would leave them).
 *
 * First line on stdout: "ready pid=N uffd=FD pipes=FD,...".  Then it takes commands, one a line:
 * "start", "figures", "balloon PAGES", "check", "spoil old|word|zeros PAGE" (make it wrong),
 * "close FD", "stop" (threads end, each page is checked; exit status 0: no byte was wrong).  Each
 * is answered by a line of figures.  The victim ends with the process that started it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pager/verifier.h"

enum { OBJECTS_MAX = 4, PIPES_MAX = 4 };

struct victim {
	struct verifier_options verifier;
	uint64_t ram_mib;
	unsigned int objects;
	const char *directory;
	bool swap;
	unsigned int pipes;
	bool gives;
};

static void die(const char *what)
{
	fprintf(stderr, "victim: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- memory ---- */

static int object_open(const struct victim *victim, unsigned int number)
{
	char path[4096];
	int fd;

	if (!victim->directory) {
		fd = memfd_create("memory-backend-memfd", MFD_CLOEXEC);
	} else {
		snprintf(path, sizeof(path), "%s/ram%u.%d", victim->directory, number, getpid());
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		unlink(path);
	}
	if (fd < 0)
		die("memory file");
	return fd;
}

/* What QEMU does with each of its memory back ends */
static void object_map(const struct victim *victim, unsigned int number, unsigned char *address,
		       uint64_t bytes)
{
	int fd = object_open(victim, number);

	if (ftruncate(fd, (off_t)bytes) < 0)
		die("ftruncate");
	if (mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
	    MAP_FAILED)
		die("mmap");
	if (madvise(address, bytes, MADV_DONTFORK) < 0)
		die("MADV_DONTFORK");
	madvise(address, bytes, MADV_HUGEPAGE);
	close(fd);
}

static unsigned char *memory_map(const struct victim *victim, uint64_t bytes)
{
	/* As with QEMU: whole pages, no more is promised */
	unsigned char *all = mmap(NULL, bytes + 5 * PAGE_SIZE_BYTES, PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t each = bytes / victim->objects;
	unsigned int i;

	if (all == MAP_FAILED)
		die("mmap");
	all += 5 * PAGE_SIZE_BYTES;
	if (victim->swap) {
		if (mprotect(all, bytes, PROT_READ | PROT_WRITE) < 0)
			die("mprotect");
		madvise(all, bytes, MADV_NOHUGEPAGE);
		return all;
	}
	for (i = 0; i < victim->objects; i++)
		object_map(victim, i, all + i * each, each);
	return all;
}

static int discard(unsigned char *address, uint64_t bytes)
{
	return madvise(address, bytes, MADV_REMOVE);
}

/* ---- what an adoption would leave ---- */

static int own_userfaultfd(void)
{
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	int fd;

	if (device < 0)
		die("/dev/userfaultfd");
	fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		die("USERFAULTFD_IOC_NEW");
	close(device);
	return fd;
}

/* One end is enough: the pipe lives as long as any */
static int own_pipe(void)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		die("pipe");
	if (fcntl(fd[0], F_SETPIPE_SZ, 256 * PAGE_SIZE_BYTES) < 0)
		die("F_SETPIPE_SZ");
	close(fd[1]);
	return fd[0];
}

static void say_ready(const struct victim *victim)
{
	unsigned int i;

	printf("ready pid=%d", getpid());
	if (victim->gives) {
		printf(" uffd=%d pipes=", own_userfaultfd());
		for (i = 0; i < victim->pipes; i++)
			printf("%s%d", i ? "," : "", own_pipe());
	}
	printf("\n");
	fflush(stdout);
}

/* QEMU's RCU thread: it has the program's name, and sleeps in a futex */
static void *sleep_always(void *arg)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
	sigset_t all;

	/* As in QEMU */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	pthread_mutex_lock(&mutex);
	for (;;)
		pthread_cond_wait(&never, &mutex);
	return arg;
}

/* ---- commands ---- */

static void spoil(struct verifier *verifier, const char *how)
{
	uint64_t page = strtoull(strchr(how, ' ') ? strchr(how, ' ') : "0", NULL, 10);

	if (!strncmp(how, "old", 3))
		verifier_spoil(verifier, SPOIL_OLD, page);
	else if (!strncmp(how, "word", 4))
		verifier_spoil(verifier, SPOIL_WORD, page);
	else
		verifier_spoil(verifier, SPOIL_ZEROS, page);
}

static int run_commands(struct verifier *verifier)
{
	struct verifier_figures figures;
	char line[256];
	bool runs = false;

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, "start"))
			runs = verifier_start(verifier);
		else if (!strncmp(line, "balloon ", 8))
			verifier_balloon(verifier, strtoull(line + 8, NULL, 10));
		else if (!strcmp(line, "check"))
			verifier_check_all(verifier);
		else if (!strncmp(line, "spoil ", 6))
			spoil(verifier, line + 6);
		else if (!strncmp(line, "close ", 6))
			close(atoi(line + 6));
		else if (!strcmp(line, "stop"))
			break;
		verifier_print(verifier, stdout, line);
	}
	if (runs)
		verifier_stop(verifier);
	verifier_balloon(verifier, 0);
	verifier_check_all(verifier);
	verifier_figures(verifier, &figures);
	verifier_print(verifier, stdout, "stop");
	return figures.wrong ? 1 : 0;
}

/* ---- options ---- */

static enum pattern pattern_of(const char *name)
{
	unsigned int i;

	for (i = 0; i < PATTERNS; i++)
		if (!strcmp(name, pattern_names[i]))
			return (enum pattern)i;
	errno = EINVAL;
	die(name);
	return PATTERN_MIXED;
}

/* As "numactl --membind": no memory of its own has a policy then */
static void bind_to(uint64_t node)
{
	unsigned long nodes = 1UL << node;

	if (syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 64 + 1) < 0)
		die("set_mempolicy");
}

static bool set_number(struct victim *victim, const char *key, uint64_t value)
{
	struct verifier_options *v = &victim->verifier;

	if (!strcmp(key, "ram"))
		victim->ram_mib = value;
	else if (!strcmp(key, "objects"))
		victim->objects = value && value <= OBJECTS_MAX ? (unsigned int)value : 1;
	else if (!strcmp(key, "threads"))
		v->threads = value <= VERIFIER_THREADS_MAX ? (unsigned int)value : 1;
	else if (!strcmp(key, "writes"))
		v->writes = (unsigned int)value;
	else if (!strcmp(key, "untouched"))
		v->untouched = value;
	else if (!strcmp(key, "seed"))
		v->rules.seed = value;
	else if (!strcmp(key, "bind"))
		bind_to(value);
	else if (!strcmp(key, "give"))
		victim->pipes = value <= PIPES_MAX ? (unsigned int)value : 1;
	else
		return false;
	victim->gives = victim->gives || !strcmp(key, "give");
	return true;
}

static void set_option(struct victim *victim, const char *key, const char *value)
{
	struct verifier_options *v = &victim->verifier;

	if (!strcmp(key, "directory"))
		victim->directory = value;
	else if (!strcmp(key, "pattern"))
		v->pattern = pattern_of(value);
	else if (!strcmp(key, "discards"))
		v->discards = !strcmp(value, "yes");
	else if (!strcmp(key, "reader"))
		v->late_reader = !strcmp(value, "yes");
	else if (!strcmp(key, "check"))
		v->rules.whole = strcmp(value, "head") != 0;
	else if (!strcmp(key, "kinds"))
		v->rules.equal = !strcmp(value, "all");
	else if (!strcmp(key, "swap"))
		victim->swap = !strcmp(value, "yes");
	else if (!set_number(victim, key, strtoull(value, NULL, 10))) {
		errno = EINVAL;
		die(key);
	}
}

int main(int argc, char **argv)
{
	struct victim victim = {
		.verifier = { .pattern = PATTERN_MIXED,
			      .threads = 2,
			      .writes = 30,
			      .rules = { .seed = 1, .whole = true, .equal = true } },
		.ram_mib = 64,
		.objects = 1,
	};
	struct verifier *verifier;
	pthread_t sleeper;
	char *value;
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pthread_create(&sleeper, NULL, sleep_always, NULL))
		die("thread");
	for (i = 1; i < argc; i++) {
		value = strchr(argv[i], '=');
		if (!value)
			die(argv[i]);
		*value = '\0';
		set_option(&victim, argv[i], value + 1);
	}
	victim.verifier.pages = victim.ram_mib * 256;
	victim.verifier.memory = memory_map(&victim, victim.ram_mib << 20);
	victim.verifier.discard = victim.swap ? NULL : discard;
	verifier = verifier_new(&victim.verifier);
	if (!verifier)
		die("verifier");
	say_ready(&victim);
	return run_commands(verifier);
}

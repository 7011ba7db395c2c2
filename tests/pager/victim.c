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
 * pipes, as an adoption would leave them), holes=yes (what is discarded is punched out of its file,
 * and told after that, as QEMU does for the balloon and virtio-mem), used=PERCENT (of its pages:
 * threads go to no others), stray=N (but one access in N goes to any page), burst=N, rest=US
 * (threads rest after so many accesses).
 *
 * First line on stdout: "ready pid=N uffd=FD pipes=FD,...".  Then it takes commands, one a line:
 * "start", "figures", "balloon PAGES", "check", "spoil old|word|zeros PAGE" (make it wrong),
 * "pause" (its threads end), "dump FILE" (all of its memory), "close FD", "plug SLOT MIB [private]"
 *(another piece of memory, and threads that work in it), "unplug SLOT", "stop" (threads end, each
 *page is checked; exit status 0: no byte was wrong). Each is answered by a line of figures, of all
 *memory.  The victim ends with the process that started it.
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

enum { OBJECTS_MAX = 4, PIPES_MAX = 4, DIMMS_MAX = 8 };

struct victim {
	struct verifier_options verifier;
	uint64_t ram_mib;
	unsigned int objects;
	const char *directory;
	bool swap, holes;
	unsigned int pipes;
	bool gives;
};

/* Memory that was plugged in: its threads are its own */
struct dimm {
	unsigned char *memory;
	uint64_t bytes;
	struct verifier *verifier; /* NULL: no thread works in it */
};

static void die(const char *what)
{
	fprintf(stderr, "victim: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- memory ---- */

/* Of the memory from the beginning, with holes=yes */
static unsigned char *holes_from;
static int holes_fd;

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
	if (holes_from == address)
		holes_fd = fd;
	else
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
	if (victim->holes)
		holes_from = all;
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

static int discard_by_hole(unsigned char *address, uint64_t bytes)
{
	if (fallocate(holes_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, address - holes_from,
		      (off_t)bytes) < 0)
		return -1;
	return madvise(address, bytes, MADV_DONTNEED);
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

/* ---- memory that comes and goes ---- */

static struct dimm dimms[DIMMS_MAX];
/* Of those that are gone */
static struct verifier_figures gone;

static struct dimm *dimm_of(const char *command)
{
	unsigned long slot = strtoul(strchr(command, ' '), NULL, 10);

	errno = EINVAL;
	if (slot >= DIMMS_MAX)
		die(command);
	return &dimms[slot];
}

static void dimm_map(struct dimm *dimm, int flags)
{
	int fd = memfd_create("memory-backend-memfd", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)dimm->bytes) < 0)
		die("memory file");
	dimm->memory = mmap(NULL, dimm->bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (dimm->memory == MAP_FAILED || madvise(dimm->memory, dimm->bytes, MADV_DONTFORK) < 0)
		die("mmap");
	close(fd);
}

/* "plug SLOT MIB [private]" */
static void plug(const struct victim *victim, const char *command)
{
	struct verifier_options options = victim->verifier;
	const char *mib = strchr(strchr(command, ' ') + 1, ' ');
	struct dimm *dimm = dimm_of(command);
	bool is_private = strstr(command, "private") != NULL;

	errno = EINVAL;
	if (dimm->memory || !mib)
		die(command);
	dimm->bytes = strtoull(mib, NULL, 10) << 20;
	dimm_map(dimm, is_private ? MAP_PRIVATE : MAP_SHARED);
	if (is_private)
		return;
	options.memory = dimm->memory;
	options.pages = dimm->bytes / PAGE_SIZE_BYTES;
	options.threads = 1;
	options.late_reader = false;
	options.discard = discard;
	dimm->verifier = verifier_new(&options);
	if (!dimm->verifier || !verifier_start(dimm->verifier))
		die("verifier");
}

static void add_figures(struct verifier_figures *sum, struct verifier *verifier)
{
	struct verifier_figures figures;

	verifier_figures(verifier, &figures);
	sum->checks += figures.checks;
	sum->writes += figures.writes;
	sum->discards += figures.discards;
	sum->wrong += figures.wrong;
}

static void unplug(struct dimm *dimm)
{
	if (dimm->verifier) {
		verifier_stop(dimm->verifier);
		verifier_check_all(dimm->verifier);
		add_figures(&gone, dimm->verifier);
		verifier_free(dimm->verifier);
	}
	if (dimm->memory && munmap(dimm->memory, dimm->bytes) < 0)
		die("munmap");
	*dimm = (struct dimm){ .memory = NULL };
}

static void unplug_all(void)
{
	unsigned int i;

	for (i = 0; i < DIMMS_MAX; i++)
		unplug(&dimms[i]);
}

static void print_figures(struct verifier *verifier, const char *head)
{
	struct verifier_figures others = gone;
	unsigned int i;

	for (i = 0; i < DIMMS_MAX; i++)
		if (dimms[i].verifier)
			add_figures(&others, dimms[i].verifier);
	verifier_print_with(verifier, &others, stdout, head);
}

static void dump(const struct verifier_options *verifier, const char *path)
{
	uint64_t page;
	FILE *file = fopen(path, "we");

	if (!file)
		die(path);
	for (page = 0; page < verifier->pages; page++)
		if (fwrite(verifier->memory + page * PAGE_SIZE_BYTES, PAGE_SIZE_BYTES, 1, file) !=
		    1)
			die(path);
	if (fclose(file) != 0)
		die(path);
}

/* Return: whether its threads run */
static bool pause_it(struct verifier *verifier, bool runs)
{
	if (runs)
		verifier_stop(verifier);
	return false;
}

static int run_commands(const struct victim *victim, struct verifier *verifier)
{
	struct verifier_figures figures;
	char line[256];
	bool runs = false;

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, "start"))
			runs = verifier_start(verifier);
		else if (!strcmp(line, "pause"))
			runs = pause_it(verifier, runs);
		else if (!strncmp(line, "dump ", 5))
			dump(&victim->verifier, line + 5);
		else if (!strncmp(line, "balloon ", 8))
			verifier_balloon(verifier, strtoull(line + 8, NULL, 10));
		else if (!strcmp(line, "check"))
			verifier_check_all(verifier);
		else if (!strncmp(line, "spoil ", 6))
			spoil(verifier, line + 6);
		else if (!strncmp(line, "close ", 6))
			close(atoi(line + 6));
		else if (!strncmp(line, "plug ", 5))
			plug(victim, line);
		else if (!strncmp(line, "unplug ", 7))
			unplug(dimm_of(line));
		else if (!strcmp(line, "stop"))
			break;
		print_figures(verifier, line);
	}
	unplug_all();
	if (runs)
		verifier_stop(verifier);
	verifier_balloon(verifier, 0);
	verifier_check_all(verifier);
	verifier_figures(verifier, &figures);
	print_figures(verifier, "stop");
	return figures.wrong || gone.wrong ? 1 : 0;
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
	else if (!strcmp(key, "used"))
		v->used = (unsigned int)value;
	else if (!strcmp(key, "stray"))
		v->stray = (unsigned int)value;
	else if (!strcmp(key, "burst"))
		v->burst = (unsigned int)value;
	else if (!strcmp(key, "rest"))
		v->rest_us = (unsigned int)value;
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
	else if (!strcmp(key, "holes"))
		victim->holes = !strcmp(value, "yes");
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
	victim.verifier.discard = victim.swap ? NULL : victim.holes ? discard_by_hole : discard;
	verifier = verifier_new(&victim.verifier);
	if (!verifier)
		die("verifier");
	say_ready(&victim);
	return run_commands(&victim, verifier);
}

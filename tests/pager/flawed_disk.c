// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A disk that fails, does not answer, or lies, when a test says so: a file system in user space
 * with two files, "disk" and "device", whose content is other files'.
 *
 *	flawed_disk DIRECTORY BACKING BACKING
 *
 * It is mounted at DIRECTORY, with the backing files as they are.  First line on stdout: "ready".
 * Then it takes commands, one a line, each answered by "ok" and figures:
 *
 *	works		and answers what was held back
 *	fails read	with EIO; also "fails write", "fails both"
 *	hangs		reads and writes are held back
 *	zeros		that is what reads give
 *	full		there is no room for more
 *	figures
 *
 * It speaks the kernel's protocol itself (linux/fuse.h), and ends with the process that started it;
 * what waits for it fails then.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FIRST_INODE = FUSE_ROOT_ID + 1, FILES = 2 };
enum { MOST_PAGES = 64, MOST_BYTES = MOST_PAGES * 4096, REQUEST_BYTES = 1 << 20 };

enum flaw { WORKS, FAILS_READ, FAILS_WRITE, FAILS_BOTH, HANGS, ZEROS, FULL, FLAWS };

static const char *const flaw_names[FLAWS] = { "works", "fails read", "fails write", "fails both",
					       "hangs", "zeros",      "full" };

static const char *const names[FILES] = { "disk", "device" };

/* A request that is held back */
struct held {
	struct held *next;
	size_t bytes;
	_Alignas(8) char request[];
};

static struct {
	int fuse, backing[FILES];
	enum flaw flaw;
	struct held *first, **last;
	unsigned long reads, writes, failed, held;
} disk = { .last = &disk.first };

static void die(const char *what)
{
	fprintf(stderr, "flawed_disk: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int backing_of(uint64_t inode)
{
	return disk.backing[inode - FIRST_INODE < FILES ? inode - FIRST_INODE : 0];
}

/* ---- answers ---- */

static void answer(const struct fuse_in_header *in, int error, const void *data, size_t bytes)
{
	struct fuse_out_header out = { .len = (uint32_t)(sizeof(out) + bytes),
				       .error = -error,
				       .unique = in->unique };
	struct iovec iov[2] = { { &out, sizeof(out) }, { (void *)(uintptr_t)data, bytes } };

	/* ENOENT: who asked was killed meanwhile */
	if (writev(disk.fuse, iov, 2) < 0 && errno != ENOENT)
		die("answer");
}

static void fail(const struct fuse_in_header *in, int error)
{
	disk.failed += error == EIO;
	answer(in, error, NULL, 0);
}

static struct fuse_attr attr_of(uint64_t inode)
{
	struct fuse_attr attr = { .ino = inode, .nlink = 1, .blksize = 4096 };
	struct stat st;

	if (fstat(backing_of(inode), &st) < 0)
		die("fstat");
	attr.mode = inode == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0600;
	if (inode != FUSE_ROOT_ID) {
		attr.size = (uint64_t)st.st_size;
		attr.blocks = (uint64_t)st.st_blocks;
	}
	return attr;
}

static void answer_attr(const struct fuse_in_header *in)
{
	struct fuse_attr_out out = { .attr = attr_of(in->nodeid) };

	answer(in, 0, &out, sizeof(out));
}

static void begin(const struct fuse_in_header *in)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | FUSE_MAX_PAGES,
		.max_background = 64,
		.congestion_threshold = 64,
		.max_write = MOST_BYTES,
		.max_pages = MOST_PAGES,
	};

	answer(in, 0, &out, sizeof(out));
}

static void look_up(const struct fuse_in_header *in, const char *name)
{
	struct fuse_entry_out out = { .nodeid = FIRST_INODE };

	while (out.nodeid < FIRST_INODE + FILES &&
	       strcmp(name, names[out.nodeid - FIRST_INODE]) != 0)
		out.nodeid++;
	if (in->nodeid != FUSE_ROOT_ID || out.nodeid == FIRST_INODE + FILES) {
		fail(in, ENOENT);
		return;
	}
	out.attr = attr_of(out.nodeid);
	answer(in, 0, &out, sizeof(out));
}

static void set_attr(const struct fuse_in_header *in, const struct fuse_setattr_in *what)
{
	if ((what->valid & FATTR_SIZE) && ftruncate(backing_of(in->nodeid), (off_t)what->size) < 0)
		fail(in, errno);
	else
		answer_attr(in);
}

/* ---- what fails ---- */

static void read_some(const struct fuse_in_header *in, const struct fuse_read_in *what)
{
	static char buffer[MOST_BYTES];
	ssize_t n = pread(backing_of(in->nodeid), buffer,
			  what->size < sizeof(buffer) ? what->size : sizeof(buffer),
			  (off_t)what->offset);

	disk.reads++;
	if (disk.flaw == FAILS_READ || disk.flaw == FAILS_BOTH || n < 0) {
		fail(in, EIO);
		return;
	}
	if (disk.flaw == ZEROS) {
		disk.failed++;
		memset(buffer, 0, (size_t)n);
	}
	answer(in, 0, buffer, (size_t)n);
}

static void write_some(const struct fuse_in_header *in, const struct fuse_write_in *what)
{
	struct fuse_write_out out = { .size = what->size };

	disk.writes++;
	if (disk.flaw == FAILS_WRITE || disk.flaw == FAILS_BOTH)
		fail(in, EIO);
	else if (pwrite(backing_of(in->nodeid), what + 1, what->size, (off_t)what->offset) !=
		 (ssize_t)what->size)
		fail(in, ENOSPC);
	else
		answer(in, 0, &out, sizeof(out));
}

static void allocate(const struct fuse_in_header *in, const struct fuse_fallocate_in *what)
{
	bool gives_back = what->mode & FALLOC_FL_PUNCH_HOLE;

	if (disk.flaw == FULL && !gives_back)
		fail(in, ENOSPC);
	else
		fail(in, fallocate(backing_of(in->nodeid), (int)what->mode, (off_t)what->offset,
				   (off_t)what->length) < 0 ?
				 errno :
				 0);
}

static bool is_held(const struct fuse_in_header *in)
{
	return disk.flaw == HANGS && (in->opcode == FUSE_READ || in->opcode == FUSE_WRITE);
}

static void hold(const void *request, size_t bytes)
{
	struct held *held = malloc(sizeof(*held) + bytes);

	if (!held)
		die("malloc");
	held->next = NULL;
	held->bytes = bytes;
	memcpy(held->request, request, bytes);
	*disk.last = held;
	disk.last = &held->next;
	disk.held++;
}

static void open_one(const struct fuse_in_header *in)
{
	struct fuse_open_out out = { .open_flags = 0 };

	answer(in, 0, &out, sizeof(out));
}

static void say_room(const struct fuse_in_header *in)
{
	struct fuse_statfs_out out = { .st = { .blocks = 1 << 20,
					       .bfree = 1 << 19,
					       .bavail = 1 << 19,
					       .bsize = 4096,
					       .namelen = 255,
					       .frsize = 4096 } };

	answer(in, 0, &out, sizeof(out));
}

static void serve(const void *request, size_t bytes)
{
	const struct fuse_in_header *in = request;
	const void *what = in + 1;

	if (is_held(in)) {
		hold(request, bytes);
		return;
	}
	switch (in->opcode) {
	case FUSE_INIT:
		begin(in);
		break;
	case FUSE_LOOKUP:
		look_up(in, what);
		break;
	case FUSE_GETATTR:
		answer_attr(in);
		break;
	case FUSE_SETATTR:
		set_attr(in, what);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		open_one(in);
		break;
	case FUSE_READ:
		read_some(in, what);
		break;
	case FUSE_WRITE:
		write_some(in, what);
		break;
	case FUSE_FALLOCATE:
		allocate(in, what);
		break;
	case FUSE_STATFS:
		say_room(in);
		break;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_READDIR:
	case FUSE_FSYNC:
	case FUSE_FLUSH:
		answer(in, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		fail(in, ENOSYS);
	}
}

static void serve_held(void)
{
	struct held *held = disk.first, *next;

	disk.first = NULL;
	disk.last = &disk.first;
	for (; held; held = next) {
		next = held->next;
		serve(held->request, held->bytes);
		free(held);
	}
}

/* ---- the loop ---- */

static void take_request(void)
{
	static _Alignas(8) char request[REQUEST_BYTES];
	ssize_t n = read(disk.fuse, request, sizeof(request));

	if (n >= (ssize_t)sizeof(struct fuse_in_header))
		serve(request, (size_t)n);
	else if (n < 0 && errno == ENODEV)
		exit(0); /* unmounted */
	else if (n < 0 && errno != ENOENT && errno != EINTR && errno != EAGAIN)
		die("/dev/fuse");
}

static void take_command(void)
{
	char line[64] = "";
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
	int i;

	if (n <= 0)
		exit(0);
	line[strcspn(line, "\n")] = '\0';
	for (i = 0; i < FLAWS; i++)
		if (!strcmp(line, flaw_names[i]))
			disk.flaw = (enum flaw)i;
	if (disk.flaw != HANGS)
		serve_held();
	printf("ok reads=%lu writes=%lu failed=%lu held=%lu\n", disk.reads, disk.writes,
	       disk.failed, disk.held);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN } };
	char options[128];
	int i;

	if (argc != 2 + FILES) {
		fprintf(stderr, "usage: flawed_disk DIRECTORY BACKING BACKING\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < FILES; i++) {
		disk.backing[i] = open(argv[2 + i], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (disk.backing[i] < 0)
			die(argv[2 + i]);
	}
	disk.fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (disk.fuse < 0)
		die("/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", disk.fuse);
	if (mount("flawed_disk", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		die(argv[1]);
	puts("ready");
	fflush(stdout);
	p[1].fd = disk.fuse;
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (p[1].revents)
			take_request();
		if (p[0].revents)
			take_command();
	}
}

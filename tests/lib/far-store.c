// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A file system that another host might be using: FUSE, as sshfs and GlusterFS are.
 *
 *	far-store DIRECTORY
 *
 * Mounts itself on DIRECTORY and shows a guest's leftover in it:
 * libvirt/qemu/7-somebody/pc.ram.  What is removed there is gone.  Says "ready" when
 * it is mounted; unmounting ends it.  From SIGUSR1 on it takes questions and answers none:
 * not even SIGKILL frees who has asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define NODES 6

static struct node {
	const char *name;
	unsigned int parent;
	int gone;
} nodes[NODES] = {
	/* Numbers are FUSE's, which begin with 1 for the root */
	[1] = { "", 0, 0 },	      [2] = { "libvirt", 1, 0 }, [3] = { "qemu", 2, 0 },
	[4] = { "7-somebody", 3, 0 }, [5] = { "pc.ram", 4, 0 },
};

static int device;
static volatile sig_atomic_t silent;

static void fall_silent(int signal)
{
	(void)signal;
	silent = 1;
}

static int answer(const struct fuse_in_header *in, int error, const void *data, size_t len)
{
	char buf[sizeof(struct fuse_out_header) + 4096];
	struct fuse_out_header out = { .len = (unsigned int)(sizeof(out) + len),
				       .error = -error,
				       .unique = in->unique };

	memcpy(buf, &out, sizeof(out));
	if (len)
		memcpy(buf + sizeof(out), data, len);
	return write(device, buf, out.len) < 0 ? -1 : 0;
}

static struct fuse_attr attributes(unsigned int n)
{
	int is_file = n == NODES - 1;

	return (struct fuse_attr){ .ino = n,
				   .size = is_file ? 65536 : 0,
				   .mode = is_file ? S_IFREG | 0600 : S_IFDIR | 0755,
				   .nlink = 1,
				   .blksize = 4096 };
}

static unsigned int child(unsigned int parent, const char *name)
{
	unsigned int n;

	for (n = 1; n < NODES; n++)
		if (nodes[n].parent == parent && !nodes[n].gone && !strcmp(nodes[n].name, name))
			return n;
	return 0;
}

static int lookup(const struct fuse_in_header *in, const char *name)
{
	unsigned int n = child((unsigned int)in->nodeid, name);
	struct fuse_entry_out out = { .nodeid = n, .attr = attributes(n) };

	return n ? answer(in, 0, &out, sizeof(out)) : answer(in, ENOENT, NULL, 0);
}

static int removal(const struct fuse_in_header *in, const char *name)
{
	unsigned int n = child((unsigned int)in->nodeid, name), i;

	for (i = 1; i < NODES; i++)
		if (n && nodes[i].parent == n && !nodes[i].gone)
			return answer(in, ENOTEMPTY, NULL, 0);
	if (n)
		nodes[n].gone = 1;
	return answer(in, n ? 0 : ENOENT, NULL, 0);
}

/* A directory here has one entry at most, so it is read in two calls */
static int read_directory(const struct fuse_in_header *in, const struct fuse_read_in *arg)
{
	char buf[512] = { 0 };
	struct fuse_dirent *entry = (struct fuse_dirent *)buf;
	unsigned int n;

	for (n = 1; n < NODES; n++)
		if (nodes[n].parent == in->nodeid && !nodes[n].gone && arg->offset == 0)
			break;
	if (n == NODES)
		return answer(in, 0, NULL, 0);
	*entry = (struct fuse_dirent){ .ino = n,
				       .off = 1,
				       .namelen = (unsigned int)strlen(nodes[n].name),
				       .type = attributes(n).mode >> 12 };
	memcpy(entry->name, nodes[n].name, entry->namelen);
	return answer(in, 0, buf, FUSE_DIRENT_SIZE(entry));
}

static int serve(const struct fuse_in_header *in, const void *arg)
{
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
				      .minor = FUSE_KERNEL_MINOR_VERSION,
				      .max_write = 4096 };
	struct fuse_attr_out attr = { .attr = attributes((unsigned int)in->nodeid) };
	struct fuse_statfs_out statfs = { .st = { .blocks = 1 << 18,
						  .bfree = 1 << 17,
						  .bavail = 1 << 17,
						  .bsize = 4096,
						  .frsize = 4096,
						  .namelen = 255 } };
	struct fuse_open_out open = { 0 };

	switch (in->opcode) {
	case FUSE_INIT:
		return answer(in, 0, &init, sizeof(init));
	case FUSE_LOOKUP:
		return lookup(in, arg);
	case FUSE_GETATTR:
	/* libvirtd gives the base to QEMU's user when it starts */
	case FUSE_SETATTR:
		return answer(in, 0, &attr, sizeof(attr));
	case FUSE_STATFS:
		return answer(in, 0, &statfs, sizeof(statfs));
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return answer(in, 0, &open, sizeof(open));
	case FUSE_READDIR:
		return read_directory(in, arg);
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		return removal(in, arg);
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return answer(in, 0, NULL, 0);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		return 0;
	default:
		return answer(in, ENOSYS, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	static char buf[FUSE_MIN_READ_BUFFER + 4096];
	char options[128];

	device = open("/dev/fuse", O_RDWR);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions",
		 device);
	if (argc != 2 || mount("far-away", argv[1], "fuse.far-store", 0, options) < 0) {
		perror("far-store");
		return 1;
	}
	signal(SIGUSR1, fall_silent);
	puts("ready");
	fflush(stdout);
	while (read(device, buf, sizeof(buf)) > 0)
		if (!silent)
			serve((struct fuse_in_header *)buf, buf + sizeof(struct fuse_in_header));
	return 0;
}

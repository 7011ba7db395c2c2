// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A held thread that puts itself right if its tracer dies: a signal frame for rt_sigreturn().
 */
#include "pager/inject_frame.h"

#include <errno.h>

#ifdef __x86_64__
#include <cpuid.h>
#include <elf.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"

/* The C library's text is one to two MiB */
#define TEXT_MAX (8U << 20)

/* Of the kernel's <asm/sigcontext.h> and <asm/ucontext.h>, which do not go together with the C
 * library's */
#define MAGIC1	    0x46505853U
#define MAGIC2	    0x46505845U
#define SW_RESERVED 464 /* bytes that the processor leaves to programs */
#define XSTATE_MIN  576 /* what each has: registers, then a header of 64 bytes */
#define XFEATURE_TILES                                                                             \
	18	     /* matrices: their size counts only where a program has asked for them        \
		      */
#define UC_FLAGS   7 /* with vectors, with SS, and that one exactly */
#define GETSIGMASK 0x420a

struct sw_bytes {
	uint32_t magic1;
	uint32_t extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size;
	uint32_t padding[7];
};

/* What the kernel finds on the stack; siginfo would follow */
struct frame {
	uint64_t back;
	ucontext_t uc;
};

static const unsigned char call_text[] = { 0x0f, 0x05, 0xc3 };
/* As the C libraries have it: mov $15,%rax or mov $15,%eax */
static const unsigned char back_long[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
static const unsigned char back_short[] = { 0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05 };

/* ---- instructions ---- */

static uint64_t find_bytes(const unsigned char *text, size_t size, uint64_t address,
			   const unsigned char *bytes, size_t n)
{
	const unsigned char *found = memmem(text, size, bytes, n);

	return found ? address + (uint64_t)(found - text) : 0;
}

static void search(struct inject_gadgets *gadgets, const unsigned char *text, size_t size,
		   uint64_t address)
{
	if (!gadgets->call)
		gadgets->call = find_bytes(text, size, address, call_text, sizeof(call_text));
	if (!gadgets->back)
		gadgets->back = find_bytes(text, size, address, back_long, sizeof(back_long));
	if (!gadgets->back)
		gadgets->back = find_bytes(text, size, address, back_short, sizeof(back_short));
}

static int search_mapping(struct inject_gadgets *gadgets, pid_t pid, uint64_t start, uint64_t end)
{
	cleanup_free unsigned char *text = NULL;
	size_t size = end - start > TEXT_MAX ? TEXT_MAX : (size_t)(end - start);
	struct iovec here, there = { (void *)(uintptr_t)start, size };
	ssize_t n;

	text = malloc(size);
	if (!text)
		return -ENOMEM;
	here = (struct iovec){ text, size };
	n = process_vm_readv(pid, &here, 1, &there, 1, 0);
	if (n < 0)
		return -errno;
	search(gadgets, text, (size_t)n, start);
	return 0;
}

/* "7f..-7f.. r-xp ... /usr/lib/x86_64-linux-gnu/libc.so.6": of a library that can't go away */
static bool is_libc(const char *path)
{
	const char *name = strrchr(path, '/');

	return !strncmp(name, "/libc.so", 8) || !strncmp(name, "/libc-", 6) ||
	       !strncmp(name, "/ld-musl", 8);
}

static bool is_program(const char *path, const char *program)
{
	size_t n = strlen(program);

	return n && !strncmp(path, program, n) && path[n] == '\n';
}

/* @program: NULL: in the C library.  Else in the program, where it is linked with that statically
 */
static int search_maps(struct inject_gadgets *gadgets, const struct kfs *kfs, pid_t pid,
		       const char *program)
{
	cleanup_fclose FILE *f = NULL;
	cleanup_free char *line = NULL;
	char path[KFS_PATH_SIZE];
	uint64_t start, end;
	size_t room = 0;
	int rc = 0;

	snprintf(path, sizeof(path), "proc/%d/maps", (int)pid);
	f = kfs_stream(kfs, path);
	if (!f)
		return -errno;
	while (rc == 0 && getline(&line, &room, f) > 0) {
		const char *file = strchr(line, '/');

		if (file && (program ? is_program(file, program) : is_libc(file)) &&
		    strstr(line, " r-xp ") &&
		    sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			rc = search_mapping(gadgets, pid, start, end);
	}
	return rc;
}

static bool complete(const struct inject_gadgets *gadgets)
{
	return gadgets->call && gadgets->back;
}

static int search_program(struct inject_gadgets *gadgets, const struct kfs *kfs, pid_t pid)
{
	char path[KFS_PATH_SIZE], program[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "proc/%d/exe", (int)pid);
	n = readlinkat(kfs->rootfd, path, program, sizeof(program) - 1);
	if (n < 0)
		return -errno;
	program[n] = '\0';
	return search_maps(gadgets, kfs, pid, program);
}

static bool has_shadow_stack(const struct kfs *kfs, pid_t pid)
{
	char path[KFS_PATH_SIZE], status[8192];
	const char *features;

	snprintf(path, sizeof(path), "proc/%d/status", (int)pid);
	if (kfs_read(kfs, path, status, sizeof(status), NULL) < 0)
		return true;
	features = strstr(status, "\nx86_Thread_features:");
	return features && strstr(features, "shstk");
}

static void ask_processor(struct inject_gadgets *gadgets)
{
	unsigned int i, bytes, offset, c, d;

	for (i = 2; i < INJECT_FEATURES; i++)
		if (i != XFEATURE_TILES && __get_cpuid_count(0xd, i, &bytes, &offset, &c, &d))
			gadgets->state_end[i] = offset + bytes;
}

int inject_gadgets_find(struct inject_gadgets *gadgets, const struct kfs *kfs, pid_t pid)
{
	int rc;

	*gadgets = (struct inject_gadgets){ 0 };
	if (has_shadow_stack(kfs, pid))
		return -ENOTSUP;
	rc = search_maps(gadgets, kfs, pid, NULL);
	if (rc == 0 && !complete(gadgets))
		rc = search_program(gadgets, kfs, pid);
	if (rc < 0)
		return rc;
	ask_processor(gadgets);
	return complete(gadgets) ? 0 : -ENOENT;
}

/* ---- the frame ---- */

/* Where these features end, without matrices */
static size_t xstate_size(const struct inject_gadgets *gadgets, uint64_t features)
{
	size_t size = XSTATE_MIN;
	unsigned int i;

	for (i = 2; i < INJECT_FEATURES; i++)
		if (features & UINT64_C(1) << i && gadgets->state_end[i] > size)
			size = gadgets->state_end[i];
	return size;
}

/* Registers of floating point and vectors, and behind them what tells the kernel how many they
 * are.  Return: their size, or 0 */
static size_t build_vectors(unsigned char *image, size_t room, pid_t tid,
			    const struct inject_gadgets *gadgets)
{
	struct iovec iov = { image, room };
	struct sw_bytes sw = { .magic1 = MAGIC1 };
	uint32_t magic2 = MAGIC2;
	size_t size;

	if (ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &iov) < 0 || iov.iov_len < XSTATE_MIN)
		return 0;
	/* The kernel says here which there are */
	memcpy(&sw.xfeatures, image + SW_RESERVED, sizeof(sw.xfeatures));
	sw.xfeatures &= ~(UINT64_C(1) << XFEATURE_TILES);
	size = xstate_size(gadgets, sw.xfeatures);
	if (size > iov.iov_len || size + sizeof(magic2) > room)
		return 0;
	sw.xstate_size = (uint32_t)size;
	sw.extended_size = (uint32_t)(size + sizeof(magic2));
	memcpy(image + SW_RESERVED, &sw, sizeof(sw));
	memcpy(image + size, &magic2, sizeof(magic2));
	return size + sizeof(magic2);
}

static void fill_registers(greg_t *gregs, const struct user_regs_struct *own)
{
	const struct {
		int index;
		unsigned long long value;
	} all[] = {
		{ REG_R8, own->r8 },
		{ REG_R9, own->r9 },
		{ REG_R10, own->r10 },
		{ REG_R11, own->r11 },
		{ REG_R12, own->r12 },
		{ REG_R13, own->r13 },
		{ REG_R14, own->r14 },
		{ REG_R15, own->r15 },
		{ REG_RDI, own->rdi },
		{ REG_RSI, own->rsi },
		{ REG_RBP, own->rbp },
		{ REG_RBX, own->rbx },
		{ REG_RDX, own->rdx },
		{ REG_RAX, own->rax },
		{ REG_RCX, own->rcx },
		{ REG_RSP, own->rsp },
		{ REG_RIP, own->rip },
		{ REG_EFL, own->eflags },
		{ REG_CSGSFS, own->cs | own->gs << 16 | own->fs << 32 | own->ss << 48 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		gregs[all[i].index] = (greg_t)all[i].value;
}

size_t inject_frame_build(unsigned char *image, uint64_t address, pid_t tid,
			  const struct user_regs_struct *own, const struct inject_gadgets *gadgets)
{
	const size_t vectors = (sizeof(struct frame) + 63) & ~(size_t)63;
	struct frame frame = { .back = gadgets->back };
	uint64_t mask;
	size_t size;

	memset(image, 0, INJECT_FRAME_MAX);
	size = build_vectors(image + vectors, INJECT_FRAME_MAX - vectors, tid, gadgets);
	if (!size || ptrace(GETSIGMASK, tid, sizeof(mask), &mask) < 0)
		return 0;
	frame.uc.uc_flags = UC_FLAGS;
	/* No such flags: the kernel leaves the thread's signal stack as it is */
	frame.uc.uc_stack.ss_flags = 0x7f;
	fill_registers(frame.uc.uc_mcontext.gregs, own);
	frame.uc.uc_mcontext.fpregs = (void *)(uintptr_t)(address + vectors);
	memcpy(&frame.uc.uc_sigmask, &mask, sizeof(mask));
	memcpy(image, &frame, sizeof(frame));
	return vectors + size;
}
#else
int inject_gadgets_find(struct inject_gadgets *gadgets, const struct kfs *kfs, pid_t pid)
{
	(void)kfs;
	(void)pid;
	*gadgets = (struct inject_gadgets){ 0 };
	return -ENOTSUP;
}

size_t inject_frame_build(unsigned char *image, uint64_t address, pid_t tid,
			  const struct user_regs_struct *own, const struct inject_gadgets *gadgets)
{
	(void)image;
	(void)address;
	(void)tid;
	(void)own;
	(void)gadgets;
	return 0;
}
#endif

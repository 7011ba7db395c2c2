// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking-pagerd: pages guests that are larger than the host's memory.
 *
 * DOC: how it ends
 *
 * What it needs lies in files and in the guests' QEMUs, in an order that is right at each moment.
 * So an end is never long: guests that are still paged stand until the next daemon goes on, as
 * after a SIGKILL, and the exit status tells systemd to start that one.  It is refused while a
 * guest would lose pages by it, whose QEMU has closed what the next daemon would need, and which
 * can't be released.  Without guests and clients a daemon that systemd has started for its socket
 * ends by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/version.h"
#include "config/config.h"
#include "kernel/kfs.h"
#include "kernel/meminfo.h"
#include "pager/client.h"
#include "pager/guest_pager.h"
#include "pager/notify.h"
#include "pager/pager_guests.h"
#include "pager/process_fd.h"
#include "pager/server.h"
#include "pager/tier_io.h"

#define PROGRAM "virt-membacking-pagerd"

/* sysexits(3): guests wait for another daemon.  The unit knows it */
#define EXIT_GUESTS_WAIT 75
#define EXIT_USAGE	 2

/* A client that asks again soon finds it running */
#define IDLE_MS 30000

/* A dead daemon's threads end with their system calls, some of which take a while */
#define PREDECESSOR_MS 15000

/* How long an end waits for threads that have a guest, and for replies */
#define END_MS 3000

/* How long a guest is loaded that must be released before.  Less than its own watchdog waits for
 * it, and than one that ends another one waits */
#define RELEASE_MS 10000

/* A guest has a dozen descriptors */
#define LEAST_FILES 16384

/* Ended after every other program when memory runs out: all its guests would stand */
#define OOM_SCORE "-900"

struct options {
	bool background;
	bool restart;
	bool stop;
	bool to_stderr;
	const char *state_dir;
	const char *adopt_program;
	uint64_t idle_ms;
};

/**
 * struct daemon - What main has open
 * @own_socket:	It made the socket, and removes it
 */
struct daemon {
	struct options options;
	struct kfs kfs;
	int state_dir;
	int lock;
	int signals;
	int listener;
	bool own_socket;
	struct pager_guests *guests;
	struct pager_server *server;
};

/* ---- options ---- */

static const char usage[] =
	"Usage: " PROGRAM " [--background]\n"
	"Pages the guests that have an overcommit.resident, see membacking.conf(5).\n"
	"\n"
	"Options:\n"
	"  --background          return when it is ready; without systemd\n"
	"  --foreground          stay (default)\n"
	"  --restart             --background in the place of the one that runs so;\n"
	"                        if none does, nothing\n"
	"  --stop                end the one that runs so; paged guests stand then\n"
	"  --stderr              log there, not to syslog\n"
	"  --idle SECONDS        end after so long without guests and clients; 0: never\n"
	"                        (default: 30 if systemd made the socket, else 0)\n"
	"  --state-dir DIR       instead of /" STATE_DIR "\n"
	"  --adopt-program FILE  instead of the one that is installed\n"
	"  --version             print the version\n"
	"  --help                print this\n";

enum {
	OPT_BACKGROUND = 256,
	OPT_FOREGROUND,
	OPT_STDERR,
	OPT_IDLE,
	OPT_STATE,
	OPT_ADOPT,
	OPT_RESTART,
	OPT_STOP
};

static const struct option long_options[] = {
	{ "background", no_argument, NULL, OPT_BACKGROUND },
	{ "foreground", no_argument, NULL, OPT_FOREGROUND },
	{ "restart", no_argument, NULL, OPT_RESTART },
	{ "stop", no_argument, NULL, OPT_STOP },
	{ "stderr", no_argument, NULL, OPT_STDERR },
	{ "idle", required_argument, NULL, OPT_IDLE },
	{ "state-dir", required_argument, NULL, OPT_STATE },
	{ "adopt-program", required_argument, NULL, OPT_ADOPT },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

#define IDLE_DEFAULT UINT64_MAX

static bool set_idle(struct options *options, const char *text)
{
	char *end;
	unsigned long seconds = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || seconds > 86400) {
		fprintf(stderr, PROGRAM ": --idle: expected 0 to 86400 seconds\n");
		return false;
	}
	options->idle_ms = (uint64_t)seconds * 1000;
	return true;
}

/* Return: -1: go on; else an exit status */
static int parse(struct options *options, int argc, char **argv)
{
	int key;

	*options = (struct options){ .idle_ms = IDLE_DEFAULT };
	while ((key = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (key == OPT_BACKGROUND)
			options->background = true;
		else if (key == OPT_FOREGROUND)
			options->background = false;
		else if (key == OPT_RESTART)
			options->background = options->restart = true;
		else if (key == OPT_STOP)
			options->stop = true;
		else if (key == OPT_STDERR)
			options->to_stderr = true;
		else if (key == OPT_STATE)
			options->state_dir = optarg;
		else if (key == OPT_ADOPT)
			options->adopt_program = optarg;
		else if (key == 'V' || key == 'h')
			return fputs(key == 'h' ? usage : PROGRAM " " VERSION "\n", stdout) < 0;
		else if (key != OPT_IDLE || !set_idle(options, optarg))
			return EXIT_USAGE;
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, PROGRAM ": unexpected argument '%s'\n", argv[optind]);
	return EXIT_USAGE;
}

/* ---- this process ---- */

/* Whatever the parent left: see process/signals.h, which is for programs of one thread */
static int set_up_signals(struct err *err)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, standard = { .sa_handler = SIG_DFL };
	struct sigaction bus = { .sa_sigaction = guest_pager_sigbus,
				 .sa_flags = SA_SIGINFO | SA_NODEFER };
	sigset_t ours;
	int fd;

	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGCHLD, &standard, NULL);
	sigaction(SIGBUS, &bus, NULL);
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	/* Before there are threads: they inherit it */
	pthread_sigmask(SIG_SETMASK, &ours, NULL);
	fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_sys(err, errno, "cannot receive signals") : fd;
}

static void raise_limit(limit_resource resource, rlim_t wanted)
{
	struct rlimit limit = { wanted, wanted };

	if (setrlimit(resource, &limit) == 0 || getrlimit(resource, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(resource, &limit);
}

static void set_up_process(const struct kfs *kfs)
{
	struct err err;

	umask(077);
	raise_limit(RLIMIT_FSIZE, RLIM_INFINITY);
	raise_limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
	raise_limit(RLIMIT_NOFILE, LEAST_FILES);
	/* All guests of a host are this program's: what it keeps pinned is in no other's way */
	tier_io_keep_buffers(true);
	/* A container may not lower it; under systemd the unit did, or was not allowed to either */
	if (kfs_write(kfs, "proc/self/oom_score_adj", OOM_SCORE, &err) < 0)
		log_debug("%s", err.text);
	/* A fault that waits for the pager's own pages would wait for swap.  What is never
	 * touched takes nothing */
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		log_warning("the pager's memory may be swapped: mlockall failed");
}

/* ---- configuration ---- */

/* A daemon that begins takes the defaults in place of what can't be understood: guests wait.  One
 * that runs keeps what it has */
static int with_overcommit(struct daemon *daemon, bool runs,
			   int (*use)(struct daemon *daemon,
				      const struct config_overcommit *overcommit, struct err *err),
			   struct err *err)
{
	cleanup_config struct config *config = NULL;
	int rc = config_load(daemon->kfs.rootfd, &config, err);

	if (rc < 0)
		return rc;
	rc = config_check_section(config, NULL, "overcommit", err);
	if (rc < 0 && runs)
		return rc;
	if (rc < 0)
		log_error("%s", err->text);
	return use(daemon, config_overcommit(config), err);
}

static int make_guests(struct daemon *daemon, const struct config_overcommit *overcommit,
		       struct err *err)
{
	struct pager_guests_options options = {
		.kfs = &daemon->kfs,
		.state_dir = daemon->state_dir,
		.adopt_program = daemon->options.adopt_program,
		.tiers = &overcommit->tiers,
		.overcommit = overcommit,
	};
	int rc;

	rc = meminfo_total(&daemon->kfs, &options.host_kib, err);
	if (rc < 0)
		return rc;
	return pager_guests_new(&daemon->guests, &options, err);
}

static int change_overcommit(struct daemon *daemon, const struct config_overcommit *overcommit,
			     struct err *err)
{
	(void)err;
	pager_guests_set_tiers(daemon->guests, &overcommit->tiers,
			       overcommit->encrypt == ENCRYPT_YES);
	pager_guests_set_pressure(daemon->guests, overcommit);
	log_info("the configuration was read again");
	return 0;
}

static void reread(struct daemon *daemon)
{
	struct err err;

	if (with_overcommit(daemon, true, change_overcommit, &err) < 0)
		log_error("the configuration was not read again: %s", err.text);
}

/* ---- begin ---- */

static int open_state_dir(struct daemon *daemon, struct err *err)
{
	const char *path = daemon->options.state_dir;

	if (!path)
		daemon->state_dir = file_make_dir(daemon->kfs.rootfd, STATE_DIR, err);
	else
		daemon->state_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (path && daemon->state_dir < 0)
		return err_sys(err, errno, "%s: cannot open", path);
	return daemon->state_dir < 0 ? daemon->state_dir : 0;
}

/* One that answers is there to stay; one that doesn't may be at its end */
static int take_lock(struct daemon *daemon, struct err *err)
{
	uint64_t deadline = clock_ms() + PREDECESSOR_MS;

	for (;;) {
		daemon->lock = lock_take_at(daemon->state_dir, LOCK_PAGERD, clock_ms() + 50, err);
		if (daemon->lock != -ETIMEDOUT)
			return daemon->lock < 0 ? daemon->lock : 0;
		if (pager_hello(daemon->state_dir, 500, NULL) == 0)
			return err_set(err, EEXIST, "it runs already");
		if (!clock_left_ms(deadline))
			return err_prefix(err, -ETIMEDOUT,
					  "another pager is there, and does not answer");
	}
}

static int take_socket(struct daemon *daemon, struct err *err)
{
	daemon->listener = notify_listener(err);
	if (daemon->listener != -ENOENT)
		return daemon->listener < 0 ? daemon->listener : 0;
	daemon->listener = pager_server_listen(daemon->state_dir, err);
	daemon->own_socket = daemon->listener >= 0;
	return daemon->own_socket ? 0 : daemon->listener;
}

static bool is_idle(void *arg)
{
	return pager_guests_idle(((struct daemon *)arg)->guests);
}

static uint64_t tick(void *arg)
{
	struct daemon *daemon = arg;
	uint64_t ms = pager_guests_tick(daemon->guests);

	notify_watchdog();
	return ms;
}

static json_t *answer(void *arg, const struct pager_request *request)
{
	return pager_guests_answer(((struct daemon *)arg)->guests, request);
}

static int make_server(struct daemon *daemon, struct err *err)
{
	const struct pager_service service = {
		.answer = answer,
		.tick = tick,
		.idle = is_idle,
		.arg = daemon,
		.fd = pager_guests_fd(daemon->guests),
	};

	return pager_server_new(&daemon->server, daemon->listener, &service, err);
}

static int start(struct daemon *daemon, struct err *err)
{
	int rc = take_lock(daemon, err);

	if (rc == 0)
		rc = take_socket(daemon, err);
	if (rc == 0)
		rc = with_overcommit(daemon, false, make_guests, err);
	if (rc == 0)
		rc = make_server(daemon, err);
	/* Last: from here on guests are touched */
	if (rc == 0)
		rc = pager_guests_find(daemon->guests, err);
	if (rc > 0)
		log_info("%d guests wait for it", rc);
	return rc;
}

/* ---- the one that runs ---- */

static bool is_pager(const struct kfs *kfs, pid_t pid)
{
	char path[KFS_PATH_SIZE], name[32];

	/* The kernel keeps 15 characters */
	snprintf(path, sizeof(path), "proc/%d/comm", (int)pid);
	return kfs_read(kfs, path, name, sizeof(name), NULL) == 0 &&
	       !strncmp(PROGRAM, name, strlen(name)) && strlen(name) > 1;
}

static int end_process(const struct kfs *kfs, pid_t pid, struct err *err)
{
	cleanup_close int pidfd = -1;
	struct pollfd p = { .events = POLLIN };
	uint64_t start_time;
	int rc = process_start_time(kfs, pid, &start_time, err);

	if (rc == 0)
		rc = pidfd = process_open(kfs, pid, start_time, err);
	if (rc == -ESRCH)
		return 0;
	if (rc < 0)
		return rc;
	if (kill(pid, SIGTERM) < 0)
		return err_sys(err, errno, "cannot end process %d", (int)pid);
	p.fd = pidfd;
	if (poll(&p, 1, PREDECESSOR_MS) == 1)
		return 0;
	return err_set(err, ETIMEDOUT, "process %d does not end", (int)pid);
}

/* Return: 0; 1: none runs; -errno */
static int end_the_other(struct daemon *daemon, struct err *err)
{
	pid_t pid = 0;
	int rc = pager_process(daemon->state_dir, PREDECESSOR_MS, &pid, err);

	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return 1;
	if (rc < 0)
		return rc;
	if (!is_pager(&daemon->kfs, pid))
		return err_set(
			err, EPERM,
			"systemd has started it: use \"systemctl kill --kill-who=main " PROGRAM
			"\"");
	return end_process(&daemon->kfs, pid, err);
}

/* ---- run and end ---- */

/* Return: the signal, or 0 */
static int read_signal(const struct daemon *daemon)
{
	struct signalfd_siginfo info;

	return read(daemon->signals, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

static bool may_end(struct daemon *daemon)
{
	struct err err = { "" };
	int rc = pager_guests_may_end(daemon->guests, clock_ms() + RELEASE_MS, &err);

	if (rc < 0)
		log_error("does not end: %s", err.text);
	return rc == 0;
}

static void run(struct daemon *daemon)
{
	uint64_t idle_ms = daemon->options.idle_ms;

	if (idle_ms == IDLE_DEFAULT)
		idle_ms = daemon->own_socket ? 0 : IDLE_MS;
	for (;;) {
		int signal;

		if (pager_server_run(daemon->server, daemon->signals, idle_ms) == SERVER_IDLE) {
			log_info("ends: no guest needs it");
			return;
		}
		signal = read_signal(daemon);
		if (signal == SIGHUP)
			reread(daemon);
		else if (signal && may_end(daemon))
			return;
	}
}

/* Does not return while a thread is at work: what it uses stays until the process is gone */
static int end(struct daemon *daemon)
{
	unsigned int n = pager_guests_count(daemon->guests);
	int status = n ? EXIT_GUESTS_WAIT : EXIT_SUCCESS;

	notify_stopping();
	if (n)
		log_warning("ends with %u guests, which stand until it is started again", n);
	if (daemon->own_socket)
		unlinkat(daemon->state_dir, PAGER_SOCKET, 0);
	if (!pager_server_free(daemon->server, clock_ms() + END_MS) ||
	    !pager_guests_stop(daemon->guests, clock_ms() + END_MS))
		_exit(status);
	lock_release(&daemon->lock);
	return status;
}

static int fail(const struct err *err)
{
	log_error("%s", err->text);
	fprintf(stderr, PROGRAM ": %s\n", err->text);
	return EXIT_FAILURE;
}

/* @ready_fd: Closed with one byte when it is ready; -1: no process waits */
static int serve(struct daemon *daemon, int ready_fd)
{
	struct err err;
	int rc = start(daemon, &err);

	if (rc < 0)
		return fail(&err);
	notify_ready("paging");
	if (ready_fd >= 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (write(ready_fd, "", 1) != 1)
			log_warning("the program that has started it is gone");
		close(ready_fd);
		/* Until now the caller's: a sentence about a failure went there */
		dup2(null, STDERR_FILENO);
		close(null);
	}
	run(daemon);
	return end(daemon);
}

/* The parent ends when the daemon is ready, or has failed.  Return: in the daemon a descriptor */
static int to_background(void)
{
	int ends[2], null;
	char byte;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid > 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	close(ends[0]);
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close(null);
	return ends[1];
}

static int prepare(struct daemon *daemon, struct err *err)
{
	if (chdir("/") < 0)
		return err_sys(err, errno, "cannot change to /");
	daemon->signals = set_up_signals(err);
	if (daemon->signals < 0)
		return daemon->signals;
	set_up_process(&daemon->kfs);
	return 0;
}

/* Return: -1: go on; else an exit status */
static int deal_with_the_other(struct daemon *daemon)
{
	struct err err = { "" };
	int rc = kfs_open(&daemon->kfs, "/", &err);

	if (rc == 0)
		rc = open_state_dir(daemon, &err);
	if (rc == 0 && (daemon->options.restart || daemon->options.stop))
		rc = end_the_other(daemon, &err);
	if (rc < 0)
		return fail(&err);
	return rc == 1 || daemon->options.stop ? EXIT_SUCCESS : -1;
}

int main(int argc, char **argv)
{
	struct daemon daemon = { .state_dir = -1, .lock = -1, .signals = -1, .listener = -1 };
	struct err err = { "" };
	int status = parse(&daemon.options, argc, argv), ready_fd = -1;

	if (status >= 0)
		return status;
	file_keep_stdio();
	if (geteuid() != 0) {
		fprintf(stderr, PROGRAM ": only root can page guests\n");
		return EXIT_FAILURE;
	}
	log_open(daemon.options.to_stderr ? LOG_TARGET_STDERR : LOG_TARGET_SYSLOG, PROGRAM, NULL,
		 NULL);
	status = deal_with_the_other(&daemon);
	if (status >= 0)
		return status;
	/* First: locks of memory are not inherited, and neither are threads */
	if (daemon.options.background) {
		ready_fd = to_background();
		if (ready_fd < 0) {
			err_sys(&err, errno, "cannot start a process in the background");
			return fail(&err);
		}
	}
	if (prepare(&daemon, &err) < 0)
		return fail(&err);
	return serve(&daemon, ready_fd);
}

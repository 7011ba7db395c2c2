// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * fake-pager DIR: a pager's daemon that listens in DIR and does nothing.
 *
 * Prints "ready", and answers until stdin ends: "status" with DIR/pager.status, "hello" with that
 * it is there, all else with DIR/pager.answer, or that it was done where there is no such file.
 * What it was asked is in DIR/pager.asked, a line each.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void note(const char *text)
{
	FILE *f = fopen("pager.asked", "a");

	if (!f)
		return;
	fprintf(f, "%s\n", text);
	fclose(f);
}

static void answer(int fd, const char *request)
{
	char text[65536] = "{\"version\": 1, \"errno\": 0}";
	bool hello = strstr(request, "\"hello\"");
	FILE *f =
		hello ? NULL :
			fopen(strstr(request, "\"status\"") ? "pager.status" : "pager.answer", "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : strlen(text);

	if (f)
		fclose(f);
	send(fd, text, n, MSG_NOSIGNAL);
}

static void serve(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char text[65536];
	ssize_t n;

	while (fd >= 0 && (n = recv(fd, text, sizeof(text) - 1, 0)) > 0) {
		text[n] = '\0';
		note(text);
		answer(fd, text);
	}
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "pagerd.sock" };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct pollfd polled[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				   { .fd = fd, .events = POLLIN } };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc != 2 || chdir(argv[1]) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0) {
		perror("fake-pager");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (poll(polled, 2, -1) >= 0 && !polled[0].revents)
		serve(fd);
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libvirt's qemu hook: GUEST_NAME OPERATION begin|end EXTRA, the XML on stdin.
 * hooks/README.md has the contract on one page.
 *
 * Nothing is ever written to stdout: libvirt would take it for XML.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "kernel/kfs.h"
#include "lifecycle/hook_operations.h"
#include "process/signals.h"

/* What libvirt does to the guest when we exit non-zero */
enum failure { ABORTS_START, KILLS_GUEST, TOO_LATE };

static const struct operation {
	const char *name;
	const char *sub;
	int (*run)(const struct event *event, struct err *err);
	enum failure failure;
} operations[] = {
	{ "prepare", "begin", hook_prepare, ABORTS_START },
	{ "started", "begin", hook_started, KILLS_GUEST },
	{ "stopped", "end", hook_stopped, TOO_LATE },
	{ "release", "end", hook_release, TOO_LATE },
	{ "reconnect", "begin", hook_reconnect, KILLS_GUEST },
};

/* NULL for "start", "migrate", "restore", "attach" and what may come later */
static const struct operation *find_operation(const char *name, const char *sub)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		if (!strcmp(name, operations[i].name) && !strcmp(sub, operations[i].sub))
			return &operations[i];
	return NULL;
}

static int run(const struct operation *operation, const struct kfs *kfs, const char *guest_name,
	       struct err *err)
{
	struct event event = { .kfs = kfs, .guest_name = guest_name };
	cleanup_free char *xml = NULL;
	struct err input;
	int rc = file_read_stream(STDIN_FILENO, GUEST_XML_MAX, &xml, &event.xml_len, &input);

	if (rc < 0 && operation->failure == ABORTS_START)
		return err_set(err, -rc, "guest '%s': %s", guest_name, input.text);
	/* What a guest held is given back even then */
	if (rc < 0)
		log_warning("cannot read the domain XML: %s", input.text);
	event.xml = xml;
	return operation->run(&event, err);
}

/* A guest is refused only while that costs nothing but its start */
static int exit_code(const struct operation *operation, int rc)
{
	return rc < 0 && operation->failure != KILLS_GUEST;
}

int main(int argc, char **argv)
{
	const struct operation *operation;
	struct err err = { "" };
	struct kfs kfs;
	int rc;

	/* qemu:///session runs the system's hooks as an ordinary user */
	if (geteuid() != 0 || argc < 4)
		return 0;
	operation = find_operation(argv[2], argv[3]);
	if (!operation)
		return 0;
	signals_set_up();
	if (operation->failure == KILLS_GUEST)
		signals_never_fail();
	file_keep_stdio();
	umask(022);
	log_open(LOG_TARGET_SYSLOG, "libvirt-membacking", argv[1], argv[2]);
	rc = kfs_open(&kfs, "/", &err);
	if (rc == 0) {
		rc = run(operation, &kfs, argv[1], &err);
		kfs_close(&kfs);
	}
	if (rc < 0) {
		if (operation->failure == ABORTS_START)
			log_event(LOG_EVENT_REFUSED, "%s", err.text);
		else
			log_error("%s", err.text);
		fprintf(stderr, "libvirt-membacking: %s\n", err.text);
	}
	return exit_code(operation, rc);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A guest's memory files in another directory than planned: which directories are accepted, and
 * what is said about it.
 */
#include "policy/store_place.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "policy/host_view.h"
#include "policy/step.h"
#include "policy/store_rules.h"

#define BELOW "libvirt/qemu"

/* Each component has a name, and none leads back */
static bool is_straight(const char *path)
{
	while (*path == '/') {
		size_t len = strcspn(++path, "/");

		if (!len || (len == 1 && *path == '.') || (len == 2 && !strncmp(path, "..", 2)))
			return false;
		path += len;
	}
	return !*path;
}

static bool is_printable(const char *path)
{
	char copy[QEMU_CONF_PATH_SIZE];

	snprintf(copy, sizeof(copy), "%s", path);
	text_mend(copy);
	text_disarm(copy, "");
	return !strcmp(copy, path);
}

bool store_place_split(const char *place, char dir[QEMU_CONF_PATH_SIZE], const char **below)
{
	static const char tail[] = "/" BELOW;
	size_t len = strlen(place);

	if (*place != '/' || len >= QEMU_CONF_PATH_SIZE || !is_straight(place) ||
	    !is_printable(place))
		return false;
	if (!strcmp(place, QEMU_CONF_RAM_DIR)) {
		snprintf(dir, QEMU_CONF_PATH_SIZE, "%s", place);
		*below = "";
		return true;
	}
	/* More than the tail: "/" itself is no directory for memory */
	if (len < sizeof(tail) || strcmp(place + len - (sizeof(tail) - 1), tail) != 0)
		return false;
	snprintf(dir, QEMU_CONF_PATH_SIZE, "%.*s", (int)(len - (sizeof(tail) - 1)), place);
	*below = BELOW;
	return true;
}

bool store_place_planned(const struct step_store *step, const char *place)
{
	char planned[QEMU_CONF_PATH_SIZE + sizeof(step->below)];

	snprintf(planned, sizeof(planned), "%s%s%s", step->dir, *step->below ? "/" : "",
		 step->below);
	return !strcmp(planned, place);
}

bool store_place_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	/* "/" ends in one already */
	if (len == 1)
		len = 0;
	return !strncmp(path, dir, len) && (path[len] == '\0' || path[len] == '/');
}

const char *store_place_text(const struct step_store *step, const char *comma, char *buf,
			     size_t size)
{
	if (*step->store)
		snprintf(buf, size, "%s%s not in store '%s' (%s)", step->lies_in, comma,
			 step->store, step->path);
	else
		snprintf(buf, size, "%s%s not in %s", step->lies_in, comma, step->dir);
	return buf;
}

bool store_place_wants_daemon(const struct host_view *host)
{
	return host->daemon.conf != DAEMON_CONF_FINE || !*host->daemon.comm;
}

void store_place_problem(const struct host_view *host, const char *guest,
			 const struct step_store *step, char *buf, size_t size)
{
	const char *daemon = store_daemon(host);
	char place[STORE_PLACE_SIZE];

	store_place_text(step, ",", place, sizeof(place));
	if (store_place_wants_daemon(host))
		snprintf(buf, size,
			 "guest '%s': its memory files are in %s: %s was not restarted after "
			 "memory_backing_dir was changed; restart %s, then the guest",
			 guest, place, daemon, daemon);
	else
		snprintf(buf, size,
			 "guest '%s': its memory files are in %s: it was started before %s was "
			 "restarted with another memory_backing_dir; restart the guest",
			 guest, place, daemon);
}

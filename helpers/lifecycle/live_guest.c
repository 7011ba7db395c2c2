// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a running guest's QEMU has of its memory.
 */
#include "lifecycle/live_guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/text.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "kernel/kfs.h"
#include "lifecycle/liveness.h"

#define BEGIN "\n  <domain "
#define END   "\n  </domain>"

/*
 * <domain> lies in a <domstatus>, on lines of its own and indented by two blanks.  A name
 * has no newline in it, so no guest's name can forge such a line in front.
 */
static const char *find_domain(const char *text, size_t *len)
{
	const char *begin = strstr(text, BEGIN), *last = NULL, *end;

	for (end = begin; end && (end = strstr(end, END)); end += strlen(END))
		last = end;
	if (last)
		*len = (size_t)(last - begin) + strlen(END);
	return last ? begin : NULL;
}

int live_guest_read(const struct kfs *kfs, const char *name, struct guest **guest, struct err *err)
{
	char path[sizeof(LIVENESS_DIR) + GUEST_NAME_SIZE + 8];
	cleanup_free char *text = NULL;
	const char *domain;
	size_t len;
	int rc;

	if (!*name || strchr(name, '/'))
		return err_set(err, EINVAL, "no file has the name of guest '%s'", name);
	snprintf(path, sizeof(path), LIVENESS_DIR "/%s.xml", name);
	rc = file_read_at(kfs->rootfd, path, GUEST_XML_MAX, &text, &len, err);
	if (rc < 0)
		return rc;
	domain = find_domain(text, &len);
	rc = domain ? guest_parse(domain, len, guest, err) :
		      err_set(err, EINVAL, "there is no <domain> in it");
	return err_prefix(err, rc, "/%s", path);
}

/* How well @word fits: an id is better than a name or UUID.  0: not at all */
static int fits(const struct guest *guest, const char *word)
{
	uint64_t id;

	if (text_to_u64(word, &id) == 0 && guest->id > 0 && (uint64_t)guest->id == id)
		return 2;
	return !strcmp(guest->name, word) || !strcasecmp(guest->uuid, word);
}

int live_guest_find(const struct kfs *kfs, const char *word, struct guest **guest)
{
	struct guest *best = NULL;
	char **names = NULL;
	size_t n = 0, i;

	liveness_running(kfs, &names, &n, NULL);
	for (i = 0; i < n; i++) {
		struct guest *found = NULL;

		if (live_guest_read(kfs, names[i], &found, NULL) == 0 &&
		    fits(found, word) > (best ? fits(best, word) : 0)) {
			guest_free(best);
			best = found;
		} else {
			guest_free(found);
		}
		free(names[i]);
	}
	free(names);
	if (!best)
		return -ESRCH;
	*guest = best;
	return 0;
}

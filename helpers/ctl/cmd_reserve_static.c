// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * virt-membacking reserve-static: pools that are there for good, made early at boot while
 * memory is in one piece.
 *
 * Each line of /etc/libvirt/membacking-static.conf is "PAGES SIZE NODE".  The pages belong
 * to the administrator, as if they had been reserved by hand: guests use them, and no hook
 * gives them back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "lifecycle/session.h"
#include "memory/hugepages.h"
#include "memory/numa.h"

#define STATIC_CONF	SYSCONF_DIR "/libvirt/membacking-static.conf"
#define STATIC_CONF_MAX (64u * 1024)

static int read_line(char *line, uint64_t *pages, struct hugepages_pool *pool, struct err *err)
{
	char *rest = line, *words[4];
	uint64_t node;
	size_t n = 0;

	while (n < 4 && (words[n] = strtok_r(rest, " \t", &rest)))
		n++;
	if (n != 3)
		return err_set(err, EINVAL, "expected three words: PAGES SIZE NODE");
	if (text_to_u64(words[0], pages) < 0)
		return err_set(err, EINVAL, "'%.64s' is no number of pages", words[0]);
	if (text_to_kib(words[1], &pool->page_kib) < 0)
		return err_set(err, EINVAL, "'%.64s' is no page size such as 1G", words[1]);
	if (text_to_u64(words[2], &node) < 0 || node >= NUMA_NODES_MAX)
		return err_set(err, EINVAL, "'%.64s' is no number of a node", words[2]);
	pool->node = (unsigned int)node;
	return 0;
}

/* Never downwards: guests may have made the pool larger since */
static int reserve(const struct kfs *kfs, const struct numa *numa, uint64_t pages,
		   struct hugepages_pool *pool, struct err *err)
{
	unsigned int node = pool->node;
	char size[TEXT_KIB_SIZE];
	int rc;

	text_from_kib(pool->page_kib, size);
	rc = hugepages_read_pool(kfs, numa, node, pool->page_kib, pool, err);
	if (rc == -ENOENT)
		return err_set(err, ENOENT, "node %u has no pages of %s", node, size);
	if (rc < 0 || hugepages_persistent(pool) >= pages)
		return rc;
	rc = hugepages_write_pool(kfs, numa, pool, pages, 0, err);
	if (rc < 0 || hugepages_persistent(pool) >= pages)
		return rc;
	return err_set(
		err, ENOMEM,
		"node %u has %llu of %llu pages of %s now: there is no more memory in pieces "
		"of that size; the kernel's command line (hugepagesz=, hugepages=) comes first",
		node, (unsigned long long)hugepages_persistent(pool), (unsigned long long)pages,
		size);
}

/* A mistake in one line does not stop the others */
static int reserve_all(const struct kfs *kfs, const struct numa *numa, char *text)
{
	int result = CTL_FINE;
	unsigned int number = 0;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		struct hugepages_pool pool = { 0 };
		uint64_t pages = 0;
		struct err err;
		int rc;

		number++;
		line[strcspn(line, "#")] = '\0';
		if (line[strspn(line, " \t")] == '\0')
			continue;
		rc = read_line(line, &pages, &pool, &err);
		if (rc == 0)
			rc = reserve(kfs, numa, pages, &pool, &err);
		if (rc == 0)
			continue;
		fprintf(stderr, "virt-membacking: /" STATIC_CONF ", line %u: %s\n", number,
			err.text);
		result = CTL_FINDINGS;
	}
	return result;
}

/* No configuration is read: whatever is wrong with that, these pools are made.  What came of
 * changes that were under way is found out first: pages that come here must not be taken for those
 * of a guest */
static int reserve_locked(struct ctl *ctl, char *text, struct err *err)
{
	struct session session;
	int rc = session_open(&session, &ctl->kfs, SESSION_CREATE, err);

	if (rc == 0)
		rc = session_confirm(&session, clock_ms() + session.lock_deadline_ms, err);
	if (rc == 0)
		rc = reserve_all(&ctl->kfs, &session.host.numa, text);
	session_close(&session);
	return rc;
}

static int run(struct ctl *ctl, struct err *err)
{
	cleanup_free char *text = NULL;
	int rc = ctl_need_root(ctl, "reserve huge pages", err);

	if (rc == 0)
		rc = file_read_trusted_at(ctl->kfs.rootfd, STATIC_CONF, STATIC_CONF_MAX, &text,
					  NULL, err);
	if (rc == -ENOENT)
		return CTL_FINE;
	return rc < 0 ? rc : reserve_locked(ctl, text, err);
}

const struct command cmd_reserve_static = {
	.name = "reserve-static",
	.usage = "reserve-static",
	.summary = "make the pools of membacking-static.conf",
	.help = "Makes the static pools of /etc/libvirt/membacking-static.conf, which has lines\n"
		"PAGES SIZE NODE, such as \"8 1G 0\". Makes no pool smaller. Called early at boot.\n"
		"Exit status 1 if there are fewer pages than asked.",
	.hidden = true,
	.options = CTL_ROOT,
	.run = run,
};

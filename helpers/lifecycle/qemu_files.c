// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Finding the directory that a running QEMU has its memory files in.
 *
 * The mappings are read here.  Directories that they name are looked at in a child: they may lie
 * on a server that is gone, or on a file system that QEMU's user serves.
 */
#include "lifecycle/qemu_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "kernel/kfs.h"
#include "lifecycle/daemon_conf.h"
#include "lifecycle/ledger.h"
#include "lifecycle/liveness.h"
#include "lifecycle/process_lines.h"
#include "policy/host_view.h"
#include "policy/store_place.h"
#include "policy/store_rules.h"
#include "process/child.h"
#include "steps/steps.h"

/* libvirt waits for the hook */
#define LOOK_MS 3000

/* ---- mappings ---- */

/* The file of a line "7f00-7f80 rw-s 00000000 00:01 1234    /DIR/FILE\n"; NULL: it has none */
static char *file_of(char *line, unsigned long long *inode)
{
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%*x-%*x %*4s %*x %*x:%*x %llu %n", inode, &at) != 1 || !at || !*inode)
		return NULL;
	return line[at] == '/' ? line + at : NULL;
}

/* Cuts @path into its directories and its name */
static bool cut(char *path, struct qemu_file *file)
{
	char *name = strrchr(path, '/'), *directory;

	*name++ = '\0';
	directory = strrchr(path, '/');
	if (!directory)
		return false;
	*directory++ = '\0';
	if (strlen(path) >= sizeof(file->place) || strlen(directory) >= sizeof(file->directory) ||
	    strlen(name) >= sizeof(file->name))
		return false;
	snprintf(file->place, sizeof(file->place), "%s", path);
	snprintf(file->directory, sizeof(file->directory), "%s", directory);
	snprintf(file->name, sizeof(file->name), "%s", name);
	return true;
}

/* The kernel appends this to the name of a removed file */
static bool is_removed(const char *path)
{
	static const char tail[] = " (deleted)";
	size_t len = strlen(path);

	return len >= sizeof(tail) && !strcmp(path + len - (sizeof(tail) - 1), tail);
}

/* Return: 0, -E2BIG */
static int take_line(char *line, const struct step_store *step, struct qemu_files *files)
{
	char dir[QEMU_CONF_PATH_SIZE];
	struct qemu_file file = { 0 };
	char *path = file_of(line, &file.inode);
	const char *below;
	size_t i;

	if (!path || is_removed(path) || !cut(path, &file) ||
	    !store_has_directory(step, file.directory) ||
	    !store_place_split(file.place, dir, &below) || store_place_planned(step, file.place))
		return 0;
	for (i = 0; i < files->n; i++)
		if (!strcmp(files->list[i].place, file.place))
			return 0;
	if (files->n == QEMU_FILES_MAX)
		return -E2BIG;
	files->list[files->n++] = file;
	return 0;
}

int qemu_files_read(const struct kfs *kfs, pid_t pid, const struct step_store *step,
		    struct qemu_files *files)
{
	struct process_lines lines = process_lines_begin(CLOCK_NEVER);
	cleanup_fclose FILE *f = process_lines_open(kfs, pid, "maps");
	cleanup_free char *line = NULL;
	size_t room = 0;
	int rc;

	files->n = 0;
	if (!f)
		return -errno;
	while ((rc = process_lines_next(&lines, f, &line, &room)) > 0) {
		rc = take_line(line, step, files);
		if (rc < 0)
			break;
	}
	return rc;
}

/* ---- directories ---- */

/**
 * struct search - Work of the child
 * @found:	Index in @files
 * @unopened:	The first directory that can't be opened, and @why; -1: none
 */
struct search {
	const struct kfs *kfs;
	const struct step_store *step;
	struct qemu_files files;
	int found;
	int unopened;
	int why;
};

/* The planned directory under another name is the right place, too */
static bool is_same(int a, int b)
{
	struct stat first, second;

	return a >= 0 && b >= 0 && fstat(a, &first) == 0 && fstat(b, &second) == 0 &&
	       first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/* Return: 1: the guest's memory is there, 0: it is not, or not known to be; -errno: the place
 * can't be opened */
static int look_at(const struct search *search, const struct qemu_file *file, int planned)
{
	char dir[QEMU_CONF_PATH_SIZE];
	cleanup_close int base = -1;
	const char *below;

	if (!store_place_split(file->place, dir, &below))
		return 0;
	base = store_open_base(search->kfs, dir, below, false, NULL);
	if (base < 0)
		return base;
	return !is_same(base, planned) &&
	       store_guest_has(base, file->directory, file->name, file->inode);
}

static int look_at_all(void *arg)
{
	struct search *search = arg;
	const struct step_store *step = search->step;
	cleanup_close int planned =
		store_open_base(search->kfs, step->dir, step->below, false, NULL);
	size_t i;

	if (planned < 0 && planned != -ENOENT)
		return planned;
	for (i = 0; i < search->files.n; i++) {
		const struct qemu_file *file = &search->files.list[i];
		bool known = !strcmp(file->place, step->lies_in);
		int rc = look_at(search, file, planned);

		if (rc > 0 && (known || search->found < 0))
			search->found = (int)i;
		if (rc < 0 && search->unopened < 0) {
			search->unopened = (int)i;
			search->why = rc;
		}
	}
	return 0;
}

int qemu_files_find(const struct kfs *kfs, pid_t pid, const struct step_store *step,
		    char lies_in[QEMU_CONF_PATH_SIZE], struct err *err)
{
	struct search search = { .kfs = kfs, .step = step, .found = -1, .unopened = -1 };
	int rc = qemu_files_read(kfs, pid, step, &search.files);

	*lies_in = '\0';
	if (rc == -E2BIG)
		return err_set(err, E2BIG,
			       "process %d has too many mappings to find out where the guest's "
			       "memory files are",
			       (int)pid);
	if (rc < 0)
		return err_sys(err, -rc, "cannot read /proc/%d/maps", (int)pid);
	if (!search.files.n)
		return 0;
	rc = child_call(look_at_all, &search, sizeof(search), clock_ms() + LOOK_MS);
	if (rc < 0)
		return err_sys(err, -rc,
			       "cannot find out whether memory files of the guest are in %s",
			       search.files.list[0].place);
	if (search.found >= 0)
		snprintf(lies_in, QEMU_CONF_PATH_SIZE, "%s", search.files.list[search.found].place);
	else if (search.unopened >= 0)
		return err_sys(err, -search.why,
			       "the guest's QEMU has mapped memory files in %s, which cannot be "
			       "opened",
			       search.files.list[search.unopened].place);
	return 0;
}

/* ---- the ledger ---- */

static void warn(const struct kfs *kfs, const char *guest, const struct step_store *step)
{
	struct host_view host = { 0 };
	char text[STORE_PLACE_SIZE + GUEST_NAME_SIZE];

	qemu_conf_load(kfs->rootfd, &host.qemu_conf);
	daemon_conf_view(kfs, &host);
	store_place_problem(&host, guest, step, text, sizeof(text));
	log_warning("%s", text);
}

bool qemu_files_look(const struct kfs *kfs, const char *guest, struct step_store *step)
{
	char lies_in[QEMU_CONF_PATH_SIZE];
	struct err err;
	pid_t pid = 0;
	bool news;

	if (!liveness_qemu(kfs, guest, &pid) || !pid)
		return false;
	if (qemu_files_find(kfs, pid, step, lies_in, &err) < 0)
		log_warning("%s", err.text);
	news = *lies_in && strcmp(lies_in, step->lies_in) != 0;
	/* Memory does not move while a guest runs: what was known stays true */
	if (news)
		snprintf(step->lies_in, sizeof(step->lies_in), "%s", lies_in);
	if (*step->lies_in)
		warn(kfs, guest, step);
	return news;
}

void qemu_files_note(const struct kfs *kfs, const struct state *state, struct ledger *ledger)
{
	bool news = false;
	struct err err;
	size_t i;

	for (i = 0; i < ledger->list.n; i++) {
		struct step_store *files = step_files_of(&ledger->list.steps[i]);

		/* A file that an earlier start left has no size */
		if (files && files->size_kib && qemu_files_look(kfs, ledger->name, files))
			news = true;
	}
	if (news && ledger_save_found(state, ledger, &err) < 0)
		log_warning("%s", err.text);
}

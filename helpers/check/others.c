// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DOC: where people put it
 *
 * Most of it is in drop-in directories, of which a file in /etc hides one of the same name in
 * /run, and that one in /usr/lib.  A link to /dev/null hides it as well.  What a script or a
 * unit calls by its path is looked at too, one level deep: the unit of Red Hat's manual for
 * pages of 1 GiB calls a script.
 */
#include "check/others.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "memory/openat2.h"
#include "memory/path.h"

#define FILE_SIZE_MAX  (256 * 1024)
#define FILES_MAX      1024
#define NAMES_MAX      512
#define DEPTH_MAX      6
#define CALLS_MAX      32
#define PROFILES_DEPTH 8
#define PATH_SIZE      256

static const struct {
	const char *what;
	const char *instead;
} kinds[] = {
	[OTHER_HOOK] = { "`alloc_hugepages.sh` and `dealloc_hugepages.sh`, with loops of "
			 "`compact_memory` and `nr_hugepages`; `hugeadm --pool-pages-min` in a "
			 "hook; `MEMORY=` in their `kvm.conf`",
			 "nothing" },
	[OTHER_HOOK_DROP] = { "`drop_caches` in them",
			      "nothing, or for that guest `hugepages.drop_caches = auto`" },
	[OTHER_DROP] = { "`drop_caches` in cron, a unit, udev rules or sysctl.d",
			 "nothing: a guest's start makes room by itself" },
	[OTHER_SYSCTL] = { "`vm.nr_hugepages` in sysctl.d or a profile of tuned: for guests",
			   "nothing" },
	[OTHER_BOOT] = { "`nr_hugepages` in tmpfiles.d, sysfs.d, udev rules, rc.local, cron or a unit, "
			 "`hugeadm`, `KVM_HUGEPAGES`: for guests; all these for DPDK and others "
			 "too",
			 "nothing; `virt-membacking conf apply static-hugepages`, and "
			 "`keep_free_2M` for what the others need" },
	[OTHER_SPDK] = { "SPDK's `setup.sh` with `NRHUGE` or `HUGEMEM`, `dpdk-hugepages`, "
			 "`/etc/dpdk/dpdk.conf`",
			 "stays, before guests start, and `keep_free_2M` for its pages" },
	[OTHER_CMDLINE] = { "`hugepagesz=1G hugepages=16` on the kernel's command line",
			    "may stay: guests use those first" },
	[OTHER_FSTAB] = { "`hugetlbfs` in `/etc/fstab`, `hugetlbfs_mount` in qemu.conf",
			  "may stay; nothing, if they are only for libvirt" },
	[OTHER_FSTAB_STORE] = { "`memory_backing_dir` on a line of `/etc/fstab`",
				"`noauto` there, and a `[store]` with its `path`" },
	[OTHER_VDSM] = { "oVirt's `use_dynamic_hugepages = true` in vdsm.conf",
			 "`false` there, or `[hugepages] manage = no` here" },
	[OTHER_KSM] = { "`ksm/run` at boot, in tmpfiles.d, sysfs.d, tuned or a script",
			"may stay; or `virt-membacking conf apply ksm`" },
	[OTHER_KSM_PROGRAM] = { "ksmtuned, ksm.service, momd, uksmd",
				"may stay; or `virt-membacking conf apply ksm`" },
	[OTHER_THP] = { "`transparent_hugepage/enabled` at boot, or on the kernel's command line",
			"may stay; for guests only `virt-membacking conf apply thp`" },
	[OTHER_MASKED] = { "a masked ksm.service, dev-hugepages.mount or unit of libvirt-membacking",
			   "may stay; but then `[ksm] manage = no`, too" },
};

_Static_assert(ARRAY_SIZE(kinds) == OTHER_KINDS, "a row for each");

const char *others_what(enum other_kind kind)
{
	return kinds[kind].what;
}

const char *others_instead(enum other_kind kind)
{
	return kinds[kind].instead;
}

/* Where a file is from decides what its lines are */
enum source { FROM_HOOK, FROM_BOOT, FROM_SYSCTL, FROM_TUNED, FROM_CMDLINE };

struct inode {
	dev_t dev;
	ino_t ino;
};

/**
 * struct search - What is known on the way
 * @path:	Of the file that is looked at, without the slash in front
 * @seen:	Files that were looked at, by whatever name
 * @calls:	Programs that the file calls
 */
struct search {
	const struct kfs *kfs;
	struct others *others;
	enum source source;
	const char *path;
	bool asleep;
	size_t n_seen, n_calls;
	struct inode seen[FILES_MAX];
	char calls[CALLS_MAX][PATH_SIZE];
};

/* ---- what is found ---- */

/* Return: false for what does not concern us */
static bool kind_of(enum source source, const struct scan_line *line, enum other_kind *kind)
{
	static const enum other_kind pools[] = {
		[FROM_HOOK] = OTHER_HOOK,	[FROM_BOOT] = OTHER_BOOT,
		[FROM_SYSCTL] = OTHER_SYSCTL,	[FROM_TUNED] = OTHER_SYSCTL,
		[FROM_CMDLINE] = OTHER_CMDLINE,
	};

	switch (line->subject) {
	case SCAN_POOL:
		*kind = !strcmp(line->key, "hugepages=") || !strcmp(line->key, "hugetlb_cma=") ?
				OTHER_CMDLINE :
				pools[source];
		return true;
	case SCAN_KSM:
		*kind = OTHER_KSM;
		return true;
	case SCAN_THP:
		*kind = OTHER_THP;
		return true;
	case SCAN_SPDK:
		*kind = OTHER_SPDK;
		return true;
	case SCAN_MOVE:
	case SCAN_DROP:
		/* Compaction at boot or at night takes nothing from a guest */
		*kind = line->subject == SCAN_MOVE ? OTHER_HOOK :
			source == FROM_HOOK	   ? OTHER_HOOK_DROP :
						     OTHER_DROP;
		return source == FROM_HOOK || line->subject == SCAN_DROP;
	default:
		return false;
	}
}

static bool same_file(const char *where, const char *path)
{
	size_t len = strlen(path);

	return *where == '/' && !strncmp(where + 1, path, len) && where[len + 1] == ':';
}

/* One for each kind in a file.  Of what several files set by sysctl the last one counts */
static struct other *place_for(struct search *s, enum other_kind kind, const char *key)
{
	struct others *others = s->others;
	size_t i;

	for (i = 0; i < others->n; i++) {
		struct other *other = &others->list[i];

		if (other->kind == kind &&
		    (s->source == FROM_SYSCTL ? !strcmp(other->key, key) :
						same_file(other->where, s->path)))
			return other;
	}
	if (others->n == OTHERS_MAX) {
		others->left_out++;
		return NULL;
	}
	others->list[others->n] = (struct other){ .kind = kind };
	return &others->list[others->n++];
}

static bool is_off(const char *value)
{
	return !strcmp(value, "0") || !strcmp(value, "2");
}

static bool sets_pool(enum other_kind kind)
{
	return kind == OTHER_HOOK || kind == OTHER_SYSCTL || kind == OTHER_BOOT;
}

static void add(struct search *s, enum other_kind kind, const struct scan_line *line)
{
	struct other *other = place_for(s, kind, line->key);
	bool zero = sets_pool(kind) && line->subject == SCAN_POOL && !strcmp(line->value, "0") &&
		    !strstr(line->key, "overcommit");

	/* The first line of a file stands for the others, unless one of them says more */
	if (!other || (*other->where && s->source != FROM_SYSCTL && (other->zero || !zero) &&
		       (*other->value || !*line->value)))
		return;
	other->zero = zero;
	other->off = kind == OTHER_KSM && is_off(line->value);
	other->asleep = s->asleep;
	snprintf(other->key, sizeof(other->key), "%s", line->key);
	snprintf(other->value, sizeof(other->value), "%.*s", SCAN_VALUE_SIZE - 1, line->value);
	snprintf(other->where, sizeof(other->where), "/%s:%u", s->path, line->line);
}

static void remember_call(struct search *s, const char *path)
{
	static const char *const places[] = { "/etc/", "/usr/",	 "/opt/", "/root/",
					      "/lib/", "/sbin/", "/bin/" };
	size_t i;

	if (s->n_calls == CALLS_MAX || strlen(path) >= PATH_SIZE)
		return;
	for (i = 0; i < ARRAY_SIZE(places); i++)
		if (!strncmp(path, places[i], strlen(places[i])))
			snprintf(s->calls[s->n_calls++], PATH_SIZE, "%s", path + 1);
}

static void on_line(void *arg, const struct scan_line *line)
{
	struct search *s = arg;
	enum other_kind kind;

	if (line->subject == SCAN_CALL)
		remember_call(s, line->value);
	else if (kind_of(s->source, line, &kind))
		add(s, kind, line);
}

/* ---- files ---- */

/* O_PATH first: to open a device may already do something */
static int open_regular(struct search *s, const char *path, struct stat *st)
{
	cleanup_close int found = path_open(s->kfs->rootfd, path, O_PATH, NULL);
	char self[48];

	if (found < 0 || fstat(found, st) < 0 || !S_ISREG(st->st_mode))
		return -1;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", found);
	return open(self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool is_new(struct search *s, const struct stat *st)
{
	size_t i;

	for (i = 0; i < s->n_seen; i++)
		if (s->seen[i].dev == st->st_dev && s->seen[i].ino == st->st_ino)
			return false;
	if (s->n_seen == FILES_MAX || st->st_size > FILE_SIZE_MAX) {
		s->others->left_out++;
		return false;
	}
	s->seen[s->n_seen++] = (struct inode){ st->st_dev, st->st_ino };
	return true;
}

/* A program is no script, however large: nothing in it is left out */
static bool is_program(int fd)
{
	char magic[4];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       !memcmp(magic, "\177ELF", sizeof(magic));
}

/* NULL: there is none, it is a program, or it was looked at already */
static char *read_file(struct search *s, const char *path, size_t *len, struct stat *st)
{
	cleanup_close int fd = open_regular(s, path, st);
	char *text = NULL;

	if (fd < 0 || is_program(fd) || !is_new(s, st) ||
	    file_read_stream(fd, FILE_SIZE_MAX, &text, len, NULL) < 0)
		return NULL;
	return text;
}

static void scan_buffer(struct search *s, const char *path, enum scan_language language,
			const char *text, size_t len, bool asleep)
{
	s->path = path;
	s->asleep = asleep;
	others_scan_text(language, text, len, on_line, s);
}

static bool is_script(const char *text, size_t len)
{
	return len > 2 && text[0] == '#' && text[1] == '!';
}

/* Files that a script calls, one level deep */
static void scan_calls(struct search *s)
{
	size_t n = s->n_calls, i;

	for (i = 0; i < n; i++) {
		cleanup_free char *text = NULL;
		struct stat st;
		size_t len;

		text = read_file(s, s->calls[i], &len, &st);
		if (text && is_script(text, len))
			scan_buffer(s, s->calls[i], SCAN_SHELL, text, len, false);
	}
	s->n_calls = 0;
}

static void scan_file(struct search *s, const char *path, enum source source,
		      enum scan_language language)
{
	cleanup_free char *text = NULL;
	struct stat st;
	size_t len;

	s->n_calls = 0;
	text = read_file(s, path, &len, &st);
	if (!text)
		return;
	s->source = source;
	scan_buffer(s, path, language, text, len,
		    source == FROM_HOOK && !(st.st_mode & S_IXUSR) && !strstr(path, ".conf"));
	scan_calls(s);
}

/* ---- directories ---- */

static DIR *open_dir(const struct search *s, const char *path)
{
	int fd = path_open(s->kfs->rootfd, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, NULL);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), end = strlen(suffix);

	return len > end && !strcmp(name + len - end, suffix);
}

struct name {
	char text[NAME_MAX + 1];
	const char *dir;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static bool is_hidden(const struct name *names, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(names[i].text, name))
			return true;
	return false;
}

static size_t add_names(struct search *s, const char *path, const char *suffix, struct name *names,
			size_t n)
{
	DIR *dir = open_dir(s, path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !has_suffix(entry->d_name, suffix) ||
		    is_hidden(names, n, entry->d_name))
			continue;
		if (n == NAMES_MAX) {
			s->others->left_out++;
			break;
		}
		snprintf(names[n].text, sizeof(names[n].text), "%s", entry->d_name);
		names[n++].dir = path;
	}
	if (dir)
		closedir(dir);
	return n;
}

/* @dirs: ends with NULL; a name in an earlier one hides those in later ones */
typedef void visit_file(struct search *s, const char *path);

static void for_each_dropin(struct search *s, const char *const dirs[], const char *suffix,
			    visit_file *visit)
{
	struct name *names = calloc(NAMES_MAX, sizeof(*names));
	size_t n = 0, i;

	if (!names)
		return;
	for (i = 0; dirs[i]; i++)
		n = add_names(s, dirs[i], suffix, names, n);
	qsort(names, n, sizeof(*names), by_name);
	for (i = 0; i < n; i++) {
		char path[PATH_SIZE];

		if (snprintf(path, sizeof(path), "%s/%s", names[i].dir, names[i].text) < PATH_SIZE)
			visit(s, path);
	}
	free(names);
}

/* Every regular file, whatever its name */
static void for_each_below(struct search *s, const char *path, int depth, visit_file *visit)
{
	struct name *names = calloc(NAMES_MAX, sizeof(*names));
	size_t n = 0, i;

	if (names)
		n = add_names(s, path, "", names, 0);
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	for (i = 0; i < n; i++) {
		char below[PATH_SIZE];
		cleanup_close int fd = -1;
		struct stat st;

		if (snprintf(below, sizeof(below), "%s/%s", path, names[i].text) >= PATH_SIZE)
			continue;
		fd = openat2_open(s->kfs->rootfd, below, O_PATH | O_DIRECTORY,
				  RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
		if (fd >= 0 && fstat(fd, &st) == 0) {
			if (depth)
				for_each_below(s, below, depth - 1, visit);
		} else {
			visit(s, below);
		}
	}
	free(names);
}

/* ---- one subject after the other ---- */

static void visit_hook(struct search *s, const char *path)
{
	scan_file(s, path, FROM_HOOK, SCAN_SHELL);
}

static void find_hooks(struct search *s)
{
	static const char *const dirs[] = { "etc/libvirt/hooks",
					    "usr/libexec/vdsm/hooks/before_vm_start",
					    "usr/libexec/vdsm/hooks/after_vm_destroy" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		for_each_below(s, dirs[i], DEPTH_MAX, visit_hook);
}

#define SYSTEM_DIRS(name)                                                                          \
	{                                                                                          \
		"etc/" name, "run/" name, "usr/local/lib/" name, "usr/lib/" name, "lib/" name,     \
			NULL                                                                       \
	}

static void visit_sysctl(struct search *s, const char *path)
{
	scan_file(s, path, FROM_SYSCTL, SCAN_SYSCTL);
}

/* Whether sysctl.conf is read at all is different from system to system; where it is, last */
static void find_sysctl(struct search *s)
{
	static const char *const dirs[] = SYSTEM_DIRS("sysctl.d");

	for_each_dropin(s, dirs, ".conf", visit_sysctl);
	visit_sysctl(s, "etc/sysctl.conf");
}

static void visit_tmpfiles(struct search *s, const char *path)
{
	scan_file(s, path, FROM_BOOT, SCAN_TMPFILES);
}

static void visit_sysfs(struct search *s, const char *path)
{
	scan_file(s, path, FROM_BOOT, SCAN_SYSFS);
}

static void visit_script(struct search *s, const char *path)
{
	scan_file(s, path, FROM_BOOT, SCAN_SHELL);
}

static void visit_settings(struct search *s, const char *path)
{
	scan_file(s, path, FROM_BOOT, SCAN_SETTINGS);
}

static void visit_unit(struct search *s, const char *path)
{
	if (has_suffix(path, ".service") || has_suffix(path, ".conf"))
		scan_file(s, path, FROM_BOOT, SCAN_UNIT);
}

static void find_boot(struct search *s)
{
	static const char *const tmpfiles[] = SYSTEM_DIRS("tmpfiles.d");
	static const char *const sysfs[] = { "etc/sysfs.d", NULL };
	static const char *const udev[] = SYSTEM_DIRS("udev/rules.d");
	static const char *const cron[] = { "etc/cron.d", "etc/cron.hourly", "etc/cron.daily",
					    "etc/cron.weekly", NULL };
	size_t i;

	for_each_dropin(s, tmpfiles, ".conf", visit_tmpfiles);
	visit_sysfs(s, "etc/sysfs.conf");
	for_each_dropin(s, sysfs, ".conf", visit_sysfs);
	for_each_dropin(s, udev, ".rules", visit_script);
	visit_script(s, "etc/rc.local");
	visit_script(s, "etc/rc.d/rc.local");
	visit_script(s, "etc/init.d/boot.local");
	visit_script(s, "etc/crontab");
	for (i = 0; cron[i]; i++)
		for_each_below(s, cron[i], 0, visit_script);
	visit_settings(s, "etc/default/qemu-kvm");
	visit_settings(s, "etc/dpdk/dpdk.conf");
	for_each_below(s, "etc/systemd/system", 1, visit_unit);
	for_each_below(s, "run/systemd/system", 1, visit_unit);
	for_each_below(s, "usr/local/lib/systemd/system", 1, visit_unit);
}

/* ---- the kernel's command line ---- */

static void visit_grub(struct search *s, const char *path)
{
	scan_file(s, path, FROM_CMDLINE, SCAN_WORDS);
}

static bool has_kind(const struct others *others, enum other_kind kind, const char *key)
{
	size_t i;

	for (i = 0; i < others->n; i++)
		if (others->list[i].kind == kind && !strcmp(others->list[i].key, key))
			return true;
	return false;
}

static void on_word(void *arg, const struct scan_line *line)
{
	struct search *s = arg;
	enum other_kind kind = line->subject == SCAN_THP ? OTHER_THP : OTHER_CMDLINE;
	struct other *other;

	/* The file that it is from was found */
	if (has_kind(s->others, kind, line->key) || s->others->n == OTHERS_MAX)
		return;
	other = &s->others->list[s->others->n++];
	*other = (struct other){ .kind = kind, .where = OTHER_CMDLINE_FILE };
	snprintf(other->key, sizeof(other->key), "%s", line->key);
	snprintf(other->value, sizeof(other->value), "%.*s", SCAN_VALUE_SIZE - 1, line->value);
}

static void find_cmdline(struct search *s)
{
	static const char *const grub[] = { "etc/default/grub.d", NULL };
	char text[SCAN_LINE_SIZE];

	visit_grub(s, "etc/default/grub");
	for_each_dropin(s, grub, ".cfg", visit_grub);
	visit_grub(s, "etc/kernel/cmdline");
	if (kfs_read(s->kfs, "proc/cmdline", text, sizeof(text), NULL) == 0)
		others_scan_text(SCAN_WORDS, text, strlen(text), on_word, s);
}

/* ---- fstab ---- */

static void add_plain(struct search *s, enum other_kind kind, unsigned int line, const char *key,
		      const char *value)
{
	struct scan_line found = { .line = line };

	snprintf(found.key, sizeof(found.key), "%s", key);
	snprintf(found.value, sizeof(found.value), "%.*s", SCAN_VALUE_SIZE - 1, value);
	add(s, kind, &found);
}

static void fstab_line(struct search *s, unsigned int number, char *line, const char *memory_dir)
{
	char target[PATH_SIZE], type[64], options[512] = "";

	if (sscanf(line, "%*s %255s %63s %511s", target, type, options) < 2 || *line == '#')
		return;
	if (!strcmp(type, "hugetlbfs"))
		add_plain(s, OTHER_FSTAB, number, "hugetlbfs", target);
	else if (*memory_dir && !strcmp(target, memory_dir) && !strstr(options, "noauto"))
		add_plain(s, OTHER_FSTAB_STORE, number, "memory_backing_dir", target);
}

static void find_fstab(struct search *s, const char *memory_dir)
{
	cleanup_free char *text = NULL;
	char *line, *next;
	unsigned int number = 0;
	struct stat st;
	size_t len;

	text = read_file(s, "etc/fstab", &len, &st);
	s->source = FROM_BOOT;
	s->path = "etc/fstab";
	for (line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		fstab_line(s, ++number, line + strspn(line, " \t"), memory_dir);
	}
}

/* ---- VDSM ---- */

/* The value in [performance]; the last one counts, of all files */
static void visit_vdsm(struct search *s, const char *path)
{
	cleanup_free char *text = NULL;
	char section[32] = "", value[16], *line, *next;
	unsigned int number = 0;
	struct stat st;
	bool on;
	size_t len;

	text = read_file(s, path, &len, &st);
	s->source = FROM_SYSCTL;
	s->path = path;
	s->asleep = false;
	for (line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		number++;
		if (sscanf(line, " [%31[^]]", section) == 1 || strcmp(section, "performance") != 0)
			continue;
		if (sscanf(line, " use_dynamic_hugepages %*1[=:] %15[^ \t\r#;]", value) == 1)
			add_plain(s, OTHER_VDSM, number, "use_dynamic_hugepages",
				  text_to_bool(value, &on) == 0 && on ? "true" : "false");
	}
}

static void find_vdsm(struct search *s)
{
	static const char *const dirs[] = { "etc/vdsm/vdsm.conf.d", "run/vdsm/vdsm.conf.d",
					    "usr/lib/vdsm/vdsm.conf.d", NULL };
	struct others *others = s->others;
	size_t last;

	visit_vdsm(s, "etc/vdsm/vdsm.conf");
	for_each_dropin(s, dirs, ".conf", visit_vdsm);
	last = others->n - 1;
	if (others->n && others->list[last].kind == OTHER_VDSM &&
	    strcmp(others->list[last].value, "true") != 0)
		others->n--;
}

/* ---- tuned ---- */

/* A profile may be in four places; /etc comes first */
static bool scan_profile(struct search *s, const char *profile, char included[65])
{
	static const char *const dirs[] = { "etc/tuned/profiles", "etc/tuned",
					    "usr/lib/tuned/profiles", "usr/lib/tuned" };
	size_t i;

	*included = '\0';
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		cleanup_free char *text = NULL;
		char path[PATH_SIZE], script[PATH_SIZE];
		const char *line;
		struct stat st;
		size_t len;

		snprintf(path, sizeof(path), "%s/%.64s/tuned.conf", dirs[i], profile);
		text = read_file(s, path, &len, &st);
		if (!text)
			continue;
		s->source = FROM_TUNED;
		scan_buffer(s, path, SCAN_TUNED, text, len, false);
		snprintf(script, sizeof(script), "%s/%.64s/script.sh", dirs[i], profile);
		scan_file(s, script, FROM_BOOT, SCAN_SHELL);
		for (line = text; line && !*included; line = strchr(line, '\n')) {
			line += *line == '\n';
			if (sscanf(line, " include = %64[^ \t\n,]", included) != 1)
				*included = '\0';
		}
		return true;
	}
	return false;
}

static void find_tuned(struct search *s)
{
	char profile[65], included[65];
	cleanup_free char *active = NULL;
	char *word, *save = NULL;
	struct stat st;
	size_t len;
	int depth;

	active = read_file(s, "etc/tuned/active_profile", &len, &st);
	for (word = active ? strtok_r(active, " \t\n", &save) : NULL; word;
	     word = strtok_r(NULL, " \t\n", &save)) {
		snprintf(profile, sizeof(profile), "%s", word);
		for (depth = 0; depth < PROFILES_DEPTH && *profile; depth++) {
			if (*profile == '.' || strchr(profile, '/') ||
			    !scan_profile(s, profile, included))
				break;
			memcpy(profile, included, sizeof(profile));
		}
	}
}

/* ---- masked units ---- */

static bool is_masked(const struct search *s, const char *path)
{
	char target[16];
	ssize_t n = readlinkat(s->kfs->rootfd, path, target, sizeof(target) - 1);
	struct stat st;

	if (n < 0)
		return fstatat(s->kfs->rootfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		       S_ISREG(st.st_mode) && st.st_size == 0;
	target[n] = '\0';
	return !strcmp(target, "/dev/null");
}

static void find_masked(struct search *s)
{
	static const char *const dirs[] = { "etc/systemd/system", "run/systemd/system" };
	static const struct {
		const char *unit;
		bool ksm;
	} units[] = {
		{ "ksm.service", true },
		{ "ksmtuned.service", true },
		{ "dev-hugepages.mount", false },
		{ "libvirt-membacking-reconcile.timer", false },
		{ "libvirt-membacking-reconcile.service", false },
		{ "libvirt-membacking-static.service", false },
	};
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		for (j = 0; j < ARRAY_SIZE(units); j++) {
			struct other *other;
			char path[PATH_SIZE];

			snprintf(path, sizeof(path), "%s/%s", dirs[i], units[j].unit);
			if (!is_masked(s, path) || s->others->n == OTHERS_MAX)
				continue;
			other = &s->others->list[s->others->n++];
			*other = (struct other){ .kind = OTHER_MASKED, .off = units[j].ksm };
			snprintf(other->where, sizeof(other->where), "/%s", path);
			snprintf(other->key, sizeof(other->key), "%s", units[j].unit);
		}
}

void others_find(const struct kfs *kfs, const char *memory_dir, struct others *others)
{
	struct search *s = calloc(1, sizeof(*s));

	memset(others, 0, sizeof(*others));
	if (!s)
		return;
	s->kfs = kfs;
	s->others = others;
	find_hooks(s);
	find_sysctl(s);
	find_boot(s);
	find_cmdline(s);
	find_fstab(s, memory_dir);
	find_vdsm(s);
	find_tuned(s);
	find_masked(s);
	free(s);
}

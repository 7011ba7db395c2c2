// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What has to be run on this host before programs see what a profile has written.
 */
#include "profiles/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"
#include "config/qemu_conf.h"
#include "kernel/kfs.h"
#include "lifecycle/daemon_conf.h"
#include "policy/host_view.h"
#include "profiles/file_backed.h"
#include "profiles/profile.h"

#define STATIC_UNIT "libvirt-membacking-static.service"
#define MOUNT_1G    "dev-hugepages1G.mount"

/* What is found out once */
struct finder {
	const struct kfs *kfs;
	bool booted; /* systemd runs */
	bool conf_read;
	char daemon[32]; /* libvirt's, that runs; empty: none */
	struct reload *reload;
	int rc;
};

/* ---- the host ---- */

bool reload_has_systemd(const struct kfs *kfs)
{
	return kfs_exists(kfs, "run/systemd/system") ||
	       kfs_exists(kfs, "usr/lib/systemd/systemd") || kfs_exists(kfs, "lib/systemd/systemd");
}

static bool has_program(const struct kfs *kfs, const char *name)
{
	static const char *const dirs[] = { "usr/sbin", "usr/bin", "sbin", "bin" };
	char path[KFS_PATH_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		if (kfs_exists(kfs, path))
			return true;
	}
	return false;
}

static bool has_unit(const struct kfs *kfs, const char *unit)
{
	static const char *const dirs[] = { SYSCONF_DIR "/systemd/system", "run/systemd/system",
					    "usr/lib/systemd/system", "lib/systemd/system" };
	char path[KFS_PATH_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], unit);
		if (kfs_exists(kfs, path))
			return true;
	}
	return false;
}

/* ---- commands ---- */

static bool is_same(const struct reload_command *a, const struct reload_command *b)
{
	size_t i;

	for (i = 0; a->argv[i] && b->argv[i]; i++)
		if (strcmp(a->argv[i], b->argv[i]) != 0)
			return false;
	return !a->argv[i] && !b->argv[i];
}

/* Each once.  The last argument may be made for it: @own */
static void add_command(struct finder *f, struct reload_command command)
{
	struct reload *reload = f->reload;
	size_t i;

	for (i = 0; i < reload->n && !is_same(&reload->commands[i], &command);)
		i++;
	if (i < reload->n || reload->n == RELOADS_MAX)
		free(command.own);
	else
		reload->commands[reload->n++] = command;
}

#define ADD(f, ...) add_command(f, (struct reload_command){ .argv = { __VA_ARGS__ } })

static void add_with_path(struct finder *f, const char *program, const char *option,
			  const char *path)
{
	char *own = NULL;

	if (asprintf(&own, "/%s", path) < 0) {
		f->rc = -1;
		return;
	}
	add_command(f, (struct reload_command){ { program, option, own }, .own = own });
}

static void add_note(struct finder *f, const char *note)
{
	if (f->reload->n_notes < RELOAD_NOTES)
		f->reload->notes[f->reload->n_notes++] = note;
}

/* Distributions with systemd have "service", too, and seldom a script for it */
static const char *service_program(const struct finder *f, const char *name)
{
	char path[KFS_PATH_SIZE];

	snprintf(path, sizeof(path), SYSCONF_DIR "/init.d/%s", name);
	if (!kfs_exists(f->kfs, path))
		return NULL;
	if (has_program(f->kfs, "rc-service"))
		return "rc-service";
	return has_program(f->kfs, "service") ? "service" : NULL;
}

/* One that does not run reads its files when it starts */
static void restart_libvirt(struct finder *f)
{
	bool split = !strcmp(f->daemon, "virtqemud");
	const char *name = split ? "virtqemud" : "libvirtd", *service = service_program(f, name);

	if (!*f->daemon)
		return;
	if (f->booted)
		ADD(f, "systemctl", "restart", split ? "virtqemud.service" : "libvirtd.service");
	else if (service)
		ADD(f, service, name, "restart");
	else
		add_note(f, "restart libvirt's daemon: guests go on running");
}

/* Red Hat's name, and Debian's.  In a container it is not systemd's here */
static void restart_nova(struct finder *f)
{
	static const char *const units[] = { "openstack-nova-compute.service",
					     "nova-compute.service" };
	size_t i;

	for (i = 0; f->booted && i < ARRAY_SIZE(units); i++)
		if (has_unit(f->kfs, units[i])) {
			ADD(f, "systemctl", "restart", units[i]);
			return;
		}
	add_note(f, "restart nova-compute");
}

/* systemctl fails for a unit that is not there */
static void stop_ksm_tuners(struct finder *f)
{
	static const char *const units[] = { "ksmtuned.service", "ksm.service" };
	size_t i;

	for (i = 0; f->booted && i < ARRAY_SIZE(units); i++)
		if (has_unit(f->kfs, units[i]))
			ADD(f, "systemctl", "stop", units[i]);
}

static void enable_static(struct finder *f)
{
	if (f->booted)
		ADD(f, "systemctl", "enable", STATIC_UNIT);
	else
		add_note(f, "have the host run \"virt-membacking reserve-static\" early at each "
			    "boot, before libvirt starts");
}

static void make_directory(struct finder *f, const char *path)
{
	if (has_program(f->kfs, "systemd-tmpfiles"))
		add_with_path(f, "systemd-tmpfiles", "--create", path);
	else
		ADD(f, "mkdir", "-p", FILE_BACKED_DIR);
}

static bool is_below(const char *path, const char *dir)
{
	return !strncmp(path, dir, strlen(dir));
}

static void add_for_file(struct finder *f, const struct reload_file *file)
{
	if (is_below(file->path, SYSCONF_DIR "/systemd/system/") && f->booted)
		ADD(f, "systemctl", "daemon-reload");
	else if (is_below(file->path, SYSCONF_DIR "/tmpfiles.d/") && !file->removed)
		make_directory(f, file->path);
	else if (is_below(file->path, SYSCONF_DIR "/sysctl.d/") && !file->removed)
		add_with_path(f, "sysctl", "-p", file->path);
	else if (!strcmp(file->path, QEMU_CONF_FILE) && !f->conf_read)
		restart_libvirt(f);
}

static void add_for_profile(struct finder *f, unsigned int needs)
{
	/* Without systemd the daemon hook mounts it */
	if (needs & RELOAD_START_1G && f->booted)
		ADD(f, "systemctl", "start", MOUNT_1G);
	if (needs & RELOAD_STOP_1G && f->booted)
		ADD(f, "systemctl", "stop", MOUNT_1G);
	if (needs & RELOAD_LIBVIRT)
		restart_libvirt(f);
	if (needs & RELOAD_STATIC)
		enable_static(f);
	if (needs & RELOAD_KSM_TUNERS)
		stop_ksm_tuners(f);
	if (needs & RELOAD_NOVA)
		restart_nova(f);
}

int reload_find(const struct kfs *kfs, const struct profile *profile,
		const struct reload_file *files, size_t n, bool apply, bool conf_read,
		struct reload *reload, struct err *err)
{
	struct finder f = { kfs, kfs_exists(kfs, "run/systemd/system"), conf_read, "", reload, 0 };
	struct host_view host = { 0 };
	size_t i;

	*reload = (struct reload){ 0 };
	daemon_conf_view(kfs, &host);
	snprintf(f.daemon, sizeof(f.daemon), "%s", host.daemon.comm);
	for (i = 0; i < n; i++)
		add_for_file(&f, &files[i]);
	add_for_profile(&f, apply ? profile->applied : profile->removed);
	return f.rc < 0 ? err_nomem(err) : 0;
}

void reload_free(struct reload *reload)
{
	size_t i;

	for (i = 0; i < reload->n; i++)
		free(reload->commands[i].own);
	reload->n = 0;
}

const char *reload_text(const struct reload_command *command, char text[RELOAD_TEXT_SIZE])
{
	size_t used = 0, i;

	text[0] = '\0';
	for (i = 0; command->argv[i] && used < RELOAD_TEXT_SIZE; i++)
		used += (size_t)snprintf(text + used, RELOAD_TEXT_SIZE - used, "%s%s", i ? " " : "",
					 command->argv[i]);
	return text;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What "check" makes of hosts that can't be captured: old versions, and stores on
 * devices of a known size.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "check/check.h"
#include "guest/guest_parse.h"
#include "profiles/nova_file_backed.h"
#include "unit/unit.h"

#define GIB KIB_PER_GIB

/* ---- a host ---- */

static struct store_view store;
static struct host_view view;
static struct ledgers ledgers;
static struct check_store more;
static struct libvirt_guest guests[4];
static struct config *config;

/* A store of 100 GiB on a disk, in use and empty; libvirt and QEMU of today */
static struct check_host a_host(void)
{
	store = (struct store_view){
		.config = { .name = "disk", .path = "/srv/disk", .keep_free = { .percent = 5 } },
		.configured = true,
		.in_use = true,
		.state = {
			.present = true,
			.mountpoint = true,
			.mount = { .target = "/srv/disk", .fstype = "ext4", .source = "/dev/vdb" },
			.traversable = true,
			.capacity_kib = 100 * GIB,
			.free_kib = 100 * GIB,
			.available_kib = 100 * GIB,
		},
	};
	view = (struct host_view){ .stores_read = true, .n_stores = 1, .stores = &store };
	view.qemu_conf.memory_backing_line = 1;
	snprintf(view.qemu_conf.memory_backing_dir, sizeof(view.qemu_conf.memory_backing_dir),
		 "/srv/disk");
	more = (struct check_store){ 0 };
	memset(guests, 0, sizeof(guests));
	return (struct check_host){
		.config = config,
		.ledgers = &ledgers,
		.view = &view,
		.stores = &more,
		.libvirt = { .reached = true,
			     .libvirt = 11003000,
			     .qemu = 10000000,
			     .guests = guests },
	};
}

static void define(struct check_host *host, const char *name, const char *backing)
{
	struct libvirt_guest *guest = &host->libvirt.guests[host->libvirt.n++];
	char xml[1024];
	int len =
		snprintf(xml, sizeof(xml),
			 "<domain type='kvm'><name>%s</name>"
			 "<uuid>6f1c0a5e-0000-4000-8000-000000000001</uuid>"
			 "<memory unit='GiB'>1</memory><memoryBacking>%s</memoryBacking></domain>",
			 name, backing);

	snprintf(guest->name, sizeof(guest->name), "%s", name);
	CU_ASSERT_EQUAL_FATAL(guest_parse(xml, (size_t)len, &guest->guest, NULL), 0);
}

static void forget_guests(struct check_host *host)
{
	while (host->libvirt.n)
		guest_free(host->libvirt.guests[--host->libvirt.n].guest);
}

/* "warn fail": the levels of what @check has to say */
static const char *levels(void (*check)(const struct check_host *, struct findings *),
			  const struct check_host *host, struct findings *findings)
{
	static const char *const words[] = { "pass", "hint", "warn", "fail" };
	static char text[256];
	size_t used = 0, i;

	*findings = (struct findings){ .check = "test" };
	check(host, findings);
	text[0] = '\0';
	for (i = 0; i < findings->n && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "",
					 words[findings->list[i].level]);
	return text;
}

/* ---- versions ---- */

#define FILES	 "<source type='file'/>"
#define DISCARD	 FILES "<discard/>"
#define NO_FILES "<nosharepages/>"

static void test_versions(void)
{
	static const struct {
		const char *backing;
		unsigned long libvirt;
		unsigned long qemu;
		const char *levels;
	} rows[] = {
		{ FILES, 4000000, 2006000, "pass" },
		{ FILES, 3010000, 2006000, "fail" },
		{ FILES, 4000000, 2005999, "fail" },
		{ FILES, 3010000, 2005000, "fail fail" },
		{ DISCARD, 4004000, 2010000, "pass" },
		{ DISCARD, 4003999, 2010000, "warn" },
		{ DISCARD, 4004000, 2009001, "warn" },
		{ DISCARD, 4003000, 2009000, "warn warn" },
		{ DISCARD, 3000000, 2012000, "fail warn" },
		/* What is not used may be as old as it likes */
		{ NO_FILES, 1000000, 1000000, "pass" },
		/* libvirt would not say */
		{ DISCARD, 0, 0, "" },
		{ DISCARD, 4003000, 0, "warn" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_host host = a_host();
		struct findings findings;

		store.configured = false;
		host.libvirt.libvirt = rows[i].libvirt;
		host.libvirt.qemu = rows[i].qemu;
		define(&host, "web", rows[i].backing);
		UNIT_CHECK_STR(levels(check_versions, &host, &findings), rows[i].levels, "row %zu",
			       i);
		findings_free(&findings);
		forget_guests(&host);
	}
}

static void test_versions_without_guests(void)
{
	struct check_host host = a_host();
	struct findings findings;

	host.libvirt.libvirt = 3000000;
	UNIT_CHECK_STR(levels(check_versions, &host, &findings), "fail", "a [store] is for files");
	UNIT_CHECK_STR(findings.list[0].message,
		       "libvirt 3.0.0 is too old for file-backed memory, which it has since 4.0.0",
		       "sentence");
	findings_free(&findings);
	store.configured = false;
	UNIT_CHECK_STR(levels(check_versions, &host, &findings), "pass", "nobody needs it");
	findings_free(&findings);
	snprintf(host.nova.file_backed_memory.text, NOVA_CONF_TEXT_SIZE, "1024");
	UNIT_CHECK_STR(levels(check_versions, &host, &findings), "fail warn", "Nova needs both");
	findings_free(&findings);
}

/* ---- <discard/> ---- */

static void test_discard(void)
{
	struct check_host host = a_host();
	struct findings findings;

	define(&host, "two words", DISCARD);
	define(&host, "without", FILES);
	define(&host, "none", NO_FILES);
	UNIT_CHECK_STR(levels(check_guests, &host, &findings), "pass", "on ext4 it is all one");
	findings_free(&findings);
	strcpy(store.state.mount.fstype, "xfs");
	UNIT_CHECK_STR(levels(check_guests, &host, &findings), "hint", "on xfs it writes");
	UNIT_CHECK(strstr(findings.list[0].message, "'two words'"), "%s", findings.list[0].message);
	UNIT_CHECK(!findings_count(&findings, FINDING_WARN), "a hint is no warning");
	UNIT_CHECK_STR(findings.list[0].remedy, "virsh edit 6f1c0a5e-0000-4000-8000-000000000001",
		       "a name with a blank");
	findings_free(&findings);
	forget_guests(&host);
}

/* ---- guests larger than their store ---- */

static void test_store_too_small(void)
{
	static const struct {
		const char *what;
		struct config_amount size, keep_free;
		bool mounted;
		uint64_t capacity_kib;
		const char *levels;
	} rows[] = {
		{ "just fits", { 0 }, { 0 }, true, GIB, "pass" },
		{ "one KiB short", { 0 }, { 0 }, true, GIB - 1, "fail" },
		{ "what is kept free", { 0 }, { .kib = 1 }, true, GIB, "fail" },
		{ "a share of it", { 0 }, { .percent = 50 }, true, 2 * GIB, "pass" },
		{ "a larger share", { 0 }, { .percent = 51 }, true, 2 * GIB, "fail" },
		{ "ramfs has no size", { 0 }, { 0 }, true, 0, "pass" },
		/* What is there now lies below the mount */
		{ "will be mounted", { .kib = GIB }, { 0 }, false, 1024, "pass" },
		{ "will be too small", { .kib = GIB - 1 }, { 0 }, false, 100 * GIB, "fail" },
		{ "of a device to come", { 0 }, { 0 }, false, 1024, "pass" },
		{ "a share of memory", { .percent = 1 }, { 0 }, false, 1024, "pass" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_host host = a_host();
		struct findings findings;

		store.config.size = rows[i].size;
		store.config.keep_free = rows[i].keep_free;
		store.config.mount = MOUNT_PREPARE;
		store.state.mountpoint = rows[i].mounted;
		store.state.capacity_kib = rows[i].capacity_kib;
		define(&host, "web", FILES);
		UNIT_CHECK_STR(levels(check_guests, &host, &findings), rows[i].levels, "%s",
			       rows[i].what);
		findings_free(&findings);
		forget_guests(&host);
	}
}

/* ---- sizes of pages ---- */

static void test_no_such_pages(void)
{
	static const struct {
		const char *backing;
		uint64_t default_kib;
		const char *words;
	} rows[] = {
		{ "<hugepages/>", 0, "asks for huge pages, but this kernel has none" },
		{ "<hugepages><page size='1' unit='GB'/></hugepages>", 2048,
		  "asks for huge pages of 953.6 MiB, but this kernel has only 2 MiB, 1 GiB: change "
		  "<page size=.../> in the guest's <hugepages> (GB is 1000^3 bytes there: write "
		  "unit='GiB')" },
		{ "<hugepages><page size='4' unit='GiB'/></hugepages>", 2048,
		  "asks for huge pages of 4 GiB, but this kernel has only 2 MiB, 1 GiB: change" },
	};
	struct size_view sizes[2] = { { .page_kib = 2048 }, { .page_kib = 1048576 } };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_mount mounts[2] = { { .known = true }, { .known = true } };
		struct check_host host = a_host();
		struct findings findings;

		view.default_page_kib = rows[i].default_kib;
		view.sizes = sizes;
		view.n_sizes = rows[i].default_kib ? 2 : 0;
		host.mounts = mounts;
		define(&host, "web", rows[i].backing);
		UNIT_CHECK_STR(levels(check_mounts, &host, &findings), "fail", "row %zu", i);
		UNIT_CHECK(strstr(findings.list[0].message, rows[i].words), "%s",
			   findings.list[0].message);
		findings_free(&findings);
		forget_guests(&host);
	}
}

static void test_read_only_pools(void)
{
	static const struct {
		const char *backing;
		bool read_only;
		const char *levels;
	} rows[] = {
		{ "<hugepages/>", false, "pass" },
		{ "<hugepages/>", true, "fail" },
		{ "<nosharepages/>", true, "" },
	};
	struct size_view size = { .page_kib = 2048 };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_mount mount = { .known = true };
		struct check_host host = a_host();
		struct findings findings;

		view.default_page_kib = 2048;
		view.sizes = &size;
		view.n_sizes = 1;
		host.mounts = &mount;
		host.pools_read_only = rows[i].read_only;
		define(&host, "web", rows[i].backing);
		UNIT_CHECK_STR(levels(check_mounts, &host, &findings), rows[i].levels, "row %zu",
			       i);
		findings_free(&findings);
		forget_guests(&host);
	}
}

/* ---- definitions ---- */

static void define_xml(struct check_host *host, const char *body)
{
	struct libvirt_guest *guest = &host->libvirt.guests[host->libvirt.n++];
	char xml[2048];
	struct err err = { "" };
	int len = snprintf(xml, sizeof(xml),
			   "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
			   "<name>web</name><uuid>6f1c0a5e-0000-4000-8000-000000000001</uuid>"
			   "<memory unit='GiB'>1</memory>%s</domain>",
			   body);

	snprintf(guest->name, sizeof(guest->name), "web");
	UNIT_CHECK(guest_parse(xml, (size_t)len, &guest->guest, &err) == 0, "%s", err.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(guest->guest);
}

#define HUGE	    "<memoryBacking><hugepages/></memoryBacking>"
#define METADATA(x) "<metadata><m:m xmlns:m='urn:libvirt-membacking:1'>" x "</m:m></metadata>"

static void test_definitions(void)
{
	static const struct {
		const char *body;
		bool hpage_off;
		const char *levels;
		const char *words;
	} rows[] = {
		{ "", false, "pass", "definition is fine" },
		{ HUGE, false, "pass", "definition is fine" },
		{ HUGE, true, "fail", "kvm was loaded with hpage=0" },
		{ "", true, "pass", "definition is fine" },
		{ HUGE "<devices><interface type='vhostuser'/></devices>", false, "warn",
		  "have to map it (<interface type='vhostuser'>)" },
		{ "<devices><filesystem><driver type='virtiofs'/></filesystem></devices>", false,
		  "warn", "(<filesystem> with <driver type='virtiofs'/>)" },
		{ HUGE "<launchSecurity type='tdx'/>", false, "warn", "guest_memfd" },
		{ "<launchSecurity type='tdx'/>", false, "pass", "definition is fine" },
		{ HUGE "<launchSecurity type='s390-pv'/>", false, "fail", "QEMU refuses" },
		{ "<memoryBacking><hugepages/><source type='anonymous'/></memoryBacking>", false,
		  "fail", "libvirt refuses" },
		{ "<qemu:commandline><qemu:arg value='-mem-path'/><qemu:arg value='/x'/>"
		  "</qemu:commandline>",
		  false, "hint", "takes all of its memory at /x past libvirt" },
		{ "<cpu><numa><cell memory='x'/></numa></cpu>", false, "hint", "not understood" },
		/* What plan refuses is no pass; what it ignores, a warning with a name */
		{ HUGE METADATA("<m:hugepages compact='x'/>"), false, "fail",
		  "metadata of guest web: hugepages.compact = 'x': expected auto or never: the "
		  "guest won't start" },
		{ METADATA("<m:hugepages compact='x'/>"), false, "warn", "metadata of guest web" },
		{ HUGE METADATA("<m:hugepages compcat='never'/>"), false, "warn",
		  "metadata of guest web: unknown key 'hugepages.compcat'" },
		{ HUGE METADATA("<m:ksm>never</m:ksm>"), false, "warn", "ksm = 'never'" },
		{ HUGE METADATA("<m:hugepages compact='never'/>"), false, "pass",
		  "definition is fine" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_host host = a_host();
		struct findings findings;

		view.kvm_refuses_hugepages = rows[i].hpage_off;
		define_xml(&host, rows[i].body);
		if (UNIT_CHECK_STR(levels(check_guests, &host, &findings), rows[i].levels,
				   "row %zu", i))
			UNIT_CHECK(strstr(findings.list[0].message, rows[i].words), "row %zu: %s",
				   i, findings.list[0].message);
		findings_free(&findings);
		forget_guests(&host);
	}
}

static void test_root_file_system(void)
{
	struct check_host host = a_host();
	struct findings findings;

	store.configured = false;
	store.state.root = true;
	define(&host, "none", NO_FILES);
	UNIT_CHECK_STR(levels(check_stores, &host, &findings), "pass", "nobody writes there");
	findings_free(&findings);
	define(&host, "web", FILES);
	UNIT_CHECK_STR(levels(check_stores, &host, &findings), "pass hint", "a guest may fill it");
	findings_free(&findings);
	forget_guests(&host);
}

/* ---- Nova ---- */

static void set(struct nova_value *value, const char *text)
{
	snprintf(value->text, sizeof(value->text), "%s", text);
	snprintf(value->where, sizeof(value->where), "nova.conf:1");
}

static void test_nova_number(void)
{
	/* 100 GiB, of which guests can have 95 GiB, 97280 MiB; one percent: 1024 MiB */
	static const struct {
		const char *mib;
		const char *levels;
	} rows[] = {
		{ "102400", "hint" }, { "101376", "hint" }, { "101375", "hint warn" },
		{ "98304", "warn" },  { "1", "warn" },	    { "102401", "hint fail" },
		{ "0", "pass" },      { "-1", "fail" },	    { "1e5", "fail" },
		{ "", "fail" },
	};
	struct check_host host = a_host();
	size_t i;

	host.nova.present = true;
	set(&host.nova.ram_allocation_ratio, "1.0");
	set(&host.nova.reserved_host_memory_mb, "0");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct findings findings;

		set(&host.nova.file_backed_memory, rows[i].mib);
		UNIT_CHECK_STR(levels(check_nova, &host, &findings), rows[i].levels, "'%s'",
			       rows[i].mib);
		findings_free(&findings);
	}
}

static void test_nova_ratio(void)
{
	static const struct {
		const char *ratio;
		const char *levels;
	} rows[] = {
		{ "1.0", "pass" }, { "1", "pass" },	 { "1.000", "pass" }, { "1.5", "warn" },
		{ "0.9", "warn" }, { "1.0001", "warn" }, { "all", "warn" },   { NULL, "warn" },
	};
	struct check_host host = a_host();
	size_t i;

	host.nova.present = true;
	store.config.keep_free.percent = 0;
	set(&host.nova.file_backed_memory, "102400");
	set(&host.nova.reserved_host_memory_mb, "0");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct findings findings;

		host.nova.ram_allocation_ratio = (struct nova_value){ 0 };
		if (rows[i].ratio)
			set(&host.nova.ram_allocation_ratio, rows[i].ratio);
		UNIT_CHECK_STR(levels(check_nova, &host, &findings), rows[i].levels, "row %zu", i);
		findings_free(&findings);
	}
}

static void test_nova_reserved(void)
{
	static const struct {
		const char *reserved;
		const char *config;
		const char *levels;
		const char *words;
	} rows[] = {
		{ "node:0,size:2048,count:512", "", "hint", "keep_free_2M = 512" },
		{ "node:1,size:1GB,count:4", "", "hint", "keep_free_1G = 4" },
		{ "node:0,size:2048,count:0", "", "pass", "no file-backed memory" },
		{ "node:0", "", "pass", "no file-backed memory" },
		{ "node:0,size:2048,count:512", "[hugepages]\nkeep_free_2M = 512\n", "pass", "" },
		{ "node:0,size:2048,count:512", "[hugepages]\nkeep_free_1G = 1\n", "hint", "2M" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cleanup_config struct config *own = NULL;
		struct check_host host = a_host();
		struct findings findings;

		CU_ASSERT_FATAL(config_parse_buffer("F", rows[i].config, strlen(rows[i].config),
						    &own, NULL) == 0);
		host.config = own;
		host.nova.present = true;
		set(&host.nova.reserved_huge_pages, rows[i].reserved);
		UNIT_CHECK_STR(levels(check_nova, &host, &findings), rows[i].levels, "row %zu", i);
		UNIT_CHECK(strstr(findings.list[0].message, rows[i].words), "row %zu: %s", i,
			   findings.list[0].message);
		findings_free(&findings);
	}
}

static void test_no_nova(void)
{
	struct check_host host = a_host();
	struct findings findings;

	UNIT_CHECK_STR(levels(check_nova, &host, &findings), "", "nothing is said");
	findings_free(&findings);
}

/* ---- what guests can have ---- */

static void test_store_mib(void)
{
	static struct store_promise promises[] = {
		{ "web", 20 * GIB, 10 * GIB },
		{ "database", 8 * GIB, 8 * GIB },
	};
	struct check_host host = a_host();

	(void)host;
	CU_ASSERT_EQUAL(nova_store_mib(&store), 100 * 1024);
	CU_ASSERT_EQUAL(nova_usable_mib(&store), 95 * 1024);
	/* The file system's own, and root's part */
	store.state.available_kib = 90 * GIB + 1023;
	CU_ASSERT_EQUAL(nova_usable_mib(&store), 85 * 1024);
	/* Of it guests have 18 GiB: theirs before and after */
	store.state.available_kib -= 18 * GIB;
	store.promises = promises;
	store.n_promises = 2;
	CU_ASSERT_EQUAL(nova_usable_mib(&store), 85 * 1024);
	store.state.available_kib = 0;
	store.n_promises = 0;
	CU_ASSERT_EQUAL(nova_usable_mib(&store), 0);
}

static void test_store_check(void)
{
	struct check_host host = a_host();

	(void)host;
	CU_ASSERT_EQUAL(nova_store_check(&store, NULL), 0);
	store.state.capacity_kib = 0;
	CU_ASSERT_EQUAL(nova_store_check(&store, NULL), -EINVAL);
	a_host();
	store.state.mountpoint = false;
	CU_ASSERT_EQUAL(nova_store_check(&store, NULL), -ENOENT);
	/* A directory on a file system that is not the root */
	store.configured = false;
	CU_ASSERT_EQUAL(nova_store_check(&store, NULL), 0);
	store.state.root = true;
	CU_ASSERT_EQUAL(nova_store_check(&store, NULL), -ENOENT);
}

/* ---- hooks ---- */

static struct check_host a_host_with_hooks(void)
{
	struct check_host host = a_host();
	size_t i;

	for (i = 0; i < HOOK_KINDS; i++)
		host.hooks.links[i] = (struct hook_link){ .name = i ? "daemon" : "qemu",
							  .linked = true,
							  .present = true,
							  .executable = true };
	host.hooks.seen = HOOK_SEEN_YES;
	host.hooks.seen_why = "it has called them";
	host.hooks.reinstall = "make install";
	return host;
}

/* Only libvirt itself says its version, and no captured host has one */
static void test_hooks_of_old_libvirt(void)
{
	static const struct {
		unsigned long libvirt;
		bool direct;
		const char *levels;
	} rows[] = {
		{ 6004000, false, "fail" },
		{ 6005000, false, "pass" },
		{ 6004000, true, "pass" },
		{ 0, false, "pass" },
	};
	struct findings findings;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_host host = a_host_with_hooks();

		host.libvirt.libvirt = rows[i].libvirt;
		host.hooks.links[HOOK_QEMU].direct = rows[i].direct;
		UNIT_CHECK_STR(levels(check_hooks, &host, &findings), rows[i].levels, "row %zu", i);
		if (findings.list[0].level == FINDING_FAIL)
			UNIT_CHECK_STR(findings.list[0].remedy,
				       "virt-membacking hook enable --direct --reload", "row %zu",
				       i);
		findings_free(&findings);
	}
}

static void test_hooks_closed_to_us(void)
{
	struct check_host host = a_host_with_hooks();
	struct findings findings;

	host.hooks.rc = err_set(&host.hooks.why, EACCES, "cannot look at /etc/libvirt/hooks");
	UNIT_CHECK_STR(levels(check_hooks, &host, &findings), "fail", "closed");
	findings_free(&findings);
}

/* ---- SELinux's labels ---- */

static void test_labels(void)
{
	static const struct {
		struct security security;
		const char *levels;
		const char *remedy;
	} rows[] = {
		{ { .selinux = true }, "fail", "setsebool -P virt_hooks_unconfined on" },
		{ { .selinux = true, .labelled = true }, "pass", NULL },
		{ { .selinux = true, .hooks_unconfined = true }, "pass", NULL },
		{ { .selinux = true, .labelled = true, .store_type = "default_t" },
		  "fail",
		  "semanage fcontext -a -t virt_image_t '/srv/disk(/.*)?' && restorecon -R "
		  "/srv/disk" },
		{ { .selinux = true, .labelled = true, .store_type = "var_t" }, "pass", NULL },
		{ { .selinux = true, .labelled = true, .boolean = "virt_use_fusefs" },
		  "fail",
		  "setsebool -P virt_use_fusefs on" },
		{ { .apparmor = true, .profile = "virtqemud", .enforced = true },
		  "fail",
		  "echo '/usr/sbin/libvirt-membacking-*-hook PUx,' "
		  ">>/etc/apparmor.d/local/usr.sbin.virtqemud && apparmor_parser -r "
		  "/etc/apparmor.d/usr.sbin.virtqemud" },
	};
	struct findings findings;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_host host = a_host();

		host.security = rows[i].security;
		UNIT_CHECK_STR(levels(check_security, &host, &findings), rows[i].levels, "row %zu",
			       i);
		UNIT_CHECK_STR(findings.list[0].remedy, rows[i].remedy, "row %zu", i);
		findings_free(&findings);
	}
}

static void test_lines_in_commands(void)
{
	static const struct {
		const char *where;
		const char *remedy;
	} rows[] = {
		{ "/etc/a.conf:12: unknown key", "sed -i '12s/^/# /' /etc/a.conf" },
		{ "/etc/a.conf:7", "sed -i '7s/^/# /' /etc/a.conf" },
		{ "/etc/a.conf: others than root may write to it", NULL },
		{ "/etc/a b.conf:7", NULL },
		{ "nova.conf:7", NULL },
		{ "", NULL },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct findings findings = { .check = "test" };

		finding_add(&findings, FINDING_FAIL, "x", "x");
		finding_remedy_line(&findings, rows[i].where);
		UNIT_CHECK_STR(findings.list[0].remedy, rows[i].remedy, "row %zu", i);
		findings_free(&findings);
	}
}

/* ---- KSM ---- */

static struct config *config_of(const char *text)
{
	struct config *parsed = NULL;

	CU_ASSERT_EQUAL_FATAL(config_parse_buffer("test", text, strlen(text), &parsed, NULL), 0);
	return parsed;
}

#define ON "[ksm]\nmanage = yes\n"

/* "ksmtuned tuned": they are found */
static void set_tuners(struct check_host *host, const char *words)
{
	enum ksm_tuner i;

	for (i = 0; i < KSM_TUNERS; i++) {
		struct ksm_tuner_found *tuner = &host->ksm.tuners[i];

		*tuner = (struct ksm_tuner_found){ .found = strstr(words, ksm_tuner_name(i)) };
		tuner->pid = tuner->found && i != KSM_TUNER_SERVICE ? 7 : 0;
	}
}

static void test_ksm(void)
{
	static const struct {
		const char *conf, *tuners;
		uint64_t run;
		bool ours, left;
		const char *levels;
	} rows[] = {
		{ ON, "", 0, false, false, "pass" },
		{ ON, "", 1, false, false, "pass" },
		{ ON, "", 1, true, false, "pass" },
		{ ON, "", 0, true, true, "warn" },
		{ ON, "ksmtuned", 0, false, false, "warn" },
		{ ON, "momd", 0, false, false, "warn" },
		{ ON, "uksmd", 0, false, false, "hint" },
		{ ON, "tuned", 0, false, false, "warn" },
		{ ON, "ksm.service", 1, false, false, "hint" },
		/* one warning for both: the same command ends them */
		{ ON, "ksmtuned ksm.service", 1, false, false, "warn" },
		{ ON, "ksmtuned momd", 1, true, true, "warn warn warn" },
		{ "", "ksmtuned", 1, false, false, "pass" },
		{ "[ksm]\nmanage = no\n", "ksmtuned", 1, false, false, "pass" },
		{ ON "enable = never\n", "momd", 1, false, false, "pass" },
		/* switched off in the configuration, and still held */
		{ "[ksm]\nmanage = no\n", "", 0, true, true, "warn" },
	};
	struct findings findings;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_host host = a_host();
		struct config *own = config_of(rows[i].conf);
		const char *tuners = rows[i].tuners;

		view.has_ksm = true;
		host.config = own;
		host.ksm.run = rows[i].run;
		host.ksm.ours = rows[i].ours;
		host.ksm.left = rows[i].left;
		/* "ksmtuned" has "tuned" in it */
		set_tuners(&host, tuners);
		host.ksm.tuners[KSM_TUNER_TUNED].found = !strcmp(tuners, "tuned");
		UNIT_CHECK_STR(levels(check_ksm, &host, &findings), rows[i].levels, "row %zu", i);
		findings_free(&findings);
		view.has_ksm = false;
		UNIT_CHECK_STR(levels(check_ksm, &host, &findings), "pass", "no KSM, row %zu", i);
		findings_free(&findings);
		config_free(own);
	}
}

/* KSM that runs for others takes their pages along */
static void test_ksm_apart(void)
{
	static const struct {
		const char *conf, *backing, *levels;
	} rows[] = {
		{ "[guest]\nmatch = bank\nksm = no\n", "", "hint" },
		{ "[guest]\nmatch = bank\nksm = no\n", "<nosharepages/>", "pass" },
		{ "[guest]\nmatch = bank\nksm = no\n", "<hugepages/>", "pass" },
		{ "[guest]\nmatch = web\nksm = no\n", "", "pass" },
		{ "[ksm]\nmanage = no\n[guest]\nmatch = bank\nksm = no\n", "", "hint" },
	};
	struct findings findings;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_host host = a_host();
		struct config *own = config_of(rows[i].conf);

		view.has_ksm = true;
		host.config = own;
		define(&host, "bank", rows[i].backing);
		UNIT_CHECK_STR(levels(check_ksm, &host, &findings), rows[i].levels, "row %zu", i);
		if (!strcmp(rows[i].levels, "hint"))
			UNIT_CHECK(strstr(findings.list[0].message, "<nosharepages/>"), "%s",
				   findings.list[0].message);
		findings_free(&findings);
		forget_guests(&host);
		config_free(own);
	}
}

static void test_ksm_remedies(void)
{
	static const struct {
		enum ksm_tuner tuner;
		struct ksm_tuner_found found;
		const char *remedy;
	} rows[] = {
		{ KSM_TUNER_KSMTUNED,
		  { true, 7, "ksmtuned ksm", "" },
		  "systemctl disable --now ksmtuned ksm" },
		{ KSM_TUNER_MOMD, { true, 7, "", "" }, "kill 7" },
		{ KSM_TUNER_TUNED,
		  { true, 7, "tuned", "realtime" },
		  "tuned-adm profile virtual-host" },
		{ KSM_TUNER_SERVICE, { true, 0, "ksm", "" }, "systemctl disable --now ksm" },
		{ KSM_TUNER_SERVICE, { true, 0, "", "" }, NULL },
	};
	struct config *own = config_of(ON);
	struct findings findings;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_host host = a_host();

		view.has_ksm = true;
		host.config = own;
		host.ksm.tuners[rows[i].tuner] = rows[i].found;
		levels(check_ksm, &host, &findings);
		CU_ASSERT_EQUAL_FATAL(findings.n, 1);
		UNIT_CHECK_STR(findings.list[0].remedy, rows[i].remedy, "row %zu", i);
		findings_free(&findings);
	}
	config_free(own);
}

/* ---- THP ---- */

#define MEMFD "<source type='memfd'/>"

static void test_thp(void)
{
	static const struct {
		const char *conf, *backing, *shmem;
		const char *levels;
	} rows[] = {
		{ "", MEMFD, "never", "hint" },
		{ "", MEMFD, "advise", "pass" },
		{ "", "", "never", "pass" },
		{ "[thp]\nmanage = yes\n", MEMFD, "never", "warn" },
		{ "[thp]\nmanage = yes\nshmem_enabled = advise\n", MEMFD, "never", "pass" },
		/* in the store, which is a tmpfs here, mounted without huge= */
		{ "", FILES, "advise", "hint" },
		{ "[thp]\nmanage = yes\n", FILES, "deny", "warn" },
		{ "", FILES, "force", "pass" },
	};
	static const struct {
		const char *conf, *backing, *enabled, *levels;
	} plain[] = {
		{ "", "", "never", "hint" },
		{ "", "", "madvise", "pass" },
		{ "", "", "always", "pass" },
		{ "", "<hugepages/>", "never", "pass" },
		{ "[thp]\nmanage = yes\nenabled = madvise\n", "", "never", "pass" },
		{ "[thp]\nmanage = yes\n", "", "never", "warn" },
	};
	struct findings findings;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_host host = a_host();
		struct config *own = config_of(rows[i].conf);

		snprintf(store.state.mount.fstype, sizeof(store.state.mount.fstype), "tmpfs");
		view.thp.present = true;
		snprintf(view.thp.thp.shmem_enabled, sizeof(view.thp.thp.shmem_enabled), "%s",
			 rows[i].shmem);
		snprintf(view.thp.thp.enabled, sizeof(view.thp.thp.enabled), "madvise");
		host.config = own;
		define(&host, "web", rows[i].backing);
		UNIT_CHECK_STR(levels(check_thp, &host, &findings), rows[i].levels, "row %zu", i);
		findings_free(&findings);
		host.n_names = 1;
		host.names = (char *[]){ (char *)"another" };
		UNIT_CHECK_STR(levels(check_thp, &host, &findings), "pass", "not asked, row %zu",
			       i);
		findings_free(&findings);
		forget_guests(&host);
		config_free(own);
	}
	/* Nothing else has large pages for them */
	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		struct check_host host = a_host();
		struct config *own = config_of(plain[i].conf);

		view.thp.present = true;
		snprintf(view.thp.thp.enabled, sizeof(view.thp.thp.enabled), "%s",
			 plain[i].enabled);
		host.config = own;
		define(&host, "web", plain[i].backing);
		UNIT_CHECK_STR(levels(check_thp, &host, &findings), plain[i].levels, "plain %zu",
			       i);
		findings_free(&findings);
		forget_guests(&host);
		config_free(own);
	}
}

/* Not one of its guests can start; of a captured host only a file is missing */
static void test_libvirt_is_dead(void)
{
	struct check_host host = a_host();
	struct findings findings;

	host.libvirt.reached = false;
	UNIT_CHECK_STR(levels(check_guests, &host, &findings), "fail", "it is dead");
	findings_free(&findings);
	host.captured = true;
	UNIT_CHECK_STR(levels(check_guests, &host, &findings), "hint", "it was not captured");
	findings_free(&findings);
}

/* ---- 1 GiB ---- */

#define GIGANTIC "<hugepages><page size='1' unit='GiB'/></hugepages>"

static void test_gigantic(void)
{
	static const struct {
		struct gigantic kernel;
		const char *conf, *backing;
		uint64_t pages;
		const char *levels;
	} rows[] = {
		{ { .present = true }, "", "", 0, "" },
		{ { .present = true }, "", GIGANTIC, 0, "pass pass pass hint" },
		{ { .present = true }, "", GIGANTIC, 4, "pass pass pass" },
		{ { .present = true, .at_boot = "4" }, "", GIGANTIC, 0, "pass pass pass" },
		{ { .present = true },
		  "[hugepages]\non_release_1G = keep\n",
		  GIGANTIC,
		  0,
		  "pass pass pass" },
		{ { .present = true, .cma = true, .hugetlb_cma = "4G", .cma_total_kib = 4 * GIB },
		  "",
		  GIGANTIC,
		  0,
		  "pass pass pass" },
		{ { .present = true, .cma = true, .hugetlb_cma = "4G" },
		  "",
		  GIGANTIC,
		  0,
		  "pass pass warn hint" },
		{ { .present = false }, "", "", 0, "" },
		{ { .present = true, .cma = true, .hugetlb_cma = "4G" }, "", "", 0, "warn" },
		{ { .present = false }, "", GIGANTIC, 0, "fail" },
	};
	struct findings findings;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_host host = a_host();
		struct config *own = config_of(rows[i].conf);
		struct pool_view pool = { .pool.total = rows[i].pages };
		struct size_view size = { .page_kib = GIB, .n_pools = 1, .pools = &pool };

		view.n_sizes = 1;
		view.sizes = &size;
		host.gigantic = rows[i].kernel;
		host.config = own;
		define(&host, "large", rows[i].backing);
		UNIT_CHECK_STR(levels(check_gigantic, &host, &findings), rows[i].levels, "row %zu",
			       i);
		findings_free(&findings);
		/* The same by the host's default size */
		forget_guests(&host);
		define(&host, "large", *rows[i].backing ? "<hugepages/>" : "");
		view.default_page_kib = GIB;
		UNIT_CHECK_STR(levels(check_gigantic, &host, &findings), rows[i].levels,
			       "default size, row %zu", i);
		findings_free(&findings);
		forget_guests(&host);
		config_free(own);
	}
}

/* ---- names in commands ---- */

static void test_guest_names(void)
{
	static const struct {
		const char *name;
		bool plain;
	} rows[] = {
		{ "web", true },  { "web-1.b_C", true }, { "", false },	    { "-f", false },
		{ "a b", false }, { "a;b", false },	 { "$(b)", false }, { "a'b", false },
		{ "网", false },  { "a\tb", false },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		UNIT_CHECK_STR(text_shell_name(rows[i].name, "uuid"),
			       rows[i].plain ? rows[i].name : "uuid", "'%s'", rows[i].name);
}

static CU_TestInfo tests[] = {
	{ "versions that are too old for what is used", test_versions },
	{ "versions matter to stores and Nova too", test_versions_without_guests },
	{ "a hint about <discard/> where it costs something", test_discard },
	{ "a guest larger than its store", test_store_too_small },
	{ "definitions", test_definitions },
	{ "pages that are not there", test_no_such_pages },
	{ "pools that are read-only", test_read_only_pools },
	{ "a hint about the root file system", test_root_file_system },
	{ "Nova's number and the store's size", test_nova_number },
	{ "Nova's ratio", test_nova_ratio },
	{ "no Nova, nothing said", test_no_nova },
	{ "pages that Nova leaves to others", test_nova_reserved },
	{ "what guests can have in a store", test_store_mib },
	{ "a store whose size means anything", test_store_check },
	{ "hooks where libvirt does not look", test_hooks_of_old_libvirt },
	{ "hooks that can't be looked at", test_hooks_closed_to_us },
	{ "labels and booleans", test_labels },
	{ "lines of files in commands", test_lines_in_commands },
	{ "other programs that set KSM", test_ksm },
	{ "guests that KSM is not switched on for", test_ksm_apart },
	{ "what helps against them", test_ksm_remedies },
	{ "what keeps transparent huge pages away", test_thp },
	{ "libvirt is dead", test_libvirt_is_dead },
	{ "ways to pages of 1 GiB", test_gigantic },
	{ "guests' names in commands", test_guest_names },
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	int rc;

	if (config_parse_buffer("test", "", 0, &config, NULL) < 0)
		return 2;
	rc = unit_main(argc, argv, "test_check", tests);
	config_free(config);
	return rc;
}

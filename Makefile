# SPDX-License-Identifier: LGPL-2.1-or-later
#
# libvirt-membacking
#
#   make              build the hooks and the command into build/
#   make check        unit tests; no root needed.  check-long: all cases, minutes
#   make coverage     lines that unit and ctl tests reach: at least COVERAGE_MIN=90 percent
#   make musl         everything compiled against musl, and unit tests that its libraries go for
#   make model        the pager's protocol, searched for a wrong byte: minutes; model-long: hours
#   make simulate     what the pager's policy makes of rows of accesses; SIMULATE='--resident 25'
#   make simulate-pressure    forty guests on a host whose memory runs out and comes back;
#                     SIMULATE=pager: what they have over time
#   make fuzz         the parsers with any bytes, for FUZZ_SECONDS=60 each; takes clang
#   sudo make demo    install what is needed, then one real guest through the hook
#   sudo make test    install what is needed, then all the tests
#   sudo make storm   guests of all kinds at random, for STORM_SECONDS=600
#   sudo make pager-long  the pager killed everywhere, for half an hour
#   sudo make pager-soak  everything at random, for SOAK_SECONDS=3600; PAGER_SEED=N
#   sudo make pictures  README.md's, drawn anew from real runs; pictures-demo is one of them
#   sudo make bench   the measurements of tests/bench/RESULTS.md
#   make bench-ledgers    of these, many guests and nodes; no root needed
#   sudo make bench-tiers PID=N   of these, what zstd saves of the memory of a process
#   make install      DESTDIR=, PREFIX=, SYSCONFDIR=, RUNSTATEDIR=, HOOK_DIRECT=yes,
#                     HOOK_LINK=no, UNITDIR=, TMPFILESDIR=, CATALOGDIR=
#   make deb, rpm     packages, in build/deb and build/rpm
#   make dist         the source archive, the same bytes wherever it is made
#   make lint         format, clang-tidy, cppcheck, shellcheck, headers, layers, man pages
#   make clean
#
# BUILD=DIR puts the build elsewhere, FLAVOUR=asan adds sanitizers, FLAVOUR=tsan the one for
# threads, V=1 shows the commands, CC=clang takes another compiler.

FLAVOUR ?=
BUILD ?= build$(if $(FLAVOUR),-$(FLAVOUR))
# One name for one file: what depends on headers is known by the name it was compiled under
ifneq ($(filter $(CURDIR)/%,$(BUILD)),)
override BUILD := $(BUILD:$(CURDIR)/%=%)
endif

PREFIX ?= /usr
SBINDIR ?= $(PREFIX)/sbin
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share/libvirt-membacking
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
SYSCONFDIR ?= /etc
RUNSTATEDIR ?= /run
LIBEXECDIR ?= $(PREFIX)/libexec
DOCDIR ?= $(PREFIX)/share/doc/libvirt-membacking
UNITDIR ?= $(PREFIX)/lib/systemd/system
CATALOGDIR ?= $(PREFIX)/lib/systemd/catalog
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
HOOKDIR = $(SYSCONFDIR)/libvirt/hooks

CC ?= gcc
PKG_CONFIG ?= pkg-config

ifneq ($(V),1)
Q = @
# Not echo: it would be a program more for each file
say = $(info $()  $(1)	$(2))
endif

# All processors, unless make was told how many.  A make below another one shares its jobs,
# and not each version of make shows it here that it has any
ifeq ($(MAKELEVEL)$(filter -j% --jobs%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

.DELETE_ON_ERROR:
.PHONY: all
all:

# ---- compiler ----

WARNINGS = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Werror
HARDENING = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CFLAGS ?= -O2 -g
LDFLAGS ?=
# Programs of unit tests are compiled and linked in half the time like this, whatever what they test is
# compiled with
UNIT_OPTIMIZE = -O0 -U_FORTIFY_SOURCE
ifeq ($(FLAVOUR),asan)
CFLAGS = -O1 -g
HARDENING = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LINK_HARDENING = -fsanitize=address,undefined
else ifeq ($(FLAVOUR),tsan)
CFLAGS = -O1 -g
HARDENING = -fsanitize=thread -fno-omit-frame-pointer
LINK_HARDENING = -fsanitize=thread
else ifeq ($(FLAVOUR),quick)
# Other builds say what there is to warn of
WARNINGS = -w
CFLAGS = -O0
HARDENING = -fPIC
else
LINK_HARDENING = -pie -Wl,-z,relro,-z,now
endif
# What can be truncated depends on values that only an optimizing compiler knows of
ifneq ($(FLAVOUR),)
WARNINGS += -Wno-format-truncation
endif
# Optimized lines are not the ones in the file
ifeq ($(FLAVOUR),coverage)
CFLAGS = -O0 -g --coverage
HARDENING = -fPIE -DUNIT_COVERAGE
endif
override CPPFLAGS += -Ihelpers -Itests -D_GNU_SOURCE -DSTATE_DIR='"$(RUNSTATEDIR:/%=%)/libvirt-membacking"' -DSYSCONF_DIR='"$(SYSCONFDIR:/%=%)"' -DSBIN_DIR='"$(SBINDIR:/%=%)"' -DLIBEXEC_DIR='"$(LIBEXECDIR:/%=%)"'
COMPILE = $(CC) -std=gnu11 $(CPPFLAGS) $(CFLAGS) $(WARNINGS) $(HARDENING)
# Threads of musl have 128 KiB of stack without it; glibc does not read it
STACK = -Wl,-z,stack-size=0x800000
LINK = $(CC) $(CFLAGS) $(LDFLAGS) $(LINK_HARDENING) $(STACK)

# pkg-config is asked only when something is built, and each question once: hundreds of files are
# compiled and linked with its answers
space := $() $()
pkg_answer = pkg-config_$(subst $(space),_,$(1))
pkg = $(if $(filter undefined,$(origin $(pkg_answer))),$(eval $(pkg_answer) := $$(shell $(PKG_CONFIG) $(1))))$($(pkg_answer))
XML_CFLAGS = $(call pkg,--cflags libxml-2.0)

# A compiler's error about a header does not say what to install
libraries = libxml-2.0 jansson inih mount smartcols libvirt augeas liblz4 libzstd
.PHONY: check-libraries check-libraries-of-tests
check-libraries:
	$(Q)CC='$(CC)' PKG_CONFIG='$(PKG_CONFIG)' packaging/check-libraries build $(libraries)
check-libraries-of-tests:
	$(Q)CC='$(CC)' PKG_CONFIG='$(PKG_CONFIG)' packaging/check-libraries check $(libraries) cunit

# ---- what is built of what ----

rooms = base process kernel memory guest config policy steps lifecycle
core_src = $(foreach room,$(rooms),$(sort $(wildcard helpers/$(room)/*.c)))
ctl_rooms = terminal profiles report check ctl
ctl_src = $(foreach room,$(ctl_rooms),$(sort $(wildcard helpers/$(room)/*.c)))
core_obj = $(core_src:%.c=$(BUILD)/%.o)
ctl_obj = $(ctl_src:%.c=$(BUILD)/%.o)
pager_src = $(sort $(wildcard helpers/pager/*.c))
pager_obj = $(pager_src:%.c=$(BUILD)/%.o)
core_lib = $(BUILD)/helpers/core.a
ctl_lib = $(BUILD)/helpers/ctl.a
# Of these, hooks and command take what asks the daemon, and so none of the daemon's libraries
pager_lib = $(BUILD)/helpers/pager.a

# Hooks link no more than they need: each library costs every guest's start.  That is
# why libmount is loaded when it is needed, and by the command libaugeas; dlopen() is in a library in older glibc
hook_libs = $(call pkg,--libs libxml-2.0 jansson) -linih -ldl
ctl_libs = $(hook_libs) $(call pkg,--libs libvirt smartcols)

# systemd is told that the daemon is ready where its library is there at build time
have_systemd = $(call pkg,--exists libsystemd && echo yes)
# A tier in a file is read and written by io_uring where its library is, else page by page
have_liburing = $(call pkg,--exists liburing && echo yes)
pagerd_libs = $(call pkg,--libs jansson liblz4 libzstd) $(if $(have_systemd),$(call pkg,--libs libsystemd)) \
	$(if $(have_liburing),$(call pkg,--libs liburing)) -linih -pthread
pager_cppflags = $(if $(have_systemd),-DHAVE_SYSTEMD) $(if $(have_liburing),-DHAVE_LIBURING)
$(BUILD)/helpers/pager/%.o: override CPPFLAGS += $(pager_cppflags)

pagerd_programs = $(BUILD)/pagerd/virt-membacking-pagerd $(BUILD)/pagerd/virt-membacking-adopt
programs = $(BUILD)/hooks/qemu $(BUILD)/hooks/daemon $(BUILD)/hooks/leaving $(BUILD)/helpers/virt-membacking $(pagerd_programs)
# The comments of membacking.conf are what this page says of its keys
made_pages = $(BUILD)/man/membacking.conf.5

all: $(programs) $(made_pages)

# Archives that are never stale: members of removed files must go
$(BUILD)/%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(core_lib): $(core_obj)
$(ctl_lib): $(filter-out %/main.o,$(ctl_obj))
$(pager_lib): $(pager_obj)

$(BUILD)/hooks/%: $(BUILD)/hooks/%.o $(core_lib) $(pager_lib)
	$(call say,LD,$@)
	$(Q)$(LINK) -Wl,--as-needed -o $@ $< $(core_lib) $(pager_lib) $(core_lib) $(hook_libs)

$(BUILD)/helpers/virt-membacking: $(BUILD)/helpers/ctl/main.o $(ctl_lib) $(core_lib) $(pager_lib)
	$(call say,LD,$@)
	$(Q)$(LINK) -Wl,--as-needed -o $@ $< $(ctl_lib) $(core_lib) $(pager_lib) $(core_lib) $(ctl_libs)

$(BUILD)/pagerd/virt-membacking-pagerd: $(BUILD)/pagerd/main.o
$(BUILD)/pagerd/virt-membacking-adopt: $(BUILD)/pagerd/adopt.o
$(pagerd_programs): $(pager_lib) $(core_lib)
	$(call say,LD,$@)
	$(Q)$(LINK) -Wl,--as-needed -o $@ $(filter %.o,$^) $(pager_lib) $(core_lib) $(pagerd_libs)

# They have the texts of these files in them
$(filter $(BUILD)/helpers/profiles/%,$(ctl_obj)): $(wildcard conf-snippets/*/*)

object_dirs = $(addprefix $(BUILD)/,$(sort $(dir $(wildcard hooks/*.c pagerd/*.c helpers/*/*.c tests/*/*.c))))
$(object_dirs):
	$(Q)mkdir -p $@
$(BUILD)/%.o: %.c | check-libraries $(object_dirs)
	$(call say,CC,$<)
	$(Q)$(COMPILE) $(XML_CFLAGS) -MMD -MP -c -o $@ $<

# ---- man pages ----

$(made_pages): $(BUILD)/man/%: packaging/man/%.in packaging/man/keys-to-mdoc \
		conf-snippets/membacking.conf
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)awk -f packaging/man/keys-to-mdoc conf-snippets/membacking.conf $< >$@

# ---- unit tests ----

unit_src = $(sort $(wildcard tests/unit/test_*.c))
unit_tests = $(unit_src:%.c=$(BUILD)/%)
# Their main and their fakes
unit_lib = $(BUILD)/tests/unit/unit.a
unit_lib_obj = $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(unit_src),$(sort $(wildcard tests/unit/*.c))))

$(BUILD)/tests/unit/%.o: | check-libraries-of-tests
unit_cppflags = -DTESTS_DIR='"$(CURDIR)/tests"'
$(BUILD)/tests/unit/%.o: override CPPFLAGS += $(unit_cppflags)
$(BUILD)/tests/unit/%.o: override HARDENING += $(UNIT_OPTIMIZE)
$(unit_lib): $(unit_lib_obj)
# The quicker linker for a hundred programs that are not shipped
unit_ld := $(if $(shell command -v ld.gold),-fuse-ld=gold)
$(BUILD)/tests/unit/test_%: $(BUILD)/tests/unit/test_%.o $(unit_lib) $(ctl_lib) $(core_lib) $(pager_lib)
	$(call say,LD,$@)
	$(Q)$(LINK) $(unit_ld) -Wl,--as-needed -o $@ $(filter %.o,$^) $(unit_lib) $(ctl_lib) $(core_lib) $(pager_lib) $(core_lib) $(ctl_libs) $(pagerd_libs) -lm -lcunit

.PHONY: unit-tests check
unit-tests: $(unit_tests)
# In a checkout they are wanted soon.  With flags of a package or a person, or another flavour, what is
# tested is compiled as it is shipped
ifeq ($(FLAVOUR)$(origin CFLAGS)$(origin HARDENING),filefile)
check:
	$(Q)$(MAKE) --no-print-directory FLAVOUR=quick BUILD=$(BUILD)/quick check
else ifneq ($(FLAVOUR),quick)
# The measurement is built, so that it goes on fitting what it measures
check: unit-tests $(BUILD)/tests/bench/ledgers
	$(Q)tests/run-unit $(unit_tests)
endif

.PHONY: check-long
check-long:
	$(Q)UNIT_LONG=yes $(MAKE) --no-print-directory check

.PHONY: musl
musl:
	$(Q)tests/musl $(BUILD)-musl

.PHONY: model model-long
model:
	$(Q)BUILD=$(abspath $(BUILD)) tests/pager/model/run
model-long:
	$(Q)BUILD=$(abspath $(BUILD)) tests/pager/model/run --long

# What has threads of its own, for FLAVOUR=tsan
thread_tests = $(addprefix $(BUILD)/tests/unit/,test_guest_pager test_page_map test_tiers)
.PHONY: check-tsan
check-tsan: $(thread_tests)
	$(Q)tests/run-unit $^

# No root and no other host are needed for this one measurement
.PHONY: bench-ledgers
bench-ledgers: $(BUILD)/tests/bench/ledgers
	$(Q)$<
$(BUILD)/tests/bench/ledgers.o: override CPPFLAGS += -DHOOK='"$(abspath $(BUILD)/hooks/qemu)"'
$(BUILD)/tests/bench/ledgers: $(BUILD)/hooks/qemu
$(BUILD)/tests/bench/ledgers: $(BUILD)/tests/bench/ledgers.o $(unit_lib) $(ctl_lib) $(core_lib) $(pager_lib)
	$(call say,LD,$@)
	$(Q)$(LINK) -Wl,--as-needed -o $@ $(filter %.o %.a,$^) $(core_lib) $(ctl_libs) -lcunit
.PHONY: bench-tiers
bench-tiers: $(BUILD)/tests/bench/tier_pages
	$(Q)$< $(PID)
$(BUILD)/tests/bench/tier_pages: $(BUILD)/tests/bench/tier_pages.o $(pager_lib) $(core_lib)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(pagerd_libs)

# ---- the pager's verifier: a process in the place of QEMU, and a guest's /init ----

verifier_obj = $(patsubst %,$(BUILD)/tests/pager/%.o,verifier pages access)
pager_tests = $(patsubst %,$(BUILD)/tests/pager/%,victim guest guest_clock attach bystander adopt_victim adopt_many \
	ask_pagerd pageout pageout_facts flawed_disk hog)

$(BUILD)/tests/pager/victim: $(BUILD)/tests/pager/victim.o $(verifier_obj)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ -pthread -lm
# A pager whose system calls can fail, or be its last
struck = ioctl read splice vmsplice pwrite fallocate lseek ftruncate poll
$(BUILD)/tests/pager/attach: $(BUILD)/tests/pager/attach.o $(BUILD)/tests/pager/strike.o $(BUILD)/tests/pager/move.o \
		$(pager_lib) $(core_lib)
	$(call say,LD,$@)
	$(Q)$(LINK) $(struck:%=-Wl,--wrap=%) -Wl,--as-needed -o $@ $(filter %.o,$^) $(pager_lib) \
		$(core_lib) $(pagerd_libs)
linked_without = $(patsubst %,$(BUILD)/tests/pager/%,bystander flawed_disk hog)
$(linked_without): %: %.o
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^
# There is no library in its initramfs
$(BUILD)/tests/pager/guest: $(BUILD)/tests/pager/guest.o $(BUILD)/tests/pager/guest_console.o $(verifier_obj)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -static -o $@ $^ -pthread -lm

$(BUILD)/tests/pager/guest_clock: $(BUILD)/tests/pager/guest_clock.o $(BUILD)/tests/pager/guest_console.o
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -static -o $@ $^ -pthread

# Sleepers, and what adopts them; a client of the daemon; another way to page
linked_alone = $(patsubst %,$(BUILD)/tests/pager/%,adopt_victim adopt_many ask_pagerd pageout pageout_facts)
$(linked_alone): %: %.o $(pager_lib) $(core_lib)
	$(call say,LD,$@)
	$(Q)$(LINK) -Wl,--as-needed -o $@ $< $(pager_lib) $(core_lib) $(pagerd_libs)

.PHONY: pager-tests
pager-tests: $(pager_tests) $(pagerd_programs)

# What a change of the policy does
simulator_obj = $(patsubst %,$(BUILD)/tests/pager/%.o,policies pages access)
$(BUILD)/tests/pager/simulate: $(BUILD)/tests/pager/simulate.o $(simulator_obj) $(pager_lib)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ -lm

$(BUILD)/tests/unit/test_policies: $(simulator_obj)

pressure_model = $(BUILD)/tests/pager/pressure_model.o
$(BUILD)/tests/pager/simulate_pressure: $(BUILD)/tests/pager/simulate_pressure.o $(pressure_model) $(pager_lib) $(core_lib)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^

$(BUILD)/tests/unit/test_pressure: $(pressure_model)

ifeq ($(FLAVOUR),quick)
include tests/unit/quick.mk
endif

.PHONY: simulate simulate-pressure
simulate: $(BUILD)/tests/pager/simulate
	$(Q)$< $(SIMULATE)
simulate-pressure: $(BUILD)/tests/pager/simulate_pressure
	$(Q)$< $(SIMULATE)

COVERAGE_MIN ?= 90

.PHONY: coverage
coverage: export BUILD := $(BUILD)-coverage
coverage:
	$(Q)$(MAKE) --no-print-directory FLAVOUR=coverage BUILD=$$BUILD all unit-tests
	$(Q)tests/coverage $$BUILD $(COVERAGE_MIN)

# What is found is kept below $(BUILD)/fuzz, and the next call goes on from there
FUZZ_SECONDS ?= 60
fuzz_tests = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.c))

# Of the pager, what any bytes are read by is compiled for it
$(BUILD)/fuzz/%: tests/fuzz/%.c $(core_src) helpers/pager/protocol.c \
		helpers/pager/map_file.c helpers/pager/page_hash.c $(pager_lib)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $@.corpus
	$(Q)clang -std=gnu11 $(CPPFLAGS) -g -O1 $(XML_CFLAGS) -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $^ $(hook_libs)

.PHONY: fuzz
fuzz: $(fuzz_tests)
	$(Q)cd $(BUILD)/fuzz && for f in $(notdir $(fuzz_tests)); do \
		./$$f -max_len=16384 -timeout=10 -max_total_time=$(FUZZ_SECONDS) $$f.corpus \
			$(CURDIR)/tests/guests $(CURDIR)/conf-snippets || exit 1; done

# ---- everything, on a real host ----

.PHONY: demo test storm bench pictures faults-long pager-long pager-soak
demo test storm bench pager-long pager-soak: override export BUILD := $(abspath $(BUILD))

pager-long: all pager-tests
	$(Q)tests/pager/run --long
	$(Q)ADOPTIONS=1000 ADOPT_KILLS=4 tests/live/run pager-adoption

# Each time other events, unless PAGER_SEED says which
pager-soak: export SOAK_SECONDS ?= 3600
pager-soak: all pager-tests
	$(Q)PAGER_SEED=$${PAGER_SEED:-$$(date +%s)} tests/pager/run soak

# Each error at each system call: hours
faults-long: all
	$(Q)FAULTS_LONG=yes tests/faults/run $(BUILD)

demo:
	$(Q)packaging/install-deps demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/demo

test:
	$(Q)packaging/install-deps test
	$(Q)$(MAKE) --no-print-directory all pager-tests
	$(Q)tests/run-all

storm: export STORM_SECONDS ?= 600
storm:
	$(Q)packaging/install-deps demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/storm/run

picture_targets = $(addprefix pictures-,map fragmented pager demo)
.PHONY: $(picture_targets)
pictures $(picture_targets):
	$(Q)packaging/install-deps bench
	$(Q)$(MAKE) --no-print-directory all pager-tests
	$(Q)tests/pictures/run $(BUILD) $(filter-out pictures,$(@:pictures-%=%))

bench:
	$(Q)packaging/install-deps bench
	$(Q)$(MAKE) --no-print-directory all pager-tests
	$(Q)tests/bench/run

# ---- checks of the source ----

sources = $(sort $(wildcard hooks/*.c pagerd/*.c helpers/*/*.[ch] tests/*/*.[ch]))
scripts = $(shell grep -lE '^\#!.*[ /](bash|sh)$$' -r packaging tests --exclude-dir=hosts) \
	$(wildcard tests/ctl/cases/*.sh)

.PHONY: lint format format-check hdr-check layer-check pure-check thread-check tidy cppcheck shellcheck man-check
lint: format-check hdr-check layer-check pure-check thread-check tidy cppcheck shellcheck man-check

format:
	clang-format -i $(sources)

format-check:
	$(Q)clang-format --dry-run -Werror $(sources)

# Each header compiles by itself
hdr-check:
	$(Q)for h in $(wildcard helpers/*/*.h); do \
		$(COMPILE) $(XML_CFLAGS) -fsyntax-only -x c $$h || exit 1; done

# Includes go downwards, hooks link little
layer-check: $(programs)
	$(Q)tests/check-layers $(BUILD)

# A decision makes no system call
pure-check: $(filter $(BUILD)/helpers/policy/%,$(core_obj)) $(patsubst %,$(BUILD)/helpers/pager/%.o,hot read_ahead disk_near alarm_log lone_vcpu thread_class pressure)
	$(Q)tests/check-pure $^

# What a program of several threads may link
thread-check: $(filter $(BUILD)/helpers/base/% $(BUILD)/helpers/kernel/%,$(core_obj)) $(pager_obj)
	$(Q)tests/check-threads $^

# By itself it uses one processor only.  TIDY_QUICK: without the checks that follow paths, which take
# nine tenths of the time
tidy:
	$(Q)printf '%s\0' $(filter-out tests/%,$(filter %.c,$(sources))) | \
		xargs -0 -P $$(nproc) -I @ clang-tidy --quiet \
		$(if $(TIDY_QUICK),--checks='-clang-analyzer-*') @ -- \
		-std=gnu11 $(CPPFLAGS) $(XML_CFLAGS) 2>/dev/null

cppcheck:
	$(Q)cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 \
		--enable=warning,performance,portability -D_GNU_SOURCE -Ihelpers \
		$(filter-out tests/%,$(filter %.c,$(sources)))

shellcheck:
	$(Q)shellcheck -x -P SCRIPTDIR $(scripts)

# Well-formed, and complete: keys, commands, options, references
man-check: all
	$(Q)tests/check-man $(BUILD)/helpers/virt-membacking $(manuals)

# ---- install ----

bindir = $(DESTDIR)$(BINDIR)
sbindir = $(DESTDIR)$(SBINDIR)
hookdir = $(DESTDIR)$(HOOKDIR)
profiles = $(notdir $(patsubst %/,%,$(wildcard conf-snippets/*/)))
manuals = $(sort $(wildcard packaging/man/*.[1-8]) $(made_pages))
helperdir = $(DESTDIR)$(LIBEXECDIR)/libvirt-membacking
unitdir = $(DESTDIR)$(UNITDIR)
tmpfilesdir = $(DESTDIR)$(TMPFILESDIR)
units = $(sort $(wildcard packaging/systemd/*))
ansible_dirs = ansible $(patsubst contrib/%/,%,$(sort $(wildcard contrib/ansible/roles/*/*/)))

.PHONY: install uninstall
install: all
	install -d $(bindir) $(sbindir) $(hookdir)/qemu.d $(hookdir)/daemon.d \
		$(DESTDIR)$(SYSCONFDIR)/libvirt/membacking.conf.d
	install -m 755 $(BUILD)/hooks/qemu $(sbindir)/libvirt-membacking-qemu-hook
	install -m 755 $(BUILD)/hooks/daemon $(sbindir)/libvirt-membacking-daemon-hook
	install -m 755 $(BUILD)/helpers/virt-membacking $(bindir)/virt-membacking
	install -m 755 $(BUILD)/pagerd/virt-membacking-pagerd $(sbindir)/
	for page in $(manuals); do \
		install -d $(DESTDIR)$(MANDIR)/man$${page##*.} && \
		install -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/ || exit 1; \
	done
	for profile in $(profiles); do \
		install -d $(DESTDIR)$(DATADIR)/$$profile && \
		install -m 644 conf-snippets/$$profile/* $(DESTDIR)$(DATADIR)/$$profile/ || exit 1; \
	done
	install -d $(DESTDIR)$(DATADIR)/schema
	install -m 644 packaging/schema/*.json $(DESTDIR)$(DATADIR)/schema/
	for dir in prometheus grafana icinga $(ansible_dirs); do \
		install -d $(DESTDIR)$(DOCDIR)/examples/$$dir && \
		install -m 644 $$(find contrib/$$dir -maxdepth 1 -type f) \
			$(DESTDIR)$(DOCDIR)/examples/$$dir/ || exit 1; \
	done
	install -d $(DESTDIR)$(COMPLETIONDIR) $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(FISHDIR)
	install -m 644 packaging/completions/virt-membacking $(DESTDIR)$(COMPLETIONDIR)/
	install -m 644 packaging/completions/_virt-membacking $(DESTDIR)$(ZSHDIR)/
	install -m 644 packaging/completions/virt-membacking.fish $(DESTDIR)$(FISHDIR)/
	[ -e $(DESTDIR)$(SYSCONFDIR)/libvirt/membacking.conf ] || \
		install -m 644 conf-snippets/membacking.conf $(DESTDIR)$(SYSCONFDIR)/libvirt/
	[ -e $(DESTDIR)$(SYSCONFDIR)/libvirt/membacking-static.conf ] || \
		install -m 644 conf-snippets/membacking-static.conf $(DESTDIR)$(SYSCONFDIR)/libvirt/
	install -d $(helperdir) $(unitdir) $(tmpfilesdir) $(DESTDIR)$(DOCDIR)
	install -m 755 packaging/setup packaging/link-hook $(BUILD)/hooks/leaving $(helperdir)/
	sed -i 's,/usr/sbin/,$(SBINDIR)/,g; s,/usr/bin/,$(BINDIR)/,g; s,/usr/libexec/,$(LIBEXECDIR)/,g' \
		$(helperdir)/setup
	install -m 644 packaging/tmpfiles.d/libvirt-membacking.conf $(tmpfilesdir)/
	install -m 755 $(BUILD)/pagerd/virt-membacking-adopt $(helperdir)/
	install -m 644 README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md $(DESTDIR)$(DOCDIR)/
	install -m 644 packaging/apparmor/libvirtd $(DESTDIR)$(DOCDIR)/apparmor-libvirtd
	install -m 644 packaging/apparmor/qemu $(DESTDIR)$(DOCDIR)/apparmor-qemu
	install -m 644 $(units) $(unitdir)/
	install -d $(DESTDIR)$(CATALOGDIR)
	install -m 644 packaging/catalog/libvirt-membacking.catalog $(DESTDIR)$(CATALOGDIR)/
	sed -i 's,^ExecStart=/usr/bin/,ExecStart=$(BINDIR)/,; s,^ExecStart=/usr/sbin/,ExecStart=$(SBINDIR)/,' \
		$(units:packaging/systemd/%=$(unitdir)/%)
ifeq ($(HOOK_LINK),no)
else ifeq ($(HOOK_DIRECT),yes)
	packaging/link-hook $(SBINDIR)/libvirt-membacking-qemu-hook $(hookdir)/qemu
	packaging/link-hook $(SBINDIR)/libvirt-membacking-daemon-hook $(hookdir)/daemon
else
	packaging/link-hook $(SBINDIR)/libvirt-membacking-qemu-hook $(hookdir)/qemu.d/50-membacking
	packaging/link-hook $(SBINDIR)/libvirt-membacking-daemon-hook $(hookdir)/daemon.d/50-membacking
endif

# The configuration stays: it is the administrator's
uninstall:
	packaging/link-hook --remove $(SBINDIR)/libvirt-membacking-qemu-hook \
		$(hookdir)/qemu $(hookdir)/qemu.d/50-membacking
	packaging/link-hook --remove $(SBINDIR)/libvirt-membacking-daemon-hook \
		$(hookdir)/daemon $(hookdir)/daemon.d/50-membacking
	rm -f $(sbindir)/libvirt-membacking-qemu-hook $(sbindir)/libvirt-membacking-daemon-hook \
		$(sbindir)/virt-membacking-pagerd $(bindir)/virt-membacking \
		$(DESTDIR)$(COMPLETIONDIR)/virt-membacking \
		$(DESTDIR)$(ZSHDIR)/_virt-membacking $(DESTDIR)$(FISHDIR)/virt-membacking.fish \
		$(units:packaging/systemd/%=$(unitdir)/%) $(tmpfilesdir)/libvirt-membacking.conf \
		$(DESTDIR)$(CATALOGDIR)/libvirt-membacking.catalog
	for page in $(notdir $(manuals)); do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page; done
	rm -rf $(helperdir) $(DESTDIR)$(DOCDIR) $(DESTDIR)$(DATADIR)

# ---- packages ----

.PHONY: dist deb rpm
dist:
	$(Q)packaging/dist $(BUILD)

deb:
	$(Q)packaging/build-deb $(BUILD)/deb

rpm:
	$(Q)packaging/build-rpm $(BUILD)/rpm

.PHONY: clean
clean:
	rm -rf build build-*

.SECONDARY:
-include $(shell find $(BUILD)/hooks $(BUILD)/helpers $(BUILD)/together $(BUILD)/tests -name '*.d' 2>/dev/null)

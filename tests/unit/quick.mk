# SPDX-License-Identifier: LGPL-2.1-or-later
#
# "make check": the unit tests soon.  Many files are compiled at a time, since for most of them a compiler
# takes longer to start and to read headers; and what is tested is linked to the programs as libraries.
# Included by the Makefile for FLAVOUR=quick.

# together NAME,FILES: objects of all these
together = $(patsubst %.c,%.o,$(shell mkdir -p $(BUILD)/together && tests/unit/together $(BUILD)/together/$(1) $(2) $(wildcard helpers/*/*.h tests/*/*.h)))
core_together := $(call together,core,$(core_src) $(pager_src))
ctl_together := $(call together,ctl,$(filter-out %/main.c,$(ctl_src)))
test_together := $(call together,test,$(unit_src))
# Two libraries, since what the command alone needs (libvirt) takes longer to load than most tests take
core_so = $(BUILD)/together/core.so
ctl_so = $(BUILD)/together/ctl.so

$(core_together) $(ctl_together): override CPPFLAGS += -I. $(pager_cppflags)
$(test_together): override CPPFLAGS += -I. $(unit_cppflags)
$(ctl_together): $(wildcard conf-snippets/*/*)
$(BUILD)/together/%.o: $(BUILD)/together/%.c | check-libraries-of-tests
	$(call say,CC,$<)
	$(Q)$(COMPILE) $(XML_CFLAGS) -MMD -MP -c -o $@ $<

$(core_so): $(core_together)
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(unit_ld) -Wl,--as-needed -o $@ $^ $(hook_libs) $(pagerd_libs)
$(ctl_so): $(ctl_together) $(core_so)
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(unit_ld) -Wl,--as-needed,--allow-shlib-undefined -o $@ $(filter %.o %.so,$^) $(ctl_libs)

# What is only in the command's main is called by none
test_programs = $(test_together:%.o=%)
$(test_programs): %: %.o $(unit_lib) $(simulator_obj) $(pressure_model) $(ctl_so) $(core_so)
	$(call say,LD,$@)
	$(Q)$(LINK) $(unit_ld) -Wl,--as-needed,--allow-shlib-undefined,-rpath,$(abspath $(BUILD)/together) -o $@ \
		$^ $(call pkg,--libs libxml-2.0 jansson) -pthread -lm -lcunit

# Each by its name
.PHONY: named-tests
named-tests: $(test_programs)
	$(Q)mkdir -p $(BUILD)/tests/unit
	$(Q)for program in $(test_programs); do \
		for test in $$(sed -n 's/^#include ".*\/\(test_.*\)\.c"$$/\1/p' $$program.c); do \
			ln -f $$program $(BUILD)/tests/unit/$$test || exit 1; done; done

check: named-tests
	$(Q)tests/run-unit $(unit_tests)

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which processors a guest's threads are pinned to.
 */
#include "guest/guest_pins.h"

#include "guest/guest.h"
#include "guest/guest_xml.h"

static int read_list(const xmlNode *node, struct cpuset *set, struct err *err)
{
	cleanup_xml char *text = NULL;
	int rc = guest_xml_attr(node, "cpuset", &text, err);
	struct cpuset one;

	if (rc == 0 && text && cpuset_parse(text, &one) == 0)
		cpuset_add(set, &one);
	return rc;
}

int guest_pins_read(const xmlNode *domain, struct guest *guest, struct err *err)
{
	const xmlNode *vcpu = guest_xml_child(domain, "vcpu");
	const xmlNode *tune = guest_xml_child(domain, "cputune");
	struct cpuset general = { 0 };
	const xmlNode *pin;
	int rc;

	if (guest->auto_placement || guest_xml_attr_is(vcpu, "placement", "auto"))
		return 0;
	rc = read_list(vcpu, &general, err);
	if (rc == 0)
		rc = read_list(guest_xml_child(tune, "emulatorpin"), &guest->emulator_cpus, err);
	for (pin = guest_xml_child(tune, "vcpupin"); rc == 0 && pin;
	     pin = guest_xml_next(pin, "vcpupin"))
		rc = read_list(pin, &guest->vcpu_cpus, err);
	if (cpuset_empty(&guest->emulator_cpus))
		guest->emulator_cpus = general;
	if (cpuset_empty(&guest->vcpu_cpus))
		guest->vcpu_cpus = general;
	return rc;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * <metadata> to "section.key" = "value".
 */
#include "guest/guest_metadata.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"
#include "guest/guest.h"
#include "guest/guest_xml.h"

static bool is_ours(const xmlNode *node)
{
	return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
	       !strcmp((const char *)node->ns->href, GUEST_METADATA_NAMESPACE);
}

/* Below an element of ours a forgotten prefix is forgiven */
static bool is_ours_below(const xmlNode *node)
{
	return is_ours(node) || (node->type == XML_ELEMENT_NODE && !node->ns);
}

static const xmlNode *first_element(const xmlNode *parent)
{
	const xmlNode *node = parent->children;

	while (node && !is_ours_below(node))
		node = node->next;
	return node;
}

static const xmlNode *next_element(const xmlNode *node)
{
	for (node = node->next; node && !is_ours_below(node); node = node->next)
		;
	return node;
}

static int make_key(const xmlNode *node, const char *section, const char *name, char **key,
		    struct err *err)
{
	char text[GUEST_SETTING_SIZE];
	int len =
		snprintf(text, sizeof(text), "%s%s%s", section, name ? "." : "", name ? name : "");

	if (len < 0 || (size_t)len >= sizeof(text))
		return guest_xml_bad(node, err,
				     "a setting in <metadata> has a name of %d bytes, "
				     "at most %d are accepted",
				     len, GUEST_SETTING_SIZE - 1);
	*key = strdup(text);
	return *key ? 0 : err_sys(err, ENOMEM, "domain XML");
}

static int add_setting(const xmlNode *node, const char *section, const char *name,
		       const char *value, struct guest *guest, struct err *err)
{
	struct guest_setting *setting;
	int rc;

	if (guest->n_settings == GUEST_SETTINGS_MAX)
		return guest_xml_bad(node, err, "more than %d settings in <metadata>",
				     GUEST_SETTINGS_MAX);
	if (strlen(value) >= GUEST_SETTING_SIZE)
		return guest_xml_bad(node, err,
				     "a setting in <metadata> has %zu bytes, at most "
				     "%d are accepted",
				     strlen(value), GUEST_SETTING_SIZE - 1);
	setting = &guest->settings[guest->n_settings];
	rc = make_key(node, section, name, &setting->key, err);
	if (rc < 0)
		return rc;
	guest->n_settings++; /* guest_free() cares for it from here */
	setting->value = strdup(value);
	return setting->value ? 0 : err_sys(err, ENOMEM, "domain XML");
}

static int read_attributes(const xmlNode *node, const char *section, struct guest *guest,
			   struct err *err)
{
	const xmlAttr *attr;
	int rc = 0;

	for (attr = node->properties; attr && !rc; attr = attr->next) {
		cleanup_xml char *value = NULL;
		const char *name = (const char *)attr->name;

		if (attr->ns)
			continue;
		rc = guest_xml_attr(node, name, &value, err);
		if (!rc && value)
			rc = add_setting(node, section, name, value, guest, err);
	}
	return rc;
}

/* Text of an element as one setting; white space alone says nothing */
static int read_text(const xmlNode *node, const char *section, const char *name,
		     struct guest *guest, struct err *err)
{
	cleanup_xml char *value = NULL;
	int rc = guest_xml_text(node, &value, err);

	if (rc < 0 || !*value)
		return rc;
	return add_setting(node, section, name, value, guest, err);
}

static int read_section(const xmlNode *section, struct guest *guest, struct err *err)
{
	const char *name = (const char *)section->name;
	const xmlNode *node = first_element(section);
	int rc = read_attributes(section, name, guest, err);

	if (rc < 0)
		return rc;
	if (!node)
		return read_text(section, name, NULL, guest, err);
	for (; node && !rc; node = next_element(node))
		rc = read_text(node, name, (const char *)node->name, guest, err);
	return rc;
}

static bool is_section(const xmlNode *node)
{
	static const char *const names[] = { "hugepages", "ksm", "overcommit", "store" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp((const char *)node->name, names[i]))
			return true;
	return false;
}

static int read_top(const xmlNode *top, struct guest *guest, struct err *err)
{
	const xmlNode *node;
	int rc = 0;

	if (is_section(top))
		return read_section(top, guest, err);
	for (node = first_element(top); node && !rc; node = next_element(node))
		rc = read_section(node, guest, err);
	return rc;
}

int guest_metadata_read(const xmlNode *domain, struct guest *guest, struct err *err)
{
	const xmlNode *metadata = guest_xml_child(domain, "metadata");
	const xmlNode *node;
	int rc = 0;

	for (node = metadata ? metadata->children : NULL; node && !rc; node = node->next) {
		if (!is_ours(node))
			continue;
		if (!guest->settings)
			guest->settings = calloc(GUEST_SETTINGS_MAX, sizeof(*guest->settings));
		if (!guest->settings)
			return err_sys(err, ENOMEM, "domain XML");
		rc = read_top(node, guest, err);
	}
	return rc;
}

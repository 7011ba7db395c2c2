// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Questions to the configuration: what holds for the host, for one guest, and what is wrong.
 */
#include "config/config.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "config/config_data.h"
#include "guest/guest.h"

const struct config_hook *config_hook(const struct config *config)
{
	return &config->values.hook;
}

const struct config_hugepages *config_hugepages(const struct config *config)
{
	return &config->values.hugepages;
}

const struct config_ksm *config_ksm(const struct config *config)
{
	return &config->values.ksm;
}

const struct config_thp *config_thp(const struct config *config)
{
	return &config->values.thp;
}

const struct config_overcommit *config_overcommit(const struct config *config)
{
	return &config->values.overcommit;
}

const struct config_store *config_store_default(const struct config *config)
{
	/* A [store] section's keys go to its own entry, never here */
	return &config->values.store;
}

size_t config_stores(const struct config *config, const struct config_store **stores)
{
	*stores = config->stores;
	return config->n_stores;
}

static bool matches(const struct guest_section *section, const struct guest *guest)
{
	size_t i;

	for (i = 0; i < section->n_patterns; i++)
		if (!strcasecmp(section->patterns[i], guest->uuid) ||
		    !fnmatch(section->patterns[i], guest->name, 0))
			return true;
	return false;
}

/* Does a problem concern @guest when a plan uses @section? */
static bool concerns(const struct config *config, const struct problem *p,
		     const struct guest *guest, const char *section)
{
	if (!p->fatal)
		return false;
	if (p->guest == HOST)
		return p->section && !strcmp(p->section, section);
	if (p->section && strcmp(p->section, section) != 0)
		return false;
	return guest && matches(&config->guests[p->guest], guest);
}

/**
 * judge_setting() - What is wrong with one key of the guest's metadata
 * @scratch:	Where values are tried, with those of the keys before
 * @said:	Result.  @said->text is in @err
 * Return: false where nothing is wrong
 */
static bool judge_setting(const struct guest *guest, const struct guest_setting *s,
			  struct config_values *scratch, struct config_problem *said,
			  struct err *err)
{
	const struct config_key *key;
	uint64_t page_kib;
	int rc = config_key_find_for_guest(s->key, &key, &page_kib);

	*said = (struct config_problem){
		.mistake = !rc		? CONFIG_BAD_VALUE :
			   rc == -EPERM ? CONFIG_MISPLACED_KEY :
					  CONFIG_UNKNOWN_KEY,
		.text = err->text,
	};
	if (rc < 0) {
		err_set(err, EINVAL, "metadata of guest %s: %s '%.100s', ignored", guest->name,
			rc == -EPERM ? "only the host's administrator can set" : "unknown key",
			s->key);
		return true;
	}
	rc = key->set(key, page_kib, s->value, scratch);
	if (!rc)
		return false;
	config_key_refuse(err, "", s->key, s->value, key, rc);
	err_prefix(err, -EINVAL, "metadata of guest %s", guest->name);
	said->fatal = true;
	said->section = config_key_section(key);
	return true;
}

/* The first key of @section in the guest's metadata with a bad value */
static int check_metadata(const struct config *config, const struct guest *guest,
			  const char *section, struct err *err)
{
	struct config_values scratch = config->values;
	struct config_problem said;
	struct err text;
	size_t i;

	for (i = 0; i < guest->n_settings; i++)
		if (judge_setting(guest, &guest->settings[i], &scratch, &said, &text) &&
		    said.fatal && !strcmp(said.section, section))
			return err_set(err, EINVAL, "%s", said.text);
	return 0;
}

void config_for_each_guest_problem(const struct config *config, const struct guest *guest,
				   void (*problem)(const struct config_problem *problem,
						   void *data),
				   void *data)
{
	struct config_values scratch = config->values;
	struct config_problem said;
	struct err text;
	size_t i;

	for (i = 0; config->values.hook.allow_guest_metadata && i < guest->n_settings; i++)
		if (judge_setting(guest, &guest->settings[i], &scratch, &said, &text))
			problem(&said, data);
}

int config_check_section(const struct config *config, const struct guest *guest,
			 const char *section, struct err *err)
{
	size_t i;

	for (i = 0; i < config->n_problems; i++)
		if (concerns(config, &config->problems[i], guest, section))
			return err_set(err, EINVAL, "%s", config->problems[i].text);
	if (!guest || !config->values.hook.allow_guest_metadata)
		return 0;
	return check_metadata(config, guest, section, err);
}

static void apply_sections(const struct config *config, const struct guest *guest,
			   struct config_values *values)
{
	size_t i;

	for (i = 0; i < config->n_guests; i++)
		if (matches(&config->guests[i], guest))
			config_apply_settings(&config->guests[i].settings, values);
}

/* Bad values are left to config_check_section(), which knows whether they matter */
static void apply_metadata(const struct guest *guest, struct config_values *values)
{
	const struct config_key *key;
	uint64_t page_kib;
	size_t i;
	int rc;

	for (i = 0; i < guest->n_settings; i++) {
		const struct guest_setting *s = &guest->settings[i];

		rc = config_key_find_for_guest(s->key, &key, &page_kib);
		if (!rc)
			key->set(key, page_kib, s->value, values);
	}
}

int config_for_guest(const struct config *config, const struct guest *guest,
		     struct guest_policy *policy, struct err *err)
{
	struct config_values values = config->values;
	size_t i;

	for (i = 0; i < config->n_problems; i++) {
		const struct problem *p = &config->problems[i];

		if (p->fatal && p->guest == HOST && (!p->section || !strcmp(p->section, "hook")))
			return err_set(err, EINVAL, "%s", p->text);
	}
	if (guest) {
		apply_sections(config, guest, &values);
		if (values.hook.allow_guest_metadata)
			apply_metadata(guest, &values);
	}
	policy->hook = values.hook;
	policy->hugepages = values.hugepages;
	policy->ksm = values.ksm;
	policy->ksm_allowed = values.guest.ksm;
	policy->thp = values.thp;
	policy->overcommit = values.overcommit;
	memcpy(policy->store, values.guest.store, sizeof(policy->store));
	return 0;
}

void config_for_each_problem(const struct config *config,
			     void (*problem)(const struct config_problem *problem, void *data),
			     void *data)
{
	size_t i;

	for (i = 0; i < config->n_problems; i++) {
		const struct problem *p = &config->problems[i];
		const struct config_problem said = {
			.mistake = p->mistake,
			.text = p->text,
			.fatal = p->fatal,
			.section = p->section,
			.dispensable = p->dispensable,
		};

		problem(&said, data);
	}
}

uint64_t config_keep_free(const struct config_hugepages *hp, uint64_t page_kib)
{
	size_t i;

	for (i = 0; i < hp->n_keep_free; i++)
		if (hp->keep_free[i].page_kib == page_kib)
			return hp->keep_free[i].pages;
	return 0;
}

enum config_on_release config_on_release(const struct config_hugepages *hp, uint64_t page_kib)
{
	size_t i;

	for (i = 0; i < hp->n_on_release; i++)
		if (hp->on_release_for[i].page_kib == page_kib)
			return hp->on_release_for[i].action;
	return hp->on_release;
}

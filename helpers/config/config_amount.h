/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Amounts in the configuration: "8G", "5%", or nothing said.
 */
#ifndef MEMBACKING_CONFIG_CONFIG_AMOUNT_H
#define MEMBACKING_CONFIG_CONFIG_AMOUNT_H

#include <stddef.h>
#include <stdint.h>

/* "8G", "5%" or, with both 0, nothing said */
struct config_amount {
	uint64_t kib;
	uint32_t percent;
};

/* An empty text says nothing.  Return: 0 or -EINVAL; more than 100 % is none */
int config_amount_parse(const char *text, struct config_amount *amount);

/* In KiB; a percentage is one of @whole_kib */
uint64_t config_amount_of(const struct config_amount *amount, uint64_t whole_kib);

#define CONFIG_AMOUNT_SIZE 32

/* As people write it: "25%", "8 GiB"; "" for nothing said.  Return: @buf */
const char *config_amount_text(const struct config_amount *amount, char buf[CONFIG_AMOUNT_SIZE]);

#endif

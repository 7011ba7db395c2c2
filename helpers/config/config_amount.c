// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sizes and percentages, as people write them.
 */
#include "config/config_amount.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

int config_amount_parse(const char *text, struct config_amount *amount)
{
	size_t len = strlen(text);
	char digits[4] = "";
	uint64_t n;

	if (!len || text[len - 1] != '%')
		return len ? text_to_kib(text, &amount->kib) : 0;
	if (len > sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len - 1);
	if (text_to_u64(digits, &n) < 0 || n > 100)
		return -EINVAL;
	amount->percent = (uint32_t)n;
	return 0;
}

/* First the hundreds, so that no size is too large to be multiplied */
static uint64_t percent_of(uint64_t whole, uint32_t percent)
{
	return whole / 100 * percent + whole % 100 * percent / 100;
}

uint64_t config_amount_of(const struct config_amount *amount, uint64_t whole_kib)
{
	return amount->percent ? percent_of(whole_kib, amount->percent) : amount->kib;
}

const char *config_amount_text(const struct config_amount *amount, char buf[CONFIG_AMOUNT_SIZE])
{
	char kib[TEXT_KIB_SIZE];

	if (amount->percent)
		snprintf(buf, CONFIG_AMOUNT_SIZE, "%u%%", amount->percent);
	else
		snprintf(buf, CONFIG_AMOUNT_SIZE, "%s",
			 amount->kib ? text_from_kib(amount->kib, kib) : "");
	return buf;
}

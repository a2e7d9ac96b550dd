/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Words of 'qos set': lists of DSCPs and priorities, marks; see qos.h.
 */
#include "vswitch/qos.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const trusts[] = {
	[VS_TRUST_BOTH] = "both",
	[VS_TRUST_DSCP] = "dscp",
	[VS_TRUST_PCP] = "pcp",
	[VS_TRUST_NONE] = "none",
};

const char *vs_qos_trust_name(enum vs_qos_trust trust)
{
	return trusts[trust];
}

/* Decimal digits alone.  Returns the byte behind, or NULL. */
static const char *take_number(const char *p, unsigned max, unsigned *ret)
{
	unsigned n = 0;

	if (*p < '0' || *p > '9')
		return NULL;
	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (unsigned)(*p - '0');
		if (n > max)
			return NULL;
	}
	*ret = n;
	return p;
}

int vs_qos_list_parse(const char *text, unsigned max, uint64_t *ret_set)
{
	const char *p = text;
	uint64_t set = 0;

	for (;;) {
		unsigned first, last;

		p = take_number(p, max, &first);
		if (p == NULL)
			return -EINVAL;
		last = first;
		if (*p == '-')
			p = take_number(p + 1, max, &last);
		if (p == NULL || last < first)
			return -EINVAL;
		for (unsigned i = first; i <= last; i++)
			set |= UINT64_C(1) << i;
		if (*p == '\0')
			break;
		if (*p++ != ',')
			return -EINVAL;
	}
	*ret_set = set;
	return 0;
}

void vs_qos_list_format(uint64_t set, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0, last; i < 64; i = last + 1) {
		int n;

		last = i;
		if ((set >> i & 1) == 0)
			continue;
		while (last < 63 && (set >> (last + 1) & 1) != 0)
			last++;
		n = snprintf(text + used, size - used, last > i ? "%s%u-%u" : "%s%u",
			     used != 0 ? "," : "", i, last);
		if (n < 0 || (size_t)n >= size - used)
			return;
		used += (size_t)n;
	}
}

int vs_qos_mark_parse(const char *text, unsigned max, const char *other,
		      struct vs_qos_mark *ret_mark)
{
	const char *end;
	unsigned n;

	if (text == NULL || strcmp(text, other) == 0) {
		*ret_mark = (struct vs_qos_mark){text == NULL ? VS_MARK_KEEP : VS_MARK_OTHER, 0};
		return 0;
	}
	end = take_number(text, max, &n);
	if (end == NULL || *end != '\0')
		return -EINVAL;
	*ret_mark = (struct vs_qos_mark){VS_MARK_VALUE, (uint8_t)n};
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sets of VLANs as people write them; see model.h.
 */
#include "vswitch/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VLAN_MAX 4094

static int bad(struct err *err, const char *text)
{
	err_set(err, -EINVAL, "bad-vlans", "'%s' is not a list of VLANs", text);
	err_why(err, "a list is VLANs and ranges from 1 to %d, or the word all or none", VLAN_MAX);
	err_fix(err, "write it like 10,20-29");
	return -EINVAL;
}

static void add_range(uint64_t *set, unsigned from, unsigned to)
{
	for (unsigned v = from; v <= to; v++)
		dp_vlan_add(set, (uint16_t)v);
}

/* One "N" or "N-M" at *p, which it moves on. */
static bool parse_range(const char **p, unsigned *ret_from, unsigned *ret_to)
{
	char *end;
	unsigned long from, to;

	if (**p < '0' || **p > '9')
		return false;
	from = to = strtoul(*p, &end, 10);
	if (*end == '-') {
		if (end[1] < '0' || end[1] > '9')
			return false;
		to = strtoul(end + 1, &end, 10);
	}
	*p = end;
	*ret_from = (unsigned)from;
	*ret_to = (unsigned)to;
	return from >= 1 && from <= to && to <= VLAN_MAX;
}

int vs_vlans_parse(const char *text, uint64_t *ret_set, struct err *err)
{
	uint64_t set[DP_VLAN_WORDS] = {0};
	const char *p = text;
	unsigned from, to;

	if (strcmp(text, "all") == 0)
		add_range(set, 1, VLAN_MAX);
	else if (strcmp(text, "none") != 0)
		for (;; p++) {
			if (!parse_range(&p, &from, &to))
				return bad(err, text);
			add_range(set, from, to);
			if (*p == '\0')
				break;
			if (*p != ',')
				return bad(err, text);
		}
	memcpy(ret_set, set, sizeof(set));
	return 0;
}

char *vs_vlans_format(const uint64_t *set)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	const char *comma = "";
	unsigned n = 0;

	if (f == NULL)
		return NULL;
	for (unsigned v = 1; v <= VLAN_MAX; v++) {
		unsigned from = v;

		if (!dp_vlan_test(set, (uint16_t)v))
			continue;
		while (v < VLAN_MAX && dp_vlan_test(set, (uint16_t)(v + 1)))
			v++;
		n += v - from + 1;
		if (v == from)
			fprintf(f, "%s%u", comma, v);
		else
			fprintf(f, "%s%u-%u", comma, from, v);
		comma = ",";
	}
	if (fclose(f) != 0 || n == 0 || n == VLAN_MAX) {
		free(text);
		return strdup(n == VLAN_MAX ? "all" : "none");
	}
	return text;
}

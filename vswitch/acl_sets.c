/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sets of addresses: prefixes of both families, separated by spaces, commas or newlines; '#' begins
 * what says nothing, up to the line's end.  A prefix that another covers is left out: it says
 * nothing, and what is kept does not overlap.
 */
#include "vswitch/acl_words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PER_LINE 8

struct members {
	const char *name;
	const char *line; /* where the line under way begins */
	struct vs_acl_prefix *v;
	uint32_t n, room, max, number;
	struct err *err;
};

bool vs_acl_prefix_covers(const struct vs_acl_prefix *a, const struct vs_acl_prefix *b)
{
	unsigned bytes = a->len / 8, bits = a->len % 8;

	if (a->ip.v6 != b->ip.v6 || a->len > b->len || memcmp(a->ip.b, b->ip.b, bytes) != 0)
		return false;
	return bits == 0 || ((a->ip.b[bytes] ^ b->ip.b[bytes]) >> (8 - bits)) == 0;
}

/* IPv4 first; the shorter of two that begin alike. */
int vs_acl_prefix_compare(const void *a, const void *b)
{
	const struct vs_acl_prefix *x = a, *y = b;
	int rc;

	if (x->ip.v6 != y->ip.v6)
		return x->ip.v6 ? 1 : -1;
	rc = memcmp(x->ip.b, y->ip.b, sizeof(x->ip.b));
	return rc != 0 ? rc : (int)x->len - (int)y->len;
}

static int fail(struct members *m, const char *at, size_t n, const char *why)
{
	err_set(m->err, -EINVAL, "bad-address", "%.100s:%u:%u: '%.*s' is %s", m->name, m->number,
		vs_acl_column(m->line, (size_t)(at - m->line)), n < 60 ? (int)n : 60, at, why);
	err_why(m->err, "a set has addresses and prefixes: 10.0.0.1 10.1.0.0/16 fd00::/64");
	return -EINVAL;
}

static int make_room(struct members *m)
{
	uint32_t room = m->room == 0 ? 64 : 2 * m->room;
	struct vs_acl_prefix *v;

	if (m->n >= m->max) {
		err_set(m->err, -ENOSPC, "limit", "%.100s:%u: more than %u addresses", m->name,
			m->number, m->max);
		err_why(m->err, "all sets together have %u at most", VS_MAX_SET_ADDRESSES);
		err_fix(m->err, "write neighbours as one prefix");
		return -ENOSPC;
	}
	if (m->n < m->room)
		return 0;
	v = realloc(m->v, room * sizeof(*v));
	if (v == NULL)
		return err_set(m->err, -ENOMEM, "no-memory", "no memory for the addresses");
	m->v = v;
	m->room = room;
	return 0;
}

static int member_read(struct members *m, const char *p, size_t n)
{
	const char *why;
	int rc = make_room(m);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < 0x20 || (unsigned char)p[i] >= 0x7f)
			return fail(m, p, i, "followed by what is no text");
	why = vs_acl_prefix_read(p, n, &m->v[m->n]);
	if (why != NULL)
		return fail(m, p, n, why);
	m->n++;
	return 0;
}

static bool separates(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == ',';
}

static int line_read(struct members *m, const char *p, const char *end)
{
	int rc = 0;

	m->number++;
	m->line = p;
	while (rc == 0 && p < end) {
		const char *start;

		while (p < end && separates(*p))
			p++;
		if (p == end || *p == '#')
			return 0;
		start = p;
		while (p < end && !separates(*p) && *p != '#')
			p++;
		rc = member_read(m, start, (size_t)(p - start));
	}
	return rc;
}

static void leave_out_covered(struct members *m)
{
	uint32_t n = 0;
	bool sorted = true;

	for (uint32_t i = 1; i < m->n; i++)
		sorted = sorted && vs_acl_prefix_compare(&m->v[i - 1], &m->v[i]) < 0;
	if (!sorted)
		qsort(m->v, m->n, sizeof(*m->v), vs_acl_prefix_compare);
	for (uint32_t i = 0; i < m->n; i++)
		if (n == 0 || !vs_acl_prefix_covers(&m->v[n - 1], &m->v[i]))
			m->v[n++] = m->v[i];
	m->n = n;
}

int vs_acl_set_read(const char *name, const char *text, size_t size, uint32_t max,
		    struct vs_acl_prefix **ret_prefixes, uint32_t *ret_n, struct err *err)
{
	struct members m = {.name = name, .max = max, .err = err};
	const char *p = text, *end = text + size;
	int rc = 0;

	while (rc == 0 && p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *stop = newline != NULL ? newline : end;

		rc = line_read(&m, p, stop);
		p = stop + 1;
	}
	if (rc != 0) {
		free(m.v);
		return rc;
	}
	leave_out_covered(&m);
	*ret_prefixes = m.v;
	*ret_n = m.n;
	return 0;
}

char *vs_acl_set_format(const struct vs_acl_prefix *prefixes, uint32_t n)
{
	size_t room = (size_t)n * VS_ACL_PREFIX_SIZE + 1, used = 0;
	char *text = malloc(room), *fits;

	if (text == NULL)
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		if (i != 0)
			text[used++] = i % PER_LINE == 0 ? '\n' : ' ';
		vs_acl_prefix_format(&prefixes[i], text + used);
		used += strlen(text + used);
	}
	text[used] = '\0';
	fits = realloc(text, used + 1);
	return fits != NULL ? fits : text;
}

const struct vs_acl_prefix *vs_acl_set_find(const struct vs_acl_set *set, const struct dp_ip *ip)
{
	struct vs_acl_prefix want = {.ip = *ip, .len = ip->v6 ? 128 : 32};
	uint32_t low = 0, high = set->n;

	/* The last that is not behind it. */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (vs_acl_prefix_compare(&set->prefixes[mid], &want) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || !vs_acl_prefix_covers(&set->prefixes[low - 1], &want))
		return NULL;
	return &set->prefixes[low - 1];
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Many entries of access lists: one a line, in files as in the configuration.  Empty lines, and
 * lines that begin with '#', say nothing.
 */
#include "vswitch/acl_words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An entry and the line that it came from. */
struct line {
	struct vs_acl_entry e;
	uint32_t number;
};

struct lines {
	const char *name;
	const struct vs_acl_conf *conf;
	struct line *v;
	uint32_t n, room, max;
	uint32_t number; /* of the line under way */
	uint32_t last;	 /* order of the entry before it */
	struct err *err;
};

void vs_acl_entries_free(struct vs_acl_entry *entries, uint32_t n)
{
	for (uint32_t i = 0; entries != NULL && i < n; i++)
		vs_acl_entry_fini(&entries[i]);
	free(entries);
}

/* "FILE:LINE:COLUMN: " before what is said. */
static int fail_at(struct lines *l, unsigned column)
{
	char what[sizeof(l->err->what)];

	if (l->err == NULL)
		return -EINVAL;
	memcpy(what, l->err->what, sizeof(what));
	snprintf(l->err->what, sizeof(l->err->what), "%.100s:%u:%u: %.180s", l->name, l->number,
		 column, what);
	return l->err->code;
}

static int make_room(struct lines *l)
{
	uint32_t room = l->room == 0 ? 64 : 2 * l->room;
	struct line *v;

	if (l->n >= l->max) {
		err_set(l->err, -ENOSPC, "limit", "more than %u entries", l->max);
		err_why(l->err, "all lists together have %u at most", VS_MAX_ACL_ENTRIES);
		err_fix(l->err, "say addresses as a set: one entry with @SET for all of them; "
				"vswitchctl ipset load --help");
		fail_at(l, 1);
		return -ENOSPC;
	}
	if (l->n < l->room)
		return 0;
	v = realloc(l->v, room * sizeof(*v));
	if (v == NULL)
		return err_set(l->err, -ENOMEM, "no-memory", "no memory for the entries");
	l->v = v;
	l->room = room;
	return 0;
}

static int order_default(struct lines *l, struct vs_acl_entry *e)
{
	if (e->order == 0 && l->last > VS_ACL_MAX_ORDER - VS_ACL_STEP) {
		err_set(l->err, -EINVAL, "bad-entry", "no order is left behind %u", l->last);
		err_fix(l->err, "write orders before the entries");
		vs_acl_entry_fini(e);
		return fail_at(l, 1);
	}
	if (e->order == 0)
		e->order = l->last + VS_ACL_STEP;
	l->last = e->order;
	return 0;
}

static bool says_nothing(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && (p[i] == ' ' || p[i] == '\t' || p[i] == '\r'))
		i++;
	return i == n || p[i] == '#';
}

/* Bytes that no text has: a file of something else. */
static int check_text(struct lines *l, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if ((c >= 0x20 && c != 0x7f) || c == '\t' || c == '\r')
			continue;
		err_set(l->err, -EINVAL, "bad-entry", "byte 0x%02x is not text", c);
		err_why(l->err, "a file of entries has one a line, as text");
		return fail_at(l, vs_acl_column(p, i));
	}
	return 0;
}

static int line_read(struct lines *l, const char *p, size_t n)
{
	struct vs_acl_entry e;
	size_t at = 0;
	int rc = check_text(l, p, n);

	if (rc != 0 || says_nothing(p, n))
		return rc;
	rc = make_room(l);
	if (rc != 0)
		return rc;
	rc = vs_acl_entry_read(p, n, l->conf, &e, &at, l->err);
	if (rc != 0) {
		fail_at(l, vs_acl_column(p, at));
		return rc;
	}
	rc = order_default(l, &e);
	if (rc == 0)
		l->v[l->n++] = (struct line){.e = e, .number = l->number};
	return rc;
}

static int compare(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->e.order != y->e.order)
		return x->e.order < y->e.order ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

static int check_orders(struct lines *l)
{
	bool sorted = true;

	for (uint32_t i = 1; i < l->n; i++)
		sorted = sorted && l->v[i - 1].e.order < l->v[i].e.order;
	if (sorted)
		return 0;
	qsort(l->v, l->n, sizeof(*l->v), compare);
	for (uint32_t i = 1; i < l->n; i++) {
		if (l->v[i - 1].e.order != l->v[i].e.order)
			continue;
		l->number = l->v[i].number;
		err_set(l->err, -EEXIST, "exists", "order %u is taken: line %u has it",
			l->v[i].e.order, l->v[i - 1].number);
		err_why(l->err, "packets meet entries by their order, so each has one of its own");
		fail_at(l, 1);
		return -EEXIST;
	}
	return 0;
}

static void forget(struct lines *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		vs_acl_entry_fini(&l->v[i].e);
	free(l->v);
}

/* What is kept has no line numbers. */
static int hand_over(struct lines *l, struct vs_acl_entry **ret_entries, uint32_t *ret_n)
{
	struct vs_acl_entry *entries = malloc(((size_t)l->n + 1) * sizeof(*entries));

	if (entries == NULL)
		return err_set(l->err, -ENOMEM, "no-memory", "no memory for the entries");
	for (uint32_t i = 0; i < l->n; i++)
		entries[i] = l->v[i].e;
	*ret_entries = entries;
	*ret_n = l->n;
	free(l->v);
	return 0;
}

int vs_acl_lines_read(const char *name, const char *text, size_t size,
		      const struct vs_acl_conf *conf, uint32_t max,
		      struct vs_acl_entry **ret_entries, uint32_t *ret_n, struct err *err)
{
	struct lines l = {.name = name, .conf = conf, .max = max, .err = err};
	const char *p = text, *end = text + size;
	int rc = 0;

	while (rc == 0 && p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t n = newline != NULL ? (size_t)(newline - p) : (size_t)(end - p);

		l.number++;
		rc = line_read(&l, p, n);
		p += n + 1;
	}
	if (rc == 0)
		rc = check_orders(&l);
	if (rc == 0)
		rc = hand_over(&l, ret_entries, ret_n);
	if (rc != 0)
		forget(&l);
	return rc;
}

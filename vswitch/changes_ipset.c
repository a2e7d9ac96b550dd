/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes of sets of addresses; see changes_acl.h.  A set's addresses are one text, in their normal
 * form: ascending, none within another.
 */
#include "vswitch/changes_acl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "no-memory", "no memory");
}

struct members {
	struct vs_acl_prefix *v;
	uint32_t n;
};

static int members_read(const char *name, const json_t *text, struct members *m, struct err *err)
{
	*m = (struct members){0};
	if (text == NULL)
		return 0;
	return vs_acl_set_read(name, json_string_value(text), json_string_length(text),
			       VS_MAX_SET_ADDRESSES, &m->v, &m->n, err);
}

static int members_write(json_t *body, const struct members *m, struct err *err)
{
	char *text;

	if (m->n == 0) {
		json_object_del(body, "members");
		return 0;
	}
	text = vs_acl_set_format(m->v, m->n);
	if (text == NULL)
		return no_memory(err);
	json_object_set_new(body, "members", json_string(text));
	free(text);
	return 0;
}

/* Addresses that were given as words, as one text. */
static json_t *join(const json_t *words, const json_t *text)
{
	char *joined = NULL;
	size_t size = 0, i;
	FILE *f = open_memstream(&joined, &size);
	json_t *item, *ret = NULL;

	if (f == NULL)
		return NULL;
	if (text != NULL)
		fprintf(f, "%s\n", json_string_value(text));
	json_array_foreach(words, i, item)
		fprintf(f, "%s%s", i != 0 ? " " : "", json_string_value(item));
	if (fclose(f) == 0)
		ret = json_string(joined);
	free(joined);
	return ret;
}

/* "address" and "members" of a body become its members. */
static int normalise(const char *name, json_t *body, struct err *err)
{
	const json_t *words = json_object_get(body, "address");
	json_t *text = words != NULL ? join(words, json_object_get(body, "members"))
				     : json_incref(json_object_get(body, "members"));
	struct members m;
	int rc;

	if (words != NULL && text == NULL)
		return no_memory(err);
	json_object_del(body, "address");
	rc = members_read(name, text, &m, err);
	json_decref(text);
	if (rc == 0)
		rc = members_write(body, &m, err);
	free(m.v);
	return rc;
}

int vs_change_ipset_add(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err)
{
	const char *name = param(params, "name");
	json_t *body = json_deep_copy(params);
	int rc = 0;

	if (conf_edit_get(state, "ipset", name) == NULL)
		rc = normalise(name, body, err);
	if (rc == 0)
		return conf_edit_add(state, "ipset", name, body, err);
	json_decref(body);
	return rc;
}

int vs_change_ipset_set(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err)
{
	const char *name = param(params, "name");
	json_t *body = conf_edit_get(state, "ipset", name);
	int rc;

	if (body == NULL)
		return conf_refuse_missing(state, "ipset", name, "", err);
	rc = vs_change_set_body(body, params, "ipset", err);
	return rc == 0 ? normalise(name, body, err) : rc;
}

/* ---- Who names it ---- */

static bool names_set(const struct vs_acl_entry *v, uint32_t n, const char *name,
		      uint32_t *ret_order)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct vs_acl_set *src = v[i].src.set, *dst = v[i].dst.set;

		*ret_order = v[i].order;
		if ((src != NULL && strcmp(src->name, name) == 0) ||
		    (dst != NULL && strcmp(dst->name, name) == 0))
			return true;
	}
	return false;
}

/* Does the list of 'body' name the set?  Text without "@NAME" need not be read. */
static bool list_names(const struct vs_acl_conf *names, const json_t *body, const char *name,
		       uint32_t *ret_order)
{
	const json_t *text = json_object_get(body, "entries");
	struct vs_acl_entry *v = NULL;
	char word[80];
	uint32_t n = 0;
	bool found;

	snprintf(word, sizeof(word), "@%s", name);
	if (text == NULL || strstr(json_string_value(text), word) == NULL ||
	    vs_acl_lines_read("", json_string_value(text), json_string_length(text), names,
			      VS_MAX_ACL_ENTRIES, &v, &n, NULL) != 0)
		return false;
	found = names_set(v, n, name, ret_order);
	vs_acl_entries_free(v, n);
	return found;
}

static int refuse_used(const json_t *state, const char *name, struct err *err)
{
	json_t *lists = json_object_get(state, "acl"), *body;
	struct vs_acl_conf names;
	uint32_t order = 0;
	const char *list;
	int rc = vs_acl_names(state, &names, err);

	if (rc != 0)
		return rc;
	json_object_foreach(lists, list, body) {
		if (!list_names(&names, body, name, &order))
			continue;
		rc = err_set(err, -EBUSY, "in-use",
			     "cannot remove ipset %s: entry %u of acl %s names it", name, order,
			     list);
		err_why(err, "the entry would mean nothing without it");
		err_fix(err, "vswitchctl acl entry remove %s %u; then remove it", list, order);
		break;
	}
	free(names.sets);
	return rc;
}

int vs_change_ipset_remove(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			   struct err *err)
{
	const char *name = param(params, "name");
	int rc = 0;

	if (conf_edit_get(state, "ipset", name) != NULL)
		rc = refuse_used(state, name, err);
	return rc == 0 ? conf_edit_remove(state, "ipset", name, err) : rc;
}

/* ---- Members ---- */

static int given_read(const char *name, const json_t *params, struct members *m, struct err *err)
{
	json_t *text = join(json_object_get(params, "address"), NULL);
	int rc = text != NULL ? members_read(name, text, m, err) : no_memory(err);

	json_decref(text);
	return rc;
}

int vs_change_ipset_include(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			    struct err *err)
{
	const char *name = param(params, "name");
	json_t *body = conf_edit_get(state, "ipset", name), *text;
	struct members m = {0};
	int rc;

	if (body == NULL)
		return conf_refuse_missing(state, "ipset", name, "", err);
	text = join(json_object_get(params, "address"), json_object_get(body, "members"));
	rc = text != NULL ? members_read(name, text, &m, err) : no_memory(err);
	json_decref(text);
	if (rc == 0)
		rc = members_write(body, &m, err);
	if (rc == 0)
		*ret_result = json_pack("{sI}", "addresses", (json_int_t)m.n);
	free(m.v);
	return rc;
}

static const struct vs_acl_prefix *find(const struct members *m, const struct vs_acl_prefix *p)
{
	return bsearch(p, m->v, m->n, sizeof(*m->v), vs_acl_prefix_compare);
}

static int refuse_no_member(const char *name, const struct members *m,
			    const struct vs_acl_prefix *p, struct err *err)
{
	const struct vs_acl_set set = {.n = m->n, .prefixes = m->v};
	const struct vs_acl_prefix *in = vs_acl_set_find(&set, &p->ip);
	char one[VS_ACL_PREFIX_SIZE], other[VS_ACL_PREFIX_SIZE];

	vs_acl_prefix_format(p, one);
	err_set(err, -ENOENT, "not-found", "ipset %s has no member %s", name, one);
	if (in != NULL && vs_acl_prefix_covers(in, p)) {
		vs_acl_prefix_format(in, other);
		err_why(err, "its member %s has it within; a part of a prefix cannot be taken out",
			other);
		err_fix(err, "vswitchctl ipset exclude %s %s; then include what is left of it",
			name, other);
	} else {
		err_fix(err, "vswitchctl ipset show %s", name);
	}
	return -ENOENT;
}

/* 'm' without 'gone', which it has. */
static void take_out(struct members *m, const struct members *gone)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->n; i++)
		if (find(gone, &m->v[i]) == NULL)
			m->v[n++] = m->v[i];
	m->n = n;
}

int vs_change_ipset_exclude(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			    struct err *err)
{
	const char *name = param(params, "name");
	json_t *body = conf_edit_get(state, "ipset", name);
	struct members m = {0}, gone = {0};
	int rc;

	if (body == NULL)
		return conf_refuse_missing(state, "ipset", name, "", err);
	rc = given_read(name, params, &gone, err);
	if (rc == 0)
		rc = members_read(name, json_object_get(body, "members"), &m, err);
	for (uint32_t i = 0; rc == 0 && i < gone.n; i++)
		if (find(&m, &gone.v[i]) == NULL)
			rc = refuse_no_member(name, &m, &gone.v[i], err);
	if (rc == 0) {
		take_out(&m, &gone);
		rc = members_write(body, &m, err);
	}
	if (rc == 0)
		*ret_result = json_pack("{sI}", "addresses", (json_int_t)m.n);
	free(m.v);
	free(gone.v);
	return rc;
}

int vs_change_ipset_load(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err)
{
	const char *name = param(params, "name");
	json_t *body = conf_edit_get(state, "ipset", name), *given;
	const json_t *text = NULL;
	struct members m = {0};
	int rc;

	if (body == NULL) {
		conf_refuse_missing(state, "ipset", name, "", err);
		err_fix(err, "vswitchctl ipset add %s --members FILE",
			name != NULL ? name : "NAME");
		return -ENOENT;
	}
	given = json_copy((json_t *)(uintptr_t)params);
	rc = vs_change_file_text(given, &text, err);
	if (rc == 0)
		rc = members_read(vs_change_file_name(params), text, &m, err);
	if (rc == 0 && m.n == 0) {
		rc = err_set(err, -EINVAL, "empty-file", "%.200s has no addresses",
			     vs_change_file_name(params));
		err_why(err, "more likely what should have written it failed than that the set is "
			     "to be empty");
		err_fix(err, "to empty the set: vswitchctl ipset set %s --default members", name);
	}
	if (rc == 0)
		rc = members_write(body, &m, err);
	if (rc == 0)
		*ret_result = json_pack("{sI}", "addresses", (json_int_t)m.n);
	free(m.v);
	json_decref(given);
	return rc;
}

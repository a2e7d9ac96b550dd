/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes of access lists and of where they are attached; see changes.h.  Sets of addresses are in
 * changes_ipset.c.
 *
 * Entries are kept in their normal form: each change reads the list's text, edits the entries, and
 * writes them again.
 */
#include "vswitch/changes_acl.h"

#include "ctl/base/sealed.h"
#include "ctl/server.h"
#include "ctl/spec.h"
#include "vswitch/object_copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "no-memory", "no memory");
}

/* ---- Files ---- */

/* The line that is no UTF-8. */
static int not_utf8(const char *name, const char *text, size_t size, struct err *err)
{
	const char *p = text, *end = text + size;
	unsigned line = 0;

	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t n = newline != NULL ? (size_t)(newline - p) : (size_t)(end - p);
		json_t *good = json_stringn(p, n);

		line++;
		if (good == NULL)
			break;
		json_decref(good);
		p += n + 1;
	}
	err_set(err, -EINVAL, "not-text", "%.200s:%u:1: not UTF-8 text", name, line);
	err_why(err, "entries and addresses are text, one a line");
	return -EINVAL;
}

static int text_put(json_t *params, const char *text, size_t size, struct err *err)
{
	const char *file = vs_change_file_name(params);
	json_t *value = json_stringn(size != 0 ? text : "", size);

	if (value == NULL)
		return not_utf8(file, text, size, err);
	json_object_set_new(params, "text", value);
	return 0;
}

const char *vs_change_file_name(const json_t *params)
{
	const char *file = param(params, "file");

	return file == NULL || strcmp(file, "-") == 0 ? "standard input" : file;
}

int vs_change_acl_take(void *ctx, struct ctl_call *call, json_t *params, struct err *err)
{
	const char *noun = ctl_call_spec(call)->noun;
	bool ours = strcmp(noun, "acl") == 0 || strcmp(noun, "ipset") == 0;
	int fd = ours ? ctl_call_take_fd(call) : -1, rc;
	struct sealed came;

	if (fd < 0)
		return 0;
	rc = sealed_map(fd, VS_ACL_MAX_TEXT, &came, err);
	close(fd);
	if (rc != 0)
		return rc;
	rc = text_put(params, came.text, came.size, err);
	sealed_unmap(&came);
	return rc;
}

int vs_change_file_text(json_t *params, const json_t **ret_text, struct err *err)
{
	struct vs_bytes bytes = {0};
	int rc = 0;

	if (json_object_get(params, "text") == NULL) {
		rc = vs_file_read(param(params, "file"), VS_ACL_MAX_TEXT, 0004, &bytes, err);
		if (rc == 0)
			rc = text_put(params, bytes.bytes, bytes.size, err);
		vs_bytes_free(&bytes);
	}
	*ret_text = json_object_get(params, "text");
	return rc;
}

/* ---- Entries ---- */

/* A list under change.  Its entries refer to the sets of 'names'. */
struct list {
	struct vs_acl_conf names;
	struct vs_acl_entry *v;
	uint32_t n;
};

static void list_free(struct list *list)
{
	vs_acl_entries_free(list->v, list->n);
	free(list->names.sets);
	*list = (struct list){0};
}

static int list_read(const json_t *state, const char *name, const json_t *text, struct list *list,
		     struct err *err)
{
	int rc;

	*list = (struct list){0};
	rc = vs_acl_names(state, &list->names, err);
	if (rc != 0 || text == NULL)
		return rc;
	return vs_acl_lines_read(name, json_string_value(text), json_string_length(text),
				 &list->names, VS_MAX_ACL_ENTRIES, &list->v, &list->n, err);
}

static int list_write(json_t *body, const struct list *list, struct err *err)
{
	char *text;

	if (list->n == 0) {
		json_object_del(body, "entries");
		return 0;
	}
	text = vs_acl_lines_format(list->v, list->n);
	if (text == NULL)
		return no_memory(err);
	json_object_set_new(body, "entries", json_string(text));
	free(text);
	return 0;
}

/* A body's entries in their normal form. */
static int normalise(const json_t *state, const char *name, json_t *body, struct err *err)
{
	struct list list;
	int rc = list_read(state, name, json_object_get(body, "entries"), &list, err);

	if (rc == 0)
		rc = list_write(body, &list, err);
	list_free(&list);
	return rc;
}

int vs_change_acl_add(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		      struct err *err)
{
	const char *name = param(params, "name");
	json_t *body = json_deep_copy(params);
	int rc = 0;

	if (conf_edit_get(state, "acl", name) == NULL)
		rc = normalise(state, name, body, err);
	if (rc == 0)
		return conf_edit_add(state, "acl", name, body, err);
	json_decref(body);
	return rc;
}

int vs_change_set_body(json_t *body, const json_t *params, const char *noun, struct err *err)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_object_size(params) < 2) {
		err_set(err, -EINVAL, "usage", "%s set %s: nothing to change", noun,
			param(params, "name"));
		err_fix(err, "vswitchctl %s set --help", noun);
		return -EINVAL;
	}
	json_object_foreach((json_t *)(uintptr_t)params, key, value) {
		if (strcmp(key, "default") != 0)
			json_object_set(body, key, value);
	}
	json_array_foreach(json_object_get(params, "default"), i, value)
		json_object_del(body, json_string_value(value));
	return 0;
}

int vs_change_acl_set(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		      struct err *err)
{
	const char *name = param(params, "name");
	json_t *body = conf_edit_get(state, "acl", name);
	int rc;

	if (body == NULL)
		return conf_refuse_missing(state, "acl", name, "", err);
	rc = vs_change_set_body(body, params, "acl", err);
	return rc == 0 ? normalise(state, name, body, err) : rc;
}

/* The words of an entry as one text.  A word with spaces was in quotes, as notes are. */
static char *join(const json_t *words)
{
	char *text = NULL;
	size_t size = 0, i;
	FILE *f = open_memstream(&text, &size);
	json_t *item;

	if (f == NULL)
		return NULL;
	json_array_foreach(words, i, item) {
		const char *word = json_string_value(item);
		bool quoted =
			json_array_size(words) > 1 && word[0] != '"' && strchr(word, ' ') != NULL;

		fprintf(f, quoted ? "%s\"%s\"" : "%s%s", i != 0 ? " " : "", word);
	}
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* note word -> note "word": a shell took the quotes. */
static char *entry_text(const json_t *words)
{
	size_t n = json_array_size(words);
	const char *note = n > 2 ? json_string_value(json_array_get(words, n - 2)) : NULL;
	const char *last = n > 2 ? json_string_value(json_array_get(words, n - 1)) : NULL;
	json_t *copy, *quoted;
	char *text;

	if (note == NULL || strcmp(note, "note") != 0 || last[0] == '"' ||
	    strchr(last, ' ') != NULL)
		return join(words);
	copy = json_copy((json_t *)(uintptr_t)words);
	quoted = json_sprintf("\"%s\"", last);
	json_array_set_new(copy, n - 1, quoted);
	text = join(copy);
	json_decref(copy);
	return text;
}

/* Where an entry of this order is, or would be. */
static uint32_t place_of(const struct list *list, uint32_t order, bool *ret_taken)
{
	uint32_t i = 0;

	while (i < list->n && list->v[i].order < order)
		i++;
	*ret_taken = i < list->n && list->v[i].order == order;
	return i;
}

static int refuse_taken(const char *name, const struct vs_acl_entry *e, struct err *err)
{
	char *text = vs_acl_entry_format(e);

	err_set(err, -EEXIST, "exists", "acl %s has an entry %u", name, e->order);
	err_why(err, "%.250s", text != NULL ? text : "");
	err_fix(err, "take another order, leave it out, or say --replace");
	free(text);
	return -EEXIST;
}

/* Takes 'e', also on failure. */
static int list_insert(struct list *list, const char *name, struct vs_acl_entry *e, bool replace,
		       struct err *err)
{
	uint32_t last = list->n != 0 ? list->v[list->n - 1].order : 0, at;
	struct vs_acl_entry *v;
	bool taken;

	if (e->order == 0 && last <= VS_ACL_MAX_ORDER - VS_ACL_STEP)
		e->order = last + VS_ACL_STEP;
	if (e->order == 0) {
		vs_acl_entry_fini(e);
		return err_set(err, -ENOSPC, "limit", "acl %s: no order is left behind %u", name,
			       last);
	}
	at = place_of(list, e->order, &taken);
	if (taken && !replace) {
		vs_acl_entry_fini(e);
		return refuse_taken(name, &list->v[at], err);
	}
	v = realloc(list->v, ((size_t)list->n + 1) * sizeof(*v));
	if (v == NULL) {
		vs_acl_entry_fini(e);
		return no_memory(err);
	}
	list->v = v;
	if (taken) {
		vs_acl_entry_fini(&v[at]);
	} else {
		memmove(&v[at + 1], &v[at], (list->n - at) * sizeof(*v));
		list->n++;
	}
	v[at] = *e;
	return 0;
}

static int entry_read(const struct list *list, const json_t *params, struct vs_acl_entry *ret,
		      struct err *err)
{
	char *text = entry_text(json_object_get(params, "text"));
	int rc = text != NULL ? vs_acl_entry_parse(text, &list->names, ret, err) : no_memory(err);

	free(text);
	return rc;
}

int vs_change_acl_entry_add(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			    struct err *err)
{
	const char *name = param(params, "name");
	json_t *body = conf_edit_get(state, "acl", name);
	struct vs_acl_entry e;
	struct list list;
	int rc;

	if (body == NULL)
		return conf_refuse_missing(state, "acl", name, "", err);
	rc = list_read(state, name, json_object_get(body, "entries"), &list, err);
	if (rc == 0)
		rc = entry_read(&list, params, &e, err);
	if (rc == 0)
		rc = list_insert(&list, name, &e, json_is_true(json_object_get(params, "replace")),
				 err);
	if (rc == 0)
		rc = list_write(body, &list, err);
	if (rc == 0)
		*ret_result = json_pack("{sI}", "order", (json_int_t)e.order);
	list_free(&list);
	return rc;
}

int vs_change_acl_entry_remove(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			       struct err *err)
{
	const char *name = param(params, "name");
	uint32_t order = (uint32_t)json_integer_value(json_object_get(params, "order")), at;
	json_t *body = conf_edit_get(state, "acl", name);
	struct list list;
	bool there;
	int rc;

	if (body == NULL)
		return conf_refuse_missing(state, "acl", name, "", err);
	rc = list_read(state, name, json_object_get(body, "entries"), &list, err);
	at = place_of(&list, order, &there);
	if (rc == 0 && there) {
		vs_acl_entry_fini(&list.v[at]);
		list.n--;
		memmove(&list.v[at], &list.v[at + 1], (list.n - at) * sizeof(*list.v));
		rc = list_write(body, &list, err);
	} else if (rc == 0) {
		rc = err_set(err, -ENOENT, "not-found", "acl %s has no entry %u", name, order);
		err_fix(err, "vswitchctl acl show %s", name);
	}
	list_free(&list);
	return rc;
}

int vs_change_acl_import(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err)
{
	const char *name = param(params, "name");
	json_t *body = conf_edit_get(state, "acl", name), *given;
	const json_t *text = NULL;
	struct list list = {0};
	int rc;

	if (body == NULL) {
		conf_refuse_missing(state, "acl", name, "", err);
		err_fix(err, "vswitchctl acl add %s --entries FILE", name != NULL ? name : "NAME");
		return -ENOENT;
	}
	given = json_copy((json_t *)(uintptr_t)params);
	rc = vs_change_file_text(given, &text, err);
	if (rc == 0)
		rc = list_read(state, vs_change_file_name(params), text, &list, err);
	if (rc == 0 && list.n == 0) {
		rc = err_set(err, -EINVAL, "empty-file", "%.200s has no entries",
			     vs_change_file_name(params));
		err_why(err, "more likely what should have written it failed than that the list is "
			     "to say nothing");
		err_fix(err, "to empty the list: vswitchctl acl set %s --default entries", name);
	}
	if (rc == 0)
		rc = list_write(body, &list, err);
	if (rc == 0)
		*ret_result = json_pack("{sI}", "entries", (json_int_t)list.n);
	list_free(&list);
	json_decref(given);
	return rc;
}

/* ---- Where they are attached ---- */

/* "port web1 (egress)" of a binding's body. */
static void where_of(const json_t *body, char *text, size_t size)
{
	const char *port = param(body, "port"), *tenant = param(body, "tenant"),
		   *direction = param(body, "direction");

	text[0] = '\0';
	if (port != NULL || tenant != NULL)
		snprintf(text, size, "%s %s%s%s%s", port != NULL ? "port" : "tenant",
			 port != NULL ? port : tenant, direction != NULL ? " (" : "",
			 direction != NULL ? direction : "", direction != NULL ? ")" : "");
}

static int refuse_attached(const json_t *state, const char *name, struct err *err)
{
	json_t *objects = json_object_get(state, "acl-binding"), *body;
	char text[300] = "", one[120];
	const char *key;
	unsigned n = 0;

	json_object_foreach(objects, key, body) {
		if (strcmp(param(body, "name"), name) != 0)
			continue;
		where_of(body, one, sizeof(one));
		if (n++ < 3)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 n > 1 ? ", " : "", one);
	}
	if (n == 0)
		return 0;
	err_set(err, -EBUSY, "attached", "cannot remove acl %s: it is attached to %.200s%s", name,
		text, n > 3 ? ", .." : "");
	err_why(err, "packets would pass there, or be stopped, without it");
	err_fix(err, "vswitchctl acl detach %s ..; then remove it", name);
	return -EBUSY;
}

int vs_change_acl_remove(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err)
{
	const char *name = param(params, "name");
	int rc = 0;

	if (conf_edit_get(state, "acl", name) != NULL)
		rc = refuse_attached(state, name, err);
	return rc == 0 ? conf_edit_remove(state, "acl", name, err) : rc;
}

int vs_change_acl_attach(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err)
{
	char *name = ctl_spec_object_name(ctl_spec_of_kind("acl-binding"), params), where[160];
	int rc;

	if (name == NULL)
		return no_memory(err);
	if (conf_edit_get(state, "acl-binding", name) != NULL) {
		where_of(params, where, sizeof(where));
		rc = err_set(err, -EEXIST, "exists", "acl %s is attached to %s already",
			     param(params, "name"), where);
		err_fix(err, "vswitchctl acl list; acl move changes its order, acl detach takes it "
			     "away");
	} else {
		rc = conf_edit_add(state, "acl-binding", name, json_deep_copy(params), err);
	}
	free(name);
	return rc;
}

static bool is_meant(const json_t *body, const json_t *params)
{
	static const char *const keys[] = {"name", "tenant", "port", "direction"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *want = json_object_get(params, keys[i]);

		if (want != NULL && !json_equal(want, json_object_get(body, keys[i])))
			return false;
	}
	return true;
}

static int refuse_ambiguous(const char *name, const json_t *a, const json_t *b, struct err *err)
{
	char one[160], other[160];

	where_of(a, one, sizeof(one));
	where_of(b, other, sizeof(other));
	err_set(err, -EINVAL, "ambiguous", "acl %s is attached more than once", name);
	err_why(err, "to %s, and to %s", one, other);
	err_fix(err, "say which: --port or --tenant, and --direction");
	return -EINVAL;
}

/* The one binding that is meant; less than all that names it will do. */
static int find_meant(const json_t *state, const json_t *params, const char **ret_key,
		      json_t **ret_body, struct err *err)
{
	json_t *objects = json_object_get(state, "acl-binding"), *body;
	const char *name = param(params, "name"), *key;
	char where[160];

	*ret_body = NULL;
	json_object_foreach(objects, key, body) {
		if (!is_meant(body, params))
			continue;
		if (*ret_body != NULL)
			return refuse_ambiguous(name, *ret_body, body, err);
		*ret_key = key;
		*ret_body = body;
	}
	if (*ret_body != NULL)
		return 0;
	if (json_object_get(json_object_get(state, "acl"), name) == NULL)
		return conf_refuse_missing(state, "acl", name, "", err);
	where_of(params, where, sizeof(where));
	err_set(err, -ENOENT, "not-found", "acl %s is not attached%s%s", name,
		where[0] != '\0' ? " to " : "", where);
	err_fix(err, "vswitchctl acl list");
	return -ENOENT;
}

int vs_change_acl_detach(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err)
{
	const char *key = NULL;
	json_t *body = NULL;
	int rc = find_meant(state, params, &key, &body, err);

	return rc == 0 ? conf_edit_remove(state, "acl-binding", key, err) : rc;
}

int vs_change_acl_move(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		       struct err *err)
{
	const char *key = NULL;
	json_t *body = NULL;
	int rc = find_meant(state, params, &key, &body, err);

	if (rc == 0)
		json_object_set(body, "order", json_object_get(params, "order"));
	return rc;
}

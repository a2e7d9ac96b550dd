/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes of filter modules and of where they are attached; see changes.h.
 */
#include "vswitch/changes_priv.h"

#include "ctl/spec.h"
#include "filters/ebpf/object.h"
#include "filters/module.h"
#include "vswitch/filters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

int vs_change_filter_load(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			  struct err *err)
{
	const char *name = param(params, "name");
	json_t *body = json_deep_copy(params);
	int rc = 0;

	/* Its name first: that is the nearer mistake. */
	if (conf_edit_get(state, "filter", name) == NULL)
		rc = vs_filters_name_object(body, err);
	if (rc != 0) {
		json_decref(body);
		return rc;
	}
	return conf_edit_add(state, "filter", name, body, err);
}

/* "on-budget" -> "on_budget" */
static void drop_default(json_t *body, const char *option)
{
	char key[CTL_KEY_SIZE];

	snprintf(key, sizeof(key), "%s", option);
	for (char *p = key; *p != '\0'; p++)
		*p = (char)(*p == '-' ? '_' : *p);
	json_object_del(body, key);
}

int vs_change_filter_swap(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			  struct err *err)
{
	const char *name = param(params, "name"), *key;
	json_t *body = conf_edit_get(state, "filter", name), *given, *value;
	size_t i;
	int rc;

	if (body == NULL)
		return conf_refuse_missing(state, "filter", name, "", err);
	if (json_object_size(params) < 2) {
		err_set(err, -EINVAL, "usage", "filter swap %s: nothing to change", name);
		err_why(err, "neither FILE nor an option is given");
		err_fix(err, "vswitchctl filter swap %s FILE", name);
		return -EINVAL;
	}
	given = json_copy((json_t *)(uintptr_t)params);
	rc = vs_filters_name_object(given, err);
	json_object_foreach(given, key, value) {
		if (rc == 0 && strcmp(key, "default") != 0)
			json_object_set(body, key, value);
	}
	json_array_foreach(json_object_get(given, "default"), i, value) {
		if (rc == 0)
			drop_default(body, json_string_value(value));
	}
	json_decref(given);
	return rc;
}

/* "switch lan0" of an attachment's body. */
static void where_of(const json_t *body, char *text, size_t size)
{
	static const char *const scopes[] = {"switch", "tenant", "port"};
	const char *direction = param(body, "direction");

	text[0] = '\0';
	for (size_t i = 0; i < 3; i++)
		if (param(body, scopes[i]) != NULL)
			snprintf(text, size, "%s %s%s", scopes[i], param(body, scopes[i]),
				 direction != NULL && strcmp(direction, "egress") == 0 ? " (egress)"
										       : "");
}

static int refuse_attached(const json_t *state, const char *name, struct err *err)
{
	json_t *objects = json_object_get(state, "attachment"), *body;
	char text[300] = "", one[100], scope[100];
	const char *key;
	unsigned n = 0;

	json_object_foreach(objects, key, body) {
		if (strcmp(param(body, "name"), name) != 0)
			continue;
		where_of(body, one, sizeof(one));
		if (n == 0)
			snprintf(scope, sizeof(scope), "%s", one);
		if (n++ < 3)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 n > 1 ? ", " : "", one);
	}
	if (n == 0)
		return 0;
	err_set(err, -EBUSY, "attached", "cannot unload filter %s: it is attached to %.200s%s",
		name, text, n > 3 ? ", .." : "");
	err_why(err, "frames would pass there without it");
	scope[strcspn(scope, "(")] = '\0';
	err_fix(err, "vswitchctl filter detach %s --%s; then unload it", name, scope);
	return -EBUSY;
}

int vs_change_filter_unload(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			    struct err *err)
{
	const char *name = param(params, "name");
	int rc = 0;

	if (conf_edit_get(state, "filter", name) != NULL)
		rc = refuse_attached(state, name, err);
	return rc == 0 ? conf_edit_remove(state, "filter", name, err) : rc;
}

/* ---- Where they are attached ---- */

/* Is "word" among the words of 'text'? */
static bool asks(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = text; (p = strstr(p, word)) != NULL; p += n)
		if ((p == text || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			return true;
	return false;
}

/* What is not said is as the module asks for, from now on. */
static void fill_wishes(const struct vs *vs, json_t *body)
{
	const struct filter_module *module =
		vs != NULL ? vs_filter_module(vs, param(body, "name")) : NULL;
	const char *wishes = module != NULL ? ebpf_object_wishes(filter_module_object(module)) : "";

	if (json_object_get(body, "role") == NULL)
		json_object_set_new(body, "role",
				    json_string(asks(wishes, "role=capture")   ? "capture"
						: asks(wishes, "role=forward") ? "forward"
									       : "filter"));
	if (json_object_get(body, "meta") == NULL && asks(wishes, "meta"))
		json_object_set_new(body, "meta", json_true());
	if (json_object_get(body, "strip_vlan") == NULL && asks(wishes, "strip-vlan"))
		json_object_set_new(body, "strip_vlan", json_true());
}

static int refuse_again(const json_t *body, struct err *err)
{
	const char *name = param(body, "name");
	char where[160];

	where_of(body, where, sizeof(where));
	err_set(err, -EEXIST, "exists", "filter %s is attached to %s already", name, where);
	err_fix(err, "vswitchctl filter list; filter move changes its order, filter detach takes "
		     "it away");
	return -EEXIST;
}

int vs_change_filter_attach(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			    struct err *err)
{
	json_t *body = json_deep_copy(params);
	char *name;
	int rc;

	if (json_object_get(body, "direction") == NULL)
		json_object_set_new(body, "direction", json_string("ingress"));
	fill_wishes(ctx, body);
	name = ctl_spec_object_name(ctl_spec_of_kind("attachment"), body);
	if (name == NULL) {
		rc = err_set(err, -ENOMEM, "no-memory", "no memory");
		json_decref(body);
	} else if (conf_edit_get(state, "attachment", name) != NULL) {
		rc = refuse_again(body, err);
		json_decref(body);
	} else {
		rc = conf_edit_add(state, "attachment", name, body, err);
	}
	free(name);
	return rc;
}

static bool is_meant(const json_t *body, const json_t *params)
{
	static const char *const keys[] = {"name", "switch", "tenant", "port", "direction"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *want = json_object_get(params, keys[i]);

		if (want != NULL && !json_equal(want, json_object_get(body, keys[i])))
			return false;
	}
	return true;
}

/* The one attachment that is meant; less than all that names it will do. */
static int find_meant(const json_t *state, const json_t *params, const char **ret_key,
		      json_t **ret_body, struct err *err)
{
	json_t *objects = json_object_get(state, "attachment"), *body, *first = NULL;
	const char *name = param(params, "name"), *key;
	char where[160], other[160];

	json_object_foreach(objects, key, body) {
		if (!is_meant(body, params))
			continue;
		if (first == NULL) {
			first = body;
			*ret_key = key;
			*ret_body = body;
			continue;
		}
		where_of(first, where, sizeof(where));
		where_of(body, other, sizeof(other));
		err_set(err, -EINVAL, "ambiguous", "filter %s is attached more than once", name);
		err_why(err, "to %s, and to %s", where, other);
		err_fix(err, "say which: --switch, --tenant or --port, and --direction");
		return -EINVAL;
	}
	if (first != NULL)
		return 0;
	if (json_object_get(json_object_get(state, "filter"), name) == NULL)
		return conf_refuse_missing(state, "filter", name, "", err);
	where_of(params, where, sizeof(where));
	err_set(err, -ENOENT, "not-found", "filter %s is not attached%s%s", name,
		where[0] != '\0' ? " to " : "", where);
	err_fix(err, "vswitchctl filter list");
	return -ENOENT;
}

int vs_change_filter_detach(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			    struct err *err)
{
	const char *key = NULL;
	json_t *body = NULL;
	int rc = find_meant(state, params, &key, &body, err);

	return rc == 0 ? conf_edit_remove(state, "attachment", key, err) : rc;
}

int vs_change_filter_move(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			  struct err *err)
{
	const char *key = NULL;
	json_t *body = NULL;
	int rc = find_meant(state, params, &key, &body, err);

	if (rc == 0)
		json_object_set(body, "order", json_object_get(params, "order"));
	return rc;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The configuration as plain data; see state.h.
 */
#include "ctl/state.h"

#include <errno.h>
#include <stddef.h>

json_t *state_get(const json_t *state, const char *kind, const char *name)
{
	return json_object_get(json_object_get(state, kind), name);
}

int state_put(json_t *state, const char *kind, const char *name, json_t *body)
{
	json_t *objects = json_object_get(state, kind);

	if (!json_is_object(body)) {
		json_decref(body);
		return -EINVAL;
	}
	if (objects == NULL) {
		objects = json_object();
		if (json_object_set_new(state, kind, objects) != 0) {
			json_decref(body);
			return -ENOMEM;
		}
	}
	return json_object_set_new(objects, name, body) == 0 ? 0 : -ENOMEM;
}

int state_drop(json_t *state, const char *kind, const char *name)
{
	json_t *objects = json_object_get(state, kind);

	if (json_object_del(objects, name) != 0)
		return -ENOENT;
	if (json_object_size(objects) == 0)
		json_object_del(state, kind);
	return 0;
}

int state_each_change(const json_t *before, const json_t *after, state_change_fn fn, void *arg)
{
	const char *kind, *name;
	json_t *objects, *body;
	int rc;

	json_object_foreach(state_unconst(before), kind, objects) {
		json_object_foreach(objects, name, body) {
			const json_t *next = state_get(after, kind, name);

			if (next != NULL && json_equal(body, next))
				continue;
			rc = fn(arg, kind, name, body, next);
			if (rc != 0)
				return rc;
		}
	}
	json_object_foreach(state_unconst(after), kind, objects) {
		json_object_foreach(objects, name, body) {
			if (state_get(before, kind, name) != NULL)
				continue;
			rc = fn(arg, kind, name, NULL, body);
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

void state_tidy(json_t *state)
{
	const char *kind;
	json_t *objects;
	void *next;

	json_object_foreach_safe(state, next, kind, objects)
	{
		if (json_is_object(objects) && json_object_size(objects) == 0)
			json_object_del(state, kind);
	}
}

int state_check_form(const json_t *state)
{
	const char *kind, *name;
	json_t *objects, *body;

	if (!json_is_object(state))
		return -EINVAL;
	json_object_foreach(state_unconst(state), kind, objects) {
		if (!json_is_object(objects) || json_object_size(objects) == 0)
			return -EINVAL;
		json_object_foreach(objects, name, body) {
			if (!json_is_object(body))
				return -EINVAL;
		}
	}
	return 0;
}

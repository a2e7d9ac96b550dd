/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The configuration as plain data: one JSON object {"kind": {"name": body}}.  The store keeps it,
 * conf changes it, the switch is built from it.  A kind without objects is absent, so that two
 * equal configurations are equal JSON.  Pure functions, any thread.
 */
#ifndef CTL_STATE_H
#define CTL_STATE_H

#include <stdint.h>

#include <jansson.h>

/* Jansson's iterators take a non-const object although they do not write to it. */
static inline json_t *state_unconst(const json_t *json)
{
	return (json_t *)(uintptr_t)json;
}

/* The body of an object, or NULL; borrowed. */
json_t *state_get(const json_t *state, const char *kind, const char *name);

/* Adds or replaces.  Takes 'body', also on failure.  Returns 0, -EINVAL for a body that is not an
 * object, or -ENOMEM. */
int state_put(json_t *state, const char *kind, const char *name, json_t *body);

/* Removes; -ENOENT when there is no such object. */
int state_drop(json_t *state, const char *kind, const char *name);

/* Called with NULL for what does not exist; both are borrowed. A non-zero return stops the walk and
 * is returned. */
typedef int (*state_change_fn)(void *arg, const char *kind, const char *name, const json_t *before,
			       const json_t *after);

/* Calls 'fn' for each object that differs: all of 'before' first (removed and changed), then what
 * is only in 'after'. */
int state_each_change(const json_t *before, const json_t *after, state_change_fn fn, void *arg);

/* Takes away kinds that have no objects left. */
void state_tidy(json_t *state);

/* 0 when 'state' has the form that is described above, else -EINVAL. */
int state_check_form(const json_t *state);

#endif

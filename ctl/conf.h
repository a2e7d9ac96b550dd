/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Configuration as state and as changes.  The state is one JSON object {"kind": {"name": body}}; a
 * body holds the parameters of the command that adds the object (ctl_spec.kind), so 'config show',
 * the store and the control socket all say the same thing.  A change is a function from state to
 * state.  Committing one is:
 *
 * 	edit a copy -> ops->check (no side effect) -> BEGIN; write -> ops->apply -> COMMIT
 * 	any failure: apply backwards, ROLLBACK; the error names what, why and how to fix
 *
 * A kill at any moment leaves the whole change or none, because the running switch dies with the
 * process and the store's transaction decides.  Control thread only.
 */
#ifndef CTL_CONF_H
#define CTL_CONF_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct conf;
struct ctl_call;
struct ctl_server;
struct event_base;
struct store;

/* What the switch does for the configuration.  All states are borrowed. */
struct conf_ops {
	/* Could 'after' run?  Names, references, limits, combinations.  No side effect. */
	int (*check)(void *ctx, const json_t *after, struct err *err);
	/* For a dry run: would 'apply' refuse it, as far as looking can tell?  The devices are
	 * there and free.  No side effect.  NULL: nothing to look at. */
	int (*probe)(void *ctx, const json_t *after, struct err *err);
	/* A change came as a call: takes what goes with it as descriptors, and says in 'params' (a
	 * copy of its own) what that was.  NULL: nothing goes with changes. */
	int (*take)(void *ctx, struct ctl_call *call, json_t *params, struct err *err);
	/* Makes the running switch match 'after'.  On failure the switch is as 'before' says.
	 * 'starting': at start-up, where a port whose device is away is not a failure but a port
	 * that waits for its device. */
	int (*apply)(void *ctx, const json_t *before, const json_t *after, bool starting,
		     struct err *err);
};

/* A change: edits 'state' (its own deep copy) as 'params' say, or refuses.  May set *ret_result
 * (new reference) to what the tool should print besides "ok". */
typedef int (*conf_change_fn)(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			      struct err *err);

struct conf_binding {
	const char *noun, *verb;
	conf_change_fn fn; /* NULL: the generic add, set or remove of the spec's kind, by verb */
};

/* 'store' may be NULL (nothing is kept); it is borrowed. 'base' is for the confirm timer. */
int conf_create(struct event_base *base, struct store *store, const struct conf_ops *ops, void *ctx,
		struct conf **ret_conf, struct err *err);
void conf_destroy(struct conf *conf);

/* Binds changes (table ended by .noun == NULL, borrowed; all have CTL_CHANGES) and hangs them, and
 * the 'config' commands, on the server. */
int conf_bind(struct conf *conf, struct ctl_server *server, const struct conf_binding *bindings,
	      struct err *err);

/* Loads what the store has and applies it with 'starting'; an unconfirmed change is rolled back
 * first.  With an empty store and 'initial' (text of commands, may be NULL), commits that as the
 * first revision. */
int conf_start(struct conf *conf, const char *initial, struct err *err);

/* The committed state; borrowed, valid until the next commit. */
const json_t *conf_state(const struct conf *conf);
/* A body, or NULL; borrowed. */
const json_t *conf_object(const struct conf *conf, const char *kind, const char *name);
uint64_t conf_revision(const struct conf *conf);

/* Commits 'next' (borrowed) as one change.  'check' stops before anything is written and reports
 * what would change.  'confirm_ms' > 0: rolls back by itself after that time unless confirmed. */
int conf_commit(struct conf *conf, const json_t *next, const char *who, const char *command,
		bool check, uint64_t confirm_ms, json_t **ret_result, struct err *err);

/* Where a change is.  For tests that kill the daemon at each step; called before the step. */
enum conf_step {
	CONF_STEP_CHECK,
	CONF_STEP_BEGIN,
	CONF_STEP_WRITE,
	CONF_STEP_APPLY,
	CONF_STEP_COMMIT,
	CONF_STEP_DONE
};
void conf_on_step(struct conf *conf, void (*fn)(void *ctx, enum conf_step step), void *ctx);

/* Called after each commit or roll back with a sentence for the event log. */
void conf_on_change(struct conf *conf, void (*fn)(void *ctx, uint64_t revision, const char *text),
		    void *ctx);

/* For change functions: generic edits of an object of the spec's kind. */
int conf_edit_add(json_t *state, const char *kind, const char *name, json_t *body /* takes */,
		  struct err *err);
/* "WHO: there is no KIND 'NAME'", with the nearest name; 'who' may be "".  Returns -ENOENT. */
int conf_refuse_missing(const json_t *state, const char *kind, const char *name, const char *who,
			struct err *err);
int conf_edit_remove(json_t *state, const char *kind, const char *name, struct err *err);
json_t *conf_edit_get(json_t *state, const char *kind,
		      const char *name); /* borrowed, may be edited */

/* State <-> text, one command a line in an order that loads ("tenant add", "switch add", "port
 * add", ..). */
char *conf_text_format(const json_t *state);
/* Applies each line's change to a copy of 'base' (NULL: empty).  An error names the line and
 * column. */
int conf_text_parse(struct conf *conf, const char *text, const json_t *base, json_t **ret_state,
		    struct err *err);
/* [{"op": "add|remove|change", "kind", "name", "before", "after", "command"}], new reference. */
json_t *conf_diff(const json_t *before, const json_t *after);

#endif

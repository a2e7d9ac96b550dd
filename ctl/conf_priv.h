/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside the configuration; see conf.h.  conf.c holds the state and commits, conf_confirm.c takes
 * unconfirmed changes back, conf_edit.c knows the generic add, set and remove, conf_diff.c and
 * conf_text.c turn states into differences and commands and back, conf_cmd.c is the 'config' noun
 * on the socket.
 */
#ifndef CTL_CONF_PRIV_H
#define CTL_CONF_PRIV_H

#include "ctl/conf.h"
#include "ctl/server.h"
#include "ctl/spec.h"

struct event;

/* A change that waits for 'config confirm'. */
struct conf_pending {
	bool on;
	uint64_t base;	/* the revision to go back to */
	json_t *before; /* its state */
	uint64_t wait_ms;
	uint64_t until_ns; /* monotonic */
};

struct conf {
	struct event_base *base;
	struct store *store;
	const struct conf_ops *ops;
	void *ctx;
	json_t *state;
	uint64_t revision;

	const struct conf_binding *bindings; /* NULL until conf_bind() */
	struct ctl_binding *calls;	     /* what the server borrows */

	struct conf_pending pending;
	struct event *confirm_timer, *copy_timer;
	bool copy_failed; /* said once, until it works again */

	void (*on_change)(void *ctx, uint64_t revision, const char *text);
	void *on_change_ctx;
	void (*on_step)(void *ctx, enum conf_step step);
	void *on_step_ctx;
};

/* One change on its way. */
struct conf_change {
	const json_t *next;
	const char *who, *command;
	bool starting;
	/* NULL: leaves the note of a pending change alone; JSON null: deletes it. */
	const json_t *note;
};

#define CONF_NOTE "unconfirmed"
/* Who makes the changes that nobody typed. */
#define CONF_SELF "vswitchd"

/* conf.c */

/* Writes, applies, commits: all or nothing.  ops->check() was called by the caller. */
int conf_make(struct conf *conf, const struct conf_change *change, struct err *err);
void conf_tell(struct conf *conf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* conf_confirm.c */

int conf_confirm_init(struct conf *conf, struct err *err);
void conf_confirm_fini(struct conf *conf);
/* Keeps 'before' (borrowed) and starts the clock. */
void conf_confirm_wait(struct conf *conf, uint64_t base, const json_t *before, uint64_t wait_ms);
uint64_t conf_confirm_left_ms(const struct conf *conf);
/* Refuses while a change waits. */
int conf_confirm_refuse(const struct conf *conf, struct err *err);
int conf_confirm(struct conf *conf, struct err *err);
/* Goes back to the state before the change that waits. */
int conf_confirm_undo(struct conf *conf, const char *who, const char *command, struct err *err);
/* At start, before anything runs: what a restart left unconfirmed is rolled back in the store. */
int conf_confirm_recover(struct conf *conf, json_t **state, struct err *err);

/* conf_edit.c */

/* The command that adds the objects which 'spec' edits: itself, or the one of its noun.  NULL:
 * there is none. */
const struct ctl_spec *conf_adds(const struct ctl_spec *spec);
/* Can the generic edits do this command? */
bool conf_edit_knows(const struct ctl_spec *spec);
/* Generic add, set or remove, by the verb of 'spec'.  'params' were checked. */
int conf_edit(json_t *state, const struct ctl_spec *spec, const json_t *params, struct err *err);
/* The change of one command to 'state': the binding's function or the generic one. */
bool conf_knows(const struct conf *conf, const struct ctl_spec *spec); /* can there be one? */
int conf_change(struct conf *conf, const struct ctl_spec *spec, json_t *state, const json_t *params,
		json_t **ret_result, struct err *err);
/* Every object of a kind that is known, with a body and a name as its command makes them;
 * normalises. */
int conf_edit_check_state(json_t *state, struct err *err);

/* conf_diff.c */

/* Kinds in the order in which their commands load: smaller first. */
int conf_kind_rank(const char *kind);
struct conf_object {
	const char *kind, *name;
	const json_t *body;
};
/* All objects in the order of 'config show'; the caller frees the array, everything in it is
 * borrowed. */
int conf_sort_objects(const json_t *state, struct conf_object **ret_objects, size_t *ret_n);

/* conf_text.c */

/* conf_text_parse() that also notes in 'places' (an object, may be NULL) on which line each object
 * was last written. */
int conf_text_read(struct conf *conf, const char *text, const json_t *base, json_t *places,
		   json_t **ret_state, struct err *err);
/* Puts the line before an error about an object of 'places'. */
void conf_text_blame(const json_t *places, struct err *err);

/* conf_cmd.c */

int conf_bind_commands(struct conf *conf, struct ctl_server *server, struct err *err);

#endif
